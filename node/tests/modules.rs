//! `lathe inspect` and `lathe run`: what they say of a module without a chain.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::{Value, json};

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn module(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, wat::parse_str(text).expect("a module")).expect("a file");
        path
    }
}

fn lathe(command: &str, file: &PathBuf, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lathe"))
        .arg(command)
        .arg(file)
        .args(arguments)
        .output()
        .expect("lathe runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

#[test]
fn inspect_reports_and_judges() {
    let files = Files::new();
    let contract = files.module(
        "contract.wasm",
        r#"(module (import "vm_hooks" "read_args" (func (param i32))) (memory (export "memory") 1 4)
            (func (export "user_entrypoint") (param i32) (result i32) (i32.const 0)))"#,
    );
    let report = lathe("inspect", &contract, &["--json"]);
    assert!(report.status.success(), "{report:?}");
    let report: Value = serde_json::from_str(&stdout(&report)).expect("JSON");
    assert_eq!(report["accepted"], true);
    assert_eq!(report["refusal"], Value::Null);
    assert_eq!(
        report["imports"],
        json!([{"module": "vm_hooks", "name": "read_args", "type": "function [i32] -> []"}])
    );
    assert_eq!(report["exports"][0], json!({"name": "memory", "type": "memory, 1 pages, at most 4"}));

    let refused = files.module("refused.wasm", r#"(module (memory (export "memory") 1))"#);
    let report = lathe("inspect", &refused, &[]);
    assert_eq!(report.status.code(), Some(1));
    assert!(stdout(&report).contains("memory, 1 pages"), "the report comes all the same");
    assert!(stderr(&report).contains("missing export `user_entrypoint`"), "{}", stderr(&report));
}

#[test]
fn run_prints_results_and_gas() {
    let files = Files::new();
    let module = files.module(
        "module.wasm",
        r#"(module
            (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
            (func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2)))
            (func (export "swap") (param i64 f32) (result f32 i64) (local.get 1) (local.get 0))
            (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
            (func (export "spin") (loop (br 0))))"#,
    );
    let cases: &[(&[&str], &str)] = &[
        (&["--invoke", "add", "--args", "2", "3"], "5"),
        (&["--invoke", "add", "--args", "-1", "4294967295"], "-2"),
        (&["--invoke", "half", "--args", "3"], "1.5"),
        (&["--invoke", "half", "--args", "NaN"], "NaN"),
        (&["--invoke", "swap", "--args", "7", "0.5"], "0.5\n7"),
    ];
    for (arguments, printed) in cases {
        let output = lathe("run", &module, arguments);
        assert_eq!(stdout(&output), *printed, "{arguments:?}: {output:?}");
        assert!(stderr(&output).starts_with("gas used "), "{output:?}");
    }
    // The instance is 100 gas; entry, two arguments, two reads, a sum and the return are a part of one.
    let output = lathe("run", &module, &["--json", "--invoke", "add", "--args", "2", "3"]);
    let report = stdout(&output);
    let expected = r#"{"outcome":"returned","results":["5"],"gasUsed":101,"inkUsed":1003450,"engine":"#;
    assert!(report.starts_with(expected), "{report}");

    let failures: &[(&[&str], i32, &str)] = &[
        (&["--invoke", "divide", "--args", "0"], 1, "integer divide by zero"),
        (&["--invoke", "spin", "--gas", "1000"], 1, "out of gas"),
        (&["--invoke", "nothing"], 1, "exports no function `nothing`"),
        (&["--invoke", "add", "--args", "1"], 2, "takes 2 arguments, but 1 were given"),
        (&["--invoke", "add", "--args", "1", "x"], 2, "\"x\" is no i32"),
    ];
    for (arguments, code, words) in failures {
        let output = lathe("run", &module, arguments);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
}
