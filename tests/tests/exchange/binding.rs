//! Tokens that only their holder can use: for each check of a proof one that lacks just that, beside controls.

use std::rc::Rc;

use anyhow::Result;
use countersign_core::metrics::Counter;
use countersign_core::shared::Alone;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::proof::{self, Proof};
use countersign_tests::world::{Ask, START, WORKLOAD, World};
use serde_json::{Value, json};

const TARGET: &str = "https://bank.example/tenants/acme/accounts/a1";

/// A holder of a bound token.
struct Holder {
    world: World,
    key: SigningKey,
    token: String,
}

impl Holder {
    fn new() -> Result<Self> {
        Self::configured(|_| {})
    }

    fn configured(change: impl FnOnce(&mut Value)) -> Result<Self> {
        let world = World::configured(change)?;
        let key = SigningKey::new("holder")?;
        let token = bound(&world, json!({ "jkt": proof::thumbprint(&key) }))?;
        Ok(Self { world, key, token })
    }

    fn proof(&self) -> Proof {
        Proof::new(&self.key, "GET", TARGET, &self.token, self.world.now().as_secs())
    }

    fn verdict(&mut self, proof: &Proof) -> Result<String> {
        let text = proof.sign(&self.key)?;
        Ok(self.present(&text))
    }

    fn present(&mut self, proof: &str) -> String {
        self.world.verdict(&Ask::read().dpop(&self.token, proof))
    }

    /// The verdict on a proof with these changes to its claims.
    fn with(&mut self, changes: Value) -> Result<String> {
        let mut proof = self.proof();
        proof.claims = mint::with(&proof.claims, changes);
        self.verdict(&proof)
    }

    /// The verdict on a proof with these changes to its header.
    fn with_header(&mut self, changes: Value) -> Result<String> {
        let mut proof = self.proof();
        proof.header = mint::with(&proof.header, changes);
        self.verdict(&proof)
    }
}

fn bound(world: &World, cnf: Value) -> Result<String> {
    world.key.sign(&mint::with(&world.claims(), json!({ "cnf": cnf })))
}

#[test]
fn a_bound_token_serves_its_holder() -> Result<()> {
    let mut holder = Holder::new()?;
    let answer = holder.world.ask(&Ask::read().dpop(&holder.token, &holder.proof().sign(&holder.key)?));
    assert_eq!(answer.verdict(), "allow");
    assert_eq!(answer.audit.map(|audit| audit["binding"].clone()), Some(json!("dpop")));
    let removed = answer.edits.map(|edits| edits.remove).unwrap_or_default();
    assert!(removed.iter().any(|name| **name == *b"dpop"), "a proof goes no further");
    assert!(holder.world.counted.contains(&Counter::DpopAccepted));
    Ok(())
}

#[test]
fn proofs_at_their_bounds_are_accepted() -> Result<()> {
    for (name, changes) in [
        ("as old as can be", json!({ "iat": START - 59 })),
        ("from a clock that is ahead", json!({ "iat": START + 5 })),
        ("a time with a fraction", json!({ "iat": START as f64 - 0.5 })),
        ("with a query", json!({ "htu": format!("{TARGET}?a=b") })),
        ("with a fragment", json!({ "htu": format!("{TARGET}#x") })),
        ("host in capitals", json!({ "htu": "https://BANK.example/tenants/acme/accounts/a1" })),
        ("scheme in capitals", json!({ "htu": "HTTPS://bank.example/tenants/acme/accounts/a1" })),
        ("the scheme's own port", json!({ "htu": "https://bank.example:443/tenants/acme/accounts/a1" })),
        ("an escape that needs none", json!({ "htu": TARGET.replace("acme", "%61cme") })),
        ("an empty port", json!({ "htu": TARGET.replace("example", "example:") })),
        ("an end to come", json!({ "exp": START + 1 })),
        ("a beginning within the skew", json!({ "nbf": START + 5 })),
        ("a nonce that nobody asked for", json!({ "nonce": "n" })),
        ("a claim that nobody knows", json!({ "x": [1] })),
        ("a long identifier", json!({ "jti": "j".repeat(512) })),
    ] {
        assert_eq!(Holder::new()?.with(changes)?, "allow", "{name}");
    }
    for (name, changes) in [
        ("type in capitals", json!({ "typ": "DPOP+JWT" })),
        ("type with its prefix", json!({ "typ": "application/dpop+jwt" })),
        ("a member that nobody knows", json!({ "x": 1 })),
        ("a kid", json!({ "kid": "k" })),
    ] {
        assert_eq!(Holder::new()?.with_header(changes)?, "allow", "{name}");
    }
    Ok(())
}

