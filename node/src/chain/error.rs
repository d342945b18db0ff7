//! Errors of the chain, in the words that clients of geth match on.

use alloy_primitives::{Address, B256, Bytes, U256};

/// Why a transaction was not accepted. The texts are geth's where clients match on them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The bytes are no transaction of a supported type.
    #[error("{0}")]
    Undecodable(String),
    /// The signature recovers no sender.
    #[error("invalid sender: {0}")]
    Sender(String),
    /// The chain refuses it; the text says why, in geth's words.
    #[error("{0}")]
    Rejected(String),
    /// The same transaction is in the pool or mined.
    #[error("already known")]
    AlreadyKnown,
    /// The node cannot write any more.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// Why a call or an estimate gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The contract reverted with this output; `reason` explains it when the output does not.
    #[error("execution reverted{}", reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default())]
    Reverted {
        /// What the contract returned.
        output: Bytes,
        /// The decoded reason, or why a trap ended it.
        reason: Option<String>,
    },
    /// Execution halted exceptionally.
    #[error("{0}")]
    Halted(String),
    /// The request is no valid transaction.
    #[error("{0}")]
    Rejected(String),
    /// The state or block could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// Why something could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No such block.
    #[error("header not found")]
    UnknownBlock,
    /// State of a block that is not kept.
    #[error("state of block {number} is not kept: this node keeps the state of the latest block only (block {head})")]
    StateNotKept {
        /// The block asked for.
        number: u64,
        /// The latest block.
        head: u64,
    },
    /// The database failed or is inconsistent.
    #[error("database: {0}")]
    Database(String),
    /// A request names an account the node holds no key for.
    #[error("unknown account {0}: the node holds no key for it")]
    UnknownAccount(Address),
}

#[expect(unused, reason = "stub")]
type Unused = (B256, U256);
