//! What tools ask of a devnet beside Ethereum's methods: when it mines, whom it impersonates, what blocks to come are like, and
//! what going back brings back.

mod support;

use std::{sync::Arc, time::Duration};

use alloy_primitives::keccak256;
use lathe_node::{
    chain::{Manner, Mining, Order},
    rpc::envelope,
};
use serde_json::{Value, json};
use support::node::{ALICE, BOB, NOBODY, Node, number};

const ETHER: &str = "0xde0b6b3a7640000";

#[test]
fn an_interval_mines_until_it_is_taken_back() {
    let node = Node::new();
    assert_eq!(node.result("anvil_getIntervalMining", json!([])), json!(null));
    node.result("evm_setIntervalMining", json!([0.02]));
    assert_eq!(node.result("anvil_getIntervalMining", json!([])), json!(0.02));
    assert_eq!(node.result("anvil_getAutomine", json!([])), json!(false));
    let sent = node.send(ALICE, json!({"to": BOB}));
    while node.receipt(&sent).is_null() || node.height() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    node.result("anvil_setIntervalMining", json!(["0x0"]));
    let height = node.height();
    assert_eq!(node.result("anvil_getIntervalMining", json!([])), json!(null));
    let waits = node.send(ALICE, json!({"to": BOB}));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!((node.height(), node.receipt(&waits)), (height, json!(null)), "nothing is mined unasked");
    node.result("evm_setAutomine", json!([true]));
    assert_eq!(number(&node.receipt(&waits)["blockNumber"]), height + 1);
    node.result("evm_setIntervalMining", json!([12]));
    assert_eq!(node.result("anvil_getIntervalMining", json!([])), json!(12));
    for interval in [json!([0.0001]), json!([1e9]), json!([-1])] {
        node.answer("evm_setIntervalMining", &interval)["error"]["message"].as_str().expect("a refusal");
    }
}

#[test]
fn mixed_mining_mines_what_is_sent_and_as_time_passes() {
    let interval = Some(Duration::from_millis(20));
    let node = Node::with(Manner { mining: Mining { on_send: true, interval }, ..Manner::default() });
    let sent = node.send(ALICE, json!({"to": BOB}));
    assert_eq!(node.receipt(&sent)["status"], "0x1", "it is there when sending returns");
    let height = node.height();
    while node.height() < height + 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    node.result("evm_setAutomine", json!([false]));
    assert_eq!(node.chain.mining(), Mining { on_send: false, interval });
}

