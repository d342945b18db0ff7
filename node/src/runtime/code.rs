//! What an account's code can be, told by its first bytes, and what creation data means.
//!
//! Terms: *code* is what an account holds; *creation data* is what a creation transaction, CREATE, CREATE2 or
//! `create1/2` carries; a *program* is a Wasm module run by the `vm_hooks` interface, an *EEI contract* one run by the
//! `ethereum` interface. Everything here is a pure function over bytes.
//!
//! | code begins with | runs as |
//! |---|---|
//! | `EF F0 00 00` + one brotli stream of a module | program |
//! | `EF 4C 00` + module | program, stored uncompressed |
//! | `EF 01 00` + address | EIP-7702 delegation |
//! | `00 61 73 6D` | EEI contract |
//! | any other `EF` | refused |
//! | anything else | EVM bytecode |

use std::borrow::Cow;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

/// Begins the code of a program whose module is stored as one brotli stream, dictionary byte 0 (the Stylus form).
pub const COMPRESSED_PREFIX: [u8; 4] = [0xEF, 0xF0, 0x00, 0x00];
/// Begins the code of a program whose module is stored as it is.
pub const STORED_PREFIX: [u8; 3] = [0xEF, 0x4C, 0x00];
/// Begins creation data that carries a module, flags and constructor arguments.
pub const ENVELOPE_PREFIX: [u8; 3] = [0xEF, 0x4C, 0x01];
/// Begins an EIP-7702 delegation designator.
pub const DELEGATION_PREFIX: [u8; 3] = [0xEF, 0x01, 0x00];
/// Begins a Wasm binary.
pub const WASM_MAGIC: [u8; 4] = [0x00, 0x61, 0x73, 0x6D];

/// Envelope flag: the module is a brotli stream.
pub const FLAG_BROTLI: u8 = 1 << 0;
/// Envelope flag: the module is entered once, as a constructor.
pub const FLAG_CONSTRUCTOR: u8 = 1 << 1;

/// Calldata of a constructor begins with this selector: keccak256("stylus_constructor()")[..4], as stylus-sdk's
/// `abi` module has it.
pub const CONSTRUCTOR_SELECTOR: [u8; 4] = [0x55, 0x85, 0x25, 0x8D];

/// Bytes of EVM code an account may hold (EIP-170).
pub const EVM_CODE_BYTES_MAX: u32 = 24_576;
/// Bytes of program code an account may hold, as stored.
pub const PROGRAM_CODE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of creation data that carries a program.
pub const PROGRAM_CREATION_BYTES_MAX: usize = 320 * 1024;

/// Bytes by which a brotli stream may be longer than its module: more than any encoder adds to what it cannot compress. Decoding
/// takes time by the bytes of the stream as well as by those of the module, but a load is paid for by the module; so a
/// stream that is much longer would be cheap to store and slow to load.
pub const STREAM_EXCESS_MAX: usize = 1_024;

/// Why code or creation data is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The code begins with bytes that no kind of code begins with.
    #[error(
        "code begins with {prefix}, which is reserved: a program begins with eff00000 (brotli) or ef4c00 (stored)"
    )]
    ReservedPrefix {
        /// The first bytes, hex.
        prefix: String,
    },
    /// The code is called, but is nothing that runs.
    #[error("the account's code begins with {prefix}, which is reserved: it cannot be called")]
    NotExecutable {
        /// The first bytes, hex.
        prefix: String,
    },
    /// A creation installs no delegation.
    #[error("code begins with ef0100: an EIP-7702 delegation is set by an authorization, not by a creation")]
    Delegation,
    /// The code is too long.
    #[error("{what} of {bytes} bytes is over the limit of {limit} bytes")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// The brotli stream does not decode.
    #[error("brotli stream of {bytes} bytes: {problem}")]
    Brotli {
        /// Length of the stream.
        bytes: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The brotli stream is longer than what it holds.
    #[error(
        "brotli stream of {bytes} bytes is over the limit of {limit} bytes for its module of {module} bytes: store the module uncompressed, or compress it again"
    )]
    Expands {
        /// Length of the stream.
        bytes: usize,
        /// The longest that it could be.
        limit: usize,
        /// Length of the module.
        module: usize,
    },
    /// The envelope's header is cut off.
    #[error(
        "envelope of {bytes} bytes ends within its header: ef4c01 <flags u8> <module length u32be> <module> <arguments>"
    )]
    EnvelopeHeader {
        /// Length of the creation data.
        bytes: usize,
    },
    /// The envelope is shorter than the module it announces.
    #[error("envelope announces a module of {announced} bytes, but only {present} follow its header")]
    EnvelopeModule {
        /// Length in the header.
        announced: usize,
        /// Bytes after the header.
        present: usize,
    },
    /// The envelope has flags that mean nothing.
    #[error("envelope flags {flags:#04x}: only bit 0 (brotli) and bit 1 (constructor) have a meaning")]
    EnvelopeFlags {
        /// The flags byte.
        flags: u8,
    },
    /// Arguments without a constructor.
    #[error(
        "envelope carries {bytes} bytes of constructor arguments, but its flags say there is no constructor (bit 1)"
    )]
    EnvelopeArguments {
        /// Length of the arguments.
        bytes: usize,
    },
}

