//! Going back to an earlier block, and the snapshots that remember where to go back to.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use lathe_state::StateError;

use super::{Chain, ChainError, Latest, Result, record, watch::logs_to_remove};

/// Snapshots that a chain remembers; each is a block's number and hash.
pub const SNAPSHOTS_MAX: usize = 65_536;

/// Blocks that were marked to be gone back to.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    blocks: BTreeMap<u64, (u64, B256)>,
    made: u64,
}

impl Chain {
    /// Marks the latest block, and returns a number under which [`restore`](Self::restore) finds it.
    pub fn snapshot(&self) -> Result<u64> {
        // Nothing is mined while the mark is set, so that it is the block the caller saw last.
        let _writer = self.writer.lock();
        let head = self.head();
        let mut snapshots = self.snapshots.lock();
        if snapshots.blocks.len() >= SNAPSHOTS_MAX {
            return Err(ChainError::TooManySnapshots);
        }
        snapshots.made += 1;
        let id = snapshots.made;
        snapshots.blocks.insert(id, (head.header.number, head.hash));
        Ok(id)
    }

    /// Goes back to a marked block and forgets this mark and all later ones. Returns whether there was such a mark.
    pub fn restore(&self, id: u64) -> Result<bool> {
        let writer = self.writer.lock();
        let Some((number, hash)) = self.snapshots.lock().blocks.get(&id).copied() else { return Ok(false) };
        if self.latest().view.hash_by_number(number)? != Some(hash) {
            // An earlier restore took the block back.
            self.snapshots.lock().blocks.remove(&id);
            return Ok(false);
        }
        self.rewind_to(number)?;
        self.snapshots.lock().blocks.split_off(&id);
        drop(writer);
        self.settle()?;
        Ok(true)
    }

    /// Takes back the last `blocks` blocks.
    pub fn rollback(&self, blocks: u64) -> Result<()> {
        let writer = self.writer.lock();
        let head = self.head().header.number;
        let number = head.checked_sub(blocks).ok_or(ChainError::RollbackBeyondGenesis { blocks, head })?;
        self.rewind_to(number)?;
        drop(writer);
        self.settle()
    }

    /// Takes back every block but the first, and forgets all snapshots.
    pub(super) fn rollback_to_genesis(&self) -> Result<()> {
        let writer = self.writer.lock();
        self.rewind_to(0)?;
        self.snapshots.lock().blocks.clear();
        drop(writer);
        self.settle()
    }

    /// Takes back every block after `number`. The writer's lock is held.
    fn rewind_to(&self, number: u64) -> Result<()> {
        let removed = logs_to_remove(&self.latest().view, number)?;
        self.database.revert(number).map_err(|error| match error {
            // Only a failed write leaves the database unusable.
            StateError::Store(_) => self.fail(error),
            error => error.into(),
        })?;
        let view = self.database.view()?;
        let block = record::read_block(&view, number)?.ok_or_else(|| ChainError::missing_block(number))?;
        *self.latest.write() = Latest { block: block.into(), view: view.into() };
        self.watches.went_back(number, &removed);
        tracing::info!(number, "went back");
        Ok(())
    }
}
