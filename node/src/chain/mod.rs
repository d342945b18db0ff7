//! The chain: blocks on top of a state, one writer, any number of readers.
//!
//! - [`open`](Chain::open) makes or reopens a chain.
//! - [`submit`](Chain::submit) takes a signed transaction; mining is instant, so it is in a block when that returns.
//! - Readers see the latest block, or an earlier one as far as its state is kept.
//!
//! **Architecture invariant:** state has one writer, the holder of the writer's lock. A block is published
//! (seen by readers, answered to clients) only after the database has written it.

mod block;
mod call;
mod capabilities;
mod chain_id;
mod cheat;
mod clock;
mod control;
mod counters;
mod data_dir;
mod erc20;
mod error;
mod estimate;
mod events;
mod fork;
mod ground;
mod impersonate;
mod mine;
mod mine_empty;
mod mining;
mod pool;
mod predeploys;
mod read;
mod record;
mod rewind;
mod sign;
mod signature;
mod simulate;
mod spec;
pub mod spec_file;
mod state_dump;
mod trace;
mod watch;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use alloy_primitives::{Address, U256};
use alloy_signer::k256::ecdsa::SigningKey;
use alloy_signer_local::{
    PrivateKeySigner,
    coins_bip39::{English, Mnemonic, MnemonicError},
};
use lathe_state::{Database, DatabaseOptions, Foreign, MemoryStore, StateError, Store, View};
use parking_lot::{Mutex, RwLock};
use tokio::sync;

use crate::runtime::Runtime;

pub use block::{Block, MinedTransaction};
pub use call::{CallOutcome, FilledTransaction};
pub use cheat::Cheat;
pub use clock::TIMESTAMP_MAX;
pub use counters::Counters;
pub use data_dir::{DataDir, DumpLoader, Stats};
pub use error::{CallError, ChainError, SubmitError};
pub use estimate::Estimate;
pub use events::{Aside, EmptyBlocks, Event, Listener, MinedBlock, Purpose, UnminedCall};
pub use fork::{Fork, ForkError, ForkOptions};
pub use impersonate::IMPERSONATED_MAX;
pub use lathe_state::Receipt;
pub use mining::{INTERVAL_MAX, INTERVAL_MIN, Mining};
pub use pool::{Order, POOL_BYTES_MAX, POOL_TXS_MAX, SENDER_QUEUED_MAX, SENDER_TXS_MAX};
pub use predeploys::{CREATE2_FACTORY, MULTICALL3, STYLUS_DEPLOYER};
pub use read::{LOG_BLOCKS_MAX, LOGS_MAX};
pub use rewind::{SNAPSHOT_POOL_BYTES_MAX, SNAPSHOTS_MAX};
pub use simulate::{SIMULATED_BLOCKS_MAX, SIMULATED_CALLS_MAX, SimulateError, SimulatedBlock};
pub use spec::{
    CHAIN_ID_MAX, ChainSpec, DEFAULT_CHAIN_ID, DEFAULT_GAS_LIMIT, FirstBlock, GENESIS_BASE_FEE,
    GENESIS_TIMESTAMP,
};
pub use state_dump::DUMP_BYTES_MAX;

pub use trace::MeasuredTransaction;
pub use watch::{
    FILTER_IDLE_MAX, FILTER_VALUES_MAX, FILTERS_MAX, Keeper, News, REMOVED_LOGS_MAX, Reach, Watched,
};

pub use capabilities::CALL_TIMEOUT;

use capabilities::CallTimes;
use clock::Clock;
use control::Controls;
use counters::Tally;
use events::Feed;
use ground::{Begun, Ground};
use impersonate::Impersonation;
use mining::Miner;
use pool::Pool;
use rewind::Snapshots;
use watch::Watches;

type Result<T, E = ChainError> = std::result::Result<T, E>;

/// The BIP-44 path whose children are the development accounts, unless told otherwise.
pub const ACCOUNTS_PATH: &str = "m/44'/60'/0'/0";

/// Wei per gas that wallets are told to offer: 1 gwei, as other devnets do. Nothing competes for room in a block here.
pub const PRIORITY_FEE: u64 = 1_000_000_000;

