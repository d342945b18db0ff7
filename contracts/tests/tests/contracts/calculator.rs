//! The calculator: SCALE messages.

use alloy_primitives::{Address, U256, keccak256};
use lathe_calculator::slot;
use lathe_contracts_tests::deploy;
use lathe_node::sandbox::{Expect, Raw, Sandbox, Scale, scale};

pub(crate) fn text_received(msg: &str, username: &str, step_data: &str) -> Scale<String> {
    scale("text_received", &(msg, username, step_data))
}

/// Sends a message; returns the answer, or the reason of the revert.
fn ask(sandbox: &mut Sandbox, calculator: Address, message: Scale<String>) -> Result<String, String> {
    sandbox.send(calculator, message).map(|done| done.answer).map_err(|error| error.reason().unwrap())
}

#[test]
fn the_calculator_remembers_each_users_result() {
    let mut sandbox = Sandbox::new();
    let calculator = deploy(&mut sandbox, "calculator");
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
        let answer = ask(&mut sandbox, calculator, text_received(msg, username, step_data));
        assert_eq!(answer.as_deref().map_err(String::as_str), expected, "{msg:?} {username:?} {step_data:?}");
    }
}

#[test]
fn the_calculator_stores_one_documented_slot_a_user() {
    let mut sandbox = Sandbox::new();
    let calculator = deploy(&mut sandbox, "calculator");
    ask(&mut sandbox, calculator, text_received("23*63", "alice", "")).unwrap();
    ask(&mut sandbox, calculator, text_received("1", "bob", "0")).unwrap();
    let mut slot_of = |user: &str| {
        let preimage: Vec<u8> = slot::key_preimage(user).collect();
        sandbox.load(calculator, keccak256(&preimage).into())
    };
    assert_eq!(slot_of("alice"), U256::from_be_bytes(slot::encode(1449.0)));
    assert_eq!(slot_of("bob"), U256::ZERO);
}

#[test]
fn the_calculator_refuses_what_is_not_a_message_with_a_reason() {
    use lathe_node::sandbox::Message;
    let mut sandbox = Sandbox::new();
    let calculator = deploy(&mut sandbox, "calculator");
    let message = text_received("1+1", "alice", "").calldata();
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
        let answer = sandbox.send(calculator, Raw::from(message.to_vec())).expect_reason();
        assert!(answer.starts_with(reason), "{answer}");
    }
    let paid = sandbox.send_value(calculator, Raw::from(message), U256::ONE).expect_reason();
    assert_eq!(paid, "this contract takes no value");
    assert_eq!(sandbox.balance(calculator), U256::ZERO);
}
