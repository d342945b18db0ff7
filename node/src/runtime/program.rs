//! Programs: validated modules linked to the host functions of their interface, and the cache that keeps them.
//!
//! The cache is invisible to consensus: what a first use costs is charged by size, warm or cold.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use lathe_gas::{HostFunction, ValueType};
use lathe_vm::{Extern, ExternType, FuncType, HostLinked, Module, ModuleError, Rules};
use lru::LruCache;
use parking_lot::Mutex;
use revm::{
    bytecode::Bytecode,
    primitives::{AddressSet, B256},
};

use super::{
    code::{self, CodeError, WASM_MAGIC},
    eei::link::{EeiError, link},
    failure::VIOLATIONS_MAX,
    precompiles,
    protocol::Protocol,
};

/// The function that a program is entered at: `(calldata length: i32) -> status: i32`.
pub(crate) const ENTRYPOINT: &str = "user_entrypoint";
/// The memory that a program exports.
pub(super) const MEMORY: &str = "memory";

/// Codes the cache keeps. A program is at most a few MiB translated; typical ones are tens of KiB.
const CODES_CACHED: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
/// Module lengths the cache keeps: small, so that nobody gets a program decompressed again and again by calling it
/// with too little gas to load it.
const LENGTHS_CACHED: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

/// Why bytes are no program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// The code around the module is wrong.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The module is invalid or uses what the chain refuses.
    #[error("module refused: {0}")]
    Module(#[from] ModuleError),
    /// The module is no EEI contract.
    #[error(transparent)]
    Eei(#[from] EeiError),
    /// The chain has no functions for debugging.
    #[error("import `{module}.{name}` is for debugging, which this chain does not offer: build without it")]
    NoDebug {
        /// Module part of the import.
        module: &'static str,
        /// Name part of the import.
        name: &'static str,
    },
    /// The chain has no programs.
    #[error("this chain runs no contracts of the `vm_hooks` interface")]
    Unavailable,
    /// There is no such host function.
    #[error(
        "unknown import `{}.{}`: programs import functions of `vm_hooks`, `console` and `debug` only{}",
        .module.escape_debug(), .name.escape_debug(), hint(.module, .name)
    )]
    UnknownImport {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
    },
    /// An import is not a function.
    #[error(
        "import `{}.{}` is a {kind}: programs import functions of `vm_hooks`, `console` and `debug` only",
        .module.escape_debug(), .name.escape_debug()
    )]
    ImportKind {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
        /// What it is.
        kind: String,
    },
    /// A host function is imported with a wrong type.
    #[error("import `{module}.{name}` has type {actual}, but the host function is {expected}")]
    ImportType {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
        /// The host function's type.
        expected: String,
        /// The import's type.
        actual: String,
    },
    /// A program lacks an export.
    #[error("missing export `{name}`: a program exports {expected}")]
    MissingExport {
        /// The export's name.
        name: &'static str,
        /// What it is.
        expected: &'static str,
    },
    /// An export has a wrong type.
    #[error("export `{name}` is a {actual}, but a program exports {expected}")]
    ExportType {
        /// The export's name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        actual: String,
    },
}

/// Says which host function was probably meant.
fn hint(module: &str, name: &str) -> String {
    if HostFunction::find("vm_hooks", name).is_some() && module != "vm_hooks" {
        return format!(" (is `vm_hooks.{name}` meant?)");
    }
    String::new()
}

/// How a contract is entered and what it can ask of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `user_entrypoint`, and functions of `vm_hooks`.
    VmHooks,
    /// `main`, and functions of `ethereum`.
    Eei,
}

/// A module that the chain runs as a contract.
#[derive(Debug)]
pub struct Program {
    /// How it is entered.
    pub interface: Interface,
    /// The validated module.
    pub module: Module,
    /// The host function of each import, in the order of imports.
    pub functions: Vec<HostFunction>,
    /// The module with these, as the VM wants it: import `n` is host function number `n`.
    pub linked: HostLinked,
}

const ENTRYPOINT_TYPE: &str = "a function of type [i32] -> [i32] under this name";
const MEMORY_TYPE: &str = "its memory under this name";

