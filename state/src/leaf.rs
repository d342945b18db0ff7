//! Leaves of the tries, which are the accounts and slots of the flat state.
//!
//! The flat state is keyed by keccak256, so a scan of it meets the leaves in the order of the trie, and a trie's root can
//! always be rebuilt in one pass over them in constant memory. That is how the records of the trie are checked.

use alloy_primitives::{B256, U256};
use alloy_rlp::Encodable;

use crate::{
    codec::{Record, RecordError},
    error::{CorruptEntry, StateError},
    record::{Account, SlotValue},
    store::{Column, Entry, Snapshot, StoreError},
};

/// Length of a keccak256 hash, and so of every path in a trie.
pub(crate) const HASH_LEN: usize = 32;

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

pub(crate) fn bad_key(column: Column, key: &[u8], expected: usize) -> CorruptEntry {
    CorruptEntry { column, key: key.to_vec(), reason: RecordError::Length { found: key.len(), expected } }
}

/// Decodes a record, or says where the bytes are that do not decode.
pub(crate) fn decode<R: Record>(column: Column, key: &[u8], value: &[u8]) -> Result<R, CorruptEntry> {
    R::from_bytes(value).map_err(|reason| CorruptEntry { column, key: key.to_vec(), reason })
}

/// What a trie's leaf holds.
pub(crate) trait TrieLeaf: Copy + PartialEq + Send + Sync {
    /// Where the flat state keeps it: keys are the owner's hash, if there is one, then the leaf's.
    const COLUMN: Column;

    /// Appends the RLP that Ethereum hashes.
    fn encode_leaf(&self, out: &mut Vec<u8>);

    /// Reads the flat state's record.
    fn decode_record(key: &[u8], value: &[u8]) -> Result<Self, CorruptEntry>;
}

impl TrieLeaf for Account {
    const COLUMN: Column = Column::Account;

    fn encode_leaf(&self, out: &mut Vec<u8>) {
        self.trie_account().encode(out);
    }

    fn decode_record(key: &[u8], value: &[u8]) -> Result<Self, CorruptEntry> {
        decode(Self::COLUMN, key, value)
    }
}

impl TrieLeaf for U256 {
    const COLUMN: Column = Column::Slot;

    fn encode_leaf(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }

    fn decode_record(key: &[u8], value: &[u8]) -> Result<Self, CorruptEntry> {
        decode(Self::COLUMN, key, value).map(|SlotValue(value)| value)
    }
}
