//! The sandbox does what the chain does, and its cheats do what they say.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use alloy_primitives::{Address, Bytes, TxKind, U256, address, hex};
use alloy_sol_types::{Revert, SolError, sol};
use lathe_node::{
    chain::CREATE2_FACTORY,
    runtime::code::STORED_PREFIX,
    sandbox::{ACCOUNT_BALANCE_WEI, ErrorKind, Expect, Raw, Sandbox, scale, solidity},
};
use support::{
    Devnet, GAS, envelope, returns, salt,
    script::{ALL, Output, SCRIPT, Script},
    wasm, word,
};

fn n(number: u64) -> U256 {
    U256::from(number)
}

fn script() -> (Sandbox, Address) {
    let mut sandbox = Sandbox::new();
    let script = sandbox.deploy(&wasm(SCRIPT)).unwrap().answer;
    (sandbox, script)
}

/// The same transactions on a chain and in the sandbox use the same gas and emit the same logs.
#[test]
fn gas_and_logs_are_those_of_the_chain() {
    let devnet = Devnet::new();
    let mut sandbox = Sandbox::new();
    // The same sender with the same nonce makes the same addresses.
    sandbox.deal(devnet.sender(), U256::from(ACCOUNT_BALANCE_WEI));
    sandbox.start_prank(devnet.sender());
    sandbox.set_gas_limit(GAS);
    let creation = envelope(0, &wasm(SCRIPT), &[]);
    let receipt = devnet.try_deploy(creation.clone());
    let done = sandbox.create(creation.clone(), U256::ZERO).unwrap();
    let script = receipt.contract_address.unwrap();
    assert_eq!((done.answer, done.gas_used), (script, receipt.gas_used));
    for steps in [
        Script::new().store(1, 2),
        Script::new().store(1, 0),
        Script::new().log(salt(3)).load(1).cache(5, 5),
        Script::new().call(script, 0, ALL, Script::new().store(7, 7).revert()).store(8, 8),
        Script::new().create1(0, &creation).create2(0, salt(1), &creation),
        Script::new().create2(0, salt(1), &creation),
        Script::new().tstore(1, 2).delegate_call(script, ALL, Script::new().tload(1)),
        Script::new().store(1, 2).revert(),
        Script::new().store(1, 2).trap(),
        Script::new().call(script, 0, 100_000, Script::new().spin()),
    ] {
        let receipt = devnet.send(TxKind::Call(script), steps.0.clone(), 0, GAS);
        match sandbox.send(script, Raw::from(steps.0)) {
            Ok(done) => {
                assert!(receipt.success, "{:?}", receipt.failure);
                assert_eq!((done.gas_used, done.logs), (receipt.gas_used, receipt.logs));
            }
            Err(error) => {
                assert!(!receipt.success, "{error}");
                assert_eq!(error.gas_used(), receipt.gas_used, "{error}");
            }
        }
    }
    for slot in [1, 7, 8] {
        assert_eq!(sandbox.load(script, n(slot)), devnet.slot(script, slot));
    }
    assert_eq!(sandbox.nonce(devnet.sender()), devnet.nonce(devnet.sender()));
    assert_eq!(sandbox.code(script), devnet.code(script));
    assert_eq!(sandbox.code(CREATE2_FACTORY), devnet.code(CREATE2_FACTORY));
}

#[test]
fn a_call_leaves_nothing_behind() {
    let (mut sandbox, script) = script();
    let caller = sandbox.account("caller");
    let nonce = sandbox.nonce(caller);
    sandbox.call(script, Raw::from(Script::new().store(1, 2).0)).unwrap();
    assert_eq!((sandbox.load(script, n(1)), sandbox.nonce(caller)), (U256::ZERO, nonce));
    sandbox.send(script, Raw::from(Script::new().store(1, 2).0)).unwrap();
    assert_eq!((sandbox.load(script, n(1)), sandbox.nonce(caller)), (n(2), nonce + 1));
    // Each call is a transaction of its own: the slot is cold again, and what was transient is gone.
    let gas =
        |sandbox: &mut Sandbox| sandbox.call(script, Raw::from(Script::new().load(1).0)).unwrap().gas_used;
    assert_eq!(gas(&mut sandbox), gas(&mut sandbox));
    sandbox.send(script, Raw::from(Script::new().tstore(1, 2).0)).unwrap();
    let seen = sandbox.call(script, Raw::from(Script::new().tload(1).0)).unwrap().output;
    assert_eq!(seen[..], word(0));
}

#[test]
fn snapshots_bring_everything_back() {
    let (mut sandbox, script) = script();
    let alice = sandbox.account("alice");
    sandbox.send_value(script, Raw::from(Script::new().store(1, 1).0), n(5)).unwrap();
    let first = sandbox.snapshot();
    let state = |sandbox: &mut Sandbox| {
        let slots = [1, 2].map(|slot| sandbox.load(script, n(slot)));
        (
            slots,
            sandbox.balance(script),
            sandbox.balance(alice),
            sandbox.nonce(script),
            sandbox.block_mut().number,
        )
    };
    let before = state(&mut sandbox);
    sandbox.send_value(script, Raw::from(Script::new().store(1, 9).store(2, 9).0), n(5)).unwrap();
    sandbox.roll(99);
    sandbox.deal(alice, n(1));
    let created = sandbox.send(script, Raw::from(Script::new().create1(0, &[]).0)).unwrap().output;
    let created = Output(&created).address();
    assert_eq!(sandbox.nonce(created), 1);
    let second = sandbox.snapshot();
    let between = state(&mut sandbox);
    sandbox.store(script, n(2), n(77));
    sandbox.etch(script, Bytes::new());
    sandbox.revert_to(second);
    assert_eq!(state(&mut sandbox), between);
    assert!(!sandbox.code(script).is_empty());
    // Twice is once, and the second snapshot is gone with the first.
    for _ in 0..2 {
        sandbox.revert_to(first);
        assert_eq!(state(&mut sandbox), before);
        assert_eq!(sandbox.nonce(created), 0);
    }
    let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sandbox.revert_to(second)));
    assert!(gone.is_err());
}

