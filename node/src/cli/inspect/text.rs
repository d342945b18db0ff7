//! A report for people.

use std::fmt::{Display, Write};

use lathe_vm::{DeclaredItem, FunctionReport, Limit, Limits, Report};

use super::Inspection;
use crate::cli::output::grouped;

/// The functions that are listed unless all are asked for.
const LARGEST_FUNCTIONS: usize = 10;

/// Returns the limits of the devnet for the help, so that it cannot tell others than those that hold.
pub(super) fn limits_help() -> String {
    let mut help = String::from("Limits of the devnet:\n");
    let rows = Limit::ALL.iter().map(|&limit| {
        [limit.name().to_owned(), grouped(Limits::DEVNET.get(limit).into()), limit.noun().to_owned()]
    });
    table(&mut help, rows.collect(), &[Side::Left, Side::Right, Side::Left]);
    help
}

/// Returns the report.
pub(super) fn report(inspection: &Inspection, all: bool) -> String {
    let report = &inspection.report;
    let mut text = format!("module     {} bytes\n", grouped(report.bytes));
    if let Some(creation) = inspection.creation_bytes {
        line(&mut text, format_args!("creation   {} bytes of creation data", grouped(creation)));
    }
    if let Some(ink) = report.instantiation_ink {
        line(&mut text, format_args!("instance   {} ink to make one", grouped(ink)));
    }
    sections(&mut text, report);
    functions(&mut text, &report.functions, all);
    items(&mut text, "imports", &report.imports);
    items(&mut text, "exports", &report.exports);
    proposals(&mut text, report);
    limits(&mut text, report);
    violations(&mut text, inspection);
    text
}

fn line(text: &mut String, line: impl Display) {
    let _ = writeln!(text, "{line}");
}

/// Which side a column is flush with.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// Writes rows with their columns aligned, indented.
fn table<const N: usize>(text: &mut String, rows: Vec<[String; N]>, sides: &[Side; N]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in &rows {
        let mut cells = String::new();
        for ((cell, side), width) in row.iter().zip(sides).zip(widths) {
            let _ = match side {
                Side::Left => write!(cells, "  {cell:width$}"),
                Side::Right => write!(cells, "  {cell:>width$}"),
            };
        }
        line(text, cells.trim_end());
    }
}

fn sections(text: &mut String, report: &Report) {
    line(text, "sections");
    let rows = report.sections.iter().map(|section| {
        let items =
            section.items.map_or_else(String::new, |items| format!("{} items", grouped(items.into())));
        [
            shown(&section.name),
            format!("{} bytes", grouped(section.bytes)),
            format!("at {:#x}", section.offset),
            items,
        ]
    });
    table(text, rows.collect(), &[Side::Left, Side::Right, Side::Left, Side::Right]);
}

fn functions(text: &mut String, functions: &[FunctionReport], all: bool) {
    let count = grouped(functions.len() as u64);
    let mut listed: Vec<_> = functions.iter().collect();
    if all || functions.len() <= LARGEST_FUNCTIONS {
        line(text, format_args!("functions ({count})"));
    } else {
        line(text, format_args!("functions ({count}, the {LARGEST_FUNCTIONS} largest; --all lists all)"));
        listed.sort_by_key(|function| std::cmp::Reverse(function.bytes));
        listed.truncate(LARGEST_FUNCTIONS);
    }
    let rows = listed.iter().map(|function| {
        [
            function.index.to_string(),
            function.name.as_deref().map_or_else(String::new, |name| format!("`{}`", shown(name))),
            format!("{} bytes", grouped(function.bytes)),
            format!("at {:#x}", function.offset),
            format!("{} instructions", grouped(function.instructions)),
            format!("{} slots of locals", grouped(function.local_slots)),
            format!("{} operands", grouped(function.operands.into())),
            if function.checked { String::new() } else { "not checked to its end".into() },
        ]
    });
    use Side::{Left, Right};
    table(text, rows.collect(), &[Right, Left, Right, Left, Right, Right, Right, Left]);
}

fn items(text: &mut String, title: &str, items: &[DeclaredItem]) {
    line(text, title);
    let rows = items.iter().map(|item| {
        let name = match &item.module {
            Some(module) => format!("{}.{}", shown(module), shown(&item.name)),
            None => shown(&item.name),
        };
        [name, shown(&item.ty)]
    });
    table(text, rows.collect(), &[Side::Left, Side::Left]);
}

fn proposals(text: &mut String, report: &Report) {
    line(text, "proposals");
    let rows = report.proposals.iter().map(|used| {
        let function = used.function.map_or_else(String::new, |function| format!(" in function {function}"));
        [
            used.proposal.name().to_owned(),
            if used.allowed { "allowed".into() } else { "REFUSED".to_owned() },
            format!("{} uses", grouped(used.uses)),
            format!("first {} at {:#x}{function}", used.item, used.offset),
        ]
    });
    table(text, rows.collect(), &[Side::Left, Side::Left, Side::Right, Side::Left]);
}

fn limits(text: &mut String, report: &Report) {
    line(text, "limits");
    let rows = report.limits.iter().map(|entry| {
        let passed = entry.used.is_some_and(|used| used > entry.allowed.into());
        let function = entry.function.map_or_else(String::new, |function| format!("in function {function}"));
        [
            entry.limit.name().to_owned(),
            entry.used.map_or_else(|| "a run tells".into(), grouped),
            format!("of {}", grouped(entry.allowed.into())),
            if passed { "PASSED".into() } else { String::new() },
            function,
        ]
    });
    table(text, rows.collect(), &[Side::Left, Side::Right, Side::Left, Side::Left, Side::Left]);
}

fn violations(text: &mut String, inspection: &Inspection) {
    let report = &inspection.report;
    if report.is_accepted() && inspection.contract.is_none() {
        return;
    }
    line(text, "violations");
    for violation in &report.violations {
        line(text, format_args!("  {violation}"));
    }
    if report.violations_omitted > 0 {
        line(text, format_args!("  and {} more", grouped(report.violations_omitted)));
    }
    if let Some(contract) = &inspection.contract {
        line(text, format_args!("  {contract}"));
    }
}

/// Returns text of a module's so that it cannot control a terminal.
fn shown(text: &str) -> String {
    text.escape_debug().to_string()
}
