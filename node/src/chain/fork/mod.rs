//! Forking another chain: this one stands on a block of that one, the **base**, and reads from a node of it what it has not
//! written itself.
//!
//! - `endpoint.rs` asks the node over `transport.rs`, `cache.rs` keeps what it said, `open.rs` makes and opens forks.
//! - A [`Fork`] is the [`Origin`] that the state reads through. All it says is about the base or blocks before it, so nothing
//!   of it ever changes; what cannot be read is an error, never a default.
//! - Requests about blocks up to the base go to the node as they are, see `rpc/fork.rs`.
//!
//! Accounts, slots and code are asked for by the base's hash, so that a node whose chain has changed since refuses to tell.

mod cache;
mod endpoint;
mod open;
mod transport;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256, keccak256};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use lathe_state::{AccountInfo, Origin, OriginError, StoreError};
use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use self::{
    cache::Cache,
    endpoint::{Answer, Call, Endpoint},
};
use super::{ChainError, LOGS_MAX};

pub use self::endpoint::ForkError;
pub(super) use self::open::Begin;

/// Codes that are at hand without the store.
const CODES_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("more than 0");

/// What to fork, and how patient to be with the node that is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct ForkOptions {
    /// Where the node is: http or https.
    pub url: String,
    /// The block to stand on; none is the latest.
    pub block: Option<u64>,
    /// The fork's chain id; none is that of the forked chain.
    pub chain_id: Option<u64>,
    /// Gas limit of the fork's blocks; none is that of the base.
    pub gas_limit: Option<u64>,
    /// How long the node may take for an answer.
    pub timeout: Duration,
    /// How often a request is tried again that may work a moment later.
    pub retries: u32,
    /// The pause before the first of these; each further one is twice as long.
    pub backoff: Duration,
    /// Whether what was read is kept in the data directory.
    pub keeps_what_it_reads: bool,
}

impl std::fmt::Debug for ForkOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a key.
        f.debug_struct("ForkOptions").field("block", &self.block).finish_non_exhaustive()
    }
}

impl ForkOptions {
    /// Returns anvil's defaults for a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            block: None,
            chain_id: None,
            gas_limit: None,
            timeout: Duration::from_secs(45),
            retries: 5,
            backoff: Duration::from_secs(1),
            keeps_what_it_reads: true,
        }
    }
}

/// How the node is told which state is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// By the hash of the base (EIP-1898).
    Hash,
    /// By its number: the node knows no better. If its chain changes, nobody notices.
    Number,
}

/// A node of the forked chain.
struct Remote {
    endpoint: Endpoint,
    /// Set once the node has shown that it has the base.
    by: OnceLock<By>,
}

impl std::ops::Deref for Remote {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// The chain that is forked, at the block that the fork stands on.
pub struct Fork {
    /// How it was asked for; the URL is where the node is now, and perhaps secret.
    options: RwLock<ForkOptions>,
    remote: RwLock<Arc<Remote>>,
    cache: Cache,
    number: u64,
    hash: B256,
    /// Code that was read last: what runs it asks for it by its hash, also where nothing more is kept.
    codes: Mutex<LruCache<B256, Bytes>>,
}

impl std::fmt::Debug for Fork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fork").field("url", &self.url()).field("number", &self.number).finish_non_exhaustive()
    }
}

type Result<T, E = ForkError> = std::result::Result<T, E>;

impl From<StoreError> for ForkError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ForkError> for OriginError {
    fn from(error: ForkError) -> Self {
        Self(error.to_string())
    }
}

impl From<ForkError> for ChainError {
    fn from(error: ForkError) -> Self {
        Self::Fork(error.to_string())
    }
}

/// What is looked at in the answers of methods that find a block or something in one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    number: Option<U64>,
    block_number: Option<U64>,
    hash: Option<B256>,
}

impl Fork {
    /// Returns the number of the base.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the hash of the base.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// Returns the id of the chain that is forked, which the fork need not have taken.
    pub fn chain_id(&self) -> Result<u64> {
        let method = "eth_chainId";
        let answer = self.request(method, &json!([]))?;
        Ok(self.remote().read::<U64>(method, &answer)?.to())
    }

    /// Returns the node's URL without what may be secret in it.
    pub fn url(&self) -> String {
        self.remote().shown().to_owned()
    }

    /// Returns the pause before a request is tried again.
    pub fn backoff(&self) -> Duration {
        self.options.read().backoff
    }

