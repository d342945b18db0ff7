//! `make test-stylus`: drives a node with the released cargo-stylus and looks at what came of it. Ends its output with
//! one line of JSON; exits 1 if anything in it is false.
//!
//!     stylus PATH_TO_LATHE PATH_TO_CARGO_STYLUS VERSION [--record]

mod proxy;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use lathe_tests::{FIRST_ADDRESS, FIRST_KEY, Node, root};
use proxy::Proxy;
use serde::Serialize;
use serde_json::{Value, json};

/// The number that the constructor of the project is given.
const NUMBER: &str = "42";
/// Calldata that asks the project's contract for its number: anything but its constructor.
const GET: &str = "0x6d4ce63c";
/// Calldata of the counter's `increment()`.
const INCREMENT: &str = "0xd09de08a";
/// Calldata of the counter's `number()`.
const COUNTED: &str = "0x8381f58a";

/// The last line, with its fields in this order.
#[derive(Serialize)]
struct Report {
    harness: &'static str,
    cargo_stylus: String,
    check: bool,
    deploy: bool,
    constructor: bool,
    trace: bool,
    replay_rpc: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (lathe, stylus, version, record) = match &arguments[..] {
        [lathe, stylus, version] => (lathe, stylus, version, false),
        [lathe, stylus, version, flag] if flag == "--record" => (lathe, stylus, version, true),
        _ => {
            eprintln!("usage: stylus PATH_TO_LATHE PATH_TO_CARGO_STYLUS VERSION [--record]");
            return ExitCode::from(2);
        }
    };
    let node = Node::start_with(Path::new(lathe), &[]);
    let proxy = Proxy::start(&node.url);
    let session = Session { stylus: stylus.into(), project: project(), proxy };

    let counter = root().join("contracts/counter/counter.wasm");
    let counter = counter.to_str().expect("the checkout's path is text");
    let check = session.check(counter);
    let deployed = session.deploy_file(counter);
    let constructed = session.deploy_project();
    let trace = session.trace(deployed.as_deref(), constructed.as_deref());
    let replay_rpc = session.replay(constructed.as_deref());

    if record {
        let path = root().join("tests/fixtures/cargo-stylus.json");
        let lines: Vec<String> = session
            .proxy
            .exchanges()
            .iter()
            .map(|exchange| serde_json::to_string(exchange).expect("an exchange is JSON"))
            .collect();
        fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n"))).expect("the fixture can be written");
        eprintln!("{} exchanges are in {}", lines.len(), path.display());
    }
    let (deploy, constructor) = (deployed.is_some(), constructed.is_some());
    let ok = check && deploy && constructor && trace && replay_rpc;
    let report = Report {
        harness: "stylus",
        cargo_stylus: version.clone(),
        check,
        deploy,
        constructor,
        trace,
        replay_rpc,
    };
    println!("{}", serde_json::to_string(&report).expect("a report is flags and text"));
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Copies the project to where cargo may build in it, and returns that place.
fn project() -> PathBuf {
    let (from, to) = (root().join("tests/stylus-project"), root().join("target/stylus-project"));
    fs::create_dir_all(to.join("src")).expect("the target directory can be written");
    for file in
        ["Cargo.toml", "Cargo.lock", "Stylus.toml", "rust-toolchain.toml", "src/lib.rs", "src/main.rs"]
    {
        fs::copy(from.join(file), to.join(file)).expect("the project can be copied");
    }
    to
}

/// cargo-stylus at work in the project, on a node.
struct Session {
    stylus: PathBuf,
    project: PathBuf,
    proxy: Proxy,
}

impl Session {
    /// Runs a command of cargo-stylus that must succeed; returns its output without colours.
    fn run(&self, command: &str, arguments: &[&str]) -> Option<String> {
        self.try_run(command, arguments)?.ok()
    }

    /// Runs a command of cargo-stylus; returns its output without colours, as an error if it failed.
    fn try_run(&self, command: &str, arguments: &[&str]) -> Option<Result<String, String>> {
        eprintln!("$ cargo stylus {command} {}", arguments.join(" "));
        let output = Command::new(&self.stylus)
            .args(["stylus", command, "--endpoint", &self.proxy.url])
            .args(arguments)
            .current_dir(&self.project)
            // It runs cargo by name; replay looks for libraries in the project's own target directory.
            .env_remove("CARGO")
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .ok()?;
        let text = [output.stdout, output.stderr].map(|bytes| plain(&String::from_utf8_lossy(&bytes)));
        eprintln!("{}", text.concat().trim());
        let text = text.concat();
        Some(if output.status.success() { Ok(text) } else { Err(text) })
    }

