//! The families of numbers that the node serves, one row each: what Prometheus reads and what `METRICS.md` lists.
//!
//! Names begin with `lathe_` and end with their unit, counters with `_total`.

use std::{fmt::Write, sync::Arc};

use lathe_state::Measure;

use crate::{
    chain::{Block, Chain, Counters},
    runtime::ProgramCacheCounts,
};

/// What a family's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows, from zero at the start of the process.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How many calls took how long.
    Histogram,
}

impl Kind {
    /// Returns the word for it in the exposition.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A family of numbers.
#[derive(Debug)]
pub(super) struct Family {
    /// Its name after `lathe_`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    /// The label that tells its numbers apart, if there are several.
    pub(super) label: Option<&'static str>,
    /// Returns the numbers, each with its label's value; empty without a label.
    pub(super) read: fn(&Reading) -> Vec<(&'static str, u64)>,
}

/// What the families are read from, taken once for an answer.
#[derive(Debug)]
pub(super) struct Reading {
    head: Arc<Block>,
    next_base_fee: u64,
    oldest_state: u64,
    counters: Counters,
    pool: (usize, usize),
    programs: ProgramCacheCounts,
    trie_records: usize,
    call_pages: u32,
    watches: (usize, usize),
    connections: u64,
    resident_bytes: Option<u64>,
    measures: Vec<(Measure, u64)>,
}

impl Reading {
    /// Reads a chain, whose clients hold so many connections.
    pub(super) fn of(chain: &Chain, connections: u64) -> Self {
        Self {
            head: chain.head(),
            next_base_fee: chain.next_base_fee(),
            oldest_state: chain.oldest_state(),
            counters: chain.counters(),
            pool: chain.pool_status().unwrap_or_default(),
            programs: chain.program_cache(),
            trie_records: chain.trie_records_cached(),
            call_pages: chain.call_pages_held(),
            watches: chain.watch_counts(),
            connections,
            resident_bytes: resident_bytes(),
            measures: chain.measures(),
        }
    }
}

/// Returns the memory that the process holds, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn one(value: impl TryInto<u64>) -> Vec<(&'static str, u64)> {
    vec![("", value.try_into().unwrap_or(u64::MAX))]
}

macro_rules! families {
    ($($kind:ident $name:literal $({$label:literal})?, $help:literal, $read:expr;)*) => {
        &[$(Family {
            name: $name,
            kind: Kind::$kind,
            help: $help,
            label: families!(@label $($label)?),
            read: $read,
        }),*]
    };
    (@label) => { None };
    (@label $label:literal) => { Some($label) };
}

/// The families that are read when they are asked for, but for those of the database.
pub(super) const FAMILIES: &[Family] = families! {
    Gauge "build_info" {"version"}, "Always 1; the label says which version runs.", |_| vec![(env!("CARGO_PKG_VERSION"), 1)];
    Gauge "head_block_number", "The latest block.", |it| one(it.head.header.number);
    Gauge "head_block_timestamp_seconds", "The latest block's timestamp.", |it| one(it.head.header.timestamp);
    Gauge "head_block_gas_used", "Gas that the latest block's transactions used.", |it| one(it.head.header.gas_used);
    Gauge "head_block_gas_limit", "Gas that they could use.", |it| one(it.head.header.gas_limit);
    Gauge "head_block_transactions", "Transactions in the latest block.", |it| one(it.head.transactions.len());
    Gauge "next_block_base_fee_wei", "Base fee of the next block.", |it| one(it.next_base_fee);
    Gauge "state_oldest_block", "The first block whose state is kept.", |it| one(it.oldest_state);
    Counter "blocks_total", "Blocks that were mined.", |it| one(it.counters.blocks);
    Counter "transactions_total" {"status"}, "Transactions that succeeded or failed in a block, or were refused.", |it| vec![
        ("success", it.counters.succeeded),
        ("failed", it.counters.failed),
        ("refused", it.counters.refused),
    ];
    Counter "gas_used_total", "Gas that transactions in blocks used; its rate is gas per second.", |it| one(it.counters.gas_used);
    Counter "contracts_created_total", "Contracts that transactions created, not counting those that contracts did.", |it| one(it.counters.created);
    Gauge "pool_transactions" {"state"}, "Transactions that wait: the next block can take them (pending), or cannot yet (queued).", |it| vec![
        ("pending", it.pool.0 as u64),
        ("queued", it.pool.1 as u64),
    ];
    Counter "program_cache_hits_total", "Uses of Wasm programs that were validated and at hand.", |it| one(it.programs.hits);
    Counter "program_cache_misses_total", "Uses of Wasm programs that had to be validated.", |it| one(it.programs.misses);
    Gauge "program_cache_programs", "Wasm programs at hand.", |it| one(it.programs.programs);
    Gauge "program_cache_bytes", "Bytes of these programs: modules, and code translated so far.", |it| one(it.programs.bytes);
    Gauge "trie_cache_records", "Records of the latest state's tries in memory.", |it| one(it.trie_records);
    Gauge "call_memory_pages", "Pages of Wasm memory (64 KiB) that calls and traces hold, of 16,384.", |it| one(it.call_pages);
    Gauge "filters", "Filters that clients poll.", |it| one(it.watches.0);
    Gauge "subscriptions", "Subscriptions of open connections.", |it| one(it.watches.1);
    Gauge "connections", "Open connections: HTTP, WebSocket and Unix socket.", |it| one(it.connections);
    Gauge "resident_memory_bytes", "Memory that the process holds, where the system tells.", |it| {
        it.resident_bytes.map(one).unwrap_or_default()
    };
};

/// Families of counted calls, which [`super::Metrics`] writes.
pub(super) const CALLS: [Family; 3] = [DURATION, ERRORS, UNKNOWN];

/// How long calls took.
pub(super) const DURATION: Family = Family {
    name: "rpc_request_duration_seconds",
    kind: Kind::Histogram,
    help: "How long requests took, without reading and writing them. A method that nobody called is left out.",
    label: Some("method"),
    read: |_| Vec::new(),
};

/// How many failed.
pub(super) const ERRORS: Family = Family {
    name: "rpc_request_errors_total",
    kind: Kind::Counter,
    help: "Requests that were answered with an error.",
    label: Some("method"),
    read: |_| Vec::new(),
};

/// How many were for nothing.
pub(super) const UNKNOWN: Family = Family {
    name: "rpc_unknown_methods_total",
    kind: Kind::Counter,
    help: "Requests for methods that there are not.",
    label: None,
    read: |_| Vec::new(),
};

/// Writes all families that are read from a chain.
pub(super) fn write(reading: &Reading, text: &mut String) {
    for family in FAMILIES {
        let samples = (family.read)(reading);
        if samples.is_empty() {
            continue;
        }
        describe(text, family.name, family.help, family.kind);
        for (value, number) in samples {
            let labels = family.label.map(|label| format!("{{{label}=\"{value}\"}}")).unwrap_or_default();
            line(text, family.name, &labels, number);
        }
    }
    for (measure, number) in &reading.measures {
        let name = format!("database_{}", measure.name());
        describe(text, &name, measure.help(), Kind::Gauge);
        line(text, &name, "", number);
    }
}

/// Writes what a family is. Its samples follow.
pub(super) fn describe(text: &mut String, name: &str, help: &str, kind: Kind) {
    writeln!(text, "# HELP lathe_{name} {help}\n# TYPE lathe_{name} {}", kind.name())
        .expect("a string takes all");
}

/// Writes a sample.
pub(super) fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    writeln!(text, "lathe_{name}{labels} {value}").expect("a string takes all");
}

/// Returns the page that lists all families.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         `lathe node --metrics ADDRESS` serves these numbers to Prometheus at `http://ADDRESS/metrics`. Counters begin at zero with\n\
         the process. This page is made from the node's own table.\n\n\
         | name | kind | label | meaning |\n|---|---|---|---|\n",
    );
    let mut row = |name: &str, kind: Kind, label: Option<&str>, help: &str| {
        let label = label.map(|label| format!("`{label}`")).unwrap_or_default();
        writeln!(page, "| `lathe_{name}` | {} | {label} | {help} |", kind.name())
            .expect("a string takes all");
    };
    for Family { name, kind, label, help, .. } in FAMILIES.iter().chain(&CALLS) {
        row(name, *kind, *label, help);
    }
    for measure in Measure::ALL {
        let help = format!("{} Of RocksDB: not of a node in memory.", measure.help());
        row(&format!("database_{}", measure.name()), Kind::Gauge, None, &help);
    }
    page
}
