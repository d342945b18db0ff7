//! What only a devnet has: accounts, time, fees and mining under the developer's hand; and the pool and raw encodings.

mod support;

use alloy_primitives::{B256, keccak256};
use serde_json::{Value, json};
use support::node::{ALICE, BOB, NOBODY, Node, number};

fn word(n: u64) -> String {
    format!("0x{n:064x}")
}

#[test]
fn accounts_are_changed_in_blocks_whose_roots_prove_it() {
    let node = Node::new();
    // Code that returns slot 0.
    let code = "0x60005460005260206000f3";
    for (method, params) in [
        ("anvil_setBalance", json!([NOBODY, "0x64"])),
        ("hardhat_setNonce", json!([NOBODY, "0x9"])),
        ("anvil_setCode", json!([NOBODY, code])),
        ("hardhat_setStorageAt", json!([NOBODY, "0x0", word(7)])),
    ] {
        node.result(method, params);
    }
    let info = node.result("eth_getAccountInfo", json!([NOBODY, "latest"]));
    assert_eq!(info, json!({"balance": "0x64", "nonce": "0x9", "code": code}));
    assert_eq!(node.result("eth_call", json!([{"to": NOBODY}])), word(7));
    assert_eq!(number(&node.result("eth_blockNumber", json!([]))), 4, "each change is a block");
    let proof = node.result("eth_getProof", json!([NOBODY, ["0x0"], "latest"]));
    let first: alloy_primitives::Bytes =
        serde_json::from_value(proof["accountProof"][0].clone()).expect("a node of the trie");
    assert_eq!(json!(keccak256(first)), node.block("latest")["stateRoot"]);
    // History and going back know the changes.
    assert_eq!(node.result("eth_getTransactionCount", json!([NOBODY, "0x1"])), "0x0");
    node.result("anvil_rollback", json!(["0x1"]));
    assert_eq!(node.result("eth_call", json!([{"to": NOBODY}])), word(0));
}

#[test]
fn changes_that_no_chain_could_hold_are_refused() {
    let node = Node::new();
    let error = node.error("anvil_setCode", json!([NOBODY, "0xef00"]));
    assert!(error.starts_with("code for account"), "{error}");
    let error = node.error("anvil_setStorageAt", json!([NOBODY, "0x0", "0x1"]));
    assert!(error.contains("an empty account has no storage"), "{error}");
    assert_eq!(number(&node.result("eth_blockNumber", json!([]))), 0);
}

#[test]
fn time_is_set_for_one_block_and_goes_on_from_there() {
    let node = Node::new();
    let far = 4_000_000_000_u64;
    node.result("evm_setNextBlockTimestamp", json!([far]));
    let now = node.result("eth_call", json!([{"data": "0x4260005260206000f3"}, "pending"]));
    assert_eq!(now, word(far), "calls see the block to come");
    node.result("evm_mine", json!([]));
    assert_eq!(number(&node.block("latest")["timestamp"]), far);
    node.result("evm_increaseTime", json!([1000]));
    node.result("evm_mine", json!([]));
    assert!(number(&node.block("latest")["timestamp"]) >= far + 1000);
    node.result("evm_mine", json!([{"timestamp": 5_000_000_000_u64, "blocks": 2}]));
    assert_eq!(number(&node.block("0x3")["timestamp"]), 5_000_000_000);
    assert_eq!(number(&node.block("latest")["number"]), 4);
    node.result("anvil_mine", json!(["0x3", "0x3c"]));
    let times: Vec<u64> = ["0x5", "0x6", "0x7"].map(|block| number(&node.block(block)["timestamp"])).to_vec();
    assert_eq!((times[1] - times[0], times[2] - times[1]), (60, 60));
    let error = node.error("evm_setNextBlockTimestamp", json!([7]));
    assert!(error.contains("timestamp 7 is not possible: the next block's is from"), "{error}");
    assert!(node.error("evm_increaseTime", json!(["0xffffffffffffffff"])).contains("not possible"));
    assert!(node.error("evm_mine", json!([{"time": 7}])).contains("unknown field"));
}

#[test]
fn fees_and_limits_of_blocks_to_come_are_set() {
    let node = Node::new();
    node.result("hardhat_setNextBlockBaseFeePerGas", json!(["0x2a"]));
    node.result("anvil_setCoinbase", json!([NOBODY]));
    assert_eq!(node.result("evm_setBlockGasLimit", json!(["0x1e8480"])), json!(true));
    node.send(ALICE, json!({"to": BOB}));
    let block = node.block("latest");
    assert_eq!((&block["baseFeePerGas"], &block["gasLimit"]), (&json!("0x2a"), &json!("0x1e8480")));
    assert_eq!(block["miner"], NOBODY);
    assert_ne!(node.result("eth_getBalance", json!([NOBODY])), "0x0");
    node.send(ALICE, json!({"to": BOB}));
    assert_ne!(node.block("latest")["baseFeePerGas"], "0x2a", "it held for one block");
    let transaction = json!([{"from": ALICE, "to": BOB, "gas": "0x1e8481"}]);
    let error = node.error("eth_sendTransaction", transaction);
    assert!(error.contains("exceeds block gas limit"), "{error}");
}

