//! Why a call in the sandbox gave no answer.

use std::{collections::BTreeMap, fmt};

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolError;

use crate::runtime::{
    Console, ExecuteError, Executed, Failure, Status, halt_text, revert_reason, revert_text,
};

/// A call that gave no answer. One pointer wide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    kind: ErrorKind,
    failure: Option<Failure>,
    gas_used: u64,
    console: Console,
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The contract reverted with this output; a trap reverts with none.
    Reverted {
        /// What it reverted with.
        output: Bytes,
    },
    /// Execution halted and burned all gas. The text names the reason as geth does.
    Halted(String),
    /// The contract succeeded, but its output is not what the message expects; the text says what is.
    Answer(String),
    /// It was not executed at all; the text says why.
    NotRun(String),
}

impl Error {
    pub(super) fn failed(executed: Executed, labels: &BTreeMap<Address, String>) -> Self {
        let Executed { status, output, mut failure, gas_used, console, .. } = executed;
        if let Some(failure) = &mut failure {
            failure.label(|address| labels.get(&address).cloned());
        }
        let kind = match status {
            Status::Halted(words) => ErrorKind::Halted(words),
            Status::Reverted => ErrorKind::Reverted { output },
            Status::Success { .. } => ErrorKind::Answer("the creation made no contract".into()),
        };
        Self(Box::new(Details { kind, failure, gas_used, console }))
    }

    pub(super) fn answer(reason: String, executed: Executed) -> Self {
        let Executed { gas_used, console, .. } = executed;
        Self(Box::new(Details { kind: ErrorKind::Answer(reason), failure: None, gas_used, console }))
    }

    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(super) fn not_run(error: ExecuteError) -> Self {
        let kind = ErrorKind::NotRun(error.to_string());
        Self(Box::new(Details { kind, failure: None, gas_used: 0, console: Console::default() }))
    }

    /// Returns how the call failed.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns what a revert came with; of any other failure, nothing.
    pub fn output(&self) -> &[u8] {
        match &self.0.kind {
            ErrorKind::Reverted { output } => output,
            _ => &[],
        }
    }

    /// Returns the reason of a revert with `Error(string)` or `Panic(uint256)`.
    pub fn reason(&self) -> Option<String> {
        revert_reason(self.output())
    }

    /// Returns the custom error of a revert, if it is this one.
    pub fn revert<E: SolError>(&self) -> Option<E> {
        E::abi_decode_validate(self.output()).ok()
    }

    /// Returns what happened and where, if the output does not say it: of traps, refused modules, empty gas.
    pub fn failure(&self) -> Option<&Failure> {
        self.0.failure.as_ref()
    }

    /// Returns the gas that the failed transaction used.
    pub fn gas_used(&self) -> u64 {
        self.0.gas_used
    }

    /// Returns what contracts printed before it failed.
    pub fn console(&self) -> &Console {
        &self.0.console
    }
}

/// What happened, then what was printed, a line each.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = self.0.failure.as_ref();
        match &self.0.kind {
            ErrorKind::Reverted { output } => {
                let reason = revert_reason(output);
                f.write_str(&revert_text(reason.as_deref(), failure))?;
                if reason.is_none() && !output.is_empty() {
                    write!(f, " with {output}")?;
                }
            }
            ErrorKind::Halted(words) => f.write_str(&halt_text(words, failure))?,
            ErrorKind::Answer(reason) | ErrorKind::NotRun(reason) => f.write_str(reason)?,
        }
        for line in &self.0.console.lines {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
