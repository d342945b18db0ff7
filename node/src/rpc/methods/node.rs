//! Methods about the node itself, its accounts and its protocol.

use alloy_primitives::{Address, B256, Bytes, U64, keccak256};

use crate::{
    methods,
    rpc::{RpcError, method::Api},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns the chain id of EIP-155.
    "eth_chainId", chain_id();
    /// Returns the chain id in decimal.
    "net_version" | "eth_networkId", network_id();
    /// Returns true: the node accepts connections.
    "net_listening", is_listening();
    /// Returns 0: a devnet has no peers.
    "net_peerCount", peer_count();
    /// Returns the name and version of the node.
    "web3_clientVersion", client_version();
    /// Returns the Keccak-256 of the data.
    "web3_sha3", sha3(data: Bytes);
    /// Returns false: a devnet has nothing to sync with.
    "eth_syncing", is_syncing();
    /// Returns the accounts that the node sends for: those whose keys it holds, and those that are impersonated.
    "eth_accounts" | "eth_requestAccounts" | "personal_listAccounts", accounts();
    /// Returns the account that fees of the latest block went to.
    "eth_coinbase", coinbase();
}

/// The name and version of the node, as `web3_clientVersion` gives them. It begins as anvil's does, because tools such as
/// hardhat-network-helpers use the cheats of a node only if its name begins with that of a devnet they know.
pub const CLIENT_VERSION: &str = concat!("anvil-compatible/Lathe/v", env!("CARGO_PKG_VERSION"), "/wasm");

fn chain_id(api: &Api) -> Result<U64> {
    Ok(U64::from(api.chain.chain_id()))
}

fn network_id(api: &Api) -> Result<String> {
    Ok(api.chain.chain_id().to_string())
}

fn is_listening(_: &Api) -> Result<bool> {
    Ok(true)
}

fn peer_count(_: &Api) -> Result<U64> {
    Ok(U64::ZERO)
}

fn client_version(_: &Api) -> Result<&'static str> {
    Ok(CLIENT_VERSION)
}

fn sha3(_: &Api, data: Bytes) -> Result<B256> {
    Ok(keccak256(data))
}

fn is_syncing(_: &Api) -> Result<bool> {
    Ok(false)
}

fn accounts(api: &Api) -> Result<Vec<Address>> {
    // Clients look here whether the node sends for an account.
    let mut accounts = api.chain.accounts();
    let impersonated = api.chain.impersonated();
    accounts.extend(impersonated.into_iter().filter(|address| !api.chain.accounts().contains(address)));
    Ok(accounts)
}

fn coinbase(api: &Api) -> Result<Address> {
    Ok(api.chain.head().header.beneficiary)
}
