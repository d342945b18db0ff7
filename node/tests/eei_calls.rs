//! Frames of the `ethereum` interface on the chain of ewasm's tests: calls, creations, and what passes between them.

mod support;

use alloy_primitives::{U256, address, hex, keccak256};
use lathe_node::{chain::ChainSpec, runtime::Fork};
use lathe_state::GenesisAccount;
use support::{
    ewasm::{
        BALANCE, CONTRACT, INTRINSIC_GAS, NOBODY, NOBODY_AT, ONE_AT, OTHER, OTHER_AT, SENDER, SLOT_ONE_AT,
        TX_GAS, World, constants, contract, contract_with, data, output, returning, with_constants,
    },
    wasm, word,
};

/// A call of kind `function` to [`OTHER`] with 1 wei where it sends one, whose result is stored at 0 and returned with the
/// return data behind it.
fn calling(function: &str, gas: i64, sends: bool) -> Vec<u8> {
    let value = if sends { "(i32.const 160)" } else { "" };
    with_constants(&format!(
        "(i32.store (i32.const 0)
            (call {function} (i64.const {gas}) (i32.const {OTHER_AT}) {value} (i32.const {SLOT_ONE_AT}) (i32.const 32)))
         (call $returnDataCopy (i32.const 4) (i32.const 0) (call $getReturnDataSize))
         (call $finish (i32.const 0) (i32.add (i32.const 4) (call $getReturnDataSize)))"
    ))
}

const CALLS: [(&str, bool); 4] =
    [("$call", true), ("$callCode", true), ("$callDelegate", false), ("$callStatic", false)];

#[test]
fn a_call_tells_success_failure_and_revert_with_the_callees_data() {
    let result = |callee: Vec<u8>, function: &str, sends| {
        let output = output(World::new(calling(function, 1_000_000, sends)).with(OTHER, callee));
        (output[0], output[4..].to_vec())
    };
    for (function, sends) in CALLS {
        let echo = contract(
            "(call $callDataCopy (i32.const 0) (i32.const 0) (call $getCallDataSize))
             (call $finish (i32.const 0) (call $getCallDataSize))",
        );
        assert_eq!(result(echo, function, sends), (0, word(1).to_vec()), "{function}");
        let revert = contract("(call $revert (i32.const 0) (i32.const 2))");
        assert_eq!(result(revert, function, sends), (2, vec![0, 0]), "{function}");
        let trap = contract("(i32.store8 (i32.const 0) (i32.const 1)) unreachable");
        assert_eq!(result(trap, function, sends), (1, vec![]), "{function}");
        let forever = contract("(loop (call $useGas (i64.const 1000)) (br 0))");
        assert_eq!(result(forever, function, sends), (1, vec![]), "{function}");
        let invalid =
            contract_with("(call $finish (i32.const 0) (i32.const 1))", "(func $start) (start $start)");
        assert_eq!(result(invalid, function, sends), (1, vec![]), "{function}");
        assert_eq!(result(hex!("60016000f3").to_vec(), function, sends), (1, vec![]), "EVM code");
        assert_eq!(result(vec![], function, sends), (0, vec![]), "{function}");
    }
}

#[test]
fn each_call_has_its_context() {
    // Address, caller and value as the callee sees them.
    let callee = contract(
        "(call $getAddress (i32.const 0)) (call $getCaller (i32.const 20)) (call $getCallValue (i32.const 40))
         (call $finish (i32.const 0) (i32.const 56))",
    );
    for (function, sends, address, caller, value) in [
        ("$call", true, OTHER, CONTRACT, 1),
        ("$callCode", true, CONTRACT, CONTRACT, 1),
        ("$callDelegate", false, CONTRACT, SENDER, 9),
        ("$callStatic", false, OTHER, CONTRACT, 0),
    ] {
        let world =
            World::new(calling(function, 1_000_000, sends)).with(OTHER, callee.clone()).sending(9, vec![]);
        let output = output(world);
        let mut expected = [&[0; 4][..], address.as_slice(), caller.as_slice(), &[0; 16]].concat();
        expected[44] = value;
        assert_eq!(output, expected, "{function}");
    }
}

#[test]
fn a_value_moves_with_call_and_stays_with_call_code() {
    for (function, moved) in [("$call", 1), ("$callCode", 0)] {
        let ran = World::new(calling(function, 0, true)).with(OTHER, vec![]).call();
        assert_eq!(ran.output()[0], 0);
        let left = ran.balance(CONTRACT).map_or(BALANCE, |balance| balance.to());
        assert_eq!(left, BALANCE - moved, "{function}");
    }
}

