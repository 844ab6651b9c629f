//! Lines made comparable, and compared.

use std::collections::BTreeMap;

use super::Transcript;
use super::differences::{DIFFERENCES, Difference};

/// What is different by nature, by name, and what stands in its place.
pub const RULES: &[(&str, fn(&str) -> Option<String>)] = &[
    ("the date of a response", |line| without(line, "date")),
    ("whether a connection is used again", |line| without(line, "connection")),
    ("how long an upstream took", |line| instead(line, "\"x-envoy-upstream-service-time\": \"", "time")),
    ("where a response is broken off", broken_off),
];

/// The line without a header, where it stands behind others.
fn without(line: &str, name: &str) -> Option<String> {
    let (before, rest) = line.split_once(&format!(", \"{name}\": \""))?;
    let (_, after) = rest.split_once('"')?;
    Some(format!("{before}{after}"))
}

/// The line with another value behind this text.
fn instead(line: &str, text: &str, value: &str) -> Option<String> {
    let (before, rest) = line.split_once(text)?;
    let (_, after) = rest.split_once('"')?;
    Some(format!("{before}{text}{value}\"{after}"))
}

/// Nothing and a part are the same to who waits for a whole.
fn broken_off(line: &str) -> Option<String> {
    let broken = line == "client got nothing" || line.starts_with("client got a part");
    broken.then(|| "client got no whole response".to_owned())
}

/// The line by the rules.
pub fn normal(line: &str) -> String {
    RULES.iter().fold(line.to_owned(), |line, (_, rule)| rule(&line).unwrap_or(line))
}

/// One place where the transcripts are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The exchange, by its script and number.
    pub exchange: String,
    /// The line of Envoy's, if it has one there.
    pub envoy: Option<String>,
    /// The simulator's.
    pub simulator: Option<String>,
}

/// Aligns two transcripts and gives what only one of them has, or both have otherwise.
pub fn differing(exchange: &str, envoy: &Transcript, simulator: &Transcript) -> Vec<Found> {
    let normal = |lines: &Transcript| lines.iter().map(|line| normal(line)).collect::<Vec<_>>();
    let (left, right) = (normal(envoy), normal(simulator));
    let found = |envoy: Option<&String>, simulator: Option<&String>| Found {
        exchange: exchange.to_owned(),
        envoy: envoy.cloned(),
        simulator: simulator.cloned(),
    };
    let (mut out, mut at, mut over) = (Vec::new(), 0, 0);
    while at < left.len() || over < right.len() {
        let (one, other) = (left.get(at), right.get(over));
        match (one, other) {
            (Some(one), Some(other)) if one == other => {}
            // The same question, answered differently.
            (Some(one), Some(other)) if question(one) == question(other) => {
                out.push(found(Some(one), Some(other)))
            }
            _ => {
                // The shortest way to where they agree again.
                let (skip, jump) =
                    resume(left.get(at..).unwrap_or_default(), right.get(over..).unwrap_or_default());
                out.extend(left.iter().skip(at).take(skip).map(|line| found(Some(line), None)));
                out.extend(right.iter().skip(over).take(jump).map(|line| found(None, Some(line))));
                at += skip;
                over += jump;
                continue;
            }
        }
        at += 1;
        over += 1;
    }
    out
}

/// A line without what was answered.
fn question(line: &str) -> &str {
    match line.split_once(" -> ") {
        Some((question, _)) => question,
        None => line.split_once(" got ").map_or(line, |(who, _)| who),
    }
}

/// How many lines to leave out on either side until both ask the same.
fn resume(left: &[String], right: &[String]) -> (usize, usize) {
    for total in 1..=left.len() + right.len() {
        for skip in 0..=total.min(left.len()) {
            let jump = total - skip;
            if jump > right.len() {
                continue;
            }
            match (left.get(skip), right.get(jump)) {
                (Some(one), Some(other)) if question(one) == question(other) => return (skip, jump),
                (None, None) => return (skip, jump),
                _ => {}
            }
        }
    }
    (left.len(), right.len())
}

/// What was compared, and what became of it.
#[derive(Default)]
pub struct Report {
    /// How many lines both have alike.
    pub same: usize,
    /// How often each known difference was found, by its place in the table.
    pub known: BTreeMap<usize, usize>,
    /// What no entry of the table explains.
    pub unknown: Vec<Found>,
}

impl Report {
    /// Compares one exchange.
    pub fn add(&mut self, exchange: &str, envoy: &Transcript, simulator: &Transcript) {
        let found = differing(exchange, envoy, simulator);
        self.same += envoy.len() - found.iter().filter(|one| one.envoy.is_some()).count();
        for one in found {
            match DIFFERENCES.iter().position(|known| known.explains(&one)) {
                Some(at) => *self.known.entry(at).or_default() += 1,
                None => self.unknown.push(one),
            }
        }
    }

    /// The entries of the table that explain nothing any more.
    pub fn idle(&self) -> Vec<&'static Difference> {
        let idle = DIFFERENCES.iter().enumerate().filter(|(at, _)| !self.known.contains_key(at));
        idle.map(|(_, difference)| difference).collect()
    }
}
