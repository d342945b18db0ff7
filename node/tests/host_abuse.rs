//! Host functions with hostile arguments, generated over the whole table so that no function is forgotten; and what
//! must not be left of a call when the next one comes.

use alloy_primitives::{Address, U256, keccak256};
use lathe_gas::HostFunction;
use lathe_node::{
    runtime::{FailureKind, code::STORED_PREFIX},
    sandbox::{Error, ErrorKind, Expect, Raw, Sandbox},
};
use lathe_vm::TrapKind;

/// Bytes of the memory of the modules here: a page.
const MEMORY: u64 = 65_536;
/// Gas that no call here should need: a crossing, an account, some copies.
const GAS: u64 = 5_000_000;
/// What an argument is, beside what it should be: zero, the last places where 4, 20 and 32 bytes fit and the places
/// after them, the end of memory, and the ends of 31 and 32 bits.
const HOSTILE: [u64; 14] = [
    0,
    1,
    MEMORY - 33,
    MEMORY - 32,
    MEMORY - 31,
    MEMORY - 20,
    MEMORY - 19,
    MEMORY - 4,
    MEMORY - 3,
    MEMORY,
    MEMORY + 1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 32,
];
/// Ends that are combined for all arguments at once.
const ENDS: [u64; 3] = [0, MEMORY - 1, (1 << 32) - 1];

/// Whether a function is one of the `ethereum` interface, whose contracts are entered at `main`.
fn is_eei(function: HostFunction) -> bool {
    function.module() == "ethereum" || function.name().starts_with("print")
}

/// Puts a contract in the sandbox that calls `function` with arguments from its calldata, 8 bytes each.
fn caller_of(function: HostFunction, sandbox: &mut Sandbox) -> Address {
    let types: Vec<&str> = function.params().iter().map(|&ty| ty.name()).collect();
    let result = function.result().map_or(String::new(), |ty| format!("(result {})", ty.name()));
    let arguments: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(index, ty)| format!("({ty}.load (i32.const {}))", 1_024 + 8 * index))
        .collect();
    let imported = format!(
        r#"(import "{}" "{}" (func $f (param {}) {result}))"#,
        function.module(),
        function.name(),
        types.join(" ")
    );
    let drop = if function.result().is_some() { "drop" } else { "" };
    let call = format!("(call $f {}) {drop}", arguments.join(" "));
    let text = if is_eei(function) {
        let bytes = 8 * types.len();
        format!(
            r#"(module
            (import "ethereum" "callDataCopy" (func $copy (param i32 i32 i32)))
            {imported}
            (memory (export "memory") 1)
            (func (export "main") (call $copy (i32.const 1024) (i32.const 0) (i32.const {bytes})) {call}))"#
        )
    } else {
        format!(
            r#"(module
            (import "vm_hooks" "read_args" (func $read_args (param i32)))
            (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
            {imported}
            (memory (export "memory") 1)
            (func (export "user_entrypoint") (param i32) (result i32)
                (call $read_args (i32.const 1024))
                (call $write_result (i32.const 0) (i32.const 1))
                {call}
                (i32.const 0)))"#
        )
    };
    let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{function}: {error}\n{text}"));
    let contract = Address::repeat_byte(0xca);
    let prefix = if is_eei(function) { &[][..] } else { &STORED_PREFIX };
    sandbox.etch(contract, [prefix, &module].concat());
    contract
}

/// The functions that programs can import.
fn functions() -> impl Iterator<Item = HostFunction> {
    HostFunction::ALL.iter().copied().filter(|&function| !is_eei(function))
}

fn calldata(arguments: &[u64]) -> Raw {
    Raw::from(arguments.iter().flat_map(|argument| argument.to_le_bytes()).collect::<Vec<u8>>())
}

