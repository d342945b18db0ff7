//! From sorted changes of leaves to the new root and the records that change with it.
//!
//! One descent over the changed paths: a record is read once, its children that hold changes are done first, and on the way
//! back it is hashed and, if it differs, written. Where a branch loses all children but one, that one takes its place; where
//! a key leaves an extension half-way, the extension splits.
//!
//! The recursion follows a path, so it is never deeper than [`PATH_LEN`](super::node::PATH_LEN), whatever the trie holds.

use std::{sync::Arc, thread};

use alloy_primitives::B256;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};

use super::{
    Trie, TrieFault,
    node::{Hasher, Node},
};
use crate::{error::StateError, leaf::TrieLeaf};

/// Changes in one trie from which on its subtries are worth threads: starting one costs about as much as ten accounts.
const PARALLEL_CHANGES_MIN: usize = 256;

/// What becomes of one leaf. Changes of one update ascend by path, and each path is there once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<T> {
    /// The hashed key.
    pub(crate) path: Nibbles,
    /// Whether the leaf is in the trie now.
    pub(crate) existed: bool,
    /// The value from now on; none deletes the leaf.
    pub(crate) value: Option<T>,
}

/// What becomes of the record at a path, or of the leaf that stood there without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordChange {
    pub(crate) path: Nibbles,
    pub(crate) before: Before,
    pub(crate) after: Option<Arc<Node>>,
}

/// What the trie had at a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Before {
    #[default]
    Nothing,
    /// The leaf of this key, which does not stand here any more. History keeps the key: among the leaves that came and went
    /// under a path, nothing else tells which one was there at a block.
    Leaf(Nibbles),
    Record(Arc<Node>),
}

/// What an update leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) root: B256,
    pub(crate) records: Vec<RecordChange>,
    /// The RLP of every node hashed, if the trie was told to keep it.
    pub(crate) hashed: Vec<Vec<u8>>,
}

/// What the trie has at a path before the update.
enum Existing {
    Empty,
    /// A leaf, whose key only the flat state knows.
    Leaf,
    /// A record under this path, to which its parent refers so.
    Stored(RlpNode),
    /// A record that moves down here, because the extension above it splits.
    Moved(Node),
}

/// What the trie has at a path after the update. A record is written by whoever finds that it stays where it is.
enum Subtree<T> {
    Empty,
    Leaf(Nibbles, T),
    Branch(Node),
}

/// A subtree, and what stood at its path.
type Updated<T> = (Subtree<T>, Before);

/// The children of a branch before the update.
enum Children<'a> {
    Of(&'a Node),
    /// The one that an extension leads to which splits here.
    Split {
        nibble: u8,
        moved: Node,
    },
}

impl Children<'_> {
    fn existing(&mut self, at: u8) -> Existing {
        match self {
            Self::Of(node) => match node.child(at) {
                None => Existing::Empty,
                Some((_, true)) => Existing::Leaf,
                Some((reference, false)) => Existing::Stored(reference.clone()),
            },
            Self::Split { nibble, moved } if *nibble == at => Existing::Moved(std::mem::take(moved)),
            Self::Split { .. } => Existing::Empty,
        }
    }
}

impl<T: TrieLeaf> Trie<'_, T> {
    /// Computes what `changes` make of the trie whose root is `root`. Nothing is written.
    pub(crate) fn update(&self, root: B256, changes: &[Change<T>]) -> Result<Update, StateError> {
        debug_assert!(changes.is_sorted_by(|a, b| a.path < b.path), "changes ascend and are distinct");
        if changes.is_empty() {
            return Ok(Update { root, ..Update::default() });
        }
        let path = Nibbles::new();
        let existing = match self.node(&path)? {
            _ if root == EMPTY_ROOT_HASH => Existing::Empty,
            None => Existing::Leaf,
            Some(_) => Existing::Stored(RlpNode::word_rlp(&root)),
        };
        let mut updater = Updater::new(self, self.threads);
        let (subtree, before) = updater.subtree(path, existing, changes)?;
        Ok(updater.finish(subtree, before))
    }
}

