//! Exact prices of small programs, and what happens when they cannot be paid.
//!
//! Each row is a function body with a table, a memory and some helpers around it, what it gives, and its ink as the
//! sum that the tables of `lathe-gas` say. Where instructions are counted instead, each is a step.

mod support;

use lathe_vm::{Engine, Meter, Module, Observer, Outcome, Rules, Schedule, Step, TrapKind};
use support::{PLENTY, Run, brief, ink_meter};

/// Entering a function.
const ENTRY: u64 = 1_500;
/// Leaving one by its last `end` or by `return`.
const RETURN: u64 = 1_000;
/// A slot carried somewhere.
const MOVED: u64 = 250;
/// Constants and locals.
const MOVE: u64 = 200;
const ADD: u64 = 300;
const MARK: u64 = 100;
const BRANCH: u64 = 500;
const CALL: u64 = 2_500;
const CALL_INDIRECT: u64 = 5_000;
const PAGE: u64 = 10_000_000;
/// What a page costs more for each page that is open before it.
const RISE: u64 = 20_000;
const GROW: u64 = 10_000;
const BULK: u64 = 2_500;
/// A byte that is filled or copied.
const BYTE: u64 = 200;

const AROUND: &str = r#"
    (type $unary (func (param i32) (result i32)))
    (memory 1 3)
    (table 2 4 funcref)
    (elem (i32.const 0) $inc)
    (elem $passive func $inc $inc)
    (data $bytes "0123456789")
    (func $inc (type $unary) (i32.add (local.get 0) (i32.const 1)))
    (func $locals (local i32 i64 f64 v128))
    (func $forever (call $forever))
"#;

struct Row {
    name: &'static str,
    /// From the type on.
    function: &'static str,
    outcome: &'static str,
    ink: u64,
}

const fn row(name: &'static str, function: &'static str, outcome: &'static str, ink: u64) -> Row {
    Row { name, function, outcome, ink }
}

