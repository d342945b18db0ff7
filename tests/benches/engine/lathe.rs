//! Our own engines.

use crate::{Contender, Program, Run};
use lathe_tests::{kernels::next, measure::Options};
use lathe_vm::Engine;
use std::time::Instant;

/// The names of the fastest engine without metering, and with any NaN that the processor makes.
pub(crate) const UNMETERED: &str = "unmetered";
pub(crate) const ANY_NAN: &str = "any-nan";

/// Gas that no program uses up.
const GAS: u64 = 1 << 40;

/// The host's functions; the place of a name is the number of the function.
const HOST_FUNCTIONS: [&str; 2] = ["next", "clock_ms"];

/// Returns the engines to run. The plain one is for checking: it runs if asked for, or if there is no other.
pub(crate) fn contenders(options: &Options) -> Vec<Contender> {
    let usual = |engine| engine == Engine::default() || engine != Engine::Plain;
    let wanted = Engine::ALL.iter().filter(|&&engine| options.wants_engine(engine.name(), usual(engine)));
    let engines = wanted.map(|&engine| Contender {
        name: engine.name(),
        prepare: Box::new(move |program| Some(metered::prepare(program, engine))),
    });
    engines.chain(variants(options)).collect()
}

#[cfg(feature = "variants")]
fn variants(options: &Options) -> Vec<Contender> {
    let prepare_unmetered =
        |program: &Program<'_>| Some(unmetered::prepare(program, lathe_vm_unmetered::Engine::default()));
    let prepare_any_nan =
        |program: &Program<'_>| Some(any_nan::prepare(program, lathe_vm_any_nan::Engine::default()));
    let all = [
        Contender { name: UNMETERED, prepare: Box::new(prepare_unmetered) },
        Contender { name: ANY_NAN, prepare: Box::new(prepare_any_nan) },
    ];
    all.into_iter().filter(|contender| options.wants_engine(contender.name, true)).collect()
}

#[cfg(not(feature = "variants"))]
fn variants(_: &Options) -> Vec<Contender> {
    Vec::new()
}

/// How a build of the VM runs a program.
macro_rules! build {
    ($module:ident, $vm:ident) => {
        mod $module {
            use super::*;
            use $vm::{
                Engine, Extern, ExternType, Host, HostMemory, HostOutcome, Machine, Meter, Module, Outcome,
                Rules, Value,
            };

            pub(super) fn prepare(program: &Program<'_>, engine: Engine) -> Result<Run, String> {
                let rules = Rules::DEVNET;
                let module =
                    Module::with_engine(program.wasm, &rules, engine).map_err(|error| error.to_string())?;
                let mut imports = Vec::new();
                for import in module.imports() {
                    let number = HOST_FUNCTIONS.iter().position(|&name| name == &*import.name);
                    let (Some(number), ExternType::Function(ty)) = (number, &import.ty) else {
                        return Err(format!("there is no {}.{}", import.module, import.name));
                    };
                    let number = u32::try_from(number).map_err(|error| error.to_string())?;
                    imports.push(Extern::Host(number, ty.clone()));
                }
                let mut machine = Machine::new(&rules, rules.limits.memory_pages);
                let instance = machine
                    .instantiate(&module, &imports, &mut Meter::from_gas(GAS))
                    .map_err(|error| error.to_string())?;
                let function =
                    machine.exported_function(instance, "run").ok_or("there is no function `run`")?;
                let arguments: Vec<Value> = program.argument.map(Value::I32).into_iter().collect();
                let mut host = Functions { start: Instant::now() };
                Ok(Box::new(move || {
                    let outcome = machine.invoke(function, &arguments, &mut Meter::from_gas(GAS), &mut host);
                    match outcome {
                        Outcome::Returned(values) => match values[..] {
                            [Value::I64(value)] => Ok(value.cast_unsigned()),
                            [Value::F32(bits)] => Ok(bits.into()),
                            _ => Err(format!("it returned {values:?}")),
                        },
                        other => Err(format!("it ended as {other:?}")),
                    }
                }))
            }

            /// What the programs call.
            struct Functions {
                start: Instant,
            }

            impl Host for Functions {
                fn call(
                    &mut self,
                    function: u32,
                    arguments: &[Value],
                    _: &mut HostMemory<'_>,
                    _: &mut Meter,
                ) -> HostOutcome {
                    let value = match (function, arguments) {
                        (0, &[Value::I32(value)]) => next(value),
                        _ => crate::milliseconds(self.start),
                    };
                    HostOutcome::Return(Some(Value::I32(value)))
                }
            }
        }
    };
}

build!(metered, lathe_vm);
#[cfg(feature = "variants")]
build!(unmetered, lathe_vm_unmetered);
#[cfg(feature = "variants")]
build!(any_nan, lathe_vm_any_nan);
