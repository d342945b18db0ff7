//! SCALE bytes of values, and values of SCALE bytes.

use alloy_primitives::{I256, U256};
use parity_scale_codec::{Compact, Decode, Encode};

use super::types::Type;
use crate::cli::value::Value;

/// Appends the encoding of `value`, which must be of type `kind`.
///
/// # Panics
/// When the value is not of the type; values read from text or decoded always are.
pub(in crate::cli) fn encode(kind: &Type, value: &Value, out: &mut Vec<u8>) {
    match (kind, value) {
        (Type::Bool, Value::Bool(value)) => value.encode_to(out),
        (Type::Uint(bits), Value::Uint(value)) => {
            out.extend_from_slice(&value.to_le_bytes::<32>()[..usize::from(bits / 8)]);
        }
        (Type::Int(bits), Value::Int(value)) => {
            out.extend_from_slice(&value.to_le_bytes::<32>()[..usize::from(bits / 8)]);
        }
        (Type::Text, Value::Text(text)) => text.encode_to(out),
        (Type::Bytes, Value::Bytes(bytes)) => bytes.encode_to(out),
        (Type::FixedBytes(_), Value::Bytes(bytes)) => out.extend_from_slice(bytes),
        (Type::Option(_), Value::Optional(None)) => out.push(0),
        (Type::Option(inner), Value::Optional(Some(value))) => {
            out.push(1);
            encode(inner, value, out);
        }
        (Type::Vec(element), Value::List(values)) => {
            let len = u32::try_from(values.len()).expect("a command line is shorter than 4 GiB");
            Compact(len).encode_to(out);
            values.iter().for_each(|value| encode(element, value, out));
        }
        (Type::Array(element, _), Value::List(values)) => {
            values.iter().for_each(|value| encode(element, value, out));
        }
        (Type::Tuple(members), Value::Tuple(values)) => {
            members.iter().zip(values).for_each(|(member, value)| encode(member, value, out));
        }
        _ => panic!("{value} is not of type {kind}"),
    }
}

/// Decodes a value of type `kind` that takes up all of `bytes`.
pub(in crate::cli) fn decode(kind: &Type, bytes: &[u8]) -> Result<Value, String> {
    let mut rest = bytes;
    let value = take(kind, &mut rest)
        .map_err(|why| format!("{kind}: {why} at byte {} of {}", bytes.len() - rest.len(), bytes.len()))?;
    match rest.len() {
        0 => Ok(value),
        extra => Err(format!("{kind}: {extra} bytes of {} are left over", bytes.len())),
    }
}

/// Takes a value from the front of `rest`; the depth of recursion is that of the type, which has a limit.
fn take(kind: &Type, rest: &mut &[u8]) -> Result<Value, String> {
    let value = match kind {
        Type::Bool => match take_bytes(rest, 1)?[0] {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            other => return Err(format!("0x{other:02x} is no bool")),
        },
        Type::Uint(bits) => Value::Uint(U256::from_le_slice(take_bytes(rest, usize::from(bits / 8))?)),
        Type::Int(bits) => {
            let bytes = take_bytes(rest, usize::from(bits / 8))?;
            let is_negative = bytes.last().is_some_and(|high| high & 0x80 != 0);
            let mut extended = [if is_negative { 0xff } else { 0 }; 32];
            extended[..bytes.len()].copy_from_slice(bytes);
            Value::Int(I256::from_le_bytes(extended))
        }
        Type::Text => {
            let len = take_len(rest)?;
            let text =
                String::from_utf8(take_bytes(rest, len)?.to_vec()).map_err(|_| "text that is not UTF-8")?;
            Value::Text(text)
        }
        Type::Bytes => {
            let len = take_len(rest)?;
            Value::Bytes(take_bytes(rest, len)?.to_vec())
        }
        Type::FixedBytes(len) => Value::Bytes(take_bytes(rest, *len)?.to_vec()),
        Type::Option(inner) => match take_bytes(rest, 1)?[0] {
            0 => Value::Optional(None),
            1 => Value::Optional(Some(Box::new(take(inner, rest)?))),
            other => return Err(format!("0x{other:02x} is no option")),
        },
        Type::Vec(element) => {
            let len = take_len(rest)?;
            Value::List((0..len).map(|_| take(element, rest)).collect::<Result<_, _>>()?)
        }
        Type::Array(element, len) => {
            Value::List((0..*len).map(|_| take(element, rest)).collect::<Result<_, _>>()?)
        }
        Type::Tuple(members) => {
            Value::Tuple(members.iter().map(|member| take(member, rest)).collect::<Result<_, _>>()?)
        }
    };
    Ok(value)
}