const ROWS: &[Row] = &[
    row("an empty function pays entry and return", "", "", ENTRY + RETURN),
    row("a result is moved", "(result i32) i32.const 7", "7", ENTRY + MOVE + RETURN + MOVED),
    row(
        "a vector is moved as two slots",
        "(result v128) v128.const i64x2 0 0",
        "V128(0)",
        ENTRY + 5_000 + RETURN + 2 * MOVED,
    ),
    row(
        "an operator pays once",
        "(result i32) i32.const 1 i32.const 2 i32.add",
        "3",
        ENTRY + 2 * MOVE + ADD + RETURN + MOVED,
    ),
    row("locals are zeroed", "(local i32 i64 f64 v128)", "", ENTRY + 5 * 200 + RETURN),
    row("blocks and nops pay for their marks", "block nop end loop end", "", ENTRY + 5 * MARK + RETURN),
    row("a branch skips the end it goes to", "block br 0 end", "", ENTRY + MARK + BRANCH + RETURN),
    row(
        "a branch pays for what it carries",
        "(result i32) block (result i32) i32.const 5 br 0 end",
        "5",
        ENTRY + MARK + MOVE + BRANCH + MOVED + RETURN + MOVED,
    ),
    row(
        "a branch not taken pays the same",
        "(result i32) block (result i32) i32.const 5 i32.const 0 br_if 0 end",
        "5",
        ENTRY + MARK + 2 * MOVE + BRANCH + MOVED + MARK + RETURN + MOVED,
    ),
    row(
        "a branch out of the function pays no return",
        "(result i32) i32.const 5 br 0",
        "5",
        ENTRY + MOVE + BRANCH + MOVED,
    ),
    row(
        "if takes the first arm and jumps at else",
        "i32.const 1 if nop else nop nop end",
        "",
        ENTRY + MOVE + BRANCH + MARK + BRANCH + RETURN,
    ),
    row(
        "if takes the second arm and its end",
        "i32.const 0 if nop else nop nop end",
        "",
        ENTRY + MOVE + BRANCH + 3 * MARK + RETURN,
    ),
    row("if without else goes behind the end", "i32.const 0 if nop end", "", ENTRY + MOVE + BRANCH + RETURN),
    row(
        "code that is skipped costs nothing",
        "block br 0 i32.const 1 i32.const 0 i32.div_u drop end",
        "",
        ENTRY + MARK + BRANCH + RETURN,
    ),
    row(
        "br_table pays once whatever the index",
        "(result i32) block (result i32) i32.const 5 i32.const 9 br_table 0 0 0 end",
        "5",
        ENTRY + MARK + 2 * MOVE + 3_000 + MOVED + RETURN + MOVED,
    ),
    row(
        "return pays like the last end",
        "(result i32) i32.const 5 return",
        "5",
        ENTRY + MOVE + RETURN + MOVED,
    ),
    row(
        "a loop pays for each turn but for its head once",
        "(local i32) loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 3 i32.lt_u br_if 0 end",
        "",
        ENTRY + 200 + MARK + 3 * (4 * MOVE + 2 * ADD + BRANCH) + MARK + RETURN,
    ),
    row(
        "a call pays for arguments and entry",
        "(result i32) i32.const 1 call $inc",
        "2",
        ENTRY + MOVE + CALL + MOVED + (ENTRY + 2 * MOVE + ADD + RETURN + MOVED) + RETURN + MOVED,
    ),
    row(
        "a call pays for the locals of the callee",
        "call $locals",
        "",
        ENTRY + CALL + (ENTRY + 5 * 200 + RETURN) + RETURN,
    ),
    row(
        "call_indirect pays for the table",
        "(result i32) i32.const 1 i32.const 0 call_indirect (type $unary)",
        "2",
        ENTRY + 2 * MOVE + CALL_INDIRECT + MOVED + (ENTRY + 2 * MOVE + ADD + RETURN + MOVED) + RETURN + MOVED,
    ),
    row(
        "a tail call leaves no return to pay",
        "(result i32) i32.const 1 return_call $inc",
        "2",
        ENTRY + MOVE + CALL + MOVED + (ENTRY + 2 * MOVE + ADD + RETURN + MOVED),
    ),
    row(
        "a null element is paid for before it traps",
        "(result i32) i32.const 1 i32.const 1 call_indirect (type $unary)",
        "uninitialized element",
        ENTRY + 2 * MOVE + CALL_INDIRECT + MOVED,
    ),
    row(
        "a division by zero is paid for",
        "(result i32) i32.const 1 i32.const 0 i32.div_u",
        "integer divide by zero",
        ENTRY + 2 * MOVE + 2_500,
    ),
    row("unreachable is paid for", "unreachable", "unreachable", ENTRY + MARK),
    row(
        "grow pays per page",
        "(result i32) i32.const 2 memory.grow",
        "1",
        ENTRY + MOVE + GROW + 2 * PAGE + (1 + 2) * RISE + RETURN + MOVED,
    ),
    row(
        "grow pays even if it fails",
        "(result i32) i32.const 3 memory.grow",
        "-1",
        ENTRY + MOVE + GROW + 3 * PAGE + (1 + 2 + 3) * RISE + RETURN + MOVED,
    ),
    row(
        "growing by nothing pays no page",
        "(result i32) i32.const 0 memory.grow",
        "1",
        ENTRY + MOVE + GROW + RETURN + MOVED,
    ),
    row(
        "table.grow pays even if it fails",
        "(result i32) ref.null func i32.const 3 table.grow 0",
        "-1",
        ENTRY + 2 * MOVE + GROW + 3 * 1_000 + RETURN + MOVED,
    ),
    row(
        "fill pays per byte",
        "i32.const 0 i32.const 1 i32.const 100 memory.fill",
        "",
        ENTRY + 3 * MOVE + BULK + 100 * BYTE + RETURN,
    ),
    row(
        "fill pays per byte even out of bounds",
        "i32.const 65536 i32.const 1 i32.const 100 memory.fill",
        "out of bounds memory access",
        ENTRY + 3 * MOVE + BULK + 100 * BYTE,
    ),
    row(
        "fill of 2^32-1 bytes pays for them all",
        "i32.const 0 i32.const 1 i32.const -1 memory.fill",
        "out of bounds memory access",
        ENTRY + 3 * MOVE + BULK + 4_294_967_295 * BYTE,
    ),
    row(
        "copy pays per byte",
        "i32.const 0 i32.const 1 i32.const 100 memory.copy",
        "",
        ENTRY + 3 * MOVE + BULK + 100 * BYTE + RETURN,
    ),
    row(
        "init pays per byte",
        "i32.const 0 i32.const 0 i32.const 10 memory.init $bytes",
        "",
        ENTRY + 3 * MOVE + BULK + 10 * BYTE + RETURN,
    ),
    row(
        "table.init pays per element",
        "i32.const 0 i32.const 0 i32.const 2 table.init $passive",
        "",
        ENTRY + 3 * MOVE + BULK + 2 * 1_000 + RETURN,
    ),
    row(
        "table.fill pays per element",
        "i32.const 0 ref.null func i32.const 2 table.fill 0",
        "",
        ENTRY + 3 * MOVE + BULK + 2 * 1_000 + RETURN,
    ),
    row(
        "table.copy pays per element",
        "i32.const 0 i32.const 1 i32.const 1 table.copy",
        "",
        ENTRY + 3 * MOVE + BULK + 1_000 + RETURN,
    ),
    row(
        "recursion ends at 4,096 frames",
        "call $forever",
        "call stack exhausted",
        ENTRY + 4_096 * (CALL + ENTRY),
    ),
];

