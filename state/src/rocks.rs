//! The store on disk: one RocksDB database, one column family for each [`Column`], one write-ahead log.
//!
//! A batch is one RocksDB `WriteBatch` across column families. It is in the log, in the operating system's hands, before
//! [`Store::write`] returns, and on the disk after [`Store::sync`]. On opening, RocksDB replays the log up to the first torn
//! record, so the store comes up at the end of a whole batch. The log is never disabled.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use parking_lot::Mutex;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamilyDescriptor, CompactOptions,
    CompactionDecision, DB, DBCompressionType, DBRecoveryMode, DEFAULT_COLUMN_FAMILY_NAME, IteratorMode,
    Options, ReadOptions, WriteBatch, checkpoint::Checkpoint,
};

use crate::store::{Batch, Column, HISTORY, Scan, Snapshot, Store, StoreError, prefix_end, trailing_number};

/// The file that names RocksDB's current manifest: where it is, a database is.
const CURRENT_FILE: &str = "CURRENT";
/// Data blocks are read and cached whole; records are small, so bigger blocks would waste cache.
const BLOCK_BYTES: usize = 16 << 10;
/// A record of a trie takes about 300 bytes and is read alone.
const TRIE_BLOCK_BYTES: usize = 4 << 10;
/// One false positive in a hundred lookups of an absent key.
const BLOOM_BITS_PER_KEY: f64 = 10.0;
/// Bodies and receipts from this size on live outside the tree, so that compaction does not copy them.
const BLOB_BYTES_MIN: u64 = 4 << 10;
/// A column's memtable takes memory in pieces of this size. Most columns have little to keep, and the default of 1 MiB each
/// would make a small `memtable_bytes` flush them all after every block.
const ARENA_BYTES: usize = 64 << 10;
/// Table files kept open. Devnets run on laptops, whose limit is often 1,024.
const OPEN_FILES_MAX: i32 = 512;
/// The log may grow to this many times the memtables before idle columns are flushed to shorten it.
const WAL_MEMTABLES_MAX: u64 = 4;
/// RocksDB's own log, for people: one file before and one after a restart is enough.
const INFO_LOG_FILES: usize = 2;
/// Size at which RocksDB's own log is rolled.
const INFO_LOG_BYTES: usize = 1 << 20;

/// What a [`RocksStore`] may use of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Bytes of the cache that all columns share.
    pub cache_bytes: usize,
    /// Bytes that all columns together keep in memory before writing a table.
    pub memtable_bytes: usize,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20, memtable_bytes: 64 << 20 }
    }
}

/// A store in a directory. RocksDB locks it: one process at a time.
pub struct RocksStore {
    db: Arc<DB>,
    writer: Mutex<Writer>,
    /// The sequence number up to which the log is on the disk. Locked while it is being brought there.
    synced: Mutex<u64>,
    /// What compaction may drop: see [`Store::forget_history`].
    forgotten: Arc<AtomicU64>,
}

impl RocksStore {
    /// Opens the database in a directory, creating both as needed.
    ///
    /// Fails with [`StoreError::Foreign`], leaving everything as it is, if there is a RocksDB database that is not ours.
    pub fn open(path: impl AsRef<Path>, options: RocksOptions) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let failed = |error: rocksdb::Error| open_error(path, error);
        let existing = existing_columns(path)?;
        let cache = Cache::new_lru_cache(options.cache_bytes);
        let ours = Column::ALL.iter().map(|column| column.name());
        // RocksDB opens all columns or none; one that a later build left is for the schema version to refuse.
        let others =
            existing.iter().map(String::as_str).filter(|name| ours.clone().all(|ours| ours != *name));
        let forgotten = Arc::new(AtomicU64::new(0));
        let columns = Column::ALL
            .iter()
            .map(|&column| {
                let mut options = column_options(Some(column), &cache);
                if HISTORY.contains(&column) {
                    options.set_compaction_filter("history", history_filter(Arc::clone(&forgotten)));
                }
                ColumnFamilyDescriptor::new(column.name(), options)
            })
            .chain(others.map(|name| ColumnFamilyDescriptor::new(name, column_options(None, &cache))));
        let db = DB::open_cf_descriptors(&database_options(&options), path, columns).map_err(failed)?;
        Ok(Self { db: Arc::new(db), writer: Mutex::default(), synced: Mutex::default(), forgotten })
    }

    /// Turns a batch into RocksDB's.
    fn translate(&self, batch: Batch) -> WriteBatch {
        let mut rocks = WriteBatch::default();
        for write in batch.writes {
            let column = handle(&self.db, write.column);
            match write.value {
                Some(value) => rocks.put_cf(column, write.key, value),
                None => rocks.delete_cf(column, write.key),
            }
        }
        rocks
    }

    /// Returns the directory.
    pub fn path(&self) -> PathBuf {
        self.db.path().to_owned()
    }
}

