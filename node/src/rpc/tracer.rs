//! Tracers by name: what each wants to have recorded of an execution, and the shape in which it shows the recording.

use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::{BlockOverrides, state::StateOverride};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::RpcError;
use crate::{
    runtime::trace::{
        CallTreeOptions, Capture, FlatTrace, Recording, StateDiffOptions, StructLogOptions, StylusOptions,
        WasmStepOptions,
    },
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

/// How to trace, in geth's shape. What is not named here means nothing to this node's tracers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceOptions {
    /// The tracer's name, or the text of one in JavaScript; without one, the instructions of EVM frames are shown.
    tracer: Option<String>,
    /// What the tracer is told.
    tracer_config: Option<Box<RawValue>>,
    /// How many instructions are shown; none and zero are all.
    limit: Option<u64>,
    /// Whether memory is shown with each instruction.
    enable_memory: Option<bool>,
    /// Whether the stack is not.
    disable_stack: Option<bool>,
    /// Whether storage is not.
    disable_storage: Option<bool>,
    /// Whether it is shown what the last call returned.
    enable_return_data: Option<bool>,
    /// Accounts as a traced call shall see them.
    pub(super) state_overrides: Option<StateOverride>,
    /// The block as a traced call shall see it.
    pub(super) block_overrides: Option<Box<BlockOverrides>>,
}

/// A tracer, with what it was told.
#[derive(Debug, PartialEq)]
pub(super) enum Tracer {
    /// The instructions of EVM frames: geth's default.
    StructLogs(StructLogOptions),
    /// A tree of calls.
    CallTree(CallTreeOptions),
    /// A list of calls, in Parity's shape.
    Flat,
    /// Which functions were called.
    FourByte,
    /// Accounts and slots before and after.
    State(StateDiffOptions),
    /// Frames and logs in order, as `lathe trace` reads them.
    Entries,
    /// Nothing.
    Noop,
    /// Several at once, by name.
    Mux(Vec<(String, Self)>),
    /// Host calls, as cargo-stylus reads them.
    Stylus(StylusOptions),
    /// The instructions of Wasm frames.
    WasmSteps(WasmStepOptions),
}

/// The tracers there are, for errors.
const NAMES: &str = "callTracer, prestateTracer, 4byteTracer, flatCallTracer, noopTracer, muxTracer, stylusTracer, wasmTracer, latheTracer and, \
                     without a name, the instructions of EVM frames";
/// Characters of an unknown tracer's name that its error repeats.
const NAME_ECHO_MAX: usize = 64;

/// The place of a transaction, which lists of calls repeat.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    pub(super) block_hash: B256,
    pub(super) block_number: u64,
    pub(super) transaction_hash: B256,
    pub(super) transaction_position: usize,
}

/// A call of a list, with the place of its transaction.
#[derive(Debug, Serialize)]
pub(super) struct PlacedTrace {
    #[serde(flatten)]
    pub(super) trace: FlatTrace,
    #[serde(flatten)]
    pub(super) place: Option<Place>,
}

impl Tracer {
    /// Returns the tracer that the options name.
    pub(super) fn find(options: &TraceOptions) -> Result<Self> {
        match options.tracer.as_deref() {
            // cargo-stylus sends a tracer in JavaScript that does what `stylusTracer` does. Nothing here runs
            // JavaScript; the callback that only Stylus nodes know tells it from others.
            Some(script) if script.trim_start().starts_with('{') => {
                if script.contains("\"hostio\"") {
                    return Ok(Self::Stylus(StylusOptions { only_stylus: true }));
                }
                Err(RpcError::invalid_params(format!(
                    "tracers in JavaScript are not supported: this node has {NAMES}"
                )))
            }
            Some(name) => Self::named(name, options.tracer_config.as_deref()),
            None => Ok(Self::StructLogs(StructLogOptions {
                limit: options.limit.filter(|limit| *limit > 0),
                memory: options.enable_memory.unwrap_or_default(),
                no_stack: options.disable_stack.unwrap_or_default(),
                no_storage: options.disable_storage.unwrap_or_default(),
                return_data: options.enable_return_data.unwrap_or_default(),
            })),
        }
    }

