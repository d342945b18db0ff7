//! What a contract can be asked: calldata, and how its answer is read.

use std::marker::PhantomData;

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Bytes, keccak256};
use alloy_sol_types::SolCall;
use parity_scale_codec::{DecodeAll, Encode};

/// A message to a contract. Calls that `sol!` makes are messages, and so are [`Scale`], [`Solidity`] and [`Raw`].
pub trait Message {
    /// What the contract answers.
    type Answer;

    /// Returns the calldata.
    fn calldata(&self) -> Vec<u8>;

    /// Reads the answer in the output of the call; the error says what it should be.
    fn answer(&self, output: &[u8]) -> Result<Self::Answer, String>;
}

impl<C: SolCall> Message for C {
    type Answer = C::Return;

    fn calldata(&self) -> Vec<u8> {
        self.abi_encode()
    }

    fn answer(&self, output: &[u8]) -> Result<C::Return, String> {
        C::abi_decode_returns_validate(output)
            .map_err(|error| format!("no result of {}: {error}", C::SIGNATURE))
    }
}

/// Calldata as it is; the answer is the output as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw(pub Bytes);

impl<const N: usize> From<&[u8; N]> for Raw {
    fn from(bytes: &[u8; N]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl From<Vec<u8>> for Raw {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl Message for Raw {
    type Answer = Bytes;

    fn calldata(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn answer(&self, output: &[u8]) -> Result<Bytes, String> {
        Ok(Bytes::copy_from_slice(output))
    }
}

/// A SCALE message, made by [`scale`].
#[derive(Debug, Clone)]
pub struct Scale<Answer> {
    name: String,
    calldata: Vec<u8>,
    answer: PhantomData<Answer>,
}

/// Returns the message that calls the function `name` with `arguments`, a tuple, and whose answer is SCALE, too.
pub fn scale<Answer: DecodeAll>(name: &str, arguments: &impl Encode) -> Scale<Answer> {
    let selector = keccak256(["scale:", name].concat());
    let mut calldata = selector[..4].to_vec();
    arguments.encode_to(&mut calldata);
    Scale { name: name.to_owned(), calldata, answer: PhantomData }
}

impl<Answer: DecodeAll> Message for Scale<Answer> {
    type Answer = Answer;

    fn calldata(&self) -> Vec<u8> {
        self.calldata.clone()
    }

    fn answer(&self, mut output: &[u8]) -> Result<Answer, String> {
        Answer::decode_all(&mut output).map_err(|error| format!("no SCALE result of {}: {error}", self.name))
    }
}

/// A call of a Solidity function whose types are known at run time only, made by [`solidity`].
#[derive(Debug, Clone)]
pub struct Solidity {
    calldata: Vec<u8>,
    results: DynSolType,
}

/// Why a text names no function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolidityError {
    /// It has no parameters, or something behind them that is no result.
    #[error("{0:?} is no `name(types)` or `name(types)(types)`")]
    Signature(String),
    /// A list of types does not parse.
    #[error("types {types:?}: {reason}")]
    Types {
        /// The list.
        types: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The values are not of these types.
    #[error("the arguments are not {expected}")]
    Arguments {
        /// The types.
        expected: String,
    },
}

/// Returns the call of `signature`, such as `balanceOf(address)(uint256)`, with these arguments. Without a list of
/// results, whatever comes back is ignored.
pub fn solidity(signature: &str, arguments: &[DynSolValue]) -> Result<Solidity, SolidityError> {
    let no_signature = || SolidityError::Signature(signature.to_owned());
    let (name, _) = signature.split_once('(').ok_or_else(no_signature)?;
    let types = &signature[name.len()..];
    let close = matching(types).ok_or_else(no_signature)?;
    let (parameters, results) = types.split_at(close + 1);
    let parameters = tuple(parameters)?;
    let results = if results.is_empty() { DynSolType::Tuple(Vec::new()) } else { tuple(results)? };
    let arguments = DynSolValue::Tuple(arguments.to_vec());
    if !parameters.matches(&arguments) {
        return Err(SolidityError::Arguments { expected: list(&parameters) });
    }
    let selector = keccak256([name.trim(), &list(&parameters)].concat());
    let calldata = [&selector[..4], &arguments.abi_encode_params()].concat();
    Ok(Solidity { calldata, results })
}

/// Reads a list of types in parentheses.
fn tuple(types: &str) -> Result<DynSolType, SolidityError> {
    if types.trim() == "()" {
        return Ok(DynSolType::Tuple(Vec::new()));
    }
    let parsed = DynSolType::parse(types.trim())
        .map_err(|error| SolidityError::Types { types: types.to_owned(), reason: error.to_string() })?;
    match parsed {
        DynSolType::Tuple(_) => Ok(parsed),
        _ => Err(SolidityError::Signature(types.to_owned())),
    }
}

/// Writes a list of types as it is hashed: without names, spaces and short forms.
fn list(types: &DynSolType) -> String {
    let DynSolType::Tuple(types) = types else { unreachable!("`tuple` returns nothing else") };
    let names: Vec<_> = types.iter().map(DynSolType::sol_type_name).collect();
    format!("({})", names.join(","))
}

/// Returns where the parenthesis at the start of `text` closes.
pub(crate) fn matching(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (index, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

impl Message for Solidity {
    type Answer = Vec<DynSolValue>;

    fn calldata(&self) -> Vec<u8> {
        self.calldata.clone()
    }

    fn answer(&self, output: &[u8]) -> Result<Vec<DynSolValue>, String> {
        if self.results == DynSolType::Tuple(Vec::new()) {
            return Ok(Vec::new());
        }
        match self.results.abi_decode_params(output) {
            Ok(DynSolValue::Tuple(values)) => Ok(values),
            Ok(value) => Ok(vec![value]),
            Err(error) => Err(format!("no {}: {error}", self.results)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, U256, hex};

    use super::*;

    #[test]
    fn signatures_become_calls() {
        let arguments =
            [DynSolValue::Address(Address::repeat_byte(1)), DynSolValue::Uint(U256::from(7), 256)];
        let call = solidity("transfer(address,uint256)(bool)", &arguments).expect("a signature");
        assert_eq!(call.calldata[..4], hex!("a9059cbb"));
        assert_eq!(call.calldata.len(), 68);
        let word = |value: u64| U256::from(value).to_be_bytes::<32>();
        assert_eq!(call.answer(&word(1)), Ok(vec![DynSolValue::Bool(true)]));
        assert!(call.answer(&[]).is_err());
        let nothing = solidity("increment()", &[]).expect("a signature");
        assert_eq!(nothing.calldata, hex!("d09de08a"));
        assert_eq!(nothing.answer(&[]), Ok(vec![]));
        let one = solidity("balanceOf(address)(uint)", &arguments[..1]).expect("a signature");
        assert_eq!(one.calldata[..4], hex!("70a08231"));
        for text in ["", "f", "f(", "f(uint256", "f(uint7)", "f()x"] {
            assert!(solidity(text, &[]).is_err(), "{text}");
        }
        assert_eq!(
            solidity("f(uint8)", &[]).expect_err("no argument").to_string(),
            "the arguments are not (uint8)"
        );
    }
}
