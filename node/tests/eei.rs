//! The `ethereum` interface on the chain of ewasm's tests: what each function does, what it costs at Byzantium, and what
//! traps. A trap burns the gas of its frame.

mod support;

use alloy_primitives::{B256, U256, keccak256};
use lathe_node::{
    chain::ChainSpec,
    runtime::{EeiError, Program, ProgramError, Status},
};
use lathe_state::GenesisAccount;
use support::{
    ewasm::{
        BALANCE, BLOCK_GAS, COINBASE, CONTRACT, INTRINSIC_GAS, NOBODY_AT, NUMBER, OTHER, OTHER_AT, SENDER,
        TIMESTAMP, TX_GAS, World, contract, output, returning, run, with_constants,
    },
    wasm, word,
};

#[test]
fn every_function_costs_what_its_opcode_does() {
    let cases: &[(&str, u64)] = &[
        ("", 0),
        ("nop", 0),
        ("(call $useGas (i64.const 0))", 0),
        ("(call $useGas (i64.const 1234))", 1_234),
        ("(drop (call $getGasLeft))", 2),
        ("(call $getAddress (i32.const 0))", 2),
        ("(call $getExternalBalance (i32.const 100) (i32.const 0))", 400),
        ("(drop (call $getBlockHash (i64.const 299) (i32.const 0)))", 800),
        ("(drop (call $getBlockHash (i64.const 300) (i32.const 0)))", 800),
        ("(call $callDataCopy (i32.const 0) (i32.const 0) (i32.const 0))", 3),
        ("(drop (call $getCallDataSize))", 2),
        ("(call $storageLoad (i32.const 224) (i32.const 0))", 200),
        // Nothing to something, something to something else or the same, nothing to nothing.
        ("(call $storageStore (i32.const 0) (i32.const 224))", 20_000),
        (
            "(call $storageStore (i32.const 0) (i32.const 224)) (call $storageStore (i32.const 0) (i32.const 224))",
            25_000,
        ),
        ("(call $storageStore (i32.const 0) (i32.const 0))", 5_000),
        ("(call $getCaller (i32.const 0))", 2),
        ("(call $getCallValue (i32.const 0))", 2),
        ("(call $codeCopy (i32.const 0) (i32.const 0) (i32.const 0))", 3),
        ("(call $codeCopy (i32.const 0) (i32.const 0) (i32.const 1))", 6),
        ("(call $codeCopy (i32.const 0) (i32.const 0) (i32.const 33))", 9),
        ("(drop (call $getCodeSize))", 2),
        ("(call $getBlockCoinbase (i32.const 0))", 2),
        ("(call $getBlockDifficulty (i32.const 0))", 2),
        ("(call $externalCodeCopy (i32.const 120) (i32.const 0) (i32.const 0) (i32.const 0))", 700),
        ("(drop (call $getExternalCodeSize (i32.const 120)))", 700),
        ("(drop (call $getBlockGasLimit))", 2),
        ("(call $getTxGasPrice (i32.const 0))", 2),
        (
            "(call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
            375,
        ),
        (
            "(call $log (i32.const 0) (i32.const 9) (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 2) (i32.const 3))",
            375 * 5 + 8 * 9,
        ),
        ("(drop (call $getBlockNumber))", 2),
        ("(call $getTxOrigin (i32.const 0))", 2),
        ("(drop (call $getReturnDataSize))", 2),
        ("(call $returnDataCopy (i32.const 0) (i32.const 0) (i32.const 0))", 3),
        ("(drop (call $getBlockTimestamp))", 2),
        ("(call $finish (i32.const 0) (i32.const 1000))", 0),
        ("(call $revert (i32.const 0) (i32.const 1000))", 0),
        ("(drop (call $callStatic (i64.const 0) (i32.const 120) (i32.const 0) (i32.const 0)))", 700),
        ("(drop (call $callDelegate (i64.const 0) (i32.const 120) (i32.const 0) (i32.const 0)))", 700),
        // No value.
        ("(drop (call $call (i64.const 0) (i32.const 120) (i32.const 0) (i32.const 0) (i32.const 0)))", 700),
        (
            "(drop (call $callCode (i64.const 0) (i32.const 120) (i32.const 0) (i32.const 0) (i32.const 0)))",
            700,
        ),
        // With a value: the stipend comes back from who has no code. A new account costs 25,000, but not a call in one's own.
        (
            "(drop (call $call (i64.const 0) (i32.const 120) (i32.const 160) (i32.const 0) (i32.const 0)))",
            700 + 9_000 + 25_000 - 2_300,
        ),
        (
            "(drop (call $callCode (i64.const 0) (i32.const 120) (i32.const 160) (i32.const 0) (i32.const 0)))",
            700 + 9_000 - 2_300,
        ),
        // Empty init code makes an empty contract.
        ("(drop (call $create (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))", 32_000),
        // One that runs out of all the gas there is for it.
        ("(i64.store (i32.const 0) (i64.const 1)) memory.size drop", 0),
        ("(drop (memory.grow (i32.const 1)))", 0),
    ];
    for (body, gas) in cases {
        let ran = run(body);
        assert!(!matches!(ran.executed.status, Status::Halted(_)), "{body}: {:?}", ran.executed.failure);
        assert_eq!(ran.gas(), *gas, "{body}");
    }
}

