//! The two engines that are measured: the module in the simulator, and the core as native code. Both check every decision.

use std::time::{Duration, Instant};

use countersign_core::exchange::{Effect, Event, Exchange, Flow};
use countersign_core::gateway::{Entropy, Gateway};
use countersign_core::metrics::Unobserved;
use countersign_core::reason::Reason;
use countersign_core::request::{Peer, RequestHead};
use countersign_core::settings::Settings;
use countersign_core::time::Timestamp;
use countersign_host_sim::{Disposition, Host, HostBuilder, Request};
use serde_json::Value;

use super::plan::{NOW, Prepared};
use crate::failure::Failure;

/// What one decision took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// From the request's headers to having closed its stream.
    pub(crate) total: Duration,
    /// Of that, within the module's callbacks. As long as the whole natively.
    pub(crate) guest: Duration,
}

/// Something that decides.
pub(crate) trait Engine {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Makes a request ready, outside of what is measured.
    fn load(&mut self, request: &Prepared);

    /// Decides the request made ready last. With `fresh`, a new instance is started first, and its start counts.
    fn decide(&mut self, fresh: bool) -> Result<Taken, Failure>;

    /// The reason of the last decision, from its audit line; nothing where it was allowed.
    fn reason(&mut self) -> Result<Option<String>, Failure>;
}

/// Decides, and refuses to go on where the decision is not the expected one.
pub(crate) fn decide(
    engine: &mut dyn Engine,
    fresh: bool,
    expected: Option<Reason>,
    case: &str,
) -> Result<Taken, Failure> {
    let taken = engine.decide(fresh)?;
    let got = engine.reason()?;
    if got.as_deref() == expected.map(Reason::code) {
        return Ok(taken);
    }
    let word = |reason: Option<&str>| reason.unwrap_or("allow").to_owned();
    Err(Failure::finding(format!(
        "`{case}` ({}): expected `{}`, got `{}`",
        engine.name(),
        word(expected.map(Reason::code)),
        word(got.as_deref())
    )))
}

/// The module, in the simulator.
pub(crate) struct Wasm {
    builder: HostBuilder,
    host: Host,
    request: Request,
    forwarded: bool,
    largest: usize,
}

impl Wasm {
    /// Starts a VM.
    pub(crate) fn start(builder: HostBuilder) -> Result<Self, Failure> {
        let host = start(&builder)?;
        Ok(Self { builder, host, request: Request::default(), forwarded: false, largest: 0 })
    }

    /// Bytes of memory of the largest VM so far. A VM's memory never shrinks.
    pub(crate) fn memory(&self) -> usize {
        self.largest.max(self.host.memory_size(0))
    }
}

impl Engine for Wasm {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn load(&mut self, request: &Prepared) {
        let mut loaded = Request::from_headers(request.headers.iter().map(|(name, value)| (name, value)));
        if let Some(workload) = &request.workload {
            loaded = loaded
                .property("connection.mtls", true)
                .property("connection.uri_san_peer_certificate", workload.as_str());
        }
        self.request = loaded;
    }

    fn decide(&mut self, fresh: bool) -> Result<Taken, Failure> {
        let mut starting = Duration::ZERO;
        if fresh {
            let since = Instant::now();
            let host = start(&self.builder)?;
            starting = since.elapsed();
            self.largest = self.memory();
            self.host = host;
        }
        let measured = self.host.measure(&self.request, None);
        self.forwarded = measured.disposition == Disposition::Forwarded;
        Ok(Taken { total: starting + measured.total, guest: starting + measured.callbacks })
    }

    fn reason(&mut self) -> Result<Option<String>, Failure> {
        let lines = self.host.take_logs();
        let line = lines.iter().rev().find(|line| line.message.starts_with('{'));
        let line = line.ok_or_else(|| Failure::finding("the module wrote no audit line"))?;
        let reason = reason_of(&line.message)?;
        if reason.is_none() != self.forwarded {
            return Err(Failure::finding(format!(
                "the audit line does not say what happened: {}",
                line.message
            )));
        }
        Ok(reason)
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
        let request = Prepared { headers: Vec::new(), workload: None };
        let gateway = gateway(config)?;
        Ok(Self { config: config.to_vec(), gateway, request, effects: Vec::new(), flow: Flow::Closed })
    }
}

impl Engine for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn load(&mut self, request: &Prepared) {
        self.request.clone_from(request);
    }

    fn decide(&mut self, fresh: bool) -> Result<Taken, Failure> {
        let headers: Vec<(&[u8], &[u8])> =
            self.request.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
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
        Ok(Taken { total, guest: total })
    }

    fn reason(&mut self) -> Result<Option<String>, Failure> {
        let line = self.effects.iter().find_map(|effect| match effect {
            Effect::Audit(line) => Some(line),
            Effect::EditHeaders(_) | Effect::Reply(_) | Effect::Count(_) => None,
        });
        let reason = reason_of(line.ok_or_else(|| Failure::finding("the core wrote no audit line"))?)?;
        match (&reason, self.flow) {
            (None, Flow::Release) | (Some(_), Flow::Closed) => Ok(reason),
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