#[test]
fn transactions_wait_while_mining_is_manual_and_the_pool_shows_them() {
    let node = Node::new();
    assert_eq!(node.result("anvil_getAutomine", json!([])), json!(true));
    node.result("evm_setAutomine", json!([false]));
    let transfer = |nonce: &str| node.send(ALICE, json!({"to": BOB, "nonce": nonce, "gas": "0x5208"}));
    let (first, second, fourth) = (transfer("0x0"), transfer("0x1"), transfer("0x3"));
    assert_eq!(node.result("eth_getTransactionReceipt", json!([first])), json!(null));
    assert_eq!(node.result("txpool_status", json!([])), json!({"pending": "0x2", "queued": "0x1"}));
    let content = node.result("txpool_content", json!([]));
    let of_alice = node.result("txpool_contentFrom", json!([ALICE]));
    for (part, nonce, hash) in [("pending", "0", &first), ("pending", "1", &second), ("queued", "3", &fourth)]
    {
        assert_eq!(&of_alice[part][nonce]["hash"], hash);
        let all = &content[part].as_object().expect("senders").values().next().expect("a sender")[nonce];
        assert_eq!(all, &of_alice[part][nonce]);
    }
    let inspect = node.result("txpool_inspect", json!([])).to_string();
    assert!(inspect.contains("0 wei + 21000 gas × "), "{inspect}");
    let by_nonce = |nonce: &str| {
        let params = json!([ALICE, nonce]);
        node.result("eth_getTransactionBySenderAndNonce", params)["hash"].clone()
    };
    assert_eq!(by_nonce("0x3"), fourth);

    assert_eq!(node.result("anvil_dropTransaction", json!([second])), second);
    // hardhat-network-helpers take nothing but true and false.
    assert_eq!(node.result("hardhat_dropTransaction", json!([second])), json!(false));
    assert_eq!(node.result("txpool_status", json!([])), json!({"pending": "0x1", "queued": "0x1"}));
    node.result("evm_setAutomine", json!([true]));
    assert_eq!(node.result("eth_getTransactionReceipt", json!([first]))["blockNumber"], "0x1");
    node.result("anvil_dropAllTransactions", json!([]));
    assert_eq!(node.result("txpool_status", json!([])), json!({"pending": "0x0", "queued": "0x0"}));
    node.result("anvil_mine", json!(["0x3"]));
    let late = node.send(ALICE, json!({"to": BOB}));
    node.result("anvil_mine", json!(["0x3"]));
    assert_eq!((by_nonce("0x0"), by_nonce("0x1"), by_nonce("0x2")), (first, late, json!(null)));
}

#[test]
fn sending_returns_the_receipt_when_asked_to() {
    let node = Node::new();
    let receipt = node.result("eth_sendTransactionSync", json!([{"from": ALICE, "to": BOB}]));
    assert_eq!(receipt["status"], "0x1");
    node.result("evm_setAutomine", json!([false]));
    let answer = node.answer("eth_sendTransactionSync", &json!([{"from": ALICE, "to": BOB}, "0x1"]));
    assert_eq!(answer["error"]["code"], 4, "{answer}");
    let hash = answer["error"]["data"].clone();
    assert_eq!(node.result("eth_getTransactionByHash", json!([hash]))["hash"], hash);
}

#[test]
fn a_filled_transaction_lacks_nothing_but_its_signature() {
    let node = Node::new();
    node.send(ALICE, json!({"to": BOB}));
    let filled = node.result("eth_fillTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x5"}]));
    let tx = &filled["tx"];
    assert_eq!((&tx["nonce"], &tx["gas"], &tx["value"]), (&json!("0x1"), &json!("0x5208"), &json!("0x5")));
    assert_eq!((&tx["type"], &tx["chainId"]), (&json!("0x2"), &json!("0x7a69")));
    assert_eq!((&tx["r"], &tx["s"]), (&json!("0x0"), &json!("0x0")));
    assert!(filled["raw"].as_str().is_some_and(|raw| raw.starts_with("0x02")), "{filled}");
    let error = node.answer("eth_fillTransaction", &json!([{"from": ALICE, "data": "0xfe"}]));
    assert!(error.get("error").is_some(), "a creation that fails cannot be filled: {error}");
}

#[test]
fn messages_are_signed_with_the_keys_of_the_node() {
    let node = Node::new();
    let signed = node.result("personal_sign", json!(["0x68656c6c6f", ALICE]));
    assert_eq!(node.result("eth_sign", json!([ALICE, "0x68656c6c6f"])), signed);
    let bytes: alloy_primitives::Bytes = serde_json::from_value(signed).expect("bytes");
    let signature = alloy_primitives::Signature::try_from(&bytes[..]).expect("a signature");
    let signer = signature.recover_address_from_msg("hello").expect("a signer");
    assert_eq!(json!(signer), ALICE);
    assert!(matches!(bytes.last(), Some(27 | 28)));
    assert!(node.error("eth_sign", json!([NOBODY, "0x00"])).contains("unknown account"));
}