#[test]
fn claims_of_a_proof_are_checked_one_by_one() -> Result<()> {
    for (name, changes, expected) in [
        ("no jti", json!({ "jti": null }), "binding.dpop.malformed"),
        ("an empty jti", json!({ "jti": "" }), "binding.dpop.malformed"),
        ("a jti that is a number", json!({ "jti": 7 }), "binding.dpop.malformed"),
        ("a jti that is too long", json!({ "jti": "j".repeat(513) }), "binding.dpop.malformed"),
        ("no htm", json!({ "htm": null }), "binding.dpop.malformed"),
        ("another method", json!({ "htm": "POST" }), "binding.dpop.method"),
        ("the method in small letters", json!({ "htm": "get" }), "binding.dpop.method"),
        ("no htu", json!({ "htu": null }), "binding.dpop.malformed"),
        ("another host", json!({ "htu": TARGET.replace("bank", "evil") }), "binding.dpop.target"),
        ("another path", json!({ "htu": TARGET.replace("a1", "a2") }), "binding.dpop.target"),
        ("a path more", json!({ "htu": format!("{TARGET}/x") }), "binding.dpop.target"),
        ("a slash more", json!({ "htu": format!("{TARGET}/") }), "binding.dpop.target"),
        ("another scheme", json!({ "htu": TARGET.replace("https", "http") }), "binding.dpop.target"),
        ("another port", json!({ "htu": TARGET.replace("example", "example:8443") }), "binding.dpop.target"),
        (
            "user information",
            json!({ "htu": TARGET.replace("//", "//bank.example@") }),
            "binding.dpop.target",
        ),
        ("a path alone", json!({ "htu": "/tenants/acme/accounts/a1" }), "binding.dpop.target"),
        ("an encoded slash", json!({ "htu": TARGET.replace("/a1", "%2Fa1") }), "binding.dpop.target"),
        ("dot segments", json!({ "htu": TARGET.replace("a1", "x/../a1") }), "binding.dpop.target"),
        ("no time", json!({ "iat": null }), "binding.dpop.malformed"),
        ("a time as text", json!({ "iat": START.to_string() }), "binding.dpop.malformed"),
        ("too old", json!({ "iat": START - 60 }), "binding.dpop.time"),
        ("from the future", json!({ "iat": START + 6 }), "binding.dpop.time"),
        ("from a time that nobody lives to see", json!({ "iat": i64::MAX }), "binding.dpop.malformed"),
        ("an end that is now", json!({ "exp": START }), "binding.dpop.time"),
        ("an end as text", json!({ "exp": (START + 60).to_string() }), "binding.dpop.malformed"),
        ("a beginning to come", json!({ "nbf": START + 6 }), "binding.dpop.time"),
        ("a beginning as text", json!({ "nbf": START.to_string() }), "binding.dpop.malformed"),
        ("no ath", json!({ "ath": null }), "binding.dpop.malformed"),
        ("ath of another token", json!({ "ath": proof::digest("x") }), "binding.dpop.token"),
        ("ath with padding", json!({ "ath": format!("{}=", proof::digest("x")) }), "binding.dpop.malformed"),
        ("a nonce that is a number", json!({ "nonce": 1 }), "binding.dpop.malformed"),
    ] {
        assert_eq!(Holder::new()?.with(changes)?, expected, "{name}");
    }
    Ok(())
}

