//! `lathe db`: looking after a data directory. The node must be stopped.

mod care;
mod dump;
pub(in crate::cli) mod genesis;
mod load;
mod progress;
mod verify;

use std::path::PathBuf;

use super::error::CliError;

/// Look after a data directory.
#[derive(Debug, clap::Subcommand)]
pub(super) enum DbCommand {
    /// Recompute the state root, the trie and the history from accounts and slots, and check every record
    Verify(verify::VerifyCommand),
    /// Make the trie's records anew from accounts and slots
    RepairTrie(verify::RepairTrieCommand),
    /// Give up the blocks after a damage in the log
    #[cfg(feature = "rocksdb")]
    CutLog(care::CutLogCommand),
    /// Count what is in each column
    Stats(care::StatsCommand),
    /// Give up the state of old blocks, and the space it takes
    Prune(care::PruneCommand),
    /// Write the whole chain as lines of JSON
    Dump(dump::DumpCommand),
    /// Make a data directory from a dump, or from a genesis file as geth reads it
    Load(load::LoadCommand),
    /// Copy a data directory, sharing the files that do not change
    Checkpoint(care::CheckpointCommand),
}

/// What all of these commands are told.
#[derive(Debug, clap::Args)]
struct Target {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl DbCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        match self {
            Self::Verify(command) => command.run(),
            Self::RepairTrie(command) => command.run(),
            #[cfg(feature = "rocksdb")]
            Self::CutLog(command) => command.run(),
            Self::Stats(command) => command.run(),
            Self::Prune(command) => command.run(),
            Self::Dump(command) => command.run(),
            Self::Load(command) => command.run(),
            Self::Checkpoint(command) => command.run(),
        }
    }
}