/// What code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// EVM bytecode (also: no code).
    Evm,
    /// A program; its module is a brotli stream if `compressed`.
    Program {
        /// Whether the module is a brotli stream.
        compressed: bool,
    },
    /// An EIP-7702 delegation designator.
    Delegation,
    /// An EEI contract: the code is the module.
    Eei,
    /// Bytes that are never executed: calling them is an exceptional halt.
    Refused,
}

impl CodeKind {
    /// Tells what `code` is by its first bytes.
    pub fn of(code: &[u8]) -> Self {
        if code.starts_with(&COMPRESSED_PREFIX) {
            Self::Program { compressed: true }
        } else if code.starts_with(&STORED_PREFIX) {
            Self::Program { compressed: false }
        } else if code.starts_with(&DELEGATION_PREFIX) && code.len() == 23 {
            Self::Delegation
        } else if code.starts_with(&WASM_MAGIC) {
            Self::Eei
        } else if code.first() == Some(&0xEF) {
            Self::Refused
        } else {
            Self::Evm
        }
    }

    /// Returns the kind of code that a creation wants to install, or why it may not. Checks size and prefix; the
    /// module of a program is yet to be validated. EVM code may have `evm_bytes_max` bytes.
    pub fn of_created(code: &[u8], evm_bytes_max: u32) -> Result<Self, CodeError> {
        let kind = Self::of(code);
        let (what, limit) = match kind {
            Self::Program { .. } => ("program code", PROGRAM_CODE_BYTES_MAX),
            Self::Eei => ("EEI code", PROGRAM_CODE_BYTES_MAX),
            Self::Evm => ("EVM code", evm_bytes_max as usize),
            Self::Delegation => return Err(CodeError::Delegation),
            Self::Refused => return Err(CodeError::ReservedPrefix { prefix: prefix_hex(code) }),
        };
        if code.len() > limit { Err(CodeError::TooLong { what, bytes: code.len(), limit }) } else { Ok(kind) }
    }
}

/// Returns the module inside the code of a contract, decompressing at most `module_bytes_max` bytes. Fails for code
/// that is no Wasm.
pub fn module_of(code: &[u8], module_bytes_max: usize) -> Result<Cow<'_, [u8]>, CodeError> {
    if let Some(stream) = code.strip_prefix(&COMPRESSED_PREFIX) {
        return decompress(stream, module_bytes_max).map(Cow::Owned);
    }
    let stored = code.strip_prefix(&STORED_PREFIX).or_else(|| code.starts_with(&WASM_MAGIC).then_some(code));
    let Some(module) = stored else {
        return Err(CodeError::NotExecutable { prefix: prefix_hex(code) });
    };
    if module.len() > module_bytes_max {
        return Err(CodeError::TooLong { what: "module", bytes: module.len(), limit: module_bytes_max });
    }
    Ok(Cow::Borrowed(module))
}

/// Returns how many bytes the module in a code has at least, without looking inside.
pub(super) fn module_bytes_min(code: &[u8]) -> usize {
    match code.strip_prefix(&COMPRESSED_PREFIX) {
        Some(stream) => stream.len().saturating_sub(STREAM_EXCESS_MAX),
        None => code.strip_prefix(&STORED_PREFIX).unwrap_or(code).len(),
    }
}

fn prefix_hex(code: &[u8]) -> String {
    hex::encode(&code[..code.len().min(4)])
}

/// What creation data asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation<'a> {
    /// EVM init code.
    Evm,
    /// A program: the code to install, and the calldata of its constructor if it has one.
    Program {
        /// The code as it will be stored, prefix included.
        code: Vec<u8>,
        /// The constructor's arguments, without selector, if there is a constructor.
        constructor: Option<&'a [u8]>,
    },
    /// EEI init code: a module whose `main` makes the code.
    Eei,
}

