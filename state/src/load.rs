//! Writing a chain into an empty store, piece by piece: what `lathe db dump` wrote comes back.
//!
//! Pieces are written in many batches, so the store is marked as unfinished before the first and until after the last. What
//! was loaded counts only if its accounts and slots have the state root that the head's header promises; then the trie is
//! made from them. A load that was cut short, or did not add up, leaves a store that nothing opens.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};

use crate::{
    codec::{Record, RecordError},
    database::{
        Block, Database, DatabaseOptions, META_CHAIN_ID, META_GENESIS_HASH, META_IMPORTED, META_LOADING,
        META_SCHEMA_VERSION, SCHEMA_VERSION,
    },
    error::StateError,
    history::META_HISTORY_TAIL,
    record::{Account, SlotValue},
    store::{Batch, Column, Store},
    verify::Progress,
    view::{META_HEAD, hashed_slot, slot_key},
};

/// Writes in one batch of a load: a few megabytes.
const BATCH_WRITES: usize = 16_384;

/// A chain being loaded.
pub struct Loader {
    store: Arc<dyn Store>,
    batch: Batch,
    last: Option<Block>,
    genesis_hash: Option<B256>,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

/// A block as the database keeps it: SCALE records, each with its version byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockRecords {
    /// The block's hash.
    pub hash: B256,
    /// The header.
    pub header: Bytes,
    /// The transactions.
    pub body: Bytes,
    /// The receipts.
    pub receipts: Bytes,
}

impl Block {
    /// Returns the block's records.
    pub fn to_records(&self) -> BlockRecords {
        BlockRecords {
            hash: self.hash,
            header: self.header.to_bytes().into(),
            body: self.body.to_bytes().into(),
            receipts: self.receipts.to_bytes().into(),
        }
    }

    /// Reads what [`Block::to_records`] returned.
    pub fn from_records(records: &BlockRecords) -> Result<Self, RecordError> {
        let body = Vec::<crate::BodyTx>::from_bytes(&records.body)?;
        Ok(Self {
            hash: records.hash,
            header: Record::from_bytes(&records.header)?,
            tx_hashes: body.iter().map(|tx| keccak256(&tx.raw)).collect(),
            body,
            receipts: Record::from_bytes(&records.receipts)?,
        })
    }
}

impl Loader {
    /// Begins to load into a store; fails with [`StateError::NotEmpty`] if there is anything in it.
    pub fn new(store: Arc<dyn Store>) -> Result<Self, StateError> {
        if store.snapshot().scan(Column::Meta, &[], &[]).next().is_some() {
            return Err(StateError::NotEmpty);
        }
        let mut batch = Batch::new();
        batch.put(Column::Meta, META_LOADING, 1_u64.to_bytes());
        store.write(batch)?;
        Ok(Self { store, batch: Batch::new(), last: None, genesis_hash: None })
    }

    /// Adds the next block, from the first one on.
    pub fn block(&mut self, block: Block) -> Result<(), StateError> {
        match &self.last {
            Some(last) => block.check_follows(&last.head())?,
            None => self.genesis_hash = Some(block.hash),
        }
        block.check_counts()?;
        block.put_in(&mut self.batch);
        self.last = Some(block);
        self.write_if_full()
    }

    /// Adds code.
    pub fn code(&mut self, code: &[u8]) -> Result<(), StateError> {
        self.batch.put(Column::Code, keccak256(code).as_slice(), code);
        self.write_if_full()
    }

    /// Adds an account; its storage root must be that of the slots that are added.
    pub fn account(&mut self, address: Address, account: &Account) -> Result<(), StateError> {
        let hashed = keccak256(address);
        self.batch.put(Column::Preimage, hashed.as_slice(), address.as_slice());
        self.batch.put(Column::Account, hashed.as_slice(), account.to_bytes());
        self.write_if_full()
    }

    /// Adds a slot; a zero one is not there.
    pub fn slot(&mut self, address: Address, slot: U256, value: U256) -> Result<(), StateError> {
        if value.is_zero() {
            return Ok(());
        }
        let hashed = hashed_slot(slot);
        self.batch.put(Column::Preimage, hashed.as_slice(), slot.to_be_bytes::<32>());
        self.batch.put(Column::Slot, slot_key(keccak256(address), hashed), SlotValue(value).to_bytes());
        self.write_if_full()
    }

    /// Makes the trie, checks it against the last block, and returns the chain. History begins at that block.
    ///
    /// `imported` says that the chain's beginning was given by a file: see [`Database::is_imported`].
    pub fn finish(
        mut self,
        chain_id: u64,
        imported: bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Database, StateError> {
        let (Some(last), Some(genesis_hash)) = (self.last.take(), self.genesis_hash) else {
            return Err(StateError::Uninitialised);
        };
        let head = last.head();
        self.batch.put(Column::Meta, META_HEAD, head.to_bytes());
        self.batch.put(Column::Meta, META_CHAIN_ID, chain_id.to_bytes());
        self.batch.put(Column::Meta, META_GENESIS_HASH, genesis_hash.to_bytes());
        self.batch.put(Column::Meta, META_HISTORY_TAIL, head.number.to_bytes());
        self.batch.put(Column::Meta, META_SCHEMA_VERSION, SCHEMA_VERSION.to_bytes());
        if imported {
            self.batch.put(Column::Meta, META_IMPORTED, 1_u64.to_bytes());
        }
        self.write()?;
        let database = Database::open_unfinished(Arc::clone(&self.store), DatabaseOptions::default())?;
        database.repair_trie(progress)?;
        self.batch.delete(Column::Meta, META_LOADING);
        self.write()?;
        self.store.sync()?;
        Ok(database)
    }

    fn write_if_full(&mut self) -> Result<(), StateError> {
        if self.batch.len() < BATCH_WRITES { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), StateError> {
        Ok(self.store.write(std::mem::take(&mut self.batch))?)
    }
}
