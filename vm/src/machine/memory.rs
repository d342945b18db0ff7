//! Linear memory.

use super::pool::{Block, Used};
use crate::PAGE_BYTES;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut, Range};

/// A memory. Its bytes beyond what is in use are zero already, so that growing touches nothing; the operating system
/// gives pages when they are first written.
#[derive(Debug)]
pub(crate) struct Memory {
    room: Room,
    len: usize,
    /// Where bytes may be other than zero, but for what a run has written that is not over.
    written: Range<usize>,
    /// Whether such a run has it: all of it may be written then.
    is_lent: bool,
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
        Self { room, len: byte_len(pages), written: 0..0, is_lent: false, declared_max, pages_max }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room.bytes()[..self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.written = 0..self.len;
        &mut self.room.bytes_mut()[..self.len]
    }

    /// Returns bytes to write to, unless they do not all exist. A memory of which little is written is cheap to clean up.
    pub(crate) fn range_mut(&mut self, start: u32, len: usize) -> Option<&mut [u8]> {
        let range = bounded(start as usize, len, self.len)?;
        self.written = hull(&self.written, &range);
        Some(&mut self.room.bytes_mut()[range])
    }

    /// Copies bytes to `start`, unless they do not fit.
    pub(crate) fn write(&mut self, start: u32, bytes: &[u8]) -> Option<()> {
        self.range_mut(start, bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    /// Copies bytes within the memory, unless either range does not all exist.
    pub(crate) fn copy_within(&mut self, from: u32, to: u32, len: usize) -> Option<()> {
        let from = bounded(from as usize, len, self.len)?;
        let to = bounded(to as usize, len, self.len)?;
        self.written = hull(&self.written, &to);
        self.room.bytes_mut().copy_within(from, to.start);
        Some(())
    }

    /// Lends the memory to a run, which keeps account of what it writes: returns where it begins, its length, and
    /// where it was written before.
    pub(crate) fn lend(&mut self) -> (*mut u8, usize, Range<usize>) {
        self.is_lent = true;
        (self.room.bytes_mut().as_mut_ptr(), self.len, self.written.clone())
    }

    /// Takes the memory back from a run that has written so much.
    pub(crate) fn take_back(&mut self, written: &Range<usize>) {
        self.is_lent = false;
        self.written = hull(&self.written, written);
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
            if let Some(block) = used(old, self.perhaps_written()) {
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
        used(room, self.perhaps_written())
    }

    fn perhaps_written(&self) -> Range<usize> {
        if self.is_lent { 0..self.len } else { self.written.clone() }
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

/// Returns the range of `len` bytes from `start`, if it lies within `size`.
fn bounded(start: usize, len: usize, size: usize) -> Option<Range<usize>> {
    let end = start.checked_add(len).filter(|&end| end <= size)?;
    Some(start..end)
}

/// Returns the range from the first to the last of what is in either, which may be empty.
fn hull(one: &Range<usize>, other: &Range<usize>) -> Range<usize> {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => other.clone(),
        (_, true) => one.clone(),
        _ => one.start.min(other.start)..one.end.max(other.end),
    }
}

/// The memory of the instance that calls a host function: its bytes, empty if it has none.
///
/// The machine sets a memory to zero that is used again, but only where it was written: so [`write`](Self::write) what
/// is to be written; a mutable slice counts as written from end to end.
#[derive(Debug)]
pub struct HostMemory<'a> {
    bytes: &'a mut [u8],
    written: Range<usize>,
}

impl<'a> HostMemory<'a> {
    /// Returns these bytes as a memory.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, written: 0..0 }
    }

    /// Copies bytes to the offset `start`; `None` if they do not all fit, and nothing is written.
    pub fn write(&mut self, start: u32, bytes: &[u8]) -> Option<()> {
        let range = bounded(start as usize, bytes.len(), self.bytes.len())?;
        self.written = hull(&self.written, &range);
        self.bytes[range].copy_from_slice(bytes);
        Some(())
    }

    /// Returns where bytes were written, perhaps.
    pub(crate) fn written(&self) -> &Range<usize> {
        &self.written
    }
}

impl Deref for HostMemory<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl DerefMut for HostMemory<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.written = 0..self.bytes.len();
        self.bytes
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
                assert_eq!(memory.copy_within(40_000, 100, 50), Some(()));
                assert_eq!(memory.copy_within(u32::MAX, 100, 1), None);
                memory.range_mut(50_000, 10).expect("it fits").fill(6);
                let (start, len, _) = memory.lend();
                // SAFETY: the memory is this long.
                unsafe { *start.add(len - 1) = 7 };
                if round % 4 != 2 {
                    memory.take_back(&(len - 1..len));
                }
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
