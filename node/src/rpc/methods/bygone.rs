//! Methods about what this chain does not have: work for blocks, uncles, blobs, another node's database. Tools ask all the same;
//! they are told so, or what is true without it.

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes, U64, U256};

use crate::{
    methods,
    rpc::{RpcError, method::Api},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns 0: nobody works for blocks.
    "eth_hashrate", hashrate();
    /// Returns false: nobody works for blocks.
    "eth_mining", is_mining();
    /// Fails: blocks need no work.
    "eth_getWork", get_work();
    /// Fails: blocks need no work.
    "eth_submitWork", submit_work(nonce: Bytes, pow_hash: B256, digest: B256);
    /// Fails: blocks need no work.
    "eth_submitHashrate", submit_hashrate(rate: U256, id: B256);
    /// Returns 68, the version of the protocol between nodes (eth/68) that its blocks would be told in: the node has no peers.
    "eth_protocolVersion", protocol_version();
    /// Returns null: blocks have no uncles.
    "eth_getUncleByBlockHashAndIndex", uncle_by_hash(hash: B256, index: u64);
    /// Returns null: blocks have no uncles.
    "eth_getUncleByBlockNumberAndIndex", uncle(block: BlockId, index: u64);
    /// Fails: the chain takes no transactions with blobs (type 3).
    "anvil_getBlobByHash", blob(hash: B256);
    /// Fails: the chain takes no transactions with blobs (type 3).
    "anvil_getBlobsByTransactionHash", blob(hash: B256);
    /// Returns the code with a hash; null if the chain never had it.
    "debug_codeByHash", code_by_hash(hash: B256, block: Option<BlockId>);
    /// Returns what geth's database has under a key. Only code is known here: its key is 0x63, then its hash.
    "debug_dbGet", db_get(key: Bytes);
}

/// Code of a method that is known, and not for this chain (EIP-1474).
const NOT_SUPPORTED: i32 = -32004;
/// What the key of code begins with in geth's database (`core/rawdb/schema.go`: `CodePrefix`).
const CODE_PREFIX: u8 = b'c';
/// eth/68 (EIP-5793).
const ETH_VERSION: u64 = 68;

fn hashrate(_: &Api) -> Result<U64> {
    Ok(U64::ZERO)
}

fn is_mining(_: &Api) -> Result<bool> {
    Ok(false)
}

fn no_work() -> RpcError {
    RpcError::new(NOT_SUPPORTED, "not supported: blocks of this chain need no work; evm_mine mines one")
}

fn get_work(_: &Api) -> Result<Vec<B256>> {
    Err(no_work())
}

fn submit_work(_: &Api, _: Bytes, _: B256, _: B256) -> Result<bool> {
    Err(no_work())
}

fn submit_hashrate(_: &Api, _: U256, _: B256) -> Result<bool> {
    Err(no_work())
}

fn protocol_version(_: &Api) -> Result<U64> {
    Ok(U64::from(ETH_VERSION))
}

fn uncle_by_hash(_: &Api, _: B256, _: u64) -> Result<()> {
    Ok(())
}

fn uncle(_: &Api, _: BlockId, _: u64) -> Result<()> {
    Ok(())
}

fn blob(_: &Api, _: B256) -> Result<Bytes> {
    Err(RpcError::new(
        NOT_SUPPORTED,
        "not supported: this chain has no blobs, it refuses transactions that carry them (type 3)",
    ))
}

fn code_by_hash(api: &Api, hash: B256, _: Option<BlockId>) -> Result<Option<Bytes>> {
    Ok(api.chain.code_by_hash(hash)?)
}

fn db_get(api: &Api, key: Bytes) -> Result<Option<Bytes>> {
    match key.split_first() {
        Some((&CODE_PREFIX, hash)) if hash.len() == B256::len_bytes() => {
            code_by_hash(api, B256::from_slice(hash), None)
        }
        _ => Err(RpcError::invalid_params(format!(
            "debug_dbGet: parameter 1 (key): only the keys of code are known here, 0x63 and a hash of 32 bytes; this one has {} bytes",
            key.len()
        ))),
    }
}
