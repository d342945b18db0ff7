//! Running what has run again, or what might run, and recording it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};

use crate::runtime::{
    BlockExecutor, ExecuteError, Statistics,
    trace::{Capture, Recording, RecordingTooLong},
};

use super::{
    Block, CallError, Chain, MinedTransaction,
    call::{account_overrides, context_of},
};

/// What a mined transaction does when it runs again.
#[derive(Debug, Clone)]
pub struct MeasuredTransaction {
    /// What its programs did.
    pub statistics: Statistics,
    /// How long it takes on the engine that blocks are made with, its programs in the cache.
    pub time: Duration,
}

impl Chain {
    /// Records a call without a transaction.
    pub fn trace_call(
        &self,
        request: TransactionRequest,
        at: BlockId,
        state: Option<StateOverride>,
        block: Option<Box<BlockOverrides>>,
        capture: &Capture,
    ) -> Result<Recording, CallError> {
        let overrides = account_overrides(state)?;
        let (view, context) = self.call_context(at, block.as_deref())?;
        let (request, limit) = (self.request(&request)?, self.no_time_limit());
        Ok(self.runtime.trace_call(view, &context, &request, &overrides, capture, &limit)?)
    }

    /// Runs a mined transaction again, on the state before it, and records it.
    pub fn trace_transaction(&self, hash: B256, capture: &Capture) -> Result<Recording, CallError> {
        let recording = self.replay(hash, |executor, tx| executor.trace(tx, capture))?;
        Ok(recording.map_err(ExecuteError::from)?)
    }

    /// Runs a mined transaction again, on the state before it, and counts what its programs do.
    pub fn measure_transaction(&self, hash: B256) -> Result<MeasuredTransaction, CallError> {
        self.replay(hash, |executor, tx| {
            // Whatever must be loaded is loaded for the run whose time counts.
            let (_, statistics) = executor.count(tx)?;
            let begin = Instant::now();
            executor.try_out(tx)?;
            Ok(MeasuredTransaction { statistics, time: begin.elapsed() })
        })
    }

    /// Does something with a mined transaction where it stood in its block.
    fn replay<T>(
        &self,
        hash: B256,
        work: impl FnOnce(&mut BlockExecutor, &Recovered<TxEnvelope>) -> Result<T, ExecuteError>,
    ) -> Result<T, CallError> {
        let mined = self.transaction(hash)?;
        let MinedTransaction { block, index } =
            mined.ok_or_else(|| CallError::Rejected("transaction not found".into()))?;
        let mut executor = self.before(&block)?;
        for tx in &block.transactions[..index] {
            executor.execute(tx)?;
        }
        Ok(work(&mut executor, &block.transactions[index])?)
    }

    /// Runs the transactions of a block again and hands the recording of each to `show`, until that fails. Returns the
    /// block.
    pub fn trace_block<E: From<CallError>>(
        &self,
        id: BlockId,
        capture: &Capture,
        mut show: impl FnMut(&Recovered<TxEnvelope>, Result<Recording, RecordingTooLong>) -> Result<(), E>,
    ) -> Result<Arc<Block>, E> {
        let block = self.block(id).map_err(CallError::from)?;
        let block = block.ok_or_else(|| CallError::Rejected("block not found".into()))?;
        if !block.transactions.is_empty() {
            let mut executor = self.before(&block)?;
            for tx in &block.transactions {
                let recording = executor.trace(tx, capture).map_err(CallError::from)?;
                show(tx, recording)?;
            }
        }
        Ok(block)
    }

    /// Returns what runs the transactions of a mined block from the first on. The first block of a chain has none.
    fn before(&self, block: &Block) -> Result<BlockExecutor, CallError> {
        let view = self.state_at(block.header.parent_hash.into())?;
        let context = context_of(&self.latest().view, block.header.number)?;
        let mut executor = self.runtime.block(view, &context);
        executor.set_time_limit(&self.no_time_limit());
        Ok(executor)
    }
}
