//! Numeric instructions: what they compute, and the handlers that this becomes.
//!
//! An operation is written once, as a row; a handler is an operation together with the places of its operands and its
//! result. [`Shape`] names the places that two operands can have. Operations whose operands may change sides need only
//! half of them.

#![expect(clippy::cast_possible_truncation, reason = "Wasm wraps integers around")]
#![expect(
    clippy::cast_sign_loss,
    reason = "saturating conversions clamp negative floats to zero, as `as` does"
)]
#![expect(clippy::cast_precision_loss, reason = "conversions round, as the instructions say")]

use super::handler::{Handler, Next, Registers, address};
use super::operand::{A, Acc, B, C, Number, Operand, Short, Slots, Small, Target, ToAcc, ToSlot, Way, Wide};
use crate::plain::float::{self, f32s, f64s};
use crate::{Engine, TrapKind};
use core::marker::PhantomData;
use lathe_gas::Instruction;

/// An operation on two values.
pub(super) trait Binary {
    type A: Number;
    type B: Number;
    type Result: Number;

    fn apply(a: Self::A, b: Self::B) -> Result<Self::Result, TrapKind>;
}

/// An operation on one value.
pub(super) trait Unary {
    type A: Number;
    type Result: Number;

    fn apply(a: Self::A) -> Result<Self::Result, TrapKind>;
}

/// A condition on two values.
pub(super) trait Condition {
    type Operand: Number;

    fn holds(a: Self::Operand, b: Self::Operand) -> bool;
}

/// Where the two operands of an instruction are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    AccSlot,
    SlotSlot,
    AccShort,
    SlotShort,
    AccWide,
    SlotWide,
    SlotAcc,
    ShortAcc,
    ShortSlot,
}

/// The addresses of a handler: with the result in the accumulator only, and in a slot too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) to_acc: u64,
    pub(super) to_slot: u64,
}

struct BinaryHandler<O, X, Y, T>(PhantomData<(O, X, Y, T)>);

impl<O: Binary, X: Operand, Y: Operand, T: Target> Handler for BinaryHandler<O, X, Y, T> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            match O::apply(X::get(r), Y::get(r)) {
                Ok(result) => T::put(r, result),
                Err(kind) => return r.trap(kind),
            }
            r.advance(2 + X::WORDS + Y::WORDS)
        }
    }
}

struct UnaryHandler<O, X, T>(PhantomData<(O, X, T)>);

impl<O: Unary, X: Operand, T: Target> Handler for UnaryHandler<O, X, T> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            match O::apply(X::get(r)) {
                Ok(result) => T::put(r, result),
                Err(kind) => return r.trap(kind),
            }
            r.advance(2)
        }
    }
}

/// Branches if a condition holds. Word 2 is the [`Way`] if it does, word 3 the ink there, word 4 the ink if not.
struct BranchHandler<O, X, Y>(PhantomData<(O, X, Y)>);

impl<O: Condition, X: Operand, Y: Operand> Handler for BranchHandler<O, X, Y> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let instruction = r.ip;
            if O::holds(X::get(r), Y::get(r)) {
                let way = *r.fields::<Way>(2);
                r.ip = instruction.offset(way.words as isize);
                r.charge(instruction.add(3))
            } else {
                r.ip = instruction.add(BRANCH_WORDS);
                r.charge(instruction.add(4))
            }
        }
    }
}

/// The words of a branch on a condition.
pub(super) const BRANCH_WORDS: usize = 5;

/// Adds a constant to a slot, then branches if a condition holds between the sum and something else: the end of most
/// loops. Word 1 is the slot and the constant, word 2 the [`Way`] with what the sum is compared with, word 3 the ink there,
/// word 4 the ink if the condition does not hold.
struct StepBranchHandler<O, Y>(PhantomData<(O, Y)>);

/// The second operand of a step and branch.
trait StepOperand {
    unsafe fn get<T: Number>(r: &Registers, operand: u32) -> T;
}

struct StepSlot;
struct StepShort;

impl StepOperand for StepSlot {
    #[inline(always)]
    unsafe fn get<T: Number>(r: &Registers, operand: u32) -> T {
        // SAFETY: the caller's.
        unsafe { T::from_slot(*r.sp.offset(operand.cast_signed() as isize)) }
    }
}

