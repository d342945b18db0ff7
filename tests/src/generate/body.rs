//! Function bodies: statements that keep the types of the operand stack in mind, and expressions for what they lack.

mod block;
mod branch;
mod expression;
mod range;

pub(crate) use expression::constant;

use super::encode::{signed, unsigned, value_type, vector};
use super::{Declarations, Random, Signature};
use lathe_vm::ValueType;

/// The instruction that ends blocks, bodies and constant expressions.
pub(crate) const END: u8 = 0x0b;
const ELSE: u8 = 0x05;

/// How deep blocks nest, and expressions.
const NESTING_MAX: usize = 6;
const EXPRESSION_MAX: usize = 4;
/// How many values a block holds on to at most before they are put away.
const HEIGHT_MAX: usize = 12;

/// An open block.
#[derive(Debug)]
struct Frame {
    /// What a branch to it carries.
    label: Vec<ValueType>,
    results: Vec<ValueType>,
    /// The height of the operand stack below it.
    floor: usize,
    /// Whether what follows in it is never reached.
    dead: bool,
}

/// A body under construction.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    random: &'a mut Random,
    declarations: &'a Declarations,
    locals: Vec<ValueType>,
    /// Locals that count loops; nothing else writes them.
    counters: Vec<usize>,
    stack: Vec<ValueType>,
    frames: Vec<Frame>,
    code: Vec<u8>,
    /// About how many instructions may still come.
    left: usize,
}

impl<'a> Body<'a> {
    /// Returns a body for a function of this type, as it stands in the code section.
    pub(crate) fn generate(
        random: &'a mut Random,
        declarations: &'a Declarations,
        ty: &Signature,
        size: usize,
    ) -> Vec<u8> {
        let mut locals = ty.params.clone();
        let more = if random.one_in(20) { 150 } else { 10 };
        locals.extend((0..random.below(more)).map(|_| super::value_type(random)));
        let frame = Frame { label: ty.results.clone(), results: ty.results.clone(), floor: 0, dead: false };
        let left = size / 2 + random.below(size + 1);
        let mut body = Body {
            random,
            declarations,
            locals,
            counters: Vec::new(),
            stack: Vec::new(),
            frames: vec![frame],
            code: Vec::new(),
            left,
        };
        body.statements(usize::MAX);
        body.close();
        body.code.push(END);
        let declared = body.locals[ty.params.len()..].iter().map(|&ty| vec![1, value_type(ty)]);
        [vector(declared), body.code].concat()
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the body itself is a frame")
    }

    /// Appends an opcode.
    fn emit(&mut self, bytes: &[u8]) {
        self.code.extend(bytes);
        self.left = self.left.saturating_sub(1);
    }

    fn emit_index(&mut self, opcode: &[u8], index: usize) {
        self.emit(opcode);
        self.code.extend(unsigned(index as u64));
    }

    fn pop(&mut self, types: &[ValueType]) {
        debug_assert!(self.stack.ends_with(types));
        self.stack.truncate(self.stack.len() - types.len());
    }

    /// Appends up to `count` statements to the innermost block, until it is dead or the size is reached.
    fn statements(&mut self, count: usize) {
        for _ in 0..count {
            if self.frame().dead || self.left == 0 {
                break;
            }
            self.statement();
        }
    }

    fn statement(&mut self) {
        if self.stack.len() - self.frame().floor > HEIGHT_MAX {
            return self.put_away();
        }
        let nested = self.frames.len() > 1;
        match self.random.below(100) {
            0..=11 => {
                let ty = super::value_type(self.random);
                self.expression(ty, 0);
            }
            12..=33 => self.operation(),
            34..=51 => self.put_away(),
            52..=58 => self.store(),
            59..=73 => self.block(),
            74..=78 => self.branch_if(),
            79..=84 => self.call(),
            85..=87 => self.call_indirect(),
            88..=90 => self.select(),
            91..=93 => self.bulk(),
            94 => self.table(),
            95 => self.grow_or_size(),
            96..=97 if nested || self.random.one_in(10) => self.leave(),
            98 if nested => self.branch_table(),
            _ => self.count_in_memory(),
        }
    }

    /// `mem[a] = op(mem[a])`, as counters in memory make it.
    fn count_in_memory(&mut self) {
        let address = i64::from(self.random.byte()) * 4;
        let amount = i64::from(self.random.byte()) - 128;
        let operation = *self.random.pick(&[0x6a, 0x6b, 0x71, 0x72, 0x73]);
        for _ in 0..2 {
            self.emit(&[0x41]);
            self.code.extend(signed(address));
        }
        self.emit(&[0x28, 0x02, 0x00]);
        self.emit(&[0x41]);
        self.code.extend(signed(amount));
        self.emit(&[operation]);
        self.emit(&[0x36, 0x02, 0x00]);
    }

    /// Takes the top of the stack into a local or global, or drops it.
    fn put_away(&mut self) {
        let floor = self.frame().floor;
        if self.stack.len() <= floor {
            let ty = super::value_type(self.random);
            self.expression(ty, 0);
        }
        let ty = *self.stack.last().expect("it was just made sure");
        let local = self.local(ty).filter(|local| !self.counters.contains(local));
        let globals = self.declarations.globals.iter().enumerate();
        let globals: Vec<usize> =
            globals.filter(|(_, global)| **global == (ty, true)).map(|(place, _)| place).collect();
        match (self.random.below(8), local) {
            (0..=4, Some(local)) => {
                self.emit_index(&[0x21], local);
                self.pop(&[ty]);
            }
            (5, Some(local)) => self.emit_index(&[0x22], local),
            (6, _) if !globals.is_empty() => {
                let global = *self.random.pick(&globals);
                self.emit_index(&[0x24], global);
                self.pop(&[ty]);
            }
            _ => {
                self.emit(&[0x1a]);
                self.pop(&[ty]);
            }
        }
    }

    fn select(&mut self) {
        let ty = super::value_type(self.random);
        self.operands(&[ty, ty]);
        self.condition();
        self.pop(&[ty]);
        if matches!(ty, ValueType::FuncRef | ValueType::ExternRef) || self.random.one_in(4) {
            self.emit(&[0x1c, 0x01, value_type(ty)]);
        } else {
            self.emit(&[0x1b]);
        }
    }
}
