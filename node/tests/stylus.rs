//! What Stylus tools find on a devnet: activation, the deployer, traces.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use std::collections::BTreeMap;

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, hex, keccak256};
use alloy_rpc_types_eth::{
    TransactionRequest,
    state::{AccountOverride, StateOverride},
};
use alloy_sol_types::{SolCall, SolError, SolEvent, sol};
use lathe_node::{
    chain::{CallError, MULTICALL3, Receipt, STYLUS_DEPLOYER},
    runtime::{
        ARB_WASM, ARB_WASM_CACHE, STYLUS_VERSION,
        trace::{Capture, StylusOptions},
    },
};
use serde_json::Value;
use support::{
    Devnet, GAS, compressed, created, envelope,
    evm::{self, Evm, relay},
    returns,
    script::{ALL, Output, SCRIPT, Script},
    wasm,
};

sol! {
    function activateProgram(address program) external payable returns (uint16 version, uint256 dataFee);
    function codehashVersion(bytes32 codehash) external view returns (uint16 version);
    function codehashKeepalive(bytes32 codehash) external payable;
    function codehashAsmSize(bytes32 codehash) external view returns (uint32 size);
    function programVersion(address program) external view returns (uint16 version);
    function programInitGas(address program) external view returns (uint64 gas, uint64 gasWhenCached);
    function programMemoryFootprint(address program) external view returns (uint16 footprint);
    function programTimeLeft(address program) external view returns (uint64 secs);
    function stylusVersion() external view returns (uint16 version);
    function inkPrice() external view returns (uint32 price);
    function pageLimit() external view returns (uint16 limit);
    function allCacheManagers() external view returns (address[] memory managers);
    function codehashIsCached(bytes32 codehash) external view returns (bool);
    function cacheProgram(address addr) external;

    event ProgramActivated(
        bytes32 indexed codehash, bytes32 moduleHash, address program, uint256 dataFee, uint16 version
    );
    error ProgramNotWasm();
    error ProgramNotActivated();
    error ProgramKeepaliveTooSoon(uint64 ageInSeconds);

    function deploy(bytes bytecode, bytes initData, uint256 initValue, bytes32 salt)
        external payable returns (address);
    event ContractDeployed(address deployedContract);

    struct Call3 { address target; bool allowFailure; bytes callData; }
    struct Call3Result { bool success; bytes returnData; }
    function aggregate3(Call3[] calldata calls) external payable returns (Call3Result[] memory returnData);
}

/// A constructor that keeps the first word of its arguments and its value; anything else returns them.
const KEEPER: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "msg_value" (func $msg_value (param i32)))
    (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
    (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 63) "\01")
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $read_args (i32.const 124))
        (if (i32.eq (i32.load (i32.const 124)) (i32.const 0x8D258555)) (then
            (call $write_result (i32.const 128) (i32.const 32))
            ;; An argument of zero is refused.
            (if (i64.eqz (i64.load (i32.const 152))) (then (return (i32.const 1))))
            (call $cache (i32.const 0) (i32.const 128))
            (call $msg_value (i32.const 128))
            (call $cache (i32.const 32) (i32.const 128))
            (call $flush (i32.const 1))
            (return (i32.const 0))))
        (call $load (i32.const 0) (i32.const 64))
        (call $load (i32.const 32) (i32.const 96))
        (call $write_result (i32.const 64) (i32.const 64))
        (i32.const 0)))"#;

fn stylus_code(module: &[u8]) -> Vec<u8> {
    [&hex!("eff00000")[..], &compressed(module)].concat()
}

/// Calls a method of a contract that returns.
fn ask<C: SolCall>(devnet: &Devnet, contract: Address, call: C) -> C::Return {
    C::abi_decode_returns(&devnet.call(contract, call.abi_encode()).unwrap()).unwrap()
}

/// Calls a method of a contract that reverts. Returns its output and what the error says.
fn reverts(devnet: &Devnet, contract: Address, call: impl SolCall) -> (Bytes, Option<String>) {
    let error = devnet.call(contract, call.abi_encode()).unwrap_err();
    let says = Some(error.to_string());
    match error {
        CallError::Reverted { output, .. } => (output, says),
        other => panic!("{other:?}"),
    }
}

