//! Loads and stores.
//!
//! An address of 32 bits plus an offset of 32 bits is computed in 64, so it never wraps; one comparison with the
//! length of memory decides. Stores are compared with the part of memory that counts as written, of which there is account so that
//! a memory can be set to zero fast; a store elsewhere makes that part larger first, if memory is.

#![expect(clippy::cast_possible_truncation, reason = "stores keep the low bits")]

use super::control::Errand;
use super::handler::{Handler, Next, Registers, address};
use super::numeric::Addresses;
use super::operand::{
    A, Acc, Element, Immediate, Number, Operand, R, Slots, Sum, Target, ToAcc, ToSlot, Wide, WideBehind, Zero,
};
use crate::{Engine, TrapKind};
use core::marker::PhantomData;
use lathe_gas::Instruction;

/// What a load reads and makes of it.
pub(super) trait Load {
    type Memory: Copy;
    type Result: Number;

    fn widen(read: Self::Memory) -> Self::Result;
}

/// What a store writes.
trait Store {
    type Value: Number;
    type Memory: Copy;

    fn narrow(value: Self::Value) -> Self::Memory;
}

/// Where an access takes its address from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Acc,
    Slot,
    Zero,
    /// A slot and a constant.
    Sum,
    /// An element of an array whose index is in the accumulator; of loads only.
    ElementAcc,
    /// The same, with the index in a slot.
    ElementSlot,
    /// The same, with the index in memory.
    ElementLoaded(IndexWidth),
}

/// What is read for an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexWidth {
    Byte,
    Word,
}

impl IndexWidth {
    /// Returns what a load reads, if indices are read like that.
    pub(super) fn of(instruction: Instruction) -> Option<Self> {
        match instruction {
            Instruction::I32Load8U => Some(Self::Byte),
            Instruction::I32Load => Some(Self::Word),
            _ => None,
        }
    }
}

/// Where a store takes its value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Acc,
    Slot,
    Wide,
}

/// Returns the place of an access, if all of it lies in memory.
///
/// # Safety
/// Word 1 of the instruction must be an [`Immediate`] with the offset, and `context` valid.
#[inline(always)]
unsafe fn place<X: Operand, M>(r: &Registers) -> Option<*mut M> {
    // SAFETY: the caller's; the bits above an address of 32 bits are zero.
    unsafe { place_at(r, X::get::<u64>(r), r.fields::<Immediate>(1).value) }
}

/// Returns the place of an access to this address of 32 bits with this offset, if all of it lies in memory.
///
/// # Safety
/// `context` must be valid.
#[inline(always)]
unsafe fn place_at<M>(r: &Registers, address: u64, offset: u32) -> Option<*mut M> {
    // SAFETY: the caller's; the place was compared with the length of memory.
    unsafe {
        let start = address + u64::from(offset);
        if start + size_of::<M>() as u64 > (*r.context).memory_len {
            return None;
        }
        Some(r.memory.add(start as usize).cast::<M>())
    }
}

/// Loads from this address of 32 bits with this offset, if all of it lies in memory.
///
/// # Safety
/// `context` must be valid.
#[inline(always)]
pub(super) unsafe fn load_at<O: Load>(r: &Registers, address: u64, offset: u32) -> Option<O::Result> {
    // SAFETY: the caller's; the place lies in memory.
    unsafe { place_at::<O::Memory>(r, address, offset).map(|place| O::widen(place.read_unaligned())) }
}

/// The address of an element of an array whose index is loaded. Word 1 are [`Slots`]: the address of the index, the base,
/// the shift; word 2 is the offset of the index.
struct ElementAddress<I, T>(PhantomData<(I, T)>);

impl<I: Load<Result = u32>, T: Target> Handler for ElementAddress<I, T> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let slots = *r.fields::<Slots>(1);
            let index = load_at::<I>(r, A::get(r), r.word(2) as u32);
            let Some(index) = index else { return r.trap(TrapKind::MemoryOutOfBounds) };
            T::put(r, element(r, index, slots));
            r.advance(3)
        }
    }
}