    fn named(name: &str, config: Option<&RawValue>) -> Result<Self> {
        match name {
            "callTracer" => Ok(Self::CallTree(read(name, config)?)),
            "flatCallTracer" => Ok(Self::Flat),
            "4byteTracer" => Ok(Self::FourByte),
            "prestateTracer" => {
                let options: StateDiffOptions = read(name, config)?;
                if options.diff_mode && options.include_empty {
                    return Err(RpcError::invalid_params("cannot use diffMode with includeEmpty"));
                }
                Ok(Self::State(options))
            }
            "latheTracer" => Ok(Self::Entries),
            "noopTracer" => Ok(Self::Noop),
            "stylusTracer" => Ok(Self::Stylus(read(name, config)?)),
            "wasmTracer" => Ok(Self::WasmSteps(read(name, config)?)),
            "muxTracer" => {
                let configs: std::collections::BTreeMap<String, Box<RawValue>> = read(name, config)?;
                let tracer = |(name, config): (String, Box<RawValue>)| {
                    if name == "muxTracer" {
                        return Err(RpcError::invalid_params("muxTracer cannot be one of its own tracers"));
                    }
                    let tracer = Self::named(&name, Some(&config))?;
                    Ok((name, tracer))
                };
                configs.into_iter().map(tracer).collect::<Result<_>>().map(Self::Mux)
            }
            name => {
                let name: String = name.chars().take(NAME_ECHO_MAX).collect();
                Err(RpcError::invalid_params(format!(
                    "tracer {name:?} is not supported: this node has {NAMES}"
                )))
            }
        }
    }

    /// Returns what must be recorded.
    pub(super) fn capture(&self) -> Capture {
        let mut capture = Capture::default();
        match self {
            Self::StructLogs(options) => capture.struct_logs = Some(options.clone()),
            Self::CallTree(_) | Self::Flat | Self::FourByte | Self::Entries => capture.data = true,
            Self::State(_) => capture.state = true,
            Self::Noop => {}
            Self::Stylus(_) => capture.host_calls = true,
            Self::WasmSteps(options) => capture.wasm_steps = Some(options.clone()),
            Self::Mux(tracers) => {
                for (_, tracer) in tracers {
                    let one = tracer.capture();
                    capture.data |= one.data;
                    capture.host_calls |= one.host_calls;
                    capture.state |= one.state;
                    capture.wasm_steps = capture.wasm_steps.or(one.wasm_steps);
                }
            }
        }
        capture
    }

    /// Returns the recording in this tracer's shape.
    pub(super) fn show(&self, recording: &Recording, place: Option<Place>) -> Result<Box<RawValue>> {
        let missing = || RpcError::internal("what the tracer shows was not recorded");
        let json = match self {
            Self::StructLogs(_) => recording.to_struct_logs_json().ok_or_else(missing)?,
            Self::CallTree(options) => recording.to_call_tree_json(*options),
            Self::Flat => return raw(&placed(recording, place)),
            Self::FourByte => return raw(&recording.four_bytes()),
            Self::Entries => return raw(&recording.to_entries()),
            Self::State(options) => recording.to_state_json(*options).ok_or_else(missing)?,
            Self::Noop => "{}".into(),
            Self::Stylus(options) => recording.to_stylus_json(*options),
            Self::WasmSteps(_) => recording.to_wasm_steps_json().ok_or_else(missing)?,
            Self::Mux(tracers) => {
                let show =
                    |(name, tracer): &(String, Self)| Ok((name.clone(), tracer.show(recording, place)?));
                let shown = tracers.iter().map(show).collect::<Result<std::collections::BTreeMap<_, _>>>()?;
                return raw(&shown);
            }
        };
        RawValue::from_string(json)
            .map_err(|error| RpcError::internal(format!("the trace is no JSON: {error}")))
    }
}

