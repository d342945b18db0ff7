//! Frames that call each other: what is passed, what fails, what is undone.

mod support;

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, b256, hex, keccak256};
use lathe_node::chain::CREATE2_FACTORY;
use support::{
    Devnet, GAS, created, envelope,
    evm::{self, Evm, relay},
    returns, salt,
    script::{ALL, Output, SCRIPT, Script},
    wasm, word,
};

/// Runs a script in a transaction, so that its effects stay; panics where it fails.
fn run(devnet: &Devnet, contract: Address, script: &Script) {
    let receipt = devnet.send(TxKind::Call(contract), script.0.clone(), 0, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
}

/// Gas that [`Script::ink`] saw, rounded down.
fn gas(output: &mut Output<'_>) -> u64 {
    output.u64() / 10_000
}

#[test]
fn a_call_with_more_value_than_there_is_fails_and_keeps_its_gas() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let nobody = Address::repeat_byte(0x99);
    let steps = Script::new().ink().call(nobody, 7, ALL, b"").ink().create1(7, b"").balance(nobody);
    let output = devnet.call(script, steps.0).unwrap();
    let mut output = Output(&output);
    let before = gas(&mut output);
    assert_eq!(output.reply(), (2, &[][..]));
    // Cold account 2,600, transfer 9,000 and new account 25,000, but the stipend comes back.
    let cost = before - gas(&mut output);
    assert!((2_600 + 9_000 + 25_000 - 2_300..34_400).contains(&cost), "{cost}");
    assert_eq!(output.creation(), (Address::ZERO, &[][..]));
    assert_eq!(output.word(), U256::ZERO);
    assert_eq!(devnet.nonce(script), 1);
}

#[test]
fn each_way_to_end_has_its_status_and_data() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let invalid = devnet.deploy_evm(&[0xFE]);
    let reverts = devnet.deploy_evm(&hex!("60aa60005360016000fd"));
    let blake = address!("0000000000000000000000000000000000000009");
    let identity = address!("0000000000000000000000000000000000000004");
    let limit = 200_000;
    type Row = (&'static str, Address, Vec<u8>, (u8, Vec<u8>));
    let cases: Vec<Row> = vec![
        ("success", script, Script::new().load(1).0, (0, word(0).to_vec())),
        ("revert", script, Script::new().load(1).revert().0, (1, word(0).to_vec())),
        ("trap", script, Script::new().load(1).trap().0, (1, vec![])),
        ("out of gas", script, Script::new().load(1).spin().0, (2, vec![])),
        ("EVM halt", invalid, vec![], (2, vec![])),
        ("EVM revert", reverts, vec![], (1, vec![0xAA])),
        ("precompile", identity, vec![5; 40], (0, vec![5; 40])),
        ("precompile that fails", blake, vec![1], (2, vec![])),
        ("no code", Address::repeat_byte(0x44), vec![1], (0, vec![])),
    ];
    // The return data of an earlier call never shows.
    let noise = |steps: Script| steps.call(identity, 0, ALL, [9; 100]);
    for (name, to, data, expected) in cases {
        for kind in 0..3 {
            let steps = noise(Script::new());
            let steps = match kind {
                0 => steps.call(to, 0, limit, &data),
                1 => steps.delegate_call(to, limit, &data),
                _ => steps.static_call(to, limit, &data),
            };
            let output = devnet.call(script, steps.0).unwrap();
            let mut output = Output(&output);
            assert_eq!(output.reply(), (0, &[9; 100][..]));
            let (status, returned) = output.reply();
            assert_eq!((status, returned.to_vec()), expected, "{name}, kind {kind}");
        }
    }
}

