//! How long it takes from a module's bytes to its first instruction, and to translate all of it.
//!
//! `cargo bench -p lathe-tests --features wasmi --bench startup`. The modules are the example contracts, the kernels
//! of the benches (as one row), and every `.wasm` in the directory that `LATHE_BENCH_MODULES` names. Both sides meter.
//! Figures are ratios of times, so less is better; the base of the first is wasmi's mode that validates everything
//! at once and translates a function when it is first called.

use lathe_tests::kernels::{KERNELS, Kind};
use lathe_tests::measure::{Least, Options, geometric_mean, print_json, rounded, timed};
use lathe_vm::{
    Extern, ExternType, Host, HostMemory, HostOutcome, Limits, Machine, Meter, Module, Rules, TrapKind, Value,
};
use serde::Serialize;
use std::process::ExitCode;

/// What a called function may use up: it ends soon, so that the way to it is what counts.
const GAS: u64 = 1_000;
/// A measurement repeats short work until this much was done, or the clock would be what is measured.
const BYTES_AT_ONCE: usize = 100_000;

/// The last line of the bench. A figure is null without wasmi.
#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    first_instruction_vs_wasmi_lazy_validated: Option<f64>,
    eager_translation_vs_wasmi: Option<f64>,
}

/// Modules that are measured together.
struct Group {
    name: String,
    modules: Vec<Vec<u8>>,
}

impl Group {
    fn byte_len(&self) -> usize {
        self.modules.iter().map(Vec::len).sum()
    }
}

/// What can be measured of one module.
type Work = fn(&[u8]) -> Result<(), String>;

/// The works in the order of the columns: ours, then wasmi's if this build has it.
const WORKS: &[(&str, Work)] = &[
    ("first", ours::first_instruction),
    ("whole", ours::translate),
    #[cfg(feature = "wasmi")]
    ("wasmi first", peer::first_instruction),
    #[cfg(feature = "wasmi")]
    ("wasmi whole", peer::translate),
];