#[test]
fn contracts_that_destroy_themselves_in_their_transaction_are_gone() {
    let (mut sandbox, script) = script();
    // Stores, then destroys itself, in its init code: what is created and destroyed at once does not exist.
    let init = hex!("60016000556000ff");
    let snapshot = sandbox.snapshot();
    let done = sandbox.send(script, Raw::from(Script::new().create1(0, &init).0)).unwrap();
    let created = Output(&done.output).address();
    assert_ne!(created, Address::ZERO);
    assert_eq!((sandbox.nonce(created), sandbox.load(created, U256::ZERO)), (0, U256::ZERO));
    sandbox.revert_to(snapshot);
    assert_eq!(sandbox.nonce(script), 1);
}

#[test]
fn every_kind_of_message_is_answered_or_says_why_not() {
    sol! { function answer() returns (uint256); }
    let mut sandbox = Sandbox::new();
    let five = Address::repeat_byte(5);
    // EVM code that returns 32 bytes: the number 5.
    sandbox.etch(five, hex!("60055f5260205ff3"));
    assert_eq!(sandbox.call(five, answerCall {}).unwrap().answer, n(5));
    let dynamic = solidity("answer()(uint256)", &[]).unwrap();
    assert_eq!(sandbox.call(five, dynamic).unwrap().answer[0].as_uint(), Some((n(5), 256)));
    assert_eq!(sandbox.call(five, scale::<[u8; 32]>("answer", &())).unwrap().answer, word(5));
    let error = sandbox.call(five, scale::<u8>("answer", &())).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Answer(why) if why.starts_with("no SCALE result of answer")));
    let nobody = Address::repeat_byte(6);
    let error = sandbox.call(nobody, answerCall {}).unwrap_err();
    assert!(error.to_string().starts_with("no result of answer()"), "{error}");
}

#[test]
fn failures_are_expected_by_type_and_by_text() {
    sol! { #[derive(Debug, PartialEq)] error Custom(uint256 number); }
    let mut sandbox = Sandbox::new();
    let mut reverting = |place: u8, data: Vec<u8>| {
        // Copies what follows it and reverts with that.
        let length = u8::try_from(data.len()).unwrap();
        let code =
            [&[0x60, length, 0x60, 12, 0x5f, 0x39, 0x60, length, 0x5f, 0xfd, 0, 0][..], &data].concat();
        let contract = Address::repeat_byte(place);
        sandbox.etch(contract, code);
        sandbox.send(contract, Raw::default())
    };
    assert_eq!(reverting(1, Revert::from("not now").abi_encode()).expect_reason(), "not now");
    let custom = Custom { number: n(3) };
    assert_eq!(reverting(2, custom.abi_encode()).expect_revert::<Custom>(), custom);
    let error = reverting(3, hex!("deadbeef").to_vec()).unwrap_err();
    assert_eq!((error.reason(), error.revert::<Custom>()), (None, None));
    assert_eq!(error.to_string(), "execution reverted with 0xdeadbeef");
    // What is not as expected panics, with what it was.
    let panic = |work: &mut dyn FnMut()| {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let words = panic(&mut || drop(sandbox.call(Address::repeat_byte(3), Raw::default()).expect_reason()));
    assert!(words.ends_with("got: execution reverted with 0xdeadbeef"), "{words}");
    let words = panic(&mut || drop(sandbox.call(Address::repeat_byte(9), Raw::default()).expect_reason()));
    assert_eq!(words, "expected a failure, but the call returned 0x");
}

#[test]
fn what_cannot_run_says_why() {
    let (mut sandbox, script) = script();
    let poor = address!("0000000000000000000000000000000000001234");
    sandbox.prank(poor);
    let error = sandbox.send_value(script, Raw::default(), n(1)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotRun(why) if why.contains("insufficient funds")), "{error}");
    sandbox.set_gas_limit(20_999);
    let error = sandbox.send(script, Raw::default()).unwrap_err();
    assert!(error.to_string().contains("intrinsic gas too low"), "{error}");
    sandbox.set_gas_limit(GAS);
    assert!(sandbox.send(script, Raw::default()).is_ok(), "the sandbox goes on");
    let refused = sandbox.create(returns(&hex!("ef00")), U256::ZERO).expect_failure();
    assert!(refused.to_string().contains("reserved"), "{refused}");
}

#[test]
fn etched_programs_and_stored_slots_are_there() {
    let mut sandbox = Sandbox::new();
    let place = Address::repeat_byte(0x33);
    sandbox.store(place, n(1), n(42));
    sandbox.etch(place, [&STORED_PREFIX[..], &wasm(SCRIPT)].concat());
    let seen = sandbox.call(place, Raw::from(Script::new().load(1).0)).unwrap().output;
    assert_eq!(seen[..], word(42));
}
