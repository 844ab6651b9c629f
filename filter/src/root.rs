//! A worker's root context: configuration, issuer keys, and requests that wait for them.

use crate::host::{self, Level};
use crate::pairs;
use crate::shared;
use crate::signatures::Signatures;
use crate::telemetry::Telemetry;
use crate::vm::Streams;
use countersign_core::exchange::{Event, Flow};
use countersign_core::gateway::{Call, CallAnswer, CallId, Entropy, Gateway, Notice};
use countersign_core::settings::Settings;
use countersign_core::time::Timestamp;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// The root context.
pub(crate) struct Root {
    id: u32,
    /// Nothing until a configuration was accepted.
    pub gateway: Option<Gateway>,
    /// Our metrics.
    pub telemetry: Telemetry,
    /// Who verifies signatures; nothing until a configuration was accepted.
    signatures: Option<Signatures>,
    /// Calls under way, by the host's token for the call.
    calls: BTreeMap<u32, CallId>,
    /// How many events were handled.
    pub driven: u32,
    /// The tick period that the host was told last.
    tick: Option<Duration>,
}

impl Root {
    /// A worker that is not configured yet.
    pub(crate) fn new(id: u32) -> Self {
        let (telemetry, calls) = (Telemetry::default(), BTreeMap::new());
        Self { id, gateway: None, telemetry, signatures: None, calls, driven: 0, tick: None }
    }

    /// What requests are judged by.
    pub(crate) fn settings(&self) -> Option<&Settings> {
        self.gateway.as_ref().map(|gateway| &**gateway.settings())
    }

    /// Takes up the plugin's configuration. One that is refused changes nothing.
    pub(crate) fn configure(&mut self, streams: &mut Streams) -> bool {
        let (settings, entropy) = match configuration() {
            Ok(good) => good,
            Err(fault) => {
                host::log(Level::Error, &fault);
                return false;
            }
        };
        // Who waits, waits for keys of the old configuration, and answers to its calls are nobody's.
        self.end_held(streams);
        self.calls.clear();
        self.report();
        let mut gateway = Gateway::new(settings, entropy);
        gateway.set_audit(host::logs(Level::Info));
        self.telemetry = Telemetry::define(gateway.settings());
        let signatures = Signatures::examine(gateway.settings(), &self.telemetry);
        gateway.set_provider(signatures.provider.clone());
        gateway.set_shared(Rc::new(shared::Host));
        self.signatures = Some(signatures);
        self.gateway = Some(gateway);
        // Calls out are not allowed while configuring; the first tick makes them.
        self.schedule(timestamp(host::now()));
        true
    }

    /// Takes the answer to a call. One that was not made for this configuration is nobody's.
    pub(crate) fn call_answered(&mut self, token: u32, body_size: usize, streams: &mut Streams) {
        let (Some(id), Some(gateway)) = (self.calls.remove(&token), &mut self.gateway) else { return };
        let headers = host::call_response_headers().unwrap_or_default();
        let body = match body_size > gateway.max_answer_bytes(id) {
            true => Vec::new(),
            false => host::call_response_body(body_size).unwrap_or_default(),
        };
        let answer = CallAnswer::read(pairs::read(&headers).unwrap_or_default(), body);
        gateway.call_done(id, answer, timestamp(host::now()));
        self.work(streams);
    }

