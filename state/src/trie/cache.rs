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

/// Nibbles that fit, with their number, into a word.
const SHORT_PATH_MAX: usize = 15;

/// Which trie, and the path in it. None is the trie of accounts, else keccak256 of the address whose storage it is.
type Place = (Option<B256>, Nibbles);

/// Records by where they are.
#[derive(Debug, Default)]
pub(crate) struct NodeCache {
    young: Half,
    old: Half,
}

/// Looking records up is waiting for memory, so the trie of accounts, in which nearly all paths are short, has a map of its
/// own with keys of a word.
#[derive(Debug, Default)]
struct Half {
    short: HashMap<u64, Arc<Node>>,
    other: HashMap<Place, Arc<Node>>,
}

/// Returns a word that stands for a short path in the trie of accounts, and for no other.
fn short_path(owner: Option<B256>, path: &Nibbles) -> Option<u64> {
    if owner.is_some() || path.len() > SHORT_PATH_MAX {
        return None;
    }
    Some(path.iter().fold(path.len() as u64, |word, nibble| word << 4 | u64::from(nibble)))
}

impl Half {
    fn get(&self, short: Option<u64>, owner: Option<B256>, path: &Nibbles) -> Option<&Arc<Node>> {
        match short {
            Some(word) => self.short.get(&word),
            None => self.other.get(&(owner, *path)),
        }
    }

    fn insert(&mut self, owner: Option<B256>, path: Nibbles, node: Arc<Node>) {
        match short_path(owner, &path) {
            Some(word) => self.short.insert(word, node),
            None => self.other.insert((owner, path), node),
        };
    }

    fn remove(&mut self, owner: Option<B256>, path: &Nibbles) {
        match short_path(owner, path) {
            Some(word) => self.short.remove(&word),
            None => self.other.remove(&(owner, *path)),
        };
    }

    fn len(&self) -> usize {
        self.short.len() + self.other.len()
    }
}

impl NodeCache {
    /// Returns how many records are here.
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub(crate) fn get(&self, owner: Option<B256>, path: &Nibbles) -> Option<&Arc<Node>> {
        let short = short_path(owner, path);
        self.young.get(short, owner, path).or_else(|| self.old.get(short, owner, path))
    }

    /// Notes what a record is from now on; none forgets it.
    pub(crate) fn set(&mut self, owner: Option<B256>, path: Nibbles, node: Option<Arc<Node>>) {
        match node {
            Some(node) => {
                if self.young.len() >= HALF_RECORDS_MAX {
                    self.old = std::mem::take(&mut self.young);
                }
                self.young.insert(owner, path, node);
            }
            None => {
                self.young.remove(owner, &path);
                self.old.remove(owner, &path);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(nibble: u8) -> Option<Arc<Node>> {
        Some(Arc::new(Node { extension: Nibbles::from_nibbles([nibble]), ..Node::default() }))
    }

    #[test]
    fn every_place_has_its_own_record() {
        let owners = [None, Some(B256::ZERO), Some(B256::repeat_byte(1))];
        // Paths that differ in length alone, on both sides of what is short.
        let paths = (0..20).flat_map(|len| [0, 1, 0xf].map(|nibble| vec![nibble; len]));
        let places: Vec<Place> = paths
            .map(|path| Nibbles::from_nibbles(path))
            .flat_map(|path| owners.map(|owner| (owner, path)))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut cache = NodeCache::default();
        for (index, &(owner, path)) in places.iter().enumerate() {
            assert!(cache.get(owner, &path).is_none(), "{owner:?} {path:?}");
            let node = Node { children: u16::try_from(index).expect("few"), ..Node::default() };
            cache.set(owner, path, Some(Arc::new(node)));
        }
        for (index, (owner, path)) in places.iter().enumerate() {
            assert_eq!(cache.get(*owner, path).map(|node| usize::from(node.children)), Some(index));
        }
        for (owner, path) in places {
            cache.set(owner, path, None);
            assert!(cache.get(owner, &path).is_none());
        }
    }

    #[test]
    fn a_record_that_was_deleted_does_not_come_back_from_the_old_half() {
        let mut cache = NodeCache::default();
        let path = |n: u64| Nibbles::unpack(B256::from(alloy_primitives::U256::from(n)));
        cache.set(None, path(0), node(1));
        for n in 0..HALF_RECORDS_MAX as u64 {
            cache.set(None, path(n + 1), node(2));
        }
        assert!(cache.young.get(None, None, &path(0)).is_none(), "the young half was full");
        assert!(cache.get(None, &path(0)).is_some());
        cache.set(None, path(0), None);
        assert!(cache.get(None, &path(0)).is_none());
        assert!(cache.young.len() <= HALF_RECORDS_MAX && cache.old.len() <= HALF_RECORDS_MAX);
    }
}
