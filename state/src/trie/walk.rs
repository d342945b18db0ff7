//! Comparing a trie's records with its leaves.
//!
//! Records sort as a walk through the trie meets them, parents before children, and the flat state has the leaves in the
//! same order. So one pass over both finds every record that is missing, wrong or referred to by nobody, and every leaf that
//! only one side has, in constant memory.

use std::iter::Peekable;

use alloy_primitives::B256;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};

use super::{Hasher, Node, TrieFault, node::PATH_LEN, node_key};
use crate::{
    codec::RecordError,
    error::{CorruptEntry, CorruptTrie, StateError},
    leaf::{TrieLeaf, decode},
    store::{Column, Entry, Scan, Snapshot},
};

/// The records of one column, in order.
pub(crate) struct Records<'a> {
    column: Column,
    scan: Peekable<Scan<'a>>,
    /// How many were read.
    pub(crate) read: u64,
}

impl<'a> Records<'a> {
    /// Begins at the first record of [`Column::TrieAccount`] or [`Column::TrieStorage`].
    pub(crate) fn new(snapshot: &'a dyn Snapshot, column: Column) -> Self {
        Self { column, scan: snapshot.scan(column, &[], &[]).peekable(), read: 0 }
    }

    /// Takes the next record if its key is not beyond `last`; returns its key and value.
    fn next_until(&mut self, last: &[u8]) -> Result<Option<Entry>, StateError> {
        let entry = self.scan.next_if(|entry| entry.as_ref().map_or(true, |(key, _)| key.as_slice() <= last));
        let entry = entry.transpose()?;
        self.read += u64::from(entry.is_some());
        Ok(entry)
    }

    /// Notes all records up to the key `last`, which nobody refers to.
    pub(crate) fn skip_until(
        &mut self,
        last: &[u8],
        note: &mut dyn FnMut(StateError),
    ) -> Result<(), StateError> {
        while let Some((key, _)) = self.next_until(last)? {
            note(CorruptTrie { column: self.column, key, fault: TrieFault::Orphan }.into());
        }
        Ok(())
    }
}

/// What the walk expects next.
enum Step {
    Record(Nibbles, RlpNode),
    Leaf(Nibbles, RlpNode),
    /// What is under the path is not known, because a record is missing.
    Unknown(Nibbles),
}

/// A walk through one trie. Leaves are handed to it in order; it reads records as it meets them.
pub(crate) struct Walk {
    owner: Option<B256>,
    /// What is left to do, the next last. At most 16 for each nibble of a path.
    steps: Vec<Step>,
    hasher: Hasher,
}

impl Walk {
    /// Begins at the root of a trie, of which `first` says whether it has a record.
    pub(crate) fn new(owner: Option<B256>, root: B256, has_record: bool) -> Self {
        let reference = RlpNode::word_rlp(&root);
        let step = match has_record {
            true => Step::Record(Nibbles::new(), reference),
            false => Step::Leaf(Nibbles::new(), reference),
        };
        let steps = if root == EMPTY_ROOT_HASH { Vec::new() } else { vec![step] };
        Self { owner, steps, hasher: Hasher::new(false) }
    }

    /// Compares the next leaf of the flat state with what the trie has at its place.
    pub(crate) fn leaf<T: TrieLeaf>(
        &mut self,
        records: &mut Records<'_>,
        key: &Nibbles,
        value: &T,
        note: &mut dyn FnMut(StateError),
    ) -> Result<(), StateError> {
        while let Some(step) = self.steps.pop() {
            match step {
                Step::Record(path, reference) => self.record(records, path, &reference, note)?,
                Step::Unknown(path) if key.starts_with(&path) => {
                    self.steps.push(Step::Unknown(path));
                    return Ok(());
                }
                Step::Leaf(path, reference) if key.starts_with(&path) => {
                    let found = self.hasher.leaf(key, path.len(), value);
                    if !is_reference(&path, &reference, &found) {
                        note(self.fault(key, TrieFault::Reference));
                    }
                    return Ok(());
                }
                Step::Leaf(path, reference) if *key < path => {
                    self.steps.push(Step::Leaf(path, reference));
                    break;
                }
                Step::Leaf(path, _) => note(self.fault(&path, TrieFault::LeafMissing)),
                Step::Unknown(path) if *key < path => {
                    self.steps.push(Step::Unknown(path));
                    break;
                }
                Step::Unknown(path) => self.pass_over(records, &path)?,
            }
        }
        note(self.fault(key, TrieFault::LeafUnknown));
        Ok(())
    }