#[test]
fn exactly_the_price_is_enough_and_one_less_burns_it() {
    let body = "(call $getAddress (i32.const 0)) (call $storageStore (i32.const 0) (i32.const 224)) (call $useGas (i64.const 5))";
    let price = 2 + 20_000 + 5;
    let world = World::new(with_constants(body));
    let ran = world.call_with(INTRINSIC_GAS + price);
    assert!(ran.succeeded());
    assert_eq!(ran.gas(), price);
    for less in [1, 5, 6, 20_005, 20_006] {
        let ran = world.call_with(INTRINSIC_GAS + price - less);
        assert_eq!(ran.executed.status, Status::Halted("out of gas".into()), "{less}");
        assert_eq!(ran.gas(), price - less);
        assert_eq!(ran.slot(0), None);
    }
}

#[test]
fn what_traps_burns_all_gas() {
    let cases = [
        "unreachable",
        "(drop (i32.load (i32.const 65533)))",
        "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
        "(call $useGas (i64.const -1))",
        "(call $useGas (i64.const 0x7fffffffffffffff))",
        "(call $useGas (i64.const 0x8000000000000000))",
        // Calldata is empty, return data too.
        "(call $callDataCopy (i32.const 0) (i32.const 0) (i32.const 1))",
        "(call $callDataCopy (i32.const 0) (i32.const 1) (i32.const 0))",
        "(call $callDataCopy (i32.const 0) (i32.const -1) (i32.const 1))",
        "(call $returnDataCopy (i32.const 0) (i32.const 0) (i32.const 1))",
        "(call $returnDataCopy (i32.const 0) (i32.const 1) (i32.const 0))",
        "(call $codeCopy (i32.const 0) (i32.const 0) (i32.const 60000))",
        "(call $codeCopy (i32.const 0) (i32.const -1) (i32.const 2))",
        "(call $externalCodeCopy (i32.const 120) (i32.const 0) (i32.const 0) (i32.const 1))",
        "(call $log (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $log (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $log (i32.const 65536) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $log (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 65505) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(drop (call $call (i64.const -1) (i32.const 100) (i32.const 0) (i32.const 0) (i32.const 0)))",
        "(drop (call $callStatic (i64.const -1) (i32.const 100) (i32.const 0) (i32.const 0)))",
        "(drop (call $call (i64.const 0) (i32.const 65517) (i32.const 0) (i32.const 0) (i32.const 0)))",
        "(drop (call $call (i64.const 0) (i32.const 100) (i32.const 65521) (i32.const 0) (i32.const 0)))",
        "(drop (call $call (i64.const 0) (i32.const 100) (i32.const 0) (i32.const 65536) (i32.const 1)))",
        "(drop (call $create (i32.const 65521) (i32.const 0) (i32.const 0) (i32.const 0)))",
        "(drop (call $create (i32.const 0) (i32.const 65536) (i32.const 1) (i32.const 0)))",
        // A contract was made, but its address has no place.
        "(drop (call $create (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 65517)))",
        "(call $finish (i32.const 65536) (i32.const 1))",
        "(call $finish (i32.const 65537) (i32.const 0))",
        "(call $revert (i32.const 0) (i32.const -1))",
        "(call $selfDestruct (i32.const 65517))",
    ];
    for body in cases {
        let ran = run(body);
        assert!(ran.burned(), "{body}: {:?}", ran.executed);
        assert_eq!(ran.account(CONTRACT).map(|account| account.info.unwrap().nonce), None, "{body}");
    }
}

