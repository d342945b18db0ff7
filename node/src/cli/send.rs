//! Sending a transaction that is signed here, and waiting for its receipt.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{
    Address, B256, Bytes, TxKind, U64, U256,
    utils::{UnitsError, format_units},
};
use alloy_rpc_types_eth::TransactionReceipt;
use alloy_signer::SignerSync;
use serde_json::json;

use super::{amount::parse_amount, client::Client, error::CliError, keys::KeyOptions, output::grouped};

/// What a transaction carries besides its data.
#[derive(Debug, clap::Args)]
pub(super) struct SendOptions {
    #[command(flatten)]
    keys: KeyOptions,
    /// Send this much along: wei, or with a unit as in 0.5ether or 3gwei
    #[arg(long, default_value = "0", value_parser = parse_amount, value_name = "AMOUNT")]
    value: U256,
    /// Limit the gas; estimated if left out
    #[arg(long, value_name = "GAS")]
    gas_limit: Option<u64>,
}

/// How often to ask for a receipt.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long to wait for a receipt: for nodes that mine at intervals.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(120);

impl SendOptions {
    /// Sends a transaction and returns its receipt. Fails when the node refuses it or it fails in its block.
    pub(super) fn send(
        &self,
        client: &Client,
        to: Option<Address>,
        input: Vec<u8>,
    ) -> Result<TransactionReceipt, CliError> {
        let signer = self.keys.signer()?;
        let from = signer.address();
        let input = Bytes::from(input);
        let chain_id: U64 = client.request("eth_chainId", json!([]))?;
        let nonce: U64 = client.request("eth_getTransactionCount", json!([from, "pending"]))?;
        let gas_limit = match self.gas_limit {
            Some(gas_limit) => gas_limit,
            None => {
                let mut call = json!({"from": from, "input": input, "value": self.value});
                if let Some(to) = to {
                    call["to"] = json!(to);
                }
                client.request::<U64>("eth_estimateGas", json!([call]))?.to()
            }
        };
        let gas_price: U256 = client.request("eth_gasPrice", json!([]))?;
        let priority_fee: U256 = client.request("eth_maxPriorityFeePerGas", json!([]))?;
        report_estimate(gas_limit, gas_price);
        let transaction = TxEip1559 {
            chain_id: chain_id.to(),
            nonce: nonce.to(),
            gas_limit,
            // Twice today's price lasts for at least six full blocks of rising base fees.
            max_fee_per_gas: gas_price.saturating_mul(U256::from(2)).saturating_to(),
            max_priority_fee_per_gas: priority_fee.min(gas_price).saturating_to(),
            to: to.map_or(TxKind::Create, TxKind::Call),
            value: self.value,
            access_list: Default::default(),
            input,
        };
        let signature = signer
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|error| CliError::Node(format!("signing: {error}")))?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        let hash: B256 =
            client.request("eth_sendRawTransaction", json!([Bytes::from(signed.encoded_2718())]))?;
        wait(client, hash)
    }
}

/// Says what a transaction costs at most at today's price, before it is sent.
fn report_estimate(gas: u64, gas_price: U256) {
    let cost = gas_price.saturating_mul(U256::from(gas));
    let (price, cost) = (format_units(gas_price, "gwei"), format_units(cost, "ether"));
    let plain = |text: Result<String, _>| {
        let text: String = text.unwrap_or_else(|_: UnitsError| "?".into());
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    eprintln!("estimate     {} gas, {} ether at {} gwei", grouped(gas), plain(cost), plain(price));
}

fn wait(client: &Client, hash: B256) -> Result<TransactionReceipt, CliError> {
    let start = Instant::now();
    loop {
        let receipt: Option<TransactionReceipt> =
            client.request("eth_getTransactionReceipt", json!([hash]))?;
        match receipt {
            Some(receipt) if receipt.status() => return Ok(receipt),
            Some(receipt) => {
                return Err(CliError::Failed {
                    hash,
                    block: receipt.block_number.unwrap_or_default(),
                    gas_used: receipt.gas_used,
                });
            }
            None if start.elapsed() > RECEIPT_TIMEOUT => {
                return Err(CliError::Node(format!("transaction {hash} was sent but is in no block yet")));
            }
            None => sleep(POLL_INTERVAL),
        }
    }
}
