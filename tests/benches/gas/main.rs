//! How long a gas takes: every instruction, every host function, work by size, programs made to be slow, and the loading
//! of modules made to be slow.
//!
//! `cargo bench -p lathe-tests --bench gas` measures everything; `-- --only TEXT --rounds N` keeps the rows whose name
//! contains the text (and the kernels), `-- --table FILE` writes the table. A **row** is one measurement in nanoseconds per
//! gas, the least of its rounds; the **mean** is the geometric mean of the same figure over the CPU-bound kernels of the
//! engine bench, which run in the same rounds. What a hostile contract can gain is the worst row divided by the mean.
//!
//! Without the feature `node` the host functions are left out.

mod caches;
mod chain;
mod context;
#[cfg(feature = "node")]
mod contract;
#[cfg(feature = "node")]
mod eei;
mod floats;
mod frames;
#[cfg(feature = "node")]
mod host;
mod hostile;
mod kernels;
mod linear;
mod loads;
mod program;
mod report;
#[cfg(feature = "node")]
mod stored;
mod unpaid;

use lathe_tests::measure::{Options, print_json};
use report::Table;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What the node allocates with, so that instances and frames take what they take there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs of a row in a round. The least of a few short ones is steadier than one that is as long.
const RUNS: u32 = 3;

/// What one run of a row took, and what it was charged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    time: Duration,
    ink: u64,
}

/// A run, repeated as often as there are rounds. Fails if the program did not do what it should.
pub(crate) type Run = Box<dyn FnMut() -> Result<Sample, String>>;

/// What a row tells about, which decides the bound that holds for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// A kernel of the engine bench: the mean is made of these.
    Kernel,
    /// One instruction over and over.
    Instruction,
    /// Work that is charged by size.
    Linear,
    /// A program made to be slow.
    Hostile,
    /// A frame: a call of a contract, an instance.
    Frame,
    /// A host function over and over.
    #[cfg(feature = "node")]
    Host,
    /// A module that nobody has loaded before.
    Load,
}

impl Group {
    /// Returns the bound of its rows, in means. A load is once in a transaction, and pays by its size whatever it holds.
    pub(crate) fn times_max(self) -> f64 {
        if self == Self::Load { 20.0 } else { 10.0 }
    }
}

/// What makes a run ready. Rows that nobody wants are not made ready.
type Preparation = Box<dyn FnOnce() -> Result<Run, String>>;

/// One measurement.
pub(crate) struct Row {
    group: Group,
    name: String,
    prepare: Option<Preparation>,
    run: Run,
}

impl Row {
    pub(crate) fn new(
        group: Group,
        name: impl Into<String>,
        prepare: impl FnOnce() -> Result<Run, String> + 'static,
    ) -> Self {
        let run: Run = Box::new(|| Err("it was not made ready".to_owned()));
        Self { group, name: name.into(), prepare: Some(Box::new(prepare)), run }
    }

    /// Makes the row ready. Where there is nothing to run, every run says why, so that one bad row hides no other.
    fn prepare(&mut self) {
        if let Some(prepare) = self.prepare.take() {
            self.run = prepare().unwrap_or_else(|error| Box::new(move || Err(error.clone())));
        }
    }
}

/// Returns every row there is.
fn rows() -> Vec<Row> {
    let mut rows = kernels::rows();
    rows.extend(chain::rows());
    rows.extend(context::rows());
    rows.extend(linear::rows());
    rows.extend(caches::rows());
    rows.extend(hostile::rows());
    rows.extend(floats::rows());
    rows.extend(unpaid::rows());
    rows.extend(frames::rows());
    #[cfg(feature = "node")]
    rows.extend(host::rows());
    #[cfg(feature = "node")]
    rows.extend(eei::rows());
    #[cfg(feature = "node")]
    rows.extend(stored::rows());
    rows.extend(loads::rows());
    rows
}

fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), String> {
    if cfg!(debug_assertions) {
        eprintln!("this build has debug assertions; its figures say nothing");
    }
    let mut rows = rows();
    let wanted = |row: &Row| {
        row.group == Group::Kernel
            || options.kernels.is_empty()
            || options.kernels.iter().any(|name| row.name.contains(name.as_str()))
    };
    rows.retain(wanted);
    let begun = Instant::now();
    rows.iter_mut().for_each(Row::prepare);
    eprintln!("{} rows made ready in {:.0} s", rows.len(), begun.elapsed().as_secs_f64());
    let mut table = Table::new(&rows);
    for round in 0..options.rounds {
        let mut failures = 0;
        for (place, row) in rows.iter_mut().enumerate() {
            let mut run = || (row.run)().and_then(|sample| table.add(place, sample));
            if let Err(error) = (0..RUNS).try_for_each(|_| run()) {
                eprintln!("{}: {error}", row.name);
                failures += 1;
            }
        }
        if failures > 0 {
            return Err(format!("{failures} of {} rows", rows.len()));
        }
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("round {} of {}, {seconds:.0} s so far", round + 1, options.rounds);
    }
    table.print();
    if let Some(path) = &options.table {
        let text = table.markdown(options.rounds);
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    print_json(&table.report()?);
    Ok(())
}
