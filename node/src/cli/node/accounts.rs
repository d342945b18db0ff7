//! The development accounts of `lathe node`.

use std::{fs, path::Path, sync::OnceLock};

use alloy_primitives::{B256, U256, keccak256};
use alloy_signer_local::{
    PrivateKeySigner,
    coins_bip39::{English, Entropy, Mnemonic},
};
use serde_json::json;

use crate::{
    chain::{ACCOUNTS_PATH, Chain},
    cli::{amount::parse_ether, error::CliError, keys::DEV_MNEMONIC},
};

/// Development accounts: each costs a key derivation at start.
const ACCOUNTS_MAX: i64 = 1000;

/// Who begins with how much.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Accounts")]
pub(super) struct AccountOptions {
    /// How many development accounts to fund
    #[arg(long, short = 'a', default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=ACCOUNTS_MAX), value_name = "N")]
    pub(super) accounts: u32,
    /// What each development account owns, in ether
    #[arg(long, default_value = "10000", value_parser = parse_ether, value_name = "ETHER")]
    pub(super) balance: U256,
    /// Derive the development accounts from this mnemonic
    #[arg(long, short, default_value = DEV_MNEMONIC, conflicts_with = "mnemonic_seed", value_name = "WORDS")]
    mnemonic: String,
    /// Derive the development accounts from a mnemonic of twelve words made from this text. Unsafe for anything of value
    #[arg(long, visible_aliases = ["mnemonic-seed-unsafe", "seed"], value_name = "TEXT")]
    mnemonic_seed: Option<String>,
    /// Derive the development accounts from a new mnemonic of so many words, 12 unless told otherwise
    #[arg(
        long,
        num_args = 0..=1,
        default_missing_value = "12",
        value_parser = parse_words,
        conflicts_with_all = ["mnemonic", "mnemonic_seed"],
        value_name = "WORDS"
    )]
    mnemonic_random: Option<u8>,
    #[arg(skip)]
    drawn: OnceLock<String>,
    /// Send transactions of every account that a request names, without its key (as `anvil_autoImpersonateAccount` does)
    #[arg(long, visible_alias = "auto-unlock")]
    pub(super) auto_impersonate: bool,
    /// The BIP-32 path whose children the development accounts are
    #[arg(long, default_value = ACCOUNTS_PATH, value_name = "PATH")]
    derivation_path: String,
    /// Write accounts, keys and fees to this file as JSON, as anvil does
    #[arg(long, value_name = "FILE")]
    config_out: Option<std::path::PathBuf>,
}

impl AccountOptions {
    /// Returns the mnemonic that the accounts are derived from.
    pub(super) fn mnemonic(&self) -> String {
        if let Some(words) = self.mnemonic_random {
            return self.drawn.get_or_init(|| draw(words)).clone();
        }
        let Some(seed) = &self.mnemonic_seed else { return self.mnemonic.clone() };
        // 16 bytes make twelve words (BIP-39).
        let entropy: [u8; 16] = std::array::from_fn({
            let hash = keccak256(seed);
            move |index| hash[index]
        });
        Mnemonic::<English>::new_from_entropy(Entropy::from(entropy)).to_phrase()
    }

    /// Returns the path whose children the accounts are, without the slash that anvil's ends with.
    pub(super) fn derivation_path(&self) -> String {
        self.derivation_path.trim_end_matches('/').to_owned()
    }

    /// Writes the file that was asked for.
    pub(super) fn write_config(&self, chain: &Chain) -> Result<(), CliError> {
        let Some(path) = &self.config_out else { return Ok(()) };
        let genesis = chain.block(chain.first_block().into())?;
        let addresses = chain.accounts();
        let keys: Vec<_> = chain
            .dev_signers()
            .iter()
            .map(|signer| format!("0x{}", hex::encode(signer.to_bytes())))
            .collect();
        let config = json!({
            "available_accounts": addresses,
            "private_keys": keys,
            "wallet": {"derivation_path": format!("{}/", self.derivation_path()), "mnemonic": self.mnemonic()},
            "base_fee": chain.next_base_fee().to_string(),
            "gas_price": chain.min_gas_price().to_string(),
            "gas_limit": chain.block_gas_limit().to_string(),
            "genesis_timestamp": genesis.map_or(0, |block| block.header.timestamp).to_string(),
        });
        write(path, &format!("{config:#}\n"))
    }
}

/// Returns a mnemonic that nobody knows. A new key is as random as the machine can be.
fn draw(words: u8) -> String {
    let random = PrivateKeySigner::random().to_bytes();
    let entropy = match words {
        // Three words hold 32 bits and their share of the checksum (BIP-39).
        15 => Entropy::Twenty(first(&random)),
        18 => Entropy::TwentyFour(first(&random)),
        21 => Entropy::TwentyEight(first(&random)),
        24 => Entropy::ThirtyTwo(random.0),
        _ => Entropy::Sixteen(first(&random)),
    };
    Mnemonic::<English>::new_from_entropy(entropy).to_phrase()
}

fn first<const N: usize>(random: &B256) -> [u8; N] {
    std::array::from_fn(|index| random[index])
}

fn parse_words(text: &str) -> Result<u8, String> {
    let words = text.parse().ok().filter(|words| [12, 15, 18, 21, 24].contains(words));
    words.ok_or_else(|| "a mnemonic has 12, 15, 18, 21 or 24 words".into())
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    fs::write(path, text).map_err(|error| CliError::file(path, error))
}
