//! The seam to the host: calls, memory, suspension, exit.

mod support;

use lathe_vm::{
    Extern, ExternType, Held, Host, HostLinked, HostMemory, HostOutcome, Machine, Meter, Module, Outcome,
    Rules, TrapKind, Value,
};
use support::{PLENTY, Run, brief, module};

/// Answers by the number of the function, and remembers what it was asked.
#[derive(Default)]
struct Script {
    asked: Vec<(u32, Vec<Value>, usize)>,
}

impl Host for Script {
    fn call(
        &mut self,
        function: u32,
        arguments: &[Value],
        memory: &mut HostMemory<'_>,
        meter: &mut Meter,
    ) -> HostOutcome {
        self.asked.push((function, arguments.to_vec(), memory.len()));
        if let Err(error) = meter.charge(1_234) {
            return error.into();
        }
        if let Some(byte) = memory.first_mut() {
            *byte += 1;
        }
        match function {
            0 => HostOutcome::Return(arguments.first().copied()),
            1 => HostOutcome::Suspend,
            2 => HostOutcome::Exit,
            _ => HostOutcome::Trap(TrapKind::Host),
        }
    }
}

const WAT: &str = r#"(module
    (import "h" "echo" (func $echo (param i32) (result i32)))
    (import "h" "suspend" (func $suspend (param i64 f32) (result i32)))
    (import "h" "exit" (func $exit))
    (import "h" "trap" (func $trap))
    (memory (export "memory") 1)
    (func (export "echo") (param i32) (result i32) (i32.add (call $echo (local.get 0)) (i32.const 1)))
    (func (export "echo_tail") (param i32) (result i32) (return_call $echo (local.get 0)))
    (func $inner (result i32) (i32.mul (call $suspend (i64.const 5) (f32.const 1)) (i32.const 10)))
    (func (export "suspend") (result i32) (i32.add (call $inner) (i32.load8_u (i32.const 0))))
    (func (export "exit") (call $exit) unreachable)
    (func (export "trap") (call $trap))
    (export "direct" (func $echo))
    (export "direct_suspend" (func $suspend)))"#;

fn invoke(run: &mut Run, host: &mut Script, name: &str, arguments: &[Value]) -> String {
    brief(&run.invoke_with(name, arguments, &mut Meter::from_gas(PLENTY), host))
}

#[test]
fn host_functions_are_called_with_their_arguments_and_memory() {
    let (mut run, mut host) = (Run::new(WAT), Script::default());
    assert_eq!(invoke(&mut run, &mut host, "echo", &[Value::I32(41)]), "42");
    assert_eq!(invoke(&mut run, &mut host, "echo_tail", &[Value::I32(41)]), "41");
    assert_eq!(invoke(&mut run, &mut host, "direct", &[Value::I32(7)]), "7");
    assert_eq!(invoke(&mut run, &mut host, "exit", &[]), "exited");
    assert_eq!(invoke(&mut run, &mut host, "trap", &[]), "host function failed");
    let arguments = |n| vec![Value::I32(n)];
    assert_eq!(
        host.asked,
        [
            (0, arguments(41), 65_536),
            (0, arguments(41), 65_536),
            (0, arguments(7), 0),
            (2, vec![], 65_536),
            (3, vec![], 65_536)
        ]
    );
    assert_eq!(run.machine.memory(run.instance)[0], 4);
}

#[test]
fn a_suspended_computation_goes_on_with_the_result() {
    let (mut run, mut host) = (Run::new(WAT), Script::default());
    assert_eq!(invoke(&mut run, &mut host, "suspend", &[]), "suspended");
    assert_eq!(run.machine.suspended_instance(), Some(run.instance));
    run.machine.memory_mut(run.instance)[0] = 9;
    let mut meter = Meter::from_gas(PLENTY);
    let outcome = run.machine.resume(Some(Value::I32(3)), &mut meter, &mut host);
    assert_eq!(brief(&outcome), "39");
    assert_eq!(run.machine.suspended_instance(), None);
    // The machine is as good as new.
    assert_eq!(invoke(&mut run, &mut host, "direct_suspend", &[Value::I64(1), Value::F32(0)]), "suspended");
    assert_eq!(brief(&run.machine.resume(Some(Value::I32(3)), &mut meter, &mut host)), "3");
    assert_eq!(invoke(&mut run, &mut host, "echo", &[Value::I32(41)]), "42");
}

