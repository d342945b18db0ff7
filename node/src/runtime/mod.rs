//! Transactions: revm's rules, journal, precompiles and EVM, with Wasm frames beside EVM frames.
//!
//! Applying a transaction is a pure function of the state view, the block's environment, the transaction and the
//! chain spec. revm's types stay inside this folder.

mod access_list;
mod arb_wasm;
pub mod code;
mod console;
mod eei;
mod env;
mod evm;
mod evm_console;
mod execute;
mod failure;
mod frame_host;
mod gas;
mod gas_reading;
mod guest;
mod ledger;
mod precompiles;
mod program;
mod program_state;
mod protocol;
mod session;
mod simulate;
mod statistics;
mod time_limit;
pub mod trace;
pub mod unsigned;
mod vm_hooks;
mod world;

pub use arb_wasm::{ARB_WASM, ARB_WASM_CACHE, STYLUS_VERSION};
pub use console::{CONSOLE_LINE_BYTES_MAX, CONSOLE_LINES_MAX, Console, ConsoleLine};
pub use eei::link::EeiError;
#[cfg(feature = "server")]
pub(crate) use eei::link::MAIN;
pub use env::{BlockContext, Request};
pub use evm_console::CONSOLE;
pub use execute::{AccountOverride, BlockExecutor, ExecuteError, Executed, Runtime, Status};
pub use failure::{
    ContractFrame, FAILURE_CONTRACTS_MAX, Failure, FailureKind, FunctionFrame, VIOLATIONS_MAX, halt_text,
    revert_reason, revert_text,
};
pub use precompiles::{MoveError, recover as impersonated};
#[cfg(feature = "server")]
pub(crate) use program::ENTRYPOINT;
pub use program::{Interface, Program, ProgramCacheCounts, ProgramError};
pub use protocol::{Fork, Interfaces, Protocol};
pub use session::{Keep, Session};
pub use simulate::{Refusal, Simulated, Simulation, SimulationError, SimulationRules, TRANSFERS};
pub use statistics::Statistics;
pub use time_limit::{CALL_PAGES_MAX, TimeLimit, Turns};
pub use world::BlockHashes;
