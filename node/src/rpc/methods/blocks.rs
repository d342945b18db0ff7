//! Methods that read blocks and what is in them.

use std::sync::Arc;

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::{Block as RpcBlock, Header, Transaction, TransactionReceipt};

use crate::{
    chain::Block,
    methods,
    rpc::{RpcError, method::Api, shapes},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns the number of the latest block.
    "eth_blockNumber", block_number();
    /// Returns a block by number or tag, its transactions in full or by hash; null if there is none.
    "eth_getBlockByNumber", block(block: BlockId, full: Option<bool>);
    /// Returns a block by hash, its transactions in full or by hash; null if there is none.
    "eth_getBlockByHash", block_by_hash(hash: B256, full: Option<bool>);
    /// Returns the header of a block by number or tag; null if there is none.
    "eth_getHeaderByNumber" | "erigon_getHeaderByNumber", header(block: BlockId);
    /// Returns the header of a block by hash; null if there is none.
    "eth_getHeaderByHash", header_by_hash(hash: B256);
    /// Returns the receipts of a block; null if there is none.
    "eth_getBlockReceipts", receipts(block: BlockId);
    /// Returns how many transactions a block holds; null if there is none.
    "eth_getBlockTransactionCountByNumber", transaction_count(block: BlockId);
    /// Returns how many transactions a block holds; null if there is none.
    "eth_getBlockTransactionCountByHash", transaction_count_by_hash(hash: B256);
    /// Returns 0: blocks have no uncles; null if there is no such block.
    "eth_getUncleCountByBlockNumber", uncle_count(block: BlockId);
    /// Returns 0: blocks have no uncles; null if there is no such block.
    "eth_getUncleCountByBlockHash", uncle_count_by_hash(hash: B256);
    /// Returns a transaction by its place in a block; null if there is none.
    "eth_getTransactionByBlockNumberAndIndex", transaction(block: BlockId, index: u64);
    /// Returns a transaction by its place in a block; null if there is none.
    "eth_getTransactionByBlockHashAndIndex", transaction_by_hash(hash: B256, index: u64);
    /// Returns the EIP-2718 bytes of a transaction by its place in a block; null if there is none.
    "eth_getRawTransactionByBlockNumberAndIndex", raw_transaction(block: BlockId, index: u64);
    /// Returns the EIP-2718 bytes of a transaction by its place in a block; null if there is none.
    "eth_getRawTransactionByBlockHashAndIndex", raw_transaction_by_hash(hash: B256, index: u64);
}

fn find(api: &Api, id: BlockId) -> Result<Option<Arc<Block>>> {
    Ok(api.chain.block(id)?)
}

fn block_number(api: &Api) -> Result<U64> {
    Ok(U64::from(api.chain.head().header.number))
}

fn block(api: &Api, id: BlockId, full: Option<bool>) -> Result<Option<RpcBlock>> {
    Ok(find(api, id)?.map(|block| shapes::block(&block, full.unwrap_or(false))))
}

fn block_by_hash(api: &Api, hash: B256, full: Option<bool>) -> Result<Option<RpcBlock>> {
    block(api, hash.into(), full)
}

fn header(api: &Api, id: BlockId) -> Result<Option<Header>> {
    Ok(find(api, id)?.map(|block| shapes::block(&block, false).header))
}

fn header_by_hash(api: &Api, hash: B256) -> Result<Option<Header>> {
    header(api, hash.into())
}

fn receipts(api: &Api, id: BlockId) -> Result<Option<Vec<TransactionReceipt>>> {
    Ok(find(api, id)?.map(|block| shapes::receipts(&block)))
}

fn transaction_count(api: &Api, id: BlockId) -> Result<Option<U64>> {
    Ok(find(api, id)?.map(|block| U64::from(block.transactions.len())))
}

fn transaction_count_by_hash(api: &Api, hash: B256) -> Result<Option<U64>> {
    transaction_count(api, hash.into())
}

fn uncle_count(api: &Api, id: BlockId) -> Result<Option<U64>> {
    Ok(find(api, id)?.map(|_| U64::ZERO))
}

fn uncle_count_by_hash(api: &Api, hash: B256) -> Result<Option<U64>> {
    uncle_count(api, hash.into())
}

fn transaction(api: &Api, id: BlockId, index: u64) -> Result<Option<Transaction>> {
    Ok(find(api, id)?.and_then(|block| shapes::transaction(&block, usize::try_from(index).ok()?)))
}

fn transaction_by_hash(api: &Api, hash: B256, index: u64) -> Result<Option<Transaction>> {
    transaction(api, hash.into(), index)
}

fn raw_transaction(api: &Api, id: BlockId, index: u64) -> Result<Option<Bytes>> {
    let raw = |block: Arc<Block>| {
        block.transactions.get(usize::try_from(index).ok()?).map(|tx| shapes::raw_transaction(tx))
    };
    Ok(find(api, id)?.and_then(raw))
}

fn raw_transaction_by_hash(api: &Api, hash: B256, index: u64) -> Result<Option<Bytes>> {
    raw_transaction(api, hash.into(), index)
}
