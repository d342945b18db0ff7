//! A devnet as a process: ours or anvil, started with the same accounts and the same gas limit.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::{self, Result};

/// How long a devnet may take until it answers. It takes a fraction of a second.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause between two looks at whether it answers: short against what is measured.
const START_POLL: Duration = Duration::from_micros(200);
/// Gas limit of blocks on both: what ours have by default.
const BLOCK_GAS_LIMIT: &str = "100000000";
/// The unit of processor time in `/proc`, on every Linux that there is (`getconf CLK_TCK`).
const TICKS_PER_SECOND: u64 = 100;

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Lathe,
    Anvil,
}

/// A running devnet. Dropping it kills it.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its first answer.
    pub(crate) cold_start: Duration,
    child: Child,
    /// What it keeps, for as long as it runs.
    _files: TempDir,
}

impl Peer {
    /// Starts a devnet on a free port with so many funded accounts.
    pub(crate) fn start(kind: Kind, binary: &Path, accounts: usize) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        drop(listener);
        let files = tempfile::tempdir()?;
        let (port, accounts) = (address.port().to_string(), accounts.to_string());
        let shared = ["--quiet", "--port", &port, "--accounts", &accounts];
        let mut command = Command::new(binary);
        match kind {
            Kind::Lathe => command.arg("node").args(shared).args(["--block-gas-limit", BLOCK_GAS_LIMIT]),
            Kind::Anvil => command.args(shared).args(["--gas-limit", BLOCK_GAS_LIMIT]),
        };
        let start = Instant::now();
        let child = command
            .env("TMPDIR", files.path())
            .env("HOME", files.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", binary.display()))?;
        let mut peer = Self { kind, address, cold_start: Duration::ZERO, child, _files: files };
        while peer.rpc("eth_chainId", json!([])).is_err() {
            if let Some(status) = peer.child.try_wait()? {
                return Err(format!("{} ended with {status}", binary.display()).into());
            }
            if start.elapsed() > START_TIMEOUT {
                return Err(format!("{} does not answer", binary.display()).into());
            }
            thread::sleep(START_POLL);
        }
        peer.cold_start = start.elapsed();
        Ok(peer)
    }

    /// Calls a method on a connection of its own; an error object is an error.
    pub(crate) fn rpc(&self, method: &str, params: Value) -> Result<Value> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(&load::request(&load::body(method, params)))?;
        let mut received = Vec::new();
        let length = loop {
            let mut chunk = [0; 16 << 10];
            let count = stream.read(&mut chunk)?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            received.extend_from_slice(&chunk[..count]);
            if let Some(whole) = load::whole_answer(&received)? {
                break whole;
            }
        };
        let answer: Value = serde_json::from_slice(&received[length])?;
        match answer.get("error") {
            Some(error) => Err(format!("{method}: {error}").into()),
            None => Ok(answer["result"].clone()),
        }
    }

    /// Returns how much processor time it has used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name before the last parenthesis may hold anything; user and system time are 12 and 13 fields on.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 =
            fields.get(11..13).unwrap_or_default().iter().flat_map(|field| field.parse::<u64>()).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Returns how many KiB of it are in memory.
    pub(crate) fn resident_kib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib =
            line.and_then(|line| line.trim().strip_suffix("kB")).and_then(|kib| kib.trim().parse().ok());
        Ok(kib.ok_or("the kernel tells no VmRSS of the process")?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
