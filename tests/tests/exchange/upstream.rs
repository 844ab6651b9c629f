//! Tokens for those upstream: exchanged ones (RFC 8693) and the gateway's own (RFC 6749 §4.4).

mod meanwhile;
mod shared;

use anyhow::{Context as _, Result};
use countersign_core::exchange::{Event, Exchange, Flow};
use countersign_core::gateway::{Call, CallAnswer};
use countersign_core::metrics::Counter;
use countersign_core::time::Timestamp;
use countersign_tests::mint;
use countersign_tests::proof::{self, Proof};
use countersign_tests::world::{Answer, Ask, START, WORKLOAD, World};
use serde_json::{Value, json};

/// A world that exchanges tokens for `model` on all routes of users.
fn world() -> Result<World> {
    configured(|_| {})
}

fn configured(more: impl FnOnce(&mut Value)) -> Result<World> {
    World::configured(|config| {
        change(config);
        more(config);
    })
}

fn change(config: &mut Value) {
    config["upstream_tokens"] = json!([{
        "name": "model", "grant": "token_exchange", "cluster": "issuer",
        "uri": "https://issuer.bank.example/token", "client_id": "the gateway", "audiences": ["model"],
        "scopes": ["score", "read"], "parameters": { "purpose": "fraud" }, "actor": "workload",
    }]);
    for route in config["routes"].as_array_mut().into_iter().flatten() {
        if route["profile"] != "public" && route["principal"] != "workload" {
            route["upstream_token"] = json!("model");
        }
    }
}

/// A world whose own token goes upstream.
fn own() -> Result<World> {
    configured(|config| {
        config["upstream_tokens"][0] = json!({
            "name": "model", "grant": "client_credentials", "cluster": "issuer", "token": "opaque",
            "uri": "https://issuer.bank.example/token", "audiences": ["model"],
        });
    })
}

fn narrow(world: &World, changes: Value) -> Result<String> {
    let now = world.now().as_secs();
    let claims = json!({
        "sub": "alice", "aud": "model", "iat": now, "exp": now + 200, "scope": "score", "act": { "sub": WORKLOAD },
    });
    world.key.sign(&mint::with(&claims, changes))
}

fn given(token: &str) -> Option<CallAnswer> {
    said(
        200,
        &json!({
            "access_token": token, "token_type": "Bearer", "expires_in": 200,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }),
    )
}

fn said(status: u16, body: &Value) -> Option<CallAnswer> {
    let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/json"))];
    Some(CallAnswer { status, headers, body: body.to_string().into() })
}

fn held(world: &mut World, token: &str) -> Result<(Exchange, Call)> {
    let (exchange, answer) = world.begin(&Ask::read().bearer(token));
    assert_eq!(answer.verdict(), "held");
    Ok((exchange, world.fetch().context("expected a call")?))
}

fn answered(world: &mut World, token: &str, answer: Option<CallAnswer>) -> Result<Answer> {
    let (mut exchange, call) = held(world, token)?;
    assert_eq!(world.answer(&call, answer).len(), 1);
    Ok(world.event(&mut exchange, Event::Settled))
}

