//! Who watches the instructions of a traced execution: one place for all that want to see them.
//!
//! The machine shows instructions to an observer while it lends the host its memory, so that both the observer and the
//! host hold the watch; neither does while the other runs.

use std::cell::RefCell;

use lathe_gas::{HostFunction, INK_PER_GAS, Meter};
use lathe_vm::{Host, HostMemory, HostOutcome, Module, Observer, Step, Value};
use revm::{
    bytecode::opcode::OpCode,
    context_interface::result::ResultGas,
    interpreter::{CallInput, interpreter_action::FrameInput},
    primitives::Address,
};

use super::{
    Capture, Frame, Profile,
    profile::{ProfileKind, Profiler},
    wasm_step::WasmSteps,
};

/// All that want to see instructions.
#[derive(Debug, Default)]
pub(in super::super) struct Watch {
    steps: Option<WasmSteps>,
    profiler: Option<Profiler>,
}

impl Watch {
    /// Returns those that a capture asks for, if any.
    pub(super) fn new(capture: &Capture) -> Option<Self> {
        let steps = capture.wasm_steps.clone().map(WasmSteps::new);
        let profiler = capture.profile.then(Profiler::new);
        (steps.is_some() || profiler.is_some()).then_some(Self { steps, profiler })
    }

    pub(super) fn begin_frame(&mut self, frame: &Frame, input: &FrameInput) {
        if let Some(steps) = &mut self.steps {
            steps.begin_frame(frame.address);
        }
        if let Some(profiler) = &mut self.profiler {
            // What stands in the memory of an EVM caller is not looked at: a name is not worth a copy.
            let selector = match input {
                FrameInput::Call(call) => match &call.input {
                    CallInput::Bytes(bytes) => bytes.first_chunk().copied(),
                    CallInput::SharedBuffer(_) => None,
                },
                _ => None,
            };
            profiler.begin_frame(frame.kind, frame.address, selector, frame.gas);
        }
    }

    pub(super) fn created(&mut self, address: Address) {
        if let Some(steps) = &mut self.steps {
            steps.created(address);
        }
    }

    pub(super) fn end_frame(&mut self, gas_left: u64, keeps_gas: bool) {
        if let Some(steps) = &mut self.steps {
            steps.end_frame();
        }
        if let Some(profiler) = &mut self.profiler {
            profiler.end_frame(gas_left, keeps_gas);
        }
    }

    /// Says what took the gas that the top frame has lost since it was last looked at: there is this much ink left.
    pub(in super::super) fn spent_on(&mut self, what: &'static str, ink_left: u64) {
        if let Some(profiler) = &mut self.profiler {
            profiler.spent_on(what, ink_left);
        }
    }

    /// The top frame goes on or stops, with this much ink.
    pub(in super::super) fn read(&mut self, ink_left: u64) {
        if let Some(profiler) = &mut self.profiler {
            profiler.read(ink_left);
        }
    }

    /// The host has answered a call of the top frame, which has this much ink left.
    pub(in super::super) fn end_host_call(&mut self, ink_left: u64) {
        if let Some(profiler) = &mut self.profiler {
            profiler.read(ink_left);
            profiler.leave();
        }
    }

    /// An EVM frame is about to execute an instruction, with this much gas.
    pub(super) fn begin_opcode(&mut self, opcode: u8, gas_left: u64) {
        if let Some(profiler) = &mut self.profiler {
            profiler.read(gas_left.saturating_mul(INK_PER_GAS));
            let name = OpCode::new(opcode).map_or("INVALID", |opcode| opcode.as_str());
            profiler.enter(name, ProfileKind::Opcode);
        }
    }

    /// An EVM frame has executed an instruction that is done, with this much gas left.
    pub(super) fn end_opcode(&mut self, gas_left: u64) {
        self.read(gas_left.saturating_mul(INK_PER_GAS));
    }

    /// Returns what was seen: the steps of Wasm frames as JSON, and where the gas went.
    pub(super) fn finish(self) -> (Option<String>, Option<Profile>) {
        (self.steps.map(WasmSteps::finish), self.profiler.map(Profiler::finish))
    }

    /// Says what the transaction paid beside its frames.
    pub(in super::super) fn settle(
        &mut self,
        gas_limit: u64,
        intrinsic: &[(&'static str, u64)],
        gas: &ResultGas,
    ) {
        if let Some(profiler) = &mut self.profiler {
            profiler.settle(gas_limit, intrinsic, gas);
        }
    }
}

/// The code of a frame that is watched.
pub(in super::super) struct WatchedCode<'a> {
    pub(in super::super) watch: &'a RefCell<Watch>,
    pub(in super::super) module: &'a Module,
}

impl Observer for WatchedCode<'_> {
    fn instruction(&mut self, step: &Step) {
        let watch = &mut *self.watch.borrow_mut();
        if let Some(steps) = &mut watch.steps {
            steps.instruction(self.module, step);
        }
        if let Some(profiler) = &mut watch.profiler {
            profiler.instruction(self.module, step);
        }
    }
}

/// The host of a frame that is watched.
pub(in super::super) struct WatchedHost<'a> {
    pub(in super::super) inner: &'a mut dyn Host,
    pub(in super::super) functions: &'a [HostFunction],
    pub(in super::super) watch: &'a RefCell<Watch>,
}

impl Host for WatchedHost<'_> {
    fn call(
        &mut self,
        function: u32,
        arguments: &[Value],
        memory: &mut HostMemory<'_>,
        meter: &mut Meter,
    ) -> HostOutcome {
        if let Some(profiler) = &mut self.watch.borrow_mut().profiler {
            profiler.read(meter.ink_left());
            profiler.enter(self.functions[function as usize].name(), ProfileKind::HostCall);
        }
        let outcome = self.inner.call(function, arguments, memory, meter);
        // A call that suspends ends when the frame that it asked for has.
        if outcome != HostOutcome::Suspend {
            self.watch.borrow_mut().end_host_call(meter.ink_left());
        }
        outcome
    }
}
