//! What a developer sees while the node runs: the console of the real process, for people and as JSON.

mod support;

use std::{
    io::BufReader,
    process::{Command, Stdio},
};

use alloy_primitives::{Address, Bytes, TxKind, address, hex, keccak256};
use alloy_sol_types::{Revert, SolCall, SolError, sol};
use lathe_node::chain::Event;
use serde_json::{Value, json};
use support::{
    Devnet, GAS,
    console::Node,
    created, envelope,
    evm::{Evm, STATICCALL, relay},
    node::{ALICE, BOB},
    returns, wasm,
};

/// Where Solidity contracts print.
const CONSOLE: Address = address!("000000000000000000636F6e736F6c652e6c6f67");
/// The example contracts, whose ABIs stand beside them.
const CONTRACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts");

sol! {
    interface Console {
        function log(string a, uint256 b) external;
    }
    interface Token {
        function transfer(address to, uint256 value) external;
    }
}

/// Replaces what depends on prices: hashes of blocks and transactions, amounts of gas from a thousand on, and base fees.
fn masked(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ':']);
        let mark = &word[bare.len()..];
        let is_hash = bare.len() == 66 && bare.starts_with("0x");
        let is_gas = bare.contains(',') && bare.chars().all(|c| c.is_ascii_digit() || c == ',');
        match (is_hash, is_gas) {
            (true, _) => format!("HASH{mark}"),
            (_, true) => format!("N{mark}"),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| {
        let mut words: Vec<_> = line.split(' ').map(word).collect();
        if let Some(unit) = words.iter().position(|word| word == "gwei,") {
            words[unit - 1] = "FEE".into();
        }
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn people_see_what_happens_in_few_words() {
    let node = Node::start(&["--artifacts", CONTRACTS]);
    let deployed = Command::new(env!("CARGO_BIN_EXE_lathe"))
        .args(["deploy", &format!("{CONTRACTS}/erc20/erc20.wasm")])
        .args(["--constructor", "constructor(string,string,uint256,address)", "Gold", "AU", "1000", ALICE])
        .args(["--rpc-url", &format!("http://{}", node.address)])
        .output()
        .expect("the binary starts");
    assert!(deployed.status.success(), "{deployed:?}");
    let token = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
    let transfer = |value: u64| {
        Token::transferCall { to: BOB.parse().expect("an address"), value: value.try_into().expect("fits") }
            .abi_encode()
    };
    node.send(Some(token), &transfer(5), 500_000);
    node.send(Some(token), &transfer(5_000), 500_000);
    node.answer(
        "eth_call",
        json!([{"from": ALICE, "to": token, "input": Bytes::from(transfer(5_000))}, "latest"]),
    );
    let value = json!([{"from": ALICE, "to": BOB, "value": "0xde0b6b3a7640000"}]);
    node.call("eth_sendTransaction", value);
    node.answer("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "nonce": "0x0", "gas": "0x5208"}]));
    node.call("anvil_setLoggingEnabled", json!([false]));
    node.call("evm_mine", json!([]));
    node.call("anvil_setLoggingEnabled", json!([true]));
    let snapshot = node.call("evm_snapshot", json!([]));
    node.call("anvil_mine", json!(["0x2710"]));
    node.call("evm_mine", json!([]));
    node.call("evm_revert", json!([snapshot]));
    let (text, log) = node.end();
    assert_eq!(
        masked(&text),
        "\
Deploy 0x5FbDB2315678afecb367f032d93F642f64180aa3 (erc20), Wasm, N bytes of creation data
  tx     HASH
  from   0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 (account 0)
  gas    N of N
  event  Transfer(from: 0x0000000000000000000000000000000000000000, to: 0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266, value: 1000)
Block 1: 1 transaction, N gas, base fee FEE gwei, HASH
Call 0x5FbDB2315678afecb367f032d93F642f64180aa3 erc20::transfer(to: 0x70997970c51812dc3a010c7d01b50e0d17dc79c8, value: 5)
  tx     HASH
  from   0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 (account 0)
  gas    N of N
  event  Transfer(from: 0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266, to: 0x70997970c51812dc3a010c7d01b50e0d17dc79c8, value: 5)
Block 2: 1 transaction, N gas, base fee FEE gwei, HASH
Call 0x5FbDB2315678afecb367f032d93F642f64180aa3 erc20::transfer(to: 0x70997970c51812dc3a010c7d01b50e0d17dc79c8, value: 5000)
  tx     HASH
  from   0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 (account 0)
  gas    N of N
  failed ERC20InsufficientBalance(sender: 0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266, balance: 995, needed: 5000)
Block 3: 1 transaction, N gas, base fee FEE gwei, HASH
eth_call 0x5FbDB2315678afecb367f032d93F642f64180aa3 erc20::transfer(to: 0x70997970c51812dc3a010c7d01b50e0d17dc79c8, value: 5000) failed: ERC20InsufficientBalance(sender: 0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266, balance: 995, needed: 5000)
Transfer to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 (account 1), 1 ether
  tx     HASH
  from   0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 (account 0)
  gas    N of N
Block 4: 1 transaction, N gas, base fee FEE gwei, HASH
Refused transaction HASH: nonce too low: address 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266, tx: 0 state: 4
Blocks 6 to 10005: empty, base fee FEE gwei, HASH
Block 10006: empty, base fee FEE gwei, HASH
Went back to block 5"
    );
    assert!(!text.contains('\x1b') && !log.contains('\x1b'), "only a terminal has colours");
    assert!(log.contains("stopping") && !log.contains("transfer"), "the log is about the node: {log}");
}

/// Prints what it is called with, by the host function behind stylus-sdk's `console!`, and then traps.
const TALKATIVE: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "console" "log_txt" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (func $give_up unreachable)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $read_args (i32.const 0))
        (call $log (i32.const 0) (local.get $length))
        (call $give_up)
        (i32.const 0)))"#;

