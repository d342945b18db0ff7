//! How values, amounts and texts of contracts are shown to people: in few words, and without what a terminal would obey.

use std::{borrow::Cow, io::IsTerminal};

use alloy_primitives::{U256, utils::format_ether};

use super::value::Value;

/// Bytes of a value that is not decoded which are shown.
const BYTES_SHOWN_MAX: usize = 100;
/// Characters of a decoded value which are shown.
const CHARS_SHOWN_MAX: usize = 200;

/// Colours of a terminal; none elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colours: bool,
}

/// When there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Colours {
    /// On a terminal whose user has not asked for none (https://no-color.org)
    #[default]
    Auto,
    /// Wherever the text goes
    Always,
    /// Nowhere
    Never,
}

impl Colours {
    /// Returns whether text that goes to a stream has colours.
    pub(super) fn of(self, stream: &impl IsTerminal) -> bool {
        let is_declined = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Self::Auto => stream.is_terminal() && !is_declined(),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

impl Paint {
    /// Returns what suits a stream.
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        Self::when(Colours::Auto.of(stream))
    }

    /// Returns colours, or none.
    pub(super) fn when(colours: bool) -> Self {
        Self { colours }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Returns text in the colour of what succeeded.
    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Returns text in the colour of what failed.
    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Returns text in the colour of what was emitted.
    pub(super) fn event(self, text: &str) -> String {
        self.with("36", text)
    }

    /// Returns text in the colour of what is there to be looked up.
    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }
}

/// Returns values in a list, each with its name if it has one.
pub(super) fn arguments(values: &[(String, Value)]) -> String {
    let shown = values.iter().map(|(name, value)| {
        let value = printable(&value.to_string());
        let value = beginning(&value, CHARS_SHOWN_MAX);
        if name.is_empty() { value.into_owned() } else { format!("{name}: {value}") }
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Returns text without what a terminal would obey, on one line.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Returns whether a character moves the cursor, changes colours, ends lines, or turns the direction of what follows.
fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Returns the beginning of text that is too long to be shown.
pub(super) fn beginning(text: &str, chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// Returns in hex the beginning of data of so many bytes, as much as is worth showing.
pub(super) fn bytes(beginning: &[u8], length: usize) -> String {
    let head = beginning.get(..BYTES_SHOWN_MAX).unwrap_or(beginning);
    match head.len() < length {
        true => format!("0x{}… ({length} bytes)", hex::encode(head)),
        false => format!("0x{}", hex::encode(head)),
    }
}

/// Returns an amount of wei in the unit that suits it.
pub(super) fn ether(value: U256) -> String {
    // Small amounts are told in the smallest unit.
    if value < U256::from(1_000_000_000) {
        return format!("{value} wei");
    }
    let text = format_ether(value);
    let text = text.trim_end_matches('0');
    format!("{} ether", text.strip_suffix('.').unwrap_or(text))
}