#[test]
fn the_header_of_a_proof_is_checked_member_by_member() -> Result<()> {
    let rsa = SigningKey::of("r", jsonwebtoken::Algorithm::RS256)?;
    for (name, changes, expected) in [
        ("no type", json!({ "typ": null }), "binding.dpop.malformed"),
        ("the type of a token", json!({ "typ": "at+jwt" }), "binding.dpop.malformed"),
        ("no signature", json!({ "alg": "none" }), "binding.dpop.algorithm"),
        ("a shared secret", json!({ "alg": "HS256" }), "binding.dpop.algorithm"),
        ("an algorithm that is not listed", json!({ "alg": "ES384" }), "binding.dpop.key"),
        ("an algorithm of another key", json!({ "alg": "RS256" }), "binding.dpop.key"),
        ("no key", json!({ "jwk": null }), "binding.dpop.key"),
        ("another kind of key", json!({ "jwk": rsa.jwk() }), "binding.dpop.key"),
        ("a secret key", json!({ "jwk": { "kty": "oct", "k": "c2VjcmV0" } }), "binding.dpop.key"),
        ("a key that is text", json!({ "jwk": "k" }), "binding.dpop.key"),
        ("an extension that is demanded", json!({ "crit": ["x"], "x": 1 }), "binding.dpop.malformed"),
        ("an unencoded payload", json!({ "b64": false, "crit": ["b64"] }), "binding.dpop.malformed"),
    ] {
        assert_eq!(Holder::new()?.with_header(changes)?, expected, "{name}");
    }
    let mut holder = Holder::new()?;
    let mut proof = holder.proof();
    proof.header["jwk"]["d"] = json!("AAAA");
    assert_eq!(holder.verdict(&proof)?, "binding.dpop.key", "a private key");
    let mut proof = holder.proof();
    proof.header["jwk"]["y"] = proof.header["jwk"]["x"].clone();
    assert_eq!(holder.verdict(&proof)?, "binding.dpop.key", "a point that is not on the curve");
    let mut listed = Holder::configured(|config| config["dpop"] = json!({ "algorithms": ["EdDSA"] }))?;
    let proof = listed.proof();
    assert_eq!(listed.verdict(&proof)?, "binding.dpop.algorithm", "an algorithm that is not listed");
    Ok(())
}

#[test]
fn only_the_holder_can_prove() -> Result<()> {
    let mut holder = Holder::new()?;
    let thief = SigningKey::new("thief")?;
    // With the thief's own key.
    let own = Proof::new(&thief, "GET", TARGET, &holder.token, START).sign(&thief)?;
    assert_eq!(holder.present(&own), "binding.dpop.holder");
    // With the holder's public key, and the thief's signature.
    let forged = holder.proof().sign(&thief)?;
    assert_eq!(holder.present(&forged), "binding.dpop.signature");
    // With a proof of the holder for another token of his.
    let other = bound(&holder.world, json!({ "jkt": proof::thumbprint(&holder.key) }))?;
    let for_other = Proof::new(&holder.key, "GET", TARGET, &other, START).sign(&holder.key)?;
    if other != holder.token {
        assert_eq!(holder.present(&for_other), "binding.dpop.token");
    }
    // Altered under way.
    let text = holder.proof().sign(&holder.key)?;
    assert_eq!(holder.present(&mint::break_signature(&text, 3)?), "binding.dpop.signature");
    assert_eq!(holder.present(&mint::tamper(&text, json!({ "jti": "x" }))?), "binding.dpop.signature");
    for (name, malformed) in [
        ("nothing", String::new()),
        ("no signature", text.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap_or_default()),
        ("two parts", text.rsplit_once('.').map(|(signed, _)| signed.to_owned()).unwrap_or_default()),
        ("four parts", format!("{text}.x")),
        ("padding", format!("{text}=")),
        ("two proofs in one header", format!("{text},{text}")),
        ("too long", format!("{text}{}", "A".repeat(8_192))),
    ] {
        let verdict = holder.present(&malformed);
        let expected =
            if name == "no signature" { "binding.dpop.signature" } else { "binding.dpop.malformed" };
        assert_eq!(verdict, expected, "{name}");
    }
    Ok(())
}

