//! The factory: contracts that create contracts.

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{Revert, SolError, SolValue, sol};
use lathe_contracts_tests::{deploy, module};
use lathe_node::sandbox::{Expect, Sandbox};

use crate::{counter::Counter, erc20::Erc20};

sol! {
    #[derive(Debug, PartialEq)]
    interface Factory {
        function create(bytes creation) external payable returns (address);
        function create2(bytes creation, bytes32 salt) external payable returns (address);
        function count() external view returns (uint256);
        function created(uint256 index) external view returns (address);
        function code(address account, uint32 size) external view returns (uint32 length, bytes32 hash, bytes head);
        event Created(address indexed contract_, address indexed creator);
    }
}
use Factory::*;

/// Creation data of a module: with constructor arguments, or without a constructor.
pub(crate) fn creation(module: &[u8], arguments: Option<&[u8]>) -> Bytes {
    let length = u32::try_from(module.len()).unwrap();
    let flags = if arguments.is_some() { 2 } else { 0 };
    let arguments = arguments.unwrap_or_default();
    [&[0xEF, 0x4C, 0x01, flags][..], &length.to_be_bytes(), module, arguments].concat().into()
}

#[test]
fn a_contract_creates_programs_by_nonce_and_by_salt() {
    let mut sandbox = Sandbox::new();
    let factory = deploy(&mut sandbox, "factory");
    let counter = creation(&module("counter/counter.wasm"), None);
    let creator = sandbox.account("creator");
    sandbox.start_prank(creator);
    let done = sandbox.send(factory, createCall { creation: counter.clone() }).unwrap();
    assert_eq!(done.answer, factory.create(1));
    assert_eq!(done.events::<Created>(), [Created { contract_: done.answer, creator }]);
    let salt = B256::repeat_byte(7);
    let salted = create2Call { creation: counter.clone(), salt };
    let by_salt = sandbox.send(factory, salted.clone()).unwrap().answer;
    assert_eq!(by_salt, factory.create2(salt, keccak256(&counter)));
    for contract in [done.answer, by_salt] {
        sandbox.send(contract, Counter::incrementCall {}).unwrap();
        assert_eq!(sandbox.call(contract, Counter::numberCall {}).unwrap().answer, U256::ONE);
    }
    assert_eq!(sandbox.call(factory, countCall {}).unwrap().answer, U256::from(2));
    assert_eq!(sandbox.call(factory, createdCall { index: U256::ONE }).unwrap().answer, by_salt);
    // There is one already: the creation fails without a word.
    assert_eq!(sandbox.send(factory, salted).unwrap_err().output(), b"");
    assert_eq!(sandbox.call(factory, countCall {}).unwrap().answer, U256::from(2));
}

#[test]
fn a_creation_has_a_constructor_value_and_errors_of_its_own() {
    let mut sandbox = Sandbox::new();
    let factory = deploy(&mut sandbox, "factory");
    let erc20 = module("erc20/erc20.wasm");
    let owner = sandbox.account("owner");
    let arguments = ("Made", "MD", U256::from(9), owner).abi_encode_params();
    let made = sandbox.send(factory, createCall { creation: creation(&erc20, Some(&arguments)) }).unwrap();
    let name = sandbox.call(made.answer, Erc20::nameCall {}).unwrap().answer;
    assert_eq!(name, "Made");
    let nobody = ("Made", "MD", U256::from(9), Address::ZERO).abi_encode_params();
    let refused = sandbox.send(factory, createCall { creation: creation(&erc20, Some(&nobody)) });
    refused.expect_revert::<Erc20::ERC20InvalidReceiver>();

    // EVM code, too: one that returns nothing, and one that reverts with a reason.
    let empty = sandbox.send_value(factory, createCall { creation: Bytes::new() }, U256::from(4)).unwrap();
    assert_eq!(sandbox.balance(empty.answer), U256::from(4));
    let reason = Revert::from("not today").abi_encode();
    let length = u8::try_from(reason.len()).unwrap();
    let reverts =
        [&hex!("60")[..], &[length], &hex!("600c60003960"), &[length], &hex!("6000fd"), &reason].concat();
    assert_eq!(sandbox.send(factory, createCall { creation: reverts.into() }).expect_reason(), "not today");
    let bad = sandbox.send(factory, createCall { creation: creation(b"\0asm", None) }).expect_failure();
    assert!(bad.to_string().contains("invalid module"), "{bad}");
}

#[test]
fn code_is_read_as_it_is_stored() {
    let mut sandbox = Sandbox::new();
    let factory = deploy(&mut sandbox, "factory");
    let counter = deploy(&mut sandbox, "counter");
    let stored = [&hex!("ef4c00")[..], &module("counter/counter.wasm")].concat();
    let code = sandbox.call(factory, codeCall { account: counter, size: 9 }).unwrap().answer;
    assert_eq!(code.length as usize, stored.len());
    assert_eq!((code.hash, code.head.to_vec()), (keccak256(&stored), stored[..9].to_vec()));
    let nobody = Address::repeat_byte(0x99);
    let code = sandbox.call(factory, codeCall { account: nobody, size: 9 }).unwrap().answer;
    assert_eq!((code.length, code.hash, code.head.len()), (0, B256::ZERO, 0));
}
