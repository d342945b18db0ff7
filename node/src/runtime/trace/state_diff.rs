//! The accounts and slots that an execution looked at, before and after: geth's `prestateTracer`.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::{Database, context_interface::ContextTr};
use serde::Serialize;

use super::{super::evm::Ctx, Recording};

/// What is shown of accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StateDiffOptions {
    /// Shows what has changed, before and after, instead of all that was looked at before.
    pub diff_mode: bool,
    /// Leaves code out.
    pub disable_code: bool,
    /// Leaves storage out.
    pub disable_storage: bool,
    /// Shows accounts that were empty, too.
    pub include_empty: bool,
}

/// The accounts that an execution looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateDiff(BTreeMap<Address, Change>);

/// An account before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    before: AccountState,
    /// None if the account ended.
    after: Option<AccountState>,
}

/// An account, with the slots that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountState {
    balance: U256,
    nonce: u64,
    code_hash: B256,
    code: Bytes,
    storage: BTreeMap<U256, U256>,
}

/// Members of an account in an answer; what is none is left out.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownAccount<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_hash: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, B256>,
}

impl AccountState {
    fn has_code(&self) -> bool {
        self.code_hash != KECCAK256_EMPTY && !self.code_hash.is_zero()
    }

    fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && !self.has_code()
    }
}

/// Reads the accounts of a transaction that has run and is not committed.
pub(in super::super) fn read<DB: Database>(ctx: &mut Ctx<DB>) -> Result<StateDiff, DB::Error> {
    let journal = ctx.journal_mut();
    let (state, db) = (&journal.inner.state, &mut journal.database);
    let mut changes = BTreeMap::new();
    let code = |db: &mut DB, hash: B256| {
        let code = (hash != KECCAK256_EMPTY && !hash.is_zero()).then(|| db.code_by_hash(hash)).transpose();
        Ok::<_, DB::Error>(code?.map(|code| code.original_bytes()).unwrap_or_default())
    };
    for (&address, account) in state {
        let info = db.basic(address)?.unwrap_or_default();
        let slots = |value: fn(&revm::state::EvmStorageSlot) -> U256| {
            account.storage.iter().map(|(&slot, kept)| (slot, value(kept))).collect()
        };
        let before = AccountState {
            balance: info.balance,
            nonce: info.nonce,
            code_hash: info.code_hash,
            code: code(db, info.code_hash)?,
            storage: slots(|slot| slot.original_value),
        };
        let after = match account.is_selfdestructed() {
            true => None,
            false => Some(AccountState {
                balance: account.info.balance,
                nonce: account.info.nonce,
                code_hash: account.info.code_hash,
                code: match &account.info.code {
                    Some(code) => code.original_bytes(),
                    None => code(db, account.info.code_hash)?,
                },
                storage: slots(|slot| slot.present_value),
            }),
        };
        changes.insert(address, Change { before, after });
    }
    Ok(StateDiff(changes))
}

/// Accounts in an answer.
type Shown<'a> = BTreeMap<Address, ShownAccount<'a>>;

impl StateDiff {
    /// Returns the accounts before, as far as they are shown.
    fn before(&self, options: StateDiffOptions) -> Shown<'_> {
        let accounts = self.0.iter().filter(|(_, change)| options.include_empty || !change.before.is_empty());
        accounts
            .map(|(address, Change { before, .. })| {
                let mut shown = ShownAccount {
                    balance: Some(before.balance),
                    nonce: Some(before.nonce).filter(|nonce| *nonce > 0),
                    ..ShownAccount::default()
                };
                if !options.disable_code && before.has_code() {
                    (shown.code, shown.code_hash) = (Some(&before.code), Some(before.code_hash));
                }
                if !options.disable_storage {
                    shown.storage = words(before.storage.iter());
                }
                (*address, shown)
            })
            .collect()
    }

    /// Returns what has changed, before and after.
    fn difference(&self, options: StateDiffOptions) -> (Shown<'_>, Shown<'_>) {
        let mut before = self.before(options);
        let mut after = Shown::new();
        for (&address, change) in &self.0 {
            let Some(new) = &change.after else { continue };
            let old = &change.before;
            let mut shown = ShownAccount {
                balance: Some(new.balance).filter(|balance| *balance != old.balance),
                nonce: Some(new.nonce).filter(|nonce| *nonce != old.nonce),
                ..ShownAccount::default()
            };
            // An account that nobody touched has no hash of no code.
            if !options.disable_code && new.code != old.code {
                (shown.code, shown.code_hash) = (Some(&new.code), Some(new.code_hash));
            }
            let mut changed =
                old.storage.iter().zip(new.storage.values()).filter(|((_, old), new)| old != new);
            let has_storage = !options.disable_storage && changed.clone().next().is_some();
            if has_storage {
                let set = changed.clone().map(|((slot, _), new)| (slot, new));
                shown.storage = words(set.filter(|(_, new)| !new.is_zero()));
            }
            if !has_storage && shown == ShownAccount::default() {
                before.remove(&address);
                continue;
            }
            if let Some(before) = before.get_mut(&address) {
                let kept = changed.by_ref().map(|(old, _)| old).filter(|(_, old)| !old.is_zero());
                before.storage = if options.disable_storage { BTreeMap::new() } else { words(kept) };
            }
            after.insert(address, shown);
        }
        (before, after)
    }
}

fn words<'a>(slots: impl Iterator<Item = (&'a U256, &'a U256)>) -> BTreeMap<B256, B256> {
    slots.map(|(slot, value)| (B256::from(*slot), B256::from(*value))).collect()
}

impl Recording {
    /// Returns the JSON of `prestateTracer`, if accounts were captured.
    pub fn to_state_json(&self, options: StateDiffOptions) -> Option<String> {
        let state = self.state.as_ref()?;
        let json = if options.diff_mode {
            let (pre, post) = state.difference(options);
            serde_json::to_string(&serde_json::json!({"post": post, "pre": pre}))
        } else {
            serde_json::to_string(&state.before(options))
        };
        Some(json.expect("accounts are JSON"))
    }
}
