//! Running transactions in a block, and calls beside it.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, Bytes, Log, U256};
use lathe_state::{AccountChange, AccountInfo, Changes, StateError, View};
use lathe_vm::Rules;
use revm::{
    Context, DatabaseCommit, DatabaseRef, MainContext,
    context::TxEnv,
    context_interface::{
        ContextTr, JournalTr,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, OutOfGasError, Output},
    },
    database::{CacheDB, State, WrapDatabaseRef, states::bundle_state::BundleRetention},
    database_interface::bal::EvmDatabaseError,
    state::AccountInfo as RevmAccountInfo,
};

use super::{
    console::Console,
    env::{BlockContext, Mode, Request, blob_price, block_env, config, request_env, tx_env},
    evm::{Notes, TransactError, WasmEvm},
    failure::Failure,
    gas_reading::GasReading,
    precompiles::Precompiles,
    program::{CodeCache, ProgramCacheCounts},
    protocol::Protocol,
    statistics::Statistics,
    time_limit::{ABORTED, TimeLimit},
    trace::{Capture, Recording, RecordingTooLong},
    unsigned::is_unsigned,
    world::{BlockHashes, World, WorldError, to_bytecode},
};

/// Runs transactions of one chain. Cheap to share; holds the code cache.
#[derive(Debug, Clone)]
pub struct Runtime {
    code: Arc<CodeCache>,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It succeeded; a creation made this contract.
    Success {
        /// The contract.
        created: Option<Address>,
    },
    /// It reverted: state is undone, gas left is kept.
    Reverted,
    /// It halted exceptionally: state is undone, all gas is burned. The text names the reason as geth does.
    Halted(String),
}

/// What an execution did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// How it ended.
    pub status: Status,
    /// Gas used, refunds subtracted.
    pub gas_used: u64,
    /// The least gas limit that pays for what it did: gas used before refunds, or the floor of EIP-7623.
    pub gas_needed: u64,
    /// Whether code read how much gas it has left, so that with another limit it may do something else.
    pub gas_was_read: bool,
    /// What it returned, or reverted with; code, if it created a contract.
    pub output: Bytes,
    /// Logs in order.
    pub logs: Vec<Log>,
    /// Why it failed, for people, where the output does not say it.
    pub failure: Option<Failure>,
    /// Whether any frame ran out of gas, also one whose caller went on.
    pub ran_out_of_gas: bool,
    /// What contracts printed.
    pub console: Console,
}

/// Why a transaction was not executed at all.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// It is not valid in this state; the text is geth's.
    #[error("{0}")]
    Invalid(String),
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// It was to be recorded, but did too much.
    #[error(transparent)]
    Recording(#[from] RecordingTooLong),
    /// It took longer than it may, or more memory than there is for calls.
    #[error("{0}")]
    Stopped(String),
    /// A rule of the implementation was broken.
    #[error("internal error: {0}")]
    Internal(String),
}

/// An account as a call shall see it (`eth_call`'s state overrides).
#[derive(Debug, Clone, Default)]
pub struct AccountOverride {
    /// Replaces the balance.
    pub balance: Option<U256>,
    /// Replaces the nonce.
    pub nonce: Option<u64>,
    /// Replaces the code.
    pub code: Option<Bytes>,
    /// Replaces all storage.
    pub state: Option<BTreeMap<U256, U256>>,
    /// Replaces some slots.
    pub state_diff: BTreeMap<U256, U256>,
    /// Where the precompiled contract that is here goes.
    pub move_precompile_to: Option<Address>,
}

impl Runtime {
    /// Makes the runtime of a devnet with these rules of the VM.
    pub fn new(chain_id: u64, rules: Rules) -> Self {
        Self::with_protocol(Protocol::devnet(chain_id, rules))
    }

    /// Makes the runtime of a chain.
    pub fn with_protocol(protocol: Protocol) -> Self {
        Self { code: Arc::new(CodeCache::new(protocol)) }
    }

    /// Returns what the chain decides about transactions.
    pub fn protocol(&self) -> &Protocol {
        self.code.protocol()
    }

    /// Returns the precompiled contracts by name.
    pub fn precompiles(&self) -> BTreeMap<String, Address> {
        Precompiles::new(self.code.clone()).names()
    }

    /// Returns how the cache of validated programs does.
    pub fn program_cache(&self) -> ProgramCacheCounts {
        self.code.program_counts()
    }

    pub(super) fn code_cache(&self) -> Arc<CodeCache> {
        self.code.clone()
    }

    /// Begins a block on top of a state.
    pub fn block(&self, view: Arc<View>, block: &BlockContext) -> BlockExecutor {
        self.block_with(view, block, BlockHashes::OfBlocks)
    }

