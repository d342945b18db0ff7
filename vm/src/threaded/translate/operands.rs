//! Where the operands are.

use super::super::numeric::{self, Accumulator, Shape};
use super::super::operand::{Immediate, Slots};
use super::{Translator, accumulator_of, short, slots_of};
use crate::ValueType;
use core::num::NonZeroU32;
use lathe_gas::Instruction;

/// An operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) ty: ValueType,
    pub(super) place: Place,
    /// Its own slot.
    pub(super) slot: i16,
    /// For a local, the next operand below that means the same: an index plus 1, or 0.
    next: u32,
}

/// Where the value of an operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the slot of the operand.
    Slot,
    /// In the accumulator for its type.
    Acc,
    /// In a local.
    Local(u32),
    /// The sum of a local and a constant, both of 32 bits.
    LocalPlus(u32, u32),
    /// The sum of what is in the slot of the operand and a constant, both of 32 bits.
    SlotPlus(u32),
    Const(u64),
}

impl Place {
    /// Returns the local that the value depends on.
    fn local(self) -> Option<u32> {
        match self {
            Self::Local(local) | Self::LocalPlus(local, _) => Some(local),
            _ => None,
        }
    }
}

/// A local of the function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local {
    pub(super) ty: ValueType,
    pub(super) slot: i16,
    /// The topmost operand that means the local: an index plus 1, or 0.
    pub(super) meant_by: u32,
}

/// What is in an accumulator.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    /// The operand whose value is nowhere else: an index plus 1, or 0.
    entry: u32,
    /// A slot that has the same value.
    pub(super) same: Option<i16>,
    /// The instruction that made the value, if it can still be changed to write to a slot.
    pub(super) made: Option<Made>,
}

impl Held {
    /// Returns what is there when a slot, if any, has the same value.
    pub(super) fn like(same: Option<i16>) -> Self {
        Self { entry: 0, same, made: None }
    }

    /// Returns whether the value can be overwritten.
    pub(super) fn is_free(&self) -> bool {
        self.entry == 0
    }
}

/// An instruction that left its result in an accumulator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// Never 0, which is where functions are entered.
    word: NonZeroU32,
    /// The handler that writes the result to a slot too.
    pub(super) to_slot: u64,
}

impl Made {
    pub(super) fn word(&self) -> usize {
        self.word.get() as usize
    }
}

/// Where an instruction can take an operand from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Acc,
    Slot(i16),
    Const(u64),
    /// A slot, and a constant to add.
    Plus(i16, u32),
}