/// Takes the length of a sequence, whose elements are at least a byte each.
fn take_len(rest: &mut &[u8]) -> Result<usize, String> {
    let Compact(len) = Compact::<u32>::decode(rest).map_err(|_| "no length")?;
    let len = usize::try_from(len).map_err(|_| "a length beyond this machine")?;
    if len > rest.len() {
        return Err(format!("a length of {len}, with {} bytes to come", rest.len()));
    }
    Ok(len)
}

fn take_bytes<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], String> {
    let (taken, after) =
        rest.split_at_checked(len).ok_or_else(|| format!("{len} bytes expected, {} left", rest.len()))?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::scale::parse_value;

    #[test]
    fn values_encode_as_parity_scale_codec_does_and_decode_again() {
        let table: [(&str, &str, Vec<u8>); 16] = [
            ("bool", "true", true.encode()),
            ("u8", "7", 7u8.encode()),
            ("u16", "258", 258u16.encode()),
            ("u32", "4000000000", 4_000_000_000u32.encode()),
            ("u64", "0xffffffffffffffff", u64::MAX.encode()),
            ("u128", "340282366920938463463374607431768211455", u128::MAX.encode()),
            ("i8", "-1", (-1i8).encode()),
            ("i32", "-2147483648", i32::MIN.encode()),
            ("i128", "-170141183460469231731687303715884105728", i128::MIN.encode()),
            ("str", "Grüße", "Grüße".encode()),
            ("bytes", "0x010203", vec![1u8, 2, 3].encode()),
            ("[u8; 4]", "0x01020304", [1u8, 2, 3, 4].encode()),
            ("Option<u16>", "some(5)", Some(5u16).encode()),
            ("Option<bool>", "none", None::<u8>.encode()),
            ("Vec<(u8, str)>", r#"[(1,"a"),(2,"")]"#, vec![(1u8, "a"), (2, "")].encode()),
            ("[u16; 2]", "[1,2]", [1u16, 2].encode()),
        ];
        for (kind, text, expected) in table {
            let kind: Type = kind.parse().expect(kind);
            let value = parse_value(&kind, text).expect(text);
            let mut encoded = Vec::new();
            encode(&kind, &value, &mut encoded);
            assert_eq!(encoded, expected, "{kind} {text}");
            assert_eq!(decode(&kind, &encoded), Ok(value), "{kind} {text}");
        }
        let long = "x".repeat(20_000);
        let mut encoded = Vec::new();
        encode(&Type::Text, &Value::Text(long.clone()), &mut encoded);
        assert_eq!(encoded, long.encode());
    }

    #[test]
    fn bytes_that_are_no_value_are_refused_in_words() {
        for (kind, bytes, expected) in [
            ("bool", &[2u8][..], "0x02 is no bool"),
            ("u32", &[1, 2], "4 bytes expected, 2 left at byte 0 of 2"),
            ("u8", &[1, 2], "1 bytes of 2 are left over"),
            ("str", &[8, b'a'], "a length of 2, with 1 bytes to come"),
            ("str", &[4, 0xff], "not UTF-8"),
            ("Vec<u16>", &[0xfe, 0xff, 0xff, 0xff], "a length of"),
            ("Option<u8>", &[3], "0x03 is no option"),
            ("str", &[], "no length"),
        ] {
            let kind: Type = kind.parse().expect(kind);
            let error = decode(&kind, bytes).expect_err(expected);
            assert!(error.contains(expected), "{kind} {bytes:?}: {error}");
        }
    }
}
