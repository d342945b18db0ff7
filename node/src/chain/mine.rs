//! Taking transactions in and mining them.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroUsize,
    sync::Arc,
};

use alloy_consensus::{
    Header, Transaction, TxEnvelope,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{Typed2718, eip1559::BaseFeeParams, eip2718::Decodable2718};
use alloy_primitives::{Address, B256, U256, keccak256};
use lathe_state::{Account, Changes, StateError, View};
use parking_lot::MutexGuard;

use crate::runtime::{BlockContext, ExecuteError, Executed, Status, halt_text, revert_reason, revert_text};

use super::{
    Aside, Block, Chain, ChainError, Durability, Event, Latest, MinedBlock, Receipt, Result, SubmitError,
    chain_id::extra_data, record::write_block, spec::empty_header,
};

/// EIP-2718 type of blob transactions, which carry data for other chains.
const BLOB_TX_TYPE: u8 = 3;

/// Shows that the caller is the one who writes.
pub(super) type Writer<'a> = MutexGuard<'a, ()>;

/// Whether a block without transactions may be mined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    Allowed,
    Refused,
}

impl Chain {
    /// Decodes, checks, pools and mines a signed transaction; returns its hash. When this returns, the transaction
    /// is in a written block, or waits for a lower nonce.
    pub fn submit(&self, raw: &[u8]) -> Result<B256, SubmitError> {
        let tx = decode(raw);
        self.tell_refused(None, &tx);
        self.accept(tx?)
    }

    /// Checks, pools and mines a transaction whose sender is known; returns its hash.
    pub(super) fn accept(&self, tx: Recovered<TxEnvelope>) -> Result<B256, SubmitError> {
        let hash = *tx.tx_hash();
        let writer = self.writer.lock();
        let taken = self.check(&tx).and_then(|account| self.pool.lock().insert(tx, &account));
        self.tell_refused(Some(hash), &taken);
        taken?;
        self.watches.arrived(hash);
        let rejected = if self.mining().on_send { self.mine_executable(&writer)? } else { Vec::new() };
        // Others may mine while this one waits for the disk; the next trip to it takes all their blocks at once.
        drop(writer);
        self.settle()?;
        match rejected.into_iter().find(|(rejected, _)| *rejected == hash) {
            Some((_, reason)) => {
                // What is told to have failed is not mined later.
                self.pool.lock().remove(&hash);
                Err(SubmitError::Rejected(reason))
            }
            None => Ok(hash),
        }
    }

    /// Mines a block of what the pool holds (empty if nothing) and returns it.
    pub fn mine(&self) -> Result<Arc<Block>> {
        let block = self.mine_one(&self.writer.lock(), &mut Vec::new(), Empty::Allowed)?;
        self.settle()?;
        Ok(block.expect("an empty block is allowed"))
    }

    /// Mines everything that can be mined.
    pub(super) fn mine_waiting(&self) -> Result<()> {
        let _rejected = self.mine_executable(&self.writer.lock())?;
        self.settle()
    }

