//! Limits: sizes of code and data, edges of memory, work that gas must bound, and modules that are odd but valid.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

// The allocator of the VM's tests, which counts what a thread asks for.
#[path = "../../vm/tests/support/allocations.rs"]
mod allocations;
mod support;

use allocations::counted;
use alloy_eips::BlockId;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_rpc_types_eth::{TransactionRequest, state::AccountOverride};
use lathe_gas::{CostClass, HostFunction, Schedule};
use support::{
    Devnet, GAS, compressed, created, envelope,
    evm::{self, Evm},
    returns,
    script::{ALL, Output, SCRIPT, Script},
    wasm, wat_string, word,
};

/// A module whose binary has this many bytes, by a custom section.
fn module_of(bytes: usize) -> Vec<u8> {
    let module = wasm(
        r#"(module (memory (export "memory") 0)
            (func (export "user_entrypoint") (param i32) (result i32) (i32.const 0)))"#,
    );
    // Section 0, its length in 5 bytes of LEB128, an empty name.
    let body = bytes - module.len() - 6;
    let length = u32::try_from(body).unwrap();
    let mut section = vec![0];
    section.extend((0..5).map(|index| {
        let part = u8::try_from((length >> (7 * index)) & 0x7F).unwrap();
        if index < 4 { part | 0x80 } else { part }
    }));
    let mut random = 1u64;
    section.push(0);
    // Bytes that do not compress.
    section.extend((1..body).map(|_| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random.to_be_bytes()[0]
    }));
    let module = [module, section].concat();
    assert_eq!(module.len(), bytes);
    module
}

#[test]
fn evm_creation_data_has_at_most_49152_bytes_however_it_comes() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let relay = devnet.deploy_evm(
        &Evm::new()
            .op(evm::CALLDATASIZE)
            .push(0)
            .push(0)
            .op(evm::CALLDATACOPY)
            .op(evm::CALLDATASIZE)
            .push(0)
            .push(0)
            .op(evm::CREATE)
            .push(0)
            .op(evm::MSTORE)
            .ret(32)
            .0,
    );
    for (bytes, fits) in [(49_152, true), (49_153, false)] {
        let data = vec![0; bytes];
        let request =
            TransactionRequest { to: Some(TxKind::Create), ..Default::default() }.input(data.clone().into());
        assert_eq!(
            devnet.0.call(request, BlockId::latest(), None, None).is_ok(),
            fits,
            "{bytes}, transaction"
        );
        assert_eq!(devnet.call(relay, data.clone()).is_ok(), fits, "{bytes}, CREATE");
        let steps = Script::new().call(script, 0, 10_000_000, Script::new().create1(0, &data));
        let output = devnet.call(script, steps.0).unwrap();
        assert_eq!(Output(&output).reply().0 == 0, fits, "{bytes}, create1");
    }
    // A program may be longer, through EVM code too.
    let program = envelope(0, &module_of(60_000), &[]);
    assert!(!U256::from_be_slice(&devnet.call(relay, program.clone()).unwrap()).is_zero());
    let output = devnet.call(script, Script::new().create1(0, &program).0).unwrap();
    assert!(!Output(&output).creation().0.is_zero());
}

#[test]
fn code_and_modules_have_limits_to_the_byte() {
    let devnet = Devnet::new();
    let deploys = |data: Vec<u8>| {
        let receipt = devnet.send(TxKind::Create, data, 0, 100_000_000);
        (receipt.success, receipt.failure.unwrap_or_default())
    };
    assert!(deploys(returns(&vec![0; 24_576])).0);
    assert!(!deploys(returns(&vec![0; 24_577])).0);
    let (fits, failure) = deploys(envelope(0, &module_of(256 * 1024 - 3), &[]));
    assert!(fits, "{failure}");
    let (fits, failure) = deploys(envelope(0, &module_of(256 * 1024 - 2), &[]));
    assert!(!fits && failure.contains("262145"), "{failure}");
    // 512 KiB decompressed: the random bytes once, the rest zeros.
    let with_zeros = |bytes: usize| {
        let mut module = module_of(bytes);
        let start = module.len() - (bytes - 1_000);
        module[start..].fill(0);
        envelope(1, &compressed(&module), &[])
    };
    let (fits, failure) = deploys(with_zeros(512 * 1024));
    assert!(fits, "{failure}");
    let (fits, failure) = deploys(with_zeros(512 * 1024 + 1));
    assert!(!fits && failure.contains("limit"), "{failure}");
    let bomb = envelope(1, &compressed(&vec![0; 64 << 20]), &[]);
    let (fits, failure) = deploys(bomb);
    assert!(!fits && failure.contains("limit"), "{failure}");
}

