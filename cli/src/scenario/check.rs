//! What can be said of a scenario before it runs: that every expectation will be held against a decision, and that nothing is
//! named that is not there.

use super::expect::Expect;
use super::format::{AnswerSpec, Case, ProofChoice, Publication, Step, Upstreams};
use super::short::Short;
use countersign_core::config::Config;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a configuration has that scenarios may name.
pub(super) struct Checked<'a> {
    clusters: BTreeSet<&'a str>,
    /// Those whose keys are fetched: what they publish can change.
    issuers: BTreeSet<&'a str>,
    /// Signing keys of the file.
    keys: BTreeSet<&'a str>,
    config: &'a Config,
}

impl<'a> Checked<'a> {
    /// The names in a configuration, and of the file's own keys.
    pub(super) fn by(config: &'a Config, keys: impl Iterator<Item = &'a String>) -> Self {
        let clusters = config.clusters().collect();
        let fetched = config.issuers.iter().filter(|issuer| issuer.keys.cluster().is_some());
        let issuers = fetched.map(|issuer| issuer.issuer.as_str()).collect();
        Self { clusters, issuers, keys: keys.map(String::as_str).collect(), config }
    }

    /// Demands that the key of a proof exists.
    pub(super) fn proof(&self, proof: Option<&ProofChoice>) -> Result<(), String> {
        let name = match proof {
            None => None,
            Some(Short::Text(name)) => Some(name).filter(|name| *name != "none"),
            Some(Short::Whole(spec)) => spec.key.as_ref(),
        };
        among("a key of the file", &self.keys, name)
    }

    /// Demands that scripted clusters exist, and that each answer is one.
    pub(super) fn upstreams(&self, upstreams: &Upstreams) -> Result<(), String> {
        among("a cluster that the configuration calls", &self.clusters, upstreams.keys())?;
        for (cluster, paths) in upstreams {
            for (path, answers) in paths {
                for (index, answer) in answers.iter().enumerate() {
                    self.answer(answer, cluster, path)
                        .map_err(|message| format!("`{cluster}[\"{path}\"][{index}]`: {message}"))?;
                }
            }
        }
        Ok(())
    }

    fn answer(&self, answer: &AnswerSpec, cluster: &str, path: &str) -> Result<(), String> {
        let documents = [
            ("body", answer.body.is_some()),
            ("keys", answer.keys.is_some()),
            ("revocations", answer.revocations.is_some()),
            ("status_list", answer.status_list.is_some()),
            ("token", answer.token.is_some()),
        ];
        let given = documents.iter().filter(|(_, given)| *given).map(|(name, _)| format!("`{name}`"));
        let given: Vec<String> = given.collect();
        if given.len() > 1 {
            return Err(format!("expected one of {}, found all of them", given.join(" and ")));
        }
        if let Some(list) = &answer.status_list {
            list.check(self.config, cluster, path)?;
            self.key("status_list", list.key.as_ref())?;
        }
        if let Some(feed) = &answer.revocations {
            feed.check(self.config, cluster, path)?;
            self.key("revocations", feed.key.as_ref())?;
        }
        Ok(())
    }

    fn key(&self, signed: &str, name: Option<&String>) -> Result<(), String> {
        among("a key of the file", &self.keys, name).map_err(|message| format!("`{signed}.key`: {message}"))
    }

    fn sources(
        &self,
        issuers: &BTreeMap<String, Publication>,
        upstreams: &Upstreams,
        place: &str,
    ) -> Result<(), String> {
        among("an issuer whose keys are fetched", &self.issuers, issuers.keys())
            .map_err(|message| format!("`{place}issuers`: {message}"))?;
        self.upstreams(upstreams).map_err(|message| format!("`{place}upstreams`: {message}"))
    }