fn main() -> ExitCode {
    let (options, groups) = match Options::from_args().and_then(|options| Ok((options, groups()?))) {
        Ok(both) => both,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut failed = false;
    let (mut first, mut whole) = (Vec::new(), Vec::new());
    let titles: String = WORKS.iter().map(|(name, _)| format!("{name:>14}")).collect();
    eprintln!("microseconds from bytes to the first instruction, and to the whole module translated");
    eprintln!("{:<24}{:>10}{titles}", "", "bytes");
    for group in &groups {
        let error = WORKS.iter().find_map(|(name, work)| {
            let error = group.modules.iter().find_map(|wasm| work(wasm).err())?;
            Some(format!("{name}: {error}"))
        });
        if let Some(error) = error {
            // The example contracts and kernels must start; of others, some need what this chain refuses.
            failed |= std::env::var_os("LATHE_BENCH_MODULES").is_none();
            eprintln!("{:<24}{:>10}  {error}", group.name, group.byte_len());
            continue;
        }
        let times = measure(group, options.rounds);
        let cells: String = times.iter().map(|seconds| format!("{:>14.1}", seconds * 1e6)).collect();
        eprintln!("{:<24}{:>10}{cells}", group.name, group.byte_len());
        if let [our_first, our_whole, wasmi_first, wasmi_whole] = times[..] {
            first.push(our_first / wasmi_first);
            whole.push(our_whole / wasmi_whole);
        }
    }
    print_json(&Report {
        bench: "startup",
        first_instruction_vs_wasmi_lazy_validated: geometric_mean(first).map(rounded),
        eager_translation_vs_wasmi: geometric_mean(whole).map(rounded),
    });
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Returns the least seconds that each work takes for one pass over the group.
fn measure(group: &Group, rounds: u32) -> Vec<f64> {
    let passes = u32::try_from(BYTES_AT_ONCE / group.byte_len().max(1)).unwrap_or(u32::MAX).max(1);
    let mut least = vec![Least::default(); WORKS.len()];
    for _ in 0..rounds {
        for ((_, work), least) in WORKS.iter().zip(&mut least) {
            let (duration, result) =
                timed(|| (0..passes).flat_map(|_| &group.modules).try_for_each(|wasm| work(wasm)));
            result.expect("it went well before");
            least.add(duration / passes);
        }
    }
    least.iter().map(|least| least.seconds().expect("there is at least one round")).collect()
}

fn groups() -> Result<Vec<Group>, String> {
    let contracts = lathe_tests::root().join("contracts");
    let mut files: Vec<_> =
        ["counter", "calculator"].map(|name| contracts.join(name).join(format!("{name}.wasm"))).to_vec();
    if let Some(directory) = std::env::var_os("LATHE_BENCH_MODULES") {
        let entries =
            std::fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files.extend(paths.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")));
    }
    // Those that need megabytes would show how fast memory is zeroed.
    let small = KERNELS.iter().filter(|kernel| kernel.kind != Kind::Memory);
    let kernels = small.map(|kernel| kernel.wasm.to_vec()).collect();
    let mut groups = vec![Group { name: "kernels".to_owned(), modules: kernels }];
    for file in files {
        let wasm = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        groups.push(Group { name, modules: vec![wasm] });
    }
    groups.sort_by_key(Group::byte_len);
    Ok(groups)
}

mod ours {
    use super::*;

    /// Modules of other worlds are larger than a contract may be. What a computation takes is as on the devnet.
    const RULES: Rules = Rules {
        limits: Limits {
            value_slots: Limits::DEVNET.value_slots,
            call_depth: Limits::DEVNET.call_depth,
            ..Limits::UNBOUNDED
        },
        ..Rules::UNBOUNDED
    };

    /// A host that ends the call.
    struct Stop;

    impl Host for Stop {
        fn call(&mut self, _: u32, _: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
            HostOutcome::Trap(TrapKind::Host)
        }
    }

    pub(super) fn translate(wasm: &[u8]) -> Result<(), String> {
        let module = Module::new(wasm, &RULES).map_err(|error| error.to_string())?;
        module.translate();
        Ok(())
    }

    pub(super) fn first_instruction(wasm: &[u8]) -> Result<(), String> {
        let module = Module::new(wasm, &RULES).map_err(|error| error.to_string())?;
        let imports: Option<Vec<Extern>> = (0..)
            .zip(module.imports())
            .map(|(number, import)| match &import.ty {
                ExternType::Function(ty) => Some(Extern::Host(number, ty.clone())),
                _ => None,
            })
            .collect();
        let imports = imports.ok_or("it imports more than functions")?;
        let mut machine = Machine::new(&RULES, RULES.limits.memory_pages);
        let instance = machine
            .instantiate(&module, &imports, &mut Meter::from_gas(u64::MAX))
            .map_err(|error| error.to_string())?;
        let name = module.exports().iter().find_map(|export| match &export.ty {
            ExternType::Function(_) => Some(&*export.name),
            _ => None,
        });
        let function = name.and_then(|name| machine.exported_function(instance, name));
        let function = function.ok_or("it exports no function")?;
        let arguments: Vec<Value> =
            machine.function_type(function).params().iter().map(|&ty| Value::zero(ty)).collect();
        machine.invoke(function, &arguments, &mut Meter::from_gas(GAS), &mut Stop);
        Ok(())
    }
}

#[cfg(feature = "wasmi")]
mod peer {
    use wasmi::{CompilationMode, Config, Engine, Error, ExternType, Func, Linker, Module, Store, Val};

    /// About what the gas of the other side is: a gas buys some thirty instructions.
    const FUEL: u64 = super::GAS * 30;

    fn engine(mode: CompilationMode) -> Engine {
        let mut config = Config::default();
        config.compilation_mode(mode).consume_fuel(true);
        Engine::new(&config)
    }

    pub(super) fn translate(wasm: &[u8]) -> Result<(), String> {
        Module::new(&engine(CompilationMode::Eager), wasm).map(drop).map_err(|error| error.to_string())
    }

    pub(super) fn first_instruction(wasm: &[u8]) -> Result<(), String> {
        start(wasm).map_err(|error| error.to_string())
    }

    fn start(wasm: &[u8]) -> Result<(), Error> {
        let engine = engine(CompilationMode::LazyTranslation);
        let module = Module::new(&engine, wasm)?;
        let mut store = Store::new(&engine, ());
        store.set_fuel(u64::MAX)?;
        let mut linker = <Linker<()>>::new(&engine);
        for import in module.imports() {
            let ExternType::Func(ty) = import.ty() else {
                return Err(Error::new("it imports more than functions"));
            };
            let stop = Func::new(&mut store, ty.clone(), |_, _, _| Err(Error::new("stop")));
            linker.define(import.module(), import.name(), stop)?;
        }
        let instance = linker.instantiate_and_start(&mut store, &module)?;
        let function = module.exports().find_map(|export| match export.ty() {
            ExternType::Func(_) => instance.get_func(&store, export.name()),
            _ => None,
        });
        let function = function.ok_or_else(|| Error::new("it exports no function"))?;
        let ty = function.ty(&store);
        let arguments: Vec<Val> = ty.params().iter().map(|&ty| Val::default_for_ty(ty)).collect();
        let mut results: Vec<Val> = ty.results().iter().map(|&ty| Val::default_for_ty(ty)).collect();
        store.set_fuel(FUEL)?;
        // How it ends does not matter: it has begun.
        drop(function.call(&mut store, &arguments, &mut results));
        Ok(())
    }
}
