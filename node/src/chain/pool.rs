//! Transactions that wait for a block.
//!
//! A transaction is *executable* if the nonces from its sender's account nonce up to its own are all here, else it
//! is *queued*. Blocks take executable transactions by what they pay, or in the order of arrival, as far as nonces allow.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use alloy_consensus::{Transaction, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, U256};
use lathe_state::Account;

use super::{SubmitError, mine::cost};

/// Transactions the pool holds.
pub const POOL_TXS_MAX: usize = 8_192;
/// Transactions of one sender the pool holds.
pub const SENDER_TXS_MAX: usize = 1_024;
/// Transactions of one sender that wait behind a gap in nonces (geth, `core/txpool`: `AccountQueue`).
pub const SENDER_QUEUED_MAX: usize = 64;
/// By how many percent a replacement must raise both fees.
const REPLACEMENT_BUMP_PERCENT: u128 = 10;

/// In which order blocks take transactions of different senders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(clap::ValueEnum))]
pub enum Order {
    /// Those first that tip the most for a gas; of equal ones the first to arrive.
    #[default]
    Fees,
    /// As they arrived.
    Fifo,
}

impl Order {
    /// Returns the name under which clients know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fees => "fees",
            Self::Fifo => "fifo",
        }
    }
}

/// Waiting transactions.
#[derive(Debug, Default)]
pub(super) struct Pool {
    senders: BTreeMap<Address, BTreeMap<u64, Waiting>>,
    by_hash: HashMap<B256, (Address, u64)>,
    arrivals: u64,
    order: Order,
}

#[derive(Debug)]
struct Waiting {
    tx: Recovered<TxEnvelope>,
    arrival: u64,
}

impl Pool {
    /// Returns an empty pool whose transactions are taken in an order.
    pub(super) fn new(order: Order) -> Self {
        Self { order, ..Self::default() }
    }

    /// Returns the order in which transactions are taken.
    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// Adds a transaction, or replaces the one with its sender and nonce. `account` is its sender's.
    pub(super) fn insert(&mut self, tx: Recovered<TxEnvelope>, account: &Account) -> Result<(), SubmitError> {
        let (sender, nonce, hash) = (tx.signer(), tx.nonce(), *tx.tx_hash());
        if self.by_hash.contains_key(&hash) {
            return Err(SubmitError::AlreadyKnown);
        }
        let waiting = self.senders.get(&sender);
        if let Some(old) = waiting.and_then(|txs| txs.get(&nonce)) {
            let bumped = |old: u128| old.saturating_mul(100 + REPLACEMENT_BUMP_PERCENT).div_ceil(100);
            let tip = |tx: &TxEnvelope| tx.max_priority_fee_per_gas().unwrap_or(tx.max_fee_per_gas());
            if tx.max_fee_per_gas() < bumped(old.tx.max_fee_per_gas()) || tip(&tx) < bumped(tip(&old.tx)) {
                return Err(SubmitError::Rejected(format!(
                    "replacement transaction underpriced: raise both fees by {REPLACEMENT_BUMP_PERCENT}% over \
                     those of {}",
                    old.tx.tx_hash()
                )));
            }
        } else if self.by_hash.len() >= POOL_TXS_MAX {
            return Err(SubmitError::Rejected(format!(
                "txpool is full: it holds {POOL_TXS_MAX} transactions"
            )));
        } else if waiting.is_some_and(|txs| txs.len() >= SENDER_TXS_MAX) {
            return Err(SubmitError::Rejected(format!(
                "account limit exceeded: the pool holds {SENDER_TXS_MAX} transactions of {sender}"
            )));
        }
        self.check_gap(&tx, account.nonce)?;
        self.check_overdraft(&tx, account.balance)?;
        self.arrivals += 1;
        let arrival = self.arrivals;
        let replaced = self.senders.entry(sender).or_default().insert(nonce, Waiting { tx, arrival });
        if let Some(old) = replaced {
            self.by_hash.remove(old.tx.tx_hash());
        }
        self.by_hash.insert(hash, (sender, nonce));
        Ok(())
    }

