//! What contracts print, for the node's log and for tests. Outside consensus: contracts pay for printing, and cannot
//! tell whether anybody reads it.
//!
//! Printing costs the contract little, so what is kept of one transaction is bounded; the rest is counted.

use alloy_primitives::Address;
use lathe_vm::Value;
use serde::Serialize;

/// Lines kept of one transaction.
pub const CONSOLE_LINES_MAX: usize = 1_000;
/// Bytes kept of one line; the rest is cut.
pub const CONSOLE_LINE_BYTES_MAX: usize = 4_096;

/// A line that a contract printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsoleLine {
    /// The contract.
    pub contract: Address,
    /// What it printed, without control characters but the end of a line and tabs.
    pub text: String,
}

impl std::fmt::Display for ConsoleLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.contract, self.text)
    }
}

/// What the contracts of one transaction printed, also those whose frames failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Console {
    /// The first lines, at most [`CONSOLE_LINES_MAX`].
    pub lines: Vec<ConsoleLine>,
    /// How many lines more were printed.
    pub omitted: u64,
    /// Who printed the last line, kept or not, and as much of its bytes as decide its text: what a contract prints before it
    /// gives up. Only then is it made a text, for most lines beyond those that are kept are never read.
    last: Option<(Address, Vec<u8>)>,
}

impl Console {
    /// Takes a line. Bytes that are no UTF-8 become U+FFFD.
    pub(super) fn print(&mut self, contract: Address, bytes: &[u8]) {
        // One byte more tells that there were more.
        let bytes = &bytes[..bytes.len().min(CONSOLE_LINE_BYTES_MAX + 1)];
        if self.lines.len() < CONSOLE_LINES_MAX {
            self.lines.push(ConsoleLine { contract, text: text_of(bytes) });
        } else {
            self.omitted += 1;
        }
        let (last_contract, last) = self.last.get_or_insert_default();
        *last_contract = contract;
        last.clear();
        last.extend_from_slice(bytes);
    }

    /// Takes a number. Floats are printed as Rust does: the shortest decimal that is read back as the same number.
    pub(super) fn print_number(&mut self, contract: Address, number: Value) {
        self.print(contract, number_text(number).as_bytes());
    }

    /// Returns what `contract` printed, if nobody has printed since.
    pub(super) fn last_words(&self, contract: Address) -> Option<String> {
        self.last.as_ref().filter(|(by, _)| *by == contract).map(|(_, bytes)| text_of(bytes))
    }
}

/// Returns the text of a line, cut and without control characters.
fn text_of(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(CONSOLE_LINE_BYTES_MAX)];
    let printable =
        |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c };
    let mut text: String = String::from_utf8_lossy(cut).chars().map(printable).collect();
    if cut.len() < bytes.len() {
        text.push('\u{2026}');
    }
    text
}

/// Returns a number as it is printed.
pub(super) fn number_text(number: Value) -> String {
    match number {
        Value::I32(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::F32(bits) => f32::from_bits(bits).to_string(),
        Value::F64(bits) => f64::from_bits(bits).to_string(),
        other => unreachable!("linking checked that a number is printed, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_printable() {
        let mut console = Console::default();
        let contract = Address::repeat_byte(1);
        console.print(contract, b"a\x1b[31m\xff\n\tb");
        assert_eq!(console.lines[0].text, "a\u{fffd}[31m\u{fffd}\n\tb");
        console.print(contract, &vec![b'x'; CONSOLE_LINE_BYTES_MAX + 1]);
        assert_eq!(console.lines[1].text.chars().count(), CONSOLE_LINE_BYTES_MAX + 1, "and an ellipsis");
        for number in 0..2_000 {
            console.print_number(contract, Value::I32(number));
        }
        assert_eq!((console.lines.len(), console.omitted), (CONSOLE_LINES_MAX, 1_002));
        assert_eq!(console.last_words(contract).as_deref(), Some("1999"));
        assert_eq!(console.last_words(Address::ZERO), None);
    }
}
