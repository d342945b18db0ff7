//! The command line: one module a command, and what they share.
//!
//! Results go to standard output, for people by default and as JSON with `--json`; everything else goes to standard
//! error. A command that fails exits with 1, one that was called wrongly with 2.

mod abi;
mod amount;
mod chain_file;
mod client;
mod completions;
mod config;
mod contract;
mod db;
mod deploy;
mod envelope;
mod error;
mod examples;
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
mod shown;
mod statetest;
mod trace;
mod upload;
mod value;

use std::{ffi::OsString, path::PathBuf};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use envelope::{Creation, CreationError};
pub use error::CliError;

/// A devnet for WebAssembly smart contracts, and tools to deploy and call them.
#[derive(Debug, Parser)]
#[command(name = "lathe", version, arg_required_else_help = true)]
pub struct Cli {
    /// Take what flags do not say from this file; by default from lathe.toml, if it is there
    #[arg(long, global = true, env = "LATHE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// What to do; each command's help is the documentation of its arguments.
#[derive(Debug, Subcommand)]
enum Command {
    Node(Box<node::NodeCommand>),
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
    Completions(completions::CompletionsCommand),
}

impl Cli {
    /// Reads the command line, the environment and `lathe.toml`. Ends the process where it should print help or is wrong.
    pub fn load() -> Result<Self, CliError> {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let command = examples::apply(config::apply(Self::command(), &arguments)?);
        let matches = command.get_matches_from(arguments);
        Ok(Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
    }

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
            Command::Completions(command) => command.run(),
        }
    }
}
