//! The kernels of the benches compute what they say, and the same on every engine.

use lathe_tests::kernels::{KERNELS, Kernel, next};
use lathe_vm::{
    Engine, Extern, ExternType, Host, HostMemory, HostOutcome, Machine, Meter, Module, Outcome, Rules, Value,
};

/// Enough for every kernel at the sizes here.
const GAS: u64 = 1 << 40;

struct Next;

impl Host for Next {
    fn call(&mut self, _: u32, arguments: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
        match arguments {
            &[Value::I32(value)] => HostOutcome::Return(Some(Value::I32(next(value)))),
            _ => HostOutcome::Trap(lathe_vm::TrapKind::Host),
        }
    }
}

/// Runs a kernel and returns its checksum and what it took, of each of two runs.
fn run(kernel: &Kernel, engine: Engine, size: i32) -> [(u64, u64); 2] {
    let module = Module::with_engine(kernel.wasm, &Rules::DEVNET, engine).expect("kernels are valid");
    let imports: Vec<Extern> = module
        .imports()
        .iter()
        .map(|import| match &import.ty {
            ExternType::Function(ty) => Extern::Host(0, ty.clone()),
            other => panic!("{} imports {other:?}", kernel.name),
        })
        .collect();
    let mut machine = Machine::new(&Rules::DEVNET, Rules::DEVNET.limits.memory_pages);
    let instance =
        machine.instantiate(&module, &imports, &mut Meter::from_gas(GAS)).expect("there is gas enough");
    let function = machine.exported_function(instance, "run").expect("kernels export `run`");
    [(); 2].map(|()| {
        let mut meter = Meter::from_gas(GAS);
        let before = meter.ink_left();
        match machine.invoke(function, &[Value::I32(size)], &mut meter, &mut Next) {
            Outcome::Returned(values) => match values[..] {
                [Value::I64(checksum)] => (checksum.cast_unsigned(), before - meter.ink_left()),
                _ => panic!("{} returned {values:?}", kernel.name),
            },
            other => panic!("{} on {engine}: {other:?}", kernel.name),
        }
    })
}

#[test]
fn a_kernel_returns_and_costs_the_same_on_every_engine_and_in_every_run() {
    for kernel in KERNELS {
        let size = (kernel.size / 50).max(8);
        let [first, second] = run(kernel, Engine::Plain, size);
        assert_eq!(first, second, "{}: a run leaves something behind for the next", kernel.name);
        for &engine in Engine::ALL {
            assert_eq!(run(kernel, engine, size), [first, first], "{} on {engine}", kernel.name);
        }
    }
}

#[test]
fn kernels_with_a_known_answer_give_it() {
    let answer = |name, size| {
        let kernel = Kernel::named(name).expect("there is such a kernel");
        run(kernel, Engine::default(), size)[0].0
    };
    assert_eq!(answer("counter", 1_000), 1_000);
    assert_eq!(answer("fib", 20), 6_765);
    // `head -c 640 /dev/zero | tr '\0' a | sha256sum`
    assert_eq!(answer("sha256", 10), 0x9a6a_ad64_bae7_522d);
    let hash = alloy_primitives::keccak256([b'a'; 10 * 136]);
    assert_eq!(answer("keccak", 10).to_le_bytes(), hash[..8]);
}
