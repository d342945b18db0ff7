//! What touches the world costs a program what it costs EVM code, to the ink: the rest is the crossing.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use alloy_eips::{
    BlockId,
    eip2930::{AccessList, AccessListItem},
};
use alloy_primitives::{Address, B256, TxKind, U256, address};
use alloy_rpc_types_eth::{TransactionRequest, state::AccountOverride};
use lathe_gas::{CostClass, HostFunction as F, INK_PER_GAS, Schedule};
use support::{
    Devnet, GAS, envelope,
    evm::{self, Evm},
    returns,
    script::{ALL, Output, SCRIPT, Script},
    wasm, wat_string, word,
};

/// Where the contract that measures stands, whatever it is.
const METER: Address = Address::repeat_byte(0x51);
/// An account with code, one with a balance only, and one that does not exist.
const CONTRACT: Address = Address::repeat_byte(0x52);
const PERSON: Address = Address::repeat_byte(0x53);
const NOBODY: Address = Address::repeat_byte(0x54);
/// An account that delegates to the contract.
const DELEGATED: Address = Address::repeat_byte(0x55);

/// Places in the memory of both contracts.
const TARGET: u64 = 0x100;
const VALUE: u64 = 0x140;
const KEY: u64 = 0x180;
const NEW: u64 = 0x1C0;
const OUT: u64 = 0x200;
const INIT: u64 = 0x300;

/// An operation, as EVM code and as a host call.
struct Operation {
    /// EVM instruction and its arguments from the top of the stack.
    evm: (u8, Vec<Push>),
    /// Host function and its arguments.
    wasm: (F, Vec<u64>),
    /// Bytes that the host call copies between guest and world, at 3 gas a word, where the EVM copies nothing.
    bytes_copied: u64,
    target: Address,
    /// The value sent.
    value: u64,
    /// What slot 1 holds before, and what is written to it.
    old: u64,
    new: u64,
}

/// An argument of an EVM instruction.
#[derive(Clone, Copy)]
enum Push {
    Number(u64),
    Target,
}
use Push::{Number as N, Target as T};

fn operation(evm: (u8, Vec<Push>), wasm: (F, Vec<u64>)) -> Operation {
    Operation { evm, wasm, bytes_copied: 0, target: CONTRACT, value: 0, old: 0, new: 0 }
}

struct Bench(Devnet);

impl Bench {
    /// Runs a contract with the world around it; everything but itself is cold or warm.
    fn run(&self, code: Vec<u8>, operation: &Operation, warm: bool) -> Vec<u8> {
        let account = |code: Vec<u8>, balance: u64| AccountOverride {
            code: Some(code.into()),
            balance: Some(U256::from(balance)),
            ..Default::default()
        };
        let meter = AccountOverride {
            state: Some([(B256::from(word(1)), B256::from(word(operation.old)))].into_iter().collect()),
            ..account(code, 1_000)
        };
        let delegation = [&[0xEF, 0x01, 0x00][..], CONTRACT.as_slice()].concat();
        let overrides = [
            (METER, meter),
            (CONTRACT, account(vec![0; 100], 1)),
            (PERSON, account(vec![], 1)),
            (DELEGATED, account(delegation, 1)),
        ];
        let item = |address, storage_keys| AccessListItem { address, storage_keys };
        let mut access: Vec<_> =
            [CONTRACT, PERSON, NOBODY, DELEGATED].map(|address| item(address, vec![])).into();
        access.push(item(METER, vec![B256::from(word(1))]));
        let request = TransactionRequest {
            access_list: warm.then_some(AccessList(access)),
            ..TransactionRequest::default().to(METER)
        };
        let overrides = Some(overrides.into_iter().collect());
        self.0.0.call(request, BlockId::latest(), overrides, None).unwrap().output.to_vec()
    }

