//! What the built contracts do when they run.

use alloy_primitives::U256;
use alloy_sol_types::{Revert, SolCall, SolError, SolEvent, sol};
use lathe_calculator::slot;
use lathe_contracts_tests::{Account, CALL_DEPTH_MAX, Call, Outcome, World, keccak256, module};
use lathe_scale_abi::{decode_result, encode_message};

sol!(Counter, "../counter/abi.json");
sol! { event Ping(address indexed sender, uint256 calldataLen); }

/// The message that asks the calculator.
fn text_received(msg: &str, username: &str, step_data: &str) -> Vec<u8> {
    encode_message("text_received", &(msg, username, step_data))
}

/// Sends the calculator `message`; returns the answer, or the reason it reverts with.
fn ask(world: &mut World, calculator: [u8; 20], message: &[u8]) -> Result<String, String> {
    match world.call(calculator, message) {
        Outcome::Returned(output) => Ok(decode_result(&output).expect("the answer is a SCALE string")),
        Outcome::Reverted(data) => Err(Revert::abi_decode(&data).expect("a revert has a reason").reason),
        Outcome::Failed => panic!("{message:02x?} trapped"),
    }
}

#[test]
fn the_calculator_remembers_each_users_result() {
    let mut world = World::default();
    let calculator = world.deploy(1, module("calculator/calculator.wasm"));
    for (msg, username, step_data, expected) in [
        ("23*63", "alice", "", Ok("1449")),
        ("+1", "alice", "", Ok("1450")),
        ("+1", "bob", "", Ok("1")),
        // With step data nothing is stored.
        ("*2", "alice", "10", Ok("20")),
        ("7", "alice", "1", Ok("7")),
        ("-5", "alice", "", Ok("1445")),
        // A revert leaves the result alone.
        ("1/0", "alice", "", Err("column 2: division by zero")),
        ("+", "alice", "", Err("column 2: expected a number, found the end of the message")),
        ("+1", "alice", "ten", Err("step_data: expected a number, found `ten`")),
        ("23**63", "alice", "", Err("column 4: expected a number, found `*`")),
        ("/10", "alice", "", Ok("144.5")),
        // Zero is a result, too.
        ("*0", "bob", "", Ok("0")),
        ("-1", "bob", "", Ok("-1")),
        ("0.1+0.2", "carol", "", Ok("0.30000000000000004")),
        ("5e-324", "carol", "1", Ok(&format!("0.{}5", "0".repeat(323)))),
        ("1.7976931348623157e308", "carol", "1", Ok(&f64::MAX.to_string())),
        ("2+2", "", "", Ok("4")),
        ("+1", "\u{fc}n\u{ef}", "", Ok("1")),
        (&"1".repeat(4097), "alice", "", Err("msg has 4097 bytes, at most 4096 are allowed")),
        (&"(".repeat(4096), "alice", "", Err("column 65: parentheses nest deeper than 64")),
        (&format!("0{}1", "-".repeat(4094)), "dave", "", Ok("1")),
    ] {
        let answer = ask(&mut world, calculator, &text_received(msg, username, step_data));
        assert_eq!(answer.as_deref().map_err(String::as_str), expected, "{msg:?} {username:?} {step_data:?}");
    }
}

#[test]
fn the_calculator_stores_one_documented_slot_a_user() {
    let mut world = World::default();
    let calculator = world.deploy(1, module("calculator/calculator.wasm"));
    ask(&mut world, calculator, &text_received("23*63", "alice", "")).expect("1449");
    ask(&mut world, calculator, &text_received("1", "bob", "0")).expect("1");
    ask(&mut world, calculator, &text_received("1/0", "carol", "")).expect_err("division by zero");
    let preimage: Vec<u8> = slot::key_preimage("alice").collect();
    let storage: Vec<_> = world.accounts[&calculator].storage.clone().into_iter().collect();
    assert_eq!(storage, [(keccak256(&preimage), slot::encode(1449.0))]);
}

#[test]
fn the_calculator_refuses_what_is_not_a_message_with_a_reason() {
    let mut world = World::default();
    let calculator = world.deploy(1, module("calculator/calculator.wasm"));
    let message = text_received("1+1", "alice", "");
    let not_utf8 = [&message[..4], &[4, 0xff, 0, 0]].concat();
    for (message, reason) in [
        (&[][..], "unknown function: a selector takes 4 bytes, the message has 0"),
        (&[1, 2, 3, 4, 5], "unknown function: selector 0x01020304 is none of this contract's SCALE messages"),
        (&message[..message.len() - 1], "text_received: the arguments do not decode as SCALE: "),
        (&[&message[..], &[0]].concat(), "text_received: the arguments do not decode as SCALE: "),
        (&not_utf8, "text_received: the arguments do not decode as SCALE: "),
        // A length of 2^30 - 1 bytes that are not there.
        (
            &[&message[..4], &[0xfe, 0xff, 0xff, 0xff]].concat(),
            "text_received: the arguments do not decode as SCALE: ",
        ),
        (&vec![0; 8193], "the message has 8193 bytes, at most 8192 are allowed"),
    ] {
        let answer = ask(&mut world, calculator, message).expect_err("refused");
        assert!(answer.starts_with(reason), "{answer}");
    }
    let mut value = [0; 32];
    value[31] = 1;
    let paid = world.make(Call { to: calculator, input: message, value, ..Call::default() });
    assert_eq!(paid, Outcome::Reverted(Revert::from("this contract takes no value").abi_encode()));
    assert_eq!(world.accounts[&calculator].storage.len(), 0);
}

