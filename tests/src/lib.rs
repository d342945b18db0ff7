//! What the end-to-end tests share: a real `lathe` process, and a plain JSON-RPC client to talk to it. The kernels
//! and measures of the benches are modules of their own.

pub mod clients;
pub mod generate;
pub mod kernels;
pub mod measure;

use std::{
    io::Read,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a node may take until it answers. It takes milliseconds; a machine that is busy building may need more.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Private key of the first development account.
pub const FIRST_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// Address of the first development account.
pub const FIRST_ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/// Returns the root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a folder of the workspace")
}

/// Returns the `lathe` binary: `LATHE_BIN`, or the one built beside this test.
pub fn lathe_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("LATHE_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running test has a path");
    let binary = test.ancestors().map(|dir| dir.join("lathe")).find(|path| path.is_file());
    binary.expect("lathe is not built: run `cargo build -p lathe-node` first, or set LATHE_BIN")
}

/// A running node. Dropping it kills it as `kill -9` does.
#[derive(Debug)]
pub struct Node {
    child: Child,
    /// Where it answers.
    pub url: String,
    /// Holds what a killed node cannot remove: its temporary database.
    _files: TempDir,
}

impl Node {
    /// Starts a node on a free port of the loopback and waits until it answers.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(&lathe_binary(), arguments)
    }

    /// Starts a node from a given binary.
    pub fn start_with(binary: &Path, arguments: &[&str]) -> Self {
        Self::try_start_with(binary, arguments, &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts a node from a given binary with additions to its environment. Fails with what it says if it ends.
    pub fn try_start_with(
        binary: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let port = free_port();
        let files = tempfile::tempdir().expect("a temporary directory");
        let child = Command::new(binary)
            .args(["node", "--quiet", "--port", &port.to_string()])
            .args(arguments)
            .env("TMPDIR", files.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()));
        let mut node = Self { child, url: format!("http://127.0.0.1:{port}"), _files: files };
        let deadline = Instant::now() + START_TIMEOUT;
        while node.try_rpc("eth_chainId", json!([])).is_err() {
            if let Some(status) = node.child.try_wait().expect("the child is ours") {
                return Err(format!("the node ended with {status}: {}", node.stderr()));
            }
            assert!(Instant::now() < deadline, "the node does not answer");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(node)
    }

    /// Waits until the node has ended by itself; returns whether it says that it succeeded, and what it wrote to its
    /// standard error.
    pub fn wait(mut self) -> (bool, String) {
        let stderr = self.stderr();
        (self.child.wait().expect("the child is ours").success(), stderr)
    }

    fn stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether the node has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_some()
    }

    /// Kills the node at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("the node runs");
        self.child.wait().expect("the node ends");
    }

    /// Calls a method; an error object is an error.
    pub fn try_rpc(&self, method: &str, params: Value) -> Result<Value, RpcFailure> {
        rpc(&self.url, method, params)
    }

    /// Calls a method that must succeed.
    pub fn rpc(&self, method: &str, params: Value) -> Value {
        self.try_rpc(method, params.clone())
            .unwrap_or_else(|failure| panic!("{method} {params}: {failure:?}"))
    }

    /// Calls a method that must answer with an error: returns code, message and data.
    pub fn rpc_error(&self, method: &str, params: Value) -> (i64, String, Value) {
        match self.try_rpc(method, params.clone()) {
            Err(RpcFailure::Error { code, message, data }) => (code, message, data),
            other => panic!("{method} {params}: expected an error, got {other:?}"),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why a call gave no result.
#[derive(Debug, Clone)]
pub enum RpcFailure {
    /// The node answered with an error object.
    Error {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
        /// Its data, or null.
        data: Value,
    },
    /// The node did not answer.
    Transport(String),
}

/// Calls a method over HTTP.
pub fn rpc(url: &str, method: &str, params: Value) -> Result<Value, RpcFailure> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let transport = |error: ureq::Error| RpcFailure::Transport(error.to_string());
    let mut answer = ureq::post(url).send_json(request).map_err(transport)?;
    let mut answer: Value = answer.body_mut().read_json().map_err(transport)?;
    if let Some(error) = answer.get("error") {
        return Err(RpcFailure::Error {
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            data: error["data"].clone(),
        });
    }
    Ok(answer["result"].take())
}

/// Reads a JSON quantity such as `"0x1a"`.
pub fn quantity(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no quantity"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16)
        .unwrap_or_else(|_| panic!("{value} is no quantity"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
