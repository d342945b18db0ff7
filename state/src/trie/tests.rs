//! The incremental update against alloy-trie's full rebuild, on keys that make every shape of trie.
//!
//! Keys here are not hashes: they differ in their first nibbles and in their last ones, so that there are long extensions,
//! and leaves and branches so short that they stand inside their parents, which hashed keys hardly ever make.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, proof::verify_proof};
use proptest::{collection, prelude::*, test_runner::TestRunner};

use super::*;
use crate::{
    codec::Record,
    memory::MemoryStore,
    record::SlotValue,
    store::{Batch, Store},
    view::slot_key,
};

const OWNER: B256 = B256::repeat_byte(0x77);

/// Rounds of changes for each case of a property.
const ROUNDS_MAX: usize = 6;

type Model = BTreeMap<B256, U256>;

/// A trie in memory that is updated as the database does it.
struct Harness {
    store: MemoryStore,
    cache: NodeCache,
    model: Model,
    root: B256,
    threads: usize,
}

impl Harness {
    fn new(threads: usize) -> Self {
        let cache = NodeCache::default();
        Self { store: MemoryStore::new(), cache, model: Model::new(), root: EMPTY_ROOT_HASH, threads }
    }

    fn reader(&self) -> Reader {
        Reader::new(self.store.snapshot().into())
    }

    /// Sets the keys, zero deletes, and writes what changes.
    fn apply(&mut self, block: &BTreeMap<B256, U256>, cached: bool) {
        let reader = self.reader();
        let mut batch = Batch::new();
        let mut changes = Vec::new();
        for (&key, &value) in block {
            let before = self.model.get(&key).copied();
            let after = Some(value).filter(|value| !value.is_zero());
            if before == after {
                continue;
            }
            let slot = slot_key(OWNER, key);
            match after {
                Some(value) => {
                    batch.put(Column::Slot, slot, SlotValue(value).to_bytes());
                    self.model.insert(key, value);
                }
                None => {
                    batch.delete(Column::Slot, slot);
                    self.model.remove(&key);
                }
            }
            changes.push(Change { path: Nibbles::unpack(key), existed: before.is_some(), value: after });
        }
        let mut trie = Trie::<U256>::new(&reader, Some(OWNER));
        (trie.cache, trie.threads) = (cached.then_some(&self.cache), self.threads);
        let update = trie.update(self.root, &changes).expect("reads");
        for RecordChange { path, before, after } in update.records {
            let (column, key) = node_key(Some(OWNER), &path);
            let stored = reader.node(Some(OWNER), &path).expect("reads");
            let before = match &before {
                Before::Record(node) => Some(&**node),
                Before::Nothing | Before::Leaf(_) => None,
            };
            assert_eq!(stored.as_ref(), before, "what was there before");
            match &after {
                Some(node) => batch.put(column, key, node.to_bytes()),
                None => batch.delete(column, key),
            }
            self.cache.set(Some(OWNER), path, after);
        }
        self.root = update.root;
        self.store.write(batch).expect("writes");
    }

    /// The root is alloy-trie's, the records are the reachable ones and those of a rebuild, and every key is proven.
    fn check(&self) {
        let mut builder = HashBuilder::default();
        for (key, value) in &self.model {
            builder.add_leaf(Nibbles::unpack(key), &alloy_rlp::encode(value));
        }
        assert_eq!(self.root, builder.root());

        let reader = self.reader();
        let snapshot = &*reader.snapshot;
        let has_record = reader.node(Some(OWNER), &Nibbles::new()).expect("reads").is_some();
        let mut records = Records::new(snapshot, Column::TrieStorage);
        let mut walk = Walk::new(Some(OWNER), self.root, has_record);
        let note = &mut |error: StateError| panic!("{error}");
        for (key, value) in &self.model {
            walk.leaf(&mut records, &Nibbles::unpack(key), value, note).expect("reads");
        }
        walk.finish(&mut records, note).expect("reads");

        let mut builder = Builder::new();
        let mut built = 0;
        let mut sink = |path: Nibbles, node: Node| {
            built += 1;
            assert_eq!(reader.node(Some(OWNER), &path)?, Some(node), "{path:?}");
            Ok(())
        };
        for (&key, &value) in &self.model {
            builder.leaf(Nibbles::unpack(key), value, &mut sink).expect("reads");
        }
        assert_eq!(builder.finish(&mut sink).expect("reads"), self.root);
        assert_eq!(built, records.read);

        let trie = Trie::<U256>::new(&reader, Some(OWNER));
        let absent = keys(&[9, 9, 9]).into_iter().chain([B256::ZERO, B256::repeat_byte(0xff)]);
        for key in self.model.keys().copied().chain(absent) {
            let (value, proof) = trie.prove(self.root, key).expect("proves");
            assert_eq!(value, self.model.get(&key).copied());
            if self.root == EMPTY_ROOT_HASH {
                assert!(proof.is_empty());
                continue;
            }
            let leaf = value.map(alloy_rlp::encode);
            verify_proof(self.root, Nibbles::unpack(key), leaf, &proof).expect("the proof holds");
        }
    }
}

/// Returns a key that begins with the nibbles of the first two numbers, ends with those of the third and fourth.
fn key((top, second, low, last): (u8, u8, u8, u8)) -> B256 {
    let mut key = B256::repeat_byte(0x11);
    (key[0], key[1], key[30], key[31]) = (top, second, low, last);
    key
}

fn keys(bytes: &[u8]) -> Vec<B256> {
    bytes.iter().map(|&byte| key((byte, byte, byte, byte))).collect()
}

