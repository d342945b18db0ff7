//! How the program is laid out.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Compilers put functions that run once before `main`, and paths that hardly ever run, into sections of their own. RocksDB
    // has some of both for each of its files. Kept together, they spare each start a third of its page faults in code.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,keep-text-section-prefix");
    }
}
