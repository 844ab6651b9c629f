//! Tokens that their issuer is asked about (RFC 7662).

use anyhow::{Context as _, Result};
use countersign_core::exchange::{Event, Exchange, Flow};
use countersign_core::gateway::{Call, CallAnswer};
use countersign_core::metrics::Counter;
use countersign_core::reason::Reason;
use countersign_tests::mint;
use countersign_tests::world::{Answer, Ask, START, World};
use serde_json::{Value, json};

mod live;
mod shared;

/// A world whose issuer is asked about opaque tokens, on all routes.
fn world() -> Result<World> {
    configured(|_| {})
}

fn configured(change: impl FnOnce(&mut Value)) -> Result<World> {
    World::configured(|config| {
        config["issuers"][0]["introspection"] = json!({
            "cluster": "issuer", "uri": "https://issuer.bank.example/introspect", "client_id": "the gateway",
        });
        for route in config["routes"].as_array_mut().into_iter().flatten() {
            if route["profile"] != "public" && route["principal"] != "workload" {
                route["credentials"] = json!(["token", "opaque_token"]);
            }
        }
        change(config);
    })
}

/// What the issuer says of the world's good token, were it opaque.
fn active(world: &World) -> Value {
    mint::with(&world.claims(), json!({ "active": true, "token_type": "Bearer" }))
}

fn answer(status: u16, content_type: &str, body: &str) -> CallAnswer {
    let headers = vec![(Box::from(*b"content-type"), content_type.as_bytes().into())];
    CallAnswer { status, headers, body: body.into() }
}

fn said(body: &Value) -> Option<CallAnswer> {
    Some(answer(200, "application/json", &body.to_string()))
}

/// Sends a token that has to be asked about; the exchange and the call.
fn held(world: &mut World, token: &str) -> Result<(Exchange, Call)> {
    let (exchange, answer) = world.begin(&Ask::read().bearer(token));
    assert_eq!(answer.flow, Flow::Hold);
    Ok((exchange, world.fetch().context("expected a question")?))
}

/// Sends a token, and answers the question about it so.
fn asked(world: &mut World, token: &str, answer: Option<CallAnswer>) -> Result<Answer> {
    let (mut exchange, call) = held(world, token)?;
    assert_eq!(world.answer(&call, answer).len(), 1);
    Ok(world.event(&mut exchange, Event::Settled))
}

fn verdict(world: &mut World, token: &str, body: &Value) -> Result<String> {
    Ok(asked(world, token, said(body))?.verdict().to_owned())
}

#[test]
fn the_issuer_is_asked_once_and_its_word_serves_for_a_while() -> Result<()> {
    let mut world = world()?;
    let good = active(&world);
    let (mut exchange, call) = held(&mut world, "2YotnFZFEjr1zCsicMWpAA")?;
    assert_eq!(&*call.to.cluster, "issuer");
    assert_eq!(
        call.headers(),
        [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "issuer.bank.example"),
            (":path", "/introspect"),
            ("accept", "application/json"),
            ("content-type", "application/x-www-form-urlencoded"),
        ]
    );
    assert_eq!(
        call.body(),
        b"token=2YotnFZFEjr1zCsicMWpAA&token_type_hint=access_token&client_id=the+gateway"
    );
    assert!(!format!("{call:?}").contains("2YotnFZFEjr1zCsicMWpAA"), "no credential where people read");
    world.answer(&call, said(&good));
    let allowed = world.event(&mut exchange, Event::Settled);
    assert_eq!(allowed.verdict(), "allow");
    let audit = allowed.audit.context("expected an audit line")?;
    assert_eq!((&audit["token_introspected"], &audit["token_cached"]), (&json!(true), &json!(false)));
    assert!(!audit.to_string().contains("2YotnFZFEjr1zCsicMWpAA"));

    let again = Ask::read().bearer("2YotnFZFEjr1zCsicMWpAA");
    world.advance(29);
    assert_eq!(world.verdict(&again), "allow");
    assert!(world.fetch().is_none());
    world.advance(1);
    let (_, answer) = world.begin(&again);
    assert_eq!(answer.flow, Flow::Hold, "an answer serves 30 seconds");
    Ok(())
}

