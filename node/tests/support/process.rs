//! The node as a process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use serde_json::{Value, json};

use super::node::{ALICE, BOB};

/// A node that was told what to be by flags, variables and the `lathe.toml` in its directory.
pub(crate) struct Node {
    process: Child,
    pub(crate) banner: Value,
}

/// Returns a command of `lathe` in a directory, without variables from outside.
pub(crate) fn lathe(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lathe"));
    command.current_dir(directory).args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LATHE_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command
}

impl Node {
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = lathe(directory, &["node", "--json"]);
        Self::spawn(command.args(arguments).env("LATHE_PORT", "0"))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = spawned.expect("the binary starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a start-up message");
        let banner = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { process, banner }
    }

    pub(crate) fn address(&self) -> &str {
        let url = self.banner["rpcUrl"].as_str().expect("a URL");
        url.strip_prefix("http://").expect("HTTP")
    }

    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, &params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Returns the result, or the message of a refusal.
    pub(crate) fn try_call(&self, method: &str, params: Value) -> Result<Value, String> {
        let mut answer = self.answer(method, &params);
        match answer["error"]["message"].as_str() {
            Some(message) => Err(message.to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Returns the message of a refusal.
    pub(crate) fn error(&self, method: &str, params: Value) -> String {
        let answer = self.answer(method, &params);
        answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{method}: {answer}")).to_owned()
    }

    fn answer(&self, method: &str, params: &Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut socket = TcpStream::connect(self.address()).expect("the node listens");
        socket.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let (_, json) = answer.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str(json).expect("JSON")
    }

    pub(crate) fn send(&self) -> Value {
        self.call("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x1"}]))
    }

    pub(crate) fn head(&self) -> Value {
        self.call("eth_getBlockByNumber", json!(["latest", false]))
    }

    /// Asks the node to end, as a terminal or a container does.
    pub(crate) fn stop(mut self, signal: &str) -> ExitStatus {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().expect("kill").success());
        self.process.wait().expect("it ends")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
