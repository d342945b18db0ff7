//! The border between programs and EVM code: what one side does, the other side sees, undoes and pays as if there were
//! no border.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use lathe_node::{
    chain::{CREATE2_FACTORY, Chain, ChainOptions, ChainSpec, Home},
    runtime::{ARB_WASM, STYLUS_VERSION},
};
use support::{
    Devnet, GAS, created, envelope,
    evm::{self, Evm, relay},
    returns, salt,
    script::{ALL, Output, SCRIPT, Script},
    wasm, word,
};

const MUL: u8 = 0x02;
const SHR: u8 = 0x1C;
const CALLDATALOAD: u8 = 0x35;
const LOG1: u8 = 0xA1;

/// A chain whose gas lasts for 1,025 frames, each of which passes on 63/64 of it.
fn deep_devnet() -> Devnet {
    let options = ChainOptions {
        spec: ChainSpec { gas_limit: 1 << 50, ..ChainSpec::default() },
        home: Home::Memory,
        keep: Default::default(),
        mnemonic: "test test test test test test test test test test test junk".into(),
        account_count: 1,
        balance: U256::MAX >> 8,
    };
    Devnet(Chain::open(options).unwrap())
}

/// Calls the first address of its calldata with the rest; returns one more than that returned, or one if it failed.
const NEXT: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
    (import "vm_hooks" "read_return_data" (func $read_return_data (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (local $count i32)
        (call $read_args (i32.const 128))
        (if (i32.eqz (call $call (i32.const 128) (i32.const 148) (i32.sub (local.get $length) (i32.const 20))
                (i32.const 64) (i64.const -1) (i32.const 0)))
            (then (drop (call $read_return_data (i32.const 32) (i32.const 0) (i32.const 32)))))
        (local.set $count (i32.add (i32.const 1)
            (i32.or (i32.shl (i32.load8_u (i32.const 62)) (i32.const 8)) (i32.load8_u (i32.const 63)))))
        (i32.store8 (i32.const 62) (i32.shr_u (local.get $count) (i32.const 8)))
        (i32.store8 (i32.const 63) (local.get $count))
        (call $write_result (i32.const 32) (i32.const 32))
        (i32.const 0)))"#;

/// The same in EVM code.
fn next() -> Vec<u8> {
    /// Memory behind the longest calldata.
    const COUNT: u64 = 0x8000;
    let rest = |code: Evm| code.push(20).op(evm::CALLDATASIZE).op(evm::SUB);
    let code = rest(Evm::new()).push(20).push(0).op(evm::CALLDATACOPY);
    let code = rest(code.push(32).push(COUNT)).push(0).push(0);
    let code = code.push(0).op(CALLDATALOAD).push(96).op(SHR).op(evm::GAS).op(evm::CALL);
    let code = code.push(COUNT).op(evm::MLOAD).op(MUL).push(1).op(evm::ADD).push(0).op(evm::MSTORE);
    code.ret(32).0
}

#[test]
fn frames_of_both_kinds_nest_to_the_evm_s_depth_in_any_mix_on_a_small_stack() {
    let nest = || {
        let devnet = deep_devnet();
        let kinds = [devnet.deploy(NEXT), devnet.deploy_evm(&next())];
        let nobody = Address::repeat_byte(0x99);
        let mut seed = 0x9E37_79B9_u32;
        let mut random = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed as usize >> 16
        };
        type Mix = Box<dyn FnMut(usize) -> usize>;
        let mixes: [(&str, Mix); 6] = [
            ("programs", Box::new(|_| 0)),
            ("EVM code", Box::new(|_| 1)),
            ("in turn", Box::new(|index| index % 2)),
            ("in pairs", Box::new(|index| index / 2 % 2)),
            ("halves", Box::new(|index| index / 512 % 2)),
            ("random", Box::new(move |_| random() % 2)),
        ];
        for (name, mut mix) in mixes {
            // One frame more than there may be: a call at depth 1,024 fails, and its caller goes on.
            for (frames, counted) in [(1_025, 1_025), (1_026, 1_025)] {
                let chain: Vec<Address> = (0..frames).map(|index| kinds[mix(index)]).collect();
                let calldata: Vec<u8> =
                    chain[1..].iter().chain([&nobody]).flat_map(|address| address.0).collect();
                let output = devnet.call(chain[0], calldata).unwrap();
                assert_eq!(output[..], word(counted), "{name}, {frames} frames");
            }
        }
    };
    std::thread::Builder::new().stack_size(512 * 1024).spawn(nest).unwrap().join().unwrap();
}

