//! A recording in the shape of geth's `callTracer`: a tree of calls.

use std::{collections::BTreeMap, fmt::Write};

use alloy_primitives::{Log, hex};

use super::{super::failure::revert_reason, Entry, Frame, FrameKind, Recording, Step};

/// What is shown of a tree of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CallTreeOptions {
    /// Whether calls inside the first are left out.
    pub only_top_call: bool,
    /// Whether logs are shown.
    pub with_log: bool,
}

/// A frame whose inner frames are being written.
struct Open {
    index: usize,
    /// Whether a frame was written inside it.
    has_calls: bool,
    /// Whether it failed, or one around it did: its logs are gone.
    failed: bool,
}

impl Recording {
    /// Returns the JSON of `callTracer`.
    pub fn to_call_tree_json(&self, options: CallTreeOptions) -> String {
        let mut json = String::new();
        let log_indexes = if options.with_log { self.log_indexes() } else { BTreeMap::new() };
        let mut open: Vec<Open> = Vec::new();
        for (index, Entry { step, .. }) in self.entries.iter().enumerate() {
            close(&self.entries, index, &mut open, &mut json);
            let Step::Frame(frame) = step else { continue };
            let parent_failed = match open.last_mut() {
                Some(parent) => {
                    json.push_str(if parent.has_calls { "," } else { r#","calls":["# });
                    parent.has_calls = true;
                    parent.failed
                }
                None => false,
            };
            let failed = parent_failed || frame.error.is_some();
            self.begin_call(frame, open.is_empty(), &mut json);
            if options.with_log && !failed {
                self.logs_of(index, options, &log_indexes, &mut json);
            }
            open.push(Open { index, has_calls: false, failed });
            if options.only_top_call {
                break;
            }
        }
        close(&self.entries, self.entries.len(), &mut open, &mut json);
        if json.is_empty() { "{}".into() } else { json }
    }

    /// Writes a frame up to the frames inside it.
    fn begin_call(&self, frame: &Frame, is_first: bool, json: &mut String) {
        // Of the first, geth shows what the transaction was given and used.
        let (gas, gas_used) = match is_first {
            true => (self.outline.gas_limit, self.outline.gas_used),
            false => (frame.gas, frame.gas_used),
        };
        // Writing to a string does not fail.
        let _ = write!(
            json,
            r#"{{"type":"{}","from":"{}","gas":"{gas:#x}","gasUsed":"{gas_used:#x}","#,
            frame.kind.opcode(),
            hex::encode_prefixed(frame.caller),
        );
        if !frame.kind.is_creation() || frame.error.is_none() {
            let _ = write!(json, r#""to":"{}","#, hex::encode_prefixed(frame.address));
        }
        let _ = write!(json, r#""input":"{}""#, hex::encode_prefixed(&frame.input));
        if !frame.output.is_empty() && (frame.error.is_none() || frame.is_reverted()) {
            let _ = write!(json, r#","output":"{}""#, hex::encode_prefixed(&frame.output));
        }
        if let Some(error) = &frame.error {
            let _ = write!(json, r#","error":{}"#, quoted(error));
            if let Some(reason) = revert_reason(&frame.output).or_else(|| frame.reason.clone()) {
                let _ = write!(json, r#","revertReason":{}"#, quoted(&reason));
            }
        }
        if let Some(value) = frame.value {
            let _ = write!(json, r#","value":"{value:#x}""#);
        }
    }

    /// Returns the index in the block of each log that no failure took back, by that of its entry.
    fn log_indexes(&self) -> BTreeMap<usize, u64> {
        let (mut indexes, mut failed_end) = (BTreeMap::new(), 0);
        for (index, Entry { step, end }) in self.entries.iter().enumerate() {
            if index < failed_end {
                continue;
            }
            match step {
                Step::Frame(frame) if frame.error.is_some() => failed_end = *end,
                Step::Log(_) => {
                    indexes.insert(index, self.logs_before + indexes.len() as u64);
                }
                Step::Frame(_) | Step::HostCall(_) => {}
            }
        }
        indexes
    }

    /// Writes the logs of the frame with this index, each with its index in the block and the number of calls before it that
    /// are shown.
    fn logs_of(
        &self,
        index: usize,
        options: CallTreeOptions,
        log_indexes: &BTreeMap<usize, u64>,
        json: &mut String,
    ) {
        let (mut calls, mut logs) = (0, 0);
        for (at, step) in self.inside(index) {
            let log: &Log = match step {
                Step::Log(log) => log,
                Step::Frame(_) => {
                    calls += u64::from(!options.only_top_call);
                    continue;
                }
                Step::HostCall(_) => continue,
            };
            let topics: Vec<_> = log.data.topics().iter().map(|topic| format!(r#""{topic}""#)).collect();
            let Some(block_index) = log_indexes.get(&at) else { continue };
            let _ = write!(
                json,
                r#"{}{{"address":"{}","topics":[{}],"data":"{}","index":"{block_index:#x}","position":"{calls:#x}"}}"#,
                if logs == 0 { r#","logs":["# } else { "," },
                hex::encode_prefixed(log.address),
                topics.join(","),
                log.data.data,
            );
            logs += 1;
        }
        if logs > 0 {
            json.push(']');
        }
    }
}

/// Finishes the frames that end before the entry with this index.
fn close(entries: &[Entry], index: usize, open: &mut Vec<Open>, json: &mut String) {
    while let Some(frame) = open.pop_if(|frame| entries[frame.index].end <= index) {
        json.push_str(if frame.has_calls { "]}" } else { "}" });
    }
}

/// Returns a text as JSON has it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

impl FrameKind {
    /// Returns whether such a frame is a call of a contract.
    pub(super) fn is_call(self) -> bool {
        !self.is_creation() && self != Self::SelfDestruct
    }
}
