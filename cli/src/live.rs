//! Scenarios on a gateway that really runs: the same requests, with credentials made at the gateway's time, held to the same
//! expectations and to what the core decides by itself.

mod connection;
mod module;

pub use connection::{
    ConnectionGateway, Doings, End, Entrance, GATEWAY_NAME, Identity, StartConnections, TlsClient,
};
pub use module::{
    Answers, Called, Clusters, Exchanged, ModuleGateway, NotStarted, Request as ModuleRequest, StartModule,
};

use crate::decider::Engines;
pub use crate::engine::{Answer, Document, GrpcAnswer, GrpcEnd, GrpcScript, Reply};
use crate::engine::{
    CERTIFICATE_DIGEST, Decision, Engine, EngineError, Modules, Native, Outcome, Request, Script, Ticket,
    World, differences,
};
pub use crate::scenario::Plugin;
use crate::scenario::{Plan, Runner};
use crate::time;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::time::Timestamp;
use countersign_host_sim::{HeaderMap, PropertyValue};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// What no two gateways have in common: the moment, and what they number or remember by themselves.
const THEIR_OWN: [&str; 4] = ["time", "decision_id", "token_cached", "waited_for"];

/// A gateway that really runs, under the scenario's configuration.
pub trait Gateway {
    /// The SHA-256 of the certificate that a workload presents.
    ///
    /// # Errors
    /// There is none, in words for people.
    fn thumbprint(&mut self, certificate: &Certificate) -> Result<[u8; 32], String>;

    /// Sends a request and says what became of it.
    ///
    /// # Errors
    /// The gateway could not be asked, in words for people.
    fn send(&mut self, request: &Sent) -> Result<Answered, String>;
}

/// Whom a request comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Certificate {
    /// The workload's SPIFFE ID.
    pub workload: String,
    /// What tells apart the certificates of one workload: the digest that the scenario makes up.
    pub digest: Option<String>,
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The headers, `host` among them.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The client's certificate.
    pub certificate: Option<Certificate>,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The audit line.
    pub audit: String,
    /// The headers that went upstream, where the request did.
    pub upstream: Option<Vec<(String, Vec<u8>)>>,
    /// The answer's status.
    pub status: u16,
    /// The answer's headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The answer's body.
    pub body: Vec<u8>,
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The case's name.
    pub name: String,
    /// Why it was not run, where it says nothing to a gateway that really runs.
    pub skipped: Option<&'static str>,
    /// How many requests were allowed, and how many there were.
    pub allowed: (usize, usize),
    /// What is wrong: where it falls short of what is expected, and where gateway and core differ.
    pub failures: Vec<String>,
}

/// A scenario file.
pub struct Scenarios(Plan);

impl Scenarios {
    /// Reads a file and all that it names.
    ///
    /// # Errors
    /// What is wrong with the file, in words for people.
    pub fn load(path: &Path) -> Result<Self, String> {
        Plan::load(path, None, &mut Modules::default()).map(Self).map_err(|failure| failure.to_string())
    }

    /// The filter's configuration. Times in it are moved, so that the scenario's time is the present.
    ///
    /// # Errors
    /// The configuration cannot be written down, in words for people.
    pub fn configuration(&self) -> Result<Value, String> {
        self.0.configuration_at(time::now())
    }

    /// What clusters answer, by name. Of documents at one path the first counts that fits.
    ///
    /// # Errors
    /// A cluster does more than serve documents, in words for people.
    pub fn documents(&self) -> Result<BTreeMap<String, Vec<Document>>, String> {
        self.0.documents(time::now())
    }

    /// Runs every case that can be run, in the order of the file.
    pub fn run(&self, gateway: &Rc<RefCell<dyn Gateway>>) -> Vec<Ran> {
        let names: Vec<String> = self.0.names().map(str::to_owned).collect();
        let runner = Runner::new(&self.0, Engines::Native, None);
        let one = |(index, name): (usize, String)| match runner.unfit(index) {
            Some(why) => Ran { name, skipped: Some(why), allowed: (0, 0), failures: Vec::new() },
            None => self.one(&runner, index, name, gateway),
        };
        names.into_iter().enumerate().map(one).collect()
    }