    /// Returns the gas of the EVM instruction alone.
    fn evm_gas(&self, operation: &Operation, warm: bool) -> u64 {
        let (opcode, arguments) = &operation.evm;
        let has_result = !matches!(*opcode, evm::SSTORE | evm::TSTORE | evm::EXTCODECOPY | evm::LOG0..=0xA4);
        let mut code = Evm::new().run(evm::MSTORE, &[0x4000, 0]).op(evm::GAS);
        for argument in arguments.iter().rev() {
            code = match argument {
                N(number) => code.push(*number),
                T => code.address(operation.target),
            };
        }
        code = code.op(*opcode);
        if has_result {
            code = code.op(evm::POP);
        }
        code = code.op(evm::GAS).op(evm::SWAP1).op(evm::SUB).push(0).op(evm::MSTORE).ret(32);
        let spent: u64 = U256::from_be_slice(&self.run(code.0, operation, warm)).to();
        spent - 3 * arguments.len() as u64 - 2 * u64::from(has_result) - 2
    }

    /// Returns the ink of the host call alone, without the crossing.
    fn wasm_ink(&self, operation: &Operation, warm: bool) -> u64 {
        let (function, arguments) = &operation.wasm;
        let types: Vec<String> =
            function.params().iter().map(|ty| format!("{ty:?}").to_lowercase()).collect();
        let result = function.result().map(|ty| format!("(result {ty:?})").to_lowercase());
        let pushes: Vec<String> = arguments
            .iter()
            .zip(&types)
            .map(|(value, ty)| format!("({ty}.const {})", value.cast_signed()))
            .collect();
        // What a flush writes is in the cache before.
        let cached = match function {
            F::StorageFlushCache => format!("(call $cache (i32.const {KEY}) (i32.const {NEW}))"),
            _ => String::new(),
        };
        let code = wasm(&format!(
            r#"(module
            (import "vm_hooks" "evm_ink_left" (func $ink (result i64)))
            (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
            (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
            (import "vm_hooks" "{name}" (func $operation (param {params}) {result}))
            (memory (export "memory") 1)
            (data (i32.const {TARGET}) "{target}")
            (data (i32.const {VALUE}) "{value}")
            (data (i32.const {KEY}) "{key}")
            (data (i32.const {NEW}) "{new}")
            (func (export "user_entrypoint") (param i32) (result i32)
                (local $before i64) (local $after i64)
                {cached}
                (local.set $before (call $ink))
                {pushes} (call $operation) {drop}
                (local.set $after (call $ink))
                (i64.store (i32.const 0) (i64.sub (local.get $before) (local.get $after)))
                (call $write_result (i32.const 0) (i32.const 8))
                (i32.const 0)))"#,
            name = function.name(),
            params = types.join(" "),
            result = result.clone().unwrap_or_default(),
            target = wat_string(operation.target.as_slice()),
            value = wat_string(&word(operation.value)),
            key = wat_string(&word(1)),
            new = wat_string(&word(operation.new)),
            pushes = pushes.join(" "),
            drop = if result.is_some() { "drop" } else { "" },
        ));
        let output = self.run([&[0xEF, 0x4C, 0x00][..], &code].concat(), operation, warm);
        let spent = u64::from_le_bytes(output.try_into().unwrap());
        let [moves, call] =
            [CostClass::Move, CostClass::Call].map(|class| u64::from(Schedule::V4.class(class).small));
        let crossing = |function: F| {
            let argument = moves + u64::from(Schedule::V4.value_moved);
            u64::from(function.base_ink()) + call + function.params().len() as u64 * argument
        };
        let drop = if result.is_some() { moves } else { 0 };
        let copied = operation.bytes_copied.div_ceil(32) * 3 * INK_PER_GAS;
        // The first reading is put away.
        spent - crossing(*function) - drop - moves - crossing(F::EvmInkLeft) - copied
    }

    #[track_caller]
    fn check(&self, name: &str, operation: &Operation) {
        let costs = [false, true].map(|warm| {
            let gas = self.evm_gas(operation, warm);
            assert_eq!(self.wasm_ink(operation, warm), gas * INK_PER_GAS, "{name}, warm: {warm}, {gas} gas");
            gas
        });
        assert!(costs[0] >= costs[1], "{name}: {costs:?}");
    }
}

#[test]
fn what_touches_the_world_costs_what_it_costs_evm_code() {
    let bench = Bench(Devnet::new());
    for target in [CONTRACT, PERSON, NOBODY, DELEGATED, METER] {
        let of = |operation: Operation| Operation { target, ..operation };
        let check = |name: &str, operation| bench.check(&format!("{name} of {target}"), &of(operation));
        check("balance", operation((evm::BALANCE, vec![T]), (F::AccountBalance, vec![TARGET, OUT])));
        check("code hash", operation((evm::EXTCODEHASH, vec![T]), (F::AccountCodehash, vec![TARGET, OUT])));
        check("code size", operation((evm::EXTCODESIZE, vec![T]), (F::AccountCodeSize, vec![TARGET])));
        let calls = [
            (evm::CALL, F::CallContract, 0),
            (evm::CALL, F::CallContract, 7),
            // More than there is.
            (evm::CALL, F::CallContract, 5_000),
            (evm::DELEGATECALL, F::DelegateCallContract, 0),
            (evm::STATICCALL, F::StaticCallContract, 0),
        ];
        for (opcode, function, value) in calls {
            if target == METER {
                continue;
            }
            for (gas, bytes) in [(50_000, 0), (0, 0), (50_000, 1_000)] {
                let (mut pushes, mut arguments) = (vec![N(gas), T], vec![TARGET, 0, bytes]);
                if opcode == evm::CALL {
                    pushes.push(N(value));
                    arguments.push(VALUE);
                }
                pushes.extend([N(0), N(bytes), N(0), N(0)]);
                arguments.extend([gas, OUT]);
                let operation = operation((opcode, pushes), (function, arguments));
                let operation = Operation { value, bytes_copied: bytes, ..operation };
                check(&format!("{} with {gas} gas, {value} wei, {bytes} bytes", function.name()), operation);
            }
        }
    }
    for bytes in [0, 1, 32, 33, 100] {
        let copy = operation(
            (evm::EXTCODECOPY, vec![T, N(OUT), N(0), N(bytes)]),
            (F::AccountCode, vec![TARGET, 0, bytes, OUT]),
        );
        bench.check("code copy", &copy);
    }
    bench.check("load", &operation((evm::SLOAD, vec![N(1)]), (F::StorageLoadBytes32, vec![KEY, OUT])));
    bench.check("tload", &operation((evm::TLOAD, vec![N(1)]), (F::TransientLoadBytes32, vec![KEY, OUT])));
    bench.check(
        "tstore",
        &operation((evm::TSTORE, vec![N(1), N(0)]), (F::TransientStoreBytes32, vec![KEY, NEW])),
    );
    for bytes in [0, 1, 32, 33, 5_000] {
        bench.check(
            "keccak",
            &operation((evm::KECCAK256, vec![N(0), N(bytes)]), (F::NativeKeccak256, vec![0, bytes, OUT])),
        );
        for topics in 0..=4u64 {
            let opcode = evm::LOG0 + u8::try_from(topics).unwrap();
            let mut pushes = vec![N(0), N(bytes)];
            pushes.extend((0..topics).map(|_| N(0)));
            let length = bytes + 32 * topics;
            bench.check("log", &operation((opcode, pushes), (F::EmitLog, vec![0, length, topics])));
        }
    }
    for (old, new) in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)] {
        let store = operation((evm::SSTORE, vec![N(1), N(new)]), (F::StorageFlushCache, vec![0]));
        bench.check(&format!("store {new} over {old}"), &Operation { old, new, ..store });
    }
}

