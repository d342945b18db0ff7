//! Starting, stopping and resuming threaded code, and what it cannot do by itself: calls out of the instance,
//! translation, blocks that cannot be paid for.

#![expect(
    clippy::cast_possible_truncation,
    reason = "words hold addresses and indices that came from usize, slots narrower numbers"
)]

use super::context::{Context, Crossing, Detour, FEW_ARGUMENTS, Stop};
use super::control::{self, CallSite, Called, Errand, HEADER_SLOTS, SITE_WORDS, STACK_SLACK};
use super::handler::{self, Next, Registers};
use super::{Block, Code, Function, Site, translate};
use crate::machine::{
    Callee, HostFunction, HostMemory, ImportedFunction, Store, call_host, function_of, give_stack, resolve,
    result_slot, slot_of, take_stack, value_of,
};
use crate::plain::{self, Exit};
use crate::trap::BACKTRACE_FRAMES_MAX;
use crate::{Engine, FuncType, FunctionId, Host, HostOutcome, Limits, TrapFrame, TrapKind, Value, ValueType};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;
use lathe_gas::Meter;

/// The one computation of a machine.
#[derive(Debug)]
pub(crate) struct Computation {
    engine: Engine,
    /// The value stack; empty until something runs.
    stack: Vec<u64>,
    value_slots: u32,
    call_depth: u32,
    /// Two call sites, each with its ink and the handler behind it: where the function that was invoked returns to, and
    /// where a function returns to that another instance called.
    landing: Box<[u64; 2 * LANDING_WORDS]>,
    depth_left: i64,
    crossings: Vec<Crossing>,
    /// Where the computation stands, unless there is no frame.
    position: Option<Position>,
    /// The type of the function that was invoked.
    ty: Option<FuncType>,
    /// The host call that suspended: its type, and the instance that called.
    pending: Option<(FuncType, u32)>,
    /// Room for the arguments of host calls.
    arguments: Vec<Value>,
}

/// A call site and the handler behind it.
const LANDING_WORDS: usize = SITE_WORDS + 1;

/// Where a computation stands still.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// An instruction that stopped, or the call site of one that waits.
    ip: usize,
    /// The index of the slot that `sp` points to.
    sp: usize,
    instance: u32,
    /// Where in the module, if an instruction stopped that was stepped.
    offset: Option<u32>,
}

impl Computation {
    pub(crate) fn new(engine: Engine, limits: &Limits) -> Self {
        let landing = [0, 0, control::halt(engine), 0, 0, control::cross_back(engine)];
        Self {
            engine,
            stack: Vec::new(),
            value_slots: limits.value_slots,
            call_depth: limits.call_depth,
            landing: Box::new(landing),
            depth_left: 0,
            crossings: Vec::new(),
            position: None,
            ty: None,
            pending: None,
            arguments: Vec::new(),
        }
    }

    /// Returns whether the computation was made for an engine and limits.
    pub(crate) fn fits(&self, engine: Engine, limits: &Limits) -> bool {
        self.engine == engine
            && self.value_slots == limits.value_slots
            && self.call_depth == limits.call_depth
    }

    /// Returns how many slots the frames occupy, operands that may still come included.
    pub(crate) fn slots(&self) -> u32 {
        let Some(at) = self.position else { return 0 };
        // A host function that was called through a table of another instance has no frame.
        let above = if at.ip == &raw const self.landing[LANDING_WORDS] as usize {
            0
        } else {
            self.code(at).frame_slots
        };
        at.sp as u32 + above
    }

    pub(crate) fn suspended_instance(&self) -> Option<u32> {
        self.pending.as_ref().map(|&(_, instance)| instance)
    }

    /// Forgets the computation.
    pub(crate) fn clear(&mut self) {
        self.pending = None;
        self.position = None;
        self.crossings.clear();
    }

