//! Operators one by one, as the reader decodes them.
//!
//! Each is a method of its own, so that what is known of an operator beforehand costs nothing when it comes.

use super::super::numeric::{commutes, mirrored};
use super::super::{control, value};
use super::Translator;
use super::blocks::Kind;
use super::operands::Place;
use crate::ValueType;
use alloc::vec::Vec;
use lathe_gas::{CostClass, Instruction};
use wasmparser::{BlockType, FrameKind, FrameStack, HeapType, MemArg, VisitOperator, VisitSimdOperator};

/// What an operator does that can be reached and whose own price has been added.
macro_rules! reached {
    ($t:ident Nop) => {};
    ($t:ident Unreachable) => { $t.unreachable() };
    ($t:ident Block $ty:ident) => { $t.open_block(Kind::Block, $ty) };
    ($t:ident Loop $ty:ident) => { $t.open_block(Kind::Loop, $ty) };
    ($t:ident If $ty:ident) => { $t.open_if($ty) };
    ($t:ident Else) => { $t.otherwise() };
    ($t:ident End) => { $t.close() };
    ($t:ident Br $depth:ident) => {{
        $t.charge_carried($depth);
        $t.branch($depth);
    }};
    ($t:ident BrIf $depth:ident) => {{
        $t.charge_carried($depth);
        $t.branch_if($depth);
    }};
    ($t:ident BrTable $targets:ident) => {{
        $t.charge_carried($targets.default());
        $t.branch_table(&$targets);
    }};
    ($t:ident Return) => {{
        $t.charge_moved($t.results);
        $t.leave();
    }};
    ($t:ident Call $function:ident) => { $t.call($function) };
    ($t:ident CallIndirect $ty:ident $table:ident) => { $t.call_indirect($ty, $table) };
    ($t:ident ReturnCall $function:ident) => { $t.tail_call($function) };
    ($t:ident ReturnCallIndirect $ty:ident $table:ident) => { $t.tail_call_indirect($ty, $table) };
    ($t:ident Drop) => {{
        $t.pop();
    }};
    ($t:ident Select) => { $t.choose() };
    ($t:ident TypedSelect $ty:ident) => { $t.choose() };
    ($t:ident TypedSelectMulti $types:ident) => { unreachable!("the validator wants one type, not {:?}", $types) };
    ($t:ident LocalGet $index:ident) => { $t.push_local($index) };
    ($t:ident LocalSet $index:ident) => { $t.set_local($index) };
    ($t:ident LocalTee $index:ident) => {{
        $t.set_local($index);
        $t.push_local($index);
    }};
    ($t:ident GlobalGet $index:ident) => { $t.global_get($index) };
    ($t:ident GlobalSet $index:ident) => { $t.global_set($index) };
    ($t:ident I32Const $value:ident) => { $t.push(ValueType::I32, Place::Const($value.cast_unsigned().into())) };
    ($t:ident I64Const $value:ident) => { $t.push(ValueType::I64, Place::Const($value.cast_unsigned())) };
    ($t:ident F32Const $value:ident) => { $t.push(ValueType::F32, Place::Const($value.bits().into())) };
    ($t:ident F64Const $value:ident) => { $t.push(ValueType::F64, Place::Const($value.bits())) };
    ($t:ident V128Const $value:ident) => { $t.push_vector(u128::from_le_bytes(*$value.bytes())) };
    ($t:ident RefNull $ty:ident) => {{
        let ty = if $ty == HeapType::EXTERN { ValueType::ExternRef } else { ValueType::FuncRef };
        $t.push(ty, Place::Const(0));
    }};
    ($t:ident RefIsNull) => { $t.is_zero() };
    ($t:ident I64Eqz) => { $t.is_zero() };
    ($t:ident I32Eqz) => { $t.eqz() };
    // The upper half of a slot with 32 bits is zero.
    ($t:ident I64ExtendI32U) => { $t.retype(ValueType::I64) };
    ($t:ident I32ReinterpretF32) => { $t.reinterpret(Instruction::I32ReinterpretF32, ValueType::I32) };
    ($t:ident I64ReinterpretF64) => { $t.reinterpret(Instruction::I64ReinterpretF64, ValueType::I64) };
    ($t:ident F32ReinterpretI32) => { $t.reinterpret(Instruction::F32ReinterpretI32, ValueType::F32) };
    ($t:ident F64ReinterpretI64) => { $t.reinterpret(Instruction::F64ReinterpretI64, ValueType::F64) };
    ($t:ident MemorySize $($memory:ident)*) => { $t.memory_size() };
    ($t:ident MemoryGrow $memory:ident) => { $t.rare(Instruction::MemoryGrow, 0, [0, 0]) };
    ($t:ident MemoryFill $memory:ident) => { $t.rare(Instruction::MemoryFill, 0, [0, 0]) };
    ($t:ident MemoryCopy $to:ident $from:ident) => { $t.rare(Instruction::MemoryCopy, 0, [0, 0]) };
    ($t:ident MemoryInit $data:ident $memory:ident) => {
        $t.rare(Instruction::MemoryInit, 0, [$data.into(), 0])
    };
    ($t:ident TableInit $element:ident $table:ident) => {
        $t.rare(Instruction::TableInit, 0, [pair($element, $table), 0])
    };
    ($t:ident TableCopy $to:ident $from:ident) => { $t.rare(Instruction::TableCopy, 0, [pair($to, $from), 0]) };
    ($t:ident I8x16Shuffle $lanes:ident) => {{
        let lanes = halves(u128::from_le_bytes($lanes));
        $t.rare(Instruction::I8x16Shuffle, 0, lanes);
    }};
    ($t:ident $op:ident $($immediate:ident)*) => { $t.operator(Instruction::$op, ($($immediate,)*)) };
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

/// The method for an operator, by the group that the parser puts it in.
macro_rules! visit {
    (mvp $($rest:tt)*) => { visit_known! { $($rest)* } };
    (sign_extension $($rest:tt)*) => { visit_known! { $($rest)* } };
    (saturating_float_to_int $($rest:tt)*) => { visit_known! { $($rest)* } };
    (bulk_memory $($rest:tt)*) => { visit_known! { $($rest)* } };
    (reference_types $($rest:tt)*) => { visit_known! { $($rest)* } };
    (tail_call $($rest:tt)*) => { visit_known! { $($rest)* } };
    (simd $($rest:tt)*) => { visit_known! { $($rest)* } };
    ($group:ident $op:ident $visit:ident $($arg:ident: $argty:ty),*) => {
        fn $visit(&mut self, $(_: $argty),*) {
            unreachable!("{} passed the check of features", stringify!($op))
        }
    };
}

macro_rules! visit_known {
    ($op:ident $visit:ident $($arg:ident: $argty:ty),*) => {
        #[allow(unused_variables, reason = "there is one memory, and one type of selected values is known")]
        fn $visit(&mut self, $($arg: $argty),*) {
            if self.reachable {
                self.pay(instruction!($op));
                reached!(self $op $($arg)*);
            } else {
                unreached!(self $op);
            }
        }
    };
}

/// The instruction of an operator, whose name may differ.
macro_rules! instruction {
    (TypedSelectMulti) => {
        Instruction::TypedSelect
    };
    ($op:ident) => {
        Instruction::$op
    };
}

macro_rules! visit_all {
    ($( @$group:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $( visit! { $group $op $visit $($($arg: $argty),*)? } )*
    };
}

impl<'a> VisitOperator<'a> for Translator<'_> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit_all);
}

impl<'a> VisitSimdOperator<'a> for Translator<'_> {
    wasmparser::for_each_visit_simd_operator!(visit_all);
}

