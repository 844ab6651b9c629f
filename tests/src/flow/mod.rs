//! The fraud-scoring flow: one list of requests with what each is expected to get, sent through a gateway
//! that runs the filter, whichever gateway that is.

mod gateway;
mod report;
mod scenarios;
mod world;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

pub use gateway::{EnvoyGateway, Gateway, SimulatorGateway};
pub use report::print;
pub use scenarios::{Expected, Scenario, all};
pub use world::{AUDIENCE, HOST, Issuing, SILENT, World};

use crate::http::Response;

/// What a request got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// The status.
    pub status: u16,
    /// The layer that refused, as the problem document says; empty where the request was forwarded.
    pub layer: String,
    /// The reason code; empty where the request was forwarded.
    pub reason: String,
}

/// One line of the table.
pub struct Row {
    /// What was sent and what was expected.
    pub scenario: Scenario,
    /// What came.
    pub got: Got,
    /// From sending to the last byte of the answer.
    pub time: Duration,
    /// What else is wrong: a header that did not go upstream, or one that did.
    pub fault: Option<String>,
}

impl Row {
    /// Whether got is what was expected.
    pub fn is_good(&self) -> bool {
        self.fault.is_none()
            && self.got.status == self.scenario.expected.status
            && self.got.reason == self.scenario.expected.reason
            && self.got.layer == self.scenario.expected.layer()
    }
}

/// Sends all requests in their order.
pub fn run(world: &mut World, gateway: &dyn Gateway) -> Result<Vec<Row>> {
    scenarios::all().into_iter().map(|scenario| one(world, gateway, scenario)).collect()
}

fn one(world: &mut World, gateway: &dyn Gateway, scenario: Scenario) -> Result<Row> {
    let name = scenario.name;
    let request = (scenario.request)(world).with_context(|| format!("preparing `{name}`"))?;
    let client = gateway.client(scenario.who.identity(world))?;
    let since = Instant::now();
    let answer = client.send(&request).with_context(|| format!("sending `{name}`"))?;
    let time = since.elapsed();
    let got = got(&answer);
    let fault = match (got.status, scenario.upstream) {
        (200, Some(check)) => check(&answer.parse()?).err().map(|error| error.to_string()),
        _ => None,
    };
    Ok(Row { scenario, got, time, fault })
}

fn got(answer: &Response) -> Got {
    let problem = answer.parse().ok().filter(|_| answer.status != 200).unwrap_or_default();
    let member = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    Got { status: answer.status, layer: member("layer"), reason: member("reason") }
}
