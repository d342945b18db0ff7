//! What a call in the sandbox did.

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, Log};
use alloy_sol_types::SolEvent;

use crate::runtime::{Console, Executed, Status};

use super::{Error, Message};

/// A call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done<Answer> {
    /// What the contract answered; of a creation, its address.
    pub answer: Answer,
    /// The same as bytes; of a creation, the code.
    pub output: Bytes,
    /// Gas that a transaction would have used: its base cost included, refunds subtracted.
    pub gas_used: u64,
    /// Logs in order.
    pub logs: Vec<Log>,
    /// What contracts printed.
    pub console: Console,
}

impl<Answer> Done<Answer> {
    /// Returns the events of one type, in order, of whatever contract.
    pub fn events<E: SolEvent>(&self) -> Vec<E> {
        self.logs.iter().filter_map(|log| E::decode_log_data(&log.data).ok()).collect()
    }

    /// Returns the events of one type that one contract emitted, in order.
    pub fn events_of<E: SolEvent>(&self, contract: Address) -> Vec<E> {
        let of_contract = self.logs.iter().filter(|log| log.address == contract);
        of_contract.filter_map(|log| E::decode_log_data(&log.data).ok()).collect()
    }
}

impl<Answer> Done<Answer> {
    pub(super) fn answer<M: Message<Answer = Answer>>(
        executed: Executed,
        message: &M,
        labels: &BTreeMap<Address, String>,
    ) -> Result<Self, Error> {
        match executed.status {
            Status::Success { .. } => match message.answer(&executed.output) {
                Ok(answer) => Ok(Self::new(answer, executed)),
                Err(reason) => Err(Error::answer(reason, executed)),
            },
            _ => Err(Error::failed(executed, labels)),
        }
    }

    fn new(answer: Answer, executed: Executed) -> Self {
        let Executed { output, gas_used, logs, console, .. } = executed;
        Self { answer, output, gas_used, logs, console }
    }
}

impl Done<Address> {
    pub(super) fn creation(executed: Executed, labels: &BTreeMap<Address, String>) -> Result<Self, Error> {
        match executed.status {
            Status::Success { created: Some(contract) } => Ok(Self::new(contract, executed)),
            _ => Err(Error::failed(executed, labels)),
        }
    }
}
