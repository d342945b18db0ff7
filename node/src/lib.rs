//! The Lathe node: runtime (transactions), chain (blocks), rpc and cli.

pub mod chain;
pub mod cli;
pub mod rpc;
