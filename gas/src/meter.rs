//! The meter: what is left to spend.
//!
//! The **reserve** is gas that does not fit the ink counter. Only meters made from more than [`INK_GAS_MAX`] gas
//! have one. Together they behave as one counter of 128 bits: the split between them shows nowhere.
//!
//! A meter can be spent in **slices**: the ink counter holds one, the reserve the rest, and before each further slice a
//! [`Pace`] is asked. As long as it says yes, nothing shows of that either.
//!
//! Under a schedule that counts instructions instead of pricing them, instructions take **steps**, which are no gas.

use alloc::sync::Arc;

use crate::INK_PER_GAS;

/// The most gas that the ink counter holds. It keeps the counter below 2^63, so that an engine may hold it in a
/// signed register and test its sign.
const INK_GAS_MAX: u64 = (1 << 63) / INK_PER_GAS - 1;

/// A charge could not be paid. The meter was left as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfGas;

impl core::fmt::Display for OutOfGas {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("out of gas")
    }
}

impl core::error::Error for OutOfGas {}

/// What executing instructions cost could not be paid. The meter was left as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// Instructions cost ink, and there was too little.
    Gas,
    /// Instructions are counted, and there were as many as may be.
    Steps,
}

/// Asked before a meter hands out another slice of its gas, by code that runs where nobody waits for its exact end.
pub trait Pace: Send + Sync {
    /// Returns whether to go on. It may block, to let others go first. Once it has said no, charges fail that need
    /// another slice, and whoever runs the code has to know that this was no lack of gas.
    fn go_on(&self) -> bool;

    /// Returns whether the code may hold so many pages of memory, all its frames together. Asked once it holds them, before
    /// it uses any of those that are new. After a no, whatever runs fails as after [`Self::go_on`]'s.
    fn may_hold(&self, pages: u32) -> bool;
}

/// How a meter's gas is cut.
#[derive(Clone)]
struct Slices {
    /// Gas in one, at least 1.
    gas: u64,
    pace: Arc<dyn Pace>,
}

impl core::fmt::Debug for Slices {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Slices").field("gas", &self.gas).finish_non_exhaustive()
    }
}

impl PartialEq for Slices {
    fn eq(&self, other: &Self) -> bool {
        self.gas == other.gas && Arc::ptr_eq(&self.pace, &other.pace)
    }
}

impl Eq for Slices {}

/// The gas of one frame. A charge is taken whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Ink that can be charged at once.
    ink: u64,
    /// Gas that refills the ink before a charge fails.
    reserve: u64,
    /// Instructions that may still execute, if they are counted and take no ink.
    steps: Option<u64>,
    /// How the gas is cut, if it is.
    slices: Option<Slices>,
}

impl Meter {
    /// Returns a meter with this much gas.
    pub const fn from_gas(gas: u64) -> Self {
        let counted = if gas < INK_GAS_MAX { gas } else { INK_GAS_MAX };
        Self { ink: counted * INK_PER_GAS, reserve: gas - counted, steps: None, slices: None }
    }

    /// Returns the same meter for code whose instructions are counted: `steps` of them may execute, and take no ink.
    ///
    /// # Panics
    /// If `steps` is 2^63 or more, which an engine's counter does not hold.
    #[must_use]
    pub fn counting_steps(self, steps: u64) -> Self {
        assert!(steps <= i64::MAX.cast_unsigned(), "an engine counts in a signed register");
        Self { steps: Some(steps), ..self }
    }

    /// Returns the same meter, spent in slices of this much gas, each after the first only when `pace` says so.
    ///
    /// # Panics
    /// If `gas` is 0.
    #[must_use]
    pub fn in_slices(mut self, gas: u64, pace: Arc<dyn Pace>) -> Self {
        assert!(gas > 0, "a slice is some gas");
        self.slices = Some(Slices { gas, pace });
        self.split(self.total());
        self
    }

    /// Fails if code whose gas is cut in slices may not hold so many pages of memory. No other meter minds.
    pub fn hold_pages(&self, pages: u32) -> Result<(), OutOfGas> {
        match &self.slices {
            Some(slices) if !slices.pace.may_hold(pages) => Err(OutOfGas),
            _ => Ok(()),
        }
    }

    /// Returns how many instructions may still execute, `None` if they cost ink instead.
    pub const fn steps_left(&self) -> Option<u64> {
        self.steps
    }

