//! What can be said of a scenario before it runs: that every expectation will be held against a decision, and that nothing is
//! named that is not there.

mod answers;
mod names;
mod sent;

use super::certificates::Certificates;
use super::expect::REFUSED;
use super::faults;
use super::format::{Case, ConnectSpec, Expect, Step, Turn, check_metadata};
use super::subject::Subject;
use super::token::Mint;
use countersign_core::config::Issuer;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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
    /// Certificates of the file.
    certificates: &'a Certificates,
    /// What tokens are made from.
    mint: Mint<'a>,
    /// When cases begin, in seconds.
    now: i64,
    /// The file.
    path: &'a Path,
    /// Whether what runs decides.
    decides: bool,
}

impl<'a> Checked<'a> {
    /// The names in what runs, and of the file's own keys. Cases begin at `now`, in seconds.
    pub(super) fn by(subject: &'a Subject, mint: Mint<'a>, path: &'a Path, now: i64) -> Self {
        let clusters = match subject {
            Subject::Countersign(countersign) => Some(countersign.config.clusters().collect()),
            Subject::Module => None,
        };
        let configured = subject.issuers();
        let fetched = configured.iter().filter(|issuer| issuer.keys.cluster().is_some());
        let issuers = fetched.map(|issuer| issuer.issuer.as_str()).collect();
        let decides = clusters.is_some();
        Self {
            clusters,
            issuers,
            keys: mint.file.keys.keys().map(String::as_str).collect(),
            configured,
            certificates: mint.certificates,
            mint,
            now,
            path,
            decides,
        }
    }

    /// Demands that each thing that happens on a connection is one, and that there may be connections.
    fn connect(&self, connect: &ConnectSpec) -> Result<(), String> {
        if self.decides {
            return Err("expected none beside `configuration`: Countersign is no network filter".to_owned());
        }
        exchange(&connect.exchange)
    }

    /// Demands that a case judges what it decides, and names what is there.
    pub(super) fn case(&self, case: &Case, workers: usize) -> Result<(), String> {
        let starts = case.starts();
        if starts && self.decides {
            return Err(String::from("expected `request` or `steps`"));
        }
        let about = match (&case.request, &case.connect) {
            (Some(_), Some(_)) => return Err("expected either `request` or `connect`, found both".to_owned()),
            (Some(_), None) => About::Request,
            (None, Some(_)) => About::Connection,
            (None, None) if starts => About::Start,
            (None, None) => About::Nothing,
        };
        self.time(case)?;
        self.expectation(case.expect.as_ref(), about, "")?;
        self.sources(&case.issuers, &case.upstreams, "")?;
        self.service(&case.service).map_err(|message| format!("`service`: {message}"))?;
        self.grpc(&case.grpc).map_err(|message| format!("`grpc`: {message}"))?;
        if let Some(connect) = &case.connect {
            self.connect(connect).map_err(|message| format!("`connect`: {message}"))?;
            let step = Step { connect: Some(connect.clone()), ..Step::default() };
            faults::check(&step, workers)?;
        }
        if let Some(request) = &case.request {
            if request.unfinished {
                return Err(
                    "`request.unfinished`: expected it in steps, where `send` sends the rest".to_owned()
                );
            }
            self.request(request).map_err(|message| format!("`request`: {message}"))?;
            let step = Step { request: Some(request.clone()), ..Step::default() };
            faults::check(&step, workers)?;
        }
        self.response(case.response.as_ref()).map_err(|message| format!("`response`: {message}"))?;
        self.token(case.token.as_ref()).map_err(|message| format!("`token`: {message}"))?;
        self.proof(case.proof.as_ref()).map_err(|message| format!("`proof`: {message}"))?;
        self.certificates.check(case.peer.as_ref()).map_err(|message| format!("`peer`: {message}"))?;
        let mut held = BTreeMap::new();
        for (index, step) in case.steps.iter().enumerate() {
            let place = format!("steps[{index}]");
            let about = stepwise(step, &mut held).map_err(|message| format!("`{place}`: {message}"))?;
            if let Some(connect) = &step.connect {
                self.connect(connect).map_err(|message| format!("`{place}.connect`: {message}"))?;
            }
            if let Some(request) = &step.request {
                self.request(request).map_err(|message| format!("`{place}.request`: {message}"))?;
            }
            self.configure(step, self.path).map_err(|message| format!("`{place}`: {message}"))?;
            self.response(step.response.as_ref())
                .map_err(|message| format!("`{place}.response`: {message}"))?;
            self.token(step.token.as_ref()).map_err(|message| format!("`{place}.token`: {message}"))?;
            self.grpc(&step.grpc).map_err(|message| format!("`{place}.grpc`: {message}"))?;
            faults::check(step, workers).map_err(|message| format!("`{place}`: {message}"))?;
            self.expectation(step.expect.as_ref(), about, &format!("{place}."))?;
            self.service(&step.service).map_err(|message| format!("`{place}.service`: {message}"))?;
            self.sources(&step.issuers, &step.upstreams, &format!("{place}."))?;
            self.proof(step.proof.as_ref()).map_err(|message| format!("`{place}.proof`: {message}"))?;
            self.certificates
                .check(step.peer.as_ref())
                .map_err(|message| format!("`{place}.peer`: {message}"))?;
        }
        if let Some((name, kind)) = held.first_key_value() {
            let kind = kind.name();
            return Err(format!(
                "expected a step with `settle: {name}` or `close: {name}` for the held {kind}, found none"
            ));
        }
        let asserts = |step: &Step| decides(step) || step.expect.is_some() || step.configure.is_some();
        if case.request.is_none() && !case.steps.is_empty() && !case.steps.iter().any(asserts) {
            return Err(String::from("expected a step that decides a request, found none"));
        }
        Ok(())
    }

