//! What the chain can be asked, and for how long.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy_primitives::Address;
use parking_lot::Mutex;

use super::Chain;
use crate::runtime::{TimeLimit, Turns};

/// How long a call, an estimate or a simulation may take unless the node is told otherwise. A call with all gas of a
/// block takes a second or a few, an estimate a dozen such calls.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long calls may take, and the queue of those that take long.
#[derive(Debug)]
pub(super) struct CallTimes {
    timeout: Mutex<Duration>,
    turns: Arc<Turns>,
}

impl Default for CallTimes {
    fn default() -> Self {
        Self { timeout: Mutex::new(CALL_TIMEOUT), turns: Turns::new() }
    }
}

impl Chain {
    /// Limits how long a call, an estimate, a simulation or a trace may take.
    pub fn set_call_timeout(&self, timeout: Duration) {
        *self.calls.timeout.lock() = timeout;
    }

    /// Begins the time of a call, or of several that are asked for at once.
    pub fn time_limit(&self) -> Arc<TimeLimit> {
        self.calls.turns.limit(*self.calls.timeout.lock())
    }

    /// Begins something that takes as long as it does, but holds memory as calls do.
    pub(super) fn no_time_limit(&self) -> Arc<TimeLimit> {
        self.calls.turns.no_limit()
    }

    /// Returns how many pages of Wasm memory all calls, estimates, simulations and traces hold together.
    pub fn call_pages_held(&self) -> u32 {
        self.calls.turns.pages_held()
    }

    /// Returns the precompiled contracts by name.
    pub fn precompiles(&self) -> BTreeMap<String, Address> {
        self.runtime().precompiles()
    }

    /// Returns the first block whose state is kept.
    pub fn oldest_state(&self) -> u64 {
        self.latest().view.history_start()
    }
}
