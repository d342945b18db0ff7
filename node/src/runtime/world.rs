//! A state view as revm's database.

use std::sync::Arc;

use lathe_state::{StateError, View};
use revm::{
    DatabaseRef,
    bytecode::Bytecode,
    database_interface::DBErrorMarker,
    primitives::{Address, B256, Bytes, U256, keccak256},
    state::AccountInfo,
};

use super::{code::CodeKind, program::CodeCache};

/// A failed read, in the form revm carries through an execution.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub(super) struct WorldError(#[from] pub StateError);

impl DBErrorMarker for WorldError {}

/// Where the hashes of earlier blocks come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BlockHashes {
    /// The blocks.
    #[default]
    OfBlocks,
    /// Their numbers: keccak256 of the number in decimal, for tests that have no blocks.
    OfNumbers,
}

/// Accounts, storage, code and block hashes at one head.
#[derive(Debug, Clone)]
pub(super) struct World {
    /// Where the hashes of earlier blocks come from.
    pub block_hashes: BlockHashes,
    /// The state; none for an EVM that waits for a call.
    pub view: Option<Arc<View>>,
    /// Code in the form revm runs.
    pub code: Arc<CodeCache>,
}

/// Returns code in the form revm runs. Whatever is no valid delegation is opaque bytes to it: our frames look at
/// the first bytes themselves.
pub(super) fn to_bytecode(code: Bytes) -> Bytecode {
    match CodeKind::of(&code) {
        CodeKind::Delegation => {
            Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
        }
        _ => Bytecode::new_legacy(code),
    }
}

impl World {
    /// Returns the state.
    pub(super) fn view(&self) -> &View {
        self.view.as_deref().expect("an EVM runs on a state")
    }
}

impl DatabaseRef for World {
    type Error = WorldError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, WorldError> {
        Ok(self.view().account(address)?.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            ..Default::default()
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, WorldError> {
        let code = self
            .code
            .bytecode(code_hash, || Ok::<_, WorldError>(self.view().code(code_hash)?.map(to_bytecode)))?;
        match code {
            // Whoever forks another chain is told the code when the account is read; no code is never run in its place.
            None if self.view().fork_base().is_some() => Err(StateError::CodeNotKept { code_hash }.into()),
            code => Ok(code.unwrap_or_default()),
        }
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, WorldError> {
        Ok(self.view().storage(address, slot)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, WorldError> {
        match self.block_hashes {
            BlockHashes::OfBlocks => Ok(self.view().block_hash(number)?.unwrap_or_default()),
            BlockHashes::OfNumbers => Ok(keccak256(number.to_string())),
        }
    }
}