fn program(function: &str) -> String {
    format!("(module {AROUND} (func (export \"f\") {function}))")
}

#[test]
fn programs_cost_exactly_what_the_tables_say() {
    for row in ROWS {
        let mut meter = Meter::from_gas(PLENTY);
        let before = meter.ink_left();
        let outcome = Run::new(&program(row.function)).invoke("f", &[], &mut meter);
        assert_eq!(
            (brief(&outcome).as_str(), before - meter.ink_left()),
            (row.outcome, row.ink),
            "{}",
            row.name
        );
    }
}

#[test]
fn exactly_the_price_is_enough_and_one_less_is_not() {
    for row in ROWS {
        let mut meter = ink_meter(row.ink);
        let outcome = Run::new(&program(row.function)).invoke("f", &[], &mut meter);
        assert_eq!((brief(&outcome).as_str(), meter.ink_left()), (row.outcome, 0), "{}", row.name);

        let mut meter = ink_meter(row.ink - 1);
        let outcome = Run::new(&program(row.function)).invoke("f", &[], &mut meter);
        assert_eq!(brief(&outcome), "out of gas", "{}", row.name);
    }
}

/// Reads and writes of a large memory.
const LARGE_LOAD: u64 = 20_000;
const LARGE_STORE: u64 = 3_000;
const LARGE_BULK: u64 = 20_000;

