//! What a developer changes about the blocks to come: time, fees, limits, and whether sending mines.
//!
//! None of it is kept beyond the process: the blocks that came of it are.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::Address;

use super::{Chain, ChainError, Result};

/// What blocks to come will be like.
#[derive(Debug, Default)]
pub(super) struct Controls {
    /// Seconds by which the chain's clock is ahead of the machine's.
    clock_offset: i64,
    /// The timestamp of the next block, and where the clock goes on from.
    next_timestamp: Option<u64>,
    /// The base fee of the next block.
    next_base_fee: Option<u64>,
    /// The gas limit of each block, where it differs from the chain's.
    gas_limit: Option<u64>,
    /// Receives the fees.
    beneficiary: Address,
    /// Whether sending a transaction mines none.
    is_manual: bool,
}

impl Controls {
    fn now(&self) -> u64 {
        machine_seconds().saturating_add_signed(self.clock_offset)
    }

    /// Sets the clock.
    fn set_now(&mut self, timestamp: u64) {
        self.clock_offset = offset(machine_seconds(), timestamp);
    }

    /// Forgets what held for one block, whose timestamp this is.
    pub(super) fn mined(&mut self, timestamp: u64) {
        self.next_base_fee = None;
        if self.next_timestamp.take().is_some() {
            self.set_now(timestamp);
        }
    }

    /// Returns the timestamp of a block on top of one with `parent`'s.
    pub(super) fn timestamp(&self, parent: u64) -> u64 {
        // Blocks within one second share it: counting on instead would run ahead of the clock under load.
        self.next_timestamp.unwrap_or_else(|| self.now()).max(parent)
    }

    pub(super) fn next_base_fee(&self) -> Option<u64> {
        self.next_base_fee
    }

    pub(super) fn beneficiary(&self) -> Address {
        self.beneficiary
    }

    pub(super) fn is_manual(&self) -> bool {
        self.is_manual
    }
}

/// Returns the seconds since 1970 that the machine's clock shows.
fn machine_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Returns the signed seconds from one time to another.
fn offset(from: u64, to: u64) -> i64 {
    let signed = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    if to >= from { signed(to - from) } else { -signed(from - to) }
}

impl Chain {
    /// Moves the chain's clock forward. Returns by how many seconds it is ahead of the machine's in all.
    pub fn increase_time(&self, seconds: u64) -> Result<i64> {
        let mut controls = self.controls.lock();
        let now = controls.now();
        let timestamp = now.checked_add(seconds).filter(|time| *time <= TIMESTAMP_MAX);
        let timestamp = timestamp.ok_or(ChainError::Timestamp { timestamp: u64::MAX, earliest: now })?;
        controls.set_now(timestamp);
        Ok(controls.clock_offset)
    }

    /// Sets the chain's clock. Returns by how many seconds it is ahead of the machine's.
    pub fn set_time(&self, timestamp: u64) -> Result<i64> {
        self.check_timestamp(timestamp)?;
        let mut controls = self.controls.lock();
        controls.set_now(timestamp);
        Ok(controls.clock_offset)
    }

    /// Gives the next block a timestamp, from which the clock goes on.
    pub fn set_next_timestamp(&self, timestamp: u64) -> Result<()> {
        self.check_timestamp(timestamp)?;
        self.controls.lock().next_timestamp = Some(timestamp);
        Ok(())
    }

    fn check_timestamp(&self, timestamp: u64) -> Result<()> {
        let earliest = self.head().header.timestamp;
        if (earliest..=TIMESTAMP_MAX).contains(&timestamp) {
            return Ok(());
        }
        Err(ChainError::Timestamp { timestamp, earliest })
    }

    /// Gives the next block a timestamp so many seconds after its parent's.
    pub(super) fn set_timestamp_after(&self, parent: u64, seconds: u64) -> Result<()> {
        let timestamp = parent.saturating_add(seconds);
        if timestamp > TIMESTAMP_MAX {
            return Err(ChainError::Timestamp { timestamp, earliest: parent });
        }
        self.controls.lock().next_timestamp = Some(timestamp);
        Ok(())
    }

    /// Gives the next block a base fee, in wei.
    pub fn set_next_base_fee(&self, wei: u64) {
        self.controls.lock().next_base_fee = Some(wei);
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
        self.controls.lock().gas_limit.unwrap_or(self.spec.gas_limit)
    }

    /// Returns whether sending a transaction mines it.
    pub fn is_automine(&self) -> bool {
        !self.controls.lock().is_manual
    }

    /// Sets whether sending a transaction mines it. What waits is mined when this is switched on.
    pub fn set_automine(&self, is_automine: bool) -> Result<()> {
        self.controls.lock().is_manual = !is_automine;
        if is_automine { self.mine_waiting() } else { Ok(()) }
    }

    /// Takes back every block, drops what waits, and forgets snapshots and everything that was set.
    pub fn reset(&self) -> Result<()> {
        self.rollback_to_genesis()?;
        self.drop_transactions(|_| true);
        *self.controls.lock() = Controls::default();
        Ok(())
    }
}

/// The last second of the year 9999: clients keep times in types that end soon after.
pub const TIMESTAMP_MAX: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_from_a_timestamp_that_was_set() {
        let mut controls = Controls { next_timestamp: Some(5_000_000_000), ..Controls::default() };
        assert_eq!(controls.timestamp(7), 5_000_000_000);
        controls.mined(5_000_000_000);
        assert_eq!(controls.next_timestamp, None);
        assert!(controls.timestamp(7) >= 5_000_000_000);
        assert_eq!(controls.timestamp(6_000_000_000), 6_000_000_000, "time does not run backwards");
        controls.set_now(1_000);
        assert!(controls.now() < 5_000_000_000);
    }
}
