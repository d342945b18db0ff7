//! Instances of modules, and the one computation that runs on them.
//!
//! A machine owns everything that exists at run time: memories, tables, globals, and the frames and values of the
//! computation, if one is suspended. Instances refer to each other by number, so that they can share imports.

mod instantiate;
mod memory;
mod pool;
mod table;

pub use instantiate::{HostLinked, InstantiationError};
pub use memory::HostMemory;
pub(crate) use memory::Memory;
pub(crate) use pool::{give_stack, take_stack};
pub(crate) use table::Table;

use crate::module::Definition;
use crate::observer::Unobserved;
use crate::plain::Exit;
use crate::{
    Engine, FuncType, FunctionId, GlobalType, Host, HostOutcome, Module, Observer, Rules, Trap, TrapFrame,
    TrapKind, Value, plain, threaded,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use lathe_gas::{Meter, Schedule, ValueType};
use pool::Used;

/// An instance of one [`Machine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub(crate) u32);

/// A table of one [`Machine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub(crate) u32);

/// A memory of one [`Machine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemoryId(pub(crate) u32);

/// A global of one [`Machine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GlobalId(pub(crate) u32);

/// What an instance exports, or is given for an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extern {
    /// A function of the host's, by the number that [`Host::call`] is told.
    Host(u32, FuncType),
    /// A function of an instance.
    Function(FunctionId),
    /// A table.
    Table(TableId),
    /// A memory.
    Memory(MemoryId),
    /// A global.
    Global(GlobalId),
}

/// How a computation ended, or why it stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned these results.
    Returned(Vec<Value>),
    /// A host call answered [`HostOutcome::Exit`].
    Exited,
    /// The computation must not go on.
    Trapped(Trap),
    /// A host call answered [`HostOutcome::Suspend`]; [`Machine::resume`] goes on with its result.
    Suspended,
}

/// What the instances of a machine are made of.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) instances: Vec<Instance>,
    /// For each instance, which of its segments are gone.
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) memories: Vec<Memory>,
    pub(crate) tables: Vec<Table>,
    /// The values of globals, and their types.
    pub(crate) globals: Vec<u128>,
    pub(crate) global_types: Vec<GlobalType>,
    pub(crate) schedule: &'static Schedule,
    /// Pages that other machines of the transaction hold.
    pages_beside: u32,
    /// What was the memory of instances that were dropped, for the next: the caches of the processor have it.
    block: Option<Used>,
}

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) module: Module,
    pub(crate) functions: Arc<[ImportedFunction]>,
    /// Indices into the store, imports first.
    pub(crate) memories: Box<[u32]>,
    pub(crate) tables: Box<[u32]>,
    pub(crate) globals: Box<[u32]>,
}

/// What stands behind an imported function.
#[derive(Clone, Debug)]
pub(crate) enum ImportedFunction {
    Host(HostFunction),
    /// A function that is defined where it says, never an import again.
    Defined(FunctionId),
}

/// A function of the host's.
#[derive(Clone, Debug)]
pub(crate) struct HostFunction {
    /// What the host knows it by.
    pub(crate) number: u32,
    pub(crate) ty: FuncType,
    /// The slots of its parameters.
    pub(crate) slots: u32,
    /// Whether all parameters are `i32`: addresses and lengths, as those of most host functions.
    pub(crate) takes_i32s: bool,
    /// The type of its result.
    pub(crate) result: Option<ValueType>,
}

#[derive(Debug)]
pub(crate) struct Dropped {
    pub(crate) elements: Box<[bool]>,
    pub(crate) data: Box<[bool]>,
}

/// What a function is.
pub(crate) enum Callee<'a> {
    Host(u32, &'a FuncType),
    /// The instance, and the index into the code of its module.
    Defined(u32, u32),
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            block.give();
        }
    }
}

