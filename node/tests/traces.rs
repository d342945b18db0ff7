//! Tracers over RPC: exact answers for a transaction that does everything, on both engines.
//!
//! `UPDATE_EXPECT=1` writes the answers anew.

mod support;

use std::{fs, path::PathBuf};

use alloy_primitives::{Address, B256, TxKind, U256, address, hex};
use alloy_sol_types::{Revert, SolError};
use lathe_node::rpc::{Registry, envelope, methods};
use serde_json::{Value, json};
use support::{
    Devnet, GAS, created, envelope as wasm_envelope,
    evm::{
        CALL, CREATE, DELEGATECALL, Evm, GAS as GAS_OP, LOG0, MSTORE, POP, SELFDESTRUCT, SLOAD, SSTORE,
        STATICCALL, STOP,
    },
    returns, schema,
    script::{ALL, SCRIPT, Script},
    wasm, word,
};

/// The identity precompile.
const IDENTITY: Address = address!("0000000000000000000000000000000000000004");
/// Who inherits from a contract that ends.
const HEIR: Address = Address::repeat_byte(0x77);

/// A chain with methods over it.
struct Node {
    devnet: Devnet,
    registry: Registry,
}

impl Node {
    fn new() -> Self {
        let devnet = Devnet::new();
        let registry = Registry::new(devnet.0.clone(), methods::ALL);
        Self { devnet, registry }
    }

    fn answer(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let answer = envelope::answer(&self.registry, request.as_bytes()).expect("an answer");
        serde_json::from_slice(&answer).expect("JSON")
    }

    fn result(&self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        schema::check(method, &answer["result"]);
        answer["result"].take()
    }

    fn error(&self, method: &str, params: Value) -> String {
        let answer = self.answer(method, params);
        answer["error"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("{method} succeeds: {answer}"))
            .to_owned()
    }

    /// Sends a transaction and returns its hash and the gas it used.
    fn send(&self, to: Address, input: &[u8], value: u64) -> (B256, u64) {
        let receipt = self.devnet.send(TxKind::Call(to), input.to_vec(), value, GAS);
        (*self.devnet.0.head().transactions[0].tx_hash(), receipt.gas_used)
    }

    fn trace(&self, hash: B256, tracer: &str, config: Value) -> Value {
        self.result("debug_traceTransaction", json!([hash, {"tracer": tracer, "tracerConfig": config}]))
    }
}

/// Writes bytes to memory from 0 on.
fn remember(mut code: Evm, bytes: &[u8]) -> Evm {
    for (index, chunk) in bytes.chunks(32).enumerate() {
        let mut word = [0; 32];
        word[..chunk.len()].copy_from_slice(chunk);
        code.0.push(0x7F);
        code.0.extend(word);
        code = code.push(index as u64 * 32).op(MSTORE);
    }
    code
}

/// Calls `to` with `input`, `gas` or all, and drops the status.
fn call(code: Evm, opcode: u8, to: Address, value: u64, gas: Option<u64>, input: &[u8]) -> Evm {
    let mut code = remember(code, input).push(0).push(0).push(input.len() as u64).push(0);
    if opcode == CALL {
        code = code.push(value);
    }
    code = code.address(to);
    match gas {
        Some(gas) => code.push(gas),
        None => code.op(GAS_OP),
    }
    .op(opcode)
    .op(POP)
}

/// The contracts of the mixed transaction, and the one that calls them all.
struct Mixed {
    root: Address,
    script: Address,
}

