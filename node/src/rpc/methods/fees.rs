//! Methods about fees.

use alloy_eips::BlockId;
use alloy_primitives::{U64, U256};
use alloy_rpc_types_eth::{FeeHistory, TxGasAndReward};

use crate::{
    chain::{Block, ChainError},
    methods,
    rpc::{RpcError, method::Api},
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns a gas price that gets a legacy transaction into the next block, in wei.
    "eth_gasPrice", gas_price();
    /// Returns the priority fee that wallets should offer, in wei per gas.
    "eth_maxPriorityFeePerGas", priority_fee();
    /// Returns the base fee of the next block, in wei.
    "eth_baseFee", base_fee();
    /// Returns 1: there are no blobs.
    "eth_blobBaseFee", blob_base_fee();
    /// Returns base fees, how full blocks were, and percentiles of the priority fees paid, oldest block first.
    "eth_feeHistory", fee_history(block_count: u64, newest_block: BlockId, reward_percentiles: Option<Vec<f64>>);
}

/// Blocks in one fee history (geth, `eth/gasprice/feehistory.go`).
const HISTORY_BLOCKS_MAX: u64 = 1024;

/// Percentiles in one fee history (geth, as above).
const PERCENTILES_MAX: usize = 100;

pub(super) fn gas_price(api: &Api) -> Result<U256> {
    let price = U256::from(api.chain.next_base_fee()) + U256::from(api.chain.priority_fee());
    Ok(price.max(U256::from(api.chain.min_gas_price())))
}

fn base_fee(api: &Api) -> Result<U64> {
    Ok(U64::from(api.chain.next_base_fee()))
}

fn priority_fee(api: &Api) -> Result<U64> {
    Ok(U64::from(api.chain.priority_fee()))
}

fn blob_base_fee(_: &Api) -> Result<U64> {
    Ok(U64::from(1))
}

fn fee_history(
    api: &Api,
    block_count: u64,
    newest: BlockId,
    percentiles: Option<Vec<f64>>,
) -> Result<FeeHistory> {
    check_percentiles(percentiles.as_deref().unwrap_or_default())?;
    let newest = api.chain.block(newest)?.ok_or(ChainError::UnknownBlock)?.header.number;
    // No block at all leaves the base fee of the next one, which the list ends with.
    let oldest =
        (newest + 1).saturating_sub(block_count.min(HISTORY_BLOCKS_MAX)).max(api.chain.first_block());
    let mut history = FeeHistory { oldest_block: oldest, ..FeeHistory::default() };
    let mut rewards = Vec::new();
    for number in oldest..=newest {
        let block = api.chain.block(number.into())?.ok_or(ChainError::UnknownBlock)?;
        history.base_fee_per_gas.push(block.header.base_fee_per_gas.unwrap_or_default().into());
        history.gas_used_ratio.push(ratio(block.header.gas_used, block.header.gas_limit));
        history.base_fee_per_blob_gas.push(1);
        history.blob_gas_used_ratio.push(0.0);
        rewards.extend(percentiles.as_ref().map(|percentiles| block_rewards(&block, percentiles)));
    }
    let next = match api.chain.block((newest + 1).into())? {
        Some(block) => block.header.base_fee_per_gas.unwrap_or_default(),
        None => api.chain.next_base_fee(),
    };
    history.base_fee_per_gas.push(next.into());
    history.base_fee_per_blob_gas.push(1);
    history.reward = percentiles.map(|_| rewards);
    Ok(history)
}

fn check_percentiles(percentiles: &[f64]) -> Result<()> {
    if percentiles.len() > PERCENTILES_MAX {
        return Err(RpcError::invalid_params(format!(
            "eth_feeHistory: parameter 3 (reward_percentiles): over the query limit {PERCENTILES_MAX}"
        )));
    }
    let mut last = 0.0;
    for &percentile in percentiles {
        if !(last..=100.0).contains(&percentile) {
            return Err(RpcError::invalid_params(format!(
                "eth_feeHistory: parameter 3 (reward_percentiles): invalid reward percentile: {percentile}: expected \
                 values from 0 to 100 in ascending order"
            )));
        }
        last = percentile;
    }
    Ok(())
}

/// Returns the priority fees paid in a block at each percentile of the gas it used.
fn block_rewards(block: &Block, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = u128::from(block.header.base_fee_per_gas.unwrap_or_default());
    let mut paid: Vec<TxGasAndReward> = block
        .receipts
        .iter()
        .map(|receipt| TxGasAndReward {
            gas_used: receipt.gas_used,
            reward: receipt.effective_gas_price.saturating_sub(base_fee),
        })
        .collect();
    paid.sort_unstable();
    percentiles.iter().map(|percentile| reward_at(&paid, *percentile, block.header.gas_used)).collect()
}

/// Returns the reward of the transaction that brings the gas used to a share of the block's, cheapest first.
fn reward_at(paid: &[TxGasAndReward], percentile: f64, block_gas_used: u64) -> u128 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a u64, from 0 to 100 %"
    )]
    let threshold = (block_gas_used as f64 * percentile / 100.0) as u64;
    let mut sum = 0;
    for transaction in paid {
        sum += transaction.gas_used;
        if sum >= threshold {
            return transaction.reward;
        }
    }
    paid.last().map_or(0, |transaction| transaction.reward)
}

fn ratio(used: u64, limit: u64) -> f64 {
    if limit == 0 { 0.0 } else { used as f64 / limit as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_are_weighted_by_gas() {
        let paid = [(21_000, 1), (79_000, 5), (100_000, 9)]
            .map(|(gas_used, reward)| TxGasAndReward { gas_used, reward });
        for (percentile, reward) in [(0.0, 1), (10.0, 1), (11.0, 5), (50.0, 5), (51.0, 9), (100.0, 9)] {
            assert_eq!(reward_at(&paid, percentile, 200_000), reward, "{percentile}");
        }
        assert_eq!(reward_at(&[], 50.0, 0), 0);
    }

    #[test]
    fn percentiles_must_ascend_within_bounds() {
        let table: [(&[f64], bool); 7] = [
            (&[], true),
            (&[20.0], true),
            (&[0.0, 50.0, 50.0, 100.0], true),
            (&[50.0, 20.0], false),
            (&[-1.0], false),
            (&[100.5], false),
            (&[f64::NAN], false),
        ];
        for (percentiles, expected) in table {
            assert_eq!(check_percentiles(percentiles).is_ok(), expected, "{percentiles:?}");
        }
    }
}
