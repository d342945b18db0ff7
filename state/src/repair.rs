//! Making the trie's records anew from the flat state: `lathe db repair-trie`.
//!
//! The flat state is what decides: if its root is the one that the head's header promises, the records follow from it, and
//! whatever is stored instead is replaced. If it is not, nothing is changed. History cannot be made anew. It is checked against
//! the repaired trie, and the one who repairs is told: what is broken of it can only be given up.
//!
//! Three passes, each in constant memory: the first only computes the roots; the second writes the records that are missing or
//! wrong; the third deletes those that nobody refers to. Writes go in many batches. A repair that was cut short has repaired a
//! part, and another one does the rest.

use alloy_primitives::{B256, U256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};

use crate::{
    codec::Record,
    error::{CorruptTrie, StateError},
    leaf::{self, HASH_LEN, TrieLeaf},
    record::Account,
    store::{Batch, Column, Snapshot, Store},
    trie::{Builder, Hasher, Node, RecordSink, TrieFault, node_key},
    verify::{Fault, PROGRESS_EVERY, Progress, key_progress},
    view::View,
};

/// Writes in one batch: a few megabytes.
const BATCH_WRITES: usize = 16_384;

/// What a repair found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Records that the tries have.
    pub records: u64,
    /// Records that were missing or wrong.
    pub written: u64,
    /// Records that nobody referred to.
    pub deleted: u64,
    /// What is wrong with the history, which a repair leaves as it is: the first faults, and how many there are.
    pub history: (Vec<Fault>, u64),
}

impl Repair {
    /// Repairs the trie of the view's head, which is the store's. Fails before anything is written if its flat state is not the
    /// one that the header promises.
    pub(crate) fn new(
        store: &dyn Store,
        view: &View,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, StateError> {
        let mut tell = |what, done| progress(Progress { what, done });
        for_each_record(view, &mut |done| tell("accounts and slots", done), &mut |_, _, _| Ok(()))?;
        let mut repair = Self::default();
        let mut writer = Writer { store, batch: Batch::new() };
        for_each_record(view, &mut |done| tell("records", done), &mut |owner, path, node| {
            repair.records += 1;
            let (column, key) = node_key(owner, &path);
            let bytes = node.to_bytes();
            if view.snapshot().get(column, &key)?.as_ref() == Some(&bytes) {
                return Ok(());
            }
            repair.written += 1;
            writer.batch.put(column, key, bytes);
            writer.write_if_full()
        })?;
        writer.write()?;
        let snapshot = store.snapshot();
        let state_root = view.head().state_root;
        repair.delete_orphans(&*snapshot, Column::TrieAccount, &mut writer, &mut |_| Ok(state_root))?;
        repair.delete_orphans(&*snapshot, Column::TrieStorage, &mut writer, &mut |owner| {
            let account = view.reader.account(owner)?;
            Ok(account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root))
        })?;
        writer.write()?;
        tell("records", 1.0);
        Ok(repair)
    }

    /// Deletes the records of a column that no other one refers to. Those that something refers to are all there and right.
    /// `root` tells the root of an owner's trie; the trie of accounts has the owner zero.
    fn delete_orphans(
        &mut self,
        snapshot: &dyn Snapshot,
        column: Column,
        writer: &mut Writer<'_>,
        root: &mut dyn FnMut(B256) -> Result<B256, StateError>,
    ) -> Result<(), StateError> {
        let owner_len = if column == Column::TrieStorage { HASH_LEN } else { 0 };
        let mut hasher = Hasher::new(false);
        // The records above the present one, each with the path of its branch: parents sort before their children.
        let mut above: Vec<(Vec<u8>, Node)> = Vec::new();
        for entry in snapshot.scan(column, &[], &[]) {
            let (key, value) = entry?;
            above.retain(|(branch, _)| key.starts_with(branch) && key.len() > branch.len());
            let referred = match (Node::from_bytes(&value), key.split_at_checked(owner_len)) {
                (Ok(node), Some((owner, path))) => {
                    let found = hasher.node(&node);
                    let is_referred = match above.last() {
                        Some((branch, parent)) => is_child(branch, parent, &key, &found),
                        None if path.is_empty() => {
                            let owner = B256::try_from(owner).unwrap_or_default();
                            Hasher::root(&found) == root(owner)?
                        }
                        None => false,
                    };
                    is_referred.then_some(node)
                }
                _ => None,
            };
            match referred {
                Some(node) => {
                    let branch = [&key[..], &node.extension.to_vec()].concat();
                    above.push((branch, node));
                }
                None => {
                    self.deleted += 1;
                    writer.batch.delete(column, key);
                    writer.write_if_full()?;
                }
            }
        }
        Ok(())
    }
}

/// Returns whether a branch refers to the record under this key, to which one refers by `found`.
fn is_child(branch: &[u8], parent: &Node, key: &[u8], found: &RlpNode) -> bool {
    let [nibble] = key[branch.len()..] else { return false };
    // A nibble that is none has no child.
    nibble < 16 && parent.child(nibble) == Some((found, false))
}

/// Writes in batches that do not grow with the state.
struct Writer<'a> {
    store: &'a dyn Store,
    batch: Batch,
}

impl Writer<'_> {
    fn write_if_full(&mut self) -> Result<(), StateError> {
        if self.batch.len() < BATCH_WRITES { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<(), StateError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        Ok(self.store.write(std::mem::take(&mut self.batch))?)
    }
}

/// Takes each record of each trie: none is the trie of accounts, else the owner of the storage.
type OwnedSink<'a> = &'a mut dyn FnMut(Option<B256>, Nibbles, Node) -> Result<(), StateError>;

/// Makes the records of all tries from accounts and slots, in one pass over them. Fails at the first root that is not the
/// promised one.
fn for_each_record(
    view: &View,
    progress: &mut dyn FnMut(f64),
    sink: OwnedSink<'_>,
) -> Result<(), StateError> {
    let snapshot = view.snapshot();
    let mut accounts = Builder::<Account>::new();
    for (index, leaf) in (1_u64..).zip(leaf::accounts(snapshot)) {
        let (hashed, account) = leaf?;
        if index.is_multiple_of(PROGRESS_EVERY) {
            progress(key_progress(hashed));
        }
        if account.storage_root != EMPTY_ROOT_HASH {
            let owner = Some(hashed);
            let slots = leaf::slots(snapshot, hashed);
            let root = build::<U256>(slots, &mut |path, node| sink(owner, path, node))?;
            require(view, owner, account.storage_root, root)?;
        }
        accounts.leaf(Nibbles::unpack(hashed), account, &mut |path, node| sink(None, path, node))?;
    }
    let root = accounts.finish(&mut |path, node| sink(None, path, node))?;
    progress(1.0);
    require(view, None, view.head().state_root, root)
}

fn build<T: TrieLeaf>(
    leaves: impl Iterator<Item = leaf::Leaf<T>>,
    sink: RecordSink<'_>,
) -> Result<B256, StateError> {
    let mut builder = Builder::new();
    for leaf in leaves {
        let (hashed, value) = leaf?;
        builder.leaf(Nibbles::unpack(hashed), value, sink)?;
    }
    builder.finish(sink)
}

/// Fails if a trie's root is not the promised one.
fn require(view: &View, owner: Option<B256>, promised: B256, computed: B256) -> Result<(), StateError> {
    if computed == promised {
        return Ok(());
    }
    let (column, key) = node_key(owner, &Nibbles::new());
    let fault = TrieFault::Leaves { block: view.head().number, promised, computed };
    Err(CorruptTrie { column, key, fault }.into())
}
