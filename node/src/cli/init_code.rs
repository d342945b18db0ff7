//! Init code for EEI contracts: a module that finishes with the contract's code, which creation data must be.

use crate::runtime::code::WASM_MAGIC;

/// What follows the magic number: version 1 of the binary format.
const VERSION: [u8; 4] = [1, 0, 0, 0];
/// Bytes of a page of memory.
const PAGE_BYTES: usize = 65_536;

/// Sections of a module, by their numbers in the binary format.
mod section {
    pub(super) const TYPE: u8 = 1;
    pub(super) const IMPORT: u8 = 2;
    pub(super) const FUNCTION: u8 = 3;
    pub(super) const MEMORY: u8 = 5;
    pub(super) const EXPORT: u8 = 7;
    pub(super) const CODE: u8 = 10;
    pub(super) const DATA: u8 = 11;
}

/// Returns a module that finishes with `code`. The same code always gives the same bytes.
pub(super) fn finishing_with(code: &[u8]) -> Vec<u8> {
    let pages = leb128(code.len().div_ceil(PAGE_BYTES));
    // main: i32.const 0, i32.const the length, call finish, end.
    let body = [&[0, 0x41, 0, 0x41][..], &signed_leb128(code.len()), &[0x10, 0, 0x0b]].concat();
    let sections = [
        // [i32 i32] -> [] and [] -> [].
        (section::TYPE, vec![2, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 0]),
        (section::IMPORT, [&[1][..], &name("ethereum"), &name("finish"), &[0, 0]].concat()),
        (section::FUNCTION, vec![1, 1]),
        (section::MEMORY, [&[1, 0][..], &pages].concat()),
        (section::EXPORT, [&[2][..], &name("memory"), &[2, 0], &name("main"), &[0, 1]].concat()),
        (section::CODE, [&[1][..], &leb128(body.len()), &body].concat()),
        // One active segment at i32.const 0.
        (section::DATA, [&[1, 0, 0x41, 0, 0x0b][..], &leb128(code.len()), code].concat()),
    ];
    let mut module = [WASM_MAGIC, VERSION].concat();
    for (id, contents) in sections {
        module.push(id);
        module.extend(leb128(contents.len()));
        module.extend(contents);
    }
    module
}

fn name(text: &str) -> Vec<u8> {
    [&leb128(text.len())[..], text.as_bytes()].concat()
}

/// Returns a number in LEB128: seven bits a byte, the lowest first.
fn leb128(number: usize) -> Vec<u8> {
    let mut rest = number;
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Returns a number that is not negative as a signed one, whose last byte has its sixth bit clear.
fn signed_leb128(number: usize) -> Vec<u8> {
    let mut bytes = leb128(number);
    if let Some(last) = bytes.last_mut().filter(|last| **last & 0x40 != 0) {
        *last |= 0x80;
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use lathe_vm::{Module, Rules};

    use super::*;

    #[test]
    fn it_is_a_module_of_any_length_that_holds_the_code() {
        for bytes in [0, 1, 63, 64, 65, 127, 128, 8_191, 8_192, 65_535, 65_536, 65_537, 200_000] {
            let code: Vec<u8> = (0..=255).cycle().take(bytes).collect();
            let init = finishing_with(&code);
            let module =
                Module::new(&init, &Rules::DEVNET).unwrap_or_else(|error| panic!("{bytes}: {error}"));
            assert_eq!(module.exports().len(), 2);
            assert!(init.ends_with(&code) && init.len() < bytes + 100, "{bytes}");
        }
    }

    #[test]
    fn lengths_are_signed_where_the_format_has_them_so() {
        let table: [(usize, &[u8]); 5] =
            [(0, &[0]), (63, &[63]), (64, &[0xc0, 0]), (127, &[0xff, 0]), (128, &[0x80, 1])];
        for (number, bytes) in table {
            assert_eq!(signed_leb128(number), bytes, "{number}");
        }
    }
}