impl StepOperand for StepShort {
    #[inline(always)]
    unsafe fn get<T: Number>(_: &Registers, operand: u32) -> T {
        T::from_immediate(operand)
    }
}

/// An integer that loops count with.
trait Counter: Number {
    fn add(self, other: Self) -> Self;
}

macro_rules! counters {
    ($($ty:ty),*) => {
        $(impl Counter for $ty {
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
        })*
    };
}

counters!(u32, i32, u64, i64);

impl<O: Condition<Operand: Counter>, Y: StepOperand> Handler for StepBranchHandler<O, Y> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let sum = A::get::<O::Operand>(r).add(Short::get(r));
            ToSlot::put(r, sum);
            let way = *r.fields::<Way>(2);
            let instruction = r.ip;
            if O::holds(sum, Y::get(r, way.operand)) {
                r.ip = instruction.offset(way.words as isize);
                r.charge(instruction.add(3))
            } else {
                r.ip = instruction.add(BRANCH_WORDS);
                r.charge(instruction.add(4))
            }
        }
    }
}

/// A condition, as an operation.
struct AsBinary<C>(PhantomData<C>);

impl<C: Condition> Binary for AsBinary<C> {
    type A = C::Operand;
    type B = C::Operand;
    type Result = bool;

    #[inline(always)]
    fn apply(a: C::Operand, b: C::Operand) -> Result<bool, TrapKind> {
        Ok(C::holds(a, b))
    }
}

/// The opposite of a condition.
struct Not<C>(PhantomData<C>);

impl<C: Condition> Condition for Not<C> {
    type Operand = C::Operand;

    #[inline(always)]
    fn holds(a: C::Operand, b: C::Operand) -> bool {
        !C::holds(a, b)
    }
}

fn both<F: Handler, G: Handler>(engine: Engine) -> Addresses {
    Addresses { to_acc: address::<F>(engine), to_slot: address::<G>(engine) }
}

/// Selects a handler of an operation whose operands may change sides.
fn commutative<O: Binary>(engine: Engine, shape: Shape) -> Addresses {
    macro_rules! of {
        ($x:ident $y:ident) => {
            both::<BinaryHandler<O, $x, $y, ToAcc>, BinaryHandler<O, $x, $y, ToSlot>>(engine)
        };
    }
    match shape {
        Shape::AccSlot => of!(Acc B),
        Shape::SlotSlot => of!(A B),
        Shape::AccShort => of!(Acc Short),
        Shape::SlotShort => of!(A Short),
        Shape::AccWide => of!(Acc Wide),
        Shape::SlotWide => of!(A Wide),
        other => unreachable!("the translator puts the operands of this operation in order, not {other:?}"),
    }
}

/// Selects a handler of an operation whose operands may not change sides.
fn ordered<O: Binary>(engine: Engine, shape: Shape) -> Addresses {
    macro_rules! of {
        ($x:ident $y:ident) => {
            both::<BinaryHandler<O, $x, $y, ToAcc>, BinaryHandler<O, $x, $y, ToSlot>>(engine)
        };
    }
    match shape {
        Shape::SlotAcc => of!(A Acc),
        Shape::ShortAcc => of!(Short Acc),
        Shape::ShortSlot => of!(Short A),
        other => commutative::<O>(engine, other),
    }
}

fn unary<O: Unary>(engine: Engine, in_acc: bool) -> Addresses {
    match in_acc {
        true => both::<UnaryHandler<O, Acc, ToAcc>, UnaryHandler<O, Acc, ToSlot>>(engine),
        false => both::<UnaryHandler<O, A, ToAcc>, UnaryHandler<O, A, ToSlot>>(engine),
    }
}

fn branch<C: Condition>(engine: Engine, shape: Shape) -> u64 {
    match shape {
        Shape::AccSlot => address::<BranchHandler<C, Acc, B>>(engine),
        Shape::SlotSlot => address::<BranchHandler<C, A, B>>(engine),
        Shape::AccShort => address::<BranchHandler<C, Acc, Short>>(engine),
        Shape::SlotShort => address::<BranchHandler<C, A, Short>>(engine),
        other => unreachable!("the translator compares first where the operands are {other:?}"),
    }
}

fn step_branch<C: Condition<Operand: Counter>>(engine: Engine, short: bool) -> u64 {
    match short {
        true => address::<StepBranchHandler<C, StepShort>>(engine),
        false => address::<StepBranchHandler<C, StepSlot>>(engine),
    }
}