#[test]
fn pointers_may_reach_the_last_byte_and_not_one_more() {
    // What is before the pointer, the bytes behind it, what comes after.
    let cases = [
        ("(call $getAddress ", 20, ")"),
        ("(call $getCaller ", 20, ")"),
        ("(call $getTxOrigin ", 20, ")"),
        ("(call $getBlockCoinbase ", 20, ")"),
        ("(call $getCallValue ", 16, ")"),
        ("(call $getTxGasPrice ", 16, ")"),
        ("(call $getBlockDifficulty ", 32, ")"),
        ("(call $getExternalBalance (i32.const 0) ", 16, ")"),
        ("(call $getExternalBalance ", 20, "(i32.const 0))"),
        (
            "(drop (call $getBlockHash (i64.const 1) (i32.const 0))) (drop (call $getBlockHash (i64.const 299) ",
            32,
            "))",
        ),
        ("(call $storageLoad (i32.const 0) ", 32, ")"),
        ("(call $storageLoad ", 32, "(i32.const 0))"),
        ("(call $storageStore (i32.const 0) ", 32, ")"),
        ("(call $storageStore ", 32, "(i32.const 0))"),
        ("(drop (call $getExternalCodeSize ", 20, "))"),
        ("(call $codeCopy ", 10, "(i32.const 0) (i32.const 10))"),
        ("(call $externalCodeCopy ", 20, "(i32.const 0) (i32.const 0) (i32.const 0))"),
        ("(call $externalCodeCopy (i32.const 0) ", 0, "(i32.const 0) (i32.const 0))"),
        ("(call $finish ", 7, "(i32.const 7))"),
        ("(call $finish ", 0, "(i32.const 0))"),
        ("(drop (call $callStatic (i64.const 0) ", 20, "(i32.const 0) (i32.const 0)))"),
        ("(drop (call $callDelegate (i64.const 0) (i32.const 0) ", 3, "(i32.const 3)))"),
        ("(drop (call $create (i32.const 0) (i32.const 0) (i32.const 0) ", 20, "))"),
    ];
    for (before, bytes, after) in cases {
        let body = |pointer: u64| format!("{before} (i32.const {pointer}) {after}");
        let edge = 65_536 - bytes;
        let ran = run(&body(edge));
        assert!(ran.succeeded(), "{}: {:?}", body(edge), ran.executed.failure);
        for beyond in [edge + 1, 65_537, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff] {
            assert!(run(&body(beyond)).burned(), "{}", body(beyond));
        }
    }
}

#[test]
fn where_there_is_nothing_to_read_the_pointer_may_be_anything() {
    for body in [
        "(drop (call $callStatic (i64.const 0) (i32.const 120) (i32.const -1) (i32.const 0)))",
        "(drop (call $create (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0)))",
        "(call $log (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const -1) (i32.const -1) (i32.const -1))",
        "(call $externalCodeCopy (i32.const 120) (i32.const 0) (i32.const -1) (i32.const 0))",
        "(drop (call $getBlockHash (i64.const 300) (i32.const -1)))",
    ] {
        assert!(run(body).succeeded(), "{body}");
    }
}