#[test]
fn a_delegate_call_keeps_sender_value_account_and_storage() {
    let devnet = Devnet::new();
    let [outer, library] = [devnet.deploy(SCRIPT), devnet.deploy(SCRIPT)];
    let inner = Script::new().store(1, 5).context();
    let steps =
        Script::new().delegate_call(library, ALL, &inner).call(library, 1, ALL, Script::new().context());
    let receipt = devnet.send(TxKind::Call(outer), steps.0.clone(), 3, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
    assert_eq!((devnet.slot(outer, 1), devnet.slot(library, 1)), (U256::from(5), U256::ZERO));
    assert_eq!((devnet.balance(outer), devnet.balance(library)), (U256::from(2), U256::from(1)));
    let output = devnet.call(outer, steps.0).unwrap();
    let mut output = Output(&output);
    let (status, context) = output.reply();
    assert_eq!(status, 0);
    let mut context = Output(context);
    assert_eq!(context.address(), Address::ZERO, "the sender of the outer call");
    assert_eq!((context.word(), context.address()), (U256::ZERO, outer));
    let mut context = Output(output.reply().1);
    assert_eq!((context.address(), context.word(), context.address()), (outer, U256::from(1), library));
}

/// `msg_reentrant` is what stylus-sdk refuses calls by. A library that a contract delegates to runs in the same
/// account, but the account was entered once.
#[test]
fn only_a_second_entry_into_an_account_is_a_reentry() {
    let devnet = Devnet::new();
    let [a, b] = [devnet.deploy(SCRIPT), devnet.deploy(SCRIPT)];
    let proxy = devnet.deploy_evm(&relay(evm::DELEGATECALL, a));
    let context = Script::new().context();
    let reentrant = |contract: Address, steps: Script| {
        let output = devnet.call(contract, steps.0).unwrap();
        *output.last().unwrap() == 1
    };
    assert!(!reentrant(a, context.clone()));
    assert!(!reentrant(a, Script::new().call(b, 0, ALL, &context)), "b is another account");
    assert!(reentrant(a, Script::new().call(a, 0, ALL, &context)), "a calls itself");
    assert!(reentrant(a, Script::new().static_call(a, ALL, &context)), "a calls itself statically");
    assert!(!reentrant(a, Script::new().delegate_call(b, ALL, &context)), "b's code in a's account");
    assert!(!reentrant(a, Script::new().delegate_call(a, ALL, &context)), "a's code in a's account");
    let back = Script::new().call(a, 0, ALL, &context);
    assert!(reentrant(a, Script::new().call(b, 0, ALL, &back)), "back through b");
    assert!(reentrant(a, Script::new().delegate_call(b, ALL, &back)), "back from a library");
    let in_library = Script::new().delegate_call(b, ALL, &context);
    assert!(reentrant(a, Script::new().call(a, 0, ALL, &in_library)), "the library sees the second entry");
    // An EVM proxy is an account like any other: its program is entered with it.
    assert!(!reentrant(proxy, context.clone()));
    assert!(reentrant(proxy, Script::new().call(proxy, 0, ALL, &context)), "back into the proxy");
    assert!(!reentrant(proxy, Script::new().call(b, 0, ALL, &context)));
}

/// The proxy's first frame runs EVM code only; the second one delegates.
#[test]
fn an_entry_by_evm_code_counts_for_reentrancy() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    // With calldata: delegates to the script. Without: calls itself with the step `context`.
    let delegating = relay(evm::DELEGATECALL, script);
    let mut code = hex!("36 60 00 57").to_vec();
    code.extend(
        Evm::new()
            .run(evm::MSTORE8, &[0, 18])
            .push(64)
            .push(0)
            .push(1)
            .push(0)
            .push(0)
            .op(0x30)
            .op(evm::GAS)
            .op(evm::CALL)
            .op(evm::POP)
            .op(evm::RETURNDATASIZE)
            .push(0)
            .push(0)
            .op(evm::RETURNDATACOPY)
            .op(evm::RETURNDATASIZE)
            .push(0)
            .op(evm::RETURN)
            .0,
    );
    code[2] = u8::try_from(code.len()).unwrap();
    code.push(0x5B);
    code.extend(delegating);
    let proxy = devnet.deploy_evm(&code);
    let output = devnet.call(proxy, Bytes::new()).unwrap();
    let mut output = Output(&output);
    assert_eq!(output.bytes(1), [1], "the delegate call of the inner frame succeeds");
    assert_eq!((output.address(), output.word(), output.address()), (proxy, U256::ZERO, proxy));
    assert_eq!(output.bytes(1), [1]);
}

