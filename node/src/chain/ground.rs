//! What a chain stands on: its rules, its database, and the chain that it forks if it does. It is replaced as a whole when the
//! chain is reset to another beginning.
//!
//! The directory then has the other chain, in the same batch that takes the old one away; who still reads the old one reads it
//! as it was. What is asked of other nodes is asked before, while the old chain goes on.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alloy_primitives::U256;
use lathe_state::{Batch, Column, Database, DatabaseOptions, Store};
use parking_lot::Mutex;

use super::{
    Block, Chain, ChainError, ChainOptions, ChainSpec, Event, Fork, ForkOptions, Latest, Result, fork::Begin,
    record, watch::logs_to_remove,
};
use crate::runtime::Runtime;

/// What a chain stands on.
pub(super) struct Ground {
    pub(super) spec: Arc<ChainSpec>,
    pub(super) runtime: Runtime,
    pub(super) database: Database,
    /// The chain that this one forks, if it does.
    pub(super) fork: Option<Arc<Fork>>,
    /// The time at which the clock starts, if it is not the machine's.
    pub(super) start: Option<u64>,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Ground {
    pub(super) fn new(
        spec: ChainSpec,
        database: Database,
        fork: Option<Arc<Fork>>,
        start: Option<u64>,
    ) -> Self {
        Self { runtime: Runtime::with_protocol(spec.protocol()), spec: Arc::new(spec), database, fork, start }
    }

    /// Returns the number of the first block.
    pub(super) fn first_block(&self) -> u64 {
        self.fork.as_ref().map_or(0, |fork| fork.number())
    }
}

impl Latest {
    /// Returns the latest block of what the chain stands on.
    pub(super) fn on(ground: Arc<Ground>) -> Result<Self> {
        let view = Arc::new(ground.database.view()?);
        let number = view.head().number;
        let block = record::read_block(&view, number)?.ok_or_else(|| ChainError::missing_block(number))?;
        Ok(Self { block: Arc::new(block), view, ground })
    }
}

/// How a chain was opened, for when it is to begin again.
pub(super) struct Begun {
    spec: ChainSpec,
    balance: U256,
    keep: DatabaseOptions,
    /// Where what is read of forked chains is kept.
    reads: Arc<dyn Store>,
    forks: ForkOptions,
    /// Held while the chain is reset.
    resetting: Mutex<()>,
    resets: AtomicU64,
}

impl Begun {
    pub(super) fn new(options: &ChainOptions, reads: Arc<dyn Store>, forks: ForkOptions) -> Self {
        Self {
            spec: options.spec.clone(),
            balance: options.balance,
            keep: DatabaseOptions { history: options.keep.history },
            reads,
            forks,
            resetting: Mutex::default(),
            resets: AtomicU64::new(0),
        }
    }

    /// Forgets what was read of forked chains.
    fn forget_reads(&self) -> Result<()> {
        let mut batch = Batch::new();
        batch.clear(Column::Origin);
        Ok(self.reads.write(batch)?)
    }
}

impl Chain {
    /// Begins again as a chain of its own, with the rules and accounts that it was opened with, and forgets snapshots,
    /// impersonation and everything that was set since.
    pub fn reset_to_own(&self) -> Result<()> {
        let _resetting = self.begun.resetting.lock();
        let ground = self.ground();
        if ground.fork.is_none() && (self.has_all_states() || ground.database.is_imported()?) {
            return self.reset();
        }
        let Begun { spec, balance, keep, .. } = &self.begun;
        let genesis = spec.genesis(&self.signers, *balance);
        let writer = self.writer.lock();
        let first = |state_root| {
            record::write_block(&Block::seal(spec.genesis_header(state_root), Vec::new(), Vec::new()))
        };
        let database =
            ground.database.replace(*keep, &genesis, first).map_err(|error| self.replace_failed(error))?;
        self.stand_on(Ground::new(spec.clone(), database, None, self.manner.start))?;
        drop(writer);
        self.begun.forget_reads()?;
        self.forget_settings()
    }

    /// Begins again as a fork: of the chain at a URL, or else of the one that it forks already, at a block, or else at the
    /// latest. Snapshots, impersonation and everything that was set since the chain was opened are forgotten.
    ///
    /// What was read of the fork before is kept only for the same block of the chain at the same URL.
    pub fn reset_to_fork(&self, url: Option<&str>, block: Option<u64>) -> Result<()> {
        let _resetting = self.begun.resetting.lock();
        let ground = self.ground();
        let options = match (&ground.fork, url) {
            (Some(fork), url) => {
                let known = fork.options();
                let url = url.map_or_else(|| known.url.clone(), str::to_owned);
                ForkOptions { url, block, ..known }
            }
            (None, Some(url)) => ForkOptions { url: url.to_owned(), block, ..self.begun.forks.clone() },
            (None, None) => {
                return Err(ChainError::NotOnFork(
                    "this node forks no other chain: forking.jsonRpcUrl says where the node of one is",
                ));
            }
        };
        let begin = Begin::ask(&options)?;
        let before = ground.fork.as_ref().filter(|fork| begin.is_at(fork));
        if before.is_some() && self.has_all_states() {
            return self.reset();
        }
        if before.is_none() {
            self.begun.forget_reads()?;
        }
        let start = Some(begin.base().header.timestamp);
        let reads = Arc::clone(&self.begun.reads);
        let begin = begin.prepare(reads, self.begun.spec.clone(), &self.signers, self.begun.balance)?;
        let writer = self.writer.lock();
        let (spec, fork, database) = begin
            .make(|origin, genesis, settings, base| {
                ground.database.replace_with_fork(self.begun.keep, origin, genesis, settings, base)
            })
            .map_err(|error| self.replace_failed(error))?;
        self.stand_on(Ground::new(spec, database, Some(fork), start))?;
        drop(writer);
        self.forget_settings()
    }

    /// Returns how often the chain began again since it was opened.
    pub fn resets(&self) -> u64 {
        self.begun.resets.load(Ordering::Relaxed)
    }

    pub(super) fn count_reset(&self) {
        self.begun.resets.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether the state of every block is kept, so that the first can be gone back to.
    fn has_all_states(&self) -> bool {
        self.oldest_state() <= self.first_block()
    }

    /// After a failed write nobody knows which chain the directory has.
    fn replace_failed(&self, error: lathe_state::StateError) -> ChainError {
        match error {
            lathe_state::StateError::Store(_) => self.fail(error),
            error => error.into(),
        }
    }

    /// Shows readers another ground, and tells watches that all is new from there on. The writer's lock is held.
    fn stand_on(&self, ground: Ground) -> Result<()> {
        let old = self.latest();
        let removed = logs_to_remove(&old.view, old.ground.first_block())?;
        let latest = Latest::on(Arc::new(ground))?;
        let number = latest.block.header.number;
        let start = latest.ground.start;
        let mut pool = self.pool.lock();
        pool.take_all();
        *self.latest.write() = latest;
        drop(pool);
        *self.controls.lock() = self.manner.controls(0, start);
        self.snapshots.lock().forget_all();
        self.watches.began_again(number, &removed);
        self.feed.tell(|| Event::WentBack { number });
        Ok(())
    }
}
