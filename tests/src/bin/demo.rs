//! `make demo`: starts a node, deploys the calculator, talks to it and shows the receipts, all with commands that
//! anyone can type. Ends its output with one line of JSON; exits 1 if an answer is wrong.
//!
//!     demo PATH_TO_LATHE

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use lathe_tests::{Node, root};
use serde::Serialize;
use serde_json::{Value, json};

const SIGNATURE: &str = "text_received(str,str,str)->str";

fn main() -> ExitCode {
    let Some(lathe) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: demo PATH_TO_LATHE");
        return ExitCode::from(2);
    };
    let mut demo = Demo { node: Node::start_with(&lathe, &[]), lathe, steps: 0, failed: 0 };
    println!("A node answers at {}.\n", demo.node.url);

    let module = root().join("contracts/calculator/calculator.wasm");
    let deployed = demo.json("deploy", &[&module.to_string_lossy()]);
    let address = deployed["address"].as_str().unwrap_or_default().to_owned();
    demo.show_receipt(&deployed);

    let mut answers = Vec::new();
    for (message, user, expected) in [("23*63", "alice", "1449"), ("+1", "alice", "1450"), ("+1", "bob", "1")]
    {
        println!("{user} says {message:?}: a call shows the answer, a transaction stores it.");
        let answer =
            demo.run("call", &[&address, SIGNATURE, message, user, "", "--scale"]).unwrap_or_default();
        demo.check(answer == expected, &format!("the answer is {answer:?}, expected {expected:?}"));
        let sent = demo.json("send", &[&address, SIGNATURE, message, user, "", "--scale"]);
        demo.show_receipt(&sent);
        answers.push(answer);
    }

    println!("A malformed message reverts with a reason:");
    let refused = demo.run("call", &[&address, SIGNATURE, "23*%", "alice", "", "--scale"]);
    demo.check(refused.is_err_and(|error| error.contains("column 4")), "the revert names column 4");

    let Demo { steps, failed, .. } = demo;
    let ok = failed == 0;
    let report = Report { harness: "demo", steps, failed, calculator: answers, ok };
    println!("{}", serde_json::to_string(&report).expect("a report is numbers and strings"));
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The last line, with its fields in this order.
#[derive(Serialize)]
struct Report {
    harness: &'static str,
    steps: u32,
    failed: u32,
    calculator: Vec<String>,
    ok: bool,
}

struct Demo {
    lathe: PathBuf,
    node: Node,
    steps: u32,
    failed: u32,
}

impl Demo {
    /// Runs a `lathe` command, shows it and what it prints, and counts it as a step.
    fn run(&mut self, command: &str, arguments: &[&str]) -> Result<String, String> {
        self.steps += 1;
        let shown: Vec<String> = arguments.iter().map(|argument| shell_word(argument)).collect();
        println!("$ lathe {command} {}", shown.join(" "));
        let output = Command::new(&self.lathe)
            .arg(command)
            .args(arguments)
            .args(["--rpc-url", &self.node.url])
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let result =
            if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) };
        let (Ok(shown) | Err(shown)) = &result;
        println!("{shown}\n");
        result
    }

    /// Runs a command that must succeed with `--json`.
    fn json(&mut self, command: &str, arguments: &[&str]) -> Value {
        let result = self.run(command, &[arguments, &["--json"]].concat());
        let value = result.ok().and_then(|text| serde_json::from_str(&text).ok());
        self.check(value.is_some(), &format!("lathe {command} succeeds"));
        value.unwrap_or_default()
    }

    /// Shows the receipt of a transaction that a command sent.
    fn show_receipt(&mut self, sent: &Value) {
        let hash = &sent["transactionHash"];
        let receipt = self.node.rpc("eth_getTransactionReceipt", json!([hash]));
        let mut shown = receipt.clone();
        shown.as_object_mut().map(|fields| fields.remove("logsBloom"));
        println!("Receipt of {hash}:\n{shown:#}\n");
        self.check(receipt["status"] == "0x1", "the transaction succeeded");
    }

    fn check(&mut self, holds: bool, what: &str) {
        if !holds {
            self.failed += 1;
            println!("FAILED: {what}\n");
        }
    }
}

/// Quotes an argument as a shell would need it.
fn shell_word(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}
