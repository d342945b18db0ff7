//! A chain in a store: opening it, and advancing it block by block.

use std::sync::Arc;

use alloy_primitives::B256;
use parking_lot::Mutex;

use crate::{
    changes::Changes,
    codec::Record,
    error::{BlockMismatch, Foreign, StateError},
    genesis::Genesis,
    memory::MemoryStore,
    prepare::Prepared,
    record::{BodyTx, Head, Header, Receipt, TxPosition},
    store::{Batch, Column, Snapshot, Store},
    view::{META_HEAD, View, block_key, read},
};

/// Version of the layout of columns, keys and records. A store of another version is refused.
pub const SCHEMA_VERSION: u64 = 1;

const META_SCHEMA_VERSION: &[u8] = b"schema_version";
const META_CHAIN_ID: &[u8] = b"chain_id";
const META_GENESIS_HASH: &[u8] = b"genesis_hash";

/// A chain: one writer, any number of readers. Share it behind an `Arc`.
pub struct Database {
    store: Arc<dyn Store>,
    chain_id: u64,
    genesis_hash: B256,
    /// The last block written. Locked while a block is being written, which makes the writer the only one.
    head: Mutex<Head>,
}

/// A block and what its execution left, ready to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The hash of the header.
    pub hash: B256,
    /// The header.
    pub header: Header,
    /// The transactions.
    pub body: Vec<BodyTx>,
    /// Their hashes, in the same order.
    pub tx_hashes: Vec<B256>,
    /// Their receipts, in the same order.
    pub receipts: Vec<Receipt>,
}

impl Database {
    /// Opens the chain that begins with `genesis`, creating it in an empty store.
    ///
    /// `block` makes the genesis block from the root of the genesis state. It must make the same block each time: another
    /// hash, another chain id or another [`SCHEMA_VERSION`] than the store's is refused with [`StateError::Foreign`].
    pub fn open(
        store: Arc<dyn Store>,
        genesis: &Genesis,
        block: impl FnOnce(B256) -> Block,
    ) -> Result<Self, StateError> {
        let prepared = Prepared::new(&*MemoryStore::new().snapshot(), None, &genesis.changes())?;
        let block = block(prepared.state_root);
        match Self::open_existing(Arc::clone(&store)) {
            Ok(database) if database.chain_id != genesis.chain_id => {
                Err(Foreign::ChainId { found: database.chain_id, expected: genesis.chain_id }.into())
            }
            Ok(database) if database.genesis_hash != block.hash => {
                Err(Foreign::Genesis { found: database.genesis_hash, expected: block.hash }.into())
            }
            Ok(database) => Ok(database),
            Err(StateError::Uninitialised) => Self::create(store, genesis.chain_id, prepared, block),
            Err(error) => Err(error),
        }
    }

    /// Opens the chain that is in the store, whatever it is; fails with [`StateError::Uninitialised`] if there is none.
    pub fn open_existing(store: Arc<dyn Store>) -> Result<Self, StateError> {
        let snapshot: Arc<dyn Snapshot> = store.snapshot().into();
        // The schema version decides whether anything else can be read at all.
        let found: u64 =
            read(&*snapshot, Column::Meta, META_SCHEMA_VERSION)?.ok_or(StateError::Uninitialised)?;
        if found != SCHEMA_VERSION {
            return Err(Foreign::Schema { found, expected: SCHEMA_VERSION }.into());
        }
        let chain_id = read_meta(&*snapshot, META_CHAIN_ID)?;
        let genesis_hash = read_meta(&*snapshot, META_GENESIS_HASH)?;
        let head = View::new(snapshot)?.head();
        Ok(Self { store, chain_id, genesis_hash, head: Mutex::new(head) })
    }

    fn create(
        store: Arc<dyn Store>,
        chain_id: u64,
        prepared: Prepared,
        block: Block,
    ) -> Result<Self, StateError> {
        block.check_state_root(&prepared)?;
        block.check_counts()?;
        let Prepared { mut batch, .. } = prepared;
        batch.put(Column::Meta, META_SCHEMA_VERSION, SCHEMA_VERSION.to_bytes());
        batch.put(Column::Meta, META_CHAIN_ID, chain_id.to_bytes());
        batch.put(Column::Meta, META_GENESIS_HASH, block.hash.to_bytes());
        block.put_in(&mut batch);
        store.write(batch)?;
        Ok(Self { store, chain_id, genesis_hash: block.hash, head: Mutex::new(block.head()) })
    }

