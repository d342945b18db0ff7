//! Transactions that nobody signed: those of impersonated accounts.
//!
//! Their signature has the sender as r, and zero as s and y parity. No key makes such a signature and none can be recovered
//! from it, so nobody can send one from outside; and as the sender is in it, equal transactions of two senders have two hashes.

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, Signature, U256};

/// Returns what stands in the place of a signature of `sender`.
pub fn signature(sender: Address) -> Signature {
    Signature::new(U256::from_be_slice(sender.as_slice()), U256::ZERO, false)
}

/// Returns whether nobody signed a transaction. Its sender may then have code, which EIP-3607 forbids those who sign.
pub(super) fn is_unsigned(tx: &Recovered<TxEnvelope>) -> bool {
    *tx.signature() == signature(tx.signer())
}

#[cfg(test)]
mod tests {
    use alloy_consensus::{SignableTransaction, TxLegacy, transaction::SignerRecoverable};

    use super::*;

    #[test]
    fn nobody_is_recovered_from_what_stands_in_the_place_of_a_signature() {
        let sender = Address::repeat_byte(0x11);
        let tx: TxEnvelope = TxLegacy::default().into_signed(signature(sender)).into();
        assert!(tx.recover_signer().is_err());
        assert!(tx.recover_signer_unchecked().is_err());
        assert!(is_unsigned(&Recovered::new_unchecked(tx.clone(), sender)));
        assert!(!is_unsigned(&Recovered::new_unchecked(tx.clone(), Address::repeat_byte(0x12))));
        let other: TxEnvelope = TxLegacy::default().into_signed(signature(Address::repeat_byte(0x12))).into();
        assert_ne!(tx.tx_hash(), other.tx_hash());
    }
}
