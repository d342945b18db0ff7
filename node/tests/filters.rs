//! Filters through RPC: what they collect, what going back does to them, and how they are refused.

mod support;

use lathe_node::chain::{FILTER_VALUES_MAX, FILTERS_MAX};
use serde_json::{Value, json};
use support::node::{ALICE, BOB, Node};

/// Creation data of EVM code that emits a log with topic 7 and no data.
const LOGGER: &str = "0x67600760006000a10060005260086018f3";

impl Node {
    fn changes(&self, filter: &Value) -> Value {
        self.result("eth_getFilterChanges", json!([filter]))
    }

    fn logger(&self) -> String {
        let data = LOGGER;
        let hash = self.result("eth_sendTransaction", json!([{"from": ALICE, "data": data}]));
        let receipt = self.result("eth_getTransactionReceipt", json!([hash]));
        receipt["contractAddress"].as_str().unwrap_or_else(|| panic!("{receipt}")).to_owned()
    }

    /// Emits a log and returns the transaction's hash.
    fn emit(&self, logger: &str) -> Value {
        self.result("eth_sendTransaction", json!([{"from": ALICE, "to": logger}]))
    }

    fn head(&self) -> Value {
        self.result("eth_getBlockByNumber", json!(["latest", false]))
    }
}

fn field(list: &Value, name: &str) -> Vec<Value> {
    list.as_array().expect("an array").iter().map(|item| item[name].clone()).collect()
}

#[test]
fn each_filter_reports_what_came_since_it_was_asked() {
    let node = Node::new();
    let logger = node.logger();
    let blocks = node.result("eth_newBlockFilter", json!([]));
    let logs = node.result("eth_newFilter", json!([{"address": logger}]));
    let others = node.result("eth_newFilter", json!([{"address": [BOB]}]));
    let arrivals = node.result("eth_newPendingTransactionFilter", json!([]));
    for filter in [&blocks, &logs, &others, &arrivals] {
        assert_eq!(node.changes(filter), json!([]), "what was there before the filter is not new");
    }
    let first = node.emit(&logger);
    let first_block = node.head()["hash"].clone();
    let second = node.emit(&logger);
    let second_block = node.head()["hash"].clone();
    assert_eq!(node.changes(&blocks), json!([first_block, second_block]));
    assert_eq!(node.changes(&arrivals), json!([first, second]));
    let found = node.changes(&logs);
    assert_eq!(field(&found, "transactionHash"), [first.clone(), second.clone()]);
    assert_eq!(field(&found, "removed"), [false, false]);
    assert_eq!(found, node.result("eth_getLogs", json!([{"fromBlock": "0x0", "address": logger}])));
    for filter in [&blocks, &logs, &others, &arrivals] {
        assert_eq!(node.changes(filter), json!([]));
    }
    let third = node.emit(&logger);
    assert_eq!(field(&node.changes(&logs), "transactionHash"), [third]);
    // All of the chain, not only what is new; the filter's range begins at the latest block unless it says otherwise.
    let all = node.result("eth_newFilter", json!([{"fromBlock": "0x0", "address": logger}]));
    let found = node.result("eth_getFilterLogs", json!([all]));
    assert_eq!(field(&found, "blockNumber"), ["0x2", "0x3", "0x4"]);
}

#[test]
fn a_waiting_transaction_arrives_once_and_before_its_block() {
    let node = Node::new();
    let arrivals = node.result("eth_newPendingTransactionFilter", json!([]));
    let gap = node
        .result("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "nonce": "0x1", "gas": "0x5208"}]));
    assert_eq!(node.changes(&arrivals), json!([gap]));
    let filler = node.result("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "nonce": "0x0"}]));
    assert_eq!(node.changes(&arrivals), json!([filler]));
}

#[test]
fn the_range_of_a_filter_bounds_what_it_reports() {
    let node = Node::new();
    let logger = node.logger();
    let range = json!([{"fromBlock": "0x3", "toBlock": "0x4", "address": logger}]);
    let filter = node.result("eth_newFilter", range);
    for _ in 2..=5 {
        node.emit(&logger);
    }
    assert_eq!(field(&node.changes(&filter), "blockNumber"), ["0x3", "0x4"]);
}

#[test]
fn going_back_takes_reported_logs_back_and_reports_what_replaces_them() {
    for way_back in ["evm_revert", "anvil_rollback"] {
        let node = Node::new();
        let logger = node.logger();
        let snapshot = node.result("evm_snapshot", json!([]));
        let blocks = node.result("eth_newBlockFilter", json!([]));
        let logs = node.result("eth_newFilter", json!([{"address": logger}]));
        let late = node.result("eth_newFilter", json!([{"address": logger}]));
        let reported = [node.emit(&logger), node.emit(&logger)];
        assert_eq!(field(&node.changes(&logs), "transactionHash"), reported);
        assert_eq!(node.changes(&blocks).as_array().map(Vec::len), Some(2));
        node.emit(&logger); // which nobody has seen when it is taken back
        match way_back {
            "evm_revert" => assert_eq!(node.result(way_back, json!([snapshot])), json!(true)),
            _ => assert_eq!(node.result(way_back, json!(["0x3"])), json!(null)),
        }
        // Another value: the chain that follows differs from the one taken back.
        let replacement =
            node.result("eth_sendTransaction", json!([{"from": ALICE, "to": logger, "gas": "0x20000"}]));
        let changes = node.changes(&logs);
        assert_eq!(field(&changes, "removed"), [true, true, false], "{way_back}");
        assert_eq!(
            field(&changes, "transactionHash"),
            [reported[0].clone(), reported[1].clone(), replacement.clone()]
        );
        assert_eq!(field(&changes, "blockNumber"), ["0x2", "0x3", "0x2"]);
        assert_eq!(node.changes(&blocks), json!([node.head()["hash"]]));
        assert_eq!(
            field(&node.changes(&late), "transactionHash"),
            [replacement],
            "it reported nothing before"
        );
        assert_eq!(node.changes(&logs), json!([]));
    }
}

#[test]
fn filters_are_refused_with_what_is_wrong() {
    let node = Node::new();
    let filter = node.result("eth_newBlockFilter", json!([]));
    assert!(node.error("eth_getFilterLogs", json!([filter])).starts_with("filter not found"));
    assert_eq!(node.result("eth_uninstallFilter", json!([filter])), json!(true));
    assert_eq!(node.result("eth_uninstallFilter", json!([filter])), json!(false));
    assert!(node.error("eth_getFilterChanges", json!([filter])).starts_with("filter not found"));
    let foreign = format!("0x{}", "f".repeat(32));
    assert!(node.error("eth_getFilterChanges", json!([foreign])).starts_with("filter not found"));
    let backwards = json!([{"fromBlock": "0x5", "toBlock": "0x1"}]);
    assert!(node.error("eth_newFilter", backwards).contains("invalid block range"));
    let topics: Vec<String> = (0..=FILTER_VALUES_MAX).map(|n| format!("0x{n:064x}")).collect();
    let error = node.error("eth_newFilter", json!([{"topics": [topics]}]));
    assert!(error.contains("names 1001 addresses and topics, the limit is 1000"), "{error}");
    for _ in 0..FILTERS_MAX {
        node.result("eth_newBlockFilter", json!([]));
    }
    let error = node.error("eth_newPendingTransactionFilter", json!([]));
    assert!(error.contains("no more than 1024 filters"), "{error}");
}