/// EVM code that returns what an instruction of one operand yields.
fn yields(opcode: u8, operand: u64) -> Vec<u8> {
    Evm::new().run(opcode, &[operand]).push(0).op(evm::MSTORE).ret(32).0
}

#[test]
fn storage_and_transient_storage_of_an_account_are_one_for_both_kinds_of_code() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let [sload, tload] = [evm::SLOAD, evm::TLOAD].map(|opcode| devnet.deploy_evm(&yields(opcode, 1)));
    let [sstore, tstore] =
        [evm::SSTORE, evm::TSTORE].map(|opcode| devnet.deploy_evm(&Evm::new().run(opcode, &[2, 22]).0));
    let steps = Script::new()
        .store(1, 11)
        .delegate_call(sload, ALL, b"")
        .tstore(1, 111)
        .delegate_call(tload, ALL, b"")
        .delegate_call(sstore, ALL, b"")
        .load(2)
        .delegate_call(tstore, ALL, b"")
        .tload(2)
        // In the other accounts nothing was written.
        .call(sload, 0, ALL, b"")
        .call(tload, 0, ALL, b"");
    let output = devnet.call(script, steps.0.clone()).unwrap();
    let mut output = Output(&output);
    assert_eq!(output.reply(), (0, &word(11)[..]));
    assert_eq!(output.reply(), (0, &word(111)[..]));
    assert_eq!((output.reply().0, output.word()), (0, U256::from(22)));
    assert_eq!((output.reply().0, output.word()), (0, U256::from(22)));
    assert_eq!(output.reply(), (0, &word(0)[..]));
    assert_eq!(output.reply(), (0, &word(0)[..]));
    // A program in an account of EVM code, which delegates to it.
    let proxy = devnet.deploy_evm(&relay(evm::DELEGATECALL, script));
    let receipt = devnet.send(TxKind::Call(proxy), steps.0, 0, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
    assert_eq!((devnet.slot(proxy, 1), devnet.slot(proxy, 2)), (U256::from(11), U256::from(22)));
    assert_eq!((devnet.slot(script, 1), devnet.slot(script, 2)), (U256::ZERO, U256::ZERO));
    // Transient storage ends with the transaction.
    let output = devnet.call(script, Script::new().tload(1).tload(2).0).unwrap();
    assert!(output.iter().all(|byte| *byte == 0));
}

/// EVM code that returns the gas that `code`, which leaves one value, uses.
fn measures(code: Evm) -> Vec<u8> {
    let measured =
        Evm([vec![evm::GAS], code.0].concat()).op(evm::POP).op(evm::GAS).op(evm::SWAP1).op(evm::SUB);
    measured.push(0).op(evm::MSTORE).ret(32).0
}

#[test]
fn what_one_kind_of_code_warms_is_warm_for_the_other() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let somebody = Address::repeat_byte(0x77);
    let balance = devnet.deploy_evm(&measures(Evm::new().address(somebody).op(evm::BALANCE)));
    let sload = devnet.deploy_evm(&measures(Evm::new().run(evm::SLOAD, &[5])));
    let delegate = |steps: Script, to| steps.delegate_call(to, ALL, b"");
    let gas_of = |steps: Script| {
        let output = devnet.call(script, steps.0).unwrap();
        U256::from_be_slice(&output[output.len() - 32..]).to::<u64>()
    };
    // GAS and the operand's push are measured, too.
    let [account_cold, slot_cold] = [balance, sload].map(|to| gas_of(delegate(Script::new(), to)));
    let account_warm = gas_of(delegate(Script::new().balance(somebody), balance));
    let slot_warm = gas_of(delegate(Script::new().load(5), sload));
    assert_eq!((account_cold - account_warm, slot_cold - slot_warm), (2_500, 2_000));
    // The other way round: the program's ink tells.
    let ink_of = |steps: Script, last: fn(Script, Address) -> Script| {
        let output = devnet.call(script, last(steps.ink(), somebody).ink().0).unwrap();
        let tail = &output[output.len() - (8 + 32 + 8)..];
        let [before, after] =
            [&tail[..8], &tail[40..]].map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        before - after
    };
    let ask_balance = |steps: Script, of| steps.balance(of);
    let load = |steps: Script, _: Address| steps.load(5);
    let cold = ink_of(Script::new(), ask_balance);
    assert_eq!(cold - ink_of(delegate(Script::new(), balance), ask_balance), 2_500 * 10_000);
    let cold = ink_of(Script::new(), load);
    assert_eq!(cold - ink_of(delegate(Script::new(), sload), load), 2_000 * 10_000);
}