#[test]
fn creation_data_of_a_program_has_at_most_320_kib() {
    let devnet = Devnet::new();
    let module = wasm(
        r#"(module (memory (export "memory") 0)
            (func (export "user_entrypoint") (param i32) (result i32) (i32.const 0)))"#,
    );
    for (bytes, fits) in [(320 * 1024, true), (320 * 1024 + 1, false)] {
        let arguments = vec![0; bytes - 8 - module.len()];
        let data = envelope(2, &module, &arguments);
        assert_eq!(data.len(), bytes);
        let request =
            TransactionRequest { to: Some(TxKind::Create), ..Default::default() }.input(data.into());
        assert_eq!(devnet.0.call(request, BlockId::latest(), None, None).is_ok(), fits);
    }
}

/// A pointer one byte too far traps, and nothing was charged for the work, nothing was done.
#[test]
fn pointers_reach_the_last_byte_of_memory_and_no_further() {
    let devnet = Devnet::new();
    let target = devnet.deploy_evm(&[0; 40]);
    // Each row: the host function, its type, its arguments with `$P` for the pointer, bytes it touches there.
    let rows: &[(&str, &str, &str, u32)] = &[
        ("read_args", "(param i32)", "P", 100),
        ("write_result", "(param i32 i32)", "P 100", 100),
        ("storage_load_bytes32", "(param i32 i32)", "P 0", 32),
        ("storage_load_bytes32", "(param i32 i32)", "0 P", 32),
        ("storage_cache_bytes32", "(param i32 i32)", "P 0", 32),
        ("storage_cache_bytes32", "(param i32 i32)", "0 P", 32),
        ("transient_load_bytes32", "(param i32 i32)", "P 0", 32),
        ("transient_load_bytes32", "(param i32 i32)", "0 P", 32),
        ("transient_store_bytes32", "(param i32 i32)", "P 0", 32),
        ("transient_store_bytes32", "(param i32 i32)", "0 P", 32),
        ("call_contract", "(param i32 i32 i32 i32 i64 i32) (result i32)", "P 0 0 64 9 32", 20),
        ("call_contract", "(param i32 i32 i32 i32 i64 i32) (result i32)", "0 P 100 64 9 32", 100),
        ("call_contract", "(param i32 i32 i32 i32 i64 i32) (result i32)", "0 0 0 P 9 32", 32),
        ("call_contract", "(param i32 i32 i32 i32 i64 i32) (result i32)", "0 0 0 64 9 P", 4),
        ("delegate_call_contract", "(param i32 i32 i32 i64 i32) (result i32)", "0 P 100 9 32", 100),
        ("delegate_call_contract", "(param i32 i32 i32 i64 i32) (result i32)", "0 0 0 9 P", 4),
        ("static_call_contract", "(param i32 i32 i32 i64 i32) (result i32)", "P 0 0 9 32", 20),
        ("static_call_contract", "(param i32 i32 i32 i64 i32) (result i32)", "0 0 0 9 P", 4),
        ("create1", "(param i32 i32 i32 i32 i32)", "P 100 64 32 32", 100),
        ("create1", "(param i32 i32 i32 i32 i32)", "64 0 P 32 32", 32),
        ("create1", "(param i32 i32 i32 i32 i32)", "64 0 64 P 32", 20),
        ("create1", "(param i32 i32 i32 i32 i32)", "64 0 64 32 P", 4),
        ("create2", "(param i32 i32 i32 i32 i32 i32)", "64 0 64 P 32 32", 32),
        ("create2", "(param i32 i32 i32 i32 i32 i32)", "64 0 64 64 P 32", 20),
        ("create2", "(param i32 i32 i32 i32 i32 i32)", "64 0 64 64 32 P", 4),
        ("emit_log", "(param i32 i32 i32)", "P 100 2", 100),
        ("account_balance", "(param i32 i32)", "P 32", 20),
        ("account_balance", "(param i32 i32)", "0 P", 32),
        ("account_codehash", "(param i32 i32)", "P 32", 20),
        ("account_codehash", "(param i32 i32)", "0 P", 32),
        ("account_code_size", "(param i32) (result i32)", "P", 20),
        ("account_code", "(param i32 i32 i32 i32) (result i32)", "P 0 40 64", 20),
        ("account_code", "(param i32 i32 i32 i32) (result i32)", "0 0 40 P", 40),
        ("account_code", "(param i32 i32 i32 i32) (result i32)", "0 10 100 P", 30),
        ("native_keccak256", "(param i32 i32 i32)", "P 100 0", 100),
        ("native_keccak256", "(param i32 i32 i32)", "0 100 P", 32),
        ("block_basefee", "(param i32)", "P", 32),
        ("tx_gas_price", "(param i32)", "P", 32),
        ("msg_value", "(param i32)", "P", 32),
        ("msg_sender", "(param i32)", "P", 20),
        ("tx_origin", "(param i32)", "P", 20),
        ("block_coinbase", "(param i32)", "P", 20),
        ("contract_address", "(param i32)", "P", 20),
        ("math_div", "(param i32 i32)", "P 0", 32),
        ("math_div", "(param i32 i32)", "0 P", 32),
        ("math_pow", "(param i32 i32)", "P 0", 32),
        ("math_pow", "(param i32 i32)", "0 P", 32),
        ("math_mod", "(param i32 i32)", "P 0", 32),
        ("math_mod", "(param i32 i32)", "0 P", 32),
        ("math_add_mod", "(param i32 i32 i32)", "P 0 0", 32),
        ("math_add_mod", "(param i32 i32 i32)", "0 P 0", 32),
        ("math_add_mod", "(param i32 i32 i32)", "0 0 P", 32),
        ("math_mul_mod", "(param i32 i32 i32)", "P 0 0", 32),
        ("math_mul_mod", "(param i32 i32 i32)", "0 P 0", 32),
        ("math_mul_mod", "(param i32 i32 i32)", "0 0 P", 32),
        // Nothing was returned: a pointer to no bytes may stand at the end of memory.
        ("read_return_data", "(param i32 i32 i32) (result i32)", "P 0 100", 0),
        ("log_txt", "(param i32 i32)", "P 100", 100),
    ];
    // Every function is here but those whose arguments are only numbers.
    let numbers = ["exit_early", "storage_flush_cache", "pay_for_memory_grow"];
    for function in HostFunction::ALL {
        let has_pointer = matches!(function.module(), "vm_hooks") && !function.params().is_empty();
        let is_here = rows.iter().any(|(name, ..)| *name == function.name());
        assert!(is_here || !has_pointer || numbers.contains(&function.name()), "{function} has no row");
    }
    for (name, ty, arguments, touched) in rows {
        let function = HostFunction::ALL.iter().find(|function| function.name() == *name).unwrap();
        let module = function.module();
        let run = |pointer: u32, before: &str| {
            let types: Vec<&str> =
                ty.split(')').next().unwrap().trim_start_matches("(param").split_whitespace().collect();
            let pushes: Vec<String> = arguments
                .split_whitespace()
                .zip(types)
                .map(|(argument, ty)| {
                    let value = if argument == "P" { pointer.to_string() } else { argument.to_string() };
                    format!("({ty}.const {value})")
                })
                .collect();
            let code = wasm(&format!(
                r#"(module
                (import "{module}" "{name}" (func $f {ty}))
                (memory (export "memory") 1)
                (data (i32.const 0) "{}")
                (func (export "user_entrypoint") (param i32) (result i32)
                    {} {before} (call $f) {} (i32.const 0)))"#,
                wat_string(target.as_slice()),
                pushes.join(" "),
                if ty.contains("result") { "drop" } else { "" },
            ));
            let meter = Address::repeat_byte(0x51);
            let overridden = AccountOverride {
                code: Some([&[0xEF, 0x4C, 0x00][..], &code].concat().into()),
                ..Default::default()
            };
            // Called by a program, so that the gas of a failed call can be seen.
            let steps = Script::new().ink().call(meter, 0, 200_000, [0; 100]).ink();
            let request = TransactionRequest::default().to(*SCRIPT_AT).input(steps.0.into());
            let overrides = [(meter, overridden), (*SCRIPT_AT, script_override())].into_iter().collect();
            let output = devnet.0.call(request, BlockId::latest(), Some(overrides), None).unwrap().output;
            let mut output = Output(&output);
            let before = output.u64();
            let status = output.reply().0;
            (status, (before - output.u64()) / 10_000)
        };
        assert_eq!(run(65_536 - touched, "nop").0, 0, "{name} {arguments}: the last byte");
        assert_eq!(run(u32::MAX, "nop").0, 1, "{name} {arguments}: the end of the address space");
        let (status, spent) = run(65_536 - touched + 1, "nop");
        assert_eq!(status, 1, "{name} {arguments}: one byte further");
        let (_, without) = run(65_536 - touched + 1, "unreachable");
        // The length of an account's code is known only when its account is paid for.
        let work = if *name == "account_code" && arguments.ends_with('P') { 2_600 } else { 0 };
        let call = Schedule::V4.class(CostClass::Call).small;
        let moved = Schedule::V4.value_moved * u32::try_from(function.params().len()).unwrap();
        let crossing = u64::from(function.base_ink() + call + moved);
        let most = without + work + crossing.div_ceil(10_000);
        assert!(spent <= most, "{name} {arguments}: {spent} of {most}");
    }
}

