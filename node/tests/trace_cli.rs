//! `lathe trace` and `lathe gas` as processes, on a node and on modules.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

const ALICE: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const BOB: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

/// The example contracts, whose ABIs stand beside them.
const CONTRACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts");

struct Node {
    process: Child,
    url: String,
}

impl Node {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lathe"))
            .args(["node", "--port", "0", "--json", "--accounts", "2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a start-up message");
        let banner: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { process, url: banner["rpcUrl"].as_str().expect("a URL").to_owned() }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lathe"));
        command.args(arguments).env("ETH_RPC_URL", &self.url).output().expect("the binary starts")
    }

    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.prints(arguments)).expect("JSON")
    }

    /// Deploys the example token, all of it Alice's, and returns its address.
    fn token(&self) -> String {
        let module = format!("{CONTRACTS}/erc20/erc20.wasm");
        let constructor = "constructor(string,string,uint256,address)";
        let deploy = ["deploy", &module, "--constructor", constructor, "Gold", "AU", "1000", ALICE, "--json"];
        self.json(&deploy)["address"].as_str().expect("an address").to_owned()
    }

    /// Sends a call and returns its transaction, and the gas it used.
    fn send(&self, call: &[&str]) -> (String, u64) {
        let receipt = self.json(&[&["send"], call, &["--json"]].concat());
        let gas = receipt["gasUsed"].as_str().expect("gas").trim_start_matches("0x").to_owned();
        let gas = u64::from_str_radix(&gas, 16).expect("hex");
        (receipt["transactionHash"].as_str().expect("a hash").to_owned(), gas)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_trace_names_functions_arguments_and_events() {
    let node = Node::start();
    let token = node.token();
    let (hash, gas) = node.send(&[&token, "transfer(address,uint256)", BOB, "5"]);
    let text = node.prints(&["trace", &hash, "--artifacts", CONTRACTS]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let call = format!("::transfer(to: {BOB}, value: 5) (wasm)");
    assert!(lines[0].starts_with("CALL [") && lines[0].ends_with(&call), "{text}");
    assert_eq!(lines[1], format!("├─ emit Transfer(from: {ALICE}, to: {BOB}, value: 5)"));
    assert_eq!(lines[2], "└─ ← true");
    assert!(!text.contains('\x1b'), "only a terminal has colours: {text:?}");

    // The names that everybody knows need no ABI.
    let bare = node.prints(&["trace", &hash]);
    assert_eq!(bare.lines().skip(1).collect::<Vec<_>>(), lines[1..]);
    assert!(bare.contains("ERC20::transfer(to: "), "{bare}");
    let named =
        node.prints(&["trace", &hash, "--artifacts", CONTRACTS, "--contract", &format!("{token}=erc20")]);
    assert!(named.contains(" erc20::transfer("), "{named}");

    let json = node.json(&["trace", &hash, "--artifacts", CONTRACTS, "--json"]);
    assert_eq!((&json[0]["engine"], &json[0]["call"]["name"]), (&"wasm".into(), &"transfer".into()));
    assert_eq!((&json[1]["event"]["name"], &json[1]["depth"]), (&"Transfer".into(), &1.into()));
    assert_eq!(json[0]["returned"][0]["value"], true);
    assert!(gas > 21_000);
}

#[test]
fn a_trace_of_a_failure_says_why() {
    let node = Node::start();
    let token = node.token();
    let output =
        node.run(&["send", &token, "transfer(address,uint256)", BOB, "5000", "--gas-limit", "500000"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    let hash = error.split_whitespace().find(|word| word.len() == 66).unwrap_or_else(|| panic!("{error}"));
    let text = node.prints(&["trace", hash]);
    let last = text.lines().last().expect("lines");
    let why = format!(
        "✗ execution reverted: ERC20InsufficientBalance(sender: {ALICE}, balance: 1000, needed: 5000)"
    );
    assert_eq!(last, format!("└─ {why}"));
    let output = node.run(&["trace", &hash.replace(|c: char| c.is_ascii_digit(), "0")]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("transaction not found"), "{output:?}");
    for (arguments, why) in [
        (&["--artifacts", "/nowhere"][..], "/nowhere"),
        (
            &["--contract", &format!("{token}=Nope")],
            "there is no such ABI; there are ArbWasm, ERC1155, ERC20",
        ),
    ] {
        let output = node.run(&[&["trace", hash], arguments].concat());
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{output:?}");
    }
}

/// Returns the gas in a column of the table, in ink.
fn ink(text: &str) -> i64 {
    text.replace([',', '.'], "").parse().unwrap_or_else(|_| panic!("{text:?}"))
}

#[test]
fn what_a_table_says_adds_up_to_the_gas_used() {
    let node = Node::start();
    let token = node.token();
    let (hash, gas) = node.send(&[&token, "transfer(address,uint256)", BOB, "5"]);
    for rows in ["1000", "5"] {
        let text = node.prints(&["gas", &hash, "--rows", rows]);
        let rows: Vec<_> = text.lines().skip(3).collect();
        let (total, rows) = rows.split_last().expect("rows");
        let own: i64 = rows.iter().map(|row| ink(row.split_whitespace().next().expect("a number"))).sum();
        let total = ink(total.split_whitespace().next().expect("a number"));
        assert_eq!((own, total), (total, i64::try_from(gas).expect("little") * 10_000), "{text}");
    }
    let text = node.prints(&["gas", &hash, "--rows", "1000"]);
    for name in [
        "cost: transaction",
        "cost: calldata",
        "cost: load code",
        "host storage_flush_cache",
        "ERC20::transfer",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    let folded = node.prints(&["gas", &hash, "--folded"]);
    let sum: i64 = folded.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok()).sum();
    assert_eq!(sum, i64::try_from(gas).expect("little") * 10_000);
    assert!(
        folded.lines().any(|line| line.starts_with("total;CALL ") && line.contains(";user_entrypoint;")),
        "{folded}"
    );
    let svg = node.prints(&["gas", &hash, "--svg"]);
    assert!(svg.starts_with("<?xml") && svg.contains("storage_flush_cache"), "{svg}");
}

#[test]
fn a_module_is_profiled_without_a_chain() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let path = files.path().join("fib.wat");
    let text = r#"(module (memory 1)
        (func $fib (export "fib") (param i32) (result i32)
            (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                    (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#;
    std::fs::write(&path, text).expect("a file");
    let path = path.to_str().expect("a path");
    let lathe = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_lathe")).args(arguments).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{output:?}");
        output
    };
    let run = lathe(&["run", path, "--invoke", "fib", "--args", "10", "--json"]);
    let run: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let gas = lathe(&["gas", path, "--invoke", "fib", "--args", "10", "--json"]);
    let gas: Value = serde_json::from_slice(&gas.stdout).expect("JSON");
    assert_eq!(gas["gasUsed"], run["gasUsed"]);
    let nodes = gas["nodes"].as_array().expect("nodes");
    let sum = |name: &str, member: &str| -> i64 {
        let named = nodes.iter().filter(|node| node["name"] == name);
        named.map(|node| node[member].as_i64().expect("a number")).sum()
    };
    // The calls of fib(10), each a node inside the one that called it, ten deep.
    assert_eq!((sum("fib", "calls"), sum("instantiate", "ink")), (177, 11_000_000));
    assert_eq!(sum("fib", "ink") + sum("instantiate", "ink"), run["inkUsed"].as_i64().expect("ink"));
    assert_eq!(nodes.iter().filter(|node| node["name"] == "fib").count(), 10);

    // A function with the name of the frame that calls it shares its row, and is not counted twice there.
    let path = files.path().join("run.wat");
    std::fs::write(&path, text.replace("fib", "run")).expect("a file");
    let table = lathe(&["gas", path.to_str().expect("a path"), "--invoke", "run", "--args", "10"]).stdout;
    let table = String::from_utf8(table).expect("UTF-8");
    let row = table.lines().find(|line| line.ends_with("  run")).expect("a row");
    assert_eq!(row.split_whitespace().nth(3), Some("100.0"), "{table}");
}
