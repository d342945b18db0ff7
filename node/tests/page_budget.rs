//! What calls of a node may hold of Wasm memory together, seen from those who call.

mod support;

use std::{thread, time::Duration};

use alloy_eips::BlockId;
use alloy_primitives::{Address, Bytes};
use alloy_rpc_types_eth::TransactionRequest;
use support::Devnet;

/// Holds 256 pages and calls itself, until no more frames of a transaction can hold any: 4,096 pages. Then, if it was given
/// calldata, it goes on without end.
const HOG: &str = r#"(module
    (import "vm_hooks" "contract_address" (func $me (param i32)))
    (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
    (memory (export "memory") 256)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $me (i32.const 0))
        (if (call $call (i32.const 0) (i32.const 0) (local.get $length) (i32.const 64) (i64.const -1) (i32.const 32))
            (then (if (local.get $length) (then (loop $again (br $again))))))
        (i32.const 0)))"#;

/// Calls that hold all there is: each a quarter.
const CALLS: usize = 4;

fn hold(devnet: &Devnet, hog: Address, forever: bool) -> Result<Bytes, String> {
    let input = Bytes::from(if forever { vec![1] } else { Vec::new() });
    let request = TransactionRequest::default().to(hog).input(input.into()).gas_limit(1 << 50);
    devnet
        .0
        .call(request, BlockId::latest(), None, None)
        .map(|outcome| outcome.output)
        .map_err(|error| error.to_string())
}

#[test]
fn one_call_too_many_is_refused_and_those_before_it_go_on() {
    let devnet = Devnet::new();
    let hog = devnet.deploy(HOG);
    // They end by the time that they may take, not by their gas.
    devnet.0.set_block_gas_limit(1 << 50);
    devnet.0.set_call_timeout(Duration::from_secs(4));
    let outcomes: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..=CALLS).map(|_| scope.spawn(|| hold(&devnet, hog, true))).collect();
        calls.into_iter().map(|call| call.join().unwrap().unwrap_err()).collect()
    });
    let refused = outcomes
        .iter()
        .filter(|why| why.contains("of the 16384 that all calls of this node together may hold"));
    let timed_out = outcomes.iter().filter(|why| why.contains("timeout = 4s"));
    assert_eq!((refused.count(), timed_out.count()), (1, CALLS), "{outcomes:#?}");
    // What they held is free again, and blocks never waited for it.
    for _ in 0..=CALLS {
        hold(&devnet, hog, false).unwrap();
    }
    let receipt = devnet.send(hog.into(), Bytes::new(), 0, 90_000_000);
    assert!(receipt.success, "{:?}", receipt.failure);
}
