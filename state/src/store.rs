//! The seam between the state and where its bytes live.
//!
//! A **store** is a set of named [`Column`]s, each an ordered map from byte keys to byte values. It knows nothing of
//! accounts. There are two: [`MemoryStore`](crate::MemoryStore) and `RocksStore`.
//!
//! - Reading goes through a [`Snapshot`], never through the store, so that no reader can see half of a block.
//! - Writing goes through [`Store::write`]: one [`Batch`], applied whole or not at all. When the call returns, a killed
//!   process loses nothing of it; after [`Store::sync`], a power cut does not either.
//! - Keys come back in ascending byte order.

use std::{fmt, path::Path};

use thiserror::Error;

use crate::measure::Measure;

macro_rules! columns {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The ordered maps of a store. Integers in keys are big-endian.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Column {
            $($(#[$doc])* $variant,)*
        }

        impl Column {
            /// Every column, `Meta` first: a store creates them in this order, so that a store with any of ours has it.
            pub const ALL: &[Column] = &[$(Column::$variant,)*];

            /// Returns the name under which a store keeps the column.
            pub fn name(self) -> &'static str {
                match self {
                    $(Column::$variant => $name,)*
                }
            }
        }
    };
}

columns! {
    /// ASCII name → schema version, chain id, genesis hash, head.
    Meta = "meta",
    /// Number ‖ hash → [`Header`](crate::Header).
    Header = "header",
    /// Number → hash of the canonical block.
    Canon = "canon",
    /// Block hash → number.
    HashNumber = "hash_num",
    /// Number ‖ hash → the block's [`BodyTx`](crate::BodyTx)s.
    Body = "body",
    /// Number ‖ hash → the block's [`Receipt`](crate::Receipt)s.
    Receipt = "receipt",
    /// Transaction hash → [`TxPosition`](crate::TxPosition), of canonical blocks only.
    TxLookup = "tx_lookup",
    /// Code hash → code, as it is. Never deleted.
    Code = "code",
    /// keccak256(address) → [`Account`](crate::Account).
    Account = "acct",
    /// keccak256(address) ‖ keccak256(slot) → value without leading zeros; an absent key is zero.
    Slot = "slot",
    /// keccak256(x) → x, for every address and slot that ever entered the state.
    Preimage = "preimage",
    /// Path, one byte a nibble → a branch of the trie of accounts, with the references to all its children.
    TrieAccount = "trie_a",
    /// keccak256(address) ‖ path → the same of that account's storage.
    TrieStorage = "trie_s",
    /// 0 ‖ account's key ‖ number, or 1 ‖ slot's key ‖ number → the value before that block; empty if there was none.
    Hist = "hist",
    /// 0 ‖ path ‖ 0xff ‖ number, or 1 ‖ keccak256(address) ‖ path ‖ 0xff ‖ number → the record before that block.
    TrieHist = "trie_hist",
    /// Number → which keys of the two above have rows of that block.
    Changes = "changes",
    /// Key of the flat state → number of the first block of a fork that wrote it.
    Written = "written",
    /// What was read of the chain that this one forks. Nothing depends on it: it can be read again.
    Origin = "origin",
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// The entries of a scan, ascending by key. It ends at the first error.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<Entry, StoreError>> + 'a>;

/// Where the state's bytes live. Shared by one writer and any number of readers.
pub trait Store: Send + Sync {
    /// Returns everything written so far, frozen: later writes do not show in it.
    fn snapshot(&self) -> Box<dyn Snapshot>;

    /// Applies the whole batch or nothing, and returns once it survives the death of this process.
    ///
    /// After a failed write nobody knows what reached the disk, so the store refuses every later write with
    /// [`StoreError::Failed`]; opening it anew finds the last batch that was written whole.
    fn write(&self, batch: Batch) -> Result<(), StoreError>;

    /// Returns once everything written before this call survives a power cut. Those who wait at the same time share one
    /// trip to the disk. Fails as [`Store::write`] does, and like it only once.
    fn sync(&self) -> Result<(), StoreError>;

    /// Allows the store to drop, when it likes, rows of [`Column::Hist`], [`Column::TrieHist`] and [`Column::Changes`] whose
    /// key ends with a number up to `tail`. Snapshots may lose them too.
    fn forget_history(&self, tail: u64);

    /// Copies everything written so far to a new directory.
    fn checkpoint(&self, path: &Path) -> Result<(), StoreError>;

    /// Rewrites a column without what was deleted or may be forgotten.
    fn compact(&self, column: Column) -> Result<(), StoreError>;

    /// Returns what the store tells of itself; nothing, if it has nothing to tell.
    fn measures(&self) -> Vec<(Measure, u64)> {
        Vec::new()
    }
}

/// The columns whose rows belong to a block, and whose keys end with its number.
pub(crate) const HISTORY: [Column; 3] = [Column::Hist, Column::TrieHist, Column::Changes];

/// Returns the number that a key of a [`HISTORY`] column ends with.
pub(crate) fn trailing_number(key: &[u8]) -> Option<u64> {
    key.last_chunk().copied().map(u64::from_be_bytes)
}

/// A store frozen at one moment. Keep it for as long as one request takes: it pins the values it can see.
pub trait Snapshot: Send + Sync {
    /// Returns the value of a key.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Returns the entries whose key begins with `prefix`, from the key `from` on (inclusive). An empty `from` is the
    /// first of them, an empty `prefix` the whole column.
    fn scan(&self, column: Column, prefix: &[u8], from: &[u8]) -> Scan<'_>;
}

/// Puts and deletes that take effect together. A later one of the same key wins.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Columns that lose all entries before anything is written.
    pub(crate) cleared: Vec<Column>,
    pub(crate) writes: Vec<Write>,
}

