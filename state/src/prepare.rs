//! From changes to the batch that makes them and the root they lead to.
//!
//! Order: the slots of each account, then its storage trie, then its record; last the trie of accounts. What equals the
//! present state is left out, so a slot that a block sets and resets costs neither a write nor a hash. Every value and every
//! record of a trie that changes leaves the one before it in the history.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

use crate::{
    changes::{AccountChange, AccountInfo, Changes},
    codec::Record,
    error::{ChangesError, StateError},
    history,
    leaf::{self, TrieLeaf},
    overlay::{Overlay, account_mark, mark, slot_mark, wiped_mark},
    reader::Reader,
    record::{Account, BlockChanges, Head, LeafKey, SlotValue},
    store::{Batch, Column},
    trie::{Before, Change, NodeCache, RecordChange, Trie, Update, node_key},
    view::{hashed_slot, slot_key},
};

/// Storage tries from which on threads share them.
const PARALLEL_TRIES_MIN: usize = 16;

/// The state after a block that is not written yet. Dropping it leaves no trace.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The head it is built on; none for genesis.
    pub(crate) parent: Option<Head>,
    pub(crate) state_root: B256,
    pub(crate) batch: Batch,
    pub(crate) records: Records,
}

/// How to compute: nothing of it changes the result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Means<'a> {
    /// Records of the head.
    pub(crate) cache: Option<&'a NodeCache>,
    pub(crate) threads: usize,
}

impl<'a> Means<'a> {
    fn trie<T: TrieLeaf>(self, reader: &'a Reader, owner: Option<B256>) -> Trie<'a, T> {
        let mut trie = Trie::new(reader, owner);
        (trie.cache, trie.threads) = (self.cache, self.threads);
        trie
    }
}

impl Prepared {
    /// Returns the state's root, for the block's header.
    pub fn state_root(&self) -> B256 {
        self.state_root
    }

