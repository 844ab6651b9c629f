//! What is measured: one request that is allowed, and from it the refusals that one request can meet while keys are at hand. Left
//! out is what needs a key source that fails, a second key or a configuration of its own.

use std::rc::Rc;

use countersign_core::config::{Config, JsonValue, KeySource};
use countersign_core::reason::Reason;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::case::{Case, Credential, Expected, Prepared};
use crate::credentials::{Forgery, PrivateKey, TokenBuilder, jwks};
use crate::failure::Failure;

/// The time of every decision, in seconds since the Unix epoch.
pub(crate) const NOW: i64 = 1_767_225_600;

/// An issuer and an audience that no configuration names.
const NEVER: &str = "https://bench.invalid";

/// A workload of a trust domain that no configuration trusts.
const FOREIGN: &str = "spiffe://bench.invalid/workload";

/// A file of requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    request: RequestLine,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The SPIFFE ID of the peer's certificate; none means no certificate.
    #[serde(default)]
    workload: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    policy: Vec<PolicyCase>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    method: String,
    path: String,
}

/// A refusal by the policies, as a change of the allowed request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyCase {
    name: String,
    reason: String,
    #[serde(default)]
    request: Option<RequestLine>,
    #[serde(default)]
    workload: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

/// What the configuration demands of tokens.
struct Bounds {
    skew: i64,
    lifetime: i64,
    token_bytes: usize,
    /// The claim that names the principal.
    subject: String,
}

