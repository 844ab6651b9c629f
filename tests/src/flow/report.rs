//! The table.

use std::fmt::Write;
use std::io::IsTerminal;

use super::{Expected, Got, Row};

const GREEN: &str = "32";
const RED: &str = "31;1";
const DIM: &str = "2";
const BOLD: &str = "1";

/// Prints a line for each request, and how many were as expected; whether all were.
pub fn print(rows: &[Row]) -> bool {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (text, good) = table(rows, colours);
    print!("{text}");
    good
}

fn table(rows: &[Row], colours: bool) -> (String, bool) {
    let paint = |code: &str, text: String| match colours {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text,
    };
    let widest =
        |name: &str, of: &dyn Fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0).max(name.len());
    let name = widest("request", &|row| row.scenario.name.chars().count());
    let whom = widest("who", &|row| who(row).len());
    let expected = widest("expected", &|row| word(&row.expected).len());
    let why = widest("reason, or who the service saw", &|row| why(&row.got).len());
    let mut text = String::new();
    let head = format!(
        "{:name$}  {:whom$}  {:expected$}  {:3}  {:9}  {:why$}  {:>9}",
        "request", "who", "expected", "got", "layer", "reason, or who the service saw", "time"
    );
    let _ = writeln!(text, "\n{}", paint(BOLD, head));
    for row in rows {
        let (code, mark) = if row.is_good() { (GREEN, "") } else { (RED, "  <- unexpected") };
        let _ = writeln!(
            text,
            "{:name$}  {:whom$}  {:expected$}  {}  {:9}  {:why$}  {}{}",
            row.scenario.name,
            who(row),
            word(&row.expected),
            paint(code, format!("{:<3}", row.got.status)),
            row.got.layer,
            self::why(&row.got),
            paint(DIM, format!("{:>6.1} ms", row.time.as_secs_f64() * 1e3)),
            paint(RED, mark.to_owned()),
        );
        if let Some(fault) = &row.fault {
            let _ = writeln!(text, "{:name$}  {}", "", paint(RED, fault.clone()));
        }
    }
    let good = rows.iter().filter(|row| row.is_good()).count();
    let code = if good == rows.len() { GREEN } else { RED };
    let closing = format!("{good} of {} requests got what was expected", rows.len());
    let _ = writeln!(text, "\n{}", paint(code, closing));
    (text, good == rows.len())
}

/// The calling workload, and for whom it calls where that was verified.
fn who(row: &Row) -> String {
    let person = row.audit["subject"].as_str().map(|subject| format!(" for {subject}"));
    format!("{}{}", row.scenario.who.0, person.unwrap_or_default())
}

fn word(expected: &Expected) -> &str {
    if expected.reason.is_empty() { "allow" } else { expected.reason }
}

fn why(got: &Got) -> &str {
    if got.status == 200 { &got.upstream } else { &got.reason }
}
