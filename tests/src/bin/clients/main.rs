//! `make test-clients`: every client through the scenario, each against a node of its own. Ends its output with one
//! line of JSON; exits 1 if a check of any client failed.
//!
//!     clients PATH_TO_LATHE [--table FILE] [CLIENT...]

mod table;

use std::{fs, path::Path, process::ExitCode, time::Instant};

use lathe_tests::clients::{CLIENTS, Client, Report};
use serde::{Serialize, Serializer};

/// The last line, with its fields in this order.
#[derive(Serialize)]
struct Summary {
    harness: &'static str,
    passed: Counts,
    failed: Counts,
}

/// A number for each client, in the order in which they ran.
struct Counts(Vec<(&'static str, usize)>);

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(lathe) = arguments.next() else { return usage() };
    let (mut table, mut chosen) = (None, Vec::new());
    while let Some(argument) = arguments.next() {
        if argument == "--table" {
            let Some(file) = arguments.next() else { return usage() };
            table = Some(file);
        } else if let Some(client) = Client::of(&argument) {
            chosen.push(client);
        } else {
            let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
            eprintln!("{argument} is no client; there are {}", names.join(", "));
            return ExitCode::from(2);
        }
    }
    if chosen.is_empty() {
        chosen = CLIENTS.iter().collect();
    }

    let mut reports = Vec::new();
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    for client in chosen {
        let start = Instant::now();
        match client.run(Path::new(&lathe)) {
            Ok(report) => {
                show(&report, start.elapsed().as_secs());
                passed.push((client.name, report.passed.len()));
                failed.push((client.name, report.failed.len()));
                reports.push(report);
            }
            Err(error) => {
                eprintln!("{error}");
                passed.push((client.name, 0));
                failed.push((client.name, lathe_tests::clients::checks().len()));
            }
        }
    }
    let ok = failed.iter().all(|(_, count)| *count == 0);
    if let Some(file) = table.filter(|_| ok) {
        fs::write(&file, table::render(&reports)).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let summary = Summary { harness: "clients", passed: Counts(passed), failed: Counts(failed) };
    println!("{}", serde_json::to_string(&summary).expect("a summary is names and numbers"));
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    eprintln!("usage: clients PATH_TO_LATHE [--table FILE] [CLIENT...]");
    ExitCode::from(2)
}

/// Tells what became of a client's checks.
fn show(report: &Report, seconds: u64) {
    let Report { client, version, passed, failed, absent } = report;
    eprintln!(
        "{client} {version}: {} passed, {} failed, {} not for it ({seconds} s)",
        passed.len(),
        failed.len(),
        absent.len()
    );
    for (name, message) in failed {
        eprintln!("  FAILED {name}: {message}");
    }
}
