//! What only the store on disk can do: be somebody else's, be locked, fail to write, be cut short.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy_primitives::{B256, U256};

use lathe_state::{
    Batch, Changes, Column, Database, RocksOptions, RocksStore, Snapshot, Store, StoreError, View,
};
use rocksdb::{DB, Options};

use crate::fixture::{Home, address, advance, compact, info, open, set};

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
    // At every end of a record, a byte before and after it, and in between.
    let ends = record_ends(&fs::read(&log).expect("reads"));
    assert!(ends.len() as u64 > BLOCKS && ends.last() == Some(&len), "{ends:?} of {len}");
    let around = ends.iter().flat_map(|&end| [end - 1, end, (end + 1).min(len)]);
    let cuts: BTreeSet<u64> = (0..=len).step_by(997).chain(around).collect();
    let mut heads = Vec::new();
    for cut in cuts.into_iter().rev() {
        let copy = copy_of(dir.path());
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

/// Returns where the records of a RocksDB log end. A log is blocks of 32 KiB; a record in a block has a checksum of four bytes,
/// a length of two, a type of one, and does not begin in the last six bytes of a block.
fn record_ends(log: &[u8]) -> Vec<u64> {
    const BLOCK: usize = 32 << 10;
    const HEADER: usize = 7;
    let (mut at, mut ends) = (0, Vec::new());
    while at + HEADER <= log.len() {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            at += left;
            continue;
        }
        at += HEADER + usize::from(u16::from_le_bytes([log[at + 4], log[at + 5]]));
        ends.push(at as u64);
    }
    ends
}

/// Bytes that rot: whatever a reader is told then is right and of the same head, or an error.
#[test]
fn a_flipped_byte_is_an_error_and_never_a_wrong_or_an_earlier_answer() {
    const BLOCKS: u64 = 12;
    // A log is refused before RocksDB opens anything, and so many flips of it take no longer than a few of a table.
    const FLIPS_PER_LOG: u64 = 200;
    const FLIPS_PER_TABLE: u64 = 2;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (roots, _) = rotting_chain(dir.path(), BLOCKS);

    let (mut refused, mut noticed, mut harmless) = (0, 0, 0);
    for file in files(dir.path()) {
        let name = file.file_name().expect("a file").to_string_lossy().into_owned();
        // RocksDB writes these for people, or only locks them.
        if ["LOG", "LOCK", "IDENTITY", "OPTIONS"].iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let len = fs::metadata(&file).expect("is there").len();
        let is_table = name.ends_with(".sst") || name.ends_with(".blob");
        let flips = if is_table { FLIPS_PER_TABLE } else { FLIPS_PER_LOG }.min(len);
        // Evenly, and the whole header of the last record wherever it is.
        let even = (0..flips).map(|flip| (flip * 2 + 1) * len / (flips * 2));
        let last = if is_table { 0 } else { len.min(150) };
        for (index, at) in even.chain(len - last..len).enumerate() {
            let copy = copy_of(dir.path());
            let place = format!("byte {at} of {name}");
            flip(&copy.path().join(&name), at, 1 << (index % 8));
            let opened = open_store(copy.path()).map_err(|error| error.to_string()).and_then(|store| {
                let database = Database::open_existing(Arc::new(store), Default::default());
                database.map_err(|error| error.to_string())
            });
            let Ok(view) = opened.and_then(|database| database.view().map_err(|error| error.to_string()))
            else {
                refused += 1;
                continue;
            };
            let head = view.head();
            assert_eq!(head.number, BLOCKS, "{place}");
            assert_eq!(head.state_root, roots[usize::try_from(head.number).expect("small")], "{place}");
            check_answers(&view, BLOCKS, &place);
            match view.verify() {
                Ok(report) if report.is_sound() => harmless += 1,
                _ => noticed += 1,
            }
        }
    }
    assert!(refused > 100 && noticed > 3, "refused {refused}, noticed {noticed}, harmless {harmless}");
}

/// Makes a chain half in tables and half in a log. Returns the root of each block, and where blocks begin in the log.
fn rotting_chain(dir: &Path, blocks: u64) -> (Vec<B256>, Vec<u64>) {
    let store = Arc::new(open_store(dir).expect("opens"));
    let database = open(store.clone(), &Default::default()).expect("opens");
    let mut begins = Vec::new();
    for n in 1..=blocks {
        let slots: Vec<_> = (0..20).map(|slot| (slot, (slot + n) % 5)).collect();
        let mut changes = set(address(1), info(n, n), &slots);
        changes.accounts.extend(set(address(n + 1), info(n, n), &[]).accounts);
        advance(&database, &changes);
        if n == blocks / 2 {
            compact(&*store);
        }
        if n >= blocks / 2 {
            begins.push(fs::metadata(last_log(dir)).expect("is there").len());
        }
    }
    let view = database.view().expect("reads");
    let roots = (0..=blocks).map(|n| view.at(n).expect("is kept").head().state_root).collect();
    (roots, begins)
}

