//! What is measured: a module in the simulator, and Countersign's core as native code. Each says what it decided, so that every
//! decision can be checked.

use std::time::{Duration, Instant};

use countersign_core::exchange::{Effect, Event, Exchange, Flow};
use countersign_core::gateway::{Entropy, Gateway};
use countersign_core::metrics::Unobserved;
use countersign_core::request::{Peer, RequestHead};
use countersign_core::settings::Settings;
use countersign_core::time::Timestamp;
use countersign_host_sim::{Disposition, Host, HostBuilder, Measured};
use serde_json::Value;

use super::budget::Budget;
use super::case::{Case, Prepared, decision_name, disposition_name};
use super::clock;
use super::plan::NOW;
use crate::failure::Failure;

/// What one decision took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// From the request's headers to having closed its stream; with an engine's start, where it was started for it.
    pub(crate) total: Duration,
    /// Where its parts were timed, what they took.
    pub(crate) parts: Option<Parts>,
}

/// What a request takes in the simulator, and two parts of it; the simulator's own share is the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// The whole.
    pub(crate) whole: Duration,
    /// The guest's own code.
    pub(crate) guest: Duration,
    /// Host calls.
    pub(crate) host_calls: Duration,
}

impl Parts {
    /// Takes out what the looks at the clock cost that the parts were timed by.
    pub(crate) fn of(measured: &Measured) -> Self {
        let look = clock::look();
        let times = |count: u64| look.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        let within = measured.callbacks.saturating_sub(measured.host_calls);
        let looks = 2 * (measured.host_call_count + measured.callback_count);
        Self {
            whole: measured.total.saturating_sub(times(looks)),
            guest: within.saturating_sub(times(measured.host_call_count + measured.callback_count)),
            host_calls: measured.host_calls.saturating_sub(times(measured.host_call_count)),
        }
    }
}

/// Something that decides.
pub(crate) trait Engine {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Makes a request ready, outside of what is measured.
    fn load(&mut self, request: &Prepared);

    /// Decides the request made ready last, with its parts timed where asked for.
    fn decide(&mut self, parts: bool) -> Result<Taken, Failure>;

    /// The same by an instance started for it, whose start counts.
    fn decide_cold(&mut self) -> Result<Taken, Failure>;

    /// What was decided last, by its name.
    fn decision(&mut self) -> Result<String, Failure>;

    /// Why what runs can decide no more, if it can't.
    fn failure(&self) -> Option<String> {
        None
    }

    /// Lets the time between rounds pass.
    fn rest(&mut self) {}
}

/// How a decision is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By what runs already.
    Running,
    /// The same, with its parts timed.
    InParts,
    /// By an instance started for it.
    Fresh,
}

/// Decides, and refuses to go on where the decision is not the expected one. What was decided, and what it took.
pub(crate) fn decide(engine: &mut dyn Engine, how: How, case: &Case) -> Result<(String, Taken), Failure> {
    let taken = match how {
        How::Running => engine.decide(false)?,
        How::InParts => engine.decide(true)?,
        How::Fresh => engine.decide_cold()?,
    };
    let got = engine.decision().map_err(|failure| told_why(failure, engine))?;
    if case.expected.is_met_by(&got) {
        return Ok((got, taken));
    }
    let (name, by, expected) = (&case.name, engine.name(), &case.expected);
    let failure = Failure::finding(format!("`{name}` ({by}): expected `{expected}`, got `{got}`"));
    Err(told_why(failure, engine))
}

/// A failure with why what runs can go on no more, if it can't.
pub(crate) fn told_why(failure: Failure, engine: &dyn Engine) -> Failure {
    match engine.failure() {
        Some(why) => failure.details(why),
        None => failure,
    }
}

/// What a module's decisions are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decisions {
    /// Countersign's audit lines.
    Audited,
    /// What becomes of the request.
    Dispositions,
}

/// A module, in the simulator.
pub(crate) struct Wasm {
    name: &'static str,
    decisions: Decisions,
    builder: HostBuilder,
    budget: Budget,
    host: Host,
    prepared: Prepared,
    last: Disposition,
    largest: usize,
}

impl Wasm {
    /// Starts a VM.
    pub(crate) fn start(
        name: &'static str,
        builder: HostBuilder,
        decisions: Decisions,
        budget: Budget,
    ) -> Result<Self, Failure> {
        budget.check()?;
        let host = start(&builder)?;
        let (prepared, last) = (Prepared::default(), Disposition::Held);
        Ok(Self { name, decisions, builder, budget, host, prepared, last, largest: 0 })
    }

    /// Bytes of memory of the largest VM so far. A VM's memory never shrinks.
    pub(crate) fn memory(&self) -> usize {
        self.largest.max(self.host.memory_size(0))
    }

    /// The host that it runs in.
    pub(crate) fn host(&mut self) -> &mut Host {
        &mut self.host
    }

    /// How long a start takes: instantiating, starting and configuring a VM, which takes the old one's place.
    pub(crate) fn start_again(&mut self) -> Result<Duration, Failure> {
        self.budget.check()?;
        let since = Instant::now();
        let host = start(&self.builder)?;
        let taken = since.elapsed();
        self.largest = self.memory();
        self.host = host;
        Ok(taken)
    }

