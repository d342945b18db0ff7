//! State roots that others published.

use alloy_primitives::{Address, B256, U256, address, b256, keccak256};
use lathe_state::{EMPTY_ROOT_HASH, Genesis, GenesisAccount};

use crate::{
    fixture::{Home, open},
    on_every_store,
    oracle::trie_root,
};

on_every_store! { nothing_has_the_empty_root sepolia_genesis_has_its_root }

const EMPTY_TRIE: B256 = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

fn nothing_has_the_empty_root(home: &Home) {
    assert_eq!(EMPTY_ROOT_HASH, EMPTY_TRIE);
    assert_eq!(home.database().view().expect("reads").head().state_root, EMPTY_TRIE);
}

/// Sepolia's 15 accounts and the state root of its block 0.
const SEPOLIA_ROOT: B256 = b256!("5eb6e371a698b8d68f665192350ffcecbbbf322916f4b51bd79bb6887da3f494");
const SEPOLIA: [(Address, u128); 15] = [
    (address!("a2a6d93439144ffe4d27c9e088dcd8b783946263"), 0xd3c21bcecceda1000000),
    (address!("bc11295936aa79d594139de1b2e12629414f3bdb"), 0xd3c21bcecceda1000000),
    (address!("7cf5b79bfe291a67ab02b393e456ccc4c266f753"), 0xd3c21bcecceda1000000),
    (address!("aaec86394441f915bce3e6ab399977e9906f3b69"), 0xd3c21bcecceda1000000),
    (address!("f47cae1cf79ca6758bfc787dbd21e6bdbe7112b8"), 0xd3c21bcecceda1000000),
    (address!("d7eddb78ed295b3c9629240e8924fb8d8874ddd8"), 0xd3c21bcecceda1000000),
    (address!("8b7f0977bb4f0fbe7076fa22bc24aca043583f5e"), 0xd3c21bcecceda1000000),
    (address!("e2e2659028143784d557bcec6ff3a0721048880a"), 0xd3c21bcecceda1000000),
    (address!("d9a5179f091d85051d3c982785efd1455cec8699"), 0xd3c21bcecceda1000000),
    (address!("beef32ca5b9a198d27b4e02f4c70439fe60356cf"), 0xd3c21bcecceda1000000),
    (address!("0000006916a87b82333f4245046623b23794c65c"), 0x84595161401484a000000),
    (address!("b21c33de1fab3fa15499c62b59fe0cc3250020d1"), 0x52b7d2dcc80cd2e4000000),
    (address!("10f5d45854e038071485ac9e402308cf80d2d2fe"), 0x52b7d2dcc80cd2e4000000),
    (address!("d7d76c58b3a519e9fa6cc4d22dc017259bc49f1e"), 0x52b7d2dcc80cd2e4000000),
    (address!("799d329e5f583419167cd722962485926e338f4a"), 0xde0b6b3a7640000),
];

fn sepolia_genesis_has_its_root(home: &Home) {
    let account = |&(address, balance)| GenesisAccount {
        address,
        balance: U256::from(balance),
        ..GenesisAccount::default()
    };
    let genesis = Genesis { chain_id: 11_155_111, accounts: SEPOLIA.iter().map(account).collect() };
    let database = open(home.store(), &genesis).expect("opens");
    assert_eq!(database.view().expect("reads").head().state_root, SEPOLIA_ROOT);
    assert!(database.view().expect("reads").verify().expect("reads").is_sound());
}

/// The oracle is checked too: against the official test `trieanyorder_secureTrie.json`, case `singleItem`.
#[test]
fn the_oracle_computes_an_official_root() {
    let leaf = (keccak256("A"), vec![b'a'; 50]);
    let root = trie_root([leaf]);
    assert_eq!(root, b256!("e9e2935138352776cad724d31c9fa5266a5c593bb97726dd2a908fe6d53284df"));
}
