//! Small programs with every gas limit from none to one ink more than they take, on small memories and on large ones.
//!
//! Each has something behind and before what it is about, so that a trap or an end for want of gas lies in the middle of a
//! block. Of programs that take much, and in a build with debug assertions, which is slow, limits near a charge are tried and
//! some in between.

use super::{Charges, Left, ink_meter, left};
use lathe_vm::{Engine, Machine, Module, NoHost, Outcome, Rules, Schedule, TrapKind, Value};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Ink that none of the programs uses up, a page or two included.
const PLENTY: u64 = 1 << 40;
/// The bytes that are compared at the beginning of memory and at its end.
const WATCHED_BYTES: usize = 512;
/// Programs that take as much ink or more are not tried with every limit.
const EVERY_LIMIT_INK_MAX: u64 = if cfg!(debug_assertions) { 1_000 } else { 12_000 };
/// How many limits between charges they are tried with.
const BETWEEN: u64 = 100;

/// What a program does between other things, and how it ends with plenty of gas.
type Program = (&'static str, &'static str, Option<TrapKind>);

const PROGRAMS: &[Program] = &[
    ("loads", "(local.set $x (i32.load offset=8 (local.get $n)))", None),
    ("a load out of bounds", "(local.set $x (i32.load (i32.const -1)))", Some(TrapKind::MemoryOutOfBounds)),
    ("stores", "(i64.store offset=16 (local.get $n) (i64.const 7))", None),
    ("a store out of bounds", "(i64.store (i32.const -4) (i64.const 7))", Some(TrapKind::MemoryOutOfBounds)),
    ("vectors", "(v128.store offset=32 (local.get $n) (v128.load (local.get $n)))", None),
    ("fill", "(memory.fill (i32.const 40) (i32.const 9) (i32.const 5))", None),
    ("fill of nothing", "(memory.fill (i32.const 40) (i32.const 9) (i32.const 0))", None),
    (
        "fill out of bounds",
        "(memory.fill (i32.const -4) (i32.const 9) (i32.const 5))",
        Some(TrapKind::MemoryOutOfBounds),
    ),
    ("copy", "(memory.copy (i32.const 41) (i32.const 40) (i32.const 5))", None),
    (
        "copy out of bounds",
        "(memory.copy (i32.const 1) (i32.const -4) (i32.const 5))",
        Some(TrapKind::MemoryOutOfBounds),
    ),
    ("init", "(memory.init $d (i32.const 50) (i32.const 1) (i32.const 2))", None),
    (
        "init out of bounds",
        "(memory.init $d (i32.const 50) (i32.const 2) (i32.const 3))",
        Some(TrapKind::MemoryOutOfBounds),
    ),
    (
        "init of what was dropped",
        "(data.drop $d) (memory.init $d (i32.const 50) (i32.const 0) (i32.const 1))",
        Some(TrapKind::MemoryOutOfBounds),
    ),
    ("table fill", "(table.fill $t (i32.const 1) (ref.func $f) (i32.const 2))", None),
    (
        "table fill out of bounds",
        "(table.fill $t (i32.const 9) (ref.func $f) (i32.const 2))",
        Some(TrapKind::TableOutOfBounds),
    ),
    ("table copy", "(table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 2))", None),
    (
        "table copy out of bounds",
        "(table.copy $t $t (i32.const 9) (i32.const 0) (i32.const 2))",
        Some(TrapKind::TableOutOfBounds),
    ),
    ("table init", "(table.init $t $e (i32.const 1) (i32.const 0) (i32.const 1))", None),
    (
        "table init out of bounds",
        "(table.init $t $e (i32.const 1) (i32.const 1) (i32.const 1))",
        Some(TrapKind::TableOutOfBounds),
    ),
    ("table grow", "(local.set $x (table.grow $t (ref.null func) (i32.const 2)))", None),
    ("table grow beyond", "(local.set $x (table.grow $t (ref.null func) (i32.const 100)))", None),
    ("table get out of bounds", "(drop (table.get $t (i32.const 10)))", Some(TrapKind::TableOutOfBounds)),
    (
        "table set out of bounds",
        "(table.set $t (i32.const 10) (ref.null func))",
        Some(TrapKind::TableOutOfBounds),
    ),
    ("a page more", "(local.set $x (memory.grow (i32.const 1)))", None),
    ("pages beyond", "(local.set $x (memory.grow (i32.const 1000)))", None),
    (
        "division by zero",
        "(local.set $x (i32.div_s (local.get $x) (local.get $n)))",
        Some(TrapKind::IntegerDivideByZero),
    ),
    (
        "overflow of a division",
        "(local.set $l (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))",
        Some(TrapKind::IntegerOverflow),
    ),
    (
        "a number that is none",
        "(local.set $x (i32.trunc_f64_s (f64.const nan)))",
        Some(TrapKind::InvalidConversion),
    ),
    ("unreachable", "unreachable", Some(TrapKind::Unreachable)),
    ("a call", "(call $f (local.get $x))", None),
    ("an indirect call", "(call_indirect (type $t0) (local.get $x) (i32.const 0))", None),
    (
        "an indirect call of nothing",
        "(call_indirect (type $t0) (local.get $x) (i32.const 3))",
        Some(TrapKind::UninitializedElement),
    ),
    (
        "an indirect call of another type",
        "(call_indirect (type $t1) (i32.const 0))",
        Some(TrapKind::IndirectCallTypeMismatch),
    ),
    (
        "an indirect call out of bounds",
        "(call_indirect (type $t0) (local.get $x) (i32.const 77))",
        Some(TrapKind::UndefinedElement),
    ),
    ("a tail call that traps", "(return_call $deep (i32.const 3))", Some(TrapKind::Unreachable)),
    ("branches", "(block $b (br_if $b (local.get $n)) (br_table $b $b (local.get $x)))", None),
    ("values carried", "(drop (drop (block (result i32 i64) (i32.const 1) (i64.const 2) (br 0))))", None),
    (
        "a loop",
        "(loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3))))",
        None,
    ),
    (
        "a branch on a sum whose first part could be branched on",
        "(block (br_if 0 (i32.add (i32.and (local.get $x) (i32.const 4)) (local.get $x))) unreachable)",
        None,
    ),
    (
        "an element of an array",
        "(local.set $x (i32.load offset=4 (i32.add (local.get $x) (i32.shl (local.get $x) (i32.const 2)))))",
        None,
    ),
    (
        "an element out of bounds",
        "(local.set $l (i64.load (i32.add (local.get $x) (i32.shl (local.get $x) (i32.const 30)))))",
        Some(TrapKind::MemoryOutOfBounds),
    ),
    (
        "an element whose index is loaded",
        "(local.set $x (i32.load offset=4 (i32.add (local.get $x) (i32.shl (i32.load8_u (local.get $x)) (i32.const 2)))))",
        None,
    ),
    (
        "an index out of bounds",
        "(local.set $n (i32.const -1))
         (local.set $x (i32.load (i32.add (local.get $x) (i32.shl (i32.load8_u (local.get $n)) (i32.const 2)))))",
        Some(TrapKind::MemoryOutOfBounds),
    ),
    (
        "an element whose index is loaded, out of bounds",
        "(i32.store (local.get $x) (i32.const -1))
         (local.set $l (i64.load (i32.add (local.get $n) (i32.shl (i32.load (local.get $x)) (i32.const 4)))))",
        Some(TrapKind::MemoryOutOfBounds),
    ),
    (
        "a case out of bounds",
        "(local.set $n (i32.const -1)) (block (br_table 0 0 (i32.load (local.get $n))))",
        Some(TrapKind::MemoryOutOfBounds),
    ),
    (
        "cases that do not begin with 0",
        "(block $a (block $b (br_table $b $a $b (i32.sub (i32.load8_u offset=4096 (local.get $x)) (i32.const -1)))) \
         unreachable)",
        None,
    ),
    (
        "a choice of vectors",
        "(v128.store (i32.const 64) (select (v128.const i64x2 1 2) (v128.load (i32.const 0)) (local.get $x)))",
        None,
    ),
];