/// Drops the rows whose number has been given up. It asks nothing but the key, so it may run on any thread, in any order.
fn history_filter(
    forgotten: Arc<AtomicU64>,
) -> impl FnMut(u32, &[u8], &[u8]) -> CompactionDecision + Send + 'static {
    move |_level, key, _value| {
        let tail = forgotten.load(Ordering::Acquire);
        match trailing_number(key) {
            Some(number) if number <= tail => CompactionDecision::Remove,
            _ => CompactionDecision::Keep,
        }
    }
}

fn open_error(path: &Path, error: rocksdb::Error) -> StoreError {
    StoreError::Open { path: path.display().to_string(), reason: error.into_string() }
}

/// Returns the names of the columns in the directory, none if there is no database, and refuses those of others.
fn existing_columns(path: &Path) -> Result<Vec<String>, StoreError> {
    if !path.join(CURRENT_FILE).exists() {
        return Ok(Vec::new());
    }
    let options = Options::default();
    let existing = DB::list_cf(&options, path).map_err(|error| open_error(path, error))?;
    // Meta is created first, so only a creation that was cut short leaves a database of ours without it, and that one
    // has nothing but RocksDB's own column.
    let unfinished = existing.iter().all(|name| name == DEFAULT_COLUMN_FAMILY_NAME);
    if existing.iter().any(|name| name == Column::Meta.name()) || (unfinished && is_empty(path)?) {
        return Ok(existing);
    }
    Err(StoreError::Foreign { path: path.display().to_string(), columns: existing.join(", ") })
}

/// Returns whether RocksDB's own column, which we never use, has no entry.
fn is_empty(path: &Path) -> Result<bool, StoreError> {
    let failed = |error: rocksdb::Error| open_error(path, error);
    let error_if_log_file_exists = false;
    let db = DB::open_for_read_only(&Options::default(), path, error_if_log_file_exists).map_err(failed)?;
    match db.iterator(IteratorMode::Start).next() {
        None => Ok(true),
        Some(entry) => entry.map(|_| false).map_err(failed),
    }
}

fn database_options(options: &RocksOptions) -> Options {
    let mut db = Options::default();
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    // Stops at the first torn record, which a crash can leave at the log's end; refusing to open would turn every crash
    // into a repair.
    db.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    db.set_track_and_verify_wals_in_manifest(true);
    db.set_paranoid_checks(true);
    db.set_max_open_files(OPEN_FILES_MAX);
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    db.set_max_background_jobs(i32::try_from(jobs).unwrap_or(i32::MAX).max(2));
    db.set_db_write_buffer_size(options.memtable_bytes);
    db.set_max_total_wal_size(WAL_MEMTABLES_MAX * options.memtable_bytes as u64);
    db.set_keep_log_file_num(INFO_LOG_FILES);
    db.set_max_log_file_size(INFO_LOG_BYTES);
    db.set_stats_dump_period_sec(0);
    db
}

