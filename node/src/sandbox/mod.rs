//! A sandbox for tests of contracts: it runs the real modules by the node's own rules, in process, in microseconds.
//!
//! A call answers what the contract returned, typed, with its gas, logs and console output, or says why it failed as
//! a debugger would. Nothing is mined: the state is in memory, the block is what the test says it is.
//!
//! It needs no feature of this crate; a test's manifest turns the default ones off, which leaves out the database, the
//! server and the command line:
//!
//! ```toml
//! [dev-dependencies]
//! lathe-node = { path = "../lathe/node", default-features = false }
//! ```
//!
//! ```
//! use alloy_primitives::U256;
//! use alloy_sol_types::sol;
//! use lathe_node::sandbox::{Expect, Sandbox};
//!
//! sol! {
//!     function number() returns (uint256);
//!     function setNumber(uint256 number);
//!     function increment();
//!     event NumberChanged(uint256 number);
//!     error NumberOverflow(uint256 number, uint256 operand);
//! }
//!
//! # fn main() -> Result<(), lathe_node::sandbox::Error> {
//! let module = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/counter/counter.wasm")).unwrap();
//! let mut sandbox = Sandbox::new();
//! let counter = sandbox.deploy(&module)?.answer;
//!
//! let done = sandbox.send(counter, setNumberCall { number: U256::from(41) })?;
//! assert_eq!(done.events::<NumberChanged>()[0].number, U256::from(41));
//! assert!(done.gas_used < 100_000);
//!
//! // A snapshot costs nothing to make, and going back costs what was changed since.
//! let before = sandbox.snapshot();
//! sandbox.send(counter, incrementCall {})?;
//! assert_eq!(sandbox.call(counter, numberCall {})?.answer, U256::from(42));
//! sandbox.revert_to(before);
//! assert_eq!(sandbox.call(counter, numberCall {})?.answer, U256::from(41));
//!
//! // Reverts are values; here is one that must come.
//! sandbox.send(counter, setNumberCall { number: U256::MAX })?;
//! let overflow = sandbox.send(counter, incrementCall {}).expect_revert::<NumberOverflow>();
//! assert_eq!(overflow.number, U256::MAX);
//! # Ok(())
//! # }
//! ```
//!
//! Contracts with SCALE messages are called by [`scale`], functions whose types are known at run time only by
//! [`solidity`], and anything else by [`Raw`] bytes:
//!
//! ```
//! use lathe_node::sandbox::{Expect, Sandbox, scale};
//!
//! # fn main() -> Result<(), lathe_node::sandbox::Error> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/calculator/calculator.wasm");
//! let mut sandbox = Sandbox::new();
//! let calculator = sandbox.deploy(&std::fs::read(path).unwrap())?.answer;
//! let ask = |text| scale::<String>("text_received", &(text, "alice", ""));
//! assert_eq!(sandbox.send(calculator, ask("23*63"))?.answer, "1449");
//! assert_eq!(sandbox.send(calculator, ask("+1"))?.answer, "1450");
//! assert_eq!(sandbox.send(calculator, ask("1/0")).expect_reason(), "column 2: division by zero");
//! # Ok(())
//! # }
//! ```

mod error;
mod expect;
mod message;
mod outcome;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};

use crate::{
    chain::{ChainSpec, GENESIS_BASE_FEE, GENESIS_TIMESTAMP},
    runtime::{
        BlockContext, Keep, Request, Runtime, Session,
        code::{ENVELOPE_PREFIX, FLAG_CONSTRUCTOR},
    },
};

pub use error::{Error, ErrorKind};
pub use expect::Expect;
#[cfg(feature = "server")]
pub(crate) use message::matching;
pub use message::{Message, Raw, Scale, Solidity, SolidityError, scale, solidity};
pub use outcome::Done;

/// What an account that [`Sandbox::account`] makes begins with: 10,000 ether, as on a devnet.
pub const ACCOUNT_BALANCE_WEI: u128 = 10_000_000_000_000_000_000_000;

