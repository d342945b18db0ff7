//! Changes of state without a transaction.
//!
//! Each is a block of its own, without transactions: so every state has a header whose root proves it, history and
//! snapshots know it, and a killed node keeps it.

use alloy_primitives::{Address, Bytes, U256, keccak256};
use lathe_state::{AccountChange, Changes};

use super::{Chain, ChainError, Event, MinedBlock, Result, data_dir::check_code, mine::Writer};

/// What to change about an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cheat {
    /// Its balance in wei.
    Balance(U256),
    /// What its balance grows by, in wei.
    AddBalance(U256),
    /// Its nonce.
    Nonce(u64),
    /// Its code, which must be some that a creation could have installed.
    Code(Bytes),
    /// The value of one of its slots.
    Storage {
        /// The slot's number.
        slot: U256,
        /// The value.
        value: U256,
    },
}

impl Chain {
    /// Changes an account, in a block of its own.
    pub fn cheat(&self, address: Address, cheat: Cheat) -> Result<()> {
        let writer = self.writer.lock();
        let view = self.latest().view;
        let account = view.account(address)?.unwrap_or_default();
        let mut change = AccountChange { info: Some(account.info()), ..AccountChange::default() };
        let info = change.info.get_or_insert_default();
        let mut changes = Changes::default();
        match cheat {
            Cheat::Balance(balance) => info.balance = balance,
            Cheat::AddBalance(wei) => info.balance = info.balance.saturating_add(wei),
            Cheat::Nonce(nonce) => info.nonce = nonce,
            Cheat::Code(code) => {
                check_code(&code, &self.spec()).map_err(|why| ChainError::Code { address, why })?;
                info.code_hash = keccak256(&code);
                if !code.is_empty() {
                    changes.codes.insert(info.code_hash, code);
                }
            }
            Cheat::Storage { slot, value } => {
                if *info == Default::default() {
                    return Err(ChainError::EmptyAccount(address));
                }
                change.storage.insert(slot, value);
            }
        }
        changes.accounts.insert(address, change);
        self.change_under(&writer, &changes)?;
        drop(writer);
        self.settle()
    }

    /// Changes accounts, in a block of its own.
    pub(super) fn change_state(&self, changes: &Changes) -> Result<()> {
        self.change_under(&self.writer.lock(), changes)?;
        self.settle()
    }

    fn change_under(&self, writer: &Writer<'_>, changes: &Changes) -> Result<()> {
        let parent = self.head();
        let context = self.next_block(&parent);
        let block = self.seal(writer, &parent, &context, changes, Vec::new(), Vec::new())?;
        self.feed.tell(|| Event::Block(MinedBlock { block, asides: Vec::new() }));
        let mut pool = self.pool.lock();
        for (address, change) in &changes.accounts {
            pool.drop_below(*address, change.info.unwrap_or_default().nonce);
        }
        Ok(())
    }
}
