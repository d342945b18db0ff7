//! Whether a chain in a store is whole: the check after a crash, and `lathe db verify`.
//!
//! Everything that follows from something else is computed anew and compared: storage roots from slots, the state root from
//! accounts, the trie's records from both, code hashes from code, transaction positions from transactions. Every row of
//! history is used to prove, at the block before it, what it says. One pass over each column; nothing is repaired.

use std::iter::Peekable;

use alloy_primitives::{B256, U256, hex, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles};
use thiserror::Error;

use crate::{
    codec::RecordError,
    error::{CorruptEntry, CorruptTrie, StateError},
    history,
    leaf::{self, HASH_LEN, TrieLeaf},
    record::{Account, BlockChanges, Head, TxPosition},
    store::{Column, Scan, Snapshot, trailing_number},
    trie::{Records, Trie, TrieFault, Walk},
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
    /// Records of tries read.
    pub trie_records: u64,
    /// Rows of history of blocks after the first whose state is kept.
    pub history_rows: u64,
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
    /// A trie's records do not fit the flat state.
    #[error(transparent)]
    Trie(#[from] CorruptTrie),
    /// The history does not lead to the state of a block.
    #[error("state of block {number}: {what}")]
    History {
        /// The block.
        number: u64,
        /// What went wrong on the way to its state root.
        what: String,
    },
    /// A block has another number of rows of history than it says.
    #[error("history has {found} rows, the blocks list {listed}")]
    HistoryRows {
        /// The rows there are.
        found: u64,
        /// The rows that the blocks list.
        listed: u64,
    },
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
            Err(StateError::Trie(fault)) => self.add(Fault::Trie(fault)),
            Err(error @ StateError::Missing { .. }) => self.add(Fault::Missing(error)),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Notes what is wrong with an entry that was met on a walk.
    fn add_error(&mut self, error: StateError) {
        match error {
            StateError::Corrupt(entry) => self.add(Fault::Corrupt(entry)),
            StateError::Trie(fault) => self.add(Fault::Trie(fault)),
            error => self.add(Fault::Missing(error)),
        }
    }
}

/// How far a long pass is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub what: &'static str,
    /// From 0 to 1.
    pub done: f64,
}

/// Entries between two reports of progress.
pub(crate) const PROGRESS_EVERY: u64 = 1 << 12;

/// Keys are hashes, so the first bytes of one tell how far a pass in their order is.
pub(crate) fn key_progress(hashed: B256) -> f64 {
    let first = u32::from_be_bytes(*hashed.first_chunk().expect("a hash is longer"));
    f64::from(first) / f64::from(u32::MAX)
}

impl View {
    /// Checks everything there is. Fails only if the store cannot be read; what is wrong is in the report.
    pub fn verify(&self) -> Result<Report, StateError> {
        self.verify_with_progress(&mut |_| ())
    }

    /// Does what [`View::verify`] does, and says how far it is.
    ///
    /// # Panics
    /// If this is a view of an earlier block than the snapshot's head.
    pub fn verify_with_progress(&self, progress: &mut dyn FnMut(Progress)) -> Result<Report, StateError> {
        assert!(self.reader.past.is_none(), "what is verified is the head, and through it its past");
        let mut report = Report { head: self.head(), ..Report::default() };
        self.verify_state(&mut report, progress)?;
        self.verify_hashes(Column::Code, &mut report)?;
        self.verify_hashes(Column::Preimage, &mut report)?;
        self.verify_blocks(&mut report, progress)?;
        self.verify_history(&mut report, progress)?;
        Ok(report)
    }