    /// Refuses one more transaction behind a gap in nonces, which nobody may ever close.
    fn check_gap(&self, tx: &Recovered<TxEnvelope>, account_nonce: u64) -> Result<(), SubmitError> {
        let next = self.next_nonce(tx.signer(), account_nonce);
        if tx.nonce() <= next {
            return Ok(());
        }
        let queued = self
            .senders
            .get(&tx.signer())
            .map_or(0, |txs| txs.range(next..).filter(|(nonce, _)| **nonce != tx.nonce()).count());
        if queued < SENDER_QUEUED_MAX {
            return Ok(());
        }
        Err(SubmitError::Rejected(format!(
            "nonce too high: {queued} transactions of {} wait for the one with nonce {next}, the limit is \
             {SENDER_QUEUED_MAX}; send that one first",
            tx.signer()
        )))
    }

    /// Refuses a transaction that its sender could not pay after all others that wait.
    fn check_overdraft(&self, tx: &Recovered<TxEnvelope>, balance: U256) -> Result<(), SubmitError> {
        let Some(txs) = self.senders.get(&tx.signer()) else { return Ok(()) };
        let others = txs.iter().filter(|(nonce, _)| **nonce != tx.nonce());
        let queued = others.fold(U256::ZERO, |sum, (_, waiting)| sum.saturating_add(cost(&waiting.tx)));
        let cost = cost(tx);
        if queued.saturating_add(cost) <= balance {
            return Ok(());
        }
        Err(SubmitError::Rejected(format!(
            "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, \
             overshot {}",
            queued.saturating_add(cost) - balance
        )))
    }

