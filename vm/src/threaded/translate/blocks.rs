//! Labels, branches, and what blocks cost.

use super::super::Block;
use super::super::control::{self, CallSite, Choice, HEADER_SLOTS, Returned, TailSite};
use super::super::ink::Ink;
use super::super::numeric::{self, Accumulator};
use super::super::operand::{Slots, Way};
use super::operands::{From, Place};
use super::reader::BlockType;
use super::{Fixup, Open, Translator, accumulator_of, narrow, short, slots_of};
use crate::ValueType;
use crate::plain::single;
use alloc::vec;
use alloc::vec::Vec;

/// What kind of block a label belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Block,
    Loop,
    If,
}

/// An open block.
pub(super) struct Label<'a> {
    kind: Kind,
    /// Whether the block itself can be reached.
    reachable: bool,
    /// Operands below those of the block.
    height: usize,
    /// The slot of the first operand of the block.
    base: i32,
    params: &'a [ValueType],
    results: &'a [ValueType],
    /// Branches that wait for the label: the first of a list in `fixups`, an index plus 1.
    fixups: u32,
    /// For an `if` without `else` so far, the branch that skips the first arm.
    skip: Option<Fixup>,
    /// For a loop, where its block begins.
    block: u32,
    /// For a loop whose block has not ended, the ink of the block before it.
    before: Ink,
}

impl<'a> Translator<'a> {
    /// Begins a block here, whose first operator is the next.
    pub(super) fn begin_block(&mut self) -> u32 {
        self.begin_block_at(self.behind)
    }

    fn begin_block_at(&mut self, offset: u32) -> u32 {
        let index = narrow(self.blocks.len() as u64);
        let top = self.top.unsigned_abs();
        self.blocks.push(Block { word: self.here(), offset, top, ink: self.ink });
        index
    }

    /// Ends the block: what waits for its ink gets it.
    pub(super) fn end_block(&mut self) {
        let ink = core::mem::take(&mut self.ink);
        while let Some(open) = self.open_words.pop() {
            self.set_ink(open.word, ink - open.before);
        }
        for site in &mut self.sites[self.open_sites..] {
            site.unused_ink = ink - site.unused_ink;
        }
        for block in &mut self.blocks[self.open_blocks..] {
            block.ink = ink - block.ink;
        }
        self.open_sites = self.sites.len();
        self.open_blocks = self.blocks.len();
    }

    /// Begins the block behind an instruction that ended one and pays for it in the word at `word`.
    pub(super) fn fall_through(&mut self, word: u32) {
        self.fall_through_at(word, self.behind);
    }

    fn fall_through_at(&mut self, word: u32, offset: u32) {
        self.begin_block_at(offset);
        self.open_words.push(Open { word, before: Ink::ZERO });
    }

    /// Ends a block that has grown too dear to be paid for at once.
    pub(super) fn split(&mut self) {
        self.flush();
        let way = Way { words: 3, ..Way::default() };
        let word = self.emit(&[control::jump(self.engine), way.into(), 0]);
        self.end_block();
        self.fall_through_at(narrow(word as u64) + 2, self.offset);
    }

    /// Opens a label. Its parameters are the topmost operands.
    pub(super) fn open_label(&mut self, kind: Kind, params: &'a [ValueType], results: &'a [ValueType]) {
        let height = self.stack.len() - params.len();
        let base = self.stack.get(height).map_or(self.top, |entry| entry.slot.into());
        let mut label = Label {
            kind,
            reachable: true,
            height,
            base,
            params,
            results,
            fixups: 0,
            skip: None,
            block: 0,
            before: self.ink,
        };
        if kind == Kind::Loop {
            label.block = self.begin_block();
            self.forget();
        }
        self.labels.push(label);
    }