    /// Returns how the fork was asked for, and where its node is now.
    pub(super) fn options(&self) -> ForkOptions {
        self.options.read().clone()
    }

    /// Asks another node of the forked chain from now on. Fails, and goes on with the old one, if it does not have the block
    /// that the fork stands on.
    pub fn set_url(&self, url: &str) -> Result<()> {
        let options = ForkOptions { url: url.to_owned(), ..self.options() };
        let endpoint = Endpoint::new(&options).map_err(ForkError::Failed)?;
        let remote = Remote { endpoint, by: OnceLock::new() };
        self.by(&remote)?;
        *self.remote.write() = Arc::new(remote);
        *self.options.write() = options;
        Ok(())
    }

    fn remote(&self) -> Arc<Remote> {
        self.remote.read().clone()
    }

    /// Returns the block parameter that means the base.
    fn base(&self, remote: &Remote) -> Result<Value> {
        Ok(match self.by(remote)? {
            By::Hash => json!({"blockHash": self.hash}),
            By::Number => json!(U64::from(self.number)),
        })
    }

    /// Makes sure, once, that the node has the base.
    fn by(&self, remote: &Remote) -> Result<By> {
        if let Some(by) = remote.by.get() {
            return Ok(*by);
        }
        let calls = [
            Call { method: "eth_getBlockByNumber", params: json!([U64::from(self.number), false]) },
            Call { method: "eth_getBalance", params: json!([Address::ZERO, {"blockHash": self.hash}]) },
        ];
        let [block, by_hash] = call_array(remote, &calls)?;
        let block: Option<Found> = remote.read("eth_getBlockByNumber", &block?)?;
        let number = self.number;
        match block.and_then(|block| block.hash) {
            None => {
                let what = format!("the node has no block {number}, which this fork stands on");
                return Err(remote.failed("eth_getBlockByNumber", &what));
            }
            Some(hash) if hash != self.hash => {
                let what = format!(
                    "its block {number} is {hash}, this fork stands on {}: the node has another chain, or it was reorganised or \
                     reset; begin the fork anew in another directory",
                    self.hash
                );
                return Err(remote.failed("eth_getBlockByNumber", &what));
            }
            Some(_) => {}
        }
        let by = match by_hash {
            Ok(_) => By::Hash,
            Err(ForkError::Refused { .. }) => By::Number,
            Err(error) => return Err(error),
        };
        Ok(*remote.by.get_or_init(|| by))
    }

