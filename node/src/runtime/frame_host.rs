//! The host of a Wasm frame: the world as its code sees it, and the way from a host call to its answer, which is recorded if
//! the execution is traced. It is the same for both interfaces; what their functions do is in [`super::vm_hooks`] and
//! [`super::eei`].

use lathe_gas::{HostFunction, Meter};
use lathe_vm::{Host as VmHost, HostMemory, HostOutcome, TrapKind, Value};
use revm::{
    context_interface::Host,
    interpreter::{Gas, InputsImpl},
    primitives::Bytes,
};

use super::{
    console::Console,
    eei::price::Prices,
    gas::Stop,
    guest::{Arguments, Failure, Memory, Outcome},
    program::Interface,
    program_state::ProgramState,
    trace::{Recorder, host_call},
};

/// The world as one run of a contract sees it: lent for the run, never kept.
pub(super) struct FrameHost<'a> {
    /// What the contract can ask for.
    pub interface: Interface,
    /// State, block and transaction.
    pub host: &'a mut dyn Host,
    /// What functions of EEI cost at the chain's fork.
    pub prices: &'a Prices,
    /// Whether work costs ink that no opcode of the EVM does, such as crossing into the host.
    pub prices_work: bool,
    /// Calldata; none for EEI init code.
    pub calldata: &'a [u8],
    /// The code of an EEI contract as it is stored.
    pub code: &'a [u8],
    /// Who is called by whom with what.
    pub input: &'a InputsImpl,
    /// What the last child returned.
    pub return_data: &'a Bytes,
    /// Whether the frame may not change state.
    pub is_static: bool,
    /// Collects refunds.
    pub gas: &'a mut Gas,
    /// The host functions by their import index.
    pub functions: &'a [HostFunction],
    /// What the frame keeps.
    pub state: &'a mut ProgramState,
    /// Takes what the contract prints.
    pub console: &'a mut Console,
    /// Records each call, if the execution is traced.
    pub recorder: Option<&'a mut Recorder>,
}

impl VmHost for FrameHost<'_> {
    fn call(
        &mut self,
        function: u32,
        arguments: &[Value],
        memory: &mut HostMemory<'_>,
        meter: &mut Meter,
    ) -> HostOutcome {
        let function = self.functions[function as usize];
        let Some(recorder) = &mut self.recorder else {
            return self.answer(function, arguments, memory, meter);
        };
        let shown = host_call::arguments(function, arguments, memory, recorder.room());
        recorder.begin_host_call(host_call::name(function), shown, meter.ink_left());
        let outcome = self.answer(function, arguments, memory, meter);
        self.record(function, arguments, outcome, memory, meter);
        outcome
    }
}

impl FrameHost<'_> {
    /// Records how a call ended.
    fn record(
        &mut self,
        function: HostFunction,
        arguments: &[Value],
        outcome: HostOutcome,
        memory: &[u8],
        meter: &Meter,
    ) {
        let Some(recorder) = &mut self.recorder else { return };
        let result = match outcome {
            HostOutcome::Return(result) => result,
            HostOutcome::Exit => None,
            HostOutcome::Trap(_) => return recorder.drop_host_call(),
            // It ends when the frame that it asked for has.
            HostOutcome::Suspend => return,
        };
        let room = recorder.room();
        let shown = host_call::results(function, arguments, result, memory, self.calldata, room);
        recorder.end_host_call(shown, meter.ink_left());
    }

    /// Answers a call: charges the crossing, then does the work.
    fn answer(
        &mut self,
        function: HostFunction,
        arguments: &[Value],
        memory: &mut HostMemory<'_>,
        meter: &mut Meter,
    ) -> HostOutcome {
        if self.prices_work && meter.charge(function.base_ink().into()).is_err() {
            return HostOutcome::Trap(TrapKind::OutOfGas);
        }
        let (arguments, memory) = (Arguments(arguments), &mut Memory(memory));
        let result = match self.interface {
            Interface::VmHooks => self.vm_hook(function, arguments, memory, meter),
            Interface::Eei => self.eei(function, arguments, memory, meter),
        };
        match result {
            Ok(_) if self.state.pending.is_some() => HostOutcome::Suspend,
            Ok(_) if self.state.has_ended() => HostOutcome::Exit,
            Ok(result) => HostOutcome::Return(result),
            Err(Failure::Trap(kind)) => {
                if self.interface == Interface::Eei {
                    self.state.trap_reason = Some(function.to_string());
                }
                HostOutcome::Trap(kind)
            }
            Err(Failure::Stop(Stop::OutOfGas)) => HostOutcome::Trap(TrapKind::OutOfGas),
            Err(Failure::Stop(Stop::Fatal)) => {
                self.state.fatal = true;
                HostOutcome::Trap(TrapKind::Host)
            }
            Err(Failure::Refused(reason)) => {
                self.state.trap_reason = Some(format!("{}: {reason}", function.name()));
                HostOutcome::Trap(TrapKind::Host)
            }
        }
    }

    /// Refuses what would change state in a static call.
    pub(super) fn refuse_static(&self) -> Outcome<()> {
        if self.is_static {
            return Err(Failure::Refused("state cannot change in a static call".into()));
        }
        Ok(())
    }
}