    /// Returns once what was mined survives what the chain was told that it must survive.
    pub(super) fn settle(&self) -> Result<()> {
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Power => Ok(self.ground().database.sync().map_err(|error| self.fail(error))?),
        }
    }

    /// Notes that the database takes no more blocks, so that the node can stop.
    pub(super) fn fail(&self, error: StateError) -> ChainError {
        let error = ChainError::from(error);
        self.failure.send_replace(Some(error.to_string()));
        error
    }

    /// Returns how many transactions wait in the pool: executable, queued.
    pub fn pool_status(&self) -> Result<(usize, usize)> {
        let executable = self.executable(&self.latest().view)?.len();
        Ok((executable, self.pool.lock().len().saturating_sub(executable)))
    }

    /// Returns the pool's executable transactions in the order in which a block takes them.
    pub(super) fn executable(&self, view: &View) -> Result<Vec<Recovered<TxEnvelope>>> {
        let pool = self.pool.lock();
        let nonce = |sender| Ok((sender, view.account(sender)?.unwrap_or_default().nonce));
        let nonces: BTreeMap<Address, u64> = pool.senders().map(nonce).collect::<Result<_>>()?;
        Ok(pool.executable(&nonces, self.next_base_fee()))
    }

    /// Returns the transactions that wait, each with whether a block can take it.
    pub fn pool_content(&self) -> Result<Vec<(Recovered<TxEnvelope>, bool)>> {
        let view = self.latest().view;
        let executable: HashSet<B256> = self.executable(&view)?.iter().map(|tx| *tx.tx_hash()).collect();
        let all = self.pool.lock().all();
        Ok(all
            .into_iter()
            .map(|tx| (executable.contains(tx.tx_hash()), tx))
            .map(|(is, tx)| (tx, is))
            .collect())
    }

    /// Drops a transaction that waits; false if there is none.
    pub fn drop_transaction(&self, hash: B256) -> bool {
        self.pool.lock().remove(&hash).is_some()
    }

    /// Drops the transactions that wait and are `doomed`.
    pub fn drop_transactions(&self, doomed: impl Fn(&Recovered<TxEnvelope>) -> bool) {
        let mut pool = self.pool.lock();
        for tx in pool.all().iter().filter(|tx| doomed(tx)) {
            pool.remove(tx.tx_hash());
        }
    }

    /// Returns the base fee of the next block in wei.
    pub fn next_base_fee(&self) -> u64 {
        let set = self.controls.lock().next_base_fee;
        set.unwrap_or_else(|| next_base_fee(&self.head().header))
    }

    /// Returns the environment of the block that would be mined now.
    pub(super) fn next_block(&self, parent: &Block) -> BlockContext {
        let gas_limit = self.block_gas_limit();
        let controls = self.controls.lock();
        BlockContext {
            number: parent.header.number + 1,
            timestamp: controls.clock.next_block(parent.header.timestamp),
            beneficiary: controls.beneficiary,
            gas_limit,
            base_fee: controls.next_base_fee.unwrap_or_else(|| next_base_fee(&parent.header)),
            prevrandao: controls.next_prevrandao.unwrap_or_else(|| keccak256(parent.hash)),
            chain_id: controls.chain_id,
        }
    }

    /// Refuses what can never be mined on top of the latest block, so that the pool holds only what can. Returns the sender's
    /// account, rich if the pool does not care for balances.
    fn check(&self, tx: &Recovered<TxEnvelope>) -> Result<Account, SubmitError> {
        let view = self.latest().view;
        let reject = |reason| Err(SubmitError::Rejected(reason));
        let (sender, chain_id) = (tx.signer(), self.chain_id());
        if let Some(id) = tx.chain_id().filter(|id| *id != chain_id) {
            return reject(format!("invalid chain id for signer: have {id} want {chain_id}"));
        }
        let block_gas_limit = self.block_gas_limit();
        if tx.gas_limit() > block_gas_limit {
            return reject(format!(
                "exceeds block gas limit: transaction gas limit {}, block gas limit {block_gas_limit}",
                tx.gas_limit(),
            ));
        }
        let account = view.account(sender).map_err(ChainError::from)?.unwrap_or_default();
        if tx.nonce() < account.nonce {
            return reject(format!(
                "nonce too low: address {sender}, tx: {} state: {}",
                tx.nonce(),
                account.nonce
            ));
        }
        let base_fee = self.next_base_fee();
        if tx.max_fee_per_gas() < u128::from(base_fee) {
            return reject(format!(
                "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {}, baseFee: {base_fee}",
                tx.max_fee_per_gas()
            ));
        }
        let min_gas_price = self.min_gas_price();
        if tx.max_fee_per_gas() < min_gas_price {
            return reject(format!(
                "transaction underpriced: gas price {} is below the minimum of {min_gas_price}",
                tx.max_fee_per_gas()
            ));
        }
        if self.manner.ignores_balances {
            return Ok(Account { balance: U256::MAX, ..account });
        }
        let cost = cost(tx);
        if cost > account.balance {
            return reject(format!(
                "insufficient funds for gas * price + value: address {sender} have {} want {cost}",
                account.balance
            ));
        }
        Ok(account)
    }

    /// Mines blocks until no executable transaction is left. Returns those that turned out invalid, with reasons.
    fn mine_executable(&self, writer: &Writer<'_>) -> Result<Vec<(B256, String)>> {
        let mut rejected = Vec::new();
        while self.mine_one(writer, &mut rejected, Empty::Refused)?.is_some() {}
        Ok(rejected)
    }

    /// Mines one block of executable transactions as far as its gas limit goes, and publishes it. Returns none if
    /// it would be empty and may not be.
    pub(super) fn mine_one(
        &self,
        writer: &Writer<'_>,
        rejected: &mut Vec<(B256, String)>,
        empty: Empty,
    ) -> Result<Option<Arc<Block>>> {
        let Latest { block: parent, view, ground } = self.latest();
        let executable = self.executable(&view)?;
        if executable.is_empty() && empty == Empty::Refused {
            return Ok(None);
        }
        let context = self.next_block(&parent);
        let mut executor = ground.runtime.block(view, &context);
        let (mut transactions, mut receipts): (Vec<Recovered<TxEnvelope>>, Vec<Receipt>) = Default::default();
        let mut asides = Vec::new();
        let mut gas_used = 0u64;
        let mut passed_over = HashSet::new();
        let txs_max = self.manner.block_txs_max.map_or(usize::MAX, NonZeroUsize::get);
        for tx in executable {
            if transactions.len() >= txs_max {
                break;
            }
            // What has no room now waits for the next block, and so does what its sender sent after it.
            if passed_over.contains(&tx.signer()) {
                continue;
            }
            if tx.gas_limit() > context.gas_limit - gas_used {
                passed_over.insert(tx.signer());
                continue;
            }
            match executor.execute(&tx) {
                Ok(mut executed) => {
                    gas_used += executed.gas_used;
                    asides.push(Aside::take(&mut executed));
                    receipts.push(receipt(&tx, executed, gas_used, context.base_fee));
                    transactions.push(tx);
                }
                Err(ExecuteError::Invalid(reason)) => {
                    self.pool.lock().remove(tx.tx_hash());
                    let hash = *tx.tx_hash();
                    self.tally.refused();
                    self.feed.tell(|| Event::Refused { hash: Some(hash), reason: reason.clone() });
                    rejected.push((hash, reason));
                }
                // What the forked chain does not tell is never taken for zero: the transaction waits, or its sender is told.
                Err(ExecuteError::State(StateError::Origin(error))) => {
                    tracing::warn!(hash = %tx.tx_hash(), "transaction passed over: {error}");
                    passed_over.insert(tx.signer());
                    rejected.push((*tx.tx_hash(), error.to_string()));
                }
                Err(ExecuteError::State(error)) => return Err(error.into()),
                Err(
                    error @ (ExecuteError::Internal(_)
                    | ExecuteError::Recording(_)
                    | ExecuteError::Stopped(_)),
                ) => {
                    self.pool.lock().remove(tx.tx_hash());
                    return Err(ChainError::Internal(error.to_string()));
                }
            }
        }
        if transactions.is_empty() && empty == Empty::Refused {
            return Ok(None);
        }
        let block = self.seal(writer, &parent, &context, &executor.finish(), transactions, receipts)?;
        self.feed.tell(|| Event::Block(MinedBlock { block: block.clone(), asides }));
        Ok(Some(block))
    }

    /// Writes and publishes a block on top of `parent`, the latest.
    pub(super) fn seal(
        &self,
        _writer: &Writer<'_>,
        parent: &Block,
        context: &BlockContext,
        changes: &Changes,
        transactions: Vec<Recovered<TxEnvelope>>,
        receipts: Vec<Receipt>,
    ) -> Result<Arc<Block>> {
        let ground = self.ground();
        let prepared = ground.database.prepare(changes)?;
        let header = header(parent, context, prepared.state_root());
        let block = Arc::new(Block::seal(header, transactions, receipts));
        ground.database.commit(prepared, write_block(&block)).map_err(|error| self.fail(error))?;
        let view = Arc::new(ground.database.view()?);
        // Readers of both see the transactions in the pool or in the state, never in neither.
        let mut pool = self.pool.lock();
        *self.latest.write() = Latest { block: block.clone(), view, ground };
        for tx in &block.transactions {
            pool.remove(tx.tx_hash());
            pool.drop_below(tx.signer(), tx.nonce());
        }
        drop(pool);
        self.controls.lock().mined(block.header.timestamp);
        self.watches.announce();
        self.tally.mined(&block);
        Ok(block)
    }
}