    /// Calls a function with arguments of its type.
    pub(crate) fn start(
        &mut self,
        store: &mut Store,
        function: FunctionId,
        arguments: &[Value],
        meter: &mut Meter,
        host: &mut dyn Host,
    ) -> Exit {
        self.clear();
        let ty = store.function_type(function).clone();
        self.ty = Some(ty.clone());
        if self.stack.is_empty() {
            self.stack = take_stack(self.value_slots as usize + STACK_SLACK);
        }
        let id = match resolve(&store.instances, function) {
            Callee::Host(number, ty) => {
                let ty = ty.clone();
                return match call_host(host, number, &ty, arguments, &mut HostMemory::new(&mut []), meter) {
                    Ok(result) => {
                        self.put(0, &ty, result);
                        Exit::Returned
                    }
                    Err(exit) => {
                        if let Exit::Suspended = exit {
                            self.pending = Some((ty, function.instance));
                        }
                        exit
                    }
                };
            }
            Callee::Defined(instance, code) => {
                FunctionId { instance, function: code + store.definition(instance).imported_functions }
            }
        };
        let slots: u32 = ty.params().iter().map(|ty| ty.slots()).sum();
        let sp = slots as usize + HEADER_SLOTS;
        if sp > self.value_slots as usize {
            return Exit::Trapped(TrapKind::StackOverflow);
        }
        let mut slot = 0;
        for &argument in arguments {
            slot = self.put_value(slot, slot_of(argument), argument.ty());
        }
        self.depth_left = self.call_depth.into();
        let entry = store.definition(id.instance).threaded[id.function as usize].entry();
        let landing = self.landing.as_ptr();
        self.run(store, meter, host, id.instance, &0, |context, stack| Registers {
            ip: entry,
            // SAFETY: it was compared with the length of the stack.
            sp: unsafe { stack.add(sp) },
            memory: context.memory,
            context,
            ink: 0,
            acc: landing as usize as u64,
            acc64: 0.0,
            acc32: 0.0,
        })
    }

    /// Goes on behind the host call that suspended.
    pub(crate) fn resume(
        &mut self,
        store: &mut Store,
        result: Option<Value>,
        meter: &mut Meter,
        host: &mut dyn Host,
    ) -> Exit {
        let Some((ty, _)) = self.pending.take() else { return Exit::Returned };
        let result = result_slot(result, &ty);
        let Some(Position { ip, sp, instance, .. }) = self.position.take() else {
            self.put(0, &ty, result);
            return Exit::Returned;
        };
        let site = ip as *const u64;
        // SAFETY: a computation that is suspended stands at the call site of the host call, in code that the instance
        // keeps alive.
        let CallSite { arguments, .. } = unsafe { *site.cast::<CallSite>() };
        // SAFETY: the ink follows the call site.
        let price = unsafe { site.add(1) };
        let slot = sp + usize::from(arguments);
        self.put(slot, &ty, result);
        let acc = self.stack[slot];
        self.run(store, meter, host, instance, price, |context, stack| Registers {
            // SAFETY: an instruction follows every call site.
            ip: unsafe { site.add(SITE_WORDS) },
            // SAFETY: the frame was there when the computation was suspended.
            sp: unsafe { stack.add(sp) },
            memory: context.memory,
            context,
            ink: 0,
            acc,
            acc64: 0.0,
            acc32: 0.0,
        })
    }

    /// Returns the results of a computation that has returned.
    pub(crate) fn results(&self) -> Vec<Value> {
        let types = self.ty.as_ref().map_or(&[][..], FuncType::results);
        let mut slot = 0;
        types.iter().map(|&ty| value_of(take(&self.stack, &mut slot, ty), ty)).collect()
    }

    fn put(&mut self, slot: usize, ty: &FuncType, result: Option<u128>) {
        if let (Some(result), Some(&ty)) = (result, ty.results().first()) {
            self.put_value(slot, result, ty);
        }
    }

    /// Writes a value and returns the slot behind it.
    fn put_value(&mut self, slot: usize, value: u128, ty: ValueType) -> usize {
        self.stack[slot] = value as u64;
        if ty == ValueType::V128 {
            self.stack[slot + 1] = (value >> 64) as u64;
        }
        slot + ty.slots() as usize
    }

