//! Parameters that only the methods of a devnet take.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes};
use alloy_rpc_types_eth::TransactionRequest;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    openrpc::Schema,
    params::{FromParam, bounded_array},
};
use crate::chain::{Chain, SubmitError};

/// Seconds, perhaps with a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seconds(pub(super) Duration);

impl FromParam for Seconds {
    const EXPECTED: &'static str = "a number of seconds, or a quantity in hex";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let seconds = match raw.get().parse::<f64>() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?,
            Err(_) => Duration::from_secs(u64::from_param(raw)?),
        };
        Ok(Self(seconds))
    }
}

impl Schema for Seconds {
    fn schema() -> Value {
        json!({"oneOf": [f64::schema(), u64::schema()]})
    }
}

/// What a chain is reset to: a fork.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ResetOptions {
    /// The chain and the block that the fork is to stand on.
    pub(super) forking: Option<Forking>,
}

/// Which chain to fork.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Forking {
    /// Where its node is.
    pub(super) json_rpc_url: Option<String>,
    /// The block to stand on.
    #[serde(default, with = "alloy_serde::quantity::opt")]
    pub(super) block_number: Option<u64>,
}

impl FromParam for ResetOptions {
    const EXPECTED: &'static str = "an object (forking: jsonRpcUrl, blockNumber)";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Options<'a> {
            #[serde(borrow)]
            forking: Option<&'a RawValue>,
        }
        let options: Options<'_> = serde_json::from_str(raw.get()).map_err(|_| "it is no object")?;
        match options.forking.map(RawValue::get) {
            None | Some("null" | "{}") => Ok(Self::default()),
            Some(forking) => {
                let forking = serde_json::from_str(forking).map_err(|error| format!("forking: {error}"))?;
                Ok(Self { forking: Some(forking) })
            }
        }
    }
}

impl Schema for ResetOptions {
    fn schema() -> Value {
        json!({"type": "object"})
    }
}

/// Where the node of another chain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeUrl(pub(super) String);

impl FromParam for NodeUrl {
    const EXPECTED: &'static str = "a URL that begins with http:// or https://";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        serde_json::from_str(raw.get()).map(Self).map_err(|_| "it is no string".into())
    }
}

impl Schema for NodeUrl {
    fn schema() -> Value {
        json!({"type": "string", "format": "uri"})
    }
}

/// A signature: r, s, and 27 or 28.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Bytes")]
pub(super) struct PlainSignature(pub(super) [u8; 65]);

impl TryFrom<Bytes> for PlainSignature {
    type Error = String;

    fn try_from(bytes: Bytes) -> Result<Self, String> {
        let mut signature: [u8; 65] = bytes[..]
            .try_into()
            .map_err(|_| format!("a signature has 65 bytes, this one {}", bytes.len()))?;
        // Some signers count from 0 (EIP-2).
        signature[64] = match signature[64] {
            v @ (0 | 1) => v + 27,
            v @ (27 | 28) => v,
            v => return Err(format!("a signature ends with 27 or 28, this one with {v}")),
        };
        Ok(Self(signature))
    }
}

/// A signature that is to recover an account, which may come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Impersonated {
    Alone(PlainSignature),
    OfAccount(PlainSignature, Address),
}

impl FromParam for Impersonated {
    const EXPECTED: &'static str = "a signature of 65 bytes in hex";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let read = if raw.get().starts_with('[') {
            serde_json::from_str(raw.get()).map(|(signature, address)| Self::OfAccount(signature, address))
        } else {
            serde_json::from_str(raw.get()).map(Self::Alone)
        };
        read.map_err(|error| error.to_string())
    }
}

impl Schema for Impersonated {
    fn schema() -> Value {
        let pair = json!({"type": "array", "items": {"oneOf": [Bytes::schema(), Address::schema()]}, "minItems": 2, "maxItems": 2});
        json!({"oneOf": [Bytes::schema(), pair]})
    }
}

/// A transaction for one of the blocks of a reorganisation.
#[derive(Debug, Clone)]
pub(super) struct ReorgTx {
    transaction: ReorgTxData,
    /// The block's place among the new ones, from 0 on.
    pub(super) block: u64,
}

#[derive(Debug, Clone)]
enum ReorgTxData {
    Signed(Bytes),
    Request(Box<TransactionRequest>),
}

impl ReorgTx {
    /// Sends the transaction; returns its hash.
    pub(super) fn submit(self, chain: &Arc<Chain>) -> Result<B256, SubmitError> {
        match self.transaction {
            ReorgTxData::Signed(raw) => chain.submit(&raw),
            ReorgTxData::Request(request) => chain.send(*request),
        }
    }
}

impl Schema for ReorgTx {
    fn schema() -> Value {
        let transaction = json!({"oneOf": [Bytes::schema(), TransactionRequest::schema()]});
        json!({"type": "array", "items": {"oneOf": [transaction, u64::schema()]}, "minItems": 2, "maxItems": 2})
    }
}

/// Transactions of one reorganisation.
const REORG_TXS_MAX: usize = 1_000;

impl FromParam for Vec<ReorgTx> {
    const EXPECTED: &'static str =
        "an array of pairs: a signed transaction or a transaction object, and a block's place";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let pairs = bounded_array(raw.get(), REORG_TXS_MAX).ok_or("it is no array")?;
        if pairs.total > REORG_TXS_MAX {
            return Err(format!("{} transactions are more than the limit of {REORG_TXS_MAX}", pairs.total));
        }
        let read = |(index, raw): (usize, &&RawValue)| {
            let wrong = |why: String| format!("pair {}: {why}", index + 1);
            let pair = bounded_array(raw.get(), 2).filter(|pair| pair.total == 2);
            let items = pair.map(|pair| pair.items).unwrap_or_default();
            let [transaction, block] = items[..] else { return Err(wrong("it is no array of two".into())) };
            let transaction = if transaction.get().starts_with('"') {
                Bytes::from_param(transaction).map(ReorgTxData::Signed)
            } else {
                TransactionRequest::from_param(transaction)
                    .map(|request| ReorgTxData::Request(request.into()))
            };
            Ok(ReorgTx {
                transaction: transaction.map_err(wrong)?,
                block: u64::from_param(block).map_err(wrong)?,
            })
        };
        pairs.items.iter().enumerate().map(read).collect()
    }
}
