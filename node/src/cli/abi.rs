//! Function signatures, and calldata in either of the two encodings that contracts understand.

use std::str::FromStr;

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::keccak256;

use crate::sandbox::matching;

use super::{
    error::CliError,
    scale::{self, Type},
    value::Value,
};

/// How a call is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abi {
    /// SCALE messages: types such as u64, str, [u8; 32], Option.
    Scale,
    /// Solidity's ABI: types such as uint256, string, bytes.
    Solidity,
}

/// How the command line says it.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct AbiOptions {
    /// Encode as SCALE, with types such as u64, str, [u8; 32] and Option; else as Solidity does
    #[arg(long)]
    scale: bool,
}

impl AbiOptions {
    pub(super) fn abi(self) -> Abi {
        if self.scale { Abi::Scale } else { Abi::Solidity }
    }
}

/// A function as the command line names it: `name(types)`, with `->type` or `(types)` for what it returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    name: String,
    params: Vec<String>,
    /// The type of the result; `None` when the signature leaves it out.
    result: Option<String>,
}

impl FromStr for Signature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid =
            |why: &str| format!("{text:?}: {why}; expected 'name(type,…)->type', as in 'add(u64,u64)->u64'");
        let open = text.find('(').ok_or_else(|| invalid("no ("))?;
        let name = text[..open].trim();
        let is_name_char = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        if name.is_empty() || !name.chars().all(is_name_char) {
            return Err(invalid("the name is missing or has a character that no name has"));
        }
        let close = matching(&text[open..]).ok_or_else(|| invalid("the parentheses do not match"))? + open;
        let params = split(&text[open + 1..close]);
        let rest = text[close + 1..].trim();
        let result = match rest.strip_prefix("->") {
            Some(result) => Some(result.trim().to_owned()),
            None if rest.is_empty() => None,
            None if rest.starts_with('(') => Some(rest.to_owned()),
            None => return Err(invalid("what follows the parameters is no result")),
        };
        Ok(Self { name: name.to_owned(), params, result })
    }
}

impl Signature {
    /// Returns the calldata of a call with these arguments.
    pub(super) fn calldata(&self, abi: Abi, arguments: &[String]) -> Result<Vec<u8>, CliError> {
        let (selector, arguments) = self.encode(abi, arguments)?;
        Ok([&selector[..], &arguments].concat())
    }

    /// Returns the encoded arguments alone, as a constructor takes them.
    pub(super) fn arguments(&self, abi: Abi, arguments: &[String]) -> Result<Vec<u8>, CliError> {
        Ok(self.encode(abi, arguments)?.1)
    }

    /// Returns selector and encoded arguments.
    fn encode(&self, abi: Abi, arguments: &[String]) -> Result<([u8; 4], Vec<u8>), CliError> {
        if arguments.len() != self.params.len() {
            return Err(CliError::Usage(format!(
                "{} takes {} arguments, got {}",
                self.name,
                self.params.len(),
                arguments.len()
            )));
        }
        let place = |index: usize, why: String| CliError::Usage(format!("argument {}: {why}", index + 1));
        let pairs = self.params.iter().zip(arguments).enumerate();
        match abi {
            Abi::Scale => {
                let mut encoded = Vec::new();
                for (index, (kind, text)) in pairs {
                    let kind: Type = kind.parse().map_err(|why| place(index, why))?;
                    let value = scale::parse_value(&kind, text).map_err(|why| place(index, why))?;
                    scale::encode(&kind, &value, &mut encoded);
                }
                Ok((scale_selector(&self.name), encoded))
            }
            Abi::Solidity => {
                let mut kinds = Vec::new();
                let mut values = Vec::new();
                for (index, (kind, text)) in pairs {
                    let kind = solidity_type(kind).map_err(|why| place(index, why))?;
                    let value =
                        kind.coerce_str(text).map_err(|error| place(index, format!("{kind}: {error}")))?;
                    kinds.push(kind.sol_type_name().into_owned());
                    values.push(value);
                }
                let hash = keccak256(format!("{}({})", self.name, kinds.join(",")));
                let selector = [hash[0], hash[1], hash[2], hash[3]];
                Ok((selector, DynSolValue::Tuple(values).abi_encode_params()))
            }
        }
    }

    /// Returns what a call returned; `None` when the signature does not say what that is.
    pub(super) fn result(&self, abi: Abi, output: &[u8]) -> Result<Option<Value>, CliError> {
        self.result.as_ref().map(|kind| decode(abi, kind, output)).transpose()
    }

    /// Fails for a result that cannot be decoded, before anything is sent.
    pub(super) fn check_result(&self, abi: Abi) -> Result<(), CliError> {
        let Some(kind) = &self.result else { return Ok(()) };
        match abi {
            Abi::Scale => kind.parse::<Type>().map(drop),
            Abi::Solidity => solidity_type(kind).map(drop),
        }
        .map_err(|why| CliError::Usage(format!("result: {why}")))
    }
}

