//! Operators one by one: what comes with each is read, and what it does is translated.
//!
//! The cases are made from the table of instructions, so that what is known of an instruction beforehand costs nothing
//! when it comes.

use super::super::numeric::{commutes, mirrored};
use super::super::{control, value};
use super::Translator;
use super::blocks::Kind;
use super::operands::Place;
use super::reader::{BlockType, PREFIX_MISC, PREFIX_VECTOR, Reader};
use crate::ValueType;
use lathe_gas::{CostClass, Instruction};

/// What comes with an operator of fixed type: an offset or an index, and the lane of a vector.
#[derive(Clone, Copy, Default)]
struct Immediates {
    word: u64,
    lane: u16,
}

/// Reads what comes with an operator.
macro_rules! immediates {
    ($t:ident $r:ident Block $class:ident) => {
        $r.block_type()
    };
    ($t:ident $r:ident Loop $class:ident) => {
        $r.block_type()
    };
    ($t:ident $r:ident If $class:ident) => {
        $r.block_type()
    };
    ($t:ident $r:ident Br $class:ident) => {
        $r.index()
    };
    ($t:ident $r:ident BrIf $class:ident) => {
        $r.index()
    };
    ($t:ident $r:ident BrTable $class:ident) => {
        $r.targets(&mut $t.targets)
    };
    ($t:ident $r:ident $op:ident Call) => {
        $r.index()
    };
    ($t:ident $r:ident $op:ident CallIndirect) => {
        ($r.index(), $r.index())
    };
    ($t:ident $r:ident TypedSelect $class:ident) => {
        $r.skip_types()
    };
    ($t:ident $r:ident LocalGet $class:ident) => {
        $r.index()
    };
    ($t:ident $r:ident LocalSet $class:ident) => {
        $r.index()
    };
    ($t:ident $r:ident LocalTee $class:ident) => {
        $r.index()
    };
    ($t:ident $r:ident $op:ident Global) => {
        $r.index()
    };
    ($t:ident $r:ident I32Const $class:ident) => {
        low($r.signed().cast_unsigned()).into()
    };
    ($t:ident $r:ident I64Const $class:ident) => {
        $r.signed().cast_unsigned()
    };
    ($t:ident $r:ident F32Const $class:ident) => {
        u32::from_le_bytes($r.bytes()).into()
    };
    ($t:ident $r:ident F64Const $class:ident) => {
        u64::from_le_bytes($r.bytes())
    };
    ($t:ident $r:ident V128Const $class:ident) => {
        u128::from_le_bytes($r.bytes())
    };
    ($t:ident $r:ident I8x16Shuffle $class:ident) => {
        u128::from_le_bytes($r.bytes())
    };
    ($t:ident $r:ident RefNull $class:ident) => {
        $r.reference_type()
    };
    ($t:ident $r:ident MemorySize $class:ident) => {
        $r.index()
    };
    ($t:ident $r:ident MemoryGrow $class:ident) => {
        $r.index()
    };
    ($t:ident $r:ident MemoryFill $class:ident) => {
        $r.index()
    };
    ($t:ident $r:ident MemoryCopy $class:ident) => {
        ($r.index(), $r.index())
    };
    ($t:ident $r:ident MemoryInit $class:ident) => {
        ($r.index(), $r.index())
    };
    ($t:ident $r:ident TableInit $class:ident) => {
        ($r.index(), $r.index())
    };
    ($t:ident $r:ident TableCopy $class:ident) => {
        ($r.index(), $r.index())
    };
    ($t:ident $r:ident DataDrop $class:ident) => {
        indexed($r.index())
    };
    ($t:ident $r:ident ElemDrop $class:ident) => {
        indexed($r.index())
    };
    ($t:ident $r:ident TableSize $class:ident) => {
        indexed($r.index())
    };
    ($t:ident $r:ident TableGrow $class:ident) => {
        indexed($r.index())
    };
    ($t:ident $r:ident TableFill $class:ident) => {
        indexed($r.index())
    };
    ($t:ident $r:ident $op:ident Table) => {
        indexed($r.index())
    };
    ($t:ident $r:ident $op:ident Load) => {
        Immediates { word: $r.access(), lane: 0 }
    };
    ($t:ident $r:ident $op:ident Store) => {
        Immediates { word: $r.access(), lane: 0 }
    };
    ($t:ident $r:ident V128Load8Lane $class:ident) => {
        access_of_lane($r)
    };
    ($t:ident $r:ident V128Load16Lane $class:ident) => {
        access_of_lane($r)
    };
    ($t:ident $r:ident V128Load32Lane $class:ident) => {
        access_of_lane($r)
    };
    ($t:ident $r:ident V128Load64Lane $class:ident) => {
        access_of_lane($r)
    };
    ($t:ident $r:ident V128Store8Lane $class:ident) => {
        access_of_lane($r)
    };
    ($t:ident $r:ident V128Store16Lane $class:ident) => {
        access_of_lane($r)
    };
    ($t:ident $r:ident V128Store32Lane $class:ident) => {
        access_of_lane($r)
    };
    ($t:ident $r:ident V128Store64Lane $class:ident) => {
        access_of_lane($r)
    };
    ($t:ident $r:ident $op:ident VectorLoad) => {
        Immediates { word: $r.access(), lane: 0 }
    };
    ($t:ident $r:ident $op:ident VectorStore) => {
        Immediates { word: $r.access(), lane: 0 }
    };
    ($t:ident $r:ident I8x16ExtractLaneS $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident I8x16ExtractLaneU $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident I8x16ReplaceLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident I16x8ExtractLaneS $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident I16x8ExtractLaneU $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident I16x8ReplaceLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident I32x4ExtractLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident I32x4ReplaceLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident I64x2ExtractLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident I64x2ReplaceLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident F32x4ExtractLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident F32x4ReplaceLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident F64x2ExtractLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident F64x2ReplaceLane $class:ident) => {
        lane($r)
    };
    ($t:ident $r:ident $op:ident $class:ident) => {
        Immediates::default()
    };
}