    /// Returns the EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Returns the hash of the chain's first block.
    pub fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// Returns the chain as it is now, frozen.
    pub fn view(&self) -> Result<View, StateError> {
        View::new(self.store.snapshot().into())
    }

    /// Computes the state that `changes` lead to from the head, without writing anything.
    pub fn prepare(&self, changes: &Changes) -> Result<Prepared, StateError> {
        let view = self.view()?;
        Prepared::new(view.snapshot(), Some(view.head()), changes)
    }

    /// Writes a block and its state, and moves the head to it: all of it or, on any error, nothing.
    ///
    /// The block must follow the head that `prepared` was prepared on, and carry its state root. When this returns, the
    /// block survives a crash and new views show it.
    pub fn commit(&self, prepared: Prepared, block: Block) -> Result<(), StateError> {
        let mut head = self.head.lock();
        if let Some(parent) = prepared.parent.filter(|parent| parent != &*head) {
            let Head { hash, number: head_number, .. } = *head;
            return Err(StateError::Stale { prepared_on: parent.hash, head: hash, head_number });
        }
        block.check_follows(&head)?;
        block.check_state_root(&prepared)?;
        block.check_counts()?;
        let Prepared { mut batch, .. } = prepared;
        block.put_in(&mut batch);
        self.store.write(batch)?;
        *head = block.head();
        Ok(())
    }
}

fn read_meta<R: Record>(snapshot: &dyn Snapshot, key: &[u8]) -> Result<R, StateError> {
    let missing = || StateError::Missing { column: Column::Meta, key: key.to_vec() };
    read(snapshot, Column::Meta, key)?.ok_or_else(missing)
}

impl Block {
    fn head(&self) -> Head {
        Head { number: self.header.number, hash: self.hash, state_root: self.header.state_root }
    }

    fn check_follows(&self, head: &Head) -> Result<(), BlockMismatch> {
        let Header { number, parent_hash, .. } = self.header;
        if head.number.checked_add(1) != Some(number) {
            return Err(BlockMismatch::Number { expected: head.number.saturating_add(1), found: number });
        }
        if parent_hash != head.hash {
            return Err(BlockMismatch::Parent { number, expected: head.hash, found: parent_hash });
        }
        Ok(())
    }

    fn check_state_root(&self, prepared: &Prepared) -> Result<(), BlockMismatch> {
        let Header { number, state_root, .. } = self.header;
        if state_root != prepared.state_root {
            return Err(BlockMismatch::StateRoot {
                number,
                expected: prepared.state_root,
                found: state_root,
            });
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), BlockMismatch> {
        let (transactions, hashes, receipts) = (self.body.len(), self.tx_hashes.len(), self.receipts.len());
        if transactions != hashes || transactions != receipts {
            let number = self.header.number;
            return Err(BlockMismatch::Count { number, transactions, hashes, receipts });
        }
        Ok(())
    }

    /// Adds the block's records, and the head that it becomes.
    fn put_in(&self, batch: &mut Batch) {
        let number = self.header.number;
        let key = block_key(number, self.hash);
        batch.put(Column::Header, key.as_slice(), self.header.to_bytes());
        batch.put(Column::Body, key.as_slice(), self.body.to_bytes());
        batch.put(Column::Receipt, key, self.receipts.to_bytes());
        batch.put(Column::Canon, number.to_be_bytes(), self.hash.to_bytes());
        batch.put(Column::HashNumber, self.hash.as_slice(), number.to_bytes());
        for (index, tx_hash) in (0..).zip(&self.tx_hashes) {
            batch.put(Column::TxLookup, tx_hash.as_slice(), TxPosition { number, index }.to_bytes());
        }
        batch.put(Column::Meta, META_HEAD, self.head().to_bytes());
    }
}
