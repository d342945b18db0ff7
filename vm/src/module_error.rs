//! Why bytes were refused as a module.

use crate::bounded::cut_printable;
use crate::{Limit, Proposal, demangle};
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// Bytes that are not a module, or not one that the rules allow: what is wrong, where, and what to do about it.
///
/// One pointer wide, so that results stay small on the paths that succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleError(Box<Details>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    kind: ModuleErrorKind,
    offset: u64,
    function: Option<u32>,
    name: Option<Box<str>>,
}

/// What is wrong with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleErrorKind {
    /// Something is larger than a limit.
    Limit {
        /// Which limit.
        limit: Limit,
        /// Its value.
        max: u32,
        /// What the module has, or the least it is known to have.
        actual: u64,
    },
    /// Something belongs to a proposal that the rules leave out.
    Proposal {
        /// Which proposal.
        proposal: Proposal,
        /// The instruction or declaration.
        item: String,
    },
    /// The bytes are no WebAssembly: they begin with these, four at most, in hexadecimal.
    NotWasm(String),
    /// There is a start function, which no one would pay for.
    StartFunction,
    /// The bytes break a rule of WebAssembly itself.
    Invalid(String),
}

impl ModuleError {
    pub(crate) fn new(kind: ModuleErrorKind, offset: u64) -> Self {
        Self(Box::new(Details { kind, offset, function: None, name: None }))
    }

    pub(crate) fn in_function(mut self, function: u32) -> Self {
        self.0.function.get_or_insert(function);
        self
    }

    pub(crate) fn named(mut self, name: Option<&str>) -> Self {
        self.0.name = name.map(Into::into);
        self
    }

    /// Returns whether another error says the same thing of the same function.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        use ModuleErrorKind::{Invalid, Limit, Proposal};
        let (ours, theirs) = (&*self.0, &*other.0);
        ours.function == theirs.function
            && match (&ours.kind, &theirs.kind) {
                (Limit { limit: a, .. }, Limit { limit: b, .. }) => a == b && ours.offset == theirs.offset,
                (Proposal { proposal: a, item: b }, Proposal { proposal: c, item: d }) => {
                    a == c && (b == d || ours.offset == theirs.offset || ours.function.is_none())
                }
                (Invalid(_), Invalid(_)) => ours.offset == theirs.offset,
                (a, b) => a == b,
            }
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> &ModuleErrorKind {
        &self.0.kind
    }

    /// Returns where it is, in bytes from the beginning of the module.
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// Returns the index of the function it is in, if it is in one.
    pub fn function(&self) -> Option<u32> {
        self.0.function
    }
}

impl From<wasmparser::Error> for ModuleError {
    fn from(error: wasmparser::Error) -> Self {
        // The validator quotes names of the module.
        Self::new(ModuleErrorKind::Invalid(cut_printable(error.message())), error.offset())
    }
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = &*self.0;
        match &details.kind {
            ModuleErrorKind::Proposal { item, .. } => write!(f, "{item} at {:#x}", details.offset)?,
            _ => write!(f, "at {:#x}", details.offset)?,
        }
        if let Some(function) = details.function {
            write!(f, " in function {function}")?;
            if let Some(name) = &details.name {
                write!(f, " `{}`", demangle(name).escape_debug())?;
            }
        }
        f.write_str(": ")?;
        match &details.kind {
            ModuleErrorKind::Limit { limit, max, actual } => {
                write!(f, "{actual} {}, the limit is {max}; {}", limit.noun(), limit.advice())
            }
            ModuleErrorKind::Proposal { proposal, .. } => {
                write!(f, "the {} proposal is not enabled; compile without it", proposal.name())
            }
            ModuleErrorKind::StartFunction => {
                f.write_str("start functions are not allowed; call it from the entry point instead")
            }
            ModuleErrorKind::NotWasm(head) => {
                write!(f, "invalid module: it begins with `{head}`, WebAssembly with `0061736d`")
            }
            ModuleErrorKind::Invalid(reason) => write!(f, "invalid module: {reason}"),
        }
    }
}

impl core::error::Error for ModuleError {}