fn any_key() -> impl Strategy<Value = B256> {
    let top = prop::sample::select(vec![0x11, 0x10, 0x01, 0x1f, 0xf1]);
    let low = prop::sample::select(vec![0x11, 0x10, 0x21]);
    (top.clone(), top, low.clone(), prop::sample::select(vec![0x11, 0x12, 0x21, 0x22])).prop_map(key)
}

fn any_value() -> impl Strategy<Value = U256> {
    prop_oneof![
        3 => Just(U256::ZERO),
        4 => (1..=3_u64).prop_map(U256::from),
        1 => Just(U256::from(0x80)),
        1 => Just(U256::MAX),
    ]
}

/// How many cases a property has: `LATHE_CASES`, for as many operations as one has time for.
fn cases(default: u32) -> u32 {
    std::env::var("LATHE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

#[test]
fn any_changes_lead_to_the_root_of_a_rebuild() {
    let config = ProptestConfig { cases: cases(512), failure_persistence: None, ..Default::default() };
    let block = collection::btree_map(any_key(), any_value(), 0..14);
    let rounds = collection::vec((block, any::<bool>()), 1..ROUNDS_MAX);
    TestRunner::new(config)
        .run(&rounds, |rounds| {
            let mut harness = Harness::new(1);
            for (block, cached) in rounds {
                harness.apply(&block, cached);
                harness.check();
            }
            Ok(())
        })
        .expect("holds");
}

#[test]
fn threads_do_not_change_the_result() {
    let hashed = |n: u64| alloy_primitives::keccak256(n.to_be_bytes());
    let mut harnesses = [1, 2, 5, 16, 40].map(Harness::new);
    let blocks = [
        (0..3_000).map(|n| (hashed(n), U256::from(n + 1))).collect::<BTreeMap<_, _>>(),
        (0..2_900).map(|n| (hashed(n), U256::from(n % 3))).collect(),
        (0..5_000).step_by(2).map(|n| (hashed(n), U256::ZERO)).collect(),
        (0..5_000).map(|n| (hashed(n), U256::ZERO)).collect(),
    ];
    for block in blocks {
        for harness in &mut harnesses {
            harness.apply(&block, false);
        }
        let [serial, parallel @ ..] = &harnesses;
        serial.check();
        let entries = |harness: &Harness| {
            let snapshot = harness.store.snapshot();
            snapshot.scan(Column::TrieStorage, &[], &[]).collect::<Result<Vec<_>, _>>().expect("reads")
        };
        for other in parallel {
            assert_eq!(other.root, serial.root);
            assert_eq!(entries(other), entries(serial));
        }
    }
    assert_eq!(harnesses[0].root, EMPTY_ROOT_HASH);
}

#[test]
fn the_order_of_blocks_does_not_change_the_records() {
    let all: Vec<_> = (0_u8..40).map(|n| key((n % 5 * 16, n, 0x11, n % 3))).collect();
    let one_by_one = |keys: &mut dyn Iterator<Item = B256>| {
        let mut harness = Harness::new(1);
        for key in keys {
            harness.apply(&[(key, U256::from(key[1]) + U256::from(1))].into(), false);
        }
        harness.check();
        harness.root
    };
    let forward = one_by_one(&mut all.iter().copied());
    assert_eq!(one_by_one(&mut all.iter().rev().copied()), forward);
    assert_eq!(one_by_one(&mut (0..40).map(|n| all[n * 7 % 40])), forward);
}

/// A record that its parent does not refer to, as one that an earlier version left behind, must not become a root.
#[test]
fn a_record_that_was_left_behind_is_an_error() {
    let mut harness = Harness::new(1);
    harness.apply(&(0_u8..40).map(|n| (key((n, n, n, n)), U256::from(1))).collect(), false);
    let child = Nibbles::from_nibbles([0]);
    let (column, at) = node_key(Some(OWNER), &child);
    let old = harness.reader().node(Some(OWNER), &child).expect("reads").expect("is there");
    harness.apply(&[(key((1, 1, 1, 1)), U256::from(2))].into(), false);
    let mut batch = Batch::new();
    batch.put(column, at.as_slice(), old.to_bytes());
    harness.store.write(batch).expect("writes");

    let reader = harness.reader();
    let trie = Trie::<U256>::new(&reader, Some(OWNER));
    let change = Change { path: Nibbles::unpack(key((2, 2, 2, 2))), existed: true, value: None };
    let expected = StateError::Trie(CorruptTrie { column, key: at, fault: TrieFault::Reference });
    assert_eq!(trie.update(harness.root, &[change]).err(), Some(expected.clone()));
    assert_eq!(trie.prove(harness.root, key((2, 2, 2, 2))).err(), Some(expected));
}

#[test]
fn a_leaf_that_only_one_side_knows_is_an_error() {
    let mut harness = Harness::new(1);
    harness.apply(&[(key((1, 0, 0, 0)), U256::from(1)), (key((2, 0, 0, 0)), U256::from(1))].into(), false);
    let reader = harness.reader();
    let trie = Trie::<U256>::new(&reader, Some(OWNER));
    let unknown =
        Change { path: Nibbles::unpack(key((3, 0, 0, 0))), existed: true, value: Some(U256::from(2)) };
    let fault = |result: Result<Update, StateError>| match result {
        Err(StateError::Trie(corrupt)) => corrupt.fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(trie.update(harness.root, &[unknown])), TrieFault::LeafUnknown);

    let mut batch = Batch::new();
    batch.delete(Column::Slot, slot_key(OWNER, key((2, 0, 0, 0))));
    harness.store.write(batch).expect("writes");
    let reader = harness.reader();
    let trie = Trie::<U256>::new(&reader, Some(OWNER));
    let collapse = Change { path: Nibbles::unpack(key((1, 0, 0, 0))), existed: true, value: None };
    assert_eq!(fault(trie.update(harness.root, &[collapse])), TrieFault::LeafMissing);
}
