//! Decides whether the build has the tail backend.
//!
//! Its handlers must end in jumps, which the compiler makes of calls in tail position when it optimises. Debug
//! assertions inside pointer reads take addresses of locals, and sanitizers add calls; both keep frames alive.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(vm_tail)");
    println!("cargo::rerun-if-changed=build.rs");
    let set = |name: &str| env::var(name).unwrap_or_default();
    let optimised = matches!(set("OPT_LEVEL").as_str(), "2" | "3" | "s" | "z");
    let plain_code =
        env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_none() && set("CARGO_CFG_SANITIZE").is_empty();
    if optimised && plain_code && set("CARGO_CFG_TARGET_ARCH") == "x86_64" {
        println!("cargo::rustc-cfg=vm_tail");
    }
}
