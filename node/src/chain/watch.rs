//! Watching the chain: what is new since the watcher looked last.
//!
//! A *watch* is a place in the chain, or in the order in which transactions arrive, from which its owner has yet to
//! look. Nothing is kept for a watch: what is new is read when its owner looks, so that one who never does costs
//! nobody anything. Filters (`eth_newFilter`) and subscriptions (`eth_subscribe`) are both watches.
//!
//! Going back lowers the places of all watches, and leaves them the logs that they had reported and that are gone.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::Header;
use alloy_primitives::B256;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use lathe_state::View;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Chain, ChainError, Latest, POOL_TXS_MAX, Result,
    read::{LOG_BLOCKS_MAX, LOGS_MAX, collect_logs},
    record::{read_block, read_header},
};

/// Filters that exist at once.
pub const FILTERS_MAX: usize = 1_024;
/// How long a filter lives that nobody asks (geth, `eth/filters`).
pub const FILTER_IDLE_MAX: Duration = Duration::from_secs(5 * 60);
/// Addresses and topics that one watch of logs may name: all are in memory as long as it is.
pub const FILTER_VALUES_MAX: usize = 1_000;
/// Logs of blocks that were taken back, as far as one watch is told of them: the newest.
pub const REMOVED_LOGS_MAX: usize = 1_000;
/// Hashes of transactions that have arrived, as far back as a watch can look: twice what may wait at once.
const ARRIVALS_MAX: usize = 2 * POOL_TXS_MAX;

/// What a watch looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// Blocks.
    Heads,
    /// Logs that match.
    Logs(Box<Filter>),
    /// Transactions that arrive in the pool.
    Arrivals,
}

/// What is new, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Headers with their hashes.
    Heads(Vec<(B256, Header)>),
    /// Logs; those of blocks that were taken back come first and say so.
    Logs(Vec<Log>),
    /// Hashes of transactions.
    Arrivals(Vec<B256>),
}

impl News {
    /// Returns whether nothing is new.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Heads(heads) => heads.is_empty(),
            Self::Logs(logs) => logs.is_empty(),
            Self::Arrivals(hashes) => hashes.is_empty(),
        }
    }
}

/// How far one look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Blocks that are read at most.
    pub blocks: u64,
    /// After so many finds the look ends, at the end of a block.
    pub finds: usize,
}

impl Reach {
    /// What one answer to a poll may hold.
    pub const POLL: Self = Self { blocks: LOG_BLOCKS_MAX, finds: LOGS_MAX };
}

/// Who keeps a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// A client who asks now and then, and is forgotten when it does not for [`FILTER_IDLE_MAX`].
    Poller,
    /// A connection, which ends the watch itself.
    Connection,
}

/// All watches, and what they watch beside blocks.
#[derive(Debug)]
pub(super) struct Watches {
    by_id: Mutex<ById>,
    arrivals: Mutex<Arrivals>,
    /// Counts whatever could be new to somebody.
    activity: watch::Sender<u64>,
}

#[derive(Debug)]
struct ById {
    watches: HashMap<u64, (Keeper, Arc<Mutex<Watch>>)>,
    next_id: u64,
}

#[derive(Debug)]
struct Watch {
    watched: Watched,
    keeper: Keeper,
    /// The first block, or the first arrival, that was not looked at.
    next: u64,
    /// Reported logs whose blocks were taken back since.
    removed: VecDeque<Arc<Log>>,
    asked: Instant,
}

/// The newest transactions that came, in order.
#[derive(Debug, Default)]
struct Arrivals {
    hashes: VecDeque<B256>,
    /// How many came in all; the last of `hashes` is the one before this.
    count: u64,
}

impl Default for Watches {
    fn default() -> Self {
        // An id from before a restart must be unknown afterwards, not somebody else's.
        let next_id = RandomState::new().hash_one(()) >> 1;
        Self {
            by_id: Mutex::new(ById { watches: HashMap::new(), next_id }),
            arrivals: Mutex::default(),
            activity: watch::Sender::new(0),
        }
    }
}

impl Watches {
    /// Notes a transaction that came into the pool.
    pub(super) fn arrived(&self, hash: B256) {
        let mut arrivals = self.arrivals.lock();
        arrivals.count += 1;
        arrivals.hashes.push_back(hash);
        if arrivals.hashes.len() > ARRIVALS_MAX {
            arrivals.hashes.pop_front();
        }
        drop(arrivals);
        self.announce();
    }

