//! What the state was: reverse diffs.
//!
//! A block that changes a value of the state or a record of the trie leaves a **row** under the key and its number: the
//! value from before, empty if there was none. So the value after block B is that of the first row beyond B, or the present
//! one if there is no such row; one seek finds it. The same rows undo blocks. Genesis has no rows, there is nothing before.
//!
//! Leaves of the trie have no records. A block that takes a leaf from its path, because it is deleted, because another one
//! comes under that path, or because a branch collapses, leaves a row under the path all the same, with the leaf's key. So
//! which leaf stood at a path is one seek, too, whatever came and went there since.
//!
//! The **tail** is the first block whose state can be told. Rows with numbers up to the tail tell of blocks before it; the
//! store may drop them, and nobody looks at them again. Keys are block numbers, never roots: a root can come back.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::{
    error::StateError,
    leaf::decode,
    record::BlockChanges,
    store::{Column, Snapshot, Store},
};

/// Name of the tail's record in the meta column. Without it, history begins at block 0.
pub(crate) const META_HISTORY_TAIL: &[u8] = b"history_tail";

/// Ends a path in a row's key, so that no path's rows lie between those of a longer one. Nibbles are smaller.
const PATH_END: u8 = 0xff;

/// Returns where the rows of a key are: their column, and what their keys begin with.
fn rows_of(column: Column, key: &[u8]) -> (Column, Vec<u8>) {
    match column {
        Column::Account => (Column::Hist, [&[0], key].concat()),
        Column::Slot => (Column::Hist, [&[1], key].concat()),
        Column::TrieAccount => (Column::TrieHist, [&[0], key, &[PATH_END]].concat()),
        Column::TrieStorage => (Column::TrieHist, [&[1], key, &[PATH_END]].concat()),
        _ => unreachable!("column {column} has no history"),
    }
}

/// Returns the place of the row of a key that a block changes.
pub(crate) fn row(column: Column, key: &[u8], number: u64) -> (Column, Vec<u8>) {
    let (rows, mut row) = rows_of(column, key);
    row.extend_from_slice(&number.to_be_bytes());
    (rows, row)
}

/// The value from before a change; none if there was no value.
type Before = Option<Vec<u8>>;

fn before(row: Vec<u8>) -> Before {
    (!row.is_empty()).then_some(row)
}

/// Returns what a key had after block `past`, if it changed after it.
pub(crate) fn first_after(
    snapshot: &dyn Snapshot,
    column: Column,
    key: &[u8],
    past: u64,
) -> Result<Option<Before>, StateError> {
    let (rows, prefix) = rows_of(column, key);
    let Some(next) = past.checked_add(1) else { return Ok(None) };
    let from = [prefix.as_slice(), &next.to_be_bytes()].concat();
    let row = snapshot.scan(rows, &prefix, &from).next().transpose()?;
    Ok(row.map(|(_, value)| before(value)))
}

/// Returns what a block changed.
pub(crate) fn changes(snapshot: &dyn Snapshot, number: u64) -> Result<BlockChanges, StateError> {
    let key = number.to_be_bytes();
    let Some(value) = snapshot.get(Column::Changes, &key)? else {
        return Err(StateError::Missing { column: Column::Changes, key: key.to_vec() });
    };
    Ok(decode(Column::Changes, &key, &value)?)
}

impl BlockChanges {
    /// Returns every key with its column.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Column, &[u8])> {
        [
            (Column::Account, &self.accounts),
            (Column::Slot, &self.slots),
            (Column::TrieAccount, &self.account_nodes),
            (Column::TrieStorage, &self.storage_nodes),
        ]
        .into_iter()
        .flat_map(|(column, keys)| keys.iter().map(move |key| (column, key.as_ref())))
    }

    /// Returns the list for the keys of a column.
    pub(crate) fn list_mut(&mut self, column: Column) -> &mut Vec<alloy_primitives::Bytes> {
        match column {
            Column::Account => &mut self.accounts,
            Column::Slot => &mut self.slots,
            Column::TrieAccount => &mut self.account_nodes,
            Column::TrieStorage => &mut self.storage_nodes,
            _ => unreachable!("column {column} has no history"),
        }
    }
}

/// Which blocks' state can be told, and who is reading it.
///
/// The store drops rows at any moment, even those that a snapshot shows, and a dropped row would make a later value look
/// like an earlier one. So readers of the past **pin** their block, and the store is told to drop nothing that a pinned
/// block needs. Pinning and raising the tail exclude each other.
pub(crate) struct Window {
    store: Arc<dyn Store>,
    state: Mutex<WindowState>,
}

struct WindowState {
    tail: u64,
    /// What the store was told last.
    told: u64,
    /// How many readers each block has.
    pins: BTreeMap<u64, usize>,
    /// Whether the store has another chain by now, of which nothing may be dropped that this one can do without.
    is_retired: bool,
}

impl Window {
    pub(crate) fn new(store: Arc<dyn Store>, tail: u64) -> Arc<Self> {
        store.forget_history(tail);
        let state = WindowState { tail, told: tail, pins: BTreeMap::new(), is_retired: false };
        Arc::new(Self { store, state: Mutex::new(state) })
    }

    pub(crate) fn tail(&self) -> u64 {
        self.state.lock().tail
    }

    /// Raises the tail. It must have been written before: after a crash, what the store dropped is not looked for.
    pub(crate) fn raise(&self, tail: u64) {
        let mut state = self.state.lock();
        state.tail = state.tail.max(tail);
        self.forget(&mut state);
    }

    /// Tells the store nothing any more: it is about to have another chain. Those who read this one have their snapshots.
    pub(crate) fn retire(&self) {
        self.state.lock().is_retired = true;
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.state.lock().is_retired
    }

    /// Keeps the history of a block until the pin is dropped; fails with the tail if it is gone.
    pub(crate) fn pin(self: &Arc<Self>, number: u64) -> Result<Pin, u64> {
        let mut state = self.state.lock();
        if number < state.tail {
            return Err(state.tail);
        }
        *state.pins.entry(number).or_default() += 1;
        Ok(Pin { window: Arc::clone(self), number })
    }

    fn forget(&self, state: &mut WindowState) {
        let first_pinned = state.pins.first_key_value().map_or(u64::MAX, |(&number, _)| number);
        let tail = state.tail.min(first_pinned);
        if tail > state.told && !state.is_retired {
            state.told = tail;
            self.store.forget_history(tail);
        }
    }
}

/// Keeps the history that one block's state needs.
pub(crate) struct Pin {
    window: Arc<Window>,
    number: u64,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.window.state.lock();
        if let Some(readers) = state.pins.get_mut(&self.number) {
            *readers -= 1;
            if *readers == 0 {
                state.pins.remove(&self.number);
            }
        }
        self.window.forget(&mut state);
    }
}
