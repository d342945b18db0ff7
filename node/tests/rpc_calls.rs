//! RPC methods that run or sign what nobody mines: simulations, access lists, typed data, and how long calls may take.

mod support;

use std::time::Duration;

use alloy_primitives::{Address, Signature, b256};
use serde_json::{Value, json};
use support::node::{ALICE, BOB, Node};

/// An account of which nothing is known.
const SOME: &str = "0x00000000000000000000000000000000c0ffee00";
const OTHER: &str = "0x00000000000000000000000000000000c0ffee01";
/// What stands for ether in simulated logs.
const ETHER: &str = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

/// EVM code that stores its calldata in slot 0, or returns that slot if there is none.
const STORE: &str = "0x36600c575f545f5260205ff35b5f355f5500";
/// EVM code that returns the hash of the block before.
const PARENT_HASH: &str = "0x4360019003405f5260205ff3";
/// EVM code that never ends.
const EVM_LOOP: &str = "0x5b5f56";
/// EVM code that calls itself without end, each time with a little less gas.
const EVM_RECURSION: &str = "0x5b5f5f5f5f5f305af1505f56";

impl Node {
    fn simulate(&self, payload: Value) -> Value {
        self.result("eth_simulateV1", json!([payload]))
    }
}

fn word(n: u64) -> String {
    format!("0x{n:064x}")
}

fn padded(address: &str) -> String {
    format!("0x{:0>64}", &address[2..])
}

#[test]
fn simulated_blocks_build_on_each_other_and_leave_no_trace() {
    let node = Node::new();
    let blocks = node.simulate(json!({"blockStateCalls": [
        {"stateOverrides": {SOME: {"code": STORE}, OTHER: {"code": PARENT_HASH}},
         "calls": [{"to": SOME, "input": word(7)}, {"to": SOME}]},
        {"blockOverrides": {"number": "0x4", "time": "0x7fffffff", "feeRecipient": BOB},
         "calls": [{"to": SOME}, {"to": OTHER}]},
    ], "returnFullTransactions": true}));
    let numbers: Vec<&Value> =
        blocks.as_array().expect("blocks").iter().map(|block| &block["number"]).collect();
    assert_eq!(numbers, ["0x1", "0x2", "0x3", "0x4"], "blocks between are there, too");
    assert_eq!(blocks[0]["calls"][1]["returnData"], json!(word(7)));
    assert_eq!(blocks[3]["calls"][0]["returnData"], json!(word(7)));
    assert_eq!(blocks[3]["calls"][1]["returnData"], blocks[3]["parentHash"]);
    assert_eq!((&blocks[3]["timestamp"], &blocks[3]["miner"]), (&json!("0x7fffffff"), &json!(BOB)));
    for (before, block) in [(0, 1), (1, 2), (2, 3)] {
        assert_eq!(blocks[block]["parentHash"], blocks[before]["hash"]);
    }
    assert_ne!(blocks[0]["stateRoot"], node.result("eth_getBlockByNumber", json!(["0x0"]))["stateRoot"]);
    assert_eq!(blocks[1]["stateRoot"], blocks[0]["stateRoot"], "an empty block changes nothing");
    let transactions = blocks[3]["transactions"].as_array().expect("transactions");
    assert_eq!((transactions.len(), &transactions[1]["to"]), (2, &json!(OTHER)));
    assert_eq!(node.result("eth_blockNumber", json!([])), json!("0x0"));
    assert_eq!(node.result("eth_getCode", json!([SOME])), json!("0x"));
}

#[test]
fn a_simulated_block_has_the_root_and_gas_that_the_mined_one_has() {
    let node = Node::new();
    let counter = node.deploy(
        r#"(module (memory (export "memory") 1) (func (export "user_entrypoint") (param i32) (result i32)
            (local i32)
            (loop (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 1000000))))
            (i32.const 0)))"#,
    );
    let fees = json!({"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"});
    for mut call in [
        json!({"from": ALICE, "to": BOB, "value": "0x5", "gas": "0x5208"}),
        json!({"from": ALICE, "to": counter, "gas": "0x989680"}),
    ] {
        call.as_object_mut().expect("an object").extend(fees.as_object().expect("an object").clone());
        let simulated = node.simulate(json!({"blockStateCalls": [{"calls": [call]}], "validation": true}));
        let hash = node.result("eth_sendTransaction", json!([call]));
        let receipt = node.result("eth_getTransactionReceipt", json!([hash]));
        let mined = node.result("eth_getBlockByNumber", json!([receipt["blockNumber"]]));
        for field in
            ["stateRoot", "gasUsed", "baseFeePerGas", "receiptsRoot", "logsBloom", "number", "mixHash"]
        {
            assert_eq!(simulated[0][field], mined[field], "{field}");
        }
        assert_eq!(simulated[0]["calls"][0]["gasUsed"], receipt["gasUsed"]);
    }
}

