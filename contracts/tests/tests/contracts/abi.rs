//! Each `abi.json` says what the typed interface says that the tests of its contract call.

use std::{collections::BTreeSet, fs, path::Path};

use alloy_json_abi::JsonAbi;
use alloy_sol_types::{SolEventInterface, SolInterface};

use crate::{
    cabinet::Cabinet, counter::Counter, erc20::Erc20, erc721::Erc721, exchange::Exchange, factory::Factory,
    probe::Probe, proxy::Proxy,
};

fn abi(name: &str) -> JsonAbi {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("abi.json");
    let text = fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn functions<Calls: SolInterface>(name: &str) {
    let told: BTreeSet<[u8; 4]> = abi(name).functions().map(|function| function.selector().0).collect();
    assert_eq!(told, Calls::selectors().collect(), "functions of {name}");
}

fn errors<Errors: SolInterface>(name: &str) {
    let told: BTreeSet<[u8; 4]> = abi(name).errors().map(|error| error.selector().0).collect();
    assert_eq!(told, Errors::selectors().collect(), "errors of {name}");
}

fn events<Events: SolEventInterface>(name: &str, topics: &[[u8; 32]]) {
    let told: BTreeSet<[u8; 32]> = abi(name).events().map(|event| event.selector().0).collect();
    assert_eq!(told, topics.iter().copied().collect(), "events of {name}");
    assert_eq!(Events::COUNT, told.len(), "events of {name}");
}

#[test]
fn abis_are_what_the_contracts_do() {
    functions::<Counter::CounterCalls>("counter");
    errors::<Counter::CounterErrors>("counter");
    events::<Counter::CounterEvents>("counter", Counter::CounterEvents::SELECTORS);
    functions::<Erc20::Erc20Calls>("erc20");
    errors::<Erc20::Erc20Errors>("erc20");
    events::<Erc20::Erc20Events>("erc20", Erc20::Erc20Events::SELECTORS);
    functions::<Erc721::Erc721Calls>("erc721");
    errors::<Erc721::Erc721Errors>("erc721");
    events::<Erc721::Erc721Events>("erc721", Erc721::Erc721Events::SELECTORS);
    functions::<Cabinet::CabinetCalls>("cabinet");
    errors::<Cabinet::CabinetErrors>("cabinet");
    functions::<Exchange::ExchangeCalls>("exchange");
    errors::<Exchange::ExchangeErrors>("exchange");
    events::<Exchange::ExchangeEvents>("exchange", Exchange::ExchangeEvents::SELECTORS);
    functions::<Proxy::ProxyCalls>("proxy");
    errors::<Proxy::ProxyErrors>("proxy");
    events::<Proxy::ProxyEvents>("proxy", Proxy::ProxyEvents::SELECTORS);
    functions::<Factory::FactoryCalls>("factory");
    events::<Factory::FactoryEvents>("factory", Factory::FactoryEvents::SELECTORS);
    functions::<Probe::ProbeCalls>("probe");
}
