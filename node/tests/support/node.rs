//! A chain in memory with the node's methods over it, asked as a client asks.

use std::sync::Arc;

use alloy_primitives::U256;
use lathe_node::{
    chain::{Chain, ChainOptions, ChainSpec, Home, Keep, Manner},
    rpc::{Registry, envelope, methods},
};
use serde_json::{Value, json};

use super::{MNEMONIC, schema};

/// The first development account.
pub(crate) const ALICE: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
/// The second.
pub(crate) const BOB: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";
/// An account without a key or anything else.
pub(crate) const NOBODY: &str = "0x00000000000000000000000000000000000000ff";
/// What each development account has: 10,000 ether.
const BALANCE_WEI: u128 = 10_000_000_000_000_000_000_000;

/// The node. Every result is held to the schema that the node's OpenRPC document has of it.
pub(crate) struct Node {
    pub(crate) chain: Arc<Chain>,
    pub(crate) registry: Registry,
}

impl Node {
    /// Starts with two development accounts.
    pub(crate) fn new() -> Self {
        Self::with(Manner::default())
    }

    pub(crate) fn with(manner: Manner) -> Self {
        Self::open(2, Keep::default(), manner)
    }

    pub(crate) fn with_accounts(account_count: u32) -> Self {
        Self::open(account_count, Keep::default(), Manner::default())
    }

    /// Starts one that keeps the state of so many blocks.
    pub(crate) fn keeping(history: Option<u64>) -> Self {
        Self::open(2, Keep { history, ..Keep::default() }, Manner::default())
    }

    fn open(account_count: u32, keep: Keep, manner: Manner) -> Self {
        let options = ChainOptions {
            spec: ChainSpec::default(),
            home: Home::Memory,
            keep,
            mnemonic: MNEMONIC.into(),
            account_count,
            balance: U256::from(BALANCE_WEI),
        };
        Self::over(Chain::open_with(options, manner).expect("a chain in memory"))
    }

    pub(crate) fn over(chain: Arc<Chain>) -> Self {
        Self { registry: Registry::new(chain.clone(), methods::ALL), chain }
    }

    /// Returns the answer to a request, a result or an error.
    pub(crate) fn answer(&self, method: &str, params: &Value) -> Value {
        self.answer_to(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    }

    /// Returns the answer to JSON that may be no request.
    pub(crate) fn answer_to(&self, request: &Value) -> Value {
        let answer = envelope::answer(&self.registry, request.to_string().as_bytes());
        serde_json::from_slice(&answer.expect("a request with an id is answered")).expect("JSON")
    }

    pub(crate) fn result(&self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, &params);
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        schema::check(method, &answer["result"]);
        answer["result"].take()
    }

    /// Returns code and message of a refusal.
    pub(crate) fn refusal(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.answer(method, &params);
        let code = answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{method} {params}: {answer}"));
        (code, answer["error"]["message"].as_str().expect("a message").to_owned())
    }

    /// Returns the message of a refusal.
    pub(crate) fn error(&self, method: &str, params: Value) -> String {
        self.refusal(method, params).1
    }

    /// Sends a transaction and returns its hash.
    pub(crate) fn send(&self, from: &str, mut transaction: Value) -> Value {
        transaction["from"] = json!(from);
        self.result("eth_sendTransaction", json!([transaction]))
    }

    pub(crate) fn receipt(&self, hash: &Value) -> Value {
        self.result("eth_getTransactionReceipt", json!([hash]))
    }

    /// Creates a contract of the first account and returns its address.
    pub(crate) fn create(&self, data: &[u8]) -> String {
        let receipt = self.receipt(&self.send(ALICE, json!({"data": format!("0x{}", hex::encode(data))})));
        receipt["contractAddress"].as_str().unwrap_or_else(|| panic!("{receipt}")).to_owned()
    }

    /// Deploys a Wasm program and returns its address.
    pub(crate) fn deploy(&self, text: &str) -> String {
        self.create(&super::envelope(0, &super::wasm(text), &[]))
    }

    pub(crate) fn block(&self, block: &str) -> Value {
        self.result("eth_getBlockByNumber", json!([block, false]))
    }

    pub(crate) fn height(&self) -> u64 {
        number(&self.result("eth_blockNumber", json!([])))
    }
}

/// Returns the number that a quantity is.
pub(crate) fn number(quantity: &Value) -> u64 {
    let digits = quantity.as_str().and_then(|text| text.strip_prefix("0x")).expect("a quantity");
    u64::from_str_radix(digits, 16).expect("64 bits")
}
