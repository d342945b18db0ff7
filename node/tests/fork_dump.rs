//! Dumps of forks: what a fork did, to be loaded on a fork at the same block.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use std::io::Write;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use lathe_node::chain::{Chain, Cheat, ForkOptions, Manner};
use serde_json::{Value, json};
use support::{
    Devnet, GAS,
    evm::{Evm, SSTORE},
    remote::{Remote, ask},
};

const RICH: Address = Address::repeat_byte(0x5b);

/// Another chain with a contract that has storage, and an account with ether.
fn other() -> (Remote, Devnet, Address) {
    let other = Devnet::new();
    let contract = other.deploy_evm(&Evm::new().run(SSTORE, &[1, 2]).0);
    for slot in 0..3 {
        let cheat = Cheat::Storage { slot: U256::from(slot), value: U256::from(5) };
        other.0.cheat(contract, cheat).unwrap();
    }
    other.0.cheat(RICH, Cheat::Balance(U256::from(77))).unwrap();
    (Remote::serve(other.0.clone()), other, contract)
}

fn fork_at(remote: &Remote, block: u64) -> Devnet {
    let options = ForkOptions { block: Some(block), retries: 0, ..ForkOptions::new(remote.url()) };
    Devnet(Chain::open_fork(Devnet::options(), Manner::default(), &options).unwrap())
}

fn dump(devnet: &Devnet) -> Value {
    ask(&devnet.0, "anvil_dumpState", json!([])).unwrap()
}

fn load(devnet: &Devnet, dump: &Value) -> Result<Value, String> {
    ask(&devnet.0, "anvil_loadState", json!([dump]))
}

#[test]
fn a_dump_of_a_fork_is_loaded_on_a_fork_at_the_same_block() {
    let (remote, other, contract) = other();
    let base = other.0.head().header.number;
    let fork = fork_at(&remote, base);
    let sent = fork.send(contract.into(), Bytes::new(), 0, GAS);
    assert!(sent.success);
    // The contract loses its storage, and the account all it has; later it gets some.
    fork.0.cheat(contract, Cheat::Code(Bytes::new())).unwrap();
    fork.0.cheat(contract, Cheat::Nonce(0)).unwrap();
    fork.0.cheat(contract, Cheat::Balance(U256::from(1))).unwrap();
    fork.0.cheat(RICH, Cheat::Balance(U256::ZERO)).unwrap();
    fork.send(TxKind::Call(RICH), Bytes::new(), 3, GAS);
    let own = fork.deploy_evm(&Evm::new().run(SSTORE, &[7, 8]).0);
    fork.send(own.into(), Bytes::new(), 0, GAS);
    let dumped = dump(&fork);

    // Before it is loaded, the other has gone on elsewhere.
    let copy = fork_at(&remote, base);
    copy.send(contract.into(), Bytes::new(), 0, GAS);
    copy.send(RICH.into(), Bytes::new(), 1, GAS);
    assert_eq!(load(&copy, &dumped), Ok(json!(true)));
    assert_eq!(copy.0.head().hash, fork.0.head().hash);
    for number in base..=fork.0.head().header.number {
        for address in [contract, RICH, own] {
            let at = |devnet: &Devnet, slot: u64| {
                devnet.0.storage(address, U256::from(slot), number.into()).unwrap()
            };
            for slot in [0, 1, 2, 7] {
                assert_eq!(at(&copy, slot), at(&fork, slot), "{address} {slot} at {number}");
            }
            assert_eq!(
                copy.0.balance(address, number.into()).unwrap(),
                fork.0.balance(address, number.into()).unwrap()
            );
        }
        let receipts =
            |devnet: &Devnet| ask(&devnet.0, "eth_getBlockReceipts", json!([format!("{number:#x}")]));
        assert_eq!(receipts(&copy), receipts(&fork));
    }
    assert!(dump(&copy) == dumped, "the same dump");
    // It goes on from there as the dumped one does.
    assert_eq!(
        copy.send(own.into(), Bytes::new(), 0, GAS).gas_used,
        fork.send(own.into(), Bytes::new(), 0, GAS).gas_used
    );
}

#[test]
fn storage_of_the_other_chain_that_a_fork_wiped_is_wiped_after_loading() {
    // A contract at the address of the next creation has storage there and no code: the creation wipes it, and nothing names
    // the slots.
    let (_, other, _) = other();
    let address = other.sender().create(other.nonce(other.sender()));
    other.0.cheat(address, Cheat::Balance(U256::from(1))).unwrap();
    other.0.cheat(address, Cheat::Storage { slot: U256::from(9), value: U256::from(9) }).unwrap();
    let remote = Remote::serve(other.0.clone());
    let base = other.0.head().header.number;
    let (fork, copy) = (fork_at(&remote, base), fork_at(&remote, base));
    assert_eq!(fork.slot(address, 9), U256::from(9));
    let code = [7, 7, 7];
    assert_eq!(fork.deploy_evm(&code), address);
    assert_eq!(fork.slot(address, 9), U256::ZERO);
    load(&copy, &dump(&fork)).unwrap();
    assert_eq!((copy.slot(address, 9), copy.code(address)), (U256::ZERO, Bytes::from(code)));
}

#[test]
fn a_dump_is_refused_where_its_chain_did_not_begin() {
    let (remote, other, _) = other();
    let base = other.0.head().header.number;
    let fork = fork_at(&remote, base);
    fork.0.mine().unwrap();
    let (of_fork, of_own) = (dump(&fork), dump(&other));
    let before = fork_at(&remote, base - 1);
    // The block of that number of another chain.
    let (elsewhere, third, _) = self::other();
    third.0.rollback(1).unwrap();
    third.0.cheat(RICH, Cheat::Balance(B256::repeat_byte(1).into())).unwrap();
    let stranger = fork_at(&elsewhere, base);
    for (devnet, dump, words) in [
        (
            &Devnet::new(),
            &of_fork,
            format!("it is of a fork at block {base}, this node forks no chain: start one with --fork-url"),
        ),
        (&before, &of_fork, format!("this node forks one at block {}", base - 1)),
        (&stranger, &of_fork, "fork the chain that the dumped one forked".into()),
        (&fork, &of_own, "it is of a chain of its own, this node forks another one".into()),
    ] {
        let refused = load(devnet, dump).unwrap_err();
        assert!(refused.contains(&words), "{refused}");
    }
}

#[test]
fn accounts_of_anvils_dump_are_set_on_a_fork() {
    let (remote, other, contract) = other();
    let fork = fork_at(&remote, other.0.head().header.number);
    let state = json!({"block": {"number": "0x9"}, "accounts": {contract.to_string(): {
        "nonce": 1, "balance": "0x64", "code": "0x00", "storage": {"0x1": "0xb"},
    }}});
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(state.to_string().as_bytes()).unwrap();
    load(&fork, &json!(hex::encode_prefixed(gzip.finish().unwrap()))).unwrap();
    assert_eq!((fork.balance(contract), fork.slot(contract, 1)), (U256::from(100), U256::from(11)));
    assert_eq!((fork.slot(contract, 2), fork.balance(RICH)), (U256::from(5), U256::from(77)));
}
