//! What a program's frame keeps between runs, and how a finished child frame is reported to it.

use std::collections::{BTreeMap, BTreeSet};

use lathe_vm::{TrapKind, Value};
use revm::{
    interpreter::{CallInput, FrameInput},
    primitives::{Address, Bytes, U256},
};

use super::eei::{EeiReply, Ending};

/// What a program's frame keeps between runs.
#[derive(Debug, Default)]
pub(super) struct ProgramState {
    /// Calldata. It may be a part of the memory of the EVM frame that called, which stands still until this one ends.
    pub calldata: CallInput,
    /// What the frame will return or revert with.
    pub result: Bytes,
    /// Whether the account was entered more than once in the open frames.
    pub reentrant: bool,
    /// The status given to `exit_early`.
    pub exit_status: Option<u32>,
    /// How an EEI contract ended itself.
    pub ending: Option<Ending>,
    /// The frame that a suspended host call asks for, and where its reply goes.
    pub pending: Option<(FrameInput, Reply)>,
    /// Why the last trap of kind `Host` happened.
    pub trap_reason: Option<String>,
    /// Set when the database failed: the transaction is abandoned.
    pub fatal: bool,
    /// Whether the program read how much gas it has left.
    pub gas_was_read: bool,
    /// The write-back cache of storage.
    pub storage: StorageCache,
}

impl ProgramState {
    /// Returns the state of a frame that has not run yet.
    pub(super) fn new(calldata: CallInput, reentrant: bool) -> Self {
        Self { calldata, reentrant, ..Default::default() }
    }

    /// Returns whether the code has ended the frame by its own will.
    pub(super) fn has_ended(&self) -> bool {
        self.exit_status.is_some() || self.ending.is_some()
    }
}

/// The write-back cache of a frame's storage.
#[derive(Debug, Default)]
pub(super) struct StorageCache {
    /// What the frame read or wrote.
    slots: BTreeMap<U256, U256>,
    /// Slots written since the last flush. They stand apart so that a flush looks at nothing else: it pays for each
    /// slot it writes, but not for what is in the cache.
    dirty: BTreeSet<U256>,
}

impl StorageCache {
    /// Returns what the cache has for a slot.
    pub(super) fn get(&self, key: U256) -> Option<U256> {
        self.slots.get(&key).copied()
    }

    /// Keeps what was read from a slot.
    pub(super) fn keep(&mut self, key: U256, value: U256) {
        self.slots.insert(key, value);
    }

    /// Writes a slot.
    pub(super) fn write(&mut self, key: U256, value: U256) {
        self.slots.insert(key, value);
        self.dirty.insert(key);
    }

    /// Returns the first slot, by key, that is yet to be flushed.
    pub(super) fn first_dirty(&self) -> Option<(U256, U256)> {
        self.dirty.first().map(|key| (*key, self.slots[key]))
    }

    /// Takes note that the first slot to be flushed was.
    pub(super) fn first_flushed(&mut self) {
        self.dirty.pop_first();
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Where a finished child frame is reported to. The pointers were checked before the child ran, and memory never
/// shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// A call: length of the return data as `u32` little-endian at `return_length`; the result is the status.
    Call {
        /// Pointer to 4 bytes.
        return_length: u32,
    },
    /// A creation: the address (zero if it failed) at `address`, length of the revert data at `revert_length`.
    Create {
        /// Pointer to 20 bytes.
        address: u32,
        /// Pointer to 4 bytes.
        revert_length: u32,
    },
    /// A call or creation by an EEI contract.
    Eei(EeiReply),
}

/// What a child frame ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildStatus {
    /// It succeeded; a creation made this address.
    Ok(Option<Address>),
    /// It reverted.
    Reverted,
    /// It failed in any other way.
    Failed,
}

impl ChildStatus {
    /// Returns the status as a program that called sees it.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Ok(_) => 0,
            Self::Reverted => 1,
            Self::Failed => 2,
        }
    }
}

impl Reply {
    /// Writes a finished child's outcome to memory, through `write`, and returns the result of the host call that waited for it, or the
    /// trap of one whose pointers are looked at only now.
    pub(super) fn deliver(
        self,
        status: ChildStatus,
        return_data_bytes: u32,
        mut write: impl FnMut(u32, &[u8]) -> Result<(), TrapKind>,
    ) -> Result<Option<Value>, TrapKind> {
        match self {
            Self::Call { return_length } => {
                write(return_length, &return_data_bytes.to_le_bytes())?;
                Ok(Some(Value::I32(status.code().into())))
            }
            Self::Create { address, revert_length } => {
                let created = match status {
                    ChildStatus::Ok(created) => created.unwrap_or_default(),
                    _ => Address::ZERO,
                };
                write(address, created.as_slice())?;
                write(revert_length, &return_data_bytes.to_le_bytes())?;
                Ok(None)
            }
            Self::Eei(reply) => reply.deliver(status, write).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_looks_at_written_slots_only_whatever_was_read() {
        let mut cache = StorageCache::default();
        (0..2_000).for_each(|key| cache.keep(U256::from(key), U256::from(1)));
        assert_eq!((cache.slots.len(), cache.dirty.len()), (2_000, 0));
        assert_eq!(cache.first_dirty(), None);
        cache.write(U256::from(1_500), U256::from(7));
        cache.write(U256::from(9), U256::from(8));
        assert_eq!((cache.slots.len(), cache.dirty.len()), (2_000, 2));
        for expected in [(9, 8), (1_500, 7)] {
            assert_eq!(cache.first_dirty(), Some((U256::from(expected.0), U256::from(expected.1))));
            cache.first_flushed();
        }
        assert_eq!((cache.slots.len(), cache.dirty.len()), (2_000, 0));
        assert_eq!(cache.get(U256::from(9)), Some(U256::from(8)), "what was flushed is still known");
    }
}
