//! Programs that miss the caches of the processor: with what they read and write, and with their own code.

use crate::program::{Program, repeat, turning};
use crate::{Group, Row, Run};
use lathe_gas::Schedule;
use std::fmt::Write as _;
use std::time::Duration;

/// How long a run takes: as long as it takes to have gone through everything that is in the caches.
const RUN: Duration = Duration::from_millis(2);
/// Bytes of a page.
const PAGE: u32 = 65_536;
/// Pages of the largest memory.
const PAGES_MAX: u32 = 256;
/// Bytes of a line of the cache.
const LINE: u32 = 64;
/// Bytes of a page of the processor.
const SMALL_PAGE: u32 = 4_096;
/// Steps of a random walk, so that `a * FACTOR + ODD` visits every line: FACTOR is 1 modulo 4, ODD is odd.
const FACTOR: u32 = 1_664_525;
const ODD: u32 = 1_013_904_223;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let small = Schedule::V4.small_memory_pages;
    for pages in [1, 8, small, small + 1, 2 * small, PAGES_MAX] {
        let vector = "i32x4.extract_lane 0";
        for (name, stride, misplaced, load, then) in [
            ("pointer chase", LINE, 0, "i32.load", ""),
            ("pointer chase across lines", LINE, LINE - 2, "i32.load", ""),
            ("pointer chase across pages of the processor", SMALL_PAGE, SMALL_PAGE - 2, "i32.load", ""),
            ("pointer chase of vectors", LINE, 0, "v128.load32_zero", vector),
            ("pointer chase of vectors across lines", LINE, LINE - 2, "v128.load", vector),
        ] {
            let run = move || chase(pages, stride, misplaced, load, then);
            rows.push(Row::new(Group::Hostile, format!("{name} in {pages} pages"), run));
        }
        for (name, unit) in accesses(pages) {
            rows.push(Row::new(Group::Hostile, format!("{name} in {pages} pages"), move || {
                walk(pages, &unit)
            }));
        }
    }
    rows.extend(code());
    rows
}

/// A global that keeps the place of a walk between runs, so that none goes where the last one was.
const PLACE: &str = "(global $place (mut i32) (i32.const 0))";

/// A chain of pointers through so many pages, one in every `stride` bytes, in an order that no processor foresees. Each
/// lies `misplaced` bytes behind the beginning of its stride.
fn chase(pages: u32, stride: u32, misplaced: u32, load: &str, then: &str) -> Result<Run, String> {
    let unit = format!("{load} {then}");
    let function = repeat("", "", "global.get $place", &unit, "global.set $place");
    let mut program = Program::text(&format!("(module (memory {pages}) {PLACE} {function})"))?;
    let strides = pages * PAGE / stride;
    let memory = program.memory();
    // The way into the ring.
    memory[..4].copy_from_slice(&misplaced.to_le_bytes());
    let (mut place, mut from) = (0u32, misplaced as usize);
    for _ in 0..strides {
        place = place.wrapping_mul(FACTOR).wrapping_add(ODD) % strides;
        // The last stride has no room for what reaches into the next one.
        if place == strides - 1 {
            continue;
        }
        let to = place * stride + misplaced;
        memory[from..from + 4].copy_from_slice(&to.to_le_bytes());
        from = to as usize;
    }
    program.turning_for(RUN)
}

/// A program that walks with `$x` through memory that is there.
fn walk(pages: u32, unit: &str) -> Result<Run, String> {
    let function = repeat(
        "(local $x i32) (local $y i32)",
        "(local.set $x (global.get $place))",
        "",
        unit,
        "(global.set $place (local.get $x))",
    );
    let mut program = Program::text(&format!("(module (memory {pages}) {PLACE} {function})"))?;
    program.memory().fill(0);
    program.turning_for(RUN)
}

