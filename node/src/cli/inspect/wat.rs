//! The code of a module as text. A comment before each instruction tells its offset, which is how traps and traces name it,
//! and its ink. The whole stays WebAssembly text.

use std::{
    collections::HashMap,
    io::{self, BufWriter, StdoutLock, Write},
};

use lathe_vm::{InstructionPrice, Rules, prices};
use wasmprinter::{Config, Print};

/// The width of the column of ink: five digits, a price of eight and its unit.
const INK_WIDTH: usize = 19;
/// The width of an offset: a module of 16 MiB.
const OFFSET_WIDTH: usize = 8;
/// What stands around the two columns.
const FRAME_WIDTH: usize = 9;

/// The most text that is printed. A module of the greatest size makes a fifth of it; one that claims more locals than any
/// rule allows could make gigabytes.
const TEXT_BYTES_MAX: u64 = 1 << 28;

/// Prints the code of a module to standard output, as far as it can be read.
pub(super) fn print(bytes: &[u8], rules: &Rules) -> Result<(), String> {
    let prices = prices(bytes, rules).into_iter().map(|price| (price.offset, price)).collect();
    let out = BufWriter::new(io::stdout().lock());
    let mut text = Annotated { out, prices, pending: None, bytes: 0, ended: None };
    let config = Config::new();
    let result = config.print(bytes, &mut text);
    let flushed = text.write_str("\n").and_then(|()| text.out.flush());
    match (text.ended, result, flushed) {
        // A reader that went away, such as `head`, is no error.
        (Some(End::Closed), _, _) => Ok(()),
        (Some(End::TooLong), _, _) => {
            Err(format!("the text has more than {TEXT_BYTES_MAX} bytes; it was cut"))
        }
        (None, Err(error), _) => Err(error.to_string()),
        (None, Ok(()), _) => Ok(()),
    }
}

/// Why printing ended early.
enum End {
    Closed,
    TooLong,
}

/// Text with a column of ink before each line.
struct Annotated<'a> {
    out: BufWriter<StdoutLock<'a>>,
    /// By offset; entering a function is at its body's.
    prices: HashMap<u64, InstructionPrice>,
    /// The column of a line that has not begun.
    pending: Option<String>,
    bytes: u64,
    ended: Option<End>,
}

impl Print for Annotated<'_> {
    fn write_str(&mut self, text: &str) -> io::Result<()> {
        if let Some(column) = self.pending.take() {
            self.put(&column)?;
        }
        self.put(text)
    }

    fn start_line(&mut self, offset: Option<u64>) {
        let price = offset.and_then(|offset| self.prices.get(&offset));
        self.pending = Some(price.map_or_else(|| " ".repeat(OFFSET_WIDTH + INK_WIDTH + FRAME_WIDTH), column));
    }
}

impl Annotated<'_> {
    fn put(&mut self, text: &str) -> io::Result<()> {
        self.bytes += text.len() as u64;
        if self.bytes > TEXT_BYTES_MAX {
            self.ended = Some(End::TooLong);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out.write_all(text.as_bytes()).inspect_err(|_| self.ended = Some(End::Closed))
    }
}

fn column(price: &InstructionPrice) -> String {
    let ink = match price.per {
        Some((each, unit)) => format!("{}+{each}/{unit}", price.ink),
        None => price.ink.to_string(),
    };
    format!("(; {:#0OFFSET_WIDTH$x}  {ink:>INK_WIDTH$} ;) ", price.offset)
}
