//! Whether a chain in a store is whole: the check after a crash, and `lathe db verify`.
//!
//! Everything that follows from something else is computed anew and compared: storage roots from slots, the state root from
//! accounts, code hashes from code, transaction positions from transactions. One pass over each column; nothing is repaired.

use alloy_primitives::{B256, hex, keccak256};
use alloy_trie::{HashBuilder, Nibbles};
use thiserror::Error;

use crate::{
    error::{CorruptEntry, StateError},
    record::{Account, Head, TxPosition},
    store::Column,
    trie::{self, TrieLeaf},
    view::View,
};

/// Faults that a report lists; a broken database has as many as it has entries, and the first ones tell the story.
pub const FAULTS_MAX: usize = 100;

/// What [`View::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The head verified.
    pub head: Head,
    /// Accounts read.
    pub accounts: u64,
    /// Slots read.
    pub slots: u64,
    /// Blocks read, from the head back to the first.
    pub blocks: u64,
    /// The first [`FAULTS_MAX`] faults.
    pub faults: Vec<Fault>,
    /// How many faults there are.
    pub faults_found: u64,
}

/// Something in the database that contradicts something else in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The accounts do not add up to the head's state root.
    #[error("state root is {computed}, block {number} says {recorded}")]
    StateRoot {
        /// The head's number.
        number: u64,
        /// The root in the head.
        recorded: B256,
        /// The root of the accounts.
        computed: B256,
    },
    /// An account's slots do not add up to its storage root.
    #[error("storage root of account {hashed_address} is {computed}, the account says {recorded}")]
    StorageRoot {
        /// keccak256 of the address.
        hashed_address: B256,
        /// The root in the account.
        recorded: B256,
        /// The root of its slots.
        computed: B256,
    },
    /// Slots without an account.
    #[error("{slots} slots under {hashed_address}, which has no account")]
    OrphanSlots {
        /// keccak256 of the address.
        hashed_address: B256,
        /// How many slots.
        slots: u64,
    },
    /// An account that EIP-161 calls empty has a record.
    #[error("account {hashed_address} is empty")]
    EmptyAccount {
        /// keccak256 of the address.
        hashed_address: B256,
    },
    /// An account's code is not there.
    #[error("code {code_hash} of account {hashed_address} is missing")]
    CodeMissing {
        /// keccak256 of the address.
        hashed_address: B256,
        /// The code hash in the account.
        code_hash: B256,
    },
    /// A record sits under a hash that is not its own.
    #[error("database entry {column}/0x{} hashes to {computed}", hex::encode(.key))]
    Hash {
        /// [`Column::Code`] or [`Column::Preimage`].
        column: Column,
        /// The key.
        key: Vec<u8>,
        /// keccak256 of the value.
        computed: B256,
    },
    /// The address or slot behind a hash is not known.
    #[error("preimage of {hash} is missing")]
    PreimageMissing {
        /// keccak256 of an address or slot number.
        hash: B256,
    },
    /// A block's record says something that the chain does not.
    #[error("block {number}: {what}")]
    Block {
        /// The block's number.
        number: u64,
        /// What is wrong with it.
        what: BlockFault,
    },
    /// A record that another one promises is not there.
    #[error("{0}")]
    Missing(StateError),
    /// An entry does not decode.
    #[error(transparent)]
    Corrupt(#[from] CorruptEntry),
}