    /// Computes what `changes` make of the reader's state, whose head is `parent`.
    pub(crate) fn new(
        reader: &Reader,
        parent: Option<Head>,
        changes: &Changes,
        overlay: Option<&Overlay>,
        means: Means<'_>,
    ) -> Result<Self, StateError> {
        let mut writer = Writer::new(parent.map(|head| head.number + 1), overlay);
        for (&given, code) in &changes.codes {
            let computed = keccak256(code);
            if computed != given {
                return Err(ChangesError::CodeHash { given, computed }.into());
            }
            writer.batch.put(Column::Code, given.as_slice(), code.as_ref());
        }
        let mut accounts = changes
            .accounts
            .iter()
            .map(|(&address, change)| {
                AccountWork::new(reader, address, change, parent.is_none(), &mut writer)
            })
            .collect::<Result<Vec<_>, _>>()?;
        accounts.sort_unstable_by_key(|account| account.hashed);
        let mut records = update_storage(reader, &mut accounts, means)?;

        let mut leaves = Vec::with_capacity(accounts.len());
        for AccountWork { address, hashed, before, after, is_marked, .. } in accounts {
            if after == before && !is_marked {
                continue;
            }
            if let Some(account) = &after {
                require_code(reader, changes, address, before, account.code_hash, &mut writer)?;
            }
            if before.is_none() {
                writer.batch.put(Column::Preimage, hashed.as_slice(), address.as_slice());
            }
            let bytes = |account: Option<Account>| account.map(|account| account.to_bytes());
            writer.set(Column::Account, hashed.to_vec(), bytes(before), bytes(after));
            if after == before {
                continue;
            }
            leaves.push(Change { path: Nibbles::unpack(hashed), existed: before.is_some(), value: after });
        }
        let root = parent.map_or(EMPTY_ROOT_HASH, |head| head.state_root);
        let update = means.trie::<Account>(reader, None).update(root, &leaves)?;
        records.push((None, update.records));
        for (owner, records) in &records {
            writer.set_records(*owner, records);
        }
        Ok(Self { parent, state_root: update.root, batch: writer.finish(), records })
    }
}

/// An account that a block changes.
struct AccountWork {
    address: Address,
    hashed: B256,
    before: Option<Account>,
    /// With the storage root from before, until the storage trie is done.
    after: Option<Account>,
    slots: Vec<Change<U256>>,
    /// Whether the block leaves a mark of the account, which it lists then even if the flat state stays as it is.
    is_marked: bool,
}

impl AccountWork {
    /// Reads the account and its slots, and writes the slots. `keeps_empty`: an account stays although it is empty.
    fn new(
        reader: &Reader,
        address: Address,
        change: &AccountChange,
        keeps_empty: bool,
        writer: &mut Writer<'_>,
    ) -> Result<Self, StateError> {
        let hashed = keccak256(address);
        let before = reader.account(hashed)?;
        let info = change.info.filter(|info| keeps_empty || *info != AccountInfo::default());
        let mut slots: BTreeMap<B256, (Option<U256>, U256, U256)> = BTreeMap::new();
        let mut marked_slots = BTreeSet::new();
        let mut is_marked = writer.mark(reader, || account_mark(hashed))?;
        if change.storage_wiped || info.is_none() {
            is_marked |= writer.mark(reader, || wiped_mark(hashed))?;
            for leaf in leaf::slots(&*reader.snapshot, hashed) {
                let (slot, value) = leaf?;
                slots.insert(slot, (None, value, U256::ZERO));
            }
        }
        if info.is_some() {
            for (&slot, &after) in &change.storage {
                let hashed_slot = hashed_slot(slot);
                let before = reader.slot(hashed, hashed_slot)?;
                if writer.mark(reader, || slot_mark(hashed, hashed_slot))? {
                    marked_slots.insert(hashed_slot);
                }
                slots.insert(hashed_slot, (Some(slot), before, after));
            }
        }
        slots.retain(|slot, (_, before, after)| before != after || marked_slots.contains(slot));
        let bytes = |value: U256| (!value.is_zero()).then(|| SlotValue(value).to_bytes());
        let mut changes = Vec::with_capacity(slots.len());
        for (hashed_slot, (slot, before, after)) in slots {
            if let Some(slot) = slot.filter(|_| before.is_zero()) {
                let preimage = slot.to_be_bytes::<32>();
                writer.batch.put(Column::Preimage, hashed_slot.as_slice(), preimage);
            }
            writer.set(Column::Slot, slot_key(hashed, hashed_slot), bytes(before), bytes(after));
            if before == after {
                continue;
            }
            changes.push(Change {
                path: Nibbles::unpack(hashed_slot),
                existed: !before.is_zero(),
                value: Some(after).filter(|after| !after.is_zero()),
            });
        }
        let storage_root = storage_root(before);
        let after = info.map(|AccountInfo { nonce, balance, code_hash }| Account {
            nonce,
            balance,
            code_hash,
            storage_root,
        });
        Ok(Self { address, hashed, before, after, slots: changes, is_marked })
    }
}

fn storage_root(account: Option<Account>) -> B256 {
    account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root)
}

/// The records that change of each trie: None is the trie of accounts, else the owner of the storage.
pub(crate) type Records = Vec<(Option<B256>, Vec<RecordChange>)>;

