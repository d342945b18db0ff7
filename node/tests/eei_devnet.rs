//! EEI contracts on the devnet, beside programs and EVM contracts: prices of the chain's fork, and calls across the border.

mod support;

use alloy_primitives::{Address, TxKind, U256, hex};
use lathe_node::chain::ChainSpec;
use support::{
    Devnet, GAS, created,
    evm::{self, relay},
    ewasm::{CONTRACT, World, contract, contract_with, data},
    script::{ALL, Output, SCRIPT, Script},
    wasm, word,
};

/// Init code that finishes with a contract.
fn deployer(code: &[u8]) -> Vec<u8> {
    contract_with(&format!("(call $finish (i32.const 0) (i32.const {}))", code.len()), &data(0, code))
}

/// Adds its calldata's first byte to slot 0, logs, and returns the slot.
fn adder() -> Vec<u8> {
    contract(
        "(call $callDataCopy (i32.const 95) (i32.const 0) (i32.const 1))
         (call $storageLoad (i32.const 0) (i32.const 32))
         (i32.store8 (i32.const 63) (i32.add (i32.load8_u (i32.const 63)) (i32.load8_u (i32.const 95))))
         (call $storageStore (i32.const 0) (i32.const 32))
         (call $log (i32.const 32) (i32.const 32) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $finish (i32.const 32) (i32.const 32))",
    )
}

#[test]
fn a_contract_is_created_called_and_kept() {
    let devnet = Devnet::new();
    let code = adder();
    let address = created(&devnet.try_deploy(deployer(&code)));
    assert_eq!(devnet.code(address), code);
    let receipt = devnet.send(TxKind::Call(address), vec![5], 0, GAS);
    assert!(receipt.success, "{:?}", receipt.failure);
    assert_eq!((devnet.slot(address, 0), receipt.logs.len()), (U256::from(5), 1));
    assert_eq!(devnet.call(address, vec![6]).unwrap(), word(11)[..]);
}

#[test]
fn a_trap_burns_the_gas_and_says_where() {
    let devnet = Devnet::new();
    let code = contract("(call $useGas (i64.const -1))");
    let address = created(&devnet.try_deploy(deployer(&code)));
    let receipt = devnet.send(TxKind::Call(address), vec![], 0, 100_000);
    assert!(!receipt.success);
    assert_eq!(receipt.gas_used, 100_000);
    let error = devnet.call(address, vec![]).unwrap_err().to_string();
    let begin = "execution trapped: wasm trap: host function failed: useGas: gas of -1 is negative in function 33 `main` at ";
    assert!(error.starts_with(begin), "{error}");
}

