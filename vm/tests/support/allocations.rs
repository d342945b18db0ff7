//! An allocator that counts what the thread asks for, so that tests can bound memory without a clock.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread has asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allocations {
    /// Bytes, all requests added up.
    pub(crate) total: u64,
    /// Requests.
    pub(crate) count: u64,
    /// Bytes held now, less than zero if others' were freed.
    pub(crate) live: i64,
    /// The most bytes held at once.
    pub(crate) peak: i64,
}

thread_local! {
    static ALLOCATIONS: Cell<Allocations> = const {
        Cell::new(Allocations { total: 0, count: 0, live: 0, peak: 0 })
    };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn note(freed: usize, asked: usize) {
    // A thread that ends frees what it holds after its counters are gone.
    let _ = ALLOCATIONS.try_with(|cell| {
        let mut counts = cell.get();
        counts.live += i64::try_from(asked).unwrap_or(i64::MAX) - i64::try_from(freed).unwrap_or(i64::MAX);
        counts.peak = counts.peak.max(counts.live);
        if asked > 0 {
            counts.total += asked as u64;
            counts.count += 1;
        }
        cell.set(counts);
    });
}

// SAFETY: every request goes to the system's allocator as it is; counting neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(layout.size(), size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Returns what `work` returns, and what it asked for.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> (T, Allocations) {
    ALLOCATIONS.set(Allocations::default());
    let result = work();
    (result, ALLOCATIONS.get())
}
