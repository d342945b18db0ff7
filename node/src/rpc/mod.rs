//! Ethereum JSON-RPC over HTTP, WebSocket and Unix sockets.
//!
//! A *method* is one row of a table in [`methods`]: its names, its doc line, its parameters and its handler, declared
//! once. The [`Registry`] finds it by name, [`envelope`] turns request bytes into answer bytes by calling it, and
//! [`server`] carries those bytes. Nothing here knows how a transaction runs; nothing below knows JSON.
//!
//! Invariants: each request that has an id is answered exactly once, with its id as the client wrote it; the requests
//! of one connection run in the order they came; no input and no panic of a handler ends the process or a connection's
//! answers; everything that a client can make grow has a limit.

mod access;
mod dev_params;
pub mod envelope;
pub mod error;
mod fork;
mod ipc;
mod limits;
mod method;
pub mod methods;
pub mod metrics;
pub mod openrpc;
mod params;
mod quick;
mod request;
pub mod server;
mod shapes;
mod socket;
mod subscriptions;
mod tracer;
mod typed_data;
mod websocket;
mod workers;

pub use access::{Access, Refusal};
pub use error::RpcError;
pub use limits::{INBOX_MAX, Timeouts};
pub use method::{Answer, Api, Handler, Method, Parameter, Registry};
pub use metrics::Metrics;
pub use openrpc::{Schema, component};
pub use params::{BlockAt, FromParam, Params};
pub use server::{Server, ServerOptions};
pub use subscriptions::{SUBSCRIPTIONS_MAX, Subscriptions};
pub use tracer::{TraceFilter, TraceOptions};
