//! Valid modules: wasmi (and Wasmtime, if built in) agree with us on results, traps, memory and globals.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    lathe_fuzz::peers(data);
});