#[test]
fn simulated_failures_have_the_codes_of_the_specification() {
    let node = Node::new();
    let blocks = node.simulate(json!({"blockStateCalls": [{
        "stateOverrides": {SOME: {"code": "0x5f5ffd"}, OTHER: {"code": "0xfe"}},
        "calls": [{"to": SOME}, {"to": OTHER, "gas": "0x10000"}, {"to": BOB}],
    }]}));
    let calls = &blocks[0]["calls"];
    assert_eq!((&calls[0]["status"], &calls[0]["error"]["code"]), (&json!("0x0"), &json!(3)));
    assert_eq!(calls[0]["error"]["message"], json!("execution reverted"));
    assert_eq!(calls[1]["error"]["code"], json!(-32015));
    assert!(
        calls[1]["error"]["message"].as_str().is_some_and(|text| text.starts_with("vm execution error: "))
    );
    assert_eq!(calls[2]["status"], json!("0x1"), "a failure does not end the block");

    node.result("eth_sendTransaction", json!([{"from": ALICE, "to": BOB}]));
    let call = |fields: Value| json!({"blockStateCalls": [{"calls": [fields]}], "validation": true});
    let fees = |fields: Value| {
        let mut fields = fields;
        fields["maxFeePerGas"] = json!("0x77359400");
        call(fields)
    };
    let blocks = |blocks: Value| json!({"blockStateCalls": blocks});
    let precompile = |n: u8| format!("0x{n:040x}");
    let table = [
        (fees(json!({"from": ALICE, "to": BOB, "nonce": "0x0", "gas": "0x5208"})), -38010, "nonce too low"),
        (fees(json!({"from": ALICE, "to": BOB, "nonce": "0x9", "gas": "0x5208"})), -38011, "nonce too high"),
        (call(json!({"from": ALICE, "to": BOB, "gas": "0x5208"})), -38012, "less than block base fee"),
        (fees(json!({"from": ALICE, "to": BOB, "gas": "0x5207"})), -38013, "intrinsic gas too low"),
        (fees(json!({"from": SOME, "to": BOB, "gas": "0x5208"})), -38014, "insufficient funds"),
        (
            blocks(json!([{"calls": [{"from": SOME, "to": BOB, "value": "0x1"}]}])),
            -38014,
            "insufficient funds",
        ),
        (
            blocks(json!([{"blockOverrides": {"gasLimit": "0xea60"},
                           "calls": [{"to": BOB, "gas": "0x7530"}, {"to": BOB, "gas": "0xc350"}]}])),
            -38015,
            "block gas limit",
        ),
        (
            blocks(json!([{"blockOverrides": {"number": "0x9"}}, {"blockOverrides": {"number": "0x9"}}])),
            -38020,
            "9 <= 9",
        ),
        (blocks(json!([{"blockOverrides": {"number": "0x1"}}])), -38020, "1 <= 1"),
        (blocks(json!([{"blockOverrides": {"time": "0x1"}}])), -38021, "timestamps"),
        (
            blocks(json!([{"stateOverrides": {precompile(4): {"movePrecompileToAddress": precompile(4)}}}])),
            -38022,
            "itself",
        ),
        (
            blocks(json!([{"stateOverrides": {
                precompile(2): {"movePrecompileToAddress": SOME}, precompile(4): {"movePrecompileToAddress": SOME}}}])),
            -38023,
            "already",
        ),
        (
            blocks(json!([{"stateOverrides": {SOME: {"movePrecompileToAddress": OTHER}}}])),
            -32602,
            "not a precompile",
        ),
        (
            blocks(json!([{"calls": [{"from": ALICE, "input": format!("0x{}", "5b".repeat(49_153))}]}])),
            -38025,
            "initcode",
        ),
        (blocks(json!([{"blockOverrides": {"number": "0x102"}}])), -38026, "the limit is 256"),
        (blocks(json!([{"calls": vec![json!({}); 5_001]}])), -38026, "the limit is 5000"),
        (blocks(json!([{"calls": [{"gasPrice": "0x1", "maxFeePerGas": "0x1"}]}])), -32602, "both gasPrice"),
    ];
    for (payload, code, words) in table {
        let (found, message) = node.refusal("eth_simulateV1", json!([payload]));
        assert_eq!(found, code, "{words}: {message}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn transfers_show_as_logs_among_others_unless_they_are_undone() {
    let node = Node::new();
    // Sends 1 wei to OTHER, emits a log without topics, and reverts if it was called with data.
    let sends = format!("0x5f5f5f5f600173{}5af1505f5fa036602657005b5f5ffd", &OTHER[2..]);
    // Gives all it has to OTHER.
    let ends = format!("0x73{}ff", &OTHER[2..]);
    let third = "0x00000000000000000000000000000000c0ffee02";
    let payload = |shows: bool| {
        json!({"blockStateCalls": [{
            "stateOverrides": {ALICE: {"balance": "0x100"}, SOME: {"code": sends}, third: {"code": ends}},
            "calls": [
                {"from": ALICE, "to": SOME, "value": "0x10"},
                {"from": ALICE, "to": SOME, "value": "0x10", "input": "0x01"},
                {"from": ALICE, "to": third, "value": "0x3"},
            ],
        }], "traceTransfers": shows})
    };
    let blocks = node.simulate(payload(true));
    let transfer = |from: &str, to: &str, value: u64| {
        let topic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
        json!([ETHER, [topic, padded(from), padded(to)], word(value)])
    };
    let shown = |calls: &Value, call: usize| -> Vec<Value> {
        let logs = calls[call]["logs"].as_array().expect("logs");
        logs.iter().map(|log| json!([log["address"], log["topics"], log["data"]])).collect()
    };
    let calls = &blocks[0]["calls"];
    let log = json!([SOME, [], "0x"]);
    assert_eq!(shown(calls, 0), [transfer(ALICE, SOME, 16), transfer(SOME, OTHER, 1), log.clone()]);
    assert_eq!((&calls[1]["status"], shown(calls, 1).len()), (&json!("0x0"), 0));
    assert_eq!(shown(calls, 2), [transfer(ALICE, third, 3), transfer(third, OTHER, 3)]);
    let without = node.simulate(payload(false));
    assert_eq!(shown(&without[0]["calls"], 0), [log]);
    assert_eq!(without[0]["hash"], blocks[0]["hash"], "they are none of the block's logs");
}

#[test]
fn precompiled_contracts_move_where_overrides_say() {
    let node = Node::new();
    let identity = format!("0x{:040x}", 4);
    let moved = json!({identity.clone(): {"movePrecompileToAddress": SOME}});
    let call = |to: &str| json!([{"to": to, "input": "0x0102"}, "latest", moved]);
    assert_eq!(node.result("eth_call", call(SOME)), json!("0x0102"));
    assert_eq!(node.result("eth_call", call(&identity)), json!("0x"));
    let replaced = json!([{"to": identity}, "latest", {identity.clone(): {"code": PARENT_HASH}}]);
    assert_ne!(node.result("eth_call", replaced), json!("0x"));
    // A block later it is still where it went.
    let blocks = node.simulate(json!({"blockStateCalls": [
        {"calls": [{"to": SOME, "input": "0x01"}]},
        {"stateOverrides": moved, "calls": [{"to": SOME, "input": "0x02"}]},
        {"calls": [{"to": SOME, "input": "0x03"}, {"to": identity, "input": "0x04"}]},
    ]}));
    let output = |block: usize, call: usize| blocks[block]["calls"][call]["returnData"].clone();
    assert_eq!([output(0, 0), output(1, 0), output(2, 0), output(2, 1)], ["0x", "0x02", "0x03", "0x"]);
}

#[test]
fn an_access_list_names_what_a_call_reads_and_makes_it_cheaper() {
    let node = Node::new();
    // Reads slot 1 and the balances of OTHER and of itself.
    let reads = format!("0x60015450 73{} 3150 3031 50 00", &OTHER[2..]).replace(' ', "");
    let state = json!({SOME: {"code": reads}});
    let call = json!({"from": ALICE, "to": SOME});
    let listed = node.result("eth_createAccessList", json!([call, "latest", state]));
    let expected = json!([
        {"address": SOME, "storageKeys": [word(1)]},
        {"address": OTHER, "storageKeys": []},
    ]);
    assert_eq!((&listed["accessList"], listed.get("error")), (&expected, None));
    let with_list = json!({"from": ALICE, "to": SOME, "accessList": expected});
    let gas = node.result("eth_estimateGas", json!([with_list, "latest", state]));
    assert_eq!(listed["gasUsed"], gas);

    let failing =
        node.result("eth_createAccessList", json!([call, "latest", {SOME: {"code": "0x60015450fe"}}]));
    assert_eq!(failing["accessList"], json!([{"address": SOME, "storageKeys": [word(1)]}]));
    assert_eq!(failing["error"], json!("invalid opcode: INVALID"));
    let nothing = node.result("eth_createAccessList", json!([{"from": ALICE, "to": BOB, "value": "0x1"}]));
    assert_eq!(nothing, json!({"accessList": [], "gasUsed": "0x5208"}));
    let wasm = node.deploy(
        r#"(module
            (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "user_entrypoint") (param i32) (result i32)
                (call $load (i32.const 0) (i32.const 32)) (i32.const 0)))"#,
    );
    let listed = node.result("eth_createAccessList", json!([{"from": ALICE, "to": wasm}]));
    assert_eq!(listed["accessList"], json!([{"address": wasm, "storageKeys": [word(0)]}]));
}

