//! From the body of a function to [`Code`], in one pass that also validates it.
//!
//! Each operator is checked against features and limits, then validated, then, unless nothing can reach it,
//! translated. A **label** is an open block; branches to its end are patched when the end comes.

use super::{Code, FUNCTION_END, LANDING, Op, Target};
use crate::features::{operator_name, proposal_of};
use crate::module::Definition;
use crate::module_error::ModuleErrorKind;
use crate::{Limit, ModuleError, Rules};
use alloc::vec::Vec;
use lathe_gas::{Instruction, ValueType};
use wasmparser::{BlockType, FuncValidator, FunctionBody, MemArg, Operator, ValType, ValidatorResources};

type Validator = FuncValidator<ValidatorResources>;

/// Translates the functions of one module, one after another.
pub(crate) struct Translator<'a> {
    rules: &'a Rules,
    /// Values carried by the branch tables seen so far, for [`Limit::BranchValues`].
    branch_values: u64,
}

/// An open block.
struct Label {
    /// Whether a branch to it goes back to its beginning.
    is_loop: bool,
    /// Whether the block itself can be reached.
    reachable: bool,
    /// Operands below those of the block.
    height: u32,
    params: Arity,
    results: Arity,
    /// The first instruction of a loop.
    start: u32,
    /// Branches that wait for the end.
    patches: Vec<Patch>,
    /// The `if` that waits for its `else` or its end.
    condition: Option<usize>,
}

/// A number of values, and of slots when vectors count twice.
#[derive(Clone, Copy, Default)]
struct Arity {
    values: u16,
    slots: u32,
}

#[derive(Clone, Copy)]
enum Patch {
    Op(usize),
    Target(usize),
}

/// The function under translation.
struct Body<'a> {
    rules: &'a Rules,
    module: &'a Definition,
    labels: Vec<Label>,
    ops: Vec<Op>,
    offsets: Vec<u32>,
    targets: Vec<Target>,
    vectors: Vec<u128>,
    /// For each operand the slots of it and those below, so that the height in slots is the last.
    slots: Vec<u32>,
    slots_max: u32,
    height_max: u32,
    reachable: bool,
    results: Arity,
}

impl<'a> Translator<'a> {
    pub(crate) fn new(rules: &'a Rules) -> Self {
        Self { rules, branch_values: 0 }
    }