/// What an operator does that can be reached and whose own price has been added. `$i` is what came with it.
macro_rules! reached {
    ($t:ident Nop $i:ident) => {};
    ($t:ident Unreachable $i:ident) => {
        $t.unreachable()
    };
    ($t:ident Block $i:ident) => {
        $t.open_block(Kind::Block, $i)
    };
    ($t:ident Loop $i:ident) => {
        $t.open_block(Kind::Loop, $i)
    };
    ($t:ident If $i:ident) => {
        $t.open_if($i)
    };
    ($t:ident Else $i:ident) => {
        $t.otherwise()
    };
    ($t:ident End $i:ident) => {
        $t.close()
    };
    ($t:ident Br $i:ident) => {{
        $t.charge_carried($i);
        $t.branch($i);
    }};
    ($t:ident BrIf $i:ident) => {{
        $t.charge_carried($i);
        $t.branch_if($i);
    }};
    ($t:ident BrTable $i:ident) => {
        $t.branch_table()
    };
    ($t:ident Return $i:ident) => {{
        $t.charge_moved($t.results);
        $t.leave();
    }};
    ($t:ident Call $i:ident) => {
        $t.call($i)
    };
    ($t:ident CallIndirect $i:ident) => {
        $t.call_indirect($i.0, $i.1)
    };
    ($t:ident ReturnCall $i:ident) => {
        $t.tail_call($i)
    };
    ($t:ident ReturnCallIndirect $i:ident) => {
        $t.tail_call_indirect($i.0, $i.1)
    };
    ($t:ident Drop $i:ident) => {{
        $t.pop();
    }};
    ($t:ident Select $i:ident) => {
        $t.choose()
    };
    ($t:ident TypedSelect $i:ident) => {
        $t.choose()
    };
    ($t:ident LocalGet $i:ident) => {
        $t.push_local($i)
    };
    ($t:ident LocalSet $i:ident) => {
        $t.set_local($i)
    };
    ($t:ident LocalTee $i:ident) => {{
        $t.set_local($i);
        $t.push_local($i);
    }};
    ($t:ident GlobalGet $i:ident) => {
        $t.global_get($i)
    };
    ($t:ident GlobalSet $i:ident) => {
        $t.global_set($i)
    };
    ($t:ident I32Const $i:ident) => {
        $t.push_const(ValueType::I32, $i)
    };
    ($t:ident I64Const $i:ident) => {
        $t.push_const(ValueType::I64, $i)
    };
    ($t:ident F32Const $i:ident) => {
        $t.push_const(ValueType::F32, $i)
    };
    ($t:ident F64Const $i:ident) => {
        $t.push_const(ValueType::F64, $i)
    };
    ($t:ident V128Const $i:ident) => {
        $t.push_vector($i)
    };
    ($t:ident RefNull $i:ident) => {
        $t.push_const($i, 0)
    };
    ($t:ident RefIsNull $i:ident) => {
        $t.is_zero()
    };
    ($t:ident I64Eqz $i:ident) => {
        $t.is_zero()
    };
    ($t:ident I32Eqz $i:ident) => {
        $t.eqz()
    };
    // The upper half of a slot with 32 bits is zero.
    ($t:ident I64ExtendI32U $i:ident) => {
        $t.retype(ValueType::I64)
    };
    ($t:ident I32ReinterpretF32 $i:ident) => {
        $t.reinterpret(Instruction::I32ReinterpretF32, ValueType::I32)
    };
    ($t:ident I64ReinterpretF64 $i:ident) => {
        $t.reinterpret(Instruction::I64ReinterpretF64, ValueType::I64)
    };
    ($t:ident F32ReinterpretI32 $i:ident) => {
        $t.reinterpret(Instruction::F32ReinterpretI32, ValueType::F32)
    };
    ($t:ident F64ReinterpretI64 $i:ident) => {
        $t.reinterpret(Instruction::F64ReinterpretI64, ValueType::F64)
    };
    // There is one memory.
    ($t:ident MemorySize $i:ident) => {
        $t.memory_size()
    };
    ($t:ident MemoryGrow $i:ident) => {
        $t.rare(Instruction::MemoryGrow, 0, [0, 0])
    };
    ($t:ident MemoryFill $i:ident) => {
        $t.rare(Instruction::MemoryFill, 0, [0, 0])
    };
    ($t:ident MemoryCopy $i:ident) => {
        $t.rare(Instruction::MemoryCopy, 0, [0, 0])
    };
    ($t:ident MemoryInit $i:ident) => {
        $t.rare(Instruction::MemoryInit, 0, [$i.0.into(), 0])
    };
    ($t:ident TableInit $i:ident) => {
        $t.rare(Instruction::TableInit, 0, [pair($i), 0])
    };
    ($t:ident TableCopy $i:ident) => {
        $t.rare(Instruction::TableCopy, 0, [pair($i), 0])
    };
    ($t:ident I8x16Shuffle $i:ident) => {
        $t.rare(Instruction::I8x16Shuffle, 0, halves($i))
    };
    ($t:ident $op:ident $i:ident) => {
        $t.operator(Instruction::$op, $i)
    };
}

