//! Blocks, receipts and transactions in the encodings that Ethereum hashes.

use std::sync::Arc;

use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::Block as RpcBlock;

use crate::{
    chain::Block,
    methods,
    rpc::{RpcError, method::Api},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns the RLP of a block's header; its Keccak-256 is the block's hash.
    "debug_getRawHeader", header(block: BlockId);
    /// Returns the RLP of a block.
    "debug_getRawBlock", block(block: BlockId);
    /// Returns the EIP-2718 encodings of a block's receipts.
    "debug_getRawReceipts", receipts(block: BlockId);
    /// Returns the EIP-2718 bytes of a transaction, mined or waiting; null if there is none.
    "debug_getRawTransaction", transaction(hash: B256);
    /// Returns no blocks: the node makes none that it then refuses.
    "debug_getBadBlocks", bad_blocks();
}

fn find(api: &Api, id: BlockId) -> Result<Arc<Block>> {
    Ok(api.chain.block(id)?.ok_or(crate::chain::ChainError::UnknownBlock)?)
}

fn header(api: &Api, id: BlockId) -> Result<Bytes> {
    Ok(alloy_rlp::encode(&find(api, id)?.header).into())
}

fn block(api: &Api, id: BlockId) -> Result<Bytes> {
    Ok(find(api, id)?.rlp().into())
}

fn receipts(api: &Api, id: BlockId) -> Result<Vec<Bytes>> {
    Ok(find(api, id)?.receipt_envelopes().iter().map(|receipt| receipt.encoded_2718().into()).collect())
}

fn transaction(api: &Api, hash: B256) -> Result<Option<Bytes>> {
    super::transactions::raw_transaction(api, hash)
}

fn bad_blocks(_: &Api) -> Result<Vec<RpcBlock>> {
    Ok(Vec::new())
}
