//! What only the store on disk can do: be somebody else's, be locked, fail to write, be cut short.

use std::{fs, path::Path, sync::Arc};

use lathe_state::{Batch, Changes, Column, Database, RocksOptions, RocksStore, Snapshot, Store, StoreError};
use rocksdb::{DB, Options};

use crate::fixture::{Home, address, advance, info, open, set};

fn open_store(path: &Path) -> Result<RocksStore, StoreError> {
    RocksStore::open(path, Home::rocks_options())
}

#[test]
fn a_database_of_others_is_refused_and_left_alone() {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let dir = tempfile::tempdir().expect("a temporary directory");

    let path = dir.path().join("columns");
    drop(DB::open_cf(&options, &path, ["default", "theirs"]).expect("opens"));
    let expected =
        StoreError::Foreign { path: path.display().to_string(), columns: "default, theirs".to_owned() };
    assert_eq!(open_store(&path).err(), Some(expected));
    assert_eq!(DB::list_cf(&options, &path).expect("lists"), ["default", "theirs"]);

    let path = dir.path().join("plain");
    DB::open(&options, &path).expect("opens").put("their", "key").expect("writes");
    assert!(matches!(open_store(&path), Err(StoreError::Foreign { .. })));
    assert_eq!(DB::list_cf(&options, &path).expect("lists"), ["default"]);
}

#[test]
fn a_creation_that_was_cut_short_is_finished() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut options = Options::default();
    options.create_if_missing(true);
    drop(DB::open(&options, dir.path()).expect("opens"));
    let store = Arc::new(open_store(dir.path()).expect("opens"));
    advance(&open(store, &Default::default()).expect("opens"), &set(address(1), info(1, 1), &[]));
    assert_eq!(DB::list_cf(&options, dir.path()).expect("lists").len(), Column::ALL.len() + 1);
}

#[test]
fn a_column_of_a_later_build_does_not_keep_the_store_shut() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    drop(open_store(dir.path()).expect("opens"));
    let names = || DB::list_cf(&Options::default(), dir.path()).expect("lists");
    let mut db = DB::open_cf(&Options::default(), dir.path(), names()).expect("opens");
    db.create_cf("later", &Options::default()).expect("creates");
    drop(db);
    drop(open_store(dir.path()).expect("opens"));
    assert!(names().contains(&"later".to_owned()));
}

#[test]
fn a_directory_is_open_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = open_store(dir.path()).expect("opens");
    let Err(StoreError::Open { path, reason }) = open_store(dir.path()) else { panic!("opened twice") };
    assert_eq!(path, dir.path().display().to_string());
    assert!(reason.contains("LOCK"), "{reason}");
    // A snapshot keeps the database open.
    let snapshot = store.snapshot();
    drop(store);
    assert!(open_store(dir.path()).is_err());
    drop(snapshot);
    assert!(open_store(dir.path()).is_ok());
}

#[test]
fn after_a_failed_write_every_write_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = open_store(dir.path()).expect("opens");
    let megabyte = || {
        let mut batch = Batch::new();
        batch.put(Column::Code, "key", vec![7; 1 << 20]);
        batch
    };
    store.write(megabyte()).expect("writes");
    // With its directory gone, RocksDB fails when it turns to the next log file, which a full memtable makes it do.
    fs::remove_dir_all(dir.path()).expect("removes");
    let error = (0..64).find_map(|_| store.write(megabyte()).err()).expect("some write fails");
    let StoreError::Write { writes: 1, reason } = error else { panic!("{error}") };
    assert_eq!(store.write(Batch::new()), Err(StoreError::Failed { reason: reason.clone() }));
    assert_eq!(store.write(megabyte()), Err(StoreError::Failed { reason }));
    let value = store.snapshot().get(Column::Code, b"key").expect("reads");
    assert_eq!(value.map(|value| value.len()), Some(1 << 20));
}

/// What a power cut does: the log ends anywhere. The chain must then end with a whole block.
#[test]
fn a_log_cut_anywhere_ends_at_a_whole_block() {
    const BLOCKS: u64 = 6;
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Nothing is flushed, so that one log has it all.
    let options = RocksOptions { memtable_bytes: 64 << 20, ..Home::rocks_options() };
    let store = Arc::new(RocksStore::open(dir.path(), options).expect("opens"));
    let database = open(store, &Default::default()).expect("opens");
    for n in 1..=BLOCKS {
        let mut changes = Changes::default();
        for account in 0..4 {
            changes.accounts.extend(set(address(account * n), info(n, n), &[(n, n), (n - 1, 0)]).accounts);
        }
        advance(&database, &changes);
    }
    drop(database);
    let logs =
        || files(dir.path()).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "log"));
    let log = logs().next().expect("there is a log");
    assert_eq!(logs().count(), 1);
    let len = fs::metadata(&log).expect("is there").len();
    let mut heads = Vec::new();
    for cut in (0..=len).rev().step_by(211) {
        let copy = tempfile::tempdir().expect("a temporary directory");
        for file in files(dir.path()) {
            fs::copy(&file, copy.path().join(file.file_name().expect("a file"))).expect("copies");
        }
        let log = copy.path().join(log.file_name().expect("a file"));
        fs::OpenOptions::new().write(true).open(log).expect("opens").set_len(cut).expect("cuts");
        let store = Arc::new(open_store(copy.path()).expect("opens"));
        let Ok(database) = Database::open_existing(store, Default::default()) else {
            // Not even genesis is whole, and so nothing is there.
            heads.push(None);
            continue;
        };
        let view = database.view().expect("reads");
        heads.push(Some(view.head().number));
        let report = view.verify().expect("reads");
        assert!(report.is_sound(), "cut at {cut} of {len}: {:?}", report.faults);
    }
    assert!(heads.is_sorted_by(|later, earlier| later >= earlier), "{heads:?}");
    heads.dedup();
    let every: Vec<_> = (0..=BLOCKS).rev().map(Some).chain([None]).collect();
    assert_eq!(heads, every, "each block was the last one of some cut");
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists").path()).collect()
}

/// Snapshots are used from other threads, and keep the database alive.
#[test]
fn stores_and_snapshots_can_be_shared() {
    fn shared<T: Send + Sync + ?Sized>() {}
    shared::<RocksStore>();
    shared::<dyn Store>();
    shared::<dyn Snapshot>();
    shared::<lathe_state::View>();
    shared::<Database>();
}
