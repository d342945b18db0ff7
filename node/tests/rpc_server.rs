//! The RPC server as bytes on a socket: envelopes, limits, who is let in, panics, order, shutdown.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{U64, U256};
use futures_util::{SinkExt, StreamExt};
use lathe_node::{
    chain::{Chain, ChainOptions, ChainSpec, Home},
    methods,
    rpc::{self, Api, Registry, RpcError, Server, ServerOptions},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

methods! {
    /// Returns its parameter.
    "test_echo" | "test_alias", echo(number: u64);
    /// Panics.
    "test_panic", panics();
    /// Takes a while.
    "test_sleep", sleeps(milliseconds: u64);
    /// Returns more than an answer may hold.
    "test_flood", flood();
}

fn echo(_: &Api, number: u64) -> Result<U64, RpcError> {
    Ok(U64::from(number))
}

fn panics(_: &Api) -> Result<(), RpcError> {
    panic!("on purpose")
}

fn sleeps(_: &Api, milliseconds: u64) -> Result<U64, RpcError> {
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(U64::from(milliseconds))
}

fn flood(_: &Api) -> Result<Vec<&'static str>, RpcError> {
    Ok(vec!["0123456789abcdef"; 4 << 20])
}

struct Node {
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Node {
    async fn start() -> Self {
        let chain: Arc<Chain> = Chain::open(ChainOptions {
            spec: ChainSpec::default(),
            home: Home::Memory,
            keep: Default::default(),
            mnemonic: "test test test test test test test test test test test junk".into(),
            account_count: 1,
            balance: U256::from(1),
        })
        .expect("a chain in memory");
        let (stop, stopping) = watch::channel(false);
        let options = ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
        };
        let server =
            Server::bind(&options, Registry::new(chain, &[METHODS]), stopping).await.expect("a free port");
        let address = server.address().expect("a listening socket");
        Self { address, stop, server: tokio::spawn(server.run()) }
    }

