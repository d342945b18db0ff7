//! Balances and allowances of tokens that are set from outside, wherever a token keeps them.

mod support;

use alloy_primitives::{Address, U256};
use serde_json::{Value, json};
use support::{
    evm::{ADD, CALLDATACOPY, Evm, KECCAK256, MSTORE, RETURN, RETURNDATASIZE, SLOAD, STATICCALL, SUB, relay},
    node::{ALICE, BOB, Node},
    returns,
};

/// Keeps each answer under the hash of the question, as a map does, and reads a switch before: slot 0 turns all answers to 0.
const WASM_TOKEN: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "native_keccak256" (func $keccak (param i32 i32 i32)))
    (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $read_args (i32.const 0))
        (call $keccak (i32.const 0) (local.get $length) (i32.const 512))
        (call $load (i32.const 512) (i32.const 640))
        (call $load (i32.const 1024) (i32.const 576))
        (if (i32.load8_u (i32.const 607))
            (then (memory.fill (i32.const 640) (i32.const 0) (i32.const 32))))
        (call $write_result (i32.const 640) (i32.const 32))
        (i32.const 0)))"#;

/// Answers each question with the slot that its hash names, but for those of a token that counts down from it.
fn evm_token(counts_down: bool) -> Vec<u8> {
    let mut code = Evm::new().run(CALLDATACOPY, &[0, 0, 0x44]).run(KECCAK256, &[0, 0x44]).op(SLOAD);
    if counts_down {
        code = code.push(u64::MAX).op(SUB);
    }
    code.push(0).op(MSTORE).ret(32).0
}

/// Code that answers what another contract answers to the same question.
fn proxy(of: Address) -> Vec<u8> {
    let relay = relay(STATICCALL, of);
    // The relay's last instructions return the status before the answer: a byte that is none of it.
    let end = Evm::new().op(RETURNDATASIZE).push(1).op(ADD).push(0).op(RETURN).0;
    let code = relay.strip_suffix(&end[..]).expect("the end of a relay");
    [code, &Evm::new().run(RETURN, &[1, 32]).0].concat()
}

fn ask(node: &Node, token: &str, function: &str, accounts: &[&str]) -> U256 {
    let words: String = accounts.iter().map(|account| format!("{:0>64}", &account[2..])).collect();
    let data = format!("0x{function}{words}");
    let answer = node.result("eth_call", json!([{"to": token, "data": data}]));
    answer.as_str().expect("bytes").parse().expect("a word")
}

const BALANCE_OF: &str = "70a08231";
const ALLOWANCE: &str = "dd62ed3e";

#[test]
fn balances_and_allowances_are_set_where_the_token_keeps_them() {
    let node = Node::new();
    let evm = node.create(&returns(&evm_token(false)));
    let behind = evm.parse().expect("an address");
    for token in [node.deploy(WASM_TOKEN), node.create(&returns(&proxy(behind))), evm] {
        for amount in [U256::from(5), U256::MAX, U256::ZERO, U256::from(7)] {
            node.result("anvil_dealERC20", json!([BOB, token, amount]));
            assert_eq!(ask(&node, &token, BALANCE_OF, &[BOB]), amount);
        }
        let before = node.height();
        node.result("anvil_setERC20Balance", json!([BOB, token, "0x7"]));
        assert_eq!(node.height(), before + 1, "each is a block");
        assert_eq!(ask(&node, &token, BALANCE_OF, &[ALICE]), U256::ZERO);
        node.result("anvil_setERC20Allowance", json!([ALICE, BOB, token, "0x9"]));
        assert_eq!(ask(&node, &token, ALLOWANCE, &[ALICE, BOB]), U256::from(9));
        assert_eq!(ask(&node, &token, ALLOWANCE, &[BOB, ALICE]), U256::ZERO);
        assert_eq!(ask(&node, &token, BALANCE_OF, &[BOB]), U256::from(7));
    }
}

#[test]
fn a_contract_that_keeps_no_such_number_is_refused_and_left_alone() {
    let node = Node::new();
    let refused = |token: &Value| node.error("anvil_dealERC20", json!([BOB, token, "0x1"]));
    let counts_down = json!(node.create(&returns(&evm_token(true))));
    let before = node.height();
    assert!(
        refused(&counts_down).contains("none of the 1 slots that balanceOf reads"),
        "{}",
        refused(&counts_down)
    );
    assert!(refused(&json!(BOB)).contains("none of the 0 slots"), "{}", refused(&json!(BOB)));
    assert_eq!(node.height(), before);
    let reverts = json!(node.create(&returns(&Evm::new().run(0xFD, &[0, 0]).0)));
    assert!(refused(&reverts).contains("balanceOf fails: execution reverted"), "{}", refused(&reverts));
}
