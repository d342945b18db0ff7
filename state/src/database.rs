//! A chain in a store: opening it, and advancing it block by block.

use std::{sync::Arc, thread};

use alloy_primitives::B256;
use parking_lot::{Mutex, MutexGuard};

use crate::{
    changes::Changes,
    codec::Record,
    error::{BlockMismatch, Foreign, StateError},
    genesis::Genesis,
    history::{META_HISTORY_TAIL, Window},
    measure::Measure,
    memory::MemoryStore,
    overlay::{ForkPoint, META_FORK, META_FORK_SETTINGS, Origin, Overlay},
    prepare::{Means, Prepared, Records},
    reach,
    reader::Reader,
    record::{BlockChanges, BodyTx, Head, Header, Receipt, TxPosition},
    repair::Repair,
    revert::Revert,
    store::{Batch, Column, Snapshot, Store},
    trie::NodeCache,
    verify::{Progress, shares},
    view::{META_HEAD, View, block_key, read},
};

/// Version of the layout of columns, keys and records. A store of another version is refused.
pub const SCHEMA_VERSION: u64 = 3;

pub(crate) const META_SCHEMA_VERSION: &[u8] = b"schema_version";
pub(crate) const META_CHAIN_ID: &[u8] = b"chain_id";
pub(crate) const META_GENESIS_HASH: &[u8] = b"genesis_hash";
/// There while a chain is being loaded.
pub(crate) const META_LOADING: &[u8] = b"loading";
/// There if a file said how the chain begins.
pub(crate) const META_IMPORTED: &[u8] = b"imported";

/// A chain: one writer, any number of readers. Share it behind an `Arc`.
pub struct Database {
    store: Arc<dyn Store>,
    chain_id: u64,
    genesis_hash: B256,
    window: Arc<Window>,
    /// What a fork reads that it has not written; none if this is no fork, or nobody can be asked.
    origin: Option<Arc<dyn Origin>>,
    /// How many blocks before the head keep their state; none is all.
    history: Option<u64>,
    /// The last block written. Locked while a block is being written, which makes the writer the only one.
    head: Mutex<Head>,
    /// Records of the tries at one block, by its hash. Taken after `head`.
    pub(crate) cache: Mutex<(B256, NodeCache)>,
}

