//! The requests, in the order in which they are sent: some change the world for those after them.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::world::{SILENT, World};
use crate::http::Request;
use crate::mint;
use crate::pki::Identity;

/// Whose certificate a request comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who(pub &'static str);

impl Who {
    /// The certificate; none for nobody.
    pub fn identity(self, world: &World) -> Option<&Identity> {
        world.identity(self.0)
    }
}

const EDGE: Who = Who("edge");
const ORCHESTRATOR: Who = Who("orchestrator");
const MODEL: Who = Who("fraud-model");
const RETRAINING: Who = Who("retraining-job");
const FOREIGN: Who = Who("foreign");
const NOBODY: Who = Who("-");

/// What a request is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The status.
    pub status: u16,
    /// The reason code; empty where the request is to be forwarded.
    pub reason: &'static str,
}

impl Expected {
    /// The layer that is to refuse: what stands before the reason's first dot.
    pub fn layer(&self) -> &'static str {
        self.reason.split('.').next().unwrap_or_default()
    }
}

/// One request and what it is to get.
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// The workload that calls.
    pub who: Who,
    /// Prepares the world and makes the request.
    pub request: fn(&mut World) -> Result<Request>,
    /// What it is to get.
    pub expected: Expected,
    /// What it is to get instead where it is decided between 06:00 and 22:00 UTC.
    pub by_day: Option<Expected>,
    /// Looks at what the service behind the gateway got.
    pub upstream: Option<fn(&Value) -> Result<()>>,
}

const SCORE: &str = "/v1/tenants/acme/transfers/t-1001/score";
const DECISION: &str = "/v1/tenants/acme/transfers/t-1001/decision";

