//! What a verification found.

use alloy_primitives::{B256, hex};
use thiserror::Error;

use crate::{
    error::{CorruptEntry, CorruptTrie, StateError},
    record::{Head, TxPosition},
    store::Column,
};

/// Faults that a report lists; a broken database has as many as it has entries, and the first ones tell the story.
pub const FAULTS_MAX: usize = 100;

/// What [`View::verify`](crate::View::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The head verified.
    pub head: Head,
    /// Accounts read.
    pub accounts: u64,
    /// Slots read.
    pub slots: u64,
    /// Records of tries read.
    pub trie_records: u64,
    /// Rows of history of blocks after the first whose state is kept.
    pub history_rows: u64,
    /// Blocks read, from the head back to the first.
    pub blocks: u64,
    /// The first [`FAULTS_MAX`] faults.
    pub faults: Vec<Fault>,
    /// How many faults there are.
    pub faults_found: u64,
}

/// Something in the database that contradicts something else in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The accounts do not add up to the head's state root.
    #[error("state root is {computed}, block {number} says {recorded}")]
    StateRoot {
        /// The head's number.
        number: u64,
        /// The root in the head.
        recorded: B256,
        /// The root of the accounts.
        computed: B256,
    },
    /// An account's slots do not add up to its storage root.
    #[error("storage root of account {hashed_address} is {computed}, the account says {recorded}")]
    StorageRoot {
        /// keccak256 of the address.
        hashed_address: B256,
        /// The root in the account.
        recorded: B256,
        /// The root of its slots.
        computed: B256,
    },
    /// Slots without an account.
    #[error("{slots} slots under {hashed_address}, which has no account")]
    OrphanSlots {
        /// keccak256 of the address.
        hashed_address: B256,
        /// How many slots.
        slots: u64,
    },
    /// An account's code is not there.
    #[error("code {code_hash} of account {hashed_address} is missing")]
    CodeMissing {
        /// keccak256 of the address.
        hashed_address: B256,
        /// The code hash in the account.
        code_hash: B256,
    },
    /// A record sits under a hash that is not its own.
    #[error("database entry {column}/0x{} hashes to {computed}", hex::encode(.key))]
    Hash {
        /// [`Column::Code`] or [`Column::Preimage`].
        column: Column,
        /// The key.
        key: Vec<u8>,
        /// keccak256 of the value.
        computed: B256,
    },
    /// The address or slot behind a hash is not known.
    #[error("preimage of {hash} is missing")]
    PreimageMissing {
        /// keccak256 of an address or slot number.
        hash: B256,
    },
    /// A block's record says something that the chain does not.
    #[error("block {number}: {what}")]
    Block {
        /// The block's number.
        number: u64,
        /// What is wrong with it.
        what: BlockFault,
    },
    /// A record that another one promises is not there.
    #[error("{0}")]
    Missing(StateError),
    /// An entry does not decode.
    #[error(transparent)]
    Corrupt(#[from] CorruptEntry),
    /// A trie's records do not fit the flat state.
    #[error(transparent)]
    Trie(#[from] CorruptTrie),
    /// The history does not lead to the state of a block.
    #[error("state of block {number}: {what}")]
    History {
        /// The block.
        number: u64,
        /// What went wrong on the way to its state root.
        what: String,
    },
    /// A block has another number of rows of history than it says.
    #[error("history has {found} rows, the blocks list {listed}")]
    HistoryRows {
        /// The rows there are.
        found: u64,
        /// The rows that the blocks list.
        listed: u64,
    },
}

/// What can be wrong with a block in the database.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockFault {
    /// No canonical hash is recorded.
    #[error("there is no canonical hash")]
    Absent,
    /// It is beyond the head.
    #[error("it is beyond the head")]
    BeyondHead,
    /// The head's record and its header differ.
    #[error("its state root is {found}, the head says {recorded}")]
    StateRoot {
        /// The root in the head.
        recorded: B256,
        /// The root in the header.
        found: B256,
    },
    /// The header has another number.
    #[error("the header has number {found}")]
    Number {
        /// The number found.
        found: u64,
    },
    /// The next block, or the head, refers to another hash.
    #[error("its hash is {hash}, what follows refers to {child_parent}")]
    Link {
        /// The canonical hash.
        hash: B256,
        /// The parent that the next header has, or the head's hash.
        child_parent: B256,
    },
    /// The hash is not found back.
    #[error("its hash {hash} leads to {found:?}")]
    HashNumber {
        /// The canonical hash.
        hash: B256,
        /// The number recorded for it.
        found: Option<u64>,
    },
    /// Transactions and receipts do not pair up.
    #[error("{transactions} transactions have {receipts} receipts")]
    Count {
        /// How many transactions.
        transactions: usize,
        /// How many receipts.
        receipts: usize,
    },
    /// A transaction is not found back.
    #[error("transaction {index} ({tx_hash}) leads to {found:?}")]
    TxPosition {
        /// Its index.
        index: u32,
        /// keccak256 of its encoding.
        tx_hash: B256,
        /// The position recorded for it.
        found: Option<TxPosition>,
    },
}

impl Report {
    /// Returns whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults_found == 0
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.faults_found += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    pub(super) fn add_block(&mut self, number: u64, what: BlockFault) {
        self.add(Fault::Block { number, what });
    }

    pub(super) fn add_orphans(&mut self, hashed_address: Option<B256>, slots: u64) {
        if let Some(hashed_address) = hashed_address.filter(|_| slots > 0) {
            self.add(Fault::OrphanSlots { hashed_address, slots });
        }
    }

    /// Returns the value, or notes what is wrong with the entry. Fails only where reading itself does.
    pub(super) fn note<T>(&mut self, result: Result<T, StateError>) -> Result<Option<T>, StateError> {
        match result {
            Ok(value) => return Ok(Some(value)),
            Err(StateError::Corrupt(entry)) => self.add(Fault::Corrupt(entry)),
            Err(StateError::Trie(fault)) => self.add(Fault::Trie(fault)),
            Err(error @ StateError::Missing { .. }) => self.add(Fault::Missing(error)),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Notes what is wrong with an entry that was met on a walk.
    pub(super) fn add_error(&mut self, error: StateError) {
        match error {
            StateError::Corrupt(entry) => self.add(Fault::Corrupt(entry)),
            StateError::Trie(fault) => self.add(Fault::Trie(fault)),
            error => self.add(Fault::Missing(error)),
        }
    }
}
