//! Expressions that instantiation evaluates: initial values of globals, offsets of segments, elements.

use crate::ModuleError;
use crate::module_error::ModuleErrorKind;
use crate::{Limit, Limits};
use alloc::boxed::Box;
use alloc::vec::Vec;
use wasmparser::Operator;

/// An instruction of a constant expression.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConstInstruction {
    /// The slot of a constant.
    Const(u128),
    GlobalGet(u32),
    RefFunc(u32),
    I32Add,
    I32Sub,
    I32Mul,
    I64Add,
    I64Sub,
    I64Mul,
}

/// A constant expression, validated. Most have one instruction.
#[derive(Clone, Debug)]
pub(crate) enum ConstExpr {
    One(ConstInstruction),
    Many(Box<[ConstInstruction]>),
}

impl ConstExpr {
    /// Decodes a valid expression; counts its instructions, `end` included.
    pub(crate) fn decode(expr: &wasmparser::ConstExpr<'_>, limits: &Limits) -> Result<Self, ModuleError> {
        let mut instructions = Vec::new();
        let mut reader = expr.get_operators_reader();
        let mut count = 0;
        while !reader.eof() {
            let offset = reader.original_position();
            count += 1;
            if count > limits.const_instructions {
                let kind = ModuleErrorKind::Limit {
                    limit: Limit::ConstInstructions,
                    max: limits.const_instructions,
                    actual: u64::from(count),
                };
                return Err(ModuleError::new(kind, offset));
            }
            instructions.push(match reader.read()? {
                Operator::I32Const { value } => ConstInstruction::Const(value.cast_unsigned().into()),
                Operator::I64Const { value } => ConstInstruction::Const(value.cast_unsigned().into()),
                Operator::F32Const { value } => ConstInstruction::Const(value.bits().into()),
                Operator::F64Const { value } => ConstInstruction::Const(value.bits().into()),
                Operator::V128Const { value } => ConstInstruction::Const(u128::from_le_bytes(*value.bytes())),
                Operator::RefNull { .. } => ConstInstruction::Const(0),
                Operator::RefFunc { function_index } => ConstInstruction::RefFunc(function_index),
                Operator::GlobalGet { global_index } => ConstInstruction::GlobalGet(global_index),
                Operator::I32Add => ConstInstruction::I32Add,
                Operator::I32Sub => ConstInstruction::I32Sub,
                Operator::I32Mul => ConstInstruction::I32Mul,
                Operator::I64Add => ConstInstruction::I64Add,
                Operator::I64Sub => ConstInstruction::I64Sub,
                Operator::I64Mul => ConstInstruction::I64Mul,
                Operator::End => break,
                other => {
                    let reason = alloc::format!("{other:?} in a constant expression");
                    return Err(ModuleError::new(ModuleErrorKind::Invalid(reason), offset));
                }
            });
        }
        Ok(match instructions[..] {
            [one] => Self::One(one),
            _ => Self::Many(instructions.into()),
        })
    }

    /// Returns the value, given the slots of globals and of references to functions.
    pub(crate) fn evaluate(&self, global: impl Fn(u32) -> u128, function: impl Fn(u32) -> u128) -> u128 {
        let instructions = match self {
            Self::One(ConstInstruction::Const(slot)) => return *slot,
            Self::One(ConstInstruction::RefFunc(index)) => return function(*index),
            Self::One(one) => core::slice::from_ref(one),
            Self::Many(many) => many,
        };
        let mut stack: Vec<u128> = Vec::new();
        for instruction in instructions {
            let value = match *instruction {
                ConstInstruction::Const(slot) => slot,
                ConstInstruction::GlobalGet(index) => global(index),
                ConstInstruction::RefFunc(index) => function(index),
                _ => {
                    let right = stack.pop().unwrap_or_default();
                    let left = stack.pop().unwrap_or_default();
                    binary(*instruction, left, right)
                }
            };
            stack.push(value);
        }
        stack.pop().unwrap_or_default()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a slot holds a number of the type in its low bits")]
fn binary(instruction: ConstInstruction, left: u128, right: u128) -> u128 {
    let (a, b) = (left as u32, right as u32);
    let (c, d) = (left as u64, right as u64);
    match instruction {
        ConstInstruction::I32Add => a.wrapping_add(b).into(),
        ConstInstruction::I32Sub => a.wrapping_sub(b).into(),
        ConstInstruction::I32Mul => a.wrapping_mul(b).into(),
        ConstInstruction::I64Add => c.wrapping_add(d).into(),
        ConstInstruction::I64Sub => c.wrapping_sub(d).into(),
        ConstInstruction::I64Mul => c.wrapping_mul(d).into(),
        ConstInstruction::Const(_) | ConstInstruction::GlobalGet(_) | ConstInstruction::RefFunc(_) => left,
    }
}
