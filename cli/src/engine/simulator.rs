//! A simulated gateway with its streams: what goes over its wires, and what its module does.

use super::wire::unavailable;
use super::{Activity, Answer, Ended, EngineError, PATIENCE, Reply, Request, Script, Ticket, Told, Wire};
use countersign_host_sim::{
    self as sim, ConnectionId, ConnectionOutcome, Host, HostBuilder, HttpCall, LogLine, Metric, MetricValue,
    Outcome, ResponseOutcome, StartError, StreamId,
};
use std::collections::BTreeMap;

/// A gateway on virtual time.
pub(crate) struct Simulator {
    host: Host,
    streams: Vec<StreamId>,
    /// Those whose clients went away before anything came of them.
    gone: Vec<StreamId>,
    /// What was logged and called since the last look.
    logs: Vec<LogLine>,
    calls: Vec<HttpCall>,
    /// What of each gRPC call is accounted for.
    told: Told,
    /// How everything stood when the step began.
    before: Counts,
}

#[derive(Default)]
struct Counts {
    fuel: u64,
    host_calls: BTreeMap<&'static str, u64>,
    metrics: BTreeMap<String, MetricValue>,
}

impl Simulator {
    /// Starts a gateway with clusters that answer in this way.
    pub(crate) fn start(
        mut builder: HostBuilder,
        clusters: &BTreeMap<String, Script>,
    ) -> Result<Self, EngineError> {
        for (name, script) in clusters {
            builder = builder.cluster(name, script.to_upstream());
        }
        let host =
            builder.start().map_err(|error: StartError| EngineError::Start(error.to_string(), error.logs))?;
        let (streams, gone, logs, calls) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { host, streams, gone, logs, calls, told: Told::default(), before: Counts::default() })
    }

    /// The gateway itself.
    pub(crate) fn host(&mut self) -> &mut Host {
        &mut self.host
    }

    /// The gateway's time, in nanoseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        self.host.now()
    }

    /// The gateway's stream of a request.
    pub(crate) fn stream(&self, ticket: Ticket) -> Option<StreamId> {
        self.streams.get(ticket.0).copied()
    }

    /// Sends a request, as far as it goes now.
    pub(crate) fn send(&mut self, request: &Request) -> Ticket {
        let mut sent = sim::Request {
            headers: request.headers.clone(),
            body: request.body.clone(),
            trailers: request.trailers.clone(),
            metadata: request.metadata.clone(),
            unfinished: request.unfinished,
            ..sim::Request::default()
        };
        for (path, value) in &request.properties {
            sent = sent.property(path, value.clone());
        }
        let id = self.host.request_on(request.worker, &sent);
        self.streams.push(id);
        Ticket(self.streams.len() - 1)
    }

    /// The client of a request goes away.
    pub(crate) fn close(&mut self, ticket: Ticket) {
        let Some(id) = self.stream(ticket) else { return };
        if matches!(self.host.outcome(id), Outcome::Paused | Outcome::Incomplete) {
            self.gone.push(id);
        }
        self.host.close(id);
    }

    /// Changes how a cluster answers from now on.
    pub(crate) fn set_cluster(&mut self, name: &str, script: &Script) {
        self.host.set_cluster(name, script.to_upstream());
    }

    /// Takes the lines logged since the last time, and keeps them for the step's account.
    pub(crate) fn new_logs(&mut self) -> &[LogLine] {
        let fresh = self.host.take_logs();
        let from = self.logs.len();
        self.logs.extend(fresh);
        self.logs.get(from..).unwrap_or_default()
    }

    /// Where a connection stands, or stood when it ended.
    pub(crate) fn connection(&self, connection: ConnectionId) -> Option<ConnectionOutcome> {
        self.host.connection(connection)
    }

    /// How a request stands.
    pub(crate) fn outcome(&self, ticket: Ticket) -> Outcome {
        self.stream(ticket).map_or(Outcome::Closed, |id| self.host.outcome(id))
    }

    /// Lets time pass, from one event to the next, until a request is no longer held.
    pub(crate) fn settle(&mut self, ticket: Ticket) {
        if let Some(id) = self.stream(ticket) {
            self.host.advance_while(PATIENCE, |host| host.outcome(id).is_paused());
        }
    }

    /// Lets time pass, from one event to the next, until nothing of a connection waits.
    pub(crate) fn settle_connection(
        &mut self,
        connection: ConnectionId,
        waits: impl Fn(&ConnectionOutcome) -> bool,
    ) {
        self.host.advance_while(PATIENCE, |host| host.connection(connection).as_ref().is_some_and(&waits));
    }

    /// Why the module did not come to rest, where it did not.
    pub(crate) fn unrest(&self) -> Option<String> {
        self.host.unrest().map(ToString::to_string)
    }

    /// Has a request that was forwarded answered, ends it, and says what went over the wires.
    pub(crate) fn finish(&mut self, ticket: Ticket, answer: &Answer) -> Wire {
        let Some(id) = self.stream(ticket) else { unreachable!("tickets are streams") };
        let outcome = self.host.outcome(id);
        let upstream = outcome.forwarded().cloned();
        if upstream.is_some() {
            self.answer(id, answer);
        }
        let response = self.host.response(id);
        let closed = upstream.is_some() && matches!(self.host.outcome(id), Outcome::Closed);
        self.host.close(id);
        let failed = match (&outcome, &response) {
            (Outcome::Failed(failure), _) | (_, ResponseOutcome::Failed(failure)) => {
                Some(failure.to_string())
            }
            _ => None,
        };
        let ended = match outcome {
            _ if failed.is_some() => Ended::Failed,
            _ if closed || self.gone.contains(&id) => Ended::Closed,
            Outcome::Forwarded(_) => Ended::Forwarded,
            Outcome::Reply(_) => Ended::Reply,
            Outcome::Paused => Ended::Paused,
            Outcome::Incomplete => Ended::Incomplete,
            Outcome::Closed => Ended::Closed,
            Outcome::Failed(_) => Ended::Failed,
        };
        let downstream = match &outcome {
            _ if ended == Ended::Failed => Some(unavailable()),
            Outcome::Reply(reply) => Some(reply.message()),
            _ => response.sent(),
        };
        let failure = failed.or_else(|| self.host.failure(id.worker()).map(ToString::to_string));
        Wire { ended, failure, upstream, downstream }
    }

    fn answer(&mut self, id: StreamId, answer: &Answer) {
        self.host.advance(answer.delay);
        match &answer.reply {
            Reply::Response(response) => self.host.respond(id, response.clone()),
            Reply::Half(response) => self.host.respond(id, response.clone().unfinished()),
            Reply::Refused => self.host.respond(id, Script::refused()),
            // What breaks before its headers is answered for, as in the router of a gateway.
            Reply::Reset => self.host.respond(id, Script::broken()),
            Reply::Silence => return,
        }
        if !matches!(answer.reply, Reply::Half(_)) {
            self.host.advance_while(PATIENCE, |host| host.response(id) == ResponseOutcome::Paused);
        }
    }

    /// A step begins: what it counts, it counts from here.
    pub(crate) fn begin(&mut self) {
        self.before = Counts {
            fuel: self.host.fuel_used(),
            host_calls: self.host.host_calls(),
            metrics: self.metrics(),
        };
    }

    /// What the module did: logged and called since the last account, counted since the step began.
    pub(crate) fn activity(&mut self) -> Activity {
        self.new_logs();
        self.calls.extend(self.host.take_calls());
        let mut host_calls = self.host.host_calls();
        for (name, before) in &self.before.host_calls {
            if let Some(count) = host_calls.get_mut(name) {
                *count = count.saturating_sub(*before);
            }
        }
        let metrics = self.metrics().into_iter();
        let metrics = metrics
            .map(|(name, now)| (name.clone(), (self.before.metrics.get(&name).cloned(), now)))
            .collect();
        let grpc_calls = self.told.fresh(self.host.grpc_calls());
        self.told.account(self.host.grpc_calls());
        let sizes = (0..self.host.workers()).map(|worker| self.host.memory_size(worker));
        Activity {
            calls: std::mem::take(&mut self.calls),
            grpc_calls,
            logs: std::mem::take(&mut self.logs),
            metrics,
            fuel: self.host.fuel_used().saturating_sub(self.before.fuel),
            memory: sizes.max().unwrap_or(0),
            host_calls,
        }
    }

    fn metrics(&self) -> BTreeMap<String, MetricValue> {
        self.host.metrics().totals().into_iter().map(|Metric { name, value }| (name, value)).collect()
    }
}
