//! Methods that say when blocks are mined, and that mine.

use std::time::Duration;

use alloy_rpc_types_eth::Block as RpcBlock;
use serde::Serialize;
use serde_json::{Number, Value};

use crate::{
    chain::{ChainError, Mining},
    methods,
    rpc::{
        RpcError, Schema,
        dev_params::{ReorgTx, Seconds},
        method::Api,
        params::MineOptions,
        shapes,
    },
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Mines one block of what waits, empty if nothing does; or as many as the options say, the first at their timestamp.
    "evm_mine", mine_with(options: Option<MineOptions>);
    /// As `evm_mine`, but returns the blocks with their transactions.
    "evm_mine_detailed" | "anvil_mine_detailed" | "anvil_mineDetailed", mine_detailed(options: Option<MineOptions>);
    /// Mines some blocks, one if the count is left out, with an interval in seconds between them.
    "anvil_mine" | "hardhat_mine", mine(blocks: Option<u64>, interval: Option<u64>);
    /// Mines one block, as the interval does.
    "hardhat_intervalMine", interval_mine();
    /// Sets whether sending a transaction mines it; what waits is mined when this is switched on. Returns true.
    "evm_setAutomine" | "anvil_setAutomine", set_automine(enabled: bool);
    /// Returns whether sending a transaction mines it.
    "anvil_getAutomine" | "hardhat_getAutomine", automine();
    /// Mines a block whenever so many seconds have passed, a fraction if need be, and no longer when a transaction is sent; with
    /// 0 nothing is mined unasked. Returns true.
    "evm_setIntervalMining" | "anvil_setIntervalMining", set_interval(seconds: Seconds);
    /// Returns after how many seconds blocks are mined; null if time mines none.
    "anvil_getIntervalMining", interval();
    /// Takes back the last blocks, one if the count is left out.
    "anvil_rollback", rollback(blocks: Option<u64>);
    /// Replaces the last blocks by as many others, which hold the given transactions, each with its place among them.
    "anvil_reorg", reorg(depth: u64, transactions: Option<Vec<ReorgTx>>);
}

/// Blocks that one request mines: about as many as take some seconds.
const MINE_MAX: u64 = 100_000;
/// Blocks that one request mines and returns.
const DETAILED_MAX: u64 = 1_000;

fn check_count(method: &str, blocks: u64, max: u64) -> Result<u64> {
    if blocks <= max {
        return Ok(blocks);
    }
    Err(RpcError::invalid_params(format!(
        "{method}: parameter 1 (blocks): {blocks} blocks are more than the limit of {max}"
    )))
}

fn mine_with(api: &Api, options: Option<MineOptions>) -> Result<&'static str> {
    mine_by(api, "evm_mine", options, MINE_MAX)?;
    Ok("0x0")
}

fn mine_by(api: &Api, method: &str, options: Option<MineOptions>, max: u64) -> Result<u64> {
    let MineOptions { timestamp, blocks } = options.unwrap_or_default();
    let blocks = check_count(method, blocks.unwrap_or(1), max)?;
    if let Some(timestamp) = timestamp {
        api.chain.set_next_timestamp(timestamp)?;
    }
    api.chain.mine_blocks(blocks, None)?;
    Ok(blocks)
}

fn mine_detailed(api: &Api, options: Option<MineOptions>) -> Result<Vec<RpcBlock>> {
    let before = api.chain.head().header.number;
    let blocks = mine_by(api, "evm_mine_detailed", options, DETAILED_MAX)?;
    (before + 1..=before + blocks)
        .map(|number| {
            let block = api.chain.block(number.into())?.ok_or(ChainError::UnknownBlock)?;
            Ok(shapes::block(&block, true))
        })
        .collect()
}

fn mine(api: &Api, blocks: Option<u64>, interval: Option<u64>) -> Result<()> {
    let blocks = check_count("anvil_mine", blocks.unwrap_or(1), MINE_MAX)?;
    Ok(api.chain.mine_blocks(blocks, interval)?)
}

fn interval_mine(api: &Api) -> Result<bool> {
    api.chain.mine()?;
    Ok(true)
}

fn set_automine(api: &Api, enabled: bool) -> Result<bool> {
    api.chain.set_automine(enabled)?;
    Ok(true)
}

fn automine(api: &Api) -> Result<bool> {
    Ok(api.chain.mining().on_send)
}

fn set_interval(api: &Api, seconds: Seconds) -> Result<bool> {
    let interval = Some(seconds.0).filter(|interval| !interval.is_zero());
    api.chain.set_mining(Mining { on_send: false, interval })?;
    Ok(true)
}

/// Seconds, as an integer where there is no fraction: all that most clients read.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Interval(Number);

impl Schema for Interval {
    fn schema() -> Value {
        f64::schema()
    }
}

fn interval(api: &Api) -> Result<Option<Interval>> {
    let number = |interval: Duration| match interval.subsec_nanos() {
        0 => Some(interval.as_secs().into()),
        _ => Number::from_f64(interval.as_secs_f64()),
    };
    Ok(api.chain.mining().interval.and_then(number).map(Interval))
}

fn rollback(api: &Api, blocks: Option<u64>) -> Result<()> {
    Ok(api.chain.rollback(blocks.unwrap_or(1))?)
}

fn reorg(api: &Api, depth: u64, transactions: Option<Vec<ReorgTx>>) -> Result<()> {
    let depth = check_count("anvil_reorg", depth, MINE_MAX)?;
    let mut by_block: Vec<(u64, ReorgTx)> = Vec::new();
    for tx in transactions.unwrap_or_default() {
        if tx.block >= depth {
            return Err(RpcError::invalid_params(format!(
                "anvil_reorg: parameter 2 (transactions): block {} is not among the {depth} new blocks, which are numbered \
                 from 0",
                tx.block
            )));
        }
        by_block.push((tx.block, tx));
    }
    // A stable sort: within a block the order is the client's.
    by_block.sort_by_key(|(block, _)| *block);
    let mut rest = by_block.into_iter().peekable();
    api.chain.reorg(depth, |place| {
        while let Some((_, tx)) = rest.next_if(|(block, _)| *block == place) {
            tx.submit(&api.chain)?;
        }
        Ok(())
    })?;
    Ok(())
}