macro_rules! conditions {
    (
        int { $( $int:ident $int_not:ident $int_mirror:ident |$ia:ident: $int_ty:ty, $ib:ident| $int_holds:expr; )* }
        float { $( $float:ident $float_mirror:ident |$fa:ident: $float_ty:ty, $fb:ident| $float_holds:expr; )* }
    ) => {
        $(
            struct $int;

            impl Condition for $int {
                type Operand = $int_ty;

                #[inline(always)]
                fn holds($ia: $int_ty, $ib: $int_ty) -> bool {
                    $int_holds
                }
            }
        )*
        $(
            struct $float;

            impl Condition for $float {
                type Operand = $float_ty;

                #[inline(always)]
                fn holds($fa: $float_ty, $fb: $float_ty) -> bool {
                    $float_holds
                }
            }
        )*

        /// Returns the comparison that holds exactly when this one does not, for integers.
        pub(super) const fn opposite(instruction: Instruction) -> Option<Instruction> {
            Some(match instruction {
                $( Instruction::$int => Instruction::$int_not, )*
                _ => return None,
            })
        }

        /// Returns the comparison that does the same with its operands on the other sides.
        pub(super) const fn mirrored(instruction: Instruction) -> Option<Instruction> {
            Some(match instruction {
                $( Instruction::$int => Instruction::$int_mirror, )*
                $( Instruction::$float => Instruction::$float_mirror, )*
                _ => return None,
            })
        }

        fn select_comparison(engine: Engine, instruction: Instruction, shape: Shape) -> Option<Addresses> {
            Some(match instruction {
                $( Instruction::$int => commutative::<AsBinary<$int>>(engine, shape), )*
                $( Instruction::$float => commutative::<AsBinary<$float>>(engine, shape), )*
                _ => return None,
            })
        }

        /// Returns the handler that branches if a comparison holds, or does not.
        pub(super) fn select_branch(engine: Engine, instruction: Instruction, holds: bool, shape: Shape) -> u64 {
            match (instruction, holds) {
                $(
                    (Instruction::$int, true) => branch::<$int>(engine, shape),
                    (Instruction::$int, false) => branch::<Not<$int>>(engine, shape),
                )*
                $(
                    (Instruction::$float, true) => branch::<$float>(engine, shape),
                    (Instruction::$float, false) => branch::<Not<$float>>(engine, shape),
                )*
                (other, _) => unreachable!("{other} is not a comparison"),
            }
        }

        /// Returns the handler that adds to a slot and branches if a comparison holds; only for integers.
        pub(super) fn select_step_branch(engine: Engine, instruction: Instruction, short: bool) -> Option<u64> {
            Some(match instruction {
                $( Instruction::$int => step_branch::<$int>(engine, short), )*
                _ => return None,
            })
        }
    };
}

conditions! {
    int {
        I32Eq I32Ne I32Eq |a: u32, b| a == b;
        I32Ne I32Eq I32Ne |a: u32, b| a != b;
        I32LtS I32GeS I32GtS |a: i32, b| a < b;
        I32LtU I32GeU I32GtU |a: u32, b| a < b;
        I32GtS I32LeS I32LtS |a: i32, b| a > b;
        I32GtU I32LeU I32LtU |a: u32, b| a > b;
        I32LeS I32GtS I32GeS |a: i32, b| a <= b;
        I32LeU I32GtU I32GeU |a: u32, b| a <= b;
        I32GeS I32LtS I32LeS |a: i32, b| a >= b;
        I32GeU I32LtU I32LeU |a: u32, b| a >= b;
        I64Eq I64Ne I64Eq |a: u64, b| a == b;
        I64Ne I64Eq I64Ne |a: u64, b| a != b;
        I64LtS I64GeS I64GtS |a: i64, b| a < b;
        I64LtU I64GeU I64GtU |a: u64, b| a < b;
        I64GtS I64LeS I64LtS |a: i64, b| a > b;
        I64GtU I64LeU I64LtU |a: u64, b| a > b;
        I64LeS I64GtS I64GeS |a: i64, b| a <= b;
        I64LeU I64GtU I64GeU |a: u64, b| a <= b;
        I64GeS I64LtS I64LeS |a: i64, b| a >= b;
        I64GeU I64LtU I64LeU |a: u64, b| a >= b;
    }
    float {
        F32Eq F32Eq |a: f32, b| a == b;
        F32Ne F32Ne |a: f32, b| a != b;
        F32Lt F32Gt |a: f32, b| a < b;
        F32Gt F32Lt |a: f32, b| a > b;
        F32Le F32Ge |a: f32, b| a <= b;
        F32Ge F32Le |a: f32, b| a >= b;
        F64Eq F64Eq |a: f64, b| a == b;
        F64Ne F64Ne |a: f64, b| a != b;
        F64Lt F64Gt |a: f64, b| a < b;
        F64Gt F64Lt |a: f64, b| a > b;
        F64Le F64Ge |a: f64, b| a <= b;
        F64Ge F64Le |a: f64, b| a >= b;
    }
}

