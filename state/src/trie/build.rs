//! Making a trie's records from its leaves alone: one pass over them in order, in constant memory.
//!
//! A branch is known once the next leaf lies beyond it, so records come out children first. What is open at a time are the
//! branches above the last leaf, one for each of its nibbles at most.

use alloy_primitives::B256;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};

use super::node::{Hasher, Node};
use crate::{error::StateError, leaf::TrieLeaf};

/// Takes each record with its path.
pub(crate) type RecordSink<'a> = &'a mut dyn FnMut(Nibbles, Node) -> Result<(), StateError>;

/// A trie that is being made.
pub(crate) struct Builder<T> {
    /// The last leaf's key.
    last: Nibbles,
    /// The last leaf, or the branch that it completed, without a parent yet.
    pending: Option<Pending<T>>,
    /// The branches above it, the innermost last.
    open: Vec<Open>,
    hasher: Hasher,
}

/// What has no parent yet. Its path begins as the last key does.
enum Pending<T> {
    Leaf(T),
    Branch(Open),
}

/// A branch whose extension is not known before its parent is.
struct Open {
    /// Nibbles of its path.
    depth: usize,
    node: Node,
}

impl<T: TrieLeaf> Builder<T> {
    pub(crate) fn new() -> Self {
        Self { last: Nibbles::new(), pending: None, open: Vec::new(), hasher: Hasher::new(false) }
    }

    /// Adds the next leaf, whose key is beyond those before.
    pub(crate) fn leaf(&mut self, key: Nibbles, value: T, sink: RecordSink<'_>) -> Result<(), StateError> {
        if let Some(pending) = self.pending.take() {
            debug_assert!(self.last < key, "leaves ascend");
            let fork = self.last.common_prefix_length(&key);
            let pending = self.close_below(fork, pending, sink)?;
            let mut branch = self
                .open
                .pop_if(|branch| branch.depth == fork)
                .unwrap_or_else(|| Open { depth: fork, node: Node::default() });
            self.attach(&mut branch, pending, sink)?;
            self.open.push(branch);
        }
        self.last = key;
        self.pending = Some(Pending::Leaf(value));
        Ok(())
    }

    /// Ends the trie and returns its root.
    pub(crate) fn finish(mut self, sink: RecordSink<'_>) -> Result<B256, StateError> {
        let Some(mut pending) = self.pending.take() else { return Ok(EMPTY_ROOT_HASH) };
        while let Some(mut branch) = self.open.pop() {
            self.attach(&mut branch, pending, sink)?;
            pending = Pending::Branch(branch);
        }
        let (reference, _) = self.place(0, pending, sink)?;
        Ok(Hasher::root(&reference))
    }

    /// Completes the branches deeper than `fork`; returns the outermost of them, or what was pending.
    fn close_below(
        &mut self,
        fork: usize,
        mut pending: Pending<T>,
        sink: RecordSink<'_>,
    ) -> Result<Pending<T>, StateError> {
        while let Some(mut branch) = self.open.pop_if(|branch| branch.depth > fork) {
            self.attach(&mut branch, pending, sink)?;
            pending = Pending::Branch(branch);
        }
        Ok(pending)
    }

    /// Makes what is pending a child of a branch.
    fn attach(
        &mut self,
        branch: &mut Open,
        pending: Pending<T>,
        sink: RecordSink<'_>,
    ) -> Result<(), StateError> {
        let nibble = self.last.get_unchecked(branch.depth);
        let (reference, is_leaf) = self.place(branch.depth + 1, pending, sink)?;
        branch.node.push(nibble, reference, is_leaf);
        Ok(())
    }

    /// Puts what is pending under the first `depth` nibbles of its path; returns the reference to it, and whether it is a
    /// leaf.
    fn place(
        &mut self,
        depth: usize,
        pending: Pending<T>,
        sink: RecordSink<'_>,
    ) -> Result<(RlpNode, bool), StateError> {
        match pending {
            Pending::Leaf(value) => Ok((self.hasher.leaf(&self.last, depth, &value), true)),
            Pending::Branch(Open { depth: end, mut node }) => {
                node.extension = self.last.slice(depth..end);
                let reference = self.hasher.node(&node);
                sink(self.last.slice(..depth), node)?;
                Ok((reference, false))
            }
        }
    }
}