    /// Runs from registers that `begin` makes, after paying for the block there, whose ink is in the word `price`.
    fn run(
        &mut self,
        store: &mut Store,
        meter: &mut Meter,
        host: &mut dyn Host,
        instance: u32,
        price: *const u64,
        begin: impl FnOnce(&mut Context, *mut u64) -> Registers,
    ) -> Exit {
        let stack = self.stack.as_mut_ptr();
        // SAFETY: only the lifetime changes, and the context does not outlive this call.
        let host = unsafe { mem::transmute::<&mut dyn Host, &mut (dyn Host + 'static)>(host) };
        let mut context = Context {
            memory_len: 0,
            written_start: 0,
            written_len: 0,
            ink_half: 0,
            // SAFETY: one past the end.
            stack_end: unsafe { stack.add(self.value_slots as usize) },
            depth_left: self.depth_left,
            globals: core::ptr::dangling_mut(),
            functions: core::ptr::dangling(),
            imports: core::ptr::dangling(),
            tables: core::ptr::dangling(),
            instance_tag: 0,
            aside: control::aside(self.engine),
            stop: Stop::Returned,
            charged: 0,
            saved: None,
            memory: core::ptr::dangling_mut(),
            store,
            meter,
            host,
            few_arguments: [Value::I32(0); FEW_ARGUMENTS],
            arguments: mem::take(&mut self.arguments),
            detour: Detour::Stopped(core::ptr::null_mut()),
            pending: None,
            crossings: &mut self.crossings,
            views: Vec::new(),
            crossing_ip: &raw const self.landing[LANDING_WORDS],
            errand: Errand::default(),
        };
        // SAFETY: the pointers come from the arguments, which nothing else uses while the context lives.
        let exit = unsafe {
            let store = context.store;
            context.switch(&mut *store, instance);
            let mut registers = begin(&mut context, stack);
            let context = &raw mut context;
            registers.context = context;
            registers.ink = (*(*context).meter).counter();
            if registers.charge(price) == Next::Go {
                handler::run(self.engine, registers);
            } else {
                (*context).saved = Some(registers);
            }
            let exit = self.finish(context, stack);
            (*context).return_memory(&mut *store);
            exit
        };
        self.depth_left = context.depth_left;
        self.arguments = context.arguments;
        self.pending = context.pending;
        exit
    }

    /// Deals with a run that has stopped, until the computation stands still.
    ///
    /// # Safety
    /// The context must be valid and hold the registers of the run.
    unsafe fn finish(&mut self, context: *mut Context, stack: *mut u64) -> Exit {
        // SAFETY: handlers do not run while these references are used.
        unsafe {
            loop {
                let Some(registers) = (*context).saved.take() else {
                    unreachable!("a run that stops leaves its registers");
                };
                let store = &mut *(*context).store;
                let meter = &mut *(*context).meter;
                let ip = registers.ip as usize;
                let sp = usize::try_from(registers.sp.offset_from(stack))
                    .expect("sp lies in the stack while handlers run");
                let instance = (*context).instance();
                let here = Position { ip, sp, instance, offset: None };
                let kind = match (*context).stop {
                    Stop::Returned => {
                        meter.set_counter(registers.ink);
                        return Exit::Returned;
                    }
                    Stop::Called(called) => {
                        meter.set_counter(registers.ink);
                        self.position = Some(here);
                        return called;
                    }
                    Stop::Trap(kind) => {
                        let unused = self.code(here).site(ip).unused_ink.of_half((*context).ink_half);
                        meter.set_counter(registers.ink + i64::from(unused));
                        self.position = Some(here);
                        kind
                    }
                    Stop::Overflow => {
                        meter.set_counter(registers.ink);
                        let entry_ink = self.code(here).entry_ink;
                        self.position = self.leave(here);
                        match meter.charge(entry_ink.cast_unsigned()) {
                            Ok(()) => TrapKind::StackOverflow,
                            Err(error) => error.into(),
                        }
                    }
                    Stop::Charge => {
                        let charged = (*context).charged;
                        meter.set_counter(registers.ink + i64::from(charged));
                        if meter.charge_execution(charged.into()).is_ok() {
                            // The reserve has refilled the counter.
                            let ink = meter.counter();
                            handler::run(self.engine, Registers { ink, ..registers });
                            continue;
                        }
                        let (block, enters) = self.code(here).block(ip, charged, (*context).ink_half);
                        let entry_ink = self.code(here).entry_ink;
                        if enters && meter.charge(entry_ink.cast_unsigned()).is_err() {
                            self.position = self.leave(here);
                            TrapKind::OutOfGas
                        } else {
                            let (kind, offset) = self.step(store, here, block, meter);
                            self.position = Some(Position { offset: Some(offset), ..here });
                            kind
                        }
                    }
                };
                return Exit::Trapped(kind);
            }
        }
    }

    /// Executes a block that cannot be paid for, one instruction at a time. Returns where it ends, and why.
    fn step(&self, store: &mut Store, at: Position, block: Block, meter: &mut Meter) -> (TrapKind, u32) {
        let function = self.function(at);
        let code = self.code(at);
        let base = at.sp - HEADER_SLOTS - code.params as usize;
        let end = at.sp + code.frame_slots as usize;
        let defined = function.index - store.definition(at.instance).imported_functions;
        let top = at.sp - base + block.top as usize;
        plain::step(store, at.instance, defined, block.offset, &self.stack[base..end], top, meter)
    }

    /// Returns the function whose frame is at `sp`.
    fn function(&self, at: Position) -> &Function {
        // SAFETY: the header was written by `Enter`, and the instance keeps the function alive.
        unsafe { &*(self.stack[at.sp - 1] as usize as *const Function) }
    }

    fn code(&self, at: Position) -> &Code {
        self.function(at).code.get().expect("a function has code before it has a frame")
    }

    /// Returns where the frame at `sp` was called, if another frame called it, and forgets how that one came there.
    fn leave(&mut self, at: Position) -> Option<Position> {
        let site = usize::try_from(self.stack[at.sp - 2]).expect("a return address is an address");
        let base = at.sp - HEADER_SLOTS - self.code(at).params as usize;
        let mut crossings = self.crossings.iter().rev();
        let caller = self.before(site, base, at.instance, &mut crossings);
        let left = crossings.len();
        self.crossings.truncate(left);
        caller
    }

    /// Returns the frame that a call site is in, whose callee has its first parameter at `base`.
    fn before<'a>(
        &self,
        mut site: usize,
        mut base: usize,
        mut instance: u32,
        crossings: &mut impl Iterator<Item = &'a Crossing>,
    ) -> Option<Position> {
        if site == &raw const self.landing[LANDING_WORDS] as usize {
            let crossing = crossings.next()?;
            (site, instance) = (crossing.ip, crossing.instance);
        }
        if site == &raw const self.landing[0] as usize {
            return None;
        }
        // SAFETY: it is a return address that a call has left, in code that the instance keeps alive.
        base -= usize::from(unsafe { (*(site as *const CallSite)).arguments });
        Some(Position { ip: site, sp: base, instance, offset: None })
    }

    /// Returns where the frames stand, innermost first.
    pub(crate) fn backtrace(&self, store: &Store) -> Vec<TrapFrame> {
        let mut frames = Vec::new();
        let mut crossings = self.crossings.iter().rev();
        let mut next = self.position;
        if let Some(at) = next
            && at.ip == &raw const self.landing[LANDING_WORDS] as usize
        {
            // A host function that another instance imports was called through a table.
            next = self.before(at.ip, at.sp, at.instance, &mut crossings);
        }
        while let Some(at) = next
            && frames.len() < BACKTRACE_FRAMES_MAX
        {
            let function = self.function(at).index;
            frames.push(TrapFrame {
                function,
                offset: at.offset.unwrap_or_else(|| self.code(at).site(at.ip).offset),
                name: store.definition(at.instance).function_name(function).map(Into::into),
            });
            let site = usize::try_from(self.stack[at.sp - 2]).expect("a return address is an address");
            let base = at.sp - HEADER_SLOTS - self.code(at).params as usize;
            next = self.before(site, base, at.instance, &mut crossings);
        }
        frames
    }
}

impl Drop for Computation {
    fn drop(&mut self) {
        if !self.stack.is_empty() {
            give_stack(mem::take(&mut self.stack));
        }
    }
}

impl Code {
    /// Returns the place of the instruction that an address lies in.
    fn site(&self, ip: usize) -> Site {
        let word = self.word(ip);
        let behind = self.sites.partition_point(|site| site.word <= word);
        self.sites[behind.checked_sub(1).expect("every instruction that can stop has a site")]
    }