/// Functions on a memory of 32 pages, the most that is small, which may grow by two.
const LARGE_ROWS: &[Row] = &[
    row(
        "32 pages are small",
        "(result i32) i32.const 0 i32.load",
        "0",
        ENTRY + MOVE + 3_000 + RETURN + MOVED,
    ),
    row(
        "33 pages are large from the next instruction on",
        "(local i32) i32.const 0 i32.load i32.const 1 memory.grow drop
            local.set 0 i32.const 0 i32.load local.set 0 i32.const 0 local.get 0 i32.store",
        "",
        ENTRY
            + 200
            + (MOVE + 3_000)
            + (MOVE + GROW + PAGE + 32 * RISE)
            + 2 * MOVE
            + (MOVE + LARGE_LOAD)
            + 3 * MOVE
            + LARGE_STORE
            + RETURN,
    ),
    row(
        "growth that fails leaves memory small",
        "i32.const 3 memory.grow drop i32.const 0 i32.load drop",
        "",
        ENTRY + (MOVE + GROW + 3 * PAGE + (32 + 33 + 34) * RISE) + MOVE + (MOVE + 3_000 + MOVE) + RETURN,
    ),
    row(
        "a callee's growth is the caller's",
        "call $grow i32.const 0 i32.load drop",
        "",
        ENTRY
            + CALL
            + (ENTRY + MOVE + GROW + PAGE + 32 * RISE + MOVE + RETURN)
            + (MOVE + LARGE_LOAD + MOVE)
            + RETURN,
    ),
    row(
        "a read out of bounds of a large memory pays as every other",
        "call $grow i32.const -1 i32.load drop",
        "out of bounds memory access",
        ENTRY + CALL + (ENTRY + MOVE + GROW + PAGE + 32 * RISE + MOVE + RETURN) + MOVE + LARGE_LOAD,
    ),
    row(
        "what follows a trap in a large memory is given back",
        "(result i32) call $grow i32.const 1 i32.const 0 i32.div_u i32.load i32.load",
        "integer divide by zero",
        ENTRY + CALL + (ENTRY + MOVE + GROW + PAGE + 32 * RISE + MOVE + RETURN) + 2 * MOVE + 2_500,
    ),
    row(
        "bulk operations on a large memory pay more, on tables they do not",
        "call $grow i32.const 0 i32.const 1 i32.const 10 memory.fill
            i32.const 0 i32.const 0 i32.const 1 table.copy",
        "",
        ENTRY
            + CALL
            + (ENTRY + MOVE + GROW + PAGE + 32 * RISE + MOVE + RETURN)
            + (3 * MOVE + LARGE_BULK + 10 * BYTE)
            + (3 * MOVE + BULK + 1_000)
            + RETURN,
    ),
    row(
        "vectors pay more, too",
        "call $grow i32.const 0 i32.const 0 v128.load v128.store",
        "",
        ENTRY
            + CALL
            + (ENTRY + MOVE + GROW + PAGE + 32 * RISE + MOVE + RETURN)
            + 2 * MOVE
            + 25_000
            + 20_000
            + RETURN,
    ),
];

