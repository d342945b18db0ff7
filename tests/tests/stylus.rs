//! The requests of cargo-stylus, recorded by `make test-stylus RECORD=1`, on a node of today: answers are as they were
//! then, but for what depends on the clock or on prices.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

use std::collections::{BTreeMap, BTreeSet};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Bytes, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use lathe_tests::{FIRST_KEY, Node, RpcFailure, root};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Exchange {
    method: String,
    params: Value,
    answer: Value,
}

/// Fields that hold another value in every run, by the clock, or after a change of prices.
const VARYING: [&str; 26] = [
    "baseFeePerGas",
    "blockHash",
    "blockTimestamp",
    "cumulativeGasUsed",
    "effectiveGasPrice",
    "endInk",
    "extraData",
    "gas",
    "gasLimit",
    "gasPrice",
    "gasUsed",
    "gasUsedRatio",
    "hash",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "mixHash",
    "parentHash",
    "r",
    "receiptsRoot",
    "reward",
    "s",
    "size",
    "startInk",
    "stateRoot",
    "timestamp",
    "transactionsRoot",
];
/// Methods whose whole result is such a value.
const VARYING_METHODS: [&str; 5] =
    ["eth_estimateGas", "eth_gasPrice", "eth_maxPriorityFeePerGas", "eth_getBalance", "eth_feeHistory"];

/// Tells where two answers differ that should not.
fn difference(path: &str, then: &Value, now: &Value) -> Option<String> {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
            names.into_iter().find_map(|name| {
                let path = format!("{path}.{name}");
                match (then.get(name), now.get(name)) {
                    (Some(then), Some(now)) if VARYING.contains(&name.as_str()) => {
                        kinds_differ(&path, then, now)
                    }
                    // Parity of a signature.
                    (Some(then), Some(now)) if matches!(name.as_str(), "v" | "yParity") => {
                        kinds_differ(&path, then, now)
                    }
                    (Some(then), Some(now)) => difference(&path, then, now),
                    (then, now) => Some(format!("{path}: {then:?} then, {now:?} now")),
                }
            })
        }
        (Value::Array(then), Value::Array(now)) if then.len() == now.len() => {
            let pairs = then.iter().zip(now).enumerate();
            pairs
                .into_iter()
                .find_map(|(index, (then, now))| difference(&format!("{path}[{index}]"), then, now))
        }
        _ => (then != now).then(|| format!("{path}: {then} then, {now} now")),
    }
}

/// Tells whether values that may vary are of different kinds.
fn kinds_differ(path: &str, then: &Value, now: &Value) -> Option<String> {
    let differ = std::mem::discriminant(then) != std::mem::discriminant(now);
    differ.then(|| format!("{path}: {then} then, {now} now"))
}

/// Signs a transaction again with twice its gas: what it costs today is another test's business.
fn with_more_gas(raw: &Value) -> Value {
    let raw = hex::decode(raw.as_str().unwrap()).unwrap();
    let TxEnvelope::Eip1559(signed) = TxEnvelope::decode_2718(&mut &raw[..]).unwrap() else {
        panic!("cargo-stylus sends transactions of type 2")
    };
    let key: PrivateKeySigner = FIRST_KEY.parse().unwrap();
    assert_eq!(signed.recover_signer().unwrap(), key.address());
    let tx = TxEip1559 { gas_limit: signed.tx().gas_limit * 2, ..signed.tx().clone() };
    let signature = key.sign_hash_sync(&tx.signature_hash()).unwrap();
    json!(Bytes::from(TxEnvelope::from(tx.into_signed(signature)).encoded_2718()))
}

/// Replaces what was returned then by what is returned now, wherever it stands.
fn renamed(value: &Value, names: &BTreeMap<String, String>) -> Value {
    let mut text = value.to_string();
    for (then, now) in names {
        text = text.replace(then, now);
    }
    serde_json::from_str(&text).unwrap()
}

#[test]
fn requests_of_cargo_stylus_are_answered_as_recorded() {
    let fixture = std::fs::read_to_string(root().join("tests/fixtures/cargo-stylus.json")).unwrap();
    let exchanges: Vec<Exchange> = serde_json::from_str(&fixture).unwrap();
    let methods: BTreeSet<&str> = exchanges.iter().map(|exchange| exchange.method.as_str()).collect();
    for method in ["eth_call", "eth_estimateGas", "eth_sendRawTransaction", "debug_traceTransaction"] {
        assert!(methods.contains(method), "{methods:?}");
    }
    let node = Node::start(&[]);
    // Hashes of transactions, which depend on their gas.
    let mut hashes = BTreeMap::new();
    for (index, Exchange { method, params, answer }) in exchanges.iter().enumerate() {
        let mut params = renamed(params, &hashes);
        if method == "eth_sendRawTransaction" {
            params = json!([with_more_gas(&params[0])]);
        }
        let now = match node.try_rpc(method, params.clone()) {
            Ok(result) => json!({"result": result}),
            Err(RpcFailure::Error { code, message, data }) => {
                let mut error = json!({"code": code, "message": message});
                if !data.is_null() {
                    error["data"] = data;
                }
                json!({"error": error})
            }
            Err(RpcFailure::Transport(why)) => panic!("{method}: {why}"),
        };
        if method.starts_with("eth_send")
            && let (Some(then), Some(now)) = (answer["result"].as_str(), now["result"].as_str())
        {
            hashes.insert(then.to_owned(), now.to_owned());
        }
        let then = renamed(answer, &hashes);
        let differs = if VARYING_METHODS.contains(&method.as_str()) {
            kinds_differ("result", &then["result"], &now["result"])
        } else {
            difference("answer", &then, &now)
        };
        assert_eq!(differs, None, "exchange {index}, {method} {params}");
    }
}
