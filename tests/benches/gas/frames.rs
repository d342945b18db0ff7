//! What a frame is made of: an instance, its memory and table, its way in and its end by a trap.

use crate::program::GAS;
use crate::{Group, Row, Run, Sample};
use lathe_tests::measure::timed;
use lathe_vm::{Machine, Meter, Module, NoHost, Outcome, Rules, TrapKind};

/// Frames that are open at once: as deep as contracts call each other.
const OPEN: u32 = 1_024;

/// Frames whose stacks are full that a transaction can have open at once.
const FULL_OPEN: u32 = 16;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let globals = format!("(memory 1) {}", "(global (mut i64) (i64.const 1))".repeat(1_024));
    let segments = format!("(memory 1) {}", "(data (i32.const 0) \"x\")".repeat(1_024));
    let elements =
        format!("(table 10000 funcref) (func $f) (elem (i32.const 0) func {})", "$f ".repeat(10_000));
    let element_segments =
        format!("(table 10 funcref) (func $f) {}", "(elem (i32.const 0) func $f)".repeat(1_024));
    let data = format!("(memory 8) (data (i32.const 0) \"{}\")", "x".repeat(400_000));
    for (name, around) in [
        ("an instance of nothing", ""),
        ("an instance with a page", "(memory 1)"),
        ("an instance with 4 pages", "(memory 4)"),
        ("an instance with 5 pages", "(memory 5)"),
        ("an instance with 17 pages", "(memory 17)"),
        ("an instance with 256 pages", "(memory 256)"),
        ("an instance with the largest table", "(table 10000 funcref)"),
        ("an instance with a full table", &elements),
        ("an instance with all globals", &globals),
        ("an instance with all data segments", &segments),
        ("an instance with all element segments", &element_segments),
        ("an instance with much data", &data),
    ] {
        for (how, open, end) in
            [("", 1, "nop"), (", trapping", 1, "unreachable"), (", 1,024 open", OPEN, "nop")]
        {
            if open > 1 && !matches!(name, "an instance of nothing" | "an instance with a page") {
                continue;
            }
            let wat = format!("(module {around} (func (export \"run\") {end}))");
            rows.push(Row::new(Group::Frame, format!("{name}{how}"), move || instances(&wat, open)));
        }
    }
    for (name, locals, depth) in [("many frames", 0, 4_000), ("wide frames", 4_000, 14)] {
        // Each fills a stack of its own, with nothing else on it.
        let wat = format!(
            "(module (func $f (param i32) (local {})
                (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))
                (func (export \"run\") (call $f (i32.const {depth}))))",
            "i64 ".repeat(locals)
        );
        let name = format!("an instance that fills its stack with {name}, {FULL_OPEN} open");
        rows.push(Row::new(Group::Frame, name, move || instances(&wat, FULL_OPEN)));
    }
    rows
}

/// Returns a run that makes instances, enters each, and drops them.
fn instances(wat: &str, open: u32) -> Result<Run, String> {
    let rules = Rules::DEVNET;
    let wasm = wat::parse_str(wat).map_err(|error| error.to_string())?;
    let module = Module::new(&wasm, &rules).map_err(|error| error.to_string())?;
    let repeat = (64 / open).max(1);
    Ok(Box::new(move || {
        let mut ink = 0;
        let (time, result) = timed(|| {
            for _ in 0..repeat {
                let mut machines = Vec::new();
                for _ in 0..open {
                    let (machine, used) = enter(&module, &rules)?;
                    ink += used;
                    machines.push(machine);
                }
            }
            Ok::<(), String>(())
        });
        result?;
        Ok(Sample { time, ink })
    }))
}

/// Makes a machine with an instance, and calls `run`. Returns what that cost.
fn enter(module: &Module, rules: &Rules) -> Result<(Machine, u64), String> {
    let mut machine = Machine::new(rules, rules.limits.memory_pages);
    let mut meter = Meter::from_gas(GAS);
    let before = meter.ink_left();
    let instance = machine.instantiate(module, &[], &mut meter).map_err(|error| error.to_string())?;
    let run = machine.exported_function(instance, "run").ok_or("there is no function `run`")?;
    match machine.invoke(run, &[], &mut meter, &mut NoHost) {
        Outcome::Returned(_) => {}
        Outcome::Trapped(trap) if trap.kind == TrapKind::Unreachable => {}
        other => return Err(format!("it ended as {other:?}")),
    }
    Ok((machine, before - meter.ink_left()))
}