fn events<E: SolEvent>(receipt: &Receipt, of: Address) -> Vec<E> {
    let logs = receipt.logs.iter().filter(|log| log.address == of);
    logs.map(|log| E::decode_log_data(&log.data).unwrap()).collect()
}

#[test]
fn whatever_creates_a_program_activates_its_code_hash() {
    let module = wasm(SCRIPT);
    for (way, creation) in [
        ("envelope", envelope(0, &module, &[])),
        ("compressed envelope", envelope(1, &compressed(&module), &[])),
        ("module", module.clone()),
        ("EVM prelude", returns(&stylus_code(&module))),
    ] {
        let devnet = Devnet::new();
        let address = Address::repeat_byte(7);
        assert_eq!(
            reverts(&devnet, ARB_WASM, programVersionCall { program: address }).0[..],
            ProgramNotActivated::SELECTOR
        );
        let program = created(&devnet.try_deploy(creation));
        let hash = keccak256(devnet.code(program));
        assert_eq!(ask(&devnet, ARB_WASM, codehashVersionCall { codehash: hash }), STYLUS_VERSION, "{way}");
        assert_eq!(ask(&devnet, ARB_WASM, programVersionCall { program }), STYLUS_VERSION, "{way}");
        let record = devnet.0.storage(ARB_WASM, hash.into(), BlockId::latest()).unwrap();
        assert_eq!(record, U256::from(STYLUS_VERSION), "{way}");
    }
}

#[test]
fn a_creation_that_fails_leaves_no_record() {
    let devnet = Devnet::new();
    // The constructor refuses a zero argument; the record of the code hash would be made after it.
    let module = wasm(KEEPER);
    let refused = devnet.try_deploy(envelope(2, &module, &[0; 32]));
    assert!(!refused.success);
    let hash = keccak256([&hex!("ef4c00")[..], &module].concat());
    assert_eq!(
        reverts(&devnet, ARB_WASM, codehashVersionCall { codehash: hash }).0[..],
        ProgramNotActivated::SELECTOR
    );
    // Gas for the record, but not for the code that is stored after it.
    let creation = envelope(0, &module, &[]);
    let enough = devnet.try_deploy(creation.clone()).gas_used;
    let devnet = Devnet::new();
    let starved = devnet.send(TxKind::Create, creation, 0, enough - 1);
    assert!(!starved.success);
    assert_eq!(
        reverts(&devnet, ARB_WASM, codehashVersionCall { codehash: hash }).0[..],
        ProgramNotActivated::SELECTOR
    );
}

#[test]
fn a_record_costs_a_slot_once() {
    let devnet = Devnet::new();
    let [first, second] = [(); 2].map(|()| devnet.try_deploy(envelope(0, &wasm(SCRIPT), &[])).gas_used);
    assert_eq!(first - second, 20_000 - 100);
}

#[test]
fn activating_a_program_confirms_it_each_time_and_returns_what_was_paid() {
    let devnet = Devnet::new();
    let module = wasm(SCRIPT);
    let program = created(&devnet.try_deploy(returns(&stylus_code(&module))));
    for _ in 0..2 {
        let before = devnet.balance(ARB_WASM);
        let call = activateProgramCall { program }.abi_encode();
        let receipt = devnet.send(TxKind::Call(ARB_WASM), call, 1_000, GAS);
        assert!(receipt.success, "{:?}", receipt.failure);
        assert_eq!((before, devnet.balance(ARB_WASM)), (U256::ZERO, U256::ZERO));
        let [event] = &events::<ProgramActivated>(&receipt, ARB_WASM)[..] else { panic!("one event") };
        assert_eq!((event.program, event.version, event.dataFee), (program, STYLUS_VERSION, U256::ZERO));
        assert_eq!((event.codehash, event.moduleHash), (keccak256(devnet.code(program)), keccak256(&module)));
    }
    let returned = ask(&devnet, ARB_WASM, activateProgramCall { program });
    assert_eq!((returned.version, returned.dataFee), (STYLUS_VERSION, U256::ZERO));
    let evm = devnet.deploy_evm(&[evm::STOP]);
    for program in [evm, Address::repeat_byte(9), devnet.sender()] {
        assert_eq!(
            reverts(&devnet, ARB_WASM, activateProgramCall { program }).0[..],
            ProgramNotWasm::SELECTOR[..]
        );
    }
}

