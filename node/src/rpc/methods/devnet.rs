//! Methods that only a devnet has: mining by hand, going back, and what tools ask to know that it is one.

use alloy_primitives::{B256, U64, U256};
use serde::Serialize;

use crate::{
    methods,
    rpc::{RpcError, method::Api},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Mines one block of what waits, empty if nothing does.
    "evm_mine", mine_one();
    /// Mines some blocks, one if the count is left out.
    "anvil_mine" | "hardhat_mine", mine(blocks: Option<u64>);
    /// Marks the latest block and returns the mark, for `evm_revert`.
    "evm_snapshot" | "anvil_snapshot", snapshot();
    /// Goes back to a marked block; false if there is no such mark. The mark and all later ones are used up.
    "evm_revert" | "anvil_revert", restore(snapshot: U256);
    /// Takes back the last blocks, one if the count is left out.
    "anvil_rollback", rollback(blocks: Option<u64>);
    /// Returns how many transactions wait: executable, and queued behind a gap in nonces.
    "txpool_status", pool_status();
    /// Returns the node's latest block, rules and fees.
    "anvil_nodeInfo", node_info();
}

/// Blocks that one request mines: about as many as take a minute.
const MINE_MAX: u64 = 100_000;

fn mine_one(api: &Api) -> Result<&'static str> {
    api.chain.mine()?;
    Ok("0x0")
}

fn mine(api: &Api, blocks: Option<u64>) -> Result<()> {
    let blocks = blocks.unwrap_or(1);
    if blocks > MINE_MAX {
        return Err(RpcError::invalid_params(format!(
            "anvil_mine: parameter 1 (blocks): {blocks} blocks are more than the limit of {MINE_MAX}"
        )));
    }
    for _ in 0..blocks {
        api.chain.mine()?;
    }
    Ok(())
}

fn snapshot(api: &Api) -> Result<U64> {
    Ok(U64::from(api.chain.snapshot()?))
}

fn restore(api: &Api, snapshot: U256) -> Result<bool> {
    // A mark that is no 64-bit number was never made.
    Ok(u64::try_from(snapshot).map(|id| api.chain.restore(id)).unwrap_or(Ok(false))?)
}

fn rollback(api: &Api, blocks: Option<u64>) -> Result<()> {
    Ok(api.chain.rollback(blocks.unwrap_or(1))?)
}

#[derive(Serialize)]
struct PoolStatus {
    pending: U64,
    queued: U64,
}

fn pool_status(api: &Api) -> Result<PoolStatus> {
    let (pending, queued) = api.chain.pool_status()?;
    Ok(PoolStatus { pending: U64::from(pending), queued: U64::from(queued) })
}

/// The answer to `anvil_nodeInfo`, in anvil's shape.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    current_block_number: U64,
    current_block_timestamp: u64,
    current_block_hash: B256,
    hard_fork: &'static str,
    transaction_order: &'static str,
    environment: Environment,
    fork_config: ForkConfig,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    base_fee: U64,
    chain_id: u64,
    gas_limit: U64,
    gas_price: U256,
}

/// What the node forked from: nothing.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct ForkConfig {
    fork_url: Option<String>,
    fork_block_number: Option<u64>,
    fork_retry_backoff: Option<u64>,
}

fn node_info(api: &Api) -> Result<NodeInfo> {
    let head = api.chain.head();
    Ok(NodeInfo {
        current_block_number: U64::from(head.header.number),
        current_block_timestamp: head.header.timestamp,
        current_block_hash: head.hash,
        hard_fork: "Osaka",
        transaction_order: "fees",
        environment: Environment {
            base_fee: U64::from(api.chain.next_base_fee()),
            chain_id: api.chain.spec().chain_id,
            gas_limit: U64::from(head.header.gas_limit),
            gas_price: super::fees::gas_price(api)?,
        },
        fork_config: ForkConfig::default(),
    })
}