fn score(token: &str) -> Request {
    Request::new("POST", SCORE).header("content-type", "application/json").bearer(token).body("{}")
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    let allowed = |name, who, request: fn(&mut World) -> Result<Request>| Scenario {
        name,
        who,
        request,
        expected: Expected { status: 200, reason: "" },
        by_day: None,
        upstream: None,
    };
    let refused = |name, who, status, reason, request: fn(&mut World) -> Result<Request>| Scenario {
        name,
        who,
        request,
        expected: Expected { status, reason },
        by_day: None,
        upstream: None,
    };
    vec![
        allowed("a health check, open to all", NOBODY, |_| Ok(Request::get("/healthz"))),
        Scenario {
            upstream: Some(identity_goes_upstream),
            ..allowed("a customer has a transfer scored", EDGE, |world| Ok(score(&world.token("alice")?)))
        },
        Scenario {
            upstream: Some(identity_goes_upstream),
            ..allowed("forged identity headers are replaced", EDGE, |world| {
                Ok(score(&world.token("alice")?)
                    .header("x-countersign-principal", "mallory")
                    .header("X-Countersign-Attribute-Tenant", "globex")
                    .header("x-countersign-anything", "1"))
            })
        },
        allowed("an analyst scores a large transfer", EDGE, |world| Ok(score(&world.token("ben")?))),
        allowed("staff reads a decision", EDGE, |world| {
            Ok(Request::get(DECISION).bearer(&world.token("ben")?))
        }),
        allowed("the orchestrator invokes the model", ORCHESTRATOR, |world| {
            let request = Request::new("POST", "/internal/models/fraud-v7/invocations");
            Ok(request.bearer(&world.token("alice")?))
        }),
        allowed("the model reads features", MODEL, |world| {
            let request =
                Request::get("/internal/features/transfer-velocity").header("x-purpose", "fraud-scoring");
            Ok(request.bearer(&world.token("alice")?))
        }),
        Scenario {
            by_day: Some(Expected { status: 403, reason: "policy.forbidden" }),
            ..allowed("the retraining job reads history at night", RETRAINING, |_| {
                Ok(Request::get("/internal/datasets/transfers-2025"))
            })
        },
        refused("restricted data of another region", RETRAINING, 403, "policy.forbidden", |_| {
            Ok(Request::get("/internal/datasets/disputes-us-2025"))
        }),
        refused("the edge reads training data", EDGE, 403, "policy.not_permitted", |_| {
            Ok(Request::get("/internal/datasets/transfers-2025"))
        }),
        refused("the edge invokes the model itself", EDGE, 403, "policy.not_permitted", |world| {
            let request = Request::new("POST", "/internal/models/fraud-v7/invocations");
            Ok(request.bearer(&world.token("alice")?))
        }),
        refused("the model reads features for marketing", MODEL, 403, "policy.not_permitted", |world| {
            let request =
                Request::get("/internal/features/transfer-velocity").header("x-purpose", "marketing");
            Ok(request.bearer(&world.token("alice")?))
        }),
        refused("the amount is over the role's limit", EDGE, 403, "policy.not_permitted", |world| {
            Ok(score(&world.token("alice-large")?))
        }),
        refused("the transfer is another tenant's", EDGE, 403, "policy.forbidden", |world| {
            Ok(Request::new("POST", "/v1/tenants/globex/transfers/t-9/score").bearer(&world.token("alice")?))
        }),
        refused("no token", EDGE, 401, "token.missing", |_| Ok(Request::new("POST", SCORE))),
        refused("the token has expired", EDGE, 401, "token.expired", |world| {
            let now = mint::now();
            Ok(score(&world.sign("alice", json!({ "iat": now - 600, "exp": now - 300 }))?))
        }),
        refused("the token is not valid yet", EDGE, 401, "token.not_yet_valid", |world| {
            Ok(score(&world.sign("alice", json!({ "nbf": mint::now() + 120 }))?))
        }),
        refused("the token is for another audience", EDGE, 401, "token.audience", |world| {
            Ok(score(&world.sign("alice", json!({ "aud": "https://other.example" }))?))
        }),
        refused("an unknown issuer", EDGE, 401, "token.issuer.unknown", |world| {
            let claims = mint::with(&world.claims("alice")?, json!({ "iss": "https://evil.example" }));
            Ok(score(&world.stranger.sign(&claims)?))
        }),
        refused("the payload was tampered with", EDGE, 401, "token.signature", |world| {
            Ok(score(&mint::tamper(&world.token("alice")?, json!({ "tenant": "globex" }))?))
        }),
        refused("`alg` is `none`", EDGE, 401, "token.algorithm", |world| {
            Ok(score(&mint::unsigned(&world.claims("alice")?)))
        }),
        refused("signed with another issuer's key", EDGE, 401, "token.signature", |world| {
            Ok(score(&world.stranger.sign_as(&world.key().kid, &world.claims("alice")?)?))
        }),
        refused("the token lives too long", EDGE, 401, "token.lifetime", |world| {
            Ok(score(&world.sign("alice", json!({ "exp": mint::now() + 86_400 }))?))
        }),
        refused(
            "a workload of another trust domain",
            FOREIGN,
            403,
            "transport.workload.untrusted",
            |world| Ok(score(&world.token("alice")?)),
        ),
        refused("no client certificate", NOBODY, 403, "transport.workload.missing", |world| {
            Ok(score(&world.token("alice")?))
        }),
        refused("no route", EDGE, 403, "request.route.unmatched", |world| {
            Ok(Request::get("/v1/tenants/acme/admin").bearer(&world.token("senta")?))
        }),
        refused("another method", EDGE, 403, "request.method.unmatched", |world| {
            Ok(Request::new("DELETE", DECISION).bearer(&world.token("senta")?))
        }),
        refused("an ambiguous path", EDGE, 400, "request.path.invalid", |world| {
            let request = Request::new("POST", "/v1/tenants/globex/../acme/transfers/t-1001/score");
            Ok(request.bearer(&world.token("alice")?))
        }),
        refused("a purpose given twice", MODEL, 400, "request.header.duplicate", |world| {
            let request = Request::get("/internal/features/transfer-velocity").bearer(&world.token("alice")?);
            Ok(request.header("x-purpose", "fraud-scoring").header("x-purpose", "marketing"))
        }),
        allowed("the issuer has rotated its key", EDGE, |world| {
            world.rotate()?;
            Ok(score(&world.token("alice")?))
        }),
        refused("an issuer whose key source is down", EDGE, 503, "system.keys_unavailable", |world| {
            Ok(score(&world.sign("alice", json!({ "iss": SILENT }))?))
        }),
        allowed("the key source has gone down since", EDGE, |world| {
            let token = world.token("alice")?;
            world.stop_issuer();
            Ok(score(&token))
        }),
    ]
}

/// The service must see who was verified, once each, and neither the token nor anything that a client made up.
fn identity_goes_upstream(seen: &Value) -> Result<()> {
    let headers = seen["headers"].as_array().into_iter().flatten();
    let headers: Vec<(&str, &str)> =
        headers.filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?))).collect();
    for (name, value) in [
        ("x-countersign-principal", "alice"),
        ("x-countersign-principal-type", "User"),
        ("x-countersign-workload", "spiffe://bank.example/edge"),
        ("x-countersign-attribute-tenant", "acme"),
    ] {
        let found: Vec<&str> =
            headers.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value).collect();
        ensure!(found == [value], "upstream: expected `{name}: {value}` once, found {found:?}");
    }
    let named = |unwanted: &str| headers.iter().any(|(name, _)| *name == unwanted);
    ensure!(!named("authorization"), "upstream: the token was passed on");
    ensure!(
        !named("x-countersign-anything"),
        "upstream: a header of the client's was passed on under our prefix"
    );
    Ok(())
}
