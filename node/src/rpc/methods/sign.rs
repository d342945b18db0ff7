//! Signatures of the accounts whose keys the node holds.

use alloy_primitives::{Address, Bytes};

use crate::{
    methods,
    rpc::{RpcError, method::Api},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Signs data as a message (EIP-191) with an account's key.
    "eth_sign", sign(address: Address, data: Bytes);
    /// Signs data as a message (EIP-191) with an account's key.
    "personal_sign", personal_sign(data: Bytes, address: Address);
}

fn sign(api: &Api, address: Address, data: Bytes) -> Result<Bytes> {
    Ok(api.chain.sign_message(address, &data)?)
}

fn personal_sign(api: &Api, data: Bytes, address: Address) -> Result<Bytes> {
    sign(api, address, data)
}