    pub(super) fn open_dead_label(&mut self) {
        self.labels.push(Label {
            kind: Kind::Block,
            reachable: false,
            height: 0,
            base: 0,
            params: &[],
            results: &[],
            fixups: 0,
            skip: None,
            block: 0,
            before: Ink::ZERO,
        });
    }

    pub(super) fn block_types(&self, ty: BlockType) -> (&'a [ValueType], &'a [ValueType]) {
        match ty {
            BlockType::Empty => (&[], &[]),
            BlockType::One(ty) => (&[], single(ty)),
            BlockType::Declared(index) => {
                let ty = &self.definition.types[index as usize];
                (ty.params(), ty.results())
            }
        }
    }

    /// Opens an `if` whose condition is the topmost operand.
    pub(super) fn open_if(&mut self, ty: BlockType) {
        let (params, results) = self.block_types(ty);
        let condition = self.pop();
        let branch = self.condition(&condition);
        self.flush();
        let word = narrow(self.emit_branch(branch, false) as u64);
        let skip = Fixup { instruction: word, way: word + 2, next: 0 };
        self.end_block();
        self.fall_through(word + 4);
        self.open_label(Kind::If, params, results);
        if let Some(label) = self.labels.last_mut() {
            label.skip = Some(skip);
        }
    }

    /// Begins the second arm of an `if`.
    pub(super) fn otherwise(&mut self) {
        if self.reachable {
            self.flush();
            let word = narrow(self.emit(&[control::jump(self.engine), 0, 0]) as u64);
            let depth = 0;
            self.wait_for(depth, word, word + 1);
            self.end_block();
        }
        let Some(label) = self.labels.last_mut() else { return };
        self.reachable = label.reachable;
        if !label.reachable {
            return;
        }
        let (height, base, params) = (label.height, label.base, label.params);
        let skip = label.skip.take();
        self.restart(height, base, params);
        self.begin_block();
        if let Some(skip) = skip {
            self.arrive(skip);
        }
    }

    /// Closes the innermost label.
    pub(super) fn close(&mut self) {
        if self.labels.len() == 1 {
            return self.close_function();
        }
        if self.reachable {
            self.flush();
        }
        let Some(label) = self.labels.pop() else { return };
        if !label.reachable {
            return;
        }
        let fallen = core::mem::replace(&mut self.reachable, true);
        if label.kind == Kind::Loop {
            // Nothing branches here.
            if fallen {
                return;
            }
        } else if fallen && label.fixups == 0 && label.skip.is_none() {
            return;
        }
        self.restart(label.height, label.base, label.results);
        self.place(&label, self.behind);
    }

    /// Ends the function: its last `end` returns, and branches to the outermost label return for nothing.
    fn close_function(&mut self) {
        if self.reachable {
            let slots: u32 = self.results.iter().map(|ty| ty.slots()).sum();
            let schedule = self.schedule;
            let leave = Ink::of(schedule.instruction(lathe_gas::Instruction::Return));
            let end = Ink::of(schedule.instruction(lathe_gas::Instruction::End));
            self.ink = self.ink + leave + Ink::flat(schedule.value_moved * slots) - end;
            self.leave();
        }
        let Some(label) = self.labels.pop() else { return };
        if label.fixups != 0 {
            self.reachable = true;
            self.restart(label.height, label.base, label.results);
            self.place(&label, self.offset);
            self.leave();
        }
    }

    /// Begins the block of a label that waits for branches.
    fn place(&mut self, label: &Label<'_>, offset: u32) {
        self.begin_block_at(offset);
        let mut next = label.fixups;
        while next != 0 {
            let fixup = self.fixups[next as usize - 1];
            self.arrive(fixup);
            next = fixup.next;
        }
        if let Some(skip) = label.skip {
            self.arrive(skip);
        }
    }

    fn arrive(&mut self, fixup: Fixup) {
        self.set_way(fixup.way, fixup.instruction, self.here());
        self.open_words.push(Open { word: fixup.way + 1, before: self.ink });
    }

