//! What calls of the example contracts cost, to the gas, against `contracts/GAS.md`. `UPDATE_EXPECT=1` rewrites it, and
//! the diff is reviewed.

use std::{fmt::Write, fs, path::Path};

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolValue;
use lathe_contracts_tests::{deploy, module};
use lathe_node::sandbox::{Done, Error, Sandbox};

use crate::{
    cabinet::Cabinet,
    calculator::text_received,
    counter::Counter,
    erc20::Erc20,
    erc721::Erc721,
    exchange::Exchange,
    factory::{self, Factory},
    probe::Probe,
    proxy::Proxy,
};

struct Table {
    text: String,
}

impl Table {
    fn row<T>(&mut self, what: &str, done: Result<Done<T>, Error>) -> T {
        let done = done.unwrap_or_else(|error| panic!("{what}: {error}"));
        writeln!(self.text, "| {what} | {} |", done.gas_used).unwrap();
        done.answer
    }
}

fn n(number: u64) -> U256 {
    U256::from(number)
}

#[test]
fn calls_cost_what_the_table_says() {
    let mut table = Table {
        text: "# Gas of the example contracts\n\nA transaction each, its base cost of 21,000 included, in the order of \
               the rows; `contracts/tests` writes this table.\n\n| transaction | gas |\n|---|---:|\n"
            .into(),
    };
    let mut sandbox = Sandbox::new();
    let caller = sandbox.account("caller");
    let [a, b] = ["a", "b"].map(|name| sandbox.account(name));

    let calculator = table.row("calculator: deploy", sandbox.deploy(&module("calculator/calculator.wasm")));
    for message in ["23*63", "+1"] {
        table.row(
            &format!("calculator: `{message}`"),
            sandbox.send(calculator, text_received(message, "alice", "")),
        );
    }
    let counter = table.row("counter: deploy", sandbox.deploy(&module("counter/counter.wasm")));
    table.row("counter: increment, from zero", sandbox.send(counter, Counter::incrementCall {}));
    table.row("counter: increment", sandbox.send(counter, Counter::incrementCall {}));
    table.row("counter: number", sandbox.call(counter, Counter::numberCall {}));

    let arguments = ("Lathe Token", "LTH", n(1_000_000), caller).abi_encode_params();
    let done = sandbox.deploy_with(&module("erc20/erc20.wasm"), &arguments, U256::ZERO);
    let token = table.row("erc20: deploy, with constructor", done);
    let transfer = |to: Address| Erc20::transferCall { to, value: n(10) };
    table.row("erc20: transfer to a new holder", sandbox.send(token, transfer(a)));
    table.row("erc20: transfer", sandbox.send(token, transfer(a)));
    table.row("erc20: approve", sandbox.send(token, Erc20::approveCall { spender: b, value: n(100) }));
    sandbox.prank(b);
    let take = Erc20::transferFromCall { from: caller, to: a, value: n(10) };
    table.row("erc20: transferFrom", sandbox.send(token, take));
    table.row("erc20: balanceOf", sandbox.call(token, Erc20::balanceOfCall { account: a }));

    let lots = table.row("erc721: deploy", sandbox.deploy(&module("erc721/erc721.wasm")));
    let lot = table.row("erc721: mint", sandbox.send(lots, Erc721::mintCall {}));
    let give = Erc721::safeTransferFrom_0Call { from: caller, to: a, tokenId: lot };
    table.row("erc721: safeTransferFrom", sandbox.send(lots, give));

    let cabinet = table.row("cabinet: deploy", sandbox.deploy(&module("cabinet/cabinet.wasm")));
    let push = Cabinet::pushCall { value: n(1), half: 1 };
    table.row("cabinet: push, the first", sandbox.send(cabinet, push.clone()));
    table.row("cabinet: push", sandbox.send(cabinet, push));
    let text = Cabinet::setTextCall { text: "x".repeat(100), data: Bytes::from_static(b"short") };
    table.row("cabinet: setText, 100 bytes", sandbox.send(cabinet, text));

    let arguments = (token, n(3)).abi_encode_params();
    let done = sandbox.deploy_with(&module("exchange/exchange.wasm"), &arguments, U256::ZERO);
    let exchange = table.row("exchange: deploy, with constructor", done);
    sandbox.send(token, Erc20::transferCall { to: exchange, value: n(1_000) }).unwrap();
    table.row("exchange: buy", sandbox.send_value(exchange, Exchange::buyCall {}, n(30)));
    sandbox.send(token, Erc20::approveCall { spender: exchange, value: U256::MAX }).unwrap();
    table.row("exchange: sell", sandbox.send(exchange, Exchange::sellCall { tokens: n(5) }));

    let arguments = (counter, caller, Bytes::new()).abi_encode_params();
    let done = sandbox.deploy_with(&module("proxy/proxy.wasm"), &arguments, U256::ZERO);
    let proxy = table.row("proxy: deploy, with constructor", done);
    table.row("proxy: increment of a counter", sandbox.send(proxy, Counter::incrementCall {}));
    table.row("proxy: implementation", sandbox.call(proxy, Proxy::implementationCall {}));

    let maker = table.row("factory: deploy", sandbox.deploy(&module("factory/factory.wasm")));
    let creation = factory::creation(&module("counter/counter.wasm"), None);
    table.row("factory: create a counter", sandbox.send(maker, Factory::createCall { creation }));

    let probe = deploy(&mut sandbox, "probe");
    let (a, b, m) = (U256::MAX, n(3), n(7));
    table.row("probe: arithmetic", sandbox.call(probe, Probe::arithmeticCall { a, b, m }));
    table.row(
        "probe: hash of 1,000 bytes",
        sandbox.call(probe, Probe::hashCall { data: vec![7; 1_000].into() }),
    );
    table.row("probe: print", sandbox.call(probe, Probe::printCall { text: "hello".into() }));

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../GAS.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &table.text).unwrap();
    }
    let told = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        told == table.text,
        "contracts/GAS.md is not what calls cost; run with UPDATE_EXPECT=1:\n{}",
        table.text
    );
}