/// One entry of a [`Batch`]; no value deletes the key.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) column: Column,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Batch {
    /// Returns a batch without writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, column: Column, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push(Write { column, key: key.into(), value: Some(value.into()) });
    }

    /// Deletes a key, which need not be there.
    pub fn delete(&mut self, column: Column, key: impl Into<Vec<u8>>) {
        self.writes.push(Write { column, key: key.into(), value: None });
    }

    /// Deletes every key of a column that is there before the batch; what the batch itself puts stays.
    ///
    /// Where the column has history, the store keeps all rows of it from then on, whatever it was allowed to drop before.
    pub fn clear(&mut self, column: Column) {
        self.cleared.push(column);
    }

    /// Returns how many puts and deletes there are, a cleared column being one.
    pub fn len(&self) -> usize {
        self.writes.len() + self.cleared.len()
    }

    /// Returns whether the batch does nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether the batch clears a column of history.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn clears_history(&self) -> bool {
        self.cleared.iter().any(|column| HISTORY.contains(column))
    }
}

/// What can go wrong between the state and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The store does not open.
    #[error("open database {path}: {reason}{}", open_advice(.reason))]
    Open {
        /// The directory.
        path: String,
        /// What the database says.
        reason: String,
    },
    /// The directory holds a RocksDB database that is not ours.
    #[error("open database {path}: it is not a lathe database (columns: {columns})")]
    Foreign {
        /// The directory.
        path: String,
        /// The columns found there.
        columns: String,
    },
    /// The directory has files of a database without the one that names the others.
    #[error(
        "open database {path}: {file} is there, but CURRENT is not: the database is not whole; restore a copy, or give another directory"
    )]
    Remains {
        /// The directory.
        path: String,
        /// One of the files.
        file: String,
    },
    /// The database's log or manifest has bytes that nobody wrote.
    #[error("database file {file} is damaged at byte {at}: {}", damage_advice(*.is_log))]
    Damaged {
        /// The file.
        file: String,
        /// Where the first record begins that is not what its checksum says.
        at: u64,
        /// Whether it is a log, which can be cut there.
        is_log: bool,
    },
    /// A read failed.
    #[error("read column {column}: {reason}")]
    Read {
        /// The column.
        column: Column,
        /// What the database says.
        reason: String,
    },
    /// A write failed. The store refuses writes from now on.
    #[error("write {writes} entries: {reason}")]
    Write {
        /// How many entries the batch has.
        writes: usize,
        /// What the database says.
        reason: String,
    },
    /// The disk did not take what was written. The store refuses writes from now on.
    #[error("sync to the disk: {reason}")]
    Sync {
        /// What the database says.
        reason: String,
    },
    /// An earlier write failed.
    #[error("the database takes no more writes, open it again: an earlier write failed: {reason}")]
    Failed {
        /// What the database said at the earlier write.
        reason: String,
    },
}

/// Returns what to do where a database does not open, if what the system says tells it.
fn open_advice(reason: &str) -> &'static str {
    // Another process has the lock, or this one.
    const LOCKED: [&str; 2] = ["Resource temporarily unavailable", "lock hold by current process"];
    const FORBIDDEN: [&str; 2] = ["Permission denied", "Read-only file system"];
    let says = |texts: &[&str]| texts.iter().any(|text| reason.contains(text));
    if says(&LOCKED) {
        "; a node or another command has it open: stop that first, or give another directory"
    } else if says(&FORBIDDEN) {
        "; whoever runs lathe must be able to read and write the directory and its files"
    } else if says(&["No space left on device"]) {
        "; the disk is full"
    } else {
        ""
    }
}

fn damage_advice(is_log: bool) -> &'static str {
    match is_log {
        true => "restore a copy, or let `lathe db cut-log` give up the blocks from there on",
        false => "restore a copy",
    }
}

/// Returns the first key after all those that begin with `prefix`, or none if there is no such key.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_carries_over_full_bytes() {
        let rows: &[(&[u8], Option<&[u8]>)] = &[
            (&[], None),
            (&[0xff, 0xff], None),
            (&[0x00], Some(&[0x01])),
            (&[0x12, 0xff, 0xff], Some(&[0x13])),
            (&[0x12, 0x34], Some(&[0x12, 0x35])),
        ];
        for (prefix, end) in rows {
            assert_eq!(prefix_end(prefix).as_deref(), *end, "{prefix:02x?}");
        }
    }

    #[test]
    fn meta_is_the_first_column_and_names_are_unique() {
        assert_eq!(Column::ALL[0], Column::Meta);
        let names: std::collections::BTreeSet<_> = Column::ALL.iter().map(|column| column.name()).collect();
        assert_eq!(names.len(), Column::ALL.len());
    }
}
