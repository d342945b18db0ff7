//! Signatures that recover whom a developer says, in EVM and Wasm contracts, and only as long as the state says so.

mod support;

use serde_json::{Value, json};
use support::node::{ALICE, BOB, NOBODY, Node};

/// ECRECOVER.
const RECOVER: &str = "0x0000000000000000000000000000000000000001";

/// Asks for the address of calldata at ECRECOVER, and keeps the answer in slot 0.
const ASK: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
    (import "vm_hooks" "read_return_data" (func $returned (param i32 i32 i32) (result i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
    (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 531) "\01")
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $read_args (i32.const 0))
        (drop (call $call (i32.const 512) (i32.const 0) (local.get $length) (i32.const 544) (i64.const 100000) (i32.const 640)))
        (drop (call $returned (i32.const 256) (i32.const 0) (i32.const 32)))
        (call $cache (i32.const 288) (i32.const 256))
        (call $flush (i32.const 0))
        (call $write_result (i32.const 256) (i32.const 32))
        (i32.const 0)))"#;

/// r, s and v.
fn signature(v: u8) -> String {
    format!("0x{}{}{v:02x}", "12".repeat(32), "34".repeat(32))
}

/// What ECRECOVER is asked: a hash, then v, r, s.
fn question(hash: u8) -> String {
    format!("0x{}{:064x}{}{}", format!("{hash:02x}").repeat(32), 27, "12".repeat(32), "34".repeat(32))
}

fn padded(address: &str) -> String {
    format!("0x{:0>64}", address.trim_start_matches("0x"))
}

fn call(node: &Node, to: &str, hash: u8) -> Value {
    node.result("eth_call", json!([{"to": to, "data": question(hash)}]))
}

#[test]
fn a_signature_recovers_the_account_that_it_is_said_to_be_of() {
    let node = Node::new();
    let mark = node.result("evm_snapshot", json!([]));
    let before = call(&node, RECOVER, 7);
    assert!(before != padded(NOBODY) && before != padded(BOB), "{before}");
    let estimate = node.result("eth_estimateGas", json!([{"to": RECOVER, "data": question(7)}]));
    node.result("anvil_impersonateSignature", json!([signature(27), NOBODY]));
    // Whatever was signed, and at the same price.
    for hash in [7, 9] {
        assert_eq!(call(&node, RECOVER, hash), padded(NOBODY));
    }
    assert_eq!(node.result("eth_estimateGas", json!([{"to": RECOVER, "data": question(7)}])), estimate);
    let poor = node.error("eth_call", json!([{"to": RECOVER, "data": question(7), "gas": "0x6338"}]));
    assert!(poor.contains("out of gas"), "{poor}");
    // Another signature is recovered as ever, and one may be said to be somebody else's later.
    let other = question(7).replace("34", "35");
    let recovered = node.result("eth_call", json!([{"to": RECOVER, "data": other}]));
    assert_ne!(recovered, padded(NOBODY));
    node.result("anvil_impersonateSignature", json!([[signature(0), BOB]]));
    assert_eq!(call(&node, RECOVER, 7), padded(BOB));
    node.result("anvil_impersonateSignature", json!([signature(27), padded("0x")[..42].to_owned()]));
    assert_eq!(call(&node, RECOVER, 7), padded("0x"));
    // What held at an earlier block is still so there.
    let at = |block: &str| node.result("eth_call", json!([{"to": RECOVER, "data": question(7)}, block]));
    assert_eq!(
        (at("0x0"), at("0x1"), at("0x2")),
        (before.clone(), json!(padded(NOBODY)), json!(padded(BOB)))
    );
    node.result("evm_revert", json!([mark]));
    assert_eq!(call(&node, RECOVER, 7), before);
}

#[test]
fn a_program_sees_it_and_a_transaction_runs_again_as_it_ran() {
    let node = Node::new();
    let asks = node.deploy(ASK);
    node.result("anvil_impersonateSignature", json!([signature(27), NOBODY]));
    // The contract's account gets ether and keeps what it says.
    node.send(ALICE, json!({"to": RECOVER, "value": "0x1"}));
    let sent = node.send(ALICE, json!({"to": asks, "data": question(7)}));
    assert_eq!(node.receipt(&sent)["status"], "0x1");
    let kept = || node.result("eth_getStorageAt", json!([asks, "0x0", "latest"]));
    assert_eq!(kept(), padded(NOBODY));
    let trace = || node.result("debug_traceTransaction", json!([sent, {"tracer": "callTracer"}]));
    let traced = trace();
    assert_eq!(traced["calls"][0]["output"], padded(NOBODY), "{traced}");
    node.result("anvil_impersonateSignature", json!([signature(27), BOB]));
    assert_eq!(trace(), traced);
    let copy = Node::new();
    copy.result("anvil_loadState", json!([node.result("anvil_dumpState", json!([]))]));
    assert_eq!(call(&copy, RECOVER, 1), padded(BOB));
}

#[test]
fn what_is_no_signature_is_refused() {
    let node = Node::new();
    for (params, words) in [
        (json!(["0x12", NOBODY]), "a signature has 65 bytes, this one 1"),
        (json!([signature(29), NOBODY]), "a signature ends with 27 or 28, this one with 29"),
        (json!([signature(27)]), "expected the account"),
        (json!([[signature(27), NOBODY], BOB]), "expected the account"),
        (json!([]), "signature"),
    ] {
        let (code, message) = node.refusal("anvil_impersonateSignature", params.clone());
        assert!(code == -32602 && message.contains(words), "{params}: {code} {message}");
    }
    assert_eq!(node.height(), 0);
}

#[test]
fn what_this_chain_does_not_have_is_told_by_name() {
    let node = Node::new();
    let hash = padded("0x1");
    for (method, params) in [
        ("eth_getWork", json!([])),
        ("eth_submitWork", json!(["0x0000000000000001", hash, hash])),
        ("eth_submitHashrate", json!(["0x1", hash])),
        ("anvil_getBlobByHash", json!([hash])),
        ("anvil_getBlobsByTransactionHash", json!([hash])),
    ] {
        let (code, message) = node.refusal(method, params);
        assert!(code == -32004 && message.starts_with("not supported: "), "{method}: {code} {message}");
    }
    for (method, expected) in
        [("eth_hashrate", json!("0x0")), ("eth_mining", json!(false)), ("eth_protocolVersion", json!("0x44"))]
    {
        assert_eq!(node.result(method, json!([])), expected, "{method}");
    }
    assert_eq!(node.result("eth_getUncleByBlockNumberAndIndex", json!(["latest", "0x0"])), Value::Null);
}

#[test]
fn code_is_found_by_its_hash_and_by_the_key_that_geth_has_for_it() {
    let node = Node::new();
    node.result("anvil_setCode", json!([NOBODY, "0x6001"]));
    let hash = node.result("web3_sha3", json!(["0x6001"]));
    let key = |hash: &Value| format!("0x63{}", hash.as_str().expect("a hash").trim_start_matches("0x"));
    for known in [json!("0x6001"), Value::Null] {
        let hash = if known.is_null() { json!(padded("0x1")) } else { hash.clone() };
        assert_eq!(node.result("debug_codeByHash", json!([hash])), known);
        assert_eq!(node.result("debug_dbGet", json!([key(&hash)])), known);
    }
    let empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    assert_eq!(node.result("debug_codeByHash", json!([empty])), "0x");
    assert!(node.error("debug_dbGet", json!(["0x00"])).contains("only the keys of code"));
}
