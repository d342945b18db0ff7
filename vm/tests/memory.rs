//! A memory is zero whoever had its bytes before: only what was written is set to zero again, whatever wrote it.

mod support;

use lathe_vm::{
    Engine, Host, HostMemory, HostOutcome, Machine, Meter, Module, Outcome, Rules, TrapKind, Value,
};
use support::{PLENTY, instantiate};

const PAGE: i64 = 65_536;

/// Writes in every way that code can, at the address that it is given, what it is given.
const WRITER: &str = r#"(module
    (import "host" "write" (func $host (param i32)))
    (import "host" "slice" (func $slice (param i32)))
    (memory (export "memory") 1 4)
    (data $bytes "\ff\ff\ff\ff\ff\ff\ff\ff")
    (func (export "0") (param i32) (i32.store8 (local.get 0) (i32.const -1)))
    (func (export "1") (param i32) (i32.store16 (local.get 0) (i32.const -1)))
    (func (export "2") (param i32) (i32.store (local.get 0) (i32.const -1)))
    (func (export "3") (param i32) (i64.store (local.get 0) (i64.const -1)))
    (func (export "4") (param i32) (f32.store (local.get 0) (f32.const -1)))
    (func (export "5") (param i32) (f64.store (local.get 0) (f64.const -1)))
    (func (export "6") (param i32) (v128.store (local.get 0) (v128.const i64x2 -1 -1)))
    (func (export "7") (param i32) (v128.store16_lane 1 (local.get 0) (v128.const i64x2 -1 -1)))
    (func (export "8") (param i32) (memory.fill (local.get 0) (i32.const -1) (i32.const 9)))
    (func (export "9") (param i32) (memory.init $bytes (local.get 0) (i32.const 0) (i32.const 8)))
    (func (export "10") (param i32)
        (i32.store8 (i32.const 40000) (i32.const -1))
        (memory.copy (local.get 0) (i32.const 40000) (i32.const 1)))
    (func (export "11") (param i32) (call $host (local.get 0)))
    (func (export "12") (param i32) (call $slice (local.get 0)))
    (func (export "13") (param i32)
        (drop (memory.grow (i32.const 1)))
        (i32.store8 (i32.add (local.get 0) (i32.const 65536)) (i32.const -1)))
    (func (export "14") (param i32)
        (loop $again
            (i32.store (local.get 0) (i32.const -1))
            (br_if $again (i32.lt_u
                (local.tee 0 (i32.add (local.get 0) (i32.const 4)))
                (i32.const 65500))))))"#;
const WAYS: usize = 15;

struct Writer;

impl Host for Writer {
    fn call(
        &mut self,
        function: u32,
        arguments: &[Value],
        memory: &mut HostMemory<'_>,
        _: &mut Meter,
    ) -> HostOutcome {
        let [Value::I32(address)] = *arguments else { unreachable!("it takes an address") };
        let address = address.cast_unsigned();
        let written = match function {
            0 => memory.write(address, &[0xff; 3]),
            _ => memory.get_mut(address as usize..).and_then(<[u8]>::first_mut).map(|byte| *byte = 0xff),
        };
        match written {
            Some(()) => HostOutcome::Return(None),
            None => HostOutcome::Trap(TrapKind::MemoryOutOfBounds),
        }
    }
}

#[test]
fn nothing_that_was_written_is_seen_by_the_next_instance() {
    let rules = Rules::DEVNET;
    let wasm = wat::parse_str(WRITER).expect("the text is right");
    let mut addresses: Vec<i64> =
        [0, 7, 8, 9, 2_048, 32_768, PAGE - 2_048].iter().flat_map(|at| at - 9..at + 10).collect();
    addresses.extend(PAGE - 20..PAGE + 3);
    addresses.retain(|address| *address >= 0);
    for &engine in Engine::ALL {
        let module = Module::with_engine(&wasm, &rules, engine).expect("the module is valid");
        let mut machine = Machine::new(&rules, 4);
        let mut written = 0;
        // Far from each other, near, and growing into each other.
        for (index, &first) in addresses.iter().enumerate() {
            for way in 0..WAYS {
                machine.clear();
                let instance = instantiate(&mut machine, &module);
                assert!(machine.memory(instance).iter().all(|byte| *byte == 0), "{engine}: {way} at {first}");
                let second = addresses[(index * 31 + way * 7) % addresses.len()];
                for (way, address) in [(way, first), ((way + index) % WAYS, second), (way, second)] {
                    let function =
                        machine.exported_function(instance, &way.to_string()).expect("it is exported");
                    let argument = Value::I32(i32::try_from(address).expect("it is small"));
                    let outcome =
                        machine.invoke(function, &[argument], &mut Meter::from_gas(PLENTY), &mut Writer);
                    match outcome {
                        Outcome::Returned(_) => written += 1,
                        Outcome::Trapped(trap) => assert_eq!(trap.kind, TrapKind::MemoryOutOfBounds),
                        other => panic!("{engine}: {way} at {address}: {other:?}"),
                    }
                    let place = usize::try_from(address).expect("it is not negative");
                    if address < PAGE - 20 && way != 13 {
                        assert_ne!(
                            machine.memory(instance)[place..place + 8],
                            [0; 8],
                            "{engine}: {way} at {address}"
                        );
                    }
                }
                if index % 3 == 0 {
                    let place = u32::try_from(first).expect("it is small");
                    let fits = (place as usize) < machine.memory(instance).len();
                    assert_eq!(machine.write_memory(instance, place, &[1]).is_some(), fits);
                }
            }
        }
        assert!(written > 2_000, "{written}");
    }
}

#[test]
fn what_a_host_that_panics_has_let_code_write_is_not_seen_either() {
    struct Panics;
    impl Host for Panics {
        fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
            panic!("on purpose")
        }
    }
    let text = r#"(module
        (import "host" "panic" (func $panic))
        (memory 1)
        (func (export "f")
            (i32.store (i32.const 100) (i32.const -1))
            (i32.store (i32.const 60000) (i32.const -1))
            (call $panic)))"#;
    let rules = Rules::DEVNET;
    let wasm = wat::parse_str(text).expect("the text is right");
    for &engine in Engine::ALL {
        let module = Module::with_engine(&wasm, &rules, engine).expect("the module is valid");
        for _ in 0..3 {
            let mut machine = Machine::new(&rules, 1);
            let instance = instantiate(&mut machine, &module);
            assert!(machine.memory(instance).iter().all(|byte| *byte == 0), "{engine}");
            let function = machine.exported_function(instance, "f").expect("it is exported");
            let run = std::panic::AssertUnwindSafe(|| {
                machine.invoke(function, &[], &mut Meter::from_gas(PLENTY), &mut Panics)
            });
            assert!(std::panic::catch_unwind(run).is_err());
        }
    }
}
