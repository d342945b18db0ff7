//! The whole chain as bytes, and back: `anvil_dumpState` and `anvil_loadState`.
//!
//! A dump is a gzip stream of JSON lines: what it is, then every block after the first with its records as the database has
//! them and what it changed, then how many there were. Loading commits the blocks one by one on the chain's own first block, so
//! state roots, history and receipts come out as they were, and the latest block has the same hash. Blocks that the chain has
//! already are left alone.
//!
//! A dump of a fork has what the fork did, on the block that it stands on: it is loaded on a fork at the same block.
//!
//! Dumps of anvil are read, too. They have accounts without the blocks that made them: those are set, in a block of their own.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    sync::Arc,
};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use lathe_state::{AccountChange, AccountInfo, BlockRecords, Changes, View};
use serde::{Deserialize, Serialize};

use super::{
    Block, Chain, ChainError, Event, Latest, MinedBlock, Result, clock::TIMESTAMP_MAX, data_dir::check_code,
    ground::Ground, record,
};

/// Version of the format: raised when a line means something else.
const VERSION: u32 = 1;
/// What the bytes of a gzip stream begin with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Bytes of a dump, decompressed.
pub const DUMP_BYTES_MAX: u64 = 4 << 30;
/// Bytes of one line, and of the whole of anvil's dumps: both are in memory at once.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// A line of a dump.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Line {
    /// The first line; of a fork, with what it stands on.
    LatheState {
        version: u32,
        chain_id: u64,
        genesis_hash: B256,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fork: Option<ForkedAt>,
    },
    /// The next block.
    Block {
        hash: B256,
        header: Bytes,
        body: Bytes,
        receipts: Bytes,
        changes: BTreeMap<Address, Change>,
        codes: Vec<Bytes>,
    },
    /// The last line: how many blocks there were.
    End { blocks: u64 },
}

/// The block that a fork stands on, by number, and the hash of what else decides how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ForkedAt {
    number: u64,
    settings: B256,
}

/// What a block did to an account.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Change {
    /// None if it is gone.
    account: Option<Info>,
    /// Whether it lost the storage that it has on the chain that a fork stands on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    wiped: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<U256, U256>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Info {
    nonce: u64,
    balance: U256,
    code_hash: B256,
}

/// What is read of anvil's dumps.
#[derive(Debug, Deserialize)]
struct AnvilState {
    #[serde(default)]
    block: Option<AnvilBlock>,
    accounts: BTreeMap<Address, AnvilAccount>,
}

#[derive(Debug, Deserialize)]
struct AnvilBlock {
    timestamp: Option<U256>,
}

#[derive(Debug, Deserialize)]
struct AnvilAccount {
    #[serde(default)]
    nonce: U256,
    #[serde(default)]
    balance: U256,
    #[serde(default)]
    code: Bytes,
    #[serde(default)]
    storage: BTreeMap<U256, U256>,
}

fn wrong(why: impl std::fmt::Display) -> ChainError {
    ChainError::Dump(why.to_string())
}

impl Chain {
    /// Writes the whole chain, compressed; of a fork, what it did itself. The state of every block must be kept.
    pub fn dump_state(&self, out: impl Write) -> Result<()> {
        let Latest { view, ground, .. } = self.latest();
        let mut out = GzEncoder::new(out, Compression::fast());
        let mut line = |line: &Line| {
            let written = serde_json::to_writer(&mut out, line).map_err(io::Error::from);
            written.and_then(|()| out.write_all(b"\n")).map_err(wrong)
        };
        let (chain_id, genesis_hash) = (ground.spec.chain_id, ground.database.genesis_hash());
        line(&Line::LatheState { version: VERSION, chain_id, genesis_hash, fork: forked_at(&ground)? })?;
        let (first, last) = (view.first_block(), view.head().number);
        for number in first + 1..=last {
            line(&block_line(&view, number)?)?;
        }
        line(&Line::End { blocks: last - first })?;
        out.finish().and_then(|mut out| out.flush()).map_err(wrong)
    }

