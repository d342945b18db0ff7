//! Why and where a computation stopped.
//!
//! Only [`TrapKind`] may reach consensus. The rest is for people, and [`Trap`]'s text is bounded and free of control
//! characters whatever the module names its functions.

use crate::demangle;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// How many frames a trap records, innermost first.
pub(crate) const BACKTRACE_FRAMES_MAX: usize = 16;

macro_rules! define_traps {
    ($( #[doc = $doc:literal] $variant:ident $text:literal; )*) => {
        /// Why a computation trapped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum TrapKind {
            $( #[doc = $doc] $variant, )*
        }

        impl TrapKind {
            /// Every kind of trap.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the text of the trap, the specification's where it has one.
            pub const fn text(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }
    };
}

define_traps! {
    /// An `unreachable` instruction.
    Unreachable "unreachable";
    /// An access outside memory, also of a data segment.
    MemoryOutOfBounds "out of bounds memory access";
    /// An access outside a table, also of an element segment.
    TableOutOfBounds "out of bounds table access";
    /// A call through an index outside the table.
    UndefinedElement "undefined element";
    /// A call through an element that is null.
    UninitializedElement "uninitialized element";
    /// A call through an element of another type than the instruction states.
    IndirectCallTypeMismatch "indirect call type mismatch";
    /// An integer division by zero.
    IntegerDivideByZero "integer divide by zero";
    /// The quotient of the least integer and -1, or a float beyond the range of the integer type.
    IntegerOverflow "integer overflow";
    /// A NaN that was to become an integer.
    InvalidConversion "invalid conversion to integer";
    /// More frames or value slots than the limits allow.
    StackOverflow "call stack exhausted";
    /// A charge that could not be paid.
    OutOfGas "out of gas";
    /// As many instructions as a transaction may execute, where they are counted instead of priced.
    StepLimit "step limit reached";
    /// A host function failed; the host knows why.
    Host "host function failed";
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl From<lathe_gas::OutOfGas> for TrapKind {
    fn from(_: lathe_gas::OutOfGas) -> Self {
        Self::OutOfGas
    }
}

impl From<lathe_gas::Exhausted> for TrapKind {
    fn from(exhausted: lathe_gas::Exhausted) -> Self {
        match exhausted {
            lathe_gas::Exhausted::Gas => Self::OutOfGas,
            lathe_gas::Exhausted::Steps => Self::StepLimit,
        }
    }
}

/// A place in a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapFrame {
    /// The index of the function in its module.
    pub function: u32,
    /// Where the instruction begins, in bytes from the beginning of the module.
    pub offset: u32,
    /// The symbol of the function, if the module says. The text shows the name [behind it](crate::demangle).
    pub name: Option<Box<str>>,
}

impl fmt::Display for TrapFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.function)?;
        if let Some(name) = &self.name {
            write!(f, " `{}`", demangle(name).escape_debug())?;
        }
        write!(f, " at {:#x}", self.offset)
    }
}

/// A computation that stopped because it must not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Why.
    pub kind: TrapKind,
    /// Where: the innermost frame first, at most 16. Empty if the trap came before the first frame.
    pub backtrace: Vec<TrapFrame>,
}

impl Trap {
    /// Returns the place of the instruction that trapped.
    pub fn location(&self) -> Option<&TrapFrame> {
        self.backtrace.first()
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        for (i, frame) in self.backtrace.iter().enumerate() {
            write!(f, "{}{frame}", if i == 0 { " in " } else { ", called by " })?;
        }
        Ok(())
    }
}

impl core::error::Error for Trap {}
