//! Values as they are typed at the command line.
//!
//! Alone, text is taken as it is; inside a list or tuple it is quoted as in JSON. `[1, 2]` is a vector or array,
//! `(1, "a")` a tuple, `none` and `some(1)` are options, bytes are hex.

use alloy_primitives::{I256, U256};

use super::types::Type;
use crate::cli::value::Value;

/// Reads a value of a type.
pub(in crate::cli) fn parse_value(kind: &Type, text: &str) -> Result<Value, String> {
    if *kind == Type::Text {
        return Ok(Value::Text(text.to_owned()));
    }
    let fail = |why: String| format!("{text:?} is no {kind}: {why}");
    let mut parser = ValueParser { rest: text.trim() };
    let value = parser.parse(kind).map_err(fail)?;
    match parser.rest {
        "" => Ok(value),
        rest => Err(fail(format!("unexpected {rest:?}"))),
    }
}

struct ValueParser<'a> {
    rest: &'a str,
}

impl ValueParser<'_> {
    /// Reads a value; the depth of recursion is that of the type, which has a limit.
    fn parse(&mut self, kind: &Type) -> Result<Value, String> {
        match kind {
            Type::Bool => match self.word() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                other => Err(format!("expected true or false, got {other:?}")),
            },
            Type::Uint(bits) => parse_uint(self.word(), *bits).map(Value::Uint),
            Type::Int(bits) => parse_int(self.word(), *bits).map(Value::Int),
            Type::Text => self.quoted().map(Value::Text),
            Type::Bytes => parse_bytes(self.word()).map(Value::Bytes),
            Type::FixedBytes(len) => {
                let bytes = parse_bytes(self.word())?;
                match bytes.len() {
                    got if got == *len => Ok(Value::Bytes(bytes)),
                    got => Err(format!("expected {len} bytes, got {got}")),
                }
            }
            Type::Option(inner) => self.option(inner),
            Type::Vec(element) => self.list(']', "[", |_| Some(element)).map(Value::List),
            Type::Array(element, len) => {
                let values = self.list(']', "[", |_| Some(element))?;
                match values.len() {
                    got if got == *len => Ok(Value::List(values)),
                    got => Err(format!("expected {len} elements, got {got}")),
                }
            }
            Type::Tuple(members) => {
                let values = self.list(')', "(", |index| members.get(index))?;
                match values.len() {
                    got if got == members.len() => Ok(Value::Tuple(values)),
                    got => Err(format!("expected {} members, got {got}", members.len())),
                }
            }
        }
    }

    fn option(&mut self, inner: &Type) -> Result<Value, String> {
        for none in ["none", "None", "null"] {
            if self.take(none) {
                return Ok(Value::Optional(None));
            }
        }
        if !self.take("some(") && !self.take("Some(") {
            return Err("expected none or some(…)".into());
        }
        let value = self.parse(inner)?;
        self.expect(")")?;
        Ok(Value::Optional(Some(Box::new(value))))
    }

    fn list<'t>(
        &mut self,
        close: char,
        open: &str,
        kind: impl Fn(usize) -> Option<&'t Type>,
    ) -> Result<Vec<Value>, String> {
        let close = close.to_string();
        self.expect(open)?;
        let mut values = Vec::new();
        while !self.take(&close) {
            let kind = kind(values.len()).ok_or_else(|| format!("more than {} members", values.len()))?;
            values.push(self.parse(kind)?);
            if !self.take(",") {
                self.expect(&close)?;
                break;
            }
        }
        Ok(values)
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
        let text = match stream.next() {
            Some(Ok(text)) => text,
            _ => return Err(format!("expected text in double quotes at {:?}", self.rest)),
        };
        self.rest = self.rest[stream.byte_offset()..].trim_start();
        Ok(text)
    }

    fn word(&mut self) -> &str {
        let end = self.rest.find([',', ')', ']', ' ']).unwrap_or(self.rest.len());
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

fn parse_uint(text: &str, bits: u16) -> Result<U256, String> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(format!("{text:?} is no number"));
    }
    let value =
        U256::from_str_radix(digits, radix).map_err(|_| format!("{text:?} is no number of 256 bits"))?;
    if value.bit_len() > usize::from(bits) {
        return Err(format!("{text} needs more than {bits} bits"));
    }
    Ok(value)
}

fn parse_int(text: &str, bits: u16) -> Result<I256, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude = parse_uint(digits, bits).map_err(|why| why.replace(digits, text))?;
    let value = if negative { -I256::from_raw(magnitude) } else { I256::from_raw(magnitude) };
    let half = I256::ONE << usize::from(bits - 1);
    if value >= half || value < -half {
        return Err(format!("{text} needs more than {bits} bits"));
    }
    Ok(value)
}

fn parse_bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").ok_or_else(|| format!("{text:?} has no 0x prefix"))?;
    hex::decode(digits).map_err(|error| format!("{text:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_written_alike() {
        for (kind, text, written) in [
            ("bool", "true", "true"),
            ("u8", "255", "255"),
            ("u8", "0xff", "255"),
            ("i8", "-128", "-128"),
            ("i128", "-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728"),
            ("str", "a \"b\"", r#""a \"b\"""#),
            ("bytes", "0x", "0x"),
            ("[u8; 2]", "0x0102", "0x0102"),
            ("Vec<u16>", "[1,2, 3]", "[1, 2, 3]"),
            ("(str, u8)", r#"("a, b)", 1)"#, r#"("a, b)", 1)"#),
            ("Option<u8>", "none", "none"),
            ("Option<Option<u8>>", "some( none )", "some(none)"),
            ("Vec<(u8,Option<str>)>", r#"[(1,some("x")),(2,none)]"#, r#"[(1, some("x")), (2, none)]"#),
            ("()", "()", "()"),
        ] {
            let kind: Type = kind.parse().expect(kind);
            assert_eq!(
                parse_value(&kind, text).map(|value| value.to_string()),
                Ok(written.into()),
                "{kind} {text}"
            );
        }
    }

    #[test]
    fn what_is_no_value_of_the_type_is_refused_in_words() {
        for (kind, text, expected) in [
            ("u8", "256", "256 needs more than 8 bits"),
            ("u8", "-1", "\"-1\" is no number"),
            ("u8", "", "is no number"),
            ("u8", "abc", "is no number"),
            ("i8", "128", "128 needs more than 8 bits"),
            ("i8", "-129", "-129 needs more than 8 bits"),
            ("i128", "-340282366920938463463374607431768211455", "needs more than 128 bits"),
            ("bool", "yes", "expected true or false"),
            ("bytes", "0102", "no 0x prefix"),
            ("bytes", "0x1", "Odd number"),
            ("[u8; 2]", "0x01", "expected 2 bytes, got 1"),
            ("(u8, u8)", "(1)", "expected 2 members, got 1"),
            ("(u8,)", "(1, 2)", "more than 1 members"),
            ("Vec<u8>", "0x01 02", "unexpected \"02\""),
            ("Vec<str>", "[a]", "in double quotes"),
            ("Option<u8>", "1", "expected none or some"),
        ] {
            let kind: Type = kind.parse().expect(kind);
            let error = parse_value(&kind, text).expect_err(text);
            assert!(error.contains(expected), "{kind} {text}: {error}");
        }
    }
}
