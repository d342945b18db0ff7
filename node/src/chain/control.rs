//! What a developer changes about the blocks to come: time, fees, limits, the chain id.
//!
//! None of it is kept beyond the process: the blocks that came of it are. A snapshot remembers all of it, so going back to one
//! brings it back, the time on the clock included. It remembers what waits in the pool, too, as on hardhat's network. When
//! blocks are mined and who is impersonated are nothing that a snapshot knows, neither here nor with anvil or hardhat: test
//! suites set them once and go back to snapshots from before.

use alloy_primitives::{Address, B256};

use super::{Chain, Result, clock::Clock};

/// What blocks to come will be like.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Controls {
    /// What tells their timestamps.
    pub(super) clock: Clock,
    /// The base fee of the next block.
    pub(super) next_base_fee: Option<u64>,
    /// What PREVRANDAO is in the next block.
    pub(super) next_prevrandao: Option<B256>,
    /// The gas limit of each block, where it differs from the chain's.
    pub(super) gas_limit: Option<u64>,
    /// Receives the fees.
    pub(super) beneficiary: Address,
    /// What a transaction must offer for a gas at least, in wei.
    pub(super) min_gas_price: u128,
    /// The chain id in the place of the chain's.
    pub(super) chain_id: Option<u64>,
}

impl Controls {
    /// Forgets what held for one block, whose timestamp this is.
    pub(super) fn mined(&mut self, timestamp: u64) {
        self.next_base_fee = None;
        self.next_prevrandao = None;
        self.clock.mined(timestamp);
    }

    /// Returns what a snapshot remembers, after a block with `parent`'s timestamp.
    pub(super) fn remember(&self, parent: u64) -> Remembered {
        Remembered { controls: *self, now: self.clock.now(parent) }
    }
}

/// Controls, and the time when they were remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remembered {
    controls: Controls,
    now: u64,
}

impl Remembered {
    /// Returns the controls as they were, after a block with `parent`'s timestamp: the clock shows the time of then.
    pub(super) fn recall(self, parent: u64) -> Controls {
        let Self { mut controls, now } = self;
        controls.clock.set_now(parent, now);
        controls
    }
}

impl Chain {
    /// Gives the next block a base fee, in wei.
    pub fn set_next_base_fee(&self, wei: u64) {
        self.controls.lock().next_base_fee = Some(wei);
    }

    /// Sets what PREVRANDAO is in the next block.
    pub fn set_next_prevrandao(&self, value: B256) {
        self.controls.lock().next_prevrandao = Some(value);
    }

    /// Sets what a transaction must offer for a gas at least, in wei.
    pub fn set_min_gas_price(&self, wei: u128) {
        self.controls.lock().min_gas_price = wei;
    }

    /// Returns what a transaction must offer for a gas at least, in wei.
    pub fn min_gas_price(&self) -> u128 {
        self.controls.lock().min_gas_price
    }

    /// Returns the wei per gas that wallets are told to offer beside the base fee.
    pub fn priority_fee(&self) -> u64 {
        self.manner.priority_fee
    }

    /// Lets the fees of blocks to come go to this account.
    pub fn set_beneficiary(&self, address: Address) {
        self.controls.lock().beneficiary = address;
    }

    /// Sets the gas limit of blocks to come.
    pub fn set_block_gas_limit(&self, gas: u64) {
        self.controls.lock().gas_limit = Some(gas);
    }

    /// Returns the gas limit of the next block.
    pub fn block_gas_limit(&self) -> u64 {
        self.controls.lock().gas_limit.unwrap_or_else(|| self.spec().gas_limit)
    }

    /// Takes back every block, drops what waits, and forgets snapshots, impersonation and everything that was set since the
    /// chain was opened.
    pub fn reset(&self) -> Result<()> {
        self.rollback_to_genesis()?;
        self.drop_transactions(|_| true);
        self.forget_settings()
    }

    /// Forgets impersonation and everything else that was set since the chain was opened.
    pub(super) fn forget_settings(&self) -> Result<()> {
        self.count_reset();
        self.stop_all_impersonation();
        self.impersonate_everyone(self.manner.impersonates_everyone);
        *self.controls.lock() = self.manner.controls(0, self.ground().start);
        self.set_mining(self.manner.mining)
    }
}
