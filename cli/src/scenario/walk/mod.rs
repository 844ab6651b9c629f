//! The way of a case through one engine, step by step.

mod change;
mod connection;
mod real;
mod request;
mod vms;

use super::format::{Case, Expect, Step};
use super::opaque::Introspected;
use super::plan::{Plan, Planned};
use super::subject::Subject;
use super::token::Mint;
use super::wire::Shortfalls;
use super::world::Sources;
use crate::engine::{Activity, Decision, Engine, EngineError, GrpcScript, Script, Simulator};
use crate::time;
use connection::Line;
use countersign_core::time::{Span, Timestamp};
use countersign_host_sim::LogLine;
use request::Held;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use vms::Vms;

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
    /// How gRPC services answer, by cluster.
    pub(super) grpc: BTreeMap<String, GrpcScript>,
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
    /// Connections that stay open, by name.
    lines: BTreeMap<String, Line>,
    trace: Trace,
    /// The request that was sent last.
    last: Option<usize>,
    vms: Vms,
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
            lines: BTreeMap::new(),
            trace: Trace::default(),
            last: None,
            vms: Vms::default(),
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
        self.sources.serve_grpc(&plan.file.grpc);
        self.sources.serve_grpc(&case.grpc);
        let seconds = plan.start.as_secs();
        self.known = self.mint.introspected(seconds)?;
        self.service = self.sources.service(&self.mint, seconds)?;
        let mut clusters = self.sources.scripts(&self.mint, &self.known, seconds)?;
        // A cluster that a later step brings to life exists from the start, as in a gateway.
        for cluster in case.steps.iter().flat_map(|step| step.upstreams.keys()) {
            clusters.entry(cluster.clone()).or_default();
        }
        let mut grpc = self.sources.grpc()?;
        for cluster in case.steps.iter().flat_map(|step| step.grpc.keys()) {
            grpc.entry(cluster.clone()).or_default();
        }
        let decides = matches!(plan.subject, Subject::Countersign(_));
        let ahead = if case.cold || !decides { Duration::ZERO } else { AHEAD };
        let begin = Begin { start: plan.start.minus(span(ahead)), clusters, grpc };
        let mut engine = match start(&begin) {
            Ok(engine) => engine,
            Err(EngineError::Start(message, logs)) => return self.refused(&message, logs),
            Err(error) => return Err(error.to_string()),
        };
        let engine = engine.as_mut();
        engine.advance(ahead);
        at_rest(engine)?;
        if let Some(request) = &case.request {
            begin_step(engine)?;
            let sent = self.send(engine, request, case.credentials(), None)?;
            let concluded = self.conclude(engine, &sent, case.expect.as_ref(), "");
            at_rest(engine).and(concluded)?;
        } else if let Some(connect) = &case.connect {
            begin_step(engine)?;
            let line = self.connect(engine, connect, case.peer.as_ref())?;
            let concluded = self.hang_up(engine, line, case.expect.as_ref(), "");
            at_rest(engine).and(concluded)?;
        } else if case.steps.is_empty() {
            self.fail(vec!["`outcome`: expected the module to refuse to start, it started".to_owned()], "");
        }
        self.look_at_vms(engine, case.expect.as_ref(), "");
        for (index, step) in case.steps.iter().enumerate() {
            let label = format!("step {}: ", index + 1);
            let done = self.step(engine, step, &label);
            at_rest(engine).and(done).map_err(|message| format!("{label}{message}"))?;
            self.look_at_vms(engine, step.expect.as_ref(), &label);
        }
        Ok(())
    }

    /// A module that does not start, where that may be what is expected.
    fn refused(&mut self, message: &str, logs: Vec<LogLine>) -> Result<(), String> {
        let starts = self.case.starts();
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
        begin_step(engine)?;
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
            let credentials = step.credentials().or(self.case.credentials());
            let sent = self.send(engine, request, credentials, step.response.as_ref())?;
            if let Some(name) = &step.hold {
                self.must_be_held(engine, sent.ticket)?;
                self.held.insert(name.clone(), sent);
            } else {
                self.conclude(engine, &sent, step.expect.as_ref(), label)?;
                judged = true;
            }
        }
        if let Some(connect) = &step.connect {
            let line = self.connect(engine, connect, step.peer.as_ref().or(self.case.peer.as_ref()))?;
            match (&step.hold, &step.expect) {
                (None, expect) => self.hang_up(engine, line, expect.as_ref(), label)?,
                (Some(_), Some(expect)) => self.look(engine, line, expect, label)?,
                (Some(_), None) => {}
            }
            if let Some(name) = &step.hold {
                self.lines.insert(name.clone(), line);
            }
            judged = true;
        }
        if let Some(send) = &step.send {
            self.send_more(engine, send)?;
        }
        if let Some(transfer) = &step.transfer
            && let Some(line) = self.lines.get(&transfer.over).copied()
        {
            self.exchange(engine, line, &transfer.exchange)?;
            if let Some(expect) = &step.expect {
                self.look(engine, line, expect, label)?;
            }
            judged = true;
        }
        if let Some(line) = step.close.as_ref().and_then(|name| self.lines.remove(name)) {
            line.leave(engine)?;
            self.hang_up(engine, line, step.expect.as_ref(), label)?;
            judged = true;
        } else if let Some(name) = &step.close {
            let held = self.named(name)?;
            engine.close(held.ticket);
            self.conclude(engine, &held, step.expect.as_ref(), label)?;
            judged = true;
        }
        if let Some(line) = step.settle.as_ref().and_then(|name| self.lines.remove(name)) {
            self.hang_up(engine, line, step.expect.as_ref(), label)?;
            judged = true;
        } else if let Some(name) = &step.settle {
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
                short.failed(&expect, vms::failure(simulator, self.workers).as_deref());
                short.activity(&expect, &activity)?;
                let all = short.all;
                self.fail(all, label);
            }
        }
        Ok(())
    }

    fn named(&self, name: &str) -> Result<Held, String> {
        let held = self.held.get(name).cloned();
        held.ok_or_else(|| format!("expected the name of a held request, found `{name}`"))
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

fn begin_step(engine: &mut dyn Engine) -> Result<(), String> {
    if let Some(simulator) = engine.simulator() {
        simulator.begin();
    }
    match engine.connections() {
        Some(real) => real.begin().map_err(|error| error.to_string()),
        None => Ok(()),
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
