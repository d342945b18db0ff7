//! Transactions: revm's rules, journal, precompiles and EVM, with Wasm frames beside EVM frames.
//!
//! Applying a transaction is a pure function of the state view, the block's environment, the transaction and the
//! chain spec. revm's types stay inside this folder.

pub mod code;
mod eei;
mod env;
mod evm;
mod execute;
mod gas;
mod guest;
mod precompile;
mod program;
mod program_state;
mod protocol;
mod vm_hooks;
mod world;

pub use eei::link::EeiError;
pub use env::{BlockContext, Request};
pub use execute::{AccountOverride, BlockExecutor, ExecuteError, Executed, Runtime, Status};
pub use program::{Interface, Program, ProgramError};
pub use protocol::{Fork, Interfaces, Protocol};
pub use world::BlockHashes;
