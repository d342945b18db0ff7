//! The loop: one instruction at a time, charged before it acts.
//!
//! A **frame** is a function that has been entered: its parameters and locals, then its operands, lie on one stack of
//! slots from `base` on. Frames live in a vector, so that guests never recurse on the host's stack.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a number is the low bits of its slot, and Wasm wraps around"
)]
#![expect(
    clippy::cast_sign_loss,
    reason = "saturating conversions clamp negative floats to zero, as `as` does"
)]

use super::float::{self, f32s, f64s};
use super::operands::{Number, Operands};
use super::{Code, Target, bulk, halves, vector};
use crate::machine::{
    Callee, HostMemory, Instance, Store, call_host, function_of, function_slot, resolve, result_slot,
};
use crate::machine::{slot_of, value_of};
use crate::observer::Unobserved;
use crate::threaded::HEADER_SLOTS;
use crate::trap::BACKTRACE_FRAMES_MAX;
use crate::{
    FuncType, FunctionId, Host, InstanceId, Limits, NoHost, Observer, Step, TrapFrame, TrapKind, Value,
    ValueType,
};
use alloc::vec::Vec;
use lathe_gas::{Instruction, Meter};

/// How a run of the engine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Returned,
    Suspended,
    Exited,
    Trapped(TrapKind),
}

/// Frames and values of the one computation of a machine.
#[derive(Debug)]
pub(crate) struct Computation {
    stack: Vec<u64>,
    /// One past the topmost operand.
    sp: usize,
    frames: Vec<Frame>,
    call_depth: u32,
    value_slots: u32,
    /// The type of the function that was invoked.
    ty: Option<FuncType>,
    /// The host call that suspended: its type, and the instance that called.
    pending: Option<(FuncType, u32)>,
    arguments: Vec<Value>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    instance: u32,
    /// Into the code of the instance's module.
    code: u32,
    /// The next instruction, while another frame runs or the computation stands still.
    pc: u32,
    /// The first parameter.
    base: u32,
    /// One past the highest operand there can be.
    end: u32,
}

/// Why the loop over one instance ended.
enum Turn {
    /// The topmost frame is another instance's.
    Switch,
    Exit(Exit),
}

impl From<TrapKind> for Turn {
    fn from(kind: TrapKind) -> Self {
        Self::Exit(Exit::Trapped(kind))
    }
}

