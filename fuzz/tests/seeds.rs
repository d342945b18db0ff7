//! Runs the fuzz targets over pseudo-random seeds, for toolchains without a fuzzer. `LATHE_FUZZ_SEEDS` sets how many.

/// Calls `target` with seeds of growing length, made by a xorshift generator.
fn run(mut target: impl FnMut(&[u8])) {
    let seeds = std::env::var("LATHE_FUZZ_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(300u64);
    for seed in 1..=seeds {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let len = usize::try_from(seed % 64).expect("a remainder of 64 fits") * 128;
        let data: Vec<u8> = (0..len)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[3]
            })
            .collect();
        target(&data);
    }
}

/// Calls `target` with every file of a directory of `seeds`: what once crashed, or is hard to find by chance.
fn replay<T>(name: &str, target: impl Fn(&[u8]) -> T) {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut files = 0;
    for entry in std::fs::read_dir(&directory).expect("each target has a directory of seeds") {
        let path = entry.expect("the directory can be read").path();
        println!("{}", path.display());
        target(&std::fs::read(&path).expect("the file can be read"));
        files += 1;
    }
    assert!(files > 0, "{} is empty", directory.display());
}

#[test]
fn kept_seeds_still_pass() {
    replay("module", lathe_fuzz::module);
    replay("execute", lathe_fuzz::execute);
    replay("engines", lathe_fuzz::engines);
    replay("peers", lathe_fuzz::peers);
}

#[test]
fn modules_of_any_bytes_do_not_panic() {
    run(|data| {
        lathe_fuzz::module(data);
        lathe_fuzz::module(&[b"\0asm\x01\0\0\0", data].concat());
    });
}

#[test]
fn execution_is_deterministic() {
    let mut calls = 0;
    run(|data| calls += lathe_fuzz::execute(data));
    println!("{calls} calls");
    assert!(calls > 100, "only {calls} calls: the generator makes too few modules that run");
}

#[test]
fn every_engine_agrees_with_the_plain_one() {
    let mut calls = 0;
    run(|data| calls += lathe_fuzz::engines(data) + lathe_fuzz::engines(&data[..data.len().min(9)]));
    println!("{calls} calls");
    assert!(calls > 300, "only {calls} calls: the generators make too few modules that run");
}

#[test]
fn other_engines_agree() {
    let mut calls = 0;
    run(|data| calls += lathe_fuzz::peers(data) + lathe_fuzz::peers(&data[..data.len().min(9)]));
    println!("{calls} calls compared");
    assert!(calls > 300, "only {calls} calls could be compared");
}
