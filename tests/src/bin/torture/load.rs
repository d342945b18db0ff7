//! The load under which the node dies: every sender sends one transaction after the other until nobody answers.

use std::{
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, hex};
use lathe_tests::{Node, RpcFailure, rpc};
use serde_json::json;

use crate::{
    End, FAILPOINT_TIMEOUT,
    model::{Model, Sender},
    random::Random,
};

/// How a node died.
#[derive(Debug, Default)]
pub(crate) struct Death {
    /// Whether it killed itself at its failpoint.
    pub(crate) at_failpoint: bool,
    /// Transactions that it acknowledged before.
    pub(crate) acknowledged: u64,
}

/// Loads the node until it dies.
pub(crate) fn run(node: Node, model: &mut Model, random: &mut Random, end: &End) -> Death {
    let contract = model.contract();
    let url = node.url.clone();
    thread::scope(|scope| {
        let senders: Vec<_> = model
            .senders
            .iter_mut()
            .map(|sender| {
                let (url, mut random) = (url.as_str(), random.fork());
                scope.spawn(move || send(url, sender, contract, &mut random))
            })
            .collect();
        let at_failpoint = match end {
            End::Moment(moment) => {
                thread::sleep(*moment);
                node.kill();
                false
            }
            End::Point(..) => wait(node),
        };
        let acknowledged = senders.into_iter().map(|sender| sender.join().expect("a sender ends")).sum();
        Death { at_failpoint, acknowledged }
    })
}

/// Sends until the node does not answer. Returns how many transactions were acknowledged.
fn send(url: &str, sender: &mut Sender, contract: Address, random: &mut Random) -> u64 {
    let mut acknowledged = 0;
    loop {
        let raw = sender.next(contract, random);
        match rpc(url, "eth_sendRawTransaction", json!([format!("0x{}", hex::encode(raw))])) {
            Ok(_) => {
                sender.acknowledge();
                acknowledged += 1;
            }
            // Whether it is there is open. So it is if the node says that it is ill, as a sabotaged one may.
            Err(RpcFailure::Transport(_) | RpcFailure::Error { .. }) => return acknowledged,
        }
    }
}

/// Waits until the node has killed itself; kills it if it does not.
fn wait(mut node: Node) -> bool {
    let deadline = Instant::now() + FAILPOINT_TIMEOUT;
    while Instant::now() < deadline {
        if node.has_ended() {
            return true;
        }
        thread::sleep(Duration::from_millis(1));
    }
    node.kill();
    false
}
