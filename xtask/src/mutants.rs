//! Takes security checks out, one at a time, in a copy of the sources, and sees tests go red. What stays green is a check
//! that no test holds.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::steps::Steps;

/// One check taken out.
struct Mutant {
    name: &'static str,
    file: &'static str,
    /// Text that stands in the file once.
    check: &'static str,
    /// What stands there without the check.
    without: &'static str,
    /// Which tests ought to notice, as arguments of `cargo test`.
    tests: &'static [&'static str],
}

const CORE: &[&str] = &["--package", "countersign-core", "--lib"];
const ADVISORIES: &[&str] = &["--test", "advisories"];
const TOKENS: &[&str] = &["--test", "exchange_token"];
const FORWARDED: &[&str] = &["--test", "exchange_forwarded"];
const API_KEYS: &[&str] = &["--test", "exchange_api_key"];
const BUNDLES: &[&str] = &["--test", "spiffe_bundles"];
const KEYS: &[&str] = &["--test", "exchange_keys"];
const WORKERS: &[&str] = &["--test", "exchange_workers"];
const BINDING: &[&str] = &["--test", "exchange_binding"];
const DELEGATION: &[&str] = &["--test", "exchange_delegation"];

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "holder of a proof",
        file: "core/src/dpop/mod.rs",
        check: "if !crypto::constant_time_eq(header.jwk.thumbprint(), &bound) {",
        without: "if false {",
        tests: BINDING,
    },
    Mutant {
        name: "method of a proof",
        file: "core/src/dpop/mod.rs",
        check: "if claims.method.as_bytes() != question.request.method.as_bytes() {",
        without: "if false {",
        tests: BINDING,
    },
    Mutant {
        name: "target of a proof",
        file: "core/src/dpop/mod.rs",
        check: "if !question.request.is_target(&claims.target, &settings.origins) {",
        without: "if false {",
        tests: BINDING,
    },
    Mutant {
        name: "token of a proof",
        file: "core/src/dpop/mod.rs",
        check: "if !crypto::constant_time_eq(&claims.token, &digest) {",
        without: "if false {",
        tests: BINDING,
    },
    Mutant {
        name: "age of a proof",
        file: "core/src/dpop/mod.rs",
        check: "|| now >= claims.issued_at.plus(settings.max_age)",
        without: "",
        tests: BINDING,
    },
    Mutant {
        name: "proof of the future",
        file: "core/src/dpop/mod.rs",
        check: "if claims.issued_at > now.plus(settings.clock_skew)",
        without: "if false",
        tests: BINDING,
    },
    Mutant {
        name: "algorithm of a proof",
        file: "core/src/dpop/mod.rs",
        check: "if !settings.algorithms.contains(&header.algorithm) {",
        without: "if false {",
        tests: BINDING,
    },
    Mutant {
        name: "signature of a proof",
        file: "core/src/dpop/mod.rs",
        check: ".map_err(|_| Reason::BindingDpopSignature)",
        without: ".or(Ok(()))",
        tests: BINDING,
    },
    Mutant {
        name: "replayed proof",
        file: "core/src/dpop/replay.rs",
        check: "if have == mark {",
        without: "if false {",
        tests: BINDING,
    },
    Mutant {
        name: "room for proofs",
        file: "core/src/dpop/replay.rs",
        check: "if kept.len() >= SHARD_ROOM * RECORD {",
        without: "if false {",
        tests: BINDING,
    },
    Mutant {
        name: "nonce",
        file: "core/src/dpop/nonce.rs",
        check: "if crypto::constant_time_eq(&given, &expected) && fresh {",
        without: "if fresh {",
        tests: BINDING,
    },
    Mutant {
        name: "age of a nonce",
        file: "core/src/dpop/nonce.rs",
        check: "if crypto::constant_time_eq(&given, &expected) && fresh {",
        without: "if crypto::constant_time_eq(&given, &expected) {",
        tests: BINDING,
    },
    Mutant {
        name: "type of a proof",
        file: "core/src/dpop/proof.rs",
        check: r#"if !header.typ.is_some_and(|typ| is_type(&typ, "dpop+jwt")) {"#,
        without: "if false {",
        tests: BINDING,
    },
    Mutant {
        name: "key of a proof's algorithm",
        file: "core/src/dpop/proof.rs",
        check: "if !jwk.serves(header.algorithm) {",
        without: "if false {",
        tests: BINDING,
    },
    Mutant {
        name: "bound token as bearer",
        file: "core/src/exchange/bind.rs",
        check: "(Some(_), Scheme::Bearer) => Err(Reason::BindingDpopScheme),",
        without: "(Some(_), Scheme::Bearer) => Ok(()),",
        tests: BINDING,
    },
    Mutant {
        name: "unbound token with a proof",
        file: "core/src/exchange/bind.rs",
        check: "(None, Scheme::Dpop) => Err(Reason::BindingDpopUnbound),",
        without: "(None, Scheme::Dpop) => Ok(()),",
        tests: BINDING,
    },
    Mutant {
        name: "certificate of a token",
        file: "core/src/exchange/bind.rs",
        check: "match crypto::constant_time_eq(presented, bound) {",
        without: "match true {",
        tests: BINDING,
    },
    Mutant {
        name: "workload of a token",
        file: "core/src/exchange/bind.rs",
        check: "Some(workload) if workload.as_str() == &**named => Ok(()),",
        without: "Some(_) => Ok(()),",
        tests: BINDING,
    },
    Mutant {
        name: "binding that a route demands",
        file: "core/src/exchange/bind.rs",
        check: "!question.binding.is_empty() && !question.binding.iter().any(has)",
        without: "false",
        tests: BINDING,
    },
    Mutant {
        name: "binding that is not understood",
        file: "core/src/token/confirmation.rs",
        check: "_ => return Err(Reason::BindingUnsupported),",
        without: "_ => continue,",
        tests: BINDING,
    },
    Mutant {
        name: "depth of a chain",
        file: "core/src/token/delegation.rs",
        check: "if ids.len() == settings.max_depth {",
        without: "if false {",
        tests: DELEGATION,
    },
    Mutant {
        name: "loop of actors",
        file: "core/src/token/delegation.rs",
        check: "if seen.contains(&party) {",
        without: "if false {",
        tests: DELEGATION,
    },
    Mutant {
        name: "may_act",
        file: "core/src/token/delegation.rs",
        check: "return Err(Reason::DelegationNotAllowed);",
        without: "{}",
        tests: DELEGATION,
    },
    Mutant {
        name: "login that a route demands",
        file: "core/src/exchange/authorize.rs",
        check: "if ruling == Ruling::Permitted && of_route.is_some() {",
        without: "if false {",
        tests: DELEGATION,
    },
    Mutant {
        name: "login that a policy demands",
        file: "core/src/exchange/authorize.rs",
        check: "let demand = settings.step_ups.get(&policy).filter(unmet)?;",
        without: "let demand = settings.step_ups.get(&policy).filter(|_| false)?;",
        tests: DELEGATION,
    },
    Mutant {
        name: "age of a login",
        file: "core/src/step_up.rs",
        check: "now.since(time) <= max_age",
        without: "true",
        tests: DELEGATION,
    },
    Mutant {
        name: "login of the future",
        file: "core/src/step_up.rs",
        check: "time.minus(clock_skew) <= now",
        without: "true",
        tests: DELEGATION,
    },
    Mutant {
        name: "strength of a login",
        file: "core/src/step_up.rs",
        check: "strong && fresh",
        without: "fresh",
        tests: DELEGATION,
    },
    Mutant {
        name: "claims of an access token",
        file: "core/src/token/profile.rs",
        check: "    if missing {",
        without: "    if false {",
        tests: DELEGATION,
    },
    Mutant {
        name: "client of an access token",
        file: "core/src/token/profile.rs",
        check: "!members.contains(\"client_id\")",
        without: "claims.client.is_none()",
        tests: DELEGATION,
    },
    Mutant {
        name: "header of a JWT-SVID",
        file: "core/src/token/profile.rs",
        check: "if header.has_others || header.cty.is_some() {",
        without: "if false {",
        tests: DELEGATION,
    },
    Mutant {
        name: "subject of a JWT-SVID",
        file: "core/src/token/profile.rs",
        check: "if own && !id.path().is_empty() {",
        without: "if true {",
        tests: DELEGATION,
    },
    Mutant {
        name: "audience",
        file: "core/src/token/verify.rs",
        check: "!issuer.audiences.iter().any(|audience| claims.is_for(audience))",
        without: "false",
        tests: TOKENS,
    },
    Mutant {
        name: "signature",
        file: "core/src/token/verify.rs",
        check: "&jws.signature).is_ok())",
        without: "&jws.signature).is_ok() || true)",
        tests: TOKENS,
    },
    Mutant {
        name: "issuer's algorithms",
        file: "core/src/token/verify.rs",
        check: "!issuer.algorithms.contains(&jws.header.algorithm)",
        without: "false",
        tests: TOKENS,
    },
    Mutant {
        name: "type of the token",
        file: "core/src/token/verify.rs",
        check: "if accepted { Ok(()) } else { Err(Reason::TokenType) }",
        without: "let _ = accepted; Ok(())",
        tests: TOKENS,
    },
    Mutant {
        name: "expiry",
        file: "core/src/token/verify.rs",
        check: "if now >= end {",
        without: "if false {",
        tests: TOKENS,
    },
    Mutant {
        name: "not before",
        file: "core/src/token/verify.rs",
        check: "if now < not_before.minus(issuer.clock_skew) {",
        without: "if false {",
        tests: TOKENS,
    },
    Mutant {
        name: "issued in the future",
        file: "core/src/token/verify.rs",
        check: "if now < issued.minus(issuer.clock_skew) {",
        without: "if false {",
        tests: TOKENS,
    },
    Mutant {
        name: "longest lifetime",
        file: "core/src/token/verify.rs",
        check: "if expires.since(issued) > longest || expires > now.plus(longest).plus(issuer.clock_skew) {",
        without: "let _ = longest; if false {",
        tests: TOKENS,
    },
    Mutant {
        name: "a cached token's own time",
        file: "core/src/token/verify.rs",
        check: "&& found.valid_at(now)",
        without: "",
        tests: TOKENS,
    },
    Mutant {
        name: "stale budget for cached tokens",
        file: "core/src/token/verify.rs",
        check: "&& state.keys.get(found.issuer).is_some_and(|keys| keys.usable(now))",
        without: "",
        tests: KEYS,
    },
    Mutant {
        name: "stale budget",
        file: "core/src/keys/mod.rs",
        check: "now < held.fetched.plus(freshness.budget())",
        without: "{ let _ = (held, freshness); true }",
        tests: KEYS,
    },
    Mutant {
        name: "cool-down of unknown kids",
        file: "core/src/keys/mod.rs",
        check: "Missing::Kid => over(self.last_failure, pause) && over(self.last_unknown_kid, freshness.cooldown),",
        without: "Missing::Kid => true,",
        tests: KEYS,
    },
    Mutant {
        name: "tokens of a removed key leave the cache",
        file: "core/src/gateway.rs",
        check: "token.issuer != issuer || store.contains(&token.key)",
        without: "{ let _ = (token, store); true }",
        tests: ADVISORIES,
    },
    Mutant {
        name: "a fetch never answered",
        file: "core/src/gateway.rs",
        check: "let over = now >= waiting.deadline;",
        without: "let over = false;",
        tests: ADVISORIES,
    },
    Mutant {
        name: "one fetch at a time",
        file: "core/src/keys/mod.rs",
        check: "if !matches!(self.fetching, Fetching::Nobody) {\n            return None;\n        }",
        without: "",
        tests: ADVISORIES,
    },
    Mutant {
        name: "late answers",
        file: "core/src/gateway.rs",
        check: "keeper.as_ref().is_some_and(|keeper| keeper.awaits(id))",
        without: "{ let _ = id; keeper.is_some() }",
        tests: ADVISORIES,
    },
    Mutant {
        name: "the issuer of a discovery document",
        file: "core/src/keys/discovery.rs",
        check: "if text(\"issuer\") != Some(&*self.issuer) {",
        without: "if false {",
        tests: WORKERS,
    },
    Mutant {
        name: "where discovery leads",
        file: "core/src/keys/discovery.rs",
        check: "if allowed { Ok(keys) } else { Err(DiscoveryError::ForeignKeys) }",
        without: "{ let _ = allowed; Ok(keys) }",
        tests: WORKERS,
    },
    Mutant {
        name: "the scheme that discovery leads to",
        file: "core/src/keys/source.rs",
        check: "self.scheme == other.scheme && ",
        without: "",
        tests: WORKERS,
    },
    Mutant {
        name: "discovery documents of other workers",
        file: "core/src/keys/keeper.rs",
        check: "Err(_) => return false,\n                }",
        without: "Err(_) => None,\n                }",
        tests: CORE,
    },
    Mutant {
        name: "older bundles",
        file: "core/src/keys/mod.rs",
        check: "is_some_and(|(new, held)| new < held)",
        without: "is_some_and(|(new, held)| new < held && false)",
        tests: CORE,
    },
    Mutant {
        name: "keys of a bundle for other uses",
        file: "core/src/jose/jwk.rs",
        check: "KeyUse::Signature => text(object, \"use\")?.is_none_or(|purpose| purpose == \"sig\"),",
        without: "KeyUse::Signature => { text(object, \"use\")?; true }",
        tests: BUNDLES,
    },
    Mutant {
        name: "other key sets as bundles",
        file: "core/src/jose/bundle.rs",
        check: "if foreign > 0 && foreign == entries.len() {",
        without: "if false && foreign > 0 {",
        tests: BUNDLES,
    },
    Mutant {
        name: "removed keys at the other workers",
        file: "core/src/gateway.rs",
        check: "News::Keys => self.renewed(issuer),",
        without: "News::Keys => self.wake(issuer),",
        tests: WORKERS,
    },
    Mutant {
        name: "a clock that was set back",
        file: "core/src/gateway.rs",
        check: "if back > Span::ZERO {",
        without: "if false && back > Span::ZERO {",
        tests: WORKERS,
    },
    Mutant {
        name: "leases",
        file: "core/src/keys/board.rs",
        check: "let live = now < self.until && self.until <= now.plus(longest);",
        without: "let live = now < self.until; let _ = longest;",
        tests: CORE,
    },
    Mutant {
        name: "workload from the certificate alone",
        file: "core/src/exchange/admit.rs",
        check: "Requirement::Required => Err(missing),",
        without: "Requirement::Required => Ok(Caller::default()),",
        tests: ADVISORIES,
    },
    Mutant {
        name: "forwarded by listed proxies alone",
        file: "core/src/exchange/admit.rs",
        check: "if settings.forwarding_peers.contains(&peer) {",
        without: "if head.single(xfcc::NAME).is_ok_and(|header| header.is_some()) {",
        tests: FORWARDED,
    },
    Mutant {
        name: "forwarded, and the proxy no caller",
        file: "core/src/exchange/admit.rs",
        check: "None => nobody(demanded, Reason::TransportForwardedMissing),",
        without: "None => Ok(Caller { workload: settings.forwarding_peers.last().cloned(), ..Caller::default() }),",
        tests: FORWARDED,
    },
    Mutant {
        name: "forwarded once",
        file: "core/src/exchange/admit.rs",
        check: "head.single(xfcc::NAME).map_err(|_| Reason::RequestHeaderDuplicate)?;",
        without: "head.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(xfcc::NAME.as_bytes()))\
            .map(|(_, value)| *value);",
        tests: FORWARDED,
    },
    Mutant {
        name: "forwarded, the nearest client",
        file: "core/src/exchange/forwarded.rs",
        check: "elements.iter().rev().find(",
        without: "elements.iter().find(",
        tests: FORWARDED,
    },
    Mutant {
        name: "forwarded, proxies stepped over",
        file: "core/src/exchange/forwarded.rs",
        check: "!names_peer(element, peers)",
        without: "{ let _ = (names_peer, element, peers); true }",
        tests: FORWARDED,
    },
    Mutant {
        name: "forwarded, exactly one URI",
        file: "core/src/xfcc.rs",
        check: "values.next().filter(|_| values.next().is_none())",
        without: "values.next()",
        tests: FORWARDED,
    },
    Mutant {
        name: "forwarded, a key once",
        file: "core/src/xfcc.rs",
        check: "return Err(XfccError::Repeated);",
        without: "",
        tests: FORWARDED,
    },
    Mutant {
        name: "forwarded, quotes that end",
        file: "core/src/xfcc.rs",
        check: "    Err(XfccError::Unclosed)\n",
        without: "    Ok((unquoted.into(), &[]))\n",
        tests: FORWARDED,
    },
    Mutant {
        name: "forwarded, and no further",
        file: "core/src/settings/mod.rs",
        check: r#"let kept = [xfcc::NAME, "dpop"]"#,
        without: r#"let kept = ["dpop"]"#,
        tests: FORWARDED,
    },
    Mutant {
        name: "API key, well formed",
        file: "core/src/api_key.rs",
        check: "if !is_well_formed(presented) {",
        without: "if false {",
        tests: API_KEYS,
    },
    Mutant {
        name: "API key, the hash",
        file: "core/src/api_key.rs",
        check: "if crypto::constant_time_eq(&key.sha256, digest) { Some(key) } else { found }",
        without: "if digest.len() == key.sha256.len() { Some(key) } else { found }",
        tests: API_KEYS,
    },
    Mutant {
        name: "API key, its workload",
        file: "core/src/api_key.rs",
        check: "if workload != Some(&key.workload) {",
        without: "if false {",
        tests: API_KEYS,
    },
    Mutant {
        name: "API key, its end",
        file: "core/src/api_key.rs",
        check: "now >= end",
        without: "now < end && false",
        tests: API_KEYS,
    },
    Mutant {
        name: "API key, routes that list it",
        file: "core/src/exchange/authenticate.rs",
        check: "(None, Some(_)) if !question.takes_api_key => {",
        without: "(None, Some(_)) if false => {",
        tests: API_KEYS,
    },
    Mutant {
        name: "API key, routes that take no token",
        file: "core/src/exchange/authenticate.rs",
        check: "(Some(_), None) if !question.takes_token =>",
        without: "(Some(_), None) if false =>",
        tests: API_KEYS,
    },
    Mutant {
        name: "API key, or a token",
        file: "core/src/exchange/authenticate.rs",
        check: "(Some(_), Some(_)) => return Err(Reason::TokenSeveral.into()),",
        without: "(Some(_), Some(_)) => {}",
        tests: API_KEYS,
    },
    Mutant {
        name: "API key, once",
        file: "core/src/exchange/authenticate.rs",
        check: "admitted.head.single(&keys.header).map_err(|_| Reason::RequestHeaderDuplicate),",
        without: "Ok(admitted.head.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(keys.header.as_bytes()))\
            .map(|(_, value)| *value)),",
        tests: API_KEYS,
    },
    Mutant {
        name: "API key, and no further",
        file: "core/src/settings/mod.rs",
        check: ".chain(api_key)",
        without: "",
        tests: API_KEYS,
    },
    Mutant {
        name: "API key, where binding is demanded",
        file: "core/src/settings/routes.rs",
        check: "!(route.binding.is_empty() && route.step_up.is_none())",
        without: "false",
        tests: &["--test", "settings"],
    },
    Mutant {
        name: "API key, a proxy has none",
        file: "core/src/settings/api_keys.rs",
        check: "if forwarding_peers.contains(&workload) {",
        without: "if false {",
        tests: &["--test", "settings"],
    },
    Mutant {
        name: "trust domain",
        file: "core/src/exchange/admit.rs",
        check: "if trusted { Ok(id) } else { Err(Reason::TransportWorkloadUntrusted) }",
        without: "{ let _ = trusted; Ok(id) }",
        tests: ADVISORIES,
    },
    Mutant {
        name: "repeated headers",
        file: "core/src/exchange/authenticate.rs",
        check: "admitted.head.single(\"authorization\").map_err(|_| Reason::RequestHeaderDuplicate)?",
        without: "admitted.head.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b\"authorization\"))\
            .map(|(_, value)| *value)",
        tests: ADVISORIES,
    },
    Mutant {
        name: "header stripping",
        file: "core/src/exchange/forward.rs",
        check: "remove: ours(admitted.head, settings)",
        without: "remove: Vec::new()",
        tests: ADVISORIES,
    },
    Mutant {
        name: "paths forwarded as judged",
        file: "core/src/exchange/forward.rs",
        check: "add(&names.decision_id, String::from(id.as_str()));",
        without: "add(&names.decision_id, String::from(id.as_str()));\
            \n    add(&Rc::from(\":path\"), String::from(admitted.path.as_str()));",
        tests: ADVISORIES,
    },
    Mutant {
        name: "duplicate members",
        file: "core/src/json/parse.rs",
        check: "return Err(JsonError { offset: name_at, kind: Kind::DuplicateMember });",
        without: "",
        tests: CORE,
    },
    Mutant {
        name: "canonical base64url",
        file: "core/src/base64url.rs",
        check: "if c & 0x03 != 0 {",
        without: "if false {",
        tests: CORE,
    },
    Mutant {
        name: "strict Ed25519",
        file: "core/src/crypto/provider.rs",
        check: "key.verify_strict(message, &signature)",
        without: "ed25519_dalek::Verifier::verify(key, message, &signature)",
        tests: CORE,
    },
    Mutant {
        name: "algorithm and key",
        file: "core/src/jose/jwk.rs",
        check: "algorithm.is_some_and(|algorithm| algorithm.key_type() != key_type)",
        without: "false",
        tests: CORE,
    },
    Mutant {
        name: "one algorithm a key",
        file: "core/src/jose/jwk.rs",
        check: "Some(own) => own == algorithm,",
        without: "Some(_) => self.key.supports(algorithm),",
        tests: &["--package", "countersign-core", "--lib", "--test", "jose_vectors"],
    },
    Mutant {
        name: "RSA signatures below the modulus",
        file: "core/src/crypto/key.rs",
        check: "signature.len() == self.modulus.len() && *signature < *self.modulus",
        without: "signature.len() == self.modulus.len()",
        tests: CORE,
    },
    Mutant {
        name: "salt of PSS",
        file: "core/src/crypto/provider.rs",
        check: "Pss::<Sha256>::new()",
        without: "Pss::<Sha256> { salt_len: None, ..Pss::new() }",
        tests: CORE,
    },
    Mutant {
        name: "the host's known answers",
        file: "core/src/crypto/lent.rs",
        check: "(all_refused && accepts).then_some(",
        without: "{ let _ = (all_refused, accepts); true }.then_some(",
        tests: CORE,
    },
    Mutant {
        name: "the host's known answers, accepted",
        file: "core/src/crypto/lent.rs",
        check: "(all_refused && accepts).then_some(",
        without: "{ let _ = accepts; all_refused }.then_some(",
        tests: CORE,
    },
    Mutant {
        name: "ranges before the host",
        file: "core/src/crypto/lent.rs",
        check: "if !in_range {",
        without: "if false && !in_range {",
        tests: CORE,
    },
    Mutant {
        name: "a host that failed",
        file: "core/src/crypto/lent.rs",
        check: "Err(NoAnswer) => trust.lost.set(true),",
        without: "Err(NoAnswer) => {}",
        tests: CORE,
    },
    Mutant {
        name: "the host's words",
        file: "core/src/crypto/lent.rs",
        check: "Ok(Answer::Bad(words)) if words == trust.mismatch =>",
        without: "Ok(Answer::Bad(_)) if !trust.mismatch.is_empty() =>",
        tests: CORE,
    },
    Mutant {
        name: "ECDSA by table",
        file: "core/src/crypto/fast/comb.rs",
        check: "*r == Scalar::<C>::reduce(&sum.to_affine().x())",
        without: "{ let _ = (r, sum); true }",
        tests: CORE,
    },
    Mutant {
        name: "Ed25519 by table",
        file: "core/src/crypto/fast/edwards.rs",
        check: "expected.compress().as_bytes() == signature.r_bytes()",
        without: "true",
        tests: CORE,
    },
    Mutant {
        name: "Ed25519 by table, R of low order",
        file: "core/src/crypto/fast/edwards.rs",
        check: "!expected.is_small_order() && ",
        without: "",
        tests: CORE,
    },
    Mutant {
        name: "Ed25519 by table, S below the order",
        file: "core/src/crypto/fast/edwards.rs",
        check: "Option::<Scalar>::from(Scalar::from_canonical_bytes(*signature.s_bytes()))",
        without: "Some(Scalar::from_bytes_mod_order(*signature.s_bytes()))",
        tests: CORE,
    },
    Mutant {
        name: "a table belongs to its key",
        file: "core/src/crypto/fast/mod.rs",
        check: "keys.iter_mut().find(|keyed| keyed.key.spki_der() == key.spki_der())",
        without: "keys.iter_mut().find(|keyed| keyed.key.key_type() == key.key_type())",
        tests: CORE,
    },
    Mutant {
        name: "a policy's steps",
        file: "core/src/policy/evaluate/mod.rs",
        check: "None => Err(ErrorKind::Limit),",
        without: "None => { self.steps.set(MAX_STEPS); Ok(()) }",
        tests: ADVISORIES,
    },
];

