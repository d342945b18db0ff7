//! Making forks, and opening those that are there.
//!
//! A fork begins with the block that it stands on: its first block is that one, under its own hash, so that what is mined
//! goes on from its number, time and fees. The state there has a little more than the other chain's: the development accounts have
//! ether, and contracts that tools expect are there if the other chain lacks them.
//!
//! Where a fork stands is noted in its directory. Opening it again asks nobody anything.

use alloy_primitives::{Address, B64, B256, Bytes, KECCAK256_EMPTY, U64, U256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use lathe_state::{
    AccountInfo, Block, Database, DatabaseOptions, Foreign, ForkPoint, Genesis, GenesisAccount, Header,
    MemoryStore, Origin, StateError, Store,
};
use lru::LruCache;
use parity_scale_codec::Encode;
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use serde_json::json;
use std::sync::{Arc, OnceLock};

use super::{CODES_MAX, Cache, Endpoint, Fork, ForkError, ForkOptions, Remote};
use crate::{
    chain::{
        Chain, ChainError, ChainOptions, ChainSpec, Home, Manner, Result,
        ground::{Begun, Ground},
        open_store, predeploys, signers,
    },
    runtime::{ARB_WASM, code::CodeKind},
};

/// What a fork goes on from of the block that it stands on. Other chains' headers may have more fields, or fewer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BaseBlock {
    number: U64,
    hash: B256,
    parent_hash: B256,
    #[serde(default)]
    miner: Address,
    state_root: B256,
    gas_limit: U64,
    gas_used: U64,
    timestamp: U64,
    #[serde(default)]
    extra_data: Bytes,
    #[serde(default)]
    mix_hash: B256,
    #[serde(default)]
    base_fee_per_gas: U64,
}

impl BaseBlock {
    fn record(self) -> Block {
        let header = Header {
            parent_hash: self.parent_hash,
            beneficiary: self.miner,
            state_root: self.state_root,
            number: self.number.to(),
            gas_limit: self.gas_limit.to(),
            gas_used: self.gas_used.to(),
            timestamp: self.timestamp.to(),
            extra_data: self.extra_data,
            mix_hash: self.mix_hash,
            nonce: B64::ZERO,
            base_fee_per_gas: self.base_fee_per_gas.to(),
            ..Header::default()
        };
        Block { hash: self.hash, header, ..Block::default() }
    }
}

impl Chain {
    /// Opens the fork of another chain in a directory, or makes one there; without a directory, in memory.
    pub fn open_fork(options: ChainOptions, manner: Manner, fork: &ForkOptions) -> Result<Arc<Self>> {
        let store = open_store(options.home.clone())?;
        // In memory, what was read would be copied with each block's snapshot if it shared the store.
        let is_apart = options.home == Home::Memory || !fork.keeps_what_it_reads;
        let cache = if is_apart { Arc::new(MemoryStore::new()) } else { Arc::clone(&store) };
        Self::open_fork_in(store, cache, options, manner, fork)
    }

    /// As [`open_fork`](Self::open_fork), in stores that are open: one for the chain, one for what is read of the other.
    pub fn open_fork_in(
        store: Arc<dyn Store>,
        cache: Arc<dyn Store>,
        options: ChainOptions,
        manner: Manner,
        fork: &ForkOptions,
    ) -> Result<Arc<Self>> {
        let signers = signers(&options.mnemonic, &manner.derivation_path, options.account_count)?;
        let keep = DatabaseOptions { history: options.keep.history };
        let begun = Begun::new(&options, Arc::clone(&cache), manner.forks.clone());
        let mut spec = options.spec;
        let (spec, origin, database) = match Database::fork_point(&*store)? {
            Some(point) => {
                check_wishes(fork, &point)?;
                spec.chain_id = point.chain_id;
                let endpoint = Endpoint::new(fork).map_err(ChainError::Fork)?;
                let origin = Fork::new(endpoint, cache, point.base.number, point.base.hash, fork)?;
                let database = Database::open_fork(store, keep, origin.clone())?;
                let header = database.view()?.header_by_number(point.base.number)?;
                let (_, header) = header.ok_or_else(|| ChainError::missing_block(point.base.number))?;
                spec.gas_limit = fork.gas_limit.unwrap_or(header.gas_limit);
                if settings(&spec, &signers, options.balance) != point.settings {
                    return Err(ChainError::OtherGenesis(format!(
                        "the fork at block {} began otherwise",
                        point.base.number
                    )));
                }
                (spec, origin, database)
            }
            None => {
                if let Ok(database) = Database::open_existing(Arc::clone(&store), keep) {
                    let chain_id = database.chain_id();
                    return Err(StateError::Foreign(Foreign::NoFork { chain_id }).into());
                }
                let begin = Begin::ask(fork)?.prepare(cache, spec, &signers, options.balance)?;
                begin.make(|origin, genesis, settings, base| {
                    Database::create_fork(store, keep, origin, genesis, settings, base)
                })?
            }
        };
        let view = database.view()?;
        let (base, head) = (view.first_block(), view.head().number);
        let timestamp = |number| match view.header_by_number(number)? {
            Some((_, header)) => Ok(header.timestamp),
            None => Err(ChainError::missing_block(number)),
        };
        let start = manner.start.map_or_else(|| timestamp(base), Ok)?;
        let now = timestamp(head)?;
        let ground = Ground::new(spec, database, Some(origin), Some(start));
        let chain = Self::assemble(begun, options.keep, manner, signers, ground)?;
        if head > base {
            // A fork of an old block lives in that block's time, also after a break.
            chain.controls.lock().clock.set_now(now, now);
        }
        Ok(chain)
    }
}

