//! `lathe db`: looking after a data directory.

use std::path::PathBuf;

use serde_json::json;

use super::{
    error::CliError,
    output::{grouped, print, print_json},
};
use crate::chain::Chain;

/// Look after a data directory.
#[derive(Debug, clap::Subcommand)]
pub(super) enum DbCommand {
    /// Recompute the state root from accounts and slots, and check every record against it
    Verify(VerifyCommand),
}

/// Recompute the state root from accounts and slots, and check every record against it.
///
/// The node must be stopped. Nothing is changed. Exits with 1 if anything is wrong.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyCommand {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl DbCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        match self {
            Self::Verify(command) => command.run(),
        }
    }
}

impl VerifyCommand {
    fn run(self) -> Result<(), CliError> {
        let report = Chain::verify(&self.data_dir)?;
        let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        if self.json {
            print_json(&json!({
                "ok": report.is_sound(),
                "block": report.head.number,
                "hash": report.head.hash,
                "stateRoot": report.head.state_root,
                "accounts": report.accounts,
                "slots": report.slots,
                "blocks": report.blocks,
                "faultsFound": report.faults_found,
                "faults": faults,
            }));
        } else {
            print(&format!(
                "block       {} ({})\nstate root  {}\nread        {} accounts, {} slots, {} blocks\n",
                report.head.number,
                report.head.hash,
                report.head.state_root,
                grouped(report.accounts),
                grouped(report.slots),
                grouped(report.blocks),
            ));
            for fault in &faults {
                print(&format!("FAULT       {fault}\n"));
            }
        }
        if report.is_sound() {
            return Ok(());
        }
        Err(CliError::Output(format!("{}: {} faults", self.data_dir.display(), report.faults_found)))
    }
}
