//! `lathe trace`: what a transaction did, as a tree of calls with names and decoded values.

pub(super) mod artifacts;
pub(super) mod json;
mod known;
pub(super) mod text;

use std::{io, path::PathBuf};

use alloy_primitives::{Address, B256};
use serde_json::json;

use self::artifacts::Artifacts;
use super::{
    client::ClientOptions,
    error::CliError,
    output::{print, print_json},
    shown::Paint,
};
use crate::runtime::trace::ShownEntry;

/// Show what a transaction did: a tree of calls with names, arguments, gas, events and reasons of failures.
///
/// Names come from ABIs: those in --artifacts, and the ones that everybody has (ERC-20, ERC-721, ERC-1155, ArbWasm, Multicall3). A function is known by
/// its selector, so that a contract need not be named; --contract says which ABI an address has where that is not enough.
#[derive(Debug, clap::Args)]
pub(super) struct TraceCommand {
    /// The transaction's hash
    #[arg(value_name = "TX")]
    hash: B256,
    #[command(flatten)]
    names: NameOptions,
    #[command(flatten)]
    client: ClientOptions,
    /// Print frames and logs as JSON
    #[arg(long)]
    json: bool,
}

/// Where names come from.
#[derive(Debug, clap::Args)]
pub(super) struct NameOptions {
    /// A directory of ABIs: of Foundry (out), of hardhat (artifacts), or plain JSON
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    /// The ABI of a contract, by the name of its artifact
    #[arg(long = "contract", value_name = "ADDRESS=NAME", value_parser = named)]
    contracts: Vec<(Address, String)>,
}

fn named(text: &str) -> Result<(Address, String), String> {
    let (address, name) = text.split_once('=').ok_or("expected ADDRESS=NAME")?;
    Ok((address.parse().map_err(|error| format!("{address:?}: {error}"))?, name.to_owned()))
}

impl NameOptions {
    /// Reads the ABIs.
    pub(super) fn load(&self) -> Result<Artifacts, CliError> {
        let mut artifacts = Artifacts::built_in();
        if let Some(directory) = &self.artifacts {
            artifacts.add_directory(directory)?;
        }
        for (address, name) in &self.contracts {
            artifacts.name_contract(*address, name)?;
        }
        Ok(artifacts)
    }
}

impl TraceCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let artifacts = self.names.load()?;
        let client = self.client.client()?;
        let options = json!({"tracer": "latheTracer"});
        let entries: Vec<ShownEntry> =
            client.request("debug_traceTransaction", json!([self.hash, options]))?;
        if self.json {
            print_json(&json::entries(&entries, &artifacts));
            return Ok(());
        }
        print(&text::tree(&entries, &artifacts, Paint::of(&io::stdout())));
        Ok(())
    }
}
