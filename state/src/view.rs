//! Reading the chain at one block.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};

use crate::{
    codec::{Record, RecordError},
    error::{CorruptEntry, NotKept, StateError},
    history::{Pin, Window},
    leaf::decode,
    overlay::{Origin, Overlay, account_mark, head_of, is_marked, slot_mark, wiped_mark},
    reader::Reader,
    record::{Account, BodyTx, Head, Header, Receipt, TxPosition},
    remembered::Remembered,
    store::{Column, Snapshot},
};

/// Name of the head's record in the meta column.
pub(crate) const META_HEAD: &[u8] = b"head";

/// Everything as it was after one block. Cloning is cheap; all clones read the same snapshot.
///
/// Blocks are found by number or hash up to the view's; later blocks do not show.
#[derive(Clone)]
pub struct View {
    pub(crate) reader: Reader,
    head: Head,
    window: Arc<Window>,
    remembered: Arc<Remembered>,
    /// What a fork stands on.
    pub(crate) overlay: Option<Arc<Overlay>>,
    /// Keeps the history that a view of the past reads.
    _pin: Option<Arc<Pin>>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("head", &self.head).finish_non_exhaustive()
    }
}

impl View {
    /// Reads the head that the snapshot holds.
    pub(crate) fn new(
        snapshot: Arc<dyn Snapshot>,
        window: Arc<Window>,
        origin: Option<Arc<dyn Origin>>,
    ) -> Result<Self, StateError> {
        let head = read(&*snapshot, Column::Meta, META_HEAD)?.ok_or(StateError::Uninitialised)?;
        let overlay = Overlay::read(&*snapshot, origin)?;
        Ok(Self {
            reader: Reader::new(snapshot),
            head,
            window,
            remembered: Arc::default(),
            overlay,
            _pin: None,
        })
    }

    pub(crate) fn snapshot(&self) -> &dyn Snapshot {
        &*self.reader.snapshot
    }

    /// Returns the block whose state this is.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Returns the block that a fork stands on, with the root of what the fork has written there; none if this is no fork.
    pub fn fork_base(&self) -> Option<Head> {
        self.overlay.as_ref().map(|overlay| overlay.base)
    }

    /// Returns the number of the first block of the chain: the one that a fork stands on, or else 0.
    pub fn first_block(&self) -> u64 {
        self.fork_base().map_or(0, |base| base.number)
    }

    /// Returns the first block whose state is kept.
    pub fn history_start(&self) -> u64 {
        self.window.tail()
    }

    /// Returns the chain as it was after block `number`, which must not be later than this view's.
    ///
    /// Fails with [`StateError::NotKept`] outside of what is kept. As long as the returned view lives, so does what it reads.
    pub fn at(&self, number: u64) -> Result<Self, StateError> {
        let head = self.head.number;
        if number == head {
            return Ok(self.clone());
        }
        if number > head {
            return Err(NotKept::BeyondHead { number, head }.into());
        }
        let pin = self.window.pin(number).map_err(|first| NotKept::Pruned { number, first, head })?;
        let Some((hash, header)) = self.header_by_number(number)? else {
            return Err(StateError::Missing { column: Column::Canon, key: number.to_be_bytes().to_vec() });
        };
        let reader = Reader { past: Some(number), ..self.reader.clone() };
        let head = head_of(self.overlay.as_deref(), number, hash, &header);
        let window = Arc::clone(&self.window);
        let overlay = self.overlay.clone();
        Ok(Self { reader, head, window, remembered: Arc::default(), overlay, _pin: Some(Arc::new(pin)) })
    }