#[test]
fn what_contracts_print_is_shown_and_obeyed_by_no_terminal() {
    let mut node = Node::start(&[]);
    let talkative = node.deploy(&envelope(0, &wasm(TALKATIVE), &[]));
    node.send(Some(&talkative), "bell \x07 red \x1b[31m\nBlock 7: forged \u{202e}".as_bytes(), 200_000);
    let block: Vec<String> = (0..8).map(|_| node.line()).collect();
    assert!(block[0].starts_with("Call 0x5FbDB2315678afecb367f032d93F642f64180aa3 0x62656c6c"), "{block:#?}");
    assert_eq!(block[4], "  print  bell \u{fffd} red \u{fffd}[31m");
    assert_eq!(
        block[5], "         Block 7: forged \u{fffd}",
        "what is printed looks like no line of the console"
    );
    assert!(block[6].starts_with("  failed wasm trap: unreachable after printing \"bell "), "{block:#?}");
    assert!(
        block[6].contains(" in function 2 `give_up` at 0x") && block[6].contains("called by function 3"),
        "{block:#?}"
    );

    let solidity = node.deploy(&returns(&relay(STATICCALL, CONSOLE)));
    let print = Console::logCall { a: "%d coins".into(), b: 7.try_into().expect("fits") }.abi_encode();
    let request = json!({"from": BOB, "to": solidity, "input": Bytes::from(print.clone())});
    let shown = format!(
        "{} 0x{}… (132 bytes)",
        solidity.parse::<Address>().expect("an address"),
        hex::encode(&print[..100])
    );
    let simulated = json!([{"blockStateCalls": [{"calls": [request]}]}, "latest"]);
    for (method, params) in [
        ("eth_call", json!([request, "latest"])),
        ("eth_estimateGas", json!([request, "latest"])),
        ("eth_createAccessList", json!([request, "latest"])),
        ("debug_traceCall", json!([request, "latest", {"tracer": "callTracer"}])),
        ("eth_simulateV1", simulated),
    ] {
        node.call(method, params);
        assert_eq!(node.line(), format!("{method} {shown}"));
        assert_eq!(node.line(), "  print  7 coins");
    }
    node.send(Some(&solidity), &print, 200_000);
    let block: Vec<String> = (0..6).map(|_| node.line()).collect();
    assert_eq!(block[0], format!("Call {shown}"));
    assert_eq!(block[4], "  print  7 coins");
}

#[test]
fn reverts_and_rejected_calls_say_why() {
    let mut node = Node::start(&[]);
    let reason = Revert::from("too late").abi_encode();
    let mut code = Evm::new();
    for (at, byte) in reason.iter().enumerate() {
        code = code.push(u64::from(*byte)).push(at as u64).op(0x53);
    }
    let revert = code.run(0xFD, &[0, reason.len() as u64]);
    let contract = node.deploy(&returns(&revert.0));
    node.send(Some(&contract), &[], 200_000);
    let lines: Vec<String> = (0..6).map(|_| node.line()).collect();
    assert_eq!(lines[4], "  failed too late", "{lines:#?}");
    node.answer("eth_estimateGas", json!([{"from": ALICE, "to": contract}]));
    let contract: Address = contract.parse().expect("an address");
    assert_eq!(node.line(), format!("eth_estimateGas {contract} failed: too late"));
    let poor = "0x00000000000000000000000000000000000000aa";
    node.answer("eth_call", json!([{"from": poor, "to": BOB, "value": "0x1"}, "latest"]));
    assert!(node.line().contains("failed: insufficient funds"));
}

