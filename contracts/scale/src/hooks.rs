//! The `vm_hooks` host functions a SCALE contract needs, behind safe functions.
//!
//! Storage is written to a cache of the host first: [`storage_write`] can be seen by [`storage_read`] at once, but it is
//! lost unless the cache is flushed. [`run`] flushes after a success and never after a failure.

use crate::Revert;
use alloc::{format, vec::Vec};

/// A storage key, a storage value, a hash or a big-endian 256-bit number.
pub type Word = [u8; 32];

/// The statuses that `user_entrypoint` returns.
const SUCCESS: usize = 0;
const REVERT: usize = 1;

/// The declarations, as the host defines them.
mod host {
    #[link(wasm_import_module = "vm_hooks")]
    unsafe extern "C" {
        /// Writes the whole calldata to `dest`.
        pub(super) fn read_args(dest: *mut u8);
        /// Sets the return data or the revert data; the last call counts.
        pub(super) fn write_result(data: *const u8, len: usize);
        /// Writes the 32 bytes at the 32-byte `key` to `dest`.
        pub(super) fn storage_load_bytes32(key: *const u8, dest: *mut u8);
        /// Caches a write of 32 bytes at the 32-byte `key`.
        pub(super) fn storage_cache_bytes32(key: *const u8, value: *const u8);
        /// Makes cached writes real; drops the cache if `clear` is not 0.
        pub(super) safe fn storage_flush_cache(clear: u32);
        /// Writes the value that came with the call, 32 bytes big-endian.
        pub(super) fn msg_value(dest: *mut u8);
        /// Writes the 32 bytes of keccak256 of `len` bytes to `output`.
        pub(super) fn native_keccak256(bytes: *const u8, len: usize, output: *mut u8);
        /// Charges for growing the memory by `pages`.
        pub(super) safe fn pay_for_memory_grow(pages: u32);
    }
}

/// Runs one call of a contract whose functions take no value: reads the message, answers it, keeps or drops its writes.
pub fn run(
    message_len: usize,
    message_len_max: usize,
    dispatch: fn(&[u8]) -> Result<Vec<u8>, Revert>,
) -> usize {
    // The host charges for memory itself, yet expects that a module whose memory can grow has this import.
    host::pay_for_memory_grow(0);
    match read_message(message_len, message_len_max).and_then(|message| dispatch(&message)) {
        Ok(output) => {
            host::storage_flush_cache(0);
            set_output(&output);
            SUCCESS
        }
        Err(revert) => {
            set_output(&revert.to_data());
            REVERT
        }
    }
}

/// Returns the calldata. Fails if it is too long or if the call carries value, which nobody could ever take out again.
fn read_message(len: usize, len_max: usize) -> Result<Vec<u8>, Revert> {
    if len > len_max {
        return Err(Revert::new(format!("the message has {len} bytes, at most {len_max} are allowed")));
    }
    let mut value = Word::default();
    // SAFETY: the host writes 32 bytes, which `value` has.
    unsafe { host::msg_value(value.as_mut_ptr()) };
    if value != Word::default() {
        return Err(Revert::new("this contract takes no value"));
    }
    let mut message = alloc::vec![0; len];
    // SAFETY: the host writes as many bytes as it passed to `user_entrypoint`, which `message` has.
    unsafe { host::read_args(message.as_mut_ptr()) };
    Ok(message)
}

/// Sets what the caller gets.
fn set_output(output: &[u8]) {
    // SAFETY: pointer and length are those of one slice; the host only reads.
    unsafe { host::write_result(output.as_ptr(), output.len()) };
}

/// Returns what the slot `key` holds; zeros if it was never written.
pub fn storage_read(key: &Word) -> Word {
    let mut value = Word::default();
    // SAFETY: the host reads 32 bytes of `key` and writes 32 bytes, which `value` has.
    unsafe { host::storage_load_bytes32(key.as_ptr(), value.as_mut_ptr()) };
    value
}

/// Writes `value` to the slot `key`, to take effect if the call succeeds.
pub fn storage_write(key: &Word, value: &Word) {
    // SAFETY: the host reads 32 bytes of each.
    unsafe { host::storage_cache_bytes32(key.as_ptr(), value.as_ptr()) };
}

/// Returns keccak256 of `bytes`.
pub fn keccak256(bytes: &[u8]) -> Word {
    let mut hash = Word::default();
    // SAFETY: pointer and length are those of one slice; the host writes 32 bytes, which `hash` has.
    unsafe { host::native_keccak256(bytes.as_ptr(), bytes.len(), hash.as_mut_ptr()) };
    hash
}
