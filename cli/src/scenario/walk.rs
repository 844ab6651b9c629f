//! The way of a case through one engine, step by step.

use super::faults;
use super::format::{Case, Expect, Fail, Peer, ProofChoice, RequestSpec, SendSpec, Step, TokenChoice};
use super::opaque::Introspected;
use super::plan::{Plan, Planned};
use super::request::Draft;
use super::subject::{self, Subject};
use super::token::{Mint, Proved};
use super::wire::Shortfalls;
use super::world::Sources;
use crate::engine::{
    self, Activity, Answer, Decision, Engine, EngineError, Outcome, Script, Simulator, Ticket,
};
use crate::time;
use countersign_core::time::{Span, Timestamp};
use countersign_host_sim::{self as sim, HostCall, LogLine, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long before the first request Countersign's worker starts, unless a case is cold.
const AHEAD: Duration = Duration::from_millis(2);

/// What one engine made of a case.
#[derive(Default)]
pub(super) struct Trace {
    /// The decisions, in the order of the requests.
    pub(super) decisions: Vec<Decision>,
    /// What falls short, each of one line or several.
    pub(super) failures: Vec<String>,
    /// The requests that were sent, defaults filled in.
    pub(super) inputs: Vec<Value>,
    /// How the last request ended, as far as a gateway saw it.
    pub(super) ended: Option<&'static str>,
    /// Which of them the first failure is about.
    pub(super) failed: Option<usize>,
    /// How many proofs were made.
    proofs: usize,
    /// The gateway's last nonce.
    nonce: Option<String>,
}

/// What is known before an engine starts.
pub(super) struct Begin {
    /// When it is to start.
    pub(super) start: Timestamp,
    /// How clusters answer.
    pub(super) clusters: BTreeMap<String, Script>,
}

/// A case on its way.
pub(super) struct Walk<'a> {
    plan: &'a Plan,
    case: &'a Case,
    workers: usize,
    mint: Mint<'a>,
    known: Vec<Introspected>,
    sources: Sources,
    service: Script,
    now: Timestamp,
    held: BTreeMap<String, Held>,
    trace: Trace,
    /// The request that was sent last.
    last: Option<usize>,
}

/// A request that is on its way.
#[derive(Clone)]
struct Held {
    ticket: Ticket,
    /// Its number among those that were sent.
    input: usize,
    path: String,
    /// What the service answers to it and to nothing else.
    answer: Option<Answer>,
}

/// What a request presents.
#[derive(Clone, Copy)]
struct Credentials<'a> {
    token: Option<&'a TokenChoice>,
    proof: Option<&'a ProofChoice>,
    peer: Option<&'a Peer>,
}

/// How an engine starts.
pub(super) type Start<'s> = &'s dyn Fn(&Begin) -> Result<Box<dyn Engine>, EngineError>;

impl<'a> Walk<'a> {
    /// Has an engine go through a case.
    pub(super) fn through(plan: &'a Plan, planned: &'a Planned, start: Start<'_>) -> Trace {
        let mut walk = Self {
            plan,
            case: &planned.case,
            workers: planned.gateway.workers,
            mint: plan.mint(),
            known: Vec::new(),
            sources: Sources::default(),
            service: Script::default(),
            now: plan.start,
            held: BTreeMap::new(),
            trace: Trace::default(),
            last: None,
        };
        if let Err(failure) = walk.whole(start) {
            walk.fail(vec![failure], "");
        }
        walk.trace
    }