    /// Demands that a case judges what it decides, and names what is there.
    pub(super) fn case(&self, case: &Case) -> Result<(), String> {
        if case.request.is_none() && case.steps.is_empty() {
            return Err(String::from("expected `request` or `steps`"));
        }
        expectation(case.expect.as_ref(), case.request.is_some(), "")?;
        self.sources(&case.issuers, &case.upstreams, "")?;
        self.proof(case.proof.as_ref()).map_err(|message| format!("`proof`: {message}"))?;
        let mut held = BTreeSet::new();
        for (index, step) in case.steps.iter().enumerate() {
            let place = format!("steps[{index}]");
            stepwise(step, &mut held).map_err(|message| format!("`{place}`: {message}"))?;
            expectation(step.expect.as_ref(), decides(step), &format!("{place}."))?;
            self.sources(&step.issuers, &step.upstreams, &format!("{place}."))?;
            self.proof(step.proof.as_ref()).map_err(|message| format!("`{place}.proof`: {message}"))?;
        }
        if let Some(name) = held.first() {
            return Err(format!(
                "expected a step with `settle: {name}` or `close: {name}` for the held request, found none"
            ));
        }
        if case.request.is_none() && !case.steps.iter().any(decides) {
            return Err(String::from("expected a step that decides a request, found none"));
        }
        Ok(())
    }
}

/// Whether a step brings a decision.
fn decides(step: &Step) -> bool {
    (step.request.is_some() && step.hold.is_none()) || step.settle.is_some() || step.close.is_some()
}

/// Demands that a step does something, to requests that are there; `held` are those that wait.
fn stepwise<'s>(step: &'s Step, held: &mut BTreeSet<&'s str>) -> Result<(), String> {
    let sources = !step.issuers.is_empty() || !step.upstreams.is_empty();
    if step.request.is_none() {
        for (name, given) in [
            ("hold", step.hold.is_some()),
            ("token", step.token.is_some()),
            ("proof", step.proof.is_some()),
            ("peer", step.peer.is_some()),
        ] {
            if given {
                return Err(format!("expected `request` beside `{name}`, found none"));
            }
        }
        if !sources && step.advance.is_none() && !decides(step) {
            return Err(String::from(
                "expected `request`, `settle`, `close`, `advance`, `issuers` or `upstreams`, found none",
            ));
        }
    }
    if let Some(name) = &step.hold
        && !held.insert(name)
    {
        return Err(format!("`hold`: expected a name of its own, `{name}` is held already"));
    }
    for (field, name) in [("close", &step.close), ("settle", &step.settle)] {
        if let Some(name) = name
            && !held.remove(name.as_str())
        {
            return Err(format!("`{field}`: expected the name of a held request, found `{name}`"));
        }
    }
    Ok(())
}

/// Demands an expectation where something is decided, and none elsewhere.
fn expectation(expect: Option<&Value>, decided: bool, place: &str) -> Result<(), String> {
    let Some(value) = expect else {
        return match decided {
            true => Err(format!("expected `{place}expect`, what the decision must be")),
            false => Ok(()),
        };
    };
    if !decided {
        return Err(format!(
            "`{place}expect`: expected none where nothing is decided; put it on the step that decides"
        ));
    }
    let expect = Expect::read(value).map_err(|(path, message)| {
        let dot = if path.is_empty() { "" } else { "." };
        format!("`{place}expect{dot}{path}`: {message}")
    })?;
    if expect.is_empty() {
        return Err(format!(
            "`{place}expect`: expected `allow`, `deny`, a reason code, or an object with a member"
        ));
    }
    Ok(())
}

fn among<'n>(
    what: &str,
    known: &BTreeSet<&str>,
    names: impl IntoIterator<Item = &'n String>,
) -> Result<(), String> {
    let Some(name) = names.into_iter().find(|name| !known.contains(name.as_str())) else { return Ok(()) };
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let known = if known.is_empty() { String::from("none") } else { known.join(", ") };
    Err(format!("expected {what} ({known}), found `{name}`"))
}
