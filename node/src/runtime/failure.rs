//! Why an execution failed, told as a debugger would: what happened, in which functions of which contracts.
//!
//! A failure travels beside consensus: in the RPC error, the log and the receipt's record. It is about the frame that
//! failed first, and grows by the frames that called it as long as they fail, too. A frame that succeeds has dealt with
//! whatever failed inside.

use std::fmt;

use alloy_primitives::Address;
use alloy_sol_types::{GenericContractError, SolInterface};
use lathe_vm::{Trap, TrapFrame, TrapKind, demangle};
use serde::{Serialize, Serializer};

/// Contracts that a failure's stack shows. Each is a frame of the call, with its innermost functions.
pub const FAILURE_CONTRACTS_MAX: usize = 32;
/// Things wrong with a module that a failure lists.
pub const VIOLATIONS_MAX: usize = 32;

/// Why an execution failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What there is to say beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the contract printed last, before it failed: a panic's text, where the contract prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub printed: Option<String>,
    /// Everything that is wrong with a module that was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
    /// Where it happened, the innermost contract first, at most [`FAILURE_CONTRACTS_MAX`].
    pub stack: Vec<ContractFrame>,
    /// How many contracts more there are further out.
    #[serde(skip_serializing_if = "is_zero")]
    pub stack_omitted: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A program trapped.
    Trap(TrapKind),
    /// Code or creation data was refused.
    Refused,
    /// A module could not be instantiated.
    Instantiation,
    /// A module could not be loaded.
    Load,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(kind) => write!(f, "wasm trap: {kind}"),
            Self::Refused => f.write_str("refused"),
            Self::Instantiation => f.write_str("instantiation"),
            Self::Load => f.write_str("loading the code"),
        }
    }
}

impl Serialize for FailureKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A contract that was running when something failed in it or below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractFrame {
    /// The account.
    pub contract: Address,
    /// A name that whoever shows the failure gave to the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where its code comes from, if that is another account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Address>,
    /// The functions that were running, the innermost first; none for EVM code, and before the first instruction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionFrame>,
    /// The byte of EVM code that was running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pc: Option<u64>,
}

/// A function that was running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionFrame {
    /// Its index in the module.
    pub index: u32,
    /// The instruction, in bytes from the beginning of the module.
    pub offset: u32,
    /// Its name, if the module says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl From<&TrapFrame> for FunctionFrame {
    fn from(frame: &TrapFrame) -> Self {
        let name = frame.name.as_ref().map(|name| demangle(name).escape_debug().to_string());
        Self { index: frame.function, offset: frame.offset, name }
    }
}

impl fmt::Display for FunctionFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.index)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, " at {:#x}", self.offset)
    }
}

impl Failure {
    /// Returns the failure of a trap in a contract that printed `printed` last.
    pub(super) fn trap(
        trap: &Trap,
        detail: Option<String>,
        printed: Option<&str>,
        account: ContractFrame,
    ) -> Self {
        let functions = trap.backtrace.iter().map(FunctionFrame::from).collect();
        Self {
            kind: FailureKind::Trap(trap.kind),
            detail,
            printed: printed.map(str::to_owned),
            violations: Vec::new(),
            stack: vec![ContractFrame { functions, ..account }],
            stack_omitted: 0,
        }
    }

    /// Returns a failure before the first instruction of a contract.
    pub(super) fn early(kind: FailureKind, detail: String, account: ContractFrame) -> Self {
        Self {
            kind,
            detail: Some(detail),
            printed: None,
            violations: Vec::new(),
            stack: vec![account],
            stack_omitted: 0,
        }
    }

    /// Adds the contract that called the outermost one so far.
    pub(super) fn called_from(&mut self, caller: impl FnOnce() -> ContractFrame) {
        if self.stack.len() < FAILURE_CONTRACTS_MAX {
            self.stack.push(caller());
        } else {
            self.stack_omitted += 1;
        }
    }

    /// Gives contracts the names that `label` knows.
    pub fn label(&mut self, label: impl Fn(Address) -> Option<String>) {
        for frame in &mut self.stack {
            frame.label = label(frame.contract);
        }
    }
}

