//! Host calls of EEI contracts in the trace of host calls, beside those of programs.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use alloy_primitives::{Address, B256, TxKind, hex};
use lathe_node::runtime::trace::{Capture, StylusOptions};
use serde_json::Value;
use support::{
    Devnet, GAS, created,
    ewasm::{contract, contract_with, data},
    script::{ALL, SCRIPT, Script},
    wasm, word,
};

/// Init code that finishes with a contract.
fn deployer(code: &[u8]) -> Vec<u8> {
    contract_with(&format!("(call $finish (i32.const 0) (i32.const {}))", code.len()), &data(0, code))
}

/// Returns the trace of host calls of a transaction.
fn trace(devnet: &Devnet, to: Address, input: &[u8], value: u64, only_stylus: bool) -> Value {
    devnet.send(TxKind::Call(to), input.to_vec(), value, GAS);
    let hash = *devnet.0.head().transactions[0].tx_hash();
    let capture = Capture { host_calls: true, ..Capture::default() };
    let recording = devnet.0.trace_transaction(hash, &capture).unwrap();
    serde_json::from_str(&recording.to_stylus_json(StylusOptions { only_stylus })).unwrap()
}

/// Returns names of steps, those inside them in parentheses.
fn names(steps: &Value) -> String {
    let names = steps.as_array().unwrap().iter().map(|step| {
        let inner = step.get("steps").map(|steps| format!("({})", names(steps))).unwrap_or_default();
        format!("{}{inner}", step["name"].as_str().unwrap())
    });
    names.collect::<Vec<_>>().join(" ")
}

/// Returns name, arguments and results of each step.
fn rows(steps: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().trim_start_matches("0x").to_owned();
    let row = |step: &Value| (text(&step["name"]), text(&step["args"]), text(&step["outs"]));
    steps.as_array().unwrap().iter().map(row).collect()
}

#[test]
fn a_trace_shows_functions_of_eei_with_what_stood_behind_their_pointers() {
    let devnet = Devnet::new();
    let code = contract(
        "(call $callDataCopy (i32.const 0) (i32.const 1) (i32.const 2))
         (call $storageLoad (i32.const 32) (i32.const 64))
         (i32.store8 (i32.const 95) (i32.const 7))
         (call $storageStore (i32.const 32) (i32.const 64))
         (call $getAddress (i32.const 100))
         (call $getExternalBalance (i32.const 100) (i32.const 160))
         (call $getCallValue (i32.const 160))
         (drop (call $getGasLeft))
         (call $useGas (i64.const 9))
         (call $log (i32.const 0) (i32.const 2) (i32.const 1) (i32.const 64) (i32.const 0) (i32.const 0) (i32.const 0))
         (drop (call $callStatic (i64.const 500) (i32.const 100) (i32.const 0) (i32.const 2)))
         (call $finish (i32.const 0) (i32.const 2))",
    );
    let address = created(&devnet.try_deploy(deployer(&code)));
    let trace = trace(&devnet, address, &[1, 2, 3], 6, false);
    let [zero, seven] = [0, 7].map(|value| hex::encode(word(value)));
    let (me, amount) = (hex::encode(address), hex::encode(6_u128.to_le_bytes()));
    let rows = rows(&trace);
    let expected = [
        ("main", String::new(), String::new()),
        ("callDataCopy", "0000000100000002".into(), "0203".into()),
        ("storageLoad", zero.clone(), zero.clone()),
        ("storageStore", zero + &seven, String::new()),
        ("getAddress", String::new(), me.clone()),
        ("getExternalBalance", me.clone(), amount.clone()),
        ("getCallValue", String::new(), amount),
        ("getGasLeft", String::new(), rows[7].2.clone()),
        ("useGas", "0000000000000009".into(), String::new()),
        ("log", format!("00000001{seven}0203"), String::new()),
        // It has too little gas for its own first steps.
        ("callStatic", format!("{me}00000000000001f40203"), "00000001".into()),
        ("finish", "0203".into(), String::new()),
    ]
    .map(|(name, arguments, results)| (name.to_owned(), arguments, results));
    assert_eq!(rows, expected);
    assert_eq!(rows[7].2.len(), 16, "gas left is 64 bits");
    let inks: Vec<u64> = trace
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|step| [step["startInk"].as_u64().unwrap(), step["endInk"].as_u64().unwrap()])
        .collect();
    assert!(inks.is_sorted_by(|earlier, later| earlier >= later), "{inks:?}");
}

#[test]
fn calls_between_both_kinds_nest_and_for_cargo_stylus_those_of_eei_are_left_out() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let created_code = contract("");
    let init = deployer(&created_code);
    let caller = contract_with(
        &format!(
            "(call $storageLoad (i32.const 0) (i32.const 32))
             (drop (call $call (i64.const 1000000) (i32.const 64) (i32.const 96) (i32.const 0) (i32.const 0)))
             (drop (call $create (i32.const 96) (i32.const 1000) (i32.const {}) (i32.const 120)))
             (call $revert (i32.const 120) (i32.const 20))",
            init.len()
        ),
        &format!("{} {}", data(64, script.as_slice()), data(1_000, &init)),
    );
    let caller = created(&devnet.try_deploy(deployer(&caller)));
    let steps = Script::new().call(caller, 0, ALL, []).log(B256::ZERO);
    let all = trace(&devnet, script, &steps.0, 0, false);
    let inside = "user_entrypoint read_args write_result user_returned";
    assert_eq!(
        names(&all),
        format!(
            "user_entrypoint read_args \
             call_contract(main storageLoad call({inside}) evm_create1(main finish) create revert) \
             return_data_size read_return_data emit_log write_result user_returned"
        )
    );
    let call = &all[2]["steps"][2];
    assert_eq!(call["address"], hex::encode_prefixed(script));
    assert_eq!(call["outs"], "0x00000000");
    let create = &all[2]["steps"][4];
    let made = hex::encode(caller.create(1));
    assert_eq!(create["outs"], format!("0x00000000{made}"));
    assert_eq!(all[2]["steps"][5]["args"], format!("0x{made}"));
    // Frames that are asked for by what is not shown are shown as those that EVM code asks for.
    let known = trace(&devnet, script, &steps.0, 0, true);
    assert_eq!(
        names(&known),
        format!(
            "user_entrypoint read_args call_contract(evm_call_contract({inside}) evm_create1()) \
             return_data_size read_return_data emit_log write_result user_returned"
        )
    );
}

#[test]
fn a_call_that_traps_is_no_step() {
    let devnet = Devnet::new();
    let module = wasm(
        r#"(module (import "ethereum" "getCallDataSize" (func $size (result i32)))
            (import "debug" "print32" (func $print (param i32)))
            (import "ethereum" "storageLoad" (func $load (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "main") (call $print (call $size)) (call $load (i32.const 0) (i32.const 65505))))"#,
    );
    let address = created(&devnet.try_deploy(deployer(&module)));
    let trace = trace(&devnet, address, &[5; 3], 0, false);
    assert_eq!(names(&trace), "main getCallDataSize print32");
    assert_eq!((&trace[1]["outs"], &trace[2]["args"]), (&"0x00000003".into(), &"0x00000003".into()));
}
