//! What the built contracts do when they run, in the sandbox.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod abi;
mod cabinet;
mod calculator;
mod counter;
mod erc20;
mod erc721;
mod estimate;
mod exchange;
mod factory;
mod gas;
mod probe;
mod proxy;
mod shape;
mod text;
