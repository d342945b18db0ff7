//! Reading blocks, transactions, logs and state.

use std::sync::Arc;

use alloy_consensus::{Transaction, TxEnvelope, transaction::Recovered};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof, Filter, FilterBlockOption, Log};
use alloy_serde::JsonStorageKey;
use lathe_state::{Account, NotKept, StateError, View};

use super::{Block, Chain, ChainError, Latest, MinedTransaction, Result, record::read_block};

/// Blocks that one query for logs may span: less than a second of reading headers.
pub const LOG_BLOCKS_MAX: u64 = 100_000;
/// Logs that one query may return: a few MiB of JSON.
pub const LOGS_MAX: usize = 10_000;

impl Chain {
    /// Returns the latest block.
    pub fn head(&self) -> Arc<Block> {
        self.latest().block
    }

    /// Returns the number of the block that a tag means. `pending` means the latest, and `safe` and `finalized` do unless there are
    /// epochs.
    pub fn number_of(&self, tag: BlockNumberOrTag) -> u64 {
        self.number_below(tag, self.head().header.number)
    }

    /// Returns the number of the block that a tag means where `head` is the latest.
    fn number_below(&self, tag: BlockNumberOrTag, head: u64) -> u64 {
        let slots = self.manner.epoch_slots.unwrap_or_default();
        // What a fork stands on is as final as anything.
        let first = self.first_block();
        match tag {
            BlockNumberOrTag::Number(number) => number,
            BlockNumberOrTag::Earliest => 0,
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => head,
            BlockNumberOrTag::Safe => head.saturating_sub(slots).max(first),
            BlockNumberOrTag::Finalized => head.saturating_sub(slots.saturating_mul(2)).max(first),
        }
    }

    /// Returns a block by number, tag or hash.
    pub fn block(&self, id: BlockId) -> Result<Option<Arc<Block>>> {
        let latest = self.latest();
        let number = match id {
            BlockId::Hash(hash) if hash.block_hash == latest.block.hash => return Ok(Some(latest.block)),
            BlockId::Hash(hash) => latest.view.number_by_hash(hash.block_hash)?,
            BlockId::Number(tag) => Some(self.number_below(tag, latest.block.header.number)),
        };
        match number {
            Some(number) if number == latest.block.header.number => Ok(Some(latest.block)),
            Some(number) => Ok(read_block(&latest.view, number)?.map(Arc::new)),
            None => Ok(None),
        }
    }

    /// Returns a mined transaction.
    pub fn transaction(&self, hash: B256) -> Result<Option<MinedTransaction>> {
        let latest = self.latest();
        let Some(position) = latest.view.tx_position(hash)? else { return Ok(None) };
        let block = self.block(position.number.into())?;
        let block = block.ok_or_else(|| ChainError::missing_block(position.number))?;
        Ok(Some(MinedTransaction { block, index: position.index as usize }))
    }

    /// Returns the mined transaction with this sender and nonce. It is found by the sender's nonce at earlier blocks.
    pub fn transaction_of(&self, sender: Address, nonce: u64) -> Result<Option<MinedTransaction>> {
        let (mut before, mut after) = (self.first_block(), self.head().header.number);
        let is_earlier = self.fork().is_some() && self.nonce(sender, before.into())? > nonce;
        if is_earlier || self.nonce(sender, after.into())? <= nonce {
            return Ok(None);
        }
        while before + 1 < after {
            let middle = before + (after - before) / 2;
            if self.nonce(sender, middle.into())? > nonce {
                after = middle;
            } else {
                before = middle;
            }
        }
        let Some(block) = self.block(after.into())? else { return Ok(None) };
        let is_it = |tx: &Recovered<TxEnvelope>| tx.signer() == sender && tx.nonce() == nonce;
        let index = block.transactions.iter().position(is_it);
        Ok(index.map(|index| MinedTransaction { block, index }))
    }

    /// Returns a transaction that waits in the pool.
    pub fn pending_transaction(&self, hash: B256) -> Option<Recovered<TxEnvelope>> {
        self.pool.lock().get(&hash).cloned()
    }

