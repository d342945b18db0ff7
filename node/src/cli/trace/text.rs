//! A trace for people: a line where a frame begins, one for each log, one where the frame ends.

use std::fmt::Write;

use alloy_primitives::{Address, Bytes, U256, utils::format_ether};

use super::artifacts::{Artifacts, Decoded};
use crate::{
    cli::{output::grouped, value::Value},
    runtime::trace::{Shown, ShownEntry, ShownFrame},
};

/// Bytes of a value that is not decoded which are shown.
const BYTES_SHOWN_MAX: usize = 100;
/// Characters of a decoded value which are shown.
const CHARS_SHOWN_MAX: usize = 200;

/// Colours of a terminal; none elsewhere.
#[derive(Debug, Clone, Copy)]
struct Paint {
    colours: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    fn event(self, text: &str) -> String {
        self.with("36", text)
    }

    fn faint(self, text: &str) -> String {
        self.with("2", text)
    }
}

/// A frame whose end is yet to be written.
struct Open<'a> {
    frame: &'a ShownFrame,
    depth: u32,
    decoded: Option<Decoded>,
}

/// Returns a tree of frames and logs.
pub(super) fn tree(entries: &[ShownEntry], artifacts: &Artifacts, colours: bool) -> String {
    let paint = Paint { colours };
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
                        format!("log [{}] {}", topics.join(", "), bytes(data))
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
        _ => format!("{target} {}", bytes(&frame.input)),
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
                    None => bytes(&frame.output),
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
            None => format!("← {}", bytes(&frame.output)),
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

/// Returns values in a list, each with its name if it has one.
pub(super) fn arguments(values: &[(String, Value)]) -> String {
    let shown = values.iter().map(|(name, value)| {
        let value = cut(printable(&value.to_string()));
        if name.is_empty() { value } else { format!("{name}: {value}") }
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn cut(text: String) -> String {
    match text.char_indices().nth(CHARS_SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns text without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn bytes(bytes: &Bytes) -> String {
    match bytes.get(..BYTES_SHOWN_MAX) {
        Some(head) if bytes.len() > BYTES_SHOWN_MAX => {
            format!("0x{}… ({} bytes)", hex::encode(head), bytes.len())
        }
        _ => bytes.to_string(),
    }
}

fn ether(value: U256) -> String {
    // Small amounts are told in the smallest unit.
    if value < U256::from(1_000_000_000) {
        return format!("{value} wei");
    }
    let text = format_ether(value);
    let text = text.trim_end_matches('0');
    format!("{} ether", text.strip_suffix('.').unwrap_or(text))
}
