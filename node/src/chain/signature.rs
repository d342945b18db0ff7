//! Signatures that recover an account whose key nobody holds.
//!
//! What the ECRECOVER contract makes of a signature decides what contracts do, so it is state: storage of that contract's own
//! account, where a slot is the hash of a signature. A block that sets it proves it, and whatever reads the state (a call about an
//! earlier block, a transaction that runs again, a dump) finds what held then. See [`impersonated`].

use alloy_primitives::Address;
use lathe_state::{AccountChange, Changes};

use super::{Chain, Result};
use crate::runtime::impersonated;

impl Chain {
    /// Lets a signature recover an account, whatever was signed, in a block of its own. `signature` is r, s, and 27 or 28.
    pub fn impersonate_signature(&self, signature: [u8; 65], address: Address) -> Result<()> {
        let mut info = self.latest().view.account(impersonated::KEEPER)?.unwrap_or_default().info();
        // An account without nonce, balance and code would not keep its storage (EIP-161).
        info.nonce = info.nonce.max(1);
        let storage = [(impersonated::slot(&signature), impersonated::value(address))].into();
        let change = AccountChange { info: Some(info), storage, ..AccountChange::default() };
        self.change_state(&Changes {
            accounts: [(impersonated::KEEPER, change)].into(),
            ..Changes::default()
        })
    }
}
