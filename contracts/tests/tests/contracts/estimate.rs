//! Gas estimates of transactions with every example contract are exact: a transaction with the estimate as its limit does
//! what it does with all gas, and with one gas less it does not.
//!
//! `make estimate` runs this alone; its output ends with a line of JSON.

use std::sync::Arc;

use alloy_eips::BlockId;

use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::{SolCall, SolValue, sol};
use lathe_contracts_tests::module;
use lathe_node::{
    chain::{
        CREATE2_FACTORY, Chain, ChainOptions, ChainSpec, Home, MULTICALL3, MinedTransaction, Receipt,
        SubmitError,
    },
    sandbox::Message,
};

use crate::{
    cabinet::Cabinet,
    calculator::text_received,
    counter::Counter,
    erc20::Erc20,
    erc721::Erc721,
    exchange::Exchange,
    factory::{Factory, creation},
    probe::Probe,
    proxy::Proxy,
};

sol! {
    interface Multicall3 {
        struct Call3 { address target; bool allowFailure; bytes callData; }
        struct Result { bool success; bytes returnData; }
        function aggregate3(Call3[] calls) external payable returns (Result[] returnData);
    }
}

/// An EVM contract that passes what follows the first word of its calldata on to the contract that this word names, with
/// half of its gas, and fails unless that succeeds.
const HALF_OF_THE_GAS: [u8; 29] = hex!("602036038060205f375f5f915f5f5f3560025a04f1601b575f5ffd5b00");
/// An EVM contract that writes the second word of its calldata to the slot that the first names.
const STORES: [u8; 7] = hex!("6020355f355500");

/// Returns the creation data of an EVM contract.
fn evm(code: &[u8]) -> Vec<u8> {
    let length = u8::try_from(code.len()).unwrap();
    [&[0x60, length][..], &hex!("8060095f395ff3"), code].concat()
}

/// A chain, and how its estimates have done so far.
struct Estimates {
    chain: Arc<Chain>,
    from: Address,
    calls: usize,
    exact: usize,
    searched: usize,
}

/// What a transaction did, as far as others see it.
type Done = (bool, Vec<alloy_primitives::Log>);

impl Estimates {
    fn new() -> Self {
        let chain = Chain::open(ChainOptions {
            spec: ChainSpec::default(),
            home: Home::Memory,
            keep: Default::default(),
            mnemonic: "test test test test test test test test test test test junk".into(),
            account_count: 3,
            balance: U256::from(10).pow(U256::from(22)),
        });
        let chain = chain.unwrap();
        Self { from: chain.accounts()[0], chain, calls: 0, exact: 0, searched: 0 }
    }

    fn send(&self, request: TransactionRequest) -> Result<Receipt, SubmitError> {
        let hash = self.chain.send(request)?;
        let MinedTransaction { block, index } = self.chain.transaction(hash)?.unwrap();
        Ok(block.receipts[index].clone())
    }

    /// Sends a request and takes it back; one that is refused did nothing.
    fn tried(&self, request: TransactionRequest) -> Option<Done> {
        let mark = self.chain.snapshot().unwrap();
        let done = self.send(request).map(|receipt| (receipt.success, receipt.logs)).ok();
        assert!(self.chain.restore(mark).unwrap());
        done
    }

    /// Estimates a transaction, tries it with that limit and with one less, and mines it.
    fn row(&mut self, what: &str, to: TxKind, input: Vec<u8>, value: u64) -> Receipt {
        let request = TransactionRequest {
            from: Some(self.from),
            to: Some(to),
            input: Bytes::from(input).into(),
            value: Some(U256::from(value)),
            ..Default::default()
        };
        let with = |gas| TransactionRequest { gas: Some(gas), ..request.clone() };
        let estimate = self.chain.estimate(request.clone(), BlockId::latest(), None);
        let estimate = estimate.unwrap_or_else(|error| panic!("{what}: {error}"));
        let all = self.tried(with(self.chain.block_gas_limit()));
        assert!(all.as_ref().is_some_and(|(success, _)| *success), "{what}: fails with all gas");
        let (enough, less) = (self.tried(with(estimate.gas)), self.tried(with(estimate.gas - 1)));
        let is_exact = enough == all && less != all;
        println!("{:>9} gas{}  {what}", estimate.gas, if estimate.searched { ", searched" } else { "" });
        assert!(is_exact, "{what}: {estimate:?} is not exact: {enough:?}, with one less {less:?}");
        self.calls += 1;
        self.exact += usize::from(is_exact);
        self.searched += usize::from(estimate.searched);
        self.send(with(estimate.gas)).unwrap()
    }

