//! `kill -9` in the middle of a run of transactions: what was acknowledged is there again, and the root is right.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, TxKind, U256, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use lathe_tests::{FIRST_KEY, Node, RpcFailure, lathe_binary, quantity, rpc};
use serde_json::json;

/// How often the node is killed.
const KILLS: u64 = 5;

fn transfer(signer: &PrivateKeySigner, nonce: u64) -> Vec<u8> {
    let tx = TxEip1559 {
        chain_id: 31_337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 0,
        // A new account for each, so that the trie grows.
        to: TxKind::Call(Address::left_padding_from(&(nonce + 0x1000).to_be_bytes())),
        value: U256::from(nonce + 1),
        access_list: Default::default(),
        input: Default::default(),
    };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("a local key signs");
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718()
}

#[test]
fn acknowledged_transactions_survive_kill_9() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().to_str().expect("a UTF-8 path");
    let signer: PrivateKeySigner = FIRST_KEY.parse().expect("a key");
    // Hash and block of each acknowledged transaction, by nonce.
    let acknowledged: Arc<Mutex<BTreeMap<u64, B256>>> = Arc::default();

    for kill in 0..KILLS {
        let node = Node::start(&["--data-dir", data_dir]);
        let url = node.url.clone();
        let from = signer.address();
        let start = quantity(&node.rpc("eth_getTransactionCount", json!([from, "latest"])));
        let known = acknowledged.lock().expect("no panic").len() as u64;
        assert!(start >= known, "{known} transactions were acknowledged, the account's nonce is {start}");
        // A transaction may have been written without the answer having come through.
        assert!(start <= known + 1, "{known} transactions were acknowledged, the account's nonce is {start}");

        let sender = {
            let (acknowledged, signer) = (acknowledged.clone(), signer.clone());
            thread::spawn(move || {
                for nonce in start.. {
                    let raw = format!("0x{}", hex::encode(transfer(&signer, nonce)));
                    match rpc(&url, "eth_sendRawTransaction", json!([raw])) {
                        Ok(hash) => {
                            let hash = hash.as_str().expect("a hash").parse().expect("a hash");
                            acknowledged.lock().expect("no panic").insert(nonce, hash);
                        }
                        Err(RpcFailure::Transport(_)) => return,
                        Err(error) => panic!("transaction {nonce}: {error:?}"),
                    }
                }
            })
        };
        // Let it get going, then kill it at a moment that differs from run to run.
        while acknowledged.lock().expect("no panic").len() as u64 <= known + 3 {
            assert!(!sender.is_finished(), "the sender stopped before the node was killed");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(kill * 1_700));
        node.kill();
        sender.join().expect("the sender meets no error but the kill");
        let node = Node::start(&["--data-dir", data_dir]);
        let mut acknowledged = acknowledged.lock().expect("no panic");
        let next = acknowledged.len() as u64;
        let nonce = quantity(&node.rpc("eth_getTransactionCount", json!([signer.address(), "latest"])));
        if nonce == next + 1 {
            // The transaction in flight was written although nobody was told: take it over.
            acknowledged.insert(next, keccak256(transfer(&signer, next)));
        }
        check(&node, &acknowledged);
        node.kill();
        verify(data_dir);
    }
}

/// Every acknowledged transaction has its receipt, its block and its effect.
fn check(node: &Node, acknowledged: &BTreeMap<u64, B256>) {
    let head = quantity(&node.rpc("eth_blockNumber", json!([])));
    assert_eq!(head, acknowledged.len() as u64, "one block a transaction");
    for (nonce, hash) in acknowledged {
        let receipt = node.rpc("eth_getTransactionReceipt", json!([hash]));
        assert_eq!(receipt["status"], "0x1", "transaction {nonce} ({hash}) of {head}: {receipt}");
        let number = &receipt["blockNumber"];
        assert_eq!(quantity(number), nonce + 1);
        let block = node.rpc("eth_getBlockByNumber", json!([number, false]));
        assert_eq!(block["transactions"], json!([hash]));
        let to = &receipt["to"];
        assert_eq!(
            quantity(&node.rpc("eth_getBalance", json!([to, "latest"]))),
            nonce + 1,
            "balance of {to}"
        );
    }
}

/// Recomputes the state root from the flat state of a data directory.
fn verify(data_dir: &str) {
    let output = Command::new(lathe_binary())
        .args(["db", "verify", "--json", "--data-dir", data_dir])
        .output()
        .expect("lathe runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["ok"], true, "{report}");
}

/// A limit on the size of files does to a node what a full disk does: some write fails half-way.
#[test]
fn a_node_whose_disk_is_full_stops_and_keeps_what_it_answered() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().to_str().expect("a UTF-8 path");
    let signer: PrivateKeySigner = FIRST_KEY.parse().expect("a key");
    // The limit is in the shell's unit, 1 KiB, and holds for the log of the database.
    let limited = dir.path().join("limited.sh");
    let script = format!("#!/bin/bash\nulimit -f 256\nexec {} \"$@\"\n", lathe_binary().display());
    std::fs::write(&limited, script).expect("writes");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&limited, executable).expect("sets");
    let chain = dir.path().join("chain");
    let arguments = ["--data-dir", chain.to_str().expect("a UTF-8 path")];
    let node = Node::start_with(&limited, &arguments);
    let mut answered = 0;
    let failure = loop {
        let raw = format!("0x{}", hex::encode(transfer(&signer, answered)));
        match node.try_rpc("eth_sendRawTransaction", json!([raw])) {
            Ok(_) => answered += 1,
            Err(failure) => break failure,
        }
        assert!(answered < 10_000, "the limit of {data_dir} is never met");
    };
    let RpcFailure::Error { message, .. } = failure else { panic!("{failure:?}") };
    assert!(message.contains("File too large"), "{message}");
    assert!(answered > 10, "{answered} transactions fit");
    let (success, stderr) = node.wait();
    assert!(!success && stderr.contains("takes no more blocks"), "{stderr}");

    verify(arguments[1]);
    let node = Node::start(&arguments);
    let nonce = quantity(&node.rpc("eth_getTransactionCount", json!([signer.address(), "latest"])));
    assert_eq!(nonce, answered);
    let raw = format!("0x{}", hex::encode(transfer(&signer, answered)));
    node.rpc("eth_sendRawTransaction", json!([raw]));
}

#[test]
fn a_chain_of_other_rules_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().to_str().expect("a UTF-8 path");
    Node::start(&["--data-dir", data_dir]).kill();
    let cases = [
        (["--chain-id", "1"], "chain id", "31337"),
        (["--accounts", "3"], "begins with block", "open it with the options it was made with"),
        (["--block-gas-limit", "1000000"], "begins with block", "open it with the options it was made with"),
    ];
    for (options, what, advice) in cases {
        let output = Command::new(lathe_binary())
            .args(["node", "--port", "0", "--data-dir", data_dir])
            .args(options)
            .output()
            .expect("lathe runs");
        assert_eq!(output.status.code(), Some(1), "{options:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(what) && error.contains(advice), "{options:?}: {error}");
    }
}

#[test]
fn two_nodes_do_not_share_a_directory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().to_str().expect("a UTF-8 path");
    let _node = Node::start(&["--data-dir", data_dir]);
    let output = Command::new(lathe_binary())
        .args(["node", "--port", "0", "--data-dir", data_dir])
        .output()
        .expect("lathe runs");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.to_lowercase().contains("lock"), "{error}");
}
