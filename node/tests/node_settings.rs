//! Flags of `lathe node` that set what a chain, its accounts and its server begin with, seen by a client.

mod support;

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use serde_json::{Value, json};
use support::{
    console, envelope,
    node::{ALICE, BOB, NOBODY},
    process::{Node, lathe},
    wasm,
};

fn node(flags: &[&str]) -> (Node, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    (Node::start(directory.path(), flags), directory)
}

/// Flags, a request, a place in its answer, and what is there.
type Row<'a> = (&'a [&'a str], (&'a str, Value), &'a str, Value);

#[test]
fn a_flag_sets_what_a_client_is_told() {
    let balance = ("eth_getBalance", json!([ALICE, "latest"]));
    let block = ("eth_getBlockByNumber", json!(["latest", false]));
    let nothing = |method| (method, json!([]));
    let rows: [Row<'_>; 12] = [
        (&["--balance", "0.5"], balance, "", json!("0x6f05b59d3b20000")),
        (&["--accounts", "3"], nothing("eth_accounts"), "/3", Value::Null),
        (&["--base-fee", "7"], block.clone(), "/baseFeePerGas", json!("0x7")),
        (&["--coinbase", NOBODY], ("evm_mine_detailed", json!([])), "/0/miner", json!(NOBODY)),
        (&["--block-gas-limit", "1234567"], block.clone(), "/gasLimit", json!("0x12d687")),
        (&["--disable-block-gas-limit"], block, "/gasLimit", json!("0x7fffffffffffffff")),
        (&["--hardfork", "prague"], nothing("anvil_nodeInfo"), "/hardFork", json!("Prague")),
        (&["--hardfork", "latest"], nothing("anvil_nodeInfo"), "/hardFork", json!("Osaka")),
        (&["--order", "fifo"], nothing("anvil_nodeInfo"), "/transactionOrder", json!("fifo")),
        (&["--min-gas-price", "5000000000"], nothing("eth_gasPrice"), "", json!("0x12a05f200")),
        (&["--block-time", "60"], nothing("anvil_getAutomine"), "", json!(false)),
        (&["--block-time", "60", "--mixed-mining"], nothing("anvil_getAutomine"), "", json!(true)),
    ];
    for (flags, (method, params), place, expected) in rows {
        let (node, _directory) = node(flags);
        let answer = node.call(method, params);
        assert_eq!(answer.pointer(place).unwrap_or(&Value::Null), &expected, "{flags:?}: {answer}");
    }
}

#[test]
fn blocks_have_no_more_transactions_than_they_may() {
    let (node, _directory) = node(&["--no-mining", "--max-transactions", "2"]);
    for _ in 0..3 {
        node.send();
    }
    let blocks = [0, 1].map(|_| node.call("evm_mine_detailed", json!([]))[0]["transactions"].take());
    assert_eq!(blocks.map(|block| block.as_array().map(Vec::len)), [Some(2), Some(1)]);
}

#[test]
fn a_random_mnemonic_has_the_words_that_were_asked_for_and_is_nobodys() {
    for (flags, words) in [(&["--mnemonic-random"][..], 12), (&["--mnemonic-random", "24"], 24)] {
        let flags = [&["--config-out", "config.json"], flags].concat();
        let (node, directory) = node(&flags);
        let config = fs::read_to_string(directory.path().join("config.json")).expect("a file");
        let config: Value = serde_json::from_str(&config).expect("JSON");
        let mnemonic = config["wallet"]["mnemonic"].as_str().expect("a mnemonic");
        assert_eq!(mnemonic.split(' ').count(), words);
        assert_ne!(node.call("eth_accounts", json!([]))[0], ALICE);
        let again = Node::start(directory.path(), &["--mnemonic", mnemonic]);
        assert_eq!(again.call("eth_accounts", json!([])), node.call("eth_accounts", json!([])));
    }
}

#[test]
fn a_fork_has_the_chain_id_that_was_asked_for() {
    let (other, _directory) = node(&["--chain-id", "77"]);
    let url = other.banner["rpcUrl"].as_str().expect("a URL").to_owned();
    for (flags, id) in [(&[][..], "0x4d"), (&["--fork-chain-id", "5"], "0x5")] {
        let (fork, _directory) = node(&[&["--fork-url", &url], flags].concat());
        assert_eq!(fork.call("eth_chainId", json!([])), id);
    }
}

/// Goes on without end.
const ENDLESS: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param i32) (result i32) (loop $again (br $again)) (i32.const 0)))"#;

#[test]
fn a_call_takes_no_longer_than_the_flag_says_on_however_many_threads() {
    let (node, _directory) = node(&["--rpc-timeout", "1", "--threads", "2", "--disable-block-gas-limit"]);
    let creation = format!("0x{}", hex::encode(envelope(0, &wasm(ENDLESS), &[])));
    let hash =
        node.call("eth_sendTransaction", json!([{"from": ALICE, "data": creation, "gas": "0x1000000"}]));
    let endless = node.call("eth_getTransactionReceipt", json!([hash]))["contractAddress"].take();
    let stopped = node.error("eth_call", json!([{"to": endless, "gas": "0xffffffffffffff"}, "latest"]));
    assert!(stopped.contains("timeout = 1s"), "{stopped}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = lathe(directory.path(), &["node", "--threads", "1025"]).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
}

/// Sends the head of a request and returns the answer.
fn answer(address: &str, head: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("the node listens");
    socket.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).expect("a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn hosts_and_pages_that_were_named_may_ask_and_no_others() {
    let (node, _directory) = node(&["--allow-host", "lathe.test", "--allow-origin", "https://page.test"]);
    let status =
        |head: &str| answer(node.address(), head).split(' ').nth(1).map(str::to_owned).expect("a status");
    for (host, expected) in [("lathe.test", "200"), ("localhost", "200"), ("other.test", "403")] {
        assert_eq!(status(&format!("GET /health HTTP/1.1\r\nhost: {host}\r\n")), expected, "{host}");
    }
    for (origin, expected) in [("https://page.test", "204"), ("https://other.test", "403")] {
        let head = format!(
            "OPTIONS / HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n"
        );
        assert_eq!(status(&head), expected, "{origin}");
    }
}

#[test]
fn metrics_are_served_where_they_were_asked_for() {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let address = free.expect("a free port").to_string();
    let (node, _directory) = node(&["--metrics", &address]);
    node.send();
    let metrics = answer(&address, "GET /metrics HTTP/1.1\r\nhost: localhost\r\n");
    assert!(metrics.contains("\nlathe_blocks_total 1\n"), "{metrics}");
}

#[test]
fn the_log_is_text_or_json_beside_a_console_of_text() {
    for (flags, is_json) in [(&[][..], false), (&["--log-format", "json"], true)] {
        let node = console::Node::start(flags);
        node.call("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x1"}]));
        let (text, log) = node.end();
        assert!(text.contains("Transfer to "), "{text}");
        let lines: Vec<_> = log.lines().collect();
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.starts_with('{') == is_json),
            "{flags:?}: {log}"
        );
    }
}
