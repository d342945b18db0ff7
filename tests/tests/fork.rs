//! Forks as processes: of anvil, whose contracts are the EVM's, and of a second Lathe, whose contracts are Wasm.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lathe_tests::{FIRST_ADDRESS, FIRST_KEY, Node, RpcFailure, lathe_binary, quantity, root, rpc};
use serde_json::{Value, json};

/// Creation code of a contract that returns slot 0, or stores its calldata there if it has any.
const CELL: &str = "0x601680600b6000396000f336600f5760005460005260206000f35b600035600055";

/// How long anvil may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running anvil. Dropping it kills it.
struct Anvil {
    child: Child,
    url: String,
}

impl Anvil {
    fn start() -> Self {
        let binary = binary();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        drop(listener);
        let child = Command::new(binary)
            .args(["--quiet", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        let anvil = Self { child, url: format!("http://127.0.0.1:{port}") };
        let deadline = Instant::now() + START_TIMEOUT;
        while rpc(&anvil.url, "eth_chainId", json!([])).is_err() {
            assert!(Instant::now() < deadline, "anvil does not answer");
            thread::sleep(Duration::from_millis(10));
        }
        anvil
    }

    fn rpc(&self, method: &str, params: Value) -> Value {
        rpc(&self.url, method, params).unwrap_or_else(|error| panic!("{method}: {error:?}"))
    }

    /// Sends a transaction of the first account, which is mined at once, and returns its receipt.
    fn send(&self, transaction: Value) -> Value {
        send(&|method, params| self.rpc(method, params), transaction)
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns anvil's binary, which `scripts/anvil.sh` installs.
fn binary() -> PathBuf {
    let packages = root().join("tests/anvil/node_modules/@foundry-rs");
    let packages = fs::read_dir(&packages)
        .unwrap_or_else(|_| panic!("anvil is not installed: run `scripts/anvil.sh`"))
        .filter_map(|entry| Some(entry.ok()?.path().join("bin/anvil")));
    packages.into_iter().find(|path| path.is_file()).expect("one of the packages has the binary")
}

fn send(rpc: &dyn Fn(&str, Value) -> Value, mut transaction: Value) -> Value {
    transaction["from"] = json!(FIRST_ADDRESS);
    let hash = rpc("eth_sendTransaction", json!([transaction]));
    // Anvil answers before it has mined.
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let receipt = rpc("eth_getTransactionReceipt", json!([hash]));
        if !receipt.is_null() {
            assert_eq!(receipt["status"], "0x1", "{receipt}");
            return receipt;
        }
        assert!(Instant::now() < deadline, "the transaction is not mined");
        thread::sleep(Duration::from_millis(10));
    }
}

fn word(value: u64) -> String {
    format!("0x{value:064x}")
}

fn load(rpc: &dyn Fn(&str, Value) -> Value, cell: &Value) -> Value {
    rpc("eth_call", json!([{"to": cell}, "latest"]))
}

/// Starts a fork in a directory.
fn fork(url: &str, data: &std::path::Path, more: &[&str]) -> Node {
    let data = data.display().to_string();
    let patience = ["--retries", "1", "--fork-retry-backoff", "10", "--timeout", "20000"];
    Node::start(&[&["--fork-url", url, "--data-dir", &data][..], &patience, more].concat())
}

#[test]
fn a_fork_of_anvil_reads_calls_sends_and_starts_again_without_it() {
    let anvil = Anvil::start();
    let [cell, unread] = [5, 6].map(|value| {
        let cell = anvil.send(json!({"data": CELL}))["contractAddress"].clone();
        anvil.send(json!({"to": cell, "data": word(value)}));
        cell
    });
    let old = anvil.send(json!({"to": cell, "data": word(7)}));
    let base = quantity(&anvil.rpc("eth_blockNumber", json!([])));
    anvil.send(json!({"to": cell, "data": word(8)}));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("fork");
    let pinned = format!("{}@{base}", anvil.url);
    let node = fork(&pinned, &data, &[]);
    let here = |method: &str, params: Value| node.rpc(method, params);

    assert_eq!(quantity(&here("eth_blockNumber", json!([]))), base);
    let number = json!(format!("{base:#x}"));
    for (method, params) in [
        ("eth_chainId", json!([])),
        ("eth_getCode", json!([cell, number])),
        ("eth_getStorageAt", json!([cell, "0x0", number])),
        ("eth_getTransactionCount", json!([FIRST_ADDRESS, number])),
        ("eth_getBalance", json!([FIRST_ADDRESS, "0x1"])),
        ("eth_getBlockByNumber", json!([number, true])),
        ("eth_getTransactionReceipt", json!([old["transactionHash"]])),
        ("eth_getProof", json!([cell, [word(0)], number])),
        ("eth_call", json!([{"to": cell}, number])),
    ] {
        assert_eq!(here(method, params.clone()), anvil.rpc(method, params.clone()), "{method} {params}");
    }
    assert_eq!((load(&here, &cell), load(&|m, p| anvil.rpc(m, p), &cell)), (json!(word(7)), json!(word(8))));
    let receipt = send(&here, json!({"to": cell, "data": word(9)}));
    assert_eq!(quantity(&receipt["blockNumber"]), base + 1);
    assert_eq!(load(&here, &cell), json!(word(9)));
    let refused = node.rpc_error("eth_getProof", json!([cell, [], "latest"]));
    assert!(refused.1.contains("cannot be proven"), "{refused:?}");
    let info = here("anvil_nodeInfo", json!([]));
    assert_eq!(info["forkConfig"]["forkBlockNumber"], json!(base));
    let head = here("eth_getBlockByNumber", json!(["latest", false]));

    let url = anvil.url.clone();
    drop(anvil);
    node.kill();
    let node = fork(&url, &data, &[]);
    let here = |method: &str, params: Value| node.rpc(method, params);
    assert_eq!(here("eth_getBlockByNumber", json!(["latest", false])), head);
    assert_eq!(load(&here, &cell), json!(word(9)));
    let at_base = here("eth_call", json!([{"to": cell}, number]));
    assert_eq!(at_base, json!(word(7)), "the base's state is kept");
    send(&here, json!({"to": cell, "data": word(0)}));
    assert_eq!(load(&here, &cell), json!(word(0)));
    match node.try_rpc("eth_call", json!([{"to": unread}, "latest"])) {
        Err(RpcFailure::Error { message, .. }) => {
            assert!(message.contains(&url) && message.contains("eth_get"), "{message}");
        }
        other => panic!("nobody can know it: {other:?}"),
    }
    node.kill();
    // Another block, or no fork at all, is not what the directory holds.
    for (arguments, words) in [
        (&["--fork-url", &url, "--fork-block-number", "1"][..], "holds a fork at block"),
        (&[][..], "give --fork-url"),
    ] {
        let data = data.display().to_string();
        let arguments = [arguments, &["--data-dir", &data]].concat();
        let failed = Node::try_start_with(&lathe_binary(), &arguments, &[]).expect_err("it must not start");
        assert!(failed.contains(words), "{failed}");
    }
    let db = |command: &str| {
        let mut lathe = Command::new(lathe_binary());
        lathe.args(["db", command, "--data-dir"]).arg(&data).output().expect("lathe runs")
    };
    assert!(db("verify").status.success());
    let dump = db("dump");
    assert!(!dump.status.success());
    assert!(String::from_utf8_lossy(&dump.stderr).contains("holds a fork"), "{dump:?}");
}

#[test]
fn a_fork_of_a_second_lathe_runs_its_programs() {
    let other = Node::start(&["--chain-id", "4242"]);
    let counter = root().join("contracts/counter/counter.wasm");
    let lathe = |url: &str, arguments: &[&str]| {
        let mut command = Command::new(lathe_binary());
        let output = command.args(arguments).args(["--rpc-url", url]).output().expect("lathe runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let module = counter.display().to_string();
    lathe(&other.url, &["deploy", &module, "--private-key", FIRST_KEY]);
    let block = other.rpc("eth_getBlockByNumber", json!(["latest", true]));
    let receipt = other.rpc("eth_getTransactionReceipt", json!([block["transactions"][0]["hash"]]));
    let address = receipt["contractAddress"].as_str().expect("a contract was created");
    // increment(), and number()
    let (increment, number) = ("0xd09de08a", "0x8381f58a");
    let count = |node: &Node| node.rpc("eth_call", json!([{"to": address, "data": number}, "latest"]));
    send(&|method, params| other.rpc(method, params), json!({"to": address, "data": increment}));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let node = fork(&other.url, &directory.path().join("fork"), &["--no-storage-caching"]);
    assert_eq!(node.rpc("eth_chainId", json!([])), json!("0x1092"));
    assert_eq!(count(&node), json!(word(1)));
    send(&|method, params| node.rpc(method, params), json!({"to": address, "data": increment}));
    assert_eq!((count(&node), count(&other)), (json!(word(2)), json!(word(1))));
    let mark = node.rpc("evm_snapshot", json!([]));
    send(&|method, params| node.rpc(method, params), json!({"to": address, "data": increment}));
    assert_eq!(node.rpc("evm_revert", json!([mark])), json!(true));
    assert_eq!(count(&node), json!(word(2)));
}