    /// Reads accounts, those that are not kept many in one request.
    fn accounts(&self, addresses: &[Address]) -> Result<BTreeMap<Address, Option<AccountInfo>>> {
        let mut accounts = BTreeMap::new();
        let mut missing = Vec::new();
        for address in addresses {
            match self.cache.account(*address)? {
                Some(account) => drop(accounts.insert(*address, account)),
                None => missing.push(*address),
            }
        }
        if missing.is_empty() {
            return Ok(accounts);
        }
        let remote = self.remote();
        let base = self.base(&remote)?;
        let calls: Vec<Call> = missing
            .iter()
            .flat_map(|address| {
                ["eth_getBalance", "eth_getTransactionCount", "eth_getCode"]
                    .map(|method| Call { method, params: json!([address, base]) })
            })
            .collect();
        let mut answers = remote.call_all(&calls)?.into_iter();
        for address in missing {
            let mut next = || answers.next().expect("there is an answer to each call");
            let balance: U256 = remote.read("eth_getBalance", &next()?)?;
            let nonce: U64 = remote.read("eth_getTransactionCount", &next()?)?;
            let code: Bytes = remote.read("eth_getCode", &next()?)?;
            let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(&code) };
            if !code.is_empty() {
                self.cache.put_code(code_hash, &code)?;
                self.codes.lock().put(code_hash, code);
            }
            let info = AccountInfo { nonce: nonce.to(), balance, code_hash };
            let account = Some(info).filter(|info| *info != AccountInfo::default());
            self.cache.put_account(address, account)?;
            accounts.insert(address, account);
        }
        Ok(accounts)
    }

    /// Asks the node for something that never changes, if it was not asked before. An answer of null is not kept: the node may
    /// know more later.
    pub fn request(&self, method: &'static str, params: &Value) -> Result<Box<RawValue>> {
        let request = format!("{method}{params}");
        if let Some(kept) = self.cache.result(&request)?
            && let Ok(result) = RawValue::from_string(kept)
        {
            return Ok(result);
        }
        let remote = self.remote();
        self.by(&remote)?;
        let result = remote.call_raw(method, params.clone())?;
        if result.get() != "null" {
            self.cache.put_result(&request, result.get())?;
        }
        Ok(result)
    }

    /// Passes a request on to the node. Nothing of it is kept.
    pub fn pass_on(&self, method: &'static str, params: Value) -> Result<Box<RawValue>> {
        let remote = self.remote();
        self.by(&remote)?;
        remote.call_raw(method, params)
    }

    /// Returns the number of the block with a hash, if it is the base or one before it.
    pub fn block_by_hash(&self, hash: B256) -> Result<Option<u64>> {
        self.find("eth_getBlockByHash", &json!([hash, false]))
    }

    /// Returns the number of the block that holds a transaction, if that is the base or one before it.
    pub fn block_of_transaction(&self, hash: B256) -> Result<Option<u64>> {
        self.find("eth_getTransactionByHash", &json!([hash]))
    }

    fn find(&self, method: &'static str, params: &Value) -> Result<Option<u64>> {
        // What is not in this chain may come to be in that one later, beyond the base: only what is before it is kept.
        let request = format!("{method}{params}");
        let kept = self.cache.result(&request)?.and_then(|kept| RawValue::from_string(kept).ok());
        let answer = match &kept {
            Some(kept) => kept.clone(),
            None => self.pass_on(method, params.clone())?,
        };
        let found: Option<Found> = self.remote().read(method, &answer)?;
        let number = found.and_then(|found| found.number.or(found.block_number)).map(|number| number.to());
        let number = number.filter(|number: &u64| *number <= self.number);
        if number.is_some() && kept.is_none() {
            self.cache.put_result(&request, answer.get())?;
        }
        Ok(number)
    }

    /// Returns the logs of blocks up to the base that a filter names.
    pub(super) fn logs(&self, filter: &Filter, first: u64, last: u64) -> Result<Vec<Log>, ChainError> {
        let last = last.min(self.number);
        self.logs_of(filter.clone().from_block(first).to_block(last))
    }

    /// Returns the logs of one block, if it is the base or one before it.
    pub(super) fn logs_at(&self, filter: &Filter, hash: B256) -> Result<Option<Vec<Log>>, ChainError> {
        if self.block_by_hash(hash)?.is_none() {
            return Ok(None);
        }
        let filter = Filter { block_option: FilterBlockOption::AtBlockHash(hash), ..filter.clone() };
        self.logs_of(filter).map(Some)
    }

    fn logs_of(&self, filter: Filter) -> Result<Vec<Log>, ChainError> {
        let result = self.request("eth_getLogs", &json!([filter]))?;
        let logs: Vec<Log> = self.remote().read("eth_getLogs", &result)?;
        if logs.len() > LOGS_MAX { Err(ChainError::TooManyLogs) } else { Ok(logs) }
    }
}

fn call_array<const N: usize>(endpoint: &Endpoint, calls: &[Call; N]) -> Result<[Answer; N]> {
    let answers = endpoint.call_all(calls)?;
    Ok(answers.try_into().expect("there is an answer to each call"))
}

impl Origin for Fork {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, OriginError> {
        Ok(self.accounts(&[address])?.remove(&address).flatten())
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, OriginError> {
        if let Some(value) = self.cache.slot(address, slot).map_err(ForkError::from)? {
            return Ok(value);
        }
        let remote = self.remote();
        let params = json!([address, slot, self.base(&remote)?]);
        let value: U256 = remote.call("eth_getStorageAt", params)?;
        self.cache.put_slot(address, slot, value).map_err(ForkError::from)?;
        Ok(value)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, OriginError> {
        if let Some(code) = self.codes.lock().get(&code_hash) {
            return Ok(Some(code.clone()));
        }
        Ok(self.cache.code(code_hash).map_err(ForkError::from)?)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, OriginError> {
        if let Some(hash) = self.cache.block_hash(number).map_err(ForkError::from)? {
            return Ok(Some(hash));
        }
        let remote = self.remote();
        self.by(&remote)?;
        let method = "eth_getBlockByNumber";
        let block: Option<Found> = remote.call(method, json!([U64::from(number), false]))?;
        let hash = block.and_then(|block| block.hash);
        let hash = hash.ok_or_else(|| remote.failed(method, &format!("there is no block {number}")))?;
        self.cache.put_block_hash(number, hash).map_err(ForkError::from)?;
        Ok(Some(hash))
    }
}
