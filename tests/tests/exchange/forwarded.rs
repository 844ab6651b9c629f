//! Callers behind proxies: whose word in `x-forwarded-client-cert` counts, and what it may say.

use anyhow::{Context as _, Result};
use countersign_tests::mint;
use countersign_tests::world::{Ask, World};
use serde_json::{Value, json};

const EDGE: &str = "spiffe://bank.example/edge-proxy";
const INNER: &str = "spiffe://bank.example/inner-proxy";
const CALLER: &str = "spiffe://bank.example/orchestrator";
const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

fn world() -> Result<World> {
    World::configured(|config| {
        config["workload"]["forwarded"] = json!({ "peers": [EDGE, INNER] });
    })
}

/// Only the orchestrator may.
fn sync() -> Ask {
    Ask::new("PUT", "/accounts/a1/sync")
}

fn through(peer: &str, header: impl Into<Vec<u8>>) -> Ask {
    sync().from_peer(Some(peer.as_bytes())).header("x-forwarded-client-cert", header)
}

fn element(uri: &str) -> String {
    format!("By={EDGE};Hash={HASH};Subject=\"CN=a, O=\\\"b\\\"\";URI={uri}")
}

#[test]
fn a_listed_proxy_speaks_for_its_client() -> Result<()> {
    let mut world = world()?;
    for header in [
        element(CALLER),
        format!("{},{}", element(CALLER), element(EDGE)),
        format!("{}, {},{}", element(CALLER), element(EDGE), element(INNER)),
        format!("{},{}", element("spiffe://bank.example/forged"), element(CALLER)),
        format!("uri={CALLER}"),
    ] {
        let answer = world.ask(&through(INNER, header.clone()));
        assert_eq!(answer.verdict(), "allow", "{header}");
        assert_eq!(answer.added("x-countersign-workload"), Some(CALLER));
        let audit = answer.audit.context("an audit line")?;
        assert_eq!(audit["workload"], CALLER);
        assert_eq!(audit["principal"], format!("Workload::\"{CALLER}\""));
        assert_eq!(audit["peer"], INNER);
        assert_eq!(audit["forwarded"], true);
    }
    // The same workload without a proxy.
    let direct = world.ask(&sync().from_peer(Some(CALLER.as_bytes()))).audit.context("an audit line")?;
    assert_eq!((&direct["peer"], &direct["forwarded"]), (&Value::Null, &Value::Null));
    Ok(())
}

#[test]
fn nobody_else_is_believed() -> Result<()> {
    let mut world = world()?;
    for peer in [
        "spiffe://bank.example/stranger",
        "spiffe://bank.example/edge-proxy2",
        "spiffe://bank.example/edge",
        "spiffe://bank.example/x/edge-proxy",
    ] {
        assert_eq!(world.verdict(&through(peer, element(CALLER))), "policy.not_permitted", "{peer}");
    }
    assert_eq!(
        world.verdict(&through("spiffe://evil.example/edge-proxy", element(CALLER))),
        "transport.workload.untrusted"
    );
    assert_eq!(world.verdict(&through("edge-proxy", element(CALLER))), "transport.workload.invalid");
    let nobody = sync().from_peer(None).header("x-forwarded-client-cert", element(CALLER));
    assert_eq!(world.verdict(&nobody), "transport.workload.missing");
    // Where no proxy is listed, none is believed.
    assert_eq!(World::new()?.verdict(&through(EDGE, element(CALLER))), "policy.not_permitted");
    Ok(())
}

#[test]
fn what_others_say_is_not_looked_at_and_goes_no_further() -> Result<()> {
    let mut world = world()?;
    let token = world.token()?;
    for name in ["x-forwarded-client-cert", "X-Forwarded-Client-Cert", "x_forwarded_client_cert"] {
        for ask in [Ask::read().bearer(&token), Ask::new("GET", "/healthz")] {
            // Not even whether it is well formed, or stands there twice.
            let ask = ask.header(name, "URI=\"").header(name, element("spiffe://bank.example/admin"));
            let answer = world.ask(&ask);
            assert_eq!(answer.verdict(), "allow", "{name}");
            let removed = answer.edits.context("an allowed request")?.remove;
            assert!(removed.iter().any(|removed| **removed == *name.as_bytes()), "{name} goes on");
        }
    }
    // Nor does what a listed proxy says.
    let removed = world.ask(&through(EDGE, element(CALLER))).edits.context("an allowed request")?.remove;
    assert!(removed.iter().any(|removed| **removed == *b"x-forwarded-client-cert"));
    Ok(())
}

#[test]
fn a_listed_proxy_is_never_the_caller_itself() -> Result<()> {
    let mut world = World::configured(|config| {
        config["workload"]["forwarded"] = json!({ "peers": [EDGE, INNER, CALLER] });
    })?;
    assert_eq!(world.verdict(&sync().from_peer(Some(CALLER.as_bytes()))), "transport.forwarded.missing");
    for header in [element(CALLER), element(EDGE), format!("{},{}", element(EDGE), element(INNER))] {
        assert_eq!(world.verdict(&through(EDGE, header.clone())), "transport.forwarded.missing", "{header}");
    }
    Ok(())
}

