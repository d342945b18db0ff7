//! `lathe statetest`, `lathe chain` and `--chain` as processes.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use serde_json::{Value, json};

/// The address of the key in [`SECRET_KEY`].
const SENDER: &str = "0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b";
const SECRET_KEY: &str = "0x45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8";
const CONTRACT: &str = "0x00000000000000000000000000000000000000c0";
const COINBASE: &str = "0x2adc25665018aa1fe0e6bc666dac8fc2697ff9ba";
/// What sender and contract own before.
const BALANCE: u64 = 10_000_000;

/// Stores its calldata in slot 0 and logs it.
const CODE: &str = r#"(module
    (import "ethereum" "callDataCopy" (func $callDataCopy (param i32 i32 i32)))
    (import "ethereum" "storageStore" (func $storageStore (param i32 i32)))
    (import "ethereum" "log" (func $log (param i32 i32 i32 i32 i32 i32 i32)))
    (memory (export "memory") 1)
    (func (export "main")
        (call $callDataCopy (i32.const 63) (i32.const 0) (i32.const 1))
        (call $storageStore (i32.const 0) (i32.const 32))
        (call $log (i32.const 63) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))"#;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }
}

fn lathe<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lathe")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The state root and the hash of the logs after the contract was called with one byte that is not 0: computed by hand, and by
/// another trie.
fn expected(byte: u8) -> (B256, B256) {
    let address = |text: &str| text.parse::<Address>().unwrap();
    // Calldata; the copy; the store; the log.
    let gas = 21_000 + 68 + (3 + 3) + 20_000 + (375 + 8);
    let account =
        |nonce, balance: u64| TrieAccount { nonce, balance: U256::from(balance), ..Default::default() };
    let contract = TrieAccount {
        storage_root: storage_root_unhashed([(B256::ZERO, U256::from(byte))]),
        code_hash: keccak256(wat::parse_str(CODE).unwrap()),
        ..account(0, BALANCE)
    };
    let accounts = [
        (address(SENDER), account(1, BALANCE - gas)),
        (address(CONTRACT), contract),
        (address(COINBASE), account(0, gas)),
    ];
    // A list of one log: address, no topics, one byte that is its own RLP.
    let log = [&[0xd7, 0x94][..], address(CONTRACT).as_slice(), &[0xc0, byte]].concat();
    (state_root_unhashed(accounts), keccak256([&[0xd8][..], &log].concat()))
}

/// A file of one test with two cases: calldata 1 and 2.
fn state_test(change: impl FnOnce(&mut Value)) -> String {
    let code = Bytes::from(wat::parse_str(CODE).unwrap());
    let case = |data: usize, byte| {
        let (hash, logs) = expected(byte);
        json!({"hash": hash, "logs": logs, "indexes": {"data": data, "gas": 0, "value": 0}})
    };
    let mut test = json!({
        "_info": {"comment": "ours"},
        "env": {
            "currentCoinbase": COINBASE, "currentDifficulty": "0x020000", "currentGasLimit": "0x05500000",
            "currentNumber": "0x01", "currentTimestamp": "0x03e8", "previousHash": B256::ZERO,
        },
        "pre": {
            SENDER: {"balance": "0x989680", "code": "", "nonce": "0x00", "storage": {}},
            CONTRACT: {"balance": "0x989680", "code": code, "nonce": "0x00", "storage": {}},
        },
        "transaction": {
            "data": ["0x01", "0x02"], "gasLimit": ["0x0186a0"], "gasPrice": "0x01", "nonce": "0x00",
            "secretKey": SECRET_KEY, "to": CONTRACT, "value": ["0x00"],
        },
        "post": {"Byzantium": [case(0, 1), case(1, 2)]},
    });
    change(&mut test);
    json!({ "stores": test }).to_string()
}

