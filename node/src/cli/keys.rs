//! The keys that commands sign with.

use alloy_primitives::B256;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};

use super::error::CliError;

/// The mnemonic of the development accounts that every Ethereum devnet knows. Its keys are public.
pub(super) const DEV_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Whose key signs.
#[derive(Debug, clap::Args)]
pub(super) struct KeyOptions {
    /// Sign with this key (32 bytes of hex)
    #[arg(
        long,
        env = "LATHE_PRIVATE_KEY",
        hide_env_values = true,
        value_name = "KEY",
        conflicts_with = "from_account"
    )]
    private_key: Option<String>,
    /// Sign as this development account: 0 is the first that the node prints
    #[arg(long, default_value_t = 0, value_name = "N")]
    from_account: u32,
    /// Derive the development account from this mnemonic
    #[arg(long, default_value = DEV_MNEMONIC, hide_default_value = true, value_name = "WORDS")]
    mnemonic: String,
}

impl KeyOptions {
    /// Returns the signer. Fails when the key or the mnemonic is none.
    pub(super) fn signer(&self) -> Result<PrivateKeySigner, CliError> {
        match &self.private_key {
            Some(key) => {
                // The key itself stays out of the error.
                let invalid = |_| CliError::Usage("--private-key: expected 32 bytes of hex".into());
                let bytes: B256 = key.parse().map_err(invalid)?;
                PrivateKeySigner::from_bytes(&bytes)
                    .map_err(|_| CliError::Usage("--private-key: not a valid secp256k1 key".into()))
            }
            None => MnemonicBuilder::<English>::default()
                .phrase(self.mnemonic.as_str())
                .index(self.from_account)
                .and_then(|builder| builder.build())
                .map_err(|error| CliError::Usage(format!("--mnemonic: {error}"))),
        }
    }
}