    /// Returns the block that begins at an address and costs this much, by a half of its price, and whether it is the
    /// function's first.
    fn block(&self, ip: usize, ink: u32, half: usize) -> (Block, bool) {
        let word = self.word(ip);
        let first = self.blocks.partition_point(|block| block.word < word);
        let same = self.blocks[first..].iter().take_while(|block| block.word == word);
        let (index, block) = same
            .enumerate()
            .find(|(_, block)| block.ink.of_half(half) == ink)
            .expect("every block that is paid for has an entry");
        (*block, first + index == 0)
    }

    fn word(&self, ip: usize) -> u32 {
        let bytes = ip - self.words.as_ptr() as usize;
        u32::try_from(bytes / size_of::<u64>()).expect("code has fewer than 2^32 words")
    }
}

/// Takes a value from slots.
fn take(stack: &[u64], slot: &mut usize, ty: ValueType) -> u128 {
    let low = stack[*slot];
    let high = if ty == ValueType::V128 { stack[*slot + 1] } else { 0 };
    *slot += ty.slots() as usize;
    u128::from(high) << 64 | u128::from(low)
}

/// Returns the code of a function of the instance that runs, after translating it if need be; null for an import.
///
/// # Safety
/// The context must be valid and the function one of its instance.
#[inline(never)]
pub(super) unsafe fn code_of(context: *mut Context, function: *const Function) -> *const Code {
    // SAFETY: the caller's.
    unsafe {
        let function = &*function;
        if function.imported {
            return core::ptr::null();
        }
        let definition = (*(*context).store).definition((*context).instance());
        translate::code(definition, function)
    }
}

/// Calls an imported function, whose frame would have its `sp` at `sp`.
///
/// # Safety
/// The context must be valid and the function an import of its instance.
#[inline(never)]
pub(super) unsafe fn import(
    context: *mut Context,
    function: *const Function,
    sp: *mut u64,
    site: *const u64,
) -> Called {
    // SAFETY: the caller's; the arguments lie below the header.
    unsafe {
        let context = &mut *context;
        let function = match &*context.imports.add((*function).index as usize) {
            ImportedFunction::Host(function) => function,
            &ImportedFunction::Defined(id) => {
                context.detour = Detour::Entered(cross(context, id, site));
                return Called::ELSEWHERE;
            }
        };
        let base = sp.sub(function.slots as usize + HEADER_SLOTS);
        let mut memory = HostMemory::new(context.memory_mut());
        let (few, many) = (&mut context.few_arguments, &mut context.arguments);
        let arguments = arguments(few, many, function, base);
        let (host, meter) = (&mut *context.host, &mut *context.meter);
        let outcome = host.call(function.number, arguments, &mut memory, meter);
        let written = memory.written();
        if !written.is_empty() {
            context.will_write(written.start as u64, written.end as u64);
        }
        if let HostOutcome::Return(Some(Value::I32(value))) = outcome
            && function.result == Some(ValueType::I32)
        {
            let acc = u64::from(value.cast_unsigned());
            *base = acc;
            return Called { base, acc };
        }
        answer(context, function, base, outcome)
    }
}

/// Takes up the arguments that begin at a slot.
///
/// # Safety
/// There must be slots for all of them.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a value is the low bits of its slot")]
unsafe fn arguments<'a>(
    few: &'a mut [Value; FEW_ARGUMENTS],
    many: &'a mut Vec<Value>,
    function: &HostFunction,
    slot: *const u64,
) -> &'a [Value] {
    let count = function.slots as usize;
    if !function.takes_i32s || count > FEW_ARGUMENTS {
        // SAFETY: the caller's.
        unsafe { take_arguments(many, function.ty.params(), slot) };
        return many;
    }
    for (index, argument) in few.iter_mut().enumerate() {
        if index < count {
            // SAFETY: the caller's.
            *argument = Value::I32(unsafe { *slot.add(index) as u32 }.cast_signed());
        }
    }
    &few[..count]
}

