//! Values of contract calls, independent of their encoding.

use std::fmt;

use alloy_primitives::{I256, U256};
use serde_json::{Value as Json, json};

/// A value that went into a contract call or came out of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    Uint(U256),
    Int(I256),
    Text(String),
    Bytes(Vec<u8>),
    /// `None` or `Some`.
    Optional(Option<Box<Value>>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
}

impl Value {
    /// Returns the value as JSON: bytes in hex, integers that JavaScript would round as strings.
    pub(super) fn to_json(&self) -> Json {
        let number = |text: String| match text.parse::<i64>() {
            Ok(small) if small.unsigned_abs() < JSON_INTEGER_LIMIT => json!(small),
            _ => Json::String(text),
        };
        match self {
            Self::Bool(value) => json!(value),
            Self::Uint(value) => number(value.to_string()),
            Self::Int(value) => number(value.to_string()),
            Self::Text(text) => json!(text),
            Self::Bytes(bytes) => json!(format!("0x{}", hex::encode(bytes))),
            Self::Optional(None) => Json::Null,
            Self::Optional(Some(value)) => value.to_json(),
            Self::List(values) | Self::Tuple(values) => values.iter().map(Self::to_json).collect(),
        }
    }

    /// Returns the value as a result is printed: text as it is, everything else as it would be typed.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Integers from here on lose digits in JavaScript (2^53).
const JSON_INTEGER_LIMIT: u64 = 1 << 53;

impl fmt::Display for Value {
    /// Writes the value in the form in which the command line reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, open: char, values: &[Self], close: char| {
            write!(f, "{open}")?;
            for (index, value) in values.iter().enumerate() {
                write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
            }
            write!(f, "{close}")
        };
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Uint(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{}", json!(text)),
            Self::Bytes(bytes) => write!(f, "0x{}", hex::encode(bytes)),
            Self::Optional(None) => f.write_str("none"),
            Self::Optional(Some(value)) => write!(f, "some({value})"),
            Self::List(values) => list(f, '[', values, ']'),
            Self::Tuple(values) => list(f, '(', values, ')'),
        }
    }
}
