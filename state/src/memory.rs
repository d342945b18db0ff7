//! The store in memory, for tests and the sandbox.
//!
//! Each column is a `BTreeMap` behind an `Arc`. A snapshot clones the `Arc`s; a write clones a map only while a snapshot
//! still holds it. So a snapshot costs nothing and a write under a live snapshot costs the size of the columns it touches.

use std::{collections::BTreeMap, ops::Bound, path::Path, sync::Arc};

use parking_lot::RwLock;

use crate::store::{Batch, Column, HISTORY, Scan, Snapshot, Store, StoreError, prefix_end, trailing_number};

type Map = BTreeMap<Vec<u8>, Arc<[u8]>>;
type Columns = BTreeMap<Column, Arc<Map>>;

/// A store that forgets everything when dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    columns: RwLock<Columns>,
}

impl MemoryStore {
    /// Returns an empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(MemorySnapshot { columns: self.columns.read().clone() })
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut columns = self.columns.write();
        for column in batch.cleared {
            columns.remove(&column);
        }
        for write in batch.writes {
            let map = Arc::make_mut(columns.entry(write.column).or_default());
            match write.value {
                Some(value) => map.insert(write.key, value.into()),
                None => map.remove(&write.key),
            };
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn forget_history(&self, tail: u64) {
        let mut columns = self.columns.write();
        for column in HISTORY {
            let kept = |key: &[u8]| trailing_number(key).is_none_or(|number| number > tail);
            if let Some(map) = columns.get_mut(&column).filter(|map| !map.keys().all(|key| kept(key))) {
                Arc::make_mut(map).retain(|key, _| kept(key));
            }
        }
    }

    fn checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        let path = path.display().to_string();
        Err(StoreError::Open { path, reason: "what is in memory has no files to copy".into() })
    }

    fn compact(&self, _: Column) -> Result<(), StoreError> {
        Ok(())
    }
}

struct MemorySnapshot {
    columns: Columns,
}

impl Snapshot for MemorySnapshot {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.columns.get(&column).and_then(|map| map.get(key)).map(|value| value.to_vec()))
    }

    fn scan(&self, column: Column, prefix: &[u8], from: &[u8]) -> Scan<'_> {
        let start = from.max(prefix);
        let end = prefix_end(prefix);
        // `BTreeMap::range` panics on a range that ends before it begins.
        let map = match (self.columns.get(&column), &end) {
            (None, _) => return Box::new(std::iter::empty()),
            (Some(_), Some(end)) if start >= end.as_slice() => return Box::new(std::iter::empty()),
            (Some(map), _) => map,
        };
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = map.range::<[u8], _>((Bound::Included(start), end));
        Box::new(range.map(|(key, value)| Ok((key.clone(), value.to_vec()))))
    }
}
