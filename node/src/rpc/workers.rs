//! The threads that handlers run on.
//!
//! Handlers are plain functions that may execute a contract for a second or wait for the writer, and most take a few
//! microseconds. Handing each to another thread (`block_in_place`) costs more than it does: 20 to 40 us of CPU a
//! request. So handlers run where the request was read, on all of the runtime's threads but one; only when that many
//! run at once does the next move aside. One thread is always left to serve connections.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

/// Counts the threads of the runtime that run handlers.
#[derive(Debug, Default)]
pub(super) struct Workers {
    busy: AtomicUsize,
}

/// Gives a thread back, also when its handler panics.
struct Busy<'a>(&'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Lets what the thread would run next go first. No other thread can take that over: it would wait for the handler
    /// however long that takes.
    pub(super) async fn make_way() {
        tokio::task::yield_now().await;
    }

    /// Runs `work` so that it never holds up other connections.
    pub(super) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let threads = match Handle::try_current() {
            Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
                handle.metrics().num_workers()
            }
            // There is nobody to hold up, and nowhere to move to.
            _ => return work(),
        };
        let busy = Busy(&self.busy);
        // Only the count matters, not what other threads have written.
        if self.busy.fetch_add(1, Ordering::Relaxed) + 1 < threads {
            return work();
        }
        drop(busy);
        block_in_place(work)
    }
}
