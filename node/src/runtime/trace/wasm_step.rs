//! The instructions of Wasm frames, as `wasmTracer` shows them: where each stands, what it is, the ink left before it.
//!
//! They are written as they execute, up to a limit; what comes after is counted. So a trace of any length takes bounded
//! memory, and the next part of it is one call with a larger `skip` away.

use std::{collections::HashMap, fmt::Write};

use alloy_primitives::{Address, hex};
use lathe_vm::{Module, Step, demangle};

use super::{Recording, STEPS_BYTES_MAX};

/// Steps shown where nothing else is asked for: what an editor still opens.
const LIMIT_DEFAULT: u64 = 10_000;

/// Which steps to show.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WasmStepOptions {
    /// How many.
    pub limit: u64,
    /// How many to leave out before them.
    pub skip: u64,
}

impl Default for WasmStepOptions {
    fn default() -> Self {
        Self { limit: LIMIT_DEFAULT, skip: 0 }
    }
}

/// Steps being written.
#[derive(Debug)]
pub(super) struct WasmSteps {
    options: WasmStepOptions,
    text: String,
    /// How many have executed.
    total: u64,
    shown: u64,
    /// The contracts of the open frames.
    frames: Vec<Address>,
    /// Names of functions already shown, in JSON.
    names: HashMap<(Address, u32), String>,
}

impl WasmSteps {
    pub(super) fn new(options: WasmStepOptions) -> Self {
        let (frames, names) = Default::default();
        Self { options, text: String::new(), total: 0, shown: 0, frames, names }
    }

    pub(super) fn begin_frame(&mut self, address: Address) {
        self.frames.push(address);
    }

    pub(super) fn created(&mut self, address: Address) {
        if let Some(frame) = self.frames.last_mut() {
            *frame = address;
        }
    }

    pub(super) fn end_frame(&mut self) {
        self.frames.pop();
    }

    pub(super) fn instruction(&mut self, module: &Module, step: &Step) {
        self.total += 1;
        let is_wanted = self.total > self.options.skip && self.shown < self.options.limit;
        if !is_wanted || self.text.len() > STEPS_BYTES_MAX {
            return;
        }
        let Some(&address) = self.frames.last() else { return };
        let name = self.names.entry((address, step.function)).or_insert_with(|| {
            let name = module.function_name(step.function);
            name.map_or_else(String::new, |name| {
                let text = demangle(name).to_string();
                format!(r#","name":{}"#, serde_json::Value::String(text))
            })
        });
        let separator = if self.shown == 0 { "" } else { "," };
        let _ = write!(
            self.text,
            r#"{separator}{{"depth":{},"address":"{}","function":{}{name},"functionDepth":{},"offset":{},"op":"{}","inkLeft":{}}}"#,
            self.frames.len(),
            hex::encode_prefixed(address),
            step.function,
            step.depth,
            step.offset,
            step.instruction.name(),
            step.ink_left,
        );
        self.shown += 1;
    }

    /// Returns the steps as members of a JSON object.
    pub(super) fn finish(self) -> String {
        let Self { text, total, shown, options, .. } = self;
        let truncated = total.saturating_sub(options.skip) > shown;
        format!(r#""steps":[{text}],"stepsTotal":{total},"truncated":{truncated}"#)
    }
}

impl Recording {
    /// Returns the JSON of `wasmTracer`, if the steps were captured.
    pub fn to_wasm_steps_json(&self) -> Option<String> {
        let steps = self.wasm_steps.as_ref()?;
        Some(format!("{{{},{steps}}}", self.outline_json()))
    }

    /// Returns what geth shows of an execution beside its steps, as members of a JSON object.
    pub(super) fn outline_json(&self) -> String {
        let outline = &self.outline;
        format!(
            r#""gas":{},"failed":{},"returnValue":"{}""#,
            outline.gas_used,
            outline.failed,
            hex::encode_prefixed(&outline.output)
        )
    }
}
