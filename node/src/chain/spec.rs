//! What a chain's rules are, and how it begins.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, constants::EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use lathe_gas::HostFunction;
use lathe_state::{EMPTY_ROOT_HASH, Genesis, GenesisAccount};
use lathe_vm::{Features, Limit, Limits, Proposal, Rules, Schedule};
use parity_scale_codec::Encode;

use super::predeploys;
use crate::runtime::{Fork, Interfaces, Protocol, code::EVM_CODE_BYTES_MAX};

/// Chain id of a devnet unless told otherwise: what anvil and hardhat use.
pub const DEFAULT_CHAIN_ID: u64 = 31_337;
/// The largest chain id: it stands in signatures as 2 id + 36 (EIP-155).
pub const CHAIN_ID_MAX: u64 = (u64::MAX - 36) / 2;
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
    /// The fork of Ethereum.
    pub fork: Fork,
    /// What contracts run.
    pub interfaces: Interfaces,
    /// Whether address 9 is a precompile that hashes with Keccak-256.
    pub keccak_precompile: bool,
    /// Bytes of EVM code that an account may hold (EIP-170).
    pub evm_code_bytes_max: u32,
    /// Whether the CREATE2 factory is there from the beginning.
    pub create2_factory: bool,
    /// What the chain decides about the VM: features, limits and prices.
    pub rules: Rules,
    /// Accounts that are there from the beginning, besides those of the devnet.
    pub accounts: Vec<GenesisAccount>,
    /// What the first block's header says beside the rules.
    pub first: FirstBlock,
}

/// What can be said of the first block's header; nothing of it is a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBlock {
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Base fee in wei.
    pub base_fee: u64,
    /// The account in the place of the one that fees go to.
    pub beneficiary: Address,
    /// In the place of PREVRANDAO.
    pub mix_hash: B256,
    /// Follows the hash of the rules in the extra data.
    pub extra_data: Bytes,
}

impl FirstBlock {
    /// The devnet's.
    pub const DEVNET: Self = Self {
        timestamp: GENESIS_TIMESTAMP,
        base_fee: GENESIS_BASE_FEE,
        beneficiary: Address::ZERO,
        mix_hash: B256::ZERO,
        extra_data: Bytes::new(),
    };
}

impl Default for ChainSpec {
    fn default() -> Self {
        Self::DEVNET
    }
}

impl ChainSpec {
    /// The devnet: Osaka, all interfaces, the VM's gas.
    pub const DEVNET: Self = Self::of(Protocol::devnet(DEFAULT_CHAIN_ID, Rules::DEVNET));

    /// The chain of ewasm's tests: Byzantium, EEI contracts and nothing else, instructions that cost nothing.
    pub const EWASM: Self = Self::of(Protocol {
        // The tests' transactions are signed for chain 1.
        chain_id: 1,
        fork: Fork::Byzantium,
        interfaces: Interfaces { evm: false, vm_hooks: false, ethereum: true, debug: true },
        keccak_precompile: true,
        evm_code_bytes_max: EVM_CODE_BYTES_MAX,
        rules: Rules {
            features: Features::WASM_1,
            limits: Limits { memory_pages: Limits::DEVNET.open_pages, ..Limits::DEVNET },
            schedule: &Schedule::ZERO_INSTRUCTION,
            ..Rules::DEVNET
        },
    });

    const fn of(protocol: Protocol) -> Self {
        let Protocol { chain_id, fork, interfaces, keccak_precompile, evm_code_bytes_max, rules } = protocol;
        let gas_limit = DEFAULT_GAS_LIMIT;
        Self {
            chain_id,
            gas_limit,
            fork,
            interfaces,
            keccak_precompile,
            evm_code_bytes_max,
            create2_factory: true,
            rules,
            accounts: Vec::new(),
            first: FirstBlock::DEVNET,
        }
    }

    /// Returns what decides about transactions.
    pub const fn protocol(&self) -> Protocol {
        let &Self { chain_id, fork, interfaces, keccak_precompile, evm_code_bytes_max, rules, .. } = self;
        Protocol { chain_id, fork, interfaces, keccak_precompile, evm_code_bytes_max, rules }
    }

    /// Returns keccak256 over everything that decides what a transaction does: chain id, gas limit, fork, interfaces,
    /// features and limits of the VM, gas schedule, prices of host functions. It is the extra data of the genesis block, so chains with other rules have
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
        let Interfaces { evm, vm_hooks, ethereum, debug } = self.interfaces;
        let contracts = (self.fork.name(), evm, vm_hooks, ethereum, debug, self.keccak_precompile);
        let hosts: Vec<(&str, &str, u32)> = HostFunction::ALL
            .iter()
            .map(|function| (function.module(), function.name(), function.base_ink()))
            .collect();
        let machine = (features, limits, start_function, schedule.encode(), hosts);
        let hash = keccak256((self.chain_id, self.gas_limit, contracts, machine).encode());
        match self.evm_code_bytes_max {
            EVM_CODE_BYTES_MAX => hash,
            // The limit of Ethereum is not said, as it was before there were others.
            other => keccak256((hash.0, other).encode()),
        }
    }

    /// Returns the accounts a devnet begins with: the contracts that tools expect, the development accounts, and those of
    /// the specification.
    pub fn genesis(&self, signers: &[PrivateKeySigner], balance: U256) -> Genesis {
        let funded = signers.iter().map(|signer| GenesisAccount {
            address: signer.address(),
            balance,
            ..Default::default()
        });
        let mut accounts = predeploys::accounts(self);
        // Of two with one address the later counts.
        accounts.extend(funded.chain(self.accounts.iter().cloned()));
        predeploys::activate(&mut accounts);
        Genesis { chain_id: self.chain_id, accounts }
    }

    /// Returns the header of the first block.
    pub fn genesis_header(&self, state_root: B256) -> Header {
        Header {
            state_root,
            gas_limit: self.gas_limit,
            timestamp: self.first.timestamp,
            beneficiary: self.first.beneficiary,
            mix_hash: self.first.mix_hash,
            extra_data: [&self.hash()[..], &self.first.extra_data].concat().into(),
            base_fee_per_gas: Some(self.first.base_fee),
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
