//! Linear memory.

use super::pool::{Block, Used};
use crate::PAGE_BYTES;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// A memory. Its bytes beyond what is in use are zero already, so that growing touches nothing; the operating system
/// gives pages when they are first written.
#[derive(Debug)]
pub(crate) struct Memory {
    room: Room,
    len: usize,
    /// Where bytes may be other than zero: what segments wrote until code or the host had all of it.
    written: Range<usize>,
    /// What the module says it never passes, as importers see it.
    pub(crate) declared_max: Option<u32>,
    /// What it never passes.
    pages_max: u32,
}

/// Where the bytes are.
#[derive(Debug)]
enum Room {
    /// In the pool; `None` only while the memory is dropped.
    Pooled(Option<Block>),
    Own(Vec<u8>),
}

impl Room {
    /// Returns zeroed room for as many pages or more: a block that is at hand, if it fits.
    fn new(pages: u32, at_hand: Option<Used>) -> Self {
        let at_hand = at_hand.and_then(|used| used.take(pages).map_err(Used::give).ok());
        match at_hand.or_else(|| Block::take(pages)) {
            Some(block) => Self::Pooled(Some(block)),
            None => Self::Own(vec![0; byte_len(pages)]),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Pooled(block) => block.as_ref().map_or(&[], Block::bytes),
            Self::Own(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Pooled(block) => block.as_mut().map_or(&mut [], Block::bytes_mut),
            Self::Own(bytes) => bytes,
        }
    }
}

impl Memory {
    /// Returns a memory of `pages`, which is at most `pages_max`, in a block that is at hand, if it fits.
    pub(super) fn new(
        pages: u32,
        declared_max: Option<u32>,
        pages_max: u32,
        at_hand: &mut Option<Used>,
    ) -> Self {
        let pages_max = pages_max.min(declared_max.unwrap_or(u32::MAX));
        // A memory without pages takes no room before it grows.
        let room = if pages == 0 { Room::Own(Vec::new()) } else { Room::new(pages, at_hand.take()) };
        Self { room, len: byte_len(pages), written: 0..0, declared_max, pages_max }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room.bytes()[..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.written = 0..self.len;
        &mut self.room.bytes_mut()[..self.len]
    }

    /// Copies bytes to `start`, unless they do not fit. An instance that does nothing else is cheap to clean up.
    pub(crate) fn write(&mut self, start: u32, bytes: &[u8]) -> Option<()> {
        let start = start as usize;
        let end = start.checked_add(bytes.len()).filter(|&end| end <= self.len)?;
        self.room.bytes_mut()[start..end].copy_from_slice(bytes);
        if self.written.is_empty() {
            self.written = start..end;
        } else if start < end {
            self.written = self.written.start.min(start)..self.written.end.max(end);
        }
        Some(())
    }

    pub(crate) fn pages(&self) -> u32 {
        u32::try_from(self.len / PAGE_BYTES as usize).expect("pages_max has 32 bits")
    }

    /// Adds pages. Returns the old size, or `None` where the result would pass a limit.
    pub(crate) fn grow(&mut self, pages: u32) -> Option<u32> {
        let old = self.pages();
        let new = old.checked_add(pages).filter(|&new| new <= self.pages_max)?;
        if byte_len(new) > self.room.bytes().len() {
            // Room doubles, so that growing page by page copies each byte a bounded number of times.
            let room = Room::new(new.max(old.saturating_mul(2)).min(self.pages_max), None);
            let len = self.len;
            let old = core::mem::replace(&mut self.room, room);
            self.room.bytes_mut()[..len].copy_from_slice(&old.bytes()[..len]);
            if let Some(block) = used(old, self.written.clone()) {
                block.give();
            }
        }
        self.len = byte_len(new);
        Some(old)
    }
}

impl Memory {
    /// Ends the memory; returns its block, if it is in one.
    pub(super) fn into_block(mut self) -> Option<Used> {
        self.take_block()
    }

    fn take_block(&mut self) -> Option<Used> {
        let room = core::mem::replace(&mut self.room, Room::Pooled(None));
        used(room, self.written.clone())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(block) = self.take_block() {
            block.give();
        }
    }
}

/// Returns the block that is room whose bytes are zero but for those `written`, if it is one.
fn used(room: Room, written: Range<usize>) -> Option<Used> {
    match room {
        Room::Pooled(block) => block.map(|block| block.used(written)),
        Room::Own(_) => None,
    }
}

fn byte_len(pages: u32) -> usize {
    pages as usize * PAGE_BYTES as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_is_zero_whatever_the_last_one_held() {
        for pages in [1, 2, 4] {
            for round in 0..4 {
                let mut memory = Memory::new(pages, None, 8, &mut None);
                assert!(memory.bytes().iter().all(|&byte| byte == 0), "{pages} pages, round {round}");
                assert_eq!(memory.write(40_000, &[1; 100]), Some(()));
                assert_eq!(memory.write(7, &[2; 3]), Some(()));
                assert_eq!(memory.write(u32::MAX, &[3]), None);
                if round % 2 == 1 {
                    memory.bytes_mut().fill(4);
                    memory.grow(pages).expect("eight pages are allowed");
                    let len = memory.bytes().len();
                    memory.bytes_mut()[len - 1] = 5;
                }
            }
        }
    }
}