#[test]
fn a_refused_module_is_not_created_and_the_error_says_why() {
    let devnet = Devnet::new();
    let refused = wasm(r#"(module (memory (export "memory") 1) (func (export "main") (param i32)))"#);
    let receipt = devnet.try_deploy(refused);
    assert!(!receipt.success);
    let failure = receipt.failure.unwrap();
    assert!(failure.contains("export `main` is a function of type [i32] -> []"), "{failure}");
}

#[test]
fn evm_contracts_and_programs_call_it_and_it_calls_them() {
    let devnet = Devnet::new();
    let adder = created(&devnet.try_deploy(deployer(&adder())));
    let script = devnet.deploy(SCRIPT);
    // A program calls it, and is told of success and failure as ever.
    let steps = Script::new().call(adder, 0, ALL, [7]).call(adder, 0, ALL, []).static_call(adder, ALL, [1]);
    let output = devnet.call(script, steps.0).unwrap();
    let mut output = Output(&output);
    assert_eq!(output.reply(), (0, &word(7)[..]));
    assert_eq!(output.reply(), (2, &[][..]), "no calldata traps");
    assert_eq!(output.reply(), (2, &[][..]), "a store in a static call traps");
    // An EVM contract relays to it.
    let proxy = devnet.deploy_evm(&relay(evm::CALL, adder));
    assert_eq!(
        devnet.call(proxy, vec![9]).unwrap()[1..],
        word(9),
        "behind the status that the relay returns"
    );
    // It calls an EVM contract that returns 0x2a, one that reverts, and the program.
    let [returns, reverts] = [hex!("602a60005260206000f3").to_vec(), hex!("60206000fd").to_vec()];
    for (callee, status) in [(devnet.deploy_evm(&returns), 0), (devnet.deploy_evm(&reverts), 2), (script, 0)]
    {
        let caller = contract_with(
            "(i32.store (i32.const 0) (call $call (i64.const 1000000) (i32.const 100) (i32.const 200) (i32.const 0) (i32.const 0)))
             (i32.store (i32.const 4) (call $getReturnDataSize))
             (call $finish (i32.const 0) (i32.const 8))",
            &data(100, callee.as_slice()),
        );
        let caller = created(&devnet.try_deploy(deployer(&caller)));
        let bytes = if callee == script { 0 } else { 32 };
        assert_eq!(devnet.call(caller, vec![]).unwrap(), [status, 0, 0, 0, bytes, 0, 0, 0][..]);
    }
}

/// The gas that a body used on the devnet beyond what `empty` used, without what its module costs to load.
fn cost(body: &str, empty: &str) -> u64 {
    let gas = |body: &str| {
        let code = contract(body);
        let (schedule, bytes) = (ChainSpec::DEVNET.rules.schedule, code.len() as u64);
        let load = [schedule.code_ink(bytes), schedule.load_ink(bytes)].map(|ink| ink.div_ceil(10_000));
        World::on(ChainSpec::DEVNET, code).call().gas() - load[0] - load[1]
    };
    gas(body) - gas(empty)
}

#[test]
fn prices_are_those_of_the_chains_fork() {
    // Instructions and crossings come to less than this for each call.
    let slack = 12;
    let cases = [
        ("(call $storageLoad (i32.const 0) (i32.const 32))", 2_100, "cold"),
        ("(call $storageStore (i32.const 0) (i32.const 0))", 2_200, "nothing to nothing, cold"),
        ("(call $getExternalBalance (i32.const 0) (i32.const 32))", 2_600, "cold"),
        ("(drop (call $getBlockHash (i64.const 299) (i32.const 0)))", 20, "the EVM's price"),
        ("(call $getAddress (i32.const 0))", 2, "as ever"),
        ("(drop (call $callStatic (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))", 2_600, "cold"),
    ];
    for (body, price, what) in cases {
        let cost = cost(body, "");
        assert!((price..=price + slack).contains(&cost), "{body}: {what}: {cost}");
        let again = self::cost(&format!("{body} {body}"), body);
        assert!(again <= price + slack, "{body}: {again}");
    }
    let warm = cost(
        "(call $storageLoad (i32.const 0) (i32.const 32)) (call $storageLoad (i32.const 0) (i32.const 32))",
        "(call $storageLoad (i32.const 0) (i32.const 32))",
    );
    assert!((100..=100 + slack).contains(&warm), "{warm}");
}

#[test]
fn later_forks_have_create2_and_the_chain_id() {
    let init = deployer(&adder());
    let module = wasm(&format!(
        r#"(module (import "ethereum" "create2" (func $create2 (param i32 i32 i32 i32 i32) (result i32)))
            (import "ethereum" "getChainId" (func $chain (param i32)))
            (import "ethereum" "finish" (func $finish (param i32 i32)))
            (memory (export "memory") 1) {} (data (i32.const 64) "\05")
            (func (export "main")
                (i32.store (i32.const 0) (call $create2 (i32.const 96) (i32.const 1000) (i32.const {}) (i32.const 64) (i32.const 4)))
                (call $chain (i32.const 24)) (call $finish (i32.const 0) (i32.const 40))))"#,
        data(1_000, &init),
        init.len()
    ));
    let ran = World::on(ChainSpec::DEVNET, module).call();
    // The salt is little-endian.
    let address: Address = CONTRACT.create2_from_code(word(5), init);
    let mut expected = [&[0; 4][..], address.as_slice(), &31_337_u128.to_le_bytes()].concat();
    expected.resize(40, 0);
    assert_eq!(ran.output(), expected);
}
