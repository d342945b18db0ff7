//! Subscriptions: what is new is sent over the WebSocket connection that asked for it.

use alloy_primitives::U64;

use crate::{
    chain::Watched,
    methods,
    rpc::{
        RpcError,
        error::METHOD_NOT_FOUND,
        method::Api,
        params::{SubscriptionKind, SubscriptionOptions, WatchId},
        subscriptions::{Shown, Subscriptions},
    },
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Begins to send new blocks' headers (newHeads), logs that match a filter (logs) or transactions that arrive, by
    /// hash or in full (newPendingTransactions); returns the subscription's id. Only over WebSocket and IPC.
    "eth_subscribe", subscribe(kind: SubscriptionKind, options: Option<SubscriptionOptions>);
    /// Ends a subscription of this connection; false if there is none.
    "eth_unsubscribe", unsubscribe(subscription: WatchId);
}

fn connection(api: &Api) -> Result<&Subscriptions> {
    // geth's code and words.
    api.subscriptions.as_deref().ok_or_else(|| {
        RpcError::new(
            METHOD_NOT_FOUND,
            "notifications not supported: subscriptions need a WebSocket or IPC connection; over HTTP use eth_newFilter",
        )
    })
}

fn subscribe(api: &Api, kind: SubscriptionKind, options: Option<SubscriptionOptions>) -> Result<U64> {
    use SubscriptionOptions as Options;
    let connection = connection(api)?;
    let (watched, shown) = match (kind, options) {
        (SubscriptionKind::NewHeads, None) => (Watched::Heads, Shown::Hash),
        (SubscriptionKind::Logs, None) => (Watched::Logs(Box::default()), Shown::Hash),
        (SubscriptionKind::Logs, Some(Options::Logs(filter))) => {
            super::transactions::check_range(&filter)?;
            (Watched::Logs(filter), Shown::Hash)
        }
        (SubscriptionKind::NewPendingTransactions, None | Some(Options::Full(false))) => {
            (Watched::Arrivals, Shown::Hash)
        }
        (SubscriptionKind::NewPendingTransactions, Some(Options::Full(true))) => {
            (Watched::Arrivals, Shown::Full)
        }
        (kind, Some(_)) => {
            return Err(RpcError::invalid_params(format!(
                "eth_subscribe: parameter 2 (options) does not fit \"{}\": newHeads takes none, logs a filter, \
                 newPendingTransactions true or false",
                kind.name()
            )));
        }
    };
    Ok(U64::from(connection.add(watched, shown)?))
}

fn unsubscribe(api: &Api, WatchId(id): WatchId) -> Result<bool> {
    Ok(connection(api)?.remove(id))
}
