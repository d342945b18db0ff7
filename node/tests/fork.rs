//! Forks of a chain that another node serves: what is read, called, sent, taken back and kept, with that node and without it.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use std::{sync::Arc, time::Duration};

use alloy_eips::BlockId;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::{SolCall, SolValue, sol};
use lathe_node::chain::{Chain, ChainError, Cheat, ForkOptions, MULTICALL3, Manner};
use lathe_state::{MemoryStore, Store};
use serde_json::{Value, json};
use support::{
    Devnet, GAS, created, envelope,
    evm::{Evm, MSTORE, SELFDESTRUCT},
    remote::{Remote, ask},
    word,
};

/// Without calldata it returns slot 0, else it stores the first word there.
const COUNTER: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
    (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (if (local.get $length)
            (then
                (call $read_args (i32.const 0))
                (call $cache (i32.const 64) (i32.const 0))
                (call $flush (i32.const 0)))
            (else
                (call $load (i32.const 64) (i32.const 0))
                (call $write_result (i32.const 0) (i32.const 32))))
        (i32.const 0)))"#;

sol! {
    interface Token {
        function balanceOf(address account) external view returns (uint256);
        function transfer(address to, uint256 value) external returns (bool);
    }
}

const SOMEBODY: Address = Address::repeat_byte(0x5b);

fn options(remote: &Remote) -> ForkOptions {
    ForkOptions {
        timeout: Duration::from_secs(20),
        retries: 1,
        backoff: Duration::from_millis(1),
        ..ForkOptions::new(remote.url())
    }
}

fn fork(remote: &Remote) -> Devnet {
    Devnet(Chain::open_fork(Devnet::options(), Manner::default(), &options(remote)).unwrap())
}

/// A fork in a store that can be opened again.
fn fork_in(store: &Arc<MemoryStore>, fork: &ForkOptions) -> Result<Devnet, ChainError> {
    let store: Arc<dyn Store> = store.clone();
    let chain = Chain::open_fork_in(store.clone(), store, Devnet::options(), Manner::default(), fork)?;
    Ok(Devnet(chain))
}

/// Another chain, with counters that hold 5 and 6, on a socket.
fn other() -> (Remote, Devnet, [Address; 2]) {
    let other = Devnet::new();
    let counters = [5, 6].map(|value| {
        let counter = other.deploy(COUNTER);
        store(&other, counter, value);
        counter
    });
    (Remote::serve(other.0.clone()), other, counters)
}

