//! The table of times, and the figures made of it.

use lathe_tests::kernels::{Kernel, Kind};
use lathe_tests::measure::{Least, geometric_mean, rounded};
use lathe_vm::Engine;
use serde::Serialize;
use std::time::Duration;

/// What the figures are relative to.
const BASE: &str = "wasmi+fuel";
const WASM3: &str = "wasm3";

/// The last line of the bench. A figure is null if what it compares did not run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    bench: &'static str,
    /// The geometric mean over CPU-bound kernels.
    geomean_vs_wasmi_fuel: Option<f64>,
    worst_kernel: Option<&'static str>,
    worst_vs_wasmi_fuel: Option<f64>,
    /// The geometric mean over the kernels that mostly call.
    calls_vs_wasmi_fuel: Option<f64>,
    hostcall_vs_wasm3: Option<f64>,
    /// A ratio of scores: more is better.
    coremark_vs_wasmi_fuel: Option<f64>,
    /// What metering adds to the time without it.
    metering_pct: Option<f64>,
    /// What canonical NaNs add to the time without them.
    nan_pct: Option<f64>,
    rounds: u32,
}

/// Times of every kernel on every engine.
#[derive(Debug)]
pub(crate) struct Table {
    engines: Vec<&'static str>,
    rows: Vec<Row>,
}

/// Times of one kernel.
#[derive(Debug)]
pub(crate) struct Row {
    kernel: Kernel,
    least: Vec<Least>,
}

impl Row {
    pub(crate) fn add(&mut self, column: usize, duration: Duration) {
        self.least[column].add(duration);
    }

    fn ratio(&self, column: usize, base: usize) -> Option<f64> {
        Some(self.least[column].seconds()? / self.least[base].seconds()?)
    }
}

impl Table {
    pub(crate) fn new(engines: Vec<&'static str>) -> Self {
        Self { engines, rows: Vec::new() }
    }

    pub(crate) fn row(&self, kernel: &Kernel) -> Row {
        Row { kernel: *kernel, least: vec![Least::default(); self.engines.len()] }
    }

    /// Keeps a row and prints it: milliseconds, and the ratio to [`BASE`].
    pub(crate) fn push(&mut self, row: Row) {
        let cells =
            (0..self.engines.len()).map(|column| match (row.least[column].seconds(), self.column(BASE)) {
                (None, _) => format!("{:>16}", "-"),
                (Some(seconds), None) => format!("{:>16.3}", seconds * 1e3),
                (Some(seconds), Some(base)) => {
                    let ratio =
                        row.ratio(column, base).map_or_else(String::new, |ratio| format!("{ratio:>7.2}"));
                    format!("{:>9.3}{ratio:>7}", seconds * 1e3)
                }
            });
        eprintln!("{:<10}{}", row.kernel.name, cells.collect::<String>());
        self.rows.push(row);
    }

    pub(crate) fn print_head(&self) {
        eprintln!(
            "milliseconds, least of all rounds{}",
            if self.column(BASE).is_some() { ", and ratio to wasmi+fuel" } else { "" }
        );
        eprintln!("{:<10}{}", "", self.engines.iter().map(|name| format!("{name:>16}")).collect::<String>());
    }

    /// Prints the geometric means over CPU-bound kernels, where an engine ran at least one.
    pub(crate) fn print_means(&self) {
        if self.column(BASE).is_none() {
            return;
        }
        let means = self.engines.iter().map(|name| {
            self.mean(name, BASE, Kernel::is_cpu_bound)
                .map_or_else(|| format!("{:>16}", "-"), |mean| format!("{mean:>16.3}"))
        });
        eprintln!("{:<10}{}", "geomean", means.collect::<String>());
    }

    pub(crate) fn report(&self, coremark: &CoreMark, rounds: u32) -> Report {
        let ours = self.ours().unwrap_or_default();
        let worst = self
            .rows
            .iter()
            .filter(|row| row.kernel.is_cpu_bound())
            .filter_map(|row| Some((row.kernel.name, row.ratio(self.column(ours)?, self.column(BASE)?)?)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let overhead = |without| Some((self.mean(ours, without, Kernel::is_cpu_bound)? - 1.0) * 100.0);
        Report {
            bench: "engine",
            geomean_vs_wasmi_fuel: self.mean(ours, BASE, Kernel::is_cpu_bound).map(rounded),
            worst_kernel: worst.map(|(kernel, _)| kernel),
            worst_vs_wasmi_fuel: worst.map(|(_, ratio)| rounded(ratio)),
            calls_vs_wasmi_fuel: self.mean(ours, BASE, |kernel| kernel.kind == Kind::Calls).map(rounded),
            hostcall_vs_wasm3: self.mean(ours, WASM3, |kernel| kernel.kind == Kind::HostCalls).map(rounded),
            coremark_vs_wasmi_fuel: coremark.ratio(ours, BASE).map(rounded),
            metering_pct: overhead(super::lathe::UNMETERED).map(rounded),
            nan_pct: overhead(super::lathe::ANY_NAN).map(rounded),
            rounds,
        }
    }

    /// Returns the engine of ours that the figures are about: the fastest that ran.
    fn ours(&self) -> Option<&'static str> {
        Engine::ALL.iter().map(|engine| engine.name()).find(|name| self.column(name).is_some())
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.engines.iter().position(|&engine| engine == name)
    }

    /// Returns the geometric mean of the ratios of two engines over the kernels that `counts` and that both ran.
    fn mean(&self, name: &str, base: &str, counts: impl Fn(&Kernel) -> bool) -> Option<f64> {
        let (column, base) = (self.column(name)?, self.column(base)?);
        geometric_mean(
            self.rows.iter().filter(|row| counts(&row.kernel)).filter_map(|row| row.ratio(column, base)),
        )
    }
}

/// The best score of each engine.
#[derive(Debug, Default)]
pub(crate) struct CoreMark {
    scores: Vec<(&'static str, f32)>,
}

impl CoreMark {
    pub(crate) fn add(&mut self, engine: &'static str, score: f32) {
        match self.scores.iter_mut().find(|(name, _)| *name == engine) {
            Some((_, best)) => *best = best.max(score),
            None => self.scores.push((engine, score)),
        }
    }

    fn score(&self, engine: &str) -> Option<f64> {
        self.scores.iter().find(|(name, _)| *name == engine).map(|&(_, score)| score.into())
    }

    fn ratio(&self, engine: &str, base: &str) -> Option<f64> {
        Some(self.score(engine)? / self.score(base)?)
    }
}