static SCRIPT_AT: &Address = &Address::repeat_byte(0x50);

fn script_override() -> AccountOverride {
    let code = [&[0xEF, 0x4C, 0x00][..], &wasm(SCRIPT)].concat();
    AccountOverride { code: Some(code.into()), ..Default::default() }
}

#[test]
fn lengths_that_leave_memory_trap() {
    let devnet = Devnet::new();
    for call in [
        "(call $write_result (i32.const 0) (i32.const -1))",
        "(call $write_result (i32.const 65537) (i32.const 0))",
        "(call $emit_log (i32.const 0) (i32.const -1) (i32.const 4))",
        "(call $emit_log (i32.const 0) (i32.const 64) (i32.const -1))",
        "(call $emit_log (i32.const 0) (i32.const 64) (i32.const 3))",
        "(call $emit_log (i32.const 0) (i32.const 0) (i32.const 0x8000000))",
        "(call $keccak (i32.const 0) (i32.const -1) (i32.const 0))",
    ] {
        let text = format!(
            r#"(module
            (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
            (import "vm_hooks" "emit_log" (func $emit_log (param i32 i32 i32)))
            (import "vm_hooks" "native_keccak256" (func $keccak (param i32 i32 i32)))
            (memory (export "memory") 1)
            (func (export "user_entrypoint") (param i32) (result i32) {call} (i32.const 0)))"#
        );
        let receipt = devnet.send(TxKind::Call(devnet.deploy(&text)), Bytes::new(), 0, GAS);
        assert!(!receipt.success && receipt.gas_used < 100_000, "{call}: {:?}", receipt.failure);
    }
}

