//! The audit line: one JSON object for each exchange, from which one can reconstruct who acted, on what, under which
//! policies, when. It holds no credential and no query.

use super::admit::{Admitted, Seen};
use super::authenticate::Authenticated;
use super::authorize::Findings;
use super::bind::Bound;
use super::identify::Identified;
use crate::decision::{DecisionId, DecisionIdText};
use crate::gateway::{Gateway, Need};
use crate::json::Writer;
use crate::policy::Datetime;
use crate::reason::Reason;
use crate::settings::{Question, RouteSettings, Settings};
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The longest text that a client may put into the line before it is trusted, in bytes.
const MAX_FIELD: usize = 2_048;

/// What is known of an exchange so far.
pub(super) struct Record {
    /// Whether anyone reads it; otherwise nothing is noted but the ID.
    wanted: bool,
    id: DecisionIdText,
    time: Timestamp,
    method: Option<Box<[u8]>>,
    path: Option<Box<[u8]>>,
    peer: Option<Box<[u8]>>,
    workload: Option<String>,
    /// Whether the peer spoke for the workload.
    forwarded: bool,
    /// Whether something is longer than the line lets it be.
    cut: bool,
    route: Option<Box<str>>,
    action: Option<String>,
    resource: Option<String>,
    principal: Option<String>,
    roles: Box<[Box<str>]>,
    token: Option<TokenRecord>,
    /// The name of the API key that was presented.
    key: Option<Box<str>>,
    findings: Findings,
    asked: bool,
    /// Whose answers it had to wait for.
    waited_for: Option<Box<str>>,
    /// What was relied on beyond its time.
    degraded: Vec<&'static str>,
    /// The token that goes upstream in the client's place, by its name.
    upstream_token: Option<Box<str>>,
}

struct TokenRecord {
    issuer: Box<str>,
    subject: Option<Box<str>>,
    id: Option<Box<str>>,
    cached: bool,
    /// Whether its issuer was asked about it.
    introspected: bool,
    client: Option<Box<str>>,
    acr: Option<Box<str>>,
    actors: Box<[Box<str>]>,
    /// Nothing until it was proved.
    binding: Option<&'static str>,
}

impl Record {
    /// The record of an exchange that begins.
    pub(super) fn begin(id: DecisionId, time: Timestamp, wanted: bool) -> Self {
        Self {
            wanted,
            id: id.text(),
            time,
            method: None,
            path: None,
            peer: None,
            workload: None,
            forwarded: false,
            cut: false,
            route: None,
            action: None,
            resource: None,
            principal: None,
            roles: Box::default(),
            token: None,
            key: None,
            findings: Findings::default(),
            asked: false,
            waited_for: None,
            degraded: Vec::new(),
            upstream_token: None,
        }
    }

    /// The decision's ID.
    pub(super) fn id(&self) -> &DecisionIdText {
        &self.id
    }

    /// Whether anyone reads it.
    pub(super) fn wanted(&self) -> bool {
        self.wanted
    }

    /// Notes the request line.
    pub(super) fn saw(&mut self, seen: &Seen<'_>) {
        if !self.wanted {
            return;
        }
        let mut short = |text: Option<&[u8]>| {
            text.map(|text| {
                self.cut |= text.len() > MAX_FIELD;
                text.get(..MAX_FIELD).unwrap_or(text).into()
            })
        };
        self.method = short(seen.method);
        self.path = short(seen.path);
        self.peer = short(seen.peer);
        self.route = seen.route.map(Into::into);
    }

    /// Notes the workload, which is trusted.
    pub(super) fn admitted(&mut self, admitted: &Admitted<'_>) {
        if let (true, Some(workload)) = (self.wanted, &admitted.workload) {
            self.workload = Some(workload.as_str().into());
            self.forwarded = admitted.forwarded;
            // Unless it is a proxy, the peer is the workload.
            if !admitted.forwarded {
                self.peer = None;
            }
        }
    }

