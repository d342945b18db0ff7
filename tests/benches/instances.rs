//! What a new instance of a translated module costs, in time and in memory.
//!
//! `cargo bench -p lathe-tests --features wasmi --bench instances`. The module has one page of memory. An instance has a
//! machine (for wasmi, a store) of its own, as a frame of a contract call has. Resident memory is what the kernel of
//! the operating system says, so those figures are null elsewhere than on Linux.

use lathe_tests::measure::{Least, Options, print_json, rounded, timed};
use lathe_vm::{InstanceId, Machine, Meter, Module, Rules};
use serde::Serialize;
use std::process::ExitCode;
use std::time::Duration;

const MODULE: &str = r#"
    (module
      (memory (export "memory") 1)
      (global $calls (mut i32) (i32.const 0))
      (data (i32.const 16) "touched")
      (func (export "run") (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.load (i32.const 16))))
"#;

/// How many instances live at once while their making is timed.
const LIVE: u32 = 2_000;
/// How many idle instances a node may hold.
const IDLE: u32 = 100_000;
/// Where the bench stops making idle instances and reckons instead, so that it harms no machine.
const RESIDENT_MAX_KIB: f64 = 3.0 * 1024.0 * 1024.0;
const IDLE_STEP: u32 = 5_000;

/// The last line of the bench.
#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    new_vs_wasmi: Option<f64>,
    rss_kib_each: Option<f64>,
    idle_100k_mib: Option<f64>,
}

fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let wasm = wat::parse_str(MODULE).expect("the module is well-formed");
    let module = Module::new(&wasm, &Rules::DEVNET).expect("the module is valid");

    // Memory first, in a process that has freed nothing yet.
    let (each, idle) = resident(&module);

    let (mut ours, mut theirs) = (Least::default(), Least::default());
    for _ in 0..options.rounds {
        let (duration, instances) = timed(|| (0..LIVE).map(|_| instance(&module)).collect::<Vec<_>>());
        ours.add(duration / LIVE);
        drop(instances);
        if let Some(duration) = peer(&wasm) {
            theirs.add(duration / LIVE);
        }
    }
    let seconds =
        |least: Least| least.seconds().map_or("-".to_owned(), |seconds| format!("{:.2}", seconds * 1e6));
    eprintln!("a new instance: {} µs; wasmi's: {} µs", seconds(ours), seconds(theirs));
    print_json(&Report {
        bench: "instances",
        new_vs_wasmi: ours.seconds().zip(theirs.seconds()).map(|(ours, theirs)| rounded(ours / theirs)),
        rss_kib_each: each.map(rounded),
        idle_100k_mib: idle.map(rounded),
    });
    ExitCode::SUCCESS
}

fn instance(module: &Module) -> (Machine, InstanceId) {
    let rules = Rules::DEVNET;
    let mut machine = Machine::new(&rules, rules.limits.memory_pages);
    let instance = machine
        .instantiate(module, &[], &mut Meter::from_gas(1 << 32))
        .expect("the module imports nothing and its segment fits");
    (machine, instance)
}

/// Makes idle instances. Returns the resident KiB of each of the first, and the MiB of all.
fn resident(module: &Module) -> (Option<f64>, Option<f64>) {
    let (Some(before), mut each) = (resident_kib(), None) else { return (None, None) };
    let mut instances = Vec::with_capacity(IDLE as usize);
    for _ in (0..IDLE).step_by(IDLE_STEP as usize) {
        instances.extend((0..IDLE_STEP).map(|_| instance(module)));
        let grown = resident_kib().unwrap_or(before) - before;
        let made = f64::from(u32::try_from(instances.len()).expect("there are 100,000 at most"));
        each = each.or(Some(grown / made));
        if grown > RESIDENT_MAX_KIB || made >= f64::from(IDLE) {
            eprintln!("{made} idle instances: {:.0} MiB resident", grown / 1024.0);
            return (each, Some(grown / made * f64::from(IDLE) / 1024.0));
        }
    }
    (each, None)
}

/// Returns the resident memory of this process, in KiB.
fn resident_kib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Returns how long wasmi takes for [`LIVE`] instances, if this build has it.
#[cfg(feature = "wasmi")]
fn peer(wasm: &[u8]) -> Option<Duration> {
    use wasmi::{Config, Engine, Linker, Module, Store};

    let mut config = Config::default();
    config.consume_fuel(true);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, wasm).expect("the module is valid");
    let linker = <Linker<()>>::new(&engine);
    let (duration, instances) = timed(|| {
        let instance = || {
            let mut store = Store::new(&engine, ());
            store.set_fuel(1 << 32).expect("the engine meters");
            let instance = linker.instantiate_and_start(&mut store, &module).expect("nothing is imported");
            (store, instance)
        };
        (0..LIVE).map(|_| instance()).collect::<Vec<_>>()
    });
    drop(instances);
    Some(duration)
}

#[cfg(not(feature = "wasmi"))]
fn peer(_: &[u8]) -> Option<Duration> {
    None
}
