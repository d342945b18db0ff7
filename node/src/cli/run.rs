//! `lathe run`: a function of a module, without a chain.

use std::{fs, path::PathBuf};

use lathe_vm::{Extern, Machine, Meter, Module, NoHost, Outcome, Rules, Value, ValueType};
use serde_json::json;

use super::{
    error::CliError,
    output::{grouped, print, print_json},
};

/// Run a function of a Wasm module without a chain.
///
/// The module may import nothing. Floats are written and printed as decimal numbers.
#[derive(Debug, clap::Args)]
pub(super) struct RunCommand {
    /// The Wasm module
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// The exported function
    function: String,
    /// Its arguments
    #[arg(allow_negative_numbers = true)]
    arguments: Vec<String>,
    /// How much gas it may use
    #[arg(long, default_value_t = 1_000_000_000, value_name = "GAS")]
    gas: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl RunCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let bytes = fs::read(&self.file).map_err(|error| CliError::file(&self.file, error))?;
        let failed =
            |why: &dyn std::fmt::Display| CliError::Output(format!("{}: {why}", self.file.display()));
        let rules = Rules::UNBOUNDED;
        let module = Module::new(&bytes, &rules).map_err(|error| failed(&error))?;
        if let Some(import) = module.imports().first() {
            let (module, name) = (&import.module, &import.name);
            return Err(failed(&format!("it imports `{module}.{name}`, which only a chain provides")));
        }
        let mut meter = Meter::from_gas(self.gas);
        let mut machine = Machine::new(&rules, rules.limits.memory_pages);
        let instance = machine.instantiate(&module, &[], &mut meter).map_err(|error| failed(&error))?;
        if let Some(start) = machine.start_function(instance) {
            self.finish(machine.invoke(start, &[], &mut meter, &mut NoHost))?;
        }
        let Some(Extern::Function(function)) = machine.export(instance, &self.function) else {
            return Err(failed(&format!("it exports no function `{}`", self.function)));
        };
        let params = machine.function_type(function).params().to_vec();
        if params.len() != self.arguments.len() {
            return Err(CliError::Usage(format!(
                "`{}` takes {} arguments, but {} were given",
                self.function,
                params.len(),
                self.arguments.len()
            )));
        }
        let arguments: Vec<Value> = self
            .arguments
            .iter()
            .zip(&params)
            .map(|(text, ty)| {
                parse(text, *ty).ok_or_else(|| CliError::Usage(format!("{text:?} is no {}", ty.name())))
            })
            .collect::<Result<_, _>>()?;
        let results = self.finish(machine.invoke(function, &arguments, &mut meter, &mut NoHost))?;
        let gas_used = self.gas - meter.gas_left();
        if self.json {
            let results: Vec<String> = results.into_iter().map(format).collect();
            print_json(&json!({"results": results, "gasUsed": gas_used}));
        } else {
            for result in results {
                print(&format!("{}\n", format(result)));
            }
            eprintln!("gas used {}", grouped(gas_used));
        }
        Ok(())
    }

    fn finish(&self, outcome: Outcome) -> Result<Vec<Value>, CliError> {
        match outcome {
            Outcome::Returned(results) => Ok(results),
            Outcome::Trapped(trap) => Err(CliError::Output(format!("`{}` trapped: {trap}", self.function))),
            Outcome::Exited | Outcome::Suspended => unreachable!("only a host call exits or suspends"),
        }
    }
}

fn parse(text: &str, ty: ValueType) -> Option<Value> {
    Some(match ty {
        ValueType::I32 => Value::I32(text.parse().ok().or_else(|| text.parse().ok().map(u32::cast_signed))?),
        ValueType::I64 => Value::I64(text.parse().ok().or_else(|| text.parse().ok().map(u64::cast_signed))?),
        ValueType::F32 => Value::F32(text.parse::<f32>().ok()?.to_bits()),
        ValueType::F64 => Value::F64(text.parse::<f64>().ok()?.to_bits()),
        _ => return None,
    })
}

fn format(value: Value) -> String {
    match value {
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F32(bits) => f32::from_bits(bits).to_string(),
        Value::F64(bits) => f64::from_bits(bits).to_string(),
        Value::V128(bits) => format!("{bits:#034x}"),
        Value::FuncRef(None) | Value::ExternRef(None) => "null".into(),
        Value::FuncRef(Some(_)) => "funcref".into(),
        Value::ExternRef(Some(number)) => format!("externref {number}"),
    }
}
