//! The threads that requests are answered on.
//!
//! Handlers are plain functions that may execute a contract for a second or wait for the writer, and most take a few
//! microseconds. Handing each to another thread (`block_in_place`) costs more than it does: 20 to 40 us of CPU a
//! request. So a request is answered on the thread that read it, and may hold it up.
//!
//! One of the runtime's threads is a **reserve**: it sleeps until requests hold up all the others and none ends for a
//! while. Then it serves connections, and adds **places** for requests that move aside, one after the other for as long as none ends.
//! An added place goes again with a request that held up a thread. The reserve costs the threads that work nothing: a
//! thread more than there are processors would have them change places all the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{Semaphore, SemaphorePermit},
    task::{block_in_place, yield_now},
    time::sleep,
};

/// How long requests wait while none ends.
const PATIENCE: Duration = Duration::from_millis(2);

/// After how many such times without a request the reserve sleeps until it is called.
const QUIET_MAX: u32 = 5;

/// The threads of a runtime. The counters guard nothing.
#[derive(Debug)]
pub(super) struct Workers {
    /// How many threads requests may hold up.
    threads: usize,
    /// The places that are free: as many as threads, and those that were added.
    free: Semaphore,
    added: AtomicUsize,
    /// Requests that hold up a thread.
    busy: AtomicUsize,
    /// Requests that wait for a place.
    waiting: AtomicUsize,
    /// How many requests have ended that held up a thread.
    freed: AtomicU64,
    /// How many have ended that moved aside.
    ended_aside: AtomicU64,
    /// Whether the reserve sleeps until it is called.
    is_quiet: AtomicBool,
    /// Whether the reserve is to end.
    is_over: Mutex<bool>,
    /// Calls the reserve.
    calls: Condvar,
}

/// One of those that a counter counts.
struct Counted<'a> {
    counter: &'a AtomicUsize,
    before: usize,
}

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        Self { counter, before: counter.fetch_add(1, Ordering::SeqCst) }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Keeps the reserve until it is dropped.
#[derive(Debug)]
pub(super) struct Reserve(Arc<Workers>);

impl Drop for Reserve {
    fn drop(&mut self) {
        *self.0.is_over.lock() = true;
        self.0.calls.notify_one();
    }
}

impl Workers {
    /// Returns the threads of the runtime that this is called on. If that has one only, a long request holds up everything.
    pub(super) fn of_this_runtime() -> Self {
        let threads = Handle::current().metrics().num_workers().saturating_sub(1).max(1);
        Self {
            threads,
            free: Semaphore::new(threads),
            added: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            freed: AtomicU64::new(0),
            ended_aside: AtomicU64::new(0),
            is_quiet: AtomicBool::new(false),
            is_over: Mutex::new(false),
            calls: Condvar::new(),
        }
    }

    /// Makes one of the threads the reserve, for as long as the result is kept.
    pub(super) fn reserve(self: &Arc<Self>) -> Reserve {
        let runtime = Handle::current();
        if runtime.runtime_flavor() == RuntimeFlavor::MultiThread && runtime.metrics().num_workers() > 1 {
            let workers = self.clone();
            runtime.spawn(async move { workers.be_reserve().await });
        }
        Reserve(self.clone())
    }

    async fn be_reserve(&self) {
        loop {
            // Another thread takes over what this one would run next, but for the very next.
            yield_now().await;
            if !self.wait_for_need() {
                return;
            }
            // A thread that is free for a moment serves connections, too.
            let freed = self.freed.load(Ordering::Relaxed);
            let mut ended = None;
            while self.freed.load(Ordering::Relaxed) == freed {
                let before = ended.replace(self.ended_aside.load(Ordering::Relaxed));
                if self.waiting.load(Ordering::Relaxed) > 0 && (before.is_none() || before == ended) {
                    self.added.fetch_add(1, Ordering::Relaxed);
                    self.free.add_permits(1);
                }
                sleep(PATIENCE).await;
            }
        }
    }