#[test]
fn a_failed_frame_undoes_everything_inside_it() {
    let devnet = Devnet::new();
    let [a, b, c] = [(); 3].map(|()| devnet.deploy(SCRIPT));
    devnet.send(TxKind::Call(a), Bytes::new(), 10, GAS);
    let evm_code = returns(&[0]);
    let deepest =
        Script::new().store(2, 2).log(salt(2)).tstore(2, 2).create1(1, &evm_code).call(c, 1, ALL, b"");
    type End = fn(Script) -> Script;
    let ends: [(End, u8); 3] = [(Script::revert, 1), (Script::trap, 1), (Script::spin, 2)];
    for (end, status) in ends {
        // a calls b with 5, b calls a (which succeeds in everything), then b fails.
        let middle = end(Script::new().store(1, 1).log(salt(1)).tstore(1, 1).call(a, 0, ALL, &deepest));
        let steps = Script::new()
            .store(0, 9)
            .log(salt(9))
            .call(b, 5, 5_000_000, &middle)
            .tload(2)
            .load(2)
            .store(0, 0);
        let nonce = devnet.nonce(a);
        let receipt = devnet.send(TxKind::Call(a), steps.0.clone(), 0, GAS);
        assert!(receipt.success, "{:?}", receipt.failure);
        assert_eq!(receipt.logs.len(), 1);
        assert_eq!(receipt.logs[0].topics(), [salt(9)]);
        assert_eq!([devnet.slot(a, 0), devnet.slot(a, 2), devnet.slot(b, 1)], [U256::ZERO; 3]);
        assert_eq!([a, b, c].map(|of| devnet.balance(of)), [10, 0, 0].map(U256::from));
        assert_eq!(devnet.nonce(a), nonce);
        assert!(devnet.code(a.create(nonce)).is_empty());
        let output = devnet.call(a, steps.0).unwrap();
        let mut output = Output(&output);
        assert_eq!(output.reply().0, status);
        assert_eq!((output.word(), output.word()), (U256::ZERO, U256::ZERO), "transient and stored");
    }
    // The same without failure leaves everything.
    let middle = Script::new().store(1, 1).log(salt(1)).tstore(1, 1).call(a, 0, ALL, &deepest);
    let receipt = devnet.send(TxKind::Call(a), Script::new().call(b, 5, ALL, &middle).0, 0, GAS);
    assert_eq!(receipt.logs.len(), 2);
    assert_eq!([devnet.slot(a, 2), devnet.slot(b, 1)], [2, 1].map(U256::from));
    assert_eq!([a, b, c].map(|of| devnet.balance(of)), [3, 5, 1].map(U256::from));
    assert_eq!(devnet.code(a.create(1)), Bytes::from_static(&[0]));
}

#[test]
fn accounts_and_slots_are_cold_again_after_a_revert() {
    let devnet = Devnet::new();
    let [a, b] = [devnet.deploy(SCRIPT), devnet.deploy(SCRIPT)];
    let stranger = Address::repeat_byte(0x66);
    let touch = |steps: Script| steps.ink().balance(stranger).ink();
    let cost = |output: &mut Output<'_>| {
        let before = gas(output);
        output.word();
        before - gas(output)
    };
    let run = |inner: Script| {
        let output = devnet.call(a, touch(Script::new().call(b, 0, 1_000_000, &inner)).0).unwrap();
        let mut output = Output(&output);
        output.reply();
        cost(&mut output)
    };
    let kept = run(touch(Script::new()));
    let undone = [
        run(touch(Script::new()).revert()),
        run(touch(Script::new()).trap()),
        run(touch(Script::new()).spin()),
    ];
    assert_eq!(undone.map(|undone| undone - kept), [2_500; 3]);
}

#[test]
fn the_write_cache_hides_what_happens_below_until_it_is_cleared() {
    let devnet = Devnet::new();
    let a = devnet.deploy(SCRIPT);
    let inner = Script::new().store(1, 7);
    let words = |steps: Script, count: usize| {
        let output = devnet.call(a, steps.0).unwrap();
        let mut output = Output(&output);
        let mut words = vec![output.word()];
        assert_eq!(output.reply().0, 0);
        words.extend((1..count).map(|_| output.word()));
        words
    };
    // A read is cached, too.
    let steps =
        Script::new().load(1).call(a, 0, ALL, &inner).load(1).flush(false).load(1).flush(true).load(1);
    assert_eq!(words(steps, 4), [0, 0, 0, 7].map(U256::from));
    // A write that was not flushed wins when it is flushed later.
    let steps = Script::new().cache(1, 3).load(1).call(a, 0, ALL, &inner).load(1).flush(true).load(1);
    assert_eq!(words(steps, 3), [3, 3, 3].map(U256::from));
    // The inner frame has a cache of its own.
    let steps = Script::new().cache(1, 3).load(1).call(a, 0, ALL, Script::new().load(1)).flush(true).load(1);
    let output = devnet.call(a, steps.0).unwrap();
    let mut output = Output(&output);
    assert_eq!(output.word(), U256::from(3));
    assert_eq!(Output(output.reply().1).word(), U256::ZERO);
    assert_eq!(output.word(), U256::from(3));
    // What is not flushed is lost.
    run(&devnet, a, &Script::new().cache(1, 3));
    assert_eq!(devnet.slot(a, 1), U256::ZERO);
    // A clean slot is not written: the inner value stays.
    run(&devnet, a, &Script::new().load(1).call(a, 0, ALL, &inner).flush(true));
    assert_eq!(devnet.slot(a, 1), U256::from(7));
}

