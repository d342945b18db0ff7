//! Chains that begin again: as a fork of another chain, at another block, or as a chain of their own.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, Bytes, U256};
use lathe_node::chain::{
    Chain, ChainOptions, ChainSpec, Cheat, ForkOptions, Home, Keeper, Manner, News, Reach, Watched,
};
use lathe_state::{MemoryStore, Store};
use serde_json::{Value, json};
use support::{
    Devnet, GAS,
    evm::{Evm, MSTORE, SLOAD},
    node::number,
    remote::{Fault, Remote, ask},
};

const SOMEBODY: Address = Address::repeat_byte(0x5b);

fn options(remote: &Remote) -> ForkOptions {
    ForkOptions { retries: 0, timeout: Duration::from_secs(20), ..ForkOptions::new(remote.url()) }
}

/// A node that forgets nothing of a remote that is gone at once.
fn manner() -> Manner {
    Manner { forks: ForkOptions { retries: 0, ..ForkOptions::new("") }, ..Manner::default() }
}

/// Another chain, whose first block is at a time of its own and whose blocks give an account ever more.
fn other(chain_id: u64, wei: u64) -> (Remote, Devnet) {
    let spec = ChainSpec { chain_id, gas_limit: 40_000_000, ..ChainSpec::default() };
    let other = Devnet(Chain::open(ChainOptions { spec, ..Devnet::options() }).unwrap());
    for _ in 0..4 {
        other.0.cheat(SOMEBODY, Cheat::AddBalance(U256::from(wei))).unwrap();
    }
    (Remote::serve(other.0.clone()), other)
}

/// A node in a store that can be opened again.
fn open(store: &Arc<MemoryStore>, fork: Option<&ForkOptions>) -> Devnet {
    let store: Arc<dyn Store> = store.clone();
    Devnet(match fork {
        Some(fork) => Chain::open_fork_in(store.clone(), store, Devnet::options(), manner(), fork).unwrap(),
        None => Chain::open_in(store.clone(), store, Devnet::options(), manner()).unwrap(),
    })
}

/// What a client sees of where a node stands: chain id, latest block, the account's balance, whether it is a fork.
fn place(devnet: &Devnet) -> (u64, u64, u64, bool) {
    let asked = |method| number(&ask(&devnet.0, method, json!([])).unwrap());
    let info = ask(&devnet.0, "anvil_nodeInfo", json!([])).unwrap();
    let is_fork = !info["forkConfig"]["forkUrl"].is_null();
    assert_eq!(info["forkConfig"]["forkBlockNumber"].is_null(), !is_fork);
    (asked("eth_chainId"), asked("eth_blockNumber"), devnet.balance(SOMEBODY).to(), is_fork)
}

fn reset(devnet: &Devnet, params: Value) {
    assert_eq!(ask(&devnet.0, "anvil_reset", params.clone()), Ok(Value::Null), "{params}");
}

#[test]
fn a_node_is_reset_to_forks_and_to_a_chain_of_its_own_and_back() {
    let ((first, _), (second, _)) = (other(7, 1), other(8, 100));
    let node = Devnet(Chain::open_with(Devnet::options(), manner()).unwrap());
    let own = node.0.head();
    let url = |remote: &Remote, block: Value| json!([{"forking": {"jsonRpcUrl": remote.url(), "blockNumber": block}}]);
    // Where each step leads, on from the one before.
    let steps = [
        (url(&first, json!(2)), (7, 2, 2, true)),
        (url(&second, Value::Null), (8, 4, 400, true)),
        (json!([{"forking": {"blockNumber": "0x3"}}]), (8, 3, 300, true)),
        // As with anvil: the latest block of the same chain.
        (json!([{"forking": {}}]), (8, 4, 400, true)),
        (url(&second, json!("0x1")), (8, 1, 100, true)),
        (json!([{"forking": null}]), (8, 4, 400, true)),
        (url(&first, json!(2)), (7, 2, 2, true)),
        (json!([{}]), (7, 4, 4, true)),
        (json!([]), (31337, 0, 0, false)),
        (json!([{}]), (31337, 0, 0, false)),
        (url(&first, json!(1)), (7, 1, 1, true)),
        (json!([null]), (31337, 0, 0, false)),
    ];
    for (params, expected) in steps {
        // What was done since leaves nothing.
        node.0.cheat(SOMEBODY, Cheat::Balance(U256::from(77))).unwrap();
        node.0.cheat(Address::repeat_byte(1), Cheat::Balance(U256::from(1))).unwrap();
        reset(&node, params.clone());
        assert_eq!(place(&node), expected, "{params}");
        assert_eq!(node.balance(Address::repeat_byte(1)), U256::ZERO);
        // It mines, with the accounts that it had.
        let receipt = node.send(SOMEBODY.into(), Bytes::new(), 5, GAS);
        assert!(receipt.success, "{params}");
        assert_eq!(place(&node).1, expected.1 + 1, "{params}");
    }
    reset(&node, json!([]));
    assert_eq!(node.0.head().hash, own.hash);
}

