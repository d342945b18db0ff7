//! Blocks, transactions and receipts as Ethereum JSON-RPC shows them.

use alloy_consensus::{
    Eip658Value, Receipt as ConsensusReceipt, ReceiptEnvelope, Transaction as _, TxEnvelope, TxType,
    transaction::Recovered,
};
use alloy_eips::{Encodable2718, eip4895::Withdrawals};
use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::{
    Block as RpcBlock, BlockTransactions, Header, Log, Transaction, TransactionReceipt,
};

use crate::chain::{Block, Receipt};

/// Returns a block with its transactions in full or by hash.
pub(super) fn block(block: &Block, full: bool) -> RpcBlock {
    let transactions = if full {
        BlockTransactions::Full((0..block.transactions.len()).filter_map(|i| transaction(block, i)).collect())
    } else {
        BlockTransactions::Hashes(block.transactions.iter().map(|tx| *tx.tx_hash()).collect())
    };
    let header = Header {
        hash: block.hash,
        inner: block.header.clone(),
        total_difficulty: Some(U256::ZERO),
        size: Some(U256::from(block.size)),
    };
    RpcBlock {
        header,
        uncles: Vec::new(),
        transactions,
        withdrawals: block.header.withdrawals_root.map(|_| Withdrawals::default()),
    }
}

/// Returns the transaction at `index` of a block, if there is one.
pub(super) fn transaction(block: &Block, index: usize) -> Option<Transaction> {
    let inner = block.transactions.get(index)?.clone();
    Some(Transaction {
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        transaction_index: Some(index as u64),
        effective_gas_price: Some(inner.effective_gas_price(block.header.base_fee_per_gas)),
        block_timestamp: Some(block.header.timestamp),
        inner,
    })
}

/// Returns a transaction that is in no block.
pub(super) fn pending_transaction(inner: Recovered<TxEnvelope>) -> Transaction {
    Transaction {
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: Some(inner.effective_gas_price(None)),
        block_timestamp: None,
        inner,
    }
}

/// Returns the EIP-2718 encoding of a transaction.
pub(super) fn raw_transaction(transaction: &TxEnvelope) -> alloy_primitives::Bytes {
    transaction.encoded_2718().into()
}

/// Returns the receipt of the transaction at `index` of a block, if there is one.
pub(super) fn receipt(block: &Block, index: usize) -> Option<TransactionReceipt> {
    let earlier: usize = block.receipts.get(..index)?.iter().map(|receipt| receipt.logs.len()).sum();
    receipt_from(block, index, earlier as u64)
}

/// Returns the receipts of all transactions of a block.
pub(super) fn receipts(block: &Block) -> Vec<TransactionReceipt> {
    let mut log_index = 0;
    let mut all = Vec::with_capacity(block.receipts.len());
    for (index, receipt) in block.receipts.iter().enumerate() {
        all.extend(receipt_from(block, index, log_index));
        log_index += receipt.logs.len() as u64;
    }
    all
}

/// Returns a receipt whose first log is the `first_log`th of the block.
fn receipt_from(block: &Block, index: usize, first_log: u64) -> Option<TransactionReceipt> {
    let receipt = block.receipts.get(index)?;
    let transaction = block.transactions.get(index)?;
    let hash = *transaction.tx_hash();
    Some(TransactionReceipt {
        inner: envelope(receipt, logs(block, receipt, index, hash, first_log)),
        transaction_hash: hash,
        transaction_index: Some(index as u64),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        gas_used: receipt.gas_used,
        effective_gas_price: receipt.effective_gas_price,
        blob_gas_used: None,
        blob_gas_price: None,
        from: transaction.signer(),
        to: transaction.to(),
        contract_address: receipt.contract_address,
    })
}

fn logs(block: &Block, receipt: &Receipt, index: usize, hash: B256, first_log: u64) -> Vec<Log> {
    let place = |(offset, log): (u64, &alloy_primitives::Log)| Log {
        inner: log.clone(),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: Some(hash),
        transaction_index: Some(index as u64),
        log_index: Some(first_log + offset),
        removed: false,
    };
    (0..).zip(&receipt.logs).map(place).collect()
}

fn envelope(receipt: &Receipt, logs: Vec<Log>) -> ReceiptEnvelope<Log> {
    let inner = ConsensusReceipt {
        status: Eip658Value::Eip658(receipt.success),
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs,
    };
    let tx_type = TxType::try_from(receipt.tx_type).unwrap_or(TxType::Legacy);
    ReceiptEnvelope::from_typed(tx_type, inner.with_bloom())
}