impl Program {
    /// Validates the module in an account's code and links it to the host functions of its interface.
    pub fn of_code(code: &[u8], protocol: &Protocol) -> Result<Self, ProgramError> {
        let module = code::module_of(code, protocol.rules.limits.module_bytes as usize)?;
        if code.starts_with(&WASM_MAGIC) {
            return Ok(link(&module, protocol)?);
        }
        if !protocol.interfaces.vm_hooks {
            return Err(ProgramError::Unavailable);
        }
        let program = Self::new(&module, &protocol.rules)?;
        match program.functions.iter().find(|function| function.module() != "vm_hooks") {
            Some(function) if !protocol.interfaces.debug => {
                Err(ProgramError::NoDebug { module: function.module(), name: function.name() })
            }
            _ => Ok(program),
        }
    }

    /// Validates a module and links it to the functions of `vm_hooks`.
    pub fn new(module: &[u8], rules: &Rules) -> Result<Self, ProgramError> {
        let module = Module::new(module, rules)?;
        let mut functions = Vec::with_capacity(module.imports().len());
        for import in module.imports() {
            let (module_name, name) = (import.module.to_string(), import.name.to_string());
            let ExternType::Function(actual) = &import.ty else {
                let kind = describe(&import.ty);
                return Err(ProgramError::ImportKind { module: module_name, name, kind });
            };
            let Some(function) = find_for_program(&module_name, &name) else {
                return Err(ProgramError::UnknownImport { module: module_name, name });
            };
            let expected = host_type(function);
            if *actual != expected {
                return Err(ProgramError::ImportType {
                    module: module_name,
                    name,
                    expected: expected.to_string(),
                    actual: actual.to_string(),
                });
            }
            functions.push(function);
        }
        let entry = FuncType::new(&[ValueType::I32], &[ValueType::I32]);
        match module.export(ENTRYPOINT).map(|export| &export.ty) {
            Some(ExternType::Function(ty)) if *ty == entry => {}
            Some(other) => {
                let actual = describe(other);
                return Err(ProgramError::ExportType { name: ENTRYPOINT, expected: ENTRYPOINT_TYPE, actual });
            }
            None => return Err(ProgramError::MissingExport { name: ENTRYPOINT, expected: ENTRYPOINT_TYPE }),
        }
        match module.export(MEMORY).map(|export| &export.ty) {
            Some(ExternType::Memory(_)) => {}
            Some(other) => {
                let actual = describe(other);
                return Err(ProgramError::ExportType { name: MEMORY, expected: MEMORY_TYPE, actual });
            }
            None => return Err(ProgramError::MissingExport { name: MEMORY, expected: MEMORY_TYPE }),
        }
        Ok(Self::link(Interface::VmHooks, module, functions))
    }

    /// Returns a program of a module that imports these functions, and was found to.
    pub(super) fn link(interface: Interface, module: Module, functions: Vec<HostFunction>) -> Self {
        let imports = (0u32..).zip(&functions).map(|(id, &function)| Extern::Host(id, host_type(function)));
        let imports: Vec<Extern> = imports.collect();
        let linked =
            HostLinked::new(module.clone(), &imports).expect("the type of each import was compared before");
        Self { interface, module, functions, linked }
    }
}

/// Returns the host function that a program imports by this name.
fn find_for_program(module: &str, name: &str) -> Option<HostFunction> {
    HostFunction::find(module, name).filter(|function| match function.module() {
        "vm_hooks" | "console" => true,
        // EEI contracts have functions of this module, too.
        "debug" => !function.name().starts_with("print"),
        _ => false,
    })
}

/// Lists everything that is wrong with the module in a code, at most [`VIOLATIONS_MAX`] things. For people: it takes
/// longer than refusing the code does.
pub(super) fn violations(code: &[u8], rules: &Rules) -> Vec<String> {
    let Ok(module) = code::module_of(code, rules.limits.module_bytes as usize) else { return Vec::new() };
    let report = lathe_vm::inspect(&module, rules);
    let mut found: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    let is_program = !code.starts_with(&WASM_MAGIC);
    for import in report.imports.iter().filter(|_| is_program) {
        let (module, name) = (import.module.as_deref().unwrap_or_default(), import.name.as_str());
        match find_for_program(module, name) {
            Some(function) => {
                let expected = describe(&ExternType::Function(host_type(function)));
                if import.ty != expected {
                    found.push(format!(
                        "import `{module}.{name}` is a {}, but the host's is a {expected}",
                        import.ty
                    ));
                }
            }
            None => found
                .push(ProgramError::UnknownImport { module: module.into(), name: name.into() }.to_string()),
        }
    }
    for (name, expected) in [(ENTRYPOINT, ENTRYPOINT_TYPE), (MEMORY, MEMORY_TYPE)] {
        if is_program && !report.exports.iter().any(|export| export.name == name) {
            found.push(ProgramError::MissingExport { name, expected }.to_string());
        }
    }
    let omitted = found.len().saturating_sub(VIOLATIONS_MAX) as u64 + report.violations_omitted;
    found.truncate(VIOLATIONS_MAX);
    if omitted > 0 {
        found.push(format!("and {omitted} more"));
    }
    found
}

