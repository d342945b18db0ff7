//! Expressions: what pushes a value of a type that a statement lacks, and instructions whose type is fixed.

use super::super::Random;
use super::super::encode::{signed, unsigned};
use super::{Body, EXPRESSION_MAX};
use lathe_gas::Instruction;
use lathe_vm::ValueType;

/// Numbers around which things go wrong.
const I32S: [i32; 12] = [0, 1, -1, 2, 7, 31, 32, 255, 65_535, i32::MAX, i32::MIN, 1 << 30];
const I64S: [i64; 10] = [0, 1, -1, 3, 63, 64, 1 << 32, -(1 << 31), i64::MAX, i64::MIN];
const F32S: [u32; 10] = [
    0,
    0x8000_0000,
    0x3f80_0000,
    0xbfc0_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffa0_0001,
    0x0000_0001,
    0x4f00_0000,
];
const F64S: [u64; 10] = [
    0,
    1 << 63,
    0x3ff0_0000_0000_0000,
    0xbff8_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff4_0000_0000_0001,
    0x0000_0000_0000_0001,
    0x41e0_0000_0000_0000,
];
/// Appends a constant of a type.
pub(crate) fn constant(random: &mut Random, ty: ValueType, code: &mut Vec<u8>) {
    let any = random.one_in(3);
    match ty {
        ValueType::I32 => {
            let value = if any { random.number().to_le_bytes()[0].into() } else { *random.pick(&I32S) };
            code.push(0x41);
            code.extend(signed(value.into()));
        }
        ValueType::I64 => {
            let value = if any { random.number().cast_signed() } else { *random.pick(&I64S) };
            code.push(0x42);
            code.extend(signed(value));
        }
        ValueType::F32 => {
            let bits = if any { F32S[2] ^ u32::from(random.byte()) << 16 } else { *random.pick(&F32S) };
            code.push(0x43);
            code.extend(bits.to_le_bytes());
        }
        ValueType::F64 => {
            let bits = if any { F64S[2] ^ u64::from(random.byte()) << 45 } else { *random.pick(&F64S) };
            code.push(0x44);
            code.extend(bits.to_le_bytes());
        }
        ValueType::V128 => {
            code.extend([0xfd, 0x0c]);
            let halves = [random.pick(&F64S).to_le_bytes(), random.number().to_le_bytes()];
            code.extend(halves.concat());
        }
        ValueType::FuncRef => code.extend([0xd0, 0x70]),
        ValueType::ExternRef => code.extend([0xd0, 0x6f]),
    }
}

/// What an instruction with a fixed type needs besides its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Immediates {
    None,
    /// Alignment and offset; the first operand is an address.
    Memory,
    /// The same, then a lane below this.
    MemoryLane(usize),
    Lane(usize),
    Lanes,
    /// Another function writes this one.
    Apart,
}

pub(super) fn immediates(instruction: Instruction) -> Immediates {
    let opcode = instruction.opcode();
    match (opcode.prefix, opcode.number) {
        (0x00, 0x28..=0x3e) | (0xfd, 0x00..=0x0b | 0x5c | 0x5d) => Immediates::Memory,
        (0x00, 0x3f..=0x44 | 0xd2) | (0xfc, 0x08..) | (0xfd, 0x0c) => Immediates::Apart,
        (0xfd, 0x0d) => Immediates::Lanes,
        (0xfd, 0x15..=0x17) => Immediates::Lane(16),
        (0xfd, 0x18..=0x1a) => Immediates::Lane(8),
        (0xfd, 0x1b | 0x1c | 0x1f | 0x20) => Immediates::Lane(4),
        (0xfd, 0x1d | 0x1e | 0x21 | 0x22) => Immediates::Lane(2),
        (0xfd, number @ 0x54..=0x5b) => Immediates::MemoryLane(16 >> (number & 3)),
        _ => Immediates::None,
    }
}