#[test]
fn a_callee_gets_what_was_asked_at_most_63_of_64_parts_and_the_stipend() {
    // The callee tells the gas it began with.
    let callee =
        contract("(i64.store (i32.const 0) (call $getGasLeft)) (call $finish (i32.const 0) (i32.const 8))");
    let gas = |function, gas, sends| {
        let world = World::new(calling(function, gas, sends)).with(OTHER, callee.clone());
        u64::from_le_bytes(output(world)[4..].try_into().unwrap()) + 2
    };
    for (function, sends) in CALLS {
        let stipend = if sends { 2_300 } else { 0 };
        assert_eq!(gas(function, 5_000, sends), 5_000 + stipend, "{function}");
        let transfer = if sends { 9_000 } else { 0 };
        let before = TX_GAS - INTRINSIC_GAS - 700 - transfer;
        assert_eq!(gas(function, i64::MAX, sends), before - before / 64 + stipend, "{function}");
    }
}

/// The tests of ewasm have it so: who is asked for a stipend looks at the value that the callee sees.
#[test]
fn at_byzantium_a_delegate_call_in_a_frame_with_a_value_adds_a_stipend() {
    let callee =
        contract("(i64.store (i32.const 0) (call $getGasLeft)) (call $finish (i32.const 0) (i32.const 8))");
    let world = |spec, function| {
        World::on(spec, calling(function, 5_000, false)).with(OTHER, callee.clone()).sending(9, vec![])
    };
    let gas = |spec, function| u64::from_le_bytes(output(world(spec, function))[4..].try_into().unwrap()) + 2;
    assert_eq!(gas(ChainSpec::EWASM, "$callDelegate"), 5_000 + 2_300);
    assert_eq!(gas(ChainSpec::EWASM, "$callStatic"), 5_000);
    let istanbul = ChainSpec { fork: Fork::Istanbul, ..ChainSpec::EWASM };
    assert_eq!(gas(istanbul, "$callDelegate"), 5_000);
    // What the callee leaves is the caller's, but the sender gets back no more than was taken for the frame.
    let used = |body: &str| {
        let world = World::new(with_constants(body)).with(OTHER, contract("")).sending(9, vec![]);
        world.call().executed.gas_used - INTRINSIC_GAS
    };
    let delegate = "(drop (call $callDelegate (i64.const 0) (i32.const 100) (i32.const 0) (i32.const 0)))";
    assert_eq!(used(&format!("(call $useGas (i64.const 5000)) {delegate}")), 5_000 + 700 - 2_300);
    assert_eq!(used(&delegate.repeat(3)), 0);
}

#[test]
fn a_call_that_cannot_be_made_returns_1_and_keeps_the_return_data() {
    let poor = GenesisAccount {
        address: CONTRACT,
        code: with_constants(&format!(
            "(drop (call $callStatic (i64.const 100000) (i32.const {OTHER_AT}) (i32.const 0) (i32.const 0)))
             (i32.store (i32.const 0)
                (call $call (i64.const 100000) (i32.const {OTHER_AT}) (i32.const {ONE_AT}) (i32.const 0) (i32.const 0)))
             (i32.store (i32.const 4) (call $getReturnDataSize))
             (call $finish (i32.const 0) (i32.const 8))"
        ))
        .into(),
        ..Default::default()
    };
    let callee = contract("(call $finish (i32.const 0) (i32.const 5))");
    let ran = World::new(vec![]).with_account(poor).with(OTHER, callee).call();
    assert_eq!(ran.output(), [1, 0, 0, 0, 5, 0, 0, 0]);
    assert_eq!(ran.gas(), 700 + 700 + 9_000 + 2);
}

#[test]
fn a_static_call_changes_nothing() {
    let cases = [
        ("(call $storageStore (i32.const 0) (i32.const 0))", 1),
        (
            "(call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
            1,
        ),
        ("(drop (call $create (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))", 1),
        ("(call $selfDestruct (i32.const 0))", 1),
        ("(drop (call $call (i64.const 0) (i32.const 120) (i32.const 160) (i32.const 0) (i32.const 0)))", 1),
        // Without a value a call is fine, and a value to oneself always is.
        ("(drop (call $call (i64.const 0) (i32.const 120) (i32.const 0) (i32.const 0) (i32.const 0)))", 0),
        (
            "(drop (call $callCode (i64.const 0) (i32.const 120) (i32.const 160) (i32.const 0) (i32.const 0)))",
            0,
        ),
        ("(call $storageLoad (i32.const 0) (i32.const 0))", 0),
    ];
    for (body, status) in cases {
        let world = World::new(calling("$callStatic", 1_000_000, false)).with(OTHER, with_constants(body));
        assert_eq!(output(world)[0], status, "{body}");
    }
    // What a static call calls is static, too.
    let relay = with_constants(&format!(
        "(call $finish (i32.const 0) (call $call (i64.const 500000) (i32.const {NOBODY_AT}) (i32.const 0) (i32.const 0) (i32.const 0)))"
    ));
    let store = contract("(call $storageStore (i32.const 0) (i32.const 0))");
    let world = World::new(calling("$callStatic", 1_000_000, false)).with(OTHER, relay).with(NOBODY, store);
    assert_eq!(output(world).len(), 4 + 1, "the inner call failed");
}