pub(super) fn describe(ty: &ExternType) -> String {
    match ty {
        ExternType::Function(ty) => format!("function of type {ty}"),
        ExternType::Table(_) => "table".into(),
        ExternType::Memory(_) => "memory".into(),
        ExternType::Global(global) => format!("global of type {}", global.value),
    }
}

pub(super) fn host_type(function: HostFunction) -> FuncType {
    FuncType::new(function.params(), function.result().as_slice())
}

/// How the cache of programs does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProgramCacheCounts {
    /// Uses of programs that were there.
    pub hits: u64,
    /// Uses of programs that had to be validated.
    pub misses: u64,
    /// Programs that are there.
    pub programs: usize,
    /// Bytes of their modules and of their code as far as it is translated.
    pub bytes: usize,
}

/// Programs and analysed EVM code by code hash, shared by all executions.
#[derive(Debug)]
pub(super) struct CodeCache {
    protocol: Protocol,
    programs: Mutex<LruCache<B256, Arc<Program>>>,
    hits: AtomicU64,
    misses: AtomicU64,
    module_bytes: Mutex<LruCache<B256, u32>>,
    bytecode: Mutex<LruCache<B256, Bytecode>>,
    /// Where the chain's precompiled contracts are.
    precompile_addresses: Arc<AddressSet>,
}

impl CodeCache {
    /// Makes an empty cache for a chain.
    pub(super) fn new(protocol: Protocol) -> Self {
        let precompile_addresses = Arc::new(precompiles::addresses(&protocol));
        Self {
            protocol,
            precompile_addresses,
            programs: Mutex::new(LruCache::new(CODES_CACHED)),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            module_bytes: Mutex::new(LruCache::new(LENGTHS_CACHED)),
            bytecode: Mutex::new(LruCache::new(CODES_CACHED)),
        }
    }

    /// Returns what the chain decides about transactions.
    pub(super) fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Returns where the chain's precompiled contracts are.
    pub(super) fn precompile_addresses(&self) -> &Arc<AddressSet> {
        &self.precompile_addresses
    }

    /// Returns what the chain decides about the VM.
    pub(super) fn rules(&self) -> &Rules {
        &self.protocol.rules
    }

    /// Returns the program of a code that hashes to `hash`, from the cache or validated now.
    pub(super) fn program(&self, hash: B256, code: &[u8]) -> Result<Arc<Program>, ProgramError> {
        if let Some(program) = self.programs.lock().get(&hash) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(program.clone());
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let program = Arc::new(Program::of_code(code, &self.protocol)?);
        self.programs.lock().put(hash, program.clone());
        Ok(program)
    }

    /// Returns how the cache of programs does.
    pub(super) fn program_counts(&self) -> ProgramCacheCounts {
        // Counting their bytes takes longer than others should wait.
        let programs: Vec<_> = self.programs.lock().iter().map(|(_, program)| program.clone()).collect();
        let bytes = |program: &Arc<Program>| program.module.byte_len() + program.module.code_bytes();
        ProgramCacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            programs: programs.len(),
            bytes: programs.iter().map(bytes).sum(),
        }
    }

    /// Returns the length of the module in a code that hashes to `hash`.
    pub(super) fn module_bytes(&self, hash: B256, code: &[u8]) -> Result<u32, CodeError> {
        if let Some(&bytes) = self.module_bytes.lock().get(&hash) {
            return Ok(bytes);
        }
        let module = code::module_of(code, self.rules().limits.module_bytes as usize)?;
        let bytes = u32::try_from(module.len()).expect("the limit of modules is a u32");
        self.module_bytes.lock().put(hash, bytes);
        Ok(bytes)
    }

    /// Returns the code in the form revm runs, made by `load` if it is not cached.
    pub(super) fn bytecode<E>(
        &self,
        hash: B256,
        load: impl FnOnce() -> Result<Option<Bytecode>, E>,
    ) -> Result<Option<Bytecode>, E> {
        if let Some(code) = self.bytecode.lock().get(&hash) {
            return Ok(Some(code.clone()));
        }
        // That there is none is true of one state only.
        let Some(code) = load()? else { return Ok(None) };
        self.bytecode.lock().put(hash, code.clone());
        Ok(Some(code))
    }
}
