//! Bad input over RPC: each gets an error that names the cause, in geth's words where clients match on them.

use std::process::Command;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use lathe_tests::{FIRST_ADDRESS, FIRST_KEY, Node, lathe_binary, root};
use serde_json::{Value, json};

/// A transaction of the first account that would be valid as it is.
fn valid() -> TxEip1559 {
    TxEip1559 {
        chain_id: 31_337,
        nonce: 0,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(Address::repeat_byte(7)),
        value: U256::from(1),
        access_list: Default::default(),
        input: Default::default(),
    }
}

fn sign(tx: TxEip1559, key: &str) -> String {
    let signer: PrivateKeySigner = key.parse().expect("a key");
    let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("a local key signs");
    format!("0x{}", hex::encode(TxEnvelope::from(tx.into_signed(signature)).encoded_2718()))
}

#[test]
fn transactions_that_cannot_be_mined_say_why() {
    let node = Node::start(&[]);
    node.rpc("eth_sendRawTransaction", json!([sign(valid(), FIRST_KEY)]));
    let next = TxEip1559 { nonce: 1, ..valid() };
    let poor = "0x0000000000000000000000000000000000000000000000000000000000000001";
    let cases: Vec<(&str, String, &str)> = vec![
        ("resent", sign(valid(), FIRST_KEY), "nonce too low"),
        ("nonce used", sign(TxEip1559 { value: U256::from(2), ..valid() }, FIRST_KEY), "nonce too low"),
        ("no balance", sign(valid(), poor), "insufficient funds for gas * price + value"),
        (
            "too much value",
            sign(TxEip1559 { value: U256::MAX >> 1, ..next.clone() }, FIRST_KEY),
            "insufficient funds for gas * price + value",
        ),
        ("foreign chain", sign(TxEip1559 { chain_id: 1, ..next.clone() }, FIRST_KEY), "invalid chain id"),
        (
            "little gas",
            sign(TxEip1559 { gas_limit: 20_999, ..next.clone() }, FIRST_KEY),
            "intrinsic gas too low",
        ),
        (
            "more gas than a block",
            sign(TxEip1559 { gas_limit: 100_000_001, ..next.clone() }, FIRST_KEY),
            "exceeds block gas limit",
        ),
        (
            "low fee",
            sign(TxEip1559 { max_fee_per_gas: 1, ..next.clone() }, FIRST_KEY),
            "max fee per gas less than block base fee",
        ),
        (
            "tip over fee",
            sign(TxEip1559 { max_priority_fee_per_gas: 10_000_000_001, ..next.clone() }, FIRST_KEY),
            "max priority fee per gas higher than max fee per gas",
        ),
        ("blob transaction", "0x03f8".into(), "transaction type not supported"),
        ("unknown type", "0x05f8".into(), "transaction"),
        ("cut off", sign(next.clone(), FIRST_KEY)[..60].to_owned(), "transaction"),
        ("followed by bytes", sign(next.clone(), FIRST_KEY) + "00", "1 bytes follow its end"),
        ("empty", "0x".into(), "transaction"),
    ];
    for (name, raw, words) in cases {
        let (code, message, _) = node.rpc_error("eth_sendRawTransaction", json!([raw]));
        assert_eq!(code, -32000, "{name}: {message}");
        assert!(message.contains(words), "{name}: expected {words:?} in {message:?}");
    }
    // None of them made a block, and the next one is mined.
    assert_eq!(node.rpc("eth_blockNumber", json!([])), "0x1");
    node.rpc("eth_sendRawTransaction", json!([sign(next, FIRST_KEY)]));
    assert_eq!(node.rpc("eth_blockNumber", json!([])), "0x2");
}

#[test]
fn a_nonce_gap_waits_in_the_pool() {
    let node = Node::start(&[]);
    let hash =
        node.rpc("eth_sendRawTransaction", json!([sign(TxEip1559 { nonce: 1, ..valid() }, FIRST_KEY)]));
    assert_eq!(node.rpc("eth_getTransactionReceipt", json!([hash])), Value::Null);
    let again = json!([sign(TxEip1559 { nonce: 1, ..valid() }, FIRST_KEY)]);
    assert_eq!(node.rpc_error("eth_sendRawTransaction", again).1, "already known");
    assert_eq!(node.rpc("txpool_status", json!([])), json!({"pending": "0x0", "queued": "0x1"}));
    node.rpc("eth_sendRawTransaction", json!([sign(valid(), FIRST_KEY)]));
    assert_eq!(node.rpc("eth_getTransactionReceipt", json!([hash]))["status"], "0x1");
    assert_eq!(node.rpc("txpool_status", json!([])), json!({"pending": "0x0", "queued": "0x0"}));
}

/// Wraps a module in creation data without compression.
fn envelope(module: &[u8]) -> Bytes {
    let length = u32::try_from(module.len()).expect("a small module");
    Bytes::from([&[0xEF, 0x4C, 0x01, 0x00][..], &length.to_be_bytes(), module].concat())
}

