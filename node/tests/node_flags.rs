//! Flags of `lathe node`, seen from outside: what a client or a reader of the console notices of each.

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

use serde_json::{Value, json};
use support::{
    console, envelope,
    node::{ALICE, BOB, NOBODY},
    process::{Node, lathe},
    returns, wasm,
};

/// Where the CREATE2 factory is.
const FACTORY: &str = "0x4e59b44847b379578588920cA78FbF26c0B4956C";
/// Where Multicall3 is.
const MULTICALL: &str = "0xcA11bde05977b3631167028862bE2a173976CA11";
const ETHER: &str = "0xde0b6b3a7640000";

fn node(flags: &[&str]) -> (Node, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    (Node::start(directory.path(), flags), directory)
}

/// EVM creation data that installs so many bytes of code.
fn creation(bytes: usize) -> String {
    // CODECOPY of what follows these twelve bytes, and RETURN of it.
    let length = u32::try_from(bytes).expect("fits").to_be_bytes();
    let prelude = [&[0x63][..], &length, &[0x80, 0x60, 14, 0x5f, 0x39, 0x5f, 0xf3, 0x00, 0x00]].concat();
    format!("0x{}", hex::encode([prelude, vec![0; bytes]].concat()))
}

/// Creates a contract with so much code; returns whether it came to be.
fn deploys(node: &Node, bytes: usize) -> bool {
    let request = json!([{"from": ALICE, "data": creation(bytes), "gas": "0x5000000"}]);
    let answer = node.try_call("eth_sendTransaction", request);
    let Ok(hash) = answer else { return false };
    let receipt = node.call("eth_getTransactionReceipt", json!([hash]));
    let is_there = receipt["status"] == "0x1";
    if receipt["contractAddress"].is_null() {
        return is_there;
    }
    let code = node.call("eth_getCode", json!([receipt["contractAddress"], "latest"]));
    assert_eq!(code.as_str().map(str::len), Some(if is_there { 2 + 2 * bytes } else { 2 }));
    is_there
}

