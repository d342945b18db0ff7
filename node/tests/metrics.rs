//! Prometheus reads what the node counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use alloy_primitives::{U256, hex};
use lathe_node::{
    chain::{Chain, ChainOptions, ChainSpec, Home},
    rpc::{Metrics, Registry, envelope, methods, metrics},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};

const ALICE: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";

/// A program that traps when it is called.
const TRAP: &str = r#"(module (memory (export "memory") 1)
    (func (export "user_entrypoint") (param i32) (result i32) unreachable))"#;

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
    let module = wat::parse_str(TRAP).expect("a module");
    let trap = format!("0xef4c0100{:08x}{}", module.len(), hex::encode(&module));
    ask(&registry, "eth_sendTransaction", json!([{"from": ALICE, "input": trap, "gas": "0x1e8480"}]));
    let contract = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512";
    ask(&registry, "eth_sendTransaction", json!([{"from": ALICE, "to": contract, "gas": "0x1e8480"}]));
    // Blocks that are taken back stay counted.
    ask(&registry, "anvil_mine", json!(["0x9"]));
    ask(&registry, "anvil_rollback", json!([11]));
    ask(&registry, "eth_sendRawTransaction", json!(["0x02"]));
    ask(&registry, "eth_newBlockFilter", json!([]));
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
        "# TYPE lathe_head_block_number gauge",
        "lathe_head_block_number 1",
        "lathe_head_block_gas_used 21000",
        "lathe_head_block_transactions 1",
        "# TYPE lathe_blocks_total counter",
        "lathe_blocks_total 12",
        "lathe_transactions_total{status=\"success\"} 2",
        "lathe_transactions_total{status=\"failed\"} 1",
        "lathe_transactions_total{status=\"refused\"} 1",
        "lathe_contracts_created_total 1",
        "lathe_program_cache_programs 1",
        "lathe_program_cache_misses_total 1",
        "lathe_pool_transactions{state=\"pending\"} 0",
        "lathe_call_memory_pages 0",
        "lathe_filters 1",
        "lathe_subscriptions 0",
        "lathe_state_oldest_block 0",
        "# TYPE lathe_rpc_request_duration_seconds histogram",
        "lathe_rpc_request_duration_seconds_bucket{method=\"eth_blockNumber\",le=\"+Inf\"} 3",
        "lathe_rpc_request_duration_seconds_count{method=\"eth_blockNumber\"} 3",
        "lathe_rpc_request_errors_total{method=\"eth_blockNumber\"} 0",
        "lathe_rpc_request_errors_total{method=\"eth_getBalance\"} 1",
        "lathe_rpc_unknown_methods_total 1",
    ] {
        assert!(answer.lines().any(|found| found == line), "{line}\nis not in\n{answer}");
    }
    let (_, exposition) = answer.split_once("\r\n\r\n").expect("a head");
    check_exposition(exposition);
    assert!(!answer.contains("eth_call"), "a method that nobody called:\n{answer}");
    assert!(get(address, "/").starts_with("HTTP/1.1 404 "));

    stop.send(true).expect("the server listens");
    runtime.block_on(server).expect("the server ends");
}

/// Holds an exposition to the format (version 0.0.4) and to the conventions of names, as promtool does.
fn check_exposition(text: &str) {
    let is_name = |name: &str| {
        name.starts_with("lathe_") && name.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut family, mut help) = ("", None);
    let mut samples = BTreeSet::new();
    // Of a histogram: its labels but `le`, and the count so far.
    let mut bucket = (String::new(), 0.0);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').expect("a help");
            assert!(is_name(name) && !words.is_empty() && !words.contains('\\'), "{line}");
            help = Some(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(help.take(), Some(name), "a help comes before: {line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(kinds.insert(name, kind).is_none(), "a family comes once: {line}");
            family = name;
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let value: f64 = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(value >= 0.0 && samples.insert(series), "a sample comes once: {line}");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (_, value) = label.split_once('=').unwrap_or_else(|| panic!("{line}"));
                assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
            }
            if kinds[family] != "histogram" {
                assert_eq!(name, family, "a sample stands under its type: {line}");
                continue;
            }
            let part = name.strip_prefix(family).unwrap_or_else(|| panic!("{line}"));
            let (own, bound) = labels.split_once(",le=").unwrap_or((labels, ""));
            match part {
                "_bucket" => {
                    if bucket.0 != own {
                        bucket = (own.to_owned(), 0.0);
                    }
                    assert!(value >= bucket.1 && !bound.is_empty(), "buckets add up: {line}");
                    bucket.1 = value;
                }
                "_count" => assert_eq!((own, value), (bucket.0.as_str(), bucket.1), "{line}"),
                _ => assert_eq!(part, "_sum", "{line}"),
            }
        }
    }
    assert!(text.ends_with('\n') && kinds.len() > 20, "{text}");
}

#[test]
fn the_page_of_metrics_is_current_and_lists_what_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("METRICS.md");
    let page = metrics::markdown();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).expect("the source can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "{} is not what the table says; run UPDATE_EXPECT=1 cargo test -p lathe-node --no-default-features --features server \
         --test metrics",
        path.display()
    );
    let (registry, metrics) = registry();
    ask(&registry, "eth_blockNumber", json!([]));
    for line in metrics.text().lines() {
        let Some(name) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) else {
            continue;
        };
        assert!(page.contains(&format!("| `{name}` | ")), "{name} is not on the page");
    }
}