impl Store {
    /// Returns a store of nothing.
    fn empty(schedule: &'static Schedule) -> Self {
        Self {
            instances: Vec::new(),
            dropped: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            global_types: Vec::new(),
            schedule,
            pages_beside: 0,
            block: None,
        }
    }

    /// Drops what is in the store and keeps the room for it.
    fn clear(&mut self) {
        let Self {
            instances,
            dropped,
            memories,
            tables,
            globals,
            global_types,
            schedule: _,
            pages_beside,
            block,
        } = self;
        instances.clear();
        dropped.clear();
        for memory in memories.drain(..) {
            let before = core::mem::replace(block, memory.into_block());
            if let Some(block) = before {
                block.give();
            }
        }
        tables.clear();
        globals.clear();
        global_types.clear();
        *pages_beside = 0;
    }

    pub(crate) fn definition(&self, instance: u32) -> &Definition {
        self.instances[instance as usize].module.definition()
    }

    /// Returns the ink of so many more pages.
    pub(crate) fn pages_ink(&self, pages: u32) -> u64 {
        self.schedule.pages_ink(self.open_pages(), pages)
    }

    /// Returns how many pages the transaction holds.
    pub(crate) fn open_pages(&self) -> u32 {
        self.pages_beside.saturating_add(self.pages())
    }

    fn pages(&self) -> u32 {
        self.memories.iter().fold(0, |pages, memory| pages.saturating_add(memory.pages()))
    }

    /// Returns whether the memory of an instance is large, so that what works on it costs more.
    pub(crate) fn is_large(&self, instance: u32) -> bool {
        let memory = self.instances[instance as usize].memories.first();
        memory.is_some_and(|&memory| self.schedule.is_large(self.memories[memory as usize].pages()))
    }

    pub(crate) fn function_type(&self, function: FunctionId) -> &FuncType {
        self.definition(function.instance).function_type(function.function)
    }
}

/// Returns what a function is.
pub(crate) fn resolve(instances: &[Instance], id: FunctionId) -> Callee<'_> {
    let instance = &instances[id.instance as usize];
    match instance.functions.get(id.function as usize) {
        Some(ImportedFunction::Host(function)) => Callee::Host(function.number, &function.ty),
        Some(ImportedFunction::Defined(target)) => {
            let imports = instances[target.instance as usize].module.definition().imported_functions;
            Callee::Defined(target.instance, target.function - imports)
        }
        None => Callee::Defined(id.instance, id.function - instance.module.definition().imported_functions),
    }
}

/// Memory that machines hold, as the rules count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Pages of memories.
    pub pages: u32,
    /// Value slots of frames.
    pub slots: u32,
}

impl core::iter::Sum for Held {
    /// Returns the sums, which saturate.
    fn sum<I: Iterator<Item = Self>>(machines: I) -> Self {
        machines.fold(Self::default(), |sum, held| Self {
            pages: sum.pages.saturating_add(held.pages),
            slots: sum.slots.saturating_add(held.slots),
        })
    }
}

/// Instances of modules, and the computation that runs on them.
#[derive(Debug)]
pub struct Machine {
    store: Store,
    computation: Computation,
    limits: crate::Limits,
    pages_max: u32,
    /// The engine of the modules; the first decides.
    engine: Option<Engine>,
}

/// The one computation of a machine. It stays on the engine where it began.
#[derive(Debug)]
enum Computation {
    None,
    Plain(Box<plain::Computation>),
    Threaded(Box<threaded::Computation>),
}

/// Evaluates an expression on the computation of either engine.
macro_rules! on_computation {
    ($computation:expr, |$c:ident| $result:expr, $none:expr) => {
        match &mut $computation {
            Computation::None => $none,
            Computation::Plain($c) => $result,
            Computation::Threaded($c) => $result,
        }
    };
}

