//! Contracts that tools expect on every chain, so that a devnet begins with them.
//!
//! | contract | address | what for |
//! |---|---|---|
//! | CREATE2 factory | `0x4e59…956C` | addresses that depend only on code and salt |
//! | Multicall3 | `0xcA11…CA11` | many calls in one: viem, wagmi, ethers send their batches there |
//! | StylusDeployer | `0xcEcb…A990` | `cargo stylus deploy` of contracts with a constructor |
//! | ArbWasm, ArbWasmCache | `0x71`, `0x72` | precompiled; their code only answers `extcodesize` |

use std::collections::BTreeMap;

use alloy_primitives::{Address, Bytes, U256, address, hex, keccak256};
use lathe_state::GenesisAccount;

use super::ChainSpec;
use crate::runtime::{
    ARB_WASM, ARB_WASM_CACHE, STYLUS_VERSION,
    code::{CodeKind, STORED_PREFIX},
};

/// Arachnid's deterministic deployment proxy (public domain).
pub const CREATE2_FACTORY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
const CREATE2_FACTORY_CODE: [u8; 69] = hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// Multicall3 (MIT licence), with the code that it has on other chains.
pub const MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");
const MULTICALL3_CODE: &[u8] = include_bytes!("multicall3.bin");

/// Creates a contract and calls its constructor in one transaction. The program is ours, `stylus_deployer.wat`.
pub const STYLUS_DEPLOYER: Address = address!("cEcba2F1DC234f70Dd89F2041029807F8D03A990");
const STYLUS_DEPLOYER_MODULE: &[u8] = include_bytes!("stylus_deployer.wasm");

/// Code of a precompiled contract: callers see that there is some, nothing ever runs it (the EVM's INVALID).
const PRECOMPILED_CODE: [u8; 1] = [0xFE];

/// Returns the contracts that a chain with these rules begins with.
pub(super) fn accounts(spec: &ChainSpec) -> Vec<GenesisAccount> {
    let interfaces = spec.interfaces;
    let deployer = [&STORED_PREFIX, STYLUS_DEPLOYER_MODULE].concat();
    [
        (interfaces.evm && spec.create2_factory, CREATE2_FACTORY, Bytes::from_static(&CREATE2_FACTORY_CODE)),
        (interfaces.evm, MULTICALL3, Bytes::from_static(MULTICALL3_CODE)),
        (interfaces.vm_hooks, STYLUS_DEPLOYER, deployer.into()),
        (interfaces.vm_hooks, ARB_WASM, Bytes::from_static(&PRECOMPILED_CODE)),
        (interfaces.vm_hooks, ARB_WASM_CACHE, Bytes::from_static(&PRECOMPILED_CODE)),
    ]
    .into_iter()
    .filter(|(runs, ..)| *runs)
    .map(|(_, address, code)| GenesisAccount { address, nonce: 1, code, ..Default::default() })
    .collect()
}

/// Records the programs among `accounts` as active, as their creation would have done.
pub(super) fn activate(accounts: &mut Vec<GenesisAccount>) {
    let records: BTreeMap<U256, U256> = accounts
        .iter()
        .filter(|account| matches!(CodeKind::of(&account.code), CodeKind::Program { .. }))
        .map(|account| (keccak256(&account.code).into(), U256::from(STYLUS_VERSION)))
        .collect();
    if records.is_empty() {
        return;
    }
    let index = accounts.iter().rposition(|account| account.address == ARB_WASM).unwrap_or_else(|| {
        let code = Bytes::from_static(&PRECOMPILED_CODE);
        accounts.push(GenesisAccount { address: ARB_WASM, nonce: 1, code, ..Default::default() });
        accounts.len() - 1
    });
    let storage = &mut accounts[index].storage;
    storage.retain(|(slot, _)| !records.contains_key(slot));
    storage.extend(records);
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;

    use super::*;

    #[test]
    fn multicall3_has_the_code_of_other_chains() {
        let mainnet = b256!("d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891");
        assert_eq!(keccak256(MULTICALL3_CODE), mainnet);
    }

    #[test]
    fn the_deployer_is_what_its_source_builds() {
        let source = include_str!("stylus_deployer.wat");
        let built = wat::parse_str(source).expect("the source is a module");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/chain/predeploys/stylus_deployer.wasm");
            std::fs::write(path, built).expect("the file can be written");
            return;
        }
        assert!(built == STYLUS_DEPLOYER_MODULE, "set UPDATE_EXPECT=1 to build it again");
    }

    #[test]
    fn programs_of_a_genesis_are_active() {
        let program = GenesisAccount {
            address: Address::repeat_byte(1),
            code: [&STORED_PREFIX[..], b"module"].concat().into(),
            ..Default::default()
        };
        let slot = keccak256(&program.code).into();
        let mut accounts = vec![program];
        activate(&mut accounts);
        activate(&mut accounts);
        assert_eq!(accounts.len(), 2);
        assert_eq!((accounts[1].address, accounts[1].nonce), (ARB_WASM, 1));
        assert_eq!(accounts[1].storage, [(slot, U256::from(STYLUS_VERSION))]);
        let mut none = vec![GenesisAccount::default()];
        activate(&mut none);
        assert_eq!(none, [GenesisAccount::default()]);
    }
}
