//! Real clients, unmodified, against a real node: the scenario of `tests/clients` with four of them, and what one of them
//! alone is good for.

use std::{path::PathBuf, process::Command};

use lathe_tests::{FIRST_ADDRESS, FIRST_KEY, Node, clients::Client, lathe_binary, root};
use serde_json::{Value, json};

fn clients() -> PathBuf {
    let modules = root().join("tests/clients/node_modules");
    assert!(modules.is_dir(), "the clients are not installed: run `make clients`");
    modules
}

/// Runs a command that must succeed and returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}",
        text(&output.stderr),
        text(&output.stdout)
    );
    text(&output.stdout)
}

/// Runs a command that must fail and returns what it says.
fn run_failing(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(!output.status.success(), "{command:?} succeeded: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

struct Cast<'a>(&'a Node);

impl Cast<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let binary = clients().join("@foundry-rs/cast-linux-amd64/bin/cast");
        let mut command = Command::new(binary);
        command.args(arguments).args(["--rpc-url", &self.0.url]).env("NO_COLOR", "1");
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        run(&mut self.command(arguments))
    }

    /// Runs `cast send` and returns the receipt.
    fn send(&self, arguments: &[&str]) -> Value {
        let text = run(self.command(&["send", "--json", "--private-key", FIRST_KEY]).args(arguments));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("cast send printed {text}: {error}"))
    }

    /// Deploys a module of `contracts/` and returns its address.
    fn create(&self, module: &str) -> String {
        let data =
            run(Command::new(lathe_binary()).arg("envelope").arg(root().join("contracts").join(module)));
        let receipt = self.send(&["--create", &data]);
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        receipt["contractAddress"].as_str().expect("a creation has a contract").to_owned()
    }
}

fn lathe(arguments: &[&str]) -> String {
    run(Command::new(lathe_binary()).args(arguments))
}

/// Runs a client's scenario; every check that it has must pass.
fn passes(name: &str) {
    let client = Client::of(name).expect("the client has a driver");
    let report = client.run(&lathe_binary()).unwrap_or_else(|error| panic!("{error}"));
    let failed: Vec<String> =
        report.failed.iter().map(|(check, message)| format!("{check}: {message}")).collect();
    assert!(failed.is_empty(), "{} {}:\n{}", report.client, report.version, failed.join("\n"));
}

#[test]
fn cast_passes_the_scenario() {
    passes("cast");
}

#[test]
fn viem_passes_the_scenario() {
    passes("viem");
}

#[test]
fn ethers_passes_the_scenario() {
    passes("ethers");
}

#[test]
fn web3_py_passes_the_scenario() {
    passes("web3.py");
}

#[test]
fn web3_py_asks_sends_and_subscribes_over_a_unix_socket() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("lathe.ipc");
    let node = Node::start(&["--ipc", path.to_str().expect("a path in UTF-8")]);
    let folder = root().join("tests/clients");
    let told = run(Command::new("timeout")
        .args(["120", ".venv/bin/python", "ipc.py"])
        .current_dir(folder)
        .env("LATHE_IPC", &path));
    let told: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{told}: {error}"));
    let expected = json!({
        "chainId": 31337, "isConnected": true, "status": 1, "gained": 7, "number": 1_101, "rewards": 1_024,
        "refusal": -32000, "heads": [1, 2, 3], "ended": true,
    });
    assert_eq!(told, expected);
    assert_eq!(node.rpc("eth_blockNumber", json!([])), "0x450", "HTTP sees the same chain");
}

#[test]
fn cast_talks_scale_to_the_calculator() {
    let node = Node::start(&[]);
    let cast = Cast(&node);
    let calculator = cast.create("calculator/calculator.wasm");
    let encode = |message: &str, user: &str, step: &str| {
        lathe(&["encode", "--scale", "text_received(str,str,str)->str", message, user, step])
    };
    let ask = |message: &str, user: &str, step: &str| {
        let calldata = encode(message, user, step);
        let answer = lathe(&["decode", "--scale", "str", &cast.run(&["call", &calculator, &calldata])]);
        cast.send(&[&calculator, &calldata]);
        answer
    };
    assert_eq!(ask("23*63", "alice", ""), "1449");
    assert_eq!(ask("+1", "alice", ""), "1450");
    assert_eq!(ask("+1", "bob", ""), "1");
    // A given step is continued from, and nothing is stored.
    assert_eq!(ask("*2", "alice", "10"), "20");
    assert_eq!(ask("+1", "alice", ""), "1451");

    let before = node.rpc("eth_getProof", json!([calculator, [], "latest"]));
    let error = run_failing(&mut cast.command(&["call", &calculator, &encode("23*%", "alice", "")]));
    assert!(error.contains("execution reverted") && error.contains("column 4"), "{error}");
    let receipt = cast.send(&["--gas-limit", "1000000", &calculator, &encode("23*%", "alice", "")]);
    assert_eq!(receipt["status"], "0x0");
    let after = node.rpc("eth_getProof", json!([calculator, [], "latest"]));
    assert_eq!(before["storageHash"], after["storageHash"], "a malformed message changes nothing");
}

