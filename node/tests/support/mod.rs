//! A chain in memory, and what contracts on it are made of.

#![allow(dead_code, reason = "each file of tests uses the part it needs")]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

pub(crate) mod console;
pub(crate) mod evm;
pub(crate) mod ewasm;
pub(crate) mod node;
pub(crate) mod process;
pub(crate) mod remote;
pub(crate) mod schema;
pub(crate) mod script;

use std::sync::Arc;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702, TxEnvelope};
use alloy_eips::{
    BlockId,
    eip2718::Encodable2718,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use lathe_node::chain::{CallError, Chain, ChainOptions, ChainSpec, Home, MinedTransaction, Receipt};

/// The mnemonic of every Ethereum devnet.
const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// Gas limit of transactions: far more than any needs.
pub(crate) const GAS: u64 = 30_000_000;

/// A chain in memory that mines each transaction at once.
pub(crate) struct Devnet(pub(crate) Arc<Chain>);

impl Devnet {
    pub(crate) fn new() -> Self {
        Self(Chain::open(Self::options()).unwrap())
    }

    pub(crate) fn options() -> ChainOptions {
        ChainOptions {
            spec: ChainSpec::default(),
            home: Home::Memory,
            keep: Default::default(),
            mnemonic: MNEMONIC.into(),
            account_count: 2,
            balance: U256::from(10).pow(U256::from(22)),
        }
    }

    pub(crate) fn sender(&self) -> Address {
        self.0.accounts()[0]
    }

    /// Mines a transaction of the first account and returns its receipt.
    pub(crate) fn send(&self, to: TxKind, input: impl Into<Bytes>, value: u64, gas_limit: u64) -> Receipt {
        let tx = TxEip1559 {
            chain_id: self.0.spec().chain_id,
            nonce: self.nonce(self.sender()),
            gas_limit,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 0,
            to,
            value: U256::from(value),
            access_list: Default::default(),
            input: input.into(),
        };
        let signature = self.0.dev_signers()[0].sign_hash_sync(&tx.signature_hash()).unwrap();
        self.mined(tx.into_signed(signature).into())
    }

    /// Lets the second account delegate to `code` (EIP-7702) and calls it in the same transaction.
    pub(crate) fn delegate(&self, code: Address, input: impl Into<Bytes>) -> Receipt {
        let account = self.0.accounts()[1];
        let authorization = Authorization {
            chain_id: U256::from(self.0.spec().chain_id),
            address: code,
            nonce: self.nonce(account),
        };
        let tx = TxEip7702 {
            chain_id: self.0.spec().chain_id,
            nonce: self.nonce(self.sender()),
            gas_limit: GAS,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 0,
            to: account,
            value: U256::ZERO,
            access_list: Default::default(),
            authorization_list: vec![self.authorize(authorization)],
            input: input.into(),
        };
        let signature = self.0.dev_signers()[0].sign_hash_sync(&tx.signature_hash()).unwrap();
        self.mined(tx.into_signed(signature).into())
    }

    fn authorize(&self, authorization: Authorization) -> SignedAuthorization {
        let signature = self.0.dev_signers()[1].sign_hash_sync(&authorization.signature_hash()).unwrap();
        authorization.into_signed(signature)
    }

    fn mined(&self, tx: TxEnvelope) -> Receipt {
        let hash = self.0.submit(&tx.encoded_2718()).unwrap();
        let MinedTransaction { block, index } = self.0.transaction(hash).unwrap().unwrap();
        block.receipts[index].clone()
    }

    pub(crate) fn call(&self, to: Address, input: impl Into<Bytes>) -> Result<Bytes, CallError> {
        let request = TransactionRequest::default().to(to).input(input.into().into());
        Ok(self.0.call(request, BlockId::latest(), None, None)?.output)
    }

    pub(crate) fn try_deploy(&self, creation: Vec<u8>) -> Receipt {
        self.send(TxKind::Create, creation, 0, GAS)
    }

    /// Deploys a module written as text.
    pub(crate) fn deploy(&self, text: &str) -> Address {
        created(&self.try_deploy(envelope(0, &wasm(text), &[])))
    }

    /// Deploys EVM code.
    pub(crate) fn deploy_evm(&self, code: &[u8]) -> Address {
        created(&self.try_deploy(returns(code)))
    }

    pub(crate) fn slot(&self, of: Address, slot: u64) -> U256 {
        self.0.storage(of, U256::from(slot), BlockId::latest()).unwrap()
    }

    pub(crate) fn balance(&self, of: Address) -> U256 {
        self.0.balance(of, BlockId::latest()).unwrap()
    }

    pub(crate) fn nonce(&self, of: Address) -> u64 {
        self.0.nonce(of, BlockId::latest()).unwrap()
    }

    pub(crate) fn code(&self, of: Address) -> Bytes {
        self.0.code(of, BlockId::latest()).unwrap()
    }
}

/// Returns the contract that a transaction created.
pub(crate) fn created(receipt: &Receipt) -> Address {
    receipt.contract_address.unwrap_or_else(|| panic!("{:?}", receipt.failure))
}

pub(crate) fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// Creation data that carries a module.
pub(crate) fn envelope(flags: u8, module: &[u8], arguments: &[u8]) -> Vec<u8> {
    let length = u32::try_from(module.len()).unwrap();
    [&[0xEF, 0x4C, 0x01, flags][..], &length.to_be_bytes(), module, arguments].concat()
}

/// EVM init code that returns the bytes after it: the prelude that cargo-stylus wraps code in.
pub(crate) fn returns(code: &[u8]) -> Vec<u8> {
    let length = u32::try_from(code.len()).unwrap();
    [&[0x7F; 1][..], &word(length.into()), &hex!("80602b6000396000f300"), code].concat()
}

pub(crate) fn compressed(module: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    brotli::BrotliCompress(&mut &module[..], &mut stream, &Default::default()).unwrap();
    stream
}

pub(crate) fn word(value: u64) -> [u8; 32] {
    U256::from(value).to_be_bytes()
}

/// Writes bytes as a WAT string.
pub(crate) fn wat_string(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// A hash whose bytes are all the same.
pub(crate) const fn salt(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}
