//! Bad configurations: each is refused with the field's path and what was expected.

use anyhow::Result;
use countersign_core::settings::Settings;
use countersign_tests::mint::SigningKey;
use countersign_tests::world::configuration;
use serde_json::{Value, json};

/// The error of the good configuration with one change.
fn error(change: impl FnOnce(&mut Value)) -> Result<(String, String)> {
    let mut config = configuration(&SigningKey::new("k1")?)?;
    change(&mut config);
    match Settings::load(config.to_string().as_bytes()) {
        Ok(_) => Ok((String::new(), "accepted".into())),
        Err(error) => Ok((error.path, error.message)),
    }
}

/// One change: a JSON Pointer, what stands there then, and the path and the words of the error.
type Case = (&'static str, Value, &'static str, &'static str);

fn check(cases: Vec<Case>) -> Result<()> {
    for (pointer, value, path, words) in cases {
        let (found_path, message) = error(|config| match config.pointer_mut(pointer) {
            Some(place) => *place = value.clone(),
            None => {
                let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
                config.pointer_mut(parent).expect("the parent")[name] = value.clone();
            }
        })?;
        assert_eq!(found_path, path, "{pointer} = {value}: {message}");
        assert!(message.contains(words), "{pointer} = {value}: `{message}` lacks `{words}`");
    }
    Ok(())
}

#[test]
fn the_unchanged_configuration_is_good() -> Result<()> {
    assert_eq!(error(|_| {})?, (String::new(), "accepted".into()));
    Ok(())
}

#[test]
fn unknown_fields_and_wrong_types_are_named() -> Result<()> {
    check(vec![
        ("/vershun", json!(1), "vershun", "unknown"),
        ("/version", json!(2), "version", "expected 1, found 2"),
        ("/version", json!("1"), "version", "expected"),
        ("/routes", json!({}), "routes", "expected"),
        ("/issuers/0", json!({ "issuer": "x" }), "issuers[0].audiences", "missing"),
        ("/routes/0/profile", json!("open"), "routes[0].profile", "open"),
        ("/limits", json!({ "token_bytes": -1 }), "limits.token_bytes", "expected"),
    ])
}

#[test]
fn key_sources_are_checked() -> Result<()> {
    let remote = |more: Value| {
        let mut source = json!({ "cluster": "c", "uri": "https://a/b" });
        source.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        json!({ "remote": source })
    };
    let discovery = |more: Value| json!({ "discovery": more });
    check(vec![
        (
            "/issuers/0/keys",
            remote(json!({ "min_refresh_seconds": 301 })),
            "issuers[0].keys.remote.min_refresh_seconds",
            "at most `refresh_seconds` (300), found 301",
        ),
        (
            "/issuers/0/keys",
            remote(json!({ "min_refresh_seconds": 0 })),
            "issuers[0].keys.remote.min_refresh_seconds",
            "from 1",
        ),
        ("/issuers/0/keys", remote(json!({ "refresh_seconds": 1 })), "", "accepted"),
        (
            "/issuers/0/keys",
            discovery(json!({ "cluster": "" })),
            "issuers[0].keys.discovery.cluster",
            "cluster",
        ),
        ("/issuers/0/keys", discovery(json!({})), "issuers[0].keys.discovery.cluster", "missing"),
        (
            "/issuers/0/keys",
            discovery(json!({ "cluster": "c", "jwks_cluster": "" })),
            "issuers[0].keys.discovery.jwks_cluster",
            "cluster",
        ),
        (
            "/issuers/0/keys",
            discovery(json!({ "cluster": "c", "jwks_authority": "https://a/b" })),
            "issuers[0].keys.discovery.jwks_authority",
            "expected scheme and host",
        ),
        (
            "/issuers/0/keys",
            discovery(json!({ "cluster": "c", "uri": "a/b" })),
            "issuers[0].keys.discovery.uri",
            "expected `https://host/path`",
        ),
        (
            "/issuers/0/keys",
            discovery(json!({ "cluster": "c", "jwks_authority": "https://keys.bank.example" })),
            "",
            "accepted",
        ),
        ("/issuers/0/profile", json!("jwt_svid"), "issuers[0].issuer", "SPIFFE ID of a trust domain"),
        ("/issuers/0/profile", json!("access_token"), "", "accepted"),
    ])?;
    let svid = |issuer: &str, keys: Value| {
        error(|config| {
            config["issuers"][0]["profile"] = json!("jwt_svid");
            config["issuers"][0]["issuer"] = json!(issuer);
            config["issuers"][0]["keys"] = keys;
        })
    };
    for issuer in
        ["spiffe://bank.example/", "spiffe://bank.example/ca", "bank.example", "spiffe://Bank.example"]
    {
        assert_eq!(svid(issuer, remote(json!({})))?.0, "issuers[0].issuer", "{issuer}");
    }
    let domain = "spiffe://bank.example";
    assert_eq!(svid(domain, remote(json!({})))?.1, "accepted");
    assert_eq!(svid(domain, discovery(json!({ "cluster": "c" })))?.0, "issuers[0].keys.discovery");
    let mut key = countersign_tests::mint::jwks([&SigningKey::new("k1")?])["keys"][0].clone();
    let bundle = |key: &Value| json!({ "inline": { "keys": [key] } });
    assert_eq!(svid(domain, bundle(&key))?.0, "issuers[0].keys.inline");
    key["use"] = json!("jwt-svid");
    let (path, message) = svid(domain, bundle(&key))?;
    assert_eq!((&*path, &*message), ("", "accepted"));
    assert_eq!(svid(domain, json!({ "inline": { "keys": [] } }))?.0, "issuers[0].keys.inline.keys");
    Ok(())
}

#[test]
fn issuers_are_checked() -> Result<()> {
    check(vec![
        ("/issuers/0/issuer", json!(""), "issuers[0].issuer", "expected the `iss` claim"),
        ("/issuers/0/audiences", json!([]), "issuers[0].audiences", "at least one audience"),
        ("/issuers/0/algorithms", json!(["HS256"]), "issuers[0].algorithms[0]", "found `HS256`"),
        ("/issuers/0/algorithms", json!([]), "issuers[0].algorithms", "at least one"),
        ("/issuers/0/token_types", json!([]), "issuers[0].token_types", "at least one type"),
        (
            "/issuers/0/token_types",
            json!(["JWT", "application/"]),
            "issuers[0].token_types[1]",
            "expected a type such as `at+jwt`, found `application/`",
        ),
        ("/issuers/0/token_types", json!([""]), "issuers[0].token_types[0]", "found ``"),
        ("/routes/0/step_up", json!({}), "routes[0].step_up", "`acr`, `max_age_seconds`, or both"),
        ("/routes/0/step_up", json!({ "acr": ["mfa", "a b"] }), "routes[0].step_up.acr[1]", "found `a b`"),
        ("/routes/0/step_up", json!({ "acr": vec!["a"; 17] }), "routes[0].step_up.acr", "at most 16"),
        (
            "/routes/0/step_up",
            json!({ "max_age_seconds": 0 }),
            "routes[0].step_up.max_age_seconds",
            "from 1 to 31622400, found 0",
        ),
        ("/routes/0/step_up", json!({ "max_age_seconds": 1 }), "", "accepted"),
        ("/issuers/0/clock_skew_seconds", json!(301), "issuers[0].clock_skew_seconds", "from 0 to 300"),
        ("/issuers/0/max_lifetime_seconds", json!(0), "issuers[0].max_lifetime_seconds", "from 1"),
        ("/issuers/0/keys", json!({ "inline": { "keys": [] } }), "issuers[0].keys.inline", "JWK Set"),
        (
            "/issuers/0/keys",
            json!({ "remote": { "cluster": "", "uri": "https://a/b" } }),
            "issuers[0].keys.remote.cluster",
            "cluster",
        ),
        (
            "/issuers/0/keys",
            json!({ "remote": { "cluster": "c", "uri": "file:///etc/passwd" } }),
            "issuers[0].keys.remote.uri",
            "expected `https://host/path`",
        ),
        ("/issuers/0/principal/type", json!("Nobody"), "issuers[0].principal.type", "schema"),
        ("/issuers/0/principal/id", json!("/~"), "issuers[0].principal.id", "JSON Pointer"),
        (
            "/issuers/0/principal/attributes",
            json!({ "tenant": { "header": "x-tenant" } }),
            "issuers[0].principal.attributes.tenant",
            "what its token says",
        ),
        (
            "/issuers/0/principal/attributes",
            json!({ "tenant": { "claim": "tenant" }, "shoe": { "claim": "shoe" } }),
            "issuers[0].principal.attributes.shoe",
            "schema",
        ),
        ("/issuers/0/principal/attributes", json!({}), "issuers[0].principal.attributes", "`tenant`"),
        (
            "/issuers/0/principal/attributes",
            json!({ "tenant": { "value": 5 } }),
            "issuers[0].principal.attributes.tenant",
            "type `String`",
        ),
    ])
}

#[test]
fn inline_keys_that_cannot_be_used_are_refused() -> Result<()> {
    let (path, message) = error(|config| {
        let keys = config["issuers"][0]["keys"]["inline"]["keys"].as_array_mut().expect("keys");
        keys.push(json!({ "kty": "oct", "k": "AAAA" }));
    })?;
    assert_eq!(path, "issuers[0].keys.inline.keys");
    assert!(message.contains("expected only keys that can be used"), "{message}");
    Ok(())
}

#[test]
fn an_issuer_stands_once() -> Result<()> {
    let (path, message) = error(|config| {
        let again = config["issuers"][0].clone();
        config["issuers"].as_array_mut().expect("issuers").push(again);
    })?;
    assert_eq!(path, "issuers[1].issuer");
    assert!(message.contains("expected each issuer once"), "{message}");
    Ok(())
}

#[test]
fn routes_are_checked() -> Result<()> {
    check(vec![
        ("/routes/1/name", json!("read"), "routes[1].name", "name of its own"),
        ("/routes/0/path", json!("tenants"), "routes[0].path", ""),
        ("/routes/0/methods", json!([]), "routes[0].methods", "at least one method"),
        ("/routes/0/methods", json!(["get"]), "routes[0].methods", "in capitals"),
        ("/routes/1/methods", json!(["GET"]), "routes[1]", "route `read`"),
        ("/routes/0/action", json!("Fly"), "routes[0].action", "found `Fly`"),
        ("/routes/0/action", json!("Sync"), "routes[0].action", "`Workload`"),
        ("/routes/2/action", json!("Read"), "routes[2].action", "`User`"),
        ("/routes/2/workload", json!("optional"), "routes[2].workload", "expected `required`"),
        ("/routes/0/resource/type", json!("User"), "routes[0].resource.type", "`Account`"),
        ("/routes/0/resource/id", json!("{nobody}"), "routes[0].resource.id", "found `nobody`"),
        (
            "/routes/0/resource/id",
            json!("{tenant}-{account}"),
            "routes[0].resource.id",
            "expected `/` between",
        ),
        ("/routes/0/resource/id", json!("{tenant"), "routes[0].resource.id", "expected `}`"),
        ("/routes/0/resource/id", json!(""), "routes[0].resource.id", "found an empty text"),
        ("/routes/0/resource/attributes", json!({}), "routes[0].resource.attributes", "`tenant`"),
        (
            "/routes/0/resource/attributes",
            json!({ "tenant": { "path": "nobody" } }),
            "routes[0].resource.attributes.tenant",
            "found `nobody`",
        ),
        ("/routes/0/context", json!({ "shoe": { "value": 1 } }), "routes[0].context.shoe", "schema"),
        (
            "/routes/0/context",
            json!({ "purpose": { "header": "Authorization" } }),
            "routes[0].context.purpose",
            "not `authorization`",
        ),
        (
            "/routes/0/context",
            json!({ "purpose": { "request": "time" } }),
            "routes[0].context.purpose",
            "`Long`",
        ),
        ("/routes/0/context", json!({ "time": { "request": "host" } }), "routes[0].context.time", "`String`"),
        (
            "/routes/2/resource/attributes",
            json!({ "tenant": { "claim": "tenant" } }),
            "routes[2].resource.attributes.tenant",
            "no `claim`",
        ),
        ("/routes/3/action", json!("Read"), "routes[3].profile", "public route"),
        ("/routes/3/workload", json!("required"), "routes[3].profile", "public route"),
        ("/routes/3/principal", json!("workload"), "routes[3].profile", "public route"),
        (
            "/routes/0/context/purpose",
            json!({ "header": "x-countersign-principal" }),
            "routes[0].context.purpose",
            "`forward.prefix`",
        ),
        ("/context", json!({}), "routes[0].context", "`host`"),
    ])
}

#[test]
fn the_rest_is_checked() -> Result<()> {
    check(vec![
        ("/workload/trust_domains", json!(["Bank.Example"]), "workload.trust_domains[0]", "trust domain"),
        ("/policy", json!({}), "policy.image", "countersign compile"),
        ("/policy", json!({ "pack": "p" }), "policy.image", "only `pack`"),
        ("/policy/image", json!("%%%"), "policy.image", "base64"),
        ("/policy/image", json!("AAAA"), "policy.image", "policy image"),
        ("/forward/prefix", json!("X-Id-"), "forward.prefix", "lower-case"),
        ("/forward/prefix", json!("x-id"), "forward.prefix", "at the end"),
        ("/refusal", json!({ "realm": "a\"b" }), "refusal.realm", "without quotes"),
        ("/limits", json!({ "token_bytes": 1 }), "limits.token_bytes", "from 64"),
        ("/limits", json!({ "path_bytes": 99_999_999 }), "limits.path_bytes", "to 65536"),
        ("/token_cache", json!({ "entries": 99_999_999 }), "token_cache.entries", "from 0"),
        ("/token_cache", json!({ "bytes": 4_294_967_295_u32 }), "token_cache.bytes", "from 0"),
        ("/limits", json!({ "pending_bytes": 1 }), "limits.pending_bytes", "from 1024"),
        ("/workload/trust_domains", json!([]), "workload.trust_domains", "route `read`"),
        ("/context/purpos", json!({ "header": "x-purpose" }), "context.purpos", "schema declares"),
        ("/forward/attributes", json!(["tennant"]), "forward.attributes[0]", "`tennant`"),
        ("/forward/attributes", json!(["tenant", "tenant"]), "forward.attributes[1]", "again"),
        ("/forward/remove", json!(["X-Original-URL"]), "forward.remove[0]", "lower case"),
    ])
}

#[test]
fn forwarding_proxies_are_checked() -> Result<()> {
    let peers = |peers: Value| json!({ "peers": peers });
    let many: Vec<String> = (0..65).map(|number| format!("spiffe://bank.example/{number}")).collect();
    check(vec![
        ("/workload/forwarded", json!({}), "workload.forwarded.peers", "missing"),
        ("/workload/forwarded", peers(json!([])), "workload.forwarded.peers", "from 1 to 64"),
        ("/workload/forwarded", peers(json!(many)), "workload.forwarded.peers", "found 65"),
        ("/workload/forwarded", peers(json!(["*"])), "workload.forwarded.peers[0]", "found `*`"),
        (
            "/workload/forwarded",
            peers(json!(["spiffe://bank.example"])),
            "workload.forwarded.peers[0]",
            "SPIFFE ID of a workload",
        ),
        (
            "/workload/forwarded",
            peers(json!(["spiffe://bank.example/a", "spiffe://other.example/a"])),
            "workload.forwarded.peers[1]",
            "`workload.trust_domains`",
        ),
        (
            "/workload/forwarded",
            peers(json!(["spiffe://bank.example/a", "spiffe://bank.example/a"])),
            "workload.forwarded.peers[1]",
            "again",
        ),
        (
            "/routes/0/context",
            json!({ "purpose": { "header": "x-forwarded-client-cert" } }),
            "routes[0].context.purpose",
            "the gateway keeps",
        ),
    ])
}

fn api_key() -> Value {
    json!({
        "id": "k", "sha256": "0a".repeat(32), "workload": "spiffe://bank.example/batch",
        "principal": { "id": "k", "attributes": { "tenant": "acme" } },
    })
}

#[test]
fn api_keys_are_checked() -> Result<()> {
    let keys = |change: Value| {
        let mut key = api_key();
        for (pointer, value) in change.as_object().expect("changes") {
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            key.pointer_mut(parent).expect("the parent")[name] = value.clone();
        }
        json!({ "keys": [key] })
    };
    assert_eq!(error(|config| config["api_keys"] = keys(json!({})))?.1, "accepted");
    let cases: [(Value, &str, &str); 20] = [
        (json!({ "/key": "x" }), "key", "unknown"),
        (json!({ "/id": "" }), "id", "name of at most 128"),
        (json!({ "/id": "a\nb" }), "id", "name of at most 128"),
        (json!({ "/id": "a".repeat(129) }), "id", "name of at most 128"),
        (json!({ "/sha256": "" }), "sha256", "64 hexadecimal digits"),
        (json!({ "/sha256": "0g".repeat(32) }), "sha256", "never the key itself"),
        (json!({ "/workload": "batch" }), "workload", "SPIFFE ID of a workload"),
        (json!({ "/workload": "spiffe://bank.example" }), "workload", "SPIFFE ID of a workload"),
        (json!({ "/workload": "spiffe://other.example/a" }), "workload", "`workload.trust_domains`"),
        (json!({ "/not_after": "2027-01-01" }), "not_after", "found `2027-01-01`"),
        (json!({ "/not_after": "2027-02-30T00:00:00Z" }), "not_after", "time in UTC"),
        (json!({ "/not_after": "2027-01-01T00:00:00+0100" }), "not_after", "time in UTC"),
        (json!({ "/principal/type": "Robot" }), "principal.type", "found `Robot`"),
        (json!({ "/principal/id": "" }), "principal.id", "empty"),
        (
            json!({ "/principal/role_type": "Rule", "/principal/roles": ["a"] }),
            "principal.role_type",
            "`Rule`",
        ),
        (json!({ "/principal/roles": [""] }), "principal.roles", "none of them empty"),
        (json!({ "/principal/attributes": {} }), "principal.attributes", "`tenant`"),
        (json!({ "/principal/attributes/tenant": 5 }), "principal.attributes.tenant", "`String`"),
        (json!({ "/principal/attributes/shoe": 5 }), "principal.attributes.shoe", "schema declares"),
        (json!({ "/principal/attributes/level": "5" }), "principal.attributes.level", "`Long`"),
    ];
    for (change, path, words) in cases {
        let (found, message) = error(|config| config["api_keys"] = keys(change.clone()))?;
        assert_eq!(found, format!("api_keys.keys[0].{path}"), "{change}: {message}");
        assert!(message.contains(words), "{change}: `{message}` lacks `{words}`");
    }
    Ok(())
}

#[test]
fn what_is_no_hash_is_not_repeated_in_the_error() -> Result<()> {
    let (path, message) = error(|config| {
        let mut key = api_key();
        key["sha256"] = "csk_the-key-itself-by-mistake".into();
        config["api_keys"] = json!({ "keys": [key] });
    })?;
    assert_eq!(path, "api_keys.keys[0].sha256");
    assert!(!message.contains("csk_"), "{message}");
    Ok(())
}

#[test]
fn api_keys_are_checked_together() -> Result<()> {
    let named = |id: &str, byte: &str| {
        let mut key = api_key();
        (key["id"], key["sha256"]) = (id.into(), byte.repeat(32).into());
        key
    };
    let keys = |keys: Value| json!({ "keys": keys });
    let many: Vec<Value> = (0..1_025).map(|number| named(&format!("k{number}"), "0a")).collect();
    let most: Vec<Value> = (0..1_024)
        .map(|number| {
            let mut key = named(&format!("k{number}"), "0a");
            key["sha256"] = format!("{number:064x}").into();
            key
        })
        .collect();
    assert_eq!(error(|config| config["api_keys"] = keys(json!(most)))?.1, "accepted");
    let header = |name: &str| json!({ "header": name, "keys": [api_key()] });
    check(vec![
        ("/api_keys", keys(json!([named("a", "0a"), named("a", "0b")])), "api_keys.keys[1].id", "again"),
        ("/api_keys", keys(json!([named("a", "0a"), named("b", "0A")])), "api_keys.keys[1].sha256", "`a`"),
        ("/api_keys", keys(json!(many)), "api_keys.keys", "at most 1024 keys"),
        ("/api_keys", header("X-Api-Key"), "api_keys.header", "found `X-Api-Key`"),
        ("/api_keys", header("authorization"), "api_keys.header", "header of its own"),
        ("/api_keys", header("x-forwarded-client-cert"), "api_keys.header", "header of its own"),
        ("/api_keys", header("x_forwarded_client_cert"), "api_keys.header", "header of its own"),
        ("/api_keys", header("x_countersign_key"), "api_keys.header", "header of its own"),
        ("/api_keys", header("dpop"), "api_keys.header", "header of its own"),
        ("/api_keys", header("x-countersign-key"), "api_keys.header", "header of its own"),
        ("/routes/0/credentials", json!([]), "routes[0].credentials", "at least one"),
        ("/routes/0/credentials", json!(["token", "token"]), "routes[0].credentials", "once"),
        ("/routes/0/credentials", json!(["password"]), "routes[0].credentials[0]", "password"),
        ("/routes/0/credentials", json!(["token", "api_key"]), "routes[0].credentials", "`api_keys`"),
        ("/routes/2/credentials", json!(["token"]), "routes[2].credentials", "decided by workload"),
        ("/routes/3/credentials", json!(["token"]), "routes[3].profile", "public route"),
    ])?;
    let with_keys = |change: fn(&mut Value)| {
        error(|config| {
            config["api_keys"] = keys(json!([api_key()]));
            config["routes"][0]["credentials"] = json!(["api_key"]);
            change(config);
        })
    };
    assert_eq!(with_keys(|_| {})?.1, "accepted");
    // Where no token comes there is no claim.
    let (path, message) =
        with_keys(|config| config["routes"][0]["context"]["amount"] = json!({ "claim": "amount" }))?;
    assert_eq!(path, "routes[0].context.amount");
    assert!(message.contains("no `claim`"), "{message}");
    // A key is bound to a workload alone, and tells of no login.
    for (field, value) in [("binding", json!(["dpop"])), ("step_up", json!({ "max_age_seconds": 60 }))] {
        let (path, message) = error(|config| {
            config["api_keys"] = keys(json!([api_key()]));
            config["routes"][0]["credentials"] = json!(["token", "api_key"]);
            config["routes"][0][field] = value;
        })?;
        assert_eq!(path, "routes[0].credentials", "{field}: {message}");
        assert!(message.contains("`step_up`"), "{message}");
    }
    // A header that the gateway keeps is no attribute.
    let (path, message) =
        with_keys(|config| config["routes"][0]["context"]["purpose"] = json!({ "header": "x-api-key" }))?;
    assert_eq!(path, "routes[0].context.purpose");
    assert!(message.contains("the gateway keeps"), "{message}");
    let (path, message) =
        with_keys(|config| config["routes"][0]["context"]["purpose"] = json!({ "header": "x_api_key" }))?;
    assert_eq!(path, "routes[0].context.purpose");
    assert!(message.contains("the gateway keeps"), "{message}");
    // A key that no route's action is for.
    let (path, message) = with_keys(|config| {
        config["api_keys"]["keys"][0]["principal"] = json!({ "type": "Workload", "id": "w" });
    })?;
    assert_eq!(path, "routes[0].credentials");
    assert!(message.contains("`User`"), "{message}");
    // A proxy calls for others.
    let (path, message) = with_keys(|config| {
        config["workload"]["forwarded"] = json!({ "peers": ["spiffe://bank.example/batch"] });
    })?;
    assert_eq!(path, "api_keys.keys[0].workload");
    assert!(message.contains("`workload.forwarded.peers`"), "{message}");
    Ok(())
}

#[test]
fn encoded_slashes_and_joined_ids_exclude_each_other() -> Result<()> {
    let (path, message) = error(|config| config["paths"] = json!({ "allow_encoded_slash": true }))?;
    assert_eq!(path, "routes[0].resource.id");
    assert!(message.contains("allow_encoded_slash"), "{message}");
    Ok(())
}

#[test]
fn documents_that_are_no_configuration_are_refused_and_never_panic() {
    for text in
        ["", "{", "[]", "null", "{}", "{\"version\":1}", "{\"version\":1,\"version\":1}", "\u{feff}{}"]
    {
        assert!(Settings::load(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Settings::load(&[0xff; 64]).is_err());
}
