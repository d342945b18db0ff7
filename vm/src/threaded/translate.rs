//! From the body of a valid function to threaded code, in one pass.
//!
//! The translator keeps a stack of **operands** that says where each value is: in its own slot, in an accumulator, or
//! nowhere because it is a local or a constant. A result is left in an accumulator; if it must move to a slot, the
//! instruction that made it is changed to write there as well, so that no instruction is spent on it.
//!
//! Work is linear in the length of the body: an operand is moved to its slot at most once, an address or a price is
//! filled in once, and the lists that lead from a local to the operands that mean it are followed once.

mod blocks;
mod facts;
mod instruction;
mod operands;
mod operator;
mod reader;

use super::control::{self, HEADER_SLOTS};
use super::ink::Ink;
use super::numeric::Accumulator;
use super::operand::{Slots, Way};
use super::{Block, Code, Function, Site};
use crate::Engine;
use crate::module::Definition;
use alloc::vec::Vec;
use blocks::Label;
use core::sync::atomic::Ordering;
use instruction::Comparison;
use lathe_gas::{Instruction, Schedule, ValueType};
use operands::{Entry, Held, Local};
use reader::Reader;
use wasmparser::FunctionBody;

/// Returns the code of a function, after making it if need be.
pub(super) fn code<'a>(definition: &'a Definition, function: &'a Function) -> &'a Code {
    Translator::new(definition).code(function)
}

/// Makes the code of all functions of a module that have none.
pub(super) fn all(definition: &Definition) {
    let mut translator = Translator::new(definition);
    for function in &definition.threaded[definition.imported_functions as usize..] {
        translator.code(function);
    }
}

/// The most ink that is collected into one block, on any memory: room for any one instruction is left below 2^32.
const BLOCK_INK_MAX: u64 = 1 << 31;
/// The same on a small memory. A block that cannot be paid for is executed by the plain engine, one instruction after the
/// other and dozens of times slower, so it must not be long: this is a quarter of what an instance costs.
const STEPPED_INK_MAX: u64 = 1 << 18;

/// A word whose ink is not known before the block ends.
#[derive(Clone, Copy)]
struct Open {
    word: u32,
    /// The ink of the block's instructions before the place.
    before: Ink,
}

/// The function under translation. What it has room for is kept for the next one.
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
    /// Where the operator under translation begins, and the one behind it.
    offset: u32,
    behind: u32,

    /// The ink of the block so far.
    ink: Ink,
    /// Words whose ink waits for the end of the block.
    open_words: Vec<Open>,
    /// The first sites and blocks that wait, too. Meanwhile, their ink is what comes before them.
    open_sites: usize,
    open_blocks: usize,

    labels: Vec<Label<'a>>,
    /// The targets of the branch table under translation, the default last.
    targets: Vec<u32>,
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
    /// The last instruction, if it computes the address of an array's element.
    element: Option<instruction::Element>,
    /// The last load of what may be an index.
    index_load: Option<instruction::IndexLoad>,
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

impl<'a> Translator<'a> {
    fn new(definition: &'a Definition) -> Self {
        Self {
            definition,
            schedule: definition.schedule,
            engine: definition.engine,
            results: &[],
            params: 0,
            words: Vec::new(),
            sites: Vec::new(),
            blocks: Vec::new(),
            last: 0,
            offset: 0,
            behind: 0,
            ink: Ink::ZERO,
            open_words: Vec::new(),
            open_sites: 0,
            open_blocks: 0,
            labels: Vec::new(),
            targets: Vec::new(),
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
            element: None,
            index_load: None,
        }
    }

