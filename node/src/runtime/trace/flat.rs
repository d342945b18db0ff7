//! A recording in the shape of Parity's `trace_` methods: a list of calls, each with its place in the tree.

use alloy_primitives::{Address, Bytes, U64, U256};
use serde::Serialize;

use super::{Entry, Frame, FrameKind, Recording, Step};

/// A call, a creation or the end of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlatTrace {
    /// What was asked for.
    pub action: FlatAction,
    /// Why it failed, in Parity's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What came of it; none if it failed in any way but a revert.
    pub result: Option<FlatResult>,
    /// How many calls there are directly inside it.
    pub subtraces: usize,
    /// Its place: for each call around it and itself, the how manieth it is.
    pub trace_address: Vec<usize>,
    /// What kind of action it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FlatAction {
    /// A call.
    #[serde(rename_all = "camelCase")]
    Call {
        /// Who called.
        from: Address,
        /// How: call, callcode, delegatecall or staticcall.
        call_type: &'static str,
        /// Gas that it was given.
        gas: U64,
        /// Calldata.
        input: Bytes,
        /// Whose code was called.
        to: Address,
        /// Wei that it was sent.
        value: U256,
    },
    /// A creation.
    #[serde(rename_all = "camelCase")]
    Create {
        /// Who created.
        from: Address,
        /// How: create or create2.
        creation_method: &'static str,
        /// Gas that it was given.
        gas: U64,
        /// Creation data.
        init: Bytes,
        /// Wei that it was sent.
        value: U256,
    },
    /// An account gave its balance away.
    #[serde(rename_all = "camelCase")]
    SelfDestruct {
        /// The account.
        address: Address,
        /// What it had.
        balance: U256,
        /// Who has it now.
        refund_address: Address,
    },
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FlatResult {
    /// A call ended.
    #[serde(rename_all = "camelCase")]
    Call {
        /// Gas that it used.
        gas_used: U64,
        /// What it returned.
        output: Bytes,
    },
    /// A creation ended.
    #[serde(rename_all = "camelCase")]
    Create {
        /// The contract.
        address: Address,
        /// Its code.
        code: Bytes,
        /// Gas that it used.
        gas_used: U64,
    },
}

impl FlatTrace {
    /// Returns how many bytes went in and came out.
    pub fn data_bytes(&self) -> usize {
        let input = match &self.action {
            FlatAction::Call { input: data, .. } | FlatAction::Create { init: data, .. } => data.len(),
            FlatAction::SelfDestruct { .. } => 0,
        };
        let output = match &self.result {
            Some(FlatResult::Call { output: data, .. } | FlatResult::Create { code: data, .. }) => data.len(),
            None => 0,
        };
        input + output
    }

    /// Returns the contract that the action created, if it did.
    pub fn created(&self) -> Option<Address> {
        match &self.result {
            Some(FlatResult::Create { address, .. }) => Some(*address),
            _ => None,
        }
    }
}

/// A frame whose inner frames are being looked at.
struct Open {
    index: usize,
    /// Its place in the list; none if it is not shown.
    place: Option<usize>,
}

impl Recording {
    /// Returns the list of calls. Calls of precompiled contracts from contracts are left out if they move no value.
    pub fn to_flat(&self) -> Vec<FlatTrace> {
        let mut traces: Vec<FlatTrace> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        for (index, Entry { step, .. }) in self.entries.iter().enumerate() {
            while open.pop_if(|frame| self.entries[frame.index].end <= index).is_some() {}
            let Step::Frame(frame) = step else { continue };
            let parent = open.last().map(|parent| parent.place);
            let moves_value = frame.value.is_some_and(|value| !value.is_zero());
            if parent.is_some() && frame.is_precompile() && !moves_value {
                open.push(Open { index, place: None });
                continue;
            }
            let mut trace = flat(frame);
            if let Some(Some(parent)) = parent {
                let parent = &mut traces[parent];
                trace.trace_address = parent.trace_address.clone();
                trace.trace_address.push(parent.subtraces);
                parent.subtraces += 1;
            }
            open.push(Open { index, place: Some(traces.len()) });
            traces.push(trace);
        }
        traces
    }
}

fn flat(frame: &Frame) -> FlatTrace {
    let (from, gas, value) = (frame.caller, U64::from(frame.gas), frame.value.unwrap_or_default());
    let call = |call_type| {
        let action =
            FlatAction::Call { from, call_type, gas, input: frame.input.clone(), to: frame.address, value };
        (action, "call")
    };
    let create = |creation_method| {
        let action = FlatAction::Create { from, creation_method, gas, init: frame.input.clone(), value };
        (action, "create")
    };
    let (action, kind) = match frame.kind {
        FrameKind::Call => call("call"),
        FrameKind::CallCode => call("callcode"),
        FrameKind::DelegateCall => call("delegatecall"),
        FrameKind::StaticCall => call("staticcall"),
        FrameKind::Create => create("create"),
        FrameKind::Create2 => create("create2"),
        FrameKind::SelfDestruct => {
            let (address, refund_address) = (frame.caller, frame.address);
            (FlatAction::SelfDestruct { address, balance: value, refund_address }, "suicide")
        }
    };
    let gas_used = U64::from(frame.gas_used);
    let result = match frame.kind {
        FrameKind::SelfDestruct => None,
        kind if kind.is_creation() => frame.created().map(|address| FlatResult::Create {
            address,
            code: frame.output.clone(),
            gas_used,
        }),
        _ if frame.error.is_none() || frame.is_reverted() => {
            Some(FlatResult::Call { gas_used, output: frame.output.clone() })
        }
        _ => None,
    };
    let error = frame.error.as_deref().map(|error| parity_words(error, frame.is_precompile()).to_owned());
    FlatTrace { action, error, result, subtraces: 0, trace_address: Vec::new(), kind }
}

/// Returns Parity's words for a failure that geth has these for.
fn parity_words(error: &str, is_precompile: bool) -> &str {
    match error {
        super::frame::REVERTED => "Reverted",
        _ if is_precompile => "Built-in failed",
        out if out.starts_with("out of gas") => "Out of gas",
        "contract creation code storage out of gas" => "Out of gas",
        invalid if invalid.starts_with("invalid opcode") => "Bad instruction",
        "invalid jump destination" => "Bad jump destination",
        "stack underflow" => "Stack underflow",
        "stack limit reached" => "Out of stack",
        "write protection" => "Mutable Call In Static Context",
        "return data out of bounds" => "Out of bounds",
        other => other,
    }
}