#[test]
fn answers_are_held_to_what_signed_tokens_are_held_to() -> Result<()> {
    let cases = [
        (json!({ "active": false }), "token.inactive"),
        (json!({ "active": false, "sub": 7 }), "token.inactive"),
        (json!({ "aud": "https://other.example" }), "token.audience"),
        (json!({ "aud": null }), "token.audience"),
        (json!({ "iss": "https://other.example" }), "token.issuer.unknown"),
        (json!({ "iss": null }), "allow"),
        (json!({ "exp": START - 31 }), "token.expired"),
        (json!({ "exp": null }), "allow"),
        (json!({ "exp": null, "iat": START - 3_631 }), "token.expired"),
        (json!({ "exp": "soon" }), "token.claims"),
        (json!({ "exp": START + 4_000, "iat": START }), "token.lifetime"),
        (json!({ "nbf": START + 31 }), "token.not_yet_valid"),
        (json!({ "iat": START + 31 }), "token.issued_in_future"),
        (json!({ "token_type": null }), "token.type"),
        (json!({ "token_type": "refresh_token" }), "token.type"),
        (json!({ "token_type": ["Bearer"] }), "token.type"),
        (json!({ "token_type": "bearer" }), "allow"),
        (json!({ "cnf": { "jkt": "x" } }), "token.claims"),
        (json!({ "cnf": { "kid": "x" } }), "binding.unsupported"),
        (json!({ "act": { "sub": "agent" } }), "delegation.unsupported"),
        (json!({ "sub": null }), "token.subject.missing"),
        (json!({ "tenant": "other" }), "policy.not_permitted"),
    ];
    for (number, (change, expected)) in cases.iter().enumerate() {
        let mut world = world()?;
        let body = mint::with(&active(&world), change.clone());
        let found = verdict(&mut world, &format!("token{number}"), &body)?;
        assert_eq!(found, *expected, "{change}");
    }
    Ok(())
}

#[test]
fn what_is_no_answer_lets_nobody_in_and_is_not_the_tokens_fault() -> Result<()> {
    let good = active(&world()?).to_string();
    let twice = good.replacen("{", "{\"active\":false,", 1);
    let huge = good.replacen("{", &format!("{{\"x\":\"{}\",", "x".repeat(17_000)), 1);
    let json = "application/json";
    let cases = [
        ("half sent", Some(answer(200, json, &good[..good.len() / 2]))),
        ("empty", Some(answer(200, json, ""))),
        ("an array", Some(answer(200, json, "[]"))),
        (
            "active as a text",
            Some(answer(200, json, &good.replace("\"active\":true", "\"active\":\"true\""))),
        ),
        ("active as a number", Some(answer(200, json, &good.replace("\"active\":true", "\"active\":1")))),
        ("active nowhere", Some(answer(200, json, &good.replace("\"active\":true", "\"x\":true")))),
        ("active twice", Some(answer(200, json, &twice))),
        ("huge", Some(answer(200, json, &huge))),
        ("a page", Some(answer(200, "text/html", &good))),
        ("of two types", {
            let mut two = answer(200, json, &good);
            two.headers.push((Box::from(*b"content-type"), Box::from(*b"text/html")));
            Some(two)
        }),
        ("of no type", Some(CallAnswer::new(200, good.as_bytes()))),
        ("not found", Some(answer(404, json, &good))),
        ("not let in", Some(answer(401, json, &good))),
        ("too large a question", Some(answer(413, json, &good))),
        ("moved", Some(answer(302, json, &good))),
    ];
    for (name, answer) in cases {
        let mut world = world()?;
        let (mut exchange, call) = held(&mut world, "opaque")?;
        let mut woken = world.answer(&call, answer.clone());
        if woken.is_empty() {
            // It may pass: asked once more, and no more often.
            world.advance(1);
            let again = world.fetch();
            woken = match again {
                Some(again) => world.answer(&again, answer),
                None => world.tick(),
            };
        }
        assert_eq!(woken.len(), 1, "{name}");
        let refused = world.event(&mut exchange, Event::Settled);
        assert_eq!(refused.verdict(), "system.introspection_unavailable", "{name}");
        assert_eq!(refused.reply.as_ref().map(|reply| reply.status), Some(503), "{name}");
        let (_, next) = world.begin(&Ask::read().bearer("opaque"));
        assert_eq!(next.flow, Flow::Hold, "{name}: what was no answer is not kept");
    }
    Ok(())
}

