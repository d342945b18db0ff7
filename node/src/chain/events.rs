//! What happens on the chain, told to whoever shows it to people.
//!
//! An *event* is told once it has happened, and goes into a queue that one [`Listener`] empties. The queue is bounded by what
//! its events hold in memory. Nobody waits for the listener: what comes while the queue is full is counted, and left out.
//! Where nobody listens, nothing is made.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    mpsc,
};

use alloy_primitives::{Address, B256, Bytes, U256};
use parking_lot::Mutex;

use super::{Block, CallError, Chain, SubmitError, call::succeeded};
use crate::runtime::{
    Console, ConsoleLine, Executed, Request, Status,
    trace::{Recording, ShownEntry},
};

/// What the events that wait for a listener may hold: some thousand transactions, or a few that print all they can.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// What an event holds beside data of variable length, roughly.
const EVENT_BYTES: usize = 512;
/// A revert's output is kept up to this length: what is longer says nothing that fits a line.
const REVERT_BYTES_MAX: usize = 8 << 10;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A block was mined.
    Block(MinedBlock),
    /// Many blocks without transactions were mined.
    EmptyBlocks(EmptyBlocks),
    /// The blocks after this one were taken back.
    WentBack {
        /// The latest block now.
        number: u64,
    },
    /// A call without a transaction failed, or contracts printed something in it.
    Call(Box<UnminedCall>),
    /// What a call without a transaction did.
    Trace(Vec<ShownEntry>),
    /// A transaction was refused.
    Refused {
        /// Its hash, if it is a transaction at all.
        hash: Option<B256>,
        /// Why.
        reason: String,
    },
    /// A client asks for something.
    Request {
        /// The method.
        method: String,
    },
    /// A client got no result.
    RequestFailed {
        /// The method.
        method: String,
        /// Why.
        error: String,
    },
}

/// A block, and what of its transactions no receipt holds.
#[derive(Debug, Clone)]
pub struct MinedBlock {
    /// The block.
    pub block: Arc<Block>,
    /// One for each transaction.
    pub asides: Vec<Aside>,
}

/// What a transaction did beside consensus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aside {
    /// The output of a revert.
    pub revert: Bytes,
    /// What contracts printed.
    pub console: Console,
}

/// Blocks without transactions, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptyBlocks {
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// The hash of the last.
    pub hash: B256,
    /// The timestamp of the last.
    pub timestamp: u64,
    /// The base fee of the last, in wei.
    pub base_fee: u64,
}

/// What a call without a transaction is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Its result.
    Result,
    /// The gas that it takes.
    Estimate,
    /// The accounts and slots that it reads.
    AccessList,
    /// What it does.
    Trace,
    /// What it would do in blocks that nobody mines.
    Simulation,
}

/// A call that is in no block.
#[derive(Debug, Clone)]
pub struct UnminedCall {
    /// What it is made for.
    pub purpose: Purpose,
    /// Who calls.
    pub from: Address,
    /// Whom; none creates.
    pub to: Option<Address>,
    /// In wei.
    pub value: U256,
    /// Calldata or creation data.
    pub data: Bytes,
    /// Why it failed, if it did.
    pub error: Option<CallError>,
    /// What contracts printed.
    pub console: Console,
}

impl Aside {
    /// Takes from an execution what its receipt leaves out.
    pub(super) fn take(executed: &mut Executed) -> Self {
        let is_kept = executed.status == Status::Reverted && executed.output.len() <= REVERT_BYTES_MAX;
        let revert = if is_kept { executed.output.clone() } else { Bytes::new() };
        Self { revert, console: std::mem::take(&mut executed.console) }
    }
}

impl Event {
    /// Returns how many bytes it holds, roughly.
    fn weight(&self) -> usize {
        let line = |line: &ConsoleLine| line.text.len() + EVENT_BYTES / 4;
        let printed = |console: &Console| -> usize { console.lines.iter().map(line).sum() };
        let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        EVENT_BYTES
            + match self {
                Self::Block(MinedBlock { block, asides }) => {
                    let aside = |aside: &Aside| EVENT_BYTES + aside.revert.len() + printed(&aside.console);
                    size(block.size).saturating_add(asides.iter().map(aside).sum::<usize>())
                }
                Self::Call(call) => call.data.len() + printed(&call.console),
                Self::Trace(entries) => entries.iter().map(|entry| EVENT_BYTES + entry.data_bytes()).sum(),
                Self::Refused { reason, .. } => reason.len(),
                Self::Request { method } => method.len(),
                Self::RequestFailed { method, error } => method.len() + error.len(),
                Self::EmptyBlocks(_) | Self::WentBack { .. } => 0,
            }
    }
}

