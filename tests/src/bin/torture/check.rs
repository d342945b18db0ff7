//! What can be wrong after a kill, and the check of what is on the disk.

use std::{fmt, path::Path, process::Command};

use lathe_tests::RpcFailure;
use serde_json::Value;

use crate::{SYNCED, torture_node};

/// Something that must not be.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// An acknowledged transaction or its effect is not there.
    Lost(String),
    /// A root, proof or value is not what it should be.
    Root(String),
    /// The trie's records are not exactly the reachable ones.
    Orphan(String),
    /// Anything else, such as a node that does not start.
    Other(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(what) => write!(f, "lost: {what}"),
            Self::Root(what) => write!(f, "wrong: {what}"),
            Self::Orphan(what) => write!(f, "records: {what}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl Fault {
    /// Returns the kind in one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Lost(_) => "lost",
            Self::Root(_) => "bad_root",
            Self::Orphan(_) => "orphan",
            Self::Other(_) => "other",
        }
    }
}

impl From<RpcFailure> for Fault {
    fn from(failure: RpcFailure) -> Self {
        Self::Other(format!("a restarted node does not answer: {failure:?}"))
    }
}

/// Runs `lathe db verify` on a directory that no node has open. It makes tables of what is in the log, and notes like a node
/// what it brings to the disk.
pub(crate) fn verify(data_dir: &Path, notes: &Path) -> Result<(), Fault> {
    let output = Command::new(torture_node())
        .args(["db", "verify", "--json", "--data-dir"])
        .arg(data_dir)
        .env(SYNCED, notes)
        .output()
        .map_err(|error| Fault::Other(format!("lathe db verify: {error}")))?;
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Err(Fault::Other(format!("lathe db verify: {}", String::from_utf8_lossy(&output.stderr))));
    };
    if report["ok"] == true {
        return Ok(());
    }
    let faults = report["faults"].to_string();
    if faults.contains("state root is") || faults.contains("storage root of") {
        Err(Fault::Root(faults))
    } else if faults.contains("trie record") {
        Err(Fault::Orphan(faults))
    } else {
        Err(Fault::Other(faults))
    }
}
