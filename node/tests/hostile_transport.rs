//! Clients that send too much, too slowly, never, or something else than they said: each is told or dropped, and others are
//! answered meanwhile.

mod support;

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use lathe_node::rpc::{INBOX_MAX, Server, ServerOptions, Timeouts, server::BODY_MAX};
use support::node::Node;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::{Mutex, MutexGuard, watch},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

const REQUEST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":"0x7a69"}"#;
const HEAD: &str = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
/// Four times what a body may have.
const HUGE: usize = 4 * BODY_MAX;

/// Bytes by which the process may grow while it deals with one body, its client included: some copies of the largest.
const GROWTH_MAX: usize = 12 * BODY_MAX;

/// Waits that no test has to sit out.
const SHORT: Timeouts = Timeouts {
    head: Duration::from_millis(200),
    body: Duration::from_millis(200),
    write: Duration::from_millis(200),
    silence: Duration::from_millis(200),
};

/// Patience with the node, so that one that hangs fails a test instead of holding it up.
const PATIENCE: Duration = Duration::from_secs(240);

struct Served {
    address: SocketAddr,
    socket: std::path::PathBuf,
    _directory: tempfile::TempDir,
    _stop: watch::Sender<bool>,
    _alone: MutexGuard<'static, ()>,
}

/// What tests measure of the process is theirs alone.
static ALONE: Mutex<()> = Mutex::const_new(());

impl Served {
    async fn start(timeouts: Timeouts) -> Self {
        let alone = ALONE.lock().await;
        let (stop, stopping) = watch::channel(false);
        let options = ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
        };
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = directory.path().join("lathe.ipc");
        let server = Server::bind(&options, Node::new().registry, stopping).await.expect("a free port");
        let server = server.with_timeouts(timeouts).with_ipc(&socket).expect("a free path");
        let address = server.address().expect("a listening socket");
        tokio::spawn(server.run());
        Self { address, socket, _directory: directory, _stop: stop, _alone: alone }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }

    async fn websocket(&self) -> WebSocketStream<TcpStream> {
        let request = format!("ws://{}/", self.address).into_client_request().expect("a URL");
        tokio_tungstenite::client_async(request, self.connect().await).await.expect("a WebSocket").0
    }

    async fn ipc(&self) -> UnixStream {
        UnixStream::connect(&self.socket).await.expect("the server listens")
    }

    /// Sends pieces for as long as the server takes them; returns what it answers until it closes.
    async fn exchange(&self, pieces: impl IntoIterator<Item = Vec<u8>>) -> String {
        let (mut read, mut write) = self.connect().await.into_split();
        let answer = tokio::spawn(async move {
            let mut answer = Vec::new();
            let _ = read.read_to_end(&mut answer).await;
            String::from_utf8(answer).expect("text")
        });
        for piece in pieces {
            if write.write_all(&piece).await.is_err() {
                break;
            }
        }
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("the connection ends");
        answer.expect("an answer")
    }

    async fn is_well(&self) {
        let answer = self.exchange([body(REQUEST.len()), REQUEST.into()]).await;
        assert!(answer.ends_with(ANSWER), "{answer}");
    }
}

/// The head of a request with a body of this length.
fn body(length: usize) -> Vec<u8> {
    format!("{HEAD}connection: close\r\ncontent-length: {length}\r\n\r\n").into()
}

/// A request that spaces bring to a length.
fn padded(length: usize) -> Vec<u8> {
    let mut request = REQUEST.as_bytes().to_vec();
    request.resize(length, b' ');
    request
}

