//! No engine takes more of the host's stack the longer a guest runs, whatever the guest does.

use lathe_vm::{
    Engine, Extern, ExternType, FunctionId, Host, HostMemory, HostOutcome, Limits, Machine, Meter, Module,
    NoHost, Outcome, Rules, TrapKind, Value,
};

/// The stack of the thread that the guests run in: far less than a million frames of anything.
const STACK_BYTES: usize = 256 * 1024;

/// Each does one thing a million times.
const GUESTS: &[(&str, &str)] = &[
    ("host calls", "(drop (call $host (local.get 0)))"),
    (
        "host calls through a table",
        "(drop (call_indirect (param i32) (result i32) (local.get 0) (i32.const 1)))",
    ),
    ("calls", "(drop (call $callee (local.get 0)))"),
    ("calls through a table", "(drop (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0)))"),
    ("branches", "(block (br_if 0 (local.get 0)) (nop))"),
    ("branch tables", "(block (block (block (br_table 0 1 2 (i32.and (local.get 0) (i32.const 3))))))"),
    ("if and else", "(if (i32.and (local.get 0) (i32.const 1)) (then (nop)) (else (nop)))"),
    ("memory", "(i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))"),
    ("bulk memory", "(memory.fill (i32.const 0) (i32.const 1) (i32.const 4))"),
    ("globals", "(global.set $g (i32.add (global.get $g) (i32.const 1)))"),
    ("vectors", "(drop (i8x16.all_true (v128.load (i32.const 0))))"),
    ("divisions", "(drop (i32.div_u (i32.const 7) (local.get 0)))"),
];

#[test]
fn a_million_of_anything_runs_on_a_small_stack() {
    let run = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
        for (name, body) in GUESTS {
            let text = format!(
                r#"(module
                    (import "env" "host" (func $host (param i32) (result i32)))
                    (memory 1) (global $g (mut i32) (i32.const 0))
                    (table funcref (elem $callee $host))
                    (func $callee (param i32) (result i32) (local.get 0))
                    (func (export "f") (param i32)
                        (loop {body} (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#
            );
            for &engine in Engine::ALL {
                let outcome = invoke(&text, engine, 1_000_000);
                assert_eq!(outcome, Outcome::Returned(Vec::new()), "{name} on {engine}");
            }
        }
    });
    run.expect("a thread starts").join().expect("the guests end");
}

#[test]
fn a_million_tail_calls_run_on_a_small_stack() {
    let text = r#"(module
        (import "env" "host" (func $host (param i32) (result i32)))
        (func $odd (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
                (else (return_call $even (i32.sub (local.get 0) (i32.const 1)) (i32.const 9)))))
        (func $even (param i32 i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
                (else (return_call $odd (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "f") (param i32) (drop (call $odd (local.get 0)))))"#;
    let run = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
        for &engine in Engine::ALL {
            assert_eq!(invoke(text, engine, 1_000_000), Outcome::Returned(Vec::new()), "{engine}");
        }
    });
    run.expect("a thread starts").join().expect("the guests end");
}

/// Two instances that call each other in the tail: `f` calls what it imports, that calls what lies in the table that both
/// have. Such a call keeps the frame of its caller, so that too many of them are too deep.
fn two_instances(machine: &mut Machine, engine: Engine) -> FunctionId {
    let inner = r#"(module
        (table (export "t") 1 funcref)
        (func (export "b") (param i32) (result i32)
            (return_call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))))"#;
    let outer = r#"(module
        (import "inner" "b" (func $b (param i32) (result i32)))
        (import "inner" "t" (table 1 funcref))
        (elem (i32.const 0) $f)
        (func $f (export "f") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (return_call $b (i32.sub (local.get 0) (i32.const 1))))
                (else (i32.const 7)))))"#;
    let module = |text: &str| {
        let wasm = wat::parse_str(text).expect("the text is right");
        Module::with_engine(&wasm, &Rules::DEVNET, engine).expect("the module is valid")
    };
    let mut meter = Meter::from_gas(1 << 40);
    let inner = machine.instantiate(&module(inner), &[], &mut meter).expect("it imports nothing");
    let imports = ["b", "t"].map(|name| machine.export(inner, name).expect("it is exported"));
    let outer = machine.instantiate(&module(outer), &imports, &mut meter).expect("the imports fit");
    machine.exported_function(outer, "f").expect("it is exported")
}

