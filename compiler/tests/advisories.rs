//! Advisories that others had to publish, replayed against our own pipeline: from headers and policies to the decision.
//! `SECURITY.md` names these tests. Each has a control beside the attack, so that refusing everything cannot pass.

#[allow(unreachable_pub, reason = "a module of a test")]
mod gateway;

use countersign_core::exchange::Event;
use countersign_core::gateway::Notice;
use countersign_core::time::Span;
use gateway::{
    ISSUER, NOW, REMOTE_ISSUER, World, call, claims, config, ed25519, es256, get, good_token, image, load,
    signing_input, standard_base64, with,
};
use serde_json::{Value, json};

/// Envoy's RBAC joined repeated headers before matching, so that a rule met a value nobody sent.
#[test]
fn cve_2026_26308_repeated_headers() {
    let mut world = World::new();
    let good = format!("Bearer {}", good_token());
    assert_eq!(world.reason(&call().header("authorization", &good)), "allowed");
    assert_eq!(world.reason(&call().header("authorization", &good).header("x-note", "a")), "allowed");

    let attacks = [
        call().header("authorization", &good).header("authorization", "Bearer x"),
        call().header("authorization", "Bearer x").header("authorization", &good),
        call().header("Authorization", &good).header("AUTHORIZATION", &good),
        call().header("authorization", &good).header("x-note", "a").header("X-Note", "b"),
        call().header("authorization", &good).header(":path", "/health"),
        call().header("authorization", &good).first(":path", "/health"),
        call().header("authorization", &good).header(":method", "GET"),
        call().header("authorization", &good).header(":authority", "bank.example"),
        // `host` and `:authority` are one thing said twice.
        call().header("authorization", &good).header("host", "vault.bank.example"),
    ];
    for attack in attacks {
        assert_eq!(world.reason(&attack), "request.header.duplicate");
    }
}

/// Envoy, Istio, OPA and others: another spelling of a path went round the rule for it (CVE-2026-73511, -73553, -26205,
/// CVE-2021-29492, -31920, -32779, -39155, -39156, GHSA-3q34-rx83-r6mq).
#[test]
fn ambiguous_paths() {
    let mut world = World::new();
    let reason = |world: &mut World, path: &str| world.reason(&get(path).bearer(&good_token()));
    assert_eq!(reason(&mut world, "/tenants/acme/accounts/7"), "allowed");
    assert_eq!(reason(&mut world, "/tenants/acme/accounts/7?a=b"), "allowed");
    assert_eq!(reason(&mut world, "/tenants/other/accounts/7"), "policy.not_permitted");

    for path in [
        "/tenants/acme/accounts/7;x=y",
        "/tenants/acme;x=y/accounts/7",
        "//tenants/acme/accounts/7",
        "/tenants//acme/accounts/7",
        "/tenants/acme/accounts/7/",
        "/tenants/acme%2Faccounts/7",
        "/tenants/other%2f..%2Facme/accounts/7",
        "/tenants/acme%5caccounts/7",
        "/tenants\\acme\\accounts\\7",
        "/tenants/other/../acme/accounts/7",
        "/tenants/other/%2e%2e/acme/accounts/7",
        "/./tenants/acme/accounts/7",
        "/tenants/acme/accounts/7#fragment",
        "/tenants/acme/accounts/7%23fragment/..",
        "/tenants/%61cme/accounts/7",
        "/tenants/%2561cme/accounts/7",
        "/tenants/acme%00/accounts/7",
        "/tenants/acme/accounts/%ff",
        "/tenants/acme/accounts/%",
        "https://bank.example/tenants/acme/accounts/7",
        "tenants/acme/accounts/7",
        "*",
    ] {
        assert_eq!(reason(&mut world, path), "request.path.invalid", "{path}");
    }
}

/// The policy sees the path that is forwarded: nothing is rewritten on the way.
#[test]
fn paths_are_forwarded_as_they_were_judged() {
    let mut world = World::new();
    let (_, answer) = world.open(&call().bearer(&good_token()));
    let edits = answer.edits.expect("an allowed request");
    assert!(!edits.remove.iter().any(|name| name.starts_with(b":")), "{edits:?}");
    assert!(edits.add.iter().all(|(name, _)| name.starts_with("x-countersign-")), "{edits:?}");
}

