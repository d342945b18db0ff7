//! What a call in the sandbox takes, with the example contracts. Run it with
//! `cargo bench -p lathe-node --no-default-features --bench sandbox`; the last line is JSON.
//!
//! Each row is the best of several rounds, in nanoseconds a call: the work there is, without what else the machine does.

use std::time::Instant;

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolValue, sol};
use lathe_node::sandbox::{Raw, Sandbox, scale};
use serde::Serialize;

sol! {
    function number() returns (uint256);
    function increment();
    function transfer(address to, uint256 value) returns (bool);
    function buy() payable returns (uint256);
}

/// Rounds of which the best counts.
const ROUNDS: u32 = 7;
/// Calls of a round.
const CALLS: u32 = 2_000;

#[derive(Serialize)]
struct Report {
    harness: &'static str,
    new_ns: u64,
    call_empty_ns: u64,
    call_counter_ns: u64,
    send_counter_ns: u64,
    send_erc20_ns: u64,
    send_two_contracts_ns: u64,
    send_calculator_ns: u64,
    snapshot_and_revert_ns: u64,
    deploy_erc20_ns: u64,
    correct: bool,
}

fn module(name: &str) -> Vec<u8> {
    let path = format!("{}/../contracts/{name}/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the nanoseconds a call of `work` takes, in the best of the rounds.
fn measure(name: &str, calls: u32, mut work: impl FnMut()) -> u64 {
    let mut round = || {
        let start = Instant::now();
        for _ in 0..calls {
            work();
        }
        u64::try_from(start.elapsed().as_nanos() / u128::from(calls)).unwrap_or(u64::MAX)
    };
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    eprintln!("{name}: {best} ns");
    best
}

fn main() -> Result<(), lathe_node::sandbox::Error> {
    let mut sandbox = Sandbox::new();
    let counter = sandbox.deploy(&module("counter"))?.answer;
    let calculator = sandbox.deploy(&module("calculator"))?.answer;
    let caller = sandbox.account("caller");
    let supply = U256::from(u128::MAX);
    let arguments = ("Lathe Token", "LTH", supply, caller).abi_encode_params();
    let erc20 = module("erc20");
    let token = sandbox.deploy_with(&erc20, &arguments, U256::ZERO)?.answer;
    let terms = (token, U256::ONE).abi_encode_params();
    let exchange = sandbox.deploy_with(&module("exchange"), &terms, U256::ZERO)?.answer;
    sandbox.send(token, transferCall { to: exchange, value: supply / U256::from(2) })?;
    let nobody = Address::repeat_byte(0x77);

    let mut expected = 0u32;
    let mut correct = true;
    let new_ns = measure("a sandbox", 50, || drop(Sandbox::new()));
    let call_empty_ns = measure("call of an account without code", CALLS, || {
        correct &= sandbox.call(nobody, Raw::default()).is_ok();
    });
    let call_counter_ns = measure("call of the counter: number", CALLS, || {
        correct &= sandbox.call(counter, numberCall {}).is_ok();
    });
    let send_counter_ns = measure("send to the counter: increment", CALLS, || {
        expected += 1;
        correct &= sandbox.send(counter, incrementCall {}).is_ok();
    });
    let send_erc20_ns = measure("send to the token: transfer", CALLS, || {
        correct &= sandbox.send(token, transferCall { to: nobody, value: U256::ONE }).is_ok();
    });
    let send_two_contracts_ns = measure("send to the exchange, which calls the token: buy", CALLS, || {
        correct &= sandbox.send_value(exchange, buyCall {}, U256::ONE).is_ok();
    });
    let send_calculator_ns = measure("send to the calculator", CALLS, || {
        let answer = sandbox.send(calculator, scale::<String>("text_received", &("(1+2)*3", "alice", "")));
        correct &= answer.is_ok_and(|done| done.answer == "9");
    });
    let before = sandbox.snapshot();
    let snapshot_and_revert_ns = measure("increment, and back to a snapshot", CALLS, || {
        correct &= sandbox.send(counter, incrementCall {}).is_ok();
        sandbox.revert_to(before);
    });
    let deploy_erc20_ns = measure("deploy the token, with constructor", 100, || {
        correct &= sandbox.deploy_with(&erc20, &arguments, U256::ZERO).is_ok();
        sandbox.revert_to(before);
    });
    correct &= sandbox.call(counter, numberCall {})?.answer == U256::from(expected);

    let report = Report {
        harness: "sandbox",
        new_ns,
        call_empty_ns,
        call_counter_ns,
        send_counter_ns,
        send_erc20_ns,
        send_two_contracts_ns,
        send_calculator_ns,
        snapshot_and_revert_ns,
        deploy_erc20_ns,
        correct,
    };
    println!("{}", serde_json::to_string(&report).unwrap_or_else(|error| panic!("plain numbers: {error}")));
    std::process::exit(i32::from(!correct));
}
