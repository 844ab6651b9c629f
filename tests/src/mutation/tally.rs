//! Cases asked of all, with every difference explained by the table or reported.

use std::collections::BTreeMap;

use anyhow::Result;

use super::table::RULES;
use super::verdicts::{Jose, JsonWebToken, Keys, Library, Ours};
use super::{Case, case};
use crate::mint;

/// How many cases are asked of Node at once.
const BATCH: usize = 250;

/// How many unexplained differences end a run.
const ENOUGH: usize = 20;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many tokens were tried.
    pub cases: usize,
    /// How many all three accepted, and all three refused.
    pub unanimous: [usize; 2],
    /// Unchanged tokens that were accepted.
    pub controls: usize,
    /// For each rule of the table, how many differences it explained, by library.
    pub explained: BTreeMap<(usize, Library), usize>,
    /// Differences that no rule explains.
    pub unexplained: Vec<String>,
}

impl Tally {
    /// Tries so many cases of a seed, from `first` on; stops early where much is unexplained.
    pub fn run(seed: u64, first: u64, cases: usize, mut progress: impl FnMut(usize)) -> Result<Self> {
        let keys = Keys::new()?;
        let mut ours = Ours::new(&keys)?;
        let crate_ = JsonWebToken::new(&keys)?;
        let mut jose = Jose::start(&keys)?;
        let mut tally = Self::default();
        let mut next = first;
        while tally.cases < cases && tally.unexplained.len() < ENOUGH {
            // One of them asks the system for the time.
            let now = mint::now();
            let end = next + BATCH.min(cases - tally.cases) as u64;
            let batch: Vec<Case> =
                (next..end).map(|number| case(&keys, seed, number, now)).collect::<Result<_>>()?;
            next = end;
            let tokens: Vec<&str> = batch.iter().map(|case| &*case.token).collect();
            let by_jose = jose.verdicts(&tokens, now)?;
            for (case, by_jose) in batch.iter().zip(by_jose) {
                let verdict = ours.verdict(&case.token, now);
                tally.add(
                    case,
                    verdict,
                    &[(Library::JsonWebToken, crate_.verdict(&case.token)), (Library::Jose, by_jose)],
                );
            }
            progress(tally.cases);
        }
        if !tally.unexplained.is_empty() {
            tally.unexplained.push(format!("keys: {}", keys.jwks()));
        }
        Ok(tally)
    }

    fn add(&mut self, case: &Case, ours: Result<(), &'static str>, theirs: &[(Library, Result<(), String>)]) {
        self.cases += 1;
        if theirs.iter().all(|(_, verdict)| verdict.is_ok() == ours.is_ok()) {
            self.unanimous[usize::from(ours.is_err())] += 1;
        }
        if case.changes.is_empty() {
            // A control that is refused proves nothing, whoever refuses it.
            match (&ours, theirs.iter().all(|(_, verdict)| verdict.is_ok())) {
                (Ok(()), true) => self.controls += 1,
                _ => self.unexplained.push(format!("{}: a good token: {ours:?}, {theirs:?}", case.id)),
            }
            return;
        }
        for (library, verdict) in theirs {
            if verdict.is_ok() == ours.is_ok() {
                continue;
            }
            match RULES.iter().position(|rule| rule.explains(*library, &ours, &case.changes)) {
                Some(rule) => *self.explained.entry((rule, *library)).or_default() += 1,
                None => self.unexplained.push(format!(
                    "{} ({}) {:?}: ours {ours:?}, {library} {verdict:?}\n    {}",
                    case.id, case.algorithm, case.changes, case.token
                )),
            }
        }
    }

    /// What came of it, as text.
    pub fn summary(&self) -> String {
        let [accepted, refused] = self.unanimous;
        let mut text = format!(
            "{} tokens: {accepted} accepted by all ({} unchanged), {refused} refused by all; differences:\n",
            self.cases, self.controls
        );
        for (at, rule) in RULES.iter().enumerate() {
            let count = |library| self.explained.get(&(at, library)).copied().unwrap_or_default();
            text.push_str(&format!(
                "{:>7} {:>7}  {}\n",
                count(Library::JsonWebToken),
                count(Library::Jose),
                rule.name
            ));
        }
        text.push_str(&format!("{:>7} {:>7}  (jsonwebtoken, jose)", "", ""));
        text
    }
}
