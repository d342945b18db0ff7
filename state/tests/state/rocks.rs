//! What only the store on disk can do: be somebody else's, be locked, fail to write, be cut short.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use alloy_primitives::U256;

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
    // At every end of a record, a byte before and after it, and in between.
    let ends = record_ends(&fs::read(&log).expect("reads"));
    assert!(ends.len() as u64 > BLOCKS && ends.last() == Some(&len), "{ends:?} of {len}");
    let around = ends.iter().flat_map(|&end| [end - 1, end, (end + 1).min(len)]);
    let cuts: BTreeSet<u64> = (0..=len).step_by(211).chain(around).collect();
    let mut heads = Vec::new();
    for cut in cuts.into_iter().rev() {
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

/// Bytes that rot: whatever a reader is told then is right, or an error.
#[test]
fn a_flipped_byte_is_an_error_and_never_a_wrong_answer() {
    const BLOCKS: u64 = 12;
    const FLIPS_PER_FILE: u64 = 2;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Arc::new(open_store(dir.path()).expect("opens"));
    let database = open(store.clone(), &Default::default()).expect("opens");
    for n in 1..=BLOCKS {
        let slots: Vec<_> = (0..20).map(|slot| (slot, (slot + n) % 5)).collect();
        let mut changes = set(address(1), info(n, n), &slots);
        changes.accounts.extend(set(address(n + 1), info(n, n), &[]).accounts);
        advance(&database, &changes);
        if n == BLOCKS / 2 {
            // Half of it in tables, half in the log.
            store.compact().expect("compacts");
        }
    }
    let roots: Vec<_> = {
        let view = database.view().expect("reads");
        (0..=BLOCKS).map(|n| view.at(n).expect("is kept").head().state_root).collect()
    };
    drop((database, store));

    let (mut refused, mut noticed, mut harmless) = (0, 0, 0);
    let data = files(dir.path()).into_iter().filter(|path| {
        // RocksDB writes these for people, or only locks them.
        let name = path.file_name().expect("a file").to_string_lossy();
        !["LOG", "LOCK", "IDENTITY", "OPTIONS"].iter().any(|start| name.starts_with(start))
    });
    for file in data {
        let len = fs::metadata(&file).expect("is there").len();
        for flip in 0..FLIPS_PER_FILE.min(len) {
            let at = usize::try_from((flip * 2 + 1) * len / (FLIPS_PER_FILE * 2)).expect("a small file");
            let copy = tempfile::tempdir().expect("a temporary directory");
            for other in files(dir.path()) {
                fs::copy(&other, copy.path().join(other.file_name().expect("a file"))).expect("copies");
            }
            let target = copy.path().join(file.file_name().expect("a file"));
            let mut bytes = fs::read(&target).expect("reads");
            bytes[at] ^= 0x10;
            fs::write(&target, bytes).expect("writes");
            let place = format!("byte {at} of {}", file.display());
            let opened = open_store(copy.path()).map_err(|error| error.to_string()).and_then(|store| {
                Database::open_existing(Arc::new(store), Default::default())
                    .map_err(|error| error.to_string())
            });
            let Ok(database) = opened else {
                refused += 1;
                continue;
            };
            let Ok(view) = database.view() else {
                refused += 1;
                continue;
            };
            // A log ends where it is damaged, as after a power cut: an earlier block is then the head.
            let head = view.head();
            assert_eq!(head.state_root, roots[usize::try_from(head.number).expect("small")], "{place}");
            for n in 0..=head.number {
                let Ok(past) = view.at(n) else { continue };
                if let Ok(found) = past.account(address(1)) {
                    assert_eq!(
                        found.map(|account| account.nonce),
                        (n > 0).then_some(n),
                        "{place}, block {n}"
                    );
                }
                for slot in 0..20_u64 {
                    let expected = if n == 0 { 0 } else { (slot + n) % 5 };
                    if let Ok(found) = past.storage(address(1), U256::from(slot)) {
                        assert_eq!(found, U256::from(expected), "{place}, block {n}, slot {slot}");
                    }
                }
                if let Ok(proof) = past.proof(address(1), &[U256::from(3)]) {
                    assert_eq!(proof.account.map(|account| account.nonce), (n > 0).then_some(n), "{place}");
                }
            }
            match view.verify() {
                Ok(report) if report.is_sound() => harmless += 1,
                _ => noticed += 1,
            }
        }
    }
    assert!(refused > 10 && noticed > 3, "refused {refused}, noticed {noticed}, harmless {harmless}");
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
