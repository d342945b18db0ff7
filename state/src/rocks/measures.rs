//! What RocksDB tells of itself.

use std::fs;

use rocksdb::{DB, properties as property};

use super::handle;
use crate::{measure::Measure, store::Column};

/// Returns every measure that the database knows.
pub(super) fn read(db: &DB) -> Vec<(Measure, u64)> {
    Measure::ALL.iter().filter_map(|&measure| Some((measure, value(db, measure)?))).collect()
}

fn value(db: &DB, measure: Measure) -> Option<u64> {
    let whole = |name| db.property_int_value(name).ok().flatten();
    // These are told for each column.
    let sum = |name: &property::PropName| {
        let of_column = |column: &Column| db.property_int_value_cf(handle(db, *column), name).ok().flatten();
        Column::ALL.iter().map(of_column).sum::<Option<u64>>()
    };
    match measure {
        Measure::TableBytes => sum(property::TOTAL_SST_FILES_SIZE),
        Measure::LiveDataBytes => sum(property::ESTIMATE_LIVE_DATA_SIZE),
        Measure::LogBytes => log_bytes(db),
        Measure::MemtableBytes => sum(property::CUR_SIZE_ALL_MEM_TABLES),
        Measure::FullMemtables => sum(property::NUM_IMMUTABLE_MEM_TABLE),
        Measure::PendingCompactionBytes => sum(property::ESTIMATE_PENDING_COMPACTION_BYTES),
        // All columns share one cache.
        Measure::BlockCacheBytes => {
            db.property_int_value_cf(handle(db, Column::Meta), property::BLOCK_CACHE_USAGE).ok()?
        }
        Measure::BlockCacheCapacityBytes => {
            db.property_int_value_cf(handle(db, Column::Meta), property::BLOCK_CACHE_CAPACITY).ok()?
        }
        Measure::RunningCompactions => whole(property::NUM_RUNNING_COMPACTIONS),
        Measure::RunningFlushes => whole(property::NUM_RUNNING_FLUSHES),
        Measure::WritesStopped => whole(property::IS_WRITE_STOPPED),
        Measure::DelayedWriteBytesPerSecond => whole(property::ACTUAL_DELAYED_WRITE_RATE),
        Measure::Snapshots => whole(property::NUM_SNAPSHOTS),
    }
}

/// Returns the size of the files of the write-ahead log, which no property tells.
fn log_bytes(db: &DB) -> Option<u64> {
    let files = fs::read_dir(db.path()).ok()?;
    let size = |file: fs::DirEntry| {
        let is_log = file.path().extension().is_some_and(|extension| extension == "log");
        // A file may go while it is looked at.
        if is_log { file.metadata().map_or(0, |metadata| metadata.len()) } else { 0 }
    };
    Some(files.filter_map(Result::ok).map(size).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, RocksStore, Store};

    #[test]
    fn what_is_written_shows_in_the_measures() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = RocksStore::open(dir.path(), Default::default()).expect("a store");
        let measured = |measure| {
            let all = store.measures();
            let found = all.iter().find(|(found, _)| *found == measure);
            found.unwrap_or_else(|| panic!("{measure:?} is missing in {all:?}")).1
        };
        for measure in Measure::ALL {
            measured(*measure);
        }
        let before = (measured(Measure::LogBytes), measured(Measure::MemtableBytes));
        let mut batch = Batch::new();
        batch.put(Column::Code, b"key".to_vec(), vec![7; 100_000]);
        store.write(batch).expect("a write");
        let after = (measured(Measure::LogBytes), measured(Measure::MemtableBytes));
        assert!(after.0 >= before.0 + 100_000, "the log has it: {before:?} {after:?}");
        assert!(after.1 >= before.1 + 100_000, "and so has memory: {before:?} {after:?}");
        assert_eq!((measured(Measure::TableBytes), measured(Measure::WritesStopped)), (0, 0));
        store.compact(Column::Code).expect("a compaction");
        assert!(measured(Measure::TableBytes) > 0);
        let _view = store.snapshot();
        assert_eq!(measured(Measure::Snapshots), 1);
    }
}
