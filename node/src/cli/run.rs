//! `lathe run`: a function of a module, without a chain.

mod literal;
mod outcome;
mod profile;
mod trace;

use std::{path::PathBuf, time::Instant};

use lathe_vm::{
    Engine, ExternType, FunctionId, Host, HostMemory, HostOutcome, InstanceId, Machine, Meter, Module,
    Outcome, PAGE_BYTES, Rules, Schedule, Trap, TrapKind, Value, demangle,
};

use super::{chain_file, error::CliError, module_file::read_module, output::print_json_text};
use outcome::{Run, Statistics};
use trace::Watcher;

/// The most gas whose ink a u64 can tell.
const GAS_MAX: u64 = u64::MAX / lathe_gas::INK_PER_GAS;
/// Enough for ten seconds of computation.
const GAS_DEFAULT: u64 = 1_000_000_000;
/// Instructions traced by default: what an editor still opens.
const TRACE_LIMIT_DEFAULT: u64 = 100_000;
/// The imports that a refusal lists, and the exports that a question does.
const LISTED_MAX: usize = 16;

/// Run a function of a Wasm module without a chain.
///
/// The module may import nothing. Prints the results, one a line, and what they cost on standard error. Exits with 1 if the
/// function traps. Numbers are written in decimal or, integers and vectors, in hexadecimal; references as null.
#[derive(Debug, clap::Args)]
pub(super) struct RunCommand {
    /// The Wasm module, in binary or as text
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The exported function
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// Its arguments
    #[arg(long, num_args = 0.., allow_negative_numbers = true, value_name = "VALUE", requires = "invoke")]
    args: Vec<String>,
    /// How much gas it may use, instantiation included
    #[arg(long, default_value_t = GAS_DEFAULT, value_parser = clap::value_parser!(u64).range(..=GAS_MAX), value_name = "GAS")]
    gas: u64,
    /// Write each instruction to standard error before it executes: depth, function, offset, instruction, ink left
    #[arg(long)]
    trace: bool,
    /// The most instructions to write
    #[arg(long, default_value_t = TRACE_LIMIT_DEFAULT, value_name = "COUNT", requires = "trace")]
    trace_limit: u64,
    /// Count instructions, ink by class, host calls, pages and time
    #[arg(long)]
    stats: bool,
    /// What instructions cost
    #[arg(long, value_enum, default_value_t = Profile::Metered, value_name = "PROFILE")]
    profile: Profile,
    /// Run by the rules of this chain (devnet, ewasm, or a file) instead of hardly any
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "profile")]
    chain: Option<String>,
    /// The engine; --trace and --stats run on `plain`
    #[arg(long, value_parser = engine, value_name = "ENGINE")]
    engine: Option<Engine>,
    /// Print the outcome as JSON, and traces as a line of JSON for each instruction
    #[arg(long)]
    json: bool,
}

/// What instructions cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Profile {
    /// Each has its price in ink
    Metered,
    /// They cost nothing, but are counted: after 2^32 of them the function traps
    ZeroInstruction,
}

impl Profile {
    /// Returns the rules of a run.
    const fn rules(self) -> Rules {
        match self {
            Self::Metered => Rules::UNBOUNDED,
            Self::ZeroInstruction => Rules { schedule: &Schedule::ZERO_INSTRUCTION, ..Rules::UNBOUNDED },
        }
    }
}

/// Returns the engine of this name.
fn engine(name: &str) -> Result<Engine, String> {
    Engine::ALL.iter().copied().find(|engine| engine.name() == name).ok_or_else(|| {
        let names: Vec<_> = Engine::ALL.iter().map(|engine| engine.name()).collect();
        format!("this build has the engines {}", names.join(", "))
    })
}

/// The host of modules that import nothing. It counts the calls that never come.
#[derive(Default)]
struct NobodysHost {
    calls: u64,
}

impl Host for NobodysHost {
    fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
        self.calls += 1;
        HostOutcome::Trap(TrapKind::Host)
    }
}