/// Reads, writes and short bulk operations at places that nobody foresees.
fn accesses(pages: u32) -> [(&'static str, String); 8] {
    let random =
        format!("(local.set $x (i32.add (i32.mul (local.get $x) (i32.const {FACTOR})) (i32.const {ODD})))");
    // The bits above are the most random ones.
    let shift = 32 - (pages * PAGE).ilog2();
    let place = |number: &str| format!("(i32.and (i32.shr_u {number} (i32.const {shift})) (i32.const -16))");
    let at = place("(local.get $x)");
    let after_read = place("(i32.add (local.get $x) (local.get $y))");
    [
        ("random reads", format!("{random} (local.set $y (i32.load {at}))")),
        ("random reads, one after the other", format!("{random} (local.set $y (i32.load {after_read}))")),
        ("random writes", format!("{random} (i32.store {at} (local.get $x))")),
        ("random writes of vectors", format!("{random} (v128.store {at} (i32x4.splat (local.get $x)))")),
        (
            "random writes across lines",
            format!(
                "{random} (i64.store offset=60 (i32.and {at} (i32.const {})) (i64.const 7))",
                (1 << (pages * PAGE).ilog2()) - 2 * LINE
            ),
        ),
        (
            "a write to every page of the processor",
            format!(
                "(i32.store (i32.and (local.tee $x (i32.add (local.get $x) (i32.const 0x11040))) (i32.const {})) (local.get $x))",
                pages * PAGE - 16
            ),
        ),
        (
            "short copies between random places",
            format!(
                "{random} (memory.copy {at} {} (i32.const 8)) (local.set $x (i32.xor (local.get $x) (i32.load {at})))",
                place("(i32.mul (local.get $x) (i32.const 2654435769))")
            ),
        ),
        ("short fills of random places", format!("{random} (memory.fill {at} (i32.const 1) (i32.const 1))")),
    ]
}

/// Functions of a module: as many as fit one with such bodies.
const FUNCTIONS: u32 = 9_800;

/// Programs whose code is large and run in an order or at a speed that caches do not keep up with.
fn code() -> Vec<Row> {
    // Each `clz` takes a byte and becomes two words, which are jumped over.
    let branch = format!("(block (br_if 0 (local.get $one)) local.get $x {} drop)\n", "i32.clz ".repeat(8));
    let straight = "(local.set $x (local.get $y)) (local.set $y (local.get $one))\n";
    // A byte becomes two words, which run.
    let dense = format!("local.get $x {} drop\n", "i32.extend8_s ".repeat(29));
    let mut rows = Vec::new();
    for (name, unit, count) in [
        ("branches through code beyond the caches", branch, 7_000),
        ("straight code beyond the caches", straight.to_owned(), 15_000),
        ("dense code beyond the caches", dense, 4_000),
    ] {
        rows.push(Row::new(Group::Hostile, name, move || bodies(&unit, count)));
    }
    // Something of every line is executed, and little of it.
    let lines = |count| "(block (br_if 0 (local.get 0)) local.get 0 i32.clz i32.clz drop)".repeat(count);
    for count in [1_000, 2_500, 5_000, FUNCTIONS] {
        for (what, body) in [("empty functions", String::new()), ("functions of some lines", lines(3))] {
            let functions = functions(count, &body);
            let name = format!("{count} {what}");
            let direct = functions.clone();
            rows.push(Row::new(Group::Hostile, format!("calls of {name}"), move || calls(count, &direct)));
            let run = move || indirect_calls(count, &functions);
            rows.push(Row::new(Group::Hostile, format!("indirect calls of {name}"), run));
        }
    }
    rows
}

/// Three functions that repeat a unit, one after the other: as much as a module may have, and room for what calls them.
fn bodies(unit: &str, count: usize) -> Result<Run, String> {
    let body = unit.repeat(count);
    let function = format!("(param $one i32) (local $x i32) (local $y i32) {body}");
    let wat = format!(
        "(module (func $a {function}) (func $b {function}) (func $c {function})
            (func (export \"run\") (param $n i32)
                (loop $turn
                    (call $a (i32.const 1)) (call $b (i32.const 1)) (call $c (i32.const 1))
                    (br_if $turn (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"
    );
    turning(&wat)
}

/// Functions with one body, which has a parameter that is not zero.
fn functions(count: u32, body: &str) -> String {
    (0..count).fold(String::from("(type $t (func (param i32)))"), |mut text, place| {
        writeln!(text, "(func $f{place} (type $t) {body})").expect("a String takes everything");
        text
    })
}

/// A function that calls others in a random order, each about as often.
fn calls(count: u32, functions: &str) -> Result<Run, String> {
    let calls = (0..count).fold((String::new(), 1u32), |(mut text, random), _| {
        write!(text, "(call $f{} (local.get $n))", (random >> 8) % count).expect("a String takes everything");
        (text, random.wrapping_mul(FACTOR).wrapping_add(ODD))
    });
    let wat = format!(
        "(module {functions} (func (export \"run\") (param $n i32)
            (loop $turn {}
                (br_if $turn (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))",
        calls.0
    );
    turning(&wat)
}

/// Calls of functions through a table, by a random index.
fn indirect_calls(count: u32, functions: &str) -> Result<Run, String> {
    let names = (0..count).map(|place| format!("$f{place} ")).collect::<String>();
    let unit = format!(
        "(local.set $x (i32.add (i32.mul (local.get $x) (i32.const {FACTOR})) (i32.const {ODD})))
         (call_indirect (type $t) (local.get $n) (i32.rem_u (i32.shr_u (local.get $x) (i32.const 8)) (i32.const {count})))"
    );
    let run = repeat(
        "(local $x i32)",
        "(local.set $x (global.get $place))",
        "",
        &unit,
        "(global.set $place (local.get $x))",
    );
    let wat = format!(
        "(module {functions} {PLACE} (table {count} funcref) (elem (i32.const 0) func {names}) {run})"
    );
    Program::text(&wat)?.turning_for(RUN)
}
