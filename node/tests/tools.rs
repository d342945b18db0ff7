//! `lathe run` and `lathe inspect` as processes: what they print, where, and how they exit.

use std::process::{Command, Output};

use serde_json::Value;

/// A function whose cost is easy to count, one that traps two calls deep, and one that grows memory.
const MODULE: &str = r#"(module (memory 1)
    (func $add (export "add") (param i32 i64) (result i32) (i32.add (local.get 0) (i32.wrap_i64 (local.get 1))))
    (func $fail (@name "_ZN5token4mintEm") (unreachable))
    (func (export "fail") (call $fail))
    (func (export "grow") (result i32) (memory.grow (i32.const 2)))
    (func (export "swap") (param f64 v128) (result v128 f64) (local.get 1) (local.get 0)))"#;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn module(&self, text: &str) -> String {
        let path = self.0.path().join(format!("{}.wasm", text.len()));
        std::fs::write(&path, wat::parse_str(text).expect("a module")).expect("a file");
        path.to_str().expect("a path").to_owned()
    }
}

fn lathe(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lathe")).args(arguments).output().expect("the binary starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_prints_results_and_what_they_cost() {
    let path = Files::new();
    let path = (path.module(MODULE), path);
    for engine in lathe_vm::Engine::ALL {
        let output =
            lathe(&["run", &path.0, "--engine", engine.name(), "--invoke", "add", "--args", "-3", "0x5"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n");
        // A page, the instance; entry, two locals, a wrap, a sum, the end with its result.
        let ink = 10_000_000 + 1_000_000 + 1_500 + 2 * 200 + 300 + 300 + 1_250;
        assert_eq!(stderr(&output), format!("gas used 1,101  ink used {}\n", grouped(ink)), "{engine}");
    }
    let output = lathe(&["run", &path.0, "--invoke", "swap", "--args", "-0.5", "0x01", "--json"]);
    assert_eq!(json(&output)["results"], serde_json::json!(["0x00000000000000000000000000000001", "-0.5"]));
}

#[test]
fn a_module_may_be_text() {
    let files = Files::new();
    let text = |name: &str, text: &str| {
        let path = files.0.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path").to_owned()
    };
    let path = text("sum.wat", &format!("\n;; two numbers\n{MODULE}"));
    let output = lathe(&["run", &path, "--invoke", "add", "--args", "2", "3"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5\n", "{}", stderr(&output));
    let report = json(&lathe(&["inspect", &path, "--rules", "run", "--json"]));
    let binary = wat::parse_str(MODULE).expect("a module").len();
    assert_eq!(report["moduleSize"], binary, "sizes and offsets are those of the binary");

    let path = text("wrong.wat", "(module\n  (func (export \"f\") (result i32)\n    i32.cosnt 1))");
    let output = lathe(&["run", &path, "--invoke", "f"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("unknown operator") && said.contains("wrong.wat:3:5"), "{said}");
}

#[test]
fn the_zero_instruction_profile_counts_instructions_and_charges_none() {
    let files = Files::new();
    let path = files.module(MODULE);
    for engine in lathe_vm::Engine::ALL {
        let profile = ["--profile", "zero-instruction", "--engine", engine.name(), "--gas", "0"];
        let run = [&["run", &path][..], &profile, &["--invoke", "grow", "--json"]].concat();
        let report = json(&lathe(&run));
        let found = (&report["results"], &report["gasUsed"], &report["inkUsed"], &report["steps"]);
        assert_eq!(found, (&serde_json::json!(["1"]), &0.into(), &0.into(), &3.into()), "{engine}");
    }
    let output = lathe(&["run", &path, "--profile", "zero-instruction", "--invoke", "grow"]);
    assert_eq!(stderr(&output), "gas used 0  ink used 0  steps 3\n");
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    parts.join(",")
}

#[test]
fn a_trap_tells_kind_place_name_and_callers() {
    let files = Files::new();
    let path = files.module(MODULE);
    let output = lathe(&["run", &path, "--invoke", "fail", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert_eq!(report["outcome"], "trapped");
    assert_eq!(report["trap"]["kind"], "unreachable");
    let frames = report["trap"]["backtrace"].as_array().expect("frames");
    let names: Vec<_> =
        frames.iter().map(|frame| (frame["function"].as_u64(), frame["name"].as_str())).collect();
    assert_eq!(names, [(Some(1), Some("token::mint(unsigned long)")), (Some(2), Some("fail"))]);
    assert_eq!(frames[0]["symbol"], "_ZN5token4mintEm");
    let error = stderr(&output);
    assert!(
        error.contains("`fail` trapped: unreachable in function 1 `token::mint(unsigned long)` at 0x"),
        "{error}"
    );
}

#[test]
fn a_trace_streams_to_standard_error_up_to_its_limit() {
    let files = Files::new();
    let path = files.module(MODULE);
    let run = ["run", &path, "--invoke", "add", "--args", "1", "2", "--trace"];
    let output = lathe(&run);
    let error = stderr(&output);
    let words: Vec<Vec<_>> = error.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["1", "0", "add", "0x00004f", "local.get", "9999988998500"], "{error}");
    let instructions: Vec<_> = words.iter().filter_map(|line| line.get(4)).take(5).copied().collect();
    assert_eq!(instructions, ["local.get", "local.get", "i32.wrap_i64", "i32.add", "end"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n");

    let output = lathe(&[&run[..], &["--trace-limit", "2"]].concat());
    let error = stderr(&output);
    assert_eq!(error.lines().filter(|line| line.contains(" 0x")).count(), 2);
    assert!(error.contains("and 3 more instructions"), "{error}");

    let output = lathe(&[&run[..], &["--json"]].concat());
    let error = stderr(&output);
    let lines: Vec<Value> = error.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 5);
    assert_eq!((&lines[3]["instruction"], &lines[3]["function"]), (&"i32.add".into(), &0.into()));
}

#[test]
fn statistics_account_for_all_ink() {
    let files = Files::new();
    let output = lathe(&["run", &files.module(MODULE), "--invoke", "grow", "--stats", "--json"]);
    let report = json(&output);
    let statistics = &report["statistics"];
    assert_eq!((&statistics["instructions"], &statistics["pages"]), (&3.into(), &3.into()));
    assert_eq!(report["results"], serde_json::json!(["1"]));
    let classes = statistics["inkByClass"].as_object().expect("an object");
    // Two pages, the second and third.
    assert_eq!(classes["Grow"], 10_000 + 2 * 10_000_000 + (1 + 2) * 20_000);
    let charged: u64 = classes.values().filter_map(Value::as_u64).sum();
    // Entering the function that is invoked is no instruction's.
    let all = charged + statistics["instantiationInk"].as_u64().expect("a number") + 1_500;
    assert_eq!(report["inkUsed"], all);
}

#[test]
fn runs_that_cannot_be_say_why() {
    let files = Files::new();
    let path = files.module(MODULE);
    let importing = files.module(r#"(module (import "env" "log" (func)) (import "env" "time" (func)))"#);
    for (arguments, status, message) in [
        (
            &["run", &importing, "--invoke", "f"][..],
            1,
            "nothing to import, but it imports `env.log`, `env.time`",
        ),
        (&["run", &path], 2, "exports `add`, `fail`, `grow`, `swap`"),
        (&["run", &path, "--invoke", "sub"], 1, "it exports no function `sub`; it exports `add`"),
        (
            &["run", &path, "--invoke", "add", "--args", "1"],
            2,
            "`add` is [i32 i64] -> [i32]: it takes 2 arguments",
        ),
        (&["run", &path, "--invoke", "add", "--args", "1", "x"], 2, "\"x\" is no i64"),
        (&["run", &path, "--invoke", "add", "--engine", "jit"], 2, "this build has the engines"),
        (&["run", &path, "--invoke", "grow", "--gas", "10"], 1, "out of gas"),
        (&["run", &path, "--invoke", "grow", "--stats", "--engine", "loop"], 2, "run on the engine `plain`"),
    ] {
        let output = lathe(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(message), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn an_inspection_lists_everything_that_is_wrong() {
    let files = Files::new();
    let path = files.module(
        r#"(module (memory (export "memory") 300)
            (func $wrong (result i32) (i64.const 1))
            (func $relaxed (param v128) (drop (f32x4.relaxed_min (local.get 0) (local.get 0)))))"#,
    );
    let output = lathe(&["inspect", &path]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in [
        "300 pages of memory, the limit is 256; declare less memory or a smaller stack",
        "in function 0 `wrong`: invalid module: type mismatch: expected i32, found i64",
        "in function 1 `relaxed`: the relaxed SIMD proposal is not enabled; compile without it",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(
        text.lines().any(|line| line.split_whitespace().eq(["memory_pages", "300", "of", "256", "PASSED"])),
        "{text}"
    );
    assert!(stderr(&output).contains("the chain refuses this module: 3 violations"));

    let report = json(&lathe(&["inspect", &path, "--json"]));
    assert_eq!((&report["accepted"], &report["moduleSize"]), (&false.into(), &report["moduleSize"]));
    let violations = report["violations"].as_array().expect("an array");
    let kinds: Vec<_> = violations.iter().map(|entry| entry["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["limit", "invalid", "proposal"]);
    assert_eq!((&violations[0]["max"], &violations[0]["actual"]), (&256.into(), &300.into()));
    assert_eq!((&violations[1]["instruction"], &violations[1]["function"]), (&"end".into(), &0.into()));
    assert_eq!(violations[2]["item"], "f32x4.relaxed_min");
}

#[test]
fn what_the_rules_accept_can_still_be_no_contract() {
    let files = Files::new();
    let path = files.module(MODULE);
    let output = lathe(&["inspect", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("missing export `user_entrypoint`"), "{output:?}");
    let output = lathe(&["inspect", &path, "--rules", "run", "--json"]);
    assert_eq!((output.status.code(), &json(&output)["accepted"]), (Some(0), &true.into()));
}

#[test]
fn disassembled_code_has_its_prices_and_is_still_text() {
    let files = Files::new();
    let path = files.module(MODULE);
    let output = lathe(&["inspect", &path, "--wat"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |instruction: &str| {
        let line = text.lines().find(|line| line.trim_end().ends_with(instruction));
        line.unwrap_or_else(|| panic!("no {instruction} in {text}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    // The offset that a trace tells.
    assert_eq!(line("i32.wrap_i64"), "(; 0x000053 300 ;) i32.wrap_i64");
    assert_eq!(line("memory.grow"), "(; 0x000063 10000+10000000/page ;) memory.grow");
    assert_eq!(wat::parse_str(&text).expect("text"), std::fs::read(&path).expect("the module"));
}

#[test]
fn the_help_lists_the_limits_that_hold() {
    let help = lathe(&["inspect", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for limit in lathe_vm::Limit::ALL {
        let value = grouped(lathe_vm::Limits::DEVNET.get(*limit).into());
        let row = help.lines().find(|line| line.split_whitespace().next() == Some(limit.name()));
        assert!(row.is_some_and(|row| row.contains(&value)), "{limit:?}: {help}");
    }
}