#[test]
fn the_clients_token_becomes_a_narrower_one() -> Result<()> {
    let mut world = world()?;
    let (token, narrow) = (world.token()?, narrow(&world, json!({}))?);
    let (mut exchange, call) = held(&mut world, &token)?;
    let body = String::from_utf8(call.body().to_vec())?;
    assert_eq!(
        body,
        format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
             &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &client_id=the+gateway&audience=model&scope=score+read&purpose=fraud&subject_token={token}\
             &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &actor_token=spiffe%3A%2F%2Fbank.example%2Forchestrator\
             &actor_token_type=urn%3Acountersign%3Atoken-type%3Aspiffe-id"
        )
    );
    world.answer(&call, given(&narrow));
    let allowed = world.event(&mut exchange, Event::Settled);
    assert_eq!(allowed.verdict(), "allow");
    assert_eq!(allowed.added("authorization"), Some(&*format!("Bearer {narrow}")));
    let edits = allowed.edits.as_ref().context("expected edits")?;
    assert!(edits.remove.iter().any(|name| **name == *b"authorization"));
    assert!(!format!("{edits:?}").contains(&narrow), "no credential where people read");
    let audit = allowed.audit.context("expected an audit line")?;
    assert_eq!(
        (&audit["upstream_token"], &audit["waited_for"]),
        (&json!("model"), &json!("upstream token model"))
    );
    assert!(!audit.to_string().contains(&narrow));

    // It serves while it lives, and is renewed ahead while nobody waits.
    let again = Ask::read().bearer(&token);
    let from_cache = world.ask(&again);
    assert_eq!(from_cache.added("authorization"), Some(&*format!("Bearer {narrow}")));
    assert!(from_cache.audit.context("expected an audit line")?["waited_for"].is_null());
    world.advance(130);
    assert_eq!(world.verdict(&again), "allow");
    assert!(world.fetch().is_none(), "not before seven tenths of its life");
    world.advance(50);
    assert_eq!(world.verdict(&again), "allow");
    let renewal = world.fetch().context("expected a renewal")?;
    assert_eq!(world.verdict(&again), "allow");
    assert!(world.fetch().is_none(), "one renewal at a time");
    let counted = |counter| world.counted.iter().filter(|counted| **counted == counter).count();
    assert_eq!((counted(Counter::UpstreamTokenHit), counted(Counter::UpstreamTokenMiss)), (4, 1));
    let next = self::narrow(&world, json!({}))?;
    assert!(world.answer(&renewal, given(&next)).is_empty(), "nobody waited");
    assert_eq!(world.ask(&again).added("authorization"), Some(&*format!("Bearer {next}")));
    // No longer than the client's own token lives, and its skew.
    world.advance(129);
    assert_eq!(world.verdict(&again), "allow");
    world.advance(1);
    assert_eq!(world.verdict(&again), "token.expired");
    Ok(())
}

#[test]
fn one_exchange_for_all_who_wait_and_another_for_whom_it_differs() -> Result<()> {
    let mut world = world()?;
    let token = world.token()?;
    let (mut first, call) = held(&mut world, &token)?;
    let (mut second, waits) = world.begin(&Ask::read().bearer(&token));
    assert_eq!(waits.verdict(), "held");
    assert!(world.fetch().is_none(), "the second joins the first");
    assert!(world.counted.contains(&Counter::UpstreamTokenJoined));
    // Another workload is another actor, and another token another subject.
    let stranger = Ask::read().bearer(&token).from_peer(Some(b"spiffe://bank.example/other"));
    let (mut third, _) = world.begin(&stranger);
    let other_call = world.fetch().context("expected a second exchange")?;
    assert!(String::from_utf8_lossy(other_call.body()).contains("bank.example%2Fother"));

    let narrow = narrow(&world, json!({}))?;
    assert_eq!(world.answer(&call, given(&narrow)).len(), 2);
    for exchange in [&mut first, &mut second] {
        assert_eq!(world.event(exchange, Event::Settled).verdict(), "allow");
    }
    // The answer that belongs to the first workload is not taken for the other.
    world.answer(&other_call, given(&narrow));
    assert_eq!(world.event(&mut third, Event::Settled).verdict(), "system.token_service_unavailable");
    assert_eq!(world.verdict(&stranger), "held", "and nothing of it is kept");
    Ok(())
}

#[test]
fn who_may_not_does_not_get_to_the_token_service() -> Result<()> {
    let mut world = world()?;
    let claims = mint::with(&world.claims(), json!({ "tenant": "other" }));
    let token = world.key.sign(&claims)?;
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "policy.not_permitted");
    assert_eq!(world.verdict(&Ask::read().bearer("a.b.c")), "token.malformed");
    assert!(world.fetch().is_none());
    Ok(())
}

