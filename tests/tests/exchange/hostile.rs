//! What hostile clients and faulty hosts try: hosts and headers with two readings, clocks that step back, floods of
//! requests that wait.

use anyhow::{Context as _, Result};
use countersign_core::exchange::{Event, Flow};
use countersign_core::request::{Peer, RequestHead};
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::world::{Ask, START, World};
use serde_json::json;

fn good(world: &World) -> Result<Ask> {
    Ok(Ask::read().bearer(&world.token()?))
}

fn to_host(mut ask: Ask, host: &str) -> Ask {
    for (name, value) in &mut ask.headers {
        if name == b":authority" {
            *value = host.into();
        }
    }
    ask
}

#[test]
fn a_host_that_readers_disagree_on_is_refused() -> Result<()> {
    let mut world = World::new()?;
    for host in ["bank.example", "BANK.example:8443", "10.0.0.1", "[::1]:443"] {
        assert_eq!(world.verdict(&to_host(good(&world)?, host)), "allow", "{host}");
    }
    for host in
        ["bank.example.", "u@bank.example", "bank.example:443:", "bank.example :443", "bank.example,a"]
    {
        assert_eq!(world.verdict(&to_host(good(&world)?, host)), "request.header.invalid", "{host}");
    }
    Ok(())
}

#[test]
fn a_mapped_header_in_disguise_is_no_second_value() -> Result<()> {
    let mut world = World::new()?;
    assert_eq!(world.verdict(&good(&world)?.header("x-purpose", "service")), "allow");
    let both = good(&world)?.header("x-purpose", "service").header("x_purpose", "marketing");
    assert_eq!(world.verdict(&both), "request.header.duplicate");
    assert_eq!(world.verdict(&good(&world)?.header("X_Purpose", "marketing")), "request.header.duplicate");
    Ok(())
}

#[test]
fn a_query_with_two_readings_is_refused() -> Result<()> {
    let mut world = World::new()?;
    let token = world.key.sign(&mint::with(&world.claims(), json!({ "payment": { "amount": 5 } })))?;
    for (query, expected) in [
        ("", "allow"),
        ("?purpose=service&a=1", "allow"),
        ("?purpose=marketing", "policy.forbidden"),
        ("?a=1;purpose=marketing", "request.query.invalid"),
        ("?purpose[]=marketing", "request.query.invalid"),
        ("?purpose%5B0%5D=marketing", "request.query.invalid"),
    ] {
        let ask = Ask::new("POST", &format!("/tenants/acme/accounts/a1{query}")).bearer(&token);
        assert_eq!(world.verdict(&ask), expected, "{query}");
    }
    // A route that maps nothing of the query leaves it to the service.
    let ask = Ask::new("GET", "/tenants/acme/accounts/a1?a=1;b[]=2").bearer(&world.token()?);
    assert_eq!(world.verdict(&ask), "allow");
    Ok(())
}

#[test]
fn a_claim_below_something_that_is_no_object_is_not_absent() -> Result<()> {
    let mut world = World::new()?;
    let token = world.key.sign(&mint::with(&world.claims(), json!({ "payment": "5" })))?;
    let ask = Ask::new("POST", "/tenants/acme/accounts/a1").bearer(&token);
    assert_eq!(world.verdict(&ask), "token.claims");
    Ok(())
}

#[test]
fn a_clock_that_fails_or_steps_back_revives_no_token() -> Result<()> {
    let mut world = World::new()?;
    let ask = good(&world)?;
    assert_eq!(world.verdict(&ask), "allow");
    assert_eq!(world.verdict(&ask), "allow", "from the cache");
    world.advance(3_600);
    assert_eq!(world.verdict(&ask), "token.expired");

    // The cache may still hold it: what is verified anew is refused, and so is this.
    for (before, expected) in [(86_400, "token.issued_in_future"), (START, "system.internal")] {
        let mut world = World::new()?;
        let ask = good(&world)?;
        assert_eq!(world.verdict(&ask), "allow");
        world.advance(-before);
        assert_eq!(world.verdict(&ask), expected);
        assert_eq!(world.verdict(&ask), expected);
    }
    // Without `iat`, the longest lifetime says when it can have been issued at the earliest.
    let mut world = World::new()?;
    let token = world.key.sign(&mint::with(&world.claims(), json!({ "iat": null })))?;
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow");
    world.advance(-3_600);
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "token.lifetime");
    Ok(())
}

#[test]
fn a_second_head_is_refused() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let ask = good(&world)?;
    let headers: [(&[u8], &[u8]); 3] =
        [(b":method", b"GET"), (b":path", b"/healthz"), (b":authority", b"bank.example")];
    let second = RequestHead { headers: &headers, peer: Peer::Anonymous };

    let (mut held, answer) = world.begin(&ask);
    assert_eq!(answer.verdict(), "held");
    assert_eq!(world.event(&mut held, Event::RequestHeaders(second)).verdict(), "system.internal");

    let (mut released, answer) = world.begin(&Ask::new("GET", "/healthz"));
    assert_eq!(answer.verdict(), "allow");
    exchange_is_closed(&mut world, &mut released, second);
    Ok(())
}

fn exchange_is_closed(
    world: &mut World,
    exchange: &mut countersign_core::exchange::Exchange,
    head: RequestHead<'_>,
) {
    let answer = world.event(exchange, Event::RequestHeaders(head));
    assert_eq!(answer.flow, Flow::Closed);
    assert!(answer.reply.is_some_and(|reply| reply.status == 500));
}

