//! Valid modules: two runs agree on outcome, ink, memory and globals.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lathe_fuzz::execute(data);
});
