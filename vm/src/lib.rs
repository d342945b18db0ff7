//! The virtual machine: bytes become a validated [`Module`], a [`Machine`] runs instances of it, and everything the
//! code does to the world outside goes through one seam, [`Host`].
//!
//! A computation ends in an [`Outcome`]. At a host call it can also be **suspended**: the machine then holds its
//! frames and values until [`Machine::resume`], and another machine can run in between. So calls between contracts
//! never nest on the stack of the process.
//!
//! What the chain decides comes in as [`Rules`]: a feature set, limits, prices. The same module under the same rules
//! gives the same outcome, memory and ink on every machine.
//!
//! ```
//! use lathe_vm::{Machine, Meter, Module, NoHost, Outcome, Rules, Value};
//!
//! let wasm = wat::parse_str(
//!     r#"(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"#,
//! )?;
//! let module = Module::new(&wasm, &Rules::DEVNET)?;
//! let mut meter = Meter::from_gas(1_000);
//! let mut machine = Machine::new(&Rules::DEVNET, 0);
//! let instance = machine.instantiate(&module, &[], &mut meter)?;
//! let add = machine.exported_function(instance, "add").expect("the module exports it");
//! let outcome = machine.invoke(add, &[Value::I32(2), Value::I32(3)], &mut meter, &mut NoHost);
//! assert_eq!(outcome, Outcome::Returned(vec![Value::I32(5)]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Architecture invariant:** this crate knows no accounts, storage, clock, file or thread; it is `no_std`.
//!
//! **Architecture invariant:** nothing that a guest does recurses on the host's stack, neither while a module is
//! checked nor while it runs.
//!
//! **Architecture invariant:** ink is charged for the instructions of the module, never for what an [`Engine`] makes of
//! them, and no engine can be told from another by what code does, costs or leaves.
#![no_std]

#[cfg(all(any(target_arch = "x86", target_arch = "x86_64"), not(target_feature = "sse2")))]
compile_error!(
    "without SSE2, x86 rounds floating-point results twice, and results would differ between nodes"
);

extern crate alloc;

mod bounded;
mod demangle;
mod engine;
mod features;
mod host;
mod inspect;
mod machine;
mod module;
mod module_error;
mod observer;
mod once;
mod plain;
mod rules;
mod threaded;
mod trap;
mod value;

pub use demangle::demangle;
pub use engine::Engine;
pub use features::{Features, Proposal};
pub use host::{Host, HostOutcome, NoHost};
pub use inspect::{
    DeclaredItem, FunctionReport, InstructionPrice, LimitUse, ProposalUse, Report, SectionReport, Violation,
    inspect, prices,
};
pub use lathe_gas::{Instruction, Meter, OutOfGas, Schedule, ValueType};
pub use machine::{
    Extern, GlobalId, Held, HostLinked, HostMemory, InstanceId, InstantiationError, Machine, MemoryId,
    Outcome, TableId,
};
pub use module::{Export, ExternType, GlobalType, Import, MemoryType, Module, TableType};
pub use module_error::{ModuleError, ModuleErrorKind};
pub use observer::{Observer, Step};
pub use rules::{Limit, Limits, Rules};
pub use trap::{Trap, TrapFrame, TrapKind};
pub use value::{FuncType, FunctionId, Value};

/// The number of bytes in a page of linear memory.
pub const PAGE_BYTES: u32 = 65_536;
