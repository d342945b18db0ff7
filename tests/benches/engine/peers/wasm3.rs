//! Wasm3. Build it with clang (`CC=clang`): the tail calls it lives on need `musttail`.

use crate::{Contender, Program, Run, milliseconds};
use lathe_tests::kernels::next;
use std::time::Instant;
use wasm3x::{CompilationMode, Config, Engine, Error, Linker, Module, Store, Val};

pub(super) fn contender() -> Contender {
    if !wasm3x::has_guaranteed_tail_calls() {
        eprintln!("wasm3 was built without guaranteed tail calls; set CC=clang for its real speed");
    }
    Contender {
        name: "wasm3",
        prepare: Box::new(|program| Some(prepare(program).map_err(|error| error.to_string()))),
    }
}

fn prepare(program: &Program<'_>) -> Result<Run, Error> {
    let mut config = Config::new();
    config.compilation_mode(CompilationMode::Eager);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, program.wasm)?;
    let mut store = Store::new(&engine, ());
    let mut linker = <Linker<()>>::new(&engine);
    let start = Instant::now();
    linker.func_wrap("env", "next", |value: i32| next(value))?;
    linker.func_wrap("env", "clock_ms", move || milliseconds(start))?;
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    let function = instance.get_func(&store, "run");
    let arguments: Vec<Val> = program.argument.map(Val::I32).into_iter().collect();
    // CoreMark returns a float, and the engine wants a slot of that type.
    let zero = if program.argument.is_some() { Val::I64(0) } else { Val::F32(0.0) };
    Ok(Box::new(move || {
        let function = function.as_ref().ok_or("there is no function `run`")?;
        let mut results = [zero];
        function.call(&mut store, &arguments, &mut results).map_err(|error| error.to_string())?;
        match results {
            [Val::I64(value)] => Ok(value.cast_unsigned()),
            [Val::F32(value)] => Ok(value.to_bits().into()),
            _ => Err(format!("it returned {results:?}")),
        }
    }))
}
