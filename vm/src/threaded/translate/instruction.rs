//! Operators that can be reached: what is emitted for them.

use super::super::control::TableIndex;
use super::super::memory::{self, Base, IndexWidth, Source};
use super::super::numeric::{self, Accumulator, Rest, Shape};
use super::super::operand::{Immediate, Slots, Way};
use super::super::value::{self, Choice, GlobalSource, Rare};
use super::facts::Facts;
use super::operands::{Entry, From, Held, Place};
use super::operator::halves;
use super::{Translator, accumulator_of, short, slots_of};
use crate::ValueType;
use crate::plain::single;
use lathe_gas::Instruction;

/// A comparison that ends the code: a branch or an `eqz` on it takes its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    word: usize,
    /// The words behind it.
    end: usize,
    branch: Branch,
    /// What the integer accumulator had in common with a slot before.
    same: Option<i16>,
}

/// A condition to branch on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    /// A comparison, or `i32.and` for a test of bits.
    pub(super) instruction: Instruction,
    /// Whether the comparison must hold.
    pub(super) holds: bool,
    pub(super) shape: Shape,
    /// Word 1.
    pub(super) operands: u64,
}

/// An instruction on two numbers that ends the code.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    word: usize,
    end: usize,
    instruction: Instruction,
    in_a: From,
    in_b: From,
}

/// The address of an element of an array, computed by the instruction that ends the code: a slot plus an index, shifted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    word: usize,
    end: usize,
    index: ElementIndex,
    /// Word 1 of the instruction: index, base and shift.
    slots: Slots,
}

/// Where the index of an element is.
#[derive(Clone, Copy, Debug)]
enum ElementIndex {
    Acc,
    Slot,
    /// In memory, this far from the address in the slot.
    Memory(IndexWidth, u32),
}

/// A load of a number that ends the code and may be an index: its result is in the accumulator only.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexLoad {
    word: usize,
    end: usize,
    width: IndexWidth,
    /// The slot of the address, and what is added to it.
    slot: i16,
    offset: u32,
    /// The handler, which another takes the place of when the result is written to a slot too.
    handler: u64,
}

/// An address of an access.
struct Address {
    base: Base,
    a: i16,
    offset: u32,
    /// What words of their own hold: the constant to add, or the rest of an element's address.
    plus: [Option<u64>; 2],
}

/// An instruction that adds a constant to a local and ends the code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    word: usize,
    end: usize,
    /// `i32.add` or `i64.add`.
    instruction: Instruction,
    slot: i16,
    value: u32,
}

