//! How a chain begins.

use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256, keccak256};

use crate::changes::{AccountChange, AccountInfo, Changes};

/// The chain's id and the state before its first transaction. The genesis block around that state is the caller's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Genesis {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The accounts. Of two with one address the later counts. One that is empty is there all the same, as in geth's genesis:
    /// EIP-161 removes what a transaction touches, and nobody has touched it.
    pub accounts: Vec<GenesisAccount>,
}

/// An account that is there from the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Its address.
    pub address: Address,
    /// In wei.
    pub balance: U256,
    /// Transactions sent.
    pub nonce: u64,
    /// Its code, empty for none.
    pub code: Bytes,
    /// Slots and values.
    pub storage: Vec<(U256, U256)>,
}

impl Genesis {
    /// Returns the changes that lead from nothing to the genesis state.
    pub(crate) fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        for account in &self.accounts {
            let code_hash = if account.code.is_empty() {
                KECCAK256_EMPTY
            } else {
                let hash = keccak256(&account.code);
                changes.codes.insert(hash, account.code.clone());
                hash
            };
            let change = AccountChange {
                info: Some(AccountInfo { nonce: account.nonce, balance: account.balance, code_hash }),
                storage_wiped: false,
                storage: account.storage.iter().copied().collect(),
            };
            changes.accounts.insert(account.address, change);
        }
        changes
    }
}