/// A program in a module that has something for each of them.
fn module(unit: &str, pages: u32) -> Vec<u8> {
    let text = format!(
        r#"(module (type $t0 (func (param i32))) (type $t1 (func))
            (memory (export "memory") {pages}) (table $t 10 20 funcref) (elem (table $t) (i32.const 0) func $f)
            (data $d "abc") (elem $e func $f)
            (global $g (export "g") (mut i32) (i32.const 5))
            (func $f (type $t0) (local i64) (global.set $g (local.get 0)))
            (func $deep (type $t0)
                (global.set $g (local.get 0))
                (if (local.get 0) (then (return_call $deep (i32.sub (local.get 0) (i32.const 1)))))
                unreachable)
            (func (export "run") (param $n i32) (local $x i32) (local $l i64)
                (local.set $x (i32.add (local.get $n) (i32.const 3)))
                (global.set $g (local.get $x))
                {unit}
                (global.set $g (i32.mul (local.get $x) (i32.const 3)))
                (local.set $l (i64.add (local.get $l) (i64.const 1)))))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What a run may not differ in.
#[derive(Debug, PartialEq)]
struct Record {
    outcome: Outcome,
    left: Left,
    global: Value,
    pages: usize,
    begin: Vec<u8>,
    end: Vec<u8>,
}

fn run(module: &Module, rules: &Rules, ink: u64, charges: Option<&mut Charges>) -> Record {
    let mut machine = Machine::new(rules, rules.limits.memory_pages);
    let instance =
        machine.instantiate(module, &[], &mut ink_meter(1 << 50)).expect("the segments fit and are paid for");
    let function = machine.exported_function(instance, "run").expect("the module exports it");
    let mut meter = ink_meter(ink);
    let arguments = [Value::I32(0)];
    let outcome = match charges {
        None => machine.invoke(function, &arguments, &mut meter, &mut NoHost),
        Some(charges) => machine.invoke_traced(function, &arguments, &mut meter, &mut NoHost, charges),
    };
    let global = match machine.export(instance, "g") {
        Some(lathe_vm::Extern::Global(global)) => machine.global(global),
        other => panic!("the module exports a global, not {other:?}"),
    };
    let memory = machine.memory(instance);
    Record {
        outcome,
        left: left(&meter),
        global,
        pages: memory.len() / 65_536,
        begin: memory[..WATCHED_BYTES].to_vec(),
        end: memory[memory.len() - WATCHED_BYTES..].to_vec(),
    }
}

/// Returns the limits to try with a program that takes so much, and pays at these places.
fn limits(used: u64, charged: &BTreeSet<u64>) -> BTreeSet<u64> {
    let near = charged.iter().flat_map(|&ink| [ink.saturating_sub(1), ink, ink + 1]);
    let step = if used < EVERY_LIMIT_INK_MAX { 1 } else { used / BETWEEN + 1 };
    let between = (0..=used + 1).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    near.chain(between).chain([used, used + 1]).filter(|&ink| ink <= used + 1).collect()
}

#[test]
fn every_engine_stops_small_programs_at_the_same_instruction() {
    let rules = Rules::DEVNET;
    let large = rules.schedule.small_memory_pages + 1;
    let mut differences = String::new();
    let mut tried = 0;
    for &(name, unit, trap) in PROGRAMS {
        // A page more makes the largest small memory large.
        let small = if unit.contains("memory.grow") { large - 1 } else { 1 };
        for pages in [small, large] {
            let wasm = module(unit, pages);
            let on = |engine| Module::with_engine(&wasm, &rules, engine).expect("the module is valid");
            let plain = on(Engine::Plain);
            let schedule: &Schedule = rules.schedule;
            let mut charges = Charges { schedule, ink: PLENTY, used: BTreeSet::from([0]) };
            let whole = run(&plain, &rules, PLENTY, Some(&mut charges));
            let ended = match &whole.outcome {
                Outcome::Trapped(trap) => Some(trap.kind),
                _ => None,
            };
            assert_eq!(ended, trap, "{name}");
            let used = PLENTY - whole.left.0;
            let others: Vec<(Engine, Module)> =
                Engine::ALL.iter().map(|&engine| (engine, on(engine))).collect();
            for ink in limits(used, &charges.used) {
                let expected = run(&plain, &rules, ink, None);
                assert_eq!(
                    ink < used,
                    matches!(&expected.outcome, Outcome::Trapped(trap) if trap.kind == TrapKind::OutOfGas),
                    "{name} with {ink} ink of {used} in {pages} pages"
                );
                for (engine, module) in others.iter().filter(|(engine, _)| *engine != Engine::Plain) {
                    tried += 1;
                    let found = run(module, &rules, ink, None);
                    if found != expected && differences.len() < 4_096 {
                        writeln!(differences, "{name} in {pages} pages with {ink} ink on {engine}: {expected:?} became {found:?}")
                            .expect("a String takes everything");
                    }
                }
            }
        }
    }
    eprintln!("{tried} limits of small programs");
    assert!(differences.is_empty(), "{differences}");
    assert!(Engine::ALL.len() == 1 || tried > 5_000, "only {tried} limits");
}

/// Blocks longer than engines pay for at once, with limits around what a part of them costs.
#[test]
fn every_engine_takes_long_blocks_apart_alike() {
    let rules = Rules::DEVNET;
    for (unit, count) in [
        ("nop ", 30_000),
        ("(local.set $x (i32.add (local.get $x) (i32.const 3)))", 9_000),
        ("(global.set $g (select (local.get $x) (global.get $g) (i32.eqz (local.get $x))))", 3_000),
        ("(i32.store offset=4 (local.get $n) (i32.load (local.get $n)))", 2_000),
    ] {
        let wasm = module(&unit.repeat(count), 1);
        let on = |engine| Module::with_engine(&wasm, &rules, engine).expect("the module is valid");
        let plain = on(Engine::Plain);
        let used = PLENTY - run(&plain, &rules, PLENTY, None).left.0;
        assert!(used > 2 << 20, "{used} ink is no long block");
        for &engine in Engine::ALL {
            let module = on(engine);
            for ink in (0..used + 1).step_by(33_331).chain([used - 1, used, used + 1]) {
                let (expected, found) = (run(&plain, &rules, ink, None), run(&module, &rules, ink, None));
                assert_eq!(found, expected, "{unit} on {engine} with {ink} ink of {used}");
            }
        }
    }
}