#[test]
fn large_calldata_logs_and_outputs_pass() {
    let devnet = Devnet::new();
    let echo = devnet.deploy(
        r#"(module
        (import "vm_hooks" "read_args" (func $read_args (param i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (import "vm_hooks" "emit_log" (func $emit_log (param i32 i32 i32)))
        (memory (export "memory") 16)
        (func (export "user_entrypoint") (param $length i32) (result i32)
            (call $read_args (i32.const 0))
            (call $emit_log (i32.const 0) (local.get $length) (i32.const 0))
            (call $write_result (i32.const 0) (local.get $length))
            (i32.const 0)))"#,
    );
    let data: Vec<u8> = (0..100_000u32).map(|index| index.to_le_bytes()[0]).collect();
    let receipt = devnet.send(TxKind::Call(echo), data.clone(), 0, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
    assert_eq!(receipt.logs[0].data.data, data);
    assert_eq!(devnet.call(echo, data.clone()).unwrap(), data);
}

/// The pages that suspended frames hold count against a budget of the transaction: 256 MiB.
#[test]
fn frames_together_hold_at_most_4096_pages() {
    let devnet = Devnet::new();
    // Holds 256 pages and calls itself; returns how many frames could be made.
    let hog = devnet.deploy(
        r#"(module
        (import "vm_hooks" "contract_address" (func $me (param i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
        (import "vm_hooks" "read_return_data" (func $read_return_data (param i32 i32 i32) (result i32)))
        (memory (export "memory") 255)
        (func (export "user_entrypoint") (param i32) (result i32)
            (if (i32.ne (memory.grow (i32.const 1)) (i32.const 255)) (then (return (i32.const 1))))
            (call $me (i32.const 0))
            (if (i32.eqz (call $call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i64.const -1) (i32.const 32)))
                (then (drop (call $read_return_data (i32.const 128) (i32.const 0) (i32.const 4)))))
            (i32.store (i32.const 128) (i32.add (i32.load (i32.const 128)) (i32.const 1)))
            (call $write_result (i32.const 128) (i32.const 4))
            (i32.const 0)))"#,
    );
    for _ in 0..2 {
        assert_eq!(devnet.call(hog, Bytes::new()).unwrap()[..], 16u32.to_le_bytes());
    }
}

/// So do the value slots: 8 MiB. A frame that finds too few ends as one that recursed too deep.
#[test]
fn frames_together_hold_at_most_1048576_value_slots() {
    let devnet = Devnet::new();
    // Recurses to fill most of a stack, then calls itself; returns how many frames could be made.
    let hog = devnet.deploy(&format!(
        r#"(module
        (import "vm_hooks" "contract_address" (func $me (param i32)))
        (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
        (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
        (import "vm_hooks" "read_return_data" (func $read_return_data (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func $deep (param i32) (local {})
            (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else
                (if (i32.eqz (call $call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i64.const -1) (i32.const 32)))
                    (then (drop (call $read_return_data (i32.const 128) (i32.const 0) (i32.const 4))))))))
        (func (export "user_entrypoint") (param i32) (result i32)
            (call $me (i32.const 0))
            (call $deep (i32.const 14))
            (i32.store (i32.const 128) (i32.add (i32.load (i32.const 128)) (i32.const 1)))
            (call $write_result (i32.const 128) (i32.const 4))
            (i32.const 0)))"#,
        "i64 ".repeat(4_096)
    ));
    // Fifteen times 4,096 locals and a little, of 65,536: seventeen such frames fit in 1,048,576.
    assert_eq!(devnet.call(hog, Bytes::new()).unwrap()[..], 17u32.to_le_bytes());
    let receipt = devnet.send(TxKind::Call(hog), Bytes::new(), 0, 100_000_000);
    assert!(receipt.success, "{:?}", receipt.failure);
}

/// Passing much memory as calldata is free for EVM code, so a program's frame must not copy it unpaid.
#[test]
fn calldata_that_is_not_read_is_not_copied() {
    let devnet = Devnet::new();
    let program = devnet.deploy(
        r#"(module (memory (export "memory") 0)
            (func (export "user_entrypoint") (param i32) (result i32) (i32.const 0)))"#,
    );
    // Calls the program with 2 MiB again and again, while there is gas.
    let bytes = 2 << 20;
    let start = 9 * 3 + 1;
    let mut code = Evm::new().run(evm::MSTORE8, &[bytes - 1, 1]).0;
    let loop_at = u8::try_from(code.len()).unwrap();
    assert!(u64::from(loop_at) < start + 1);
    code.push(0x5B);
    code.extend(
        Evm::new()
            .push(0)
            .push(0)
            .push(bytes)
            .push(0)
            .push(0)
            .address(program)
            .push(0)
            .op(evm::CALL)
            .op(evm::POP)
            .0,
    );
    code.extend([0x60, loop_at, 0x56]);
    let contract = devnet.deploy_evm(&code);
    let (receipt, asked) = counted(|| devnet.send(TxKind::Call(contract), Bytes::new(), 0, 20_000_000));
    assert!(!receipt.success);
    // The EVM asked for its memory; a copy for each call would be tens of GiB.
    assert!(asked.total >= bytes && asked.total < 256 * bytes, "{asked:?}");
    assert!(asked.count > 10_000, "so many calls ask for something each: {asked:?}");
}

/// What a flush looks at stands apart from what was read (`StorageCache`), so that flushes of nothing are as many as their
/// crossings pay for.
#[test]
fn flushes_of_nothing_pay_for_their_crossings() {
    let devnet = Devnet::new();
    // Caches 2,000 slots, then flushes nothing as long as there is gas: about a million times.
    let flusher = devnet.deploy(
        r#"(module
        (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
        (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
        (memory (export "memory") 1)
        (func (export "user_entrypoint") (param i32) (result i32)
            (loop $read
                (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
                (call $load (i32.const 0) (i32.const 32))
                (br_if $read (i32.lt_u (i32.load (i32.const 0)) (i32.const 2000))))
            (loop $forever (call $flush (i32.const 0)) (br $forever))
            (i32.const 0)))"#,
    );
    let receipt = devnet.send(TxKind::Call(flusher), Bytes::new(), 0, 6_000_000);
    assert!(!receipt.success);
    assert_eq!(receipt.gas_used, 6_000_000, "running out of gas burns all of it");
}

#[test]
fn odd_modules_run_or_are_refused_with_words() {
    let devnet = Devnet::new();
    let memory = r#"(memory (export "memory") 1)"#;
    let entry = r#"(func (export "user_entrypoint") (param i32) (result i32) (i32.const 0))"#;
    let refused = [
        (
            format!(r#"(module (import "env" "memory" (memory 1)) (export "memory" (memory 0)) {entry})"#),
            "env.memory",
        ),
        (format!(r#"(module (memory 1) {memory} {entry})"#), "memor"),
        (format!("(module {memory} {entry} (func $s) (start $s))"), "start"),
        (format!(r#"(module {memory} (func (export "user_entrypoint") (param i32)))"#), "user_entrypoint"),
        (
            format!(r#"(module {memory} (func (export "user_entrypoint") (result i32) (i32.const 0)))"#),
            "user_entrypoint",
        ),
        (
            format!(r#"(module {memory} (global (export "user_entrypoint") i32 (i32.const 0)))"#),
            "user_entrypoint",
        ),
        (format!(r#"(module {entry} (global (export "memory") i32 (i32.const 0)))"#), "memory"),
        (format!("(module {entry})"), "memory"),
        (format!("(module {memory})"), "user_entrypoint"),
        (format!(r#"(module (import "vm_hooks" "nothing" (func)) {memory} {entry})"#), "nothing"),
        (format!(r#"(module (import "vm_hooks" "exit_early" (func)) {memory} {entry})"#), "exit_early"),
        (
            format!(r#"(module (import "ethereum" "finish" (func (param i32 i32))) {memory} {entry})"#),
            "finish",
        ),
    ];
    for (text, words) in refused {
        let receipt = devnet.try_deploy(envelope(0, &wasm(&text), &[]));
        let failure = receipt.failure.unwrap_or_default();
        assert!(!receipt.success && failure.contains(words), "{text}: {failure}");
    }
    let runs = [
        // The entrypoint is a host function: it looks for an address in no memory.
        (
            r#"(module (import "vm_hooks" "account_code_size" (func (param i32) (result i32)))
            (export "user_entrypoint" (func 0)) (memory (export "memory") 1))"#
                .to_string(),
            false,
        ),
        (format!(r#"(module (memory (export "memory") (export "other") 1) {entry})"#), true),
        (format!(r#"(module (memory (export "memory") 0) {entry})"#), true),
        (
            format!(
                r#"(module {memory} (func $e (export "user_entrypoint") (param i32) (result i32)
            (call $e (local.get 0))))"#
            ),
            false,
        ),
        (
            format!(
                r#"(module {memory} (func $e (export "user_entrypoint") (param i32) (result i32)
            (return_call $e (local.get 0))))"#
            ),
            false,
        ),
        (format!(r#"(module (memory (export "memory") 256) {entry})"#), true),
        (format!(r#"(module {memory} {entry} (data (i32.const 65536) "x"))"#), false),
        (format!(r#"(module {memory} {entry} (table 1 funcref) (elem (i32.const 1) func 0))"#), false),
        (format!(r#"(module {memory} {entry} (data (i32.const 65536) ""))"#), true),
        (
            format!(
                r#"(module (import "vm_hooks" "exit_early" (func $exit (param i32))) {memory}
            (func (export "user_entrypoint") (param i32) (result i32) (call $exit (i32.const 0)) unreachable))"#
            ),
            true,
        ),
        (
            format!(
                r#"(module (import "vm_hooks" "exit_early" (func $exit (param i32))) {memory}
            (func (export "user_entrypoint") (param i32) (result i32) (call $exit (i32.const -1)) unreachable))"#
            ),
            false,
        ),
    ];
    for (text, succeeds) in runs {
        let contract = created(&devnet.try_deploy(envelope(0, &wasm(&text), &[])));
        let receipt = devnet.send(TxKind::Call(contract), word(1), 0, 1_000_000);
        assert_eq!(receipt.success, succeeds, "{text}: {:?}", receipt.failure);
        // As a constructor, too.
        let receipt = devnet.send(TxKind::Create, envelope(2, &wasm(&text), &[]), 0, 2_000_000);
        assert_eq!(receipt.success, succeeds, "{text}: {:?}", receipt.failure);
    }
}

#[test]
fn random_creation_data_never_stops_the_node() {
    let devnet = Devnet::new();
    let module = wasm(SCRIPT);
    let mut random = 7u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    for round in 0..600 {
        let flags = u8::try_from(next(4)).unwrap();
        let body = if flags & 1 != 0 { compressed(&module) } else { module.clone() };
        let mut data = match round % 4 {
            0 => envelope(flags, &body, &[]),
            1 => module.clone(),
            2 => returns(&[&[0xEF, 0xF0, 0, 0][..], &compressed(&module)].concat()),
            _ => (0..next(200)).map(|_| u8::try_from(next(256)).unwrap()).collect(),
        };
        for _ in 0..next(4) {
            if !data.is_empty() {
                let at = next(data.len());
                data[at] = u8::try_from(next(256)).unwrap();
            }
        }
        if next(8) == 0 {
            data.truncate(next(data.len() + 1));
        }
        if round % 10 == 0 {
            let request = TransactionRequest { to: Some(TxKind::Create), ..Default::default() }
                .input(data.clone().into());
            let _ = devnet.0.estimate_gas(request, BlockId::latest(), None);
        }
        let receipt = devnet.send(TxKind::Create, data, 0, 5_000_000);
        if let Some(contract) = receipt.contract_address {
            let _ = devnet.send(TxKind::Call(contract), Script::new().store(1, 1).0, 0, 1_000_000);
            let _ = devnet.call(contract, Script::new().call(contract, 0, ALL, b"").0);
        }
    }
}
