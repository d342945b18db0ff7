//! The plain engine: a stack machine that does one instruction at a time and charges each before it acts.
//!
//! It is the definition of what code does and costs. Clarity comes before speed; the only things decided ahead are
//! branch targets, slots and prices. Its frames lie on the value stack as those of the threaded engine do, so that it
//! can go on where that one stopped.

pub(crate) mod bulk;
mod execute;
pub(crate) mod float;
mod operands;
mod translate;
pub(crate) mod vector;

pub(crate) use execute::{Computation, Exit, step};
pub(crate) use operands::Operands;
pub(crate) use translate::{single, translate};

use crate::threaded::HEADER_SLOTS;
use alloc::boxed::Box;
use lathe_gas::Instruction;

/// A decoded instruction. Instructions that are never reached have none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) instruction: Instruction,
    /// Slots that a branch carries or a move moves, or the index of a lane.
    pub(crate) arity: u16,
    /// What the instruction costs in a small memory, besides what its operands decide.
    pub(crate) ink: u32,
    /// A constant, an index, an offset, or two of those: the first in the low half.
    pub(crate) immediate: u64,
}

/// Set as the arity of a return, which needs none: it is the `end` of its function.
pub(crate) const FUNCTION_END: u16 = u16::MAX;

/// Set as the arity of a return, which needs none: no instruction of the module stands behind it.
pub(crate) const LANDING: u16 = u16::MAX - 1;

impl Op {
    /// Returns the instruction of the module, `None` where it is none.
    #[inline(always)]
    pub(crate) fn observed(&self) -> Option<Instruction> {
        match (self.instruction, self.arity) {
            (Instruction::Return, FUNCTION_END) => Some(Instruction::End),
            (Instruction::Return, LANDING) => None,
            (instruction, _) => Some(instruction),
        }
    }
}

/// Where a branch goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target {
    /// The index of the next instruction.
    pub(crate) pc: u32,
    /// Slots of operands that stay below the values carried.
    pub(crate) height: u32,
}

impl Target {
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.height) << 32 | u64::from(self.pc)
    }
}

/// A function's code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) ops: Box<[Op]>,
    /// For each of `ops`, where it begins in the module.
    pub(crate) offsets: Box<[u32]>,
    /// The targets of all `br_table`, the default last in each.
    pub(crate) targets: Box<[Target]>,
    /// Vector constants and shuffle patterns.
    pub(crate) vectors: Box<[u128]>,
    /// Slots of parameters.
    pub(crate) params: u32,
    /// Slots of locals that the function declares.
    pub(crate) locals: u32,
    /// Slots of results.
    pub(crate) results: u32,
    /// Slots of locals and the most operands there can be.
    pub(crate) frame_slots: u32,
    /// What making a frame costs.
    pub(crate) entry_ink: u64,
}

impl Code {
    /// Returns the bytes it takes.
    pub(crate) fn byte_len(&self) -> usize {
        size_of_val(&*self.ops)
            + size_of_val(&*self.offsets)
            + size_of_val(&*self.targets)
            + size_of_val(&*self.vectors)
    }
}

/// Splits an immediate into its low and high half.
#[expect(clippy::cast_possible_truncation, reason = "that is what splitting does")]
pub(crate) const fn halves(immediate: u64) -> (u32, u32) {
    (immediate as u32, (immediate >> 32) as u32)
}

impl Code {
    /// Returns where operands begin, counted from the first parameter.
    pub(crate) fn operands(&self) -> usize {
        self.params as usize + HEADER_SLOTS + self.locals as usize
    }
}
