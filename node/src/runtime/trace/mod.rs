//! What a traced execution did: its frames, and what programs asked of the host, in order.
//!
//! An execution is recorded once and shown in the shape that a tracer asks for ([`stylus`]). Whoever runs frames
//! tells the [`Recorder`] when one begins and ends, EVM and Wasm alike; whoever answers host calls tells it those.
//! Without a recorder that is one untaken branch each.
//!
//! Entries nest, but are kept flat: each says where those inside it end. Nothing here recurses, however deep
//! contracts call each other.

pub(super) mod host_call;
pub mod stylus;

use std::borrow::Cow;

use revm::{
    context_interface::CreateScheme,
    interpreter::{CallScheme, interpreter_action::FrameInput},
    primitives::{Address, Bytes},
};

/// Bytes that a recording holds: shown as hex, it fits the longest answer of the node.
pub const RECORDING_BYTES_MAX: usize = 24 << 20;
/// What an entry takes besides its arguments and results, as an answer shows it.
const ENTRY_BYTES: usize = 160;

/// A recorded execution.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    entries: Vec<Entry>,
}

/// A step of a recording, and how far those inside it reach.
#[derive(Debug, Clone)]
struct Entry {
    step: Step,
    /// The index after the last entry inside this one.
    end: usize,
}

#[derive(Debug, Clone)]
enum Step {
    Frame(Frame),
    HostCall(HostCall),
}

/// A frame, of either engine, precompiled contracts and calls that found no code included.
#[derive(Debug, Clone)]
struct Frame {
    kind: FrameKind,
    /// The account whose code runs, or the contract that is created.
    address: Address,
}

/// How a frame was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Call,
    DelegateCall,
    StaticCall,
    Create,
    Create2,
}

/// What a program asked of the host.
#[derive(Debug, Clone)]
struct HostCall {
    name: Cow<'static, str>,
    arguments: Bytes,
    results: Bytes,
    start_ink: u64,
    end_ink: u64,
}

/// Why there is no recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the trace is longer than the limit of {RECORDING_BYTES_MAX} bytes: trace a call that does less, or one with less gas"
)]
pub struct RecordingTooLong;

/// Records an execution while it runs.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    entries: Vec<Entry>,
    /// Indices of the entries that are yet to end.
    open: Vec<usize>,
    bytes: usize,
    /// Set when the limit is reached: nothing is recorded from then on.
    is_full: bool,
}

impl Recorder {
    /// Returns how many bytes of arguments or results there is room for.
    pub(super) fn room(&self) -> usize {
        RECORDING_BYTES_MAX - self.bytes
    }

    /// A frame begins.
    pub(super) fn begin_frame(&mut self, input: &FrameInput) {
        let (kind, address) = match input {
            FrameInput::Call(call) => {
                let kind = match call.scheme {
                    CallScheme::Call | CallScheme::CallCode => FrameKind::Call,
                    CallScheme::DelegateCall => FrameKind::DelegateCall,
                    CallScheme::StaticCall => FrameKind::StaticCall,
                };
                (kind, call.bytecode_address)
            }
            FrameInput::Create(create) => match create.scheme() {
                CreateScheme::Create2 { .. } => (FrameKind::Create2, Address::ZERO),
                _ => (FrameKind::Create, Address::ZERO),
            },
            FrameInput::Empty => return,
        };
        self.push(Step::Frame(Frame { kind, address }), 0);
    }

    /// The frame that has just begun creates this contract.
    pub(super) fn created(&mut self, address: Address) {
        if let Some(Step::Frame(frame)) = self.innermost() {
            frame.address = address;
        }
    }

    /// The innermost frame ends.
    pub(super) fn end_frame(&mut self) {
        debug_assert!(self.is_full || matches!(self.innermost(), Some(Step::Frame(_))), "entries nest");
        self.close();
    }

    /// A program asks the host for something.
    pub(super) fn begin_host_call(
        &mut self,
        name: impl Into<Cow<'static, str>>,
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
    pub(super) fn end_host_call(&mut self, given: Option<Bytes>, ink: u64) {
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
    pub(super) fn drop_host_call(&mut self) {
        if let Some(index) = self.open.pop() {
            self.entries.truncate(index);
        }
    }

    /// Records a host call that takes nothing of the program's time, such as its entry.
    pub(super) fn mark(&mut self, name: &'static str, arguments: Bytes, results: Bytes, ink: u64) {
        self.begin_host_call(name, Some(arguments), ink);
        self.end_host_call(Some(results), ink);
    }

    /// Returns what was recorded.
    pub(super) fn finish(self) -> Result<Recording, RecordingTooLong> {
        if self.is_full { Err(RecordingTooLong) } else { Ok(Recording { entries: self.entries }) }
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

    /// Gives up: what there is would not be the whole.
    fn stop(&mut self) {
        *self = Self { is_full: true, bytes: RECORDING_BYTES_MAX, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_beyond_its_limit_is_refused_and_keeps_nothing() {
        let mut recorder = Recorder::default();
        let large = Bytes::from(vec![0; RECORDING_BYTES_MAX / 2]);
        recorder.begin_host_call("write_result", Some(large.clone()), 0);
        recorder.end_host_call(Some(Bytes::new()), 0);
        assert!(recorder.room() < RECORDING_BYTES_MAX / 2);
        recorder.begin_host_call("write_result", Some(large), 0);
        assert_eq!((recorder.room(), recorder.entries.len()), (0, 0));
        recorder.end_host_call(Some(Bytes::new()), 0);
        recorder.mark("user_returned", Bytes::new(), Bytes::new(), 0);
        assert_eq!(recorder.finish().err(), Some(RecordingTooLong));
    }

    #[test]
    fn what_there_is_no_room_for_ends_the_recording() {
        for in_results in [false, true] {
            let mut recorder = Recorder::default();
            recorder.begin_host_call("read_args", in_results.then(Bytes::new), 0);
            recorder.end_host_call(if in_results { None } else { Some(Bytes::new()) }, 0);
            assert!(recorder.finish().is_err());
        }
    }
}
