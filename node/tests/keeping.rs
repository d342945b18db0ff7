//! What a node's directory has after the process was killed.

#![cfg(feature = "rocksdb")]

mod support;

use std::path::Path;

use serde_json::json;
use support::{
    Devnet,
    node::{ALICE, BOB, NOBODY},
    process::Node,
    remote::Remote,
};

fn on(directory: &Path, flags: &[&str]) -> Node {
    Node::start(directory, &[&["--data-dir", "chain"], flags].concat())
}

#[test]
fn a_killed_node_has_the_chain_that_it_was_reset_to() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let other = Devnet::new();
    other.0.mine_blocks(4, None).expect("mines");
    let remote = Remote::serve(other.0.clone());
    let node = on(directory.path(), &["--chain-id", "77"]);
    node.send();
    let forking = json!([{"forking": {"jsonRpcUrl": remote.url(), "blockNumber": 3}}]);
    assert!(node.call("hardhat_reset", forking).is_null());
    // The chain id is the one that was asked for at the start.
    assert_eq!(node.call("eth_chainId", json!([])), "0x4d");
    node.send();
    let head = node.head();
    assert_eq!(head["number"], "0x4");
    node.stop("KILL");

    let fork = ["--fork-url", &remote.url(), "--chain-id", "77"];
    let node = on(directory.path(), &fork);
    assert_eq!(node.head(), head);
    assert_eq!(node.call("eth_getBalance", json!([BOB])), "0x21e19e0c9bab2400001");
    assert!(node.call("anvil_reset", json!([])).is_null());
    node.send();
    let head = node.head();
    assert_eq!(head["number"], "0x1");
    node.stop("KILL");
    assert_eq!(on(directory.path(), &["--chain-id", "77"]).head(), head);
}

#[test]
fn what_an_impersonated_account_sent_is_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let node = on(directory.path(), &[]);
    node.call("anvil_setBalance", json!([NOBODY, "0xde0b6b3a7640000"]));
    node.call("anvil_impersonateAccount", json!([NOBODY]));
    let transfer = json!([{"from": NOBODY, "to": ALICE, "value": "0x5"}]);
    let sent = node.call("eth_sendTransaction", transfer.clone());
    let shown = |node: &Node| {
        let asked = |method| node.call(method, json!([sent]));
        let [transaction, receipt, raw, trace] = [
            "eth_getTransactionByHash",
            "eth_getTransactionReceipt",
            "eth_getRawTransactionByHash",
            "trace_transaction",
        ]
        .map(asked);
        (transaction, receipt, raw, trace)
    };
    let before = shown(&node);
    assert_eq!(before.0["from"], NOBODY);
    node.stop("KILL");
    let node = on(directory.path(), &[]);
    assert_eq!(shown(&node), before);
    // Who is impersonated is nothing that a directory has.
    let refused = node.error("eth_sendTransaction", transfer.clone());
    assert!(refused.contains("unknown account"), "{refused}");
    node.call("anvil_impersonateAccount", json!([NOBODY]));
    let again = node.call("eth_sendTransaction", transfer);
    assert_eq!(node.call("eth_getTransactionByHash", json!([again]))["nonce"], "0x1");
    assert_eq!(node.call("eth_getBlockByNumber", json!(["latest", false]))["number"], "0x3");
}