    /// Ends the walk: what the trie still expects is missing, what records are left nobody refers to.
    pub(crate) fn finish(
        mut self,
        records: &mut Records<'_>,
        note: &mut dyn FnMut(StateError),
    ) -> Result<(), StateError> {
        while let Some(step) = self.steps.pop() {
            match step {
                Step::Record(path, reference) => self.record(records, path, &reference, note)?,
                Step::Leaf(path, _) => note(self.fault(&path, TrieFault::LeafMissing)),
                Step::Unknown(path) => self.pass_over(records, &path)?,
            }
        }
        // No path has this many nibbles of this size.
        let end = [self.owner.as_ref().map_or(&[][..], |owner| owner.as_slice()), &[u8::MAX]].concat();
        records.skip_until(&end, note)
    }

    /// Passes over the records below one that is missing: whether something refers to them is not known.
    fn pass_over(&self, records: &mut Records<'_>, path: &Nibbles) -> Result<(), StateError> {
        let (_, mut last) = node_key(self.owner, path);
        last.push(u8::MAX);
        records.skip_until(&last, &mut |_| ())
    }

    /// Reads the record that must come next, and puts its children before everything else.
    fn record(
        &mut self,
        records: &mut Records<'_>,
        path: Nibbles,
        reference: &RlpNode,
        note: &mut dyn FnMut(StateError),
    ) -> Result<(), StateError> {
        let (column, wanted) = node_key(self.owner, &path);
        loop {
            let Some((key, value)) = records.next_until(&wanted)? else {
                note(self.fault(&path, TrieFault::Missing));
                self.steps.push(Step::Unknown(path));
                return Ok(());
            };
            if key != wanted {
                note(CorruptTrie { column, key, fault: TrieFault::Orphan }.into());
                continue;
            }
            let node: Node = match decode(column, &key, &value) {
                Ok(node) => node,
                Err(corrupt) => {
                    note(corrupt.into());
                    self.steps.push(Step::Unknown(path));
                    return Ok(());
                }
            };
            if !is_reference(&path, reference, &self.hasher.node(&node)) {
                note(self.fault(&path, TrieFault::Reference));
            }
            let branch = path.join(&node.extension);
            if branch.len() >= PATH_LEN {
                let reason = RecordError::Length { found: branch.len(), expected: PATH_LEN - 1 };
                note(CorruptEntry { column, key, reason }.into());
                return Ok(());
            }
            for nibble in (0..16).rev() {
                let Some((reference, is_leaf)) = node.child(nibble) else { continue };
                let mut below = branch;
                below.push(nibble);
                self.steps.push(match is_leaf {
                    true => Step::Leaf(below, reference.clone()),
                    false => Step::Record(below, reference.clone()),
                });
            }
            return Ok(());
        }
    }

    fn fault(&self, path: &Nibbles, fault: TrieFault) -> StateError {
        let (column, key) = node_key(self.owner, path);
        CorruptTrie { column, key, fault }.into()
    }
}

/// Returns whether `found` is what `reference` refers to. The root is referred to by hash however short it is.
fn is_reference(path: &Nibbles, reference: &RlpNode, found: &RlpNode) -> bool {
    found == reference || (path.is_empty() && RlpNode::word_rlp(&Hasher::root(found)) == *reference)
}
