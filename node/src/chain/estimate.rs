//! The least gas limit with which a request does what it does with all gas.
//!
//! A first run with all gas tells what is paid for. Code that never reads its gas pays the same with any limit that is
//! enough, so no lower limit can do, and mostly this one does; where a call or a refund in it asks for more at hand than is
//! used up (63/64 of EIP-150, the stipend that `SSTORE` wants untouched), or where code reads its gas, the limit is searched
//! for. The search ends between a limit with which the request fails and the next, with which it succeeds.

use alloy_eips::BlockId;
use alloy_primitives::U256;
use alloy_rpc_types_eth::{TransactionRequest, state::StateOverride};

use crate::runtime::{ExecuteError, Request, Status};

use super::{
    CallError, Chain, Purpose,
    call::{account_overrides, exceeds_allowance},
};

/// What every transaction costs before it does anything: no limit below it is valid.
const TRANSACTION_GAS: u64 = 21_000;
/// Of the gas at hand, one part in so many stays with a frame that calls (EIP-150). What is missing because of that is
/// missing in steps of this size.
const KEPT_PART: u64 = 64;

/// A gas limit, and how it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// The gas limit.
    pub gas: u64,
    /// Whether more was needed than a run with all gas and one with what it used.
    pub searched: bool,
}

impl Chain {
    /// Returns the least gas limit with which the request succeeds, and no call inside it runs out of gas that
    /// would not with all gas.
    pub fn estimate_gas(
        &self,
        request: TransactionRequest,
        at: BlockId,
        state: Option<StateOverride>,
    ) -> Result<u64, CallError> {
        Ok(self.estimate(request, at, state)?.gas)
    }

    /// Does what [`Chain::estimate_gas`] does, and tells whether it had to search.
    pub fn estimate(
        &self,
        request: TransactionRequest,
        at: BlockId,
        state: Option<StateOverride>,
    ) -> Result<Estimate, CallError> {
        let overrides = account_overrides(state)?;
        let mut request = self.request(&request)?;
        if request.gas_price > 0 {
            // The sender must be able to buy the limit that is tried.
            let balance = match overrides.get(&request.from).and_then(|account| account.balance) {
                Some(balance) => balance,
                None => self.balance(request.from, at)?,
            };
            let affordable = balance.saturating_sub(request.value) / U256::from(request.gas_price);
            request.gas = request.gas.min(affordable.saturating_to());
        }
        let (view, context) = self.call_context(at, None)?;
        let limit = self.time_limit();
        let runtime = self.runtime();
        let run =
            |request: &Request| runtime.call_within(view.clone(), &context, request, &overrides, &limit);
        let most = request.gas;
        let first = run(&request).map_err(CallError::from);
        let first = self
            .tell_call(Purpose::Estimate, &request, first)
            .map_err(|error| exceeds_allowance(error, most))?;
        let needed = first.gas_needed;
        let reads_gas = first.gas_was_read || first.ran_out_of_gas;
        let mut succeeds = |gas: u64| {
            request.gas = gas;
            match run(&request) {
                Ok(tried) => Ok(matches!(tried.status, Status::Success { .. })
                    && (first.ran_out_of_gas || !tried.ran_out_of_gas)),
                Err(ExecuteError::Invalid(_)) => Ok(false),
                Err(error) => Err(CallError::from(error)),
            }
        };
        if needed >= most {
            return Ok(Estimate { gas: most, searched: false });
        }
        if !succeeds(needed)? {
            let gas = search_up(needed, most, &mut succeeds)?;
            return Ok(Estimate { gas, searched: true });
        }
        if !reads_gas {
            return Ok(Estimate { gas: needed, searched: false });
        }
        let gas = match succeeds(needed - 1)? {
            false => needed,
            true => bisect(TRANSACTION_GAS - 1, needed - 1, &mut succeeds)?,
        };
        Ok(Estimate { gas, searched: true })
    }
}

/// Returns a limit between one that fails and one that succeeds, in steps that grow: what is missing is mostly little.
fn search_up(
    mut fails: u64,
    most: u64,
    succeeds: &mut impl FnMut(u64) -> Result<bool, CallError>,
) -> Result<u64, CallError> {
    let mut step = fails / KEPT_PART + 1;
    while step < most - fails {
        if succeeds(fails + step)? {
            return bisect(fails, fails + step, succeeds);
        }
        fails += step;
        step = step.saturating_mul(2);
    }
    bisect(fails, most, succeeds)
}

/// Returns a limit that succeeds where one less fails, between one that fails and a higher one that succeeds.
fn bisect(
    mut fails: u64,
    mut works: u64,
    succeeds: &mut impl FnMut(u64) -> Result<bool, CallError>,
) -> Result<u64, CallError> {
    while fails + 1 < works {
        let middle = fails + (works - fails) / 2;
        if succeeds(middle)? {
            works = middle;
        } else {
            fails = middle;
        }
    }
    Ok(works)
}
