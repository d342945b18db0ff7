//! Branches, calls and returns.
//!
//! A block is paid for by the instruction that enters it, so every instruction here carries the ink of the block that
//! comes next, in a word of its own. A **frame** lies on the value stack as parameters, header, locals, operands; `sp` is behind the header.
//! The **header** is the return address and the function. The return address points to a [`CallSite`] in the caller's
//! code, right before the next instruction.

#![expect(
    clippy::cast_possible_truncation,
    reason = "words hold addresses and indices that came from usize, slots narrower numbers"
)]

use super::context::{Crossing, Detour, Stop};
use super::handler::{Handler, Next, Registers, address};
use super::memory::{self, IndexWidth, Load};
use super::operand::{A, Acc, Immediate, Number, Operand, Slots, Way, Wide, words};
use super::{Code, Function};
use crate::{Engine, TrapKind};
use core::marker::PhantomData;

/// Slots of a frame's header.
pub(crate) const HEADER_SLOTS: usize = 2;

/// The first of two words behind a call. The second is the ink of the block behind the call.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct CallSite {
    /// The slot of the first argument.
    pub(super) arguments: u16,
    /// Where the frame of the callee has its `sp`.
    pub(super) frame: u16,
    pub(super) unused: u32,
}

/// The words of a [`CallSite`] and the ink behind it.
pub(super) const SITE_WORDS: usize = 2;

/// Word 1 of [`Enter`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Frame {
    /// Slots from `sp` on.
    pub(super) slots: u32,
    /// Slots of locals to set to zero.
    pub(super) locals: u32,
}

/// Word 1 of calls through a table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Indirect {
    /// The slot of the index.
    pub(super) a: i16,
    pub(super) table: u16,
    /// The type that the callee must have.
    pub(super) ty: u32,
}

/// Word 2 of a tail call.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct TailSite {
    /// The slot of the first argument.
    pub(super) arguments: u16,
    /// Slots of arguments.
    pub(super) count: u16,
    /// Slots of parameters of the function that runs.
    pub(super) params: u16,
    pub(super) unused: u16,
}

/// Word 2 of a jump table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Choice {
    /// What is added to the index: compilers count the cases from the least.
    pub(super) bias: u32,
    /// The number of targets besides the default.
    pub(super) last: u32,
}

words!(CallSite, Choice, Frame, Indirect, TailSite);

/// Begins a function with up to `LOCALS` slots of locals, or any number if that is [`MANY`]. Word 1 is the [`Frame`],
/// word 2 holds the ink of entry and first block, word 3 the function.
struct Enter<const LOCALS: usize>;

/// Stands for more locals than are set to zero one by one.
const MANY: usize = usize::MAX;

pub(super) const ENTER_WORDS: usize = 4;

impl<const LOCALS: usize> Handler for Enter<LOCALS> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's; the caller's frame has room for the header, and the rest is compared with the stack.
        unsafe {
            let frame = *r.fields::<Frame>(1);
            *r.sp.sub(2) = r.acc;
            *r.sp.sub(1) = r.word(3);
            let context = &mut *r.context;
            let room = (context.stack_end as usize).wrapping_sub(r.sp as usize);
            if frame.slots as usize * size_of::<u64>() > room || context.depth_left == 0 {
                return r.stop(Stop::Overflow);
            }
            context.depth_left -= 1;
            if LOCALS == MANY {
                core::ptr::write_bytes(r.sp, 0, frame.locals as usize);
            } else {
                // The slots behind the locals are operands, which nothing reads before they are written.
                for local in 0..LOCALS {
                    *r.sp.add(local) = 0;
                }
            }
            let price = r.ip.add(2);
            r.ip = r.ip.add(ENTER_WORDS);
            r.charge(price)
        }
    }
}

/// Calls a function. Word 1 is its address, word 2 the [`CallSite`].
struct Call;

impl Handler for Call {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let function = r.word(1) as usize as *const Function;
            let site = r.ip.add(2);
            r.enter(function, site)
        }
    }
}

impl Registers {
    /// Goes to the entry of a function, whose arguments are where the call site says.
    #[inline(always)]
    unsafe fn enter(&mut self, function: *const Function, site: *const u64) -> Next {
        // SAFETY: the caller's.
        unsafe {
            self.sp = self.sp.add((*site.cast::<CallSite>()).frame.into());
            self.acc = site as usize as u64;
            self.ip = (*function).entry();
        }
        Next::Go
    }