impl Translator<'_> {
    /// Pushes an operand.
    pub(super) fn push(&mut self, ty: ValueType, place: Place) {
        let next = match place.local() {
            Some(local) => self.mean(local),
            None => 0,
        };
        self.push_entry(ty, place, next);
    }

    /// Pushes a constant.
    pub(super) fn push_const(&mut self, ty: ValueType, value: u64) {
        self.push_entry(ty, Place::Const(value), 0);
    }

    /// Pushes the value of a local.
    pub(super) fn push_local(&mut self, local: u32) {
        let ty = self.locals[local as usize].ty;
        let next = self.mean(local);
        self.push_entry(ty, Place::Local(local), next);
    }

    /// Notes that the operand pushed next means a local. Returns the one below it that does.
    #[inline(always)]
    fn mean(&mut self, local: u32) -> u32 {
        let above = super::narrow(self.stack.len() as u64) + 1;
        core::mem::replace(&mut self.locals[local as usize].meant_by, above)
    }

    #[inline(always)]
    fn push_entry(&mut self, ty: ValueType, place: Place, next: u32) {
        let entry = Entry { ty, place, slot: short(self.top), next };
        self.top += slots_of(ty);
        self.top_max = self.top_max.max(self.top);
        if self.stack.len() == self.stack.capacity() {
            // Out of line, so that nothing has to be saved where there is room.
            return self.push_beyond(entry);
        }
        self.stack.push(entry);
    }

    #[cold]
    #[inline(never)]
    fn push_beyond(&mut self, entry: Entry) {
        self.stack.push(entry);
    }

    /// Pops the topmost operand.
    pub(super) fn pop(&mut self) -> Entry {
        let entry = self.stack.pop().expect("the body was validated");
        if let Some(local) = entry.place.local() {
            self.locals[local as usize].meant_by = entry.next;
        } else if let (Place::Acc, Some(accumulator)) = (entry.place, accumulator_of(entry.ty)) {
            self.held[accumulator as usize].entry = 0;
        }
        self.top = entry.slot.into();
        self.settled = self.settled.min(self.stack.len());
        entry
    }

    /// Pops operands until `height` are left.
    pub(super) fn unwind(&mut self, height: usize) {
        while self.stack.len() > height {
            self.pop();
        }
    }

    /// Returns where a popped operand is. A sum is computed into the accumulator if that is free, which no other
    /// popped operand may need.
    pub(super) fn find(&mut self, entry: &Entry) -> From {
        if entry.place == Place::Acc {
            return From::Acc;
        }
        match self.look(entry) {
            From::Plus(a, value) if self.held[Accumulator::Int as usize].is_free() => {
                let adds = numeric::select_binary(self.engine, Instruction::I32Add, Shape::SlotShort);
                self.emit(&[adds.to_acc, Immediate { a, r: 0, value }.into()]);
                self.held[Accumulator::Int as usize] = Held::default();
                From::Acc
            }
            From::Plus(..) => self.find_slot(entry),
            From::Slot(slot) if self.is_held(entry.ty, slot) => From::Acc,
            other => other,
        }
    }

    /// Returns where a popped operand is, without computing anything.
    pub(super) fn look(&self, entry: &Entry) -> From {
        match entry.place {
            Place::Acc => From::Acc,
            Place::Slot => From::Slot(entry.slot),
            Place::Local(local) => From::Slot(self.locals[local as usize].slot),
            Place::Const(value) => From::Const(value),
            Place::LocalPlus(local, value) => From::Plus(self.locals[local as usize].slot, value),
            Place::SlotPlus(value) => From::Plus(entry.slot, value),
        }
    }

    /// Returns where two popped operands are, at most one of them in the accumulator if they share one.
    pub(super) fn find_two(&mut self, a: &Entry, b: &Entry) -> (From, From) {
        if let From::Plus(..) = self.look(a) {
            // Into its slot, so that the accumulator stays free for the other.
            let in_a = self.find_slot(a);
            return (in_a, self.find(b));
        }
        if let From::Plus(..) = self.look(b) {
            return match self.find(a) {
                From::Acc => (From::Acc, self.find_slot(b)),
                in_a => (in_a, self.find(b)),
            };
        }
        let (in_a, in_b) = (self.find(a), self.find(b));
        if in_a != From::Acc || in_b != From::Acc || accumulator_of(a.ty) != accumulator_of(b.ty) {
            (in_a, in_b)
        } else if b.place == Place::Acc {
            (self.find_slot(a), in_b)
        } else {
            (in_a, self.find_slot(b))
        }
    }

    /// Returns where a popped operand is, in the accumulator only if it is nowhere else. A sum is computed into its
    /// slot.
    pub(super) fn find_slot(&mut self, entry: &Entry) -> From {
        match self.look(entry) {
            From::Plus(..) => {
                self.write(entry, entry.slot);
                From::Slot(entry.slot)
            }
            other => other,
        }
    }

    fn is_held(&self, ty: ValueType, slot: i16) -> bool {
        accumulator_of(ty).is_some_and(|accumulator| self.held[accumulator as usize].same == Some(slot))
    }

    /// Makes room in an accumulator: the operand there moves to its slot.
    pub(super) fn claim(&mut self, ty: ValueType) {
        let Some(accumulator) = accumulator_of(ty) else { return };
        let entry = self.held[accumulator as usize].entry as usize;
        if entry != 0 {
            self.settle(entry - 1);
        }
    }

    /// Pushes the result that the instruction at `word` has left in an accumulator.
    pub(super) fn push_made(&mut self, ty: ValueType, word: usize, to_slot: u64) {
        let accumulator = accumulator_of(ty).expect("results in accumulators are numbers");
        let entry = super::narrow(self.stack.len() as u64) + 1;
        let made = NonZeroU32::new(super::narrow(word as u64)).map(|word| Made { word, to_slot });
        self.held[accumulator as usize] = Held { entry, same: None, made };
        self.push_entry(ty, Place::Acc, 0);
    }

    /// Pushes a value that is in its slot, and nowhere else.
    pub(super) fn push_slot(&mut self, ty: ValueType) {
        self.written(short(self.top));
        self.push_entry(ty, Place::Slot, 0);
    }

    /// Notes that a slot has another value than before.
    pub(super) fn written(&mut self, slot: i16) {
        for held in &mut self.held {
            if held.same == Some(slot) {
                held.same = None;
            }
        }
    }

    /// Moves an operand to its slot.
    pub(super) fn settle(&mut self, index: usize) {
        let entry = self.stack[index];
        match entry.place {
            Place::Slot => return,
            Place::Acc => self.write_acc(&entry, entry.slot, true),
            _ => self.write(&entry, entry.slot),
        }
        self.stack[index].place = Place::Slot;
    }

    /// Moves all operands to their slots.
    pub(super) fn flush(&mut self) {
        for index in self.settled..self.stack.len() {
            if let Some(local) = self.stack[index].place.local() {
                // All that mean it are moved.
                self.locals[local as usize].meant_by = 0;
            }
            self.settle(index);
        }
        self.settled = self.stack.len();
    }

    /// Moves the topmost `count` operands to their slots. They must be popped next.
    pub(super) fn settle_top(&mut self, count: usize) {
        for index in self.stack.len() - count..self.stack.len() {
            if let Some(local) = self.stack[index].place.local() {
                self.unlink(local, index);
            }
            self.settle(index);
        }
    }

    /// Takes an operand out of the list of its local. Only operands that are popped next may lie above.
    fn unlink(&mut self, local: u32, index: usize) {
        let next = self.stack[index].next;
        let mut at = self.locals[local as usize].meant_by as usize;
        if at == index + 1 {
            self.locals[local as usize].meant_by = next;
            return;
        }
        while at != 0 {
            let below = self.stack[at - 1].next as usize;
            if below == index + 1 {
                self.stack[at - 1].next = next;
                return;
            }
            at = below;
        }
    }

    /// Before a local changes: moves the operands that mean it to their slots.
    pub(super) fn preserve(&mut self, local: u32) {
        let mut at = core::mem::take(&mut self.locals[local as usize].meant_by) as usize;
        while at != 0 {
            let next = self.stack[at - 1].next as usize;
            self.settle(at - 1);
            at = next;
        }
    }

    /// Writes the value of an accumulator to a slot, if need be by an instruction of its own. Its own slot may be
    /// written by the instruction that made the value, another only if that is the last.
    fn write_acc(&mut self, entry: &Entry, slot: i16, own: bool) {
        let accumulator = accumulator_of(entry.ty).expect("only numbers are in accumulators");
        let held = self.held[accumulator as usize];
        match held.made {
            Some(made) if own || made.word() == self.last => {
                self.words[made.word()] = made.to_slot;
                self.set_result(made.word(), slot);
            }
            _ => {
                let slots = Slots { r: slot, ..Slots::default() };
                self.emit(&[numeric::spill(self.engine, accumulator), slots.into()]);
            }
        }
        self.written(slot);
        self.held[accumulator as usize] = Held::like(Some(slot));
    }

    /// Writes the value of an operand, which is popped or moves, to a slot.
    pub(super) fn write(&mut self, entry: &Entry, slot: i16) {
        match self.look(entry) {
            From::Acc => self.write_acc(entry, slot, slot == entry.slot),
            From::Plus(a, value) => {
                let immediate = Immediate { a, r: slot, value };
                self.emit(&[numeric::move_sum(self.engine), immediate.into()]);
                self.written(slot);
            }
            From::Slot(from) if entry.ty == ValueType::V128 => {
                let slots = Slots { a: from, r: slot, ..Slots::default() };
                self.emit(&[numeric::move_two(self.engine), slots.into()]);
                self.written(slot);
                self.written(slot + 1);
            }
            From::Slot(from) => {
                let mut slots = Slots { r: slot, ..Slots::default() };
                if self.is_held(entry.ty, from) {
                    let accumulator = accumulator_of(entry.ty).unwrap_or(Accumulator::Int);
                    self.emit(&[numeric::spill(self.engine, accumulator), slots.into()]);
                } else {
                    slots.a = from;
                    self.emit(&[numeric::move_slot(self.engine), slots.into()]);
                }
                self.written(slot);
            }
            From::Const(value) => self.write_const(value, slot),
        }
    }

    pub(super) fn write_const(&mut self, value: u64, slot: i16) {
        match u32::try_from(value) {
            Ok(value) => {
                let immediate = Immediate { a: 0, r: slot, value };
                self.emit(&[numeric::move_short(self.engine), immediate.into()]);
            }
            Err(_) => {
                let slots = Slots { r: slot, ..Slots::default() };
                self.emit(&[numeric::move_wide(self.engine), slots.into(), value]);
            }
        }
        self.written(slot);
    }

    /// Writes a popped operand to its own slot if it is a constant. Returns where it is.
    pub(super) fn find_no_const(&mut self, entry: &Entry) -> From {
        match self.find(entry) {
            From::Const(value) => {
                self.write_const(value, entry.slot);
                From::Slot(entry.slot)
            }
            other => other,
        }
    }

    /// Forgets what the accumulators hold. No operand may be there.
    pub(super) fn forget(&mut self) {
        self.held = [Held::default(); 3];
        self.comparison = None;
        self.step = None;
        self.first = None;
        self.element = None;
        self.index_load = None;
    }
}
