//! How long a block takes to become durable, by how much state there is: `cargo bench -p lathe-state`.
//!
//! A block changes the balance of 1,000 accounts, or 1,000 slots of one contract, and has no transactions. `prepare` is
//! the state root, `commit` the write. Times are medians.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use lathe_state::{
    AccountChange, AccountInfo, Block, Changes, Database, Genesis, GenesisAccount, Header, MemoryStore, Store,
};

const CHANGED: u64 = 1_000;
const BLOCKS: u64 = 9;
const SIZES: [u64; 3] = [1_000, 10_000, 100_000];
/// The account with storage; the others are numbered from 1.
const CONTRACT: Address = Address::repeat_byte(0xcc);

fn main() {
    println!("{:<8} {:>8} {:>10}  {:>12} {:>12}", "store", "state", "changed", "prepare", "commit");
    for size in SIZES {
        measure("memory", size, || Arc::new(MemoryStore::new()));
        #[cfg(feature = "rocksdb")]
        {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let open = || lathe_state::RocksStore::open(dir.path(), Default::default()).expect("opens");
            measure("rocksdb", size, || Arc::new(open()));
        }
    }
}

fn measure(name: &str, size: u64, store: impl FnOnce() -> Arc<dyn Store>) {
    let accounts = (1..=size).map(|n| GenesisAccount {
        address: Address::left_padding_from(&n.to_be_bytes()),
        balance: U256::from(n),
        ..GenesisAccount::default()
    });
    let contract = GenesisAccount {
        address: CONTRACT,
        nonce: 1,
        storage: (1..=size).map(|n| (U256::from(n), U256::from(n))).collect(),
        ..GenesisAccount::default()
    };
    let genesis = Genesis { chain_id: 31337, accounts: accounts.chain([contract]).collect() };
    let database = Database::open(store(), Default::default(), &genesis, |root| block(0, B256::ZERO, root))
        .expect("opens");
    report(name, size, "accounts", &database, |n, salt| {
        let address = Address::left_padding_from(&(n % size + 1).to_be_bytes());
        let info = AccountInfo { nonce: 0, balance: U256::from(salt), code_hash: KECCAK256_EMPTY };
        (address, AccountChange { info: Some(info), ..AccountChange::default() })
    });
    report(name, size, "slots", &database, |n, salt| {
        let info = AccountInfo { nonce: 1, balance: U256::ZERO, code_hash: KECCAK256_EMPTY };
        let storage = (0..CHANGED).map(|i| (U256::from((n + i * 97) % size + 1), U256::from(salt))).collect();
        (CONTRACT, AccountChange { info: Some(info), storage, storage_wiped: false })
    });
}

fn report(
    name: &str,
    size: u64,
    what: &str,
    database: &Database,
    change: impl Fn(u64, u64) -> (Address, AccountChange),
) {
    let (mut prepares, mut commits) = (Vec::new(), Vec::new());
    for n in 0..BLOCKS {
        let changed = if what == "slots" { 1 } else { CHANGED };
        let changes = Changes {
            accounts: (0..changed).map(|i| change(i * 97 + n, 1_000_000 + n)).collect(),
            ..Changes::default()
        };
        let head = database.view().expect("reads").head();
        let start = Instant::now();
        let prepared = database.prepare(&changes).expect("prepares");
        prepares.push(start.elapsed());
        let block = block(head.number + 1, head.hash, prepared.state_root());
        let start = Instant::now();
        database.commit(prepared, block).expect("commits");
        commits.push(start.elapsed());
    }
    let (prepare, commit) = (median(prepares), median(commits));
    println!("{name:<8} {size:>8} {CHANGED:>4} {what:<8}  {prepare:>12.2?} {commit:>12.2?}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn block(number: u64, parent_hash: B256, state_root: B256) -> Block {
    let header = Header { number, parent_hash, state_root, ..Header::default() };
    Block { hash: keccak256(format!("{header:?}")), header, ..Block::default() }
}
