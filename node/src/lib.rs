//! The Lathe node: runtime (transactions), chain (blocks), rpc and cli. The only crate that knows both accounts and
//! Wasm.
//!
//! Tests of contracts want [`sandbox`]: with `default-features = false`, without database, server and command line.

pub mod chain;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod log;
#[cfg(feature = "server")]
pub mod rpc;
pub mod runtime;
pub mod sandbox;
pub mod statetest;
