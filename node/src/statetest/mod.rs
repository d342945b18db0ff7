//! Ethereum's `GeneralStateTests`: a state, a block, a transaction with several values for data, gas and value, and for each
//! fork the state root and the hash of the logs that each combination must lead to.
//!
//! A **case** is one such combination at one fork. The pre-state is taken as it is, whatever its code; the hash of an
//! earlier block is keccak256 of its number in decimal, as the tests' own tools have it.

mod format;

use std::sync::Arc;

use alloy_consensus::EMPTY_ROOT_HASH;
use alloy_primitives::{B256, Log, keccak256};
use lathe_state::{Block, Changes, Database, DatabaseOptions, Genesis, Header, MemoryStore, StateError};

use crate::{
    chain::ChainSpec,
    runtime::{BlockHashes, ExecuteError, Fork, Runtime, Status},
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

/// Runs the cases of tests on one chain.
#[derive(Debug)]
pub struct Runner {
    spec: ChainSpec,
    runtime: Runtime,
}

impl Runner {
    /// Makes a runner for a chain.
    pub fn new(spec: ChainSpec) -> Self {
        Self { runtime: Runtime::with_protocol(spec.protocol()), spec }
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
        if find_fork(network) != Some(self.spec.fork) {
            return Verdict::Skipped(format!("the chain's fork is {}", self.spec.fork.name()));
        }
        match self.execute(test, case) {
            Ok(Outcome { state_root, logs_hash, note }) => {
                let differing = |expected, found| (expected != found).then_some((expected, found));
                let state_root = differing(case.hash, state_root);
                let logs_hash = differing(case.logs, logs_hash);
                match (state_root, logs_hash) {
                    (None, None) => Verdict::Passed,
                    _ => Verdict::Failed(Difference { state_root, logs_hash, note }),
                }
            }
            Err(note) => Verdict::Failed(Difference { note, ..Difference::default() }),
        }
    }

    /// Runs a case. The error says why that cannot be done.
    fn execute(&self, test: &Test, case: &Case) -> Result<Outcome, String> {
        let request = test.request(case).map_err(|error| error.to_string())?;
        let internal = |error: StateError| error.to_string();
        let genesis = Genesis { chain_id: self.spec.chain_id, accounts: test.accounts() };
        let store = Arc::new(MemoryStore::new());
        let database = Database::open(store, DatabaseOptions::default(), &genesis, first_block);
        let database = database.map_err(internal)?;
        let view = Arc::new(database.view().map_err(internal)?);
        let block = test.env.block().map_err(|error| error.to_string())?;
        let mut executor = self.runtime.block_with(view, &block, BlockHashes::OfNumbers);
        let (logs, note, changes) = match executor.execute_request(&request) {
            Ok(executed) => {
                let note = match (&executed.status, executed.failure) {
                    (Status::Success { .. }, _) => format!("it succeeded with {} gas", executed.gas_used),
                    (Status::Reverted, _) => format!("it reverted with {} gas", executed.gas_used),
                    (Status::Halted(reason), None) => format!("it halted: {reason}"),
                    (Status::Halted(_), Some(failure)) => format!("it halted: {failure}"),
                };
                (executed.logs, note, executor.finish())
            }
            // The block without it is empty.
            Err(ExecuteError::Invalid(reason)) => {
                (Vec::new(), format!("it is invalid: {reason}"), Changes::default())
            }
            Err(error) => return Err(error.to_string()),
        };
        let state_root = database.prepare(&changes).map_err(internal)?.state_root();
        Ok(Outcome { state_root, logs_hash: logs_hash(&logs), note })
    }
}

/// What a transaction led to.
struct Outcome {
    state_root: B256,
    logs_hash: B256,
    note: String,
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