    fn whole(&mut self, start: Start<'_>) -> Result<(), String> {
        let (plan, case) = (self.plan, self.case);
        self.sources.change(&plan.file.issuers, &plan.file.upstreams);
        self.sources.change(&case.issuers, &case.upstreams);
        self.sources.serve(&plan.file.service);
        self.sources.serve(&case.service);
        let seconds = plan.start.as_secs();
        self.known = self.mint.introspected(seconds)?;
        self.service = self.sources.service(&self.mint, seconds)?;
        let mut clusters = self.sources.scripts(&self.mint, &self.known, seconds)?;
        // A cluster that a later step brings to life exists from the start, as in a gateway.
        for cluster in case.steps.iter().flat_map(|step| step.upstreams.keys()) {
            clusters.entry(cluster.clone()).or_default();
        }
        let decides = matches!(plan.subject, Subject::Countersign(_));
        let ahead = if case.cold || !decides { Duration::ZERO } else { AHEAD };
        let begin = Begin { start: plan.start.minus(span(ahead)), clusters };
        let mut engine = match start(&begin) {
            Ok(engine) => engine,
            Err(EngineError::Start(message, logs)) => return self.refused(&message, logs),
            Err(error) => return Err(error.to_string()),
        };
        let engine = engine.as_mut();
        engine.advance(ahead);
        at_rest(engine)?;
        if let Some(request) = &case.request {
            begin_step(engine);
            let credentials = Credentials {
                token: case.token.as_ref(),
                proof: case.proof.as_ref(),
                peer: case.peer.as_ref(),
            };
            let sent = self.send(engine, request, credentials, None)?;
            let concluded = self.conclude(engine, &sent, case.expect.as_ref(), "");
            at_rest(engine).and(concluded)?;
        } else if case.steps.is_empty() {
            self.fail(vec!["`outcome`: expected the module to refuse to start, it started".to_owned()], "");
        }
        for (index, step) in case.steps.iter().enumerate() {
            let label = format!("step {}: ", index + 1);
            let done = self.step(engine, step, &label);
            at_rest(engine).and(done).map_err(|message| format!("{label}{message}"))?;
        }
        Ok(())
    }

    /// A module that does not start, where that may be what is expected.
    fn refused(&mut self, message: &str, logs: Vec<LogLine>) -> Result<(), String> {
        let starts = self.case.request.is_none() && self.case.steps.is_empty();
        let Some(value) = self.case.expect.as_ref().filter(|_| starts) else {
            return Err(format!("the module did not start: {message}"));
        };
        let expect = read(value, false)?;
        let activity = Activity { logs, ..Activity::default() };
        let no_token = |_: &str, _: &str| Ok(false);
        let mut short = Shortfalls::new(&no_token);
        expect.refusal(&activity, &mut short)?;
        let all = short.all;
        self.fail(all, "");
        Ok(())
    }

    fn step(&mut self, engine: &mut dyn Engine, step: &'a Step, label: &str) -> Result<(), String> {
        begin_step(engine);
        self.change_world(engine, step)?;
        if let Some(text) = &step.advance {
            let by = time::span(text)
                .ok_or_else(|| format!("`advance`: expected a span such as `5s`, found `{text}`"))?;
            engine.advance(by);
            self.now = self.now.plus(span(by));
        }
        if let Some(which) = step.tick {
            let host = simulator(engine, "tick")?.host();
            which.of(self.workers).for_each(|worker| host.fire_tick(worker));
        }
        let mut judged = false;
        if let Some(request) = &step.request {
            let credentials = Credentials {
                token: step.token.as_ref().or(self.case.token.as_ref()),
                proof: step.proof.as_ref().or(self.case.proof.as_ref()),
                peer: step.peer.as_ref().or(self.case.peer.as_ref()),
            };
            let sent = self.send(engine, request, credentials, step.response.as_ref())?;
            if let Some(name) = &step.hold {
                self.must_be_held(engine, sent.ticket)?;
                self.held.insert(name.clone(), sent);
            } else {
                self.conclude(engine, &sent, step.expect.as_ref(), label)?;
                judged = true;
            }
        }
        if let Some(send) = &step.send {
            self.send_more(engine, send)?;
        }
        if let Some(name) = &step.close {
            let held = self.named(name)?;
            engine.close(held.ticket);
            self.conclude(engine, &held, step.expect.as_ref(), label)?;
            judged = true;
        }
        if let Some(name) = &step.settle {
            let held = self.named(name)?;
            self.conclude(engine, &held, step.expect.as_ref(), label)?;
            judged = true;
        }
        if let (false, Some(value)) = (judged, &step.expect) {
            let expect = read(value, self.decides())?;
            if let Some(simulator) = engine.simulator() {
                let activity = simulator.activity();
                let is_token = self.is_token();
                let mut short = Shortfalls::new(&is_token);
                short.activity(&expect, &activity)?;
                let all = short.all;
                self.fail(all, label);
            }
        }
        Ok(())
    }

