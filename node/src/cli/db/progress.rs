//! How far a long command is, on standard error.

use std::io::{IsTerminal, Write};

use lathe_state::Progress;

use super::Target;

/// Characters of a full bar.
const BAR_WIDTH: usize = 30;

/// A line that is drawn over itself. Draws nothing unless a person is looking.
pub(super) struct Bar {
    shown: bool,
    /// What was drawn last, so that equal lines are not drawn again.
    last: String,
}

impl Bar {
    /// Nobody looks at a command that answers in JSON.
    pub(super) fn new(target: &Target) -> Self {
        Self { shown: !target.json && std::io::stderr().is_terminal(), last: String::new() }
    }

    /// Draws how far `progress` is.
    pub(super) fn draw(&mut self, progress: Progress) {
        if !self.shown {
            return;
        }
        let line = line(progress);
        if line != self.last {
            let _ = write!(std::io::stderr(), "\r{line}");
            self.last = line;
        }
    }
}

/// Leaves an empty line behind.
impl Drop for Bar {
    fn drop(&mut self) {
        if !self.last.is_empty() {
            let _ = write!(std::io::stderr(), "\r{:width$}\r", "", width = self.last.chars().count());
        }
    }
}

fn line(Progress { what, done }: Progress) -> String {
    let done = done.clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a small number"
    )]
    let filled = (done * BAR_WIDTH as f64) as usize;
    format!("{:>3.0} % [{:<BAR_WIDTH$}] {what:<24}", done * 100.0, "#".repeat(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_width() {
        let widths = [0.0, 0.5, 1.0, 7.0].map(|done| line(Progress { what: "blocks", done }).len());
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{widths:?}");
    }
}
