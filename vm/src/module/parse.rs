//! From bytes to a [`Definition`], in one pass over the sections.
//!
//! For each section: first what it claims to hold is compared with the limits, before anything is allocated for it;
//! then `wasmparser` validates it; then it is read again, now knowing that all its indices are good.

use super::{
    ConstExpr, DataSegment, Definition, ElementSegment, Export, ExternType, Global, GlobalType, Import,
    MemoryType, SegmentMode, Table, TableType, check::Checker, names,
};
use crate::module_error::ModuleErrorKind;
use crate::{Engine, FuncType, Limit, ModuleError, Proposal, Rules};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use lathe_gas::ValueType;
use wasmparser::{
    CompositeInnerType, ElementItems, ElementKind, ExternalKind, KnownCustom, Parser, Payload, TypeRef,
    ValidPayload, Validator, WasmFeatures,
};

/// Parts of WebAssembly whose instructions are decoded whatever the rules say, so that they can be refused by name.
/// None of them changes how the rest is encoded.
pub(crate) const DECODED: WasmFeatures = WasmFeatures::SIMD
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::THREADS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::LEGACY_EXCEPTIONS)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::STACK_SWITCHING)
    .union(WasmFeatures::WIDE_ARITHMETIC)
    .union(WasmFeatures::SHARED_EVERYTHING_THREADS)
    .union(WasmFeatures::MEMORY_CONTROL);

/// What every module begins with.
const WASM_MAGIC: &[u8] = b"\0asm";

pub(super) fn parse(bytes: &[u8], rules: &Rules, engine: Engine) -> Result<Definition, ModuleError> {
    let mut builder = Builder {
        rules,
        module: Definition::new(bytes.len(), rules.schedule, engine),
        checker: Checker::new(rules),
    };
    match builder.run(bytes) {
        Ok(()) => Ok(builder.module),
        Err(error) => {
            let error = name_proposal(error);
            let name = error.function().and_then(|function| names::find(bytes, function, &rules.limits));
            Err(error.named(name.as_deref()))
        }
    }
}

struct Builder<'a> {
    rules: &'a Rules,
    module: Definition,
    checker: Checker<'a>,
}

