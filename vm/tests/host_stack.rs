//! No engine takes more of the host's stack the longer a guest runs, whatever the guest does.

use lathe_vm::{
    Engine, Extern, ExternType, Host, HostOutcome, Machine, Meter, Module, Outcome, Rules, Value,
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

fn invoke(text: &str, engine: Engine, times: i32) -> Outcome {
    struct Identity;
    impl Host for Identity {
        fn call(&mut self, _: u32, arguments: &[Value], _: &mut [u8], _: &mut Meter) -> HostOutcome {
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
        fn call(&mut self, _: u32, _: &[Value], _: &mut [u8], _: &mut Meter) -> HostOutcome {
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