#[test]
fn logs_stand_in_the_order_of_both_kinds_and_go_with_what_is_undone() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let logs = |topic: u64| Evm::new().run(LOG1, &[0, 0, topic]);
    let evm = devnet.deploy_evm(&logs(2).0);
    // Calls the script, then logs, then reverts: both logs go.
    let undone = Evm(relay_then(evm::CALL, script)).run(LOG1, &[0, 0, 9]).run(0xFD, &[0, 0]);
    let undone = devnet.deploy_evm(&undone.0);
    let topic = |value: u64| B256::from(word(value));
    let steps = Script::new()
        .log(topic(1))
        .call(evm, 0, ALL, b"")
        .call(undone, 0, ALL, Script::new().log(topic(8)))
        .delegate_call(evm, ALL, b"")
        .log(topic(3));
    let receipt = devnet.send(TxKind::Call(script), steps.0, 0, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
    let seen: Vec<_> = receipt.logs.iter().map(|log| (log.address, log.topics()[0])).collect();
    assert_eq!(seen, [(script, topic(1)), (evm, topic(2)), (script, topic(2)), (script, topic(3))],);
}

/// EVM code that passes its calldata on, and goes on.
fn relay_then(opcode: u8, to: Address) -> Vec<u8> {
    let code = Evm::new().op(evm::CALLDATASIZE).push(0).push(0).op(evm::CALLDATACOPY);
    let code = code.push(0).push(0).op(evm::CALLDATASIZE).push(0).push(0);
    code.address(to).op(evm::GAS).op(opcode).op(evm::POP).0
}

#[test]
fn nothing_changes_below_a_static_call_across_the_border() {
    let devnet = Devnet::new();
    let [script, inner] = [devnet.deploy(SCRIPT), devnet.deploy(SCRIPT)];
    devnet.send(TxKind::Call(inner), [], 9, GAS);
    // EVM code below a program's static call.
    for (name, code) in [
        ("SSTORE", Evm::new().run(evm::SSTORE, &[1, 1])),
        ("TSTORE", Evm::new().run(evm::TSTORE, &[1, 1])),
        ("LOG0", Evm::new().run(evm::LOG0, &[0, 0])),
        ("CREATE", Evm::new().run(evm::CREATE, &[0, 0, 0])),
        ("CREATE2", Evm::new().run(evm::CREATE2, &[0, 0, 0, 0])),
        ("SELFDESTRUCT", Evm::new().run(evm::SELFDESTRUCT, &[1])),
        ("CALL with value", Evm::new().run(evm::CALL, &[50_000, 1, 1, 0, 0, 0, 0])),
    ] {
        let contract = devnet.deploy_evm(&code.0);
        let through = devnet.deploy_evm(&relay(evm::CALL, contract));
        let steps = Script::new()
            .static_call(contract, 100_000, b"")
            // Static stays static through frames that do not ask for it, of either kind.
            .static_call(through, 200_000, b"")
            .static_call(inner, 300_000, Script::new().call(contract, 0, 100_000, b""))
            .static_call(inner, 300_000, Script::new().delegate_call(contract, 100_000, b""));
        let output = devnet.call(script, steps.0).unwrap();
        let mut output = Output(&output);
        assert_eq!(output.reply(), (2, &[][..]), "{name}");
        assert_eq!(output.reply(), (0, &[0][..]), "{name}");
        for _ in 0..2 {
            let (status, reply) = output.reply();
            assert_eq!((status, Output(reply).reply()), (0, (2, &[][..])), "{name}");
        }
    }
    // A program below EVM code's static call.
    let through = devnet.deploy_evm(&relay(evm::STATICCALL, inner));
    let twice = devnet.deploy_evm(&relay(evm::CALL, through));
    let module = envelope(0, &wasm(NEXT), &[]);
    for (name, steps) in [
        ("storage", Script::new().store(1, 1)),
        ("transient storage", Script::new().tstore(1, 1)),
        ("log", Script::new().log(B256::ZERO)),
        ("create1", Script::new().create1(0, &module)),
        ("create2", Script::new().create2(0, salt(1), &module)),
        ("value", Script::new().call(script, 1, 50_000, b"")),
    ] {
        assert_eq!(devnet.call(through, steps.0.clone()).unwrap()[..], [0], "{name}");
        assert_eq!(devnet.call(twice, steps.0.clone()).unwrap()[..], [1, 0], "{name}");
        assert!(devnet.call(inner, steps.0).is_ok(), "{name} is allowed otherwise");
    }
}

