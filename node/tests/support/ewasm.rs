//! EEI contracts and a state to run them in.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U256, address, keccak256};
use lathe_node::{
    chain::ChainSpec,
    runtime::{BlockContext, BlockHashes, Executed, Request, Runtime, Status},
};
use lathe_state::{
    AccountChange, Block, Changes, Database, DatabaseOptions, Genesis, GenesisAccount, Header, MemoryStore,
};

use super::{wasm, word};

/// Who sends transactions.
pub(crate) const SENDER: Address = address!("a94f5374fce5edbc8e2a8697c15331677e6ebf0b");
/// The contract that is called.
pub(crate) const CONTRACT: Address = address!("00000000000000000000000000000000000000c0");
/// Receives the fees.
pub(crate) const COINBASE: Address = address!("2adc25665018aa1fe0e6bc666dac8fc2697ff9ba");
/// The number of the block.
pub(crate) const NUMBER: u64 = 300;
/// The timestamp of the block.
pub(crate) const TIMESTAMP: u64 = 1_000;
/// The gas limit of the block.
pub(crate) const BLOCK_GAS: u64 = 90_000_000;
/// The gas limit of transactions.
pub(crate) const TX_GAS: u64 = 5_000_000;
/// What a transaction without calldata pays before anything runs.
pub(crate) const INTRINSIC_GAS: u64 = 21_000;
/// What the contract owns.
pub(crate) const BALANCE: u64 = 1_000_000;

/// Every function of EEI, by its own name, then memory.
pub(crate) const IMPORTS: &str = r#"
    (import "ethereum" "useGas" (func $useGas (param i64)))
    (import "ethereum" "getGasLeft" (func $getGasLeft (result i64)))
    (import "ethereum" "getAddress" (func $getAddress (param i32)))
    (import "ethereum" "getExternalBalance" (func $getExternalBalance (param i32 i32)))
    (import "ethereum" "getBlockHash" (func $getBlockHash (param i64 i32) (result i32)))
    (import "ethereum" "call" (func $call (param i64 i32 i32 i32 i32) (result i32)))
    (import "ethereum" "callDataCopy" (func $callDataCopy (param i32 i32 i32)))
    (import "ethereum" "getCallDataSize" (func $getCallDataSize (result i32)))
    (import "ethereum" "callCode" (func $callCode (param i64 i32 i32 i32 i32) (result i32)))
    (import "ethereum" "callDelegate" (func $callDelegate (param i64 i32 i32 i32) (result i32)))
    (import "ethereum" "callStatic" (func $callStatic (param i64 i32 i32 i32) (result i32)))
    (import "ethereum" "storageStore" (func $storageStore (param i32 i32)))
    (import "ethereum" "storageLoad" (func $storageLoad (param i32 i32)))
    (import "ethereum" "getCaller" (func $getCaller (param i32)))
    (import "ethereum" "getCallValue" (func $getCallValue (param i32)))
    (import "ethereum" "codeCopy" (func $codeCopy (param i32 i32 i32)))
    (import "ethereum" "getCodeSize" (func $getCodeSize (result i32)))
    (import "ethereum" "getBlockCoinbase" (func $getBlockCoinbase (param i32)))
    (import "ethereum" "create" (func $create (param i32 i32 i32 i32) (result i32)))
    (import "ethereum" "getBlockDifficulty" (func $getBlockDifficulty (param i32)))
    (import "ethereum" "externalCodeCopy" (func $externalCodeCopy (param i32 i32 i32 i32)))
    (import "ethereum" "getExternalCodeSize" (func $getExternalCodeSize (param i32) (result i32)))
    (import "ethereum" "getBlockGasLimit" (func $getBlockGasLimit (result i64)))
    (import "ethereum" "getTxGasPrice" (func $getTxGasPrice (param i32)))
    (import "ethereum" "log" (func $log (param i32 i32 i32 i32 i32 i32 i32)))
    (import "ethereum" "getBlockNumber" (func $getBlockNumber (result i64)))
    (import "ethereum" "getTxOrigin" (func $getTxOrigin (param i32)))
    (import "ethereum" "finish" (func $finish (param i32 i32)))
    (import "ethereum" "revert" (func $revert (param i32 i32)))
    (import "ethereum" "getReturnDataSize" (func $getReturnDataSize (result i32)))
    (import "ethereum" "returnDataCopy" (func $returnDataCopy (param i32 i32 i32)))
    (import "ethereum" "selfDestruct" (func $selfDestruct (param i32)))
    (import "ethereum" "getBlockTimestamp" (func $getBlockTimestamp (result i64)))