/// Returns the list of a recording's calls.
pub(super) fn placed(recording: &Recording, place: Option<Place>) -> Vec<PlacedTrace> {
    recording.to_flat().into_iter().map(|trace| PlacedTrace { trace, place }).collect()
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(value)
        .map_err(|error| RpcError::internal(format!("the trace is no JSON: {error}")))
}

/// Reads what a tracer is told; nothing is the default.
fn read<T: DeserializeOwned + Default>(name: &str, config: Option<&RawValue>) -> Result<T> {
    let text = config.map_or("null", RawValue::get);
    serde_json::from_str::<Option<T>>(text).map(Option::unwrap_or_default).map_err(|error| {
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or_default().to_owned();
        RpcError::invalid_params(format!("tracerConfig of {name}: {why}"))
    })
}

/// The result of one transaction among those of a block.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TxTrace {
    pub(super) tx_hash: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

schemas! {
    PlacedTrace => "CallTrace";
    TxTrace => "TransactionTrace";
}

/// What `trace_filter` looks for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TraceFilter {
    pub(super) from_block: Option<alloy_eips::BlockNumberOrTag>,
    pub(super) to_block: Option<alloy_eips::BlockNumberOrTag>,
    pub(super) from_address: Vec<alloy_primitives::Address>,
    pub(super) to_address: Vec<alloy_primitives::Address>,
    pub(super) after: Option<Number>,
    pub(super) count: Option<Number>,
}

/// A number that clients send as such or in hex.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Plain(usize),
    Hex(U64),
}

impl Number {
    pub(super) fn get(self) -> usize {
        match self {
            Self::Plain(number) => number,
            Self::Hex(number) => usize::try_from(number.to::<u64>()).unwrap_or(usize::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(options: &str) -> Result<Tracer> {
        Tracer::find(&serde_json::from_str(options).expect("options"))
    }

    #[test]
    fn tracers_are_known_by_name_and_the_stylus_script_by_its_callback() {
        for (options, only_stylus) in [
            (r#"{"tracer": "stylusTracer"}"#, false),
            (r#"{"tracer": "stylusTracer", "tracerConfig": {"onlyStylus": true}}"#, true),
            (
                r#"{"tracer": "{\n    \"hostio\": function(info) {} }", "tracerConfig": null, "timeout": "5s"}"#,
                true,
            ),
        ] {
            let expected = Tracer::Stylus(StylusOptions { only_stylus });
            assert_eq!(find(options).ok(), Some(expected), "{options}");
        }
        for (options, why) in [
            (r#"{"tracer": "nopeTracer"}"#, "\"nopeTracer\""),
            (r#"{"tracer": "{step: function() {}}"}"#, "JavaScript"),
            (r#"{"tracer": "\"hostio\""}"#, "not supported"),
            (
                r#"{"tracer": "callTracer", "tracerConfig": {"withLog": 7}}"#,
                "tracerConfig of callTracer: invalid type: integer `7`, expected a boolean",
            ),
            (
                r#"{"tracer": "prestateTracer", "tracerConfig": {"diffMode": true, "includeEmpty": true}}"#,
                "diffMode with includeEmpty",
            ),
            (r#"{"tracer": "muxTracer", "tracerConfig": {"muxTracer": {}}}"#, "one of its own"),
            (r#"{"tracer": "muxTracer", "tracerConfig": {"x": {}}}"#, "\"x\" is not supported"),
        ] {
            let error = find(options).expect_err(options);
            assert!(error.message.contains(why), "{}", error.message);
        }
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        for (options, limit) in [("{}", None), (r#"{"limit": 0}"#, None), (r#"{"limit": 5}"#, Some(5))] {
            let expected = StructLogOptions { limit, ..StructLogOptions::default() };
            assert_eq!(find(options).ok(), Some(Tracer::StructLogs(expected)), "{options}");
        }
    }
}
