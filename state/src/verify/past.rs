//! The history: every row proven at the block that it tells of.

use alloy_primitives::{B256, U256};
use alloy_trie::Nibbles;

use super::{Fault, PROGRESS_EVERY, Progress, Report};
use crate::{
    codec::RecordError,
    error::{CorruptEntry, StateError},
    history,
    leaf::HASH_LEN,
    record::BlockChanges,
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
        let root = past.head().state_root;
        for key in &changes.accounts {
            let hashed = hash_of(Column::Account, key)?;
            let trie = past.account_trie();
            if trie.prove(root, hashed)?.0 != past.reader.account(hashed)? {
                return Err(trie.fault(&Nibbles::unpack(hashed), TrieFault::Reference));
            }
        }
        for key in &changes.slots {
            let (owner, slot) = key.split_at_checked(HASH_LEN).unwrap_or((key, &[]));
            let (owner, slot) = (hash_of(Column::Slot, owner)?, hash_of(Column::Slot, slot)?);
            let account = past.reader.account(owner)?.unwrap_or_default();
            let trie = Trie::<U256>::new(&past.reader, Some(owner));
            let (proven, _) = trie.prove(account.storage_root, slot)?;
            if proven.unwrap_or_default() != past.reader.slot(owner, slot)? {
                return Err(trie.fault(&Nibbles::unpack(slot), TrieFault::Reference));
            }
        }
        // The rows of records that no proof above met must be there as well.
        for (column, key) in changes.keys() {
            let (column, key) = history::row(column, key, number + 1);
            if self.snapshot().get(column, &key)?.is_none() {
                return Err(StateError::Missing { column, key });
            }
        }
        Ok(())
    }
}

/// Reads a hash from a list of changed keys.
fn hash_of(column: Column, key: &[u8]) -> Result<B256, StateError> {
    let reason = RecordError::Length { found: key.len(), expected: HASH_LEN };
    Ok(B256::try_from(key).map_err(|_| CorruptEntry { column, key: key.to_vec(), reason })?)
}
