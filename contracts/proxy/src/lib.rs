//! A proxy: whatever it is called with runs the code of another contract in its own account, by delegate call.
//!
//! The implementation and the admin are kept in the slots of ERC-1967, where no implementation's storage comes. The
//! constructor runs the first implementation once with the data it is given. `abi.json` beside the manifest is its
//! interface.

#![expect(missing_docs, reason = "stylus-sdk's macros generate public items without documentation")]

extern crate alloc;

use alloc::{vec, vec::Vec};
use alloy_primitives::{Address, B256, U256, b256};
use alloy_sol_types::{SolError, sol};
use stylus_sdk::{ArbResult, abi::Bytes, call::RawCall, prelude::*};

/// Where the implementation's address is (ERC-1967: one below keccak256 of `eip1967.proxy.implementation`).
const IMPLEMENTATION: B256 = b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");
/// Where the admin's address is (ERC-1967: one below keccak256 of `eip1967.proxy.admin`).
const ADMIN: B256 = b256!("b53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103");

sol! {
    event Upgraded(address indexed implementation);
    error NotAdmin(address caller);
    error NoCode(address implementation);
}

sol_storage! {
    #[entrypoint]
    pub struct Proxy {}
}

#[public]
impl Proxy {
    #[constructor]
    #[payable]
    pub fn constructor(
        &mut self,
        implementation: Address,
        admin: Address,
        data: Bytes,
    ) -> Result<(), Vec<u8>> {
        self.set_address_at(ADMIN, admin);
        self.install(implementation)?;
        if data.0.is_empty() { Ok(()) } else { self.delegate(&data.0).map(drop) }
    }

    pub fn implementation(&self) -> Address {
        self.address_at(IMPLEMENTATION)
    }

    pub fn admin(&self) -> Address {
        self.address_at(ADMIN)
    }

    pub fn upgrade_to(&mut self, implementation: Address) -> Result<(), Vec<u8>> {
        let caller = self.vm().msg_sender();
        if caller != self.address_at(ADMIN) {
            return Err(NotAdmin { caller }.abi_encode());
        }
        self.install(implementation)
    }

    #[fallback]
    #[payable]
    pub fn fallback(&mut self, calldata: &[u8]) -> ArbResult {
        self.delegate(calldata)
    }

    #[receive]
    #[payable]
    pub fn receive(&mut self) -> Result<(), Vec<u8>> {
        Ok(())
    }
}

impl Proxy {
    fn delegate(&self, calldata: &[u8]) -> ArbResult {
        let implementation = self.address_at(IMPLEMENTATION);
        // SAFETY: no reference into storage is alive, and the admin answers for the implementation.
        unsafe { RawCall::new_delegate(self.vm()).clear_storage_cache().call(implementation, calldata) }
    }

    fn install(&mut self, implementation: Address) -> Result<(), Vec<u8>> {
        if self.vm().code_size(implementation) == 0 {
            return Err(NoCode { implementation }.abi_encode());
        }
        self.set_address_at(IMPLEMENTATION, implementation);
        self.vm().log(Upgraded { implementation });
        Ok(())
    }

    fn address_at(&self, slot: B256) -> Address {
        Address::from_word(self.vm().storage_load_bytes32(U256::from_be_bytes(slot.0)))
    }

    fn set_address_at(&self, slot: B256, address: Address) {
        // SAFETY: the struct has no field, so no other reference to this slot exists.
        unsafe { self.vm().storage_cache_bytes32(U256::from_be_bytes(slot.0), address.into_word()) }
    }
}
