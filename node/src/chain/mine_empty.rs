//! Mining many blocks at once.
//!
//! A devnet is told to mine thousands of blocks to let time pass. Blocks without transactions leave the state as it is, so a
//! *run* of them is one batch: written whole, then published whole. As for one block, nothing is shown before it is written.

use std::sync::Arc;

use alloy_primitives::B256;

use super::{
    Block, Chain, EmptyBlocks, Latest, Result,
    mine::{Empty, Writer, header},
    record::write_block,
};

/// Blocks in a run: some hundred KiB in one batch. Between two runs others may write.
const RUN_BLOCKS_MAX: u64 = 512;

impl Chain {
    /// Mines so many blocks: first of what the pool holds, then empty ones. With an interval, each has a timestamp so many
    /// seconds after that of the one before it; the first has the clock's. Fails at the block whose timestamp would be
    /// beyond [`TIMESTAMP_MAX`](super::TIMESTAMP_MAX); those before it are mined.
    pub fn mine_blocks(&self, count: u64, interval: Option<u64>) -> Result<()> {
        let mined = self.mine_many(count, interval);
        self.feed.tell_rest();
        // What was mined before a failure is answered for as well.
        self.settle()?;
        mined
    }

    fn mine_many(&self, count: u64, interval: Option<u64>) -> Result<()> {
        let mut mined = 0;
        while mined < count {
            let writer = self.writer.lock();
            let Latest { block: parent, view, .. } = self.latest();
            let state_root = view.head().state_root;
            if mined > 0 {
                self.space_from(&parent, interval)?;
            }
            mined += if self.executable(&view)?.is_empty() {
                self.mine_run(&writer, parent, state_root, (count - mined).min(RUN_BLOCKS_MAX), interval)?
            } else {
                self.mine_one(&writer, &mut Vec::new(), Empty::Allowed)?;
                1
            };
        }
        Ok(())
    }

    /// Mines a run of empty blocks on top of the latest; returns how many.
    fn mine_run(
        &self,
        _writer: &Writer<'_>,
        mut parent: Arc<Block>,
        state_root: B256,
        count: u64,
        interval: Option<u64>,
    ) -> Result<u64> {
        let first = parent.header.number + 1;
        let mut records = Vec::new();
        let mut refused = Ok(());
        for index in 0..count {
            if index > 0 {
                refused = self.space_from(&parent, interval);
            }
            if refused.is_err() {
                break;
            }
            let context = self.next_block(&parent);
            let block = Block::seal(header(&parent, &context, state_root), Vec::new(), Vec::new());
            self.controls.lock().mined(block.header.timestamp);
            records.push(write_block(&block));
            parent = Arc::new(block);
        }
        let ground = self.ground();
        ground.database.extend(&records).map_err(|error| self.fail(error))?;
        let (last, hash) = (parent.header.number, parent.hash);
        let base_fee = parent.header.base_fee_per_gas.unwrap_or_default();
        let blocks = EmptyBlocks { first, last, hash, timestamp: parent.header.timestamp, base_fee };
        let view = Arc::new(ground.database.view()?);
        *self.latest.write() = Latest { block: parent, view, ground };
        self.watches.announce();
        if !records.is_empty() {
            self.tally.mined_empty(records.len() as u64);
            self.feed.tell_empty(blocks);
        }
        refused.map(|()| records.len() as u64)
    }

    /// Gives the next block a timestamp so many seconds after that of the one before it, if there is an interval.
    fn space_from(&self, parent: &Block, interval: Option<u64>) -> Result<()> {
        match interval {
            Some(seconds) => self.set_timestamp_after(parent.header.timestamp, seconds),
            None => Ok(()),
        }
    }
}
