//! Which accounts and slots a call reads: its access list (EIP-2930).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256};
use lathe_state::View;
use revm::{
    context_interface::{ContextTr, JournalTr},
    state::EvmState,
};

use super::{
    AccountOverride, ExecuteError, Executed, Runtime,
    arb_wasm::{ARB_WASM, ARB_WASM_CACHE},
    env::{BlockContext, Request},
    execute::{execute_error, executed},
    time_limit::TimeLimit,
};

/// How often a call runs to find its list at most: what it reads may depend on its gas, which the list changes.
const ROUNDS_MAX: usize = 8;

impl Runtime {
    /// Runs a call with the list of what it reads; returns the list and what the call did with it.
    pub fn call_with_access_list(
        &self,
        view: Arc<View>,
        block: &BlockContext,
        request: &Request,
        overrides: &BTreeMap<Address, AccountOverride>,
        limit: &Arc<TimeLimit>,
    ) -> Result<(AccessList, Executed), ExecuteError> {
        let mut request = request.clone();
        let mut rounds = 0;
        loop {
            let (mut evm, tx) = self.prepare_call(view.clone(), block, &request, overrides)?;
            evm.set_time_limit(limit);
            let nonce = tx.nonce;
            let (result, notes) = evm.transact(tx).map_err(execute_error)?;
            let state = evm.ctx().journal_mut().finalize();
            let to = request.to.unwrap_or_else(|| request.from.create(nonce));
            let delegating =
                request.authorizations.iter().filter_map(|signed| signed.recover_authority().ok());
            let warm: BTreeSet<Address> =
                [request.from, to, block.beneficiary].into_iter().chain(delegating).collect();
            let list = list(&state, |address| warm.contains(address) || evm.is_precompile(address));
            rounds += 1;
            if list == request.access_list || rounds == ROUNDS_MAX {
                return Ok((list, executed(result, notes)));
            }
            request.access_list = list;
        }
    }
}

/// Returns the accounts that were read and are not warm anyway, each with the slots that were, in order.
fn list(state: &EvmState, is_warm: impl Fn(&Address) -> bool) -> AccessList {
    let mut read: BTreeMap<Address, Vec<B256>> = BTreeMap::new();
    for (address, account) in state {
        if matches!(*address, ARB_WASM | ARB_WASM_CACHE) {
            // What it keeps costs the same, whether it is listed or not.
            continue;
        }
        let mut slots: Vec<B256> = account.storage.keys().map(|slot| B256::from(*slot)).collect();
        slots.sort_unstable();
        if !slots.is_empty() || !is_warm(address) {
            read.insert(*address, slots);
        }
    }
    AccessList(
        read.into_iter().map(|(address, storage_keys)| AccessListItem { address, storage_keys }).collect(),
    )
}
