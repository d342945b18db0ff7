//! One pass over a module that does not end at what it refuses.
//!
//! The bytes are read twice, side by side: **strictly**, as the rules have them, and **leniently**, as all of WebAssembly
//! does. What only the strict reading refuses is a proposal that the rules leave out; what both refuse is invalid. A
//! validator that has refused a section knows nothing of what comes behind, so it stops; limits and proposals are
//! counted all the same, in the lenient reading.

use super::body::Body;
use super::prices::InstructionPrice;
use super::tally::{Place, Tally, error_at};
use super::{DeclaredItem, Report, SectionReport};
use crate::bounded::cut;
use crate::module::{DECODED, Names, kept_max, name_proposal, value_type};
use crate::module_error::ModuleErrorKind;
use crate::{FuncType, Limit, ModuleError, Proposal, Rules, demangle};
use alloc::string::String;
use alloc::vec::Vec;
use lathe_gas::ValueType;
use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind, Encoding, ExternalKind, FunctionBody,
    GlobalType, KnownCustom, MemoryType, Operator, Parser, Payload, RefType, TableType, TypeRef, ValType,
    ValidPayload, Validator, WasmFeatures,
};

/// What every module begins with.
const WASM_MAGIC: &[u8] = b"\0asm";

/// Names of sections by number; custom sections name themselves.
const SECTIONS: [&str; 14] = [
    "custom",
    "type",
    "import",
    "function",
    "table",
    "memory",
    "global",
    "export",
    "start",
    "element",
    "code",
    "data",
    "data count",
    "tag",
];

/// Reports on a module, and finds everything that the rules have against it.
pub(super) fn scan(bytes: &[u8], rules: &Rules) -> (Report, Vec<ModuleError>) {
    let mut scan = Scan::new(rules, false);
    scan.report.bytes = bytes.len() as u64;
    scan.run(bytes);
    scan.finish()
}

/// Returns what each instruction of a module costs, as far as the module can be read.
pub(super) fn scan_prices(bytes: &[u8], rules: &Rules) -> Vec<InstructionPrice> {
    let mut scan = Scan::new(rules, true);
    scan.run(bytes);
    scan.prices.unwrap_or_default()
}

/// What a scan knows of the module's declarations.
#[derive(Default)]
pub(super) struct Declarations {
    /// Types by index; none for what is no function or has values that are never allowed.
    pub(super) types: Vec<Option<FuncType>>,
    /// The type index of each function, imports first.
    pub(super) functions: Vec<u32>,
    imported_functions: u32,
    /// Bodies seen.
    bodies: u32,
    tables: u64,
    memories: u64,
    /// The memory types' and tables' and globals' words, for exports.
    table_types: Vec<String>,
    memory_types: Vec<String>,
    global_types: Vec<String>,
}

impl Declarations {
    pub(super) fn function_type(&self, function: u32) -> Option<&FuncType> {
        let ty = self.functions.get(function as usize)?;
        self.types.get(*ty as usize)?.as_ref()
    }
}

struct Scan<'a> {
    tally: Tally<'a>,
    report: Report,
    declarations: Declarations,
    strict: Option<Validator>,
    lenient: Option<Validator>,
    names: Names,
    /// Values carried by branch tables so far.
    branch_values: u64,
    /// Collected if asked for.
    prices: Option<Vec<InstructionPrice>>,
}

impl<'a> Scan<'a> {
    fn new(rules: &'a Rules, priced: bool) -> Self {
        Self {
            tally: Tally::new(rules),
            report: Report::default(),
            declarations: Declarations::default(),
            strict: Some(Validator::new_with_features(rules.features.flags())),
            lenient: Some(Validator::new_with_features(WasmFeatures::all())),
            names: Names::default(),
            branch_values: 0,
            prices: priced.then(Vec::new),
        }
    }

