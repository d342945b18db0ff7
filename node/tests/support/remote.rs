//! A node on a socket that others fork, and that can be told to misbehave.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use lathe_node::{
    chain::Chain,
    rpc::{Registry, envelope, methods},
};
use serde_json::{Value, json};

/// What the node does instead of answering.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// It answers so many requests with a status, then as it should.
    Status(u16, u64),
    /// It never answers.
    Silent,
    /// It sends text that is no JSON.
    NoJson,
    /// It sends JSON that is no JSON-RPC.
    NoRpc,
    /// It answers with the id of another request.
    OtherId,
    /// It answers every request with the same result.
    Result(&'static str),
    /// It sends zeros without end.
    Endless,
    /// It refuses arrays of requests.
    NoBatch,
    /// It knows blocks by their numbers only.
    NoHashes,
    /// It sends the client elsewhere.
    Elsewhere,
}

/// A chain that is served.
pub(crate) struct Remote {
    pub(crate) chain: Arc<Chain>,
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    fault: Mutex<Fault>,
    requests: AtomicU64,
    is_gone: AtomicBool,
}

impl Remote {
    pub(crate) fn serve(chain: Arc<Chain>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a listening socket");
        let state = Arc::new(State::default());
        let registry = Arc::new(Registry::new(chain.clone(), methods::ALL));
        let served = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if served.is_gone.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), registry, served) = (stream, registry.clone(), served.clone()) else {
                    return;
                };
                thread::spawn(move || {
                    let _ = answer(&registry, &served, stream);
                });
            }
        });
        Self { chain, address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.state.fault.lock().expect("nobody panics with it") = fault;
    }

    /// Returns how many requests came, a batch counting once.
    pub(crate) fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Ends it; nobody listens at its address any more.
    pub(crate) fn go(&self) {
        self.state.is_gone.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers one request on a connection, and closes it.
fn answer(registry: &Registry, state: &State, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or_default();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    state.requests.fetch_add(1, Ordering::SeqCst);
    let mut send = |status: u16, headers: &str, body: &[u8]| {
        let len = body.len();
        write!(stream, "HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {len}\r\n\r\n")?;
        stream.write_all(body)
    };
    let request: Value = serde_json::from_slice(&body)?;
    let refused = |code: i64, message: &str| {
        let error =
            json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message}});
        error.to_string()
    };
    let fault = *state.fault.lock().expect("nobody panics with it");
    match fault {
        Fault::Status(status, count) => {
            *state.fault.lock().expect("nobody panics with it") = match count {
                0 | 1 => Fault::None,
                count => Fault::Status(status, count - 1),
            };
            return send(status, "", b"no");
        }
        Fault::Silent => thread::sleep(Duration::from_secs(5)),
        Fault::NoJson => return send(200, "", b"<html>welcome</html>"),
        Fault::NoRpc => return send(200, "", br#"{"welcome":true}"#),
        Fault::OtherId => return send(200, "", br#"{"jsonrpc":"2.0","id":999999,"result":"0x7"}"#),
        Fault::Elsewhere => return send(307, "location: http://127.0.0.1:1/\r\n", b""),
        Fault::Result(result) => {
            let result: Value = serde_json::from_str(result)?;
            let one = |request: &Value| json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
            let answer = match &request {
                Value::Array(all) => all.iter().map(one).collect(),
                request => one(request),
            };
            return send(200, "", answer.to_string().as_bytes());
        }
        Fault::Endless => {
            write!(stream, "HTTP/1.1 200 X\r\nconnection: close\r\n\r\n")?;
            // More than any answer may have; who has seen enough closes.
            for _ in 0..200 {
                stream.write_all(&vec![b' '; 1 << 20])?;
            }
            return Ok(());
        }
        Fault::NoBatch if request.is_array() => {
            return send(200, "", refused(-32600, "batches are not served").as_bytes());
        }
        Fault::NoHashes if body.windows(9).any(|text| text == b"blockHash") => {
            let one = |request: &Value| match request.to_string().contains("blockHash") {
                true => json!({
                    "jsonrpc": "2.0", "id": request["id"], "error": {"code": -32602, "message": "expected a number"},
                }),
                false => {
                    let answer =
                        envelope::answer(registry, request.to_string().as_bytes()).unwrap_or_default();
                    serde_json::from_slice(&answer).unwrap_or_default()
                }
            };
            let answer = match &request {
                Value::Array(all) => all.iter().map(one).collect(),
                request => one(request),
            };
            return send(200, "", answer.to_string().as_bytes());
        }
        Fault::None | Fault::NoBatch | Fault::NoHashes => {}
    }
    let answer = envelope::answer(registry, &body).unwrap_or_default();
    send(200, "", &answer)
}

/// Asks a chain over JSON-RPC, without a socket.
pub(crate) fn ask(chain: &Arc<Chain>, method: &str, params: Value) -> Result<Value, String> {
    let registry = Registry::new(chain.clone(), methods::ALL);
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let answer = envelope::answer(&registry, request.as_bytes()).expect("a request with an id is answered");
    let mut answer: Value = serde_json::from_slice(&answer).expect("JSON");
    match answer["error"]["message"].as_str() {
        Some(message) => Err(message.to_owned()),
        None => Ok(answer["result"].take()),
    }
}