#[test]
fn only_what_is_not_signed_is_asked_about() -> Result<()> {
    let mut world = world()?;
    // One that pretends to be signed is verified as such, whatever the issuer would say.
    let token = world.token()?;
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow");
    let forged = format!("{}x", &token[..token.len() - 4]);
    assert!(world.verdict(&Ask::read().bearer(&forged)).starts_with("token."));
    assert_eq!(world.verdict(&Ask::read().bearer("e30.e30.")), "token.malformed");
    assert!(world.fetch().is_none());
    for bad in ["a b", "a,b", "a=b", "a%20b", "\u{e9}", "a\"b"] {
        assert_eq!(world.verdict(&Ask::read().bearer(bad)), "token.malformed", "{bad}");
    }
    assert_eq!(world.verdict(&Ask::read().bearer(&"a".repeat(9_000))), "token.too_large");
    assert!(world.fetch().is_none());

    let mut signed_only = configured(|config| config["routes"][0]["credentials"] = json!(["token"]))?;
    assert_eq!(signed_only.verdict(&Ask::read().bearer("opaque")), "token.malformed");
    let mut opaque_only = configured(|config| config["routes"][0]["credentials"] = json!(["opaque_token"]))?;
    let token = opaque_only.token()?;
    assert_eq!(opaque_only.verdict(&Ask::read().bearer(&token)), "token.not_accepted");
    assert!(signed_only.fetch().is_none() && opaque_only.fetch().is_none());
    Ok(())
}

#[test]
fn what_one_route_had_asked_about_a_token_says_nothing_where_signed_tokens_alone_are_accepted() -> Result<()>
{
    let mut world = configured(|config| config["routes"][1]["credentials"] = json!(["token"]))?;
    let good = active(&world);
    assert_eq!(verdict(&mut world, "good", &good)?, "allow");
    assert_eq!(verdict(&mut world, "bad", &json!({ "active": false }))?, "token.inactive");
    for token in ["good", "bad"] {
        let pay = Ask::new("POST", "/tenants/acme/accounts/a1").bearer(token);
        assert_eq!(world.verdict(&pay), "token.malformed", "{token}");
    }
    // The control.
    assert_eq!(world.verdict(&Ask::read().bearer("good")), "allow");
    assert_eq!(world.verdict(&Ask::read().bearer("bad")), "token.inactive");
    Ok(())
}

#[test]
fn a_stampede_of_one_token_is_one_question() -> Result<()> {
    let mut world = world()?;
    let (first, call) = held(&mut world, "opaque")?;
    let mut exchanges = vec![first];
    for _ in 0..50 {
        let (exchange, answer) = world.begin(&Ask::read().bearer("opaque"));
        assert_eq!(answer.flow, Flow::Hold);
        exchanges.push(exchange);
    }
    assert!(world.fetch().is_none());
    let good = active(&world);
    let mut woken = world.answer(&call, said(&good));
    while woken.len() < exchanges.len() {
        let more = world.tick();
        assert!(!more.is_empty());
        woken.extend(more);
    }
    for exchange in &mut exchanges {
        assert_eq!(world.event(exchange, Event::Settled).verdict(), "allow");
    }
    assert_eq!(world.counted.iter().filter(|counted| **counted == Counter::Introspection).count(), 1);
    Ok(())
}

#[test]
fn a_stampede_of_many_tokens_has_a_bound() -> Result<()> {
    let mut world = configured(|config| config["issuers"][0]["introspection"]["calls"] = json!(8))?;
    let mut calls = Vec::new();
    for number in 0..100 {
        let (_, answer) = world.begin(&Ask::read().bearer(&format!("token{number}")));
        // A quarter is for tokens that the issuer has spoken for.
        let expected = if number < 6 { Flow::Hold } else { Flow::Closed };
        assert_eq!(answer.flow, expected, "{number}");
        if number >= 6 {
            assert_eq!(answer.verdict(), "limit.pending");
        }
        calls.extend(world.fetch());
    }
    assert_eq!(calls.len(), 6);
    Ok(())
}