    /// Goes back behind a call. `base` is the first parameter of the frame that ends.
    #[inline(always)]
    unsafe fn leave(&mut self, site: *const u64, base: *mut u64) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let CallSite { arguments, .. } = *site.cast::<CallSite>();
            self.sp = base.sub(arguments.into());
            self.ip = site.add(SITE_WORDS);
            self.charge(site.add(1))
        }
    }
}

/// Resolves an index into a table to the reference there.
macro_rules! element {
    ($r:ident, $x:ident, $indirect:ident) => {{
        let index = $x::get::<u32>($r);
        let view = (*$r.context).tables.add($indirect.table.into());
        if u64::from(index) >= (*view).len {
            return $r.trap(TrapKind::UndefinedElement);
        }
        let element = *(*view).elements.add(index as usize);
        if element == 0 {
            return $r.trap(TrapKind::UninitializedElement);
        }
        element
    }};
}

/// Returns the function of this instance that a reference means, after comparing its type.
macro_rules! callee {
    ($r:ident, $element:ident, $indirect:ident) => {{
        let function = (*$r.context).functions.add(($element & u64::from(u32::MAX)) as usize);
        if (*function).ty != $indirect.ty {
            return $r.trap(TrapKind::IndirectCallTypeMismatch);
        }
        function
    }};
}

/// Calls a function through a table. Word 1 is [`Indirect`], word 2 the [`CallSite`].
struct CallIndirect<X>(PhantomData<X>);

impl<X: Operand> Handler for CallIndirect<X> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's; the index was compared with the length of the table.
        unsafe {
            let indirect = *r.fields::<Indirect>(1);
            let element = element!(r, X, indirect);
            if element >> 32 != (*r.context).instance_tag {
                return r.enter_foreign(element, indirect.ty, 2);
            }
            let function = callee!(r, element, indirect);
            r.enter(function, r.ip.add(2))
        }
    }
}

impl Registers {
    /// Calls a function of another instance; its call site is the word at `site`.
    #[inline(always)]
    unsafe fn enter_foreign(&mut self, element: u64, ty: u32, site: u32) -> Next {
        // SAFETY: the caller's.
        unsafe {
            (*self.context).errand = Errand::Call(Foreign { element, ty, site });
        }
        Next::Aside
    }
}

/// What a handler leaves to [`Aside`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Errand {
    /// A call into another instance.
    Call(Foreign),
    /// To count the bytes from here to there as written, and then the same instruction once more.
    Write(u64, u64),
}

impl Default for Errand {
    fn default() -> Self {
        Self::Write(0, 0)
    }
}

/// A call into another instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreign {
    element: u64,
    ty: u32,
    site: u32,
}

/// Does the [`Errand`] of a handler.
struct Aside;

impl Handler for Aside {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let Foreign { element, ty, site } = match (*r.context).errand {
                Errand::Call(foreign) => foreign,
                Errand::Write(start, end) => {
                    if (*r.context).will_write(start, end) {
                        return Next::Go;
                    }
                    return r.trap(TrapKind::MemoryOutOfBounds);
                }
            };
            let site = r.ip.add(site as usize);
            let entry = super::run::foreign(r.context, element, ty, site);
            if entry.is_null() {
                return r.trap(TrapKind::IndirectCallTypeMismatch);
            }
            r.sp = r.sp.add((*site.cast::<CallSite>()).frame.into());
            r.memory = (*r.context).memory;
            r.acc = (*r.context).crossing_ip as usize as u64;
            r.ip = entry;
            Next::Go
        }
    }
}

pub(super) fn aside(engine: Engine) -> u64 {
    address::<Aside>(engine)
}

/// Replaces the frame that runs by that of another function. Word 1 is its address, word 2 the [`TailSite`], word 3 a
/// [`CallSite`] for functions that have no frame to replace one with.
struct TailCall;

impl Handler for TailCall {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let function = r.word(1) as usize as *const Function;
            r.replace(function)
        }
    }
}

/// The same through a table, with [`Indirect`] in word 1.
struct TailCallIndirect<X>(PhantomData<X>);

