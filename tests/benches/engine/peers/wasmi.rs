//! wasmi 2.0: the base of the figures with fuel, and without it for scale.

use crate::{Contender, Program, Run, milliseconds};
use lathe_tests::kernels::next;
use std::time::Instant;
use wasmi::{CompilationMode, Config, Engine, Error, Linker, Module, Store, Val};

pub(super) fn contenders() -> [Contender; 2] {
    [("wasmi+fuel", true), ("wasmi", false)].map(|(name, fuel)| Contender {
        name,
        prepare: Box::new(move |program| Some(prepare(program, fuel).map_err(|error| error.to_string()))),
    })
}

fn prepare(program: &Program<'_>, fuel: bool) -> Result<Run, Error> {
    let mut config = Config::default();
    config.compilation_mode(CompilationMode::Eager).consume_fuel(fuel);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, program.wasm)?;
    let mut store = Store::new(&engine, Instant::now());
    let mut linker = <Linker<Instant>>::new(&engine);
    linker.func_wrap("env", "next", |value: i32| next(value))?;
    linker.func_wrap("env", "clock_ms", |caller: wasmi::Caller<'_, Instant>| milliseconds(*caller.data()))?;
    if fuel {
        store.set_fuel(u64::MAX)?;
    }
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    let function =
        instance.get_func(&store, "run").ok_or_else(|| Error::new("there is no function `run`"))?;
    let arguments: Vec<Val> = program.argument.map(Val::I32).into_iter().collect();
    Ok(Box::new(move || {
        if fuel {
            store.set_fuel(u64::MAX).map_err(|error| error.to_string())?;
        }
        let mut results = [Val::I64(0)];
        function.call(&mut store, &arguments, &mut results).map_err(|error| error.to_string())?;
        match results {
            [Val::I64(value)] => Ok(value.cast_unsigned()),
            [Val::F32(value)] => Ok(value.to_bits().into()),
            _ => Err(format!("it returned {results:?}")),
        }
    }))
}
