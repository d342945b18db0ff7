//! JSON-RPC over a Unix socket: a raw client, subscriptions, limits, and what becomes of the path.

use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use alloy_primitives::U256;
use lathe_node::{
    chain::{Chain, ChainOptions, ChainSpec, Home},
    rpc::{Registry, Server, ServerOptions, methods, server::BODY_MAX},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::watch,
    task::JoinHandle,
};

struct Node {
    path: PathBuf,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

async fn server(path: &std::path::Path) -> std::io::Result<(Server, watch::Sender<bool>)> {
    let chain = Chain::open(ChainOptions {
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
    let server = Server::bind(&options, Registry::new(chain, methods::ALL), stopping).await?;
    Ok((server.with_ipc(path)?, stop))
}

impl Node {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("lathe.ipc");
        let (server, stop) = server(&path).await.expect("a free path");
        Self { path, stop, server: tokio::spawn(server.run()), _directory: directory }
    }

    async fn connect(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(&self.path).await.expect("the server listens"))
    }
}

async fn read(connection: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    connection.read_line(&mut line).await.expect("an open socket");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

fn request(id: u64, method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_a_newline_are_answered_in_order() {
    let node = Node::start().await;
    let mut connection = node.connect().await;
    let mut stream = String::new();
    for id in 0..100 {
        stream += &request(id, "eth_chainId", json!([]));
    }
    stream +=
        &format!("[{},{}]", request(100, "eth_blockNumber", json!([])), request(101, "eth_nope}", json!([])));
    let (first, rest) = stream.split_at(1000);
    connection.write_all(first.as_bytes()).await.expect("an open socket");
    connection.write_all(rest.as_bytes()).await.expect("an open socket");
    for id in 0..100 {
        assert_eq!(read(&mut connection).await, json!({"jsonrpc": "2.0", "id": id, "result": "0x7a69"}));
    }
    let batch = read(&mut connection).await;
    assert_eq!((&batch[0]["result"], &batch[1]["error"]["code"]), (&json!("0x0"), &json!(-32601)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_send_what_is_new_after_the_answer() {
    let node = Node::start().await;
    let mut connection = node.connect().await;
    let stream = request(1, "eth_subscribe", json!(["newHeads"])) + &request(2, "evm_mine", json!([]));
    connection.write_all(stream.as_bytes()).await.expect("an open socket");
    let id = read(&mut connection).await["result"].clone();
    assert_eq!(read(&mut connection).await["result"], "0x0");
    let head = read(&mut connection).await;
    assert_eq!((&head["method"], &head["params"]["subscription"]), (&json!("eth_subscription"), &id));
    assert_eq!(head["params"]["result"]["number"], "0x1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_ends_the_connection() {
    let node = Node::start().await;
    for (bytes, code) in [("nonsense".to_owned(), -32700), ("[".repeat(BODY_MAX + 1), -32600)] {
        let mut connection = node.connect().await;
        connection.write_all(bytes.as_bytes()).await.expect("an open socket");
        assert_eq!(read(&mut connection).await["error"]["code"], code);
        let mut rest = String::new();
        // What was sent and not read resets the connection.
        let _ = connection.read_line(&mut rest).await;
        assert_eq!(rest, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_path_is_the_owners_and_is_gone_with_the_node() {
    let node = Node::start().await;
    let mode = std::fs::metadata(&node.path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = server(&node.path).await.expect_err("two nodes do not share a path");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let mut idle = node.connect().await;
    node.stop.send(true).expect("the server listens for it");
    node.server.await.expect("no panic");
    let mut rest = String::new();
    assert_eq!(idle.read_line(&mut rest).await.expect("a closed socket"), 0);
    assert!(!node.path.exists());

    // A socket that a killed node left is taken over, a file is not.
    drop(std::os::unix::net::UnixListener::bind(&node.path).expect("a free path"));
    drop(server(&node.path).await.expect("nobody listens there"));
    std::fs::write(&node.path, "a file").expect("a free path");
    let error = server(&node.path).await.expect_err("the file is not replaced");
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&node.path).expect("the file"), "a file");
}