    /// Does what [`Runtime::block`] does, with hashes of earlier blocks from elsewhere.
    pub fn block_with(
        &self,
        view: Arc<View>,
        block: &BlockContext,
        block_hashes: BlockHashes,
    ) -> BlockExecutor {
        let world = World { block_hashes, view, code: self.code.clone() };
        let state = State::builder().with_database(WrapDatabaseRef(world)).with_bundle_update().build();
        let ctx = Context::mainnet()
            .with_db(state)
            .with_chain(GasReading::default())
            .with_cfg(
                config(self.protocol(), Mode::Transaction).with_chain_id(block.chain_id(self.protocol())),
            )
            .with_block(block_env(block));
        BlockExecutor { evm: WasmEvm::new(ctx, self.code.clone()) }
    }

    /// Runs a call on top of a state, without keeping anything.
    pub fn call(
        &self,
        view: Arc<View>,
        block: &BlockContext,
        request: &Request,
        overrides: &BTreeMap<Address, AccountOverride>,
    ) -> Result<Executed, ExecuteError> {
        let (mut evm, tx) = self.prepare_call(view, block, request, overrides)?;
        let (result, notes) = evm.transact(tx).map_err(execute_error)?;
        evm.leave();
        Ok(executed(result, notes))
    }

    /// Does what [`Runtime::call`] does for as long as it may take.
    pub fn call_within(
        &self,
        view: Arc<View>,
        block: &BlockContext,
        request: &Request,
        overrides: &BTreeMap<Address, AccountOverride>,
        limit: &Arc<TimeLimit>,
    ) -> Result<Executed, ExecuteError> {
        let (mut evm, tx) = self.prepare_call(view, block, request, overrides)?;
        evm.set_time_limit(limit);
        let (result, notes) = evm.transact(tx).map_err(execute_error)?;
        evm.leave();
        Ok(executed(result, notes))
    }

    /// Records a call on top of a state for as long as it may take, without keeping anything.
    pub fn trace_call(
        &self,
        view: Arc<View>,
        block: &BlockContext,
        request: &Request,
        overrides: &BTreeMap<Address, AccountOverride>,
        capture: &Capture,
        limit: &Arc<TimeLimit>,
    ) -> Result<Recording, ExecuteError> {
        let (mut evm, tx) = self.prepare_call(view, block, request, overrides)?;
        evm.set_time_limit(limit);
        Ok(evm.trace(tx, capture).map_err(execute_error)??)
    }

    pub(super) fn prepare_call(
        &self,
        view: Arc<View>,
        block: &BlockContext,
        request: &Request,
        overrides: &BTreeMap<Address, AccountOverride>,
    ) -> Result<(WasmEvm<CacheDB<World>>, TxEnv), ExecuteError> {
        let world = World { block_hashes: BlockHashes::OfBlocks, view, code: self.code.clone() };
        let mut evm = WasmEvm::for_call(world, block);
        let db = &mut evm.ctx().journaled_state.database;
        for (address, account) in overrides {
            apply_override(db, *address, account)?;
        }
        let sender = db.basic_ref(request.from).map_err(|error| error.0)?.unwrap_or_default();
        let gas_cost = U256::from(request.gas).saturating_mul(U256::from(request.gas_price));
        let cost = gas_cost.saturating_add(request.value);
        if cost > sender.balance {
            // revm would raise the sender's balance to the value instead.
            return Err(ExecuteError::Invalid(format!(
                "insufficient funds for gas * price + value: address {} have {} want {cost}",
                request.from, sender.balance
            )));
        }
        let chain_id = block.chain_id(self.protocol());
        let mut tx = request_env(request, chain_id);
        tx.nonce = request.nonce.unwrap_or(sender.nonce);
        evm.move_precompiles(overrides).map_err(|error| ExecuteError::Invalid(error.to_string()))?;
        Ok((evm, tx))
    }
}

pub(super) fn apply_override(
    db: &mut CacheDB<World>,
    address: Address,
    account: &AccountOverride,
) -> Result<(), ExecuteError> {
    let mut info: RevmAccountInfo = db.basic_ref(address).map_err(|error| error.0)?.unwrap_or_default();
    if let Some(balance) = account.balance {
        info.balance = balance;
    }
    if let Some(nonce) = account.nonce {
        info.nonce = nonce;
    }
    if let Some(code) = &account.code {
        let code = to_bytecode(code.clone());
        info.code_hash = code.hash_slow();
        info.code = Some(code);
    }
    db.insert_account_info(address, info);
    let slots = account.state.iter().flatten().chain(&account.state_diff);
    if account.state.is_some() {
        db.replace_account_storage(address, Default::default()).map_err(|error| error.0)?;
    }
    for (slot, value) in slots {
        db.insert_account_storage(address, *slot, *value).map_err(|error| error.0)?;
    }
    Ok(())
}