/// Takes up arguments of any types.
///
/// # Safety
/// There must be slots for all of them.
#[inline(never)]
unsafe fn take_arguments(arguments: &mut Vec<Value>, params: &[ValueType], mut slot: *const u64) {
    arguments.clear();
    for &ty in params {
        // SAFETY: the caller's.
        unsafe {
            arguments.push(value_of(read(slot, ty), ty));
            slot = slot.add(ty.slots() as usize);
        }
    }
}

/// Does what the outcome of a host call says.
///
/// # Safety
/// The slots from `base` on must be those of the call.
#[inline(never)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a value is the low bits of its slot, a vector two halves"
)]
unsafe fn answer(
    context: &mut Context,
    function: &HostFunction,
    base: *mut u64,
    outcome: HostOutcome,
) -> Called {
    let exit = match outcome {
        HostOutcome::Return(value) => {
            let result = result_slot(value, &function.ty);
            let acc = result.unwrap_or(0) as u64;
            if let Some(result) = result {
                // SAFETY: the caller's: a function with a result has room for it.
                unsafe {
                    *base = acc;
                    if function.result == Some(ValueType::V128) {
                        *base.add(1) = (result >> 64) as u64;
                    }
                }
            }
            return Called { base, acc };
        }
        HostOutcome::Trap(kind) => Exit::Trapped(kind),
        HostOutcome::Suspend => {
            context.pending = Some((function.ty.clone(), context.instance()));
            Exit::Suspended
        }
        HostOutcome::Exit => Exit::Exited,
    };
    context.stop = Stop::Called(exit);
    context.detour = Detour::Stopped(base);
    Called::ELSEWHERE
}

