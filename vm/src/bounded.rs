//! Text whose length a module decides, cut to what a person reads.

use alloc::string::String;
use core::fmt::{self, Display, Write};

/// The most bytes of a name or type that are shown.
pub(crate) const SHOWN_BYTES_MAX: usize = 256;

/// The end of a text that was cut.
pub(crate) const ELLIPSIS: &str = "...";

/// A writer that takes [`SHOWN_BYTES_MAX`] bytes, then an ellipsis, then nothing: whoever writes to it is stopped.
#[derive(Default)]
pub(crate) struct Bounded(pub(crate) String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = SHOWN_BYTES_MAX.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        if self.0.len() <= SHOWN_BYTES_MAX {
            self.0.push_str(&text[..text.floor_char_boundary(room)]);
            self.0.push_str(ELLIPSIS);
        }
        Err(fmt::Error)
    }
}

/// Returns the text of a value, cut.
pub(crate) fn cut(value: impl Display) -> String {
    let mut text = Bounded::default();
    let _full = write!(text, "{value}");
    text.0
}

/// Returns a text, cut, in which nothing controls a terminal. Quotes stay as they are.
pub(crate) fn cut_printable(text: &str) -> String {
    let mut cut = Bounded::default();
    for c in text.chars() {
        let written = match c {
            '"' | '\'' | '\\' => cut.write_char(c),
            _ => write!(cut, "{}", c.escape_debug()),
        };
        if written.is_err() {
            break;
        }
    }
    cut.0
}