/// A block being built.
pub struct BlockExecutor {
    evm: WasmEvm<State<WrapDatabaseRef<World>>>,
}

impl BlockExecutor {
    /// Runs a transaction. An error leaves the block as it was.
    pub fn execute(&mut self, tx: &Recovered<TxEnvelope>) -> Result<Executed, ExecuteError> {
        self.judge_sender(tx);
        self.transact(tx_env(tx))
    }

    /// Runs a transaction that nobody signed. An error leaves the block as it was.
    pub fn execute_request(&mut self, request: &Request) -> Result<Executed, ExecuteError> {
        let chain_id = self.evm.ctx().cfg().chain_id;
        self.transact(request_env(request, chain_id))
    }

    /// Lets senders have code (EIP-3607) whose transactions nobody signed.
    fn judge_sender(&mut self, tx: &Recovered<TxEnvelope>) {
        self.evm.ctx().cfg.disable_eip3607 = is_unsigned(tx);
    }

    /// Limits how long all that runs from now on may take.
    pub fn set_time_limit(&mut self, limit: &Arc<TimeLimit>) {
        self.evm.set_time_limit(limit);
    }

    /// Sets by how much gas the blocks before had too many blobs, which decides what a blob costs.
    pub fn set_excess_blob_gas(&mut self, excess: u64) {
        let price = blob_price(excess, self.evm.protocol());
        self.evm.ctx().block.blob_excess_gas_and_price = Some(price);
    }

    fn transact(&mut self, tx: TxEnv) -> Result<Executed, ExecuteError> {
        let result = self.evm.transact(tx);
        let changes = self.evm.ctx().journal_mut().finalize();
        let (result, notes) = result.map_err(|error| execute_error(error.map_db_err(world_error)))?;
        self.evm.ctx().db_mut().commit(changes);
        Ok(executed(result, notes))
    }

    /// Runs a transaction, whose effects are not kept.
    pub fn try_out(&mut self, tx: &Recovered<TxEnvelope>) -> Result<Executed, ExecuteError> {
        let result = self.evm.transact(tx_env(tx));
        self.evm.ctx().journal_mut().finalize();
        let (result, notes) = result.map_err(|error| execute_error(error.map_db_err(world_error)))?;
        Ok(executed(result, notes))
    }

    /// Runs a transaction, whose effects are not kept, and counts what its programs do.
    pub fn count(&mut self, tx: &Recovered<TxEnvelope>) -> Result<(Executed, Statistics), ExecuteError> {
        let result = self.evm.count(tx_env(tx));
        self.evm.ctx().journal_mut().finalize();
        let (result, notes, statistics) =
            result.map_err(|error| execute_error(error.map_db_err(world_error)))?;
        Ok((executed(result, notes), statistics))
    }

    /// Runs a transaction and records it. An error leaves the block as it was, but for a recording that is too long.
    pub fn trace(
        &mut self,
        tx: &Recovered<TxEnvelope>,
        capture: &Capture,
    ) -> Result<Result<Recording, RecordingTooLong>, ExecuteError> {
        self.judge_sender(tx);
        let recording = self.evm.trace(tx_env(tx), capture);
        let changes = self.evm.ctx().journal_mut().finalize();
        let recording = recording.map_err(|error| execute_error(error.map_db_err(world_error)))?;
        self.evm.ctx().db_mut().commit(changes);
        Ok(recording)
    }

    /// Ends the block: returns what it changed.
    pub fn finish(mut self) -> Changes {
        let state = self.evm.ctx().db_mut();
        let is_fork = state.database.0.view.fork_base().is_some();
        state.merge_transitions(BundleRetention::PlainState);
        let bundle = state.take_bundle();
        let mut changes = Changes::default();
        for (address, account) in bundle.state {
            let info = account.info.as_ref().map(|info| AccountInfo {
                nonce: info.nonce,
                balance: info.balance,
                code_hash: info.code_hash,
            });
            // A new account has no storage, and on a fork nobody must ask the other chain for it.
            let storage_wiped = account.was_destroyed() || (is_fork && account.status.is_storage_known());
            let storage = account.storage.iter().map(|(slot, value)| (*slot, value.present_value)).collect();
            changes.accounts.insert(address, AccountChange { info, storage_wiped, storage });
        }
        changes.codes.extend(bundle.contracts.into_iter().map(|(hash, code)| (hash, code.original_bytes())));
        changes
    }
}

