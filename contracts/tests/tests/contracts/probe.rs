//! The probe: what a program can read and print, and every way to fail.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use lathe_contracts_tests::{deploy, module};
use lathe_node::{
    runtime::FailureKind,
    sandbox::{ErrorKind, Expect, Sandbox},
};

sol! {
    #[derive(Debug, PartialEq)]
    interface Probe {
        function chain() external view returns (uint64 number, uint64 timestamp, uint64 gasLimit, uint256 baseFee, address coinbase, uint64 chainId);
        function message() external payable returns (address contract_, address sender, address origin, uint256 value, uint256 gasPrice, uint32 inkPrice);
        function account(address account) external view returns (uint256 balance, uint32 codeSize, bytes32 codeHash);
        function left() external view returns (uint64 gas, uint64 ink);
        function hash(bytes data) external view returns (bytes32);
        function arithmetic(uint256 a, uint256 b, uint256 m) external view returns (uint256 quotient, uint256 remainder, uint256 power, uint256 sum, uint256 product);
        function transient(bytes32 key, bytes32 value) external returns (bytes32);
        function exit(uint32 status, bytes data) external;
        function write(uint256 value) external;
        function written() external view returns (uint256);
        function print(string text) external view;
        function fail(bytes data) external view;
        function panic(string message) external;
        function spin() external view;
        function overflow(uint256 depth) external view returns (uint256);
        function relay(address to, bytes data) external returns (bytes);
    }
}
use Probe::*;

fn probe() -> (Sandbox, Address) {
    let mut sandbox = Sandbox::new();
    let probe = deploy(&mut sandbox, "probe");
    (sandbox, probe)
}

#[test]
fn the_block_is_what_the_test_says() {
    let (mut sandbox, probe) = probe();
    sandbox.roll(77);
    sandbox.warp(1_900_000_000);
    let coinbase = Address::repeat_byte(0xcb);
    let block = sandbox.block_mut();
    (block.beneficiary, block.base_fee, block.gas_limit) = (coinbase, 5, 90_000_000);
    let seen = sandbox.call(probe, chainCall {}).unwrap().answer;
    assert_eq!((seen.number, seen.timestamp, seen.gasLimit), (77, 1_900_000_000, 90_000_000));
    assert_eq!((seen.baseFee, seen.coinbase, seen.chainId), (U256::from(5), coinbase, 31_337));
}

#[test]
fn the_message_is_what_the_caller_sent() {
    let (mut sandbox, probe) = probe();
    let alice = sandbox.account("alice");
    sandbox.prank(alice);
    let seen = sandbox.send_value(probe, messageCall {}, U256::from(9)).unwrap().answer;
    assert_eq!((seen.contract_, seen.sender, seen.origin), (probe, alice, alice));
    assert_eq!((seen.value, seen.gasPrice, seen.inkPrice), (U256::from(9), U256::ZERO, 10_000));
    let other = sandbox.account("caller");
    assert_eq!(sandbox.call(probe, messageCall {}).unwrap().answer.sender, other, "a prank is over");
}

#[test]
fn accounts_are_seen_as_they_are() {
    let (mut sandbox, probe) = probe();
    let code = sandbox.code(probe);
    let rich = Address::repeat_byte(0x11);
    sandbox.deal(rich, U256::from(123));
    for (account, balance, size, hash) in [
        (probe, 0, code.len(), keccak256(&code)),
        (rich, 123, 0, keccak256([])),
        (Address::repeat_byte(0x12), 0, 0, B256::ZERO),
    ] {
        let seen = sandbox.call(probe, accountCall { account }).unwrap().answer;
        assert_eq!((seen.balance, seen.codeSize as usize, seen.codeHash), (U256::from(balance), size, hash));
    }
}

#[test]
fn gas_is_ink_divided() {
    let (mut sandbox, probe) = probe();
    let seen = sandbox.call(probe, leftCall {}).unwrap().answer;
    assert!(seen.gas > 90_000_000 && (seen.gas - 10..=seen.gas).contains(&(seen.ink / 10_000)), "{seen:?}");
}

