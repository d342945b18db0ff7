//! A data directory without a node on it: what `lathe db` works on.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy_primitives::{Address, B256, U256};
use lathe_state::{
    Account, BlockRecords, Column, ColumnSize, Database, DatabaseOptions, Genesis, Head, Loader, Progress,
    Repair, Report, StateError, Store, View,
};
#[cfg(feature = "rocksdb")]
use lathe_state::{RocksOptions, RocksStore, StoreError};

use super::{Block, ChainError, ChainSpec, Result, predeploys, record};
use crate::runtime::{Program, code::CodeKind};

/// An opened data directory.
pub struct DataDir {
    path: PathBuf,
    store: Arc<dyn Store>,
    database: Database,
}

/// What a data directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The latest block.
    pub head: Head,
    /// The first block whose state is kept.
    pub history_start: u64,
    /// Bytes of all files in the directory.
    pub disk_bytes: u64,
    /// What each column holds.
    pub columns: Vec<ColumnSize>,
}

impl std::fmt::Debug for DataDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataDir").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DataDir {
    /// Opens a directory that is there. No node may have it open.
    pub fn open(path: &Path) -> Result<Self> {
        require_database(path)?;
        let store = super::open_directory(path)?;
        let database = Database::open_existing(Arc::clone(&store), DatabaseOptions::default())?;
        Ok(Self { path: path.to_owned(), store, database })
    }

    /// Cuts the log of a directory where it is damaged, and returns the latest block before that, with what was wrong if
    /// anything was. The blocks from there on are lost.
    #[cfg(feature = "rocksdb")]
    pub fn cut_log(path: &Path) -> Result<(Head, Option<StoreError>)> {
        require_database(path)?;
        let damage = match RocksStore::open(path, RocksOptions::default()) {
            Ok(_) => None,
            Err(damage @ StoreError::Damaged { is_log: true, .. }) => {
                let options = RocksOptions { cut_damaged_log: true, ..RocksOptions::default() };
                drop(RocksStore::open(path, options)?);
                Some(damage)
            }
            Err(error) => return Err(error.into()),
        };
        Ok((Self::open(path)?.view()?.head(), damage))
    }

    /// Makes a chain of one block in a directory that is empty or not there: its rules and accounts are given. Returns that
    /// block.
    pub fn load_genesis(path: &Path, spec: &ChainSpec, genesis: &Genesis) -> Result<Head> {
        for account in &genesis.accounts {
            let wrong = |why: String| ChainError::GenesisCode { address: account.address, why };
            check_code(&account.code, spec).map_err(wrong)?;
        }
        let mut genesis = genesis.clone();
        predeploys::activate(&mut genesis.accounts);
        let store = super::open_directory(path)?;
        if store.snapshot().scan(Column::Meta, &[], &[]).next().is_some() {
            return Err(StateError::NotEmpty.into());
        }
        let database = Database::open(store, DatabaseOptions::default(), &genesis, |state_root| {
            record::write_block(&Block::seal(spec.genesis_header(state_root), Vec::new(), Vec::new()))
        })?;
        database.set_imported()?;
        database.sync()?;
        Ok(database.view()?.head())
    }

    /// Fails for a fork: its directory has what the fork has written, and nothing of what it has not.
    pub fn refuse_fork(&self) -> Result<()> {
        match self.view()?.fork_base() {
            None => Ok(()),
            Some(_) => Err(ChainError::NotOnFork(
                "the directory holds a fork of another chain, which has most of its state: only `lathe node --fork-url` can use it",
            )),
        }
    }

    /// Returns the EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.database.chain_id()
    }

    /// Returns whether a file said how the chain begins.
    pub fn is_imported(&self) -> Result<bool> {
        Ok(self.database.is_imported()?)
    }

    /// Returns the chain at its latest block.
    pub fn view(&self) -> Result<View> {
        Ok(self.database.view()?)
    }

    /// Turns what the state's iterators say into the chain's errors.
    pub fn read<T>(&self, entry: Result<T, StateError>) -> Result<T> {
        Ok(entry?)
    }

    /// Returns the records of a block up to the latest.
    pub fn block_records(&self, view: &View, number: u64) -> Result<BlockRecords> {
        view.block_records(number)?.ok_or_else(|| ChainError::missing_block(number))
    }

    /// Checks the chain against itself.
    pub fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
        Ok(self.view()?.verify_with_progress(progress)?)
    }

    /// Makes the trie's records anew from accounts and slots.
    pub fn repair_trie(&self, progress: &mut dyn FnMut(Progress)) -> Result<Repair> {
        let repair = self.database.repair_trie(progress)?;
        self.database.sync()?;
        Ok(repair)
    }

    /// Counts what there is.
    pub fn stats(&self, progress: &mut dyn FnMut(Progress)) -> Result<Stats> {
        let view = self.view()?;
        let columns = view.column_sizes(progress)?;
        Ok(Stats {
            head: view.head(),
            history_start: view.history_start(),
            disk_bytes: self.disk_bytes(),
            columns,
        })
    }

    /// Returns the bytes of all files in the directory; a file that goes meanwhile counts nothing.
    pub fn disk_bytes(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.path) else { return 0 };
        entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
    }

    /// Gives up the state of all blocks but the latest and `keep` before it, and the space that it takes. Returns the first
    /// block whose state is kept.
    pub fn prune(&self, keep: u64, progress: &mut dyn FnMut(Progress)) -> Result<u64> {
        let first = self.database.prune(keep)?;
        self.database.compact(progress)?;
        Ok(first)
    }

    /// Copies the directory to a new one, sharing files that do not change. Returns the copy's latest block.
    pub fn checkpoint(&self, to: &Path) -> Result<Head> {
        if to.exists() {
            return Err(ChainError::Exists(to.to_owned()));
        }
        self.store.checkpoint(to)?;
        Ok(Self::open(to)?.view()?.head())
    }
}

