//! When `lathe node` mines, and in which order.

use std::{num::NonZeroUsize, time::Duration};

use crate::chain::{Mining, Order};

/// When blocks are mined, and in which order they take transactions.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Mining")]
pub(super) struct MiningOptions {
    /// Mine a block every so many seconds, a fraction if need be, in the place of one for each transaction
    #[arg(long, short, visible_alias = "blockTime", value_name = "SECONDS", value_parser = parse_seconds)]
    block_time: Option<Duration>,
    /// With --block-time, mine a block for each transaction, too
    #[arg(long, requires = "block_time")]
    mixed_mining: bool,
    /// Mine only when asked to, with evm_mine
    #[arg(long, visible_alias = "no-mine", conflicts_with = "block_time")]
    no_mining: bool,
    /// Let no block have more transactions than this
    #[arg(long, value_name = "N")]
    pub(super) max_transactions: Option<NonZeroUsize>,
    /// In which order a block takes transactions of different senders: by what they pay, or as they came
    #[arg(long, value_enum, default_value_t, value_name = "ORDER")]
    pub(super) order: Order,
    /// Let `safe` mean the block so many before the latest, and `finalized` the one twice as many before it. Without this, every
    /// block is final
    #[arg(long, value_name = "SLOTS")]
    pub(super) slots_in_an_epoch: Option<u64>,
    /// Take transactions into the pool that their senders cannot pay yet
    #[arg(long)]
    pub(super) disable_pool_balance_checks: bool,
    /// Tell wallets to offer nothing beside the base fee, in the place of 1 gwei
    #[arg(long, visible_alias = "no-priority-fee")]
    pub(super) disable_min_priority_fee: bool,
}

impl MiningOptions {
    pub(super) fn mining(&self) -> Mining {
        Mining {
            on_send: self.mixed_mining || (self.block_time.is_none() && !self.no_mining),
            interval: self.block_time,
        }
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
