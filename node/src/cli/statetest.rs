//! `lathe statetest`: Ethereum's state tests.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    chain_file,
    error::CliError,
    output::{print, print_json_text},
};
use crate::statetest::{Difference, Runner, TestFile, Verdict};

/// Run Ethereum's GeneralStateTests.
///
/// Prints a line for each case; where the state root is not what the test says, both. A case runs at its own fork, by the
/// other rules of the chain; cases of forks before Byzantium are skipped. The last line is JSON. Exits with 1 if a case failed.
#[derive(Debug, clap::Args)]
pub(super) struct StateTestCommand {
    /// Files of tests, and directories whose *.json are such files
    #[arg(value_name = "FILE|DIR", required = true)]
    paths: Vec<PathBuf>,
    /// The chain: ewasm, devnet, or a file
    #[arg(long, default_value = "ewasm", value_name = "NAME|FILE")]
    chain: String,
    /// Print only what failed, and the last line
    #[arg(long, short)]
    quiet: bool,
}

/// The last line.
#[derive(Debug, Serialize)]
struct Report {
    harness: &'static str,
    files: u64,
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl StateTestCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let runner = Runner::new(chain_file::load(&self.chain)?);
        let mut report = Report { harness: "statetest", files: 0, passed: 0, failed: 0, skipped: 0 };
        for path in files(&self.paths)? {
            report.files += 1;
            self.run_file(&runner, &path, &mut report)?;
        }
        print_json_text(&serde_json::to_string(&report).expect("a struct of numbers is JSON"));
        match report.failed {
            0 => Ok(()),
            failed => Err(CliError::Output(format!("{failed} cases failed"))),
        }
    }

    fn run_file(&self, runner: &Runner, path: &Path, report: &mut Report) -> Result<(), CliError> {
        let json = fs::read(path).map_err(|error| CliError::file(path, error))?;
        let path = path.display();
        let file = match TestFile::parse(&json) {
            Ok(file) => file,
            Err(error) => {
                report.failed += 1;
                print(&format!("FAILED   {path}: {error}\n"));
                return Ok(());
            }
        };
        for case in runner.run(&file) {
            let name = &case.name;
            match case.verdict {
                Verdict::Passed => {
                    report.passed += 1;
                    self.say(&format!("passed   {path}: {name}\n"));
                }
                Verdict::Skipped(why) => {
                    report.skipped += 1;
                    self.say(&format!("skipped  {path}: {name}: {why}\n"));
                }
                Verdict::Failed(difference) => {
                    report.failed += 1;
                    print(&format!("FAILED   {path}: {name}: {}", describe(&difference)));
                }
            }
        }
        Ok(())
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            print(line);
        }
    }
}

fn describe(difference: &Difference) -> String {
    let mut text = format!("{}\n", difference.note);
    for (what, pair) in [("state root", difference.state_root), ("logs hash ", difference.logs_hash)] {
        if let Some((expected, found)) = pair {
            text += &format!("         {what}  expected {expected}\n");
            text += &format!("                     found    {found}\n");
        }
    }
    text
}

/// Returns the files that are named, and those in the directories that are, in the order of their paths.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    let mut directories = Vec::new();
    for path in paths {
        if path.is_dir() { directories.push(path.clone()) } else { files.push(path.clone()) }
    }
    // Links are not followed, so this ends.
    while let Some(directory) = directories.pop() {
        let failed = |error: io::Error| CliError::file(&directory, error);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            if kind.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}