impl Machine {
    /// Returns a machine without instances, whose memories never pass `pages_max` pages each, nor what the rules allow.
    pub fn new(rules: &Rules, pages_max: u32) -> Self {
        Self {
            store: Store::empty(rules.schedule),
            computation: Computation::None,
            engine: None,
            limits: rules.limits,
            pages_max: pages_max.min(rules.limits.memory_pages),
        }
    }

    /// Returns a machine without instances, beside others of the same transaction that hold this much.
    ///
    /// What the transaction may hold ([`Limits::open_pages`](crate::Limits), [`Limits::open_slots`](crate::Limits)) is
    /// what is left for this one, and its pages are priced behind those of the others.
    pub fn beside(rules: &Rules, held: Held) -> Self {
        let mut machine = Self::new(rules, 0);
        machine.reset_beside(rules, held);
        machine
    }

    /// Makes the machine one as [`Machine::beside`] returns, in the room that it has: for whoever makes many, one after the
    /// other.
    pub fn reset_beside(&mut self, rules: &Rules, held: Held) {
        self.clear();
        let pages_max = rules.limits.open_pages.saturating_sub(held.pages);
        let slots_max = rules.limits.open_slots.saturating_sub(held.slots);
        self.pages_max = pages_max.min(rules.limits.memory_pages);
        self.limits = rules.limits;
        self.limits.value_slots = self.limits.value_slots.min(slots_max);
        self.store.schedule = rules.schedule;
        self.store.pages_beside = held.pages;
    }

    /// Drops all instances, and the computation if there is one. What the next need is kept: the value stack, whose
    /// contents nobody sees, a small memory, which is zero again by then, and lists that are empty.
    pub fn clear(&mut self) {
        self.store.clear();
        self.engine = None;
        match &mut self.computation {
            Computation::Threaded(computation) => computation.clear(),
            computation => *computation = Computation::None,
        }
    }

    /// Returns what the machine holds now. What its computation will hold later does not count yet.
    pub fn held(&self) -> Held {
        let slots = match &self.computation {
            Computation::None => 0,
            Computation::Plain(computation) => computation.slots(),
            Computation::Threaded(computation) => computation.slots(),
        };
        Held { pages: self.store.pages(), slots }
    }

    /// Makes an instance of `module`, whose imports are met by `imports` one by one.
    ///
    /// Charges [`Module::instantiation_ink`], and what pages that are open already add to the price of its pages, at once,
    /// before anything is made. Then element segments are applied, then
    /// data segments; where one does not fit, what was written before stays. The start function is not called.
    ///
    /// # Panics
    /// If a computation is suspended, or the module was made for another engine than those before it.
    pub fn instantiate(
        &mut self,
        module: &Module,
        imports: &[Extern],
        meter: &mut Meter,
    ) -> Result<InstanceId, InstantiationError> {
        self.check_module(module);
        instantiate::instantiate(&mut self.store, module, imports, meter, self.pages_max, &self.limits)
    }

    /// Does what [`Machine::instantiate`] does with imports that were checked before.
    ///
    /// # Panics
    /// As [`Machine::instantiate`] does.
    pub fn instantiate_linked(
        &mut self,
        linked: &HostLinked,
        meter: &mut Meter,
    ) -> Result<InstanceId, InstantiationError> {
        self.check_module(linked.module());
        instantiate::instantiate_linked(&mut self.store, linked, meter, self.pages_max, &self.limits)
    }

    /// Checks that an instance of a module can be made.
    fn check_module(&mut self, module: &Module) {
        assert!(!self.is_suspended(), "a suspended machine can only be resumed");
        let engine = *self.engine.get_or_insert(module.engine());
        assert!(engine == module.engine(), "the modules of a machine run on one engine");
    }

