//! A frame of a recording: who called whom with what, and how it ended.

use std::borrow::Cow;

use alloy_primitives::{Address, Bytes, U256};
use revm::{
    context_interface::{CreateScheme, result::HaltReason},
    interpreter::{CallInputs, CallScheme, CreateInputs, InstructionResult, SuccessOrHalt},
};

use super::super::execute::halt_words;

/// geth's words for a frame that reverted.
pub(super) const REVERTED: &str = "execution reverted";

/// A frame, of either engine, precompiled contracts and calls that found no code included.
#[derive(Debug, Clone)]
pub struct Frame {
    /// How it was asked for.
    pub kind: FrameKind,
    /// Who asked for it: for a delegate call the account it runs in.
    pub caller: Address,
    /// The account whose code runs, or the contract that is created.
    pub address: Address,
    /// Wei that it was sent, or that its caller was if it is a delegate call; none if it could have none.
    pub value: Option<U256>,
    /// Gas that it was given.
    pub gas: u64,
    /// Gas that it did not give back.
    pub gas_used: u64,
    /// Calldata or creation data.
    pub input: Bytes,
    /// What it returned or reverted with; code, if it created a contract.
    pub output: Bytes,
    /// Why it failed, in geth's words.
    pub error: Option<Cow<'static, str>>,
    /// What is known beyond that: where a program trapped, or why code was refused.
    pub reason: Option<String>,
    /// What ran it; none if there was nothing to run.
    pub engine: Option<FrameEngine>,
}

/// What runs a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameEngine {
    /// The VM.
    Wasm,
    /// The EVM.
    Evm,
    /// The node itself: a precompiled contract.
    Precompile,
}

impl FrameEngine {
    /// Returns the engine's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Evm => "evm",
            Self::Precompile => "precompile",
        }
    }
}

/// How a frame was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A call.
    Call,
    /// A call of another account's code in the caller's account, as a caller of itself.
    CallCode,
    /// A call of another account's code in the caller's account, for the caller's caller.
    DelegateCall,
    /// A call that may not change state.
    StaticCall,
    /// A creation.
    Create,
    /// A creation at an address that its salt decides.
    Create2,
    /// No frame: an account gave its balance away and, where the rules say so, ended.
    SelfDestruct,
}

impl FrameKind {
    /// Returns the name of the EVM's instruction that asks for such a frame.
    pub fn opcode(self) -> &'static str {
        match self {
            Self::Call => "CALL",
            Self::CallCode => "CALLCODE",
            Self::DelegateCall => "DELEGATECALL",
            Self::StaticCall => "STATICCALL",
            Self::Create => "CREATE",
            Self::Create2 => "CREATE2",
            Self::SelfDestruct => "SELFDESTRUCT",
        }
    }

    /// Returns whether such a frame creates a contract.
    pub fn is_creation(self) -> bool {
        matches!(self, Self::Create | Self::Create2)
    }
}

impl Frame {
    /// Returns a frame that has yet to run.
    fn new(kind: FrameKind, caller: Address, address: Address, value: Option<U256>, gas: u64) -> Self {
        Self {
            kind,
            caller,
            address,
            value,
            gas,
            gas_used: 0,
            input: Bytes::new(),
            output: Bytes::new(),
            error: None,
            reason: None,
            engine: None,
        }
    }

    /// Returns the frame of a call.
    pub(super) fn call(inputs: &CallInputs) -> Self {
        let value = Some(inputs.value.get());
        let (kind, caller, value) = match inputs.scheme {
            CallScheme::Call => (FrameKind::Call, inputs.caller, value),
            CallScheme::CallCode => (FrameKind::CallCode, inputs.caller, value),
            CallScheme::DelegateCall => (FrameKind::DelegateCall, inputs.target_address, value),
            CallScheme::StaticCall => (FrameKind::StaticCall, inputs.caller, None),
        };
        Self::new(kind, caller, inputs.bytecode_address, value, inputs.gas_limit)
    }

    /// Returns the frame of a creation, whose address is yet to be known.
    pub(super) fn creation(inputs: &CreateInputs) -> Self {
        let kind = match inputs.scheme() {
            CreateScheme::Create2 { .. } => FrameKind::Create2,
            _ => FrameKind::Create,
        };
        Self::new(kind, inputs.caller(), Address::ZERO, Some(inputs.value()), inputs.gas_limit())
    }

    /// Returns what stands for an account that gives its balance away.
    pub(super) fn self_destruct(contract: Address, beneficiary: Address, balance: U256) -> Self {
        Self::new(FrameKind::SelfDestruct, contract, beneficiary, Some(balance), 0)
    }

    /// Returns whether a precompiled contract was called.
    pub fn is_precompile(&self) -> bool {
        self.engine == Some(FrameEngine::Precompile)
    }

    /// Returns whether it reverted.
    pub fn is_reverted(&self) -> bool {
        self.error.as_deref() == Some(REVERTED)
    }

    /// Returns the contract that it created.
    pub fn created(&self) -> Option<Address> {
        (self.kind.is_creation() && self.error.is_none()).then_some(self.address)
    }
}

/// Returns geth's words for how a frame failed; `trapped` if an EEI contract did, which geth has no words for.
pub(super) fn frame_error(result: InstructionResult, trapped: bool) -> Option<Cow<'static, str>> {
    match SuccessOrHalt::<HaltReason>::from(result) {
        SuccessOrHalt::Success(_) => None,
        SuccessOrHalt::Revert => Some(REVERTED.into()),
        SuccessOrHalt::Halt(reason) => Some(halt_words(&reason, trapped).into()),
        other => Some(format!("{other:?}").into()),
    }
}
