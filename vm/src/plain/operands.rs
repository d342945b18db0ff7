//! Operands in slots, as instructions see them that take and leave them on top of a stack.
//!
//! A slot has 64 bits. Values that do not fill it lie in the low bits, zero above them; vectors take two slots, the low
//! half first.

/// The operand stack.
pub(crate) struct Operands<'a> {
    slots: &'a mut [u64],
    /// One past the topmost operand.
    pub(super) sp: usize,
}

impl<'a> Operands<'a> {
    /// Returns the operands in the first `sp` of these slots.
    pub(crate) fn new(slots: &'a mut [u64], sp: usize) -> Self {
        Self { slots, sp }
    }

    pub(crate) fn pop<T: Value>(&mut self) -> T {
        T::pop(self)
    }

    pub(crate) fn push<T: Value>(&mut self, value: T) {
        value.push(self);
    }
}

/// What can be an operand.
pub(crate) trait Value: Copy {
    fn pop(operands: &mut Operands<'_>) -> Self;
    fn push(self, operands: &mut Operands<'_>);
}

impl<T: Number> Value for T {
    fn pop(operands: &mut Operands<'_>) -> Self {
        operands.sp -= 1;
        T::of(operands.slots[operands.sp])
    }

    fn push(self, operands: &mut Operands<'_>) {
        operands.slots[operands.sp] = self.slot();
        operands.sp += 1;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a vector is cut into halves")]
impl Value for u128 {
    fn pop(operands: &mut Operands<'_>) -> Self {
        let high: u64 = operands.pop();
        let low: u64 = operands.pop();
        Self::from(high) << 64 | Self::from(low)
    }

    fn push(self, operands: &mut Operands<'_>) {
        operands.push(self as u64);
        operands.push((self >> 64) as u64);
    }
}

/// What fits a slot.
pub(crate) trait Number: Copy {
    fn of(slot: u64) -> Self;
    fn slot(self) -> u64;
}

macro_rules! numbers {
    ($( $ty:ty: |$slot:ident| $of:expr, |$value:ident| $into:expr; )*) => {
        $(
            #[expect(clippy::allow_attributes, reason = "only some rows lose bits")]
            #[allow(clippy::cast_possible_truncation, reason = "a number is the low bits of its slot")]
            impl Number for $ty {
                #[inline(always)]
                fn of($slot: u64) -> Self {
                    $of
                }

                #[inline(always)]
                fn slot(self) -> u64 {
                    let $value = self;
                    $into
                }
            }
        )*
    };
}

numbers! {
    bool: |slot| slot != 0, |value| u64::from(value);
    u32: |slot| slot as u32, |value| u64::from(value);
    i32: |slot| (slot as u32).cast_signed(), |value| u64::from(value.cast_unsigned());
    u64: |slot| slot, |value| value;
    i64: |slot| slot.cast_signed(), |value| value.cast_unsigned();
    f32: |slot| f32::from_bits(slot as u32), |value| u64::from(value.to_bits());
    f64: |slot| f64::from_bits(slot), |value| value.to_bits();
}