    /// Returns a transaction by its hash.
    pub(super) fn get(&self, hash: &B256) -> Option<&Recovered<TxEnvelope>> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        Some(&self.senders[sender][nonce].tx)
    }

    /// Removes a transaction by its hash.
    pub(super) fn remove(&mut self, hash: &B256) -> Option<Recovered<TxEnvelope>> {
        let (sender, nonce) = self.by_hash.remove(hash)?;
        let txs = self.senders.get_mut(&sender)?;
        let waiting = txs.remove(&nonce);
        if txs.is_empty() {
            self.senders.remove(&sender);
        }
        waiting.map(|waiting| waiting.tx)
    }

    /// Returns the nonce after the executable transactions of a sender whose account has `account_nonce`.
    pub(super) fn next_nonce(&self, sender: Address, account_nonce: u64) -> u64 {
        let Some(txs) = self.senders.get(&sender) else { return account_nonce };
        let executable =
            txs.range(account_nonce..).zip(account_nonce..).take_while(|((nonce, _), want)| *nonce == want);
        account_nonce + executable.count() as u64
    }

    /// Returns everything that is here, by sender and nonce.
    pub(super) fn all(&self) -> Vec<Recovered<TxEnvelope>> {
        self.senders.values().flat_map(BTreeMap::values).map(|waiting| waiting.tx.clone()).collect()
    }

    /// Removes everything that is here and returns it.
    pub(super) fn take_all(&mut self) -> Vec<Recovered<TxEnvelope>> {
        let all = self.all();
        (self.senders, self.by_hash) = Default::default();
        all
    }

    /// Returns who has transactions here.
    pub(super) fn senders(&self) -> impl Iterator<Item = Address> {
        self.senders.keys().copied()
    }

    /// Returns how many transactions are here.
    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Returns the executable transactions in the order in which a block with this base fee takes them. `nonces` holds the
    /// account nonce of every sender. One that does not pay the base fee waits, and with it its sender's later ones.
    pub(super) fn executable(
        &self,
        nonces: &BTreeMap<Address, u64>,
        base_fee: u64,
    ) -> Vec<Recovered<TxEnvelope>> {
        // Each sender's next transaction; taking one brings the sender's next.
        type Heads = BTreeMap<(Reverse<u128>, u64), (Address, u64)>;
        let mut heads = Heads::new();
        let next = |heads: &mut Heads, sender: Address, nonce: u64| {
            if let Some(Waiting { tx, arrival }) = self.senders.get(&sender).and_then(|txs| txs.get(&nonce))
                && let Some(tip) = tx.effective_tip_per_gas(base_fee)
            {
                let rank = match self.order {
                    Order::Fees => tip,
                    Order::Fifo => 0,
                };
                heads.insert((Reverse(rank), *arrival), (sender, nonce));
            }
        };
        for (sender, nonce) in nonces {
            next(&mut heads, *sender, *nonce);
        }
        let mut order = Vec::new();
        while let Some((_, (sender, nonce))) = heads.pop_first() {
            order.push(self.senders[&sender][&nonce].tx.clone());
            next(&mut heads, sender, nonce + 1);
        }
        order
    }

    /// Drops transactions of a sender below its account's nonce: they can never be mined.
    pub(super) fn drop_below(&mut self, sender: Address, account_nonce: u64) {
        let Some(txs) = self.senders.get(&sender) else { return };
        let stale: Vec<B256> = txs.range(..account_nonce).map(|(_, waiting)| *waiting.tx.tx_hash()).collect();
        for hash in stale {
            self.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_consensus::{SignableTransaction, TxEip1559};
    use alloy_primitives::{Signature, U256};
    use proptest::prelude::*;

    use super::*;

    fn tx(sender: u8, nonce: u64, fee: u128) -> Recovered<TxEnvelope> {
        let tx = TxEip1559 {
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: fee,
            value: U256::from(sender),
            ..Default::default()
        };
        let signed = TxEnvelope::from(tx.into_signed(Signature::test_signature()));
        Recovered::new_unchecked(signed, Address::repeat_byte(sender))
    }

    fn nonces(pool: &Pool, nonce: u64) -> BTreeMap<Address, u64> {
        pool.senders().map(|sender| (sender, nonce)).collect()
    }

    /// Adds a transaction of an account that can pay anything, and has sent none.
    fn insert(pool: &mut Pool, tx: Recovered<TxEnvelope>) -> Result<(), SubmitError> {
        pool.insert(tx, &Account { balance: U256::MAX, ..Account::default() })
    }

    /// Sender byte and nonce of what a block takes, in order.
    fn order(pool: &Pool, nonce: u64) -> Vec<(u8, u64)> {
        pool.executable(&nonces(pool, nonce), 0).iter().map(|tx| (tx.signer()[0], tx.nonce())).collect()
    }

    #[test]
    fn blocks_take_transactions_by_arrival_as_far_as_nonces_allow() {
        let mut pool = Pool::new(Order::Fifo);
        for (sender, nonce) in [(1, 1), (2, 0), (1, 0), (3, 5), (2, 1)] {
            insert(&mut pool, tx(sender, nonce, 1)).unwrap();
        }
        // 1's second transaction came first, but waits for its first, and is then the oldest.
        assert_eq!(order(&pool, 0), [(2, 0), (1, 0), (1, 1), (2, 1)]);
        assert_eq!(pool.next_nonce(Address::repeat_byte(1), 0), 2);
        assert_eq!(pool.next_nonce(Address::repeat_byte(3), 0), 0);
        assert_eq!(pool.next_nonce(Address::repeat_byte(9), 7), 7);
        pool.drop_below(Address::repeat_byte(2), 1);
        assert_eq!((pool.len(), order(&pool, 1)), (4, vec![(1, 1), (2, 1)]));
    }

    #[test]
    fn a_replacement_raises_both_fees_by_a_tenth() {
        let mut pool = Pool::default();
        insert(&mut pool, tx(1, 0, 100)).unwrap();
        assert_eq!(insert(&mut pool, tx(1, 0, 100)), Err(SubmitError::AlreadyKnown));
        let refused = insert(&mut pool, tx(1, 0, 109)).unwrap_err().to_string();
        assert!(refused.starts_with("replacement transaction underpriced"), "{refused}");
        insert(&mut pool, tx(1, 0, 110)).unwrap();
        assert_eq!(pool.len(), 1);
        assert!(pool.get(tx(1, 0, 100).tx_hash()).is_none());
        assert!(pool.get(tx(1, 0, 110).tx_hash()).is_some());
    }

    #[test]
    fn one_sender_does_not_fill_the_pool() {
        let mut pool = Pool::default();
        for nonce in 0..SENDER_TXS_MAX as u64 {
            insert(&mut pool, tx(1, nonce, 1)).unwrap();
        }
        let refused = insert(&mut pool, tx(1, u64::MAX, 1)).unwrap_err().to_string();
        assert!(refused.starts_with("account limit exceeded"), "{refused}");
        insert(&mut pool, tx(2, 0, 1)).unwrap();
        insert(&mut pool, tx(1, 0, 2)).unwrap();
    }

    #[test]
    fn who_tips_more_is_taken_first_and_who_pays_no_base_fee_waits() {
        let mut pool = Pool::default();
        for (sender, nonce, fee) in [(1, 0, 5), (2, 0, 9), (1, 1, 50), (3, 0, 5), (4, 0, 2), (4, 1, 90)] {
            insert(&mut pool, tx(sender, nonce, fee)).unwrap();
        }
        let nonces = nonces(&pool, 0);
        let order = |base_fee| -> Vec<_> {
            pool.executable(&nonces, base_fee).iter().map(|tx| (tx.signer()[0], tx.nonce())).collect()
        };
        assert_eq!(order(0), [(2, 0), (1, 0), (1, 1), (3, 0), (4, 0), (4, 1)]);
        assert_eq!(order(3), [(2, 0), (1, 0), (1, 1), (3, 0)]);
        assert_eq!(order(6), [(2, 0)]);
    }

    #[test]
    fn a_sender_leaves_no_crowd_behind_a_gap_in_nonces() {
        let mut pool = Pool::default();
        for nonce in 0..SENDER_QUEUED_MAX as u64 {
            insert(&mut pool, tx(1, nonce + 2, 1)).unwrap();
        }
        let refused = insert(&mut pool, tx(1, 1000, 1)).unwrap_err().to_string();
        assert!(refused.starts_with("nonce too high") && refused.contains("nonce 0"), "{refused}");
        insert(&mut pool, tx(1, 2, 2)).expect("a replacement adds none");
        insert(&mut pool, tx(1, 0, 1)).unwrap();
        insert(&mut pool, tx(1, 1, 1)).expect("the gap is closed");
        insert(&mut pool, tx(1, 1000, 1)).expect("there is no crowd any more");
    }

    #[test]
    fn all_that_waits_must_be_payable_together() {
        let mut pool = Pool::default();
        let each = cost(&tx(1, 0, 10));
        let account = Account { balance: each * U256::from(2), ..Account::default() };
        pool.insert(tx(1, 0, 10), &account).unwrap();
        pool.insert(tx(1, 1, 10), &account).unwrap();
        let refused = pool.insert(tx(1, 2, 10), &account).unwrap_err().to_string();
        assert!(refused.starts_with("insufficient funds") && refused.contains("overshot"), "{refused}");
        let refused = pool.insert(tx(1, 1, 11), &account).unwrap_err().to_string();
        assert!(refused.contains("overshot"), "a replacement is counted once, not twice: {refused}");
        pool.insert(tx(1, 1, 11), &Account { balance: each * U256::from(3), ..account }).unwrap();
    }

    proptest! {
        /// Whatever comes and goes, a sender's transactions are taken in the order of nonces without a gap, and the
        /// index by hash holds what the senders hold.
        #[test]
        fn executable_transactions_have_no_gaps(
            steps in proptest::collection::vec((1u8..4, 0u64..6, 1u128..4, any::<bool>()), 0..60),
        ) {
            let mut pool = Pool::default();
            for (sender, nonce, fee, remove) in steps {
                if remove {
                    pool.remove(tx(sender, nonce, fee).tx_hash());
                } else {
                    let _ = insert(&mut pool, tx(sender, nonce, fee));
                }
            }
            let held: usize = pool.senders.values().map(BTreeMap::len).sum();
            prop_assert_eq!(held, pool.len());
            let mut next: BTreeMap<u8, u64> = BTreeMap::new();
            for (sender, nonce) in order(&pool, 0) {
                let expected = next.entry(sender).or_default();
                prop_assert_eq!(nonce, *expected);
                *expected += 1;
            }
            for (sender, count) in next {
                prop_assert_eq!(pool.next_nonce(Address::repeat_byte(sender), 0), count);
            }
        }
    }
}
