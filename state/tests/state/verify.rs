//! `verify` finds each kind of damage, and reading damaged entries is an error that says where they are.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, hex, keccak256};
use lathe_state::{
    AccountChange, AccountInfo, Batch, BlockFault, Changes, Column, CorruptEntry, Database, Fault,
    RecordError, StateError, Store,
};

use crate::{
    fixture::{Home, address, advance, info, set},
    on_every_store,
};

on_every_store! {
    a_sound_chain_has_no_faults
    each_damage_is_a_fault
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
    assert!(matches!(found[..], [Fault::StateRoot { number: 3, .. }]), "{found:?}");

    let found = faults(home, |_, _, batch| batch.delete(Column::Account, hashed(address(2))));
    assert!(matches!(found[..], [Fault::StateRoot { .. }]), "{found:?}");

    let found = faults(home, |_, _, batch| batch.delete(Column::Account, hashed(address(1))));
    let hashed_address = keccak256(address(1));
    assert!(found.contains(&Fault::OrphanSlots { hashed_address, slots: 19 }), "{found:?}");

    let found = faults(home, |_, _, batch| {
        batch.put(Column::Account, hashed(address(4)), hex!("01 00 00 00 00"));
    });
    let hashed_address = keccak256(address(4));
    assert!(found.contains(&Fault::EmptyAccount { hashed_address }), "{found:?}");
    assert!(found.contains(&Fault::PreimageMissing { hash: hashed_address }), "{found:?}");

    // A slot is gone, and one is there that should not be.
    let slot = |n| [hashed(address(3)), hashed_slot(n)].concat();
    for damage in [1, 2] {
        let found = faults(home, |_, _, batch| match damage {
            1 => batch.delete(Column::Slot, slot(1)),
            _ => batch.put(Column::Slot, slot(2), hex!("01 05")),
        });
        let [Fault::StorageRoot { hashed_address, .. }] = found[..] else { panic!("{found:?}") };
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
        .map(|fault| match fault {
            Fault::Block { number, what } => (*number, what),
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
    // Whatever needs all accounts fails as well, and `verify` goes on past the entry.
    let view = database.view().expect("reads");
    assert!(matches!(view.proof(address(2), &[]), Err(StateError::Corrupt(_))));
    assert!(matches!(database.prepare(&set(address(9), info(1, 1), &[])), Err(StateError::Corrupt(_))));
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
    let error = view.proof(address(1), &[U256::from(1)]).expect_err("a key is too short");
    let StateError::Corrupt(CorruptEntry { column: Column::Slot, key, reason }) = error else {
        panic!("{error}")
    };
    assert_eq!((key.len(), reason), (33, RecordError::Length { found: 33, expected: 64 }));
    let report = view.verify().expect("reads");
    assert!(matches!(report.faults[..], [Fault::Corrupt(_), Fault::Corrupt(_)]), "{:?}", report.faults);
}