/// Options of one of our columns, or of a column that this build does not know.
fn column_options(column: Option<Column>, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(BLOCK_BYTES);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default();
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_arena_block_size(ARENA_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Lz4);
    match column {
        // Asked for keys that are often absent.
        Some(Column::Account | Column::Slot | Column::Code | Column::Preimage | Column::HashNumber) => {
            table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        }
        // Records are read one by one, by paths of which most have none.
        Some(Column::TrieAccount | Column::TrieStorage) => {
            table.set_block_size(TRIE_BLOCK_BYTES);
            table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        }
        Some(Column::Body | Column::Receipt) => {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_BYTES_MIN);
            options.set_blob_compression_type(DBCompressionType::Lz4);
            options.set_enable_blob_gc(true);
        }
        // Hashes do not compress, and the positions behind them are few bytes.
        Some(Column::TxLookup) => {
            options.set_compression_type(DBCompressionType::None);
            options.set_bottommost_compression_type(DBCompressionType::None);
        }
        // History is found by seeking, for which a filter of whole keys is no help.
        Some(Column::Hist | Column::TrieHist | Column::Changes) => {}
        Some(Column::Meta | Column::Header | Column::Canon) | None => {}
    }
    options.set_block_based_table_factory(&table);
    options
}

/// Returns the handle of a column. All of them are opened with the database.
fn handle(db: &DB, column: Column) -> &rocksdb::ColumnFamily {
    db.cf_handle(column.name()).expect("every column is opened with the database")
}

impl Store for RocksStore {
    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(RocksSnapshot::new(Arc::clone(&self.db)))
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        #[cfg(feature = "failpoints")]
        let Some(batch) = self.sabotage(batch)? else { return Ok(()) };
        let writes = batch.len();
        let rocks = self.translate(batch);
        let write = || self.db.write(rocks).map_err(rocksdb::Error::into_string);
        self.writer.lock().attempt(write, |reason| StoreError::Write { writes, reason })
    }

    fn sync(&self) -> Result<(), StoreError> {
        let wanted = self.db.latest_sequence_number();
        // Whoever waits here finds, when it is let in, that the one before brought its writes to the disk as well.
        let mut synced = self.synced.lock();
        if *synced >= wanted {
            return Ok(());
        }
        let reached = self.db.latest_sequence_number();
        if let Err(error) = self.db.flush_wal(true) {
            // Nobody knows what is on the disk now, and trying again would only seem to help.
            return self
                .writer
                .lock()
                .attempt(|| Err(error.into_string()), |reason| StoreError::Sync { reason });
        }
        *synced = reached;
        Ok(())
    }

    fn forget_history(&self, tail: u64) {
        self.forgotten.fetch_max(tail, Ordering::AcqRel);
    }

    /// Files that do not change are shared with the copy, if both are on one file system.
    fn checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        let failed = |error: rocksdb::Error| open_error(path, error);
        Checkpoint::new(&self.db).map_err(failed)?.create_checkpoint(path).map_err(failed)
    }

    fn compact(&self) -> Result<(), StoreError> {
        for &column in Column::ALL {
            // What only memory holds passes no filter.
            let column_family = handle(&self.db, column);
            self.db.flush_cf(column_family).map_err(|error| read_error(column, error))?;
            // Compaction moves files that overlap no others as they are, unless it is forced to look into them.
            let mut options = CompactOptions::default();
            options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
            self.db.compact_range_cf_opt(column_family, None::<&[u8]>, None::<&[u8]>, &options);
        }
        Ok(())
    }
}

#[cfg(feature = "failpoints")]
impl RocksStore {
    /// Between the two halves of a batch that is split: about as long as a transaction takes.
    const SPLIT_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

    /// Does to a batch what the harness asks for. Returns what is to be written as ever, if anything.
    fn sabotage(&self, mut batch: Batch) -> Result<Option<Batch>, StoreError> {
        use crate::failpoint::Sabotage;
        if Sabotage::SkipTrieDelete.is_on() {
            batch.writes.retain(|write| {
                let is_record = matches!(write.column, Column::TrieAccount | Column::TrieStorage);
                !is_record || write.value.is_some()
            });
        }
        if Sabotage::SplitBatch.is_on() && batch.len() > 1 {
            let second = batch.writes.split_off(batch.len() / 2);
            self.write_whole(batch, true)?;
            thread::sleep(Self::SPLIT_PAUSE);
            batch = Batch { writes: second };
        }
        if Sabotage::WalOff.is_on() {
            self.write_whole(batch, false)?;
            return Ok(None);
        }
        Ok(Some(batch))
    }

