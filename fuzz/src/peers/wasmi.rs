//! wasmi, with the deterministic profile.

use super::{Ending, FUEL, Kind, PAGE_BYTES, PAGES_MAX, Plan, Story, Word, argument};
use lathe_vm::{Limits, ValueType};
use wasmi::{
    Config, Engine, Error, ExternType, F32, F64, Func, Linker, Module, Nullable, Store, StoreLimits,
    StoreLimitsBuilder, TrapCode, V128, Val,
};

/// Runs the plan. `None` if the module does not start.
pub(super) fn story(plan: &Plan<'_>) -> Option<Story> {
    let mut config = Config::default();
    config.consume_fuel(true);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, plan.wasm).expect("we took the module");
    let limits = StoreLimitsBuilder::new()
        .memory_size(PAGES_MAX as usize * PAGE_BYTES)
        .table_elements(Limits::DEVNET.table_elements as usize)
        .build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits: &mut StoreLimits| limits);
    store.set_fuel(FUEL).expect("the engine meters");
    let mut linker = <Linker<StoreLimits>>::new(&engine);
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else { return None };
        if ty.results().len() > 1 {
            return None;
        }
        let zeros: Vec<Val> = ty.results().iter().map(|&ty| Val::default_for_ty(ty)).collect();
        let function = Func::new(&mut store, ty.clone(), move |_, _, results| {
            results.clone_from_slice(&zeros);
            Ok(())
        });
        // The same name can stand twice; it is the same function.
        drop(linker.define(import.module(), import.name(), function));
    }
    let instance = linker.instantiate_and_start(&mut store, &module).ok()?;
    let mut calls = Vec::new();
    for (name, params) in &plan.functions {
        let function = instance.get_func(&store, name).expect("the module exports it");
        let arguments: Vec<Val> =
            params.iter().enumerate().map(|(place, &ty)| value(argument(place, ty), ty)).collect();
        let ty = function.ty(&store);
        let mut results: Vec<Val> = ty.results().iter().map(|&ty| Val::default_for_ty(ty)).collect();
        store.set_fuel(FUEL).expect("the engine meters");
        calls.push(match function.call(&mut store, &arguments, &mut results) {
            Ok(()) => Ending::Returned(results.iter().map(word).collect()),
            Err(error) => ending(&error),
        });
    }
    let globals = plan.globals.iter().map(|name| {
        let global = instance.get_global(&store, name).expect("the module exports it");
        word(&global.get(&store))
    });
    let globals = globals.collect();
    let memory = plan.memory.as_ref().map_or_else(Vec::new, |name| {
        instance.get_memory(&store, name).expect("the module exports it").data(&store).to_vec()
    });
    Some(Story { calls, memory, globals })
}

fn value(bits: Option<u128>, ty: ValueType) -> Val {
    match super::word(super::value(bits, ty)) {
        Word::Bits(bits) => match super::value(Some(bits), ty) {
            lathe_vm::Value::I32(value) => Val::I32(value),
            lathe_vm::Value::I64(value) => Val::I64(value),
            lathe_vm::Value::F32(bits) => Val::F32(F32::from_bits(bits)),
            lathe_vm::Value::F64(bits) => Val::F64(F64::from_bits(bits)),
            lathe_vm::Value::V128(bits) => Val::V128(V128::from(bits)),
            lathe_vm::Value::FuncRef(_) | lathe_vm::Value::ExternRef(_) => {
                unreachable!("references have no bits")
            }
        },
        _ if ty == ValueType::FuncRef => Val::FuncRef(Nullable::Null),
        _ => Val::ExternRef(Nullable::Null),
    }
}

fn word(value: &Val) -> Word {
    match value {
        Val::I32(value) => Word::Bits(value.cast_unsigned().into()),
        Val::I64(value) => Word::Bits(value.cast_unsigned().into()),
        Val::F32(value) => Word::Bits(value.to_bits().into()),
        Val::F64(value) => Word::Bits(value.to_bits().into()),
        Val::V128(value) => Word::Bits(value.as_u128()),
        Val::FuncRef(Nullable::Null) | Val::ExternRef(Nullable::Null) => Word::Null,
        Val::FuncRef(_) | Val::ExternRef(_) => Word::Reference,
    }
}

fn ending(error: &Error) -> Ending {
    Ending::Trapped(match error.as_trap_code() {
        Some(TrapCode::UnreachableCodeReached) => Kind::Unreachable,
        Some(TrapCode::MemoryOutOfBounds) => Kind::Memory,
        Some(TrapCode::TableOutOfBounds) => Kind::Table,
        Some(TrapCode::IndirectCallToNull) => Kind::NullCall,
        Some(TrapCode::BadSignature) => Kind::Signature,
        Some(TrapCode::IntegerDivisionByZero) => Kind::DivideByZero,
        Some(TrapCode::IntegerOverflow) => Kind::Overflow,
        Some(TrapCode::BadConversionToInteger) => Kind::Conversion,
        _ => return Ending::Stopped,
    })
}
