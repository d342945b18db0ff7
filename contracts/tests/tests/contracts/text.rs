//! The contracts written as text.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{Revert, SolError, SolEvent, sol};
use lathe_contracts_tests::deploy;
use lathe_node::sandbox::{Expect, Message, Raw, Sandbox};

use crate::calculator::text_received;

sol! { event Ping(address indexed sender, uint256 calldataLen); }

#[test]
fn the_caller_returns_the_status_and_the_output_of_its_callee() {
    let mut sandbox = Sandbox::new();
    let [caller, trap] = ["caller.wat", "trap.wat"].map(|name| deploy(&mut sandbox, name));
    let calculator = deploy(&mut sandbox, "calculator");
    let answer = text_received("2*3", "alice", "").calldata();
    let reason = Revert::from("column 3: expected a number, found the end of the message").abi_encode();
    for (to, payload, status, output) in [
        (calculator, answer.clone(), 0, [&[4u8][..], b"6"].concat()),
        (calculator, text_received("1+", "alice", "").calldata(), 1, reason),
        // A trap reverts.
        (trap, vec![], 1, vec![]),
        // Through itself: the inner call's output is the outer's payload.
        (caller, [calculator.as_slice(), &answer].concat(), 0, [&[0, 4][..], b"6"].concat()),
    ] {
        let done = sandbox.send(caller, Raw::from([to.as_slice(), &payload].concat())).unwrap();
        assert_eq!(done.output.to_vec(), [&[status][..], &output].concat());
    }
    for calldata in [caller[1..].to_vec(), vec![0; 0x8001]] {
        assert_eq!(sandbox.send(caller, Raw::from(calldata)).unwrap_err().output(), b"");
    }
}

#[test]
fn recursion_counts_the_frames_that_ran() {
    let mut sandbox = Sandbox::new();
    let recurse = deploy(&mut sandbox, "recurse.wat");
    let done = sandbox.call(recurse, Raw::default()).unwrap();
    let frames: u64 = U256::from_be_slice(&done.output).to();
    // 63/64 of a block's gas lasts for fewer than the 1,025 frames that the depth allows.
    assert!((200..=1_025).contains(&frames), "{frames}");
}

#[test]
fn spinning_and_trapping_fail_and_leave_nothing() {
    let mut sandbox = Sandbox::new();
    let [spin, trap] = ["spin.wat", "trap.wat"].map(|name| deploy(&mut sandbox, name));
    sandbox.set_gas_limit(1_000_000);
    let error = sandbox.send(spin, Raw::default()).unwrap_err();
    assert_eq!(error.gas_used(), 1_000_000);
    assert!(error.to_string().contains("out of gas"), "{error}");
    let failure = sandbox.send(trap, Raw::default()).expect_failure();
    assert!(failure.to_string().contains("`trap.wat`"), "{failure}");
    assert_eq!(sandbox.load(trap, U256::ZERO), U256::ZERO);
}

#[test]
fn an_event_has_two_topics_and_data() {
    let mut sandbox = Sandbox::new();
    let events = deploy(&mut sandbox, "events.wat");
    let sender = Address::repeat_byte(0xab);
    sandbox.prank(sender);
    let done = sandbox.send(events, Raw::from(vec![9; 0x1234])).unwrap();
    assert_eq!(done.logs.len(), 1);
    assert_eq!(done.logs[0].topics()[0], Ping::SIGNATURE_HASH);
    let [ping] = &done.events_of::<Ping>(events)[..] else { panic!("one ping") };
    assert_eq!((ping.sender, ping.calldataLen), (sender, U256::from(0x1234)));
}
