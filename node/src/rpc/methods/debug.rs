//! Methods that show what an execution did.

use alloy_primitives::B256;
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    methods,
    rpc::{RpcError, method::Api, params::BlockAt},
    runtime::trace::Recording,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Runs a mined transaction again on the state before it and shows what it did, in the shape of a tracer.
    "debug_traceTransaction", trace_transaction(hash: B256, options: Option<TraceOptions>);
    /// Runs a call on the state after a block, with overrides in its options, and shows what it did.
    "debug_traceCall", trace_call(
        transaction: TransactionRequest,
        block: BlockAt,
        options: Option<TraceOptions>,
    );
}

/// How to trace, in geth's shape. What is not named here means nothing to this node's tracers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceOptions {
    /// The tracer's name, or the text of one in JavaScript.
    tracer: Option<String>,
    /// Accounts as a traced call shall see them.
    state_overrides: Option<StateOverride>,
    /// The block as a traced call shall see it.
    block_overrides: Option<Box<BlockOverrides>>,
}

/// A tracer of this node.
enum Tracer {
    /// Host calls of programs, as cargo-stylus reads them.
    Stylus,
}

impl Tracer {
    fn find(options: &TraceOptions) -> Result<Self> {
        match options.tracer.as_deref() {
            Some("stylusTracer") => Ok(Self::Stylus),
            // cargo-stylus sends a tracer in JavaScript that does what `stylusTracer` does. Nothing here runs
            // JavaScript; the callback that only Stylus nodes know tells it from others.
            Some(script) if script.trim_start().starts_with('{') && script.contains("\"hostio\"") => {
                Ok(Self::Stylus)
            }
            Some(script) if script.trim_start().starts_with('{') => Err(RpcError::invalid_params(
                "tracers in JavaScript are not supported: this node has stylusTracer",
            )),
            Some(name) => {
                let name: String = name.chars().take(NAME_ECHO_MAX).collect();
                Err(RpcError::invalid_params(format!(
                    "tracer {name:?} is not supported: this node has stylusTracer"
                )))
            }
            None => Err(RpcError::invalid_params(
                "traces of opcodes are not supported: name a tracer; this node has stylusTracer",
            )),
        }
    }

    fn show(self, recording: &Recording) -> Result<Box<RawValue>> {
        let json = match self {
            Self::Stylus => recording.to_stylus_json(),
        };
        RawValue::from_string(json)
            .map_err(|error| RpcError::internal(format!("the trace is no JSON: {error}")))
    }
}

/// Characters of an unknown tracer's name that its error repeats.
const NAME_ECHO_MAX: usize = 64;

fn trace_transaction(api: &Api, hash: B256, options: Option<TraceOptions>) -> Result<Box<RawValue>> {
    let tracer = Tracer::find(&options.unwrap_or_default())?;
    tracer.show(&api.chain.trace_transaction(hash)?)
}

fn trace_call(
    api: &Api,
    request: TransactionRequest,
    BlockAt(at): BlockAt,
    options: Option<TraceOptions>,
) -> Result<Box<RawValue>> {
    let options = options.unwrap_or_default();
    let tracer = Tracer::find(&options)?;
    let TraceOptions { state_overrides, block_overrides, .. } = options;
    tracer.show(&api.chain.trace_call(request, at, state_overrides, block_overrides)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(options: &str) -> Result<Tracer> {
        Tracer::find(&serde_json::from_str(options).expect("options"))
    }

    #[test]
    fn tracers_are_known_by_name_and_the_stylus_script_by_its_callback() {
        for options in [
            r#"{"tracer": "stylusTracer"}"#,
            r#"{"tracer": "{\n    \"hostio\": function(info) {} }", "tracerConfig": null, "timeout": "5s"}"#,
        ] {
            assert!(find(options).is_ok(), "{options}");
        }
        for (options, why) in [
            ("{}", "opcodes"),
            (r#"{"tracer": "nopeTracer"}"#, "\"nopeTracer\""),
            (r#"{"tracer": "{step: function() {}}"}"#, "JavaScript"),
            (r#"{"tracer": "\"hostio\""}"#, "not supported"),
        ] {
            let error = find(options).err().expect(options);
            assert!(error.message.contains(why), "{}", error.message);
        }
    }
}
