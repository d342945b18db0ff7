//! Subscriptions over WebSocket: what is sent, in which order, to whom, and within which limits.

use std::sync::Arc;

use alloy_primitives::{Address, U256};
use futures_util::{SinkExt, StreamExt};
use lathe_node::{
    chain::{Chain, ChainOptions, ChainSpec, Home},
    rpc::{Registry, SUBSCRIPTIONS_MAX, Server, ServerOptions, envelope, methods},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::watch};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

const BOB: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
/// Creation data of EVM code that emits a log with topic 7 and no data.
const LOGGER: &str = "0x67600760006000a100600052600860186018f3";

struct Node {
    chain: Arc<Chain>,
    address: std::net::SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Node {
    async fn start() -> Self {
        let chain = Chain::open(ChainOptions {
            spec: ChainSpec::default(),
            home: Home::Memory,
            keep: Default::default(),
            mnemonic: "test test test test test test test test test test test junk".into(),
            account_count: 2,
            balance: U256::from(10).pow(U256::from(22)),
        })
        .expect("a chain in memory");
        let (stop, stopping) = watch::channel(false);
        let options = ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
        };
        let registry = Registry::new(chain.clone(), methods::ALL);
        let server = Server::bind(&options, registry, stopping).await.expect("a free port");
        let address = server.address().expect("a listening socket");
        tokio::spawn(server.run());
        Self { chain, address, _stop: stop }
    }

    async fn client(&self) -> Client {
        let socket = TcpStream::connect(self.address).await.expect("the server listens");
        let url = format!("ws://{}/", self.address);
        let (socket, _) = tokio_tungstenite::client_async(url, socket).await.expect("a WebSocket");
        Client { socket, alice: self.chain.accounts()[0] }
    }
}

struct Client {
    socket: WebSocketStream<TcpStream>,
    alice: Address,
}

impl Client {
    async fn next(&mut self) -> Value {
        let message = self.socket.next().await.expect("a message").expect("an open socket");
        serde_json::from_str(message.to_text().expect("text")).expect("JSON")
    }

    async fn ask(&mut self, method: &str, params: Value) {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.socket.send(Message::text(request.to_string())).await.expect("an open socket");
    }

