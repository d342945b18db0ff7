//! Making the trie's records anew from the flat state: `lathe db repair-trie`.
//!
//! The flat state is what decides: if its root is the one that the head's header promises, the records follow from it, and
//! whatever is stored instead is replaced. If it is not, nothing is changed. History cannot be made anew. It is checked against
//! the repaired trie, and the one who repairs is told: what is broken of it can only be given up.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;

use crate::{
    codec::Record,
    error::{CorruptTrie, StateError},
    leaf,
    record::Account,
    store::{Batch, Column, Snapshot},
    trie::{Node, TrieFault, Update, node_key, rebuild},
    verify::{Fault, PROGRESS_EVERY, Progress, key_progress},
    view::View,
};

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

/// Records by their keys.
type Wanted = BTreeMap<Vec<u8>, Arc<Node>>;

impl Repair {
    /// Plans the repair of the view's head. Fails if its flat state is not the one that the header promises.
    pub(crate) fn new(view: &View, progress: &mut dyn FnMut(Progress)) -> Result<(Self, Batch), StateError> {
        let mut wanted = Wanted::new();
        let mut accounts = 0_u64;
        for leaf in leaf::accounts(view.snapshot()) {
            let (hashed, account) = leaf?;
            accounts += 1;
            if accounts.is_multiple_of(PROGRESS_EVERY) {
                progress(Progress { what: "accounts and slots", done: key_progress(hashed) });
            }
            if account.storage_root != EMPTY_ROOT_HASH {
                collect(
                    view,
                    Some(hashed),
                    account.storage_root,
                    rebuild::<U256>(&view.reader, Some(hashed))?,
                    &mut wanted,
                )?;
            }
        }
        let (mut repair, mut batch) = (Self::default(), Batch::new());
        repair.column(view.snapshot(), Column::TrieStorage, wanted, &mut batch)?;
        let mut wanted = Wanted::new();
        collect(view, None, view.head().state_root, rebuild::<Account>(&view.reader, None)?, &mut wanted)?;
        repair.column(view.snapshot(), Column::TrieAccount, wanted, &mut batch)?;
        progress(Progress { what: "accounts and slots", done: 1.0 });
        Ok((repair, batch))
    }

    /// Compares a column with what it should be, and writes the difference.
    fn column(
        &mut self,
        snapshot: &dyn Snapshot,
        column: Column,
        mut wanted: Wanted,
        batch: &mut Batch,
    ) -> Result<(), StateError> {
        self.records += wanted.len() as u64;
        for entry in snapshot.scan(column, &[], &[]) {
            let (key, value) = entry?;
            match wanted.remove(&key) {
                None => {
                    self.deleted += 1;
                    batch.delete(column, key);
                }
                Some(node) if node.to_bytes() == value => {}
                Some(node) => {
                    self.written += 1;
                    batch.put(column, key, node.to_bytes());
                }
            }
        }
        for (key, node) in wanted {
            self.written += 1;
            batch.put(column, key, node.to_bytes());
        }
        Ok(())
    }
}

/// Adds a trie's records, if its root is the promised one.
fn collect(
    view: &View,
    owner: Option<B256>,
    root: B256,
    update: Update,
    wanted: &mut Wanted,
) -> Result<(), StateError> {
    if update.root != root {
        let (column, key) = node_key(owner, &Default::default());
        let fault = TrieFault::Leaves { block: view.head().number, promised: root, computed: update.root };
        return Err(CorruptTrie { column, key, fault }.into());
    }
    for record in update.records {
        wanted.extend(record.after.map(|node| (node_key(owner, &record.path).1, node)));
    }
    Ok(())
}
