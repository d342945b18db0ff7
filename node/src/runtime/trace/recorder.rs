//! The recorder: what the frame loop and the host functions tell while an execution runs.

use std::{cell::RefCell, rc::Rc};

use alloy_primitives::{Address, Bytes, Log, U256};
use revm::interpreter::{InstructionResult, interpreter_action::FrameInput};

use super::{
    Capture, Entry, Frame, FrameEngine, HostCall, HostCallName, Outline, RECORDING_BYTES_MAX, Recording,
    RecordingTooLong, StateDiff, Step, frame::frame_error, struct_log::StructLogs, watch::Watch,
};

/// What an entry takes besides its data, as an answer shows it. Frames take more than others.
const ENTRY_BYTES: usize = 160;

/// Records an execution while it runs.
#[derive(Debug, Default)]
pub(in super::super) struct Recorder {
    capture: Capture,
    entries: Vec<Entry>,
    /// Indices of the entries that are yet to end.
    open: Vec<usize>,
    bytes: usize,
    /// Set when the limit is reached: nothing is recorded from then on.
    is_full: bool,
    struct_logs: Option<StructLogs>,
    watch: Option<Rc<RefCell<Watch>>>,
}

/// How a frame ended.
pub(in super::super) struct FrameEnd {
    /// How it ended.
    pub(in super::super) result: InstructionResult,
    /// Gas that it gives back if it did not halt.
    pub(in super::super) gas_left: u64,
    /// What it returned or reverted with.
    pub(in super::super) output: Bytes,
    /// Whether it is an EEI contract that trapped.
    pub(in super::super) trapped: bool,
}

impl Recorder {
    /// Returns a recorder of what `capture` says.
    pub(in super::super) fn new(capture: &Capture) -> Self {
        let watch = Watch::new(capture);
        Self {
            capture: capture.clone(),
            struct_logs: capture.struct_logs.clone().map(StructLogs::new),
            watch: watch.map(|watch| Rc::new(RefCell::new(watch))),
            ..Self::default()
        }
    }

    /// Returns how many bytes of arguments or results there is room for.
    pub(in super::super) fn room(&self) -> usize {
        RECORDING_BYTES_MAX - self.bytes
    }

    /// Returns whether host calls are recorded.
    pub(in super::super) fn takes_host_calls(&self) -> bool {
        self.capture.host_calls
    }

    /// Returns who watches instructions of Wasm frames, if they are watched.
    pub(in super::super) fn watch(&self) -> Option<Rc<RefCell<Watch>>> {
        self.watch.clone()
    }

    /// Returns who takes down the instructions of EVM frames, as long as any are wanted.
    pub(in super::super) fn struct_logs(&mut self) -> Option<&mut StructLogs> {
        self.struct_logs.as_mut().filter(|logs| logs.wants_more())
    }

    /// Returns whether the instructions of EVM frames must be run one by one.
    pub(in super::super) fn steps_evm(&self) -> bool {
        self.capture.profile || self.struct_logs.as_ref().is_some_and(StructLogs::wants_more)
    }

    /// A frame begins, with these data if it is a call.
    pub(in super::super) fn begin_frame(&mut self, input: &FrameInput, calldata: impl FnOnce() -> Bytes) {
        let mut frame = match input {
            FrameInput::Call(call) => Frame::call(call),
            FrameInput::Create(create) => Frame::creation(create),
            FrameInput::Empty => return,
        };
        if let Some(watch) = &self.watch {
            watch.borrow_mut().begin_frame(&frame, input);
        }
        if self.capture.data && !self.is_full {
            frame.input = match input {
                FrameInput::Create(create) => create.init_code().clone(),
                _ => calldata(),
            };
        }
        let bytes = ENTRY_BYTES + frame.input.len();
        self.push(Step::Frame(Box::new(frame)), bytes);
    }

    /// The frame that has just begun is run by this engine.
    pub(in super::super) fn runs_on(&mut self, engine: FrameEngine) {
        if let Some(frame) = self.frame() {
            frame.engine = Some(engine);
        }
    }

    /// The frame that has just begun creates this contract.
    pub(in super::super) fn created(&mut self, address: Address) {
        if let Some(frame) = self.frame() {
            frame.address = address;
        }
        if let Some(watch) = &self.watch {
            watch.borrow_mut().created(address);
        }
    }

    /// The innermost frame is about to fail for this reason, for people.
    pub(in super::super) fn fail(&mut self, reason: impl FnOnce() -> String) {
        if self.capture.data
            && let Some(frame) = self.frame()
        {
            frame.reason = Some(reason());
        }
    }

    /// The innermost frame has emitted these logs.
    pub(in super::super) fn logs(&mut self, logs: &[Log]) {
        if !self.capture.data {
            return;
        }
        for log in logs {
            let bytes = log.data.data.len() + log.data.topics().len() * 32;
            self.push(Step::Log(Box::new(log.clone())), bytes);
            self.close();
        }
    }

    /// The innermost frame gives its account's balance away and ends.
    pub(in super::super) fn self_destruct(&mut self, contract: Address, beneficiary: Address, balance: U256) {
        let frame = Frame::self_destruct(contract, beneficiary, balance);
        self.push(Step::Frame(Box::new(frame)), ENTRY_BYTES);
        self.close();
    }

