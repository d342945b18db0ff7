//! Brotli streams by authors who mean harm: bombs, streams that are cut off, corrupt, too many, or slow to decode. Each is
//! refused for a reason that has a type, in memory that has a limit, and a creation that carries it burns its gas.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use alloy_primitives::Address;
use brotli::enc::BrotliEncoderParams;
use lathe_node::{
    runtime::{
        FailureKind,
        code::{COMPRESSED_PREFIX, CodeError, FLAG_BROTLI, STORED_PREFIX, STREAM_EXCESS_MAX, module_of},
    },
    sandbox::{ErrorKind, Expect, Raw, Sandbox},
};
use support::{envelope, wasm};

/// Bytes that a module may have once it is decompressed.
const LIMIT: usize = 512 * 1024;
/// Bytes by which the process may grow while it refuses bombs: the window of a stream and what decoders keep beside it, for
/// each of the tests that run at once.
const GROWTH_MAX: usize = 256 << 20;

/// Bits of a stream, from the lowest bit of the first byte on (RFC 7932).
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn push(mut self, count: u32, value: u64) -> Self {
        for bit in 0..count {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= u8::from(value >> bit & 1 == 1) << (self.count % 8);
            self.count += 1;
        }
        self
    }

    /// Begins a stream with a window of 16 MiB.
    fn stream() -> Self {
        Self::default().push(1, 1).push(3, 7)
    }

    /// A prefix code with one symbol, which takes no bits.
    fn one_symbol(self, alphabet_bits: u32, symbol: u64) -> Self {
        self.push(2, 1).push(2, 0).push(alphabet_bits, symbol)
    }

    /// A metablock, not the last, of `bytes` bytes that are all 0, with so many prefix codes for literals of which it uses
    /// one.
    fn zeros(self, bytes: u64, literal_codes: u64) -> Self {
        // The insert lengths with the most extra bits begin here, and so does their row of the table.
        const LONG_INSERT: u64 = 22_594;
        // The length is written in as few nibbles as hold it, but no fewer than four.
        let nibbles = (64 - (bytes - 1).leading_zeros()).div_ceil(4).max(4);
        let mut bits =
            self.push(1, 0).push(2, u64::from(nibbles - 4)).push(4 * nibbles, bytes - 1).push(1, 0);
        // One type of block each, no postfix, no direct distances, one context mode.
        bits = bits.push(3, 0).push(2, 0).push(4, 0).push(2, 0);
        bits = match literal_codes {
            1 => bits.push(1, 0),
            256 => bits.push(1, 1).push(3, 7).push(7, 127).push(1, 0).one_symbol(8, 0).push(1, 0),
            _ => unreachable!("the tests use one or all"),
        };
        bits = bits.push(1, 0);
        for _ in 0..literal_codes {
            bits = bits.one_symbol(8, 0);
        }
        let is_long = bytes >= LONG_INSERT;
        assert!(is_long || bytes == 1, "the tests use no other lengths");
        bits = bits.one_symbol(10, if is_long { 448 + (7 << 3) } else { 8 }).one_symbol(6, 0);
        if is_long { bits.push(24, bytes - LONG_INSERT) } else { bits }
    }

    /// Ends a stream.
    fn end(self) -> Vec<u8> {
        self.push(2, 3).bytes
    }
}

/// A stream that decodes to zeros, 16 MiB for every dozen of its bytes.
fn bomb(mebibytes: u64) -> Vec<u8> {
    (0..mebibytes / 16).fold(Bits::stream(), |bits, _| bits.zeros(16 << 20, 1)).end()
}

/// A stream that decodes to one byte for every 400, each behind 256 prefix codes.
fn slow(bytes: u64) -> Vec<u8> {
    (0..bytes).fold(Bits::stream(), |bits, _| bits.zeros(1, 256)).end()
}

fn encode(bytes: &[u8], params: &BrotliEncoderParams) -> Vec<u8> {
    let mut stream = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut stream, params).unwrap();
    stream
}

fn module() -> Vec<u8> {
    wasm(
        r#"(module (memory (export "memory") 1) (data (i32.const 0) "some words, some words, and some more")
            (func (export "user_entrypoint") (param i32) (result i32) (i32.const 0)))"#,
    )
}

