//! Revert data: Solidity's `Error(string)`, whatever the encoding of the call.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Display;

/// The selector of `Error(string)`, which Solidity and every Ethereum client use for a reason in words.
pub const ERROR_SELECTOR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];

/// The bytes of one ABI word.
const WORD_LEN: usize = 32;

/// Why a call failed, in words. A call that reverts changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revert(String);

impl Revert {
    /// Returns a revert with the text of `reason`.
    pub fn new(reason: impl Display) -> Self {
        Self(reason.to_string())
    }

    /// Returns the reason.
    pub fn reason(&self) -> &str {
        &self.0
    }

    /// Returns the revert data: [`ERROR_SELECTOR`], then the ABI encoding of one string: the word 32 (where the string
    /// starts), its length in bytes as a word, its bytes, and zeros up to a whole word.
    pub fn to_data(&self) -> Vec<u8> {
        let reason = self.0.as_bytes();
        let mut data =
            Vec::with_capacity(ERROR_SELECTOR.len() + 2 * WORD_LEN + reason.len().next_multiple_of(WORD_LEN));
        data.extend_from_slice(&ERROR_SELECTOR);
        data.extend_from_slice(&word(WORD_LEN));
        data.extend_from_slice(&word(reason.len()));
        data.extend_from_slice(reason);
        data.resize(data.capacity(), 0);
        data
    }
}

/// Returns `number` as an ABI word: 32 bytes, big-endian.
fn word(number: usize) -> [u8; WORD_LEN] {
    let mut word = [0; WORD_LEN];
    let bytes = number.to_be_bytes();
    word[WORD_LEN - bytes.len()..].copy_from_slice(&bytes);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_padded_to_whole_words() {
        for (len, words) in [(0, 2), (1, 3), (32, 3), (33, 4)] {
            let data = Revert::new("x".repeat(len)).to_data();
            assert_eq!(data.len(), 4 + 32 * words, "{len}");
            assert_eq!(data[..4], ERROR_SELECTOR);
            assert_eq!((data[4 + 31], usize::from(data[4 + 63])), (32, len));
            assert!(data[68..68 + len].iter().all(|byte| *byte == b'x'));
            assert!(data[68 + len..].iter().all(|byte| *byte == 0));
        }
    }
}
