//! The envelope that carries a Wasm module in creation data.
//!
//! | bytes | what |
//! |---|---|
//! | `EF 4C 01` | the magic: a Lathe creation envelope |
//! | 1 | flags: bit 0, the module is a brotli stream; bit 1, there is a constructor |
//! | 4 | n, big-endian |
//! | n | the module |
//! | the rest | arguments of the constructor, as clients append them |

use std::io::Cursor;

use brotli::enc::BrotliEncoderParams;

use crate::runtime::code::{ENVELOPE_PREFIX, FLAG_BROTLI, FLAG_CONSTRUCTOR, WASM_MAGIC};

/// The brotli window, 2^22 bytes: it covers the largest module, and every decoder takes it.
const BROTLI_WINDOW_BITS: i32 = 22;

/// A module on its way to the chain.
#[derive(Debug, Clone)]
pub struct Creation<'a> {
    /// The module, in binary.
    pub module: &'a [u8],
    /// Whether to compress the module, if that makes it smaller.
    pub compress: bool,
    /// Arguments of the constructor; `None` when the module has none.
    pub constructor: Option<&'a [u8]>,
}

/// Why there is no envelope for a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreationError {
    /// The bytes are no Wasm.
    #[error("not a Wasm module: it begins with 0x{0}, not with 0x0061736d")]
    NotWasm(String),
    /// The module's length does not fit the envelope.
    #[error("the module has {0} bytes: an envelope holds at most {max}", max = u32::MAX)]
    TooLarge(usize),
}

impl Creation<'_> {
    /// Returns the creation data. The same module always gives the same bytes.
    pub fn encode(&self) -> Result<Vec<u8>, CreationError> {
        if !self.module.starts_with(&WASM_MAGIC) {
            let head = &self.module[..self.module.len().min(WASM_MAGIC.len())];
            return Err(CreationError::NotWasm(hex::encode(head)));
        }
        let compressed = self.compress.then(|| compress(self.module)).filter(|c| c.len() < self.module.len());
        let mut flags = 0;
        if compressed.is_some() {
            flags |= FLAG_BROTLI;
        }
        if self.constructor.is_some() {
            flags |= FLAG_CONSTRUCTOR;
        }
        let payload = compressed.as_deref().unwrap_or(self.module);
        let len = u32::try_from(payload.len()).map_err(|_| CreationError::TooLarge(payload.len()))?;
        Ok([
            &ENVELOPE_PREFIX[..],
            &[flags],
            &len.to_be_bytes(),
            payload,
            self.constructor.unwrap_or_default(),
        ]
        .concat())
    }
}

/// Returns the module as one brotli stream of the highest quality.
fn compress(module: &[u8]) -> Vec<u8> {
    let params = BrotliEncoderParams {
        quality: 11,
        lgwin: BROTLI_WINDOW_BITS,
        size_hint: module.len(),
        ..BrotliEncoderParams::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut Cursor::new(module), &mut compressed, &params)
        .expect("reading and writing memory does not fail");
    compressed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The empty module: too small to be worth compressing.
    const EMPTY: [u8; 8] = *b"\0asm\x01\0\0\0";

    fn encode(module: &[u8], compress: bool, constructor: Option<&[u8]>) -> String {
        hex::encode(Creation { module, compress, constructor }.encode().expect("a module"))
    }

    #[test]
    fn an_envelope_has_the_bytes_of_its_format() {
        let large = [&EMPTY[..], &[0; 10_000]].concat();
        let table = [
            (encode(&EMPTY, false, None), "ef4c0100000000080061736d01000000"),
            (encode(&EMPTY, true, None), "ef4c0100000000080061736d01000000"),
            (encode(&EMPTY, false, Some(&[])), "ef4c0102000000080061736d01000000"),
            (encode(&EMPTY, false, Some(&[1, 2])), "ef4c0102000000080061736d010000000102"),
        ];
        for (encoded, expected) in table {
            assert_eq!(encoded, expected);
        }
        assert!(encode(&large, true, None).starts_with("ef4c0101000000"));
        assert!(encode(&large, true, Some(&[])).starts_with("ef4c0103000000"));
    }

    #[test]
    fn a_compressed_module_comes_back() {
        let module = [&EMPTY[..], &(0..=255).cycle().take(100_000).collect::<Vec<u8>>()].concat();
        let data =
            Creation { module: &module, compress: true, constructor: Some(&[7]) }.encode().expect("a module");
        let len = u32::from_be_bytes(data[4..8].try_into().expect("four bytes")) as usize;
        let mut decoded = Vec::new();
        brotli::BrotliDecompress(&mut Cursor::new(&data[8..8 + len]), &mut decoded).expect("one stream");
        assert_eq!(decoded, module);
        assert_eq!(&data[8 + len..], [7]);
    }

    #[test]
    fn only_wasm_is_wrapped() {
        for (bytes, error) in [
            (&b"(module)"[..], CreationError::NotWasm("286d6f64".into())),
            (&b""[..], CreationError::NotWasm(String::new())),
        ] {
            let creation = Creation { module: bytes, compress: true, constructor: None };
            assert_eq!(creation.encode(), Err(error));
        }
    }
}
