//! Any bytes: refused, or a module whose functions all run.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lathe_fuzz::module(data));