    /// Returns what an instance exports by this name.
    pub fn export(&self, instance: InstanceId, name: &str) -> Option<Extern> {
        use crate::ExternType;
        let source = &self.store.instances[instance.0 as usize];
        let export = source.module.export(name)?;
        let index = export.index as usize;
        Some(match export.ty {
            ExternType::Function(_) => {
                Extern::Function(FunctionId { instance: instance.0, function: export.index })
            }
            ExternType::Table(_) => Extern::Table(TableId(source.tables[index])),
            ExternType::Memory(_) => Extern::Memory(MemoryId(source.memories[index])),
            ExternType::Global(_) => Extern::Global(GlobalId(source.globals[index])),
        })
    }

    /// Returns the function that an instance exports by this name.
    pub fn exported_function(&self, instance: InstanceId, name: &str) -> Option<FunctionId> {
        match self.export(instance, name)? {
            Extern::Function(function) => Some(function),
            _ => None,
        }
    }

    /// Returns the start function of an instance, if it has one.
    pub fn start_function(&self, instance: InstanceId) -> Option<FunctionId> {
        let function = self.store.definition(instance.0).start?;
        Some(FunctionId { instance: instance.0, function })
    }

    /// Returns the type of a function.
    pub fn function_type(&self, function: FunctionId) -> &FuncType {
        self.store.function_type(function)
    }

    /// Calls a function and runs until it returns, traps, exits or suspends.
    ///
    /// # Panics
    /// If `arguments` are not what the function's type says, if a computation is suspended, or if `meter` does not
    /// count steps as the schedule of the rules says.
    pub fn invoke(
        &mut self,
        function: FunctionId,
        arguments: &[Value],
        meter: &mut Meter,
        host: &mut dyn Host,
    ) -> Outcome {
        self.check_start(function, arguments, meter);
        let engine = self.engine.unwrap_or_default();
        let exit = if engine == Engine::Plain {
            plain(&mut self.computation, &self.limits).start(
                &mut self.store,
                function,
                arguments,
                meter,
                host,
                &mut Unobserved,
            )
        } else {
            let computation = threaded(&mut self.computation, engine, &self.limits);
            computation.start(&mut self.store, function, arguments, meter, host)
        };
        self.outcome(exit)
    }

    /// Does what [`Machine::invoke`] does, and tells `observer` of every instruction. It runs on [`Engine::Plain`].
    ///
    /// # Panics
    /// As [`Machine::invoke`] does.
    pub fn invoke_traced(
        &mut self,
        function: FunctionId,
        arguments: &[Value],
        meter: &mut Meter,
        host: &mut dyn Host,
        observer: &mut dyn Observer,
    ) -> Outcome {
        self.check_start(function, arguments, meter);
        let computation = plain(&mut self.computation, &self.limits);
        let exit = computation.start(&mut self.store, function, arguments, meter, host, observer);
        self.outcome(exit)
    }

    fn check_start(&self, function: FunctionId, arguments: &[Value], meter: &Meter) {
        assert!(!self.is_suspended(), "a suspended machine can only be resumed");
        self.check_meter(meter);
        let ty = self.store.function_type(function);
        assert!(
            arguments.iter().map(|value| value.ty()).eq(ty.params().iter().copied()),
            "arguments must have the types {ty} says"
        );
    }

    fn check_meter(&self, meter: &Meter) {
        assert!(
            meter.steps_left().is_some() == self.store.schedule.steps_max.is_some(),
            "a meter counts steps exactly where the schedule does"
        );
    }

    /// Goes on where a host call suspended, with its result.
    ///
    /// # Panics
    /// If no computation is suspended, if `result` is not what the type of the host function says, or if `meter` does
    /// not count steps as the schedule of the rules says.
    pub fn resume(&mut self, result: Option<Value>, meter: &mut Meter, host: &mut dyn Host) -> Outcome {
        assert!(self.is_suspended(), "only a suspended machine can be resumed");
        self.check_meter(meter);
        let store = &mut self.store;
        let exit = match &mut self.computation {
            Computation::Threaded(computation) => computation.resume(store, result, meter, host),
            Computation::Plain(computation) => {
                computation.resume(store, result, meter, host, &mut Unobserved)
            }
            Computation::None => unreachable!("what is suspended is there"),
        };
        self.outcome(exit)
    }