/// Compares what a view of [`rotting_chain`] says of every block, where it says something.
fn check_answers(view: &View, blocks: u64, place: &str) {
    for n in 0..=blocks {
        let Ok(past) = view.at(n) else { continue };
        let nonce = (n > 0).then_some(n);
        if let Ok(found) = past.account(address(1)) {
            assert_eq!(found.map(|account| account.nonce), nonce, "{place}, block {n}");
        }
        for slot in 0..20_u64 {
            let expected = if n == 0 { 0 } else { (slot + n) % 5 };
            if let Ok(found) = past.storage(address(1), U256::from(slot)) {
                assert_eq!(found, U256::from(expected), "{place}, block {n}, slot {slot}");
            }
        }
        if let Ok(proof) = past.proof(address(1), &[U256::from(3)]) {
            assert_eq!(proof.account.map(|account| account.nonce), nonce, "{place}");
        }
    }
}

#[test]
fn a_damaged_log_says_where_and_can_be_cut_there() {
    const BLOCKS: u64 = 8;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (roots, begins) = rotting_chain(dir.path(), BLOCKS);
    let log = last_log(dir.path());
    for (kept, &at) in (BLOCKS / 2..BLOCKS).zip(&begins) {
        let copy = copy_of(dir.path());
        let damaged = copy.path().join(log.file_name().expect("a file"));
        flip(&damaged, at + 20, 1);
        let expected = StoreError::Damaged { file: damaged.display().to_string(), at, is_log: true };
        assert_eq!(open_store(copy.path()).err(), Some(expected.clone()));
        assert!(expected.to_string().contains("`lathe db cut-log`"), "{expected}");
        assert_eq!(open_store(copy.path()).err(), Some(expected), "being refused changes nothing");

        let options = RocksOptions { cut_damaged_log: true, ..Home::rocks_options() };
        drop(RocksStore::open(copy.path(), options).expect("opens"));
        let store = Arc::new(open_store(copy.path()).expect("is whole now"));
        let view = Database::open_existing(store, Default::default()).expect("opens").view().expect("reads");
        assert_eq!(view.head().number, kept);
        assert_eq!(view.head().state_root, roots[usize::try_from(kept).expect("small")]);
        let report = view.verify().expect("reads");
        assert!(report.is_sound(), "{:?}", report.faults);
    }
}

#[test]
fn what_is_left_of_a_database_is_not_begun_anew() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    rotting_chain(dir.path(), 4);
    let before =
        || files(dir.path()).into_iter().map(|file| fs::read(file).expect("reads")).collect::<Vec<_>>();
    fs::remove_file(dir.path().join("CURRENT")).expect("removes");
    let left = before();
    let error = open_store(dir.path()).err();
    assert!(matches!(error, Some(StoreError::Remains { .. })), "{error:?}");
    assert!(before() == left, "nothing was touched");

    let file = dir.path().join("file");
    fs::write(&file, "text").expect("writes");
    let error = open_store(&file).err().expect("is no directory").to_string();
    assert!(error.contains("Not a directory") && error.contains("file"), "{error}");
    assert_eq!(fs::read_to_string(&file).expect("is there"), "text");
}

/// Files that end too early: nothing is told that is not true.
#[test]
fn a_truncated_file_is_an_error_and_never_a_wrong_answer() {
    const BLOCKS: u64 = 6;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (roots, _) = rotting_chain(dir.path(), BLOCKS);
    let mut refused = 0;
    for file in files(dir.path()) {
        let name = file.file_name().expect("a file").to_string_lossy().into_owned();
        let len = fs::metadata(&file).expect("is there").len();
        let is_data = name.ends_with(".sst") || name.starts_with("MANIFEST") || name == "CURRENT";
        for keep in [len / 2, len.saturating_sub(1)].into_iter().filter(|_| is_data) {
            let copy = copy_of(dir.path());
            let target = fs::OpenOptions::new().write(true).open(copy.path().join(&name)).expect("opens");
            target.set_len(keep).expect("cuts");
            let place = format!("{name} cut at {keep} of {len}");
            let Ok(store) = open_store(copy.path()) else {
                refused += 1;
                continue;
            };
            let Ok(database) = Database::open_existing(Arc::new(store), Default::default()) else {
                refused += 1;
                continue;
            };
            let view = database.view().expect("reads");
            // A manifest may end early as a log may: the log still has what it does not tell of.
            assert_eq!(view.head().number, BLOCKS, "{place}");
            assert_eq!(view.head().state_root, roots[usize::try_from(BLOCKS).expect("small")], "{place}");
            check_answers(&view, BLOCKS, &place);
        }
    }
    assert!(refused > 20, "{refused} refused");
}

/// Copies a directory of files.
fn copy_of(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for file in files(dir) {
        fs::copy(&file, copy.path().join(file.file_name().expect("a file"))).expect("copies");
    }
    copy
}

fn flip(file: &Path, at: u64, bits: u8) {
    let mut bytes = fs::read(file).expect("reads");
    bytes[usize::try_from(at).expect("a small file")] ^= bits;
    fs::write(file, bytes).expect("writes");
}

/// Returns the newest log of a database.
fn last_log(dir: &Path) -> PathBuf {
    let logs = files(dir).into_iter().filter(|path| path.extension().is_some_and(|found| found == "log"));
    logs.max().expect("there is a log")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists").path()).collect()
}

/// Snapshots are used from other threads, and keep the database alive.
#[test]
fn stores_and_snapshots_can_be_shared() {
    fn shared<T: Send + Sync + ?Sized>() {}
    shared::<RocksStore>();
    shared::<dyn Store>();
    shared::<dyn Snapshot>();
    shared::<View>();
    shared::<Database>();
}