    /// Returns the code of a function, after making it if need be.
    fn code(&mut self, function: &'a Function) -> &'a Code {
        let code = function.code.get_or_make(|| self.translate(function));
        function.entry.store(code.words.as_ptr().cast_mut(), Ordering::Release);
        code
    }

    fn translate(&mut self, function: &Function) -> Code {
        const VALID: &str = "the body was validated";
        let ty = self.definition.function_type(function.index);
        let body = self.definition.body(function.index);
        self.forget();
        self.results = ty.results();
        self.last = 0;
        self.ink = Ink::ZERO;
        self.reachable = true;
        self.params(ty.params());
        let entry_ink = self.locals(&body);
        let operators = body.get_binary_reader_for_operators().expect(VALID);
        let (start, end) = (operators.original_position(), body.range().end);
        let length = usize::try_from(end - start).expect("a module fits the address space");
        let bytes = body.as_bytes();
        self.behind = narrow(start);
        self.begin(function, entry_ink);
        self.operators(Reader::new(&bytes[bytes.len() - length..], self.behind));
        self.finish(entry_ink)
    }

    /// Takes up the parameters.
    fn params(&mut self, params: &[ValueType]) {
        self.params = params.iter().map(|ty| ty.slots()).sum();
        let header = i32::try_from(HEADER_SLOTS).unwrap_or(i32::MAX);
        let mut slot = -header - i32::try_from(self.params).unwrap_or(i32::MAX);
        for &ty in params {
            self.locals.push(Local { ty, slot: short(slot), meant_by: 0 });
            slot += slots_of(ty);
        }
        self.top = 0;
    }

    /// Takes up the declared locals. Returns what making a frame costs.
    fn locals(&mut self, body: &FunctionBody<'_>) -> u32 {
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
        let zeroed = self.schedule.local_zeroed.saturating_mul(self.top.unsigned_abs());
        self.schedule.function_entry.saturating_add(zeroed)
    }

    /// Emits the entry and opens the outermost label.
    fn begin(&mut self, function: &Function, entry_ink: u32) {
        let frame = control::Frame { slots: 0, locals: self.top.unsigned_abs() };
        let function = core::ptr::from_ref(function) as usize as u64;
        let enter = control::enter(self.engine, frame.locals);
        self.emit(&[enter, frame.into(), 0, function]);
        self.open_words.push(Open { word: 2, before: Ink::ZERO });
        self.begin_block();
        self.ink = Ink::flat(entry_ink);
        self.open_label(blocks::Kind::Block, &[], self.results);
    }

    /// Returns the code and makes room for the next function.
    fn finish(&mut self, entry_ink: u32) -> Code {
        let frame_slots = self.top_max.unsigned_abs();
        // SAFETY: `begin` wrote word 1 as a `Frame`.
        let mut frame: control::Frame = unsafe { core::mem::transmute(self.words[1]) };
        frame.slots = frame_slots;
        self.words[1] = frame.into();
        let code = Code {
            words: self.words.as_slice().into(),
            sites: self.sites.as_slice().into(),
            blocks: self.blocks.as_slice().into(),
            frame_slots,
            params: self.params,
            entry_ink: entry_ink.into(),
        };
        self.words.clear();
        self.sites.clear();
        self.blocks.clear();
        self.open_sites = 0;
        self.open_blocks = 0;
        self.fixups.clear();
        self.locals.clear();
        self.stack.clear();
        self.settled = 0;
        code
    }

    /// Adds the price of an instruction.
    #[inline(always)]
    fn pay(&mut self, instruction: Instruction) {
        if self.ink.small() > STEPPED_INK_MAX || self.ink.large() > BLOCK_INK_MAX {
            self.split();
        }
        self.ink += Ink::of(self.schedule.instruction(instruction));
    }

    /// Emits an instruction. Returns where.
    fn emit(&mut self, words: &[u64]) -> usize {
        self.last = self.words.len();
        self.words.extend_from_slice(words);
        self.last
    }

    /// Marks the instruction that comes next as one that can stop.
    fn site(&mut self) {
        self.site_at(self.here());
    }

    /// Marks a word as one where the operator under translation can stop.
    fn site_at(&mut self, word: u32) {
        self.sites.push(Site { word, offset: self.offset, unused_ink: self.ink });
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

    fn set_ink(&mut self, word: u32, ink: Ink) {
        self.words[word as usize] = ink.word();
    }

    fn set_way(&mut self, word: u32, from: u32, to: u32) {
        let words = i32::try_from(i64::from(to) - i64::from(from)).expect("code has fewer than 2^31 words");
        // SAFETY: the words of ways are written as such, or zero.
        let mut way: Way = unsafe { core::mem::transmute(self.words[word as usize]) };
        way.words = words;
        self.words[word as usize] = way.into();
    }
}

fn slots_of(ty: ValueType) -> i32 {
    if ty == ValueType::V128 { 2 } else { 1 }
}

/// The accumulator for values of each type; vectors have none.
static ACCUMULATORS: [Option<Accumulator>; 7] = {
    let mut accumulators = [Some(Accumulator::Int); 7];
    accumulators[ValueType::F64 as usize] = Some(Accumulator::F64);
    accumulators[ValueType::F32 as usize] = Some(Accumulator::F32);
    accumulators[ValueType::V128 as usize] = None;
    accumulators
};

#[inline(always)]
fn accumulator_of(ty: ValueType) -> Option<Accumulator> {
    ACCUMULATORS[ty as usize]
}

fn short(slot: i32) -> i16 {
    i16::try_from(slot).expect("the limits keep frames below 2^15 slots")
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("a module, and so code made of it, is counted in 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Module, Rules};

    #[test]
    fn blocks_are_short_however_long_the_code_is() {
        /// More than any instruction here costs.
        const LAST_INK_MAX: u64 = 10_000;
        for (unit, count) in [("nop ", 60_000), ("(drop (i32.load (i32.const 0)))", 5_000)] {
            let text = alloc::format!("(module (memory 1) (func {}))", unit.repeat(count));
            let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
            let module = Module::with_engine(&bytes, &Rules::DEVNET, Engine::Loop)
                .unwrap_or_else(|error| panic!("{error}"));
            module.translate();
            let code = module.definition().threaded[0].code.get().expect("it was translated");
            let dearest = code.blocks.iter().map(|block| block.ink.small()).max();
            assert!(dearest > Some(STEPPED_INK_MAX / 2), "{unit} makes no block of {dearest:?} ink");
            assert!(
                dearest <= Some(STEPPED_INK_MAX + LAST_INK_MAX),
                "{unit} makes a block of {dearest:?} ink"
            );
        }
    }
}