#[test]
fn calls_nest_to_depth_1024_and_no_deeper() {
    // Each frame returns how many there are from it on.
    let body = "(call $getAddress (i32.const 64))
        (if (i32.eqz (call $call (i64.const 0x7fffffffffffffff) (i32.const 64) (i32.const 96) (i32.const 0) (i32.const 0)))
            (then (call $returnDataCopy (i32.const 0) (i32.const 0) (i32.const 4))))
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
        (call $finish (i32.const 0) (i32.const 4))";
    // So much that 63/64 of it are left 1,024 times.
    let gas = 100_000_000_000_000_000;
    let ran = World::new(contract(body)).call_with(gas);
    assert_eq!(ran.output(), 1_025_u32.to_le_bytes());
}

/// Init code that finishes with the module at the beginning of memory.
fn deployer(code: &[u8]) -> Vec<u8> {
    contract_with(&format!("(call $finish (i32.const 0) (i32.const {}))", code.len()), &data(0, code))
}

#[test]
fn what_init_code_finishes_with_becomes_the_code() {
    let code = contract("(call $finish (i32.const 0) (i32.const 1))");
    let ran = World::new(vec![]).sending(5, deployer(&code)).create();
    let created = ran.created().unwrap();
    let account = ran.account(created).unwrap().info.unwrap();
    assert_eq!((account.nonce, account.balance, account.code_hash), (1, U256::from(5), keccak256(&code)));
    assert_eq!(ran.changes.codes[&keccak256(&code)], code);
    // 200 gas a byte.
    let zeros = deployer(&code).iter().filter(|&&byte| byte == 0).count() as u64;
    let calldata = 68 * (deployer(&code).len() as u64 - zeros) + 4 * zeros;
    assert_eq!(ran.gas(), 32_000 + calldata + 200 * code.len() as u64);
}

#[test]
fn init_code_has_no_calldata_and_copies_itself() {
    let init = contract(
        "(if (call $getCallDataSize) (then unreachable))
         (call $codeCopy (i32.const 0) (i32.const 0) (call $getCodeSize))
         (call $finish (i32.const 0) (call $getCodeSize))",
    );
    let ran = World::new(vec![]).sending(0, init.clone()).create();
    assert!(ran.changes.codes.contains_key(&keccak256(init)));
}

#[test]
fn code_that_is_no_contract_is_not_installed() {
    let refused = [
        ("no export", wasm("(module)")),
        (
            "a function too many",
            wasm(
                r#"(module (memory (export "memory") 1) (func $f) (export "main" (func $f)) (export "f" (func $f)))"#,
            ),
        ),
        ("cut off", contract("")[..40].to_vec()),
        ("version 2", [b"\0asm\x02\0\0\0", &contract("")[8..]].concat()),
        ("reserved", vec![0xEF, 1, 2]),
        ("vm_hooks", [&[0xEF, 0x4C, 0x00], &contract("")[..]].concat()),
    ];
    for (what, code) in refused {
        let ran = World::new(vec![]).sending(0, deployer(&code)).create();
        assert!(ran.burned(), "{what}: {:?}", ran.executed);
    }
    // Anything else is data.
    let ran = World::new(vec![]).sending(0, deployer(b"hello")).create();
    assert!(ran.changes.codes.contains_key(&keccak256("hello")));
    // Init code must be a contract itself.
    for init in [b"hello".to_vec(), wasm("(module)"), hex!("60006000f3").to_vec()] {
        assert!(World::new(vec![]).sending(0, init.clone()).create().burned(), "{}", hex::encode(init));
    }
    assert!(World::new(vec![]).create().created().is_some(), "no init code makes an empty account");
}