/// Istio: a host in another case went round the rule for it (CVE-2021-39155).
#[test]
fn cve_2021_39155_case_of_the_host() {
    let mut world = World::new();
    for host in
        ["vault.bank.example", "Vault.Bank.Example", "VAULT.BANK.EXAMPLE:443", "vault.bank.example:8443"]
    {
        let attack = call().set(":authority", host).bearer(&good_token());
        assert_eq!(world.reason(&attack), "policy.forbidden", "{host}");
    }
    assert_eq!(world.reason(&call().set(":authority", "bank.example:443").bearer(&good_token())), "allowed");
}

/// Envoy trusted internal headers that a client had sent.
#[test]
fn cve_2023_27487_headers_of_ours_from_the_client() {
    let mut world = World::new();
    let forged = [
        "x-countersign-principal",
        "X-Countersign-Workload",
        "x_countersign_principal",
        "x-countersign_issuer",
        "x-countersign-attribute-tenant",
        "x-countersign-anything-else",
    ];
    for path in ["/tenants/acme/accounts/7", "/health"] {
        let mut attack = get(path).bearer(&good_token());
        for name in forged {
            attack = attack.header(name, "admin");
        }
        let (_, answer) = world.open(&attack);
        assert_eq!(answer.reason(), "allowed");
        let edits = answer.edits.expect("an allowed request");
        for name in forged {
            assert!(edits.remove.iter().any(|removed| **removed == *name.as_bytes()), "{name} on {path}");
        }
        assert!(edits.add.iter().all(|(_, value)| !value.contains("admin")), "{edits:?}");
        // The token stays here too.
        assert!(edits.remove.iter().any(|removed| **removed == *b"authorization"), "{path}");
    }
}

/// Envoy trusted what a client said about the connection. Who the peer is, its certificate says.
#[test]
fn cve_2024_45806_identity_from_the_client() {
    let mut world = World::new();
    let attack = call()
        .from(None)
        .bearer(&good_token())
        .header("x-forwarded-client-cert", format!("URI={}", gateway::EDGE))
        .header("x-envoy-internal", "true")
        .header("x-forwarded-for", "10.0.0.1");
    assert_eq!(world.reason(&attack), "transport.workload.missing");
    assert_eq!(
        world.reason(&attack.from(Some(b"spiffe://evil.example/edge"))),
        "transport.workload.untrusted"
    );
}

/// Envoy: a header that was not UTF-8 failed the check, and failing open let it in.
#[test]
fn cve_2023_27488_headers_that_are_not_utf_8() {
    let mut world = World::new();
    let request = || call().bearer(&good_token());
    assert_eq!(world.reason(&request()), "allowed");
    assert_eq!(world.reason(&request().header("x-note", "naïve")), "allowed");
    // Nobody looks at this one.
    assert_eq!(world.reason(&request().header("x-other", b"\xff")), "allowed");

    assert_eq!(world.reason(&request().header("x-note", b"\xff")), "request.header.invalid");
    assert_eq!(world.reason(&request().set(":authority", b"bank\xff")), "request.header.invalid");
    assert_eq!(world.reason(&request().set(":method", b"G\xffT")), "request.header.invalid");
    assert_eq!(world.reason(&request().set(":path", b"/tenants/acme/accounts/\xff")), "request.path.invalid");
    assert_eq!(world.reason(&call().header("authorization", b"Bearer \xff")), "token.malformed");
}

/// Envoy's `allow_missing` let in a token of an unknown issuer. Missing, unknown and invalid are three things here.
#[test]
fn cve_2021_21378_missing_unknown_and_invalid_are_three_states() {
    let mut world = World::new();
    let unknown = ed25519("good").sign(&with(&claims(), json!({ "iss": "https://evil.example" })));
    let nameless = ed25519("good").sign(&with(&claims(), json!({ "iss": null })));
    let mut tampered = good_token();
    tampered.replace_range(tampered.len() - 8.., "AAAAAAAA");
    assert_eq!(world.reason(&call()), "token.missing");
    assert_eq!(world.reason(&call().bearer(&unknown)), "token.issuer.unknown");
    assert_eq!(world.reason(&call().bearer(&nameless)), "token.issuer.missing");
    assert_eq!(world.reason(&call().bearer(&tampered)), "token.signature");
    // Another spelling of a known issuer is another issuer.
    for iss in [format!("{ISSUER}/"), ISSUER.to_uppercase(), format!(" {ISSUER}")] {
        let token = ed25519("good").sign(&with(&claims(), json!({ "iss": iss })));
        assert_eq!(world.reason(&call().bearer(&token)), "token.issuer.unknown", "{iss}");
    }
}