    /// Asks, and expects the answer to be the next message.
    async fn result(&mut self, method: &str, params: Value) -> Value {
        self.ask(method, params).await;
        let mut answer = self.next().await;
        assert!(answer.get("result").is_some(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Expects a notification to be the next message, and returns what it says.
    async fn notified(&mut self, subscription: &Value) -> Value {
        let mut message = self.next().await;
        assert_eq!(message["method"], "eth_subscription", "{message}");
        assert_eq!((&message["jsonrpc"], message.get("id")), (&json!("2.0"), None));
        assert_eq!(&message["params"]["subscription"], subscription, "{message}");
        message["params"]["result"].take()
    }

    async fn send(&mut self, mut transaction: Value) -> Value {
        transaction["from"] = json!(self.alice);
        self.result("eth_sendTransaction", json!([transaction])).await
    }

    async fn logger(&mut self) -> Value {
        let hash = self.send(json!({"data": LOGGER})).await;
        self.result("eth_getTransactionReceipt", json!([hash])).await["contractAddress"].take()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_comes_first_and_then_what_the_request_caused() {
    let node = Node::start().await;
    let mut client = node.client().await;
    let logger = client.logger().await;
    let arrivals = client.result("eth_subscribe", json!(["newPendingTransactions"])).await;
    let heads = client.result("eth_subscribe", json!(["newHeads"])).await;
    let logs = client.result("eth_subscribe", json!(["logs", {"address": logger}])).await;
    for _ in 0..20 {
        let hash = client.send(json!({"to": logger, "gas": "0x20000"})).await;
        assert_eq!(client.notified(&arrivals).await, hash);
        let head = client.notified(&heads).await;
        let log = client.notified(&logs).await;
        assert_eq!((&log["transactionHash"], &log["blockHash"]), (&hash, &head["hash"]));
        let block = client.result("eth_getBlockByHash", json!([head["hash"], false])).await;
        for field in ["number", "parentHash", "timestamp", "baseFeePerGas", "logsBloom", "gasUsed"] {
            assert_eq!(head[field], block[field], "{field}");
        }
    }
    assert_eq!(client.result("eth_unsubscribe", json!([arrivals])).await, json!(true));
    assert_eq!(client.result("eth_unsubscribe", json!([arrivals])).await, json!(false));
    client.send(json!({"to": BOB})).await;
    client.notified(&heads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_come_in_full_when_asked_for() {
    let node = Node::start().await;
    let mut client = node.client().await;
    let arrivals = client.result("eth_subscribe", json!(["newPendingTransactions", true])).await;
    let hash = client.send(json!({"to": BOB, "value": "0x5"})).await;
    let transaction = client.notified(&arrivals).await;
    assert_eq!((&transaction["hash"], &transaction["value"]), (&hash, &json!("0x5")));
    assert_eq!((&transaction["from"], &transaction["blockHash"]), (&json!(client.alice), &json!(null)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_block_is_sent_however_many_come_at_once() {
    let node = Node::start().await;
    let mut client = node.client().await;
    let heads = client.result("eth_subscribe", json!(["newHeads"])).await;
    // Another connection mines: the first hears of it without asking.
    node.client().await.result("anvil_mine", json!(["0x12c"])).await;
    for number in 1..=300 {
        assert_eq!(client.notified(&heads).await["number"], format!("{number:#x}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_back_takes_logs_back_and_sends_the_new_heads() {
    let node = Node::start().await;
    let mut client = node.client().await;
    let logger = client.logger().await;
    let logs = client.result("eth_subscribe", json!(["logs"])).await;
    let hash = client.send(json!({"to": logger, "gas": "0x20000"})).await;
    assert_eq!(client.notified(&logs).await["removed"], false);
    let heads = client.result("eth_subscribe", json!(["newHeads"])).await;
    client.result("anvil_rollback", json!(["0x1"])).await;
    let log = client.notified(&logs).await;
    assert_eq!((&log["removed"], &log["transactionHash"]), (&json!(true), &hash));
    client.result("evm_mine", json!([])).await;
    assert_eq!(client.notified(&heads).await["number"], "0x2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_delays_nobody() {
    let node = Node::start().await;
    let mut deaf = node.client().await;
    for _ in 0..SUBSCRIPTIONS_MAX {
        deaf.result("eth_subscribe", json!(["newHeads"])).await;
    }
    let mut client = node.client().await;
    let heads = client.result("eth_subscribe", json!(["newHeads"])).await;
    // Far more than sockets buffer: 128 subscriptions with 1,000 headers of more than a kilobyte.
    let mut miner = node.client().await;
    miner.result("anvil_mine", json!(["0x3e8"])).await;
    for number in 1..=1000 {
        assert_eq!(client.notified(&heads).await["number"], format!("{number:#x}"));
    }
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_are_refused_with_what_is_wrong() {
    let node = Node::start().await;
    let mut client = node.client().await;
    let range = json!({"fromBlock": "0x5", "toBlock": "0x1"});
    for (params, code, words) in [
        (json!([]), -32602, "parameter 1 (kind) is missing"),
        (
            json!(["syncing"]),
            -32602,
            "expected \"newHeads\", \"logs\" or \"newPendingTransactions\", got \"syncing\"",
        ),
        (json!(["newHeads", true]), -32602, "does not fit \"newHeads\""),
        (json!(["logs", true]), -32602, "does not fit \"logs\""),
        (json!(["logs", range]), -32602, "invalid block range"),
        (json!(["newPendingTransactions", {}]), -32602, "does not fit \"newPendingTransactions\""),
    ] {
        client.ask("eth_subscribe", params.clone()).await;
        let answer = client.next().await;
        let text = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(answer["error"]["code"] == code && text.contains(words), "{params}: {answer}");
    }
    for _ in 0..SUBSCRIPTIONS_MAX {
        client.result("eth_subscribe", json!(["newHeads"])).await;
    }
    client.ask("eth_subscribe", json!(["newHeads"])).await;
    let answer = client.next().await;
    assert!(
        answer["error"]["message"].as_str().is_some_and(|text| text.contains("the limit is 128")),
        "{answer}"
    );
    // A connection has the subscriptions that it made, and no others.
    let mut other = node.client().await;
    let foreign = other.result("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(client.result("eth_unsubscribe", json!([foreign])).await, json!(false));
    // HTTP has none.
    let registry = Registry::new(node.chain.clone(), methods::ALL);
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
    let answer = envelope::answer(&registry, request.as_bytes()).expect("an answer");
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.contains("-32601") && answer.contains("notifications not supported"), "{answer}");
}
