//! Between blocks as the database keeps them and blocks as readers see them.

use alloy_consensus::{
    Header, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope, TxType, transaction::Recovered,
};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::Bytes;
use lathe_state as state;

use super::{Block, ChainError, Receipt};

/// Reads the block at a height of a view.
pub(super) fn read_block(view: &state::View, number: u64) -> Result<Option<Block>, ChainError> {
    let Some((hash, header)) = view.header_by_number(number)? else { return Ok(None) };
    let body = view.body(number)?.unwrap_or_default();
    let receipts = view.receipts(number)?.unwrap_or_default();
    let transactions = body.iter().map(read_tx).collect::<Result<Vec<_>, _>>()?;
    let size = header.size_bytes;
    Ok(Some(Block { header: read_header(header), hash, size, transactions, receipts }))
}

/// Returns a block of the database as readers see it.
pub(super) fn block_of(block: &state::Block) -> Result<Block, ChainError> {
    let state::Block { hash, header, body, receipts, .. } = block.clone();
    let size = header.size_bytes;
    let transactions = body.iter().map(read_tx).collect::<Result<Vec<_>, _>>()?;
    Ok(Block { header: read_header(header), hash, size, transactions, receipts })
}

fn read_tx(tx: &state::BodyTx) -> Result<Recovered<TxEnvelope>, ChainError> {
    let envelope = TxEnvelope::decode_2718(&mut &tx.raw[..])
        .map_err(|error| ChainError::Database(format!("stored transaction does not decode: {error}")))?;
    Ok(Recovered::new_unchecked(envelope, tx.sender))
}

/// Makes the record of a block.
pub(super) fn write_block(block: &Block) -> state::Block {
    let body = block
        .transactions
        .iter()
        .map(|tx| state::BodyTx { sender: tx.signer(), raw: Bytes::from(tx.encoded_2718()) })
        .collect();
    state::Block {
        hash: block.hash,
        header: write_header(&block.header, block.size),
        body,
        receipts: block.receipts.clone(),
        tx_hashes: block.transactions.iter().map(|tx| *tx.tx_hash()).collect(),
    }
}

/// Returns a receipt in the form whose RLP is hashed.
pub(super) fn receipt_envelope(receipt: &Receipt) -> ReceiptEnvelope {
    let inner = alloy_consensus::Receipt {
        status: receipt.success.into(),
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs: receipt.logs.clone(),
    };
    let with_bloom: ReceiptWithBloom<_> = inner.with_bloom();
    match TxType::try_from(receipt.tx_type).unwrap_or(TxType::Legacy) {
        TxType::Legacy => ReceiptEnvelope::Legacy(with_bloom),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(with_bloom),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(with_bloom),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(with_bloom),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(with_bloom),
    }
}

/// Returns a header in the form that Ethereum hashes.
pub(super) fn read_header(header: state::Header) -> Header {
    Header {
        parent_hash: header.parent_hash,
        ommers_hash: header.ommers_hash,
        beneficiary: header.beneficiary,
        state_root: header.state_root,
        transactions_root: header.transactions_root,
        receipts_root: header.receipts_root,
        logs_bloom: header.logs_bloom,
        difficulty: header.difficulty,
        number: header.number,
        gas_limit: header.gas_limit,
        gas_used: header.gas_used,
        timestamp: header.timestamp,
        extra_data: header.extra_data,
        mix_hash: header.mix_hash,
        nonce: header.nonce,
        base_fee_per_gas: Some(header.base_fee_per_gas),
        withdrawals_root: Some(header.withdrawals_root),
        blob_gas_used: Some(header.blob_gas_used),
        excess_blob_gas: Some(header.excess_blob_gas),
        parent_beacon_block_root: Some(header.parent_beacon_block_root),
        requests_hash: Some(header.requests_hash),
        ..Default::default()
    }
}

fn write_header(header: &Header, size_bytes: u64) -> state::Header {
    state::Header {
        parent_hash: header.parent_hash,
        ommers_hash: header.ommers_hash,
        beneficiary: header.beneficiary,
        state_root: header.state_root,
        transactions_root: header.transactions_root,
        receipts_root: header.receipts_root,
        logs_bloom: header.logs_bloom,
        difficulty: header.difficulty,
        number: header.number,
        gas_limit: header.gas_limit,
        gas_used: header.gas_used,
        timestamp: header.timestamp,
        extra_data: header.extra_data.clone(),
        mix_hash: header.mix_hash,
        nonce: header.nonce,
        base_fee_per_gas: header.base_fee_per_gas.unwrap_or_default(),
        withdrawals_root: header.withdrawals_root.unwrap_or_default(),
        blob_gas_used: header.blob_gas_used.unwrap_or_default(),
        excess_blob_gas: header.excess_blob_gas.unwrap_or_default(),
        parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
        requests_hash: header.requests_hash.unwrap_or_default(),
        size_bytes,
    }
}
