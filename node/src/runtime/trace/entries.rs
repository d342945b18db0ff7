//! A recording as `latheTracer` shows it: frames and logs in the order in which they came, each with its depth. However
//! deep contracts call each other, the list is flat, so that no reader needs a stack for it.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::{Deserialize, Serialize};

use super::{super::failure::revert_reason, Entry, Recording, Step};

/// A frame or a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownEntry {
    /// How many frames there are around it.
    pub depth: u32,
    /// What it is.
    #[serde(flatten)]
    pub what: Shown,
}

impl ShownEntry {
    /// Returns how many bytes of data it holds.
    pub(crate) fn data_bytes(&self) -> usize {
        match &self.what {
            Shown::Frame(frame) => frame.input.len() + frame.output.len(),
            Shown::Log { data, .. } => data.len(),
        }
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Shown {
    /// A frame.
    Frame(Box<ShownFrame>),
    /// A log.
    #[serde(rename_all = "camelCase")]
    Log {
        /// Who emitted it.
        address: Address,
        /// Its topics.
        topics: Vec<B256>,
        /// Its data.
        data: Bytes,
    },
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownFrame {
    /// How it was asked for: CALL, DELEGATECALL, CREATE2 and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// What ran it: wasm, evm or precompile; none if nothing ran.
    pub engine: Option<String>,
    /// Who asked for it.
    pub from: Address,
    /// Whose code ran, or what was created; none if a creation failed.
    pub to: Option<Address>,
    /// Wei that it was sent; none if it could have none.
    pub value: Option<U256>,
    /// Gas that it was given.
    pub gas: U64,
    /// Gas that it used.
    pub gas_used: U64,
    /// Calldata or creation data.
    pub input: Bytes,
    /// What it returned or reverted with; code, if it created a contract.
    pub output: Bytes,
    /// Why it failed, in geth's words.
    pub error: Option<String>,
    /// The reason that it gave, or where it trapped.
    pub reason: Option<String>,
}

impl Recording {
    /// Returns frames and logs in the order in which they came.
    pub fn to_entries(&self) -> Vec<ShownEntry> {
        let mut shown = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        for (index, Entry { step, end }) in self.entries.iter().enumerate() {
            while open.pop_if(|end| *end <= index).is_some() {}
            let depth = u32::try_from(open.len()).unwrap_or(u32::MAX);
            match step {
                Step::Frame(frame) => {
                    let failed_creation = frame.kind.is_creation() && frame.error.is_some();
                    let what = Shown::Frame(Box::new(ShownFrame {
                        kind: frame.kind.opcode().into(),
                        engine: frame.engine.map(|engine| engine.name().into()),
                        from: frame.caller,
                        to: (!failed_creation).then_some(frame.address),
                        value: frame.value,
                        gas: U64::from(frame.gas),
                        gas_used: U64::from(frame.gas_used),
                        input: frame.input.clone(),
                        output: frame.output.clone(),
                        error: frame.error.as_deref().map(str::to_owned),
                        reason: frame
                            .error
                            .as_ref()
                            .and_then(|_| revert_reason(&frame.output).or_else(|| frame.reason.clone())),
                    }));
                    shown.push(ShownEntry { depth, what });
                    open.push(*end);
                }
                Step::Log(log) => {
                    let (topics, data) = (log.data.topics().to_vec(), log.data.data.clone());
                    shown.push(ShownEntry { depth, what: Shown::Log { address: log.address, topics, data } });
                }
                Step::HostCall(_) => {}
            }
        }
        shown
    }
}
