//! Every function of EEI with every pointer and length at nothing, at the edge, past it and near 2^32: it succeeds, or it
//! traps and burns the frame's gas. Nothing panics, and nothing happens before it is paid for.

mod support;

use lathe_gas::{HostFunction, ValueType};
use lathe_node::{chain::ChainSpec, runtime::Status};
use support::{
    ewasm::{INTRINSIC_GAS, TX_GAS, World},
    wasm,
};

/// Memory of one page ends at 65,536: places with room for 32, 20 and 16 bytes and none, then far beyond.
const POINTERS: [i64; 10] =
    [0, 1, 65_504, 65_516, 65_520, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffe0, 0xffff_ffff];
/// Gas, and numbers of blocks.
const NUMBERS: [i64; 6] = [0, 1, 299, i64::MAX, i64::MIN, -1];

/// Returns a contract that calls one function with these arguments.
fn caller(function: HostFunction, arguments: &[i64]) -> Vec<u8> {
    let params: Vec<_> = function.params().iter().map(|ty| ty.name()).collect();
    let result = function.result().map(|ty| format!("(result {ty})")).unwrap_or_default();
    let arguments: Vec<_> = function
        .params()
        .iter()
        .zip(arguments)
        .map(|(ty, argument)| format!("({}.const {argument})", ty.name()))
        .collect();
    let drop = if function.result().is_some() { "drop" } else { "" };
    wasm(&format!(
        r#"(module (import "{}" "{}" (func $f (param {}) {result})) (memory (export "memory") 1)
            (func (export "main") (call $f {}) {drop}))"#,
        function.module(),
        function.name(),
        params.join(" "),
        arguments.join(" ")
    ))
}

/// Returns lists of arguments: all alike, and each in turn with the others at 0.
fn argument_lists(function: HostFunction) -> Vec<Vec<i64>> {
    let params = function.params();
    let values = |ty: ValueType| if ty == ValueType::I64 { &NUMBERS[..] } else { &POINTERS[..] };
    let mut lists: Vec<Vec<i64>> = (0..POINTERS.len())
        .map(|place| params.iter().map(|&ty| values(ty)[place % values(ty).len()]).collect())
        .collect();
    for (place, &ty) in params.iter().enumerate() {
        for &value in values(ty) {
            let mut list = vec![0; params.len()];
            list[place] = value;
            lists.push(list);
        }
    }
    lists.sort();
    lists.dedup();
    lists
}

fn functions(spec: &ChainSpec) -> impl Iterator<Item = HostFunction> {
    let later = spec.fork.name() != "byzantium";
    HostFunction::ALL.iter().copied().filter(move |&function| match function {
        HostFunction::EeiCreate2 | HostFunction::EeiGetChainId => later,
        _ => {
            function.module() == "ethereum"
                || function.module() == "debug" && function.name().starts_with("print")
        }
    })
}

#[test]
fn arguments_of_any_kind_succeed_or_burn_the_frame() {
    let (mut succeeded, mut burned) = (0, 0);
    for spec in [ChainSpec::EWASM, ChainSpec::DEVNET] {
        for function in functions(&spec) {
            for arguments in argument_lists(function) {
                let world = World::on(spec.clone(), caller(function, &arguments));
                let ran = world.call();
                match &ran.executed.status {
                    Status::Success { .. } => succeeded += 1,
                    Status::Reverted => assert_eq!(function, HostFunction::EeiRevert),
                    Status::Halted(reason) => {
                        burned += 1;
                        let explained =
                            ran.executed.failure.is_some() || reason.starts_with("max initcode size");
                        assert!(explained, "{function} {arguments:x?}: {reason}");
                        assert_eq!(ran.executed.gas_used, TX_GAS, "{function} {arguments:x?}");
                    }
                }
                // With hardly any gas there is the same choice.
                let poor = world.call_with(INTRINSIC_GAS + 1);
                assert!(poor.executed.gas_used <= INTRINSIC_GAS + 1, "{function} {arguments:x?}");
            }
        }
    }
    assert!(succeeded > 300 && burned > 500, "{succeeded} succeeded, {burned} burned");
}

/// A length of 4 GiB would take seconds to copy; it is paid for first, or found to be out of bounds first.
#[test]
fn lengths_are_paid_for_or_refused_before_anything_is_copied() {
    for spec in [ChainSpec::EWASM, ChainSpec::DEVNET] {
        for function in functions(&spec).filter(|function| function.params().len() > 1) {
            if function == HostFunction::EeiGetBlockHash {
                // There is no such block, so the pointer is not looked at.
                continue;
            }
            let all = vec![-1; function.params().len()];
            let ran = World::on(spec.clone(), caller(function, &all)).call();
            assert!(ran.burned(), "{function}: {:?}", ran.executed);
        }
    }
}

/// Memory of 16 MiB, as much as a devnet's contract has: a log, output and calldata of that size end the transaction by its
/// gas where it is priced, and work where it is not.
#[test]
fn the_largest_memory_can_be_passed_on() {
    let module = |call: &str| {
        wasm(&format!(
            r#"(module (import "ethereum" "finish" (func $finish (param i32 i32)))
                (import "ethereum" "callStatic" (func $call (param i64 i32 i32 i32) (result i32)))
                (memory (export "memory") 256) (func (export "main") {call}))"#
        ))
    };
    let whole = 256 * 65_536;
    let finish = World::new(module(&format!("(call $finish (i32.const 0) (i32.const {whole}))")));
    assert_eq!(finish.call().output().len(), whole);
    // To the precompile at address 4, which copies it, for more gas than there is.
    let call = format!(
        "(i32.store8 (i32.const 19) (i32.const 4))
         (if (i32.ne (call $call (i64.const 1000000) (i32.const 0) (i32.const 0) (i32.const {whole})) (i32.const 1)) (then unreachable))"
    );
    assert!(World::new(module(&call)).call().succeeded());
    let on_devnet =
        World::on(ChainSpec::DEVNET, module(&format!("(call $finish (i32.const 0) (i32.const {whole}))")));
    // 3 gas for each of 524,288 words, and the pages.
    let gas = on_devnet.call().gas();
    assert!(gas > 3 * 524_288, "{gas}");
}
