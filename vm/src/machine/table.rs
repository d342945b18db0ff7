//! Tables of references.

use crate::TableType;
use alloc::vec;
use alloc::vec::Vec;

/// A table. Elements are slots of references; 0 is null.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) elements: Vec<u64>,
    pub(crate) ty: TableType,
    elements_max: u32,
}

impl Table {
    /// Returns a table of nulls, which never passes `elements_max`.
    pub(crate) fn new(ty: TableType, elements_max: u32) -> Self {
        let elements_max = elements_max.min(ty.max.unwrap_or(u32::MAX));
        Self { elements: vec![0; ty.min as usize], ty, elements_max }
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.elements.len()).expect("elements_max has 32 bits")
    }

    /// Adds elements. Returns the old size, or `None` where the result would pass a limit.
    pub(crate) fn grow(&mut self, count: u32, element: u64) -> Option<u32> {
        let old = self.len();
        let new = old.checked_add(count).filter(|&new| new <= self.elements_max)?;
        self.elements.resize(new as usize, element);
        Some(old)
    }
}
