//! What running a contract costs: one table of instructions, one of host functions, and the meter that is charged.
//!
//! **Gas** is what a transaction buys; **ink** is the finer unit inside the VM, [`INK_PER_GAS`] to one gas. A
//! [`Schedule`] gives every [`Instruction`] its price in ink through its [`CostClass`], and prices for work whose
//! size is known only at run time: bytes, pages, elements, locals, values moved.
//!
//! **Architecture invariant:** an instruction and a host function are each declared once, in
//! [`for_each_instruction!`] and [`for_each_host_function!`]. Names, opcodes, types, prices and documentation all
//! derive from the row; what lacks a row does not compile.
//!
//! **Architecture invariant:** this crate has no dependencies, and hashes nothing: the chain specification hashes
//! [`Schedule::encode`].
#![no_std]

extern crate alloc;

mod host_function;
mod instruction;
mod meter;
mod schedule;

pub use host_function::HostFunction;
pub use instruction::{Instruction, Opcode, Signature};
pub use meter::{Exhausted, Meter, OutOfGas, Pace};
pub use schedule::{CostClass, Price, STEPS_MAX, Schedule};

/// How much ink one gas is.
pub const INK_PER_GAS: u64 = 10_000;

/// A value type of WebAssembly 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueType {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
    /// A 32-bit float.
    F32,
    /// A 64-bit float.
    F64,
    /// A 128-bit vector.
    V128,
    /// A reference to a function, or null.
    FuncRef,
    /// A reference to something of the host's, or null.
    ExternRef,
}

impl ValueType {
    /// Returns the name that the text format gives the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::V128 => "v128",
            Self::FuncRef => "funcref",
            Self::ExternRef => "externref",
        }
    }

    /// Returns how many value slots a value of the type takes: two for a vector, one for all others.
    pub const fn slots(self) -> u32 {
        match self {
            Self::V128 => 2,
            _ => 1,
        }
    }
}

impl core::fmt::Display for ValueType {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
