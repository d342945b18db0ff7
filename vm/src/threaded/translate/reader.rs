//! Reads the operators of a valid body.
//!
//! The body was decoded and checked when its module was made, so nothing is left to be refused, and a number is read in
//! the few instructions that its usual length, one byte, needs. Types that hardly any compiler writes in their long
//! form are left to the parser that knows all of them.

use crate::ValueType;
use crate::module::value_type;
use alloc::vec::Vec;
use wasmparser::{BinaryReader, FromReader, HeapType, ValType};

/// What opcodes of two parts begin with.
pub(super) const PREFIX_MISC: u8 = 0xfc;
pub(super) const PREFIX_VECTOR: u8 = 0xfd;

/// What a number in LEB128 goes on in: the bit that says so, and the bits of the number in each byte.
const CONTINUES: u8 = 0x80;
const GROUP_BITS: u32 = 7;
const SIGN: u8 = 0x40;

/// The type of a block that takes and leaves nothing.
const EMPTY_BLOCK: u8 = 0x40;

/// In the first number of a memory access, says that the index of a memory follows.
const HAS_MEMORY: u64 = 0x40;

/// The type of a block.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockType {
    Empty,
    /// One result.
    One(ValueType),
    /// The type at an index.
    Declared(u32),
}

/// A place in a valid body.
///
/// What is long is done on a copy, so that the place itself can stay in registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the bytes begin in the module.
    start: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], start: u32) -> Self {
        Self { bytes, at: 0, start }
    }

    #[inline(always)]
    pub(super) fn at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Returns the place in the module.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a module has fewer than 2^32 bytes")]
    pub(super) fn offset(&self) -> u32 {
        self.start + self.at as u32
    }

    #[inline(always)]
    pub(super) fn byte(&mut self) -> u8 {
        let byte = self.bytes[self.at];
        self.at += 1;
        byte
    }

    #[inline(always)]
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let bytes = self.bytes[self.at..].first_chunk().expect("the body was validated");
        self.at += N;
        *bytes
    }

    /// Reads what follows the prefix of an opcode.
    pub(super) fn number(&mut self) -> u8 {
        u8::try_from(self.unsigned()).expect("opcodes beyond are of proposals that the validator refuses")
    }

    /// Reads an index or a depth.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the validator wants 32 bits")]
    pub(super) fn index(&mut self) -> u32 {
        self.unsigned() as u32
    }

    #[inline(always)]
    pub(super) fn unsigned(&mut self) -> u64 {
        match self.byte() {
            byte if byte < CONTINUES => byte.into(),
            byte => self.read(|copy| copy.long_number(byte)).0,
        }
    }

    /// Reads a number with sign.
    #[inline(always)]
    pub(super) fn signed(&mut self) -> i64 {
        let (number, bits) = match self.byte() {
            byte if byte < CONTINUES => (byte.into(), GROUP_BITS),
            byte => self.read(|copy| copy.long_number(byte)),
        };
        let unused = u64::BITS.saturating_sub(bits);
        (number << unused).cast_signed() >> unused
    }

    /// Reads the rest of a number that begins with `byte`. Returns it, and how many bits it was written in.
    #[inline(never)]
    fn long_number(&mut self, mut byte: u8) -> (u64, u32) {
        let (mut number, mut bits) = (0, 0);
        loop {
            number |= u64::from(byte & !CONTINUES) << bits;
            bits += GROUP_BITS;
            if byte < CONTINUES {
                return (number, bits);
            }
            byte = self.byte();
        }
    }

    /// Reads what is too long to be inlined.
    #[inline(always)]
    fn read<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let mut copy = *self;
        let value = read(&mut copy);
        self.at = copy.at;
        value
    }

    /// Reads what comes with an access to memory. Returns the offset to add to addresses.
    #[inline(always)]
    pub(super) fn access(&mut self) -> u64 {
        let alignment = self.unsigned();
        if alignment & HAS_MEMORY != 0 {
            self.index();
        }
        self.unsigned()
    }

    #[inline(always)]
    pub(super) fn block_type(&mut self) -> BlockType {
        if self.bytes[self.at] == EMPTY_BLOCK {
            self.at += 1;
            return BlockType::Empty;
        }
        self.read(Self::long_block_type)
    }

    #[inline(never)]
    fn long_block_type(&mut self) -> BlockType {
        let byte = self.bytes[self.at];
        if byte & (CONTINUES | SIGN) == SIGN {
            BlockType::One(self.value_type())
        } else {
            BlockType::Declared(u32::try_from(self.signed()).expect("the validator wants an index"))
        }
    }

    fn value_type(&mut self) -> ValueType {
        let ty = match self.bytes[self.at] {
            0x7f => ValueType::I32,
            0x7e => ValueType::I64,
            0x7d => ValueType::F32,
            0x7c => ValueType::F64,
            _ => return value_type(self.parse::<ValType>(), 0).expect("the types of a valid body are ours"),
        };
        self.at += 1;
        ty
    }

    /// Reads the type of a null reference.
    #[inline(always)]
    pub(super) fn reference_type(&mut self) -> ValueType {
        if self.read(Self::parse::<HeapType>) == HeapType::EXTERN {
            ValueType::ExternRef
        } else {
            ValueType::FuncRef
        }
    }

    /// Steps over the types of a `select`.
    #[inline(always)]
    pub(super) fn skip_types(&mut self) {
        self.read(|copy| {
            for _ in 0..copy.index() {
                copy.value_type();
            }
        });
    }

    /// Reads the targets of a branch table, the default last.
    #[inline(always)]
    pub(super) fn targets(&mut self, targets: &mut Vec<u32>) {
        self.read(|copy| {
            targets.clear();
            let count = copy.index();
            targets.extend((0..=count).map(|_| copy.index()));
        });
    }

    /// Reads what the parser knows how to read.
    fn parse<T: FromReader<'a>>(&mut self) -> T {
        let mut reader = BinaryReader::new(&self.bytes[self.at..], 0);
        let value = reader.read().expect("the body was validated");
        self.at += reader.current_position();
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length_are_read() {
        let read = |bytes: &[u8]| {
            let (mut unsigned, mut signed) = (Reader::new(bytes, 5), Reader::new(bytes, 5));
            let numbers = (unsigned.unsigned(), signed.signed());
            assert!(unsigned.at_end() && signed.at_end(), "{bytes:02x?} is not read whole");
            assert_eq!(signed.offset(), 5 + u32::try_from(bytes.len()).unwrap());
            numbers
        };
        assert_eq!(read(&[0]), (0, 0));
        assert_eq!(read(&[0x3f]), (63, 63));
        assert_eq!(read(&[0x40]), (64, -64));
        assert_eq!(read(&[0x7f]), (127, -1));
        assert_eq!(read(&[0xff, 0x00]), (127, 127));
        assert_eq!(read(&[0x80, 0x7f]), (0x3f80, -128));
        // Longer than needed, as the standard allows.
        assert_eq!(read(&[0x83, 0x80, 0x80, 0x80, 0x00]), (3, 3));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x7f]), ((1 << 35) - 1, -1));
        let least = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f];
        assert_eq!(read(&least).1, i64::MIN);
    }
}