    /// Notes what is relied on beyond its time; whether that is new.
    pub(super) fn degraded(&mut self, what: &'static str) -> bool {
        let new = !self.degraded.contains(&what);
        if new {
            self.degraded.push(what);
        }
        new
    }

    /// Notes whose answer is waited for.
    pub(super) fn waits(&mut self, need: Need, gateway: &Gateway) {
        if !self.wanted {
            return;
        }
        let whom = match need {
            Need::Keys { issuer } => {
                let issuer = gateway.settings().issuers.get(issuer);
                format!("keys of {}", issuer.map(|issuer| &*issuer.name).unwrap_or_default())
            }
            Need::Revocation { document } => {
                let wanted = gateway.settings().revocations.get(document);
                wanted.map(|wanted| format!("{} {}", wanted.kind.name(), wanted.uri)).unwrap_or_default()
            }
            Need::Answer { party, .. } => gateway.party_name(party),
        };
        self.waited_for = Some(match self.waited_for.take() {
            Some(before) => format!("{before}, {whom}").into(),
            None => whom.into(),
        });
    }

    /// Notes the token that goes upstream, by its name.
    pub(super) fn obtains(&mut self, route: &RouteSettings, settings: &Settings) {
        let token = route.upstream_token.and_then(|index| settings.upstream_tokens.get(index));
        if let (true, Some(token)) = (self.wanted, token) {
            self.upstream_token = Some(token.name.clone());
        }
    }

    /// Notes whose token was verified.
    pub(super) fn authenticated(&mut self, authenticated: &Authenticated, settings: &Settings) {
        let Authenticated::Token { verified, .. } = authenticated else { return };
        if !self.wanted {
            return;
        }
        let token = verified.token();
        let issuer = settings.issuers.get(token.issuer).map(|issuer| issuer.name.clone()).unwrap_or_default();
        self.token = Some(TokenRecord {
            issuer,
            subject: token.subject.clone(),
            id: token.id.clone(),
            cached: verified.cached(),
            introspected: token.signer.is_none(),
            client: token.client.clone(),
            acr: token.acr.clone(),
            actors: token.actors.clone(),
            binding: None,
        });
    }

    /// Notes that the token is presented by its holder.
    pub(super) fn bound(&mut self, bound: &Bound) {
        if let (Some(record), Authenticated::Token { verified, .. }) =
            (&mut self.token, bound.authenticated())
        {
            record.binding = Some(verified.token().confirmation.as_str());
        }
    }

    /// Notes the API key that was presented, by its name: whether it was accepted, the reason tells.
    pub(super) fn presented_key(&mut self, id: &str) {
        if self.wanted {
            self.key = Some(id.into());
        }
    }

    /// Notes the question that will be asked.
    pub(super) fn identified(&mut self, identified: &Identified, question: &Question) {
        if !self.wanted {
            return;
        }
        let principal = identified.principal.entity();
        self.action = Some(question.action.to_string());
        self.resource = Some(identified.resource.uid.to_string());
        self.principal = Some(principal.uid.to_string());
        self.roles = principal.parents.iter().map(|role| role.id().into()).collect();
        self.asked = true;
    }

    /// Notes what the policies said.
    pub(super) fn found(&mut self, findings: Findings) {
        self.findings = findings;
    }