#[test]
fn the_counter_is_as_its_abi_says() {
    use Counter::{NumberChanged, NumberOverflow};
    let mut world = World::default();
    let counter = world.deploy(1, module("counter/counter.wasm"));
    let value = |wei: u64| U256::from(wei).to_be_bytes::<32>();
    let max = U256::MAX;
    let done = Outcome::Returned(Vec::new());
    let overflow = |number: U256, operand: u64| {
        Outcome::Reverted(NumberOverflow { number, operand: U256::from(operand) }.abi_encode())
    };
    let set_max = Counter::setNumberCall { number: max }.abi_encode();
    let add = |n: u64| Counter::addNumberCall { operand: U256::from(n) }.abi_encode();
    let multiply = |n: u64| Counter::mulNumberCall { operand: U256::from(n) }.abi_encode();
    let increment = Counter::incrementCall {}.abi_encode();
    let pay = Counter::addFromMsgValueCall {}.abi_encode();
    for (input, wei, expected, number) in [
        (&increment, 0, &done, U256::from(1)),
        (&add(5), 0, &done, U256::from(6)),
        (&multiply(7), 0, &done, U256::from(42)),
        (&pay, 58, &done, U256::from(100)),
        // Only one function takes value.
        (&increment, 1, &Outcome::Reverted(Vec::new()), U256::from(100)),
        (&set_max, 0, &done, max),
        (&increment, 0, &overflow(max, 1), max),
        (&multiply(2), 0, &overflow(max, 2), max),
        (&vec![1, 2, 3, 4], 0, &Outcome::Reverted(Vec::new()), max),
    ] {
        let logs = world.logs.len();
        let outcome =
            world.make(Call { to: counter, input: input.clone(), value: value(wei), ..Call::default() });
        assert_eq!(outcome, *expected, "{input:02x?}");
        if outcome == done {
            let (_, topics, data) = &world.logs[logs];
            assert_eq!(NumberChanged::decode_raw_log(topics, data).expect("the event").number, number);
        }
        assert_eq!(world.logs.len() - logs, usize::from(outcome == done));
        let read = world.call(counter, &Counter::numberCall {}.abi_encode());
        assert_eq!(read, Outcome::Returned(number.to_be_bytes_vec()));
        assert_eq!(world.accounts[&counter].storage, [([0; 32], number.to_be_bytes())].into());
    }
}

#[test]
fn the_caller_returns_the_status_and_the_output_of_its_callee() {
    let mut world = World::default();
    let caller = world.deploy(1, module("wat/caller.wat"));
    let calculator = world.deploy(2, module("calculator/calculator.wasm"));
    let trap = world.deploy(3, module("wat/trap.wat"));
    let answer = text_received("2*3", "alice", "");
    let reason = Revert::from("column 3: expected a number, found the end of the message").abi_encode();
    for (to, payload, status, output) in [
        (calculator, answer.clone(), 0, [&[4u8][..], b"6"].concat()),
        (calculator, text_received("1+", "alice", ""), 1, reason),
        (trap, vec![], 2, vec![]),
        // Through itself: the inner call's output is the outer's payload.
        (caller, [&calculator[..], &answer].concat(), 0, [&[0, 4][..], b"6"].concat()),
    ] {
        let outcome = world.call(caller, &[&to[..], &payload].concat());
        assert_eq!(outcome, Outcome::Returned([&[status][..], &output].concat()));
    }
    assert_eq!(world.call(caller, &caller[1..]), Outcome::Reverted(vec![]));
    assert_eq!(world.call(caller, &[0; 0x8001]), Outcome::Reverted(vec![]));
}

#[test]
fn recursion_counts_the_frames_that_ran() {
    let mut world = World::default();
    let recurse = world.deploy(1, module("wat/recurse.wat"));
    let frames = U256::from(CALL_DEPTH_MAX + 1);
    assert_eq!(world.call(recurse, &[]), Outcome::Returned(frames.to_be_bytes_vec()));
}

#[test]
fn spinning_and_trapping_fail_and_leave_nothing() {
    let mut world = World::default();
    let spin = world.deploy(1, module("wat/spin.wat"));
    let trap = world.deploy(2, module("wat/trap.wat"));
    assert_eq!(world.call(spin, &[]), Outcome::Failed);
    assert_eq!(world.call(trap, &[]), Outcome::Failed);
    assert!(world.accounts.values().all(|Account { storage, .. }| storage.is_empty()));
}

#[test]
fn an_event_has_two_topics_and_data() {
    let mut world = World::default();
    let events = world.deploy(1, module("wat/events.wat"));
    let sender = [0xab; 20];
    let call = Call { sender, to: events, input: vec![9; 0x1234], ..Call::default() };
    assert_eq!(world.make(call), Outcome::Returned(vec![]));
    let [(address, topics, data)] = &world.logs[..] else { panic!("one log") };
    assert_eq!(*address, events);
    assert_eq!(topics.len(), 2);
    let ping = Ping::decode_raw_log(topics, data).expect("the log is a Ping");
    assert_eq!((ping.sender.0.0, ping.calldataLen), (sender, U256::from(0x1234)));
}
