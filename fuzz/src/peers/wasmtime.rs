//! Wasmtime's Cranelift, with canonical NaNs.

use super::{Ending, FUEL, Kind, PAGE_BYTES, PAGES_MAX, Plan, Story, Word, argument};
use lathe_vm::{Limits, ValueType};
use wasmtime::{
    Config, Engine, Error, ExternType, Func, HeapType, Linker, Module, Ref, Store, StoreLimits,
    StoreLimitsBuilder, Strategy, Trap, V128, Val, ValType,
};

/// Runs the plan. `None` if the module does not start.
pub(super) fn story(plan: &Plan<'_>) -> Option<Story> {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift).consume_fuel(true).cranelift_nan_canonicalization(true);
    config.wasm_tail_call(true).wasm_extended_const(true);
    let engine = Engine::new(&config).expect("the configuration is possible");
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
        let zeros: Vec<Val> = ty.results().map(|ty| zero(&ty)).collect();
        let function = Func::new(&mut store, ty, move |_, _, results| {
            results.copy_from_slice(&zeros);
            Ok(())
        });
        // The same name can stand twice; it is the same function.
        drop(linker.define(&store, import.module(), import.name(), function));
    }
    let instance = linker.instantiate(&mut store, &module).ok()?;
    let mut calls = Vec::new();
    for (name, params) in &plan.functions {
        let function = instance.get_func(&mut store, name).expect("the module exports it");
        let arguments: Vec<Val> =
            params.iter().enumerate().map(|(place, &ty)| value(argument(place, ty), ty)).collect();
        let mut results: Vec<Val> = function.ty(&store).results().map(|ty| zero(&ty)).collect();
        store.set_fuel(FUEL).expect("the engine meters");
        calls.push(match function.call(&mut store, &arguments, &mut results) {
            Ok(()) => Ending::Returned(results.iter().map(word).collect()),
            Err(error) => ending(&error),
        });
    }
    let mut globals = Vec::new();
    for name in &plan.globals {
        let global = instance.get_global(&mut store, name).expect("the module exports it");
        globals.push(word(&global.get(&mut store)));
    }
    let memory = plan.memory.as_ref().map_or_else(Vec::new, |name| {
        instance.get_memory(&mut store, name).expect("the module exports it").data(&store).to_vec()
    });
    Some(Story { calls, memory, globals })
}

fn zero(ty: &ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(0),
        ValType::I64 => Val::I64(0),
        ValType::F32 => Val::F32(0),
        ValType::F64 => Val::F64(0),
        ValType::V128 => Val::V128(V128::from(0)),
        ValType::Ref(ty) => Val::from(Ref::null(ty.heap_type())),
    }
}

fn value(bits: Option<u128>, ty: ValueType) -> Val {
    match super::value(bits, ty) {
        lathe_vm::Value::I32(value) => Val::I32(value),
        lathe_vm::Value::I64(value) => Val::I64(value),
        lathe_vm::Value::F32(bits) => Val::F32(bits),
        lathe_vm::Value::F64(bits) => Val::F64(bits),
        lathe_vm::Value::V128(bits) => Val::V128(V128::from(bits)),
        lathe_vm::Value::FuncRef(_) => Val::from(Ref::null(&HeapType::Func)),
        lathe_vm::Value::ExternRef(_) => Val::from(Ref::null(&HeapType::Extern)),
    }
}

fn word(value: &Val) -> Word {
    match value {
        Val::I32(value) => Word::Bits(value.cast_unsigned().into()),
        Val::I64(value) => Word::Bits(value.cast_unsigned().into()),
        Val::F32(bits) => Word::Bits((*bits).into()),
        Val::F64(bits) => Word::Bits((*bits).into()),
        Val::V128(value) => Word::Bits(value.as_u128()),
        other if other.ref_().is_some_and(|reference| reference.is_null()) => Word::Null,
        _ => Word::Reference,
    }
}

fn ending(error: &Error) -> Ending {
    Ending::Trapped(match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Kind::Unreachable,
        Some(Trap::MemoryOutOfBounds) => Kind::Memory,
        Some(Trap::TableOutOfBounds) => Kind::Table,
        Some(Trap::IndirectCallToNull) => Kind::NullCall,
        Some(Trap::BadSignature) => Kind::Signature,
        Some(Trap::IntegerDivisionByZero) => Kind::DivideByZero,
        Some(Trap::IntegerOverflow) => Kind::Overflow,
        Some(Trap::BadConversionToInteger) => Kind::Conversion,
        _ => return Ending::Stopped,
    })
}
