//! Making an instance of a module.

use super::{
    Dropped, Extern, HostFunction, ImportedFunction, Instance, InstanceId, Memory, Store, Table,
    function_slot,
};
use crate::module::{Definition, SegmentMode};
use crate::plain::bulk;
use crate::{ExternType, FuncType, FunctionId, Limits, MemoryType, Module, TableType, TrapKind, ValueType};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use lathe_gas::Meter;
use thiserror::Error;

/// The most results of a host function. No host interface has one with more.
const HOST_RESULTS_MAX: usize = 1;

/// Why a module got no instance.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InstantiationError {
    /// There are fewer or more imports than the module declares.
    #[error("the module imports {expected} items, but {found} were given")]
    ImportCount {
        /// What the module declares.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// An import is not what the module declares.
    #[error("incompatible import type: `{module}.{name}` must be {expected}, but is {found}")]
    ImportType {
        /// The first part of the import's name.
        module: Box<str>,
        /// The second part of the import's name.
        name: Box<str>,
        /// What the module declares.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The module's memory begins larger than the embedder allows.
    #[error("the memory begins with {min} pages, the limit is {max}")]
    Pages {
        /// What the module declares.
        min: u32,
        /// What is allowed.
        max: u32,
    },
    /// A segment did not fit, or the meter did not hold what instantiation costs.
    #[error("{0}")]
    Trapped(TrapKind),
}

impl From<TrapKind> for InstantiationError {
    fn from(kind: TrapKind) -> Self {
        Self::Trapped(kind)
    }
}

/// A module whose imports are all functions of the host's, checked once for all instances of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HostLinked {
    module: Module,
    functions: Arc<[ImportedFunction]>,
}

impl HostLinked {
    /// Links a module to functions of the host's. Fails where imports do not fit, as [`Machine::instantiate`] does.
    ///
    /// # Panics
    /// If `imports` has anything but functions of the host's.
    ///
    /// [`Machine::instantiate`]: crate::Machine::instantiate
    pub fn new(module: Module, imports: &[Extern]) -> Result<Self, InstantiationError> {
        let is_host = |import: &Extern| matches!(import, Extern::Host(..));
        assert!(imports.iter().all(is_host), "only functions of the host's can be linked without a machine");
        let functions = import(&Store::empty(module.definition().schedule), &module, imports)?.functions;
        Ok(Self { module, functions: functions.into() })
    }

    /// Returns the module.
    pub fn module(&self) -> &Module {
        &self.module
    }
}

/// Makes an instance of a module whose imports are functions of the host's.
pub(super) fn instantiate_linked(
    store: &mut Store,
    linked: &HostLinked,
    meter: &mut Meter,
    pages_max: u32,
    limits: &Limits,
) -> Result<InstanceId, InstantiationError> {
    let module = &linked.module;
    let definition = module.definition();
    let parts = Parts {
        functions: Vec::new(),
        memories: Vec::with_capacity(definition.memories.len()),
        tables: Vec::with_capacity(definition.tables.len()),
        globals: Vec::with_capacity(definition.globals.len()),
    };
    make(store, module, parts, Some(&linked.functions), meter, pages_max, limits)
}

pub(super) fn instantiate(
    store: &mut Store,
    module: &Module,
    imports: &[Extern],
    meter: &mut Meter,
    pages_max: u32,
    limits: &Limits,
) -> Result<InstanceId, InstantiationError> {
    let parts = import(store, module, imports)?;
    make(store, module, parts, None, meter, pages_max, limits)
}