impl Translator<'_> {
    pub(super) fn write_halves(&mut self, value: u128, slot: i16) {
        let [low, high] = halves(value);
        self.write_const(low, slot);
        self.write_const(high, slot + 1);
    }

    pub(super) fn set_local(&mut self, index: u32) {
        let entry = self.pop();
        self.preserve(index);
        let slot = self.locals[index as usize].slot;
        if entry.place == Place::Local(index) {
            return;
        }
        if let From::Plus(a, value) = self.look(&entry) {
            let immediate = Immediate { a, r: slot, value };
            let word = if self.held[Accumulator::Int as usize].is_free() {
                let adds = numeric::select_binary(self.engine, Instruction::I32Add, Shape::SlotShort);
                let word = self.emit(&[adds.to_slot, immediate.into()]);
                self.written(slot);
                self.held[Accumulator::Int as usize] = Held::like(Some(slot));
                word
            } else {
                self.write(&entry, slot);
                self.last
            };
            let end = self.words.len();
            let step = Step { word, end, instruction: Instruction::I32Add, slot, value };
            self.step = (a == slot).then_some(step);
            return;
        }
        let step = self.addition(&entry, slot);
        self.write(&entry, slot);
        self.step = step;
    }

    /// Returns the addition of a constant to `slot`, if the last instruction is one and its result goes back there.
    fn addition(&self, entry: &Entry, slot: i16) -> Option<Step> {
        let made = self.held[Accumulator::Int as usize].made?;
        let adds = numeric::select_binary(self.engine, Instruction::I64Add, Shape::SlotShort);
        let word = made.word();
        let last = word == self.last && entry.place == Place::Acc;
        if !last || self.words[word] != adds.to_acc || made.to_slot != adds.to_slot {
            return None;
        }
        // SAFETY: that handler has an `Immediate` in word 1.
        let immediate: Immediate = unsafe { core::mem::transmute(self.words[word + 1]) };
        let (end, instruction) = (self.words.len(), Instruction::I64Add);
        (immediate.a == slot).then_some(Step { word, end, instruction, slot, value: immediate.value })
    }

    pub(super) fn global_get(&mut self, index: u32) {
        let global = &self.definition.globals[index as usize];
        let ty = global.ty.value;
        match (index.checked_sub(self.definition.imported_globals), accumulator_of(ty)) {
            (Some(value), Some(accumulator)) => {
                self.claim(ty);
                let addresses = value::global_get(self.engine, accumulator, value);
                let immediate = Immediate { a: 0, r: 0, value };
                let word = self.emit(&[addresses.to_acc, immediate.into()]);
                self.push_made(ty, word, addresses.to_slot);
            }
            _ => {
                let lane = short(slots_of(ty)).unsigned_abs();
                self.emit_rare(Instruction::GlobalGet, lane, [index.into(), 0], &[], &[ty]);
            }
        }
    }

    pub(super) fn global_set(&mut self, index: u32) {
        let global = &self.definition.globals[index as usize];
        let ty = global.ty.value;
        let (Some(value), Some(accumulator)) =
            (index.checked_sub(self.definition.imported_globals), accumulator_of(ty))
        else {
            let lane = short(slots_of(ty)).unsigned_abs();
            return self.emit_rare(Instruction::GlobalSet, lane, [index.into(), 0], &[ty], &[]);
        };
        let entry = self.pop();
        let mut immediate = Immediate { a: 0, r: 0, value };
        match self.find(&entry) {
            From::Acc => {
                let source = match accumulator {
                    Accumulator::Int => GlobalSource::Int,
                    Accumulator::F64 => GlobalSource::F64,
                    Accumulator::F32 => GlobalSource::F32,
                };
                self.emit(&[value::global_set(self.engine, source, value), immediate.into()]);
            }
            From::Slot(slot) => {
                immediate.a = slot;
                self.emit(&[value::global_set(self.engine, GlobalSource::Slot, value), immediate.into()]);
            }
            From::Plus(..) => unreachable!("sums were computed"),
            From::Const(constant) => {
                let handler = value::global_set(self.engine, GlobalSource::Wide, value);
                self.emit(&[handler, immediate.into(), constant]);
            }
        }
    }

    pub(super) fn choose(&mut self) {
        let ty = self.stack[self.stack.len() - 2].ty;
        if ty == ValueType::V128 {
            return self.choose_vector();
        }
        if accumulator_of(ty) != Some(Accumulator::Int) {
            return self.choose_float(ty);
        }
        let (condition, b, a) = (self.pop(), self.pop(), self.pop());
        let pure = a.place == Place::Acc || b.place == Place::Acc;
        let in_condition = match (pure, condition.place) {
            (true, Place::Const(value)) => {
                self.write_const(value, condition.slot);
                From::Slot(condition.slot)
            }
            (true, _) => self.find_slot(&condition),
            (false, _) => self.find_no_const(&condition),
        };
        let (mut in_a, mut in_b) = match in_condition {
            // The accumulator is the condition's, whatever slot has the same value.
            From::Acc => (self.find_slot(&a), self.find_slot(&b)),
            _ => self.find_two(&a, &b),
        };
        if let (From::Const(value), From::Const(_)) = (in_a, in_b) {
            self.write_const(value, a.slot);
            in_a = From::Slot(a.slot);
        }
        let not = matches!(in_a, From::Const(_));
        if not {
            core::mem::swap(&mut in_a, &mut in_b);
        }
        let mut slots = Slots::default();
        let mut wide = None;
        let choice = match (in_a, in_b, in_condition) {
            (From::Slot(a), From::Slot(b), From::Slot(c)) => {
                slots = Slots { a, b, c, r: 0 };
                Choice::SlotSlotSlot
            }
            (From::Slot(a), From::Slot(b), _) => {
                slots = Slots { a, b, ..slots };
                Choice::SlotSlotAcc
            }
            (From::Acc, From::Slot(b), From::Slot(c)) => {
                slots = Slots { b, c, ..slots };
                Choice::AccSlotSlot
            }
            (From::Slot(a), From::Acc, From::Slot(c)) => {
                slots = Slots { a, c, ..slots };
                Choice::SlotAccSlot
            }
            (From::Slot(a), From::Const(value), From::Slot(c)) => {
                slots = Slots { a, c, ..slots };
                wide = Some(value);
                Choice::SlotWideSlot
            }
            (From::Slot(a), From::Const(value), _) => {
                slots = Slots { a, ..slots };
                wide = Some(value);
                Choice::SlotWideAcc
            }
            (From::Acc, From::Const(value), From::Slot(c)) => {
                slots = Slots { c, ..slots };
                wide = Some(value);
                Choice::AccWideSlot
            }
            places => unreachable!("one value can be in the accumulator, not {places:?}"),
        };
        self.claim(ty);
        let handler = value::select_int(self.engine, choice, not);
        slots.r = a.slot;
        let word = self.emit(&[handler, slots.into()]);
        self.words.extend(wide);
        self.push_made(ty, word, handler);
    }

    fn choose_vector(&mut self) {
        let (condition, b, a) = (self.pop(), self.pop(), self.pop());
        let (in_acc, c) = match self.find_no_const(&condition) {
            From::Slot(slot) => (false, slot),
            _ => (true, 0),
        };
        let slot = |from| match from {
            From::Slot(slot) => slot,
            other => unreachable!("vectors lie in slots, not in {other:?}"),
        };
        let slots = Slots { a: slot(self.look(&a)), b: slot(self.look(&b)), c, r: a.slot };
        self.emit(&[numeric::select_two(self.engine, in_acc), slots.into()]);
        self.push_slot(ValueType::V128);
        self.written(a.slot + 1);
    }

    fn choose_float(&mut self, ty: ValueType) {
        let condition = self.pop();
        let in_condition = self.find_no_const(&condition);
        // The condition may lie in its slot, which is above those of the values.
        self.settle_top(2);
        let (b, a) = (self.pop(), self.pop());
        let (in_acc, c) = match in_condition {
            From::Slot(slot) => (false, slot),
            _ => (true, 0),
        };
        self.claim(ty);
        let handler = value::select_float(self.engine, ty == ValueType::F64, in_acc);
        let slots = Slots { a: a.slot, b: b.slot, c, r: a.slot };
        let word = self.emit(&[handler, slots.into()]);
        self.push_made(ty, word, handler);
    }

    pub(super) fn eqz(&mut self) {
        if let Some(comparison) = self.comparison
            && comparison.end == self.words.len()
            && self.stack.last().is_some_and(|entry| entry.place == Place::Acc)
        {
            let Branch { instruction, shape, operands, holds } = comparison.branch;
            if let (Some(opposite), true) = (numeric::opposite(instruction), holds) {
                // The comparison makes the opposite itself.
                let entry = self.pop();
                self.retract(comparison.word);
                self.held[Accumulator::Int as usize].same = comparison.same;
                return self.emit_binary(opposite, shape, operands, None, entry.ty);
            }
            self.plain_eqz();
            let branch = Branch { holds: !holds, ..comparison.branch };
            self.comparison = Some(Comparison { end: self.words.len(), branch, ..comparison });
            return;
        }
        self.plain_eqz();
    }

    fn plain_eqz(&mut self) {
        self.push_const(ValueType::I32, 0);
        self.binary(Instruction::I32Eq);
    }

    /// Returns how to branch on a popped operand.
    pub(super) fn condition(&mut self, entry: &Entry) -> Branch {
        if let Some(comparison) = self.comparison
            && comparison.end == self.words.len()
            && entry.place == Place::Acc
        {
            self.retract(comparison.word);
            self.held[Accumulator::Int as usize] = Held::like(comparison.same);
            return comparison.branch;
        }
        let (shape, a) = match self.find_no_const(entry) {
            From::Slot(slot) => (Shape::SlotShort, slot),
            _ => (Shape::AccShort, 0),
        };
        let operands = Immediate { a, r: 0, value: 0 }.into();
        Branch { instruction: Instruction::I32Ne, holds: true, shape, operands }
    }

    /// Emits an addition and a branch as one instruction, if the code ends with the addition and the branch compares
    /// its result.
    pub(super) fn emit_step_branch(&mut self, branch: &Branch, holds: bool) -> Option<usize> {
        let step = self.step.take().filter(|step| step.end == self.words.len())?;
        // SAFETY: both have the first operand at the same place.
        let slots: Slots = unsafe { core::mem::transmute(branch.operands) };
        let same = Some(step.slot) == self.held[Accumulator::Int as usize].same;
        let (short, operand) = match branch.shape {
            Shape::AccShort if same => (true, upper(branch.operands)),
            Shape::SlotShort if slots.a == step.slot => (true, upper(branch.operands)),
            Shape::AccSlot if same => (false, i32::from(slots.b).cast_unsigned()),
            Shape::SlotSlot if slots.a == step.slot => (false, i32::from(slots.b).cast_unsigned()),
            Shape::SlotSlot if slots.b == step.slot => (false, i32::from(slots.a).cast_unsigned()),
            _ => return None,
        };
        let mut instruction =
            if branch.holds == holds { branch.instruction } else { numeric::opposite(branch.instruction)? };
        if branch.shape == Shape::SlotSlot && slots.a != step.slot {
            instruction = Facts::of(instruction).mirrored?;
        }
        let counts = match step.instruction {
            Instruction::I32Add => ValueType::I32,
            _ => ValueType::I64,
        };
        let compares = instruction.signature().and_then(|signature| signature.params.first().copied());
        if compares != Some(counts) {
            return None;
        }
        let handler = numeric::select_step_branch(self.engine, instruction, short)?;
        self.retract(step.word);
        let immediate = Immediate { a: step.slot, r: step.slot, value: step.value };
        self.held[Accumulator::Int as usize] = Held::like(Some(step.slot));
        Some(self.emit(&[handler, immediate.into(), Way { words: 0, operand }.into(), 0, 0]))
    }

    /// Translates an instruction on two numbers.
    pub(super) fn binary(&mut self, mut instruction: Instruction) {
        let (b, a) = (self.pop(), self.pop());
        if matches!(instruction, Instruction::I32Add | Instruction::I32Sub) && self.defer(instruction, &a, &b)
        {
            return;
        }
        let (mut in_a, mut in_b) = self.find_two(&a, &b);
        let ty = a.ty;
        let pure = a.place == Place::Acc || b.place == Place::Acc;
        if let (From::Const(value), From::Const(_)) = (in_a, in_b) {
            self.write_const(value, a.slot);
            in_a = From::Slot(a.slot);
        }
        let facts = Facts::of(instruction);
        if (facts.commutes || facts.mirrored.is_some())
            && (matches!(in_a, From::Const(_)) || in_b == From::Acc)
        {
            core::mem::swap(&mut in_a, &mut in_b);
            instruction = facts.mirrored.unwrap_or(instruction);
        }
        if let (Some(negated), From::Const(value)) = (facts.negated, in_b)
            && let Some(value) = negate(ty, value)
        {
            (instruction, in_b) = (negated, From::Const(value));
        }
        if let From::Const(value) = in_a
            && short_const(ty, value).is_none()
        {
            self.write_const(value, a.slot);
            in_a = From::Slot(a.slot);
        }
        if pure && self.join(instruction, ty, in_a, in_b) {
            return;
        }
        let (shape, operands, wide) = shape(ty, in_a, in_b);
        self.emit_binary(instruction, shape, operands, wide, facts.result.unwrap_or(ty));
        if let (From::Acc | From::Slot(_), From::Slot(_) | From::Const(_), None) = (in_a, in_b, wide) {
            self.first = Some(First { word: self.last, end: self.words.len(), instruction, in_a, in_b });
        }
    }

    /// Leaves the sum of a slot and a constant uncomputed: most are addresses, and loads and stores add themselves.
    fn defer(&mut self, instruction: Instruction, a: &Entry, b: &Entry) -> bool {
        let (entry, value) = match (instruction, a.place, b.place) {
            (Instruction::I32Add, _, Place::Const(value)) => (a, value),
            (Instruction::I32Add, Place::Const(value), _) => (b, value),
            (Instruction::I32Sub, _, Place::Const(value)) => match negate(ValueType::I32, value) {
                Some(value) => (a, value),
                None => return false,
            },
            _ => return false,
        };
        let Some(value) = short_const(ValueType::I32, value) else { return false };
        let place = match entry.place {
            Place::Local(local) => Place::LocalPlus(local, value),
            Place::LocalPlus(local, first) => Place::LocalPlus(local, first.wrapping_add(value)),
            // The sum takes the slot of the first operand.
            Place::Slot if entry.slot == a.slot => Place::SlotPlus(value),
            Place::SlotPlus(first) if entry.slot == a.slot => Place::SlotPlus(first.wrapping_add(value)),
            _ => return false,
        };
        self.push(ValueType::I32, place);
        true
    }

    /// Emits the last instruction and one that takes its result as a single one, if there is a handler for that.
    fn join(&mut self, instruction: Instruction, ty: ValueType, in_a: From, in_b: From) -> bool {
        let Some(first) = self.first.filter(|first| first.end == self.words.len()) else { return false };
        let load = self.ending_load(first.word);
        if in_a != From::Acc || !Facts::of(instruction).commutes {
            return false;
        }
        let (in_acc, a) = match first.in_a {
            From::Slot(slot) => (false, slot),
            _ => (true, 0),
        };
        let small = |value| short_const(ty, value).and_then(|value| i16::try_from(value.cast_signed()).ok());
        let mut slots = Slots { a, ..Slots::default() };
        let mut wide = None;
        let rest = match (first.in_b, in_b) {
            (From::Slot(b), From::Slot(c)) => {
                slots = Slots { b, c, ..slots };
                Rest::Slots
            }
            (From::Const(value), From::Slot(b)) => {
                let Some(c) = small(value) else { return false };
                slots = Slots { b, c, ..slots };
                Rest::SmallSlot
            }
            (From::Const(value), From::Const(constant)) => {
                let Some(c) = small(value) else { return false };
                slots = Slots { c, ..slots };
                wide = Some(constant);
                Rest::SmallWide
            }
            _ => return false,
        };
        let Some(addresses) = numeric::select_pair(self.engine, first.instruction, instruction, in_acc, rest)
        else {
            return false;
        };
        let addresses_element = (first.instruction, instruction, rest)
            == (Instruction::I32Shl, Instruction::I32Add, Rest::SmallSlot);
        if let (true, true, Some(load)) = (addresses_element, in_acc, load) {
            self.element_of_loaded(&load, slots);
            return true;
        }
        self.retract(first.word);
        self.claim(ty);
        let word = self.emit(&[addresses.to_acc, slots.into()]);
        self.words.extend(wide);
        self.push_made(ty, word, addresses.to_slot);
        if addresses_element {
            let index = if in_acc { ElementIndex::Acc } else { ElementIndex::Slot };
            self.element = Some(Element { word, end: self.words.len(), index, slots });
        }
        true
    }

    /// Emits the computing of an element's address whose index the code before the end loads, as one instruction with that.
    fn element_of_loaded(&mut self, load: &IndexLoad, slots: Slots) {
        self.retract(load.word);
        self.claim(ValueType::I32);
        let addresses = memory::element_address(self.engine, load.width);
        let slots = Slots { a: load.slot, ..slots };
        let word = self.emit(&[addresses.to_acc, slots.into(), load.offset.into()]);
        self.push_made(ValueType::I32, word, addresses.to_slot);
        let index = ElementIndex::Memory(load.width, load.offset);
        self.element = Some(Element { word, end: self.words.len(), index, slots });
    }

    /// Takes back the instruction that ends the code, from this word on.
    fn retract(&mut self, word: usize) {
        self.words.truncate(word);
        self.last = usize::MAX;
        // What comes now may end where it did.
        (self.comparison, self.step, self.first, self.element, self.index_load) =
            (None, None, None, None, None);
    }

    /// Returns where the popped index of a branch table is, and what is to be added to it. What ends the code and computes it
    /// is taken back.
    pub(super) fn table_index(&mut self, entry: &Entry) -> (TableIndex, u32) {
        if let From::Plus(a, bias) = self.look(entry) {
            return (TableIndex::Slot(a), bias);
        }
        if entry.place != Place::Acc {
            return match self.find_no_const(entry) {
                From::Slot(slot) => (TableIndex::Slot(slot), 0),
                _ => (TableIndex::Acc, 0),
            };
        }
        let (mut index, mut bias, mut word) = (TableIndex::Acc, 0, self.words.len());
        if let Some(first) = self.first.filter(|first| first.end == word)
            && let (Instruction::I32Add, From::Const(value)) = (first.instruction, first.in_b)
            && let Some(value) = short_const(ValueType::I32, value)
        {
            (bias, word) = (value, first.word);
            if let From::Slot(slot) = first.in_a {
                index = TableIndex::Slot(slot);
            }
        }
        if let (TableIndex::Acc, Some(load)) = (index, self.ending_load(word)) {
            (index, word) = (TableIndex::Memory(load.width, load.slot, load.offset), load.word);
        }
        if word < self.words.len() {
            self.retract(word);
            self.held[Accumulator::Int as usize] = Held::default();
        }
        (index, bias)
    }

    /// Emits an instruction on two popped numbers and pushes its result.
    fn emit_binary(
        &mut self,
        instruction: Instruction,
        shape: Shape,
        operands: u64,
        wide: Option<u64>,
        result: ValueType,
    ) {
        let facts = Facts::of(instruction);
        let same = self.held[Accumulator::Int as usize].same;
        self.claim(result);
        if facts.divides {
            self.site();
        }
        let addresses = numeric::select_binary(self.engine, instruction, shape);
        let word = self.emit(&[addresses.to_acc, operands]);
        self.words.extend(wide);
        self.push_made(result, word, addresses.to_slot);
        let compares = facts.mirrored.is_some() || instruction == Instruction::I32And;
        if compares && wide.is_none() {
            let branch = Branch { instruction, holds: true, shape, operands };
            self.comparison = Some(Comparison { word, end: self.words.len(), branch, same });
        }
    }

    pub(super) fn unary(&mut self, instruction: Instruction) -> bool {
        let Some(addresses) = numeric::select_unary(self.engine, instruction, false) else { return false };
        let facts = Facts::of(instruction);
        let Some(result) = facts.result else { return false };
        let entry = self.pop();
        let (addresses, a) = match self.find_no_const(&entry) {
            From::Slot(slot) => (addresses, slot),
            _ => (numeric::select_unary(self.engine, instruction, true).unwrap_or(addresses), 0),
        };
        self.claim(result);
        if facts.converts {
            self.site();
        }
        let slots = Slots { a, ..Slots::default() };
        let word = self.emit(&[addresses.to_acc, slots.into()]);
        self.push_made(result, word, addresses.to_slot);
        true
    }

    fn address(&mut self, entry: &Entry, found: From, offset: u64) -> Address {
        let offset = super::narrow(offset);
        let address = |base, a, offset| Address { base, a, offset, plus: [None; 2] };
        match found {
            From::Acc => address(Base::Acc, 0, offset),
            From::Slot(slot) => address(Base::Slot, slot, offset),
            From::Plus(a, value) => Address { base: Base::Sum, a, offset, plus: [Some(value.into()), None] },
            From::Const(constant) => match u32::try_from(constant + u64::from(offset)) {
                Ok(offset) => address(Base::Zero, 0, offset),
                Err(_) => {
                    self.write_const(constant, entry.slot);
                    address(Base::Slot, entry.slot, offset)
                }
            },
        }
    }

    /// Returns the element whose address is a popped operand that the end of the code computes: a sum, too, is one.
    fn ending_element(&self, entry: &Entry) -> Option<Element> {
        if entry.place != Place::Acc {
            return None;
        }
        let end = self.words.len();
        if let Some(element) = self.element.filter(|element| element.end == end) {
            return Some(element);
        }
        let First { word, instruction, in_a, in_b, .. } = self.first.filter(|first| first.end == end)?;
        let (Instruction::I32Add, From::Slot(b)) = (instruction, in_b) else { return None };
        let slots = Slots { b, ..Slots::default() };
        if let From::Slot(a) = in_a {
            return Some(Element { word, end, index: ElementIndex::Slot, slots: Slots { a, ..slots } });
        }
        Some(match self.ending_load(word) {
            Some(load) => {
                let index = ElementIndex::Memory(load.width, load.offset);
                Element { word: load.word, end, index, slots: Slots { a: load.slot, ..slots } }
            }
            None => Element { word, end, index: ElementIndex::Acc, slots },
        })
    }

    /// Returns the load of an index that ends at a word and leaves it in the accumulator only.
    fn ending_load(&self, end: usize) -> Option<IndexLoad> {
        self.index_load.filter(|load| load.end == end && self.words[load.word] == load.handler)
    }

    /// Takes back the computing of an element's address, which the load does itself.
    fn retract_element(&mut self, element: &Element, offset: u64) -> Address {
        self.retract(element.word);
        self.held[Accumulator::Int as usize] = Held::default();
        let base = match element.index {
            ElementIndex::Acc => Base::ElementAcc,
            ElementIndex::Slot => Base::ElementSlot,
            ElementIndex::Memory(width, _) => Base::ElementLoaded(width),
        };
        let index_offset = match element.index {
            ElementIndex::Memory(_, offset) => Some(offset.into()),
            _ => None,
        };
        let plus = [Some(element.slots.into()), index_offset];
        Address { base, a: element.slots.a, offset: super::narrow(offset), plus }
    }

    pub(super) fn load(&mut self, instruction: Instruction, offset: u64) -> bool {
        let Some(result) = Facts::of(instruction).result else { return false };
        let entry = self.pop();
        let address = match self.ending_element(&entry) {
            Some(element) => self.retract_element(&element, offset),
            None => {
                let found = match self.look(&entry) {
                    plus @ From::Plus(..) => plus,
                    _ => self.find(&entry),
                };
                self.address(&entry, found, offset)
            }
        };
        let Address { base, a, offset, plus } = address;
        let Some(addresses) = memory::select_load(self.engine, instruction, base) else { return false };
        self.claim(result);
        let inner = if matches!(base, Base::ElementLoaded(_)) { memory::ELEMENT_SITE_WORD } else { 0 };
        self.site_at(self.here() + inner);
        let word = self.emit(&[addresses.to_acc, Immediate { a, r: 0, value: offset }.into()]);
        self.words.extend(plus.into_iter().flatten());
        self.push_made(result, word, addresses.to_slot);
        if let (Base::Slot, Some(width)) = (base, IndexWidth::of(instruction)) {
            let (end, handler) = (self.words.len(), addresses.to_acc);
            self.index_load = Some(IndexLoad { word, end, width, slot: a, offset, handler });
        }
        true
    }

    pub(super) fn store(&mut self, instruction: Instruction, offset: u64) -> bool {
        let (value, address) = (self.pop(), self.pop());
        let (in_address, in_value) = match self.look(&address) {
            plus @ From::Plus(..) => (plus, self.find(&value)),
            _ => self.find_two(&address, &value),
        };
        let Address { base, a, offset, plus } = self.address(&address, in_address, offset);
        let mut wide = None;
        let (source, r) = match in_value {
            From::Acc => (Source::Acc, 0),
            From::Slot(slot) => (Source::Slot, slot),
            From::Const(value) => {
                wide = Some(value);
                (Source::Wide, 0)
            }
            From::Plus(..) => unreachable!("the value was computed"),
        };
        let Some(handler) = memory::select_store(self.engine, instruction, base, source) else {
            return false;
        };
        self.site();
        self.emit(&[handler, Immediate { a, r, value: offset }.into()]);
        self.words.extend(plus.into_iter().flatten().chain(wide));
        true
    }

    /// Translates what has no handlers of its own.
    pub(super) fn rare(&mut self, instruction: Instruction, lane: u16, words: [u64; 2]) {
        use Instruction::*;
        let table = || self.definition.tables[super::super::rare::index(words[0])].ty.element;
        let types: (&[ValueType], &[ValueType]) = match instruction {
            RefFunc => (&[], &[ValueType::FuncRef]),
            TableGet => (&[ValueType::I32], single(table())),
            TableSet => match table() {
                ValueType::ExternRef => (&[ValueType::I32, ValueType::ExternRef], &[]),
                _ => (&[ValueType::I32, ValueType::FuncRef], &[]),
            },
            TableGrow => (&[ValueType::FuncRef, ValueType::I32], &[ValueType::I32]),
            TableFill => (&[ValueType::I32, ValueType::FuncRef, ValueType::I32], &[]),
            _ => match instruction.signature() {
                Some(signature) => (signature.params, signature.results),
                None => unreachable!("{instruction} is translated elsewhere"),
            },
        };
        self.emit_rare(instruction, lane, words, types.0, types.1);
    }

    /// Emits an instruction that works on slots.
    fn emit_rare(
        &mut self,
        instruction: Instruction,
        lane: u16,
        immediate: [u64; 2],
        params: &[ValueType],
        results: &[ValueType],
    ) {
        use Instruction::*;
        let ends = matches!(
            instruction,
            MemoryGrow | MemoryFill | MemoryCopy | MemoryInit | TableGrow | TableFill | TableCopy | TableInit
        );
        if ends {
            self.flush();
        }
        self.settle_top(params.len());
        self.site();
        self.unwind(self.stack.len() - params.len());
        let slots = |types: &[ValueType]| types.iter().map(|ty| ty.slots()).sum::<u32>();
        let byte = |slots: u32| u8::try_from(slots).expect("no such instruction has more than six slots");
        let rare = Rare {
            a: short(self.top),
            instruction: instruction as u16,
            lane,
            operands: byte(slots(params)),
            slots: byte(slots(params).max(slots(results))),
        };
        let handler = if ends { value::ending(self.engine) } else { value::within(self.engine) };
        let word = self.emit(&[handler, rare.into(), immediate[0], immediate[1]]);
        if ends {
            self.end_block();
        }
        for &ty in results {
            self.push_slot(ty);
            if ty == ValueType::V128
                && let Some(slot) = self.stack.last().map(|entry| entry.slot)
            {
                self.written(slot + 1);
            }
        }
        if ends {
            self.settled = self.stack.len();
            self.fall_through(super::narrow(word as u64) + 3);
        }
    }
}

