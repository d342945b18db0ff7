//! A proxy between cargo-stylus and the node that keeps every request with its answer.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde::Serialize;
use serde_json::Value;

/// A request and what the node answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Exchange {
    method: Value,
    params: Value,
    /// The answer but for its id: `{"result": …}` or `{"error": …}`.
    answer: Value,
}

/// A proxy at work, until the process ends.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it answers.
    pub(crate) url: String,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Proxy {
    /// Starts a proxy before the node at `node`.
    pub(crate) fn start(node: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let (node, kept) = (node.to_owned(), Arc::clone(&exchanges));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (node, kept) = (node.clone(), Arc::clone(&kept));
                thread::spawn(move || serve(connection, &node, &kept));
            }
        });
        Self { url, exchanges }
    }

    /// Returns each different exchange once, in the order of their first times: clients ask again and again.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let mut different: Vec<Exchange> = Vec::new();
        for exchange in &*self.exchanges.lock().expect("no thread panics with it") {
            if !different.contains(exchange) {
                different.push(exchange.clone());
            }
        }
        different
    }
}

/// Passes the requests of a connection on, one after another; returns when it breaks.
fn serve(connection: TcpStream, node: &str, kept: &Mutex<Vec<Exchange>>) -> Option<()> {
    let mut writer = connection.try_clone().ok()?;
    let mut reader = BufReader::new(connection);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let request: Value = serde_json::from_slice(&body).ok()?;
        let mut answer: Value = ureq::post(node).send_json(&request).ok()?.body_mut().read_json().ok()?;
        let text = answer.to_string();
        let fields = answer.as_object_mut()?;
        fields.retain(|name, _| matches!(name.as_str(), "result" | "error"));
        kept.lock().ok()?.push(Exchange {
            method: request["method"].clone(),
            params: request["params"].clone(),
            answer,
        });
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        write!(writer, "{head} {}\r\n\r\n{text}", text.len()).ok()?;
    }
}
