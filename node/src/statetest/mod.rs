//! Ethereum's `GeneralStateTests`: a state, a block, a transaction with several values for data, gas and value, and for each
//! fork the state root and the hash of the logs that each combination must lead to.
//!
//! A **case** is one such combination at one fork. The pre-state is taken as it is: whatever its code, and with accounts
//! that are empty, which stay until something touches them (EIP-161). The block's beneficiary is touched by every block. The
//! hash of an earlier block is keccak256 of its number in decimal, as the tests' own tools have it.
//!
//! A case runs at its own fork, by the other rules of the chain.

mod format;
mod transaction;
mod value;

use std::sync::{Arc, OnceLock};

use alloy_consensus::EMPTY_ROOT_HASH;
use alloy_primitives::{Address, B256, Log, keccak256};
use lathe_state::{
    Account, AccountChange, Block, Changes, Database, DatabaseOptions, Genesis, Header, MemoryStore,
    StateError, View,
};

use crate::{
    chain::ChainSpec,
    runtime::{BlockHashes, ExecuteError, Executed, Fork, Protocol, Request, Runtime, Status},
};
use format::{Case, Test};
pub use format::{FormatError, TestFile};

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Root and logs are what the test says.
    Passed,
    /// They are not, or the case could not be run.
    Failed(Difference),
    /// It is none for this chain; the text says why.
    Skipped(String),
}

/// How a case differs from what its test says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The state root: expected, found.
    pub state_root: Option<(B256, B256)>,
    /// The hash of the logs: expected, found.
    pub logs_hash: Option<(B256, B256)>,
    /// How the transaction ended, or why there is nothing to compare.
    pub note: String,
}

/// A case that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// The test, its fork, and the indexes of data, gas and value.
    pub name: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// Runs the cases of tests by the rules of one chain.
#[derive(Debug)]
pub struct Runner {
    spec: ChainSpec,
    /// The chain's runtime at each fork, once a case has needed it.
    runtimes: [OnceLock<Runtime>; Fork::ALL.len()],
}

impl Runner {
    /// Makes a runner for a chain.
    pub fn new(spec: ChainSpec) -> Self {
        Self { spec, runtimes: Default::default() }
    }

    fn runtime(&self, fork: Fork) -> &Runtime {
        let make = || Runtime::with_protocol(Protocol { fork, ..self.spec.protocol() });
        self.runtimes[fork as usize].get_or_init(make)
    }

    /// Runs all cases of a file, in the order of tests, forks and indexes.
    pub fn run(&self, file: &TestFile) -> Vec<CaseReport> {
        let cases = file.tests.iter().flat_map(|(name, test)| {
            let networks = test.post.iter();
            networks
                .flat_map(move |(network, cases)| cases.iter().map(move |case| (name, test, network, case)))
        });
        let report = |(name, test, network, case): (&String, &Test, &String, &Case)| CaseReport {
            name: format!("{name} {network} {}", case.indexes),
            verdict: self.verdict(test, network, case),
        };
        cases.map(report).collect()
    }

    fn verdict(&self, test: &Test, network: &str, case: &Case) -> Verdict {
        let Some(fork) = find_fork(network) else {
            return Verdict::Skipped(format!("no chain here can have the fork {network}"));
        };
        match self.execute(test, fork, case) {
            Ok(Outcome { state_root, logs_hash, note, took_what_is_invalid }) => {
                let differing = |expected, found| (expected != found).then_some((expected, found));
                let state_root = differing(case.hash, state_root);
                let logs_hash = case.logs.and_then(|expected| differing(expected, logs_hash));
                match (state_root, logs_hash) {
                    (None, None) if !took_what_is_invalid => Verdict::Passed,
                    _ => Verdict::Failed(Difference { state_root, logs_hash, note }),
                }
            }
            Err(note) => Verdict::Failed(Difference { note, ..Difference::default() }),
        }
    }