impl Computation {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            stack: Vec::new(),
            sp: 0,
            frames: Vec::new(),
            call_depth: limits.call_depth,
            value_slots: limits.value_slots,
            ty: None,
            pending: None,
            arguments: Vec::new(),
        }
    }

    /// Returns how many slots the frames occupy, operands that may still come included.
    pub(crate) fn slots(&self) -> u32 {
        self.frames.last().map_or(0, |frame| frame.end)
    }

    pub(crate) fn suspended_instance(&self) -> Option<u32> {
        self.pending.as_ref().map(|&(_, instance)| instance)
    }

    /// Calls a function with arguments of its type.
    pub(crate) fn start(
        &mut self,
        store: &mut Store,
        function: FunctionId,
        arguments: &[Value],
        meter: &mut Meter,
        host: &mut dyn Host,
        observer: &mut (impl Observer + ?Sized),
    ) -> Exit {
        self.clear();
        self.ty = Some(store.function_type(function).clone());
        self.stack.clear();
        for &argument in arguments {
            push_value(&mut self.stack, slot_of(argument), argument.ty());
        }
        self.sp = self.stack.len();
        match resolve(&store.instances, function) {
            Callee::Host(number, ty) => {
                let ty = ty.clone();
                self.sp = 0;
                match call_host(host, number, &ty, arguments, &mut HostMemory::new(&mut []), meter) {
                    Ok(result) => {
                        self.push_result(&ty, result);
                        Exit::Returned
                    }
                    Err(exit) => {
                        if let Exit::Suspended = exit {
                            self.pending = Some((ty, function.instance));
                        }
                        exit
                    }
                }
            }
            Callee::Defined(instance, code) => {
                match self.enter(&store.instances, instance, code, meter, false) {
                    Ok(()) => self.run(store, meter, host, observer),
                    Err(kind) => Exit::Trapped(kind),
                }
            }
        }
    }

    /// Goes on behind the host call that suspended.
    pub(crate) fn resume(
        &mut self,
        store: &mut Store,
        result: Option<Value>,
        meter: &mut Meter,
        host: &mut dyn Host,
        observer: &mut (impl Observer + ?Sized),
    ) -> Exit {
        if let Some((ty, _)) = self.pending.take() {
            self.push_result(&ty, result_slot(result, &ty));
        }
        if self.frames.is_empty() {
            return Exit::Returned;
        }
        self.run(store, meter, host, observer)
    }

    /// Returns the results of a computation that has returned.
    pub(crate) fn results(&self) -> Vec<Value> {
        let types = self.ty.as_ref().map_or(&[][..], FuncType::results);
        let mut slots = self.stack.iter();
        types.iter().map(|&ty| take_value(&mut slots, ty)).collect()
    }

    /// Returns where the frames stand, innermost first.
    pub(crate) fn backtrace(&self, store: &Store) -> Vec<TrapFrame> {
        let frames = self.frames.iter().rev().take(BACKTRACE_FRAMES_MAX);
        frames
            .map(|frame| {
                let definition = store.definition(frame.instance);
                let function = definition.imported_functions + frame.code;
                let code = definition.plain(frame.code);
                // A frame that runs or waits has stepped past its instruction.
                let op = (frame.pc as usize).saturating_sub(1);
                TrapFrame {
                    function,
                    offset: code.offsets.get(op).copied().unwrap_or(0),
                    name: definition.function_name(function).map(Into::into),
                }
            })
            .collect()
    }

    /// Forgets the computation.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.pending = None;
        self.sp = 0;
    }

    fn push_result(&mut self, ty: &FuncType, result: Option<u128>) {
        if let (Some(slot), Some(&ty)) = (result, ty.results().first()) {
            self.stack.truncate(self.sp);
            push_value(&mut self.stack, slot, ty);
            self.sp = self.stack.len();
            let end = self.frames.last().map_or(0, |frame| frame.end as usize);
            self.stack.resize(end.max(self.sp), 0);
        }
    }

    /// Makes a frame for a function whose arguments are the topmost operands. A tail call replaces the topmost frame.
    /// Changes nothing on failure.
    fn enter(
        &mut self,
        instances: &[Instance],
        instance: u32,
        index: u32,
        meter: &mut Meter,
        replaces: bool,
    ) -> Result<(), TrapKind> {
        let code = instances[instance as usize].module.definition().plain(index);
        meter.charge(code.entry_ink)?;
        let replaced = if replaces { self.frames.last().copied() } else { None };
        let depth = self.frames.len() - usize::from(replaces);
        let params = code.params as usize;
        let base = replaced.map_or(self.sp - params, |frame| frame.base as usize);
        let locals = base + params + HEADER_SLOTS;
        let end = locals + code.frame_slots as usize;
        if depth >= self.call_depth as usize || end > self.value_slots as usize {
            return Err(TrapKind::StackOverflow);
        }
        if replaces {
            self.frames.pop();
            self.stack.copy_within(self.sp - params..self.sp, base);
        }
        if self.stack.len() < end {
            self.stack.resize(end, 0);
        }
        self.sp = locals + code.locals as usize;
        self.stack[locals..self.sp].fill(0);
        self.frames.push(Frame { instance, code: index, pc: 0, base: base as u32, end: end as u32 });
        Ok(())
    }

    fn run(
        &mut self,
        store: &mut Store,
        meter: &mut Meter,
        host: &mut dyn Host,
        observer: &mut (impl Observer + ?Sized),
    ) -> Exit {
        loop {
            match self.run_instance(store, meter, host, observer) {
                Turn::Switch => {}
                Turn::Exit(exit) => return exit,
            }
        }
    }

    /// Runs until the computation ends or the topmost frame is another instance's.
    fn run_instance(
        &mut self,
        store: &mut Store,
        meter: &mut Meter,
        host: &mut dyn Host,
        observer: &mut (impl Observer + ?Sized),
    ) -> Turn {
        let Some(&Frame { instance, code: index, pc, base, .. }) = self.frames.last() else {
            return Turn::Exit(Exit::Returned);
        };
        // Holds the code while the store changes.
        let module = store.instances[instance as usize].module.clone();
        let definition = module.definition();
        let memory = store.instances[instance as usize].memories.first().map_or(usize::MAX, |&m| m as usize);
        let mut large = store.is_large(instance);
        let mut code = definition.plain(index);
        let (mut pc, mut base, mut sp) = (pc as usize, base as usize, self.sp);

        let turn = 'run: loop {
            let op = &code.ops[pc];
            pc += 1;
            macro_rules! stop {
                ($turn:expr) => {
                    break 'run Turn::from($turn)
                };
            }
            macro_rules! check {
                ($result:expr) => {
                    match $result {
                        Ok(value) => value,
                        Err(error) => stop!(TrapKind::from(error)),
                    }
                };
            }
            macro_rules! pop {
                () => {{
                    sp -= 1;
                    self.stack[sp]
                }};
                ($ty:ty) => {
                    <$ty as Number>::of(pop!())
                };
            }
            macro_rules! push {
                ($value:expr) => {{
                    self.stack[sp] = Number::slot($value);
                    sp += 1;
                }};
            }
            macro_rules! unary {
                (|$a:ident: $ta:ty| $result:expr) => {{
                    let $a = <$ta>::of(self.stack[sp - 1]);
                    self.stack[sp - 1] = Number::slot($result);
                }};
            }
            macro_rules! binary {
                (|$a:ident: $ta:ty, $b:ident: $tb:ty| $result:expr) => {{
                    sp -= 1;
                    let $b = <$tb>::of(self.stack[sp]);
                    let $a = <$ta>::of(self.stack[sp - 1]);
                    self.stack[sp - 1] = Number::slot($result);
                }};
            }
            macro_rules! load {
                ($ty:ty as $wide:ty) => {{
                    let address = u32::of(self.stack[sp - 1]);
                    let bytes = check!(read(store.memories[memory].bytes(), address, op.immediate));
                    self.stack[sp - 1] = Number::slot(<$wide>::from(<$ty>::from_le_bytes(bytes)));
                }};
            }
            macro_rules! save {
                ($ty:ty) => {{
                    let value = pop!() as $ty;
                    let address = pop!(u32);
                    let bytes = store.memories[memory].bytes_mut();
                    check!(write(bytes, address, op.immediate, value.to_le_bytes()));
                }};
            }
            macro_rules! charge_units {
                ($count:expr, $unit:ident) => {
                    check!(meter.charge(u64::from($count) * u64::from(store.schedule.$unit)))
                };
            }
            macro_rules! jump {
                ($target:expr) => {{
                    let Target { pc: next, height } = $target;
                    let arity = usize::from(op.arity);
                    let to = base + code.operands() + height as usize;
                    if to + arity != sp {
                        self.stack.copy_within(sp - arity..sp, to);
                        sp = to + arity;
                    }
                    pc = next as usize;
                }};
            }
            macro_rules! call {
                ($id:expr, $tail:expr) => {
                    match resolve(&store.instances, $id) {
                        Callee::Defined(callee, index) => {
                            if let Some(frame) = self.frames.last_mut() {
                                frame.pc = pc as u32;
                            }
                            self.sp = sp;
                            // A frame is replaced by one of its own instance only.
                            let replaces = $tail && callee == instance;
                            check!(self.enter(&store.instances, callee, index, meter, replaces));
                            if callee != instance {
                                return Turn::Switch;
                            }
                            code = definition.plain(index);
                            pc = 0;
                            sp = self.sp;
                            base = sp - code.operands();
                        }
                        Callee::Host(number, ty) => {
                            let ty = ty.clone();
                            sp -= ty.params().iter().map(|ty| ty.slots() as usize).sum::<usize>();
                            self.arguments.clear();
                            let mut slots = self.stack[sp..].iter();
                            self.arguments.extend(ty.params().iter().map(|&ty| take_value(&mut slots, ty)));
                            let bytes = match store.memories.get_mut(memory) {
                                Some(memory) => memory.bytes_mut(),
                                None => &mut [],
                            };
                            let memory = &mut HostMemory::new(bytes);
                            match call_host(host, number, &ty, &self.arguments, memory, meter) {
                                Ok(None) => {}
                                Ok(Some(slot)) => {
                                    for (half, _) in
                                        ty.results().iter().flat_map(|ty| 0..ty.slots()).zip(0..2)
                                    {
                                        self.stack[sp] = (slot >> (64 * half)) as u64;
                                        sp += 1;
                                    }
                                }
                                Err(exit) => {
                                    if let Exit::Suspended = exit {
                                        self.pending = Some((ty, instance));
                                    }
                                    break 'run Turn::Exit(exit);
                                }
                            }
                        }
                    }
                };
            }

            // Nothing here can fail, so that all of it goes where nobody watches.
            if let Some(instruction) = op.observed() {
                let code_index = self.frames.last().map_or(0, |frame| frame.code);
                observer.instruction(&Step {
                    instance: InstanceId(instance),
                    function: definition.imported_functions.wrapping_add(code_index),
                    offset: code.offsets.get(pc.wrapping_sub(1)).copied().unwrap_or(0),
                    instruction,
                    depth: self.frames.len() as u32,
                    ink_left: meter.ink_left(),
                });
            }
            let surcharge = if large { store.schedule.instruction(op.instruction).surcharge() } else { 0 };
            check!(meter.charge_execution(u64::from(op.ink) + u64::from(surcharge)));
            use Instruction::*;
            match op.instruction {
                // Control
                Unreachable => stop!(TrapKind::Unreachable),
                Nop | Block | Loop | End => {}
                If => {
                    if pop!(u32) == 0 {
                        pc = halves(op.immediate).0 as usize;
                    }
                }
                Else => pc = halves(op.immediate).0 as usize,
                Br => jump!(target(op.immediate)),
                BrIf => {
                    if pop!(u32) != 0 {
                        jump!(target(op.immediate));
                    }
                }
                BrTable => {
                    let (first, default) = halves(op.immediate);
                    let chosen = pop!(u32).min(default);
                    jump!(code.targets[first as usize + chosen as usize]);
                }
                Return => {
                    let results = code.results as usize;
                    self.stack.copy_within(sp - results..sp, base);
                    self.sp = base + results;
                    self.frames.pop();
                    match self.frames.last() {
                        None => return Turn::Exit(Exit::Returned),
                        Some(frame) if frame.instance != instance => return Turn::Switch,
                        Some(frame) => {
                            code = definition.plain(frame.code);
                            pc = frame.pc as usize;
                            base = frame.base as usize;
                            sp = self.sp;
                        }
                    }
                }
                Call => call!(FunctionId { instance, function: op.immediate as u32 }, false),
                ReturnCall => call!(FunctionId { instance, function: op.immediate as u32 }, true),
                CallIndirect | ReturnCallIndirect => {
                    let (ty, table) = halves(op.immediate);
                    let element = pop!(u32);
                    let table = bulk::table_index(store, instance, table);
                    let Some(&element) = store.tables[table].elements.get(element as usize) else {
                        stop!(TrapKind::UndefinedElement)
                    };
                    let Some(id) = function_of(element) else { stop!(TrapKind::UninitializedElement) };
                    if !has_type(store, id, instance, ty) {
                        stop!(TrapKind::IndirectCallTypeMismatch);
                    }
                    call!(id, op.instruction == ReturnCallIndirect)
                }

                // Values
                Drop => sp -= usize::from(op.arity),
                Select | TypedSelect => {
                    let condition = pop!(u32);
                    let slots = usize::from(op.arity);
                    sp -= slots;
                    if condition == 0 {
                        self.stack.copy_within(sp..sp + slots, sp - slots);
                    }
                }
                LocalGet => {
                    let (slots, local) = (usize::from(op.arity), base + op.immediate as usize);
                    self.stack.copy_within(local..local + slots, sp);
                    sp += slots;
                }
                LocalSet => {
                    let (slots, local) = (usize::from(op.arity), base + op.immediate as usize);
                    sp -= slots;
                    self.stack.copy_within(sp..sp + slots, local);
                }
                LocalTee => {
                    let (slots, local) = (usize::from(op.arity), base + op.immediate as usize);
                    self.stack.copy_within(sp - slots..sp, local);
                }
                GlobalGet => {
                    let global = store.instances[instance as usize].globals[op.immediate as usize];
                    let value = store.globals[global as usize];
                    for half in 0..op.arity {
                        self.stack[sp] = (value >> (64 * half)) as u64;
                        sp += 1;
                    }
                }
                GlobalSet => {
                    let global = store.instances[instance as usize].globals[op.immediate as usize];
                    let mut value = 0;
                    for _ in 0..op.arity {
                        sp -= 1;
                        value = value << 64 | u128::from(self.stack[sp]);
                    }
                    store.globals[global as usize] = value;
                }
                I32Const | I64Const | F32Const | F64Const => push!(op.immediate),

                // Memory
                I32Load | F32Load | I64Load32U => load!(u32 as u64),
                I64Load | F64Load => load!(u64 as u64),
                I32Load8S => load!(i8 as i32),
                I32Load8U | I64Load8U => load!(u8 as u64),
                I32Load16S => load!(i16 as i32),
                I32Load16U | I64Load16U => load!(u16 as u64),
                I64Load8S => load!(i8 as i64),
                I64Load16S => load!(i16 as i64),
                I64Load32S => load!(i32 as i64),
                I32Store | F32Store | I64Store32 => save!(u32),
                I64Store | F64Store => save!(u64),
                I32Store8 | I64Store8 => save!(u8),
                I32Store16 | I64Store16 => save!(u16),
                MemorySize => push!(store.memories[memory].pages()),
                MemoryGrow => {
                    let pages = pop!(u32);
                    check!(meter.charge(store.pages_ink(pages)));
                    push!(store.memories[memory].grow(pages).unwrap_or(u32::MAX));
                    check!(meter.hold_pages(store.open_pages()));
                    large = store.is_large(instance);
                }
                MemoryFill => {
                    let (len, byte, start) = (pop!(u32), pop!(u32) as u8, pop!(u32));
                    charge_units!(len, memory_byte);
                    check!(bulk::memory_fill(store, instance, start, byte, len));
                }
                MemoryCopy => {
                    let (len, from, to) = (pop!(u32), pop!(u32), pop!(u32));
                    charge_units!(len, memory_byte);
                    check!(bulk::memory_copy(store, instance, to, from, len));
                }
                MemoryInit => {
                    let (len, from, to) = (pop!(u32), pop!(u32), pop!(u32));
                    charge_units!(len, memory_byte);
                    check!(bulk::memory_init(store, instance, op.immediate as u32, to, from, len));
                }
                DataDrop => store.dropped[instance as usize].data[op.immediate as usize] = true,

                // Tables and references
                TableGet => {
                    let element = pop!(u32) as usize;
                    let table = bulk::table_index(store, instance, op.immediate as u32);
                    match store.tables[table].elements.get(element) {
                        Some(&element) => push!(element),
                        None => stop!(TrapKind::TableOutOfBounds),
                    }
                }
                TableSet => {
                    let (value, element) = (pop!(u64), pop!(u32) as usize);
                    let table = bulk::table_index(store, instance, op.immediate as u32);
                    match store.tables[table].elements.get_mut(element) {
                        Some(element) => *element = value,
                        None => stop!(TrapKind::TableOutOfBounds),
                    }
                }
                TableSize => {
                    let table = bulk::table_index(store, instance, op.immediate as u32);
                    push!(store.tables[table].len());
                }
                TableGrow => {
                    let (count, value) = (pop!(u32), pop!(u64));
                    charge_units!(count, table_element);
                    let table = bulk::table_index(store, instance, op.immediate as u32);
                    push!(store.tables[table].grow(count, value).unwrap_or(u32::MAX));
                }
                TableFill => {
                    let (len, value, start) = (pop!(u32), pop!(u64), pop!(u32));
                    charge_units!(len, table_element);
                    let table = bulk::table_index(store, instance, op.immediate as u32);
                    check!(bulk::table_fill(store, table, start, value, len));
                }
                TableCopy => {
                    let (len, from, to) = (pop!(u32), pop!(u32), pop!(u32));
                    charge_units!(len, table_element);
                    let (to_table, from_table) = halves(op.immediate);
                    let to_table = bulk::table_index(store, instance, to_table);
                    let from_table = bulk::table_index(store, instance, from_table);
                    check!(bulk::table_copy(store, to_table, from_table, to, from, len));
                }
                TableInit => {
                    let (len, from, to) = (pop!(u32), pop!(u32), pop!(u32));
                    charge_units!(len, table_element);
                    let (segment, table) = halves(op.immediate);
                    check!(bulk::table_init(store, instance, segment, table, to, from, len));
                }
                ElemDrop => store.dropped[instance as usize].elements[op.immediate as usize] = true,
                RefNull => push!(0u64),
                RefIsNull => unary!(|a: u64| a == 0),
                RefFunc => push!(function_slot(FunctionId { instance, function: op.immediate as u32 })),

                // Integer comparisons
                I32Eqz => unary!(|a: u32| a == 0),
                I32Eq => binary!(|a: u32, b: u32| a == b),
                I32Ne => binary!(|a: u32, b: u32| a != b),
                I32LtS => binary!(|a: i32, b: i32| a < b),
                I32LtU => binary!(|a: u32, b: u32| a < b),
                I32GtS => binary!(|a: i32, b: i32| a > b),
                I32GtU => binary!(|a: u32, b: u32| a > b),
                I32LeS => binary!(|a: i32, b: i32| a <= b),
                I32LeU => binary!(|a: u32, b: u32| a <= b),
                I32GeS => binary!(|a: i32, b: i32| a >= b),
                I32GeU => binary!(|a: u32, b: u32| a >= b),
                I64Eqz => unary!(|a: u64| a == 0),
                I64Eq => binary!(|a: u64, b: u64| a == b),
                I64Ne => binary!(|a: u64, b: u64| a != b),
                I64LtS => binary!(|a: i64, b: i64| a < b),
                I64LtU => binary!(|a: u64, b: u64| a < b),
                I64GtS => binary!(|a: i64, b: i64| a > b),
                I64GtU => binary!(|a: u64, b: u64| a > b),
                I64LeS => binary!(|a: i64, b: i64| a <= b),
                I64LeU => binary!(|a: u64, b: u64| a <= b),
                I64GeS => binary!(|a: i64, b: i64| a >= b),
                I64GeU => binary!(|a: u64, b: u64| a >= b),

                // Float comparisons
                F32Eq => binary!(|a: f32, b: f32| a == b),
                F32Ne => binary!(|a: f32, b: f32| a != b),
                F32Lt => binary!(|a: f32, b: f32| a < b),
                F32Gt => binary!(|a: f32, b: f32| a > b),
                F32Le => binary!(|a: f32, b: f32| a <= b),
                F32Ge => binary!(|a: f32, b: f32| a >= b),
                F64Eq => binary!(|a: f64, b: f64| a == b),
                F64Ne => binary!(|a: f64, b: f64| a != b),
                F64Lt => binary!(|a: f64, b: f64| a < b),
                F64Gt => binary!(|a: f64, b: f64| a > b),
                F64Le => binary!(|a: f64, b: f64| a <= b),
                F64Ge => binary!(|a: f64, b: f64| a >= b),

                // Integer arithmetic
                I32Clz => unary!(|a: u32| a.leading_zeros()),
                I32Ctz => unary!(|a: u32| a.trailing_zeros()),
                I32Popcnt => unary!(|a: u32| a.count_ones()),
                I32Add => binary!(|a: u32, b: u32| a.wrapping_add(b)),
                I32Sub => binary!(|a: u32, b: u32| a.wrapping_sub(b)),
                I32Mul => binary!(|a: u32, b: u32| a.wrapping_mul(b)),
                I32DivS => binary!(|a: i32, b: i32| check!(quotient(b == 0, a.checked_div(b)))),
                I32DivU => binary!(|a: u32, b: u32| check!(quotient(b == 0, a.checked_div(b)))),
                I32RemS => binary!(|a: i32, b: i32| check!(remainder(b == 0, || a.wrapping_rem(b)))),
                I32RemU => binary!(|a: u32, b: u32| check!(remainder(b == 0, || a % b))),
                I32And => binary!(|a: u32, b: u32| a & b),
                I32Or => binary!(|a: u32, b: u32| a | b),
                I32Xor => binary!(|a: u32, b: u32| a ^ b),
                I32Shl => binary!(|a: u32, b: u32| a.wrapping_shl(b)),
                I32ShrS => binary!(|a: i32, b: u32| a.wrapping_shr(b)),
                I32ShrU => binary!(|a: u32, b: u32| a.wrapping_shr(b)),
                I32Rotl => binary!(|a: u32, b: u32| a.rotate_left(b % 32)),
                I32Rotr => binary!(|a: u32, b: u32| a.rotate_right(b % 32)),
                I64Clz => unary!(|a: u64| a.leading_zeros()),
                I64Ctz => unary!(|a: u64| a.trailing_zeros()),
                I64Popcnt => unary!(|a: u64| a.count_ones()),
                I64Add => binary!(|a: u64, b: u64| a.wrapping_add(b)),
                I64Sub => binary!(|a: u64, b: u64| a.wrapping_sub(b)),
                I64Mul => binary!(|a: u64, b: u64| a.wrapping_mul(b)),
                I64DivS => binary!(|a: i64, b: i64| check!(quotient(b == 0, a.checked_div(b)))),
                I64DivU => binary!(|a: u64, b: u64| check!(quotient(b == 0, a.checked_div(b)))),
                I64RemS => binary!(|a: i64, b: i64| check!(remainder(b == 0, || a.wrapping_rem(b)))),
                I64RemU => binary!(|a: u64, b: u64| check!(remainder(b == 0, || a % b))),
                I64And => binary!(|a: u64, b: u64| a & b),
                I64Or => binary!(|a: u64, b: u64| a | b),
                I64Xor => binary!(|a: u64, b: u64| a ^ b),
                I64Shl => binary!(|a: u64, b: u32| a.wrapping_shl(b)),
                I64ShrS => binary!(|a: i64, b: u32| a.wrapping_shr(b)),
                I64ShrU => binary!(|a: u64, b: u32| a.wrapping_shr(b)),
                I64Rotl => binary!(|a: u64, b: u32| a.rotate_left(b % 64)),
                I64Rotr => binary!(|a: u64, b: u32| a.rotate_right(b % 64)),

                // Float arithmetic. The first three move bits and never make a NaN canonical.
                F32Abs => unary!(|a: u32| a & !F32_SIGN),
                F32Neg => unary!(|a: u32| a ^ F32_SIGN),
                F32Copysign => binary!(|a: u32, b: u32| a & !F32_SIGN | b & F32_SIGN),
                F32Ceil => unary!(|a: f32| f32s::ceil(a)),
                F32Floor => unary!(|a: f32| f32s::floor(a)),
                F32Trunc => unary!(|a: f32| f32s::trunc(a)),
                F32Nearest => unary!(|a: f32| f32s::nearest(a)),
                F32Sqrt => unary!(|a: f32| f32s::sqrt(a)),
                F32Add => binary!(|a: f32, b: f32| f32s::add(a, b)),
                F32Sub => binary!(|a: f32, b: f32| f32s::sub(a, b)),
                F32Mul => binary!(|a: f32, b: f32| f32s::mul(a, b)),
                F32Div => binary!(|a: f32, b: f32| f32s::div(a, b)),
                F32Min => binary!(|a: f32, b: f32| f32s::min(a, b)),
                F32Max => binary!(|a: f32, b: f32| f32s::max(a, b)),
                F64Abs => unary!(|a: u64| a & !F64_SIGN),
                F64Neg => unary!(|a: u64| a ^ F64_SIGN),
                F64Copysign => binary!(|a: u64, b: u64| a & !F64_SIGN | b & F64_SIGN),
                F64Ceil => unary!(|a: f64| f64s::ceil(a)),
                F64Floor => unary!(|a: f64| f64s::floor(a)),
                F64Trunc => unary!(|a: f64| f64s::trunc(a)),
                F64Nearest => unary!(|a: f64| f64s::nearest(a)),
                F64Sqrt => unary!(|a: f64| f64s::sqrt(a)),
                F64Add => binary!(|a: f64, b: f64| f64s::add(a, b)),
                F64Sub => binary!(|a: f64, b: f64| f64s::sub(a, b)),
                F64Mul => binary!(|a: f64, b: f64| f64s::mul(a, b)),
                F64Div => binary!(|a: f64, b: f64| f64s::div(a, b)),
                F64Min => binary!(|a: f64, b: f64| f64s::min(a, b)),
                F64Max => binary!(|a: f64, b: f64| f64s::max(a, b)),

                // Conversions
                I32WrapI64 => unary!(|a: u32| a),
                I32TruncF32S => unary!(|a: f32| check!(float::i32_from_f32(a))),
                I32TruncF32U => unary!(|a: f32| check!(float::u32_from_f32(a))),
                I32TruncF64S => unary!(|a: f64| check!(float::i32_from_f64(a))),
                I32TruncF64U => unary!(|a: f64| check!(float::u32_from_f64(a))),
                I64ExtendI32S => unary!(|a: i32| i64::from(a)),
                I64ExtendI32U => unary!(|a: u32| u64::from(a)),
                I64TruncF32S => unary!(|a: f32| check!(float::i64_from_f32(a))),
                I64TruncF32U => unary!(|a: f32| check!(float::u64_from_f32(a))),
                I64TruncF64S => unary!(|a: f64| check!(float::i64_from_f64(a))),
                I64TruncF64U => unary!(|a: f64| check!(float::u64_from_f64(a))),
                I32TruncSatF32S => unary!(|a: f32| a as i32),
                I32TruncSatF32U => unary!(|a: f32| a as u32),
                I32TruncSatF64S => unary!(|a: f64| a as i32),
                I32TruncSatF64U => unary!(|a: f64| a as u32),
                I64TruncSatF32S => unary!(|a: f32| a as i64),
                I64TruncSatF32U => unary!(|a: f32| a as u64),
                I64TruncSatF64S => unary!(|a: f64| a as i64),
                I64TruncSatF64U => unary!(|a: f64| a as u64),
                F32ConvertI32S => unary!(|a: i32| a as f32),
                F32ConvertI32U => unary!(|a: u32| a as f32),
                F32ConvertI64S => unary!(|a: i64| a as f32),
                F32ConvertI64U => unary!(|a: u64| a as f32),
                F32DemoteF64 => unary!(|a: f64| float::demote(a)),
                F64ConvertI32S => unary!(|a: i32| f64::from(a)),
                F64ConvertI32U => unary!(|a: u32| f64::from(a)),
                F64ConvertI64S => unary!(|a: i64| a as f64),
                F64ConvertI64U => unary!(|a: u64| a as f64),
                F64PromoteF32 => unary!(|a: f32| float::promote(a)),
                // A slot holds the bits of a float, so there is nothing to do.
                I32ReinterpretF32 | I64ReinterpretF64 | F32ReinterpretI32 | F64ReinterpretI64 => {}
                I32Extend8S => unary!(|a: u32| i32::from((a as u8).cast_signed())),
                I32Extend16S => unary!(|a: u32| i32::from((a as u16).cast_signed())),
                I64Extend8S => unary!(|a: u64| i64::from((a as u8).cast_signed())),
                I64Extend16S => unary!(|a: u64| i64::from((a as u16).cast_signed())),
                I64Extend32S => unary!(|a: u64| i64::from((a as u32).cast_signed())),

                // Vectors
                _ => {
                    let bytes = match store.memories.get_mut(memory) {
                        Some(memory) => memory.bytes_mut(),
                        None => &mut [],
                    };
                    let mut operands = Operands::new(&mut self.stack, sp);
                    let vector = match op.instruction {
                        V128Const | I8x16Shuffle => code.vectors[op.immediate as usize],
                        _ => 0,
                    };
                    let (lane, offset) = (usize::from(op.arity), op.immediate);
                    check!(vector::execute(op.instruction, lane, offset, vector, &mut operands, bytes));
                    sp = operands.sp;
                }
            }
        };
        if let Some(frame) = self.frames.last_mut() {
            frame.pc = pc as u32;
        }
        self.sp = sp;
        turn
    }
}

