//! The engine against those of others.
//!
//! All sides make canonical NaNs and have the same limits of memory and tables. Metering and the depth of calls differ,
//! so a comparison ends where either side stops for one of these.

mod wasmi;
#[cfg(feature = "wasmtime")]
mod wasmtime;

use lathe_vm::{
    Engine, Extern, ExternType, Host, HostMemory, HostOutcome, Machine, Meter, Module, Outcome, Rules, TrapKind, Value,
    ValueType,
};

/// What each call gets to run: enough to grow memory a few times.
const GAS: u64 = 20_000;
/// What each call gets in the units of others, some per instruction.
const FUEL: u64 = 20_000_000;
/// The pages that no memory passes.
const PAGES_MAX: u32 = 20;
const PAGE_BYTES: usize = 65_536;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    Returned(Vec<Word>),
    Trapped(Kind),
    /// Fuel or stack was at its end, or an allocation failed: no ground for comparison.
    Stopped,
}

/// A value without what differs between engines: which reference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Bits(u128),
    Null,
    Reference,
}

/// Why a call trapped, as coarse as the coarsest engine says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unreachable,
    Memory,
    Table,
    NullCall,
    Signature,
    DivideByZero,
    Overflow,
    Conversion,
    Other,
}

/// All that a module did.
#[derive(Debug)]
struct Story {
    calls: Vec<Ending>,
    memory: Vec<u8>,
    globals: Vec<Word>,
}

/// What to do with a module: call these functions, then read these globals and this memory.
struct Plan<'a> {
    wasm: &'a [u8],
    functions: Vec<(String, Vec<ValueType>)>,
    globals: Vec<String>,
    memory: Option<String>,
}

/// Runs a module here and elsewhere. Returns how many calls could be compared.
pub fn peers(data: &[u8]) -> usize {
    let Some(wasm) = super::either(data) else { return 0 };
    // The generator of others knows other limits than ours.
    let Ok(module) = Module::new(&wasm, &Rules::DEVNET) else { return 0 };
    let plan = Plan::of(&wasm, &module);
    let ours = ours(&plan, &module);
    let mut compared = 0;
    // wasmi 2.0.0 translates some modules of our generator wrongly ("a register operand already exists on the stack", then
    // a word that is no instruction), so it is asked about those of wasm-smith only.
    if data.len() > super::SEED_BYTES {
        compared += compare("wasmi", &ours, wasmi::story(&plan));
    }
    #[cfg(feature = "wasmtime")]
    {
        compared += compare("wasmtime", &ours, wasmtime::story(&plan));
    }
    // What the plain engine does is compared with the others elsewhere.
    let plain = Module::with_engine(&wasm, &Rules::DEVNET, Engine::Plain).expect("the module is valid");
    compared += compare("the plain engine", &ours, self::ours(&plan, &plain));
    compared
}

/// Compares two stories up to where one stops. `None` is a module that did not start.
fn compare(name: &str, ours: &Option<Story>, theirs: Option<Story>) -> usize {
    let (ours, theirs) = match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours, theirs),
        (None, None) => return 0,
        (ours, _) => panic!("{name} and we differ: we start the module: {}", ours.is_some()),
    };
    for (place, (our, their)) in ours.calls.iter().zip(&theirs.calls).enumerate() {
        if *our == Ending::Stopped || *their == Ending::Stopped {
            return place;
        }
        assert_eq!(our, their, "call {place}: {name} and we differ");
    }
    assert_eq!(ours.globals, theirs.globals, "{name} and we differ in globals");
    assert_eq!(ours.memory.len(), theirs.memory.len(), "{name} and we differ in the size of memory");
    let place = ours.memory.iter().zip(&theirs.memory).position(|(a, b)| a != b);
    assert_eq!(place, None, "{name} and we differ in memory");
    ours.calls.len()
}

impl<'a> Plan<'a> {
    fn of(wasm: &'a [u8], module: &Module) -> Self {
        let mut plan = Self { wasm, functions: Vec::new(), globals: Vec::new(), memory: None };
        for export in module.exports() {
            let name = export.name.to_string();
            match &export.ty {
                ExternType::Function(ty) => plan.functions.push((name, ty.params().to_vec())),
                ExternType::Global(_) => plan.globals.push(name),
                ExternType::Memory(_) => plan.memory = Some(name),
                ExternType::Table(_) => {}
            }
        }
        plan
    }
}

