//! The chain's clock: what timestamp the next block has.
//!
//! It is the machine's clock moved by some seconds, or, for chains that are the same in every run, one that only blocks move.
//! Either can be set, and told the very timestamp of the next block or the seconds between blocks.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Chain, ChainError, Result};

/// The last second of the year 9999: clients keep times in types that end soon after.
pub const TIMESTAMP_MAX: u64 = 253_402_300_799;

/// Seconds from one block to the next where only blocks move the clock.
const BLOCK_SECONDS: u64 = 1;

/// What moves the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    /// The machine's clock, which this one is ahead of by so many seconds.
    Machine { offset: i64 },
    /// Blocks alone; the next is further on by so many seconds.
    Blocks { ahead: u64 },
}

/// A clock that blocks are stamped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    hand: Hand,
    /// The timestamp of the next block, and where the clock goes on from.
    next: Option<u64>,
    /// Seconds between blocks, whatever the time is.
    interval: Option<u64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { hand: Hand::Machine { offset: 0 }, next: None, interval: None }
    }
}

impl Clock {
    /// A clock that only blocks move, one second each.
    pub(super) fn of_blocks() -> Self {
        Self { hand: Hand::Blocks { ahead: 0 }, ..Self::default() }
    }

    /// Returns the time, after a block with `parent`'s timestamp.
    pub(super) fn now(&self, parent: u64) -> u64 {
        match self.hand {
            Hand::Machine { offset } => machine_seconds().saturating_add_signed(offset),
            Hand::Blocks { ahead } => parent.saturating_add(ahead),
        }
    }

    /// Sets the time.
    pub(super) fn set_now(&mut self, parent: u64, timestamp: u64) {
        self.hand = match self.hand {
            Hand::Machine { .. } => Hand::Machine { offset: offset(machine_seconds(), timestamp) },
            Hand::Blocks { .. } => Hand::Blocks { ahead: timestamp.saturating_sub(parent) },
        };
    }

    /// Sets the timestamp of the next block.
    pub(super) fn set_next(&mut self, timestamp: u64) {
        self.next = Some(timestamp);
    }

    /// Returns by how many seconds it is ahead of where it would be had nobody touched it.
    fn ahead(&self) -> i64 {
        match self.hand {
            Hand::Machine { offset } => offset,
            Hand::Blocks { ahead } => i64::try_from(ahead).unwrap_or(i64::MAX),
        }
    }

    /// Returns the timestamp of a block on top of one with `parent`'s.
    pub(super) fn next_block(&self, parent: u64) -> u64 {
        let free = || match (self.interval, self.hand) {
            (Some(seconds), _) => parent.saturating_add(seconds).min(TIMESTAMP_MAX),
            // Blocks within one second share it: counting on instead would run ahead of the clock under load.
            (None, Hand::Machine { .. }) => self.now(parent),
            (None, Hand::Blocks { ahead }) => {
                parent.saturating_add(ahead.max(BLOCK_SECONDS)).min(TIMESTAMP_MAX)
            }
        };
        self.next.unwrap_or_else(free).max(parent)
    }

    /// Forgets what held for one block, whose timestamp this is.
    pub(super) fn mined(&mut self, timestamp: u64) {
        match self.hand {
            Hand::Blocks { .. } => self.hand = Hand::Blocks { ahead: 0 },
            Hand::Machine { .. } if self.next.is_some() => self.set_now(timestamp, timestamp),
            Hand::Machine { .. } => {}
        }
        self.next = None;
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
    /// Moves the chain's clock forward. Returns by how many seconds it is ahead in all.
    pub fn increase_time(&self, seconds: u64) -> Result<i64> {
        let parent = self.head().header.timestamp;
        let clock = &mut self.controls.lock().clock;
        let now = clock.now(parent);
        let timestamp = now.checked_add(seconds).filter(|time| *time <= TIMESTAMP_MAX);
        let timestamp = timestamp.ok_or(ChainError::Timestamp { timestamp: u64::MAX, earliest: now })?;
        clock.set_now(parent, timestamp);
        Ok(clock.ahead())
    }

    /// Sets the chain's clock. Returns by how many seconds it is ahead in all.
    pub fn set_time(&self, timestamp: u64) -> Result<i64> {
        let parent = self.check_timestamp(timestamp)?;
        let clock = &mut self.controls.lock().clock;
        clock.set_now(parent, timestamp);
        Ok(clock.ahead())
    }

    /// Gives the next block a timestamp, from which the clock goes on.
    pub fn set_next_timestamp(&self, timestamp: u64) -> Result<()> {
        self.check_timestamp(timestamp)?;
        self.controls.lock().clock.set_next(timestamp);
        Ok(())
    }

    /// Gives the next block a timestamp so many seconds after its parent's.
    pub(super) fn set_timestamp_after(&self, parent: u64, seconds: u64) -> Result<()> {
        let timestamp = parent.saturating_add(seconds);
        if timestamp > TIMESTAMP_MAX {
            return Err(ChainError::Timestamp { timestamp, earliest: parent });
        }
        self.controls.lock().clock.set_next(timestamp);
        Ok(())
    }

    /// Sets how many seconds each block is after the one before it, or lets the clock tell again. Returns whether there was
    /// such a number before.
    pub fn set_timestamp_interval(&self, seconds: Option<u64>) -> bool {
        std::mem::replace(&mut self.controls.lock().clock.interval, seconds).is_some()
    }

    /// Fails for a timestamp that the next block cannot have; returns the latest block's.
    fn check_timestamp(&self, timestamp: u64) -> Result<u64> {
        let earliest = self.head().header.timestamp;
        if (earliest..=TIMESTAMP_MAX).contains(&timestamp) {
            return Ok(earliest);
        }
        Err(ChainError::Timestamp { timestamp, earliest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_from_a_timestamp_that_was_set() {
        let mut clock = Clock { next: Some(5_000_000_000), ..Clock::default() };
        assert_eq!(clock.next_block(7), 5_000_000_000);
        clock.mined(5_000_000_000);
        assert_eq!(clock.next, None);
        assert!(clock.next_block(7) >= 5_000_000_000);
        assert_eq!(clock.next_block(6_000_000_000), 6_000_000_000, "time does not run backwards");
        clock.set_now(0, 1_000);
        assert!(clock.now(0) < 5_000_000_000);
    }

    #[test]
    fn a_clock_of_blocks_asks_no_machine() {
        let mut clock = Clock::of_blocks();
        assert_eq!((clock.now(100), clock.next_block(100)), (100, 101));
        clock.set_now(100, 160);
        assert_eq!((clock.ahead(), clock.next_block(100)), (60, 160));
        clock.mined(160);
        assert_eq!(clock.next_block(160), 161);
        clock.next = Some(500);
        assert_eq!(clock.next_block(161), 500);
        clock.mined(500);
        clock.interval = Some(12);
        assert_eq!(clock.next_block(500), 512);
        assert_eq!(clock.next_block(TIMESTAMP_MAX), TIMESTAMP_MAX);
    }
}
