//! Methods that let the node send transactions from accounts whose keys it does not hold, contracts among them.

use alloy_primitives::{Address, B256};
use alloy_rpc_types_eth::TransactionRequest;

use crate::{
    methods,
    rpc::{RpcError, dev_params::Impersonated, method::Api},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Lets `eth_sendTransaction` send from an account without its key.
    "anvil_impersonateAccount" | "hardhat_impersonateAccount", impersonate(address: Address);
    /// Ends that for one account.
    "anvil_stopImpersonatingAccount" | "hardhat_stopImpersonatingAccount", stop(address: Address);
    /// Sends a transaction from any account without its key, impersonated or not; returns its hash.
    "eth_sendUnsignedTransaction", send_unsigned(transaction: TransactionRequest);
    /// Sets whether `eth_sendTransaction` sends from every account without its key.
    "anvil_autoImpersonateAccount" | "hardhat_autoImpersonateAccount", everyone(enabled: bool);
    /// Lets a signature of 65 bytes recover an account in contracts (ECRECOVER), whatever was signed; mines a block. Anvil takes both
    /// in an array of two, too.
    "anvil_impersonateSignature", impersonate_signature(signature: Impersonated, address: Option<Address>);
}

fn impersonate(api: &Api, address: Address) -> Result<()> {
    Ok(api.chain.impersonate(address)?)
}

fn stop(api: &Api, address: Address) -> Result<()> {
    api.chain.stop_impersonating(address);
    Ok(())
}

fn send_unsigned(api: &Api, transaction: TransactionRequest) -> Result<B256> {
    let from = transaction.from.ok_or_else(|| {
        RpcError::invalid_params(
            "eth_sendUnsignedTransaction: parameter 1 (transaction): \"from\" is missing",
        )
    })?;
    Ok(api.chain.send_for_anyone(from, transaction)?)
}

fn impersonate_signature(api: &Api, signature: Impersonated, address: Option<Address>) -> Result<()> {
    let (signature, address) = match (signature, address) {
        (Impersonated::Alone(signature), Some(address)) => (signature, address),
        (Impersonated::OfAccount(signature, address), None) => (signature, address),
        _ => {
            return Err(RpcError::invalid_params(
                "anvil_impersonateSignature: parameter 2 (address): expected the account that the signature recovers",
            ));
        }
    };
    Ok(api.chain.impersonate_signature(signature.0, address)?)
}

fn everyone(api: &Api, enabled: bool) -> Result<()> {
    api.chain.impersonate_everyone(enabled);
    Ok(())
}
