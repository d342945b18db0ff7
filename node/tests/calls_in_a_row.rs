//! Calls use again what earlier calls of their thread have allocated. None may tell.

mod support;

use std::thread;

use alloy_eips::BlockId;
use lathe_node::rpc::FromParam;
use serde_json::{Value, json};
use support::node::{ALICE, BOB, Node};

/// Returns its calldata's length, what it finds where memory must be zero, a global that must be 7, a slot
/// and the size of its table; then it leaves all of them changed, and fails if its calldata begins so.
const PROGRAM: &str = r#"(module
    (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $store (param i32 i32)))
    (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
    (import "vm_hooks" "read_args" (func $args (param i32)))
    (import "vm_hooks" "write_result" (func $result (param i32 i32)))
    (import "vm_hooks" "emit_log" (func $log (param i32 i32 i32)))
    (memory (export "memory") 1)
    (global $seven (mut i32) (i32.const 7))
    (table $table 2 8 funcref)
    (data (i32.const 63) "\05")
    (func (export "user_entrypoint") (param $len i32) (result i32)
        (local $at i32)
        (i32.store (i32.const 1024) (local.get $len))
        (loop
            (i32.store (i32.const 1028)
                (i32.or (i32.load (i32.const 1028)) (i32.load (i32.add (i32.const 2048) (local.get $at)))))
            (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 63488))))
        (i32.store (i32.const 1032) (global.get $seven))
        (call $load (i32.const 0) (i32.const 1040))
        (i32.store (i32.const 1036) (table.size $table))
        (i32.store (i32.const 1072) (memory.size))
        (memory.fill (i32.const 2048) (i32.const 0xa5) (i32.const 63488))
        (global.set $seven (i32.const 8))
        (drop (table.grow $table (ref.null func) (i32.const 3)))
        (drop (memory.grow (i32.const 1)))
        (call $store (i32.const 0) (i32.const 2048))
        (call $flush (i32.const 0))
        (call $log (i32.const 1024) (i32.const 4) (i32.const 0))
        (call $args (i32.const 4096))
        (call $result (i32.const 1024) (i32.const 52))
        (if (i32.and (local.get $len) (i32.eq (i32.load8_u (i32.const 4096)) (i32.const 1))) (then (return (i32.const 1))))
        (if (i32.and (local.get $len) (i32.eq (i32.load8_u (i32.const 4096)) (i32.const 2))) (then unreachable))
        (if (i32.and (local.get $len) (i32.eq (i32.load8_u (i32.const 4096)) (i32.const 3))) (then (loop (br 0))))
        (i32.const 0)))"#;

/// EVM code that returns transient slot 0, slot 0 and the gas left, and then leaves both slots changed and logs.
const EVM: &str = "0x5f5c5f525f546020525a60405260015f5d60025f555f5fa060605ff3";
/// EVM code that calls itself as long as it has 20,000 gas.
const EVM_NESTS: &str = "0x614e205a1060155760205f5f5f5f305afa505f5ff35b5f5ff3";
/// EVM code that writes far out in memory.
const EVM_MEMORY: &str = "0x6001620fffff5360015ff3";
/// Where other code is put for one call.
const ELSEWHERE: &str = "0x00000000000000000000000000000000c0ffee00";
const SHA256: &str = "0x0000000000000000000000000000000000000002";

/// Returns what a call says: output, gas and logs, or its error.
fn outcome(node: &Node, case: &(Value, Value)) -> String {
    let raw = |value: &Value| serde_json::value::to_raw_value(value).expect("JSON");
    let request = FromParam::from_param(&raw(&case.0)).expect("a request");
    let overrides = (!case.1.is_null()).then(|| FromParam::from_param(&raw(&case.1)).expect("overrides"));
    match node.chain.call(request, BlockId::latest(), overrides, None) {
        Ok(outcome) => format!("{outcome:?}"),
        Err(error) => error.to_string(),
    }
}

