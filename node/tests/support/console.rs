//! The node as a process whose console is read.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Stdio},
};

use alloy_primitives::Bytes;
use serde_json::{Value, json};

use super::{GAS, node::ALICE};

/// A node whose console is read.
pub(crate) struct Node {
    process: Child,
    pub(crate) lines: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Node {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lathe"))
            .args(["node", "--port", "0", "--deterministic", "--accounts", "2"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut address = None;
        // The start-up message ends with how to deploy, or is one line of JSON.
        loop {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).expect("a line"), 0, "the node ended");
            if let Some((_, rest)) = line.split_once("http://") {
                let end = rest.find([' ', '"', '\n']).unwrap_or(rest.len());
                address.get_or_insert_with(|| rest[..end].to_owned());
            }
            if line.starts_with('{') || line.contains("cast send") {
                break;
            }
        }
        let mut node = Self { process, lines, address: address.expect("an address") };
        if !arguments.contains(&"--json") {
            assert_eq!(node.line(), "", "a blank line ends the message");
        }
        node
    }

    pub(crate) fn answer(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut socket = TcpStream::connect(&self.address).expect("the node listens");
        socket.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let (_, json) = answer.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str(json).expect("JSON")
    }

    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Sends a transaction of Alice's.
    pub(crate) fn send(&self, to: Option<&str>, data: &[u8], gas: u64) -> Value {
        let request = json!({"from": ALICE, "to": to, "input": Bytes::copy_from_slice(data), "gas": format!("{gas:#x}")});
        self.call("eth_sendTransaction", json!([request]))
    }

    /// Deploys by creation data, and passes over what the console says of it.
    pub(crate) fn deploy(&mut self, creation: &[u8]) -> String {
        let hash = self.send(None, creation, GAS);
        while !self.line().starts_with("Block ") {}
        let receipt = self.call("eth_getTransactionReceipt", json!([hash]));
        receipt["contractAddress"].as_str().unwrap_or_else(|| panic!("{receipt}")).to_owned()
    }

    /// Returns the next line of the console.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).expect("a line"), 0, "the node ended");
        line.trim_end_matches('\n').to_owned()
    }

    pub(crate) fn json(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Ends the node as a terminal does; returns the rest of its console, and its log.
    pub(crate) fn end(mut self) -> (String, String) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status().expect("kill").success());
        let (mut rest, mut log) = (String::new(), String::new());
        self.lines.read_to_string(&mut rest).expect("text");
        let mut stderr = self.process.stderr.take().expect("a pipe");
        stderr.read_to_string(&mut log).expect("text");
        assert!(self.process.wait().expect("it ends").success());
        (rest, log)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
