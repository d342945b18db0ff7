//! Memory for instances and value stacks, kept between uses.
//!
//! A **block** is room for a small linear memory. Blocks are carved from **slabs**, which come zeroed from the operating
//! system and take room only where they are written; so an idle instance costs next to nothing, and many instances do
//! not need a mapping each. A block that was used is set to zero when it is taken again, where it was written.
//!
//! The pool belongs to the process. What it hands out is always zero where that can be seen, so nobody can tell whether
//! it was used before.

use crate::PAGE_BYTES;
use alloc::alloc::{alloc_zeroed, handle_alloc_error};
use alloc::vec;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

/// Sizes of blocks in pages. Larger memories are allocated one by one: what they have touched is much less than what
/// would have to be set to zero.
const CLASSES: [u32; 3] = [1, 2, 4];

/// Bytes of a slab: large enough that the allocator maps it for itself.
const SLAB_BYTES: usize = 16 << 20;

/// Value stacks that are kept: as many as the calls of one transaction nest. Without one, a frame waits for half a MiB of
/// zeros, many times what it pays for. Of a stack, only what was ever written takes room.
const STACKS_MAX: usize = 1_024;

/// Room for a small linear memory, zero throughout.
#[derive(Debug)]
pub(super) struct Block {
    start: NonNull<u8>,
    class: usize,
}

// SAFETY: a block is memory that nobody else refers to.
unsafe impl Send for Block {}
// SAFETY: a shared block is only read.
unsafe impl Sync for Block {}

/// A block that waits, and which of its bytes are perhaps not zero.
#[derive(Debug)]
pub(super) struct Used {
    block: Block,
    written: Range<usize>,
}

impl Used {
    /// Returns the block, zero throughout, if it is the one that so many pages would get.
    pub(super) fn take(self, pages: u32) -> Result<Block, Self> {
        if class_of(pages) != Some(self.block.class) {
            return Err(self);
        }
        let Self { mut block, written } = self;
        block.bytes_mut()[written].fill(0);
        debug_assert!(block.is_zero(), "a byte was written that was not counted as written");
        Ok(block)
    }

    /// Gives the block back to the pool.
    pub(super) fn give(self) {
        with_pool(|pool| pool.free[self.block.class].push(self));
    }
}

struct Pool {
    free: [Vec<Used>; CLASSES.len()],
    /// What is left of the newest slab.
    slab: *mut u8,
    slab_left: usize,
    stacks: Vec<Vec<u64>>,
}

/// The pool of the process, behind a lock that spins: it is held for a few instructions, and `core` has no other.
struct Shared {
    taken: AtomicBool,
    pool: UnsafeCell<Pool>,
}

// SAFETY: the pool is reached through the lock only.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared {
    taken: AtomicBool::new(false),
    pool: UnsafeCell::new(Pool {
        free: [const { Vec::new() }; CLASSES.len()],
        slab: core::ptr::null_mut(),
        slab_left: 0,
        stacks: Vec::new(),
    }),
};

fn with_pool<T>(work: impl FnOnce(&mut Pool) -> T) -> T {
    while SHARED.taken.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
        core::hint::spin_loop();
    }
    // SAFETY: the lock is taken.
    let result = work(unsafe { &mut *SHARED.pool.get() });
    SHARED.taken.store(false, Ordering::Release);
    result
}

impl Block {
    /// Returns a block of at least `pages`, unless blocks do not come so large.
    pub(super) fn take(pages: u32) -> Option<Self> {
        let class = class_of(pages)?;
        let used = with_pool(|pool| pool.free[class].pop());
        if let Some(block) = used.and_then(|used| used.take(pages).ok()) {
            return Some(block);
        }
        let start = with_pool(|pool| pool.carve(bytes_of(class)));
        Some(Self { start, class })
    }

    /// Returns the block as one that waits, whose bytes are zero but for those `written`.
    pub(super) fn used(self, written: Range<usize>) -> Used {
        Used { block: self, written }
    }

    /// Returns whether all bytes are zero.
    fn is_zero(&self) -> bool {
        let zeros = [0; PAGE_BYTES as usize];
        self.bytes().chunks(zeros.len()).all(|page| page == zeros)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the block is this long, and belongs to whoever holds it.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), bytes_of(self.class)) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), bytes_of(self.class)) }
    }
}

impl Pool {
    /// Cuts zeroed bytes from a slab. What is left of one that is too small is given up: less than a block.
    fn carve(&mut self, bytes: usize) -> NonNull<u8> {
        if self.slab_left < bytes {
            // An alignment that every allocator has anyway: for a greater one, some write the zeros themselves.
            let layout = Layout::new::<[u128; SLAB_BYTES / size_of::<u128>()]>();
            // SAFETY: the size is not zero.
            self.slab = unsafe { alloc_zeroed(layout) };
            if self.slab.is_null() {
                handle_alloc_error(layout);
            }
            self.slab_left = SLAB_BYTES;
        }
        // SAFETY: the slab was allocated and has these bytes left.
        unsafe {
            let start = self.slab;
            self.slab = start.add(bytes);
            self.slab_left -= bytes;
            NonNull::new_unchecked(start)
        }
    }
}

/// Returns the class of blocks that so many pages get, if any is large enough.
fn class_of(pages: u32) -> Option<usize> {
    CLASSES.iter().position(|&class| pages <= class)
}

fn bytes_of(class: usize) -> usize {
    CLASSES[class] as usize * PAGE_BYTES as usize
}

/// Returns a value stack of `slots` slots or more, whose contents are what the last user left.
pub(crate) fn take_stack(slots: usize) -> Vec<u64> {
    let kept = with_pool(|pool| {
        // The last one given back: the caches may have it, and the others stay as small as they are.
        let index = pool.stacks.iter().rposition(|stack| stack.len() >= slots)?;
        Some(pool.stacks.swap_remove(index))
    });
    // Zeroed memory of this size is given by the operating system when it is first written.
    kept.unwrap_or_else(|| vec![0; slots])
}

/// Gives a value stack back.
pub(crate) fn give_stack(stack: Vec<u64>) {
    let surplus = with_pool(|pool| {
        if pool.stacks.len() < STACKS_MAX {
            pool.stacks.push(stack);
            None
        } else {
            Some(stack)
        }
    });
    // Outside the lock.
    drop(surplus);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_zero_whoever_had_it_before() {
        for pages in [1, 2, 3, 4] {
            for _ in 0..3 {
                let mut block = Block::take(pages).expect("blocks come as large as four pages");
                assert!(block.bytes().len() >= pages as usize * PAGE_BYTES as usize);
                assert!(block.bytes().iter().all(|&byte| byte == 0));
                let used = pages as usize * PAGE_BYTES as usize;
                block.bytes_mut()[..used].fill(0xa5);
                block.used(0..used).give();
            }
        }
        assert!(Block::take(5).is_none());
    }
}