#[test]
fn accesses_cost_more_in_a_large_memory() {
    for row in LARGE_ROWS {
        let program = format!(
            "(module (memory 32 34) (table 2 funcref)
                (func $grow (drop (memory.grow (i32.const 1)))) (func (export \"f\") {}))",
            row.function
        );
        let wasm = wat::parse_str(&program).unwrap_or_else(|error| panic!("{error}"));
        for &engine in Engine::ALL {
            let module = Module::with_engine(&wasm, &Rules::DEVNET, engine);
            let module = module.unwrap_or_else(|error| panic!("{error}"));
            let invoke = |ink| {
                let mut meter = ink_meter(ink);
                let outcome = Run::of(&module, &Rules::DEVNET).invoke("f", &[], &mut meter);
                (brief(&outcome), meter.ink_left())
            };
            assert_eq!(invoke(row.ink), (row.outcome.to_owned(), 0), "{} on {engine}", row.name);
            assert_eq!(invoke(row.ink + 77), (row.outcome.to_owned(), 77), "{} on {engine}", row.name);
            assert_eq!(invoke(row.ink - 1).0, "out of gas", "{} on {engine}", row.name);
        }
    }
}

/// Counts instructions.
#[derive(Default)]
struct Counter(u64);

impl Observer for Counter {
    fn instruction(&mut self, _: &Step) {
        self.0 += 1;
    }
}

const COUNTED: Rules = Rules { schedule: &Schedule::ZERO_INSTRUCTION, ..Rules::DEVNET };

/// Runs `f` of a program whose instructions are counted, on an engine.
fn run_counted(program: &str, engine: Engine) -> Run {
    let wasm = wat::parse_str(program).unwrap_or_else(|error| panic!("{error}"));
    let module = Module::with_engine(&wasm, &COUNTED, engine).unwrap_or_else(|error| panic!("{error}"));
    Run::of(&module, &COUNTED)
}

#[test]
fn counted_instructions_are_a_step_each_on_every_engine() {
    const COUNTS: &[(&str, u64)] = &[
        ("an empty function pays entry and return", 1),
        ("blocks and nops pay for their marks", 6),
        ("a branch out of the function pays no return", 2),
        ("if takes the first arm and jumps at else", 5),
        ("if takes the second arm and its end", 6),
        ("a loop pays for each turn but for its head once", 1 + 3 * 7 + 2),
        ("a call pays for arguments and entry", 2 + 4 + 1),
        ("a tail call leaves no return to pay", 2 + 4),
        ("a division by zero is paid for", 3),
        ("fill of 2^32-1 bytes pays for them all", 4),
        ("recursion ends at 4,096 frames", 4_096),
    ];
    for row in ROWS {
        let program = program(row.function);
        let mut traced = run_counted(&program, Engine::Plain);
        let mut meter = COUNTED.schedule.meter(0);
        let function = traced.machine.exported_function(traced.instance, "f").expect("it is exported");
        let mut counter = Counter::default();
        let mut refuser = lathe_vm::NoHost;
        traced.machine.invoke_traced(function, &[], &mut meter, &mut refuser, &mut counter);
        if let Some(&(_, steps)) = COUNTS.iter().find(|(name, _)| *name == row.name) {
            assert_eq!(counter.0, steps, "{}", row.name);
        }
        for &engine in Engine::ALL {
            let mut meter = Meter::from_gas(7).counting_steps(counter.0);
            let outcome = run_counted(&program, engine).invoke("f", &[], &mut meter);
            let left = (meter.steps_left(), meter.gas_left());
            assert_eq!(
                (brief(&outcome).as_str(), left),
                (row.outcome, (Some(0), 7)),
                "{} on {engine}",
                row.name
            );

            let mut meter = Meter::from_gas(7).counting_steps(counter.0 - 1);
            let outcome = run_counted(&program, engine).invoke("f", &[], &mut meter);
            let left = (meter.steps_left(), meter.gas_left());
            let limit = "step limit reached";
            assert_eq!((brief(&outcome).as_str(), left), (limit, (Some(0), 7)), "{} on {engine}", row.name);
        }
    }
    assert!(COUNTS.iter().all(|(name, _)| ROWS.iter().any(|row| row.name == *name)));
}

#[test]
fn counted_code_makes_its_instance_for_nothing() {
    let wasm = wat::parse_str(program("")).unwrap_or_else(|error| panic!("{error}"));
    let module = Module::new(&wasm, &COUNTED).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(module.instantiation_ink(), 0);
}

#[test]
fn code_that_never_ends_stops_at_the_limit_of_steps() {
    for &engine in Engine::ALL {
        let mut meter = Meter::from_gas(0).counting_steps(1_000_000);
        let outcome = run_counted(&program("loop br 0 end"), engine).invoke("f", &[], &mut meter);
        assert_eq!(
            (brief(&outcome).as_str(), meter.steps_left()),
            ("step limit reached", Some(0)),
            "{engine}"
        );
    }
}

#[test]
#[should_panic(expected = "a meter counts steps exactly where the schedule does")]
fn a_meter_without_steps_cannot_run_counted_code() {
    run_counted(&program(""), Engine::default()).invoke("f", &[], &mut Meter::from_gas(PLENTY));
}

#[test]
fn what_is_left_when_gas_runs_out_is_less_than_the_charge_that_failed() {
    let wat = program("(local i32) loop local.get 0 i32.const 1 i32.add local.set 0 br 0 end");
    // Ink at the beginning of each instruction, in the order they run.
    let mut starts = vec![0, ENTRY + 200, ENTRY + 200 + MARK];
    for _ in 0..3 {
        for price in [MOVE, MOVE, ADD, MOVE, BRANCH] {
            starts.push(starts[starts.len() - 1] + price);
        }
    }
    for ink in (0..starts[starts.len() - 1]).step_by(50) {
        let mut meter = ink_meter(ink);
        let outcome = Run::new(&wat).invoke("f", &[], &mut meter);
        let paid = starts.iter().copied().filter(|&start| start <= ink).max().unwrap_or(0);
        assert_eq!((brief(&outcome).as_str(), meter.ink_left()), ("out of gas", ink - paid), "{ink} ink");
    }
}

#[test]
fn a_huge_meter_does_not_wrap() {
    for (function, outcome) in [
        ("(result i32) i32.const -1 memory.grow", "-1"),
        ("i32.const 0 i32.const 1 i32.const -1 memory.fill", "out of bounds memory access"),
    ] {
        let mut meter = Meter::from_gas(u64::MAX);
        let result = Run::new(&program(function)).invoke("f", &[], &mut meter);
        assert_eq!(brief(&result), outcome);
        assert!(meter.gas_left() < u64::MAX);
    }
}

#[test]
fn bulk_operations_that_cannot_be_paid_write_nothing() {
    let mut run = Run::new(
        r#"(module (memory (export "memory") 1)
            (func (export "f") i32.const 0 i32.const 1 i32.const 1000 memory.fill))"#,
    );
    let outcome = run.invoke("f", &[], &mut ink_meter(ENTRY + 3 * MOVE + BULK + 999 * BYTE + 199));
    assert_eq!(brief(&outcome), "out of gas");
    assert!(run.machine.memory(run.instance).iter().all(|&byte| byte == 0));
}

#[test]
fn operations_out_of_bounds_write_nothing() {
    for function in [
        "i32.const 65530 i32.const 1 i32.const 7 memory.fill",
        "i32.const 65530 i32.const 0 i32.const 7 memory.copy",
        "i32.const 65530 i32.const 0 i32.const 7 memory.init $d",
        "i32.const 65533 i32.const -1 i32.store",
        "i32.const 65529 i64.const -1 i64.store",
        "i32.const 65521 v128.const i64x2 -1 -1 v128.store",
        "i32.const -1 i32.const -1 i32.store8 offset=4294967295",
    ] {
        let wat = format!(
            r#"(module (memory (export "memory") 1) (data $d "\01\01\01\01\01\01\01\01")
                (data (i32.const 0) "\01\01\01\01\01\01\01\01")
                (func (export "f") {function}))"#
        );
        let mut run = Run::new(&wat);
        let outcome = run.invoke("f", &[], &mut Meter::from_gas(PLENTY));
        assert_eq!(brief(&outcome), "out of bounds memory access", "{function}");
        let memory = run.machine.memory(run.instance);
        assert!(memory[8..].iter().all(|&byte| byte == 0), "{function}");
    }
}

