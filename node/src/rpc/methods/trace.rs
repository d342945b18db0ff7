//! Methods in Parity's shape: calls as a list, each with its place in the tree.

use std::sync::Arc;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64};
use alloy_rpc_types_eth::TransactionRequest;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::debug::place_of;
use crate::{
    methods,
    rpc::{
        RpcError, Schema,
        envelope::ANSWER_MAX,
        method::Api,
        params::BlockAt,
        tracer::{Place, PlacedTrace, TraceFilter, placed},
    },
    runtime::{
        TimeLimit,
        trace::{Capture, FlatAction, FlatTrace, Recording},
    },
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns the calls of a mined transaction as a list; null if there is no such transaction.
    "trace_transaction", transaction(hash: B256);
    /// Returns the call of a mined transaction at a place of the tree; null if there is none.
    "trace_get", get(hash: B256, place: Vec<u64>);
    /// Returns the calls of a block's transactions as a list; null if there is no such block.
    "trace_block", block(block: BlockId);
    /// Returns the calls of the transactions of some blocks that go from or to some addresses.
    "trace_filter", filter(filter: TraceFilter);
    /// Runs a mined transaction again and shows its calls; the only type of trace is "trace".
    "trace_replayTransaction", replay(hash: B256, types: Vec<String>);
    /// Runs the transactions of a block again and shows their calls; the only type of trace is "trace".
    "trace_replayBlockTransactions", replay_block(block: BlockId, types: Vec<String>);
    /// Runs a call on the state after a block and shows its calls; the only type of trace is "trace".
    "trace_call", call(transaction: TransactionRequest, types: Vec<String>, block: BlockAt);
}

/// Blocks that `trace_filter` runs again at most: each may take as long as a block does.
pub const FILTER_BLOCKS_MAX: u64 = 1_000;
/// Calls that an answer lists at most: a few MiB of JSON.
pub const FILTER_TRACES_MAX: usize = 10_000;

/// Bytes of JSON, by two, that a call takes beside its data.
const TRACE_BYTES: usize = 400;

/// What is recorded for a list of calls.
const CAPTURE: Capture = Capture::FRAMES;

/// Bytes of data that an answer may still show.
struct Room(usize);

impl Room {
    fn new() -> Self {
        Self(ANSWER_MAX / 2)
    }

    /// Takes room for some calls. Fails if there is too little.
    fn take<'a>(&mut self, traces: impl IntoIterator<Item = &'a FlatTrace>) -> Result<()> {
        let bytes: usize = traces.into_iter().map(|trace| TRACE_BYTES + trace.data_bytes()).sum();
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            RpcError::refused(format!(
                "the calls are longer than the limit of {ANSWER_MAX} bytes: ask for fewer blocks, or for one transaction"
            ))
        })?;
        Ok(())
    }
}

/// An execution as `trace_replay…` shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Replay {
    output: Bytes,
    state_diff: Option<()>,
    trace: Vec<FlatTrace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_hash: Option<B256>,
    vm_trace: Option<()>,
}

schemas! {
    Replay => "Replay";
}

impl Replay {
    fn of(recording: &Recording, transaction_hash: Option<B256>) -> Self {
        let (output, trace) = (recording.outline().output.clone(), recording.to_flat());
        Self { output, state_diff: None, trace, transaction_hash, vm_trace: None }
    }
}

fn transaction(api: &Api, hash: B256) -> Result<Option<Vec<PlacedTrace>>> {
    let Some(mined) = api.chain.transaction(hash)? else { return Ok(None) };
    let recording = api.chain.trace_transaction(hash, &CAPTURE)?;
    Ok(Some(placed(&recording, Some(place_of(&mined)))))
}

fn get(api: &Api, hash: B256, place: Vec<u64>) -> Result<Option<PlacedTrace>> {
    let traces = transaction(api, hash)?.unwrap_or_default();
    let is_it = |trace: &PlacedTrace| {
        trace.trace.trace_address.len() == place.len()
            && trace.trace.trace_address.iter().zip(&place).all(|(at, wanted)| *at as u64 == *wanted)
    };
    Ok(traces.into_iter().find(is_it))
}

fn block(api: &Api, block: BlockId) -> Result<Option<Vec<PlacedTrace>>> {
    if api.chain.block(block)?.is_none() {
        return Ok(None);
    }
    let (mut traces, mut room) = (Vec::new(), Room::new());
    each(api, block, &api.chain.time_limit(), |found, recording| {
        let placed = placed(recording, Some(found));
        room.take(placed.iter().map(|placed| &placed.trace))?;
        traces.extend(placed);
        Ok(true)
    })?;
    Ok(Some(traces))
}

/// Hands the recording of each transaction of a block to `show` as long as it wants more. Returns whether it still does.
fn each(
    api: &Api,
    id: BlockId,
    limit: &Arc<TimeLimit>,
    mut show: impl FnMut(Place, &Recording) -> Result<bool>,
) -> Result<bool> {
    let Some(block) = api.chain.block(id)? else { return Err(RpcError::refused("block not found")) };
    let mut position = 0;
    let mut wants_more = true;
    api.chain.trace_block(BlockId::hash(block.hash), &CAPTURE, limit, |tx, recording| {
        let place = Place {
            block_hash: block.hash,
            block_number: block.header.number,
            transaction_hash: *tx.tx_hash(),
            transaction_position: position,
        };
        position += 1;
        let recording = recording.map_err(|error| RpcError::refused(format!("{}: {error}", tx.tx_hash())))?;
        if wants_more {
            wants_more = show(place, &recording)?;
        }
        Ok::<_, RpcError>(())
    })?;
    Ok(wants_more)
}

