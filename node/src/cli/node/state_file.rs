//! Files that `lathe node` takes its chain from and leaves it in.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{chain::Chain, cli::error::CliError};

/// Where a chain comes from and goes to, beside its data directory.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "State files")]
pub(super) struct StateFileOptions {
    /// Load the chain from this file at start, if it is there, and dump it there at exit
    #[arg(long, conflicts_with_all = ["load_state", "dump_state"], value_name = "FILE")]
    state: Option<PathBuf>,
    /// Load the chain from a dump at start: one of this node's, or one of anvil's, of which the accounts are set
    #[arg(long, value_name = "FILE")]
    load_state: Option<PathBuf>,
    /// Dump the whole chain with its history to this file at exit
    #[arg(long, value_name = "FILE")]
    dump_state: Option<PathBuf>,
    /// Dump the chain every so many seconds, too
    #[arg(long, short = 's', value_parser = clap::value_parser!(u64).range(1..), value_name = "SECONDS")]
    state_interval: Option<u64>,
}

impl StateFileOptions {
    /// Loads the chain, if a file is there that says how it is.
    pub(super) fn load(&self, chain: &Chain) -> Result<(), CliError> {
        let Some(path) = self.state.as_ref().filter(|path| path.exists()).or(self.load_state.as_ref()) else {
            return Ok(());
        };
        let file = File::open(path).map_err(|error| CliError::file(path, error))?;
        chain
            .load_state(BufReader::new(file))
            .map_err(|error| CliError::Node(format!("{}: {error}", path.display())))
    }

    /// Dumps the chain at its end, if that was asked for.
    pub(super) fn dump(&self, chain: &Chain) -> Result<(), CliError> {
        self.target().map_or(Ok(()), |path| dump(chain, path))
    }

    /// Returns what dumps the chain again and again, if that was asked for; it never ends.
    pub(super) fn dump_repeatedly(&self, chain: &Arc<Chain>) -> Option<impl Future<Output = ()> + use<>> {
        let interval = Duration::from_secs(self.state_interval?);
        let (path, chain) = (self.target()?.to_owned(), chain.clone());
        Some(async move {
            let mut last = None;
            loop {
                tokio::time::sleep(interval).await;
                let head = chain.head().hash;
                if last == Some(head) {
                    continue;
                }
                let (chain, path) = (chain.clone(), path.clone());
                match tokio::task::spawn_blocking(move || dump(&chain, &path)).await {
                    Ok(Ok(())) => last = Some(head),
                    Ok(Err(error)) => tracing::error!("the chain could not be dumped: {error}"),
                    Err(error) => tracing::error!("the chain could not be dumped: {error}"),
                }
            }
        })
    }

    fn target(&self) -> Option<&Path> {
        self.state.as_deref().or(self.dump_state.as_deref())
    }
}

/// Dumps a chain to a file, which is the old one or the new one at any moment.
fn dump(chain: &Chain, path: &Path) -> Result<(), CliError> {
    let failed = |error| CliError::file(path, error);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    let mut out = BufWriter::new(file);
    chain.dump_state(&mut out)?;
    out.flush().map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    tracing::info!(file = %path.display(), block = chain.head().header.number, "dumped the chain");
    Ok(())
}
