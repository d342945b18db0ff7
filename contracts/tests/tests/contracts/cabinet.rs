//! Storage: the slots are those that Solidity's documentation of the layout gives.

use alloy_primitives::{Address, B256, FixedBytes, I256, U256, fixed_bytes, keccak256};
use alloy_sol_types::{SolValue, sol};
use lathe_contracts_tests::deploy;
use lathe_node::sandbox::{Expect, Sandbox};

sol! {
    #[derive(Debug, PartialEq)]
    interface Cabinet {
        function setSmall(bool flag, uint8 small, uint16 medium, int64 signed, bytes4 tag, address owner) external;
        function small() external view returns (bool flag, uint8 small, uint16 medium, int64 signed, bytes4 tag, address owner);
        function setWords(uint256 number, int256 signedNumber, bytes32 word) external;
        function words() external view returns (uint256 number, int256 signedNumber, bytes32 word);
        function setText(string text, bytes data) external;
        function text() external view returns (string text, bytes data);
        function appendByte(uint8 byte) external;
        function clearText() external;
        function push(uint256 value, uint16 half) external;
        function pop() external returns (uint256 value, uint16 half);
        function at(uint256 index) external view returns (uint256 value, uint16 half);
        function length() external view returns (uint256);
        function clearLists() external;
        function setTriple(uint256 index, uint256 value) external;
        function triple() external view returns (uint256 first, uint256 second, uint256 third);
        function fill(uint256 number, uint64 opened, bool locked, string label, uint256[] coins) external;
        function drawer(address owner, uint256 number) external view returns (uint64 opened, bool locked, string label, uint256[] coins);
        function empty(uint256 number) external;
        error OutOfRange(uint256 index, uint256 length);
    }
}
use Cabinet::*;

fn n(number: u64) -> U256 {
    U256::from(number)
}

/// Where the elements of a list stand whose length is in a slot.
fn elements(slot: U256) -> U256 {
    keccak256(slot.to_be_bytes::<32>()).into()
}

#[test]
fn small_fields_share_a_slot() {
    let mut sandbox = Sandbox::new();
    let cabinet = deploy(&mut sandbox, "cabinet");
    let owner = Address::repeat_byte(0xaa);
    let set = setSmallCall {
        flag: true,
        small: 7,
        medium: 0x1234,
        signed: -2,
        tag: fixed_bytes!("c0ffee01"),
        owner,
    };
    sandbox.send(cabinet, set).unwrap();
    let slot = "0x00000000000000000000000000000000c0ffee01fffffffffffffffe12340701";
    assert_eq!(B256::from(sandbox.load(cabinet, n(0))).to_string(), slot);
    assert_eq!(sandbox.load(cabinet, n(1)), U256::from_be_slice(owner.as_slice()));
    let back = sandbox.call(cabinet, smallCall {}).unwrap().answer;
    assert_eq!((back.flag, back.small, back.medium, back.signed), (true, 7, 0x1234, -2));
    assert_eq!((back.tag, back.owner), (fixed_bytes!("c0ffee01"), owner));
    // Writing one field leaves its neighbours.
    let set =
        setSmallCall { flag: false, small: 0, medium: 0, signed: i64::MIN, tag: FixedBytes::ZERO, owner };
    sandbox.send(cabinet, set).unwrap();
    assert_eq!(sandbox.load(cabinet, n(0)), U256::from(1u64 << 63) << 32);
}

#[test]
fn words_take_a_slot_each() {
    let mut sandbox = Sandbox::new();
    let cabinet = deploy(&mut sandbox, "cabinet");
    let (number, signed, word) = (U256::MAX, I256::MIN, B256::repeat_byte(9));
    sandbox.send(cabinet, setWordsCall { number, signedNumber: signed, word }).unwrap();
    let slots = [2, 3, 4].map(|slot| sandbox.load(cabinet, n(slot)));
    assert_eq!(slots, [number, U256::ONE << 255, word.into()]);
    let back = sandbox.call(cabinet, wordsCall {}).unwrap().answer;
    assert_eq!((back.number, back.signedNumber, back.word), (number, signed, word));
}

#[test]
fn texts_are_short_in_place_and_long_behind_a_hash() {
    let mut sandbox = Sandbox::new();
    let cabinet = deploy(&mut sandbox, "cabinet");
    for length in [0usize, 1, 31, 32, 33, 64, 200] {
        let (text, data) = ("t".repeat(length), vec![0xda; length]);
        let set = setTextCall { text: text.clone(), data: data.clone().into() };
        sandbox.send(cabinet, set).unwrap();
        let back = sandbox.call(cabinet, textCall {}).unwrap().answer;
        assert_eq!((back.text, back.data.to_vec()), (text, data));
        let (head, first) = (sandbox.load(cabinet, n(6)), sandbox.load(cabinet, elements(n(6))));
        if length < 32 {
            assert_eq!((head & n(0xff), first), (n(2 * length as u64), U256::ZERO), "{length}");
        } else {
            assert_eq!((head, first), (n(2 * length as u64 + 1), B256::repeat_byte(0xda).into()), "{length}");
        }
    }
    // From 31 to 32 bytes everything moves behind the hash.
    sandbox.send(cabinet, setTextCall { text: String::new(), data: vec![1; 31].into() }).unwrap();
    sandbox.send(cabinet, appendByteCall { byte: 2 }).unwrap();
    assert_eq!(sandbox.load(cabinet, n(6)), n(65));
    let back = sandbox.call(cabinet, textCall {}).unwrap().answer;
    assert_eq!(back.data.to_vec(), [&[1; 31][..], &[2]].concat());
    sandbox.send(cabinet, clearTextCall {}).unwrap();
    assert_eq!([n(5), n(6), elements(n(6))].map(|slot| sandbox.load(cabinet, slot)), [U256::ZERO; 3]);
}