#[test]
fn a_flush_does_not_depend_on_the_order_of_writes() {
    let gas_used = |keys: [u64; 3]| {
        let devnet = Devnet::new();
        let a = devnet.deploy(SCRIPT);
        let steps = keys.iter().fold(Script::new(), |steps, key| steps.cache(*key, 1)).flush(true);
        run(&devnet, a, &steps);
        (devnet.0.head().receipts[0].gas_used, devnet.0.head().header.state_root)
    };
    assert_eq!(gas_used([1, 2, 3]), gas_used([3, 1, 2]));
}

#[test]
fn programs_and_evm_code_call_each_other() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let inner = Script::new().context().store(4, 4);
    for (opcode, sender, me) in [
        (evm::CALL, "relay", "script"),
        (evm::CALLCODE, "relay", "relay"),
        (evm::DELEGATECALL, "script", "relay"),
    ] {
        let relay = devnet.deploy_evm(&relay(opcode, script));
        let name = |of: Address| {
            if of == relay {
                "relay"
            } else if of == script {
                "script"
            } else {
                "other"
            }
        };
        // Program, EVM code, program.
        let steps = Script::new().call(relay, 0, ALL, &inner);
        let output = devnet.call(script, steps.0.clone()).unwrap();
        let mut output = Output(&output);
        let (status, relayed) = output.reply();
        let mut relayed = Output(relayed);
        assert_eq!((status, relayed.bytes(1)), (0, &[1][..]), "{opcode:#x}");
        assert_eq!((name(relayed.address()), relayed.word()), (sender, U256::ZERO), "{opcode:#x}");
        assert_eq!(name(relayed.address()), me, "{opcode:#x}");
        run(&devnet, script, &steps);
        let stored = if me == "relay" { relay } else { script };
        assert_eq!(devnet.slot(stored, 4), U256::from(4), "{opcode:#x}");
        run(&devnet, script, &Script::new().store(4, 0));
    }
    let relay = devnet.deploy_evm(&relay(evm::STATICCALL, script));
    let output = devnet.call(script, Script::new().call(relay, 0, ALL, &inner).0).unwrap();
    assert_eq!(Output(&output).reply(), (0, &[0][..]), "a static call stores nothing");
    let output = devnet.call(relay, Script::new().context().0).unwrap();
    assert_eq!(output[0], 1);
}

#[test]
fn evm_code_sees_a_program_s_code() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let code = devnet.code(script);
    let view = devnet.deploy_evm(
        &Evm::new()
            .address(script)
            .op(evm::EXTCODESIZE)
            .push(0)
            .op(evm::MSTORE)
            .address(script)
            .op(evm::EXTCODEHASH)
            .push(32)
            .op(evm::MSTORE)
            .push(64)
            .push(0)
            .push(64)
            .address(script)
            .op(evm::EXTCODECOPY)
            .ret(128)
            .0,
    );
    let seen = devnet.call(view, Bytes::new()).unwrap();
    assert_eq!(seen[..32], word(code.len() as u64));
    assert_eq!(seen[32..64], keccak256(&code)[..]);
    assert_eq!(seen[64..128], code[..64]);
    let output = devnet.call(script, Script::new().code_size(script).codehash(script).0).unwrap();
    let mut output = Output(&output);
    assert_eq!(output.u32() as usize, code.len());
    assert_eq!(output.bytes(32), keccak256(&code));
}

