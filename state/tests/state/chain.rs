//! Opening a chain, committing blocks to it, and reading them back.

use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use lathe_state::{
    Account, AccountChange, AccountInfo, Batch, BlockMismatch, Changes, ChangesError, Column, Database,
    EMPTY_ROOT_HASH, Foreign, Genesis, GenesisAccount, Header, SCHEMA_VERSION, StateError, TxPosition,
};

use crate::{
    fixture::{Home, address, advance, info, next_block, open, seal, set},
    on_every_store,
    oracle::{ModelAccount, state_root},
};

on_every_store! {
    a_store_without_a_chain_is_uninitialised
    genesis_is_the_state_before_the_first_block
    a_reopened_chain_has_everything
    another_chain_is_refused
    a_view_does_not_see_later_blocks
    a_block_that_does_not_fit_is_refused_and_leaves_nothing
    a_state_prepared_on_an_older_head_is_refused
    blocks_that_change_nothing_are_written_together_or_not_at_all
    setting_what_is_there_writes_nothing
    code_is_checked
    an_empty_account_is_not_stored
    an_empty_account_of_genesis_stays_until_it_is_touched
}

fn a_store_without_a_chain_is_uninitialised(home: &Home) {
    let error = Database::open_existing(home.store(), Default::default()).err();
    assert_eq!(error, Some(StateError::Uninitialised));
}

fn genesis() -> Genesis {
    let account = GenesisAccount { address: address(1), balance: U256::from(5), ..Default::default() };
    let contract = GenesisAccount {
        address: address(2),
        nonce: 1,
        code: Bytes::from_static(&[0xef, 0x4c, 0x00]),
        storage: vec![(U256::from(1), U256::from(2)), (U256::from(3), U256::ZERO)],
        ..Default::default()
    };
    let empty = GenesisAccount { address: address(3), ..Default::default() };
    Genesis { chain_id: 31337, accounts: vec![account, contract, empty] }
}

fn genesis_is_the_state_before_the_first_block(home: &Home) {
    let database = open(home.store(), &genesis()).expect("opens");
    assert_eq!(database.chain_id(), 31337);
    let view = database.view().expect("reads");
    assert_eq!((view.head().number, view.head().hash), (0, database.genesis_hash()));
    let account = Account { balance: U256::from(5), ..Account::default() };
    assert_eq!(view.account(address(1)).expect("reads"), Some(account));
    let contract = view.account(address(2)).expect("reads").expect("is there");
    let code = view.code(contract.code_hash).expect("reads").expect("is there");
    assert_eq!(code, Bytes::from_static(&[0xef, 0x4c, 0x00]));
    assert_ne!(contract.storage_root, EMPTY_ROOT_HASH);
    assert_eq!(view.storage(address(2), U256::from(1)).expect("reads"), U256::from(2));
    assert_eq!(view.storage(address(2), U256::from(3)).expect("reads"), U256::ZERO);
    assert_eq!(view.account(address(3)).expect("reads"), Some(Account::default()));
    assert_eq!(view.code(KECCAK256_EMPTY).expect("reads"), Some(Bytes::new()));
    assert_eq!(view.code(B256::ZERO).expect("reads"), None);
    assert_eq!(view.address_preimage(keccak256(address(2))).expect("reads"), Some(address(2)));
    let hashed_slot = keccak256(U256::from(1).to_be_bytes::<32>());
    assert_eq!(view.slot_preimage(hashed_slot).expect("reads"), Some(U256::from(1)));
    assert_eq!(view.slot_preimage(B256::ZERO).expect("reads"), None);
}

