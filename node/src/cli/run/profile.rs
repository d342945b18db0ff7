//! A run whose gas is told by function: what `lathe gas FILE` shows.

use std::path::PathBuf;

use lathe_vm::{Engine, Machine, Module, Outcome};

use super::{NobodysHost, Profile as Prices, RunCommand, trapped};
use crate::{
    cli::{error::CliError, module_file::read_module},
    runtime::trace::{ModuleProfiler, Profile},
};

impl RunCommand {
    /// Returns the command that runs a function of a module by its prices.
    pub(in super::super) fn of(file: PathBuf, invoke: Option<String>, args: Vec<String>, gas: u64) -> Self {
        Self {
            file,
            invoke,
            args,
            gas,
            trace: false,
            trace_limit: 0,
            stats: false,
            profile: Prices::Metered,
            chain: None,
            engine: None,
            json: false,
        }
    }

    /// Runs the function and returns where its gas went.
    pub(in super::super) fn profile(&self) -> Result<Profile, CliError> {
        let bytes = read_module(&self.file)?;
        let rules = self.profile.rules();
        let module =
            Module::with_engine(&bytes, &rules, Engine::Plain).map_err(|error| self.failed(&error))?;
        self.check_imports(&module)?;
        let (name, arguments) = self.call(&module)?;
        let mut meter = rules.schedule.meter(self.gas);
        let mut profiler = ModuleProfiler::new(&module, self.gas);
        let mut machine = Machine::new(&rules, rules.limits.memory_pages);
        let instance = machine.instantiate(&module, &[], &mut meter).map_err(|error| self.failed(&error))?;
        profiler.instantiated(meter.ink_left());
        let start = machine.start_function(instance).map(|function| (function, Vec::new()));
        let call = name.as_deref().and_then(|name| machine.exported_function(instance, name));
        let mut host = NobodysHost::default();
        for (function, arguments) in start.into_iter().chain(call.map(|function| (function, arguments))) {
            let outcome = machine.invoke_traced(function, &arguments, &mut meter, &mut host, &mut profiler);
            profiler.returned(meter.ink_left());
            if let Outcome::Trapped(trap) = outcome {
                // Where the gas went until then is worth as much.
                eprintln!("{}", trapped(name.as_deref(), &trap));
                break;
            }
        }
        Ok(profiler.finish(meter.gas_left()))
    }
}
