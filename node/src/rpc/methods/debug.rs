//! Methods that show what an execution did, in the shape of a tracer.

use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_eth::TransactionRequest;
use serde_json::value::RawValue;

use crate::{
    chain::MinedTransaction,
    methods,
    rpc::{
        RpcError,
        envelope::ANSWER_MAX,
        method::Api,
        params::BlockAt,
        tracer::{Place, TraceOptions, Tracer, TxTrace},
    },
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Runs a mined transaction again on the state before it and shows what it did, in the shape of a tracer.
    "debug_traceTransaction", trace_transaction(hash: B256, options: Option<TraceOptions>);
    /// Runs a call on the state after a block, with overrides in its options, and shows what it did.
    "debug_traceCall", trace_call(
        transaction: TransactionRequest,
        block: BlockAt,
        options: Option<TraceOptions>,
    );
    /// Runs the transactions of a block again and shows what each did, in the shape of a tracer.
    "debug_traceBlockByNumber", trace_block(block: BlockId, options: Option<TraceOptions>);
    /// Runs the transactions of a block again and shows what each did, in the shape of a tracer.
    "debug_traceBlockByHash", trace_block_by_hash(hash: B256, options: Option<TraceOptions>);
}

fn trace_transaction(api: &Api, hash: B256, options: Option<TraceOptions>) -> Result<Box<RawValue>> {
    let tracer = Tracer::find(&options.unwrap_or_default())?;
    let recording = api.chain.trace_transaction(hash, &tracer.capture())?;
    tracer.show(&recording, api.chain.transaction(hash)?.map(|mined| place_of(&mined)))
}

fn trace_call(
    api: &Api,
    request: TransactionRequest,
    BlockAt(at): BlockAt,
    options: Option<TraceOptions>,
) -> Result<Box<RawValue>> {
    let options = options.unwrap_or_default();
    let tracer = Tracer::find(&options)?;
    let TraceOptions { state_overrides, block_overrides, .. } = options;
    let capture = tracer.capture();
    tracer.show(&api.chain.trace_call(request, at, state_overrides, block_overrides, &capture)?, None)
}

fn trace_block(api: &Api, block: BlockId, options: Option<TraceOptions>) -> Result<Vec<TxTrace>> {
    let tracer = Tracer::find(&options.unwrap_or_default())?;
    let Some(found) = api.chain.block(block)? else {
        return Err(RpcError::refused("block not found"));
    };
    let mut traces = Vec::new();
    let mut bytes = 0;
    let id = BlockId::hash(found.hash);
    api.chain.trace_block(id, &tracer.capture(), &api.chain.time_limit(), |tx, recording| {
        let tx_hash = *tx.tx_hash();
        let place = Place {
            block_hash: found.hash,
            block_number: found.header.number,
            transaction_hash: tx_hash,
            transaction_position: traces.len(),
        };
        let (result, error) = match recording {
            Ok(recording) => (Some(tracer.show(&recording, Some(place))?), None),
            Err(error) => (None, Some(error.to_string())),
        };
        bytes += result.as_ref().map_or(0, |result| result.get().len());
        traces.push(TxTrace { tx_hash, result, error });
        if bytes > ANSWER_MAX {
            return Err(RpcError::refused(format!(
                "the traces of the block are longer than the limit of {ANSWER_MAX} bytes: trace its transactions one by one"
            )));
        }
        Ok(())
    })?;
    Ok(traces)
}

fn trace_block_by_hash(api: &Api, hash: B256, options: Option<TraceOptions>) -> Result<Vec<TxTrace>> {
    trace_block(api, hash.into(), options)
}

/// Returns what lists of calls repeat of a transaction.
pub(super) fn place_of(mined: &MinedTransaction) -> Place {
    Place {
        block_hash: mined.block.hash,
        block_number: mined.block.header.number,
        transaction_hash: *mined.block.transactions[mined.index].tx_hash(),
        transaction_position: mined.index,
    }
}