    /// How the core alone, at the file's own time, falls short of what is expected in each case that a gateway that really runs is
    /// asked: the case's name with each failure.
    pub fn failures_of_core(&self) -> Vec<String> {
        let runner = Runner::new(&self.0, Engines::Native, None);
        let one = |(index, name): (usize, &str)| {
            let (failures, _) = match runner.unfit(index) {
                Some(_) => (Vec::new(), Vec::new()),
                None => runner.run_on(index, |world: World<'_>| Box::new(Native::start(world))),
            };
            failures.into_iter().map(|failure| format!("{name}: {failure}")).collect::<Vec<_>>()
        };
        self.0.names().enumerate().flat_map(one).collect()
    }

    fn one(
        &self,
        runner: &Runner<'_>,
        index: usize,
        name: String,
        gateway: &Rc<RefCell<dyn Gateway>>,
    ) -> Ran {
        let live = || Live { gateway: Rc::clone(gateway), decisions: Vec::new() };
        let (mut failures, real) = runner.run_on(index, |_| Box::new(live()));
        let (_, core) = runner.run_on(index, |world: World<'_>| Box::new(Native::start(world)));
        if real.len() != core.len() {
            failures.push(format!("expected {} decisions, found {}", core.len(), real.len()));
        }
        for (step, (real, core)) in real.iter().zip(&core).enumerate() {
            let (real, core) = (self.in_common(real), self.in_common(core));
            let lines = differences(("gateway", &real), ("core", &core));
            failures.extend(lines.lines().map(|line| format!("they differ at request {}: {line}", step + 1)));
        }
        let went = |decision: &&Decision| matches!(decision.outcome, Outcome::Forwarded(_));
        Ran { name, skipped: None, allowed: (real.iter().filter(went).count(), real.len()), failures }
    }

    /// What gateway and core must agree on: the record without [`THEIR_OWN`].
    fn in_common(&self, decision: &Decision) -> Value {
        let mut record = decision.record(self.0.prefix());
        for name in THEIR_OWN {
            record.remove(name);
        }
        if let Some(Value::Object(document)) = record.get_mut("body") {
            document.retain(|name, _| !THEIR_OWN.contains(&name.as_str()));
        }
        if let Some(Value::Array(headers)) = record.get_mut("upstream_headers") {
            let id = format!("{}decision-id", self.0.prefix());
            headers.retain(|pair| pair[0] != json!(id));
            headers.sort_by_key(ToString::to_string);
        }
        if let Some(Value::Array(headers)) = record.get_mut("headers") {
            // That of one connection, and none of the filter's business.
            headers.retain(|pair| pair[0] != "connection");
            headers.sort_by_key(ToString::to_string);
        }
        Value::Object(record)
    }
}

/// The gateway as an engine, whose time passes by itself.
struct Live {
    gateway: Rc<RefCell<dyn Gateway>>,
    decisions: Vec<Result<Decision, EngineError>>,
}

impl Engine for Live {
    fn request(&mut self, request: &Request) -> Ticket {
        let answered = self.gateway.borrow_mut().send(&sent(request));
        self.decisions.push(answered.map_err(EngineError::Gateway).and_then(decision));
        Ticket(self.decisions.len() - 1)
    }

    fn close(&mut self, _: Ticket) {}

    fn advance(&mut self, _: Duration) {}

    fn set_cluster(&mut self, _: &str, _: &Script) {}

    fn clock(&self) -> Option<Timestamp> {
        Some(time::now())
    }

    fn thumbprint(&mut self, made_up: &str, request: &Request) -> Result<Option<String>, EngineError> {
        let Some(peer) = certificate(request) else { return Ok(None) };
        let digest = BASE64URL.decode(made_up).unwrap_or_default();
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let certificate = Certificate { digest: Some(digest), ..peer };
        let real = self.gateway.borrow_mut().thumbprint(&certificate).map_err(EngineError::Gateway)?;
        Ok(Some(BASE64URL.encode(real)))
    }

    fn is_real(&self) -> bool {
        true
    }

    fn decision(&mut self, ticket: Ticket) -> Result<Option<Decision>, EngineError> {
        self.decisions.get(ticket.0).cloned().transpose()
    }
}

fn decision(answered: Answered) -> Result<Decision, EngineError> {
    let outcome = match &answered.upstream {
        Some(headers) => Outcome::Forwarded(HeaderMap::from_pairs(lower(headers))),
        None => Outcome::Replied {
            status: answered.status,
            headers: HeaderMap::from_pairs(lower(&answered.headers)),
            body: answered.body,
        },
    };
    Decision::new(&[answered.audit], outcome)
}

fn lower(headers: &[(String, Vec<u8>)]) -> impl Iterator<Item = (String, &Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value))
}

fn sent(request: &Request) -> Sent {
    let pseudo = |name: &str| request.headers.text(name).unwrap_or_default();
    let mut headers = vec![("host".to_owned(), pseudo(":authority").into_bytes())];
    let others = request.headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    headers.extend(others.map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec())));
    Sent {
        method: pseudo(":method"),
        target: pseudo(":path"),
        headers,
        body: request.body.concat(),
        certificate: certificate(request),
    }
}

/// The certificate that the connection's properties speak of.
fn certificate(request: &Request) -> Option<Certificate> {
    let text = |name: &str| match request.properties.get(name)? {
        PropertyValue::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    };
    let workload = text("connection.uri_san_peer_certificate")?;
    Some(Certificate { workload, digest: text(CERTIFICATE_DIGEST) })
}
