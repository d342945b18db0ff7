//! Values as state tests write them: hexadecimal with or without `0x`, decimal, with leading zeros or an odd number of
//! digits.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::format::FormatError;

/// What begins a number that its author marked as too long for its field, or bytes that their author gave as they are.
const MARKS: [&str; 2] = ["0x:bigint ", ":raw "];

/// A number; none is one of more than 256 bits, which only a transaction that nobody takes can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(Option<U256>);

impl Default for Number {
    fn default() -> Self {
        Self(Some(U256::ZERO))
    }
}

/// A number in JSON: text, or a number of JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Number(u64),
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Written::deserialize(deserializer)? {
            Written::Number(number) => return Ok(Self(Some(U256::from(number)))),
            Written::Text(text) => text,
        };
        let (digits, radix) = match unmarked(&text).strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (unmarked(&text), 10),
        };
        if !digits.chars().all(|digit| digit.is_digit(radix)) || (radix == 10 && digits.is_empty()) {
            return Err(D::Error::custom(format!("expected a number, got {text:?}")));
        }
        // All are digits, so the one thing that can be wrong is that there are too many.
        Ok(Self(U256::from_str_radix(digits, radix.into()).ok()))
    }
}

impl Number {
    pub(super) fn word(self, key: &'static str) -> Result<U256, FormatError> {
        self.0.ok_or(FormatError::Number { key, bits: 256 })
    }

    pub(super) fn u64(self, key: &'static str) -> Result<u64, FormatError> {
        u64::try_from(self.word(key)?).map_err(|_| FormatError::Number { key, bits: 64 })
    }

    pub(super) fn u128(self, key: &'static str) -> Result<u128, FormatError> {
        u128::try_from(self.word(key)?).map_err(|_| FormatError::Number { key, bits: 128 })
    }

    pub(super) fn u8(self, key: &'static str) -> Result<u8, FormatError> {
        u8::try_from(self.word(key)?).map_err(|_| FormatError::Number { key, bits: 8 })
    }

    /// Returns the number as a hash, whose leading zeros a test may leave out.
    pub(super) fn hash(self, key: &'static str) -> Result<B256, FormatError> {
        Ok(self.word(key)?.into())
    }
}

fn unmarked(text: &str) -> &str {
    MARKS.iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text)
}

/// Bytes. An odd number of digits has a zero before them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HexBytes(pub(super) Bytes);

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = unmarked(&text);
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let padded = format!("{}{digits}", if digits.len().is_multiple_of(2) { "" } else { "0" });
        let bytes = hex::decode(padded);
        bytes.map(|bytes| Self(bytes.into())).map_err(|error| {
            // Code is long: what is wrong is told, not shown.
            D::Error::custom(format!("{} hexadecimal digits are no bytes: {error}", digits.len()))
        })
    }
}

/// Whom a transaction calls; none creates, and is written as nothing at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Callee(pub(super) Option<Address>);

impl<'de> Deserialize<'de> for Callee {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        if ["", "0x"].contains(&text.as_str()) {
            return Ok(Self(None));
        }
        let address = text.parse().map_err(|_| {
            D::Error::custom(format!("`to` is {text:?}: expected an address, or nothing for a creation"))
        })?;
        Ok(Self(Some(address)))
    }
}
