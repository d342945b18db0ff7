//! The contract of a store, without any chain.

use lathe_state::{Batch, Column, Snapshot};

use crate::{fixture::Home, on_every_store};

on_every_store! {
    a_scan_gives_the_keys_of_a_prefix_in_order
    a_later_write_of_a_batch_wins
    a_snapshot_is_frozen_while_it_is_scanned
    a_cleared_column_has_what_its_batch_puts
}

fn keys(snapshot: &dyn Snapshot, prefix: &[u8], from: &[u8]) -> Vec<Vec<u8>> {
    snapshot.scan(Column::Slot, prefix, from).map(|entry| entry.expect("reads").0).collect()
}

fn a_scan_gives_the_keys_of_a_prefix_in_order(home: &Home) {
    let store = home.store();
    let mut batch = Batch::new();
    let all: [&[u8]; 7] = [&[1], &[1, 0xff], &[2], &[2, 0], &[2, 0xff, 7], &[0xff, 0xff], &[0xff, 0xff, 3]];
    for key in all.iter().rev() {
        batch.put(Column::Slot, *key, *key);
        batch.put(Column::Account, [*key, &[9]].concat(), []);
    }
    store.write(batch).expect("writes");
    let snapshot = store.snapshot();
    // Prefix, first key, and which of the keys above are found.
    let rows: [(&[u8], &[u8], std::ops::Range<usize>); 11] = [
        (&[], &[], 0..7),
        (&[], &[2], 2..7),
        (&[], &[2, 1], 4..7),
        (&[1], &[], 0..2),
        (&[2], &[], 2..5),
        (&[2], &[1], 2..5),
        (&[2], &[2, 0], 3..5),
        (&[2], &[3], 5..5),
        (&[2, 0xff], &[], 4..5),
        (&[0xff, 0xff], &[], 5..7),
        (&[3], &[], 5..5),
    ];
    for (prefix, from, found) in rows {
        assert_eq!(keys(&*snapshot, prefix, from), all[found], "{prefix:02x?} from {from:02x?}");
    }
    assert_eq!(snapshot.scan(Column::Code, &[], &[]).count(), 0);
    assert_eq!(snapshot.get(Column::Slot, &[2, 0]).expect("reads"), Some(vec![2, 0]));
    assert_eq!(snapshot.get(Column::Slot, &[2, 1]).expect("reads"), None);
    assert_eq!(snapshot.get(Column::Account, &[1, 9]).expect("reads"), Some(Vec::new()));
}

fn a_later_write_of_a_batch_wins(home: &Home) {
    let store = home.store();
    let mut batch = Batch::new();
    assert!(batch.is_empty());
    batch.put(Column::Slot, "put", "old");
    batch.put(Column::Slot, "put", "new");
    batch.put(Column::Slot, "deleted", "x");
    batch.delete(Column::Slot, "deleted");
    batch.delete(Column::Slot, "back");
    batch.put(Column::Slot, "back", "x");
    batch.delete(Column::Slot, "never there");
    assert_eq!(batch.len(), 7);
    store.write(batch).expect("writes");
    assert_eq!(keys(&*store.snapshot(), &[], &[]), [b"back".as_slice(), b"put"]);
    assert_eq!(store.snapshot().get(Column::Slot, b"put").expect("reads"), Some(b"new".to_vec()));
}

fn a_snapshot_is_frozen_while_it_is_scanned(home: &Home) {
    let store = home.store();
    let put = |key: u8| {
        let mut batch = Batch::new();
        batch.put(Column::Slot, [key], [key]);
        batch.delete(Column::Slot, [key - 10]);
        store.write(batch).expect("writes");
    };
    (10..15).for_each(put);
    let snapshot = store.snapshot();
    let mut scan = snapshot.scan(Column::Slot, &[], &[]);
    assert_eq!(scan.next(), Some(Ok((vec![10], vec![10]))));
    (20..25).for_each(put);
    assert_eq!(scan.map(|entry| entry.expect("reads").0[0]).collect::<Vec<_>>(), [11, 12, 13, 14]);
    assert_eq!(snapshot.get(Column::Slot, &[10]).expect("reads"), Some(vec![10]));
    assert_eq!(keys(&*store.snapshot(), &[], &[]), [[20], [21], [22], [23], [24]]);
}

fn a_cleared_column_has_what_its_batch_puts(home: &Home) {
    let store = home.store();
    let mut batch = Batch::new();
    let before: [&[u8]; 4] = [&[], &[0], &[7, 7], &[0xff; 64]];
    for key in before {
        batch.put(Column::Slot, key, "old");
        batch.put(Column::Account, key, "other column");
    }
    store.write(batch).expect("writes");
    let frozen = store.snapshot();
    let mut batch = Batch::new();
    batch.put(Column::Slot, [7, 7], "new");
    batch.clear(Column::Slot);
    assert_eq!(batch.len(), 2);
    store.write(batch).expect("writes");
    assert_eq!(keys(&*store.snapshot(), &[], &[]), [[7, 7]]);
    assert_eq!(store.snapshot().get(Column::Slot, &[7, 7]), Ok(Some(b"new".to_vec())));
    assert_eq!(store.snapshot().scan(Column::Account, &[], &[]).count(), before.len());
    assert_eq!(keys(&*frozen, &[], &[]), before);
}