/// Updates the storage tries, puts their roots into the accounts, and returns the records that change.
fn update_storage(
    reader: &Reader,
    accounts: &mut [AccountWork],
    means: Means<'_>,
) -> Result<Records, StateError> {
    let mut work: Vec<&mut AccountWork> =
        accounts.iter_mut().filter(|account| !account.slots.is_empty()).collect();
    let update = |account: &mut AccountWork, means: Means<'_>| -> Result<_, StateError> {
        let trie = means.trie::<U256>(reader, Some(account.hashed));
        let Update { root, records, .. } = trie.update(storage_root(account.before), &account.slots)?;
        if let Some(after) = &mut account.after {
            after.storage_root = root;
        }
        Ok((Some(account.hashed), records))
    };
    if work.len() < PARALLEL_TRIES_MIN || means.threads < 2 {
        return work.into_iter().map(|account| update(account, means)).collect();
    }
    let share = work.len().div_ceil(means.threads);
    let alone = Means { threads: 1, ..means };
    let results: Vec<Result<Records, StateError>> = thread::scope(|scope| {
        let update = &update;
        let workers: Vec<_> = work
            .chunks_mut(share)
            .map(|accounts| {
                scope.spawn(move || accounts.iter_mut().map(|account| update(account, alone)).collect())
            })
            .collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().map(join).collect()
    });
    Ok(results.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Fails if an account gets code that nobody has. Code that a fork has from its origin becomes its own.
fn require_code(
    reader: &Reader,
    changes: &Changes,
    address: Address,
    before: Option<Account>,
    code_hash: B256,
    writer: &mut Writer<'_>,
) -> Result<(), StateError> {
    let known = code_hash == KECCAK256_EMPTY
        || before.is_some_and(|before| before.code_hash == code_hash)
        || changes.codes.contains_key(&code_hash)
        || reader.snapshot.get(Column::Code, code_hash.as_slice())?.is_some();
    if known {
        return Ok(());
    }
    let code = writer.overlay.map_or(Ok(None), |overlay| overlay.code(code_hash))?;
    let code = code.ok_or(ChangesError::CodeMissing { address, code_hash })?;
    writer.batch.put(Column::Code, code_hash.as_slice(), code);
    Ok(())
}

/// Collects what a block changes, and the history of it.
struct Writer<'a> {
    batch: Batch,
    /// What a fork stands on: the block then leaves marks of what it is the first to write.
    overlay: Option<&'a Overlay>,
    /// The block's number; none for genesis, which has no history.
    number: Option<u64>,
    changes: BlockChanges,
}

impl<'a> Writer<'a> {
    fn new(number: Option<u64>, overlay: Option<&'a Overlay>) -> Self {
        Self { batch: Batch::new(), overlay, number, changes: BlockChanges::default() }
    }

    /// Leaves a mark where a fork is the first to write. Returns whether it did.
    fn mark(&mut self, reader: &Reader, key: impl FnOnce() -> Vec<u8>) -> Result<bool, StateError> {
        let Some(overlay) = self.overlay else { return Ok(false) };
        mark(reader, &mut self.batch, key(), self.number.unwrap_or(overlay.base.number))
    }

    fn set(&mut self, column: Column, key: Vec<u8>, before: Option<Vec<u8>>, after: Option<Vec<u8>>) {
        self.note(column, &key, before);
        match after {
            Some(value) => self.batch.put(column, key, value),
            None => self.batch.delete(column, key),
        }
    }

    /// Leaves in the history what a key had before the block.
    fn note(&mut self, column: Column, key: &[u8], before: Option<Vec<u8>>) {
        if let Some(number) = self.number {
            let (rows, row) = history::row(column, key, number);
            self.batch.put(rows, row, before.unwrap_or_default());
            self.changes.list_mut(column).push(Bytes::copy_from_slice(key));
        }
    }

    fn set_records(&mut self, owner: Option<B256>, records: &[RecordChange]) {
        for RecordChange { path, before, after } in records {
            let (column, key) = node_key(owner, path);
            let after = after.as_deref().map(Record::to_bytes);
            match before {
                Before::Nothing => self.set(column, key, None, after),
                Before::Record(node) => self.set(column, key, Some(node.to_bytes()), after),
                Before::Leaf(leaf) => {
                    self.note(column, &key, Some(LeafKey { key: B256::from_slice(&leaf.pack()) }.to_bytes()));
                    if let Some(after) = after {
                        self.batch.put(column, key, after);
                    }
                }
            }
        }
    }

    fn finish(mut self) -> Batch {
        if let Some(number) = self.number {
            self.batch.put(Column::Changes, number.to_be_bytes(), self.changes.to_bytes());
        }
        self.batch
    }
}
