//! Whether blocks are made while calls run that never end: transactions a second alone, and beside 64 such calls, half
//! of them Wasm and half EVM. Ends with one line of JSON.
//!
//!     cargo build --release -p lathe-node && cargo bench -p lathe-tests --bench endless_calls

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use lathe_tests::{FIRST_ADDRESS, Node, RpcFailure, lathe_binary, rpc};
use serde::Serialize;
use serde_json::{Value, json};

/// Calls at a time.
const CALLS: u32 = 64;
/// How long transactions are counted.
const MEASURED: Duration = Duration::from_secs(5);
/// How long before that, so that caches are warm and every call has begun.
const WARM_UP: Duration = Duration::from_secs(1);
/// EVM code that never ends.
const EVM_LOOP: &str = "0x5b5f56";
/// A Wasm program that never ends.
const WASM_LOOP: &str = r#"(module (memory (export "memory") 1)
    (func (export "user_entrypoint") (param i32) (result i32) (loop (br 0)) (unreachable)))"#;

/// The last line, with its fields in this order.
#[derive(Serialize)]
struct Report {
    bench: &'static str,
    calls: u32,
    blocks_per_s_alone: f64,
    blocks_per_s_beside: f64,
    slowdown: f64,
    calls_stopped: u32,
}

fn main() {
    let node = Node::start_with(&lathe_binary(), &["--rpc-timeout", "3"]);
    let program = deploy(&node);
    node.rpc("evm_setBlockGasLimit", json!(["0x7fffffffffffffff"]));
    let alone = blocks_per_second(&node);
    eprintln!("alone: {alone:.0} blocks/s");

    let (is_over, stopped) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut beside = 0.0;
    thread::scope(|scope| {
        for n in 0..CALLS {
            let (is_over, stopped, url, program) = (&is_over, &stopped, &node.url, &program);
            scope.spawn(move || {
                let code = json!({FIRST_ADDRESS: {"code": EVM_LOOP}});
                let params = match n % 2 {
                    0 => json!([{"to": program}]),
                    _ => json!([{"to": FIRST_ADDRESS}, "latest", code]),
                };
                while !is_over.load(Ordering::Relaxed) {
                    match rpc(url, "eth_call", params.clone()) {
                        Err(RpcFailure::Error { message, .. })
                            if message.starts_with("execution aborted (timeout") =>
                        {
                            stopped.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("a call that never ends was answered: {other:?}"),
                    }
                }
            });
        }
        beside = blocks_per_second(&node);
        is_over.store(true, Ordering::Relaxed);
    });
    let report = Report {
        bench: "endless_calls",
        calls: CALLS,
        blocks_per_s_alone: round(alone),
        blocks_per_s_beside: round(beside),
        slowdown: round(alone / beside),
        calls_stopped: stopped.into_inner(),
    };
    println!("{}", serde_json::to_string(&report).expect("a report is numbers and a string"));
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Deploys the program that never ends.
fn deploy(node: &Node) -> Value {
    let module = wat::parse_str(WASM_LOOP).expect("a module");
    let len = u32::try_from(module.len()).expect("a small module");
    let data = [&[0xef, 0x4c, 1, 0][..], &len.to_be_bytes(), &module].concat();
    let digits: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    let request = json!([{"from": FIRST_ADDRESS, "data": format!("0x{digits}")}]);
    let hash = node.rpc("eth_sendTransaction", request);
    node.rpc("eth_getTransactionReceipt", json!([hash]))["contractAddress"].take()
}

/// Sends transfers one after the other, each a block; returns how many a second.
fn blocks_per_second(node: &Node) -> f64 {
    let send = |deadline: Instant| {
        let mut sent = 0u32;
        while Instant::now() < deadline {
            let request = json!([{"from": FIRST_ADDRESS, "to": FIRST_ADDRESS, "gas": "0x5208"}]);
            node.rpc("eth_sendTransaction", request);
            sent += 1;
        }
        sent
    };
    send(Instant::now() + WARM_UP);
    let start = Instant::now();
    let sent = send(start + MEASURED);
    f64::from(sent) / start.elapsed().as_secs_f64()
}
