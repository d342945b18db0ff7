//! Reading transaction requests, the largest parameter of the methods that are called most.
//!
//! alloy's type reads two names for the calldata by keeping every member aside first, which takes longer than a small call
//! does. A request with nothing but the members below is read here; any other, and any that is wrong, is alloy's to read.

use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_rpc_types_eth::{TransactionInput, TransactionRequest};
use alloy_serde::quantity::opt as quantity;
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Members {
    from: Option<Address>,
    to: Option<TxKind>,
    #[serde(with = "quantity")]
    gas_price: Option<u128>,
    #[serde(with = "quantity")]
    max_fee_per_gas: Option<u128>,
    #[serde(with = "quantity")]
    max_priority_fee_per_gas: Option<u128>,
    #[serde(with = "quantity")]
    gas: Option<u64>,
    value: Option<U256>,
    input: Option<Bytes>,
    data: Option<Bytes>,
    #[serde(with = "quantity")]
    nonce: Option<u64>,
    #[serde(with = "quantity")]
    chain_id: Option<u64>,
    access_list: Option<AccessList>,
    #[serde(with = "quantity", rename = "type")]
    transaction_type: Option<u8>,
    authorization_list: Option<Vec<SignedAuthorization>>,
}

/// Reads a request; fails with alloy's words.
pub(super) fn read(json: &str) -> serde_json::Result<TransactionRequest> {
    let Ok(members) = serde_json::from_str::<Members>(json) else { return serde_json::from_str(json) };
    Ok(TransactionRequest {
        from: members.from,
        to: members.to,
        gas_price: members.gas_price,
        max_fee_per_gas: members.max_fee_per_gas,
        max_priority_fee_per_gas: members.max_priority_fee_per_gas,
        gas: members.gas,
        value: members.value,
        input: TransactionInput { input: members.input, data: members.data },
        nonce: members.nonce,
        chain_id: members.chain_id,
        access_list: members.access_list,
        transaction_type: members.transaction_type,
        authorization_list: members.authorization_list,
        ..TransactionRequest::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_alloy_reads_them() {
        let address = "0x00000000000000000000000000000000000000ff";
        let signed = r#"{"chainId":"0x1","address":"0x00000000000000000000000000000000000000ff","nonce":"0x2",
            "yParity":"0x1","r":"0x3","s":"0x4"}"#;
        let list = r#"{"address":"0x00000000000000000000000000000000000000ff","storageKeys":[]}"#;
        for json in [
            "{}".to_owned(),
            format!(r#"{{"from":"{address}","to":"{address}","data":"0x01","gas":"0x5208"}}"#),
            format!(r#"{{"from":"{address}","to":null,"input":"0x01","data":"0x02","value":"0x7"}}"#),
            r#"{"gasPrice":"0x1","nonce":"0x2","chainId":"0x7a69","type":"0x0"}"#.to_owned(),
            r#"{"maxFeePerGas":"0x1","maxPriorityFeePerGas":"0x2","type":2,"gas":21000}"#.to_owned(),
            format!(r#"{{"accessList":[{list}],"authorizationList":[{signed}]}}"#),
            r#"{"maxFeePerBlobGas":"0x1","blobVersionedHashes":[]}"#.to_owned(),
            r#"{"unknown":{"a":[1]},"gas":"0x1"}"#.to_owned(),
            r#"{"to":"0x01"}"#.to_owned(),
            r#"{"gas":"-1"}"#.to_owned(),
            r#"{"gas":"0x1","gas":"0x2"}"#.to_owned(),
            "7".to_owned(),
        ] {
            let words =
                |read: serde_json::Result<TransactionRequest>| read.map_err(|error| error.to_string());
            assert_eq!(words(read(&json)), words(serde_json::from_str(&json)), "{json}");
        }
    }
}
