//! What a transaction's programs did, for those who ask.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use alloy_rpc_types_eth::TransactionReceipt;
use lathe_gas::CostClass;
use serde::Serialize;

use crate::{
    chain::{MeasuredTransaction, MinedTransaction},
    methods,
    rpc::{RpcError, method::Api, shapes},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns the receipt of a mined transaction with a member `lathe`: what its programs did, counted by running it
    /// again on the state before it. Null if there is no such transaction.
    "lathe_getTransactionReceipt", receipt(hash: B256);
}

/// A receipt with an extension.
#[derive(Serialize)]
struct MeasuredReceipt {
    #[serde(flatten)]
    receipt: TransactionReceipt,
    lathe: Statistics,
}

/// What programs did. Counts are numbers, not hex.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    frames: u64,
    instructions: u64,
    /// Ink of instructions, in all and by class.
    ink: u64,
    ink_by_class: BTreeMap<&'static str, u64>,
    /// Calls of host functions, in all and by function.
    host_calls: u64,
    host_calls_by_function: BTreeMap<&'static str, u64>,
    pages: u32,
    /// How long it takes to run, uncounted.
    time_ns: u64,
}

schemas! {
    MeasuredReceipt => "MeasuredReceipt";
}

fn receipt(api: &Api, hash: B256) -> Result<Option<MeasuredReceipt>> {
    let Some(MinedTransaction { block, index }) = api.chain.transaction(hash)? else { return Ok(None) };
    let Some(receipt) = shapes::receipt(&block, index) else { return Ok(None) };
    let MeasuredTransaction { statistics, time } = api.chain.measure_transaction(hash)?;
    let classes = CostClass::ALL.iter().zip(&statistics.ink_by_class);
    let lathe = Statistics {
        frames: statistics.frames,
        instructions: statistics.instructions,
        ink: statistics.ink_by_class.iter().sum(),
        ink_by_class: classes.filter(|&(_, &ink)| ink > 0).map(|(class, &ink)| (class.name(), ink)).collect(),
        host_calls: statistics.host_calls.values().sum(),
        host_calls_by_function: statistics.host_calls,
        pages: statistics.pages,
        time_ns: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
    };
    Ok(Some(MeasuredReceipt { receipt, lathe }))
}