#[test]
fn instantiation_is_paid_before_it_happens() {
    let module = support::module(
        r#"(module (memory 2) (table 3 funcref) (global i32 (i32.const 1)) (func $f)
            (elem (i32.const 0) $f $f) (data (i32.const 0) "hello"))"#,
    );
    let price = 1_000_000 + 2 * PAGE + RISE + 3 * 1_000 + 1_000 + (2_000 + 2 * 1_000) + (2_000 + 5 * BYTE);
    assert_eq!(module.instantiation_ink(), price);
    let rules = Rules::DEVNET;
    let mut machine = lathe_vm::Machine::new(&rules, 256);
    let mut meter = ink_meter(price - 1);
    assert_eq!(
        machine.instantiate(&module, &[], &mut meter),
        Err(lathe_vm::InstantiationError::Trapped(TrapKind::OutOfGas))
    );
    assert_eq!(meter.ink_left(), price - 1);
    let mut meter = ink_meter(price);
    assert!(machine.instantiate(&module, &[], &mut meter).is_ok());
    assert_eq!(meter.ink_left(), 0);
}

#[test]
fn pages_pay_for_those_that_other_machines_of_the_transaction_hold() {
    let module = support::module(
        r#"(module (memory 2 9) (func (export "f") (result i32) (memory.grow (i32.const 3))))"#,
    );
    let rules = Rules::DEVNET;
    let held = lathe_vm::Held { pages: 100, slots: 0 };
    let mut machine = lathe_vm::Machine::beside(&rules, held);
    let price = 1_000_000 + 2 * PAGE + (100 + 101) * RISE;
    let mut meter = ink_meter(price - 1);
    assert_eq!(
        machine.instantiate(&module, &[], &mut meter),
        Err(lathe_vm::InstantiationError::Trapped(TrapKind::OutOfGas))
    );
    let mut meter = ink_meter(price);
    let instance = machine.instantiate(&module, &[], &mut meter).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((meter.ink_left(), machine.held().pages), (0, 2));
    let Some(function) = machine.exported_function(instance, "f") else { panic!("f is exported") };
    let price = ENTRY + MOVE + GROW + 3 * PAGE + (102 + 103 + 104) * RISE + RETURN + MOVED;
    let mut meter = ink_meter(price);
    let outcome = machine.invoke(function, &[], &mut meter, &mut lathe_vm::NoHost);
    assert_eq!((brief(&outcome).as_str(), meter.ink_left(), machine.held().pages), ("2", 0, 5));
}