#[test]
fn a_program_reads_an_object_a_line_with_members_in_order() {
    let mut node = Node::start(&["--json", "-v"]);
    let hash = node.call("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x7"}]));
    assert_eq!(node.line(), r#"{"event":"request","method":"eth_sendTransaction"}"#);
    let line = node.line();
    let members = [
        "event",
        "hash",
        "block",
        "index",
        "kind",
        "from",
        "to",
        "created",
        "value",
        "call",
        "input",
        "success",
        "gasUsed",
        "gasLimit",
        "error",
        "revert",
        "logs",
        "logsOmitted",
        "printed",
        "printedOmitted",
    ];
    let places: Vec<_> = members.iter().map(|name| line.find(&format!("\"{name}\":")).expect(name)).collect();
    assert!(places.is_sorted(), "{line}");
    let told: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(told.as_object().map(serde_json::Map::len), Some(members.len()), "{told}");
    assert_eq!(
        (&told["event"], &told["hash"], &told["kind"]),
        (&json!("transaction"), &hash, &json!("transfer"))
    );
    assert_eq!(
        (&told["gasUsed"], &told["value"], &told["success"]),
        (&json!(21_000), &json!("7"), &json!(true))
    );
    assert_eq!(told["from"], json!({"address": ALICE, "name": "account 0"}));
    let block = node.json();
    assert_eq!(
        (&block["event"], &block["number"], &block["gasUsed"]),
        (&json!("block"), &json!(1), &json!(21_000))
    );
    node.call("anvil_mine", json!(["0x64"]));
    node.json();
    let empty = node.json();
    assert_eq!(
        (&empty["event"], &empty["first"], &empty["last"]),
        (&json!("emptyBlocks"), &json!(2), &json!(101))
    );
    node.answer("eth_\u{1b}[2J", json!([]));
    assert_eq!(node.line(), r#"{"event":"request","method":"eth_\u001b[2J"}"#);
    assert_eq!(node.json()["event"], "requestFailed");
    let (rest, log) = node.end();
    assert_eq!(rest, "");
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn a_quiet_node_says_nothing() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_lathe"))
        .args(["node", "--port", "0", "--quiet", "--block-time", "0.01"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert!(process.try_wait().expect("the child is ours").is_none(), "it runs");
    process.kill().expect("it runs");
    let output = process.wait_with_output().expect("output");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_reader_who_has_gone_ends_no_node() {
    let mut node = Node::start(&[]);
    let mut pipe = Command::new("true").stdout(Stdio::piped()).spawn().expect("true runs");
    pipe.wait().expect("it ends");
    node.lines = BufReader::new(pipe.stdout.take().expect("a pipe"));
    for _ in 0..3 {
        node.call("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x7"}]));
    }
    assert_eq!(node.call("eth_blockNumber", json!([])), "0x3");
    node.end();
}

/// Prints a line of 4,096 bytes a thousand times.
const FLOOD: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "console" "log_txt" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (local $count i32)
        (memory.fill (i32.const 0) (i32.const 0x78) (i32.const 4096))
        (loop $again
            (call $log (i32.const 0) (i32.const 4096))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $count) (i32.const 1001))))
        (i32.const 0)))"#;

#[test]
fn a_reader_who_does_not_read_holds_up_nobody_and_is_told_what_is_missing() {
    let mut node = Node::start(&[]);
    let flood = node.deploy(&envelope(0, &wasm(FLOOD), &[]));
    for _ in 0..12 {
        node.call("eth_call", json!([{"to": flood}, "latest"]));
    }
    for _ in 0..1_000 {
        let line = node.line();
        assert!(line.starts_with("eth_call ") || line.len() == "  print  ".len() + 4_096, "{line}");
    }
    let (rest, _) = node.end();
    let missing = rest
        .lines()
        .filter(|line| line.ends_with("events are not shown: they came faster than they were read"));
    let missing: u64 = missing
        .map(|line| line.split(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count"))
        .sum();
    let shown = rest.lines().filter(|line| line.starts_with("eth_call ")).count() as u64;
    assert!(missing > 0 && shown > 0, "{missing} missing, {shown} shown");
    assert_eq!(missing + shown + 1, 12, "the first was read before");
    assert!(rest.contains("  print  and 1 more lines"), "what a contract prints beyond the limit is counted");
}

#[test]
fn printing_costs_a_solidity_contract_what_a_call_of_nobody_costs() {
    let devnet = Devnet::new();
    let listener = devnet.0.listen();
    let nobody = address!("1000000000000000006361736f6c652e6c6f6700");
    let print = Console::logCall { a: "text".into(), b: 7.try_into().expect("fits") }.abi_encode();
    let gas = [CONSOLE, nobody].map(|to| {
        let contract = created(&devnet.try_deploy(returns(&relay(STATICCALL, to))));
        let receipt = devnet.send(TxKind::Call(contract), print.clone(), 0, GAS);
        assert!(receipt.success);
        receipt.gas_used
    });
    assert_eq!(gas[0], gas[1]);
    let printed: Vec<String> = std::iter::from_fn(|| {
        Some(match listener.next_event()? {
            Event::Block(mined) if mined.block.header.number == 4 => {
                devnet.0.stop_telling();
                Vec::new()
            }
            Event::Block(mined) => {
                mined.asides[0].console.lines.iter().map(|line| line.text.clone()).collect()
            }
            other => panic!("{other:?}"),
        })
    })
    .flatten()
    .collect();
    assert_eq!(printed, ["text 7"]);
    assert_eq!(&print[..4], &keccak256("log(string,uint256)")[..4]);
}