    /// Wakes those who wait for something new.
    pub(super) fn announce(&self) {
        self.activity.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Adds a watch that has seen everything before `next`.
    fn add(&self, watched: Watched, keeper: Keeper, next: u64, now: Instant) -> Result<u64> {
        if let Watched::Logs(filter) = &watched {
            let values = filter.address.len() + filter.topics.iter().map(|topic| topic.len()).sum::<usize>();
            if values > FILTER_VALUES_MAX {
                return Err(ChainError::FilterTooLarge { values });
            }
        }
        let mut by_id = self.by_id.lock();
        if keeper == Keeper::Poller {
            // A watch that is locked is being asked, and thus not stale.
            by_id.watches.retain(|_, (_, watch)| !watch.try_lock().is_some_and(|watch| watch.is_stale(now)));
            let filters = by_id.watches.values().filter(|(keeper, _)| *keeper == Keeper::Poller);
            if filters.count() >= FILTERS_MAX {
                return Err(ChainError::TooManyFilters);
            }
        }
        let id = by_id.next_id;
        by_id.next_id += 1;
        let watch = Watch { watched, keeper, next, removed: VecDeque::new(), asked: now };
        by_id.watches.insert(id, (keeper, Arc::new(Mutex::new(watch))));
        Ok(id)
    }

    /// Returns a watch that is not forgotten, and notes that it was asked for.
    fn get(&self, id: u64, keeper: Keeper, now: Instant) -> Option<Arc<Mutex<Watch>>> {
        let (found, watch) = self.by_id.lock().watches.get(&id).cloned()?;
        if found != keeper {
            return None;
        }
        let mut locked = watch.lock();
        if locked.is_stale(now) {
            drop(locked);
            self.by_id.lock().watches.remove(&id);
            return None;
        }
        locked.asked = now;
        drop(locked);
        Some(watch)
    }

    /// Lowers all watches to the block that the chain went back to. `removed` are the logs that are gone.
    pub(super) fn went_back(&self, number: u64, removed: &[Arc<Log>]) {
        for watch in self.all() {
            watch.lock().went_back(number, removed);
        }
        self.announce();
    }

    /// Moves all watches behind the latest block of another chain, which is in the place of this one now.
    pub(super) fn began_again(&self, number: u64, removed: &[Arc<Log>]) {
        for watch in self.all() {
            let mut watch = watch.lock();
            watch.went_back(0, removed);
            if watch.watched != Watched::Arrivals {
                watch.next = number + 1;
            }
        }
        self.announce();
    }

    /// They are not locked together: a watch may be busy reading.
    fn all(&self) -> Vec<Arc<Mutex<Watch>>> {
        self.by_id.lock().watches.values().map(|(_, watch)| Arc::clone(watch)).collect()
    }
}

impl Watch {
    fn is_stale(&self, now: Instant) -> bool {
        self.keeper == Keeper::Poller && now.saturating_duration_since(self.asked) > FILTER_IDLE_MAX
    }

    fn went_back(&mut self, number: u64, removed: &[Arc<Log>]) {
        match &self.watched {
            Watched::Arrivals => return,
            Watched::Heads => {}
            Watched::Logs(filter) => {
                let was_reported = |log: &&Arc<Log>| {
                    log.block_number.is_some_and(|number| number < self.next) && is_wanted(filter, log)
                };
                self.removed.extend(removed.iter().filter(was_reported).cloned());
                let surplus = self.removed.len().saturating_sub(REMOVED_LOGS_MAX);
                self.removed.drain(..surplus);
            }
        }
        self.next = self.next.min(number + 1);
    }

