//! The core, driven natively: what the filter's root context and the gateway around it do, on virtual time.

use super::{
    Answer, CERTIFICATE_DIGEST, Decision, Engine, EngineError, Outcome, Reply, Request, Script, Ticket, World,
};
use countersign_core::exchange::{Effect, Event, Exchange, Flow};
use countersign_core::gateway::{CallAnswer, CallId, Entropy, Gateway, Notice};
use countersign_core::metrics::{Observer, Unobserved};
use countersign_core::request::{Peer, RequestHead};
use countersign_core::time::{Span, Timestamp};
use countersign_host_sim::{HeaderMap, PropertyValue, Response, first_random_bytes};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the simulator's randomness yields first, so that decisions get the same IDs in both engines.
fn entropy(seed: u64) -> Entropy {
    let mut words = [[0; 8]; 7];
    first_random_bytes(seed, 0, words.as_flattened_mut());
    let [nonce, one, two, secret @ ..] = words;
    let mut all = [0; 32];
    all.copy_from_slice(secret.as_flattened());
    Entropy {
        decision_nonce: u64::from_le_bytes(nonce),
        cache_key: (u64::from_le_bytes(one), u64::from_le_bytes(two)),
        secret: all,
    }
}

/// The shortest time that a gateway waits for a call, in nanoseconds.
const SHORTEST_TIMEOUT: i64 = 1_000_000;

/// A gateway hands no more headers to a module than this; beyond, it hands none.
const MAX_HEADERS: usize = 1_024;
const MAX_HEADER_BYTES: usize = 1_048_576;

/// The core.
pub(crate) struct Native {
    gateway: Gateway,
    now: Timestamp,
    /// The tick's period, and when the next one is.
    tick: Option<Span>,
    next_tick: Option<Timestamp>,
    clusters: BTreeMap<String, Script>,
    /// Answers on their way, in the order of the calls.
    due: Vec<(Timestamp, CallId, Option<CallAnswer>)>,
    streams: Vec<Stream>,
}

struct Stream {
    exchange: Exchange,
    headers: HeaderMap,
    audit: Vec<String>,
    outcome: Option<Outcome>,
}

impl Native {
    /// A worker in a world.
    pub(crate) fn start(world: World<'_>) -> Self {
        let mut native = Self {
            gateway: Gateway::new(world.settings.clone(), entropy(world.seed)),
            now: world.start,
            tick: None,
            next_tick: None,
            clusters: world.clusters,
            due: Vec::new(),
            streams: Vec::new(),
        };
        native.schedule();
        native
    }

    /// Sends a request, with someone who looks on.
    pub(crate) fn request_observed(&mut self, request: &Request, observer: &mut dyn Observer) -> Ticket {
        let ticket = Ticket(self.streams.len());
        let id = u32::try_from(ticket.0).unwrap_or(u32::MAX);
        self.streams.push(Stream {
            exchange: Exchange::new(id),
            headers: request.headers.clone(),
            audit: Vec::new(),
            outcome: None,
        });
        let too_many = request.headers.len() > MAX_HEADERS || request.headers.byte_size() > MAX_HEADER_BYTES;
        let headers: Vec<(&[u8], &[u8])> = request.headers.iter().filter(|_| !too_many).collect();
        let (uri_san, digest);
        let peer = if property(request, "connection.mtls").is_some_and(|value| value == [1]) {
            uri_san = property(request, "connection.uri_san_peer_certificate").unwrap_or_default();
            digest = property(request, CERTIFICATE_DIGEST);
            Peer::certificate(&uri_san, digest.as_deref())
        } else {
            Peer::Anonymous
        };
        let event = Event::RequestHeaders(RequestHead { headers: &headers, peer });
        self.drive(ticket.0, event, observer);
        ticket
    }

    /// Hands an event to an exchange and carries out what it asks for.
    fn drive(&mut self, stream: usize, event: Event<'_>, observer: &mut dyn Observer) {
        let Some(stream) = self.streams.get_mut(stream) else { return };
        let dropped = matches!(event, Event::Dropped);
        stream.exchange.handle(Some(&mut self.gateway), event, observer, self.now);
        let mut reply = None;
        while let Some(effect) = stream.exchange.poll_effect() {
            match effect {
                Effect::EditHeaders(edits) => {
                    for name in &edits.remove {
                        stream.headers.remove(name);
                    }
                    for (name, value) in &edits.add {
                        stream.headers.append(name.as_bytes(), value.as_bytes());
                    }
                }
                Effect::Reply(sent) => reply = Some(sent),
                Effect::Audit(line) => stream.audit.push(line),
                Effect::Count(_) => {}
            }
        }
        match stream.exchange.flow() {
            Flow::Hold => self.schedule(),
            Flow::Release => stream.outcome = Some(Outcome::Forwarded(stream.headers.clone())),
            Flow::Closed => {
                stream.outcome = Some(match reply {
                    Some(reply) => Outcome::Replied {
                        status: reply.status,
                        headers: HeaderMap::from_pairs(reply.headers),
                        body: reply.body,
                    },
                    None if dropped => Outcome::Dropped,
                    None => return,
                });
            }
        }
    }