/// A call of a block of this chain, or of the one that it forks, as that one's node shows it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ListedTrace {
    Here(Box<PlacedTrace>),
    There(Box<RawValue>),
}

impl Schema for ListedTrace {
    fn schema() -> Value {
        PlacedTrace::schema()
    }
}

/// Lets the node of the forked chain look at the blocks that are its own. Returns the first block of the rest, and what it found.
fn filter_elsewhere(
    api: &Api,
    filter: &TraceFilter,
    first: u64,
    last: u64,
) -> Result<(u64, Option<Vec<Box<RawValue>>>)> {
    let Some(fork) = api.chain.fork().filter(|fork| first <= fork.number() && first <= last) else {
        return Ok((first, None));
    };
    let mut there = json!({"fromBlock": U64::from(first), "toBlock": U64::from(last.min(fork.number()))});
    for (name, addresses) in [("fromAddress", &filter.from_address), ("toAddress", &filter.to_address)] {
        if !addresses.is_empty() {
            there[name] = json!(addresses);
        }
    }
    if let Some(count) = filter.count {
        // What is to be left out is counted over both chains.
        there["count"] = json!(count.get().saturating_add(filter.after.map_or(0, |after| after.get())));
    }
    let answer = fork.request("trace_filter", &json!([there]))?;
    let traces = serde_json::from_str(answer.get()).map_err(|error| {
        RpcError::refused(format!("fork of {}: trace_filter: the answer is no list: {error}", fork.url()))
    })?;
    Ok((fork.number() + 1, Some(traces)))
}

fn filter(api: &Api, filter: TraceFilter) -> Result<Vec<ListedTrace>> {
    let head = api.chain.head().header.number;
    let number = |tag: Option<BlockNumberOrTag>, none: u64| match tag {
        Some(tag) => api.chain.number_of(tag).min(head),
        None => none,
    };
    let (first, last) = (number(filter.from_block, head), number(filter.to_block, head));
    let blocks = (last + 1).saturating_sub(first);
    if blocks > FILTER_BLOCKS_MAX {
        return Err(RpcError::refused(format!(
            "trace_filter runs at most {FILTER_BLOCKS_MAX} blocks again, the filter spans {blocks}; ask for fewer at a time"
        )));
    }
    let count = filter.count.map_or(FILTER_TRACES_MAX, |count| count.get().min(FILTER_TRACES_MAX + 1));
    let mut skip = filter.after.map_or(0, |after| after.get());
    let (mut found, mut room) = (Vec::new(), Room::new());
    let (first, elsewhere) = filter_elsewhere(api, &filter, first, last)?;
    if let Some(traces) = elsewhere {
        let skipped = skip.min(traces.len());
        skip -= skipped;
        found.extend(traces.into_iter().skip(skipped).take(count).map(ListedTrace::There));
    }
    let limit = api.chain.time_limit();
    for number in first..=last {
        let wants_more = each(api, number.into(), &limit, |place, recording| {
            for trace in placed(recording, Some(place)) {
                if !matches(&trace.trace, &filter) {
                    continue;
                }
                if skip > 0 {
                    skip -= 1;
                } else if found.len() < count {
                    room.take([&trace.trace])?;
                    found.push(ListedTrace::Here(trace.into()));
                } else {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        if found.len() > FILTER_TRACES_MAX || (!wants_more && filter.count.is_none()) {
            return Err(RpcError::refused(format!(
                "trace_filter found more than {FILTER_TRACES_MAX} calls; ask for fewer blocks at a time, or set after and count"
            )));
        }
        if !wants_more {
            break;
        }
    }
    Ok(found)
}

/// Returns whether a call goes from and to the addresses of a filter; none are all.
fn matches(trace: &FlatTrace, filter: &TraceFilter) -> bool {
    let (from, to) = match &trace.action {
        FlatAction::Call { from, to, .. } => (*from, Some(*to)),
        FlatAction::Create { from, .. } => (*from, trace.created()),
        FlatAction::SelfDestruct { address, refund_address, .. } => (*address, Some(*refund_address)),
    };
    let among = |addresses: &[Address], address: Option<Address>| {
        addresses.is_empty() || address.is_some_and(|address| addresses.contains(&address))
    };
    among(&filter.from_address, Some(from)) && among(&filter.to_address, to)
}

/// Fails for a type of trace that is not made here.
fn check(types: &[String]) -> Result<()> {
    match types.iter().find(|kind| *kind != "trace") {
        None => Ok(()),
        Some(kind) => {
            let kind: String = kind.chars().take(32).collect();
            Err(RpcError::invalid_params(format!(
                "traces of type {kind:?} are not supported: \"trace\" is; prestateTracer of debug_traceTransaction shows changes of state"
            )))
        }
    }
}

fn replay(api: &Api, hash: B256, types: Vec<String>) -> Result<Replay> {
    check(&types)?;
    Ok(Replay::of(&api.chain.trace_transaction(hash, &CAPTURE)?, None))
}

fn replay_block(api: &Api, block: BlockId, types: Vec<String>) -> Result<Vec<Replay>> {
    check(&types)?;
    let (mut replays, mut room) = (Vec::new(), Room::new());
    each(api, block, &api.chain.time_limit(), |place, recording| {
        let replay = Replay::of(recording, Some(place.transaction_hash));
        room.take(&replay.trace)?;
        replays.push(replay);
        Ok(true)
    })?;
    Ok(replays)
}

fn call(api: &Api, request: TransactionRequest, types: Vec<String>, BlockAt(at): BlockAt) -> Result<Replay> {
    check(&types)?;
    Ok(Replay::of(&api.chain.trace_call(request, at, None, None, &CAPTURE)?, None))
}
