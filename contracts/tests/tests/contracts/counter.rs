//! The counter: the smallest contract of the stylus-sdk.

use alloy_primitives::U256;
use alloy_sol_types::sol;
use lathe_contracts_tests::deploy;
use lathe_node::sandbox::{ErrorKind, Expect, Message, Raw, Sandbox};

sol! {
    #[derive(Debug)]
    interface Counter {
        function number() external view returns (uint256);
        function setNumber(uint256 number) external;
        function increment() external;
        function addNumber(uint256 operand) external;
        function mulNumber(uint256 operand) external;
        function addFromMsgValue() external payable;
        event NumberChanged(uint256 number);
        error NumberOverflow(uint256 number, uint256 operand);
    }
}
use Counter::*;

#[test]
fn the_counter_is_as_its_abi_says() {
    let mut sandbox = Sandbox::new();
    let counter = deploy(&mut sandbox, "counter");
    let n = U256::from::<u64>;
    let set_max = setNumberCall { number: U256::MAX }.calldata();
    let add = addNumberCall { operand: n(5) }.calldata();
    let multiply = mulNumberCall { operand: n(7) }.calldata();
    for (calldata, wei, number) in [
        (incrementCall {}.calldata(), 0, n(1)),
        (add, 0, n(6)),
        (multiply.clone(), 0, n(42)),
        (addFromMsgValueCall {}.calldata(), 58, n(100)),
        (set_max, 0, U256::MAX),
    ] {
        let done = sandbox.send_value(counter, Raw::from(calldata), n(wei)).unwrap();
        assert_eq!(
            done.events::<NumberChanged>().iter().map(|event| event.number).collect::<Vec<_>>(),
            [number]
        );
        assert_eq!(done.logs.len(), 1);
        assert_eq!(sandbox.call(counter, numberCall {}).unwrap().answer, number);
        assert_eq!(sandbox.load(counter, U256::ZERO), number);
    }
    assert_eq!(sandbox.balance(counter), n(58));

    let overflow = sandbox.send(counter, incrementCall {}).expect_revert::<NumberOverflow>();
    assert_eq!((overflow.number, overflow.operand), (U256::MAX, n(1)));
    let overflow = sandbox.send(counter, Raw::from(multiply)).expect_revert::<NumberOverflow>();
    assert_eq!((overflow.number, overflow.operand), (U256::MAX, n(7)));
    // Only one function takes value, and there is no other function.
    let empty = ErrorKind::Reverted { output: Default::default() };
    assert_eq!(*sandbox.send_value(counter, incrementCall {}, n(1)).unwrap_err().kind(), empty);
    assert_eq!(*sandbox.send(counter, Raw::from(&[1, 2, 3, 4])).unwrap_err().kind(), empty);
    assert_eq!(sandbox.call(counter, numberCall {}).unwrap().answer, U256::MAX);
}
