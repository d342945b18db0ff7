//! What was read of the forked chain, kept in the store: it never changes, so that a node that starts again needs nobody to
//! tell it twice.
//!
//! Keys are a scope, the same for one block of the chain at one URL, then what was asked. Nothing depends on an entry: one that does not
//! decode is read again. Beyond [`CACHE_BYTES_MAX`] nothing more is kept.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use lathe_state::{AccountInfo, Batch, Column, Store, StoreError};
use parity_scale_codec::{DecodeAll, Encode};
use parking_lot::Mutex;

/// Bytes of keys and values that one fork keeps: millions of slots.
const CACHE_BYTES_MAX: u64 = 1 << 30;

/// Of what kind an entry is: the byte after the scope in its key. The encoding of a kind never changes; another one is another
/// kind.
#[derive(Clone, Copy)]
enum Kind {
    /// Address → whether it exists, nonce, balance, code hash.
    Account = 1,
    /// Address and slot → value.
    Slot = 2,
    /// Code hash → code.
    Code = 3,
    /// Number → block hash.
    BlockHash = 4,
    /// keccak256 of a request → its result.
    Request = 5,
    /// How many bytes there are of all kinds.
    Size = 6,
}

/// An account as it is kept: nonce, balance and code hash, if it exists.
type KeptAccount = Option<(u64, [u8; 32], [u8; 32])>;

/// The entries of one fork.
pub(super) struct Cache {
    store: Arc<dyn Store>,
    scope: B256,
    /// Bytes that are kept. Locked while an entry is added.
    bytes: Mutex<u64>,
}

impl Cache {
    /// Returns the entries of a scope.
    pub(super) fn new(store: Arc<dyn Store>, scope: B256) -> Result<Self, StoreError> {
        let cache = Self { store, scope, bytes: Mutex::new(0) };
        let bytes = cache.get(Kind::Size, &[])?.and_then(|value| decode(&value)).unwrap_or_default();
        *cache.bytes.lock() = bytes;
        Ok(cache)
    }

    /// Returns an account, if it was read: none within says that it does not exist.
    pub(super) fn account(&self, address: Address) -> Result<Option<Option<AccountInfo>>, StoreError> {
        let kept = self.get(Kind::Account, address.as_slice())?;
        Ok(kept.and_then(|value| decode::<KeptAccount>(&value)).map(|account| {
            account.map(|(nonce, balance, code_hash)| AccountInfo {
                nonce,
                balance: U256::from_be_bytes(balance),
                code_hash: code_hash.into(),
            })
        }))
    }

    pub(super) fn put_account(
        &self,
        address: Address,
        account: Option<AccountInfo>,
    ) -> Result<(), StoreError> {
        let kept: KeptAccount =
            account.map(|info| (info.nonce, info.balance.to_be_bytes(), info.code_hash.into()));
        self.put(Kind::Account, address.as_slice(), kept.encode())
    }

    pub(super) fn slot(&self, address: Address, slot: U256) -> Result<Option<U256>, StoreError> {
        let kept = self.get(Kind::Slot, &slot_key(address, slot))?;
        Ok(kept.and_then(|value| decode(&value)).map(U256::from_be_bytes::<32>))
    }

    pub(super) fn put_slot(&self, address: Address, slot: U256, value: U256) -> Result<(), StoreError> {
        self.put(Kind::Slot, &slot_key(address, slot), value.to_be_bytes::<32>().encode())
    }

    pub(super) fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StoreError> {
        let code = self.get(Kind::Code, code_hash.as_slice())?;
        Ok(code.map(Bytes::from).filter(|code| keccak256(code) == code_hash))
    }

    pub(super) fn put_code(&self, code_hash: B256, code: &Bytes) -> Result<(), StoreError> {
        self.put(Kind::Code, code_hash.as_slice(), code.to_vec())
    }

