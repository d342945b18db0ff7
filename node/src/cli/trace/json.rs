//! A trace for programs: frames and logs as the node has them, with names and decoded values beside.

use serde_json::{Map, Value as Json, json};

use super::artifacts::{Artifacts, Decoded};
use crate::{
    cli::value::Value,
    runtime::trace::{Shown, ShownEntry, ShownFrame},
};

/// Returns the entries as JSON.
pub(in crate::cli) fn entries(entries: &[ShownEntry], artifacts: &Artifacts) -> Json {
    entries.iter().map(|entry| one(entry, artifacts)).collect()
}

fn one(entry: &ShownEntry, artifacts: &Artifacts) -> Json {
    let mut json = serde_json::to_value(entry).expect("an entry is JSON");
    let Json::Object(members) = &mut json else { return json };
    match &entry.what {
        Shown::Frame(frame) => frame_names(frame, artifacts, members),
        Shown::Log { topics, data, .. } => {
            if let Some(event) = artifacts.event(topics, data) {
                members.insert("event".into(), decoded(&event));
            }
        }
    }
    json
}

fn frame_names(frame: &ShownFrame, artifacts: &Artifacts, members: &mut Map<String, Json>) {
    let Some(to) = frame.to else { return };
    if let Some(name) = artifacts.contract(to) {
        members.insert("contract".into(), json!(name));
    }
    if let Some(call) = artifacts.call(to, &frame.input) {
        members.insert("call".into(), decoded(&call));
        if frame.error.is_none()
            && let Some(values) = call.output(&frame.output)
        {
            members.insert("returned".into(), list(&values));
        }
    }
    if frame.error.is_some()
        && let Some(error) = artifacts.error(&frame.output)
    {
        members.insert("revert".into(), decoded(&error));
    }
}

fn decoded(decoded: &Decoded) -> Json {
    json!({"contract": decoded.contract, "name": decoded.name, "values": list(&decoded.values)})
}

fn list(values: &[(String, Value)]) -> Json {
    values.iter().map(|(name, value)| json!({"name": name, "value": value.to_json()})).collect()
}
