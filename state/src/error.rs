//! What can go wrong with the state.

use std::fmt;

use alloy_primitives::{Address, B256, hex};
use thiserror::Error;

use crate::{
    codec::RecordError,
    overlay::OriginError,
    store::{Column, StoreError},
    trie::TrieFault,
};

/// Why the state cannot be opened, read or advanced.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds bytes that this build did not write.
    #[error(transparent)]
    Corrupt(#[from] CorruptEntry),
    /// The store holds no chain yet.
    #[error("the database holds no chain yet")]
    Uninitialised,
    /// A chain was being loaded into the store and is not whole.
    #[error(
        "loading a chain into the database was cut short or failed; remove the directory and load it again"
    )]
    Unfinished,
    /// A chain cannot be loaded over another one.
    #[error("the database is not empty: give a directory that is")]
    NotEmpty,
    /// The store holds another chain, or another build's.
    #[error(transparent)]
    Foreign(#[from] Foreign),
    /// The chain that this one forks could not be read.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The state of a fork is asked for where nobody can be asked for what it has not written.
    #[error(
        "the chain is a fork at block {number}, and what it has not written is on the chain that it forks; only a node reads that"
    )]
    NoOrigin {
        /// The block that it stands on.
        number: u64,
    },
    /// Code of the chain that this one forks, of an account that was read too long ago.
    #[error("code {code_hash} of the forked chain is no longer kept: ask again")]
    CodeNotKept {
        /// Its hash.
        code_hash: B256,
    },
    /// A record that another one promises is not there.
    #[error("database entry {column}/0x{} is missing", hex::encode(.key))]
    Missing {
        /// The column.
        column: Column,
        /// The key.
        key: Vec<u8>,
    },
    /// The trie's records do not fit the flat state or each other.
    #[error(transparent)]
    Trie(#[from] CorruptTrie),
    /// The state of a block is outside the window that is kept.
    #[error(transparent)]
    NotKept(#[from] NotKept),
    /// The changes contradict themselves.
    #[error(transparent)]
    Changes(#[from] ChangesError),
    /// The store has another chain by now.
    #[error("the chain was replaced by another one: nothing can be written to it any more")]
    Replaced,
    /// The state moved on between `prepare` and `commit`.
    #[error("prepared on block {prepared_on}, the head is block {head_number} ({head})")]
    Stale {
        /// Hash of the head at `prepare`.
        prepared_on: B256,
        /// Hash of the head at `commit`.
        head: B256,
        /// Its number.
        head_number: u64,
    },
    /// The block does not fit the head or the prepared state.
    #[error(transparent)]
    Block(#[from] BlockMismatch),
}

/// An entry of the store that does not decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorruptEntry {
    /// The column.
    pub column: Column,
    /// The key.
    pub key: Vec<u8>,
    /// What is wrong with the key or the value.
    pub reason: RecordError,
}

impl fmt::Display for CorruptEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database entry {}/0x{}: {}", self.column, hex::encode(&self.key), self.reason)
    }
}

impl std::error::Error for CorruptEntry {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

/// A record of the trie that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorruptTrie {
    /// [`Column::TrieAccount`] or [`Column::TrieStorage`].
    pub column: Column,
    /// The key.
    pub key: Vec<u8>,
    /// What is wrong.
    pub fault: TrieFault,
}

impl fmt::Display for CorruptTrie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trie record {}/0x{}: {}", self.column, hex::encode(&self.key), self.fault)
    }
}

impl std::error::Error for CorruptTrie {}

/// The state of a block that nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotKept {
    /// Its history was pruned, or never recorded.
    #[error(
        "state of block {number} is not kept: history begins at block {first} (the head is block {head})"
    )]
    Pruned {
        /// The block asked for.
        number: u64,
        /// The first block whose state is kept.
        first: u64,
        /// The head.
        head: u64,
    },
    /// The block is not there yet.
    #[error("block {number} is beyond the head, which is block {head}")]
    BeyondHead {
        /// The block asked for.
        number: u64,
        /// The head.
        head: u64,
    },
}

/// How a store's chain differs from the one asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Foreign {
    /// Another build's layout.
    #[error(
        "the database has schema version {found}, this build reads version {expected}; give another directory, or use the build that made it"
    )]
    Schema {
        /// The version found.
        found: u64,
        /// The version of this build.
        expected: u64,
    },
    /// Another chain.
    #[error("the database holds chain id {found}, not {expected}")]
    ChainId {
        /// The chain id found.
        found: u64,
        /// The chain id asked for.
        expected: u64,
    },
    /// A fork, where a chain of its own is asked for.
    #[error(
        "the database holds a fork of chain {chain_id} at block {number}; give --fork-url, or another directory"
    )]
    Fork {
        /// The chain id found.
        chain_id: u64,
        /// The block that it stands on.
        number: u64,
    },
    /// A chain of its own, where a fork is asked for.
    #[error(
        "the database holds chain {chain_id}, which is no fork; give another directory, or leave --fork-url out"
    )]
    NoFork {
        /// The chain id found.
        chain_id: u64,
    },
    /// The same chain id with another beginning.
    #[error("the database's chain begins with block {found}, not {expected}")]
    Genesis {
        /// The genesis hash found.
        found: B256,
        /// The genesis hash asked for.
        expected: B256,
    },
}

/// How changes contradict themselves.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChangesError {
    /// Code under a hash that is not its own.
    #[error("code under hash {given} hashes to {computed}")]
    CodeHash {
        /// The hash given.
        given: B256,
        /// The code's own.
        computed: B256,
    },
    /// An account whose code nobody has.
    #[error(
        "account {address} has code hash {code_hash}, whose code is neither in the changes nor in the database"
    )]
    CodeMissing {
        /// The account.
        address: Address,
        /// Its code hash.
        code_hash: B256,
    },
}

/// How a block fails to follow the head.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockMismatch {
    /// Another number than the head's plus one.
    #[error("block number {found} does not follow, {expected} does")]
    Number {
        /// The number that follows.
        expected: u64,
        /// The block's.
        found: u64,
    },
    /// Another parent than the head.
    #[error("block {number} has parent {found}, the head is {expected}")]
    Parent {
        /// The block's number.
        number: u64,
        /// The head's hash.
        expected: B256,
        /// The block's parent.
        found: B256,
    },
    /// Another state root than the prepared one.
    #[error("block {number} has state root {found}, the prepared state has {expected}")]
    StateRoot {
        /// The block's number.
        number: u64,
        /// The prepared root.
        expected: B256,
        /// The header's.
        found: B256,
    },
    /// Transactions, their hashes and receipts that do not pair up.
    #[error(
        "block {number} has {transactions} transactions, {hashes} transaction hashes and {receipts} receipts"
    )]
    Count {
        /// The block's number.
        number: u64,
        /// How many transactions.
        transactions: usize,
        /// How many transaction hashes.
        hashes: usize,
        /// How many receipts.
        receipts: usize,
    },
}