/// A world to run contracts in. See the [module](self).
#[derive(Debug)]
pub struct Sandbox {
    session: Session,
    /// The block that the next call is in.
    block: BlockContext,
    gas_limit: u64,
    /// Who calls when nobody else is to.
    caller: Address,
    prank: Option<Prank>,
    labels: BTreeMap<Address, String>,
    snapshots: Vec<Snapshot>,
}

/// Who calls instead of the default caller.
#[derive(Debug, Clone, Copy)]
struct Prank {
    sender: Address,
    /// Whether it is over after the next call.
    is_once: bool,
}

/// Where [`Sandbox::revert_to`] goes.
#[derive(Debug, Clone, Copy)]
struct Snapshot {
    mark: usize,
    block: BlockContext,
}

/// The name of a [snapshot](Sandbox::snapshot).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotId(usize);

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// Makes a sandbox with the rules of the devnet.
    pub fn new() -> Self {
        Self::with_spec(&ChainSpec::default())
    }

    /// Makes a sandbox with the rules of a chain, and the contracts that it begins with.
    pub fn with_spec(spec: &ChainSpec) -> Self {
        let runtime = Runtime::with_protocol(spec.protocol());
        let session = Session::new(&runtime, &spec.genesis(&[], U256::ZERO));
        let block = BlockContext {
            number: 1,
            timestamp: GENESIS_TIMESTAMP,
            beneficiary: Address::ZERO,
            gas_limit: spec.gas_limit,
            base_fee: GENESIS_BASE_FEE,
            prevrandao: B256::ZERO,
        };
        let mut sandbox = Self {
            session,
            block,
            gas_limit: spec.gas_limit,
            caller: Address::ZERO,
            prank: None,
            labels: BTreeMap::new(),
            snapshots: Vec::new(),
        };
        sandbox.caller = sandbox.account("caller");
        sandbox
    }

    /// Returns the account of this name, made with [`ACCOUNT_BALANCE_WEI`] when it is first asked for. Errors show
    /// the name.
    pub fn account(&mut self, name: &str) -> Address {
        let address = Address::from_word(keccak256(name));
        if !self.labels.contains_key(&address) {
            self.deal(address, U256::from(ACCOUNT_BALANCE_WEI));
            self.label(address, name);
        }
        address
    }

    /// Gives an address a name, which errors show.
    pub fn label(&mut self, address: Address, name: &str) {
        self.labels.insert(address, name.to_owned());
    }

    /// Creates a contract from a module that has no constructor.
    pub fn deploy(&mut self, module: &[u8]) -> Result<Done<Address>, Error> {
        self.create(envelope(0, module, &[]), U256::ZERO)
    }

    /// Creates a contract and runs its constructor with these arguments, encoded, and this value in wei.
    pub fn deploy_with(
        &mut self,
        module: &[u8],
        arguments: &[u8],
        value: U256,
    ) -> Result<Done<Address>, Error> {
        self.create(envelope(FLAG_CONSTRUCTOR, module, arguments), value)
    }

    /// Creates a contract from creation data of any kind, EVM init code included.
    pub fn create(&mut self, creation: impl Into<Bytes>, value: U256) -> Result<Done<Address>, Error> {
        let executed = self.execute(None, creation.into(), value, Keep::Changes)?;
        Done::creation(executed, &self.labels)
    }

    /// Runs a message and keeps what it does.
    pub fn send<M: Message>(&mut self, to: Address, message: M) -> Result<Done<M::Answer>, Error> {
        self.send_value(to, message, U256::ZERO)
    }

    /// Runs a message that this many wei come with, and keeps what it does.
    pub fn send_value<M: Message>(
        &mut self,
        to: Address,
        message: M,
        value: U256,
    ) -> Result<Done<M::Answer>, Error> {
        let executed = self.execute(Some(to), message.calldata().into(), value, Keep::Changes)?;
        Done::answer(executed, &message, &self.labels)
    }

    /// Runs a message and keeps nothing of what it does.
    pub fn call<M: Message>(&mut self, to: Address, message: M) -> Result<Done<M::Answer>, Error> {
        let executed = self.execute(Some(to), message.calldata().into(), U256::ZERO, Keep::Nothing)?;
        Done::answer(executed, &message, &self.labels)
    }

    fn execute(
        &mut self,
        to: Option<Address>,
        data: Bytes,
        value: U256,
        keep: Keep,
    ) -> Result<crate::runtime::Executed, Error> {
        let from = self.prank.map_or(self.caller, |prank| prank.sender);
        self.prank = self.prank.filter(|prank| !prank.is_once);
        let request = Request { from, to, gas: self.gas_limit, value, data, ..Request::default() };
        self.session.execute(&self.block, &request, keep).map_err(Error::not_run)
    }

    /// Lets `sender` make the next call.
    pub fn prank(&mut self, sender: Address) {
        self.prank = Some(Prank { sender, is_once: true });
    }

    /// Lets `sender` make all calls until [`stop_prank`](Self::stop_prank).
    pub fn start_prank(&mut self, sender: Address) {
        self.prank = Some(Prank { sender, is_once: false });
    }

    /// Lets the default caller make the calls again.
    pub fn stop_prank(&mut self) {
        self.prank = None;
    }

    /// Sets the timestamp of the block, in seconds since 1970.
    pub fn warp(&mut self, timestamp: u64) {
        self.block.timestamp = timestamp;
    }

    /// Sets the number of the block.
    pub fn roll(&mut self, number: u64) {
        self.block.number = number;
    }

    /// Returns the block that the next call is in, to change anything of it.
    pub fn block_mut(&mut self) -> &mut BlockContext {
        &mut self.block
    }

    /// Sets the gas limit of calls; it begins as that of a block.
    pub fn set_gas_limit(&mut self, gas: u64) {
        self.gas_limit = gas;
    }

    /// Sets the balance of an account in wei.
    pub fn deal(&mut self, address: Address, balance: U256) {
        self.session.set_balance(address, balance);
    }

    /// Sets a storage slot.
    pub fn store(&mut self, address: Address, slot: U256, value: U256) {
        self.session.set_storage(address, slot, value);
    }

    /// Sets the code of an account, as it would be stored.
    pub fn etch(&mut self, address: Address, code: impl Into<Bytes>) {
        self.session.set_code(address, code.into());
    }

    /// Returns a storage slot.
    pub fn load(&mut self, address: Address, slot: U256) -> U256 {
        self.session.storage(address, slot)
    }

    /// Returns the balance of an account in wei.
    pub fn balance(&mut self, address: Address) -> U256 {
        self.session.balance(address)
    }

    /// Returns the nonce of an account.
    pub fn nonce(&mut self, address: Address) -> u64 {
        self.session.nonce(address)
    }

    /// Returns the code of an account as it is stored.
    pub fn code(&mut self, address: Address) -> Bytes {
        self.session.code(address)
    }

    /// Remembers state and block.
    pub fn snapshot(&mut self) -> SnapshotId {
        self.snapshots.push(Snapshot { mark: self.session.mark(), block: self.block });
        SnapshotId(self.snapshots.len() - 1)
    }

    /// Goes back to a snapshot, and forgets those made after it. The snapshot itself stays.
    ///
    /// # Panics
    /// If the snapshot was made after one that was gone back to.
    pub fn revert_to(&mut self, id: SnapshotId) {
        let Some(&Snapshot { mark, block }) = self.snapshots.get(id.0) else {
            panic!("snapshot {} is gone: an earlier one was gone back to", id.0)
        };
        self.snapshots.truncate(id.0 + 1);
        self.session.back_to(mark);
        self.block = block;
    }
}

/// Makes creation data of a module.
fn envelope(flags: u8, module: &[u8], arguments: &[u8]) -> Bytes {
    // A module of 4 GiB is refused for its length all the same.
    let length = u32::try_from(module.len()).unwrap_or(u32::MAX);
    Bytes::from([&ENVELOPE_PREFIX[..], &[flags], &length.to_be_bytes(), module, arguments].concat())
}
