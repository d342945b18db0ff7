//! SCALE types and their notation.

use std::{fmt, str::FromStr};

/// A type that SCALE can encode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Type {
    Bool,
    /// An unsigned integer of this many bits, a power of two from 8 to 256.
    Uint(u16),
    /// A signed integer of this many bits, a power of two from 8 to 128.
    Int(u16),
    /// UTF-8 text with its length.
    Text,
    /// Bytes with their length; the same encoding as a vector of `u8`.
    Bytes,
    /// This many bytes, without a length.
    FixedBytes(usize),
    Option(Box<Type>),
    Vec(Box<Type>),
    Array(Box<Type>, usize),
    Tuple(Vec<Type>),
}

/// Types inside types: more than any contract has, fewer than recursion could mind.
const NESTING_MAX: usize = 32;

/// Elements of an array type.
const ARRAY_MAX: usize = 1 << 16;

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parser = TypeParser { rest: text.trim(), depth: 0 };
        let parsed = parser.parse().map_err(|why| format!("type {text:?}: {why}"))?;
        match parser.rest {
            "" => Ok(parsed),
            rest => Err(format!("type {text:?}: unexpected {rest:?}")),
        }
    }
}

struct TypeParser<'a> {
    rest: &'a str,
    depth: usize,
}

impl TypeParser<'_> {
    fn parse(&mut self) -> Result<Type, String> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(format!("more than {NESTING_MAX} types inside each other"));
        }
        let parsed = if self.take("(") {
            self.tuple()
        } else if self.take("[") {
            self.array()
        } else {
            self.named()
        };
        self.depth -= 1;
        parsed
    }

    fn tuple(&mut self) -> Result<Type, String> {
        let mut members = Vec::new();
        while !self.take(")") {
            members.push(self.parse()?);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(Type::Tuple(members))
    }

    fn array(&mut self) -> Result<Type, String> {
        let element = self.parse()?;
        self.expect(";")?;
        let digits = self.word();
        let len = digits.parse().ok().filter(|len| *len <= ARRAY_MAX);
        let len = len.ok_or_else(|| format!("{digits:?} is no array length (at most {ARRAY_MAX})"))?;
        self.expect("]")?;
        Ok(if element == Type::Uint(8) { Type::FixedBytes(len) } else { Type::Array(Box::new(element), len) })
    }

    fn named(&mut self) -> Result<Type, String> {
        let name = self.word().to_owned();
        let parsed = match name.as_str() {
            "bool" => Type::Bool,
            "str" | "String" | "string" => Type::Text,
            "bytes" => Type::Bytes,
            "u8" => Type::Uint(8),
            "u16" => Type::Uint(16),
            "u32" => Type::Uint(32),
            "u64" => Type::Uint(64),
            "u128" => Type::Uint(128),
            "u256" | "U256" => Type::Uint(256),
            "i8" => Type::Int(8),
            "i16" => Type::Int(16),
            "i32" => Type::Int(32),
            "i64" => Type::Int(64),
            "i128" => Type::Int(128),
            "address" | "Address" | "H160" => Type::FixedBytes(20),
            "H256" | "B256" => Type::FixedBytes(32),
            "Option" => Type::Option(Box::new(self.argument()?)),
            "Vec" => match self.argument()? {
                Type::Uint(8) => Type::Bytes,
                element if element.is_empty() => return Err(format!("a vector of {element} has no size")),
                element => Type::Vec(Box::new(element)),
            },
            "" => return Err(format!("expected a type at {:?}", self.rest)),
            _ => return Err(format!("unknown type {name:?}: known are {KNOWN}")),
        };
        Ok(parsed)
    }

    fn argument(&mut self) -> Result<Type, String> {
        self.expect("<")?;
        let argument = self.parse()?;
        self.expect(">")?;
        Ok(argument)
    }

    fn word(&mut self) -> &str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("expected {token:?} at {:?}", self.rest)) }
    }
}

/// The notation of types, for errors and help.
const KNOWN: &str =
    "bool, u8 to u256, i8 to i128, str, bytes, address, H256, [T; n], Vec<T>, Option<T>, (T, …)";

impl Type {
    /// Returns whether values of the type encode to no bytes at all.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Tuple(members) => members.iter().all(Self::is_empty),
            Self::FixedBytes(len) => *len == 0,
            Self::Array(element, len) => *len == 0 || element.is_empty(),
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Uint(bits) => write!(f, "u{bits}"),
            Self::Int(bits) => write!(f, "i{bits}"),
            Self::Text => f.write_str("str"),
            Self::Bytes => f.write_str("bytes"),
            Self::FixedBytes(len) => write!(f, "[u8; {len}]"),
            Self::Option(inner) => write!(f, "Option<{inner}>"),
            Self::Vec(element) => write!(f, "Vec<{element}>"),
            Self::Array(element, len) => write!(f, "[{element}; {len}]"),
            Self::Tuple(members) => {
                f.write_str("(")?;
                for (index, member) in members.iter().enumerate() {
                    write!(f, "{}{member}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str(if members.len() == 1 { ",)" } else { ")" })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_written() {
        for (text, written) in [
            ("bool", "bool"),
            (" string ", "str"),
            ("Vec<u8>", "bytes"),
            ("[u8;32]", "[u8; 32]"),
            ("address", "[u8; 20]"),
            ("Vec< Option<(u8, str)> >", "Vec<Option<(u8, str)>>"),
            ("()", "()"),
            ("(u8,)", "(u8,)"),
            ("[u16; 3]", "[u16; 3]"),
            ("u256", "u256"),
        ] {
            assert_eq!(text.parse::<Type>().map(|parsed| parsed.to_string()), Ok(written.into()), "{text}");
        }
    }

    #[test]
    fn what_is_no_type_is_refused_in_words() {
        for (text, expected) in [
            ("", "expected a type"),
            ("u7", "unknown type \"u7\""),
            ("f64", "unknown type"),
            ("Vec<u8", "expected \">\""),
            ("u8 u8", "unexpected"),
            ("[u8; 99999999]", "no array length"),
            ("Vec<()>", "has no size"),
            (&"Vec<".repeat(100), "inside each other"),
        ] {
            let error = text.parse::<Type>().expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
