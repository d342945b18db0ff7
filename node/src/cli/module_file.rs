//! Reads a module from a file: in binary, or in the text format, which is translated first.

use std::{fs, path::Path};

use crate::{cli::CliError, runtime::code::WASM_MAGIC};

/// Reads the module in a file. Text is told from binary by what it begins with, whatever the file is called; anything that
/// is neither is returned as it is, and whoever decodes it says what is wrong.
pub(super) fn read_module(path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = fs::read(path).map_err(|error| CliError::file(path, error))?;
    if !is_text(&bytes) {
        return Ok(bytes);
    }
    wat::parse_bytes(&bytes).map(|module| module.into_owned()).map_err(|mut error| {
        error.set_path(path);
        CliError::Output(error.to_string())
    })
}

/// Whether this is WebAssembly text: parentheses or comments, after any white space.
fn is_text(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    !bytes.starts_with(&WASM_MAGIC) && (text.starts_with(b"(") || text.starts_with(b";;"))
}
