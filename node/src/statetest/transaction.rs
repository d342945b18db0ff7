//! The transaction of a state test, and what of it a case picks.
//!
//! A transaction that cannot be written down, because a number is too long for its field or a list is empty that must not
//! be, is one that no block takes: such a case runs as one whose transaction is invalid.

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256};
use alloy_signer_local::PrivateKeySigner;
use serde::Deserialize;

use super::{
    format::{FormatError, Indexes},
    value::{Callee, HexBytes, Number},
};
use crate::runtime::Request;

/// Types of transactions (EIP-2718).
mod tx_type {
    pub(super) const LEGACY: u8 = 0;
    pub(super) const ACCESS_LIST: u8 = 1;
    pub(super) const DYNAMIC_FEE: u8 = 2;
    pub(super) const BLOBS: u8 = 3;
    pub(super) const DELEGATIONS: u8 = 4;
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    data: Vec<HexBytes>,
    gas_limit: Vec<Number>,
    value: Vec<Number>,
    nonce: Number,
    #[serde(default)]
    to: Callee,
    secret_key: Option<Number>,
    sender: Option<Address>,
    gas_price: Option<Number>,
    max_fee_per_gas: Option<Number>,
    max_priority_fee_per_gas: Option<Number>,
    access_lists: Option<Vec<Option<Vec<AccessItem>>>>,
    blob_versioned_hashes: Option<Vec<Number>>,
    max_fee_per_blob_gas: Option<Number>,
    authorization_list: Option<Vec<Delegation>>,
}

/// An account that is warm from the start.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessItem {
    address: Address,
    #[serde(default)]
    storage_keys: Vec<Number>,
}

/// A signed delegation of an account (EIP-7702), however wrong.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delegation {
    chain_id: Number,
    address: Address,
    nonce: Number,
    #[serde(alias = "v")]
    y_parity: Option<Number>,
    r: Number,
    s: Number,
}

impl Transaction {
    /// Returns what a case sends.
    pub(super) fn request(&self, indexes: Indexes) -> Result<Request, FormatError> {
        let Indexes { data, gas, value } = indexes;
        let request = Request {
            from: self.sender()?,
            to: self.to.0,
            gas: pick("gasLimit", &self.gas_limit, gas)?.u64("gasLimit")?,
            gas_price: self
                .gas_price
                .or(self.max_fee_per_gas)
                .unwrap_or_default()
                .u128("gasPrice or maxFeePerGas")?,
            priority_fee: self.priority_fee()?,
            value: pick("value", &self.value, value)?.word("value")?,
            data: pick("data", &self.data, data)?.0.clone(),
            nonce: Some(self.nonce.u64("nonce")?),
            access_list: self.access_list(data)?,
            authorizations: self.authorizations()?,
            blob_hashes: self.blob_hashes()?,
            blob_fee_max: self.max_fee_per_blob_gas.unwrap_or_default().u128("maxFeePerBlobGas")?,
            tx_type: Some(self.tx_type(data)),
        };
        match request.tx_type {
            Some(tx_type::BLOBS | tx_type::DELEGATIONS) if request.to.is_none() => {
                Err(FormatError::NoTransaction("a transaction with blobs or delegations that creates"))
            }
            _ => Ok(request),
        }
    }

    /// Returns the type that has the fields which are there.
    fn tx_type(&self, data: usize) -> u8 {
        if self.authorization_list.is_some() {
            tx_type::DELEGATIONS
        } else if self.blob_versioned_hashes.is_some() || self.max_fee_per_blob_gas.is_some() {
            tx_type::BLOBS
        } else if self.max_fee_per_gas.is_some() || self.max_priority_fee_per_gas.is_some() {
            tx_type::DYNAMIC_FEE
        } else if self.access_lists.as_ref().and_then(|lists| lists.get(data)).is_some_and(Option::is_some) {
            tx_type::ACCESS_LIST
        } else {
            tx_type::LEGACY
        }
    }

    fn priority_fee(&self) -> Result<Option<u128>, FormatError> {
        let tip = self.max_priority_fee_per_gas.or(self.max_fee_per_gas.map(|_| Number::default()));
        tip.map(|tip| tip.u128("maxPriorityFeePerGas")).transpose()
    }

    fn authorizations(&self) -> Result<Vec<SignedAuthorization>, FormatError> {
        self.authorization_list.iter().flatten().map(Delegation::signed).collect()
    }

    fn blob_hashes(&self) -> Result<Vec<B256>, FormatError> {
        self.blob_versioned_hashes.iter().flatten().map(|hash| hash.hash("blobVersionedHashes")).collect()
    }

    fn access_list(&self, data: usize) -> Result<AccessList, FormatError> {
        let Some(lists) = &self.access_lists else { return Ok(AccessList::default()) };
        let items = pick("accessLists", lists, data)?.iter().flatten();
        let item = |item: &AccessItem| {
            let keys = item.storage_keys.iter().map(|key| key.hash("storageKeys"));
            Ok(AccessListItem { address: item.address, storage_keys: keys.collect::<Result<_, _>>()? })
        };
        Ok(AccessList(items.map(item).collect::<Result<_, FormatError>>()?))
    }

    fn sender(&self) -> Result<Address, FormatError> {
        if let Some(sender) = self.sender {
            return Ok(sender);
        }
        let key = self.secret_key.ok_or(FormatError::Sender)?.hash("secretKey")?;
        Ok(PrivateKeySigner::from_bytes(&key).map_err(|_| FormatError::Key)?.address())
    }
}

impl Delegation {
    fn signed(&self) -> Result<SignedAuthorization, FormatError> {
        let authorization = Authorization {
            chain_id: self.chain_id.word("chainId")?,
            address: self.address,
            nonce: self.nonce.u64("nonce of a delegation")?,
        };
        let parity = self.y_parity.unwrap_or_default().u8("yParity")?;
        let (r, s) = (self.r.word("r")?, self.s.word("s")?);
        Ok(SignedAuthorization::new_unchecked(authorization, parity, r, s))
    }
}

fn pick<'a, T>(key: &'static str, list: &'a [T], index: usize) -> Result<&'a T, FormatError> {
    list.get(index).ok_or(FormatError::Index { key, index, length: list.len() })
}
