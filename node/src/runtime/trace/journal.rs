//! What a run of a frame left in the journal: logs, and an account that gave its balance away.

use revm::{
    Database,
    context::JournalEntry,
    context_interface::ContextTr,
    interpreter::{InstructionResult, InterpreterAction},
    primitives::Address,
};

use super::{super::evm::Ctx, Recorder};

/// How far the journal went before a frame ran.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Seen {
    logs: usize,
    entries: usize,
}

impl Seen {
    /// Returns how far the journal goes.
    pub(in super::super) fn of<DB: Database>(ctx: &Ctx<DB>) -> Self {
        let journal = &ctx.journal().inner;
        Self { logs: journal.logs.len(), entries: journal.journal.len() }
    }

    /// Records the logs that were added.
    pub(in super::super) fn record_logs<DB: Database>(self, recorder: &mut Recorder, ctx: &Ctx<DB>) {
        recorder.logs(ctx.journal().inner.logs.get(self.logs..).unwrap_or_default());
    }

    /// Records what a run of a contract has added that ended with `action`, before its frame is undone.
    pub(in super::super) fn record<DB: Database>(
        self,
        recorder: &mut Recorder,
        ctx: &Ctx<DB>,
        contract: Address,
        action: &InterpreterAction,
    ) {
        self.record_logs(recorder, ctx);
        let journal = &ctx.journal().inner;
        let InterpreterAction::Return(result) = action else { return };
        if result.result != InstructionResult::SelfDestruct {
            return;
        }
        let added = journal.journal.get(self.entries..).unwrap_or_default();
        let given = added.iter().rev().find_map(|entry| match entry {
            JournalEntry::AccountDestroyed { address, target, had_balance, .. } if *address == contract => {
                Some((*target, *had_balance))
            }
            JournalEntry::BalanceTransfer { from, to, balance } if *from == contract => Some((*to, *balance)),
            _ => None,
        });
        // An account that stays and is its own heir leaves no entry.
        let own = || {
            (contract, journal.state.get(&contract).map(|account| account.info.balance).unwrap_or_default())
        };
        let (beneficiary, balance) = given.unwrap_or_else(own);
        recorder.self_destruct(contract, beneficiary, balance);
    }
}