    /// Begins due calls, and wakes the requests whose wait is over.
    pub(crate) fn work(&mut self, streams: &mut Streams) {
        let now = host::now();
        let time = timestamp(now);
        let Some(gateway) = &mut self.gateway else { return };
        // The log level can be changed while the gateway runs; at the next tick, at the latest, we follow.
        gateway.set_audit(host::logs(Level::Info));
        gateway.tick(time);
        while let Some(call) = gateway.poll_call(time) {
            match begin(&call) {
                Ok(token) => {
                    self.calls.insert(token, call.id);
                }
                Err(refused) => {
                    let (cluster, purpose, status) = (&call.to.cluster, call.purpose, refused.0);
                    host::log(
                        Level::Warn,
                        &format!("cluster `{cluster}` took no call for {purpose} (status {status})"),
                    );
                    gateway.call_done(call.id, None, time);
                }
            }
        }
        while let Some(notice) = self.gateway.as_mut().and_then(Gateway::poll_notice) {
            match notice {
                Notice::Count(counter) => self.telemetry.count(counter),
                Notice::Warn(message) => host::log(Level::Warn, &message),
                Notice::Wake(context) => self.wake(streams, context, Event::Settled, now),
                Notice::TimedOut(context) => self.wake(streams, context, Event::Timeout, now),
            }
        }
        if let Some(gateway) = &mut self.gateway {
            self.telemetry.set_key_health(gateway.key_health(time));
            self.telemetry.set_revocation_health(gateway.revocation_health(time));
            self.telemetry.set_fills(gateway.fills(time));
        }
        self.report();
        let _ = host::set_effective_context(self.id);
        self.schedule(time);
    }

    /// Tells the host what was counted since the last time.
    fn report(&mut self) {
        if let Some(signatures) = &mut self.signatures {
            signatures.report(&mut self.telemetry);
        }
        self.telemetry.flush();
    }

    /// Refuses whoever waits.
    pub(crate) fn end_held(&mut self, streams: &mut Streams) {
        let waits =
            streams.iter().filter(|(_, stream)| stream.root() == self.id && stream.flow() == Flow::Hold);
        let contexts: Vec<u32> = waits.map(|(context, _)| *context).collect();
        if contexts.is_empty() {
            return;
        }
        let now = host::now();
        for context in contexts {
            self.wake(streams, context, Event::Timeout, now);
        }
        let _ = host::set_effective_context(self.id);
    }

    fn wake(&mut self, streams: &mut Streams, context: u32, event: Event<'_>, now: u64) {
        let Some(stream) = streams.get_mut(&context) else { return };
        // A stream that the host no longer knows is gone.
        let known = host::set_effective_context(context).is_ok();
        let event = if known { event } else { Event::Dropped };
        if stream.event(self, event, now) == Flow::Release
            && let Err(refused) = host::continue_request()
        {
            host::log(Level::Warn, &format!("a released request did not go on (status {})", refused.0));
            host::close_request();
        }
    }

    /// Whether the host was ever told to tick.
    pub(crate) fn ticks(&self) -> bool {
        self.tick.is_some()
    }

    /// Asks for a tick when the gateway has something to do next.
    pub(crate) fn schedule(&mut self, now: Timestamp) {
        let period = self.gateway.as_ref().map_or(Gateway::LONGEST_TICK, |gateway| gateway.tick_period(now));
        let period = Duration::from_nanos(u64::try_from(period.as_nanos()).unwrap_or(0));
        if self.tick != Some(period) && host::set_tick_period(period).is_ok() {
            self.tick = Some(period);
        }
    }
}

/// The host's time as the core has it.
pub(crate) fn timestamp(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// Begins a call; gives the host's token for it.
fn begin(call: &Call) -> Result<u32, host::Refused> {
    // No time at all would be no limit at all.
    let timeout = Duration::from_nanos(u64::try_from(call.timeout.as_nanos()).unwrap_or(0));
    host::http_call(&call.to.cluster, &call.headers(), call.body(), timeout.max(Duration::from_millis(1)))
}

/// The plugin's configuration, checked, and the randomness that goes with it.
fn configuration() -> Result<(Settings, Entropy), String> {
    let bytes = host::plugin_configuration()
        .map_err(|refused| format!("configuration: the host gave none (status {})", refused.0))?;
    let settings = Settings::load(&bytes).map_err(|error| format!("configuration: {error}"))?;
    let entropy = entropy().map_err(|refused| {
        format!("the host gave no randomness (status {}), which the filter needs", refused.0)
    })?;
    Ok((settings, entropy))
}

fn entropy() -> Result<Entropy, host::Refused> {
    let [a, b, c] =
        [host::random::<8>()?, host::random::<8>()?, host::random::<8>()?].map(u64::from_le_bytes);
    Ok(Entropy { decision_nonce: a, cache_key: (b, c), secret: host::random::<32>()? })
}