/// EVM code that calls Wasm that calls EVM code, and whatever else there is.
fn mixed(devnet: &Devnet) -> Mixed {
    let script = devnet.deploy(SCRIPT);
    let reason = Revert::from("no more").abi_encode();
    let reverter = remember(Evm::new(), &reason).run(0xFD, &[0, reason.len() as u64]);
    let reverter = devnet.deploy_evm(&reverter.0);
    let ender = devnet.deploy_evm(&Evm::new().address(HEIR).op(SELFDESTRUCT).0);
    let looper = devnet.deploy_evm(&[0x5B, 0x60, 0x00, 0x56]);
    let steps = Script::new()
        .log(B256::repeat_byte(0xAA))
        .call(reverter, 0, ALL, [1, 2, 3, 4, 5])
        .static_call(script, ALL, Script::new().log(B256::repeat_byte(0xBB)))
        .store(1, 7)
        .log(B256::repeat_byte(0xCC));
    let mut code = Evm::new().run(LOG0, &[0, 0]);
    code = call(code, CALL, script, 5, None, &steps.0);
    code = call(code, STATICCALL, IDENTITY, 0, None, &[9; 4]);
    code = call(code, DELEGATECALL, script, 0, None, &Script::new().store(2, 8).0);
    code = call(code, CALL, script, 0, Some(400_000), &Script::new().spin().0);
    code = call(code, CALL, script, 0, None, &Script::new().log(B256::repeat_byte(0xDD)).trap().0);
    code = call(code, CALL, looper, 0, Some(30_000), &[]);
    code = call(code, CALL, ender, 3, None, &[]);
    let init = returns(&[STOP]);
    code = remember(code, &init).run(CREATE, &[1, 0, init.len() as u64]).op(POP);
    code = code.run(LOG0, &[0, 1]).op(STOP);
    Mixed { root: devnet.deploy_evm(&code.0), script }
}

/// Compares an answer with the file of this name.
fn expect(name: &str, actual: &Value) {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "traces", &format!("{name}.json")].iter().collect();
    let text = serde_json::to_string_pretty(actual).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, text).expect("a file");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(expected == text, "{name}: {text}");
}

/// Returns the frames of a tree of calls, each with how deep it is.
fn frames(tree: &Value, depth: usize, found: &mut Vec<(usize, Value)>) {
    found.push((depth, tree.clone()));
    for call in tree["calls"].as_array().into_iter().flatten() {
        frames(call, depth + 1, found);
    }
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().expect("hex").trim_start_matches("0x"), 16).expect("hex")
}

#[test]
fn a_tree_of_calls_is_as_geth_has_it_across_both_engines() {
    let node = Node::new();
    let mixed = mixed(&node.devnet);
    let (hash, gas_used) = node.send(mixed.root, &[0xCA, 0xFE, 0xBA, 0xBE], 100);
    let tree = node.trace(hash, "callTracer", json!({"withLog": true}));
    expect("calls", &tree);
    assert_eq!((number(&tree["gas"]), number(&tree["gasUsed"])), (GAS, gas_used));
    let mut all = Vec::new();
    frames(&tree, 0, &mut all);
    let shape: Vec<_> = all
        .iter()
        .map(|(depth, frame)| {
            let error = frame["error"].as_str().unwrap_or_default();
            (*depth, frame["type"].as_str().expect("a type"), error)
        })
        .collect();
    assert_eq!(
        shape,
        [
            (0, "CALL", ""),
            (1, "CALL", ""),
            (2, "CALL", "execution reverted"),
            (2, "STATICCALL", "execution reverted"),
            (1, "STATICCALL", ""),
            (1, "DELEGATECALL", ""),
            (1, "CALL", "out of gas"),
            (1, "CALL", "execution reverted"),
            (1, "CALL", "out of gas"),
            (1, "CALL", ""),
            (2, "SELFDESTRUCT", ""),
            (1, "CREATE", ""),
        ]
    );
    assert_eq!(all[2].1["revertReason"], "no more");
    let trap = all[7].1["revertReason"].as_str().expect("a trap has a reason");
    assert!(trap.contains("unreachable in function"), "{trap}");
    // What a frame used, those inside it used a part of.
    for (_, frame) in &all[1..] {
        let inside: u64 =
            frame["calls"].as_array().into_iter().flatten().map(|call| number(&call["gasUsed"])).sum();
        assert!(number(&frame["gasUsed"]) >= inside, "{frame}");
    }
    let top = node.trace(hash, "callTracer", json!({"onlyTopCall": true}));
    assert!(top.get("calls").is_none() && top.get("logs").is_none(), "{top}");
    assert_eq!(top["input"], "0xcafebabe");
}

