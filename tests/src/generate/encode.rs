//! The binary format, as far as generated modules need it.

use lathe_vm::ValueType;

/// The sections that modules here have, with their ids.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Section {
    /// Types of functions and blocks.
    Type = 1,
    /// Imports.
    Import = 2,
    /// The type of each function.
    Function = 3,
    /// Tables.
    Table = 4,
    /// Memories.
    Memory = 5,
    /// Globals.
    Global = 6,
    /// Exports.
    Export = 7,
    /// Element segments.
    Element = 9,
    /// The number of data segments.
    DataCount = 12,
    /// Function bodies.
    Code = 10,
    /// Data segments.
    Data = 11,
}

impl Section {
    /// Appends the section with this content.
    pub fn write(self, out: &mut Vec<u8>, content: &[u8]) {
        out.push(self as u8);
        out.extend(unsigned(content.len() as u64));
        out.extend(content);
    }
}

/// Returns an unsigned LEB128 number.
pub fn unsigned(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// Returns a signed LEB128 number.
pub fn signed(mut value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        let sign = low & 0x40 != 0;
        if (value == 0 && !sign) || (value == -1 && sign) {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// Returns a vector: how many items there are, then the items.
pub fn vector(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<Vec<u8>> = items.into_iter().collect();
    [unsigned(items.len() as u64), items.concat()].concat()
}

/// Returns a name: its length, then its bytes.
pub fn name(name: &str) -> Vec<u8> {
    [unsigned(name.len() as u64), name.as_bytes().to_vec()].concat()
}

/// Returns the byte of a type.
pub fn value_type(ty: ValueType) -> u8 {
    match ty {
        ValueType::I32 => 0x7f,
        ValueType::I64 => 0x7e,
        ValueType::F32 => 0x7d,
        ValueType::F64 => 0x7c,
        ValueType::V128 => 0x7b,
        ValueType::FuncRef => 0x70,
        ValueType::ExternRef => 0x6f,
    }
}
