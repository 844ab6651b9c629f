//! What can be said of a scenario before it runs: that every expectation will be held against a decision, and that nothing is
//! named that is not there.

use super::expect::REFUSED;
use super::faults;
use super::format::{AnswerSpec, Case, Expect, ProofChoice, Publication, Service, Step, Upstreams};
use super::short::Short;
use super::subject::Subject;
use countersign_core::config::Issuer;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a configuration has that scenarios may name.
pub(super) struct Checked<'a> {
    /// The clusters that it calls; of a module nobody knows them.
    clusters: Option<BTreeSet<&'a str>>,
    /// Those whose keys are fetched: what they publish can change.
    issuers: BTreeSet<&'a str>,
    /// Signing keys of the file.
    keys: BTreeSet<&'a str>,
    /// All of them.
    configured: &'a [Issuer],
    /// Whether what runs decides.
    decides: bool,
}

impl<'a> Checked<'a> {
    /// The names in what runs, and of the file's own keys.
    pub(super) fn by(subject: &'a Subject, keys: impl Iterator<Item = &'a String>) -> Self {
        let clusters = match subject {
            Subject::Countersign(countersign) => Some(countersign.config.clusters().collect()),
            Subject::Module(_) => None,
        };
        let configured = subject.issuers();
        let fetched = configured.iter().filter(|issuer| issuer.keys.cluster().is_some());
        let issuers = fetched.map(|issuer| issuer.issuer.as_str()).collect();
        let decides = clusters.is_some();
        Self { clusters, issuers, keys: keys.map(String::as_str).collect(), configured, decides }
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
        if let Some(clusters) = &self.clusters {
            among("a cluster that the configuration calls", clusters, upstreams.keys())?;
        }
        for (cluster, paths) in upstreams {
            self.answers(paths, cluster).map_err(|message| format!("`{cluster}{message}"))?;
        }
        Ok(())
    }

    /// Demands that each answer of the service is one.
    pub(super) fn service(&self, service: &Service) -> Result<(), String> {
        self.answers(service, "").map_err(|message| format!("`{message}"))
    }