#[test]
fn a_creation_costs_what_it_costs_evm_code() {
    let bench = Bench(Devnet::new());
    // Memory is zero, so the init code stops and installs nothing.
    for (value, bytes) in [(0, 0), (0, 1), (5, 33), (0, 4_000), (5_000, 64)] {
        let with = |operation| Operation { value, bytes_copied: bytes, ..operation };
        let create = operation(
            (evm::CREATE, vec![N(value), N(INIT), N(bytes)]),
            (F::Create1, vec![INIT, bytes, VALUE, OUT, OUT + 32]),
        );
        bench.check("create1", &with(create));
        let create2 = operation(
            (evm::CREATE2, vec![N(value), N(INIT), N(bytes), N(0)]),
            (F::Create2, vec![INIT, bytes, VALUE, OUT + 64, OUT, OUT + 32]),
        );
        bench.check("create2", &with(create2));
    }
}

/// Cost and refund of a second write depend on what the slot held before the transaction (EIP-2200, EIP-3529).
#[test]
fn refunds_are_those_of_evm_code() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    // Stores calldata's words in slot 1 one by one, after ten new slots, so that no refund is capped.
    let mut code = Evm::new();
    for key in 100..110 {
        code = code.op(0x36).push(key).op(evm::SSTORE);
    }
    for index in 0..2 {
        code = code.push(32 * index).op(0x35).push(1).op(evm::SSTORE);
    }
    let mirror = devnet.deploy_evm(&code.0);
    let used = |original: u64, values: [u64; 2]| {
        // Ten new slots each time: those of the last run are emptied first.
        let prepare = (100..110).fold(Script::new(), |steps, key| steps.store(key, 0)).store(1, original);
        assert!(devnet.send(TxKind::Call(script), prepare.0, 0, GAS).success);
        let steps = (100..110).fold(Script::new(), |steps, key| steps.store(key, 64));
        let steps = values.iter().fold(steps, |steps, value| steps.store(1, *value));
        let wasm = devnet.send(TxKind::Call(script), steps.0, 0, GAS);
        // The EVM contract's slots are emptied by a state override, and its run is a call.
        let slots = [(B256::from(word(1)), B256::from(word(original)))];
        let overridden = AccountOverride { state: Some(slots.into_iter().collect()), ..Default::default() };
        let calldata = values.map(word).concat();
        let request = TransactionRequest::default().to(mirror).input(calldata.into());
        let overrides = Some([(mirror, overridden)].into_iter().collect());
        let evm = devnet.0.call(request, BlockId::latest(), overrides, None).unwrap();
        assert!(wasm.success);
        (wasm.gas_used, evm.gas_used)
    };
    let (wasm_base, evm_base) = used(0, [0, 0]);
    for original in [0, 1] {
        for values in [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [2, 0], [2, 1], [2, 2], [2, 3]] {
            let (wasm, evm) = used(original, values);
            let [wasm, evm] = [(wasm, wasm_base), (evm, evm_base)]
                .map(|(gas, base)| i64::try_from(gas).unwrap() - i64::try_from(base).unwrap());
            assert_eq!(wasm, evm, "{original} then {values:?}");
        }
    }
}