/// Returns the address of an element: its index, shifted by slot c, plus the base in slot b.
///
/// # Safety
/// The slots must lie in the frame.
#[inline(always)]
unsafe fn element(r: &Registers, index: u32, slots: Slots) -> u32 {
    // SAFETY: the caller's.
    let base = u32::from_slot(unsafe { *r.sp.offset(slots.b.into()) });
    index.wrapping_shl(i32::from(slots.c).cast_unsigned()).wrapping_add(base)
}

/// Loads an element of an array whose index is loaded. Word 1 is the [`Immediate`] of the load, its slot the address of the
/// index; word 2 are [`Slots`] with base and shift, word 3 is the offset of the index.
struct ElementLoad<I, O, T>(PhantomData<(I, O, T)>);

/// The word of such an instruction that stands for its second load, where that traps; the first one stands for the first.
pub(super) const ELEMENT_SITE_WORD: u32 = 2;

impl<I: Load<Result = u32>, O: Load, T: Target> Handler for ElementLoad<I, O, T> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let index = load_at::<I>(r, A::get(r), r.word(3) as u32);
            let Some(index) = index else { return r.trap(TrapKind::MemoryOutOfBounds) };
            let address = element(r, index, *r.fields::<Slots>(2));
            let Some(loaded) = load_at::<O>(r, address.into(), r.fields::<Immediate>(1).value) else {
                r.ip = r.ip.add(ELEMENT_SITE_WORD as usize);
                return r.trap(TrapKind::MemoryOutOfBounds);
            };
            T::put(r, loaded);
            r.advance(4)
        }
    }
}

/// Returns the handlers that compute the address of an element.
pub(super) fn element_address(engine: Engine, width: IndexWidth) -> Addresses {
    macro_rules! of {
        ($index:ident) => {
            Addresses {
                to_acc: address::<ElementAddress<$index, ToAcc>>(engine),
                to_slot: address::<ElementAddress<$index, ToSlot>>(engine),
            }
        };
    }
    match width {
        IndexWidth::Byte => of!(I32Load8U),
        IndexWidth::Word => of!(I32Load),
    }
}

struct LoadHandler<O, X, T>(PhantomData<(O, X, T)>);

impl<O: Load, X: Operand, T: Target> Handler for LoadHandler<O, X, T> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let Some(place) = place::<X, O::Memory>(r) else { return r.trap(TrapKind::MemoryOutOfBounds) };
            T::put(r, O::widen(place.read_unaligned()));
            r.advance(2 + X::WORDS)
        }
    }
}

struct StoreHandler<O, X, V>(PhantomData<(O, X, V)>);

impl<O: Store, X: Operand, V: Operand> Handler for StoreHandler<O, X, V> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let start = X::get::<u64>(r) + u64::from(r.fields::<Immediate>(1).value);
            let end = start + size_of::<O::Memory>() as u64;
            if !(*r.context).is_written(end) {
                (*r.context).errand = Errand::Write(start, end);
                return Next::Aside;
            }
            r.memory.add(start as usize).cast::<O::Memory>().write_unaligned(O::narrow(V::get(r)));
            r.advance(2 + X::WORDS + V::WORDS)
        }
    }
}

fn load<O: Load>(engine: Engine, base: Base) -> Addresses {
    macro_rules! of {
        ($x:ty) => {
            Addresses {
                to_acc: address::<LoadHandler<O, $x, ToAcc>>(engine),
                to_slot: address::<LoadHandler<O, $x, ToSlot>>(engine),
            }
        };
    }
    macro_rules! of_element {
        ($index:ident) => {
            Addresses {
                to_acc: address::<ElementLoad<$index, O, ToAcc>>(engine),
                to_slot: address::<ElementLoad<$index, O, ToSlot>>(engine),
            }
        };
    }
    match base {
        Base::Acc => of!(Acc),
        Base::Slot => of!(A),
        Base::Zero => of!(Zero),
        Base::Sum => of!(Sum),
        Base::ElementAcc => of!(Element<Acc>),
        Base::ElementSlot => of!(Element<A>),
        Base::ElementLoaded(IndexWidth::Byte) => of_element!(I32Load8U),
        Base::ElementLoaded(IndexWidth::Word) => of_element!(I32Load),
    }
}

