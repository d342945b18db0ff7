//! A contract that keeps one number: its constructor sets it, any other call returns it.
//!
//! Written against the host functions themselves, so that it builds in seconds.

#![cfg_attr(target_arch = "wasm32", no_std)]
// The entry point is found by its name, the host functions are the host's: both need `unsafe`, as in any SDK.
#![allow(unsafe_code)]

/// Calldata of a constructor begins with this: keccak256("stylus_constructor()")[..4].
const CONSTRUCTOR_SELECTOR: [u8; 4] = [0x55, 0x85, 0x25, 0x8D];
/// A selector and one word: all that the constructor reads.
const CONSTRUCTOR_BYTES: usize = 4 + 32;
/// The slot of the number.
const SLOT: [u8; 32] = [0; 32];

#[link(wasm_import_module = "vm_hooks")]
unsafe extern "C" {
    fn read_args(dest: *mut u8);
    fn write_result(data: *const u8, len: usize);
    fn storage_load_bytes32(key: *const u8, dest: *mut u8);
    fn storage_cache_bytes32(key: *const u8, value: *const u8);
    fn storage_flush_cache(clear: u32);
}

/// Runs a call whose calldata has `len` bytes; returns 0 for success, 1 for a revert.
#[unsafe(no_mangle)]
pub extern "C" fn user_entrypoint(len: usize) -> usize {
    let mut calldata = [0; CONSTRUCTOR_BYTES];
    if len > calldata.len() {
        return 1;
    }
    // SAFETY: the host writes `len` bytes, which fit.
    unsafe { read_args(calldata.as_mut_ptr()) };
    if calldata.starts_with(&CONSTRUCTOR_SELECTOR) && len == CONSTRUCTOR_BYTES {
        // SAFETY: both pointers have 32 bytes behind them.
        unsafe {
            storage_cache_bytes32(SLOT.as_ptr(), calldata[4..].as_ptr());
            storage_flush_cache(1);
        }
        return 0;
    }
    let mut number = [0; 32];
    // SAFETY: all pointers have 32 bytes behind them.
    unsafe {
        storage_load_bytes32(SLOT.as_ptr(), number.as_mut_ptr());
        write_result(number.as_ptr(), number.len());
    }
    0
}

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