/// Fails where there is no database: opening would make one.
fn require_database(path: &Path) -> Result<()> {
    if fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Err(ChainError::NoDataDir(path.to_owned()));
    }
    #[cfg(feature = "rocksdb")]
    if !RocksStore::exists(path)? {
        return Err(ChainError::NoDatabase(path.to_owned()));
    }
    Ok(())
}

/// Fails for code that could not have entered the state by a transaction.
pub(super) fn check_code(code: &[u8], spec: &ChainSpec) -> Result<(), String> {
    let kind = CodeKind::of_created(code, spec.evm_code_bytes_max).map_err(|error| error.to_string())?;
    if matches!(kind, CodeKind::Program { .. } | CodeKind::Eei) {
        Program::of_code(code, &spec.protocol()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Loads a dump into a directory that is empty or not there.
pub struct DumpLoader {
    loader: Loader,
    gas_limit: u64,
}

impl std::fmt::Debug for DumpLoader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DumpLoader").finish_non_exhaustive()
    }
}

impl DumpLoader {
    /// Begins to load.
    pub fn new(path: &Path) -> Result<Self> {
        Ok(Self { loader: Loader::new(super::open_directory(path)?)?, gas_limit: 0 })
    }

    /// Adds the next block. Its hash must be that of its header.
    pub fn block(&mut self, records: &BlockRecords) -> Result<()> {
        let block = lathe_state::Block::from_records(records)
            .map_err(|error| ChainError::Dump(format!("block {}: {error}", records.hash)))?;
        let hash: B256 = record::read_header(block.header.clone()).hash_slow();
        if hash != records.hash {
            let (number, found) = (block.header.number, records.hash);
            return Err(ChainError::Dump(format!("block {number} hashes to {hash}, the dump says {found}")));
        }
        self.gas_limit = block.header.gas_limit;
        Ok(self.loader.block(block)?)
    }

    /// Adds code.
    pub fn code(&mut self, code: &[u8]) -> Result<()> {
        Ok(self.loader.code(code)?)
    }

    /// Adds an account.
    pub fn account(&mut self, address: Address, account: &Account) -> Result<()> {
        Ok(self.loader.account(address, account)?)
    }

    /// Adds a slot of an account.
    pub fn slot(&mut self, address: Address, slot: U256, value: U256) -> Result<()> {
        Ok(self.loader.slot(address, slot, value)?)
    }

    /// Checks that everything adds up to the last block's state root, and returns the block gas limit and that block.
    pub fn finish(
        self,
        chain_id: u64,
        imported: bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(u64, Head)> {
        let database = self.loader.finish(chain_id, imported, progress)?;
        Ok((self.gas_limit, database.view()?.head()))
    }
}
