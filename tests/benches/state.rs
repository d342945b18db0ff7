//! What the state costs, per changed account: `cargo bench -p lathe-tests --bench state`.
//!
//! - `root_us`: from the sorted changes to the new root and the encoded records that change, on one thread, with the
//!   records in the cache and nothing written. `keccak_us` is the limit beside it: hashing the same bytes of nodes again.
//! - `prepare_us`, `commit_us`: a block of these changes, with the flat state, history and RocksDB; `commit_power_us` waits
//!   for the disk as well.
//! - `read_us`, `historical_us`, `proof_us`: one account at the head, at an earlier block, and with its proof.
//! - `alloy_us`: alloy-trie's rebuild of all accounts, `eth_trie_us` (feature `peers`): eth_trie 0.6.1, which updates in
//!   batches as we do.
//!
//! Sizes are `LATHE_BENCH_ACCOUNTS` (100000,1000000 by default; 10000000 takes some 8 GiB of memory). Every root is compared
//! with alloy-trie's; the bench fails if one differs, never because of speed. The last line has all rows.

use std::{
    collections::BTreeMap,
    hint::black_box,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{HashBuilder, Nibbles};
use lathe_state::{
    Account, AccountChange, AccountInfo, AccountUpdate, Block, Changes, Database, Genesis, GenesisAccount,
    Header, RocksStore,
};
use serde::Serialize;

/// The allocator that the node has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Accounts that a block changes.
const CHANGED: [u64; 2] = [1_000, 10_000];
/// Repetitions of what takes milliseconds; the median counts.
const ROUNDS: u64 = 7;
/// Single reads and proofs.
const READS: u64 = 2_000;

/// One row: microseconds for each changed account, or for each read.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    bench: &'static str,
    accounts: u64,
    changed: u64,
    root_us: f64,
    keccak_us: f64,
    ratio: f64,
    commit_us: f64,
    proof_us: f64,
    historical_us: f64,
    read_us: f64,
    prepare_us: f64,
    commit_power_us: f64,
    root_parallel_us: f64,
    threads: usize,
    alloy_us: f64,
    eth_trie_us: Option<f64>,
}