    /// Sets the operands to those at a label: all in their slots.
    fn restart(&mut self, height: usize, base: i32, types: &[ValueType]) {
        self.unwind(height);
        self.top = base;
        self.forget();
        for &ty in types {
            self.push_slot(ty);
        }
        self.settled = self.stack.len();
    }

    fn label(&self, depth: u32) -> usize {
        self.labels.len() - 1 - depth as usize
    }

    /// Fills in the way of a branch to a label, and the ink behind it, now or when it comes.
    fn wait_for(&mut self, depth: u32, instruction: u32, way: u32) {
        let index = self.label(depth);
        let label = &mut self.labels[index];
        if label.kind == Kind::Loop {
            let (first, before) = (label.block as usize, label.before);
            let block = self.blocks[first];
            self.set_way(way, instruction, block.word);
            if first >= self.open_blocks {
                self.open_words.push(Open { word: way + 1, before });
            } else {
                self.set_ink(way + 1, block.ink);
            }
        } else {
            self.fixups.push(Fixup { instruction, way, next: label.fixups });
            label.fixups = narrow(self.fixups.len() as u64);
        }
    }

    /// Returns what a branch to a label carries, and the slot where the first of that belongs.
    fn carried(&self, depth: u32) -> (&'a [ValueType], i32) {
        let label = &self.labels[self.label(depth)];
        (if label.kind == Kind::Loop { label.params } else { label.results }, label.base)
    }

    /// Returns whether the values that a branch carries lie elsewhere than at the label.
    fn must_move(&self, depth: u32) -> bool {
        let (types, base) = self.carried(depth);
        let slots: i32 = types.iter().map(|&ty| slots_of(ty)).sum();
        slots != 0 && self.top - slots != base
    }

    /// Moves the values that a branch carries to where they belong.
    fn move_carried(&mut self, depth: u32) {
        let (types, base) = self.carried(depth);
        let mut to = base;
        for index in self.stack.len() - types.len()..self.stack.len() {
            let entry = self.stack[index];
            if entry.place != Place::Slot || i32::from(entry.slot) != to {
                self.write(&entry, short(to));
            }
            to += slots_of(entry.ty);
        }
    }

    pub(super) fn branch(&mut self, depth: u32) {
        if self.label(depth) == 0 {
            // What the outermost label would do.
            return self.leave();
        }
        self.move_carried(depth);
        let word = narrow(self.emit(&[control::jump(self.engine), 0, 0]) as u64);
        self.wait_for(depth, word, word + 1);
        self.end_block();
        self.reachable = false;
    }

    pub(super) fn branch_if(&mut self, depth: u32) {
        let condition = self.pop();
        let branch = self.condition(&condition);
        self.flush();
        if self.must_move(depth) {
            let word = narrow(self.emit_branch(branch, false) as u64);
            self.move_carried(depth);
            let jump = narrow(self.emit(&[control::jump(self.engine), 0, 0]) as u64);
            self.wait_for(depth, jump, jump + 1);
            self.end_block();
            self.forget();
            self.fall_through(word + 3);
            self.set_way(word + 2, word, self.here());
        } else {
            let word = narrow(self.emit_branch(branch, true) as u64);
            self.wait_for(depth, word, word + 2);
            self.end_block();
            self.fall_through(word + 4);
        }
    }