/// A world whose first route relies on old words, and that was told that the token `known` is active, a while ago.
fn degradable(change: impl FnOnce(&mut Value)) -> Result<World> {
    let mut world = configured(|config| {
        config["routes"][0]["profile"] = "degradable".into();
        config["routes"][0]["degrade"] = json!({ "introspection_seconds": 600 });
        change(config);
    })?;
    let good = active(&world);
    assert_eq!(verdict(&mut world, "known", &good)?, "allow");
    world.advance(60);
    Ok(world)
}

#[test]
fn nobody_crowds_out_the_question_about_a_token_that_the_issuer_spoke_for() -> Result<()> {
    for (what, most) in [("calls", 8), ("pending_requests", 8)] {
        let mut world = degradable(|config| match what {
            "calls" => config["issuers"][0]["introspection"]["calls"] = json!(most),
            _ => config["limits"] = json!({ "pending_requests": most }),
        })?;
        for number in 0..100 {
            world.begin(&Ask::read().bearer(&format!("made-up-{number}")));
        }
        let (mut exchange, held) = world.begin(&Ask::read().bearer("known"));
        assert_eq!(held.verdict(), "held", "{what}: it is asked about, and its old word does not serve");
        let mut answered = false;
        while let Some(call) = world.fetch() {
            answered |= call.body().starts_with(b"token=known&");
            world.answer(&call, said(&json!({ "active": false })));
        }
        assert!(answered);
        assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "token.inactive");
    }
    Ok(())
}

#[test]
fn an_issuer_that_is_asked_too_often_is_still_asked_about_tokens_that_it_spoke_for() -> Result<()> {
    let mut world = degradable(|_| {})?;
    let often = || Some(answer(429, "application/json", "{}"));
    for number in 0..5 {
        let refused = asked(&mut world, &format!("made-up-{number}"), often())?;
        assert_eq!(refused.verdict(), "system.introspection_unavailable");
    }
    let unasked = world.verdict(&Ask::read().bearer("made-up"));
    assert_eq!(unasked, "system.introspection_unavailable", "it is left alone");
    assert!(world.fetch().is_none());
    assert_eq!(verdict(&mut world, "known", &json!({ "active": false }))?, "token.inactive");
    // It has answered.
    assert_eq!(verdict(&mut world, "made-up", &json!({ "active": false }))?, "token.inactive");
    Ok(())
}

#[test]
fn nobody_gets_anothers_answer() -> Result<()> {
    let mut world = world()?;
    let (good, bad) = (active(&world), json!({ "active": false }));
    let (mut alice, about_alice) = held(&mut world, "alices")?;
    let (mut mallory, about_mallory) = held(&mut world, "mallorys")?;
    world.answer(&about_mallory, said(&bad));
    world.answer(&about_alice, said(&good));
    // An answer that comes twice, or under the other's name, changes nothing any more.
    world.answer(&about_mallory, said(&good));
    assert_eq!(world.event(&mut mallory, Event::Settled).verdict(), "token.inactive");
    assert_eq!(world.event(&mut alice, Event::Settled).verdict(), "allow");
    assert_eq!(world.verdict(&Ask::read().bearer("mallorys")), "token.inactive");
    assert_eq!(world.verdict(&Ask::read().bearer("alices")), "allow");
    Ok(())
}

#[test]
fn an_answer_serves_no_longer_than_the_token_lives_nor_at_an_earlier_time() -> Result<()> {
    let mut world = configured(|config| config["issuers"][0]["clock_skew_seconds"] = json!(0))?;
    let short = mint::with(&active(&world), json!({ "exp": START + 10 }));
    assert_eq!(verdict(&mut world, "short", &short)?, "allow");
    let ask = Ask::read().bearer("short");
    world.advance(9);
    assert_eq!(world.verdict(&ask), "allow");
    world.advance(1);
    held(&mut world, "short")?;

    // With the clock set back, what was said is not known yet, wherever the answer itself names no time.
    let good = mint::with(&active(&world), json!({ "iat": null, "nbf": null }));
    assert_eq!(verdict(&mut world, "other", &good)?, "allow");
    world.advance(-5);
    assert_eq!(world.begin(&Ask::read().bearer("other")).1.flow, Flow::Hold);
    Ok(())
}

#[test]
fn without_a_life_of_their_own_answers_serve_who_waited_and_nobody_else() -> Result<()> {
    let mut world = configured(|config| config["issuers"][0]["introspection"]["active_seconds"] = json!(0))?;
    let good = active(&world);
    for _ in 0..3 {
        assert_eq!(verdict(&mut world, "opaque", &good)?, "allow");
    }
    Ok(())
}