impl Body<'_> {
    /// Makes sure that values of these types are on top of the stack.
    pub(super) fn operands(&mut self, types: &[ValueType]) {
        let floor = self.frame().floor;
        if self.stack[floor..].ends_with(types) && !self.random.one_in(4) {
            return;
        }
        // What is there may be the first operands.
        let there = (0..types.len()).rev().find(|&n| self.stack[floor..].ends_with(&types[..n])).unwrap_or(0);
        let there = if self.random.one_in(3) { 0 } else { there };
        for &ty in &types[there..] {
            self.expression(ty, 1);
        }
    }

    /// Pushes a value of a type.
    pub(super) fn expression(&mut self, ty: ValueType, depth: usize) {
        let choice = self.random.below(if depth < EXPRESSION_MAX { 20 } else { 10 });
        match choice {
            0..=5 => match self.local(ty) {
                Some(local) => self.emit_index(&[0x20], local),
                None => self.constant(ty),
            },
            6..=7 => self.constant(ty),
            8..=9 => {
                let globals = self.declarations.globals.iter().enumerate();
                let fits: Vec<usize> =
                    globals.filter(|(_, global)| global.0 == ty).map(|(place, _)| place).collect();
                if fits.is_empty() {
                    self.constant(ty);
                } else {
                    let global = *self.random.pick(&fits);
                    self.emit_index(&[0x23], global);
                }
            }
            10 => match self.local(ty).filter(|_| depth < EXPRESSION_MAX) {
                Some(local) => {
                    self.expression(ty, depth + 1);
                    self.pop(&[ty]);
                    if self.counters.contains(&local) {
                        // The value stays as it is.
                    } else {
                        self.emit_index(&[0x22], local);
                    }
                }
                None => self.constant(ty),
            },
            _ => {
                let fits: Vec<Instruction> = Instruction::ALL
                    .iter()
                    .copied()
                    .filter(|&instruction| {
                        instruction.signature().is_some_and(|signature| signature.results == [ty])
                            && immediates(instruction) != Immediates::Apart
                    })
                    .collect();
                if fits.is_empty() {
                    self.reference(ty);
                } else {
                    let instruction = *self.random.pick(&fits);
                    self.instruction(instruction, depth + 1, false);
                    return;
                }
            }
        }
        self.stack.push(ty);
    }

    pub(super) fn constant(&mut self, ty: ValueType) {
        self.left = self.left.saturating_sub(1);
        constant(self.random, ty, &mut self.code);
    }

    /// Appends a reference without pushing its type.
    pub(super) fn reference(&mut self, ty: ValueType) {
        if ty == ValueType::FuncRef && self.random.one_in(2) {
            let function = self.random.below(self.declarations.functions.len());
            self.emit_index(&[0xd2], function);
        } else {
            self.constant(ty);
        }
    }

    pub(super) fn local(&mut self, ty: ValueType) -> Option<usize> {
        let fits: Vec<usize> = (0..self.locals.len()).filter(|&local| self.locals[local] == ty).collect();
        (!fits.is_empty()).then(|| *self.random.pick(&fits))
    }

    /// Appends one instruction of fixed type, with operands from the stack if `reuse` and they are there.
    pub(super) fn instruction(&mut self, instruction: Instruction, depth: usize, reuse: bool) {
        let signature = instruction.signature().expect("the caller chose one that has");
        let memory = matches!(immediates(instruction), Immediates::Memory | Immediates::MemoryLane(_));
        if memory {
            self.address();
            for &ty in &signature.params[1..] {
                self.expression(ty, depth);
            }
        } else if reuse {
            self.operands(signature.params);
        } else {
            for &ty in signature.params {
                self.expression(ty, depth);
            }
        }
        self.pop(signature.params);
        self.stack.extend(signature.results);
        let opcode = instruction.opcode();
        match opcode.prefix {
            0x00 => self.emit(&[opcode.number]),
            prefix => self.emit_index(&[prefix], opcode.number.into()),
        }
        match immediates(instruction) {
            Immediates::None | Immediates::Apart => {}
            Immediates::Memory => self.offset(),
            Immediates::MemoryLane(lanes) => {
                self.offset();
                let lane = self.random.below(lanes);
                self.code.extend(unsigned(lane as u64));
            }
            Immediates::Lane(lanes) => {
                let lane = self.random.below(lanes);
                self.code.extend(unsigned(lane as u64));
            }
            Immediates::Lanes => {
                for _ in 0..16 {
                    let lane = self.random.byte() & 31;
                    self.code.push(lane);
                }
            }
        }
    }

    /// Pushes an address that mostly lies in the memory.
    pub(super) fn address(&mut self) {
        self.expression(ValueType::I32, 1);
        if !self.random.one_in(12) {
            self.emit(&[0x41]);
            let mask = *self.random.pick(&[0xff, 0xfff8, 0xffff, 0x3c]);
            self.code.extend(signed(mask));
            self.emit(&[0x71]);
        }
    }

    /// Appends alignment and offset of an access.
    pub(super) fn offset(&mut self) {
        let offset = match self.random.below(24) {
            0 => self.random.number() & 0xffff_ffff,
            1..=3 => self.random.number() & 0xffff,
            4..=11 => 0,
            _ => self.random.number() & 0x3f,
        };
        self.code.push(0x00);
        self.code.extend(unsigned(offset));
    }

    /// Any instruction of fixed type.
    pub(super) fn operation(&mut self) {
        let instruction = *self.random.pick(Instruction::ALL);
        if instruction.signature().is_some() && immediates(instruction) != Immediates::Apart {
            self.instruction(instruction, 1, true);
        } else if instruction == Instruction::RefIsNull {
            let ty = *self.random.pick(&[ValueType::FuncRef, ValueType::ExternRef]);
            self.operands(&[ty]);
            self.pop(&[ty]);
            self.emit(&[0xd1]);
            self.stack.push(ValueType::I32);
        }
    }

    pub(super) fn store(&mut self) {
        let stores: Vec<Instruction> = Instruction::ALL
            .iter()
            .copied()
            .filter(|instruction| {
                matches!(immediates(*instruction), Immediates::Memory | Immediates::MemoryLane(_))
                    && instruction.signature().is_some_and(|signature| signature.results.is_empty())
            })
            .collect();
        let store = *self.random.pick(&stores);
        self.instruction(store, 1, false);
    }
}