#[test]
fn a_fork_begins_at_the_time_and_with_the_rules_of_the_block_that_it_is_reset_to() {
    let (remote, other) = other(7, 1);
    let node = Devnet::new();
    node.0.set_chain_id(99).unwrap();
    node.0.set_block_gas_limit(1_000_000);
    node.0.reset_to_fork(Some(&remote.url()), Some(3)).unwrap();
    let base = other.0.block(3.into()).unwrap().unwrap();
    assert_eq!((node.0.head().hash, node.0.block_gas_limit()), (base.hash, 40_000_000));
    node.0.set_mining(lathe_node::chain::Mining::MANUAL).unwrap();
    let next = node.0.mine().unwrap();
    let late = next.header.timestamp - base.header.timestamp;
    assert!(late < 60, "{late} seconds after the block that it stands on");
    assert_eq!(node.0.chain_id(), 7);
    node.0.reset_to_own().unwrap();
    assert_eq!(node.0.mining(), lathe_node::chain::Mining::INSTANT);
    assert_eq!(node.0.block_gas_limit(), ChainSpec::default().gas_limit);
}

#[test]
fn nothing_that_was_read_of_one_chain_is_taken_for_anothers() {
    // Two nodes with the same blocks, of which one tells another state: nothing in a block's hash shows it.
    let (honest, other) = other(7, 1);
    let code = Evm::new().push(0).op(SLOAD).push(0).op(MSTORE).ret(32).0;
    let reader = other.deploy_evm(&code);
    let liar = Remote::serve(other.0.clone());
    let home = Arc::new(MemoryStore::new());
    let node = open(&home, Some(&options(&liar)));
    let block = node.0.head().header.number;
    liar.set(Fault::Result(r#""0x10""#));
    assert_eq!((node.balance(SOMEBODY), node.slot(reader, 0)), (U256::from(16), U256::from(16)));
    liar.set(Fault::None);
    node.0.reset_to_fork(Some(&honest.url()), Some(block)).unwrap();
    assert_eq!((node.balance(SOMEBODY), node.slot(reader, 0)), (U256::from(4), U256::ZERO));
    // Neither in the same directory later on.
    drop(node);
    let node = open(&home, Some(&options(&liar)));
    let asked = liar.requests();
    assert_eq!(node.balance(SOMEBODY), U256::from(4));
    assert!(liar.requests() > asked, "what the other node said is not its answer");
    // Another block of the same chain is another fork, too.
    node.0.reset_to_fork(None, Some(2)).unwrap();
    assert_eq!((node.balance(SOMEBODY), node.nonce(other.sender())), (U256::from(2), 0));
}

#[test]
fn what_was_read_is_kept_for_the_same_block_at_the_same_url() {
    let (remote, _) = other(7, 1);
    let node = Devnet(Chain::open_fork(Devnet::options(), manner(), &options(&remote)).unwrap());
    let block = node.0.head().header.number;
    assert_eq!(node.balance(SOMEBODY), U256::from(4));
    node.0.cheat(SOMEBODY, Cheat::Balance(U256::from(1))).unwrap();
    node.0.reset_to_fork(Some(&format!("{}/", remote.url())), Some(block)).unwrap();
    let asked = remote.requests();
    assert_eq!(node.balance(SOMEBODY), U256::from(4));
    assert_eq!(remote.requests(), asked, "it is known");
}

#[test]
fn a_reset_that_fails_leaves_the_node_as_it_was() {
    let (remote, _) = other(7, 1);
    let node = Devnet(Chain::open_with(Devnet::options(), manner()).unwrap());
    node.0.cheat(SOMEBODY, Cheat::Balance(U256::from(77))).unwrap();
    let mark = node.0.snapshot().unwrap();
    let gone = Remote::serve(node.0.clone());
    gone.go();
    for (forking, words) in [
        (json!({"jsonRpcUrl": gone.url()}), "is the node up?"),
        (json!({"jsonRpcUrl": remote.url(), "blockNumber": 99}), "there is no block 99, the latest is 4"),
        (json!({"jsonRpcUrl": "ftp://somewhere"}), "must begin with http:// or https://"),
        (json!({"jsonRpcUrl": 7}), "forking"),
    ] {
        let refused = ask(&node.0, "hardhat_reset", json!([{"forking": forking}])).unwrap_err();
        assert!(refused.contains(words), "{forking}: {refused}");
    }
    assert_eq!(place(&node), (31337, 1, 77, false));
    assert!(node.0.restore(mark).unwrap());
}

#[test]
fn a_directory_has_the_chain_that_its_node_was_reset_to() {
    let (remote, _) = other(7, 1);
    let home = Arc::new(MemoryStore::new());
    let node = open(&home, None);
    node.0.reset_to_fork(Some(&remote.url()), Some(2)).unwrap();
    node.0.cheat(SOMEBODY, Cheat::AddBalance(U256::from(5))).unwrap();
    let head = node.0.head().hash;
    drop(node);
    let node = open(&home, Some(&options(&remote)));
    assert_eq!((node.0.head().hash, node.balance(SOMEBODY)), (head, U256::from(7)));
    node.0.reset_to_own().unwrap();
    node.0.cheat(SOMEBODY, Cheat::AddBalance(U256::from(5))).unwrap();
    let head = node.0.head().hash;
    drop(node);
    let node = open(&home, None);
    assert_eq!((node.0.head().hash, node.balance(SOMEBODY)), (head, U256::from(5)));
}

#[test]
fn a_chain_without_its_first_state_begins_again_all_the_same() {
    let (remote, _) = other(7, 1);
    let options = ChainOptions {
        keep: lathe_node::chain::Keep { history: Some(0), ..Default::default() },
        ..Devnet::options()
    };
    assert_eq!(options.home, Home::Memory);
    let node = Devnet(Chain::open_with(options, manner()).unwrap());
    let first = node.0.head().hash;
    for (url, block) in [(None, 0), (Some(remote.url()), 4), (Some(remote.url()), 4), (None, 0)] {
        node.0.mine_blocks(3, None).unwrap();
        match &url {
            Some(url) => node.0.reset_to_fork(Some(url), None).unwrap(),
            None => node.0.reset_to_own().unwrap(),
        }
        assert_eq!(node.0.head().header.number, block);
    }
    assert_eq!(node.0.head().hash, first);
}

#[test]
fn who_watches_is_told_of_blocks_after_the_reset_and_of_none_in_between() {
    let (remote, other) = other(7, 1);
    let node = Devnet::new();
    let contract = node.deploy_evm(&Evm::new().run(0xA0, &[0, 0]).0);
    let heads = node.0.watch(Watched::Heads, Keeper::Poller).unwrap();
    let logs = node.0.watch(Watched::Logs(Box::default()), Keeper::Poller).unwrap();
    node.send(contract.into(), Bytes::new(), 0, GAS);
    let News::Logs(seen) = node.0.news(logs, Keeper::Poller, Reach::POLL).unwrap().0 else { panic!("logs") };
    let mark = node.0.snapshot().unwrap();
    let (metadata, waiting) = (ask(&node.0, "hardhat_metadata", json!([])).unwrap(), node.0.accounts()[1]);
    node.0.set_automine(false).unwrap();
    ask(&node.0, "eth_sendTransaction", json!([{"from": waiting, "to": waiting}])).unwrap();
    // Blocks of the other chain are many, and nobody's news.
    other.0.mine_blocks(100, None).unwrap();
    node.0.reset_to_fork(Some(&remote.url()), None).unwrap();
    assert_eq!(node.0.pool_status().unwrap(), (0, 0));
    assert!(!node.0.restore(mark).unwrap());
    let again = ask(&node.0, "hardhat_metadata", json!([])).unwrap();
    assert_ne!(again["instanceId"], metadata["instanceId"]);
    let block = node.0.mine().unwrap();
    let News::Heads(news) = node.0.news(heads, Keeper::Poller, Reach::POLL).unwrap().0 else {
        panic!("heads")
    };
    assert_eq!(news.iter().map(|(hash, _)| *hash).collect::<Vec<_>>(), [block.hash]);
    let News::Logs(removed) = node.0.news(logs, Keeper::Poller, Reach::POLL).unwrap().0 else {
        panic!("logs")
    };
    assert!(removed.len() == 1 && removed[0].removed && removed[0].block_hash == seen[0].block_hash);
}

#[test]
fn a_fork_goes_on_at_another_node_of_the_same_chain() {
    let (remote, other) = other(7, 1);
    let node = Devnet(Chain::open_fork(Devnet::options(), manner(), &options(&remote)).unwrap());
    let second = Remote::serve(other.0.clone());
    let (elsewhere, _) = self::other(7, 50);
    remote.go();
    assert!(ask(&node.0, "eth_getBalance", json!([SOMEBODY])).is_err());
    let refused = ask(&node.0, "anvil_setRpcUrl", json!([elsewhere.url()])).unwrap_err();
    assert!(
        refused.contains("the node has another chain") && refused.contains(&elsewhere.url()),
        "{refused}"
    );
    let info = || ask(&node.0, "anvil_nodeInfo", json!([])).unwrap()["forkConfig"]["forkUrl"].clone();
    assert_eq!(info(), json!(remote.url()));
    assert_eq!(ask(&node.0, "anvil_setRpcUrl", json!([second.url()])), Ok(Value::Null));
    assert_eq!(info(), json!(second.url()));
    assert_eq!(node.balance(SOMEBODY), U256::from(4));
    // And is reset there.
    reset(&node, json!([{"forking": {"blockNumber": 1}}]));
    assert_eq!(place(&node), (7, 1, 1, true));
    let own = ask(&Devnet::new().0, "anvil_setRpcUrl", json!([second.url()])).unwrap_err();
    assert!(own.contains("this node forks no other chain"), "{own}");
}
