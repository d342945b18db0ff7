//! `verify` finds each kind of damage, and reading damaged entries is an error that says where they are.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, hex, keccak256};
use lathe_state::{
    AccountChange, AccountInfo, Batch, BlockFault, Changes, Column, CorruptEntry, Database, Fault,
    RecordError, StateError, Store, TrieFault,
};

use crate::{
    fixture::{Home, address, advance, info, set},
    on_every_store,
};

on_every_store! {
    a_sound_chain_has_no_faults
    each_damage_is_a_fault
    each_damage_of_the_trie_is_a_fault
    each_damage_of_the_history_is_a_fault
    a_damaged_trie_is_repaired_and_damaged_leaves_are_not
    a_repair_says_what_is_wrong_with_the_history
    bytes_that_do_not_decode_are_an_error_with_their_place
    a_slot_that_does_not_decode_is_an_error_with_its_place
}

/// A chain of three blocks with storage and code.
fn chain(home: &Home) -> (std::sync::Arc<dyn Store>, Database) {
    let store = home.store();
    let database = crate::fixture::open(store.clone(), &Default::default()).expect("opens");
    let code = vec![0xef, 0x4c, 0];
    let code_hash = keccak256(&code);
    let contract = AccountChange {
        info: Some(AccountInfo { code_hash, ..info(1, 0) }),
        storage: (1..20).map(|slot| (U256::from(slot), U256::from(slot))).collect(),
        storage_wiped: false,
    };
    advance(
        &database,
        &Changes { accounts: [(address(1), contract)].into(), codes: [(code_hash, code.into())].into() },
    );
    advance(&database, &set(address(2), info(0, 10), &[]));
    advance(&database, &set(address(3), info(7, 0), &[(1, 1)]));
    (store, database)
}

fn a_sound_chain_has_no_faults(home: &Home) {
    let (_store, database) = chain(home);
    let report = database.view().expect("reads").verify().expect("reads");
    assert_eq!(report.faults, []);
    assert!(report.is_sound());
    assert_eq!((report.accounts, report.slots, report.blocks), (3, 20, 4));
    assert_eq!(report.head, database.view().expect("reads").head());
}

fn hashed(address: Address) -> Vec<u8> {
    keccak256(address).to_vec()
}

fn hashed_slot(slot: u64) -> Vec<u8> {
    keccak256(U256::from(slot).to_be_bytes::<32>()).to_vec()
}

/// Does the damage to a sound chain and returns what is found.
fn faults(home: &Home, damage: impl Fn(&dyn Store, &Database, &mut Batch)) -> Vec<Fault> {
    let home = match home {
        Home::Memory(_) => Home::memory(),
        #[cfg(feature = "rocksdb")]
        Home::Rocks(_) => Home::rocks(),
    };
    let (store, database) = chain(&home);
    let mut batch = Batch::new();
    damage(&*store, &database, &mut batch);
    assert!(!batch.is_empty());
    store.write(batch).expect("writes");
    let report = database.view().expect("reads").verify().expect("reads");
    assert_eq!(report.faults_found, report.faults.len() as u64);
    report.faults
}