    /// Branches by the topmost operand to one of `targets`.
    pub(super) fn branch_table(&mut self) {
        let targets = core::mem::take(&mut self.targets);
        if let Some(&default) = targets.last() {
            self.charge_carried(default);
        }
        let index = self.pop();
        let (index, bias) = self.table_index(&index);
        self.flush();
        let choice = Choice { bias, last: narrow(targets.len() as u64 - 1) };
        let word = self.emit(&[control::jump_table(self.engine, index), index.word(), choice.into()]);
        let word = narrow(word as u64);
        self.words.resize(self.words.len() + targets.len() * control::WAY_WORDS, 0);
        let first = word as usize + control::JUMP_TABLE_WORDS;
        // Where the values of a target must be moved, code of its own does that.
        let mut stubs = Vec::new();
        for (way, &depth) in (first..).step_by(control::WAY_WORDS).zip(&targets) {
            let way = narrow(way as u64);
            if stubs.is_empty() && self.must_move(depth) {
                stubs = vec![0; self.labels.len()];
            }
            if !self.must_move(depth) {
                self.wait_for(depth, word, way);
                continue;
            }
            if stubs[depth as usize] == 0 {
                stubs[depth as usize] = self.here();
                self.forget();
                self.move_carried(depth);
                let jump = narrow(self.emit(&[control::jump(self.engine), 0, 0]) as u64);
                self.wait_for(depth, jump, jump + 1);
            }
            self.set_way(way, word, stubs[depth as usize]);
        }
        self.targets = targets;
        self.end_block();
        self.reachable = false;
    }

    /// Returns from the function with the topmost operands.
    pub(super) fn leave(&mut self) {
        let base = -i32::try_from(HEADER_SLOTS as u64 + u64::from(self.params)).unwrap_or(i32::MAX);
        let mut slots = Slots { r: short(base), ..Slots::default() };
        match self.results {
            [] => {
                self.emit(&[control::return_nothing(self.engine), slots.into()]);
            }
            &[ty] if ty != ValueType::V128 => {
                let entry = self.pop();
                match self.find(&entry) {
                    From::Acc => {
                        let returned = match accumulator_of(ty) {
                            Some(Accumulator::F64) => Returned::F64,
                            Some(Accumulator::F32) => Returned::F32,
                            _ => Returned::Int,
                        };
                        self.emit(&[control::return_one(self.engine, returned), slots.into()]);
                    }
                    From::Slot(slot) => {
                        slots.a = slot;
                        self.emit(&[control::return_one(self.engine, Returned::Slot), slots.into()]);
                    }
                    From::Plus(..) => unreachable!("sums were computed"),
                    From::Const(value) => {
                        self.emit(&[control::return_one(self.engine, Returned::Wide), slots.into(), value]);
                    }
                }
            }
            types => {
                self.settle_top(types.len());
                let count: i32 = types.iter().map(|&ty| slots_of(ty)).sum();
                slots.a = short(self.top - count);
                let count = u64::from(count.unsigned_abs());
                self.emit(&[control::return_many(self.engine), slots.into(), count]);
                self.unwind(self.stack.len() - types.len());
            }
        }
        self.end_block();
        self.reachable = false;
    }

    /// Notes that a call writes its header behind the operands, and returns the call site of one with such arguments.
    fn call_site(&mut self, params: &[ValueType]) -> CallSite {
        let count: i32 = params.iter().map(|&ty| slots_of(ty)).sum();
        let frame = self.top + i32::try_from(HEADER_SLOTS).unwrap_or(i32::MAX);
        self.top_max = self.top_max.max(frame);
        let unsigned = |slot: i32| u16::try_from(slot).expect("the limits keep frames below 2^15 slots");
        CallSite { arguments: unsigned(self.top - count), frame: unsigned(frame), unused: 0 }
    }

    /// Ends the block of a call whose arguments are the topmost operands; the ink behind its call site is the last word.
    fn called(&mut self, params: &[ValueType], results: &[ValueType]) {
        let price = self.here() - 1;
        self.unwind(self.stack.len() - params.len());
        self.forget();
        self.end_block();
        for &ty in results {
            self.push_slot(ty);
        }
        self.settled = self.stack.len();
        if let &[ty] = results
            && accumulator_of(ty) == Some(Accumulator::Int)
            && let Some(entry) = self.stack.last()
        {
            self.held[Accumulator::Int as usize].same = Some(entry.slot);
        }
        self.fall_through(price);
    }