/// The ways in which a call may end whatever its arguments are.
fn is_orderly(function: HostFunction, result: &Result<u64, Error>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => match error.kind() {
            ErrorKind::Answer(_) | ErrorKind::NotRun(_) => false,
            // A trap of EEI is an exceptional halt, which says what it is; `revert` may come with nothing.
            ErrorKind::Reverted { .. } if is_eei(function) => true,
            ErrorKind::Halted(_) if is_eei(function) && error.failure().is_some() => true,
            // `exit_early` with a status, or a trap that says what it is.
            ErrorKind::Reverted { output } => !output.is_empty() || error.failure().is_some(),
            // `create1` and `create2` with a page of code are more than the EVM's init code may be.
            ErrorKind::Halted(words) => {
                ["out of gas", "max initcode size exceeded"].contains(&words.as_str())
            }
        },
    }
}

#[test]
fn no_argument_of_any_host_function_does_harm() {
    let mut sandbox = Sandbox::new();
    sandbox.set_gas_limit(GAS);
    let mut calls = 0u32;
    for &function in HostFunction::ALL {
        let contract = caller_of(function, &mut sandbox);
        let count = function.params().len();
        let mut all: Vec<Vec<u64>> = Vec::new();
        for place in 0..count {
            for value in HOSTILE {
                for other in [64, MEMORY] {
                    let mut arguments = vec![other; count];
                    arguments[place] = value;
                    all.push(arguments);
                }
            }
        }
        for combination in 0..ENDS.len().pow(u32::try_from(count).unwrap()) {
            let digit =
                |place: usize| combination / ENDS.len().pow(u32::try_from(place).unwrap()) % ENDS.len();
            all.push((0..count).map(|place| ENDS[digit(place)]).collect());
        }
        for arguments in all {
            let mut run = || sandbox.call(contract, calldata(&arguments)).map(|done| done.gas_used);
            let result = run();
            assert!(is_orderly(function, &result), "{function} {arguments:x?}: {result:?}");
            assert_eq!(run(), result, "{function} {arguments:x?}: another time");
            calls += 1;
        }
    }
    // As many as the table's parameters ask for: a table that is not walked would pass.
    assert!(calls > 4_000, "{calls}");
}

#[test]
fn a_pointer_outside_memory_traps_in_every_function_that_has_one() {
    // Their only arguments are numbers. What EEI does with pointers, its own tests say.
    let without = [
        "exit_early",
        "storage_flush_cache",
        "pay_for_memory_grow",
        "log_i32",
        "log_i64",
        "log_f32",
        "log_f64",
        "tee_i32",
        "tee_i64",
        "tee_f32",
        "tee_f64",
    ];
    let mut sandbox = Sandbox::new();
    for function in functions() {
        if function.params().is_empty() || without.contains(&function.name()) {
            continue;
        }
        let contract = caller_of(function, &mut sandbox);
        // All arguments far outside: whichever is a pointer.
        let outside = vec![(1 << 32) - 1; function.params().len()];
        let failure = sandbox.call(contract, calldata(&outside)).expect_failure();
        assert_eq!(failure.kind, FailureKind::Trap(TrapKind::MemoryOutOfBounds), "{function}: {failure}");
    }
}

#[test]
fn frames_nest_to_the_depth_limit_and_no_further() {
    let run = || {
        let mut sandbox = Sandbox::new();
        // Calls itself; counts the frames in 8 bytes that each returns.
        let contract = sandbox.deploy(&wat::parse_str(RECURSE).unwrap()).unwrap().answer;
        // 64/63 to the power of 1,025 is some 10 million.
        sandbox.set_gas_limit(1_000_000_000_000_000);
        let done = sandbox.call(contract, Raw::default()).unwrap();
        u64::from_le_bytes(done.output[..8].try_into().unwrap())
    };
    // On the stack of a thread that has half of what tests have, and a quarter of what the node's threads have.
    let frames = std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
    assert_eq!(frames, 1_025);
}

