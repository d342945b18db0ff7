//! A validated, translated module: everything about the code that does not change while it runs.
//!
//! A module is immutable and cheap to clone. Making one checks every rule of WebAssembly and of the chain; nothing
//! is left to find out when it runs.

mod check;
mod const_expr;
mod names;
mod parse;

pub(crate) use names::{Names, kept_max};
pub(crate) use parse::{DECODED, check_limit, name_proposal, value_type};

pub(crate) use const_expr::{ConstExpr, ConstInstruction};

use crate::once::Once;
use crate::threaded::Function;
use crate::{Engine, FuncType, ModuleError, Rules, plain, threaded};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use lathe_gas::{Schedule, ValueType};
use wasmparser::{BinaryReader, FunctionBody};

/// A validated module. It runs on the [`Engine`] it was made for.
#[derive(Clone, Debug)]
pub struct Module(Arc<Definition>);

/// What a module declares. Index spaces begin with the imports.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) byte_len: usize,
    pub(crate) schedule: &'static Schedule,
    pub(crate) engine: Engine,
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
    /// The bodies of defined functions, one behind the other.
    bodies: Vec<u8>,
    /// For each defined function, where its body begins in `bodies`, and where it began in the module.
    body_starts: Vec<(u32, u32)>,
    /// For each defined function, its code for the plain engine.
    plain: Box<[Once<plain::Code>]>,
    /// All functions, as the threaded engines call them.
    pub(crate) threaded: Box<[Function]>,
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
        parse::parse(bytes, rules, engine).map(|definition| Self(Arc::new(definition)))
    }

    /// Translates every function now, rather than when it is first called. Changes nothing but when time is spent.
    pub fn translate(&self) {
        match self.0.engine {
            Engine::Plain => (0..).zip(&self.0.plain).for_each(|(defined, _)| {
                self.0.plain(defined);
            }),
            _ => threaded::translate(&self.0),
        }
    }

    /// Returns the bytes that the code of translated functions takes so far, with its tables. At most 64 for each byte of
    /// the module.
    pub fn code_bytes(&self) -> usize {
        match self.0.engine {
            Engine::Plain => self.0.plain.iter().filter_map(Once::get).map(plain::Code::byte_len).sum(),
            _ => threaded::code_bytes(&self.0),
        }
    }

    /// Returns the engine the module runs on.
    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// Returns what the module imports, in its order.
    pub fn imports(&self) -> &[Import] {
        &self.0.imports
    }

    /// Returns what the module exports, in its order.
    pub fn exports(&self) -> &[Export] {
        &self.0.exports
    }

    /// Returns the export of this name.
    pub fn export(&self, name: &str) -> Option<&Export> {
        self.0.export_index.get(name).map(|&i| &self.0.exports[i])
    }

    /// Returns the type of the module's memory, imported or defined.
    pub fn memory_type(&self) -> Option<MemoryType> {
        self.0.memories.first().copied()
    }

    /// Returns the index of the start function, which [`Machine::instantiate`](crate::Machine::instantiate) does not
    /// call.
    pub fn start_function(&self) -> Option<u32> {
        self.0.start
    }

    /// Returns the name of a function: the name section's, else the first export's.
    pub fn function_name(&self, index: u32) -> Option<&str> {
        self.0.function_name(index)
    }

    /// Returns the number of functions, imported ones included.
    pub fn function_count(&self) -> usize {
        self.0.functions.len()
    }

    /// Returns the length of the module in bytes.
    pub fn byte_len(&self) -> usize {
        self.0.byte_len
    }

    /// Returns the ink that instantiating the module costs: the instance, initial pages and table elements, globals,
    /// and active segments with their bytes or elements.
    pub fn instantiation_ink(&self) -> u64 {
        self.0.instantiation_ink
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.0
    }
}

impl Definition {
    /// Returns a module that declares nothing.
    fn new(byte_len: usize, schedule: &'static Schedule, engine: Engine) -> Self {
        Self {
            byte_len,
            schedule,
            engine,
            types: Vec::new(),
            canonical_types: Vec::new(),
            imports: Vec::new(),
            imported_functions: 0,
            imported_tables: 0,
            imported_memories: 0,
            imported_globals: 0,
            functions: Vec::new(),
            tables: Vec::new(),
            memories: Vec::new(),
            globals: Vec::new(),
            exports: Vec::new(),
            export_index: BTreeMap::new(),
            start: None,
            elements: Vec::new(),
            data: Vec::new(),
            data_bytes: Vec::new(),
            bodies: Vec::new(),
            body_starts: Vec::new(),
            plain: Box::default(),
            threaded: Box::default(),
            names: Names::default(),
            instantiation_ink: 0,
        }
    }

    /// Keeps the body of the next defined function, to be translated when it is first called.
    fn push_body(&mut self, body: &FunctionBody<'_>) {
        let narrow = |number: usize| u32::try_from(number).expect("a module has fewer than 2^32 bytes");
        let start = usize::try_from(body.range().start).expect("a module fits the address space");
        self.body_starts.push((narrow(self.bodies.len()), narrow(start)));
        self.bodies.extend_from_slice(body.as_bytes());
    }

    /// Makes room for code, once everything is declared.
    fn finish(&mut self) {
        self.plain = self.body_starts.iter().map(|_| Once::new()).collect();
        let types = self.functions.iter().map(|&ty| self.canonical_types[ty as usize]);
        self.threaded = Function::all(types, self.imported_functions, self.engine);
    }

    /// Returns the body of a defined function, which is valid.
    pub(crate) fn body(&self, index: u32) -> FunctionBody<'_> {
        let defined = (index - self.imported_functions) as usize;
        let (start, offset) = self.body_starts[defined];
        let end = self.body_starts.get(defined + 1).map_or(self.bodies.len(), |&(next, _)| next as usize);
        FunctionBody::new(BinaryReader::new(&self.bodies[start as usize..end], offset.into()))
    }

    /// Returns the code of a defined function for the plain engine; functions are counted without imports.
    pub(crate) fn plain(&self, defined: u32) -> &plain::Code {
        let index = self.imported_functions + defined;
        self.plain[defined as usize].get_or_make(|| plain::translate(self, index))
    }

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
