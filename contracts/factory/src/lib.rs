//! Creates contracts from the creation data it is given, at an address by nonce or by salt, and remembers them.
//!
//! Creation data may be anything that a creation transaction may carry. A creation that fails passes its revert data
//! on. `abi.json` beside the manifest is its interface.

#![expect(missing_docs, reason = "stylus-sdk's macros generate public items without documentation")]

extern crate alloc;

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::sol;
use stylus_sdk::{abi::Bytes, deploy::RawDeploy, prelude::*};

sol! {
    event Created(address indexed contract_, address indexed creator);
}

sol_storage! {
    #[entrypoint]
    pub struct Factory {
        address[] created;
    }
}

#[public]
impl Factory {
    #[payable]
    pub fn create(&mut self, creation: Bytes) -> Result<Address, Vec<u8>> {
        self.deploy(RawDeploy::new(), creation)
    }

    #[payable]
    #[selector(name = "create2")]
    pub fn create_2(&mut self, creation: Bytes, salt: B256) -> Result<Address, Vec<u8>> {
        self.deploy(RawDeploy::new().salt(salt), creation)
    }

    pub fn count(&self) -> U256 {
        U256::from(self.created.len())
    }

    pub fn created(&self, index: U256) -> Address {
        self.created.get(index).unwrap_or_default()
    }

    /// Returns length and hash of an account's code, and its first `size` bytes.
    pub fn code(&self, account: Address, size: u32) -> (u32, B256, Bytes) {
        let mut code = self.vm().code(account);
        code.truncate(size as usize);
        let length = u32::try_from(self.vm().code_size(account)).unwrap_or(u32::MAX);
        (length, self.vm().code_hash(account), code.into())
    }
}

impl Factory {
    fn deploy(&mut self, deploy: RawDeploy, creation: Bytes) -> Result<Address, Vec<u8>> {
        let value = self.vm().msg_value();
        // SAFETY: no reference into storage is alive.
        let contract = unsafe { deploy.deploy(self.vm(), &creation.0, value)? };
        self.created.push(contract);
        self.vm().log(Created { contract_: contract, creator: self.vm().msg_sender() });
        Ok(contract)
    }
}