/// Whether two 32-bit integers have a bit in common: what a branch on `i32.and` asks.
struct Common;

impl Condition for Common {
    type Operand = u32;

    #[inline(always)]
    fn holds(a: u32, b: u32) -> bool {
        a & b != 0
    }
}

/// Returns the handler that branches if two 32-bit integers have a bit in common, or none.
pub(super) fn select_branch_common(engine: Engine, holds: bool, shape: Shape) -> u64 {
    match holds {
        true => branch::<Common>(engine, shape),
        false => branch::<Not<Common>>(engine, shape),
    }
}

macro_rules! operations {
    (
        commutative { $( $commutative:ident |$ca:ident: $c_ty:ty, $cb:ident| $c_result:expr; )* }
        ordered { $( $ordered:ident |$oa:ident: $oa_ty:ty, $ob:ident: $ob_ty:ty| $o_result:expr; )* }
        unary { $( $unary:ident |$ua:ident: $ua_ty:ty| -> $ur_ty:ty { $u_result:expr } )* }
    ) => {
        $(
            struct $commutative;

            impl Binary for $commutative {
                type A = $c_ty;
                type B = $c_ty;
                type Result = $c_ty;

                #[inline(always)]
                fn apply($ca: $c_ty, $cb: $c_ty) -> Result<$c_ty, TrapKind> {
                    Ok($c_result)
                }
            }
        )*
        $(
            struct $ordered;

            impl Binary for $ordered {
                type A = $oa_ty;
                type B = $ob_ty;
                type Result = $oa_ty;

                #[inline(always)]
                fn apply($oa: $oa_ty, $ob: $ob_ty) -> Result<$oa_ty, TrapKind> {
                    $o_result
                }
            }
        )*
        $(
            struct $unary;

            impl Unary for $unary {
                type A = $ua_ty;
                type Result = $ur_ty;

                #[inline(always)]
                fn apply($ua: $ua_ty) -> Result<$ur_ty, TrapKind> {
                    $u_result
                }
            }
        )*

        /// Returns whether the operands of an instruction may change sides, if it has two and is not a comparison.
        pub(super) const fn commutes(instruction: Instruction) -> Option<bool> {
            Some(match instruction {
                $( Instruction::$commutative => true, )*
                $( Instruction::$ordered => false, )*
                _ => return None,
            })
        }

        /// Returns the handlers of an instruction with two operands.
        pub(super) fn select_binary(engine: Engine, instruction: Instruction, shape: Shape) -> Addresses {
            match instruction {
                $( Instruction::$commutative => commutative::<$commutative>(engine, shape), )*
                $( Instruction::$ordered => ordered::<$ordered>(engine, shape), )*
                other => select_comparison(engine, other, shape)
                    .unwrap_or_else(|| unreachable!("{other} does not take two numbers")),
            }
        }

        /// Returns the handlers of an instruction with one operand.
        pub(super) fn select_unary(engine: Engine, instruction: Instruction, in_acc: bool) -> Option<Addresses> {
            Some(match instruction {
                $( Instruction::$unary => unary::<$unary>(engine, in_acc), )*
                _ => return None,
            })
        }
    };
}

const F32_SIGN: u32 = 1 << 31;
const F64_SIGN: u64 = 1 << 63;

