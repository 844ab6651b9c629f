//! Scenarios of any module on a gateway that really runs.

use super::connection::{LiveConnections, StartConnections};
use super::{Answer, GrpcScript, Plugin, Ran, Scenarios};
use crate::decider::Engines;
use crate::engine::{
    Activity, Answering, Decision, Ended, Engine, EngineError, Request as Sent, Script, Ticket, Told, Wire,
};
use crate::scenario::Runner;
use crate::time;
use countersign_core::time::Timestamp;
use countersign_host_sim::{GrpcCall, HeaderMap, HttpCall, LogLevel, LogLine, Message, MetricValue};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a cluster answers.
#[derive(Clone, Debug)]
pub struct Answers(Script);

impl Answers {
    /// The next answer for a request; none where no answer is for it.
    pub fn next(&mut self, headers: &HeaderMap, body: &[u8]) -> Option<Answer> {
        self.0.next(headers, body)
    }
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct Request {
    /// Headers with their pseudo-headers.
    pub headers: HeaderMap,
    /// The body in the chunks that it comes in.
    pub body: Vec<Vec<u8>>,
    /// Trailers, if there are any.
    pub trailers: Option<HeaderMap>,
}

/// A call of the module's that reached its cluster.
#[derive(Clone, Debug)]
pub struct Called {
    /// The cluster.
    pub cluster: String,
    /// What was sent.
    pub message: Message,
}

/// What became of a request, and what the module did meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Exchanged {
    /// What reached the service.
    pub upstream: Option<Message>,
    /// What the client got.
    pub downstream: Option<Message>,
    /// The calls that were made since the request before.
    pub calls: Vec<Called>,
    /// All gRPC calls and streams so far, in the order in which they were opened, as they stand.
    pub grpc_calls: Vec<GrpcCall>,
    /// The lines that were logged since the request before, or since the start.
    pub logs: Vec<(LogLevel, String)>,
    /// Counters and gauges before and after, by name.
    pub metrics: BTreeMap<String, (Option<u64>, u64)>,
}

/// A gateway that really runs, with a module.
pub trait ModuleGateway {
    /// Sends a request. For one that reaches the service, `answer` says what that answers.
    ///
    /// # Errors
    /// The gateway could not be asked, in words for people.
    fn exchange(
        &mut self,
        request: &Request,
        answer: &mut dyn FnMut(&Message) -> Result<Answer, String>,
    ) -> Result<Exchanged, String>;
}

/// A gateway that did not start.
#[derive(Clone, Debug)]
pub struct NotStarted {
    /// Why.
    pub message: String,
    /// What the module logged until then.
    pub logs: Vec<(LogLevel, String)>,
}

/// The clusters around a module, by name.
#[derive(Clone, Debug, Default)]
pub struct Clusters {
    /// Those that answer HTTP calls.
    pub http: BTreeMap<String, Answers>,
    /// Those of gRPC services.
    pub grpc: BTreeMap<String, GrpcScript>,
}

/// How a gateway is started with a module and clusters.
pub type StartModule<'a> = &'a dyn Fn(&Plugin, Clusters) -> Result<Box<dyn ModuleGateway>, NotStarted>;

impl Scenarios {
    /// Runs every case about a module that can be run, in the order of the file, each on a gateway of its own: one for requests, or one
    /// for connections.
    pub fn run_module(&self, requests: StartModule<'_>, connections: StartConnections<'_>) -> Vec<Ran> {
        let names: Vec<String> = self.0.names().map(str::to_owned).collect();
        let runner = Runner::new(&self.0, Engines::Wasm, None);
        let one = |(index, name): (usize, String)| {
            let skipped = runner.unfit_for_real(index);
            let failures = match (skipped, runner.plugin(index)) {
                (Some(_), _) => Vec::new(),
                (None, Err(message)) => vec![message],
                (None, Ok(plugin)) => runner.run_module_on(index, &|http, grpc| {
                    let answers = http.iter().map(|(name, script)| (name.clone(), Answers(script.clone())));
                    let clusters = Clusters { http: answers.collect(), grpc: grpc.clone() };
                    if let Some(names) = runner.server_names(index) {
                        let live = LiveConnections::start(&plugin, clusters, names, connections)?;
                        return Ok(Box::new(live) as Box<dyn Engine>);
                    }
                    let gateway = requests(&plugin, clusters)
                        .map_err(|failed| EngineError::Start(failed.message, lines(failed.logs)))?;
                    Ok(Box::new(Live { gateway, requests: Vec::new(), told: Told::default() })
                        as Box<dyn Engine>)
                }),
            };
            Ran { name, skipped, allowed: (0, 0), failures }
        };
        names.into_iter().enumerate().map(one).collect()
    }
}

/// The gateway as an engine, whose time passes by itself.
struct Live {
    gateway: Box<dyn ModuleGateway>,
    requests: Vec<Request>,
    told: Told,
}

impl Engine for Live {
    fn request(&mut self, request: &Sent) -> Ticket {
        let Sent { headers, body, trailers, .. } = request.clone();
        self.requests.push(Request { headers, body, trailers });
        Ticket(self.requests.len() - 1)
    }

    fn close(&mut self, _: Ticket) {}

    fn advance(&mut self, _: Duration) {}

    fn set_cluster(&mut self, _: &str, _: &Script) {}

    fn clock(&self) -> Option<Timestamp> {
        Some(time::now())
    }

    fn exchange(&mut self, ticket: Ticket, answer: Answering<'_>) -> Result<(Wire, Activity), EngineError> {
        let Some(request) = self.requests.get(ticket.0) else { return Err(EngineError::Undecided) };
        let Exchanged { upstream, downstream, calls, grpc_calls, logs, metrics } =
            self.gateway.exchange(request, answer).map_err(EngineError::Gateway)?;
        let ended = match (&upstream, &downstream) {
            (Some(_), _) => Ended::Forwarded,
            (None, Some(_)) => Ended::Reply,
            (None, None) => Ended::Closed,
        };
        let counter = |(name, (before, now)): (String, (Option<u64>, u64))| {
            (name, (before.map(MetricValue::Counter), MetricValue::Counter(now)))
        };
        let activity = Activity {
            calls: calls.into_iter().map(call).collect(),
            grpc_calls: self.told.fresh(&grpc_calls),
            logs: lines(logs),
            metrics: metrics.into_iter().map(counter).collect(),
            ..Activity::default()
        };
        self.told.account(&grpc_calls);
        Ok((Wire { ended, failure: None, upstream, downstream }, activity))
    }

    /// What any module does is no decision.
    fn decision(&mut self, _: Ticket) -> Result<Option<Decision>, EngineError> {
        Err(EngineError::Undecided)
    }
}

pub(super) fn call(Called { cluster, message }: Called) -> HttpCall {
    let Message { headers, body, trailers } = message;
    HttpCall {
        worker: 0,
        token: 0,
        cluster: cluster.into_bytes(),
        headers,
        body,
        trailers,
        timeout: Duration::ZERO,
        at: 0,
    }
}

pub(super) fn lines(logs: impl IntoIterator<Item = (LogLevel, String)>) -> Vec<LogLine> {
    let line = |(level, message)| LogLine { level, message, worker: 0, context: 0, at: 0 };
    logs.into_iter().map(line).collect()
}