fn upper(word: u64) -> u32 {
    // SAFETY: the word is an `Immediate`.
    let immediate: Immediate = unsafe { core::mem::transmute(word) };
    immediate.value
}

#[expect(clippy::cast_possible_truncation, reason = "a constant of 32 bits fills the low half")]
fn negate(ty: ValueType, value: u64) -> Option<u64> {
    match ty {
        ValueType::I32 => Some((value as u32).wrapping_neg().into()),
        ValueType::I64 => Some(value.wrapping_neg()),
        _ => None,
    }
}

/// Returns the 32 bits that stand for a constant, if there are such.
#[expect(clippy::cast_possible_truncation, reason = "a constant of 32 bits fills the low half")]
fn short_const(ty: ValueType, value: u64) -> Option<u32> {
    match ty {
        ValueType::I32 | ValueType::F32 => Some(value as u32),
        ValueType::F64 | ValueType::V128 => None,
        _ => i32::try_from(value.cast_signed()).ok().map(i32::cast_unsigned),
    }
}

/// Returns the shape of two operands, word 1, and the constant of word 2 if there is one.
fn shape(ty: ValueType, a: From, b: From) -> (Shape, u64, Option<u64>) {
    let slots = |a, b| Slots { a, b, ..Slots::default() }.into();
    let immediate = |a, value| Immediate { a, r: 0, value }.into();
    match (a, b) {
        (From::Acc, From::Slot(b)) => (Shape::AccSlot, slots(0, b), None),
        (From::Slot(a), From::Slot(b)) => (Shape::SlotSlot, slots(a, b), None),
        (From::Slot(a), From::Acc) => (Shape::SlotAcc, slots(a, 0), None),
        (From::Acc, From::Const(value)) => match short_const(ty, value) {
            Some(value) => (Shape::AccShort, immediate(0, value), None),
            None => (Shape::AccWide, 0, Some(value)),
        },
        (From::Slot(a), From::Const(value)) => match short_const(ty, value) {
            Some(value) => (Shape::SlotShort, immediate(a, value), None),
            None => (Shape::SlotWide, slots(a, 0), Some(value)),
        },
        (From::Const(value), b) => {
            let value = short_const(ty, value).expect("other constants were written to a slot");
            match b {
                From::Slot(slot) => (Shape::ShortSlot, immediate(slot, value), None),
                _ => (Shape::ShortAcc, immediate(0, value), None),
            }
        }
        (From::Acc, From::Acc) => unreachable!("two operands are not in one accumulator"),
        (From::Plus(..), _) | (_, From::Plus(..)) => unreachable!("sums were computed"),
    }
}
