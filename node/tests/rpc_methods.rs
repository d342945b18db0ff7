//! RPC methods on a chain in memory: what they answer, and how they refuse.

mod support;

use serde_json::{Value, json};
use support::node::{ALICE, BOB, NOBODY, Node};

const NO_HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

/// Stores 7 in slot 0 and emits two logs when called without data; else reverts with its calldata.
const CONTRACT: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "emit_log" (func $emit_log (param i32 i32 i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
    (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 1055) "\07")
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (if (local.get $length) (then
            (call $read_args (i32.const 0))
            (call $write_result (i32.const 0) (local.get $length))
            (return (i32.const 1))))
        (call $cache (i32.const 2048) (i32.const 1024))
        (call $flush (i32.const 0))
        (call $emit_log (i32.const 1024) (i32.const 32) (i32.const 1))
        (call $emit_log (i32.const 1024) (i32.const 0) (i32.const 0))
        (i32.const 0)))"#;

impl Node {
    fn refused(&self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, &params);
        assert!(answer.get("result").is_none(), "{method}: {answer}");
        answer["error"].take()
    }
}

#[test]
fn a_fresh_node_answers_what_clients_ask_first() {
    let node = Node::new();
    for (method, params, expected) in [
        ("eth_chainId", json!([]), json!("0x7a69")),
        ("net_version", json!([]), json!("31337")),
        ("net_listening", json!([]), json!(true)),
        ("net_peerCount", json!([]), json!("0x0")),
        // hardhat-network-helpers and ape-foundry trust only a node whose name begins as anvil's does.
        (
            "web3_clientVersion",
            json!([]),
            json!(concat!("anvil-compatible/Lathe/v", env!("CARGO_PKG_VERSION"), "/wasm")),
        ),
        (
            "web3_sha3",
            json!(["0x68656c6c6f"]),
            json!("0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8"),
        ),
        ("eth_syncing", json!([]), json!(false)),
        ("eth_accounts", json!([]), json!([ALICE, BOB])),
        ("eth_blockNumber", json!([]), json!("0x0")),
        ("eth_gasPrice", json!([]), json!("0x6fc23ac0")),
        ("eth_maxPriorityFeePerGas", json!([]), json!("0x3b9aca00")),
        ("eth_blobBaseFee", json!([]), json!("0x1")),
        ("eth_getBalance", json!([ALICE]), json!("0x21e19e0c9bab2400000")),
        ("eth_getBalance", json!([NOBODY, "latest"]), json!("0x0")),
        ("eth_getTransactionCount", json!([ALICE, "pending"]), json!("0x0")),
        ("eth_getCode", json!([ALICE, {"blockNumber": "0x0"}]), json!("0x")),
        ("eth_getStorageAt", json!([ALICE, "0x0", "latest"]), json!(format!("0x{}", "0".repeat(64)))),
        (
            "eth_getAccountInfo",
            json!([NOBODY, "latest"]),
            json!({"balance": "0x0", "nonce": "0x0", "code": "0x"}),
        ),
        ("eth_getBlockByNumber", json!(["0x1", true]), json!(null)),
        ("eth_getBlockByHash", json!([NO_HASH, false]), json!(null)),
        ("eth_getBlockReceipts", json!(["0x0"]), json!([])),
        ("eth_getBlockTransactionCountByNumber", json!(["latest"]), json!("0x0")),
        ("eth_getUncleCountByBlockNumber", json!(["latest"]), json!("0x0")),
        ("eth_getUncleCountByBlockHash", json!([NO_HASH]), json!(null)),
        ("eth_getTransactionByHash", json!([NO_HASH]), json!(null)),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0x0"]), json!(null)),
        ("eth_getRawTransactionByHash", json!([NO_HASH]), json!(null)),
        ("eth_getTransactionReceipt", json!([NO_HASH]), json!(null)),
        ("eth_getLogs", json!([{}]), json!([])),
        ("eth_call", json!([{"to": NOBODY}]), json!("0x")),
        ("eth_estimateGas", json!([{"to": BOB, "from": ALICE, "value": "0x1"}]), json!("0x5208")),
        ("txpool_status", json!([]), json!({"pending": "0x0", "queued": "0x0"})),
    ] {
        assert_eq!(node.result(method, params.clone()), expected, "{method} {params}");
    }
}

