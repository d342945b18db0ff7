//! What an RPC method is, and the registry that finds one by name.

use std::{io, sync::Arc};

use alloy_primitives::map::HashMap;
use serde::Serialize;

use super::{error::RpcError, metrics::Metrics, params::Params, subscriptions::Subscriptions};
use crate::chain::Chain;

/// What handlers work on.
#[derive(Debug, Clone)]
pub struct Api {
    /// The chain.
    pub chain: Arc<Chain>,
    /// The subscriptions of the connection that asks, if it can have any.
    pub subscriptions: Option<Arc<Subscriptions>>,
}

/// A JSON-RPC method: one row of a table that [`methods!`](crate::methods) makes.
#[derive(Debug)]
pub struct Method {
    /// The name it is documented under.
    pub name: &'static str,
    /// Other names that call it.
    pub aliases: &'static [&'static str],
    /// What it does, in a sentence or two.
    pub doc: &'static str,
    /// Its parameters in order.
    pub params: &'static [Parameter],
    /// Returns the schema of its result.
    pub result: fn() -> serde_json::Value,
    /// Reads the parameters, does the work and writes the result.
    pub handler: Handler,
}

/// A parameter of a [`Method`].
#[derive(Debug)]
pub struct Parameter {
    /// Its name in documentation and errors.
    pub name: &'static str,
    /// What it must be; completes "expected ".
    pub expected: &'static str,
    /// Whether it may not be left out.
    pub required: bool,
    /// Returns the schema of its JSON.
    pub schema: fn() -> serde_json::Value,
}

/// Writes a method's result as JSON to the answer. It may block.
pub type Handler = fn(&Api, Params<'_>, &mut Answer) -> Result<(), RpcError>;

/// The bytes of an answer, with a limit on what results may add to it.
#[derive(Debug)]
pub struct Answer {
    pub(super) bytes: Vec<u8>,
    max: usize,
}

impl Answer {
    /// Returns an empty answer that results may grow to `max` bytes.
    pub fn new(max: usize) -> Self {
        Self { bytes: Vec::with_capacity(ANSWER_CAPACITY), max }
    }

    /// Writes `result` as JSON. Fails when the answer would grow beyond its limit.
    pub fn write(&mut self, result: &impl Serialize) -> Result<(), RpcError> {
        serde_json::to_writer(&mut *self, result).map_err(|error| {
            if error.is_io() {
                RpcError::new(
                    ANSWER_TOO_LARGE,
                    format!("response too large: the limit is {} bytes", self.max),
                )
            } else {
                RpcError::internal(format!("the result is no JSON: {error}"))
            }
        })
    }
}

impl io::Write for Answer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.max.saturating_sub(self.bytes.len()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Most answers are a number or a hash: one allocation holds them.
const ANSWER_CAPACITY: usize = 256;

/// Code of an answer beyond its limit (geth, `rpc/errors.go`).
const ANSWER_TOO_LARGE: i32 = -32003;

/// The methods that a server answers, found by name or alias.
#[derive(Debug)]
pub struct Registry {
    api: Api,
    by_name: HashMap<&'static str, &'static Method>,
    /// Counts calls, if somebody wants to know.
    metrics: Option<Arc<Metrics>>,
}

impl Registry {
    /// Returns a registry of the methods in `tables` over `chain`.
    ///
    /// # Panics
    /// When two rows claim one name.
    pub fn new(chain: Arc<Chain>, tables: &[&'static [Method]]) -> Self {
        let mut by_name = HashMap::default();
        for method in tables.iter().copied().flatten() {
            for name in std::iter::once(&method.name).chain(method.aliases) {
                let earlier = by_name.insert(*name, method);
                assert!(earlier.is_none(), "two rows of the method tables claim {name}");
            }
        }
        Self { api: Api { chain, subscriptions: None }, by_name, metrics: None }
    }

    /// Lets the registry count its calls; returns it with what it counts in.
    pub fn with_metrics(mut self) -> (Self, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new(self.api.chain.clone(), self.by_name.values().copied()));
        self.metrics = Some(metrics.clone());
        (self, metrics)
    }

    /// Returns what calls are counted in, if they are.
    pub(super) fn metrics(&self) -> Option<&Metrics> {
        self.metrics.as_deref()
    }

    /// Returns what the handlers of a connection work on that can have subscriptions.
    pub(super) fn connect(&self) -> (Api, Arc<Subscriptions>) {
        let chain = self.api.chain.clone();
        let subscriptions = Arc::new(Subscriptions::new(chain.clone()));
        (Api { chain, subscriptions: Some(subscriptions.clone()) }, subscriptions)
    }

    /// Returns what handlers work on, on connections without subscriptions.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Returns the method with this name or alias.
    pub fn find(&self, name: &str) -> Option<&'static Method> {
        self.by_name.get(name).copied()
    }
}

/// Declares a table of RPC methods, one row each:
/// `/// Doc.` `"name" | "alias", handler(parameter: Type, ...);`
///
/// The handler is a function of [`&Api`](Api) and the parameters' values that returns `Result<T, RpcError>`. The types
/// of the parameters and `T` have a [`Schema`](crate::rpc::Schema), which the node's OpenRPC document shows.
#[macro_export]
macro_rules! methods {
    ($(
        $(#[doc = $doc:literal])+
        $name:literal $(| $alias:literal)*, $handler:ident($($param:ident: $type:ty),* $(,)?);
    )*) => {
        /// The methods of this module.
        pub const METHODS: &[$crate::rpc::Method] = &[$($crate::rpc::Method {
            name: $name,
            aliases: &[$($alias),*],
            doc: concat!($($doc),+),
            params: &[$($crate::rpc::Parameter {
                name: stringify!($param),
                expected: <$type as $crate::rpc::FromParam>::EXPECTED,
                required: <$type as $crate::rpc::FromParam>::REQUIRED,
                schema: <$type as $crate::rpc::Schema>::schema,
            }),*],
            result: || {
                fn of<T: $crate::rpc::Schema>(
                    _: fn(&$crate::rpc::Api $(, $type)*) -> ::core::result::Result<T, $crate::rpc::RpcError>,
                ) -> ::serde_json::Value {
                    T::schema()
                }
                of($handler)
            },
            #[allow(unused_mut, unused_variables, reason = "a row may have no parameters")]
            handler: |api, mut params, answer| {
                let handler = $handler;
                $(let $param: $type = params.next()?;)*
                answer.write(&handler(api, $($param),*)?)
            },
        }),*];
    };
}
