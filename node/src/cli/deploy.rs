//! `lathe deploy` and `lathe envelope`.

use std::path::PathBuf;

use alloy_primitives::{Bytes, U64};
use lathe_vm::Rules;
use serde_json::json;

use super::{
    abi::{AbiOptions, Signature},
    client::ClientOptions,
    envelope::Creation,
    error::CliError,
    init_code::finishing_with,
    module_file::read_module,
    output::{grouped, print, print_json},
    send::SendOptions,
};
use crate::runtime::{ENTRYPOINT, MAIN};

/// Deploy a Wasm contract.
///
/// Prints what it will cost before it is sent, and address and gas afterwards. Modules of any size that the chain takes are
/// read from the file: no limit of a command line applies.
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
/// It is what `cast send --create` and the `bytecode` of an artifact take. With --constructor and no arguments, whoever
/// sends it appends them, encoded. A command line holds at most 128 KiB per argument, so larger contracts need `lathe deploy`; modules are
/// compressed unless --no-compress is given.
#[derive(Debug, clap::Args)]
pub(super) struct EnvelopeCommand {
    #[command(flatten)]
    module: ModuleOptions,
}

/// The module and how it is wrapped.
#[derive(Debug, clap::Args)]
struct ModuleOptions {
    /// The contract: a Wasm module that exports `user_entrypoint`, in binary or as text
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Run the contract's constructor, as in 'init(uint256)'; its arguments follow the file
    #[arg(long, value_name = "SIGNATURE")]
    constructor: Option<Signature>,
    /// The file is an EEI contract's init code: what it finishes with becomes the contract
    #[arg(long, conflicts_with = "constructor")]
    init: bool,
    /// Arguments of the constructor
    #[arg(requires = "constructor", allow_negative_numbers = true)]
    arguments: Vec<String>,
    #[command(flatten)]
    encoding: AbiOptions,
    /// Store the module as a brotli stream, if that is smaller; this is the default
    #[arg(long, overrides_with = "no_compress")]
    compress: bool,
    /// Store the module as it is
    #[arg(long)]
    no_compress: bool,
}

/// What becomes of a constructor's arguments that are not given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    /// They are missing.
    Refused,
    /// The client appends them.
    Appended,
}

impl ModuleOptions {
    /// Returns the module's length and its creation data.
    fn creation(&self, left_out: LeftOut) -> Result<(usize, Vec<u8>), CliError> {
        let module = read_module(&self.file)?;
        let wrong = |why: String| CliError::Usage(format!("{}: {why}", self.file.display()));
        let is_eei = is_eei(&module);
        if is_eei && self.constructor.is_some() {
            return Err(wrong(
                "an EEI contract, which exports `main`, has no constructor but its init code".into(),
            ));
        }
        if self.init && !is_eei {
            return Err(wrong("--init takes an EEI contract's init code, which exports `main`".into()));
        }
        if is_eei {
            let data = if self.init { module.clone() } else { finishing_with(&module) };
            return Ok((module.len(), data));
        }
        let constructor = match &self.constructor {
            Some(_) if self.arguments.is_empty() && left_out == LeftOut::Appended => Some(Vec::new()),
            Some(signature) => Some(signature.arguments(self.encoding.abi(), &self.arguments)?),
            None => None,
        };
        let creation = Creation {
            module: &module,
            compress: self.compress || !self.no_compress,
            constructor: constructor.as_deref(),
        };
        let data = creation.encode().map_err(|error| wrong(error.to_string()))?;
        Ok((module.len(), data))
    }
}

/// Returns whether a module is a contract of the `ethereum` interface, by what it exports. Whether it is a valid one, the
/// chain says.
fn is_eei(module: &[u8]) -> bool {
    let report = lathe_vm::inspect(module, &Rules::DEVNET);
    let exports = |name: &str| report.exports.iter().any(|export| export.name == name);
    exports(MAIN) && !exports(ENTRYPOINT)
}

impl DeployCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let (module_size, data) = self.module.creation(LeftOut::Refused)?;
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
        let (_, data) = self.module.creation(LeftOut::Appended)?;
        print(&format!("0x{}\n", hex::encode(data)));
        Ok(())
    }
}
