//! A trace for people: a line where a frame begins, one for each log, one where the frame ends.

use std::fmt::Write;

use alloy_primitives::Address;

use super::artifacts::{Artifacts, Decoded};
use crate::{
    cli::{
        output::grouped,
        shown::{Paint, arguments, bytes, ether, printable},
    },
    runtime::trace::{Shown, ShownEntry, ShownFrame},
};

/// A frame whose end is yet to be written.
struct Open<'a> {
    frame: &'a ShownFrame,
    depth: u32,
    decoded: Option<Decoded>,
}

/// Returns a tree of frames and logs.
pub(in crate::cli) fn tree(entries: &[ShownEntry], artifacts: &Artifacts, paint: Paint) -> String {
    let mut text = String::new();
    let mut open: Vec<Open<'_>> = Vec::new();
    for ShownEntry { depth, what } in entries {
        while let Some(ended) = open.pop_if(|open| open.depth >= *depth) {
            end(&ended, artifacts, paint, &mut text);
        }
        match what {
            Shown::Frame(frame) => {
                let decoded = frame.to.and_then(|to| artifacts.call(to, &frame.input));
                begin(frame, *depth, decoded.as_ref(), artifacts, paint, &mut text);
                open.push(Open { frame, depth: *depth, decoded });
            }
            Shown::Log { address, topics, data } => {
                let event = match artifacts.event(topics, data) {
                    Some(event) => format!("{}({})", event.name, arguments(&event.values)),
                    None => {
                        let topics: Vec<_> = topics.iter().map(ToString::to_string).collect();
                        format!("log [{}] {}", topics.join(", "), bytes(data, data.len()))
                    }
                };
                let from = match open.last().and_then(|open| open.frame.to) {
                    Some(to) if to == *address => String::new(),
                    _ => paint.faint(&format!(" by {}", contract(*address, None, artifacts))),
                };
                // Writing to a string does not fail.
                let _ =
                    writeln!(text, "{}├─ {}{from}", indent(*depth), paint.event(&format!("emit {event}")));
            }
        }
    }
    while let Some(ended) = open.pop() {
        end(&ended, artifacts, paint, &mut text);
    }
    text
}

fn indent(depth: u32) -> String {
    "│  ".repeat(depth.saturating_sub(1) as usize)
}

/// Writes the line with which a frame begins.
fn begin(
    frame: &ShownFrame,
    depth: u32,
    decoded: Option<&Decoded>,
    artifacts: &Artifacts,
    paint: Paint,
    text: &mut String,
) {
    let branch = if depth == 0 { String::new() } else { indent(depth) + "├─ " };
    let what = called(frame, decoded, artifacts);
    let value = frame.value.filter(|value| !value.is_zero() && frame.kind != "DELEGATECALL");
    let value = value.map(|value| format!(" value {}", ether(value))).unwrap_or_default();
    let engine = frame.engine.as_ref().map(|engine| paint.faint(&format!(" ({engine})"))).unwrap_or_default();
    let gas = paint.faint(&format!("[{}]", grouped(frame.gas_used.to())));
    let what = if frame.error.is_some() { paint.bad(&what) } else { paint.good(&what) };
    let _ = writeln!(text, "{branch}{} {gas} {what}{value}{engine}", frame.kind);
}

/// Returns whom a frame called, and what for.
fn called(frame: &ShownFrame, decoded: Option<&Decoded>, artifacts: &Artifacts) -> String {
    let Some(to) = frame.to else { return format!("{} bytes of creation data", frame.input.len()) };
    let target = contract(to, decoded, artifacts);
    match (frame.kind.as_str(), decoded) {
        ("CREATE" | "CREATE2", _) => format!("{target} from {} bytes of creation data", frame.input.len()),
        ("SELFDESTRUCT", _) => format!("everything to {target}"),
        (_, Some(call)) => format!("{target}::{}({})", call.name, arguments(&call.values)),
        _ if frame.input.is_empty() => target,
        _ => format!("{target} {}", bytes(&frame.input, frame.input.len())),
    }
}

/// Writes the line with which a frame ends.
fn end(open: &Open<'_>, artifacts: &Artifacts, paint: Paint, text: &mut String) {
    let Open { frame, depth, decoded } = open;
    if frame.kind == "SELFDESTRUCT" {
        return;
    }
    let line = match &frame.error {
        Some(error) => {
            let reason = match artifacts.error(&frame.output) {
                // A reason is text, which says more than its encoding.
                Some(_) if frame.reason.is_some() => frame.reason.clone().unwrap_or_default(),
                Some(error) => format!("{}({})", error.name, arguments(&error.values)),
                None => match &frame.reason {
                    Some(reason) => reason.clone(),
                    None if frame.output.is_empty() => String::new(),
                    None => bytes(&frame.output, frame.output.len()),
                },
            };
            let colon = if reason.is_empty() { "" } else { ": " };
            paint.bad(&format!("✗ {error}{colon}{}", printable(&reason)))
        }
        None if frame.kind.starts_with("CREATE") => format!("← {} bytes of code", frame.output.len()),
        None => match decoded.as_ref().and_then(|call| call.output(&frame.output)) {
            Some(values) if values.is_empty() => "←".into(),
            Some(values) => format!("← {}", arguments(&values)),
            None if frame.output.is_empty() => "←".into(),
            None => format!("← {}", bytes(&frame.output, frame.output.len())),
        },
    };
    let _ = writeln!(text, "{}└─ {line}", indent(depth + 1));
}

/// Returns a contract's address, and its name if there is one.
fn contract(address: Address, decoded: Option<&Decoded>, artifacts: &Artifacts) -> String {
    let guess = || decoded.and_then(|call| call.contract.as_deref());
    match artifacts.contract(address).or_else(guess) {
        Some(name) => format!("{address} {name}"),
        None => address.to_string(),
    }
}
