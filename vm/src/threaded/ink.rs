//! What blocks cost, where memory is small and where it is large.
//!
//! Code does not know on which memory it will run, and memory grows while it does. So each price in the code is two, in
//! the halves of one word, and whoever pays reads the half that [`half`] says. Memory changes its size only between
//! blocks.

use core::ops::{Add, AddAssign, Sub};
use lathe_gas::Price;

/// Two sums of ink that are added to and subtracted from together: the low half for small memories, the high half for
/// large ones. No half passes 2^32, for blocks end before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ink(u64);

impl Ink {
    pub(super) const ZERO: Self = Self(0);

    #[inline(always)]
    pub(super) fn of(price: Price) -> Self {
        Self(u64::from(price.large) << 32 | u64::from(price.small))
    }

    /// Returns what costs the same on any memory.
    #[inline(always)]
    pub(super) fn flat(ink: u32) -> Self {
        Self::of(Price { small: ink, large: ink })
    }

    /// Returns the word that [`Ink::read`] reads.
    pub(super) fn word(self) -> u64 {
        self.0
    }

    /// Returns the ink of one half.
    pub(super) fn of_half(&self, half: usize) -> u32 {
        // SAFETY: `half` is 0 or 1.
        unsafe { Self::read(&self.0, half) }
    }

    /// Returns the ink where memory is large, which is never less than where it is small.
    #[inline(always)]
    pub(super) fn large(self) -> u64 {
        self.0 >> 32
    }

    /// Returns the ink where memory is small.
    #[inline(always)]
    pub(super) fn small(self) -> u64 {
        self.0 & u64::from(u32::MAX)
    }

    /// Returns the ink in one half of a word.
    ///
    /// # Safety
    /// The word must be readable, `half` 0 or 1.
    #[inline(always)]
    pub(super) unsafe fn read(word: *const u64, half: usize) -> u32 {
        // SAFETY: the caller's.
        unsafe { *word.cast::<u32>().add(half) }
    }
}

impl Add for Ink {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Ink {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Ink {
    type Output = Self;

    /// Takes away what was added before, in both halves.
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

/// Returns which half of a word, in the order of its bytes in memory, holds the ink for a memory that is large or not.
pub(super) fn half(large: bool) -> usize {
    usize::from(large != cfg!(target_endian = "big"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_half_has_its_own_sum() {
        let load = Ink::of(Price { small: 3, large: 24 });
        let sum = load + Ink::flat(7) + load;
        assert_eq!((sum.of_half(half(false)), sum.of_half(half(true))), (13, 55));
        let rest = sum - load;
        assert_eq!((rest.of_half(half(false)), rest.large()), (10, 31));
        assert_eq!(rest.small(), 10);
    }
}
