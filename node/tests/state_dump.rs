//! Dumping a chain and loading it: the same blocks, receipts and history; and dumps of anvil.

mod support;

use std::io::{Read, Write};

use alloy_primitives::{Bytes, hex};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use support::node::{ALICE, BOB, NOBODY, Node};

impl Node {
    fn submit(&self, transaction: Value) -> Value {
        self.result("eth_sendTransaction", json!([transaction]))
    }

    fn head(&self) -> Value {
        self.result("eth_getBlockByNumber", json!(["latest", true]))
    }
}

/// A chain with a contract that was written to and one that destroyed itself, cheats, and a sender without a key.
fn busy() -> (Node, Value) {
    let node = Node::with_accounts(2);
    // Stores its calldata in the slots 0 and 1.
    let code = "0x6000356000556000356001557f0000000000000000000000000000000000000000000000000000000000000000";
    node.result("anvil_setCode", json!([NOBODY, code]));
    for value in [7_u64, 0, 9] {
        node.submit(json!({"from": ALICE, "to": NOBODY, "data": format!("0x{value:064x}")}));
    }
    // Creates a contract that is gone at the end of its transaction.
    node.submit(json!({"from": ALICE, "data": "0x33ff"}));
    node.result("anvil_setBalance", json!([BOB, "0x0"]));
    node.result("anvil_setBalance", json!([NOBODY, "0xde0b6b3a7640000"]));
    node.result("anvil_impersonateAccount", json!([NOBODY]));
    let sent = node.submit(json!({"from": NOBODY, "to": BOB, "value": "0x5"}));
    node.result("anvil_mine", json!(["0x2"]));
    (node, sent)
}

#[test]
fn a_loaded_chain_has_the_same_blocks_receipts_and_history() {
    let (node, sent) = busy();
    let dump = node.result("anvil_dumpState", json!([true]));
    assert!(dump.as_str().is_some_and(|dump| dump.starts_with("0x1f8b")), "a gzip stream");
    let other = Node::with_accounts(2);
    // Blocks of its own give way.
    other.submit(json!({"from": BOB, "to": ALICE}));
    assert_eq!(other.result("hardhat_loadState", json!([dump])), json!(true));
    assert_eq!(other.head(), node.head());
    for (method, params) in [
        ("eth_getTransactionReceipt", json!([sent])),
        ("eth_getTransactionByHash", json!([sent])),
        ("debug_getRawTransaction", json!([sent])),
        ("eth_getBlockReceipts", json!(["0x3"])),
        ("eth_getStorageAt", json!([NOBODY, "0x0", "0x2"])),
        ("eth_getStorageAt", json!([NOBODY, "0x1", "0x3"])),
        ("eth_getStorageAt", json!([NOBODY, "0x1", "latest"])),
        ("eth_getBalance", json!([BOB, "0x4"])),
        ("eth_getProof", json!([NOBODY, ["0x0", "0x1"], "0x3"])),
        ("eth_getCode", json!([NOBODY, "latest"])),
        ("eth_getLogs", json!([{"fromBlock": "0x0"}])),
    ] {
        assert_eq!(other.result(method, params.clone()), node.result(method, params), "{method}");
    }
    let next = |node: &Node| node.submit(json!({"from": ALICE, "to": BOB, "value": "0x1"}));
    assert_eq!(next(&node), next(&other), "the chain goes on");

    // An earlier dump takes back what came since.
    other.result("anvil_loadState", json!([dump]));
    assert_eq!(other.head()["number"], json!("0xa"));
}

fn text(dump: &Value) -> String {
    let dump = hex::decode(dump.as_str().expect("hex")).expect("hex");
    let mut text = String::new();
    GzDecoder::new(&dump[..]).read_to_string(&mut text).expect("a gzip stream");
    text
}

fn compressed(text: &str) -> Bytes {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text.as_bytes()).expect("memory");
    out.finish().expect("memory").into()
}

#[test]
fn what_does_not_add_up_is_refused_with_its_block() {
    let (node, _) = busy();
    let text = text(&node.result("anvil_dumpState", json!([])));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 12);
    let changed = |line: usize, from: &str, to: &str| {
        assert!(lines[line].contains(from), "{}", lines[line]);
        let mut lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        lines[line] = lines[line].replacen(from, to, 1);
        lines.join("\n")
    };
    for (dump, error) in [
        (changed(2, "\"nonce\":1", "\"nonce\":2"), "block 2: "),
        (changed(6, "\"body\":\"0x", "\"body\":\"0x00"), "block 6: "),
        (changed(0, "\"version\":1", "\"version\":9"), "it has version 9"),
        (changed(0, "31337", "31338"), "it is of chain 31338"),
        (changed(11, "10", "11"), "it has 10 blocks, its last line says 11"),
        (lines[..5].join("\n"), "it ends after block 4"),
        ("{\"nonsense\": 1}".to_owned(), "neither this node's nor anvil's"),
    ] {
        let other = Node::with_accounts(2);
        let told = other.error("anvil_loadState", json!([compressed(&dump)]));
        assert!(told.contains(error), "{error}: {told}");
        // What is there is whole, and goes on.
        other.submit(json!({"from": ALICE, "to": BOB}));
    }
    let told = Node::with_accounts(1).error("anvil_loadState", json!([compressed(&text)]));
    assert!(told.contains("its chain begins with block"), "{told}");
    // A dump need not be compressed.
    Node::with_accounts(2).result("anvil_loadState", json!([Bytes::from(text.into_bytes())]));
}

#[test]
fn accounts_of_anvils_dumps_are_set_in_one_block() {
    let node = Node::with_accounts(2);
    let dump = json!({
        "block": {"number": "0x9", "beneficiary": NOBODY, "timestamp": "0xee6b2800", "gas_limit": "0x1c9c380"},
        "accounts": {
            NOBODY: {"nonce": 3, "balance": "0x64", "code": "0x60005460005260206000f3", "storage": {
                format!("0x{:064x}", 0): format!("0x{:064x}", 7),
            }},
            ALICE: {"nonce": 5, "balance": "0x1", "code": "0x", "storage": {}},
        },
        "best_block_number": 9,
        "blocks": [],
        "transactions": [],
        "historical_states": null,
    });
    assert_eq!(node.result("anvil_loadState", json!([compressed(&dump.to_string())])), json!(true));
    assert_eq!(node.head()["number"], "0x1");
    assert_eq!(node.head()["timestamp"], "0xee6b2800");
    assert_eq!(node.result("eth_call", json!([{"to": NOBODY}])), format!("0x{:064x}", 7));
    assert_eq!(node.result("eth_getTransactionCount", json!([NOBODY])), "0x3");
    assert_eq!(node.result("eth_getBalance", json!([ALICE])), "0x1");
}
