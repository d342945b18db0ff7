//! A counter with a Solidity ABI, written with the unmodified stylus-sdk: what a contract from that world looks like here.
//!
//! Slot 0 holds the number, as Solidity would lay out `uint256 number`. Each change emits `NumberChanged`; a number that
//! would not fit reverts with the custom error `NumberOverflow`. `abi.json` beside the manifest is its interface.

#![expect(missing_docs, reason = "stylus-sdk's macros generate public items without documentation")]

extern crate alloc;

use alloy_primitives::U256;
use alloy_sol_types::sol;
use stylus_sdk::prelude::*;

sol! {
    /// The counter's number is another one now.
    event NumberChanged(uint256 number);
    /// The number and the operand have a result of more than 256 bits.
    error NumberOverflow(uint256 number, uint256 operand);
}

sol_storage! {
    #[entrypoint]
    pub struct Counter {
        uint256 number;
    }
}

#[derive(SolidityError)]
pub enum CounterError {
    Overflow(NumberOverflow),
}

#[public]
impl Counter {
    pub fn number(&self) -> U256 {
        self.number.get()
    }

    pub fn set_number(&mut self, number: U256) {
        self.number.set(number);
        self.vm().log(NumberChanged { number });
    }

    pub fn increment(&mut self) -> Result<(), CounterError> {
        self.change(U256::ONE, U256::checked_add)
    }

    pub fn add_number(&mut self, operand: U256) -> Result<(), CounterError> {
        self.change(operand, U256::checked_add)
    }

    pub fn mul_number(&mut self, operand: U256) -> Result<(), CounterError> {
        self.change(operand, U256::checked_mul)
    }

    /// Adds the wei that came with the call.
    #[payable]
    pub fn add_from_msg_value(&mut self) -> Result<(), CounterError> {
        self.change(self.vm().msg_value(), U256::checked_add)
    }
}

impl Counter {
    /// Replaces the number by what `operation` makes of it and `operand`.
    fn change(
        &mut self,
        operand: U256,
        operation: fn(U256, U256) -> Option<U256>,
    ) -> Result<(), CounterError> {
        let number = self.number.get();
        self.set_number(operation(number, operand).ok_or(NumberOverflow { number, operand })?);
        Ok(())
    }
}
