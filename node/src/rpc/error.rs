//! Errors as JSON-RPC error objects, in the words and codes of geth that clients match on.

use alloy_primitives::Bytes;
use serde::Serialize;

use crate::{
    chain::{CallError, ChainError, SimulateError, SubmitError},
    runtime::{Failure, MoveError, Refusal},
};

/// Code of a body that is no JSON.
pub const PARSE_ERROR: i32 = -32700;
/// Code of JSON that is no request.
pub const INVALID_REQUEST: i32 = -32600;
/// Code of a method that does not exist.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// Code of parameters that do not fit the method.
pub const INVALID_PARAMS: i32 = -32602;
/// Code of a fault of the node itself.
pub const INTERNAL_ERROR: i32 = -32603;
/// Code of everything that the chain refuses.
pub const SERVER_ERROR: i32 = -32000;
/// Code of a call that reverted; `data` holds what the contract returned (geth, `internal/ethapi/errors.go`).
pub const EXECUTION_REVERTED: i32 = 3;

/// A JSON-RPC error object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// What kind of error it is.
    pub code: i32,
    /// What went wrong, for people and for the clients that match on words.
    pub message: String,
    /// What clients and people can read beside the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<ErrorData>>,
}

/// What an error carries beside its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ErrorData {
    /// Output of a call that reverted, or the hash of a transaction that waits: a plain hex string on the wire.
    Output(Bytes),
    /// Why a call failed whose output does not say it. Message and output are in it, too, as hardhat has them: clients
    /// look for them there.
    Failure {
        /// The error's message.
        message: String,
        /// The output of a call that reverted.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Bytes>,
        /// What happened, and where.
        #[serde(flatten)]
        failure: Box<Failure>,
    },
}

impl RpcError {
    /// Returns an error without data.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// Returns the error of JSON that is no request; `why` completes "invalid request: ".
    pub fn invalid_request(why: impl std::fmt::Display) -> Self {
        Self::new(INVALID_REQUEST, format!("invalid request: {why}"))
    }

    /// Returns the error of a parameter that does not fit.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// Returns the error of an unknown method, in the words that ethers and viem match on.
    pub fn method_not_found(name: &str) -> Self {
        // A name is the client's text: a long one is cut before it goes into the answer and the log.
        let end = (0..=NAME_ECHO_MAX.min(name.len())).rev().find(|&i| name.is_char_boundary(i)).unwrap_or(0);
        Self::new(METHOD_NOT_FOUND, format!("the method {} does not exist/is not available", &name[..end]))
    }

    /// Returns the error of a fault of the node itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL_ERROR, message)
    }

    /// Returns the error of a request that the chain refuses.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(SERVER_ERROR, message)
    }
}

/// Bytes of an unknown method's name that its error repeats.
const NAME_ECHO_MAX: usize = 64;

impl From<ChainError> for RpcError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Database(_) | ChainError::Internal(_) => Self::internal(error.to_string()),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<SubmitError> for RpcError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Call(error) => error.into(),
            SubmitError::Chain(error) => error.into(),
            _ => Self::refused(error.to_string()),
        }
    }
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> Self {
        let message = error.to_string();
        match error {
            CallError::Reverted { output, failure, .. } => {
                let data = Some(Box::new(match failure {
                    Some(failure) => {
                        ErrorData::Failure { message: message.clone(), data: Some(output), failure }
                    }
                    None => ErrorData::Output(output),
                }));
                Self { code: EXECUTION_REVERTED, message, data }
            }
            CallError::Halted { failure: Some(failure), .. } => {
                let data =
                    Some(Box::new(ErrorData::Failure { message: message.clone(), data: None, failure }));
                Self { code: SERVER_ERROR, message, data }
            }
            CallError::Chain(error) => error.into(),
            _ => Self::refused(message),
        }
    }
}

impl From<SimulateError> for RpcError {
    /// The codes are those of the specification of `eth_simulateV1`.
    fn from(error: SimulateError) -> Self {
        let code = match &error {
            SimulateError::BlockNumber { .. } => -38020,
            SimulateError::BlockTime { .. } => -38021,
            SimulateError::TooManyBlocks { .. } | SimulateError::TooManyCalls { .. } => -38026,
            SimulateError::BlockGas { .. } => -38015,
            SimulateError::Refused { refusal, .. } => match refusal {
                Refusal::NonceTooLow => -38010,
                Refusal::NonceTooHigh => -38011,
                Refusal::FeeTooLow => -38012,
                Refusal::IntrinsicGas => -38013,
                Refusal::Funds => -38014,
                Refusal::BlockGas => -38015,
                Refusal::InitCode => -38025,
                Refusal::Other => INVALID_PARAMS,
            },
            SimulateError::Move(MoveError::ToItself(_)) => -38022,
            SimulateError::Move(MoveError::Twice(_)) => -38023,
            SimulateError::Move(MoveError::None(_)) | SimulateError::Call(CallError::Rejected(_)) => {
                INVALID_PARAMS
            }
            SimulateError::Call(CallError::Stopped(_)) => SIMULATION_STOPPED,
            SimulateError::Call(_) => {
                let SimulateError::Call(error) = error else { unreachable!("it was matched above") };
                return error.into();
            }
        };
        Self::new(code, error.to_string())
    }
}

/// Code of a simulation that takes too long, or too much.
const SIMULATION_STOPPED: i32 = -32016;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_codes_and_words_that_clients_match_on() {
        let reverted = |reason: Option<&str>| CallError::Reverted {
            output: Bytes::from_static(&[0x08, 0xc3]),
            reason: reason.map(str::to_owned),
            failure: None,
        };
        let halted = |words: &str| CallError::Halted { words: words.into(), failure: None };
        let database = ChainError::Database("gone".into());
        let table: [(RpcError, &str); 8] = [
            (
                reverted(Some("nope")).into(),
                r#"{"code":3,"message":"execution reverted: nope","data":"0x08c3"}"#,
            ),
            (reverted(None).into(), r#"{"code":3,"message":"execution reverted","data":"0x08c3"}"#),
            (halted("out of gas").into(), r#"{"code":-32000,"message":"out of gas"}"#),
            (SubmitError::AlreadyKnown.into(), r#"{"code":-32000,"message":"already known"}"#),
            (
                SubmitError::Rejected("nonce too low".into()).into(),
                r#"{"code":-32000,"message":"nonce too low"}"#,
            ),
            (ChainError::UnknownBlock.into(), r#"{"code":-32000,"message":"header not found"}"#),
            (CallError::Chain(database).into(), r#"{"code":-32603,"message":"database: gone"}"#),
            (
                RpcError::method_not_found("eth_nope"),
                r#"{"code":-32601,"message":"the method eth_nope does not exist/is not available"}"#,
            ),
        ];
        for (error, json) in table {
            assert_eq!(serde_json::to_string(&error).expect("an error is plain data"), json);
        }
    }

    #[test]
    fn a_long_method_name_is_cut_at_a_character() {
        let message = RpcError::method_not_found(&"é".repeat(1000)).message;
        assert!(message.len() < 150, "{message}");
    }
}