/// Returns the bits of the argument at a place, `None` for a null reference.
fn argument(place: usize, ty: ValueType) -> Option<u128> {
    const I32S: [u32; 4] = [7, 0, u32::MAX, 1 << 31];
    const I64S: [u64; 4] = [1 << 40, 3, u64::MAX, 0];
    const F32S: [u32; 4] = [0x3fc0_0000, 0xff80_0000, 0x7fa0_0001, 0];
    const F64S: [u64; 4] = [0xc004_0000_0000_0000, 1, 0x7ff4_0000_0000_0001, 0x7ff0_0000_0000_0000];
    Some(match ty {
        ValueType::I32 => I32S[place % 4].into(),
        ValueType::I64 => I64S[place % 4].into(),
        ValueType::F32 => F32S[place % 4].into(),
        ValueType::F64 => F64S[place % 4].into(),
        ValueType::V128 => u128::from(F64S[place % 4]) << 64 | u128::from(I64S[place % 4]),
        ValueType::FuncRef | ValueType::ExternRef => return None,
    })
}

/// A host whose functions return zeros.
struct Zeros(Vec<Option<ValueType>>);

impl Host for Zeros {
    fn call(&mut self, function: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
        HostOutcome::Return(self.0[function as usize].map(Value::zero))
    }
}

fn ours(plan: &Plan<'_>, module: &Module) -> Option<Story> {
    let mut results = Vec::new();
    let mut imports = Vec::new();
    for (number, import) in (0..).zip(module.imports()) {
        let ExternType::Function(ty) = &import.ty else { return None };
        // The interface to a host knows one result.
        if ty.results().len() > 1 {
            return None;
        }
        results.push(ty.results().first().copied());
        imports.push(Extern::Host(number, ty.clone()));
    }
    let mut host = Zeros(results);
    let mut machine = Machine::new(&Rules::DEVNET, PAGES_MAX);
    let instance = machine.instantiate(module, &imports, &mut Meter::from_gas(1 << 40)).ok()?;
    let calls = plan.functions.iter().map(|(name, params)| {
        let function = machine.exported_function(instance, name).expect("the module exports it");
        let arguments: Vec<Value> =
            params.iter().enumerate().map(|(place, &ty)| value(argument(place, ty), ty)).collect();
        match machine.invoke(function, &arguments, &mut Meter::from_gas(GAS), &mut host) {
            Outcome::Returned(values) => Ending::Returned(values.into_iter().map(word).collect()),
            Outcome::Trapped(trap) => ending(trap.kind),
            Outcome::Exited | Outcome::Suspended => unreachable!("the host only returns"),
        }
    });
    let calls = calls.collect();
    let globals = plan.globals.iter().map(|name| match machine.export(instance, name) {
        Some(Extern::Global(global)) => word(machine.global(global)),
        _ => unreachable!("the module exports it"),
    });
    let globals = globals.collect();
    let memory = if plan.memory.is_some() { machine.memory(instance).to_vec() } else { Vec::new() };
    Some(Story { calls, memory, globals })
}

fn value(bits: Option<u128>, ty: ValueType) -> Value {
    let Some(bits) = bits else { return Value::zero(ty) };
    let low = u64::try_from(bits & u128::from(u64::MAX)).expect("it was cut to 64 bits");
    let lowest = u32::try_from(low & u64::from(u32::MAX)).expect("it was cut to 32 bits");
    match ty {
        ValueType::I32 => Value::I32(lowest.cast_signed()),
        ValueType::I64 => Value::I64(low.cast_signed()),
        ValueType::F32 => Value::F32(lowest),
        ValueType::F64 => Value::F64(low),
        ValueType::V128 => Value::V128(bits),
        ValueType::FuncRef | ValueType::ExternRef => Value::zero(ty),
    }
}

fn word(value: Value) -> Word {
    match value {
        Value::I32(value) => Word::Bits(value.cast_unsigned().into()),
        Value::I64(value) => Word::Bits(value.cast_unsigned().into()),
        Value::F32(bits) => Word::Bits(bits.into()),
        Value::F64(bits) => Word::Bits(bits.into()),
        Value::V128(bits) => Word::Bits(bits),
        Value::FuncRef(None) | Value::ExternRef(None) => Word::Null,
        Value::FuncRef(Some(_)) | Value::ExternRef(Some(_)) => Word::Reference,
    }
}

fn ending(kind: TrapKind) -> Ending {
    Ending::Trapped(match kind {
        TrapKind::Unreachable => Kind::Unreachable,
        TrapKind::MemoryOutOfBounds => Kind::Memory,
        TrapKind::TableOutOfBounds | TrapKind::UndefinedElement => Kind::Table,
        TrapKind::UninitializedElement => Kind::NullCall,
        TrapKind::IndirectCallTypeMismatch => Kind::Signature,
        TrapKind::IntegerDivideByZero => Kind::DivideByZero,
        TrapKind::IntegerOverflow => Kind::Overflow,
        TrapKind::InvalidConversion => Kind::Conversion,
        TrapKind::Host => Kind::Other,
        TrapKind::StackOverflow | TrapKind::OutOfGas | TrapKind::StepLimit => return Ending::Stopped,
    })
}
