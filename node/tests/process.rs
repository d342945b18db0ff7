//! The node as a process: how it is told what to be, and what it leaves behind.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::Output,
};

use serde_json::{Value, json};
use support::{
    node::{ALICE, BOB},
    process::{Node, lathe},
};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_state_file_brings_the_chain_back_and_a_signal_ends_a_node_well() {
    let directory = directory();
    let node = Node::start(directory.path(), &["--state", "chain.gz"]);
    let hash = node.send();
    let head = node.head();
    assert!(node.stop("TERM").success());
    let node = Node::start(directory.path(), &["--state", "chain.gz"]);
    assert_eq!(node.head(), head);
    assert_eq!(node.call("eth_getTransactionReceipt", json!([hash]))["status"], "0x1");
    node.send();
    assert!(node.stop("INT").success());
    let node = Node::start(directory.path(), &["--load-state", "chain.gz", "--dump-state", "other.gz"]);
    assert_eq!(node.head()["number"], "0x2");
    assert!(node.stop("TERM").success());
    assert!(directory.path().join("other.gz").exists());

    let output = lathe(directory.path(), &["node", "--port", "0", "--load-state", "none.gz"]).output();
    let output = output.expect("the binary starts");
    assert!(!output.status.success() && text(&output).contains("none.gz"), "{}", text(&output));
}

#[test]
fn the_file_says_what_flags_and_variables_do_not() {
    let directory = directory();
    let file = "[node]\nchain-id = 77\naccounts = 3\nbase-fee = 5\nno-mining = true\n";
    fs::write(directory.path().join("lathe.toml"), file).expect("a file");
    let mut command = lathe(directory.path(), &["node", "--json", "--chain-id", "78"]);
    let node =
        Node::spawn(command.env("LATHE_PORT", "0").env("LATHE_ACCOUNTS", "4").env("LATHE_CHAIN_ID", "79"));
    assert_eq!(node.banner["chainId"], 78, "a flag wins");
    assert_eq!(node.banner["accounts"].as_array().map(Vec::len), Some(4), "a variable wins over the file");
    assert_eq!(node.call("anvil_getAutomine", json!([])), json!(false));
    assert_eq!(node.head()["baseFeePerGas"], "0x5");
    drop(node);

    fs::write(directory.path().join("other.toml"), "[node]\n\nblok-time = 1\n").expect("a file");
    let output =
        lathe(directory.path(), &["node", "--config", "other.toml"]).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output);
    assert!(told.contains("other.toml:3: unknown key `blok-time`; did you mean `block-time`?"), "{told}");
    let output =
        lathe(directory.path(), &["node", "--config", "none.toml"]).output().expect("the binary starts");
    assert!(!output.status.success() && text(&output).contains("none.toml"), "{}", text(&output));
}

#[test]
fn equal_requests_to_two_deterministic_nodes_make_equal_chains() {
    let run = |directory: &Path| {
        let node = Node::start(directory, &["--deterministic"]);
        node.send();
        node.call("anvil_mine", json!(["0x5"]));
        node.send();
        node.head()
    };
    let (first, second) = (directory(), directory());
    assert_eq!(run(first.path()), run(second.path()));
}

#[test]
fn a_genesis_file_says_how_the_chain_begins() {
    let directory = directory();
    let genesis = json!({
        "config": {"chainId": 4242},
        "timestamp": "0x6553f100",
        "gasLimit": "0x1c9c380",
        "baseFeePerGas": "0x7",
        "coinbase": BOB,
        "extraData": "0x6c61746865",
        "alloc": {"00000000000000000000000000000000000000ff": {"balance": "0x5", "code": "0x00"}},
    });
    fs::write(directory.path().join("genesis.json"), genesis.to_string()).expect("a file");
    let node = Node::start(directory.path(), &["--init", "genesis.json"]);
    let block = node.head();
    assert_eq!((&block["timestamp"], &block["gasLimit"]), (&json!("0x6553f100"), &json!("0x1c9c380")));
    assert_eq!((&block["baseFeePerGas"], &block["miner"]), (&json!("0x7"), &json!(BOB)));
    assert!(block["extraData"].as_str().is_some_and(|data| data.ends_with("6c61746865")), "{block}");
    assert_eq!(node.call("eth_chainId", json!([])), "0x1092");
    let balance = node.call("eth_getBalance", json!(["0x00000000000000000000000000000000000000ff"]));
    assert_eq!(balance, "0x5");
    node.send();
}