fn a_reopened_chain_has_everything(home: &Home) {
    let database = open(home.store(), &genesis()).expect("opens");
    let mut blocks = Vec::new();
    for n in 1..=10 {
        blocks.push(advance(&database, &set(address(n), info(n, 1), &[(n, n)])));
    }
    drop(database);

    let database = open(home.store(), &genesis()).expect("opens again");
    let view = database.view().expect("reads");
    assert_eq!(view.head().number, 10);
    for block in &blocks {
        let number = block.header.number;
        assert_eq!(view.hash_by_number(number).expect("reads"), Some(block.hash));
        assert_eq!(view.number_by_hash(block.hash).expect("reads"), Some(number));
        assert_eq!(view.header_by_number(number).expect("reads"), Some((block.hash, block.header.clone())));
        assert_eq!(view.header_by_hash(block.hash).expect("reads").as_ref(), Some(&block.header));
        assert_eq!(view.body(number).expect("reads").as_ref(), Some(&block.body));
        assert_eq!(view.receipts(number).expect("reads").as_ref(), Some(&block.receipts));
        for (index, &tx_hash) in (0..).zip(&block.tx_hashes) {
            assert_eq!(view.tx_position(tx_hash).expect("reads"), Some(TxPosition { number, index }));
        }
        assert_eq!(view.storage(address(number), U256::from(number)).expect("reads"), U256::from(number));
    }
    assert_eq!(view.header_by_number(11).expect("reads"), None);
    assert_eq!(view.header_by_hash(B256::ZERO).expect("reads"), None);
    assert_eq!(view.body(11).expect("reads"), None);
    assert_eq!(view.receipts(11).expect("reads"), None);
    assert_eq!(view.tx_position(B256::ZERO).expect("reads"), None);
    assert!(view.verify().expect("reads").is_sound());
    advance(&database, &set(address(1), info(2, 2), &[]));
}

fn another_chain_is_refused(home: &Home) {
    let genesis_hash = open(home.store(), &genesis()).expect("opens").genesis_hash();

    let other_id = Genesis { chain_id: 1, ..genesis() };
    let expected = Foreign::ChainId { found: 31337, expected: 1 };
    assert_eq!(open(home.store(), &other_id).err(), Some(expected.into()));

    let mut other_state = genesis();
    other_state.accounts.pop();
    other_state.accounts.pop();
    let error = open(home.store(), &other_state).err();
    assert!(
        matches!(error, Some(StateError::Foreign(Foreign::Genesis { found, .. })) if found == genesis_hash),
        "{error:?}"
    );

    let store = home.store();
    let mut batch = Batch::new();
    batch.put(Column::Meta, "schema_version", [1, 7 << 2]);
    store.write(batch).expect("writes");
    let expected = StateError::Foreign(Foreign::Schema { found: 7, expected: SCHEMA_VERSION });
    assert_eq!(open(store.clone(), &genesis()).err(), Some(expected.clone()));
    assert_eq!(
        expected.to_string(),
        "the database has schema version 7, this build reads version 3; give another directory, or use the build that made it"
    );
    assert_eq!(Database::open_existing(store, Default::default()).err(), Some(expected));
}

fn a_view_does_not_see_later_blocks(home: &Home) {
    let database = home.database();
    let first = advance(&database, &set(address(1), info(1, 1), &[(1, 1), (2, 2)]));
    let view = database.view().expect("reads");
    let report = view.verify().expect("reads");

    let gone = AccountChange { info: None, storage_wiped: true, ..AccountChange::default() };
    advance(&database, &Changes { accounts: [(address(1), gone)].into(), ..Changes::default() });
    let last = advance(&database, &set(address(2), info(1, 1), &[(1, 9)]));

    let later = view.clone();
    assert_eq!(later.head().hash, first.hash);
    assert_eq!(later.account(address(1)).expect("reads").map(|account| account.info()), Some(info(1, 1)));
    assert_eq!(later.storage(address(1), U256::from(2)).expect("reads"), U256::from(2));
    assert_eq!(later.account(address(2)).expect("reads"), None);
    assert_eq!(later.header_by_number(2).expect("reads"), None);
    assert_eq!(later.verify().expect("reads"), report);
    assert_eq!(database.view().expect("reads").head().hash, last.hash);
    // A view goes where the request goes, and outlives the database.
    drop(database);
    let thread = std::thread::spawn(move || view.verify());
    assert_eq!(thread.join().expect("returns").expect("reads"), report);
}

