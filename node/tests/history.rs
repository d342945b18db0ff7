//! The state of earlier blocks through RPC: reads, calls and proofs, going back, and what is not kept.

mod support;

use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use serde_json::{Value, json};
use support::node::{ALICE, BOB, Node};

/// Creation data of EVM code that stores calldata word 1 in the slot that word 0 names; without calldata it returns slot 0
/// and the block number.
const STORE: &str = "0x601d600c600039601d6000f33615600d5760203560003555005b6000546000524360205260406000f3";

impl Node {
    fn mined(&self, transaction: Value) -> Value {
        let hash = self.result("eth_sendTransaction", json!([transaction]));
        let receipt = self.result("eth_getTransactionReceipt", json!([hash]));
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        receipt
    }

    /// Deploys the store in block 1, and sets slot 0 to n in block n + 1 for n from 1 to `count`.
    fn with_store(history: Option<u64>, count: u64) -> (Self, String) {
        let node = Self::keeping(history);
        let receipt = node.mined(json!({"from": ALICE, "data": STORE}));
        let address = receipt["contractAddress"].as_str().expect("a contract").to_owned();
        for n in 1..=count {
            node.set(&address, n);
        }
        (node, address)
    }

    fn set(&self, address: &str, n: u64) {
        self.mined(
            json!({"from": ALICE, "to": address, "data": format!("0x{:064x}{n:064x}", 0), "gas": "0x20000"}),
        );
    }
}

fn word(n: u64) -> String {
    format!("0x{n:064x}")
}

#[test]
fn every_block_answers_with_its_own_state() {
    let (node, address) = Node::with_store(None, 5);
    let mut balances = Vec::new();
    for n in 0..=6_u64 {
        let number = format!("{n:#x}");
        let hash = node.result("eth_getBlockByNumber", json!([number, false]))["hash"].clone();
        for block in [json!(number), json!({"blockHash": hash}), json!({"blockNumber": number})] {
            let stored = node.result("eth_getStorageAt", json!([address, "0x0", block]));
            assert_eq!(stored, word(n.saturating_sub(1)), "block {block}");
            let code = node.result("eth_getCode", json!([address, block]));
            assert_eq!(code == "0x", n == 0, "block {block}");
            assert_eq!(node.result("eth_getTransactionCount", json!([ALICE, block])), format!("{n:#x}"));
            let output = node.result("eth_call", json!([{"to": address}, block]));
            let expected = format!("{}{:064x}", word(n.saturating_sub(1)), n);
            assert_eq!(output, if n == 0 { "0x" } else { &expected }, "block {block}");
        }
        balances.push(node.result("eth_getBalance", json!([ALICE, number])));
    }
    balances.dedup();
    assert_eq!(balances.len(), 7, "each block cost its sender something");
    let beyond = node.error("eth_getBalance", json!([ALICE, "0x7"]));
    assert_eq!(beyond, "header not found");
}

#[test]
fn every_block_is_proven_with_keys_as_clients_send_them() {
    let (node, address) = Node::with_store(None, 4);
    let keys = ["0x0", "0x00", &word(0), "0x1"];
    for n in 0..=5_u64 {
        let number = format!("{n:#x}");
        let root: B256 = node.result("eth_getBlockByNumber", json!([number, false]))["stateRoot"]
            .as_str()
            .expect("a root")
            .parse()
            .expect("a hash");
        let proof = node.result("eth_getProof", json!([address, keys, number]));
        let nodes = |list: &Value| serde_json::from_value::<Vec<Bytes>>(list.clone()).expect("nodes");
        let quantity =
            |field: &str| serde_json::from_value::<U256>(proof[field].clone()).expect("a quantity");
        let hash = |field: &str| serde_json::from_value::<B256>(proof[field].clone()).expect("a hash");
        let account = TrieAccount::new(
            quantity("nonce").to(),
            quantity("balance"),
            hash("storageHash"),
            hash("codeHash"),
        );
        let key: alloy_primitives::Address = address.parse().expect("an address");
        let leaf = (n > 0).then(|| alloy_rlp::encode(account));
        verify_proof(root, Nibbles::unpack(keccak256(key)), leaf, &nodes(&proof["accountProof"]))
            .expect("the account's proof holds");
        for (slot, key) in proof["storageProof"].as_array().expect("a list").iter().zip(keys) {
            // Clients look for the key that they sent; leading zeros of a quantity are not part of it.
            let echoed = if key == "0x00" { "0x0" } else { key };
            assert_eq!(slot["key"], echoed);
            let value: U256 = serde_json::from_value(slot["value"].clone()).expect("a quantity");
            let expected = if key == "0x1" { 0 } else { n.saturating_sub(1) };
            assert_eq!(value, U256::from(expected), "slot {key} at block {n}");
            if n < 2 {
                assert_eq!(slot["proof"], json!([]));
                continue;
            }
            let number: U256 = key.parse().expect("a quantity");
            let path = Nibbles::unpack(keccak256(number.to_be_bytes::<32>()));
            let leaf = (!value.is_zero()).then(|| alloy_rlp::encode(value));
            verify_proof(hash("storageHash"), path, leaf, &nodes(&slot["proof"]))
                .expect("the slot's proof holds");
        }
    }
}

