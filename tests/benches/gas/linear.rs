//! Work that is charged by its size, at several sizes: the price of a unit must cover it, and the price of the
//! instruction what there is besides.

use crate::program::{Program, repeat, turning};
use crate::{Group, Row, Run};

/// Pages of the memory: the most of a small one, and enough for ranges far beyond the caches.
const SMALL_PAGES: u32 = 32;
const LARGE_PAGES: u32 = 256;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (bytes, pages) in [0usize, 1, 7, 64, 4_096, 65_536, 1 << 20, 8 << 20]
        .into_iter()
        .flat_map(|bytes| [(bytes, SMALL_PAGES), (bytes, LARGE_PAGES)])
    {
        let half = pages * 32_768;
        if bytes > half as usize {
            continue;
        }
        let mut push = |name: &str, around: &str, unit: &str| {
            let wat = module_with(pages, around, "", unit);
            rows.push(Row::new(
                Group::Linear,
                format!("{name}, {bytes} bytes in {pages} pages"),
                move || turning(&wat),
            ));
        };
        push("memory.fill", "", &format!("(memory.fill (i32.const 1) (i32.const 7) (i32.const {bytes}))"));
        // The last byte of the largest ones is left out.
        let copied = bytes.min(half as usize - 1);
        push(
            "memory.copy",
            "",
            &format!("(memory.copy (i32.const 1) (i32.const {half}) (i32.const {copied}))"),
        );
        if bytes <= 65_536 {
            push(
                "memory.copy overlapping",
                "",
                &format!("(memory.copy (i32.const 1) (i32.const 0) (i32.const {bytes}))"),
            );
            let data = format!("(data $d \"{}\")", "x".repeat(bytes));
            push(
                "memory.init",
                &data,
                &format!("(memory.init $d (i32.const 1) (i32.const 0) (i32.const {bytes}))"),
            );
        }
    }
    for elements in [0, 1, 64, 4_096] {
        let table = "(table $t 10000 funcref) (func $f)";
        let items = format!("{table} (elem $e func {})", "$f ".repeat(elements));
        let nulls = format!("{table} (elem $e funcref {})", "(ref.null func)".repeat(elements));
        for (name, around, unit) in [
            (
                "table.fill",
                table,
                format!("(table.fill $t (i32.const 1) (ref.null func) (i32.const {elements}))"),
            ),
            (
                "table.copy",
                table,
                format!("(table.copy $t $t (i32.const 1) (i32.const 5000) (i32.const {elements}))"),
            ),
            (
                "table.init",
                &items,
                format!("(table.init $t $e (i32.const 1) (i32.const 0) (i32.const {elements}))"),
            ),
            (
                "table.init of nulls",
                &nulls,
                format!("(table.init $t $e (i32.const 1) (i32.const 0) (i32.const {elements}))"),
            ),
        ] {
            push(&mut rows, format!("{name}, {elements} elements"), &module(around, "", &unit));
        }
    }
    rows.extend(calls());
    rows.extend(growth());
    rows
}

fn push(rows: &mut Vec<Row>, name: String, wat: &str) {
    let wat = wat.to_owned();
    rows.push(Row::new(Group::Linear, name, move || turning(&wat)));
}

fn module(around: &str, locals: &str, unit: &str) -> String {
    module_with(SMALL_PAGES, around, locals, unit)
}

fn module_with(pages: u32, around: &str, locals: &str, unit: &str) -> String {
    format!("(module (memory {pages}) {around} {})", repeat(locals, "", "", unit, ""))
}

/// Calls that declare locals, carry arguments and results, and branches that carry values.
fn calls() -> Vec<Row> {
    let mut rows = Vec::new();
    for locals in [1, 16, 256, 4_096] {
        let around = format!("(func $f (local {}))", "i64 ".repeat(locals));
        push(&mut rows, format!("call, {locals} locals"), &module(&around, "", "(call $f)"));
    }
    for params in [1, 8, 32] {
        let around = format!("(func $f (param {}))", "i64 ".repeat(params));
        let unit = format!("(call $f {})", "(local.get $l)".repeat(params));
        push(&mut rows, format!("call, {params} arguments"), &module(&around, "(local $l i64)", &unit));
        let around = format!(
            "(func $f (param {}) (return_call $g {})) (func $g (param {}))",
            "i64 ".repeat(params),
            (0..params).map(|place| format!("(local.get {})", params - 1 - place)).collect::<String>(),
            "i64 ".repeat(params)
        );
        push(
            &mut rows,
            format!("return_call, {params} arguments"),
            &module(&around, "(local $l i64)", &unit),
        );
    }
    for results in [1, 4, 16] {
        let types = "i64 ".repeat(results);
        let values = "(local.get 0)".repeat(results);
        let around = format!("(func $f (param i64) (result {types}) {values})");
        let unit = format!("(call $f (local.get $l)) {}", "drop ".repeat(results));
        push(&mut rows, format!("call, {results} results"), &module(&around, "(local $l i64)", &unit));
        let values = "(local.get $l)".repeat(results);
        for (name, branch) in [
            ("br", "(br 0)"),
            ("br_if", "(br_if 0 (i32.const 1))"),
            ("br_if not taken", "(br_if 0 (local.get $zero))"),
            ("br_table", "(br_table 0 0 0 (i32.const 1))"),
        ] {
            // A value below those that are carried, which must be taken away.
            let unit = format!(
                "(block (result {types}) (local.get $l) {values} {branch} {})\n {}",
                // What follows an unconditional branch is not reached and needs no values.
                if name.starts_with("br_if") { "br 0" } else { "" },
                "drop ".repeat(results)
            );
            let wat = module("", "(local $l i64) (local $zero i32)", &unit);
            push(&mut rows, format!("{name}, {results} values"), &wat);
        }
    }
    rows
}

/// Memory that grows, page by page and at once, and is written. Each run needs a new instance.
fn growth() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, start, step, count) in [
        ("page by page", 0, 1, 256),
        ("four pages at a time", 0, 4, 64),
        ("at once", 0, 256, 1),
        ("beyond", 256, 1, 64),
    ] {
        for touch in [true, false] {
            let body = if touch { "(i32.store (local.get $a) (i32.const 1))" } else { "nop" };
            let wat = format!(
                "(module (memory {start} 256) (func (export \"run\") (param $n i32) (local $a i32)
                    (loop $more
                        (drop (memory.grow (i32.const {step})))
                        (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                    (loop $touch {body}
                        (br_if $touch (i32.lt_u
                            (local.tee $a (i32.add (local.get $a) (i32.const 4096))) (i32.const 0x1000000))))))",
            );
            let name = format!("memory.grow, {name}{}", if touch { ", then written" } else { "" });
            rows.push(Row::new(Group::Linear, name, move || anew(&wat, count)));
        }
    }
    for (name, start, step, count) in
        [("one by one", 0, 1, 10_000), ("at once", 0, 10_000, 1), ("beyond", 10_000, 1, 64)]
    {
        let wat = format!(
            "(module (table $t {start} funcref) (func (export \"run\") (param $n i32)
                (loop $more
                    (drop (table.grow $t (ref.null func) (i32.const {step})))
                    (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))",
        );
        rows.push(Row::new(Group::Linear, format!("table.grow, {name}"), move || anew(&wat, count)));
    }
    rows
}

/// Returns a run that takes a new instance each time.
fn anew(wat: &str, count: i32) -> Result<Run, String> {
    let wasm = wat::parse_str(wat).map_err(|error| error.to_string())?;
    Ok(Box::new(move || Ok(Program::bytes(&wasm)?.once(count)?.0)))
}
