//! `lathe deploy` and `lathe envelope`.

use std::{fs, path::PathBuf};

use alloy_primitives::{Bytes, U64};
use serde_json::json;

use super::{
    client::ClientOptions,
    envelope::Creation,
    error::CliError,
    output::{grouped, print, print_json},
    send::SendOptions,
};

/// Deploy a Wasm contract.
#[derive(Debug, clap::Args)]
pub(super) struct DeployCommand {
    #[command(flatten)]
    module: ModuleOptions,
    #[command(flatten)]
    client: ClientOptions,
    #[command(flatten)]
    send: SendOptions,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Print the creation data of a Wasm contract in hex.
///
/// It is what `cast send --create` and the `bytecode` of an artifact take; arguments of the constructor may be appended
/// to it. A command line holds at most 128 KiB per argument, so larger contracts need `lathe deploy`; modules are
/// compressed unless --no-compress is given.
#[derive(Debug, clap::Args)]
pub(super) struct EnvelopeCommand {
    #[command(flatten)]
    module: ModuleOptions,
}

/// The module and how it is wrapped.
#[derive(Debug, clap::Args)]
struct ModuleOptions {
    /// The contract: a Wasm module that exports `user_entrypoint`
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Run the contract's constructor with these encoded arguments (hex; 0x for none)
    #[arg(long, value_name = "ARGS_HEX")]
    constructor: Option<Bytes>,
    /// Store the module as it is, not as a brotli stream
    #[arg(long)]
    no_compress: bool,
}

impl ModuleOptions {
    /// Returns the module's length and its creation data.
    fn creation(&self) -> Result<(usize, Vec<u8>), CliError> {
        let module = fs::read(&self.file).map_err(|error| CliError::file(&self.file, error))?;
        let creation = Creation {
            module: &module,
            compress: !self.no_compress,
            constructor: self.constructor.as_ref().map(AsRef::as_ref),
        };
        let data = creation
            .encode()
            .map_err(|error| CliError::Usage(format!("{}: {error}", self.file.display())))?;
        Ok((module.len(), data))
    }
}

impl DeployCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let (module_size, data) = self.module.creation()?;
        let client = self.client.client()?;
        let receipt = self.send.send(&client, None, data)?;
        let hash = receipt.transaction_hash;
        let address = receipt
            .contract_address
            .ok_or_else(|| CliError::Output(format!("the receipt of {hash} names no contract")))?;
        let code: Bytes = client.request("eth_getCode", json!([address, "latest"]))?;
        let block = receipt.block_number.unwrap_or_default();
        if self.json {
            print_json(&json!({
                "address": address.to_string(),
                "transactionHash": hash,
                "blockNumber": U64::from(block),
                "gasUsed": U64::from(receipt.gas_used),
                "moduleSize": module_size,
                "codeSize": code.len(),
            }));
        } else {
            print(&format!(
                "address      {address}\n\
                 transaction  {hash}\n\
                 block        {block}\n\
                 gas used     {}\n\
                 code         {} bytes on the chain, {} bytes of Wasm\n",
                grouped(receipt.gas_used),
                grouped(code.len() as u64),
                grouped(module_size as u64),
            ));
        }
        Ok(())
    }
}

impl EnvelopeCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let (_, data) = self.module.creation()?;
        print(&format!("0x{}\n", hex::encode(data)));
        Ok(())
    }
}
