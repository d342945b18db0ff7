//! Calls and transactions one after the other on a state in memory, without blocks: what tests of contracts want.
//!
//! A session keeps one EVM for all of them, and its state takes steps back in no time, so that a call costs what the
//! contract does and a few microseconds.

use std::{convert::Infallible, fmt};

use alloy_primitives::{Address, Bytes, U256};
use lathe_state::Genesis;
use revm::{
    Context, DatabaseCommit, MainContext,
    context_interface::{ContextTr, JournalTr, result::EVMError},
    state::AccountInfo,
};

use super::{
    ExecuteError, Executed, Runtime,
    env::{BlockContext, Mode, Request, block_env, config, request_env},
    evm::WasmEvm,
    execute::{executed, invalid_words},
    gas_reading::GasReading,
    ledger::Ledger,
    world::to_bytecode,
};

/// Whether what an execution did is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// As a transaction does.
    Changes,
    /// As a call does.
    Nothing,
}

/// A state in memory, and the EVM that runs on it.
pub struct Session {
    evm: WasmEvm<Ledger>,
    chain_id: u64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("chain_id", &self.chain_id).finish_non_exhaustive()
    }
}

impl Session {
    /// Begins with the accounts of a genesis.
    pub fn new(runtime: &Runtime, genesis: &Genesis) -> Self {
        let mut ledger = Ledger::default();
        for account in &genesis.accounts {
            let info = AccountInfo { balance: account.balance, nonce: account.nonce, ..Default::default() };
            ledger.set_info(account.address, info);
            if !account.code.is_empty() {
                ledger.set_code(account.address, to_bytecode(account.code.clone()));
            }
            for (slot, value) in &account.storage {
                ledger.set_slot(account.address, *slot, *value);
            }
        }
        let protocol = runtime.protocol();
        let ctx = Context::mainnet()
            .with_db(ledger)
            .with_chain(GasReading::default())
            .with_cfg(config(protocol, Mode::Call));
        Self { evm: WasmEvm::new(ctx, runtime.code_cache()), chain_id: protocol.chain_id }
    }

    /// Runs a request in a block. The sender's nonce is not checked; that it can pay is.
    pub fn execute(
        &mut self,
        block: &BlockContext,
        request: &Request,
        keep: Keep,
    ) -> Result<Executed, ExecuteError> {
        let sender = self.ledger().info(request.from);
        let (balance, nonce) = sender.map_or((U256::ZERO, 0), |info| (info.balance, info.nonce));
        let gas_cost = U256::from(request.gas).saturating_mul(U256::from(request.gas_price));
        let cost = gas_cost.saturating_add(request.value);
        if cost > balance {
            return Err(ExecuteError::Invalid(format!(
                "insufficient funds for gas * price + value: address {} have {balance} want {cost}",
                request.from
            )));
        }
        let chain_id = block.chain_id.unwrap_or(self.chain_id);
        let mut tx = request_env(request, chain_id);
        tx.nonce = request.nonce.unwrap_or(nonce);
        self.evm.ctx().block = block_env(block);
        self.evm.ctx().cfg.chain_id = chain_id;
        let result = self.evm.transact(tx);
        let changes = self.evm.ctx().journal_mut().finalize();
        let (result, notes) = result.map_err(execute_error)?;
        if keep == Keep::Changes {
            self.ledger().commit(changes);
        }
        Ok(executed(result, notes))
    }

    /// Returns the balance of an account in wei.
    pub fn balance(&mut self, address: Address) -> U256 {
        self.ledger().info(address).map_or(U256::ZERO, |info| info.balance)
    }

    /// Returns the nonce of an account.
    pub fn nonce(&mut self, address: Address) -> u64 {
        self.ledger().info(address).map_or(0, |info| info.nonce)
    }

    /// Returns the code of an account.
    pub fn code(&mut self, address: Address) -> Bytes {
        self.ledger().code(address).original_bytes()
    }

    /// Returns a storage slot.
    pub fn storage(&mut self, address: Address, slot: U256) -> U256 {
        self.ledger().slot(address, slot)
    }

    /// Sets the balance of an account in wei.
    pub fn set_balance(&mut self, address: Address, balance: U256) {
        self.change(address, |info| info.balance = balance);
    }

    /// Sets the nonce of an account.
    pub fn set_nonce(&mut self, address: Address, nonce: u64) {
        self.change(address, |info| info.nonce = nonce);
    }

    /// Sets the code of an account, whatever it is.
    pub fn set_code(&mut self, address: Address, code: Bytes) {
        self.ledger().set_code(address, to_bytecode(code));
    }

    /// Sets a storage slot.
    pub fn set_storage(&mut self, address: Address, slot: U256, value: U256) {
        if self.ledger().info(address).is_none() {
            self.change(address, |_| ());
        }
        self.ledger().set_slot(address, slot, value);
    }

    /// Returns a mark to [go back](Self::back_to) to.
    pub fn mark(&mut self) -> usize {
        self.ledger().mark()
    }

    /// Takes back everything since a mark.
    pub fn back_to(&mut self, mark: usize) {
        self.ledger().back_to(mark);
    }

    fn change(&mut self, address: Address, change: impl FnOnce(&mut AccountInfo)) {
        let mut info = self.ledger().info(address).cloned().unwrap_or_default();
        change(&mut info);
        self.ledger().set_info(address, info);
    }

    fn ledger(&mut self) -> &mut Ledger {
        self.evm.ctx().db_mut()
    }
}

fn execute_error(error: super::evm::TransactError<Infallible>) -> ExecuteError {
    match error {
        EVMError::Transaction(invalid) => ExecuteError::Invalid(invalid_words(&invalid)),
        other => ExecuteError::Internal(other.to_string()),
    }
}
