//! Methods that send transactions and read what became of them.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::{
    Filter, FilterBlockOption, Log, Transaction, TransactionReceipt, TransactionRequest,
};

use crate::{
    chain::MinedTransaction,
    methods,
    rpc::{RpcError, method::Api, shapes},
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
    /// Fills in, signs and sends a transaction of an account whose key the node holds; returns its hash.
    "eth_sendTransaction", send(transaction: TransactionRequest);
}

fn transaction(api: &Api, hash: B256) -> Result<Option<Transaction>> {
    if let Some(MinedTransaction { block, index }) = api.chain.transaction(hash)? {
        return Ok(shapes::transaction(&block, index));
    }
    Ok(api.chain.pending_transaction(hash).map(shapes::pending_transaction))
}

fn raw_transaction(api: &Api, hash: B256) -> Result<Option<Bytes>> {
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