/// What can be wrong with a block in the database.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockFault {
    /// No canonical hash is recorded.
    #[error("there is no canonical hash")]
    Absent,
    /// It is beyond the head.
    #[error("it is beyond the head")]
    BeyondHead,
    /// The head's record and its header differ.
    #[error("its state root is {found}, the head says {recorded}")]
    StateRoot {
        /// The root in the head.
        recorded: B256,
        /// The root in the header.
        found: B256,
    },
    /// The header has another number.
    #[error("the header has number {found}")]
    Number {
        /// The number found.
        found: u64,
    },
    /// The next block, or the head, refers to another hash.
    #[error("its hash is {hash}, what follows refers to {child_parent}")]
    Link {
        /// The canonical hash.
        hash: B256,
        /// The parent that the next header has, or the head's hash.
        child_parent: B256,
    },
    /// The hash is not found back.
    #[error("its hash {hash} leads to {found:?}")]
    HashNumber {
        /// The canonical hash.
        hash: B256,
        /// The number recorded for it.
        found: Option<u64>,
    },
    /// Transactions and receipts do not pair up.
    #[error("{transactions} transactions have {receipts} receipts")]
    Count {
        /// How many transactions.
        transactions: usize,
        /// How many receipts.
        receipts: usize,
    },
    /// A transaction is not found back.
    #[error("transaction {index} ({tx_hash}) leads to {found:?}")]
    TxPosition {
        /// Its index.
        index: u32,
        /// keccak256 of its encoding.
        tx_hash: B256,
        /// The position recorded for it.
        found: Option<TxPosition>,
    },
}

impl Report {
    /// Returns whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.faults_found == 0
    }

    fn add(&mut self, fault: Fault) {
        self.faults_found += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    fn add_block(&mut self, number: u64, what: BlockFault) {
        self.add(Fault::Block { number, what });
    }

    fn add_orphans(&mut self, hashed_address: Option<B256>, slots: u64) {
        if let Some(hashed_address) = hashed_address.filter(|_| slots > 0) {
            self.add(Fault::OrphanSlots { hashed_address, slots });
        }
    }

    /// Returns the value, or notes what is wrong with the entry. Fails only where reading itself does.
    fn note<T>(&mut self, result: Result<T, StateError>) -> Result<Option<T>, StateError> {
        match result {
            Ok(value) => return Ok(Some(value)),
            Err(StateError::Corrupt(entry)) => self.add(Fault::Corrupt(entry)),
            Err(error @ StateError::Missing { .. }) => self.add(Fault::Missing(error)),
            Err(error) => return Err(error),
        }
        Ok(None)
    }
}

impl View {
    /// Checks everything there is. Fails only if the store cannot be read; what is wrong is in the report.
    pub fn verify(&self) -> Result<Report, StateError> {
        let mut report = Report { head: self.head(), ..Report::default() };
        self.verify_accounts(&mut report)?;
        self.verify_slots(&mut report)?;
        self.verify_hashes(Column::Code, &mut report)?;
        self.verify_hashes(Column::Preimage, &mut report)?;
        self.verify_blocks(&mut report)?;
        Ok(report)
    }

    /// Rebuilds every root.
    fn verify_accounts(&self, report: &mut Report) -> Result<(), StateError> {
        let mut state = HashBuilder::default();
        let mut rlp = Vec::new();
        for leaf in trie::accounts(self.snapshot()) {
            let Some((hashed_address, account)) = report.note(leaf)? else { continue };
            report.accounts += 1;
            self.verify_account(hashed_address, &account, report)?;
            rlp.clear();
            account.encode_leaf(&mut rlp);
            state.add_leaf(Nibbles::unpack(hashed_address), &rlp);
        }
        let Head { number, state_root: recorded, .. } = self.head();
        let computed = state.root();
        if computed != recorded {
            report.add(Fault::StateRoot { number, recorded, computed });
        }
        Ok(())
    }

    fn verify_account(
        &self,
        hashed_address: B256,
        account: &Account,
        report: &mut Report,
    ) -> Result<(), StateError> {
        let &Account { storage_root: recorded, code_hash, .. } = account;
        let slots = trie::slots(self.snapshot(), hashed_address);
        if let Some(computed) = report.note(trie::root_of(slots, &mut HashBuilder::default()))?
            && computed != recorded
        {
            report.add(Fault::StorageRoot { hashed_address, recorded, computed });
        }
        if account.is_empty() {
            report.add(Fault::EmptyAccount { hashed_address });
        }
        if self.code(code_hash)?.is_none() {
            report.add(Fault::CodeMissing { hashed_address, code_hash });
        }
        self.verify_preimage(hashed_address, report)
    }