fn a_block_that_does_not_fit_is_refused_and_leaves_nothing(home: &Home) {
    let database = home.database();
    let prepared = database.prepare(&set(address(1), info(1, 1), &[])).expect("prepares");
    let head = database.view().expect("reads").head();
    let good = next_block(&database, prepared.state_root(), 1);
    let with = |change: &dyn Fn(&mut Header)| {
        let mut header = good.header.clone();
        change(&mut header);
        seal(header, 1)
    };
    let mut unpaired = good.clone();
    unpaired.receipts.clear();
    let wrong = B256::repeat_byte(7);
    let rows = [
        (with(&|header| header.number = 2), BlockMismatch::Number { expected: 1, found: 2 }),
        (
            with(&|header| header.parent_hash = wrong),
            BlockMismatch::Parent { number: 1, expected: head.hash, found: wrong },
        ),
        (
            with(&|header| header.state_root = wrong),
            BlockMismatch::StateRoot { number: 1, expected: prepared.state_root(), found: wrong },
        ),
        (unpaired, BlockMismatch::Count { number: 1, transactions: 1, hashes: 1, receipts: 0 }),
    ];
    for (block, expected) in rows {
        assert_eq!(database.commit(prepared.clone(), block), Err(expected.into()));
        assert_eq!(database.view().expect("reads").head(), head);
        assert_eq!(database.view().expect("reads").account(address(1)).expect("reads"), None);
    }
    database.commit(prepared, good).expect("commits");
}

fn a_state_prepared_on_an_older_head_is_refused(home: &Home) {
    let database = home.database();
    let prepared = database.prepare(&set(address(1), info(1, 1), &[])).expect("prepares");
    let prepared_on = database.genesis_hash();
    let head = advance(&database, &set(address(2), info(1, 1), &[])).hash;
    let block = next_block(&database, prepared.state_root(), 0);
    let expected = StateError::Stale { prepared_on, head, head_number: 1 };
    assert_eq!(database.commit(prepared, block), Err(expected));
}

fn blocks_that_change_nothing_are_written_together_or_not_at_all(home: &Home) {
    let database = home.database();
    advance(&database, &set(address(1), info(1, 1), &[(1, 5)]));
    let empty = Changes::default();
    // The same blocks one by one, elsewhere.
    let other = Home::memory().database();
    advance(&other, &set(address(1), info(1, 1), &[(1, 5)]));
    let blocks: Vec<_> = (0..3)
        .map(|_| {
            let prepared = other.prepare(&empty).expect("prepares");
            let block = next_block(&other, prepared.state_root(), 0);
            other.commit(prepared, block.clone()).expect("commits");
            block
        })
        .collect();

    let mut gap = blocks.clone();
    gap.remove(1);
    let refused = database.extend(&gap);
    assert_eq!(refused, Err(BlockMismatch::Number { expected: 3, found: 4 }.into()));
    let mut another_state = blocks.clone();
    another_state[0].header.state_root = EMPTY_ROOT_HASH;
    assert!(matches!(
        database.extend(&another_state),
        Err(StateError::Block(BlockMismatch::StateRoot { number: 2, .. }))
    ));
    assert_eq!(database.view().expect("reads").head().number, 1);

    database.extend(&blocks).expect("extends");
    let view = database.view().expect("reads");
    assert_eq!(view.head(), other.view().expect("reads").head());
    for number in 0..=4 {
        let header = view.header_by_number(number).expect("reads");
        assert_eq!(header, other.view().expect("reads").header_by_number(number).expect("reads"));
        assert_eq!(view.at(number).expect("is kept").head().number, number);
    }
    // The chain goes on from there, and back across them.
    advance(&database, &set(address(1), info(1, 1), &[(1, 6)]));
    assert_eq!(database.revert(3).expect("reverts").hash, blocks[1].hash);
    assert_eq!(database.revert(0).expect("reverts").number, 0);
}

fn setting_what_is_there_writes_nothing(home: &Home) {
    let store = home.store();
    let database = open(store.clone(), &Genesis::default()).expect("opens");
    advance(&database, &set(address(1), info(1, 1), &[(1, 1)]));
    let entries = || {
        let snapshot = store.snapshot();
        let column = |column| snapshot.scan(column, &[], &[]).collect::<Result<Vec<_>, _>>().expect("reads");
        [column(Column::Account), column(Column::Slot), column(Column::Preimage)]
    };
    let (before, root) = (entries(), database.view().expect("reads").head().state_root);
    // Slot 2 went from zero to something and back, slot 1 stayed; the storage is wiped and written as it was.
    let mut same = set(address(1), info(1, 1), &[(1, 1), (2, 0)]);
    advance(&database, &same);
    same.accounts.values_mut().for_each(|change| change.storage_wiped = true);
    advance(&database, &same);
    advance(&database, &Changes::default());
    assert_eq!(entries(), before);
    assert_eq!(database.view().expect("reads").head().state_root, root);
    assert_eq!(database.view().expect("reads").head().number, 4);
}

