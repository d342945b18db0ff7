//! `lathe db dump`: the whole chain as lines of JSON.
//!
//! The first line says what it is, the last one how much there was, so that a file that was cut short is noticed. Between
//! them come blocks from the first on (their records as the database has them, in hex), code, accounts with the root of
//! their storage, and slots. The state is the latest block's; the state of older blocks is not dumped.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Target, progress::Bar};
use crate::{
    chain::DataDir,
    cli::{
        error::CliError,
        output::{grouped, print, print_json},
    },
};
use lathe_state::{Progress, View};

/// Version of the format: raised when a line means something else.
pub(super) const DUMP_VERSION: u32 = 1;

/// Slots in one line, so that no line grows with the state.
const LINE_SLOTS: usize = 256;

/// A line of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(super) enum Line {
    /// The first line.
    LatheDump { version: u32, chain_id: u64, imported: bool },
    /// The next block.
    Block { hash: B256, header: Bytes, body: Bytes, receipts: Bytes },
    /// Code that an account has or had.
    Code(Bytes),
    /// An account.
    Account { address: Address, nonce: u64, balance: U256, code_hash: B256, storage_root: B256 },
    /// Some slots of an account, with their values.
    Slots { address: Address, slots: Vec<(U256, U256)> },
    /// The last line: how much there was.
    End(Counts),
}

/// How much a dump has of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Counts {
    pub(super) blocks: u64,
    pub(super) codes: u64,
    pub(super) accounts: u64,
    pub(super) slots: u64,
}

/// Write the whole chain as lines of JSON.
///
/// The state is the latest block's; `lathe db load` makes the same chain of it, with the same blocks and receipts.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DumpCommand {
    #[command(flatten)]
    target: Target,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl DumpCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        if self.target.json && self.output.is_none() {
            return Err(CliError::Usage(
                "--json reports on a dump into a file: give one with --output".into(),
            ));
        }
        let dir = DataDir::open(&self.target.data_dir)?;
        dir.refuse_fork()?;
        let Some(path) = &self.output else {
            let mut stdout = BufWriter::new(io::stdout().lock());
            write_dump(&dir, &mut stdout, PathBuf::from("standard output"), Bar::new(&self.target))?;
            return Ok(());
        };
        let file = File::create(path).map_err(|error| CliError::file(path, error))?;
        let counts = write_dump(&dir, &mut BufWriter::new(file), path.clone(), Bar::new(&self.target))?;
        if self.target.json {
            print_json(&json!({"file": path, "counts": counts}));
        } else {
            print(&format!(
                "{}: {} blocks, {} accounts, {} slots\n",
                path.display(),
                grouped(counts.blocks),
                grouped(counts.accounts),
                grouped(counts.slots),
            ));
        }
        Ok(())
    }
}

fn write_dump(dir: &DataDir, out: &mut impl Write, name: PathBuf, mut bar: Bar) -> Result<Counts, CliError> {
    let mut line = |line: Line| {
        let written = serde_json::to_writer(&mut *out, &line).map_err(io::Error::from);
        written.and_then(|()| out.write_all(b"\n")).map_err(|error| CliError::file(&name, error))
    };
    let view = dir.view()?;
    let mut counts = Counts::default();
    line(Line::LatheDump { version: DUMP_VERSION, chain_id: dir.chain_id(), imported: dir.is_imported()? })?;
    write_blocks(dir, &view, &mut line, &mut counts, &mut bar)?;
    for code in view.codes() {
        counts.codes += 1;
        line(Line::Code(dir.read(code)?))?;
    }
    for entry in view.accounts() {
        let (address, account) = dir.read(entry)?;
        // They come in the order of their hashes, so the first byte of one tells how far this is.
        bar.draw(Progress { what: "accounts and slots", done: f64::from(keccak256(address)[0]) / 256.0 });
        counts.accounts += 1;
        line(Line::Account {
            address,
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash,
            storage_root: account.storage_root,
        })?;
        let mut slots = Vec::new();
        for slot in view.slots(address) {
            slots.push(dir.read(slot)?);
            counts.slots += 1;
            if slots.len() == LINE_SLOTS {
                line(Line::Slots { address, slots: std::mem::take(&mut slots) })?;
            }
        }
        if !slots.is_empty() {
            line(Line::Slots { address, slots })?;
        }
    }
    line(Line::End(counts))?;
    out.flush().map_err(|error| CliError::file(&name, error))?;
    Ok(counts)
}

fn write_blocks(
    dir: &DataDir,
    view: &View,
    line: &mut impl FnMut(Line) -> Result<(), CliError>,
    counts: &mut Counts,
    bar: &mut Bar,
) -> Result<(), CliError> {
    let last = view.head().number;
    for number in 0..=last {
        #[expect(clippy::cast_precision_loss, reason = "progress is for people")]
        bar.draw(Progress { what: "blocks", done: number as f64 / (last + 1) as f64 });
        let records = dir.block_records(view, number)?;
        counts.blocks += 1;
        let lathe_state::BlockRecords { hash, header, body, receipts } = records;
        line(Line::Block { hash, header, body, receipts })?;
    }
    Ok(())
}
