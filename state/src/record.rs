//! The records of the database: what each column's values mean.
//!
//! These are plain data with public fields; the node converts between them and its transaction and block types. RLP, which
//! Ethereum hashes, never enters the database, and SCALE never goes under a hash.

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, KECCAK256_EMPTY, Log, U256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use parity_scale_codec::Error as ScaleError;

use crate::{
    codec::{Field, Record, fields},
    trie::Node,
};

macro_rules! versions {
    ($($type:ty = $version:literal,)*) => {
        $(impl Record for $type { const VERSION: u8 = $version; })*
    };
}

// The version of each record: raise it when an encoding changes, and the schema version with it.
versions! {
    Account = 1,
    SlotValue = 1,
    Header = 1,
    Vec<BodyTx> = 1,
    Vec<Receipt> = 1,
    TxPosition = 1,
    Head = 1,
    B256 = 1,
    u64 = 1,
    Node = 1,
    BlockChanges = 1,
    // Stands where a Node may, and is told from it by this byte: no Node has it.
    LeafKey = 0x80,
}

/// An account as the state keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// In wei.
    pub balance: U256,
    /// keccak256 of the code; of nothing, if there is no code.
    pub code_hash: B256,
    /// Root of the storage trie; [`EMPTY_ROOT_HASH`] if there is no storage.
    pub storage_root: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY, storage_root: EMPTY_ROOT_HASH }
    }
}

impl Account {
    /// Returns whether EIP-161 calls the account empty: no nonce, no balance, no code. Only what the genesis names
    /// can be so and stored, until it is touched.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }

    /// Returns the account in the form whose RLP is the trie's leaf.
    pub fn trie_account(&self) -> TrieAccount {
        TrieAccount::new(self.nonce, self.balance, self.storage_root, self.code_hash)
    }
}

/// The two hashes are left out when they are those of nothing: most accounts have neither code nor storage.
impl Field for Account {
    fn put(&self, out: &mut Vec<u8>) {
        self.nonce.put(out);
        self.balance.put(out);
        Some(self.code_hash).filter(|&hash| hash != KECCAK256_EMPTY).put(out);
        Some(self.storage_root).filter(|&root| root != EMPTY_ROOT_HASH).put(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
        let (nonce, balance) = (Field::take(input)?, Field::take(input)?);
        let (code_hash, storage_root): (Option<B256>, Option<B256>) =
            (Field::take(input)?, Field::take(input)?);
        Ok(Self {
            nonce,
            balance,
            code_hash: code_hash.unwrap_or(KECCAK256_EMPTY),
            storage_root: storage_root.unwrap_or(EMPTY_ROOT_HASH),
        })
    }
}

/// A storage slot's value: big-endian without leading zeros. Zero has no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotValue(pub(crate) U256);

impl Field for SlotValue {
    fn put(&self, out: &mut Vec<u8>) {
        debug_assert!(!self.0.is_zero(), "a zero slot is deleted, not stored");
        out.extend_from_slice(&self.0.to_be_bytes_trimmed_vec());
    }

    fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
        let bytes = std::mem::take(input);
        if bytes.len() > 32 {
            return Err("a slot value is longer than 32 bytes".into());
        }
        match bytes.first() {
            None | Some(0) => Err("a slot value is zero or has a leading zero byte".into()),
            Some(_) => Ok(Self(U256::from_be_slice(bytes))),
        }
    }
}