    /// Returns an account, or none if it does not exist.
    pub fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        self.remembered.account(address, || {
            let hashed = keccak256(address);
            let account = self.reader.account(hashed)?;
            match &self.overlay {
                Some(overlay) if account.is_none() && !self.has_written(&account_mark(hashed))? => {
                    overlay.account(address)
                }
                _ => Ok(account),
            }
        })
    }

    /// Returns a storage slot's value, which is zero unless it was set.
    pub fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.remembered.slot(address, slot, || {
            let (owner, hashed) = (keccak256(address), hashed_slot(slot));
            let value = self.reader.slot(owner, hashed)?;
            match &self.overlay {
                Some(overlay)
                    if value.is_zero()
                        && !self.has_written(&slot_mark(owner, hashed))?
                        && !self.has_written(&wiped_mark(owner))? =>
                {
                    overlay.slot(address, slot)
                }
                _ => Ok(value),
            }
        })
    }

    /// Returns whether the fork had written a key of the flat state at this block.
    fn has_written(&self, mark: &[u8]) -> Result<bool, StateError> {
        is_marked(self.snapshot(), mark, self.head.number)
    }

    /// Returns code by its hash. The hash of nothing has empty code.
    pub fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StateError> {
        if code_hash == KECCAK256_EMPTY {
            return Ok(Some(Bytes::new()));
        }
        if let Some(code) = self.snapshot().get(Column::Code, code_hash.as_slice())? {
            return Ok(Some(code.into()));
        }
        self.overlay.as_ref().map_or(Ok(None), |overlay| overlay.code(code_hash))
    }

    /// Returns the hash of a block that the state's code can ask for: one of the chain's, or of those that a fork stands on.
    pub fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        match &self.overlay {
            Some(overlay) if number < overlay.base.number => overlay.block_hash(number),
            _ => self.hash_by_number(number),
        }
    }

    /// Returns the hash of a block.
    pub fn hash_by_number(&self, number: u64) -> Result<Option<B256>, StateError> {
        if number > self.head.number {
            return Ok(None);
        }
        self.read(Column::Canon, &number.to_be_bytes())
    }

    /// Returns the number of a block.
    pub fn number_by_hash(&self, hash: B256) -> Result<Option<u64>, StateError> {
        let number: Option<u64> = self.read(Column::HashNumber, hash.as_slice())?;
        Ok(number.filter(|&number| number <= self.head.number))
    }

    /// Returns a block's hash and header.
    pub fn header_by_number(&self, number: u64) -> Result<Option<(B256, Header)>, StateError> {
        let Some(hash) = self.hash_by_number(number)? else { return Ok(None) };
        Ok(Some((hash, self.read_promised(Column::Header, block_key(number, hash))?)))
    }

    /// Returns a block's header.
    pub fn header_by_hash(&self, hash: B256) -> Result<Option<Header>, StateError> {
        let Some(number) = self.number_by_hash(hash)? else { return Ok(None) };
        Ok(Some(self.read_promised(Column::Header, block_key(number, hash))?))
    }

    /// Returns a block's transactions.
    pub fn body(&self, number: u64) -> Result<Option<Vec<BodyTx>>, StateError> {
        let Some(hash) = self.hash_by_number(number)? else { return Ok(None) };
        Ok(Some(self.read_promised(Column::Body, block_key(number, hash))?))
    }

    /// Returns a block's receipts, one for each transaction.
    pub fn receipts(&self, number: u64) -> Result<Option<Vec<Receipt>>, StateError> {
        let Some(hash) = self.hash_by_number(number)? else { return Ok(None) };
        Ok(Some(self.read_promised(Column::Receipt, block_key(number, hash))?))
    }

    /// Returns which block a transaction is in, and where.
    pub fn tx_position(&self, tx_hash: B256) -> Result<Option<TxPosition>, StateError> {
        let position: Option<TxPosition> = self.read(Column::TxLookup, tx_hash.as_slice())?;
        Ok(position.filter(|position| position.number <= self.head.number))
    }

    /// Returns the address that hashes to `hashed_address`, if it ever entered the state.
    pub fn address_preimage(&self, hashed_address: B256) -> Result<Option<Address>, StateError> {
        let key = hashed_address.as_slice();
        let Some(preimage) = self.snapshot().get(Column::Preimage, key)? else { return Ok(None) };
        let address = Address::try_from(preimage.as_slice());
        Ok(Some(address.map_err(|_| bad_preimage(key, preimage.len(), Address::len_bytes()))?))
    }

    /// Returns the slot number that hashes to `hashed_slot`, if it was ever set in the state.
    pub fn slot_preimage(&self, hashed_slot: B256) -> Result<Option<U256>, StateError> {
        let key = hashed_slot.as_slice();
        let Some(preimage) = self.snapshot().get(Column::Preimage, key)? else { return Ok(None) };
        let slot = B256::try_from(preimage.as_slice());
        Ok(Some(slot.map_err(|_| bad_preimage(key, preimage.len(), B256::len_bytes()))?.into()))
    }

    fn read<R: Record>(&self, column: Column, key: &[u8]) -> Result<Option<R>, StateError> {
        read(self.snapshot(), column, key)
    }

    /// Reads a record that another one says is there.
    fn read_promised<R: Record>(&self, column: Column, key: Vec<u8>) -> Result<R, StateError> {
        match self.read(column, &key)? {
            Some(record) => Ok(record),
            None => Err(StateError::Missing { column, key }),
        }
    }
}

fn bad_preimage(key: &[u8], found: usize, expected: usize) -> CorruptEntry {
    CorruptEntry {
        column: Column::Preimage,
        key: key.to_vec(),
        reason: RecordError::Length { found, expected },
    }
}

/// Reads a record.
pub(crate) fn read<R: Record>(
    snapshot: &dyn Snapshot,
    column: Column,
    key: &[u8],
) -> Result<Option<R>, StateError> {
    let Some(value) = snapshot.get(column, key)? else { return Ok(None) };
    Ok(Some(decode(column, key, &value)?))
}

/// Returns the trie's key of a slot: keccak256 of its number in 32 bytes, big-endian.
pub(crate) fn hashed_slot(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

/// Returns the key of a slot's record.
pub(crate) fn slot_key(hashed_address: B256, hashed_slot: B256) -> Vec<u8> {
    [hashed_address.as_slice(), hashed_slot.as_slice()].concat()
}

/// Returns the key of a block's records.
pub(crate) fn block_key(number: u64, hash: B256) -> Vec<u8> {
    [&number.to_be_bytes(), hash.as_slice()].concat()
}
