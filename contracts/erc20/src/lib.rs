//! An ERC-20 token: what most contracts of the Stylus world are made of.
//!
//! The constructor names the token and gives the whole supply to one account. Whoever holds tokens may burn them.
//! Transfers fail with the errors of ERC-6093. `abi.json` beside the manifest is its interface.

#![expect(missing_docs, reason = "stylus-sdk's macros generate public items without documentation")]

extern crate alloc;

use alloc::string::String;
use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;
use stylus_sdk::prelude::*;

/// What wallets divide amounts by: ten to this power.
const DECIMALS: u8 = 18;

sol! {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
    error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
    error ERC20InvalidReceiver(address receiver);
}

sol_storage! {
    #[entrypoint]
    pub struct Erc20 {
        mapping(address => uint256) balances;
        mapping(address => mapping(address => uint256)) allowances;
        uint256 total_supply;
        string name;
        string symbol;
    }
}

#[derive(SolidityError)]
pub enum Erc20Error {
    Balance(ERC20InsufficientBalance),
    Allowance(ERC20InsufficientAllowance),
    Receiver(ERC20InvalidReceiver),
}

#[public]
impl Erc20 {
    #[constructor]
    pub fn constructor(
        &mut self,
        name: String,
        symbol: String,
        supply: U256,
        owner: Address,
    ) -> Result<(), Erc20Error> {
        if owner.is_zero() {
            return Err(ERC20InvalidReceiver { receiver: owner }.into());
        }
        self.name.set_str(name);
        self.symbol.set_str(symbol);
        self.total_supply.set(supply);
        self.balances.insert(owner, supply);
        self.vm().log(Transfer { from: Address::ZERO, to: owner, value: supply });
        Ok(())
    }

    pub fn name(&self) -> String {
        self.name.get_string()
    }

    pub fn symbol(&self) -> String {
        self.symbol.get_string()
    }

    pub fn decimals(&self) -> u8 {
        DECIMALS
    }

    pub fn total_supply(&self) -> U256 {
        self.total_supply.get()
    }

    pub fn balance_of(&self, account: Address) -> U256 {
        self.balances.get(account)
    }

    pub fn allowance(&self, owner: Address, spender: Address) -> U256 {
        self.allowances.getter(owner).get(spender)
    }

    pub fn approve(&mut self, spender: Address, value: U256) -> bool {
        let owner = self.vm().msg_sender();
        self.allowances.setter(owner).insert(spender, value);
        self.vm().log(Approval { owner, spender, value });
        true
    }

    pub fn transfer(&mut self, to: Address, value: U256) -> Result<bool, Erc20Error> {
        self.move_tokens(self.vm().msg_sender(), to, value)
    }

    pub fn transfer_from(&mut self, from: Address, to: Address, value: U256) -> Result<bool, Erc20Error> {
        let spender = self.vm().msg_sender();
        let allowance = self.allowances.getter(from).get(spender);
        // An allowance of everything is for ever.
        if allowance != U256::MAX {
            let rest = allowance.checked_sub(value).ok_or(ERC20InsufficientAllowance {
                spender,
                allowance,
                needed: value,
            })?;
            self.allowances.setter(from).insert(spender, rest);
        }
        self.move_tokens(from, to, value)
    }

    pub fn burn(&mut self, value: U256) -> Result<(), Erc20Error> {
        let owner = self.vm().msg_sender();
        self.take(owner, value)?;
        // Nobody holds more than there is.
        self.total_supply.set(self.total_supply.get() - value);
        self.vm().log(Transfer { from: owner, to: Address::ZERO, value });
        Ok(())
    }
}

impl Erc20 {
    fn take(&mut self, from: Address, value: U256) -> Result<(), Erc20Error> {
        let balance = self.balances.get(from);
        let rest = balance.checked_sub(value).ok_or(ERC20InsufficientBalance {
            sender: from,
            balance,
            needed: value,
        })?;
        self.balances.insert(from, rest);
        Ok(())
    }

    fn move_tokens(&mut self, from: Address, to: Address, value: U256) -> Result<bool, Erc20Error> {
        if to.is_zero() {
            return Err(ERC20InvalidReceiver { receiver: to }.into());
        }
        self.take(from, value)?;
        // No sum of balances passes the supply.
        let balance = self.balances.get(to) + value;
        self.balances.insert(to, balance);
        self.vm().log(Transfer { from, to, value });
        Ok(true)
    }
}
