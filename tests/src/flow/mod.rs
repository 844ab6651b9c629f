//! The fraud-scoring flow: one list of requests with what each is expected to get, sent through a gateway
//! that runs the filter, whichever gateway that is.

mod gateway;
pub mod hops;
pub mod opaque;
mod report;
mod scenarios;
mod world;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

pub use gateway::{Edge, EnvoyGateway, Gateway, SimulatorGateway, WORKERS, both};
pub use report::print;
pub use scenarios::{Expected, Scenario, all};
pub use world::{AUDIENCE, HOST, Issuing, SILENT, World};

use crate::http::Response;
use crate::services;

/// What a request got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// The status.
    pub status: u16,
    /// The layer that refused, as the problem document says; empty where the request was forwarded.
    pub layer: String,
    /// The reason code; empty where the request was forwarded.
    pub reason: String,
    /// Who reached which service, as the service saw it; empty where the request was refused.
    pub upstream: String,
}

/// An answer's status and reason code; the code is empty where the request was forwarded.
pub fn verdict(answer: &Response) -> (u16, String) {
    let got = got(answer);
    (got.status, got.reason)
}

/// One line of the table.
pub struct Row {
    /// What was sent and what was expected.
    pub scenario: Scenario,
    /// What was expected at the time of the decision.
    pub expected: Expected,
    /// What came.
    pub got: Got,
    /// The decision's audit record.
    pub audit: Value,
    /// From sending to the last byte of the answer.
    pub time: Duration,
    /// What else is wrong: a header that did not go upstream, or one that did.
    pub fault: Option<String>,
}

impl Row {
    /// Whether got is what was expected.
    pub fn is_good(&self) -> bool {
        self.fault.is_none()
            && self.got.status == self.expected.status
            && self.got.reason == self.expected.reason
            && self.got.layer == self.expected.layer()
    }
}

/// Sends all requests in their order.
pub fn run(world: &mut World, gateway: &dyn Gateway) -> Result<Vec<Row>> {
    let scenarios = scenarios::all().into_iter().enumerate();
    scenarios.map(|(before, scenario)| one(world, gateway, scenario, before)).collect()
}

fn one(world: &mut World, gateway: &dyn Gateway, scenario: Scenario, before: usize) -> Result<Row> {
    let name = scenario.name;
    let request = (scenario.request)(world).with_context(|| format!("preparing `{name}`"))?;
    let client = gateway.client(scenario.who.identity(world))?;
    let since = Instant::now();
    let answer = client.send(&request).with_context(|| format!("sending `{name}`"))?;
    let time = since.elapsed();
    let audit = gateway.audit(before + 1)?.pop().with_context(|| format!("no audit line of `{name}`"))?;
    let expected = match scenario.by_day {
        Some(by_day) if is_day(&audit) => by_day,
        _ => scenario.expected,
    };
    let got = got(&answer);
    let upstream = match (got.status, scenario.upstream) {
        (200, Some(check)) => check(&answer.parse()?).err().map(|error| error.to_string()),
        _ => None,
    };
    let fault = upstream.or_else(|| contradiction(&got, &audit));
    Ok(Row { scenario, expected, got, audit, time, fault })
}

fn got(answer: &Response) -> Got {
    let document = answer.parse().unwrap_or_default();
    let member = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    if answer.status != 200 {
        let (layer, reason) = (member("layer"), member("reason"));
        return Got { status: answer.status, layer, reason, upstream: String::new() };
    }
    let principal = services::header(&document, "x-countersign-principal").unwrap_or("anyone");
    let upstream = format!("{} saw {principal}", member("service"));
    Got { status: answer.status, layer: String::new(), reason: String::new(), upstream }
}

/// Whether the decision fell between 06:00 and 22:00 UTC, when the pack's `retraining-hours` forbids retraining.
fn is_day(audit: &Value) -> bool {
    // RFC 3339: the hour follows the `T`.
    let hour = audit["time"].as_str().and_then(|time| time.split(['T', ':']).nth(1)?.parse::<u32>().ok());
    hour.is_some_and(|hour| (6..22).contains(&hour))
}

/// What the audit line says that the answer does not.
fn contradiction(got: &Got, audit: &Value) -> Option<String> {
    let decision = if got.status == 200 { "allow" } else { "deny" };
    let same = audit["decision"] == decision
        && audit["reason"].as_str().unwrap_or_default() == got.reason
        && audit["layer"].as_str().unwrap_or_default() == got.layer;
    (!same).then(|| format!("the audit line says otherwise: {audit}"))
}