    /// Returns what is new, and whether there is more.
    fn look(&mut self, view: &View, arrivals: &Mutex<Arrivals>, reach: Reach) -> Result<(News, bool)> {
        let head = view.head().number;
        let beyond = self.next.saturating_add(reach.blocks).min(head + 1);
        match &self.watched {
            Watched::Heads => {
                let beyond = beyond.min(self.next.saturating_add(reach.finds as u64));
                let mut heads = Vec::new();
                for number in self.next..beyond {
                    let header = view.header_by_number(number)?;
                    let (hash, header) = header.ok_or_else(|| ChainError::missing_block(number))?;
                    heads.push((hash, read_header(header)));
                }
                self.next = self.next.max(beyond);
                Ok((News::Heads(heads), self.next <= head))
            }
            Watched::Logs(filter) => {
                let mut logs: Vec<Log> = self.removed.iter().map(|log| Log::clone(log)).collect();
                let mut number = self.next;
                while number < beyond && logs.len() < reach.finds {
                    collect_block(view, number, filter, &mut logs)?;
                    number += 1;
                }
                self.removed.clear();
                self.next = number;
                Ok((News::Logs(logs), self.next <= head))
            }
            Watched::Arrivals => {
                let arrivals = arrivals.lock();
                let first = arrivals.count - arrivals.hashes.len() as u64;
                let skipped = usize::try_from(self.next.saturating_sub(first)).unwrap_or(usize::MAX);
                let hashes: Vec<B256> =
                    arrivals.hashes.iter().skip(skipped).take(reach.finds).copied().collect();
                self.next = self.next.max(first) + hashes.len() as u64;
                Ok((News::Arrivals(hashes), self.next < arrivals.count))
            }
        }
    }
}

/// Adds the logs of one block that a filter wants.
fn collect_block(view: &View, number: u64, filter: &Filter, logs: &mut Vec<Log>) -> Result<()> {
    let header = view.header_by_number(number)?;
    let (hash, header) = header.ok_or_else(|| ChainError::missing_block(number))?;
    if is_in_range(filter, number, hash)
        && filter.matches_bloom(header.logs_bloom)
        && let Some(block) = read_block(view, number)?
    {
        collect_logs(&block, filter, logs);
    }
    Ok(())
}

fn is_wanted(filter: &Filter, log: &Log) -> bool {
    let place = log.block_number.zip(log.block_hash);
    place.is_some_and(|(number, hash)| is_in_range(filter, number, hash)) && filter.matches(&log.inner)
}

/// Returns whether a filter's block range allows a block. Tags do not restrict what is yet to come.
fn is_in_range(filter: &Filter, number: u64, hash: B256) -> bool {
    match filter.block_option {
        FilterBlockOption::AtBlockHash(wanted) => wanted == hash,
        FilterBlockOption::Range { from_block, to_block } => {
            let bound = |tag: Option<alloy_eips::BlockNumberOrTag>| tag.and_then(|tag| tag.as_number());
            bound(from_block).is_none_or(|from| from <= number)
                && bound(to_block).is_none_or(|to| number <= to)
        }
    }
}

/// Returns the logs of the blocks after `number`, marked as removed: the newest [`REMOVED_LOGS_MAX`], oldest first.
pub(super) fn logs_to_remove(view: &View, number: u64) -> Result<Vec<Arc<Log>>> {
    let mut removed = VecDeque::new();
    for number in (number + 1..=view.head().number).rev() {
        let header = view.header_by_number(number)?;
        if header.is_none_or(|(_, header)| header.logs_bloom.is_zero()) {
            continue;
        }
        let mut logs = Vec::new();
        collect_block(view, number, &Filter::default(), &mut logs)?;
        for log in logs.into_iter().rev() {
            removed.push_front(Arc::new(Log { removed: true, ..log }));
            if removed.len() == REMOVED_LOGS_MAX {
                return Ok(removed.into());
            }
        }
    }
    Ok(removed.into())
}

impl Chain {
    /// Begins to watch for what comes after the latest block, and returns the watch's id.
    pub fn watch(&self, watched: Watched, keeper: Keeper) -> Result<u64> {
        // Nothing goes back while the watch takes its place.
        let _writer = self.writer.lock();
        let next = match watched {
            Watched::Arrivals => self.watches.arrivals.lock().count,
            Watched::Heads | Watched::Logs(_) => self.head().header.number + 1,
        };
        self.watches.add(watched, keeper, next, Instant::now())
    }

    /// Returns what is new to a watch since it was asked last, and whether there is more than `reach` allows.
    pub fn news(&self, id: u64, keeper: Keeper, reach: Reach) -> Result<(News, bool)> {
        let watch = self.watches.get(id, keeper, Instant::now()).ok_or(ChainError::UnknownFilter)?;
        // Locked before the view is taken: whoever goes back meanwhile lowers the watch after this look.
        let mut watch = watch.lock();
        let Latest { view, .. } = self.latest();
        watch.look(&view, &self.watches.arrivals, reach)
    }