/// Executes code of one function from where an instruction begins, without calling any other, until it traps. Returns
/// why and where. `frame` is the frame of the function and `top` the slot behind its topmost operand.
pub(crate) fn step(
    store: &mut Store,
    instance: u32,
    index: u32,
    offset: u32,
    frame: &[u64],
    top: usize,
    meter: &mut Meter,
) -> (TrapKind, u32) {
    let module = store.instances[instance as usize].module.clone();
    let code: &Code = module.definition().plain(index);
    let pc = code.offsets.partition_point(|&at| at < offset);
    let slots = frame.len() as u32;
    let mut computation = Computation {
        stack: frame.to_vec(),
        sp: top,
        frames: Vec::from([Frame { instance, code: index, pc: pc as u32, base: 0, end: slots }]),
        call_depth: 1,
        value_slots: slots,
        ty: None,
        pending: None,
        arguments: Vec::new(),
    };
    match computation.run(store, meter, &mut NoHost, &mut Unobserved) {
        Exit::Trapped(kind) => {
            let pc = computation.frames.last().map_or(0, |frame| frame.pc as usize);
            (kind, code.offsets.get(pc.wrapping_sub(1)).copied().unwrap_or(0))
        }
        other => unreachable!("a block that cannot be paid for traps, but {other:?}"),
    }
}

