//! `select`, globals, the size of memory, and instructions that are too rare for handlers of their own.

use super::context::Context;
use super::handler::{Handler, Next, Registers, address};
use super::numeric::{Accumulator, Addresses};
use super::operand::{A, Acc, B, C, Immediate, Number, Operand, Target, ToAcc, ToSlot, Wide, words};
use crate::{Engine, TrapKind};
use core::marker::PhantomData;

/// Chooses the first operand if the condition is not zero, else the second; the other way round if `NOT`.
struct Select<N, X, Y, K, const NOT: bool>(PhantomData<(N, X, Y, K)>);

impl<N: Number, X: Operand, Y: Operand, K: Operand, const NOT: bool> Handler for Select<N, X, Y, K, NOT> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let condition = K::get::<u32>(r) != 0;
            let (a, b) = (X::get::<N>(r), Y::get::<N>(r));
            ToSlot::put(r, if condition != NOT { a } else { b });
            r.advance(2 + Y::WORDS)
        }
    }
}

/// Where the operands of a `select` are: first, second, condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    SlotSlotSlot,
    SlotSlotAcc,
    AccSlotSlot,
    SlotAccSlot,
    SlotWideSlot,
    SlotWideAcc,
    AccWideSlot,
}

/// Returns the handler of a `select` of integers or references.
pub(super) fn select_int(engine: Engine, choice: Choice, not: bool) -> u64 {
    macro_rules! of {
        ($x:ident $y:ident $k:ident) => {
            match not {
                false => address::<Select<u64, $x, $y, $k, false>>(engine),
                true => address::<Select<u64, $x, $y, $k, true>>(engine),
            }
        };
    }
    match choice {
        Choice::SlotSlotSlot => of!(A B C),
        Choice::SlotSlotAcc => of!(A B Acc),
        Choice::AccSlotSlot => of!(Acc B C),
        Choice::SlotAccSlot => of!(A Acc C),
        Choice::SlotWideSlot => of!(A Wide C),
        Choice::SlotWideAcc => of!(A Wide Acc),
        Choice::AccWideSlot => of!(Acc Wide C),
    }
}

/// Returns the handler of a `select` of floats that lie in slots.
pub(super) fn select_float(engine: Engine, wide: bool, in_acc: bool) -> u64 {
    match (wide, in_acc) {
        (true, true) => address::<Select<f64, A, B, Acc, false>>(engine),
        (true, false) => address::<Select<f64, A, B, C, false>>(engine),
        (false, true) => address::<Select<f32, A, B, Acc, false>>(engine),
        (false, false) => address::<Select<f32, A, B, C, false>>(engine),
    }
}

/// Which of the globals that the instance defines.
trait Which {
    /// # Safety
    /// The instruction must be one with an [`Immediate`].
    unsafe fn index(r: &Registers) -> usize;
}

/// The one that [`Immediate::value`] counts.
struct Any;

/// One of the first few. These have handlers of their own, because most code uses no others: a processor that guesses by
/// the address of a load which store it must wait for is often wrong where one load reads several globals.
struct Nth<const INDEX: usize>;

impl Which for Any {
    #[inline(always)]
    unsafe fn index(r: &Registers) -> usize {
        // SAFETY: the caller's.
        unsafe { r.fields::<Immediate>(1).value as usize }
    }
}

impl<const INDEX: usize> Which for Nth<INDEX> {
    #[inline(always)]
    unsafe fn index(_: &Registers) -> usize {
        INDEX
    }
}

/// Reads a global that the instance defines.
struct GlobalGet<N, T, W>(PhantomData<(N, T, W)>);

impl<N: Number, T: Target, W: Which> Handler for GlobalGet<N, T, W> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let value = *(*r.context).globals.add(W::index(r)).cast::<u64>();
            T::put(r, N::from_slot(value));
            r.advance(2)
        }
    }
}

/// Writes a global that the instance defines.
struct GlobalSet<N, X, W>(PhantomData<(N, X, W)>);

impl<N: Number, X: Operand, W: Which> Handler for GlobalSet<N, X, W> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            *(*r.context).globals.add(W::index(r)).cast::<u64>() = X::get::<N>(r).to_slot();
            r.advance(2 + X::WORDS)
        }
    }
}

struct MemorySize<T>(PhantomData<T>);