/// Decodes the value of a type that a contract returned.
pub(super) fn decode(abi: Abi, kind: &str, output: &[u8]) -> Result<Value, CliError> {
    let usage = |why| CliError::Usage(format!("result: {why}"));
    let mismatch = |why| CliError::Output(format!("the output 0x{} is not {why}", hex::encode(output)));
    match abi {
        Abi::Scale => scale::decode(&kind.parse().map_err(usage)?, output).map_err(mismatch),
        Abi::Solidity => {
            let kind = solidity_type(kind).map_err(usage)?;
            // A result is a tuple of what is returned, as arguments are.
            let tuple = match kind {
                DynSolType::Tuple(_) => kind,
                single => DynSolType::Tuple(vec![single]),
            };
            let value =
                tuple.abi_decode_params(output).map_err(|error| mismatch(format!("{tuple}: {error}")))?;
            Ok(match value_of(value) {
                Value::Tuple(mut members) if members.len() == 1 => members.remove(0),
                value => value,
            })
        }
    }
}

/// Returns what the calldata of a SCALE message begins with.
fn scale_selector(name: &str) -> [u8; 4] {
    let hash = keccak256([b"scale:", name.as_bytes()].concat());
    [hash[0], hash[1], hash[2], hash[3]]
}

fn solidity_type(text: &str) -> Result<DynSolType, String> {
    DynSolType::parse(text.trim())
        .map_err(|error| format!("type {text:?}: {error} (types of SCALE messages need --scale)"))
}

/// Returns a decoded value.
pub(super) fn value_of(value: DynSolValue) -> Value {
    let all = |values: Vec<DynSolValue>| values.into_iter().map(value_of).collect();
    match value {
        DynSolValue::Bool(value) => Value::Bool(value),
        DynSolValue::Int(value, _) => Value::Int(value),
        DynSolValue::Uint(value, _) => Value::Uint(value),
        DynSolValue::FixedBytes(word, size) => Value::Bytes(word[..size].to_vec()),
        DynSolValue::Address(address) => Value::Bytes(address.to_vec()),
        DynSolValue::Function(function) => Value::Bytes(function.to_vec()),
        DynSolValue::Bytes(bytes) => Value::Bytes(bytes),
        DynSolValue::String(text) => Value::Text(text),
        DynSolValue::Array(values) | DynSolValue::FixedArray(values) => Value::List(all(values)),
        // No type of a signature has a struct's name.
        DynSolValue::Tuple(values) | DynSolValue::CustomStruct { tuple: values, .. } => {
            Value::Tuple(all(values))
        }
    }
}

/// Splits a list of types at the commas that are in no bracket.
fn split(list: &str) -> Vec<String> {
    if list.trim().is_empty() {
        return Vec::new();
    }
    let mut parts = vec![String::new()];
    let mut depth = 0i32;
    for c in list.chars() {
        match c {
            '(' | '[' | '<' => depth += 1,
            ')' | ']' | '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("there is one from the start").push(c);
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calldata(abi: Abi, signature: &str, arguments: &[&str]) -> String {
        let signature: Signature = signature.parse().expect(signature);
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        hex::encode(signature.calldata(abi, &arguments).expect("arguments that fit"))
    }

    #[test]
    fn signatures_are_read() {
        let table: [(&str, &str, &[&str], Option<&str>); 6] = [
            ("f()", "f", &[], None),
            ("add(u64, u64)->u64", "add", &["u64", "u64"], Some("u64")),
            ("f((u8,str),Vec<(u8,u8)>) -> (u8, str)", "f", &["(u8,str)", "Vec<(u8,u8)>"], Some("(u8, str)")),
            ("f([u8; 32])->()", "f", &["[u8; 32]"], Some("()")),
            ("balanceOf(address)(uint256)", "balanceOf", &["address"], Some("(uint256)")),
            ("_$1(u8)", "_$1", &["u8"], None),
        ];
        for (text, name, params, result) in table {
            let signature = text.parse::<Signature>().expect(text);
            assert_eq!((signature.name.as_str(), signature.result.as_deref()), (name, result), "{text}");
            assert_eq!(signature.params, params, "{text}");
        }
        for text in ["", "f", "(u8)", "f(u8", "f(u8))", "f(u8)u8", "a b(u8)"] {
            assert!(text.parse::<Signature>().is_err(), "{text}");
        }
    }

    #[test]
    fn calldata_has_the_bytes_of_its_encoding() {
        let selector = hex::encode(&keccak256("scale:add")[..4]);
        assert_eq!(calldata(Abi::Scale, "add(u8,str)", &["1", "ab"]), format!("{selector}01086162"));
        assert_eq!(calldata(Abi::Scale, "add()", &[]), selector);
        let transfer = "a9059cbb\
            00000000000000000000000000000000000000000000000000000000000000ff\
            0000000000000000000000000000000000000000000000000000000000000007";
        let to = "0x00000000000000000000000000000000000000ff";
        assert_eq!(calldata(Abi::Solidity, "transfer(address,uint256)", &[to, "7"]), transfer);
    }

    #[test]
    fn results_are_decoded() {
        for (abi, kind, output, printed) in [
            (Abi::Scale, "str", "106e616d65", "name"),
            (Abi::Scale, "(u8, bool)", "0701", "(7, true)"),
            (Abi::Solidity, "uint8", "0000000000000000000000000000000000000000000000000000000000000007", "7"),
            (
                Abi::Solidity,
                "(uint8)",
                "0000000000000000000000000000000000000000000000000000000000000007",
                "7",
            ),
        ] {
            let output = hex::decode(output).expect("hex");
            assert_eq!(
                decode(abi, kind, &output).map(|value| value.to_text()).ok().as_deref(),
                Some(printed)
            );
        }
        assert!(decode(Abi::Scale, "u8", &[]).is_err());
        assert!(decode(Abi::Solidity, "uint8", &[]).is_err());
    }
}