fields! {
    /// A block header of Ethereum's Osaka fork, and the block's size.
    pub struct Header {
        /// Hash of the block before.
        pub parent_hash: B256,
        /// keccak256 of the RLP of no ommers.
        pub ommers_hash: B256,
        /// Receives the fees.
        pub beneficiary: Address,
        /// Root of the state after the block.
        pub state_root: B256,
        /// Root of the transactions by index.
        pub transactions_root: B256,
        /// Root of the receipts by index.
        pub receipts_root: B256,
        /// Bloom filter of the logs.
        pub logs_bloom: Bloom,
        /// Zero since the merge.
        pub difficulty: U256,
        /// Blocks before this one.
        pub number: u64,
        /// Gas that all transactions together may use.
        pub gas_limit: u64,
        /// Gas that they used.
        pub gas_used: u64,
        /// In seconds since 1970.
        pub timestamp: u64,
        /// At most 32 bytes of anything.
        pub extra_data: Bytes,
        /// The PREVRANDAO of the block.
        pub mix_hash: B256,
        /// Zero since the merge.
        pub nonce: B64,
        /// In wei (EIP-1559).
        pub base_fee_per_gas: u64,
        /// Root of the withdrawals by index (EIP-4895).
        pub withdrawals_root: B256,
        /// Blob gas that the transactions used (EIP-4844).
        pub blob_gas_used: u64,
        /// Blob gas above target so far (EIP-4844).
        pub excess_blob_gas: u64,
        /// Root of the parent beacon block (EIP-4788).
        pub parent_beacon_block_root: B256,
        /// Hash of the execution layer's requests (EIP-7685).
        pub requests_hash: B256,
        /// Length of the block's RLP in bytes. Not part of the block's hash.
        pub size_bytes: u64,
    }
}

fields! {
    /// A transaction of a block.
    pub struct BodyTx {
        /// The address that signed it, kept so that reading needs no signature recovery.
        pub sender: Address,
        /// The EIP-2718 encoding: type byte and payload, or a legacy transaction's RLP.
        pub raw: Bytes,
    }
}

fields! {
    /// What a transaction did.
    pub struct Receipt {
        /// EIP-2718 type; 0 is legacy.
        pub tx_type: u8,
        /// Whether it took effect; a failed transaction only paid.
        pub success: bool,
        /// Gas of this transaction and those before it in the block.
        pub cumulative_gas_used: u64,
        /// Gas of this transaction.
        pub gas_used: u64,
        /// In wei.
        pub effective_gas_price: u128,
        /// The contract that a creation made.
        pub contract_address: Option<Address>,
        /// In the order of emission.
        pub logs: Vec<Log>,
        /// Why it failed, for people. Outside consensus.
        pub failure: Option<String>,
    }
}

/// Address, topics, data.
impl Field for Log {
    fn put(&self, out: &mut Vec<u8>) {
        self.address.put(out);
        self.data.topics().to_vec().put(out);
        self.data.data.put(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
        let address = Field::take(input).map_err(|error: ScaleError| error.chain("field address"))?;
        let topics = Field::take(input).map_err(|error: ScaleError| error.chain("field topics"))?;
        let data = Field::take(input).map_err(|error: ScaleError| error.chain("field data"))?;
        Self::new(address, topics, data).ok_or_else(|| "a log has more than four topics".into())
    }
}

fields! {
    /// Where a transaction is.
    #[derive(Copy)]
    pub struct TxPosition {
        /// Number of its block.
        pub number: u64,
        /// Its index in the block, from 0.
        pub index: u32,
    }
}

fields! {
    /// In a trie's history, instead of the record from before a block: the key of the leaf that stood at the path.
    #[derive(Copy)]
    pub(crate) struct LeafKey {
        /// keccak256 of the address or slot.
        pub key: B256,
    }
}

impl LeafKey {
    /// Returns whether a row of a trie's history has a leaf's key and not a record.
    pub(crate) fn is_in(row: &[u8]) -> bool {
        row.first() == Some(&Self::VERSION)
    }
}

fields! {
    /// Which keys of the state a block changed: those that have a row of history with its number.
    pub(crate) struct BlockChanges {
        /// Keys of [`Column::Account`](crate::Column::Account).
        pub accounts: Vec<Bytes>,
        /// Keys of [`Column::Slot`](crate::Column::Slot).
        pub slots: Vec<Bytes>,
        /// Keys of [`Column::TrieAccount`](crate::Column::TrieAccount).
        pub account_nodes: Vec<Bytes>,
        /// Keys of [`Column::TrieStorage`](crate::Column::TrieStorage).
        pub storage_nodes: Vec<Bytes>,
    }
}

fields! {
    /// The last block: what the state is the state of.
    #[derive(Copy)]
    pub struct Head {
        /// Its number.
        pub number: u64,
        /// Its hash.
        pub hash: B256,
        /// The state's root after it.
        pub state_root: B256,
    }
}
