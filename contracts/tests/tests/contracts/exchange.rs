//! The exchange: calls between contracts.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolError, SolValue, sol};
use lathe_contracts_tests::{deploy, module};
use lathe_node::sandbox::{Expect, Raw, Sandbox};

use crate::{
    erc20::{Erc20, token},
    probe::Probe,
};

sol! {
    #[derive(Debug, PartialEq)]
    interface Exchange {
        function token() external view returns (address);
        function price() external view returns (uint256);
        function stock() external view returns (uint256);
        function buy() external payable returns (uint256 tokens);
        function sell(uint256 tokens) external;
        function attempt(address to, uint64 gas, bytes data) external payable returns (bool success, bytes output);
        function peek(address to, bytes data, uint32 size) external view returns (bytes output);
        event Bought(address indexed buyer, uint256 tokens, uint256 paid);
        event Sold(address indexed seller, uint256 tokens, uint256 received);
        error NothingBought(uint256 paid, uint256 price);
        error TransferRefused(address token);
    }
}
use Exchange::*;

fn n(number: u64) -> U256 {
    U256::from(number)
}

/// An exchange that has 1,000 tokens and sells them at 3 wei.
fn exchange(sandbox: &mut Sandbox) -> (Address, Address) {
    let maker = sandbox.account("maker");
    let token = token(sandbox, maker, 1_000);
    let arguments = (token, n(3)).abi_encode_params();
    let exchange = sandbox.deploy_with(&module("exchange/exchange.wasm"), &arguments, n(30)).unwrap().answer;
    sandbox.label(exchange, "exchange");
    assert_eq!(sandbox.balance(exchange), n(30), "the constructor takes value");
    sandbox.prank(maker);
    sandbox.send(token, Erc20::transferCall { to: exchange, value: n(1_000) }).unwrap();
    (exchange, token)
}

#[test]
fn tokens_are_bought_and_sold_for_ether() {
    let mut sandbox = Sandbox::new();
    let (exchange, token) = exchange(&mut sandbox);
    let buyer = sandbox.account("buyer");
    assert_eq!(sandbox.call(exchange, tokenCall {}).unwrap().answer, token);
    assert_eq!(sandbox.call(exchange, priceCall {}).unwrap().answer, n(3));
    sandbox.start_prank(buyer);
    let done = sandbox.send_value(exchange, buyCall {}, n(31)).unwrap();
    assert_eq!(done.answer, n(10));
    assert_eq!(done.events_of::<Bought>(exchange), [Bought { buyer, tokens: n(10), paid: n(31) }]);
    assert_eq!(
        done.events_of::<Erc20::Transfer>(token),
        [Erc20::Transfer { from: exchange, to: buyer, value: n(10) }]
    );
    assert_eq!(sandbox.call(exchange, stockCall {}).unwrap().answer, n(990));
    assert_eq!(sandbox.balance(exchange), n(61));
    let little = sandbox.send_value(exchange, buyCall {}, n(2)).expect_revert::<NothingBought>();
    assert_eq!(little, NothingBought { paid: n(2), price: n(3) });

    // What the token reverts with is passed on; what the call did before is undone.
    let refused = sandbox.send(exchange, sellCall { tokens: n(4) });
    let refused = refused.expect_revert::<Erc20::ERC20InsufficientAllowance>();
    assert_eq!((refused.spender, refused.needed), (exchange, n(4)));
    let much = sandbox.send_value(exchange, buyCall {}, n(3_000)).unwrap_err();
    assert!(much.revert::<Erc20::ERC20InsufficientBalance>().is_some(), "{much}");
    assert_eq!(sandbox.balance(exchange), n(61));

    sandbox.send(token, Erc20::approveCall { spender: exchange, value: n(10) }).unwrap();
    let before = sandbox.balance(buyer);
    let done = sandbox.send(exchange, sellCall { tokens: n(4) }).unwrap();
    assert_eq!(done.events::<Sold>(), [Sold { seller: buyer, tokens: n(4), received: n(12) }]);
    assert_eq!((sandbox.balance(exchange), sandbox.balance(buyer)), (n(49), before + n(12)));
}

#[test]
fn ether_without_words_is_received() {
    let mut sandbox = Sandbox::new();
    let (exchange, _) = exchange(&mut sandbox);
    sandbox.send_value(exchange, Raw::default(), n(5)).unwrap();
    assert_eq!(sandbox.balance(exchange), n(35));
}

#[test]
fn a_caught_failure_leaves_the_callers_work_and_its_own_data() {
    let mut sandbox = Sandbox::new();
    let (exchange, token) = exchange(&mut sandbox);
    let probe = deploy(&mut sandbox, "probe");
    let mut attempt = |to: Address, gas: u64, data: Vec<u8>| {
        let done = sandbox.send(exchange, attemptCall { to, gas, data: data.into() }).unwrap();
        (done.answer.success, done.answer.output.to_vec(), done.gas_used)
    };
    let fail = Probe::failCall { data: Bytes::from_static(b"why") }.abi_encode();
    assert_eq!(attempt(probe, u64::MAX, fail).1, b"why");
    let (success, output, _) = attempt(token, u64::MAX, Erc20::burnCall { value: n(2_000) }.abi_encode());
    assert!(!success && Erc20::ERC20InsufficientBalance::abi_decode(&output).is_ok());
    // A trap reverts with nothing; so does a call that runs out of its gas, and it takes no more than that.
    let (success, output, _) =
        attempt(probe, u64::MAX, Probe::panicCall { message: "x".into() }.abi_encode());
    assert_eq!((success, &output[..]), (false, &b""[..]));
    let (success, output, gas) = attempt(probe, 200_000, Probe::spinCall {}.abi_encode());
    assert_eq!((success, &output[..]), (false, &b""[..]));
    assert!((221_000..400_000).contains(&gas), "{gas}");
    let written = Probe::writeCall { value: n(7) }.abi_encode();
    assert!(attempt(probe, u64::MAX, written).0);
    assert_eq!(sandbox.load(probe, U256::ZERO), n(7), "the trap before wrote nothing");
}

#[test]
fn a_static_call_reads_and_cannot_write() {
    let mut sandbox = Sandbox::new();
    let (exchange, token) = exchange(&mut sandbox);
    let probe = deploy(&mut sandbox, "probe");
    let data = Bytes::from(Erc20::nameCall {}.abi_encode());
    let name = sandbox.call(exchange, peekCall { to: token, data: data.clone(), size: 64 }).unwrap().answer;
    assert_eq!(name.len(), 64, "cut");
    let name = sandbox.call(exchange, peekCall { to: token, data, size: 1_000 }).unwrap().answer;
    assert_eq!(String::abi_decode(&name).unwrap(), "Lathe Token");
    let data = Bytes::from(Probe::writeCall { value: n(1) }.abi_encode());
    let failure = sandbox.call(exchange, peekCall { to: probe, data, size: 0 }).expect_failure();
    let words = failure.to_string();
    assert!(words.contains("storage_flush_cache: state cannot change in a static call"), "{words}");
    assert!(words.contains("`probe`") && words.contains("`exchange`"), "{words}");
}

#[test]
fn a_contract_that_calls_itself_is_refused_by_the_sdk() {
    let mut sandbox = Sandbox::new();
    let (exchange, _) = exchange(&mut sandbox);
    let data = Bytes::from(priceCall {}.abi_encode());
    let attempt = attemptCall { to: exchange, gas: u64::MAX, data };
    let done = sandbox.send(exchange, attempt).unwrap();
    assert!(!done.answer.success && done.answer.output.is_empty());
}
