//! What makes a module an EEI contract: it exports exactly `main` and `memory`, and imports functions of the interface.

use lathe_gas::HostFunction;
use lathe_vm::{ExternType, FuncType, Module, ModuleError};

use super::super::{
    program::{ENTRYPOINT, Interface, Program, describe, host_type},
    protocol::Protocol,
};

/// The function that an EEI contract is entered at.
pub(crate) const MAIN: &str = "main";
/// The memory that an EEI contract exports.
const MEMORY: &str = "memory";

/// Why a module is no EEI contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EeiError {
    /// The chain has no such contracts.
    #[error("this chain runs no contracts of the `ethereum` interface")]
    Unavailable,
    /// The module is invalid or uses what the chain refuses.
    #[error("module refused: {0}")]
    Module(#[from] ModuleError),
    /// An import is not a function of the interface.
    #[error(
        "import `{}.{}` is {actual}: EEI contracts import functions of `ethereum` only",
        .module.escape_debug(), .name.escape_debug()
    )]
    Import {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
        /// What it is.
        actual: String,
    },
    /// A function of the interface is imported with a wrong type.
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
    /// An export is missing, or has a wrong type.
    #[error(
        "export `{}` is {actual}: EEI contracts export the function `main` of type [] -> [] and `memory`",
        .name.escape_debug()
    )]
    Export {
        /// The export's name.
        name: String,
        /// What it is.
        actual: String,
    },
}

/// Returns whether an EEI contract of this chain can import a function.
fn is_offered(function: HostFunction, protocol: &Protocol) -> bool {
    match function {
        HostFunction::EeiCreate2 | HostFunction::EeiGetChainId => protocol.has_later_eei(),
        _ => match function.module() {
            "ethereum" => true,
            // Programs have functions of this module, too.
            "debug" => protocol.interfaces.debug && function.name().starts_with("print"),
            _ => false,
        },
    }
}

/// Validates a module and links it to the functions of EEI.
pub(in super::super) fn link(module: &[u8], protocol: &Protocol) -> Result<Program, EeiError> {
    if !protocol.interfaces.ethereum {
        return Err(EeiError::Unavailable);
    }
    let module = Module::new(module, &protocol.rules)?;
    let main_type = FuncType::new(&[], &[]);
    for name in [MAIN, MEMORY] {
        let actual = match module.export(name).map(|export| &export.ty) {
            Some(ExternType::Function(ty)) if name == MAIN && *ty == main_type => continue,
            Some(ExternType::Memory(_)) if name == MEMORY => continue,
            Some(other) => format!("a {}", describe(other)),
            None if module.export(ENTRYPOINT).is_some() => {
                format!(
                    "missing (a program, which exports `{ENTRYPOINT}`, is stored behind eff00000 or ef4c00)"
                )
            }
            None => "missing".into(),
        };
        return Err(EeiError::Export { name: name.into(), actual });
    }
    if let Some(more) = module.exports().iter().find(|export| ![MAIN, MEMORY].contains(&&*export.name)) {
        return Err(EeiError::Export { name: more.name.to_string(), actual: "one too many".into() });
    }
    let mut functions = Vec::with_capacity(module.imports().len());
    for import in module.imports() {
        let (module_name, name) = (import.module.to_string(), import.name.to_string());
        let ExternType::Function(actual) = &import.ty else {
            return Err(EeiError::Import {
                module: module_name,
                name,
                actual: format!("a {}", describe(&import.ty)),
            });
        };
        let function = HostFunction::find(&module_name, &name).filter(|f| is_offered(*f, protocol));
        let Some(function) = function else {
            return Err(EeiError::Import { module: module_name, name, actual: "unknown".into() });
        };
        let expected = host_type(function);
        if *actual != expected {
            return Err(EeiError::ImportType {
                module: module_name,
                name,
                expected: expected.to_string(),
                actual: actual.to_string(),
            });
        }
        functions.push(function);
    }
    Ok(Program::link(Interface::Eei, module, functions))
}
