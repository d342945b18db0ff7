//! The Lathe node: the runtime that applies transactions and the chain of blocks. The only crate that knows both
//! accounts and Wasm.

pub mod chain;
pub mod runtime;