/// Makes an instance of what it imports; `linked` are its imported functions in the place of those among the parts.
fn make(
    store: &mut Store,
    module: &Module,
    mut instance: Parts,
    linked: Option<&Arc<[ImportedFunction]>>,
    meter: &mut Meter,
    pages_max: u32,
    limits: &Limits,
) -> Result<InstanceId, InstantiationError> {
    let definition = module.definition();
    let mut pages = 0u32;
    for memory in &definition.memories[definition.imported_memories as usize..] {
        if memory.min > pages_max {
            return Err(InstantiationError::Pages { min: memory.min, max: pages_max });
        }
        pages = pages.saturating_add(memory.min);
    }
    // What the module knows is the price where nothing is open yet.
    let risen = store.pages_ink(pages) - store.schedule.pages_ink(0, pages);
    meter.charge(definition.instantiation_ink.saturating_add(risen)).map_err(TrapKind::from)?;

    let id = index(store.instances.len());
    define_globals(store, definition, &mut instance, id);
    for memory in &definition.memories[definition.imported_memories as usize..] {
        push(&mut instance.memories, store.memories.len());
        let memory = Memory::new(memory.min, memory.max, pages_max, &mut store.block);
        store.memories.push(memory);
    }
    meter.hold_pages(store.open_pages()).map_err(TrapKind::from)?;
    for table in &definition.tables[definition.imported_tables as usize..] {
        push(&mut instance.tables, store.tables.len());
        store.tables.push(Table::new(table.ty, limits.table_elements));
    }
    store.dropped.push(Dropped {
        elements: definition.elements.iter().map(|e| matches!(e.mode, SegmentMode::Declared)).collect(),
        data: vec![false; definition.data.len()].into(),
    });
    store.instances.push(Instance {
        module: module.clone(),
        functions: linked.map_or_else(|| instance.functions.into(), Arc::clone),
        memories: instance.memories.into(),
        tables: instance.tables.into(),
        globals: instance.globals.into(),
    });
    apply_segments(store, definition, id)?;
    Ok(InstanceId(id))
}

/// An instance in the making.
struct Parts {
    functions: Vec<ImportedFunction>,
    memories: Vec<u32>,
    tables: Vec<u32>,
    globals: Vec<u32>,
}

/// Checks the imports and takes them up.
fn import(store: &Store, module: &Module, imports: &[Extern]) -> Result<Parts, InstantiationError> {
    let expected = module.imports();
    if expected.len() != imports.len() {
        return Err(InstantiationError::ImportCount { expected: expected.len(), found: imports.len() });
    }
    let mut parts = Parts { functions: vec![], memories: vec![], tables: vec![], globals: vec![] };
    for (import, given) in expected.iter().zip(imports) {
        let fits = match (&import.ty, given) {
            (ExternType::Function(ty), Extern::Host(number, given)) => {
                parts.functions.push(ImportedFunction::Host(HostFunction {
                    number: *number,
                    ty: given.clone(),
                    slots: given.params().iter().map(|ty| ty.slots()).sum(),
                    takes_i32s: given.params().iter().all(|&ty| ty == ValueType::I32),
                    result: given.results().first().copied(),
                }));
                ty == given && HOST_RESULTS_MAX >= given.results().len()
            }
            (ExternType::Function(ty), Extern::Function(id)) => {
                let source = &store.instances[id.instance as usize];
                let function = match source.functions.get(id.function as usize) {
                    Some(imported) => imported.clone(),
                    None => ImportedFunction::Defined(*id),
                };
                parts.functions.push(function);
                ty == store.function_type(*id)
            }
            (ExternType::Table(ty), Extern::Table(id)) => {
                parts.tables.push(id.0);
                let table = &store.tables[id.0 as usize];
                ty.element == table.ty.element && size_fits(ty.min, ty.max, table.len(), table.ty.max)
            }
            (ExternType::Memory(ty), Extern::Memory(id)) => {
                parts.memories.push(id.0);
                let memory = &store.memories[id.0 as usize];
                size_fits(ty.min, ty.max, memory.pages(), memory.declared_max)
            }
            (ExternType::Global(ty), Extern::Global(id)) => {
                parts.globals.push(id.0);
                *ty == store.global_types[id.0 as usize]
            }
            _ => false,
        };
        if !fits {
            return Err(InstantiationError::ImportType {
                module: import.module.clone(),
                name: import.name.clone(),
                expected: describe(&import.ty),
                found: describe_given(store, given),
            });
        }
    }
    Ok(parts)
}

