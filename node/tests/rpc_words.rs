//! The words and codes of refusals that clients match on, and the ways in which a block can be named.

mod support;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy, TypedTransaction};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, TxKind, U256};
use alloy_signer::SignerSync;
use lathe_node::rpc::openrpc;
use serde_json::{Value, json};
use support::node::{ALICE, BOB, Node};

const POOR: &str = "0x00000000000000000000000000000000c0ffee00";
/// 2 gwei, above the base fee of the first blocks.
const FEE: u128 = 2_000_000_000;

/// A result, or the code and message of an error.
type Outcome = Result<Value, (i64, String)>;

impl Node {
    fn call(&self, method: &str, params: &Value) -> Outcome {
        let mut answer =
            self.answer_to(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        match answer.get("error") {
            Some(error) => Err((
                error["code"].as_i64().expect("a code"),
                error["message"].as_str().expect("a message").to_owned(),
            )),
            None => {
                support::schema::check(method, &answer["result"]);
                Ok(answer["result"].take())
            }
        }
    }

    fn submit(&self, tx: impl Into<TypedTransaction>) -> Outcome {
        let tx = tx.into();
        let signature =
            self.chain.dev_signers()[0].sign_hash_sync(&tx.signature_hash()).expect("a key signs");
        let tx: TxEnvelope = tx.into_signed(signature).into();
        let raw = alloy_primitives::hex::encode_prefixed(tx.encoded_2718());
        self.call("eth_sendRawTransaction", &json!([raw]))
    }
}

fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: 31_337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: FEE,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(BOB.parse::<Address>().expect("an address")),
        ..Default::default()
    }
}

#[test]
fn refused_transactions_are_refused_in_the_words_that_clients_match() {
    let node = Node::new();
    node.submit(transfer(0)).expect("a transaction");
    let huge = U256::from(10).pow(U256::from(30));
    let mut table: Vec<(Outcome, &str)> = vec![
        (node.submit(transfer(0)), "nonce too low"),
        (node.submit(TxEip1559 { value: huge, ..transfer(1) }), "insufficient funds for gas * price + value"),
        (
            node.submit(TxEip1559 { max_fee_per_gas: 1, ..transfer(1) }),
            "max fee per gas less than block base fee",
        ),
        (node.submit(TxEip1559 { gas_limit: 20_999, ..transfer(1) }), "intrinsic gas too low"),
        (node.submit(TxEip1559 { gas_limit: 1 << 40, ..transfer(1) }), "exceeds block gas limit"),
        (
            node.submit(TxEip1559 { max_priority_fee_per_gas: FEE + 1, ..transfer(1) }),
            "max priority fee per gas higher than max fee per gas",
        ),
        (node.submit(TxEip1559 { chain_id: 1, ..transfer(1) }), "invalid chain id for signer"),
        (node.call("eth_sendRawTransaction", &json!(["0x03c0"])), "transaction type not supported"),
    ];
    node.call("evm_setAutomine", &json!([false])).expect("a switch");
    node.submit(transfer(1)).expect("a transaction that waits");
    table.extend([
        (node.submit(transfer(1)), "already known"),
        (node.submit(TxEip1559 { gas_limit: 22_000, ..transfer(1) }), "replacement transaction underpriced"),
    ]);
    for (outcome, words) in table {
        let (code, message) = outcome.expect_err(words);
        assert_eq!(code, -32000, "{message}");
        assert!(message.to_lowercase().starts_with(words), "{message}: expected {words}");
    }
    // Senders from before EIP-155 are let in, as deterministic deployments need them.
    let unprotected = TxLegacy {
        chain_id: None,
        nonce: 2,
        gas_price: FEE,
        gas_limit: 21_000,
        to: TxKind::Call(BOB.parse().expect("an address")),
        ..Default::default()
    };
    node.submit(unprotected).expect("a transaction without a chain id");
}