#[test]
fn state_outside_the_window_is_an_error_that_says_so() {
    let (node, address) = Node::with_store(Some(2), 5);
    let expected = "state of block 3 is not kept: this node keeps the state of blocks 4 to 6 (--history)";
    for (method, params) in [
        ("eth_getBalance", json!([ALICE, "0x3"])),
        ("eth_getStorageAt", json!([address, "0x0", "0x3"])),
        ("eth_getProof", json!([address, ["0x0"], "0x3"])),
        ("eth_call", json!([{"to": address}, "0x3"])),
        ("eth_getCode", json!([address, "0x3"])),
        ("anvil_rollback", json!(["0x3"])),
    ] {
        assert_eq!(node.error(method, params), expected, "{method}");
    }
    assert_eq!(node.result("eth_getStorageAt", json!([address, "0x0", "0x4"])), word(3));
    assert_ne!(node.result("eth_getBlockByNumber", json!(["0x0", false])), json!(null));
}

#[test]
fn a_snapshot_is_gone_back_to_once() {
    let (node, address) = Node::with_store(None, 1);
    let first = node.result("evm_snapshot", json!([]));
    node.set(&address, 7);
    let second = node.result("evm_snapshot", json!([]));
    node.set(&address, 8);
    let gone = node.result("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(node.result("evm_revert", json!([second])), json!(true));
    assert_eq!(node.result("eth_getStorageAt", json!([address, "0x0"])), word(7));
    assert_eq!(node.result("evm_revert", json!([second])), json!(false));
    assert_eq!(node.result("evm_revert", json!([first])), json!(true));
    assert_eq!(node.result("eth_getStorageAt", json!([address, "0x0"])), word(1));
    assert_eq!(node.result("eth_blockNumber", json!([])), "0x2");
    for (method, key) in [
        ("eth_getBlockByHash", json!([gone["hash"], false])),
        ("eth_getTransactionByHash", json!([gone["transactions"][0]])),
        ("eth_getTransactionReceipt", json!([gone["transactions"][0]])),
    ] {
        assert_eq!(node.result(method, key), json!(null), "{method}");
    }
    // The chain goes on from there.
    node.set(&address, 9);
    assert_eq!(node.result("eth_getStorageAt", json!([address, "0x0", "0x3"])), word(9));
    for (id, expected) in [(first, false), (json!("0xffffffffffffffffff"), false)] {
        assert_eq!(node.result("evm_revert", json!([id])), json!(expected));
    }
}

#[test]
fn blocks_are_rolled_back_to_the_first_and_no_further() {
    let (node, _) = Node::with_store(None, 2);
    node.mined(json!({"from": ALICE, "to": BOB, "value": "0x1"}));
    assert_eq!(node.result("anvil_rollback", json!([])), json!(null));
    assert_eq!(node.result("eth_blockNumber", json!([])), "0x3");
    let error = node.error("anvil_rollback", json!(["0x4"]));
    assert_eq!(error, "cannot take back 4 blocks: there are 3 after the first one");
    node.result("anvil_rollback", json!(["0x3"]));
    assert_eq!(node.result("eth_blockNumber", json!([])), "0x0");
    assert_eq!(node.result("eth_getTransactionCount", json!([ALICE, "pending"])), "0x0");
}