fn partner_token(subject: &str) -> String {
    ed25519("partner").sign(&with(&claims(), json!({ "iss": REMOTE_ISSUER, "sub": subject })))
}

/// Envoy crashed when two tokens waited for keys and the fetch failed.
#[test]
fn cve_2025_64527_two_tokens_and_one_failing_fetch() {
    let mut world = World::new();
    let (mut first, answer) = world.open(&call().bearer(&partner_token("alice")));
    assert_eq!(answer.reason(), "held");
    let (mut second, answer) = world.open(&call().bearer(&partner_token("bob")));
    assert_eq!(answer.reason(), "held");

    let fetch = world.fetch();
    assert!(world.gateway.poll_call(world.now).is_none(), "one fetch for both");
    world.fetched(&fetch, None);
    assert_eq!(world.woken(), [first.id, second.id]);
    assert_eq!(world.tell(&mut first, Event::Settled).reason(), "system.keys_unavailable");
    assert_eq!(world.tell(&mut second, Event::Settled).reason(), "system.keys_unavailable");

    // The answer comes after all, and everybody is told twice: nothing happens any more.
    world.fetched(&fetch, Some(&[&ed25519("partner")]));
    assert!(world.woken().is_empty());
    for event in [Event::Settled, Event::Timeout, Event::Dropped, Event::EffectFailed] {
        assert_eq!(world.tell(&mut first, event).reason(), "nothing");
    }
    assert_eq!(world.reason(&call().bearer(&partner_token("alice"))), "system.keys_unavailable");
}

/// Envoy crashed when the client left while keys were fetched.
#[test]
fn cve_2024_45809_client_gone_while_keys_are_fetched() {
    let mut world = World::new();
    let (mut gone, answer) = world.open(&call().bearer(&partner_token("alice")));
    assert_eq!(answer.reason(), "held");
    let (mut patient, answer) = world.open(&call().bearer(&partner_token("bob")));
    assert_eq!(answer.reason(), "held");
    let fetch = world.fetch();

    let answer = world.tell(&mut gone, Event::Dropped);
    assert_eq!(answer.reason(), "system.client_gone");
    assert!(answer.reply.is_none(), "there is nobody to answer");
    world.fetched(&fetch, Some(&[&ed25519("partner")]));
    assert_eq!(world.woken(), [patient.id]);
    assert_eq!(world.tell(&mut gone, Event::Settled).reason(), "nothing");
    assert_eq!(world.tell(&mut patient, Event::Settled).reason(), "allowed");
}

/// A held request never waits for ever.
#[test]
fn a_fetch_that_is_never_answered_holds_nobody() {
    let mut world = World::new();
    let (mut held, answer) = world.open(&call().bearer(&partner_token("alice")));
    assert_eq!(answer.reason(), "held");
    let _never_answered = world.fetch();
    world.now = world.now.plus(Span::from_secs(2));
    world.gateway.tick(world.now);
    let notices = std::iter::from_fn(|| world.gateway.poll_notice()).count();
    assert!(notices > 0);
    let ended = world.tell(&mut held, Event::Timeout);
    assert_eq!(ended.reason(), "system.timeout");

    // A fetch that the host never began: the wait itself is over.
    let mut world = World::new();
    let (held, answer) = world.open(&call().bearer(&partner_token("alice")));
    assert_eq!(answer.reason(), "held");
    world.now = world.now.plus(Span::from_secs(2));
    world.gateway.tick(world.now);
    let over = Notice::TimedOut(held.id);
    assert!(std::iter::from_fn(|| world.gateway.poll_notice()).any(|notice| notice == over));
}