    /// Does what [`Machine::resume`] does, and tells `observer` of every instruction.
    ///
    /// # Panics
    /// As [`Machine::resume`] does, and if the computation did not begin with [`Machine::invoke_traced`] or on
    /// [`Engine::Plain`].
    pub fn resume_traced(
        &mut self,
        result: Option<Value>,
        meter: &mut Meter,
        host: &mut dyn Host,
        observer: &mut dyn Observer,
    ) -> Outcome {
        assert!(self.is_suspended(), "only a suspended machine can be resumed");
        self.check_meter(meter);
        let Computation::Plain(computation) = &mut self.computation else {
            panic!("only what was traced from the beginning can be traced on");
        };
        let exit = computation.resume(&mut self.store, result, meter, host, observer);
        self.outcome(exit)
    }

    fn is_suspended(&self) -> bool {
        self.suspended_instance().is_some()
    }

    /// Returns where a suspended computation stands: the innermost frame first, at most 16. Empty if none is suspended.
    pub fn backtrace(&self) -> Vec<TrapFrame> {
        match &self.computation {
            Computation::None => Vec::new(),
            Computation::Plain(computation) => computation.backtrace(&self.store),
            Computation::Threaded(computation) => computation.backtrace(&self.store),
        }
    }

    /// Ends a suspended computation as if its host call had trapped. Returns where it stood.
    pub fn abort(&mut self, kind: TrapKind) -> Outcome {
        self.outcome(Exit::Trapped(kind))
    }

    /// Returns the instance whose code made the host call that suspended, if one did.
    pub fn suspended_instance(&self) -> Option<InstanceId> {
        let instance = match &self.computation {
            Computation::None => None,
            Computation::Plain(computation) => computation.suspended_instance(),
            Computation::Threaded(computation) => computation.suspended_instance(),
        };
        instance.map(InstanceId)
    }

    /// Returns the memory of an instance, empty if it has none.
    pub fn memory(&self, instance: InstanceId) -> &[u8] {
        match self.store.instances[instance.0 as usize].memories.first() {
            Some(&memory) => self.store.memories[memory as usize].bytes(),
            None => &[],
        }
    }

    /// Copies bytes to the memory of an instance, to the offset `start`; `None` if they do not all fit, and nothing is
    /// written.
    pub fn write_memory(&mut self, instance: InstanceId, start: u32, bytes: &[u8]) -> Option<()> {
        match self.store.instances[instance.0 as usize].memories.first() {
            Some(&memory) => self.store.memories[memory as usize].write(start, bytes),
            None => bytes.is_empty().then_some(()),
        }
    }

    /// Returns the memory of an instance, empty if it has none. It counts as written from end to end then, so that it
    /// takes longer to set to zero.
    pub fn memory_mut(&mut self, instance: InstanceId) -> &mut [u8] {
        match self.store.instances[instance.0 as usize].memories.first() {
            Some(&memory) => self.store.memories[memory as usize].bytes_mut(),
            None => &mut [],
        }
    }

    /// Returns the value of a global.
    pub fn global(&self, global: GlobalId) -> Value {
        let index = global.0 as usize;
        value_of(self.store.globals[index], self.store.global_types[index].value)
    }

    fn outcome(&mut self, exit: Exit) -> Outcome {
        let outcome = match exit {
            Exit::Returned => {
                Outcome::Returned(on_computation!(self.computation, |c| c.results(), Vec::new()))
            }
            Exit::Exited => Outcome::Exited,
            Exit::Suspended => return Outcome::Suspended,
            Exit::Trapped(kind) => {
                let backtrace = on_computation!(self.computation, |c| c.backtrace(&self.store), Vec::new());
                Outcome::Trapped(Trap { kind, backtrace })
            }
        };
        on_computation!(self.computation, |c| c.clear(), ());
        outcome
    }
}