#[test]
fn a_bound_token_needs_its_scheme_and_one_proof() -> Result<()> {
    let mut holder = Holder::new()?;
    let proof = holder.proof().sign(&holder.key)?;
    let bearer = holder.world.ask(&Ask::read().bearer(&holder.token));
    assert_eq!(bearer.verdict(), "binding.dpop.scheme");
    let challenge = bearer.reply_header("www-authenticate").unwrap_or_default();
    assert!(
        challenge.starts_with("DPoP ") && challenge.contains("algs=\"ES256 EdDSA RS256\""),
        "{challenge}"
    );
    let with_proof = Ask::read().bearer(&holder.token).header("dpop", proof.clone());
    assert_eq!(holder.world.verdict(&with_proof), "binding.dpop.scheme");
    let without = Ask::read().header("authorization", format!("DPoP {}", holder.token));
    assert_eq!(holder.world.verdict(&without), "binding.dpop.missing");
    let twice = Ask::read().dpop(&holder.token, &proof).header("dpop", proof.clone());
    assert_eq!(holder.world.verdict(&twice), "request.header.duplicate");
    // A token that is bound to nothing is none for this scheme.
    let loose = holder.world.token()?;
    assert_eq!(holder.world.verdict(&Ask::read().dpop(&loose, &proof)), "binding.dpop.unbound");
    assert_eq!(holder.world.verdict(&Ask::read().bearer(&loose)), "allow");
    Ok(())
}

#[test]
fn a_proof_serves_once() -> Result<()> {
    let mut holder = Holder::new()?;
    let proof = holder.proof().sign(&holder.key)?;
    assert_eq!(holder.present(&proof), "allow");
    assert_eq!(holder.present(&proof), "binding.dpop.replayed");
    holder.world.advance(58);
    assert_eq!(holder.present(&proof), "binding.dpop.replayed");
    holder.world.advance(2);
    assert_eq!(holder.present(&proof), "binding.dpop.time");
    // The same identifier under another key is another proof.
    let other = SigningKey::new("other")?;
    let token = bound(&holder.world, json!({ "jkt": proof::thumbprint(&other) }))?;
    let mut first = holder.proof();
    first.claims["jti"] = json!("same");
    assert_eq!(holder.verdict(&first)?, "allow");
    let mut second = Proof::new(&other, "GET", TARGET, &token, holder.world.now().as_secs());
    second.claims["jti"] = json!("same");
    let second = second.sign(&other)?;
    assert_eq!(holder.world.verdict(&Ask::read().dpop(&token, &second)), "allow");
    Ok(())
}

#[test]
fn a_refused_proof_is_not_used_up() -> Result<()> {
    let mut holder = Holder::new()?;
    let proof = holder.proof().sign(&holder.key)?;
    assert_eq!(holder.present(&mint::break_signature(&proof, 1)?), "binding.dpop.signature");
    assert_eq!(holder.present(&proof), "allow");
    Ok(())
}

#[test]
fn proofs_in_use_are_bounded_and_never_forgotten() -> Result<()> {
    let mut holder = Holder::configured(|config| config["dpop"] = json!({ "replay_entries": 32 }))?;
    let first = holder.proof().sign(&holder.key)?;
    assert_eq!(holder.present(&first), "allow");
    let mut full = false;
    for _ in 0..200 {
        let proof = holder.proof();
        full |= holder.verdict(&proof)? == "limit.dpop";
    }
    assert!(full, "more proofs were taken than there is room for");
    assert_eq!(holder.present(&first), "binding.dpop.replayed");
    holder.world.advance(70);
    let later = holder.proof();
    assert_eq!(holder.verdict(&later)?, "allow", "those that are over make room");
    Ok(())
}