/// Where events come from: the chain's end of the queue.
#[derive(Debug, Default)]
pub(super) struct Feed {
    queue: Mutex<Queue>,
    /// Whether anybody listens.
    is_open: AtomicBool,
    /// Whether clients do not want events told.
    is_muted: AtomicBool,
    /// Whether the listener wants to hear of requests.
    has_requests: AtomicBool,
    /// Whether the listener wants to hear of what calls do.
    has_traces: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    sender: Option<Sender>,
    /// Empty blocks that more may follow.
    empty: Option<EmptyBlocks>,
}

#[derive(Debug)]
struct Sender {
    events: mpsc::Sender<(Event, usize)>,
    waiting: Arc<Waiting>,
}

/// What both ends of the queue know.
#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    missed: AtomicU64,
    /// Whether the listener has gone.
    is_over: AtomicBool,
}

/// The other end of the queue. Dropping it ends the telling.
#[derive(Debug)]
pub struct Listener {
    receiver: mpsc::Receiver<(Event, usize)>,
    waiting: Arc<Waiting>,
}

impl Listener {
    /// Waits for the next event. Returns none once there will be no more.
    pub fn next_event(&self) -> Option<Event> {
        let (event, weight) = self.receiver.recv().ok()?;
        self.waiting.bytes.fetch_sub(weight, Ordering::AcqRel);
        Some(event)
    }

    /// Returns how many events were left out since this was asked last.
    pub fn take_missed(&self) -> u64 {
        self.waiting.missed.swap(0, Ordering::AcqRel)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.waiting.is_over.store(true, Ordering::Release);
    }
}

impl Queue {
    /// Adds an event. Returns false once there is no listener.
    fn push(&mut self, event: Event) -> bool {
        let Some(Sender { events, waiting }) = &self.sender else { return false };
        if waiting.is_over.load(Ordering::Acquire) {
            return false;
        }
        let weight = event.weight();
        let held = waiting.bytes.load(Ordering::Acquire);
        // One that is larger than the limit is told to a listener who keeps up.
        if held > 0 && held.saturating_add(weight) > WAITING_BYTES_MAX {
            waiting.missed.fetch_add(1, Ordering::AcqRel);
            return true;
        }
        waiting.bytes.fetch_add(weight, Ordering::AcqRel);
        events.send((event, weight)).is_ok()
    }
}

impl Feed {
    /// Begins a queue, and returns its other end.
    fn open(&self) -> Listener {
        let (events, receiver) = mpsc::channel();
        let waiting = Arc::new(Waiting::default());
        let sender = Sender { events, waiting: waiting.clone() };
        *self.queue.lock() = Queue { sender: Some(sender), empty: None };
        self.is_open.store(true, Ordering::Relaxed);
        Listener { receiver, waiting }
    }

    /// Returns whether events are wanted. What is costly to make is made only then.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_open.load(Ordering::Relaxed) && !self.is_muted.load(Ordering::Relaxed)
    }

    /// Tells of an event, if anybody listens.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.is_wanted() {
            self.put(Some(event()));
        }
    }

    /// Tells of empty blocks once it is known how many there are: with the next event, or when it is told to.
    pub(super) fn tell_empty(&self, blocks: EmptyBlocks) {
        if !self.is_wanted() {
            return;
        }
        let mut queue = self.queue.lock();
        match &mut queue.empty {
            Some(before) if before.last + 1 == blocks.first => {
                *before = EmptyBlocks { first: before.first, ..blocks };
            }
            _ => {
                drop(queue);
                self.put(None);
                self.queue.lock().empty = Some(blocks);
            }
        }
    }

    /// Tells of the empty blocks that are not told of.
    pub(super) fn tell_rest(&self) {
        self.put(None);
    }

    fn put(&self, event: Option<Event>) {
        let mut queue = self.queue.lock();
        let empty = queue.empty.take().map(Event::EmptyBlocks);
        for event in empty.into_iter().chain(event) {
            if !queue.push(event) {
                queue.sender = None;
                self.is_open.store(false, Ordering::Relaxed);
            }
        }
    }
}

impl Chain {
    /// Begins to tell what happens; whoever listened before hears no more.
    pub fn listen(&self) -> Listener {
        self.feed.open()
    }

    /// Ends the telling: the listener hears what waits, and then that there is no more.
    pub fn stop_telling(&self) {
        self.feed.tell_rest();
        self.feed.is_open.store(false, Ordering::Relaxed);
        self.feed.queue.lock().sender = None;
    }

    /// Sets whether events are told to a listener.
    pub fn mute(&self, is_muted: bool) {
        self.feed.tell_rest();
        self.feed.is_muted.store(is_muted, Ordering::Relaxed);
    }

    /// Sets whether the listener hears of clients' requests.
    pub fn tell_requests(&self, has_requests: bool) {
        self.feed.has_requests.store(has_requests, Ordering::Relaxed);
    }

