//! Loading a chain piece by piece: what goes out comes in, and what does not add up opens as nothing.

use alloy_primitives::{Bytes, U256, keccak256};
use lathe_state::{
    AccountChange, AccountInfo, Block, Changes, Column, Database, Loader, NotKept, StateError, View,
};

use crate::{
    fixture::{Home, address, advance, info, set},
    on_every_store,
};

on_every_store! {
    a_chain_comes_back_from_its_contents
    a_load_that_does_not_add_up_opens_as_nothing
    a_load_needs_an_empty_store
}

fn elsewhere(home: &Home) -> Home {
    match home {
        Home::Memory(_) => Home::memory(),
        #[cfg(feature = "rocksdb")]
        Home::Rocks(_) => Home::rocks(),
    }
}

fn chain(home: &Home) -> Database {
    let database = home.database();
    let code = Bytes::from_static(&[0xef, 0x4c, 0]);
    let code_hash = keccak256(&code);
    let contract = AccountChange {
        info: Some(AccountInfo { code_hash, ..info(1, 0) }),
        storage: (1..40).map(|slot| (U256::from(slot), U256::from(slot))).collect(),
        storage_wiped: false,
    };
    let codes = [(code_hash, code)].into();
    advance(&database, &Changes { accounts: [(address(1), contract)].into(), codes });
    for n in 2..20 {
        advance(&database, &set(address(n), info(n, n), &[]));
    }
    database
}

/// Hands everything of a view to a loader.
fn hand_over(view: &View, loader: &mut Loader) {
    for number in 0..=view.head().number {
        let records = view.block_records(number).expect("reads").expect("is there");
        loader.block(Block::from_records(&records).expect("reads back")).expect("follows");
    }
    for code in view.codes() {
        loader.code(&code.expect("reads")).expect("writes");
    }
    for entry in view.accounts() {
        let (address, account) = entry.expect("reads");
        loader.account(address, &account).expect("writes");
        for slot in view.slots(address) {
            let (slot, value) = slot.expect("reads");
            loader.slot(address, slot, value).expect("writes");
        }
    }
}

fn a_chain_comes_back_from_its_contents(home: &Home) {
    let view = chain(home).view().expect("reads");
    let other = elsewhere(home);
    let mut loader = Loader::new(other.store()).expect("is empty");
    hand_over(&view, &mut loader);
    let loaded = loader.finish(31337, true, &mut |_| ()).expect("adds up");
    assert!(loaded.is_imported().expect("reads"));
    let copy = loaded.view().expect("reads");
    assert_eq!(copy.head(), view.head());
    let report = copy.verify().expect("reads");
    assert!(report.is_sound(), "{:?}", report.faults);
    let sizes = |view: &View| {
        let mut sizes = view.column_sizes(&mut |_| ()).expect("reads");
        let history = [Column::Meta, Column::Hist, Column::TrieHist, Column::Changes];
        sizes.retain(|size| !history.contains(&size.column));
        sizes
    };
    assert_eq!(sizes(&copy), sizes(&view));
    let head = view.head().number;
    let expected = NotKept::Pruned { number: head - 1, first: head, head };
    assert_eq!(copy.at(head - 1).err(), Some(expected.into()));
    drop((copy, loaded));
    let database = home_database(&other);
    advance(&database, &set(address(1), info(1, 1), &[(1, 0)]));
    assert!(database.view().expect("reads").verify().expect("reads").is_sound());
}

fn home_database(home: &Home) -> Database {
    Database::open_existing(home.store(), Default::default()).expect("opens")
}

fn a_load_that_does_not_add_up_opens_as_nothing(home: &Home) {
    let view = chain(home).view().expect("reads");
    let other = elsewhere(home);
    let mut loader = Loader::new(other.store()).expect("is empty");
    hand_over(&view, &mut loader);
    loader.slot(address(1), U256::from(5), U256::from(6)).expect("writes");
    assert!(matches!(loader.finish(31337, false, &mut |_| ()).err(), Some(StateError::Trie(_))));
    let error = Database::open_existing(other.store(), Default::default()).err();
    assert_eq!(error, Some(StateError::Unfinished));
    let error = crate::fixture::open(other.store(), &Default::default()).err();
    assert_eq!(error, Some(StateError::Unfinished));

    // So does one that was cut short.
    let other = elsewhere(home);
    let mut loader = Loader::new(other.store()).expect("is empty");
    hand_over(&view, &mut loader);
    drop(loader);
    let error = crate::fixture::open(other.store(), &Default::default()).err();
    assert_eq!(error, Some(StateError::Unfinished));
}

fn a_load_needs_an_empty_store(home: &Home) {
    drop(chain(home));
    assert_eq!(Loader::new(home.store()).err(), Some(StateError::NotEmpty));
}
