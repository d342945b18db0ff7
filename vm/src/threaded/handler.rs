//! Handlers and the two ways to run them.
//!
//! A **handler** is the machine code of one instruction of threaded code. Each is written once, as a [`Handler`]: a
//! function of the [`Registers`]. The tail backend makes it a function that ends by jumping to the next handler, with
//! the registers in those of the processor; the loop backend calls one handler after another.
//!
//! The tail backend relies on the compiler to turn a call in tail position into a jump, which it does in optimised
//! builds as long as a handler keeps nothing on the stack: no handler may lend its registers to a function that is
//! not inlined. `build.rs` leaves the backend out of builds where that does not hold, and a test looks at the
//! machine code.

#![expect(
    clippy::cast_possible_truncation,
    reason = "words hold addresses and indices that came from usize, slots narrower numbers"
)]

use super::context::{Context, Stop};
use super::ink::Ink;
use crate::{Engine, TrapKind};

/// What handlers work on.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    /// The word of the instruction that runs.
    pub(super) ip: *const u64,
    /// The first local of the frame that runs, behind its parameters and header.
    pub(super) sp: *mut u64,
    /// The first byte of memory.
    pub(super) memory: *mut u8,
    /// Everything else about the computation.
    pub(super) context: *mut Context,
    /// Ink left behind the block that runs, which has been paid for. Not negative while a handler begins.
    pub(super) ink: i64,
    /// The accumulators: where results wait for the instruction that takes them.
    pub(super) acc: u64,
    pub(super) acc64: f64,
    pub(super) acc32: f32,
}

/// What comes after a handler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The instruction that `ip` points to.
    Go,
    /// The handler that [`Context::aside`] names, on the same instruction: what is too rare to be inlined and would
    /// need the stack.
    Aside,
    /// Nothing: [`Context::stop`] says why.
    Stop,
}

/// The machine code of one instruction.
pub(super) trait Handler {
    /// Executes the instruction at `ip` and moves `ip` on.
    ///
    /// # Safety
    /// `ip` must point to an instruction that the translator made for this handler, `sp` to a frame of its function,
    /// `context` to the context of the computation, whose memory starts at `memory`.
    unsafe fn execute(r: &mut Registers) -> Next;
}

impl Registers {
    /// Returns a word of the instruction; word 0 is the address of its handler.
    ///
    /// # Safety
    /// The instruction must have that many words.
    #[inline(always)]
    pub(super) unsafe fn word(&self, index: usize) -> u64 {
        // SAFETY: the caller's.
        unsafe { *self.ip.add(index) }
    }

    /// Returns the fields of a word of the instruction.
    ///
    /// # Safety
    /// The instruction must have that many words, and the translator must have written the word as a `T`.
    #[inline(always)]
    pub(super) unsafe fn fields<T: Copy>(&self, index: usize) -> &T {
        const { assert!(size_of::<T>() == 8 && align_of::<T>() <= 8) };
        // SAFETY: the caller's; a `T` is as large as a word and asks for no more alignment.
        unsafe { &*self.ip.add(index).cast::<T>() }
    }

    /// Steps over `words` words.
    ///
    /// # Safety
    /// The instruction must have that many.
    #[inline(always)]
    pub(super) unsafe fn advance(&mut self, words: usize) -> Next {
        // SAFETY: the caller's.
        self.ip = unsafe { self.ip.add(words) };
        Next::Go
    }

    /// Ends the run; `ip` stays where it is.
    ///
    /// # Safety
    /// `context` must be valid.
    #[inline(always)]
    pub(super) unsafe fn stop(&mut self, stop: Stop) -> Next {
        // SAFETY: the caller's.
        unsafe { (*self.context).stop = stop };
        Next::Stop
    }

    /// Ends the run with a trap of the instruction at `ip`.
    ///
    /// # Safety
    /// `context` must be valid.
    #[inline(always)]
    pub(super) unsafe fn trap(&mut self, kind: TrapKind) -> Next {
        // SAFETY: the caller's.
        unsafe { self.stop(Stop::Trap(kind)) }
    }

    /// Pays for the block at `ip`, whose [`Ink`] is in the word `price`. If that cannot be paid, the run ends with `ink`
    /// below zero.
    ///
    /// # Safety
    /// `context` must be valid.
    #[inline(always)]
    pub(super) unsafe fn charge(&mut self, price: *const u64) -> Next {
        if cfg!(vm_unmetered) {
            return Next::Go;
        }
        // SAFETY: the caller's.
        let ink = unsafe { Ink::read(price, (*self.context).ink_half) };
        self.ink -= i64::from(ink);
        if self.ink < 0 {
            // SAFETY: the caller's.
            return unsafe {
                (*self.context).charged = ink;
                self.stop(Stop::Charge)
            };
        }
        Next::Go
    }