    /// Demands an expectation where something is decided, and none where it would say nothing.
    fn expectation(&self, expect: Option<&Value>, about: About, place: &str) -> Result<(), String> {
        let Some(value) = expect else {
            return match about {
                About::Request | About::Connection | About::Start => {
                    let what =
                        if self.decides { "what the decision must be" } else { "what must come of it" };
                    Err(format!("expected `{place}expect`, {what}"))
                }
                About::Step | About::Open | About::Nothing => Ok(()),
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
        expect.check(matches!(about, About::Connection | About::Open)).map_err(wrong)?;
        if about == About::Step && expect.asks_for_request() {
            return Err(nothing());
        }
        if !self.decides && expect.asks_for_decision() {
            return Err(format!(
                "`{place}expect`: expected what goes over the wires, found what only Countersign decides"
            ));
        }
        if self.decides {
            names::check(value, &expect).map_err(wrong)?;
        }
        let refused = expect.outcome.as_deref() == Some(REFUSED);
        if refused != (about == About::Start) {
            return Err(format!(
                "`{place}expect.outcome`: expected `{REFUSED}` in a case without `request` and `steps`, and there alone"
            ));
        }
        if expect.is_empty() {
            let form = match (self.decides, about) {
                (true, _) => "`allow`, `deny`, a reason code, or an object with a member",
                (false, About::Request) => {
                    "an outcome such as `forwarded`, or an object with a member such as `status`, `upstream` or `calls`"
                }
                (false, About::Connection | About::Open) => {
                    "an outcome such as `open`, or an object with a member such as `connection` or `logs`"
                }
                (false, _) => "an object with a member such as `calls`, `metrics` or `logs`",
            };
            return Err(format!("`{place}expect`: expected {form}, found nothing that could fail"));
        }
        let downstream =
            expect.downstream.iter().flat_map(|want| [Some(&want.headers), want.trailers.as_ref()]);
        let upstream = expect.upstream.iter().flat_map(|want| [Some(&want.headers), want.trailers.as_ref()]);
        for (name, headers) in upstream
            .map(|headers| ("upstream", headers))
            .chain(downstream.map(|headers| ("downstream", headers)))
        {
            let Some(headers) = headers else { continue };
            self.expected(headers).map_err(|message| format!("`{place}expect.{name}`: {message}"))?;
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
    /// A connection that ends.
    Connection,
    /// A connection that stays open.
    Open,
    /// What the module does in a step without a request.
    Step,
    Nothing,
}

/// Whether a step brings a decision.
fn decides(step: &Step) -> bool {
    let sends = step.request.is_some() || step.connect.is_some();
    (sends && step.hold.is_none()) || step.settle.is_some() || step.close.is_some()
}

/// What is held under a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Connection,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Connection => "connection",
        }
    }
}

/// Demands that a step does something, to requests and connections that are there, and tells what its expectation is about; `held` are
/// those that wait.
fn stepwise<'s>(step: &'s Step, held: &mut BTreeMap<&'s str, Kind>) -> Result<About, String> {
    let sources = !step.issuers.is_empty() || !step.upstreams.is_empty();
    let about = [step.request.is_some(), step.connect.is_some(), step.transfer.is_some()];
    if about.into_iter().filter(|given| *given).count() > 1 {
        return Err("expected one of `request`, `connect` and `transfer` in a step, found several".to_owned());
    }
    if step.request.is_none() {
        for (name, given) in [
            ("hold", step.hold.is_some() && step.connect.is_none()),
            ("token", step.token.is_some()),
            ("proof", step.proof.is_some()),
            ("peer", step.peer.is_some() && step.connect.is_none()),
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
            || step.connect.is_some()
            || step.transfer.is_some()
            || !step.grpc.is_empty()
            || !step.service.is_empty();
        // What was done at the start, or what is left over, can be looked at by itself.
        if !sources && !acts && step.advance.is_none() && step.expect.is_none() && !decides(step) {
            return Err(String::from(
                "expected `request`, `settle`, `close`, `advance`, `issuers`, `upstreams` or another member, found none",
            ));
        }
    }
    let kind = if step.connect.is_some() { Kind::Connection } else { Kind::Request };
    if let Some(name) = &step.hold
        && held.insert(name, kind).is_some()
    {
        return Err(format!("`hold`: expected a name of its own, `{name}` is held already"));
    }
    if let Some(send) = &step.send
        && held.get(send.to.as_str()) != Some(&Kind::Request)
    {
        return Err(format!("`send.to`: expected the name of a held request, found `{}`", send.to));
    }
    if let Some(send) = &step.send {
        check_metadata(&send.metadata).map_err(|message| format!("`send`: {message}"))?;
    }
    if step.request.as_ref().is_some_and(|request| request.unfinished) && step.hold.is_none() {
        return Err("`request.unfinished`: expected `hold`, by whose name the rest is sent".to_owned());
    }
    if let Some(transfer) = &step.transfer {
        if held.get(transfer.over.as_str()) != Some(&Kind::Connection) {
            let name = &transfer.over;
            return Err(format!("`transfer.over`: expected the name of a held connection, found `{name}`"));
        }
        exchange(&transfer.exchange).map_err(|message| format!("`transfer`: {message}"))?;
    }
    let mut about = match (&step.request, &step.connect, &step.transfer) {
        (Some(_), ..) if step.hold.is_none() => About::Request,
        (Some(_), ..) => About::Nothing,
        (None, Some(_), _) if step.hold.is_none() => About::Connection,
        (None, Some(_), _) | (None, None, Some(_)) => About::Open,
        (None, None, None) => About::Step,
    };
    for (field, name) in [("close", &step.close), ("settle", &step.settle)] {
        let Some(name) = name else { continue };
        about = match (held.remove(name.as_str()), about) {
            (Some(Kind::Request), About::Connection | About::Open)
            | (Some(Kind::Connection), About::Request) => {
                return Err(format!(
                    "`{field}`: expected it in a step of its own, the expectation is about another"
                ));
            }
            (Some(Kind::Request), _) => About::Request,
            (Some(Kind::Connection), _) => About::Connection,
            (None, _) => {
                let message = "expected the name of a held request or connection";
                return Err(format!("`{field}`: {message}, found `{name}`"));
            }
        };
    }
    Ok(about)
}

/// Demands that each thing that happens on a connection is one.
fn exchange(turns: &[Turn]) -> Result<(), String> {
    for (index, turn) in turns.iter().enumerate() {
        turn.check().map_err(|message| format!("`exchange[{index}]`: {message}"))?;
    }
    Ok(())
}

/// Demands of names that they are among those that are known.
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
