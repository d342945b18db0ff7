//! Balances and allowances of ERC-20 tokens, set from outside.
//!
//! Where a token keeps them is its own business. So the view function that tells one is asked once, and of the slots that it
//! reads the one is taken that decides what it answers. That works for EVM and Wasm tokens, and through proxies.

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::{
    TransactionRequest,
    state::{AccountOverride, StateOverride},
};
use alloy_sol_types::{SolCall, sol};

use super::{CallError, Chain, Cheat};

sol! {
    /// Returns how many tokens an account has.
    function balanceOf(address owner) external view returns (uint256);
    /// Returns how many of an account's tokens another may spend.
    function allowance(address owner, address spender) external view returns (uint256);
}

/// Slots that are tried: far more than a token reads to tell a balance.
const SLOTS_MAX: usize = 256;

/// Tells a slot that holds the answer from one that happens to make it what is wanted, such as a switch that makes it 0.
const PROBE: U256 = U256::from_limbs([0x5EED_0BA1_A4CE, 0, 0, 0]);

impl Chain {
    /// Sets how many tokens an account has, in a block of its own. Fails for a contract that keeps no such number in a slot.
    pub fn set_erc20_balance(&self, token: Address, owner: Address, amount: U256) -> Result<(), CallError> {
        self.set_answer(token, "balanceOf", &balanceOfCall { owner }.abi_encode(), amount)
    }

    /// Sets how many of an account's tokens another may spend, likewise.
    pub fn set_erc20_allowance(
        &self,
        token: Address,
        owner: Address,
        spender: Address,
        amount: U256,
    ) -> Result<(), CallError> {
        self.set_answer(token, "allowance", &allowanceCall { owner, spender }.abi_encode(), amount)
    }

    /// Writes the slot that decides what a contract answers to a call.
    fn set_answer(&self, token: Address, name: &str, call: &[u8], answer: U256) -> Result<(), CallError> {
        let refused = |why: String| CallError::Rejected(format!("token {token}: {why}"));
        let request = TransactionRequest::default().to(token).input(call.to_vec().into());
        let (list, _, failure) = self.access_list(request.clone(), BlockId::latest(), None)?;
        if let Some(failure) = failure {
            return Err(refused(format!("{name} fails: {failure}")));
        }
        let slots: Vec<(Address, B256)> = list
            .0
            .iter()
            .flat_map(|item| item.storage_keys.iter().map(|slot| (item.address, *slot)))
            .collect();
        // The slot that is read last is most likely the one: proxies and switches are read before.
        for &(account, slot) in slots.iter().rev().take(SLOTS_MAX) {
            let answers = |value: U256| {
                let state_diff = [(slot, B256::from(value))].into_iter().collect();
                let changed = AccountOverride { state_diff: Some(state_diff), ..Default::default() };
                let state: StateOverride = [(account, changed)].into_iter().collect();
                let outcome = self.call(request.clone(), BlockId::latest(), Some(state), None);
                // One that the call cannot do with is not it.
                outcome.is_ok_and(|outcome| outcome.output[..] == value.to_be_bytes::<32>())
            };
            if answers(answer ^ PROBE) && answers(answer) {
                return Ok(self.cheat(account, Cheat::Storage { slot: slot.into(), value: answer })?);
            }
        }
        Err(refused(format!(
            "none of the {} slots that {name} reads holds its answer (up to {SLOTS_MAX} are tried); use anvil_setStorageAt",
            slots.len()
        )))
    }
}