struct Updater<'a, T> {
    trie: &'a Trie<'a, T>,
    hasher: Hasher,
    records: Vec<RecordChange>,
    /// Threads that the next branch with enough changes may use.
    threads: usize,
}

impl<'a, T: TrieLeaf> Updater<'a, T> {
    fn new(trie: &'a Trie<'a, T>, threads: usize) -> Self {
        Self { trie, hasher: Hasher::new(trie.keep_hashed), records: Vec::new(), threads }
    }

    /// Places what stands at the root.
    fn finish(mut self, subtree: Subtree<T>, before: Before) -> Update {
        let placed = self.place(Nibbles::new(), subtree, before);
        let root = placed.map_or(EMPTY_ROOT_HASH, |(reference, _)| Hasher::root(&reference));
        Update { root, records: self.records, hashed: self.hasher.kept.unwrap_or_default() }
    }

    fn subtree(
        &mut self,
        path: Nibbles,
        existing: Existing,
        changes: &[Change<T>],
    ) -> Result<Updated<T>, StateError> {
        match existing {
            Existing::Stored(reference) => {
                let before = self.trie.load(&path, &reference, &mut self.hasher)?;
                Ok((self.branch(path, &before, changes)?, Before::Record(before)))
            }
            Existing::Moved(node) => Ok((self.branch(path, &node, changes)?, Before::Nothing)),
            Existing::Empty | Existing::Leaf => {
                let mut known = changes.iter().filter(|change| change.existed).map(|change| change.path);
                let is_leaf = matches!(existing, Existing::Leaf);
                let first = known.next();
                if first.is_some() && (!is_leaf || known.next().is_some()) {
                    return Err(self.trie.fault(&path, TrieFault::LeafUnknown));
                }
                let mut before = first.map_or(Before::Nothing, Before::Leaf);
                let mut leaves: Vec<_> =
                    changes.iter().filter_map(|change| Some((change.path, change.value?))).collect();
                if is_leaf && first.is_none() {
                    // None of the changes is of the leaf that is here: it stays, beside them.
                    let leaf = self.trie.leaf_at(&path)?;
                    before = Before::Leaf(leaf.0);
                    let place = leaves.partition_point(|(path, _)| *path < leaf.0);
                    leaves.insert(place, leaf);
                }
                Ok((self.build(path, &leaves), before))
            }
        }
    }

    /// Updates a record's node, which stands at `path`.
    fn branch(
        &mut self,
        path: Nibbles,
        node: &Node,
        changes: &[Change<T>],
    ) -> Result<Subtree<T>, StateError> {
        let extension = node.extension;
        let below = |change: &Change<T>| change.path.slice(path.len()..).common_prefix_length(&extension);
        // The paths ascend, so those of the ends leave the extension first.
        let shared = changes.first().map_or(0, below).min(changes.last().map_or(0, below));
        if shared == extension.len() {
            return self.fork(path, extension, Children::Of(node), changes);
        }
        let nibble = extension.get_unchecked(shared);
        let moved = Node { extension: extension.slice(shared + 1..), ..node.clone() };
        self.fork(path, extension.slice(..shared), Children::Split { nibble, moved }, changes)
    }

