//! The instructions of EVM frames, as geth's default tracer shows them, and the loop that runs frames one instruction
//! at a time while anybody wants to see them.

use std::{collections::BTreeMap, fmt::Write};

use alloy_primitives::{Address, U256, hex};
use lathe_gas::Pace;
use revm::{
    bytecode::opcode::{self, OpCode},
    interpreter::{
        GasTable, InstructionResult, InstructionTable, Interpreter, InterpreterAction,
        interpreter::EthInterpreter,
        interpreter_types::{Jumps, LoopControl, MemoryTr},
    },
};

use super::{
    super::{
        evm::Ctx,
        time_limit::{TimeLimit, run_evm},
    },
    Recorder, Recording, RecordingTooLong, STEPS_BYTES_MAX,
    frame::{REVERTED, frame_error},
};

/// Instructions after which code that is watched asks whether to go on: a millisecond, as writing each down takes most of it.
const SLICE_STEPS: u32 = 1_000;

/// What is shown of each instruction, and of how many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StructLogOptions {
    /// How many instructions are shown; none is all.
    pub limit: Option<u64>,
    /// Whether memory is shown.
    pub memory: bool,
    /// Whether the stack is not.
    pub no_stack: bool,
    /// Whether storage is not.
    pub no_storage: bool,
    /// Whether it is shown what the last call returned.
    pub return_data: bool,
}

/// Instructions being written.
#[derive(Debug, Default)]
pub(in super::super) struct StructLogs {
    options: StructLogOptions,
    text: String,
    count: u64,
    /// Set when the limit of bytes is reached.
    is_full: bool,
    /// Slots that instructions have read or written so far.
    storage: BTreeMap<Address, BTreeMap<U256, U256>>,
    /// For each open EVM or Wasm frame the refunds of those around it.
    refunds: Vec<i64>,
    refund: i64,
}

/// What is known of an instruction before it executes.
struct Before {
    pc: usize,
    opcode: u8,
    gas: u64,
    refund: i64,
    /// Stack, memory and return data as members of a JSON object.
    shown: String,
    /// The slot that it reads or writes.
    slot: Option<U256>,
    /// The value that it writes there.
    written: Option<U256>,
}

