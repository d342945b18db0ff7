//! The records of the head's tries that were written last, in memory, so that the next block need not read them.
//!
//! The upper records of a trie change with every block, so what was written last is what the next block needs. The cache
//! has two halves: new records go to the young half, and when that is full, it becomes the old one, whose records are
//! forgotten. So it is bounded, and a record that keeps changing stays.

use std::sync::Arc;

use alloy_primitives::{B256, map::HashMap};
use alloy_trie::Nibbles;

use super::{node::Node, update::RecordChange};

/// Records in each half: those of a million accounts are some 350,000, at about 250 bytes each. Smaller states take less.
const HALF_RECORDS_MAX: usize = 1 << 19;

/// Which trie, and the path in it. None is the trie of accounts, else keccak256 of the address whose storage it is.
type Place = (Option<B256>, Nibbles);
type Half = HashMap<Place, Arc<Node>>;

/// Records by where they are.
#[derive(Debug, Default)]
pub(crate) struct NodeCache {
    young: Half,
    old: Half,
}

impl NodeCache {
    pub(crate) fn get(&self, owner: Option<B256>, path: &Nibbles) -> Option<&Arc<Node>> {
        let place = (owner, *path);
        self.young.get(&place).or_else(|| self.old.get(&place))
    }

    /// Notes what a record is from now on; none forgets it.
    pub(crate) fn set(&mut self, owner: Option<B256>, path: Nibbles, node: Option<Arc<Node>>) {
        let place = (owner, path);
        match node {
            Some(node) => {
                if self.young.len() >= HALF_RECORDS_MAX {
                    self.old = std::mem::take(&mut self.young);
                }
                self.young.insert(place, node);
            }
            None => {
                self.young.remove(&place);
                self.old.remove(&place);
            }
        }
    }

    /// Notes what an update of tries, by owner, leads to.
    pub(crate) fn apply(&mut self, tries: Vec<(Option<B256>, Vec<RecordChange>)>) {
        for (owner, records) in tries {
            for RecordChange { path, after, .. } in records {
                self.set(owner, path, after);
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