#[test]
fn refusals_and_failures_are_told_apart() -> Result<()> {
    let mut world = world()?;
    let token = world.token()?;
    let refused = answered(&mut world, &token, said(400, &json!({ "error": "invalid_grant" })))?;
    assert_eq!(refused.verdict(), "delegation.exchange_refused");
    let at_once = world.ask(&Ask::read().bearer(&token));
    assert_eq!(at_once.verdict(), "delegation.exchange_refused");
    assert!(world.fetch().is_none(), "a refusal serves for a while");
    assert_eq!(at_once.audit.context("expected an audit line")?["upstream_token"], "model");
    world.advance(10);
    for answer in [
        said(400, &json!({ "error": "invalid_client" })),
        said(401, &json!({ "error": "invalid_client" })),
        said(200, &json!({ "access_token": "x" })),
        Some(CallAnswer::new(200, "<html>")),
    ] {
        let mut world = self::world()?;
        let token = world.token()?;
        let refused = answered(&mut world, &token, answer)?;
        assert_eq!(refused.verdict(), "system.token_service_unavailable");
        assert_eq!(refused.reply.context("expected a reply")?.status, 503);
        assert!(world.counted.contains(&Counter::UpstreamTokenFailed));
    }
    // Another subject's token is nobody's.
    let other = narrow(&world, json!({ "sub": "bob" }))?;
    assert_eq!(answered(&mut world, &token, given(&other))?.verdict(), "system.token_service_unavailable");
    assert!(world.warnings.iter().any(|warning| warning.contains("of the subject")), "{:?}", world.warnings);
    Ok(())
}

#[test]
fn a_token_service_that_fails_is_left_alone_and_cached_tokens_serve_on() -> Result<()> {
    let mut world = world()?;
    let token = world.token()?;
    let good = narrow(&world, json!({}))?;
    assert_eq!(answered(&mut world, &token, given(&good))?.verdict(), "allow");
    for number in 0..5 {
        let claims = mint::with(&world.claims(), json!({ "jti": format!("n-{number}") }));
        let fresh = world.key.sign(&claims)?;
        let refused = answered(&mut world, &fresh, said(403, &json!({})))?;
        assert_eq!(refused.verdict(), "system.token_service_unavailable");
    }
    let claims = mint::with(&world.claims(), json!({ "jti": "n-9" }));
    let fresh = world.key.sign(&claims)?;
    let at_once = world.ask(&Ask::read().bearer(&fresh));
    assert_eq!(at_once.verdict(), "system.token_service_unavailable");
    assert!(world.fetch().is_none(), "nobody is asked");
    assert_eq!(at_once.audit.context("expected an audit line")?["upstream_token"], "model");
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow");
    world.advance(2);
    let recovered = narrow(&world, json!({}))?;
    assert_eq!(answered(&mut world, &fresh, given(&recovered))?.verdict(), "allow");
    Ok(())
}

#[test]
fn nobody_can_have_the_token_service_given_up() -> Result<()> {
    // Who the token service takes for another is refused; everybody else goes on.
    let mut world = world()?;
    let other = narrow(&world, json!({ "sub": "bob" }))?;
    for number in 0..8 {
        let claims = mint::with(&world.claims(), json!({ "jti": format!("n-{number}") }));
        let token = world.key.sign(&claims)?;
        assert_eq!(
            answered(&mut world, &token, given(&other))?.verdict(),
            "system.token_service_unavailable"
        );
    }
    let (token, good) = (world.token()?, narrow(&world, json!({}))?);
    assert_eq!(answered(&mut world, &token, given(&good))?.verdict(), "allow");
    Ok(())
}

#[test]
fn nobody_waits_longer_than_the_deadline() -> Result<()> {
    let mut world = world()?;
    let token = world.token()?;
    let (mut exchange, call) = held(&mut world, &token)?;
    world.advance(1);
    assert_eq!(world.tick().len(), 1);
    let refused = world.event(&mut exchange, Event::Settled);
    assert_eq!(refused.verdict(), "system.token_service_unavailable");
    let late = narrow(&world, json!({}))?;
    assert!(world.answer(&call, given(&late)).is_empty());
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "held", "a late answer is not looked at");
    Ok(())
}

