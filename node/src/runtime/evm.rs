//! revm's frame loop with Wasm frames in it.
//!
//! Every frame is one of revm's, so that checkpoints, transfers, created addresses, gas settling and precompiles
//! are its own. A frame whose code is a program has a [`WasmFrame`] beside it, in a stack of its own that is in
//! step with revm's by frame index. A program that calls out suspends: its machine stays on that stack, revm's
//! loop runs the child, and the machine resumes with the result. Nothing recurses on the host stack.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    marker::PhantomData,
    mem,
    rc::Rc,
    sync::Arc,
};

use lathe_gas::{INK_PER_GAS, Meter, Pace};
use lathe_vm::{
    FunctionId, Held, Host as VmHost, InstanceId, InstantiationError, Limits, Machine, Observer, Outcome,
    Rules, TrapKind, Value,
};
use revm::{
    Database, MainBuilder,
    context::{BlockEnv, CfgEnv, Context, Evm, FrameStack, Journal, TxEnv},
    context_interface::{
        ContextTr, JournalTr,
        context::ContextError,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    handler::{
        EthFrame, EvmTr, FrameData, FrameInitOrResult, FrameResult, Handler, ItemOrResult,
        evm::{ContextDbError, FrameInitResult},
        instructions::{EthInstructions, InstructionProvider},
    },
    interpreter::{
        CallInput, CallScheme, Gas, InstructionResult, InterpreterAction,
        interpreter::EthInterpreter,
        interpreter_action::{FrameInit, FrameInput},
        interpreter_types::Jumps,
    },
    primitives::{Address, B256, Bytes, keccak256},
};

use super::{
    AccountOverride, arb_wasm,
    code::{CONSTRUCTOR_SELECTOR, CodeError, CodeKind, Creation, EVM_CREATION_BYTES_MAX},
    console::Console,
    eei::{Eei, Ending, link::MAIN, price::Prices},
    evm_console::{self, CONSOLE},
    failure::{ContractFrame, Failure, FailureKind},
    gas::Stop,
    gas_reading::{self, GasReading},
    precompiles::{MoveError, Precompiles},
    program::{CodeCache, ENTRYPOINT, Interface, Program, violations},
    program_state::{ChildStatus, ProgramState, Reply},
    protocol::{Fork, Protocol},
    simulate::Transfer,
    statistics::Statistics,
    time_limit::{SLICE_GAS, TimeLimit, run_evm},
    trace::{
        Capture, FrameEnd, FrameEngine, Outline, Recorder, Recording, RecordingTooLong, Seen, host_call,
        intrinsic_costs, run_steps, state_of,
        watch::{Watch, WatchedCode, WatchedHost},
    },
    vm_hooks::VmHooks,
};

/// Why EVM code does not run on a chain without it.
const NO_EVM: &str =
    "this chain runs no EVM bytecode: code must begin with 0061736d, the magic number of Wasm";

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
    loaded: HashSet<B256>,
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

/// What is known of a transaction's frames besides its result. Outside consensus.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    /// Why the frame that failed last did so, for people.
    pub(crate) failure: Option<Failure>,
    /// The index of the outermost frame in the failure's stack.
    failed_frame: usize,
    /// The code that was refused, if the failure is about that.
    refused: Option<Bytes>,
    /// Whether any frame ran out of gas, also one whose caller went on.
    pub(crate) out_of_gas: bool,
    /// Whether code read how much gas it has left.
    pub(crate) gas_was_read: bool,
    /// Whether the frame that ran last is an EEI contract's that trapped.
    pub(crate) trapped: bool,
    /// What contracts printed.
    pub(crate) console: Console,
}

/// What stands beside revm's frame of the same index when its code is not EVM code.
struct WasmFrame {
    index: usize,
    run: Run,
}

/// How far such a frame has come.
enum Run {
    /// It has not run yet.
    Fresh,
    /// It has a machine.
    Entered(Box<Entered>),
}

/// A program at work.
struct Entered {
    machine: Machine,
    instance: InstanceId,
    meter: Meter,
    program: Arc<Program>,
    state: ProgramState,
    /// The code to install when the constructor returns.
    install: Option<Bytes>,
    next: Next,
}

/// What an entered frame does when it runs next.
enum Next {
    /// Calls the entrypoint.
    Invoke(FunctionId),
    /// Goes on after a child frame.
    Resume(Reply, ChildStatus),
}

impl Notes {
    /// Takes note of why the frame with this index fails.
    fn fail(&mut self, index: usize, failure: Failure) {
        self.failure = Some(failure);
        self.failed_frame = index;
        self.refused = None;
    }