    fn create(&mut self, what: &str, creation: Vec<u8>) -> Address {
        self.row(what, TxKind::Create, creation, 0).contract_address.unwrap()
    }

    fn call(&mut self, what: &str, to: Address, message: impl Message) {
        self.pay(what, to, message, 0);
    }

    fn pay(&mut self, what: &str, to: Address, message: impl Message, value: u64) {
        self.row(what, TxKind::Call(to), message.calldata(), value);
    }
}

/// The creation data of a module, with constructor arguments.
fn with_constructor(path: &str, arguments: &[u8]) -> Vec<u8> {
    creation(&module(path), Some(arguments)).to_vec()
}

fn n(number: u64) -> U256 {
    U256::from(number)
}

/// The last line, with its fields in this order.
#[derive(serde::Serialize)]
struct Report {
    harness: &'static str,
    calls: usize,
    exact: usize,
    searched: usize,
}

#[test]
fn estimates_are_exact() {
    let mut on = Estimates::new();
    let accounts = on.chain.accounts();
    let [caller, a, b] = accounts[..] else { panic!("three accounts") };
    on.row("transfer", TxKind::Call(a), Vec::new(), 1);
    on.row("transfer to nobody", TxKind::Call(Address::repeat_byte(5)), Vec::new(), 1);
    on.row("transfer with 1,000 bytes", TxKind::Call(a), vec![7; 1_000], 1);
    examples(&mut on, caller, a, b);
    evm_contracts(&mut on, a);
    let Estimates { calls, exact, searched, .. } = on;
    let report = Report { harness: "estimate", calls, exact, searched };
    println!("{}", serde_json::to_string(&report).unwrap());
}

/// The example contracts, which are Wasm.
fn examples(on: &mut Estimates, caller: Address, a: Address, b: Address) {
    let calculator = on.create("calculator: deploy", module("calculator/calculator.wasm"));
    for message in ["23*63", "+1", "(1+2)*(3+4)"] {
        on.call(&format!("calculator: {message}"), calculator, text_received(message, "alice", ""));
    }
    let counter = on.create("counter: deploy", module("counter/counter.wasm"));
    on.call("counter: increment, from zero", counter, Counter::incrementCall {});
    on.call("counter: increment", counter, Counter::incrementCall {});
    on.call("counter: addNumber", counter, Counter::addNumberCall { operand: n(7) });
    on.pay("counter: addFromMsgValue", counter, Counter::addFromMsgValueCall {}, 5);
    on.call("counter: setNumber to what it is", counter, Counter::setNumberCall { number: n(14) });
    on.call("counter: setNumber to 0", counter, Counter::setNumberCall { number: n(0) });
    on.call("counter: number", counter, Counter::numberCall {});

    let arguments = ("Lathe Token", "LTH", n(1_000_000), caller).abi_encode_params();
    let token = on.create("erc20: deploy", with_constructor("erc20/erc20.wasm", &arguments));
    on.call("erc20: transfer to a new holder", token, Erc20::transferCall { to: a, value: n(10) });
    on.call("erc20: transfer", token, Erc20::transferCall { to: a, value: n(10) });
    on.call("erc20: approve", token, Erc20::approveCall { spender: b, value: n(10) });
    on.from = b;
    let take = Erc20::transferFromCall { from: caller, to: a, value: n(10) };
    on.call("erc20: transferFrom, all that is allowed", token, take);
    on.from = caller;
    on.call("erc20: burn", token, Erc20::burnCall { value: n(1) });
    on.call("erc20: balanceOf", token, Erc20::balanceOfCall { account: a });

    let lots = on.create("erc721: deploy", module("erc721/erc721.wasm"));
    on.call("erc721: mint", lots, Erc721::mintCall {});
    let give = Erc721::safeTransferFrom_0Call { from: caller, to: a, tokenId: n(1) };
    on.call("erc721: safeTransferFrom", lots, give);

    let cabinet = on.create("cabinet: deploy", module("cabinet/cabinet.wasm"));
    on.call("cabinet: push, the first", cabinet, Cabinet::pushCall { value: n(1), half: 1 });
    on.call("cabinet: push", cabinet, Cabinet::pushCall { value: n(1), half: 1 });
    let text =
        |text: &str| Cabinet::setTextCall { text: text.repeat(100), data: Bytes::from_static(b"short") };
    on.call("cabinet: setText, 100 bytes", cabinet, text("x"));
    on.call("cabinet: setText, none", cabinet, text(""));

    let arguments = (token, n(3)).abi_encode_params();
    let exchange = on.create("exchange: deploy", with_constructor("exchange/exchange.wasm", &arguments));
    on.call("erc20: stock the exchange", token, Erc20::transferCall { to: exchange, value: n(1_000) });
    on.pay("exchange: buy", exchange, Exchange::buyCall {}, 30);
    on.call("erc20: approve the exchange", token, Erc20::approveCall { spender: exchange, value: U256::MAX });
    on.call("exchange: sell", exchange, Exchange::sellCall { tokens: n(5) });

    let arguments = (counter, caller, Bytes::new()).abi_encode_params();
    let proxy = on.create("proxy: deploy", with_constructor("proxy/proxy.wasm", &arguments));
    on.call("proxy: increment", proxy, Counter::incrementCall {});
    on.call("proxy: implementation", proxy, Proxy::implementationCall {});

    let factory = on.create("factory: deploy", module("factory/factory.wasm"));
    let creation = creation(&module("counter/counter.wasm"), None);
    on.call("factory: create a counter", factory, Factory::createCall { creation });

    let probe = on.create("probe: deploy", module("probe/probe.wasm"));
    on.call("probe: arithmetic", probe, Probe::arithmeticCall { a: U256::MAX, b: n(3), m: n(7) });
    on.call("probe: hash of 1,000 bytes", probe, Probe::hashCall { data: vec![7; 1_000].into() });
    on.call("probe: print", probe, Probe::printCall { text: "hello".into() });

    let events = on.create("events: deploy", module("wat/events.wat"));
    on.row("events: emit", TxKind::Call(events), Vec::new(), 0);
}