    /// Takes what executing instructions costs: ink, or steps where those are counted. Fails, and takes nothing, if
    /// less than that is left.
    #[inline]
    pub fn charge_execution(&mut self, cost: u64) -> Result<(), Exhausted> {
        match &mut self.steps {
            None => self.charge(cost).map_err(|OutOfGas| Exhausted::Gas),
            Some(steps) => {
                *steps = steps.checked_sub(cost).ok_or(Exhausted::Steps)?;
                Ok(())
            }
        }
    }

    /// Takes `ink`. Fails, and takes nothing, if less than that is left.
    #[inline]
    pub fn charge(&mut self, ink: u64) -> Result<(), OutOfGas> {
        match self.ink.checked_sub(ink) {
            Some(left) => {
                self.ink = left;
                Ok(())
            }
            None => self.charge_reserve(u128::from(ink)),
        }
    }

    /// Takes `gas`. Fails, and takes nothing, if less than that is left.
    pub fn charge_gas(&mut self, gas: u64) -> Result<(), OutOfGas> {
        match gas.checked_mul(INK_PER_GAS) {
            Some(ink) => self.charge(ink),
            None => self.charge_reserve(u128::from(gas) * u128::from(INK_PER_GAS)),
        }
    }

    /// Gives back gas that a callee did not use. The sum saturates at `u64::MAX` gas.
    pub fn return_gas(&mut self, gas: u64) {
        let total = self.total() + u128::from(gas) * u128::from(INK_PER_GAS);
        let most = u128::from(u64::MAX) * u128::from(INK_PER_GAS) + u128::from(INK_PER_GAS - 1);
        self.split(total.min(most));
    }

    /// Returns the ink left, reserve included. More than 64 bits of ink reads as `u64::MAX`.
    pub fn ink_left(&self) -> u64 {
        u64::try_from(self.total()).unwrap_or(u64::MAX)
    }

    /// Returns the gas left: a part of a gas does not count.
    pub fn gas_left(&self) -> u64 {
        self.reserve + self.ink / INK_PER_GAS
    }

    /// Returns what executing instructions takes from, below 2^63: the ink that can be charged before the reserve is
    /// needed, or the steps left. For engines that keep it in a register while they run.
    #[inline]
    pub const fn counter(&self) -> i64 {
        match self.steps {
            None => self.ink.cast_signed(),
            Some(steps) => steps.cast_signed(),
        }
    }

    /// Sets what [`Meter::counter`] returns. `left` must not be negative.
    #[inline]
    pub const fn set_counter(&mut self, left: i64) {
        debug_assert!(left >= 0, "an engine hands back what is left, never a debt");
        match &mut self.steps {
            None => self.ink = left.cast_unsigned(),
            Some(steps) => *steps = left.cast_unsigned(),
        }
    }

    fn total(&self) -> u128 {
        u128::from(self.reserve) * u128::from(INK_PER_GAS) + u128::from(self.ink)
    }