/// `mutants [NAME ...]`: all, or those whose names contain one of the words.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let wanted: Vec<&Mutant> = MUTANTS
        .iter()
        .filter(|mutant| words.is_empty() || words.iter().any(|word| mutant.name.contains(word.as_str())))
        .collect();
    if wanted.is_empty() {
        let names: Vec<&str> = MUTANTS.iter().map(|mutant| mutant.name).collect();
        bail!("no mutant is called `{}`, expected one of: {}", words.join(" "), names.join(", "));
    }
    let tree = crate::target("mutants");
    copy_sources(&tree)?;
    let mut steps = Steps::new(wanted.len());
    let mut green = Vec::new();
    for mutant in wanted {
        steps.step(&format!("without \"{}\"", mutant.name), || {
            let red = goes_red(&tree, mutant)?;
            if !red {
                green.push(mutant.name);
            }
            Ok(if red { "red" } else { "STILL GREEN" }.to_owned())
        })?;
    }
    if !green.is_empty() {
        bail!("no test noticed that these were gone: {}", green.join(", "));
    }
    steps.finish("every check was missed by a test");
    Ok(())
}

/// Whether the mutant builds and a test fails with it.
fn goes_red(tree: &Path, mutant: &Mutant) -> Result<bool> {
    let file = tree.join(mutant.file);
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", mutant.file))?;
    if text.matches(mutant.check).count() != 1 {
        bail!("{}: expected the check \"{}\" once: `{}`", mutant.file, mutant.name, mutant.check);
    }
    fs::write(&file, text.replace(mutant.check, mutant.without))?;
    let mut build = cargo(tree, mutant);
    build.arg("--no-run");
    let log = format!("mutant-{}", mutant.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    let red = process::logged(&log, &mut build).and_then(|()| {
        let green = process::succeeds(&log, &mut cargo(tree, mutant), Duration::from_secs(300))?;
        Ok(!green)
    });
    fs::write(&file, text)?;
    red
}

fn cargo(tree: &Path, mutant: &Mutant) -> Command {
    let mut cargo = process::cargo();
    cargo.current_dir(tree).args(["test", "--release", "--locked"]).args(mutant.tests);
    // Dependencies are shared with the sources themselves; the mutants' own crates have another path, and so stay apart.
    cargo.env("CARGO_TARGET_DIR", crate::target(""));
    cargo
}

/// The sources as they are now, without what git ignores.
fn copy_sources(tree: &Path) -> Result<()> {
    let listed = process::output(Command::new("git").current_dir(crate::root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .context("`git ls-files` failed, expected a checkout")?;
    if tree.exists() {
        fs::remove_dir_all(tree)?;
    }
    for name in listed.lines() {
        let from = crate::root().join(name);
        let to = tree.join(name);
        crate::make_parent(&to)?;
        if from.is_file() {
            fs::copy(&from, &to).with_context(|| format!("copying {name}"))?;
        }
    }
    Ok(())
}