#[test]
fn suspending_changes_no_price() {
    struct Direct;
    impl Host for Direct {
        fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, meter: &mut Meter) -> HostOutcome {
            match meter.charge(1_234) {
                Ok(()) => HostOutcome::Return(Some(Value::I32(3))),
                Err(error) => error.into(),
            }
        }
    }
    let mut direct = Meter::from_gas(PLENTY);
    let outcome = Run::new(WAT).invoke_with("suspend", &[], &mut direct, &mut Direct);
    assert_eq!(brief(&outcome), "30");
    let mut suspended = Meter::from_gas(PLENTY);
    let (mut run, mut host) = (Run::new(WAT), Script::default());
    run.invoke_with("suspend", &[], &mut suspended, &mut host);
    run.machine.resume(Some(Value::I32(3)), &mut suspended, &mut host);
    assert_eq!(direct, suspended);
}

#[test]
fn an_aborted_computation_tells_where_it_stood() {
    let (mut run, mut host) = (Run::new(WAT), Script::default());
    assert_eq!(invoke(&mut run, &mut host, "suspend", &[]), "suspended");
    let Outcome::Trapped(trap) = run.machine.abort(TrapKind::OutOfGas) else { panic!("an abort traps") };
    let names: Vec<_> = trap.backtrace.iter().map(|frame| frame.name.as_deref()).collect();
    assert_eq!((trap.kind, names), (TrapKind::OutOfGas, vec![Some("inner"), Some("suspend")]));
}

/// Slots are counted in bytecode, so that what other computations of a transaction may still have is the same everywhere.
#[test]
fn a_suspended_machine_holds_the_same_on_every_engine() {
    let wasm = wat::parse_str(
        r#"(module (import "host" "suspend" (func $suspend (result i32)))
            (func $inner (param i64) (result i32) (local v128 i32) (i32.add (i32.const 1) (call $suspend)))
            (func (export "f") (result i32) (local i64) (i32.mul (call $inner (i64.const 1)) (i32.const 10)))
            (func (export "leave") (result i32) (local i64 i64) (return_call $inner (i64.const 1))))"#,
    );
    let wasm = wasm.unwrap_or_else(|error| panic!("{error}"));
    struct Suspender;
    impl Host for Suspender {
        fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
            HostOutcome::Suspend
        }
    }
    let rules = Rules::DEVNET;
    for &engine in lathe_vm::Engine::ALL {
        let module = Module::with_engine(&wasm, &rules, engine);
        let module = module.unwrap_or_else(|error| panic!("{error}"));
        let mut run = Run::of(&module, &rules);
        assert_eq!(run.machine.held(), Held::default(), "{engine}");
        // `f` has a header of two slots and a local. `inner` has its parameter, a header, three slots of locals, an operand,
        // and room for the header of what it calls. A tail call leaves nothing below.
        for (name, slots) in [("f", 3 + 1 + 2 + 3 + 1 + 2), ("leave", 1 + 2 + 3 + 1 + 2)] {
            let outcome = run.invoke_with(name, &[], &mut Meter::from_gas(PLENTY), &mut Suspender);
            assert_eq!(
                (brief(&outcome).as_str(), run.machine.held().slots),
                ("suspended", slots),
                "{engine}"
            );
            run.machine.abort(TrapKind::Host);
            assert_eq!(run.machine.held().slots, 0, "{engine}");
        }
    }
}

#[test]
fn a_host_that_cannot_be_paid_traps_out_of_gas() {
    let (mut run, mut host) = (Run::new(WAT), Script::default());
    let mut meter = support::ink_meter(1_500 + 200 + 2_500 + 250 + 1_233);
    assert_eq!(brief(&run.invoke_with("echo", &[Value::I32(1)], &mut meter, &mut host)), "out of gas");
    assert_eq!(meter.ink_left(), 1_233);
}

