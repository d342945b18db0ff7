//! How a Wasm frame begins: its code is read, paid for, validated and instantiated. And what new code must be.

use std::sync::Arc;

use lathe_gas::{INK_PER_GAS, Meter};
use lathe_vm::{Held, InstantiationError, Machine, TrapKind};
use revm::{
    Database,
    handler::FrameData,
    interpreter::{CallInput, Gas, InstructionResult, InterpreterAction, interpreter_action::FrameInput},
    primitives::{B256, Bytes, keccak256},
};

use super::{
    super::{
        arb_wasm,
        code::{CONSTRUCTOR_SELECTOR, CodeError, CodeKind, Creation, module_bytes_min},
        eei::link::MAIN,
        failure::{Failure, FailureKind},
        gas::Stop,
        program::{ENTRYPOINT, Interface, Program},
        program_state::ProgramState,
        protocol::Fork,
        time_limit::SLICE_GAS,
    },
    WasmEvm,
    run::{Entered, Next, WasmFrame, beside, settle},
};

/// Why EVM code does not run on a chain without it.
const NO_EVM: &str =
    "this chain runs no EVM bytecode: code must begin with 0061736d, the magic number of Wasm";

/// A program that was loaded, which is most often the next that is: others need not be asked for it, with whom all threads
/// share the cache.
#[derive(Debug)]
pub(super) struct Last {
    hash: B256,
    program: Arc<Program>,
}

impl<DB: Database> WasmEvm<DB> {
    /// Brings a fresh frame to its entrypoint: reads its code, pays for loading it, instantiates the module.
    /// `Err` ends the frame.
    pub(super) fn enter(&mut self) -> Result<Box<Entered>, InterpreterAction> {
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
        if let Err(error) = CodeKind::of_created(&code, self.code.protocol().evm_code_bytes_max) {
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
        if let Some(last) = self.last.as_ref().filter(|last| last.hash == hash) {
            self.code.used_again();
            return Ok(Arc::clone(&last.program));
        }
        match self.code.program(hash, code) {
            Ok(program) => {
                self.last = Some(Last { hash, program: Arc::clone(&program) });
                Ok(program)
            }
            Err(error) => {
                let action = self.refuse(error.to_string());
                self.notes.refused = Some(Bytes::copy_from_slice(code));
                Err(action)
            }
        }
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
        // A stream that turns out to be none takes as long to decode as one whose module is paid for.
        let least = schedule.load_ink(module_bytes_min(code) as u64).div_ceil(INK_PER_GAS);
        if self.frame().interpreter.gas.remaining() < least {
            return Ok(false);
        }
        let module_bytes = match self.last.as_ref().filter(|last| last.hash == hash) {
            Some(last) => {
                u32::try_from(last.program.module.byte_len()).expect("the limit of modules is a u32")
            }
            None => self.code.module_bytes(hash, code)?,
        };
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
        let mut machine = match self.idle.take() {
            Some(mut machine) => {
                machine.reset_beside(self.code.rules(), held);
                machine
            }
            None => Machine::beside(self.code.rules(), held),
        };
        let gas = &mut self.inner.frame_stack.get().interpreter.gas;
        let mut meter = self.code.rules().schedule.meter(gas.remaining());
        if let Some(limit) = &self.limit {
            meter = meter.in_slices(SLICE_GAS, limit.clone());
        }
        let instance = machine.instantiate_linked(&program.linked, &mut meter);
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
    pub(super) fn enforce(&mut self, action: InterpreterAction) -> InterpreterAction {
        match &action {
            InterpreterAction::NewFrame(FrameInput::Create(inputs)) => {
                let data = inputs.init_code();
                let limited = self.code.protocol().fork >= Fork::Shanghai;
                if limited
                    && Creation::is_evm(data)
                    && data.len() > self.code.protocol().evm_creation_bytes_max()
                {
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
                match CodeKind::of_created(&code, self.code.protocol().evm_code_bytes_max) {
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
