//! From the body of a valid function to threaded code, in one pass.
//!
//! The translator keeps a stack of **operands** that says where each value is: in its own slot, in an accumulator, or
//! nowhere because it is a local or a constant. A result is left in an accumulator; if it must move to a slot, the
//! instruction that made it is changed to write there as well, so that no instruction is spent on it.
//!
//! Work is linear in the length of the body: an operand is moved to its slot at most once, an address or a price is
//! filled in once, and the lists that lead from a local to the operands that mean it are followed once.

mod blocks;
mod instruction;
mod operands;

use super::control::{self, HEADER_SLOTS};
use super::numeric::Accumulator;
use super::operand::{Slots, Way};
use super::{Block, Code, Function, Site};
use crate::Engine;
use crate::module::Definition;
use crate::plain::instruction_of;
use alloc::vec::Vec;
use blocks::Label;
use core::sync::atomic::Ordering;
use instruction::Comparison;
use lathe_gas::{Schedule, ValueType};
use operands::{Entry, Held, Local};
use wasmparser::{FunctionBody, Operator};

/// Returns the code of a function, after making it if need be.
pub(super) fn code<'a>(definition: &Definition, function: &'a Function) -> &'a Code {
    let code = function.code.get_or_make(|| translate(definition, function));
    function.entry.store(code.words.as_ptr().cast_mut(), Ordering::Release);
    code
}

/// The most ink that is collected into one block: room for any one instruction is left below 2^32.
const BLOCK_INK_MAX: u64 = 1 << 31;

/// A number that is not known before the block ends.
#[derive(Clone, Copy)]
struct Open {
    index: u32,
    /// The ink of the block's instructions before the place.
    before: u64,
}

/// The function under translation.
struct Translator<'a> {
    definition: &'a Definition,
    schedule: &'static Schedule,
    engine: Engine,
    results: &'a [ValueType],
    /// Slots of the parameters.
    params: u32,

    words: Vec<u64>,
    sites: Vec<Site>,
    blocks: Vec<Block>,
    /// The last instruction in `words`.
    last: usize,
    /// Where the operator under translation begins, and the next one.
    offset: u32,
    next_offset: u32,

    /// The ink of the block so far.
    ink: u64,
    /// Words, sites and blocks whose ink waits for the end of the block.
    open_words: Vec<Open>,
    open_sites: Vec<Open>,
    open_blocks: Vec<Open>,

    labels: Vec<Label<'a>>,
    /// Branches to labels that have not come yet, in lists.
    fixups: Vec<Fixup>,
    reachable: bool,

    locals: Vec<Local>,
    stack: Vec<Entry>,
    /// The slot behind the topmost operand.
    top: i32,
    top_max: i32,
    /// Operands below this index are in their slots.
    settled: usize,
    /// What is in each [`Accumulator`].
    held: [Held; 3],
    comparison: Option<Comparison>,
    /// The last instruction, if it adds a constant to a local.
    step: Option<instruction::Step>,
    /// The last instruction, if it is one that the next may take up into itself.
    first: Option<instruction::First>,
}

/// A branch that waits for its label.
#[derive(Clone, Copy)]
struct Fixup {
    /// The first word of the instruction, and the one with the [`Way`].
    instruction: u32,
    way: u32,
    /// The next in the list: an index plus 1, or 0.
    next: u32,
}

fn translate(definition: &Definition, function: &Function) -> Code {
    const VALID: &str = "the body was validated";
    let ty = definition.function_type(function.index);
    let body = definition.body(function.index);
    let mut translator = Translator::new(definition, ty.params(), ty.results());
    // About a word a byte.
    translator.words.reserve(body.as_bytes().len());
    let entry_ink = translator.locals(&body);
    let mut reader = body.get_operators_reader().expect(VALID);
    translator.next_offset = narrow(reader.original_position());
    translator.begin(function, entry_ink);
    while !reader.eof() {
        translator.offset = narrow(reader.original_position());
        let operator = reader.read().expect(VALID);
        translator.next_offset = narrow(reader.original_position());
        translator.operator(&operator);
    }
    translator.finish(entry_ink)
}

impl<'a> Translator<'a> {
    fn new(definition: &'a Definition, params: &[ValueType], results: &'a [ValueType]) -> Self {
        let slots: u32 = params.iter().map(|ty| ty.slots()).sum();
        let mut translator = Self {
            definition,
            schedule: definition.schedule,
            engine: definition.engine,
            results,
            params: slots,
            words: Vec::new(),
            sites: Vec::new(),
            blocks: Vec::new(),
            last: 0,
            offset: 0,
            next_offset: 0,
            ink: 0,
            open_words: Vec::new(),
            open_sites: Vec::new(),
            open_blocks: Vec::new(),
            labels: Vec::new(),
            fixups: Vec::new(),
            reachable: true,
            locals: Vec::new(),
            stack: Vec::new(),
            top: 0,
            top_max: 0,
            settled: 0,
            held: [Held::default(); 3],
            comparison: None,
            step: None,
            first: None,
        };
        let header = i32::try_from(HEADER_SLOTS).unwrap_or(i32::MAX);
        let mut slot = -header - i32::try_from(slots).unwrap_or(i32::MAX);
        for &ty in params {
            translator.locals.push(Local { ty, slot: short(slot), meant_by: 0 });
            slot += slots_of(ty);
        }
        translator
    }