impl<'a> Creation<'a> {
    /// Tells whether creation data is run by the EVM. Everything else is [parsed](Self::parse).
    pub fn is_evm(data: &[u8]) -> bool {
        !data.starts_with(&ENVELOPE_PREFIX) && !data.starts_with(&WASM_MAGIC)
    }

    /// Reads creation data: our envelope, a raw module, or EVM init code.
    pub fn parse(data: &'a [u8]) -> Result<Self, CodeError> {
        if Self::is_evm(data) {
            return Ok(Self::Evm);
        }
        if data.len() > PROGRAM_CREATION_BYTES_MAX {
            return Err(CodeError::TooLong {
                what: "creation data",
                bytes: data.len(),
                limit: PROGRAM_CREATION_BYTES_MAX,
            });
        }
        let Some(envelope) = data.strip_prefix(&ENVELOPE_PREFIX) else {
            if exports(data, "main") && !exports(data, "user_entrypoint") {
                return Ok(Self::Eei);
            }
            return Ok(Self::Program { code: [&STORED_PREFIX, data].concat(), constructor: None });
        };
        let header_cut = CodeError::EnvelopeHeader { bytes: data.len() };
        let (&flags, rest) = envelope.split_first().ok_or(header_cut.clone())?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(header_cut)?;
        if flags & !(FLAG_BROTLI | FLAG_CONSTRUCTOR) != 0 {
            return Err(CodeError::EnvelopeFlags { flags });
        }
        let announced = u32::from_be_bytes(*length) as usize;
        let (module, arguments) = rest
            .split_at_checked(announced)
            .ok_or(CodeError::EnvelopeModule { announced, present: rest.len() })?;
        let constructor = (flags & FLAG_CONSTRUCTOR != 0).then_some(arguments);
        if constructor.is_none() && !arguments.is_empty() {
            return Err(CodeError::EnvelopeArguments { bytes: arguments.len() });
        }
        let prefix: &[u8] = if flags & FLAG_BROTLI != 0 { &COMPRESSED_PREFIX } else { &STORED_PREFIX };
        Ok(Self::Program { code: [prefix, module].concat(), constructor })
    }
}

/// Returns whether a module exports something by this name. Only the sections' headers and the names of exports are looked
/// at: whatever is malformed exports nothing, and validation says why.
fn exports(module: &[u8], name: &str) -> bool {
    const EXPORT_SECTION: u8 = 7;
    /// Behind the magic number and the version.
    const SECTIONS: usize = 8;
    let mut rest = module.get(SECTIONS..).unwrap_or_default();
    while let Some((&id, tail)) = rest.split_first() {
        let Some((section, tail)) = leb128(tail).and_then(|(bytes, tail)| tail.split_at_checked(bytes))
        else {
            return false;
        };
        if id == EXPORT_SECTION {
            return exported(section, name).unwrap_or(false);
        }
        rest = tail;
    }
    false
}

/// Returns whether an export section has a name; `None` where it is malformed before that shows.
fn exported(section: &[u8], name: &str) -> Option<bool> {
    let (count, mut rest) = leb128(section)?;
    for _ in 0..count {
        let (bytes, tail) = leb128(rest)?;
        let (found, tail) = tail.split_at_checked(bytes)?;
        if found == name.as_bytes() {
            return Some(true);
        }
        // Behind the kind of the export, its index.
        (_, rest) = leb128(tail.get(1..)?)?;
    }
    Some(false)
}

/// Reads an unsigned number of at most 32 bits, and returns what follows.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0_u64;
    for (place, &byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(number).ok()?, &bytes[place + 1..]));
        }
    }
    None
}

