//! How RocksDB is set up: what each column is tuned for, and the filter that lets compaction forget.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use rocksdb::{BlockBasedOptions, Cache, CompactionDecision, DBCompressionType, DBRecoveryMode, Options};

use crate::store::{Column, HISTORY, trailing_number};

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
/// Threads that open table files at the start: the default of 16 are made even if there is no file.
const FILE_OPENING_THREADS: i32 = 2;
/// The log may grow to this many times the memtables before idle columns are flushed to shorten it.
const WAL_MEMTABLES_MAX: u64 = 4;
/// RocksDB's own log, for people: one file before and one after a restart is enough.
const INFO_LOG_FILES: usize = 2;
/// Size at which RocksDB's own log is rolled.
const INFO_LOG_BYTES: usize = 1 << 20;

/// What a [`RocksStore`](super::RocksStore) may use of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Bytes of the cache that all columns share.
    pub cache_bytes: usize,
    /// Bytes that all columns together keep in memory before writing a table.
    pub memtable_bytes: usize,
    /// Whether a damaged log is cut at its first damage instead of refused. The blocks after it are lost.
    pub cut_damaged_log: bool,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20, memtable_bytes: 64 << 20, cut_damaged_log: false }
    }
}

/// Returns the options of the database as a whole.
pub(super) fn of_database(options: &RocksOptions) -> Options {
    let mut db = Options::default();
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    // Stops at the first torn record, which a crash can leave at the log's end, and never takes up again after it. The modes
    // that refuse damage either refuse what a crash leaves, too, or go on with the next log after a torn one.
    db.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    db.set_track_and_verify_wals_in_manifest(true);
    db.set_paranoid_checks(true);
    db.set_max_open_files(OPEN_FILES_MAX);
    db.set_max_file_opening_threads(FILE_OPENING_THREADS);
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    db.set_max_background_jobs(i32::try_from(jobs).unwrap_or(i32::MAX).max(2));
    db.set_db_write_buffer_size(options.memtable_bytes);
    db.set_max_total_wal_size(WAL_MEMTABLES_MAX * options.memtable_bytes as u64);
    db.set_keep_log_file_num(INFO_LOG_FILES);
    db.set_max_log_file_size(INFO_LOG_BYTES);
    db.set_stats_dump_period_sec(0);
    db
}

/// Returns the options of a column that this build does not know.
pub(super) fn of_unknown_column(cache: &Cache) -> Options {
    column_options(None, cache)
}

/// Returns the options of one of our columns. Compaction drops what is `forgotten` of its history.
pub(super) fn of_column(column: Column, cache: &Cache, forgotten: &Arc<AtomicU64>) -> Options {
    let mut options = column_options(Some(column), cache);
    if HISTORY.contains(&column) {
        options.set_compaction_filter("history", history_filter(Arc::clone(forgotten)));
    }
    options
}

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
        Some(
            Column::Account
            | Column::Slot
            | Column::Code
            | Column::Preimage
            | Column::HashNumber
            | Column::Written
            | Column::Origin,
        ) => {
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
}
