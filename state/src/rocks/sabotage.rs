//! Defects of the store, for the crash harness.

use std::{thread, time::Duration};

use super::RocksStore;
use crate::{
    failpoint::Sabotage,
    store::{Batch, Column, StoreError},
};

impl RocksStore {
    /// Between the two halves of a batch that is split: about as long as a transaction takes.
    const SPLIT_PAUSE: Duration = Duration::from_millis(5);

    /// Does to a batch what the harness asks for. Returns what is to be written as ever, if anything.
    pub(super) fn sabotage(&self, mut batch: Batch) -> Result<Option<Batch>, StoreError> {
        if Sabotage::SkipTrieDelete.is_on() {
            batch.writes.retain(|write| {
                let is_record = matches!(write.column, Column::TrieAccount | Column::TrieStorage);
                !is_record || write.value.is_some()
            });
        }
        if Sabotage::SplitBatch.is_on() && batch.len() > 1 {
            let second = batch.writes.split_off(batch.len() / 2);
            self.write_whole(batch, true)?;
            thread::sleep(Self::SPLIT_PAUSE);
            batch = Batch { writes: second, ..Batch::default() };
        }
        if Sabotage::WalOff.is_on() {
            self.write_whole(batch, false)?;
            return Ok(None);
        }
        Ok(Some(batch))
    }

    fn write_whole(&self, batch: Batch, log: bool) -> Result<(), StoreError> {
        let writes = batch.len();
        let batch = self.translate(batch);
        let result = if log { self.db.write(batch) } else { self.db.write_without_wal(batch) };
        result.map_err(|error| StoreError::Write { writes, reason: error.into_string() })
    }
}