    /// What the filter's root context does on a tick and after an answer.
    fn work(&mut self) {
        self.gateway.tick(self.now);
        while let Some(fetch) = self.gateway.poll_call(self.now) {
            let Some(cluster) = self.clusters.get_mut(&*fetch.to.cluster) else {
                self.gateway.call_done(fetch.id, None, self.now);
                continue;
            };
            let headers = HeaderMap::from_pairs(fetch.headers());
            let answer = cluster.next(&headers, fetch.body());
            let answer = answer.unwrap_or_else(|| Answer::at_once(Reply::Response(Response::new(404))));
            let timeout = fetch.timeout.as_nanos().max(SHORTEST_TIMEOUT);
            let delay = i64::try_from(answer.delay.as_nanos()).unwrap_or(i64::MAX);
            let (after, answer) = match answer.reply {
                Reply::Silence => (timeout, None),
                _ if delay > timeout => (timeout, None),
                Reply::Response(response) => {
                    let most = self.gateway.max_answer_bytes(fetch.id);
                    let body = response.body.concat();
                    let body = if body.len() > most { Vec::new() } else { body };
                    (delay, CallAnswer::read(response.headers.iter(), body))
                }
                Reply::Refused | Reply::Reset => (delay, Some(CallAnswer::new(503, []))),
                Reply::Half(_) => (delay, None),
            };
            self.due.push((self.now.plus(Span::from_nanos(after)), fetch.id, answer));
        }
        while let Some(notice) = self.gateway.poll_notice() {
            match notice {
                Notice::Count(_) | Notice::Warn(_) => {}
                Notice::Wake(id) => self.wake(id, Event::Settled),
                Notice::TimedOut(id) => self.wake(id, Event::Timeout),
            }
        }
        self.schedule();
    }

    fn wake(&mut self, id: u32, event: Event<'_>) {
        if let Ok(stream) = usize::try_from(id) {
            self.drive(stream, event, &mut Unobserved);
        }
    }

    /// Asks for a tick when the gateway has something to do next, as the filter does.
    fn schedule(&mut self) {
        let wait = self.gateway.tick_period(self.now);
        if self.tick != Some(wait) {
            self.tick = Some(wait);
            self.next_tick = Some(self.now.plus(wait));
        }
    }

    /// Delivers what has fallen due by now.
    fn deliver(&mut self) {
        while let Some(at) = self.due.iter().position(|(at, ..)| *at <= self.now) {
            let (_, id, answer) = self.due.remove(at);
            self.gateway.call_done(id, answer, self.now);
            self.work();
        }
    }
}

impl Engine for Native {
    fn request(&mut self, request: &Request) -> Ticket {
        self.request_observed(request, &mut Unobserved)
    }

    fn close(&mut self, ticket: Ticket) {
        let held = self.streams.get(ticket.0).is_some_and(|stream| stream.exchange.flow() == Flow::Hold);
        if held {
            self.drive(ticket.0, Event::Dropped, &mut Unobserved);
        }
    }

    fn advance(&mut self, by: Duration) {
        let by = Span::from_nanos(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX));
        let until = self.now.plus(by);
        loop {
            let answer = self.due.iter().map(|(at, ..)| *at).min();
            match (self.next_tick, answer) {
                (Some(tick), answer) if tick <= until && answer.is_none_or(|answer| tick < answer) => {
                    self.now = self.now.max(tick);
                    self.next_tick = self.tick.map(|period| self.now.plus(period));
                    self.work();
                }
                (_, Some(answer)) if answer <= until => self.now = self.now.max(answer),
                _ => break,
            }
            self.deliver();
        }
        self.now = until;
    }

    fn set_cluster(&mut self, name: &str, script: &Script) {
        // A gateway's clusters are what they were when it was configured.
        if let Some(cluster) = self.clusters.get_mut(name) {
            cluster.clone_from(script);
        }
    }

    fn decision(&mut self, ticket: Ticket) -> Result<Option<Decision>, EngineError> {
        let Some(stream) = self.streams.get(ticket.0) else { return Err(EngineError::Undecided) };
        let Some(outcome) = &stream.outcome else { return Ok(None) };
        Decision::new(&stream.audit, outcome.clone()).map(Some)
    }
}

/// A property in the encoding in which a module reads it.
fn property(request: &Request, path: &str) -> Option<Vec<u8>> {
    Some(match request.properties.get(path)? {
        PropertyValue::Bytes(bytes) => bytes.clone(),
        PropertyValue::Bool(value) => vec![u8::from(*value)],
        PropertyValue::Int(value) => value.to_le_bytes().to_vec(),
        PropertyValue::Uint(value) => value.to_le_bytes().to_vec(),
        PropertyValue::Double(value) => value.to_le_bytes().to_vec(),
        _ => Vec::new(),
    })
}
