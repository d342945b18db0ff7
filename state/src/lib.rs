//! The state of a chain: accounts, storage, code and blocks, the Merkle Patricia trie over them, and the stores that hold
//! them.
//!
//! - A [`Store`] keeps bytes: [`MemoryStore`] for tests and the sandbox, `RocksStore` for everything that must last.
//! - A [`Database`] is a chain in a store. It has one writer, which advances it block by block in two steps:
//!   [`Database::prepare`] tells the state root that [`Changes`] lead to, [`Database::commit`] writes the block and its state
//!   in one atomic batch.
//! - A [`View`] is the chain at one block, for any number of readers. It does not change when the writer goes on.
//!
//! **Flat state** means accounts and slots keyed by keccak256 of their address and number. That is the order of the trie's
//! leaves, so [`View::verify`] can always tell, in one pass, whether the flat state is the state that the head's header
//! promises. The **trie's records** hold its branches by their paths, so that a block's new root costs what the block
//! changed, and a proof a few reads. The **history** holds what each block replaced; with it, [`View::at`] reads earlier
//! blocks and [`Database::revert`] goes back to one. A chain that forks another one reads from its [`Origin`] what it has not
//! written.
//!
//! # Invariants
//! - Everything that a block changes, the head included, is one [`Batch`]: after a crash the chain is at a block's end.
//! - An account that EIP-161 calls empty and a slot of value zero have no record.
//! - Nothing under a hash is SCALE, nothing in the database is RLP but raw transactions.
//! - Bytes of the database are never trusted: what does not decode is an error with its column and key.

mod changes;
mod codec;
mod contents;
mod database;
#[cfg(test)]
mod encodings;
mod error;
#[cfg(feature = "failpoints")]
mod failpoint;
mod genesis;
mod history;
mod leaf;
mod load;
mod measure;
mod memory;
mod overlay;
mod prepare;
mod proof;
mod reader;
mod record;
mod remembered;
mod repair;
mod revert;
#[cfg(feature = "rocksdb")]
mod rocks;
mod root;
mod store;
mod trie;
mod verify;
mod view;

/// Kills the process here if the crash harness wants it; nothing without the feature `failpoints`.
macro_rules! reach {
    ($point:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::failpoint::reach($point);
    };
}
pub(crate) use reach;

pub use alloy_trie::EMPTY_ROOT_HASH;

#[cfg(feature = "failpoints")]
pub use crate::failpoint::Sabotage;

#[cfg(feature = "rocksdb")]
pub use crate::rocks::{RocksOptions, RocksStore};
pub use crate::{
    changes::{AccountChange, AccountInfo, Changes},
    codec::RecordError,
    contents::ColumnSize,
    database::{Block, Database, DatabaseOptions, SCHEMA_VERSION},
    error::{BlockMismatch, ChangesError, CorruptEntry, CorruptTrie, Foreign, NotKept, StateError},
    genesis::{Genesis, GenesisAccount},
    load::{BlockRecords, Loader},
    measure::Measure,
    memory::MemoryStore,
    overlay::{ForkPoint, Origin, OriginError},
    prepare::Prepared,
    proof::{AccountProof, SlotProof},
    record::{Account, BodyTx, Head, Header, Receipt, TxPosition},
    repair::Repair,
    root::{AccountUpdate, Root},
    store::{Batch, Column, Entry, Scan, Snapshot, Store, StoreError},
    trie::TrieFault,
    verify::{BlockFault, FAULTS_MAX, Fault, Progress, Report},
    view::View,
};
