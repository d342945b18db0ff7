//! Methods that only a devnet has: mining by hand, going back, and what tools ask to know that it is one.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use alloy_primitives::{B256, U64, U256, keccak256};
use serde::Serialize;

use crate::{
    methods,
    rpc::{RpcError, method::Api, params::MineOptions},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Mines one block of what waits, empty if nothing does; or as many as the options say, the first at their timestamp.
    "evm_mine", mine_with(options: Option<MineOptions>);
    /// Mines some blocks, one if the count is left out, with an interval in seconds between them.
    "anvil_mine" | "hardhat_mine", mine(blocks: Option<u64>, interval: Option<u64>);
    /// Marks the latest block and returns the mark, for `evm_revert`.
    "evm_snapshot" | "anvil_snapshot", snapshot();
    /// Goes back to a marked block; false if there is no such mark. The mark and all later ones are used up.
    "evm_revert" | "anvil_revert", restore(snapshot: U256);
    /// Takes back the last blocks, one if the count is left out.
    "anvil_rollback", rollback(blocks: Option<u64>);
    /// Returns the node's latest block, rules and fees.
    "anvil_nodeInfo", node_info();
    /// Returns the node's name and version, chain and latest block.
    "anvil_metadata" | "hardhat_metadata", metadata();
}

/// Blocks that one request mines: about as many as take a minute.
const MINE_MAX: u64 = 100_000;

fn mine_with(api: &Api, options: Option<MineOptions>) -> Result<&'static str> {
    let MineOptions { timestamp, blocks } = options.unwrap_or_default();
    if let Some(timestamp) = timestamp {
        api.chain.set_next_timestamp(timestamp)?;
    }
    mine_blocks(api, "evm_mine", blocks.unwrap_or(1), None)?;
    Ok("0x0")
}

fn mine(api: &Api, blocks: Option<u64>, interval: Option<u64>) -> Result<()> {
    mine_blocks(api, "anvil_mine", blocks.unwrap_or(1), interval)
}

fn mine_blocks(api: &Api, method: &str, blocks: u64, interval: Option<u64>) -> Result<()> {
    if blocks > MINE_MAX {
        return Err(RpcError::invalid_params(format!(
            "{method}: parameter 1 (blocks): {blocks} blocks are more than the limit of {MINE_MAX}"
        )));
    }
    Ok(api.chain.mine_blocks(blocks, interval)?)
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

schemas! {
    NodeInfo => "NodeInfo";
    Metadata => "Metadata";
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

/// The answer to `hardhat_metadata`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    client_version: &'static str,
    chain_id: u64,
    instance_id: B256,
    latest_block_number: u64,
    latest_block_hash: B256,
}

/// Differs from one start of the node to the next, which tells tools that what they remember is gone.
static INSTANCE: LazyLock<B256> = LazyLock::new(|| {
    let random = RandomState::new();
    keccak256([random.hash_one(0).to_be_bytes(), random.hash_one(1).to_be_bytes()].concat())
});

fn metadata(api: &Api) -> Result<Metadata> {
    let head = api.chain.head();
    Ok(Metadata {
        client_version: super::node::CLIENT_VERSION,
        chain_id: api.chain.spec().chain_id,
        instance_id: *INSTANCE,
        latest_block_number: head.header.number,
        latest_block_hash: head.hash,
    })
}