    fn rpc(&self, method: &str, params: Value) -> Option<Value> {
        lathe_tests::rpc(&self.proxy.url, method, params)
            .inspect_err(|error| eprintln!("{method}: {error:?}"))
            .ok()
    }

    fn call(&self, to: &str, data: &str) -> Option<String> {
        let output = self.rpc("eth_call", json!([{"to": to, "data": data}, "latest"]))?;
        output.as_str().map(str::to_owned)
    }

    /// Sends a transaction and returns its hash.
    fn send(&self, to: &str, data: &str) -> Option<String> {
        let hash =
            self.rpc("eth_sendTransaction", json!([{"from": FIRST_ADDRESS, "to": to, "data": data}]))?;
        hash.as_str().map(str::to_owned)
    }

    /// Checks a module, and the project.
    fn check(&self, module: &str) -> bool {
        self.run("check", &["--wasm-file", module])
            .is_some_and(|output| output.matches("wasm data fee").count() == 2)
    }

    /// Deploys a module without a constructor, and returns the contract once it counts.
    fn deploy_file(&self, module: &str) -> Option<String> {
        let arguments = ["--no-verify", "--private-key", FIRST_KEY, "--wasm-file", module];
        let output = self.run("deploy", &arguments)?;
        let contract = deployed(&output)?;
        output.contains("successfully activated contract").then_some(())?;
        self.send(&contract, INCREMENT)?;
        is_word(&self.call(&contract, COUNTED)?, 1).then_some(contract)
    }

    /// Deploys the project, which has a constructor, and returns the contract once it has its argument.
    fn deploy_project(&self) -> Option<String> {
        let arguments = ["--no-verify", "--private-key", FIRST_KEY, "--constructor-args", NUMBER];
        let contract = deployed(&self.run("deploy", &arguments)?)?;
        is_word(&self.call(&contract, GET)?, NUMBER.parse().ok()?).then_some(contract)
    }

    /// Traces transactions of both contracts, by either name of the tracer.
    fn trace(&self, counter: Option<&str>, keeper: Option<&str>) -> bool {
        let traced = |contract: Option<&str>, data: &str, expected: &[&str]| -> Option<bool> {
            let hash = self.send(contract?, data)?;
            let script = self.run("trace", &["--tx", &hash])?;
            let named = self.run("trace", &["--tx", &hash, "--use-native-tracer"])?;
            let trace: Vec<Value> = serde_json::from_str(script.trim()).ok()?;
            let names: Vec<&str> = trace.iter().filter_map(|step| step["name"].as_str()).collect();
            let has_all = expected.iter().all(|name| names.contains(name));
            Some(has_all && names.len() == trace.len() && script == named)
        };
        let calls = ["user_entrypoint", "read_args", "storage_load_bytes32", "write_result", "user_returned"];
        let writes = ["storage_cache_bytes32", "storage_flush_cache", "emit_log"];
        traced(keeper, GET, &calls) == Some(true) && traced(counter, INCREMENT, &writes) == Some(true)
    }

    /// Traces a transaction as `replay` does in the debugger's child process, which then runs it in native code, with
    /// the host calls of the trace. The debugger itself is not the node's business, nor is an executable that was built
    /// without `-rdynamic` and thus offers the library no host functions: it gets as far as loading the library only
    /// with a trace that it understood.
    fn replay(&self, keeper: Option<&str>) -> bool {
        let replayed = || {
            let hash = self.send(keeper?, GET)?;
            self.try_run("replay", &["--child", "--tx", &hash])
        };
        replayed().is_some_and(|output| match output {
            Ok(output) => output.contains("call completed successfully"),
            Err(output) => output.contains("libkeeper.so: undefined symbol: read_args"),
        })
    }
}

/// Returns the contract that a deployment names in its output.
fn deployed(output: &str) -> Option<String> {
    let (_, rest) = output.split_once("deployed code at address: ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// Tells whether output is one word of this value.
fn is_word(output: &str, value: u64) -> bool {
    output == format!("0x{value:064x}")
}

/// Returns text without the escape sequences of colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}