fn code_is_checked(home: &Home) {
    let database = home.database();
    let code = Bytes::from_static(b"\xef\x4c\x00\x00asm");
    let code_hash = keccak256(&code);
    let contract = set(address(1), AccountInfo { code_hash, ..info(1, 0) }, &[]);
    let missing = ChangesError::CodeMissing { address: address(1), code_hash };
    assert_eq!(database.prepare(&contract).err(), Some(missing.into()));

    let given = B256::repeat_byte(1);
    let wrong = Changes { codes: [(given, code.clone())].into(), ..Changes::default() };
    let expected = ChangesError::CodeHash { given, computed: code_hash };
    assert_eq!(database.prepare(&wrong).err(), Some(expected.into()));

    advance(&database, &Changes { codes: [(code_hash, code)].into(), ..contract });
    // The code stays when its only account goes, and another account may have it.
    let gone = AccountChange::default();
    advance(&database, &Changes { accounts: [(address(1), gone)].into(), ..Changes::default() });
    advance(&database, &set(address(2), AccountInfo { code_hash, ..info(1, 0) }, &[]));
    assert!(database.view().expect("reads").verify().expect("reads").is_sound());
}

/// The number of an account, what it has, its slots with their values.
type Known<'a> = (u64, AccountInfo, &'a [(u64, u64)]);

/// geth keeps them, too: EIP-161 removes what is touched.
fn an_empty_account_of_genesis_stays_until_it_is_touched(home: &Home) {
    let hidden = GenesisAccount {
        address: address(4),
        storage: vec![(U256::from(1), U256::from(9))],
        ..Default::default()
    };
    let mut genesis = genesis();
    genesis.accounts.push(hidden);
    let code_hash = keccak256([0xef, 0x4c, 0x00]);
    let model = |accounts: &[Known<'_>]| {
        let account = |&(n, info, slots): &Known<'_>| {
            let storage = slots.iter().map(|&(slot, value)| (U256::from(slot), U256::from(value))).collect();
            (address(n), ModelAccount { info, storage })
        };
        state_root(&accounts.iter().map(account).collect())
    };
    let first = (1, info(0, 5), &[][..]);
    let contract = (2, AccountInfo { nonce: 1, code_hash, ..Default::default() }, &[(1, 2)][..]);
    let (plain, with_slots) =
        ((3, AccountInfo::default(), &[][..]), (4, AccountInfo::default(), &[(1, 9)][..]));
    let database = open(home.store(), &genesis).expect("opens");
    let root = || database.view().expect("reads").head().state_root;
    assert_eq!(root(), model(&[first, contract, plain, with_slots]));

    // A block that has nothing to do with them, then one that touches one after the other.
    advance(&database, &set(address(1), info(1, 5), &[]));
    let first = (1, info(1, 5), &[][..]);
    assert_eq!(root(), model(&[first, contract, plain, with_slots]));
    advance(&database, &set(address(3), AccountInfo::default(), &[]));
    assert_eq!(root(), model(&[first, contract, with_slots]));
    advance(&database, &set(address(4), AccountInfo::default(), &[]));
    assert_eq!(root(), model(&[first, contract]));
    let view = database.view().expect("reads");
    assert_eq!(view.storage(address(4), U256::from(1)).expect("reads"), U256::ZERO);
    assert!(view.verify().expect("reads").is_sound());
    database.revert(0).expect("reverts");
    assert_eq!(root(), model(&[(1, info(0, 5), &[]), contract, plain, with_slots]));
}

fn an_empty_account_is_not_stored(home: &Home) {
    let database = home.database();
    advance(&database, &set(address(1), info(0, 0), &[(1, 1)]));
    assert_eq!(database.view().expect("reads").head().state_root, EMPTY_ROOT_HASH);
    advance(&database, &set(address(1), info(1, 0), &[(1, 1)]));
    advance(&database, &set(address(1), info(0, 0), &[(2, 2)]));
    let view = database.view().expect("reads");
    assert_eq!(view.head().state_root, EMPTY_ROOT_HASH);
    assert_eq!(view.account(address(1)).expect("reads"), None);
    assert_eq!(view.storage(address(1), U256::from(1)).expect("reads"), U256::ZERO);
    assert!(view.verify().expect("reads").is_sound());
}
