//! Contracts on a chain in memory: deployment, storage, calls between frames, reverts, gas to the unit.

mod support;

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, hex, keccak256};
use alloy_rpc_types_eth::TransactionRequest;
use lathe_node::chain::{CREATE2_FACTORY, CallError};
use support::{Devnet, GAS, compressed, envelope, returns, wasm, word};

/// Returns its calldata.
const ECHO: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $read_args (i32.const 0))
        (call $write_result (i32.const 0) (local.get $length))
        (i32.const 0)))"#;

/// Stores the first word of calldata in slot 0; reverts with that word if it is zero, traps if there is none.
const STORE: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
    (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (if (i32.eqz (local.get $length)) (then unreachable))
        (call $read_args (i32.const 0))
        (call $cache (i32.const 64) (i32.const 0))
        (call $flush (i32.const 0))
        (call $write_result (i32.const 0) (i32.const 32))
        (i32.eqz (i32.load8_u (i32.const 31)))))"#;

#[test]
fn every_form_of_creation_data_deploys() {
    let devnet = Devnet::new();
    let module = wasm(ECHO);
    let stored = [&hex!("ef4c00")[..], &module].concat();
    let brotli = [&hex!("eff00000")[..], &compressed(&module)].concat();
    let cases = [
        ("envelope", envelope(0, &module, &[]), &stored),
        ("compressed envelope", envelope(1, &compressed(&module), &[]), &brotli),
        ("raw module", module.clone(), &stored),
        ("EVM init code", returns(&brotli), &brotli),
    ];
    for (name, creation, code) in cases {
        let receipt = devnet.try_deploy(creation);
        let contract = receipt.contract_address.unwrap_or_else(|| panic!("{name}: {:?}", receipt.failure));
        assert_eq!(devnet.0.code(contract, BlockId::latest()).unwrap(), Bytes::from(code.clone()), "{name}");
        assert_eq!(devnet.call(contract, *b"ping").unwrap(), Bytes::from_static(b"ping"), "{name}");
    }
}

#[test]
fn code_that_may_not_be_installed_burns_the_frame_and_says_why() {
    let devnet = Devnet::new();
    let module = wasm(ECHO);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (envelope(8, &module, &[]), "flags 0x08"),
        (envelope(0, &module, b"x"), "no constructor"),
        (envelope(1, &module, &[]), "brotli"),
        (envelope(0, b"\0asm", &[]), "invalid module"),
        (returns(b"\0asm\x01\0\0\0"), "`main` is missing"),
        (returns(&module), "is stored behind eff00000 or ef4c00"),
        (returns(&hex!("ef01000000000000000000000000000000000000000000")), "ef0100"),
        (returns(&hex!("ef00")), "reserved"),
        (returns(&vec![0x60; 24_577]), "24577"),
        (returns(&[&hex!("ef4c00")[..], b"\0asm"].concat()), "invalid module"),
    ];
    for (creation, words) in cases {
        let receipt = devnet.try_deploy(creation);
        let failure = receipt.failure.unwrap_or_default();
        assert!(!receipt.success && failure.contains(words), "expected {words:?} in {failure:?}");
        assert_eq!(receipt.gas_used, GAS, "{words}");
    }
}