fn each_damage_is_a_fault(home: &Home) {
    // An account's balance is not what the block made it.
    let found = faults(home, |_, _, batch| {
        batch.put(Column::Account, hashed(address(2)), hex!("01 00 2c 00 00"));
    });
    let [Fault::Trie(ref fault), Fault::StateRoot { number: 3, .. }] = found[..] else { panic!("{found:?}") };
    assert_eq!(fault.fault, TrieFault::Reference);

    let found = faults(home, |_, _, batch| batch.delete(Column::Account, hashed(address(2))));
    let [Fault::Trie(ref fault), Fault::StateRoot { .. }] = found[..] else { panic!("{found:?}") };
    assert_eq!(fault.fault, TrieFault::LeafMissing);

    let found = faults(home, |_, _, batch| batch.delete(Column::Account, hashed(address(1))));
    let hashed_address = keccak256(address(1));
    assert!(found.contains(&Fault::OrphanSlots { hashed_address, slots: 19 }), "{found:?}");

    let found = faults(home, |_, _, batch| {
        batch.put(Column::Account, hashed(address(4)), hex!("01 00 00 00 00"));
    });
    let hashed_address = keccak256(address(4));
    assert!(found.contains(&Fault::PreimageMissing { hash: hashed_address }), "{found:?}");

    // A slot is gone, and one is there that should not be.
    let slot = |n| [hashed(address(3)), hashed_slot(n)].concat();
    for damage in [1, 2] {
        let found = faults(home, |_, _, batch| match damage {
            1 => batch.delete(Column::Slot, slot(1)),
            _ => batch.put(Column::Slot, slot(2), hex!("01 05")),
        });
        let [.., Fault::Trie(ref fault), Fault::StorageRoot { hashed_address, .. }] = found[..] else {
            panic!("{found:?}")
        };
        let expected = if damage == 1 { TrieFault::LeafMissing } else { TrieFault::LeafUnknown };
        assert_eq!(fault.fault, expected);
        assert_eq!(hashed_address, keccak256(address(3)));
    }

    let code_hash = keccak256(hex!("ef4c00"));
    let found = faults(home, |_, _, batch| batch.delete(Column::Code, code_hash.as_slice()));
    assert_eq!(found, [Fault::CodeMissing { hashed_address: keccak256(address(1)), code_hash }]);
    let found = faults(home, |_, _, batch| batch.put(Column::Code, code_hash.as_slice(), []));
    let key = code_hash.to_vec();
    assert_eq!(found, [Fault::Hash { column: Column::Code, key, computed: KECCAK256_EMPTY }]);

    let found = faults(home, |_, _, batch| batch.delete(Column::Preimage, hashed_slot(19)));
    assert_eq!(found, [Fault::PreimageMissing { hash: B256::from_slice(&hashed_slot(19)) }]);

    let found = faults(home, |_, database, batch| {
        let view = database.view().expect("reads");
        let hash = view.hash_by_number(2).expect("reads").expect("is there");
        batch.delete(Column::HashNumber, hash.as_slice());
        let tx = &view.body(1).expect("reads").expect("is there")[1];
        batch.delete(Column::TxLookup, keccak256(&tx.raw).as_slice());
        batch.put(Column::Canon, 4_u64.to_be_bytes(), []);
        batch.delete(Column::Canon, 0_u64.to_be_bytes());
    });
    let blocks: Vec<_> = found
        .iter()
        .filter_map(|fault| match fault {
            Fault::Block { number, what } => Some((*number, what)),
            // The past of block 0 cannot be told without its hash.
            Fault::History { number: 0, .. } => None,
            other => panic!("{other}"),
        })
        .collect();
    assert!(
        matches!(
            blocks[..],
            [
                (2, BlockFault::HashNumber { found: None, .. }),
                (1, BlockFault::TxPosition { index: 1, found: None, .. }),
                (0, BlockFault::Absent),
                (4, BlockFault::BeyondHead),
            ]
        ),
        "{blocks:?}"
    );

    // The record of block 1's header under the hash of block 2.
    let found = faults(home, |store, database, batch| {
        let hash = |number| {
            database.view().expect("reads").hash_by_number(number).expect("reads").expect("is there")
        };
        let key = |number: u64| [&number.to_be_bytes(), hash(number).as_slice()].concat();
        let first = store.snapshot().get(Column::Header, &key(1)).expect("reads").expect("is there");
        batch.put(Column::Header, key(2), first);
    });
    assert!(
        matches!(found[0], Fault::Block { number: 2, what: BlockFault::Number { found: 1 } })
            && matches!(found[1], Fault::Block { number: 1, what: BlockFault::Link { .. } }),
        "{found:?}"
    );
}