#[test]
fn one_holder_does_not_shut_out_the_others() -> Result<()> {
    let mut holder = Holder::configured(|config| config["dpop"] = json!({ "replay_entries": 32 }))?;
    let mut refused = 0;
    for _ in 0..200 {
        let proof = holder.proof();
        match &*holder.verdict(&proof)? {
            "allow" => {}
            "limit.dpop" => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused > 50, "{refused} of 200");
    let other = SigningKey::new("other")?;
    let token = bound(&holder.world, json!({ "jkt": proof::thumbprint(&other) }))?;
    let proof = Proof::new(&other, "GET", TARGET, &token, START).sign(&other)?;
    assert_eq!(holder.world.verdict(&Ask::read().dpop(&token, &proof)), "allow");
    Ok(())
}

#[test]
fn a_used_proof_stays_used_when_the_configuration_changes() -> Result<()> {
    let shared = Rc::new(Alone::default());
    let mut holder = Holder::new()?;
    holder.world.gateway.set_shared(Rc::clone(&shared) as _);
    for changed in [json!({ "replay_entries": 1_048_576 }), json!({ "max_age_seconds": 300 })] {
        let mut other = World::with_key(holder.world.key.clone(), |config| config["dpop"] = changed)?;
        other.gateway.set_shared(Rc::clone(&shared) as _);
        for _ in 0..4 {
            let proof = holder.proof().sign(&holder.key)?;
            let ask = Ask::read().dpop(&holder.token, &proof);
            assert_eq!(holder.world.verdict(&ask), "allow");
            assert_eq!(other.verdict(&ask), "binding.dpop.replayed");
        }
    }
    Ok(())
}

#[test]
fn a_nonce_is_asked_for_where_the_configuration_says_so() -> Result<()> {
    let mut holder = Holder::configured(|config| config["dpop"] = json!({ "nonce_seconds": 30 }))?;
    let without = holder.proof().sign(&holder.key)?;
    let answer = holder.world.ask(&Ask::read().dpop(&holder.token, &without));
    assert_eq!(answer.verdict(), "binding.dpop.nonce");
    assert_eq!(answer.reply.as_ref().map(|reply| reply.status), Some(401));
    let challenge = answer.reply_header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("error=\"use_dpop_nonce\""), "{challenge}");
    let nonce = answer.reply_header("dpop-nonce").unwrap_or_default().to_owned();
    assert_eq!(nonce.len(), 32, "{nonce}");
    assert_eq!(holder.with(json!({ "nonce": nonce }))?, "allow");
    // The time of a real one, and one bit of the rest.
    let last = if nonce.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{last}", &nonce[..31]);
    for bad in ["", "x", &forged, &nonce.replacen(|c: char| c != 'A', "A", 40), &"A".repeat(32)] {
        assert_eq!(holder.with(json!({ "nonce": bad }))?, "binding.dpop.nonce", "{bad}");
    }
    holder.world.advance(29);
    assert_eq!(holder.with(json!({ "nonce": nonce }))?, "allow");
    holder.world.advance(1);
    assert_eq!(holder.with(json!({ "nonce": nonce }))?, "binding.dpop.nonce");
    Ok(())
}

#[test]
fn public_origins_take_the_place_of_the_host() -> Result<()> {
    let origins = |origins: Value| move |config: &mut Value| config["dpop"] = json!({ "origins": origins });
    let public = "https://api.public.example/tenants/acme/accounts/a1";
    let mut holder = Holder::configured(origins(json!(["https://api.public.example"])))?;
    assert_eq!(holder.with(json!({ "htu": public }))?, "allow");
    assert_eq!(holder.with(json!({ "htu": TARGET }))?, "binding.dpop.target");
    // Of several, the request's host says which.
    let mut both =
        Holder::configured(origins(json!(["https://bank.example", "https://api.public.example"])))?;
    assert_eq!(both.with(json!({ "htu": TARGET }))?, "allow");
    assert_eq!(both.with(json!({ "htu": public }))?, "binding.dpop.target");
    for bad in ["api.example", "https://api.example/", "https://api.example/x", "ftp://a.example", "https://"]
    {
        assert!(Holder::configured(origins(json!([bad]))).is_err(), "{bad}");
    }
    Ok(())
}

#[test]
fn a_certificate_bound_token_needs_its_certificate() -> Result<()> {
    let mut world = World::new()?;
    let (own, other) = ("ab".repeat(32), "cd".repeat(32));
    let digest = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, [0xab; 32]);
    let token = bound(&world, json!({ "x5t#S256": digest }))?;
    let ask = Ask::read().bearer(&token);
    assert_eq!(world.verdict(&ask.clone().with_certificate(&own)), "allow");
    assert_eq!(world.verdict(&ask.clone().with_certificate(&own.to_uppercase())), "allow");
    assert_eq!(world.verdict(&ask.clone().with_certificate(&other)), "binding.certificate.mismatch");
    assert_eq!(world.verdict(&ask.clone().with_certificate("ab")), "binding.certificate.missing");
    assert_eq!(world.verdict(&ask), "binding.certificate.missing");
    // Bound in both ways: both are asked for.
    let key = SigningKey::new("holder")?;
    let both = bound(&world, json!({ "x5t#S256": digest, "jkt": proof::thumbprint(&key) }))?;
    let proof = || Proof::new(&key, "GET", TARGET, &both, START).sign(&key);
    assert_eq!(world.verdict(&Ask::read().dpop(&both, &proof()?).with_certificate(&own)), "allow");
    let wrong = Ask::read().dpop(&both, &proof()?).with_certificate(&other);
    assert_eq!(world.verdict(&wrong), "binding.certificate.mismatch");
    let bearer = Ask::read().bearer(&both).with_certificate(&own);
    assert_eq!(world.verdict(&bearer), "binding.dpop.scheme");
    Ok(())
}