/// How a chain is kept. Nothing of it changes what the chain says of blocks whose state is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseOptions {
    /// How many blocks before the head keep their state. None keeps all from now on; what is gone stays gone.
    pub history: Option<u64>,
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
        options: DatabaseOptions,
        genesis: &Genesis,
        block: impl FnOnce(B256) -> Block,
    ) -> Result<Self, StateError> {
        let prepared = prepare(genesis, None)?;
        let block = block(prepared.state_root);
        if let Some(ForkPoint { chain_id, base, .. }) = Self::fork_point(&*store)? {
            return Err(Foreign::Fork { chain_id, number: base.number }.into());
        }
        match Self::open_existing(Arc::clone(&store), options) {
            Ok(database) if database.chain_id != genesis.chain_id => {
                Err(Foreign::ChainId { found: database.chain_id, expected: genesis.chain_id }.into())
            }
            Ok(database) if database.genesis_hash != block.hash => {
                Err(Foreign::Genesis { found: database.genesis_hash, expected: block.hash }.into())
            }
            Ok(database) => Ok(database),
            Err(StateError::Uninitialised) => {
                Self::create(store, options, genesis.chain_id, prepared, block, Batch::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the chain that is in the store, whatever it is; fails with [`StateError::Uninitialised`] if there is none.
    pub fn open_existing(store: Arc<dyn Store>, options: DatabaseOptions) -> Result<Self, StateError> {
        if store.snapshot().get(Column::Meta, META_LOADING)?.is_some() {
            return Err(StateError::Unfinished);
        }
        Self::open_unfinished(store, options)
    }

    /// Opens the chain that is in the store, even while it is being loaded.
    pub(crate) fn open_unfinished(
        store: Arc<dyn Store>,
        options: DatabaseOptions,
    ) -> Result<Self, StateError> {
        let snapshot: Arc<dyn Snapshot> = store.snapshot().into();
        // The schema version decides whether anything else can be read at all.
        let found: u64 =
            read(&*snapshot, Column::Meta, META_SCHEMA_VERSION)?.ok_or(StateError::Uninitialised)?;
        if found != SCHEMA_VERSION {
            return Err(Foreign::Schema { found, expected: SCHEMA_VERSION }.into());
        }
        let chain_id = read_meta(&*snapshot, META_CHAIN_ID)?;
        let genesis_hash = read_meta(&*snapshot, META_GENESIS_HASH)?;
        let tail: Option<u64> = read(&*snapshot, Column::Meta, META_HISTORY_TAIL)?;
        reach!("open");
        let window = Window::new(Arc::clone(&store), tail.unwrap_or_default());
        let head = View::new(snapshot, Arc::clone(&window), None)?.head();
        let database = Self {
            store,
            chain_id,
            genesis_hash,
            window,
            origin: None,
            history: options.history,
            head: Mutex::new(head),
            cache: Mutex::new((head.hash, NodeCache::default())),
        };
        // The window may be smaller than when the chain was kept last.
        if let Some(history) = options.history {
            database.prune(history)?;
        }
        Ok(database)
    }

    /// Returns where the fork begins that is in the store; none if there is none.
    pub fn fork_point(store: &dyn Store) -> Result<Option<ForkPoint>, StateError> {
        let snapshot = store.snapshot();
        let Some(base) = read(&*snapshot, Column::Meta, META_FORK)? else { return Ok(None) };
        let (chain_id, settings) =
            (read_meta(&*snapshot, META_CHAIN_ID)?, read_meta(&*snapshot, META_FORK_SETTINGS)?);
        Ok(Some(ForkPoint { chain_id, base, settings }))
    }

    /// Opens the fork that is in the store, over the state that it stands on; fails with [`StateError::Uninitialised`] if the
    /// store is empty.
    pub fn open_fork(
        store: Arc<dyn Store>,
        options: DatabaseOptions,
        origin: Arc<dyn Origin>,
    ) -> Result<Self, StateError> {
        let is_fork = Self::fork_point(&*store)?.is_some();
        let database = Self::open_existing(store, options)?;
        if !is_fork {
            return Err(Foreign::NoFork { chain_id: database.chain_id }.into());
        }
        Ok(Self { origin: Some(origin), ..database })
    }

    /// Makes a fork in an empty store. It stands on `base`, a block of another chain, whose state the `genesis` accounts take
    /// part in from the beginning; `settings` is for whoever opens it again.
    pub fn create_fork(
        store: Arc<dyn Store>,
        options: DatabaseOptions,
        origin: Arc<dyn Origin>,
        genesis: &Genesis,
        settings: B256,
        base: &Block,
    ) -> Result<Self, StateError> {
        let batch = Self::fork_batch(&origin, genesis, settings, base)?;
        store.write(batch)?;
        Self::open_fork(store, options, origin)
    }

    /// Returns what a fork begins with.
    fn fork_batch(
        origin: &Arc<dyn Origin>,
        genesis: &Genesis,
        settings: B256,
        base: &Block,
    ) -> Result<Batch, StateError> {
        base.check_counts()?;
        let overlay = Overlay { base: base.head(), origin: Some(Arc::clone(origin)) };
        let Prepared { state_root, mut batch, .. } = prepare(genesis, Some(&overlay))?;
        let head = Head { state_root, ..base.head() };
        Self::put_identity(&mut batch, genesis.chain_id, base.hash);
        ForkPoint { chain_id: genesis.chain_id, base: head, settings }.put_in(&mut batch);
        base.put_records_in(&mut batch);
        batch.put(Column::Meta, META_HEAD, head.to_bytes());
        // The state of earlier blocks is not here.
        batch.put(Column::Meta, META_HISTORY_TAIL, head.number.to_bytes());
        Ok(batch)
    }

    /// Makes the chain that begins with `genesis` in the place of this one: in one batch or, on any error, not at all.
    ///
    /// All of this chain is gone then but the views that there are of it; this handle writes no more. What was read of a forked
    /// chain stays in the store.
    pub fn replace(
        &self,
        options: DatabaseOptions,
        genesis: &Genesis,
        block: impl FnOnce(B256) -> Block,
    ) -> Result<Self, StateError> {
        let prepared = prepare(genesis, None)?;
        let block = block(prepared.state_root);
        let _head = self.retire()?;
        let store = Arc::clone(&self.store);
        Self::create(store, options, genesis.chain_id, prepared, block, without_chain())
    }

    /// As [`replace`](Self::replace), for a fork, which is made as [`create_fork`](Self::create_fork) makes one.
    pub fn replace_with_fork(
        &self,
        options: DatabaseOptions,
        origin: Arc<dyn Origin>,
        genesis: &Genesis,
        settings: B256,
        base: &Block,
    ) -> Result<Self, StateError> {
        let begun = Self::fork_batch(&origin, genesis, settings, base)?;
        let _head = self.retire()?;
        let mut batch = without_chain();
        batch.writes = begun.writes;
        self.store.write(batch)?;
        Self::open_fork(Arc::clone(&self.store), options, origin)
    }

    /// Lets this handle write no more. Nobody else writes as long as what it returns is held.
    fn retire(&self) -> Result<MutexGuard<'_, Head>, StateError> {
        let head = self.writable()?;
        self.window.retire();
        Ok(head)
    }

    /// Locks the head for a write. Fails if the store has another chain by now.
    fn writable(&self) -> Result<MutexGuard<'_, Head>, StateError> {
        let head = self.head.lock();
        if self.window.is_retired() { Err(StateError::Replaced) } else { Ok(head) }
    }

    fn put_identity(batch: &mut Batch, chain_id: u64, first: B256) {
        batch.put(Column::Meta, META_SCHEMA_VERSION, SCHEMA_VERSION.to_bytes());
        batch.put(Column::Meta, META_CHAIN_ID, chain_id.to_bytes());
        batch.put(Column::Meta, META_GENESIS_HASH, first.to_bytes());
    }

    /// Writes the first block on top of what `batch` does.
    fn create(
        store: Arc<dyn Store>,
        options: DatabaseOptions,
        chain_id: u64,
        prepared: Prepared,
        block: Block,
        mut batch: Batch,
    ) -> Result<Self, StateError> {
        block.check_state_root(prepared.state_root)?;
        block.check_counts()?;
        let Prepared { batch: state, records, .. } = prepared;
        batch.writes.extend(state.writes);
        Self::put_identity(&mut batch, chain_id, block.hash);
        block.put_in(&mut batch);
        store.write(batch)?;
        let database = Self::open_existing(store, options)?;
        database.cache.lock().1.apply(records);
        Ok(database)
    }

    /// Returns the EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Returns the hash of the chain's first block.
    pub fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// Returns the hash of what decides how a fork begins, beside its base; none if this is no fork.
    pub fn fork_settings(&self) -> Result<Option<B256>, StateError> {
        Ok(Self::fork_point(&*self.store)?.map(|point| point.settings))
    }

    /// Returns whether a file said how the chain begins, and not the one who opens it.
    pub fn is_imported(&self) -> Result<bool, StateError> {
        Ok(self.store.snapshot().get(Column::Meta, META_IMPORTED)?.is_some())
    }

    /// Notes that a file said how the chain begins.
    pub fn set_imported(&self) -> Result<(), StateError> {
        let mut batch = Batch::new();
        batch.put(Column::Meta, META_IMPORTED, 1_u64.to_bytes());
        Ok(self.store.write(batch)?)
    }

    /// Returns what the store tells of itself; nothing, if it has nothing to tell.
    pub fn measures(&self) -> Vec<(Measure, u64)> {
        self.store.measures()
    }

    /// Returns how many records of the head's tries are in memory.
    pub fn records_cached(&self) -> usize {
        self.cache.lock().1.len()
    }

    /// Returns the chain as it is now, frozen.
    pub fn view(&self) -> Result<View, StateError> {
        View::new(self.store.snapshot().into(), Arc::clone(&self.window), self.origin.clone())
    }

    /// Computes the state that `changes` lead to from the head, without writing anything.
    pub fn prepare(&self, changes: &Changes) -> Result<Prepared, StateError> {
        reach!("before-root");
        let view = self.view()?;
        let cache = self.cache.lock();
        // Another block may have been written since the view was made; `commit` will say so.
        let (hash, records) = &*cache;
        let cache = (*hash == view.head().hash).then_some(records);
        let (reader, overlay) = (&view.reader, view.overlay.as_deref());
        Prepared::new(reader, Some(view.head()), changes, overlay, Means { cache, threads: threads() })
    }

    /// Writes a block and its state, and moves the head to it: all of it or, on any error, nothing.
    ///
    /// The block must follow the head that `prepared` was prepared on, and carry its state root. When this returns, the
    /// block survives a killed process and new views show it.
    pub fn commit(&self, prepared: Prepared, block: Block) -> Result<(), StateError> {
        let mut head = self.writable()?;
        if let Some(parent) = prepared.parent.filter(|parent| parent != &*head) {
            let Head { hash, number: head_number, .. } = *head;
            return Err(StateError::Stale { prepared_on: parent.hash, head: hash, head_number });
        }
        block.check_follows(&head)?;
        block.check_state_root(prepared.state_root)?;
        block.check_counts()?;
        let Prepared { mut batch, records, .. } = prepared;
        block.put_in(&mut batch);
        self.advance(&mut head, block.head(), batch, records)
    }

    /// Writes blocks that leave the state as it is, each on top of the one before, and moves the head to the last: all of
    /// them in one batch or, on any error, nothing.
    ///
    /// The first must follow the head. When this returns, they survive a killed process and new views show them.
    pub fn extend(&self, blocks: &[Block]) -> Result<(), StateError> {
        let mut head = self.writable()?;
        let (mut last, mut batch) = (*head, Batch::new());
        for block in blocks {
            block.check_follows(&last)?;
            block.check_state_root(head.state_root)?;
            block.check_counts()?;
            let nothing = BlockChanges::default().to_bytes();
            batch.put(Column::Changes, block.header.number.to_be_bytes(), nothing);
            block.put_records_in(&mut batch);
            last = block.head();
        }
        batch.put(Column::Meta, META_HEAD, last.to_bytes());
        self.advance(&mut head, last, batch, Records::new())
    }

    /// Writes what leads from one head to another, and forgets the history that falls out of the window.
    fn advance(
        &self,
        head: &mut Head,
        to: Head,
        mut batch: Batch,
        records: Records,
    ) -> Result<(), StateError> {
        let tail = self.tail_below(to.number, self.history);
        if let Some(tail) = tail {
            batch.put(Column::Meta, META_HISTORY_TAIL, tail.to_bytes());
        }
        reach!("before-write");
        self.store.write(batch)?;
        reach!("after-write");
        if let Some(tail) = tail {
            reach!("prune");
            self.window.raise(tail);
        }
        let mut cache = self.cache.lock();
        if cache.0 != head.hash {
            cache.1.clear();
        }
        cache.1.apply(records);
        cache.0 = to.hash;
        *head = to;
        Ok(())
    }

    /// Returns once every block committed so far survives a power cut, not only a killed process.
    pub fn sync(&self) -> Result<(), StateError> {
        Ok(self.store.sync()?)
    }

    /// Takes back every block after `number`, whose state must be kept: all of it in one batch or, on any error, nothing.
    /// Returns the new head.
    pub fn revert(&self, number: u64) -> Result<Head, StateError> {
        let mut head = self.writable()?;
        let view = self.view()?;
        if number == head.number {
            return Ok(*head);
        }
        // Pins the rows that lead there.
        let _past = view.at(number)?;
        let Revert { head: earlier, batch } = Revert::new(&view, number)?;
        reach!("before-revert");
        self.store.write(batch)?;
        reach!("after-revert");
        *self.cache.lock() = (earlier.hash, NodeCache::default());
        *head = earlier;
        Ok(earlier)
    }

    /// Gives up the state of all blocks but the head and `history` before it. Returns the first block whose state is kept.
    ///
    /// The space comes back as the store compacts.
    pub fn prune(&self, history: u64) -> Result<u64, StateError> {
        let head = self.writable()?;
        if let Some(tail) = self.tail_below(head.number, Some(history)) {
            let mut batch = Batch::new();
            batch.put(Column::Meta, META_HISTORY_TAIL, tail.to_bytes());
            self.store.write(batch)?;
            self.window.raise(tail);
        }
        Ok(self.window.tail())
    }

    /// Rewrites every column without what was deleted or given up, so that the space comes back now.
    pub fn compact(&self, progress: &mut dyn FnMut(Progress)) -> Result<(), StateError> {
        for (&column, done) in Column::ALL.iter().zip(shares(Column::ALL.len())) {
            progress(Progress { what: "columns", done });
            self.store.compact(column)?;
        }
        progress(Progress { what: "columns", done: 1.0 });
        Ok(())
    }

    /// Makes the trie's records anew from accounts and slots, in as many batches as it takes. Then checks the history, which
    /// cannot be made anew; where it is broken, [`prune`](Self::prune) gives it up. After a repair that was cut short the trie
    /// may still be broken; another one does the rest.
    ///
    /// Fails with [`StateError::Trie`], and writes nothing, if accounts and slots are not those that the head's header promises.
    pub fn repair_trie(&self, progress: &mut dyn FnMut(Progress)) -> Result<Repair, StateError> {
        let head = self.head.lock();
        let repaired = Repair::new(&*self.store, &self.view()?, progress);
        // Whatever was written, what is cached may be none of it.
        *self.cache.lock() = (head.hash, NodeCache::default());
        let mut repair = repaired?;
        repair.history = self.view()?.history_faults(progress)?;
        Ok(repair)
    }

    /// Returns the tail that a head with this number and history has, if that is a higher one than now.
    fn tail_below(&self, head: u64, history: Option<u64>) -> Option<u64> {
        let tail = head.saturating_sub(history?);
        (tail > self.window.tail()).then_some(tail)
    }
}

/// Returns a batch that deletes a chain, and leaves what was read of others.
fn without_chain() -> Batch {
    let mut batch = Batch::new();
    for column in Column::ALL.iter().filter(|column| **column != Column::Origin) {
        batch.clear(*column);
    }
    batch
}

/// Computes the state that a genesis makes where there is nothing, or on what lies under an overlay.
fn prepare(genesis: &Genesis, overlay: Option<&Overlay>) -> Result<Prepared, StateError> {
    let nothing = Reader::new(MemoryStore::new().snapshot().into());
    let means = Means { cache: None, threads: threads() };
    Prepared::new(&nothing, None, &genesis.changes(), overlay, means)
}

/// Threads that computing a root may use.
fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn read_meta<R: Record>(snapshot: &dyn Snapshot, key: &[u8]) -> Result<R, StateError> {
    let missing = || StateError::Missing { column: Column::Meta, key: key.to_vec() };
    read(snapshot, Column::Meta, key)?.ok_or_else(missing)
}

impl Block {
    pub(crate) fn head(&self) -> Head {
        Head { number: self.header.number, hash: self.hash, state_root: self.header.state_root }
    }

    pub(crate) fn check_follows(&self, head: &Head) -> Result<(), BlockMismatch> {
        let Header { number, parent_hash, .. } = self.header;
        if head.number.checked_add(1) != Some(number) {
            return Err(BlockMismatch::Number { expected: head.number.saturating_add(1), found: number });
        }
        if parent_hash != head.hash {
            return Err(BlockMismatch::Parent { number, expected: head.hash, found: parent_hash });
        }
        Ok(())
    }

    fn check_state_root(&self, expected: B256) -> Result<(), BlockMismatch> {
        let Header { number, state_root: found, .. } = self.header;
        if found != expected {
            return Err(BlockMismatch::StateRoot { number, expected, found });
        }
        Ok(())
    }

    pub(crate) fn check_counts(&self) -> Result<(), BlockMismatch> {
        let (transactions, hashes, receipts) = (self.body.len(), self.tx_hashes.len(), self.receipts.len());
        if transactions != hashes || transactions != receipts {
            let number = self.header.number;
            return Err(BlockMismatch::Count { number, transactions, hashes, receipts });
        }
        Ok(())
    }

    /// Adds the block's records, and the head that it becomes.
    pub(crate) fn put_in(&self, batch: &mut Batch) {
        self.put_records_in(batch);
        batch.put(Column::Meta, META_HEAD, self.head().to_bytes());
    }

    /// Adds the block's records.
    fn put_records_in(&self, batch: &mut Batch) {
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
    }
}
