//! The proxy: delegate calls.

use alloy_primitives::{Address, Bytes, U256, b256};
use alloy_sol_types::{SolCall, SolValue, sol};
use lathe_contracts_tests::{deploy, module};
use lathe_node::sandbox::{Expect, Raw, Sandbox};

use crate::{counter::Counter, probe::Probe};

sol! {
    #[derive(Debug, PartialEq)]
    interface Proxy {
        function implementation() external view returns (address);
        function admin() external view returns (address);
        function upgradeTo(address implementation) external;
        event Upgraded(address indexed implementation);
        error NotAdmin(address caller);
        error NoCode(address implementation);
    }
}
use Proxy::*;

/// A proxy in front of an implementation, which `data` is sent to at once.
fn proxy(sandbox: &mut Sandbox, implementation: Address, data: Vec<u8>) -> Address {
    let admin = sandbox.account("admin");
    let arguments = (implementation, admin, Bytes::from(data)).abi_encode_params();
    let done = sandbox.deploy_with(&module("proxy/proxy.wasm"), &arguments, U256::ZERO).unwrap();
    assert_eq!(done.events_of::<Upgraded>(done.answer), [Upgraded { implementation }]);
    sandbox.label(done.answer, "proxy");
    done.answer
}

#[test]
fn a_proxy_runs_other_code_on_its_own_storage() {
    let mut sandbox = Sandbox::new();
    let counter = deploy(&mut sandbox, "counter");
    let proxy = proxy(&mut sandbox, counter, Counter::setNumberCall { number: U256::from(41) }.abi_encode());
    assert_eq!(sandbox.load(proxy, U256::ZERO), U256::from(41), "the constructor ran the implementation");
    let done = sandbox.send(proxy, Counter::incrementCall {}).unwrap();
    assert_eq!(done.events_of::<Counter::NumberChanged>(proxy).len(), 1, "the proxy is who emits");
    assert_eq!(sandbox.call(proxy, Counter::numberCall {}).unwrap().answer, U256::from(42));
    assert_eq!(sandbox.call(counter, Counter::numberCall {}).unwrap().answer, U256::ZERO);
    // Value and errors come through.
    sandbox.send_value(proxy, Counter::addFromMsgValueCall {}, U256::from(8)).unwrap();
    assert_eq!(sandbox.balance(proxy), U256::from(8));
    sandbox.send(proxy, Counter::setNumberCall { number: U256::MAX }).unwrap();
    sandbox.send(proxy, Counter::incrementCall {}).expect_revert::<Counter::NumberOverflow>();
    sandbox.send_value(proxy, Raw::default(), U256::from(2)).unwrap();
    assert_eq!(sandbox.balance(proxy), U256::from(10));
}

#[test]
fn a_delegate_call_keeps_account_sender_and_value() {
    let mut sandbox = Sandbox::new();
    let probe = deploy(&mut sandbox, "probe");
    let proxy = proxy(&mut sandbox, probe, Vec::new());
    let sender = sandbox.account("sender");
    sandbox.prank(sender);
    let seen = sandbox.send_value(proxy, Probe::messageCall {}, U256::from(3)).unwrap().answer;
    assert_eq!((seen.contract_, seen.sender, seen.value), (proxy, sender, U256::from(3)));
    let failure = sandbox.send(proxy, Probe::panicCall { message: "no".into() }).expect_failure();
    let words = failure.to_string();
    assert!(words.contains(&format!("(code of {probe})")) && words.contains("`proxy`"), "{words}");
}

#[test]
fn only_the_admin_upgrades() {
    let mut sandbox = Sandbox::new();
    let [counter, probe] = ["counter", "probe"].map(|name| deploy(&mut sandbox, name));
    let proxy = proxy(&mut sandbox, counter, Vec::new());
    let admin = sandbox.account("admin");
    let slot = b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");
    assert_eq!(sandbox.load(proxy, slot.into()), U256::from_be_slice(counter.as_slice()));
    assert_eq!(sandbox.call(proxy, adminCall {}).unwrap().answer, admin);
    let other = sandbox.account("other");
    sandbox.prank(other);
    let refused = sandbox.send(proxy, upgradeToCall { implementation: probe }).expect_revert::<NotAdmin>();
    assert_eq!(refused.caller, other);
    sandbox.start_prank(admin);
    let nothing = sandbox.send(proxy, upgradeToCall { implementation: other }).expect_revert::<NoCode>();
    assert_eq!(nothing.implementation, other);
    sandbox.send(proxy, upgradeToCall { implementation: probe }).unwrap();
    assert_eq!(sandbox.call(proxy, implementationCall {}).unwrap().answer, probe);
    assert_eq!(sandbox.call(proxy, Probe::writtenCall {}).unwrap().answer, U256::ZERO);
}