    /// Returns the filter of a watch of logs that a poller keeps.
    pub fn watched_logs(&self, id: u64) -> Result<Filter> {
        let watch = self.watches.get(id, Keeper::Poller, Instant::now()).ok_or(ChainError::UnknownFilter)?;
        match &watch.lock().watched {
            Watched::Logs(filter) => Ok(Filter::clone(filter)),
            Watched::Heads | Watched::Arrivals => Err(ChainError::UnknownFilter),
        }
    }

    /// Ends a watch; false if there is none.
    pub fn unwatch(&self, id: u64, keeper: Keeper) -> bool {
        let is_there = self.watches.get(id, keeper, Instant::now()).is_some();
        is_there && self.watches.by_id.lock().watches.remove(&id).is_some()
    }

    /// Returns how many filters there are that clients poll, and how many subscriptions.
    pub fn watch_counts(&self) -> (usize, usize) {
        let by_id = self.watches.by_id.lock();
        let filters = by_id.watches.values().filter(|(keeper, _)| *keeper == Keeper::Poller).count();
        (filters, by_id.watches.len() - filters)
    }

    /// Returns a counter that moves whenever there may be something new to a watch.
    pub fn activity(&self) -> watch::Receiver<u64> {
        self.watches.activity.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watches() -> (Watches, Instant) {
        (Watches::default(), Instant::now())
    }

    #[test]
    fn a_filter_that_nobody_asks_is_forgotten_and_one_that_is_asked_is_not() {
        let (watches, start) = watches();
        let idle = watches.add(Watched::Heads, Keeper::Poller, 0, start).unwrap();
        let asked = watches.add(Watched::Heads, Keeper::Poller, 0, start).unwrap();
        let held = watches.add(Watched::Heads, Keeper::Connection, 0, start).unwrap();
        assert!(watches.get(asked, Keeper::Poller, start + FILTER_IDLE_MAX).is_some());
        let later = start + FILTER_IDLE_MAX + Duration::from_secs(1);
        assert!(watches.get(idle, Keeper::Poller, later).is_none());
        assert!(watches.get(asked, Keeper::Poller, later).is_some());
        assert!(watches.get(held, Keeper::Connection, later).is_some());
        assert_eq!(watches.by_id.lock().watches.len(), 2);
    }

    #[test]
    fn filters_have_a_limit_that_forgotten_ones_do_not_count_for() {
        let (watches, start) = watches();
        for _ in 0..FILTERS_MAX {
            watches.add(Watched::Heads, Keeper::Poller, 0, start).unwrap();
        }
        let one_more = watches.add(Watched::Heads, Keeper::Poller, 0, start);
        assert_eq!(one_more, Err(ChainError::TooManyFilters));
        assert!(watches.add(Watched::Heads, Keeper::Connection, 0, start).is_ok());
        let later = start + FILTER_IDLE_MAX + Duration::from_secs(1);
        assert!(watches.add(Watched::Heads, Keeper::Poller, 0, later).is_ok());
        assert_eq!(watches.by_id.lock().watches.len(), 2);
    }

    #[test]
    fn a_subscription_is_no_filter_and_the_other_way_round() {
        let (watches, start) = watches();
        let filter = watches.add(Watched::Heads, Keeper::Poller, 0, start).unwrap();
        let subscription = watches.add(Watched::Heads, Keeper::Connection, 0, start).unwrap();
        assert!(watches.get(filter, Keeper::Connection, start).is_none());
        assert!(watches.get(subscription, Keeper::Poller, start).is_none());
    }

    #[test]
    fn arrivals_are_kept_for_late_watches_as_far_as_the_limit_goes() {
        let arrivals = Watches::default();
        for n in 0..ARRIVALS_MAX as u64 + 10 {
            arrivals.arrived(B256::left_padding_from(&n.to_be_bytes()));
        }
        let store = arrivals.arrivals.lock();
        assert_eq!((store.hashes.len(), store.count), (ARRIVALS_MAX, ARRIVALS_MAX as u64 + 10));
        assert_eq!(store.hashes.front(), Some(&B256::left_padding_from(&10_u64.to_be_bytes())));
    }
}