/// A fork that is yet to be made: what the other chain's node said of the block to stand on.
pub(in crate::chain) struct Begin {
    options: ForkOptions,
    endpoint: Endpoint,
    base: Block,
}

impl Begin {
    /// Asks the node for the block.
    pub(in crate::chain) fn ask(options: &ForkOptions) -> Result<Self> {
        let endpoint = Endpoint::new(options).map_err(ChainError::Fork)?;
        let base = base_block(&endpoint, options)?;
        Ok(Self { options: options.clone(), endpoint, base })
    }

    /// Returns the block to stand on.
    pub(in crate::chain) fn base(&self) -> &Block {
        &self.base
    }

    /// Returns whether a fork stands on this block already, and reads it from the same node.
    pub(in crate::chain) fn is_at(&self, fork: &Fork) -> bool {
        fork.hash == self.base.hash && plain(&fork.options().url) == plain(&self.options.url)
    }

    /// Asks for whatever else the fork begins with.
    pub(in crate::chain) fn prepare(
        self,
        reads: Arc<dyn Store>,
        mut spec: ChainSpec,
        signers: &[PrivateKeySigner],
        balance: U256,
    ) -> Result<Prepared> {
        let Self { options, endpoint, base } = self;
        let origin = Fork::new(endpoint, reads, base.header.number, base.hash, &options)?;
        spec.chain_id = options.chain_id.map_or_else(|| origin.chain_id(), Ok)?;
        spec.gas_limit = options.gas_limit.unwrap_or(base.header.gas_limit);
        let accounts = origin.first_accounts(&spec, signers, balance)?;
        let genesis = Genesis { chain_id: spec.chain_id, accounts };
        let settings = settings(&spec, signers, balance);
        Ok(Prepared { spec, origin, genesis, settings, base })
    }
}

/// All that a fork begins with.
pub(in crate::chain) struct Prepared {
    spec: ChainSpec,
    origin: Arc<Fork>,
    genesis: Genesis,
    settings: B256,
    base: Block,
}

impl Prepared {
    /// Makes the fork in a database: where, `create` knows.
    pub(in crate::chain) fn make(
        self,
        create: impl FnOnce(Arc<dyn Origin>, &Genesis, B256, &Block) -> Result<Database, StateError>,
    ) -> Result<(ChainSpec, Arc<Fork>, Database), StateError> {
        let Self { spec, origin, genesis, settings, base } = self;
        let database = create(origin.clone(), &genesis, settings, &base)?;
        Ok((spec, origin, database))
    }
}

/// Returns a URL without the slash at its end, which means nothing.
fn plain(url: &str) -> &str {
    url.trim_end_matches('/')
}

/// Returns what keys of a fork's cache begin with: the same for one block of the chain at one URL, and for nothing else. Blocks
/// of other devnets need not tell by their hash what state they have.
fn scope(url: &str, base: B256) -> B256 {
    keccak256([base.as_slice(), plain(url).as_bytes()].concat())
}

