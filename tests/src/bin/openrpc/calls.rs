//! With which parameters each method is called.

use serde_json::{Value, json};

use crate::chain::Chain;

/// A hash that nothing has.
const NOTHING: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

/// Returns the parameters of some calls of a method; none if it is unknown.
pub(crate) fn of(chain: &Chain, method: &str) -> Vec<Value> {
    let Chain { sender, contract, program, mined, unsent, blocks, filters, .. } = chain;
    let last = blocks.len() - 1;
    let numbers: Vec<String> = (0..=last).map(|number| format!("{number:#x}")).collect();
    let tags = ["latest", "earliest", "pending", "safe", "finalized"];
    let by_number = || numbers.iter().map(|number| json!([number])).chain(tags.map(|tag| json!([tag])));
    let by_hash = || blocks.iter().map(|hash| json!([hash]));
    let by_tx = || mined.iter().map(|hash| json!([hash]));
    let none = || vec![json!([])];
    let slot = format!("0x{:064x}", 0);
    let call = json!({"from": sender, "to": contract});
    let at = |block: &str, params: &[Value]| json!([params, &[json!(block)]].concat());
    let of_accounts = |rest: &[Value]| -> Vec<Value> {
        let accounts = [sender, contract, program].map(|account| json!(account));
        let params = accounts.map(|account| [&[account], rest].concat());
        let tagged = params.iter().flat_map(|params| ["latest", "earliest"].map(|tag| at(tag, params)));
        tagged.chain([at(&blocks[last], &params[1])]).collect()
    };
    match method {
        "eth_getBlockByNumber" => {
            let both = |block: &String| [true, false].map(|full| json!([block, full]));
            let tagged = tags.map(|tag| json!([tag, true]));
            numbers.iter().flat_map(both).chain(tagged).chain([json!(["0xffff", true])]).collect()
        }
        "eth_getBlockByHash" => {
            let both = |block: &String| [true, false].map(|full| json!([block, full]));
            blocks.iter().flat_map(both).chain([json!([NOTHING, true])]).collect()
        }
        "eth_getBlockTransactionCountByHash" => by_hash().chain([json!([NOTHING])]).collect(),
        "eth_getBlockTransactionCountByNumber" | "eth_getBlockReceipts" => {
            by_number().chain([json!(["0xffff"])]).collect()
        }
        "eth_getBlockAccessList"
        | "debug_getRawBlockAccessList"
        | "debug_getRawHeader"
        | "debug_getRawBlock"
        | "debug_getRawReceipts" => by_number().collect(),
        "eth_capabilities"
        | "eth_chainId"
        | "eth_syncing"
        | "eth_coinbase"
        | "eth_accounts"
        | "eth_blockNumber"
        | "eth_config"
        | "net_version"
        | "eth_gasPrice"
        | "eth_baseFee"
        | "eth_blobBaseFee"
        | "eth_maxPriorityFeePerGas"
        | "eth_newBlockFilter"
        | "eth_newPendingTransactionFilter"
        | "debug_getBadBlocks"
        | "txpool_status"
        | "txpool_content" => none(),
        "eth_call" | "eth_estimateGas" | "eth_createAccessList" => {
            let plain = json!({"from": sender, "to": sender, "value": "0x1"});
            [&call, &plain].iter().flat_map(|call| [json!([call]), json!([call, "latest"])]).collect()
        }
        "eth_simulateV1" => vec![
            json!([{"blockStateCalls": [{"calls": [call, {"to": contract, "input": "0x01"}]}]}, "latest"]),
            json!([{
                "blockStateCalls": [
                    {"blockOverrides": {"number": "0x40"}, "calls": [call]},
                    {"stateOverrides": {sender.as_str(): {"code": "0xfe"}}, "calls": [{"to": sender, "value": "0x0"}]},
                ],
                "traceTransfers": true,
                "returnFullTransactions": true,
            }]),
        ],
        "eth_feeHistory" => {
            vec![
                json!(["0x3", "latest", []]),
                json!(["0x400", "latest", [0, 25.5, 100]]),
                json!(["0x0", "latest", []]),
            ]
        }
        "eth_fillTransaction" => vec![
            json!([{"from": sender, "to": contract}]),
            json!([{"from": sender, "to": contract, "gasPrice": "0x77359400"}]),
        ],
        "eth_newFilter" => vec![json!([{"fromBlock": "0x0", "address": [contract, program]}])],
        // One that there is, made here, and one that there is not.
        "eth_uninstallFilter" => {
            vec![json!([chain.node.rpc("eth_newBlockFilter", json!([]))]), json!(["0xffff"])]
        }
        "eth_getFilterChanges" => filters.iter().map(|filter| json!([filter])).collect(),
        "eth_getFilterLogs" => vec![json!([filters[0]])],
        "eth_getLogs" => vec![
            json!([{"fromBlock": "earliest", "toBlock": "latest"}]),
            json!([{"fromBlock": "0x0", "address": contract, "topics": [[format!("0x{:064x}", 42)]]}]),
        ],
        "eth_sign" => vec![json!([sender, "0x6869"])],
        "eth_signTransaction" => vec![
            json!([{"from": sender, "to": contract, "gas": "0x186a0", "gasPrice": "0x77359400", "nonce": "0x99"}]),
            json!([{"from": sender, "to": contract, "gas": "0x186a0", "maxFeePerGas": "0x77359400", "nonce": "0x99"}]),
        ],
        "eth_getBalance" | "eth_getTransactionCount" | "eth_getCode" => of_accounts(&[]),
        "eth_getStorageAt" => of_accounts(&[json!(slot)]),
        "eth_getProof" => of_accounts(&[json!([slot, "0x1"])]),
        "eth_getStorageValues" => {
            vec![json!([{contract.as_str(): [slot, "0x1"], sender.as_str(): []}, "latest"])]
        }
        "eth_sendTransaction" => {
            vec![json!([{"from": sender, "to": contract, "gas": "0x186a0", "gasPrice": "0x77359400"}])]
        }
        "eth_sendRawTransaction" => vec![json!([unsent])],
        "eth_getTransactionByHash" | "eth_getTransactionReceipt" => {
            by_tx().chain([json!([NOTHING])]).collect()
        }
        "eth_getTransactionByBlockHashAndIndex" => {
            blocks.iter().map(|hash| json!([hash, "0x0"])).chain([json!([NOTHING, "0x0"])]).collect()
        }
        "eth_getTransactionByBlockNumberAndIndex" => {
            numbers.iter().map(|number| json!([number, "0x0"])).chain([json!(["latest", "0x9"])]).collect()
        }
        "debug_getRawTransaction" => by_tx().collect(),
        "debug_traceBlockByNumber" => traced(&json!(numbers[last])),
        "debug_traceBlockByHash" => traced(&json!(blocks[last])),
        "debug_traceTransaction" => mined.iter().flat_map(|hash| traced(&json!(hash))).collect(),
        "txpool_contentFrom" => vec![json!([sender]), json!([contract])],
        _ => Vec::new(),
    }
}

/// Returns the parameters of traces of something: of its instructions, and of its calls.
fn traced(of: &Value) -> Vec<Value> {
    vec![
        json!([of]),
        json!([of, {"enableMemory": true, "enableReturnData": true}]),
        json!([of, {"tracer": "callTracer"}]),
    ]
}
