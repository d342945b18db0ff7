//! What the node signs with the keys it holds, without sending it.

use alloy_consensus::{SignableTransaction, TxEnvelope, transaction::Recovered};
use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, Bytes};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

use super::{Chain, ChainError, Result, SubmitError};

impl Chain {
    /// Returns the key of an account.
    fn signer(&self, address: Address) -> Result<&PrivateKeySigner> {
        let mut signers = self.dev_signers().iter();
        signers.find(|signer| signer.address() == address).ok_or(ChainError::UnknownAccount(address))
    }

    /// Fills in what a transaction leaves out and signs it.
    pub fn sign_transaction(
        &self,
        request: TransactionRequest,
    ) -> Result<Recovered<TxEnvelope>, SubmitError> {
        let from = request.from.unwrap_or_default();
        let signer = self.signer(from)?;
        let tx = self.fill(request)?;
        let signature = signer
            .sign_hash_sync(&tx.signature_hash())
            .map_err(|error| SubmitError::Sender(error.to_string()))?;
        Ok(Recovered::new_unchecked(tx.into_signed(signature).into(), from))
    }

    /// Signs typed data (EIP-712): r, s and 27 or 28.
    pub fn sign_typed_data(&self, address: Address, data: &TypedData) -> Result<Bytes, SubmitError> {
        let signer = self.signer(address)?;
        let hash = data
            .eip712_signing_hash()
            .map_err(|error| SubmitError::Rejected(format!("typed data (EIP-712): {error}")))?;
        let signature =
            signer.sign_hash_sync(&hash).map_err(|error| SubmitError::Sender(error.to_string()))?;
        Ok(Bytes::from(signature.as_bytes()))
    }
}
