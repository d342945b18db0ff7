//! What Otterscan asks for, on a chain with a contract that creates another and sends ether on.

mod support;

use lathe_node::chain::MULTICALL3;
use serde_json::{Value, json};
use support::node::{ALICE, Node};

const OTHER: &str = "0x00000000000000000000000000000000c0ffee01";
/// EVM code that returns what follows it as the code of the contract to be.
const INSTALL: &str = "600b380380600b5f395ff3";
/// EVM code that reverts with the byte ff.
const REVERTS: &str = "60ff5f5360015ffd";

impl Node {
    /// Sends a transaction and returns its receipt.
    fn mined(&self, mut request: Value) -> Value {
        request["from"] = json!(ALICE);
        let hash = self.result("eth_sendTransaction", json!([request]));
        self.result("eth_getTransactionReceipt", json!([hash]))
    }
}

/// EVM code that creates a contract whose code is one zero, and sends 1 wei to OTHER.
fn factory() -> String {
    format!("6760005f5360015ff35f52600860185ff0505f5f5f5f600173{}5af15000", &OTHER[2..])
}

#[test]
fn transactions_tell_what_they_did_inside() {
    let node = Node::with_accounts(1);
    let created = node.mined(json!({"input": format!("0x{INSTALL}{}", factory()), "value": "0x5"}));
    let factory = created["contractAddress"].clone();
    let called = node.mined(json!({"to": factory}));
    let hash = called["transactionHash"].clone();
    let operations = node.result("ots_getInternalOperations", json!([hash]));
    let inner = operations[0]["to"].clone();
    let expected = json!([
        {"type": 2, "from": factory, "to": inner, "value": "0x0"},
        {"type": 0, "from": factory, "to": OTHER, "value": "0x1"},
    ]);
    assert_eq!(operations, expected);
    assert_eq!(node.result("eth_getCode", json!([inner])), json!("0x00"));
    let traced = node.result("ots_traceTransaction", json!([hash]));
    let shown: Vec<Value> = traced
        .as_array()
        .expect("calls")
        .iter()
        .map(|call| json!([call["type"], call["depth"], call["to"], call["value"], call["output"]]))
        .collect();
    let expected = [
        json!(["CALL", 0, factory, "0x0", "0x"]),
        json!(["CREATE", 1, inner, "0x0", "0x00"]),
        json!(["CALL", 1, OTHER, "0x1", "0x"]),
    ];
    assert_eq!(shown, expected);

    for (contract, creator) in [
        (&factory, json!({"hash": created["transactionHash"], "creator": ALICE})),
        (&inner, json!({"hash": hash, "creator": factory})),
        (&json!(ALICE), json!(null)),
        (&json!(MULTICALL3), json!(null)),
    ] {
        assert_eq!(node.result("ots_getContractCreator", json!([contract])), creator, "{contract}");
    }

    let reverts = node.mined(json!({"input": format!("0x{INSTALL}{REVERTS}")}))["contractAddress"].clone();
    let failed = node.mined(json!({"to": reverts, "gas": "0x186a0"}));
    assert_eq!(failed["status"], json!("0x0"));
    for (of, error) in [(&failed["transactionHash"], "0xff"), (&hash, "0x")] {
        assert_eq!(node.result("ots_getTransactionError", json!([of])), json!(error));
    }
    let nothing = json!([format!("0x{:064x}", 1)]);
    assert_eq!(node.result("ots_getInternalOperations", nothing.clone()), json!(null));
    assert_eq!(node.result("ots_traceTransaction", nothing), json!(null));
}