#[test]
fn refused_calls_are_refused_in_the_words_that_clients_match() {
    let node = Node::new();
    let state = |code: &str| json!({POOR: {"code": code}});
    for (method, params, code, words) in [
        ("eth_call", json!([{"from": POOR, "to": BOB, "value": "0x1"}]), -32000, "insufficient funds"),
        ("eth_estimateGas", json!([{"from": POOR, "to": BOB, "value": "0x1"}]), -32000, "insufficient funds"),
        (
            "eth_estimateGas",
            json!([{"from": ALICE, "to": POOR}, "latest", state("0x5b5f56")]),
            -32000,
            "gas required exceeds allowance (100000000)",
        ),
        (
            "eth_estimateGas",
            json!([{"from": ALICE, "to": BOB, "gas": "0x5000"}]),
            -32000,
            "intrinsic gas too low",
        ),
        ("eth_call", json!([{"to": POOR}, "latest", state("0x5f5ffd")]), 3, "execution reverted"),
        ("eth_call", json!([{"to": POOR}, "latest", state("0xfe")]), -32000, "invalid opcode: invalid"),
        ("eth_call", json!([{"to": POOR}, "latest", state("0x56")]), -32000, "stack underflow"),
        ("eth_call", json!([{"to": POOR}, "0xffff"]), -32000, "header not found"),
        ("eth_call", json!([{"to": POOR, "chainId": "0x1"}]), -32000, "chainid does not match node's"),
        ("eth_getLogs", json!([{"blockHash": format!("0x{:064x}", 1)}]), -32000, "header not found"),
        ("eth_nope", json!([]), -32601, "the method eth_nope does not exist/is not available"),
        ("eth_getFilterChanges", json!(["0x99"]), -32000, "filter not found"),
        (
            "eth_call",
            json!({"transaction": {"to": POOR}}),
            -32602,
            "eth_call: expected an array of parameters, got {",
        ),
        ("eth_call", json!([]), -32602, "eth_call: parameter 1 (transaction) is missing"),
        ("eth_call", json!([null]), -32602, "eth_call: parameter 1 (transaction) is missing"),
    ] {
        let (found, message) = node.call(method, &params).expect_err(words);
        assert_eq!(found, code, "{method} {params}: {message}");
        assert!(message.to_lowercase().starts_with(words), "{message}: expected {words}");
    }
    // A null stands for a parameter that is left out.
    assert_eq!(node.call("eth_getBalance", &json!([POOR, null])), Ok(json!("0x0")));
    let answer = node.answer_to(&json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}));
    assert_eq!(answer["result"], json!("0x7a69"));
}

#[test]
fn every_method_that_takes_a_block_takes_it_by_number_tag_and_hash() {
    let node = Node::new();
    node.submit(transfer(0)).expect("a transaction");
    let head = node.call("eth_getBlockByNumber", &json!(["latest"])).expect("a block");
    let hash = &head["hash"];
    let ids = [
        json!("latest"),
        json!("earliest"),
        json!("pending"),
        json!("safe"),
        json!("finalized"),
        json!("0x1"),
        json!("0x01"),
        hash.clone(),
        json!({"blockHash": hash}),
        json!({"blockHash": hash, "requireCanonical": true}),
        json!({"blockNumber": "0x1"}),
    ];
    let call = json!({"from": ALICE, "to": BOB});
    let mut called = 0;
    for method in openrpc::document()["methods"].as_array().expect("methods") {
        let params = method["params"].as_array().expect("parameters");
        let is_block = |param: &Value| param["schema"] == json!({"$ref": "#/components/schemas/BlockId"});
        let Some(place) = params.iter().position(is_block) else { continue };
        let name = method["name"].as_str().expect("a name");
        // What goes before the block, and after it if that is no option.
        let before: Vec<Value> = params[..place]
            .iter()
            .map(|param| match param["schema"]["$ref"].as_str().unwrap_or_default().rsplit('/').next() {
                Some("Address") => json!(ALICE),
                Some("TransactionRequest") => call.clone(),
                Some("Slot") => json!("0x0"),
                Some("Number") => json!("0x1"),
                Some("AccountSlots") => json!({ALICE: ["0x0"]}),
                Some("SimulatePayload") => json!({"blockStateCalls": [{}]}),
                _ if param["schema"]["type"] == "array" => json!([]),
                other => panic!("{name}: {other:?}: {param}"),
            })
            .collect();
        let after = params[place + 1..].iter().take_while(|param| param["required"] == json!(true));
        let after: Vec<Value> = after.map(|_| json!("0x0")).collect();
        for id in &ids {
            let params = [before.as_slice(), std::slice::from_ref(id), after.as_slice()].concat();
            if let Err((code, message)) = node.call(name, &json!(params)) {
                assert!(code != -32602 || !message.contains("(block)"), "{name} {params:?}: {message}");
                assert_ne!(message, "header not found", "{name} {params:?}");
            }
            called += 1;
        }
    }
    assert!(called > 20 * ids.len(), "only {called} calls");
}