#[test]
fn values_are_little_endian_and_addresses_as_they_stand() {
    let world = |body: &str, bytes| World::new(returning(body, bytes)).sending(0x0102, vec![7, 8, 9]);
    let mut value = vec![0; 16];
    value[..2].copy_from_slice(&[0x02, 0x01]);
    assert_eq!(output(world("(call $getCallValue (i32.const 0))", 16)), value);
    let mut balance = vec![0; 16];
    balance[..8].copy_from_slice(&(BALANCE + 0x0102).to_le_bytes());
    let own = "(call $getAddress (i32.const 40)) (call $getExternalBalance (i32.const 40) (i32.const 0))";
    assert_eq!(output(world(own, 16)), balance);
    let mut difficulty = vec![0; 32];
    difficulty[2] = 2;
    assert_eq!(output(world("(call $getBlockDifficulty (i32.const 0))", 32)), difficulty);
    let mut price = vec![0; 16];
    price[0] = 1;
    assert_eq!(output(world("(call $getTxGasPrice (i32.const 0))", 16)), price);
    for (function, address) in [
        ("$getAddress", CONTRACT),
        ("$getCaller", SENDER),
        ("$getTxOrigin", SENDER),
        ("$getBlockCoinbase", COINBASE),
    ] {
        assert_eq!(output(world(&format!("(call {function} (i32.const 0))"), 20)), address.as_slice());
    }
    let number = |call: &str| {
        let returned = output(world(&format!("(i64.store (i32.const 0) {call})"), 8));
        u64::from_le_bytes(returned.try_into().unwrap())
    };
    assert_eq!(number("(call $getBlockNumber)"), NUMBER);
    assert_eq!(number("(call $getBlockTimestamp)"), TIMESTAMP);
    assert_eq!(number("(call $getBlockGasLimit)"), BLOCK_GAS);
    assert_eq!(number("(i64.extend_i32_u (call $getCallDataSize))"), 3);
    let gas = number("(call $getGasLeft)");
    assert_eq!(gas, TX_GAS - INTRINSIC_GAS - 3 * 68 - 2);
    let copied = world("(call $callDataCopy (i32.const 0) (i32.const 1) (i32.const 2))", 3);
    assert_eq!(output(copied), [8, 9, 0]);
}

#[test]
fn numbers_beyond_128_bits_trap() {
    let rich = U256::from(1) << 128;
    let world = |body: &str, balance| {
        let account = |address, code: Vec<u8>, balance| GenesisAccount {
            address,
            balance,
            code: code.into(),
            ..Default::default()
        };
        World::new(with_constants(body))
            .with_account(account(CONTRACT, with_constants(body), balance))
            .with_account(account(OTHER, vec![], balance))
            .call()
    };
    for body in [
        "(call $getExternalBalance (i32.const 100) (i32.const 0))",
        "(drop (call $call (i64.const 0) (i32.const 120) (i32.const 160) (i32.const 0) (i32.const 0)))",
        "(drop (call $create (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))",
    ] {
        assert!(world(body, rich).burned(), "{body}");
        assert!(world(body, rich - U256::from(1)).succeeded(), "{body}");
    }
    // Without a value nobody looks at the balance.
    let body = "(drop (call $call (i64.const 0) (i32.const 120) (i32.const 0) (i32.const 0) (i32.const 0)))";
    assert!(world(body, rich).succeeded());
}

#[test]
fn the_last_256_blocks_have_hashes() {
    let hash = |number: i64| {
        let body =
            format!("(i32.store (i32.const 32) (call $getBlockHash (i64.const {number}) (i32.const 0)))");
        output(World::new(returning(&body, 36)))
    };
    for number in [44, 45, 299] {
        let expected = [keccak256(number.to_string()).as_slice(), &[0; 4]].concat();
        assert_eq!(hash(number), expected, "{number}");
    }
    for number in [0, 43, 300, 301, i64::MAX, -1, i64::MIN] {
        assert_eq!(hash(number), [&[0; 32][..], &[1, 0, 0, 0]].concat(), "{number}");
    }
}