#[test]
fn typed_data_is_signed_as_an_object_and_as_a_string() {
    let node = Node::new();
    // The example of EIP-712.
    let data = json!({
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}],
            "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
            "Mail": [
                {"name": "from", "type": "Person"}, {"name": "to", "type": "Person"},
                {"name": "contents", "type": "string"}],
        },
        "primaryType": "Mail",
        "domain": {"name": "Ether Mail", "version": "1", "chainId": 1,
                   "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"},
        "message": {
            "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
            "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
            "contents": "Hello, Bob!"},
    });
    let hash = b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
    for data in [data.clone(), json!(data.to_string())] {
        let signed = node.result("eth_signTypedData_v4", json!([ALICE, data]));
        let bytes = hex::decode(&signed.as_str().expect("hex")[2..]).expect("hex");
        let signature = Signature::from_raw(&bytes).expect("65 bytes");
        let signer = signature.recover_address_from_prehash(&hash).expect("a signature");
        assert_eq!(signer, ALICE.parse::<Address>().expect("an address"));
    }
    let (code, message) = node.refusal("eth_signTypedData_v4", json!([ALICE, "{}"]));
    assert_eq!(code, -32602);
    assert!(message.contains("missing field `types`"), "{message}");
    assert_eq!(node.refusal("eth_signTypedData_v4", json!([SOME, data])).0, -32000);
    let mut wrong = data;
    wrong["message"]["to"]["wallet"] = json!("nobody");
    let (code, message) = node.refusal("eth_signTypedData_v4", json!([ALICE, wrong]));
    assert!(code == -32000 && message.starts_with("typed data (EIP-712): "), "{message}");
}