#[test]
fn the_code_hash_of_an_account_is_that_of_extcodehash() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let steps = Script::new().codehash(devnet.0.accounts()[1]).codehash(Address::repeat_byte(0x31));
    let output = devnet.call(script, steps.0).unwrap();
    let empty = b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    assert_eq!(output[..], [empty.as_slice(), B256::ZERO.as_slice()].concat());
}

#[test]
fn a_program_creates_programs_and_evm_contracts() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    devnet.send(TxKind::Call(script), Bytes::new(), 100, GAS);
    let module = wasm(SCRIPT);
    let reverting = hex!("60bb60005360016000fd");
    let steps = Script::new()
        .create1(1, &returns(&[0x60, 0x00]))
        .create2(2, salt(7), &returns(&[0x60, 0x01]))
        .create1(3, &envelope(0, &module, &[]))
        .create2(4, salt(7), &envelope(0, &module, &[]))
        .create1(5, &module)
        .create1(6, &reverting)
        .create1(7, b"")
        .create2(8, salt(7), &returns(&[0x60, 0x01]));
    let created: Vec<(Address, Vec<u8>)> = {
        let request = alloy_rpc_types_eth::TransactionRequest::default()
            .to(script)
            .from(devnet.sender())
            .input(steps.0.clone().into());
        let output = devnet.0.call(request, BlockId::latest(), None, None).unwrap().output;
        let mut output = Output(&output);
        (0..8).map(|_| output.creation()).map(|(address, data)| (address, data.to_vec())).collect()
    };
    let receipt = devnet.send(TxKind::Call(script), steps.0, 0, 100_000_000);
    assert!(receipt.success, "{:?}", receipt.failure);
    let by_salt = |init: &[u8]| script.create2(salt(7), keccak256(init));
    let program = [&hex!("ef4c00")[..], &module].concat();
    let expected: Vec<(Address, Vec<u8>, Vec<u8>, u64)> = vec![
        (script.create(1), vec![], vec![0x60, 0x00], 1),
        (by_salt(&returns(&[0x60, 0x01])), vec![], vec![0x60, 0x01], 2),
        (script.create(3), vec![], program.clone(), 3),
        (by_salt(&envelope(0, &module, &[])), vec![], program.clone(), 4),
        (script.create(5), vec![], program, 5),
        (Address::ZERO, vec![0xBB], vec![], 0),
        (script.create(7), vec![], vec![], 7),
        (Address::ZERO, vec![], vec![], 0),
    ];
    for (index, ((address, data), (expected, returned, code, balance))) in
        created.iter().zip(&expected).enumerate()
    {
        assert_eq!((address, data), (expected, returned), "creation {index}");
        assert_eq!(devnet.code(*address), Bytes::from(code.clone()), "creation {index}");
        if !address.is_zero() {
            assert_eq!(
                (devnet.balance(*address), devnet.nonce(*address)),
                (U256::from(*balance), 1),
                "{index}"
            );
        }
    }
    assert_eq!(devnet.nonce(script), 9, "failed creations count, collisions too");
}

#[test]
fn a_creation_that_halts_burns_what_it_was_given() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let halting = [vec![0xFE], returns(&[0xEF]), envelope(4, b"", b""), envelope(0, b"\0asm", b"")];
    for creation in halting {
        let steps = Script::new().ink().create1(0, &creation).ink();
        let output = devnet.call(script, steps.0).unwrap();
        let mut output = Output(&output);
        let before = gas(&mut output);
        assert_eq!(output.creation(), (Address::ZERO, &[][..]));
        assert!(gas(&mut output) <= before / 64);
    }
}

