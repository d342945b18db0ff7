//! Function bodies: statements that keep the types of the operand stack in mind, and expressions for what they lack.

use super::encode::{signed, unsigned, value_type, vector};
use super::{Declarations, Random, Signature};
use lathe_gas::Instruction;
use lathe_vm::ValueType;

/// The instruction that ends blocks, bodies and constant expressions.
pub(crate) const END: u8 = 0x0b;
const ELSE: u8 = 0x05;

/// How deep blocks nest, and expressions.
const NESTING_MAX: usize = 6;
const EXPRESSION_MAX: usize = 4;
/// How many values a block holds on to at most before they are put away.
const HEIGHT_MAX: usize = 12;

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
enum Immediates {
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

fn immediates(instruction: Instruction) -> Immediates {
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

    /// Makes sure that values of these types are on top of the stack.
    fn operands(&mut self, types: &[ValueType]) {
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
    fn expression(&mut self, ty: ValueType, depth: usize) {
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

    fn constant(&mut self, ty: ValueType) {
        self.left = self.left.saturating_sub(1);
        constant(self.random, ty, &mut self.code);
    }

    /// Appends a reference without pushing its type.
    fn reference(&mut self, ty: ValueType) {
        if ty == ValueType::FuncRef && self.random.one_in(2) {
            let function = self.random.below(self.declarations.functions.len());
            self.emit_index(&[0xd2], function);
        } else {
            self.constant(ty);
        }
    }

    fn local(&mut self, ty: ValueType) -> Option<usize> {
        let fits: Vec<usize> = (0..self.locals.len()).filter(|&local| self.locals[local] == ty).collect();
        (!fits.is_empty()).then(|| *self.random.pick(&fits))
    }

    /// Appends one instruction of fixed type, with operands from the stack if `reuse` and they are there.
    fn instruction(&mut self, instruction: Instruction, depth: usize, reuse: bool) {
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
    fn address(&mut self) {
        self.expression(ValueType::I32, 1);
        if !self.random.one_in(12) {
            self.emit(&[0x41]);
            let mask = *self.random.pick(&[0xff, 0xfff8, 0xffff, 0x3c]);
            self.code.extend(signed(mask));
            self.emit(&[0x71]);
        }
    }

    /// Appends alignment and offset of an access.
    fn offset(&mut self) {
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
    fn operation(&mut self) {
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

    fn store(&mut self) {
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

    /// Opens a block, a loop or an `if`, fills it, and closes it.
    fn block(&mut self) {
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
    fn number_local(&mut self) -> Option<usize> {
        let ty = *self.random.pick(&super::NUMBERS);
        self.local(ty).filter(|local| !self.counters.contains(local))
    }

    /// Computes a value into a local, where code runs. What reads it behind the end of a block, or at the beginning of
    /// a loop, comes there on several ways, and must not think that an accumulator still has it.
    fn assign(&mut self, local: Option<usize>) {
        let Some(local) = local.filter(|_| !self.frame().dead) else { return };
        let ty = self.locals[local];
        self.expression(ty, 0);
        self.pop(&[ty]);
        self.emit_index(&[0x21], local);
    }

    /// Computes with a local that was assigned just before, on some ways here.
    fn use_assigned(&mut self, local: Option<usize>) {
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

    fn block_type(&mut self) -> (Vec<u8>, Signature) {
        match self.random.below(4) {
            0 => (vec![0x40], Signature { params: Vec::new(), results: Vec::new() }),
            1 => {
                let ty = super::value_type(self.random);
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

    fn open(&mut self, opcode: u8, bytes: &[u8], ty: &Signature, label: Vec<ValueType>) {
        self.emit(&[opcode]);
        self.code.extend(bytes);
        let floor = self.stack.len() - ty.params.len();
        self.frames.push(Frame { label, results: ty.results.clone(), floor, dead: false });
    }

    /// A loop that ends after a few rounds, unless something in it branches elsewhere.
    fn counted_loop(&mut self, bytes: &[u8], ty: &Signature, statements: usize, carried: Option<usize>) {
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
    fn condition(&mut self) {
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
    fn close(&mut self) {
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

    fn branch_if(&mut self) {
        let depth = self.random.below(self.frames.len());
        let label = self.frames[self.frames.len() - 1 - depth].label.clone();
        self.operands(&label);
        self.condition();
        self.emit_index(&[0x0d], depth);
    }

    fn branch_table(&mut self) {
        let depth = self.random.below(self.frames.len());
        let label_of = |depth: usize| &self.frames[self.frames.len() - 1 - depth].label;
        let label = label_of(depth).clone();
        let alike: Vec<usize> = (0..self.frames.len()).filter(|&depth| *label_of(depth) == label).collect();
        self.operands(&label);
        self.expression(ValueType::I32, 1);
        if !self.random.one_in(3) {
            self.emit(&[0x41, 0x07]);
            self.emit(&[0x71]);
        }
        self.emit(&[0x0e]);
        let targets: Vec<Vec<u8>> =
            (0..self.random.below(7)).map(|_| unsigned(*self.random.pick(&alike) as u64)).collect();
        self.code.extend(vector(targets));
        self.code.extend(unsigned(depth as u64));
        self.die();
    }

    /// Ends the innermost block before its end.
    fn leave(&mut self) {
        let results = self.frames[0].results.clone();
        match self.random.below(12) {
            0..=4 => {
                let depth = self.random.below(self.frames.len());
                let label = self.frames[self.frames.len() - 1 - depth].label.clone();
                self.operands(&label);
                self.emit_index(&[0x0c], depth);
            }
            5 => {
                self.operands(&results);
                self.emit(&[0x0f]);
            }
            6..=7 => self.emit(&[0x00]),
            8 => {
                let types = &self.declarations.types;
                let fits: Vec<usize> = (0..types.len()).filter(|&ty| types[ty].results == results).collect();
                let Some(&ty) = fits.first() else { return };
                let ty = if self.random.one_in(2) { ty } else { *self.random.pick(&fits) };
                let params = types[ty].params.clone();
                self.operands(&params);
                self.table_index();
                self.emit_index(&[0x13], ty);
                self.code.push(0x00);
            }
            _ => {
                let functions = &self.declarations.functions;
                let types = &self.declarations.types;
                let fits: Vec<usize> = (0..functions.len())
                    .filter(|&function| types[functions[function]].results == results)
                    .collect();
                if fits.is_empty() {
                    return;
                }
                let function = *self.random.pick(&fits);
                let params = types[functions[function]].params.clone();
                self.operands(&params);
                self.emit_index(&[0x12], function);
            }
        }
        self.die();
    }

    /// Marks the rest of the innermost block as never reached, and sometimes puts code there.
    fn die(&mut self) {
        let frame = self.frame();
        frame.dead = true;
        let floor = frame.floor;
        self.stack.truncate(floor);
        const DEAD: [&[u8]; 6] = [
            &[0x01],
            &[0x6a, 0x1a],
            &[0x02, 0x40, END],
            &[0x1a, 0x1a],
            &[0x03, 0x40, 0x0c, 0x00, END],
            &[0x41, 0x00, 0x04, 0x7f, 0x00, ELSE, 0x41, 0x01, END, 0x1a],
        ];
        if self.random.one_in(4) {
            let dead = *self.random.pick(&DEAD);
            self.code.extend(dead);
        }
    }

    fn call(&mut self) {
        let function = self.random.below(self.declarations.functions.len());
        let ty = self.declarations.types[self.declarations.functions[function]].clone();
        self.operands(&ty.params);
        self.pop(&ty.params);
        self.emit_index(&[0x10], function);
        self.stack.extend(ty.results);
    }

    fn call_indirect(&mut self) {
        let place = self.random.below(self.declarations.functions.len());
        let index = self.declarations.functions[place];
        let ty = self.declarations.types[index].clone();
        self.operands(&ty.params);
        self.table_index();
        self.pop(&ty.params);
        self.emit_index(&[0x11], index);
        self.code.push(0x00);
        self.stack.extend(ty.results);
    }

    /// Appends a number that mostly names an element of the table; its type is popped already.
    fn table_index(&mut self) {
        if self.random.one_in(3) {
            self.expression(ValueType::I32, 2);
            self.emit(&[0x41, 0x07]);
            self.emit(&[0x71]);
            self.pop(&[ValueType::I32]);
        } else {
            self.emit(&[0x41]);
            let index = self.random.below(9);
            self.code.extend(unsigned(index as u64));
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

    /// Instructions over ranges of memory and tables. The lengths are mostly small.
    fn bulk(&mut self) {
        let memory = self.random.one_in(2);
        let lengths: &[i64] = if memory { &[0, 1, 5, 16, 24, 100, 4_000, 70_000] } else { &[0, 1, 2, 3, 30] };
        let place = |body: &mut Self| {
            if memory {
                body.address();
                body.pop(&[ValueType::I32]);
            } else {
                body.table_index();
            }
        };
        let length = *self.random.pick(lengths);
        let data = self.random.below(self.declarations.data_segments);
        let elements = self.random.below(self.declarations.element_segments);
        let choice = self.random.below(4);
        if choice < 3 {
            place(self);
            match (choice, memory) {
                (0, true) => {
                    self.expression(ValueType::I32, 2);
                    self.pop(&[ValueType::I32]);
                }
                (0, false) => self.reference(ValueType::FuncRef),
                (1, _) => place(self),
                _ => {
                    self.emit(&[0x41]);
                    let from = self.random.below(4);
                    self.code.extend(unsigned(from as u64));
                }
            }
            self.emit(&[0x41]);
            self.code.extend(signed(length));
        }
        match (choice, memory) {
            (0, true) => self.emit(&[0xfc, 0x0b, 0x00]),
            (0, false) => self.emit(&[0xfc, 0x11, 0x00]),
            (1, true) => self.emit(&[0xfc, 0x0a, 0x00, 0x00]),
            (1, false) => self.emit(&[0xfc, 0x0e, 0x00, 0x00]),
            (2, true) => {
                self.emit_index(&[0xfc, 0x08], data);
                self.code.push(0x00);
            }
            (2, false) => {
                self.emit_index(&[0xfc, 0x0c], elements);
                self.code.push(0x00);
            }
            (_, true) => self.emit_index(&[0xfc, 0x09], data),
            (_, false) => self.emit_index(&[0xfc, 0x0d], elements),
        }
    }

    fn table(&mut self) {
        match self.random.below(4) {
            0 => {
                self.table_index();
                self.emit(&[0x25, 0x00]);
                self.stack.push(ValueType::FuncRef);
            }
            1 => {
                self.table_index();
                self.expression(ValueType::FuncRef, 2);
                self.pop(&[ValueType::FuncRef]);
                self.emit(&[0x26, 0x00]);
            }
            2 => {
                self.reference(ValueType::FuncRef);
                self.emit(&[0x41]);
                let by = self.random.below(5);
                self.code.extend(unsigned(by as u64));
                self.emit(&[0xfc, 0x0f, 0x00]);
                self.stack.push(ValueType::I32);
            }
            _ => {
                self.emit(&[0xfc, 0x10, 0x00]);
                self.stack.push(ValueType::I32);
            }
        }
    }

    fn grow_or_size(&mut self) {
        if self.random.one_in(2) {
            if self.random.one_in(4) {
                self.operands(&[ValueType::I32]);
                self.pop(&[ValueType::I32]);
            } else {
                self.emit(&[0x41]);
                let pages = self.random.below(3);
                self.code.extend(unsigned(pages as u64));
            }
            self.emit(&[0x40, 0x00]);
        } else {
            self.emit(&[0x3f, 0x00]);
        }
        self.stack.push(ValueType::I32);
    }
}
