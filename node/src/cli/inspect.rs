//! `lathe inspect`: what a module is, and whether the chain takes it.

use std::{fmt::Write, fs, path::PathBuf};

use lathe_vm::{ExternType, Module, Rules};
use serde_json::json;

use super::{
    envelope::Creation,
    error::CliError,
    output::{grouped, print, print_json},
};
use crate::runtime::{Program, code};

/// Report on a Wasm module.
///
/// Exits with 1 if the chain would refuse the module as a contract.
#[derive(Debug, clap::Args)]
pub(super) struct InspectCommand {
    /// The Wasm module
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl InspectCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let bytes = fs::read(&self.file).map_err(|error| CliError::file(&self.file, error))?;
        let refused = |why: &dyn std::fmt::Display| {
            CliError::Output(format!("{}: the chain refuses this module: {why}", self.file.display()))
        };
        // What even a chain without limits refuses has nothing to report on.
        let module = Module::new(&bytes, &Rules::UNBOUNDED).map_err(|error| refused(&error))?;
        let creation = Creation { module: &bytes, compress: true, constructor: None };
        let creation = creation.encode().map_err(|error| refused(&error))?;
        let verdict = verdict(&bytes, &creation);
        if self.json {
            print_json(&report_json(&module, &bytes, &creation, verdict.as_ref().err()));
        } else {
            print(&report(&module, &bytes, &creation));
        }
        match verdict {
            Ok(()) => {
                if !self.json {
                    print("The chain takes it as a contract.\n");
                }
                Ok(())
            }
            Err(why) => Err(refused(&why)),
        }
    }
}

/// Checks what a deployment would check.
fn verdict(module: &[u8], creation: &[u8]) -> Result<(), String> {
    let code = match code::Creation::parse(creation).map_err(|error| error.to_string())? {
        code::Creation::Program { code, .. } => code,
        code::Creation::Evm => unreachable!("an envelope is no EVM code"),
    };
    code::CodeKind::of_created(&code).map_err(|error| error.to_string())?;
    Program::new(module, &Rules::DEVNET).map_err(|error| error.to_string())?;
    Ok(())
}

fn describe(ty: &ExternType) -> String {
    match ty {
        ExternType::Function(ty) => format!("function {ty}"),
        ExternType::Table(table) => format!("table of {}, {} elements", table.element, table.min),
        ExternType::Memory(memory) => {
            let max = memory.max.map_or_else(|| "no maximum".to_owned(), |max| format!("at most {max}"));
            format!("memory, {} pages, {max}", memory.min)
        }
        ExternType::Global(global) => {
            format!("{} global of {}", if global.mutable { "mutable" } else { "immutable" }, global.value)
        }
    }
}

fn report(module: &Module, bytes: &[u8], creation: &[u8]) -> String {
    let mut text = format!(
        "module     {} bytes, {} functions\ncreation   {} bytes of creation data\n",
        grouped(bytes.len() as u64),
        grouped(module.function_count() as u64),
        grouped(creation.len() as u64),
    );
    let mut list = |title: &str, items: Vec<(String, String)>| {
        let _ = writeln!(text, "{title}");
        let width = items.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, ty) in items {
            let _ = writeln!(text, "  {name:width$}  {ty}");
        }
    };
    list(
        "imports",
        module
            .imports()
            .iter()
            .map(|import| (format!("{}.{}", import.module, import.name), describe(&import.ty)))
            .collect(),
    );
    list(
        "exports",
        module.exports().iter().map(|export| (export.name.to_string(), describe(&export.ty))).collect(),
    );
    text
}

fn report_json(
    module: &Module,
    bytes: &[u8],
    creation: &[u8],
    refusal: Option<&String>,
) -> serde_json::Value {
    let imports: Vec<_> = module
        .imports()
        .iter()
        .map(|import| json!({"module": import.module, "name": import.name, "type": describe(&import.ty)}))
        .collect();
    let exports: Vec<_> = module
        .exports()
        .iter()
        .map(|export| json!({"name": export.name, "type": describe(&export.ty)}))
        .collect();
    json!({
        "moduleSize": bytes.len(),
        "creationSize": creation.len(),
        "functions": module.function_count(),
        "imports": imports,
        "exports": exports,
        "accepted": refusal.is_none(),
        "refusal": refusal,
    })
}