    fn answers(&self, paths: &Service, cluster: &str) -> Result<(), String> {
        for (path, answers) in paths {
            if answers.is_empty() {
                return Err(format!("[\"{path}\"]`: expected at least one answer, found none"));
            }
            for (index, answer) in answers.iter().enumerate() {
                self.answer(answer, cluster, path)
                    .map_err(|message| format!("[\"{path}\"][{index}]`: {message}"))?;
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
            list.check(self.configured, cluster, path)?;
            self.key("status_list", list.key.as_ref())?;
        }
        if let Some(feed) = &answer.revocations {
            feed.check(self.configured, cluster, path)?;
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
    pub(super) fn case(&self, case: &Case, workers: usize) -> Result<(), String> {
        let starts = case.request.is_none() && case.steps.is_empty();
        if starts && self.decides {
            return Err(String::from("expected `request` or `steps`"));
        }
        let about = if starts {
            About::Start
        } else if case.request.is_some() {
            About::Request
        } else {
            About::Nothing
        };
        self.expectation(case.expect.as_ref(), about, "")?;
        self.sources(&case.issuers, &case.upstreams, "")?;
        self.service(&case.service).map_err(|message| format!("`service`: {message}"))?;
        if let Some(request) = &case.request {
            if request.unfinished {
                return Err(
                    "`request.unfinished`: expected it in steps, where `send` sends the rest".to_owned()
                );
            }
            let step = Step { request: Some(request.clone()), ..Step::default() };
            faults::check(&step, workers)?;
        }
        self.proof(case.proof.as_ref()).map_err(|message| format!("`proof`: {message}"))?;
        let mut held = BTreeSet::new();
        for (index, step) in case.steps.iter().enumerate() {
            let place = format!("steps[{index}]");
            stepwise(step, &mut held).map_err(|message| format!("`{place}`: {message}"))?;
            faults::check(step, workers).map_err(|message| format!("`{place}`: {message}"))?;
            let about = if decides(step) {
                About::Request
            } else if step.hold.is_some() {
                About::Nothing
            } else {
                About::Step
            };
            self.expectation(step.expect.as_ref(), about, &format!("{place}."))?;
            self.service(&step.service).map_err(|message| format!("`{place}.service`: {message}"))?;
            self.sources(&step.issuers, &step.upstreams, &format!("{place}."))?;
            self.proof(step.proof.as_ref()).map_err(|message| format!("`{place}.proof`: {message}"))?;
        }
        if let Some(name) = held.first() {
            return Err(format!(
                "expected a step with `settle: {name}` or `close: {name}` for the held request, found none"
            ));
        }
        let asserts = |step: &Step| decides(step) || step.expect.is_some() || step.configure.is_some();
        if !starts && case.request.is_none() && !case.steps.iter().any(asserts) {
            return Err(String::from("expected a step that decides a request, found none"));
        }
        Ok(())
    }

    /// Demands an expectation where something is decided, and none where it would say nothing.
    fn expectation(&self, expect: Option<&Value>, about: About, place: &str) -> Result<(), String> {
        let Some(value) = expect else {
            return match about {
                About::Request | About::Start => {
                    Err(format!("expected `{place}expect`, what the decision must be"))
                }
                About::Step | About::Nothing => Ok(()),
            };
        };
        let nothing = || {
            format!(
                "`{place}expect`: expected none where nothing is decided; put it on the step that decides"
            )
        };
        if about == About::Nothing {
            return Err(nothing());
        }
        let wrong = |(path, message): (String, String)| {
            let dot = if path.is_empty() { "" } else { "." };
            format!("`{place}expect{dot}{path}`: {message}")
        };
        let expect = Expect::read(value, self.decides).map_err(wrong)?;
        expect.check().map_err(wrong)?;
        if about == About::Step && expect.asks_for_request() {
            return Err(nothing());
        }
        if !self.decides && expect.asks_for_decision() {
            return Err(format!(
                "`{place}expect`: expected what goes over the wires, found what only Countersign decides"
            ));
        }
        let refused = expect.outcome.as_deref() == Some(REFUSED);
        if refused != (about == About::Start) {
            return Err(format!(
                "`{place}expect.outcome`: expected `{REFUSED}` in a case without `request` and `steps`, and there alone"
            ));
        }
        if expect.is_empty() {
            return Err(format!(
                "`{place}expect`: expected `allow`, `deny`, a reason code, or an object with a member"
            ));
        }
        Ok(())
    }
}

/// What an expectation is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// A module that refuses to start.
    Start,
    Request,
    /// What the module does in a step without a request.
    Step,
    Nothing,
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
            ("response", step.response.is_some()),
        ] {
            if given {
                return Err(format!("expected `request` beside `{name}`, found none"));
            }
        }
        let acts = step.configure.is_some()
            || step.restart.is_some()
            || step.trap.is_some()
            || step.fail.is_some()
            || step.mend.is_some()
            || step.tick.is_some()
            || step.send.is_some()
            || !step.service.is_empty();
        // What was done at the start, or what is left over, can be looked at by itself.
        if !sources && !acts && step.advance.is_none() && step.expect.is_none() && !decides(step) {
            return Err(String::from(
                "expected `request`, `settle`, `close`, `advance`, `issuers`, `upstreams` or another member, found none",
            ));
        }
    }
    if let Some(name) = &step.hold
        && !held.insert(name)
    {
        return Err(format!("`hold`: expected a name of its own, `{name}` is held already"));
    }
    if let Some(send) = &step.send
        && !held.contains(send.to.as_str())
    {
        return Err(format!("`send.to`: expected the name of a held request, found `{}`", send.to));
    }
    if step.request.as_ref().is_some_and(|request| request.unfinished) && step.hold.is_none() {
        return Err("`request.unfinished`: expected `hold`, by whose name the rest is sent".to_owned());
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