/// Refuses to open a fork that stands elsewhere, or has another chain id, than was asked for.
fn check_wishes(fork: &ForkOptions, point: &ForkPoint) -> Result<()> {
    if let Some(wanted) = fork.block.filter(|wanted| *wanted != point.base.number) {
        return Err(ChainError::OtherFork { have: point.base.number, want: wanted });
    }
    match fork.chain_id {
        Some(expected) if expected != point.chain_id => {
            Err(StateError::Foreign(Foreign::ChainId { found: point.chain_id, expected }).into())
        }
        _ => Ok(()),
    }
}

/// Returns the hash of what decides how a fork begins, beside its base.
fn settings(spec: &ChainSpec, signers: &[PrivateKeySigner], balance: U256) -> B256 {
    let addresses: Vec<[u8; 20]> = signers.iter().map(|signer| signer.address().into()).collect();
    let settings = keccak256((spec.hash().0, addresses, balance.to_be_bytes::<32>()).encode());
    // That the factory is there is not said.
    if spec.create2_factory { settings } else { keccak256((settings.0, spec.create2_factory).encode()) }
}

/// Asks for the block to stand on.
fn base_block(endpoint: &Endpoint, fork: &ForkOptions) -> Result<Block, ForkError> {
    let method = "eth_getBlockByNumber";
    let at = fork.block.map_or_else(|| json!("latest"), |number| json!(U64::from(number)));
    let block: Option<BaseBlock> = endpoint.call(method, json!([at, false]))?;
    let Some(block) = block else {
        let latest: U64 = endpoint.call("eth_blockNumber", json!([]))?;
        let number = fork.block.unwrap_or_default();
        return Err(endpoint.failed(method, &format!("there is no block {number}, the latest is {latest}")));
    };
    if fork.block.is_some_and(|number| U64::from(number) != block.number) {
        return Err(endpoint.failed(method, &format!("the node answered with block {}", block.number)));
    }
    if block.gas_limit.is_zero() {
        return Err(endpoint.failed(method, "the block has a gas limit of 0"));
    }
    Ok(block.record())
}

impl Fork {
    fn new(
        endpoint: Endpoint,
        cache: Arc<dyn Store>,
        number: u64,
        hash: B256,
        options: &ForkOptions,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            cache: Cache::new(cache, scope(&options.url, hash))?,
            options: RwLock::new(options.clone()),
            remote: RwLock::new(Arc::new(Remote { endpoint, by: OnceLock::new() })),
            number,
            hash,
            codes: Mutex::new(LruCache::new(CODES_MAX)),
        }))
    }

    /// Returns the accounts that a fork begins with beside those of the other chain: development accounts get their balance,
    /// and contracts that tools expect are added where there is no code.
    fn first_accounts(
        &self,
        spec: &ChainSpec,
        signers: &[PrivateKeySigner],
        balance: U256,
    ) -> Result<Vec<GenesisAccount>> {
        let expected = predeploys::accounts(spec);
        let mut addresses: Vec<Address> = expected.iter().map(|account| account.address).collect();
        addresses.extend(signers.iter().map(PrivateKeySigner::address));
        addresses.push(ARB_WASM);
        let there = self.accounts(&addresses)?;
        let of = |address: &Address| there.get(address).copied().flatten().unwrap_or_default();
        let mut accounts: Vec<GenesisAccount> = expected
            .into_iter()
            .filter(|account| of(&account.address).code_hash == KECCAK256_EMPTY)
            .map(|account| GenesisAccount { balance: of(&account.address).balance, ..account })
            .collect();
        for signer in signers {
            let address = signer.address();
            let AccountInfo { nonce, code_hash, .. } = of(&address);
            let code = self.code(code_hash).map_err(StateError::from)?.unwrap_or_default();
            // The keys are public. On public chains thieves have delegated these accounts to code that takes what comes in.
            let code = if CodeKind::of(&code) == CodeKind::Delegation { Bytes::new() } else { code };
            accounts.push(GenesisAccount { address, balance, nonce, code, ..GenesisAccount::default() });
        }
        accounts.extend(spec.accounts.iter().cloned());
        predeploys::activate(&mut accounts);
        // Recording active programs must not take anything from what is there.
        let arb_wasm = of(&ARB_WASM);
        if arb_wasm.code_hash != KECCAK256_EMPTY
            && let Some(account) = accounts.iter_mut().find(|account| account.address == ARB_WASM)
        {
            (account.balance, account.nonce) = (arb_wasm.balance, arb_wasm.nonce);
            account.code = self.code(arb_wasm.code_hash).map_err(StateError::from)?.unwrap_or_default();
        }
        Ok(accounts)
    }
}