    fn are_all_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst) >= self.threads
    }

    /// Holds up this thread until requests hold up all the others and none ends for a while. Returns whether that is so; it is
    /// not when the reserve is to end.
    fn wait_for_need(&self) -> bool {
        let mut is_over = self.is_over.lock();
        let mut quiet = 0;
        while !*is_over {
            if quiet < QUIET_MAX {
                let (freed, all_busy) = (self.freed.load(Ordering::Relaxed), self.are_all_busy());
                self.calls.wait_for(&mut is_over, PATIENCE);
                if self.freed.load(Ordering::Relaxed) != freed {
                    quiet = 0;
                } else if all_busy && self.are_all_busy() && !*is_over {
                    return true;
                } else {
                    quiet += 1;
                }
                continue;
            }
            self.is_quiet.store(true, Ordering::SeqCst);
            // Who took the last thread before it could see that this one sleeps is seen here.
            if !self.are_all_busy() {
                self.calls.wait(&mut is_over);
            }
            self.is_quiet.store(false, Ordering::SeqCst);
            quiet = 0;
        }
        false
    }

    /// Runs `work` so that it never holds up other connections for long.
    pub(super) async fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        // Lets what the thread would run next go first. No other thread can take that over: it would wait for the work
        // however long that takes.
        yield_now().await;
        let place = match self.free.try_acquire() {
            Ok(place) => place,
            Err(_) => {
                let _waiting = Counted::new(&self.waiting);
                self.free.acquire().await.expect("it is never closed")
            }
        };
        let busy = Counted::new(&self.busy);
        if busy.before < self.threads {
            if busy.before + 1 == self.threads && self.is_quiet.load(Ordering::SeqCst) {
                let _is_over = self.is_over.lock();
                self.calls.notify_one();
            }
            let result = work();
            drop(busy);
            self.freed.fetch_add(1, Ordering::Relaxed);
            self.give_back(place);
            result
        } else {
            drop(busy);
            let result = block_in_place(work);
            self.ended_aside.fetch_add(1, Ordering::Relaxed);
            result
        }
    }

    /// Takes the place of a request that held up a thread away again, if it stands for one that was added.
    fn give_back(&self, place: SemaphorePermit<'_>) {
        let one_less = |added: usize| added.checked_sub(1);
        if self.added.load(Ordering::Relaxed) > 0
            && self.added.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
        {
            place.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime::Builder;

    use super::*;

    /// How many threads handlers may hold up in the tests.
    const THREADS: usize = 2;

    fn on_a_runtime(test: impl AsyncFnOnce(Arc<Workers>)) {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS + 1).enable_all().build().unwrap();
        runtime.block_on(async {
            let workers = Arc::new(Workers::of_this_runtime());
            assert_eq!(workers.threads, THREADS);
            let _reserve = workers.reserve();
            test(workers).await;
        });
    }

    /// Lets requests run that end when the sender is dropped; returns once they run.
    fn hold(workers: &Arc<Workers>, count: usize) -> (mpsc::Sender<()>, Vec<tokio::task::JoinHandle<()>>) {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let (begun, begins) = mpsc::channel();
        let held = (0..count)
            .map(|_| {
                let (workers, released, begun) = (workers.clone(), released.clone(), begun.clone());
                tokio::spawn(async move {
                    let work = || {
                        begun.send(()).unwrap();
                        let _ = released.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
                    };
                    workers.run(work).await;
                })
            })
            .collect();
        begins.iter().take(count).for_each(drop);
        (release, held)
    }

    #[test]
    fn requests_are_answered_while_others_never_end() {
        on_a_runtime(async |workers| {
            // More than have places, so that some of them move aside.
            let (release, held) = hold(&workers, THREADS + 3);
            for number in 0..100 {
                let workers = workers.clone();
                let task = tokio::spawn(async move { workers.run(|| number).await });
                assert_eq!(task.await.unwrap(), number);
            }
            drop(release);
            for task in held {
                task.await.unwrap();
            }
            // The places that were added are given up one by one, with requests that have a thread.
            while workers.added.load(Ordering::Relaxed) > 0 {
                let workers = workers.clone();
                tokio::spawn(async move { workers.run(|| ()).await }).await.unwrap();
            }
            assert_eq!(workers.free.available_permits(), THREADS);
            assert_eq!(workers.busy.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn who_stops_waiting_or_panics_leaves_nothing_behind() {
        on_a_runtime(async |workers| {
            let (release, held) = hold(&workers, THREADS);
            let waits = {
                let workers = workers.clone();
                tokio::spawn(async move { workers.run(|| ()).await })
            };
            waits.abort();
            // It may have run before.
            let _ = waits.await;
            assert_eq!(workers.waiting.load(Ordering::Relaxed), 0);
            drop(release);
            for task in held {
                task.await.unwrap();
            }
            let panics = {
                let workers = workers.clone();
                tokio::spawn(async move { workers.run(|| panic!("on purpose")).await })
            };
            assert!(panics.await.unwrap_err().is_panic());
            assert_eq!(workers.busy.load(Ordering::Relaxed), 0);
            assert_eq!(workers.free.available_permits() - workers.added.load(Ordering::Relaxed), THREADS);
        });
    }
}