#[test]
fn a_constructor_runs_once_with_its_arguments_and_value() {
    let devnet = Devnet::new();
    // With the constructor's selector: stores the word after it, and the value. Else: returns slot 0.
    let module = wasm(
        r#"(module
        (import "vm_hooks" "read_args" (func $read_args (param i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
        (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
        (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
        (import "vm_hooks" "msg_value" (func $msg_value (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 288) "\01")
        (func (export "user_entrypoint") (param $length i32) (result i32)
            (if (i32.eq (local.get $length) (i32.const 36)) (then
                (call $read_args (i32.const 0))
                (call $cache (i32.const 128) (i32.const 4))
                (call $msg_value (i32.const 64))
                (call $cache (i32.const 257) (i32.const 64))
                (call $flush (i32.const 0))
                (call $write_result (i32.const 0) (i32.const 4))
                (return (i32.eqz (i32.load8_u (i32.const 35))))))
            (call $load (i32.const 128) (i32.const 0))
            (call $write_result (i32.const 0) (i32.const 32))
            (i32.const 0)))"#,
    );
    let receipt = devnet.send(TxKind::Create, envelope(2, &module, &word(7)), 5, GAS);
    let contract = receipt.contract_address.unwrap_or_else(|| panic!("{:?}", receipt.failure));
    assert_eq!(devnet.slot(contract, 0), U256::from(7));
    assert_eq!(devnet.slot(contract, 1), U256::from(5), "the value comes along");
    assert_eq!(devnet.0.balance(contract, BlockId::latest()).unwrap(), U256::from(5));
    assert_eq!(devnet.call(contract, Bytes::new()).unwrap(), Bytes::from(word(7)));
    let code = devnet.0.code(contract, BlockId::latest()).unwrap();
    assert_eq!(code, Bytes::from([&hex!("ef4c00")[..], &module].concat()), "arguments are not stored");

    // A constructor that reverts fails the creation.
    let receipt = devnet.send(TxKind::Create, envelope(2, &module, &word(0)), 0, GAS);
    assert!(!receipt.success && receipt.contract_address.is_none());
    assert!(receipt.gas_used < GAS, "a revert keeps the gas left");
}

#[test]
fn storage_is_kept_on_success_and_undone_on_revert_and_trap() {
    let devnet = Devnet::new();
    let contract = devnet.deploy(STORE);
    let receipt = devnet.send(TxKind::Call(contract), word(9), 0, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
    assert_eq!(devnet.slot(contract, 0), U256::from(9));
    let root = devnet.0.proof(contract, &[], BlockId::latest()).unwrap().storage_hash;

    let receipt = devnet.send(TxKind::Call(contract), word(0), 0, GAS);
    assert!(!receipt.success && receipt.gas_used < GAS);
    let receipt = devnet.send(TxKind::Call(contract), Bytes::new(), 0, GAS);
    assert!(!receipt.success && receipt.gas_used < GAS, "a trap keeps the gas left");
    let failure = receipt.failure.unwrap();
    assert!(failure.contains("unreachable"), "{failure}");
    assert_eq!(devnet.0.proof(contract, &[], BlockId::latest()).unwrap().storage_hash, root);
}

/// Calls the address in the first 20 bytes of calldata with the rest; returns the status byte and what came back.
const CALLER: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
    (import "vm_hooks" "read_return_data" (func $read_return_data (param i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (local $status i32)
        (call $read_args (i32.const 1024))
        (local.set $status (call $call
            (i32.const 1024) (i32.const 1044) (i32.sub (local.get $length) (i32.const 20))
            (i32.const 0) (i64.const -1) (i32.const 64)))
        (i32.store8 (i32.const 65536) (local.get $status))
        (drop (call $read_return_data (i32.const 65537) (i32.const 0) (i32.load (i32.const 64))))
        (call $write_result (i32.const 65536) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
        (i32.const 0)))"#;

#[test]
fn calls_between_contracts_return_status_and_data() {
    let devnet = Devnet::new();
    let [caller, echo, store] = [CALLER, ECHO, STORE].map(|text| devnet.deploy(text));
    let through = |to: Address, payload: &[u8]| {
        devnet.call(caller, [to.as_slice(), payload].concat()).unwrap().to_vec()
    };
    assert_eq!(through(echo, b"ping"), b"\0ping");
    assert_eq!(through(store, &word(0)), [&[1][..], &word(0)].concat(), "a revert is status 1 with its data");
    assert_eq!(through(store, b""), [1], "a trap is a revert without data");
    assert_eq!(through(Address::repeat_byte(9), b"x"), [0], "an account without code succeeds");
    assert_eq!(through(address!("0000000000000000000000000000000000000004"), b"id"), b"\0id", "a precompile");
    // Through two callers, and through EVM code: the CREATE2 factory deploys an echo.
    assert_eq!(through(caller, &[echo.as_slice(), b"twice"].concat()), b"\0\0twice");
    let creation = envelope(0, &wasm(ECHO), &[]);
    let salted = [&[7; 32][..], &creation].concat();
    let receipt = devnet.send(TxKind::Call(CREATE2_FACTORY), salted.clone(), 0, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
    let created = CREATE2_FACTORY.create2(B256::repeat_byte(7), keccak256(&creation));
    assert_eq!(devnet.call(created, *b"made").unwrap(), Bytes::from_static(b"made"));
    let other = [&[8; 32][..], &creation].concat();
    let made = devnet.call(caller, [CREATE2_FACTORY.as_slice(), &other].concat()).unwrap();
    let address = CREATE2_FACTORY.create2(B256::repeat_byte(8), keccak256(&creation));
    assert_eq!(made.to_vec(), [&[0][..], address.as_slice()].concat());
}

#[test]
fn frames_nest_to_the_evm_s_depth_on_a_small_stack() {
    // Calls itself with the same calldata until a call fails; returns how deep it came.
    const RECURSE: &str = r#"(module
        (import "vm_hooks" "contract_address" (func $me (param i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
        (import "vm_hooks" "read_return_data" (func $read_return_data (param i32 i32 i32) (result i32)))
        (import "vm_hooks" "msg_reentrant" (func $reentrant (result i32)))
        (memory (export "memory") 1)
        (func (export "user_entrypoint") (param $length i32) (result i32)
            (call $me (i32.const 0))
            (if (i32.eqz (call $call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i64.const -1) (i32.const 32)))
                (then (drop (call $read_return_data (i32.const 128) (i32.const 0) (i32.const 8)))))
            (i64.store (i32.const 128) (i64.add (i64.load (i32.const 128)) (i64.const 1)))
            (i32.store (i32.const 136) (call $reentrant))
            (call $write_result (i32.const 128) (i32.const 12))
            (i32.const 0)))"#;
    let run = || {
        let devnet = Devnet::new();
        let contract = devnet.deploy(RECURSE);
        let output = devnet.call(contract, Bytes::new()).unwrap();
        let depth = u64::from_le_bytes(output[..8].try_into().unwrap());
        assert_eq!(output[8], 0, "the outermost frame is no reentry");
        depth
    };
    let deepest = std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
    // 63/64 of 100,000,000 gas lasts for fewer than 1,025 frames.
    assert!((200..=1025).contains(&deepest), "{deepest}");
}

#[test]
fn state_does_not_change_in_a_static_call() {
    // Calls the address in calldata with one word, statically; returns the status.
    const STATIC_CALLER: &str = r#"(module
        (import "vm_hooks" "read_args" (func $read_args (param i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (import "vm_hooks" "static_call_contract" (func $call (param i32 i32 i32 i64 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 131) "\05")
        (func (export "user_entrypoint") (param $length i32) (result i32)
            (call $read_args (i32.const 0))
            (i32.store8 (i32.const 64) (call $call (i32.const 0) (i32.const 100) (i32.const 32) (i64.const -1) (i32.const 72)))
            (call $write_result (i32.const 64) (i32.const 1))
            (i32.const 0)))"#;
    let devnet = Devnet::new();
    let [caller, echo, store] = [STATIC_CALLER, ECHO, STORE].map(|text| devnet.deploy(text));
    assert_eq!(devnet.call(caller, echo.to_vec()).unwrap()[..], [0]);
    assert_eq!(devnet.call(caller, store.to_vec()).unwrap()[..], [1], "a store traps");
}

#[test]
fn a_static_call_stays_static_through_further_calls() {
    // Calls the address at 20 of its calldata with 32 bytes, through the address at 0, statically; returns what the
    // relay returns: the status of the inner call.
    const STATIC_RELAY: &str = r#"(module
        (import "vm_hooks" "read_args" (func $read_args (param i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (import "vm_hooks" "static_call_contract" (func $call (param i32 i32 i32 i64 i32) (result i32)))
        (import "vm_hooks" "read_return_data" (func $read_return_data (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 71) "\05")
        (func (export "user_entrypoint") (param $length i32) (result i32)
            (call $read_args (i32.const 0))
            (drop (call $call (i32.const 0) (i32.const 20) (i32.const 52) (i64.const -1) (i32.const 128)))
            (call $write_result (i32.const 256)
                (call $read_return_data (i32.const 256) (i32.const 0) (i32.const 64)))
            (i32.const 0)))"#;
    let devnet = Devnet::new();
    let [outer, relay, store] = [STATIC_RELAY, CALLER, STORE].map(|text| devnet.deploy(text));
    let calldata = [relay.as_slice(), store.as_slice()].concat();
    assert_eq!(devnet.call(outer, calldata).unwrap()[..], [1]);
    let word = [store.as_slice(), &word(5)].concat();
    assert_eq!(devnet.call(relay, word).unwrap()[0], 0, "without the ban it stores");
}

#[test]
fn a_value_moves_with_a_call_and_back_with_a_revert() {
    let devnet = Devnet::new();
    let [echo, store] = [ECHO, STORE].map(|text| devnet.deploy(text));
    devnet.send(TxKind::Call(echo), Bytes::new(), 3, GAS);
    assert_eq!(devnet.0.balance(echo, BlockId::latest()).unwrap(), U256::from(3));
    devnet.send(TxKind::Call(store), Bytes::new(), 3, GAS);
    assert_eq!(devnet.0.balance(store, BlockId::latest()).unwrap(), U256::ZERO);
}

#[test]
fn equal_transactions_use_equal_gas_on_a_cold_and_a_warm_cache() {
    let run = || {
        let devnet = Devnet::new();
        let store = devnet.deploy(STORE);
        [1u64, 2, 3].map(|value| devnet.send(TxKind::Call(store), word(value), 0, GAS).gas_used)
    };
    let [first, second, third] = run();
    assert_eq!([first, second, third], run());
    // Setting a slot costs 17,100 more than changing it (EIP-2929: 22,100 and 5,000).
    assert_eq!(first - second, 17_100);
    assert_eq!(second, third);
}

#[test]
fn out_of_gas_burns_the_frame() {
    let devnet = Devnet::new();
    let spin = devnet.deploy(
        r#"(module (memory (export "memory") 1)
            (func (export "user_entrypoint") (param i32) (result i32) (loop (br 0)) (i32.const 0)))"#,
    );
    let receipt = devnet.send(TxKind::Call(spin), Bytes::new(), 0, 1_000_000);
    assert!(!receipt.success);
    assert_eq!(receipt.gas_used, 1_000_000);
    assert!(receipt.failure.unwrap().contains("out of gas"));
    let request = TransactionRequest { gas: Some(1_000_000), ..TransactionRequest::default().to(spin) };
    let error = devnet.0.call(request, BlockId::latest(), None, None).unwrap_err();
    assert!(matches!(&error, CallError::Halted { words, .. } if words == "out of gas"), "{error}");
}

#[test]
fn an_estimate_is_the_least_that_works() {
    let devnet = Devnet::new();
    let [caller, store] = [CALLER, STORE].map(|text| devnet.deploy(text));
    let requests = [
        (TxKind::Call(Address::repeat_byte(5)), Bytes::new()),
        (TxKind::Call(store), Bytes::from(word(8))),
        (TxKind::Call(caller), Bytes::from([store.as_slice(), &word(8)].concat())),
        (TxKind::Create, Bytes::from(envelope(0, &wasm(ECHO), &[]))),
    ];
    for (to, input) in requests {
        let request = TransactionRequest {
            from: Some(devnet.sender()),
            to: Some(to),
            input: input.clone().into(),
            ..Default::default()
        };
        let estimate = devnet.0.estimate_gas(request.clone(), BlockId::latest(), None).unwrap();
        let outcome = |gas| {
            let request = TransactionRequest { gas: Some(gas), ..request.clone() };
            devnet.0.call(request, BlockId::latest(), None, None).map(|outcome| outcome.output)
        };
        let with_all_gas = outcome(GAS);
        assert!(with_all_gas.is_ok(), "{to:?}");
        assert_eq!(outcome(estimate), with_all_gas, "{to:?}: {estimate}");
        // The caller goes on when its callee runs out of gas, and says so.
        assert_ne!(outcome(estimate - 1), with_all_gas, "{to:?}: {estimate}");
    }
}

#[test]
fn reserved_code_cannot_be_called() {
    let devnet = Devnet::new();
    let target = Address::repeat_byte(0x77);
    let cases = [
        (&b"\0asm\x01\0\0\0"[..], "`main` is missing"),
        (&hex!("ef4d00"), "cannot be called"),
        (&hex!("ef"), "cannot be called"),
    ];
    for (code, why) in cases {
        let overrides = [(
            target,
            alloy_rpc_types_eth::state::AccountOverride {
                code: Some(code.to_vec().into()),
                ..Default::default()
            },
        )];
        let request = TransactionRequest::default().to(target);
        let error = devnet
            .0
            .call(request, BlockId::latest(), Some(overrides.into_iter().collect()), None)
            .unwrap_err();
        assert!(matches!(&error, CallError::Halted { .. } if error.to_string().contains(why)), "{error}");
    }
}