operations! {
    commutative {
        I32Add |a: u32, b| a.wrapping_add(b);
        I32Mul |a: u32, b| a.wrapping_mul(b);
        I32And |a: u32, b| a & b;
        I32Or |a: u32, b| a | b;
        I32Xor |a: u32, b| a ^ b;
        I64Add |a: u64, b| a.wrapping_add(b);
        I64Mul |a: u64, b| a.wrapping_mul(b);
        I64And |a: u64, b| a & b;
        I64Or |a: u64, b| a | b;
        I64Xor |a: u64, b| a ^ b;
        // A NaN is canonical whichever side it came from.
        F32Add |a: f32, b| f32s::add(a, b);
        F32Mul |a: f32, b| f32s::mul(a, b);
        F32Min |a: f32, b| f32s::min(a, b);
        F32Max |a: f32, b| f32s::max(a, b);
        F64Add |a: f64, b| f64s::add(a, b);
        F64Mul |a: f64, b| f64s::mul(a, b);
        F64Min |a: f64, b| f64s::min(a, b);
        F64Max |a: f64, b| f64s::max(a, b);
    }
    ordered {
        I32Sub |a: u32, b: u32| Ok(a.wrapping_sub(b));
        I32DivS |a: i32, b: i32| quotient(b == 0, a.checked_div(b));
        I32DivU |a: u32, b: u32| quotient(b == 0, a.checked_div(b));
        I32RemS |a: i32, b: i32| if b == 0 { Err(TrapKind::IntegerDivideByZero) } else { Ok(a.wrapping_rem(b)) };
        I32RemU |a: u32, b: u32| a.checked_rem(b).ok_or(TrapKind::IntegerDivideByZero);
        I32Shl |a: u32, b: u32| Ok(a.wrapping_shl(b));
        I32ShrS |a: i32, b: u32| Ok(a.wrapping_shr(b));
        I32ShrU |a: u32, b: u32| Ok(a.wrapping_shr(b));
        I32Rotl |a: u32, b: u32| Ok(a.rotate_left(b % 32));
        I32Rotr |a: u32, b: u32| Ok(a.rotate_right(b % 32));
        I64Sub |a: u64, b: u64| Ok(a.wrapping_sub(b));
        I64DivS |a: i64, b: i64| quotient(b == 0, a.checked_div(b));
        I64DivU |a: u64, b: u64| quotient(b == 0, a.checked_div(b));
        I64RemS |a: i64, b: i64| if b == 0 { Err(TrapKind::IntegerDivideByZero) } else { Ok(a.wrapping_rem(b)) };
        I64RemU |a: u64, b: u64| a.checked_rem(b).ok_or(TrapKind::IntegerDivideByZero);
        I64Shl |a: u64, b: u64| Ok(a.wrapping_shl(b as u32));
        I64ShrS |a: i64, b: u64| Ok(a.wrapping_shr(b as u32));
        I64ShrU |a: u64, b: u64| Ok(a.wrapping_shr(b as u32));
        I64Rotl |a: u64, b: u64| Ok(a.rotate_left((b % 64) as u32));
        I64Rotr |a: u64, b: u64| Ok(a.rotate_right((b % 64) as u32));
        F32Sub |a: f32, b: f32| Ok(f32s::sub(a, b));
        F32Div |a: f32, b: f32| Ok(f32s::div(a, b));
        F32Copysign |a: f32, b: f32| Ok(f32::from_bits(a.to_bits() & !F32_SIGN | b.to_bits() & F32_SIGN));
        F64Sub |a: f64, b: f64| Ok(f64s::sub(a, b));
        F64Div |a: f64, b: f64| Ok(f64s::div(a, b));
        F64Copysign |a: f64, b: f64| Ok(f64::from_bits(a.to_bits() & !F64_SIGN | b.to_bits() & F64_SIGN));
    }
    unary {
        I32Clz |a: u32| -> u32 { Ok(a.leading_zeros()) }
        I32Ctz |a: u32| -> u32 { Ok(a.trailing_zeros()) }
        I32Popcnt |a: u32| -> u32 { Ok(a.count_ones()) }
        I64Eqz |a: u64| -> bool { Ok(a == 0) }
        I64Clz |a: u64| -> u64 { Ok(u64::from(a.leading_zeros())) }
        I64Ctz |a: u64| -> u64 { Ok(u64::from(a.trailing_zeros())) }
        I64Popcnt |a: u64| -> u64 { Ok(u64::from(a.count_ones())) }
        F32Abs |a: f32| -> f32 { Ok(f32::from_bits(a.to_bits() & !F32_SIGN)) }
        F32Neg |a: f32| -> f32 { Ok(f32::from_bits(a.to_bits() ^ F32_SIGN)) }
        F32Ceil |a: f32| -> f32 { Ok(f32s::ceil(a)) }
        F32Floor |a: f32| -> f32 { Ok(f32s::floor(a)) }
        F32Trunc |a: f32| -> f32 { Ok(f32s::trunc(a)) }
        F32Nearest |a: f32| -> f32 { Ok(f32s::nearest(a)) }
        F32Sqrt |a: f32| -> f32 { Ok(f32s::sqrt(a)) }
        F64Abs |a: f64| -> f64 { Ok(f64::from_bits(a.to_bits() & !F64_SIGN)) }
        F64Neg |a: f64| -> f64 { Ok(f64::from_bits(a.to_bits() ^ F64_SIGN)) }
        F64Ceil |a: f64| -> f64 { Ok(f64s::ceil(a)) }
        F64Floor |a: f64| -> f64 { Ok(f64s::floor(a)) }
        F64Trunc |a: f64| -> f64 { Ok(f64s::trunc(a)) }
        F64Nearest |a: f64| -> f64 { Ok(f64s::nearest(a)) }
        F64Sqrt |a: f64| -> f64 { Ok(f64s::sqrt(a)) }
        I32WrapI64 |a: u64| -> u32 { Ok(a as u32) }
        I32TruncF32S |a: f32| -> i32 { float::i32_from_f32(a) }
        I32TruncF32U |a: f32| -> u32 { float::u32_from_f32(a) }
        I32TruncF64S |a: f64| -> i32 { float::i32_from_f64(a) }
        I32TruncF64U |a: f64| -> u32 { float::u32_from_f64(a) }
        I64ExtendI32S |a: i32| -> i64 { Ok(i64::from(a)) }
        I64TruncF32S |a: f32| -> i64 { float::i64_from_f32(a) }
        I64TruncF32U |a: f32| -> u64 { float::u64_from_f32(a) }
        I64TruncF64S |a: f64| -> i64 { float::i64_from_f64(a) }
        I64TruncF64U |a: f64| -> u64 { float::u64_from_f64(a) }
        I32TruncSatF32S |a: f32| -> i32 { Ok(a as i32) }
        I32TruncSatF32U |a: f32| -> u32 { Ok(a as u32) }
        I32TruncSatF64S |a: f64| -> i32 { Ok(a as i32) }
        I32TruncSatF64U |a: f64| -> u32 { Ok(a as u32) }
        I64TruncSatF32S |a: f32| -> i64 { Ok(a as i64) }
        I64TruncSatF32U |a: f32| -> u64 { Ok(a as u64) }
        I64TruncSatF64S |a: f64| -> i64 { Ok(a as i64) }
        I64TruncSatF64U |a: f64| -> u64 { Ok(a as u64) }
        F32ConvertI32S |a: i32| -> f32 { Ok(a as f32) }
        F32ConvertI32U |a: u32| -> f32 { Ok(a as f32) }
        F32ConvertI64S |a: i64| -> f32 { Ok(a as f32) }
        F32ConvertI64U |a: u64| -> f32 { Ok(a as f32) }
        F32DemoteF64 |a: f64| -> f32 { Ok(float::demote(a)) }
        F64ConvertI32S |a: i32| -> f64 { Ok(f64::from(a)) }
        F64ConvertI32U |a: u32| -> f64 { Ok(f64::from(a)) }
        F64ConvertI64S |a: i64| -> f64 { Ok(a as f64) }
        F64ConvertI64U |a: u64| -> f64 { Ok(a as f64) }
        F64PromoteF32 |a: f32| -> f64 { Ok(float::promote(a)) }
        I32ReinterpretF32 |a: f32| -> u32 { Ok(a.to_bits()) }
        I64ReinterpretF64 |a: f64| -> u64 { Ok(a.to_bits()) }
        F32ReinterpretI32 |a: u32| -> f32 { Ok(f32::from_bits(a)) }
        F64ReinterpretI64 |a: u64| -> f64 { Ok(f64::from_bits(a)) }
        I32Extend8S |a: u32| -> i32 { Ok(i32::from((a as u8).cast_signed())) }
        I32Extend16S |a: u32| -> i32 { Ok(i32::from((a as u16).cast_signed())) }
        I64Extend8S |a: u64| -> i64 { Ok(i64::from((a as u8).cast_signed())) }
        I64Extend16S |a: u64| -> i64 { Ok(i64::from((a as u16).cast_signed())) }
        I64Extend32S |a: u64| -> i64 { Ok(i64::from((a as u32).cast_signed())) }
    }
}