impl Builder<'_> {
    /// Refuses what passes a limit.
    fn limit(&self, limit: Limit, actual: u64, offset: u64) -> Result<(), ModuleError> {
        check_limit(self.rules, limit, actual, offset)
    }

    fn run(&mut self, bytes: &[u8]) -> Result<(), ModuleError> {
        self.limit(Limit::ModuleBytes, bytes.len() as u64, 0)?;
        if !bytes.starts_with(WASM_MAGIC) {
            let head = bytes.iter().take(WASM_MAGIC.len()).map(|byte| format!("{byte:02x}")).collect();
            return Err(ModuleError::new(ModuleErrorKind::NotWasm(head), 0));
        }
        let features = self.rules.features.flags();
        let mut validator = Validator::new_with_features(features);
        let mut parser = Parser::new(0);
        parser.set_features(features.union(DECODED));
        let mut allocations = wasmparser::FuncValidatorAllocations::default();
        for payload in parser.parse_all(bytes) {
            let payload = payload?;
            self.check_claims(&payload)?;
            match validator.payload(&payload)? {
                ValidPayload::Func(function, body) => {
                    let index = function.index;
                    let mut function = function.into_validator(allocations);
                    self.checker
                        .function(&self.module, &mut function, &body)
                        .map_err(|error| error.in_function(index))?;
                    self.module.push_body(&body);
                    allocations = function.into_allocations();
                }
                _ => self.read(payload)?,
            }
        }
        self.module.instantiation_ink = self.instantiation_ink();
        self.module.finish();
        Ok(())
    }

    /// Compares what a section claims to hold with the limits.
    fn check_claims(&self, payload: &Payload<'_>) -> Result<(), ModuleError> {
        let (limit, count, offset) = match payload {
            Payload::TypeSection(s) => (Limit::Types, s.count(), s.range().start),
            Payload::ImportSection(s) => (Limit::Imports, s.count(), s.range().start),
            Payload::FunctionSection(s) => (Limit::Functions, s.count(), s.range().start),
            Payload::TableSection(s) => {
                let tables = s.count().saturating_add(self.module.imported_tables);
                (Limit::Tables, tables, s.range().start)
            }
            Payload::GlobalSection(s) => (Limit::Globals, s.count(), s.range().start),
            Payload::ExportSection(s) => (Limit::Exports, s.count(), s.range().start),
            Payload::ElementSection(s) => (Limit::Segments, s.count(), s.range().start),
            Payload::DataSection(s) => (Limit::Segments, s.count(), s.range().start),
            Payload::DataCountSection { count, range } => (Limit::Segments, *count, range.start),
            Payload::CodeSectionStart { count, unchecked_range, .. } => {
                (Limit::Functions, *count, unchecked_range.start)
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                return self.limit(Limit::BodyBytes, range.end - range.start, range.start);
            }
            _ => return Ok(()),
        };
        self.limit(limit, u64::from(count), offset)
    }

    /// Takes what a valid section declares.
    fn read(&mut self, payload: Payload<'_>) -> Result<(), ModuleError> {
        match payload {
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => self.imports(section),
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.module.functions.push(ty?);
                }
                Ok(())
            }
            Payload::TableSection(section) => {
                for table in section.into_iter_with_offsets() {
                    let (offset, table) = table?;
                    let ty = self.table_type(&table.ty, offset)?;
                    self.module.tables.push(Table { ty });
                }
                Ok(())
            }
            Payload::MemorySection(section) => {
                for memory in section.into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    let ty = self.memory_type(&memory, offset)?;
                    self.module.memories.push(ty);
                }
                Ok(())
            }
            Payload::GlobalSection(section) => {
                for global in section.into_iter_with_offsets() {
                    let (offset, global) = global?;
                    let ty = global_type(&global.ty, offset)?;
                    let init = ConstExpr::decode(&global.init_expr, &self.rules.limits)?;
                    self.module.globals.push(Global { ty, init: Some(init) });
                }
                Ok(())
            }
            Payload::ExportSection(section) => self.exports(section),
            Payload::StartSection { func, range } => {
                if !self.rules.start_function {
                    return Err(ModuleError::new(ModuleErrorKind::StartFunction, range.start));
                }
                self.module.start = Some(func);
                Ok(())
            }
            Payload::ElementSection(section) => self.elements(section),
            Payload::DataSection(section) => self.data(section),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(_) = section.as_known() {
                    let most = names::kept_max(&self.rules.limits);
                    self.module.names = names::read(section.data(), section.data_offset(), most);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn types(&mut self, section: wasmparser::TypeSectionReader<'_>) -> Result<(), ModuleError> {
        let mut seen = BTreeMap::new();
        for group in section.into_iter_with_offsets() {
            let (offset, group) = group?;
            for sub_type in group.into_types() {
                let CompositeInnerType::Func(ty) = sub_type.composite_type.inner else {
                    return Err(refused(Proposal::Gc, "type", offset));
                };
                self.limit(Limit::Params, ty.params().len() as u64, offset)?;
                self.limit(Limit::Results, ty.results().len() as u64, offset)?;
                let params = value_types(ty.params(), offset)?;
                let results = value_types(ty.results(), offset)?;
                let index = index32(self.module.types.len());
                self.module.types.push(FuncType::new(&params, &results));
                self.module.canonical_types.push(*seen.entry((params, results)).or_insert(index));
            }
        }
        // A group can hold several types, so the claim of the section was only a lower bound.
        self.limit(Limit::Types, self.module.types.len() as u64, 0)
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'_>) -> Result<(), ModuleError> {
        for import in section.into_imports_with_offsets() {
            let (offset, import) = import?;
            self.limit(Limit::NameBytes, import.module.len() as u64, offset)?;
            self.limit(Limit::NameBytes, import.name.len() as u64, offset)?;
            let ty = match import.ty {
                TypeRef::Func(index) => {
                    self.module.functions.push(index);
                    self.module.imported_functions += 1;
                    ExternType::Function(self.module.types[index as usize].clone())
                }
                TypeRef::Table(ty) => {
                    let ty = self.table_type(&ty, offset)?;
                    self.module.tables.push(Table { ty });
                    self.module.imported_tables += 1;
                    self.limit(Limit::Tables, u64::from(self.module.imported_tables), offset)?;
                    ExternType::Table(ty)
                }
                TypeRef::Memory(ty) => {
                    let ty = self.memory_type(&ty, offset)?;
                    self.module.memories.push(ty);
                    self.module.imported_memories += 1;
                    ExternType::Memory(ty)
                }
                TypeRef::Global(ty) => {
                    let ty = global_type(&ty, offset)?;
                    self.module.globals.push(Global { ty, init: None });
                    self.module.imported_globals += 1;
                    ExternType::Global(ty)
                }
                TypeRef::Tag(_) => return Err(refused(Proposal::Exceptions, "tag", offset)),
                TypeRef::FuncExact(_) => {
                    return Err(refused(Proposal::CustomDescriptors, "exact function import", offset));
                }
            };
            let (module, name) = (import.module.into(), import.name.into());
            self.module.imports.push(Import { module, name, ty });
        }
        self.limit(Limit::Imports, self.module.imports.len() as u64, 0)
    }

    fn exports(&mut self, section: wasmparser::ExportSectionReader<'_>) -> Result<(), ModuleError> {
        for export in section.into_iter_with_offsets() {
            let (offset, export) = export?;
            self.limit(Limit::NameBytes, export.name.len() as u64, offset)?;
            let index = export.index;
            let module = &mut self.module;
            let ty = match export.kind {
                ExternalKind::Func => ExternType::Function(module.function_type(index).clone()),
                ExternalKind::Table => ExternType::Table(module.tables[index as usize].ty),
                ExternalKind::Memory => ExternType::Memory(module.memories[index as usize]),
                ExternalKind::Global => ExternType::Global(module.globals[index as usize].ty),
                ExternalKind::Tag => return Err(refused(Proposal::Exceptions, "tag", offset)),
                ExternalKind::FuncExact => {
                    return Err(refused(Proposal::CustomDescriptors, "exact function export", offset));
                }
            };
            module.export_index.insert(export.name.into(), module.exports.len());
            module.exports.push(Export { name: export.name.into(), ty, index });
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'_>) -> Result<(), ModuleError> {
        let mut items_total = 0;
        for element in section.into_iter_with_offsets() {
            let (offset, element) = element?;
            let count = match &element.items {
                ElementItems::Functions(functions) => functions.count(),
                ElementItems::Expressions(_, expressions) => expressions.count(),
            };
            items_total += u64::from(count);
            // Before room is made for them.
            self.limit(Limit::ElementItems, items_total, offset)?;
            let mode = match &element.kind {
                ElementKind::Passive => SegmentMode::Passive,
                ElementKind::Declared => SegmentMode::Declared,
                ElementKind::Active { table_index, offset_expr } => SegmentMode::Active {
                    index: table_index.unwrap_or(0),
                    offset: ConstExpr::decode(offset_expr, &self.rules.limits)?,
                },
            };
            let mut items = Vec::with_capacity(count as usize);
            match element.items {
                ElementItems::Functions(functions) => {
                    for function in functions {
                        items.push(ConstExpr::One(super::ConstInstruction::RefFunc(function?)));
                    }
                }
                ElementItems::Expressions(_, expressions) => {
                    for expression in expressions {
                        items.push(ConstExpr::decode(&expression?, &self.rules.limits)?);
                    }
                }
            }
            self.module.elements.push(ElementSegment { mode, items });
        }
        Ok(())
    }

    fn data(&mut self, section: wasmparser::DataSectionReader<'_>) -> Result<(), ModuleError> {
        for data in section {
            let data = data?;
            let mode = match &data.kind {
                wasmparser::DataKind::Passive => SegmentMode::Passive,
                wasmparser::DataKind::Active { memory_index, offset_expr } => SegmentMode::Active {
                    index: *memory_index,
                    offset: ConstExpr::decode(offset_expr, &self.rules.limits)?,
                },
            };
            let start = self.module.data_bytes.len();
            self.module.data_bytes.extend_from_slice(data.data);
            self.module.data.push(DataSegment { mode, range: start..self.module.data_bytes.len() });
        }
        Ok(())
    }

    fn table_type(&self, ty: &wasmparser::TableType, offset: u64) -> Result<TableType, ModuleError> {
        if ty.table64 {
            return Err(refused(Proposal::Memory64, "64-bit table", offset));
        }
        if ty.shared {
            return Err(refused(Proposal::SharedEverythingThreads, "shared table", offset));
        }
        self.limit(Limit::TableElements, ty.initial, offset)?;
        Ok(TableType {
            element: value_type(wasmparser::ValType::Ref(ty.element_type), offset)?,
            min: clamp32(ty.initial),
            max: ty.maximum.map(clamp32),
        })
    }

    fn memory_type(&self, ty: &wasmparser::MemoryType, offset: u64) -> Result<MemoryType, ModuleError> {
        if ty.memory64 {
            return Err(refused(Proposal::Memory64, "64-bit memory", offset));
        }
        if ty.shared {
            return Err(refused(Proposal::Threads, "shared memory", offset));
        }
        if ty.page_size_log2.is_some() {
            return Err(refused(Proposal::CustomPageSizes, "page size", offset));
        }
        self.limit(Limit::MemoryPages, ty.initial, offset)?;
        Ok(MemoryType { min: clamp32(ty.initial), max: ty.maximum.map(clamp32) })
    }

    /// Sums what instantiation will do. Every count is below 2^32 and every price too, so nothing overflows but the
    /// saturating sum of absurd rules.
    fn instantiation_ink(&self) -> u64 {
        let module = &self.module;
        let schedule = self.rules.schedule;
        let memories = &module.memories[module.imported_memories as usize..];
        let pages = memories.iter().fold(0u32, |pages, memory| pages.saturating_add(memory.min));
        let mut ink = u64::from(schedule.instance).saturating_add(schedule.pages_ink(0, pages));
        let mut add = |count: u64, price: u32| ink = ink.saturating_add(count.saturating_mul(price.into()));
        for table in &module.tables[module.imported_tables as usize..] {
            add(table.ty.min.into(), schedule.table_element);
        }
        add(module.globals.len() as u64 - u64::from(module.imported_globals), schedule.global_initialised);
        for segment in &module.elements {
            if let SegmentMode::Active { .. } = segment.mode {
                add(1, schedule.segment_applied);
                add(segment.items.len() as u64, schedule.table_element);
            }
        }
        for segment in &module.data {
            if let SegmentMode::Active { .. } = segment.mode {
                add(1, schedule.segment_applied);
                add(segment.range.len() as u64, schedule.memory_byte);
            }
        }
        ink
    }
}

pub(crate) fn check_limit(rules: &Rules, limit: Limit, actual: u64, offset: u64) -> Result<(), ModuleError> {
    let max = rules.limits.get(limit);
    if actual > u64::from(max) {
        return Err(ModuleError::new(ModuleErrorKind::Limit { limit, max, actual }, offset));
    }
    Ok(())
}

fn refused(proposal: Proposal, item: &str, offset: u64) -> ModuleError {
    ModuleError::new(ModuleErrorKind::Proposal { proposal, item: item.into() }, offset)
}

/// Words by which the validator calls what it refuses in declarations, where no instruction tells the proposal.
const REFUSALS: &[(&str, Proposal, &str)] = &[
    ("memory64", Proposal::Memory64, "64-bit memory"),
    ("64-bit", Proposal::Memory64, "64-bit memory"),
    ("custom page sizes", Proposal::CustomPageSizes, "page size"),
    ("shared-everything", Proposal::SharedEverythingThreads, "shared type"),
    ("threads", Proposal::Threads, "shared memory"),
    ("multi-memory", Proposal::MultiMemory, "second memory"),
    ("multiple memories", Proposal::MultiMemory, "second memory"),
    ("exceptions", Proposal::Exceptions, "tag"),
    ("function references", Proposal::FunctionReferences, "type"),
    ("stack switching", Proposal::StackSwitching, "type"),
    ("custom descriptors", Proposal::CustomDescriptors, "type"),
    ("gc", Proposal::Gc, "type"),
    ("SIMD", Proposal::Simd, "v128"),
    ("multi-value", Proposal::MultiValue, "type"),
    ("reference types", Proposal::ReferenceTypes, "type"),
    ("bulk memory", Proposal::BulkMemory, "segment"),
    ("component", Proposal::ComponentModel, "binary"),
];

/// Turns the validator's refusal of a declaration into ours, so that it names the proposal.
pub(crate) fn name_proposal(error: ModuleError) -> ModuleError {
    let ModuleErrorKind::Invalid(reason) = error.kind() else { return error };
    let refusal = ["enabled", "required", "support", "encoded as a component", "multiple memories"];
    if !refusal.iter().any(|word| reason.contains(word)) {
        return error;
    }
    match REFUSALS.iter().find(|(word, _, _)| reason.contains(word)) {
        Some(&(_, proposal, item)) => {
            let renamed = refused(proposal, item, error.offset());
            match error.function() {
                Some(function) => renamed.in_function(function),
                None => renamed,
            }
        }
        None => error,
    }
}

pub(crate) fn value_type(ty: wasmparser::ValType, offset: u64) -> Result<ValueType, ModuleError> {
    use wasmparser::ValType;
    Ok(match ty {
        ValType::I32 => ValueType::I32,
        ValType::I64 => ValueType::I64,
        ValType::F32 => ValueType::F32,
        ValType::F64 => ValueType::F64,
        ValType::V128 => ValueType::V128,
        ValType::FUNCREF => ValueType::FuncRef,
        ValType::EXTERNREF => ValueType::ExternRef,
        ValType::Ref(_) => return Err(refused(Proposal::FunctionReferences, "reference type", offset)),
    })
}

fn value_types(types: &[wasmparser::ValType], offset: u64) -> Result<Vec<ValueType>, ModuleError> {
    types.iter().map(|&ty| value_type(ty, offset)).collect()
}

fn global_type(ty: &wasmparser::GlobalType, offset: u64) -> Result<GlobalType, ModuleError> {
    if ty.shared {
        return Err(refused(Proposal::SharedEverythingThreads, "shared global", offset));
    }
    Ok(GlobalType { value: value_type(ty.content_type, offset)?, mutable: ty.mutable })
}

fn clamp32(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn index32(index: usize) -> u32 {
    u32::try_from(index)
        .expect("a module has fewer than 2^32 of anything, since its sections count in 32 bits")
}
