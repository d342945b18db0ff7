//! SCALE values at the command line: types and values from text, bytes from values, and back.
//!
//! SCALE is the codec of `parity-scale-codec`: little-endian integers, compact lengths, no padding and no names.

mod codec;
mod text;
mod types;

pub(super) use codec::{decode, encode};
pub(super) use text::parse_value;
pub(super) use types::Type;