    /// Validates and translates a function.
    pub(crate) fn function(
        &mut self,
        module: &Definition,
        validator: &mut Validator,
        body: &FunctionBody<'_>,
    ) -> Result<Code, ModuleError> {
        let ty = module.function_type(validator.index());
        let params = arity(ty.params());
        let results = arity(ty.results());
        let (locals, local_slots) = self.locals(validator, body)?;
        let mut state = Body {
            rules: self.rules,
            module,
            labels: Vec::new(),
            ops: Vec::new(),
            offsets: Vec::new(),
            targets: Vec::new(),
            vectors: Vec::new(),
            slots: Vec::new(),
            slots_max: 0,
            height_max: 0,
            reachable: true,
            results,
        };
        state.open(false, 0, Arity::default(), results);
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let offset = reader.original_position();
            let operator = reader.read()?;
            self.check(&operator, validator, module, offset)?;
            state.operator(validator, &operator, offset)?;
        }
        reader.finish()?;
        let schedule = self.rules.schedule;
        Ok(Code {
            ops: state.ops.into(),
            offsets: state.offsets.into(),
            targets: state.targets.into(),
            vectors: state.vectors.into(),
            params: params.values.into(),
            locals,
            results: results.values.into(),
            height: u32::from(params.values) + locals + state.height_max,
            slots: params.slots.saturating_add(local_slots).saturating_add(state.slots_max),
            entry_ink: u64::from(schedule.function_entry)
                + u64::from(schedule.local_zeroed) * u64::from(local_slots),
        })
    }

    /// Declares the locals. Returns how many values and slots they are.
    fn locals(&self, validator: &mut Validator, body: &FunctionBody<'_>) -> Result<(u32, u32), ModuleError> {
        let (mut values, mut slots) = (0u64, 0u64);
        let mut reader = body.get_locals_reader()?;
        for _ in 0..reader.get_count() {
            let offset = reader.original_position();
            let (count, ty) = reader.read()?;
            values += u64::from(count);
            slots += u64::from(count) * u64::from(slots_of(ty));
            // Before the validator makes room for them.
            crate::module::check_limit(self.rules, Limit::Locals, slots, offset)?;
            validator.define_locals(offset, count, ty)?;
        }
        Ok((narrow(values), narrow(slots)))
    }

    /// Refuses operators that the rules leave out, and those whose validation would take more than linear time.
    fn check(
        &mut self,
        operator: &Operator<'_>,
        validator: &Validator,
        module: &Definition,
        offset: u64,
    ) -> Result<(), ModuleError> {
        if let Some(proposal) = proposal_of(operator)
            && !self.rules.features.contains(proposal)
        {
            let item = operator_name(operator);
            return Err(ModuleError::new(ModuleErrorKind::Proposal { proposal, item }, offset));
        }
        let limit = |limit, actual| crate::module::check_limit(self.rules, limit, actual, offset);
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                limit(Limit::Nesting, u64::from(validator.control_stack_height()) + 1)
            }
            Operator::BrTable { targets } => {
                limit(Limit::BranchTargets, targets.len().into())?;
                // An index out of range is left to the validator, which checks it before anything else.
                let depth = targets.default() as usize;
                let carried = validator.get_control_frame(depth).map_or(0, |frame| match frame.block_type {
                    BlockType::Empty => 0,
                    BlockType::Type(_) => u64::from(frame.kind != wasmparser::FrameKind::Loop),
                    BlockType::FuncType(index) => {
                        let ty = &module.types[index as usize];
                        let is_loop = frame.kind == wasmparser::FrameKind::Loop;
                        if is_loop { ty.params().len() as u64 } else { ty.results().len() as u64 }
                    }
                });
                self.branch_values += (u64::from(targets.len()) + 1) * carried;
                limit(Limit::BranchValues, self.branch_values)
            }
            _ => Ok(()),
        }
    }
}

