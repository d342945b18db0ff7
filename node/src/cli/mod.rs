//! The command line: one module a command, and what they share.
//!
//! Results go to standard output, for people by default and as JSON with `--json`; everything else goes to standard
//! error. A command that fails exits with 1, one that was called wrongly with 2.

mod abi;
mod amount;
mod chain_file;
mod client;
mod contract;
mod db;
mod deploy;
mod envelope;
mod error;
mod gas;
mod init_code;
mod inspect;
mod keys;
mod module_file;
mod node;
mod output;
mod run;
mod scale;
mod send;
mod statetest;
mod trace;
mod upload;
mod value;

use clap::{Parser, Subcommand};

pub use envelope::{Creation, CreationError};
pub use error::CliError;

/// A devnet for WebAssembly smart contracts, and tools to deploy and call them.
#[derive(Debug, Parser)]
#[command(name = "lathe", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do; each command's help is the documentation of its arguments.
#[derive(Debug, Subcommand)]
enum Command {
    Node(node::NodeCommand),
    Deploy(deploy::DeployCommand),
    Call(contract::CallCommand),
    Send(contract::SendCommand),
    Encode(contract::EncodeCommand),
    Decode(contract::DecodeCommand),
    Envelope(deploy::EnvelopeCommand),
    /// Report on a Wasm module: what it imports and exports, and whether the chain takes it as a contract
    Inspect(inspect::InspectCommand),
    /// Run a function of a Wasm module without a chain
    Run(run::RunCommand),
    Trace(trace::TraceCommand),
    Gas(gas::GasCommand),
    /// Show the rules of chains
    #[command(subcommand)]
    Chain(chain_file::ChainCommand),
    /// Run Ethereum's GeneralStateTests
    #[command(name = "statetest")]
    StateTest(statetest::StateTestCommand),
    /// Look after a data directory
    #[command(subcommand)]
    Db(db::DbCommand),
}

impl Cli {
    /// Runs the command. Fails with what to tell the user.
    pub fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::Node(command) => command.run(),
            Command::Deploy(command) => command.run(),
            Command::Call(command) => command.run(),
            Command::Send(command) => command.run(),
            Command::Encode(command) => command.run(),
            Command::Decode(command) => command.run(),
            Command::Envelope(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Trace(command) => command.run(),
            Command::Gas(command) => command.run(),
            Command::Chain(command) => command.run(),
            Command::StateTest(command) => command.run(),
            Command::Db(command) => command.run(),
        }
    }
}
