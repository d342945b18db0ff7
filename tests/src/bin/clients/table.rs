//! What the clients can do, as a table for people.

use std::fmt::Write;

use lathe_tests::clients::{Report, checks};

/// Returns Markdown: a row for each check, a column for each client, and why a client has no check.
pub(crate) fn render(reports: &[Report]) -> String {
    let mut text = String::from(
        "# Clients\n\nWritten by `make test-clients`, which runs each client's driver (`tests/clients`) against a node of its own. `x`: the\n\
         check passed; a number: the client cannot have it, for the reason below.\n\n",
    );
    let mut reasons: Vec<&str> = Vec::new();
    let columns: Vec<String> =
        reports.iter().map(|report| format!("{} {}", report.client, report.version)).collect();
    let _ = writeln!(text, "| check | what | {} |", columns.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(reports.len()));
    for (name, what) in checks() {
        let _ = write!(text, "| {name} | {what} |");
        for report in reports {
            let cell = match report.absent.get(&name) {
                None => "x".to_owned(),
                Some(reason) => {
                    let number = reasons.iter().position(|known| known == reason).unwrap_or_else(|| {
                        reasons.push(reason);
                        reasons.len() - 1
                    });
                    (number + 1).to_string()
                }
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text.push('\n');
    for (number, reason) in reasons.iter().enumerate() {
        let _ = writeln!(text, "{}. {reason}", number + 1);
    }
    text
}