    /// Sends bytes and returns the status and body of the answer.
    async fn raw(&self, request: &[u8]) -> (u16, String) {
        let mut socket = TcpStream::connect(self.address).await.expect("the server listens");
        // The server may refuse a large body before it has read all of it.
        let _ = socket.write_all(request).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).expect("answers are text");
        let (head, body) =
            answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        (status, body.to_owned())
    }

    /// Posts a body with further header lines.
    async fn post_with(&self, headers: &str, body: &str) -> (u16, String) {
        let len = body.len();
        let request =
            format!("POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: {len}\r\n{headers}\r\n{body}");
        self.raw(request.as_bytes()).await
    }

    async fn post(&self, body: &str) -> (u16, String) {
        self.post_with("host: localhost\r\ncontent-type: application/json\r\n", body).await
    }

    async fn websocket(&self, origin: Option<&str>) -> Option<WebSocketStream<TcpStream>> {
        let mut request = format!("ws://{}/", self.address).into_client_request().expect("a URL");
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().expect("a header value"));
        }
        let socket = TcpStream::connect(self.address).await.expect("the server listens");
        tokio_tungstenite::client_async(request, socket).await.ok().map(|(socket, _)| socket)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_envelope_gets_its_answer() {
    let node = Node::start().await;
    let method = r#""jsonrpc":"2.0","method":"test_echo","params":["0x7"]"#;
    let ok = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"0x7"}}"#);
    let error = |id: &str, code: i32, message: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
    };
    let invalid = |id: &str, why: &str| error(id, -32600, &format!("invalid request: {why}"));
    let mut table: Vec<(String, String)> = Vec::new();
    for id in
        ["1", "0", "-1", "1.5", "1e3", "18446744073709551616", r#""a""#, r#""\u00e9\n""#, "null", r#""""#]
    {
        table.push((format!(r#"{{{method},"id":{id}}}"#), ok(id)));
    }
    for id in ["{}", "[1]", "true"] {
        table.push((
            format!(r#"{{{method},"id":{id}}}"#),
            invalid("null", "the id is no number, string or null"),
        ));
    }
    let rows: [(&str, String); 25] = [
        // Envelopes.
        (r#" {"method":"test_alias","jsonrpc":"2.0","id":1,"params":[7],"extra":[]} "#, ok("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"test_\u0065cho","params":["0x7"]}"#, ok("1")),
        (r#"{"jsonrpc":"1.0","id":1,"method":"test_echo"}"#, invalid("1", r#"\"jsonrpc\" is not \"2.0\""#)),
        (r#"{"id":1,"method":"test_echo"}"#, invalid("1", r#"\"jsonrpc\": \"2.0\" is missing"#)),
        (r#"{"jsonrpc":"2.0","id":1}"#, invalid("1", r#"\"method\" is missing"#)),
        (r#"{"jsonrpc":"2.0"}"#, invalid("null", r#"\"method\" is missing"#)),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, invalid("1", r#"\"method\" is no string"#)),
        (r#"{"jsonrpc":"2.0","id":1,"method":null}"#, invalid("1", r#"\"method\" is no string"#)),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"test_echo"}"#, invalid("null", "duplicate field `id`")),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":5}"#,
            invalid("1", r#"\"params\" is no array"#),
        ),
        ("42", invalid("null", "expected an object or an array")),
        ("\"text\"", invalid("null", "expected an object or an array")),
        // Not JSON.
        ("", error("null", -32700, "parse error: EOF while parsing a value at line 1 column 0")),
        ("{", error("null", -32700, "parse error: EOF while parsing an object at line 1 column 1")),
        ("{} {}", error("null", -32700, "parse error: trailing characters at line 1 column 4")),
        ("[1,", error("null", -32700, "parse error: EOF while parsing a value at line 1 column 3")),
        ("nope", error("null", -32700, "parse error: expected ident at line 1 column 2")),
        // Methods and parameters.
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_nope"}"#,
            error("1", -32601, "the method eth_nope does not exist/is not available"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"test_echo"}"#,
            error(
                "1",
                -32602,
                "test_echo: parameter 1 (number) is missing: expected a quantity in hex that fits 64 bits",
            ),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":["7"]}"#,
            error(
                "1",
                -32602,
                r#"test_echo: parameter 1 (number): expected a quantity in hex that fits 64 bits, got \"7\": it has no 0x prefix"#,
            ),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":["0x1","0x2"]}"#,
            error("1", -32602, "test_echo: too many parameters: it takes 1, got 2"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":{"number":1}}"#,
            error("1", -32602, r#"test_echo: expected an array of parameters, got {\"number\":1}"#),
        ),
        // Batches.
        ("[]", invalid("null", "the batch is empty")),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"test_echo","params":["0x7"]},1,{"jsonrpc":"2.0","method":"test_echo","params":[1]},
                {"jsonrpc":"2.0","id":"b","method":"eth_nope"}]"#,
            format!(
                "[{},{},{}]",
                ok("1"),
                invalid("null", "expected an object or an array"),
                error(r#""b""#, -32601, "the method eth_nope does not exist/is not available")
            ),
        ),
        (
            r#"[{"jsonrpc":"2.0","method":"test_echo","params":[1]},{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[7]}]"#,
            format!("[{}]", ok("1")),
        ),
    ];
    table.extend(rows.map(|(request, answer)| (request.to_owned(), answer)));
    for (request, expected) in table {
        assert_eq!(node.post(&request).await, (200, expected), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_may_be_left_out() {
    let node = Node::start().await;
    for params in ["", r#","params":null"#, r#","params":[]"#, r#","params":[null]"#] {
        let (status, answer) =
            node.post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"test_echo"{params}}}"#)).await;
        assert!(status == 200 && answer.contains("parameter 1 (number) is missing"), "{params}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_are_not_answered() {
    let node = Node::start().await;
    for request in [
        r#"{"jsonrpc":"2.0","method":"test_echo","params":["0x7"]}"#,
        r#"{"jsonrpc":"2.0","method":"eth_nope"}"#,
        r#"[{"jsonrpc":"2.0","method":"test_echo","params":[1]},{"jsonrpc":"2.0","method":"eth_nope"}]"#,
    ] {
        assert_eq!(node.post(request).await, (204, String::new()), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_have_a_limit() {
    let node = Node::start().await;
    let item = r#"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[7]}"#;
    let batch = |len: usize| format!("[{}]", vec![item; len].join(","));
    let (status, answer) = node.post(&batch(rpc::envelope::BATCH_MAX)).await;
    assert_eq!((status, answer.matches("\"0x7\"").count()), (200, rpc::envelope::BATCH_MAX));
    let (status, answer) = node.post(&batch(rpc::envelope::BATCH_MAX + 1)).await;
    assert_eq!(status, 200);
    assert!(answer.contains("-32600") && answer.contains("1001 requests, the limit is 1000"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_an_internal_error_and_the_node_goes_on() {
    let node = Node::start().await;
    let (status, answer) = node.post(r#"{"jsonrpc":"2.0","id":1,"method":"test_panic"}"#).await;
    assert_eq!(status, 200);
    assert!(answer.contains("-32603") && answer.contains("test_panic: on purpose"), "{answer}");
    let (_, answer) = node.post(r#"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[7]}"#).await;
    assert!(answer.contains("0x7"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_beyond_the_limit_is_an_error() {
    let node = Node::start().await;
    let (status, answer) = node.post(r#"{"jsonrpc":"2.0","id":1,"method":"test_flood"}"#).await;
    assert_eq!(status, 200);
    assert!(answer.contains("-32003") && answer.contains("response too large"), "{} bytes", answer.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_requests_get_the_status_they_deserve() {
    let node = Node::start().await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[7]}"#;
    let json = "content-type: application/json\r\n";
    let table: [(&str, &str, u16); 13] = [
        ("host: localhost\r\n", "content-type: application/json\r\n", 200),
        ("host: 127.0.0.1:8545\r\n", "content-type: application/json; charset=utf-8\r\n", 200),
        ("host: [::1]\r\n", "Content-Type: Application/JSON\r\n", 200),
        ("host: localhost\r\n", "content-type: text/plain\r\n", 415),
        ("host: localhost\r\n", "content-type: application/x-www-form-urlencoded\r\n", 415),
        ("host: localhost\r\n", "", 415),
        ("host: evil.test\r\n", json, 403),
        ("host: 10.1.2.3:8545\r\n", json, 403),
        ("", json, 403),
        ("host: localhost\r\norigin: http://evil.test\r\n", json, 403),
        ("host: localhost\r\norigin: null\r\n", json, 403),
        ("host: localhost\r\norigin: http://localhost:3000\r\n", json, 200),
        ("host: localhost\r\norigin: chrome-extension://wallet\r\n", json, 200),
    ];
    for (who, content, status) in table {
        assert_eq!(node.post_with(&format!("{who}{content}"), body).await.0, status, "{who}{content}");
    }
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let (status, health) = node.raw(get("/health").as_bytes()).await;
    let health: serde_json::Value = serde_json::from_str(&health).expect("JSON");
    assert_eq!((status, &health["status"], &health["blockNumber"]), (200, &"ok".into(), &0.into()));
    let (status, welcome) = node.raw(get("/").as_bytes()).await;
    assert!(status == 200 && welcome.contains("POST requests to it"), "{welcome}");
    assert_eq!(node.raw(get("/other").as_bytes()).await.0, 405);
    assert_eq!(node.raw(b"POST / HTTP/1.1\r\nno header\r\n\r\n").await.0, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preflights_are_answered_for_local_pages_only() {
    let node = Node::start().await;
    for (origin, status) in [("http://localhost:3000", 204), ("https://evil.test", 403)] {
        let request = format!(
            "OPTIONS / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n\r\n"
        );
        let mut socket = TcpStream::connect(node.address).await.expect("the server listens");
        socket.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let is_allowed = answer.contains(&format!("access-control-allow-origin: {origin}"));
        assert_eq!(is_allowed, status == 204, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_beyond_the_limit_is_refused() {
    let node = Node::start().await;
    let head =
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let announced = format!("{head}content-length: {}\r\n\r\n", rpc::server::BODY_MAX + 1);
    assert_eq!(node.raw(announced.as_bytes()).await.0, 413);

    // Chunks that never end, each of 1 MiB: the server answers before it has them all.
    let mut socket = TcpStream::connect(node.address).await.expect("the server listens");
    socket.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.expect("a head");
    let (mut reader, mut writer) = socket.into_split();
    let sender = tokio::spawn(async move {
        let chunk = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
        for _ in 0..64 {
            if writer.write_all(chunk.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    sender.await.expect("the sender ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_request_does_not_hold_up_others() {
    let node = Node::start().await;
    let slow = r#"{"jsonrpc":"2.0","id":1,"method":"test_sleep","params":[4000]}"#;
    let first_is_done = AtomicBool::new(false);
    let slow_one = || async {
        node.post(slow).await;
        first_is_done.store(true, Ordering::Relaxed);
    };
    let slow_ones = async { tokio::join!(slow_one(), slow_one(), slow_one()) };
    let quick = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        node.post(r#"{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[7]}"#).await;
        first_is_done.load(Ordering::Relaxed)
    };
    let (_, was_late) = tokio::join!(slow_ones, quick);
    assert!(!was_late, "a quick request waited for slow ones");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websocket_requests_are_answered_in_order() {
    let node = Node::start().await;
    let mut socket = node.websocket(None).await.expect("a WebSocket");
    // The first takes the longest: answers that do not wait for it would overtake.
    for id in 0..200u64 {
        let method = if id % 50 == 0 { "test_sleep" } else { "test_echo" };
        let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":[{}]}}"#, 20);
        socket.send(Message::text(request)).await.expect("an open socket");
    }
    for id in 0..200u64 {
        let answer =
            socket.next().await.expect("an answer").expect("an open socket").into_text().expect("text");
        assert!(answer.contains(&format!("\"id\":{id},")), "{id}: {answer}");
    }
    for (request, expected) in [
        (Message::text("nonsense"), "-32700"),
        (Message::text("[]"), "-32600"),
        (
            Message::binary(&br#"{"jsonrpc":"2.0","id":-1,"method":"test_panic"}"#[..]),
            "\"id\":-1,\"error\":{\"code\":-32603",
        ),
        (
            Message::text(r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#),
            "-32601",
        ),
    ] {
        socket.send(request).await.expect("an open socket");
        let answer =
            socket.next().await.expect("an answer").expect("an open socket").into_text().expect("text");
        assert!(answer.contains(expected), "{expected}: {answer}");
    }
    // A notification gets no answer: the next answer is that of the next request.
    socket.send(Message::text(r#"{"jsonrpc":"2.0","method":"test_echo","params":[1]}"#)).await.expect("open");
    socket
        .send(Message::text(r#"{"jsonrpc":"2.0","id":9,"method":"test_echo","params":[1]}"#))
        .await
        .expect("open");
    let answer = socket.next().await.expect("an answer").expect("an open socket").into_text().expect("text");
    assert!(answer.contains("\"id\":9"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_page_gets_no_websocket() {
    let node = Node::start().await;
    assert!(node.websocket(Some("http://localhost:3000")).await.is_some());
    assert!(node.websocket(Some("http://evil.test")).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_message_beyond_the_limit_closes_it() {
    let node = Node::start().await;
    let mut socket = node.websocket(None).await.expect("a WebSocket");
    let _ = socket.send(Message::text(" ".repeat(rpc::server::BODY_MAX + 1))).await;
    let closed = tokio::time::timeout(Duration::from_secs(10), async {
        while let Some(Ok(message)) = socket.next().await {
            assert!(message.is_close(), "{message}");
        }
    });
    closed.await.expect("the server closes the socket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_lets_requests_end_and_closes_idle_connections() {
    let node = Node::start().await;
    let mut idle = TcpStream::connect(node.address).await.expect("the server listens");
    let mut socket = node.websocket(None).await.expect("a WebSocket");
    let slow = node.post(r#"{"jsonrpc":"2.0","id":1,"method":"test_sleep","params":[500]}"#);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        node.stop.send(true).expect("the server listens for it");
    };
    let ((status, answer), ()) = tokio::join!(slow, stop);
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("0x1f4"), "{answer}");
    tokio::time::timeout(Duration::from_secs(5), node.server)
        .await
        .expect("the server ends in time")
        .expect("no panic");
    assert_eq!(idle.read(&mut [0; 16]).await.expect("a closed socket"), 0);
    let last = socket.next().await;
    assert!(matches!(&last, Some(Ok(Message::Close(_)))), "{last:?}");
}