impl<X: Operand> Handler for TailCallIndirect<X> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's; the index was compared with the length of the table.
        unsafe {
            let indirect = *r.fields::<Indirect>(1);
            let element = element!(r, X, indirect);
            if element >> 32 != (*r.context).instance_tag {
                return r.enter_foreign(element, indirect.ty, 3);
            }
            let function = callee!(r, element, indirect);
            r.replace(function)
        }
    }
}

impl Registers {
    #[inline(always)]
    unsafe fn replace(&mut self, function: *const Function) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let code: *const Code = super::run::code_of(self.context, function);
            if code.is_null() {
                return self.enter(function, self.ip.add(3));
            }
            let site = *self.fields::<TailSite>(2);
            let entry_ink = (*code).entry_ink;
            if self.ink < entry_ink {
                return self.trap(TrapKind::OutOfGas);
            }
            let base = self.sp.sub(usize::from(site.params) + HEADER_SLOTS);
            let sp = base.add(usize::from(site.count) + HEADER_SLOTS);
            let room = ((*self.context).stack_end as usize).wrapping_sub(sp as usize);
            if (*code).frame_slots as usize * size_of::<u64>() > room {
                self.ink -= entry_ink;
                return self.trap(TrapKind::StackOverflow);
            }
            let site_of_caller = *self.sp.sub(2);
            core::ptr::copy(self.sp.add(site.arguments.into()), base, site.count.into());
            (*self.context).depth_left += 1;
            self.sp = sp;
            self.acc = site_of_caller;
            self.ip = (*function).entry();
            Next::Go
        }
    }
}

/// Returns nothing. [`Slots::r`] is the first parameter.
struct ReturnNothing;

impl Handler for ReturnNothing {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let base = r.sp.offset(r.fields::<Slots>(1).r.into());
            let site = *r.sp.sub(2) as usize as *const u64;
            (*r.context).depth_left += 1;
            r.leave(site, base)
        }
    }
}

/// Returns one value.
struct ReturnOne<N, X>(PhantomData<(N, X)>);

impl<N: Number, X: Operand> Handler for ReturnOne<N, X> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let value = X::get::<N>(r);
            let base = r.sp.offset(r.fields::<Slots>(1).r.into());
            let site = *r.sp.sub(2) as usize as *const u64;
            *base = value.to_slot();
            value.accumulate(r);
            (*r.context).depth_left += 1;
            r.leave(site, base)
        }
    }
}

/// Returns the slots from a on, as many as word 2 says.
struct ReturnMany;

impl Handler for ReturnMany {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's; the results may lie over the header, which is read first.
        unsafe {
            let slots = *r.fields::<Slots>(1);
            let base = r.sp.offset(slots.r.into());
            let site = *r.sp.sub(2) as usize as *const u64;
            core::ptr::copy(r.sp.offset(slots.a.into()), base, r.word(2) as usize);
            (*r.context).depth_left += 1;
            r.leave(site, base)
        }
    }
}

/// Branches. Word 1 is the [`Way`], word 2 the ink there.
struct Jump;

impl Handler for Jump {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let way = *r.fields::<Way>(1);
            let price = r.ip.add(2);
            r.ip = r.ip.offset(way.words as isize);
            r.charge(price)
        }
    }
}

/// Branches by an index. Word 2 is the [`Choice`]; the [`Way`] of each target follows with the ink there, the default's
/// last.
struct JumpTable<X>(PhantomData<X>);

/// Where the index of a branch table is.
#[derive(Clone, Copy, Debug)]
pub(super) enum TableIndex {
    Acc,
    Slot(i16),
    /// In memory, this far from the address in the slot.
    Memory(IndexWidth, i16, u32),
}

impl TableIndex {
    /// Returns word 1 of the jump table.
    pub(super) fn word(self) -> u64 {
        match self {
            Self::Acc => 0,
            Self::Slot(a) => Slots { a, ..Slots::default() }.into(),
            Self::Memory(_, a, value) => Immediate { a, r: 0, value }.into(),
        }
    }
}

/// What the index of a branch table is read from.
trait Index {
    /// Returns the index, unless it lies outside of memory.
    ///
    /// # Safety
    /// Word 1 of the instruction must say where it is, as [`TableIndex::word`] does.
    unsafe fn index(r: &Registers) -> Option<u32>;
}

/// A load of the index.
struct Loaded<O>(PhantomData<O>);

macro_rules! operands {
    ($($operand:ident),*) => {
        $(impl Index for $operand {
            #[inline(always)]
            unsafe fn index(r: &Registers) -> Option<u32> {
                // SAFETY: the caller's.
                Some(unsafe { Self::get(r) })
            }
        })*
    };
}