pub(super) fn executed(result: ExecutionResult, notes: Notes) -> Executed {
    let gas_used = result.tx_gas_used();
    let gas_needed = result.gas().total_gas_spent().max(result.gas().floor_gas());
    let Notes { failure, out_of_gas: ran_out_of_gas, gas_was_read, trapped, console, .. } = notes;
    match result {
        ExecutionResult::Success { logs, output, .. } => {
            let (output, created) = match output {
                Output::Call(output) => (output, None),
                Output::Create(output, address) => (output, address),
            };
            Executed {
                status: Status::Success { created },
                gas_used,
                gas_needed,
                gas_was_read,
                output,
                logs,
                failure: None,
                ran_out_of_gas,
                console,
            }
        }
        ExecutionResult::Revert { output, .. } => Executed {
            status: Status::Reverted,
            gas_used,
            gas_needed,
            gas_was_read,
            failure: failure.filter(|_| output.is_empty()),
            output,
            logs: Vec::new(),
            ran_out_of_gas,
            console,
        },
        ExecutionResult::Halt { reason, .. } => Executed {
            status: Status::Halted(halt_words(&reason, trapped)),
            gas_used,
            gas_needed,
            gas_was_read,
            output: Bytes::new(),
            logs: Vec::new(),
            failure,
            ran_out_of_gas,
            console,
        },
    }
}

/// Returns geth's words for an exceptional halt; `trapped` if it is an EEI contract's trap, which geth has none for.
pub(super) fn halt_words(reason: &HaltReason, trapped: bool) -> String {
    match reason {
        HaltReason::InvalidFEOpcode if trapped => "execution trapped".into(),
        HaltReason::OutOfGas(OutOfGasError::MemoryLimit) => "out of gas: memory limit reached".into(),
        HaltReason::OutOfGas(_) => "out of gas".into(),
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => "invalid opcode".into(),
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".into(),
        HaltReason::InvalidJump => "invalid jump destination".into(),
        HaltReason::StackUnderflow => "stack underflow".into(),
        HaltReason::StackOverflow => "stack limit reached".into(),
        HaltReason::OutOfOffset => "return data out of bounds".into(),
        HaltReason::CreateCollision => "contract address collision".into(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".into(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        HaltReason::CreateContractStartingWithEF => "invalid code".into(),
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection".into()
        }
        HaltReason::CallTooDeep => "max call depth exceeded".into(),
        HaltReason::OutOfFunds => "insufficient balance for transfer".into(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".into(),
        other => format!("{other:?}"),
    }
}

/// Returns the state's own error: revm's other kind is about block access lists, which no block here has.
fn world_error(error: EvmDatabaseError<WorldError>) -> WorldError {
    match error {
        EvmDatabaseError::Database(error) => error,
        EvmDatabaseError::Bal(error) => unreachable!("no block access list is attached: {error}"),
    }
}

pub(super) fn execute_error(error: TransactError<WorldError>) -> ExecuteError {
    match error {
        EVMError::Custom(words) if words.starts_with(ABORTED) => ExecuteError::Stopped(words),
        EVMError::Transaction(invalid) => ExecuteError::Invalid(invalid_words(&invalid)),
        EVMError::Database(WorldError(error)) => ExecuteError::State(error),
        other => ExecuteError::Internal(other.to_string()),
    }
}

/// Returns geth's words for an invalid transaction: clients match on them.
pub(super) fn invalid_words(invalid: &InvalidTransaction) -> String {
    use InvalidTransaction as I;
    match invalid {
        I::NonceTooLow { tx, state } => format!("nonce too low: next nonce {state}, tx nonce {tx}"),
        I::NonceTooHigh { tx, state } => format!("nonce too high: next nonce {state}, tx nonce {tx}"),
        I::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: have {balance} want {fee}")
        }
        I::OverflowPaymentInTransaction => {
            "insufficient funds for gas * price + value: required balance exceeds 256 bits".into()
        }
        I::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        I::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => format!(
            "intrinsic gas too low: have {gas_limit}, want {gas_floor}: insufficient gas for floor data gas cost (EIP-7623)"
        ),
        I::CallerGasLimitMoreThanBlock => "exceeds block gas limit".into(),
        I::GasPriceLessThanBasefee => "max fee per gas less than block base fee".into(),
        I::PriorityFeeGreaterThanMaxFee => "max priority fee per gas higher than max fee per gas".into(),
        I::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        I::RejectCallerWithCode => "sender not an eoa".into(),
        I::InvalidChainId => "invalid chain id for signer".into(),
        I::MissingChainId => "only replay-protected (EIP-155) transactions allowed over RPC".into(),
        I::NonceOverflowInTransaction => "nonce has max value".into(),
        other => other.to_string(),
    }
}
