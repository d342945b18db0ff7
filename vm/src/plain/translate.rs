//! From the body of a valid function to [`Code`], in one pass.
//!
//! A **label** is an open block; branches to its end are patched when the end comes. Code that nothing can reach is left
//! out.

use super::{Code, FUNCTION_END, LANDING, Op, Target};
use crate::module::{Definition, value_type};
use crate::threaded::HEADER_SLOTS;
use alloc::vec::Vec;
use lathe_gas::{Instruction, Schedule, ValueType};
use wasmparser::{BlockType, MemArg, Operator};

/// What cannot fail here, because it did not fail before.
const VALID: &str = "the body was validated";

/// An open block.
struct Label<'a> {
    /// Whether a branch to it goes back to its beginning.
    is_loop: bool,
    /// Whether the block itself can be reached.
    reachable: bool,
    /// Operands below those of the block.
    height: usize,
    params: &'a [ValueType],
    results: &'a [ValueType],
    /// The first instruction of a loop.
    start: u32,
    /// Branches that wait for the end.
    patches: Vec<Patch>,
    /// The `if` that waits for its `else` or its end.
    condition: Option<usize>,
}

#[derive(Clone, Copy)]
enum Patch {
    Op(usize),
    Target(usize),
}

/// The function under translation.
struct Translator<'a> {
    definition: &'a Definition,
    schedule: &'static Schedule,
    results: &'a [ValueType],
    /// The type of each local, and its place counted from the first parameter.
    locals: Vec<(ValueType, u32)>,
    labels: Vec<Label<'a>>,
    ops: Vec<Op>,
    offsets: Vec<u32>,
    targets: Vec<Target>,
    vectors: Vec<u128>,
    /// The types of the operands, and the slots of each and those below.
    operands: Vec<(ValueType, u32)>,
    slots_max: u32,
    reachable: bool,
}

/// Translates a defined function.
pub(crate) fn translate(definition: &Definition, index: u32) -> Code {
    let ty = definition.function_type(index);
    let body = definition.body(index);
    let mut translator = Translator {
        definition,
        schedule: definition.schedule,
        results: ty.results(),
        locals: Vec::new(),
        labels: Vec::new(),
        ops: Vec::new(),
        offsets: Vec::new(),
        targets: Vec::new(),
        vectors: Vec::new(),
        operands: Vec::new(),
        slots_max: 0,
        reachable: true,
    };
    let mut place = 0;
    for &ty in ty.params() {
        translator.locals.push((ty, place));
        place += ty.slots();
    }
    let params = place;
    place += narrow(HEADER_SLOTS as u64);
    let first_local = place;
    for group in body.get_locals_reader().expect(VALID) {
        let (count, ty) = group.expect(VALID);
        let ty = value_type(ty, 0).expect(VALID);
        for _ in 0..count {
            translator.locals.push((ty, place));
            place += ty.slots();
        }
    }
    let locals = place - first_local;
    translator.open(false, &[], ty.results());
    let mut reader = body.get_operators_reader().expect(VALID);
    while !reader.eof() {
        let position = narrow(reader.original_position());
        translator.operator(&reader.read().expect(VALID), position);
    }
    let schedule = definition.schedule;
    Code {
        ops: translator.ops.into(),
        offsets: translator.offsets.into(),
        targets: translator.targets.into(),
        vectors: translator.vectors.into(),
        params,
        locals,
        results: slots_of(ty.results()),
        frame_slots: locals + translator.slots_max,
        entry_ink: u64::from(schedule.function_entry) + u64::from(schedule.local_zeroed) * u64::from(locals),
    }
}

