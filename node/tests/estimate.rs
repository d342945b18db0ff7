//! Estimates are exact: with the limit a request succeeds, with one gas less it fails.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use alloy_eips::BlockId;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use lathe_node::chain::{Cheat, Estimate};
use proptest::prelude::*;

use support::{
    Devnet, GAS,
    evm::{CALL, Evm, GAS as GAS_OP, MSTORE8, SSTORE, STOP},
    word,
};

const GT: u8 = 0x11;
const ISZERO: u8 = 0x15;
const JUMPI: u8 = 0x57;
const JUMPDEST: u8 = 0x5B;
const REVERT: u8 = 0xFD;
/// Bytes of a push by [`Evm`].
const PUSH: usize = 9;

/// A part of a program.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Writes a slot.
    Store(u64, u64),
    /// Clears a slot that is set, which refunds gas.
    Clear(u64),
    /// Writes far out in memory.
    Touch(u64),
    /// Writes a slot if there is more gas than this left.
    StoreIfMore(u64, u64),
    /// Writes a slot unless there is more gas than this left.
    StoreIfLess(u64, u64),
    /// Calls one of the callees with so much gas (none is all), and fails with it.
    Call(usize, Option<u64>),
}

fn append(evm: Evm, step: Step, callees: &[Address]) -> Evm {
    match step {
        Step::Store(slot, value) => evm.run(SSTORE, &[slot, value]),
        Step::Clear(slot) => evm.run(SSTORE, &[slot, 0]),
        Step::Touch(offset) => evm.run(MSTORE8, &[offset, 1]),
        Step::StoreIfMore(gas, slot) => skip_if(evm.push(gas).op(GAS_OP).op(GT).op(ISZERO), slot),
        Step::StoreIfLess(gas, slot) => skip_if(evm.push(gas).op(GAS_OP).op(GT), slot),
        Step::Call(callee, gas) => {
            let evm = evm.push(0).push(0).push(0).push(0).push(0).address(callees[callee]);
            let evm = match gas {
                Some(gas) => evm.push(gas),
                None => evm.op(GAS_OP),
            };
            let evm = evm.op(CALL);
            let fails = Evm::new().run(REVERT, &[0, 0]).0.len();
            let past = evm.0.len() + PUSH + 1 + fails;
            evm.push(past as u64).op(JUMPI).run(REVERT, &[0, 0]).op(JUMPDEST)
        }
    }
}

/// Writes a slot unless the top of the stack is set.
fn skip_if(evm: Evm, slot: u64) -> Evm {
    let store = Evm::new().run(SSTORE, &[slot, 1]).0.len();
    let past = evm.0.len() + PUSH + 1 + store;
    evm.push(past as u64).op(JUMPI).run(SSTORE, &[slot, 1]).op(JUMPDEST)
}

/// A chain with the contracts that programs call, and an account that has a program.
struct Field {
    devnet: Devnet,
    callees: Vec<Address>,
    program: Address,
}

impl Field {
    fn new() -> Self {
        let devnet = Devnet::new();
        let stores = devnet.deploy_evm(&Evm::new().run(SSTORE, &[1, 1]).op(STOP).0);
        let reads_gas = devnet.deploy_evm(&skip_if(Evm::new().push(40_000).op(GAS_OP).op(GT), 1).op(STOP).0);
        let relays = append(Evm::new(), Step::Call(0, None), &[stores]);
        let relays = devnet.deploy_evm(&relays.op(STOP).0);
        Self { devnet, callees: vec![stores, reads_gas, relays], program: Address::repeat_byte(0xAB) }
    }

    fn set(&self, steps: &[Step]) {
        let code = steps.iter().fold(Evm::new(), |evm, step| append(evm, *step, &self.callees));
        self.devnet.0.cheat(self.program, Cheat::Code(code.op(STOP).0.into())).unwrap();
        for slot in 0..4 {
            let cheat = Cheat::Storage { slot: U256::from(slot), value: U256::from(7) };
            self.devnet.0.cheat(self.program, cheat).unwrap();
        }
    }

    fn request(&self, to: Address, input: impl Into<Bytes>) -> TransactionRequest {
        TransactionRequest {
            from: Some(self.devnet.sender()),
            to: Some(TxKind::Call(to)),
            input: input.into().into(),
            ..Default::default()
        }
    }