#[test]
fn a_transaction_is_seen_the_same_from_every_side() {
    let node = Node::new();
    let contract = node.deploy(CONTRACT);
    let request = json!([{"from": ALICE, "to": contract, "gas": "0x30d40"}]);
    let hash = node.result("eth_sendTransaction", request);
    let receipt = node.result("eth_getTransactionReceipt", json!([hash]));
    assert_eq!((&receipt["status"], &receipt["transactionHash"]), (&json!("0x1"), &hash));
    assert_eq!((&receipt["from"], &receipt["to"]), (&json!(ALICE), &json!(contract)));
    assert_eq!(receipt["contractAddress"], json!(null));
    assert!(receipt.get("blockTimestamp").is_none(), "receipts have no such field in the schema");
    let number = receipt["blockNumber"].clone();

    let transaction = node.result("eth_getTransactionByHash", json!([hash]));
    for field in ["gasPrice", "chainId", "accessList", "v", "yParity", "r", "s", "type", "input", "value"] {
        assert!(transaction.get(field).is_some(), "{field} is missing in {transaction}");
    }
    assert_eq!(transaction["gasPrice"], receipt["effectiveGasPrice"]);
    let place = json!([number, "0x0"]);
    assert_eq!(node.result("eth_getTransactionByBlockNumberAndIndex", place.clone()), transaction);
    let by_hash = json!([receipt["blockHash"], "0x0"]);
    assert_eq!(node.result("eth_getTransactionByBlockHashAndIndex", by_hash), transaction);
    let raw = node.result("eth_getRawTransactionByHash", json!([hash]));
    assert_eq!(node.result("eth_getRawTransactionByBlockNumberAndIndex", place), raw);

    let block = node.result("eth_getBlockByNumber", json!([number, true]));
    assert_eq!(block["transactions"], json!([transaction]));
    assert_eq!(block["hash"], receipt["blockHash"]);
    let block = node.result("eth_getBlockByHash", json!([receipt["blockHash"]]));
    assert_eq!(block["transactions"], json!([hash]));
    assert_eq!(node.result("eth_getBlockReceipts", json!([number])), json!([receipt]));

    let logs = node.result("eth_getLogs", json!([{"fromBlock": "0x0", "address": contract}]));
    assert_eq!(logs, receipt["logs"]);
    assert_eq!((&logs[0]["logIndex"], &logs[1]["logIndex"]), (&json!("0x0"), &json!("0x1")));
    assert_eq!(logs.as_array().map(Vec::len), Some(2));

    let slot = node.result("eth_getStorageAt", json!([contract, "0x0"]));
    assert_eq!(slot, json!(format!("0x{}7", "0".repeat(63))));
    let full = format!("0x{}1", "0".repeat(63));
    let proof = node.result("eth_getProof", json!([contract, ["0x0", full], "latest"]));
    assert_eq!(
        (&proof["storageProof"][0]["key"], &proof["storageProof"][0]["value"]),
        (&json!("0x0"), &json!("0x7"))
    );
    assert_eq!(proof["storageProof"][1]["key"], json!(full));

    let next = node.result("eth_feeHistory", json!(["0x0", "latest", []]));
    assert_eq!(next["baseFeePerGas"], json!([node.result("eth_baseFee", json!([]))]));
    let history = node.result("eth_feeHistory", json!(["0x5", "latest", [10, 90]]));
    let lengths =
        ["baseFeePerGas", "gasUsedRatio", "reward"].map(|field| history[field].as_array().map(Vec::len));
    assert_eq!(lengths, [Some(4), Some(3), Some(3)]);
    assert_eq!(
        (&history["oldestBlock"], &history["reward"][2]),
        (&json!("0x0"), &json!(["0x3b9aca00", "0x3b9aca00"]))
    );
}

#[test]
fn a_revert_carries_its_code_reason_and_data() {
    let node = Node::new();
    let contract = node.deploy(CONTRACT);
    // Error(string) of "nope".
    let data = format!("0x08c379a0{:064x}{:064x}{:0<64}", 32, 4, hex::encode("nope"));
    let request = json!([{"from": ALICE, "to": contract, "data": data}]);
    let expected = json!({"code": 3, "message": "execution reverted: nope", "data": data});
    for method in ["eth_call", "eth_estimateGas", "eth_sendTransaction"] {
        assert_eq!(node.refused(method, request.clone()), expected, "{method}");
    }
    let error = node.refused("eth_call", json!([{"to": contract, "data": "0x12345678"}]));
    assert_eq!((&error["code"], &error["data"]), (&json!(3), &json!("0x12345678")));
}

