//! Any sequence of blocks, reverts and restarts leaves the states that plain maps say, each with its root and proofs.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, proof::verify_proof, root};
use lathe_state::{AccountChange, AccountInfo, Changes, Column, Database, SlotProof, Store, View};
use proptest::{collection, prelude::*, sample, test_runner::TestRunner};

use crate::{
    fixture::{Home, address, advance},
    on_every_store,
    oracle::{self, Model, ModelAccount},
};

on_every_store! { any_blocks_leave_the_state_of_the_model }

/// Few enough that blocks meet the accounts and slots of earlier ones.
const ACCOUNTS: u64 = 6;
const SLOTS: u64 = 8;
const STEPS_MAX: usize = 12;

/// What a block does to an account.
#[derive(Clone, Debug)]
enum Act {
    /// Sets fields and slots; with `wiped`, as one that was destroyed and created again.
    Set { nonce: u64, balance: U256, code: u8, wiped: bool, slots: Vec<(u64, U256)> },
    /// Destroys it; the slots are those that it wrote before.
    Delete { slots: Vec<(u64, U256)> },
    /// Leaves it as it is, but says so.
    Touch,
}

fn value() -> impl Strategy<Value = U256> {
    prop_oneof![
        3 => Just(U256::ZERO),
        3 => (1..=3_u64).prop_map(U256::from),
        1 => Just(U256::from(0x80)),
        1 => Just(U256::from(1) << 128),
        1 => Just(U256::MAX),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let slots = || collection::vec((0..SLOTS, value()), 0..5);
    prop_oneof![
        8 => (0..2_u64, value(), 0..3_u8, prop::bool::weighted(0.2), slots())
            .prop_map(|(nonce, balance, code, wiped, slots)| Act::Set { nonce, balance, code, wiped, slots }),
        2 => slots().prop_map(|slots| Act::Delete { slots }),
        1 => Just(Act::Touch),
    ]
}

/// What happens to the chain.
#[derive(Clone, Debug)]
enum Step {
    /// A block that does this to these accounts.
    Block(BTreeMap<u64, Act>),
    /// So many blocks are taken back, or all that there are.
    Revert(usize),
    /// The store is closed and opened.
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let accounts = sample::subsequence((0..ACCOUNTS).collect::<Vec<_>>(), 0..4);
    let block = accounts.prop_flat_map(|accounts| {
        collection::vec(act(), accounts.len())
            .prop_map(move |acts| accounts.iter().copied().zip(acts).collect::<BTreeMap<_, _>>())
    });
    let step = prop_oneof![
        8 => block.prop_map(Step::Block),
        1 => (0..4_usize).prop_map(Step::Revert),
        1 => Just(Step::Reopen),
    ];
    collection::vec(step, 1..STEPS_MAX)
}

fn code(n: u8) -> (B256, Bytes) {
    let code = if n == 0 { Bytes::new() } else { vec![0xef, n].into() };
    (keccak256(&code), code)
}

/// Does to the model what the returned changes should do to the state.
fn apply(model: &mut Model, block: &BTreeMap<u64, Act>) -> Changes {
    let mut changes = Changes::default();
    for (&n, act) in block {
        let address = address(n);
        let mut account = model.get(&address).cloned();
        let change = match act {
            Act::Touch => {
                AccountChange { info: account.as_ref().map(|account| account.info), ..Default::default() }
            }
            Act::Delete { slots } => {
                account = None;
                let storage = slots.iter().map(|&(slot, value)| (U256::from(slot), value)).collect();
                AccountChange { info: None, storage_wiped: true, storage }
            }
            &Act::Set { nonce, balance, code: n, wiped, ref slots } => {
                let (code_hash, bytes) = code(n);
                if !bytes.is_empty() {
                    changes.codes.insert(code_hash, bytes);
                }
                let info = AccountInfo { nonce, balance, code_hash };
                let storage: BTreeMap<U256, U256> =
                    slots.iter().map(|&(slot, value)| (U256::from(slot), value)).collect();
                let mut after = ModelAccount { info, storage: BTreeMap::new() };
                if let Some(account) = account.filter(|_| !wiped) {
                    after.storage = account.storage;
                }
                after.storage.extend(storage.clone());
                after.storage.retain(|_, value| !value.is_zero());
                let empty = nonce == 0 && balance.is_zero() && code_hash == KECCAK256_EMPTY;
                account = (!empty).then_some(after);
                AccountChange { info: Some(info), storage_wiped: wiped, storage }
            }
        };
        changes.accounts.insert(address, change);
        match account {
            Some(account) => model.insert(address, account),
            None => model.remove(&address),
        };
    }
    changes
}

fn alloy_root(model: &Model) -> B256 {
    root::state_root_unhashed(model.iter().map(|(&address, account)| {
        let AccountInfo { nonce, balance, code_hash } = account.info;
        let slots = account.storage.iter().map(|(&slot, &value)| (B256::from(slot), value));
        (address, TrieAccount::new(nonce, balance, root::storage_root_unhashed(slots), code_hash))
    }))
}

/// Checks the state of a view, and that proofs lead to its root.
fn check_state(view: &View, model: &Model) {
    assert_eq!(view.head().state_root, oracle::state_root(model));
    assert_eq!(view.head().state_root, alloy_root(model));
    for n in 0..ACCOUNTS {
        let address = address(n);
        let expected = model.get(&address);
        let found = view.account(address).expect("reads");
        assert_eq!(found.map(|account| account.info()), expected.map(|account| account.info));
        assert_eq!(found.map(|account| account.storage_root), expected.map(oracle::storage_root));
        if let Some(account) = found {
            let code = view.code(account.code_hash).expect("reads").expect("is there");
            assert_eq!(keccak256(code), account.code_hash);
        }
        for slot in (0..SLOTS).map(U256::from) {
            let expected =
                expected.and_then(|account| account.storage.get(&slot)).copied().unwrap_or_default();
            assert_eq!(view.storage(address, slot).expect("reads"), expected);
        }
        let slots: Vec<_> = (0..SLOTS).map(U256::from).collect();
        let proof = view.proof(address, &slots).expect("proves");
        let leaf = found.map(|account| alloy_rlp::encode(account.trie_account()));
        if view.head().state_root != EMPTY_ROOT_HASH {
            let key = Nibbles::unpack(keccak256(address));
            verify_proof(view.head().state_root, key, leaf, &proof.account_proof).expect("holds");
        }
        for SlotProof { slot, value, proof: nodes } in &proof.slots {
            if proof.storage_root == EMPTY_ROOT_HASH {
                continue;
            }
            let leaf = (!value.is_zero()).then(|| alloy_rlp::encode(value));
            let key = Nibbles::unpack(keccak256(slot.to_be_bytes::<32>()));
            verify_proof(proof.storage_root, key, leaf, nodes).expect("holds");
        }
    }
}

/// Checks the state after each block, and that the database has nothing beside it.
fn check(database: &Database, store: &dyn Store, models: &[Model]) {
    let view = database.view().expect("reads");
    let model = models.last().expect("there is genesis");
    for (number, model) in (0..).zip(models) {
        check_state(&view.at(number).expect("is kept"), model);
    }
    let count = |column| store.snapshot().scan(column, &[], &[]).count();
    assert_eq!(count(Column::Account), model.len());
    assert_eq!(count(Column::Slot), model.values().map(|account| account.storage.len()).sum::<usize>());
    let report = view.verify().expect("reads");
    assert!(report.is_sound(), "{:?}", report.faults);
}

fn any_blocks_leave_the_state_of_the_model(home: &Home) {
    // One store for all cases would be quicker, but a case must begin with nothing.
    let fresh = || match home {
        Home::Memory(_) => Home::memory(),
        #[cfg(feature = "rocksdb")]
        Home::Rocks(_) => Home::rocks(),
    };
    let cases = std::env::var("LATHE_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = cases.unwrap_or(if matches!(home, Home::Memory(_)) { 256 } else { 24 });
    let mut runner =
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..Default::default() });
    let run = |steps: Vec<Step>| {
        let home = fresh();
        let mut models = vec![Model::new()];
        let mut store = home.store();
        let mut database = crate::fixture::open(store.clone(), &Default::default()).expect("opens");
        for step in &steps {
            match step {
                Step::Block(block) => {
                    let mut model = models.last().expect("there is genesis").clone();
                    let changes = apply(&mut model, block);
                    advance(&database, &changes);
                    models.push(model);
                }
                Step::Revert(blocks) => {
                    models.truncate(models.len().saturating_sub(*blocks).max(1));
                    database.revert(models.len() as u64 - 1).expect("reverts");
                }
                Step::Reopen => {
                    drop((database, store));
                    store = home.store();
                    database = Database::open_existing(store.clone(), Default::default()).expect("opens");
                }
            }
            check_state(&database.view().expect("reads"), models.last().expect("there is genesis"));
        }
        check(&database, &*store, &models);
        Ok(())
    };
    runner.run(&steps(), run).expect("holds");
}
