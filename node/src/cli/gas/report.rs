//! A gas profile as a table, as folded stacks and as a flame graph.

use std::{collections::HashMap, fmt::Write};

use alloy_primitives::hex;
use inferno::flamegraph;

use crate::{
    cli::{error::CliError, output::grouped, trace::artifacts::Artifacts},
    runtime::trace::{Profile, ProfileKind, ProfileNode},
};

/// A row of the table: all nodes of one name.
#[derive(Debug, Default)]
struct Row {
    ink: i64,
    inclusive: i64,
    calls: u64,
}

/// Gives frames the names of the functions that were called.
pub(super) fn name_frames(profile: &mut Profile, artifacts: &Artifacts) {
    for node in profile.nodes.iter_mut().filter(|node| node.kind == ProfileKind::Frame) {
        let mut words = node.name.split(' ');
        let (Some(kind), Some(address)) = (words.next(), words.next()) else { continue };
        let Ok(address) = address.parse() else { continue };
        let selector = words.next().and_then(|word| hex::decode_to_array::<_, 4>(word).ok());
        let function = selector.and_then(|selector| artifacts.function_name(address, selector));
        let name = function.or_else(|| artifacts.contract(address).map(str::to_owned));
        if let Some(name) = name {
            node.name = format!("{kind} {address} {name}");
        }
    }
}

/// Returns the table: what took most itself first.
pub(super) fn table(profile: &Profile, rows_max: usize) -> String {
    let inclusive = inclusive(profile);
    let mut rows: HashMap<(&str, &str), Row> = HashMap::new();
    for (index, node) in profile.nodes.iter().enumerate() {
        if node.kind == ProfileKind::Root {
            continue;
        }
        let row = rows.entry((kind(node.kind), &node.name)).or_default();
        row.ink += node.ink;
        row.calls += node.calls;
        // What is inside a node of the same row is counted there; a function may be called as its frame is.
        let same_row = |outer: &ProfileNode| {
            outer.kind != ProfileKind::Root && outer.name == node.name && kind(outer.kind) == kind(node.kind)
        };
        if !ancestors(profile, index).any(same_row) {
            row.inclusive += inclusive[index];
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|(a_name, a), (b_name, b)| (b.ink, b.inclusive, a_name).cmp(&(a.ink, a.inclusive, b_name)));
    let total = i64::try_from(profile.gas_used).unwrap_or(i64::MAX).saturating_mul(ink_per_gas(profile));
    let mut text = format!("gas used {}\n\n", grouped(profile.gas_used));
    // Writing to a string does not fail.
    let _ = writeln!(text, "{:>22} {:>6} {:>22} {:>6} {:>9}  what", "self", "%", "inclusive", "%", "times");
    let more = rows.len().saturating_sub(rows_max);
    let rest: i64 = rows.iter().skip(rows_max).map(|(_, row)| row.ink).sum();
    for ((kind, name), row) in rows.into_iter().take(rows_max) {
        let _ = writeln!(
            text,
            "{:>22} {:>6} {:>22} {:>6} {:>9}  {kind}{name}",
            gas(row.ink, profile),
            share(row.ink, total),
            gas(row.inclusive, profile),
            share(row.inclusive, total),
            grouped(row.calls),
        );
    }
    if more > 0 {
        let _ = writeln!(
            text,
            "{:>22} {:>6} {:>22} {:>6} {:>9}  and {more} more; --rows shows more",
            gas(rest, profile),
            share(rest, total),
            "",
            "",
            ""
        );
    }
    let _ =
        writeln!(text, "{:>22} {:>6} {:>22} {:>6} {:>9}  total", gas(total, profile), "100.0", "", "", "");
    if profile.truncated {
        text.push_str(
            "\nthere were too many stacks to tell all apart: what runs deepest counts with its callers\n",
        );
    }
    text
}

/// Returns a line for each stack: names from the outermost on, and the ink that the last one took itself.
pub(super) fn folded(profile: &Profile) -> String {
    let mut text = String::new();
    for (index, node) in profile.nodes.iter().enumerate().filter(|(_, node)| node.ink != 0) {
        let mut names: Vec<_> = ancestors(profile, index).map(frame_name).collect();
        names.reverse();
        names.push(frame_name(node));
        let _ = writeln!(text, "{} {}", names.join(";"), node.ink);
    }
    text
}

/// Returns a flame graph. It has no refunds, which are less than nothing.
pub(super) fn flame_graph(profile: &Profile) -> Result<String, CliError> {
    let folded = folded(profile);
    let positive =
        folded.lines().filter(|line| !line.rsplit(' ').next().is_some_and(|ink| ink.starts_with('-')));
    let mut options = flamegraph::Options::default();
    options.title = format!("{} gas", grouped(profile.gas_used));
    options.count_name = "ink".into();
    options.deterministic = true;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, positive, &mut svg)
        .map_err(|error| CliError::Output(format!("the flame graph: {error}")))?;
    Ok(String::from_utf8_lossy(&svg).into_owned())
}

/// Returns a node's name as a line of stacks can hold it.
fn frame_name(node: &ProfileNode) -> String {
    node.name.replace(';', ":").replace(['\n', '\r'], " ")
}

/// Returns the nodes around one, the innermost first.
fn ancestors(profile: &Profile, index: usize) -> impl Iterator<Item = &ProfileNode> {
    let parent = |index: usize| profile.nodes[index].parent.map(|parent| parent as usize);
    std::iter::successors(parent(index), move |index| parent(*index)).map(|index| &profile.nodes[index])
}

/// Returns for each node its ink with that of all nodes inside it.
fn inclusive(profile: &Profile) -> Vec<i64> {
    let mut ink: Vec<i64> = profile.nodes.iter().map(|node| node.ink).collect();
    // Parents stand before their children.
    for index in (1..ink.len()).rev() {
        if let Some(parent) = profile.nodes[index].parent {
            ink[parent as usize] += ink[index];
        }
    }
    ink
}

fn kind(kind: ProfileKind) -> &'static str {
    match kind {
        ProfileKind::HostCall => "host ",
        ProfileKind::Opcode => "EVM ",
        ProfileKind::Cost => "cost: ",
        _ => "",
    }
}

fn ink_per_gas(profile: &Profile) -> i64 {
    i64::try_from(profile.ink_per_gas).unwrap_or(i64::MAX).max(1)
}

/// Returns ink as gas, to the last ink.
fn gas(ink: i64, profile: &Profile) -> String {
    let unit = ink_per_gas(profile);
    let digits = usize::try_from(unit.ilog10()).unwrap_or_default();
    let sign = if ink < 0 { "-" } else { "" };
    let ink = ink.unsigned_abs();
    let unit = unit.unsigned_abs();
    format!("{sign}{}.{:0digits$}", grouped(ink / unit), ink % unit)
}

/// Returns a share in percent.
fn share(ink: i64, total: i64) -> String {
    let permille = i128::from(ink) * 1000 / i128::from(total.max(1));
    let sign = if permille < 0 { "-" } else { "" };
    format!("{sign}{}.{}", permille.unsigned_abs() / 10, permille.unsigned_abs() % 10)
}
