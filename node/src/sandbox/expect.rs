//! Failures that a test wants.

use alloy_sol_types::SolError;

use crate::runtime::Failure;

use super::{Done, Error};

/// What a test can expect of a call that must fail. Each panics, and shows what happened, if that is something else.
pub trait Expect {
    /// Returns the custom error that the call reverted with.
    fn expect_revert<E: SolError>(self) -> E;
    /// Returns the reason, of `Error(string)` or `Panic(uint256)`, that the call reverted with.
    fn expect_reason(self) -> String;
    /// Returns what happened in a call whose output does not say it: a trap, a refused module, empty gas.
    fn expect_failure(self) -> Failure;
}

impl<Answer> Expect for Result<Done<Answer>, Error> {
    #[track_caller]
    fn expect_revert<E: SolError>(self) -> E {
        let error = failed(self);
        error.revert().unwrap_or_else(|| panic!("expected a revert with {}, got: {error}", E::SIGNATURE))
    }

    #[track_caller]
    fn expect_reason(self) -> String {
        let error = failed(self);
        error.reason().unwrap_or_else(|| panic!("expected a revert with a reason, got: {error}"))
    }

    #[track_caller]
    fn expect_failure(self) -> Failure {
        let error = failed(self);
        error.failure().cloned().unwrap_or_else(|| panic!("expected a trap or a refusal, got: {error}"))
    }
}

#[track_caller]
fn failed<Answer>(result: Result<Done<Answer>, Error>) -> Error {
    match result {
        Err(error) => error,
        Ok(done) => panic!("expected a failure, but the call returned {}", done.output),
    }
}
