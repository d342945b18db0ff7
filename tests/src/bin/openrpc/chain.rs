//! A chain with something of everything: contracts of both kinds, transactions of every type, logs, a failure, and
//! transactions that wait.

use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use lathe_tests::{FIRST_ADDRESS, FIRST_KEY, Node, root};
use serde_json::{Value, json};

/// EVM code that copies what follows it and returns it as the code of the contract to be.
const INSTALL: &str = "600b380380600b5f395ff3";
/// EVM code that stores 7 in slot 0 and emits a log with the topic 42; with calldata, it reverts.
const CONTRACT: &str = "36600d5760075f55602a5f5fa1005b5f5ffd";

/// A node and what is on its chain.
pub(crate) struct Chain {
    pub(crate) node: Node,
    /// The account that sent everything.
    pub(crate) sender: String,
    /// An EVM contract, which emits logs.
    pub(crate) contract: String,
    /// A Wasm contract.
    pub(crate) program: String,
    /// Hashes of mined transactions, one or more of each type.
    pub(crate) mined: Vec<String>,
    /// A signed transaction that nobody has sent.
    pub(crate) unsent: String,
    /// Hashes of the blocks, the first first.
    pub(crate) blocks: Vec<String>,
    /// A filter that has found logs, and one that has found blocks.
    pub(crate) filters: [String; 2],
}

impl Chain {
    /// Makes the chain of a fresh node.
    pub(crate) fn make(node: Node) -> Self {
        let text = |value: Value| value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned();
        let sender = FIRST_ADDRESS.to_lowercase();
        let mut mined = Vec::new();
        let mut send = |mut request: Value| -> Value {
            request["from"] = json!(sender);
            let hash = text(node.rpc("eth_sendTransaction", json!([request])));
            let receipt = node.rpc("eth_getTransactionReceipt", json!([hash]));
            mined.push(hash);
            receipt
        };
        let contract =
            text(send(json!({"input": format!("0x{INSTALL}{CONTRACT}")}))["contractAddress"].take());
        let program = text(send(json!({"input": wasm()}))["contractAddress"].take());
        let logs = text(node.rpc("eth_newFilter", json!([{"fromBlock": "0x0", "address": contract}])));
        let blocks = text(node.rpc("eth_newBlockFilter", json!([])));
        let list = json!([{"address": contract, "storageKeys": [format!("0x{:064x}", 0)]}]);
        for request in [
            json!({"to": contract, "gasPrice": "0x77359400"}),
            json!({"to": contract, "gasPrice": "0x77359400", "accessList": list}),
            json!({"to": contract, "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"}),
            json!({"to": sender, "authorizationList": [authorization(&contract)], "gas": "0x186a0"}),
            json!({"to": contract, "input": "0x01", "gas": "0x186a0"}),
            json!({"to": sender, "value": "0x1"}),
        ] {
            send(request);
        }
        let head = node.rpc("eth_getBlockByNumber", json!(["latest", false]));
        let last = lathe_tests::quantity(&head["number"]);
        let hash = |number: u64| {
            text(node.rpc("eth_getBlockByNumber", json!([format!("{number:#x}"), false]))["hash"].take())
        };
        let block_hashes = (0..=last).map(hash).collect();

        // From here on transactions wait: some for a block, some for a nonce.
        node.rpc("evm_setAutomine", json!([false]));
        let nonce = lathe_tests::quantity(&node.rpc("eth_getTransactionCount", json!([sender, "latest"])));
        let mut unsent = String::new();
        for (ahead, fields) in [
            (0, json!({"gasPrice": "0x77359400"})),
            (1, json!({"gasPrice": "0x77359400", "accessList": list})),
            (2, json!({"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"})),
            (5, json!({"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"})),
            (6, json!({"gasPrice": "0x77359400"})),
        ] {
            let mut request = fields;
            let nonce = format!("{:#x}", nonce + ahead);
            let whole = json!({"from": sender, "to": contract, "gas": "0x186a0", "nonce": nonce});
            request.as_object_mut().expect("an object").extend(whole.as_object().expect("an object").clone());
            unsent = text(node.rpc("eth_signTransaction", json!([request]))["raw"].take());
            if ahead < 6 {
                node.rpc("eth_sendRawTransaction", json!([unsent]));
            }
        }
        Self { node, sender, contract, program, mined, unsent, blocks: block_hashes, filters: [logs, blocks] }
    }
}

/// Returns the creation data of the counter.
fn wasm() -> String {
    let path = root().join("contracts/counter/counter.wasm");
    let module = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let len = u32::try_from(module.len()).expect("a small module");
    let data = [&[0xef, 0x4c, 1, 0][..], &len.to_be_bytes(), &module].concat();
    let digits: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

/// Returns the signed wish of an account to run a contract's code.
fn authorization(contract: &str) -> Value {
    // Any key does; this one has no account yet.
    let first: PrivateKeySigner = FIRST_KEY.parse().expect("a key");
    let signer = PrivateKeySigner::from_bytes(&alloy_primitives::keccak256(first.to_bytes())).expect("a key");
    let address: Address = contract.parse().expect("an address");
    let authorization = Authorization { chain_id: U256::from(31_337), address, nonce: 0 };
    let signature = signer.sign_hash_sync(&authorization.signature_hash()).expect("a key signs");
    serde_json::to_value(authorization.into_signed(signature)).expect("an authorization is plain data")
}
