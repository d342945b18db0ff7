//! The Lathe node: runtime (transactions), chain (blocks), rpc and cli. The only crate that knows both accounts and
//! Wasm. Tests of contracts want [`sandbox`].

pub mod chain;
pub mod cli;
pub mod log;
pub mod rpc;
pub mod runtime;
pub mod sandbox;
pub mod statetest;
