//! The JSON of state tests, as `testeth` and its successors fill it.
//!
//! What a file has besides (`_info`, the bytes of the transaction, the state afterwards) decides nothing.

use std::{collections::BTreeMap, fmt};

use alloy_primitives::{Address, B256};
use lathe_state::GenesisAccount;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    transaction::Transaction,
    value::{HexBytes, Number},
};
use crate::runtime::{BlockContext, Fork};

/// Base fee of a block that has one, but whose test says none: as geth and `testeth` have it.
const BASE_FEE_DEFAULT: u64 = 10;

/// Why a test cannot be read or run.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file is no state test.
    #[error("this is no file of state tests: {0}")]
    Json(#[from] serde_json::Error),
    /// A number does not fit its field.
    #[error("{key} does not fit {bits} bits")]
    Number {
        /// The key.
        key: &'static str,
        /// The bits there are for it.
        bits: u32,
    },
    /// An index is beyond its list.
    #[error("index {index} of {key}: there are {length}")]
    Index {
        /// The key.
        key: &'static str,
        /// The index.
        index: usize,
        /// How many there are.
        length: usize,
    },
    /// Nobody sends the transaction.
    #[error("the transaction has neither a sender nor a secret key")]
    Sender,
    /// The key of the sender is none.
    #[error("secretKey is no key of secp256k1")]
    Key,
    /// There is no such transaction.
    #[error("there is no such transaction: {0}")]
    NoTransaction(&'static str),
}

impl FormatError {
    /// Returns whether it is the transaction that is wrong, and not the test.
    pub(super) fn is_of_transaction(&self) -> bool {
        matches!(self, Self::Number { .. } | Self::NoTransaction(_))
    }
}

/// The tests of a file, by name.
#[derive(Debug)]
pub struct TestFile {
    pub(super) tests: BTreeMap<String, Test>,
}

impl TestFile {
    /// Reads a file.
    pub fn parse(json: &[u8]) -> Result<Self, FormatError> {
        Ok(Self { tests: serde_json::from_slice(json)? })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Test {
    pub(super) env: Env,
    pre: BTreeMap<Address, PreAccount>,
    pub(super) transaction: Transaction,
    pub(super) post: BTreeMap<String, Vec<Case>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    pub(super) current_coinbase: Address,
    current_number: Number,
    current_timestamp: Number,
    current_gas_limit: Number,
    #[serde(default)]
    current_difficulty: Number,
    current_random: Option<Number>,
    current_base_fee: Option<Number>,
    #[serde(default)]
    current_excess_blob_gas: Number,
}

#[derive(Debug, Deserialize)]
struct PreAccount {
    #[serde(default)]
    balance: Number,
    #[serde(default)]
    nonce: Number,
    #[serde(default)]
    code: HexBytes,
    #[serde(default)]
    storage: BTreeMap<Number, Number>,
}

/// One combination of data, gas and value, and what it leads to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Case {
    pub(super) hash: B256,
    pub(super) logs: Option<B256>,
    #[serde(default)]
    pub(super) indexes: Indexes,
    /// Why no block takes the transaction, in words of the test's author.
    pub(super) expect_exception: Option<String>,
}

/// Indexes into the lists of the transaction.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Indexes {
    #[serde(default, deserialize_with = "index")]
    pub(super) data: usize,
    #[serde(default, deserialize_with = "index")]
    pub(super) gas: usize,
    #[serde(default, deserialize_with = "index")]
    pub(super) value: usize,
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data {} gas {} value {}", self.data, self.gas, self.value)
    }
}

/// Reads an index, a number in any form.
fn index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let index = Number::deserialize(deserializer)?.u64("an index").map_err(D::Error::custom)?;
    usize::try_from(index).map_err(D::Error::custom)
}

impl Env {
    /// Returns the block, as a fork has it.
    pub(super) fn block(&self, fork: Fork) -> Result<BlockContext, FormatError> {
        let base_fee = match self.current_base_fee {
            _ if fork < Fork::London => 0,
            Some(fee) => fee.u64("currentBaseFee")?,
            None => BASE_FEE_DEFAULT,
        };
        let difficulty = if fork < Fork::Paris { None } else { self.current_random };
        Ok(BlockContext {
            number: self.current_number.u64("currentNumber")?,
            timestamp: self.current_timestamp.u64("currentTimestamp")?,
            beneficiary: self.current_coinbase,
            gas_limit: self.current_gas_limit.u64("currentGasLimit")?,
            base_fee,
            prevrandao: difficulty.unwrap_or(self.current_difficulty).hash("currentRandom")?,
            chain_id: None,
        })
    }

    /// Returns by how much gas there were too many blobs before.
    pub(super) fn excess_blob_gas(&self) -> Result<u64, FormatError> {
        self.current_excess_blob_gas.u64("currentExcessBlobGas")
    }
}

impl Test {
    /// Returns the accounts before the transaction.
    pub(super) fn accounts(&self) -> Result<Vec<GenesisAccount>, FormatError> {
        let account = |(&address, account): (&Address, &PreAccount)| {
            let slots = account.storage.iter();
            let slots = slots.map(|(slot, value)| Ok((slot.word("a slot")?, value.word("a slot's value")?)));
            Ok(GenesisAccount {
                address,
                balance: account.balance.word("balance")?,
                nonce: account.nonce.u64("nonce of an account")?,
                code: account.code.0.clone(),
                storage: slots.collect::<Result<_, FormatError>>()?,
            })
        };
        self.pre.iter().map(account).collect()
    }
}