    pub(super) fn block_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        let kept = self.get(Kind::BlockHash, &number.to_be_bytes())?;
        Ok(kept.and_then(|value| decode::<[u8; 32]>(&value)).map(B256::from))
    }

    pub(super) fn put_block_hash(&self, number: u64, hash: B256) -> Result<(), StoreError> {
        self.put(Kind::BlockHash, &number.to_be_bytes(), hash.0.encode())
    }

    /// Returns the result of a request, as JSON.
    pub(super) fn result(&self, request: &str) -> Result<Option<String>, StoreError> {
        let kept = self.get(Kind::Request, keccak256(request).as_slice())?;
        Ok(kept.and_then(|value| String::from_utf8(value).ok()))
    }

    pub(super) fn put_result(&self, request: &str, result: &str) -> Result<(), StoreError> {
        self.put(Kind::Request, keccak256(request).as_slice(), result.as_bytes().to_vec())
    }

    fn key(&self, kind: Kind, key: &[u8]) -> Vec<u8> {
        [self.scope.as_slice(), &[kind as u8], key].concat()
    }

    fn get(&self, kind: Kind, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.snapshot().get(Column::Origin, &self.key(kind, key))
    }

    fn put(&self, kind: Kind, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        let key = self.key(kind, key);
        let mut bytes = self.bytes.lock();
        let grown = bytes.saturating_add((key.len() + value.len()) as u64);
        if grown > CACHE_BYTES_MAX {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(Column::Origin, key, value);
        batch.put(Column::Origin, self.key(Kind::Size, &[]), grown.encode());
        self.store.write(batch)?;
        *bytes = grown;
        Ok(())
    }
}

fn slot_key(address: Address, slot: U256) -> Vec<u8> {
    [address.as_slice(), &slot.to_be_bytes::<32>()].concat()
}

fn decode<T: DecodeAll>(value: &[u8]) -> Option<T> {
    T::decode_all(&mut &*value).ok()
}

#[cfg(test)]
mod tests {
    use lathe_state::MemoryStore;

    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_what_is_broken_is_as_if_it_were_not_there() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let scope = B256::repeat_byte(1);
        let (address, hash) = (Address::repeat_byte(2), B256::repeat_byte(3));
        let info = AccountInfo { nonce: 7, balance: U256::MAX, code_hash: hash };
        let cache = Cache::new(store.clone(), scope).expect("reads");
        assert_eq!(cache.account(address), Ok(None));
        cache.put_account(address, Some(info)).expect("writes");
        cache.put_account(Address::ZERO, None).expect("writes");
        cache.put_slot(address, U256::from(1), U256::from(5)).expect("writes");
        cache.put_block_hash(9, hash).expect("writes");
        cache.put_result("eth_x[]", "{}").expect("writes");
        cache.put_code(hash, &Bytes::from_static(b"other code than the hash says")).expect("writes");
        let again = Cache::new(store.clone(), scope).expect("reads");
        assert_eq!(again.account(address), Ok(Some(Some(info))));
        assert_eq!(again.account(Address::ZERO), Ok(Some(None)));
        assert_eq!(again.slot(address, U256::from(1)), Ok(Some(U256::from(5))));
        assert_eq!(again.block_hash(9), Ok(Some(hash)));
        assert_eq!(again.result("eth_x[]"), Ok(Some("{}".into())));
        assert_eq!(again.code(hash), Ok(None));
        assert_eq!(*again.bytes.lock(), *cache.bytes.lock());

        let other = Cache::new(store.clone(), B256::ZERO).expect("reads");
        assert_eq!(other.account(address), Ok(None), "another fork");
        let mut batch = Batch::new();
        batch.put(Column::Origin, again.key(Kind::Account, address.as_slice()), [1, 2, 3]);
        store.write(batch).expect("writes");
        assert_eq!(again.account(address), Ok(None));
    }

    #[test]
    fn a_full_cache_takes_no_more() {
        let cache = Cache::new(Arc::new(MemoryStore::new()), B256::ZERO).expect("reads");
        *cache.bytes.lock() = CACHE_BYTES_MAX - 100;
        cache.put_slot(Address::ZERO, U256::ZERO, U256::from(1)).expect("is no error");
        assert_eq!(cache.slot(Address::ZERO, U256::ZERO), Ok(None));
    }
}