#[derive(Serialize)]
struct Summary {
    bench: &'static str,
    worst_ratio: f64,
    roots_checked: u64,
    wrong_roots: u64,
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    let sizes = std::env::var("LATHE_BENCH_ACCOUNTS").unwrap_or_else(|_| "100000,1000000".to_owned());
    let mut summary =
        Summary { bench: "state", worst_ratio: 0.0, roots_checked: 0, wrong_roots: 0, rows: Vec::new() };
    for size in sizes.split(',') {
        let accounts = size.trim().parse().expect("LATHE_BENCH_ACCOUNTS is a list of numbers");
        measure(accounts, &mut summary);
    }
    summary.worst_ratio = summary.rows.iter().map(|row| row.ratio).fold(0.0, f64::max);
    println!("{}", serde_json::to_string(&summary).expect("numbers"));
    if summary.wrong_roots == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn address(n: u64) -> Address {
    Address::left_padding_from(&(n + 1).to_be_bytes())
}

fn balance(n: u64, salt: u64) -> U256 {
    // As many digits as balances in wei have.
    U256::from(n + 1) * U256::from(1_000_000_007_u64) * U256::from(1_000_000_000_u64) + U256::from(salt)
}

/// Numbers below `size` that look random and differ from each other.
fn chosen(count: u64, size: u64, salt: u64) -> impl Iterator<Item = u64> {
    // Coprime to every size that is a power of ten.
    const STRIDE: u64 = 7_919_317;
    (0..count).map(move |i| ((i + salt * count) * STRIDE) % size)
}

fn measure(size: u64, summary: &mut Summary) {
    eprintln!("{size} accounts: making them");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Arc::new(RocksStore::open(dir.path(), Default::default()).expect("opens"));
    let accounts = (0..size).map(|n| GenesisAccount {
        address: address(n),
        balance: balance(n, 0),
        ..Default::default()
    });
    let genesis = Genesis { chain_id: 31_337, accounts: accounts.collect() };
    let database = Database::open(store, Default::default(), &genesis, |root| block(0, B256::ZERO, root))
        .expect("makes the chain");
    drop(genesis);
    let mut leaves: BTreeMap<B256, U256> =
        (0..size).map(|n| (keccak256(address(n)), balance(n, 0))).collect();
    for changed in CHANGED.into_iter().filter(|&changed| changed <= size) {
        let mut row = Row { bench: "state", accounts: size, changed, ..Row::default() };
        eprintln!("{size} accounts, {changed} changed: roots");
        measure_root(&database, &mut row, &leaves, summary);
        eprintln!("{size} accounts, {changed} changed: blocks");
        measure_blocks(&database, &mut row, &mut leaves, summary);
        eprintln!("{size} accounts, {changed} changed: reads");
        measure_reads(&database, &mut row);
        println!("{}", serde_json::to_string(&row).expect("numbers"));
        summary.rows.push(row);
    }
}

fn measure_root(database: &Database, row: &mut Row, leaves: &BTreeMap<B256, U256>, summary: &mut Summary) {
    row.threads = std::thread::available_parallelism().map_or(1, usize::from);
    let updates = |salt: u64| -> Vec<AccountUpdate> {
        let mut updates: Vec<_> = chosen(row.changed, row.accounts, salt)
            .map(|n| AccountUpdate {
                hashed_address: keccak256(address(n)),
                existed: true,
                account: Some(Account { balance: balance(n, salt), ..Account::default() }),
            })
            .collect();
        updates.sort_unstable_by_key(|update| update.hashed_address);
        updates
    };
    let (mut serial, mut parallel, mut keccak) = (Vec::new(), Vec::new(), Vec::new());
    for salt in 1..=ROUNDS {
        let updates = updates(salt);
        serial.push(time(|| database.root_of(&updates, 1, false).expect("computes")));
        parallel.push(time(|| database.root_of(&updates, row.threads, false).expect("computes")));
        let hashed = database.root_of(&updates, 1, true).expect("computes").hashed;
        keccak.push(time(|| hashed.iter().map(keccak256).fold(0, |sum, hash| sum ^ hash[0])));
    }
    let per = |times| median(times) / row.changed as f64;
    row.keccak_us = round(per(keccak));
    row.root_us = round(per(serial));
    row.root_parallel_us = round(per(parallel));
    row.ratio = round(row.root_us / row.keccak_us);

    let updates = updates(1);
    let mut changed = leaves.clone();
    for update in &updates {
        changed.insert(update.hashed_address, update.account.expect("nothing is deleted").balance);
    }
    let mut rebuilt = B256::ZERO;
    let whole = time(|| rebuilt = alloy_root(&changed));
    row.alloy_us = round(micros(whole) / row.changed as f64);
    let root = database.root_of(&updates, 1, false).expect("computes").root;
    check(summary, "the update", root, rebuilt);
    row.eth_trie_us = eth_trie_us(leaves, &updates, rebuilt, summary);
}

fn measure_blocks(
    database: &Database,
    row: &mut Row,
    leaves: &mut BTreeMap<B256, U256>,
    summary: &mut Summary,
) {
    let (mut prepares, mut commits, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for salt in 1..=ROUNDS {
        let info = |n| AccountInfo { nonce: 0, balance: balance(n, salt), code_hash: KECCAK256_EMPTY };
        let change = |n| AccountChange { info: Some(info(n)), ..AccountChange::default() };
        let accounts = chosen(row.changed, row.accounts, salt).map(|n| (address(n), change(n))).collect();
        let changes = Changes { accounts, ..Changes::default() };
        leaves.extend(
            chosen(row.changed, row.accounts, salt).map(|n| (keccak256(address(n)), balance(n, salt))),
        );
        let head = database.view().expect("reads").head();
        let mut prepared = None;
        prepares.push(time(|| prepared = Some(database.prepare(&changes).expect("prepares"))));
        let prepared = prepared.expect("prepares");
        let block = block(head.number + 1, head.hash, prepared.state_root());
        commits.push(time(|| database.commit(prepared, block).expect("commits")));
        syncs.push(time(|| database.sync().expect("syncs")));
    }
    let per = |times| median(times) / row.changed as f64;
    row.prepare_us = round(per(prepares));
    row.commit_us = round(per(commits));
    row.commit_power_us = round(row.commit_us + per(syncs));
    let root = database.view().expect("reads").head().state_root;
    check(summary, "the blocks", root, alloy_root(leaves));
}

fn measure_reads(database: &Database, row: &mut Row) {
    let view = database.view().expect("reads");
    let past = view.at(view.head().number - ROUNDS).expect("is kept");
    let each = |what: &dyn Fn(Address)| {
        let all = time(|| chosen(READS, row.accounts, 3).for_each(|n| what(address(n))));
        round(micros(all) / READS as f64)
    };
    row.read_us = each(&|address| {
        black_box(view.account(address).expect("reads"));
    });
    row.historical_us = each(&|address| {
        black_box(past.account(address).expect("reads"));
    });
    row.proof_us = each(&|address| drop(black_box(view.proof(address, &[]).expect("proves"))));
}

fn check(summary: &mut Summary, what: &str, ours: B256, theirs: B256) {
    summary.roots_checked += 1;
    if ours != theirs {
        summary.wrong_roots += 1;
        eprintln!("WRONG: root of {what} is {ours}, alloy-trie says {theirs}");
    }
}

fn leaf(balance: U256) -> Vec<u8> {
    alloy_rlp::encode(Account { balance, ..Account::default() }.trie_account())
}

fn alloy_root(leaves: &BTreeMap<B256, U256>) -> B256 {
    let mut builder = HashBuilder::default();
    for (hashed, &balance) in leaves {
        builder.add_leaf(Nibbles::unpack(hashed), &leaf(balance));
    }
    builder.root()
}

#[cfg(feature = "peers")]
fn eth_trie_us(
    leaves: &BTreeMap<B256, U256>,
    updates: &[AccountUpdate],
    expected: B256,
    summary: &mut Summary,
) -> Option<f64> {
    use eth_trie::{EthTrie, MemoryDB, Trie};
    let keep_old_nodes = false;
    let mut trie = EthTrie::new(Arc::new(MemoryDB::new(keep_old_nodes)));
    for (hashed, &balance) in leaves {
        trie.insert(hashed.as_slice(), &leaf(balance)).expect("inserts");
    }
    trie.root_hash().expect("hashes");
    let mut root = B256::ZERO;
    let whole = time(|| {
        for update in updates {
            let account = update.account.expect("nothing is deleted");
            trie.insert(update.hashed_address.as_slice(), &leaf(account.balance)).expect("inserts");
        }
        root = B256::from_slice(trie.root_hash().expect("hashes").as_slice());
    });
    check(summary, "eth_trie", root, expected);
    Some(round(micros(whole) / updates.len() as f64))
}

#[cfg(not(feature = "peers"))]
fn eth_trie_us(_: &BTreeMap<B256, U256>, _: &[AccountUpdate], _: B256, _: &mut Summary) -> Option<f64> {
    None
}

fn block(number: u64, parent_hash: B256, state_root: B256) -> Block {
    let header = Header { number, parent_hash, state_root, ..Header::default() };
    Block { hash: keccak256(format!("{header:?}")), header, ..Block::default() }
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    micros(times[times.len() / 2])
}

fn round(us: f64) -> f64 {
    (us * 100.0).round() / 100.0
}
