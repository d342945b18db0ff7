//! Instructions on 128-bit vectors.
//!
//! A vector is a number of 128 bits; lane 0 lies in the lowest. Each lane shape has a module of its own name with
//! what works on all its lanes. Floats follow the same rule as elsewhere: arithmetic makes canonical NaNs, `abs`,
//! `neg`, `pmin` and `pmax` keep bits.

#![expect(
    clippy::cast_possible_truncation,
    reason = "lanes are cut from wider numbers, and Wasm wraps around"
)]
#![expect(clippy::cast_sign_loss, reason = "negative numbers are clamped to zero where a lane is unsigned")]

use super::execute::{read, write};
use super::float::{demote, f32s, f64s, promote};
use super::operands::Operands;
use crate::TrapKind;
use lathe_gas::Instruction;

const F32_SIGN: u32 = 1 << 31;
const F64_SIGN: u64 = 1 << 63;

/// Executes a vector instruction. Its cost has been charged. `offset` is that of an access to memory, `vector` the
/// constant or pattern of the instruction that has one.
pub(crate) fn execute(
    instruction: Instruction,
    lane: usize,
    offset: u64,
    vector: u128,
    operands: &mut Operands<'_>,
    memory: &mut [u8],
) -> Result<(), TrapKind> {
    macro_rules! unary {
        (|$a:ident| $result:expr) => {{
            let $a: u128 = operands.pop();
            operands.push::<u128>($result);
        }};
    }
    macro_rules! binary {
        (|$a:ident, $b:ident| $result:expr) => {{
            let $b: u128 = operands.pop();
            let $a: u128 = operands.pop();
            operands.push::<u128>($result);
        }};
    }
    macro_rules! shift {
        (|$a:ident, $by:ident| $result:expr) => {{
            let $by: u32 = operands.pop();
            let $a: u128 = operands.pop();
            operands.push::<u128>($result);
        }};
    }
    macro_rules! reduce {
        (|$a:ident| $result:expr) => {{
            let $a: u128 = operands.pop();
            operands.push::<u32>($result);
        }};
    }
    macro_rules! splat {
        ($number:ty, $shape:ident as $lane:ty) => {{
            let number: $number = operands.pop();
            operands.push::<u128>($shape::from_fn(|_| number as $lane));
        }};
    }
    macro_rules! extract {
        ($shape:ident as $number:ty) => {{
            let vector: u128 = operands.pop();
            operands.push::<$number>($shape::split(vector)[lane].into());
        }};
    }
    macro_rules! replace {
        ($number:ty, $shape:ident as $lane:ty) => {{
            let number: $number = operands.pop();
            let vector: u128 = operands.pop();
            let mut lanes = $shape::split(vector);
            lanes[lane] = number as $lane;
            operands.push::<u128>($shape::join(lanes));
        }};
    }
    // Reads memory as little-endian and makes a vector of what was read.
    macro_rules! load {
        (|$bits:ident: $ty:ty| $result:expr) => {{
            let address: u32 = operands.pop();
            let $bits = <$ty>::from_le_bytes(read(memory, address, offset)?);
            operands.push::<u128>($result);
        }};
    }
    macro_rules! load_lane {
        ($shape:ident, $lane:ty) => {{
            let vector: u128 = operands.pop();
            let address: u32 = operands.pop();
            let mut lanes = $shape::split(vector);
            lanes[lane] = <$lane>::from_le_bytes(read(memory, address, offset)?);
            operands.push::<u128>($shape::join(lanes));
        }};
    }
    macro_rules! store_lane {
        ($shape:ident) => {{
            let vector: u128 = operands.pop();
            let address: u32 = operands.pop();
            write(memory, address, offset, $shape::split(vector)[lane].to_le_bytes())?;
        }};
    }

    use Instruction::*;
    match instruction {
        // Memory and constants
        V128Const => operands.push::<u128>(vector),
        V128Load => load!(|bits: u128| bits),
        V128Load8x8S => load!(|bits: u64| i16x8::from_fn(|i| i8x16::split(bits.into())[i].into())),
        V128Load8x8U => load!(|bits: u64| u16x8::from_fn(|i| u8x16::split(bits.into())[i].into())),
        V128Load16x4S => load!(|bits: u64| i32x4::from_fn(|i| i16x8::split(bits.into())[i].into())),
        V128Load16x4U => load!(|bits: u64| u32x4::from_fn(|i| u16x8::split(bits.into())[i].into())),
        V128Load32x2S => load!(|bits: u64| i64x2::from_fn(|i| i32x4::split(bits.into())[i].into())),
        V128Load32x2U => load!(|bits: u64| u64x2::from_fn(|i| u32x4::split(bits.into())[i].into())),
        V128Load8Splat => load!(|bits: u8| u8x16::from_fn(|_| bits)),
        V128Load16Splat => load!(|bits: u16| u16x8::from_fn(|_| bits)),
        V128Load32Splat => load!(|bits: u32| u32x4::from_fn(|_| bits)),
        V128Load64Splat => load!(|bits: u64| u64x2::from_fn(|_| bits)),
        V128Load32Zero => load!(|bits: u32| bits.into()),
        V128Load64Zero => load!(|bits: u64| bits.into()),
        V128Load8Lane => load_lane!(u8x16, u8),
        V128Load16Lane => load_lane!(u16x8, u16),
        V128Load32Lane => load_lane!(u32x4, u32),
        V128Load64Lane => load_lane!(u64x2, u64),
        V128Store => {
            let vector: u128 = operands.pop();
            let address: u32 = operands.pop();
            write(memory, address, offset, vector.to_le_bytes())?;
        }
        V128Store8Lane => store_lane!(u8x16),
        V128Store16Lane => store_lane!(u16x8),
        V128Store32Lane => store_lane!(u32x4),
        V128Store64Lane => store_lane!(u64x2),

        // Lanes
        I8x16Splat => splat!(u32, u8x16 as u8),
        I16x8Splat => splat!(u32, u16x8 as u16),
        I32x4Splat | F32x4Splat => splat!(u32, u32x4 as u32),
        I64x2Splat | F64x2Splat => splat!(u64, u64x2 as u64),
        I8x16ExtractLaneS => extract!(i8x16 as i32),
        I8x16ExtractLaneU => extract!(u8x16 as u32),
        I16x8ExtractLaneS => extract!(i16x8 as i32),
        I16x8ExtractLaneU => extract!(u16x8 as u32),
        I32x4ExtractLane | F32x4ExtractLane => extract!(u32x4 as u32),
        I64x2ExtractLane | F64x2ExtractLane => extract!(u64x2 as u64),
        I8x16ReplaceLane => replace!(u32, u8x16 as u8),
        I16x8ReplaceLane => replace!(u32, u16x8 as u16),
        I32x4ReplaceLane | F32x4ReplaceLane => replace!(u32, u32x4 as u32),
        I64x2ReplaceLane | F64x2ReplaceLane => replace!(u64, u64x2 as u64),
        I8x16Shuffle => {
            let pattern = u8x16::split(vector);
            binary!(|a, b| {
                let (a, b) = (u8x16::split(a), u8x16::split(b));
                u8x16::from_fn(|i| {
                    let from = usize::from(pattern[i]);
                    a.get(from).or(b.get(from.wrapping_sub(16))).copied().unwrap_or(0)
                })
            });
        }
        I8x16Swizzle => binary!(|a, b| {
            let (a, b) = (u8x16::split(a), u8x16::split(b));
            u8x16::from_fn(|i| a.get(usize::from(b[i])).copied().unwrap_or(0))
        }),

        // Bits
        V128Not => unary!(|a| !a),
        V128And => binary!(|a, b| a & b),
        V128AndNot => binary!(|a, b| a & !b),
        V128Or => binary!(|a, b| a | b),
        V128Xor => binary!(|a, b| a ^ b),
        V128Bitselect => {
            let mask: u128 = operands.pop();
            binary!(|a, b| a & mask | b & !mask);
        }
        V128AnyTrue => reduce!(|a| u32::from(a != 0)),

        // I8x16
        I8x16Eq => binary!(|a, b| u8x16::compare(a, b, |a, b| a == b)),
        I8x16Ne => binary!(|a, b| u8x16::compare(a, b, |a, b| a != b)),
        I8x16LtS => binary!(|a, b| i8x16::compare(a, b, |a, b| a < b)),
        I8x16LtU => binary!(|a, b| u8x16::compare(a, b, |a, b| a < b)),
        I8x16GtS => binary!(|a, b| i8x16::compare(a, b, |a, b| a > b)),
        I8x16GtU => binary!(|a, b| u8x16::compare(a, b, |a, b| a > b)),
        I8x16LeS => binary!(|a, b| i8x16::compare(a, b, |a, b| a <= b)),
        I8x16LeU => binary!(|a, b| u8x16::compare(a, b, |a, b| a <= b)),
        I8x16GeS => binary!(|a, b| i8x16::compare(a, b, |a, b| a >= b)),
        I8x16GeU => binary!(|a, b| u8x16::compare(a, b, |a, b| a >= b)),
        I8x16Abs => unary!(|a| i8x16::map(a, |a| a.wrapping_abs())),
        I8x16Neg => unary!(|a| i8x16::map(a, |a| a.wrapping_neg())),
        I8x16AllTrue => reduce!(|a| u32::from(u8x16::split(a).iter().all(|&a| a != 0))),
        I8x16Bitmask => reduce!(|a| i8x16::bitmask(a)),
        I8x16Shl => shift!(|a, by| u8x16::map(a, |a| a.wrapping_shl(by))),
        I8x16ShrS => shift!(|a, by| i8x16::map(a, |a| a.wrapping_shr(by))),
        I8x16ShrU => shift!(|a, by| u8x16::map(a, |a| a.wrapping_shr(by))),
        I8x16Add => binary!(|a, b| u8x16::zip(a, b, |a, b| a.wrapping_add(b))),
        I8x16Sub => binary!(|a, b| u8x16::zip(a, b, |a, b| a.wrapping_sub(b))),
        I8x16AddSatS => binary!(|a, b| i8x16::zip(a, b, |a, b| a.saturating_add(b))),
        I8x16AddSatU => binary!(|a, b| u8x16::zip(a, b, |a, b| a.saturating_add(b))),
        I8x16SubSatS => binary!(|a, b| i8x16::zip(a, b, |a, b| a.saturating_sub(b))),
        I8x16SubSatU => binary!(|a, b| u8x16::zip(a, b, |a, b| a.saturating_sub(b))),
        I8x16AvgrU => {
            binary!(|a, b| u8x16::zip(a, b, |a, b| (u16::from(a) + u16::from(b)).div_ceil(2) as u8))
        }
        I8x16MinS => binary!(|a, b| i8x16::zip(a, b, |a, b| a.min(b))),
        I8x16MinU => binary!(|a, b| u8x16::zip(a, b, |a, b| a.min(b))),
        I8x16MaxS => binary!(|a, b| i8x16::zip(a, b, |a, b| a.max(b))),
        I8x16MaxU => binary!(|a, b| u8x16::zip(a, b, |a, b| a.max(b))),
        I8x16Popcnt => unary!(|a| u8x16::map(a, |a| a.count_ones() as u8)),

        // I16x8
        I16x8Eq => binary!(|a, b| u16x8::compare(a, b, |a, b| a == b)),
        I16x8Ne => binary!(|a, b| u16x8::compare(a, b, |a, b| a != b)),
        I16x8LtS => binary!(|a, b| i16x8::compare(a, b, |a, b| a < b)),
        I16x8LtU => binary!(|a, b| u16x8::compare(a, b, |a, b| a < b)),
        I16x8GtS => binary!(|a, b| i16x8::compare(a, b, |a, b| a > b)),
        I16x8GtU => binary!(|a, b| u16x8::compare(a, b, |a, b| a > b)),
        I16x8LeS => binary!(|a, b| i16x8::compare(a, b, |a, b| a <= b)),
        I16x8LeU => binary!(|a, b| u16x8::compare(a, b, |a, b| a <= b)),
        I16x8GeS => binary!(|a, b| i16x8::compare(a, b, |a, b| a >= b)),
        I16x8GeU => binary!(|a, b| u16x8::compare(a, b, |a, b| a >= b)),
        I16x8Abs => unary!(|a| i16x8::map(a, |a| a.wrapping_abs())),
        I16x8Neg => unary!(|a| i16x8::map(a, |a| a.wrapping_neg())),
        I16x8AllTrue => reduce!(|a| u32::from(u16x8::split(a).iter().all(|&a| a != 0))),
        I16x8Bitmask => reduce!(|a| i16x8::bitmask(a)),
        I16x8Shl => shift!(|a, by| u16x8::map(a, |a| a.wrapping_shl(by))),
        I16x8ShrS => shift!(|a, by| i16x8::map(a, |a| a.wrapping_shr(by))),
        I16x8ShrU => shift!(|a, by| u16x8::map(a, |a| a.wrapping_shr(by))),
        I16x8Add => binary!(|a, b| u16x8::zip(a, b, |a, b| a.wrapping_add(b))),
        I16x8Sub => binary!(|a, b| u16x8::zip(a, b, |a, b| a.wrapping_sub(b))),
        I16x8Mul => binary!(|a, b| u16x8::zip(a, b, |a, b| a.wrapping_mul(b))),
        I16x8AddSatS => binary!(|a, b| i16x8::zip(a, b, |a, b| a.saturating_add(b))),
        I16x8AddSatU => binary!(|a, b| u16x8::zip(a, b, |a, b| a.saturating_add(b))),
        I16x8SubSatS => binary!(|a, b| i16x8::zip(a, b, |a, b| a.saturating_sub(b))),
        I16x8SubSatU => binary!(|a, b| u16x8::zip(a, b, |a, b| a.saturating_sub(b))),
        I16x8AvgrU => {
            binary!(|a, b| u16x8::zip(a, b, |a, b| (u32::from(a) + u32::from(b)).div_ceil(2) as u16))
        }
        I16x8MinS => binary!(|a, b| i16x8::zip(a, b, |a, b| a.min(b))),
        I16x8MinU => binary!(|a, b| u16x8::zip(a, b, |a, b| a.min(b))),
        I16x8MaxS => binary!(|a, b| i16x8::zip(a, b, |a, b| a.max(b))),
        I16x8MaxU => binary!(|a, b| u16x8::zip(a, b, |a, b| a.max(b))),

        // I32x4
        I32x4Eq => binary!(|a, b| u32x4::compare(a, b, |a, b| a == b)),
        I32x4Ne => binary!(|a, b| u32x4::compare(a, b, |a, b| a != b)),
        I32x4LtS => binary!(|a, b| i32x4::compare(a, b, |a, b| a < b)),
        I32x4LtU => binary!(|a, b| u32x4::compare(a, b, |a, b| a < b)),
        I32x4GtS => binary!(|a, b| i32x4::compare(a, b, |a, b| a > b)),
        I32x4GtU => binary!(|a, b| u32x4::compare(a, b, |a, b| a > b)),
        I32x4LeS => binary!(|a, b| i32x4::compare(a, b, |a, b| a <= b)),
        I32x4LeU => binary!(|a, b| u32x4::compare(a, b, |a, b| a <= b)),
        I32x4GeS => binary!(|a, b| i32x4::compare(a, b, |a, b| a >= b)),
        I32x4GeU => binary!(|a, b| u32x4::compare(a, b, |a, b| a >= b)),
        I32x4Abs => unary!(|a| i32x4::map(a, |a| a.wrapping_abs())),
        I32x4Neg => unary!(|a| i32x4::map(a, |a| a.wrapping_neg())),
        I32x4AllTrue => reduce!(|a| u32::from(u32x4::split(a).iter().all(|&a| a != 0))),
        I32x4Bitmask => reduce!(|a| i32x4::bitmask(a)),
        I32x4Shl => shift!(|a, by| u32x4::map(a, |a| a.wrapping_shl(by))),
        I32x4ShrS => shift!(|a, by| i32x4::map(a, |a| a.wrapping_shr(by))),
        I32x4ShrU => shift!(|a, by| u32x4::map(a, |a| a.wrapping_shr(by))),
        I32x4Add => binary!(|a, b| u32x4::zip(a, b, |a, b| a.wrapping_add(b))),
        I32x4Sub => binary!(|a, b| u32x4::zip(a, b, |a, b| a.wrapping_sub(b))),
        I32x4Mul => binary!(|a, b| u32x4::zip(a, b, |a, b| a.wrapping_mul(b))),
        I32x4MinS => binary!(|a, b| i32x4::zip(a, b, |a, b| a.min(b))),
        I32x4MinU => binary!(|a, b| u32x4::zip(a, b, |a, b| a.min(b))),
        I32x4MaxS => binary!(|a, b| i32x4::zip(a, b, |a, b| a.max(b))),
        I32x4MaxU => binary!(|a, b| u32x4::zip(a, b, |a, b| a.max(b))),

        // I64x2
        I64x2Eq => binary!(|a, b| u64x2::compare(a, b, |a, b| a == b)),
        I64x2Ne => binary!(|a, b| u64x2::compare(a, b, |a, b| a != b)),
        I64x2LtS => binary!(|a, b| i64x2::compare(a, b, |a, b| a < b)),
        I64x2GtS => binary!(|a, b| i64x2::compare(a, b, |a, b| a > b)),
        I64x2LeS => binary!(|a, b| i64x2::compare(a, b, |a, b| a <= b)),
        I64x2GeS => binary!(|a, b| i64x2::compare(a, b, |a, b| a >= b)),
        I64x2Abs => unary!(|a| i64x2::map(a, |a| a.wrapping_abs())),
        I64x2Neg => unary!(|a| i64x2::map(a, |a| a.wrapping_neg())),
        I64x2AllTrue => reduce!(|a| u32::from(u64x2::split(a).iter().all(|&a| a != 0))),
        I64x2Bitmask => reduce!(|a| i64x2::bitmask(a)),
        I64x2Shl => shift!(|a, by| u64x2::map(a, |a| a.wrapping_shl(by))),
        I64x2ShrS => shift!(|a, by| i64x2::map(a, |a| a.wrapping_shr(by))),
        I64x2ShrU => shift!(|a, by| u64x2::map(a, |a| a.wrapping_shr(by))),
        I64x2Add => binary!(|a, b| u64x2::zip(a, b, |a, b| a.wrapping_add(b))),
        I64x2Sub => binary!(|a, b| u64x2::zip(a, b, |a, b| a.wrapping_sub(b))),
        I64x2Mul => binary!(|a, b| u64x2::zip(a, b, |a, b| a.wrapping_mul(b))),

        // Narrowing and widening
        I8x16NarrowI16x8S => binary!(|a, b| i8x16::narrow(i16x8::split(a), i16x8::split(b), |x| x
            .clamp(i8::MIN.into(), i8::MAX.into())
            as i8)),
        I8x16NarrowI16x8U => binary!(|a, b| u8x16::narrow(i16x8::split(a), i16x8::split(b), |x| x
            .clamp(u8::MIN.into(), u8::MAX.into())
            as u8)),
        I16x8NarrowI32x4S => binary!(|a, b| i16x8::narrow(i32x4::split(a), i32x4::split(b), |x| x
            .clamp(i16::MIN.into(), i16::MAX.into())
            as i16)),
        I16x8NarrowI32x4U => binary!(|a, b| u16x8::narrow(i32x4::split(a), i32x4::split(b), |x| x
            .clamp(u16::MIN.into(), u16::MAX.into())
            as u16)),
        I16x8ExtendLowI8x16S => unary!(|a| i16x8::from_fn(|i| i16::from(i8x16::split(a)[i]))),
        I16x8ExtendHighI8x16S => unary!(|a| i16x8::from_fn(|i| i16::from(i8x16::split(a)[i + 8]))),
        I16x8ExtMulLowI8x16S => {
            binary!(|a, b| i16x8::from_fn(|i| i16::from(i8x16::split(a)[i]) * i16::from(i8x16::split(b)[i])))
        }
        I16x8ExtMulHighI8x16S => binary!(|a, b| i16x8::from_fn(
            |i| i16::from(i8x16::split(a)[i + 8]) * i16::from(i8x16::split(b)[i + 8])
        )),
        I16x8ExtAddPairwiseI8x16S => unary!(|a| i16x8::from_fn(
            |i| i16::from(i8x16::split(a)[2 * i]) + i16::from(i8x16::split(a)[2 * i + 1])
        )),
        I16x8ExtendLowI8x16U => unary!(|a| u16x8::from_fn(|i| u16::from(u8x16::split(a)[i]))),
        I16x8ExtendHighI8x16U => unary!(|a| u16x8::from_fn(|i| u16::from(u8x16::split(a)[i + 8]))),
        I16x8ExtMulLowI8x16U => {
            binary!(|a, b| u16x8::from_fn(|i| u16::from(u8x16::split(a)[i]) * u16::from(u8x16::split(b)[i])))
        }
        I16x8ExtMulHighI8x16U => binary!(|a, b| u16x8::from_fn(
            |i| u16::from(u8x16::split(a)[i + 8]) * u16::from(u8x16::split(b)[i + 8])
        )),
        I16x8ExtAddPairwiseI8x16U => unary!(|a| u16x8::from_fn(
            |i| u16::from(u8x16::split(a)[2 * i]) + u16::from(u8x16::split(a)[2 * i + 1])
        )),
        I32x4ExtendLowI16x8S => unary!(|a| i32x4::from_fn(|i| i32::from(i16x8::split(a)[i]))),
        I32x4ExtendHighI16x8S => unary!(|a| i32x4::from_fn(|i| i32::from(i16x8::split(a)[i + 4]))),
        I32x4ExtMulLowI16x8S => {
            binary!(|a, b| i32x4::from_fn(|i| i32::from(i16x8::split(a)[i]) * i32::from(i16x8::split(b)[i])))
        }
        I32x4ExtMulHighI16x8S => binary!(|a, b| i32x4::from_fn(
            |i| i32::from(i16x8::split(a)[i + 4]) * i32::from(i16x8::split(b)[i + 4])
        )),
        I32x4ExtAddPairwiseI16x8S => unary!(|a| i32x4::from_fn(
            |i| i32::from(i16x8::split(a)[2 * i]) + i32::from(i16x8::split(a)[2 * i + 1])
        )),
        I32x4ExtendLowI16x8U => unary!(|a| u32x4::from_fn(|i| u32::from(u16x8::split(a)[i]))),
        I32x4ExtendHighI16x8U => unary!(|a| u32x4::from_fn(|i| u32::from(u16x8::split(a)[i + 4]))),
        I32x4ExtMulLowI16x8U => {
            binary!(|a, b| u32x4::from_fn(|i| u32::from(u16x8::split(a)[i]) * u32::from(u16x8::split(b)[i])))
        }
        I32x4ExtMulHighI16x8U => binary!(|a, b| u32x4::from_fn(
            |i| u32::from(u16x8::split(a)[i + 4]) * u32::from(u16x8::split(b)[i + 4])
        )),
        I32x4ExtAddPairwiseI16x8U => unary!(|a| u32x4::from_fn(
            |i| u32::from(u16x8::split(a)[2 * i]) + u32::from(u16x8::split(a)[2 * i + 1])
        )),
        I64x2ExtendLowI32x4S => unary!(|a| i64x2::from_fn(|i| i64::from(i32x4::split(a)[i]))),
        I64x2ExtendHighI32x4S => unary!(|a| i64x2::from_fn(|i| i64::from(i32x4::split(a)[i + 2]))),
        I64x2ExtMulLowI32x4S => {
            binary!(|a, b| i64x2::from_fn(|i| i64::from(i32x4::split(a)[i]) * i64::from(i32x4::split(b)[i])))
        }
        I64x2ExtMulHighI32x4S => binary!(|a, b| i64x2::from_fn(
            |i| i64::from(i32x4::split(a)[i + 2]) * i64::from(i32x4::split(b)[i + 2])
        )),
        I64x2ExtendLowI32x4U => unary!(|a| u64x2::from_fn(|i| u64::from(u32x4::split(a)[i]))),
        I64x2ExtendHighI32x4U => unary!(|a| u64x2::from_fn(|i| u64::from(u32x4::split(a)[i + 2]))),
        I64x2ExtMulLowI32x4U => {
            binary!(|a, b| u64x2::from_fn(|i| u64::from(u32x4::split(a)[i]) * u64::from(u32x4::split(b)[i])))
        }
        I64x2ExtMulHighI32x4U => binary!(|a, b| u64x2::from_fn(
            |i| u64::from(u32x4::split(a)[i + 2]) * u64::from(u32x4::split(b)[i + 2])
        )),

        // Floats
        F32x4Eq => binary!(|a, b| f32x4::compare(a, b, |a, b| a == b)),
        F32x4Ne => binary!(|a, b| f32x4::compare(a, b, |a, b| a != b)),
        F32x4Lt => binary!(|a, b| f32x4::compare(a, b, |a, b| a < b)),
        F32x4Gt => binary!(|a, b| f32x4::compare(a, b, |a, b| a > b)),
        F32x4Le => binary!(|a, b| f32x4::compare(a, b, |a, b| a <= b)),
        F32x4Ge => binary!(|a, b| f32x4::compare(a, b, |a, b| a >= b)),
        F32x4Abs => unary!(|a| u32x4::map(a, |a| a & !F32_SIGN)),
        F32x4Neg => unary!(|a| u32x4::map(a, |a| a ^ F32_SIGN)),
        F32x4Ceil => unary!(|a| f32x4::map(a, f32s::ceil)),
        F32x4Floor => unary!(|a| f32x4::map(a, f32s::floor)),
        F32x4Trunc => unary!(|a| f32x4::map(a, f32s::trunc)),
        F32x4Nearest => unary!(|a| f32x4::map(a, f32s::nearest)),
        F32x4Sqrt => unary!(|a| f32x4::map(a, f32s::sqrt)),
        F32x4Add => binary!(|a, b| f32x4::zip(a, b, f32s::add)),
        F32x4Sub => binary!(|a, b| f32x4::zip(a, b, f32s::sub)),
        F32x4Mul => binary!(|a, b| f32x4::zip(a, b, f32s::mul)),
        F32x4Div => binary!(|a, b| f32x4::zip(a, b, f32s::div)),
        F32x4Min => binary!(|a, b| f32x4::zip(a, b, f32s::min)),
        F32x4Max => binary!(|a, b| f32x4::zip(a, b, f32s::max)),
        F32x4PMin => binary!(|a, b| f32x4::choose(a, b, |a, b| b < a)),
        F32x4PMax => binary!(|a, b| f32x4::choose(a, b, |a, b| a < b)),
        F64x2Eq => binary!(|a, b| f64x2::compare(a, b, |a, b| a == b)),
        F64x2Ne => binary!(|a, b| f64x2::compare(a, b, |a, b| a != b)),
        F64x2Lt => binary!(|a, b| f64x2::compare(a, b, |a, b| a < b)),
        F64x2Gt => binary!(|a, b| f64x2::compare(a, b, |a, b| a > b)),
        F64x2Le => binary!(|a, b| f64x2::compare(a, b, |a, b| a <= b)),
        F64x2Ge => binary!(|a, b| f64x2::compare(a, b, |a, b| a >= b)),
        F64x2Abs => unary!(|a| u64x2::map(a, |a| a & !F64_SIGN)),
        F64x2Neg => unary!(|a| u64x2::map(a, |a| a ^ F64_SIGN)),
        F64x2Ceil => unary!(|a| f64x2::map(a, f64s::ceil)),
        F64x2Floor => unary!(|a| f64x2::map(a, f64s::floor)),
        F64x2Trunc => unary!(|a| f64x2::map(a, f64s::trunc)),
        F64x2Nearest => unary!(|a| f64x2::map(a, f64s::nearest)),
        F64x2Sqrt => unary!(|a| f64x2::map(a, f64s::sqrt)),
        F64x2Add => binary!(|a, b| f64x2::zip(a, b, f64s::add)),
        F64x2Sub => binary!(|a, b| f64x2::zip(a, b, f64s::sub)),
        F64x2Mul => binary!(|a, b| f64x2::zip(a, b, f64s::mul)),
        F64x2Div => binary!(|a, b| f64x2::zip(a, b, f64s::div)),
        F64x2Min => binary!(|a, b| f64x2::zip(a, b, f64s::min)),
        F64x2Max => binary!(|a, b| f64x2::zip(a, b, f64s::max)),
        F64x2PMin => binary!(|a, b| f64x2::choose(a, b, |a, b| b < a)),
        F64x2PMax => binary!(|a, b| f64x2::choose(a, b, |a, b| a < b)),

        // Products and conversions of their own
        I16x8Q15MulrSatS => binary!(|a, b| i16x8::zip(a, b, |a, b| {
            let product = (i32::from(a) * i32::from(b) + (1 << 14)) >> 15;
            product.clamp(i16::MIN.into(), i16::MAX.into()) as i16
        })),
        I32x4DotI16x8S => binary!(|a, b| {
            let (a, b) = (i16x8::split(a), i16x8::split(b));
            let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
            i32x4::from_fn(|i| product(2 * i).wrapping_add(product(2 * i + 1)))
        }),
        I32x4TruncSatF32x4S => unary!(|a| i32x4::from_fn(|i| f32x4::split(a)[i] as i32)),
        I32x4TruncSatF32x4U => unary!(|a| u32x4::from_fn(|i| f32x4::split(a)[i] as u32)),
        I32x4TruncSatF64x2SZero => {
            unary!(|a| i32x4::from_fn(|i| f64x2::split(a).get(i).map_or(0, |&a| a as i32)))
        }
        I32x4TruncSatF64x2UZero => {
            unary!(|a| u32x4::from_fn(|i| f64x2::split(a).get(i).map_or(0, |&a| a as u32)))
        }
        F32x4ConvertI32x4S => unary!(|a| f32x4::from_fn(|i| i32x4::split(a)[i] as f32)),
        F32x4ConvertI32x4U => unary!(|a| f32x4::from_fn(|i| u32x4::split(a)[i] as f32)),
        F64x2ConvertLowI32x4S => unary!(|a| f64x2::from_fn(|i| i32x4::split(a)[i].into())),
        F64x2ConvertLowI32x4U => unary!(|a| f64x2::from_fn(|i| u32x4::split(a)[i].into())),
        F32x4DemoteF64x2Zero => {
            unary!(|a| f32x4::from_fn(|i| f64x2::split(a).get(i).map_or(0.0, |&a| demote(a))))
        }
        F64x2PromoteLowF32x4 => unary!(|a| f64x2::from_fn(|i| promote(f32x4::split(a)[i]))),

        other => unreachable!("{other} is neither in the loop nor a vector instruction"),
    }
    Ok(())
}

