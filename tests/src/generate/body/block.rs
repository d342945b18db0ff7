//! Blocks, loops and arms, and what is known where they begin and end.

use super::super::encode::{signed, unsigned, value_type};
use super::super::{NUMBERS, Signature};
use super::expression::{Immediates, immediates};
use super::{Body, ELSE, END, EXPRESSION_MAX, Frame, NESTING_MAX};
use lathe_gas::Instruction;
use lathe_vm::ValueType;

impl Body<'_> {
    /// Opens a block, a loop or an `if`, fills it, and closes it.
    pub(super) fn block(&mut self) {
        if self.frames.len() > NESTING_MAX {
            return self.operation();
        }
        let (bytes, ty) = self.block_type();
        let statements = 1 + self.random.below(8);
        let carried = self.number_local().filter(|_| self.random.one_in(2));
        match self.random.below(3) {
            0 => {
                self.operands(&ty.params);
                self.open(0x02, &bytes, &ty, ty.results.clone());
                self.statements(statements);
                self.assign(carried);
            }
            1 => self.counted_loop(&bytes, &ty, statements, carried),
            _ => {
                self.operands(&ty.params);
                self.condition();
                self.open(0x04, &bytes, &ty, ty.results.clone());
                self.statements(statements);
                // Without an else, what goes in must be what comes out.
                if ty.params != ty.results || self.random.one_in(2) {
                    self.assign(carried);
                    self.close();
                    self.code.push(ELSE);
                    let frame = self.frame();
                    frame.dead = false;
                    let floor = frame.floor;
                    self.stack.truncate(floor);
                    self.stack.extend(&ty.params);
                    self.statements(statements);
                }
            }
        }
        self.close();
        self.code.push(END);
        let frame = self.frames.pop().expect("it was opened above");
        self.stack.truncate(frame.floor);
        self.stack.extend(frame.results);
        self.use_assigned(carried);
    }

    /// Returns a number local that may be written.
    pub(super) fn number_local(&mut self) -> Option<usize> {
        let ty = *self.random.pick(&NUMBERS);
        self.local(ty).filter(|local| !self.counters.contains(local))
    }

    /// Computes a value into a local, where code runs. What reads it behind the end of a block, or at the beginning of
    /// a loop, comes there on several ways, and must not think that an accumulator still has it.
    pub(super) fn assign(&mut self, local: Option<usize>) {
        let Some(local) = local.filter(|_| !self.frame().dead) else { return };
        let ty = self.locals[local];
        self.expression(ty, 0);
        self.pop(&[ty]);
        self.emit_index(&[0x21], local);
    }

    /// Computes with a local that was assigned just before, on some ways here.
    pub(super) fn use_assigned(&mut self, local: Option<usize>) {
        let Some(local) = local.filter(|_| !self.frame().dead) else { return };
        let ty = self.locals[local];
        self.emit_index(&[0x20], local);
        self.stack.push(ty);
        let fits: Vec<Instruction> = Instruction::ALL
            .iter()
            .copied()
            .filter(|&instruction| {
                immediates(instruction) == Immediates::None
                    && instruction.signature().is_some_and(|signature| signature.params.first() == Some(&ty))
            })
            .collect();
        let instruction = *self.random.pick(&fits);
        let signature = instruction.signature().expect("it was just asked for");
        for &ty in &signature.params[1..] {
            self.expression(ty, EXPRESSION_MAX);
        }
        self.pop(signature.params);
        self.stack.extend(signature.results);
        let opcode = instruction.opcode();
        match opcode.prefix {
            0x00 => self.emit(&[opcode.number]),
            prefix => self.emit_index(&[prefix], opcode.number.into()),
        }
        if !signature.results.is_empty() {
            self.put_away();
        }
    }

    pub(super) fn block_type(&mut self) -> (Vec<u8>, Signature) {
        match self.random.below(4) {
            0 => (vec![0x40], Signature { params: Vec::new(), results: Vec::new() }),
            1 => {
                let ty = super::super::value_type(self.random);
                (vec![value_type(ty)], Signature { params: Vec::new(), results: vec![ty] })
            }
            _ => {
                let place = self.random.below(self.declarations.types.len());
                (
                    signed(place.try_into().expect("there are few types")),
                    self.declarations.types[place].clone(),
                )
            }
        }
    }

    pub(super) fn open(&mut self, opcode: u8, bytes: &[u8], ty: &Signature, label: Vec<ValueType>) {
        self.emit(&[opcode]);
        self.code.extend(bytes);
        let floor = self.stack.len() - ty.params.len();
        self.frames.push(Frame { label, results: ty.results.clone(), floor, dead: false });
    }

    /// A loop that ends after a few rounds, unless something in it branches elsewhere.
    pub(super) fn counted_loop(
        &mut self,
        bytes: &[u8],
        ty: &Signature,
        statements: usize,
        carried: Option<usize>,
    ) {
        let counter = self.locals.len();
        self.locals.push(ValueType::I32);
        self.counters.push(counter);
        self.emit(&[0x41]);
        let rounds = 1 + self.random.below(6);
        self.code.extend(unsigned(rounds as u64));
        self.emit_index(&[0x21], counter);
        self.assign(carried);
        self.operands(&ty.params);
        self.open(0x03, bytes, ty, ty.params.clone());
        self.use_assigned(carried);
        self.statements(statements);
        if !self.frame().dead {
            self.operands(&ty.params);
            self.emit_index(&[0x20], counter);
            self.emit(&[0x41, 0x01]);
            self.emit(&[0x6b]);
            // Read back, or straight from the assignment.
            if self.random.one_in(2) {
                self.emit_index(&[0x22], counter);
            } else {
                self.emit_index(&[0x21], counter);
                self.emit_index(&[0x20], counter);
                if self.random.one_in(3) {
                    self.emit(&[0x41, 0x00]);
                    self.emit(&[0x4a]);
                }
            }
            self.emit_index(&[0x0d], 0);
        }
    }

    /// Pushes and pops a condition: mostly a comparison right before the branch.
    pub(super) fn condition(&mut self) {
        let comparisons: Vec<Instruction> = Instruction::ALL
            .iter()
            .copied()
            .filter(|instruction| {
                let opcode = instruction.opcode();
                opcode.prefix == 0 && matches!(opcode.number, 0x45..=0x66 | 0x71)
            })
            .collect();
        if self.random.one_in(4) {
            self.expression(ValueType::I32, 1);
        } else {
            let comparison = *self.random.pick(&comparisons);
            self.instruction(comparison, 2, false);
            if self.random.one_in(4) {
                self.emit(&[0x45]);
            }
        }
        self.pop(&[ValueType::I32]);
    }

    /// Leaves the values of the innermost block's results on the stack, and nothing else above its floor.
    pub(super) fn close(&mut self) {
        let frame = self.frame();
        let (dead, floor, results) = (frame.dead, frame.floor, frame.results.clone());
        if dead {
            self.stack.truncate(floor);
            return;
        }
        if self.stack[floor..] != results {
            while self.stack.len() > floor {
                // `local.tee` leaves the value, so a few tries may be needed.
                self.put_away();
            }
            for ty in results {
                self.expression(ty, 2);
            }
        }
    }
}