impl Body<'_> {
    fn operator(
        &mut self,
        validator: &mut Validator,
        operator: &Operator<'_>,
        offset: u64,
    ) -> Result<(), ModuleError> {
        let height = validator.operand_stack_height();
        let pushed = operator.operator_arity(validator).map_or(0, |(_, pushed)| pushed);
        validator.op(offset, operator)?;
        self.count_slots(validator, pushed, offset)?;
        let position = narrow(offset);
        match operator {
            Operator::Block { blockty } => {
                self.emit(Instruction::Block, position, 0, 0);
                let (params, results) = self.block_arity(*blockty);
                self.open(false, height.saturating_sub(params.values.into()), params, results);
            }
            Operator::Loop { blockty } => {
                self.emit(Instruction::Loop, position, 0, 0);
                let (params, results) = self.block_arity(*blockty);
                self.open(true, height.saturating_sub(params.values.into()), params, results);
            }
            Operator::If { blockty } => {
                let (params, results) = self.block_arity(*blockty);
                let condition = self.emit(Instruction::If, position, 0, 0);
                self.open(false, height.saturating_sub(u32::from(params.values) + 1), params, results);
                if let Some(label) = self.labels.last_mut() {
                    label.condition = condition;
                }
            }
            Operator::Else => {
                let jump = self.emit(Instruction::Else, position, 0, 0);
                let next = self.next();
                if let Some(label) = self.labels.last_mut() {
                    label.patches.extend(jump.map(Patch::Op));
                    if let Some(condition) = label.condition.take() {
                        self.ops[condition].immediate = Target { pc: next, height: 0 }.pack();
                    }
                    self.reachable = label.reachable;
                }
            }
            Operator::End => self.end(position),
            Operator::Br { relative_depth } => {
                self.branch(Instruction::Br, *relative_depth, position);
                self.reachable = false;
            }
            Operator::BrIf { relative_depth } => self.branch(Instruction::BrIf, *relative_depth, position),
            Operator::BrTable { targets } => {
                self.branch_table(targets, position)?;
                self.reachable = false;
            }
            Operator::Return => {
                let moved = self.moved(self.results.slots);
                self.emit_dearer(Instruction::Return, position, 0, 0, moved);
                self.reachable = false;
            }
            Operator::Unreachable => {
                self.emit(Instruction::Unreachable, position, 0, 0);
                self.reachable = false;
            }
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                let params = arity(self.module.function_type(*function_index).params());
                let moved = self.moved(params.slots);
                let tail = matches!(operator, Operator::ReturnCall { .. });
                let instruction = if tail { Instruction::ReturnCall } else { Instruction::Call };
                self.emit_dearer(instruction, position, 0, u64::from(*function_index), moved);
                self.tail(tail, position);
            }
            Operator::CallIndirect { type_index, table_index }
            | Operator::ReturnCallIndirect { type_index, table_index } => {
                let params = arity(self.module.types[*type_index as usize].params());
                let moved = self.moved(params.slots);
                let tail = matches!(operator, Operator::ReturnCallIndirect { .. });
                let instruction =
                    if tail { Instruction::ReturnCallIndirect } else { Instruction::CallIndirect };
                let immediate = pair(self.module.canonical_types[*type_index as usize], *table_index);
                self.emit_dearer(instruction, position, 0, immediate, moved);
                self.tail(tail, position);
            }
            other => self.plain(other, position),
        }
        Ok(())
    }

    /// Translates an operator that goes on with the next one.
    fn plain(&mut self, operator: &Operator<'_>, position: u32) {
        let instruction = instruction_of(operator);
        let (lane, immediate) = match operator {
            Operator::V128Const { value } => (0, self.vector(u128::from_le_bytes(*value.bytes()))),
            Operator::I8x16Shuffle { lanes } => (0, self.vector(u128::from_le_bytes(*lanes))),
            other => immediates(other),
        };
        self.emit(instruction, position, lane, immediate);
    }

    fn vector(&mut self, vector: u128) -> u64 {
        if self.reachable {
            self.vectors.push(vector);
        }
        self.vectors.len().saturating_sub(1) as u64
    }

    /// Follows the height of the operand stack in slots.
    fn count_slots(&mut self, validator: &Validator, pushed: u32, offset: u64) -> Result<(), ModuleError> {
        let height = validator.operand_stack_height();
        self.slots.truncate(height.saturating_sub(pushed) as usize);
        while self.slots.len() < height as usize {
            let depth = height as usize - self.slots.len() - 1;
            let slots = validator.get_operand_type(depth).flatten().map_or(1, slots_of);
            self.slots.push(self.slots.last().copied().unwrap_or(0).saturating_add(slots));
        }
        let slots = self.slots.last().copied().unwrap_or(0);
        crate::module::check_limit(self.rules, Limit::OperandSlots, slots.into(), offset)?;
        self.slots_max = self.slots_max.max(slots);
        self.height_max = self.height_max.max(height);
        Ok(())
    }

    fn open(&mut self, is_loop: bool, height: u32, params: Arity, results: Arity) {
        self.labels.push(Label {
            is_loop,
            reachable: self.reachable,
            height,
            params,
            results,
            start: self.next(),
            patches: Vec::new(),
            condition: None,
        });
    }

    fn end(&mut self, position: u32) {
        let Some(label) = self.labels.pop() else { return };
        let last = self.labels.is_empty();
        if last {
            let schedule = self.rules.schedule;
            let ink =
                schedule.instruction(Instruction::Return).saturating_add(self.moved(label.results.slots));
            // The end of a function costs what `return` does.
            let step = schedule.instruction(Instruction::End);
            self.emit_dearer(Instruction::End, position, 0, 0, ink.saturating_sub(step));
            self.turn_last_into_return();
        } else {
            self.emit(Instruction::End, position, 0, 0);
        }
        let next = self.next();
        for patch in label.patches {
            match patch {
                Patch::Op(op) => {
                    let (_, height) = super::halves(self.ops[op].immediate);
                    self.ops[op].immediate = Target { pc: next, height }.pack();
                }
                Patch::Target(target) => self.targets[target].pc = next,
            }
        }
        if let Some(condition) = label.condition {
            self.ops[condition].immediate = Target { pc: next, height: 0 }.pack();
        }
        self.reachable = label.reachable;
        if last {
            // Where branches to the outermost label arrive; they have paid.
            self.landing(position);
        }
    }

    fn turn_last_into_return(&mut self) {
        if self.reachable
            && let Some(op) = self.ops.last_mut()
        {
            op.instruction = Instruction::Return;
            op.arity = FUNCTION_END;
        }
    }

    /// Emits a return that costs nothing.
    fn landing(&mut self, position: u32) {
        self.ops.push(Op { instruction: Instruction::Return, arity: LANDING, ink: 0, immediate: 0 });
        self.offsets.push(position);
    }

    /// Follows a tail call with a return, for callees that are the host's and have no frame to return from.
    fn tail(&mut self, tail: bool, position: u32) {
        if tail && self.reachable {
            self.landing(position);
            self.reachable = false;
        }
    }

    fn branch(&mut self, instruction: Instruction, depth: u32, position: u32) {
        let Some(index) = self.label(depth) else { return };
        let (arity, target, waits) = self.target(index);
        let moved = self.moved(arity.slots);
        let op = self.emit_dearer(instruction, position, arity.values, target.pack(), moved);
        if waits {
            self.labels[index].patches.extend(op.map(Patch::Op));
        }
    }

    fn branch_table(&mut self, targets: &wasmparser::BrTable<'_>, position: u32) -> Result<(), ModuleError> {
        if !self.reachable {
            return Ok(());
        }
        let first = narrow(self.targets.len() as u64);
        let mut carried = Arity::default();
        let default = targets.default();
        for depth in targets.targets().chain([Ok(default)]) {
            let Some(index) = self.label(depth?) else { continue };
            let (arity, target, waits) = self.target(index);
            if waits {
                self.labels[index].patches.push(Patch::Target(self.targets.len()));
            }
            self.targets.push(target);
            carried = arity;
        }
        let moved = self.moved(carried.slots);
        let immediate = pair(first, targets.len());
        self.emit_dearer(Instruction::BrTable, position, carried.values, immediate, moved);
        Ok(())
    }

    fn label(&self, depth: u32) -> Option<usize> {
        self.labels.len().checked_sub(depth as usize + 1)
    }

    /// Returns what a branch to a label carries, where it goes, and whether that is not known yet.
    fn target(&self, index: usize) -> (Arity, Target, bool) {
        let label = &self.labels[index];
        let arity = if label.is_loop { label.params } else { label.results };
        (arity, Target { pc: label.start, height: label.height }, !label.is_loop)
    }

    fn next(&self) -> u32 {
        narrow(self.ops.len() as u64)
    }

    fn moved(&self, slots: u32) -> u32 {
        self.rules.schedule.value_moved.saturating_mul(slots)
    }

    fn emit(&mut self, instruction: Instruction, position: u32, arity: u16, immediate: u64) -> Option<usize> {
        self.emit_dearer(instruction, position, arity, immediate, 0)
    }

    /// Emits an instruction that costs `more` than its class, if it can be reached. Returns its index.
    fn emit_dearer(
        &mut self,
        instruction: Instruction,
        position: u32,
        arity: u16,
        immediate: u64,
        more: u32,
    ) -> Option<usize> {
        if !self.reachable {
            return None;
        }
        let ink = self.rules.schedule.instruction(instruction).saturating_add(more);
        self.ops.push(Op { instruction, arity, ink, immediate });
        self.offsets.push(position);
        Some(self.ops.len() - 1)
    }

    fn block_arity(&self, ty: BlockType) -> (Arity, Arity) {
        match ty {
            BlockType::Empty => (Arity::default(), Arity::default()),
            BlockType::Type(ty) => (Arity::default(), Arity { values: 1, slots: slots_of(ty) }),
            BlockType::FuncType(index) => {
                let ty = &self.module.types[index as usize];
                (arity(ty.params()), arity(ty.results()))
            }
        }
    }
}