#[test]
fn a_binding_that_is_not_understood_is_not_overlooked() -> Result<()> {
    for (name, cnf, expected) in [
        ("a key by its name", json!({ "kid": "k" }), "binding.unsupported"),
        ("a key itself", json!({ "jwk": {} }), "binding.unsupported"),
        ("nothing", json!({}), "binding.unsupported"),
        // What is understood is held to, whatever stands beside it (RFC 7800 §3.1).
        (
            "a key beside its name",
            json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "kid": "k", "jwk": {} }),
            "binding.dpop.scheme",
        ),
        (
            "a certificate beside a name",
            json!({ "x5t#S256": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "kid": 7 }),
            "binding.certificate.missing",
        ),
        ("no object", json!("x"), "token.claims"),
        ("a digest that is too short", json!({ "jkt": "AAAA" }), "token.claims"),
        ("a digest that is a number", json!({ "x5t#S256": 1 }), "token.claims"),
    ] {
        let mut world = World::new()?;
        let token = bound(&world, cnf)?;
        assert_eq!(world.verdict(&Ask::read().bearer(&token)), expected, "{name}");
    }
    Ok(())
}

#[test]
fn a_route_can_demand_a_binding() -> Result<()> {
    let digest = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, [0xab; 32]);
    let route = |binding: Value| move |config: &mut Value| config["routes"][0]["binding"] = binding;
    let mut holder = Holder::configured(route(json!(["dpop"])))?;
    let loose = holder.world.token()?;
    let answer = holder.world.ask(&Ask::read().bearer(&loose));
    assert_eq!(answer.verdict(), "binding.required");
    assert!(answer.reply_header("www-authenticate").is_some_and(|challenge| challenge.starts_with("DPoP ")));
    let proof = holder.proof();
    assert_eq!(holder.verdict(&proof)?, "allow");
    let to_certificate = bound(&holder.world, json!({ "x5t#S256": digest }))?;
    let ask = Ask::read().bearer(&to_certificate).with_certificate(&"ab".repeat(32));
    assert_eq!(holder.world.verdict(&ask), "binding.required");
    let mut either = Holder::configured(route(json!(["dpop", "certificate"])))?;
    let to_certificate = bound(&either.world, json!({ "x5t#S256": digest }))?;
    let ask = Ask::read().bearer(&to_certificate).with_certificate(&"ab".repeat(32));
    assert_eq!(either.world.verdict(&ask), "allow");
    let proof = either.proof();
    assert_eq!(either.verdict(&proof)?, "allow");
    Ok(())
}

#[test]
fn a_token_can_belong_to_a_workload() -> Result<()> {
    let claim = |config: &mut Value| config["issuers"][0]["workload_claim"] = json!("client_id");
    let mut world = World::configured(claim)?;
    let mut verdict = |changes: Value, peer: Option<&str>| -> Result<String> {
        let token = world.key.sign(&mint::with(&world.claims(), changes))?;
        Ok(world.verdict(&Ask::read().bearer(&token).from_peer(peer.map(str::as_bytes))))
    };
    let own = json!({ "client_id": WORKLOAD });
    assert_eq!(verdict(own.clone(), Some(WORKLOAD))?, "allow");
    assert_eq!(verdict(own, Some("spiffe://bank.example/other"))?, "binding.workload");
    assert_eq!(verdict(json!({ "client_id": "another" }), Some(WORKLOAD))?, "binding.workload");
    assert_eq!(verdict(json!({}), Some(WORKLOAD))?, "token.claim.missing");
    assert_eq!(verdict(json!({ "client_id": 7 }), Some(WORKLOAD))?, "token.claims");
    Ok(())
}
