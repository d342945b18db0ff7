//! Forks of a chain whose node is slow, overloaded, gone or not what it seems: an error that says so, never a wrong answer.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    time::Duration,
};

use alloy_eips::BlockId;
use alloy_primitives::{Address, Bytes, U256};
use alloy_rpc_types_eth::TransactionRequest;
use lathe_node::chain::{Chain, ForkOptions, Manner};
use lathe_state::{MemoryStore, Store};
use serde_json::json;
use support::{
    Devnet, GAS,
    evm::{Evm, MSTORE, SLOAD, SSTORE},
    remote::{Fault, Remote, ask},
};

fn options(remote: &Remote) -> ForkOptions {
    ForkOptions {
        timeout: Duration::from_secs(60),
        retries: 2,
        backoff: Duration::from_millis(1),
        // What follows the host is a key.
        ..ForkOptions::new(format!("{}/v2/secret", remote.url()))
    }
}

fn fork(remote: &Remote) -> Devnet {
    Devnet(Chain::open_fork(Devnet::options(), Manner::default(), &options(remote)).unwrap())
}

/// A chain with a contract that returns slot 7, which holds 5.
fn other() -> (Remote, Address) {
    let other = Devnet::new();
    let code = Evm::new().push(7).op(SLOAD).push(0).op(MSTORE).ret(32).0;
    let contract = other.deploy_evm(&code);
    let cheat = lathe_node::chain::Cheat::Storage { slot: U256::from(7), value: U256::from(5) };
    other.0.cheat(contract, cheat).unwrap();
    (Remote::serve(other.0), contract)
}