"#;

/// Returns a contract whose `main` is this code. Memory has one page.
pub(crate) fn contract(body: &str) -> Vec<u8> {
    contract_with(body, "")
}

/// Returns the same with data segments or other definitions.
pub(crate) fn contract_with(body: &str, definitions: &str) -> Vec<u8> {
    wasm(&format!(
        "(module {IMPORTS} (memory (export \"memory\") 1) {definitions} (func (export \"main\") {body}))"
    ))
}

/// Returns a data segment.
pub(crate) fn data(at: usize, bytes: &[u8]) -> String {
    format!("(data (i32.const {at}) \"{}\")", super::wat_string(bytes))
}

/// A second contract.
pub(crate) const OTHER: Address = address!("00000000000000000000000000000000000000d0");
/// An account that nobody has heard of.
pub(crate) const NOBODY: Address = address!("00000000000000000000000000000000000000e0");
/// Where tests keep the address of [`OTHER`] in memory.
pub(crate) const OTHER_AT: usize = 100;
/// Where they keep the address of [`NOBODY`].
pub(crate) const NOBODY_AT: usize = 120;
/// Where they keep 1, as 32 bytes little-endian.
pub(crate) const ONE_AT: usize = 160;
/// Where they keep 1, as a slot.
pub(crate) const SLOT_ONE_AT: usize = 224;

/// Definitions that most contracts here share.
pub(crate) fn constants() -> String {
    [
        data(OTHER_AT, OTHER.as_slice()),
        data(NOBODY_AT, NOBODY.as_slice()),
        data(ONE_AT, &U256::from(1).to_le_bytes::<32>()),
        data(SLOT_ONE_AT, &word(1)),
    ]
    .concat()
}

pub(crate) fn with_constants(body: &str) -> Vec<u8> {
    contract_with(body, &constants())
}

/// Runs a body that has the constants.
pub(crate) fn run(body: &str) -> Ran {
    World::new(with_constants(body)).call()
}

/// Runs a body that returns memory from 0.
pub(crate) fn output(world: World) -> Vec<u8> {
    world.call().output().to_vec()
}

/// A contract that returns `bytes` bytes from 0 after `body`.
pub(crate) fn returning(body: &str, bytes: u32) -> Vec<u8> {
    with_constants(&format!("{body} (call $finish (i32.const 0) (i32.const {bytes}))"))
}

/// A state, and the chain whose rules hold.
pub(crate) struct World {
    spec: ChainSpec,
    accounts: Vec<GenesisAccount>,
    value: u64,
    data: Bytes,
}

/// What a transaction did.
pub(crate) struct Ran {
    pub(crate) executed: Executed,
    pub(crate) changes: Changes,
}

impl World {
    /// Returns a state of the chain `ewasm` with a contract at [`CONTRACT`].
    pub(crate) fn new(code: Vec<u8>) -> Self {
        Self::on(ChainSpec::EWASM, code)
    }

    /// Returns a state of a chain with a contract at [`CONTRACT`].
    pub(crate) fn on(spec: ChainSpec, code: Vec<u8>) -> Self {
        let sender = GenesisAccount {
            address: SENDER,
            balance: U256::from(10).pow(U256::from(18)),
            ..Default::default()
        };
        let world = Self { spec, accounts: vec![sender], value: 0, data: Bytes::new() };
        world.with(CONTRACT, code)
    }