#[test]
fn the_hosts_arithmetic_has_256_bits() {
    let (mut sandbox, probe) = probe();
    let data = Bytes::from_static(b"lathe");
    let hash = sandbox.call(probe, hashCall { data: data.clone() }).unwrap().answer;
    assert_eq!(hash, keccak256(&data));
    let n = U256::from::<u64>;
    for (a, b, m) in [
        (n(17), n(5), n(7)),
        (U256::MAX, n(2), n(10)),
        (U256::MAX, U256::MAX, U256::MAX - n(1)),
        (n(5), U256::ZERO, n(3)),
        (U256::ZERO, U256::ZERO, U256::ZERO),
        (n(3), n(4), U256::ZERO),
    ] {
        let seen = sandbox.call(probe, arithmeticCall { a, b, m }).unwrap().answer;
        assert_eq!(seen.quotient, a.checked_div(b).unwrap_or_default(), "{a} / {b}");
        assert_eq!(seen.remainder, a.checked_rem(b).unwrap_or_default(), "{a} % {b}");
        assert_eq!(seen.power, a.wrapping_pow(b), "{a} ** {b}");
        assert_eq!((seen.sum, seen.product), (a.add_mod(b, m), a.mul_mod(b, m)), "{a} {b} {m}");
    }
}

#[test]
fn transient_slots_last_as_long_as_the_transaction() {
    let (mut sandbox, probe) = probe();
    let (key, value) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let store = transientCall { key, value };
    assert_eq!(sandbox.send(probe, store.clone()).unwrap().answer, B256::ZERO);
    assert_eq!(sandbox.send(probe, store).unwrap().answer, B256::ZERO, "another transaction");
}

#[test]
fn an_early_exit_keeps_the_result_and_loses_what_was_not_flushed() {
    let (mut sandbox, probe) = probe();
    let data = Bytes::from_static(b"early");
    let done = sandbox.send(probe, exitCall { status: 0, data: data.clone() }).unwrap();
    assert_eq!(done.output, data);
    assert_eq!(sandbox.load(probe, U256::ZERO), U256::ZERO);
    for status in [1, 2, u32::MAX] {
        let error = sandbox.send(probe, exitCall { status, data: data.clone() }).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Reverted { output: data.clone() });
    }
}

#[test]
fn what_is_printed_comes_with_the_answer_and_with_the_error() {
    let (mut sandbox, probe) = probe();
    let done = sandbox.call(probe, printCall { text: "hello \u{1f44b}".into() }).unwrap();
    let lines: Vec<&str> = done.console.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines, ["hello \u{1f44b}", "-32", "-9223372036854775808", "0.5", "-0.1"]);
    assert!(done.console.lines.iter().all(|line| line.contract == probe));
    let error = sandbox.send(probe, panicCall { message: "no money".into() }).unwrap_err();
    assert_eq!(error.console().lines.last().unwrap().text, "panicked: no money");
    assert_eq!(sandbox.load(probe, U256::ZERO), U256::ZERO, "what it wrote is undone");
}

#[test]
fn every_failure_says_what_and_where() {
    let (mut sandbox, probe) = probe();
    let panic = sandbox.send(probe, panicCall { message: "boom".into() }).expect_failure();
    assert_eq!(panic.kind, FailureKind::Trap(lathe_vm::TrapKind::Unreachable));
    assert_eq!(panic.printed.as_deref(), Some("panicked: boom"));
    assert_eq!(panic.stack.len(), 1);
    assert!(panic.to_string().contains("after printing \"panicked: boom\""), "{panic}");

    sandbox.set_gas_limit(2_000_000);
    let error = sandbox.send(probe, spinCall {}).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Halted("out of gas".into()));
    assert_eq!(error.gas_used(), 2_000_000, "all of it");
    let failure = error.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Trap(lathe_vm::TrapKind::OutOfGas));
    assert!(!failure.stack[0].functions.is_empty());

    // Enough for the transaction, and not for the code.
    sandbox.set_gas_limit(22_500);
    let error = sandbox.send(probe, writtenCall {}).unwrap_err();
    assert!(
        error.to_string().starts_with("out of gas: loading the code: it costs more than the "),
        "{error}"
    );
}

#[test]
fn a_stack_shows_every_contract_that_failed() {
    let (mut sandbox, probe) = probe();
    let other = sandbox.deploy(&module("probe/probe.wasm")).unwrap().answer;
    sandbox.label(other, "outer");
    let data = Bytes::from(panicCall { message: "deep".into() }.abi_encode());
    let failure = sandbox.send(other, relayCall { to: probe, data: data.clone() }).expect_failure();
    let contracts: Vec<Address> = failure.stack.iter().map(|frame| frame.contract).collect();
    assert_eq!(contracts, [probe, other]);
    assert_eq!(failure.stack[1].label.as_deref(), Some("outer"));
    assert!(!failure.stack[1].functions.is_empty(), "the host call that never came back");
    assert!(failure.to_string().contains("called from function"), "{failure}");
    // The SDK refuses a second entry.
    let relay = Bytes::from(relayCall { to: probe, data }.abi_encode());
    let error = sandbox.send(probe, relayCall { to: other, data: relay }).unwrap_err();
    assert_eq!(error.output(), b"");
}
