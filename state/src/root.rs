//! The state root alone, without what else a block needs: to measure it, and to compare it with other tries.

use alloy_primitives::B256;
use alloy_trie::Nibbles;

use crate::{
    codec::Record,
    database::Database,
    error::StateError,
    record::Account,
    store::Column,
    trie::{Before, Change, RecordChange, Trie, node_key},
};

/// What becomes of one account in a [`Database::root_of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountUpdate {
    /// keccak256 of the address.
    pub hashed_address: B256,
    /// Whether the account is there now.
    pub existed: bool,
    /// The account from now on; none deletes it.
    pub account: Option<Account>,
}

/// A root, and what would have to be written for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// The state root.
    pub root: B256,
    /// The trie's records that change: column, key, and the value from now on.
    pub records: Vec<(Column, Vec<u8>, Option<Vec<u8>>)>,
    /// The RLP of every node that was hashed, if it was asked for.
    pub hashed: Vec<Vec<u8>>,
}

impl Database {
    /// Computes the root that the head's state has with these accounts, which ascend by hash and are distinct. Writes nothing.
    ///
    /// `threads` bounds how many threads take part; the result does not depend on it. `keep_hashed` asks for the RLP of what
    /// is hashed.
    pub fn root_of(
        &self,
        updates: &[AccountUpdate],
        threads: usize,
        keep_hashed: bool,
    ) -> Result<Root, StateError> {
        let view = self.view()?;
        let cache = self.cache.lock();
        let mut trie = Trie::<Account>::new(&view.reader, None);
        trie.cache = (cache.0 == view.head().hash).then_some(&cache.1);
        (trie.threads, trie.keep_hashed) = (threads, keep_hashed);
        let changes: Vec<_> = updates
            .iter()
            .map(|&AccountUpdate { hashed_address, existed, account }| Change {
                path: Nibbles::unpack(hashed_address),
                existed,
                value: account,
            })
            .collect();
        let update = trie.update(view.head().state_root, &changes)?;
        let record = |RecordChange { path, before, after }: RecordChange| {
            // Where there was and is no record, only history has something to note.
            let changes = after.is_some() || matches!(before, Before::Record(_));
            let (column, key) = node_key(None, &path);
            changes.then(|| (column, key, after.map(|node| node.to_bytes())))
        };
        let records = update.records.into_iter().filter_map(record).collect();
        Ok(Root { root: update.root, records, hashed: update.hashed })
    }
}