#[test]
fn create_tells_the_address_or_the_revert() {
    let create = |init: &[u8]| {
        let at = 1_000;
        let creator = contract_with(
            &format!(
                "(i32.store (i32.const 0) (call $create (i32.const {ONE_AT}) (i32.const {at}) (i32.const {}) (i32.const 4)))
                 (i32.store (i32.const 24) (call $getReturnDataSize))
                 (call $finish (i32.const 0) (i32.const 28))",
                init.len()
            ),
            &format!("{}{}", constants(), data(at, init)),
        );
        let ran = World::new(creator).call();
        (ran.output().to_vec(), ran)
    };
    let (made, ran) = create(&deployer(b"hello"));
    let address = CONTRACT.create(0);
    assert_eq!(made, [&[0; 4][..], address.as_slice(), &[0; 4]].concat());
    assert_eq!(ran.account(address).unwrap().info.unwrap().balance, U256::from(1));
    assert_eq!(ran.account(CONTRACT).unwrap().info.unwrap().nonce, 1);
    let (reverted, _) = create(&contract("(call $revert (i32.const 0) (i32.const 6))"));
    assert_eq!(reverted, [&[2, 0, 0, 0][..], &[0; 20], &[6, 0, 0, 0]].concat());
    let (failed, ran) = create(&contract("unreachable"));
    assert_eq!(failed, [&[1, 0, 0, 0][..], &[0; 24]].concat());
    assert_eq!(ran.account(CONTRACT).unwrap().info.unwrap().nonce, 1, "the attempt counts");
    let (refused, _) = create(b"no module");
    assert_eq!(refused[0], 1);
}

#[test]
fn address_9_hashes() {
    let keccak = address!("0000000000000000000000000000000000000009");
    let code = contract_with(
        "(drop (call $callStatic (i64.const 100) (i32.const 100) (i32.const 0) (i32.const 33)))
         (call $returnDataCopy (i32.const 200) (i32.const 0) (i32.const 32))
         (call $finish (i32.const 200) (i32.const 32))",
        &data(100, keccak.as_slice()),
    );
    let ran = World::new(code).call();
    assert_eq!(ran.output(), keccak256([0; 33]).as_slice());
    assert_eq!(ran.gas(), 700 + 30 + 2 * 6 + 3 + 3);
}

#[test]
fn steps_are_counted_across_frames_and_the_limit_ends_the_transaction() {
    // The child never ends; the parent then has no step left to go on with.
    let mut schedule = lathe_gas::Schedule::ZERO_INSTRUCTION;
    schedule.steps_max = Some(10_000);
    let mut spec = ChainSpec::EWASM;
    spec.rules.schedule = Box::leak(Box::new(schedule));
    let child = |turns: u32| {
        contract(&format!(
            "(local i32) (loop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 0) (i32.const {turns}))))"
        ))
    };
    let world = |turns| {
        World::on(spec.clone(), calling("$callStatic", 1_000_000, false)).with(OTHER, child(turns)).call()
    };
    assert_eq!(world(1_000).output(), [0; 4]);
    for turns in [1_250, u32::MAX] {
        let ran = world(turns);
        assert!(ran.burned(), "{turns}");
        assert!(ran.executed.failure.unwrap().to_string().contains("step limit reached"));
    }
}

#[test]
fn a_segment_out_of_bounds_is_a_trap() {
    assert!(World::new(contract_with("", "(data (i32.const 65536) \"x\")")).call().burned());
}

#[test]
fn no_instance_outlives_its_call() {
    // Counts in a global and in memory, and traps if it is asked to.
    let counter = contract_with(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (global.get $calls)))
         (call $callDataCopy (i32.const 8) (i32.const 0) (i32.const 1))
         (if (i32.load8_u (i32.const 8)) (then (drop (memory.grow (i32.const 1))) unreachable))
         (i32.store (i32.const 4) (memory.size))
         (call $finish (i32.const 0) (i32.const 8))",
        "(global $calls (mut i32) (i32.const 0))",
    );
    let call = |place: u32, data: u32| {
        format!(
            "(drop (call $callStatic (i64.const 100000) (i32.const {OTHER_AT}) (i32.const {data}) (i32.const 1)))
             (call $returnDataCopy (i32.const {place}) (i32.const 0) (call $getReturnDataSize))"
        )
    };
    // The byte at 160 is 1, which traps, the one at 224 is 0.
    let body = [call(0, 224), call(8, 160), call(8, 224), call(16, 160), call(16, 224)].concat();
    let returned = output(World::new(returning(&body, 24)).with(OTHER, counter));
    assert_eq!(returned, [1, 0, 0, 0, 1, 0, 0, 0].repeat(3));
}