    #[inline(always)]
    fn save(self) {
        // SAFETY: whoever made the registers says that the context is valid.
        unsafe { (*self.context).saved = Some(self) };
    }
}

/// The machine code of a handler in the loop backend.
type Looped = unsafe fn(&mut Registers) -> Next;

unsafe fn looped<H: Handler>(r: &mut Registers) -> Next {
    // SAFETY: the caller's.
    unsafe { H::execute(r) }
}

/// Returns the address of a handler's machine code.
pub(super) fn address<H: Handler>(engine: Engine) -> u64 {
    match engine {
        #[cfg(vm_tail)]
        Engine::Tail => tail::address::<H>(),
        _ => looped::<H> as Looped as usize as u64,
    }
}

/// Runs until a handler stops, and leaves the registers in the context.
///
/// # Safety
/// The registers must fulfil what [`Handler::execute`] asks, and the code must have been made for `engine`.
pub(super) unsafe fn run(engine: Engine, mut r: Registers) {
    match engine {
        #[cfg(vm_tail)]
        // SAFETY: the caller's.
        Engine::Tail => unsafe { tail::run(r) },
        _ => {
            loop {
                // SAFETY: word 0 of every instruction is what `address` returned for its handler, as is `aside`.
                let next = unsafe {
                    let handler = core::mem::transmute::<*const (), Looped>(r.word(0) as usize as *const ());
                    match handler(&mut r) {
                        Next::Aside => {
                            let aside = (*r.context).aside as usize as *const ();
                            core::mem::transmute::<*const (), Looped>(aside)(&mut r)
                        }
                        next => next,
                    }
                };
                if next == Next::Stop {
                    break;
                }
            }
            r.save();
        }
    }
}

#[cfg(vm_tail)]
mod tail {
    //! Six registers of the processor and two float registers carry [`Registers`] from handler to handler.

    use super::{Context, Handler, Next, Registers};

    type Tail =
        unsafe extern "sysv64-unwind" fn(*const u64, *mut u64, *mut u8, *mut Context, i64, u64, f64, f32);

    pub(super) fn address<H: Handler>() -> u64 {
        tail::<H> as Tail as usize as u64
    }

    unsafe extern "sysv64-unwind" fn tail<H: Handler>(
        ip: *const u64,
        sp: *mut u64,
        memory: *mut u8,
        context: *mut Context,
        ink: i64,
        acc: u64,
        acc64: f64,
        acc32: f32,
    ) {
        let mut r = Registers { ip, sp, memory, context, ink, acc, acc64, acc32 };
        // SAFETY: the caller's.
        match unsafe { H::execute(&mut r) } {
            // SAFETY: the handler left `ip` at an instruction.
            Next::Go => unsafe { jump(r) },
            // SAFETY: `aside` is the address of a handler of this backend.
            Next::Aside => unsafe {
                let aside = core::mem::transmute::<*const (), Tail>((*r.context).aside as usize as *const ());
                aside(r.ip, r.sp, r.memory, r.context, r.ink, r.acc, r.acc64, r.acc32);
            },
            // SAFETY: the context is valid.
            Next::Stop => unsafe {
                save(r.ip, r.sp, r.memory, r.context, r.ink, r.acc, r.acc64, r.acc32);
            },
        }
    }

    /// Leaves the registers in the context: the end of a run. It is out of line so that handlers stay short.
    #[cold]
    #[inline(never)]
    unsafe extern "sysv64-unwind" fn save(
        ip: *const u64,
        sp: *mut u64,
        memory: *mut u8,
        context: *mut Context,
        ink: i64,
        acc: u64,
        acc64: f64,
        acc32: f32,
    ) {
        Registers { ip, sp, memory, context, ink, acc, acc64, acc32 }.save();
    }

    #[inline(always)]
    unsafe fn jump(r: Registers) {
        // SAFETY: word 0 of every instruction is what `address` returned for its handler.
        unsafe {
            let handler = core::mem::transmute::<*const (), Tail>(r.word(0) as usize as *const ());
            handler(r.ip, r.sp, r.memory, r.context, r.ink, r.acc, r.acc64, r.acc32);
        }
    }

    pub(super) unsafe fn run(r: Registers) {
        // SAFETY: the caller's.
        unsafe { jump(r) }
    }
}
