//! What a caller brought to prove itself, and which login was asked for beyond it.

use super::mask::{masked_claims, sensitive_claims};
use super::{Asked, effect};
use crate::credentials::token;
use crate::engine::{Decision, Request};
use countersign_core::policy::Effect;
use countersign_core::policy::explain::Found;
use countersign_core::settings::Settings;
use countersign_core::step_up::Demand;
use serde_json::{Value, json};

/// Header and claims of something signed.
pub(crate) type Parts = (Value, Value);

/// What came with the request, as far as it can be read.
pub(crate) struct Credentials {
    /// The token.
    pub(crate) token: Option<Parts>,
    /// Whether it was verified.
    pub(crate) verified: bool,
    /// The proof of possession (RFC 9449).
    pub(crate) proof: Option<Parts>,
    /// Whether it was accepted.
    pub(crate) proved: bool,
    /// The API key's name, where it is a known one.
    pub(crate) key: Option<String>,
    /// Whether an API key was brought at all.
    pub(crate) brought_key: bool,
}

impl Credentials {
    /// Reads those of a request, and what became of them.
    pub(super) fn of(request: &Request, settings: &Settings, decision: &Decision) -> Self {
        let header = |name: &str| std::str::from_utf8(request.headers.get(name)?).ok();
        let token = header("authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            let known = ["bearer", "dpop"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
            token::decode(token).ok().filter(|_| known)
        });
        let key_header = settings.api_keys.as_ref().map(|keys| &*keys.header);
        Self {
            token: token.map(|(header, claims)| (header, masked_claims(claims, &sensitive_claims(settings)))),
            verified: decision.member("issuer").is_some(),
            proof: header("dpop").and_then(|proof| token::decode(proof).ok()),
            // The binding is noted once the token's holder has proved it.
            proved: decision.member("binding").is_some_and(|binding| binding.starts_with("dpop")),
            key: decision.member("key_id").map(str::to_owned),
            brought_key: key_header.is_some_and(|name| request.headers.get(name).is_some()),
        }
    }

    /// The token as data.
    pub(super) fn token_data(&self) -> Option<Value> {
        let (header, claims) = self.token.as_ref()?;
        Some(json!({ "verified": self.verified, "header": header, "claims": claims }))
    }

    /// The proof as data.
    pub(super) fn proof_data(&self) -> Option<Value> {
        let (header, claims) = self.proof.as_ref()?;
        Some(json!({ "accepted": self.proved, "header": header, "claims": claims }))
    }

    /// The API key as data.
    pub(super) fn key_data(&self) -> Option<Value> {
        self.brought_key.then(|| json!({ "id": self.key }))
    }
}

/// The login that a client is sent to make (RFC 9470).
pub(crate) struct StepUp {
    /// Who asks for it: the route, or policies.
    pub(crate) by: Vec<String>,
    /// What is asked for.
    pub(crate) demand: String,
    /// What the client is told.
    pub(crate) challenge: String,
}

impl StepUp {
    /// Finds who asked for what the challenge says.
    pub(super) fn of(settings: &Settings, decision: &Decision, asked: Option<&Asked>) -> Option<Self> {
        let challenge = decision.reply_header("www-authenticate")?;
        let asks = |demand: &Demand| challenge.contains(&demand.parameters());
        let words = |demand: &Demand| demand.parameters().trim_start_matches(", ").to_owned();
        let findings = || {
            let all = asked.into_iter().flat_map(|asked| &asked.findings);
            all.filter(|finding| matches!(finding.result, Found::Satisfied))
        };
        let route = settings.routes.iter().find(|route| Some(&*route.name) == decision.member("route"));
        let of_route =
            route.and_then(|route| route.question.as_ref()?.step_up.as_ref()).filter(|demand| asks(demand));
        let forbidden = findings().any(|finding| finding.effect == Effect::Forbid);
        if let (Some(demand), false) = (of_route, forbidden) {
            let by = decision.member("route").map(|name| format!("the route `{name}`"));
            return Some(Self { by: by.into_iter().collect(), demand: words(demand), challenge });
        }
        let (mut by, mut said) = (Vec::new(), None);
        for finding in findings() {
            let demand = finding.step_up.as_deref().and_then(|text| Demand::parse(text).ok());
            if let Some(demand) = demand.filter(asks) {
                by.push(format!("`{}` ({})", finding.policy, effect(finding.effect)));
                said = said.or_else(|| Some(words(&demand)));
            }
        }
        Some(Self { by, demand: said?, challenge })
    }

    /// It as data.
    pub(super) fn data(&self) -> Value {
        json!({ "by": self.by, "demand": self.demand, "challenge": self.challenge })
    }
}