    /// Returns the state after a block.
    pub(super) fn state_at(&self, id: BlockId) -> Result<Arc<View>> {
        let Latest { block, view, .. } = self.latest();
        let head = block.header.number;
        let number = match id {
            BlockId::Number(tag) => self.number_below(tag, head),
            BlockId::Hash(hash) => view.number_by_hash(hash.block_hash)?.ok_or(ChainError::UnknownBlock)?,
        };
        if number == head {
            return Ok(view);
        }
        match view.at(number) {
            Ok(view) => Ok(view.into()),
            Err(StateError::NotKept(NotKept::BeyondHead { .. })) => Err(ChainError::UnknownBlock),
            Err(StateError::NotKept(NotKept::Pruned { number, first, head })) => {
                Err(ChainError::StateNotKept { number, first, head })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn account(&self, address: Address, at: BlockId) -> Result<(Arc<View>, Account)> {
        let view = self.state_at(at)?;
        let account = view.account(address)?.unwrap_or_default();
        Ok((view, account))
    }

    /// Returns the balance of an account in wei.
    pub fn balance(&self, address: Address, at: BlockId) -> Result<U256> {
        Ok(self.account(address, at)?.1.balance)
    }

    /// Returns the nonce of an account; at `pending`, the pool's executable transactions count.
    pub fn nonce(&self, address: Address, at: BlockId) -> Result<u64> {
        if at != BlockId::pending() {
            return Ok(self.account(address, at)?.1.nonce);
        }
        let pool = self.pool.lock();
        Ok(pool.next_nonce(address, self.account(address, at)?.1.nonce))
    }

    /// Returns the code of an account.
    pub fn code(&self, address: Address, at: BlockId) -> Result<Bytes> {
        let (view, account) = self.account(address, at)?;
        view.code(account.code_hash)?.ok_or_else(|| {
            ChainError::Database(format!("code {} of account {address} is missing", account.code_hash))
        })
    }

    /// Returns the code with a hash, if the chain has it or had it.
    pub fn code_by_hash(&self, code_hash: B256) -> Result<Option<Bytes>> {
        if code_hash == KECCAK256_EMPTY {
            return Ok(Some(Bytes::new()));
        }
        match self.latest().view.code(code_hash) {
            // What the forked chain has is not found by its hash, unless it was read.
            Err(StateError::CodeNotKept { .. }) => Ok(None),
            code => Ok(code?),
        }
    }

    /// Returns a storage slot.
    pub fn storage(&self, address: Address, slot: U256, at: BlockId) -> Result<U256> {
        Ok(self.state_at(at)?.storage(address, slot)?)
    }

    /// Returns an account with its Merkle proof and those of some slots (EIP-1186).
    pub fn proof(
        &self,
        address: Address,
        slots: &[U256],
        at: BlockId,
    ) -> Result<EIP1186AccountProofResponse> {
        let proof = self.state_at(at)?.proof(address, slots)?;
        let account = proof.account.unwrap_or_default();
        let storage_proof = proof.slots.into_iter().map(|slot| EIP1186StorageProof {
            key: JsonStorageKey::Hash(slot.slot.into()),
            value: slot.value,
            proof: slot.proof,
        });
        Ok(EIP1186AccountProofResponse {
            address,
            balance: account.balance,
            code_hash: account.code_hash,
            nonce: account.nonce,
            storage_hash: proof.storage_root,
            account_proof: proof.account_proof,
            storage_proof: storage_proof.collect(),
        })
    }

    /// Returns the logs that a filter names, oldest first. Fails for more than [`LOG_BLOCKS_MAX`] blocks or
    /// [`LOGS_MAX`] logs.
    pub fn logs(&self, filter: &Filter) -> Result<Vec<Log>> {
        let Latest { block: head, view, ground } = self.latest();
        let head = head.header.number;
        let (first, last) = match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let number = view.number_by_hash(hash)?;
                if let Some(fork) = &ground.fork
                    && number.is_none_or(|number| number <= fork.number())
                {
                    return fork.logs_at(filter, hash)?.ok_or(ChainError::UnknownBlock);
                }
                let number = number.ok_or(ChainError::UnknownBlock)?;
                (number, number)
            }
            FilterBlockOption::Range { from_block, to_block } => {
                let number = |tag: Option<BlockNumberOrTag>| self.number_below(tag.unwrap_or_default(), head);
                (number(from_block), number(to_block).min(head))
            }
        };
        let (first, mut found) = match &ground.fork {
            Some(fork) if first <= fork.number() && first <= last => {
                (fork.number() + 1, fork.logs(filter, first, last)?)
            }
            _ => (first, Vec::new()),
        };
        let blocks = (last + 1).saturating_sub(first);
        if blocks > LOG_BLOCKS_MAX {
            return Err(ChainError::LogRange { blocks });
        }
        for number in first..=last {
            // The bloom filter in the header tells most blocks apart without reading them.
            let Some((_, header)) = view.header_by_number(number)? else { continue };
            if filter.matches_bloom(header.logs_bloom)
                && let Some(block) = read_block(&view, number)?
            {
                collect_logs(&block, filter, &mut found);
            }
            if found.len() > LOGS_MAX {
                return Err(ChainError::TooManyLogs);
            }
        }
        Ok(found)
    }
}

/// Adds the logs of a block that a filter matches.
pub(super) fn collect_logs(block: &Block, filter: &Filter, found: &mut Vec<Log>) {
    let mut log_index = 0;
    for (index, (receipt, tx)) in block.receipts.iter().zip(&block.transactions).enumerate() {
        for log in &receipt.logs {
            if filter.matches(log) {
                found.push(Log {
                    inner: log.clone(),
                    block_hash: Some(block.hash),
                    block_number: Some(block.header.number),
                    block_timestamp: Some(block.header.timestamp),
                    transaction_hash: Some(*tx.tx_hash()),
                    transaction_index: Some(index as u64),
                    log_index: Some(log_index),
                    removed: false,
                });
            }
            log_index += 1;
        }
    }
}