#[test]
fn a_client_that_leaves_takes_nothing_along() -> Result<()> {
    let mut world = world()?;
    let token = world.token()?;
    let (mut exchange, call) = held(&mut world, &token)?;
    let gone = world.event(&mut exchange, Event::Dropped);
    assert_eq!(gone.audit.context("expected an audit line")?["reason"], "system.client_gone");
    let narrow = narrow(&world, json!({}))?;
    assert!(world.answer(&call, given(&narrow)).is_empty());
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow", "the answer serves others");
    assert_eq!(world.event(&mut exchange, Event::Settled).flow, Flow::Closed);
    Ok(())
}

#[test]
fn a_credential_that_ends_while_its_exchange_is_waited_for_is_not_used() -> Result<()> {
    let mut world = world()?;
    let claims = mint::with(&world.claims(), json!({ "exp": START + 10 }));
    let token = world.key.sign(&claims)?;
    let narrow = narrow(&world, json!({}))?;
    let (mut exchange, call) = held(&mut world, &token)?;
    world.answer(&call, given(&narrow));
    // The claim's end and the issuer's clock skew.
    world.advance(40);
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "token.expired");
    Ok(())
}

#[test]
fn what_the_token_service_takes_back_is_dropped() -> Result<()> {
    let mut world = world()?;
    let token = world.token()?;
    let good = narrow(&world, json!({}))?;
    assert_eq!(answered(&mut world, &token, given(&good))?.verdict(), "allow");
    world.advance(180);
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "allow");
    let renewal = world.fetch().context("expected a renewal")?;
    world.answer(&renewal, said(400, &json!({ "error": "invalid_grant" })));
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "delegation.exchange_refused");
    Ok(())
}

#[test]
fn a_clock_that_is_set_back_makes_no_token_live_longer() -> Result<()> {
    let mut world = world()?;
    world.tick();
    let token = world.token()?;
    let good = narrow(&world, json!({}))?;
    assert_eq!(answered(&mut world, &token, given(&good))?.verdict(), "allow");
    world.set_now(Timestamp::from_secs(START - 5));
    world.tick();
    assert_eq!(world.verdict(&Ask::read().bearer(&token)), "held");
    Ok(())
}

#[test]
fn a_proof_is_used_once_though_its_request_waits() -> Result<()> {
    // The permit is kept: the pipeline, and with it the proof, is not run a second time.
    let mut world = world()?;
    let holder = mint::SigningKey::new("holder")?;
    let claims = mint::with(&world.claims(), json!({ "cnf": { "jkt": proof::thumbprint(&holder) } }));
    let token = world.key.sign(&claims)?;
    let uri = "https://bank.example/tenants/acme/accounts/a1";
    let ask = Ask::read().dpop(&token, &Proof::new(&holder, "GET", uri, &token, START).sign(&holder)?);
    let (mut exchange, answer) = world.begin(&ask);
    assert_eq!(answer.verdict(), "held", "{:?}", answer.audit);
    let call = world.fetch().context("expected a call")?;
    let narrow = narrow(&world, json!({}))?;
    world.answer(&call, given(&narrow));
    let allowed = world.event(&mut exchange, Event::Settled);
    assert_eq!(allowed.verdict(), "allow");
    assert_eq!(allowed.added("authorization"), Some(&*format!("Bearer {narrow}")));
    assert_eq!(world.verdict(&ask), "binding.dpop.replayed");
    Ok(())
}