    /// Makes the chain the one that was dumped, or sets the accounts of anvil's dump.
    ///
    /// What does not add up is refused at its block; those before it stay.
    pub fn load_state(&self, dump: impl BufRead) -> Result<()> {
        let mut dump = decompressed(dump).map_err(wrong)?;
        let mut first = Vec::new();
        read_line(&mut dump, &mut first)?;
        match serde_json::from_slice(&first) {
            Ok(Line::LatheState { version: VERSION, chain_id, genesis_hash, fork }) => {
                self.check_origin(chain_id, genesis_hash, fork)?;
                self.load_blocks(&mut dump)
            }
            Ok(Line::LatheState { version, .. }) => {
                Err(wrong(format!("it has version {version}, this build reads version {VERSION}")))
            }
            _ => {
                dump.take(LINE_BYTES_MAX).read_to_end(&mut first).map_err(wrong)?;
                let state: AnvilState = serde_json::from_slice(&first)
                    .map_err(|error| wrong(format!("it is neither this node's nor anvil's: {error}")))?;
                self.load_anvil(state)
            }
        }
    }

    /// Fails for a dump of a chain that began otherwise.
    fn check_origin(&self, chain_id: u64, genesis_hash: B256, fork: Option<ForkedAt>) -> Result<()> {
        let ground = self.ground();
        let own = forked_at(&ground)?;
        match (fork, own) {
            (Some(ForkedAt { number, .. }), own) if own.is_none_or(|own| own.number != number) => {
                return Err(wrong(format!(
                    "it is of a fork at block {number}, this node {}: start one with --fork-url and --fork-block-number {number}",
                    own.map_or("forks no chain".into(), |own| format!("forks one at block {}", own.number)),
                )));
            }
            (None, Some(_)) => {
                return Err(wrong(
                    "it is of a chain of its own, this node forks another one: start a node without --fork-url",
                ));
            }
            _ => {}
        }
        let have = ground.spec.chain_id;
        if chain_id != have {
            return Err(wrong(format!("it is of chain {chain_id}, this node has chain {have} (--chain-id)")));
        }
        let (have, is_fork) = (ground.database.genesis_hash(), fork.is_some());
        if genesis_hash != have || fork != own {
            let advice = if is_fork && genesis_hash != have {
                "fork the chain that the dumped one forked"
            } else {
                "start a node"
            };
            return Err(wrong(format!(
                "its chain begins with block {genesis_hash}, this node's with {have}: {advice} with the accounts, balances and \
                 rules that the dumped one had"
            )));
        }
        Ok(())
    }

    fn load_blocks(&self, dump: &mut impl BufRead) -> Result<()> {
        let writer = self.writer.lock();
        let first = self.first_block();
        let (mut text, mut number, mut is_known) = (Vec::new(), first, true);
        let outcome = loop {
            text.clear();
            let line = match read_line(dump, &mut text) {
                Ok(0) => break Err(wrong(format!("it ends after block {number} without its last line"))),
                Ok(_) => serde_json::from_slice(&text),
                Err(error) => break Err(error),
            };
            match line {
                Ok(Line::Block { hash, header, body, receipts, changes, codes }) => {
                    number += 1;
                    if is_known && self.latest().view.hash_by_number(number)? == Some(hash) {
                        continue;
                    }
                    if is_known {
                        is_known = false;
                        self.rewind_to(number - 1)?;
                    }
                    let records = BlockRecords { hash, header, body, receipts };
                    match self.load_block(&records, changes, codes) {
                        Ok(()) => {}
                        Err(ChainError::Dump(why)) => break Err(wrong(format!("block {number}: {why}"))),
                        Err(error) => break Err(wrong(format!("block {number}: {error}"))),
                    }
                }
                Ok(Line::End { blocks }) if blocks == number - first => break Ok(()),
                Ok(Line::End { blocks }) => {
                    let has = number - first;
                    break Err(wrong(format!("it has {has} blocks, its last line says {blocks}")));
                }
                Ok(Line::LatheState { .. }) => break Err(wrong("a second beginning")),
                Err(error) => break Err(wrong(format!("after block {number}: {error}"))),
            }
        };
        if outcome.is_ok() && is_known {
            self.rewind_to(number)?;
        }
        self.publish()?;
        drop(writer);
        self.settle()?;
        outcome
    }