const RECURSE: &str = r#"(module
    (import "vm_hooks" "contract_address" (func $me (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
    (import "vm_hooks" "read_return_data" (func $read_return_data (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $me (i32.const 0))
        (if (i32.eqz (call $call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i64.const -1) (i32.const 32)))
            (then (drop (call $read_return_data (i32.const 128) (i32.const 0) (i32.const 8)))))
        (i64.store (i32.const 128) (i64.add (i64.load (i32.const 128)) (i64.const 1)))
        (call $write_result (i32.const 128) (i32.const 8))
        (i32.const 0)))"#;

/// Marks every part of an instance that can change (memory, its growth, a global, a table, a dropped segment) and then
/// ends as the first byte of calldata says; returns 1 if it finds a mark of an earlier call, else 0.
const MARKER: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "return_data_size" (func $return_data_size (result i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
    (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
    (import "vm_hooks" "call_contract" (func $call (param i32 i32 i32 i32 i64 i32) (result i32)))
    (memory (export "memory") 2 4)
    (table 2 funcref)
    (elem declare func $spin)
    (data $segment "\01")
    (global $g (mut i32) (i32.const 0))
    (func $spin (loop $forever (br $forever)))
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (local $found i32) (local $place i32) (local $mode i32) (local $fresh i64)
        (if (i64.ne (local.get $fresh) (i64.const 0)) (then (local.set $found (i32.const 1))))
        (if (global.get $g) (then (local.set $found (i32.const 1))))
        (if (i32.ne (memory.size) (i32.const 2)) (then (local.set $found (i32.const 1))))
        (if (i32.eqz (ref.is_null (table.get (i32.const 1)))) (then (local.set $found (i32.const 1))))
        (if (call $return_data_size) (then (local.set $found (i32.const 1))))
        (loop $next
            (if (i64.ne (i64.load (local.get $place)) (i64.const 0)) (then (local.set $found (i32.const 1))))
            (local.set $place (i32.add (local.get $place) (i32.const 8)))
            (br_if $next (i32.lt_u (local.get $place) (i32.const 131072))))
        ;; The slot that a frame writes to its cache only.
        (call $load (i32.const 64) (i32.const 96))
        (if (i64.ne (i64.load (i32.const 120)) (i64.const 0)) (then (local.set $found (i32.const 1))))
        ;; Traps if the segment is gone.
        (memory.init $segment (i32.const 0) (i32.const 0) (i32.const 1))
        (data.drop $segment)
        (call $read_args (i32.const 0))
        (local.set $mode (i32.load8_u (i32.const 0)))
        (drop (call $call (i32.const 1) (i32.const 32) (i32.const 7) (i32.const 64) (i64.const -1) (i32.const 60)))
        (drop (memory.grow (i32.const 2)))
        (memory.fill (i32.const 0) (i32.const 0xff) (i32.const 262144))
        (call $cache (i32.const 0) (i32.const 0))
        (memory.fill (i32.const 64) (i32.const 0) (i32.const 32))
        (call $cache (i32.const 64) (i32.const 0))
        (global.set $g (i32.const 1))
        (table.set (i32.const 1) (ref.func $spin))
        (i32.store8 (i32.const 262143) (local.get $found))
        (call $write_result (i32.const 262143) (i32.const 1))
        (if (i32.eq (local.get $mode) (i32.const 1)) (then (return (i32.const 1))))
        (if (i32.eq (local.get $mode) (i32.const 2)) (then unreachable))
        (if (i32.eq (local.get $mode) (i32.const 3)) (then (call $spin)))
        (i32.const 0)))"#;

#[test]
fn nothing_of_an_instance_is_left_for_the_next_call() {
    let mut sandbox = Sandbox::new();
    let marker = wat::parse_str(MARKER).unwrap();
    // Two contracts of one module share what the node keeps of it.
    let contracts = [0; 2].map(|_| sandbox.deploy(&marker).unwrap().answer);
    // The precompile that returns what it is given: return data that must be gone, too.
    let identity = Address::with_last_byte(4);
    sandbox.set_gas_limit(30_000_000);
    for mode in [2u8, 0, 1, 3, 2, 0] {
        for contract in contracts {
            let calldata = [&[mode][..], identity.as_slice()].concat();
            match sandbox.send(contract, Raw::from(calldata)) {
                Ok(done) => assert_eq!(done.output[..], [0], "mode {mode}"),
                Err(error) => match mode {
                    1 => assert_eq!(error.output(), [0]),
                    2 => assert!(error.to_string().contains("unreachable"), "{error}"),
                    3 => assert!(error.to_string().contains("out of gas"), "{error}"),
                    _ => panic!("mode {mode}: {error}"),
                },
            }
            let done = sandbox.call(contract, Raw::from([&[0][..], identity.as_slice()].concat())).unwrap();
            assert_eq!(done.output[..], [0], "after mode {mode}");
        }
    }
    assert_eq!(sandbox.load(contracts[0], U256::MAX), U256::ZERO, "nothing was flushed");
}

/// Writes as many slots as calldata says, 4 bytes little-endian, and flushes them.
const WRITER: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
    (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (local $left i32)
        (call $read_args (i32.const 0))
        (local.set $left (i32.load (i32.const 0)))
        (loop $next
            (i32.store (i32.const 64) (local.get $left))
            (call $cache (i32.const 64) (i32.const 64))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $next (local.get $left)))
        (call $flush (i32.const 1))
        (i32.const 0)))"#;

#[test]
fn a_frame_writes_all_the_slots_it_can_pay_for() {
    let mut sandbox = Sandbox::new();
    let writer = sandbox.deploy(&wat::parse_str(WRITER).unwrap()).unwrap().answer;
    let write = |count: u32| Raw::from(count.to_le_bytes().to_vec());
    // A block's gas lasts for some 4,400 new slots.
    sandbox.send(writer, write(4_000)).unwrap();
    let key = |number: u32| U256::from(number.swap_bytes()) << 224;
    for number in [1, 2_000, 4_000] {
        assert_eq!(sandbox.load(writer, key(number)), key(number), "slot {number}");
    }
    // Filling the cache is paid for, too: what is never flushed ends with the gas.
    sandbox.set_gas_limit(10_000_000);
    let error = sandbox.send(writer, write(u32::MAX)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Halted("out of gas".into()));
    assert_eq!(sandbox.load(writer, key(u32::MAX)), U256::ZERO);
}

/// Logs, hashes and returns its calldata.
const ECHOES: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "emit_log" (func $emit_log (param i32 i32 i32)))
    (import "vm_hooks" "native_keccak256" (func $keccak (param i32 i32 i32)))
    (memory (export "memory") 64)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $read_args (i32.const 0))
        (call $emit_log (i32.const 0) (local.get $length) (i32.const 4))
        (call $keccak (i32.const 0) (local.get $length) (i32.const 4194272))
        (call $write_result (i32.const 0) (local.get $length))
        (i32.const 0)))"#;

