//! revm's frame loop with Wasm frames in it.
//!
//! Every frame is one of revm's, so that checkpoints, transfers, created addresses, gas settling and precompiles
//! are its own. A frame whose code is a program has a [`WasmFrame`] beside it, in a stack of its own that is in
//! step with revm's by frame index. A program that calls out suspends: its machine stays on that stack, revm's
//! loop runs the child, and the machine resumes with the result. Nothing recurses on the host stack.

mod frames;
mod load;
mod notes;
mod run;
mod spare;

use std::{cell::RefCell, collections::BTreeMap, marker::PhantomData, mem, rc::Rc, sync::Arc};

use alloy_primitives::map::B256HashSet;
use lathe_gas::INK_PER_GAS;
use lathe_vm::Machine;
use revm::{
    Database,
    context::{BlockEnv, CfgEnv, Context, Evm, Journal, TxEnv},
    context_interface::{
        FrameStack,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    handler::{EthFrame, Handler, instructions::EthInstructions},
    interpreter::interpreter::EthInterpreter,
    primitives::Address,
};

use super::{
    AccountOverride,
    code::Creation,
    eei::price::Prices,
    execute::executed,
    gas_reading::{self, GasReading},
    precompiles::{MoveError, Precompiles},
    program::CodeCache,
    protocol::{Fork, Protocol},
    statistics::Statistics,
    time_limit::TimeLimit,
    trace::{
        Capture, Outline, Recorder, Recording, RecordingTooLong, intrinsic_costs, state_of, watch::Watch,
    },
};

use load::Last;
pub(crate) use notes::Notes;
use run::WasmFrame;
pub(super) use spare::CallEvm;
use spare::Reach;

/// revm's context over a database.
pub(super) type Ctx<DB> = Context<BlockEnv, TxEnv, CfgEnv, DB, Journal<DB>, GasReading>;
/// Why a transaction was not run.
pub(super) type TransactError<E> = EVMError<E, InvalidTransaction>;
type Frame = EthFrame<EthInterpreter>;
type Instructions<DB> = EthInstructions<EthInterpreter, Ctx<DB>>;

/// revm's `Evm` with Wasm frames.
pub(super) struct WasmEvm<DB: Database> {
    inner: Evm<Ctx<DB>, (), Instructions<DB>, Precompiles, Frame>,
    wasm: Vec<WasmFrame>,
    /// For each open frame the account it entered; none for a frame that runs other code in its caller's account.
    accounts: Vec<Option<Address>>,
    code: Arc<CodeCache>,
    /// What EEI functions cost.
    prices: Prices,
    /// Codes loaded in this transaction: loading them again is cheap.
    loaded: B256HashSet,
    /// A machine without instances: what the last Wasm frame left that has ended.
    idle: Option<Machine>,
    /// The program that was loaded last.
    last: Option<Last>,
    /// How far the frames have come since it was made.
    reach: Reach,
    /// Instructions that the transaction may still execute, where they are counted.
    steps_left: Option<u64>,
    notes: Notes,
    /// How long it may take, if that is limited.
    limit: Option<Arc<TimeLimit>>,
    /// Whether transfers of ether show as logs.
    shows_transfers: bool,
    /// Records what happens, if the next transaction is traced.
    recorder: Option<Box<Recorder>>,
    /// Counts what programs do, if somebody wants to know.
    statistics: Option<Box<Statistics>>,
}

impl<DB: Database> WasmEvm<DB> {
    /// Makes an EVM over a context.
    pub(super) fn new(ctx: Ctx<DB>, code: Arc<CodeCache>) -> Self {
        debug_assert!(!ctx.cfg.enable_amsterdam_eip8037, "host functions do not know state gas");
        let mut instruction = EthInstructions::new_mainnet_with_spec(ctx.cfg.spec);
        gas_reading::watch(&mut instruction);
        let precompiles = Precompiles::new(code.clone());
        // Frames are made when they are entered: revm would make eight, each with a stack of 32 KiB.
        let frame_stack = FrameStack::new();
        Self {
            inner: Evm { ctx, inspector: (), instruction, precompiles, frame_stack },
            wasm: Vec::new(),
            accounts: Vec::new(),
            prices: Prices::new(code.protocol().fork),
            code,
            loaded: B256HashSet::default(),
            idle: None,
            last: None,
            reach: Reach::default(),
            steps_left: None,
            notes: Notes::default(),
            limit: None,
            shows_transfers: false,
            recorder: None,
            statistics: None,
        }
    }

    /// Runs one transaction as [`Self::transact`] does, and counts what its programs do.
    pub(super) fn count(
        &mut self,
        tx: TxEnv,
    ) -> Result<(ExecutionResult, Notes, Statistics), TransactError<DB::Error>> {
        self.statistics = Some(Box::default());
        let result = self.transact(tx);
        let statistics = self.statistics.take().expect("it was set above, and nothing else takes it");
        result.map(|(result, notes)| (result, notes, *statistics))
    }

    /// Limits how long transactions from now on may take together.
    pub(super) fn set_time_limit(&mut self, limit: &Arc<TimeLimit>) {
        self.limit = Some(Arc::clone(limit));
    }

    /// Lets transfers of ether show as logs.
    pub(super) fn show_transfers(&mut self) {
        self.shows_transfers = true;
    }

    /// Moves precompiled contracts where overrides say so, and takes away those that these replace.
    pub(super) fn move_precompiles(
        &mut self,
        overrides: &BTreeMap<Address, AccountOverride>,
    ) -> Result<(), MoveError> {
        self.inner.precompiles.apply(overrides)
    }

    /// Returns whether a precompiled contract is at an address.
    pub(super) fn is_precompile(&self, address: &Address) -> bool {
        self.inner.precompiles.is_at(address)
    }

    /// Runs one transaction as [`Self::transact`] does, and records of it what `capture` says.
    pub(super) fn trace(
        &mut self,
        tx: TxEnv,
        capture: &Capture,
    ) -> Result<Result<Recording, RecordingTooLong>, TransactError<DB::Error>> {
        self.recorder = Some(Box::new(Recorder::new(capture)));
        let gas_limit = tx.gas_limit;
        let costs = capture.profile.then(|| intrinsic_costs(&tx));
        let result = self.transact(tx);
        let recorder = self.recorder.take().expect("it was set above, and nothing else takes it");
        let (result, notes) = result?;
        if let (Some(watch), Some(costs)) = (recorder.watch(), costs) {
            watch.borrow_mut().settle(gas_limit, &costs, result.gas());
        }
        let state = match capture.state {
            true => Some(state_of(&mut self.inner.ctx).map_err(EVMError::Database)?),
            false => None,
        };
        let failed = !result.is_success();
        let executed = executed(result, notes);
        let outline =
            Outline { gas_limit, gas_used: executed.gas_used, failed, output: executed.output.clone() };
        Ok(recorder.finish(outline, state).map(|recording| recording.with_executed(executed)))
    }

    /// Returns who watches the instructions of Wasm frames, if the transaction is traced and they are.
    fn watch(&self) -> Option<Rc<RefCell<Watch>>> {
        self.recorder.as_ref()?.watch()
    }

    /// Tells whoever asks where gas goes what the top frame has just spent it on.
    fn spent_on(&mut self, what: &'static str) {
        if let Some(watch) = self.watch() {
            let gas_left = self.frame().interpreter.gas.remaining();
            watch.borrow_mut().spent_on(what, gas_left.saturating_mul(INK_PER_GAS));
        }
    }

    /// Runs one transaction; its changes stay in the journal. Returns revm's result and notes on its
    /// frames.
    pub(super) fn transact(
        &mut self,
        tx: TxEnv,
    ) -> Result<(ExecutionResult, Notes), TransactError<DB::Error>> {
        self.wasm.clear();
        self.loaded.clear();
        self.steps_left = self.code.rules().schedule.steps_max;
        self.notes = Notes::default();
        self.inner.ctx.tx = tx;
        self.inner.ctx.chain = GasReading::default();
        let result = LatheHandler(PhantomData).run(self);
        if let Some(limit) = self.limit.as_ref().filter(|limit| limit.is_over()) {
            return Err(EVMError::Custom(limit.words()));
        }
        let result = result?;
        let mut notes = mem::take(&mut self.notes);
        notes.gas_was_read |= self.inner.ctx.chain.was_read;
        Ok((result, if notes.failure.is_some() { notes.complete(self.code.rules()) } else { notes }))
    }

    /// Returns what the chain decides about transactions.
    pub(super) fn protocol(&self) -> &Protocol {
        self.code.protocol()
    }

    /// Returns the context.
    pub(super) fn ctx(&mut self) -> &mut Ctx<DB> {
        &mut self.inner.ctx
    }

    /// Returns revm's top frame.
    fn frame(&mut self) -> &mut Frame {
        self.inner.frame_stack.get()
    }

    /// Drops what stands beside revm's frames from `index` on, which are gone.
    fn forget_from(&mut self, index: usize) {
        self.accounts.truncate(index);
        while self.wasm.last().is_some_and(|frame| frame.index >= index) {
            self.wasm.pop();
        }
    }
}

/// revm's mainnet handler with the limit of creation data by its kind.
struct LatheHandler<DB>(PhantomData<DB>);

impl<DB: Database> Handler for LatheHandler<DB> {
    type Evm = WasmEvm<DB>;
    type Error = TransactError<DB::Error>;
    type HaltReason = HaltReason;

    fn validate_env(&self, evm: &mut WasmEvm<DB>) -> Result<(), TransactError<DB::Error>> {
        let tx = &evm.inner.ctx.tx;
        let limited = evm.code.protocol().fork >= Fork::Shanghai;
        if limited
            && tx.kind.is_create()
            && Creation::is_evm(&tx.data)
            && tx.data.len() > evm.code.protocol().evm_creation_bytes_max()
        {
            return Err(InvalidTransaction::CreateInitCodeSizeLimit.into());
        }
        revm::handler::validation::validate_env(evm.ctx())
    }
}