#[test]
fn tail_calls_between_instances_run_on_a_small_stack() {
    let run = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
        for &engine in Engine::ALL {
            let limits = Limits { call_depth: 60_000, ..Limits::UNBOUNDED };
            let mut machine = Machine::new(&Rules { limits, ..Rules::DEVNET }, 1);
            let function = two_instances(&mut machine, engine);
            let mut call = |times| {
                let mut meter = Meter::from_gas(1 << 40);
                machine.invoke(function, &[Value::I32(times)], &mut meter, &mut NoHost)
            };
            assert_eq!(call(29_000), Outcome::Returned(vec![Value::I32(7)]), "{engine}");
            match call(1_000_000) {
                Outcome::Trapped(trap) => assert_eq!(trap.kind, TrapKind::StackOverflow, "{engine}"),
                other => panic!("{engine}: {other:?}"),
            }
        }
    });
    run.expect("a thread starts").join().expect("the guests end");
}

/// A trap in the entry of a function is told as its caller's. If that was another instance, it was taken for the caller
/// of the caller as well.
#[test]
fn a_trap_names_the_frames_of_every_instance() {
    let outcomes = |engine| {
        let mut machine = Machine::new(&Rules::DEVNET, 1);
        let function = two_instances(&mut machine, engine);
        let mut call = |times, ink: u64| {
            let mut meter = Meter::from_gas(1 << 20);
            let before = meter.ink_left();
            meter.charge(before - ink).expect("it has that much");
            let outcome = machine.invoke(function, &[Value::I32(times)], &mut meter, &mut NoHost);
            (outcome, meter.ink_left())
        };
        let enough = 1 << 30;
        let whole = enough - call(5, enough).1;
        let mut outcomes: Vec<_> = (0..=whole).step_by(3).map(|ink| call(5, ink)).collect();
        outcomes.push(call(1_000_000, enough));
        outcomes
    };
    let plain = outcomes(Engine::Plain);
    let deepest = plain.iter().map(|(outcome, _)| match outcome {
        Outcome::Trapped(trap) => trap.backtrace.len(),
        _ => 0,
    });
    assert!(deepest.max() > Some(10), "no trap in an inner frame");
    for &engine in Engine::ALL {
        for (ours, theirs) in outcomes(engine).into_iter().zip(&plain) {
            assert_eq!(&ours, theirs, "{engine}");
        }
    }
}

fn invoke(text: &str, engine: Engine, times: i32) -> Outcome {
    struct Identity;
    impl Host for Identity {
        fn call(
            &mut self,
            _: u32,
            arguments: &[Value],
            _: &mut HostMemory<'_>,
            _: &mut Meter,
        ) -> HostOutcome {
            HostOutcome::Return(arguments.first().copied())
        }
    }
    let rules = Rules::DEVNET;
    let wasm = wat::parse_str(text).expect("the text is right");
    let module = Module::with_engine(&wasm, &rules, engine).expect("the module is valid");
    let ExternType::Function(ty) = &module.imports()[0].ty else { unreachable!("it imports a function") };
    let imports = [Extern::Host(0, ty.clone())];
    let mut machine = Machine::new(&rules, 1);
    let mut meter = Meter::from_gas(1 << 40);
    let instance = machine.instantiate(&module, &imports, &mut meter).expect("the imports fit");
    let function = machine.exported_function(instance, "f").expect("it is exported");
    machine.invoke(function, &[Value::I32(times)], &mut meter, &mut Identity)
}

#[test]
fn a_panic_of_the_host_unwinds_through_the_guest() {
    struct Panics;
    impl Host for Panics {
        fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
            panic!("the host is broken")
        }
    }
    let text = r#"(module (import "env" "host" (func $host)) (func (export "f") (call $host)))"#;
    let wasm = wat::parse_str(text).expect("the text is right");
    for &engine in Engine::ALL {
        let caught = std::panic::catch_unwind(|| {
            let rules = Rules::DEVNET;
            let module = Module::with_engine(&wasm, &rules, engine).expect("the module is valid");
            let ExternType::Function(ty) = &module.imports()[0].ty else {
                unreachable!("it imports a function")
            };
            let mut machine = Machine::new(&rules, 0);
            let mut meter = Meter::from_gas(1_000_000);
            let imports = [Extern::Host(0, ty.clone())];
            let instance = machine.instantiate(&module, &imports, &mut meter).expect("the imports fit");
            let function = machine.exported_function(instance, "f").expect("it is exported");
            machine.invoke(function, &[], &mut meter, &mut Panics)
        });
        assert!(caught.is_err(), "{engine}");
    }
}
