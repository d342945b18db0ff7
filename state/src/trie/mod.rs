//! The Merkle Patricia trie: records of branches under their paths, updated in batches.
//!
//! There is one trie of accounts and one of the slots of each account that has some, its **owner**. Keys are keccak256 of
//! addresses and slot numbers, and a **path** is the first nibbles of a key. [`node`] says what a record is, [`update`] how
//! a block's changes become records and a root, [`build`] makes all of them from the leaves, [`cache`] keeps the records that the next block will need, [`walk`] compares
//! what is stored with what should be.
//!
//! A record is trusted only after it was hashed and found to be what its parent refers to. So one that was left behind
//! under a path, or written wrongly, is an error and never a wrong root.

mod build;
mod cache;
pub(crate) mod node;
#[cfg(test)]
mod tests;
mod update;
mod walk;

use std::{fmt, marker::PhantomData, sync::Arc};

use alloy_primitives::B256;
use alloy_trie::{Nibbles, nodes::RlpNode};

pub(crate) use self::{
    build::{Builder, RecordSink},
    cache::NodeCache,
    node::{Hasher, Node},
    update::{Before, Change, RecordChange, Update},
    walk::{Records, Walk},
};
use crate::{
    error::{CorruptTrie, StateError},
    leaf::TrieLeaf,
    reader::Reader,
    store::Column,
};

/// What can be wrong between a trie's records and its leaves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrieFault {
    /// A parent refers to a record that is not there.
    #[error("the record is missing")]
    Missing,
    /// A record that no parent refers to.
    #[error("no other record refers to this one")]
    Orphan,
    /// A record or leaf is not what its parent refers to.
    #[error("what is here is not what the record above refers to")]
    Reference,
    /// The trie has a leaf that the flat state does not have.
    #[error("the trie has a leaf here, accounts and slots have none")]
    LeafMissing,
    /// The flat state has a leaf that the trie does not have.
    #[error("accounts and slots have a leaf here, the trie has none")]
    LeafUnknown,
    /// The flat state is not the one that a header or an account promises, so the trie cannot follow from it.
    #[error(
        "accounts or slots have root {computed}, block {block} promises {promised}: nothing can be repaired from them"
    )]
    Leaves {
        /// The head.
        block: u64,
        /// The root in the header, or in the account.
        promised: B256,
        /// The root of what is there.
        computed: B256,
    },
}

/// One trie at one block.
pub(crate) struct Trie<'a, T> {
    pub(crate) reader: &'a Reader,
    /// None is the trie of accounts, else keccak256 of the address whose storage it is.
    pub(crate) owner: Option<B256>,
    /// Records of this very block.
    pub(crate) cache: Option<&'a NodeCache>,
    /// How many threads an update may use.
    pub(crate) threads: usize,
    /// Whether an update returns the RLP of what it hashes.
    pub(crate) keep_hashed: bool,
    leaf: PhantomData<T>,
}

impl<'a, T: TrieLeaf> Trie<'a, T> {
    pub(crate) fn new(reader: &'a Reader, owner: Option<B256>) -> Self {
        Self { reader, owner, cache: None, threads: 1, keep_hashed: false, leaf: PhantomData }
    }

    /// Returns the record at a path, unchecked.
    fn node(&self, path: &Nibbles) -> Result<Option<Arc<Node>>, StateError> {
        if let Some(node) = self.cache.and_then(|cache| cache.get(self.owner, path)) {
            return Ok(Some(Arc::clone(node)));
        }
        Ok(self.reader.node(self.owner, path)?.map(Arc::new))
    }

    /// Returns the record at a path, to which its parent refers by `reference`.
    pub(crate) fn load(
        &self,
        path: &Nibbles,
        reference: &RlpNode,
        hasher: &mut Hasher,
    ) -> Result<Arc<Node>, StateError> {
        if let Some(node) = self.cache.and_then(|cache| cache.get(self.owner, path)) {
            return Ok(Arc::clone(node));
        }
        let node = self.reader.node(self.owner, path)?.ok_or_else(|| self.fault(path, TrieFault::Missing))?;
        let found = hasher.node(&node);
        // The root's parent is the header or the account, which always refer by hash.
        if found != *reference && !(path.is_empty() && RlpNode::word_rlp(&Hasher::root(&found)) == *reference)
        {
            return Err(self.fault(path, TrieFault::Reference));
        }
        Ok(Arc::new(node))
    }

    /// Returns the one leaf under a path at which the trie has a leaf.
    pub(crate) fn leaf_at(&self, path: &Nibbles) -> Result<(Nibbles, T), StateError> {
        self.reader.leaf_at(self.owner, path)?.ok_or_else(|| self.fault(path, TrieFault::LeafMissing))
    }

    /// Returns the error that says what is wrong where.
    pub(crate) fn fault(&self, path: &Nibbles, fault: TrieFault) -> StateError {
        let (column, key) = node_key(self.owner, path);
        CorruptTrie { column, key, fault }.into()
    }
}

impl<T> fmt::Debug for Trie<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trie").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Returns where a record is: one byte a nibble, so that parents sort before their children.
pub(crate) fn node_key(owner: Option<B256>, path: &Nibbles) -> (Column, Vec<u8>) {
    match owner {
        None => (Column::TrieAccount, path.to_vec()),
        Some(owner) => (Column::TrieStorage, [owner.as_slice(), &path.to_vec()].concat()),
    }
}
