//! A fork reads what it has not written from the chain that it forks, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use lathe_state::{
    AccountChange, AccountInfo, Block, Changes, Column, Database, DatabaseOptions, Foreign, Genesis,
    GenesisAccount, Header, Origin, OriginError, StateError, Store,
};
use parking_lot::Mutex;

use crate::{
    fixture::{Home, address, advance, compact, info, next_block, open, seal, set},
    on_every_store,
};

on_every_store! {
    what_a_fork_has_not_written_is_the_origins
    a_fork_tells_the_state_of_each_of_its_blocks
    what_was_written_is_never_asked_for_again
    a_fork_takes_over_the_code_of_accounts_that_it_writes
    empty_blocks_follow_the_base
    a_fork_is_told_from_a_chain_of_its_own
    an_origin_that_fails_fails_the_read
    a_chain_can_take_the_place_of_another
}

/// The block that forks stand on.
const BASE: u64 = 1_000;
const SLOTS: u64 = 6;
const ACCOUNTS: u64 = 5;

/// What another chain was at one block.
#[derive(Default)]
struct Other {
    accounts: BTreeMap<Address, AccountInfo>,
    slots: BTreeMap<(Address, U256), U256>,
    codes: BTreeMap<B256, Bytes>,
    /// What was asked for.
    asked: Mutex<BTreeSet<(Address, Option<U256>)>>,
    is_gone: bool,
}

