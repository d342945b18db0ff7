//! The state of earlier blocks: read, proven, pruned, gone back to.

use alloy_primitives::{U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{Nibbles, proof::verify_proof};
use lathe_state::{
    AccountChange, Changes, Column, Database, DatabaseOptions, NotKept, StateError, Store, View,
};

use crate::{
    fixture::{Home, address, advance, compact, info, set},
    on_every_store,
};

on_every_store! {
    each_block_keeps_its_state
    a_view_of_the_past_sees_no_later_block
    an_account_that_was_destroyed_has_its_past
    outside_the_window_is_an_error
    a_reader_keeps_what_it_reads_while_the_window_moves_on
    pruned_rows_are_gone
    a_window_that_was_pruned_does_not_grow_back
    going_back_leaves_the_state_of_that_block
    going_back_beyond_the_window_changes_nothing
    blocks_that_change_nothing_have_a_past_too
}

fn rlp(value: &impl Encodable) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// Block n gives account n and the account before it a nonce of n, and sets slot n of account 1 and clears slot n - 2.
fn step(database: &Database, n: u64) {
    let mut changes = set(address(1), info(n, 1), &[(n, n), (n.saturating_sub(2), 0)]);
    changes.accounts.extend(set(address(100 + n), info(n, n), &[]).accounts);
    changes.accounts.extend(set(address(99 + n), info(n, n), &[]).accounts);
    advance(database, &changes);
}

/// Checks the state after block n, and that its proofs lead to its root.
fn check(view: &View, n: u64) {
    assert_eq!(view.head().number, n);
    let root = view.head().state_root;
    for other in 0..n + 3 {
        let nonce = view.account(address(100 + other)).expect("reads").map(|account| account.nonce);
        let expected =
            if other == 0 { (n >= 1).then_some(1) } else { (other <= n).then(|| (other + 1).min(n)) };
        assert_eq!(nonce, expected, "account {other} at block {n}");
        let value = view.storage(address(1), U256::from(other)).expect("reads");
        let expected = if other <= n && other + 2 > n { other } else { 0 };
        assert_eq!(value, U256::from(expected), "slot {other} at block {n}");

        let proof = view.proof(address(100 + other), &[]).expect("proves");
        let leaf = proof.account.map(|account| rlp(&account.trie_account()));
        let key = Nibbles::unpack(keccak256(address(100 + other)));
        verify_proof(root, key, leaf, &proof.account_proof).expect("the proof holds");
        let proof = view.proof(address(1), &[U256::from(other)]).expect("proves");
        let slot = &proof.slots[0];
        assert_eq!(slot.value, value);
        let leaf = (!value.is_zero()).then(|| rlp(&value));
        let key = Nibbles::unpack(keccak256(U256::from(other).to_be_bytes::<32>()));
        verify_proof(proof.storage_root, key, leaf, &slot.proof).expect("the slot's proof holds");
    }
}

fn each_block_keeps_its_state(home: &Home) {
    let database = home.database();
    let root = || database.view().expect("reads").head().state_root;
    let mut roots = vec![root()];
    for n in 1..=12 {
        step(&database, n);
        roots.push(root());
    }
    let view = database.view().expect("reads");
    assert_eq!(view.history_start(), 0);
    for (n, root) in (0..).zip(roots) {
        let past = view.at(n).expect("is kept");
        assert_eq!(past.head().state_root, root);
        check(&past, n);
    }
    assert!(view.verify().expect("reads").is_sound());
}

fn a_view_of_the_past_sees_no_later_block(home: &Home) {
    let database = home.database();
    let blocks: Vec<_> = (1..=5).map(|n| advance(&database, &set(address(1), info(n, 1), &[]))).collect();
    let past = database.view().expect("reads").at(2).expect("is kept");
    assert_eq!((past.head().number, past.head().hash), (2, blocks[1].hash));
    assert_eq!(past.hash_by_number(2).expect("reads"), Some(blocks[1].hash));
    for later in &blocks[2..] {
        assert_eq!(past.hash_by_number(later.header.number).expect("reads"), None);
        assert_eq!(past.number_by_hash(later.hash).expect("reads"), None);
        assert_eq!(past.header_by_hash(later.hash).expect("reads"), None);
        assert_eq!(past.tx_position(later.tx_hashes[0]).expect("reads"), None);
    }
    assert_eq!(past.at(1).expect("is kept").head().hash, blocks[0].hash);
    let expected = StateError::NotKept(NotKept::BeyondHead { number: 3, head: 2 });
    assert_eq!(past.at(3).err(), Some(expected));
}

fn an_account_that_was_destroyed_has_its_past(home: &Home) {
    let database = home.database();
    let slots: Vec<_> = (1..30).map(|slot| (slot, slot)).collect();
    advance(&database, &set(address(1), info(1, 1), &slots));
    let gone = AccountChange { info: None, storage_wiped: true, ..Default::default() };
    advance(&database, &Changes { accounts: [(address(1), gone)].into(), ..Default::default() });
    let mut again = set(address(1), info(2, 2), &[(1, 7)]);
    again.accounts.values_mut().for_each(|change| change.storage_wiped = true);
    advance(&database, &again);
    advance(&database, &again);
    let view = database.view().expect("reads");
    for (n, nonce, one, two) in [(0, None, 0, 0), (1, Some(1), 1, 2), (2, None, 0, 0), (3, Some(2), 7, 0)] {
        let past = view.at(n).expect("is kept");
        assert_eq!(past.account(address(1)).expect("reads").map(|account| account.nonce), nonce);
        let slots = [1, 2].map(|slot| past.storage(address(1), U256::from(slot)).expect("reads"));
        assert_eq!(slots, [U256::from(one), U256::from(two)], "block {n}");
        let proof = past.proof(address(1), &[U256::from(2)]).expect("proves");
        assert_eq!(proof.slots[0].value, U256::from(two));
    }
    assert!(view.verify().expect("reads").is_sound());
}

fn kept(home: &Home, history: u64) -> Database {
    let options = DatabaseOptions { history: Some(history) };
    Database::open_existing(home.store(), options).expect("opens")
}

fn outside_the_window_is_an_error(home: &Home) {
    drop(home.database());
    let database = kept(home, 3);
    for n in 1..=10 {
        step(&database, n);
        let view = database.view().expect("reads");
        let first = n.saturating_sub(3);
        assert_eq!(view.history_start(), first);
        for number in 0..first {
            let expected = NotKept::Pruned { number, first, head: n };
            assert_eq!(view.at(number).err(), Some(expected.into()));
        }
        for number in first..=n {
            check(&view.at(number).expect("is kept"), number);
        }
        assert!(view.verify().expect("reads").is_sound());
    }
    let error = database.view().expect("reads").at(2).expect_err("is pruned");
    assert_eq!(
        error.to_string(),
        "state of block 2 is not kept: history begins at block 7 (the head is block 10)"
    );
}

fn a_reader_keeps_what_it_reads_while_the_window_moves_on(home: &Home) {
    drop(home.database());
    let store = home.store();
    let database =
        Database::open_existing(store.clone(), DatabaseOptions { history: Some(2) }).expect("opens");
    (1..=4).for_each(|n| step(&database, n));
    let past = database.view().expect("reads").at(3).expect("is kept");
    for n in 5..=20 {
        step(&database, n);
        compact(&*store);
        check(&past, 3);
    }
    assert_eq!(
        database.view().expect("reads").at(3).err().map(|error| matches!(error, StateError::NotKept(_))),
        Some(true)
    );
    let copy = past.clone();
    drop(past);
    check(&copy, 3);
    drop(copy);
    compact(&*store);
    assert!(rows(&*store).into_iter().all(|number| number > 18), "{:?}", rows(&*store));
}

/// Returns the numbers of all rows of history.
fn rows(store: &dyn Store) -> Vec<u64> {
    let snapshot = store.snapshot();
    let mut numbers = Vec::new();
    for column in [Column::Hist, Column::TrieHist, Column::Changes] {
        numbers.extend(snapshot.scan(column, &[], &[]).map(|entry| {
            let (key, _) = entry.expect("reads");
            u64::from_be_bytes(*key.last_chunk().expect("a row ends with a number"))
        }));
    }
    numbers
}

fn pruned_rows_are_gone(home: &Home) {
    let store = home.store();
    let database = crate::fixture::open(store.clone(), &Default::default()).expect("opens");
    (1..=10).for_each(|n| step(&database, n));
    compact(&*store);
    assert!((1..=10).all(|number| rows(&*store).contains(&number)), "nothing may be forgotten yet");
    assert_eq!(database.prune(20).expect("prunes"), 0);
    assert_eq!(database.prune(4).expect("prunes"), 6);
    compact(&*store);
    let left = rows(&*store);
    assert!(
        left.iter().all(|&number| number > 6) && (7..=10).all(|number| left.contains(&number)),
        "{left:?}"
    );
    let view = database.view().expect("reads");
    (6..=10).for_each(|n| check(&view.at(n).expect("is kept"), n));
    assert!(view.verify().expect("reads").is_sound());
    // Pruning to less again does not bring anything back.
    assert_eq!(database.prune(9).expect("prunes"), 6);
}

fn a_window_that_was_pruned_does_not_grow_back(home: &Home) {
    drop(home.database());
    let database = kept(home, 1);
    (1..=5).for_each(|n| step(&database, n));
    drop(database);
    let database = Database::open_existing(home.store(), DatabaseOptions::default()).expect("opens");
    assert_eq!(database.view().expect("reads").history_start(), 4);
    (6..=9).for_each(|n| step(&database, n));
    let view = database.view().expect("reads");
    assert!(view.at(3).is_err());
    (4..=9).for_each(|n| check(&view.at(n).expect("is kept"), n));
    drop((view, database));
    assert_eq!(kept(home, 2).view().expect("reads").history_start(), 7);
}

fn going_back_leaves_the_state_of_that_block(home: &Home) {
    let store = home.store();
    let database = crate::fixture::open(store.clone(), &Default::default()).expect("opens");
    let entries = || {
        let snapshot = store.snapshot();
        Column::ALL
            .iter()
            // Code and preimages are true of any block, and stay.
            .filter(|column| !matches!(column, Column::Code | Column::Preimage))
            .map(|&column| snapshot.scan(column, &[], &[]).collect::<Result<Vec<_>, _>>().expect("reads"))
            .collect::<Vec<_>>()
    };
    let mut states = vec![entries()];
    for n in 1..=8 {
        step(&database, n);
        states.push(entries());
    }
    let before = database.view().expect("reads");
    for n in [8, 7, 4, 4, 0] {
        let head = database.revert(n).expect("reverts");
        assert_eq!(head, database.view().expect("reads").head());
        assert_eq!(head.number, n);
        assert!(entries() == states[usize::try_from(n).expect("small")], "block {n}");
        assert!(database.view().expect("reads").verify().expect("reads").is_sound());
    }
    // A view from before still sees what it saw.
    check(&before, 8);
    check(&before.at(5).expect("is in its snapshot"), 5);
    // The same blocks lead to the same state again.
    (1..=8).for_each(|n| step(&database, n));
    assert!(entries() == states[8]);
}

fn going_back_beyond_the_window_changes_nothing(home: &Home) {
    drop(home.database());
    let database = kept(home, 2);
    (1..=5).for_each(|n| step(&database, n));
    let head = database.view().expect("reads").head();
    let expected = NotKept::Pruned { number: 2, first: 3, head: 5 };
    assert_eq!(database.revert(2), Err(expected.into()));
    let expected = NotKept::BeyondHead { number: 6, head: 5 };
    assert_eq!(database.revert(6), Err(expected.into()));
    assert_eq!(database.view().expect("reads").head(), head);
    assert_eq!(database.revert(3).expect("reverts").number, 3);
    // The window does not move back with the head.
    assert!(database.revert(2).is_err());
    step(&database, 4);
    check(&database.view().expect("reads").at(3).expect("is kept"), 3);
}

fn blocks_that_change_nothing_have_a_past_too(home: &Home) {
    let database = home.database();
    step(&database, 1);
    (0..3).for_each(|_| drop(advance(&database, &Changes::default())));
    let view = database.view().expect("reads");
    let roots: Vec<_> = (1..=4).map(|n| view.at(n).expect("is kept").head().state_root).collect();
    assert!(roots.windows(2).all(|pair| pair[0] == pair[1]), "one root, four blocks");
    assert_eq!(database.revert(2).expect("reverts").number, 2);
    assert!(database.view().expect("reads").verify().expect("reads").is_sound());
}
