//! `lathe completions`: what shells need to complete the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, error::CliError, output::print};

/// Print the completions of a shell.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsCommand {
    /// The shell
    shell: Shell,
}

impl CompletionsCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "lathe", &mut script);
        let script = String::from_utf8(script).map_err(|error| CliError::Output(error.to_string()))?;
        print(&script);
        Ok(())
    }
}
