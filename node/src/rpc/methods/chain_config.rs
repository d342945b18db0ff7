//! Methods that say what the chain's rules are, and how much of its past the node keeps.

use std::collections::BTreeMap;

use alloy_eips::{BlockId, eip2124::ForkHash};
use alloy_primitives::{Address, B256, Bytes, U64, hex};
use serde::Serialize;

use crate::{
    chain::ChainError,
    methods,
    rpc::{RpcError, method::Api},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns the rules of the chain (EIP-7910): fork, precompiled contracts. There is one fork, from the first block on.
    "eth_config", config();
    /// Returns the latest block, and from which block on the node has state, transactions, logs, receipts, blocks and proofs.
    "eth_capabilities", capabilities();
    /// Returns null: blocks of this fork have no access lists (EIP-7928). Fails for an unknown block.
    "eth_getBlockAccessList", block_access_list(block: BlockId);
    /// Fails: blocks of this fork have no access lists (EIP-7928).
    "debug_getRawBlockAccessList", raw_block_access_list(block: BlockId);
}

/// The answer to `eth_config`, in the shape of EIP-7910.
#[derive(Serialize)]
struct Configs {
    current: Config,
    next: Option<Config>,
    last: Option<Config>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    /// 0 stands for the first block.
    activation_time: u64,
    blob_schedule: BlobSchedule,
    chain_id: U64,
    fork_id: String,
    precompiles: BTreeMap<String, Address>,
    system_contracts: BTreeMap<String, Address>,
}

/// How many blobs blocks hold: none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobSchedule {
    base_fee_update_fraction: u64,
    max: u64,
    target: u64,
}

/// The fraction of Prague and Osaka (EIP-7691), by which a blob's fee would move.
const BLOB_FEE_UPDATE_FRACTION: u64 = 5_007_716;

schemas! {
    Configs => "Configs";
    Capabilities => "Capabilities";
}

fn config(api: &Api) -> Result<Configs> {
    let ForkHash(fork_id) = ForkHash::from(api.chain.genesis_hash());
    let current = Config {
        activation_time: 0,
        blob_schedule: BlobSchedule { base_fee_update_fraction: BLOB_FEE_UPDATE_FRACTION, max: 0, target: 0 },
        chain_id: U64::from(api.chain.chain_id()),
        fork_id: hex::encode_prefixed(fork_id),
        precompiles: api.chain.precompiles(),
        system_contracts: BTreeMap::new(),
    };
    Ok(Configs { current, next: None, last: None })
}

/// The answer to `eth_capabilities`.
#[derive(Serialize)]
struct Capabilities {
    head: Head,
    state: Resource,
    tx: Resource,
    logs: Resource,
    receipts: Resource,
    blocks: Resource,
    stateproofs: Resource,
}

#[derive(Serialize)]
struct Head {
    number: U64,
    hash: B256,
}

/// From which block on something is there.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
struct Resource {
    disabled: bool,
    oldest_block: U64,
}

fn capabilities(api: &Api) -> Result<Capabilities> {
    let head = api.chain.head();
    let since = |block: u64| Resource { disabled: false, oldest_block: U64::from(block) };
    let (all, kept) = (since(0), since(api.chain.oldest_state()));
    Ok(Capabilities {
        head: Head { number: U64::from(head.header.number), hash: head.hash },
        state: kept,
        tx: all,
        logs: all,
        receipts: all,
        blocks: all,
        stateproofs: kept,
    })
}

fn block_access_list(api: &Api, id: BlockId) -> Result<()> {
    api.chain.block(id)?.ok_or(ChainError::UnknownBlock)?;
    Ok(())
}

/// Code of something that is not there (EIP-1474).
const RESOURCE_NOT_FOUND: i32 = -32001;

fn raw_block_access_list(api: &Api, id: BlockId) -> Result<Bytes> {
    let block = api.chain.block(id)?.ok_or(ChainError::UnknownBlock)?;
    Err(RpcError::new(
        RESOURCE_NOT_FOUND,
        format!("block {} has no access list: its fork is before Amsterdam (EIP-7928)", block.header.number),
    ))
}
