//! What calls of a node may hold of Wasm memory together, seen from those who call.

mod support;

use std::{
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use alloy_eips::BlockId;
use alloy_primitives::{Address, Bytes};
use alloy_rpc_types_eth::TransactionRequest;
use lathe_node::runtime::CALL_PAGES_MAX;
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
fn a_call_beyond_what_all_may_hold_is_refused_and_those_before_it_go_on() {
    let devnet = Devnet::new();
    let hog = devnet.deploy(HOG);
    // They end by the time that they may take, not by their gas.
    devnet.0.set_block_gas_limit(1 << 50);
    devnet.0.set_call_timeout(Duration::from_secs(8));
    thread::scope(|scope| {
        let calls: Vec<_> = (0..CALLS).map(|_| scope.spawn(|| hold(&devnet, hog, true))).collect();
        while devnet.0.call_pages_held() < CALL_PAGES_MAX {
            assert!(
                !calls.iter().any(ScopedJoinHandle::is_finished),
                "one ended before all of them held their part"
            );
            thread::sleep(Duration::from_millis(1));
        }
        let refused = hold(&devnet, hog, true).unwrap_err();
        assert!(
            refused.contains("it needs 256 more pages, and of the 16384 that all calls of this node together may hold 0 are left"),
            "{refused}"
        );
        for call in calls {
            let ended = call.join().unwrap().unwrap_err();
            assert!(ended.contains("timeout = 8s"), "{ended}");
        }
    });
    assert_eq!(devnet.0.call_pages_held(), 0);
    for _ in 0..=CALLS {
        hold(&devnet, hog, false).unwrap();
    }
    // Blocks never wait for what calls hold.
    let receipt = devnet.send(hog.into(), Bytes::new(), 0, 90_000_000);
    assert!(receipt.success, "{:?}", receipt.failure);
}
