//! Whether a chain in a store is whole: the check after a crash, and `lathe db verify`.
//!
//! Everything that follows from something else is computed anew and compared: storage roots from slots, the state root from
//! accounts, the trie's records from both, code hashes from code, transaction positions from transactions. Every row of
//! history is used to prove, at the block before it, what it says. One pass over each column; nothing is repaired.

mod leaves;
mod past;
mod report;

use alloy_primitives::{B256, keccak256};

pub use self::report::{BlockFault, FAULTS_MAX, Fault, Report};
use crate::{error::StateError, record::TxPosition, store::Column, view::View};

/// How far a long pass is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub what: &'static str,
    /// From 0 to 1.
    pub done: f64,
}

/// Returns what share of so many things is done before each of them.
pub(crate) fn shares(of: usize) -> impl Iterator<Item = f64> {
    let of = u32::try_from(of).expect("few things");
    (0..of).map(move |done| f64::from(done) / f64::from(of))
}

/// Entries between two reports of progress.
pub(crate) const PROGRESS_EVERY: u64 = 1 << 12;

/// Keys are hashes, so the first bytes of one tell how far a pass in their order is.
pub(crate) fn key_progress(hashed: B256) -> f64 {
    let first = u32::from_be_bytes(*hashed.first_chunk().expect("a hash is longer"));
    f64::from(first) / f64::from(u32::MAX)
}

impl View {
    /// Checks everything there is. Fails only if the store cannot be read; what is wrong is in the report.
    pub fn verify(&self) -> Result<Report, StateError> {
        self.verify_with_progress(&mut |_| ())
    }

    /// Does what [`View::verify`] does, and says how far it is.
    ///
    /// # Panics
    /// If this is a view of an earlier block than the snapshot's head.
    pub fn verify_with_progress(&self, progress: &mut dyn FnMut(Progress)) -> Result<Report, StateError> {
        assert!(self.reader.past.is_none(), "what is verified is the head, and through it its past");
        let mut report = Report { head: self.head(), ..Report::default() };
        self.verify_state(&mut report, progress)?;
        self.verify_hashes(Column::Code, &mut report)?;
        self.verify_hashes(Column::Preimage, &mut report)?;
        self.verify_blocks(&mut report, progress)?;
        self.verify_history(&mut report, progress)?;
        Ok(report)
    }

    /// Returns the first faults of the history, and how many there are.
    pub(crate) fn history_faults(
        &self,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Vec<Fault>, u64), StateError> {
        let mut report = Report { head: self.head(), ..Report::default() };
        self.verify_history(&mut report, progress)?;
        Ok((report.faults, report.faults_found))
    }

    fn verify_preimage(&self, hash: B256, report: &mut Report) -> Result<(), StateError> {
        if self.snapshot().get(Column::Preimage, hash.as_slice())?.is_none() {
            report.add(Fault::PreimageMissing { hash });
        }
        Ok(())
    }

    /// Checks a column whose keys are the hashes of its values.
    fn verify_hashes(&self, column: Column, report: &mut Report) -> Result<(), StateError> {
        for entry in self.snapshot().scan(column, &[], &[]) {
            let (key, value) = entry?;
            let computed = keccak256(&value);
            if key != computed.as_slice() {
                report.add(Fault::Hash { column, key, computed });
            }
        }
        Ok(())
    }

    /// Walks from the head back to the first block, then looks for blocks beyond the head.
    fn verify_blocks(
        &self,
        report: &mut Report,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), StateError> {
        let head = self.head();
        let mut child_parent = head.hash;
        for number in (self.first_block()..=head.number).rev() {
            let Some(found) = report.note(self.header_by_number(number))? else { break };
            let Some((hash, header)) = found else {
                report.add_block(number, BlockFault::Absent);
                break;
            };
            report.blocks += 1;
            if report.blocks.is_multiple_of(PROGRESS_EVERY) {
                #[expect(clippy::cast_precision_loss, reason = "progress is for people")]
                let done = report.blocks as f64 / (head.number + 1) as f64;
                progress(Progress { what: "blocks", done });
            }
            if hash != child_parent {
                report.add_block(number, BlockFault::Link { hash, child_parent });
            }
            if header.number != number {
                report.add_block(number, BlockFault::Number { found: header.number });
            }
            let is_base = self.fork_base().is_some_and(|base| base.number == number);
            if number == head.number && !is_base && header.state_root != head.state_root {
                let found = header.state_root;
                report.add_block(number, BlockFault::StateRoot { recorded: head.state_root, found });
            }
            let found = report.note(self.number_by_hash(hash))?;
            if let Some(found) = found.filter(|found| *found != Some(number)) {
                report.add_block(number, BlockFault::HashNumber { hash, found });
            }
            self.verify_transactions(number, report)?;
            child_parent = header.parent_hash;
        }
        let next = head.number.saturating_add(1).to_be_bytes();
        for entry in self.snapshot().scan(Column::Canon, &[], &next) {
            let (key, _) = entry?;
            report.add_block(key.try_into().map_or(u64::MAX, u64::from_be_bytes), BlockFault::BeyondHead);
        }
        Ok(())
    }

    fn verify_transactions(&self, number: u64, report: &mut Report) -> Result<(), StateError> {
        let Some(body) = report.note(self.body(number))? else { return Ok(()) };
        let Some(receipts) = report.note(self.receipts(number))? else { return Ok(()) };
        let (body, receipts) = (body.unwrap_or_default(), receipts.unwrap_or_default());
        let (transactions, receipts) = (body.len(), receipts.len());
        if transactions != receipts {
            report.add_block(number, BlockFault::Count { transactions, receipts });
        }
        for (index, tx) in (0..).zip(&body) {
            let tx_hash = keccak256(&tx.raw);
            let Some(found) = report.note(self.tx_position(tx_hash))? else { continue };
            if found != Some(TxPosition { number, index }) {
                report.add_block(number, BlockFault::TxPosition { index, tx_hash, found });
            }
        }
        Ok(())
    }
}
