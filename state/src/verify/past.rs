//! The history: every row proven at the block that it tells of.

use alloy_primitives::{B256, U256};
use alloy_trie::Nibbles;

use super::{Fault, PROGRESS_EVERY, Progress, Report};
use crate::{
    codec::RecordError,
    error::{CorruptEntry, CorruptTrie, StateError},
    history,
    leaf::{HASH_LEN, decode},
    record::{Account, BlockChanges, LeafKey},
    store::{Column, trailing_number},
    trie::{Trie, TrieFault},
    view::View,
};

impl View {
    /// Proves, at each block whose state is kept, what the next block changed: that uses every row, and finds any that is
    /// wrong, because the proof then does not lead to the block's state root.
    pub(super) fn verify_history(
        &self,
        report: &mut Report,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), StateError> {
        let (first, head) = (self.history_start(), self.head().number);
        let mut listed = 0;
        for number in first..head {
            if number.is_multiple_of(PROGRESS_EVERY / 64) {
                #[expect(clippy::cast_precision_loss, reason = "progress is for people")]
                let done = (number - first) as f64 / (head - first) as f64;
                progress(Progress { what: "history", done });
            }
            let changes = match history::changes(self.snapshot(), number + 1) {
                Ok(changes) => changes,
                Err(error) => {
                    report.note::<()>(Err(error))?;
                    continue;
                }
            };
            listed += changes.keys().count() as u64;
            if let Err(error) = self.verify_past(number, &changes) {
                match error {
                    StateError::Store(_) => return Err(error),
                    error => report.add(Fault::History { number, what: error.to_string() }),
                }
            }
        }
        let mut found = 0;
        for column in [Column::Hist, Column::TrieHist] {
            for entry in self.snapshot().scan(column, &[], &[]) {
                let (key, _) = entry?;
                found += u64::from(trailing_number(&key).is_some_and(|number| number > first));
            }
        }
        report.history_rows = found;
        if found != listed {
            report.add(Fault::HistoryRows { found, listed });
        }
        progress(Progress { what: "history", done: 1.0 });
        Ok(())
    }

    fn verify_past(&self, number: u64, changes: &BlockChanges) -> Result<(), StateError> {
        let past = self.at(number)?;
        for key in &changes.accounts {
            past.prove_account(hash_of(Column::Account, key)?)?;
        }
        for key in &changes.slots {
            let (owner, slot) = split(key);
            past.prove_slot(hash_of(Column::Slot, owner)?, hash_of(Column::Slot, slot)?)?;
        }
        // The rows of records that no proof above met must be there as well, and the leaves that rows name.
        for (column, key) in changes.keys() {
            let (rows, row) = history::row(column, key, number + 1);
            let value = self.snapshot().get(rows, &row)?;
            let value = value.ok_or_else(|| StateError::Missing { column: rows, key: row.clone() })?;
            if !LeafKey::is_in(&value) {
                continue;
            }
            let known = match column {
                Column::TrieAccount => {
                    past.prove_account(decode::<LeafKey>(rows, &row, &value)?.key)?.is_some()
                }
                Column::TrieStorage => {
                    let owner = hash_of(column, split(key).0)?;
                    !past.prove_slot(owner, decode::<LeafKey>(rows, &row, &value)?.key)?.is_zero()
                }
                _ => continue,
            };
            if !known {
                return Err(CorruptTrie { column: rows, key: row, fault: TrieFault::LeafMissing }.into());
            }
        }
        Ok(())
    }

    /// Returns an account, after proving it from the state root.
    fn prove_account(&self, hashed: B256) -> Result<Option<Account>, StateError> {
        let (trie, account) = (self.account_trie(), self.reader.account(hashed)?);
        if trie.prove(self.head().state_root, hashed)?.0 != account {
            return Err(trie.fault(&Nibbles::unpack(hashed), TrieFault::Reference));
        }
        Ok(account)
    }

    /// Returns a slot, after proving it from its account's storage root.
    fn prove_slot(&self, owner: B256, slot: B256) -> Result<U256, StateError> {
        let root = self.reader.account(owner)?.unwrap_or_default().storage_root;
        let (trie, value) = (Trie::<U256>::new(&self.reader, Some(owner)), self.reader.slot(owner, slot)?);
        if trie.prove(root, slot)?.0.unwrap_or_default() != value {
            return Err(trie.fault(&Nibbles::unpack(slot), TrieFault::Reference));
        }
        Ok(value)
    }
}

/// Splits the key of a slot or of a record of its trie into the owner and the rest.
fn split(key: &[u8]) -> (&[u8], &[u8]) {
    key.split_at_checked(HASH_LEN).unwrap_or((key, &[]))
}

/// Reads a hash from a list of changed keys.
fn hash_of(column: Column, key: &[u8]) -> Result<B256, StateError> {
    let reason = RecordError::Length { found: key.len(), expected: HASH_LEN };
    Ok(B256::try_from(key).map_err(|_| CorruptEntry { column, key: key.to_vec(), reason })?)
}