    /// Sets whether the listener hears of what calls do.
    pub fn tell_traces(&self, has_traces: bool) {
        self.feed.has_traces.store(has_traces, Ordering::Relaxed);
    }

    /// Returns whether anybody wants to hear of what calls do. It costs running them twice.
    pub(super) fn traces_are_wanted(&self) -> bool {
        self.feed.has_traces.load(Ordering::Relaxed) && self.feed.is_wanted()
    }

    /// Tells of what a call did. One that cannot be recorded is not told of: its result says why.
    pub(super) fn tell_trace(&self, record: impl FnOnce() -> Result<Recording, CallError>) {
        if let Ok(recording) = record() {
            self.feed.tell(|| Event::Trace(recording.to_entries()));
        }
    }

    /// Tells that a client asks for something, if the listener wants to hear of that.
    pub fn tell_request(&self, method: &str) {
        if self.feed.has_requests.load(Ordering::Relaxed) {
            self.feed.tell(|| Event::Request { method: method.to_owned() });
        }
    }

    /// Tells that a client got no result, if the listener wants to hear of that.
    pub fn tell_request_failed(&self, method: &str, error: &str) {
        if self.feed.has_requests.load(Ordering::Relaxed) {
            self.feed.tell(|| Event::RequestFailed { method: method.to_owned(), error: error.to_owned() });
        }
    }

    /// Tells that a transaction was refused, if it was.
    pub(super) fn tell_refused<T>(&self, hash: Option<B256>, outcome: &Result<T, SubmitError>) {
        if let Err(error) = outcome {
            self.tally.refused();
            self.feed.tell(|| Event::Refused { hash, reason: error.to_string() });
        }
    }

    /// Returns a call's result, and tells of it if it failed or contracts printed something.
    pub(super) fn tell_call(
        &self,
        purpose: Purpose,
        request: &Request,
        executed: Result<Executed, CallError>,
    ) -> Result<Executed, CallError> {
        let mut console = Console::default();
        let outcome = executed.and_then(|mut executed| {
            console = std::mem::take(&mut executed.console);
            succeeded(executed)
        });
        if outcome.is_err() || !console.lines.is_empty() {
            self.feed.tell(|| {
                let Request { from, to, value, data, .. } = request.clone();
                let error = outcome.as_ref().err().cloned();
                Event::Call(Box::new(UnminedCall { purpose, from, to, value, data, error, console }))
            });
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listened() -> (Feed, Listener) {
        let feed = Feed::default();
        let listener = feed.open();
        (feed, listener)
    }

    fn empty(first: u64, last: u64) -> EmptyBlocks {
        EmptyBlocks { first, last, hash: B256::ZERO, timestamp: 0, base_fee: 0 }
    }

    #[test]
    fn a_listener_who_does_not_listen_holds_up_nobody_and_is_told_what_was_left_out() {
        let (feed, listener) = listened();
        let large = || Event::Refused { hash: None, reason: "x".repeat(WAITING_BYTES_MAX / 4) };
        for _ in 0..10 {
            feed.tell(large);
        }
        assert_eq!(listener.take_missed(), 7);
        for _ in 0..3 {
            assert!(listener.next_event().is_some());
        }
        assert_eq!(listener.waiting.bytes.load(Ordering::Relaxed), 0);
        feed.tell(|| Event::Refused { hash: None, reason: "x".repeat(2 * WAITING_BYTES_MAX) });
        assert_eq!(listener.take_missed(), 0, "whatever its size, one event has room");
        drop(listener);
        feed.tell(large);
        assert!(!feed.is_wanted(), "nobody listens any more");
    }

    #[test]
    fn empty_blocks_that_follow_each_other_are_told_at_once_and_in_order() {
        let (feed, listener) = listened();
        feed.tell_empty(empty(1, 512));
        feed.tell_empty(empty(513, 1000));
        feed.tell(|| Event::WentBack { number: 3 });
        feed.tell_empty(empty(4, 4));
        feed.tell_empty(empty(9, 9));
        feed.tell_rest();
        feed.queue.lock().sender = None;
        let told: Vec<_> = std::iter::from_fn(|| listener.next_event())
            .map(|event| match event {
                Event::EmptyBlocks(blocks) => (blocks.first, blocks.last),
                Event::WentBack { number } => (number, 0),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [(1, 1000), (3, 0), (4, 4), (9, 9)]);
    }

    #[test]
    fn nothing_is_made_where_nobody_listens() {
        let feed = Feed::default();
        feed.tell(|| panic!("made for nobody"));
        let (feed, _listener) = listened();
        feed.is_muted.store(true, Ordering::Relaxed);
        feed.tell(|| panic!("made for one who does not want it"));
    }
}