/// Where a chain is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// In memory, gone with the process.
    Memory,
    /// In a database that outlives the process.
    Directory(PathBuf),
    /// In a database that is removed at exit.
    TemporaryDirectory(PathBuf),
}

/// What an answered transaction survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(clap::ValueEnum))]
pub enum Durability {
    /// A killed process: the operating system has the block.
    #[default]
    Process,
    /// A power cut: the disk has the block.
    Power,
}

/// How well and for how long a chain is kept. Nothing of it changes what blocks contain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// How many blocks before the latest keep their state; none is all.
    pub history: Option<u64>,
    /// What an answered transaction survives.
    pub durability: Durability,
}

/// How to open a chain.
#[derive(Debug, Clone)]
pub struct ChainOptions {
    /// The rules.
    pub spec: ChainSpec,
    /// Where it is kept.
    pub home: Home,
    /// How well, and for how long.
    pub keep: Keep,
    /// BIP-39 phrase of the development accounts, derived at `m/44'/60'/0'/0/i`.
    pub mnemonic: String,
    /// How many development accounts there are.
    pub account_count: u32,
    /// What each of them has at genesis, in wei.
    pub balance: U256,
}

/// How a devnet behaves until it is told otherwise. Nothing of it changes the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    /// The path whose children the development accounts are.
    pub derivation_path: String,
    /// In which order blocks take transactions.
    pub order: Order,
    /// When blocks are mined.
    pub mining: Mining,
    /// Whether only blocks move the clock, one second each, so that equal requests make equal chains.
    pub deterministic: bool,
    /// The time at which the clock starts, if it is not the machine's.
    pub start: Option<u64>,
    /// The base fee of the next block, in wei.
    pub base_fee: Option<u64>,
    /// What a transaction must offer for a gas at least, in wei.
    pub min_gas_price: u128,
    /// Receives the fees.
    pub beneficiary: Address,
    /// Transactions that a block has at most, if there is a limit besides that of its gas.
    pub block_txs_max: Option<NonZeroUsize>,
    /// Whether the node sends transactions of every account without its key.
    pub impersonates_everyone: bool,
    /// Whether the pool takes transactions that their senders cannot pay yet.
    pub ignores_balances: bool,
    /// Wei per gas that wallets are told to offer beside the base fee.
    pub priority_fee: u64,
    /// Slots of an epoch: `safe` is the block so many before the latest, `finalized` the one twice as many before it. None says
    /// that every block is final.
    pub epoch_slots: Option<u64>,
    /// How to fork another chain when the chain is reset to that; the URL means nothing.
    pub forks: ForkOptions,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            derivation_path: ACCOUNTS_PATH.into(),
            order: Order::default(),
            mining: Mining::default(),
            deterministic: false,
            start: None,
            base_fee: None,
            min_gas_price: 0,
            beneficiary: Address::ZERO,
            block_txs_max: None,
            impersonates_everyone: false,
            ignores_balances: false,
            priority_fee: PRIORITY_FEE,
            epoch_slots: None,
            forks: ForkOptions::new(""),
        }
    }
}

impl Manner {
    /// Returns the controls of a chain of so many blocks after the first. Only a new one starts its clock, where it is to begin
    /// elsewhere than now, and its base fee.
    fn controls(&self, blocks: u64, start: Option<u64>) -> Controls {
        let mut clock = if self.deterministic { Clock::of_blocks() } else { Clock::default() };
        if let Some(start) = start.filter(|_| blocks == 0 && !self.deterministic) {
            clock.set_now(start, start);
        }
        Controls {
            clock,
            next_base_fee: self.base_fee.filter(|_| blocks == 0),
            beneficiary: self.beneficiary,
            min_gas_price: self.min_gas_price,
            ..Controls::default()
        }
    }
}

