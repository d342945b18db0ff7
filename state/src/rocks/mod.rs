//! The store on disk: one RocksDB database, one column family for each [`Column`], one write-ahead log.
//!
//! A batch is one RocksDB `WriteBatch` across column families. It is in the log, in the operating system's hands, before
//! [`Store::write`] returns, and on the disk after [`Store::sync`]. On opening, RocksDB replays the log up to the first torn
//! record, so the store comes up at the end of a whole batch; a log that was damaged is refused before. The log is never
//! disabled.

mod log;
mod measures;
mod options;
#[cfg(feature = "failpoints")]
mod sabotage;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use rocksdb::{
    BottommostLevelCompaction, Cache, ColumnFamilyDescriptor, CompactOptions, DB, DEFAULT_COLUMN_FAMILY_NAME,
    IteratorMode, Options, ReadOptions, WriteBatch, checkpoint::Checkpoint,
};

use self::log::Damage;
pub use self::options::RocksOptions;
use crate::measure::Measure;
use crate::store::{Batch, Column, Scan, Snapshot, Store, StoreError, prefix_end};

/// The file that names RocksDB's current manifest: where it is, a database is.
const CURRENT_FILE: &str = "CURRENT";
/// What the names of files end with that hold data: tables, blobs, logs.
const DATA_EXTENSIONS: [&str; 3] = ["sst", "blob", "log"];

/// Is after every key: none is as long, not even that of a row of the history of a branch of an account's storage.
const BEYOND_KEYS: [u8; 128] = [u8::MAX; 128];

/// Blocks that may be forgotten before a trip to the disk is made for them: it takes as long as several blocks.
const FORGET_BLOCKS: u64 = 64;

/// A store in a directory. RocksDB locks it: one process at a time.
pub struct RocksStore {
    db: Arc<DB>,
    writer: Mutex<Writer>,
    /// The sequence number up to which the log is on the disk. Locked while it is being brought there.
    synced: Mutex<u64>,
    /// What may be forgotten: see [`Store::forget_history`].
    given_up: AtomicU64,
    /// What compaction may drop of it: tables are on the disk when a power cut comes, and so must be the record that says
    /// what they lack.
    forgotten: Arc<AtomicU64>,
}

impl RocksStore {
    /// Opens the database in a directory, creating both as needed.
    ///
    /// Fails, leaving everything as it is, with [`StoreError::Foreign`] if there is a RocksDB database that is not ours, and
    /// with [`StoreError::Damaged`] if its log or manifest is.
    pub fn open(path: impl AsRef<Path>, options: RocksOptions) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let failed = |error: rocksdb::Error| open_error(path, error);
        if has_database(path)? {
            check_files(path, options.cut_damaged_log)?;
        }
        let existing = existing_columns(path)?;
        let cache = Cache::new_lru_cache(options.cache_bytes);
        let ours = Column::ALL.iter().map(|column| column.name());
        // RocksDB opens all columns or none; one that a later build left is for the schema version to refuse.
        let others =
            existing.iter().map(String::as_str).filter(|name| ours.clone().all(|ours| ours != *name));
        let forgotten = Arc::new(AtomicU64::new(0));
        let columns = Column::ALL
            .iter()
            .map(|&column| (column.name(), options::of_column(column, &cache, &forgotten)))
            .chain(others.map(|name| (name, options::of_unknown_column(&cache))))
            .map(|(name, options)| ColumnFamilyDescriptor::new(name, options));
        let db = DB::open_cf_descriptors(&options::of_database(&options), path, columns).map_err(failed)?;
        Ok(Self {
            db: Arc::new(db),
            writer: Mutex::default(),
            synced: Mutex::default(),
            given_up: AtomicU64::new(0),
            forgotten,
        })
    }

    /// Returns whether there is a database in a directory, whosever it is. Fails if there is a part of one, or if that cannot
    /// be told.
    pub fn exists(path: impl AsRef<Path>) -> Result<bool, StoreError> {
        has_database(path.as_ref())
    }

    /// Turns a batch into RocksDB's.
    fn translate(&self, batch: Batch) -> WriteBatch {
        let mut rocks = WriteBatch::default();
        for column in batch.cleared {
            rocks.delete_range_cf(handle(&self.db, column), &[][..], &BEYOND_KEYS[..]);
        }
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

fn open_error(path: &Path, error: rocksdb::Error) -> StoreError {
    StoreError::Open { path: path.display().to_string(), reason: error.into_string() }
}

fn file_error(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Open { path: path.display().to_string(), reason: error.to_string() }
}

/// Returns whether there is a database in the directory, if there is one. Fails if there is what is left of one: RocksDB
/// would begin anew beside its tables, and delete them.
fn has_database(path: &Path) -> Result<bool, StoreError> {
    let failed = |error: io::Error| file_error(path, &error);
    if path.join(CURRENT_FILE).try_exists().map_err(failed)? {
        return Ok(true);
    }
    if !path.try_exists().map_err(failed)? {
        return Ok(false);
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|found| DATA_EXTENSIONS.iter().any(|data| found == *data)) {
            let (path, file) = (path.display().to_string(), file.display().to_string());
            return Err(StoreError::Remains { path, file });
        }
    }
    Ok(false)
}