/// Returns the header of a block that is yet to be sealed.
pub(super) fn header(parent: &Block, context: &BlockContext, state_root: B256) -> Header {
    Header {
        parent_hash: parent.hash,
        beneficiary: context.beneficiary,
        state_root,
        number: context.number,
        gas_limit: context.gas_limit,
        timestamp: context.timestamp,
        mix_hash: context.prevrandao,
        extra_data: extra_data(context.chain_id),
        base_fee_per_gas: Some(context.base_fee),
        ..empty_header()
    }
}

/// Returns what a transaction costs its sender at most, in wei.
pub(super) fn cost(tx: &TxEnvelope) -> U256 {
    let gas_cost = U256::from(tx.gas_limit()).saturating_mul(U256::from(tx.max_fee_per_gas()));
    gas_cost.saturating_add(tx.value())
}

pub(super) fn next_base_fee(parent: &Header) -> u64 {
    parent.next_block_base_fee(BaseFeeParams::ethereum()).expect("every header of the chain has a base fee")
}

/// Decodes a raw transaction and recovers its sender.
fn decode(raw: &[u8]) -> Result<Recovered<TxEnvelope>, SubmitError> {
    if raw.first() == Some(&BLOB_TX_TYPE) {
        return Err(SubmitError::Undecodable(
            "transaction type not supported: blob transactions (type 3) carry data for other chains".into(),
        ));
    }
    let mut rest = raw;
    let tx = TxEnvelope::decode_2718(&mut rest)
        .map_err(|error| SubmitError::Undecodable(format!("transaction does not decode: {error}")))?;
    if !rest.is_empty() {
        return Err(SubmitError::Undecodable(format!(
            "transaction does not decode: {} bytes follow its end at byte {}",
            rest.len(),
            raw.len() - rest.len()
        )));
    }
    debug_assert_ne!(tx.ty(), BLOB_TX_TYPE);
    tx.try_into_recovered().map_err(|error| SubmitError::Sender(error.to_string()))
}

fn receipt(
    tx: &Recovered<TxEnvelope>,
    executed: Executed,
    cumulative_gas_used: u64,
    base_fee: u64,
) -> Receipt {
    let Executed { status, gas_used, output, logs, failure, .. } = executed;
    let (success, contract_address, failure) = match status {
        Status::Success { created } => (true, created, None),
        Status::Reverted => {
            (false, None, Some(revert_text(revert_reason(&output).as_deref(), failure.as_ref())))
        }
        Status::Halted(words) => (false, None, Some(halt_text(&words, failure.as_ref()))),
    };
    Receipt {
        tx_type: tx.ty(),
        success,
        cumulative_gas_used,
        gas_used,
        effective_gas_price: tx.effective_gas_price(Some(base_fee)),
        contract_address,
        logs,
        failure,
    }
}