#[test]
fn storage_keeps_words_as_they_stand_and_clearing_refunds() {
    let world = World::new(with_constants(
        "(i32.store8 (i32.const 31) (i32.const 7)) (call $storageLoad (i32.const 0) (i32.const 32))
         (call $storageStore (i32.const 224) (i32.const 32))",
    ))
    .with_slot(7, 0x1234);
    assert_eq!(world.call().slot(1), Some(U256::from(0x1234)));
    // Of 15,000 no more comes back than half of what is used.
    let world =
        World::new(with_constants("(call $storageStore (i32.const 224) (i32.const 0))")).with_slot(1, 5);
    let ran = world.call();
    assert_eq!(ran.slot(1), Some(U256::ZERO));
    assert_eq!(ran.executed.gas_used, (INTRINSIC_GAS + 5_000) / 2);
}

#[test]
fn a_log_has_its_topics_and_data() {
    let ran = run(
        "(i32.store8 (i32.const 5) (i32.const 0xaa))
         (call $log (i32.const 4) (i32.const 3) (i32.const 2) (i32.const 224) (i32.const 0) (i32.const -1) (i32.const -1))",
    );
    let [log] = &ran.executed.logs[..] else { panic!("one log") };
    let mut second = [0; 32];
    second[5] = 0xaa;
    assert_eq!((log.address, &log.data.data[..]), (CONTRACT, &[0, 0xaa, 0][..]));
    assert_eq!(log.data.topics(), [B256::from(word(1)), B256::from(second)]);
}

#[test]
fn finish_ends_at_once_and_revert_keeps_the_gas_left() {
    let finish = World::new(with_constants(
        "(i32.store8 (i32.const 0) (i32.const 9)) (call $finish (i32.const 0) (i32.const 2)) unreachable",
    ));
    assert_eq!(finish.call().output(), [9, 0]);
    let revert = World::new(with_constants(
        "(call $storageStore (i32.const 0) (i32.const 224)) (call $revert (i32.const 224) (i32.const 32)) unreachable",
    ));
    let ran = revert.call();
    assert_eq!(ran.executed.status, Status::Reverted);
    assert_eq!((ran.gas(), &ran.executed.output[..]), (20_000, &word(1)[..]));
    assert_eq!(ran.slot(0), None);
}

#[test]
fn an_account_that_destroys_itself_leaves_its_balance_and_refunds() {
    let world =
        World::new(with_constants(&format!("(call $selfDestruct (i32.const {OTHER_AT})) unreachable")));
    let ran = world.with(OTHER, vec![]).call();
    assert!(ran.succeeded());
    assert_eq!(ran.account(CONTRACT).unwrap().info, None);
    assert_eq!(ran.balance(OTHER), Some(U256::from(2 * BALANCE)));
    // Half of the 26,000 at most comes back.
    assert_eq!(ran.executed.gas_used, 13_000);
    // An heir who is nobody costs an account, also where there is nothing to inherit.
    for balance in [0, 1] {
        let code = with_constants(&format!("(call $selfDestruct (i32.const {NOBODY_AT}))"));
        let account = GenesisAccount {
            address: CONTRACT,
            balance: U256::from(balance),
            code: code.into(),
            ..Default::default()
        };
        let ran = World::new(vec![]).with_account(account).call();
        assert_eq!(ran.executed.gas_used, INTRINSIC_GAS + 5_000 + 25_000 - 24_000, "{balance}");
    }
}

#[test]
fn copies_take_from_where_they_say() {
    let other = contract("(call $finish (i32.const 0) (i32.const 1))");
    let size = other.len();
    let body = format!(
        "(i32.store (i32.const 0) (call $getExternalCodeSize (i32.const {OTHER_AT})))
         (call $externalCodeCopy (i32.const {OTHER_AT}) (i32.const 4) (i32.const 1) (i32.const 3))"
    );
    let returned = output(World::new(returning(&body, 7)).with(OTHER, other));
    assert_eq!(returned, [&u32::try_from(size).unwrap().to_le_bytes()[..], b"asm"].concat());
    let code = returning("(call $codeCopy (i32.const 0) (i32.const 0) (i32.const 4))", 4);
    assert_eq!(output(World::new(code)), b"\0asm");
}