#[test]
fn logs_stand_where_they_were_emitted_and_those_of_failed_frames_are_gone() {
    let node = Node::new();
    let mixed = mixed(&node.devnet);
    let (hash, _) = node.send(mixed.root, &[], 100);
    let tree = node.trace(hash, "callTracer", json!({"withLog": true}));
    let positions = |frame: &Value| -> Vec<String> {
        let logs = frame["logs"].as_array().into_iter().flatten();
        logs.map(|log| log["position"].as_str().expect("a position").to_owned()).collect()
    };
    assert_eq!(positions(&tree), ["0x0", "0x8"]);
    assert_eq!(positions(&tree["calls"][0]), ["0x0", "0x2"]);
    assert_eq!(tree["calls"][0]["logs"][1]["topics"], json!([B256::repeat_byte(0xCC)]));
    let receipt = node.result("eth_getTransactionReceipt", json!([hash]));
    let mut all = Vec::new();
    frames(&tree, 0, &mut all);
    let shown: usize = all.iter().map(|(_, frame)| frame["logs"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(Some(shown), receipt["logs"].as_array().map(Vec::len));
    let top = node.trace(hash, "callTracer", json!({"withLog": true, "onlyTopCall": true}));
    assert_eq!(positions(&top), ["0x0", "0x0"], "no call is shown before them");
    assert_eq!(indexes(&top), ["0x0", "0x3"], "those of inner frames count all the same");
}

/// Returns the indexes of the logs of one frame.
fn indexes(frame: &Value) -> Vec<String> {
    let logs = frame["logs"].as_array().into_iter().flatten();
    logs.map(|log| log["index"].as_str().expect("an index").to_owned()).collect()
}

#[test]
fn logs_have_the_index_in_the_block_that_receipts_say() {
    let node = Node::new();
    let mixed = mixed(&node.devnet);
    node.result("evm_setAutomine", json!([false]));
    let send = |nonce: u64| {
        let from = node.devnet.0.accounts()[0];
        let nonce = node.devnet.nonce(from) + nonce;
        let request = json!({"from": from, "to": mixed.root, "gas": "0x5b8d80", "value": "0x64",
            "nonce": format!("{nonce:#x}")});
        node.result("eth_sendTransaction", json!([request]))
    };
    let hashes = [send(0), send(1)];
    node.result("evm_mine", json!([]));
    let options = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let block = node.result("debug_traceBlockByNumber", json!(["latest", options]));
    for (place, hash) in hashes.iter().enumerate() {
        let tree = node.result("debug_traceTransaction", json!([hash, options]));
        assert_eq!(tree, block[place]["result"]);
        let mut all = Vec::new();
        frames(&tree, 0, &mut all);
        let mut shown: Vec<String> = all.iter().flat_map(|(_, frame)| indexes(frame)).collect();
        // A frame's logs stand before those of the frames inside it.
        shown.sort();
        let receipt = node.result("eth_getTransactionReceipt", json!([hash]));
        let expected = receipt["logs"].as_array().expect("logs").iter();
        let expected: Vec<_> = expected.map(|log| log["logIndex"].as_str().expect("an index")).collect();
        assert_eq!((shown.len(), shown), (4, expected.into_iter().map(str::to_owned).collect()));
    }
    // A call is in no block with others.
    let call = json!({"to": mixed.root, "gas": "0x5b8d80"});
    let tree = node.result("debug_traceCall", json!([call, "latest", options]));
    assert_eq!(indexes(&tree)[0], "0x0");
}

#[test]
fn accounts_before_and_after_are_as_geth_has_them() {
    let node = Node::new();
    let mixed = mixed(&node.devnet);
    let (hash, gas_used) = node.send(mixed.root, &[], 100);
    expect("prestate", &node.trace(hash, "prestateTracer", json!({})));
    let diff = node.trace(hash, "prestateTracer", json!({"diffMode": true}));
    expect("state_diff", &diff);
    let script = hex::encode_prefixed(mixed.script);
    let slot = |number: u64| B256::from(word(number)).to_string();
    assert_eq!(diff["post"][&script]["storage"], json!({slot(1): B256::from(word(7))}));
    assert!(diff["pre"][&script].get("storage").is_none(), "{diff}");
    let sender = hex::encode_prefixed(node.devnet.sender());
    let balance = |side: &str| {
        let text = diff[side][&sender]["balance"].as_str().expect("a balance").to_owned();
        U256::from_str_radix(text.trim_start_matches("0x"), 16).expect("hex")
    };
    let receipt = node.result("eth_getTransactionReceipt", json!([hash]));
    let fee = U256::from(gas_used) * U256::from(number(&receipt["effectiveGasPrice"]));
    assert_eq!(balance("pre") - balance("post"), fee + U256::from(100));
    for (option, member) in [("disableCode", "code"), ("disableStorage", "storage")] {
        let without = node.trace(hash, "prestateTracer", json!({option: true}));
        let accounts = without.as_object().expect("accounts");
        assert!(accounts.values().all(|account| account.get(member).is_none()), "{option}: {without}");
    }
    let heir = hex::encode_prefixed(HEIR);
    let plain = node.trace(hash, "prestateTracer", json!({}));
    let all = node.trace(hash, "prestateTracer", json!({"includeEmpty": true}));
    assert!(plain.get(&heir).is_none());
    assert_eq!(all[&heir], json!({"balance": "0x0"}));
}

#[test]
fn functions_are_counted_by_selector_and_length_of_arguments() {
    let node = Node::new();
    let mixed = mixed(&node.devnet);
    let (hash, _) = node.send(mixed.root, &[0xCA, 0xFE, 0xBA, 0xBE, 1], 100);
    let counts = node.trace(hash, "4byteTracer", json!({}));
    assert_eq!((&counts["0xcafebabe-1"], &counts["0x01020304-1"]), (&json!(1), &json!(1)));
    assert!(counts.get("0x09090909-0").is_none(), "a precompiled contract has no functions: {counts}");
    assert_eq!(node.trace(hash, "noopTracer", json!({})), json!({}));
    let both = node.trace(hash, "muxTracer", json!({"4byteTracer": {}, "callTracer": {"onlyTopCall": true}}));
    assert_eq!(both["4byteTracer"], counts);
    assert_eq!(both["callTracer"], node.trace(hash, "callTracer", json!({"onlyTopCall": true})));
}

#[test]
fn instructions_of_evm_frames_are_as_geth_has_them() {
    let node = Node::new();
    // Stores 5 in slot 1, reads it, copies memory about, fails.
    let code = Evm::new().run(SSTORE, &[1, 5]).run(SLOAD, &[1]).push(0).op(MSTORE).run(0xFD, &[0, 32]);
    let contract = node.devnet.deploy_evm(&code.0);
    let (hash, gas_used) = node.send(contract, &[], 0);
    let options = json!({"enableMemory": true, "enableReturnData": true});
    let trace = node.result("debug_traceTransaction", json!([hash, options]));
    expect("struct_logs", &trace);
    assert_eq!((trace["gas"].as_u64(), &trace["failed"]), (Some(gas_used), &json!(true)));
    let logs = trace["structLogs"].as_array().expect("instructions");
    for pair in logs.windows(2) {
        let left = |log: &Value, member: &str| log[member].as_u64().expect("gas");
        assert_eq!(left(&pair[0], "gas") - left(&pair[0], "gasCost"), left(&pair[1], "gas"), "{pair:?}");
    }
    let bare = json!({"disableStack": true, "disableStorage": true, "limit": 4});
    let bare = node.result("debug_traceTransaction", json!([hash, bare]));
    let bare = bare["structLogs"].as_array().expect("instructions");
    assert_eq!(bare.len(), 4);
    assert!(bare.iter().all(|log| log.get("stack").is_none() && log.get("storage").is_none()), "{bare:?}");
}

#[test]
fn instructions_of_evm_frames_are_shown_through_wasm_frames() {
    let node = Node::new();
    let mixed = mixed(&node.devnet);
    let (hash, gas_used) = node.send(mixed.root, &[], 100);
    let trace = node.result("debug_traceTransaction", json!([hash, {"disableStack": true}]));
    assert_eq!((trace["gas"].as_u64(), &trace["failed"]), (Some(gas_used), &json!(false)));
    let logs = trace["structLogs"].as_array().expect("instructions");
    let depths: Vec<_> = logs.iter().map(|log| log["depth"].as_u64().expect("a depth")).collect();
    assert!(depths.contains(&1) && depths.contains(&2) && depths.contains(&3));
    let failed: Vec<_> = logs.iter().filter_map(|log| log["error"].as_str()).collect();
    assert_eq!(failed, ["out of gas"]);
}

#[test]
fn a_trace_of_a_long_loop_ends_with_an_error_that_says_what_to_do() {
    let node = Node::new();
    let looper = node.devnet.deploy_evm(&[0x5B, 0x60, 0x00, 0x56]);
    let request = json!({"to": looper, "gas": "0x989680"});
    let error = node.error("debug_traceCall", json!([request, "latest", {}]));
    assert!(error.contains("the limit of 50331648 bytes") && error.contains("callTracer"), "{error}");
    let first = node.result("debug_traceCall", json!([request, "latest", {"limit": 100}]));
    assert_eq!(first["structLogs"].as_array().map(Vec::len), Some(100));
    assert_eq!(first["gas"], 10_000_000);
}

#[test]
fn instructions_of_wasm_frames_have_function_offset_and_ink() {
    let node = Node::new();
    let module = r#"(module (memory (export "memory") 1)
        (func $leaf (@name "_ZN5token4mintEm") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func (export "user_entrypoint") (param i32) (result i32) (i32.sub (call $leaf (local.get 0)) (i32.const 1))))"#;
    let contract = created(&node.devnet.try_deploy(wasm_envelope(0, &wasm(module), &[])));
    let (hash, gas_used) = node.send(contract, &[], 0);
    let trace = node.trace(hash, "wasmTracer", json!({}));
    assert_eq!((trace["gas"].as_u64(), &trace["stepsTotal"]), (Some(gas_used), &json!(9)));
    let steps = trace["steps"].as_array().expect("steps");
    let seen: Vec<_> = steps
        .iter()
        .map(|step| {
            let text = |member: &str| step[member].as_str().unwrap_or("-").to_owned();
            (text("op"), text("name"), step["functionDepth"].as_u64().expect("a depth"))
        })
        .collect();
    let step = |op: &str, name: &str, depth| (op.to_owned(), name.to_owned(), depth);
    let (mint, main) = ("token::mint(unsigned long)", "user_entrypoint");
    let expected = [
        step("local.get", main, 1),
        step("call", main, 1),
        step("local.get", mint, 2),
        step("i32.const", mint, 2),
        step("i32.add", mint, 2),
        step("end", mint, 2),
        step("i32.const", main, 1),
        step("i32.sub", main, 1),
        step("end", main, 1),
    ];
    assert_eq!(seen, expected);
    assert!(steps.iter().all(|step| step["address"] == hex::encode_prefixed(contract)), "{trace}");
    let inks: Vec<_> = steps.iter().map(|step| step["inkLeft"].as_u64().expect("ink")).collect();
    assert!(inks.is_sorted_by(|earlier, later| earlier > later), "{inks:?}");
    let part = node.trace(hash, "wasmTracer", json!({"skip": 2, "limit": 3}));
    assert_eq!((&part["steps"], &part["truncated"]), (&json!(steps[2..5]), &json!(true)));
    let last = node.trace(hash, "wasmTracer", json!({"skip": 5}));
    assert_eq!((&last["steps"], &last["truncated"]), (&json!(steps[5..]), &json!(false)));
}

#[test]
fn a_block_is_traced_as_its_transactions_are() {
    let node = Node::new();
    let script = node.devnet.deploy(SCRIPT);
    node.result("evm_setAutomine", json!([false]));
    let [from, other] = [node.devnet.0.accounts()[0], node.devnet.0.accounts()[1]];
    let mut hashes = Vec::new();
    for (from, steps) in [(from, Script::new().store(1, 2)), (other, Script::new().load(1).revert())] {
        let request =
            json!({"from": from, "to": script, "data": hex::encode_prefixed(steps.0), "gas": "0xf4240"});
        hashes.push(node.result("eth_sendTransaction", json!([request])));
    }
    node.result("evm_mine", json!([]));
    let block = node.result("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(block["transactions"].as_array().map(Vec::len), Some(2));
    let options = json!({"tracer": "callTracer"});
    let traces = node.result("debug_traceBlockByNumber", json!(["latest", options]));
    assert_eq!(node.result("debug_traceBlockByHash", json!([block["hash"], options])), traces);
    for (index, trace) in traces.as_array().expect("traces").iter().enumerate() {
        let hash = &block["transactions"][index];
        assert_eq!(&trace["txHash"], hash);
        assert_eq!(trace["result"], node.result("debug_traceTransaction", json!([hash, options])));
        let receipt = node.result("eth_getTransactionReceipt", json!([hash]));
        assert_eq!(trace["result"]["gasUsed"], receipt["gasUsed"]);
    }
    let outputs: Vec<_> = traces
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|trace| trace["result"]["output"].as_str().map(str::to_owned))
        .collect();
    // The second transaction ran on what the first one left.
    let read = hex::encode_prefixed(word(2));
    assert!(outputs.contains(&read) || outputs.contains(&hex::encode_prefixed(word(0))), "{outputs:?}");
    assert_eq!(node.result("debug_traceBlockByNumber", json!(["earliest", options])), json!([]));
    assert_eq!(node.error("debug_traceBlockByNumber", json!(["0x7777", options])), "block not found");
}

#[test]
fn a_list_of_calls_is_as_parity_has_it() {
    let node = Node::new();
    let mixed = mixed(&node.devnet);
    let (hash, _) = node.send(mixed.root, &[], 100);
    let calls = node.result("trace_transaction", json!([hash]));
    let mut shown = calls.clone();
    for trace in shown.as_array_mut().into_iter().flatten() {
        // Hashes change with whatever a block is made of.
        let members = trace.as_object_mut().expect("an object");
        assert_eq!(members.remove("transactionHash"), Some(json!(hash)));
        assert_eq!(members.remove("blockHash"), Some(json!(node.devnet.0.head().hash)));
    }
    expect("flat", &shown);
    let list = calls.as_array().expect("a list");
    let shape: Vec<_> = list
        .iter()
        .map(|trace| {
            let place = trace["traceAddress"].to_string();
            let error = trace["error"].as_str().unwrap_or_default();
            (place, trace["type"].as_str().expect("a type"), trace["subtraces"].as_u64(), error)
        })
        .collect();
    let call = |place: &str, kind, subtraces, error| (place.to_owned(), kind, Some(subtraces), error);
    // The call of a precompiled contract is left out.
    assert_eq!(
        shape,
        [
            call("[]", "call", 7, ""),
            call("[0]", "call", 2, ""),
            call("[0,0]", "call", 0, "Reverted"),
            call("[0,1]", "call", 0, "Reverted"),
            call("[1]", "call", 0, ""),
            call("[2]", "call", 0, "Out of gas"),
            call("[3]", "call", 0, "Reverted"),
            call("[4]", "call", 0, "Out of gas"),
            call("[5]", "call", 1, ""),
            call("[5,0]", "suicide", 0, ""),
            call("[6]", "create", 0, ""),
        ]
    );
    assert_eq!(node.result("trace_block", json!(["latest"])), calls);
    assert_eq!(node.result("trace_get", json!([hash, ["0x0", "0x1"]])), list[3]);
    let created = list[10]["result"]["address"].clone();
    let filter = json!({"fromBlock": "earliest", "toBlock": "latest", "toAddress": [created]});
    assert_eq!(node.result("trace_filter", json!([filter])), json!([list[10]]));
    let filter = json!({"fromAddress": [mixed.script], "after": 1, "count": 5});
    assert_eq!(node.result("trace_filter", json!([filter])), json!([list[3]]));
    let replay = node.result("trace_replayTransaction", json!([hash, ["trace"]]));
    assert_eq!(replay["trace"].as_array().map(Vec::len), Some(11));
    let error = node.error("trace_replayTransaction", json!([hash, ["vmTrace"]]));
    assert!(error.contains("\"vmTrace\""), "{error}");
    assert_eq!(node.result("trace_transaction", json!([B256::ZERO])), Value::Null);
}

#[test]
fn watching_a_transaction_changes_neither_its_gas_nor_what_it_does() {
    let node = Node::new();
    let mixed = mixed(&node.devnet);
    let request =
        json!({"to": mixed.root, "value": "0x64", "from": node.devnet.sender(), "gas": "0x1c9c380"});
    let (hash, gas_used) = node.send(mixed.root, &[], 100);
    let output = node.result("eth_call", json!([request, "latest"]));
    for (tracer, config) in [
        ("callTracer", json!({"withLog": true})),
        ("wasmTracer", json!({"limit": 1})),
        ("muxTracer", json!({"stylusTracer": {}, "callTracer": {}, "wasmTracer": {}, "prestateTracer": {}})),
    ] {
        let trace = node.trace(hash, tracer, config);
        let used = match tracer {
            "callTracer" => number(&trace["gasUsed"]),
            "wasmTracer" => trace["gas"].as_u64().expect("gas"),
            _ => number(&trace["callTracer"]["gasUsed"]),
        };
        assert_eq!(used, gas_used, "{tracer}");
    }
    assert_eq!(output, "0x");
    assert_eq!(node.devnet.slot(mixed.root, 2), U256::from(8));
}

/// Returns the nodes of a profile with their ink, after checking that it adds up.
fn profile(node: &Node, hash: B256, gas_used: u64) -> Vec<(String, String, i64)> {
    let profile = node.result("lathe_gasProfile", json!([hash]));
    assert_eq!((&profile["gasUsed"], &profile["truncated"]), (&json!(gas_used), &json!(false)));
    let nodes = profile["nodes"].as_array().expect("nodes");
    let node = |node: &Value| {
        let text = |member: &str| node[member].as_str().expect("text").to_owned();
        (text("kind"), text("name"), node["ink"].as_i64().expect("ink"))
    };
    let nodes: Vec<_> = nodes.iter().map(node).collect();
    let sum: i64 = nodes.iter().map(|(_, _, ink)| ink).sum();
    assert_eq!(sum, i64::try_from(gas_used).expect("little gas") * 10_000, "{nodes:?}");
    for (_, name, ink) in &nodes {
        assert!(*ink >= 0 || name == "refund", "{name} took {ink}");
        assert!(name != "rounding" || *ink < 10_000, "what readings miss is a part of a gas: {ink}");
    }
    nodes
}

fn ink_of(nodes: &[(String, String, i64)], kind: &str, name: &str) -> i64 {
    nodes.iter().filter(|node| node.0 == kind && node.1 == name).map(|node| node.2).sum()
}

#[test]
fn a_gas_profile_accounts_for_every_gas_of_both_engines() {
    let node = Node::new();
    let mixed = mixed(&node.devnet);
    let (hash, gas_used) = node.send(mixed.root, &[0xCA, 0xFE, 0xBA, 0xBE], 100);
    let nodes = profile(&node, hash, gas_used);
    let gas = |kind: &str, name: &str| ink_of(&nodes, kind, name) / 10_000;
    assert_eq!((gas("cost", "transaction"), gas("cost", "calldata")), (21_000, 4 * 16));
    // An EVM loop with 30,000 gas spends all but its last instruction; a Wasm loop with 400,000 likewise.
    assert!(gas("opcode", "JUMP") + gas("opcode", "PUSH1") + gas("opcode", "JUMPDEST") > 29_000);
    assert!(gas("function", "user_entrypoint") > 390_000);
    // Two writes of fresh slots.
    assert!(gas("hostCall", "storage_flush_cache") > 2 * 22_000);
    assert!(gas("opcode", "SELFDESTRUCT") > 30_000, "a new account is made");
    assert_eq!((gas("cost", "store code"), gas("cost", "precompile")), (200, 18));
    assert!(gas("cost", "load code") > 0 && gas("cost", "instantiate") > 0);
}

#[test]
fn a_gas_profile_knows_functions_refunds_creations_and_the_floor() {
    let node = Node::new();
    let script = node.devnet.deploy(SCRIPT);
    let creation = *node.devnet.0.head().transactions[0].tx_hash();
    let receipt = node.result("eth_getTransactionReceipt", json!([creation]));
    let nodes = profile(&node, creation, number(&receipt["gasUsed"]));
    assert_eq!(ink_of(&nodes, "cost", "creation") / 10_000 % 2, 0);
    for name in ["load code", "record program", "store code"] {
        assert!(ink_of(&nodes, "cost", name) > 0, "{name}: {nodes:?}");
    }

    node.send(script, &Script::new().store(1, 7).0, 0);
    let (hash, gas_used) = node.send(script, &Script::new().store(1, 0).0, 0);
    let nodes = profile(&node, hash, gas_used);
    assert_eq!(ink_of(&nodes, "cost", "refund") / 10_000, -4_800);
    assert!(ink_of(&nodes, "function", "take") > 0, "{nodes:?}");

    // Calldata that nobody reads costs its floor.
    let (hash, gas_used) = node.send(HEIR, &[1; 1_000], 0);
    let nodes = profile(&node, hash, gas_used);
    assert_eq!(gas_used, 21_000 + 40 * 1_000);
    assert_eq!(ink_of(&nodes, "cost", "calldata floor (EIP-7623)") / 10_000, 24 * 1_000);
}
