//! `eth_simulateV1`: blocks of calls that build on each other.

use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::{Block as RpcBlock, Log, simulate::SimulatePayload};
use serde::Serialize;

use crate::{
    chain::{Block, SimulatedBlock},
    methods,
    rpc::{
        RpcError,
        error::{EXECUTION_REVERTED, ErrorData},
        method::Api,
        params::BlockAt,
        shapes,
    },
    runtime::{Executed, Simulated, Status, halt_text, revert_reason, revert_text},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Runs blocks of calls, each on the effects of those before it, and returns the blocks and what the calls did; with
    /// overrides of blocks and accounts, optionally with the checks of transactions, and with transfers of ether as logs.
    "eth_simulateV1", simulate(payload: SimulatePayload, block: BlockAt);
}

/// Code of a simulated call that halted.
const VM_ERROR: i32 = -32015;

/// A simulated block: its calls are its transactions, too.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    block: RpcBlock,
    calls: Vec<CallResult>,
}

schemas! {
    Shown => "SimulatedBlock";
    SimulatePayload => "SimulatePayload";
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallResult {
    status: U64,
    return_data: Bytes,
    gas_used: U64,
    max_used_gas: U64,
    logs: Vec<Log>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RpcError>,
}

fn simulate(api: &Api, payload: SimulatePayload, BlockAt(at): BlockAt) -> Result<Vec<Shown>> {
    let full = payload.return_full_transactions;
    let blocks = api.chain.simulate(payload, at)?;
    Ok(blocks.into_iter().map(|block| show(block, full)).collect())
}

fn show(SimulatedBlock { block, calls }: SimulatedBlock, full: bool) -> Shown {
    let mut first_log = 0;
    let results = calls.into_iter().enumerate().map(|(index, Simulated { executed, gas_used_max, .. })| {
        let hash = block.transactions.get(index).map(|tx| *tx.tx_hash()).unwrap_or_default();
        let logs = logs(&block, &executed, index, hash, first_log);
        first_log += logs.len() as u64;
        let error = error(&executed);
        CallResult {
            status: U64::from(u8::from(error.is_none())),
            return_data: executed.output,
            gas_used: U64::from(executed.gas_used),
            max_used_gas: U64::from(gas_used_max),
            logs,
            error,
        }
    });
    Shown { calls: results.collect(), block: shapes::block(&block, full) }
}

fn logs(block: &Block, executed: &Executed, index: usize, hash: B256, first_log: u64) -> Vec<Log> {
    let place = |(offset, log): (u64, &alloy_primitives::Log)| Log {
        inner: log.clone(),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: Some(hash),
        transaction_index: Some(index as u64),
        log_index: Some(first_log + offset),
        removed: false,
    };
    (0..).zip(&executed.logs).map(place).collect()
}

/// Returns the error of a call that failed.
fn error(executed: &Executed) -> Option<RpcError> {
    match &executed.status {
        Status::Success { .. } => None,
        Status::Reverted => {
            let reason = revert_reason(&executed.output);
            let message = revert_text(reason.as_deref(), executed.failure.as_ref());
            let data = Some(Box::new(ErrorData::Output(executed.output.clone())));
            Some(RpcError { code: EXECUTION_REVERTED, message, data })
        }
        Status::Halted(words) => {
            let halt = halt_text(words, executed.failure.as_ref());
            Some(RpcError::new(VM_ERROR, format!("vm execution error: {halt}")))
        }
    }
}
