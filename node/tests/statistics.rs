//! What `lathe_getTransactionReceipt` says that a transaction's programs did.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use alloy_primitives::{B256, TxKind};
use lathe_gas::{CostClass, Schedule};
use lathe_node::rpc::{Registry, envelope, methods};
use serde_json::{Value, json};
use support::{Devnet, GAS, schema};

/// Counts down from the length of its calldata, grows its memory by one page, reads its calldata and calls itself without
/// any if there was some.
const PROGRAM: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "contract_address" (func $contract_address (param i32)))
    (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (local $left i32)
        (if (i32.eqz (local.get $length)) (then (return (i32.const 0))))
        (local.set $left (local.get $length))
        (loop $more
            (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (drop (memory.grow (i32.const 1)))
        (call $read_args (i32.const 0))
        (call $contract_address (i32.const 0))
        (drop (call $call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4096)
            (i64.const -1) (i32.const 8192)))
        (i32.const 0)))"#;

struct Node {
    devnet: Devnet,
    registry: Registry,
}

impl Node {
    fn new() -> Self {
        let devnet = Devnet::new();
        let registry = Registry::new(devnet.0.clone(), methods::ALL);
        Self { devnet, registry }
    }

    fn result(&self, method: &str, hash: B256) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": [hash]}).to_string();
        let answer = envelope::answer(&self.registry, request.as_bytes()).unwrap();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer.get("error").is_none(), "{answer}");
        let result = answer["result"].take();
        schema::check(method, &result);
        result
    }

    /// Returns the hash of the latest block's only transaction.
    fn latest(&self) -> B256 {
        *self.devnet.0.head().transactions[0].tx_hash()
    }
}

#[test]
fn the_extension_counts_instructions_calls_and_pages() {
    let node = Node::new();
    let contract = node.devnet.deploy(PROGRAM);
    node.devnet.send(TxKind::Call(contract), vec![7; 1_000], 0, GAS);
    let receipt = node.result("lathe_getTransactionReceipt", node.latest());
    let found = &receipt["lathe"];
    // Of the frame that is called without calldata: three instructions of the condition, two of what it returns.
    let inner = 5;
    let outer = 3 + 2 + 1 + 1_000 * 5 + 1 + 3 + 2 + 2 + 8 + 2;
    assert_eq!(found["instructions"], outer + inner, "{found}");
    assert_eq!(found["frames"], 2);
    assert_eq!(found["pages"], 3);
    assert_eq!(found["hostCalls"], 3);
    assert_eq!(
        found["hostCallsByFunction"],
        json!({"read_args": 1, "contract_address": 1, "call_contract": 1})
    );
    // Taken or not, each of the branches is paid for; the two conditions are, too.
    let branch = u64::from(Schedule::V4.class(CostClass::Branch).small);
    assert_eq!(found["inkByClass"]["Branch"], (1_000 + 2) * branch);
    // The classes' ink is all there is, and neither host functions nor the inner frame count among calls.
    let ink: u64 = found["inkByClass"].as_object().unwrap().values().map(|ink| ink.as_u64().unwrap()).sum();
    assert_eq!(found["ink"], ink);
    let moved = u64::from(Schedule::V4.value_moved) * (1 + 1 + 6);
    let call = u64::from(Schedule::V4.class(CostClass::Call).small);
    assert_eq!(found["inkByClass"]["Call"], 3 * call + moved);
    assert!(found["timeNs"].as_u64().unwrap() > 0);
}

#[test]
fn other_members_are_those_of_the_receipt_which_has_no_extension() {
    let node = Node::new();
    let contract = node.devnet.deploy(PROGRAM);
    for input in [vec![], vec![1; 9]] {
        node.devnet.send(TxKind::Call(contract), input, 0, GAS);
        let mut extended = node.result("lathe_getTransactionReceipt", node.latest());
        let receipt = node.result("eth_getTransactionReceipt", node.latest());
        assert!(extended.as_object_mut().unwrap().remove("lathe").is_some());
        assert_eq!(extended, receipt);
    }
}

#[test]
fn a_transaction_without_programs_counts_nothing_and_one_that_is_not_there_has_no_receipt() {
    let node = Node::new();
    node.devnet.send(TxKind::Call(node.devnet.0.accounts()[1]), vec![], 1, 21_000);
    let found = &node.result("lathe_getTransactionReceipt", node.latest())["lathe"];
    for name in ["frames", "instructions", "ink", "hostCalls", "pages"] {
        assert_eq!(found[name], 0, "{name}");
    }
    assert_eq!(node.result("lathe_getTransactionReceipt", B256::repeat_byte(1)), Value::Null);
}

#[test]
fn what_fails_is_counted_up_to_there() {
    let node = Node::new();
    let contract = node.devnet.deploy(
        r#"(module (memory (export "memory") 1)
            (func (export "user_entrypoint") (param i32) (result i32) nop nop unreachable))"#,
    );
    node.devnet.send(TxKind::Call(contract), vec![], 0, GAS);
    let receipt = node.result("lathe_getTransactionReceipt", node.latest());
    assert_eq!(receipt["status"], "0x0");
    assert_eq!(receipt["lathe"]["instructions"], 3);
    assert_eq!(receipt["lathe"]["inkByClass"], json!({"Structure": 300}));
}