    /// Adds a contract.
    pub(crate) fn with(self, address: Address, code: Vec<u8>) -> Self {
        self.with_account(GenesisAccount {
            address,
            balance: U256::from(BALANCE),
            code: code.into(),
            ..Default::default()
        })
    }

    /// Adds an account, or replaces it.
    pub(crate) fn with_account(mut self, account: GenesisAccount) -> Self {
        self.accounts.retain(|other| other.address != account.address);
        self.accounts.push(account);
        self
    }

    pub(crate) fn with_slot(mut self, slot: u64, value: u64) -> Self {
        let contract = self.accounts.iter_mut().find(|account| account.address == CONTRACT).unwrap();
        contract.storage.push((U256::from(slot), U256::from(value)));
        self
    }

    pub(crate) fn sending(mut self, value: u64, data: impl Into<Bytes>) -> Self {
        (self.value, self.data) = (value, data.into());
        self
    }

    /// Calls the contract.
    pub(crate) fn call(&self) -> Ran {
        self.call_with(TX_GAS)
    }

    pub(crate) fn call_with(&self, gas: u64) -> Ran {
        self.transact(Some(CONTRACT), gas)
    }

    /// Creates a contract from the calldata.
    pub(crate) fn create(&self) -> Ran {
        self.transact(None, TX_GAS)
    }

    fn transact(&self, to: Option<Address>, gas: u64) -> Ran {
        let genesis = Genesis { chain_id: self.spec.chain_id, accounts: self.accounts.clone() };
        let block = |state_root| Block {
            hash: keccak256(state_root),
            header: Header { state_root, ..Default::default() },
            ..Default::default()
        };
        let store = Arc::new(MemoryStore::new());
        let database = Database::open(store, DatabaseOptions::default(), &genesis, block).unwrap();
        let block = BlockContext {
            number: NUMBER,
            timestamp: TIMESTAMP,
            beneficiary: COINBASE,
            gas_limit: gas.max(BLOCK_GAS),
            base_fee: 0,
            prevrandao: U256::from(0x020000).into(),
            chain_id: None,
        };
        let request = Request {
            from: SENDER,
            to,
            gas,
            gas_price: 1,
            value: U256::from(self.value),
            data: self.data.clone(),
            nonce: Some(0),
            ..Default::default()
        };
        let runtime = Runtime::with_protocol(self.spec.protocol());
        let view = Arc::new(database.view().unwrap());
        let mut executor = runtime.block_with(view, &block, BlockHashes::OfNumbers);
        let executed = executor.execute_request(&request).unwrap();
        let changes = executor.finish();
        database.prepare(&changes).unwrap();
        Ran { executed, changes }
    }
}

impl Ran {
    /// Returns what the transaction returned. Panics if it failed.
    pub(crate) fn output(&self) -> &[u8] {
        assert!(self.succeeded(), "{:?}: {:?}", self.executed.status, self.executed.failure);
        &self.executed.output
    }

    pub(crate) fn succeeded(&self) -> bool {
        matches!(self.executed.status, Status::Success { .. })
    }

    /// Returns the contract that the transaction created.
    pub(crate) fn created(&self) -> Option<Address> {
        match self.executed.status {
            Status::Success { created } => created,
            _ => None,
        }
    }

    /// Returns whether the transaction halted and burned its gas.
    pub(crate) fn burned(&self) -> bool {
        matches!(self.executed.status, Status::Halted(_)) && self.executed.gas_used == TX_GAS
    }

    /// Returns the gas that the contract used.
    pub(crate) fn gas(&self) -> u64 {
        self.executed.gas_used - INTRINSIC_GAS
    }

    pub(crate) fn account(&self, address: Address) -> Option<&AccountChange> {
        self.changes.accounts.get(&address)
    }

    /// Returns what a slot of the contract was set to.
    pub(crate) fn slot(&self, slot: u64) -> Option<U256> {
        self.account(CONTRACT)?.storage.get(&U256::from(slot)).copied()
    }

    pub(crate) fn balance(&self, address: Address) -> Option<U256> {
        Some(self.account(address)?.info?.balance)
    }
}