/// Returns the trie's faults of a chain whose records are damaged, as kind and key.
fn trie_faults(home: &Home, damage: impl Fn(&dyn Store, &mut Batch)) -> Vec<(TrieFault, Vec<u8>)> {
    let found = faults(home, |store, _, batch| damage(store, batch));
    found
        .into_iter()
        .map(|fault| match fault {
            Fault::Trie(fault) => (fault.fault, fault.key),
            other => panic!("{other}"),
        })
        .collect()
}

fn each_damage_of_the_trie_is_a_fault(home: &Home) {
    let owner = hashed(address(1));
    let root = || (Column::TrieStorage, owner.clone());
    let record = |store: &dyn Store, (column, key): (Column, Vec<u8>)| {
        store.snapshot().get(column, &key).expect("reads").expect("is there")
    };
    // A record that was left behind, below and between others, and one of an account that is not there.
    for key in [vec![0xf, 0xf, 0xf, 0xf, 0xf], vec![0, 0, 0, 0, 0, 0, 1]] {
        let at = [owner.as_slice(), &key].concat();
        let found = trie_faults(home, |store, batch| {
            batch.put(Column::TrieStorage, at.as_slice(), record(store, root()));
        });
        assert_eq!(found, [(TrieFault::Orphan, at)]);
    }
    for nobody in [vec![0; 32], vec![0xff; 32]] {
        let found = trie_faults(home, |store, batch| {
            batch.put(Column::TrieStorage, nobody.as_slice(), record(store, root()));
        });
        assert_eq!(found, [(TrieFault::Orphan, nobody)]);
    }
    // A record that is gone: what is below it is not looked at, nor taken for orphans.
    let below = |store: &dyn Store| {
        let snapshot = store.snapshot();
        let below = snapshot.scan(Column::TrieStorage, &owner, &[]).nth(1);
        below.expect("nineteen slots have a branch below the root").expect("reads").0
    };
    let first = std::cell::RefCell::new(Vec::new());
    let found = trie_faults(home, |store, batch| {
        *first.borrow_mut() = below(store);
        batch.delete(Column::TrieStorage, first.borrow().as_slice());
    });
    assert_eq!(found, [(TrieFault::Missing, first.take())]);
    // A record with one bit changed, and one that does not decode.
    let found = trie_faults(home, |store, batch| {
        let mut bytes = record(store, root());
        let last = bytes.last_mut().expect("is not empty");
        *last ^= 1;
        batch.put(Column::TrieStorage, owner.as_slice(), bytes);
    });
    assert!(found.contains(&(TrieFault::Reference, owner.clone())), "{found:?}");
    let found = faults(home, |_, _, batch| batch.put(Column::TrieStorage, owner.as_slice(), [1, 2]));
    assert!(matches!(&found[..], [Fault::Corrupt(entry)] if entry.key == owner), "{found:?}");
}

fn a_damaged_trie_is_repaired_and_damaged_leaves_are_not(home: &Home) {
    let (store, database) = chain(home);
    let sound = |store: &dyn Store| {
        let snapshot = store.snapshot();
        [Column::TrieAccount, Column::TrieStorage]
            .map(|column| snapshot.scan(column, &[], &[]).collect::<Result<Vec<_>, _>>().expect("reads"))
    };
    let before = sound(&*store);
    let repair = database.repair_trie(&mut |_| ()).expect("repairs");
    assert_eq!((repair.written, repair.deleted), (0, 0));
    assert_eq!(repair.records, before.iter().map(|records| records.len() as u64).sum::<u64>());

    let mut batch = Batch::new();
    batch.delete(Column::TrieAccount, []);
    // Under a leaf, beside the path of a nibble, and under another path that is whole in itself.
    batch.put(Column::TrieAccount, [1, 1, 1, 1, 1], before[0][0].1.as_slice());
    batch.put(Column::TrieAccount, [0x77], before[0][0].1.as_slice());
    batch.put(Column::TrieStorage, hashed(address(1)), [9]);
    batch.put(Column::TrieStorage, hashed(address(77)), [9]);
    let of_nobody = [hashed(address(77)), vec![1]].concat();
    batch.put(Column::TrieStorage, of_nobody, before[1][0].1.as_slice());
    batch.put(Column::TrieStorage, [7], before[1][0].1.as_slice());
    store.write(batch).expect("writes");
    assert!(!database.view().expect("reads").verify().expect("reads").is_sound());
    let repair = database.repair_trie(&mut |_| ()).expect("repairs");
    assert_eq!((repair.written, repair.deleted), (2, 5));
    assert_eq!(sound(&*store), before);
    assert!(database.view().expect("reads").verify().expect("reads").is_sound());
    advance(&database, &set(address(5), info(1, 1), &[(1, 1)]));

    let before = sound(&*store);
    let mut batch = Batch::new();
    batch.delete(Column::TrieAccount, []);
    batch.delete(Column::Slot, [hashed(address(3)), hashed_slot(1)].concat());
    store.write(batch).expect("writes");
    let error = database.repair_trie(&mut |_| ()).expect_err("a slot is gone");
    assert!(
        matches!(&error, StateError::Trie(fault) if matches!(fault.fault, TrieFault::Leaves { block: 4, .. })),
        "{error}"
    );
    assert_eq!(sound(&*store)[1], before[1]);
    assert_eq!(sound(&*store)[0], before[0][1..]);
}

