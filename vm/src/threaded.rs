//! The fast engines: direct-threaded code on slots and accumulators.
//!
//! A function becomes a sequence of words: each instruction is the address of its **handler** and a few words of
//! operands. Values lie in slots of 64 bits on one stack; the result of an instruction waits in an accumulator, and is
//! written to a slot only if something else needs the accumulator first. Ink is charged for a whole **block** by the
//! instruction that enters it, so metering costs no instruction of its own.
//!
//! Nobody can tell that ink is charged by block. Instructions that call, or charge by size, end a block, so ink is
//! exact there. An instruction that traps within a block gives back what the block has paid beyond it ([`Site`]). A
//! block that cannot be paid for is executed one instruction at a time by the plain engine, on a copy of the frame,
//! until it runs out of ink or traps ([`Block`] says where it begins). For that, every operand lies in its own slot
//! where a block begins.
//!
//! What a block costs depends on whether memory is large, so it is priced for both ([`Ink`]).
//!
//! **Architecture invariant:** machine code of handlers is reached by the addresses in the words only, and words are
//! written by the translator only. All `unsafe` of the engine rests on that, and on validated modules.

mod context;
mod control;
mod handler;
mod ink;
mod memory;
mod numeric;
mod operand;
mod rare;
mod run;
mod translate;
mod value;

pub(crate) use control::HEADER_SLOTS;
pub(crate) use run::Computation;

use crate::Engine;
use crate::module::Definition;
use crate::once::Once;
use alloc::boxed::Box;
use core::sync::atomic::{AtomicPtr, Ordering};
use ink::Ink;

/// A function of a module, as calls reach it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Function {
    /// The first instruction: of the code, or of the stub.
    entry: AtomicPtr<u64>,
    /// The index of its type among those of the module that are not equal.
    ty: u32,
    index: u32,
    /// What runs as long as there is no code: the translator, or for an import, the call out.
    stub: [u64; 1],
    imported: bool,
    code: Once<Code>,
}

/// A place in the code where a computation can stop.
#[derive(Clone, Copy, Debug)]
struct Site {
    /// Where the instruction begins, in words.
    word: u32,
    /// Where it begins in the module, in bytes.
    offset: u32,
    /// What its block has paid for the instructions behind it.
    unused_ink: Ink,
}

/// A place in the code where a block begins.
#[derive(Clone, Copy, Debug)]
struct Block {
    word: u32,
    /// Where its first instruction begins in the module, in bytes.
    offset: u32,
    /// The slot behind the topmost operand.
    top: u32,
    /// What its instructions cost together; for the first of a function, entry included.
    ink: Ink,
}

/// The code of a function.
#[derive(Debug)]
struct Code {
    words: Box<[u64]>,
    /// In the order of `word`.
    sites: Box<[Site]>,
    /// In the order of `word`.
    blocks: Box<[Block]>,
    /// Slots of the frame from `sp` on.
    frame_slots: u32,
    /// Slots of the parameters.
    params: u32,
    /// What making a frame costs.
    entry_ink: i64,
}

/// Makes the code of all functions of a module that have none.
pub(crate) fn translate(definition: &Definition) {
    translate::all(definition);
}

/// Returns the bytes that the code of translated functions takes.
pub(crate) fn code_bytes(definition: &Definition) -> usize {
    let codes = definition.threaded.iter().filter_map(|function| function.code.get());
    codes.map(|code| size_of_val(&*code.words) + size_of_val(&*code.sites) + size_of_val(&*code.blocks)).sum()
}

impl Function {
    /// Returns the functions of a module, imports first, without code.
    pub(crate) fn all(types: impl Iterator<Item = u32>, imported: u32, engine: Engine) -> Box<[Self]> {
        let (translate, import) = (control::translate(engine), control::import(engine));
        let mut functions: Box<[Self]> = types
            .zip(0..)
            .map(|(ty, index)| {
                let imported = index < imported;
                let stub = [if imported { import } else { translate }];
                let entry = AtomicPtr::new(core::ptr::null_mut());
                Self { entry, ty, index, stub, imported, code: Once::new() }
            })
            .collect();
        for function in &mut functions {
            // The functions never move again.
            *function.entry.get_mut() = function.stub.as_mut_ptr();
        }
        functions
    }

    /// Returns the first instruction.
    #[inline(always)]
    fn entry(&self) -> *const u64 {
        self.entry.load(Ordering::Acquire)
    }

    /// Returns the function whose stub begins at `ip`.
    ///
    /// # Safety
    /// `ip` must point to the stub of a function.
    unsafe fn of_stub(ip: *const u64) -> *const Self {
        // SAFETY: the caller's.
        unsafe { ip.byte_sub(core::mem::offset_of!(Self, stub)).cast() }
    }
}
