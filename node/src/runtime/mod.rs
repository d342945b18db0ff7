//! Transactions: revm's rules, journal, precompiles and EVM, with Wasm frames beside EVM frames.
//!
//! Applying a transaction is a pure function of the state view, the block's environment, the transaction and the
//! chain spec. revm's types stay inside this folder.

mod arb_wasm;
pub mod code;
mod env;
mod evm;
mod execute;
mod gas;
mod guest;
mod precompiles;
mod program;
mod program_state;
pub mod trace;
mod vm_hooks;
mod world;

pub use arb_wasm::{ARB_WASM, ARB_WASM_CACHE, STYLUS_VERSION};
pub use env::{BlockContext, Request};
pub use evm::PAGES_OPEN_MAX;
pub use execute::{AccountOverride, BlockExecutor, ExecuteError, Executed, Runtime, Status};
pub use program::{Program, ProgramError};
