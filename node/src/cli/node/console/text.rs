//! The console for people: a few lines for a transaction, one for a block.

use std::fmt::Write;

use alloy_primitives::{Address, utils::format_units};

use super::view::{CallView, Data, Kind, LogView, Named, Party, TransactionView, View};
use crate::{
    cli::{
        output::grouped,
        shown::{Paint, arguments, bytes, ether, printable},
    },
    runtime::ConsoleLine,
};

/// What a line under another begins with, before its label.
const INDENT: &str = "  ";
/// The width of labels, so that what they label stands in one column.
const LABEL_WIDTH: usize = 7;

/// Errors whose reason is in words already.
const REASONS: [&str; 2] = ["Error", "Panic"];

/// Adds the lines of a view.
pub(super) fn write(view: &View, paint: Paint, lines: &mut String) {
    // Writing to a string does not fail.
    let _ = match view {
        View::Transaction(transaction) => {
            write_transaction(transaction, paint, lines);
            Ok(())
        }
        View::Block { number, hash, transactions, gas_used, base_fee, .. } => {
            let transactions = match transactions {
                0 => "empty".into(),
                1 => "1 transaction".into(),
                count => format!("{} transactions", grouped(*count as u64)),
            };
            let gas = if *gas_used == 0 { String::new() } else { format!(", {} gas", grouped(*gas_used)) };
            let head = format!("Block {number}: {transactions}{gas}, base fee {}", gwei(*base_fee));
            writeln!(lines, "{head}{}", paint.faint(&format!(", {hash}")))
        }
        View::EmptyBlocks { first, last, hash, base_fee, .. } => {
            let head = match first == last {
                true => format!("Block {last}: empty"),
                false => format!("Blocks {first} to {last}: empty"),
            };
            writeln!(lines, "{head}, base fee {}{}", gwei(*base_fee), paint.faint(&format!(", {hash}")))
        }
        View::WentBack { number } => writeln!(lines, "Went back to block {number}"),
        View::Call(call) => {
            write_call(call, paint, lines);
            Ok(())
        }
        View::Trace { hash, tree, .. } => {
            let whose = hash.map_or_else(|| "a call".into(), |hash| hash.to_string());
            writeln!(lines, "{}\n{}", paint.faint(&format!("Trace of {whose}")), tree.trim_end())
        }
        View::Refused { hash, error } => {
            let hash = hash.map(|hash| format!(" {hash}")).unwrap_or_default();
            let head = paint.bad(&format!("Refused transaction{hash}:"));
            writeln!(lines, "{head} {}", indented(error))
        }
        View::Request { method } => writeln!(lines, "{}", paint.faint(&printable(method))),
        View::RequestFailed { method, error } => {
            writeln!(lines, "{} {}", paint.bad(&format!("{} failed:", printable(method))), indented(error))
        }
        View::Missed { count } => {
            let lost =
                format!("{} events are not shown: they came faster than they were read", grouped(*count));
            writeln!(lines, "{}", paint.bad(&lost))
        }
    };
}

fn write_transaction(transaction: &TransactionView, paint: Paint, lines: &mut String) {
    let TransactionView { kind, to, created, value, call, input, error, revert, .. } = transaction;
    let what = match (kind, created) {
        (Kind::DeployEvm | Kind::DeployWasm, created) => {
            let engine = if *kind == Kind::DeployWasm { "Wasm" } else { "EVM" };
            let created = created.as_ref().map(|created| format!(" {}", party(created))).unwrap_or_default();
            format!("Deploy{created}, {engine}, {} bytes of creation data", grouped(input.bytes as u64))
        }
        (Kind::Transfer, _) => format!("Transfer to {}", to.as_ref().map(party).unwrap_or_default()),
        (Kind::Call, _) => format!("Call {}", called(to.as_ref(), call.as_ref(), input)),
    };
    let what = if error.is_some() { paint.bad(&what) } else { paint.good(&what) };
    let value = if value.is_zero() { String::new() } else { format!(", {}", ether(*value)) };
    // Writing to a string does not fail.
    let _ = writeln!(lines, "{what}{value}");
    label("tx", &transaction.hash.to_string(), paint, lines);
    label("from", &party(&transaction.from), paint, lines);
    let gas = format!("{} of {}", grouped(transaction.gas_used), grouped(transaction.gas_limit));
    label("gas", &gas, paint, lines);
    let own = to.as_ref().or(created.as_ref()).map(|to| to.address);
    for log in &transaction.logs {
        label("event", &paint.event(&event(log, own)), paint, lines);
    }
    if transaction.logs_omitted > 0 {
        label("event", &format!("and {} more", grouped(transaction.logs_omitted as u64)), paint, lines);
    }
    write_printed(&transaction.printed, transaction.printed_omitted, own, paint, lines);
    if let Some(error) = error {
        label("failed", &paint.bad(&reason(error, revert.as_ref())), paint, lines);
    }
}

