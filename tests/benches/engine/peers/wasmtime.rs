//! Wasmtime's two compilers, metered, for scale. Cranelift makes canonical NaNs; Winch cannot.

use crate::{Contender, Program, Run, milliseconds};
use lathe_tests::kernels::next;
use std::time::Instant;
use wasmtime::{Config, Engine, Linker, Module, Result, Store, Strategy, Val};

pub(super) fn contenders() -> [Contender; 2] {
    [("winch+fuel", Strategy::Winch), ("cranelift+fuel", Strategy::Cranelift)].map(|(name, strategy)| {
        Contender {
            name,
            prepare: Box::new(move |program| {
                Some(prepare(program, strategy).map_err(|error| format!("{error:#}")))
            }),
        }
    })
}

fn prepare(program: &Program<'_>, strategy: Strategy) -> Result<Run> {
    let mut config = Config::new();
    config.strategy(strategy).consume_fuel(true);
    if strategy == Strategy::Cranelift {
        config.cranelift_nan_canonicalization(true);
    }
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, program.wasm)?;
    let mut store = Store::new(&engine, Instant::now());
    let mut linker = <Linker<Instant>>::new(&engine);
    linker.func_wrap("env", "next", |value: i32| next(value))?;
    linker
        .func_wrap("env", "clock_ms", |caller: wasmtime::Caller<'_, Instant>| milliseconds(*caller.data()))?;
    store.set_fuel(u64::MAX)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let function = instance
        .get_func(&mut store, "run")
        .ok_or_else(|| wasmtime::format_err!("there is no function `run`"))?;
    let arguments: Vec<Val> = program.argument.map(Val::I32).into_iter().collect();
    Ok(Box::new(move || {
        store.set_fuel(u64::MAX).map_err(|error| error.to_string())?;
        let mut results = [Val::I64(0)];
        function.call(&mut store, &arguments, &mut results).map_err(|error| format!("{error:#}"))?;
        match results {
            [Val::I64(value)] => Ok(value.cast_unsigned()),
            [Val::F32(bits)] => Ok(bits.into()),
            _ => Err(format!("it returned {results:?}")),
        }
    }))
}