/// Appends a value to slots.
fn push_value(slots: &mut Vec<u64>, value: u128, ty: ValueType) {
    slots.extend((0..ty.slots()).map(|half| (value >> (64 * half)) as u64));
}

/// Takes a value from slots.
fn take_value<'a>(slots: &mut impl Iterator<Item = &'a u64>, ty: ValueType) -> Value {
    let value = (0..ty.slots())
        .fold(0, |value, half| value | u128::from(slots.next().copied().unwrap_or(0)) << (64 * half));
    value_of(value, ty)
}

const F32_SIGN: u32 = 1 << 31;
const F64_SIGN: u64 = 1 << 63;

fn target(immediate: u64) -> Target {
    let (pc, height) = halves(immediate);
    Target { pc, height }
}

fn quotient<T>(by_zero: bool, quotient: Option<T>) -> Result<T, TrapKind> {
    let why = if by_zero { TrapKind::IntegerDivideByZero } else { TrapKind::IntegerOverflow };
    quotient.ok_or(why)
}

fn remainder<T>(by_zero: bool, remainder: impl FnOnce() -> T) -> Result<T, TrapKind> {
    if by_zero { Err(TrapKind::IntegerDivideByZero) } else { Ok(remainder()) }
}

/// Returns the bytes at an address, counted in 33 bits.
#[inline(always)]
pub(super) fn read<const N: usize>(memory: &[u8], address: u32, offset: u64) -> Result<[u8; N], TrapKind> {
    let bytes = usize::try_from(u64::from(address) + offset).ok().and_then(|start| memory.get(start..));
    bytes.and_then(|bytes| bytes.first_chunk::<N>()).copied().ok_or(TrapKind::MemoryOutOfBounds)
}

/// Sets the bytes at an address, counted in 33 bits, or none of them.
#[inline(always)]
pub(super) fn write<const N: usize>(
    memory: &mut [u8],
    address: u32,
    offset: u64,
    bytes: [u8; N],
) -> Result<(), TrapKind> {
    let place = usize::try_from(u64::from(address) + offset).ok().and_then(|start| memory.get_mut(start..));
    *place.and_then(|place| place.first_chunk_mut::<N>()).ok_or(TrapKind::MemoryOutOfBounds)? = bytes;
    Ok(())
}

/// Returns whether a function has the type that `instance` knows by the canonical index `ty`.
fn has_type(store: &Store, id: FunctionId, instance: u32, ty: u32) -> bool {
    let definition = store.definition(id.instance);
    if id.instance == instance {
        let index = definition.functions[id.function as usize];
        definition.canonical_types[index as usize] == ty
    } else {
        *definition.function_type(id.function) == store.definition(instance).types[ty as usize]
    }
}