    /// Sets what is left to `total` ink, at most `u64::MAX` gas and a part of one.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "both parts are at most u64::MAX by the bound on total"
    )]
    fn split(&mut self, total: u128) {
        let gas = (total / u128::from(INK_PER_GAS)) as u64;
        let part = (total % u128::from(INK_PER_GAS)) as u64;
        let counted = gas.min(self.slices.as_ref().map_or(INK_GAS_MAX, |slices| slices.gas.min(INK_GAS_MAX)));
        (self.ink, self.reserve) = (counted * INK_PER_GAS + part, gas - counted);
    }

    #[cold]
    #[inline(never)]
    fn charge_reserve(&mut self, ink: u128) -> Result<(), OutOfGas> {
        let left = self.total().checked_sub(ink).ok_or(OutOfGas)?;
        if self.slices.as_ref().is_some_and(|slices| !slices.pace.go_on()) {
            return Err(OutOfGas);
        }
        self.split(left);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    #[test]
    fn a_failed_charge_takes_nothing() {
        for gas in [0, 1, 12_345, INK_GAS_MAX] {
            let mut meter = Meter::from_gas(gas);
            assert_eq!(meter.charge(gas * INK_PER_GAS + 1), Err(OutOfGas));
            assert_eq!((meter.gas_left(), meter.ink_left()), (gas, gas * INK_PER_GAS));
            assert_eq!(meter.charge(gas * INK_PER_GAS), Ok(()));
            assert_eq!((meter.gas_left(), meter.ink_left()), (0, 0));
        }
    }

    #[test]
    fn all_gas_of_a_huge_meter_can_be_spent() {
        let mut meter = Meter::from_gas(u64::MAX);
        assert_eq!(meter.gas_left(), u64::MAX);
        assert_eq!(meter.ink_left(), u64::MAX);
        let step = u64::MAX / INK_PER_GAS;
        let mut left = u64::MAX;
        while left >= step {
            assert_eq!(meter.charge_gas(step), Ok(()));
            left -= step;
            assert_eq!(meter.gas_left(), left);
        }
        assert_eq!(meter.charge_gas(left + 1), Err(OutOfGas));
        assert_eq!(meter.charge_gas(left), Ok(()));
        assert_eq!((meter.gas_left(), meter.ink_left()), (0, 0));
    }

    #[test]
    fn a_part_of_a_gas_is_kept_but_does_not_count() {
        let mut meter = Meter::from_gas(2);
        assert_eq!(meter.charge(1), Ok(()));
        assert_eq!((meter.gas_left(), meter.ink_left()), (1, 19_999));
        meter.return_gas(3);
        assert_eq!((meter.gas_left(), meter.ink_left()), (4, 49_999));
    }

    /// Says yes so many times.
    struct Times(AtomicU64);

    impl Pace for Times {
        fn go_on(&self) -> bool {
            self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
        }

        fn may_hold(&self, pages: u32) -> bool {
            pages <= 2
        }
    }

    #[test]
    fn only_code_in_slices_is_asked_what_it_holds() {
        let pace = Arc::new(Times(AtomicU64::new(0)));
        let cut = Meter::from_gas(9).in_slices(3, pace);
        assert_eq!([2, 3].map(|pages| cut.hold_pages(pages)), [Ok(()), Err(OutOfGas)]);
        assert_eq!(cut.gas_left(), 9);
        assert_eq!(Meter::from_gas(9).hold_pages(3), Ok(()));
    }

    #[test]
    fn slices_show_only_when_no_more_are_given() {
        let pace = Arc::new(Times(AtomicU64::new(u64::MAX)));
        let whole = &mut Meter::from_gas(1_000);
        let cut = &mut Meter::from_gas(1_000).in_slices(3, pace.clone());
        for (n, ink) in [1, 29_999, 30_000, 1, 100_000, 5, 9_000_000, 0, 1_000_000, 1].into_iter().enumerate()
        {
            assert_eq!(cut.charge(ink), whole.charge(ink), "{ink}");
            assert_eq!((cut.ink_left(), cut.gas_left()), (whole.ink_left(), whole.gas_left()));
            assert!(cut.counter() <= 40_000, "the counter holds a slice, and a part of a gas");
            if n == 6 {
                cut.return_gas(77);
                whole.return_gas(77);
            }
        }
        pace.0.store(2, Relaxed);
        let cut = &mut Meter::from_gas(1_000).in_slices(3, pace);
        assert_eq!(cut.charge_gas(3), Ok(()));
        let charged = [1, 3, 1, 3, 1].map(|gas| cut.charge_gas(gas));
        assert_eq!(charged, [Ok(()), Ok(()), Ok(()), Ok(()), Err(OutOfGas)]);
        assert_eq!(cut.gas_left(), 989, "a charge that fails takes nothing");
    }

    #[test]
    fn steps_and_gas_are_spent_apart() {
        let mut meter = Meter::from_gas(2).counting_steps(3);
        assert_eq!(meter.counter(), 3);
        assert_eq!(meter.charge_execution(2), Ok(()));
        assert_eq!(meter.charge_execution(2), Err(Exhausted::Steps));
        assert_eq!((meter.steps_left(), meter.ink_left()), (Some(1), 20_000));
        assert_eq!(meter.charge_gas(2), Ok(()));
        assert_eq!(meter.charge(1), Err(OutOfGas));
        meter.return_gas(5);
        meter.set_counter(0);
        assert_eq!((meter.steps_left(), meter.ink_left()), (Some(0), 50_000));
        assert_eq!(Meter::from_gas(0).charge_execution(1), Err(Exhausted::Gas));
    }

    #[test]
    fn returned_gas_and_charges_do_not_wrap() {
        let mut meter = Meter::from_gas(u64::MAX);
        meter.return_gas(u64::MAX);
        assert_eq!(meter.gas_left(), u64::MAX);
        assert_eq!(meter.charge(u64::MAX), Ok(()));
        assert_eq!(meter.charge_gas(u64::MAX), Err(OutOfGas));
        let left = meter.gas_left();
        assert_eq!(left, u64::MAX - u64::MAX / INK_PER_GAS);
        assert_eq!(meter.charge_gas(left), Ok(()));
        assert_eq!(meter.gas_left(), 0);
    }
}
