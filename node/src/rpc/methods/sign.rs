//! Signatures of the accounts whose keys the node holds.

use alloy_primitives::{Address, Bytes};
use alloy_rpc_types_eth::{Transaction, TransactionRequest};
use serde::Serialize;

use crate::{
    methods,
    rpc::{RpcError, method::Api, shapes, typed_data::TypedDataParam},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Signs data as a message (EIP-191) with an account's key.
    "eth_sign", sign(address: Address, data: Bytes);
    /// Signs data as a message (EIP-191) with an account's key.
    "personal_sign", personal_sign(data: Bytes, address: Address);
    /// Signs typed data (EIP-712), an object or its JSON in a string, with an account's key.
    "eth_signTypedData_v4" | "eth_signTypedData_v3" | "eth_signTypedData", sign_typed_data(address: Address, data: TypedDataParam);
    /// Fills in what a transaction leaves out and signs it with its sender's key; returns it as bytes and as an object.
    "eth_signTransaction", sign_transaction(transaction: TransactionRequest);
}

fn sign(api: &Api, address: Address, data: Bytes) -> Result<Bytes> {
    Ok(api.chain.sign_message(address, &data)?)
}

fn personal_sign(api: &Api, data: Bytes, address: Address) -> Result<Bytes> {
    sign(api, address, data)
}

fn sign_typed_data(api: &Api, address: Address, TypedDataParam(data): TypedDataParam) -> Result<Bytes> {
    Ok(api.chain.sign_typed_data(address, &data)?)
}

/// A signed transaction that was not sent.
#[derive(Serialize)]
struct Signed {
    raw: Bytes,
    tx: Transaction,
}

schemas! {
    Signed => "SignedTransaction";
}

fn sign_transaction(api: &Api, transaction: TransactionRequest) -> Result<Signed> {
    if transaction.from.is_none() {
        return Err(RpcError::invalid_params(
            "eth_signTransaction: parameter 1 (transaction): \"from\" is missing",
        ));
    }
    let tx = api.chain.sign_transaction(transaction)?;
    Ok(Signed { raw: shapes::raw_transaction(&tx), tx: shapes::pending_transaction(tx) })
}