impl Origin for Other {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, OriginError> {
        self.ask((address, None))?;
        Ok(self.accounts.get(&address).copied())
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, OriginError> {
        self.ask((address, Some(slot)))?;
        Ok(self.slots.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, OriginError> {
        Ok(self.codes.get(&code_hash).cloned())
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, OriginError> {
        Ok(Some(B256::from(U256::from(number))))
    }
}

impl Other {
    /// Every account but the last is there, with every second slot set.
    fn new() -> Self {
        let code = Bytes::from_static(b"code of the other chain");
        let mut other = Self { codes: [(keccak256(&code), code)].into(), ..Self::default() };
        for n in 0..ACCOUNTS - 1 {
            other.accounts.insert(address(n), info(n, 100 + n));
            for slot in (0..SLOTS).step_by(2) {
                other.slots.insert((address(n), U256::from(slot)), U256::from(1_000 + 10 * n + slot));
            }
        }
        other
    }

    fn ask(&self, what: (Address, Option<U256>)) -> Result<(), OriginError> {
        if self.is_gone {
            return Err(OriginError("the other chain is gone".into()));
        }
        self.asked.lock().insert(what);
        Ok(())
    }
}

/// The block that a fork stands on: its header has the state root of the other chain.
fn base() -> Block {
    seal(Header { number: BASE, state_root: B256::repeat_byte(9), ..Header::default() }, 0)
}

fn fork(store: Arc<dyn Store>, other: &Arc<Other>) -> Database {
    let (options, origin) = (DatabaseOptions::default(), Arc::clone(other));
    if Database::fork_point(&*store).expect("reads").is_some() {
        return Database::open_fork(store, options, origin).expect("opens");
    }
    let rich = GenesisAccount { address: address(77), balance: U256::from(7), ..GenesisAccount::default() };
    let genesis = Genesis { chain_id: 1, accounts: vec![rich] };
    let settings = B256::repeat_byte(3);
    Database::create_fork(store, options, origin, &genesis, settings, &base()).expect("is made")
}

fn what_a_fork_has_not_written_is_the_origins(home: &Home) {
    let other = Arc::new(Other::new());
    let database = fork(home.store(), &other);
    let view = database.view().expect("reads");
    assert_eq!((view.first_block(), view.head().number, view.history_start()), (BASE, BASE, BASE));
    assert_eq!(view.head().hash, base().hash);
    assert_ne!(view.head().state_root, base().header.state_root);
    assert_eq!(view.account(address(2)).expect("reads").map(|account| account.info()), Some(info(2, 102)));
    assert_eq!(view.storage(address(2), U256::from(4)), Ok(U256::from(1_024)));
    assert_eq!(view.storage(address(2), U256::from(5)), Ok(U256::ZERO));
    assert_eq!(view.account(address(77)).expect("reads").map(|account| account.balance), Some(U256::from(7)));
    assert_eq!(view.account(address(4)), Ok(None));
    assert_eq!(view.block_hash(BASE - 1), Ok(Some(B256::from(U256::from(BASE - 1)))));
    assert_eq!(view.block_hash(BASE), Ok(Some(base().hash)));
    assert_eq!(view.block_hash(BASE + 1), Ok(None));
    assert!(matches!(view.at(BASE - 1), Err(StateError::NotKept(_))));
    // What is read leaves nothing behind.
    assert_eq!(database.view().expect("reads").head(), view.head());
}

/// The state as a map: what a fork must tell at one block.
type Model = (BTreeMap<Address, AccountInfo>, BTreeMap<(Address, U256), U256>);

fn apply(model: &mut Model, changes: &Changes) {
    for (&address, AccountChange { info, storage_wiped, storage }) in &changes.accounts {
        let info = info.filter(|info| *info != AccountInfo::default());
        if *storage_wiped || info.is_none() {
            model.1.retain(|(owner, _), _| *owner != address);
        }
        match info {
            Some(info) => {
                model.0.insert(address, info);
                model.1.extend(storage.iter().map(|(slot, value)| ((address, *slot), *value)));
            }
            None => drop(model.0.remove(&address)),
        }
    }
}

fn check(view: &lathe_state::View, model: &Model) {
    let number = view.head().number;
    for n in 0..ACCOUNTS {
        let account = view.account(address(n)).expect("reads").map(|account| account.info());
        assert_eq!(account, model.0.get(&address(n)).copied(), "account {n} at block {number}");
        for slot in (0..SLOTS).map(U256::from) {
            let value = model.1.get(&(address(n), slot)).copied().unwrap_or_default();
            assert_eq!(view.storage(address(n), slot), Ok(value), "slot {slot} of {n} at block {number}");
        }
    }
}

/// What a block does, made from its number: accounts come, go and are wiped, slots are set, cleared and set to what they were.
fn changes_of(number: u64, seed: u64) -> Changes {
    let mut random = keccak256([number.to_be_bytes(), seed.to_be_bytes()].concat()).0.into_iter();
    let mut next = move |below: u64| u64::from(random.next().expect("few are drawn")) % below;
    let mut changes = Changes::default();
    for _ in 0..2 {
        let n = next(ACCOUNTS);
        let value = |drawn: u64| if drawn < 2 { 0 } else { [1, 1_000 + 10 * n][usize::from(drawn == 3)] };
        let storage = (0..next(4)).map(|_| (next(SLOTS), next(4))).collect::<Vec<_>>();
        let storage = storage.into_iter().map(|(slot, drawn)| (U256::from(slot), U256::from(value(drawn))));
        let storage = storage.collect();
        let change = match next(5) {
            0 => AccountChange { info: None, ..AccountChange::default() },
            1 => AccountChange { info: Some(info(n, 5)), storage_wiped: true, storage },
            // As it is on the other chain.
            2 => AccountChange { info: Some(info(n, 100 + n)), storage_wiped: false, storage },
            _ => AccountChange { info: Some(info(next(3), next(3))), storage_wiped: false, storage },
        };
        changes.accounts.insert(address(n), change);
    }
    changes
}

fn a_fork_tells_the_state_of_each_of_its_blocks(home: &Home) {
    let other = Arc::new(Other::new());
    let mut models = vec![(other.accounts.clone(), other.slots.clone())];
    let mut database = fork(home.store(), &other);
    for seed in 0..6 {
        for _ in 0..12 {
            let number = BASE + models.len() as u64;
            let changes = changes_of(number, seed);
            let mut model = models.last().expect("the base").clone();
            apply(&mut model, &changes);
            advance(&database, &changes);
            models.push(model);
        }
        let view = database.view().expect("reads");
        for (number, model) in (BASE..).zip(&models) {
            check(&view.at(number).expect("is kept"), model);
        }
        let report = view.verify().expect("reads");
        assert!(report.is_sound(), "{report:?}");
        drop(view);
        // Back to an earlier block, the base included, and on from there after another opening.
        models.truncate(1 + 9 * usize::try_from(seed).expect("small") % models.len());
        database.revert(BASE + models.len() as u64 - 1).expect("goes back");
        drop(database);
        compact(&*home.store());
        database = fork(home.store(), &other);
        check(&database.view().expect("reads"), models.last().expect("the base"));
    }
    database.revert(BASE).expect("goes back");
    let sizes = database.view().and_then(|view| view.column_sizes(&mut |_| ())).expect("reads");
    let marks = sizes.iter().find(|size| size.column == Column::Written).expect("it is counted");
    assert_eq!(marks.entries, 1, "only the account of the beginning is marked");
}

fn what_was_written_is_never_asked_for_again(home: &Home) {
    let other = Arc::new(Other::new());
    let database = fork(home.store(), &other);
    // Gone, cleared, and wiped.
    let mut changes = Changes::default();
    changes.accounts.insert(address(0), AccountChange::default());
    changes.accounts.extend(set(address(1), info(1, 101), &[(0, 0), (1, 5), (2, 7)]).accounts);
    let wiped = AccountChange { info: Some(info(2, 2)), storage_wiped: true, ..AccountChange::default() };
    changes.accounts.insert(address(2), wiped);
    advance(&database, &changes);
    other.asked.lock().clear();
    let view = database.view().expect("reads");
    for n in 0..3 {
        view.account(address(n)).expect("reads");
        for slot in 0..SLOTS {
            view.storage(address(n), U256::from(slot)).expect("reads");
        }
    }
    let asked = [3, 4, 5].map(|slot| (address(1), Some(U256::from(slot))));
    assert_eq!(*other.asked.lock(), BTreeSet::from(asked));
    // The block before still asks.
    assert_eq!(view.at(BASE).expect("is kept").storage(address(2), U256::ZERO), Ok(U256::from(1_020)));
}

fn a_fork_takes_over_the_code_of_accounts_that_it_writes(home: &Home) {
    let mut other = Other::new();
    let code_hash = *other.codes.keys().next().expect("there is one");
    let contract = AccountInfo { code_hash, ..info(1, 0) };
    other.accounts.insert(address(3), contract);
    let database = fork(home.store(), &Arc::new(other));
    let more = AccountInfo { balance: U256::from(1), ..contract };
    advance(&database, &set(address(3), more, &[]));
    drop(database);
    let database = fork(home.store(), &Arc::new(Other { is_gone: true, ..Other::default() }));
    let view = database.view().expect("reads");
    assert_eq!(view.account(address(3)).expect("reads").map(|account| account.info()), Some(more));
    assert_eq!(view.code(code_hash).expect("reads"), Some(Bytes::from_static(b"code of the other chain")));
    let unknown = AccountInfo { code_hash: B256::repeat_byte(1), ..contract };
    let refused = database.prepare(&set(address(3), unknown, &[])).expect_err("nobody has it");
    assert!(matches!(refused, StateError::Changes(_)), "{refused}");
}

fn empty_blocks_follow_the_base(home: &Home) {
    let database = fork(home.store(), &Arc::new(Other::new()));
    let root = database.view().expect("reads").head().state_root;
    let block = next_block(&database, root, 0);
    database.extend(&[block]).expect("extends");
    let view = database.view().expect("reads");
    assert_eq!((view.head().number, view.at(BASE).expect("is kept").head().state_root), (BASE + 1, root));
    assert_eq!(database.revert(BASE).expect("goes back").state_root, root);
    assert!(database.revert(BASE - 1).is_err());
}

fn a_fork_is_told_from_a_chain_of_its_own(home: &Home) {
    let store = home.store();
    let other = Arc::new(Other::new());
    let origin = || Arc::<Other>::clone(&other);
    let nothing = Database::open_fork(store.clone(), DatabaseOptions::default(), origin());
    assert_eq!(nothing.err(), Some(StateError::Uninitialised));
    drop(fork(store.clone(), &other));
    let point = Database::fork_point(&*store).expect("reads").expect("is a fork");
    assert_eq!((point.chain_id, point.base.number, point.base.hash), (1, BASE, base().hash));
    assert_eq!(point.settings, B256::repeat_byte(3));
    let opened = open(store, &Genesis { chain_id: 1, accounts: Vec::new() });
    let expected = StateError::Foreign(Foreign::Fork { chain_id: 1, number: BASE });
    assert_eq!(opened.err(), Some(expected));

    let own = Home::memory();
    drop(own.database());
    let opened = Database::open_fork(own.store(), DatabaseOptions::default(), origin());
    assert_eq!(opened.err(), Some(StateError::Foreign(Foreign::NoFork { chain_id: 31337 })));
}

fn an_origin_that_fails_fails_the_read(home: &Home) {
    let other = Arc::new(Other { is_gone: true, ..Other::default() });
    let view = fork(home.store(), &other).view().expect("reads");
    let gone = StateError::Origin(OriginError("the other chain is gone".into()));
    assert_eq!(view.account(address(1)), Err(gone.clone()));
    assert_eq!(view.storage(address(1), U256::ZERO), Err(gone));
    assert_eq!(
        view.account(address(77)).expect("reads").map(|account| account.code_hash),
        Some(KECCAK256_EMPTY)
    );
}

fn a_chain_can_take_the_place_of_another(home: &Home) {
    let other = Arc::new(Other::new());
    let own = Genesis { chain_id: 31337, accounts: Vec::new() };
    let store = home.store();
    let mut batch = lathe_state::Batch::new();
    batch.put(Column::Origin, "kept", "of another chain");
    store.write(batch).expect("writes");
    let begun = open(Arc::clone(&store), &own).expect("opens");
    for n in 0..3 {
        advance(&begun, &set(address(5), info(n, 5), &[(1, n + 1)]));
    }
    let old = begun.view().expect("reads");
    let (settings, options) = (B256::repeat_byte(3), DatabaseOptions { history: Some(0) });
    let origin = || Arc::<Other>::clone(&other);
    let nobody = Genesis { chain_id: 1, accounts: Vec::new() };
    let fork = begun.replace_with_fork(options, origin(), &nobody, settings, &base()).expect("is made");
    assert_eq!((fork.chain_id(), fork.view().expect("reads").first_block()), (1, BASE));
    let storage = |database: &Database, slot| {
        database.view().expect("reads").storage(address(5), U256::from(slot)).expect("reads")
    };
    assert_eq!(fork.view().expect("reads").account(address(5)), Ok(None));
    // Who still reads the old chain reads it as it was, and nobody writes to it.
    assert_eq!(old.storage(address(5), U256::from(1)), Ok(U256::from(3)));
    assert_eq!(old.at(1).expect("is kept").storage(address(5), U256::from(1)), Ok(U256::from(1)));
    let header = Header {
        number: 4,
        parent_hash: old.head().hash,
        state_root: old.head().state_root,
        ..Header::default()
    };
    assert_eq!(begun.extend(&[seal(header, 0)]), Err(StateError::Replaced));
    assert_eq!(begun.revert(1), Err(StateError::Replaced));
    assert_eq!(begun.prune(0), Err(StateError::Replaced));
    assert!(begun.replace(options, &own, |_| base()).is_err());
    // The history of a fork of a late block is no measure for a chain that begins at 0.
    let past = fork.view().expect("reads").at(BASE).expect("is kept");
    for n in 0..70 {
        advance(&fork, &set(address(5), info(n, 5), &[(1, n)]));
    }
    let keep = DatabaseOptions::default();
    let first = |state_root| seal(Header { state_root, ..Header::default() }, 0);
    let plain = fork.replace(keep, &own, first).expect("is made");
    drop((old, past, begun));
    advance(&plain, &set(address(5), info(1, 5), &[(1, 8)]));
    advance(&plain, &set(address(5), info(1, 5), &[(1, 9)]));
    store.sync().expect("syncs");
    compact(&*store);
    assert_eq!((storage(&plain, 1), storage(&plain, 2)), (U256::from(9), U256::ZERO));
    let at =
        |number| plain.view().expect("reads").at(number).expect("is kept").storage(address(5), U256::from(1));
    assert_eq!((at(0), at(1)), (Ok(U256::ZERO), Ok(U256::from(8))));
    plain.view().expect("reads").verify().expect("is whole");
    assert_eq!(store.snapshot().get(Column::Origin, b"kept"), Ok(Some(b"of another chain".to_vec())));
    let head = plain.view().expect("reads").head();
    drop((plain, fork, store));
    assert_eq!(open(home.store(), &own).expect("opens").view().expect("reads").head(), head);
}
