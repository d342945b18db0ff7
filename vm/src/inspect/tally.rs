//! Counts kept along a scan: use of limits and proposals, and violations.

use super::{LimitUse, ProposalUse, VIOLATIONS_MAX};
use crate::module_error::ModuleErrorKind;
use crate::{Limit, ModuleError, Proposal, Rules};
use alloc::string::String;
use alloc::vec::Vec;

/// Where something is: the offset, and the function if it is in one.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) function: Option<u32>,
}

pub(super) struct Tally<'a> {
    pub(super) rules: &'a Rules,
    pub(super) limits: Vec<LimitUse>,
    proposals: Vec<Option<ProposalUse>>,
    pub(super) violations: Vec<ModuleError>,
    pub(super) violations_omitted: u64,
}

/// Limits that count what a computation does.
const RUN_TIME: [Limit; 4] = [Limit::CallDepth, Limit::ValueSlots, Limit::OpenPages, Limit::OpenSlots];

impl<'a> Tally<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        let unused = |&limit| {
            let used = (!RUN_TIME.contains(&limit)).then_some(0);
            LimitUse { limit, used, allowed: rules.limits.get(limit), offset: 0, function: None }
        };
        Self {
            rules,
            limits: Limit::ALL.iter().map(unused).collect(),
            proposals: Proposal::ALL.iter().map(|_| None).collect(),
            violations: Vec::new(),
            violations_omitted: 0,
        }
    }

    /// Lists a violation, unless one that says the same is listed.
    pub(super) fn violation(&mut self, error: ModuleError) {
        if self.violations.iter().any(|known| known.covers(&error)) {
            return;
        }
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(error);
        } else {
            self.violations_omitted += 1;
        }
    }

    /// Notes how much of a limit something uses, without judging it.
    pub(super) fn used(&mut self, limit: Limit, actual: u64, place: Place) {
        let entry = &mut self.limits[limit as usize];
        if entry.used.is_some_and(|used| actual > used) {
            *entry =
                LimitUse { used: Some(actual), offset: place.offset, function: place.function, ..*entry };
        }
    }

    /// Notes how much of a limit something uses. Returns whether that is allowed.
    pub(super) fn limit(&mut self, limit: Limit, actual: u64, place: Place) -> bool {
        self.used(limit, actual, place);
        let max = self.rules.limits.get(limit);
        if actual <= u64::from(max) {
            return true;
        }
        self.violation(error_at(ModuleErrorKind::Limit { limit, max, actual }, place));
        false
    }

    /// Notes that something uses a proposal. Returns whether that is allowed.
    pub(super) fn proposal(&mut self, proposal: Proposal, item: &str, place: Place) -> bool {
        let allowed = self.rules.features.contains(proposal);
        let entry = self.proposals[proposal as usize].get_or_insert_with(|| ProposalUse {
            proposal,
            allowed,
            uses: 0,
            item: item.into(),
            offset: place.offset,
            function: place.function,
        });
        entry.uses += 1;
        if !allowed {
            self.violation(error_at(ModuleErrorKind::Proposal { proposal, item: String::from(item) }, place));
        }
        allowed
    }

    /// Returns whether a use of a proposal has been noted.
    pub(super) fn is_used(&self, proposal: Proposal) -> bool {
        self.proposals[proposal as usize].is_some()
    }

    /// Returns the proposals that are used.
    pub(super) fn proposals(&mut self) -> Vec<ProposalUse> {
        self.proposals.iter_mut().filter_map(Option::take).collect()
    }
}

pub(super) fn error_at(kind: ModuleErrorKind, place: Place) -> ModuleError {
    let error = ModuleError::new(kind, place.offset);
    match place.function {
        Some(function) => error.in_function(function),
        None => error,
    }
}
