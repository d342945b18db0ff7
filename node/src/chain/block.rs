//! Blocks and receipts as readers see them.

use alloy_consensus::{Header, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Log};

/// A sealed block with its transactions and receipts.
#[derive(Debug, Clone)]
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

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// EIP-2718 transaction type.
    pub tx_type: u8,
    /// Whether the transaction succeeded.
    pub success: bool,
    /// Gas used in the block up to and including this transaction.
    pub cumulative_gas_used: u64,
    /// Gas used by this transaction.
    pub gas_used: u64,
    /// Wei paid per gas.
    pub effective_gas_price: u128,
    /// The contract a creation transaction made.
    pub contract_address: Option<Address>,
    /// Logs in order.
    pub logs: Vec<Log>,
    /// Why a failed transaction failed, for people; outside consensus.
    pub failure: Option<String>,
}
