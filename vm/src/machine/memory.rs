//! Linear memory.

use crate::PAGE_BYTES;
use alloc::vec;
use alloc::vec::Vec;

/// A memory. Its bytes beyond what is in use are zero already, so that growing touches nothing; the operating system
/// gives pages when they are first written.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes: Vec<u8>,
    len: usize,
    /// What the module says it never passes, as importers see it.
    pub(crate) declared_max: Option<u32>,
    /// What it never passes.
    pages_max: u32,
}

impl Memory {
    /// Returns a memory of `pages`, which is at most `pages_max`.
    pub(crate) fn new(pages: u32, declared_max: Option<u32>, pages_max: u32) -> Self {
        let len = byte_len(pages);
        let pages_max = pages_max.min(declared_max.unwrap_or(u32::MAX));
        Self { bytes: vec![0; len], len, declared_max, pages_max }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    pub(crate) fn pages(&self) -> u32 {
        u32::try_from(self.len / PAGE_BYTES as usize).expect("pages_max has 32 bits")
    }

    /// Adds pages. Returns the old size, or `None` where the result would pass a limit.
    pub(crate) fn grow(&mut self, pages: u32) -> Option<u32> {
        let old = self.pages();
        let new = old.checked_add(pages).filter(|&new| new <= self.pages_max)?;
        let len = byte_len(new);
        if len > self.bytes.len() {
            // Room doubles, so that growing page by page copies each byte a bounded number of times.
            let room = byte_len(new.max(old.saturating_mul(2)).min(self.pages_max));
            let mut bytes = vec![0; room];
            bytes[..self.len].copy_from_slice(self.bytes());
            self.bytes = bytes;
        }
        self.len = len;
        Some(old)
    }
}

fn byte_len(pages: u32) -> usize {
    pages as usize * PAGE_BYTES as usize
}
