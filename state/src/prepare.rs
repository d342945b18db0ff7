//! From changes to the batch that makes them and the root they lead to.
//!
//! Order: for each account, its slots, then its storage root, then its record; last the state root over all accounts. What
//! equals the present state is left out, so a slot that a block sets and resets costs neither a write nor a rebuilt root.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};

use crate::{
    changes::{AccountChange, AccountInfo, Changes},
    codec::Record,
    error::{ChangesError, StateError},
    record::{Account, Head, SlotValue},
    store::{Batch, Column, Snapshot},
    trie::{self, AccountOverlay, SlotOverlay},
    view::{hashed_slot, read, read_slot, slot_key},
};

/// The state after a block that is not written yet. Dropping it leaves no trace.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The head it is built on; none for genesis.
    pub(crate) parent: Option<Head>,
    pub(crate) state_root: B256,
    pub(crate) batch: Batch,
}

impl Prepared {
    /// Returns the state's root, for the block's header.
    pub fn state_root(&self) -> B256 {
        self.state_root
    }

    /// Computes what `changes` make of the snapshot, whose head is `parent`.
    pub(crate) fn new(
        snapshot: &dyn Snapshot,
        parent: Option<Head>,
        changes: &Changes,
    ) -> Result<Self, StateError> {
        let mut batch = Batch::new();
        for (&given, code) in &changes.codes {
            let computed = keccak256(code);
            if computed != given {
                return Err(ChangesError::CodeHash { given, computed }.into());
            }
            batch.put(Column::Code, given.as_slice(), code.as_ref());
        }
        let mut accounts = AccountOverlay::new();
        for (&address, change) in &changes.accounts {
            let hashed = keccak256(address);
            let before: Option<Account> = read(snapshot, Column::Account, hashed.as_slice())?;
            let after = apply_account(snapshot, hashed, before, change, &mut batch)?;
            if after == before {
                continue;
            }
            match &after {
                Some(account) => {
                    require_code(snapshot, changes, address, before, account.code_hash)?;
                    batch.put(Column::Account, hashed.as_slice(), account.to_bytes());
                }
                None => batch.delete(Column::Account, hashed.as_slice()),
            }
            if before.is_none() {
                batch.put(Column::Preimage, hashed.as_slice(), address.as_slice());
            }
            accounts.insert(hashed, after);
        }
        let state_root = match parent {
            Some(head) if accounts.is_empty() => head.state_root,
            _ => trie::state_root(snapshot, &accounts)?,
        };
        Ok(Self { parent, state_root, batch })
    }
}

/// Writes an account's slots to the batch and returns the account after the change.
fn apply_account(
    snapshot: &dyn Snapshot,
    hashed_address: B256,
    before: Option<Account>,
    change: &AccountChange,
    batch: &mut Batch,
) -> Result<Option<Account>, StateError> {
    let info = change.info.filter(|info| *info != AccountInfo::default());
    let storage: BTreeMap<B256, (U256, U256)> = match info {
        Some(_) => change.storage.iter().map(|(&slot, &value)| (hashed_slot(slot), (slot, value))).collect(),
        None => BTreeMap::new(),
    };
    let mut slots = SlotOverlay::new();
    if change.storage_wiped || info.is_none() {
        for leaf in trie::slots(snapshot, hashed_address) {
            let (hashed, _) = leaf?;
            if !storage.contains_key(&hashed) {
                batch.delete(Column::Slot, slot_key(hashed_address, hashed));
                slots.insert(hashed, None);
            }
        }
    }
    for (&hashed, &(slot, after)) in &storage {
        let key = slot_key(hashed_address, hashed);
        let before = read_slot(snapshot, &key)?;
        if after == before {
            continue;
        }
        if before.is_zero() {
            batch.put(Column::Preimage, hashed.as_slice(), slot.to_be_bytes::<32>());
        }
        if after.is_zero() {
            batch.delete(Column::Slot, key);
            slots.insert(hashed, None);
        } else {
            batch.put(Column::Slot, key, SlotValue(after).to_bytes());
            slots.insert(hashed, Some(after));
        }
    }
    let Some(AccountInfo { nonce, balance, code_hash }) = info else {
        return Ok(None);
    };
    let storage_root = if slots.is_empty() {
        before.unwrap_or_default().storage_root
    } else {
        trie::storage_root(snapshot, hashed_address, &slots)?
    };
    Ok(Some(Account { nonce, balance, code_hash, storage_root }))
}

/// Fails if an account gets code that nobody has.
fn require_code(
    snapshot: &dyn Snapshot,
    changes: &Changes,
    address: Address,
    before: Option<Account>,
    code_hash: B256,
) -> Result<(), StateError> {
    let known = code_hash == KECCAK256_EMPTY
        || before.is_some_and(|before| before.code_hash == code_hash)
        || changes.codes.contains_key(&code_hash)
        || snapshot.get(Column::Code, code_hash.as_slice())?.is_some();
    if known { Ok(()) } else { Err(ChangesError::CodeMissing { address, code_hash }.into()) }
}
