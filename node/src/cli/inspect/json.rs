//! A report for programs. Keys keep their order.

use lathe_vm::{DeclaredItem, ModuleErrorKind, Violation};
use serde::Serialize;

use super::Inspection;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    accepted: bool,
    refusal: Option<String>,
    module_size: u64,
    creation_size: Option<u64>,
    instantiation_ink: Option<u64>,
    sections: Vec<Section<'a>>,
    functions: Vec<Function<'a>>,
    imports: Vec<Item<'a>>,
    exports: Vec<Item<'a>>,
    proposals: Vec<Proposal<'a>>,
    limits: Vec<Limit>,
    violations: Vec<Entry<'a>>,
    violations_omitted: u64,
    /// Why a module that the rules accept is no contract.
    contract_refusal: Option<&'a str>,
}

#[derive(Serialize)]
struct Section<'a> {
    name: &'a str,
    offset: u64,
    size: u64,
    items: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Function<'a> {
    index: u32,
    name: Option<&'a str>,
    offset: u64,
    size: u64,
    instructions: u64,
    local_slots: u64,
    operands: u32,
    nesting: u32,
    checked: bool,
}

#[derive(Serialize)]
struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
    name: &'a str,
    #[serde(rename = "type")]
    ty: &'a str,
}

#[derive(Serialize)]
struct Proposal<'a> {
    proposal: &'static str,
    allowed: bool,
    uses: u64,
    item: &'a str,
    offset: u64,
    function: Option<u32>,
}

#[derive(Serialize)]
struct Limit {
    limit: &'static str,
    used: Option<u64>,
    allowed: u32,
    offset: u64,
    function: Option<u32>,
}

#[derive(Serialize)]
struct Entry<'a> {
    kind: &'static str,
    function: Option<u32>,
    offset: u64,
    instruction: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'a str>,
    message: String,
}

/// Returns the report as one line of JSON.
pub(super) fn report(inspection: &Inspection) -> String {
    let report = &inspection.report;
    let refusal = inspection.refusal();
    let report = Report {
        accepted: refusal.is_none(),
        refusal,
        module_size: report.bytes,
        creation_size: inspection.creation_bytes,
        instantiation_ink: report.instantiation_ink,
        sections: report
            .sections
            .iter()
            .map(|s| Section { name: &s.name, offset: s.offset, size: s.bytes, items: s.items })
            .collect(),
        functions: report
            .functions
            .iter()
            .map(|f| Function {
                index: f.index,
                name: f.name.as_deref(),
                offset: f.offset,
                size: f.bytes,
                instructions: f.instructions,
                local_slots: f.local_slots,
                operands: f.operands,
                nesting: f.nesting,
                checked: f.checked,
            })
            .collect(),
        imports: report.imports.iter().map(item).collect(),
        exports: report.exports.iter().map(item).collect(),
        proposals: report
            .proposals
            .iter()
            .map(|p| Proposal {
                proposal: p.proposal.name(),
                allowed: p.allowed,
                uses: p.uses,
                item: &p.item,
                offset: p.offset,
                function: p.function,
            })
            .collect(),
        limits: report
            .limits
            .iter()
            .map(|l| Limit {
                limit: l.limit.name(),
                used: l.used,
                allowed: l.allowed,
                offset: l.offset,
                function: l.function,
            })
            .collect(),
        violations: report.violations.iter().map(entry).collect(),
        violations_omitted: report.violations_omitted,
        contract_refusal: inspection.contract.as_deref(),
    };
    serde_json::to_string(&report).expect("the report has only strings as keys")
}

fn item(item: &DeclaredItem) -> Item<'_> {
    Item { module: item.module.as_deref(), name: &item.name, ty: &item.ty }
}

fn entry(violation: &Violation) -> Entry<'_> {
    let error = &violation.error;
    let mut entry = Entry {
        kind: "invalid",
        function: error.function(),
        offset: error.offset(),
        instruction: violation.instruction.as_deref(),
        limit: None,
        max: None,
        actual: None,
        proposal: None,
        item: None,
        message: violation.to_string(),
    };
    match error.kind() {
        ModuleErrorKind::Limit { limit, max, actual } => {
            (entry.kind, entry.limit, entry.max, entry.actual) =
                ("limit", Some(limit.name()), Some(*max), Some(*actual));
        }
        ModuleErrorKind::Proposal { proposal, item } => {
            (entry.kind, entry.proposal, entry.item) =
                ("proposal", Some(proposal.name()), Some(item.as_str()));
        }
        ModuleErrorKind::StartFunction => entry.kind = "startFunction",
        ModuleErrorKind::NotWasm(_) => entry.kind = "notWasm",
        ModuleErrorKind::Invalid(_) => {}
    }
    entry
}
