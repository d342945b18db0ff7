//! The `lathe` binary with failpoints and sabotage, for the crash harness alone.
//!
//! `FAILPOINTS` names points at which it kills itself (the syntax is that of the crate `fail`), `LATHE_SABOTAGE` a defect, and
//! `LATHE_SYNCED` a file into which it notes what it brought to the disk.

mod synced;

use std::process::ExitCode;

use clap::Parser;
use lathe_node::cli::Cli;

fn main() -> ExitCode {
    let _points = fail::FailScenario::setup();
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}
