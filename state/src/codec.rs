//! SCALE for the types that records are made of, and the frame around a record.
//!
//! A **record** is a value of the database: one version byte, then the SCALE encoding of its fields in order, and nothing
//! after. Integers wider than a byte are SCALE *compact*; hashes and addresses are their bytes; lists and byte strings begin
//! with their compact length. Encodings are pinned in `ENCODINGS.txt`.

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use parity_scale_codec::{Compact, Decode, Encode, Error as ScaleError, Input};
use thiserror::Error;

/// Bytes that a `u128` fills; wider integers take SCALE's big-integer mode beyond what the codec crate offers.
const U128_BYTES: usize = 16;

/// A type that a record's field can have.
pub(crate) trait Field: Sized {
    /// Appends the SCALE encoding.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes one value off the front of `input`.
    fn take(input: &mut &[u8]) -> Result<Self, ScaleError>;

    /// Returns about how long the encoding is, so that writing it need not move it. Nothing else depends on it.
    fn len_hint(&self) -> usize {
        0
    }
}

/// A value of the database.
pub(crate) trait Record: Field {
    /// The first byte of every encoding.
    const VERSION: u8;

    /// Returns the bytes that go into the database.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.len_hint());
        out.push(Self::VERSION);
        self.put(&mut out);
        out
    }

    /// Reads what [`Record::to_bytes`] wrote; fails on any other bytes.
    fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let (&found, mut fields) = bytes.split_first().ok_or(RecordError::Empty)?;
        if found != Self::VERSION {
            return Err(RecordError::Version { found, expected: Self::VERSION });
        }
        let record = Self::take(&mut fields)?;
        if !fields.is_empty() {
            return Err(RecordError::Trailing { len: fields.len() });
        }
        Ok(record)
    }
}

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// There are no bytes at all.
    #[error("the value is empty")]
    Empty,
    /// Another version of the record, or none of ours.
    #[error("version {found}, this build reads version {expected}")]
    Version {
        /// The version byte found.
        found: u8,
        /// The version this build writes.
        expected: u8,
    },
    /// The fields do not decode.
    #[error("{0}")]
    Scale(#[from] ScaleError),
    /// Bytes follow the last field.
    #[error("{len} bytes follow the last field")]
    Trailing {
        /// How many bytes follow.
        len: usize,
    },
    /// A key or value that is not a record has the wrong length.
    #[error("{found} bytes instead of {expected}")]
    Length {
        /// The length found.
        found: usize,
        /// The only length it can have.
        expected: usize,
    },
}

/// Declares a struct of public fields once, and its field-by-field encoding with it.
macro_rules! fields {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$doc:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        $vis struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl $crate::codec::Field for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::codec::Field::put(&self.$field, out);)*
            }

            fn take(input: &mut &[u8]) -> Result<Self, parity_scale_codec::Error> {
                $(let $field = $crate::codec::Field::take(input)
                    .map_err(|error: parity_scale_codec::Error| error.chain(concat!("field ", stringify!($field))))?;)*
                Ok(Self { $($field,)* })
            }
        }
    };
}
pub(crate) use fields;

macro_rules! compact_integers {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                Compact(*self).encode_to(out);
            }

            fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
                Ok(Compact::<$type>::decode(input)?.0)
            }
        }
    )*};
}
compact_integers!(u32 u64 u128);

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.encode_to(out);
            }

            fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
                Self::decode(input)
            }
        }
    )*};
}
plain!(u8 bool String);

macro_rules! fixed_bytes {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_slice());
            }

            fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
                let mut value = Self::ZERO;
                input.read(value.as_mut_slice())?;
                Ok(value)
            }
        }
    )*};
}
fixed_bytes!(B64 Address B256 Bloom);

impl Field for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_ref().encode_to(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
        Vec::decode(input).map(Self::from)
    }
}

/// SCALE compact, whose format reaches to 2^536 although the codec crate stops at `u128`.
impl Field for U256 {
    fn put(&self, out: &mut Vec<u8>) {
        if let Ok(small) = u128::try_from(*self) {
            return small.put(out);
        }
        let len = self.byte_len();
        out.push(big_integer_prefix(len));
        out.extend_from_slice(&self.to_le_bytes::<32>()[..len]);
    }

    fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
        let first = *input.first().ok_or("no bytes left for a U256")?;
        let Some(len) = (U128_BYTES + 1..=32).find(|&len| big_integer_prefix(len) == first) else {
            return u128::take(input).map(Self::from);
        };
        input.read_byte()?;
        let mut bytes = [0; 32];
        input.read(&mut bytes[..len])?;
        if bytes[len - 1] == 0 {
            return Err("a U256 has a leading zero byte".into());
        }
        Ok(Self::from_le_bytes(bytes))
    }
}

/// SCALE's mode 0b11: the upper six bits count the bytes that follow, less four.
fn big_integer_prefix(len: usize) -> u8 {
    u8::try_from((len - 4) << 2 | 0b11).expect("at most 32 bytes")
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(value) => {
                out.push(1);
                value.put(out);
            }
        }
    }

    fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
        match input.read_byte()? {
            0 => Ok(None),
            1 => T::take(input).map(Some),
            _ => Err("an option is neither 0 nor 1".into()),
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        u32::try_from(self.len()).expect("a block has fewer than 2^32 of anything").put(out);
        for item in self {
            item.put(out);
        }
    }

    fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
        // Nothing is reserved for the length read: corrupt bytes must not allocate.
        let len = u32::take(input)?;
        (0..len).map(|_| T::take(input)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &impl Field) -> Vec<u8> {
        let mut out = Vec::new();
        value.put(&mut out);
        out
    }

    #[test]
    fn u256_is_compact_at_every_width() {
        for bits in 0..=256_usize {
            let value = if bits == 0 { U256::ZERO } else { U256::MAX >> (256 - bits) };
            let bytes = encoded(&value);
            assert_eq!(U256::take(&mut bytes.as_slice()), Ok(value), "{bits} bits");
            if let Ok(small) = u128::try_from(value) {
                assert_eq!(bytes, Compact(small).encode(), "{bits} bits");
            } else {
                assert_eq!(bytes.len(), 1 + bits.div_ceil(8), "{bits} bits");
            }
        }
    }

    #[test]
    fn a_padded_u256_is_refused() {
        let mut bytes = encoded(&(U256::from(1) << 128));
        *bytes.last_mut().expect("17 bytes") = 0;
        assert!(U256::take(&mut bytes.as_slice()).is_err());
    }

    #[test]
    fn a_long_list_in_few_bytes_is_refused_without_allocating() {
        assert!(Vec::<B256>::take(&mut encoded(&u32::MAX).as_slice()).is_err());
        assert!(Bytes::take(&mut encoded(&u32::MAX).as_slice()).is_err());
    }
}