/// A body in chunks of this many bytes, its length unsaid.
fn chunked(body: &[u8], size: usize) -> Vec<Vec<u8>> {
    let head = format!("{HEAD}connection: close\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunks =
        body.chunks(size).map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    std::iter::once(head.into()).chain(chunks).chain([b"0\r\n\r\n".to_vec()]).collect()
}

/// Returns the most bytes that the process has held in memory at a time.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_up_to_the_limit_are_read_however_they_come_and_larger_ones_refused() {
    let node = Served::start(Timeouts { body: PATIENCE, ..Timeouts::default() }).await;
    let whole = padded(BODY_MAX);
    let answer = node.exchange([body(BODY_MAX), whole.clone()]).await;
    assert!(answer.ends_with(ANSWER), "{answer}");
    let answer = node.exchange(chunked(&whole, 1 << 20)).await;
    assert!(answer.ends_with(ANSWER), "{answer}");
    let answer = node.exchange(chunked(&padded(1 << 16), 1)).await;
    assert!(answer.ends_with(ANSWER), "a byte at a time: {answer}");

    let before = peak_bytes();
    let refused = |answer: String| {
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains(&format!("The body limit is {BODY_MAX} bytes")), "{answer}");
    };
    refused(node.exchange([body(BODY_MAX + 1)]).await);
    refused(node.exchange([body(HUGE), vec![b' '; 1 << 20]]).await);
    refused(node.exchange(chunked(&padded(BODY_MAX + 1), 1 << 20)).await);
    refused(node.exchange(chunked(&vec![b' '; HUGE], 1 << 20)).await);
    node.is_well().await;
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_not_true_harms_nobody_else() {
    let node = Served::start(SHORT).await;
    let answer = node.exchange([body(10), REQUEST.into()]).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("-32700"), "cut short: {answer}");
    let answer = node.exchange([body(REQUEST.len() + 1), REQUEST.into()]).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "more was announced: {answer}");
    let mut gone = node.connect().await;
    gone.write_all(&body(REQUEST.len() + 1)).await.expect("an open socket");
    gone.write_all(REQUEST.as_bytes()).await.expect("an open socket");
    drop(gone);
    let both = format!("{HEAD}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
    let answer = node.exchange([both.into_bytes()]).await;
    assert!(!answer.contains("result"), "{answer}");
    let answer =
        node.exchange([format!("{HEAD}content-length: 99999999999999999999999\r\n\r\n").into()]).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_a_byte_now_and_then_is_dropped_and_others_are_answered() {
    let node = Served::start(SHORT).await;
    let pause = || tokio::time::sleep(Duration::from_millis(20));
    // Each sends until the server has had enough; the test ends only if it has.
    let served = &node;
    let http = |before: Vec<u8>| async move {
        let (mut read, mut write) = served.connect().await.into_split();
        write.write_all(&before).await.expect("an open socket");
        while write.write_all(b" ").await.is_ok() {
            pause().await;
            let mut byte = [0];
            let answered = tokio::time::timeout(Duration::from_millis(1), read.read(&mut byte)).await;
            if matches!(answered, Ok(Ok(0) | Err(_))) {
                return;
            }
        }
    };
    let websocket = async {
        let mut socket = node.websocket().await;
        let part =
            |opcode, text: &'static str| Message::Frame(Frame::message(text, OpCode::Data(opcode), false));
        socket.send(part(Data::Text, "[")).await.expect("an open socket");
        while socket.send(part(Data::Continue, " ")).await.is_ok()
            && socket.send(Message::Ping("".into())).await.is_ok()
        {
            pause().await;
        }
    };
    let ipc = async {
        let (mut read, mut write) = node.ipc().await.into_split();
        while write.write_all(b"[").await.is_ok() {
            pause().await;
        }
        let mut answer = String::new();
        read.read_to_string(&mut answer).await.expect("text");
        assert!(answer.contains("did not come in time"), "{answer}");
    };
    let others = async {
        for _ in 0..20 {
            node.is_well().await;
            pause().await;
        }
    };
    let head = HEAD.as_bytes()[..HEAD.len() - 2].to_vec();
    let all = async { tokio::join!(http(head), http(body(1_000)), websocket, ipc, others) };
    tokio::time::timeout(PATIENCE, all).await.expect("all are dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_without_an_end_are_cut_off() {
    let node = Served::start(Timeouts { body: PATIENCE, ..Timeouts::default() }).await;
    let before = peak_bytes();
    let piece = " ".repeat(1 << 20);
    let mut socket = node.websocket().await;
    let mut opcode = Data::Text;
    let mut sent = 0;
    while sent < HUGE {
        let frame = Frame::message(piece.clone(), OpCode::Data(opcode), false);
        if socket.send(Message::Frame(frame)).await.is_err() {
            break;
        }
        (opcode, sent) = (Data::Continue, sent + piece.len());
    }
    assert!(sent < HUGE, "the server reads on");
    // A single frame that announces more than a message may have.
    let mut socket = node.websocket().await;
    let _ = socket.send(Message::text(" ".repeat(BODY_MAX + 1))).await;
    let ended = tokio::time::timeout(PATIENCE, socket.next()).await.expect("the connection ends");
    assert!(!matches!(ended, Some(Ok(Message::Text(_)))), "{ended:?}");

    let (mut read, mut write) = node.ipc().await.into_split();
    let endless = tokio::spawn(async move {
        let mut sent = 0;
        while sent < HUGE && write.write_all(&vec![b'['; 1 << 20]).await.is_ok() {
            sent += 1 << 20;
        }
        sent
    });
    let mut answer = String::new();
    let _ = read.read_to_string(&mut answer).await;
    assert!(endless.await.expect("a count") < HUGE, "the server reads on");
    assert!(
        answer.is_empty() || answer.contains(&format!("longer than the limit of {BODY_MAX} bytes")),
        "{answer}"
    );
    node.is_well().await;
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_pings_is_answered_and_costs_no_memory() {
    let node = Served::start(Timeouts::default()).await;
    let before = peak_bytes();
    let (mut write, mut read) = node.websocket().await.split();
    let flood = tokio::spawn(async move {
        for _ in 0..50_000 {
            write.feed(Message::Ping("123".into())).await.expect("an open socket");
        }
        write.send(Message::text(REQUEST)).await.expect("an open socket");
    });
    let answer = async {
        loop {
            if let Message::Text(text) = read.next().await.expect("an answer").expect("an open socket") {
                break text;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer");
    assert_eq!(answer.as_str(), ANSWER);
    flood.await.expect("all are sent");
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_on_their_way_take_no_more_memory_than_there_is_for_them() {
    let node = Served::start(Timeouts { body: PATIENCE, ..Timeouts::default() }).await;
    let most = INBOX_MAX / BODY_MAX;
    let begin = || async {
        let mut socket = node.connect().await;
        let _ = socket.write_all(&body(BODY_MAX)).await;
        let _ = socket.write_all(&vec![b' '; BODY_MAX - 1]).await;
        socket
    };
    let mut held = Vec::new();
    for _ in 0..most {
        held.push(begin().await);
    }
    let large = || async { node.exchange([body(BODY_MAX / 2), padded(BODY_MAX / 2)]).await };
    // What was written may still be in the system's buffers.
    let refused = async {
        loop {
            let answer = large().await;
            if !answer.ends_with(ANSWER) {
                break answer;
            }
            // One of those that were begun may have been refused in its place.
            held.push(begin().await);
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await.expect("there is no room at last");
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("the node has no room for this request"), "{refused}");
    drop(held);
    let taken = async { while !large().await.ends_with(ANSWER) {} };
    tokio::time::timeout(PATIENCE, taken).await.expect("there is room again");
}
