//! Methods that only a devnet has: going back to snapshots, and what tools ask to know that it is one.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use alloy_primitives::{B256, Bytes, U64, U256, keccak256};
use serde::Serialize;

use crate::{
    chain::ChainError,
    methods,
    rpc::{RpcError, method::Api},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Marks the latest block and returns the mark, for `evm_revert`.
    "evm_snapshot" | "anvil_snapshot", snapshot();
    /// Goes back to a marked block, to the time, fees, limits and chain id that were set then, and to the transactions that
    /// waited then; false if there is no such mark. The mark and all later ones are used up. When blocks are mined and who is
    /// impersonated stays as it is.
    "evm_revert" | "anvil_revert", restore(snapshot: U256);
    /// Returns the whole chain with its history, compressed, for `anvil_loadState`.
    "anvil_dumpState" | "hardhat_dumpState", dump_state(preserve_historical_states: Option<bool>);
    /// Makes the chain the one that was dumped, with the same blocks; of anvil's dumps, sets the accounts, in a block of their
    /// own. Returns true.
    "anvil_loadState" | "hardhat_loadState", load_state(dump: Bytes);
    /// Returns the timestamp of the first block, in seconds since 1970.
    "anvil_getGenesisTime", genesis_time();
    /// Returns the node's latest block, rules and fees.
    "anvil_nodeInfo", node_info();
    /// Returns the node's name and version, chain and latest block.
    "anvil_metadata" | "hardhat_metadata", metadata();
}

fn dump_state(api: &Api, _: Option<bool>) -> Result<Bytes> {
    let mut dump = Vec::new();
    api.chain.dump_state(&mut dump)?;
    Ok(dump.into())
}

fn load_state(api: &Api, dump: Bytes) -> Result<bool> {
    api.chain.load_state(&dump[..])?;
    Ok(true)
}

fn snapshot(api: &Api) -> Result<U64> {
    Ok(U64::from(api.chain.snapshot()?))
}

fn restore(api: &Api, snapshot: U256) -> Result<bool> {
    // A mark that is no 64-bit number was never made.
    Ok(u64::try_from(snapshot).map(|id| api.chain.restore(id)).unwrap_or(Ok(false))?)
}

fn genesis_time(api: &Api) -> Result<u64> {
    let first = api.chain.block(0.into())?.ok_or(ChainError::UnknownBlock)?;
    Ok(first.header.timestamp)
}

/// The answer to `anvil_nodeInfo`, in anvil's shape.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    current_block_number: U64,
    current_block_timestamp: u64,
    current_block_hash: B256,
    hard_fork: String,
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

/// What the node forks, without what may be secret in the URL; nothing is null.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct ForkConfig {
    fork_url: Option<String>,
    fork_block_number: Option<u64>,
    fork_retry_backoff: Option<u64>,
}

impl ForkConfig {
    fn of(api: &Api) -> Self {
        api.chain.fork().map_or_else(Self::default, |fork| Self {
            fork_url: Some(fork.url()),
            fork_block_number: Some(fork.number()),
            fork_retry_backoff: u64::try_from(fork.backoff().as_millis()).ok(),
        })
    }
}

schemas! {
    NodeInfo => "NodeInfo";
    Metadata => "Metadata";
}

/// Returns the name of a fork as anvil writes it.
fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn node_info(api: &Api) -> Result<NodeInfo> {
    let head = api.chain.head();
    Ok(NodeInfo {
        current_block_number: U64::from(head.header.number),
        current_block_timestamp: head.header.timestamp,
        current_block_hash: head.hash,
        hard_fork: capitalised(api.chain.spec().fork.name()),
        transaction_order: api.chain.order().name(),
        environment: Environment {
            base_fee: U64::from(api.chain.next_base_fee()),
            chain_id: api.chain.chain_id(),
            gas_limit: U64::from(head.header.gas_limit),
            gas_price: super::fees::gas_price(api)?,
        },
        fork_config: ForkConfig::of(api),
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
    /// Left out where nothing is forked, as hardhat and anvil do.
    #[serde(skip_serializing_if = "Option::is_none")]
    forked_network: Option<ForkedNetwork>,
}

/// The chain that the node forks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ForkedNetwork {
    /// None if the other chain's node cannot say it now.
    chain_id: Option<u64>,
    fork_block_number: u64,
    fork_block_hash: B256,
}

/// Differs from one start of the node to the next.
static INSTANCE: LazyLock<B256> = LazyLock::new(|| {
    let random = RandomState::new();
    keccak256([random.hash_one(0).to_be_bytes(), random.hash_one(1).to_be_bytes()].concat())
});

fn metadata(api: &Api) -> Result<Metadata> {
    let head = api.chain.head();
    Ok(Metadata {
        client_version: super::node::CLIENT_VERSION,
        chain_id: api.chain.chain_id(),
        // Another one after a reset, too: it tells tools that what they remember is gone.
        instance_id: keccak256([&INSTANCE[..], &api.chain.resets().to_be_bytes()].concat()),
        latest_block_number: head.header.number,
        latest_block_hash: head.hash,
        forked_network: api.chain.fork().map(|fork| ForkedNetwork {
            chain_id: fork.chain_id().ok(),
            fork_block_number: fork.number(),
            fork_block_hash: fork.hash(),
        }),
    })
}