#[test]
fn accounts_come_from_a_seed_and_a_path_and_are_written_down() {
    let directory = directory();
    let flags = [
        "--mnemonic-seed",
        "a",
        "--accounts",
        "2",
        "--config-out",
        "config.json",
        "--timestamp",
        "2000000000",
    ];
    let node = Node::start(directory.path(), &flags);
    let config = fs::read_to_string(directory.path().join("config.json")).expect("a file");
    let config: Value = serde_json::from_str(&config).expect("JSON");
    assert_eq!(config["available_accounts"], node.call("eth_accounts", json!([])));
    assert_eq!(config["private_keys"].as_array().map(Vec::len), Some(2));
    assert_eq!(config["genesis_timestamp"], "2000000000");
    let mnemonic = config["wallet"]["mnemonic"].as_str().expect("a mnemonic");
    assert_eq!(mnemonic.split(' ').count(), 12);
    let again = Node::start(directory.path(), &["--mnemonic", mnemonic, "--accounts", "2"]);
    assert_eq!(config["available_accounts"], again.call("eth_accounts", json!([])));
    let path = Node::start(directory.path(), &["--derivation-path", "m/44'/1'/0'/0/", "--accounts", "1"]);
    assert_ne!(path.call("eth_accounts", json!([]))[0], ALICE);
    let block = node.call("evm_mine_detailed", json!([]));
    let timestamp = block[0]["timestamp"].as_str().and_then(|text| u64::from_str_radix(&text[2..], 16).ok());
    assert!(timestamp.is_some_and(|time| (2_000_000_000..2_000_003_600).contains(&time)), "{block}");
}

#[test]
fn a_unix_socket_is_there_as_long_as_the_node() {
    let directory = directory();
    let node = Node::start(directory.path(), &["--ipc", "lathe.ipc"]);
    let path = directory.path().join("lathe.ipc");
    let mut socket = std::os::unix::net::UnixStream::connect(&path).expect("the node listens");
    socket.write_all(br#"{"jsonrpc":"2.0","id":7,"method":"eth_chainId"}"#).expect("a request");
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).expect("an answer");
    assert!(answer.contains("\"result\":\"0x7a69\""), "{answer}");
    assert!(node.stop("TERM").success());
    assert!(!path.exists());
}

#[test]
fn shells_get_completions_and_commands_have_examples() {
    let directory = directory();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = lathe(directory.path(), &["completions", shell]).output().expect("the binary starts");
        assert!(output.status.success() && text(&output).contains("--block-time"), "{shell}");
    }
    for command in [
        "node",
        "deploy",
        "call",
        "send",
        "encode",
        "decode",
        "envelope",
        "inspect",
        "run",
        "chain",
        "statetest",
        "db",
        "completions",
    ] {
        let output = lathe(directory.path(), &[command, "--help"]).output().expect("the binary starts");
        assert!(
            text(&output).contains(&format!("Examples:\n  lathe {command}")),
            "{command}: {}",
            text(&output)
        );
    }
}

#[test]
fn development_keys_are_not_lent_to_the_network_by_mistake() {
    let directory = directory();
    let output = lathe(directory.path(), &["node", "--host", "0.0.0.0", "--port", "0"]).output();
    let output = output.expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("--allow-dev-keys-on-network"), "{}", text(&output));
}