    /// The innermost frame ends.
    pub(in super::super) fn end_frame(&mut self, end: FrameEnd) {
        debug_assert!(self.is_full || matches!(self.innermost(), Some(Step::Frame(_))), "entries nest");
        let FrameEnd { result, gas_left, output, trapped } = end;
        let keeps_gas = result.is_ok_or_revert();
        if let Some(watch) = &self.watch {
            watch.borrow_mut().end_frame(if keeps_gas { gas_left } else { 0 }, keeps_gas);
        }
        if let Some(logs) = &mut self.struct_logs {
            logs.end_frame(result.is_ok());
        }
        let keeps_data = self.capture.data && !self.is_full;
        if keeps_data && output.len() > self.room() {
            return self.stop();
        }
        if keeps_data {
            self.bytes += output.len();
        }
        if let Some(frame) = self.frame() {
            frame.gas_used = frame.gas - if keeps_gas { gas_left.min(frame.gas) } else { 0 };
            frame.error = frame_error(result, trapped);
            if frame.error.is_none() || !output.is_empty() {
                // It has dealt with what failed inside, or says itself why it fails.
                frame.reason = None;
            }
            if keeps_data {
                frame.output = output;
            }
        }
        self.close();
    }

    /// A program asks the host for something.
    pub(in super::super) fn begin_host_call(
        &mut self,
        name: impl Into<HostCallName>,
        arguments: Option<Bytes>,
        start_ink: u64,
    ) {
        let Some(arguments) = arguments else { return self.stop() };
        let bytes = arguments.len();
        let (name, results) = (name.into(), Bytes::new());
        self.push(
            Step::HostCall(HostCall { name, arguments, results, start_ink, end_ink: start_ink }),
            bytes,
        );
    }

    /// The host has answered. Results are `None` when there is no room for them.
    pub(in super::super) fn end_host_call(&mut self, given: Option<Bytes>, ink: u64) {
        let Some(given) = given else { return self.stop() };
        if !self.is_full {
            self.bytes += given.len();
        }
        if let Some(Step::HostCall(HostCall { results, end_ink, .. })) = self.innermost() {
            (*results, *end_ink) = (given, ink);
        }
        self.close();
    }

    /// The host has not answered: the program trapped.
    pub(in super::super) fn drop_host_call(&mut self) {
        if let Some(index) = self.open.pop() {
            self.entries.truncate(index);
        }
    }

    /// Records a host call that takes nothing of the program's time, such as its entry.
    pub(in super::super) fn mark(
        &mut self,
        name: impl Into<HostCallName>,
        arguments: Bytes,
        results: Bytes,
        ink: u64,
    ) {
        if self.capture.host_calls {
            self.begin_host_call(name, Some(arguments), ink);
            self.end_host_call(Some(results), ink);
        }
    }

    /// Returns what was recorded of an execution that ended so.
    pub(in super::super) fn finish(
        self,
        outline: Outline,
        state: Option<StateDiff>,
    ) -> Result<Recording, RecordingTooLong> {
        if self.is_full {
            return Err(RecordingTooLong::Entries);
        }
        let (wasm_steps, profile) = self.watch.map_or((None, None), |watch| watch.take().finish());
        let struct_logs = self.struct_logs.map(StructLogs::finish).transpose()?;
        let entries = self.entries;
        Ok(Recording { entries, outline, struct_logs, wasm_steps, state, profile, ..Recording::default() })
    }

    fn push(&mut self, step: Step, bytes: usize) {
        if self.is_full {
            return;
        }
        let bytes = ENTRY_BYTES + bytes;
        if bytes > self.room() {
            return self.stop();
        }
        self.bytes += bytes;
        self.open.push(self.entries.len());
        self.entries.push(Entry { step, end: self.entries.len() + 1 });
    }

    fn close(&mut self) {
        if let Some(index) = self.open.pop() {
            self.entries[index].end = self.entries.len();
        }
    }

    fn innermost(&mut self) -> Option<&mut Step> {
        self.open.last().map(|&index| &mut self.entries[index].step)
    }

    /// Returns the innermost entry if it is a frame.
    fn frame(&mut self) -> Option<&mut Frame> {
        match self.innermost() {
            Some(Step::Frame(frame)) => Some(frame),
            _ => None,
        }
    }

    /// Gives up: what there is would not be the whole.
    fn stop(&mut self) {
        (self.entries, self.open) = (Vec::new(), Vec::new());
        (self.is_full, self.bytes) = (true, RECORDING_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(recorder: Recorder) -> Result<Recording, RecordingTooLong> {
        recorder.finish(Outline::default(), None)
    }

    #[test]
    fn a_recording_beyond_its_limit_is_refused_and_keeps_nothing() {
        let mut recorder = Recorder::new(&Capture { host_calls: true, ..Capture::default() });
        let large = Bytes::from(vec![0; RECORDING_BYTES_MAX / 2]);
        recorder.begin_host_call("write_result", Some(large.clone()), 0);
        recorder.end_host_call(Some(Bytes::new()), 0);
        assert!(recorder.room() < RECORDING_BYTES_MAX / 2);
        recorder.begin_host_call("write_result", Some(large), 0);
        assert_eq!((recorder.room(), recorder.entries.len()), (0, 0));
        recorder.end_host_call(Some(Bytes::new()), 0);
        recorder.mark("user_returned", Bytes::new(), Bytes::new(), 0);
        assert_eq!(finish(recorder).err(), Some(RecordingTooLong::Entries));
    }

    #[test]
    fn what_there_is_no_room_for_ends_the_recording() {
        for in_results in [false, true] {
            let mut recorder = Recorder::default();
            recorder.begin_host_call("read_args", in_results.then(Bytes::new), 0);
            recorder.end_host_call(if in_results { None } else { Some(Bytes::new()) }, 0);
            assert!(finish(recorder).is_err());
        }
    }
}
