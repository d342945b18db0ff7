//! Going through everything that a view has: what `lathe db dump` and `lathe db stats` read.

use std::collections::btree_map::Entry;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};

use crate::{
    changes::{AccountChange, Changes},
    codec::RecordError,
    database::Block,
    error::{CorruptEntry, StateError},
    history,
    leaf::{self, decode},
    load::BlockRecords,
    overlay::wiped_mark,
    record::Account,
    store::Column,
    verify::{PROGRESS_EVERY, Progress, shares},
    view::View,
};

/// How much a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnSize {
    /// The column.
    pub column: Column,
    /// Keys in it.
    pub entries: u64,
    /// Length of all keys together.
    pub key_bytes: u64,
    /// Length of all values together, not compressed.
    pub value_bytes: u64,
}

impl View {
    /// Returns every account of the head, in the order of the hashes of their addresses.
    pub fn accounts(&self) -> impl Iterator<Item = Result<(Address, Account), StateError>> + '_ {
        debug_assert!(self.reader.past.is_none(), "the head's accounts are gone through");
        leaf::accounts(self.snapshot()).map(|leaf| {
            let (hashed, account) = leaf?;
            let missing = || StateError::Missing { column: Column::Preimage, key: hashed.to_vec() };
            Ok((self.address_preimage(hashed)?.ok_or_else(missing)?, account))
        })
    }

    /// Returns every slot of an account at the head, in the order of the hashes of their numbers.
    pub fn slots(&self, address: Address) -> impl Iterator<Item = Result<(U256, U256), StateError>> + '_ {
        debug_assert!(self.reader.past.is_none(), "the head's slots are gone through");
        leaf::slots(self.snapshot(), keccak256(address)).map(|leaf| {
            let (hashed, value) = leaf?;
            let missing = || StateError::Missing { column: Column::Preimage, key: hashed.to_vec() };
            Ok((self.slot_preimage(hashed)?.ok_or_else(missing)?, value))
        })
    }

    /// Returns all code that ever entered the state.
    pub fn codes(&self) -> impl Iterator<Item = Result<Bytes, StateError>> + '_ {
        self.snapshot().scan(Column::Code, &[], &[]).map(|entry| Ok(entry?.1.into()))
    }

    /// Returns the records of a block.
    pub fn block_records(&self, number: u64) -> Result<Option<BlockRecords>, StateError> {
        let Some((hash, header)) = self.header_by_number(number)? else { return Ok(None) };
        let body = self.body(number)?.unwrap_or_default();
        let receipts = self.receipts(number)?.unwrap_or_default();
        Ok(Some(Block { hash, header, body, receipts, tx_hashes: Vec::new() }.to_records()))
    }

    /// Returns what a block other than the first changed: committed on its parent's state, it leads to its own. Both states must
    /// be kept.
    pub fn changes_of(&self, number: u64) -> Result<Changes, StateError> {
        let (before, after) = (self.at(number.saturating_sub(1))?, self.at(number)?);
        let rows = history::changes(self.snapshot(), number)?;
        let code_before =
            |hashed| Ok::<_, StateError>(before.reader.account(hashed)?.unwrap_or_default().code_hash);
        let mut changes = Changes::default();
        for key in rows.accounts.iter().chain(&rows.slots) {
            let hashed =
                B256::try_from(key.get(..32).unwrap_or_default()).map_err(|_| bad_key(number, key))?;
            let missing = || StateError::Missing { column: Column::Preimage, key: hashed.to_vec() };
            let address = self.address_preimage(hashed)?.ok_or_else(missing)?;
            if let Entry::Vacant(entry) = changes.accounts.entry(address) {
                let account = after.account(address)?;
                if let Some(account) = &account
                    && code_before(hashed)? != account.code_hash
                {
                    let code = self.code(account.code_hash)?;
                    let key = account.code_hash.to_vec();
                    let code = code.ok_or(StateError::Missing { column: Column::Code, key })?;
                    changes.codes.insert(account.code_hash, code);
                }
                let info = account.map(|account| account.info());
                let storage_wiped = self.wiped_in(hashed)? == Some(number);
                entry.insert(AccountChange { info, storage_wiped, ..AccountChange::default() });
            }
            let hashed_slot = &key[32..];
            if hashed_slot.is_empty() {
                continue;
            }
            let hashed_slot = B256::try_from(hashed_slot).map_err(|_| bad_key(number, key))?;
            let missing = || StateError::Missing { column: Column::Preimage, key: hashed_slot.to_vec() };
            let slot = self.slot_preimage(hashed_slot)?.ok_or_else(missing)?;
            let value = after.storage(address, slot)?;
            changes.accounts.entry(address).or_default().storage.insert(slot, value);
        }
        changes.codes.remove(&KECCAK256_EMPTY);
        Ok(changes)
    }

    /// Returns the first block of a fork that took from an account the storage that it has on the other chain; none if none did.
    fn wiped_in(&self, hashed_address: B256) -> Result<Option<u64>, StateError> {
        if self.overlay.is_none() {
            return Ok(None);
        }
        let mark = wiped_mark(hashed_address);
        let Some(value) = self.snapshot().get(Column::Written, &mark)? else { return Ok(None) };
        Ok(Some(decode(Column::Written, &mark, &value)?))
    }

    /// Counts what each column holds, in one pass over it.
    pub fn column_sizes(&self, progress: &mut dyn FnMut(Progress)) -> Result<Vec<ColumnSize>, StateError> {
        let share = shares(Column::ALL.len()).nth(1).unwrap_or(1.0);
        let size = |(&column, before): (&Column, f64)| {
            let mut size = ColumnSize { column, entries: 0, key_bytes: 0, value_bytes: 0 };
            for entry in self.snapshot().scan(column, &[], &[]) {
                let (key, value) = entry?;
                if size.entries.is_multiple_of(PROGRESS_EVERY) {
                    // Most keys are hashes, or begin with one.
                    let first = f64::from(key.first().copied().unwrap_or_default()) / 256.0;
                    progress(Progress { what: "columns", done: before + first * share });
                }
                size.entries += 1;
                size.key_bytes += key.len() as u64;
                size.value_bytes += value.len() as u64;
            }
            Ok(size)
        };
        Column::ALL.iter().zip(shares(Column::ALL.len())).map(size).collect()
    }
}

/// The error of a key that no account or slot has, in a block's list of what it changed.
fn bad_key(number: u64, key: &[u8]) -> CorruptEntry {
    let reason = RecordError::Length { found: key.len(), expected: B256::len_bytes() };
    CorruptEntry { column: Column::Changes, key: number.to_be_bytes().to_vec(), reason }
}