#[test]
fn nobody_is_held_past_the_deadline_and_a_dead_issuer_is_left_alone() -> Result<()> {
    let mut world = world()?;
    let mut exchanges = Vec::new();
    for number in 0..6 {
        exchanges.push(held(&mut world, &format!("token{number}"))?.0);
    }
    world.advance(1);
    assert_eq!(world.tick().len(), 6);
    for exchange in &mut exchanges {
        let refused = world.event(exchange, Event::Settled);
        assert_eq!(refused.verdict(), "system.introspection_unavailable");
    }
    let (_, refused) = world.begin(&Ask::read().bearer("token7"));
    assert_eq!(refused.verdict(), "system.introspection_unavailable", "at once");
    assert!(world.fetch().is_none());
    assert!(world.counted.contains(&Counter::BreakerOpened));

    // Somebody tries it again after a while, and all is well.
    world.advance(2);
    let good = active(&world);
    assert_eq!(verdict(&mut world, "token8", &good)?, "allow");
    assert_eq!(verdict(&mut world, "token9", &good)?, "allow");
    Ok(())
}

#[test]
fn a_client_that_is_gone_is_forgotten_and_the_answer_is_kept() -> Result<()> {
    let mut world = world()?;
    let (mut gone, call) = held(&mut world, "opaque")?;
    world.event(&mut gone, Event::Dropped);
    let good = active(&world);
    assert!(world.answer(&call, said(&good)).is_empty());
    assert_eq!(world.verdict(&Ask::read().bearer("opaque")), "allow");
    Ok(())
}

#[test]
fn bound_tokens_are_bound_whoever_says_so() -> Result<()> {
    let mut world = world()?;
    let bound = mint::with(
        &active(&world),
        json!({ "cnf": { "x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0" } }),
    );
    assert_eq!(verdict(&mut world, "opaque", &bound)?, Reason::BindingCertificateMissing.code());
    Ok(())
}

#[test]
fn configurations_that_make_no_sense_are_refused() -> Result<()> {
    let introspection = json!({ "cluster": "issuer", "uri": "https://issuer.bank.example/introspect" });
    type Change = Box<dyn Fn(&mut Value)>;
    let cases: [(&str, Change); 8] = [
        (
            "issuers[0].introspection.uri",
            Box::new(|config| config["issuers"][0]["introspection"]["uri"] = json!("x")),
        ),
        (
            "issuers[0].introspection.calls",
            Box::new(|config| config["issuers"][0]["introspection"]["calls"] = json!(0)),
        ),
        (
            "issuers[0].introspection.active_seconds",
            Box::new(|config| config["issuers"][0]["introspection"]["active_seconds"] = json!(301)),
        ),
        (
            "issuers[0].introspection.timeout_milliseconds",
            Box::new(|config| config["issuers"][0]["introspection"]["timeout_milliseconds"] = json!(1)),
        ),
        (
            "issuers[0].introspection.client_id",
            Box::new(|config| config["issuers"][0]["introspection"]["client_id"] = json!("")),
        ),
        (
            "issuers[0].introspection",
            Box::new(|config| config["issuers"][0]["profile"] = json!("access_token")),
        ),
        (
            "issuers[1].introspection",
            Box::new(|config| {
                let mut other = config["issuers"][0].clone();
                other["issuer"] = json!("https://other.example");
                config["issuers"].as_array_mut().into_iter().for_each(|all| all.push(other.clone()));
            }),
        ),
        (
            "routes[0].credentials",
            Box::new(|config| {
                config["issuers"][0].as_object_mut().into_iter().for_each(|issuer| {
                    issuer.remove("introspection");
                });
            }),
        ),
    ];
    for (place, change) in cases {
        let fault = configured(|config| {
            config["issuers"][0]["introspection"] = introspection.clone();
            change(config);
        });
        let fault = format!("{:#}", fault.err().context(place)?);
        assert!(fault.contains(place), "{place}: {fault}");
    }
    // Keys are needed, or somebody to ask.
    assert!(configured(|config| config["issuers"][0]["keys"] = json!("none")).is_ok());
    assert!(World::configured(|config| config["issuers"][0]["keys"] = json!("none")).is_err());
    Ok(())
}
