//! What a traced execution did: its frames, their logs, what programs asked of the host, and more if asked for.
//!
//! An execution is recorded once, as far as its [`Capture`] says, and shown in the shape that a tracer asks for: each
//! shape is a module here. Whoever runs frames tells the `Recorder` when one begins and ends, EVM and Wasm alike;
//! whoever answers host calls tells it those. Without a recorder that is one untaken branch each.
//!
//! Entries nest, but are kept flat: each says where those inside it end. Nothing here recurses, however deep
//! contracts call each other.

mod call_tree;
mod entries;
mod flat;
mod four_byte;
mod frame;
pub(super) mod host_call;
mod journal;
mod profile;
mod recorder;
mod state_diff;
mod struct_log;
mod stylus;
mod wasm_step;
pub(super) mod watch;

use alloy_primitives::{Bytes, Log};

use super::execute::Executed;

pub use call_tree::CallTreeOptions;
pub use entries::{Shown, ShownEntry, ShownFrame};
pub use flat::{FlatAction, FlatResult, FlatTrace};
pub use frame::{Frame, FrameEngine, FrameKind};
pub(super) use journal::Seen;
pub(super) use profile::intrinsic_costs;
pub use profile::{ModuleProfiler, PROFILE_NODES_MAX, Profile, ProfileKind, ProfileNode};
pub(super) use recorder::{FrameEnd, Recorder};
pub(super) use state_diff::read as state_of;
pub use state_diff::{AccountState, StateDiff, StateDiffOptions};
pub use struct_log::StructLogOptions;
pub(super) use struct_log::run as run_steps;
pub use stylus::StylusOptions;
pub use wasm_step::WasmStepOptions;

/// Bytes that the entries of a recording hold: shown as hex, they fit the longest answer of the node.
pub const RECORDING_BYTES_MAX: usize = 24 << 20;
/// Bytes of JSON that the steps of one execution may take: they fit the longest answer of the node.
pub const STEPS_BYTES_MAX: usize = 48 << 20;

/// What of an execution is recorded. Frames always are, without what went in and out.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    /// Inputs and outputs of frames, and logs.
    pub data: bool,
    /// What programs ask of the host.
    pub host_calls: bool,
    /// Each instruction of EVM frames.
    pub struct_logs: Option<StructLogOptions>,
    /// Each instruction of Wasm frames.
    pub wasm_steps: Option<WasmStepOptions>,
    /// Accounts and slots before and after.
    pub state: bool,
    /// Where the gas goes.
    pub profile: bool,
}

impl Capture {
    /// Frames with their data, and logs.
    pub const FRAMES: Self = Self {
        data: true,
        host_calls: false,
        struct_logs: None,
        wasm_steps: None,
        state: false,
        profile: false,
    };
}

/// A recorded execution.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    entries: Vec<Entry>,
    outline: Outline,
    /// Logs of transactions before it in its block.
    logs_before: u64,
    struct_logs: Option<String>,
    wasm_steps: Option<String>,
    state: Option<StateDiff>,
    profile: Option<Profile>,
    /// How the execution ended.
    executed: Option<Box<Executed>>,
}

/// What a receipt tells of an execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Gas that it could use.
    pub gas_limit: u64,
    /// Gas that it used, refunds subtracted.
    pub gas_used: u64,
    /// Whether it reverted or halted.
    pub failed: bool,
    /// What it returned or reverted with.
    pub output: Bytes,
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
    Frame(Box<Frame>),
    HostCall(HostCall),
    Log(Box<Log>),
}

/// What a program asked of the host.
#[derive(Debug, Clone)]
struct HostCall {
    name: HostCallName,
    arguments: Bytes,
    results: Bytes,
    start_ink: u64,
    end_ink: u64,
}

/// The name under which a host call is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostCallName {
    text: &'static str,
    /// Whether cargo-stylus knows it.
    is_stylus: bool,
}

impl HostCallName {
    /// Returns a name that EEI has, or what else cargo-stylus does not know.
    pub(super) const fn of_eei(text: &'static str) -> Self {
        Self { text, is_stylus: false }
    }
}

impl From<&'static str> for HostCallName {
    /// Returns a name that cargo-stylus knows.
    fn from(text: &'static str) -> Self {
        Self { text, is_stylus: true }
    }
}

/// Why there is no recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordingTooLong {
    /// There are too many frames, host calls and logs, or they are too long.
    #[error(
        "the trace is longer than the limit of {RECORDING_BYTES_MAX} bytes: trace a call that does less, or one with less gas"
    )]
    Entries,
    /// There are too many instructions, or their stacks and memories are too large.
    #[error(
        "the trace of instructions is longer than the limit of {STEPS_BYTES_MAX} bytes: set \"limit\" to see the first \
         ones, set disableStack and disableStorage, or name a tracer that shows no instructions, such as callTracer"
    )]
    StructLogs,
}

impl Recording {
    /// Adds how the execution ended.
    pub(super) fn with_executed(self, executed: Executed) -> Self {
        Self { executed: Some(executed.into()), ..self }
    }

    /// Takes how the execution ended.
    pub(crate) fn take_executed(&mut self) -> Option<Executed> {
        self.executed.take().map(|executed| *executed)
    }

    /// Returns what a receipt tells.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Says how many logs the transactions before it in its block have; none unless said.
    pub fn set_logs_before(&mut self, logs: u64) {
        self.logs_before = logs;
    }

    /// Returns where the gas went, if that was captured.
    pub fn into_profile(self) -> Option<Profile> {
        self.profile
    }

    /// Returns the frames, those that were asked for first before those inside them.
    pub fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.entries.iter().filter_map(|entry| match &entry.step {
            Step::Frame(frame) => Some(&**frame),
            _ => None,
        })
    }

    /// Returns the entries directly inside the frame with this index: frames and logs, each with its own. Host calls are looked
    /// through.
    fn inside(&self, index: usize) -> impl Iterator<Item = (usize, &Step)> {
        let end = self.entries[index].end;
        let mut next = index + 1;
        std::iter::from_fn(move || {
            while next < end {
                let at = next;
                let Entry { step, end } = &self.entries[at];
                match step {
                    Step::HostCall(_) => next += 1,
                    _ => {
                        next = *end;
                        return Some((at, step));
                    }
                }
            }
            None
        })
    }
}