/// Decodes exactly one brotli stream that ends at the last byte, yields at most `limit` bytes, and is hardly longer than they
/// are ([`STREAM_EXCESS_MAX`]). It takes no more memory than a window, which has 16 MiB. Large-window streams (window over 24 bits) are refused.
fn decompress(stream: &[u8], limit: usize) -> Result<Vec<u8>, CodeError> {
    let failure = |problem| CodeError::Brotli { bytes: stream.len(), problem };
    let mut state =
        BrotliState::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    let mut module = Vec::new();
    let mut chunk = vec![0u8; 64 * 1024];
    let (mut available_in, mut input_offset, mut total_out) = (stream.len(), 0, 0);
    loop {
        let (mut available_out, mut output_offset) = (chunk.len(), 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut input_offset,
            stream,
            &mut available_out,
            &mut output_offset,
            &mut chunk,
            &mut total_out,
            &mut state,
        );
        if module.len() + output_offset > limit {
            return Err(CodeError::TooLong {
                what: "decompressed module",
                bytes: module.len() + output_offset,
                limit,
            });
        }
        module.extend_from_slice(&chunk[..output_offset]);
        match result {
            BrotliResult::ResultSuccess if available_in > 0 => return Err(failure("bytes follow its end")),
            BrotliResult::ResultSuccess if stream.len() > module.len() + STREAM_EXCESS_MAX => {
                let (bytes, module) = (stream.len(), module.len());
                return Err(CodeError::Expands { bytes, limit: module + STREAM_EXCESS_MAX, module });
            }
            BrotliResult::ResultSuccess => return Ok(module),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Err(failure("it is cut off")),
            BrotliResult::ResultFailure => return Err(failure("it is malformed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(flags: u8, announced: u32, tail: &[u8]) -> Vec<u8> {
        [&ENVELOPE_PREFIX[..], &[flags], &announced.to_be_bytes(), tail].concat()
    }

    pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let params = brotli::enc::BrotliEncoderParams { quality: 5, lgwin: 22, ..Default::default() };
        brotli::BrotliCompress(&mut &bytes[..], &mut out, &params).expect("writing to a vector succeeds");
        out
    }

    #[test]
    fn first_bytes_tell_the_kind() {
        let delegation = [&DELEGATION_PREFIX[..], &[7; 20]].concat();
        let cases: &[(&[u8], CodeKind)] = &[
            (&[], CodeKind::Evm),
            (&[0x60, 0x00], CodeKind::Evm),
            (&[0x00], CodeKind::Evm),
            (&[0x00, 0x61, 0x73, 0x6D], CodeKind::Eei),
            (&[0x00, 0x61, 0x73, 0x6E], CodeKind::Evm),
            (&[0xEF], CodeKind::Refused),
            (&[0xEF, 0xF0, 0x00], CodeKind::Refused),
            (&[0xEF, 0xF0, 0x00, 0x01], CodeKind::Refused),
            (&[0xEF, 0xF0, 0x00, 0x00], CodeKind::Program { compressed: true }),
            (&[0xEF, 0x4C, 0x00, 0x00], CodeKind::Program { compressed: false }),
            (&[0xEF, 0x4C, 0x01], CodeKind::Refused),
            (&delegation, CodeKind::Delegation),
            (&delegation[..22], CodeKind::Refused),
        ];
        for (code, kind) in cases {
            assert_eq!(CodeKind::of(code), *kind, "{}", hex::encode(code));
        }
    }

    #[test]
    fn created_code_has_limits_of_its_kind() {
        assert_eq!(
            CodeKind::of_created(&vec![0x60; EVM_CODE_BYTES_MAX as usize], EVM_CODE_BYTES_MAX),
            Ok(CodeKind::Evm)
        );
        let error = CodeKind::of_created(&vec![0x60; EVM_CODE_BYTES_MAX as usize + 1], EVM_CODE_BYTES_MAX)
            .unwrap_err();
        assert_eq!(error.to_string(), "EVM code of 24577 bytes is over the limit of 24576 bytes");
        let mut program = STORED_PREFIX.to_vec();
        program.resize(PROGRAM_CODE_BYTES_MAX, 0);
        assert_eq!(
            CodeKind::of_created(&program, EVM_CODE_BYTES_MAX),
            Ok(CodeKind::Program { compressed: false })
        );
        program.push(0);
        let error = CodeKind::of_created(&program, EVM_CODE_BYTES_MAX).unwrap_err();
        assert_eq!(error.to_string(), "program code of 262145 bytes is over the limit of 262144 bytes");
        assert_eq!(
            CodeKind::of_created(&[0xEF, 0x01, 0, 0, 0], EVM_CODE_BYTES_MAX),
            Err(CodeError::ReservedPrefix { prefix: "ef010000".into() })
        );
        assert_eq!(CodeKind::of_created(&WASM_MAGIC, EVM_CODE_BYTES_MAX), Ok(CodeKind::Eei));
    }

    #[test]
    fn envelopes_are_read_to_the_byte() {
        let stored = |module: &[u8]| [&STORED_PREFIX, module].concat();
        assert_eq!(
            Creation::parse(&envelope(0, 3, b"abc")),
            Ok(Creation::Program { code: stored(b"abc"), constructor: None })
        );
        assert_eq!(
            Creation::parse(&envelope(FLAG_BROTLI | FLAG_CONSTRUCTOR, 2, b"abc")),
            Ok(Creation::Program {
                code: [&COMPRESSED_PREFIX, &b"ab"[..]].concat(),
                constructor: Some(b"c")
            })
        );
        assert_eq!(Creation::parse(b"\x60\x00"), Ok(Creation::Evm));
        assert_eq!(
            Creation::parse(b"\0asm\x01"),
            Ok(Creation::Program { code: stored(b"\0asm\x01"), constructor: None })
        );
        let refused: &[(Vec<u8>, CodeError)] = &[
            (envelope(4, 0, b""), CodeError::EnvelopeFlags { flags: 4 }),
            (envelope(0, 2, b"abc"), CodeError::EnvelopeArguments { bytes: 1 }),
            (envelope(0, 4, b"abc"), CodeError::EnvelopeModule { announced: 4, present: 3 }),
            (
                envelope(0, u32::MAX, b""),
                CodeError::EnvelopeModule { announced: u32::MAX as usize, present: 0 },
            ),
            (envelope(0, 0, b"")[..7].to_vec(), CodeError::EnvelopeHeader { bytes: 7 }),
            (ENVELOPE_PREFIX.to_vec(), CodeError::EnvelopeHeader { bytes: 3 }),
        ];
        for (data, error) in refused {
            assert_eq!(Creation::parse(data).as_ref(), Err(error), "{}", hex::encode(data));
        }
    }

    #[test]
    fn a_module_that_exports_main_is_eei_init_code() {
        let module = |exports: &str| {
            wat::parse_str(format!("(module (func $f) (memory 1) {exports})")).expect("a module")
        };
        let parsed = |exports: &str| matches!(Creation::parse(&module(exports)), Ok(Creation::Eei));
        assert!(parsed(r#"(export "memory" (memory 0)) (export "main" (func $f))"#));
        assert!(parsed(r#"(export "main" (memory 0))"#), "that it is no function is for validation to say");
        assert!(!parsed(r#"(export "main" (func $f)) (export "user_entrypoint" (func $f))"#));
        assert!(!parsed(r#"(export "mai" (func $f)) (export "main2" (func $f))"#));
        let whole = module(r#"(export "main" (func $f))"#);
        for end in 0..whole.len() {
            // No prefix is read beyond its end.
            let _ = Creation::parse(&whole[..end]);
        }
        let huge = [&b"\0asm\x01\0\0\0\x07\xff\xff\xff\xff\x0f"[..], &[0xff; 20]].concat();
        assert!(!exports(&huge, "main"));
        let many = b"\0asm\x01\0\0\0\x07\x05\xff\xff\xff\xff\x0f";
        assert!(!exports(many, "main"));
    }

    #[test]
    fn one_brotli_stream_ends_at_the_last_byte() {
        let module = b"module ".repeat(100);
        let stream = compress(&module);
        assert_eq!(decompress(&stream, module.len()), Ok(module.clone()));
        let problem = |stream: &[u8]| match decompress(stream, 4096) {
            Err(CodeError::Brotli { problem, .. }) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(problem(&[&stream[..], &[0]].concat()), "bytes follow its end");
        assert_eq!(problem(&stream[..stream.len() - 1]), "it is cut off");
        assert_eq!(problem(&[0xFF; 16]), "it is malformed");
        assert_eq!(problem(&[]), "it is cut off");
        assert!(matches!(decompress(&stream, module.len() - 1), Err(CodeError::TooLong { .. })));
    }

    #[test]
    fn a_brotli_bomb_stops_at_the_limit() {
        let bomb = compress(&vec![0u8; 64 << 20]);
        assert!(bomb.len() < 1024);
        let Err(CodeError::TooLong { bytes, .. }) = decompress(&bomb, 512 * 1024) else {
            panic!("not refused")
        };
        assert!(bytes <= 512 * 1024 + 64 * 1024);
    }

    #[test]
    fn the_constructor_selector_is_the_hash_of_its_signature() {
        assert_eq!(alloy_primitives::keccak256("stylus_constructor()")[..4], CONSTRUCTOR_SELECTOR);
    }
}
