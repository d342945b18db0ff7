//! Blocks and receipts as readers see them.

use std::sync::Arc;

use alloy_consensus::{
    BlockBody, Header, ReceiptEnvelope, TxEnvelope,
    proofs::{calculate_receipt_root, calculate_transaction_root},
    transaction::Recovered,
};
use alloy_primitives::{B256, Bloom};
use alloy_rlp::Encodable;
use lathe_state::Receipt;

use super::record::receipt_envelope;

/// A sealed block with its transactions and receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// Keccak-256 of the RLP of the header.
    pub hash: B256,
    /// RLP length of the whole block in bytes.
    pub size: u64,
    /// Transactions in order, each with its sender.
    pub transactions: Vec<Recovered<TxEnvelope>>,
    /// One receipt for each transaction.
    pub receipts: Vec<Receipt>,
}

/// Where a mined transaction is.
#[derive(Debug, Clone)]
pub struct MinedTransaction {
    /// The block that holds it.
    pub block: Arc<Block>,
    /// Its index in the block.
    pub index: usize,
}

impl Block {
    /// Returns the RLP of the whole block.
    pub fn rlp(&self) -> Vec<u8> {
        alloy_rlp::encode(self.consensus())
    }

    /// Returns the receipts in the form whose RLP is hashed.
    pub fn receipt_envelopes(&self) -> Vec<ReceiptEnvelope> {
        self.receipts.iter().map(receipt_envelope).collect()
    }

    fn consensus(&self) -> alloy_consensus::Block<TxEnvelope> {
        let transactions = self.transactions.iter().map(|tx| tx.inner().clone()).collect();
        let body = BlockBody { transactions, ommers: Vec::new(), withdrawals: Some(Vec::new().into()) };
        alloy_consensus::Block { header: self.header.clone(), body }
    }

    /// Seals a block: fills in the header what follows from transactions and receipts, and hashes it.
    pub fn seal(
        mut header: Header,
        transactions: Vec<Recovered<TxEnvelope>>,
        receipts: Vec<Receipt>,
    ) -> Self {
        let envelopes: Vec<_> = receipts.iter().map(receipt_envelope).collect();
        header.gas_used = receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used);
        header.receipts_root = calculate_receipt_root(&envelopes);
        header.logs_bloom =
            envelopes.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
        let bare: Vec<TxEnvelope> = transactions.iter().map(|tx| tx.inner().clone()).collect();
        header.transactions_root = calculate_transaction_root(&bare);
        let hash = header.hash_slow();
        let body = BlockBody { transactions: bare, ommers: Vec::new(), withdrawals: Some(Vec::new().into()) };
        let block = alloy_consensus::Block { header, body };
        let size = block.length() as u64;
        Self { header: block.header, hash, size, transactions, receipts }
    }
}
