//! The subscriptions of one WebSocket connection.
//!
//! Nothing waits in memory for a subscriber: the connection's loop asks the chain what is new whenever it has sent what
//! was new before. So a client that reads slowly holds up neither the chain nor others, and loses nothing until it is
//! dropped for not reading at all.

use std::sync::Arc;

use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::Header;
use parking_lot::Mutex;
use serde::Serialize;

use super::{error::RpcError, shapes};
use crate::chain::{Chain, ChainError, Keeper, MinedTransaction, News, Reach, Watched};

/// Subscriptions that one connection may hold.
pub const SUBSCRIPTIONS_MAX: usize = 128;

/// How much of one subscription is sent before the connection reads requests again.
const REACH: Reach = Reach { blocks: 1_000, finds: 64 };

/// What a transaction is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// As its hash.
    Hash,
    /// In full.
    Full,
}

/// The subscriptions of one connection, which end with it.
#[derive(Debug)]
pub struct Subscriptions {
    chain: Arc<Chain>,
    /// In the order in which they were made.
    list: Mutex<Vec<Subscription>>,
}

#[derive(Debug, Clone, Copy)]
struct Subscription {
    id: u64,
    transactions: Shown,
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        for subscription in self.list.get_mut() {
            self.chain.unwatch(subscription.id, Keeper::Connection);
        }
    }
}

impl Subscriptions {
    pub(super) fn new(chain: Arc<Chain>) -> Self {
        Self { chain, list: Mutex::default() }
    }

    /// Begins a subscription and returns its id.
    pub(super) fn add(&self, watched: Watched, transactions: Shown) -> Result<u64, RpcError> {
        let mut list = self.list.lock();
        if list.len() >= SUBSCRIPTIONS_MAX {
            return Err(RpcError::refused(format!(
                "too many subscriptions: the limit is {SUBSCRIPTIONS_MAX} a connection; end some, or open another \
                 connection"
            )));
        }
        let id = self.chain.watch(watched, Keeper::Connection)?;
        list.push(Subscription { id, transactions });
        Ok(id)
    }

    /// Ends a subscription; false if the connection has none with this id.
    pub(super) fn remove(&self, id: u64) -> bool {
        let mut list = self.list.lock();
        let Some(place) = list.iter().position(|subscription| subscription.id == id) else { return false };
        list.remove(place);
        self.chain.unwatch(id, Keeper::Connection)
    }

    /// Returns whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.list.lock().is_empty()
    }

    /// Returns some of what is new as messages to the client, and whether there is more.
    pub(super) fn notifications(&self) -> Result<(Vec<String>, bool), ChainError> {
        let list = self.list.lock().clone();
        let (mut messages, mut is_more) = (Vec::new(), false);
        for subscription in list {
            let (news, rest) = self.chain.news(subscription.id, Keeper::Connection, REACH)?;
            is_more |= rest;
            self.write(subscription, news, &mut messages)?;
        }
        Ok((messages, is_more))
    }

    fn write(
        &self,
        subscription: Subscription,
        news: News,
        messages: &mut Vec<String>,
    ) -> Result<(), ChainError> {
        let Subscription { id, transactions } = subscription;
        match news {
            News::Heads(heads) => messages.extend(heads.into_iter().map(|(hash, inner)| {
                message(id, &Header { hash, inner, total_difficulty: None, size: None })
            })),
            News::Logs(logs) => messages.extend(logs.iter().map(|log| message(id, log))),
            News::Arrivals(hashes) if transactions == Shown::Hash => {
                messages.extend(hashes.iter().map(|hash| message(id, hash)));
            }
            News::Arrivals(hashes) => {
                for hash in hashes {
                    messages.extend(self.arrived(hash)?.map(|transaction| message(id, &transaction)));
                }
            }
        }
        Ok(())
    }

    /// Returns a transaction as it was when it arrived, unless it was dropped since.
    fn arrived(&self, hash: B256) -> Result<Option<alloy_rpc_types_eth::Transaction>, ChainError> {
        let waiting = match self.chain.pending_transaction(hash) {
            Some(transaction) => Some(transaction),
            None => self
                .chain
                .transaction(hash)?
                .and_then(|MinedTransaction { block, index }| block.transactions.get(index).cloned()),
        };
        Ok(waiting.map(shapes::pending_transaction))
    }
}

/// A notification as JSON-RPC sends it.
#[derive(Serialize)]
struct Notification<'a, T> {
    jsonrpc: &'static str,
    method: &'static str,
    params: NotificationParams<'a, T>,
}

#[derive(Serialize)]
struct NotificationParams<'a, T> {
    subscription: U64,
    result: &'a T,
}

fn message(id: u64, result: &impl Serialize) -> String {
    let params = NotificationParams { subscription: U64::from(id), result };
    serde_json::to_string(&Notification { jsonrpc: "2.0", method: "eth_subscription", params })
        .expect("headers, logs and transactions are plain data")
}