/// What an operator does that cannot be reached.
macro_rules! unreached {
    ($t:ident Block) => {
        $t.open_dead_label()
    };
    ($t:ident Loop) => {
        $t.open_dead_label()
    };
    ($t:ident If) => {
        $t.open_dead_label()
    };
    ($t:ident Else) => {
        $t.otherwise()
    };
    ($t:ident End) => {
        $t.close()
    };
    ($t:ident $op:ident) => {};
}

macro_rules! define_translate {
    ($( #[doc = $doc:literal] $op:ident $text:literal $prefix:literal $number:literal $signature:tt $class:ident; )*) => {
        /// Translates the operator with this opcode, of which the reader stands behind the opcode.
        #[inline(always)]
        fn translate(t: &mut Translator<'_>, prefix: u8, number: u8, r: &mut Reader<'_>) {
            match (prefix, number) {
                $( ($prefix, $number) => {
                    #[expect(clippy::allow_attributes, reason = "few cases ignore what comes with the operator")]
                    #[allow(unused_variables, clippy::let_unit_value, reason = "there is one memory, and types are known")]
                    let immediates = immediates!(t r $op $class);
                    t.behind = r.offset();
                    if t.reachable {
                        t.pay(Instruction::$op);
                        reached!(t $op immediates);
                    } else {
                        unreached!(t $op);
                    }
                } )*
                _ => unknown(prefix, number),
            }
        }
    };
}

lathe_gas::for_each_instruction!(define_translate);

/// Translates an operator whose opcode has two parts. Returns the reader behind it: one that is lent out would have to
/// stay in memory all the time.
fn translate_prefixed<'a>(t: &mut Translator<'_>, prefix: u8, mut r: Reader<'a>) -> Reader<'a> {
    let number = r.number();
    if prefix == PREFIX_MISC {
        translate(t, PREFIX_MISC, number, &mut r);
    } else {
        translate(t, PREFIX_VECTOR, number, &mut r);
    }
    r
}

#[cold]
#[inline(never)]
fn unknown(prefix: u8, number: u8) -> ! {
    unreachable!("opcode {prefix:02x} {number:02x} is not of a valid body")
}

impl Translator<'_> {
    /// Translates the operators of a body.
    pub(super) fn operators(&mut self, mut reader: Reader<'_>) {
        while !reader.at_end() {
            self.offset = reader.offset();
            match reader.byte() {
                prefix @ (PREFIX_MISC | PREFIX_VECTOR) => {
                    reader = translate_prefixed(self, prefix, reader);
                }
                opcode => translate(self, 0, opcode, &mut reader),
            }
        }
    }

    /// Translates an operator of fixed type.
    #[inline(always)]
    fn operator(&mut self, instruction: Instruction, Immediates { word, lane }: Immediates) {
        let done = match instruction.class() {
            CostClass::Load => self.load(instruction, word),
            CostClass::Store => self.store(instruction, word),
            _ if commutes(instruction).is_some() || mirrored(instruction).is_some() => {
                self.binary(instruction);
                true
            }
            _ => self.unary(instruction),
        };
        if !done {
            self.rare(instruction, lane, [word, 0]);
        }
    }

    fn open_block(&mut self, kind: Kind, ty: BlockType) {
        let (params, results) = self.block_types(ty);
        self.flush();
        self.open_label(kind, params, results);
    }

    fn unreachable(&mut self) {
        self.site();
        self.emit(&[control::unreachable(self.engine)]);
        self.end_block();
        self.reachable = false;
    }

    fn push_vector(&mut self, value: u128) {
        self.push_slot(ValueType::V128);
        let slot = self.stack.last().map_or(0, |entry| entry.slot);
        self.write_halves(value, slot);
    }

    /// Compares the topmost operand, of 64 bits, with zero.
    fn is_zero(&mut self) {
        self.push_const(ValueType::I64, 0);
        self.binary(Instruction::I64Eq);
    }

    fn memory_size(&mut self) {
        self.claim(ValueType::I32);
        let addresses = value::memory_size(self.engine);
        let word = self.emit(&[addresses.to_acc, 0]);
        self.push_made(ValueType::I32, word, addresses.to_slot);
    }

    /// Changes the type of the topmost operand, whose bits stay.
    fn retype(&mut self, ty: ValueType) {
        if let Some(entry) = self.stack.last_mut() {
            entry.ty = ty;
        }
    }

    /// Changes the type of the topmost operand, by an instruction if it is in an accumulator.
    fn reinterpret(&mut self, instruction: Instruction, ty: ValueType) {
        match self.stack.last().map(|entry| entry.place) {
            Some(Place::Slot | Place::Local(_) | Place::Const(_)) => self.retype(ty),
            _ => self.operator(instruction, Immediates::default()),
        }
    }
}

fn indexed(index: u32) -> Immediates {
    Immediates { word: index.into(), lane: 0 }
}

fn lane(r: &mut Reader<'_>) -> Immediates {
    Immediates { word: 0, lane: r.byte().into() }
}

fn access_of_lane(r: &mut Reader<'_>) -> Immediates {
    Immediates { word: r.access(), lane: r.byte().into() }
}

fn pair((low, high): (u32, u32)) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[expect(clippy::cast_possible_truncation, reason = "a constant of 32 bits fills the low half")]
fn low(value: u64) -> u32 {
    value as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a vector")]
pub(super) fn halves(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}
