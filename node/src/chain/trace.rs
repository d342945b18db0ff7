//! Running what has run again, or what might run, and recording it.

use std::sync::Arc;

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};

use crate::runtime::trace::{Capture, Recording, RecordingTooLong};

use super::{
    Block, CallError, Chain, ChainError, MinedTransaction,
    call::{account_overrides, context_of},
};

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
        Ok(self.runtime.trace_call(view, &context, &self.request(&request)?, &overrides, capture)?)
    }

    /// Runs a mined transaction again, on the state before it, and records it.
    pub fn trace_transaction(&self, hash: B256, capture: &Capture) -> Result<Recording, CallError> {
        let mined = self.transaction(hash)?;
        let MinedTransaction { block, index } =
            mined.ok_or_else(|| CallError::Rejected("transaction not found".into()))?;
        let mut executor = self.before(&block)?;
        for tx in &block.transactions[..index] {
            executor.execute(tx)?;
        }
        let recording = executor.trace(&block.transactions[index], capture)?;
        Ok(recording.map_err(crate::runtime::ExecuteError::from)?)
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
    fn before(&self, block: &Block) -> Result<crate::runtime::BlockExecutor, CallError> {
        let view = self.state_at(block.header.parent_hash.into()).map_err(ChainError::from)?;
        let context = context_of(&self.latest().view, block.header.number)?;
        Ok(self.runtime.block(view, &context))
    }
}
