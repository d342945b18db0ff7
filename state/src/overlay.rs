//! A chain that forks another one: its state is an *overlay* over the state of that chain at one block, the **base**.
//!
//! The flat state and the trie hold only what this chain has written, and the state root is the root of that. What it has
//! not written is read from the [`Origin`]. An absent record alone does not tell the two apart: an account may be gone, a slot
//! may have become zero. So the first block that writes a key leaves a **mark** with its number in
//! [`Column::Written`]; from that block on the flat state alone tells of the key, before it the origin does. Marks are
//! written with the block and taken back with it.
//!
//! | mark | says of blocks from its number on |
//! |---|---|
//! | 0 ‖ keccak256(address) | the account is the flat state's |
//! | 1 ‖ keccak256(address) ‖ keccak256(slot) | the slot is the flat state's |
//! | 2 ‖ keccak256(address) | all slots of the account are the flat state's: its storage was wiped |

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use thiserror::Error;

use crate::{
    changes::AccountInfo,
    codec::Record,
    error::StateError,
    leaf::decode,
    reader::Reader,
    record::{Account, Head, Header},
    store::{Batch, Column, Snapshot},
    view::{read, slot_key},
};

/// Name of the base's record in the meta column: its number and hash, and the root of the overlay there, which is not
/// that of its header.
pub(crate) const META_FORK: &[u8] = b"fork";
/// Name of the record of what decides how the fork begins, beside its base.
pub(crate) const META_FORK_SETTINGS: &[u8] = b"fork_settings";

/// The state of another chain at one block. It never changes, so that what is read of it can be kept.
pub trait Origin: Send + Sync {
    /// Returns an account, or none if it does not exist there.
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, OriginError>;

    /// Returns a storage slot's value.
    fn storage(&self, address: Address, slot: U256) -> Result<U256, OriginError>;

    /// Returns code by its hash, of an account that was read before.
    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, OriginError>;

    /// Returns the hash of a block before the base.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, OriginError>;
}

/// Why the origin could not be read: where, what and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct OriginError(pub String);

/// Where a fork begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkPoint {
    /// EIP-155 chain id of the fork.
    pub chain_id: u64,
    /// The block that it stands on, with the root of the overlay there.
    pub base: Head,
    /// Hash of what decides how it begins, beside the base.
    pub settings: B256,
}

impl ForkPoint {
    pub(crate) fn put_in(&self, batch: &mut Batch) {
        batch.put(Column::Meta, META_FORK, self.base.to_bytes());
        batch.put(Column::Meta, META_FORK_SETTINGS, self.settings.to_bytes());
    }
}

/// What a view of a fork stands on.
#[derive(Clone)]
pub(crate) struct Overlay {
    pub(crate) base: Head,
    /// None where nobody can be asked: a directory without a node.
    pub(crate) origin: Option<Arc<dyn Origin>>,
}

impl Overlay {
    /// Reads where a fork stands, if the snapshot holds one.
    pub(crate) fn read(
        snapshot: &dyn Snapshot,
        origin: Option<Arc<dyn Origin>>,
    ) -> Result<Option<Arc<Self>>, StateError> {
        let base: Option<Head> = read(snapshot, Column::Meta, META_FORK)?;
        Ok(base.map(|base| Arc::new(Self { base, origin })))
    }

    fn origin(&self) -> Result<&dyn Origin, StateError> {
        self.origin.as_deref().ok_or(StateError::NoOrigin { number: self.base.number })
    }

    /// Returns an account that this chain has not written.
    pub(crate) fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        let info = self.origin()?.account(address)?;
        Ok(info.map(|AccountInfo { nonce, balance, code_hash }| Account {
            nonce,
            balance,
            code_hash,
            ..Account::default()
        }))
    }

    /// Returns a slot that this chain has not written.
    pub(crate) fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.origin()?.storage(address, slot)?)
    }

    /// Returns code that this chain does not have.
    pub(crate) fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.origin()?.code(code_hash)?)
    }

    /// Returns the hash of a block before the base.
    pub(crate) fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        Ok(self.origin()?.block_hash(number)?)
    }
}

/// Returns the head that a block is, whose header may be the base's and have the state root of another chain.
pub(crate) fn head_of(overlay: Option<&Overlay>, number: u64, hash: B256, header: &Header) -> Head {
    match overlay {
        Some(overlay) if overlay.base.number == number => overlay.base,
        _ => Head { number, hash, state_root: header.state_root },
    }
}

pub(crate) fn account_mark(hashed_address: B256) -> Vec<u8> {
    [&[0], hashed_address.as_slice()].concat()
}

pub(crate) fn slot_mark(hashed_address: B256, hashed_slot: B256) -> Vec<u8> {
    [&[1], slot_key(hashed_address, hashed_slot).as_slice()].concat()
}

pub(crate) fn wiped_mark(hashed_address: B256) -> Vec<u8> {
    [&[2], hashed_address.as_slice()].concat()
}

/// Returns whether there is a mark of a block up to `number`.
pub(crate) fn is_marked(snapshot: &dyn Snapshot, mark: &[u8], number: u64) -> Result<bool, StateError> {
    let Some(value) = snapshot.get(Column::Written, mark)? else { return Ok(false) };
    Ok(decode::<u64>(Column::Written, mark, &value)? <= number)
}

/// Marks a key for a block that writes it. Returns whether that is the first to do so.
pub(crate) fn mark(
    reader: &Reader,
    batch: &mut Batch,
    mark: Vec<u8>,
    number: u64,
) -> Result<bool, StateError> {
    if reader.snapshot.get(Column::Written, &mark)?.is_some() {
        return Ok(false);
    }
    batch.put(Column::Written, mark, number.to_bytes());
    Ok(true)
}

/// Takes back the marks of a key of the flat state that blocks after `number` have left.
pub(crate) fn unmark(
    snapshot: &dyn Snapshot,
    batch: &mut Batch,
    column: Column,
    key: &[u8],
    number: u64,
) -> Result<(), StateError> {
    let marks: &[u8] = match column {
        Column::Account => &[0, 2],
        Column::Slot => &[1],
        _ => &[],
    };
    for kind in marks {
        let mark = [&[*kind], key].concat();
        if !is_marked(snapshot, &mark, number)? {
            batch.delete(Column::Written, mark);
        }
    }
    Ok(())
}
