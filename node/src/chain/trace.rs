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
    BlockExecutor, ExecuteError, Statistics, TimeLimit,
    trace::{Capture, Recording, RecordingTooLong},
};

use super::{
    Block, CallError, Chain, MinedTransaction, Purpose, Receipt,
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
        let (request, limit) = (self.request(&request)?, self.time_limit());
        let mut recording =
            self.runtime().trace_call(view, &context, &request, &overrides, capture, &limit)?;
        if let Some(executed) = recording.take_executed() {
            // The recording is the result, whatever became of the call.
            let _ = self.tell_call(Purpose::Trace, &request, Ok(executed));
        }
        Ok(recording)
    }

    /// Runs a mined transaction again, on the state before it, and records it. It may take as long as a call.
    pub fn trace_transaction(&self, hash: B256, capture: &Capture) -> Result<Recording, CallError> {
        let (recording, mined) =
            self.replay(hash, Some(self.time_limit()), |executor, tx| executor.trace(tx, capture))?;
        let mut recording = recording.map_err(ExecuteError::from)?;
        recording.set_logs_before(logs_in(&mined.block.receipts[..mined.index]));
        Ok(recording)
    }

    /// Runs a mined transaction again, on the state before it, and counts what its programs do.
    pub fn measure_transaction(&self, hash: B256) -> Result<MeasuredTransaction, CallError> {
        // It takes what it took when it was mined: looking at a clock meanwhile would count, too.
        let replayed = self.replay(hash, None, |executor, tx| {
            // Whatever must be loaded is loaded for the run whose time counts.
            let (_, statistics) = executor.count(tx)?;
            let begin = Instant::now();
            executor.try_out(tx)?;
            Ok(MeasuredTransaction { statistics, time: begin.elapsed() })
        });
        replayed.map(|(measured, _)| measured)
    }

    /// Does something with a mined transaction where it stood in its block, for as long as that may take.
    fn replay<T>(
        &self,
        hash: B256,
        limit: Option<Arc<TimeLimit>>,
        work: impl FnOnce(&mut BlockExecutor, &Recovered<TxEnvelope>) -> Result<T, ExecuteError>,
    ) -> Result<(T, MinedTransaction), CallError> {
        let mined = self.transaction(hash)?;
        let mined = mined.ok_or_else(|| CallError::Rejected("transaction not found".into()))?;
        let mut executor = self.before(&mined.block)?;
        if let Some(limit) = &limit {
            executor.set_time_limit(limit);
        }
        for tx in &mined.block.transactions[..mined.index] {
            executor.execute(tx)?;
        }
        let done = work(&mut executor, &mined.block.transactions[mined.index])?;
        Ok((done, mined))
    }

    /// Runs the transactions of a block again and hands the recording of each to `show`, until that fails or time is up.
    /// Returns the block.
    pub fn trace_block<E: From<CallError>>(
        &self,
        id: BlockId,
        capture: &Capture,
        limit: &Arc<TimeLimit>,
        mut show: impl FnMut(&Recovered<TxEnvelope>, Result<Recording, RecordingTooLong>) -> Result<(), E>,
    ) -> Result<Arc<Block>, E> {
        let block = self.block(id).map_err(CallError::from)?;
        let block = block.ok_or_else(|| CallError::Rejected("block not found".into()))?;
        if !block.transactions.is_empty() {
            let mut executor = self.before(&block)?;
            executor.set_time_limit(limit);
            for (index, tx) in block.transactions.iter().enumerate() {
                let mut recording = executor.trace(tx, capture).map_err(CallError::from)?;
                if let Ok(recording) = &mut recording {
                    recording.set_logs_before(logs_in(&block.receipts[..index]));
                }
                show(tx, recording)?;
            }
        }
        Ok(block)
    }

    /// Returns what runs the transactions of a mined block from the first on. The first block of a chain has none.
    fn before(&self, block: &Block) -> Result<BlockExecutor, CallError> {
        let view = self.state_at(block.header.parent_hash.into())?;
        let context = context_of(&self.latest().view, block.header.number)?;
        let mut executor = self.runtime().block(view, &context);
        executor.set_time_limit(&self.no_time_limit());
        Ok(executor)
    }
}

/// Returns how many logs there are in receipts.
fn logs_in(receipts: &[Receipt]) -> u64 {
    receipts.iter().map(|receipt| receipt.logs.len() as u64).sum()
}