#[test]
fn overrides_change_a_call_and_nothing_else() {
    let node = Node::new();
    // EVM code that returns slot 0 and the block's number.
    let code = "0x5f545f52436020526040 5ff3".replace(' ', "");
    let overrides = json!({NOBODY: {"code": code, "stateDiff": {format!("0x{}", "0".repeat(64)): format!("0x{:064x}", 5)}}});
    let request = json!([{"to": NOBODY}, "latest", overrides, {"number": "0x63"}]);
    assert_eq!(node.result("eth_call", request), json!(format!("0x{:064x}{:064x}", 5, 0x63)));
    assert_eq!(node.result("eth_getCode", json!([NOBODY])), json!("0x"));
}

#[test]
fn mining_by_hand_adds_blocks() {
    let node = Node::new();
    assert_eq!(node.result("evm_mine", json!([])), json!("0x0"));
    assert_eq!(node.result("hardhat_mine", json!(["0x3"])), json!(null));
    assert_eq!(node.result("eth_blockNumber", json!([])), json!("0x4"));
    let info = node.result("anvil_nodeInfo", json!([]));
    assert_eq!(
        (&info["currentBlockNumber"], &info["environment"]["chainId"]),
        (&json!("0x4"), &json!(31337))
    );
}

#[test]
fn refusals_name_method_parameter_and_reason() {
    let node = Node::new();
    let table: [(&str, Value, i64, &str); 20] = [
        (
            "eth_getBalance",
            json!([]),
            -32602,
            "eth_getBalance: parameter 1 (address) is missing: expected a 20-byte address in hex",
        ),
        (
            "eth_getBalance",
            json!(["0x12"]),
            -32602,
            "eth_getBalance: parameter 1 (address): expected a 20-byte address in hex, got \"0x12\": ",
        ),
        (
            "eth_getBalance",
            json!([ALICE, "newest"]),
            -32602,
            "eth_getBalance: parameter 2 (block): expected a block number in hex, a tag",
        ),
        (
            "eth_getBalance",
            json!([ALICE, "latest", 1]),
            -32602,
            "eth_getBalance: too many parameters: it takes 2, got 3",
        ),
        ("eth_getBalance", json!([ALICE, "0xff"]), -32000, "header not found"),
        ("eth_getBalance", json!([ALICE, NO_HASH]), -32000, "header not found"),
        (
            "eth_getStorageAt",
            json!([ALICE, "0"]),
            -32602,
            "eth_getStorageAt: parameter 2 (slot): expected a storage slot",
        ),
        (
            "eth_getProof",
            json!([ALICE, "0x0", "latest"]),
            -32602,
            "eth_getProof: parameter 2 (slots): expected an array of storage slots",
        ),
        (
            "eth_call",
            json!([5]),
            -32602,
            "eth_call: parameter 1 (transaction): expected a transaction object",
        ),
        (
            "eth_call",
            json!([{"data": "0x01", "input": "0x02"}]),
            -32602,
            "both \"data\" and \"input\" are set and not equal",
        ),
        (
            "eth_call",
            json!([{"to": NOBODY}, "latest", []]),
            -32602,
            "eth_call: parameter 3 (state_overrides): expected state overrides",
        ),
        (
            "eth_getLogs",
            json!([{"fromBlock": "0x5", "toBlock": "0x1"}]),
            -32602,
            "invalid block range params",
        ),
        ("eth_feeHistory", json!(["0x1", "latest", [50, 10]]), -32602, "invalid reward percentile"),
        ("eth_sendRawTransaction", json!(["0x"]), -32000, ""),
        (
            "eth_sendRawTransaction",
            json!(["0xzz"]),
            -32602,
            "eth_sendRawTransaction: parameter 1 (transaction): expected 0x-prefixed hex data",
        ),
        ("eth_sendTransaction", json!([{"to": BOB}]), -32602, "\"from\" is missing"),
        ("eth_sendTransaction", json!([{"from": NOBODY, "to": BOB}]), -32000, "unknown account"),
        (
            "eth_sendTransaction",
            json!([{"from": ALICE, "to": BOB, "value": "0xffffffffffffffffffffffff"}]),
            -32000,
            "insufficient funds",
        ),
        ("anvil_mine", json!(["0xffffffff"]), -32602, "more than the limit"),
        ("eth_subscribe", json!(["newHeads"]), -32601, "notifications not supported"),
    ];
    for (method, params, code, message) in table {
        let error = node.refused(method, params.clone());
        assert_eq!(error["code"], json!(code), "{method} {params}: {error}");
        let text = error["message"].as_str().unwrap_or_default();
        assert!(text.contains(message), "{method} {params}: {text}");
    }
}
