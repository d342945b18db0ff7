//! Printing results for people.

use std::io::{self, Write};

/// Writes text to standard output. A reader that went away, such as `head`, is no error.
pub(super) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes a line of JSON to standard output.
pub(super) fn print_json(value: &serde_json::Value) {
    print(&format!("{value}\n"));
}

/// Writes a line of JSON to standard output, already text: for reports whose keys keep their order.
pub(super) fn print_json_text(text: &str) {
    print(&format!("{text}\n"));
}

/// Returns a number with its thousands apart, as in 1,234,567.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
