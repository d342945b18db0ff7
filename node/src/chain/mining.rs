//! When blocks are mined: as transactions are sent, as time passes, both, or only when somebody asks.
//!
//! Time passes on a thread of its own, which is there from the first interval on and ends with the chain. It keeps the pace of
//! the interval, however long blocks take, and leaves out what it is too late for.

use std::{
    sync::{
        Weak,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{Chain, ChainError, Order, Result, mine::Empty};

/// The shortest time between blocks: each is a write to the database.
pub const INTERVAL_MIN: Duration = Duration::from_millis(1);
/// The longest time between blocks: a year.
pub const INTERVAL_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// When blocks are mined without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mining {
    /// Whenever a transaction is sent that can be mined.
    pub on_send: bool,
    /// Whenever this much time has passed, empty if nothing waits.
    pub interval: Option<Duration>,
}

impl Mining {
    /// A transaction is mined when it is sent.
    pub const INSTANT: Self = Self { on_send: true, interval: None };
    /// Nothing is mined until somebody asks.
    pub const MANUAL: Self = Self { on_send: false, interval: None };
}

impl Default for Mining {
    fn default() -> Self {
        Self::INSTANT
    }
}

/// How a chain mines now, and the thread that does it as time passes.
#[derive(Debug, Default)]
pub(super) struct Miner {
    mining: Mutex<Mining>,
    /// Tells the thread the interval, or to wait for one.
    ticker: Mutex<Option<mpsc::Sender<Option<Duration>>>>,
}

impl Chain {
    /// Returns when blocks are mined.
    pub fn mining(&self) -> Mining {
        *self.miner.mining.lock()
    }

    /// Sets when blocks are mined. What waits is mined when sending begins to mine.
    pub fn set_mining(&self, mining: Mining) -> Result<()> {
        if let Some(interval) = mining.interval.filter(|time| !(INTERVAL_MIN..=INTERVAL_MAX).contains(time)) {
            return Err(ChainError::MiningInterval(interval));
        }
        {
            // Once this returns, nothing is mined that the old way would have mined.
            let _writer = self.writer.lock();
            let before = std::mem::replace(&mut *self.miner.mining.lock(), mining);
            if before.interval != mining.interval {
                self.tick_every(mining.interval);
            }
        }
        if mining.on_send { self.mine_waiting() } else { Ok(()) }
    }

    /// Sets whether sending a transaction mines it; if so, time alone no longer does. What waits is mined when this is switched on.
    pub fn set_automine(&self, is_automine: bool) -> Result<()> {
        let mining = self.mining();
        match is_automine {
            true if mining.on_send => Ok(()),
            true => self.set_mining(Mining::INSTANT),
            false => self.set_mining(Mining { on_send: false, ..mining }),
        }
    }

    /// Returns in which order blocks take transactions.
    pub fn order(&self) -> Order {
        self.pool.lock().order()
    }

    fn tick_every(&self, interval: Option<Duration>) {
        let mut ticker = self.miner.ticker.lock();
        if let Some(orders) = &*ticker {
            // The thread ends only with the chain, or when the database has failed.
            let _ = orders.send(interval);
        } else if let Some(interval) = interval {
            let (orders, received) = mpsc::channel();
            let _ = orders.send(Some(interval));
            let chain = self.this.clone();
            thread::spawn(move || tick(&chain, &received));
            *ticker = Some(orders);
        }
    }

    /// Mines a block because the time has come, if it still counts.
    fn mine_on_time(&self, interval: Duration) -> Result<()> {
        {
            let writer = self.writer.lock();
            if self.mining().interval != Some(interval) {
                return Ok(());
            }
            self.mine_one(&writer, &mut Vec::new(), Empty::Allowed)?;
        }
        self.settle()
    }
}

/// Mines a block whenever the interval has passed, until nobody sends orders any more or mining fails.
fn tick(chain: &Weak<Chain>, orders: &mpsc::Receiver<Option<Duration>>) {
    let mut pace: Option<(Duration, Instant)> = None;
    loop {
        let order = match pace {
            None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some((_, due)) => orders.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match (order, &mut pace) {
            (Ok(interval), pace) => *pace = interval.map(|interval| (interval, Instant::now() + interval)),
            (Err(RecvTimeoutError::Timeout), Some((interval, due))) => {
                let Some(chain) = chain.upgrade() else { return };
                if let Err(error) = chain.mine_on_time(*interval) {
                    tracing::error!("no block could be mined: {error}");
                    return;
                }
                *due = (*due + *interval).max(Instant::now());
            }
            (Err(_), _) => return,
        }
    }
}
