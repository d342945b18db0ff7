//! What a module is made of, and everything that the rules have against it.
//!
//! [`Module::new`](crate::Module::new) ends at the first thing it refuses. A **report** goes on: past what is refused to
//! the next section, past invalid code to the next function. Its verdict is that of [`Module::new`], whose refusal is
//! always among the violations.
//!
//! A report is linear in the module, in time and memory, and no text in it is long because a module says so.

#[cfg(test)]
mod agreement;
mod body;
mod prices;
mod scan;
mod tally;

pub use prices::{InstructionPrice, prices};

use crate::features::operator_name;
use crate::module_error::ModuleErrorKind;
use crate::{Limit, Module, ModuleError, Proposal, Rules};
use alloc::string::String;
use alloc::vec::Vec;
use wasmparser::{BinaryReader, FunctionBody, OperatorsReader, WasmFeatures};

/// The most violations that a report lists. It counts the others.
pub(crate) const VIOLATIONS_MAX: usize = 256;

/// What a module is made of, and everything that the rules have against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The length of the module.
    pub bytes: u64,
    /// The sections, in their order.
    pub sections: Vec<SectionReport>,
    /// The functions that the module defines, in their order.
    pub functions: Vec<FunctionReport>,
    /// What it imports, in its order.
    pub imports: Vec<DeclaredItem>,
    /// What it exports, in its order.
    pub exports: Vec<DeclaredItem>,
    /// The parts of WebAssembly after 1.0 that it uses, in the order of [`Proposal::ALL`].
    pub proposals: Vec<ProposalUse>,
    /// How much of each limit it uses, in the order of [`Limit::ALL`].
    pub limits: Vec<LimitUse>,
    /// What is against it, in its order; none if the module is accepted.
    pub violations: Vec<Violation>,
    /// How many more violations there are than are listed.
    pub violations_omitted: u64,
    /// What instantiating it costs, if it is accepted.
    pub instantiation_ink: Option<u64>,
}

impl Report {
    /// Returns whether [`Module::new`](crate::Module::new) accepts the module.
    pub fn is_accepted(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Something that the rules have against a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong, and where.
    pub error: ModuleError,
    /// The instruction it is at, if it is at one.
    pub instruction: Option<String>,
}

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // What belongs to a proposal is named by the error itself.
        match (&self.instruction, self.error.kind()) {
            (Some(instruction), ModuleErrorKind::Limit { .. } | ModuleErrorKind::Invalid(_)) => {
                write!(f, "{instruction} {}", self.error)
            }
            _ => self.error.fmt(f),
        }
    }
}

/// A section of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionReport {
    /// Its name; that of a custom section as it says, cut.
    pub name: String,
    /// Where its contents begin, in bytes from the beginning of the module.
    pub offset: u64,
    /// The length of its contents.
    pub bytes: u64,
    /// How many items it says it holds, if it counts them.
    pub items: Option<u32>,
}

/// A function that a module defines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionReport {
    /// Its index, imported functions counted.
    pub index: u32,
    /// The name behind its symbol, cut, if the module says.
    pub name: Option<String>,
    /// Where its body begins, in bytes from the beginning of the module.
    pub offset: u64,
    /// The length of its body.
    pub bytes: u64,
    /// How many instructions it has.
    pub instructions: u64,
    /// The slots of its locals, parameters apart.
    pub local_slots: u64,
    /// The operands that it has at once at most, as far as its code is valid.
    pub operands: u32,
    /// The blocks that are open at once at most, the function included.
    pub nesting: u32,
    /// Whether all of its code was checked: it is not behind the first instruction that is invalid.
    pub checked: bool,
}

/// Something that a module imports or exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredItem {
    /// The first part of an import's name, cut; none for an export.
    pub module: Option<String>,
    /// Its name, cut.
    pub name: String,
    /// What it is, in words.
    pub ty: String,
}

/// How a module uses a part of WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalUse {
    /// Which part.
    pub proposal: Proposal,
    /// Whether the rules allow it.
    pub allowed: bool,
    /// How many instructions and declarations use it.
    pub uses: u64,
    /// What uses it first.
    pub item: String,
    /// Where that is, in bytes from the beginning of the module.
    pub offset: u64,
    /// The function that is in, if it is in one.
    pub function: Option<u32>,
}

/// How much of a limit a module uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUse {
    /// Which limit.
    pub limit: Limit,
    /// The most that one thing uses; none where only a run can tell.
    pub used: Option<u64>,
    /// What the rules allow.
    pub allowed: u32,
    /// Where the most is used, in bytes from the beginning of the module.
    pub offset: u64,
    /// The function that is in, if it is in one.
    pub function: Option<u32>,
}

/// Reports on a module.
pub fn inspect(bytes: &[u8], rules: &Rules) -> Report {
    let verdict = Module::new(bytes, rules);
    let (mut report, mut errors) = scan::scan(bytes, rules);
    match verdict {
        Ok(module) => {
            debug_assert_eq!(errors, [], "the scan refuses what the rules accept");
            errors.clear();
            report.violations_omitted = 0;
            report.instantiation_ink = Some(module.instantiation_ink());
        }
        // The scan may call it by another item or offset.
        Err(error) => match errors.iter_mut().find(|known| known.covers(&error)) {
            Some(known) => *known = error,
            None => errors.push(error),
        },
    }
    errors.sort_by_key(ModuleError::offset);
    report.violations = at_instructions(bytes, &report.functions, errors);
    report
}

/// Finds the instructions that errors are at. They are in the order of their offsets, so each function is read once.
fn at_instructions(bytes: &[u8], functions: &[FunctionReport], errors: Vec<ModuleError>) -> Vec<Violation> {
    let mut open: Option<(u32, OperatorsReader<'_>)> = None;
    let mut last: Option<(u64, String)> = None;
    let find = |error: ModuleError| {
        let offset = error.offset();
        if let Some(index) = error.function()
            && open.as_ref().is_none_or(|&(function, _)| function != index)
        {
            let function = functions.iter().find(|function| function.index == index);
            open = function.and_then(|function| function.operators(bytes)).map(|reader| (index, reader));
        }
        while error.function().is_some()
            && let Some((_, reader)) = &mut open
            && !reader.eof()
            && reader.original_position() <= offset
        {
            let position = reader.original_position();
            let Ok(operator) = reader.read() else { break };
            if position == offset {
                last = Some((offset, operator_name(&operator)));
            }
        }
        let instruction = last.as_ref().filter(|(at, _)| *at == offset && error.function().is_some());
        Violation { instruction: instruction.map(|(_, name)| name.clone()), error }
    };
    errors.into_iter().map(find).collect()
}

impl FunctionReport {
    fn operators<'a>(&self, bytes: &'a [u8]) -> Option<OperatorsReader<'a>> {
        let start = usize::try_from(self.offset).ok()?;
        let body = bytes.get(start..start.checked_add(usize::try_from(self.bytes).ok()?)?)?;
        let reader = BinaryReader::new_features(body, self.offset, WasmFeatures::all());
        FunctionBody::new(reader).get_operators_reader().ok()
    }
}