#[test]
fn raw_encodings_hash_to_what_they_should() {
    let node = Node::new();
    let hash = node.send(ALICE, json!({"to": BOB}));
    let block = node.block("latest");
    let bytes = |value: Value| serde_json::from_value::<alloy_primitives::Bytes>(value).expect("bytes");
    let header = bytes(node.result("debug_getRawHeader", json!(["latest"])));
    assert_eq!(json!(keccak256(&header)), block["hash"]);
    let raw = bytes(node.result("debug_getRawBlock", json!(["latest"])));
    assert_eq!(json!(format!("{:#x}", raw.len())), block["size"]);
    assert!(raw.windows(header.len()).any(|part| part == &header[..]));
    let transaction = bytes(node.result("debug_getRawTransaction", json!([hash])));
    assert_eq!(json!(keccak256(&transaction)), hash);
    let receipts = node.result("debug_getRawReceipts", json!(["latest"]));
    assert!(receipts[0].as_str().is_some_and(|receipt| receipt.starts_with("0x02f9")), "{receipts}");
    assert_eq!(node.error("debug_getRawBlock", json!(["0x9"])), "header not found");
    for method in ["eth_getHeaderByNumber", "erigon_getHeaderByNumber"] {
        assert_eq!(node.result(method, json!(["latest"]))["hash"], block["hash"]);
    }
    let header = node.result("eth_getHeaderByHash", json!([block["hash"]]));
    assert_eq!((&header["stateRoot"], header.get("transactions")), (&block["stateRoot"], None));
    assert_eq!(node.result("eth_getHeaderByHash", json!([B256::ZERO])), json!(null));
}

#[test]
fn a_reset_chain_is_as_it_began() {
    let node = Node::new();
    let genesis = node.block("latest");
    let snapshot = node.result("evm_snapshot", json!([]));
    node.send(ALICE, json!({"to": BOB}));
    node.result("evm_setAutomine", json!([false]));
    node.result("evm_setBlockGasLimit", json!(["0x1e8480"]));
    node.send(ALICE, json!({"to": BOB}));
    node.result("hardhat_reset", json!([]));
    assert_eq!(node.block("latest"), genesis);
    assert_eq!(node.result("txpool_status", json!([])), json!({"pending": "0x0", "queued": "0x0"}));
    assert_eq!(node.result("evm_revert", json!([snapshot])), json!(false));
    node.send(ALICE, json!({"to": BOB}));
    assert_eq!(node.block("latest")["gasLimit"], genesis["gasLimit"]);
    let metadata = node.result("hardhat_metadata", json!([]));
    assert_eq!((&metadata["chainId"], &metadata["latestBlockNumber"]), (&json!(31337), &json!(1)));
}

#[test]
fn many_blocks_are_those_that_one_by_one_would_be() {
    const BLOCKS: u64 = 1_100;
    const START: u64 = 4_000_000_000;
    let chains = [Node::new(), Node::new()];
    for (together, node) in [true, false].into_iter().zip(&chains) {
        // One transaction waits: the first block takes it, and the others are empty.
        node.result("evm_setAutomine", json!([false]));
        node.result("evm_setNextBlockTimestamp", json!([START]));
        node.send(ALICE, json!({"to": BOB, "value": "0x1"}));
        if together {
            node.result("anvil_mine", json!([BLOCKS, 7]));
        } else {
            for index in 0..BLOCKS {
                node.result("evm_setNextBlockTimestamp", json!([START + 7 * index]));
                node.result("evm_mine", json!([]));
            }
        }
    }
    let blocks = chains
        .each_ref()
        .map(|node| [1, 2, 513, 514, 1_025, BLOCKS].map(|number| node.block(&format!("{number:#x}"))));
    assert_eq!(blocks[0], blocks[1]);
    assert_eq!(blocks[0][0]["transactions"].as_array().map(Vec::len), Some(1));
    assert_eq!(number(&blocks[0][5]["timestamp"]), START + 7 * (BLOCKS - 1));
    let heads = chains.each_ref().map(|node| number(&node.result("eth_blockNumber", json!([]))));
    assert_eq!(heads, [BLOCKS; 2]);
}

#[test]
fn blocks_before_one_whose_time_cannot_be_are_mined() {
    let node = Node::new();
    let interval = 100_000_000_000_u64;
    node.result("evm_setNextBlockTimestamp", json!([4_000_000_000_u64]));
    let refused = node.error("anvil_mine", json!([10, interval]));
    assert!(refused.contains("304000000000"), "{refused}");
    assert_eq!(node.result("eth_blockNumber", json!([])), json!("0x3"));
}
