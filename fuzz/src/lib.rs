//! What the fuzz targets do with their bytes. They are functions, so that `cargo test` can run them over seeds where
//! there is no fuzzer.
//!
//! A property that fails panics. Whatever the bytes, the VM itself must not.

mod peers;

/// The generator of modules, which the tests of all engines share.
#[path = "../../tests/src"]
mod shared {
    pub(crate) mod generate;
}

pub use peers::peers;

use arbitrary::Unstructured;
use lathe_vm::{
    Engine, Extern, ExternType, Host, HostMemory, HostOutcome, InstanceId, Machine, Meter, Module, Outcome, Rules, Value,
    ValueType,
};

/// What a function gets to run: enough to reach everything, too little to loop for long.
const GAS: u64 = 20_000;

/// Compiles any bytes and runs every export of what comes out. A report judges the bytes alike.
pub fn module(data: &[u8]) {
    let report = lathe_vm::inspect(data, &Rules::DEVNET);
    let module = Module::new(data, &Rules::DEVNET);
    assert_eq!(report.is_accepted(), module.is_ok(), "the report has {:?}", report.violations);
    match module {
        Ok(module) => {
            run(&module, GAS);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Makes a valid module of the bytes and runs it twice, then with less gas. Returns how many calls it made each time.
pub fn execute(data: &[u8]) -> usize {
    let Some(bytes) = smith(data) else { return 0 };
    // The generator knows other limits than ours.
    let Ok(module) = Module::new(&bytes, &Rules::DEVNET) else { return 0 };
    let first = run(&module, GAS);
    assert_eq!(first, run(&module, GAS), "two runs differ");
    let less = run(&module, GAS / 2);
    if let (Some(first), Some(less)) = (first.calls.first(), less.calls.first()) {
        match &less.outcome {
            Outcome::Trapped(trap) if trap.kind == lathe_vm::TrapKind::OutOfGas => {}
            // Host functions do not look at gas here, so what could be paid went the same way.
            outcome => {
                assert_eq!((outcome, less.ink), (&first.outcome, first.ink), "the outcome depends on gas")
            }
        }
    }
    first.calls.len()
}

/// Runs a module on every engine, with plenty of gas and with less. Returns how many calls it made each time.
pub fn engines(data: &[u8]) -> usize {
    let Some(bytes) = either(data) else { return 0 };
    let Ok(plain) = Module::with_engine(&bytes, &Rules::DEVNET, Engine::Plain) else { return 0 };
    // The last bytes say how much less.
    let some = data.iter().rev().take(2).fold(0, |gas, &byte| gas << 8 | u64::from(byte));
    let mut calls = 0;
    for gas in [GAS, GAS / 16, some % 600] {
        let expected = run(&plain, gas);
        calls = calls.max(expected.calls.len());
        for &engine in Engine::ALL {
            let module =
                Module::with_engine(&bytes, &Rules::DEVNET, engine).expect("the plain engine took it");
            assert_eq!(run(&module, gas), expected, "{engine} with {gas} gas differs from the plain engine");
        }
    }
    calls
}

/// Up to this length, data is the size and the seed of a module of our own generator.
const SEED_BYTES: usize = 10;

/// Returns the bytes of a valid module: of our own generator for short data, of wasm-smith for what has more to say.
fn either(data: &[u8]) -> Option<Vec<u8>> {
    match data {
        [size, seed @ ..] if data.len() <= SEED_BYTES => {
            let seed = seed.iter().fold(0, |seed, &byte| seed << 8 | u64::from(byte));
            Some(shared::generate::module(seed, (*size).into()))
        }
        _ => smith(data),
    }
}

/// Returns the bytes of a valid module.
fn smith(data: &[u8]) -> Option<Vec<u8>> {
    let config = wasm_smith::Config {
        allow_start_export: false,
        bulk_memory_enabled: true,
        exceptions_enabled: false,
        extended_const_enabled: true,
        gc_enabled: false,
        max_imports: 4,
        max_memories: 1,
        max_memory32_bytes: 16 * 65_536,
        max_tables: 1,
        max_table_elements: 1_000,
        memory64_enabled: false,
        multi_value_enabled: true,
        reference_types_enabled: true,
        relaxed_simd_enabled: false,
        simd_enabled: true,
        tail_call_enabled: true,
        threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        shared_everything_threads_enabled: false,
        export_everything: true,
        min_funcs: 1,
        ..wasm_smith::Config::default()
    };
    let mut input = Unstructured::new(data);
    Some(wasm_smith::Module::new(config, &mut input).ok()?.to_bytes())
}

/// Everything that two runs must agree on.
#[derive(Debug, PartialEq)]
struct Record {
    calls: Vec<Call>,
    memory: Vec<u8>,
    globals: Vec<Value>,
}

#[derive(Debug, PartialEq)]
struct Call {
    outcome: Outcome,
    /// What it took.
    ink: u64,
}

/// Calls every exported function with zeros, each with `gas`.
fn run(module: &Module, gas: u64) -> Record {
    let mut machine = Machine::new(&Rules::DEVNET, 32);
    let mut record = Record { calls: Vec::new(), memory: Vec::new(), globals: Vec::new() };
    let Some(imports) = imports(module) else { return record };
    let Ok(instance) = machine.instantiate(module, &imports, &mut Meter::from_gas(1 << 40)) else {
        return record;
    };
    for export in module.exports() {
        let ExternType::Function(ty) = &export.ty else { continue };
        let Some(function) = machine.exported_function(instance, &export.name) else { continue };
        let arguments: Vec<Value> = ty.params().iter().map(|&ty| Value::zero(ty)).collect();
        let mut meter = Meter::from_gas(gas);
        let before = meter.ink_left();
        let mut host = Zeros::of(module);
        let mut outcome = machine.invoke(function, &arguments, &mut meter, &mut host);
        while outcome == Outcome::Suspended {
            let result = host.result;
            outcome = machine.resume(result, &mut meter, &mut host);
        }
        record.calls.push(Call { outcome, ink: before - meter.ink_left() });
    }
    record.memory = machine.memory(instance).to_vec();
    record.globals = globals(&machine, module, instance);
    record
}

/// Meets all imports by the host's functions, or gives up where others are needed.
fn imports(module: &Module) -> Option<Vec<Extern>> {
    (0..)
        .zip(module.imports())
        .map(|(number, import)| match &import.ty {
            ExternType::Function(ty) => Some(Extern::Host(number, ty.clone())),
            _ => None,
        })
        .collect()
}

fn globals(machine: &Machine, module: &Module, instance: InstanceId) -> Vec<Value> {
    let names = module.exports().iter().map(|export| &*export.name);
    names
        .filter_map(|name| match machine.export(instance, name)? {
            Extern::Global(global) => Some(machine.global(global)),
            _ => None,
        })
        .collect()
}

/// A host that returns zeros, and suspends first every other time.
struct Zeros {
    results: Vec<Option<ValueType>>,
    calls: u32,
    /// What the suspended call returns.
    result: Option<Value>,
}

impl Zeros {
    fn of(module: &Module) -> Self {
        let results = module.imports().iter().map(|import| match &import.ty {
            ExternType::Function(ty) => ty.results().first().copied(),
            _ => None,
        });
        Self { results: results.collect(), calls: 0, result: None }
    }
}

impl Host for Zeros {
    fn call(&mut self, function: u32, _: &[Value], memory: &mut HostMemory<'_>, meter: &mut Meter) -> HostOutcome {
        if let Err(error) = meter.charge(8_400) {
            return error.into();
        }
        if let Some(byte) = memory.first_mut() {
            *byte = byte.wrapping_add(1);
        }
        self.calls += 1;
        self.result = self.results[function as usize].map(Value::zero);
        if self.calls.is_multiple_of(2) { HostOutcome::Suspend } else { HostOutcome::Return(self.result) }
    }
}