#[test]
fn a_chain_ends_while_time_mines_on_it() {
    let interval = Some(Duration::from_millis(1));
    let node = Node::with(Manner { mining: Mining { on_send: false, interval }, ..Manner::default() });
    while node.height() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let chain = Arc::downgrade(&node.chain);
    drop(node);
    while chain.upgrade().is_some() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn blocks_take_transactions_in_the_order_that_was_asked_for() {
    for (order, name, first) in [(Order::Fees, "fees", BOB), (Order::Fifo, "fifo", ALICE)] {
        let node = Node::with(Manner { order, mining: Mining::MANUAL, ..Manner::default() });
        assert_eq!(node.result("anvil_nodeInfo", json!([]))["transactionOrder"], name);
        node.send(ALICE, json!({"to": BOB, "gasPrice": "0x77359400", "gas": "0x5208"}));
        node.send(BOB, json!({"to": BOB, "gasPrice": "0xb2d05e00", "gas": "0x5208"}));
        node.result("evm_mine", json!([]));
        let block = node.result("eth_getBlockByNumber", json!(["latest", true]));
        assert_eq!(block["transactions"][0]["from"], first, "{order:?}");
    }
}

#[test]
fn an_impersonated_account_sends_without_its_key() {
    let node = Node::new();
    let error = node.error("eth_sendTransaction", json!([{"from": NOBODY, "to": BOB, "value": "0x1"}]));
    assert!(error.contains("anvil_impersonateAccount"), "{error}");
    node.result("hardhat_setBalance", json!([NOBODY, ETHER]));
    // A contract that says who calls it: an account with code sends, too.
    node.result("anvil_setCode", json!([NOBODY, "0x3360005260206000f3"]));
    node.result("anvil_impersonateAccount", json!([NOBODY]));
    assert_eq!(node.result("eth_accounts", json!([])), json!([ALICE, BOB, NOBODY]));
    let hash = node.send(NOBODY, json!({"to": BOB, "value": "0x1"}));
    let receipt = node.receipt(&hash);
    assert_eq!((&receipt["status"], &receipt["from"]), (&json!("0x1"), &json!(NOBODY)));
    let tx = node.result("eth_getTransactionByHash", json!([hash]));
    assert_eq!((&tx["from"], &tx["r"], &tx["s"]), (&json!(NOBODY), &json!("0xff"), &json!("0x0")));
    let raw: alloy_primitives::Bytes =
        serde_json::from_value(node.result("debug_getRawTransaction", json!([hash]))).expect("bytes");
    assert_eq!(json!(keccak256(&raw)), hash);
    let error = node.error("eth_sendRawTransaction", json!([raw]));
    assert!(error.starts_with("invalid sender"), "nobody sends it from outside: {error}");
    // It is run again from the block's record.
    let trace = node.answer("debug_traceTransaction", &json!([hash, {"tracer": "stylusTracer"}]));
    assert!(trace.get("error").is_none(), "{trace}");

    node.result("hardhat_stopImpersonatingAccount", json!([NOBODY]));
    node.error("eth_sendTransaction", json!([{"from": NOBODY, "to": BOB}]));
    node.result("anvil_autoImpersonateAccount", json!([true]));
    node.send(NOBODY, json!({"to": BOB, "type": "0x0", "gasPrice": "0x77359400"}));
    node.result("hardhat_autoImpersonateAccount", json!([false]));
    node.error("eth_sendTransaction", json!([{"from": NOBODY, "to": BOB}]));
}

#[test]
fn equal_transactions_of_two_impersonated_accounts_are_two() {
    let node = Node::with(Manner { mining: Mining::MANUAL, ..Manner::default() });
    node.result("anvil_autoImpersonateAccount", json!([true]));
    let others = ["0x00000000000000000000000000000000000000f1", "0x00000000000000000000000000000000000000f2"];
    for other in others {
        node.result("anvil_setBalance", json!([other, ETHER]));
    }
    let request = |id: usize| {
        let params = json!([{"from": others[id], "to": BOB, "gas": "0x5208", "gasPrice": "0x77359400"}]);
        json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendTransaction", "params": params})
    };
    let batch = json!([request(0), request(1)]).to_string();
    let answer = envelope::answer(&node.registry, batch.as_bytes()).expect("an answer");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_ne!(answer[0]["result"], answer[1]["result"]);
    assert_eq!(
        node.result("txpool_content", json!([]))["pending"].as_object().map(|senders| senders.len()),
        Some(2)
    );
    node.result("evm_mine", json!([]));
    for (answer, other) in [(&answer[0], others[0]), (&answer[1], others[1])] {
        assert_eq!(node.receipt(&answer["result"])["from"], other);
    }
}

#[test]
fn going_back_to_a_snapshot_brings_back_what_was_set() {
    let node = Node::new();
    let far = 4_000_000_000_u64;
    node.result("evm_setNextBlockTimestamp", json!([far]));
    node.result("anvil_setNextBlockBaseFeePerGas", json!(["0x2a"]));
    node.result("anvil_setCoinbase", json!([NOBODY]));
    let snapshot = node.result("evm_snapshot", json!([]));
    node.result("evm_mine", json!([]));
    node.result("evm_increaseTime", json!([1_000_000]));
    node.result("anvil_setCoinbase", json!([BOB]));
    node.result("evm_setBlockGasLimit", json!(["0x1e8480"]));
    node.result("evm_setAutomine", json!([false]));
    assert_eq!(node.result("evm_revert", json!([snapshot])), json!(true));
    assert_eq!(
        node.result("anvil_getAutomine", json!([])),
        json!(false),
        "when to mine is nothing of a snapshot's"
    );
    node.result("evm_mine", json!([]));
    let block = node.block("latest");
    assert_eq!(number(&block["timestamp"]), far);
    assert_eq!((&block["baseFeePerGas"], &block["miner"]), (&json!("0x2a"), &json!(NOBODY)));
    assert_eq!(block["gasLimit"], node.block("0x0")["gasLimit"]);
}

#[test]
fn going_back_to_a_snapshot_brings_back_what_waited() {
    let node = Node::with(Manner { mining: Mining::MANUAL, ..Manner::default() });
    let waits = node.send(ALICE, json!({"to": BOB, "gas": "0x5208"}));
    let behind = node.send(ALICE, json!({"to": BOB, "gas": "0x5208"}));
    let snapshot = node.result("evm_snapshot", json!([]));
    node.result("anvil_impersonateAccount", json!([NOBODY]));
    node.result("hardhat_dropTransaction", json!([behind]));
    node.result("evm_mine", json!([]));
    let later = node.send(BOB, json!({"to": ALICE, "gas": "0x5208"}));
    assert_eq!(node.result("evm_revert", json!([snapshot])), json!(true));
    assert_eq!(node.result("txpool_status", json!([])), json!({"pending": "0x2", "queued": "0x0"}));
    assert!(node.result("eth_getTransactionByHash", json!([later])).is_null());
    assert_eq!(
        node.result("eth_accounts", json!([]))[2],
        NOBODY,
        "whom it impersonates is nothing of a snapshot's"
    );
    node.result("evm_mine", json!([]));
    assert_eq!(node.block("latest")["transactions"], json!([waits, behind]));
}

#[test]
fn snapshots_remember_no_more_than_so_many_bytes_that_wait() {
    let node = Node::with(Manner { mining: Mining::MANUAL, ..Manner::default() });
    let data = format!("0x{}", "00".repeat(4 << 20));
    node.send(ALICE, json!({"to": BOB, "gas": "0x5f5e100", "data": data}));
    let mut made = 0;
    let refused = loop {
        let answer = node.answer("evm_snapshot", &json!([]));
        match answer["error"]["message"].as_str() {
            Some(message) => break message.to_owned(),
            None => made += 1,
        }
    };
    assert_eq!(made, 31, "as many times 4 MiB and a little as there are in 128 MiB");
    assert!(refused.contains("134217728 bytes of waiting transactions"), "{refused}");
    node.result("anvil_dropAllTransactions", json!([]));
    node.result("evm_snapshot", json!([]));
}

#[test]
fn another_chain_id_holds_for_blocks_to_come_and_those_before_run_as_they_ran() {
    let node = Node::new();
    let genesis = node.block("0x0")["hash"].clone();
    // Stores CHAINID in slot 0 and returns it.
    node.result("anvil_setCode", json!([NOBODY, "0x46805f555f5260205ff3"]));
    let slot = || number(&node.result("eth_getStorageAt", json!([NOBODY, "0x0"])));
    let seen = |at: &str| number(&node.result("eth_call", json!([{"to": NOBODY}, at])));
    let first = node.send(ALICE, json!({"to": NOBODY}));
    let old = node.block("latest")["number"].clone();
    assert_eq!(slot(), 31_337);

    let snapshot = node.result("evm_snapshot", json!([]));
    node.result("anvil_setChainId", json!([4_242]));
    assert_eq!(node.result("eth_chainId", json!([])), "0x1092");
    assert_eq!(node.result("net_version", json!([])), "4242");
    assert_eq!((seen("latest"), seen("pending"), seen("0x1")), (4_242, 4_242, 31_337));
    let signed = |chain_id: &str| {
        let request = json!({"from": ALICE, "to": NOBODY, "gas": "0x186a0", "gasPrice": "0x77359400",
            "nonce": node.result("eth_getTransactionCount", json!([ALICE, "latest"])), "chainId": chain_id});
        node.answer("eth_signTransaction", &json!([request]))
    };
    let raw = signed("0x1092")["result"]["raw"].clone();
    let second = node.result("eth_sendRawTransaction", json!([raw]));
    assert_eq!(node.receipt(&second)["status"], "0x1");
    assert_eq!(node.result("eth_getTransactionByHash", json!([second]))["chainId"], "0x1092");
    assert_eq!(slot(), 4_242);
    let elsewhere = Node::new();
    let refused = elsewhere.error("eth_sendRawTransaction", json!([raw]));
    assert!(refused.starts_with("invalid chain id for signer: have 4242 want 31337"), "{refused}");
    for (hash, id) in [(&first, 31_337), (&second, 4_242)] {
        let trace = node.result("debug_traceTransaction", json!([hash, {"tracer": "callTracer"}]));
        assert_eq!(number(&trace["output"]), id);
    }
    assert_eq!(node.block("0x0")["hash"], genesis);
    assert_eq!(node.result("evm_revert", json!([snapshot])), json!(true));
    assert_eq!(node.result("eth_chainId", json!([])), "0x7a69", "what waited then was signed for it");
    assert_eq!(node.block("latest")["number"], old);
    for wrong in [json!([0]), json!(["0xffffffffffffffff"])] {
        assert!(node.error("anvil_setChainId", wrong).contains("is not possible"));
    }
}

#[test]
fn a_block_has_no_more_transactions_than_it_may() {
    let manner =
        Manner { mining: Mining::MANUAL, block_txs_max: std::num::NonZeroUsize::new(2), ..Manner::default() };
    let node = Node::with(manner);
    for _ in 0..3 {
        node.send(ALICE, json!({"to": BOB, "gas": "0x5208"}));
    }
    let counts = [(); 2].map(|()| {
        node.result("evm_mine", json!([]));
        node.block("latest")["transactions"].as_array().map(Vec::len)
    });
    assert_eq!(counts, [Some(2), Some(1)]);
}

#[test]
fn a_transaction_is_sent_without_a_key_if_that_is_asked_for() {
    let node = Node::new();
    node.result("tenderly_setBalance", json!([NOBODY, ETHER]));
    let sent =
        node.result("eth_sendUnsignedTransaction", json!([{"from": NOBODY, "to": BOB, "value": "0x1"}]));
    assert_eq!(node.receipt(&sent)["from"], NOBODY);
    node.error("eth_sendTransaction", json!([{"from": NOBODY, "to": BOB}]));
    let everyone = Node::with(Manner { impersonates_everyone: true, ..Manner::default() });
    everyone.result("anvil_reset", json!([]));
    everyone.result("anvil_setBalance", json!([NOBODY, ETHER]));
    everyone.send(NOBODY, json!({"to": BOB}));
    assert_eq!(
        node.result("anvil_getGenesisTime", json!([])),
        json!(number(&node.block("0x0")["timestamp"]))
    );
}

#[test]
fn blocks_to_come_have_the_interval_randomness_and_price_that_were_set() {
    let node = Node::new();
    node.result("anvil_setBlockTimestampInterval", json!([100]));
    node.result("evm_setNextBlockTimestamp", json!([3_000_000_000_u64]));
    node.result("hardhat_mine", json!(["0x3"]));
    let times = ["0x1", "0x2", "0x3"].map(|block| number(&node.block(block)["timestamp"]));
    assert_eq!(times, [3_000_000_000, 3_000_000_100, 3_000_000_200]);
    assert_eq!(node.result("anvil_removeBlockTimestampInterval", json!([])), json!(true));
    assert_eq!(node.result("anvil_removeBlockTimestampInterval", json!([])), json!(false));
    let random = format!("0x{:064x}", 5);
    node.result("hardhat_setPrevRandao", json!([random]));
    node.result("evm_mine", json!([]));
    assert_eq!(node.block("latest")["mixHash"], random);
    node.result("evm_mine", json!([]));
    assert_ne!(node.block("latest")["mixHash"], random, "it held for one block");
    node.result("anvil_setMinGasPrice", json!(["0x174876e800"]));
    let cheap = json!([{"from": ALICE, "to": BOB, "gasPrice": "0x77359400"}]);
    assert!(node.error("eth_sendTransaction", cheap).starts_with("transaction underpriced"));
    let price = number(&node.result("eth_gasPrice", json!([])));
    assert!(price >= 0x174876e800, "{price}");
    node.send(ALICE, json!({"to": BOB}));
    node.result("anvil_addBalance", json!([NOBODY, "0x5"]));
    node.result("anvil_addBalance", json!([NOBODY, "0x6"]));
    assert_eq!(node.result("eth_getBalance", json!([NOBODY])), "0xb");
    node.result("anvil_enableTraces", json!([]));
    assert_eq!(node.result("hardhat_setLoggingEnabled", json!([true])), json!(true));
}

#[test]
fn mined_blocks_are_returned_with_their_transactions() {
    let node = Node::with(Manner { mining: Mining::MANUAL, ..Manner::default() });
    let sent = node.send(ALICE, json!({"to": BOB}));
    let blocks = node.result("evm_mine_detailed", json!([{"blocks": 2}]));
    assert_eq!(blocks.as_array().map(Vec::len), Some(2));
    assert_eq!((&blocks[0]["number"], &blocks[0]["transactions"][0]["hash"]), (&json!("0x1"), &sent));
    assert_eq!(node.result("hardhat_intervalMine", json!([])), json!(true));
    assert_eq!(node.height(), 3);
}

#[test]
fn ten_thousand_blocks_are_mined_at_their_interval() {
    let node = Node::new();
    node.result("evm_setNextBlockTimestamp", json!([3_000_000_000_u64]));
    node.result("hardhat_mine", json!(["0x2710", "0x3c"]));
    assert_eq!(node.height(), 10_000);
    assert_eq!(number(&node.block("latest")["timestamp"]), 3_000_000_000 + 9_999 * 60);
    assert!(node.error("hardhat_mine", json!(["0x186a1"])).contains("more than the limit of 100000"));
}

#[test]
fn a_reorganisation_replaces_blocks_by_others_with_what_it_is_given() {
    let node = Node::new();
    for _ in 0..3 {
        node.send(ALICE, json!({"to": BOB}));
    }
    let before: Vec<Value> = ["0x1", "0x2", "0x3"].map(|block| node.block(block)["hash"].clone()).into();
    let transfer = json!({"from": BOB, "to": NOBODY, "value": "0x7"});
    node.result("anvil_reorg", json!([2, [[transfer, 1]]]));
    let after: Vec<Value> = ["0x1", "0x2", "0x3"].map(|block| node.block(block)["hash"].clone()).into();
    assert_eq!(before[0], after[0]);
    assert!(before[1] != after[1] && before[2] != after[2], "{before:?} {after:?}");
    assert_eq!(node.height(), 3);
    assert_eq!(node.block("0x2")["transactions"], json!([]));
    assert_eq!(node.block("0x3")["transactions"].as_array().map(Vec::len), Some(1));
    assert_eq!(node.result("eth_getBalance", json!([NOBODY])), "0x7");
    assert_eq!(node.result("anvil_getAutomine", json!([])), json!(true));
    let error = node.error("anvil_reorg", json!([2, [[{"from": BOB, "to": BOB}, 2]]]));
    assert!(error.contains("not among the 2 new blocks"), "{error}");
    assert!(node.error("anvil_reorg", json!([9])).contains("cannot take back 9 blocks"));
}

#[test]
fn a_reset_forgets_the_mining_mode_and_whom_the_node_impersonates() {
    let node = Node::with(Manner { mining: Mining::MANUAL, ..Manner::default() });
    node.result("anvil_impersonateAccount", json!([NOBODY]));
    node.result("evm_setAutomine", json!([true]));
    node.result("anvil_reset", json!([{}]));
    assert_eq!(node.chain.mining(), Mining::MANUAL);
    assert_eq!(node.result("eth_accounts", json!([])), json!([ALICE, BOB]));
    for (forking, words) in [
        (json!({"blockNumber": 1}), "forking.jsonRpcUrl says where"),
        (json!({"jsonRpcUrl": "localhost"}), "must begin with http:// or https://"),
    ] {
        let error = node.error("hardhat_reset", json!([{"forking": forking}]));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn equal_requests_make_equal_chains_where_only_blocks_move_the_clock() {
    let run = || {
        let node = Node::with(Manner { deterministic: true, ..Manner::default() });
        node.send(ALICE, json!({"to": BOB, "value": "0x1"}));
        std::thread::sleep(Duration::from_millis(20));
        node.result("evm_increaseTime", json!([3600]));
        node.result("anvil_setBalance", json!([NOBODY, "0x1"]));
        node.result("anvil_impersonateAccount", json!([BOB]));
        node.send(BOB, json!({"to": ALICE}));
        node.result("anvil_mine", json!([5]));
        node.block("latest")
    };
    let (first, second) = (run(), run());
    assert_eq!(first["hash"], second["hash"]);
    let genesis = number(&Node::new().block("0x0")["timestamp"]);
    assert_eq!(number(&first["timestamp"]), genesis + 1 + 3600 + 1 + 5);
}