fn decode(stream: &[u8]) -> Result<Vec<u8>, CodeError> {
    let code = [&COMPRESSED_PREFIX, stream].concat();
    module_of(&code, LIMIT).map(|module| module.into_owned())
}

fn problem(stream: &[u8]) -> &'static str {
    match decode(stream) {
        Err(CodeError::Brotli { bytes, problem }) if bytes == stream.len() => problem,
        other => panic!("{other:?}"),
    }
}

/// Returns the most bytes that the process has held in memory at a time.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
}

#[test]
fn a_stream_made_by_hand_is_one() {
    // What the other tests refuse, they refuse for what they say, not for a mistake in its making.
    assert_eq!(decode(&Bits::stream().zeros(30_000, 1).zeros(1, 256).end()).unwrap(), [0; 30_001]);
}

#[test]
fn bombs_are_refused_at_the_limit_and_memory_stays_small() {
    let gigabyte = bomb(1_024);
    assert!(gigabyte.len() < 1_024, "{}", gigabyte.len());
    let before = peak_bytes();
    for _ in 0..50 {
        match decode(&gigabyte) {
            Err(CodeError::TooLong { what: "decompressed module", bytes, limit: LIMIT }) => {
                assert!(bytes <= LIMIT + 64 * 1024, "{bytes}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(peak_bytes() - before < GROWTH_MAX);
    // The last size that fits, and one byte more.
    let zeros = |bytes: u64| decode(&Bits::stream().zeros(bytes, 1).end());
    assert_eq!(zeros(LIMIT as u64).unwrap().len(), LIMIT);
    assert!(matches!(zeros(LIMIT as u64 + 1), Err(CodeError::TooLong { .. })));
}

#[test]
fn a_stream_that_is_cut_off_anywhere_is_refused() {
    let stream = encode(&module(), &BrotliEncoderParams::default());
    assert_eq!(decode(&stream).unwrap(), module());
    for end in 0..stream.len() {
        assert_eq!(problem(&stream[..end]), "it is cut off", "at {end}");
    }
    // One that says that there is more, and one within a bomb.
    assert_eq!(problem(&Bits::stream().zeros(1, 1).bytes), "it is cut off");
    assert!(matches!(decode(&bomb(1_024)[..100]), Err(CodeError::TooLong { .. })));
}

#[test]
fn whatever_follows_a_stream_is_refused() {
    let stream = encode(&module(), &BrotliEncoderParams::default());
    let empty = Bits::stream().end();
    for tail in [&[0][..], &[0xFF; 40], &stream, &empty, &bomb(64)] {
        assert_eq!(problem(&[&stream[..], tail].concat()), "bytes follow its end");
    }
}

#[test]
fn a_corrupt_stream_decodes_to_something_or_is_refused() {
    let stream = encode(&module(), &BrotliEncoderParams::default());
    let (before, mut refused) = (peak_bytes(), 0);
    for bit in 0..stream.len() * 8 {
        let mut corrupt = stream.clone();
        corrupt[bit / 8] ^= 1 << (bit % 8);
        match decode(&corrupt) {
            Ok(other) => assert!(other.len() <= LIMIT),
            Err(CodeError::Brotli { .. } | CodeError::TooLong { .. } | CodeError::Expands { .. }) => {
                refused += 1
            }
            Err(other) => panic!("bit {bit}: {other:?}"),
        }
    }
    assert!(refused > stream.len(), "{refused}");
    assert!(peak_bytes() - before < GROWTH_MAX);
    assert_eq!(problem(&[0xFF; 16]), "it is malformed");
}

#[test]
fn windows_have_at_most_24_bits() {
    for lgwin in 10..=24 {
        let params = BrotliEncoderParams { lgwin, ..Default::default() };
        assert_eq!(decode(&encode(&module(), &params)).unwrap(), module(), "window of {lgwin} bits");
    }
    for lgwin in 25..=30 {
        let params = BrotliEncoderParams { lgwin, large_window: true, ..Default::default() };
        let stream = encode(&vec![7; 100_000], &params);
        assert_eq!(problem(&stream), "it is malformed", "window of {lgwin} bits");
    }
}

#[test]
fn a_dictionary_byte_other_than_0_is_a_prefix_that_means_nothing() {
    let mut sandbox = Sandbox::new();
    let stream = encode(&module(), &BrotliEncoderParams::default());
    for dictionary in [1, 2, 0x7F, 0xFF] {
        let code = [&[0xEF, 0xF0, 0x00, dictionary][..], &stream].concat();
        assert_eq!(
            module_of(&code, LIMIT),
            Err(CodeError::NotExecutable { prefix: format!("eff000{dictionary:02x}") })
        );
        let failure = sandbox.create(support::returns(&code), Default::default()).expect_failure();
        assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
        assert!(failure.to_string().contains("which is reserved"), "{failure}");
    }
}

#[test]
fn a_stream_that_is_longer_than_its_module_is_refused() {
    // What does not compress grows by a few bytes, whatever the encoder is told.
    let noise: Vec<u8> =
        (0..3_000u32).flat_map(|index| alloy_primitives::keccak256(index.to_le_bytes())).collect();
    for quality in [0, 5, 11] {
        for lgwin in [10, 24] {
            let stream = encode(&noise, &BrotliEncoderParams { quality, lgwin, ..Default::default() });
            assert!(stream.len() > noise.len(), "{quality} {lgwin}");
            assert_eq!(decode(&stream).unwrap(), noise, "{quality} {lgwin}");
        }
    }
    let stream = slow(650);
    assert!(stream.len() > 250_000, "{}", stream.len());
    let limit = 650 + STREAM_EXCESS_MAX;
    let bytes = stream.len();
    assert_eq!(decode(&stream), Err(CodeError::Expands { bytes, limit, module: 650 }));
}

#[test]
fn a_creation_with_a_bad_stream_burns_its_gas_and_leaves_nothing() {
    const GAS: u64 = 50_000_000;
    let mut sandbox = Sandbox::new();
    sandbox.set_gas_limit(GAS);
    let stream = encode(&module(), &BrotliEncoderParams::default());
    for (stream, why) in [
        (bomb(1_024), "over the limit of 524288 bytes"),
        (slow(650), "for its module of 650 bytes"),
        (stream[..stream.len() - 1].to_vec(), "it is cut off"),
        ([&stream[..], &stream].concat(), "bytes follow its end"),
        (vec![], "it is cut off"),
    ] {
        let error = sandbox.create(envelope(FLAG_BROTLI, &stream, &[]), Default::default()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Halted(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(error.gas_used(), GAS);
    }
    let created = sandbox.create(envelope(FLAG_BROTLI, &stream, &[]), Default::default()).unwrap().answer;
    assert!(sandbox.call(created, Raw::default()).is_ok());
}

#[test]
fn a_stream_is_decoded_once_the_module_that_it_must_hold_can_be_paid_for() {
    let creation = envelope(FLAG_BROTLI, &slow(650), &[]);
    // Creates that, and reverts since it cannot.
    let creator = wasm(&format!(
        r#"(module (import "vm_hooks" "create1" (func $create (param i32 i32 i32 i32 i32)))
            (memory (export "memory") 5) (data (i32.const 64) "{}")
            (func (export "user_entrypoint") (param i32) (result i32)
                (call $create (i32.const 64) (i32.const {}) (i32.const 0) (i32.const 32) (i32.const 60))
                (i32.const 1)))"#,
        support::wat_string(&creation),
        creation.len()
    ));
    let contract = Address::repeat_byte(0xCA);
    let mut sandbox = Sandbox::new();
    sandbox.etch(contract, [&STORED_PREFIX[..], &creator].concat());
    let mut failure = |gas: u64| {
        sandbox.set_gas_limit(gas);
        sandbox.call(contract, Raw::default()).expect_failure().to_string()
    };
    // Of 700,000 gas and some that come before, the stream takes 64,000 to be read; its module would take 512,000.
    let poor = failure(950_000);
    assert!(poor.contains("it costs more than the"), "{poor}");
    let rich = failure(2_000_000);
    assert!(rich.contains("for its module of 650 bytes"), "{rich}");
}