#[test]
fn a_machine_holds_no_more_than_others_of_the_transaction_leave() {
    let module = support::module(
        r#"(module (memory 1) (func (export "f") (result i32) (memory.grow (i32.const 1))))"#,
    );
    let rules = Rules::DEVNET;
    let machine = |pages| {
        let mut machine = lathe_vm::Machine::beside(&rules, lathe_vm::Held { pages, slots: 0 });
        let instance = machine.instantiate(&module, &[], &mut Meter::from_gas(PLENTY));
        instance.map(|instance| {
            let Some(function) = machine.exported_function(instance, "f") else { panic!("f is exported") };
            let mut meter = Meter::from_gas(PLENTY);
            brief(&machine.invoke(function, &[], &mut meter, &mut lathe_vm::NoHost))
        })
    };
    let most = rules.limits.open_pages;
    assert_eq!(machine(most - 2), Ok("1".to_owned()));
    assert_eq!(machine(most - 1), Ok("-1".to_owned()));
    assert_eq!(machine(most), Err(lathe_vm::InstantiationError::Pages { min: 1, max: 0 }));
}

#[test]
fn a_trap_tells_where_it_happened() {
    let mut run = Run::new(
        r#"(module (func $inner (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
            (func $outer (export "f") (result i32) (call $inner (i32.const 0))))"#,
    );
    let Outcome::Trapped(trap) = run.invoke("f", &[], &mut Meter::from_gas(PLENTY)) else {
        panic!("a division by zero traps")
    };
    assert_eq!(
        trap.to_string(),
        "integer divide by zero in function 0 `inner` at 0x29, called by function 1 `outer` at 0x2f"
    );
}

#[test]
fn a_trap_shows_the_names_behind_symbols() {
    let mut run = Run::new(
        r#"(module (func $a (@name "_ZN3erc5token4mint17h0123456789abcdefE") unreachable)
            (func $b (@name "_ZN5token4mintEm") (call $a)) (func (export "f") (call $b)))"#,
    );
    let Outcome::Trapped(trap) = run.invoke("f", &[], &mut Meter::from_gas(PLENTY)) else {
        panic!("unreachable traps")
    };
    assert_eq!(
        trap.to_string(),
        "unreachable in function 0 `erc::token::mint` at 0x20, called by function 1 `token::mint(unsigned long)` at \
         0x24, called by function 2 `f` at 0x29"
    );
    let symbol = trap.location().and_then(|frame| frame.name.as_deref());
    assert_eq!(symbol, Some("_ZN3erc5token4mint17h0123456789abcdefE"));
}