    /// Updates the children of the branch to which `extension` leads from `path`, and makes of them what is left.
    fn fork(
        &mut self,
        path: Nibbles,
        extension: Nibbles,
        mut children: Children<'_>,
        changes: &[Change<T>],
    ) -> Result<Subtree<T>, StateError> {
        let branch = path.join(&extension);
        let mut done = self.fork_in_parallel(&branch, &children, changes)?;
        let mut node = Node { extension, ..Node::default() };
        if let Children::Of(old) = &children {
            node.references.reserve_exact(old.references.len());
        }
        // The first child that the update touched, as long as it is the only one: it may take the branch's place.
        let mut only: Option<(u8, Updated<T>)> = None;
        let mut rest = changes;
        for nibble in 0..16 {
            let here = take_nibble(&mut rest, branch.len(), nibble);
            if here.is_empty()
                && let Children::Of(old) = &children
            {
                if let Some((reference, is_leaf)) = old.child(nibble) {
                    self.push_only(&branch, &mut node, &mut only);
                    node.push(nibble, reference.clone(), is_leaf);
                }
                continue;
            }
            let below = child_path(&branch, nibble);
            let updated = match done.get_mut(usize::from(nibble)).and_then(Option::take) {
                Some(updated) => updated,
                None => match children.existing(nibble) {
                    Existing::Moved(node) if here.is_empty() => (Subtree::Branch(node), Before::Nothing),
                    Existing::Empty if here.is_empty() => continue,
                    existing => self.subtree(below, existing, here)?,
                },
            };
            if matches!(updated.0, Subtree::Empty) {
                self.place(below, updated.0, updated.1);
            } else if node.references.is_empty() && only.is_none() {
                only = Some((nibble, updated));
            } else {
                self.push_only(&branch, &mut node, &mut only);
                self.push(&branch, &mut node, nibble, updated);
            }
        }
        if let Some((nibble, (subtree, before))) = only {
            return Ok(self.lift(&node.extension, &child_path(&branch, nibble), subtree, before));
        }
        let Some((nibble, reference, is_leaf)) = node.only_child() else {
            return Ok(if node.references.is_empty() { Subtree::Empty } else { Subtree::Branch(node) });
        };
        let below = child_path(&branch, nibble);
        if is_leaf {
            let (key, value) = self.trie.leaf_at(&below)?;
            self.record(below, Before::Leaf(key), None);
            return Ok(Subtree::Leaf(key, value));
        }
        let child = self.trie.load(&below, reference, &mut self.hasher)?;
        let subtree = Subtree::Branch(Node::clone(&child));
        Ok(self.lift(&node.extension, &below, subtree, Before::Record(child)))
    }

    /// Lets a branch's only child take its place.
    fn lift(
        &mut self,
        extension: &Nibbles,
        below: &Nibbles,
        subtree: Subtree<T>,
        before: Before,
    ) -> Subtree<T> {
        self.record(*below, before, None);
        let Subtree::Branch(mut child) = subtree else { return subtree };
        let mut whole = *extension;
        whole.push(below.last().expect("a child's path has a nibble"));
        whole.extend(&child.extension);
        child.extension = whole;
        Subtree::Branch(child)
    }