    /// What a step does to issuers, clusters, configuration and VMs.
    fn change_world(&mut self, engine: &mut dyn Engine, step: &Step) -> Result<(), String> {
        let seconds = self.now.as_secs();
        if !step.issuers.is_empty() || !step.upstreams.is_empty() {
            self.sources.change(&step.issuers, &step.upstreams);
            for (cluster, script) in self.sources.scripts(&self.mint, &self.known, seconds)? {
                engine.set_cluster(&cluster, &script);
            }
        }
        if !step.service.is_empty() {
            self.sources.serve(&step.service);
            self.service = self.sources.service(&self.mint, seconds)?;
        }
        if let Some(configure) = &step.configure {
            let (plan, text) = (self.plan, &configure.configuration);
            let bytes = if self.decides() && !configure.refused {
                subject::reconfiguration(&plan.path, text, &plan.file.issuers, &plan.keys)
            } else {
                // What is to be refused is handed over as it stands.
                text.read(plan.path.parent().unwrap_or(Path::new("")))
            };
            let bytes = bytes.map_err(|message| format!("`configure`: {message}"))?;
            let taken = simulator(engine, "configure")?.host().reconfigure(bytes);
            match (taken, configure.refused) {
                (Ok(()), false) | (Err(_), true) => {}
                (Ok(()), true) => {
                    return Err("`configure`: expected the module to refuse it, it did not".to_owned());
                }
                (Err(error), false) => {
                    return Err(format!("`configure`: expected the module to accept it: {error}"));
                }
            }
        }
        if let Some(which) = step.restart {
            let host = simulator(engine, "restart")?.host();
            for worker in which.of(self.workers) {
                host.restart(worker).map_err(|error| format!("`restart`: {error}"))?;
            }
        }
        if let Some(trap) = &step.trap {
            let call = faults::host_call(&trap.call)?;
            simulator(engine, "trap")?.host().trap_at(trap.worker, call);
        }
        if let Some(Fail { call, nth, status, worker }) = &step.fail {
            let host = simulator(engine, "fail")?.host();
            let call: Option<HostCall> = call.as_deref().map(faults::host_call).transpose()?;
            match (call, nth) {
                (Some(call), _) => host.fail_at(*worker, call, *status),
                (None, Some(nth)) => host.fail_nth(*worker, *nth, *status),
                (None, None) => {}
            }
        }
        if let Some(which) = step.mend {
            let host = simulator(engine, "mend")?.host();
            for worker in which.of(self.workers) {
                let _ = host.mend(worker);
            }
        }
        Ok(())
    }

    fn must_be_held(&self, engine: &mut dyn Engine, ticket: Ticket) -> Result<(), String> {
        if self.decides() {
            return match engine.decision(ticket).map_err(|error| error.to_string())? {
                None => Ok(()),
                Some(decision) => {
                    let record = Value::Object(decision.record(&self.plan.prefix));
                    Err(format!("expected the request to be held, it was decided: {record}"))
                }
            };
        }
        match simulator(engine, "hold")?.outcome(ticket) {
            sim::Outcome::Paused | sim::Outcome::Incomplete => Ok(()),
            sim::Outcome::Forwarded(_) => Err("expected the request to be held, it was forwarded".to_owned()),
            sim::Outcome::Reply(reply) => {
                Err(format!("expected the request to be held, it was answered with {}", reply.status))
            }
            sim::Outcome::Closed => Err("expected the request to be held, it was closed".to_owned()),
            sim::Outcome::Failed(failure) => {
                Err(format!("expected the request to be held, the VM failed: {failure}"))
            }
        }
    }