/// Two operations in one: the result of the first and a third operand are the operands of the second.
struct PairHandler<F, G, X, Y, Z, T>(PhantomData<(F, G, X, Y, Z, T)>);

impl<F, G, X, Y, Z, T> Handler for PairHandler<F, G, X, Y, Z, T>
where
    F: Binary,
    G: Binary<A = F::Result, B = F::Result>,
    X: Operand,
    Y: Operand,
    Z: Operand,
    T: Target,
{
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let result = F::apply(X::get(r), Y::get(r)).and_then(|first| G::apply(first, Z::get(r)));
            match result {
                Ok(result) => T::put(r, result),
                Err(kind) => return r.trap(kind),
            }
            r.advance(2 + Z::WORDS)
        }
    }
}

/// Where the second and third operand of a pair are; the first is in the accumulator or slot a.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// In slots b and c.
    Slots,
    /// The constant in [`super::operand::Slots::c`], then slot b.
    SmallSlot,
    /// The same constant, then that in word 2.
    SmallWide,
}

macro_rules! pairs {
    (
        slots { $( $f1:ident $g1:ident; )* }
        small_slot { $( $f2:ident $g2:ident; )* }
        small_wide { $( $f3:ident $g3:ident; )* }
    ) => {
        /// Returns the handlers of two instructions in one, the second of which commutes, if there are such.
        pub(super) fn select_pair(
            engine: Engine,
            first: Instruction,
            second: Instruction,
            in_acc: bool,
            rest: Rest,
        ) -> Option<Addresses> {
            macro_rules! of {
                ($f:ident $g:ident $y:ident $z:ident) => {
                    match in_acc {
                        true => both::<
                            PairHandler<$f, $g, Acc, $y, $z, ToAcc>,
                            PairHandler<$f, $g, Acc, $y, $z, ToSlot>,
                        >(engine),
                        false => both::<
                            PairHandler<$f, $g, A, $y, $z, ToAcc>,
                            PairHandler<$f, $g, A, $y, $z, ToSlot>,
                        >(engine),
                    }
                };
            }
            Some(match (rest, first, second) {
                $( (Rest::Slots, Instruction::$f1, Instruction::$g1) => of!($f1 $g1 B C), )*
                $( (Rest::SmallSlot, Instruction::$f2, Instruction::$g2) => of!($f2 $g2 Small B), )*
                $( (Rest::SmallWide, Instruction::$f3, Instruction::$g3) => of!($f3 $g3 Small Wide), )*
                _ => return None,
            })
        }
    };
}

