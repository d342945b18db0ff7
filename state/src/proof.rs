//! Merkle proofs of accounts and slots, as `eth_getProof` gives them.
//!
//! A proof is the trie's nodes from the root down to the key, or to where the path leaves the key behind. A node whose RLP is
//! shorter than 32 bytes stands inside its parent and is not listed on its own. An empty trie has the empty proof.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode},
};

use crate::{
    error::StateError,
    leaf::{HASH_LEN, TrieLeaf},
    record::Account,
    trie::{Trie, TrieFault},
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
    /// From the state's root, which is the [`state_root`](crate::Head::state_root) of the view's block.
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
    /// Costs a few reads for each. Every node is checked against the one above it, up to the block's state root, so a proof
    /// that is returned holds; fails with [`StateError::Trie`] where the database contradicts itself.
    pub fn proof(&self, address: Address, slots: &[U256]) -> Result<AccountProof, StateError> {
        let hashed_address = keccak256(address);
        let (account, account_proof) = self.account_trie().prove(self.head().state_root, hashed_address)?;
        let storage_root = account.map_or(EMPTY_ROOT_HASH, |account: Account| account.storage_root);
        let trie = Trie::<U256>::new(&self.reader, Some(hashed_address));
        let prove = |&slot: &U256| -> Result<SlotProof, StateError> {
            let (value, proof) = trie.prove(storage_root, hashed_slot(slot))?;
            Ok(SlotProof { slot, value: value.unwrap_or_default(), proof })
        };
        let slots = slots.iter().map(prove).collect::<Result<_, _>>()?;
        Ok(AccountProof { address, account, storage_root, account_proof, slots })
    }

    pub(crate) fn account_trie(&self) -> Trie<'_, Account> {
        Trie::new(&self.reader, None)
    }
}

impl<T: TrieLeaf> Trie<'_, T> {
    /// Returns a key's value and the nodes that lead to it, or to where it would be.
    pub(crate) fn prove(&self, root: B256, key: B256) -> Result<(Option<T>, Vec<Bytes>), StateError> {
        let key = Nibbles::unpack(key);
        let mut path = Nibbles::new();
        let mut proof = Vec::new();
        if root == EMPTY_ROOT_HASH {
            return Ok((None, proof));
        }
        let mut reference = RlpNode::word_rlp(&root);
        let mut is_leaf = self.reader.node(self.owner, &path)?.is_none();
        // Each round goes at least one nibble further down.
        loop {
            if is_leaf {
                let (leaf, value) = self.leaf_at(&path)?;
                let rlp = leaf_rlp(&leaf.slice(path.len()..), &value);
                self.check(&path, &reference, &rlp)?;
                list(&mut proof, rlp);
                return Ok(((leaf == key).then_some(value), proof));
            }
            let fault = || self.fault(&path, TrieFault::Missing);
            let node = self.reader.node(self.owner, &path)?.ok_or_else(fault)?;
            let mut branch = Vec::new();
            node.encode_branch(&mut branch);
            if node.extension.is_empty() {
                self.check(&path, &reference, &branch)?;
            } else {
                let below = RlpNode::from_rlp(&branch);
                let mut rlp = Vec::new();
                ExtensionNodeRef::new(&node.extension, below.as_slice()).encode(&mut rlp);
                self.check(&path, &reference, &rlp)?;
                list(&mut proof, rlp);
            }
            if !key.slice(path.len()..).starts_with(&node.extension) {
                return Ok((None, proof));
            }
            list(&mut proof, branch);
            path.extend(&node.extension);
            let nibble = key.get_unchecked(path.len());
            let Some((below, leaf)) = node.child(nibble) else { return Ok((None, proof)) };
            path.push(nibble);
            (reference, is_leaf) = (below.clone(), leaf);
        }
    }

    /// Fails unless a node is what the one above it refers to.
    fn check(&self, path: &Nibbles, reference: &RlpNode, rlp: &[u8]) -> Result<(), StateError> {
        // The root is referred to by hash however short it is.
        let is_root = path.is_empty() && RlpNode::word_rlp(&keccak256(rlp)) == *reference;
        if is_root || RlpNode::from_rlp(rlp) == *reference {
            return Ok(());
        }
        Err(self.fault(path, TrieFault::Reference))
    }
}

fn leaf_rlp<T: TrieLeaf>(path: &Nibbles, value: &T) -> Vec<u8> {
    let (mut inner, mut rlp) = (Vec::new(), Vec::new());
    value.encode_leaf(&mut inner);
    LeafNodeRef::new(path, &inner).encode(&mut rlp);
    rlp
}

/// Adds a node to a proof. The root stands on its own however short it is, others are inside their parents then.
fn list(proof: &mut Vec<Bytes>, rlp: Vec<u8>) {
    if proof.is_empty() || rlp.len() >= HASH_LEN {
        proof.push(rlp.into());
    }
}
