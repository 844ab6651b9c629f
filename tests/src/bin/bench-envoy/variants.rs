//! What is compared: Envoy without a filter, with its own filters, and with Countersign, all answering the
//! same request by the same rule: *an analyst may score transfers of their own tenant*.

use std::path::Path;

use anyhow::Result;
use countersign_core::crypto::Algorithm;
use countersign_tests::bootstrap::{Bootstrap, countersign, direct};
use countersign_tests::envoy::Envoy;
use countersign_tests::scored::{AUDIENCE, ISSUER, METHOD, configuration};
use serde_json::{Value, json};

use crate::floor;

/// What tokens the requests of a burst carry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tokens {
    /// The same ES256 token again and again.
    Repeated,
    /// Each a token that was not seen before, of ES256.
    NewEs256,
    /// Each a token that was not seen before, of RS256.
    NewRs256,
}

/// A bound on a ratio to the native variant.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    /// On the processor time that it adds to no filter.
    AddsAtMost(f64),
    /// On the requests a second.
    RateAtLeast(f64),
}

/// A way to configure Envoy.
pub(crate) struct Variant {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// What it does, in words.
    pub(crate) what: &'static str,
    /// The native variant that it is held against.
    pub(crate) native: &'static str,
    /// What tokens the requests carry.
    pub(crate) tokens: Tokens,
    /// Whether each request leaves a line in the log.
    pub(crate) logged: bool,
    /// The filters before the router.
    pub(crate) filters: Vec<Value>,
}

impl Variant {
    /// Envoy's configuration: it answers by itself, so that nothing but the filters is added to its work.
    /// Where requests are logged, the native filters leave it to Envoy's access log; Countersign logs itself.
    pub(crate) fn bootstrap(&self) -> Bootstrap {
        let access_log = self.logged && self.name == self.native;
        Bootstrap { filters: self.filters.clone(), access_log, ..Bootstrap::default() }
            .route(direct("/", 200))
    }

    /// Whether it decides on access: no filter does not, and neither does one that only has a signature verified.
    pub(crate) fn judges(&self) -> bool {
        self.name != "none" && !self.name.starts_with("floor")
    }

    /// What is asked of it beside its native counterpart.
    pub(crate) fn asked(&self) -> Option<Asked> {
        match self.name {
            "countersign_cached" => Some(Asked::AddsAtMost(2.0)),
            "countersign_fresh" | "countersign_fresh_rs256" => Some(Asked::RateAtLeast(1.1)),
            _ => None,
        }
    }

    /// Envoy's log level; decisions are logged at `info`.
    pub(crate) fn log_level(&self) -> &'static str {
        if self.logged { "info" } else { "warning" }
    }
}

/// All variants, Envoy without a filter first.
pub(crate) fn all(jwks: &Value, folder: &Path) -> Result<Vec<Variant>> {
    use Tokens::{NewEs256, NewRs256, Repeated};
    let floor = |algorithm| -> Result<Vec<Value>> {
        Ok(vec![countersign(&floor::module(folder, algorithm)?.to_string_lossy(), "")])
    };
    let module = Envoy::module()?;
    let ours = vec![countersign(&module.to_string_lossy(), &configuration(jwks)?.to_string())];
    let native = |cache| vec![jwt_authn(jwks, cache), rbac()];
    let variant = |name, what, native, tokens, logged, filters: &Vec<Value>| Variant {
        name,
        what,
        native,
        tokens,
        logged,
        filters: filters.clone(),
    };
    let (cached, uncached) = (native(1_000), native(0));
    Ok(vec![
        variant("none", "no filter", "none", Repeated, false, &vec![]),
        variant("native_cached", "jwt_authn cached, rbac", "native_cached", Repeated, false, &cached),
        variant("countersign_cached", "Countersign", "native_cached", Repeated, false, &ours),
        variant(
            "native_logged",
            "jwt_authn cached, rbac, access log",
            "native_logged",
            Repeated,
            true,
            &cached,
        ),
        variant("countersign_logged", "Countersign, audit line", "native_logged", Repeated, true, &ours),
        variant(
            "native_fresh",
            "jwt_authn, rbac; new ES256 tokens",
            "native_fresh",
            NewEs256,
            false,
            &uncached,
        ),
        variant("countersign_fresh", "Countersign; new ES256 tokens", "native_fresh", NewEs256, false, &ours),
        variant(
            "floor_fresh",
            "headers and verify_signature alone, ES256",
            "native_fresh",
            NewEs256,
            false,
            &floor(Algorithm::Es256)?,
        ),
        variant(
            "native_fresh_rs256",
            "jwt_authn, rbac; new RS256 tokens",
            "native_fresh_rs256",
            NewRs256,
            false,
            &uncached,
        ),
        variant(
            "countersign_fresh_rs256",
            "Countersign; new RS256 tokens",
            "native_fresh_rs256",
            NewRs256,
            false,
            &ours,
        ),
        variant(
            "floor_fresh_rs256",
            "headers and verify_signature alone, RS256",
            "native_fresh_rs256",
            NewRs256,
            false,
            &floor(Algorithm::Rs256)?,
        ),
    ])
}

/// Envoy's own filter for tokens; a cache of no entries is none.
fn jwt_authn(jwks: &Value, cache: u32) -> Value {
    let mut provider = json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": { "inline_string": jwks.to_string() },
        "payload_in_metadata": "payload",
        "require_expiration": true,
    });
    if cache > 0 {
        provider["jwt_cache_config"] = json!({ "jwt_cache_size": cache });
    }
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": { "issuer": provider },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "issuer" } }],
        },
    })
}

/// Envoy's own filter for authorization. It can't compare a claim with the path, so the tenant is spelled out.
fn rbac() -> Value {
    let claim = |name: &str, value: Value| {
        json!({ "metadata": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{ "key": "payload" }, { "key": name }],
            "value": value,
        } })
    };
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {
                "action": "ALLOW",
                "policies": { "analysts-score-own-tenant": {
                    "permissions": [{ "and_rules": { "rules": [
                        { "header": { "name": ":method", "string_match": { "exact": METHOD } } },
                        { "url_path": { "path": { "safe_regex": {
                            "regex": "/v1/tenants/acme/transfers/[^/]+/score",
                        } } } },
                    ] } }],
                    "principals": [{ "and_ids": { "ids": [
                        claim("tenant", json!({ "string_match": { "exact": "acme" } })),
                        claim("roles", json!({ "list_match": { "one_of": { "string_match": { "exact": "analyst" } } } })),
                    ] } }],
                } },
            },
        },
    })
}
