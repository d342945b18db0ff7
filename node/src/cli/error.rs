//! Why a command failed, in words for the person at the terminal.

use std::{io, path::PathBuf, process::ExitCode};

use crate::chain::ChainError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command was called wrongly.
    #[error("{0}")]
    Usage(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A node could not be reached or gave no JSON-RPC answer.
    #[error("{url}: {why}")]
    Connection {
        /// The node.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The node answered with an error.
    #[error("{message}")]
    Refused {
        /// What the node said, with the revert reason if there is one.
        message: String,
    },
    /// A transaction was mined and failed.
    #[error("transaction {hash} failed in block {block} and used {gas_used} gas")]
    Failed {
        /// The transaction.
        hash: alloy_primitives::B256,
        /// Where it was mined.
        block: u64,
        /// What it used.
        gas_used: u64,
    },
    /// What a contract returned is not what its signature says.
    #[error("{0}")]
    Output(String),
    /// The chain could not be opened.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The node could not start or run.
    #[error("{0}")]
    Node(String),
}

impl CliError {
    /// Returns the error of a file.
    pub fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { path: path.into(), source }
    }

    /// Returns the status that the process exits with: 2 for a command that was called wrongly, else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}
