//! Valid modules: every engine agrees with the plain one on outcome, trap, ink, memory and globals.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lathe_fuzz::engines(data);
});
