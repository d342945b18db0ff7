//! Stitch. It panics while it compiles indirect calls, and overflows the stack after many host calls, so it sits out
//! both.

use crate::{Contender, Program, Run, milliseconds};
use lathe_tests::kernels::next;
use makepad_stitch::{Engine, ExternVal, Func, Linker, Module, Store, Val};
use std::time::Instant;

const SITS_OUT: [&str; 2] = ["indirect", "hostcall"];

pub(super) fn contender() -> Contender {
    Contender {
        name: "stitch",
        prepare: Box::new(|program| (!SITS_OUT.contains(&program.name)).then(|| prepare(program))),
    }
}

fn prepare(program: &Program<'_>) -> Result<Run, String> {
    let mut store = Store::new(Engine::new());
    let module = Module::new(store.engine(), program.wasm).map_err(|error| error.to_string())?;
    let mut linker = Linker::new();
    let start = Instant::now();
    let functions = [
        ("next", Func::wrap(&mut store, next)),
        ("clock_ms", Func::wrap(&mut store, move || milliseconds(start))),
    ];
    for (name, function) in functions {
        linker.define("env", name, ExternVal::Func(function));
    }
    let instance = linker.instantiate(&mut store, &module).map_err(|error| error.to_string())?;
    let function = instance.exported_func("run").ok_or("there is no function `run`")?;
    let arguments: Vec<Val> = program.argument.map(Val::I32).into_iter().collect();
    let zero = if program.argument.is_some() { Val::I64(0) } else { Val::F32(0.0) };
    Ok(Box::new(move || {
        let mut results = [zero];
        function.call(&mut store, &arguments, &mut results).map_err(|error| error.to_string())?;
        match results {
            [Val::I64(value)] => Ok(value.cast_unsigned()),
            [Val::F32(value)] => Ok(value.to_bits().into()),
            _ => Err(format!("it returned {results:?}")),
        }
    }))
}