    /// Runs a case. The error says why that cannot be done.
    fn execute(&self, test: &Test, fork: Fork, case: &Case) -> Result<Outcome, String> {
        let malformed = |error: FormatError| error.to_string();
        let internal = |error: StateError| error.to_string();
        let accounts = test.accounts().map_err(malformed)?;
        let genesis = Genesis { chain_id: self.spec.chain_id, accounts };
        let store = Arc::new(MemoryStore::new());
        let database = Database::open(store, DatabaseOptions::default(), &genesis, first_block);
        let database = database.map_err(internal)?;
        let view = Arc::new(database.view().map_err(internal)?);
        let (executed, mut changes) = match test.transaction.request(case.indexes) {
            Ok(request) => self.transact(&view, test, fork, &request)?,
            // No block takes what cannot be written down.
            Err(error) if error.is_of_transaction() => (Err(error.to_string()), Changes::default()),
            Err(error) => return Err(error.to_string()),
        };
        touch(&view, test.env.current_coinbase, &mut changes).map_err(internal)?;
        let (logs, mut note, is_valid) = match executed {
            Ok(executed) => {
                let note = describe(&executed);
                (executed.logs, note, true)
            }
            Err(reason) => (Vec::new(), format!("it is invalid: {reason}"), false),
        };
        let expected = case.expect_exception.as_deref().filter(|_| is_valid);
        if let Some(expected) = expected {
            note = format!("it was taken, but the test calls it invalid ({expected}): {note}");
        }
        let state_root = database.prepare(&changes).map_err(internal)?.state_root();
        let took_what_is_invalid = expected.is_some();
        Ok(Outcome { state_root, logs_hash: logs_hash(&logs), note, took_what_is_invalid })
    }

    /// Runs a transaction. Returns what it did and changed; inside is why it is invalid, if it is.
    fn transact(
        &self,
        view: &Arc<View>,
        test: &Test,
        fork: Fork,
        request: &Request,
    ) -> Result<(Result<Executed, String>, Changes), String> {
        let block = test.env.block(fork).map_err(|error| error.to_string())?;
        let excess = test.env.excess_blob_gas().map_err(|error| error.to_string())?;
        let mut executor = self.runtime(fork).block_with(view.clone(), &block, BlockHashes::OfNumbers);
        executor.set_excess_blob_gas(excess);
        match executor.execute_request(request) {
            Ok(executed) => Ok((Ok(executed), executor.finish())),
            // The block without it is empty.
            Err(ExecuteError::Invalid(reason)) => Ok((Err(reason), Changes::default())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Does what a block does to its beneficiary, if the transaction has not: one that is empty is gone.
fn touch(view: &View, beneficiary: Address, changes: &mut Changes) -> Result<(), StateError> {
    let is_untouched = !changes.accounts.contains_key(&beneficiary);
    if is_untouched && view.account(beneficiary)?.is_some_and(|account: Account| account.is_empty()) {
        changes.accounts.insert(beneficiary, AccountChange { storage_wiped: true, ..Default::default() });
    }
    Ok(())
}

/// Says how a transaction ended.
fn describe(executed: &Executed) -> String {
    match (&executed.status, &executed.failure) {
        (Status::Success { .. }, _) => format!("it succeeded with {} gas", executed.gas_used),
        (Status::Reverted, _) => format!("it reverted with {} gas", executed.gas_used),
        (Status::Halted(reason), None) => format!("it halted: {reason}"),
        (Status::Halted(_), Some(failure)) => format!("it halted: {failure}"),
    }
}

/// What a transaction led to.
struct Outcome {
    state_root: B256,
    logs_hash: B256,
    note: String,
    /// Whether the transaction ran although the test says that it is invalid.
    took_what_is_invalid: bool,
}

/// Returns the fork that a test calls by this name.
fn find_fork(network: &str) -> Option<Fork> {
    match network {
        "ConstantinopleFix" => Some(Fork::Petersburg),
        "Merge" => Some(Fork::Paris),
        name => Fork::find(name),
    }
}

/// Returns keccak256 of the RLP of the logs.
fn logs_hash(logs: &[Log]) -> B256 {
    let mut rlp = Vec::new();
    alloy_rlp::encode_list(logs, &mut rlp);
    keccak256(rlp)
}

/// A block to stand on; nobody looks at it.
fn first_block(state_root: B256) -> Block {
    let header = Header { state_root, receipts_root: EMPTY_ROOT_HASH, ..Header::default() };
    Block { hash: keccak256(state_root), header, ..Block::default() }
}
