//! `lathe db load`: a data directory from a dump, or from a genesis file as geth reads it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use lathe_state::{Account, BlockRecords, Head};
use serde_json::json;

use super::{
    Target,
    dump::{Counts, DUMP_VERSION, Line},
    genesis::GethGenesis,
    progress::Bar,
};
use crate::{
    chain::{DataDir, DumpLoader},
    cli::{
        error::CliError,
        output::{print, print_json},
    },
};

/// Bytes of one line of a dump: a block full of creations, its receipts, all in hex, take less.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Bytes of a genesis file: some millions of accounts.
const GENESIS_BYTES_MAX: u64 = 1 << 30;

/// Make a data directory from a dump, or from a genesis file as geth reads it.
///
/// A dump gives the same blocks, receipts and state root. A genesis file gives a chain that has only its first block, with
/// the file's chain id, gas limit and accounts; start the node with the same.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct LoadCommand {
    #[command(flatten)]
    target: Target,
    /// The dump or the genesis file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl LoadCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let mut input: Box<dyn BufRead> = if self.file == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let file = File::open(&self.file).map_err(|error| CliError::file(&self.file, error))?;
            Box::new(BufReader::new(file))
        };
        let mut first = Vec::new();
        self.read_line(&mut input, &mut first)?;
        let (chain_id, gas_limit, head) = match serde_json::from_slice(&first) {
            Ok(Line::LatheDump { version: DUMP_VERSION, chain_id, imported }) => {
                let (gas_limit, head) = self.load_dump(&mut input, chain_id, imported)?;
                (chain_id, gas_limit, head)
            }
            Ok(Line::LatheDump { version, .. }) => {
                return Err(self.wrong(format!(
                    "the dump has version {version}, this build reads version {DUMP_VERSION}"
                )));
            }
            _ => self.load_genesis(first, input)?,
        };
        let command = format!(
            "lathe node --data-dir {} --chain-id {chain_id} --block-gas-limit {gas_limit}",
            self.target.data_dir.display()
        );
        if self.target.json {
            print_json(&json!({
                "chainId": chain_id,
                "gasLimit": gas_limit,
                "block": head.number,
                "hash": head.hash,
                "stateRoot": head.state_root,
            }));
        } else {
            let Head { number, hash, state_root } = head;
            print(&format!(
                "block       {number} ({hash})\nstate root  {state_root}\n\nStart it:\n  {command}\n"
            ));
        }
        Ok(())
    }

    fn wrong(&self, why: impl std::fmt::Display) -> CliError {
        CliError::Output(format!("{}: {why}", self.file.display()))
    }

    /// Reads a line, whose length has a limit; returns whether there was one.
    fn read_line(&self, input: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<bool, CliError> {
        line.clear();
        let mut limited = input.take(LINE_BYTES_MAX);
        limited.read_until(b'\n', line).map_err(|error| CliError::file(&self.file, error))?;
        Ok(!line.is_empty())
    }

    fn load_genesis(&self, mut text: Vec<u8>, input: Box<dyn BufRead>) -> Result<(u64, u64, Head), CliError> {
        let rest = input.take(GENESIS_BYTES_MAX).read_to_end(&mut text);
        rest.map_err(|error| CliError::file(&self.file, error))?;
        let genesis: GethGenesis = serde_json::from_slice(&text).map_err(|error| {
            self.wrong(format!("this is neither a dump nor a genesis file as geth reads it: {error}"))
        })?;
        let (spec, genesis) = genesis.into_parts().map_err(|why| self.wrong(why))?;
        let head = DataDir::load_genesis(&self.target.data_dir, &spec, &genesis)?;
        Ok((spec.chain_id, spec.gas_limit, head))
    }

    fn load_dump(
        &self,
        input: &mut dyn BufRead,
        chain_id: u64,
        imported: bool,
    ) -> Result<(u64, Head), CliError> {
        let mut loader = DumpLoader::new(&self.target.data_dir)?;
        let mut counts = Counts::default();
        let (mut line, mut number) = (Vec::new(), 1_u64);
        let end = loop {
            number += 1;
            if !self.read_line(input, &mut line)? {
                return Err(self.wrong(format!("it ends after line {} without its last line", number - 1)));
            }
            let line = serde_json::from_slice(&line)
                .map_err(|error| self.wrong(format!("line {number}: {error}")))?;
            match line {
                Line::Block { hash, header, body, receipts } => {
                    counts.blocks += 1;
                    loader.block(&BlockRecords { hash, header, body, receipts })?;
                }
                Line::Code(code) => {
                    counts.codes += 1;
                    loader.code(&code)?;
                }
                Line::Account { address, nonce, balance, code_hash, storage_root } => {
                    counts.accounts += 1;
                    loader.account(address, &Account { nonce, balance, code_hash, storage_root })?;
                }
                Line::Slots { address, slots } => {
                    counts.slots += slots.len() as u64;
                    for (slot, value) in slots {
                        loader.slot(address, slot, value)?;
                    }
                }
                Line::End(end) => break end,
                Line::LatheDump { .. } => {
                    return Err(self.wrong(format!("line {number}: a second beginning")));
                }
            }
        };
        if end != counts {
            return Err(self.wrong(format!("it has {counts:?}, its last line says {end:?}")));
        }
        let mut bar = Bar::new(&self.target);
        Ok(loader.finish(chain_id, imported, &mut |progress| bar.draw(progress))?)
    }
}