operands!(Acc, A);

impl<O: Load<Result = u32>> Index for Loaded<O> {
    #[inline(always)]
    unsafe fn index(r: &Registers) -> Option<u32> {
        // SAFETY: the caller's; word 1 is an `Immediate`.
        unsafe { memory::load_at::<O>(r, A::get(r), r.fields::<Immediate>(1).value) }
    }
}

/// The words of a jump table before its ways.
pub(super) const JUMP_TABLE_WORDS: usize = 3;
/// The words of a [`Way`] and the ink there.
pub(super) const WAY_WORDS: usize = 2;

/// Branches on the low bits of a target's number, to the same place either way.
///
/// Processors guess where an indirect jump goes by the branches before it, and the conditional ones tell them most. Threaded
/// code has next to none, and most targets begin with the same few handlers: without these branches, the bench's kernel
/// `brtable` takes up to half as long again, in some processes and not in others.
#[inline(always)]
fn show_to_predictor(target: u32) {
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! branch_on {
            ($($bit:literal)*) => {$(
                if target >> $bit & 1 != 0 {
                    // SAFETY: it is a comment, which the compiler takes for an instruction that it may not leave out.
                    unsafe { core::arch::asm!(concat!("// bit ", $bit), options(nomem, nostack, preserves_flags)) };
                }
            )*};
        }
        branch_on!(0 1 2 3);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}

impl<X: Index> Handler for JumpTable<X> {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let Choice { bias, last } = *r.fields::<Choice>(2);
            let Some(index) = X::index(r) else { return r.trap(TrapKind::MemoryOutOfBounds) };
            let chosen = index.wrapping_add(bias).min(last);
            show_to_predictor(chosen);
            let word = JUMP_TABLE_WORDS + chosen as usize * WAY_WORDS;
            let way = *r.fields::<Way>(word);
            let price = r.ip.add(word + 1);
            r.ip = r.ip.offset(way.words as isize);
            r.charge(price)
        }
    }
}

struct Unreachable;

impl Handler for Unreachable {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe { r.trap(TrapKind::Unreachable) }
    }
}

/// Where the function that was invoked returns to.
struct Halt;

impl Handler for Halt {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe { r.stop(Stop::Returned) }
    }
}

/// Where a function returns to that another instance called. `sp` is at its first parameter.
struct Return;

impl Handler for Return {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let Crossing { ip, .. } = super::run::cross_back(r.context);
            r.memory = (*r.context).memory;
            r.leave(ip as *const u64, r.sp)
        }
    }
}

/// The entry of a function that has no code yet.
struct Translate;

impl Handler for Translate {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's; `ip` is at the stub of a function.
        unsafe {
            let function = Function::of_stub(r.ip);
            super::run::code_of(r.context, function);
            r.ip = (*function).entry();
            Next::Go
        }
    }
}

/// The entry of an imported function, for calls that do not know what they call. Its arguments lie below the header.
struct Import;

impl Handler for Import {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's; `ip` is at the stub of a function, the accumulator holds the return address.
        unsafe {
            let site = r.acc as usize as *const u64;
            r.call_import(Function::of_stub(r.ip), site)
        }
    }
}

/// Calls an imported function. Word 1 is its address, word 2 the [`CallSite`].
struct CallImport;

impl Handler for CallImport {
    #[inline(always)]
    unsafe fn execute(r: &mut Registers) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let function = r.word(1) as usize as *const Function;
            let site = r.ip.add(2);
            r.sp = r.sp.add((*site.cast::<CallSite>()).frame.into());
            r.call_import(function, site)
        }
    }
}

impl Registers {
    /// Calls an imported function whose frame would be at `sp`, and goes on behind the call site.
    #[inline(always)]
    unsafe fn call_import(&mut self, function: *const Function, site: *const u64) -> Next {
        // SAFETY: the caller's.
        unsafe {
            let context = self.context;
            // Nothing waits in the accumulators during a call; so they need not be kept.
            (self.acc64, self.acc32) = (0.0, 0.0);
            (*(*context).meter).set_counter(self.ink);
            let Called { base, acc } = super::run::import(context, function, self.sp, site);
            if !base.is_null() {
                self.ink = (*(*context).meter).counter();
                self.acc = acc;
                self.memory = (*context).memory;
                return self.leave(site, base);
            }
            match (*context).detour {
                Detour::Entered(entry) => {
                    self.memory = (*context).memory;
                    self.acc = (*context).crossing_ip as usize as u64;
                    self.ip = entry;
                    Next::Go
                }
                Detour::Stopped(base) => {
                    self.ink = (*(*context).meter).counter();
                    self.sp = base.sub((*site.cast::<CallSite>()).arguments.into());
                    self.ip = site;
                    Next::Stop
                }
            }
        }
    }
}

