//! What a message means: which number it continues from, and what the answer is.

use crate::expression::{self, ExpressionError};
use alloc::string::String;

/// The bytes of a message. Nobody types more; it bounds the work.
pub const MSG_LEN_MAX: usize = 4096;

/// The bytes of a username.
pub const USERNAME_LEN_MAX: usize = 256;

/// The bytes of step data: the longest `f64` displays in 326 characters.
pub const STEP_DATA_LEN_MAX: usize = 512;

/// Why a message has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnswerError {
    /// An argument is longer than its limit.
    #[error("{argument} has {len} bytes, at most {len_max} are allowed")]
    ArgumentLen {
        /// Which.
        argument: &'static str,
        /// Its bytes.
        len: usize,
        /// The bytes it may have.
        len_max: usize,
    },
    /// The message continues from step data that is not a number.
    #[error("step_data: expected a number, found `{0}`")]
    StepData(String),
    /// The message is not arithmetic, or its result is not a number.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
}

/// Fails if one of the arguments of `text_received` is longer than its limit.
pub fn check_lengths(msg: &str, username: &str, step_data: &str) -> Result<(), AnswerError> {
    let arguments = [
        ("msg", msg, MSG_LEN_MAX),
        ("username", username, USERNAME_LEN_MAX),
        ("step_data", step_data, STEP_DATA_LEN_MAX),
    ];
    match arguments.into_iter().find(|(_, text, len_max)| text.len() > *len_max) {
        Some((argument, text, len_max)) => {
            Err(AnswerError::ArgumentLen { argument, len: text.len(), len_max })
        }
        None => Ok(()),
    }
}

/// Returns the answer to `msg`. `stored` returns the user's result if there is one; it is asked only if that matters.
pub fn answer(msg: &str, step_data: &str, stored: impl FnOnce() -> Option<f64>) -> Result<f64, AnswerError> {
    if !expression::continues(msg) {
        return Ok(expression::evaluate(msg, None)?);
    }
    let prior = if step_data.is_empty() {
        stored().unwrap_or(0.0)
    } else {
        expression::parse_number(step_data).ok_or_else(|| AnswerError::StepData(step_data.into()))?
    };
    Ok(expression::evaluate(msg, Some(prior))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_continues_from_step_data_or_the_stored_result_or_zero() {
        // (msg, step_data, stored result, answer or reason)
        let cases = [
            ("23*63", "", None, Ok("1449")),
            ("+1", "", Some(1449.0), Ok("1450")),
            ("+1", "", None, Ok("1")),
            ("-5", "", Some(12.0), Ok("7")),
            (" - 5", "", None, Ok("-5")),
            ("*2+3", "", Some(5.0), Ok("13")),
            ("+2*3", "", Some(5.0), Ok("11")),
            ("/4", "10", Some(1.0), Ok("2.5")),
            ("-1", " -2.5e1 ", None, Ok("-26")),
            ("+1", "+1", None, Ok("2")),
            ("(-5)", "", Some(12.0), Ok("-5")),
            ("2+2", "not looked at", Some(1.0), Ok("4")),
            ("+1", "abc", Some(1.0), Err("step_data: expected a number, found `abc`")),
            ("+1", " ", Some(1.0), Err("step_data: expected a number, found ` `")),
            ("+1", "inf", Some(1.0), Err("step_data: expected a number, found `inf`")),
            ("+1", "NaN", Some(1.0), Err("step_data: expected a number, found `NaN`")),
            ("+1", "1e999", Some(1.0), Err("step_data: expected a number, found `1e999`")),
            ("+1", "1 2", Some(1.0), Err("step_data: expected a number, found `1 2`")),
            ("+1", "--1", Some(1.0), Err("step_data: expected a number, found `--1`")),
            ("+", "", Some(1.0), Err("column 2: expected a number, found the end of the message")),
            ("*1e308", "", Some(1e308), Err("column 1: the result of `*` is too large")),
        ];
        for (msg, step_data, stored, expected) in cases {
            let answer = answer(msg, step_data, || stored).map(|n| n.to_string()).map_err(|e| e.to_string());
            assert_eq!(
                answer.as_deref().map_err(String::as_str),
                expected,
                "{msg:?} {step_data:?} {stored:?}"
            );
        }
    }

    #[test]
    fn the_stored_result_is_read_only_if_the_message_continues_from_it() {
        let unread = || unreachable!("the stored result does not matter here");
        assert_eq!(answer("1+1", "", unread), Ok(2.0));
        assert_eq!(answer("+1", "1", unread), Ok(2.0));
    }

    #[test]
    fn each_argument_has_a_limit_that_the_reason_names() {
        let long = "1".repeat(MSG_LEN_MAX + 1);
        assert_eq!(check_lengths(&long[1..], &long[..USERNAME_LEN_MAX], &long[..STEP_DATA_LEN_MAX]), Ok(()));
        for (msg, username, step_data, reason) in [
            (long.as_str(), "", "", "msg has 4097 bytes, at most 4096 are allowed"),
            ("", &long[..257], "", "username has 257 bytes, at most 256 are allowed"),
            ("", "", &long[..513], "step_data has 513 bytes, at most 512 are allowed"),
        ] {
            let error = check_lengths(msg, username, step_data).expect_err("one is too long");
            assert_eq!(error.to_string(), reason);
        }
    }
}
