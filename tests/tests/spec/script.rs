//! Runs the directives of one script on one engine.

use crate::constants::Functions;
use crate::values::{Nan, argument, matches, says};
use lathe_vm::{
    Engine, Extern, FuncType, Host, HostMemory, HostOutcome, InstanceId, InstantiationError, Machine, Meter,
    Module, Outcome, Rules, TrapKind, Value,
};
use std::collections::BTreeMap;
use std::rc::Rc;
use wast::token::Id;
use wast::{QuoteWat, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

/// What a directive that held was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// No assertion.
    Nothing,
    Assertion,
    /// An assertion that held with constants for operands, too.
    AsConstants,
}

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
    fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
        HostOutcome::Return(None)
    }
}

/// The state of one script.
pub(crate) struct Script {
    engine: Engine,
    rules: Rules,
    machine: Machine,
    /// Instances by the name they are registered under for imports.
    registered: BTreeMap<String, InstanceId>,
    /// Instances by the identifier the script gives them.
    named: BTreeMap<String, InstanceId>,
    definitions: BTreeMap<String, Module>,
    last_definition: Option<Module>,
    current: Option<InstanceId>,
    /// For each instance, its functions that constants can be put into.
    functions: BTreeMap<InstanceId, Rc<Functions>>,
}

impl Script {
    pub(crate) fn new(engine: Engine) -> Result<Self, String> {
        let rules = Rules::UNBOUNDED;
        let mut script = Self {
            engine,
            rules,
            machine: Machine::new(&rules, rules.limits.memory_pages),
            registered: BTreeMap::new(),
            named: BTreeMap::new(),
            definitions: BTreeMap::new(),
            last_definition: None,
            current: None,
            functions: BTreeMap::new(),
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
        Module::with_engine(bytes, &self.rules, self.engine).map_err(|e| e.to_string())
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

    /// Runs a directive. `nan` is what an expected NaN means there.
    pub(crate) fn directive(&mut self, directive: &mut WastDirective<'_>, nan: Nan) -> Result<Held, String> {
        match directive {
            WastDirective::Module(wat) => {
                let name = wat.name().map(|id| id.name().to_owned());
                let wasm = wat.encode().map_err(|e| e.to_string())?;
                let module = self.compile(&wasm)?;
                let instance = self.instantiate(&module).map_err(|e| e.to_string())?;
                self.current = Some(instance);
                self.functions.insert(instance, Rc::new(Functions::of(wasm)?));
                if let Some(name) = name {
                    self.named.insert(name, instance);
                }
                Ok(Held::Nothing)
            }
            WastDirective::ModuleDefinition(wat) => {
                let name = wat.name().map(|id| id.name().to_owned());
                let module = self.compile(&wat.encode().map_err(|e| e.to_string())?)?;
                if let Some(name) = name {
                    self.definitions.insert(name, module.clone());
                }
                self.last_definition = Some(module);
                Ok(Held::Nothing)
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
                Ok(Held::Nothing)
            }
            WastDirective::Register { name, module, .. } => {
                let instance = self.instance(*module)?;
                self.registered.insert((*name).to_owned(), instance);
                Ok(Held::Nothing)
            }
            WastDirective::Invoke(invoke) => match self.invoke(invoke)? {
                Outcome::Returned(_) => Ok(Held::Nothing),
                other => Err(format!("{other:?}")),
            },
            WastDirective::AssertReturn { exec, results, .. } => {
                let holds = |outcome: &Outcome| returns(outcome, results, nan);
                holds(&self.execute(exec)?)?;
                self.as_constants(exec, holds)
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                let holds = |outcome: &Outcome| match outcome {
                    Outcome::Trapped(trap) if says(trap.kind, message) => Ok(()),
                    other => Err(format!("{other:?}, not {message:?}")),
                };
                holds(&self.execute(exec)?)?;
                self.as_constants(exec, holds)
            }
            WastDirective::AssertExhaustion { call, message, .. } => match self.invoke(call)? {
                Outcome::Trapped(trap) if trap.kind == TrapKind::StackOverflow => Ok(Held::Assertion),
                other => Err(format!("{other:?}, not {message:?}")),
            },
            WastDirective::AssertMalformed { module, message, .. } => {
                self.refuses(module, message).map(|()| Held::Assertion)
            }
            WastDirective::AssertInvalid { module, message, .. } => {
                self.refuses(module, message).map(|()| Held::Assertion)
            }
            WastDirective::AssertUnlinkable { module, message, .. } => {
                let module = self.compile(&module.encode().map_err(|e| e.to_string())?)?;
                match self.instantiate(&module) {
                    Err(_) => Ok(Held::Assertion),
                    Ok(_) => Err(format!("linked, but should fail: {message}")),
                }
            }
            // Malformed custom sections are no concern of a validator.
            WastDirective::AssertInvalidCustom { .. } | WastDirective::AssertMalformedCustom { .. } => {
                Ok(Held::Nothing)
            }
            other => Err(format!("unknown directive {other:?}")),
        }
    }

    /// Repeats an assertion on copies of the function that have constants for operands, or operands that were just
    /// computed.
    fn as_constants(
        &self,
        execute: &WastExecute<'_>,
        holds: impl Fn(&Outcome) -> Result<(), String>,
    ) -> Result<Held, String> {
        let WastExecute::Invoke(invoke) = execute else { return Ok(Held::Assertion) };
        let functions = Rc::clone(&self.functions[&self.instance(invoke.module)?]);
        let Some(function) = functions.named(invoke.name) else { return Ok(Held::Assertion) };
        let arguments: Vec<Value> = invoke.args.iter().map(argument).collect::<Result<_, _>>()?;
        for variant in function.variants(self.engine, &arguments) {
            let fail = |error: String| format!("with operands as {:?}: {error}", variant.forms);
            let module = self.compile(&variant.wasm).map_err(fail)?;
            let mut machine = Machine::new(&Rules::DEVNET, 0);
            let mut meter = Meter::from_gas(u64::MAX);
            let instance = machine.instantiate(&module, &[], &mut meter).map_err(|e| fail(e.to_string()))?;
            let copy = machine.exported_function(instance, "f").ok_or("the copy has no such function")?;
            let outcome = machine.invoke(copy, &variant.arguments, &mut meter, &mut Printer);
            holds(&outcome).map_err(fail)?;
        }
        Ok(Held::AsConstants)
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

/// Checks that a function returned what it must.
fn returns(outcome: &Outcome, results: &[WastRet<'_>], nan: Nan) -> Result<(), String> {
    match outcome {
        Outcome::Returned(values)
            if values.len() == results.len()
                && values.iter().zip(results).all(|(&value, want)| matches(value, want, nan)) =>
        {
            Ok(())
        }
        Outcome::Returned(values) => Err(format!("returned {values:x?}, not {results:?}")),
        other => Err(format!("{other:?}")),
    }
}
