//! Requests that nobody sends by accident: they cost the node little, and it answers others meanwhile.

use std::{sync::Arc, time::Duration};

use alloy_primitives::U256;
use futures_util::{SinkExt, StreamExt};
use lathe_node::{
    chain::{Chain, ChainOptions, ChainSpec, FILTERS_MAX, Home},
    rpc::{Registry, SUBSCRIPTIONS_MAX, Server, ServerOptions, envelope, methods, openrpc, server::BODY_MAX},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

/// Nesting that no stack holds if anything walks it by recursion.
const DEEP: usize = 1_000_000;

/// Bytes by which the process may grow while it answers hostile requests: some copies of the longest one, those of tests
/// that run beside included.
const GROWTH_MAX: usize = 16 * BODY_MAX;

fn chain() -> Arc<Chain> {
    Chain::open(ChainOptions {
        spec: ChainSpec::default(),
        home: Home::Memory,
        keep: Default::default(),
        mnemonic: "test test test test test test test test test test test junk".into(),
        account_count: 1,
        balance: U256::from(1),
    })
    .expect("a chain in memory")
}

/// Returns the most bytes that the process has held in memory at a time.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn answer(registry: &Registry, body: &str) -> Value {
    let answer = envelope::answer(registry, body.as_bytes()).expect("an answer");
    serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("{error}: {} bytes", answer.len()))
}

#[test]
fn json_of_any_depth_is_answered() {
    let registry = Registry::new(chain(), methods::ALL);
    let deep = nested(DEEP);
    let ignored = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_chainId","other":{deep}}}"#);
    assert_eq!(answer(&registry, &ignored)["result"], json!("0x7a69"));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(DEEP), "}".repeat(DEEP));
    let ignored = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_chainId","other":{objects}}}"#);
    assert_eq!(answer(&registry, &ignored)["result"], json!("0x7a69"));
    assert!(
        answer(&registry, &deep)["error"].is_object() || answer(&registry, &deep)[0]["error"].is_object()
    );
    for member in ["id", "method", "jsonrpc"] {
        let request = format!(r#"{{"jsonrpc":"2.0","method":"eth_chainId","{member}":{deep}}}"#);
        assert!(answer(&registry, &request)["error"].is_object(), "{member}");
    }
    // As a parameter of every method, in its first place and inside an object there.
    let deep = nested(10_000);
    for method in openrpc::document()["methods"].as_array().expect("methods") {
        let name = method["name"].as_str().expect("a name");
        if method["params"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let member = format!(r#"{{"data":{deep},"types":{deep},"topics":{deep},"tracerConfig":{deep}}}"#);
        for param in [&deep, &member, &format!("\"{member}\"")] {
            let request = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{name}","params":[{param}]}}"#);
            let answer = answer(&registry, &request);
            assert!(answer.get("result").is_some() || answer["error"].is_object(), "{name}");
        }
    }
}

#[test]
fn a_batch_beyond_the_limit_is_counted_and_not_kept() {
    let registry = Registry::new(chain(), methods::ALL);
    let before = peak_bytes();
    let item = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let refused = answer(&registry, &format!("[{}]", vec![item; 100_000].join(",")));
    let message = refused["error"]["message"].as_str().expect("a message");
    assert!(message.contains("100000 requests, the limit is 1000"), "{message}");
    let commas = format!("[{}1]", "1,".repeat(BODY_MAX / 2 - 2));
    assert_eq!(answer(&registry, &commas)["error"]["code"], json!(-32600));
    let params = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":{commas}}}"#);
    assert_eq!(answer(&registry, &params)["error"]["code"], json!(-32602));
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes more");
}

#[test]
fn filters_and_what_they_hold_have_limits() {
    let registry = Registry::new(chain(), methods::ALL);
    let call = |method: &str, params: Value| {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        answer(&registry, &request.to_string())
    };
    let first = call("eth_newBlockFilter", json!([]))["result"].clone();
    for _ in 1..FILTERS_MAX {
        assert!(call("eth_newBlockFilter", json!([])).get("result").is_some());
    }
    for _ in 0..5_000 {
        let refused = call("eth_newFilter", json!([{}]));
        let message = refused["error"]["message"].as_str().expect("a message");
        assert!(message.starts_with("the node keeps no more than 1024 filters"), "{message}");
    }
    assert_eq!(call("eth_uninstallFilter", json!([first]))["result"], json!(true));
    let topics: Vec<_> = (0..100_000).map(|topic| format!("0x{topic:064x}")).collect();
    assert!(call("eth_newFilter", json!([{"topics": [topics]}]))["error"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_answered_while_some_send_slowly_flood_or_do_not_read() {
    let (_stop, stopping) = watch::channel(false);
    let options = ServerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        allow_hosts: Vec::new(),
        allow_origins: Vec::new(),
    };
    let registry = Registry::new(chain(), methods::ALL);
    let server = Server::bind(&options, registry, stopping).await.expect("a free port");
    let address = server.address().expect("a listening socket");
    tokio::spawn(server.run());
    let connect = || async { TcpStream::connect(address).await.expect("the server listens") };
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";

    // Half a head, and half a body.
    let mut slow = Vec::new();
    for n in 0..200 {
        let mut socket = connect().await;
        let half = if n % 2 == 0 { head.to_owned() } else { format!("{head}content-length: 100\r\n\r\n{{") };
        socket.write_all(half.as_bytes()).await.expect("an open socket");
        slow.push(socket);
    }
    // Large answers that nobody reads: the server stops reading, too.
    let mut floods = Vec::new();
    for _ in 0..4 {
        let socket = connect().await;
        let request = format!("ws://{address}/").into_client_request().expect("a URL");
        let (mut socket, _) = tokio_tungstenite::client_async(request, socket).await.expect("a WebSocket");
        floods.push(tokio::spawn(async move {
            let discover = json!({"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"}).to_string();
            for _ in 0..1_000 {
                if socket.send(Message::text(discover.clone())).await.is_err() {
                    break;
                }
            }
        }));
    }
    // As many subscriptions as one connection may have, and thousands more.
    let request = format!("ws://{address}/").into_client_request().expect("a URL");
    let (mut socket, _) =
        tokio_tungstenite::client_async(request, connect().await).await.expect("a WebSocket");
    let subscribe =
        json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}).to_string();
    let mut refused = 0;
    for _ in 0..SUBSCRIPTIONS_MAX + 2_000 {
        socket.send(Message::text(subscribe.clone())).await.expect("an open socket");
        let answer = socket.next().await.expect("an answer").expect("an open socket");
        refused += usize::from(answer.to_text().expect("text").contains("too many subscriptions"));
    }
    assert_eq!(refused, 2_000);

    let before = peak_bytes();
    let others = async {
        for _ in 0..50 {
            let mut socket = connect().await;
            let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
            let request = format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            socket.write_all(request.as_bytes()).await.expect("an open socket");
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.expect("an answer");
            assert!(answer.ends_with(r#""result":"0x7a69"}"#), "{answer}");
        }
    };
    // Generous: it is there so that a node that hangs fails the test instead of holding it up.
    tokio::time::timeout(Duration::from_secs(120), others).await.expect("the node answers");
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes more");
    floods.iter().for_each(|flood| flood.abort());
}
