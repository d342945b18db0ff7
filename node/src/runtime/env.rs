//! What revm needs to know of chain, block and transaction, made from ours.

use alloy_consensus::{Transaction, TxEnvelope, transaction::Recovered};
use alloy_eips::Typed2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use revm::{
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{block::BlobExcessGasAndPrice, either::Either},
};

use super::{
    code::{PROGRAM_CODE_BYTES_MAX, PROGRAM_CREATION_BYTES_MAX},
    protocol::Protocol,
};

/// The block that a transaction runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockContext {
    /// Its number.
    pub number: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Receives the fees.
    pub beneficiary: Address,
    /// Gas that all its transactions together may use.
    pub gas_limit: u64,
    /// Wei per gas that every transaction pays at least (EIP-1559).
    pub base_fee: u64,
    /// PREVRANDAO (EIP-4399); the difficulty, at forks before Paris.
    pub prevrandao: B256,
    /// The chain id of EIP-155 in the place of the chain's, where a developer has set one.
    pub chain_id: Option<u64>,
}

impl BlockContext {
    /// Returns the chain id that transactions of the block are signed for and that their code sees.
    pub(super) fn chain_id(&self, protocol: &Protocol) -> u64 {
        self.chain_id.unwrap_or(protocol.chain_id)
    }
}

/// A call that is no transaction: no signature, and by default no fee.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Who calls.
    pub from: Address,
    /// Whom; none creates.
    pub to: Option<Address>,
    /// Gas limit.
    pub gas: u64,
    /// Wei per gas; zero charges nothing.
    pub gas_price: u128,
    /// Tip per gas (EIP-1559), if the request is of that type.
    pub priority_fee: Option<u128>,
    /// In wei.
    pub value: U256,
    /// Calldata or creation data.
    pub data: Bytes,
    /// Nonce, which decides the address of a created contract; none takes the account's.
    pub nonce: Option<u64>,
    /// Addresses and slots that are warm from the start (EIP-2930).
    pub access_list: alloy_eips::eip2930::AccessList,
    /// Delegations (EIP-7702).
    pub authorizations: Vec<alloy_eips::eip7702::SignedAuthorization>,
    /// Hashes of blobs (EIP-4844). The blobs themselves are nowhere.
    pub blob_hashes: Vec<B256>,
    /// Wei per gas of blobs at most.
    pub blob_fee_max: u128,
    /// Type of the transaction (EIP-2718); none takes the one that the fields need.
    pub tx_type: Option<u8>,
}

/// Whether signature-bound rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A transaction: nonce, balance, fees and the block's limits are checked.
    Transaction,
    /// A call: they are not.
    Call,
}

pub(super) fn config(protocol: &Protocol, mode: Mode) -> CfgEnv {
    let spec = protocol.fork.spec();
    let mut cfg = CfgEnv::new_with_spec(spec).with_chain_id(protocol.chain_id);
    // Chain-wide limits are those of programs; EVM code keeps its own, checked where frames end.
    cfg.limit_contract_code_size = Some(PROGRAM_CODE_BYTES_MAX.max(protocol.evm_code_bytes_max as usize));
    cfg.limit_contract_initcode_size =
        Some(PROGRAM_CREATION_BYTES_MAX.max(protocol.evm_creation_bytes_max()));
    cfg.disable_eip3541 = true;
    // No cap on a transaction's gas (EIP-7825): deploying a large module is one transaction.
    cfg.tx_gas_limit_cap = Some(u64::MAX);
    if mode == Mode::Call {
        cfg.disable_nonce_check = true;
        cfg.disable_balance_check = true;
        cfg.disable_base_fee = true;
        cfg.disable_block_gas_limit = true;
        cfg.disable_eip3607 = true;
    }
    cfg
}

pub(super) fn block_env(block: &BlockContext) -> BlockEnv {
    BlockEnv {
        number: U256::from(block.number),
        beneficiary: block.beneficiary,
        timestamp: U256::from(block.timestamp),
        gas_limit: block.gas_limit,
        basefee: block.base_fee,
        difficulty: block.prevrandao.into(),
        prevrandao: Some(block.prevrandao),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice { excess_blob_gas: 0, blob_gasprice: 1 }),
        slot_num: 0,
    }
}

/// Returns what blobs cost in a block before which there were too many by so much gas (EIP-4844).
pub(super) fn blob_price(excess: u64, protocol: &Protocol) -> BlobExcessGasAndPrice {
    BlobExcessGasAndPrice::new_with_spec(excess, protocol.fork.spec())
}

pub(super) fn tx_env(tx: &Recovered<TxEnvelope>) -> TxEnv {
    TxEnv {
        tx_type: tx.ty(),
        caller: tx.signer(),
        gas_limit: tx.gas_limit(),
        gas_price: tx.max_fee_per_gas(),
        kind: tx.kind(),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: tx.nonce(),
        chain_id: tx.chain_id(),
        access_list: tx.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: tx.max_priority_fee_per_gas(),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: tx
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .map(|authorization| Either::Left(authorization.clone()))
            .collect(),
    }
}

pub(super) fn request_env(request: &Request, chain_id: u64) -> TxEnv {
    let mut tx = TxEnv {
        tx_type: 0,
        caller: request.from,
        gas_limit: request.gas,
        gas_price: request.gas_price,
        kind: request.to.map_or(TxKind::Create, TxKind::Call),
        value: request.value,
        data: request.data.clone(),
        nonce: request.nonce.unwrap_or_default(),
        chain_id: Some(chain_id),
        access_list: request.access_list.clone(),
        gas_priority_fee: request.priority_fee,
        blob_hashes: request.blob_hashes.clone(),
        max_fee_per_blob_gas: request.blob_fee_max,
        authorization_list: request.authorizations.iter().cloned().map(Either::Left).collect(),
    };
    // The type follows from the fields that are there.
    if let Some(tx_type) = request.tx_type {
        tx.tx_type = tx_type;
    } else if !tx.authorization_list.is_empty() {
        tx.tx_type = 4;
    } else if tx.gas_priority_fee.is_some() {
        tx.tx_type = 2;
    } else if !tx.access_list.is_empty() {
        tx.tx_type = 1;
    }
    tx
}
