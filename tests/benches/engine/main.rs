//! How fast the engines are, metered and with canonical NaNs, beside other engines in the same process.
//!
//! `cargo bench -p lathe-tests --features peers --bench engine` runs everything; `-- --kernel fib --rounds 3` gives a
//! quick look, with or without the feature (`--features wasmi` builds only the peer that figures are relative to).
//! `COREMARK_WASM` names a module of CoreMark that imports `env.clock_ms` and exports `run`.
//!
//! A kernel's checksum must be the same on all engines, else the bench fails.

mod lathe;
mod peers;
mod report;

use lathe_tests::kernels::{KERNELS, Kernel};
use lathe_tests::measure::{Options, print_json, timed};
use report::{CoreMark, Table};
use std::process::ExitCode;

/// One run of a prepared program. Returns its result as bits, or why it has none.
type Run = Box<dyn FnMut() -> Result<u64, String>>;

/// A program to run: a module that exports `run`.
struct Program<'a> {
    #[cfg_attr(not(feature = "stitch"), expect(dead_code, reason = "only stitch chooses by name"))]
    name: &'a str,
    wasm: &'a [u8],
    /// What `run` takes. CoreMark's takes nothing.
    argument: Option<i32>,
}

/// Instantiates a program on some engine. `None` if the engine sits it out.
type Prepare = Box<dyn Fn(&Program<'_>) -> Option<Result<Run, String>>>;

/// An engine, set up in one way.
struct Contender {
    name: &'static str,
    prepare: Prepare,
}

/// How often CoreMark runs on each engine. It takes ten seconds and more, and steadies itself.
const COREMARK_PASSES: usize = 2;

fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        eprintln!("this build has debug assertions; its figures say nothing");
    }
    let contenders: Vec<Contender> = lathe::contenders(&options)
        .into_iter()
        .chain(peers::contenders().into_iter().filter(|contender| options.wants_engine(contender.name, true)))
        .collect();
    let kernels: Vec<&Kernel> = KERNELS
        .iter()
        .filter(|kernel| options.kernels.is_empty() || options.kernels.iter().any(|name| name == kernel.name))
        .collect();
    if contenders.is_empty() || (kernels.is_empty() && options.kernels != ["coremark"]) {
        eprintln!("no such engine or kernel");
        return ExitCode::from(2);
    }

    let mut errors = Vec::new();
    let mut table = Table::new(contenders.iter().map(|contender| contender.name).collect());
    table.print_head();
    for kernel in kernels {
        race(kernel, &contenders, options.rounds, &mut table, &mut errors);
    }
    table.print_means();
    let coremark = match std::env::var_os("COREMARK_WASM") {
        Some(path) if options.kernels.is_empty() || options.kernels == ["coremark"] => {
            match std::fs::read(&path) {
                Ok(wasm) => coremark(&wasm, &contenders, &mut errors),
                Err(error) => {
                    errors.push(format!("COREMARK_WASM {}: {error}", path.display()));
                    CoreMark::default()
                }
            }
        }
        _ => CoreMark::default(),
    };

    for error in &errors {
        eprintln!("FAILED: {error}");
    }
    print_json(&table.report(&coremark, options.rounds));
    if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one kernel on all engines in turn, `rounds` times, after a round that warms up and checks.
fn race(kernel: &Kernel, contenders: &[Contender], rounds: u32, table: &mut Table, errors: &mut Vec<String>) {
    let program = Program { name: kernel.name, wasm: kernel.wasm, argument: Some(kernel.size) };
    let mut runs: Vec<Option<Run>> = Vec::new();
    for contender in contenders {
        let mut fail = |error| errors.push(format!("{} on {}: {error}", kernel.name, contender.name));
        let mut run = match (contender.prepare)(&program) {
            Some(Ok(run)) => run,
            Some(Err(error)) => {
                fail(error);
                runs.push(None);
                continue;
            }
            None => {
                runs.push(None);
                continue;
            }
        };
        match run() {
            Ok(checksum) if checksum == kernel.checksum => runs.push(Some(run)),
            Ok(checksum) => {
                fail(format!("the checksum is {checksum:#018x}, not {:#018x}", kernel.checksum));
                runs.push(None);
            }
            Err(error) => {
                fail(error);
                runs.push(None);
            }
        }
    }
    let mut row = table.row(kernel);
    for _ in 0..rounds {
        for (column, run) in runs.iter_mut().enumerate() {
            let Some(run) = run else { continue };
            let (duration, result) = timed(run);
            if result != Ok(kernel.checksum) {
                errors.push(format!(
                    "{} on {}: a later run: {result:x?}",
                    kernel.name, contenders[column].name
                ));
            }
            row.add(column, duration);
        }
    }
    table.push(row);
}

/// Runs CoreMark on all engines and returns the best score of each.
fn coremark(wasm: &[u8], contenders: &[Contender], errors: &mut Vec<String>) -> CoreMark {
    let mut scores = CoreMark::default();
    let program = Program { name: "coremark", wasm, argument: None };
    for pass in 0..COREMARK_PASSES {
        for contender in contenders {
            let Some(prepared) = (contender.prepare)(&program) else { continue };
            match prepared.and_then(|mut run| run()) {
                Ok(bits) => {
                    let score = f32::from_bits(u32::try_from(bits).unwrap_or_default());
                    eprintln!("coremark, pass {}: {} {score:.0}", pass + 1, contender.name);
                    scores.add(contender.name, score);
                }
                Err(error) => errors.push(format!("coremark on {}: {error}", contender.name)),
            }
        }
    }
    scores
}

/// What CoreMark's clock shows: milliseconds, of which only differences count.
#[expect(clippy::cast_possible_truncation, reason = "differences are right when the clock wraps, too")]
fn milliseconds(start: std::time::Instant) -> i32 {
    start.elapsed().as_millis() as i32
}