// What compilers make of array indices, hashes, bit fields and products of long numbers.
pairs! {
    slots {
        I32Xor I32And;
        I32Xor I32Xor;
        I32And I32Xor;
        I32And I32Or;
        I32Add I32Add;
        I32Mul I32Add;
        I64Xor I64And;
        I64Xor I64Xor;
        I64And I64Xor;
        I64And I64Or;
        I64Add I64Add;
        I64Mul I64Add;
        F64Mul F64Add;
        F64Add F64Add;
        F64Mul F64Mul;
    }
    small_slot {
        I32Shl I32Add;
        I32Shl I32Or;
        I32Rotl I32Xor;
        I32Rotl I32Add;
        I32ShrU I32Xor;
        I32Xor I32And;
        I32Add I32Add;
        I32And I32Add;
        I64Shl I64Add;
        I64Shl I64Or;
        I64Rotl I64Xor;
        I64ShrU I64Xor;
        I64ShrU I64Add;
        I64ShrU I64Or;
        I64Xor I64And;
        I64Add I64Add;
    }
    small_wide {
        I32Shl I32Add;
        I32ShrU I32And;
        I32And I32Add;
        I32Add I32And;
        I64ShrU I64And;
        I64Shl I64And;
    }
}

fn quotient<T>(by_zero: bool, quotient: Option<T>) -> Result<T, TrapKind> {
    let why = if by_zero { TrapKind::IntegerDivideByZero } else { TrapKind::IntegerOverflow };
    quotient.ok_or(why)
}