/// Returns the place for a computation on the plain engine.
fn plain<'a>(computation: &'a mut Computation, limits: &crate::Limits) -> &'a mut plain::Computation {
    if !matches!(computation, Computation::Plain(_)) {
        *computation = Computation::Plain(Box::new(plain::Computation::new(limits)));
    }
    let Computation::Plain(plain) = computation else { unreachable!("it was made") };
    plain
}

/// Returns the place for a computation on a threaded engine.
fn threaded<'a>(
    computation: &'a mut Computation,
    engine: Engine,
    limits: &crate::Limits,
) -> &'a mut threaded::Computation {
    if !matches!(computation, Computation::Threaded(threaded) if threaded.fits(engine, limits)) {
        *computation = Computation::Threaded(Box::new(threaded::Computation::new(engine, limits)));
    }
    let Computation::Threaded(threaded) = computation else { unreachable!("it was made") };
    threaded
}

/// Returns the slot of a reference to a function: never 0, which is null.
pub(crate) fn function_slot(id: FunctionId) -> u64 {
    (u64::from(id.instance) + 1) << 32 | u64::from(id.function)
}

/// Returns the function that a reference refers to.
pub(crate) fn function_of(slot: u64) -> Option<FunctionId> {
    let (function, instance) = plain::halves(slot);
    Some(FunctionId { instance: instance.checked_sub(1)?, function })
}

/// Returns the slot of a value.
#[inline]
pub(crate) fn slot_of(value: Value) -> u128 {
    match value {
        Value::I32(value) => value.cast_unsigned().into(),
        Value::I64(value) => value.cast_unsigned().into(),
        Value::F32(bits) => bits.into(),
        Value::F64(bits) => bits.into(),
        Value::V128(bits) => bits,
        Value::FuncRef(id) => id.map_or(0, function_slot).into(),
        Value::ExternRef(number) => number.map_or(0, |number| u128::from(number) + 1),
    }
}

/// Returns the value in a slot.
#[expect(clippy::cast_possible_truncation, reason = "a slot holds a value of the type in its low bits")]
pub(crate) fn value_of(slot: u128, ty: ValueType) -> Value {
    match ty {
        ValueType::I32 => Value::I32((slot as u32).cast_signed()),
        ValueType::I64 => Value::I64((slot as u64).cast_signed()),
        ValueType::F32 => Value::F32(slot as u32),
        ValueType::F64 => Value::F64(slot as u64),
        ValueType::V128 => Value::V128(slot),
        ValueType::FuncRef => Value::FuncRef(function_of(slot as u64)),
        ValueType::ExternRef => Value::ExternRef(slot.checked_sub(1).map(|number| number as u32)),
    }
}

/// Calls the host and turns what it answers into a slot.
#[inline]
pub(crate) fn call_host(
    host: &mut dyn Host,
    number: u32,
    ty: &FuncType,
    arguments: &[Value],
    memory: &mut HostMemory<'_>,
    meter: &mut Meter,
) -> Result<Option<u128>, Exit> {
    match host.call(number, arguments, memory, meter) {
        HostOutcome::Return(value) => Ok(result_slot(value, ty)),
        HostOutcome::Trap(kind) => Err(Exit::Trapped(kind)),
        HostOutcome::Suspend => Err(Exit::Suspended),
        HostOutcome::Exit => Err(Exit::Exited),
    }
}

/// Checks a result of the host against the type of its function.
#[inline]
pub(crate) fn result_slot(value: Option<Value>, ty: &FuncType) -> Option<u128> {
    match (value, ty.results()) {
        (None, []) => None,
        (Some(value), &[result]) if value.ty() == result => Some(slot_of(value)),
        _ => panic!("the host must return what {ty} says"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_can_move_between_threads() {
        fn sent<T: Send>() {}
        sent::<Machine>();
    }
}
