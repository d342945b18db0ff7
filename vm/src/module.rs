//! A validated, translated module: everything about the code that does not change while it runs.
//!
//! A module is immutable and cheap to clone. Making one checks every rule of WebAssembly and of the chain; nothing
//! is left to find out when it runs.

mod const_expr;
mod names;
mod parse;

pub(crate) use names::Names;
pub(crate) use parse::{DECODED, check_limit, name_proposal, value_type};

pub(crate) use const_expr::{ConstExpr, ConstInstruction};

use crate::plain::Code;
use crate::{Engine, FuncType, ModuleError, Rules};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use lathe_gas::ValueType;

/// A validated module. It runs on the [`Engine`] it was made for.
#[derive(Clone, Debug)]
pub struct Module {
    definition: Arc<Definition>,
    engine: Engine,
}

/// What a module declares. Index spaces begin with the imports.
#[derive(Debug, Default)]
pub(crate) struct Definition {
    pub(crate) byte_len: usize,
    /// Types as declared. Equal types at different indices have the same entry in `canonical_types`.
    pub(crate) types: Vec<FuncType>,
    /// For each type the least index of an equal one, so that types of one module compare as numbers.
    pub(crate) canonical_types: Vec<u32>,
    pub(crate) imports: Vec<Import>,
    pub(crate) imported_functions: u32,
    pub(crate) imported_tables: u32,
    pub(crate) imported_memories: u32,
    pub(crate) imported_globals: u32,
    /// The type index of each function.
    pub(crate) functions: Vec<u32>,
    pub(crate) tables: Vec<Table>,
    pub(crate) memories: Vec<MemoryType>,
    pub(crate) globals: Vec<Global>,
    pub(crate) exports: Vec<Export>,
    pub(crate) export_index: BTreeMap<Box<str>, usize>,
    pub(crate) start: Option<u32>,
    pub(crate) elements: Vec<ElementSegment>,
    pub(crate) data: Vec<DataSegment>,
    pub(crate) data_bytes: Vec<u8>,
    /// The code of each defined function.
    pub(crate) code: Vec<Code>,
    pub(crate) names: Names,
    /// What instantiation costs, besides code.
    pub(crate) instantiation_ink: u64,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) ty: TableType,
}

#[derive(Debug)]
pub(crate) struct Global {
    pub(crate) ty: GlobalType,
    /// `None` for an import.
    pub(crate) init: Option<ConstExpr>,
}

#[derive(Debug)]
pub(crate) enum SegmentMode {
    Passive,
    /// Only allows `ref.func`; behaves as if dropped.
    Declared,
    Active {
        /// The table; memory is always memory 0.
        index: u32,
        offset: ConstExpr,
    },
}

#[derive(Debug)]
pub(crate) struct ElementSegment {
    pub(crate) mode: SegmentMode,
    pub(crate) items: Vec<ConstExpr>,
}

#[derive(Debug)]
pub(crate) struct DataSegment {
    pub(crate) mode: SegmentMode,
    /// Into `data_bytes`.
    pub(crate) range: Range<usize>,
}

/// The type of a memory, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType {
    /// The size it begins with.
    pub min: u32,
    /// The size it never passes, if the module says.
    pub max: Option<u32>,
}

/// The type of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableType {
    /// The type of its elements, a reference type.
    pub element: ValueType,
    /// The number of elements it begins with.
    pub min: u32,
    /// The number of elements it never passes, if the module says.
    pub max: Option<u32>,
}

/// The type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalType {
    /// The type of its value.
    pub value: ValueType,
    /// Whether code can change it.
    pub mutable: bool,
}

/// The type of an import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Function(FuncType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
}

/// Something a module needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The first part of its name.
    pub module: Box<str>,
    /// The second part of its name.
    pub name: Box<str>,
    /// What it must be.
    pub ty: ExternType,
}

/// Something a module offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name, unique among exports.
    pub name: Box<str>,
    /// What it is.
    pub ty: ExternType,
    /// Its index among the functions, tables, memories or globals of the module.
    pub index: u32,
}

impl Module {
    /// Decodes, validates and translates a module, in time linear in its length.
    pub fn new(bytes: &[u8], rules: &Rules) -> Result<Self, ModuleError> {
        Self::with_engine(bytes, rules, Engine::default())
    }

    /// Does what [`Module::new`] does, for an engine other than the default. Nothing a module does depends on it.
    pub fn with_engine(bytes: &[u8], rules: &Rules, engine: Engine) -> Result<Self, ModuleError> {
        parse::parse(bytes, rules).map(|definition| Self { definition: Arc::new(definition), engine })
    }

    /// Returns the engine the module runs on.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns what the module imports, in its order.
    pub fn imports(&self) -> &[Import] {
        &self.definition.imports
    }

    /// Returns what the module exports, in its order.
    pub fn exports(&self) -> &[Export] {
        &self.definition.exports
    }

    /// Returns the export of this name.
    pub fn export(&self, name: &str) -> Option<&Export> {
        self.definition.export_index.get(name).map(|&i| &self.definition.exports[i])
    }

    /// Returns the type of the module's memory, imported or defined.
    pub fn memory_type(&self) -> Option<MemoryType> {
        self.definition.memories.first().copied()
    }

    /// Returns the index of the start function, which [`Machine::instantiate`](crate::Machine::instantiate) does not
    /// call.
    pub fn start_function(&self) -> Option<u32> {
        self.definition.start
    }

    /// Returns the name of a function: the name section's, else the first export's.
    pub fn function_name(&self, index: u32) -> Option<&str> {
        self.definition.function_name(index)
    }

    /// Returns the number of functions, imported ones included.
    pub fn function_count(&self) -> usize {
        self.definition.functions.len()
    }

    /// Returns the length of the module in bytes.
    pub fn byte_len(&self) -> usize {
        self.definition.byte_len
    }

    /// Returns the ink that instantiating the module costs: the instance, initial pages and table elements, globals,
    /// and active segments with their bytes or elements.
    pub fn instantiation_ink(&self) -> u64 {
        self.definition.instantiation_ink
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.definition
    }
}

impl Definition {
    /// Returns the type of a function by its index.
    pub(crate) fn function_type(&self, index: u32) -> &FuncType {
        &self.types[self.functions[index as usize] as usize]
    }

    pub(crate) fn function_name(&self, index: u32) -> Option<&str> {
        self.names.function(index).or_else(|| {
            self.exports
                .iter()
                .find(|e| e.index == index && matches!(e.ty, ExternType::Function(_)))
                .map(|e| &*e.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_can_be_shared_between_threads() {
        fn shared<T: Send + Sync + Clone>() {}
        shared::<Module>();
    }
}
