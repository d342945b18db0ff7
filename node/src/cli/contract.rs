//! `lathe call`, `lathe send`, `lathe encode` and `lathe decode`: talking to a contract by its signatures.

use alloy_eips::BlockId;
use alloy_primitives::{Address, Bytes, U64, U256};
use serde_json::{Value as Json, json};

use super::{
    abi::{self, AbiOptions, Signature},
    amount::parse_amount,
    client::ClientOptions,
    error::CliError,
    output::{grouped, print, print_json},
    send::SendOptions,
    value::Value,
};

/// A function and its arguments.
#[derive(Debug, clap::Args)]
struct FunctionOptions {
    /// The function, as in 'balanceOf(address)(uint256)' or, with --scale, 'text_received(str,u64)->str'
    signature: Signature,
    /// Its arguments: text as it is, [1, 2], (1, "a"), none, some(1), hex for bytes
    #[arg(allow_negative_numbers = true)]
    arguments: Vec<String>,
    #[command(flatten)]
    encoding: AbiOptions,
}

impl FunctionOptions {
    fn calldata(&self) -> Result<Vec<u8>, CliError> {
        let abi = self.encoding.abi();
        self.signature.check_result(abi)?;
        self.signature.calldata(abi, &self.arguments)
    }
}

/// Call a contract function without a transaction and print what it returns.
#[derive(Debug, clap::Args)]
pub(super) struct CallCommand {
    /// The contract
    address: Address,
    #[command(flatten)]
    function: FunctionOptions,
    #[command(flatten)]
    client: ClientOptions,
    /// Call as this account
    #[arg(long, value_name = "ADDRESS")]
    from: Option<Address>,
    /// Send this much along: wei, or with a unit as in 0.5ether or 3gwei
    #[arg(long, default_value = "0", value_parser = parse_amount, value_name = "AMOUNT")]
    value: U256,
    /// Call on the state after this block: a number, a tag or a hash
    #[arg(long, default_value = "latest")]
    block: BlockId,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl CallCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let mut call = json!({"to": self.address, "input": Bytes::from(self.function.calldata()?)});
        if let Some(from) = self.from {
            call["from"] = json!(from);
        }
        if !self.value.is_zero() {
            call["value"] = json!(self.value);
        }
        let client = self.client.client()?;
        let output: Bytes = client.request("eth_call", json!([call, self.block]))?;
        if output.is_empty() {
            let code: Bytes = client.request("eth_getCode", json!([self.address, self.block]))?;
            if code.is_empty() {
                return Err(CliError::Output(format!("there is no contract at {}", self.address)));
            }
        }
        let FunctionOptions { signature, encoding, .. } = &self.function;
        print_value(signature.result(encoding.abi(), &output)?, &output, self.json);
        Ok(())
    }
}

/// Call a contract function in a transaction.
#[derive(Debug, clap::Args)]
pub(super) struct SendCommand {
    /// The contract
    address: Address,
    #[command(flatten)]
    function: FunctionOptions,
    #[command(flatten)]
    client: ClientOptions,
    #[command(flatten)]
    send: SendOptions,
    /// Print the receipt as JSON
    #[arg(long)]
    json: bool,
}

impl SendCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let calldata = self.function.calldata()?;
        let client = self.client.client()?;
        let receipt = self.send.send(&client, Some(self.address), calldata)?;
        let (hash, block) = (receipt.transaction_hash, receipt.block_number.unwrap_or_default());
        if self.json {
            print_json(&json!({
                "transactionHash": hash,
                "blockNumber": U64::from(block),
                "gasUsed": U64::from(receipt.gas_used),
                "logs": receipt.logs(),
            }));
        } else {
            print(&format!(
                "transaction  {hash}\nblock        {block}\ngas used     {}\nlogs         {}\n",
                grouped(receipt.gas_used),
                receipt.logs().len(),
            ));
        }
        Ok(())
    }
}

/// Print the calldata of a function call in hex, for other tools.
#[derive(Debug, clap::Args)]
pub(super) struct EncodeCommand {
    #[command(flatten)]
    function: FunctionOptions,
}

impl EncodeCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        print(&format!("0x{}\n", hex::encode(self.function.calldata()?)));
        Ok(())
    }
}

/// Print a value that a contract returned.
#[derive(Debug, clap::Args)]
pub(super) struct DecodeCommand {
    /// The type of the value, as in uint256 or (uint8,bool); with --scale, as in u64, str or (u8, bool)
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The value, in hex
    #[arg(value_name = "HEX")]
    output: Bytes,
    #[command(flatten)]
    encoding: AbiOptions,
    /// Print the value as JSON
    #[arg(long)]
    json: bool,
}

impl DecodeCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let value = abi::decode(self.encoding.abi(), &self.kind, &self.output)?;
        print_value(Some(value), &self.output, self.json);
        Ok(())
    }
}

/// Prints a result, or the bytes of one whose type is unknown.
fn print_value(value: Option<Value>, output: &Bytes, as_json: bool) {
    match (value, as_json) {
        (Some(value), false) => print(&format!("{}\n", value.to_text())),
        (Some(value), true) => print_json(&value.to_json()),
        (None, false) => print(&format!("{output}\n")),
        (None, true) => print_json(&Json::String(output.to_string())),
    }
}
