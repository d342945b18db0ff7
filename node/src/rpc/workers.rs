//! The threads that requests are answered on.
//!
//! Handlers are plain functions that may execute a contract for a second or wait for the writer, and most take a few
//! microseconds. Handing each to another thread (`block_in_place`) costs more than it does: 20 to 40 us of CPU a
//! request. So a request is answered on the thread that read it, on all of the runtime's threads but one: that one is
//! left to serve connections. Further requests wait for a **place**. When no request ends for a while, places are added
//! for requests that do move aside; they go again with those that held up the others.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore, SemaphorePermit},
    task::{block_in_place, yield_now},
    time::sleep,
};

/// How long requests wait while none ends.
const PATIENCE: Duration = Duration::from_millis(2);

/// The places of a runtime. The counters guard nothing: they may be read late.
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
    /// Told when one begins to wait.
    waits: Notify,
    /// How many requests have ended.
    ended: AtomicU64,
}

/// One of those that a counter counts.
struct Counted<'a> {
    counter: &'a AtomicUsize,
    before: usize,
}

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        Self { counter, before: counter.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Returns the places of the runtime that this is called on.
    pub(super) fn of_this_runtime() -> Self {
        let threads = Handle::current().metrics().num_workers().saturating_sub(1).max(1);
        Self {
            threads,
            free: Semaphore::new(threads),
            added: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            waits: Notify::new(),
            ended: AtomicU64::new(0),
        }
    }

    /// Adds places when requests wait and none ends; never returns.
    pub(super) async fn watch(&self) {
        loop {
            self.waits.notified().await;
            while self.waiting.load(Ordering::Relaxed) > 0 {
                let ended = self.ended.load(Ordering::Relaxed);
                sleep(PATIENCE).await;
                if self.ended.load(Ordering::Relaxed) == ended && self.waiting.load(Ordering::Relaxed) > 0 {
                    self.added.fetch_add(1, Ordering::Relaxed);
                    self.free.add_permits(1);
                }
            }
        }
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
                self.waits.notify_one();
                self.free.acquire().await.expect("it is never closed")
            }
        };
        let busy = Counted::new(&self.busy);
        let result = if busy.before < self.threads {
            let result = work();
            drop(busy);
            self.give_back(place);
            result
        } else {
            drop(busy);
            block_in_place(work)
        };
        self.ended.fetch_add(1, Ordering::Relaxed);
        result
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
    use std::sync::{Arc, mpsc};

    use tokio::runtime::Builder;

    use super::*;

    /// How many threads handlers may hold up in the tests.
    const THREADS: usize = 2;

    fn on_a_runtime(test: impl AsyncFnOnce(Arc<Workers>)) {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS + 1).enable_all().build().unwrap();
        runtime.block_on(async {
            let workers = Arc::new(Workers::of_this_runtime());
            assert_eq!(workers.threads, THREADS);
            let watched = workers.clone();
            tokio::spawn(async move { watched.watch().await });
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
