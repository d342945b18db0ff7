//! What an observer sees: each instruction of the module once, with its place and the ink left before it.

mod support;

use lathe_vm::{Host, HostMemory, HostOutcome, Instruction, Meter, Observer, Outcome, Step, TrapKind, Value};
use support::{PLENTY, Run, brief, ink_meter};

/// Keeps every step.
#[derive(Default)]
struct Steps(Vec<Step>);

impl Observer for Steps {
    fn instruction(&mut self, step: &Step) {
        self.0.push(*step);
    }
}

impl Steps {
    fn texts(&self) -> Vec<&'static str> {
        self.0.iter().map(|step| step.instruction.name()).collect()
    }
}

/// Suspends at each call.
struct Suspender;

impl Host for Suspender {
    fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
        HostOutcome::Suspend
    }
}

fn observe(run: &mut Run, name: &str, arguments: &[Value], meter: &mut Meter) -> (Outcome, Steps) {
    let mut steps = Steps::default();
    let function = run.machine.exported_function(run.instance, name).unwrap_or_else(|| panic!("no {name}"));
    let outcome = run.machine.invoke_traced(function, arguments, meter, &mut Suspender, &mut steps);
    (outcome, steps)
}

const WAT: &str = r#"(module (import "h" "h" (func $host (result i32)))
    (func $leaf (param i32) (result i32) (block (br_if 0 (local.get 0)) (return (i32.const 1))) (i32.const 2))
    (func (export "sum") (result i32) (i32.add (call $leaf (i32.const 0)) (call $leaf (i32.const 1))))
    (func (export "leave") (br 0))
    (func (export "host") (result i32) (return_call $host)))"#;

#[test]
fn each_instruction_that_executes_is_seen_once_and_in_order() {
    let (outcome, steps) = observe(&mut Run::new(WAT), "sum", &[], &mut Meter::from_gas(PLENTY));
    assert_eq!(brief(&outcome), "3");
    let expected = "i32.const call block local.get br_if i32.const return \
        i32.const call block local.get br_if i32.const end i32.add end";
    assert_eq!(steps.texts(), expected.split_whitespace().collect::<Vec<_>>());
    let places: Vec<_> = steps.0.iter().map(|step| (step.function, step.depth)).collect();
    let inner = [(1, 2); 5];
    assert_eq!(
        places,
        [&[(2, 1); 2][..], &inner, &[(2, 1); 2], &inner, &[(2, 1); 2]].concat(),
        "functions count from the imports, depth from one"
    );
}

#[test]
fn returns_that_the_engine_adds_are_not_seen() {
    let (outcome, steps) = observe(&mut Run::new(WAT), "leave", &[], &mut Meter::from_gas(PLENTY));
    assert_eq!((brief(&outcome).as_str(), steps.texts()), ("", vec!["br"]));

    let mut run = Run::new(WAT);
    let (outcome, mut steps) = observe(&mut run, "host", &[], &mut Meter::from_gas(PLENTY));
    assert_eq!(brief(&outcome), "suspended");
    let mut meter = Meter::from_gas(PLENTY);
    let outcome = run.machine.resume_traced(Some(Value::I32(7)), &mut meter, &mut Suspender, &mut steps);
    assert_eq!((brief(&outcome).as_str(), steps.texts()), ("7", vec!["return_call"]));
}

#[test]
fn the_ink_left_is_that_before_the_instruction() {
    let mut meter = Meter::from_gas(PLENTY);
    let before = meter.ink_left();
    let (_, steps) = observe(&mut Run::new(WAT), "sum", &[], &mut meter);
    // Entering the function costs 1,500; a constant 200; a call 2,500, its argument 250, entering 1,500.
    let used: Vec<_> = steps.0.iter().take(4).map(|step| before - step.ink_left).collect();
    assert_eq!(used, [1_500, 1_700, 5_950, 6_050]);
}

#[test]
fn the_instruction_that_cannot_be_paid_is_seen_last() {
    let (outcome, steps) = observe(&mut Run::new(WAT), "sum", &[], &mut ink_meter(1_500 + 200 + 2_749));
    assert_eq!(brief(&outcome), "out of gas");
    let last = steps.0.last().map(|step| (step.instruction, step.ink_left));
    assert_eq!(last, Some((Instruction::Call, 2_749)));
}

#[test]
fn offsets_are_those_of_traps() {
    let mut run = Run::new(r#"(module (func (export "f") (drop (i32.const 1)) unreachable))"#);
    let (outcome, steps) = observe(&mut run, "f", &[], &mut Meter::from_gas(PLENTY));
    let Outcome::Trapped(trap) = outcome else { panic!("unreachable traps") };
    assert_eq!(trap.kind, TrapKind::Unreachable);
    assert_eq!(steps.0.last().map(|step| step.offset), trap.location().map(|frame| frame.offset));
    let offsets: Vec<_> = steps.0.iter().map(|step| step.offset).collect();
    assert_eq!(offsets, [offsets[0], offsets[0] + 2, offsets[0] + 3]);
}

#[test]
fn watching_changes_neither_outcome_nor_ink() {
    for (name, gas) in [("sum", PLENTY), ("sum", 0), ("leave", PLENTY), ("host", PLENTY)] {
        let mut watched = Meter::from_gas(gas);
        let (outcome, _) = observe(&mut Run::new(WAT), name, &[], &mut watched);
        let mut alone = Meter::from_gas(gas);
        assert_eq!(Run::new(WAT).invoke_with(name, &[], &mut alone, &mut Suspender), outcome, "{name}");
        assert_eq!(watched, alone, "{name}");
    }
}
