//! Cold loads of programs as they are stored, which no cache knows: reading, decompression, validation.

use crate::contract::{PROGRAM, World, code, stored};
use crate::{Group, Row, Run, Sample};
use alloy_primitives::Bytes;
use lathe_gas::INK_PER_GAS;
use std::collections::BTreeMap;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, contents) in
        [("zeros", vec![0; 500_000]), ("noise", noise(250_000)), ("words", words(500_000))]
    {
        for compressed in [false, true] {
            let how = if compressed { "compressed" } else { "as it is" };
            let contents = contents.clone();
            let name = format!("a program with much of {name}, {how}");
            rows.push(Row::new(Group::Load, name, move || cold(&contents, compressed)));
        }
    }
    rows
}

/// Returns a run that calls a program with a custom section of these contents in a new runtime.
fn cold(contents: &[u8], compressed: bool) -> Result<Run, String> {
    let text = r#"(module (memory (export "memory") 0) (func (export "user_entrypoint") (param i32) (result i32)
        (i32.const 0)))"#;
    let mut wasm = wat::parse_str(text).map_err(|error| error.to_string())?;
    let section = [&[1, b'x'][..], contents].concat();
    wasm.push(0);
    wasm.extend(lathe_tests::generate::encode::unsigned(section.len() as u64));
    wasm.extend(section);
    let stored = if compressed {
        let mut out = vec![0xef, 0xf0, 0x00, 0x00];
        let params = brotli::enc::BrotliEncoderParams { lgwin: 22, quality: 9, ..Default::default() };
        brotli::BrotliCompress(&mut wasm.as_slice(), &mut out, &params).map_err(|error| error.to_string())?;
        out.into()
    } else {
        stored(&wasm)
    };
    let codes = BTreeMap::from([(PROGRAM, code(stored))]);
    Ok(Box::new(move || {
        let (time, executed) = World::new()?.call(Bytes::new(), &codes)?;
        Ok(Sample { time, ink: (executed.gas_used - 21_000) * INK_PER_GAS })
    }))
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut random = lathe_tests::generate::Random::new(7);
    (0..len).map(|_| random.byte()).collect()
}

/// Bytes that compress into many small copies.
fn words(len: usize) -> Vec<u8> {
    let mut random = lathe_tests::generate::Random::new(7);
    let dictionary: Vec<Vec<u8>> =
        (0..2_000).map(|_| (0..2 + random.below(6)).map(|_| random.byte()).collect()).collect();
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend(random.pick(&dictionary));
    }
    bytes.truncate(len);
    bytes
}
