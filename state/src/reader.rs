//! Reading the state at one block, the head's or an earlier one.
//!
//! The flat state and the trie's records are those of the head. What they were at an earlier block is told by the rows of
//! history after it, which hold the values from before each change.

use std::sync::Arc;

use alloy_primitives::{B256, U256};
use alloy_trie::Nibbles;

use crate::{
    codec::Record,
    error::StateError,
    history,
    leaf::{HASH_LEN, TrieLeaf, bad_key, decode},
    record::{Account, LeafKey, SlotValue},
    store::{Column, Snapshot},
    trie::{Node, node_key},
    view::slot_key,
};

/// A snapshot, and the block whose state is read from it.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) snapshot: Arc<dyn Snapshot>,
    /// An earlier block than the snapshot's head; none is the head.
    pub(crate) past: Option<u64>,
}

impl Reader {
    pub(crate) fn new(snapshot: Arc<dyn Snapshot>) -> Self {
        Self { snapshot, past: None }
    }

    pub(crate) fn account(&self, hashed_address: B256) -> Result<Option<Account>, StateError> {
        self.read(Column::Account, hashed_address.as_slice())
    }

    /// Reads a slot; no record is zero.
    pub(crate) fn slot(&self, hashed_address: B256, hashed_slot: B256) -> Result<U256, StateError> {
        let key = slot_key(hashed_address, hashed_slot);
        Ok(self.read(Column::Slot, &key)?.map_or(U256::ZERO, |SlotValue(value)| value))
    }

    /// Reads a trie's record.
    pub(crate) fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Node>, StateError> {
        let (column, key) = node_key(owner, path);
        let Some(value) = self.value(column, &key)? else { return Ok(None) };
        if self.past.is_some() && LeafKey::is_in(&value) {
            return Ok(None);
        }
        Ok(Some(decode(column, &key, &value)?))
    }

    /// Reads a record of one of the columns that have history.
    fn read<R: Record>(&self, column: Column, key: &[u8]) -> Result<Option<R>, StateError> {
        let Some(value) = self.value(column, key)? else { return Ok(None) };
        Ok(Some(decode(column, key, &value)?))
    }

    /// Returns the bytes of a record of one of the columns that have history.
    pub(crate) fn value(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        if let Some(past) = self.past
            && let Some(before) = history::first_after(&*self.snapshot, column, key, past)?
        {
            return Ok(before);
        }
        Ok(self.snapshot.get(column, key)?)
    }

    /// Returns the leaf that stands at a path of a trie, of which it is known that a leaf stands there.
    pub(crate) fn leaf_at<T: TrieLeaf>(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
    ) -> Result<Option<(Nibbles, T)>, StateError> {
        let Some(past) = self.past else { return self.present_leaf(owner, path) };
        let (column, key) = node_key(owner, path);
        let leaf = match history::first_after(&*self.snapshot, column, &key, past)? {
            Some(Some(row)) if LeafKey::is_in(&row) => {
                let LeafKey { key: leaf } = decode(column, &key, &row)?;
                Nibbles::unpack(leaf)
            }
            Some(_) => return Ok(None),
            // It has stood here ever since, if not with the same value.
            None => match self.present_leaf::<T>(owner, path)? {
                Some((leaf, _)) => leaf,
                None => return Ok(None),
            },
        };
        let owner = owner.as_ref().map_or(&[][..], |owner| owner.as_slice());
        let key = [owner, &leaf.pack()].concat();
        let Some(value) = self.value(T::COLUMN, &key)?.filter(|_| leaf.starts_with(path)) else {
            return Ok(None);
        };
        Ok(Some((leaf, T::decode_record(&key, &value)?)))
    }

    /// Returns the head's first leaf whose path begins with `prefix`.
    fn present_leaf<T: TrieLeaf>(
        &self,
        owner: Option<B256>,
        prefix: &Nibbles,
    ) -> Result<Option<(Nibbles, T)>, StateError> {
        let owner = owner.as_ref().map_or(&[][..], |owner| owner.as_slice());
        let packed = prefix.pack();
        let from = [owner, &packed].concat();
        // Half a byte narrows no scan: it begins at the nibble, and what comes after is told from its first key.
        let whole = [owner, &packed[..prefix.len() / 2]].concat();
        let found = self.snapshot.scan(T::COLUMN, &whole, &from).next().transpose()?;
        let Some((key, value)) = found else { return Ok(None) };
        if key.len() != owner.len() + HASH_LEN {
            return Err(bad_key(T::COLUMN, &key, owner.len() + HASH_LEN).into());
        }
        let path = Nibbles::unpack(&key[owner.len()..]);
        if !path.starts_with(prefix) {
            return Ok(None);
        }
        Ok(Some((path, T::decode_record(&key, &value)?)))
    }
}
