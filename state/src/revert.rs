//! Taking blocks back: the state and the chain as they were after an earlier block, in one batch.

use std::collections::HashSet;

use alloy_primitives::B256;

use crate::{
    codec::Record,
    error::{BlockMismatch, StateError},
    history::{self, row},
    leaf::decode,
    overlay::{head_of, unmark},
    record::{Head, LeafKey},
    store::{Batch, Column},
    trie::{Hasher, Node},
    view::{META_HEAD, View, block_key},
};

/// What taking blocks back does.
pub(crate) struct Revert {
    pub(crate) head: Head,
    pub(crate) batch: Batch,
}

impl Revert {
    /// Plans the way back from the view's head to block `number`, whose state must be kept.
    pub(crate) fn new(view: &View, number: u64) -> Result<Self, StateError> {
        let mut batch = Batch::new();
        let hash = view.hash_by_number(number)?.ok_or_else(|| missing_canon(number))?;
        let header = view
            .header_by_hash(hash)?
            .ok_or_else(|| StateError::Missing { column: Column::Header, key: block_key(number, hash) })?;
        let head = head_of(view.overlay.as_deref(), number, hash, &header);
        // The row of the first block after it is what a key had then; later rows tell of blocks that go, too.
        let mut restored: HashSet<(Column, Vec<u8>)> = HashSet::new();
        for undone in number + 1..=view.head().number {
            let changes = history::changes(view.snapshot(), undone)?;
            for (column, key) in changes.keys() {
                let (rows, row) = row(column, key, undone);
                if restored.insert((column, key.to_vec())) {
                    restore(view, &head, &mut batch, column, key, &rows, &row)?;
                    if view.overlay.is_some() {
                        unmark(view.snapshot(), &mut batch, column, key, number)?;
                    }
                }
                batch.delete(rows, row);
            }
            batch.delete(Column::Changes, undone.to_be_bytes());
            remove_block(view, undone, &mut batch)?;
        }
        batch.put(Column::Meta, META_HEAD, head.to_bytes());
        Ok(Self { head, batch })
    }
}

/// Sets a key to what its row says.
fn restore(
    view: &View,
    head: &Head,
    batch: &mut Batch,
    column: Column,
    key: &[u8],
    rows: &Column,
    row: &[u8],
) -> Result<(), StateError> {
    let value = view.snapshot().get(*rows, row)?;
    let value = value.ok_or_else(|| StateError::Missing { column: *rows, key: row.to_vec() })?;
    let is_trie = matches!(column, Column::TrieAccount | Column::TrieStorage);
    // Where a leaf stood, there was no record.
    if value.is_empty() || (is_trie && LeafKey::is_in(&value)) {
        batch.delete(column, key);
        return Ok(());
    }
    if column == Column::TrieAccount && key.is_empty() {
        check_root(head, &decode(*rows, row, &value)?)?;
    }
    batch.put(column, key, value);
    Ok(())
}

/// Fails unless the restored root record is that of the block: nothing is written then.
fn check_root(head: &Head, node: &Node) -> Result<(), StateError> {
    let found = Hasher::root(&Hasher::new(false).node(node));
    if found == head.state_root {
        return Ok(());
    }
    Err(BlockMismatch::StateRoot { number: head.number, expected: found, found: head.state_root }.into())
}

/// Deletes a block's records. Code and preimages stay: they are true of any block.
fn remove_block(view: &View, number: u64, batch: &mut Batch) -> Result<(), StateError> {
    let hash: B256 = view.hash_by_number(number)?.ok_or_else(|| missing_canon(number))?;
    for tx in view.body(number)?.unwrap_or_default() {
        batch.delete(Column::TxLookup, alloy_primitives::keccak256(&tx.raw).as_slice());
    }
    let key = block_key(number, hash);
    for column in [Column::Header, Column::Body, Column::Receipt] {
        batch.delete(column, key.as_slice());
    }
    batch.delete(Column::Canon, number.to_be_bytes());
    batch.delete(Column::HashNumber, hash.as_slice());
    Ok(())
}

fn missing_canon(number: u64) -> StateError {
    StateError::Missing { column: Column::Canon, key: number.to_be_bytes().to_vec() }
}