#[test]
fn lathe_deploys_calls_and_sends() {
    let node = Node::start(&[]);
    let url = ["--rpc-url", &node.url];
    let module = root().join("contracts/calculator/calculator.wasm");
    let deployed = run(Command::new(lathe_binary()).arg("deploy").arg(module).arg("--json").args(url));
    let deployed: Value = serde_json::from_str(&deployed).expect("JSON");
    let address = deployed["address"].as_str().expect("an address");
    let signature = "text_received(str,str,str)->str";
    let call = |message| {
        run(Command::new(lathe_binary())
            .args(["call", "--scale", address, signature, message, "eve", ""])
            .args(url))
    };
    assert_eq!(call("(1+2)*3"), "9");
    run(Command::new(lathe_binary())
        .args(["send", "--scale", address, signature, "6*7", "eve", ""])
        .args(url));
    assert_eq!(call("+0"), "42");
    let error = run_failing(
        Command::new(lathe_binary())
            .args(["call", "--scale", address, signature, "1/0", "eve", ""])
            .args(url),
    );
    assert!(error.contains("column"), "{error}");
}

/// Every contract of the unmodified stylus-sdk, deployed and driven with its `abi.json`.
#[test]
fn viem_drives_every_example_contract() {
    let node = Node::start(&[]);
    clients();
    let script = root().join("tests/clients/contracts.mjs");
    let contracts = root().join("contracts");
    let text = run(Command::new("node").arg(script).args([&node.url, FIRST_KEY]).arg(contracts));
    let result: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let other = "0x00000000000000000000000000000000000000AA";
    assert_eq!(
        result,
        json!({
            "counter": "42",
            "erc20": {
                "name": "Lathe Token",
                "decimals": 18,
                "transferred": true,
                "events": ["Transfer"],
                "balance": "5",
                "error": "ERC20InsufficientBalance",
            },
            "erc721": { "minted": "1", "owner": other, "uri": "data:,lot%201", "error": "ERC721NonexistentToken" },
            "cabinet": {
                "slot": "0x00000000000000000000000000000000c0ffee01fffffffffffffffe12340701",
                "small": ["true", "7", "4660", "-2", "0xc0ffee01", other],
                "text": 63,
                "drawer": ["3", true, "label", ["5", "6"]],
                "error": "OutOfRange",
            },
            "exchange": {
                "bought": "10",
                "events": ["Bought", "Sold"],
                "stock": "994",
                "ether": "49",
                "error": "NothingBought",
                "passedOn": "ERC20InsufficientAllowance",
            },
            "proxy": { "number": "7", "untouched": "42", "error": "NoCode" },
            "factory": { "atItsAddress": true, "count": "1", "works": "success" },
            "probe": {
                "sender": true,
                "chainId": "31337",
                "hash": true,
                "arithmetic": ["3", "2", "1419857", "1", "1"],
                "transient": true,
                "noCode": 0,
                "panic": true,
            },
        })
    );
}

/// Another implementation of the trie verifies every proof, at every block.
#[test]
fn ethereumjs_verifies_the_proofs_of_every_block() {
    let node = Node::start(&[]);
    let cast = Cast(&node);
    let counter = cast.create("counter/counter.wasm");
    for number in ["7", "0", "115792089237316195423570985008687907853269984665640564039457584007913129639935"]
    {
        cast.send(&[&counter, "setNumber(uint256)", number]);
    }
    let script = root().join("tests/clients/proof.mjs");
    let absent = "0x00000000000000000000000000000000000000ff";
    let slots = ["0x0", "0x1", "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"];
    let text =
        run(Command::new("node").arg(script).args([&node.url, &counter, FIRST_ADDRESS, absent]).args(slots));
    let result: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(result, json!({"blocks": 5, "proofs": 60, "wrong": []}));
}
