//! A genesis file as geth reads it: `config.chainId`, `alloc`, and of the header gas limit, timestamp, coinbase, base fee, mix hash
//! and extra data.
//!
//! What else the file has (difficulty, seal, forks) means nothing here: the rules are this chain's own. Their hash comes before
//! the file's extra data.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use lathe_state::{Genesis, GenesisAccount};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::chain::{ChainSpec, DEFAULT_GAS_LIMIT, FirstBlock, TIMESTAMP_MAX};

/// Bytes of extra data: what a network with thirty signers puts there.
const EXTRA_BYTES_MAX: usize = 1024;

/// What is read of the file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct GethGenesis {
    config: Config,
    #[serde(default, deserialize_with = "optional_number")]
    gas_limit: Option<U256>,
    #[serde(default, deserialize_with = "optional_number")]
    timestamp: Option<U256>,
    #[serde(default, deserialize_with = "optional_number")]
    base_fee_per_gas: Option<U256>,
    #[serde(default)]
    coinbase: Address,
    #[serde(default, alias = "mixhash")]
    mix_hash: B256,
    #[serde(default)]
    extra_data: Bytes,
    alloc: BTreeMap<String, AllocAccount>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    chain_id: u64,
}

#[derive(Debug, Deserialize)]
struct AllocAccount {
    #[serde(default, deserialize_with = "optional_number")]
    balance: Option<U256>,
    #[serde(default, deserialize_with = "optional_number")]
    nonce: Option<U256>,
    #[serde(default)]
    code: Bytes,
    #[serde(default)]
    storage: BTreeMap<String, String>,
}

/// Reads a number as geth's files have them: JSON, decimal text, or hex text.
fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<U256>, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text,
        other => return Err(D::Error::custom(format!("expected a number, got {other}"))),
    };
    parse_number(&number).map(Some).map_err(D::Error::custom)
}

fn parse_number(text: &str) -> Result<U256, String> {
    let parsed = match text.strip_prefix("0x") {
        Some("") => Ok(U256::ZERO),
        Some(digits) => U256::from_str_radix(digits, 16),
        None => U256::from_str_radix(text, 10),
    };
    parsed.map_err(|_| format!("expected a number of at most 32 bytes, got {text:?}"))
}

/// Reads a storage key or value: hex, with or without 0x.
fn parse_word(text: &str) -> Result<U256, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    U256::from_str_radix(if digits.is_empty() { "0" } else { digits }, 16)
        .map_err(|_| format!("expected at most 32 bytes of hex, got {text:?}"))
}

impl GethGenesis {
    /// Returns the rules and the accounts that the file asks for.
    pub(in crate::cli) fn into_parts(self) -> Result<(ChainSpec, Genesis), String> {
        let number = |key: &str, value: Option<U256>, default: u64| {
            let Some(value) = value else { return Ok(default) };
            value.try_into().map_err(|_| format!("{key} {value} is larger than 8 bytes"))
        };
        let gas_limit = number("gasLimit", self.gas_limit, DEFAULT_GAS_LIMIT)?;
        let devnet = FirstBlock::DEVNET;
        let timestamp = number("timestamp", self.timestamp, devnet.timestamp)?;
        if timestamp > TIMESTAMP_MAX {
            return Err(format!(
                "timestamp {timestamp} is later than {TIMESTAMP_MAX}, the end of the year 9999"
            ));
        }
        if self.extra_data.len() > EXTRA_BYTES_MAX {
            let bytes = self.extra_data.len();
            return Err(format!("extraData has {bytes} bytes, the limit is {EXTRA_BYTES_MAX}"));
        }
        let first = FirstBlock {
            timestamp,
            base_fee: number("baseFeePerGas", self.base_fee_per_gas, devnet.base_fee)?,
            beneficiary: self.coinbase,
            mix_hash: self.mix_hash,
            extra_data: self.extra_data,
        };
        let spec = ChainSpec { chain_id: self.config.chain_id, gas_limit, first, ..ChainSpec::default() };
        let mut accounts = Vec::with_capacity(self.alloc.len());
        for (text, account) in self.alloc {
            let wrong = |why: String| format!("alloc {text}: {why}");
            // Geth takes addresses without 0x.
            let digits = text.strip_prefix("0x").unwrap_or(&text);
            let address: Address =
                digits.parse().map_err(|error| wrong(format!("expected an address: {error}")))?;
            let nonce = account.nonce.unwrap_or_default();
            let nonce =
                nonce.try_into().map_err(|_| wrong(format!("nonce {nonce} is larger than 8 bytes")))?;
            let word = |(slot, value): (&String, &String)| Ok((parse_word(slot)?, parse_word(value)?));
            let storage = account.storage.iter().map(word).collect::<Result<_, String>>().map_err(wrong)?;
            let balance = account.balance.unwrap_or_default();
            accounts.push(GenesisAccount { address, balance, nonce, code: account.code, storage });
        }
        Ok((spec.clone(), Genesis { chain_id: spec.chain_id, accounts }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(ChainSpec, Genesis), String> {
        serde_json::from_str::<GethGenesis>(text).map_err(|error| error.to_string())?.into_parts()
    }

    #[test]
    fn numbers_have_every_form_that_geth_takes() {
        let (spec, genesis) = parse(
            r#"{"config": {"chainId": 77, "homesteadBlock": 0}, "gasLimit": "0x47b760", "difficulty": "1",
                "timestamp": "0x10", "coinbase": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8", "baseFeePerGas": 7,
                "extraData": "0xabcd", "mixhash":
                "0x0000000000000000000000000000000000000000000000000000000000000005", "alloc": {
                "f39fd6e51aad88f6f4ce6ab8827279cfffb92266": {"balance": "1000"},
                "0x70997970c51812dc3a010c7d01b50e0d17dc79c8": {"balance": "0x10", "nonce": 1, "code": "0x00",
                    "storage": {"0x00": "0x01", "02": "0x"}}}}"#,
        )
        .expect("a genesis file");
        assert_eq!((spec.chain_id, spec.gas_limit, genesis.chain_id), (77, 0x47b760, 77));
        let first = spec.genesis_header(B256::ZERO);
        assert_eq!((first.timestamp, first.base_fee_per_gas, first.mix_hash[31]), (16, Some(7), 5));
        assert_eq!((first.beneficiary[0], &first.extra_data[..32]), (0x70, &spec.hash()[..]));
        assert_eq!(first.extra_data[32..], [0xab, 0xcd]);
        let [contract, funded] = &genesis.accounts[..] else { panic!("two accounts") };
        // Keys are text, which sorts digits before letters.
        assert_eq!((contract.balance, contract.nonce, contract.code.len()), (U256::from(16), 1, 1));
        assert_eq!(contract.storage, [(U256::from(2), U256::ZERO), (U256::ZERO, U256::from(1))]);
        assert_eq!(funded.balance, U256::from(1000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, what) in [
            (r#"{"alloc": {}}"#, "config"),
            (r#"{"config": {"chainId": 1}, "alloc": {"0x12": {}}}"#, "alloc 0x12: expected an address"),
            (r#"{"config": {"chainId": 1}, "alloc": {"0x": {"balance": "x"}}}"#, "got \"x\""),
            (r#"{"config": {"chainId": 1}, "gasLimit": "0x10000000000000000", "alloc": {}}"#, "gasLimit"),
            (
                r#"{"config": {"chainId": 1}, "timestamp": 253402300800, "alloc": {}}"#,
                "the end of the year 9999",
            ),
        ] {
            let error = parse(text).expect_err("a mistake");
            assert!(error.contains(what), "{error}");
        }
    }
}
