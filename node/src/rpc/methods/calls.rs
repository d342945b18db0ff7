//! Methods that run a message without a transaction.

use alloy_primitives::{Bytes, U64};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};

use crate::{
    methods,
    rpc::{RpcError, method::Api, params::BlockAt},
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
