//! The VM as a guest of itself. The outer machine writes a module into [`reserve`]d memory and calls [`run`], which runs
//! it on an inner machine and tells result and ink.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use core::ptr;
use lathe_vm::{Engine, Machine, Meter, Module, NoHost, Outcome, Rules, Value};

#[global_allocator]
static ALLOCATOR: mini_alloc::MiniAlloc = mini_alloc::MiniAlloc::INIT;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// What a run may spend. The outer harness gives the native run the same.
const GAS: u64 = 1 << 40;

/// What [`run`] tells, in the order of its words.
#[repr(C)]
struct Answer {
    /// 1 if the kernel returned one number, else 0.
    returned: u64,
    /// The number.
    value: u64,
    /// The ink it used, instantiation included.
    ink_used: u64,
}

/// Returns the address of `len` new bytes.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(len: usize) -> *mut u8 {
    alloc::vec![0; len].leak().as_mut_ptr()
}

/// Runs `run(size)` of the module of `len` bytes at `module` on the engine of this number, the fastest first. Returns the
/// address of an [`Answer`], zero if there is no such engine or the bytes are no module.
///
/// # Safety
/// `module` must come from [`reserve`] and hold `len` bytes that were written since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run(module: *const u8, len: usize, engine: usize, size: i32) -> *const u8 {
    // SAFETY: the caller's.
    let bytes = unsafe { core::slice::from_raw_parts(module, len) };
    let Some(answer) = answer(bytes, engine, size) else { return ptr::null() };
    ptr::from_ref(Box::leak(Box::new(answer))).cast()
}

fn answer(bytes: &[u8], engine: usize, size: i32) -> Option<Answer> {
    let rules = Rules::DEVNET;
    let module = Module::with_engine(bytes, &rules, *Engine::ALL.get(engine)?).ok()?;
    let mut meter = Meter::from_gas(GAS);
    let before = meter.ink_left();
    let mut machine = Machine::new(&rules, rules.limits.memory_pages);
    let instance = machine.instantiate(&module, &[], &mut meter).ok()?;
    let function = machine.exported_function(instance, "run")?;
    let outcome = machine.invoke(function, &[Value::I32(size)], &mut meter, &mut NoHost);
    let value = match outcome {
        Outcome::Returned(values) => match values[..] {
            [Value::I64(value)] => Some(value.cast_unsigned()),
            [Value::I32(value)] => Some(value.cast_unsigned().into()),
            _ => None,
        },
        _ => None,
    };
    let ink_used = before - meter.ink_left();
    Some(Answer { returned: value.is_some().into(), value: value.unwrap_or(0), ink_used })
}
