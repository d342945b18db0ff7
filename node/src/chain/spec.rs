//! What a chain's rules are, and how it begins.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, constants::EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use lathe_state::{EMPTY_ROOT_HASH, Genesis, GenesisAccount};
use lathe_vm::{Limit, Proposal, Rules};
use parity_scale_codec::Encode;

use super::predeploys;

/// Chain id of a devnet unless told otherwise: what anvil and hardhat use.
pub const DEFAULT_CHAIN_ID: u64 = 31_337;
/// Gas limit of each block unless told otherwise.
pub const DEFAULT_GAS_LIMIT: u64 = 100_000_000;
/// Base fee of the first block: 1 gwei, as mainnet began.
pub const GENESIS_BASE_FEE: u64 = 1_000_000_000;
/// Timestamp of the first block, 2026-01-01T00:00:00Z: fixed, so that equal options give an equal chain.
pub const GENESIS_TIMESTAMP: u64 = 1_767_225_600;

/// The rules of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSpec {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Gas limit of each block.
    pub gas_limit: u64,
    /// What the chain decides about the VM: features, limits and prices.
    pub rules: Rules,
}

impl Default for ChainSpec {
    fn default() -> Self {
        Self { chain_id: DEFAULT_CHAIN_ID, gas_limit: DEFAULT_GAS_LIMIT, rules: Rules::DEVNET }
    }
}

impl ChainSpec {
    /// Returns keccak256 over everything that decides what a transaction does: chain id, gas limit, features and
    /// limits of the VM, gas schedule. It is the extra data of the genesis block, so chains with other rules have
    /// another genesis hash.
    pub fn hash(&self) -> B256 {
        let Rules { features, limits, start_function, schedule } = self.rules;
        let features: Vec<&str> = Proposal::ALL
            .iter()
            .filter(|proposal| features.contains(**proposal))
            .map(|proposal| proposal.name())
            .collect();
        let limits: Vec<(&str, u32)> =
            Limit::ALL.iter().map(|limit| (limit.name(), limits.get(*limit))).collect();
        keccak256(
            (self.chain_id, self.gas_limit, features, limits, start_function, schedule.encode()).encode(),
        )
    }

    /// Returns the accounts a devnet begins with: the contracts that tools expect, and the development accounts.
    pub fn genesis(&self, signers: &[PrivateKeySigner], balance: U256) -> Genesis {
        let funded = signers.iter().map(|signer| GenesisAccount {
            address: signer.address(),
            balance,
            ..Default::default()
        });
        let mut accounts = predeploys::accounts();
        accounts.extend(funded);
        predeploys::activate(&mut accounts);
        Genesis { chain_id: self.chain_id, accounts }
    }

    /// Returns the header of the first block.
    pub fn genesis_header(&self, state_root: B256) -> Header {
        Header {
            state_root,
            gas_limit: self.gas_limit,
            timestamp: GENESIS_TIMESTAMP,
            extra_data: Bytes::from(self.hash().0),
            base_fee_per_gas: Some(GENESIS_BASE_FEE),
            ..empty_header()
        }
    }
}

/// Returns the header of a block with nothing in it: what all Osaka headers of this chain share.
pub(super) fn empty_header() -> Header {
    Header {
        parent_hash: B256::ZERO,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: Address::ZERO,
        state_root: EMPTY_ROOT_HASH,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        logs_bloom: Bloom::ZERO,
        difficulty: U256::ZERO,
        number: 0,
        gas_limit: 0,
        gas_used: 0,
        timestamp: 0,
        extra_data: Bytes::new(),
        mix_hash: B256::ZERO,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(0),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Default::default()
    }
}
