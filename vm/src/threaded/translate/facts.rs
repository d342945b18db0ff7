//! What the translator asks of an instruction on numbers, looked up instead of found out each time.

use super::super::numeric::{commutes, mirrored};
use crate::ValueType;
use lathe_gas::Instruction;

/// What is known of an instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Whether its operands can change sides.
    pub(super) commutes: bool,
    /// For a comparison, the one that does the same with its operands on the other sides.
    pub(super) mirrored: Option<Instruction>,
    /// For a subtraction, the addition that does the same with a negated constant.
    pub(super) negated: Option<Instruction>,
    /// Whether it divides, and so can trap.
    pub(super) divides: bool,
    /// Whether it traps on numbers that its result type cannot hold.
    pub(super) converts: bool,
    /// Its first result, if its type is fixed.
    pub(super) result: Option<ValueType>,
}

impl Facts {
    #[inline(always)]
    pub(super) fn of(instruction: Instruction) -> &'static Self {
        &FACTS[instruction as usize]
    }

    const fn find(instruction: Instruction) -> Self {
        use Instruction::*;
        Self {
            commutes: matches!(commutes(instruction), Some(true)),
            mirrored: mirrored(instruction),
            negated: match instruction {
                I32Sub => Some(I32Add),
                I64Sub => Some(I64Add),
                _ => None,
            },
            divides: matches!(
                instruction,
                I32DivS | I32DivU | I32RemS | I32RemU | I64DivS | I64DivU | I64RemS | I64RemU
            ),
            converts: matches!(
                instruction,
                I32TruncF32S
                    | I32TruncF32U
                    | I32TruncF64S
                    | I32TruncF64U
                    | I64TruncF32S
                    | I64TruncF32U
                    | I64TruncF64S
                    | I64TruncF64U
            ),
            result: match instruction.signature() {
                Some(signature) if !signature.results.is_empty() => Some(signature.results[0]),
                _ => None,
            },
        }
    }
}

/// The facts of every instruction, by its place in the table of instructions.
static FACTS: [Facts; Instruction::ALL.len()] = {
    let mut facts = [Facts::find(Instruction::Nop); Instruction::ALL.len()];
    let mut index = 0;
    while index < facts.len() {
        let instruction = Instruction::ALL[index];
        assert!(instruction as usize == index, "the table lists the instructions in their order");
        facts[index] = Facts::find(instruction);
        index += 1;
    }
    facts
};