impl StructLogs {
    pub(super) fn new(options: StructLogOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Returns whether there is room for another instruction, and it is wanted.
    pub(super) fn wants_more(&self) -> bool {
        !self.is_full && self.options.limit.is_none_or(|limit| self.count < limit)
    }

    pub(super) fn end_frame(&mut self, is_ok: bool) {
        // A frame that fails takes its refunds with it.
        if let Some(before) = self.refunds.pop()
            && !is_ok
        {
            self.refund = before;
        }
    }

    fn before(&self, interpreter: &Interpreter<EthInterpreter>) -> Before {
        let options = &self.options;
        let opcode = interpreter.bytecode.opcode();
        let stack = interpreter.stack.data();
        let mut shown = String::new();
        // Writing to a string does not fail.
        if !options.no_stack {
            let _ = write!(shown, r#","stack":["#);
            for (index, word) in stack.iter().enumerate() {
                let _ = write!(shown, r#"{}"{word:#x}""#, if index == 0 { "" } else { "," });
            }
            shown.push(']');
        }
        if options.return_data && !interpreter.return_data.0.is_empty() {
            let _ = write!(shown, r#","returnData":"{}""#, interpreter.return_data.0);
        }
        let size = interpreter.memory.size();
        if options.memory && size > 0 {
            let memory = interpreter.memory.slice(0..size);
            let _ = write!(shown, r#","memory":["#);
            for (index, word) in memory.chunks(32).enumerate() {
                let _ = write!(shown, r#"{}"{}""#, if index == 0 { "" } else { "," }, hex::encode(word));
            }
            shown.push(']');
        }
        let top = |depth: usize| stack.len().checked_sub(depth + 1).map(|index| stack[index]);
        let touches = !options.no_storage && matches!(opcode, opcode::SLOAD | opcode::SSTORE);
        Before {
            pc: interpreter.bytecode.pc(),
            opcode,
            gas: interpreter.gas.remaining(),
            refund: interpreter.gas.refunded(),
            shown,
            slot: touches.then(|| top(0)).flatten(),
            written: (opcode == opcode::SSTORE).then(|| top(1)).flatten(),
        }
    }

    fn after(
        &mut self,
        before: &Before,
        interpreter: &Interpreter<EthInterpreter>,
        result: Result<(), InstructionResult>,
        static_gas: u64,
        depth: usize,
    ) {
        let Before { pc, opcode, gas, shown, .. } = before;
        // A call that waits for its frame has not failed.
        let end = result.err().filter(|end| *end != InstructionResult::Suspend);
        let error = end.and_then(|end| frame_error(end, false));
        let is_halt = error.as_deref().is_some_and(|error| error != REVERTED);
        let cost = match is_halt {
            // What could not be paid is not known further than that.
            true if static_gas > *gas => static_gas,
            true if error.as_deref().is_some_and(|error| error.starts_with("out of gas")) => *gas,
            true => static_gas,
            false => gas - interpreter.gas.remaining(),
        };
        let name = match OpCode::new(*opcode) {
            Some(opcode) => opcode.as_str().to_owned(),
            None => format!("opcode {opcode:#x} not defined"),
        };
        let separator = if self.count == 0 { "" } else { "," };
        let _ = write!(
            self.text,
            r#"{separator}{{"pc":{pc},"op":"{name}","gas":{gas},"gasCost":{cost},"depth":{depth}"#
        );
        if let Some(error) = error.filter(|_| is_halt) {
            let _ = write!(self.text, r#","error":"{error}""#);
        }
        self.text.push_str(shown);
        if let Some(slot) = before.slot.filter(|_| !is_halt) {
            let value = before.written.or_else(|| interpreter.stack.data().last().copied());
            let storage = self.storage.entry(interpreter.input.target_address).or_default();
            storage.insert(slot, value.unwrap_or_default());
            self.text.push_str(r#","storage":{"#);
            for (index, (slot, value)) in storage.iter().enumerate() {
                let separator = if index == 0 { "" } else { "," };
                let _ = write!(self.text, r#"{separator}"{slot:064x}":"{value:064x}""#);
            }
            self.text.push('}');
        }
        let refund = self.refund + before.refund;
        if refund > 0 {
            let _ = write!(self.text, r#","refund":{refund}"#);
        }
        self.text.push('}');
        self.count += 1;
        if self.text.len() > STEPS_BYTES_MAX {
            (self.is_full, self.text) = (true, String::new());
        }
    }

    pub(super) fn finish(self) -> Result<String, RecordingTooLong> {
        if self.is_full { Err(RecordingTooLong::StructLogs) } else { Ok(self.text) }
    }
}

/// Runs an EVM frame as revm does, and shows each instruction to whoever wants to see it.
pub(in super::super) fn run<DB: revm::Database>(
    recorder: &mut Recorder,
    interpreter: &mut Interpreter<EthInterpreter>,
    instructions: &InstructionTable<EthInterpreter, Ctx<DB>>,
    gas_table: &GasTable,
    ctx: &mut Ctx<DB>,
    depth: usize,
    limit: Option<&TimeLimit>,
) -> InterpreterAction {
    let watch = recorder.watch();
    let mut steps_left = SLICE_STEPS;
    while recorder.steps_evm() {
        if let (0, Some(limit)) = (steps_left, limit) {
            if !limit.go_on() {
                interpreter.halt(InstructionResult::OutOfGas);
                return interpreter.take_next_action();
            }
            steps_left = SLICE_STEPS;
        }
        steps_left = steps_left.saturating_sub(1);
        let opcode = interpreter.bytecode.opcode();
        let before = recorder.struct_logs().map(|logs| logs.before(interpreter));
        if let Some(watch) = &watch {
            watch.borrow_mut().begin_opcode(opcode, interpreter.gas.remaining());
        }
        let result = interpreter.step(instructions, gas_table, ctx);
        if let (Some(before), Some(logs)) = (before, recorder.struct_logs()) {
            logs.after(&before, interpreter, result, gas_table[usize::from(opcode)].into(), depth);
        }
        let Err(end) = result else { continue };
        // What a halt burns and what a child is given is no cost of the instruction.
        if let Some(watch) = watch
            && end.is_ok_or_revert()
            && !matches!(interpreter.bytecode.action(), Some(InterpreterAction::NewFrame(_)))
        {
            watch.borrow_mut().end_opcode(interpreter.gas.remaining());
        }
        if interpreter.bytecode.action().is_none() {
            interpreter.halt(end);
        }
        return interpreter.take_next_action();
    }
    match limit {
        None => interpreter.run_plain(instructions, gas_table, ctx),
        Some(limit) => run_evm(interpreter, instructions, gas_table, ctx, limit),
    }
}

impl Recording {
    /// Returns the JSON of geth's default tracer, if the instructions were captured.
    pub fn to_struct_logs_json(&self) -> Option<String> {
        let logs = self.struct_logs.as_ref()?;
        Some(format!(r#"{{{},"structLogs":[{logs}]}}"#, self.outline_json()))
    }
}
