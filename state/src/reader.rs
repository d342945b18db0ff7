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
    leaf::{HASH_LEN, TrieLeaf, decode},
    record::{Account, SlotValue},
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
        self.read(column, &key)
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

    /// Returns the first leaf of a trie whose path begins with `prefix`.
    pub(crate) fn leaf_under<T: TrieLeaf>(
        &self,
        owner: Option<B256>,
        prefix: &Nibbles,
    ) -> Result<Option<(Nibbles, T)>, StateError> {
        let owner = owner.as_ref().map_or(&[][..], |owner| owner.as_slice());
        let packed = prefix.pack();
        let from = [owner, &packed].concat();
        // Half a byte narrows no scan: it begins at the nibble, and what comes after is told from its first key.
        let whole = [owner, &packed[..prefix.len() / 2]].concat();
        let found = match self.past {
            None => self.snapshot.scan(T::COLUMN, &whole, &from).next().transpose()?,
            Some(past) => {
                let under = |key: &[u8]| {
                    key.get(owner.len()..).is_some_and(|path| Nibbles::unpack(path).starts_with(prefix))
                };
                history::first_entry(&*self.snapshot, T::COLUMN, &whole, &from, past, under)?
            }
        };
        let Some((key, value)) = found else { return Ok(None) };
        if key.len() != owner.len() + HASH_LEN {
            return Err(crate::leaf::bad_key(T::COLUMN, &key, owner.len() + HASH_LEN).into());
        }
        let path = Nibbles::unpack(&key[owner.len()..]);
        if !path.starts_with(prefix) {
            return Ok(None);
        }
        Ok(Some((path, T::decode_record(&key, &value)?)))
    }
}
