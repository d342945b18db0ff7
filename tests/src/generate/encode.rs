//! The binary format, as far as generated modules need it.

use lathe_vm::ValueType;

/// The sections in their order, by their ids.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Section {
    Type = 1,
    Import = 2,
    Function = 3,
    Table = 4,
    Memory = 5,
    Global = 6,
    Export = 7,
    Element = 9,
    DataCount = 12,
    Code = 10,
    Data = 11,
}

impl Section {
    pub(crate) fn write(self, out: &mut Vec<u8>, content: &[u8]) {
        out.push(self as u8);
        out.extend(unsigned(content.len() as u64));
        out.extend(content);
    }
}

/// Returns an unsigned LEB128 number.
pub(crate) fn unsigned(mut value: u64) -> Vec<u8> {
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
pub(crate) fn signed(mut value: i64) -> Vec<u8> {
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
pub(crate) fn vector(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<Vec<u8>> = items.into_iter().collect();
    [unsigned(items.len() as u64), items.concat()].concat()
}

/// Returns a name: its length, then its bytes.
pub(crate) fn name(name: &str) -> Vec<u8> {
    [unsigned(name.len() as u64), name.as_bytes().to_vec()].concat()
}

/// Returns the byte of a type.
pub(crate) fn value_type(ty: ValueType) -> u8 {
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