    fn run(&mut self, bytes: &[u8]) {
        self.tally.limit(Limit::ModuleBytes, bytes.len() as u64, at(0));
        if !bytes.starts_with(WASM_MAGIC) {
            return;
        }
        let parse = |features| {
            let mut parser = Parser::new(0);
            parser.set_features(features);
            parser.parse_all(bytes)
        };
        let mut strict = parse(self.tally.rules.features.flags().union(DECODED));
        for lenient in parse(WasmFeatures::all()) {
            let strict = strict.next().and_then(|payload| match payload {
                Ok(payload) => Some(payload),
                Err(error) => {
                    self.strict = None;
                    // Where both fail, one says it.
                    if lenient.is_ok() {
                        self.refuse(name_proposal(error.into()));
                    }
                    None
                }
            });
            let lenient = match lenient {
                Ok(payload) => payload,
                Err(error) => return self.refuse(name_proposal(error.into())),
            };
            if let Payload::Version { encoding: Encoding::Component, .. } = lenient {
                self.tally.proposal(Proposal::ComponentModel, "binary", at(0));
                return;
            }
            self.section(&lenient);
            if let Payload::CodeSectionEntry(body) = lenient {
                let strict = match strict {
                    Some(Payload::CodeSectionEntry(body)) => Some(body),
                    _ => None,
                };
                self.body(strict.as_ref(), &body);
            } else {
                self.validate(strict.as_ref(), &lenient);
                if let Err(error) = self.declarations(lenient) {
                    self.tally.violation(error);
                }
            }
        }
    }

    fn finish(mut self) -> (Report, Vec<ModuleError>) {
        let mut report = self.report;
        for function in &mut report.functions {
            function.name = self.names.function(function.index).map(demangle);
        }
        let names = &self.names;
        let named = |error: ModuleError| {
            let name = error.function().and_then(|function| names.function(function));
            error.named(name)
        };
        report.proposals = self.tally.proposals();
        report.limits = self.tally.limits;
        report.violations_omitted = self.tally.violations_omitted;
        (report, self.tally.violations.into_iter().map(named).collect())
    }

    /// Notes the section's size, and compares what it claims to hold with the limits.
    fn section(&mut self, payload: &Payload<'_>) {
        let Some((id, range)) = payload.as_section() else { return };
        let claim = match payload {
            Payload::TypeSection(s) => Some((Some(Limit::Types), s.count())),
            Payload::ImportSection(s) => Some((Some(Limit::Imports), s.count())),
            Payload::FunctionSection(s) => Some((Some(Limit::Functions), s.count())),
            Payload::TableSection(s) => Some((None, s.count())),
            Payload::MemorySection(s) => Some((None, s.count())),
            Payload::TagSection(s) => Some((None, s.count())),
            Payload::GlobalSection(s) => Some((Some(Limit::Globals), s.count())),
            Payload::ExportSection(s) => Some((Some(Limit::Exports), s.count())),
            Payload::ElementSection(s) => Some((Some(Limit::Segments), s.count())),
            Payload::DataSection(s) => Some((Some(Limit::Segments), s.count())),
            Payload::DataCountSection { count, .. } => Some((Some(Limit::Segments), *count)),
            Payload::CodeSectionStart { count, .. } => Some((Some(Limit::Functions), *count)),
            _ => None,
        };
        if let Some((Some(limit), count)) = claim {
            self.tally.limit(limit, count.into(), at(range.start));
        }
        if let Payload::TableSection(s) = payload {
            let tables = self.declarations.tables + u64::from(s.count());
            self.tally.limit(Limit::Tables, tables, at(range.start));
        }
        let name = match payload {
            Payload::CustomSection(section) => cut(section.name()),
            _ => SECTIONS.get(usize::from(id)).map_or_else(|| cut(id), |&name| name.into()),
        };
        let items = claim.map(|(_, count)| count);
        let bytes = range.end.saturating_sub(range.start);
        self.report.sections.push(SectionReport { name, offset: range.start, bytes, items });
    }