#[test]
fn a_constructor_ends_a_creation_as_init_code_does() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    // Without arguments reverts with its selector; with one byte traps; with two spins; with three succeeds.
    let module = wasm(
        r#"(module
        (import "vm_hooks" "read_args" (func $read_args (param i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "user_entrypoint") (param $length i32) (result i32)
            (call $read_args (i32.const 0))
            (call $write_result (i32.const 0) (local.get $length))
            (if (i32.eq (local.get $length) (i32.const 5)) (then unreachable))
            (if (i32.eq (local.get $length) (i32.const 6)) (then (loop $forever (br $forever))))
            (i32.eq (local.get $length) (i32.const 4))))"#,
    );
    let steps = Script::new()
        .create1(0, &envelope(2, &module, &[]))
        .create1(0, &envelope(2, &module, &[1]))
        .ink()
        .create1(0, &envelope(2, &module, &[1, 2, 3]))
        .call(script.create(3), 0, ALL, b"pong")
        .ink();
    let output = devnet.call(script, steps.0).unwrap();
    let mut output = Output(&output);
    assert_eq!(output.creation(), (Address::ZERO, &hex!("5585258d")[..]));
    assert_eq!(output.creation(), (Address::ZERO, &[][..]));
    assert!(gas(&mut output) > 50_000_000, "neither revert nor trap burns");
    assert_eq!(output.creation(), (script.create(3), &[][..]), "a constructor's output is dropped");
    assert_eq!(output.reply(), (1, &b"pong"[..]));
    let spin = Script::new().ink().create1(0, &envelope(2, &module, &[1, 2])).ink();
    let output = devnet.call(script, spin.0).unwrap();
    let mut output = Output(&output);
    let before = gas(&mut output);
    assert_eq!(output.creation(), (Address::ZERO, &[][..]));
    assert!(gas(&mut output) <= before / 64);
}

#[test]
fn an_account_delegates_to_each_kind_of_code() {
    let devnet = Devnet::new();
    let account = devnet.0.accounts()[1];
    let script = devnet.deploy(SCRIPT);
    let steps = Script::new().store(1, 5).context();
    let receipt = devnet.delegate(script, steps.0.clone());
    assert!(receipt.success, "{:?}", receipt.failure);
    assert_eq!((devnet.slot(account, 1), devnet.slot(script, 1)), (U256::from(5), U256::ZERO));
    assert_eq!(devnet.code(account), Bytes::from([&hex!("ef0100")[..], script.as_slice()].concat()));
    // Called by a program, and by EVM code.
    let output =
        devnet.call(script, Script::new().call(account, 0, ALL, &steps).code_size(account).0).unwrap();
    let mut output = Output(&output);
    let (status, context) = output.reply();
    let mut context = Output(context);
    assert_eq!(
        (status, context.address(), context.word(), context.address()),
        (0, script, U256::ZERO, account)
    );
    assert_eq!(output.u32(), 23, "the code is the designator");
    let relay = devnet.deploy_evm(&relay(evm::CALL, account));
    assert_eq!(devnet.call(relay, steps.0.clone()).unwrap()[0], 1);
    // A transaction to the account, without authorization.
    let receipt = devnet.send(TxKind::Call(account), Script::new().store(1, 6).0, 0, GAS);
    assert!(receipt.success);
    assert_eq!(devnet.slot(account, 1), U256::from(6));
    // To EVM code.
    let identity = devnet.deploy_evm(&Evm::new().run(evm::SSTORE, &[1, 8]).0);
    assert!(devnet.delegate(identity, Bytes::new()).success);
    assert_eq!(devnet.slot(account, 1), U256::from(8));
    // To another account that delegates: its designator is run as code, which halts.
    let receipt = devnet.delegate(account, Bytes::new());
    assert!(!receipt.success);
    // An authority that existed has 12,500 gas given back, whatever the call does (EIP-7702).
    assert_eq!(receipt.gas_used, GAS - 12_500);
}

#[test]
fn a_program_calls_a_contract_that_destroys_itself() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let heir = Address::repeat_byte(0x61);
    let doomed = devnet.deploy_evm(&Evm::new().address(heir).op(evm::SELFDESTRUCT).0);
    devnet.send(TxKind::Call(script), Bytes::new(), 5, GAS);
    run(&devnet, script, &Script::new().call(doomed, 5, ALL, b""));
    assert_eq!((devnet.balance(heir), devnet.balance(doomed)), (U256::from(5), U256::ZERO));
    // A program's account can be destroyed by EVM code it delegates to, in the transaction that creates it only.
    let steps = Script::new().delegate_call(doomed, ALL, b"").balance(script);
    run(&devnet, script, &steps);
    assert!(!devnet.code(script).is_empty());
}