fn write_call(call: &CallView, paint: Paint, lines: &mut String) {
    let to = call.to.as_ref();
    let what = format!("{} {}", call.method, called(to, call.call.as_ref(), &call.input));
    // Writing to a string does not fail.
    let _ = match &call.error {
        Some(error) => {
            let reason = reason(error, call.revert.as_ref());
            writeln!(lines, "{} {reason}", paint.bad(&format!("{what} failed:")))
        }
        None => writeln!(lines, "{what}"),
    };
    write_printed(&call.printed, call.printed_omitted, to.map(|to| to.address), paint, lines);
}

/// Adds what contracts printed, with the contract where it is not `own`.
fn write_printed(
    printed: &[ConsoleLine],
    omitted: u64,
    own: Option<Address>,
    paint: Paint,
    lines: &mut String,
) {
    for ConsoleLine { contract, text } in printed {
        let by = if Some(*contract) == own { String::new() } else { paint.faint(&format!(" by {contract}")) };
        label("print", &format!("{}{by}", indented(text)), paint, lines);
    }
    if omitted > 0 {
        label("print", &format!("and {} more lines", grouped(omitted)), paint, lines);
    }
}

fn label(label: &str, text: &str, paint: Paint, lines: &mut String) {
    // Writing to a string does not fail.
    let _ = writeln!(lines, "{INDENT}{}{text}", paint.faint(&format!("{label:LABEL_WIDTH$}")));
}

/// Returns text without what a terminal would obey, its lines in the column of the first: none looks like one of the console's.
fn indented(text: &str) -> String {
    let column = INDENT.len() + LABEL_WIDTH;
    let lines: Vec<_> = text.trim_end().split('\n').map(printable).collect();
    lines.join(&format!("\n{:column$}", ""))
}

fn party(party: &Party) -> String {
    match &party.name {
        Some(name) => format!("{} ({})", party.address, printable(name)),
        None => party.address.to_string(),
    }
}

/// Returns whom a call is to, and what for.
fn called(to: Option<&Party>, call: Option<&Named>, input: &Data) -> String {
    let Some(to) = to else { return format!("of {} bytes of creation data", grouped(input.bytes as u64)) };
    let Some(Named(call)) = call else {
        return match input.bytes {
            0 => party(to),
            _ => format!("{} {}", party(to), bytes(&input.hex, input.bytes)),
        };
    };
    // A name that only the function tells is a guess, which is as good as any.
    let name = to.name.as_deref().or(call.contract.as_deref()).map(printable);
    let name = name.map(|name| format!(" {name}::")).unwrap_or_else(|| " ".into());
    format!("{}{name}{}({})", to.address, call.name, arguments(&call.values))
}

fn event(log: &LogView, own: Option<Address>) -> String {
    let what = match &log.decoded {
        Some(Named(event)) => format!("{}({})", event.name, arguments(&event.values)),
        None => {
            let topics: Vec<_> = log.topics.iter().map(ToString::to_string).collect();
            format!("log [{}] {}", topics.join(", "), bytes(&log.data.hex, log.data.bytes))
        }
    };
    if own == Some(log.contract.address) { what } else { format!("{what} by {}", party(&log.contract)) }
}

/// Returns why something failed: the contract's own error if it is known, else what the node says.
fn reason(error: &str, revert: Option<&Named>) -> String {
    match revert {
        Some(Named(revert)) if !REASONS.contains(&revert.name.as_str()) => {
            format!("{}({})", revert.name, arguments(&revert.values))
        }
        _ => indented(error),
    }
}

fn gwei(wei: u64) -> String {
    let text = format_units(wei, "gwei").unwrap_or_else(|_| wei.to_string());
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} gwei")
}