#[test]
fn a_failed_frame_of_one_kind_undoes_what_it_had_done_by_the_other() {
    let devnet = Devnet::new();
    let [script, inner] = [devnet.deploy(SCRIPT), devnet.deploy(SCRIPT)];
    devnet.send(TxKind::Call(script), [], 9, GAS);
    let ends: [(&str, Vec<u8>); 3] = [
        ("revert", Evm::new().run(0xFD, &[0, 0]).0),
        ("halt", vec![0xFE]),
        ("no gas", Evm::new().op(0x5B).push(0).op(0x56).0),
    ];
    for (name, end) in ends {
        // EVM code calls the program, which stores, sends and creates; then the EVM code fails.
        let code = devnet.deploy_evm(&[relay_then(evm::CALL, inner), end].concat());
        let work = Script::new().store(1, 1).tstore(2, 2).create1(0, &envelope(0, &wasm(NEXT), &[]));
        let nonce = devnet.nonce(inner);
        let steps =
            Script::new().call(code, 0, 5_000_000, &work).call(inner, 0, ALL, Script::new().load(1).tload(2));
        let receipt = devnet.send(TxKind::Call(script), steps.0.clone(), 0, GAS);
        assert!(receipt.success, "{name}: {:?}", receipt.failure);
        assert_eq!((devnet.slot(inner, 1), devnet.nonce(inner)), (U256::ZERO, nonce), "{name}");
        let output = devnet.call(script, steps.0).unwrap();
        let mut output = Output(&output);
        assert_ne!(output.reply().0, 0, "{name}");
        assert_eq!(output.reply(), (0, &[0; 64][..]), "{name}");
    }
    // The program calls EVM code that stores; then the program fails.
    let sstore = devnet.deploy_evm(&Evm::new().run(evm::SSTORE, &[1, 1]).0);
    let through = devnet.deploy_evm(&relay(evm::CALL, script));
    for end in [Script::revert, Script::trap] {
        let steps = end(Script::new().call(sstore, 9, ALL, b""));
        let receipt = devnet.send(TxKind::Call(through), steps.0, 0, GAS);
        assert!(receipt.success, "{:?}", receipt.failure);
        assert_eq!((devnet.slot(sstore, 1), devnet.balance(sstore)), (U256::ZERO, U256::ZERO));
    }
}

#[test]
fn refunds_of_one_kind_of_code_are_the_transaction_s() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let clears = devnet.deploy_evm(&Evm::new().run(evm::SSTORE, &[1, 0]).0);
    let keeps = devnet.deploy_evm(&Evm::new().run(evm::SSTORE, &[1, 7]).0);
    let used = |library: Address, fails: bool| {
        devnet.send(TxKind::Call(script), Script::new().store(1, 7).0, 0, GAS);
        let call = Script::new().delegate_call(library, ALL, b"");
        let call = if fails { call.revert() } else { call };
        let through = Script::new().delegate_call(script, ALL, &call);
        let receipt = devnet.send(TxKind::Call(script), through.0, 0, GAS);
        assert!(receipt.success, "{:?}", receipt.failure);
        receipt.gas_used
    };
    // Clearing costs 2,900 instead of 100 (EIP-2929: the slot is cold either way) and gives back 4,800 (EIP-3529).
    assert_eq!(used(keeps, false) + 2_800 - 4_800, used(clears, false));
    // What is undone gives nothing back.
    assert_eq!(used(keeps, true) + 2_800, used(clears, true));
}