    fn write_whole(&self, batch: Batch, log: bool) -> Result<(), StoreError> {
        let writes = batch.len();
        let batch = self.translate(batch);
        let result = if log { self.db.write(batch) } else { self.db.write_without_wal(batch) };
        result.map_err(|error| StoreError::Write { writes, reason: error.into_string() })
    }
}

fn read_error(column: Column, error: rocksdb::Error) -> StoreError {
    StoreError::Read { column, reason: error.into_string() }
}

/// Remembers that a write failed. RocksDB may take later writes, and then nobody knows what is between them.
#[derive(Default)]
struct Writer {
    failure: Option<String>,
}

impl Writer {
    fn attempt(
        &mut self,
        write: impl FnOnce() -> Result<(), String>,
        error: impl FnOnce(String) -> StoreError,
    ) -> Result<(), StoreError> {
        if let Some(reason) = &self.failure {
            return Err(StoreError::Failed { reason: reason.clone() });
        }
        write().map_err(|reason| {
            self.failure = Some(reason.clone());
            error(reason)
        })
    }
}

/// A RocksDB snapshot together with the database it is of, so that it can go anywhere.
struct RocksSnapshot {
    /// Declared, and so dropped, before `db`.
    snapshot: rocksdb::Snapshot<'static>,
    db: Arc<DB>,
}

impl RocksSnapshot {
    fn new(db: Arc<DB>) -> Self {
        let borrowed: rocksdb::Snapshot<'_> = db.snapshot();
        // SAFETY: only the lifetime changes. The snapshot borrows the `DB` that `db` keeps on the heap: it stays where it
        // is when the `Arc` moves, nobody has it mutably, and it lives until `db` is dropped, which is after `snapshot`,
        // because fields drop in the order of their declaration. `snapshot` is private and never leaves `self`.
        let snapshot =
            unsafe { std::mem::transmute::<rocksdb::Snapshot<'_>, rocksdb::Snapshot<'static>>(borrowed) };
        Self { snapshot, db }
    }
}

impl Snapshot for RocksSnapshot {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.snapshot.get_cf(handle(&self.db, column), key);
        value.map_err(|error| read_error(column, error))
    }

    fn scan(&self, column: Column, prefix: &[u8], from: &[u8]) -> Scan<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from.max(prefix));
        if let Some(end) = prefix_end(prefix) {
            options.set_iterate_upper_bound(end);
        }
        // A scan of a whole column would push everything else out of the cache.
        options.fill_cache(!prefix.is_empty());
        let entries = self.snapshot.iterator_cf_opt(handle(&self.db, column), options, IteratorMode::Start);
        Box::new(entries.map(move |entry| match entry {
            Ok((key, value)) => Ok((key.into_vec(), value.into_vec())),
            Err(error) => Err(read_error(column, error)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compaction_drops_what_was_given_up_and_nothing_else() {
        let forgotten = Arc::new(AtomicU64::new(0));
        let mut filter = history_filter(Arc::clone(&forgotten));
        let mut is_dropped = |number: u64| {
            let key = [b"key".as_slice(), &number.to_be_bytes()].concat();
            matches!(filter(0, &key, b"value"), CompactionDecision::Remove)
        };
        assert!(!is_dropped(1) && !is_dropped(u64::MAX));
        forgotten.store(7, Ordering::Release);
        assert!(is_dropped(1) && is_dropped(7));
        assert!(!is_dropped(8) && !is_dropped(u64::MAX));
        assert!(matches!(filter(0, b"short", b"value"), CompactionDecision::Keep));
    }

    #[test]
    fn after_a_failed_write_none_is_tried() {
        let mut writer = Writer::default();
        let error = |reason| StoreError::Sync { reason };
        assert_eq!(writer.attempt(|| Ok(()), error), Ok(()));
        let reason = "disk on fire".to_owned();
        assert_eq!(writer.attempt(|| Err(reason.clone()), error), Err(error(reason.clone())));
        assert_eq!(writer.attempt(|| panic!("tried"), error), Err(StoreError::Failed { reason }));
    }
}