#[test]
fn a_signed_transaction_can_be_sent() {
    let node = Node::new();
    let signed = node.result("eth_signTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x7"}]));
    assert_eq!((&signed["tx"]["from"], &signed["tx"]["to"]), (&json!(ALICE), &json!(BOB)));
    let hash = node.result("eth_sendRawTransaction", json!([signed["raw"]]));
    assert_eq!(hash, signed["tx"]["hash"]);
    assert_eq!(node.result("eth_getTransactionReceipt", json!([hash]))["status"], json!("0x1"));
    assert_eq!(node.refusal("eth_signTransaction", json!([{"from": SOME, "to": BOB}])).0, -32000);
    assert_eq!(node.refusal("eth_signTransaction", json!([{"to": BOB}])).0, -32602);
}

#[test]
fn the_node_tells_its_rules_and_what_it_keeps() {
    let node = Node::new();
    let config = node.result("eth_config", json!([]));
    let current = &config["current"];
    assert_eq!((&current["chainId"], &current["activationTime"]), (&json!("0x7a69"), &json!(0)));
    assert_eq!(current["precompiles"]["ECREC"], json!(format!("0x{:040x}", 1)));
    assert_eq!(current["precompiles"]["P256VERIFY"], json!(format!("0x{:040x}", 0x100)));
    assert_eq!(current["precompiles"]["ARB_WASM"], json!(format!("0x{:040x}", 0x71)));
    node.result("evm_mine", json!([]));
    let head = node.result("eth_getBlockByNumber", json!(["latest"]));
    let capabilities = node.result("eth_capabilities", json!([]));
    assert_eq!(capabilities["head"], json!({"number": "0x1", "hash": head["hash"]}));
    assert_eq!(capabilities["state"], json!({"disabled": false, "oldestBlock": "0x0"}));
    assert_eq!(node.result("eth_getBlockAccessList", json!(["latest"])), json!(null));
    assert_eq!(node.refusal("debug_getRawBlockAccessList", json!(["latest"])).0, -32001);
    let next = node.result("eth_baseFee", json!([]));
    node.result("evm_mine", json!([]));
    assert_eq!(node.result("eth_getBlockByNumber", json!(["latest"]))["baseFeePerGas"], next);

    node.result("anvil_setStorageAt", json!([ALICE, "0x1", word(9)]));
    let values = node.result("eth_getStorageValues", json!([{ALICE: ["0x1", word(2)], BOB: []}, "latest"]));
    assert_eq!(values, json!({ALICE: [word(9), word(0)], BOB: []}));
    let slots = vec!["0x1"; 600];
    let (code, message) = node.refusal("eth_getStorageValues", json!([{ALICE: slots, BOB: slots}]));
    assert!(code == -32602 && message.contains("limit of 1024"), "{message}");
    let proof = node.result("eth_getProof", json!([ALICE, []]));
    let account = node.result("eth_getAccount", json!([ALICE, "latest"]));
    for (ours, theirs) in
        [("balance", "balance"), ("nonce", "nonce"), ("codeHash", "codeHash"), ("storageRoot", "storageHash")]
    {
        assert_eq!(account[ours], proof[theirs]);
    }
}