/// Returns the calls, each by what is special about it.
fn cases(node: &Node) -> Vec<(Value, Value)> {
    let program = node.deploy(PROGRAM);
    let code = |code: &str| json!({ELSEWHERE: {"code": code}});
    let call = |to: &str, data: &str| json!({"from": ALICE, "to": to, "data": data, "gas": "0x4c4b40"});
    let transfer = json!({"from": ALICE, "to": BOB, "value": "0x5"});
    let list = json!([{"address": ELSEWHERE, "storageKeys": [format!("0x{:064x}", 0)]}]);
    let mut listed = call(ELSEWHERE, "0x");
    listed["accessList"] = list;
    let large = format!("0x{}", "00".repeat(70_000));
    let slot = json!({&program: {"stateDiff": {format!("0x{:064x}", 0): format!("0x{:064x}", 6)}}});
    vec![
        (call(&program, "0x"), Value::Null),
        (call(&program, "0x00"), slot),
        (call(&program, "0x01"), Value::Null),
        (call(&program, "0x02"), Value::Null),
        (call(&program, "0x03"), Value::Null),
        (call(&program, &large), Value::Null),
        (call(ELSEWHERE, "0x"), code(EVM)),
        (call(ELSEWHERE, "0x"), Value::Null),
        (listed, code(EVM)),
        (call(ELSEWHERE, "0x"), code(EVM_NESTS)),
        (call(ELSEWHERE, "0x"), code(EVM_MEMORY)),
        (call(SHA256, "0x"), Value::Null),
        (call(SHA256, "0x"), json!({SHA256: {"movePrecompileToAddress": ELSEWHERE}})),
        (call(ELSEWHERE, "0x"), json!({SHA256: {"movePrecompileToAddress": ELSEWHERE}})),
        (json!({"from": ALICE, "data": "0x5f5ff3"}), Value::Null),
        (transfer, Value::Null),
        (json!({"from": ELSEWHERE, "to": BOB, "value": "0x5"}), Value::Null),
    ]
}

#[test]
fn a_call_says_the_same_whatever_was_called_before_on_its_thread() {
    let node = Node::new();
    let cases = cases(&node);
    // What a thread has that has run nothing.
    let alone: Vec<String> = cases
        .iter()
        .map(|case| thread::scope(|scope| scope.spawn(|| outcome(&node, case)).join().expect("no panic")))
        .collect();
    let successes = alone.iter().filter(|outcome| outcome.contains("gas_used")).count();
    assert_eq!(successes, 13, "{alone:#?}");
    for before in &cases {
        for (case, alone) in cases.iter().zip(&alone) {
            outcome(&node, before);
            assert_eq!(outcome(&node, case), *alone, "{case:?} after {before:?}");
        }
    }
}

#[test]
fn a_batch_sees_its_own_transactions_and_its_calls_see_nothing_of_each_other() {
    let node = Node::new();
    let program = node.deploy(PROGRAM);
    let request = |id: u64, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let call = |id, data: &str| request(id, "eth_call", json!([{"to": program, "data": data}, "latest"]));
    let send = json!([{"from": ALICE, "to": program, "data": "0x"}]);
    let answers = node.answer_to(&json!([
        call(1, "0x"),
        call(2, "0x02"),
        call(3, "0x"),
        {"jsonrpc": "2.0", "method": "eth_sendTransaction", "params": send},
        call(4, "0x"),
        request(5, "eth_call", json!([{"to": 1}])),
        call(6, "0x"),
    ]));
    let answers = answers.as_array().expect("a batch");
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    let result = |index: usize| answers[index]["result"].as_str().expect("a result");
    // Bytes 16 to 48 are the slot.
    let slot = |index: usize| &result(index)[2 + 2 * 16..2 + 2 * 48];
    assert_eq!((result(0), slot(0)), (result(2), "0".repeat(64).as_str()));
    assert_eq!((result(3), slot(3)), (result(5), "a5".repeat(32).as_str()));
    assert!(answers[1]["error"]["message"].as_str().expect("words").contains("revert"), "{}", answers[1]);
    assert_eq!(answers[4]["error"]["code"], -32602);
}
