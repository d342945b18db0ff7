//! The head's state: every root anew from accounts and slots, and every trie's records beside its leaves, in one pass.

use std::iter::Peekable;

use alloy_primitives::{B256, U256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles};

use super::{Fault, PROGRESS_EVERY, Progress, Report, key_progress};
use crate::{
    error::StateError,
    leaf::{self, HASH_LEN, TrieLeaf},
    record::{Account, Head},
    store::{Column, Scan, Snapshot},
    trie::{Records, Walk},
    view::View,
};

impl View {
    /// Rebuilds every root, and compares every trie's records with its leaves, in one pass over accounts, slots and records.
    pub(super) fn verify_state(
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
        if self.code(code_hash)?.is_none() {
            report.add(Fault::CodeMissing { hashed_address, code_hash });
        }
        self.verify_preimage(hashed_address, report)
    }
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