#[test]
fn megabytes_of_calldata_logs_and_output_pass() {
    let mut sandbox = Sandbox::new();
    let echoes = sandbox.deploy(&wat::parse_str(ECHOES).unwrap()).unwrap().answer;
    let data: Vec<u8> = (0..2_000_000u32).map(|index| keccak256(index.to_le_bytes())[0]).collect();
    // Calldata alone costs 16 or 40 gas a byte, and so do logs: 8 gas a byte.
    sandbox.set_gas_limit(1_000_000_000);
    let done = sandbox.send(echoes, Raw::from(data.clone())).unwrap();
    assert_eq!(done.output, data);
    assert_eq!(done.logs[0].data.data, data[128..]);
    assert_eq!(done.logs[0].topics().len(), 4);
    assert_eq!(done.logs[0].topics()[3][..], data[96..128]);
}

#[test]
fn what_is_printed_is_bounded() {
    let mut sandbox = Sandbox::new();
    // Prints a page of memory for ever.
    let text = r#"(module
        (import "console" "log_txt" (func $log (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "user_entrypoint") (param i32) (result i32)
            (loop $forever (call $log (i32.const 0) (i32.const 65536)) (br $forever)) unreachable))"#;
    let printer = sandbox.deploy(&wat::parse_str(text).unwrap()).unwrap().answer;
    let error = sandbox.call(printer, Raw::default()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Halted("out of gas".into()));
    let kept: usize = error.console().lines.iter().map(|line| line.text.len()).sum();
    // A control character takes three bytes once it is replaced.
    assert!(error.console().omitted > 1_000 && kept <= 1_000 * (3 * 4_096 + 3), "{kept}");
}