fn store(devnet: &Devnet, counter: Address, value: u64) {
    let receipt = devnet.send(counter.into(), word(value), 0, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
}

fn load(devnet: &Devnet, counter: Address) -> U256 {
    U256::from_be_slice(&devnet.call(counter, Bytes::new()).unwrap())
}

#[test]
fn a_fork_goes_on_from_the_other_chains_block() {
    let (remote, other, [counter, later]) = other();
    let head = other.0.head();
    let fork = fork(&remote);
    assert_eq!((fork.0.head().header.number, fork.0.head().hash), (head.header.number, head.hash));
    assert_eq!(fork.0.spec().chain_id, other.0.spec().chain_id);
    assert_eq!(fork.code(counter), other.code(counter));
    assert_eq!((fork.slot(counter, 0), load(&fork, counter)), (U256::from(5), U256::from(5)));
    // The other chain goes on; the fork does not see it, not even in what it reads for the first time.
    store(&other, counter, 50);
    store(&other, later, 60);
    assert_eq!((load(&fork, counter), load(&fork, later)), (U256::from(5), U256::from(6)));

    store(&fork, counter, 9);
    let block = fork.0.head();
    assert_eq!((block.header.number, block.header.parent_hash), (head.header.number + 1, head.hash));
    assert_eq!(block.header.gas_limit, head.header.gas_limit);
    assert!(block.header.timestamp >= head.header.timestamp);
    assert_eq!((load(&fork, counter), load(&other, counter)), (U256::from(9), U256::from(50)));
    // The base's state stays to be read, and so does the base fee's course.
    assert_eq!(fork.0.storage(counter, U256::ZERO, head.number().into()).unwrap(), U256::from(5));
    assert_eq!(
        block.header.base_fee_per_gas,
        Some(head.header.next_block_base_fee(alloy_eips::eip1559::BaseFeeParams::ethereum()).unwrap())
    );
}

trait Number {
    fn number(&self) -> u64;
}

impl Number for lathe_node::chain::Block {
    fn number(&self) -> u64 {
        self.header.number
    }
}

#[test]
fn programs_and_their_records_are_those_of_the_other_chain() {
    let (_, other, _) = other();
    let module = include_bytes!("../../contracts/erc20/erc20.wasm");
    let owner = other.sender();
    let arguments = ("Forked".to_owned(), "FRK".to_owned(), U256::from(1_000), owner).abi_encode_params();
    let token = created(&other.try_deploy(envelope(2, module, &arguments)));
    let remote = Remote::serve(other.0.clone());
    let fork = fork(&remote);
    let call = Token::transferCall { to: SOMEBODY, value: U256::from(400) }.abi_encode();
    let receipt = fork.send(token.into(), call, 0, GAS);
    assert!(receipt.success && receipt.logs.len() == 1, "{receipt:?}");
    let balance = |devnet: &Devnet, account| {
        U256::from_be_slice(&devnet.call(token, Token::balanceOfCall { account }.abi_encode()).unwrap())
    };
    assert_eq!((balance(&fork, owner), balance(&fork, SOMEBODY)), (U256::from(600), U256::from(400)));
    assert_eq!(balance(&other, SOMEBODY), U256::ZERO);
    // ArbWasm has the record of its code, and of code that the fork installs.
    let version = |devnet: &Devnet, of: Address| {
        let hash = alloy_primitives::keccak256(devnet.code(of));
        let call = [&alloy_primitives::hex!("d70c0ca7")[..], hash.as_slice()];
        U256::from_be_slice(&devnet.call(Address::with_last_byte(0x71), call.concat()).unwrap())
    };
    assert_eq!(version(&fork, token), version(&other, token));
    let own = fork.deploy(&COUNTER.replace("64", "96"));
    assert_eq!(version(&fork, own), version(&other, token));
    // What is there is not put there again.
    assert_eq!(fork.code(MULTICALL3), other.code(MULTICALL3));
    assert_eq!(fork.nonce(MULTICALL3), other.nonce(MULTICALL3));
}

#[test]
fn what_the_fork_clears_and_deletes_stays_so() {
    let (remote, other, [counter, _]) = other();
    let rich = SOMEBODY;
    other.send(TxKind::Call(rich), Bytes::new(), 77, GAS);
    let fork = fork(&remote);
    let base = fork.0.head().number();
    let mark = fork.0.snapshot().unwrap();
    store(&fork, counter, 0);
    assert_eq!(fork.balance(rich), U256::from(77));
    fork.0.cheat(rich, Cheat::Balance(U256::ZERO)).unwrap();
    let gone = fork.0.head().number();
    store(&fork, counter, 0);
    assert_eq!((fork.slot(counter, 0), load(&fork, counter), fork.balance(rich)), Default::default());
    let at = |number: u64| {
        let slot = fork.0.storage(counter, U256::ZERO, number.into()).unwrap();
        (slot, fork.0.balance(rich, number.into()).unwrap())
    };
    let (five, rich_still) = (U256::from(5), U256::from(77));
    assert_eq!(at(base), (five, rich_still));
    assert_eq!(at(gone - 1), (U256::ZERO, rich_still));
    assert_eq!(at(gone), (U256::ZERO, U256::ZERO));
    assert!(fork.0.restore(mark).unwrap());
    assert_eq!(at(base), (five, rich_still));
    assert_eq!((fork.slot(counter, 0), fork.balance(rich)), (five, rich_still));
    // From there it is written anew.
    store(&fork, counter, 8);
    assert_eq!((fork.slot(counter, 0), at(base).0), (U256::from(8), five));
    fork.0.reset().unwrap();
    assert_eq!((fork.0.head().number(), fork.slot(counter, 0)), (base, five));
}

#[test]
fn a_contract_that_is_made_and_gone_leaves_nothing_of_what_was_there() {
    let (_, other, _) = other();
    // Creation code that destroys its contract at once, whose address has ether on the other chain.
    let gone = Evm::new().address(Address::repeat_byte(9)).op(SELFDESTRUCT).0;
    let address = other.sender().create(other.nonce(other.sender()) + 1);
    other.send(TxKind::Call(address), Bytes::new(), 5, GAS);
    let remote = Remote::serve(other.0.clone());
    let fork = fork(&remote);
    assert_eq!(fork.balance(address), U256::from(5));
    let receipt = fork.try_deploy(gone);
    assert_eq!(receipt.contract_address, Some(address), "{:?}", receipt.failure);
    assert_eq!((fork.balance(address), fork.nonce(address)), (U256::ZERO, 0));
    assert_eq!(fork.balance(Address::repeat_byte(9)), U256::from(5));
    assert_eq!(other.balance(address), U256::from(5));
}

#[test]
fn code_sees_the_hashes_of_blocks_before_the_fork() {
    let (remote, other, _) = other();
    let fork = fork(&remote);
    const BLOCKHASH: u8 = 0x40;
    for number in [0, 1, fork.0.head().number()] {
        let code = Evm::new().push(number).op(BLOCKHASH).push(0).op(MSTORE).ret(32);
        let contract = fork.deploy_evm(&code.0);
        let hash = other.0.block(number.into()).unwrap().unwrap().hash;
        assert_eq!(fork.call(contract, Bytes::new()).unwrap(), Bytes::from(hash), "block {number}");
    }
}

#[test]
fn a_fork_that_starts_again_needs_nobody_for_what_it_knows() {
    let (remote, _, [counter, unread]) = other();
    let home = Arc::new(MemoryStore::new());
    let fork = fork_in(&home, &options(&remote)).unwrap();
    store(&fork, counter, 9);
    assert_eq!((load(&fork, counter), fork.balance(SOMEBODY)), (U256::from(9), U256::ZERO));
    let base = json!([ask(&fork.0, "eth_getBlockByNumber", json!(["0x1", true])).unwrap()]);
    let (head, sender) = (fork.0.head(), fork.balance(fork.sender()));
    let requests = remote.requests();
    drop(fork);
    remote.go();

    let fork = fork_in(&home, &options(&remote)).unwrap();
    assert_eq!((fork.0.head().hash, fork.balance(fork.sender())), (head.hash, sender));
    assert_eq!((load(&fork, counter), fork.balance(SOMEBODY)), (U256::from(9), U256::ZERO));
    assert_eq!(fork.0.storage(counter, U256::ZERO, (head.number() - 1).into()).unwrap(), U256::from(5));
    assert_eq!(json!([ask(&fork.0, "eth_getBlockByNumber", json!(["0x1", true])).unwrap()]), base);
    store(&fork, counter, 0);
    assert_eq!(load(&fork, counter), U256::ZERO);
    assert_eq!(remote.requests(), requests, "nobody was asked");
    let error = fork.call(unread, Bytes::new()).unwrap_err().to_string();
    assert!(error.contains(&remote.url()) && error.contains("eth_get"), "{error}");
}

#[test]
fn a_directory_holds_one_fork() {
    let (remote, other, _) = other();
    let home = Arc::new(MemoryStore::new());
    let pinned = ForkOptions { block: Some(2), ..options(&remote) };
    drop(fork_in(&home, &pinned).unwrap());
    // The same without a number; another number, chain id or balance is another fork.
    assert_eq!(fork_in(&home, &options(&remote)).unwrap().0.head().number(), 2);
    let refused = |fork: ForkOptions| fork_in(&home, &fork).err().unwrap().to_string();
    let elsewhere = refused(ForkOptions { block: Some(3), ..options(&remote) });
    assert!(elsewhere.contains("a fork at block 2, not 3"), "{elsewhere}");
    let another_id = refused(ForkOptions { chain_id: Some(7), ..options(&remote) });
    assert!(another_id.contains("chain id 31337, not 7"), "{another_id}");
    let poor = lathe_node::chain::ChainOptions { balance: U256::from(1), ..Devnet::options() };
    let chain = Chain::open_fork_in(home.clone(), home.clone(), poor, Manner::default(), &options(&remote));
    assert!(matches!(chain, Err(ChainError::OtherGenesis(_))), "{chain:?}");
    // A node that has another chain by now is found out when it is asked.
    other.0.rollback(other.0.head().number() - 1).unwrap();
    other.0.set_next_timestamp(other.0.head().header.timestamp + 1_000_000).unwrap();
    other.0.mine_blocks(3, None).unwrap();
    let fork = fork_in(&home, &options(&remote)).unwrap();
    let error = fork.0.balance(Address::repeat_byte(0x77), BlockId::latest()).unwrap_err().to_string();
    assert!(error.contains("this fork stands on"), "{error}");
}

#[test]
fn options_of_the_chain_win_over_what_the_other_chain_says() {
    let (remote, ..) = other();
    let wanted = ForkOptions { chain_id: Some(7), gas_limit: Some(30_000_000), ..options(&remote) };
    let fork = fork_in(&Arc::new(MemoryStore::new()), &wanted).unwrap();
    assert_eq!((fork.0.spec().chain_id, fork.0.block_gas_limit()), (7, 30_000_000));
    let receipt = fork.send(SOMEBODY.into(), Bytes::new(), 1, 21_000);
    assert!(receipt.success);
    let metadata = ask(&fork.0, "hardhat_metadata", json!([])).unwrap();
    assert_eq!((&metadata["chainId"], &metadata["forkedNetwork"]["chainId"]), (&json!(7), &json!(31_337)));
}

#[test]
fn requests_about_blocks_before_the_fork_are_answered_by_the_other_chain() {
    let (remote, other, [counter, _]) = other();
    let base = other.0.head();
    let old_tx = *base.transactions[0].tx_hash();
    let fork = fork(&remote);
    // Both go on, each on its own.
    store(&other, counter, 50);
    let foreign = other.0.head();
    store(&fork, counter, 9);
    let own = fork.0.head();
    let (number, hash) = (format!("{:#x}", base.number()), base.hash);
    let before = format!("{:#x}", base.number() - 1);
    for (method, params) in [
        ("eth_getBlockByNumber", json!([number, true])),
        ("eth_getBlockByNumber", json!(["earliest", false])),
        ("eth_getBlockByHash", json!([hash, true])),
        ("eth_getBlockReceipts", json!([number])),
        ("eth_getTransactionByHash", json!([old_tx])),
        ("eth_getTransactionReceipt", json!([old_tx])),
        ("eth_getTransactionByBlockNumberAndIndex", json!([number, "0x0"])),
        ("debug_traceTransaction", json!([old_tx, {"tracer": "callTracer"}])),
        ("debug_getRawBlock", json!([number])),
        ("eth_getBalance", json!([other.sender(), before])),
        ("eth_getStorageAt", json!([counter, "0x0", "0x1"])),
        ("eth_call", json!([{"to": counter}, before])),
        ("eth_feeHistory", json!(["0x2", before, [50]])),
        ("eth_getProof", json!([counter, ["0x0"], number])),
        ("eth_getProof", json!([counter, [], before])),
        ("eth_getAccount", json!([counter, {"blockHash": hash}])),
        ("eth_getLogs", json!([{"fromBlock": "0x0", "toBlock": number}])),
        ("trace_block", json!([number])),
        ("trace_transaction", json!([old_tx])),
        ("trace_filter", json!([{"fromBlock": "0x0", "toBlock": number}])),
        ("debug_traceBlockByNumber", json!([number, {"tracer": "callTracer"}])),
        ("debug_traceBlockByHash", json!([hash])),
        ("ots_getBlockDetails", json!([number])),
        ("ots_getBlockDetailsByHash", json!([hash])),
        ("ots_getBlockTransactions", json!([number, 0, 10])),
        ("ots_getInternalOperations", json!([old_tx])),
        ("ots_getTransactionError", json!([old_tx])),
        ("ots_traceTransaction", json!([old_tx])),
        ("ots_hasCode", json!([counter, before])),
    ] {
        let here = ask(&fork.0, method, params.clone());
        assert_eq!(here, ask(&other.0, method, params.clone()), "{method} {params}");
        assert!(here.is_ok_and(|result| !result.is_null()), "{method} {params}");
    }
    // What the other chain did since is not part of the fork.
    let foreign_tx = *foreign.transactions[0].tx_hash();
    for (method, params) in [
        ("eth_getBlockByHash", json!([foreign.hash, false])),
        ("eth_getTransactionByHash", json!([foreign_tx])),
        ("eth_getTransactionReceipt", json!([foreign_tx])),
        ("eth_getBlockByNumber", json!([format!("{:#x}", own.number() + 1), false])),
    ] {
        assert_eq!(ask(&fork.0, method, params), Ok(Value::Null), "{method}");
    }
    let own_tx = *own.transactions[0].tx_hash();
    let receipt = ask(&fork.0, "eth_getTransactionReceipt", json!([own_tx])).unwrap();
    assert_eq!(receipt["blockHash"], json!(own.hash));
    // The state there is the fork's own, and cannot be proven.
    let latest = ask(&fork.0, "eth_getProof", json!([counter, [], "latest"])).unwrap_err();
    assert!(latest.contains("cannot be proven"), "{latest}");
    let history = ask(&fork.0, "eth_feeHistory", json!(["0x10", "latest", []])).unwrap();
    assert_eq!(history["oldestBlock"], json!(number));
}

#[test]
fn calls_of_both_chains_are_found_in_order() {
    let (remote, other, [counter, _]) = other();
    let fork = fork(&remote);
    for value in [7, 8] {
        store(&fork, counter, value);
        store(&other, counter, value);
    }
    let base = fork.0.first_block();
    let blocks = |filter: Value| {
        let found = ask(&fork.0, "trace_filter", json!([filter])).unwrap();
        let number = |trace: &Value| trace["blockNumber"].as_u64().unwrap();
        found.as_array().unwrap().iter().map(number).collect::<Vec<_>>()
    };
    // The counter is made in block 1 and written to in block 2.
    let all = [2, base + 1, base + 2];
    let to_counter = |from: u64, to: u64| json!({"fromBlock": format!("{from:#x}"), "toBlock": format!("{to:#x}"), "toAddress": [counter]});
    assert_eq!(blocks(to_counter(2, base + 2)), all);
    assert_eq!(blocks(to_counter(2, base)), all[..1]);
    assert_eq!(blocks(to_counter(base + 1, base + 2)), all[1..]);
    for (after, count) in [(0, 2), (1, 1), (1, 5), (2, 5), (3, 1), (0, 0)] {
        let filter = [("after", after), ("count", count)].into_iter().fold(
            to_counter(2, base + 2),
            |mut filter, (name, value)| {
                filter[name] = json!(value);
                filter
            },
        );
        let expected: Vec<u64> = all.iter().skip(after).take(count).copied().collect();
        assert_eq!(blocks(filter), expected, "{count} after {after}");
    }
    let found = ask(&fork.0, "ots_searchTransactionsBefore", json!([counter, 0, 10])).unwrap();
    assert_eq!((&found["txs"].as_array().unwrap().len(), &found["lastPage"]), (&2, &json!(true)));
}

#[test]
fn logs_are_those_of_both_chains_in_order() {
    let other = Devnet::new();
    let log = Evm::new().run(0xA0, &[0, 0]).0;
    let contract = other.deploy_evm(&log);
    other.send(contract.into(), Bytes::new(), 0, GAS);
    let base = other.0.head();
    let remote = Remote::serve(other.0.clone());
    let fork = fork(&remote);
    other.send(contract.into(), Bytes::new(), 0, GAS);
    fork.send(contract.into(), Bytes::new(), 0, GAS);
    let blocks = |filter: Filter| {
        let logs = fork.0.logs(&filter).unwrap();
        logs.into_iter().map(|log| log.block_hash.unwrap()).collect::<Vec<_>>()
    };
    let all = [base.hash, fork.0.head().hash];
    assert_eq!(blocks(Filter::new().from_block(0)), all);
    assert_eq!(blocks(Filter::new().from_block(base.number() + 1)), all[1..]);
    assert_eq!(blocks(Filter::new().from_block(0).to_block(base.number())), all[..1]);
    assert!(blocks(Filter::new().from_block(0).address(SOMEBODY)).is_empty());
    assert_eq!(blocks(Filter::new().at_block_hash(base.hash)), all[..1]);
    assert_eq!(blocks(Filter::new().at_block_hash(all[1])), all[1..]);
    let foreign = fork.0.logs(&Filter::new().at_block_hash(other.0.head().hash));
    assert_eq!(foreign, Err(ChainError::UnknownBlock));
}

#[test]
fn the_latest_block_of_a_new_fork_is_the_other_chains() {
    let (remote, other, _) = other();
    let fork = fork(&remote);
    for tag in ["latest", "pending", "finalized"] {
        let block = |devnet: &Devnet| ask(&devnet.0, "eth_getBlockByNumber", json!([tag, true]));
        assert_eq!(block(&fork), block(&other), "{tag}");
    }
    let info = ask(&fork.0, "anvil_nodeInfo", json!([])).unwrap();
    let expected = json!({
        "forkUrl": remote.url(), "forkBlockNumber": fork.0.head().number(), "forkRetryBackoff": 1,
    });
    assert_eq!(info["forkConfig"], expected);
    fork.0.mine_blocks(3, Some(10)).unwrap();
    assert_eq!(fork.0.head().number(), other.0.head().number() + 3);
    let proof =
        ask(&fork.0, "eth_getProof", json!([SOMEBODY, [], format!("{:#x}", other.0.head().number())]));
    assert_eq!(proof.unwrap()["address"], json!(SOMEBODY));
}

#[test]
fn a_fork_can_be_forked() {
    let (remote, _, [counter, unread]) = other();
    let first = fork(&remote);
    store(&first, counter, 9);
    let second_remote = Remote::serve(first.0.clone());
    let second = fork(&second_remote);
    assert_eq!((load(&second, counter), load(&second, unread)), (U256::from(9), U256::from(6)));
    store(&second, unread, 1);
    assert_eq!((load(&second, unread), load(&first, unread)), (U256::from(1), U256::from(6)));
}