#[test]
fn a_check_before_deployment_sees_overridden_code() {
    let devnet = Devnet::new();
    let program = Address::repeat_byte(0x66);
    let from = Address::repeat_byte(0x55);
    let check = |code: Vec<u8>| {
        let overrides = StateOverride::from_iter([
            (from, AccountOverride::default().with_balance(U256::MAX)),
            (program, AccountOverride::default().with_code(code)),
        ]);
        let request = TransactionRequest::default()
            .from(from)
            .to(ARB_WASM)
            .value(U256::from(10).pow(U256::from(18)))
            .input(Bytes::from(activateProgramCall { program }.abi_encode()).into());
        devnet.0.call(request, BlockId::latest(), Some(overrides), None)
    };
    let output = check(stylus_code(&wasm(SCRIPT))).unwrap().output;
    assert_eq!(activateProgramCall::abi_decode_returns(&output).unwrap().version, STYLUS_VERSION);
    for (module, why) in [
        (r#"(module (memory (export "memory") 1))"#, "missing export `user_entrypoint`"),
        (r#"(module (import "vm_hooks" "nope" (func)))"#, "unknown import `vm_hooks.nope`"),
        // A name that would make a terminal do things.
        (r#"(module (import "\1b[2J" "\07" (memory 1)))"#, r"import `\u{1b}[2J.\u{7}` is a memory"),
        (r#"(module (import "\1b[2J" "\07" (func)))"#, r"unknown import `\u{1b}[2J.\u{7}`"),
    ] {
        match check(stylus_code(&wasm(module))) {
            Err(error @ CallError::Reverted { .. }) => {
                assert!(error.to_string().contains(why), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    let error = check(hex!("eff00000ffffffff").into()).unwrap_err();
    assert!(matches!(error, CallError::Reverted { .. }) && error.to_string().contains("brotli"), "{error}");
}

#[test]
fn arb_wasm_answers_what_tools_ask() {
    let devnet = Devnet::new();
    let program = devnet.deploy(SCRIPT);
    let codehash = keccak256(devnet.code(program));
    // The module is stored as it is, behind a prefix of 3 bytes.
    let (schedule, bytes) = (&lathe_vm::Schedule::V4, u64::try_from(wasm(SCRIPT).len()).unwrap());
    let load = [schedule.code_ink(bytes + 3), schedule.load_ink(bytes)].map(|ink| ink.div_ceil(10_000));
    let gas = ask(&devnet, ARB_WASM, programInitGasCall { program });
    assert_eq!((gas.gas, gas.gasWhenCached), (load[0] + load[1], 100));
    assert_eq!(ask(&devnet, ARB_WASM, programMemoryFootprintCall { program }), 8);
    assert_eq!(ask(&devnet, ARB_WASM, programTimeLeftCall { program }), u64::MAX);
    assert_eq!(ask(&devnet, ARB_WASM, codehashAsmSizeCall { codehash }), 0);
    assert_eq!(ask(&devnet, ARB_WASM, stylusVersionCall {}), STYLUS_VERSION);
    assert_eq!(ask(&devnet, ARB_WASM, inkPriceCall {}), 10_000);
    assert_eq!(ask(&devnet, ARB_WASM, pageLimitCall {}), 256);
    let too_soon = ProgramKeepaliveTooSoon { ageInSeconds: 0 }.abi_encode();
    assert_eq!(reverts(&devnet, ARB_WASM, codehashKeepaliveCall { codehash }).0[..], too_soon);
    let unknown = B256::repeat_byte(3);
    for calldata in [
        codehashKeepaliveCall { codehash: unknown }.abi_encode(),
        codehashAsmSizeCall { codehash: unknown }.abi_encode(),
        programInitGasCall { program: MULTICALL3 }.abi_encode(),
        programMemoryFootprintCall { program: devnet.sender() }.abi_encode(),
        programTimeLeftCall { program: MULTICALL3 }.abi_encode(),
    ] {
        let Err(CallError::Reverted { output, .. }) = devnet.call(ARB_WASM, calldata) else { panic!() };
        assert_eq!(output[..], ProgramNotActivated::SELECTOR[..]);
    }
    // Calldata that is no call, and value for a method that takes none.
    for (calldata, value) in [(vec![], 0), (vec![1, 2, 3, 4], 0), (stylusVersionCall {}.abi_encode(), 1)] {
        let receipt = devnet.send(TxKind::Call(ARB_WASM), calldata, value, GAS);
        assert!(!receipt.success && receipt.gas_used < GAS);
    }
}

#[test]
fn nobody_manages_a_cache() {
    let devnet = Devnet::new();
    assert!(ask(&devnet, ARB_WASM_CACHE, allCacheManagersCall {}).is_empty());
    assert!(!ask(&devnet, ARB_WASM_CACHE, codehashIsCachedCall { codehash: B256::ZERO }));
    let (output, reason) = reverts(&devnet, ARB_WASM_CACHE, cacheProgramCall { addr: STYLUS_DEPLOYER });
    assert!(output.is_empty() && reason.unwrap().contains("no cache managers"));
}

#[test]
fn contracts_of_both_kinds_ask_arb_wasm_but_only_a_plain_call_activates() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let version = stylusVersionCall {}.abi_encode();
    let activate = activateProgramCall { program: script }.abi_encode();
    let word = U256::from(STYLUS_VERSION).to_be_bytes_vec();
    for (opcode, status) in [(evm::CALL, 1), (evm::STATICCALL, 0), (evm::DELEGATECALL, 0), (evm::CALLCODE, 0)]
    {
        let contract = devnet.deploy_evm(&relay(opcode, ARB_WASM));
        assert_eq!(devnet.call(contract, version.clone()).unwrap(), [&[1][..], &word].concat());
        assert_eq!(devnet.call(contract, activate.clone()).unwrap()[0], status, "{opcode:#x}");
    }
    let steps = Script::new()
        .call(ARB_WASM, 0, ALL, &version)
        .call(ARB_WASM, 0, ALL, &activate)
        .static_call(ARB_WASM, ALL, &activate)
        .delegate_call(ARB_WASM, ALL, &activate)
        .call(ARB_WASM, 0, 200, &activate);
    let output = devnet.call(script, steps.0).unwrap();
    let mut output = Output(&output);
    assert_eq!(output.reply(), (0, &word[..]));
    assert_eq!(output.reply(), (0, &[&word[..], &[0; 32]].concat()[..]));
    assert_eq!(output.reply(), (1, &[][..]));
    assert_eq!(output.reply(), (1, &[][..]));
    assert_eq!(output.reply(), (2, &[][..]), "out of gas");
}

#[test]
fn the_deployer_creates_initialises_and_gives_change_back() {
    let devnet = Devnet::new();
    let module = wasm(KEEPER);
    let init_data = |argument: u64| [&hex!("5585258d")[..], &support::word(argument)].concat();
    let deploy = |salt: B256, argument: u64, init_value: u64, value: u64| {
        let call = deployCall {
            bytecode: returns(&stylus_code(&module)).into(),
            initData: init_data(argument).into(),
            initValue: U256::from(init_value),
            salt,
        };
        devnet.send(TxKind::Call(STYLUS_DEPLOYER), call.abi_encode(), value, GAS)
    };
    let address = |receipt: &Receipt| {
        assert!(receipt.success, "{:?}", receipt.failure);
        let [event] = &events::<ContractDeployed>(receipt, STYLUS_DEPLOYER)[..] else { panic!("one event") };
        event.deployedContract
    };
    // Without a salt: CREATE's address, by the deployer's nonce.
    let plain = address(&deploy(B256::ZERO, 42, 5, 9));
    assert_eq!(plain, STYLUS_DEPLOYER.create(1));
    let kept = |contract| devnet.call(contract, []).unwrap();
    assert_eq!(kept(plain), [support::word(42), support::word(5)].concat());
    assert_eq!((devnet.balance(plain), devnet.balance(STYLUS_DEPLOYER)), (U256::from(5), U256::ZERO));
    // With one: an address by salt, constructor arguments and code.
    let salt = B256::repeat_byte(1);
    let salted = address(&deploy(salt, 43, 0, 0));
    let create2_salt = keccak256([salt.as_slice(), &init_data(43)].concat());
    assert_eq!(salted, STYLUS_DEPLOYER.create2_from_code(create2_salt, returns(&stylus_code(&module))));
    assert_eq!(kept(salted), [support::word(43), support::word(0)].concat());
    // A constructor that refuses undoes all, and its data comes back.
    let nonce = devnet.nonce(STYLUS_DEPLOYER);
    for receipt in [deploy(B256::ZERO, 0, 0, 3), deploy(salt, 43, 0, 0), deploy(B256::ZERO, 1, 4, 3)] {
        assert!(!receipt.success && receipt.logs.is_empty());
    }
    assert_eq!((devnet.nonce(STYLUS_DEPLOYER), devnet.balance(STYLUS_DEPLOYER)), (nonce, U256::ZERO));
    let refused = deployCall {
        bytecode: returns(&stylus_code(&module)).into(),
        initData: init_data(0).into(),
        initValue: U256::ZERO,
        salt: B256::ZERO,
    };
    assert_eq!(reverts(&devnet, STYLUS_DEPLOYER, refused).0[..], support::word(0)[..]);
    // No constructor, and no calldata that is a call.
    let bare = deployCall {
        bytecode: returns(&[evm::STOP]).into(),
        initData: Bytes::new(),
        initValue: U256::ZERO,
        salt: B256::ZERO,
    };
    let contract = deployCall::abi_decode_returns(&devnet.call(STYLUS_DEPLOYER, bare.abi_encode()).unwrap());
    assert_eq!(contract.unwrap(), STYLUS_DEPLOYER.create(nonce));
}

#[test]
fn the_deployer_refuses_calldata_that_does_not_fit_itself() {
    let devnet = Devnet::new();
    let good = deployCall {
        bytecode: returns(&[evm::STOP]).into(),
        initData: Bytes::new(),
        initValue: U256::ZERO,
        salt: B256::ZERO,
    }
    .abi_encode();
    assert!(devnet.call(STYLUS_DEPLOYER, good.clone()).is_ok());
    // Offsets and lengths at the edge, past it, and near 2^32 and 2^256.
    let length = u64::try_from(good.len()).unwrap() - 4;
    for word_at in [4, 4 + 32, 4 + 4 * 32] {
        for value in [length - 31, length, u64::from(u32::MAX), u64::from(u32::MAX) - 30, 1 << 32, u64::MAX] {
            let mut calldata = good.clone();
            calldata[word_at..word_at + 32].copy_from_slice(&support::word(value));
            assert!(devnet.call(STYLUS_DEPLOYER, calldata).is_err(), "{value:#x} at {word_at}");
        }
        let mut calldata = good.clone();
        calldata[word_at] = 1;
        assert!(devnet.call(STYLUS_DEPLOYER, calldata).is_err());
    }
    for length in [0, 3, 4, 100, 195] {
        assert!(devnet.call(STYLUS_DEPLOYER, good[..length].to_vec()).is_err());
    }
}

#[test]
fn multicall_batches_calls_of_contracts_of_both_kinds() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let evm = devnet.deploy_evm(&Evm::new().push(7).push(0).op(evm::MSTORE).ret(32).0);
    let call = |target, allow, data: &[u8]| Call3 {
        target,
        allowFailure: allow,
        callData: Bytes::copy_from_slice(data),
    };
    let calls = vec![
        call(script, false, &Script::new().store(1, 2).load(1).0),
        call(evm, false, &[]),
        call(script, true, &Script::new().load(1).revert().0),
        call(ARB_WASM, false, &stylusVersionCall {}.abi_encode()),
    ];
    let results = ask(&devnet, MULTICALL3, aggregate3Call { calls });
    let expected = [(true, 2), (true, 7), (false, 2), (true, u64::from(STYLUS_VERSION))];
    for (result, (success, value)) in results.iter().zip(expected) {
        assert_eq!((result.success, &result.returnData[..]), (success, &support::word(value)[..]));
    }
}

/// What `stylusTracer` has recorded.
const HOST_CALLS: Capture = Capture {
    data: false,
    host_calls: true,
    struct_logs: None,
    wasm_steps: None,
    state: false,
    profile: false,
};

/// Host calls that cargo-stylus does not know, too.
const ALL_CALLS: StylusOptions = StylusOptions { only_stylus: false };

/// Returns the trace of the last transaction that [`Devnet::send`] makes of this.
fn trace(devnet: &Devnet, to: Address, input: impl Into<Bytes>, value: u64) -> Value {
    devnet.send(TxKind::Call(to), input, value, GAS);
    let hash = *devnet.0.head().transactions[0].tx_hash();
    serde_json::from_str(&devnet.0.trace_transaction(hash, &HOST_CALLS).unwrap().to_stylus_json(ALL_CALLS))
        .unwrap()
}

/// Returns names of steps, those inside them in parentheses.
fn names(steps: &Value) -> String {
    let names = steps.as_array().unwrap().iter().map(|step| {
        let inner = step.get("steps").map(|steps| format!("({})", names(steps))).unwrap_or_default();
        format!("{}{inner}", step["name"].as_str().unwrap())
    });
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_trace_shows_host_calls_with_what_stood_behind_their_pointers() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let steps =
        Script::new().cache(1, 2).flush(true).load(1).tstore(3, 4).log(B256::repeat_byte(5)).balance(script);
    let trace = trace(&devnet, script, steps.0.clone(), 6);
    let steps_of: BTreeMap<&str, &Value> =
        trace.as_array().unwrap().iter().map(|step| (step["name"].as_str().unwrap(), step)).collect();
    let hex_word = |value: u64| hex::encode(support::word(value));
    for (name, arguments, results) in [
        ("user_entrypoint", hex::encode(u32::try_from(steps.0.len()).unwrap().to_be_bytes()), String::new()),
        ("read_args", String::new(), hex::encode(&steps.0)),
        ("storage_cache_bytes32", hex_word(1) + &hex_word(2), String::new()),
        ("storage_flush_cache", "01".into(), String::new()),
        ("storage_load_bytes32", hex_word(1), hex_word(2)),
        ("transient_store_bytes32", hex_word(3) + &hex_word(4), String::new()),
        ("emit_log", "00000001".to_owned() + &"05".repeat(32), String::new()),
        ("account_balance", hex::encode(script), hex_word(6)),
        ("write_result", hex_word(2) + &hex_word(6), String::new()),
        ("user_returned", String::new(), "00000000".into()),
    ] {
        let step = steps_of[name];
        assert_eq!(step["args"], format!("0x{arguments}"), "{name}");
        assert_eq!(step["outs"], format!("0x{results}"), "{name}");
        assert!(step.get("address").is_none() && step.get("steps").is_none(), "{name}");
    }
    // Ink goes down from step to step, and each host call takes some.
    let inks: Vec<u64> = trace
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|step| [step["startInk"].as_u64().unwrap(), step["endInk"].as_u64().unwrap()])
        .collect();
    assert!(inks.is_sorted_by(|earlier, later| earlier >= later), "{inks:?}");
    let write = steps_of["storage_flush_cache"];
    let paid = write["startInk"].as_u64().unwrap() - write["endInk"].as_u64().unwrap();
    assert!(paid > 22_100 * 10_000, "{paid}");
}

/// cargo-stylus panics at names that it does not know, and where bytes are left over.
#[test]
fn a_trace_for_cargo_stylus_shows_what_was_printed_and_no_calls_for_debugging() {
    const PRINTS: &str = r#"(module
        (import "console" "log_txt" (func $log_txt (param i32 i32)))
        (import "console" "log_i32" (func $log_i32 (param i32)))
        (import "console" "log_i64" (func $log_i64 (param i64)))
        (import "console" "log_f32" (func $log_f32 (param f32)))
        (import "console" "log_f64" (func $log_f64 (param f64)))
        (import "console" "tee_i32" (func $tee_i32 (param i32) (result i32)))
        (import "console" "tee_i64" (func $tee_i64 (param i64) (result i64)))
        (import "console" "tee_f32" (func $tee_f32 (param f32) (result f32)))
        (import "console" "tee_f64" (func $tee_f64 (param f64) (result f64)))
        (import "debug" "null_host" (func $null_host))
        (import "debug" "start_benchmark" (func $start))
        (import "debug" "end_benchmark" (func $end))
        (memory (export "memory") 1)
        (data (i32.const 8) "hello")
        (func (export "user_entrypoint") (param i32) (result i32)
            (call $log_txt (i32.const 8) (i32.const 5))
            (call $start)
            (call $log_i32 (i32.const -1))
            (call $log_i64 (i64.const 7))
            (call $log_f32 (f32.const 0.5))
            (call $log_f64 (f64.const -0.25))
            (call $null_host)
            (drop (call $tee_i32 (i32.const 1)))
            (drop (call $tee_i64 (i64.const 2)))
            (drop (call $tee_f32 (f32.const 3)))
            (drop (call $tee_f64 (f64.const 4)))
            (call $end)
            (i32.const 0)))"#;
    let devnet = Devnet::new();
    let program = devnet.deploy(PRINTS);
    let all = trace(&devnet, program, vec![], 0);
    let numbers = ["console_log"; 4].join(" ");
    assert_eq!(
        names(&all),
        format!(
            "user_entrypoint console_log_text start_benchmark {numbers} null_host {numbers} end_benchmark user_returned"
        )
    );
    let hash = *devnet.0.head().transactions[0].tx_hash();
    let recording = devnet.0.trace_transaction(hash, &HOST_CALLS).unwrap();
    let known = recording.to_stylus_json(StylusOptions { only_stylus: true });
    let trace: Value = serde_json::from_str(&known).unwrap();
    let rows: Vec<(&str, String)> = trace.as_array().unwrap()[1..]
        .iter()
        .filter(|step| step["name"] != "user_returned")
        .map(|step| {
            assert_eq!(step["outs"], "0x");
            let text = hex::decode(step["args"].as_str().unwrap()).unwrap();
            (step["name"].as_str().unwrap(), String::from_utf8(text).unwrap())
        })
        .collect();
    let numbers = ["-1", "7", "0.5", "-0.25", "1", "2", "3", "4"];
    let expected: Vec<_> = [("console_log_text", "hello".to_owned())]
        .into_iter()
        .chain(numbers.map(|number| ("console_log", number.to_owned())))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn a_trace_nests_calls_through_both_kinds_of_contracts() {
    let devnet = Devnet::new();
    let [outer, inner] = [devnet.deploy(SCRIPT), devnet.deploy(SCRIPT)];
    let proxy = devnet.deploy_evm(&relay(evm::DELEGATECALL, inner));
    let identity = address!("0000000000000000000000000000000000000004");
    let context = Script::new().code_size(inner);
    let steps = Script::new()
        .call(proxy, 0, ALL, &context)
        .static_call(identity, ALL, [1, 2])
        .delegate_call(inner, 9_999, Script::new().spin())
        .create1(0, &envelope(0, &wasm(SCRIPT), &[]))
        .call(inner, 1_000_000_000, ALL, &context)
        .trap();
    let trace = trace(&devnet, outer, steps.0, 0);
    let call = "return_data_size read_return_data";
    assert_eq!(
        names(&trace),
        format!(
            "user_entrypoint read_args \
             call_contract(evm_delegate_call_contract(user_entrypoint read_args account_code_size write_result user_returned)) {call} \
             static_call_contract() {call} \
             delegate_call_contract(user_entrypoint read_args) {call} \
             evm_create1() create1 {call} \
             call_contract() {call}"
        )
    );
    let calls: Vec<&Value> =
        trace.as_array().unwrap().iter().filter(|step| step.get("steps").is_some()).collect();
    let [through_proxy, precompile, starved, creation, too_poor] = calls[..] else { panic!("{calls:?}") };
    assert_eq!(through_proxy["address"], hex::encode_prefixed(proxy));
    assert_eq!(through_proxy["steps"][0]["address"], hex::encode_prefixed(inner));
    assert_eq!(through_proxy["outs"], "0x0000000500");
    let gas = "ffffffffffffffff";
    assert_eq!(precompile["args"], format!("0x{}{gas}0102", hex::encode(identity)));
    assert_eq!(precompile["outs"], "0x0000000200");
    assert_eq!((&starved["outs"], &too_poor["outs"]), (&"0x0000000002".into(), &"0x0000000002".into()));
    assert_eq!(creation["address"], hex::encode_prefixed(outer.create(1)));
    // Of what the child had left over, nothing is missing: the next step starts where the call ended.
    let steps = trace.as_array().unwrap();
    for pair in
        steps.windows(2).filter(|pair| pair[0]["name"] != "evm_create1" && pair[1]["name"] != "evm_create1")
    {
        assert!(pair[0]["endInk"].as_u64() >= pair[1]["startInk"].as_u64(), "{pair:?}");
    }
}

#[test]
fn a_traced_transaction_runs_after_those_before_it_in_its_block_and_changes_nothing() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let number = devnet.0.head().header.number;
    let trace = trace(&devnet, script, Script::new().store(1, 2).0, 0);
    assert!(names(&trace).contains("storage_flush_cache"));
    assert_eq!(devnet.0.head().header.number, number + 1);
    let gas_used = |trace: &Value| {
        let steps = trace.as_array().unwrap();
        steps[0]["startInk"].as_u64().unwrap() - steps.last().unwrap()["endInk"].as_u64().unwrap()
    };
    // On the state before it the slot was empty, and still is for the trace: a write of the same value is cheaper.
    let hash = *devnet.0.head().transactions[0].tx_hash();
    let again: Value = serde_json::from_str(
        &devnet.0.trace_transaction(hash, &HOST_CALLS).unwrap().to_stylus_json(ALL_CALLS),
    )
    .unwrap();
    assert_eq!(trace, again);
    let request =
        TransactionRequest::default().to(script).input(Bytes::from(Script::new().store(1, 2).0).into());
    let call = devnet.0.trace_call(request, BlockId::latest(), None, None, &HOST_CALLS).unwrap();
    let call: Value = serde_json::from_str(&call.to_stylus_json(ALL_CALLS)).unwrap();
    assert!(gas_used(&call) + 19_000 * 10_000 < gas_used(&trace));
    let error = devnet.0.trace_transaction(B256::ZERO, &HOST_CALLS).unwrap_err();
    assert_eq!(error.to_string(), "transaction not found");
}

#[test]
fn a_trace_without_programs_is_empty() {
    let devnet = Devnet::new();
    assert_eq!(trace(&devnet, Address::repeat_byte(8), [], 1), Value::Array(Vec::new()));
    assert_eq!(trace(&devnet, ARB_WASM, stylusVersionCall {}.abi_encode(), 0), Value::Array(Vec::new()));
}

#[test]
fn a_trace_of_the_deepest_calls_is_written_without_recursion() {
    let devnet = Devnet::new();
    let recurse = wasm(include_str!("../../contracts/wat/recurse.wat"));
    let contract = created(&devnet.try_deploy(envelope(0, &recurse, &[])));
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || {
        let request = TransactionRequest::default().to(contract);
        devnet
            .0
            .trace_call(request, BlockId::latest(), None, None, &HOST_CALLS)
            .unwrap()
            .to_stylus_json(ALL_CALLS)
    });
    let json = thread.unwrap().join().unwrap();
    let depth = json.matches("\"user_entrypoint\"").count();
    assert!(depth > 100, "{depth}");
    assert_eq!(json.matches('[').count(), json.matches(']').count());
}