    /// Commits a block on the latest one, once it proves to be what its hash says.
    fn load_block(
        &self,
        records: &BlockRecords,
        changes: BTreeMap<Address, Change>,
        codes: Vec<Bytes>,
    ) -> Result<()> {
        let block = lathe_state::Block::from_records(records).map_err(wrong)?;
        let read = record::block_of(&block)?;
        // Sealing it again fills in the roots of transactions and receipts.
        let sealed = Block::seal(read.header, read.transactions, read.receipts);
        if sealed.hash != records.hash {
            return Err(wrong(format!(
                "its content hashes to {}, its record says {}",
                sealed.hash, records.hash
            )));
        }
        let mut loaded = Changes::default();
        for code in codes {
            check_code(&code, &self.spec()).map_err(wrong)?;
            loaded.codes.insert(keccak256(&code), code);
        }
        for (address, Change { account, wiped, storage }) in changes {
            let info =
                account.map(|Info { nonce, balance, code_hash }| AccountInfo { nonce, balance, code_hash });
            loaded.accounts.insert(address, AccountChange { info, storage_wiped: wiped, storage });
        }
        let ground = self.ground();
        let prepared = ground.database.prepare(&loaded)?;
        Ok(ground.database.commit(prepared, block)?)
    }

    /// Shows readers what the database has, and drops what waits and can be mined no more. The writer's lock is held.
    fn publish(&self) -> Result<()> {
        let ground = self.ground();
        let view = ground.database.view()?;
        let number = view.head().number;
        let block = record::read_block(&view, number)?.ok_or_else(|| ChainError::missing_block(number))?;
        let mut pool = self.pool.lock();
        let senders: Vec<Address> = pool.senders().collect();
        for sender in senders {
            pool.drop_below(sender, view.account(sender)?.unwrap_or_default().nonce);
        }
        let block = Arc::new(block);
        *self.latest.write() = Latest { block: block.clone(), view: view.into(), ground };
        drop(pool);
        self.watches.announce();
        self.feed.tell(|| Event::Block(MinedBlock { block, asides: Vec::new() }));
        Ok(())
    }

    /// Sets the accounts of anvil's dump, in a block of its own that is no earlier than the dump's.
    fn load_anvil(&self, state: AnvilState) -> Result<()> {
        let mut changes = Changes::default();
        for (address, account) in state.accounts {
            let AnvilAccount { nonce, balance, code, storage } = account;
            check_code(&code, &self.spec()).map_err(|why| ChainError::Code { address, why })?;
            let nonce = u64::try_from(nonce)
                .map_err(|_| wrong(format!("account {address}: nonce {nonce} is larger than 8 bytes")))?;
            let info = AccountInfo { nonce, balance, code_hash: keccak256(&code) };
            if !code.is_empty() {
                changes.codes.insert(info.code_hash, code);
            }
            changes
                .accounts
                .insert(address, AccountChange { info: Some(info), storage, ..AccountChange::default() });
        }
        let timestamp =
            state.block.and_then(|block| block.timestamp).and_then(|time| u64::try_from(time).ok());
        let earliest = self.head().header.timestamp;
        if let Some(timestamp) = timestamp.filter(|time| (earliest..=TIMESTAMP_MAX).contains(time)) {
            self.set_next_timestamp(timestamp)?;
        }
        self.change_state(&changes)
    }
}

fn forked_at(ground: &Ground) -> Result<Option<ForkedAt>> {
    let settings = ground.database.fork_settings()?;
    Ok(settings.map(|settings| ForkedAt { number: ground.first_block(), settings }))
}

fn block_line(view: &View, number: u64) -> Result<Line> {
    let records = view.block_records(number)?.ok_or_else(|| ChainError::missing_block(number))?;
    let BlockRecords { hash, header, body, receipts } = records;
    let Changes { accounts, codes } = view.changes_of(number)?;
    let change = |change: AccountChange| Change {
        account: change.info.map(|AccountInfo { nonce, balance, code_hash }| Info {
            nonce,
            balance,
            code_hash,
        }),
        wiped: change.storage_wiped,
        storage: change.storage,
    };
    let changes = accounts.into_iter().map(|(address, account)| (address, change(account))).collect();
    Ok(Line::Block { hash, header, body, receipts, changes, codes: codes.into_values().collect() })
}

/// Returns the dump's text, whether it is compressed or not.
fn decompressed<'a>(mut dump: impl BufRead + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let is_compressed = dump.fill_buf()?.starts_with(&GZIP_MAGIC);
    Ok(if is_compressed {
        Box::new(BufReader::new(MultiGzDecoder::new(dump).take(DUMP_BYTES_MAX)))
    } else {
        Box::new(dump.take(DUMP_BYTES_MAX))
    })
}

/// Reads a line to the end of `text`. Returns its length, 0 at the end of the dump.
fn read_line(dump: &mut impl BufRead, text: &mut Vec<u8>) -> Result<usize> {
    let len = dump.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', text).map_err(wrong)?;
    if len as u64 == LINE_BYTES_MAX {
        return Err(wrong(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
    }
    Ok(len)
}
