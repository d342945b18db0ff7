//! Operands: where handlers take values from and put results.
//!
//! A value lies in a **slot** of 64 bits as the bits of its type, zero above them; vectors take two slots, the low
//! half first. An integer of 32 bits in the accumulator is zero above them too, so that it can be read as an address.

#![expect(
    clippy::cast_possible_truncation,
    reason = "words hold addresses and indices that came from usize, slots narrower numbers"
)]

use super::handler::Registers;
use core::marker::PhantomData;

/// The fields of word 1 of most instructions. Slots count from `sp`; parameters lie below it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Slots {
    /// The first operand.
    pub(super) a: i16,
    /// The result.
    pub(super) r: i16,
    /// The second operand.
    pub(super) b: i16,
    /// The third operand.
    pub(super) c: i16,
}

/// Word 1 of instructions with a constant of 32 bits.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Immediate {
    /// The first operand.
    pub(super) a: i16,
    /// The result.
    pub(super) r: i16,
    pub(super) value: u32,
}

/// The way of a branch. What the block there costs is in the next word.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Way {
    /// How many words from the beginning of the instruction to the block.
    pub(super) words: i32,
    /// What a step and branch compares with.
    pub(super) operand: u32,
}

/// Makes words of structs of fields.
macro_rules! words {
    ($($ty:ident),*) => {
        $(impl From<$ty> for u64 {
            fn from(fields: $ty) -> Self {
                // SAFETY: the fields fill a word without padding.
                unsafe { core::mem::transmute(fields) }
            }
        })*
    };
}
pub(super) use words;

words!(Slots, Immediate, Way);

/// A value of one type, as it lies in slots and accumulators.
pub(super) trait Number: Copy {
    fn from_slot(slot: u64) -> Self;
    fn to_slot(self) -> u64;
    fn accumulated(r: &Registers) -> Self;
    fn accumulate(self, r: &mut Registers);
    /// Returns what a constant of 32 bits means.
    fn from_immediate(value: u32) -> Self;
}

macro_rules! integers {
    ($( $ty:ty: |$slot:ident| $from:expr, |$value:ident| $to:expr, |$immediate:ident| $short:expr; )*) => {
        $(
            impl Number for $ty {
                #[inline(always)]
                fn from_slot($slot: u64) -> Self {
                    $from
                }

                #[inline(always)]
                fn to_slot(self) -> u64 {
                    let $value = self;
                    $to
                }

                #[inline(always)]
                fn accumulated(r: &Registers) -> Self {
                    Self::from_slot(r.acc)
                }

                #[inline(always)]
                fn accumulate(self, r: &mut Registers) {
                    r.acc = self.to_slot();
                }

                #[inline(always)]
                fn from_immediate($immediate: u32) -> Self {
                    $short
                }
            }
        )*
    };
}

integers! {
    bool: |slot| slot != 0, |value| u64::from(value), |value| value != 0;
    u32: |slot| slot as u32, |value| u64::from(value), |value| value;
    i32: |slot| (slot as u32).cast_signed(), |value| u64::from(value.cast_unsigned()), |value| value.cast_signed();
    u64: |slot| slot, |value| value, |value| i64::from(value.cast_signed()).cast_unsigned();
    i64: |slot| slot.cast_signed(), |value| value.cast_unsigned(), |value| i64::from(value.cast_signed());
}

impl Number for f32 {
    #[inline(always)]
    fn from_slot(slot: u64) -> Self {
        Self::from_bits(slot as u32)
    }

    #[inline(always)]
    fn to_slot(self) -> u64 {
        u64::from(self.to_bits())
    }

    #[inline(always)]
    fn accumulated(r: &Registers) -> Self {
        r.acc32
    }

    #[inline(always)]
    fn accumulate(self, r: &mut Registers) {
        r.acc32 = self;
    }

    #[inline(always)]
    fn from_immediate(value: u32) -> Self {
        Self::from_bits(value)
    }
}

impl Number for f64 {
    #[inline(always)]
    fn from_slot(slot: u64) -> Self {
        Self::from_bits(slot)
    }

    #[inline(always)]
    fn to_slot(self) -> u64 {
        self.to_bits()
    }

    #[inline(always)]
    fn accumulated(r: &Registers) -> Self {
        r.acc64
    }

    #[inline(always)]
    fn accumulate(self, r: &mut Registers) {
        r.acc64 = self;
    }

    #[inline(always)]
    fn from_immediate(value: u32) -> Self {
        Self::from(f32::from_bits(value))
    }
}

/// Where a handler takes an operand from.
pub(super) trait Operand {
    /// Words of the instruction that hold nothing but the operand.
    const WORDS: usize = 0;