/// The chain: its state, its pool and its single writer. All methods take `&self`, may block (disk, execution) and
/// are called from any thread.
pub struct Chain {
    this: Weak<Self>,
    /// How it was opened: what it is reset to.
    begun: Begun,
    manner: Manner,
    signers: Vec<PrivateKeySigner>,
    durability: Durability,
    /// Why the database takes no more blocks, once it does not.
    failure: sync::watch::Sender<Option<String>>,
    latest: RwLock<Latest>,
    pool: Mutex<Pool>,
    snapshots: Mutex<Snapshots>,
    watches: Watches,
    feed: Feed,
    tally: Tally,
    calls: CallTimes,
    controls: Mutex<Controls>,
    miner: Miner,
    impersonation: Impersonation,
    /// Held by whoever mines. It is taken before the pool's lock, which is never held while a transaction runs.
    writer: Mutex<()>,
}

/// What readers of the latest block see: replaced as a whole.
#[derive(Debug, Clone)]
struct Latest {
    block: Arc<Block>,
    view: Arc<View>,
    /// What the two belong to.
    ground: Arc<Ground>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("spec", &self.spec()).finish_non_exhaustive()
    }
}

impl Chain {
    /// Opens the chain in a directory, or makes one there; without a directory, in memory.
    pub fn open(options: ChainOptions) -> Result<Arc<Self>> {
        Self::open_with(options, Manner::default())
    }

    /// As [`open`](Self::open), for a chain that behaves in its own manner.
    pub fn open_with(options: ChainOptions, manner: Manner) -> Result<Arc<Self>> {
        // Opening waits for the disk while deriving keeps a processor busy.
        let (signers, store) = std::thread::scope(|scope| {
            let signers =
                scope.spawn(|| signers(&options.mnemonic, &manner.derivation_path, options.account_count));
            let store = open_store(options.home.clone());
            (signers.join().expect("deriving keys does not panic"), store)
        });
        let (signers, store) = (signers?, store?);
        let reads = store_for_reads(&options.home, &store);
        Self::open_own(store, reads, options, manner, signers)
    }

    /// As [`open_with`](Self::open_with), in stores that are open: one for the chain, one for what is read of others that it
    /// comes to fork.
    pub fn open_in(
        store: Arc<dyn Store>,
        reads: Arc<dyn Store>,
        options: ChainOptions,
        manner: Manner,
    ) -> Result<Arc<Self>> {
        let signers = signers(&options.mnemonic, &manner.derivation_path, options.account_count)?;
        Self::open_own(store, reads, options, manner, signers)
    }

    fn open_own(
        store: Arc<dyn Store>,
        reads: Arc<dyn Store>,
        options: ChainOptions,
        manner: Manner,
        signers: Vec<PrivateKeySigner>,
    ) -> Result<Arc<Self>> {
        let begun = Begun::new(&options, reads, manner.forks.clone());
        let spec = options.spec;
        for account in &spec.accounts {
            data_dir::check_code(&account.code, &spec)
                .map_err(|why| ChainError::GenesisCode { address: account.address, why })?;
        }
        let genesis = spec.genesis(&signers, options.balance);
        let database_options = DatabaseOptions { history: options.keep.history };
        let opened = Database::open(Arc::clone(&store), database_options, &genesis, |state_root| {
            record::write_block(&Block::seal(spec.genesis_header(state_root), Vec::new(), Vec::new()))
        });
        let database = match opened {
            // A chain that `lathe db load` made has other accounts; its rules are told by its first block.
            Err(StateError::Foreign(error @ Foreign::Genesis { .. })) => {
                let database = Database::open_existing(store, database_options)?;
                let first = database.view()?.header_by_number(0)?;
                let same_rules =
                    first.is_some_and(|(_, header)| header.extra_data.starts_with(&spec.hash()[..]));
                if !(database.is_imported()? && same_rules) {
                    return Err(StateError::Foreign(error).into());
                }
                database
            }
            opened => opened?,
        };
        let ground = Ground::new(spec, database, None, manner.start);
        Self::assemble(begun, options.keep, manner, signers, ground)
    }