impl Plan {
    /// Reads a plan.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        serde_saphyr::from_str(text).map_err(|error| Failure::usage(format!("requests to measure: {error}")))
    }

    /// Puts `key` in the place of the first issuer's keys, and makes the cases for that issuer.
    pub(crate) fn cases(&self, config: &mut Config, key: &Rc<PrivateKey>) -> Result<Vec<Case>, Failure> {
        let issuer =
            config.issuers.first_mut().ok_or_else(|| Failure::usage("expected an issuer, found none"))?;
        let set = jwks([(&**key, Some("bench"))]);
        let set: JsonValue =
            serde_json::from_value(set).map_err(|error| Failure::usage(error.to_string()))?;
        issuer.keys = KeySource::Inline(set);
        issuer.algorithms = Some(vec![key.algorithm().name().to_owned()]);
        let claims = self.claims.clone().into_iter();
        let typ =
            issuer.token_types.as_ref().map_or(Some("at+jwt"), |types| types.first().map(String::as_str));
        let typ = typ.map_or(Value::Null, |typ| json!(typ));
        let good = TokenBuilder::new()
            .kid("bench")
            .header("typ", typ)
            .claim("iss", json!(issuer.issuer))
            .claim("aud", json!(issuer.audiences.first()))
            .claim("iat", json!(NOW - 5))
            .claim("exp", json!(NOW + i64::from(issuer.max_lifetime_seconds.min(300)) - 5))
            .claims(claims);
        let bounds = Bounds {
            skew: i64::from(issuer.clock_skew_seconds),
            lifetime: i64::from(issuer.max_lifetime_seconds),
            token_bytes: usize::try_from(config.limits.token_bytes).unwrap_or(usize::MAX),
            subject: issuer.principal.id.clone(),
        };
        let mut cases = self.by_request(&good, key);
        cases.extend(self.by_token(&good, &bounds, key)?);
        cases.extend(self.by_policy(&good, key)?);
        Ok(cases)
    }

    /// The allowed request, and refusals that have nothing to do with its token.
    fn by_request(&self, good: &TokenBuilder, key: &Rc<PrivateKey>) -> Vec<Case> {
        let token = || Credential::Token(good.clone(), Rc::clone(key));
        let workload = self.workload.as_deref();
        let to = |line: &RequestLine| Prepared::new(&self.headers(line), workload);
        let from = |workload: Option<&str>| Prepared::new(&self.headers(&self.request), workload);
        let with = |value: &str| Prepared::new(&self.with("authorization", value), workload);
        let unmatched = RequestLine { path: "/no/such/route".to_owned(), ..self.request.clone() };
        let method = RequestLine { method: "BENCH".to_owned(), ..self.request.clone() };
        let ambiguous = RequestLine { path: format!("/.{}", self.request.path), ..self.request.clone() };
        let mut cases = vec![
            self.case("allow", None, token()),
            Case {
                request: to(&unmatched),
                ..self.case("unmatched route", Some(Reason::RequestRouteUnmatched), token())
            },
            Case {
                request: to(&ambiguous),
                ..self.case("ambiguous path", Some(Reason::RequestPathInvalid), token())
            },
            Case {
                request: to(&method),
                ..self.case("unmatched method", Some(Reason::RequestMethodUnmatched), token())
            },
            Case {
                request: with("Bearer x.y.z"),
                ..self.case("two credentials", Some(Reason::RequestHeaderDuplicate), token())
            },
            Case {
                request: with("Basic YTpi"),
                ..self.case("another scheme", Some(Reason::TokenScheme), Credential::None)
            },
        ];
        if self.workload.is_some() {
            cases.push(Case {
                request: from(None),
                ..self.case("no certificate", Some(Reason::TransportWorkloadMissing), token())
            });
            cases.push(Case {
                request: from(Some(FOREIGN)),
                ..self.case("untrusted workload", Some(Reason::TransportWorkloadUntrusted), token())
            });
            cases.push(Case {
                request: from(Some(NEVER)),
                ..self.case("no SPIFFE ID", Some(Reason::TransportWorkloadInvalid), token())
            });
        }
        cases
    }

    /// Refusals of the token.
    fn by_token(&self, good: &TokenBuilder, bounds: &Bounds, key: &PrivateKey) -> Result<Vec<Case>, Failure> {
        let mut cases = vec![
            self.case("no token", Some(Reason::TokenMissing), Credential::None),
            self.case("malformed token", Some(Reason::TokenMalformed), Credential::Fixed("a.b".to_owned())),
            self.case(
                "token too large",
                Some(Reason::TokenTooLarge),
                Credential::Fixed("x".repeat(bounds.token_bytes.saturating_add(1))),
            ),
            self.case(
                "algorithm none",
                Some(Reason::TokenAlgorithm),
                Credential::Fixed(good.forge(key, &Forgery::Unsigned)?),
            ),
            self.case(
                "bad signature",
                Some(Reason::TokenSignature),
                Credential::Fixed(good.forge(key, &Forgery::Signature)?),
            ),
        ];
        let header = |name: &str, value: Value| good.clone().header(name, value);
        let claim = |name: &str, value: Value| good.clone().claim(name, value);
        let (ended, ahead) = (NOW - bounds.skew - 60, NOW + bounds.skew + 60);
        let bench = "urn:bench:must";
        for (name, reason, token) in [
            ("wrong type", Reason::TokenType, header("typ", json!("bench+jwt"))),
            (
                "unknown extension",
                Reason::TokenCritical,
                header("crit", json!([bench])).header(bench, json!(true)),
            ),
            ("no issuer", Reason::TokenIssuerMissing, claim("iss", Value::Null)),
            ("unknown issuer", Reason::TokenIssuerUnknown, claim("iss", json!(NEVER))),
            ("unknown key", Reason::TokenKeyUnknown, header("kid", json!("never"))),
            ("claim of a wrong type", Reason::TokenClaims, claim("exp", json!([1]))),
            ("no expiry", Reason::TokenExpiryMissing, claim("exp", Value::Null)),
            ("expired", Reason::TokenExpired, claim("iat", json!(ended - 60)).claim("exp", json!(ended))),
            ("not yet valid", Reason::TokenNotYetValid, claim("nbf", json!(ahead))),
            ("issued in the future", Reason::TokenIssuedInFuture, claim("iat", json!(ahead))),
            (
                "lives too long",
                Reason::TokenLifetime,
                claim("exp", json!(NOW + bounds.lifetime + bounds.skew + 60)),
            ),
            ("wrong audience", Reason::TokenAudience, claim("aud", json!(NEVER))),
            ("no subject", Reason::TokenSubjectMissing, claim(&bounds.subject, Value::Null)),
        ] {
            cases.push(self.case(name, Some(reason), Credential::Fixed(token.sign(key)?)));
        }
        Ok(cases)
    }

    /// Refusals by the policies.
    fn by_policy(&self, good: &TokenBuilder, key: &Rc<PrivateKey>) -> Result<Vec<Case>, Failure> {
        let mut cases = Vec::new();
        for case in &self.policy {
            let reason = Reason::ALL.iter().find(|reason| reason.code() == case.reason);
            let reason = reason.ok_or_else(|| {
                Failure::usage(format!("`{}`: unknown reason `{}`", case.name, case.reason))
                    .help("docs/reasons.md lists the reasons")
            })?;
            let token = Credential::Token(good.clone().claims(case.claims.clone()), Rc::clone(key));
            let workload = case.workload.as_deref().or(self.workload.as_deref());
            cases.push(Case {
                request: Prepared::new(
                    &self.headers(case.request.as_ref().unwrap_or(&self.request)),
                    workload,
                ),
                ..self.case(&case.name, Some(*reason), token)
            });
        }
        Ok(cases)
    }

    fn case(&self, name: &str, expected: Option<Reason>, credential: Credential) -> Case {
        Case {
            name: name.to_owned(),
            expected: Expected::Decision(expected),
            request: Prepared::new(&self.headers(&self.request), self.workload.as_deref()),
            credential,
        }
    }

    /// The allowed request's headers and one more.
    fn with(&self, name: &str, value: &str) -> Vec<(String, String)> {
        let mut headers = self.headers(&self.request);
        headers.push((name.to_owned(), value.to_owned()));
        headers
    }

    /// What a gateway hands over of a request: the pseudo-headers, what clients commonly send, and the plan's own.
    fn headers(&self, request: &RequestLine) -> Vec<(String, String)> {
        let usual = [
            (":method", request.method.as_str()),
            (":path", request.path.as_str()),
            (":authority", "api.bank.example"),
            (":scheme", "https"),
            ("user-agent", "countersign-bench"),
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("x-request-id", "2f9c1a52-0c0e-4c1b-9d55-6a3f1f4a7b10"),
        ];
        let usual = usual.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        usual.chain(self.headers.iter().cloned()).collect()
    }
}