#[test]
fn a_static_frame_moves_no_value_and_creates_nothing() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    devnet.send(TxKind::Call(script), Bytes::new(), 5, GAS);
    let forbidden = [
        Script::new().call(Address::repeat_byte(1), 1, ALL, b""),
        Script::new().create1(0, b""),
        Script::new().create2(0, salt(1), b""),
        Script::new().log(salt(1)),
        Script::new().tstore(1, 1),
        Script::new().store(1, 0),
        Script::new().call(script, 0, ALL, Script::new().log(salt(1)).trap()).trap(),
    ];
    for steps in forbidden {
        let output = devnet.call(script, Script::new().static_call(script, ALL, &steps).0).unwrap();
        assert_eq!(Output(&output).reply(), (1, &[][..]));
    }
    let allowed = Script::new().call(script, 0, ALL, b"").load(1).tload(1).cache(1, 1);
    let output = devnet.call(script, Script::new().static_call(script, ALL, &allowed).0).unwrap();
    assert_eq!(Output(&output).reply().0, 0);
}

#[test]
fn a_collision_burns_the_gas_and_counts_the_nonce() {
    let devnet = Devnet::new();
    let creation = envelope(0, &wasm(SCRIPT), &[]);
    let salted = [&[7; 32][..], &creation].concat();
    assert!(devnet.send(TxKind::Call(CREATE2_FACTORY), salted.clone(), 0, GAS).success);
    let receipt = devnet.send(TxKind::Call(CREATE2_FACTORY), salted, 0, GAS);
    assert!(!receipt.success && receipt.gas_used > GAS / 64 * 62);
}

#[test]
fn equal_transactions_give_equal_roots_on_two_chains() {
    let run = || {
        let devnet = Devnet::new();
        let script = devnet.deploy(SCRIPT);
        let relay = devnet.deploy_evm(&relay(evm::CALL, script));
        let steps = Script::new().store(1, 2).log(salt(3)).create1(0, &envelope(0, &wasm(SCRIPT), &[]));
        let receipts = [
            devnet.send(TxKind::Call(script), steps.0.clone(), 1, GAS),
            devnet.send(TxKind::Call(relay), steps.0.clone(), 0, GAS),
            devnet.send(TxKind::Call(relay), steps.clone().trap().0, 0, GAS),
            devnet.send(TxKind::Call(script), steps.spin().0, 0, 500_000),
            devnet.delegate(script, Script::new().store(3, 3).0),
        ];
        let head = devnet.0.head();
        (head.header.state_root, receipts)
    };
    assert_eq!(run(), run());
}

#[test]
fn a_frame_writes_to_memory_it_grew_after_a_call() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    // Grows by a page, calls with the reply at the last word of it, then writes the last byte.
    let grower = devnet.deploy(&format!(
        r#"(module
        (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "{}")
        (func (export "user_entrypoint") (param i32) (result i32)
            (drop (memory.grow (i32.const 1)))
            (drop (call $call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i64.const -1) (i32.const 131068)))
            (i32.store8 (i32.const 131071) (i32.const 7))
            (call $write_result (i32.const 131068) (i32.const 4))
            (i32.const 0)))"#,
        support::wat_string(script.as_slice())
    ));
    assert_eq!(devnet.call(grower, Bytes::new()).unwrap()[..], [0, 0, 0, 7]);
    assert_eq!(created(&devnet.try_deploy(envelope(0, &wasm(SCRIPT), &[]))), devnet.sender().create(2));
}

/// A program reads its calldata where the EVM frame that called it has it in memory, which no frame below touches.
#[test]
fn calldata_stands_while_frames_below_use_memory() {
    let devnet = Devnet::new();
    // Fills 4 KiB of memory and returns it.
    let filler = (0..128).fold(Evm::new(), |code, index| code.run(evm::MSTORE, &[32 * index, u64::MAX]));
    let filler = devnet.deploy_evm(&filler.ret(4_096).0);
    let reader = devnet.deploy(&format!(
        r#"(module
        (import "vm_hooks" "read_args" (func $read_args (param i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "{}")
        (func (export "user_entrypoint") (param $length i32) (result i32)
            (drop (call $call (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 64) (i64.const -1) (i32.const 96)))
            (if (i32.ne (i32.load (i32.const 96)) (i32.const 4096)) (then unreachable))
            (call $read_args (i32.const 128))
            (call $write_result (i32.const 128) (local.get $length))
            (i32.const 0)))"#,
        support::wat_string(filler.as_slice())
    ));
    let relay = devnet.deploy_evm(&relay(evm::CALL, reader));
    let data: Vec<u8> = (0..200).collect();
    assert_eq!(devnet.call(relay, data.clone()).unwrap()[..], [&[1][..], &data].concat());
}
