//! What each instruction costs, told from the bytecode and the schedule alone.
//!
//! This is a second reading of the rules that the engine charges by; a test holds the two together.

use super::scan::Declarations;
use crate::{FuncType, Rules};
use alloc::vec::Vec;
use lathe_gas::{Instruction, Schedule};
use wasmparser::{BlockType, Operator};

/// What executing an instruction, or entering a function, costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionPrice {
    /// The index of the function.
    pub function: u32,
    /// Where the instruction begins, in bytes from the beginning of the module; of a function entered, where its body does.
    pub offset: u64,
    /// Its ink, values that it moves included. A call does not include entering the function.
    pub ink: u64,
    /// The ink of each unit of work whose size only a run tells, and the unit.
    pub per: Option<(u32, &'static str)>,
}

/// Returns what entering each function and executing each of its instructions costs, in the order of the module, as far
/// as the module can be read. Instructions that the machine does not know are left out.
pub fn prices(bytes: &[u8], rules: &Rules) -> Vec<InstructionPrice> {
    super::scan::scan_prices(bytes, rules)
}

/// A number of values, and of slots when vectors count twice.
#[derive(Clone, Copy, Default)]
pub(super) struct Arity {
    pub(super) values: u32,
    slots: u32,
}

impl Arity {
    fn of(types: &[lathe_gas::ValueType]) -> Self {
        let values = u32::try_from(types.len()).unwrap_or(u32::MAX);
        Self { values, slots: types.iter().map(|ty| ty.slots()).fold(0, u32::saturating_add) }
    }
}

/// An open block.
struct Label {
    is_loop: bool,
    params: Arity,
    results: Arity,
}

/// The open blocks of a function, the function itself first.
pub(super) struct Labels {
    labels: Vec<Label>,
    results: Arity,
}

impl Labels {
    pub(super) fn new(declarations: &Declarations, function: u32) -> Self {
        let ty = declarations.function_type(function);
        let results = ty.map_or_else(Arity::default, |ty| Arity::of(ty.results()));
        let function = Label { is_loop: false, params: Arity::default(), results };
        Self { labels: Vec::from([function]), results }
    }

    /// Returns how many blocks are open.
    pub(super) fn depth(&self) -> u32 {
        u32::try_from(self.labels.len()).unwrap_or(u32::MAX)
    }

    /// Returns what a branch to a label carries, nothing if there is no such label.
    pub(super) fn carried(&self, depth: u32) -> Arity {
        let label =
            self.labels.len().checked_sub(depth as usize + 1).and_then(|index| self.labels.get(index));
        label.map_or_else(Arity::default, |label| if label.is_loop { label.params } else { label.results })
    }

    /// Opens and closes blocks as an operator does.
    pub(super) fn follow(&mut self, operator: &Operator<'_>, declarations: &Declarations) {
        let block = match operator {
            Operator::Block { blockty } | Operator::If { blockty } | Operator::Try { blockty } => {
                (false, *blockty)
            }
            Operator::TryTable { try_table } => (false, try_table.ty),
            Operator::Loop { blockty } => (true, *blockty),
            Operator::End | Operator::Delegate { .. } => {
                self.labels.pop();
                return;
            }
            _ => return,
        };
        let (is_loop, ty) = block;
        let (params, results) = match ty {
            BlockType::Empty => Default::default(),
            BlockType::Type(ty) => {
                let slots = if ty == wasmparser::ValType::V128 { 2 } else { 1 };
                (Arity::default(), Arity { values: 1, slots })
            }
            BlockType::FuncType(index) => {
                let ty = declarations.types.get(index as usize).and_then(Option::as_ref);
                ty.map_or_else(Default::default, |ty| (Arity::of(ty.params()), Arity::of(ty.results())))
            }
        };
        self.labels.push(Label { is_loop, params, results });
    }
}

/// Prices operators by a schedule.
pub(super) struct Pricer(&'static Schedule);

impl Pricer {
    pub(super) fn new(rules: &Rules) -> Self {
        Self(rules.schedule)
    }

    /// Returns what entering a function costs.
    pub(super) fn entry(&self, local_slots: u64) -> u64 {
        let zeroed = u64::from(self.0.local_zeroed).saturating_mul(local_slots);
        u64::from(self.0.function_entry).saturating_add(zeroed)
    }

    /// Returns what an operator costs and what each unit of its work does, `None` for one the machine does not know.
    pub(super) fn price(
        &self,
        operator: &Operator<'_>,
        labels: &Labels,
        declarations: &Declarations,
    ) -> Option<(u64, Option<(u32, &'static str)>)> {
        let params = |ty: Option<&FuncType>| ty.map_or(0, |ty| Arity::of(ty.params()).slots);
        let mut instruction = instruction_of(operator)?;
        let moved = match operator {
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                labels.carried(*relative_depth).slots
            }
            Operator::BrTable { targets } => labels.carried(targets.default()).slots,
            Operator::Return => labels.results.slots,
            // The end of a function is a return.
            Operator::End if labels.depth() == 1 => {
                instruction = Instruction::Return;
                labels.results.slots
            }
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                params(declarations.function_type(*function_index))
            }
            Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
                params(declarations.types.get(*type_index as usize).and_then(Option::as_ref))
            }
            _ => 0,
        };
        let schedule = self.0;
        let ink = u64::from(schedule.instruction(instruction).small)
            + u64::from(schedule.value_moved) * u64::from(moved);
        let per = match instruction {
            Instruction::MemoryFill | Instruction::MemoryCopy | Instruction::MemoryInit => {
                Some((schedule.memory_byte, "byte"))
            }
            Instruction::MemoryGrow => Some((schedule.memory_page, "page")),
            Instruction::TableFill
            | Instruction::TableCopy
            | Instruction::TableInit
            | Instruction::TableGrow => Some((schedule.table_element, "element")),
            _ => None,
        };
        Some((ink, per))
    }
}

fn instruction_of(operator: &Operator<'_>) -> Option<Instruction> {
    macro_rules! convert {
        ($( #[doc = $doc:literal] $name:ident $text:literal $prefix:literal $number:literal $signature:tt $class:ident; )*) => {
            match operator {
                $( Operator::$name { .. } => Some(Instruction::$name), )*
                _ => None,
            }
        };
    }
    lathe_gas::for_each_instruction!(convert)
}