/// Moves a value between accumulators and slots without changing it.
struct Copy<T>(PhantomData<T>);

impl<T: Number> Unary for Copy<T> {
    type A = T;
    type Result = T;

    #[inline(always)]
    fn apply(a: T) -> Result<T, TrapKind> {
        Ok(a)
    }
}

/// Copies two slots that lie side by side, a vector's.
struct MoveTwo;

impl Handler for MoveTwo {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let slots = *r.fields::<Slots>(1);
            // Both are read before either is written: they may overlap.
            let vector = *r.sp.offset(slots.a.into()).cast::<[u64; 2]>();
            *r.sp.offset(slots.r.into()).cast() = vector;
            r.advance(2)
        }
    }
}

/// Returns the handler that copies two slots.
pub(super) fn move_two(engine: Engine) -> u64 {
    address::<MoveTwo>(engine)
}

/// Copies the first of two vectors if the condition is not zero, else the second.
struct SelectTwo<K>(PhantomData<K>);

impl<K: Operand> Handler for SelectTwo<K> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let slots = *r.fields::<Slots>(1);
            let from = if K::get::<u32>(r) != 0 { slots.a } else { slots.b };
            let vector = *r.sp.offset(from.into()).cast::<[u64; 2]>();
            *r.sp.offset(slots.r.into()).cast() = vector;
            r.advance(2)
        }
    }
}

/// Returns the handler of a `select` of vectors, whose condition is in the accumulator or slot c.
pub(super) fn select_two(engine: Engine, in_acc: bool) -> u64 {
    if in_acc { address::<SelectTwo<Acc>>(engine) } else { address::<SelectTwo<C>>(engine) }
}

/// Copies a slot to another, and no accumulator changes.
struct Move;

impl Handler for Move {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let slots = *r.fields::<Slots>(1);
            *r.sp.offset(slots.r.into()) = *r.sp.offset(slots.a.into());
            r.advance(2)
        }
    }
}

/// Puts a constant of 32 bits into a slot, and no accumulator changes.
struct MoveShort;

impl Handler for MoveShort {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        use super::operand::Immediate;
        // SAFETY: the caller's.
        unsafe {
            let immediate = *r.fields::<Immediate>(1);
            *r.sp.offset(immediate.r.into()) = u64::from(immediate.value);
            r.advance(2)
        }
    }
}

/// Puts a constant of 64 bits into a slot, and no accumulator changes.
struct MoveWide;

impl Handler for MoveWide {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        use super::operand::Slots;
        // SAFETY: the caller's.
        unsafe {
            *r.sp.offset(r.fields::<Slots>(1).r.into()) = r.word(2);
            r.advance(3)
        }
    }
}

/// Puts the sum of a slot and a constant of 32 bits into a slot, and no accumulator changes.
struct MoveSum;

impl Handler for MoveSum {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        use super::operand::Immediate;
        // SAFETY: the caller's.
        unsafe {
            let immediate = *r.fields::<Immediate>(1);
            let sum = A::get::<u32>(r).wrapping_add(immediate.value);
            *r.sp.offset(immediate.r.into()) = u64::from(sum);
            r.advance(2)
        }
    }
}

pub(super) fn move_sum(engine: Engine) -> u64 {
    address::<MoveSum>(engine)
}

/// Addresses of handlers that move values.
pub(super) fn move_slot(engine: Engine) -> u64 {
    address::<Move>(engine)
}

pub(super) fn move_short(engine: Engine) -> u64 {
    address::<MoveShort>(engine)
}

pub(super) fn move_wide(engine: Engine) -> u64 {
    address::<MoveWide>(engine)
}

/// Returns the handler that writes an accumulator to a slot.
pub(super) fn spill(engine: Engine, accumulator: Accumulator) -> u64 {
    match accumulator {
        Accumulator::Int => address::<UnaryHandler<Copy<u64>, Acc, ToSlot>>(engine),
        Accumulator::F64 => address::<UnaryHandler<Copy<f64>, Acc, ToSlot>>(engine),
        Accumulator::F32 => address::<UnaryHandler<Copy<f32>, Acc, ToSlot>>(engine),
    }
}

/// The accumulator for values of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accumulator {
    Int,
    F64,
    F32,
}