    /// The line, if one is wanted; `refused` is nothing where the request was allowed.
    pub(super) fn line(&self, refused: Option<Reason>, settings: Option<&Settings>) -> Option<String> {
        if !self.wanted {
            return None;
        }
        let mut writer = Writer::with_capacity(768);
        writer.object(|line| {
            line.name("countersign").str("audit");
            line.name("time").str(&rfc3339(self.time));
            if let Some(gateway) = settings.and_then(|settings| settings.audit.gateway.as_ref()) {
                line.name("gateway").str(gateway);
            }
            line.name("decision_id").str(self.id.as_str());
            line.name("decision").str(if refused.is_some() { "deny" } else { "allow" });
            if let Some(reason) = refused {
                line.name("layer").str(reason.layer().as_str());
                line.name("reason").str(reason.code());
                line.name("status").i64(i64::from(reason.status()));
            }
            if let Some(waited_for) = &self.waited_for {
                line.name("waited_for").str(waited_for);
            }
            if !self.degraded.is_empty() {
                line.name("degraded").array(|all| {
                    for what in &self.degraded {
                        all.str(what);
                    }
                });
            }
            if let Some(name) = &self.upstream_token {
                line.name("upstream_token").str(name);
            }
            self.request(line, settings.is_none_or(|settings| settings.audit.path));
            self.who(line);
            self.policy(line, settings);
        });
        Some(writer.finish())
    }

    fn request(&self, line: &mut Writer, with_path: bool) {
        if let Some(method) = &self.method {
            line.name("method").bytes(method);
        }
        if let (Some(path), true) = (&self.path, with_path) {
            line.name("path").bytes(path);
        }
        if let Some(route) = &self.route {
            line.name("route").str(route);
        }
        if let Some(workload) = &self.workload {
            line.name("workload").str(workload);
        }
        if let Some(peer) = &self.peer {
            line.name("peer").bytes(peer);
        }
        if self.forwarded {
            line.name("forwarded").bool(true);
        }
        if self.cut {
            line.name("cut").bool(true);
        }
    }

    fn who(&self, line: &mut Writer) {
        for (name, value) in
            [("principal", &self.principal), ("action", &self.action), ("resource", &self.resource)]
        {
            if let Some(value) = value {
                line.name(name).str(value);
            }
        }
        if !self.roles.is_empty() {
            line.name("roles").array(|roles| {
                for role in &self.roles {
                    roles.str(role);
                }
            });
        }
        if let Some(key) = &self.key {
            line.name("credential").str("api_key");
            line.name("legacy").bool(true);
            line.name("key_id").str(key);
        }
        if let Some(token) = &self.token {
            line.name("issuer").str(&token.issuer);
            if let Some(subject) = &token.subject {
                line.name("subject").str(subject);
            }
            if !token.actors.is_empty() {
                line.name("actors").array(|actors| {
                    for actor in &token.actors {
                        actors.str(actor);
                    }
                });
            }
            if let Some(client) = &token.client {
                line.name("client").str(client);
            }
            if let Some(acr) = &token.acr {
                line.name("acr").str(acr);
            }
            if let Some(id) = &token.id {
                line.name("token_id").str(id);
            }
            if let Some(binding) = token.binding {
                line.name("binding").str(binding);
            }
            line.name("token_cached").bool(token.cached);
            if token.introspected {
                line.name("token_introspected").bool(true);
            }
        }
    }

    fn policy(&self, line: &mut Writer, settings: Option<&Settings>) {
        if !self.asked {
            return;
        }
        line.name("policies").array(|policies| {
            for policy in &self.findings.policies {
                policies.str(policy);
            }
        });
        if !self.findings.errors.is_empty() {
            line.name("policy_errors").array(|errors| {
                for (policy, error) in &self.findings.errors {
                    errors.object(|entry| {
                        entry.name("policy").str(policy);
                        entry.name("error").str(error);
                    });
                }
            });
        }
        if let Some(settings) = settings {
            line.name("image").str(&settings.image_digest);
        }
    }
}

/// RFC 3339 in UTC with milliseconds.
fn rfc3339(time: Timestamp) -> String {
    Datetime(time.as_nanos().div_euclid(1_000_000)).to_string()
}

#[cfg(test)]
mod tests {
    use super::rfc3339;
    use crate::time::Timestamp;

    #[test]
    fn times_are_rfc_3339() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_nanos(millis * 1_000_000)), text);
        }
    }
}
