//! Prometheus reads what the node counts.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use alloy_primitives::U256;
use lathe_node::{
    chain::{Chain, ChainOptions, ChainSpec, Home},
    rpc::{Metrics, Registry, envelope, methods},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};

const ALICE: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

fn registry() -> (Registry, Arc<Metrics>) {
    let chain = Chain::open(ChainOptions {
        spec: ChainSpec::default(),
        home: Home::Memory,
        keep: Default::default(),
        mnemonic: "test test test test test test test test test test test junk".into(),
        account_count: 1,
        balance: U256::from(10).pow(U256::from(22)),
    });
    Registry::new(chain.expect("a chain in memory"), methods::ALL).with_metrics()
}

fn ask(registry: &Registry, method: &str, params: Value) {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    envelope::answer(registry, request.as_bytes()).expect("a request with an id is answered");
}

fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the port is open");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, and the end");
    answer
}

#[test]
fn what_a_node_did_is_scraped() {
    let (registry, metrics) = registry();
    ask(&registry, "eth_sendTransaction", json!([{"from": ALICE, "to": ALICE, "value": "0x1"}]));
    for _ in 0..3 {
        ask(&registry, "eth_blockNumber", json!([]));
    }
    ask(&registry, "eth_getBalance", json!(["not an address"]));
    ask(&registry, "eth_nope", json!([]));

    let runtime = Runtime::new().expect("a runtime");
    let (stop, stopping) = watch::channel(false);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let server = runtime.spawn(metrics.serve(listener, stopping));

    let answer = get(address, "/metrics");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    for line in [
        "# TYPE lathe_block_number gauge",
        "lathe_block_number 1",
        "lathe_block_gas_used 21000",
        "lathe_block_transactions 1",
        "lathe_pool_transactions{state=\"executable\"} 0",
        "lathe_history_first_block 0",
        "# TYPE lathe_rpc_seconds histogram",
        "lathe_rpc_seconds_bucket{method=\"eth_blockNumber\",le=\"+Inf\"} 3",
        "lathe_rpc_seconds_count{method=\"eth_blockNumber\"} 3",
        "lathe_rpc_errors_total{method=\"eth_blockNumber\"} 0",
        "lathe_rpc_errors_total{method=\"eth_getBalance\"} 1",
        "lathe_rpc_unknown_methods_total 1",
    ] {
        assert!(answer.lines().any(|found| found == line), "{line}\nis not in\n{answer}");
    }
    assert!(!answer.contains("eth_call"), "a method that nobody called:\n{answer}");
    assert!(get(address, "/").starts_with("HTTP/1.1 404 "));

    stop.send(true).expect("the server listens");
    runtime.block_on(server).expect("the server ends");
}
