//! `make openrpc SCHEMA=FILE`: calls every method of an OpenRPC document on a node with a varied chain, and holds each
//! result to the schema that the document has of it. Ends with one line of JSON; exits 1 if a result is not what its
//! schema says or a method is missing.
//!
//!     openrpc PATH_TO_LATHE FILE

mod calls;
mod chain;

use std::{path::PathBuf, process::ExitCode};

use lathe_tests::{Node, RpcFailure};
use serde::Serialize;
use serde_json::{Value, json};

use chain::Chain;

/// Methods of the official document that have no result on any chain of this fork: they must fail with a code that the
/// document gives them. Blocks have access lists from Amsterdam on (EIP-7928), and the chain's fork is Osaka.
const WITHOUT_RESULT: &[&str] = &["debug_getRawBlockAccessList"];

/// The code of a method that the node does not have.
const METHOD_NOT_FOUND: i64 = -32601;

/// Characters of a result that a complaint shows.
const SHOWN_CHARS: usize = 2_000;

/// The last line, with its fields in this order.
#[derive(Serialize)]
struct Report {
    harness: &'static str,
    checked: u32,
    valid: u32,
    invalid: u32,
    missing: u32,
}

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [lathe, file] = &arguments[..] else {
        eprintln!("usage: openrpc PATH_TO_LATHE FILE");
        return ExitCode::from(2);
    };
    let document: Value = match std::fs::read(file).map(|text| serde_json::from_slice(&text)) {
        Ok(Ok(document)) => document,
        Ok(Err(error)) => {
            eprintln!("{}: it is no JSON: {error}", file.display());
            return ExitCode::from(2);
        }
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            return ExitCode::from(2);
        }
    };
    let chain = Chain::make(Node::start_with(lathe, &[]));
    let mut report = Report { harness: "openrpc", checked: 0, valid: 0, invalid: 0, missing: 0 };
    for method in document["methods"].as_array().into_iter().flatten() {
        check(&chain, &document, method, &mut report);
    }
    println!("{}", serde_json::to_string(&report).expect("a report is numbers and a string"));
    if report.invalid == 0 && report.missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Calls a method in each way that is known for it and checks the results.
fn check(chain: &Chain, document: &Value, method: &Value, report: &mut Report) {
    let name = method["name"].as_str().unwrap_or_default();
    let calls = calls::of(chain, name);
    if calls.is_empty() {
        eprintln!("{name}: MISSING: this harness does not know how to call it");
        report.missing += 1;
        return;
    }
    let schema = json!({"allOf": [method["result"]["schema"]], "components": document["components"]});
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    for params in calls {
        let result = match chain.node.try_rpc(name, params.clone()) {
            Ok(result) => result,
            Err(RpcFailure::Error { code: METHOD_NOT_FOUND, .. }) => {
                eprintln!("{name}: MISSING: the node does not have it");
                report.missing += 1;
                return;
            }
            Err(RpcFailure::Error { code, .. }) if fails_so(method, code) => {
                report.checked += 1;
                report.valid += 1;
                continue;
            }
            Err(failure) => {
                eprintln!("{name} {params}: FAILED: {failure:?}");
                report.checked += 1;
                report.invalid += 1;
                continue;
            }
        };
        report.checked += 1;
        match validator.validate(&result) {
            Ok(()) => report.valid += 1,
            Err(error) => {
                let shown: String = result.to_string().chars().take(SHOWN_CHARS).collect();
                eprintln!("{name} {params}: INVALID at {}: {error}\n    {shown}", error.instance_path());
                report.invalid += 1;
            }
        }
    }
}

/// Returns whether a method has no result here, and the document says that it may fail with this code.
fn fails_so(method: &Value, code: i64) -> bool {
    WITHOUT_RESULT.iter().any(|name| method["name"] == *name)
        && method["errors"].as_array().is_some_and(|errors| errors.iter().any(|error| error["code"] == code))
}
