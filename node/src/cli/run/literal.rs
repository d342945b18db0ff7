//! Values of WebAssembly as text.

use lathe_vm::{Value, ValueType};

/// Reads a value of a type. Integers are signed or unsigned; those with `0x` are bits.
pub(super) fn parse(text: &str, ty: ValueType) -> Option<Value> {
    let hex = text.strip_prefix("0x");
    Some(match ty {
        ValueType::I32 => Value::I32(match hex {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?.cast_signed(),
            None => text.parse().ok().or_else(|| text.parse().ok().map(u32::cast_signed))?,
        }),
        ValueType::I64 => Value::I64(match hex {
            Some(hex) => u64::from_str_radix(hex, 16).ok()?.cast_signed(),
            None => text.parse().ok().or_else(|| text.parse().ok().map(u64::cast_signed))?,
        }),
        ValueType::F32 => Value::F32(text.parse::<f32>().ok()?.to_bits()),
        ValueType::F64 => Value::F64(text.parse::<f64>().ok()?.to_bits()),
        ValueType::V128 => Value::V128(u128::from_str_radix(hex?, 16).ok()?),
        ValueType::FuncRef if text == "null" => Value::FuncRef(None),
        ValueType::ExternRef if text == "null" => Value::ExternRef(None),
        ValueType::ExternRef => Value::ExternRef(Some(text.parse().ok()?)),
        ValueType::FuncRef => return None,
    })
}

/// Writes a value so that it reads back as the same, but for the payload of a NaN and functions.
pub(super) fn format(value: Value) -> String {
    match value {
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F32(bits) => f32::from_bits(bits).to_string(),
        Value::F64(bits) => f64::from_bits(bits).to_string(),
        Value::V128(bits) => format!("{bits:#034x}"),
        Value::FuncRef(None) | Value::ExternRef(None) => "null".into(),
        Value::FuncRef(Some(_)) => "funcref".into(),
        Value::ExternRef(Some(number)) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_as_they_are_written() {
        for (ty, text) in [
            (ValueType::I32, "-2147483648"),
            (ValueType::I64, "9223372036854775807"),
            (ValueType::F32, "-0"),
            (ValueType::F64, "0.1"),
            (ValueType::F64, "inf"),
            (ValueType::V128, "0x0123456789abcdef0000000000000001"),
            (ValueType::FuncRef, "null"),
            (ValueType::ExternRef, "7"),
        ] {
            assert_eq!(parse(text, ty).map(format).as_deref(), Some(text), "{ty}");
        }
    }

    #[test]
    fn integers_are_signed_unsigned_or_bits() {
        for text in ["-1", "4294967295", "0xffffffff"] {
            assert_eq!(parse(text, ValueType::I32), Some(Value::I32(-1)), "{text}");
        }
        for (text, ty) in [
            ("4294967296", ValueType::I32),
            ("0x", ValueType::I32),
            ("one", ValueType::F32),
            ("1", ValueType::V128),
            ("1", ValueType::FuncRef),
        ] {
            assert_eq!(parse(text, ty), None, "{text}");
        }
    }
}