    /// Takes note of how the frame with this index ended.
    fn take(&mut self, index: usize, result: InstructionResult) {
        use InstructionResult as R;
        match result {
            // Whatever failed inside, the frame has dealt with it.
            ok if ok.is_ok() && index <= self.failed_frame => self.failure = None,
            R::OutOfGas
            | R::MemoryOOG
            | R::MemoryLimitOOG
            | R::PrecompileOOG
            | R::InvalidOperandOOG
            | R::ReentrancySentryOOG => self.out_of_gas = true,
            _ => {}
        }
        // A frame below the failed one that fails, too, is another story: its output tells it.
        if !result.is_ok() && index > self.failed_frame {
            self.failure = None;
        }
    }

    /// Completes what is known once the transaction has ended: lists all that is wrong with a module that was refused.
    fn complete(mut self, rules: &Rules) -> Self {
        if let (Some(failure), Some(code)) = (&mut self.failure, self.refused.take()) {
            failure.violations = violations(&code, rules);
        }
        self
    }
}

impl<DB: Database> WasmEvm<DB> {
    /// Makes an EVM over a context.
    pub(super) fn new(ctx: Ctx<DB>, code: Arc<CodeCache>) -> Self {
        debug_assert!(!ctx.cfg.enable_amsterdam_eip8037, "host functions do not know state gas");
        let precompiles = Precompiles::new(code.clone());
        let mut inner = ctx.build_mainnet().with_precompiles(precompiles);
        gas_reading::watch(&mut inner.instruction);
        Self {
            inner,
            wasm: Vec::new(),
            accounts: Vec::new(),
            prices: Prices::new(code.protocol().fork),
            code,
            loaded: HashSet::new(),
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
        let (result, _) = result?;
        if let (Some(watch), Some(costs)) = (recorder.watch(), costs) {
            watch.borrow_mut().settle(gas_limit, &costs, result.gas());
        }
        let state = match capture.state {
            true => Some(state_of(&mut self.inner.ctx).map_err(EVMError::Database)?),
            false => None,
        };
        let outline = Outline {
            gas_limit,
            gas_used: result.tx_gas_used(),
            failed: !result.is_success(),
            output: result.into_output().unwrap_or_default(),
        };
        Ok(recorder.finish(outline, state))
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

    /// Takes note of why the frame with this index fails.
    fn note_failure(&mut self, index: usize, failure: Failure) {
        if let Some(recorder) = &mut self.recorder {
            recorder.fail(|| failure.to_string());
        }
        self.notes.fail(index, failure);
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

    /// Returns what a failure's stack shows of the top frame.
    fn contract_frame(&mut self) -> ContractFrame {
        let input = &self.frame().interpreter.input;
        let contract = input.target_address;
        let code = input.bytecode_address.filter(|code| *code != contract);
        ContractFrame { contract, label: None, code, functions: Vec::new(), pc: None }
    }

    /// Takes note of why the top frame fails.
    fn fail(&mut self, failure: Failure) {
        let index = self.inner.frame_stack.index().unwrap_or_default();
        self.note_failure(index, failure);
    }

    /// Adds the top frame to the stack of a failure that came from the frame with the index `ended`, which it called.
    fn note_caller(&mut self, index: usize, ended: usize) {
        if self.notes.failure.is_none() || self.notes.failed_frame != ended {
            return;
        }
        let mut caller = self.contract_frame();
        match self.wasm.last() {
            Some(WasmFrame { index: at, run: Run::Entered(entered) }) if *at == index => {
                caller.functions = entered.machine.backtrace().iter().map(Into::into).collect();
            }
            _ => caller.pc = Some(self.frame().interpreter.bytecode.pc() as u64),
        }
        self.notes.failed_frame = index;
        if let Some(failure) = &mut self.notes.failure {
            failure.called_from(|| caller);
        }
    }

    /// Ends the top frame as an exceptional halt whose reason travels outside consensus.
    fn refuse(&mut self, reason: String) -> InterpreterAction {
        let account = self.contract_frame();
        self.fail(Failure::early(FailureKind::Refused, reason, account));
        InterpreterAction::new_halt(
            InstructionResult::CreateContractStartingWithEF,
            self.frame().interpreter.gas,
        )
    }

    /// Runs the top frame, which is no EVM frame, until it ends or calls out.
    fn run_wasm(&mut self, top: WasmFrame) -> InterpreterAction {
        let WasmFrame { index, run } = top;
        let entered = match run {
            Run::Entered(entered) => Ok(entered),
            Run::Fresh => self.enter(),
        };
        let mut entered = match entered {
            Ok(entered) => entered,
            Err(action) => return action,
        };
        let outcome = self.step(&mut entered);
        self.steps_left = entered.meter.steps_left();
        if let Some(statistics) = &mut self.statistics {
            let held: Held = self.wasm.iter().map(WasmFrame::held).chain([entered.machine.held()]).sum();
            statistics.pages = statistics.pages.max(held.pages);
        }
        if let Some(watch) = self.watch().filter(|_| outcome != Outcome::Suspended) {
            watch.borrow_mut().read(entered.meter.ink_left());
        }
        if let Some(recorder) = &mut self.recorder {
            let status = match &outcome {
                Outcome::Returned(values) => match values[..] {
                    [Value::I32(status)] => Some(status.cast_unsigned()),
                    _ => None,
                },
                Outcome::Exited => entered.state.exit_status,
                _ => None,
            };
            if let Some(status) = status {
                recorder.mark(
                    "user_returned",
                    Bytes::new(),
                    status.to_be_bytes().into(),
                    entered.meter.ink_left(),
                );
            }
        }
        let frame = self.inner.frame_stack.get();
        settle(&mut frame.interpreter.gas, &entered.meter);
        let gas = frame.interpreter.gas;
        let Entered { state, install, program, .. } = &mut *entered;
        self.notes.gas_was_read |= state.gas_was_read;
        if state.fatal {
            return InterpreterAction::new_halt(InstructionResult::FatalExternalError, gas);
        }
        let status = match outcome {
            Outcome::Suspended => {
                let (input, reply) = state.pending.take().expect("a host call suspends with a frame to run");
                entered.next = Next::Resume(reply, ChildStatus::Failed);
                self.wasm.push(WasmFrame { index, run: Run::Entered(entered) });
                return InterpreterAction::NewFrame(input);
            }
            Outcome::Exited => {
                let output = mem::take(&mut state.result);
                match state.ending {
                    None => state.result = output,
                    Some(Ending::Finished) => {
                        return InterpreterAction::new_return(InstructionResult::Return, output, gas);
                    }
                    Some(Ending::Reverted) => {
                        return InterpreterAction::new_return(InstructionResult::Revert, output, gas);
                    }
                    Some(Ending::Destroyed) => {
                        return InterpreterAction::new_return(InstructionResult::SelfDestruct, output, gas);
                    }
                }
                state.exit_status.expect("a host call exits with a status")
            }
            Outcome::Returned(values) => match values[..] {
                [Value::I32(status)] => status.cast_unsigned(),
                // An EEI contract that just ends has succeeded.
                [] => 0,
                _ => unreachable!("validation checked that {ENTRYPOINT} returns one i32"),
            },
            Outcome::Trapped(trap) => {
                let (kind, mut detail) = (trap.kind, state.trap_reason.take());
                if kind == TrapKind::StackOverflow {
                    let held = self.wasm.iter().map(WasmFrame::held).sum();
                    let beside = beside(held, &self.code.rules().limits);
                    detail = Some(detail.unwrap_or_default() + &beside).filter(|detail| !detail.is_empty());
                }
                let account = self.contract_frame();
                let printed = self.notes.console.last_words(account.contract);
                let failure = Failure::trap(&trap, detail, printed, account);
                let is_eei = program.interface == Interface::Eei;
                self.note_failure(index, failure);
                self.notes.trapped = is_eei;
                return match kind {
                    TrapKind::OutOfGas => InterpreterAction::new_halt(InstructionResult::OutOfGas, gas),
                    TrapKind::StackOverflow => {
                        InterpreterAction::new_halt(InstructionResult::StackOverflow, gas)
                    }
                    _ if is_eei => InterpreterAction::new_halt(InstructionResult::InvalidFEOpcode, gas),
                    // As on Stylus: a trap reverts with empty output and keeps the gas left.
                    _ => InterpreterAction::new_return(InstructionResult::Revert, Bytes::new(), gas),
                };
            }
        };
        let output = mem::take(&mut state.result);
        if status != 0 {
            return InterpreterAction::new_return(InstructionResult::Revert, output, gas);
        }
        // A constructor's output is dropped: what a creation returns is the code to install.
        InterpreterAction::new_return(InstructionResult::Return, install.take().unwrap_or(output), gas)
    }

    /// Runs an entered frame until it ends or calls out.
    fn step(&mut self, entered: &mut Entered) -> Outcome {
        let frame = self.inner.frame_stack.get();
        let Entered { machine, instance, meter, program, state, next, .. } = entered;
        let interpreter = &mut frame.interpreter;
        // Calldata is read where it stands: what the program does not read is never copied.
        let calldata_input = state.calldata.clone();
        let calldata = calldata_input.as_bytes_memory(&interpreter.memory);
        let calldata_bytes = u32::try_from(calldata.len()).expect("gas bounds data far below 4 GiB");
        let gas_left = interpreter.gas.remaining();
        let return_data = &interpreter.return_data.0;
        let is_static = interpreter.runtime_flag.is_static;
        let return_bytes = u32::try_from(return_data.len()).expect("gas bounds data far below 4 GiB");
        if let Next::Resume(..) = next {
            // What the child left is back in revm's counter, which stood at the meter's gas before.
            meter.return_gas(gas_left - meter.gas_left());
        }
        let watch = self.recorder.as_ref().and_then(|recorder| recorder.watch());
        if let (Some(watch), Next::Resume(..)) = (&watch, &*next) {
            watch.borrow_mut().end_host_call(meter.ink_left());
        }
        let mut recorder = self.recorder.as_deref_mut().filter(|recorder| recorder.takes_host_calls());
        if let (Some(recorder), Interface::VmHooks) = (&mut recorder, program.interface) {
            let ink = meter.ink_left();
            match *next {
                Next::Invoke(_) => {
                    recorder.mark(ENTRYPOINT, calldata_bytes.to_be_bytes().into(), Bytes::new(), ink);
                }
                Next::Resume(reply, status) => {
                    recorder.end_host_call(Some(host_call::child_results(reply, status, return_bytes)), ink);
                }
            }
        }
        let (mut hooks, mut eei, code);
        let (host, arguments): (&mut dyn VmHost, &[Value]) = match program.interface {
            Interface::VmHooks => {
                hooks = VmHooks {
                    host: &mut self.inner.ctx,
                    calldata: &calldata,
                    input: &interpreter.input,
                    return_data,
                    is_static,
                    gas: &mut interpreter.gas,
                    functions: &program.functions,
                    state,
                    console: &mut self.notes.console,
                    recorder,
                };
                (&mut hooks, &[Value::I32(calldata_bytes.cast_signed())])
            }
            Interface::Eei => {
                code = interpreter.bytecode.original_bytes();
                eei = Eei {
                    host: &mut self.inner.ctx,
                    prices: &self.prices,
                    prices_work: self.code.protocol().prices_work(),
                    calldata: &calldata,
                    code: &code,
                    input: &interpreter.input,
                    return_data,
                    is_static,
                    gas: &mut interpreter.gas,
                    functions: &program.functions,
                    state,
                    console: &mut self.notes.console,
                };
                (&mut eei, &[])
            }
        };
        if let Some(steps) = self.steps_left {
            // Other frames have taken steps since this one stood still.
            *meter = meter.clone().counting_steps(steps);
        }
        let result = match *next {
            Next::Invoke(_) => None,
            Next::Resume(reply, status) => {
                match reply.deliver(status, return_bytes, machine.memory_mut(*instance)) {
                    Ok(result) => result,
                    Err(trap) => return machine.abort(trap),
                }
            }
        };
        let is_entry = matches!(*next, Next::Invoke(_));
        let mut run = |meter: &mut Meter, host: &mut dyn VmHost, observer: Option<&mut dyn Observer>| match (
            &*next, observer,
        ) {
            (Next::Invoke(entrypoint), None) => machine.invoke(*entrypoint, arguments, meter, host),
            (Next::Invoke(entrypoint), Some(observer)) => {
                machine.invoke_traced(*entrypoint, arguments, meter, host, observer)
            }
            (Next::Resume(..), None) => machine.resume(result, meter, host),
            (Next::Resume(..), Some(observer)) => machine.resume_traced(result, meter, host, observer),
        };
        if let Some(watch) = &watch {
            let host = &mut WatchedHost { inner: host, functions: &program.functions, watch };
            run(meter, host, Some(&mut WatchedCode { watch, module: &program.module }))
        } else if let Some(statistics) = &mut self.statistics {
            statistics.frames += u64::from(is_entry);
            statistics.count(&program.functions, meter, host, |meter, host, observer| {
                run(meter, host, Some(observer))
            })
        } else {
            run(meter, host, None)
        }
    }

    /// Brings a fresh frame to its entrypoint: reads its code, pays for loading it, instantiates the module.
    /// `Err` ends the frame.
    fn enter(&mut self) -> Result<Box<Entered>, InterpreterAction> {
        let frame = self.frame();
        let is_creation = matches!(frame.data, FrameData::Create(_));
        let code = frame.interpreter.bytecode.original_bytes();
        if !is_creation {
            if CodeKind::of(&code) == CodeKind::Evm {
                return Err(self.refuse(NO_EVM.into()));
            }
            let hash = frame.interpreter.bytecode.hash().unwrap_or_else(|| keccak256(&code));
            let calldata = frame.interpreter.input.input.clone();
            let program = self.load(hash, &code)?;
            return self.instantiate(program, calldata, None);
        }
        let (code, constructor) = match Creation::parse(&code) {
            Ok(Creation::Program { code, constructor }) => (Bytes::from(code), constructor),
            Ok(Creation::Eei) => {
                let program = self.load(keccak256(&code), &code)?;
                return self.instantiate(program, CallInput::default(), None);
            }
            Ok(Creation::Evm) => return Err(self.refuse(NO_EVM.into())),
            Err(error) => return Err(self.refuse(error.to_string())),
        };
        // Size and prefix come first, so that nothing too long is hashed, decompressed or validated.
        if let Err(error) = CodeKind::of_created(&code) {
            return Err(self.refuse(error.to_string()));
        }
        let program = self.load(keccak256(&code), &code)?;
        match constructor {
            Some(arguments) => {
                let calldata = [&CONSTRUCTOR_SELECTOR, arguments].concat().into();
                self.instantiate(program, CallInput::Bytes(calldata), Some(code))
            }
            None => {
                let gas = self.frame().interpreter.gas;
                Err(InterpreterAction::new_return(InstructionResult::Return, code, gas))
            }
        }
    }

    /// Pays for loading a program and returns it, validated. `hash` is that of `code`.
    fn load(&mut self, hash: B256, code: &[u8]) -> Result<Arc<Program>, InterpreterAction> {
        let paid = self.pay_for_load(hash, code);
        self.spent_on("load code");
        match paid {
            Ok(true) => {}
            Ok(false) => {
                let gas = self.frame().interpreter.gas;
                let account = self.contract_frame();
                let detail = format!("it costs more than the {} gas left", gas.remaining());
                self.fail(Failure::early(FailureKind::Load, detail, account));
                return Err(InterpreterAction::new_halt(InstructionResult::OutOfGas, gas));
            }
            Err(error) => return Err(self.refuse(error.to_string())),
        }
        let program = self.code.program(hash, code);
        program.map_err(|error| {
            let action = self.refuse(error.to_string());
            self.notes.refused = Some(Bytes::copy_from_slice(code));
            action
        })
    }

    /// Charges the top frame for loading a program; false if it cannot pay.
    fn pay_for_load(&mut self, hash: B256, code: &[u8]) -> Result<bool, CodeError> {
        if !self.code.protocol().prices_work() {
            return Ok(true);
        }
        let schedule = self.code.rules().schedule;
        if self.loaded.contains(&hash) {
            return Ok(self.pay(schedule.load_again.into()));
        }
        // How long the module is, only decompression tells, which must be paid for before.
        if !self.pay(schedule.code_ink(code.len() as u64)) {
            return Ok(false);
        }
        let module_bytes = self.code.module_bytes(hash, code)?;
        let paid = self.pay(schedule.load_ink(module_bytes.into()));
        if paid {
            self.loaded.insert(hash);
        }
        Ok(paid)
    }

    /// Pays for recording a program as active and does it; a creation that fails later takes it back. Returns the gas
    /// left.
    fn record(&mut self, hash: B256) -> Result<Gas, InterpreterAction> {
        let mut meter = Meter::from_gas(self.frame().interpreter.gas.remaining());
        let recorded = arb_wasm::record(&mut self.inner.ctx, &mut meter, hash);
        let gas = &mut self.frame().interpreter.gas;
        settle(gas, &meter);
        let gas = *gas;
        self.spent_on("record program");
        let halt = |result| InterpreterAction::new_halt(result, gas);
        match recorded {
            Ok(()) => Ok(gas),
            Err(Stop::OutOfGas) => Err(halt(InstructionResult::OutOfGas)),
            Err(Stop::Fatal) => Err(halt(InstructionResult::FatalExternalError)),
        }
    }

    /// Charges the top frame, a part of a gas as a whole one; false if it cannot pay.
    fn pay(&mut self, ink: u64) -> bool {
        self.frame().interpreter.gas.record_regular_cost(ink.div_ceil(INK_PER_GAS))
    }

    /// Instantiates a program in the top frame.
    fn instantiate(
        &mut self,
        program: Arc<Program>,
        calldata: CallInput,
        install: Option<Bytes>,
    ) -> Result<Box<Entered>, InterpreterAction> {
        let held: Held = self.wasm.iter().map(WasmFrame::held).sum();
        let target = self.frame().interpreter.input.target_address;
        let reentrant = self.accounts.iter().filter(|account| **account == Some(target)).count() > 1;
        let mut machine = Machine::beside(self.code.rules(), held);
        let gas = &mut self.inner.frame_stack.get().interpreter.gas;
        let mut meter = self.code.rules().schedule.meter(gas.remaining());
        if let Some(limit) = &self.limit {
            meter = meter.in_slices(SLICE_GAS, limit.clone());
        }
        let instance = machine.instantiate(&program.module, &program.imports, &mut meter);
        settle(gas, &meter);
        let gas = *gas;
        if let Some(watch) = self.watch() {
            watch.borrow_mut().spent_on("instantiate", meter.ink_left());
        }
        match instance {
            Ok(instance) => {
                let name = match program.interface {
                    Interface::VmHooks => ENTRYPOINT,
                    Interface::Eei => MAIN,
                };
                let entrypoint =
                    machine.exported_function(instance, name).expect("validation checked the entrypoint");
                let state = ProgramState::new(calldata, reentrant);
                let next = Next::Invoke(entrypoint);
                Ok(Box::new(Entered { machine, instance, meter, program, state, install, next }))
            }
            Err(error) => {
                let account = self.contract_frame();
                let beside = beside(held, &self.code.rules().limits);
                self.fail(Failure::early(FailureKind::Instantiation, format!("{error}{beside}"), account));
                Err(if error == InstantiationError::Trapped(TrapKind::OutOfGas) {
                    InterpreterAction::new_halt(InstructionResult::OutOfGas, gas)
                } else if program.interface == Interface::Eei {
                    InterpreterAction::new_halt(InstructionResult::InvalidFEOpcode, gas)
                } else {
                    InterpreterAction::new_return(InstructionResult::Revert, Bytes::new(), gas)
                })
            }
        }
    }

    /// Applies the rules that revm does not know to what a frame asks for or returns: the limit of EVM init code,
    /// and the size, prefix and validity of new code.
    fn enforce(&mut self, action: InterpreterAction) -> InterpreterAction {
        match &action {
            InterpreterAction::NewFrame(FrameInput::Create(inputs)) => {
                let data = inputs.init_code();
                let limited = self.code.protocol().fork >= Fork::Shanghai;
                if limited && Creation::is_evm(data) && data.len() > EVM_CREATION_BYTES_MAX {
                    let gas = self.frame().interpreter.gas;
                    return InterpreterAction::new_halt(InstructionResult::CreateInitCodeSizeLimit, gas);
                }
                action
            }
            InterpreterAction::Return(result) if result.result.is_ok() => {
                if !matches!(self.frame().data, FrameData::Create(_)) {
                    return action;
                }
                let code = result.output.clone();
                // revm charges what is left in the frame's counter, so loading is charged there too.
                self.frame().interpreter.gas = result.gas;
                let limit = self.code.protocol().eei_code_bytes_max();
                match CodeKind::of_created(&code) {
                    Ok(CodeKind::Eei) if code.len() > limit => {
                        let error = CodeError::TooLong { what: "EEI code", bytes: code.len(), limit };
                        let account = self.contract_frame();
                        self.fail(Failure::early(FailureKind::Refused, error.to_string(), account));
                        InterpreterAction::new_halt(InstructionResult::CreateContractSizeLimit, result.gas)
                    }
                    Ok(kind @ (CodeKind::Program { .. } | CodeKind::Eei)) => {
                        let hash = keccak256(&code);
                        let paid = self.load(hash, &code).and_then(|_| match kind {
                            CodeKind::Program { .. } => self.record(hash),
                            _ => Ok(self.frame().interpreter.gas),
                        });
                        match paid {
                            Ok(gas) => InterpreterAction::new_return(result.result, code, gas),
                            Err(halt) => halt,
                        }
                    }
                    Ok(_) => action,
                    Err(error @ CodeError::TooLong { .. }) => {
                        let account = self.contract_frame();
                        self.fail(Failure::early(FailureKind::Refused, error.to_string(), account));
                        InterpreterAction::new_halt(InstructionResult::CreateContractSizeLimit, result.gas)
                    }
                    Err(error) => self.refuse(error.to_string()),
                }
            }
            _ => action,
        }
    }
}

impl WasmFrame {
    /// Returns what the frame holds while it is suspended.
    fn held(&self) -> Held {
        match &self.run {
            Run::Fresh => Held::default(),
            Run::Entered(entered) => entered.machine.held(),
        }
    }
}

/// Says what other frames hold, for the reason of a failure, if they hold anything.
fn beside(held: Held, limits: &Limits) -> String {
    if held == Held::default() {
        return String::new();
    }
    format!(
        " (the callers hold {} of {} pages and {} of {} value slots that a transaction may hold)",
        held.pages, limits.open_pages, held.slots, limits.open_slots
    )
}

/// Brings revm's counter to what the meter has left.
fn settle(gas: &mut Gas, meter: &Meter) {
    gas.set_remaining(meter.gas_left());
}

impl<DB: Database> EvmTr for WasmEvm<DB> {
    type Context = Ctx<DB>;
    type Instructions = Instructions<DB>;
    type Precompiles = Precompiles;
    type Frame = Frame;

    fn all(&self) -> (&Ctx<DB>, &Instructions<DB>, &Precompiles, &FrameStack<Frame>) {
        self.inner.all()
    }

    fn all_mut(&mut self) -> (&mut Ctx<DB>, &mut Instructions<DB>, &mut Precompiles, &mut FrameStack<Frame>) {
        self.inner.all_mut()
    }

    fn frame_init(&mut self, init: FrameInit) -> Result<FrameInitResult<'_, Frame>, ContextDbError<Ctx<DB>>> {
        let index = self.inner.frame_stack.index().map_or(0, |index| index + 1);
        // A transaction that was abandoned leaves its frames behind.
        self.forget_from(index);
        let seen = self.recorder.as_ref().map(|_| Seen::of(&self.inner.ctx));
        if let Some(recorder) = &mut self.recorder {
            let ctx = &self.inner.ctx;
            recorder.begin_frame(&init.frame_input, || match &init.frame_input {
                FrameInput::Call(call) => call.input.bytes(ctx),
                _ => Bytes::new(),
            });
        }
        let runs_in_caller = matches!(
            &init.frame_input,
            FrameInput::Call(call) if matches!(call.scheme, CallScheme::DelegateCall | CallScheme::CallCode)
        );
        let transfer = if self.shows_transfers { Transfer::of_frame(&init) } else { None };
        let called = match &init.frame_input {
            FrameInput::Call(call) => call.bytecode_address,
            _ => Address::ZERO,
        };
        if let FrameInput::Call(call) = &init.frame_input
            && called == CONSOLE
        {
            evm_console::print(&mut self.notes.console, call.caller, &call.input.as_bytes(&self.inner.ctx));
        }
        if let ItemOrResult::Result(result) = self.inner.frame_init(init)? {
            if let Some(reason) = self.inner.precompiles.take_failure() {
                let frame = ContractFrame { contract: called, ..Default::default() };
                self.note_failure(index, Failure::early(FailureKind::Refused, reason, frame));
            }
            if let Some(transfer) = transfer.filter(|_| result.interpreter_result().is_ok()) {
                self.inner.ctx.journal_mut().log(transfer.log(called));
            }
            if let (Some(recorder), Some(seen)) = (&mut self.recorder, seen) {
                if self.inner.precompiles.is_at(&called) {
                    recorder.runs_on(FrameEngine::Precompile);
                }
                seen.record_logs(recorder, &self.inner.ctx);
                // The result of an inner frame is returned to its caller, where its recording ends.
                if index == 0 {
                    recorder.end_frame(frame_end(&result, false));
                }
            }
            return Ok(ItemOrResult::Result(result));
        }
        let frame = self.inner.frame_stack.get();
        let target = frame.interpreter.input.target_address;
        if let Some(transfer) = transfer {
            self.inner.ctx.journal_mut().log(transfer.log(target));
        }
        if let Some(recorder) = &mut self.recorder
            && matches!(frame.data, FrameData::Create(_))
        {
            recorder.created(target);
        }
        self.accounts.push((!runs_in_caller).then_some(target));
        let code = frame.interpreter.bytecode.original_byte_slice();
        let runs_evm = self.code.protocol().interfaces.evm || code.is_empty();
        let is_wasm = match frame.data {
            FrameData::Create(_) => !Creation::is_evm(code) || !runs_evm,
            FrameData::Call(_) => match CodeKind::of(code) {
                CodeKind::Evm => !runs_evm,
                CodeKind::Delegation => false,
                CodeKind::Program { .. } | CodeKind::Eei | CodeKind::Refused => true,
            },
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.runs_on(if is_wasm { FrameEngine::Wasm } else { FrameEngine::Evm });
        }
        if is_wasm {
            self.wasm.push(WasmFrame { index, run: Run::Fresh });
        }
        Ok(ItemOrResult::Item(self.inner.frame_stack.get()))
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<Frame>, ContextDbError<Ctx<DB>>> {
        if let Some(limit) = self.limit.as_ref().filter(|limit| !limit.go_on()) {
            return Err(ContextError::Custom(limit.words()));
        }
        let index = self.inner.frame_stack.index();
        let seen = self.recorder.as_ref().map(|_| Seen::of(&self.inner.ctx));
        let action = match self.wasm.pop_if(|top| Some(top.index) == index) {
            Some(top) => self.run_wasm(top),
            None => {
                self.notes.trapped = false;
                let Evm { ctx, instruction, frame_stack, .. } = &mut self.inner;
                let depth = index.map_or(0, |index| index + 1);
                let interpreter = &mut frame_stack.get().interpreter;
                let (instructions, gas) = (instruction.instruction_table(), instruction.gas_table());
                let recorder = self.recorder.as_deref_mut().filter(|recorder| recorder.steps_evm());
                match (recorder, &self.limit) {
                    (Some(recorder), _) => run_steps(recorder, interpreter, instructions, gas, ctx, depth),
                    (None, None) => interpreter.run_plain(instructions, gas, ctx),
                    (None, Some(limit)) => run_evm(interpreter, instructions, gas, ctx, limit),
                }
            }
        };
        let action = self.enforce(action);
        if self.shows_transfers {
            let contract = self.frame().interpreter.input.target_address;
            if let Some(transfer) = Transfer::of_end(&self.inner.ctx, contract, &action) {
                self.inner.ctx.journal_mut().log(transfer.log(contract));
            }
        }
        let frame = self.inner.frame_stack.get();
        if let (Some(recorder), Some(seen)) = (&mut self.recorder, seen) {
            seen.record(recorder, &self.inner.ctx, frame.interpreter.input.target_address, &action);
        }
        let next = frame.process_next_action::<_, ContextDbError<Ctx<DB>>>(&mut self.inner.ctx, action)?;
        if next.is_result() {
            frame.set_finished(true);
        }
        Ok(next)
    }

    fn frame_return_result(
        &mut self,
        mut result: FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<Ctx<DB>>> {
        if let Some(recorder) = &mut self.recorder {
            recorder.end_frame(frame_end(&result, self.notes.trapped));
        }
        // A frame that ended before it began, such as a precompile's, was never on the stack.
        let mut ended = self.inner.frame_stack.index().map_or(0, |top| top + 1);
        if self.frame().is_finished() {
            ended -= 1;
            self.inner.frame_stack.pop();
        }
        self.notes.take(ended, result.interpreter_result().result);
        let Some(parent) = self.inner.frame_stack.index() else {
            // A stipend that nobody paid for (`Prices::has_stipend`) is nothing that the sender gets back.
            let gas = result.gas_mut();
            gas.set_remaining(gas.remaining().min(gas.limit()));
            return Ok(Some(result));
        };
        self.forget_from(parent + 1);
        let status = child_status(&result);
        self.note_caller(parent, ended);
        let frame = self.inner.frame_stack.get();
        frame.return_result::<_, ContextDbError<Ctx<DB>>>(&mut self.inner.ctx, result)?;
        if let Some(WasmFrame { index, run: Run::Entered(entered), .. }) = self.wasm.last_mut()
            && *index == parent
            && let Next::Resume(_, reply_status) = &mut entered.next
        {
            *reply_status = status;
            // revm pushed the call's result for an EVM caller.
            let _ = frame.interpreter.stack.pop();
        }
        Ok(None)
    }
}

/// Returns what a recording takes of a frame's result.
fn frame_end(result: &FrameResult, trapped: bool) -> FrameEnd {
    let ended = result.interpreter_result();
    let result = ended.result;
    FrameEnd { result, gas_left: ended.gas.remaining(), output: ended.output.clone(), trapped }
}

fn child_status(result: &FrameResult) -> ChildStatus {
    match result.interpreter_result().result {
        ok if ok.is_ok() => match result {
            FrameResult::Call(_) => ChildStatus::Ok(None),
            // A creation whose creator's nonce overflows ends "well", without an address.
            FrameResult::Create(outcome) => {
                outcome.address.map_or(ChildStatus::Failed, |address| ChildStatus::Ok(Some(address)))
            }
        },
        InstructionResult::Revert => ChildStatus::Reverted,
        _ => ChildStatus::Failed,
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
            && tx.data.len() > EVM_CREATION_BYTES_MAX
        {
            return Err(InvalidTransaction::CreateInitCodeSizeLimit.into());
        }
        revm::handler::validation::validate_env(evm.ctx())
    }
}
