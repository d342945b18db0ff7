//! What a block does to the state, as the one who executed it says it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::record::Account;

/// The difference between the state before a block and after it.
///
/// What is written need not differ from what is there: equal values are found out and cost no write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Every account that the block may have changed.
    pub accounts: BTreeMap<Address, AccountChange>,
    /// New code by its hash.
    pub codes: BTreeMap<B256, Bytes>,
}

/// What a block does to one account. Storage is wiped first, then written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The account after the block; none deletes it. An account that EIP-161 calls empty is deleted too, but for those that
    /// the genesis names. An account that is not there after the block has no storage either, whatever `storage` says.
    pub info: Option<AccountInfo>,
    /// Whether all storage from before the block is gone: the account was destroyed, and perhaps created again.
    pub storage_wiped: bool,
    /// Slots by their number, with their values after the block; zero deletes a slot.
    pub storage: BTreeMap<U256, U256>,
}

/// The fields of an account that a transaction sets; its storage root follows from its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// In wei.
    pub balance: U256,
    /// keccak256 of the code; of nothing, if there is no code.
    pub code_hash: B256,
}

impl Default for AccountInfo {
    fn default() -> Self {
        Account::default().info()
    }
}

impl Account {
    /// Returns the account without its storage.
    pub fn info(&self) -> AccountInfo {
        AccountInfo { nonce: self.nonce, balance: self.balance, code_hash: self.code_hash }
    }
}
