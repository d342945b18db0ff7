//! Methods that change accounts without a transaction, and what the blocks to come will be like.
//!
//! A change of state is a block of its own, without transactions, so that every state has a header that proves it.

use alloy_primitives::{Address, Bytes, U256};

use crate::{
    chain::Cheat,
    methods,
    rpc::{RpcError, method::Api, params::Slot},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Sets the balance of an account, in wei; mines a block.
    "anvil_setBalance" | "hardhat_setBalance", set_balance(address: Address, wei: U256);
    /// Sets the nonce of an account; mines a block.
    "anvil_setNonce" | "hardhat_setNonce" | "evm_setAccountNonce", set_nonce(address: Address, nonce: u64);
    /// Sets the code of an account, which must be some that a creation could have installed; mines a block.
    "anvil_setCode" | "hardhat_setCode", set_code(address: Address, code: Bytes);
    /// Sets a storage slot of an account; mines a block.
    "anvil_setStorageAt" | "hardhat_setStorageAt", set_storage(address: Address, slot: Slot, value: U256);
    /// Moves the clock forward by some seconds; returns by how many it is ahead in all.
    "evm_increaseTime" | "anvil_increaseTime", increase_time(seconds: u64);
    /// Sets the clock to a number of seconds since 1970; returns by how many it is ahead of the machine's.
    "evm_setTime" | "anvil_setTime", set_time(timestamp: u64);
    /// Sets the timestamp of the next block, from which the clock goes on.
    "evm_setNextBlockTimestamp" | "anvil_setNextBlockTimestamp", set_next_timestamp(timestamp: u64);
    /// Sets the base fee of the next block, in wei.
    "anvil_setNextBlockBaseFeePerGas" | "hardhat_setNextBlockBaseFeePerGas", set_next_base_fee(wei: u64);
    /// Sets the gas limit of the blocks to come; returns true.
    "evm_setBlockGasLimit" | "anvil_setBlockGasLimit", set_gas_limit(gas: u64);
    /// Sets the account that fees of the blocks to come go to.
    "anvil_setCoinbase" | "hardhat_setCoinbase", set_coinbase(address: Address);
    /// Sets whether sending a transaction mines it; what waits is mined when this is switched on. Returns true.
    "evm_setAutomine" | "anvil_setAutomine", set_automine(enabled: bool);
    /// Returns whether sending a transaction mines it.
    "anvil_getAutomine" | "hardhat_getAutomine", automine();
    /// Takes back every block, drops what waits and forgets snapshots and everything that was set.
    "anvil_reset" | "hardhat_reset", reset();
}

fn set_balance(api: &Api, address: Address, wei: U256) -> Result<()> {
    Ok(api.chain.cheat(address, Cheat::Balance(wei))?)
}

fn set_nonce(api: &Api, address: Address, nonce: u64) -> Result<()> {
    Ok(api.chain.cheat(address, Cheat::Nonce(nonce))?)
}

fn set_code(api: &Api, address: Address, code: Bytes) -> Result<()> {
    Ok(api.chain.cheat(address, Cheat::Code(code))?)
}

fn set_storage(api: &Api, address: Address, slot: Slot, value: U256) -> Result<bool> {
    api.chain.cheat(address, Cheat::Storage { slot: slot.number(), value })?;
    Ok(true)
}

fn increase_time(api: &Api, seconds: u64) -> Result<i64> {
    Ok(api.chain.increase_time(seconds)?)
}

fn set_time(api: &Api, timestamp: u64) -> Result<i64> {
    Ok(api.chain.set_time(timestamp)?)
}

fn set_next_timestamp(api: &Api, timestamp: u64) -> Result<()> {
    Ok(api.chain.set_next_timestamp(timestamp)?)
}

fn set_next_base_fee(api: &Api, wei: u64) -> Result<()> {
    api.chain.set_next_base_fee(wei);
    Ok(())
}

fn set_gas_limit(api: &Api, gas: u64) -> Result<bool> {
    api.chain.set_block_gas_limit(gas);
    Ok(true)
}

fn set_coinbase(api: &Api, address: Address) -> Result<()> {
    api.chain.set_beneficiary(address);
    Ok(())
}

fn set_automine(api: &Api, enabled: bool) -> Result<bool> {
    api.chain.set_automine(enabled)?;
    Ok(true)
}

fn automine(api: &Api) -> Result<bool> {
    Ok(api.chain.is_automine())
}

fn reset(api: &Api) -> Result<()> {
    Ok(api.chain.reset()?)
}
