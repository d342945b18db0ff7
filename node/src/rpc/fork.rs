//! Requests on a fork that only the forked chain can answer: about blocks up to the one that the fork stands on, their
//! transactions, and the state before it. They go to that chain's node as they came, and its answer comes back as it is.
//!
//! The state *at* that block is the fork's, which has its development accounts; its proofs are the other chain's. What is in
//! no block of either up to there is the fork's affair.

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes, U64};
use serde_json::{Value, json, value::RawValue};

use super::{
    error::{ErrorData, RpcError},
    method::{Api, Method},
    params::{FromParam, Params},
};
use crate::chain::{Fork, ForkError};

/// What a request is about, and which parameter says so.
#[derive(Debug, Clone, Copy)]
enum About {
    /// The state after a block, which it may leave out.
    State(usize),
    /// A block, by number, tag or hash.
    Block(usize),
    /// A transaction, by its hash.
    Transaction(usize),
    /// A proof of the state after a block.
    Proof(usize),
    /// Blocks up to one.
    Fees(usize),
}

/// Which methods ask for something that can be before the fork.
const METHODS: &[(&str, About)] = &[
    ("eth_getBalance", About::State(1)),
    ("eth_getTransactionCount", About::State(1)),
    ("eth_getCode", About::State(1)),
    ("eth_getStorageAt", About::State(2)),
    ("eth_getStorageValues", About::State(1)),
    ("eth_getAccountInfo", About::State(1)),
    ("eth_call", About::State(1)),
    ("eth_estimateGas", About::State(1)),
    ("eth_createAccessList", About::State(1)),
    ("eth_simulateV1", About::State(1)),
    ("debug_traceCall", About::State(1)),
    ("trace_call", About::State(2)),
    ("ots_hasCode", About::State(1)),
    ("eth_getProof", About::Proof(2)),
    ("eth_getAccount", About::Proof(1)),
    ("eth_feeHistory", About::Fees(1)),
    ("eth_getBlockByNumber", About::Block(0)),
    ("eth_getBlockByHash", About::Block(0)),
    ("eth_getHeaderByNumber", About::Block(0)),
    ("eth_getHeaderByHash", About::Block(0)),
    ("eth_getBlockReceipts", About::Block(0)),
    ("eth_getBlockTransactionCountByNumber", About::Block(0)),
    ("eth_getBlockTransactionCountByHash", About::Block(0)),
    ("eth_getUncleCountByBlockNumber", About::Block(0)),
    ("eth_getUncleCountByBlockHash", About::Block(0)),
    ("eth_getTransactionByBlockNumberAndIndex", About::Block(0)),
    ("eth_getTransactionByBlockHashAndIndex", About::Block(0)),
    ("eth_getRawTransactionByBlockNumberAndIndex", About::Block(0)),
    ("eth_getRawTransactionByBlockHashAndIndex", About::Block(0)),
    ("debug_traceBlockByNumber", About::Block(0)),
    ("debug_traceBlockByHash", About::Block(0)),
    ("debug_getRawHeader", About::Block(0)),
    ("debug_getRawBlock", About::Block(0)),
    ("debug_getRawReceipts", About::Block(0)),
    ("trace_block", About::Block(0)),
    ("trace_replayBlockTransactions", About::Block(0)),
    ("ots_getBlockDetails", About::Block(0)),
    ("ots_getBlockDetailsByHash", About::Block(0)),
    ("ots_getBlockTransactions", About::Block(0)),
    ("ots_getInternalOperations", About::Transaction(0)),
    ("ots_getTransactionError", About::Transaction(0)),
    ("ots_traceTransaction", About::Transaction(0)),
    ("eth_getTransactionByHash", About::Transaction(0)),
    ("eth_getRawTransactionByHash", About::Transaction(0)),
    ("eth_getTransactionReceipt", About::Transaction(0)),
    ("debug_traceTransaction", About::Transaction(0)),
    ("debug_getRawTransaction", About::Transaction(0)),
    ("trace_transaction", About::Transaction(0)),
    ("trace_replayTransaction", About::Transaction(0)),
    ("trace_get", About::Transaction(0)),
];

/// What becomes of a request.
enum Fate {
    /// It is answered here.
    Here,
    /// The other chain's node answers it, with another value in the place of a parameter if need be. If the answer never
    /// changes, it is kept.
    There { replaced: Option<(usize, Value)>, is_kept: bool },
}

impl Fate {
    const AS_IT_IS: Self = Self::There { replaced: None, is_kept: false };
}