    /// Rebuilds every root, and compares every trie's records with its leaves, in one pass over accounts, slots and records.
    fn verify_state(
        &self,
        report: &mut Report,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), StateError> {
        let snapshot = self.snapshot();
        let Head { number, state_root: recorded, .. } = self.head();
        let mut builder = HashBuilder::default();
        let mut records = Records::new(snapshot, Column::TrieAccount);
        let has_record = snapshot.get(Column::TrieAccount, &[])?.is_some();
        let mut walk = Walk::new(None, recorded, has_record);
        let mut storage = Storage::new(snapshot);
        let mut rlp = Vec::new();
        for leaf in leaf::accounts(snapshot) {
            let Some((hashed_address, account)) = report.note(leaf)? else { continue };
            report.accounts += 1;
            if report.accounts.is_multiple_of(PROGRESS_EVERY) {
                progress(Progress { what: "accounts and slots", done: key_progress(hashed_address) });
            }
            self.verify_account(hashed_address, &account, &mut storage, report)?;
            let path = Nibbles::unpack(hashed_address);
            walk.leaf(&mut records, &path, &account, &mut |error| report.add_error(error))?;
            rlp.clear();
            account.encode_leaf(&mut rlp);
            builder.add_leaf(path, &rlp);
        }
        walk.finish(&mut records, &mut |error| report.add_error(error))?;
        storage.skip_before(None, report)?;
        report.slots = storage.read;
        report.trie_records = records.read + storage.records.read;
        let computed = builder.root();
        if computed != recorded {
            report.add(Fault::StateRoot { number, recorded, computed });
        }
        progress(Progress { what: "accounts and slots", done: 1.0 });
        Ok(())
    }

