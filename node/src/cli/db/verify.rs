//! `lathe db verify` and `lathe db repair-trie`.

use lathe_state::{Repair, Report};
use serde_json::json;

use super::{Target, progress::Bar};
use crate::{
    chain::DataDir,
    cli::{
        error::CliError,
        output::{grouped, print, print_json},
    },
};

/// Recompute the state root, the trie and the history from accounts and slots, and check every record.
///
/// The node must be stopped. Nothing is changed. Exits with 1 if anything is wrong.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct VerifyCommand {
    #[command(flatten)]
    target: Target,
}

impl VerifyCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let dir = DataDir::open(&self.target.data_dir)?;
        let mut bar = Bar::new(&self.target);
        let report = dir.verify(&mut |progress| bar.draw(progress))?;
        drop(bar);
        show(&report, self.target.json);
        if report.is_sound() {
            return Ok(());
        }
        let found = report.faults_found;
        Err(CliError::Output(format!("{}: {found} faults", self.target.data_dir.display())))
    }
}

fn show(report: &Report, as_json: bool) {
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    if as_json {
        print_json(&json!({
            "ok": report.is_sound(),
            "block": report.head.number,
            "hash": report.head.hash,
            "stateRoot": report.head.state_root,
            "accounts": report.accounts,
            "slots": report.slots,
            "trieRecords": report.trie_records,
            "historyRows": report.history_rows,
            "blocks": report.blocks,
            "faultsFound": report.faults_found,
            "faults": faults,
        }));
        return;
    }
    print(&format!(
        "block       {} ({})\nstate root  {}\nread        {} accounts, {} slots, {} trie records, {} rows of history, {} \
         blocks\n",
        report.head.number,
        report.head.hash,
        report.head.state_root,
        grouped(report.accounts),
        grouped(report.slots),
        grouped(report.trie_records),
        grouped(report.history_rows),
        grouped(report.blocks),
    ));
    for fault in &faults {
        print(&format!("FAULT       {fault}\n"));
    }
}

/// Make the trie's records anew from accounts and slots.
///
/// The node must be stopped. Writes only if accounts and slots are those that the head's header promises. The history of
/// older blocks cannot be made anew: it is checked, and if it is broken, the command fails unless it may drop it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RepairTrieCommand {
    #[command(flatten)]
    target: Target,
    /// Give up the state of the blocks before the latest if their history is broken
    #[arg(long)]
    drop_history: bool,
}

impl RepairTrieCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let dir = DataDir::open(&self.target.data_dir)?;
        let mut bar = Bar::new(&self.target);
        let repair = dir.repair_trie(&mut |progress| bar.draw(progress))?;
        drop(bar);
        let Repair { records, written, deleted, history: (faults, faults_found) } = repair;
        let is_dropped = faults_found > 0 && self.drop_history;
        if is_dropped {
            dir.prune(0, &mut |_| ())?;
        }
        let history_start = dir.view()?.history_start();
        if self.target.json {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            print_json(&json!({
                "records": records,
                "written": written,
                "deleted": deleted,
                "historyFaultsFound": faults_found,
                "historyFaults": faults,
                "historyStart": history_start,
            }));
        } else {
            print(&format!(
                "records     {}\nwritten     {}\ndeleted     {}\nhistory     from block {history_start}\n",
                grouped(records),
                grouped(written),
                grouped(deleted),
            ));
            for fault in &faults {
                print(&format!("{}       {fault}\n", if is_dropped { "GONE " } else { "FAULT" }));
            }
        }
        if faults_found == 0 || is_dropped {
            return Ok(());
        }
        Err(CliError::Output(format!(
            "{}: the trie of the latest block is repaired, but the history of older blocks has {faults_found} faults and \
             cannot be; --drop-history gives their state up",
            self.target.data_dir.display()
        )))
    }
}
