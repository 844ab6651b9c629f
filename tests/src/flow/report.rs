//! The table.

use super::{Got, Row};

/// Prints a line for each request, and how many were as expected; whether all were.
pub fn print(rows: &[Row]) -> bool {
    println!(
        "\n{:<42}{:<14}{:<10}{:<6}{:<34}{:>9}",
        "request", "workload", "expected", "got", "layer and reason", "time"
    );
    println!("{}", "-".repeat(115));
    for row in rows {
        let mark = if row.is_good() { "" } else { "   <- unexpected" };
        println!(
            "{:<42}{:<14}{:<10}{:<6}{:<34}{:>6.1} ms{mark}",
            row.scenario.name,
            row.scenario.who.0,
            row.scenario.expected.status,
            row.got.status,
            why(&row.got),
            row.time.as_secs_f64() * 1e3,
        );
        if !row.is_good() && !row.scenario.expected.reason.is_empty() {
            println!("{:<42}expected reason {}", "", row.scenario.expected.reason);
        }
        if let Some(fault) = &row.fault {
            println!("{:<42}{fault}", "");
        }
    }
    let good = rows.iter().filter(|row| row.is_good()).count();
    println!("\n{good} of {} requests got what was expected", rows.len());
    good == rows.len()
}

fn why(got: &Got) -> String {
    match (got.layer.as_str(), got.reason.as_str()) {
        ("", "") if got.status == 200 => "allowed".to_owned(),
        ("", "") => "?".to_owned(),
        (layer, reason) if reason.starts_with(layer) => reason.to_owned(),
        (layer, reason) => format!("{layer}: {reason}"),
    }
}
