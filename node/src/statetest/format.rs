//! The JSON of state tests, as `testeth` and its successors fill it.
//!
//! Numbers are text, hexadecimal with `0x` or decimal, with any leading zeros. What the file has besides (`_info`, the
//! transaction's bytes) decides nothing.

use std::{collections::BTreeMap, fmt};

use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_signer_local::PrivateKeySigner;
use lathe_state::GenesisAccount;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::runtime::{BlockContext, Request};

/// Why a test cannot be read or run.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file is no state test.
    #[error("this is no file of state tests: {0}")]
    Json(#[from] serde_json::Error),
    /// A number does not fit.
    #[error("{key} is {value}: it must be below 2^{bits}")]
    Number {
        /// The key.
        key: &'static str,
        /// Its value.
        value: U256,
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
    /// The transaction is of a kind that no chain here takes.
    #[error("transactions with {0} are not supported")]
    Unsupported(&'static str),
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
    transaction: Transaction,
    pub(super) post: BTreeMap<String, Vec<Case>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    current_coinbase: Address,
    current_number: Number,
    current_timestamp: Number,
    current_gas_limit: Number,
    #[serde(default)]
    current_difficulty: Number,
    current_random: Option<Number>,
    #[serde(default)]
    current_base_fee: Number,
}

#[derive(Debug, Deserialize)]
struct PreAccount {
    balance: Number,
    nonce: Number,
    #[serde(deserialize_with = "hex_bytes")]
    code: Bytes,
    #[serde(default)]
    storage: BTreeMap<Number, Number>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    data: Vec<HexBytes>,
    gas_limit: Vec<Number>,
    value: Vec<Number>,
    nonce: Number,
    #[serde(default)]
    to: String,
    secret_key: Option<Number>,
    sender: Option<Address>,
    gas_price: Option<Number>,
    max_fee_per_gas: Option<Number>,
    max_priority_fee_per_gas: Option<Number>,
    access_lists: Option<Vec<Option<AccessList>>>,
    blob_versioned_hashes: Option<Vec<B256>>,
    authorization_list: Option<serde_json::Value>,
}

/// One combination of data, gas and value, and what it leads to.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    pub(super) hash: B256,
    pub(super) logs: B256,
    pub(super) indexes: Indexes,
}

/// Indexes into the lists of the transaction.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Indexes {
    data: usize,
    gas: usize,
    value: usize,
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data {} gas {} value {}", self.data, self.gas, self.value)
    }
}

/// A number in any form that tests have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Number(U256);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = match text.strip_prefix("0x") {
            Some("") => Ok(U256::ZERO),
            Some(digits) => U256::from_str_radix(digits, 16),
            None => U256::from_str_radix(&text, 10),
        };
        number.map(Self).map_err(|_| D::Error::custom(format!("expected a number below 2^256, got {text:?}")))
    }
}

impl Number {
    fn u64(self, key: &'static str) -> Result<u64, FormatError> {
        u64::try_from(self.0).map_err(|_| FormatError::Number { key, value: self.0, bits: 64 })
    }

    fn u128(self, key: &'static str) -> Result<u128, FormatError> {
        u128::try_from(self.0).map_err(|_| FormatError::Number { key, value: self.0, bits: 128 })
    }
}

#[derive(Debug, Deserialize)]
struct HexBytes(#[serde(deserialize_with = "hex_bytes")] Bytes);

/// Reads bytes in hexadecimal, with or without `0x`.
fn hex_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    hex::decode(digits).map(Bytes::from).map_err(|error| D::Error::custom(format!("{error} in bytes")))
}

impl Env {
    pub(super) fn block(&self) -> Result<BlockContext, FormatError> {
        Ok(BlockContext {
            number: self.current_number.u64("currentNumber")?,
            timestamp: self.current_timestamp.u64("currentTimestamp")?,
            beneficiary: self.current_coinbase,
            gas_limit: self.current_gas_limit.u64("currentGasLimit")?,
            base_fee: self.current_base_fee.u64("currentBaseFee")?,
            prevrandao: self.current_random.unwrap_or(self.current_difficulty).0.into(),
        })
    }
}

impl Test {
    /// Returns the accounts before the transaction.
    pub(super) fn accounts(&self) -> Vec<GenesisAccount> {
        let account = |(&address, account): (&Address, &PreAccount)| GenesisAccount {
            address,
            balance: account.balance.0,
            // No account has sent so much.
            nonce: account.nonce.0.saturating_to(),
            code: account.code.clone(),
            storage: account.storage.iter().map(|(slot, value)| (slot.0, value.0)).collect(),
        };
        self.pre.iter().map(account).collect()
    }

    /// Returns the transaction of a case.
    pub(super) fn request(&self, case: &Case) -> Result<Request, FormatError> {
        let tx = &self.transaction;
        if tx.blob_versioned_hashes.is_some() {
            return Err(FormatError::Unsupported("blobs"));
        }
        if tx.authorization_list.is_some() {
            return Err(FormatError::Unsupported("authorizations"));
        }
        let Indexes { data, gas, value } = case.indexes;
        let access_list = match &tx.access_lists {
            Some(lists) => pick("accessLists", lists, data)?.clone().unwrap_or_default(),
            None => AccessList::default(),
        };
        let gas_price = tx.gas_price.or(tx.max_fee_per_gas).unwrap_or_default();
        let tip = tx.max_priority_fee_per_gas;
        Ok(Request {
            from: self.sender()?,
            to: (!tx.to.is_empty())
                .then(|| tx.to.parse())
                .transpose()
                .map_err(|_| FormatError::Unsupported("such a `to`"))?,
            gas: pick("gasLimit", &tx.gas_limit, gas)?.u64("gasLimit")?,
            gas_price: gas_price.u128("gasPrice")?,
            priority_fee: tip.map(|tip| tip.u128("maxPriorityFeePerGas")).transpose()?,
            value: pick("value", &tx.value, value)?.0,
            data: pick("data", &tx.data, data)?.0.clone(),
            nonce: Some(tx.nonce.u64("nonce")?),
            access_list,
            authorizations: Vec::new(),
        })
    }

    fn sender(&self) -> Result<Address, FormatError> {
        if let Some(sender) = self.transaction.sender {
            return Ok(sender);
        }
        let key = self.transaction.secret_key.ok_or(FormatError::Sender)?;
        let signer = PrivateKeySigner::from_bytes(&key.0.into()).map_err(|_| FormatError::Key)?;
        Ok(signer.address())
    }
}

fn pick<'a, T>(key: &'static str, list: &'a [T], index: usize) -> Result<&'a T, FormatError> {
    list.get(index).ok_or(FormatError::Index { key, index, length: list.len() })
}