/// Envoy's OAuth2 filter accepted any token.
#[test]
fn cve_2022_29226_only_a_verified_token_is_a_token() {
    let mut world = World::new();
    assert_eq!(world.reason(&call().bearer(&good_token())), "allowed");
    let unsigned = signing_input(&json!({ "alg": "none", "typ": "at+jwt" }), &claims());
    let hmac = signing_input(&json!({ "alg": "HS256", "typ": "at+jwt", "kid": "good" }), &claims());
    let other_claims = signing_input(
        &json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "good" }),
        &with(&claims(), json!({ "sub": "mallory" })),
    );
    let good = good_token();
    let signature = good.rsplit('.').next().unwrap_or_default();
    for (token, reason) in [
        ("token".to_owned(), "token.malformed"),
        ("a.b.c".to_owned(), "token.malformed"),
        (format!("{unsigned}."), "token.algorithm"),
        (format!("{unsigned}.{signature}"), "token.algorithm"),
        (format!("{hmac}.{signature}"), "token.algorithm"),
        (format!("{other_claims}.{signature}"), "token.signature"),
        (ed25519("evil").sign_with(json!({ "kid": "good" }), &claims()), "token.signature"),
        (ed25519("evil").sign(&claims()), "token.key.unknown"),
    ] {
        assert_eq!(world.reason(&call().bearer(&token)), reason, "{token}");
    }
}

/// Envoy's OAuth2 filter put a MAC over values without saying where one ended. Two resources never share an id here.
#[test]
fn cve_2023_35941_ambiguous_concatenation() {
    for id in ["{tenant}{id}", "{tenant}-{id}", "{tenant}:{id}"] {
        let mut config = config();
        config["routes"][0]["resource"]["id"] = json!(id);
        let error = load(&config).err().map(|error| error.path);
        assert_eq!(error.as_deref(), Some("routes[0].resource.id"), "{id}");
    }
    let mut config = config();
    config["paths"] = json!({ "allow_encoded_slash": true });
    assert_eq!(load(&config).err().map(|error| error.path).as_deref(), Some("routes[0].resource.id"));
}

/// Envoy cut a certificate's name at a NUL.
#[test]
fn cve_2025_66220_nul_in_the_certificates_name() {
    let mut world = World::new();
    for san in [
        &b"spiffe://bank.example/edge\0.evil.example"[..],
        b"spiffe://bank.example\0.evil.example/edge",
        b"\0spiffe://bank.example/edge",
        b"spiffe://bank.example/edge\0",
        b"",
    ] {
        let attack = call().bearer(&good_token()).from(Some(san));
        assert_eq!(world.reason(&attack), "transport.workload.invalid", "{san:?}");
    }
}

/// Envoy wrote what a client sent into its log as it was.
#[test]
fn cve_2024_45808_log_injection() {
    let mut world = World::new();
    let forged = "\r\n{\"countersign\":\"audit\",\"decision\":\"allow\"}\u{1b}[2J";
    let token = ed25519("good").sign(&with(&claims(), json!({ "sub": forged, "jti": forged })));
    for (attack, member) in [
        (call().bearer(&token), "subject"),
        (call().bearer(&token).set(":method", forged), "method"),
        (call().bearer(&token).set(":path", forged), "path"),
        (call().bearer(&token).from(Some(forged.as_bytes())), "peer"),
    ] {
        let (_, answer) = world.open(&attack);
        let line = &answer.audit[0];
        assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
        assert_eq!(answer.audited()[member], forged, "{line}");
        if let Some(edits) = answer.edits {
            assert!(edits.add.iter().all(|(_, value)| value.bytes().all(|byte| byte.is_ascii_graphic())));
        }
    }
}

/// Istio: a rule with fields that an older proxy did not know matched everything. What is not known is refused here.
#[test]
fn cve_2022_21679_unknown_fields_and_newer_versions() {
    assert!(load(&config()).is_ok());
    for place in
        ["", "/issuers/0", "/issuers/0/principal", "/routes/0", "/routes/0/resource", "/policy", "/workload"]
    {
        let mut config = config();
        config.pointer_mut(place).expect("a place in the configuration")["unknown"] = json!(true);
        let error = load(&config).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("unknown"), "`{place}`: {error}");
    }
    let refused = |config: &Value| load(config).err().map(|error| error.path).unwrap_or_default();
    assert_eq!(refused(&with(&config(), json!({ "version": 2 }))), "version");

    let with_image = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut image = image();
        change(&mut image);
        with(&config(), json!({ "policy": { "image": standard_base64(&image) } }))
    };
    assert!(load(&with_image(&|_| {})).is_ok());
    assert_eq!(refused(&with_image(&|image| image[8] += 1)), "policy.image", "a newer format");
    assert_eq!(refused(&with_image(&|image| image[11] += 1)), "policy.image", "a newer language");
    assert_eq!(
        refused(&with_image(&|image| *image.last_mut().expect("bytes") ^= 1)),
        "policy.image",
        "altered"
    );
    assert_eq!(refused(&with_image(&|image| image.truncate(image.len() - 1))), "policy.image", "cut short");
    assert_eq!(refused(&with_image(&|image| image.push(0))), "policy.image", "bytes behind it");
}