    /// Takes up the declared locals. Returns what making a frame costs.
    fn locals(&mut self, body: &FunctionBody<'_>) -> u64 {
        const VALID: &str = "the locals were validated";
        for group in body.get_locals_reader().expect(VALID) {
            let (count, ty) = group.expect(VALID);
            let ty = crate::module::value_type(ty, 0).expect(VALID);
            for _ in 0..count {
                self.locals.push(Local { ty, slot: short(self.top), meant_by: 0 });
                self.top += slots_of(ty);
            }
        }
        self.top_max = self.top;
        let zeroed = u64::from(self.top.unsigned_abs());
        u64::from(self.schedule.function_entry) + u64::from(self.schedule.local_zeroed) * zeroed
    }

    /// Emits the entry and opens the outermost label.
    fn begin(&mut self, function: &Function, entry_ink: u64) {
        let frame = control::Frame { slots: 0, locals: self.top.unsigned_abs() };
        let function = core::ptr::from_ref(function) as usize as u64;
        let enter = control::enter(self.engine, frame.locals);
        self.emit(&[enter, frame.into(), 0, function]);
        self.open_words.push(Open { index: 2, before: 0 });
        self.begin_block();
        self.ink = entry_ink;
        self.open_label(blocks::Kind::Block, &[], self.results);
    }

    fn finish(mut self, entry_ink: u64) -> Code {
        let frame_slots = self.top_max.unsigned_abs();
        // SAFETY: `begin` wrote word 1 as a `Frame`.
        let mut frame: control::Frame = unsafe { core::mem::transmute(self.words[1]) };
        frame.slots = frame_slots;
        self.words[1] = frame.into();
        Code {
            words: self.words.into(),
            sites: self.sites.into(),
            blocks: self.blocks.into(),
            frame_slots,
            params: self.params,
            entry_ink: i64::try_from(entry_ink).unwrap_or(i64::MAX),
        }
    }

    /// Translates one operator.
    fn operator(&mut self, operator: &Operator<'_>) {
        if self.reachable {
            if self.ink > BLOCK_INK_MAX {
                self.split();
            }
            let instruction = instruction_of(operator);
            self.ink += u64::from(self.schedule.instruction(instruction));
            self.reached(operator, instruction);
        } else {
            self.unreached(operator);
        }
    }

    /// Emits an instruction. Returns where.
    fn emit(&mut self, words: &[u64]) -> usize {
        self.last = self.words.len();
        self.words.extend_from_slice(words);
        self.last
    }

    /// Marks the instruction that comes next as one that can stop.
    fn site(&mut self) {
        let index = narrow(self.sites.len() as u64);
        self.sites.push(Site { word: self.here(), offset: self.offset, unused_ink: 0 });
        self.open_sites.push(Open { index, before: self.ink });
    }

    fn here(&self) -> u32 {
        narrow(self.words.len() as u64)
    }

    /// Sets the result slot of an instruction.
    fn set_result(&mut self, word: usize, slot: i16) {
        // SAFETY: every instruction with a result has `Slots` or `Immediate` in word 1, which agree on the result.
        let mut slots: Slots = unsafe { core::mem::transmute(self.words[word + 1]) };
        slots.r = slot;
        self.words[word + 1] = slots.into();
    }

    fn set_ink(&mut self, word: u32, ink: u32) {
        let word = &mut self.words[word as usize];
        // SAFETY: every word that holds the ink of a block agrees with `Way` on its place.
        let mut way: Way = unsafe { core::mem::transmute(*word) };
        way.ink = ink;
        *word = way.into();
    }

    fn set_way(&mut self, word: u32, from: u32, to: u32) {
        let words = i32::try_from(i64::from(to) - i64::from(from)).expect("code has fewer than 2^31 words");
        // SAFETY: as in `set_ink`.
        let mut way: Way = unsafe { core::mem::transmute(self.words[word as usize]) };
        way.words = words;
        self.words[word as usize] = way.into();
    }
}

fn slots_of(ty: ValueType) -> i32 {
    if ty == ValueType::V128 { 2 } else { 1 }
}

/// Returns the accumulator for values of a type; vectors have none.
fn accumulator_of(ty: ValueType) -> Option<Accumulator> {
    match ty {
        ValueType::I32 | ValueType::I64 | ValueType::FuncRef | ValueType::ExternRef => Some(Accumulator::Int),
        ValueType::F64 => Some(Accumulator::F64),
        ValueType::F32 => Some(Accumulator::F32),
        ValueType::V128 => None,
    }
}

fn short(slot: i32) -> i16 {
    i16::try_from(slot).expect("the limits keep frames below 2^15 slots")
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("a module, and so code made of it, is counted in 32 bits")
}
