//! Chains to test with.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, U256, keccak256};
use lathe_state::{
    AccountChange, AccountInfo, Block, BodyTx, Changes, Database, DatabaseOptions, Genesis, Header,
    MemoryStore, Receipt, Store,
};

/// Where a store's bytes are, so that it can be closed and opened again.
pub(crate) enum Home {
    Memory(Arc<MemoryStore>),
    #[cfg(feature = "rocksdb")]
    Rocks(tempfile::TempDir),
}

impl Home {
    pub(crate) fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    #[cfg(feature = "rocksdb")]
    pub(crate) fn rocks() -> Self {
        Self::Rocks(tempfile::tempdir().expect("a temporary directory"))
    }

    /// Opens the store. For the one on disk, everything of an earlier opening must be dropped first.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::<MemoryStore>::clone(store),
            #[cfg(feature = "rocksdb")]
            Self::Rocks(dir) => {
                Arc::new(lathe_state::RocksStore::open(dir.path(), Self::rocks_options()).expect("opens"))
            }
        }
    }

    /// Small, so that tests meet full memtables.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn rocks_options() -> lathe_state::RocksOptions {
        lathe_state::RocksOptions { cache_bytes: 1 << 20, memtable_bytes: 1 << 20, ..Default::default() }
    }

    /// Opens the chain with an empty genesis.
    pub(crate) fn database(&self) -> Database {
        open(self.store(), &Genesis { chain_id: 31337, accounts: Vec::new() }).expect("opens")
    }
}

pub(crate) fn open(store: Arc<dyn Store>, genesis: &Genesis) -> Result<Database, lathe_state::StateError> {
    Database::open(store, DatabaseOptions::default(), genesis, |state_root| {
        seal(Header { state_root, ..Header::default() }, 0)
    })
}

/// Rewrites every column without what was given up.
pub(crate) fn compact(store: &dyn Store) {
    for &column in lathe_state::Column::ALL {
        store.compact(column).expect("compacts");
    }
}

pub(crate) fn address(n: u64) -> Address {
    Address::left_padding_from(&n.to_be_bytes())
}

pub(crate) fn info(nonce: u64, balance: u64) -> AccountInfo {
    AccountInfo { nonce, balance: U256::from(balance), code_hash: KECCAK256_EMPTY }
}

/// Changes that set one account.
pub(crate) fn set(address: Address, info: AccountInfo, storage: &[(u64, u64)]) -> Changes {
    let storage = storage.iter().map(|&(slot, value)| (U256::from(slot), U256::from(value))).collect();
    let change = AccountChange { info: Some(info), storage_wiped: false, storage };
    Changes { accounts: [(address, change)].into(), ..Changes::default() }
}

/// Makes a block of the header with some transactions. Its hash is not Ethereum's, but tells headers apart.
pub(crate) fn seal(header: Header, transactions: u8) -> Block {
    let raw = |index: u8| Bytes::from([&header.number.to_be_bytes()[..], &[index]].concat());
    let body: Vec<_> = (0..transactions)
        .map(|index| BodyTx { sender: Address::repeat_byte(index), raw: raw(index) })
        .collect();
    let receipt = |index: u8| Receipt {
        tx_type: 2,
        success: index.is_multiple_of(2),
        cumulative_gas_used: 21_000 * (u64::from(index) + 1),
        gas_used: 21_000,
        effective_gas_price: 7,
        contract_address: (index == 1).then(|| address(99)),
        logs: vec![Log::new_unchecked(address(7), vec![B256::repeat_byte(index)], raw(index))],
        failure: (!index.is_multiple_of(2)).then(|| "unreachable at 0x1a in `main`".to_owned()),
    };
    Block {
        hash: keccak256(format!("{header:?}")),
        tx_hashes: body.iter().map(|tx| keccak256(&tx.raw)).collect(),
        receipts: (0..transactions).map(receipt).collect(),
        body,
        header,
    }
}

/// Makes the block that follows the head with a given state root.
pub(crate) fn next_block(database: &Database, state_root: B256, transactions: u8) -> Block {
    let head = database.view().expect("reads").head();
    let number = head.number + 1;
    let header = Header {
        parent_hash: head.hash,
        state_root,
        number,
        gas_limit: 100_000_000,
        timestamp: 1_700_000_000 + number,
        extra_data: Bytes::from_static(b"lathe"),
        ..Header::default()
    };
    seal(header, transactions)
}

/// Advances the chain by a block with these changes, and returns the block.
pub(crate) fn advance(database: &Database, changes: &Changes) -> Block {
    let prepared = database.prepare(changes).expect("prepares");
    let block = next_block(database, prepared.state_root(), 2);
    database.commit(prepared, block.clone()).expect("commits");
    block
}