/// `jsonwebtoken` took an `exp` or `nbf` of the wrong type for an absent one.
#[test]
fn cve_2026_25537_claims_of_the_wrong_type() {
    let mut world = World::new();
    let late = (NOW + 3600).to_string();
    for (name, value) in [
        ("exp", json!(late)),
        ("exp", json!([NOW + 60])),
        ("exp", json!(true)),
        ("exp", json!({ "at": NOW + 60 })),
        ("nbf", json!(late)),
        ("nbf", json!(false)),
        ("iat", json!("now")),
        ("aud", json!({ "bank": true })),
        ("aud", json!(["bank", 7])),
        ("iss", json!([ISSUER])),
        ("sub", json!(7)),
        ("jti", json!(7)),
        ("roles", json!("teller")),
        ("roles", json!(["teller", 7])),
        ("tenant", json!(["acme"])),
    ] {
        let token = ed25519("good").sign(&with(&claims(), json!({ name: value })));
        assert_eq!(world.reason(&call().bearer(&token)), "token.claims", "{name} {value}");
    }
    // `null` is a value, and the wrong one.
    let mut with_null = claims();
    with_null["nbf"] = Value::Null;
    assert_eq!(world.reason(&call().bearer(&ed25519("good").sign(&with_null))), "token.claims");
    let without = ed25519("good").sign(&with(&claims(), json!({ "exp": null })));
    assert_eq!(world.reason(&call().bearer(&without)), "token.expiry.missing");
    // RFC 7519 §2: a date may have a fraction.
    let fraction = ed25519("good").sign(&with(&claims(), json!({ "exp": 1_800_000_060.5, "nbf": 1.7e9 })));
    assert_eq!(world.reason(&call().bearer(&fraction)), "allowed");
}

/// Authlib passed over critical extensions that it did not know.
#[test]
fn cve_2025_59420_unknown_critical_extensions() {
    let mut world = World::new();
    for header in [
        json!({ "crit": ["bork"], "bork": true }),
        json!({ "crit": ["exp"], "exp": NOW + 60 }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "b64": false }),
    ] {
        let token = ed25519("good").sign_with(header.clone(), &claims());
        assert_eq!(world.reason(&call().bearer(&token)), "token.critical", "{header}");
    }
    let malformed = ed25519("good").sign_with(json!({ "crit": [] }), &claims());
    assert_eq!(world.reason(&call().bearer(&malformed)), "token.malformed");
}

/// Centrifugo built the address of the keys from claims that nobody had verified.
#[test]
fn cve_2026_32301_keys_come_from_the_configuration_alone() {
    let mut world = World::new();
    let evil = ed25519("evil");
    let header = json!({
        "kid": "good", "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/cert", "jwk": evil.jwk(),
    });
    assert_eq!(world.reason(&call().bearer(&evil.sign_with(header.clone(), &claims()))), "token.signature");
    for iss in ["https://evil.example", "https://partner.example/../evil"] {
        let token = evil.sign_with(header.clone(), &with(&claims(), json!({ "iss": iss })));
        assert_eq!(world.reason(&call().bearer(&token)), "token.issuer.unknown");
    }
    let token = evil
        .sign_with(header, &with(&claims(), json!({ "iss": REMOTE_ISSUER, "kid": "https://evil.example" })));
    assert_eq!(world.reason(&call().bearer(&token)), "held");
    let fetch = world.fetch();
    assert_eq!(&*fetch.to.cluster, "partner-keys");
    assert_eq!(
        (&*fetch.to.scheme, &*fetch.to.authority, &*fetch.to.path),
        ("https", "keys.partner.example", "/jwks.json")
    );
    assert!(world.gateway.poll_call(world.now).is_none());
}

/// Java accepted the ECDSA signature in which both numbers are zero.
#[test]
fn cve_2022_21449_signatures_of_zeros() {
    let mut world = World::new();
    assert_eq!(world.reason(&call().bearer(&es256(&claims(), None))), "allowed");
    // n, the order of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3).
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (zero, mut one) = ([0; 32], [0; 32]);
    one[31] = 1;
    for (r, s) in [(zero, zero), (zero, one), (one, zero), (order, order), (order, one), (one, order)] {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s);
        let token = es256(&claims(), Some(signature));
        assert_eq!(world.reason(&call().bearer(&token)), "token.signature");
    }
}