impl<'a> Translator<'a> {
    fn operator(&mut self, operator: &Operator<'_>, position: u32) {
        match operator {
            Operator::Block { blockty } => {
                self.emit(Instruction::Block, position, 0, 0);
                let (params, results) = self.block_types(*blockty);
                self.open(false, params, results);
            }
            Operator::Loop { blockty } => {
                self.emit(Instruction::Loop, position, 0, 0);
                let (params, results) = self.block_types(*blockty);
                self.open(true, params, results);
            }
            Operator::If { blockty } => {
                self.pop(1);
                let (params, results) = self.block_types(*blockty);
                let condition = self.emit(Instruction::If, position, 0, 0);
                self.open(false, params, results);
                if let Some(label) = self.labels.last_mut() {
                    label.condition = condition;
                }
            }
            Operator::Else => self.otherwise(position),
            Operator::End => self.end(position),
            _ if !self.reachable => {}
            Operator::Br { relative_depth } => {
                self.branch(Instruction::Br, *relative_depth, position);
                self.reachable = false;
            }
            Operator::BrIf { relative_depth } => {
                self.pop(1);
                self.branch(Instruction::BrIf, *relative_depth, position);
            }
            Operator::BrTable { targets } => {
                self.branch_table(targets, position);
                self.reachable = false;
            }
            Operator::Return => {
                let moved = self.moved(self.results);
                self.emit_dearer(Instruction::Return, position, 0, 0, moved);
                self.reachable = false;
            }
            Operator::Unreachable => {
                self.emit(Instruction::Unreachable, position, 0, 0);
                self.reachable = false;
            }
            Operator::Call { function_index } => {
                let ty = self.definition.function_type(*function_index);
                let immediate = u64::from(*function_index);
                self.call(Instruction::Call, immediate, ty.params(), ty.results(), position);
            }
            Operator::ReturnCall { function_index } => {
                let params = self.definition.function_type(*function_index).params();
                let immediate = u64::from(*function_index);
                self.tail_call(Instruction::ReturnCall, immediate, params, position);
            }
            Operator::CallIndirect { type_index, table_index } => {
                let ty = &self.definition.types[*type_index as usize];
                let immediate = self.indirect(*type_index, *table_index);
                self.call(Instruction::CallIndirect, immediate, ty.params(), ty.results(), position);
            }
            Operator::ReturnCallIndirect { type_index, table_index } => {
                let params = self.definition.types[*type_index as usize].params();
                let immediate = self.indirect(*type_index, *table_index);
                self.tail_call(Instruction::ReturnCallIndirect, immediate, params, position);
            }
            other => self.plain(other, position),
        }
    }

    /// Translates an operator that goes on with the next one.
    fn plain(&mut self, operator: &Operator<'_>, position: u32) {
        let instruction = instruction_of(operator);
        let (lane, mut immediate) = match operator {
            Operator::V128Const { value } => (0, self.vector(u128::from_le_bytes(*value.bytes()))),
            Operator::I8x16Shuffle { lanes } => (0, self.vector(u128::from_le_bytes(*lanes))),
            other => immediates(other),
        };
        let (pops, pushed) = self.effect(operator, instruction);
        // What moves a value says how many slots that has.
        let arity = match operator {
            Operator::LocalGet { local_index: index }
            | Operator::LocalSet { local_index: index }
            | Operator::LocalTee { local_index: index } => {
                let (ty, place) = self.locals[*index as usize];
                immediate = place.into();
                ty.slots()
            }
            Operator::GlobalGet { global_index: index } | Operator::GlobalSet { global_index: index } => {
                self.definition.globals[*index as usize].ty.value.slots()
            }
            Operator::Drop => self.operand(0).slots(),
            Operator::Select | Operator::TypedSelect { .. } => self.operand(1).slots(),
            _ => lane.into(),
        };
        let arity = u16::try_from(arity).expect("values have two slots at most");
        self.emit(instruction, position, arity, immediate);
        self.pop(pops);
        for &ty in pushed {
            self.push(ty);
        }
    }