    /// Runs the request made ready last, whatever is decided.
    pub(crate) fn run(&mut self) -> Result<Measured, Failure> {
        self.budget.check()?;
        let measured = self.host.measure(&self.prepared.request, self.prepared.response.as_ref());
        self.last.clone_from(&measured.disposition);
        Ok(measured)
    }

    /// Runs the life of a stream alone.
    pub(crate) fn run_stream(&mut self) -> Result<Measured, Failure> {
        self.budget.check()?;
        Ok(self.host.measure_stream())
    }
}

impl Engine for Wasm {
    fn name(&self) -> &'static str {
        self.name
    }

    fn load(&mut self, request: &Prepared) {
        self.prepared.clone_from(request);
    }

    fn decide(&mut self, parts: bool) -> Result<Taken, Failure> {
        self.host.time_callbacks(parts);
        self.host.time_host_calls(parts);
        let measured = self.run()?;
        Ok(Taken { total: measured.total, parts: parts.then(|| Parts::of(&measured)) })
    }

    fn decide_cold(&mut self) -> Result<Taken, Failure> {
        let starting = self.start_again()?;
        self.host.time_callbacks(false);
        Ok(Taken { total: starting + self.run()?.total, parts: None })
    }

    fn decision(&mut self) -> Result<String, Failure> {
        if self.decisions == Decisions::Dispositions {
            return Ok(disposition_name(&self.last));
        }
        let lines = self.host.take_logs();
        let line = lines.iter().rev().find(|line| line.message.starts_with('{'));
        let line = line.ok_or_else(|| Failure::finding("the module wrote no audit line"))?;
        let reason = reason_of(&line.message)?;
        if reason.is_none() != (self.last == Disposition::Forwarded) {
            return Err(Failure::finding(format!(
                "the audit line does not say what happened: {}",
                line.message
            )));
        }
        Ok(decision_name(reason.as_deref()))
    }

    fn failure(&self) -> Option<String> {
        self.host.failure(0).map(ToString::to_string)
    }

    fn rest(&mut self) {
        if self.decisions == Decisions::Dispositions {
            // Ticks come, and answers that no request waited for.
            self.host.advance(Duration::from_secs(1));
        }
    }
}

fn start(builder: &HostBuilder) -> Result<Host, Failure> {
    builder.clone().start().map_err(|error| Failure::usage(format!("the module does not start: {error}")))
}

/// The core, as native code.
pub(crate) struct Native {
    config: Vec<u8>,
    gateway: Gateway,
    request: Prepared,
    effects: Vec<Effect>,
    flow: Flow,
}

impl Native {
    /// Reads the configuration.
    pub(crate) fn start(config: &[u8]) -> Result<Self, Failure> {
        let gateway = gateway(config)?;
        let request = Prepared::default();
        Ok(Self { config: config.to_vec(), gateway, request, effects: Vec::new(), flow: Flow::Closed })
    }

    fn run(&mut self, fresh: bool) -> Result<Taken, Failure> {
        let headers: Vec<(&[u8], &[u8])> = self.request.request.headers.iter().collect();
        let peer = match &self.request.workload {
            Some(id) => Peer::certificate(id.as_bytes(), None),
            None => Peer::Anonymous,
        };
        let now = Timestamp::from_secs(NOW);
        self.effects.clear();
        let since = Instant::now();
        if fresh {
            self.gateway = gateway(&self.config)?;
        }
        let mut exchange = Exchange::new(2);
        let head = RequestHead { headers: &headers, peer };
        exchange.handle(Some(&mut self.gateway), Event::RequestHeaders(head), &mut Unobserved, now);
        while let Some(effect) = exchange.poll_effect() {
            self.effects.push(effect);
        }
        let total = since.elapsed();
        while self.gateway.poll_notice().is_some() {}
        self.flow = exchange.flow();
        Ok(Taken { total, parts: None })
    }
}

impl Engine for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn load(&mut self, request: &Prepared) {
        self.request.clone_from(request);
    }

    fn decide(&mut self, _: bool) -> Result<Taken, Failure> {
        self.run(false)
    }

    fn decide_cold(&mut self) -> Result<Taken, Failure> {
        self.run(true)
    }

    fn decision(&mut self) -> Result<String, Failure> {
        let line = self.effects.iter().find_map(|effect| match effect {
            Effect::Audit(line) => Some(line),
            Effect::EditHeaders(_) | Effect::Reply(_) | Effect::Count(_) => None,
        });
        let reason = reason_of(line.ok_or_else(|| Failure::finding("the core wrote no audit line"))?)?;
        match (&reason, self.flow) {
            (None, Flow::Release) | (Some(_), Flow::Closed) => Ok(decision_name(reason.as_deref())),
            _ => Err(Failure::finding("the audit line does not say what happened")),
        }
    }
}

fn gateway(config: &[u8]) -> Result<Gateway, Failure> {
    let settings =
        Settings::load(config).map_err(|error| Failure::usage(format!("configuration: {error}")))?;
    Ok(Gateway::new(settings, Entropy { decision_nonce: 1, cache_key: (2, 3), secret: [4; 32] }))
}

fn reason_of(line: &str) -> Result<Option<String>, Failure> {
    let record: Value = serde_json::from_str(line)
        .map_err(|error| Failure::finding(format!("expected an audit line, found `{line}`: {error}")))?;
    Ok(record["reason"].as_str().map(str::to_owned))
}
