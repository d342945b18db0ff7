//! How a run ended, for people and for programs.

use std::time::Duration;

use lathe_gas::CostClass;
use lathe_vm::{Engine, Trap, TrapFrame, Value, demangle};
use serde::{Serialize, ser::SerializeMap};

use super::literal;
use crate::cli::output::{grouped, print};

/// How a run ended and what it cost.
pub(super) struct Run {
    pub(super) engine: Engine,
    pub(super) results: Vec<Value>,
    pub(super) trap: Option<Trap>,
    pub(super) gas_used: u64,
    pub(super) ink_used: u64,
    /// Instructions executed, where they are counted instead of priced.
    pub(super) steps: Option<u64>,
    pub(super) statistics: Option<Statistics>,
}

/// What a run did.
pub(super) struct Statistics {
    pub(super) instructions: u64,
    pub(super) ink_by_class: Vec<(CostClass, u64)>,
    pub(super) instantiation_ink: u64,
    pub(super) host_calls: u64,
    /// Pages of memory at the end.
    pub(super) pages: u64,
    pub(super) time: Duration,
}

impl Run {
    /// Writes the results to standard output, the rest to standard error.
    pub(super) fn print(&self) {
        for &result in &self.results {
            print(&format!("{}\n", literal::format(result)));
        }
        let steps = self.steps.map(|steps| format!("  steps {}", grouped(steps))).unwrap_or_default();
        eprintln!("gas used {}  ink used {}{steps}", grouped(self.gas_used), grouped(self.ink_used));
        let Some(statistics) = &self.statistics else { return };
        eprintln!("instructions  {}", grouped(statistics.instructions));
        eprintln!("host calls    {}", grouped(statistics.host_calls));
        eprintln!("pages         {}", grouped(statistics.pages));
        eprintln!("time          {:?} on the engine `{}`, watched", statistics.time, self.engine);
        eprintln!("ink by class, besides {} of instantiation", grouped(statistics.instantiation_ink));
        for &(class, ink) in &statistics.ink_by_class {
            eprintln!("  {:<20}  {:>20}", class.name(), grouped(ink));
        }
    }

    /// Returns all of it as one line of JSON whose keys keep their order.
    pub(super) fn json(&self) -> String {
        let line = Line {
            outcome: if self.trap.is_some() { "trapped" } else { "returned" },
            results: self.results.iter().map(|&value| literal::format(value)).collect(),
            gas_used: self.gas_used,
            ink_used: self.ink_used,
            steps: self.steps,
            engine: self.engine.name(),
            trap: self.trap.as_ref().map(|trap| TrapLine {
                kind: trap.kind.text(),
                message: trap.to_string(),
                backtrace: trap.backtrace.iter().map(frame).collect(),
            }),
            statistics: self.statistics.as_ref().map(|statistics| StatisticsLine {
                instructions: statistics.instructions,
                host_calls: statistics.host_calls,
                pages: statistics.pages,
                time_ns: u64::try_from(statistics.time.as_nanos()).unwrap_or(u64::MAX),
                instantiation_ink: statistics.instantiation_ink,
                ink_by_class: ByClass(&statistics.ink_by_class),
            }),
        };
        serde_json::to_string(&line).expect("the outcome has only strings as keys")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    outcome: &'static str,
    results: Vec<String>,
    gas_used: u64,
    ink_used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    engine: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trap: Option<TrapLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<StatisticsLine<'a>>,
}

#[derive(Serialize)]
struct TrapLine<'a> {
    kind: &'static str,
    message: String,
    backtrace: Vec<FrameLine<'a>>,
}

#[derive(Serialize)]
struct FrameLine<'a> {
    function: u32,
    offset: u32,
    name: Option<String>,
    symbol: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatisticsLine<'a> {
    instructions: u64,
    host_calls: u64,
    pages: u64,
    time_ns: u64,
    instantiation_ink: u64,
    ink_by_class: ByClass<'a>,
}

/// An object by the names of classes, the dearest first.
struct ByClass<'a>(&'a [(CostClass, u64)]);

impl Serialize for ByClass<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (class, ink) in self.0 {
            map.serialize_entry(class.name(), ink)?;
        }
        map.end()
    }
}

fn frame(frame: &TrapFrame) -> FrameLine<'_> {
    let symbol = frame.name.as_deref();
    FrameLine { function: frame.function, offset: frame.offset, name: symbol.map(demangle), symbol }
}
