//! Reading transaction requests, the largest parameter of the methods that are called most.
//!
//! alloy's type reads two names for the calldata by keeping every member aside first, which takes longer than a small call
//! does. A request with nothing but the members below is read here, and one of addresses and calldata alone, as most calls are, in
//! one pass; any other, and any that is wrong, is alloy's to read.

use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
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
    if let Some(call) = read_call(json) {
        return Ok(call);
    }
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

/// Reads a request that has nothing but `from`, `to`, `data` and `input`, each once; `None` for any other.
fn read_call(json: &str) -> Option<TransactionRequest> {
    let (mut from, mut to, mut input, mut data) = (None, None, None, None);
    let mut rest = after(json, b'{')?;
    loop {
        let (name, behind) = plain_string(rest)?;
        let (value, behind) = plain_string(after(behind, b':')?)?;
        if !value.starts_with("0x") {
            return None;
        }
        let is_first = match name {
            "from" => from.replace(address(value)?).is_none(),
            "to" => to.replace(TxKind::Call(address(value)?)).is_none(),
            "input" => input.replace(Bytes::from(hex::decode(value).ok()?)).is_none(),
            "data" => data.replace(Bytes::from(hex::decode(value).ok()?)).is_none(),
            _ => false,
        };
        if !is_first {
            return None;
        }
        match after(behind, b',') {
            Some(behind) => rest = behind,
            None => {
                let is_all = after(behind, b'}')?.bytes().all(is_space);
                let input = TransactionInput { input, data };
                return is_all.then(|| TransactionRequest {
                    from,
                    to,
                    input,
                    ..TransactionRequest::default()
                });
            }
        }
    }
}

fn address(hex: &str) -> Option<Address> {
    let mut address = Address::ZERO;
    hex::decode_to_slice(hex, address.as_mut_slice()).ok()?;
    Some(address)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Returns what follows a byte, if that comes next, after white space or not.
fn after(json: &str, byte: u8) -> Option<&str> {
    let start = json.bytes().position(|byte| !is_space(byte))?;
    (json.as_bytes()[start] == byte).then(|| &json[start + 1..])
}

/// Returns the string that comes next and what follows it. It has no escapes, and nothing that must be one.
fn plain_string(json: &str) -> Option<(&str, &str)> {
    let string = after(json, b'"')?;
    let end = string.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
    (string.as_bytes()[end] == b'"').then(|| (&string[..end], &string[end + 1..]))
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
            format!("{{ \"to\" : \"{address}\"\n,\t\"input\":\"0xaBcD\" }} "),
            format!(r#"{{"to":"{}","data":"0x"}}"#, address.to_uppercase()),
            format!(r#"{{"to":"{}"}}"#, &address[2..]),
            format!(r#"{{"to":"0x0x{}"}}"#, &address[4..]),
            format!(r#"{{"to":"{address}","to":"{address}"}}"#),
            format!(r#"{{"to":"{address}","data":"0x1"}}"#),
            format!(r#"{{"to":"{address}","data":"0x1g"}}"#),
            format!(r#"{{"to":"{address}","data":"0x0x01"}}"#),
            format!(r#"{{"to":"{address}","d\u0061ta":"0x01"}}"#),
            format!(r#"{{"to":"{address}","data":"0x\u0030\u0030"}}"#),
            format!(r#"{{"to":"{address}",}}"#),
            format!(r#"{{"to":"{address}"}} 1"#),
            format!(r#"{{"to":"{address}"}}}}"#),
            format!(r#"{{,"to":"{address}"}}"#),
            format!("{{\"to\":\"{address}\",\"data\":\"0x\n\"}}"),
            format!("{{\"to\":\"{address}\",\"é\":\"0x\"}}"),
            format!(r#"{{"to":"{address}é","data":"0x"}}"#),
            format!(r#"{{"to":"{address}"#),
            format!(r#"{{"to" "{address}"}}"#),
            "{".to_owned(),
            r#"{"data"}"#.to_owned(),
        ] {
            let words =
                |read: serde_json::Result<TransactionRequest>| read.map_err(|error| error.to_string());
            assert_eq!(words(read(&json)), words(serde_json::from_str(&json)), "{json}");
        }
    }
}
