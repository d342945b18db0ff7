//! Blocks that nobody mines: calls that build on each other's effects, on a state that is thrown away.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256, Log, LogData, U256, b256};
use lathe_state::{AccountChange, AccountInfo, Changes, View};
use revm::{
    Context, DatabaseCommit, DatabaseRef, MainContext,
    context::{ContextSetters, JournalEntry},
    context_interface::{
        ContextTr, JournalTr,
        result::{EVMError, InvalidTransaction},
    },
    database::{AccountState, CacheDB},
    interpreter::{
        CallScheme, FrameInput, InstructionResult, InterpreterAction, interpreter_action::FrameInit,
    },
};

use super::{
    AccountOverride, ExecuteError, Executed, Runtime,
    env::{BlockContext, Mode, Request, block_env, config, request_env},
    evm::{Ctx, WasmEvm},
    execute::{apply_override, execute_error, executed, invalid_words},
    gas_reading::GasReading,
    precompiles::MoveError,
    time_limit::TimeLimit,
    world::{BlockHashes, World},
};

/// What a simulation checks and shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimulationRules {
    /// Whether nonces, fees and balances are checked as those of transactions are. Signatures never are.
    pub validates: bool,
    /// Whether transfers of ether show as logs of [`TRANSFERS`].
    pub shows_transfers: bool,
}

/// The account that stands for ether where transfers show as logs (`eth_simulateV1`).
pub const TRANSFERS: Address = Address::repeat_byte(0xee);

/// Keccak-256 of `Transfer(address,address,uint256)`, the event of ERC-20.
const TRANSFER_TOPIC: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// What a simulated call did.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// What any execution tells.
    pub executed: Executed,
    /// Gas used before refunds are subtracted.
    pub gas_used_max: u64,
    /// The nonce that it had.
    pub nonce: u64,
}

/// Why a simulated call is not one that a block could hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its nonce was used before.
    NonceTooLow,
    /// Nonces before its own were not.
    NonceTooHigh,
    /// It pays less than the base fee.
    FeeTooLow,
    /// Its gas does not pay for what any transaction costs.
    IntrinsicGas,
    /// Its sender cannot pay for it.
    Funds,
    /// Its gas is more than the block has.
    BlockGas,
    /// It creates from too much code.
    InitCode,
    /// Anything else.
    Other,
}

/// Why a simulation goes no further.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A call is none that a block could hold.
    #[error("{words}")]
    Refused {
        /// What is wrong with it.
        refusal: Refusal,
        /// The same in geth's words.
        words: String,
    },
    /// A precompiled contract cannot move.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// It could not be run.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// Blocks being simulated on top of a state.
pub struct Simulation {
    evm: WasmEvm<CacheDB<World>>,
    rules: SimulationRules,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Begins a simulation on top of a state.
    pub fn simulate(&self, view: Arc<View>, rules: SimulationRules, limit: &Arc<TimeLimit>) -> Simulation {
        let code = self.code_cache();
        let db =
            CacheDB::new(World { block_hashes: BlockHashes::OfBlocks, view: Some(view), code: code.clone() });
        let mode = if rules.validates { Mode::Transaction } else { Mode::Call };
        let mut cfg = config(self.protocol(), mode);
        // Contracts may send, too.
        cfg.disable_eip3607 = true;
        let mut evm = WasmEvm::new(
            Context::mainnet().with_db(db).with_chain(GasReading::default()).with_cfg(cfg),
            code,
        );
        evm.set_time_limit(limit);
        if rules.shows_transfers {
            evm.show_transfers();
        }
        Simulation { evm, rules }
    }
}

impl Simulation {
    /// Begins the next block, with accounts as it shall see them.
    pub fn begin_block(
        &mut self,
        block: &BlockContext,
        overrides: &BTreeMap<Address, AccountOverride>,
    ) -> Result<(), SimulationError> {
        self.evm.move_precompiles(overrides)?;
        let ctx = self.evm.ctx();
        ctx.set_block(block_env(block));
        ctx.cfg.chain_id = block.chain_id.unwrap_or(ctx.cfg.chain_id);
        for (address, account) in overrides {
            apply_override(&mut ctx.journaled_state.database, *address, account)?;
        }
        Ok(())
    }

    /// Ends a block: later ones see its hash.
    pub fn end_block(&mut self, number: u64, hash: B256) {
        self.evm.ctx().journaled_state.database.cache.block_hashes.insert(U256::from(number), hash);
    }

