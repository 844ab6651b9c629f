//! What a decision must be.

use super::format::{ConnectionExpect, Expect, HeadersExpect, ValueExpect};
use super::wire::Shortfalls;
use crate::case::shortfalls;
use crate::engine::{Activity, Decision, Ended, Outcome};
use countersign_host_sim::HeaderMap;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is said of a VM that did not fail.
pub(super) const NO_FAILURE: &str = "none";

/// The outcome of a module that refuses to start.
pub(super) const REFUSED: &str = "refused";

impl Expect {
    /// Reads an expectation: an object, or in short `allow`, `deny` or a reason code, and of a module other than Countersign an outcome.
    pub(super) fn read(value: &Value, decides: bool) -> Result<Self, (String, String)> {
        match value {
            Value::String(text) if !decides => Ok(Self { outcome: Some(text.clone()), ..Self::default() }),
            Value::String(text) if text == "allow" || text == "deny" => {
                Ok(Self { decision: Some(text.clone()), ..Self::default() })
            }
            Value::String(text) => Ok(Self { reason: Some(text.clone()), ..Self::default() }),
            Value::Object(_) => super::plan::read(value),
            other => {
                let short =
                    if decides { "`allow`, `deny`, a reason code" } else { "an outcome such as `forwarded`" };
                Err((String::new(), format!("expected {short} or an object, found {other}")))
            }
        }
    }

    /// Whether it demands something that is known of Countersign's decisions alone.
    pub(super) fn asks_for_decision(&self) -> bool {
        let Self { decision, layer, reason, route, principal, policies, headers, challenge, record, .. } =
            self;
        [decision, layer, reason, route, principal, challenge].into_iter().any(Option::is_some)
            || policies.is_some()
            || !headers.is_empty()
            || !record.is_empty()
    }

    /// Whether it demands something that only a gateway can show: what went over its wires.
    pub(super) fn asks_for_wire(&self) -> bool {
        self.failure.is_some() || self.asks_for_exchange()
    }

    /// Whether it demands something of what became of a request, beside its decision.
    fn asks_for_exchange(&self) -> bool {
        let of_upstream =
            |want: &super::format::UpstreamExpect| want.body.is_some() || want.trailers.is_some();
        self.outcome.is_some() || self.downstream.is_some() || self.upstream.as_ref().is_some_and(of_upstream)
    }

    /// Whether it says that a VM fails.
    pub(super) fn foresees_failure(&self) -> bool {
        self.failure.as_deref().is_some_and(|failure| failure != NO_FAILURE)
            || self.outcome.as_deref() == Some(Ended::Failed.name())
    }

    /// Whether it demands something of a request's messages, which a connection does not have.
    fn asks_for_message(&self) -> bool {
        self.status.is_some() || self.upstream.is_some() || self.downstream.is_some()
    }

    /// Whether it is about a request that is held, and goes on being held.
    pub(super) fn waits_for_nothing(&self) -> bool {
        [Ended::Paused, Ended::Incomplete].iter().any(|ended| self.outcome.as_deref() == Some(ended.name()))
    }

    /// Whether it demands something of what the module does, be there a request or not.
    pub(super) fn asks_for_activity(&self) -> bool {
        self.calls.is_some()
            || self.grpc_calls.is_some()
            || !self.metrics.is_empty()
            || !self.logs.present.is_empty()
            || !self.logs.absent.is_empty()
            || self.fuel.is_some()
            || self.memory.is_some()
            || !self.host_calls.is_empty()
    }

    /// Whether it demands something of a request.
    pub(super) fn asks_for_request(&self) -> bool {
        let upstream = self.upstream.as_ref().is_some_and(|want| !want.headers.is_empty());
        self.asks_for_decision() || self.asks_for_exchange() || self.status.is_some() || upstream
    }

    /// Whether it demands more of the wires than that a request went on, or what it was refused with.
    pub(super) fn asks_beyond_refusal(&self) -> bool {
        let replied = self.outcome.as_deref() == Some(Ended::Reply.name());
        let of_upstream =
            self.upstream.as_ref().is_some_and(|want| want.body.is_some() || want.trailers.is_some());
        self.failure.is_some()
            || self.asks_for_activity()
            || of_upstream
            || (self.downstream.is_some() && !replied)
    }

    /// The same without what only the simulator counts, fuel, memory and host calls, why a VM failed, and what a filter holds of a
    /// connection.
    pub(super) fn without_counts(self) -> Self {
        let connection = self.connection.and_then(ConnectionExpect::without_held);
        Self { fuel: None, memory: None, host_calls: BTreeMap::new(), failure: None, connection, ..self }
    }

    /// Whether it demands anything at all.
    pub(super) fn is_empty(&self) -> bool {
        !self.asks_for_request()
            && !self.asks_for_activity()
            && self.failure.is_none()
            && self.connection.is_none()
    }