    /// Returns how many operands an operator takes, and the types of those it leaves.
    fn effect(&self, operator: &Operator<'_>, instruction: Instruction) -> (usize, &'static [ValueType]) {
        if let Some(signature) = instruction.signature() {
            return (signature.params.len(), signature.results);
        }
        match operator {
            Operator::Nop | Operator::ElemDrop { .. } | Operator::DataDrop { .. } => (0, &[]),
            Operator::Drop | Operator::LocalSet { .. } | Operator::GlobalSet { .. } => (1, &[]),
            Operator::LocalTee { .. } => (0, &[]),
            Operator::LocalGet { local_index } => (0, single(self.locals[*local_index as usize].0)),
            Operator::GlobalGet { global_index } => {
                (0, single(self.definition.globals[*global_index as usize].ty.value))
            }
            Operator::Select | Operator::TypedSelect { .. } => (3, single(self.operand(1))),
            Operator::RefNull { .. } | Operator::RefFunc { .. } => (0, &[ValueType::FuncRef]),
            Operator::RefIsNull => (1, &[ValueType::I32]),
            Operator::TableGet { .. } => (1, &[ValueType::FuncRef]),
            Operator::TableSet { .. } => (2, &[]),
            Operator::TableSize { .. } => (0, &[ValueType::I32]),
            Operator::TableGrow { .. } => (2, &[ValueType::I32]),
            Operator::TableFill { .. } => (3, &[]),
            _ => unreachable!("{instruction} is translated elsewhere or has a signature"),
        }
    }

    fn vector(&mut self, vector: u128) -> u64 {
        self.vectors.push(vector);
        self.vectors.len() as u64 - 1
    }

    /// Returns the type of an operand, counted from the topmost.
    fn operand(&self, depth: usize) -> ValueType {
        self.operands[self.operands.len() - 1 - depth].0
    }

    /// Returns the slots of all operands.
    fn slots(&self) -> u32 {
        self.operands.last().map_or(0, |&(_, slots)| slots)
    }

    fn push(&mut self, ty: ValueType) {
        let slots = self.slots() + ty.slots();
        self.operands.push((ty, slots));
        self.slots_max = self.slots_max.max(slots);
    }

    /// Pops operands, if there are any: what cannot be reached has none.
    fn pop(&mut self, count: usize) {
        if self.reachable {
            self.operands.truncate(self.operands.len() - count);
        }
    }

    /// Sets the operands to those at a label.
    fn restart(&mut self, height: usize, types: &[ValueType]) {
        self.operands.truncate(height);
        for &ty in types {
            self.push(ty);
        }
    }

    fn open(&mut self, is_loop: bool, params: &'a [ValueType], results: &'a [ValueType]) {
        self.labels.push(Label {
            is_loop,
            reachable: self.reachable,
            height: self.operands.len().saturating_sub(params.len()),
            params,
            results,
            start: self.next(),
            patches: Vec::new(),
            condition: None,
        });
    }

    fn otherwise(&mut self, position: u32) {
        let jump = self.emit(Instruction::Else, position, 0, 0);
        let next = self.next();
        let Some(label) = self.labels.last_mut() else { return };
        label.patches.extend(jump.map(Patch::Op));
        if let Some(condition) = label.condition.take() {
            self.ops[condition].immediate = Target { pc: next, height: 0 }.pack();
        }
        self.reachable = label.reachable;
        if label.reachable {
            let (height, params) = (label.height, label.params);
            self.restart(height, params);
        }
    }

