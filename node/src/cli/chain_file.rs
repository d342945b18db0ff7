//! Which chain a command is about: a built-in one by its name.

use super::error::CliError;
use crate::chain::ChainSpec;

/// The value of `--chain`.
pub(super) type ChainArgument = String;

/// A chain: its rules.
pub(super) struct ChainFile {
    pub(super) spec: ChainSpec,
}

/// Returns the chain that is named.
pub(super) fn load(argument: &ChainArgument) -> Result<ChainFile, CliError> {
    match argument.as_str() {
        "ewasm" => Ok(ChainFile { spec: ChainSpec::EWASM }),
        "devnet" => Ok(ChainFile { spec: ChainSpec::DEVNET }),
        other => Err(CliError::Usage(format!("{other}: no such chain"))),
    }
}