fn a_repair_says_what_is_wrong_with_the_history(home: &Home) {
    let (store, database) = chain(home);
    let repair = database.repair_trie(&mut |_| ()).expect("repairs");
    assert_eq!(repair.history, (Vec::new(), 0));
    let mut batch = Batch::new();
    for column in [Column::Hist, Column::TrieHist] {
        let (key, _) =
            store.snapshot().scan(column, &[], &[]).next().expect("there are rows").expect("reads");
        batch.delete(column, key);
    }
    batch.delete(Column::TrieAccount, []);
    store.write(batch).expect("writes");
    let faults = database.repair_trie(&mut |_| ()).expect("repairs").history;
    let report = database.view().expect("reads").verify().expect("reads");
    // The trie is whole again, and nothing but the history is wrong.
    assert!(faults.1 > 1 && (report.faults, report.faults_found) == faults);
    let head = report.head.number;
    assert_eq!(database.prune(0).expect("prunes"), head);
    let report = database.view().expect("reads").verify().expect("reads");
    assert!(report.is_sound(), "{:?}", report.faults);
    assert_eq!(database.repair_trie(&mut |_| ()).expect("repairs").history, (Vec::new(), 0));
}

fn each_damage_of_the_history_is_a_fault(home: &Home) {
    let first_row = |store: &dyn Store, column| {
        let snapshot = store.snapshot();
        snapshot.scan(column, &[], &[]).next().expect("there are rows").expect("reads")
    };
    for column in [Column::Hist, Column::TrieHist] {
        let found = faults(home, |store, _, batch| batch.delete(column, first_row(store, column).0));
        assert!(matches!(&found[..], [Fault::History { .. }, Fault::HistoryRows { .. }]), "{found:?}");
    }
    // A row says that there was an account where there was none.
    let found = faults(home, |store, _, batch| {
        let (key, value) = first_row(store, Column::Hist);
        assert_eq!(value, []);
        batch.put(Column::Hist, key, hex!("01 00 2c 00 00"));
    });
    assert!(matches!(&found[..], [Fault::History { .. }]), "{found:?}");
    // A row names another leaf than the one that stood there.
    let is_leaf_row = |value: &[u8]| value.first() == Some(&0x80);
    let mut named = 0;
    for other in [keccak256(address(77)), keccak256(address(2))] {
        let found = faults(home, |store, _, batch| {
            let snapshot = store.snapshot();
            let entries = snapshot.scan(Column::TrieHist, &[], &[]).map(|entry| entry.expect("reads"));
            for (key, _) in entries.filter(|(_, value)| is_leaf_row(value)) {
                batch.put(Column::TrieHist, key, [&[0x80], other.as_slice()].concat());
            }
        });
        assert!(found.iter().all(|fault| matches!(fault, Fault::History { .. })), "{found:?}");
        named += found.len();
    }
    assert!(named >= 2, "a row that names a leaf is looked at");
    // A row that no block lists.
    let found = faults(home, |store, _, batch| {
        let (mut key, value) = first_row(store, Column::Hist);
        key[1] ^= 1;
        batch.put(Column::Hist, key, value);
    });
    assert!(matches!(found[..], [Fault::HistoryRows { .. }]), "{found:?}");
    let found = faults(home, |_, _, batch| batch.delete(Column::Changes, 2_u64.to_be_bytes()));
    assert!(matches!(&found[..], [Fault::Missing(_), Fault::HistoryRows { .. }]), "{found:?}");
}