    fn send_more(&mut self, engine: &mut dyn Engine, send: &SendSpec) -> Result<(), String> {
        let ticket = self.named(&send.to)?.ticket;
        let simulator = simulator(engine, "send")?;
        let Some(stream) = simulator.stream(ticket) else { return Ok(()) };
        let chunks = &send.body.0;
        for (index, chunk) in chunks.iter().enumerate() {
            let last = send.end && send.trailers.is_none() && index + 1 == chunks.len();
            simulator.host().send_body(stream, chunk.clone(), last);
        }
        match &send.trailers {
            Some(trailers) => simulator.host().send_trailers(stream, trailers.map()),
            None if send.end && chunks.is_empty() => simulator.host().send_body(stream, Vec::new(), true),
            None => {}
        }
        Ok(())
    }

    fn named(&self, name: &str) -> Result<Held, String> {
        let held = self.held.get(name).cloned();
        held.ok_or_else(|| format!("expected the name of a held request, found `{name}`"))
    }

    /// Sends a request with its token, minted for this moment.
    fn send(
        &mut self,
        engine: &mut dyn Engine,
        spec: &RequestSpec,
        credentials: Credentials<'_>,
        response: Option<&super::format::AnswerSpec>,
    ) -> Result<Held, String> {
        let now = engine.clock().unwrap_or(self.now);
        let defaults = &self.plan.file.defaults;
        let draft = Draft { spec, peer: credentials.peer, defaults, workers: self.workers };
        let mut request = draft.build()?;
        let token = credentials.token.or(defaults.token.as_ref());
        let proof = credentials.proof.or(defaults.proof.as_ref());
        let shown = draft.shown(&request, token.map(TokenChoice::shown), proof.map(ProofChoice::shown));
        self.trace.inputs.push(shown);
        let input = self.trace.inputs.len() - 1;
        self.last = Some(input);
        let minted = match token {
            None => None,
            Some(choice) => {
                let thumbprint =
                    |made_up: &str| engine.thumbprint(made_up, &request).map_err(|error| error.to_string());
                self.mint
                    .mint(choice, now.as_secs(), thumbprint)
                    .map_err(|message| format!("`token`: {message}"))?
            }
        };
        let text = |request: &engine::Request, name: &str| {
            String::from_utf8_lossy(request.headers.get(name.as_bytes()).unwrap_or_default()).into_owned()
        };
        let proof = match proof {
            None => None,
            Some(choice) => {
                self.trace.proofs += 1;
                let part = |name: &str| text(&request, name);
                let url = format!("{}://{}{}", part(":scheme"), part(":authority"), part(":path"));
                let proved = Proved {
                    method: &part(":method"),
                    url: &url,
                    token: minted.as_deref().unwrap_or_default(),
                    // Another one in each case, too, where the time is another one.
                    id: &format!("proof-{}-{}", now.as_nanos(), self.trace.proofs),
                    nonce: self.trace.nonce.as_deref(),
                };
                self.mint
                    .prove(choice, &proved, now.as_secs())
                    .map_err(|message| format!("`proof`: {message}"))?
            }
        };
        let scheme = if proof.is_some() { "DPoP" } else { "Bearer" };
        if let Some(token) = minted {
            request.headers.append(b"authorization", format!("{scheme} {token}").as_bytes());
        }
        if let Some(proof) = proof {
            request.headers.append(b"dpop", proof.as_bytes());
        }
        let answer = response.or(self.case.response.as_ref());
        let answer = answer.map(|spec| self.sources.answer(spec, &self.mint, now.as_secs())).transpose();
        let answer = answer.map_err(|message| format!("`response`: {message}"))?;
        let ticket = engine.request(&request);
        Ok(Held { ticket, input, path: text(&request, ":path"), answer })
    }

    /// What the service answers to a request that was forwarded.
    fn answer(&mut self, held: &Held) -> Result<Answer, String> {
        if let Some(answer) = &held.answer {
            return Ok(answer.clone());
        }
        if self.service.answers(&held.path) {
            return Ok(self.service.next(&held.path, &[]));
        }
        match &self.plan.file.defaults.response {
            Some(spec) => self
                .sources
                .answer(spec, &self.mint, self.now.as_secs())
                .map_err(|message| format!("`defaults.response`: {message}")),
            None => Ok(Answer { delay: Duration::ZERO, reply: engine::Reply::Response(Response::new(200)) }),
        }
    }

