//! Accounts that the node sends transactions from without their keys.
//!
//! Such a transaction is signed by nobody, and says so: see [`unsigned`]. The database keeps each transaction's sender beside
//! it, so blocks with such transactions are read, traced and dumped like any others.

use std::collections::BTreeSet;

use alloy_consensus::{SignableTransaction, TxEnvelope, TypedTransaction, transaction::Recovered};
use alloy_primitives::{Address, B256};
use alloy_rpc_types_eth::TransactionRequest;
use parking_lot::Mutex;

use super::{Chain, ChainError, Result, SubmitError};
use crate::runtime::unsigned;

/// Accounts that are impersonated one by one; all of them can be at once.
pub const IMPERSONATED_MAX: usize = 65_536;

/// Whom the node impersonates.
#[derive(Debug, Default)]
pub(super) struct Impersonation(Mutex<Impersonated>);

#[derive(Debug, Default)]
struct Impersonated {
    accounts: BTreeSet<Address>,
    everyone: bool,
}

impl Chain {
    /// Begins to send transactions from an account whose key the node does not hold.
    pub fn impersonate(&self, address: Address) -> Result<()> {
        let mut impersonated = self.impersonation.0.lock();
        if impersonated.accounts.len() >= IMPERSONATED_MAX && !impersonated.accounts.contains(&address) {
            return Err(ChainError::TooManyImpersonated);
        }
        impersonated.accounts.insert(address);
        Ok(())
    }

    /// Ends that for one account. Returns whether it was impersonated.
    pub fn stop_impersonating(&self, address: Address) -> bool {
        self.impersonation.0.lock().accounts.remove(&address)
    }

    /// Sets whether the node sends transactions from every account that it is asked to.
    pub fn impersonate_everyone(&self, everyone: bool) {
        self.impersonation.0.lock().everyone = everyone;
    }

    /// Returns the accounts that are impersonated one by one, in ascending order.
    pub fn impersonated(&self) -> Vec<Address> {
        self.impersonation.0.lock().accounts.iter().copied().collect()
    }

    pub(super) fn stop_all_impersonation(&self) {
        *self.impersonation.0.lock() = Impersonated::default();
    }

    /// Fills what the request leaves out and sends it as a transaction of this account, without its key.
    pub fn send_for_anyone(&self, from: Address, request: TransactionRequest) -> Result<B256, SubmitError> {
        let tx = self.fill(TransactionRequest { from: Some(from), ..request })?;
        self.send_unsigned(from, tx)
    }

    /// Sends a transaction of an impersonated account.
    pub(super) fn send_unsigned(&self, from: Address, tx: TypedTransaction) -> Result<B256, SubmitError> {
        let tx: TxEnvelope = tx.into_signed(unsigned::signature(from)).into();
        self.accept(Recovered::new_unchecked(tx, from))
    }

    /// Returns whether the node sends transactions from this account without its key.
    pub(super) fn is_impersonated(&self, address: Address) -> bool {
        let impersonated = self.impersonation.0.lock();
        impersonated.everyone || impersonated.accounts.contains(&address)
    }
}
