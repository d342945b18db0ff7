//! Proofs, checked by alloy-trie's verifier: what is there, what is not, and the shapes that are easy to get wrong.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{Nibbles, proof::verify_proof};
use lathe_state::{AccountProof, Changes, Database, EMPTY_ROOT_HASH, SlotProof};

use crate::{
    fixture::{Home, address, advance, info, set},
    on_every_store,
};

on_every_store! {
    present_and_absent_keys_are_proven
    nothing_has_the_empty_proof
    a_lone_account_proves_itself_and_the_absence_of_others
    a_node_shorter_than_a_hash_stays_inside_its_parent
    a_proof_of_another_value_is_refused
}

fn rlp(value: &impl Encodable) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

fn check_slot(storage_root: B256, SlotProof { slot, value, proof }: &SlotProof) {
    let key = Nibbles::unpack(keccak256(slot.to_be_bytes::<32>()));
    let expected = (!value.is_zero()).then(|| rlp(value));
    verify_proof(storage_root, key, expected, proof).expect("the slot's proof holds");
}

/// Asks for a proof, verifies all of it and returns it.
fn proof(database: &Database, address: Address, slots: &[u64]) -> AccountProof {
    let view = database.view().expect("reads");
    let slots: Vec<_> = slots.iter().map(|&slot| U256::from(slot)).collect();
    let proof = view.proof(address, &slots).expect("reads");
    assert_eq!((proof.address, proof.account), (address, view.account(address).expect("reads")));
    let expected = proof.account.map(|account| rlp(&account.trie_account()));
    let key = Nibbles::unpack(keccak256(address));
    verify_proof(view.head().state_root, key, expected, &proof.account_proof)
        .expect("the account's proof holds");
    assert_eq!(proof.storage_root, proof.account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root));
    assert_eq!(proof.slots.iter().map(|slot| slot.slot).collect::<Vec<_>>(), slots);
    for slot in &proof.slots {
        assert_eq!(slot.value, view.storage(address, slot.slot).expect("reads"));
        check_slot(proof.storage_root, slot);
    }
    proof
}

fn present_and_absent_keys_are_proven(home: &Home) {
    let database = home.database();
    let mut changes = Changes::default();
    for n in 0..200 {
        let slots: Vec<_> = (0..n % 40).map(|slot| (slot, slot * n + 1)).collect();
        changes.accounts.extend(set(address(n), info(n, 1), &slots).accounts);
    }
    advance(&database, &changes);
    for n in (0..400).step_by(7) {
        let found = proof(&database, address(n), &[0, 1, 5, 39, 40, 1_000, 1]);
        assert_eq!(found.account.is_some(), n < 200);
        assert_eq!(found.slots[1], found.slots[6], "asking twice is fine");
    }
    assert!(proof(&database, address(3), &[]).slots.is_empty());
}

fn nothing_has_the_empty_proof(home: &Home) {
    let database = home.database();
    let nobody = proof(&database, address(1), &[0, 1]);
    assert!(nobody.account_proof.is_empty());
    assert!(nobody.slots.iter().all(|slot| slot.proof.is_empty()));

    advance(&database, &set(address(1), info(1, 0), &[]));
    let no_storage = proof(&database, address(1), &[0]);
    assert_eq!(no_storage.account_proof.len(), 1);
    assert!(no_storage.slots[0].proof.is_empty());
}

fn a_lone_account_proves_itself_and_the_absence_of_others(home: &Home) {
    let database = home.database();
    advance(&database, &set(address(1), info(1, 5), &[(3, 4)]));
    let present = proof(&database, address(1), &[3, 4]);
    let absent = proof(&database, address(2), &[3]);
    assert_eq!(present.account_proof.len(), 1);
    assert_eq!(present.account_proof, absent.account_proof);
    assert_eq!(present.slots[0].proof, present.slots[1].proof);
}

/// Two slots whose keccak256 begin with the same eight nibbles: their leaves are so deep that, with a small value, they
/// take fewer than 32 bytes and stand inside the branch.
const DEEP_SLOTS: [u64; 2] = [15_205, 173_781];

fn a_node_shorter_than_a_hash_stays_inside_its_parent(home: &Home) {
    let hashes = DEEP_SLOTS.map(|slot| keccak256(U256::from(slot).to_be_bytes::<32>()));
    assert_eq!(hashes[0][..4], hashes[1][..4], "the slots are deep");
    let database = home.database();
    let [first, second] = DEEP_SLOTS;

    advance(&database, &set(address(1), info(1, 0), &[(first, 1), (second, 2)]));
    let inline = proof(&database, address(1), &[first, second]);
    assert_eq!(inline.slots[0].proof.len(), 2, "extension and branch, the leaf inside");
    assert_eq!(inline.slots[0].proof, inline.slots[1].proof);

    advance(&database, &set(address(1), info(1, 0), &[(first, u64::MAX)]));
    let grown = proof(&database, address(1), &[first, second]);
    assert_eq!(grown.slots[0].proof.len(), 3, "extension, branch and leaf");
    assert_eq!(grown.slots[1].proof.len(), 2, "the other leaf is still inside");

    advance(&database, &set(address(1), info(1, 0), &[(first, 1)]));
    assert_eq!(proof(&database, address(1), &[first, second]), inline.clone());

    advance(&database, &set(address(1), info(1, 0), &[(first, 0)]));
    let collapsed = proof(&database, address(1), &[first, second]);
    assert_eq!(collapsed.slots[1].proof.len(), 1, "the leaf is the root");
}

fn a_proof_of_another_value_is_refused(home: &Home) {
    let database = home.database();
    advance(&database, &set(address(1), info(1, 0), &[(1, 1), (2, 2)]));
    let found = proof(&database, address(1), &[1, 3]);
    let key = |slot: U256| Nibbles::unpack(keccak256(slot.to_be_bytes::<32>()));
    let [present, absent] = &found.slots[..] else { panic!("two slots") };
    for (slot, value) in
        [(present, None), (present, Some(rlp(&U256::from(9)))), (absent, Some(rlp(&U256::from(1))))]
    {
        verify_proof(found.storage_root, key(slot.slot), value, &slot.proof).expect_err("another value");
    }
}