    /// Finds the slots that no account has.
    fn verify_slots(&self, report: &mut Report) -> Result<(), StateError> {
        // The address of the slots being read, and how many of them there are if it has no account.
        let mut current = None;
        let mut orphans = 0;
        for entry in self.snapshot().scan(Column::Slot, &[], &[]) {
            // Slots of an account that do not decode were noted when its root was rebuilt.
            let Ok((address, slot, _)) = trie::slot_leaf(Ok(entry?)) else { continue };
            report.slots += 1;
            if current != Some(address) {
                report.add_orphans(current, orphans);
                current = Some(address);
                orphans = 0;
            }
            if orphans > 0 || self.snapshot().get(Column::Account, address.as_slice())?.is_none() {
                orphans += 1;
            }
            self.verify_preimage(slot, report)?;
        }
        report.add_orphans(current, orphans);
        Ok(())
    }

    fn verify_preimage(&self, hash: B256, report: &mut Report) -> Result<(), StateError> {
        if self.snapshot().get(Column::Preimage, hash.as_slice())?.is_none() {
            report.add(Fault::PreimageMissing { hash });
        }
        Ok(())
    }

    /// Checks a column whose keys are the hashes of its values.
    fn verify_hashes(&self, column: Column, report: &mut Report) -> Result<(), StateError> {
        for entry in self.snapshot().scan(column, &[], &[]) {
            let (key, value) = entry?;
            let computed = keccak256(&value);
            if key != computed.as_slice() {
                report.add(Fault::Hash { column, key, computed });
            }
        }
        Ok(())
    }

    /// Walks from the head back to the first block, then looks for blocks beyond the head.
    fn verify_blocks(&self, report: &mut Report) -> Result<(), StateError> {
        let head = self.head();
        let mut child_parent = head.hash;
        for number in (0..=head.number).rev() {
            let Some(found) = report.note(self.header_by_number(number))? else { break };
            let Some((hash, header)) = found else {
                report.add_block(number, BlockFault::Absent);
                break;
            };
            report.blocks += 1;
            if hash != child_parent {
                report.add_block(number, BlockFault::Link { hash, child_parent });
            }
            if header.number != number {
                report.add_block(number, BlockFault::Number { found: header.number });
            }
            if number == head.number && header.state_root != head.state_root {
                let found = header.state_root;
                report.add_block(number, BlockFault::StateRoot { recorded: head.state_root, found });
            }
            let found = report.note(self.number_by_hash(hash))?;
            if let Some(found) = found.filter(|found| *found != Some(number)) {
                report.add_block(number, BlockFault::HashNumber { hash, found });
            }
            self.verify_transactions(number, report)?;
            child_parent = header.parent_hash;
        }
        let next = head.number.saturating_add(1).to_be_bytes();
        for entry in self.snapshot().scan(Column::Canon, &[], &next) {
            let (key, _) = entry?;
            report.add_block(key.try_into().map_or(u64::MAX, u64::from_be_bytes), BlockFault::BeyondHead);
        }
        Ok(())
    }

    fn verify_transactions(&self, number: u64, report: &mut Report) -> Result<(), StateError> {
        let Some(body) = report.note(self.body(number))? else { return Ok(()) };
        let Some(receipts) = report.note(self.receipts(number))? else { return Ok(()) };
        let (body, receipts) = (body.unwrap_or_default(), receipts.unwrap_or_default());
        let (transactions, receipts) = (body.len(), receipts.len());
        if transactions != receipts {
            report.add_block(number, BlockFault::Count { transactions, receipts });
        }
        for (index, tx) in (0..).zip(&body) {
            let tx_hash = keccak256(&tx.raw);
            let Some(found) = report.note(self.tx_position(tx_hash))? else { continue };
            if found != Some(TxPosition { number, index }) {
                report.add_block(number, BlockFault::TxPosition { index, tx_hash, found });
            }
        }
        Ok(())
    }
}