    /// Lets a request be decided, and holds what became of it against what is expected.
    fn conclude(
        &mut self,
        engine: &mut dyn Engine,
        held: &Held,
        expect: Option<&Value>,
        label: &str,
    ) -> Result<(), String> {
        self.last = Some(held.input);
        let expect = expect.map(|value| read(value, self.decides())).transpose()?.unwrap_or_default();
        let mut decision = None;
        if self.decides() {
            match engine::settle(engine, held.ticket) {
                Ok(decided) => decision = Some(decided),
                // What becomes of a request whose VM failed is told by the wires alone.
                Err(EngineError::Failed(_) | EngineError::AuditLines(0) | EngineError::Undecided)
                    if engine.simulator().is_some()
                        && !expect.asks_for_decision()
                        && expect.asks_for_wire() => {}
                Err(error) => return Err(error.to_string()),
            }
        } else if !expect.waits_for_nothing()
            && let Some(simulator) = engine.simulator()
        {
            simulator.settle(held.ticket);
        }
        let answer = self.answer(held)?;
        let gone_by =
            if matches!(answer.reply, engine::Reply::Silence) { Duration::ZERO } else { answer.delay };
        let is_token = self.is_token();
        let mut short = Shortfalls::new(&is_token);
        if let Some(decision) = &decision {
            expect.decision(decision, &self.plan.prefix, &mut short)?;
        }
        if let Some(simulator) = engine.simulator() {
            let wire = simulator.finish(held.ticket, &answer);
            let activity = simulator.activity();
            self.trace.ended = Some(wire.ended.name());
            short.wire(&expect, &wire, decision.is_none())?;
            if decision.is_none() {
                short.status("status", expect.status, wire.status());
            }
            short.activity(&expect, &activity)?;
            if wire.upstream.is_some() {
                self.now = self.now.plus(span(gone_by));
            }
        } else if decision.as_ref().is_some_and(|decision| matches!(decision.outcome, Outcome::Forwarded(_)))
        {
            engine.advance(gone_by);
            self.now = self.now.plus(span(gone_by));
        }
        let all = short.all;
        self.fail(all, label);
        if let Some(decision) = decision {
            self.trace.nonce = decision.reply_header("dpop-nonce").or(self.trace.nonce.take());
            self.trace.decisions.push(decision);
        }
        Ok(())
    }

    fn decides(&self) -> bool {
        matches!(self.plan.subject, Subject::Countersign(_))
    }

    fn is_token(&self) -> impl Fn(&str, &str) -> Result<bool, String> + use<'a> {
        let (mint, seconds) = (self.plan.mint(), self.plan.start.as_secs());
        move |value: &str, name: &str| mint.is_bearer(value, name, seconds)
    }

    fn fail(&mut self, failures: Vec<String>, label: &str) {
        if failures.is_empty() {
            return;
        }
        self.trace.failed = self.trace.failed.or(self.last);
        self.trace.failures.extend(failures.into_iter().map(|failure| format!("{label}{failure}")));
    }
}

/// A module that did not come to rest was stopped, whatever a case expects of it.
fn at_rest(engine: &mut dyn Engine) -> Result<(), String> {
    match engine.simulator().and_then(|simulator| simulator.unrest()) {
        Some(why) => Err(format!("{why}; `host.limits` says how much that may be")),
        None => Ok(()),
    }
}

fn begin_step(engine: &mut dyn Engine) {
    if let Some(simulator) = engine.simulator() {
        simulator.begin();
    }
}

fn simulator<'e>(engine: &'e mut dyn Engine, what: &str) -> Result<&'e mut Simulator, String> {
    engine.simulator().ok_or_else(|| format!("`{what}`: expected the module in the simulator"))
}

fn read(value: &Value, decides: bool) -> Result<Expect, String> {
    Expect::read(value, decides).map_err(|(path, message)| format!("`expect.{path}`: {message}"))
}

fn span(duration: Duration) -> Span {
    Span::from_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}
