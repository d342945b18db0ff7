//! Methods that change accounts without a transaction, and what the blocks to come will be like.
//!
//! A change of state is a block of its own, without transactions, so that every state has a header that proves it.

use alloy_primitives::{Address, Bytes, U256};

use crate::{
    chain::Cheat,
    methods,
    rpc::{
        RpcError,
        dev_params::{Forking, NodeUrl, ResetOptions},
        method::Api,
        params::Slot,
    },
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Sets the balance of an account, in wei; mines a block.
    "anvil_setBalance" | "hardhat_setBalance" | "tenderly_setBalance", set_balance(address: Address, wei: U256);
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
    /// Begins again, and forgets what waits, snapshots and everything that was set. Without options, the node has a chain of its
    /// own then; with them, a fork of the chain at `forking.jsonRpcUrl`, or else of the one that it forks, at
    /// `forking.blockNumber`, or else at the latest block.
    "anvil_reset" | "hardhat_reset", reset(options: Option<ResetOptions>);
    /// Reads the forked chain from another node of it, which must have the block that the fork stands on.
    "anvil_setRpcUrl", set_rpc_url(url: NodeUrl);
    /// Adds to the balance of an account, in wei; mines a block.
    "anvil_addBalance" | "hardhat_addBalance" | "tenderly_addBalance", add_balance(address: Address, wei: U256);
    /// Sets how many seconds each block is after the one before it.
    "anvil_setBlockTimestampInterval", set_timestamp_interval(seconds: u64);
    /// Lets the clock tell timestamps again; false if it did already.
    "anvil_removeBlockTimestampInterval", remove_timestamp_interval();
    /// Sets what PREVRANDAO is in the next block.
    "hardhat_setPrevRandao" | "anvil_setPrevRandao", set_prevrandao(value: U256);
    /// Sets what a transaction must offer for a gas at least, in wei.
    "anvil_setMinGasPrice" | "hardhat_setMinGasPrice", set_min_gas_price(wei: U256);
    /// Sets the chain id that transactions to come are signed for and that contracts see, until the node ends. The first block
    /// stays as it is.
    "anvil_setChainId", set_chain_id(chain_id: u64);
    /// Sets how many tokens of an ERC-20 contract an account has, in the slot where the contract keeps that; mines a block.
    "anvil_dealERC20" | "hardhat_dealERC20" | "anvil_setERC20Balance",
        set_erc20_balance(owner: Address, token: Address, amount: U256);
    /// Sets how many tokens of its owner an account may spend, in the slot where the contract keeps that; mines a block.
    "anvil_setERC20Allowance",
        set_erc20_allowance(owner: Address, spender: Address, token: Address, amount: U256);
    /// Sets whether the node's console and log tell of what happens; errors are always told.
    "anvil_setLoggingEnabled" | "hardhat_setLoggingEnabled", set_logging(enabled: bool);
    /// Does nothing: what a transaction did is recorded whenever it is asked for.
    "anvil_enableTraces", enable_traces();
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

fn reset(api: &Api, options: Option<ResetOptions>) -> Result<()> {
    let Forking { json_rpc_url, block_number } = match options {
        None => return Ok(api.chain.reset_to_own()?),
        Some(ResetOptions { forking }) => forking.unwrap_or_default(),
    };
    if json_rpc_url.is_none() && block_number.is_none() && api.chain.fork().is_none() {
        return Ok(api.chain.reset_to_own()?);
    }
    Ok(api.chain.reset_to_fork(json_rpc_url.as_deref(), block_number)?)
}

fn set_rpc_url(api: &Api, url: NodeUrl) -> Result<()> {
    let fork = api.chain.fork().ok_or_else(|| {
        RpcError::refused(
            "this node forks no other chain: start one with --fork-url, or anvil_reset it to one",
        )
    })?;
    Ok(fork.set_url(&url.0)?)
}

fn add_balance(api: &Api, address: Address, wei: U256) -> Result<()> {
    Ok(api.chain.cheat(address, Cheat::AddBalance(wei))?)
}

fn set_timestamp_interval(api: &Api, seconds: u64) -> Result<()> {
    api.chain.set_timestamp_interval(Some(seconds));
    Ok(())
}

fn remove_timestamp_interval(api: &Api) -> Result<bool> {
    Ok(api.chain.set_timestamp_interval(None))
}

fn set_prevrandao(api: &Api, value: U256) -> Result<()> {
    api.chain.set_next_prevrandao(value.into());
    Ok(())
}

fn set_min_gas_price(api: &Api, wei: U256) -> Result<()> {
    let wei = u128::try_from(wei).map_err(|_| {
        RpcError::invalid_params(format!(
            "anvil_setMinGasPrice: parameter 1 (wei): {wei} is larger than 16 bytes"
        ))
    })?;
    api.chain.set_min_gas_price(wei);
    Ok(())
}

fn set_chain_id(api: &Api, chain_id: u64) -> Result<()> {
    Ok(api.chain.set_chain_id(chain_id)?)
}

fn set_erc20_balance(api: &Api, owner: Address, token: Address, amount: U256) -> Result<()> {
    Ok(api.chain.set_erc20_balance(token, owner, amount)?)
}

fn set_erc20_allowance(
    api: &Api,
    owner: Address,
    spender: Address,
    token: Address,
    amount: U256,
) -> Result<()> {
    Ok(api.chain.set_erc20_allowance(token, owner, spender, amount)?)
}

fn set_logging(api: &Api, enabled: bool) -> Result<bool> {
    api.chain.mute(!enabled);
    crate::log::set_enabled(enabled);
    Ok(true)
}

fn enable_traces(_: &Api) -> Result<()> {
    Ok(())
}
