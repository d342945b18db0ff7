//! Methods that read accounts.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{AccountInfo, EIP1186AccountProofResponse};
use serde::Serialize;

use crate::{
    methods,
    rpc::{
        RpcError,
        method::Api,
        params::{AccountSlots, BlockAt, Slot},
    },
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns the balance of an account in wei.
    "eth_getBalance", balance(address: Address, block: BlockAt);
    /// Returns the nonce of an account: how many transactions it has sent. At `pending`, waiting ones count.
    "eth_getTransactionCount", nonce(address: Address, block: BlockAt);
    /// Returns the code of an account.
    "eth_getCode", code(address: Address, block: BlockAt);
    /// Returns the value of a storage slot, 32 bytes.
    "eth_getStorageAt", storage(address: Address, slot: Slot, block: BlockAt);
    /// Returns an account and some of its slots, with Merkle proofs of each.
    "eth_getProof", proof(address: Address, slots: Vec<Slot>, block: BlockAt);
    /// Returns the values of storage slots of several accounts, in the order of each account's slots.
    "eth_getStorageValues", storage_values(slots: AccountSlots, block: BlockAt);
    /// Returns the balance, nonce and code of an account.
    "eth_getAccountInfo", account_info(address: Address, block: BlockAt);
    /// Returns an account as it is in the trie: balance, nonce, hash of the code and root of the storage.
    "eth_getAccount", account(address: Address, block: BlockAt);
}

fn balance(api: &Api, address: Address, BlockAt(at): BlockAt) -> Result<U256> {
    Ok(api.chain.balance(address, at)?)
}

fn nonce(api: &Api, address: Address, BlockAt(at): BlockAt) -> Result<U64> {
    Ok(U64::from(api.chain.nonce(address, at)?))
}

fn code(api: &Api, address: Address, BlockAt(at): BlockAt) -> Result<Bytes> {
    Ok(api.chain.code(address, at)?)
}

fn storage(api: &Api, address: Address, slot: Slot, BlockAt(at): BlockAt) -> Result<B256> {
    Ok(api.chain.storage(address, slot.number(), at)?.into())
}

fn storage_values(
    api: &Api,
    AccountSlots(slots): AccountSlots,
    BlockAt(at): BlockAt,
) -> Result<BTreeMap<Address, Vec<B256>>> {
    let of_account = |(address, slots): (Address, Vec<Slot>)| {
        let values = slots.into_iter().map(|slot| storage(api, address, slot, BlockAt(at)));
        Ok((address, values.collect::<Result<_>>()?))
    };
    slots.into_iter().map(of_account).collect()
}

fn proof(
    api: &Api,
    address: Address,
    slots: Vec<Slot>,
    BlockAt(at): BlockAt,
) -> Result<EIP1186AccountProofResponse> {
    let numbers: Vec<U256> = slots.iter().map(|slot| slot.number()).collect();
    let mut proof = api.chain.proof(address, &numbers, at)?;
    // Clients look their key up in the answer in the form in which they sent it.
    for (proof, slot) in proof.storage_proof.iter_mut().zip(slots) {
        proof.key = slot.0;
    }
    Ok(proof)
}

fn account_info(api: &Api, address: Address, BlockAt(at): BlockAt) -> Result<AccountInfo> {
    Ok(AccountInfo {
        balance: api.chain.balance(address, at)?,
        nonce: api.chain.nonce(address, at)?,
        code: api.chain.code(address, at)?,
    })
}

/// The answer to `eth_getAccount`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    balance: U256,
    nonce: U64,
    code_hash: B256,
    storage_root: B256,
}

schemas! {
    Account => "Account";
}

fn account(api: &Api, address: Address, BlockAt(at): BlockAt) -> Result<Account> {
    let EIP1186AccountProofResponse { balance, nonce, code_hash, storage_hash, .. } =
        api.chain.proof(address, &[], at)?;
    Ok(Account { balance, nonce: U64::from(nonce), code_hash, storage_root: storage_hash })
}
