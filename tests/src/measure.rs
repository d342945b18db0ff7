//! What the benches share: options, interleaved rounds, and the figures made of them.
//!
//! A figure is the minimum of several rounds. A round runs every engine once, one after the other, so that a machine
//! that is busy for a while disturbs them alike.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The rounds of a bench whose figures count.
pub const ROUNDS: u32 = 11;

/// What the command line of a bench says.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many rounds to run: `--rounds`, else the environment's `LATHE_BENCH_ROUNDS`, else [`ROUNDS`].
    pub rounds: u32,
    /// The kernels or rows to run, all if empty: `--kernel` or `--only`, which can stand several times.
    pub kernels: Vec<String>,
    /// The engines to run, the usual ones if empty: `--engine`, which can stand several times.
    pub engines: Vec<String>,
    /// Where to write the whole table: `--table`, for benches that have one.
    pub table: Option<PathBuf>,
}

impl Options {
    /// Reads the command line of this process. Fails with what is wrong and what would be right.
    pub fn from_args() -> Result<Self, String> {
        let rounds = std::env::var("LATHE_BENCH_ROUNDS").ok();
        let mut options = Self {
            rounds: rounds.map_or(Ok(ROUNDS), |text| parse_rounds(&text))?,
            kernels: Vec::new(),
            engines: Vec::new(),
            table: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--rounds" => options.rounds = parse_rounds(&value()?)?,
                "--kernel" | "--only" => options.kernels.push(value()?),
                "--engine" => options.engines.push(value()?),
                "--table" => options.table = Some(value()?.into()),
                // Cargo says this to every bench.
                "--bench" => {}
                _ => {
                    let known = "--rounds, --kernel (or --only), --engine and --table";
                    return Err(format!("unknown option {arg}; there are {known}"));
                }
            }
        }
        Ok(options)
    }

    /// Returns whether to run this engine, which is `usual` if it runs when none is asked for.
    pub fn wants_engine(&self, name: &str, usual: bool) -> bool {
        if self.engines.is_empty() { usual } else { self.engines.iter().any(|engine| engine == name) }
    }
}

fn parse_rounds(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|&rounds| rounds > 0)
        .ok_or_else(|| format!("{text:?} is no number of rounds above 0"))
}

/// Returns how long `work` took, and what it returned.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// Keeps the least of the durations it is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Least(Option<Duration>);

impl Least {
    /// Takes one duration into account.
    pub fn add(&mut self, duration: Duration) {
        self.0 = Some(self.0.map_or(duration, |least| least.min(duration)));
    }

    /// Returns the least duration in seconds, if there was any.
    pub fn seconds(self) -> Option<f64> {
        self.0.map(|duration| duration.as_secs_f64())
    }
}

/// Returns the geometric mean, or `None` of no ratios.
pub fn geometric_mean(ratios: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0u32);
    for ratio in ratios {
        sum += ratio.ln();
        count += 1;
    }
    (count > 0).then(|| (sum / f64::from(count)).exp())
}

/// Rounds a figure to three decimals, which is more than a bench can tell.
pub fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

/// Prints the last line of a bench or harness: one JSON object.
pub fn print_json(report: &impl serde::Serialize) {
    println!("{}", serde_json::to_string(report).expect("a report is plain data"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_geometric_mean_of_a_ratio_and_its_inverse_is_one() {
        assert_eq!(geometric_mean([]), None);
        assert_eq!(geometric_mean([4.0, 0.25]).map(rounded), Some(1.0));
        assert_eq!(geometric_mean([2.0, 8.0]).map(rounded), Some(4.0));
    }

    #[test]
    fn the_least_duration_counts() {
        let mut least = Least::default();
        assert_eq!(least.seconds(), None);
        for seconds in [3, 1, 2] {
            least.add(Duration::from_secs(seconds));
        }
        assert_eq!(least.seconds(), Some(1.0));
    }
}