    /// Makes a chain of what was opened.
    fn assemble(
        begun: Begun,
        keep: Keep,
        manner: Manner,
        signers: Vec<PrivateKeySigner>,
        ground: Ground,
    ) -> Result<Arc<Self>> {
        let latest = Latest::on(Arc::new(ground))?;
        let blocks = latest.block.header.number - latest.view.first_block();
        let chain = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            begun,
            controls: Mutex::new(manner.controls(blocks, latest.ground.start)),
            pool: Mutex::new(Pool::new(manner.order)),
            miner: Miner::default(),
            impersonation: Impersonation::default(),
            signers,
            latest: RwLock::new(latest),
            durability: keep.durability,
            failure: sync::watch::Sender::new(None),
            snapshots: Mutex::default(),
            watches: Watches::default(),
            feed: Feed::default(),
            tally: Tally::default(),
            calls: CallTimes::default(),
            writer: Mutex::default(),
            manner,
        });
        chain.impersonate_everyone(chain.manner.impersonates_everyone);
        chain.set_mining(chain.manner.mining)?;
        Ok(chain)
    }

    /// Returns the rules of the chain.
    pub fn spec(&self) -> Arc<ChainSpec> {
        self.ground().spec.clone()
    }

    /// Returns the hash of the first block.
    pub fn genesis_hash(&self) -> alloy_primitives::B256 {
        self.ground().database.genesis_hash()
    }

    /// Returns the chain that this one forks, if it does.
    pub fn fork(&self) -> Option<Arc<Fork>> {
        self.ground().fork.clone()
    }

    /// Returns the number of the first block: 0, or that of the block that a fork stands on.
    pub fn first_block(&self) -> u64 {
        self.ground().first_block()
    }

    /// Returns the accounts that the node signs for, in the order of `eth_accounts`.
    pub fn accounts(&self) -> Vec<Address> {
        self.signers.iter().map(PrivateKeySigner::address).collect()
    }

    /// Returns the keys of these accounts.
    pub fn dev_signers(&self) -> &[PrivateKeySigner] {
        &self.signers
    }

    /// Returns where to learn that the database has failed, and why. No block is mined from then on.
    pub fn failure(&self) -> sync::watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    fn latest(&self) -> Latest {
        self.latest.read().clone()
    }

    fn ground(&self) -> Arc<Ground> {
        self.latest.read().ground.clone()
    }

    fn runtime(&self) -> Runtime {
        self.latest.read().ground.runtime.clone()
    }
}

/// Derives the development accounts. The phrase is stretched once, which takes longer than all the rest.
fn signers(mnemonic: &str, path: &str, count: u32) -> Result<Vec<PrivateKeySigner>> {
    let failed = |error: MnemonicError| ChainError::Mnemonic(error.to_string());
    let mnemonic = Mnemonic::<English>::new_from_phrase(mnemonic).map_err(failed)?;
    let parent = mnemonic.derive_key(path, None).map_err(failed)?;
    let derive = |index: u32| {
        let child = parent.derive_path(format!("m/{index}").as_str());
        let child = child.map_err(|error| ChainError::Mnemonic(error.to_string()))?;
        let key: &SigningKey = child.as_ref();
        Ok(PrivateKeySigner::from_signing_key(key.clone()))
    };
    (0..count).map(derive).collect()
}

/// Returns the store for what is read of forked chains. In memory it would be copied with each block's snapshot if it shared
/// the chain's.
fn store_for_reads(home: &Home, store: &Arc<dyn Store>) -> Arc<dyn Store> {
    if *home == Home::Memory { Arc::new(MemoryStore::new()) } else { Arc::clone(store) }
}

fn open_store(home: Home) -> Result<Arc<dyn Store>> {
    match home {
        Home::Memory => Ok(Arc::new(MemoryStore::new())),
        Home::Directory(dir) | Home::TemporaryDirectory(dir) => open_directory(&dir),
    }
}

/// Opens the database in a directory, or makes one.
#[cfg(feature = "rocksdb")]
fn open_directory(dir: &Path) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(lathe_state::RocksStore::open(dir, Default::default())?))
}

#[cfg(not(feature = "rocksdb"))]
fn open_directory(dir: &Path) -> Result<Arc<dyn Store>> {
    Err(ChainError::NoRocksDb(dir.to_owned()))
}