#[test]
fn a_call_gets_the_error_of_what_could_not_be_read() {
    let (remote, contract) = other();
    let fork = fork(&remote);
    // The accounts are known, the slot is not.
    fork.code(contract);
    fork.balance(Address::ZERO);
    let faults = [
        (Fault::Status(429, 9), "HTTP status 429: too many requests", 3),
        (Fault::Status(503, 9), "HTTP status 503 (3 attempts)", 3),
        (Fault::Status(403, 1), "HTTP status 403: the node wants another key", 1),
        (Fault::NoJson, "the answer `<html>welcome</html>` is no JSON-RPC", 1),
        (Fault::NoRpc, r#"the answer `{"welcome":true}` is no JSON-RPC"#, 1),
        (Fault::OtherId, "an id that was not asked for", 1),
        (Fault::Result("null"), "the answer `null` is not what the method returns", 1),
        (Fault::Result(r#"{"a":1}"#), "is not what the method returns", 1),
        (Fault::Endless, "the answer is longer than 68157440 bytes", 1),
        (Fault::Elsewhere, "HTTP status 307", 1),
    ];
    for (fault, words, requests) in faults {
        let before = remote.requests();
        remote.set(fault);
        let error = fork.call(contract, Bytes::new()).unwrap_err().to_string();
        remote.set(Fault::None);
        let place = format!("fork of {}: eth_getStorageAt: ", remote.url());
        assert!(error.starts_with(&place) && error.contains(words), "{fault:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
        assert_eq!(remote.requests() - before, requests, "{fault:?}");
    }
    assert_eq!(fork.call(contract, Bytes::new()).unwrap(), Bytes::from(U256::from(5).to_be_bytes::<32>()));
    remote.go();
    let error = fork.0.balance(Address::repeat_byte(3), BlockId::latest()).unwrap_err().to_string();
    assert!(error.contains("eth_getBalance") && error.contains("is the node up?"), "{error}");
}

#[test]
fn a_node_that_does_not_answer_is_not_waited_for_without_end() {
    let (remote, contract) = other();
    let home: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let open = |fork: &ForkOptions| {
        let chain =
            Chain::open_fork_in(home.clone(), home.clone(), Devnet::options(), Manner::default(), fork);
        Devnet(chain.unwrap())
    };
    drop(open(&options(&remote)));
    // A fork that is there asks nobody when it is opened.
    remote.set(Fault::Silent);
    let before = remote.requests();
    let fork = open(&ForkOptions { timeout: Duration::from_millis(100), ..options(&remote) });
    assert_eq!(remote.requests(), before);
    let error = fork.0.balance(contract, BlockId::latest()).unwrap_err().to_string();
    assert!(error.contains("no answer in time; --timeout waits longer (3 attempts)"), "{error}");
}

#[test]
fn what_works_a_moment_later_is_no_error() {
    let (remote, contract) = other();
    let fork = fork(&remote);
    for status in [429, 502] {
        remote.set(Fault::Status(status, 2));
        let slot = U256::from(status);
        assert_eq!(fork.0.storage(contract, slot, BlockId::latest()).unwrap(), U256::ZERO);
    }
    assert_eq!(fork.slot(contract, 7), U256::from(5));
}

#[test]
fn a_transaction_that_cannot_read_is_not_mined() {
    let (remote, contract) = other();
    let fork = fork(&remote);
    fork.code(contract);
    let [alice, bob] = [0, 1].map(|index: usize| fork.0.accounts()[index]);
    let request = |from: Address, to: Address| TransactionRequest {
        from: Some(from),
        to: Some(to.into()),
        gas: Some(GAS),
        ..Default::default()
    };
    // What Bob's transaction reads is known before.
    fork.0.send(request(bob, bob)).unwrap();
    let (head, nonce) = (fork.0.head().header.number, fork.nonce(alice));
    remote.set(Fault::Status(503, u64::MAX));
    let error = fork.0.send(request(alice, contract)).unwrap_err().to_string();
    assert!(error.contains("eth_getStorageAt: HTTP status 503"), "{error}");
    assert_eq!((fork.nonce(alice), fork.0.head().header.number), (nonce, head));
    assert_eq!(fork.0.pool_status().unwrap(), (0, 0), "what failed is not mined later");
    // Others are not held up, neither at once nor in one block with it.
    fork.0.send(request(bob, bob)).unwrap();
    fork.0.set_automine(false).unwrap();
    fork.0.send(request(alice, contract)).unwrap();
    fork.0.send(request(bob, bob)).unwrap();
    let block = fork.0.mine().unwrap();
    assert_eq!(block.transactions.len(), 1);
    assert_eq!(fork.0.pool_status().unwrap().0, 1, "it waits");
    remote.set(Fault::None);
    let block = fork.0.mine().unwrap();
    assert!(block.transactions.len() == 1 && block.receipts[0].success);
    assert_eq!(fork.nonce(alice), nonce + 1);
}

#[test]
fn a_node_without_batches_or_without_hashes_is_understood() {
    for fault in [Fault::NoBatch, Fault::NoHashes] {
        let (remote, contract) = other();
        remote.set(fault);
        let fork = fork(&remote);
        assert_eq!(fork.slot(contract, 7), U256::from(5), "{fault:?}");
        let stores = fork.deploy_evm(&Evm::new().run(SSTORE, &[1, 2]).0);
        assert!(fork.send(stores.into(), Bytes::new(), 0, GAS).success);
        assert_eq!(fork.slot(stores, 1), U256::from(2));
    }
}

#[test]
fn nothing_is_made_of_what_is_no_chain() {
    let (remote, _) = other();
    let open = |fork: ForkOptions| {
        let chain = Chain::open_fork(Devnet::options(), Manner::default(), &fork);
        chain.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let beyond = open(ForkOptions { block: Some(1_000), ..options(&remote) });
    assert!(beyond.contains("there is no block 1000"), "{beyond}");
    for url in ["ftp://a", "nonsense", "http://"] {
        let refused = open(ForkOptions::new(url));
        assert!(refused.contains("URL of the fork"), "{url}: {refused}");
    }
    for (fault, words) in [
        (Fault::NoJson, "is no JSON-RPC"),
        (Fault::Result("null"), "is not what the method returns"),
        (Fault::Result(r#"{"number":"0x1"}"#), "is not what the method returns"),
    ] {
        remote.set(fault);
        let refused = open(options(&remote));
        assert!(refused.contains(words) && !refused.contains("secret"), "{fault:?}: {refused}");
    }
    remote.set(Fault::None);
    // A port without TLS is not tried again.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        // What the client sent is read, so that closing does not reset the connection.
        let _ = stream.read(&mut [0; 4096]);
    });
    let plain = open(ForkOptions::new(format!("https://{address}/v2/secret")));
    assert!(plain.contains("https://127.0.0.1:") && plain.contains("http:// asks without"), "{plain}");
    assert!(!plain.contains("secret") && !plain.contains("attempts"), "{plain}");
    let key =
        open(ForkOptions { block: Some(99), ..ForkOptions::new(remote.url().replace("//", "//user:key@")) });
    assert!(key.contains("there is no block 99") && !key.contains("key@"), "{key}");
}

#[test]
fn a_node_that_is_gone_answers_nothing_of_its_own() {
    let (remote, contract) = other();
    let fork = fork(&remote);
    remote.go();
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0x0", false])),
        ("eth_getTransactionByHash", json!([Address::ZERO.into_word()])),
        ("eth_getProof", json!([contract, [], "latest"])),
        ("eth_getLogs", json!([{"fromBlock": "0x0"}])),
    ] {
        let error = ask(&fork.0, method, params).unwrap_err();
        assert!(error.contains(&remote.url()) && !error.contains("secret"), "{method}: {error}");
    }
    assert!(ask(&fork.0, "eth_blockNumber", json!([])).is_ok());
}