#[test]
fn evm_code_may_be_as_long_as_the_limit_says() {
    // A limit, the longest code, and what is too long; creation data may be twice as long as code.
    for (flags, longest, too_long) in [
        (&[][..], 24_576, Some(24_577)),
        (&["--code-size-limit", "30000"], 30_000, Some(30_001)),
        (&["--code-size-limit", "100"], 100, Some(101)),
        (&["--disable-code-size-limit"], 300_000, None),
    ] {
        let (node, _directory) = node(flags);
        assert!(deploys(&node, longest), "{flags:?}: {longest}");
        assert!(!too_long.is_some_and(|bytes| deploys(&node, bytes)), "{flags:?}: {too_long:?}");
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    for flags in [&["--code-size-limit", "0"][..], &["--code-size-limit", "9", "--disable-code-size-limit"]] {
        let output = lathe(directory.path(), &["node"]).args(flags).output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
}

#[test]
fn the_limit_of_code_is_one_of_the_rules() {
    let genesis =
        |flags: &[&str]| node(flags).0.call("eth_getBlockByNumber", json!(["0x0", false]))["hash"].take();
    assert_eq!(genesis(&["--code-size-limit", "24576"]), genesis(&[]));
    assert_ne!(genesis(&["--code-size-limit", "24577"]), genesis(&[]));
}

#[test]
fn the_create2_factory_can_be_left_out() {
    let code = |node: &Node, of: &str| node.call("eth_getCode", json!([of, "latest"]));
    let ((with, _one), (without, _other)) = (node(&[]), node(&["--disable-default-create2-deployer"]));
    assert_ne!(code(&with, FACTORY), "0x");
    assert_eq!(code(&without, FACTORY), "0x");
    assert_eq!(code(&without, MULTICALL), code(&with, MULTICALL));
    // Neither does a fork add it.
    let url = without.banner["rpcUrl"].as_str().expect("a URL").to_owned();
    let (fork, _third) = node(&["--fork-url", &url, "--no-create2"]);
    assert_eq!(code(&fork, FACTORY), "0x");
    let (fork, _fourth) = node(&["--fork-url", &url]);
    assert_eq!(code(&fork, FACTORY), code(&with, FACTORY));
}

#[test]
fn what_is_safe_and_final_lies_epochs_back_if_there_are_any() {
    let tags = ["latest", "pending", "safe", "finalized", "earliest"];
    for (flags, expected) in [
        (&[][..], ["0xa", "0xa", "0xa", "0xa", "0x0"]),
        (&["--slots-in-an-epoch", "3"], ["0xa", "0xa", "0x7", "0x4", "0x0"]),
        (&["--slots-in-an-epoch", "8"], ["0xa", "0xa", "0x2", "0x0", "0x0"]),
    ] {
        let (node, _directory) = node(flags);
        node.call("anvil_mine", json!(["0x9"]));
        node.call("anvil_setBalance", json!([NOBODY, "0x7"]));
        let numbers = tags.map(|tag| node.call("eth_getBlockByNumber", json!([tag, false]))["number"].take());
        assert_eq!(numbers, expected.map(|number| json!(number)), "{flags:?}");
        // State, logs and calls go by the same.
        let balances = tags.map(|tag| node.call("eth_getBalance", json!([NOBODY, tag])));
        let owned = expected.map(|number| json!(if number == "0xa" { "0x7" } else { "0x0" }));
        assert_eq!(balances, owned, "{flags:?}");
    }
}

#[test]
fn the_pool_takes_what_cannot_be_paid_yet_if_it_is_told_to() {
    let transfer = json!([{"from": NOBODY, "to": BOB, "value": "0x5", "gas": "0x5208"}]);
    let (careful, _one) = node(&["--no-mining", "--auto-impersonate"]);
    let refused = careful.error("eth_sendTransaction", transfer.clone());
    assert!(refused.contains("insufficient funds"), "{refused}");
    let (careless, _other) = node(&["--no-mining", "--auto-impersonate", "--disable-pool-balance-checks"]);
    let hash = careless.call("eth_sendTransaction", transfer.clone());
    assert_eq!(careless.call("txpool_status", json!([]))["pending"], "0x1");
    careless.call("anvil_setBalance", json!([NOBODY, ETHER]));
    careless.call("evm_mine", json!([]));
    assert_eq!(careless.call("eth_getTransactionReceipt", json!([hash]))["status"], "0x1");
    // What nobody has paid for until then is in no block.
    careless.call("anvil_setBalance", json!([NOBODY, "0x0"]));
    let hash = careless.call("eth_sendTransaction", transfer);
    careless.call("evm_mine", json!([]));
    assert_eq!(careless.call("eth_getTransactionReceipt", json!([hash])), Value::Null);
    assert_eq!(careless.call("txpool_status", json!([]))["pending"], "0x0");
}

#[test]
fn wallets_need_offer_nothing_beside_the_base_fee() {
    for (flags, tip) in [(&[][..], "0x3b9aca00"), (&["--disable-min-priority-fee"], "0x0")] {
        let (node, _directory) = node(flags);
        assert_eq!(node.call("eth_maxPriorityFeePerGas", json!([])), tip);
        let hash = node.send();
        let sent = node.call("eth_getTransactionByHash", json!([hash]));
        assert_eq!(sent["maxPriorityFeePerGas"], tip, "what the node fills in is the same");
    }
}

#[test]
fn no_web_page_may_ask_whatever_a_variable_says() {
    let status = |node: &Node| {
        let mut socket = TcpStream::connect(node.address()).expect("the node listens");
        let request = "OPTIONS / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\norigin: https://page.test\r\n\
                       access-control-request-method: POST\r\n\r\n";
        socket.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer.split(' ').nth(1).expect("a status").to_owned()
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let start = |flags: &[&str]| {
        let mut command = lathe(directory.path(), &["node", "--json"]);
        Node::spawn(command.args(flags).env("LATHE_PORT", "0").env("LATHE_ALLOW_ORIGIN", "*"))
    };
    assert_eq!(status(&start(&[])), "204");
    assert_eq!(status(&start(&["--no-cors"])), "403");
}

/// Prints what it is called with.
const PRINTS: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "console" "log_txt" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $read_args (i32.const 0))
        (call $log (i32.const 0) (local.get $length))
        (i32.const 0)))"#;