/// Returns the answer of the other chain's node, if a request is for that.
pub(super) fn answer(
    api: &Api,
    method: &Method,
    params: &Params<'_>,
) -> Result<Option<Box<RawValue>>, RpcError> {
    let Some(fork) = api.chain.fork() else { return Ok(None) };
    let Some((_, about)) = METHODS.iter().find(|(name, _)| *name == method.name) else { return Ok(None) };
    let Fate::There { replaced, is_kept } = fate(api, &fork, *about, params)? else { return Ok(None) };
    let mut values: Vec<Value> =
        params.values().iter().map(|raw| serde_json::from_str(raw.get()).unwrap_or_default()).collect();
    if let Some((place, value)) = replaced {
        if values.len() <= place {
            values.resize(place + 1, Value::Null);
        }
        values[place] = value;
    }
    let values = Value::Array(values);
    let result = if is_kept { fork.request(method.name, &values) } else { fork.pass_on(method.name, values) };
    Ok(Some(result?))
}

fn fate(api: &Api, fork: &Fork, about: About, params: &Params<'_>) -> Result<Fate, RpcError> {
    let base = fork.number();
    // What is not understood is refused by the method itself.
    let read = |place: usize| params.values().get(place).and_then(|raw| BlockId::from_param(raw).ok());
    let fate = match about {
        About::State(place) => match read(place) {
            Some(id) if number(api, fork, id)? < base => Fate::AS_IT_IS,
            _ => Fate::Here,
        },
        About::Block(place) => match read(place) {
            Some(id) => match number(api, fork, id)? {
                found if found > base => Fate::Here,
                found => {
                    let is_hash = matches!(id, BlockId::Hash(_));
                    let replaced = (!is_hash).then(|| (place, json!(U64::from(found))));
                    Fate::There { replaced, is_kept: true }
                }
            },
            None => Fate::Here,
        },
        About::Proof(place) => {
            let id = read(place).unwrap_or_default();
            match number(api, fork, id)? {
                found if found < base => Fate::AS_IT_IS,
                found if found == base => {
                    Fate::There { replaced: Some((place, json!(U64::from(base)))), is_kept: true }
                }
                found => return Err(no_proof(fork, found)),
            }
        }
        About::Fees(place) => match read(place) {
            Some(id) if number(api, fork, id)? < base => Fate::AS_IT_IS,
            _ => Fate::Here,
        },
        About::Transaction(place) => {
            let hash = params.values().get(place).and_then(|raw| B256::from_param(raw).ok());
            match hash {
                Some(hash) if is_elsewhere(api, fork, hash)? => Fate::There { replaced: None, is_kept: true },
                _ => Fate::Here,
            }
        }
    };
    Ok(fate)
}

/// Returns the number of the block that is meant: of one that neither chain has, one beyond all.
fn number(api: &Api, fork: &Fork, id: BlockId) -> Result<u64, RpcError> {
    Ok(match id {
        BlockId::Number(tag) => api.chain.number_of(tag),
        BlockId::Hash(hash) if hash.block_hash == fork.hash() => fork.number(),
        BlockId::Hash(hash) => match api.chain.block(id)? {
            Some(block) => block.header.number,
            None => fork.block_by_hash(hash.block_hash)?.unwrap_or(u64::MAX),
        },
    })
}

/// Returns whether a transaction is in a block of the other chain up to the base.
fn is_elsewhere(api: &Api, fork: &Fork, hash: B256) -> Result<bool, RpcError> {
    let is_here = api.chain.transaction(hash)?.is_some() || api.chain.pending_transaction(hash).is_some();
    Ok(!is_here && fork.block_of_transaction(hash)?.is_some())
}

fn no_proof(fork: &Fork, number: u64) -> RpcError {
    RpcError::refused(format!(
        "the state of block {number} cannot be proven: this node forks another chain at block {} and has only what it read of \
         that; proofs are to be had up to that block",
        fork.number()
    ))
}

impl From<ForkError> for RpcError {
    fn from(error: ForkError) -> Self {
        match error {
            // As the other node said it: clients match on code, words and data.
            ForkError::Refused { code, message, data, .. } => {
                let data = data.and_then(|data| serde_json::from_str::<Bytes>(&data).ok());
                Self {
                    code: i32::try_from(code).unwrap_or(super::error::SERVER_ERROR),
                    message,
                    data: data.map(|data| Box::new(ErrorData::Output(data))),
                }
            }
            ForkError::Failed(text) => Self::refused(text),
        }
    }
}
