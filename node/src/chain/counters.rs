//! What the chain has done since the process began, as numbers for whoever watches the node.

use lathe_state::Measure;
use parking_lot::Mutex;

use super::{Block, Chain};
use crate::runtime::ProgramCacheCounts;

/// Counters that only grow. What is taken back later stays counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Blocks that were mined.
    pub blocks: u64,
    /// Transactions in them that succeeded.
    pub succeeded: u64,
    /// Transactions in them that failed.
    pub failed: u64,
    /// Transactions that were refused.
    pub refused: u64,
    /// Contracts that transactions created.
    pub created: u64,
    /// Gas that transactions used.
    pub gas_used: u64,
}

/// The chain's own counters. Written once a block, so a lock costs nothing.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counters>);

impl Tally {
    /// Counts a block with what is in it.
    pub(super) fn mined(&self, block: &Block) {
        let mut counters = self.0.lock();
        counters.blocks += 1;
        counters.gas_used += block.header.gas_used;
        for receipt in &block.receipts {
            *(if receipt.success { &mut counters.succeeded } else { &mut counters.failed }) += 1;
            counters.created += u64::from(receipt.contract_address.is_some());
        }
    }

    /// Counts blocks without transactions.
    pub(super) fn mined_empty(&self, blocks: u64) {
        self.0.lock().blocks += blocks;
    }

    /// Counts a transaction that was refused.
    pub(super) fn refused(&self) {
        self.0.lock().refused += 1;
    }
}

impl Chain {
    /// Returns what was done since the process began.
    pub fn counters(&self) -> Counters {
        *self.tally.0.lock()
    }

    /// Returns what the store tells of itself; nothing in memory.
    pub fn measures(&self) -> Vec<(Measure, u64)> {
        self.ground().database.measures()
    }

    /// Returns how many records of the latest tries are in memory.
    pub fn trie_records_cached(&self) -> usize {
        self.ground().database.records_cached()
    }

    /// Returns how the cache of validated programs does.
    pub fn program_cache(&self) -> ProgramCacheCounts {
        self.runtime().program_cache()
    }
}
