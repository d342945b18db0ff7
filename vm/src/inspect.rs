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

use crate::{Limit, Module, ModuleError, Proposal, Rules};
use alloc::string::String;
use alloc::vec::Vec;

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
    pub violations: Vec<ModuleError>,
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
    /// Its instructions.
    pub instructions: u64,
    /// The slots of its locals, parameters apart.
    pub local_slots: u64,
    /// The slots that its operands take at most, as far as its code is valid.
    pub operand_slots: u32,
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
    let mut report = scan::scan(bytes, rules);
    match verdict {
        Ok(module) => {
            debug_assert_eq!(report.violations, [], "the scan refuses what the rules accept");
            report.violations.clear();
            report.violations_omitted = 0;
            report.instantiation_ink = Some(module.instantiation_ink());
        }
        // The scan may call it by another item or offset.
        Err(error) => match report.violations.iter_mut().find(|violation| violation.covers(&error)) {
            Some(violation) => *violation = error,
            None => {
                let place =
                    report.violations.partition_point(|violation| violation.offset() <= error.offset());
                report.violations.insert(place, error);
            }
        },
    }
    report
}