/// Functions that tell of all that an instance has, leave it changed, and end in every way.
const CHANGING: &str = r#"(module
    (import "h" "echo" (func $echo (param i32) (result i32)))
    (import "h" "suspend" (func $suspend (param i64 f32) (result i32)))
    (memory 1 4)
    (global $global (mut i32) (i32.const 7))
    (table $table 1 9 funcref)
    (data $data (i32.const 8) "\05")
    (func $change (result i32)
        (local i32)
        (local.set 0 (i32.load (i32.const 0)))
        (local.set 0 (i32.add (local.get 0) (i32.load8_u (i32.const 65535))))
        (local.set 0 (i32.add (local.get 0) (i32.mul (memory.size) (i32.const 1000))))
        (local.set 0 (i32.add (local.get 0) (i32.mul (table.size $table) (i32.const 100))))
        (local.set 0 (i32.add (local.get 0) (i32.mul (global.get $global) (i32.const 10))))
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))
        (global.set $global (i32.const 1))
        (data.drop $data)
        (drop (table.grow $table (ref.null func) (i32.const 2)))
        (drop (memory.grow (i32.const 1)))
        (i32.add (local.get 0) (call $echo (i32.const 3))))
    (func (export "return") (result i32) (call $change))
    (func (export "trap") (result i32) (drop (call $change)) unreachable)
    (func (export "recurse") (result i32) (i32.add (call $change) (call 5)))
    (func (export "suspend") (result i32) (i32.add (call $change) (call $suspend (i64.const 5) (f32.const 1)))))"#;

/// Makes an instance in a machine, calls a function and returns how it ended and what ink it took.
fn invoke_linked(machine: &mut Machine, linked: &HostLinked, name: &str) -> (String, u64) {
    let mut meter = Meter::from_gas(1_000_000);
    let instance = machine.instantiate_linked(linked, &mut meter).expect("an instance");
    let function = machine.exported_function(instance, name).expect("an export");
    let outcome = machine.invoke(function, &[], &mut meter, &mut Script::default());
    (brief(&outcome), meter.ink_left())
}

fn host_imports(module: &Module) -> Vec<Extern> {
    let host = |(number, import): (u32, &lathe_vm::Import)| match &import.ty {
        ExternType::Function(ty) => Extern::Host(number, ty.clone()),
        other => panic!("functions only, not {other:?}"),
    };
    (0..).zip(module.imports()).map(host).collect()
}

#[test]
fn a_machine_that_is_reset_is_as_a_new_one() {
    let linked = |wat: &str| {
        let module = module(wat);
        let imports = host_imports(&module);
        HostLinked::new(module, &imports).expect("the imports fit")
    };
    let (changing, other) = (linked(CHANGING), linked(WAT));
    let beside = Held { pages: 3, slots: 100 };
    let mut used = Machine::beside(&Rules::DEVNET, beside);
    for name in ["return", "trap", "recurse", "suspend", "return", "suspend", "recurse", "trap", "return"] {
        for held in [beside, Held::default()] {
            let mut new = Machine::beside(&Rules::DEVNET, held);
            used.reset_beside(&Rules::DEVNET, held);
            assert_eq!(used.held(), Held::default());
            let expected = invoke_linked(&mut new, &changing, name);
            assert_eq!(invoke_linked(&mut used, &changing, name), expected, "{name}");
            assert_eq!((used.held(), used.backtrace()), (new.held(), new.backtrace()), "{name}");
            used.clear();
            assert!(used.suspended_instance().is_none() && used.backtrace().is_empty());
            assert_eq!(invoke_linked(&mut used, &other, "exit").0, "exited");
        }
    }
}

#[test]
fn linking_refuses_what_instances_refuse() {
    let module = module(WAT);
    let imports = host_imports(&module);
    let mut machine = Machine::new(&Rules::DEVNET, 1);
    let mut meter = Meter::from_gas(PLENTY);
    for wrong in [&imports[1..], &[&imports[1], &imports[0], &imports[2], &imports[3]].map(Clone::clone)] {
        let refusal = machine.instantiate(&module, wrong, &mut meter).expect_err("they do not fit");
        assert_eq!(HostLinked::new(module.clone(), wrong).expect_err("they do not fit"), refusal);
    }
}