/// What came of calling an import, in two registers of the processor.
pub(super) struct Called {
    /// Where the results of a function of the host's begin that has returned; null if that is not what came of it, but
    /// a [`Detour`].
    pub(super) base: *mut u64,
    /// Its result, for the accumulator.
    pub(super) acc: u64,
}

impl Called {
    /// See [`Context::detour`](super::context::Context::detour).
    pub(super) const ELSEWHERE: Self = Self { base: core::ptr::null_mut(), acc: 0 };
}

/// Slots behind the value stack that [`Enter`] may set to zero.
pub(super) const STACK_SLACK: usize = 16;

/// Returns the handler that begins a function with so many slots of locals.
pub(super) fn enter(engine: Engine, locals: u32) -> u64 {
    match locals {
        0 => address::<Enter<0>>(engine),
        1..=2 => address::<Enter<2>>(engine),
        3..=4 => address::<Enter<4>>(engine),
        5..=8 => address::<Enter<8>>(engine),
        9..=16 => address::<Enter<STACK_SLACK>>(engine),
        _ => address::<Enter<MANY>>(engine),
    }
}

/// Returns the handler that calls a function of the module.
pub(super) fn call(engine: Engine, imported: bool) -> u64 {
    if imported { address::<CallImport>(engine) } else { address::<Call>(engine) }
}

pub(super) fn call_indirect(engine: Engine, in_acc: bool) -> u64 {
    if in_acc { address::<CallIndirect<Acc>>(engine) } else { address::<CallIndirect<A>>(engine) }
}

pub(super) fn tail_call(engine: Engine) -> u64 {
    address::<TailCall>(engine)
}

pub(super) fn tail_call_indirect(engine: Engine, in_acc: bool) -> u64 {
    if in_acc { address::<TailCallIndirect<Acc>>(engine) } else { address::<TailCallIndirect<A>>(engine) }
}

pub(super) fn jump(engine: Engine) -> u64 {
    address::<Jump>(engine)
}

pub(super) fn jump_table(engine: Engine, index: TableIndex) -> u64 {
    match index {
        TableIndex::Acc => address::<JumpTable<Acc>>(engine),
        TableIndex::Slot(_) => address::<JumpTable<A>>(engine),
        TableIndex::Memory(IndexWidth::Byte, ..) => address::<JumpTable<Loaded<memory::I32Load8U>>>(engine),
        TableIndex::Memory(IndexWidth::Word, ..) => address::<JumpTable<Loaded<memory::I32Load>>>(engine),
    }
}

pub(super) fn unreachable(engine: Engine) -> u64 {
    address::<Unreachable>(engine)
}

pub(super) fn halt(engine: Engine) -> u64 {
    address::<Halt>(engine)
}

pub(super) fn cross_back(engine: Engine) -> u64 {
    address::<Return>(engine)
}

pub(super) fn translate(engine: Engine) -> u64 {
    address::<Translate>(engine)
}

pub(super) fn import(engine: Engine) -> u64 {
    address::<Import>(engine)
}

pub(super) fn return_nothing(engine: Engine) -> u64 {
    address::<ReturnNothing>(engine)
}

pub(super) fn return_many(engine: Engine) -> u64 {
    address::<ReturnMany>(engine)
}

/// Where the one value that is returned lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    Int,
    F64,
    F32,
    Slot,
    Wide,
}

pub(super) fn return_one(engine: Engine, returned: Returned) -> u64 {
    match returned {
        Returned::Int => address::<ReturnOne<u64, Acc>>(engine),
        Returned::F64 => address::<ReturnOne<f64, Acc>>(engine),
        Returned::F32 => address::<ReturnOne<f32, Acc>>(engine),
        Returned::Slot => address::<ReturnOne<u64, A>>(engine),
        Returned::Wide => address::<ReturnOne<u64, Wide>>(engine),
    }
}