#[test]
fn a_program_that_evm_code_creates_and_destroys_in_one_transaction_is_gone() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let heir = Address::repeat_byte(0x61);
    let destroy = devnet.deploy_evm(&Evm::new().address(heir).op(evm::SELFDESTRUCT).0);
    let creation = envelope(0, &wasm(SCRIPT), &[]);
    let child = script.create2(salt(4), keccak256(&creation));
    let steps = Script::new().create2(0, salt(4), &creation);
    let doomed = steps.clone().call(child, 0, ALL, Script::new().delegate_call(destroy, ALL, b""));
    let receipt = devnet.send(TxKind::Call(script), doomed.0, 0, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
    assert!(devnet.code(child).is_empty(), "destroyed in the transaction that created it (EIP-6780)");
    // The address is free again; a later transaction does not destroy it.
    assert!(devnet.send(TxKind::Call(script), steps.0, 0, GAS).success);
    let destroyed =
        devnet.send(TxKind::Call(child), Script::new().delegate_call(destroy, ALL, b"").0, 0, GAS);
    assert!(destroyed.success && !devnet.code(child).is_empty());
}

#[test]
fn evm_code_creates_programs_as_it_creates_evm_contracts() {
    let devnet = Devnet::new();
    let module = wasm(SCRIPT);
    for (name, creation) in [
        ("envelope", envelope(0, &module, &[])),
        ("module", module.clone()),
        ("prelude", returns(&[&[0xEF, 0x4C, 0x00][..], &module].concat())),
    ] {
        let receipt =
            devnet.send(TxKind::Call(CREATE2_FACTORY), [salt(1).as_slice(), &creation].concat(), 0, GAS);
        assert!(receipt.success, "{name}: {:?}", receipt.failure);
        let program = CREATE2_FACTORY.create2(salt(1), keccak256(&creation));
        let output = devnet.call(program, Script::new().ink().0).unwrap();
        assert_eq!(output.len(), 8, "{name}");
        let hash = keccak256(devnet.code(program));
        let record = devnet.0.storage(ARB_WASM, hash.into(), alloy_eips::BlockId::latest()).unwrap();
        assert_eq!(record, U256::from(STYLUS_VERSION), "{name}");
    }
    // A refused module is a creation that failed: address zero, gas burned, the factory reverts.
    let refused = [salt(2).as_slice(), &envelope(0, b"\0asm\x01\0\0\0", &[])].concat();
    assert!(!devnet.send(TxKind::Call(CREATE2_FACTORY), refused, 0, GAS).success);
    let creator = created(&devnet.try_deploy(returns(&[evm::STOP])));
    assert_eq!(devnet.nonce(creator), 1);
}

#[test]
fn precompiled_contracts_answer_both_kinds_alike() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let pairing_of_nothing = Bytes::new();
    let point = [word(1), word(2), word(1), word(2)].concat();
    for (number, input) in [
        (1, vec![7; 128]),
        (2, b"sha256".to_vec()),
        (3, b"ripemd".to_vec()),
        (4, b"identity".to_vec()),
        (5, [word(1), word(1), word(1), [3; 32], [5; 32], [7; 32]].concat()[..99].to_vec()),
        (6, point),
        (8, pairing_of_nothing.to_vec()),
        (9, vec![1]),
    ] {
        let precompile = Address::with_last_byte(number);
        let contract = devnet.deploy_evm(&relay(evm::CALL, precompile));
        let from_evm = devnet.call(contract, input.clone()).unwrap();
        let output = devnet.call(script, Script::new().call(precompile, 0, 1_000_000, &input).0).unwrap();
        let (status, from_program) = Output(&output).reply();
        assert_eq!((u8::from(status == 0), from_program), (from_evm[0], &from_evm[1..]), "{number}");
    }
}