    fn end(&mut self, position: u32) {
        let Some(label) = self.labels.pop() else { return };
        let last = self.labels.is_empty();
        if last {
            let ink = self
                .schedule
                .instruction(Instruction::Return)
                .small
                .saturating_add(self.moved(label.results));
            // The end of a function costs what `return` does.
            let step = self.schedule.instruction(Instruction::End).small;
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
        if label.reachable {
            self.restart(label.height, label.results);
        }
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

    fn call(
        &mut self,
        instruction: Instruction,
        immediate: u64,
        params: &[ValueType],
        results: &[ValueType],
        position: u32,
    ) {
        let moved = self.moved(params);
        // The frame of the callee has its header behind the arguments.
        self.slots_max = self.slots_max.max(self.slots() + narrow(HEADER_SLOTS as u64));
        self.emit_dearer(instruction, position, 0, immediate, moved);
        self.pop(params.len());
        for &ty in results {
            self.push(ty);
        }
    }

    /// Translates a tail call, and a return behind it for callees that replace no frame.
    fn tail_call(&mut self, instruction: Instruction, immediate: u64, params: &[ValueType], position: u32) {
        self.call(instruction, immediate, params, self.results, position);
        self.landing(position);
        self.reachable = false;
    }

    /// Pops the index of an indirect call. Returns the immediate.
    fn indirect(&mut self, type_index: u32, table: u32) -> u64 {
        self.pop(1);
        pair(self.definition.canonical_types[type_index as usize], table)
    }

    fn branch(&mut self, instruction: Instruction, depth: u32, position: u32) {
        let index = self.label(depth);
        let (types, target, waits) = self.target(index);
        let moved = self.moved(types);
        let arity = u16::try_from(slots_of(types)).expect("a label has 1,000 values at most");
        let op = self.emit_dearer(instruction, position, arity, target.pack(), moved);
        if waits {
            self.labels[index].patches.extend(op.map(Patch::Op));
        }
    }

    fn branch_table(&mut self, targets: &wasmparser::BrTable<'_>, position: u32) {
        self.pop(1);
        let first = narrow(self.targets.len() as u64);
        let mut carried: &[ValueType] = &[];
        for depth in targets.targets().chain([Ok(targets.default())]) {
            let index = self.label(depth.expect(VALID));
            let (types, target, waits) = self.target(index);
            if waits {
                self.labels[index].patches.push(Patch::Target(self.targets.len()));
            }
            self.targets.push(target);
            carried = types;
        }
        let moved = self.moved(carried);
        let arity = u16::try_from(slots_of(carried)).expect("a label has 1,000 values at most");
        let immediate = pair(first, targets.len());
        self.emit_dearer(Instruction::BrTable, position, arity, immediate, moved);
    }

    fn label(&self, depth: u32) -> usize {
        self.labels.len() - 1 - depth as usize
    }

    /// Returns what a branch to a label carries, where it goes, and whether that is not known yet.
    fn target(&self, index: usize) -> (&'a [ValueType], Target, bool) {
        let label = &self.labels[index];
        let types = if label.is_loop { label.params } else { label.results };
        let height = label.height.checked_sub(1).map_or(0, |below| self.operands[below].1);
        (types, Target { pc: label.start, height }, !label.is_loop)
    }

    fn next(&self) -> u32 {
        narrow(self.ops.len() as u64)
    }

    fn moved(&self, types: &[ValueType]) -> u32 {
        self.schedule.value_moved.saturating_mul(slots_of(types))
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
        let ink = self.schedule.instruction(instruction).small.saturating_add(more);
        self.ops.push(Op { instruction, arity, ink, immediate });
        self.offsets.push(position);
        Some(self.ops.len() - 1)
    }

    fn block_types(&self, ty: BlockType) -> (&'a [ValueType], &'a [ValueType]) {
        match ty {
            BlockType::Empty => (&[], &[]),
            BlockType::Type(ty) => (&[], single(value_type(ty, 0).expect(VALID))),
            BlockType::FuncType(index) => {
                let ty = &self.definition.types[index as usize];
                (ty.params(), ty.results())
            }
        }
    }
}

fn slots_of(types: &[ValueType]) -> u32 {
    types.iter().map(|ty| ty.slots()).sum()
}

/// Returns a slice of one type.
pub(crate) fn single(ty: ValueType) -> &'static [ValueType] {
    match ty {
        ValueType::I32 => &[ValueType::I32],
        ValueType::I64 => &[ValueType::I64],
        ValueType::F32 => &[ValueType::F32],
        ValueType::F64 => &[ValueType::F64],
        ValueType::V128 => &[ValueType::V128],
        ValueType::FuncRef => &[ValueType::FuncRef],
        ValueType::ExternRef => &[ValueType::ExternRef],
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number)
        .expect("the length of a module, and so every offset and count in it, fits in 32 bits")
}

/// Returns the instruction of the table that an operator is.
pub(crate) fn instruction_of(operator: &Operator<'_>) -> Instruction {
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
pub(crate) fn immediates(operator: &Operator<'_>) -> (u16, u64) {
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
