//! Watching a computation one instruction at a time: traces, statistics, coverage.
//!
//! Observed code runs on the plain engine's loop, which is compiled a second time for it, so that code nobody watches
//! pays nothing. An observer sees; it cannot change what happens, what it costs or where it ends.

use crate::InstanceId;
use lathe_gas::Instruction;

/// Someone who watches a computation.
pub trait Observer {
    /// Is told of an instruction before it is charged, so also of the one that cannot be paid.
    fn instruction(&mut self, step: &Step);
}

/// An instruction about to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The instance whose code it is.
    pub instance: InstanceId,
    /// The index of the function in its module.
    pub function: u32,
    /// Where the instruction begins, in bytes from the beginning of the module.
    pub offset: u32,
    /// The instruction. The `end` of a function is an `end`, though it returns.
    pub instruction: Instruction,
    /// Frames, this one included.
    pub depth: u32,
    /// The ink left before the instruction is charged. More than 64 bits of ink reads as `u64::MAX`.
    pub ink_left: u64,
}

/// The observer of code that nobody watches: nothing is left of it after compilation.
pub(crate) struct Unobserved;

impl Observer for Unobserved {
    #[inline(always)]
    fn instruction(&mut self, _: &Step) {}
}
