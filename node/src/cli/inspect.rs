//! `lathe inspect`: what a module is made of, what it costs, and everything that the chain has against it.

mod json;
mod text;
mod wat;

use std::path::PathBuf;

use lathe_vm::{Report, Rules, inspect};

use super::{
    envelope::Creation,
    error::CliError,
    module_file::read_module,
    output::{print, print_json_text},
};
use crate::{
    chain::ChainSpec,
    runtime::{EeiError, Program, ProgramError, code},
};

/// Report on a Wasm module.
///
/// Shows its sections, largest functions, imports, exports, the proposals it uses, how much of each limit it uses, and
/// everything that the rules have against it. Exits with 1 if they refuse it.
#[derive(Debug, clap::Args)]
#[command(after_help = text::limits_help())]
pub(super) struct InspectCommand {
    /// The Wasm module, in binary or as text
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What judges the module: the devnet, as a contract, or the rules of `lathe run`
    #[arg(long, value_enum, default_value_t = Judge::Devnet)]
    rules: Judge,
    /// List all functions, not only the largest
    #[arg(long)]
    all: bool,
    /// Print the code as text, with the offset and ink of each instruction before it
    #[arg(long, conflicts_with = "json")]
    wat: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// What judges a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Judge {
    /// The devnet, as a contract
    Devnet,
    /// The rules of `lathe run`, which have hardly any limit
    Run,
}

impl Judge {
    fn rules(self) -> Rules {
        match self {
            Self::Devnet => Rules::DEVNET,
            Self::Run => Rules::UNBOUNDED,
        }
    }
}

/// A report, and what the chain makes of the module as a contract.
struct Inspection {
    report: Report,
    /// The length of the creation data, if there can be any.
    creation_bytes: Option<u64>,
    /// Why a module that the rules accept is no contract.
    contract: Option<String>,
}

impl Inspection {
    fn of(bytes: &[u8], judge: Judge) -> Self {
        let report = inspect(bytes, &judge.rules());
        let mut inspection = Self { report, creation_bytes: None, contract: None };
        if judge == Judge::Devnet {
            match (Creation { module: bytes, compress: true, constructor: None }).encode() {
                Ok(creation) => {
                    inspection.creation_bytes = Some(creation.len() as u64);
                    inspection.contract = contract_refusal(bytes, &creation);
                }
                // The rules refuse it too, in more words.
                Err(_) if !inspection.report.is_accepted() => {}
                Err(error) => inspection.contract = Some(error.to_string()),
            }
        }
        inspection
    }

    /// Returns why the module is refused, in a few words.
    fn refusal(&self) -> Option<String> {
        let omitted = self.report.violations_omitted;
        match self.report.violations.len() as u64 + omitted {
            0 => self.contract.clone(),
            1 => self.report.violations.first().map(ToString::to_string),
            count => Some(format!("{count} violations")),
        }
    }
}

impl InspectCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let bytes = read_module(&self.file)?;
        if self.wat {
            let printed = wat::print(&bytes, &self.rules.rules());
            return printed.map_err(|error| CliError::Output(format!("{}: {error}", self.file.display())));
        }
        let inspection = Inspection::of(&bytes, self.rules);
        if self.json {
            print_json_text(&json::report(&inspection));
        } else {
            print(&text::report(&inspection, self.all));
        }
        let taken = match self.rules {
            Judge::Devnet => "The chain takes it as a contract.",
            Judge::Run => "`lathe run` takes it.",
        };
        let refused = match self.rules {
            Judge::Devnet => "the chain refuses this module",
            Judge::Run => "`lathe run` refuses this module",
        };
        match inspection.refusal() {
            None => {
                if !self.json {
                    print(&format!("{taken}\n"));
                }
                Ok(())
            }
            Some(why) => Err(CliError::Output(format!("{}: {refused}: {why}", self.file.display()))),
        }
    }
}

/// Checks what a deployment would check of a module that the rules accept.
fn contract_refusal(module: &[u8], creation: &[u8]) -> Option<String> {
    let code = match code::Creation::parse(creation) {
        Ok(code::Creation::Program { code, .. }) => code,
        Ok(code::Creation::Evm | code::Creation::Eei) => unreachable!("an envelope is no init code"),
        Err(error) => return Some(error.to_string()),
    };
    if let Err(error) = code::CodeKind::of_created(&code, code::EVM_CODE_BYTES_MAX) {
        return Some(error.to_string());
    }
    let is_eei = matches!(code::Creation::parse(module), Ok(code::Creation::Eei));
    let code = if is_eei { module } else { &code };
    match Program::of_code(code, &ChainSpec::default().protocol()) {
        // Listed among the violations.
        Ok(_) | Err(ProgramError::Module(_) | ProgramError::Eei(EeiError::Module(_))) => None,
        Err(error) => Some(error.to_string()),
    }
}
