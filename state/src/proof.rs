//! Merkle proofs of accounts and slots, as `eth_getProof` gives them.
//!
//! A proof is the trie's nodes from the root down to the key, or to where the path leaves the key behind. A node whose RLP is
//! shorter than 32 bytes stands inside its parent and is not listed on its own. An empty trie has the empty proof.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, proof::ProofRetainer};

use crate::{
    error::StateError,
    record::Account,
    trie::{self, HASH_LEN, Leaf, TrieLeaf},
    view::{View, hashed_slot},
};

/// An account and some of its slots with their proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The address.
    pub address: Address,
    /// The account, or none if it does not exist, which the proof then shows.
    pub account: Option<Account>,
    /// Root of the storage trie that the slots' proofs lead to.
    pub storage_root: B256,
    /// From the state's root, which is the head's [`state_root`](crate::Head::state_root).
    pub account_proof: Vec<Bytes>,
    /// One for each slot asked for, in that order.
    pub slots: Vec<SlotProof>,
}

/// A slot's value with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// The slot's number.
    pub slot: U256,
    /// Its value; the proof of zero shows that the slot is absent.
    pub value: U256,
    /// From the account's storage root.
    pub proof: Vec<Bytes>,
}

impl View {
    /// Proves an account and some of its slots, present or not.
    ///
    /// Costs a pass over all accounts and one over the account's storage.
    pub fn proof(&self, address: Address, slots: &[U256]) -> Result<AccountProof, StateError> {
        let hashed_address = keccak256(address);
        let account = self.account(address)?;
        let mut proofs = prove(trie::accounts(self.snapshot()), &[hashed_address])?;
        let account_proof = proofs.pop().expect("one key gives one proof");
        let hashed_slots: Vec<B256> = slots.iter().map(|&slot| hashed_slot(slot)).collect();
        let proofs = prove(trie::slots(self.snapshot(), hashed_address), &hashed_slots)?;
        let mut slot_proofs = Vec::with_capacity(slots.len());
        for (&slot, proof) in slots.iter().zip(proofs) {
            slot_proofs.push(SlotProof { slot, value: self.storage(address, slot)?, proof });
        }
        let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        Ok(AccountProof { address, account, storage_root, account_proof, slots: slot_proofs })
    }
}

/// Returns the proof of each key in the trie of `leaves`.
fn prove<T: TrieLeaf>(
    leaves: impl Iterator<Item = Leaf<T>>,
    keys: &[B256],
) -> Result<Vec<Vec<Bytes>>, StateError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Nibbles> = keys.iter().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(keys.clone()));
    if trie::root_of(leaves, &mut builder)? == EMPTY_ROOT_HASH {
        return Ok(vec![Vec::new(); keys.len()]);
    }
    let nodes = builder.take_proof_nodes();
    let proof = |key| {
        let path = nodes.matching_nodes_sorted(key).into_iter();
        // The root stands on its own however short it is.
        path.filter(|(path, node)| path.is_empty() || node.len() >= HASH_LEN).map(|(_, node)| node).collect()
    };
    Ok(keys.iter().map(proof).collect())
}