    /// Shows a section to both validators.
    fn validate(&mut self, strict: Option<&Payload<'_>>, lenient: &Payload<'_>) {
        let check = |validator: &mut Option<Validator>, payload: Option<&Payload<'_>>| {
            let error = match validator.as_mut()?.payload(payload?) {
                Ok(ValidPayload::End(_)) => {
                    *validator = None;
                    return None;
                }
                Ok(_) => return None,
                Err(error) => error,
            };
            *validator = None;
            Some(name_proposal(error.into()))
        };
        let strict = check(&mut self.strict, strict);
        let lenient = check(&mut self.lenient, Some(lenient));
        let same = matches!((&strict, &lenient), (Some(a), Some(b)) if a.offset() == b.offset());
        // One thing is wrong, and each says it in the words of its features.
        let lenient = if same { None } else { lenient };
        for error in [strict, lenient].into_iter().flatten() {
            self.refuse(error);
        }
    }

    fn refuse(&mut self, error: ModuleError) {
        match error.kind() {
            // It is a use that nothing else has counted.
            ModuleErrorKind::Proposal { proposal, item } if !self.tally.is_used(*proposal) => {
                let place = Place { offset: error.offset(), function: error.function() };
                self.tally.proposal(*proposal, item, place);
            }
            _ => self.tally.violation(error),
        }
    }

    fn body(&mut self, strict: Option<&FunctionBody<'_>>, lenient: &FunctionBody<'_>) {
        let index = self.declarations.imported_functions.saturating_add(self.declarations.bodies);
        self.declarations.bodies = self.declarations.bodies.saturating_add(1);
        let function = |validator: &mut Option<Validator>, body: Option<&FunctionBody<'_>>| {
            // More bodies than functions are an error of the section, which has been judged.
            let function = validator.as_mut()?.code_section_entry(body?).ok()?;
            Some(function.into_validator(Default::default()))
        };
        let strict = strict.zip(function(&mut self.strict, strict));
        let validator = function(&mut self.lenient, Some(lenient));
        let scan =
            Body::new(&mut self.tally, &self.declarations, &mut self.branch_values, &mut self.prices, index);
        self.report.functions.push(scan.run(lenient, validator, strict));
    }

    /// Takes what a section declares, valid or not. Fails where it cannot be read on.
    fn declarations(&mut self, payload: Payload<'_>) -> Result<(), ModuleError> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section.into_iter_with_offsets() {
                    let (offset, group) = group?;
                    for ty in group.into_types() {
                        self.ty(&ty.composite_type.inner, at(offset));
                    }
                }
                let types = self.declarations.types.len() as u64;
                self.tally.limit(Limit::Types, types, at(0));
            }
            Payload::ImportSection(section) => self.imports(section)?,
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.declarations.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section.into_iter_with_offsets() {
                    let (offset, table) = table?;
                    self.table(&table.ty, at(offset));
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    self.memory(&memory, at(offset));
                }
            }
            Payload::TagSection(section) => {
                self.tally.proposal(Proposal::Exceptions, "tag", at(section.range().start));
            }
            Payload::GlobalSection(section) => {
                for global in section.into_iter_with_offsets() {
                    let (offset, global) = global?;
                    self.global(&global.ty, at(offset));
                    self.const_expr(&global.init_expr)?;
                }
            }
            Payload::ExportSection(section) => self.exports(section)?,
            Payload::StartSection { range, .. } if !self.tally.rules.start_function => {
                self.tally.violation(error_at(ModuleErrorKind::StartFunction, at(range.start)));
            }
            Payload::ElementSection(section) => self.elements(section)?,
            Payload::DataCountSection { range, .. } => {
                self.tally.proposal(Proposal::BulkMemory, "data count section", at(range.start));
            }
            Payload::DataSection(section) => {
                for data in section.into_iter_with_offsets() {
                    let (offset, data) = data?;
                    match &data.kind {
                        DataKind::Passive => {
                            self.tally.proposal(Proposal::BulkMemory, "passive segment", at(offset));
                        }
                        DataKind::Active { offset_expr, .. } => self.const_expr(offset_expr)?,
                    }
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.names = Names::read(names, kept_max(&self.tally.rules.limits));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn ty(&mut self, ty: &CompositeInnerType, place: Place) {
        let CompositeInnerType::Func(ty) = ty else {
            self.tally.proposal(Proposal::Gc, "type", place);
            return self.declarations.types.push(None);
        };
        let (params, results) = (ty.params(), ty.results());
        let params_fit = self.tally.limit(Limit::Params, params.len() as u64, place);
        let results_fit = self.tally.limit(Limit::Results, results.len() as u64, place);
        if !(params_fit && results_fit) {
            // Checking code would take time by its width.
            (self.strict, self.lenient) = (None, None);
        }
        if results.len() > 1 {
            self.tally.proposal(Proposal::MultiValue, "type", place);
        }
        let params = self.value_types(params, place);
        let results = self.value_types(results, place);
        let ty = params.zip(results).map(|(params, results)| FuncType::new(&params, &results));
        self.declarations.types.push(ty);
    }

    fn value_types(&mut self, types: &[ValType], place: Place) -> Option<Vec<ValueType>> {
        // Each is looked at, so that all proposals are found.
        let types: Vec<_> = types.iter().map(|&ty| self.value_type(ty, place)).collect();
        types.into_iter().collect()
    }

    fn value_type(&mut self, ty: ValType, place: Place) -> Option<ValueType> {
        match ty {
            ValType::V128 => {
                self.tally.proposal(Proposal::Simd, "v128", place);
            }
            ValType::Ref(_) => {
                self.tally.proposal(Proposal::ReferenceTypes, "type", place);
            }
            _ => {}
        }
        match value_type(ty, place.offset) {
            Ok(ty) => Some(ty),
            Err(error) => {
                self.refuse(error);
                None
            }
        }
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'_>) -> Result<(), ModuleError> {
        let mut count = 0u64;
        for import in section.into_imports_with_offsets() {
            let (offset, import) = import?;
            let place = at(offset);
            count += 1;
            self.tally.limit(Limit::NameBytes, import.module.len() as u64, place);
            self.tally.limit(Limit::NameBytes, import.name.len() as u64, place);
            let ty = match import.ty {
                TypeRef::Func(index) => {
                    self.declarations.functions.push(index);
                    self.declarations.imported_functions += 1;
                    self.function_text(index)
                }
                TypeRef::Table(ty) => {
                    let text = self.table(&ty, place);
                    self.tally.limit(Limit::Tables, self.declarations.tables, place);
                    text
                }
                TypeRef::Memory(ty) => self.memory(&ty, place),
                TypeRef::Global(ty) => {
                    if ty.mutable {
                        self.tally.proposal(Proposal::MutableGlobals, "mutable global import", place);
                    }
                    self.global(&ty, place)
                }
                TypeRef::Tag(_) => {
                    self.tally.proposal(Proposal::Exceptions, "tag", place);
                    "tag".into()
                }
                TypeRef::FuncExact(index) => {
                    self.tally.proposal(Proposal::CustomDescriptors, "exact function import", place);
                    self.declarations.functions.push(index);
                    self.declarations.imported_functions += 1;
                    self.function_text(index)
                }
            };
            let (module, name) = (Some(cut(import.module)), cut(import.name));
            self.report.imports.push(DeclaredItem { module, name, ty });
        }
        self.tally.limit(Limit::Imports, count, at(0));
        Ok(())
    }

    fn exports(&mut self, section: wasmparser::ExportSectionReader<'_>) -> Result<(), ModuleError> {
        for export in section.into_iter_with_offsets() {
            let (offset, export) = export?;
            let place = at(offset);
            self.tally.limit(Limit::NameBytes, export.name.len() as u64, place);
            let index = export.index as usize;
            let known =
                |texts: &[String], what: &str| texts.get(index).cloned().unwrap_or_else(|| what.into());
            let declarations = &self.declarations;
            let ty = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => match declarations.functions.get(index) {
                    Some(&ty) => self.function_text(ty),
                    None => "function".into(),
                },
                ExternalKind::Table => known(&declarations.table_types, "table"),
                ExternalKind::Memory => known(&declarations.memory_types, "memory"),
                ExternalKind::Global => {
                    let text = known(&declarations.global_types, "global");
                    if text.starts_with("mutable") {
                        self.tally.proposal(Proposal::MutableGlobals, "mutable global export", place);
                    }
                    text
                }
                ExternalKind::Tag => {
                    self.tally.proposal(Proposal::Exceptions, "tag", place);
                    "tag".into()
                }
            };
            if let ExternalKind::FuncExact = export.kind {
                self.tally.proposal(Proposal::CustomDescriptors, "exact function export", place);
            }
            self.report.exports.push(DeclaredItem { module: None, name: cut(export.name), ty });
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'_>) -> Result<(), ModuleError> {
        let (mut items_total, mut crossed) = (0, false);
        for element in section.into_iter_with_offsets() {
            let (offset, element) = element?;
            items_total += match &element.items {
                ElementItems::Functions(functions) => u64::from(functions.count()),
                ElementItems::Expressions(_, expressions) => u64::from(expressions.count()),
            };
            if crossed {
                self.tally.used(Limit::ElementItems, items_total, at(offset));
            } else {
                crossed = !self.tally.limit(Limit::ElementItems, items_total, at(offset));
            }
            match &element.kind {
                ElementKind::Passive | ElementKind::Declared => {
                    self.tally.proposal(Proposal::BulkMemory, "passive segment", at(offset));
                }
                ElementKind::Active { offset_expr, .. } => self.const_expr(offset_expr)?,
            }
            match element.items {
                ElementItems::Functions(functions) => {
                    for function in functions {
                        function?;
                    }
                }
                ElementItems::Expressions(ty, expressions) => {
                    self.tally.proposal(Proposal::BulkMemory, "element expressions", at(offset));
                    self.value_type(ValType::Ref(ty), at(offset));
                    for expression in expressions {
                        self.const_expr(&expression?)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn const_expr(&mut self, expr: &ConstExpr<'_>) -> Result<(), ModuleError> {
        let mut reader = expr.get_operators_reader();
        let (mut count, mut crossed) = (0, false);
        while !reader.eof() {
            let place = at(reader.original_position());
            count += 1;
            if crossed {
                self.tally.used(Limit::ConstInstructions, count, place);
            } else {
                crossed = !self.tally.limit(Limit::ConstInstructions, count, place);
            }
            let operator = reader.read()?;
            let proposal = match operator {
                Operator::I32Add
                | Operator::I32Sub
                | Operator::I32Mul
                | Operator::I64Add
                | Operator::I64Sub
                | Operator::I64Mul => Some(Proposal::ExtendedConst),
                _ => crate::features::proposal_of(&operator),
            };
            if let Some(proposal) = proposal {
                self.tally.proposal(proposal, &crate::features::operator_name(&operator), place);
            }
        }
        Ok(())
    }

    fn table(&mut self, ty: &TableType, place: Place) -> String {
        self.declarations.tables += 1;
        if ty.table64 {
            self.tally.proposal(Proposal::Memory64, "64-bit table", place);
        }
        if ty.shared {
            self.tally.proposal(Proposal::SharedEverythingThreads, "shared table", place);
        }
        if self.declarations.tables > 1 {
            self.tally.proposal(Proposal::ReferenceTypes, "second table", place);
        }
        if ty.element_type != RefType::FUNCREF {
            self.value_type(ValType::Ref(ty.element_type), place);
        }
        self.tally.limit(Limit::TableElements, ty.initial, place);
        let most = most(ty.maximum);
        let text = cut(format_args!("table of {}, {} elements{most}", ty.element_type, ty.initial));
        self.declarations.table_types.push(text.clone());
        text
    }

    fn memory(&mut self, ty: &MemoryType, place: Place) -> String {
        self.declarations.memories += 1;
        if ty.memory64 {
            self.tally.proposal(Proposal::Memory64, "64-bit memory", place);
        }
        if ty.shared {
            self.tally.proposal(Proposal::Threads, "shared memory", place);
        }
        if ty.page_size_log2.is_some() {
            self.tally.proposal(Proposal::CustomPageSizes, "page size", place);
        }
        if self.declarations.memories > 1 {
            self.tally.proposal(Proposal::MultiMemory, "second memory", place);
        }
        self.tally.limit(Limit::MemoryPages, ty.initial, place);
        let text = cut(format_args!("memory, {} pages{}", ty.initial, most(ty.maximum)));
        self.declarations.memory_types.push(text.clone());
        text
    }

    fn global(&mut self, ty: &GlobalType, place: Place) -> String {
        if ty.shared {
            self.tally.proposal(Proposal::SharedEverythingThreads, "shared global", place);
        }
        self.value_type(ty.content_type, place);
        let mutable = if ty.mutable { "mutable" } else { "immutable" };
        let text = cut(format_args!("{mutable} global of {}", ty.content_type));
        self.declarations.global_types.push(text.clone());
        text
    }

    fn function_text(&self, ty: u32) -> String {
        match self.declarations.types.get(ty as usize) {
            Some(Some(ty)) => cut(format_args!("function {ty}")),
            _ => cut(format_args!("function of type {ty}")),
        }
    }
}

fn at(offset: u64) -> Place {
    Place { offset, function: None }
}

fn most(maximum: Option<u64>) -> String {
    maximum.map_or_else(String::new, |maximum| cut(format_args!(", at most {maximum}")))
}