    /// Computes the subtrees of a branch in threads, by nibble; empty if it is not worth it.
    fn fork_in_parallel(
        &mut self,
        branch: &Nibbles,
        children: &Children<'_>,
        changes: &[Change<T>],
    ) -> Result<Vec<Option<Updated<T>>>, StateError> {
        let Children::Of(node) = children else { return Ok(Vec::new()) };
        if self.threads < 2 || changes.len() < PARALLEL_CHANGES_MIN {
            return Ok(Vec::new());
        }
        let mut rest = changes;
        let parts: Vec<(u8, &[Change<T>])> =
            (0..16).map(|nibble| (nibble, take_nibble(&mut rest, branch.len(), nibble))).collect();
        // Each thread takes every n-th nibble; hashed keys spread evenly.
        let threads = std::mem::replace(&mut self.threads, 1).min(16);
        let (trie, parts) = (self.trie, &parts);
        let work = |first: usize| -> Result<_, StateError> {
            let mut updater = Updater::new(trie, 1);
            let mut done = Vec::new();
            for &(nibble, here) in parts.iter().skip(first).step_by(threads) {
                if !here.is_empty() {
                    let existing = Children::Of(node).existing(nibble);
                    done.push((nibble, updater.subtree(child_path(branch, nibble), existing, here)?));
                }
            }
            Ok((done, updater))
        };
        let results: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (1..threads).map(|first| scope.spawn(move || work(first))).collect();
            let own = work(0);
            let joined = workers.into_iter().map(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            std::iter::once(own).chain(joined).collect()
        });
        let mut by_nibble: Vec<Option<Updated<T>>> = (0..16).map(|_| None).collect();
        for result in results {
            let (done, updater) = result?;
            self.records.extend(updater.records);
            if let (Some(kept), Some(more)) = (&mut self.hasher.kept, updater.hasher.kept) {
                kept.extend(more);
            }
            for (nibble, updated) in done {
                by_nibble[usize::from(nibble)] = Some(updated);
            }
        }
        Ok(by_nibble)
    }

    /// Makes the subtree of these leaves, which ascend and share `path`, where there was none.
    fn build(&mut self, path: Nibbles, leaves: &[(Nibbles, T)]) -> Subtree<T> {
        let (first, last) = match leaves {
            [] => return Subtree::Empty,
            [(key, value)] => return Subtree::Leaf(*key, *value),
            [(first, _), .., (last, _)] => (first, last),
        };
        let depth = first.common_prefix_length(last);
        let branch = first.slice(..depth);
        let mut node = Node { extension: first.slice(path.len()..depth), ..Node::default() };
        let mut rest = leaves;
        while let Some((key, _)) = rest.first() {
            let nibble = key.get_unchecked(depth);
            let end = rest.partition_point(|(key, _)| key.get_unchecked(depth) == nibble);
            let (here, after) = rest.split_at(end);
            rest = after;
            let subtree = self.build(child_path(&branch, nibble), here);
            self.push(&branch, &mut node, nibble, (subtree, Before::Nothing));
        }
        Subtree::Branch(node)
    }

    fn push_only(&mut self, branch: &Nibbles, node: &mut Node, only: &mut Option<(u8, Updated<T>)>) {
        if let Some((nibble, updated)) = only.take() {
            self.push(branch, node, nibble, updated);
        }
    }

    /// Adds a child to a branch that keeps it.
    fn push(&mut self, branch: &Nibbles, node: &mut Node, nibble: u8, (subtree, before): Updated<T>) {
        if let Some((reference, is_leaf)) = self.place(child_path(branch, nibble), subtree, before) {
            node.push(nibble, reference, is_leaf);
        }
    }

    /// Decides that a subtree stays at its path: notes its record, and returns the reference to it and whether it is a leaf.
    fn place(&mut self, path: Nibbles, subtree: Subtree<T>, before: Before) -> Option<(RlpNode, bool)> {
        match subtree {
            Subtree::Empty => {
                self.record(path, before, None);
                None
            }
            Subtree::Leaf(key, value) => {
                if before != Before::Leaf(key) {
                    self.record(path, before, None);
                }
                Some((self.hasher.leaf(&key, path.len(), &value), true))
            }
            Subtree::Branch(node) => {
                let reference = self.hasher.node(&node);
                self.record(path, before, Some(Arc::new(node)));
                Some((reference, false))
            }
        }
    }

    fn record(&mut self, path: Nibbles, before: Before, after: Option<Arc<Node>>) {
        let is_same = match (&before, &after) {
            (Before::Nothing, None) => true,
            (Before::Record(before), Some(after)) => before == after,
            _ => false,
        };
        if !is_same {
            self.records.push(RecordChange { path, before, after });
        }
    }
}

fn child_path(branch: &Nibbles, nibble: u8) -> Nibbles {
    let mut path = *branch;
    path.push(nibble);
    path
}

/// Takes the changes whose path has `nibble` at `depth` off the front of `rest`.
fn take_nibble<'a, T>(rest: &mut &'a [Change<T>], depth: usize, nibble: u8) -> &'a [Change<T>] {
    let end = rest.iter().take_while(|change| change.path.get_unchecked(depth) == nibble).count();
    let (here, after) = rest.split_at(end);
    *rest = after;
    here
}