#[test]
fn calls_that_never_end_are_stopped_and_blocks_are_not() {
    let node = Node::new();
    let program = node.deploy(
        r#"(module (memory (export "memory") 1)
            (func (export "user_entrypoint") (param i32) (result i32) (loop (br 0)) (unreachable)))"#,
    );
    node.result("evm_setBlockGasLimit", json!(["0x7fffffffffffffff"]));
    node.chain.set_call_timeout(Duration::from_millis(40));
    let state = json!({SOME: {"code": EVM_LOOP}, OTHER: {"code": EVM_RECURSION}});
    for to in [program.as_str(), SOME, OTHER] {
        let call = json!({"from": BOB, "to": to});
        for params in [
            ("eth_call", json!([call, "latest", state])),
            ("eth_estimateGas", json!([call, "latest", state])),
            ("eth_createAccessList", json!([call, "latest", state])),
        ] {
            let (code, message) = node.refusal(params.0, params.1);
            assert_eq!(code, -32000, "{} {to}: {message}", params.0);
            assert!(message.starts_with("execution aborted (timeout = 40ms): "), "{message}");
        }
        let tracers = ["callTracer", "latheTracer", "prestateTracer", "stylusTracer", "wasmTracer"];
        let tracers = tracers.iter().map(|name| json!({"tracer": name, "stateOverrides": state}));
        for options in tracers.chain([json!({"disableStack": true, "stateOverrides": state})]) {
            let (code, message) = node.refusal("debug_traceCall", json!([call, "latest", options]));
            assert_eq!(code, -32000, "{options} {to}: {message}");
            assert!(message.starts_with("execution aborted (timeout = 40ms): "), "{message}");
        }
        let payload = json!({"blockStateCalls": [
            {"blockOverrides": {"gasLimit": "0x7fffffffffffffff"}, "stateOverrides": state, "calls": [call]}]});
        let (code, message) = node.refusal("eth_simulateV1", json!([payload]));
        assert_eq!((code, &message[..17]), (-32016, "execution aborted"));
    }
    // A transaction ends with its gas, whatever calls may take.
    node.chain.set_call_timeout(Duration::ZERO);
    let hash = node.result("eth_sendTransaction", json!([{"from": ALICE, "to": program, "gas": "0x989680"}]));
    let receipt = node.result("eth_getTransactionReceipt", json!([hash]));
    assert_eq!((&receipt["status"], &receipt["gasUsed"]), (&json!("0x0"), &json!("0x989680")));
    // What it did is shown only as far as a call may go.
    for (method, params) in [
        ("debug_traceTransaction", json!([hash])),
        ("debug_traceTransaction", json!([hash, {"tracer": "wasmTracer"}])),
        ("debug_traceBlockByNumber", json!(["latest", {"tracer": "callTracer"}])),
        ("trace_transaction", json!([hash])),
        ("trace_block", json!(["latest"])),
        ("trace_filter", json!([{}])),
        ("trace_replayTransaction", json!([hash, ["trace"]])),
        ("ots_getInternalOperations", json!([hash])),
        ("ots_searchTransactionsBefore", json!([OTHER, 0, 5])),
        ("lathe_gasProfile", json!([hash])),
    ] {
        let (code, message) = node.refusal(method, params);
        assert_eq!(code, -32000, "{method}: {message}");
        assert!(message.starts_with("execution aborted (timeout = 0ns): "), "{method}: {message}");
    }
}
