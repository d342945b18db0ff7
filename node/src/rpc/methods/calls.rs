//! Methods that run a message without a transaction.

use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Bytes, U64};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use serde::Serialize;

use crate::{
    methods,
    rpc::{RpcError, method::Api, params::BlockAt},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Runs a call on the state after a block, with overrides of accounts and of the block, and returns its output.
    "eth_call", call(
        transaction: TransactionRequest,
        block: BlockAt,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    );
    /// Returns the least gas limit with which a transaction succeeds.
    "eth_estimateGas", estimate_gas(
        transaction: TransactionRequest,
        block: BlockAt,
        state_overrides: Option<StateOverride>,
    );
    /// Runs a call with the list of the accounts and slots that it reads (EIP-2930); returns the list, the gas used with
    /// it, and why the call failed if it did.
    "eth_createAccessList", access_list(
        transaction: TransactionRequest,
        block: BlockAt,
        state_overrides: Option<StateOverride>,
    );
}

fn call(
    api: &Api,
    request: TransactionRequest,
    BlockAt(at): BlockAt,
    state: Option<StateOverride>,
    block: Option<Box<BlockOverrides>>,
) -> Result<Bytes> {
    Ok(api.chain.call(request, at, state, block)?.output)
}

fn estimate_gas(
    api: &Api,
    request: TransactionRequest,
    BlockAt(at): BlockAt,
    state: Option<StateOverride>,
) -> Result<U64> {
    Ok(U64::from(api.chain.estimate_gas(request, at, state)?))
}

/// The answer to `eth_createAccessList`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    access_list: AccessList,
    gas_used: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

schemas! {
    Listed => "AccessListResult";
}

fn access_list(
    api: &Api,
    request: TransactionRequest,
    BlockAt(at): BlockAt,
    state: Option<StateOverride>,
) -> Result<Listed> {
    let (access_list, gas_used, error) = api.chain.access_list(request, at, state)?;
    Ok(Listed { access_list, gas_used: U64::from(gas_used), error: error.map(|error| error.to_string()) })
}