#[test]
fn what_contracts_print_need_not_be_shown() {
    for (flags, expected) in [(&[][..], true), (&["--disable-console-log"], false)] {
        let mut node = console::Node::start(flags);
        let revert = node.deploy(&returns(&[0x5f, 0x5f, 0xfd]));
        let prints = node.deploy(&envelope(0, &wasm(PRINTS), &[]));
        node.call("eth_call", json!([{"to": prints, "data": "0x6161"}, "latest"]));
        node.send(Some(&prints), b"bbb", 500_000);
        node.answer("eth_call", json!([{"to": revert}, "latest"]));
        let (text, _) = node.end();
        assert!(text.contains(" failed: "), "failures are shown all the same: {text}");
        for printed in ["  print  aa", "  print  bbb"] {
            assert_eq!(text.contains(printed), expected, "{flags:?}: {text}");
        }
        assert_eq!(text.matches("Call 0x").count(), 1, "the transaction is shown");
    }
}

#[test]
fn traces_of_transactions_and_calls_are_shown_as_trees() {
    let mut node = console::Node::start(&["--print-traces"]);
    let prints = node.deploy(&envelope(0, &wasm(PRINTS), &[]));
    let hash = node.send(Some(&prints), b"bbb", 500_000);
    node.call("eth_call", json!([{"to": prints, "data": "0x61616161"}, "latest"]));
    let (text, _) = node.end();
    let trace = |whose: &str| {
        let (_, rest) =
            text.split_once(&format!("Trace of {whose}\n")).unwrap_or_else(|| panic!("{whose}: {text}"));
        rest.lines().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let of_tx = trace(hash.as_str().expect("a hash"));
    assert!(of_tx[0].starts_with("CALL [") && of_tx[0].contains("0x626262 (wasm)"), "{of_tx:?}");
    assert_eq!(of_tx[1], "└─ ←");
    let of_call = trace("a call");
    assert!(of_call[0].starts_with("CALL [") && of_call[0].contains("0x61616161 (wasm)"), "{of_call:?}");
    let quiet = console::Node::start(&[]);
    quiet.call("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x1"}]));
    assert!(!quiet.end().0.contains("Trace of"));
}

#[test]
fn colours_go_where_they_are_asked_for() {
    for (when, has_colours) in [("always", true), ("never", false), ("auto", false)] {
        let node = console::Node::start(&["--color", when]);
        node.call("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x1"}]));
        let (text, log) = node.end();
        assert_eq!(
            (text.contains("\x1b["), log.contains("\x1b[")),
            (has_colours, has_colours),
            "{when}: {text} {log}"
        );
    }
}

#[test]
fn a_chain_is_dumped_again_and_again_and_its_history_can_be_short() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let node =
        Node::start(directory.path(), &["--state", "chain.gz", "--state-interval", "1", "--history", "2"]);
    node.send();
    node.call("anvil_mine", json!(["0x5"]));
    let pruned = node.error("eth_getBalance", json!([ALICE, "0x1"]));
    assert!(pruned.contains("--history"), "{pruned}");
    drop(node);
    let node = Node::start(directory.path(), &["--dump-state", "other.gz", "--state-interval", "1"]);
    node.send();
    assert!(exists_soon(&directory.path().join("other.gz"), 200), "before the node ends");
}

/// Waits for a file, so many tenths of a second at most.
fn exists_soon(path: &Path, tenths: u32) -> bool {
    for _ in 0..tenths {
        if path.exists() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    path.exists()
}