fn bytes_that_do_not_decode_are_an_error_with_their_place(home: &Home) {
    let (store, database) = chain(home);
    let key = hashed(address(1));
    let corrupt = |value: &[u8]| {
        let mut batch = Batch::new();
        batch.put(Column::Account, key.as_slice(), value);
        store.write(batch).expect("writes");
        match database.view().expect("reads").account(address(1)) {
            Err(StateError::Corrupt(entry)) => entry,
            other => panic!("{other:?}"),
        }
    };
    let entry = |reason| CorruptEntry { column: Column::Account, key: key.clone(), reason };
    assert_eq!(corrupt(&[]), entry(RecordError::Empty));
    assert_eq!(corrupt(&hex!("02 00 00 00 00")), entry(RecordError::Version { found: 2, expected: 1 }));
    assert_eq!(corrupt(&hex!("01 04 00 00 00 00 00")), entry(RecordError::Trailing { len: 2 }));
    assert!(matches!(corrupt(&hex!("01 04 00 02 00")).reason, RecordError::Scale(_)));
    assert!(matches!(corrupt(&hex!("01 04 00 01 ff")).reason, RecordError::Scale(_)));

    let text = corrupt(&[9]).to_string();
    assert_eq!(
        text,
        format!("database entry acct/0x{}: version 9, this build reads version 1", hex::encode(&key))
    );
    // Whatever needs the account fails as well, and `verify` goes on past the entry.
    let view = database.view().expect("reads");
    assert!(matches!(view.proof(address(1), &[]), Err(StateError::Corrupt(_))));
    assert!(matches!(database.prepare(&set(address(1), info(1, 1), &[])), Err(StateError::Corrupt(_))));
    let report = view.verify().expect("reads");
    assert_eq!(report.faults[0], Fault::Corrupt(entry(RecordError::Version { found: 9, expected: 1 })));
    assert_eq!(report.accounts, 2);
}

fn a_slot_that_does_not_decode_is_an_error_with_its_place(home: &Home) {
    let (store, database) = chain(home);
    let mut batch = Batch::new();
    batch.put(Column::Slot, [hashed(address(3)), hashed_slot(1)].concat(), hex!("01 00"));
    batch.put(Column::Slot, [hashed(address(1)), vec![0]].concat(), hex!("01 01"));
    store.write(batch).expect("writes");
    let view = database.view().expect("reads");
    assert!(matches!(view.storage(address(3), U256::from(1)), Err(StateError::Corrupt(_))));
    assert!(matches!(view.proof(address(3), &[U256::from(1)]), Err(StateError::Corrupt(_))));
    let report = view.verify().expect("reads");
    let corrupt: Vec<_> = report
        .faults
        .iter()
        .filter_map(|fault| match fault {
            Fault::Corrupt(CorruptEntry { column: Column::Slot, key, reason }) => Some((key.len(), reason)),
            _ => None,
        })
        .collect();
    assert!(
        matches!(
            corrupt[..],
            [(33, RecordError::Length { found: 33, expected: 64 }), (64, RecordError::Scale(_))]
                | [(64, RecordError::Scale(_)), (33, RecordError::Length { found: 33, expected: 64 })]
        ),
        "{:?}",
        report.faults
    );
}
