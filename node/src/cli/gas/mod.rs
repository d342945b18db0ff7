//! `lathe gas`: where the gas of a transaction, or of a function without a chain, went.

mod report;

use std::path::PathBuf;

use alloy_primitives::B256;
use serde_json::json;

use super::{
    client::ClientOptions,
    error::CliError,
    output::{print, print_json_text},
    run::RunCommand,
    trace::NameOptions,
};
use crate::runtime::trace::Profile;

/// Gas of a run without a chain, if nothing else is said: as `lathe run` has it.
const GAS_DEFAULT: u64 = 1_000_000_000;

/// Show where the gas went: by function, host call and EVM instruction.
///
/// What each took itself adds up to the gas used: what was paid for the transaction, its calldata, loading code, pages and
/// refunds are rows of their own. Inclusive is with all that ran inside it.
#[derive(Debug, clap::Args)]
pub(super) struct GasCommand {
    /// The hash of a transaction, or a Wasm module whose function is run as by `lathe run`
    #[arg(value_name = "TX|FILE")]
    what: String,
    /// The exported function, for a module
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// Its arguments
    #[arg(long, num_args = 0.., allow_negative_numbers = true, value_name = "VALUE", requires = "invoke")]
    args: Vec<String>,
    /// How much gas a run may use, instantiation included
    #[arg(long, default_value_t = GAS_DEFAULT, value_name = "GAS")]
    gas: u64,
    /// Print stacks as flame graph tools read them: names from the outermost on, then ink
    #[arg(long, conflicts_with_all = ["svg", "json"])]
    folded: bool,
    /// Print a flame graph as SVG
    #[arg(long, conflicts_with = "json")]
    svg: bool,
    /// Print the tree as JSON
    #[arg(long)]
    json: bool,
    /// How many rows the table has
    #[arg(long, default_value_t = 40, value_name = "COUNT")]
    rows: usize,
    #[command(flatten)]
    names: NameOptions,
    #[command(flatten)]
    client: ClientOptions,
}

impl GasCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let mut profile = match self.what.parse::<B256>() {
            Ok(hash) => self.client.client()?.request("lathe_gasProfile", json!([hash]))?,
            Err(_) => self.module_profile()?,
        };
        report::name_frames(&mut profile, &self.names.load()?);
        if self.json {
            let text = serde_json::to_string(&profile);
            print_json_text(
                &text.map_err(|error| CliError::Output(format!("the profile is no JSON: {error}")))?,
            );
        } else if self.folded {
            print(&report::folded(&profile));
        } else if self.svg {
            print(&report::flame_graph(&profile)?);
        } else {
            print(&report::table(&profile, self.rows));
        }
        Ok(())
    }

    fn module_profile(&self) -> Result<Profile, CliError> {
        if !self.what.contains(['.', '/']) && self.what.starts_with("0x") {
            return Err(CliError::Usage(format!("{}: a transaction's hash has 64 digits", self.what)));
        }
        let file = PathBuf::from(&self.what);
        RunCommand::of(file, self.invoke.clone(), self.args.clone(), self.gas).profile()
    }
}