#[test]
fn modules_that_are_no_contract_are_refused_with_the_reason() {
    let node = Node::start(&[]);
    let program = |body: &str| {
        let memory = r#"(memory (export "memory") 1)"#;
        let entry = r#"(func (export "user_entrypoint") (param i32) (result i32) i32.const 0)"#;
        wat::parse_str(body.replace("MEMORY", memory).replace("ENTRY", entry)).expect("valid text")
    };
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("fine", program("(module MEMORY ENTRY)"), &[]),
        ("no module", b"\0asm\x01".to_vec(), &["invalid module"]),
        (
            "does not validate",
            program("(module MEMORY ENTRY (func $wrong (result i32) i64.const 1))"),
            &["invalid module", "type mismatch", "wrong"],
        ),
        (
            "unknown import",
            program(r#"(module (import "vm_hooks" "launch" (func)) MEMORY ENTRY)"#),
            &["unknown import `vm_hooks.launch`"],
        ),
        (
            "wrong module of an import",
            program(r#"(module (import "env" "read_args" (func (param i32))) MEMORY ENTRY)"#),
            &["unknown import `env.read_args`", "is `vm_hooks.read_args` meant?"],
        ),
        (
            "wrong type of an import",
            program(r#"(module (import "vm_hooks" "read_args" (func (param i64))) MEMORY ENTRY)"#),
            &["`vm_hooks.read_args`", "i64", "i32"],
        ),
        ("missing entrypoint", program("(module MEMORY)"), &["missing export `user_entrypoint`"]),
        ("missing memory", program("(module ENTRY)"), &["missing export `memory`"]),
        ("start function", program("(module MEMORY ENTRY (func $s) (start $s))"), &["start"]),
        ("shared memory", program(r#"(module (memory (export "memory") 1 1 shared) ENTRY)"#), &["threads"]),
        ("a memory too large", program(r#"(module (memory (export "memory") 257) ENTRY)"#), &["257", "256"]),
    ];
    for (name, module, words) in cases {
        let request = json!([{"from": FIRST_ADDRESS, "input": envelope(&module)}]);
        match node.try_rpc("eth_estimateGas", request.clone()) {
            Ok(_) => assert!(words.is_empty(), "{name} was accepted"),
            Err(_) => {
                let (_, message, _) = node.rpc_error("eth_estimateGas", request);
                assert!(!words.is_empty(), "{name}: {message}");
                for word in words {
                    assert!(message.contains(word), "{name}: expected {word:?} in {message:?}");
                }
            }
        }
    }
}

#[test]
fn a_trap_says_where_it_happened() {
    let node = Node::start(&[]);
    let module = wat::parse_str(
        r#"(module (memory (export "memory") 1)
             (func $divide (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
             (func (export "user_entrypoint") (param i32) (result i32) (call $divide (local.get 0))))"#,
    )
    .expect("valid text");
    let hash = node.rpc("eth_sendTransaction", json!([{"from": FIRST_ADDRESS, "input": envelope(&module)}]));
    let receipt = node.rpc("eth_getTransactionReceipt", json!([hash]));
    let contract = &receipt["contractAddress"];
    let (code, message, data) = node.rpc_error("eth_call", json!([{"to": contract}, "latest"]));
    assert_eq!(code, 3, "{message}");
    // As hardhat has it: clients look for output and message there.
    assert_eq!((&data["data"], &data["message"]), (&json!("0x"), &json!(message)));
    assert_eq!(data["kind"], "wasm trap: integer divide by zero");
    assert_eq!(data["stack"][0]["contract"], *contract);
    assert_eq!(data["stack"][0]["functions"][0]["name"], "divide");
    for words in ["execution reverted", "integer divide by zero", "divide", "0x"] {
        assert!(message.contains(words), "expected {words:?} in {message:?}");
    }
}

/// Calls the address in calldata with nothing; traps after a word to the console if that fails.
const CALLER: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
    (memory (export "memory") 1)
    (func $forward (result i32)
        (call $call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i64.const -1) (i32.const 32)))
    (func (export "user_entrypoint") (param i32) (result i32)
        (call $read_args (i32.const 0))
        (call $forward)))"#;

/// Panics as a contract does whose panic handler prints.
const PANICS: &str = r#"(module
    (import "console" "log_txt" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "panicked at src/lib.rs:7:9: out of tea")
    (func $rust_panic (call $log (i32.const 0) (i32.const 38)) unreachable)
    (func (export "user_entrypoint") (param i32) (result i32) (call $rust_panic) (i32.const 0)))"#;

fn deploy(node: &Node, text: &str) -> String {
    let module = wat::parse_str(text).expect("valid text");
    let hash = node.rpc("eth_sendTransaction", json!([{"from": FIRST_ADDRESS, "input": envelope(&module)}]));
    let receipt = node.rpc("eth_getTransactionReceipt", json!([hash]));
    receipt["contractAddress"].as_str().expect("a contract").to_owned()
}

#[test]
fn a_panic_is_told_with_its_words_and_every_contract_on_the_way() {
    let node = Node::start(&[]);
    let [caller, panics] = [CALLER, PANICS].map(|text| deploy(&node, text));
    let request = json!({"from": FIRST_ADDRESS, "to": caller, "input": panics});
    for method in ["eth_call", "eth_estimateGas", "eth_sendTransaction"] {
        let (code, message, data) = node.rpc_error(method, json!([request]));
        assert_eq!(code, 3, "{method}: {message}");
        for words in ["unreachable", "panicked at src/lib.rs:7:9: out of tea", "`rust_panic`", "`forward`"] {
            assert!(message.contains(words), "{method}: expected {words:?} in {message:?}");
        }
        assert_eq!(data["printed"], "panicked at src/lib.rs:7:9: out of tea");
        let stack = data["stack"].as_array().expect("a stack");
        let contracts: Vec<String> = stack
            .iter()
            .map(|frame| frame["contract"].as_str().expect("an address").to_lowercase())
            .collect();
        assert_eq!(contracts, [panics.to_lowercase(), caller.to_lowercase()]);
        assert_eq!(stack[1]["functions"][1]["name"], "user_entrypoint");
    }
}

#[test]
fn running_out_of_gas_says_where() {
    let node = Node::start(&[]);
    let spin = deploy(
        &node,
        r#"(module (memory (export "memory") 1) (func $dig (loop $on (br $on)))
            (func (export "user_entrypoint") (param i32) (result i32) (call $dig) (i32.const 0)))"#,
    );
    let request = json!({"to": spin, "gas": "0x30d40"});
    let (code, message, data) = node.rpc_error("eth_call", json!([request]));
    assert_eq!(code, -32000);
    assert!(
        message.starts_with("out of gas: wasm trap: out of gas in function") && message.contains("`dig`"),
        "{message}"
    );
    assert_eq!(data["stack"][0]["functions"][0]["name"], "dig");
}

#[test]
fn a_refused_module_lists_everything_that_is_wrong() {
    let node = Node::start(&[]);
    let module = wat::parse_str(
        r#"(module
            (import "vm_hooks" "launch" (func))
            (import "vm_hooks" "read_args" (func (param i64)))
            (memory 300)
            (func $first (result v128) (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))
            (func $second (param f32) (result i32) (i32.atomic.load (i32.const 0))))"#,
    )
    .expect("valid text");
    for method in ["eth_estimateGas", "eth_call", "eth_sendTransaction"] {
        let request = json!([{"from": FIRST_ADDRESS, "input": envelope(&module)}]);
        let (_, message, data) = node.rpc_error(method, request);
        for words in [
            "launch",
            "vm_hooks.read_args",
            "300 pages of memory, the limit is 256",
            "i8x16.relaxed_swizzle at 0x",
            "`first`",
            "i32.atomic.load",
            "`second`",
            "missing export `user_entrypoint`",
            "missing export `memory`",
        ] {
            assert!(message.contains(words), "{method}: expected {words:?} in {message}");
        }
        assert_eq!(data["violations"].as_array().map(Vec::len), Some(7), "{data}");
    }
}

#[test]
fn requests_that_are_no_requests_are_answered() {
    let node = Node::start(&[]);
    let post = |body: &str| -> Value {
        let mut answer = ureq::post(&node.url)
            .content_type("application/json")
            .config()
            .http_status_as_error(false)
            .build()
            .send(body)
            .expect("an answer");
        answer.body_mut().read_json().expect("JSON")
    };
    assert_eq!(post(r#"{"jsonrpc":"2.0","id":1,"method""#)["error"]["code"], -32700);
    assert_eq!(post("[]")["error"]["code"], -32600);
    assert_eq!(post(r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#)["error"]["code"], -32600);
    let unknown = post(r#"{"jsonrpc":"2.0","id":"x","method":"eth_nope","params":[]}"#);
    assert_eq!(unknown["error"]["code"], -32601);
    assert_eq!(unknown["error"]["message"], "the method eth_nope does not exist/is not available");
    assert_eq!(unknown["id"], "x");
    let (code, message, _) = node.rpc_error("eth_getBalance", json!(["0x12", "latest"]));
    assert_eq!(code, -32602);
    assert!(message.contains("address"), "{message}");
    let (_, message, _) = node.rpc_error("eth_getBalance", json!([FIRST_ADDRESS, "0x63"]));
    assert_eq!(message, "header not found");
}

#[test]
fn the_command_line_refuses_with_an_exit_code() {
    let lathe = |arguments: &[&str]| {
        let output = Command::new(lathe_binary()).args(arguments).output().expect("lathe runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = lathe(&["node", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("--allow-dev-keys-on-network"), "{error}");
    let (code, error) = lathe(&["deploy", "/nowhere/at-all.wasm"]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("/nowhere/at-all.wasm"), "{error}");
    let (code, _) = lathe(&["frobnicate"]);
    assert_eq!(code, Some(2));
    let module = root().join("contracts/counter/counter.wasm");
    let module = module.to_str().expect("a UTF-8 path");
    let (code, error) = lathe(&["deploy", module, "--rpc-url", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(1), "{error}");
}
