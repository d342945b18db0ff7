//! The chain.

#![allow(clippy::todo)]
mod block;
mod error;
mod spec;

pub use block::{Block, Receipt};
pub use error::{CallError, ChainError, SubmitError};
pub use spec::ChainSpec;

use std::sync::Arc;

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::{
    BlockOverrides, EIP1186AccountProofResponse, Filter, Log, TransactionRequest, state::StateOverride,
};

/// The chain: its state, its pool and its single writer. All methods take `&self`, may block (disk, execution)
/// and are called from any thread.
#[derive(Debug)]
pub struct Chain {}

/// What a call returned.
#[derive(Debug, Clone)]
pub struct CallOutcome {
    /// The data the call returned.
    pub output: Bytes,
    /// Gas used, refunds subtracted.
    pub gas_used: u64,
    /// Logs the call would have emitted.
    pub logs: Vec<alloy_primitives::Log>,
}

/// Where a mined transaction is.
#[derive(Debug, Clone)]
pub struct MinedTransaction {
    /// The block that holds it.
    pub block: Arc<Block>,
    /// Its index in the block.
    pub index: usize,
}

type Result<T> = std::result::Result<T, ChainError>;

/// What a chain is opened with.
#[derive(Debug, Clone)]
pub struct ChainOptions {
    /// The rules.
    pub spec: ChainSpec,
    /// Where the database is; `None` keeps everything in memory.
    pub data_dir: Option<std::path::PathBuf>,
    /// The mnemonic of the development accounts.
    pub mnemonic: String,
    /// How many development accounts there are.
    pub account_count: u32,
    /// What each development account owns, in wei.
    pub balance: U256,
}

impl Chain {
    /// Opens a chain, or makes one with its genesis block.
    pub fn open(_options: ChainOptions) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {}))
    }
    /// Returns the keys of the development accounts.
    pub fn dev_signers(&self) -> &[alloy_signer_local::PrivateKeySigner] {
        todo!()
    }
    /// Returns the rules of the chain.
    pub fn spec(&self) -> &ChainSpec {
        todo!()
    }
    /// Returns the accounts that the node signs for, in the order of `eth_accounts`.
    pub fn accounts(&self) -> Vec<Address> {
        todo!()
    }
    /// Returns the latest block.
    pub fn head(&self) -> Arc<Block> {
        todo!()
    }
    /// Returns a block by number, tag or hash; pending means latest.
    pub fn block(&self, _id: BlockId) -> Result<Option<Arc<Block>>> {
        todo!()
    }
    /// Returns a mined transaction.
    pub fn transaction(&self, _hash: B256) -> Result<Option<MinedTransaction>> {
        todo!()
    }
    /// Returns a transaction that waits in the pool.
    pub fn pending_transaction(&self, _hash: B256) -> Option<Recovered<TxEnvelope>> {
        todo!()
    }
    /// Returns the balance of an account in wei.
    pub fn balance(&self, _address: Address, _at: BlockId) -> Result<U256> {
        todo!()
    }
    /// Returns the nonce of an account; at `pending` the pool's transactions count.
    pub fn nonce(&self, _address: Address, _at: BlockId) -> Result<u64> {
        todo!()
    }
    /// Returns the code of an account.
    pub fn code(&self, _address: Address, _at: BlockId) -> Result<Bytes> {
        todo!()
    }
    /// Returns a storage slot.
    pub fn storage(&self, _address: Address, _slot: U256, _at: BlockId) -> Result<U256> {
        todo!()
    }
    /// Returns an account with its Merkle proof and those of some slots.
    pub fn proof(
        &self,
        _address: Address,
        _slots: &[U256],
        _at: BlockId,
    ) -> Result<EIP1186AccountProofResponse> {
        todo!()
    }
    /// Decodes, checks, pools and (with instant mining) mines a signed transaction; returns its hash.
    pub fn submit(&self, _raw: &[u8]) -> std::result::Result<B256, SubmitError> {
        todo!()
    }
    /// Fills what the request leaves out, signs it with a key of the node and submits it.
    pub fn send(&self, _request: TransactionRequest) -> std::result::Result<B256, SubmitError> {
        todo!()
    }
    /// Runs a call without a transaction.
    pub fn call(
        &self,
        _request: TransactionRequest,
        _at: BlockId,
        _state: Option<StateOverride>,
        _block: Option<Box<BlockOverrides>>,
    ) -> std::result::Result<CallOutcome, CallError> {
        todo!()
    }
    /// Returns the least gas limit with which the request succeeds.
    pub fn estimate_gas(
        &self,
        _request: TransactionRequest,
        _at: BlockId,
        _state: Option<StateOverride>,
    ) -> std::result::Result<u64, CallError> {
        todo!()
    }
    /// Returns the logs that match.
    pub fn logs(&self, _filter: &Filter) -> Result<Vec<Log>> {
        todo!()
    }
    /// Returns the base fee of the next block in wei.
    pub fn next_base_fee(&self) -> u64 {
        todo!()
    }
    /// Mines a block of what the pool holds (empty if nothing), returns it.
    pub fn mine(&self) -> Result<Arc<Block>> {
        todo!()
    }
    /// Returns how many transactions wait in the pool: executable, queued.
    pub fn pool_status(&self) -> (usize, usize) {
        todo!()
    }
}
