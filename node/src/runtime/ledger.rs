//! A state in memory that takes steps back: what [`Session`](super::Session) runs on.
//!
//! Every change notes what it replaced, so that a mark costs nothing, and going back costs what was changed since.

use std::collections::{HashMap, hash_map::Entry};

use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    primitives::{Address, AddressMap, B256, KECCAK_EMPTY, U256, keccak256},
    state::{Account, AccountInfo},
};

/// Accounts, their storage and code.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: HashMap<Address, Kept>,
    /// Code by hash. It is never taken back: no account refers to what is too much.
    codes: HashMap<B256, Bytecode>,
    undo: Vec<Undo>,
    /// Whether anybody can go back: nothing is noted before the first mark.
    is_marked: bool,
}

/// An account as it is kept.
#[derive(Debug, Clone, Default)]
struct Kept {
    info: AccountInfo,
    storage: HashMap<U256, U256>,
}

/// What a change replaced.
#[derive(Debug)]
enum Undo {
    /// There was no such account.
    NoAccount(Address),
    /// The account was this.
    Info(Address, AccountInfo),
    /// The slot held this.
    Slot(Address, U256, U256),
    /// The account was this, with all its storage.
    Whole(Address, Kept),
}

impl Ledger {
    /// Returns what is known of an account, if it exists.
    pub(super) fn info(&self, address: Address) -> Option<&AccountInfo> {
        self.accounts.get(&address).map(|account| &account.info)
    }

    /// Returns a storage slot.
    pub(super) fn slot(&self, address: Address, slot: U256) -> U256 {
        self.accounts
            .get(&address)
            .and_then(|account| account.storage.get(&slot))
            .copied()
            .unwrap_or_default()
    }

    /// Returns the code of an account.
    pub(super) fn code(&self, address: Address) -> Bytecode {
        self.info(address).and_then(|info| self.codes.get(&info.code_hash)).cloned().unwrap_or_default()
    }

    /// Sets balance and nonce, and the code if `info` carries one.
    pub(super) fn set_info(&mut self, address: Address, mut info: AccountInfo) {
        if let Some(code) = info.code.take()
            && info.code_hash != KECCAK_EMPTY
        {
            self.codes.entry(info.code_hash).or_insert(code);
        }
        match self.accounts.entry(address) {
            Entry::Occupied(mut entry) => {
                let before = std::mem::replace(&mut entry.get_mut().info, info);
                self.note(Undo::Info(address, before));
            }
            Entry::Vacant(entry) => {
                entry.insert(Kept { info, storage: HashMap::new() });
                self.note(Undo::NoAccount(address));
            }
        }
    }

    /// Sets a storage slot of an account that exists.
    pub(super) fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        if let Some(account) = self.accounts.get_mut(&address) {
            let before = account.storage.insert(slot, value).unwrap_or_default();
            self.note(Undo::Slot(address, slot, before));
        }
    }

    /// Sets the code of an account.
    pub(super) fn set_code(&mut self, address: Address, code: Bytecode) {
        let mut info = self.info(address).cloned().unwrap_or_default();
        info.code_hash = if code.is_empty() { KECCAK_EMPTY } else { code.hash_slow() };
        info.code = Some(code);
        self.set_info(address, info);
    }

    /// Returns a mark to go back to.
    pub(super) fn mark(&mut self) -> usize {
        self.is_marked = true;
        self.undo.len()
    }

    /// Takes back everything since a mark.
    pub(super) fn back_to(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop().expect("there is more than the mark says") {
                Undo::NoAccount(address) => {
                    self.accounts.remove(&address);
                }
                Undo::Info(address, info) => self.kept(address).info = info,
                Undo::Slot(address, slot, value) => {
                    self.kept(address).storage.insert(slot, value);
                }
                Undo::Whole(address, account) => *self.kept(address) = account,
            }
        }
    }

    fn note(&mut self, undo: Undo) {
        if self.is_marked {
            self.undo.push(undo);
        }
    }

    /// Makes an account empty, with empty storage.
    fn clear(&mut self, address: Address) {
        let before = std::mem::take(self.kept(address));
        self.note(Undo::Whole(address, before));
    }

    fn kept(&mut self, address: Address) -> &mut Kept {
        self.accounts
            .get_mut(&address)
            .expect("an account that was changed is there until that is taken back")
    }
}

impl Database for Ledger {
    type Error = std::convert::Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.info(address).cloned())
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        Ok(self.codes.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        Ok(self.slot(address, slot))
    }

    /// Blocks are not kept, so their hashes are made up: that of the number.
    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        Ok(keccak256(number.to_be_bytes()))
    }
}

impl DatabaseCommit for Ledger {
    fn commit(&mut self, changes: AddressMap<Account>) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            // An empty account that was touched is none (EIP-161).
            if account.is_selfdestructed() || account.is_empty() {
                if self.accounts.contains_key(&address) {
                    self.clear(address);
                }
                continue;
            }
            if account.is_created() && self.accounts.contains_key(&address) {
                self.clear(address);
            }
            if self.info(address) != Some(&account.info) {
                self.set_info(address, account.info.clone());
            }
            for (slot, value) in account.changed_storage_slots() {
                self.set_slot(address, *slot, value.present_value);
            }
        }
    }
}