    fn function_address(&self, index: u32) -> u64 {
        core::ptr::from_ref(&self.definition.threaded[index as usize]) as usize as u64
    }

    pub(super) fn call(&mut self, index: u32) {
        let ty = self.definition.function_type(index);
        self.charge_moved(ty.params());
        self.flush();
        let site = self.call_site(ty.params());
        self.site();
        let handler = control::call(self.engine, index < self.definition.imported_functions);
        self.emit(&[handler, self.function_address(index), site.into(), 0]);
        self.called(ty.params(), ty.results());
    }

    pub(super) fn call_indirect(&mut self, type_index: u32, table: u32) {
        let ty = &self.definition.types[type_index as usize];
        self.charge_moved(ty.params());
        let (in_acc, indirect) = self.indirect(type_index, table);
        self.flush();
        let site = self.call_site(ty.params());
        self.site();
        self.emit(&[control::call_indirect(self.engine, in_acc), indirect.into(), site.into(), 0]);
        self.called(ty.params(), ty.results());
    }

    fn indirect(&mut self, type_index: u32, table: u32) -> (bool, control::Indirect) {
        let index = self.pop();
        let (in_acc, a) = match self.find_no_const(&index) {
            From::Slot(slot) => (false, slot),
            _ => (true, 0),
        };
        let table = u16::try_from(table).expect("the limits keep tables below 2^16");
        (in_acc, control::Indirect { a, table, ty: self.definition.canonical_types[type_index as usize] })
    }

    pub(super) fn tail_call(&mut self, index: u32) {
        let ty = self.definition.function_type(index);
        let words = [control::tail_call(self.engine), self.function_address(index)];
        self.charge_moved(ty.params());
        self.flush();
        self.tail(words, ty.params());
    }

    pub(super) fn tail_call_indirect(&mut self, type_index: u32, table: u32) {
        let ty = &self.definition.types[type_index as usize];
        self.charge_moved(ty.params());
        let (in_acc, indirect) = self.indirect(type_index, table);
        self.flush();
        let words = [control::tail_call_indirect(self.engine, in_acc), indirect.into()];
        self.tail(words, ty.params());
    }

    /// Ends the function with a tail call, and with a return for callees that have no frame to return from.
    fn tail(&mut self, words: [u64; 2], params: &[ValueType]) {
        let site = self.call_site(params);
        let count = site.frame - site.arguments - u16::try_from(HEADER_SLOTS).unwrap_or(0);
        let tail = TailSite {
            arguments: site.arguments,
            count,
            params: u16::try_from(self.params).expect("the limits keep frames below 2^15 slots"),
            unused: 0,
        };
        self.site();
        self.emit(&[words[0], words[1], tail.into(), site.into(), 0]);
        self.called(params, self.results);
        self.leave();
    }

    /// Charges for the slots that a call moves.
    pub(super) fn charge_moved(&mut self, types: &[ValueType]) {
        let slots: u32 = types.iter().map(|ty| ty.slots()).sum();
        self.ink += Ink::flat(self.schedule.value_moved * slots);
    }

    /// Charges for the slots that a branch carries.
    pub(super) fn charge_carried(&mut self, depth: u32) {
        let (types, _) = self.carried(depth);
        self.charge_moved(types);
    }

    /// Emits a branch that is taken if a condition holds, or if it does not. Its way is word 2, the ink if it is not
    /// taken in word 4.
    fn emit_branch(&mut self, branch: super::instruction::Branch, holds: bool) -> usize {
        if let Some(word) = self.emit_step_branch(&branch, holds) {
            return word;
        }
        let holds = branch.holds == holds;
        let handler = match branch.instruction {
            lathe_gas::Instruction::I32And => numeric::select_branch_common(self.engine, holds, branch.shape),
            instruction => numeric::select_branch(self.engine, instruction, holds, branch.shape),
        };
        self.emit(&[handler, branch.operands, 0, 0, 0])
    }
}
