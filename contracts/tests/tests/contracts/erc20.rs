//! The ERC-20 token.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolValue, sol};
use lathe_contracts_tests::module;
use lathe_node::sandbox::{ErrorKind, Expect, Raw, Sandbox};

sol! {
    #[derive(Debug, PartialEq)]
    interface Erc20 {
        function name() external view returns (string);
        function symbol() external view returns (string);
        function decimals() external view returns (uint8);
        function totalSupply() external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 value) external returns (bool);
        function transfer(address to, uint256 value) external returns (bool);
        function transferFrom(address from, address to, uint256 value) external returns (bool);
        function burn(uint256 value) external;
        event Transfer(address indexed from, address indexed to, uint256 value);
        event Approval(address indexed owner, address indexed spender, uint256 value);
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
        error ERC20InvalidReceiver(address receiver);
    }
}
use Erc20::*;

/// Creates the token with a supply that `owner` has.
pub(crate) fn token(sandbox: &mut Sandbox, owner: Address, supply: u64) -> Address {
    let arguments = ("Lathe Token", "LTH", U256::from(supply), owner).abi_encode_params();
    let done = sandbox.deploy_with(&module("erc20/erc20.wasm"), &arguments, U256::ZERO).unwrap();
    let minted = Transfer { from: Address::ZERO, to: owner, value: U256::from(supply) };
    assert_eq!(done.events::<Transfer>(), [minted]);
    sandbox.label(done.answer, "erc20");
    done.answer
}

fn balance(sandbox: &mut Sandbox, token: Address, account: Address) -> u64 {
    sandbox.call(token, balanceOfCall { account }).unwrap().answer.to()
}

#[test]
fn a_constructor_names_the_token_once() {
    let mut sandbox = Sandbox::new();
    let owner = sandbox.account("owner");
    let token = token(&mut sandbox, owner, 1_000);
    assert_eq!(sandbox.call(token, nameCall {}).unwrap().answer, "Lathe Token");
    assert_eq!(sandbox.call(token, symbolCall {}).unwrap().answer, "LTH");
    assert_eq!(sandbox.call(token, decimalsCall {}).unwrap().answer, 18);
    assert_eq!(sandbox.call(token, totalSupplyCall {}).unwrap().answer, U256::from(1_000));
    assert_eq!(balance(&mut sandbox, token, owner), 1_000);
    // The SDK lets nobody run it again.
    let again = [&[0x55, 0x85, 0x25, 0x8d][..], &("x", "x", U256::ZERO, owner).abi_encode_params()].concat();
    let error = sandbox.send(token, Raw::from(again)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Reverted { .. }), "{error}");
    assert_eq!(sandbox.call(token, nameCall {}).unwrap().answer, "Lathe Token");
}

#[test]
fn a_constructor_that_fails_makes_no_contract() {
    let mut sandbox = Sandbox::new();
    let wasm = module("erc20/erc20.wasm");
    let nobody = ("x", "x", U256::from(1), Address::ZERO).abi_encode_params();
    let refused = sandbox.deploy_with(&wasm, &nobody, U256::ZERO).expect_revert::<ERC20InvalidReceiver>();
    assert_eq!(refused.receiver, Address::ZERO);
    let someone = ("x", "x", U256::from(1), Address::repeat_byte(1)).abi_encode_params();
    // It takes no value, and its arguments must decode.
    assert!(sandbox.deploy_with(&wasm, &someone, U256::ONE).is_err());
    assert!(sandbox.deploy_with(&wasm, &someone[..64], U256::ZERO).is_err());
    assert!(sandbox.deploy_with(&wasm, &someone, U256::ZERO).is_ok());
}

#[test]
fn tokens_move_as_far_as_balance_and_allowance_go() {
    let mut sandbox = Sandbox::new();
    let [owner, friend, spender] = ["owner", "friend", "spender"].map(|name| sandbox.account(name));
    let token = token(&mut sandbox, owner, 1_000);
    let n = U256::from::<u64>;

    sandbox.start_prank(owner);
    let done = sandbox.send(token, transferCall { to: friend, value: n(300) }).unwrap();
    assert!(done.answer);
    assert_eq!(done.events_of::<Transfer>(token), [Transfer { from: owner, to: friend, value: n(300) }]);
    assert_eq!((balance(&mut sandbox, token, owner), balance(&mut sandbox, token, friend)), (700, 300));
    let short = sandbox.send(token, transferCall { to: friend, value: n(701) });
    assert_eq!(
        short.expect_revert::<ERC20InsufficientBalance>(),
        ERC20InsufficientBalance { sender: owner, balance: n(700), needed: n(701) }
    );
    let nobody = sandbox.send(token, transferCall { to: Address::ZERO, value: n(1) });
    assert_eq!(nobody.expect_revert::<ERC20InvalidReceiver>().receiver, Address::ZERO);
    let done = sandbox.send(token, approveCall { spender, value: n(50) }).unwrap();
    assert_eq!(done.events::<Approval>(), [Approval { owner, spender, value: n(50) }]);

    sandbox.start_prank(spender);
    let over = sandbox.send(token, transferFromCall { from: owner, to: friend, value: n(51) });
    assert_eq!(
        over.expect_revert::<ERC20InsufficientAllowance>(),
        ERC20InsufficientAllowance { spender, allowance: n(50), needed: n(51) }
    );
    sandbox.send(token, transferFromCall { from: owner, to: friend, value: n(20) }).unwrap();
    assert_eq!(sandbox.call(token, allowanceCall { owner, spender }).unwrap().answer, n(30));

    // An allowance of everything is for ever.
    sandbox.start_prank(owner);
    sandbox.send(token, approveCall { spender, value: U256::MAX }).unwrap();
    sandbox.start_prank(spender);
    sandbox.send(token, transferFromCall { from: owner, to: friend, value: n(20) }).unwrap();
    assert_eq!(sandbox.call(token, allowanceCall { owner, spender }).unwrap().answer, U256::MAX);

    sandbox.start_prank(friend);
    sandbox.send(token, burnCall { value: n(340) }).unwrap();
    assert_eq!(sandbox.call(token, totalSupplyCall {}).unwrap().answer, n(660));
    assert_eq!((balance(&mut sandbox, token, owner), balance(&mut sandbox, token, friend)), (660, 0));
    sandbox.send(token, burnCall { value: n(1) }).expect_revert::<ERC20InsufficientBalance>();
}

#[test]
fn a_transfer_to_oneself_changes_nothing() {
    let mut sandbox = Sandbox::new();
    let owner = sandbox.account("owner");
    let token = token(&mut sandbox, owner, 5);
    sandbox.prank(owner);
    sandbox.send(token, transferCall { to: owner, value: U256::from(5) }).unwrap();
    assert_eq!(balance(&mut sandbox, token, owner), 5);
}