#[test]
fn headers_that_replace_method_or_path_stay_here() -> Result<()> {
    let mut world = World::new()?;
    for name in ["x-http-method-override", "X-Original-URL", "x_rewrite_url"] {
        let answer = world.ask(&good(&world)?.header(name, "/admin"));
        assert_eq!(answer.verdict(), "allow");
        let edits = answer.edits.context("an allowed request")?;
        assert!(edits.remove.iter().any(|removed| **removed == *name.as_bytes()), "{name}");
    }
    let mut world = World::configured(|config| config["forward"]["remove"] = json!([]))?;
    let edits =
        world.ask(&good(&world)?.header("x-original-url", "/a")).edits.context("an allowed request")?;
    assert!(!edits.remove.iter().any(|removed| **removed == *b"x-original-url"));
    Ok(())
}

#[test]
fn only_a_verified_token_goes_upstream() -> Result<()> {
    let mut world = World::configured(|config| config["forward"]["authorization"] = true.into())?;
    let removes = |world: &mut World, ask: &Ask| -> Result<bool> {
        let edits = world.ask(ask).edits.context("an allowed request")?;
        Ok(edits.remove.iter().any(|name| **name == *b"authorization"))
    };
    let ask = good(&world)?;
    assert!(!removes(&mut world, &ask)?);
    assert!(removes(&mut world, &Ask::new("GET", "/healthz").bearer("anything"))?);
    assert!(removes(&mut world, &Ask::new("PUT", "/accounts/a1/sync").bearer("anything"))?);
    Ok(())
}

#[test]
fn the_audit_line_is_bounded_and_names_no_stranger_as_a_workload() -> Result<()> {
    let mut world = World::new()?;
    let long = format!("/{}", "a".repeat(70_000));
    let audit = world.ask(&Ask::new("GET", &long)).audit.context("an audit line")?;
    assert_eq!(audit["path"].as_str().map(str::len), Some(2_048));
    assert_eq!(audit["cut"], true);
    assert_eq!(audit["peer"], "spiffe://bank.example/orchestrator");

    let ask = Ask::new("GET", "/healthz").from_peer(Some("spiffe://evil.example/x\u{202e}".as_bytes()));
    let answer = world.ask(&ask);
    assert_eq!(answer.verdict(), "allow");
    let audit = answer.audit.context("an audit line")?;
    assert_eq!(audit["workload"], serde_json::Value::Null);
    assert_eq!(audit["peer"], "spiffe://evil.example/x\u{202e}");
    Ok(())
}

/// Two issuers whose keys are fetched share the room for requests that wait.
fn crowded() -> Result<World> {
    World::configured(|config| {
        let remote = |cluster: &str| json!({ "remote": { "cluster": cluster, "uri": format!("https://{cluster}.example/jwks") } });
        config["issuers"][0]["keys"] = remote("slow");
        let mut other = config["issuers"][0].clone();
        other["issuer"] = "https://other.example".into();
        other["keys"] = remote("other");
        config["issuers"].as_array_mut().expect("issuers").push(other);
        config["limits"] = json!({ "pending_requests": 8, "pending_bytes": 16_384 });
    })
}

#[test]
fn one_issuer_does_not_take_the_others_places() -> Result<()> {
    let mut world = crowded()?;
    let ask = good(&world)?;
    for _ in 0..4 {
        assert_eq!(world.verdict(&ask), "held");
    }
    assert_eq!(world.verdict(&ask), "limit.pending");
    let other = world.key.sign(&mint::with(&world.claims(), json!({ "iss": "https://other.example" })))?;
    assert_eq!(world.verdict(&Ask::read().bearer(&other)), "held");
    Ok(())
}

#[test]
fn what_waits_is_bounded_in_bytes() -> Result<()> {
    let mut world = crowded()?;
    let large = good(&world)?.header("x-large", "a".repeat(7_000));
    assert_eq!(world.verdict(&large), "held");
    assert_eq!(world.verdict(&large), "limit.pending");
    Ok(())
}

#[test]
fn those_that_waited_are_woken_a_few_at_a_time() -> Result<()> {
    let mut world = World::with_remote_keys()?;
    let ask = good(&world)?;
    let mut waiting = Vec::new();
    for _ in 0..70 {
        waiting.push(world.begin(&ask).0);
    }
    let fetch = world.fetch().context("a fetch")?;
    let key: SigningKey = world.key.clone();
    let mut woken = world.publish(&fetch, &[&key]);
    assert_eq!(woken.len(), 32);
    assert_eq!(world.gateway.next_wakeup(world.now()), Some(world.now()), "the rest is due at once");
    woken.extend(world.tick());
    assert_eq!(woken.len(), 64);
    woken.extend(world.tick());
    assert_eq!(woken.len(), 70);
    assert!(world.tick().is_empty());
    for exchange in &mut waiting {
        assert_eq!(world.event(exchange, Event::Settled).verdict(), "allow");
    }
    Ok(())
}

#[test]
fn decision_ids_do_not_count_and_do_not_repeat() -> Result<()> {
    let mut world = World::new()?;
    let mut counters = Vec::new();
    for _ in 0..1_000 {
        let answer = world.ask(&Ask::new("GET", "/healthz"));
        let id = answer.added("x-countersign-decision-id").context("a decision id")?.replace('-', "");
        let low = id.get(16..24).context("32 hex digits")?;
        counters.push(u64::from_str_radix(low, 16)? & 0x3fff_ffff);
    }
    let in_steps = counters.windows(2).filter(|pair| pair[1].abs_diff(pair[0]) == 1).count();
    assert!(in_steps < 10, "{in_steps} of 1,000 follow one another");
    let distinct: std::collections::BTreeSet<u64> = counters.iter().copied().collect();
    assert!(distinct.len() > 990, "{} of 1,000 differ", distinct.len());
    Ok(())
}