#[test]
fn state_tests_pass_that_say_what_happens() {
    let files = Files::new();
    let one = files.write("a/one.json", state_test(|_| {}));
    // The newer format names the sender and says more.
    files.write(
        "a/b/two.json",
        state_test(|test| {
            test["transaction"]["sender"] = SENDER.into();
            test["transaction"].as_object_mut().unwrap().remove("secretKey");
            test["post"]["Byzantium"][0]["txbytes"] = "0x".into();
        }),
    );
    files.write("a/notes.txt", "no test");
    let output = lathe(&["statetest".as_ref(), files.0.path()]);
    let text = stdout(&output);
    assert!(output.status.success(), "{text}{}", stderr(&output));
    assert_eq!(
        text.lines().last(),
        Some(r#"{"harness":"statetest","files":2,"passed":4,"failed":0,"skipped":0}"#)
    );
    let line = format!("passed   {}: stores Byzantium data 1 gas 0 value 0", one.display());
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[test]
fn a_state_test_that_fails_shows_both_roots() {
    let files = Files::new();
    let wrong = B256::repeat_byte(7);
    let path = files.write(
        "wrong.json",
        state_test(|test| {
            test["post"]["Byzantium"][0]["hash"] = json!(wrong);
            test["post"]["Byzantium"][1]["logs"] = json!(wrong);
        }),
    );
    let output = lathe(&["statetest".as_ref(), path.as_path()]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&format!("state root  expected {wrong}\n")), "{text}");
    assert!(text.contains(&format!("found    {}\n", expected(1).0)), "{text}");
    assert!(text.contains(&format!("logs hash   expected {wrong}\n")), "{text}");
    assert!(text.contains(&format!("found    {}\n", expected(2).1)), "{text}");
    assert!(
        text.ends_with("{\"harness\":\"statetest\",\"files\":1,\"passed\":0,\"failed\":2,\"skipped\":0}\n")
    );
    assert!(stderr(&output).contains("2 cases failed"));
}

#[test]
fn what_is_no_test_fails_and_an_unknown_forks_is_skipped() {
    let files = Files::new();
    let other = files.write(
        "fork.json",
        state_test(|test| {
            let cases = test["post"].as_object_mut().unwrap().remove("Byzantium").unwrap();
            test["post"]["Homestead"] = cases;
        }),
    );
    let broken = files.write("broken.json", "{\"x\": 1}");
    let index = files.write(
        "index.json",
        state_test(|test| {
            test["post"]["Byzantium"][1]["indexes"]["gas"] = 3.into();
        }),
    );
    let output = lathe(&["statetest".as_ref(), other.as_path(), broken.as_path(), index.as_path()]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("skipped") && text.contains("no chain here can have the fork Homestead"), "{text}");
    assert!(text.contains("this is no file of state tests"), "{text}");
    assert!(text.contains("index 3 of gasLimit: there are 1"), "{text}");
    assert!(text.ends_with("\"files\":3,\"passed\":1,\"failed\":2,\"skipped\":2}\n"), "{text}");
    assert_eq!(lathe(&["statetest", "/nowhere.json"]).status.code(), Some(1));
}

/// A transaction that is not valid leaves the state as it was.
#[test]
fn an_invalid_transaction_changes_nothing() {
    let files = Files::new();
    let address = |text: &str| text.parse::<Address>().unwrap();
    let account = TrieAccount { balance: U256::from(BALANCE), ..Default::default() };
    let contract = TrieAccount { code_hash: keccak256(wat::parse_str(CODE).unwrap()), ..account };
    let root = state_root_unhashed([(address(SENDER), account), (address(CONTRACT), contract)]);
    let path = files.write(
        "invalid.json",
        state_test(|test| {
            test["transaction"]["gasLimit"] = json!(["0x5207"]);
            for case in test["post"]["Byzantium"].as_array_mut().unwrap() {
                case["hash"] = json!(root);
                case["logs"] = json!(keccak256([0xc0]));
            }
        }),
    );
    let output = lathe(&["statetest".as_ref(), path.as_path()]);
    assert!(output.status.success(), "{}", stdout(&output));
}

#[test]
fn what_chain_show_prints_is_a_chain() {
    let files = Files::new();
    for name in ["devnet", "ewasm"] {
        let shown = lathe(&["chain", "show", name]);
        assert!(shown.status.success());
        let path = files.write(&format!("{name}.toml"), &shown.stdout);
        let again = lathe(&["chain".as_ref(), "show".as_ref(), path.as_path()]);
        assert_eq!(stdout(&again), stdout(&shown), "{}", stderr(&again));
    }
    let ewasm = files.0.path().join("ewasm.toml");
    let test = files.write("one.json", state_test(|_| {}));
    let output = lathe(&["statetest".as_ref(), test.as_path(), "--chain".as_ref(), ewasm.as_path()]);
    assert!(output.status.success(), "{}", stdout(&output));
}

#[test]
fn a_run_follows_the_rules_of_its_chain() {
    let files = Files::new();
    let module = wat::parse_str(
        r#"(module (memory 2) (func (export "f") (result i32) (i32.extend8_s (memory.grow (i32.const 1)))))"#,
    );
    let module = files.write("module.wasm", module.unwrap());
    let run = |chain: &Path| {
        lathe(&[
            "run".as_ref(),
            module.as_path(),
            "--invoke".as_ref(),
            "f".as_ref(),
            "--chain".as_ref(),
            chain,
        ])
    };
    let small = files.write("small.toml", "[limits]\nmemory_pages = 2\n");
    let output = run(&small);
    assert_eq!(stdout(&output), "-1\n", "{}", stderr(&output));
    let smaller = files.write("smaller.toml", "[limits]\nmemory_pages = 1\n");
    assert!(stderr(&run(&smaller)).contains("2 pages of memory"), "{}", stderr(&run(&smaller)));
    let output = run(Path::new("ewasm"));
    assert!(stderr(&output).contains("sign extension"), "{}", stderr(&output));
    let counted = files.write("counted.toml", "profile = \"zero-instruction\"\n");
    assert!(stderr(&run(&counted)).contains("steps 4"), "{}", stderr(&run(&counted)));
}

#[test]
fn a_mistake_in_a_chain_names_file_and_key() {
    let files = Files::new();
    let wrong = files.write("wrong.toml", "[limits]\nlocals = 99999\n");
    let genesis = files.write("genesis.json", "{\"alloc\": {}}");
    let london = files.write("london.toml", "fork = \"cancun\"\n");
    let node = |chain: &str| lathe(&["node", "--port", "0", "--chain", chain]);
    for (chain, status, message) in [
        ("ewasm", 2, "profile zero-instruction"),
        ("nowhere.toml", 2, "the built-in chains are devnet and ewasm"),
        (wrong.to_str().unwrap(), 1, "limits.locals is 99999: it must be at most 16384"),
        (genesis.to_str().unwrap(), 1, "this is no genesis file as geth reads it: missing field `config`"),
        (london.to_str().unwrap(), 2, "a node makes blocks of prague or later"),
    ] {
        let output = node(chain);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{chain}: {error}");
        assert!(error.contains(message), "{chain}: {error}");
    }
}

/// Starts a node, asks it one thing, and stops it.
fn ask_node(arguments: &[&str], method: &str, params: &Value) -> (Value, Value) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_lathe"))
        .args(["node", "--port", "0", "--json", "--accounts", "1"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let banner: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    let address = banner["rpcUrl"].as_str().unwrap().strip_prefix("http://").unwrap();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    (banner, answer["result"].clone())
}

#[test]
fn a_node_begins_with_the_accounts_of_a_genesis_file() {
    let files = Files::new();
    let code = hex::encode(
        wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "main")))"#).unwrap(),
    );
    let genesis = json!({
        "config": {"chainId": 777}, "gasLimit": "0x1000000",
        "alloc": {CONTRACT: {"balance": "0x10", "code": format!("0x{code}")}},
    });
    let path = files.write("genesis.json", genesis.to_string());
    let chain = path.to_str().unwrap();
    let (banner, found) = ask_node(&["--chain", chain], "eth_getCode", &json!([CONTRACT, "latest"]));
    assert_eq!((&banner["chainId"], &found), (&777.into(), &format!("0x{code}").into()));
    let (banner, block) =
        ask_node(&["--chain", chain, "--chain-id", "5"], "eth_getBlockByNumber", &json!(["latest", false]));
    assert_eq!((&banner["chainId"], &block["gasLimit"]), (&5.into(), &"0x1000000".into()));
    // Code that could not have come into the state otherwise is refused.
    let genesis = json!({"config": {"chainId": 777}, "alloc": {CONTRACT: {"code": "0x0061736d"}}});
    let path = files.write("refused.json", genesis.to_string());
    let output =
        lathe(&["node".as_ref(), "--port".as_ref(), "0".as_ref(), "--chain".as_ref(), path.as_path()]);
    assert!(stderr(&output).contains("module refused"), "{}", stderr(&output));
}

#[test]
fn a_node_follows_the_rules_of_a_file() {
    let files = Files::new();
    let path = files.write("chain.toml", "chain_id = 99\nblock_gas_limit = 1_000_000\nfork = \"prague\"\n");
    let (banner, block) =
        ask_node(&["--chain", path.to_str().unwrap()], "eth_getBlockByNumber", &json!(["latest", false]));
    assert_eq!((&banner["chainId"], &block["gasLimit"]), (&99.into(), &"0xf4240".into()));
}