/// An SDK kept a session by a key that did not hold its owner. The cache holds what a whole token proved, and never a decision.
#[test]
fn cve_2026_52869_the_cache_answers_nothing_but_the_token() {
    let mut world = World::new();
    let token = good_token();
    let cached = |world: &mut World, token: &str| {
        world.open(&call().bearer(token)).1.audited()["token_cached"].clone()
    };
    assert_eq!(cached(&mut world, &token), false);
    assert_eq!(cached(&mut world, &token), true);

    // The same token by another workload, for another tenant, on another host.
    let request = || call().bearer(&token);
    let evil = request().from(Some(b"spiffe://evil.example/edge"));
    assert_eq!(world.reason(&evil), "transport.workload.untrusted");
    assert_eq!(world.reason(&get("/tenants/other/accounts/7").bearer(&token)), "policy.not_permitted");
    assert_eq!(world.reason(&request().set(":authority", "vault.bank.example")), "policy.forbidden");

    // Tokens that share all but one character, or all but the last byte of the signature.
    let signature = token.rfind('.').map_or(0, |dot| dot + 1);
    let mut other = token.clone();
    let changed = if other[signature..].starts_with('A') { "B" } else { "A" };
    other.replace_range(signature..signature + 1, changed);
    assert_eq!(world.reason(&call().bearer(&other)), "token.signature");
    assert_eq!(world.reason(&call().bearer(&token[..token.len() - 2])), "token.signature");

    // Its time is over, here and for the cache: 300 s, and 30 s of clock skew.
    world.now = world.now.plus(Span::from_secs(329));
    assert_eq!(world.reason(&request()), "allowed");
    world.now = world.now.plus(Span::from_secs(1));
    assert_eq!(world.reason(&request()), "token.expired");
}

/// A key that the issuer takes back is gone, for tokens in the cache too.
#[test]
fn a_key_taken_back_ends_its_tokens() {
    let mut world = World::new();
    let (mut stream, answer) = world.open(&call().bearer(&partner_token("alice")));
    assert_eq!(answer.reason(), "held");
    let fetch = world.fetch();
    world.fetched(&fetch, Some(&[&ed25519("partner")]));
    world.woken();
    assert_eq!(world.tell(&mut stream, Event::Settled).reason(), "allowed");
    assert_eq!(world.reason(&call().bearer(&partner_token("alice"))), "allowed");

    world.now = world.now.plus(Span::from_secs(285));
    let fetch = world.fetch();
    world.fetched(&fetch, Some(&[&ed25519("partner-2")]));
    let (_, answer) = world.open(&call().bearer(&partner_token("alice")));
    assert_eq!(answer.reason(), "held", "an unknown `kid` sets off one fetch");
    let fetch = world.fetch();
    world.fetched(&fetch, Some(&[&ed25519("partner-2")]));
    assert_eq!(world.reason(&call().bearer(&partner_token("alice"))), "token.key.unknown");
}

/// No policy takes a worker's time without end: here each expression doubles the one before.
#[test]
fn policies_are_bounded() {
    use countersign_core::policy::Image;
    use countersign_core::policy::encode;
    use countersign_core::policy::image::tables::{Binary, Const, Node};
    // The permit, then the forbid. The steps are the request's: once they are gone, the forbid can't be evaluated either, and is
    // named as what decides.
    for policy in [0, 1] {
        let mut tables = Image::decode(&image()).expect("an image").tables().clone();
        let mut push = |node| {
            tables.nodes.rows.push(node);
            u32::try_from(tables.nodes.rows.len() - 1).expect("few nodes")
        };
        let yes = u32::try_from(tables.constants.rows.len()).expect("few constants");
        tables.constants.rows.push(Const::Bool(true));
        let mut last = push(Node::Const(yes));
        for _ in 0..40 {
            last = push(Node::Binary(Binary::Eq, last, last));
        }
        let clauses = tables.policies.rows[policy].clauses;
        tables.policies.clauses[clauses.start as usize].node = last;
        let mut world =
            World::of(&with(&config(), json!({ "policy": { "image": standard_base64(&encode(&tables)) } })));
        let (_, answer) = world.open(&call().bearer(&good_token()));
        assert_eq!(answer.reason(), "policy.limit");
        assert_eq!(answer.audited()["policies"], json!(["vault-is-closed"]));
    }
}
