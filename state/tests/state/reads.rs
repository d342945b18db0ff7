//! What reading the past costs: as much as reading the present, whatever happened since.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy_primitives::U256;
use lathe_state::{Batch, Changes, Column, Database, Scan, Snapshot, Store, StoreError, View};

use crate::{
    fixture::{Home, address, advance, info, open, set},
    on_every_store,
};

on_every_store! {
    a_proof_of_an_old_block_reads_no_more_for_what_came_later
}

/// Gets and entries of scans that a proof of this size may take: some nodes for the account, and for the slot, and the leaf
/// at the end of each.
const READS_MAX: u64 = 40;

/// A store that counts what is read of it.
struct CountingStore {
    store: Arc<dyn Store>,
    reads: Arc<AtomicU64>,
}

struct CountingSnapshot {
    snapshot: Box<dyn Snapshot>,
    reads: Arc<AtomicU64>,
}

impl Store for CountingStore {
    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(CountingSnapshot { snapshot: self.store.snapshot(), reads: Arc::clone(&self.reads) })
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.store.write(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn forget_history(&self, tail: u64) {
        self.store.forget_history(tail);
    }

    fn checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        self.store.checkpoint(path)
    }

    fn compact(&self, column: Column) -> Result<(), StoreError> {
        self.store.compact(column)
    }
}

impl Snapshot for CountingSnapshot {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.snapshot.get(column, key)
    }

    fn scan(&self, column: Column, prefix: &[u8], from: &[u8]) -> Scan<'_> {
        let entries = self.snapshot.scan(column, prefix, from);
        Box::new(entries.inspect(|_| {
            self.reads.fetch_add(1, Ordering::Relaxed);
        }))
    }
}

/// Returns the most reads that one of many proofs takes, of accounts and slots that are there and that are not.
fn reads_max(view: &View, reads: &AtomicU64) -> u64 {
    let proofs = (0..200).map(|n| {
        let before = reads.load(Ordering::Relaxed);
        // Of account 1, which has slots, and of accounts that come later or never.
        let who = if n % 2 == 0 { address(1) } else { address(n) };
        view.proof(who, &[U256::from(n)]).expect("proves");
        reads.load(Ordering::Relaxed) - before
    });
    proofs.max().expect("there are proofs")
}

fn a_proof_of_an_old_block_reads_no_more_for_what_came_later(home: &Home) {
    const LATER_BLOCKS: u64 = 20;
    const LATER_EACH: u64 = 100;
    let reads = Arc::new(AtomicU64::new(0));
    let store = Arc::new(CountingStore { store: home.store(), reads: Arc::clone(&reads) });
    let database: Database = open(store, &Default::default()).expect("opens");
    // A few accounts and slots: each of them is alone in its sixteenth of the keys, or is not.
    for n in 1..=6 {
        advance(&database, &set(address(n), info(n, 1), &[(n, n), (n + 1, 1)]));
    }
    let old = database.view().expect("reads").head().number;
    for block in 0..LATER_BLOCKS {
        let mut changes = Changes::default();
        let slots: Vec<_> =
            (0..LATER_EACH).map(|slot| (1_000 + block * LATER_EACH + slot, block + 1)).collect();
        changes.accounts.extend(set(address(1), info(block, 2), &slots).accounts);
        for n in 0..LATER_EACH {
            let n = 100_000 + block * LATER_EACH + n;
            changes.accounts.extend(set(address(n), info(n, 1), &[]).accounts);
        }
        advance(&database, &changes);
    }
    let view = database.view().expect("reads");
    let (now, then) = (reads_max(&view, &reads), reads_max(&view.at(old).expect("is kept"), &reads));
    assert!(now <= READS_MAX && then <= READS_MAX, "{now} reads now, {then} at block {old}");
}
