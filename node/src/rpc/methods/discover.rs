//! The method that describes all others.

use serde_json::Value;

use crate::{
    methods,
    rpc::{RpcError, method::Api, openrpc},
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns an OpenRPC document: every method with its parameters, its result and the schemas of both.
    "rpc.discover" | "rpc_discover", discover();
}

schemas! {
    &'static Value => "OpenRpc";
}

fn discover(_: &Api) -> Result<&'static Value> {
    Ok(openrpc::document())
}