fn store<O: Store>(engine: Engine, base: Base, source: Source) -> u64 {
    macro_rules! of {
        ($x:ident $v:ident) => {
            address::<StoreHandler<O, $x, $v>>(engine)
        };
    }
    match (base, source) {
        (Base::Acc, Source::Acc) => of!(Acc Acc),
        (Base::Acc, Source::Slot) => of!(Acc R),
        (Base::Acc, Source::Wide) => of!(Acc Wide),
        (Base::Slot, Source::Acc) => of!(A Acc),
        (Base::Slot, Source::Slot) => of!(A R),
        (Base::Slot, Source::Wide) => of!(A Wide),
        (Base::Zero, Source::Acc) => of!(Zero Acc),
        (Base::Zero, Source::Slot) => of!(Zero R),
        (Base::Zero, Source::Wide) => of!(Zero Wide),
        (Base::Sum, Source::Acc) => of!(Sum Acc),
        (Base::Sum, Source::Slot) => of!(Sum R),
        (Base::Sum, Source::Wide) => of!(Sum WideBehind),
        (Base::ElementAcc | Base::ElementSlot | Base::ElementLoaded(_), _) => {
            unreachable!("addresses of elements are computed before stores")
        }
    }
}

macro_rules! accesses {
    (
        loads { $( $load:ident [$($load_alias:ident)*] $lm:ty => $lr:ty; )* }
        stores { $( $store:ident [$($store_alias:ident)*] $sv:ty => $sm:ty, |$s:ident| $narrow:expr; )* }
    ) => {
        $(
            pub(super) struct $load;

            impl Load for $load {
                type Memory = $lm;
                type Result = $lr;

                #[inline(always)]
                fn widen(read: $lm) -> $lr {
                    <$lr>::from(<$lm>::from_le(read))
                }
            }
        )*
        $(
            struct $store;

            impl Store for $store {
                type Value = $sv;
                type Memory = $sm;

                #[inline(always)]
                fn narrow($s: $sv) -> $sm {
                    ($narrow).to_le()
                }
            }
        )*

        /// Returns the handlers of a load of an integer.
        pub(super) fn select_load(engine: Engine, instruction: Instruction, base: Base) -> Option<Addresses> {
            Some(match instruction {
                $( Instruction::$load $( | Instruction::$load_alias )* => load::<$load>(engine, base), )*
                Instruction::F32Load => load::<LoadF32>(engine, base),
                Instruction::F64Load => load::<LoadF64>(engine, base),
                _ => return None,
            })
        }

        /// Returns the handler of a store.
        pub(super) fn select_store(
            engine: Engine,
            instruction: Instruction,
            base: Base,
            source: Source,
        ) -> Option<u64> {
            Some(match instruction {
                $( Instruction::$store $( | Instruction::$store_alias )* => store::<$store>(engine, base, source), )*
                _ => return None,
            })
        }
    };
}

accesses! {
    loads {
        I32Load [I64Load32U] u32 => u32;
        I64Load [] u64 => u64;
        I32Load8S [] i8 => i32;
        I32Load8U [I64Load8U] u8 => u32;
        I32Load16S [] i16 => i32;
        I32Load16U [I64Load16U] u16 => u32;
        I64Load8S [] i8 => i64;
        I64Load16S [] i16 => i64;
        I64Load32S [] i32 => i64;
    }
    stores {
        I32Store [I64Store32] u32 => u32, |value| value;
        I64Store [] u64 => u64, |value| value;
        I32Store8 [I64Store8] u32 => u8, |value| value as u8;
        I32Store16 [I64Store16] u32 => u16, |value| value as u16;
        F32Store [] f32 => u32, |value| value.to_bits();
        F64Store [] f64 => u64, |value| value.to_bits();
    }
}

struct LoadF32;

impl Load for LoadF32 {
    type Memory = u32;
    type Result = f32;

    #[inline(always)]
    fn widen(read: u32) -> f32 {
        f32::from_bits(u32::from_le(read))
    }
}

struct LoadF64;

impl Load for LoadF64 {
    type Memory = u64;
    type Result = f64;

    #[inline(always)]
    fn widen(read: u64) -> f64 {
        f64::from_bits(u64::from_le(read))
    }
}