#[test]
fn the_gateways_own_token_is_there_before_anyone_asks() -> Result<()> {
    let mut world = own()?;
    let token = world.token()?;
    let give =
        |text: &str| said(200, &json!({ "access_token": text, "token_type": "Bearer", "expires_in": 100 }));
    let call = world.fetch().context("expected the gateway to ask at once")?;
    assert_eq!(call.body(), b"grant_type=client_credentials&audience=model");
    assert!(world.fetch().is_none());
    world.answer(&call, give("own-1"));
    let ask = Ask::read().bearer(&token);
    assert_eq!(world.ask(&ask).added("authorization"), Some("Bearer own-1"));
    world.advance(60);
    assert!(world.fetch().is_none());
    world.advance(25);
    let renewal = world.fetch().context("expected a renewal")?;
    // It fails, and the old one serves on.
    world.answer(&renewal, None);
    let again = world.gateway.next_wakeup(world.now()).context("expected to wake")?;
    assert!(again > world.now());
    world.set_now(again);
    let second = world.fetch().context("expected a second try")?;
    world.answer(&second, None);
    assert_eq!(world.ask(&ask).added("authorization"), Some("Bearer own-1"));
    world.advance(2);
    let third = world.fetch().context("expected another try after a while")?;
    world.answer(&third, give("own-2"));
    assert_eq!(world.ask(&ask).added("authorization"), Some("Bearer own-2"));
    // Without one, a request waits, as long as it may.
    world.advance(96);
    let (mut exchange, answer) = world.begin(&ask);
    assert_eq!(answer.verdict(), "held");
    world.advance(1);
    assert_eq!(world.tick().len(), 1);
    assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "system.token_service_unavailable");
    Ok(())
}

#[test]
fn a_configuration_that_could_not_work_is_refused() -> Result<()> {
    let refused = |change: &dyn Fn(&mut Value)| match configured(|config| change(config)) {
        Ok(_) => String::from("accepted"),
        Err(error) => format!("{error:#}"),
    };
    type Change = Box<dyn Fn(&mut Value)>;
    let set = |field: &'static str, value: Value| -> Change {
        Box::new(move |config: &mut Value| config["upstream_tokens"][0][field] = value.clone())
    };
    let cases: [(Change, &str); 18] = [
        (set("name", json!("")), "upstream_tokens[0].name"),
        (set("audiences", json!([])), "upstream_tokens[0].audiences"),
        (set("scopes", json!(["a b"])), "upstream_tokens[0].scopes"),
        (set("uri", json!("issuer")), "upstream_tokens[0].uri"),
        (set("cluster", json!("")), "upstream_tokens[0].cluster"),
        (set("timeout_milliseconds", json!(9)), "upstream_tokens[0].timeout_milliseconds"),
        (set("calls", json!(0)), "upstream_tokens[0].calls"),
        (set("max_lifetime_seconds", json!(9)), "upstream_tokens[0].max_lifetime_seconds"),
        (set("client_id", json!("")), "upstream_tokens[0].client_id"),
        (set("parameters", json!({ "client_secret": "s" })), "upstream_tokens[0].parameters.client_secret"),
        (set("parameters", json!({ "Client-Secret": "s" })), "upstream_tokens[0].parameters.Client-Secret"),
        (set("parameters", json!({ "password": "s" })), "upstream_tokens[0].parameters.password"),
        (set("parameters", json!({ "x_api_key": "s" })), "upstream_tokens[0].parameters.x_api_key"),
        (
            set("uri", json!("https://issuer.bank.example/token?tenant=a&client_secret=s")),
            "upstream_tokens[0].uri`: expected no secret in the address, found `client_secret`",
        ),
        (set("actor_id", json!("x")), "upstream_tokens[0].actor_id"),
        (set("grant", json!("client_credentials")), "upstream_tokens[0].actor"),
        (
            Box::new(|config| config["routes"][0]["upstream_token"] = json!("modell")),
            "routes[0].upstream_token",
        ),
        (Box::new(|config| config["routes"][0]["workload"] = json!("optional")), "routes[0].upstream_token"),
    ];
    for (change, place) in cases {
        let message = refused(&*change);
        assert!(message.contains(place), "{place}: {message}");
    }
    Ok(())
}
