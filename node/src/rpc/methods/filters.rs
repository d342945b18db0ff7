//! Filters: what is new, for clients that ask again and again.
//!
//! A filter that nobody asks for [`FILTER_IDLE_MAX`](crate::chain::FILTER_IDLE_MAX) is forgotten. After the chain went
//! back, a filter reports the blocks that are mined in place of those taken back, and repeats the logs it had
//! reported of the latter with `removed` set.

use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::{Filter, Log};
use serde::Serialize;

use crate::{
    chain::{Keeper, News, Reach, Watched},
    methods,
    rpc::{RpcError, method::Api, params::WatchId},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Begins to collect logs that match, of blocks mined from now on; returns the filter's id.
    "eth_newFilter", new_logs(filter: Filter);
    /// Begins to collect hashes of blocks; returns the filter's id.
    "eth_newBlockFilter", new_heads();
    /// Begins to collect hashes of transactions that arrive; returns the filter's id.
    "eth_newPendingTransactionFilter", new_arrivals();
    /// Returns what a filter has collected since it was asked last, oldest first.
    "eth_getFilterChanges", changes(filter: WatchId);
    /// Returns all logs of the chain that match a log filter.
    "eth_getFilterLogs", logs(filter: WatchId);
    /// Ends a filter; false if there is none.
    "eth_uninstallFilter", uninstall(filter: WatchId);
}

fn new_logs(api: &Api, filter: Filter) -> Result<U64> {
    super::transactions::check_range(&filter)?;
    new(api, Watched::Logs(Box::new(filter)))
}

fn new_heads(api: &Api) -> Result<U64> {
    new(api, Watched::Heads)
}

fn new_arrivals(api: &Api) -> Result<U64> {
    new(api, Watched::Arrivals)
}

fn new(api: &Api, watched: Watched) -> Result<U64> {
    Ok(U64::from(api.chain.watch(watched, Keeper::Poller)?))
}

/// What a filter has collected.
#[derive(Serialize)]
#[serde(untagged)]
enum Changes {
    Hashes(Vec<B256>),
    Logs(Vec<Log>),
}

schemas! {
    Changes => "FilterChanges";
}

fn changes(api: &Api, WatchId(id): WatchId) -> Result<Changes> {
    // What does not fit one answer is in the next.
    let (news, _) = api.chain.news(id, Keeper::Poller, Reach::POLL)?;
    Ok(match news {
        News::Heads(heads) => Changes::Hashes(heads.into_iter().map(|(hash, _)| hash).collect()),
        News::Arrivals(hashes) => Changes::Hashes(hashes),
        News::Logs(logs) => Changes::Logs(logs),
    })
}

fn logs(api: &Api, WatchId(id): WatchId) -> Result<Vec<Log>> {
    Ok(api.chain.logs(&api.chain.watched_logs(id)?)?)
}

fn uninstall(api: &Api, WatchId(id): WatchId) -> Result<bool> {
    Ok(api.chain.unwatch(id, Keeper::Poller))
}
