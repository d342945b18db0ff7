//! The table of rows, and the figures made of it.

use crate::{Group, RUNS, Row, Sample};
use lathe_tests::measure::{geometric_mean, rounded};
use serde::Serialize;
use std::fmt::Write as _;

/// Ink of a gas.
#[expect(clippy::cast_precision_loss, reason = "it is ten thousand")]
const INK_PER_GAS: f64 = lathe_gas::INK_PER_GAS as f64;

/// How many rows standard error shows, the worst first.
const SHOWN: usize = 60;

/// The last line of the bench.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    bench: &'static str,
    rows: usize,
    /// The geometric mean over the CPU-bound kernels.
    mean_ns_per_gas: f64,
    /// The worst row of all but cold loads, its name, and how much worse than the mean it is.
    worst_ns_per_gas: f64,
    worst: String,
    ratio: f64,
    /// The same of cold loads.
    cold_worst_ns_per_gas: f64,
    cold_worst: String,
    cold_ratio: f64,
}

/// The least ns per gas of each row.
pub(crate) struct Table {
    rows: Vec<(Group, String, f64)>,
}

impl Table {
    pub(crate) fn new(rows: &[Row]) -> Self {
        Self { rows: rows.iter().map(|row| (row.group, row.name.clone(), f64::INFINITY)).collect() }
    }

    /// Takes a sample of the row at this place into account. Fails if it cost nothing.
    #[expect(clippy::cast_precision_loss, reason = "ink of one run is far below 2^53")]
    pub(crate) fn add(&mut self, place: usize, sample: Sample) -> Result<(), String> {
        let (_, _, least) = &mut self.rows[place];
        if sample.ink == 0 {
            return Err("a run cost nothing".to_owned());
        }
        let figure = sample.time.as_secs_f64() * 1e9 * INK_PER_GAS / sample.ink as f64;
        *least = least.min(figure);
        Ok(())
    }

    fn mean(&self) -> Option<f64> {
        geometric_mean(self.rows.iter().filter(|row| row.0 == Group::Kernel).map(|row| row.2))
    }

    /// Returns the worst row that `counts`.
    fn worst(&self, counts: impl Fn(Group) -> bool) -> Option<(&str, f64)> {
        let rows = self.rows.iter().filter(|row| counts(row.0));
        rows.max_by(|a, b| a.2.total_cmp(&b.2)).map(|row| (row.1.as_str(), row.2))
    }

    pub(crate) fn report(&self) -> Result<Report, String> {
        let mean = self.mean().ok_or("no kernel ran")?;
        let none = ("", 0.0);
        let (worst, worst_figure) = self.worst(|group| group != Group::Load).unwrap_or(none);
        let (cold, cold_figure) = self.worst(|group| group == Group::Load).unwrap_or(none);
        Ok(Report {
            bench: "gas",
            rows: self.rows.len(),
            mean_ns_per_gas: rounded(mean),
            worst_ns_per_gas: rounded(worst_figure),
            worst: worst.to_owned(),
            ratio: rounded(worst_figure / mean),
            cold_worst_ns_per_gas: rounded(cold_figure),
            cold_worst: cold.to_owned(),
            cold_ratio: rounded(cold_figure / mean),
        })
    }

    /// Prints the worst rows, and the kernels.
    pub(crate) fn print(&self) {
        let mean = self.mean().unwrap_or(f64::NAN);
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by(|a, b| b.2.total_cmp(&a.2));
        let (kernels, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.0 == Group::Kernel);
        eprintln!("ns per gas, and how many times the mean of {mean:.2}");
        for row in others.into_iter().take(SHOWN).chain(kernels) {
            eprintln!("{:>10.2}{:>8.2}  {:<12}{}", row.2, row.2 / mean, format!("{:?}", row.0), row.1);
        }
    }

    /// Returns every row as a document.
    pub(crate) fn markdown(&self, rounds: u32) -> String {
        let mean = self.mean().unwrap_or(f64::NAN);
        let mut text = format!(
            "# How long a gas takes\n\nWritten by `make gas` on {}, {} rows in {rounds} rounds; do not edit.\n\n\
             A row is a program that does one thing again and again: its time divided by the gas it is charged, the least of \
             {RUNS} runs in each of the rounds, since what disturbs a run only makes it longer. The rounds go through all rows in \
             turn, so that a busy minute disturbs many rows a little. \n\n\
             The mean over the CPU-bound kernels is {mean:.2} ns per gas, and *times* is a row's figure divided by it: how \
             much more time a program of nothing else takes for its gas than an ordinary one. The bound is {:.0} times, for \
             cold loads {:.0}.\n\n\
             The worst: {}; of cold loads: {}.\n",
            machine(),
            self.rows.len(),
            Group::Hostile.times_max(),
            Group::Load.times_max(),
            self.worst_text(mean, |group| group != Group::Load),
            self.worst_text(mean, |group| group == Group::Load),
        );
        let mut groups: Vec<Group> = self.rows.iter().map(|row| row.0).collect();
        groups.sort();
        groups.dedup();
        for group in groups {
            write!(text, "\n## {}\n\n| row | ns per gas | times |\n|---|--:|--:|\n", title(group))
                .expect("a String takes everything");
            for (_, name, figure) in self.rows.iter().filter(|row| row.0 == group) {
                writeln!(text, "| {name} | {figure:.2} | {:.2} |", figure / mean)
                    .expect("a String takes everything");
            }
        }
        text
    }
}

impl Table {
    /// Names the worst row that `counts`.
    fn worst_text(&self, mean: f64, counts: impl Fn(Group) -> bool) -> String {
        self.worst(counts).map_or_else(
            || "none ran".to_owned(),
            |(name, figure)| format!("*{name}* with {:.2} times", figure / mean),
        )
    }
}

fn title(group: Group) -> &'static str {
    match group {
        Group::Kernel => "Kernels",
        Group::Instruction => "Instructions",
        Group::Linear => "Work by size",
        Group::Hostile => "Programs made to be slow",
        Group::Frame => "Frames",
        #[cfg(feature = "node")]
        Group::Host => "Host functions",
        Group::Load => "Cold loads",
    }
}

/// Returns what the operating system calls the processor.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
            .map_or("unknown", str::trim)
            .to_owned()
    };
    format!("{} (family {}, model {})", field("model name"), field("cpu family"), field("model\t"))
}
