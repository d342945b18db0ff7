//! Which chain a command is about: a built-in one by its name, or a file with its rules.
//!
//! A file is a [specification](crate::chain::spec_file) in TOML, or a genesis file as geth reads it, which has the devnet's
//! rules with its own chain id, gas limit and accounts.

use std::{fs, path::Path};

use super::{db::genesis::GethGenesis, error::CliError, output::print};
use crate::chain::{ChainSpec, spec_file};

/// Bytes of a file: a genesis file has some millions of accounts.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Returns the chain that is named: `devnet`, `ewasm`, or a file.
pub(super) fn load(name: &str) -> Result<ChainSpec, CliError> {
    match name {
        "devnet" => return Ok(ChainSpec::DEVNET),
        "ewasm" => return Ok(ChainSpec::EWASM),
        _ => {}
    }
    let path = Path::new(name);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => CliError::Usage(format!(
            "--chain {name}: there is no such file, and the built-in chains are devnet and ewasm"
        )),
        _ => CliError::file(path, error),
    };
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(CliError::Output(format!(
            "{name}: a chain's file has at most {FILE_BYTES_MAX} bytes, not {bytes}"
        )));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let wrong = |why: String| CliError::Output(format!("{name}: {why}"));
    if text.trim_start().starts_with('{') {
        let genesis: GethGenesis = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("this is no genesis file as geth reads it: {error}")))?;
        let (spec, genesis) = genesis.into_parts().map_err(wrong)?;
        return Ok(ChainSpec { accounts: genesis.accounts, ..spec });
    }
    spec_file::parse(&text).map_err(|error| wrong(error.to_string()))
}

/// Chains' rules
#[derive(Debug, clap::Subcommand)]
pub(super) enum ChainCommand {
    /// Print the rules of a chain as a file, to begin one's own with
    Show(ShowCommand),
}

/// Print the rules of a chain as a file.
#[derive(Debug, clap::Args)]
pub(super) struct ShowCommand {
    /// devnet, ewasm, or a file
    #[arg(value_name = "NAME|FILE")]
    chain: String,
}

impl ChainCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let Self::Show(ShowCommand { chain }) = self;
        print(&spec_file::print(&load(&chain)?));
        Ok(())
    }
}