/// Fails if the database's manifest or one of its logs is damaged; a log may be, if it is to be cut there.
fn check_files(path: &Path, cut_damaged_log: bool) -> Result<(), StoreError> {
    match log::find_damage(path).map_err(|error| file_error(path, &error))? {
        Some(Damage { is_log: true, .. }) if cut_damaged_log => Ok(()),
        Some(Damage { file, at, is_log }) => {
            Err(StoreError::Damaged { file: file.display().to_string(), at, is_log })
        }
        None => Ok(()),
    }
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
        let (writes, clears_history) = (batch.len(), batch.clears_history());
        let rocks = self.translate(batch);
        let write = || self.db.write(rocks).map_err(rocksdb::Error::into_string);
        let mut writer = self.writer.lock();
        if clears_history {
            // What compaction may drop are numbers of blocks, and those to come have numbers of their own.
            writer.clearings += 1;
            self.given_up.store(0, Ordering::Release);
            self.forgotten.store(0, Ordering::Release);
        }
        writer.attempt(write, |reason| StoreError::Write { writes, reason })
    }

    fn sync(&self) -> Result<(), StoreError> {
        #[cfg(feature = "failpoints")]
        if crate::Sabotage::AnswerBeforeSync.is_on() {
            return Ok(());
        }
        let (given_up, clearings) = {
            let writer = self.writer.lock();
            (self.given_up.load(Ordering::Acquire), writer.clearings)
        };
        self.sync_log()?;
        let writer = self.writer.lock();
        if writer.clearings == clearings {
            self.forgotten.fetch_max(given_up, Ordering::AcqRel);
        }
        Ok(())
    }

    fn forget_history(&self, tail: u64) {
        self.given_up.fetch_max(tail, Ordering::AcqRel);
        if tail.saturating_sub(self.forgotten.load(Ordering::Acquire)) >= FORGET_BLOCKS {
            // What fails now is told to the next who writes; until then nothing more is forgotten.
            let _ = self.sync();
        }
    }

    /// Files that do not change are shared with the copy, if both are on one file system.
    fn checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        let failed = |error: rocksdb::Error| open_error(path, error);
        Checkpoint::new(&self.db).map_err(failed)?.create_checkpoint(path).map_err(failed)
    }

    fn compact(&self, column: Column) -> Result<(), StoreError> {
        self.sync()?;
        // What only memory holds passes no filter.
        let column_family = handle(&self.db, column);
        self.db.flush_cf(column_family).map_err(|error| read_error(column, error))?;
        // Compaction moves files that overlap no others as they are, unless it is forced to look into them.
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.db.compact_range_cf_opt(column_family, None::<&[u8]>, None::<&[u8]>, &options);
        Ok(())
    }

    fn measures(&self) -> Vec<(Measure, u64)> {
        measures::read(&self.db)
    }
}

impl RocksStore {
    /// Brings everything written before this call to the disk.
    fn sync_log(&self) -> Result<(), StoreError> {
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
}

fn read_error(column: Column, error: rocksdb::Error) -> StoreError {
    StoreError::Read { column, reason: error.into_string() }
}

/// Remembers that a write failed. RocksDB may take later writes, and then nobody knows what is between them.
#[derive(Default)]
struct Writer {
    failure: Option<String>,
    /// How often history was cleared.
    clearings: u64,
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

    /// A tail that a power cut takes back, over tables that lack what is before it, would make later values look like
    /// earlier ones.
    #[test]
    fn nothing_is_forgotten_before_the_disk_knows() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = RocksStore::open(dir.path(), RocksOptions::default()).expect("opens");
        let forgotten = || store.forgotten.load(Ordering::Acquire);
        store.forget_history(3);
        assert_eq!(forgotten(), 0);
        store.sync().expect("syncs");
        assert_eq!(forgotten(), 3);
        store.forget_history(5);
        store.forget_history(2 + FORGET_BLOCKS);
        assert_eq!(forgotten(), 3);
        store.forget_history(3 + FORGET_BLOCKS);
        assert_eq!(forgotten(), 3 + FORGET_BLOCKS);
        store.forget_history(4 + FORGET_BLOCKS);
        store.compact(Column::Meta).expect("compacts");
        assert_eq!(forgotten(), 4 + FORGET_BLOCKS);
    }

    #[test]
    fn what_may_be_forgotten_of_one_history_is_kept_of_the_next() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = RocksStore::open(dir.path(), RocksOptions::default()).expect("opens");
        store.forget_history(2 + FORGET_BLOCKS);
        let mut batch = Batch::new();
        for column in Column::ALL {
            batch.clear(*column);
        }
        batch.put(Column::Changes, 1_u64.to_be_bytes(), [7]);
        store.write(batch).expect("writes");
        store.sync().expect("syncs");
        store.compact(Column::Changes).expect("compacts");
        let row = store.snapshot().get(Column::Changes, &1_u64.to_be_bytes());
        assert_eq!(row, Ok(Some(vec![7])));
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