fn arity(types: &[ValueType]) -> Arity {
    let values = u16::try_from(types.len()).expect("the validator refuses more than 1,000 params or results");
    Arity { values, slots: types.iter().map(|ty| ty.slots()).sum() }
}

fn slots_of(ty: ValType) -> u32 {
    if ty == ValType::V128 { ValueType::V128.slots() } else { 1 }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number)
        .expect("the length of a module, and so every offset and count in it, fits in 32 bits")
}

/// Returns the instruction of the table that an operator is.
fn instruction_of(operator: &Operator<'_>) -> Instruction {
    macro_rules! convert {
        ($( #[doc = $doc:literal] $name:ident $text:literal $prefix:literal $number:literal $signature:tt $class:ident; )*) => {
            match operator {
                $( Operator::$name { .. } => Instruction::$name, )*
                other => unreachable!("{other:?} passed the check of features but is not in the instruction table"),
            }
        };
    }
    lathe_gas::for_each_instruction!(convert)
}

/// Returns the lane and the immediate of an operator that branches nowhere and calls nothing.
fn immediates(operator: &Operator<'_>) -> (u16, u64) {
    macro_rules! memory {
        ($( $access:ident )*; $( $lane_access:ident )*; $( $lane_only:ident )*) => {
            match operator {
                $( Operator::$access { memarg } => (0, offset(memarg)), )*
                $( Operator::$lane_access { memarg, lane } => (u16::from(*lane), offset(memarg)), )*
                $( Operator::$lane_only { lane } => (u16::from(*lane), 0), )*
                Operator::I32Const { value } => (0, value.cast_unsigned().into()),
                Operator::I64Const { value } => (0, value.cast_unsigned()),
                Operator::F32Const { value } => (0, value.bits().into()),
                Operator::F64Const { value } => (0, value.bits()),
                Operator::LocalGet { local_index: index }
                | Operator::LocalSet { local_index: index }
                | Operator::LocalTee { local_index: index }
                | Operator::GlobalGet { global_index: index }
                | Operator::GlobalSet { global_index: index }
                | Operator::RefFunc { function_index: index }
                | Operator::TableGet { table: index }
                | Operator::TableSet { table: index }
                | Operator::TableGrow { table: index }
                | Operator::TableSize { table: index }
                | Operator::TableFill { table: index }
                | Operator::ElemDrop { elem_index: index }
                | Operator::DataDrop { data_index: index }
                | Operator::MemoryInit { data_index: index, .. } => (0, u64::from(*index)),
                Operator::TableInit { elem_index, table } => (0, pair(*elem_index, *table)),
                Operator::TableCopy { dst_table, src_table } => (0, pair(*dst_table, *src_table)),
                _ => (0, 0),
            }
        };
    }
    memory!(
        I32Load I64Load F32Load F64Load I32Load8S I32Load8U I32Load16S I32Load16U I64Load8S I64Load8U I64Load16S
        I64Load16U I64Load32S I64Load32U I32Store I64Store F32Store F64Store I32Store8 I32Store16 I64Store8
        I64Store16 I64Store32 V128Load V128Load8x8S V128Load8x8U V128Load16x4S V128Load16x4U V128Load32x2S
        V128Load32x2U V128Load8Splat V128Load16Splat V128Load32Splat V128Load64Splat V128Load32Zero V128Load64Zero
        V128Store;
        V128Load8Lane V128Load16Lane V128Load32Lane V128Load64Lane V128Store8Lane V128Store16Lane V128Store32Lane
        V128Store64Lane;
        I8x16ExtractLaneS I8x16ExtractLaneU I8x16ReplaceLane I16x8ExtractLaneS I16x8ExtractLaneU I16x8ReplaceLane
        I32x4ExtractLane I32x4ReplaceLane I64x2ExtractLane I64x2ReplaceLane F32x4ExtractLane F32x4ReplaceLane
        F64x2ExtractLane F64x2ReplaceLane
    )
}

fn offset(memarg: &MemArg) -> u64 {
    memarg.offset
}
