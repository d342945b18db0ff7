//! For the crash harness: points at which the process can be killed, and defects that it can be given, so that the harness
//! can show that it would notice them. Compiled in with the feature `failpoints` only.

use std::sync::OnceLock;

/// Names the defect in the environment.
const SABOTAGE: &str = "LATHE_SABOTAGE";

/// A defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A block is written in two batches.
    SplitBatch,
    /// Records of the trie are never deleted.
    SkipTrieDelete,
    /// A transaction is answered before it is written.
    AnswerBeforeWrite,
    /// Nothing is written to the log.
    WalOff,
    /// A transaction is answered before it is on the disk, where it should be.
    AnswerBeforeSync,
}

impl Sabotage {
    /// Every defect with its name.
    pub const ALL: &[(Self, &str)] = &[
        (Self::SplitBatch, "split-batch"),
        (Self::SkipTrieDelete, "skip-trie-delete"),
        (Self::AnswerBeforeWrite, "answer-before-write"),
        (Self::WalOff, "wal-off"),
        (Self::AnswerBeforeSync, "answer-before-sync"),
    ];

    /// Returns whether this process has the defect.
    ///
    /// # Panics
    /// If the environment names a defect that there is none of.
    pub fn is_on(self) -> bool {
        static CHOSEN: OnceLock<Option<Sabotage>> = OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| {
            let name = std::env::var(SABOTAGE).ok()?;
            let found = Self::ALL.iter().find(|(_, known)| *known == name);
            Some(found.unwrap_or_else(|| panic!("{SABOTAGE}={name}: there is no such defect")).0)
        });
        *chosen == Some(self)
    }
}

/// Kills the process if the environment (`FAILPOINTS`, see the crate `fail`) says so for this point.
pub(crate) fn reach(point: &'static str) {
    fail::fail_point!(point, |_| std::process::abort());
}