impl fmt::Display for ContractFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.functions[..], self.pc) {
            ([], None) => {}
            ([], Some(pc)) => write!(f, "EVM code at {pc:#x}, ")?,
            (functions, _) => {
                for (index, function) in functions.iter().enumerate() {
                    write!(f, "{}{function}", if index == 0 { "" } else { ", called by " })?;
                }
                f.write_str(", ")?;
            }
        }
        write!(f, "contract {}", self.contract)?;
        if let Some(label) = &self.label {
            write!(f, " `{label}`")?;
        }
        match self.code {
            Some(code) => write!(f, " (code of {code})"),
            None => Ok(()),
        }
    }
}

/// One line; a list of violations takes a line each.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.detail) {
            // The refusal's own words say what was refused.
            (FailureKind::Refused, Some(detail)) => f.write_str(detail)?,
            (kind, None) => write!(f, "{kind}")?,
            (kind, Some(detail)) => write!(f, "{kind}: {detail}")?,
        }
        if let [_, _, ..] = self.violations[..] {
            write!(f, "; all that is wrong with the module:")?;
            for (number, violation) in self.violations.iter().enumerate() {
                write!(f, "\n  {}. {violation}", number + 1)?;
            }
            f.write_str("\n")?;
        }
        if let Some(printed) = &self.printed {
            write!(f, " after printing {printed:?}")?;
        }
        for (index, contract) in self.stack.iter().enumerate() {
            write!(f, "{}{contract}", if index == 0 { " in " } else { ", called from " })?;
        }
        if self.stack_omitted > 0 {
            write!(f, ", called from {} more contracts", self.stack_omitted)?;
        }
        Ok(())
    }
}

/// Returns the reason in the output of a revert, if it is a Solidity `Error(string)` or `Panic(uint256)`.
pub fn revert_reason(output: &[u8]) -> Option<String> {
    match GenericContractError::abi_decode(output).ok()? {
        GenericContractError::Revert(revert) => Some(revert.reason),
        GenericContractError::Panic(panic) => Some(panic.to_string()),
        GenericContractError::CustomError(never) => match never {},
    }
}

/// Returns geth's words for a revert, and what is known beyond them.
pub fn revert_text(reason: Option<&str>, failure: Option<&Failure>) -> String {
    match (reason, failure) {
        (Some(reason), _) => format!("execution reverted: {reason}"),
        (None, Some(failure)) => format!("execution reverted: {failure}"),
        (None, None) => "execution reverted".into(),
    }
}

/// Returns what is known of a halt: geth's words, and what is behind them.
pub fn halt_text(words: &str, failure: Option<&Failure>) -> String {
    failure.map_or_else(|| words.to_owned(), |failure| format!("{words}: {failure}"))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, hex};
    use alloy_sol_types::{Panic, Revert, SolError};

    use super::*;

    #[test]
    fn reverts_say_their_reason() {
        assert_eq!(revert_reason(&Revert::from("too late").abi_encode()).as_deref(), Some("too late"));
        let panic = revert_reason(&Panic { code: U256::from(0x11) }.abi_encode()).expect("a panic has words");
        assert!(panic.contains("overflow"), "{panic}");
        for opaque in [&[][..], &hex!("08c379a0"), &hex!("deadbeef00")] {
            assert_eq!(revert_reason(opaque), None);
        }
    }

    #[test]
    fn a_stack_is_bounded() {
        let frame = |byte| ContractFrame {
            contract: Address::repeat_byte(byte),
            label: None,
            code: None,
            functions: Vec::new(),
            pc: None,
        };
        let mut failure = Failure::early(FailureKind::Refused, "no".into(), frame(0));
        for byte in 1..=100 {
            failure.called_from(|| frame(byte));
        }
        assert_eq!((failure.stack.len(), failure.stack_omitted), (FAILURE_CONTRACTS_MAX, 69));
        assert!(failure.to_string().ends_with("called from 69 more contracts"), "{failure}");
    }
}
