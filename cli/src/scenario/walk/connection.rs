//! Connections on the way of a case: opened through the module as a network filter, used, ended and judged.

use super::{Walk, read, simulator, span};
use crate::bytes::shown;
use crate::engine::{Connections, Ended, Engine, Simulator};
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
    via: Via,
    /// Its number among what was sent.
    input: usize,
}

/// The gateway's own name of a connection.
#[derive(Clone, Copy)]
enum Via {
    Simulator(ConnectionId),
    /// A gateway that really runs.
    Real(usize),
}

impl Line {
    /// The client goes away.
    pub(super) fn leave(self, engine: &mut dyn Engine) -> Result<(), String> {
        match self.via {
            Via::Simulator(id) => simulator(engine, "close")?.host().disconnect(id),
            Via::Real(number) => {
                connections(engine)?.close(number, CloseType::Remote).map_err(|error| error.to_string())?
            }
        }
        Ok(())
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
        let is_real = engine.connections().is_some();
        // The file's certificates are of the file's time; a gateway that really runs has others in their place.
        let now = engine.clock().filter(|_| !is_real).unwrap_or(self.now);
        self.plan.certificates.present(peer.or(defaults.peer.as_ref()), now, &mut properties)?;
        self.trace.inputs.push(input(&properties, spec));
        let input = self.trace.inputs.len() - 1;
        self.last = Some(input);
        let via = if is_real {
            let number = connections(engine)?.connect(&properties).map_err(|error| error.to_string())?;
            Via::Real(number)
        } else {
            let connect = properties
                .into_iter()
                .fold(Connect::new(), |connect, (path, value)| connect.property(&path, value));
            Via::Simulator(simulator(engine, "connect")?.host().connect_on(spec.worker, &connect))
        };
        let line = Line { via, input };
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
        let id = match line.via {
            Via::Simulator(id) => id,
            Via::Real(number) => return self.exchange_really(connections(engine)?, number, exchange),
        };
        for turn in exchange {
            let host = simulator(engine, "exchange")?.host();
            for (from_client, chunk, end) in turn.sent() {
                if from_client {
                    host.downstream_data(id, chunk, end);
                } else {
                    host.upstream_data(id, chunk, end);
                }
            }
            match turn.close {
                None => {}
                Some(Closer::Client) => host.disconnect(id),
                Some(Closer::Gateway) => host.disconnect_by(id, CloseType::Local),
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
        let id = match line.via {
            Via::Simulator(id) => id,
            Via::Real(number) => return self.judge_really(engine, number, Some(expect), label, false),
        };
        let expect = read(expect, self.decides())?;
        let simulator = simulator(engine, "connect")?;
        let outcome = outcome(simulator, id)?;
        self.judge(simulator, id, &outcome, &expect, label)
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
        let id = match line.via {
            Via::Simulator(id) => id,
            Via::Real(number) => return self.judge_really(engine, number, expect, label, true),
        };
        let expect = expect.map(|value| read(value, self.decides())).transpose()?.unwrap_or_default();
        let simulator = simulator(engine, "connect")?;
        if !expect.connection.as_ref().is_some_and(ConnectionExpect::is_about_holding) {
            simulator.settle_connection(id, waits);
        }
        let outcome = outcome(simulator, id)?;
        simulator.host().disconnect(id);
        self.judge(simulator, id, &outcome, &expect, label)
    }

    fn judge(
        &mut self,
        simulator: &mut Simulator,
        id: ConnectionId,
        outcome: &ConnectionOutcome,
        expect: &Expect,
        label: &str,
    ) -> Result<(), String> {
        let is_token = self.is_token();
        let mut short = Shortfalls::new(&is_token);
        let of_worker = simulator.host().failure(id.worker()).map(ToString::to_string);
        self.trace.ended = Some(stands(expect, outcome, of_worker, &mut short).name());
        let activity = simulator.activity();
        short.activity(expect, &activity)?;
        let all = short.all;
        self.fail(all, label);
        Ok(())
    }
}

/// Holds how a connection stands against what is expected, and tells it. `failure` is that of its worker's VM.
pub(super) fn stands(
    expect: &Expect,
    outcome: &ConnectionOutcome,
    failure: Option<String>,
    short: &mut Shortfalls<'_>,
) -> Ended {
    let (ended, own) = match &outcome.state {
        ConnectionState::Open => (Ended::Open, None),
        ConnectionState::Closed(_) => (Ended::Closed, None),
        ConnectionState::Failed(failure) => (Ended::Failed, Some(failure.to_string())),
    };
    short.ended(expect, ended, own.or(failure).as_deref());
    if let Some(want) = &expect.connection {
        want.hold(outcome, short);
    }
    ended
}

/// The connections of a gateway that really runs.
pub(super) fn connections(engine: &mut dyn Engine) -> Result<&mut dyn Connections, String> {
    engine.connections().ok_or_else(|| "`connect`: expected a gateway that takes connections".to_owned())
}

fn outcome(simulator: &Simulator, id: ConnectionId) -> Result<ConnectionOutcome, String> {
    simulator.connection(id).ok_or_else(|| "the connection is no longer remembered".to_owned())
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
    /// What is sent: whether by the client, the bytes, and whether that is the end.
    pub(super) fn sent(&self) -> Vec<(bool, Vec<u8>, bool)> {
        let chunks = |chunks: &Chunks| match chunks.0.as_slice() {
            // The end alone is sent, too.
            [] if self.end => vec![Vec::new()],
            chunks => chunks.to_vec(),
        };
        let mut all = Vec::new();
        for (from_client, sent) in [(true, &self.client), (false, &self.upstream)] {
            let sent = sent.as_ref().map(chunks).unwrap_or_default();
            let count = sent.len();
            let ends = |index| self.end && index + 1 == count;
            all.extend(sent.into_iter().enumerate().map(|(index, chunk)| (from_client, chunk, ends(index))));
        }
        all
    }

    /// How much time passes, where some does.
    pub(super) fn passes(&self) -> Result<Option<Duration>, String> {
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

    /// The same without what the filter holds; nothing where that was all.
    pub(in crate::scenario) fn without_held(self) -> Option<Self> {
        let Self { connected, upstream_ended, downstream_ended, .. } = self;
        let facts = [connected, upstream_ended, downstream_ended].into_iter().any(|fact| fact.is_some());
        let more = facts || self.upstream.is_some() || self.downstream.is_some() || self.closed_by.is_some();
        more.then(|| Self { held_downstream: None, held_upstream: None, ..self })
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
