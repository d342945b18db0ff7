//! The same transactions make the same blocks: whatever the node has cached, however it logs, and whether it was started
//! anew in between.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use alloy_primitives::{Address, B256, TxKind, U256};
use lathe_node::{
    chain::{Chain, ChainOptions, ChainSpec, Home},
    runtime::trace::{Capture, StylusOptions},
};
use std::io::sink;
use support::{
    Devnet, compressed, created, envelope, returns,
    script::{ALL, SCRIPT, Script},
    wasm,
};

/// Gas of a transaction.
const GAS: u64 = 5_000_000;

/// What of a block must not differ. Its time does, and so does its hash.
#[derive(Debug, PartialEq)]
struct Block {
    state_root: B256,
    receipts_root: B256,
    gas_used: u64,
}

fn open(home: Home) -> Devnet {
    let options = ChainOptions {
        spec: ChainSpec::default(),
        home,
        keep: Default::default(),
        mnemonic: "test test test test test test test test test test test junk".into(),
        account_count: 2,
        balance: U256::from(10).pow(U256::from(22)),
    };
    Devnet(Chain::open(options).unwrap())
}

/// Grows its memory by the length of its calldata, and traps where it cannot.
const GROWING: &str = r#"(module (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (if (i32.eq (memory.grow (local.get $length)) (i32.const -1)) (then unreachable))
        (i32.const 0)))"#;

/// Returns the transactions: which contract each calls, none to create one, and with what. They refer to the contracts that
/// there are so far.
fn transactions(contracts: &[Address]) -> Vec<(Option<usize>, Vec<u8>)> {
    let growing = envelope(1, &compressed(&wasm(GROWING)), &[]);
    let grower = contracts.get(1).copied().unwrap_or_default();
    vec![
        (None, envelope(0, &wasm(SCRIPT), &[])),
        (None, growing.clone()),
        (None, returns(&[0x5f, 0x5f, 0xfd])),
        (Some(0), Script::new().store(1, 2).store(3, 4).0),
        (Some(0), Script::new().store(1, 2).0),
        (Some(1), vec![0; 20]),
        // More pages than there may be: a trap, which keeps what is left.
        (Some(1), vec![0; 300]),
        (Some(0), Script::new().create1(0, &growing).create1(0, &returns(&[0])).0),
        // Loaded, loaded again, and once with too little for the pages.
        (
            Some(0),
            Script::new()
                .call(grower, 0, ALL, [0; 9])
                .call(grower, 0, ALL, b"")
                .call(grower, 0, 9_000, [0; 9])
                .0,
        ),
        (Some(0), Script::new().call(Address::repeat_byte(4), 0, ALL, [7; 1_000]).0),
        // No program, and creation data that no chain takes.
        (None, envelope(1, &[1, 2, 3], &[])),
        (None, b"\0asm\x01\0\0\0".to_vec()),
    ]
}

/// Mines every transaction in a block of its own. `between` may do to the node what it likes.
fn blocks(mut devnet: Devnet, mut between: impl FnMut(Devnet, &TxKind, &[u8]) -> Devnet) -> Vec<Block> {
    let mut contracts: Vec<Address> = Vec::new();
    let mut blocks = Vec::new();
    for step in 0..transactions(&[]).len() {
        let (target, data) = transactions(&contracts).swap_remove(step);
        let to = target.map_or(TxKind::Create, |place| TxKind::Call(contracts[place]));
        devnet = between(devnet, &to, &data);
        let receipt = devnet.send(to, data, 0, GAS);
        if target.is_none() && contracts.len() < 3 {
            contracts.push(created(&receipt));
        }
        let header = devnet.0.head().header.clone();
        blocks.push(Block {
            state_root: header.state_root,
            receipts_root: header.receipts_root,
            gas_used: header.gas_used,
        });
    }
    blocks
}

#[test]
fn warm_caches_change_nothing() {
    let cold = blocks(open(Home::Memory), |devnet, _, _| devnet);
    let warm = blocks(open(Home::Memory), |devnet, to, data| {
        if let TxKind::Call(to) = to {
            for _ in 0..2 {
                let _ = devnet.call(*to, data.to_vec());
            }
        }
        devnet
    });
    assert_eq!(cold, warm);
    // The transactions do things that a cache could change.
    assert!(cold.iter().filter(|block| block.gas_used < GAS).count() > 8, "{cold:?}");
}

#[test]
fn logs_change_nothing() {
    let silent = blocks(open(Home::Memory), |devnet, _, _| devnet);
    let verbose = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(sink).finish();
    let logged =
        tracing::subscriber::with_default(verbose, || blocks(open(Home::Memory), |devnet, _, _| devnet));
    assert_eq!(silent, logged);
}

#[test]
fn tracing_and_measuring_change_nothing() {
    let unwatched = blocks(open(Home::Memory), |devnet, _, _| devnet);
    let watch = |devnet: &Devnet| {
        for tx in &devnet.0.head().transactions {
            let capture = Capture { host_calls: true, ..Capture::default() };
            let recording = devnet.0.trace_transaction(*tx.tx_hash(), &capture).unwrap();
            let again = devnet.0.trace_transaction(*tx.tx_hash(), &capture).unwrap();
            let all = StylusOptions::default();
            assert_eq!(recording.to_stylus_json(all), again.to_stylus_json(all));
            let first = devnet.0.measure_transaction(*tx.tx_hash()).unwrap().statistics;
            assert_eq!(first, devnet.0.measure_transaction(*tx.tx_hash()).unwrap().statistics);
        }
    };
    let watched = blocks(open(Home::Memory), |devnet, _, _| {
        watch(&devnet);
        devnet
    });
    assert_eq!(unwatched, watched);
}

#[cfg(feature = "rocksdb")]
#[test]
fn restarts_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let home = || Home::Directory(directory.path().join("chain"));
    let restarted = blocks(open(home()), |devnet, _, _| {
        drop(devnet);
        open(home())
    });
    assert_eq!(restarted, blocks(open(Home::Memory), |devnet, _, _| devnet));
}
