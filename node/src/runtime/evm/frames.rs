//! revm's frames: each begins, runs and ends here, EVM and Wasm alike.

use lathe_gas::Pace;
use revm::{
    Database,
    context::{Evm, FrameStack},
    context_interface::{ContextTr, JournalTr, context::ContextError},
    handler::{
        EvmTr, FrameData, FrameInitOrResult, FrameResult, ItemOrResult,
        evm::{ContextDbError, FrameInitResult},
        instructions::InstructionProvider,
    },
    interpreter::{
        CallScheme, InstructionResult,
        interpreter_action::{FrameInit, FrameInput},
    },
    primitives::{Address, Bytes},
};

use super::{
    super::{
        code::{CodeKind, Creation},
        evm_console::{self, CONSOLE},
        failure::{ContractFrame, Failure, FailureKind},
        precompiles::Precompiles,
        program_state::ChildStatus,
        simulate::Transfer,
        time_limit::run_evm,
        trace::{FrameEnd, FrameEngine, Seen, run_steps},
    },
    Ctx, Frame, Instructions, WasmEvm,
    run::{Next, Run, WasmFrame},
};

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
        self.reach.begin_frame(index, &init.frame_input);
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
                match (recorder, self.limit.as_ref().filter(|limit| limit.is_paced())) {
                    (Some(recorder), limit) => {
                        let limit = limit.map(AsRef::as_ref);
                        run_steps(recorder, interpreter, instructions, gas, ctx, depth, limit)
                    }
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
        self.reach.end_frame(&result);
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