#[test]
fn blocks_are_shown_in_pages() {
    let node = Node::with_accounts(1);
    assert_eq!(node.result("ots_getApiLevel", json!([])), json!(8));
    node.result("evm_setAutomine", json!([false]));
    let sent: Vec<Value> = (0..3)
        .map(|n| {
            let request = json!({"from": ALICE, "to": OTHER, "gas": "0xea60", "nonce": format!("{n:#x}"), "input": "0x0102030405"});
            node.result("eth_sendTransaction", json!([request]))
        })
        .collect();
    node.result("evm_mine", json!([]));
    let hashes = |page: &Value, list: &str| -> Vec<Value> {
        page[list].as_array().expect("a list").iter().map(|item| item["hash"].clone()).collect()
    };
    for (page, size, expected) in
        [(0, 2, &sent[1..]), (1, 2, &sent[..1]), (2, 2, &sent[..0]), (0, 9, &sent[..])]
    {
        let page = node.result("ots_getBlockTransactions", json!([1, page, size]));
        assert_eq!(hashes(&page["fullblock"], "transactions"), expected);
        assert_eq!(page["receipts"].as_array().map(Vec::len), Some(expected.len()));
        assert_eq!(page["fullblock"]["transactionCount"], json!("0x3"));
    }
    let page = node.result("ots_getBlockTransactions", json!(["latest", 0, 1]));
    assert_eq!(page["fullblock"]["transactions"][0]["input"], json!("0x01020304"));
    assert_eq!(page["receipts"][0]["logs"], json!(null));

    let block = node.result("eth_getBlockByNumber", json!(["latest"]));
    let details = node.result("ots_getBlockDetails", json!([1]));
    assert_eq!(details, node.result("ots_getBlockDetailsByHash", json!([block["hash"]])));
    assert_eq!(
        (&details["block"]["hash"], &details["block"]["transactionCount"]),
        (&block["hash"], &json!("0x3"))
    );
    let number = |value: &Value| {
        u128::from_str_radix(value.as_str().expect("hex").trim_start_matches("0x"), 16).expect("hex")
    };
    let receipts = node.result("eth_getBlockReceipts", json!([1]));
    let fees: u128 = receipts
        .as_array()
        .expect("receipts")
        .iter()
        .map(|receipt| number(&receipt["gasUsed"]) * number(&receipt["effectiveGasPrice"]))
        .sum();
    assert_eq!(number(&details["totalFees"]), fees);
    assert_eq!(node.result("ots_getBlockDetails", json!([99])), json!(null));
    assert_eq!(node.result("ots_hasCode", json!([MULTICALL3, "latest"])), json!(true));
    assert_eq!(node.result("ots_hasCode", json!([ALICE, 0])), json!(false));
    assert_eq!(node.result("ots_getTransactionBySenderAndNonce", json!([ALICE, 1])), sent[1]);
    assert_eq!(node.result("ots_getTransactionBySenderAndNonce", json!([ALICE, 9])), json!(null));
    assert_eq!(node.result("erigon_getHeaderByNumber", json!([1]))["hash"], block["hash"]);
}

#[test]
fn an_account_is_searched_in_both_directions() {
    let node = Node::with_accounts(1);
    let created = node.mined(json!({"input": format!("0x{INSTALL}{}", factory()), "value": "0x5"}));
    let hashes: Vec<Value> = (0..4)
        .map(|_| node.mined(json!({"to": created["contractAddress"]}))["transactionHash"].clone())
        .collect();
    // Blocks 2 to 5 hold them.
    let search = |method: &str, address: &str, block: u64, size: u64| {
        let found = node.result(method, json!([address, block, size]));
        let txs = found["txs"].as_array().expect("transactions");
        assert_eq!(Some(txs.len()), found["receipts"].as_array().map(Vec::len));
        let txs: Vec<Value> = txs.iter().map(|tx| tx["hash"].clone()).collect();
        (txs, [found["firstPage"].clone(), found["lastPage"].clone()].map(|flag| flag == true))
    };
    let newest_first =
        |range: std::ops::Range<usize>| -> Vec<Value> { hashes[range].iter().rev().cloned().collect() };
    let before = |block, size| search("ots_searchTransactionsBefore", OTHER, block, size);
    let after = |block, size| search("ots_searchTransactionsAfter", OTHER, block, size);
    assert_eq!(before(0, 25), (newest_first(0..4), [true, true]), "found inside the factory's calls");
    assert_eq!(before(0, 2), (newest_first(2..4), [true, false]));
    assert_eq!(before(4, 2), (newest_first(0..2), [false, false]));
    assert_eq!(before(2, 2), (Vec::new(), [false, true]));
    assert_eq!(after(0, 25), (newest_first(0..4), [true, true]));
    assert_eq!(after(0, 2), (newest_first(0..2), [false, true]));
    assert_eq!(after(3, 2), (newest_first(2..4), [true, false]));
    assert_eq!(after(5, 2), (Vec::new(), [true, false]));
    let (all, _) = search("ots_searchTransactionsBefore", ALICE, 0, 25);
    assert_eq!(all.len(), 5);
    assert_eq!(all[4], created["transactionHash"]);
}