#[test]
fn a_callee_gets_63_of_64_parts_or_what_it_asks_for() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    devnet.send(TxKind::Call(script), vec![], 100, GAS);
    let gas_left = Evm::new().op(evm::GAS).push(0).op(evm::MSTORE).ret(32);
    let callee = devnet.deploy_evm(&gas_left.0);
    let run = |value, gas| {
        let steps = Script::new().call(callee, 0, 0, b"").ink().call(callee, value, gas, b"");
        let output = devnet.call(script, steps.0).unwrap();
        let mut output = Output(&output);
        output.reply();
        let before = output.u64();
        let got: u64 = U256::from_be_slice(output.reply().1).to();
        (before, got + 2)
    };
    assert_eq!(run(0, 5_000).1, 5_000);
    assert_eq!(run(1, 5_000).1, 7_300, "the stipend comes on top");
    assert_eq!(run(1, 0).1, 2_300);
    for more_than_there_is in [ALL, 100_000_000] {
        let (before, got) = run(0, more_than_there_is);
        // Between the reading and the division are some instructions, the crossing and 100 gas of a warm account.
        let left = before / INK_PER_GAS - 100;
        let least = left - 20;
        assert!((least - least / 64..=left - left / 64).contains(&got), "{got} of {left}");
    }
}

