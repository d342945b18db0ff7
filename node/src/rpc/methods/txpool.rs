//! Methods about transactions that wait for a block.
//!
//! A transaction is *pending* if the next blocks can take it, and *queued* if a lower nonce of its sender is missing.

use std::collections::BTreeMap;

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, TxKind, U64};
use alloy_rpc_types_eth::Transaction;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    methods,
    rpc::{RpcError, Schema, method::Api, shapes},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns how many transactions wait: executable, and queued behind a gap in nonces.
    "txpool_status", status();
    /// Returns all transactions that wait, by sender and nonce.
    "txpool_content", content();
    /// Returns the transactions of one sender that wait, by nonce.
    "txpool_contentFrom", content_from(sender: Address);
    /// Returns a line on each transaction that waits, by sender and nonce.
    "txpool_inspect", inspect();
    /// Drops a transaction that waits and returns its hash; null if there is none.
    "anvil_dropTransaction", drop_one(hash: B256);
    /// Drops a waiting transaction; tells whether it was there.
    "hardhat_dropTransaction", drop_one_if_there(hash: B256);
    /// Drops all transactions that wait.
    "anvil_dropAllTransactions" | "hardhat_dropAllTransactions", drop_all();
    /// Drops all transactions of one sender that wait.
    "anvil_removePoolTransactions", drop_from(sender: Address);
}

/// Something for those that can be mined, and for those that wait for a lower nonce.
#[derive(Serialize, Default)]
struct Split<T> {
    pending: T,
    queued: T,
}

impl<T: Schema> Schema for Split<T> {
    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {"pending": T::schema(), "queued": T::schema()},
            "required": ["pending", "queued"],
            "additionalProperties": false,
        })
    }
}

/// By nonce, in decimal as geth has it.
type ByNonce<T> = BTreeMap<String, T>;

fn status(api: &Api) -> Result<Split<U64>> {
    let (pending, queued) = api.chain.pool_status()?;
    Ok(Split { pending: U64::from(pending), queued: U64::from(queued) })
}

/// Sorts the pool by sender, nonce and whether a block can take it.
fn sorted<T>(
    api: &Api,
    show: impl Fn(Recovered<TxEnvelope>) -> T,
) -> Result<Split<BTreeMap<Address, ByNonce<T>>>> {
    let mut split = Split::default();
    for (tx, is_executable) in api.chain.pool_content()? {
        let part: &mut BTreeMap<Address, ByNonce<T>> =
            if is_executable { &mut split.pending } else { &mut split.queued };
        let (sender, nonce) = (tx.signer(), tx.nonce().to_string());
        part.entry(sender).or_default().insert(nonce, show(tx));
    }
    Ok(split)
}

fn content(api: &Api) -> Result<Split<BTreeMap<Address, ByNonce<Transaction>>>> {
    sorted(api, shapes::pending_transaction)
}

fn content_from(api: &Api, sender: Address) -> Result<Split<ByNonce<Transaction>>> {
    let mut all = content(api)?;
    let of_sender = |part: &mut BTreeMap<Address, _>| part.remove(&sender).unwrap_or_default();
    Ok(Split { pending: of_sender(&mut all.pending), queued: of_sender(&mut all.queued) })
}

fn inspect(api: &Api) -> Result<Split<BTreeMap<Address, ByNonce<String>>>> {
    sorted(api, |tx| {
        let to = match tx.kind() {
            TxKind::Call(to) => to.to_string(),
            TxKind::Create => "contract creation".into(),
        };
        format!("{to}: {} wei + {} gas × {} wei", tx.value(), tx.gas_limit(), tx.max_fee_per_gas())
    })
}

fn drop_one(api: &Api, hash: B256) -> Result<Option<B256>> {
    Ok(api.chain.drop_transaction(hash).then_some(hash))
}

fn drop_one_if_there(api: &Api, hash: B256) -> Result<bool> {
    Ok(drop_one(api, hash)?.is_some())
}

fn drop_all(api: &Api) -> Result<()> {
    api.chain.drop_transactions(|_| true);
    Ok(())
}

fn drop_from(api: &Api, sender: Address) -> Result<()> {
    api.chain.drop_transactions(|tx| tx.signer() == sender);
    Ok(())
}