    /// Runs a call, whose effects those after it see.
    pub fn execute(&mut self, request: &Request) -> Result<Simulated, SimulationError> {
        let chain_id = self.evm.ctx().cfg.chain_id;
        let db = &self.evm.ctx().journaled_state.database;
        let sender = db.basic_ref(request.from).map_err(|error| ExecuteError::State(error.0))?;
        let sender = sender.unwrap_or_default();
        let mut tx = request_env(request, chain_id);
        tx.nonce = request.nonce.unwrap_or(sender.nonce);
        let nonce = tx.nonce;
        if !self.rules.validates {
            // revm would raise the sender's balance instead.
            let gas_cost = U256::from(request.gas).saturating_mul(U256::from(request.gas_price));
            let cost = gas_cost.saturating_add(request.value);
            if cost > sender.balance {
                let words = format!(
                    "insufficient funds for gas * price + value: address {} have {} want {cost}",
                    request.from, sender.balance
                );
                return Err(SimulationError::Refused { refusal: Refusal::Funds, words });
            }
        }
        let result = self.evm.transact(tx);
        let changes = self.evm.ctx().journal_mut().finalize();
        let (result, notes) = result.map_err(|error| match error {
            EVMError::Transaction(invalid) => {
                let words = invalid_words(&invalid);
                SimulationError::Refused { refusal: refusal(&invalid), words }
            }
            error => execute_error(error).into(),
        })?;
        self.evm.ctx().journaled_state.database.commit(changes);
        let gas_used_max = result.gas().total_gas_spent().max(result.tx_gas_used());
        Ok(Simulated { executed: executed(result, notes), gas_used_max, nonce })
    }

    /// Returns how the state differs from the one that the simulation began on.
    pub fn changes(&mut self) -> Changes {
        let cache = &self.evm.ctx().journaled_state.database.cache;
        let mut changes = Changes::default();
        for (address, account) in &cache.accounts {
            let exists = account.account_state != AccountState::NotExisting;
            let info = exists.then_some(AccountInfo {
                nonce: account.info.nonce,
                balance: account.info.balance,
                code_hash: account.info.code_hash,
            });
            let storage_wiped = account.account_state == AccountState::StorageCleared;
            let storage = account.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
            changes.accounts.insert(*address, AccountChange { info, storage_wiped, storage });
            if let Some(code) = cache.contracts.get(&account.info.code_hash).filter(|code| !code.is_empty()) {
                changes.codes.insert(account.info.code_hash, code.original_bytes());
            }
        }
        changes
    }
}

fn refusal(invalid: &InvalidTransaction) -> Refusal {
    use InvalidTransaction as I;
    match invalid {
        I::NonceTooLow { .. } => Refusal::NonceTooLow,
        I::NonceTooHigh { .. } => Refusal::NonceTooHigh,
        I::GasPriceLessThanBasefee => Refusal::FeeTooLow,
        I::CallGasCostMoreThanGasLimit { .. } | I::GasFloorMoreThanGasLimit { .. } => Refusal::IntrinsicGas,
        I::LackOfFundForMaxFee { .. } | I::OverflowPaymentInTransaction => Refusal::Funds,
        I::CallerGasLimitMoreThanBlock => Refusal::BlockGas,
        I::CreateInitCodeSizeLimit => Refusal::InitCode,
        _ => Refusal::Other,
    }
}

/// Ether that a frame brings along.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer {
    pub(super) from: Address,
    /// None for a contract that is being created.
    pub(super) to: Option<Address>,
    pub(super) value: U256,
}

impl Transfer {
    /// Returns what a frame that is asked for brings along, if anything.
    pub(super) fn of_frame(init: &FrameInit) -> Option<Self> {
        let transfer = match &init.frame_input {
            FrameInput::Call(call) if matches!(call.scheme, CallScheme::Call) => {
                let value = call.value.transfer().unwrap_or_default();
                Self { from: call.caller, to: Some(call.target_address), value }
            }
            FrameInput::Create(create) => Self { from: create.caller(), to: None, value: create.value() },
            _ => return None,
        };
        Some(transfer).filter(|transfer| !transfer.value.is_zero())
    }

    /// Returns what a contract gave away that has just destroyed itself.
    pub(super) fn of_end<DB: revm::Database>(
        ctx: &Ctx<DB>,
        contract: Address,
        action: &InterpreterAction,
    ) -> Option<Self> {
        let InterpreterAction::Return(result) = action else { return None };
        if result.result != InstructionResult::SelfDestruct {
            return None;
        }
        // It is the last thing that the contract did.
        match *ctx.journaled_state.inner.journal.last()? {
            JournalEntry::AccountDestroyed { had_balance: value, address, target, .. }
                if address == contract && target != contract && !value.is_zero() =>
            {
                Some(Self { from: contract, to: Some(target), value })
            }
            JournalEntry::BalanceTransfer { balance: value, from, to }
                if from == contract && !value.is_zero() =>
            {
                Some(Self { from, to: Some(to), value })
            }
            _ => None,
        }
    }

    /// Returns the log that shows it; `created` is the contract that is being created.
    pub(super) fn log(self, created: Address) -> Log {
        let to = self.to.unwrap_or(created);
        let topics = vec![TRANSFER_TOPIC, self.from.into_word(), to.into_word()];
        let data = self.value.to_be_bytes_vec().into();
        Log { address: TRANSFERS, data: LogData::new_unchecked(topics, data) }
    }
}
