//! `lathe db stats`, `prune`, `cut-log` and `checkpoint`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Target, progress::Bar};
use crate::{
    chain::{DataDir, Stats},
    cli::{
        error::CliError,
        output::{grouped, print, print_json},
    },
};

/// Count what is in each column.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct StatsCommand {
    #[command(flatten)]
    target: Target,
}

impl StatsCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let dir = DataDir::open(&self.target.data_dir)?;
        let mut bar = Bar::new(&self.target);
        let Stats { head, history_start, disk_bytes, columns } =
            dir.stats(&mut |progress| bar.draw(progress))?;
        drop(bar);
        if self.target.json {
            let columns: Vec<Value> = columns
                .iter()
                .map(|size| {
                    json!({
                        "name": size.column.name(),
                        "entries": size.entries,
                        "keyBytes": size.key_bytes,
                        "valueBytes": size.value_bytes,
                    })
                })
                .collect();
            print_json(&json!({
                "block": head.number,
                "hash": head.hash,
                "stateRoot": head.state_root,
                "historyStart": history_start,
                "diskBytes": disk_bytes,
                "columns": columns,
            }));
            return Ok(());
        }
        print(&format!(
            "block       {} ({})\nstate root  {}\nhistory     from block {history_start}\ndisk        {} bytes\n\n\
             {:<10} {:>14} {:>16} {:>16}\n",
            head.number,
            head.hash,
            head.state_root,
            grouped(disk_bytes),
            "column",
            "entries",
            "key bytes",
            "value bytes",
        ));
        for size in columns {
            print(&format!(
                "{:<10} {:>14} {:>16} {:>16}\n",
                size.column.name(),
                grouped(size.entries),
                grouped(size.key_bytes),
                grouped(size.value_bytes),
            ));
        }
        Ok(())
    }
}

/// Give up the state of old blocks, and the space it takes.
///
/// The node must be stopped. Blocks, transactions and receipts are kept. What is given up does not come back.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PruneCommand {
    #[command(flatten)]
    target: Target,
    /// Keep the state of so many blocks before the latest
    #[arg(long, value_name = "BLOCKS")]
    keep: u64,
}

impl PruneCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let dir = DataDir::open(&self.target.data_dir)?;
        let before = dir.disk_bytes();
        let mut bar = Bar::new(&self.target);
        let first = dir.prune(self.keep, &mut |progress| bar.draw(progress))?;
        drop(bar);
        let after = dir.disk_bytes();
        if self.target.json {
            print_json(&json!({"historyStart": first, "diskBytesBefore": before, "diskBytes": after}));
        } else {
            let (before, after) = (grouped(before), grouped(after));
            print(&format!("history     from block {first}\ndisk        {after} bytes, before {before}\n"));
        }
        Ok(())
    }
}

/// Give up the blocks after a damage in the log.
///
/// A node refuses a directory whose log has bytes that nobody wrote. The blocks before them are whole; this cuts the log
/// there. What comes after is lost for good, so copy the directory first. Without damage nothing is changed.
#[cfg(feature = "rocksdb")]
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CutLogCommand {
    #[command(flatten)]
    target: Target,
}

#[cfg(feature = "rocksdb")]
impl CutLogCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let (head, damage) = DataDir::cut_log(&self.target.data_dir)?;
        if self.target.json {
            let damage = damage.map(|damage| damage.to_string());
            print_json(&json!({"block": head.number, "hash": head.hash, "damage": damage}));
        } else {
            let was = damage.map_or("the log is not damaged".to_owned(), |damage| format!("cut: {damage}"));
            print(&format!("{was}\nblock       {} ({})\n", head.number, head.hash));
        }
        Ok(())
    }
}

/// Copy a data directory, sharing the files that do not change.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CheckpointCommand {
    #[command(flatten)]
    target: Target,
    /// The directory to make; it must not be there yet
    #[arg(value_name = "NEW_DIR")]
    to: PathBuf,
}

impl CheckpointCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let dir = DataDir::open(&self.target.data_dir)?;
        let head = dir.checkpoint(&self.to)?;
        if self.target.json {
            print_json(&json!({"dataDir": self.to, "block": head.number, "hash": head.hash}));
        } else {
            print(&format!("{} holds block {} ({})\n", self.to.display(), head.number, head.hash));
        }
        Ok(())
    }
}