    /// Returns the operand.
    ///
    /// # Safety
    /// Word 1 of the instruction must be [`Slots`] or [`Immediate`], and slots must lie in the frame.
    unsafe fn get<T: Number>(r: &Registers) -> T;
}

/// The accumulator of the operand's type.
pub(super) struct Acc;
/// The slot of [`Slots::a`].
pub(super) struct A;
/// The slot of [`Slots::b`].
pub(super) struct B;
/// The slot of [`Slots::r`], for instructions without a result.
pub(super) struct R;
/// The slot of [`Slots::c`].
pub(super) struct C;
/// [`Immediate::value`].
pub(super) struct Short;
/// A constant of 64 bits in word 2.
pub(super) struct Wide;
/// Nothing: the address 0.
pub(super) struct Zero;

impl Operand for Acc {
    #[inline(always)]
    unsafe fn get<T: Number>(r: &Registers) -> T {
        T::accumulated(r)
    }
}

macro_rules! slots {
    ($($operand:ident $field:ident),*) => {
        $(impl Operand for $operand {
            #[inline(always)]
            unsafe fn get<T: Number>(r: &Registers) -> T {
                // SAFETY: the caller's.
                unsafe { T::from_slot(*r.sp.offset(r.fields::<Slots>(1).$field.into())) }
            }
        })*
    };
}

slots!(A a, B b, R r, C c);

/// The sum of the slot of [`Slots::a`] and a constant of 32 bits in word 2: an address.
pub(super) struct Sum;
/// The address of an array's element: an index, shifted by [`Slots::c`] of word 2, plus the slot of its [`Slots::b`].
pub(super) struct Element<X>(PhantomData<X>);
/// The constant in [`Slots::c`].
pub(super) struct Small;
/// A constant of 64 bits in word 3.
pub(super) struct WideBehind;

impl Operand for Sum {
    const WORDS: usize = 1;

    #[inline(always)]
    unsafe fn get<T: Number>(r: &Registers) -> T {
        // SAFETY: the caller's.
        unsafe { T::from_slot(A::get::<u32>(r).wrapping_add(r.word(2) as u32).into()) }
    }
}

impl<X: Operand> Operand for Element<X> {
    const WORDS: usize = 1;

    #[inline(always)]
    unsafe fn get<T: Number>(r: &Registers) -> T {
        // SAFETY: the caller's; the translator wrote word 2 as `Slots`.
        unsafe {
            let Slots { b, c, .. } = *r.fields::<Slots>(2);
            let index = X::get::<u32>(r).wrapping_shl(i32::from(c).cast_unsigned());
            let base = u32::from_slot(*r.sp.offset(b.into()));
            T::from_slot(index.wrapping_add(base).into())
        }
    }
}

impl Operand for Small {
    #[inline(always)]
    unsafe fn get<T: Number>(r: &Registers) -> T {
        // SAFETY: the caller's.
        T::from_immediate(i32::from(unsafe { r.fields::<Slots>(1).c }).cast_unsigned())
    }
}

impl Operand for WideBehind {
    const WORDS: usize = 1;

    #[inline(always)]
    unsafe fn get<T: Number>(r: &Registers) -> T {
        // SAFETY: the caller's.
        T::from_slot(unsafe { r.word(3) })
    }
}

impl Operand for Short {
    #[inline(always)]
    unsafe fn get<T: Number>(r: &Registers) -> T {
        // SAFETY: the caller's.
        T::from_immediate(unsafe { r.fields::<Immediate>(1).value })
    }
}

impl Operand for Wide {
    const WORDS: usize = 1;

    #[inline(always)]
    unsafe fn get<T: Number>(r: &Registers) -> T {
        // SAFETY: the caller's.
        T::from_slot(unsafe { r.word(2) })
    }
}

impl Operand for Zero {
    #[inline(always)]
    unsafe fn get<T: Number>(_: &Registers) -> T {
        T::from_slot(0)
    }
}

/// Where a handler puts its result.
pub(super) trait Target {
    /// Puts the result.
    ///
    /// # Safety
    /// Word 1 of the instruction must be [`Slots`] or [`Immediate`], and slots must lie in the frame.
    unsafe fn put<T: Number>(r: &mut Registers, value: T);
}

/// The accumulator alone.
pub(super) struct ToAcc;
/// The accumulator and the slot of [`Slots::r`].
pub(super) struct ToSlot;

impl Target for ToAcc {
    #[inline(always)]
    unsafe fn put<T: Number>(r: &mut Registers, value: T) {
        value.accumulate(r);
    }
}

impl Target for ToSlot {
    #[inline(always)]
    unsafe fn put<T: Number>(r: &mut Registers, value: T) {
        // SAFETY: the caller's.
        unsafe { *r.sp.offset(r.fields::<Slots>(1).r.into()) = value.to_slot() };
        value.accumulate(r);
    }
}
