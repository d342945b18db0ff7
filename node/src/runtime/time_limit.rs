//! How long a call without a transaction may take, and who goes first when many take long.
//!
//! A block ends when its gas does. A call can have far more gas than anybody wants to wait for, and many can come at
//! once. So a call has a **time limit**, and beyond a short while it runs in **turns**: no more calls at a time than
//! there are processors but one, each for a slice of time, then at the end of the queue. One processor is thereby left
//! for blocks, however many calls never end.
//!
//! Calls that run, wait for their turn or are recorded hold memory meanwhile. So all of them together may hold only so many
//! **pages** of Wasm memory; the one that asks for more is stopped, whoever holds the others.
//!
//! Whatever runs code asks [`TimeLimit::go_on`] every now and then: the meter of a Wasm frame before each slice of its
//! gas, the loop of an EVM frame after as much. None of it is consensus: a call that is stopped has no result.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use lathe_gas::Pace;
use parking_lot::{Condvar, Mutex};
use revm::{
    Database,
    interpreter::{
        GasTable, InstructionResult, InstructionTable, Interpreter, InterpreterAction,
        interpreter::EthInterpreter, interpreter_types::LoopControl,
    },
};

use super::evm::Ctx;

/// Gas after which code asks whether to go on: a millisecond, as prices are calibrated.
pub(super) const SLICE_GAS: u64 = 100_000;

/// How long a call runs before it waits for its next turn. Most calls take less and never wait.
const TURN: Duration = Duration::from_millis(10);

/// What the reason begins with for which a call was stopped.
pub(super) const ABORTED: &str = "execution aborted (";

/// Pages of Wasm memory that all calls together may hold: 1 GiB, four times what one transaction may.
pub const CALL_PAGES_MAX: u32 = 16_384;

/// The queue of calls that take long.
#[derive(Debug)]
pub struct Turns {
    /// How many run at a time.
    places: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Pages that may still be held.
    pages_free: Mutex<u32>,
}

#[derive(Debug, Default)]
struct Queue {
    running: usize,
    waiting: VecDeque<u64>,
    next_ticket: u64,
}

impl Turns {
    /// Returns a queue for this machine.
    pub fn new() -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_places(processors.saturating_sub(1).max(1))
    }

    fn with_places(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places,
            queue: Mutex::default(),
            changed: Condvar::new(),
            pages_free: Mutex::new(CALL_PAGES_MAX),
        })
    }

    /// Begins a call that may take this long.
    pub fn limit(self: &Arc<Self>, timeout: Duration) -> Arc<TimeLimit> {
        let now = Instant::now();
        // Centuries on, no limit is needed.
        let deadline = now.checked_add(timeout);
        let state = State { turn_end: now + TURN, has_place: false, end: None, pages: 0 };
        Arc::new(TimeLimit {
            turns: Arc::clone(self),
            timeout,
            deadline,
            is_paced: true,
            state: Mutex::new(state),
        })
    }

    /// Begins what may take as long as it does and waits for nobody, but holds memory as calls do.
    pub fn no_limit(self: &Arc<Self>) -> Arc<TimeLimit> {
        let state = State { turn_end: Instant::now(), has_place: false, end: None, pages: 0 };
        let turns = Arc::clone(self);
        Arc::new(TimeLimit {
            turns,
            timeout: Duration::MAX,
            deadline: None,
            is_paced: false,
            state: Mutex::new(state),
        })
    }

    /// Returns how many pages of Wasm memory calls hold.
    pub fn pages_held(&self) -> u32 {
        CALL_PAGES_MAX - *self.pages_free.lock()
    }

    /// Waits for a place; false if there was none before the deadline.
    fn take(&self, deadline: Option<Instant>) -> bool {
        let mut queue = self.queue.lock();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.push_back(ticket);
        while !(queue.running < self.places && queue.waiting.front() == Some(&ticket)) {
            let is_late = match deadline {
                Some(deadline) => self.changed.wait_until(&mut queue, deadline).timed_out(),
                None => {
                    self.changed.wait(&mut queue);
                    false
                }
            };
            if is_late {
                queue.waiting.retain(|waiting| *waiting != ticket);
                self.changed.notify_all();
                return false;
            }
        }
        queue.waiting.pop_front();
        queue.running += 1;
        // Further places may be free for the next in the queue.
        self.changed.notify_all();
        true
    }

    fn give_back(&self) {
        self.queue.lock().running -= 1;
        self.changed.notify_all();
    }

    fn somebody_waits(&self) -> bool {
        !self.queue.lock().waiting.is_empty()
    }
}

/// The time of one call.
#[derive(Debug)]
pub struct TimeLimit {
    turns: Arc<Turns>,
    timeout: Duration,
    deadline: Option<Instant>,
    /// Whether it has a deadline and takes turns.
    is_paced: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    turn_end: Instant,
    has_place: bool,
    /// Why it was stopped, once it was.
    end: Option<End>,
    /// Pages that it holds.
    pages: u32,
}

/// Why a call was stopped.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Its time is over.
    Time,
    /// It asked for so many pages when so many were left.
    Pages { wanted: u32, free: u32 },
}

