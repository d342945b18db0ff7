//! Values of scripts: what functions are called with, and what they must return.

use lathe_vm::{TrapKind, Value, ValueType};
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Const, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

const F32_CANONICAL_NAN: u32 = 0x7fc0_0000;
const F64_CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;
const F32_SIGN: u32 = 1 << 31;
const F64_SIGN: u64 = 1 << 63;

/// Which NaN an expectation of any NaN means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nan {
    /// The canonical one, as every NaN is that arithmetic makes.
    Canonical,
    /// The canonical one negated: negation changes the sign and nothing else, so it can give this one, too.
    Negated,
}

impl Nan {
    fn f32(self) -> u32 {
        F32_CANONICAL_NAN | if self == Self::Negated { F32_SIGN } else { 0 }
    }

    fn f64(self) -> u64 {
        F64_CANONICAL_NAN | if self == Self::Negated { F64_SIGN } else { 0 }
    }
}

/// Returns whether a trap is the one the suite asks for. Its texts can be longer or shorter than ours.
pub(crate) fn says(kind: TrapKind, message: &str) -> bool {
    message.starts_with(kind.text()) || kind.text().starts_with(message)
}

/// Returns an argument.
pub(crate) fn argument(argument: &WastArg<'_>) -> Result<Value, String> {
    let WastArg::Core(argument) = argument else { return Err("argument of a component".to_owned()) };
    Ok(match argument {
        WastArgCore::I32(value) => Value::I32(*value),
        WastArgCore::I64(value) => Value::I64(*value),
        WastArgCore::F32(value) => Value::F32(value.bits),
        WastArgCore::F64(value) => Value::F64(value.bits),
        WastArgCore::V128(value) => Value::V128(vector(value)),
        WastArgCore::RefNull(ty) => match heap_type(ty) {
            Some(ValueType::ExternRef) => Value::ExternRef(None),
            Some(ValueType::FuncRef) => Value::FuncRef(None),
            _ => return Err(format!("null of {ty:?}")),
        },
        WastArgCore::RefExtern(number) => Value::ExternRef(Some(*number)),
        WastArgCore::RefHost(_) => return Err("reference of another proposal".to_owned()),
    })
}

fn vector(value: &V128Const) -> u128 {
    u128::from_le_bytes(value.to_le_bytes())
}

fn heap_type(ty: &HeapType<'_>) -> Option<ValueType> {
    match ty {
        HeapType::Abstract { ty: AbstractHeapType::Func, .. } => Some(ValueType::FuncRef),
        HeapType::Abstract { ty: AbstractHeapType::Extern, .. } => Some(ValueType::ExternRef),
        _ => None,
    }
}

fn f32_bits(pattern: &NanPattern<F32>, nan: Nan) -> u32 {
    match pattern {
        NanPattern::CanonicalNan | NanPattern::ArithmeticNan => nan.f32(),
        NanPattern::Value(value) => value.bits,
    }
}

fn f64_bits(pattern: &NanPattern<F64>, nan: Nan) -> u64 {
    match pattern {
        NanPattern::CanonicalNan | NanPattern::ArithmeticNan => nan.f64(),
        NanPattern::Value(value) => value.bits,
    }
}

fn vector_bits(pattern: &V128Pattern, nan: Nan) -> u128 {
    let mut bytes = [0; 16];
    let lanes: Vec<u8> = match pattern {
        V128Pattern::I8x16(lanes) => lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect(),
        V128Pattern::I16x8(lanes) => lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect(),
        V128Pattern::I32x4(lanes) => lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect(),
        V128Pattern::I64x2(lanes) => lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect(),
        V128Pattern::F32x4(lanes) => {
            lanes.iter().flat_map(|lane| f32_bits(lane, nan).to_le_bytes()).collect()
        }
        V128Pattern::F64x2(lanes) => {
            lanes.iter().flat_map(|lane| f64_bits(lane, nan).to_le_bytes()).collect()
        }
    };
    bytes.copy_from_slice(&lanes);
    u128::from_le_bytes(bytes)
}

/// Returns whether a value is the one the suite asks for.
pub(crate) fn matches(value: Value, want: &WastRet<'_>, nan: Nan) -> bool {
    let WastRet::Core(want) = want else { return false };
    match (value, want) {
        (Value::I32(value), WastRetCore::I32(want)) => value == *want,
        (Value::I64(value), WastRetCore::I64(want)) => value == *want,
        (Value::F32(value), WastRetCore::F32(want)) => value == f32_bits(want, nan),
        (Value::F64(value), WastRetCore::F64(want)) => value == f64_bits(want, nan),
        (Value::V128(value), WastRetCore::V128(want)) => value == vector_bits(want, nan),
        (Value::FuncRef(value), WastRetCore::RefNull(_)) => value.is_none(),
        (Value::ExternRef(value), WastRetCore::RefNull(_)) => value.is_none(),
        (Value::FuncRef(value), WastRetCore::RefFunc(_)) => value.is_some(),
        (Value::ExternRef(value), WastRetCore::RefExtern(want)) => {
            value.is_some() && (want.is_none() || value == *want)
        }
        _ => false,
    }
}
