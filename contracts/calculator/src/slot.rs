//! Where a user's result is stored, byte by byte.
//!
//! The key is keccak256 of `lathe.calculator.result:` and the username's UTF-8 bytes. The value is 32 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | 1 if there is a result; a slot never written holds 0, so a stored 0 is told from none |
//! | 1..24 | zeros |
//! | 24..32 | the bits of the `f64`, big-endian, as Solidity would store a `uint64` |

/// What the username is prefixed with before it is hashed: it keeps these keys apart from any others.
pub const KEY_DOMAIN: &str = "lathe.calculator.result:";

/// The first byte of a slot that holds a result.
const PRESENT: u8 = 1;

/// Where the bits of the result begin.
const BITS_AT: usize = 24;

/// Returns the bytes whose keccak256 is the key of `username`.
pub fn key_preimage(username: &str) -> impl Iterator<Item = u8> {
    KEY_DOMAIN.bytes().chain(username.bytes())
}

/// Returns the value of a slot that holds `result`.
pub fn encode(result: f64) -> [u8; 32] {
    let mut value = [0; 32];
    value[0] = PRESENT;
    value[BITS_AT..].copy_from_slice(&result.to_bits().to_be_bytes());
    value
}

/// Returns the result that `value` holds, if there is one.
pub fn decode(value: &[u8; 32]) -> Option<f64> {
    let bits = value.last_chunk().expect("a slot has more than 8 bytes");
    (value[0] == PRESENT).then(|| f64::from_bits(u64::from_be_bytes(*bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_zero_is_not_an_empty_slot() {
        assert_eq!(decode(&[0; 32]), None);
        assert_eq!(decode(&encode(0.0)), Some(0.0));
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let value = encode(1449.0);
        assert_eq!(value[..24], [&[1][..], &[0; 23]].concat());
        assert_eq!(value[24..], [0x40, 0x96, 0xa4, 0, 0, 0, 0, 0]);
        assert_eq!(decode(&value), Some(1449.0));
    }
}
