//! Roots of the state's tries, rebuilt from the flat state merged with changes.
//!
//! The flat state is keyed by keccak256, so a scan of it meets the leaves in the order of the trie, and a trie's root is one
//! pass over them in constant memory. A change map says what differs from the snapshot; none (or zero) deletes.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use alloy_rlp::Encodable;
use alloy_trie::{HashBuilder, Nibbles};

use crate::{
    codec::{Record, RecordError},
    error::{CorruptEntry, StateError},
    record::{Account, SlotValue},
    store::{Column, Entry, Snapshot, StoreError},
};

/// Length of a keccak256 hash, and so of every path in a trie.
pub(crate) const HASH_LEN: usize = 32;

/// Changed accounts by keccak256 of the address.
pub(crate) type AccountOverlay = BTreeMap<B256, Option<Account>>;

/// Changed slots of one account by keccak256 of the slot.
pub(crate) type SlotOverlay = BTreeMap<B256, Option<U256>>;

/// A leaf's hashed key and its value before RLP, or why it cannot be read.
pub(crate) type Leaf<T> = Result<(B256, T), StateError>;

/// Returns every account of the snapshot.
pub(crate) fn accounts(snapshot: &dyn Snapshot) -> impl Iterator<Item = Leaf<Account>> + '_ {
    snapshot.scan(Column::Account, &[], &[]).map(account_leaf)
}

/// Returns every slot of one account.
pub(crate) fn slots(snapshot: &dyn Snapshot, hashed_address: B256) -> impl Iterator<Item = Leaf<U256>> + '_ {
    snapshot
        .scan(Column::Slot, hashed_address.as_slice(), &[])
        .map(|entry| slot_leaf(entry).map(|(_, slot, value)| (slot, value)))
}

/// Reads an entry of the account column.
pub(crate) fn account_leaf(entry: Result<Entry, StoreError>) -> Leaf<Account> {
    let (key, value) = entry?;
    let hashed_address =
        B256::try_from(key.as_slice()).map_err(|_| bad_key(Column::Account, &key, HASH_LEN))?;
    Ok((hashed_address, decode(Column::Account, &key, &value)?))
}

/// Reads an entry of the slot column: hashed address, hashed slot, value.
pub(crate) fn slot_leaf(entry: Result<Entry, StoreError>) -> Result<(B256, B256, U256), StateError> {
    let (key, value) = entry?;
    let Some((address, slot)) = key.split_at_checked(HASH_LEN).filter(|(_, slot)| slot.len() == HASH_LEN)
    else {
        return Err(bad_key(Column::Slot, &key, 2 * HASH_LEN).into());
    };
    let SlotValue(number) = decode(Column::Slot, &key, &value)?;
    Ok((B256::from_slice(address), B256::from_slice(slot), number))
}

fn bad_key(column: Column, key: &[u8], expected: usize) -> CorruptEntry {
    CorruptEntry { column, key: key.to_vec(), reason: RecordError::Length { found: key.len(), expected } }
}

/// Decodes a record, or says where the bytes are that do not decode.
pub(crate) fn decode<R: Record>(column: Column, key: &[u8], value: &[u8]) -> Result<R, CorruptEntry> {
    R::from_bytes(value).map_err(|reason| CorruptEntry { column, key: key.to_vec(), reason })
}

/// Returns the leaves of `base` with `changed` applied, ascending if `base` is.
pub(crate) fn merge<'a, T: Copy>(
    base: impl Iterator<Item = Leaf<T>> + 'a,
    changed: &'a BTreeMap<B256, Option<T>>,
) -> impl Iterator<Item = Leaf<T>> + 'a {
    let mut base = base.peekable();
    let mut changed = changed.iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let base_key = match base.peek() {
                Some(Ok((key, _))) => Some(*key),
                Some(Err(_)) => return base.next(),
                None => None,
            };
            let Some(&(&key, &value)) = changed.peek() else {
                return base.next();
            };
            if base_key.is_some_and(|base_key| base_key < key) {
                return base.next();
            }
            if base_key == Some(key) {
                base.next();
            }
            changed.next();
            if let Some(value) = value {
                return Some(Ok((key, value)));
            }
        }
    })
}

/// Feeds all leaves to the builder and returns the root.
pub(crate) fn root_of<T: TrieLeaf>(
    leaves: impl Iterator<Item = Leaf<T>>,
    builder: &mut HashBuilder,
) -> Result<B256, StateError> {
    let mut rlp = Vec::new();
    for leaf in leaves {
        let (key, value) = leaf?;
        rlp.clear();
        value.encode_leaf(&mut rlp);
        builder.add_leaf(Nibbles::unpack(key), &rlp);
    }
    Ok(builder.root())
}

/// What a trie's leaf holds, in the RLP that Ethereum hashes.
pub(crate) trait TrieLeaf {
    fn encode_leaf(&self, out: &mut Vec<u8>);
}

impl TrieLeaf for Account {
    fn encode_leaf(&self, out: &mut Vec<u8>) {
        self.trie_account().encode(out);
    }
}

impl TrieLeaf for U256 {
    fn encode_leaf(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

/// Returns the state's root with `changed` applied to the snapshot.
pub(crate) fn state_root(snapshot: &dyn Snapshot, changed: &AccountOverlay) -> Result<B256, StateError> {
    root_of(merge(accounts(snapshot), changed), &mut HashBuilder::default())
}

/// Returns one account's storage root with `changed` applied to the snapshot.
pub(crate) fn storage_root(
    snapshot: &dyn Snapshot,
    hashed_address: B256,
    changed: &SlotOverlay,
) -> Result<B256, StateError> {
    root_of(merge(slots(snapshot, hashed_address), changed), &mut HashBuilder::default())
}
