//! How a Wasm frame runs: until it ends, or until it calls out and its machine waits for the child.

use std::{mem, sync::Arc};

use lathe_gas::Meter;
use lathe_vm::{
    FunctionId, Held, Host as VmHost, InstanceId, Limits, Machine, Observer, Outcome, TrapKind, Value,
};
use revm::{
    Database,
    interpreter::{Gas, InstructionResult, InterpreterAction},
    primitives::Bytes,
};

use super::{
    super::{
        eei::{Ending, link::MAIN},
        failure::Failure,
        frame_host::FrameHost,
        program::{ENTRYPOINT, Interface, Program},
        program_state::{ChildStatus, ProgramState, Reply},
        trace::{
            HostCallName, host_call,
            watch::{WatchedCode, WatchedHost},
        },
    },
    WasmEvm,
};

/// What stands beside revm's frame of the same index when its code is not EVM code.
pub(super) struct WasmFrame {
    pub(super) index: usize,
    pub(super) run: Run,
}

/// How far such a frame has come.
pub(super) enum Run {
    /// It has not run yet.
    Fresh,
    /// It has a machine.
    Entered(Box<Entered>),
}

/// A program at work.
pub(super) struct Entered {
    pub(super) machine: Machine,
    pub(super) instance: InstanceId,
    pub(super) meter: Meter,
    pub(super) program: Arc<Program>,
    pub(super) state: ProgramState,
    /// The code to install when the constructor returns.
    pub(super) install: Option<Bytes>,
    pub(super) next: Next,
}

/// What an entered frame does when it runs next.
pub(super) enum Next {
    /// Calls the entrypoint.
    Invoke(FunctionId),
    /// Goes on after a child frame.
    Resume(Reply, ChildStatus),
}

impl<DB: Database> WasmEvm<DB> {
    /// Runs the top frame, which is no EVM frame, until it ends or calls out.
    pub(super) fn run_wasm(&mut self, top: WasmFrame) -> InterpreterAction {
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
        let Entered { state, next, .. } = &mut *entered;
        self.notes.gas_was_read |= state.gas_was_read;
        if outcome == Outcome::Suspended && !state.fatal {
            let (input, reply) = state.pending.take().expect("a host call suspends with a frame to run");
            *next = Next::Resume(reply, ChildStatus::Failed);
            self.wasm.push(WasmFrame { index, run: Run::Entered(entered) });
            return InterpreterAction::NewFrame(input);
        }
        let action = self.end(index, &mut entered, outcome);
        // Its memory is free from now on; the next frame has the rest.
        entered.machine.clear();
        self.idle = Some(entered.machine);
        action
    }

    /// Returns what a frame ends with whose machine stopped with this outcome.
    fn end(&mut self, index: usize, entered: &mut Entered, outcome: Outcome) -> InterpreterAction {
        let gas = self.inner.frame_stack.get().interpreter.gas;
        let Entered { state, install, program, .. } = entered;
        if state.fatal {
            return InterpreterAction::new_halt(InstructionResult::FatalExternalError, gas);
        }
        let status = match outcome {
            Outcome::Suspended => unreachable!("a frame that waits for another goes on"),
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
                let failure = Failure::trap(&trap, detail, printed.as_deref(), account);
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
        if let Some(recorder) = &mut recorder {
            let ink = meter.ink_left();
            match (&*next, program.interface) {
                (Next::Invoke(_), Interface::VmHooks) => {
                    recorder.mark(ENTRYPOINT, calldata_bytes.to_be_bytes().into(), Bytes::new(), ink);
                }
                (Next::Invoke(_), Interface::Eei) => {
                    recorder.mark(HostCallName::of_eei(MAIN), Bytes::new(), Bytes::new(), ink);
                }
                (&Next::Resume(reply, status), _) => {
                    recorder.end_host_call(Some(host_call::child_results(reply, status, return_bytes)), ink);
                }
            }
        }
        let is_eei = program.interface == Interface::Eei;
        let code = if is_eei { interpreter.bytecode.original_bytes() } else { Bytes::new() };
        let entry_argument = [Value::I32(calldata_bytes.cast_signed())];
        let arguments: &[Value] = if is_eei { &[] } else { &entry_argument };
        let host = &mut FrameHost {
            interface: program.interface,
            host: &mut self.inner.ctx,
            prices: &self.prices,
            prices_work: !is_eei || self.code.protocol().prices_work(),
            calldata: &calldata,
            code: &code,
            input: &interpreter.input,
            return_data,
            is_static,
            gas: &mut interpreter.gas,
            functions: &program.functions,
            state,
            console: &mut self.notes.console,
            recorder,
        };
        if let Some(steps) = self.steps_left {
            // Other frames have taken steps since this one stood still.
            *meter = meter.clone().counting_steps(steps);
        }
        let result = match *next {
            Next::Invoke(_) => None,
            Next::Resume(reply, status) => {
                let write = |pointer, bytes: &[u8]| {
                    machine.write_memory(*instance, pointer, bytes).ok_or(TrapKind::MemoryOutOfBounds)
                };
                match reply.deliver(status, return_bytes, write) {
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
}

impl WasmFrame {
    /// Returns what the frame holds while it is suspended.
    pub(super) fn held(&self) -> Held {
        match &self.run {
            Run::Fresh => Held::default(),
            Run::Entered(entered) => entered.machine.held(),
        }
    }
}

/// Says what other frames hold, for the reason of a failure, if they hold anything.
pub(super) fn beside(held: Held, limits: &Limits) -> String {
    if held == Held::default() {
        return String::new();
    }
    format!(
        " (the callers hold {} of {} pages and {} of {} value slots that a transaction may hold)",
        held.pages, limits.open_pages, held.slots, limits.open_slots
    )
}

/// Brings revm's counter to what the meter has left.
pub(super) fn settle(gas: &mut Gas, meter: &Meter) {
    gas.set_remaining(meter.gas_left());
}
