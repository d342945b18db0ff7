//! Keeps `TABLE.md` equal to the tables it is generated from. `UPDATE_EXPECT=1` rewrites it.

use lathe_gas::{CostClass, HostFunction, INK_PER_GAS, Instruction, Price, Schedule, ValueType};
use std::fmt::Write as _;

fn types(types: &[ValueType]) -> String {
    types.iter().map(|t| t.name()).collect::<Vec<_>>().join(" ")
}

fn table(schedule: &Schedule) -> String {
    let mut text = String::new();
    let out = &mut text;
    writeln!(out, "# What everything costs\n").expect("a String takes everything");
    write!(
        out,
        "Schedule version {}, generated from the tables in `src/`. Prices are in ink; {INK_PER_GAS} ink are one gas.\n\
         A memory of more than {} pages is large.\n\n\
         ## Classes\n\n| class | ink | in a large memory | holds |\n|---|--:|--:|---|\n",
        schedule.version, schedule.small_memory_pages
    )
    .expect("a String takes everything");
    for &class in CostClass::ALL {
        let Price { small, large } = schedule.class(class);
        writeln!(out, "| {} | {small} | {large} | {} |", class.name(), class.doc())
            .expect("a String takes everything");
    }
    out.push_str("\n## Units\n\n| unit | ink | is |\n|---|--:|---|\n");
    for (name, ink, doc) in schedule.units() {
        writeln!(out, "| {name} | {ink} | {} |", doc).expect("a String takes everything");
    }
    out.push_str(
        "\n## Instructions\n\n| opcode | instruction | type | class | ink | does |\n|---|---|---|---|--:|---|\n",
    );
    for &instruction in Instruction::ALL {
        let opcode = instruction.opcode();
        let bytes = match opcode.prefix {
            0 => format!("{:02x}", opcode.number),
            prefix => format!("{prefix:02x} {}", opcode.number),
        };
        let signature = match instruction.signature() {
            Some(signature) => format!("{} → {}", types(signature.params), types(signature.results)),
            None => "by context".to_owned(),
        };
        writeln!(
            out,
            "| {bytes} | {instruction} | {} | {} | {} | {} |",
            signature.trim(),
            instruction.class().name(),
            schedule.instruction(instruction).small,
            instruction.doc()
        )
        .expect("a String takes everything");
    }
    out.push_str("\n## Host functions\n\n");
    out.push_str("The base is the crossing and work of fixed size. On top comes what the EVM charges for the same work\n");
    out.push_str("(storage, calls, creations, logs, accounts, hashing), and for bytes copied between contract and world\n");
    out.push_str("its price of a copy: 3 gas a word of 32 bytes.\n\n");
    out.push_str("| function | type | base ink | does |\n|---|---|--:|---|\n");
    for &function in HostFunction::ALL {
        let result = function.result().map_or("", ValueType::name);
        writeln!(
            out,
            "| {function} | {} | {} | {} |",
            format!("{} → {result}", types(function.params())).trim(),
            function.base_ink(),
            function.doc()
        )
        .expect("a String takes everything");
    }
    text
}

#[test]
fn table_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/TABLE.md");
    let expected = table(&Schedule::V4);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &expected)
            .expect("the source tree can be written when expectations are updated");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "gas/TABLE.md is not what the tables say; run with UPDATE_EXPECT=1 and review the diff"
    );
}
