//! Sells and buys one ERC-20 token for ether, at a price that its maker set: calls between contracts.
//!
//! Each direction calls the token and moves ether, so one function shows value, return data, reverts of others that are
//! passed on, and reverts that are caught. `abi.json` beside the manifest is its interface.

#![expect(missing_docs, reason = "stylus-sdk's macros generate public items without documentation")]

extern crate alloc;

use alloc::{vec, vec::Vec};
use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;
use stylus_sdk::{
    abi::Bytes,
    call::{RawCall, transfer::transfer_eth},
    prelude::*,
    stylus_core::calls::errors::{Error, MethodError},
};

sol! {
    event Bought(address indexed buyer, uint256 tokens, uint256 paid);
    event Sold(address indexed seller, uint256 tokens, uint256 received);
    error NothingBought(uint256 paid, uint256 price);
    error TransferRefused(address token);
}

sol_interface! {
    interface IErc20 {
        function balanceOf(address account) external view returns (uint256);
        function transfer(address to, uint256 value) external returns (bool);
        function transferFrom(address from, address to, uint256 value) external returns (bool);
    }
}

sol_storage! {
    #[entrypoint]
    pub struct Exchange {
        address token;
        uint256 price;
    }
}

#[derive(SolidityError)]
pub enum ExchangeError {
    Nothing(NothingBought),
    Refused(TransferRefused),
    Call(Error),
    Payout(Payout),
}

/// What an account that would not take ether reverted with.
pub struct Payout(Vec<u8>);

impl MethodError for Payout {
    fn encode(self) -> Vec<u8> {
        self.0
    }
}

#[public]
impl Exchange {
    #[constructor]
    #[payable]
    pub fn constructor(&mut self, token: Address, price: U256) {
        self.token.set(token);
        self.price.set(price);
    }

    pub fn token(&self) -> Address {
        self.token.get()
    }

    pub fn price(&self) -> U256 {
        self.price.get()
    }

    pub fn stock(&self) -> Result<U256, ExchangeError> {
        let token = IErc20::new(self.token.get());
        Ok(token.balance_of(self.vm(), Call::new(), self.vm().contract_address())?)
    }

    #[payable]
    pub fn buy(&mut self) -> Result<U256, ExchangeError> {
        let (buyer, paid, price) = (self.vm().msg_sender(), self.vm().msg_value(), self.price.get());
        let tokens = paid.checked_div(price).unwrap_or_default();
        if tokens.is_zero() {
            return Err(NothingBought { paid, price }.into());
        }
        let token = IErc20::new(self.token.get());
        let context = Call::new_mutating(self);
        if !token.transfer(self.vm(), context, buyer, tokens)? {
            return Err(TransferRefused { token: *token }.into());
        }
        self.vm().log(Bought { buyer, tokens, paid });
        Ok(tokens)
    }

    pub fn sell(&mut self, tokens: U256) -> Result<(), ExchangeError> {
        let seller = self.vm().msg_sender();
        let received = tokens * self.price.get();
        let token = IErc20::new(self.token.get());
        let context = Call::new_mutating(self);
        let here = self.vm().contract_address();
        if !token.transfer_from(self.vm(), context, seller, here, tokens)? {
            return Err(TransferRefused { token: *token }.into());
        }
        transfer_eth(self.vm(), seller, received).map_err(|data| ExchangeError::Payout(Payout(data)))?;
        self.vm().log(Sold { seller, tokens, received });
        Ok(())
    }

    /// Calls `to` with at most `gas`, and returns whether that succeeded and what it returned: a revert is caught.
    #[payable]
    pub fn attempt(&mut self, to: Address, gas: u64, data: Bytes) -> (bool, Bytes) {
        let value = self.vm().msg_value();
        // SAFETY: no reference into storage is alive.
        let answer = unsafe {
            RawCall::new_with_value(self.vm(), value).gas(gas).clear_storage_cache().call(to, &data.0)
        };
        match answer {
            Ok(output) => (true, output.into()),
            Err(output) => (false, output.into()),
        }
    }

    /// Calls `to` statically and returns the first `size` bytes of what it returned.
    pub fn peek(&self, to: Address, data: Bytes, size: u32) -> Result<Bytes, Vec<u8>> {
        // SAFETY: no reference into storage is alive.
        let answer =
            unsafe { RawCall::new_static(self.vm()).limit_return_data(0, size as usize).call(to, &data.0) };
        answer.map(Into::into)
    }

    #[receive]
    #[payable]
    pub fn receive(&mut self) -> Result<(), Vec<u8>> {
        Ok(())
    }
}