#[test]
fn a_forwarded_caller_is_held_against_the_same_rules() -> Result<()> {
    let mut world = world()?;
    for (header, expected) in [
        (element("spiffe://bank.example/stranger"), "policy.not_permitted"),
        (element("spiffe://evil.example/orchestrator"), "transport.workload.untrusted"),
        (element("spiffe://bank.example"), "transport.workload.invalid"),
        (element("spiffe://bank.example/a/../orchestrator"), "transport.workload.invalid"),
        (element("spiffe://Bank.example/orchestrator"), "transport.workload.invalid"),
        (element("https://bank.example/orchestrator"), "transport.workload.invalid"),
        (element(&format!("{CALLER};URI={CALLER}")), "transport.workload.invalid"),
        (element(&format!("{CALLER};URI=https://bank.example")), "transport.workload.invalid"),
        (element(&format!("{EDGE};URI={CALLER}")), "transport.workload.invalid"),
        (format!("By={EDGE};Hash={HASH};DNS=orchestrator"), "transport.workload.invalid"),
        (format!("{},By={EDGE};Hash={HASH};URI=", element(CALLER)), "transport.workload.invalid"),
        (format!("Hash={HASH}0;URI={CALLER}"), "transport.forwarded.invalid"),
        (format!("Hash={HASH};Hash={HASH};URI={CALLER}"), "transport.forwarded.invalid"),
        (format!("Name=a;URI={CALLER}"), "transport.forwarded.invalid"),
        (format!("{},", element(CALLER)), "transport.forwarded.invalid"),
        (format!("URI=\"{CALLER}"), "transport.forwarded.invalid"),
        (String::new(), "transport.forwarded.invalid"),
        (vec![element(CALLER); 17].join(","), "transport.forwarded.invalid"),
    ] {
        assert_eq!(world.verdict(&through(EDGE, header.clone())), expected, "{header}");
    }
    assert_eq!(world.verdict(&through(EDGE, b"URI=\xff".to_vec())), "transport.workload.invalid");
    Ok(())
}

/// RFC 8705 §3, with the certificate that the proxy has seen and not its own.
#[test]
fn a_certificate_bound_token_is_bound_to_the_callers_certificate() -> Result<()> {
    let mut world = world()?;
    let of = |byte: u8| base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, [byte; 32]);
    let token = |world: &World, byte: u8| {
        world.key.sign(&mint::with(&world.claims(), json!({ "cnf": { "x5t#S256": of(byte) } })))
    };
    let read = |token: &str| {
        Ask::read().bearer(token).from_peer(Some(EDGE.as_bytes())).with_certificate(&"ee".repeat(32))
    };
    let header = |hash: &str| format!("Hash={hash};URI={CALLER}");
    let own = token(&world, 0xab)?;
    for (header, expected) in [
        (header(&"ab".repeat(32)), "allow"),
        (header(&"AB".repeat(32)), "allow"),
        (header(&"cd".repeat(32)), "binding.certificate.mismatch"),
        (format!("URI={CALLER}"), "binding.certificate.missing"),
        (format!("URI={CALLER},Hash={};URI={EDGE}", "ab".repeat(32)), "binding.certificate.missing"),
        (format!("Hash={};URI=a,URI={CALLER}", "ab".repeat(32)), "binding.certificate.missing"),
    ] {
        let ask = read(&own).header("x-forwarded-client-cert", header.clone());
        assert_eq!(world.verdict(&ask), expected, "{header}");
    }
    // A token that is bound to the proxy's certificate is not the caller's.
    let proxys = token(&world, 0xee)?;
    let ask = read(&proxys).header("x-forwarded-client-cert", header(&"ab".repeat(32)));
    assert_eq!(world.verdict(&ask), "binding.certificate.mismatch");
    Ok(())
}

#[test]
fn two_headers_have_two_readings() -> Result<()> {
    let mut world = world()?;
    let one = through(EDGE, element(CALLER));
    assert_eq!(world.verdict(&one), "allow");
    for name in ["x-forwarded-client-cert", "X-Forwarded-Client-Cert", "x_forwarded_client_cert"] {
        let two = one.clone().header(name, element("spiffe://bank.example/stranger"));
        assert_eq!(world.verdict(&two), "request.header.duplicate", "{name}");
    }
    let disguised =
        sync().from_peer(Some(EDGE.as_bytes())).header("x_forwarded_client_cert", element(CALLER));
    assert_eq!(world.verdict(&disguised), "request.header.duplicate");
    Ok(())
}

#[test]
fn where_a_workload_is_optional_a_proxy_without_a_client_is_nobody() -> Result<()> {
    let mut world = World::configured(|config| {
        config["workload"]["forwarded"] = json!({ "peers": [EDGE] });
        config["routes"][0]["workload"] = "optional".into();
    })?;
    let token = world.token()?;
    let read = || Ask::read().bearer(&token).from_peer(Some(EDGE.as_bytes()));
    for ask in [read(), read().header("x-forwarded-client-cert", element(EDGE))] {
        let answer = world.ask(&ask);
        assert_eq!(answer.verdict(), "allow");
        assert_eq!(answer.added("x-countersign-workload"), None);
        let audit = answer.audit.context("an audit line")?;
        assert_eq!((&audit["workload"], &audit["peer"]), (&Value::Null, &json!(EDGE)));
    }
    // A client that is named must be good all the same.
    let foreign = read().header("x-forwarded-client-cert", element("spiffe://evil.example/a"));
    assert_eq!(world.verdict(&foreign), "transport.workload.untrusted");
    assert_eq!(
        world.verdict(&read().header("x-forwarded-client-cert", "URI")),
        "transport.forwarded.invalid"
    );
    Ok(())
}
