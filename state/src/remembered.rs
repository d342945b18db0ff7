//! What was read of the state after one block, so that it is hashed, looked up and decoded once.
//!
//! Calls at the head ask for the same accounts and slots again and again. A view never changes, so what is remembered of it
//! never goes stale; it is forgotten with the view, at the next block. Nobody can tell whether something was remembered.

use alloy_primitives::{Address, U256, map::HashMap};
use parking_lot::RwLock;

use crate::{error::StateError, record::Account};

/// Accounts that one view remembers: about 200 KiB. Later ones are read each time.
const ACCOUNTS_MAX: usize = 1_024;
/// Slots that one view remembers: about 1 MiB.
const SLOTS_MAX: usize = 8_192;

/// What was read of one state.
#[derive(Default)]
pub(crate) struct Remembered {
    accounts: RwLock<HashMap<Address, Option<Account>>>,
    slots: RwLock<HashMap<(Address, U256), U256>>,
}

impl Remembered {
    /// Returns an account, read if it was not before.
    pub(crate) fn account(
        &self,
        address: Address,
        read: impl FnOnce() -> Result<Option<Account>, StateError>,
    ) -> Result<Option<Account>, StateError> {
        if let Some(account) = self.accounts.read().get(&address) {
            return Ok(*account);
        }
        let account = read()?;
        let mut accounts = self.accounts.write();
        if accounts.len() < ACCOUNTS_MAX {
            accounts.insert(address, account);
        }
        Ok(account)
    }

    /// Returns a slot's value, read if it was not before.
    pub(crate) fn slot(
        &self,
        address: Address,
        slot: U256,
        read: impl FnOnce() -> Result<U256, StateError>,
    ) -> Result<U256, StateError> {
        if let Some(value) = self.slots.read().get(&(address, slot)) {
            return Ok(*value);
        }
        let value = read()?;
        let mut slots = self.slots.write();
        if slots.len() < SLOTS_MAX {
            slots.insert((address, slot), value);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_not_read_again_and_what_does_not_fit_is() {
        let remembered = Remembered::default();
        let (address, mut reads) = (Address::repeat_byte(1), 0_usize);
        for slot in (0..=SLOTS_MAX).chain(0..=SLOTS_MAX) {
            let value = remembered.slot(address, U256::from(slot), || {
                reads += 1;
                Ok(U256::from(slot + 1))
            });
            assert_eq!(value, Ok(U256::from(slot + 1)));
        }
        assert_eq!(reads, SLOTS_MAX + 2);
        let missing = |_: ()| remembered.account(address, || Ok(None));
        assert_eq!((missing(()), missing(())), (Ok(None), Ok(None)));
        assert_eq!(remembered.account(address, || panic!("read again")), Ok(None));
        let failed = remembered.slot(Address::ZERO, U256::ZERO, || Err(StateError::Uninitialised));
        assert_eq!(failed, Err(StateError::Uninitialised));
    }
}