/// Why the chain refuses a module, from text.
fn refusal(text: &str) -> Option<String> {
    match Program::of_code(&wasm(text), &ChainSpec::EWASM.protocol()) {
        Ok(_) => None,
        Err(ProgramError::Eei(error)) => Some(match error {
            EeiError::Module(_) => "module".into(),
            error => error.to_string(),
        }),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_contract_exports_main_and_memory_and_imports_functions_of_the_interface() {
    let good = r#"(memory (export "memory") 1) (func (export "main"))"#;
    assert_eq!(refusal(&format!("(module {good})")), None);
    let import = |import: &str| refusal(&format!("(module (import {import}) {good})"));
    for function in [
        r#""ethereum" "useGas" (func (param i64))"#,
        r#""ethereum" "getReturnDataSize" (func (result i32))"#,
        r#""debug" "printMemHex" (func (param i32 i32))"#,
    ] {
        assert_eq!(import(function), None, "{function}");
    }
    let cases = [
        (import(r#""ethereum" "useGas" (func (param i32))"#), "has type [i32] -> []"),
        (import(r#""ethereum" "useGas" (func (param i64) (result i32))"#), "has type"),
        (import(r#""ethereum" "useGas" (func (param i64 i64))"#), "has type"),
        (import(r#""ethereum" "getGas" (func (result i64))"#), "is unknown"),
        (import(r#""ethereum" "create2" (func (param i32 i32 i32 i32 i32) (result i32))"#), "is unknown"),
        (import(r#""ethereum" "getChainId" (func (param i32))"#), "is unknown"),
        (import(r#""ethereum" "useGas" (global i64)"#), "is a global"),
        (import(r#""env" "useGas" (func (param i64))"#), "is unknown"),
        (import(r#""vm_hooks" "msg_reentrant" (func (result i32))"#), "is unknown"),
        (import(r#""" "" (func)"#), "is unknown"),
        (import(r#""ethereum" "memory" (memory 1)"#), "module"),
        (
            refusal(r#"(module (memory (export "memory") 1) (func (export "main") (param i32)))"#),
            "`main` is a function of type",
        ),
        (
            refusal(
                r#"(module (memory (export "memory") 1) (func (export "main") (result i32) i32.const 0))"#,
            ),
            "`main` is a function of type",
        ),
        (
            refusal(r#"(module (memory (export "memory") 1) (global (export "main") i32 (i32.const 0)))"#),
            "`main` is a global",
        ),
        (refusal(r#"(module (memory (export "memory") 1))"#), "`main` is missing"),
        (refusal(r#"(module (memory 1) (func (export "main")))"#), "`memory` is missing"),
        (
            refusal(r#"(module (memory 1) (func (export "main") (export "memory")))"#),
            "`memory` is a function",
        ),
        (refusal(&format!(r#"(module {good} (func (export "extra")))"#)), "`extra` is one too many"),
        (refusal(&format!(r#"(module {good} (export "again" (memory 0)))"#)), "`again` is one too many"),
        (refusal(&format!("(module {good} (func $s) (start $s))")), "module"),
        (
            refusal(
                r#"(module (memory (export "memory") 1) (func (export "main") i32.const 1 i32.extend8_s drop))"#,
            ),
            "module",
        ),
    ];
    for (found, expected) in cases {
        let found = found.unwrap_or_else(|| panic!("not refused: {expected}"));
        assert!(found.contains(expected), "{found}: {expected}");
    }
    // Calling what the pre-state holds of such is an exceptional halt.
    let ran = World::new(wasm("(module)")).call();
    assert!(ran.burned());
    assert!(ran.executed.failure.unwrap().to_string().contains("export `main` is missing"));
}