#[test]
fn lists_grow_and_shrink() {
    let mut sandbox = Sandbox::new();
    let cabinet = deploy(&mut sandbox, "cabinet");
    for value in 1..=17 {
        let half = u16::try_from(value).unwrap();
        sandbox.send(cabinet, pushCall { value: n(value), half }).unwrap();
    }
    assert_eq!(sandbox.call(cabinet, lengthCall {}).unwrap().answer, n(17));
    assert_eq!(sandbox.load(cabinet, elements(n(7)) + n(16)), n(17));
    // Sixteen elements of two bytes share a slot, the first at its low end.
    assert_eq!(sandbox.load(cabinet, elements(n(8))) & n(0xffff_ffff), n(0x0002_0001));
    assert_eq!(sandbox.load(cabinet, elements(n(8)) + n(1)), n(17));
    let at = sandbox.call(cabinet, atCall { index: n(16) }).unwrap().answer;
    assert_eq!((at.value, at.half), (n(17), 17));
    assert_eq!(
        sandbox.call(cabinet, atCall { index: n(17) }).expect_revert::<OutOfRange>(),
        OutOfRange { index: n(17), length: n(17) }
    );
    let popped = sandbox.send(cabinet, popCall {}).unwrap().answer;
    assert_eq!((popped.value, popped.half), (n(17), 17));
    sandbox.send(cabinet, clearListsCall {}).unwrap();
    assert_eq!([n(7), n(8)].map(|slot| sandbox.load(cabinet, slot)), [U256::ZERO; 2]);
    sandbox.send(cabinet, popCall {}).expect_revert::<OutOfRange>();
}

#[test]
fn an_array_of_three_has_three_slots() {
    let mut sandbox = Sandbox::new();
    let cabinet = deploy(&mut sandbox, "cabinet");
    for index in 0..3 {
        sandbox.send(cabinet, setTripleCall { index: n(index), value: n(index + 1) }).unwrap();
    }
    assert_eq!([9, 10, 11].map(|slot| sandbox.load(cabinet, n(slot))), [n(1), n(2), n(3)]);
    let back = sandbox.call(cabinet, tripleCall {}).unwrap().answer;
    assert_eq!((back.first, back.second, back.third), (n(1), n(2), n(3)));
    sandbox.send(cabinet, setTripleCall { index: n(3), value: n(1) }).expect_revert::<OutOfRange>();
}

#[test]
fn structs_in_maps_of_maps_stand_behind_both_keys() {
    let mut sandbox = Sandbox::new();
    let cabinet = deploy(&mut sandbox, "cabinet");
    let owner = sandbox.account("owner");
    let outer = keccak256((owner, n(12)).abi_encode());
    let place = U256::from_be_bytes(keccak256((n(5), outer).abi_encode()).0);
    sandbox.start_prank(owner);
    let fill =
        |coins: Vec<U256>| fillCall { number: n(5), opened: 3, locked: true, label: "coins".into(), coins };
    sandbox.send(cabinet, fill(vec![n(1), n(2)])).unwrap();
    sandbox.send(cabinet, fill(vec![n(7), n(8), n(9)])).unwrap();
    assert_eq!(sandbox.load(cabinet, place), (U256::ONE << 64) + n(3), "opened, then locked");
    assert_eq!(sandbox.load(cabinet, place + n(2)), n(3), "three coins");
    assert_eq!(sandbox.load(cabinet, elements(place + n(2)) + n(2)), n(9));
    let back = sandbox.call(cabinet, drawerCall { owner, number: n(5) }).unwrap().answer;
    assert_eq!((back.opened, back.locked, back.label.as_str()), (3, true, "coins"));
    assert_eq!(back.coins, [n(7), n(8), n(9)]);
    let emptied = sandbox.send(cabinet, emptyCall { number: n(5) }).unwrap();
    assert_eq!([place, place + n(1), place + n(2)].map(|slot| sandbox.load(cabinet, slot)), [U256::ZERO; 3]);
    // What was cleared is refunded: a fifth of the gas at most (EIP-3529).
    assert!(emptied.gas_used > 21_000);
    let back = sandbox.call(cabinet, drawerCall { owner, number: n(5) }).unwrap().answer;
    assert_eq!((back.opened, back.coins.len()), (0, 0));
}
