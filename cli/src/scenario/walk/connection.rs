//! Connections on the way of a case: opened through the module as a network filter, used, ended and judged.

use super::{Walk, read, simulator, span};
use crate::bytes::shown;
use crate::engine::{Ended, Engine, Simulator};
use crate::scenario::format::{Chunks, Closer, ConnectSpec, ConnectionExpect, Expect, Peer, Turn};
use crate::scenario::wire::Shortfalls;
use crate::time;
use countersign_host_sim::{
    CloseType, Connect, ConnectionId, ConnectionOutcome, ConnectionState, PropertyValue,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A connection that is open.
#[derive(Clone, Copy)]
pub(super) struct Line {
    id: ConnectionId,
    /// Its number among what was sent.
    input: usize,
}

impl Line {
    /// The gateway's own name of it.
    pub(super) fn id(self) -> ConnectionId {
        self.id
    }
}

impl Walk<'_> {
    /// Opens a connection, and has happen on it what is to happen.
    pub(super) fn connect(
        &mut self,
        engine: &mut dyn Engine,
        spec: &ConnectSpec,
        peer: Option<&Peer>,
    ) -> Result<Line, String> {
        let defaults = &self.plan.file.defaults;
        let mut properties: BTreeMap<String, PropertyValue> = BTreeMap::new();
        for (path, value) in defaults.properties.iter().chain(&spec.properties) {
            match value {
                Some(value) => properties.insert(path.clone(), value.0.clone()),
                None => properties.remove(path),
            };
        }
        let now = engine.clock().unwrap_or(self.now);
        self.plan.certificates.present(peer.or(defaults.peer.as_ref()), now, &mut properties)?;
        self.trace.inputs.push(input(&properties, spec));
        let input = self.trace.inputs.len() - 1;
        self.last = Some(input);
        let connect = properties
            .into_iter()
            .fold(Connect::new(), |connect, (path, value)| connect.property(&path, value));
        let id = simulator(engine, "connect")?.host().connect_on(spec.worker, &connect);
        let line = Line { id, input };
        self.exchange(engine, line, &spec.exchange)?;
        Ok(line)
    }

    /// Has happen on a connection what is to happen, one after another.
    pub(super) fn exchange(
        &mut self,
        engine: &mut dyn Engine,
        line: Line,
        exchange: &[Turn],
    ) -> Result<(), String> {
        for turn in exchange {
            let host = simulator(engine, "exchange")?.host();
            let chunks = |chunks: &Chunks| match chunks.0.as_slice() {
                // The end alone is sent, too.
                [] if turn.end => vec![Vec::new()],
                chunks => chunks.to_vec(),
            };
            for (from_client, sent) in [(true, &turn.client), (false, &turn.upstream)] {
                let sent = sent.as_ref().map(chunks).unwrap_or_default();
                let count = sent.len();
                for (index, chunk) in sent.into_iter().enumerate() {
                    let end = turn.end && index + 1 == count;
                    if from_client {
                        host.downstream_data(line.id, chunk, end);
                    } else {
                        host.upstream_data(line.id, chunk, end);
                    }
                }
            }
            match turn.close {
                None => {}
                Some(Closer::Client) => host.disconnect(line.id),
                Some(Closer::Gateway) => host.disconnect_by(line.id, CloseType::Local),
            }
            if let Some(by) = turn.passes()? {
                engine.advance(by);
                self.now = self.now.plus(span(by));
            }
        }
        Ok(())
    }

    /// Holds a connection, as it stands, against what is expected of it.
    pub(super) fn look(
        &mut self,
        engine: &mut dyn Engine,
        line: Line,
        expect: &Value,
        label: &str,
    ) -> Result<(), String> {
        self.last = Some(line.input);
        let expect = read(expect, self.decides())?;
        let simulator = simulator(engine, "connect")?;
        let outcome = outcome(simulator, line)?;
        self.judge(simulator, line, &outcome, &expect, label)
    }

    /// Lets time pass until nothing of a connection is held, unless that is what is expected; holds it against what is expected, and has
    /// its client go away.
    pub(super) fn hang_up(
        &mut self,
        engine: &mut dyn Engine,
        line: Line,
        expect: Option<&Value>,
        label: &str,
    ) -> Result<(), String> {
        self.last = Some(line.input);
        let expect = expect.map(|value| read(value, self.decides())).transpose()?.unwrap_or_default();
        let simulator = simulator(engine, "connect")?;
        if !expect.connection.as_ref().is_some_and(ConnectionExpect::is_about_holding) {
            simulator.pass_while(|simulator| outcome(simulator, line).is_ok_and(|outcome| waits(&outcome)));
        }
        let outcome = outcome(simulator, line)?;
        simulator.host().disconnect(line.id);
        self.judge(simulator, line, &outcome, &expect, label)
    }

    fn judge(
        &mut self,
        simulator: &mut Simulator,
        line: Line,
        outcome: &ConnectionOutcome,
        expect: &Expect,
        label: &str,
    ) -> Result<(), String> {
        let is_token = self.is_token();
        let mut short = Shortfalls::new(&is_token);
        let (ended, failure) = match &outcome.state {
            ConnectionState::Open => (Ended::Open, None),
            ConnectionState::Closed(_) => (Ended::Closed, None),
            ConnectionState::Failed(failure) => (Ended::Failed, Some(failure.to_string())),
        };
        self.trace.ended = Some(ended.name());
        let failure = failure.or_else(|| simulator.host().failure(line.id.worker()).map(ToString::to_string));
        short.ended(expect, ended, failure.as_deref());
        if let Some(want) = &expect.connection {
            want.hold(outcome, &mut short);
        }
        let activity = simulator.activity();
        short.activity(expect, &activity)?;
        let all = short.all;
        self.fail(all, label);
        Ok(())
    }
}