impl FrameStack for Translator<'_> {
    /// The parser asks whether an `else` may come, which was validated.
    #[inline(always)]
    fn current_frame(&self) -> Option<FrameKind> {
        Some(FrameKind::If)
    }
}

/// What comes with an operator that branches nowhere and calls nothing.
trait Immediates {
    /// The lane of a vector.
    fn lane(&self) -> u16 {
        0
    }
    /// An offset or an index.
    fn word(&self) -> u64 {
        0
    }
}

impl Immediates for () {}

impl Immediates for (u32,) {
    fn word(&self) -> u64 {
        self.0.into()
    }
}

impl Immediates for (u8,) {
    fn lane(&self) -> u16 {
        self.0.into()
    }
}

impl Immediates for (MemArg,) {
    fn word(&self) -> u64 {
        self.0.offset
    }
}

impl Immediates for (MemArg, u8) {
    fn lane(&self) -> u16 {
        self.1.into()
    }

    fn word(&self) -> u64 {
        self.0.offset
    }
}

impl Translator<'_> {
    /// Translates an operator of fixed type.
    #[inline(always)]
    fn operator(&mut self, instruction: Instruction, immediates: impl Immediates) {
        let done = match instruction.class() {
            CostClass::Load => self.load(instruction, immediates.word()),
            CostClass::Store => self.store(instruction, immediates.word()),
            _ if commutes(instruction).is_some() || mirrored(instruction).is_some() => {
                self.binary(instruction);
                true
            }
            _ => self.unary(instruction),
        };
        if !done {
            self.rare(instruction, immediates.lane(), [immediates.word(), 0]);
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

    fn push_local(&mut self, index: u32) {
        let ty = self.locals[index as usize].ty;
        self.push(ty, Place::Local(index));
    }

    fn push_vector(&mut self, value: u128) {
        self.push_slot(ValueType::V128);
        let slot = self.stack.last().map_or(0, |entry| entry.slot);
        self.write_halves(value, slot);
    }

    /// Compares the topmost operand, of 64 bits, with zero.
    fn is_zero(&mut self) {
        self.push(ValueType::I64, Place::Const(0));
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
            _ => self.operator(instruction, ()),
        }
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a vector")]
pub(super) fn halves(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}
