//! Why frames fail, for people, and what else is known of a transaction besides its result.

use lathe_vm::Rules;
use revm::{
    Database,
    interpreter::{InstructionResult, InterpreterAction, interpreter_types::Jumps},
    primitives::Bytes,
};

use super::{
    super::{
        console::Console,
        failure::{ContractFrame, Failure, FailureKind},
        program::violations,
    },
    WasmEvm,
    run::{Run, WasmFrame},
};

/// What is known of a transaction's frames besides its result. Outside consensus.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    /// Why the frame that failed last did so, for people.
    pub(crate) failure: Option<Failure>,
    /// The index of the outermost frame in the failure's stack.
    failed_frame: usize,
    /// The code that was refused, if the failure is about that.
    pub(super) refused: Option<Bytes>,
    /// Whether any frame ran out of gas, also one whose caller went on.
    pub(crate) out_of_gas: bool,
    /// Whether code read how much gas it has left.
    pub(crate) gas_was_read: bool,
    /// Whether the frame that ran last is an EEI contract's that trapped.
    pub(crate) trapped: bool,
    /// What contracts printed.
    pub(crate) console: Console,
}

impl Notes {
    /// Takes note of why the frame with this index fails.
    fn fail(&mut self, index: usize, failure: Failure) {
        self.failure = Some(failure);
        self.failed_frame = index;
        self.refused = None;
    }

    /// Takes note of how the frame with this index ended.
    pub(super) fn take(&mut self, index: usize, result: InstructionResult) {
        use InstructionResult as R;
        match result {
            // Whatever failed inside, the frame has dealt with it.
            ok if ok.is_ok() && index <= self.failed_frame => self.failure = None,
            R::OutOfGas
            | R::MemoryOOG
            | R::MemoryLimitOOG
            | R::PrecompileOOG
            | R::InvalidOperandOOG
            | R::ReentrancySentryOOG => self.out_of_gas = true,
            _ => {}
        }
        // A frame below the failed one that fails, too, is another story: its output tells it.
        if !result.is_ok() && index > self.failed_frame {
            self.failure = None;
        }
    }

    /// Completes what is known once the transaction has ended: lists all that is wrong with a module that was refused.
    pub(super) fn complete(mut self, rules: &Rules) -> Self {
        if let (Some(failure), Some(code)) = (&mut self.failure, self.refused.take()) {
            failure.violations = violations(&code, rules);
        }
        self
    }
}

impl<DB: Database> WasmEvm<DB> {
    /// Takes note of why the frame with this index fails.
    pub(super) fn note_failure(&mut self, index: usize, failure: Failure) {
        if let Some(recorder) = &mut self.recorder {
            recorder.fail(|| failure.to_string());
        }
        self.notes.fail(index, failure);
    }

    /// Returns what a failure's stack shows of the top frame.
    pub(super) fn contract_frame(&mut self) -> ContractFrame {
        let input = &self.frame().interpreter.input;
        let contract = input.target_address;
        let code = input.bytecode_address.filter(|code| *code != contract);
        ContractFrame { contract, label: None, code, functions: Vec::new(), pc: None }
    }

    /// Takes note of why the top frame fails.
    pub(super) fn fail(&mut self, failure: Failure) {
        let index = self.inner.frame_stack.index().unwrap_or_default();
        self.note_failure(index, failure);
    }

    /// Adds the top frame to the stack of a failure that came from the frame with the index `ended`, which it called.
    pub(super) fn note_caller(&mut self, index: usize, ended: usize) {
        if self.notes.failure.is_none() || self.notes.failed_frame != ended {
            return;
        }
        let mut caller = self.contract_frame();
        match self.wasm.last() {
            Some(WasmFrame { index: at, run: Run::Entered(entered) }) if *at == index => {
                caller.functions = entered.machine.backtrace().iter().map(Into::into).collect();
            }
            _ => caller.pc = Some(self.frame().interpreter.bytecode.pc() as u64),
        }
        self.notes.failed_frame = index;
        if let Some(failure) = &mut self.notes.failure {
            failure.called_from(|| caller);
        }
    }

    /// Ends the top frame as an exceptional halt whose reason travels outside consensus.
    pub(super) fn refuse(&mut self, reason: String) -> InterpreterAction {
        let account = self.contract_frame();
        self.fail(Failure::early(FailureKind::Refused, reason, account));
        InterpreterAction::new_halt(
            InstructionResult::CreateContractStartingWithEF,
            self.frame().interpreter.gas,
        )
    }
}