    /// Demands names that are known: of outcomes, of a connection or a request, and of host functions.
    pub(super) fn check(&self, connection: bool) -> Result<(), (String, String)> {
        let downstream = self.downstream.as_ref().and_then(|want| want.status);
        for (name, status) in [("status", self.status), ("downstream.status", downstream)] {
            if let Some(status) = status.filter(|status| !(100..600).contains(status)) {
                return Err((name.to_owned(), format!("expected a status from 100 to 599, found {status}")));
            }
        }
        if let Some(outcome) = &self.outcome
            && outcome != REFUSED
            && !Ended::ALL.iter().any(|(name, ended)| name == outcome && ended.is_of(connection))
        {
            let of_kind = Ended::ALL.iter().filter(|(_, ended)| ended.is_of(connection));
            let names: Vec<String> = of_kind.map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("expected {} or `{REFUSED}`, found `{outcome}`", names.join(", "));
            return Err(("outcome".to_owned(), message));
        }
        match &self.connection {
            Some(want) if connection => {
                want.check().map_err(|message| ("connection.closed_by".to_owned(), message))?;
            }
            Some(_) => {
                return Err(("connection".to_owned(), "expected it where there is a connection".to_owned()));
            }
            None => {}
        }
        if connection && self.asks_for_message() {
            let message =
                "expected `outcome`, `failure`, `connection` and what the module does, of a connection";
            return Err((String::new(), message.to_owned()));
        }
        for name in self.host_calls.keys() {
            super::faults::host_call(name).map_err(|message| ("host_calls".to_owned(), message))?;
        }
        Ok(())
    }

    /// Holds a decision against it.
    pub(super) fn decision(
        &self,
        decision: &Decision,
        prefix: &str,
        short: &mut Shortfalls<'_>,
    ) -> Result<(), String> {
        let record = decision.record(prefix);
        let mut expected = self.record.clone();
        for (name, want) in [
            ("decision", &self.decision),
            ("layer", &self.layer),
            ("reason", &self.reason),
            ("route", &self.route),
            ("principal", &self.principal),
        ] {
            if let Some(want) = want {
                expected.insert(name.to_owned(), want.as_str().into());
            }
        }
        if let Some(status) = self.status {
            expected.insert("status".to_owned(), status.into());
        }
        shortfalls(&expected, &record).lines().for_each(|line| short.add(line.to_owned()));
        if let Some(policies) = &self.policies {
            let mut want: Vec<&str> = policies.iter().map(String::as_str).collect();
            let have =
                record.get("policies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let mut have: Vec<&str> = have.iter().filter_map(Value::as_str).collect();
            want.sort_unstable();
            have.sort_unstable();
            if want != have {
                short.add(format!("`policies`: expected {want:?}, got {have:?}"));
            }
        }
        let none = HeaderMap::new();
        // Headers that are absent because the whole request is say nothing.
        let (upstream, back) = match &decision.outcome {
            Outcome::Forwarded(headers) => (Some(headers), None),
            Outcome::Replied { headers, .. } => (None, Some(headers)),
            Outcome::Dropped => (None, None),
        };
        let of_upstream = self.upstream.as_ref().map(|want| &want.headers).filter(|want| !want.is_empty());
        match (of_upstream, upstream) {
            (None, _) => {}
            (Some(want), Some(have)) => short.headers("upstream", want, have)?,
            (Some(want), None) => {
                short.add("`upstream`: expected the request to be forwarded, it was not".to_owned());
                if let HeadersExpect::Some(names) = want {
                    for (name, want) in names {
                        if !matches!(want, ValueExpect::Absent | ValueExpect::Token(_)) {
                            short.header("upstream", name, want, &none)?;
                        }
                    }
                }
            }
        }
        if (!self.headers.is_empty() || self.challenge.is_some()) && back.is_none() {
            short.add("`headers`: expected the request to be refused, it was not".to_owned());
        }
        for (name, want) in &self.headers {
            short.header("headers", name, want, back.unwrap_or(&none))?;
        }
        if let Some(want) = &self.challenge {
            let want = ValueExpect::Pattern(want.clone());
            short.header("headers", "www-authenticate", &want, back.unwrap_or(&none))?;
        }
        Ok(())
    }

    /// Holds why a module did not start, and what it logged until then, against it.
    pub(super) fn refusal(&self, activity: &Activity, short: &mut Shortfalls<'_>) -> Result<(), String> {
        if let Some(want) = self.outcome.as_ref().filter(|want| *want != REFUSED) {
            short.add(format!("`outcome`: expected `{want}`, got `{REFUSED}`"));
        }
        short.activity(self, activity)
    }
}
