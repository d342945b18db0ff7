//! Programs that miss the caches of the processor: with what they read and write, and with their own code.

use crate::program::{Program, repeat, turning};
use crate::{Group, Row, Run};
use lathe_gas::Schedule;
use std::fmt::Write as _;

/// Bytes of a page.
const PAGE: u32 = 65_536;
/// Pages of the largest memory.
const PAGES_MAX: u32 = 256;
/// Bytes of a line of the cache.
const LINE: u32 = 64;
/// Steps of a random walk, so that `a * FACTOR + ODD` visits every line: FACTOR is 1 modulo 4, ODD is odd.
const FACTOR: u32 = 1_664_525;
const ODD: u32 = 1_013_904_223;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut push = |name: String, run| rows.push(Row::new(Group::Hostile, name, run));
    let small = Schedule::V3.small_memory_pages;
    for pages in [1, 8, small, 2 * small, PAGES_MAX] {
        let chase = |misplaced, load, then| chase(pages, misplaced, load, then);
        push(format!("pointer chase in {pages} pages"), chase(0, "i32.load", ""));
        push(format!("pointer chase across lines in {pages} pages"), chase(LINE - 2, "i32.load", ""));
        push(
            format!("pointer chase of vectors in {pages} pages"),
            chase(0, "v128.load32_zero", "i32x4.extract_lane 0"),
        );
        for (name, unit) in accesses(pages) {
            let wat =
                format!("(module (memory {pages}) {})", repeat("(local $x i32) (local $y i32)", "", "", &unit, ""));
            push(format!("{name} in {pages} pages"), turning(&wat));
        }
    }
    for (name, run) in code() {
        push(name.to_owned(), run);
    }
    rows
}

/// A chain of pointers through every line of so many pages, in an order that no processor foresees. Each pointer lies
/// `misplaced` bytes behind the beginning of its line.
fn chase(pages: u32, misplaced: u32, load: &str, then: &str) -> Result<Run, String> {
    let unit = format!("{load} {then}");
    let function = repeat("(local $x i32)", "", "local.get $x", &unit, "local.set $x");
    let mut program = Program::text(&format!("(module (memory {pages}) {function})"))?;
    // The last line has no room for what reaches into the next one.
    let lines = pages * PAGE / LINE;
    let memory = program.memory();
    let mut line = 0u32;
    let mut from = 0;
    for _ in 0..lines {
        line = line.wrapping_mul(FACTOR).wrapping_add(ODD) % lines;
        if line == lines - 1 {
            continue;
        }
        let to = line * LINE + misplaced;
        memory[from..from + 4].copy_from_slice(&to.to_le_bytes());
        from = to as usize;
    }
    memory[from..from + 4].copy_from_slice(&0u32.to_le_bytes());
    program.turning()
}

/// Reads, writes and short bulk operations at places that nobody foresees.
fn accesses(pages: u32) -> [(&'static str, String); 6] {
    let random = format!(
        "(local.set $x (i32.add (i32.mul (local.get $x) (i32.const {FACTOR})) (i32.const {ODD})))"
    );
    // The bits above are the most random ones.
    let shift = 32 - (pages * PAGE).ilog2();
    let place = |number: &str| format!("(i32.and (i32.shr_u {number} (i32.const {shift})) (i32.const -16))");
    let at = place("(local.get $x)");
    let after_read = place("(i32.add (local.get $x) (local.get $y))");
    [
        ("random reads", format!("{random} (local.set $y (i32.load {at}))")),
        ("random reads, one after the other", format!("{random} (local.set $y (i32.load {after_read}))")),
        ("random writes", format!("{random} (i32.store {at} (local.get $x))")),
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

/// Functions that a module may have.
const FUNCTIONS: u32 = 10_000;

/// Programs whose code is as large as a module allows, and is run in an order or at a speed that caches do not keep up
/// with.
fn code() -> [(&'static str, Result<Run, String>); 5] {
    // Each takes a byte and becomes two words.
    let padding = "i32.clz ".repeat(8);
    let branch = format!("(block (br_if 0 (local.get $one)) local.get $x {padding} drop)\n");
    let straight = "(local.set $x (local.get $y)) (local.set $y (local.get $one))\n";
    // What is executed of each function is its first and its last line.
    let far = format!("(block (br_if 0 (local.get 0)) local.get 0 {} drop)", "i32.clz ".repeat(24));
    let near = "(block (br_if 0 (local.get 0)) local.get 0 i32.clz i32.clz drop)";
    let far_functions = functions(&far);
    [
        ("branches through code beyond the caches", bodies(&branch, 7_000)),
        ("straight code beyond the caches", bodies(straight, 15_000)),
        ("calls in random order of code beyond the caches", calls(&far_functions)),
        ("indirect calls of code beyond the caches", indirect_calls(&far_functions)),
        ("indirect calls of many small functions", indirect_calls(&functions(near))),
    ]
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

/// As many functions as a module may have but one, with one body, which has a parameter that is not zero.
fn functions(body: &str) -> String {
    (0..FUNCTIONS - 1).fold(String::from("(type $t (func (param i32)))"), |mut text, place| {
        writeln!(text, "(func $f{place} (type $t) {body})").expect("a String takes everything");
        text
    })
}

/// A function that calls others in a random order, each as often.
fn calls(functions: &str) -> Result<Run, String> {
    let count = FUNCTIONS - 1;
    let calls = (0..count).fold((String::new(), 1u32), |(mut text, random), _| {
        write!(text, "(call $f{} (local.get $n))", random % count).expect("a String takes everything");
        (text, random.wrapping_mul(FACTOR).wrapping_add(ODD).rotate_left(7))
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
fn indirect_calls(functions: &str) -> Result<Run, String> {
    let count = FUNCTIONS - 1;
    let names = (0..count).map(|place| format!("$f{place} ")).collect::<String>();
    let unit = format!(
        "(local.set $x (i32.add (i32.mul (local.get $x) (i32.const {FACTOR})) (i32.const {ODD})))
         (call_indirect (type $t) (local.get $n) (i32.rem_u (i32.shr_u (local.get $x) (i32.const 3)) (i32.const {count})))"
    );
    let run = repeat("(local $x i32)", "", "", &unit, "");
    turning(&format!("(module {functions} (table {count} funcref) (elem (i32.const 0) func {names}) {run})"))
}