/// Returns whether something with a size and a maximum can stand for an import that declares these.
fn size_fits(min: u32, max: Option<u32>, size: u32, given_max: Option<u32>) -> bool {
    size >= min && max.is_none_or(|max| given_max.is_some_and(|given| given <= max))
}

fn define_globals(store: &mut Store, definition: &Definition, parts: &mut Parts, id: u32) {
    for global in &definition.globals {
        if let Some(init) = &global.init {
            let slot = init.evaluate(
                |index| store.globals[parts.globals[index as usize] as usize],
                |function| function_slot(FunctionId { instance: id, function }).into(),
            );
            push(&mut parts.globals, store.globals.len());
            store.globals.push(slot);
            store.global_types.push(global.ty);
        }
    }
}

/// Applies active segments in order: elements, then data. Each is checked as a whole before it is written.
fn apply_segments(store: &mut Store, definition: &Definition, id: u32) -> Result<(), TrapKind> {
    for (i, segment) in definition.elements.iter().enumerate() {
        if let SegmentMode::Active { index: table, offset } = &segment.mode {
            let offset = evaluate(store, id, offset);
            let count = index(segment.items.len());
            bulk::table_init(store, id, index(i), *table, offset, 0, count)?;
            store.dropped[id as usize].elements[i] = true;
        }
    }
    for (i, segment) in definition.data.iter().enumerate() {
        if let SegmentMode::Active { offset, .. } = &segment.mode {
            let offset = evaluate(store, id, offset);
            let count = index(segment.range.len());
            bulk::memory_init(store, id, index(i), offset, 0, count)?;
            store.dropped[id as usize].data[i] = true;
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "an offset is an i32, in the low bits of its slot")]
fn evaluate(store: &Store, id: u32, expr: &crate::module::ConstExpr) -> u32 {
    let instance = &store.instances[id as usize];
    expr.evaluate(
        |index| store.globals[instance.globals[index as usize] as usize],
        |function| function_slot(FunctionId { instance: id, function }).into(),
    ) as u32
}

fn index(index: usize) -> u32 {
    u32::try_from(index).expect("a machine holds fewer than 2^32 of anything: each is paid for")
}

fn push(indices: &mut Vec<u32>, i: usize) {
    indices.push(index(i));
}

fn describe(ty: &ExternType) -> String {
    match ty {
        ExternType::Function(ty) => describe_function(ty),
        ExternType::Table(ty) => describe_table(*ty),
        ExternType::Memory(ty) => describe_memory(*ty),
        ExternType::Global(ty) => describe_global(*ty),
    }
}

fn describe_given(store: &Store, given: &Extern) -> String {
    match given {
        Extern::Host(_, ty) if ty.results().len() > HOST_RESULTS_MAX => {
            format!("{}, of which the host returns at most one", describe_function(ty))
        }
        Extern::Host(_, ty) => describe_function(ty),
        Extern::Function(id) => describe_function(store.function_type(*id)),
        Extern::Table(id) => {
            let table = &store.tables[id.0 as usize];
            describe_table(TableType { min: table.len(), ..table.ty })
        }
        Extern::Memory(id) => {
            let memory = &store.memories[id.0 as usize];
            describe_memory(MemoryType { min: memory.pages(), max: memory.declared_max })
        }
        Extern::Global(id) => describe_global(store.global_types[id.0 as usize]),
    }
}

fn describe_function(ty: &FuncType) -> String {
    format!("a function {ty}")
}

fn describe_table(ty: TableType) -> String {
    format!("a table of {}, {}", ty.element, describe_range(ty.min, ty.max))
}

fn describe_memory(ty: MemoryType) -> String {
    format!("a memory of {}", describe_range(ty.min, ty.max))
}

fn describe_global(ty: crate::GlobalType) -> String {
    format!("a {} global {}", if ty.mutable { "mutable" } else { "constant" }, ty.value)
}

fn describe_range(min: u32, max: Option<u32>) -> String {
    let max = max.map_or("any size".to_string(), |max| max.to_string());
    format!("{min} to {max}")
}