    fn verify_account(
        &self,
        hashed_address: B256,
        account: &Account,
        storage: &mut Storage<'_>,
        report: &mut Report,
    ) -> Result<(), StateError> {
        let &Account { storage_root: recorded, code_hash, .. } = account;
        storage.skip_before(Some(hashed_address), report)?;
        let has_record = recorded != EMPTY_ROOT_HASH
            && self.snapshot().get(Column::TrieStorage, hashed_address.as_slice())?.is_some();
        let mut walk = Walk::new(Some(hashed_address), recorded, has_record);
        let mut builder = HashBuilder::default();
        let mut rlp = Vec::new();
        while let Some(leaf) = storage.next_of(hashed_address)? {
            let Some((_, slot, value)) = report.note(leaf)? else { continue };
            self.verify_preimage(slot, report)?;
            let path = Nibbles::unpack(slot);
            walk.leaf(&mut storage.records, &path, &value, &mut |error| report.add_error(error))?;
            rlp.clear();
            value.encode_leaf(&mut rlp);
            builder.add_leaf(path, &rlp);
        }
        walk.finish(&mut storage.records, &mut |error| report.add_error(error))?;
        let computed = builder.root();
        if computed != recorded {
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

    /// Proves, at each block whose state is kept, what the next block changed: that uses every row, and finds any that is
    /// wrong, because the proof then does not lead to the block's state root.
    fn verify_history(
        &self,
        report: &mut Report,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), StateError> {
        let (first, head) = (self.history_start(), self.head().number);
        let mut listed = 0;
        for number in first..head {
            if number.is_multiple_of(PROGRESS_EVERY / 64) {
                #[expect(clippy::cast_precision_loss, reason = "progress is for people")]
                let done = (number - first) as f64 / (head - first) as f64;
                progress(Progress { what: "history", done });
            }
            let changes = match history::changes(self.snapshot(), number + 1) {
                Ok(changes) => changes,
                Err(error) => {
                    report.note::<()>(Err(error))?;
                    continue;
                }
            };
            listed += changes.keys().count() as u64;
            if let Err(error) = self.verify_past(number, &changes) {
                match error {
                    StateError::Store(_) => return Err(error),
                    error => report.add(Fault::History { number, what: error.to_string() }),
                }
            }
        }
        let mut found = 0;
        for column in [Column::Hist, Column::TrieHist] {
            for entry in self.snapshot().scan(column, &[], &[]) {
                let (key, _) = entry?;
                found += u64::from(trailing_number(&key).is_some_and(|number| number > first));
            }
        }
        report.history_rows = found;
        if found != listed {
            report.add(Fault::HistoryRows { found, listed });
        }
        progress(Progress { what: "history", done: 1.0 });
        Ok(())
    }

    fn verify_past(&self, number: u64, changes: &BlockChanges) -> Result<(), StateError> {
        let past = self.at(number)?;
        let root = past.head().state_root;
        let fault = |trie: &dyn Fn() -> StateError, same: bool| if same { Ok(()) } else { Err(trie()) };
        for key in &changes.accounts {
            let hashed = hash_of(Column::Account, key)?;
            let (proven, _) = past.account_trie().prove(root, hashed)?;
            let mismatch = || past.account_trie().fault(&Nibbles::unpack(hashed), TrieFault::Reference);
            fault(&mismatch, proven == past.reader.account(hashed)?)?;
        }
        for key in &changes.slots {
            let (owner, slot) = key.split_at_checked(HASH_LEN).unwrap_or((key, &[]));
            let (owner, slot) = (hash_of(Column::Slot, owner)?, hash_of(Column::Slot, slot)?);
            let account = past.reader.account(owner)?.unwrap_or_default();
            let trie = Trie::<U256>::new(&past.reader, Some(owner));
            let (proven, _) = trie.prove(account.storage_root, slot)?;
            let mismatch = || trie.fault(&Nibbles::unpack(slot), TrieFault::Reference);
            fault(&mismatch, proven.unwrap_or_default() == past.reader.slot(owner, slot)?)?;
        }
        // The rows of records that no proof above met must be there as well.
        for (column, key) in changes.keys() {
            let (column, key) = history::row(column, key, number + 1);
            if self.snapshot().get(column, &key)?.is_none() {
                return Err(StateError::Missing { column, key });
            }
        }
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
    fn verify_blocks(
        &self,
        report: &mut Report,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), StateError> {
        let head = self.head();
        let mut child_parent = head.hash;
        for number in (0..=head.number).rev() {
            let Some(found) = report.note(self.header_by_number(number))? else { break };
            let Some((hash, header)) = found else {
                report.add_block(number, BlockFault::Absent);
                break;
            };
            report.blocks += 1;
            if report.blocks.is_multiple_of(PROGRESS_EVERY) {
                #[expect(clippy::cast_precision_loss, reason = "progress is for people")]
                let done = report.blocks as f64 / (head.number + 1) as f64;
                progress(Progress { what: "blocks", done });
            }
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

/// Reads a hash from a list of changed keys.
fn hash_of(column: Column, key: &[u8]) -> Result<B256, StateError> {
    let reason = RecordError::Length { found: key.len(), expected: HASH_LEN };
    Ok(B256::try_from(key).map_err(|_| CorruptEntry { column, key: key.to_vec(), reason })?)
}

/// A slot with its owner, or why it cannot be read.
type SlotLeaf = Result<(B256, B256, U256), StateError>;

/// The slots and the storage tries' records of all accounts, read along with the accounts.
struct Storage<'a> {
    slots: Peekable<Scan<'a>>,
    records: Records<'a>,
    read: u64,
}

impl<'a> Storage<'a> {
    fn new(snapshot: &'a dyn Snapshot) -> Self {
        Self {
            slots: snapshot.scan(Column::Slot, &[], &[]).peekable(),
            records: Records::new(snapshot, Column::TrieStorage),
            read: 0,
        }
    }

    /// Takes the next slot if it is one of this owner.
    fn next_of(&mut self, owner: B256) -> Result<Option<SlotLeaf>, StateError> {
        let of_owner = |key: &[u8]| key.starts_with(owner.as_slice());
        let entry = self.slots.next_if(|entry| entry.as_ref().map_or(true, |(key, _)| of_owner(key)));
        let Some(entry) = entry.transpose()? else { return Ok(None) };
        self.read += 1;
        Ok(Some(leaf::slot_leaf(Ok(entry))))
    }

    /// Notes the slots and records of owners before `next`, which have no account. None is the end.
    fn skip_before(&mut self, next: Option<B256>, report: &mut Report) -> Result<(), StateError> {
        // The owner of the slots being skipped, and how many there are.
        let (mut current, mut slots) = (None, 0);
        let before = |key: &[u8]| next.is_none_or(|next| key < next.as_slice());
        while let Some(entry) =
            self.slots.next_if(|entry| entry.as_ref().map_or(true, |(key, _)| before(key)))
        {
            let Some((owner, ..)) = report.note(leaf::slot_leaf(entry))? else { continue };
            self.read += 1;
            if current != Some(owner) {
                report.add_orphans(current, slots);
                (current, slots) = (Some(owner), 0);
            }
            slots += 1;
        }
        report.add_orphans(current, slots);
        let end = match next {
            // Records of the owner itself have longer keys, or this one.
            Some(next) => {
                let Some(last) = predecessor(next) else { return Ok(()) };
                [last.as_slice(), &[u8::MAX]].concat()
            }
            None => [u8::MAX; HASH_LEN + 1].to_vec(),
        };
        self.records.skip_until(&end, &mut |error| report.add_error(error))
    }
}

/// Returns the hash before another one.
fn predecessor(hash: B256) -> Option<B256> {
    U256::from_be_bytes(hash.0).checked_sub(U256::from(1)).map(B256::from)
}