/// Reads the value that begins at a slot.
unsafe fn read(slot: *const u64, ty: ValueType) -> u128 {
    // SAFETY: the caller's.
    unsafe {
        let high = if ty == ValueType::V128 { *slot.add(1) } else { 0 };
        u128::from(high) << 64 | u128::from(*slot)
    }
}

/// Goes into another instance. Returns the entry of the function there.
unsafe fn cross(context: &mut Context, id: FunctionId, site: *const u64) -> *const u64 {
    // SAFETY: the caller's.
    unsafe {
        let store = &mut *context.store;
        (*context.crossings).push(Crossing { ip: site as usize, instance: context.instance() });
        context.switch(store, id.instance);
        store.definition(id.instance).threaded[id.function as usize].entry()
    }
}

/// Goes into the instance of a reference, if its function has type `ty` of this instance. Returns its entry, or null.
///
/// # Safety
/// The context must be valid.
#[inline(never)]
pub(super) unsafe fn foreign(context: *mut Context, element: u64, ty: u32, site: *const u64) -> *const u64 {
    // SAFETY: the caller's.
    unsafe {
        let context = &mut *context;
        let store = &*context.store;
        let Some(id) = function_of(element) else { return core::ptr::null() };
        if *store.function_type(id) != store.definition(context.instance()).types[ty as usize] {
            return core::ptr::null();
        }
        cross(context, id, site)
    }
}

/// Goes back to the instance that called.
///
/// # Safety
/// The context must be valid, and its instance have been called by another.
#[inline(never)]
pub(super) unsafe fn cross_back(context: *mut Context) -> Crossing {
    // SAFETY: the caller's.
    unsafe {
        let context = &mut *context;
        let crossing = (*context.crossings).pop().expect("every return to the landing had a crossing");
        let store = context.store;
        context.switch(&mut *store, crossing.instance);
        crossing
    }
}