fn outcome(simulator: &Simulator, line: Line) -> Result<ConnectionOutcome, String> {
    simulator.connection(line.id).ok_or_else(|| "the connection is no longer remembered".to_owned())
}

/// Whether something of a connection may yet go on.
fn waits(outcome: &ConnectionOutcome) -> bool {
    outcome.state == ConnectionState::Open
        && !(outcome.connected && outcome.held_downstream.is_empty() && outcome.held_upstream.is_empty())
}

/// Who closed a connection; nobody where it is open.
fn closed_by(outcome: &ConnectionOutcome) -> &'static str {
    match outcome.state {
        ConnectionState::Closed(_) if outcome.closed_by_filter => "filter",
        ConnectionState::Closed(CloseType::Remote) => "client",
        ConnectionState::Closed(_) | ConnectionState::Failed(_) => "gateway",
        ConnectionState::Open => "nobody",
    }
}

/// A connection to be read: what the file says, defaults filled in.
fn input(properties: &BTreeMap<String, PropertyValue>, spec: &ConnectSpec) -> Value {
    let chunks = |chunks: &Chunks| -> Value { chunks.0.iter().map(|chunk| shown(chunk)).collect() };
    let turn = |turn: &Turn| {
        let mut members = Map::new();
        for (name, sent) in [("client", &turn.client), ("upstream", &turn.upstream)] {
            if let Some(sent) = sent {
                members.insert(name.into(), chunks(sent));
            }
        }
        if turn.end {
            members.insert("end".into(), true.into());
        }
        if let Some(closer) = turn.close {
            members.insert("close".into(), closer.name().into());
        }
        if let Some(by) = &turn.advance {
            members.insert("advance".into(), by.as_str().into());
        }
        Value::Object(members)
    };
    let properties: Map<String, Value> =
        properties.iter().map(|(path, value)| (path.clone(), json!(format!("{value:?}")))).collect();
    let exchange: Vec<Value> = spec.exchange.iter().map(turn).collect();
    json!({ "connect": { "properties": properties, "worker": spec.worker, "exchange": exchange } })
}

impl Closer {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
        }
    }
}

impl Turn {
    /// How much time passes, where some does.
    fn passes(&self) -> Result<Option<Duration>, String> {
        let Some(text) = &self.advance else { return Ok(None) };
        let by = time::span(text);
        by.map(Some).ok_or_else(|| format!("`advance`: expected a span such as `5s`, found `{text}`"))
    }

    /// Demands that exactly one thing happens.
    pub(in crate::scenario) fn check(&self) -> Result<(), String> {
        let happens =
            [self.client.is_some(), self.upstream.is_some(), self.close.is_some(), self.advance.is_some()];
        if happens.into_iter().filter(|happens| *happens).count() != 1 {
            return Err("expected one of `client`, `upstream`, `close` and `advance`".to_owned());
        }
        if self.end && self.client.is_none() && self.upstream.is_none() {
            return Err(
                "`end`: expected it beside `client` or `upstream`, which then sends no more".to_owned()
            );
        }
        self.passes().map(drop)
    }
}

impl ConnectionExpect {
    /// Whether it is about a connection that the filter stops, so that nothing is to be waited for.
    fn is_about_holding(&self) -> bool {
        self.held_downstream.is_some() || self.held_upstream.is_some() || self.connected == Some(false)
    }

    /// Demands a party that can close a connection.
    pub(in crate::scenario) fn check(&self) -> Result<(), String> {
        match self.closed_by.as_deref() {
            None | Some("client" | "filter" | "gateway") => Ok(()),
            Some(other) => Err(format!("expected `client`, `filter` or `gateway`, found `{other}`")),
        }
    }

    fn hold(&self, have: &ConnectionOutcome, short: &mut Shortfalls<'_>) {
        short.fact("connection.connected", self.connected, have.connected);
        short.fact("connection.upstream_ended", self.upstream_ended, have.upstream_ended);
        short.fact("connection.downstream_ended", self.downstream_ended, have.downstream_ended);
        for (name, want, have) in [
            ("upstream", &self.upstream, &have.upstream),
            ("downstream", &self.downstream, &have.downstream),
            ("held_downstream", &self.held_downstream, &have.held_downstream),
            ("held_upstream", &self.held_upstream, &have.held_upstream),
        ] {
            if let Some(want) = want {
                short.bytes(&format!("connection.{name}"), want, have);
            }
        }
        short.text("connection.closed_by", self.closed_by.as_ref(), closed_by(have));
    }
}
