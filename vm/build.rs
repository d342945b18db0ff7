//! Decides whether the build has the tail backend.
//!
//! Its handlers must end in jumps, which the compiler makes of calls in tail position when it optimises. Debug
//! assertions inside pointer reads take addresses of locals, and sanitizers add calls; both keep frames alive.

use std::env;

/// Also called by the build scripts of the variants that the engine bench compares with; only they leave something out.
pub fn main() {
    println!("cargo::rustc-check-cfg=cfg(vm_tail, vm_unmetered, vm_any_nan)");
    let set = |name: &str| env::var(name).unwrap_or_default();
    let optimised = matches!(set("OPT_LEVEL").as_str(), "2" | "3" | "s" | "z");
    let plain_code =
        env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_none() && set("CARGO_CFG_SANITIZE").is_empty();
    if optimised && plain_code && set("CARGO_CFG_TARGET_ARCH") == "x86_64" {
        println!("cargo::rustc-cfg=vm_tail");
    }
}
