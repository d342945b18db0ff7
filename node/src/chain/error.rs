//! Errors of the chain, in the words that clients of geth match on.

use std::{path::PathBuf, time::Duration};

use alloy_primitives::{Address, Bytes};
use lathe_state::{Foreign, NotKept, StateError, StoreError};

use super::{
    clock::TIMESTAMP_MAX,
    impersonate::IMPERSONATED_MAX,
    mining::{INTERVAL_MAX, INTERVAL_MIN},
    read::{LOG_BLOCKS_MAX, LOGS_MAX},
    rewind::{SNAPSHOT_POOL_BYTES_MAX, SNAPSHOTS_MAX},
    spec::CHAIN_ID_MAX,
    watch::{FILTER_IDLE_MAX, FILTER_VALUES_MAX, FILTERS_MAX},
};
use crate::runtime::{ExecuteError, Failure, halt_text, revert_text};

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
    /// The same transaction waits in the pool. (One that is mined has a nonce that is too low.)
    #[error("already known")]
    AlreadyKnown,
    /// What the request leaves out could not be filled in.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The node cannot read or write any more.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// Why a call or an estimate gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The contract reverted with this output.
    #[error("{}", revert_text(.reason.as_deref(), .failure.as_deref()))]
    Reverted {
        /// What the contract returned.
        output: Bytes,
        /// What the output says.
        reason: Option<String>,
        /// What is behind it where the output says nothing: a trap.
        failure: Option<Box<Failure>>,
    },
    /// Execution halted exceptionally.
    #[error("{}", halt_text(.words, .failure.as_deref()))]
    Halted {
        /// What happened, in geth's words.
        words: String,
        /// What is behind it.
        failure: Option<Box<Failure>>,
    },
    /// The request is no valid transaction.
    #[error("{0}")]
    Rejected(String),
    /// It took longer than it may, or more memory than there is for calls.
    #[error("{0}")]
    Stopped(String),
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
    /// A query for logs spans too many blocks.
    #[error(
        "exceed maximum block range: {LOG_BLOCKS_MAX}, the query spans {blocks} blocks; ask for fewer at a time"
    )]
    LogRange {
        /// How many it spans.
        blocks: u64,
    },
    /// A query for logs finds too many.
    #[error("query returned more than {LOGS_MAX} results; ask for fewer blocks at a time")]
    TooManyLogs,
    /// State of a block that is not kept.
    #[error(
        "state of block {number} is not kept: this node keeps the state of blocks {first} to {head} (--history)"
    )]
    StateNotKept {
        /// The block asked for.
        number: u64,
        /// The first block whose state is kept.
        first: u64,
        /// The latest block.
        head: u64,
    },
    /// More blocks are to be taken back than there are.
    #[error("cannot take back {blocks} blocks: there are {head} after the first one")]
    RollbackBeyondGenesis {
        /// How many.
        blocks: u64,
        /// The latest block.
        head: u64,
    },
    /// No more snapshots are remembered.
    #[error(
        "the node remembers no more than {SNAPSHOTS_MAX} snapshots; go back to one to forget those after it"
    )]
    TooManySnapshots,
    /// Snapshots would remember too much that waits.
    #[error(
        "snapshots remember no more than {SNAPSHOT_POOL_BYTES_MAX} bytes of waiting transactions, and with this one it \
         would be {bytes}; mine or drop what waits, or go back to an earlier snapshot"
    )]
    SnapshotsTooLarge {
        /// What it would be.
        bytes: usize,
    },
    /// A timestamp that no next block can have.
    #[error("timestamp {timestamp} is not possible: the next block's is from {earliest} to {TIMESTAMP_MAX}")]
    Timestamp {
        /// The timestamp.
        timestamp: u64,
        /// The earliest that is possible.
        earliest: u64,
    },
    /// A pace at which no blocks are mined.
    #[error(
        "a block every {0:?} is not possible: the shortest interval is {INTERVAL_MIN:?}, the longest {INTERVAL_MAX:?}"
    )]
    MiningInterval(Duration),
    /// No more accounts are impersonated one by one.
    #[error(
        "the node impersonates no more than {IMPERSONATED_MAX} accounts one by one; use anvil_autoImpersonateAccount for all"
    )]
    TooManyImpersonated,
    /// A chain id that no signature can carry.
    #[error(
        "chain id {0} is not possible: it is from 1 to {CHAIN_ID_MAX}, so that signatures can carry it (EIP-155)"
    )]
    ChainId(u64),
    /// Code that no creation could have installed.
    #[error("code for account {address}: {why}")]
    Code {
        /// The account.
        address: Address,
        /// What is wrong with it.
        why: String,
    },
    /// An account without balance, nonce and code cannot have storage (EIP-161).
    #[error(
        "account {0} is empty and an empty account has no storage (EIP-161): set its balance, nonce or code first"
    )]
    EmptyAccount(Address),
    /// No such filter, or one that was not asked for too long.
    #[error("filter not found: it was uninstalled, or not asked for {} seconds", FILTER_IDLE_MAX.as_secs())]
    UnknownFilter,
    /// No more filters are kept.
    #[error("the node keeps no more than {FILTERS_MAX} filters; uninstall those that are no longer needed")]
    TooManyFilters,
    /// A filter that is to be kept names too much.
    #[error(
        "exceed max topics: the filter names {values} addresses and topics, the limit is {FILTER_VALUES_MAX}; use \
         several filters"
    )]
    FilterTooLarge {
        /// How many addresses and topics it names.
        values: usize,
    },
    /// The chain that this one forks could not be read.
    #[error("{0}")]
    Fork(String),
    /// The directory holds a fork that stands elsewhere.
    #[error(
        "the directory holds a fork at block {have}, not {want}; leave --fork-block-number out, or give another directory"
    )]
    OtherFork {
        /// The block that it stands on.
        have: u64,
        /// The block asked for.
        want: u64,
    },
    /// What a fork cannot do, because it has no more of the other chain's state than it read.
    #[error("{0}")]
    NotOnFork(&'static str),
    /// The database failed or is inconsistent.
    #[error("database: {0}")]
    Database(String),
    /// The database holds a chain that begins otherwise.
    #[error(
        "{0}. The chain was made with other accounts, balances or rules: open it with the options it was made with, or \
         give another directory"
    )]
    OtherGenesis(String),
    /// A request names an account the node holds no key for.
    #[error(
        "unknown account {0}: the node holds no key for it; sign the transaction and use eth_sendRawTransaction, or \
         impersonate the account with anvil_impersonateAccount"
    )]
    UnknownAccount(Address),
    /// The mnemonic derives no accounts.
    #[error("mnemonic: {0}")]
    Mnemonic(String),
    /// There is no data directory.
    #[error("{}: there is no such directory", .0.display())]
    NoDataDir(PathBuf),
    /// A directory holds no database.
    #[error("{}: there is no chain in this directory: `lathe node --data-dir` or `lathe db load` makes one", .0.display())]
    NoDatabase(PathBuf),
    /// A file or directory is in the way.
    #[error("{}: it is there already; name one that is not", .0.display())]
    Exists(PathBuf),
    /// A dump contradicts itself.
    #[error("dump: {0}")]
    Dump(String),
    /// An account of a genesis file has code that no transaction could have installed.
    #[error("code of account {address}: {why}")]
    GenesisCode {
        /// The account.
        address: Address,
        /// What is wrong with it.
        why: String,
    },
    /// A data directory was given to a build without a database.
    #[error("{} cannot be opened: this build has no database (cargo feature `rocksdb`)", .0.display())]
    NoRocksDb(PathBuf),
    /// A rule of the implementation was broken.
    #[error("internal error: {0}")]
    Internal(String),
}

impl ChainError {
    pub(super) fn missing_block(number: u64) -> Self {
        Self::Database(format!("block {number} is missing"))
    }
}

impl From<StoreError> for ChainError {
    fn from(error: StoreError) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<StateError> for ChainError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Foreign(Foreign::Genesis { .. }) => Self::OtherGenesis(error.to_string()),
            StateError::NotKept(NotKept::Pruned { number, first, head }) => {
                Self::StateNotKept { number, first, head }
            }
            StateError::Origin(error) => Self::Fork(error.0),
            _ => Self::Database(error.to_string()),
        }
    }
}

impl From<ExecuteError> for CallError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Invalid(reason) => Self::Rejected(reason),
            ExecuteError::State(error) => Self::Chain(error.into()),
            ExecuteError::Stopped(words) => Self::Stopped(words),
            ExecuteError::Recording(error) => Self::Rejected(error.to_string()),
            ExecuteError::Internal(reason) => Self::Chain(ChainError::Internal(reason)),
        }
    }
}
