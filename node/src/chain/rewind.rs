//! Going back to an earlier block, and the snapshots that remember where to go back to.

use std::collections::BTreeMap;

use alloy_primitives::{B256, keccak256};
use lathe_state::StateError;

use super::{
    Chain, ChainError, Event, Latest, Mining, POOL_BYTES_MAX, Result, SubmitError, control::Remembered,
    pool::Pool, record, watch::logs_to_remove,
};

/// Snapshots that a chain remembers; each is a block's number and hash, and what waited then.
pub const SNAPSHOTS_MAX: usize = 65_536;

/// Bytes of waiting transactions that all snapshots together remember, each counted in every one that has it: as many as
/// the pool may hold.
pub const SNAPSHOT_POOL_BYTES_MAX: usize = POOL_BYTES_MAX;

/// Blocks that were marked to be gone back to.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    blocks: BTreeMap<u64, Mark>,
    made: u64,
}

impl Snapshots {
    pub(super) fn forget_all(&mut self) {
        self.blocks.clear();
    }
}

/// A block, what was set about those to come, and what waited for them.
#[derive(Debug, Clone)]
struct Mark {
    number: u64,
    hash: B256,
    controls: Remembered,
    pool: Pool,
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
        let pool = self.pool.lock().clone();
        let held: usize = snapshots.blocks.values().map(|mark| mark.pool.bytes()).sum();
        let bytes = held + pool.bytes();
        if pool.bytes() > 0 && bytes > SNAPSHOT_POOL_BYTES_MAX {
            return Err(ChainError::SnapshotsTooLarge { bytes });
        }
        snapshots.made += 1;
        let id = snapshots.made;
        let controls = self.controls.lock().remember(head.header.timestamp);
        snapshots.blocks.insert(id, Mark { number: head.header.number, hash: head.hash, controls, pool });
        Ok(id)
    }

    /// Goes back to a marked block, to the time, fees, limits and chain id that were set then and to what waited then, and
    /// forgets this mark and all later ones. Returns whether there was such a mark.
    pub fn restore(&self, id: u64) -> Result<bool> {
        let writer = self.writer.lock();
        let mark = self.snapshots.lock().blocks.get(&id).cloned();
        let Some(Mark { number, hash, controls, pool }) = mark else { return Ok(false) };
        if self.latest().view.hash_by_number(number)? != Some(hash) {
            // An earlier restore took the block back.
            self.snapshots.lock().blocks.remove(&id);
            return Ok(false);
        }
        self.rewind_to(number)?;
        *self.controls.lock() = controls.recall(self.head().header.timestamp);
        *self.pool.lock() = pool;
        self.snapshots.lock().blocks.split_off(&id);
        drop(writer);
        self.settle()?;
        Ok(true)
    }

    /// Takes back the last `blocks` blocks.
    pub fn rollback(&self, blocks: u64) -> Result<()> {
        let writer = self.writer.lock();
        let head = self.head().header.number;
        let number = self.block_before(head, blocks)?;
        self.rewind_to(number)?;
        drop(writer);
        self.settle()
    }

    /// Replaces the last `depth` blocks by as many others. Before each, `send` is told its place among them and sends what is
    /// to be in it; nothing else is. Ends where `send` fails.
    pub fn reorg(
        &self,
        depth: u64,
        mut send: impl FnMut(u64) -> Result<(), SubmitError>,
    ) -> Result<(), SubmitError> {
        let head = self.head().header.number;
        let parent = self.block_before(head, depth)?;
        if depth == 0 {
            return Ok(());
        }
        let replaced =
            self.block((parent + 1).into())?.ok_or_else(|| ChainError::missing_block(parent + 1))?;
        let mining = self.mining();
        self.set_mining(Mining::MANUAL)?;
        let waiting = self.pool.lock().take_all();
        let outcome = self.rollback(depth).map_err(SubmitError::from).and_then(|()| {
            // Blocks without transactions would else be those that they replace.
            self.set_next_prevrandao(keccak256(replaced.hash));
            for place in 0..depth {
                send(place)?;
                self.mine()?;
            }
            Ok(())
        });
        for tx in waiting {
            // One that no longer fits is dropped, as when its sender's nonce goes by.
            let _ = self.accept(tx);
        }
        self.set_mining(mining)?;
        outcome
    }

    /// Returns the number of the block so many before another, if the chain has that many.
    fn block_before(&self, head: u64, blocks: u64) -> Result<u64> {
        let first = self.first_block();
        let number = head.checked_sub(blocks).filter(|number| *number >= first);
        number.ok_or(ChainError::RollbackBeyondGenesis { blocks, head: head - first })
    }

    /// Takes back every block but the first, and forgets all snapshots.
    pub(super) fn rollback_to_genesis(&self) -> Result<()> {
        let writer = self.writer.lock();
        self.rewind_to(self.first_block())?;
        self.snapshots.lock().forget_all();
        drop(writer);
        self.settle()
    }

    /// Takes back every block after `number`. The writer's lock is held.
    pub(super) fn rewind_to(&self, number: u64) -> Result<()> {
        let removed = logs_to_remove(&self.latest().view, number)?;
        let ground = self.ground();
        ground.database.revert(number).map_err(|error| match error {
            // Only a failed write leaves the database unusable.
            StateError::Store(_) => self.fail(error),
            error => error.into(),
        })?;
        let view = ground.database.view()?;
        let block = record::read_block(&view, number)?.ok_or_else(|| ChainError::missing_block(number))?;
        *self.latest.write() = Latest { block: block.into(), view: view.into(), ground };
        self.watches.went_back(number, &removed);
        self.feed.tell(|| Event::WentBack { number });
        Ok(())
    }
}