macro_rules! shapes {
    ($( $shape:ident: $lane:ty, $bits:ty, $count:literal; )*) => {
        $(
            #[expect(clippy::allow_attributes, reason = "not every shape needs every function")]
            #[allow(dead_code, reason = "not every shape needs every function")]
            mod $shape {
                const BYTES: usize = 16 / $count;

                /// Returns the lanes of a vector.
                #[inline(always)]
                pub(super) fn split(vector: u128) -> [$lane; $count] {
                    let bytes = vector.to_le_bytes();
                    core::array::from_fn(|i| {
                        let mut lane = [0; BYTES];
                        lane.copy_from_slice(&bytes[i * BYTES..(i + 1) * BYTES]);
                        <$lane>::from_le_bytes(lane)
                    })
                }

                /// Returns the vector of lanes.
                #[inline(always)]
                pub(super) fn join(lanes: [$lane; $count]) -> u128 {
                    let mut bytes = [0; 16];
                    for (place, lane) in bytes.chunks_exact_mut(BYTES).zip(lanes) {
                        place.copy_from_slice(&lane.to_le_bytes());
                    }
                    u128::from_le_bytes(bytes)
                }

                /// Makes a vector lane by lane.
                #[inline(always)]
                pub(super) fn from_fn(lane: impl FnMut(usize) -> $lane) -> u128 {
                    join(core::array::from_fn(lane))
                }

                /// Applies a function to every lane.
                #[inline(always)]
                pub(super) fn map(vector: u128, f: impl Fn($lane) -> $lane) -> u128 {
                    join(split(vector).map(f))
                }

                /// Applies a function to every pair of lanes.
                #[inline(always)]
                pub(super) fn zip(a: u128, b: u128, f: impl Fn($lane, $lane) -> $lane) -> u128 {
                    let (a, b) = (split(a), split(b));
                    from_fn(|i| f(a[i], b[i]))
                }

                /// Sets each lane to all ones where the pair of lanes fulfils a condition, else to zero.
                #[inline(always)]
                pub(super) fn compare(a: u128, b: u128, f: impl Fn($lane, $lane) -> bool) -> u128 {
                    let (a, b) = (split(a), split(b));
                    from_fn(|i| {
                        let ones: $bits = if f(a[i], b[i]) { <$bits>::MAX } else { 0 };
                        <$lane>::from_le_bytes(ones.to_le_bytes())
                    })
                }

                /// Takes each lane from the second vector where the pair fulfils a condition, else from the first.
                #[inline(always)]
                pub(super) fn choose(a: u128, b: u128, f: impl Fn($lane, $lane) -> bool) -> u128 {
                    let mask = compare(a, b, f);
                    b & mask | a & !mask
                }

                /// Gathers the highest bit of every lane.
                #[inline(always)]
                pub(super) fn bitmask(vector: u128) -> u32 {
                    let bytes = vector.to_le_bytes();
                    (0..$count).fold(0, |mask, i| {
                        mask | u32::from(bytes[i * BYTES + BYTES - 1] >> 7) << i
                    })
                }

                /// Makes a vector of the lanes of two of twice the width.
                #[inline(always)]
                pub(super) fn narrow<T: Copy>(
                    a: [T; $count / 2],
                    b: [T; $count / 2],
                    f: impl Fn(T) -> $lane,
                ) -> u128 {
                    from_fn(|i| f(if i < $count / 2 { a[i] } else { b[i - $count / 2] }))
                }
            }
        )*
    };
}

shapes! {
    i8x16: i8, u8, 16;
    u8x16: u8, u8, 16;
    i16x8: i16, u16, 8;
    u16x8: u16, u16, 8;
    i32x4: i32, u32, 4;
    u32x4: u32, u32, 4;
    i64x2: i64, u64, 2;
    u64x2: u64, u64, 2;
    f32x4: f32, u32, 4;
    f64x2: f64, u64, 2;
}