/// EVM contracts: those that every chain begins with, and two that need more than they use.
fn evm_contracts(on: &mut Estimates, a: Address) {
    let counter = on.create("a counter for EVM callers", module("counter/counter.wasm"));
    let increment = Counter::incrementCall {}.abi_encode();
    let one = Multicall3::Call3 { target: counter, allowFailure: false, callData: increment.clone().into() };
    let may_fail = Multicall3::Call3 { allowFailure: true, ..one.clone() };
    let many = |calls: &[&Multicall3::Call3]| {
        Multicall3::aggregate3Call { calls: calls.iter().copied().cloned().collect() }.abi_encode()
    };
    on.row("multicall: three increments", TxKind::Call(MULTICALL3), many(&[&one, &one, &one]), 0);
    on.row("multicall: one that may fail", TxKind::Call(MULTICALL3), many(&[&may_fail]), 0);
    on.row("multicall: two, the last may fail", TxKind::Call(MULTICALL3), many(&[&one, &may_fail]), 0);

    let salted = [&[7; 32][..], &module("counter/counter.wasm")].concat();
    on.row("CREATE2 factory: a counter", TxKind::Call(CREATE2_FACTORY), salted, 0);

    let half = on.create("half of the gas: deploy", evm(&HALF_OF_THE_GAS));
    let passed_on = [&a.into_word()[..], &[]].concat();
    on.row("half of the gas: to an account", TxKind::Call(half), passed_on, 0);
    let passed_on = [&counter.into_word()[..], &increment].concat();
    on.row("half of the gas: increment", TxKind::Call(half), passed_on, 0);
    let nested = [&half.into_word()[..], &counter.into_word()[..], &increment].concat();
    on.row("half of half of the gas: increment", TxKind::Call(half), nested, 0);

    let stores = on.create("stores: deploy", evm(&STORES));
    for (what, value) in [("stores: set", 1), ("stores: the same", 1), ("stores: clear", 0)] {
        let words = [[0; 32], U256::from(value).to_be_bytes::<32>()].concat();
        on.row(what, TxKind::Call(stores), words, 0);
    }
}
