//! What was tried, what was expected of it, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use countersign_core::reason::Reason;

/// What a harmless request comes to.
pub(crate) const ALLOWED: &str = "allow";

/// What becomes of a forged header on a request that is let through: it goes no further.
pub(crate) const STRIPPED: &str = "stripped";

/// What becomes of a configuration that would let an attack in.
pub(crate) const NOT_LOADED: &str = "not loaded";

/// One attack, or one control.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Category and name, between them a slash.
    pub(crate) id: String,
    /// Whether it is an attack.
    pub(crate) attack: bool,
    /// What should come of it.
    pub(crate) expected: &'static str,
    /// What came of it.
    pub(crate) found: String,
}

/// All that was tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    /// In the order in which they were tried.
    pub(crate) entries: Vec<Entry>,
}

impl Catalogue {
    /// Notes an attack, with the reason code that it should be refused with.
    pub(crate) fn attack(&mut self, id: impl Into<String>, expected: &'static str, found: impl Into<String>) {
        self.entries.push(Entry { id: id.into(), attack: true, expected, found: found.into() });
    }

    /// Notes a control, which should be let through.
    pub(crate) fn control(&mut self, id: impl Into<String>, found: impl Into<String>) {
        self.entries.push(Entry { id: id.into(), attack: false, expected: ALLOWED, found: found.into() });
    }

    /// The entry with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// How many attacks and how many controls there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let attacks = self.entries.iter().filter(|entry| entry.attack).count();
        (attacks, self.entries.len() - attacks)
    }

    /// A line for each category: attacks refused, controls accepted.
    pub(crate) fn summary(&self) -> String {
        let mut categories: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
        for entry in &self.entries {
            let tally = categories.entry(entry.category()).or_default();
            let at = if entry.attack { 0 } else { 2 };
            tally[at] += usize::from(entry.is_as_expected());
            tally[at + 1] += 1;
        }
        let mut text = format!("{:<14}{:>18}{:>19}\n", "category", "attacks refused", "controls accepted");
        let mut total = [0; 4];
        for (category, tally) in categories {
            let _ = writeln!(text, "{}", line(category, tally));
            for (sum, count) in total.iter_mut().zip(tally) {
                *sum += count;
            }
        }
        text + &line("all", total)
    }

    /// What is wrong with the catalogue or with what came of it, one line each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let codes: BTreeSet<&str> =
            Reason::ALL.iter().map(|reason| reason.code()).chain([STRIPPED, NOT_LOADED]).collect();
        let mut seen = BTreeSet::new();
        let mut faults = Vec::new();
        for entry in &self.entries {
            let Entry { id, attack, expected, found } = entry;
            if !seen.insert(id) {
                faults.push(format!("{id}: the name stands twice"));
            }
            if *attack && !codes.contains(expected) {
                faults.push(format!("{id}: `{expected}` is no reason code"));
            }
            if !entry.is_as_expected() {
                faults.push(format!("{id}: expected `{expected}`, found `{found}`"));
            }
        }
        faults
    }
}

impl Entry {
    fn category(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }

    fn is_as_expected(&self) -> bool {
        self.expected == self.found
    }
}

fn line(name: &str, [refused, attacks, accepted, controls]: [usize; 4]) -> String {
    let share = |part: usize, whole: usize| format!("{part}/{whole}");
    format!("{name:<14}{:>18}{:>19}", share(refused, attacks), share(accepted, controls))
}