impl TimeLimit {
    /// Returns whether the call was stopped.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().end.is_some()
    }

    /// Returns whether it has to be asked while code runs that holds no more memory.
    pub(super) fn is_paced(&self) -> bool {
        self.is_paced
    }

    /// Returns why the call was stopped.
    pub(super) fn words(&self) -> String {
        match self.state.lock().end {
            Some(End::Pages { wanted, free }) => format!(
                "{ABORTED}memory): it needs {wanted} more pages, and of the {CALL_PAGES_MAX} that all calls of this node together \
                 may hold {free} are left; send fewer calls at a time"
            ),
            // In geth's words.
            Some(End::Time) | None => format!(
                "{ABORTED}timeout = {:?}): ask for less, give less gas, or start the node with a longer --rpc-timeout",
                self.timeout
            ),
        }
    }
}

impl Pace for TimeLimit {
    /// Returns whether the call may go on, once it is its turn.
    fn go_on(&self) -> bool {
        let mut state = self.state.lock();
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            state.end.get_or_insert(End::Time);
        }
        if state.end.is_some() {
            return false;
        }
        if !self.is_paced || now < state.turn_end {
            return true;
        }
        if state.has_place && self.turns.somebody_waits() {
            self.turns.give_back();
            state.has_place = false;
        }
        if !state.has_place {
            state.has_place = self.turns.take(self.deadline);
            if !state.has_place {
                state.end = Some(End::Time);
            }
        }
        state.turn_end = Instant::now() + TURN;
        state.end.is_none()
    }

    /// Returns whether there are as many pages for this call.
    fn may_hold(&self, pages: u32) -> bool {
        let mut state = self.state.lock();
        let mut free = self.turns.pages_free.lock();
        let wanted = pages.saturating_sub(state.pages);
        if wanted > *free {
            state.end.get_or_insert(End::Pages { wanted, free: *free });
            return false;
        }
        // Frames that have ended since gave theirs back.
        *free = *free + state.pages - pages;
        state.pages = pages;
        state.end.is_none()
    }
}

impl Drop for TimeLimit {
    fn drop(&mut self) {
        let State { has_place, pages, .. } = *self.state.get_mut();
        *self.turns.pages_free.lock() += pages;
        if has_place {
            self.turns.give_back();
        }
    }
}

/// Runs the code of an EVM frame until it ends, calls out or may not go on.
pub(super) fn run_evm<DB: Database>(
    interpreter: &mut Interpreter<EthInterpreter>,
    instructions: &InstructionTable<EthInterpreter, Ctx<DB>>,
    gas: &GasTable,
    ctx: &mut Ctx<DB>,
    limit: &TimeLimit,
) -> InterpreterAction {
    let next_slice = |gas_left: u64| gas_left.saturating_sub(SLICE_GAS);
    let mut slice_end = next_slice(interpreter.gas.remaining());
    let result = loop {
        if let Err(result) = interpreter.step(instructions, gas, ctx) {
            break result;
        }
        let gas_left = interpreter.gas.remaining();
        if gas_left < slice_end {
            if !limit.go_on() {
                break InstructionResult::OutOfGas;
            }
            slice_end = next_slice(gas_left);
        }
    };
    if interpreter.bytecode.action().is_none() {
        interpreter.halt(result);
    }
    interpreter.take_next_action()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn a_call_ends_at_its_deadline_also_while_it_waits_for_its_turn() {
        let turns = Turns::with_places(1);
        let hog = turns.limit(Duration::MAX);
        while !hog.state.lock().has_place {
            assert!(hog.go_on());
        }
        let late = turns.limit(Duration::from_millis(30));
        while late.go_on() {}
        assert!(late.is_over() && !hog.is_over());
        assert!(turns.queue.lock().waiting.is_empty(), "who gives up leaves the queue");
        drop((hog, late));
        assert_eq!(turns.queue.lock().running, 0);
    }

    #[test]
    fn calls_together_hold_no_more_pages_than_there_are() {
        let turns = Turns::with_places(1);
        let limit = || turns.limit(Duration::MAX);
        let (one, other) = (turns.no_limit(), limit());
        assert!(one.go_on() && !one.is_paced());
        assert!(one.may_hold(CALL_PAGES_MAX - 5) && other.may_hold(3) && other.may_hold(5));
        assert!(!other.may_hold(6) && other.is_over() && !other.go_on());
        assert!(
            other.words().contains("1 more pages") && other.words().contains("0 are left"),
            "{}",
            other.words()
        );
        assert!(!one.is_over());
        drop(other);
        assert!(one.may_hold(CALL_PAGES_MAX), "what a call held that has ended is free");
        assert!(one.may_hold(100), "and so is what frames held that have ended");
        assert!(limit().may_hold(CALL_PAGES_MAX - 100));
        drop(one);
        assert_eq!(*turns.pages_free.lock(), CALL_PAGES_MAX);
    }

    #[test]
    fn long_calls_take_turns_and_no_more_run_than_there_are_places() {
        let turns = Turns::with_places(2);
        let (done, turns_taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let limit = turns.limit(Duration::MAX);
                    for _ in 0..5 {
                        // The end of a turn, without waiting for the clock.
                        limit.state.lock().turn_end = Instant::now();
                        assert!(limit.go_on());
                        let queue = turns.queue.lock();
                        assert!(queue.running <= 2, "{queue:?}");
                        drop(queue);
                        turns_taken.fetch_add(1, Ordering::Relaxed);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!((done.into_inner(), turns_taken.into_inner()), (6, 30));
        assert_eq!(turns.queue.lock().running, 0);
    }
}