    /// Estimates a request that succeeds, and fails unless the estimate is exact.
    fn check(&self, request: &TransactionRequest) -> Estimate {
        let estimate = self.devnet.0.estimate(request.clone(), BlockId::latest(), None).unwrap();
        assert!(self.succeeds(request, estimate.gas), "{estimate:?} fails");
        assert!(!self.succeeds(request, estimate.gas - 1), "{estimate:?} is too much");
        estimate
    }

    fn succeeds(&self, request: &TransactionRequest, gas: u64) -> bool {
        let request = TransactionRequest { gas: Some(gas), ..request.clone() };
        self.devnet.0.call(request, BlockId::latest(), None, None).is_ok()
    }
}

#[test]
fn a_request_that_does_not_look_at_its_gas_is_not_searched() {
    let field = Field::new();
    let nobody = Address::repeat_byte(5);
    assert_eq!(field.check(&field.request(nobody, [])), Estimate { gas: 21_000, searched: false });
    // The floor of EIP-7623: 10 gas for each zero byte, 40 for each other.
    let floor = 21_000 + 100 * 10 + 100 * 40;
    let input = [[0; 100], [1; 100]].concat();
    assert_eq!(field.check(&field.request(nobody, input)), Estimate { gas: floor, searched: false });
    // What is refunded must be there before.
    field.set(&[Step::Clear(0), Step::Store(9, 9), Step::Touch(10_000)]);
    let estimate = field.check(&field.request(field.program, []));
    assert!(!estimate.searched, "{estimate:?}");
    let used = field.devnet.send(TxKind::Call(field.program), [], 0, estimate.gas).gas_used;
    assert!(used < estimate.gas, "{used} of {estimate:?}: nothing was refunded");
}

#[test]
fn what_a_request_needs_beyond_what_it_uses_is_found() {
    let field = Field::new();
    // The slot is not changed, which costs 100, but 2,300 must be left besides (EIP-2200).
    field.set(&[Step::Store(0, 7)]);
    let estimate = field.check(&field.request(field.program, []));
    assert!(estimate.searched, "{estimate:?}");
    // 21,000, two pushes and a cold slot; then more than the stipend.
    assert_eq!(estimate.gas, 21_000 + 6 + 2_301);
    // A 64th of what is left stays with each caller (EIP-150).
    field.set(&[Step::Call(2, None)]);
    let estimate = field.check(&field.request(field.program, []));
    let used = field.devnet.send(TxKind::Call(field.program), [], 0, estimate.gas).gas_used;
    assert!(used < estimate.gas, "{used} of {estimate:?}");
}

#[test]
fn a_request_that_needs_less_the_less_it_gets_is_searched_downwards() {
    let field = Field::new();
    field.set(&[Step::StoreIfMore(500_000, 9), Step::Touch(100)]);
    let estimate = field.check(&field.request(field.program, word(1)));
    assert!(estimate.searched && estimate.gas < 30_000, "{estimate:?}");
}

fn step() -> impl Strategy<Value = Step> {
    let gas = prop_oneof![0u64..60_000, 0u64..GAS];
    prop_oneof![
        (0u64..8, 0u64..8).prop_map(|(slot, value)| Step::Store(slot, value)),
        (0u64..4).prop_map(Step::Clear),
        (0u64..50_000).prop_map(Step::Touch),
        (gas.clone(), 0u64..8).prop_map(|(gas, slot)| Step::StoreIfMore(gas, slot)),
        (gas.clone(), 0u64..8).prop_map(|(gas, slot)| Step::StoreIfLess(gas, slot)),
        (0usize..3, proptest::option::of(gas)).prop_map(|(callee, gas)| Step::Call(callee, gas)),
    ]
}

#[test]
fn with_an_estimate_a_request_succeeds_and_with_less_it_fails() {
    let field = Field::new();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let steps = (proptest::collection::vec(step(), 1..7), proptest::collection::vec(any::<u8>(), 0..200));
    runner
        .run(&steps, |(steps, input)| {
            field.set(&steps);
            let request = field.request(field.program, input);
            match field.devnet.0.estimate(request.clone(), BlockId::latest(), None) {
                Ok(Estimate { gas, .. }) => {
                    prop_assert!(field.succeeds(&request, gas), "{gas} fails");
                    prop_assert!(!field.succeeds(&request, gas - 1), "{gas} is too much");
                }
                // A call with little gas of its own fails however much there is.
                Err(error) => {
                    prop_assert!(!field.succeeds(&request, field.devnet.0.block_gas_limit()), "{error}");
                }
            }
            Ok(())
        })
        .unwrap();
}
