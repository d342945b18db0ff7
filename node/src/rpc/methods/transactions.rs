//! Methods that send transactions and read what became of them.

use std::time::{Duration, Instant};

use alloy_consensus::Transaction as _;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256, Bytes};
use alloy_rpc_types_eth::{
    Filter, FilterBlockOption, Log, Transaction, TransactionReceipt, TransactionRequest,
};
use serde::Serialize;

use crate::{
    chain::{FilledTransaction, MinedTransaction},
    methods,
    rpc::{RpcError, error::ErrorData, method::Api, shapes},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns a transaction, mined or waiting; null if there is none.
    "eth_getTransactionByHash", transaction(hash: B256);
    /// Returns the EIP-2718 bytes of a transaction, mined or waiting; null if there is none.
    "eth_getRawTransactionByHash", raw_transaction(hash: B256);
    /// Returns the receipt of a mined transaction; null if there is none.
    "eth_getTransactionReceipt", receipt(hash: B256);
    /// Returns the logs that match a filter, in the order of the chain.
    "eth_getLogs", logs(filter: Filter);
    /// Sends a signed transaction; returns its hash once it is in a block, unless mining is not instant.
    "eth_sendRawTransaction", send_raw(transaction: Bytes);
    /// Sends a signed transaction and returns its receipt; waits for it as many milliseconds as the client says, 2,000
    /// by default, and then fails with code 4 (EIP-7966).
    "eth_sendRawTransactionSync", send_raw_sync(transaction: Bytes, timeout: Option<u64>);
    /// As `eth_sendTransaction`, but returns the receipt.
    "eth_sendTransactionSync", send_sync(transaction: TransactionRequest, timeout: Option<u64>);
    /// Fills in what a transaction leaves out; returns it unsigned, as bytes and as an object.
    "eth_fillTransaction", fill(transaction: TransactionRequest);
    /// Returns a transaction by its sender and nonce, mined or waiting; null if there is none.
    "eth_getTransactionBySenderAndNonce", by_sender(sender: Address, nonce: u64);
    /// Fills in, signs and sends a transaction of an account whose key the node holds; returns its hash.
    "eth_sendTransaction", send(transaction: TransactionRequest);
}

fn transaction(api: &Api, hash: B256) -> Result<Option<Transaction>> {
    if let Some(MinedTransaction { block, index }) = api.chain.transaction(hash)? {
        return Ok(shapes::transaction(&block, index));
    }
    Ok(api.chain.pending_transaction(hash).map(shapes::pending_transaction))
}

pub(super) fn raw_transaction(api: &Api, hash: B256) -> Result<Option<Bytes>> {
    if let Some(MinedTransaction { block, index }) = api.chain.transaction(hash)? {
        return Ok(block.transactions.get(index).map(|tx| shapes::raw_transaction(tx)));
    }
    Ok(api.chain.pending_transaction(hash).map(|tx| shapes::raw_transaction(&tx)))
}

fn receipt(api: &Api, hash: B256) -> Result<Option<TransactionReceipt>> {
    let mined = api.chain.transaction(hash)?;
    Ok(mined.and_then(|MinedTransaction { block, index }| shapes::receipt(&block, index)))
}

fn logs(api: &Api, filter: Filter) -> Result<Vec<Log>> {
    check_range(&filter)?;
    Ok(api.chain.logs(&filter)?)
}

/// Refuses a filter whose blocks end before they begin.
pub(super) fn check_range(filter: &Filter) -> Result<()> {
    if let FilterBlockOption::Range {
        from_block: Some(BlockNumberOrTag::Number(from)),
        to_block: Some(BlockNumberOrTag::Number(to)),
    } = filter.block_option
        && from > to
    {
        return Err(RpcError::invalid_params(format!("invalid block range params: from {from} to {to}")));
    }
    Ok(())
}

fn send_raw(api: &Api, transaction: Bytes) -> Result<B256> {
    #[cfg(feature = "failpoints")]
    if lathe_state::Sabotage::AnswerBeforeWrite.is_on() {
        // The harness must notice an answer that nothing stands behind yet.
        let (chain, hash) = (api.chain.clone(), alloy_primitives::keccak256(&transaction));
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            chain.submit(&transaction)
        });
        return Ok(hash);
    }
    Ok(api.chain.submit(&transaction)?)
}

fn send(api: &Api, transaction: TransactionRequest) -> Result<B256> {
    if transaction.from.is_none() {
        return Err(RpcError::invalid_params(
            "eth_sendTransaction: parameter 1 (transaction): \"from\" is missing",
        ));
    }
    Ok(api.chain.send(transaction)?)
}

/// How long a client waits for a receipt unless it says otherwise.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it may wait at most: it holds a thread meanwhile.
const RECEIPT_TIMEOUT_MAX: Duration = Duration::from_secs(10);
/// The pause between two looks for a receipt; with instant mining it is there at the first.
const RECEIPT_INTERVAL: Duration = Duration::from_millis(20);
/// Code of a transaction that was taken but not mined in time (EIP-7966).
const NOT_MINED_IN_TIME: i32 = 4;

fn send_raw_sync(api: &Api, transaction: Bytes, timeout: Option<u64>) -> Result<TransactionReceipt> {
    wait_for_receipt(api, send_raw(api, transaction)?, timeout)
}

fn send_sync(api: &Api, transaction: TransactionRequest, timeout: Option<u64>) -> Result<TransactionReceipt> {
    wait_for_receipt(api, send(api, transaction)?, timeout)
}

fn wait_for_receipt(api: &Api, hash: B256, timeout: Option<u64>) -> Result<TransactionReceipt> {
    let timeout = timeout.map_or(RECEIPT_TIMEOUT, Duration::from_millis).min(RECEIPT_TIMEOUT_MAX);
    let start = Instant::now();
    loop {
        if let Some(receipt) = receipt(api, hash)? {
            return Ok(receipt);
        }
        if start.elapsed() >= timeout {
            return Err(RpcError {
                data: Some(Box::new(ErrorData::Output(hash.into()))),
                ..RpcError::new(
                    NOT_MINED_IN_TIME,
                    format!(
                        "transaction {hash} was taken but is in no block after {} ms",
                        timeout.as_millis()
                    ),
                )
            });
        }
        std::thread::sleep(RECEIPT_INTERVAL);
    }
}

/// An unsigned transaction, in geth's shape.
#[derive(Serialize)]
struct Filled {
    raw: Bytes,
    tx: Transaction,
}

schemas! {
    Filled => "FilledTransaction";
}

fn fill(api: &Api, transaction: TransactionRequest) -> Result<Filled> {
    let FilledTransaction(tx) = api.chain.fill_transaction(transaction)?;
    Ok(Filled { raw: shapes::raw_transaction(&tx), tx: shapes::pending_transaction(tx) })
}

fn by_sender(api: &Api, sender: Address, nonce: u64) -> Result<Option<Transaction>> {
    if let Some(MinedTransaction { block, index }) = api.chain.transaction_of(sender, nonce)? {
        return Ok(shapes::transaction(&block, index));
    }
    let waiting = api.chain.pool_content()?.into_iter().map(|(tx, _)| tx);
    let found = waiting.into_iter().find(|tx| tx.signer() == sender && tx.nonce() == nonce);
    Ok(found.map(shapes::pending_transaction))
}