impl<T: Target> Handler for MemorySize<T> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let pages = (*r.context).memory_len / u64::from(crate::PAGE_BYTES);
            T::put(r, pages);
            r.advance(2)
        }
    }
}

/// Returns the handlers of `global.get`, by the accumulator of its type, for one of the globals that the instance defines.
pub(super) fn global_get(engine: Engine, accumulator: Accumulator, index: u32) -> Addresses {
    macro_rules! of {
        ($n:ident, $which:ty) => {
            Addresses {
                to_acc: address::<GlobalGet<$n, ToAcc, $which>>(engine),
                to_slot: address::<GlobalGet<$n, ToSlot, $which>>(engine),
            }
        };
    }
    match (accumulator, index) {
        (Accumulator::Int, 0) => of!(u64, Nth<0>),
        (Accumulator::Int, 1) => of!(u64, Nth<1>),
        (Accumulator::Int, 2) => of!(u64, Nth<2>),
        (Accumulator::Int, 3) => of!(u64, Nth<3>),
        (Accumulator::Int, _) => of!(u64, Any),
        (Accumulator::F64, _) => of!(f64, Any),
        (Accumulator::F32, _) => of!(f32, Any),
    }
}

/// Where the value of a `global.set` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GlobalSource {
    Int,
    F64,
    F32,
    Slot,
    Wide,
}

/// Returns the handler of `global.set` for one of the globals that the instance defines.
pub(super) fn global_set(engine: Engine, source: GlobalSource, index: u32) -> u64 {
    match (source, index) {
        (GlobalSource::Int, 0) => address::<GlobalSet<u64, Acc, Nth<0>>>(engine),
        (GlobalSource::Int, 1) => address::<GlobalSet<u64, Acc, Nth<1>>>(engine),
        (GlobalSource::Int, 2) => address::<GlobalSet<u64, Acc, Nth<2>>>(engine),
        (GlobalSource::Int, 3) => address::<GlobalSet<u64, Acc, Nth<3>>>(engine),
        (GlobalSource::Int, _) => address::<GlobalSet<u64, Acc, Any>>(engine),
        (GlobalSource::F64, _) => address::<GlobalSet<f64, Acc, Any>>(engine),
        (GlobalSource::F32, _) => address::<GlobalSet<f32, Acc, Any>>(engine),
        (GlobalSource::Slot, 0) => address::<GlobalSet<u64, A, Nth<0>>>(engine),
        (GlobalSource::Slot, _) => address::<GlobalSet<u64, A, Any>>(engine),
        (GlobalSource::Wide, _) => address::<GlobalSet<u64, Wide, Any>>(engine),
    }
}

pub(super) fn memory_size(engine: Engine) -> Addresses {
    Addresses { to_acc: address::<MemorySize<ToAcc>>(engine), to_slot: address::<MemorySize<ToSlot>>(engine) }
}

/// Word 1 of the instructions below.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Rare {
    /// The slot of the first operand, and of the first result.
    pub(super) a: i16,
    /// The number of the instruction in its table.
    pub(super) instruction: u16,
    /// A lane, or how many slots the value of a global takes.
    pub(super) lane: u16,
    /// Slots of operands.
    pub(super) operands: u8,
    /// Slots of operands or results, whichever are more.
    pub(super) slots: u8,
}

words!(Rare);

/// An instruction on slots that does not end a block. Words 2 and 3 are its immediate.
struct Within;

/// An instruction on slots that charges by size. Word 2 is its immediate, word 3 the ink of the next block.
struct Ending;

pub(super) const RARE_WORDS: usize = 4;

impl Handler for Within {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            match super::rare::within(r.context, r.ip, r.sp) {
                None => r.advance(RARE_WORDS),
                Some(kind) => r.trap(kind),
            }
        }
    }
}

impl Handler for Ending {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let context: *mut Context = r.context;
            (*(*context).meter).set_counter(r.ink);
            let trap: Option<TrapKind> = super::rare::ending(context, r.ip, r.sp);
            r.ink = (*(*context).meter).counter();
            r.memory = (*context).memory;
            if let Some(kind) = trap {
                return r.trap(kind);
            }
            let price = r.ip.add(3);
            r.ip = r.ip.add(RARE_WORDS);
            r.charge(price)
        }
    }
}

pub(super) fn within(engine: Engine) -> u64 {
    address::<Within>(engine)
}

pub(super) fn ending(engine: Engine) -> u64 {
    address::<Ending>(engine)
}