#[test]
fn a_slot_is_not_written_on_the_stipend() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    // Flushes one slot with all gas but `$calldata` spent before, as far as 200 gas at a time go.
    let store = devnet.deploy(
        r#"(module
        (import "vm_hooks" "evm_gas_left" (func $gas (result i64)))
        (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
        (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
        (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
        (memory (export "memory") 1)
        (func (export "user_entrypoint") (param $length i32) (result i32)
            (call $load (i32.const 0) (i32.const 32))
            (call $cache (i32.const 0) (i32.const 32))
            (loop $spend (br_if $spend (i64.gt_u (call $gas) (i64.extend_i32_u (local.get $length)))))
            (call $flush (i32.const 0))
            (i32.const 0)))"#,
    );
    let status = |length: usize| {
        let steps = Script::new().call(store, 0, 100_000, vec![0; length]);
        let output = devnet.call(script, steps.0).unwrap();
        Output(&output).reply().0
    };
    // The write itself costs 100, as nothing changes; some 3 gas are spent after the last reading.
    assert_eq!((status(2_300), status(2_320)), (2, 0));
}

/// Code is paid by its size once a transaction, whoever runs it, and whatever the node has cached.
#[test]
fn loading_code_costs_its_size_once_a_transaction() {
    let devnet = Devnet::new();
    let script = devnet.deploy(SCRIPT);
    let padding = "(data \"x\")".repeat(500);
    let module = wasm(&format!(
        r#"(module (memory (export "memory") 0) {padding}
            (func (export "user_entrypoint") (param i32) (result i32) (i32.const 0)))"#
    ));
    let [first, twin] = [0, 1].map(|_| support::created(&devnet.try_deploy(envelope(0, &module, &[]))));
    let length = module.len() as u64;
    let costs = |calls: &[Script]| {
        let steps = calls.iter().fold(Script::new().balance(first).balance(twin), |mut steps, call| {
            steps = steps.ink();
            steps.0.extend(&call.0);
            steps
        });
        let output = devnet.call(script, steps.ink().0).unwrap();
        let mut output = Output(&output[64..]);
        let mut before = output.u64();
        let costs: Vec<u64> = calls
            .iter()
            .map(|_| {
                assert_eq!(output.reply().0, 0);
                let after = output.u64();
                let cost = (before - after).div_ceil(INK_PER_GAS);
                before = after;
                cost
            })
            .collect();
        costs
    };
    let call = |to| Script::new().call(to, 0, ALL, b"");
    let delegate = |to| Script::new().delegate_call(to, ALL, b"");
    // Read, with the prefix of code that is stored as it is, and loaded: 8 and 64 gas for 32 bytes; again for 100 gas.
    let full = (length + 3).div_ceil(32) * 8 + length.div_ceil(32) * 64 - 100;
    for calls in [[call(first), call(first), call(twin)], [delegate(twin), call(first), call(twin)]] {
        let costs = costs(&calls);
        assert!(costs[0].abs_diff(costs[1] + full) <= 1, "{costs:?}, {full}");
        assert_eq!(costs[1], costs[2], "the same code in another account");
    }
    // Too little to load: exactly what the frame was given is burned.
    let starved = costs_of_failure(&devnet, script, first, full);
    assert_eq!(starved, full);
}

fn costs_of_failure(devnet: &Devnet, script: Address, to: Address, gas: u64) -> u64 {
    let run = |to: Address, gas| {
        let steps = Script::new().balance(to).ink().call(to, 0, gas, b"").ink();
        let output = devnet.call(script, steps.0).unwrap();
        let mut output = Output(&output[32..]);
        let before = output.u64();
        let status = output.reply().0;
        (status, before - output.u64())
    };
    let (status, failed) = run(to, gas);
    let (_, free) = run(address!("00000000000000000000000000000000000000aa"), gas);
    assert_eq!(status, 2);
    (failed - free) / INK_PER_GAS
}

#[test]
fn gas_does_not_depend_on_what_the_node_has_cached() {
    let code = returns(&Evm::new().run(evm::SSTORE, &[1, 1]).0);
    let steps = |script: Address| {
        Script::new()
            .call(script, 0, ALL, Script::new().create1(0, &code))
            .create1(0, &envelope(0, &wasm(SCRIPT), &[]))
    };
    let cold = Devnet::new();
    let script = cold.deploy(SCRIPT);
    let first = cold.send(TxKind::Call(script), steps(script).0, 0, GAS).gas_used;
    let warm = Devnet::new();
    let script = warm.deploy(SCRIPT);
    for _ in 0..3 {
        let _ = warm.call(script, steps(script).0).unwrap();
    }
    assert_eq!(warm.send(TxKind::Call(script), steps(script).0, 0, GAS).gas_used, first);
}