impl RunCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let engine = self.engine()?;
        let bytes = read_module(&self.file)?;
        let rules = match &self.chain {
            Some(chain) => chain_file::load(chain)?.rules,
            None => self.profile.rules(),
        };
        let module = Module::with_engine(&bytes, &rules, engine).map_err(|error| self.failed(&error))?;
        self.check_imports(&module)?;
        let (name, arguments) = self.call(&module)?;

        let mut meter = rules.schedule.meter(self.gas);
        let ink = meter.ink_left();
        let begin = Instant::now();
        let mut machine = Machine::new(&rules, rules.limits.memory_pages);
        let instance = machine.instantiate(&module, &[], &mut meter).map_err(|error| self.failed(&error))?;
        let instantiation_ink = ink - meter.ink_left();
        let mut host = NobodysHost::default();
        let mut watcher = (self.trace || self.stats)
            .then(|| Watcher::new(&module, self.trace.then_some(self.trace_limit), self.json));

        let start = machine.start_function(instance).map(|function| (function, Vec::new()));
        let call = name.as_deref().and_then(|name| machine.exported_function(instance, name));
        let mut outcome = Outcome::Returned(Vec::new());
        for (function, arguments) in start.into_iter().chain(call.map(|function| (function, arguments))) {
            outcome = invoke(&mut machine, function, &arguments, &mut meter, &mut host, watcher.as_mut());
            if !matches!(outcome, Outcome::Returned(_)) {
                break;
            }
        }
        let time = begin.elapsed();

        let (results, trap) = match outcome {
            Outcome::Returned(results) => (results, None),
            Outcome::Trapped(trap) => (Vec::new(), Some(trap)),
            Outcome::Exited | Outcome::Suspended => unreachable!("only a host call exits or suspends"),
        };
        let statistics = watcher.filter(|_| self.stats).map(|watcher| Statistics {
            instructions: watcher.instructions(),
            ink_by_class: watcher.ink_by_class(),
            instantiation_ink,
            host_calls: host.calls,
            pages: pages(&machine, instance),
            time,
        });
        let gas_used = self.gas - meter.gas_left();
        let ink_used = ink - meter.ink_left();
        let steps = rules.schedule.steps_max.zip(meter.steps_left()).map(|(most, left)| most - left);
        let run = Run { engine, results, trap, gas_used, ink_used, steps, statistics };
        self.report(&run, name.as_deref())
    }

    /// Returns the engine to run on.
    fn engine(&self) -> Result<Engine, CliError> {
        if !(self.trace || self.stats) {
            return Ok(self.engine.unwrap_or_default());
        }
        match self.engine {
            None | Some(Engine::Plain) => Ok(Engine::Plain),
            Some(other) => Err(CliError::Usage(format!(
                "--trace and --stats run on the engine `plain`, not on `{other}`: leave --engine out"
            ))),
        }
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> CliError {
        CliError::Output(format!("{}: {why}", self.file.display()))
    }

    fn check_imports(&self, module: &Module) -> Result<(), CliError> {
        let imports = module.imports();
        if imports.is_empty() {
            return Ok(());
        }
        let names = imports.iter().map(|import| {
            format!("`{}.{}`", demangle(&import.module).escape_debug(), demangle(&import.name).escape_debug())
        });
        let why = format!("`lathe run` gives a module nothing to import, but it imports {}", listed(names));
        Err(self.failed(&why))
    }

    /// Returns the name of the function to call, none if only the start function is to run, and its arguments.
    fn call(&self, module: &Module) -> Result<(Option<String>, Vec<Value>), CliError> {
        let functions =
            || module.exports().iter().filter(|export| matches!(export.ty, ExternType::Function(_)));
        let names = || listed(functions().map(|export| format!("`{}`", export.name.escape_debug())));
        let Some(name) = &self.invoke else {
            if module.start_function().is_some() {
                return Ok((None, Vec::new()));
            }
            let why =
                format!("which function? --invoke names one; {} exports {}", self.file.display(), names());
            return Err(CliError::Usage(why));
        };
        let ty = match module.export(name).map(|export| &export.ty) {
            Some(ExternType::Function(ty)) => ty,
            _ => return Err(self.failed(&format!("it exports no function `{name}`; it exports {}", names()))),
        };
        let (params, given) = (ty.params(), self.args.len());
        if params.len() != given {
            let count = params.len();
            return Err(CliError::Usage(format!(
                "`{name}` is {ty}: it takes {count} arguments, but {given} were given"
            )));
        }
        let parse = |(text, &ty): (&String, _)| {
            literal::parse(text, ty).ok_or_else(|| CliError::Usage(format!("{text:?} is no {ty}")))
        };
        let arguments = self.args.iter().zip(params).map(parse).collect::<Result<_, _>>()?;
        Ok((Some(name.clone()), arguments))
    }

    fn report(&self, run: &Run, name: Option<&str>) -> Result<(), CliError> {
        if self.json {
            print_json_text(&run.json());
        } else {
            run.print();
        }
        match &run.trap {
            None => Ok(()),
            Some(trap) => Err(CliError::Output(trapped(name, trap))),
        }
    }
}

fn invoke(
    machine: &mut Machine,
    function: FunctionId,
    arguments: &[Value],
    meter: &mut Meter,
    host: &mut dyn Host,
    watcher: Option<&mut Watcher<'_>>,
) -> Outcome {
    let Some(watcher) = watcher else { return machine.invoke(function, arguments, meter, host) };
    let outcome = machine.invoke_traced(function, arguments, meter, host, watcher);
    watcher.finish(meter.ink_left());
    outcome
}

fn trapped(name: Option<&str>, trap: &Trap) -> String {
    let name = name.map_or_else(|| "the start function".into(), |name| format!("`{}`", name.escape_debug()));
    format!("{name} trapped: {trap}")
}

fn pages(machine: &Machine, instance: InstanceId) -> u64 {
    machine.memory(instance).len() as u64 / u64::from(PAGE_BYTES)
}

/// Returns the first of some names, and how many others there are.
fn listed(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<_> = names.collect();
    let more = names.len().saturating_sub(LISTED_MAX);
    names.truncate(LISTED_MAX);
    match (names.len(), more) {
        (0, _) => "none".into(),
        (_, 0) => names.join(", "),
        _ => format!("{} and {more} more", names.join(", ")),
    }
}
