//! The caches: what they tell of themselves, and their bounds.

use anyhow::{Context as _, Result};
use countersign_core::cache::Fill;
use countersign_core::exchange::{Event, Flow};
use countersign_core::gateway::CallAnswer;
use countersign_core::metrics::Counter;
use countersign_tests::mint::{self, SigningKey};
use countersign_tests::proof::{self, Proof};
use countersign_tests::world::{Ask, START, World};
use serde_json::{Value, json};

const ENTRIES: usize = 64;
const BYTES: usize = 32 * 1024;

/// A world that asks about opaque tokens and exchanges signed ones, with little room.
fn world() -> Result<World> {
    World::configured(|config| {
        config["token_cache"] = json!({ "entries": ENTRIES, "bytes": BYTES, "failure_entries": ENTRIES / 2 });
        config["issuers"][0]["introspection"] =
            json!({ "cluster": "issuer", "uri": "https://issuer.bank.example/introspect" });
        config["upstream_tokens"] = json!([{
            "name": "model", "grant": "token_exchange", "cluster": "issuer", "token": "opaque",
            "uri": "https://issuer.bank.example/token", "audiences": ["model"],
        }]);
        config["routes"][0]["upstream_token"] = json!("model");
        config["routes"][0]["credentials"] = json!(["token", "opaque_token"]);
    })
}

/// Sends a request, and has every call that it waits for answered: by the issuer, and by the token service.
fn served(world: &mut World, ask: &Ask, said: &Value, given: &Value) -> Result<String> {
    let (mut exchange, mut answer) = world.begin(ask);
    while answer.flow == Flow::Hold {
        let call = world.fetch().context("expected a call")?;
        let body = if call.to.path.ends_with("introspect") { said } else { given };
        let headers = vec![(Box::from(*b"content-type"), Box::from(*b"application/json"))];
        world.answer(&call, Some(CallAnswer { status: 200, headers, body: body.to_string().into() }));
        answer = world.event(&mut exchange, Event::Settled);
    }
    Ok(answer.verdict().to_owned())
}

fn given(token: &str) -> Value {
    json!({
        "access_token": token, "token_type": "Bearer", "expires_in": 200,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    })
}

/// How full the caches are: of tokens, refusals, tokens for upstream, and used proofs.
fn fills(world: &mut World) -> [Fill; 4] {
    let now = world.now();
    world.gateway.fills(now)
}

fn entries(world: &mut World) -> [usize; 4] {
    fills(world).map(|fill| fill.entries)
}

#[test]
fn what_is_kept_is_told() -> Result<()> {
    let mut world = world()?;
    assert_eq!(fills(&mut world), [Fill::default(); 4]);
    let (token, nothing) = (world.token()?, Value::Null);
    assert_eq!(served(&mut world, &Ask::read().bearer(&token), &nothing, &given("narrow"))?, "allow");
    assert_eq!(entries(&mut world), [1, 0, 1, 0]);
    let [tokens, _, upstream, _] = fills(&mut world);
    assert!(tokens.bytes > token.len() && upstream.bytes > token.len());

    let forged = SigningKey::new("k1")?.sign(&world.claims())?;
    assert_eq!(world.verdict(&Ask::read().bearer(&forged)), "token.signature");
    assert_eq!(entries(&mut world), [1, 1, 1, 0]);
    assert!(world.counted.contains(&Counter::FailureCacheMiss));
    assert_eq!(world.verdict(&Ask::read().bearer(&forged)), "token.signature");
    assert!(world.counted.contains(&Counter::FailureCacheHit));

    let holder = SigningKey::new("holder")?;
    let bound = world
        .key
        .sign(&mint::with(&world.claims(), json!({ "cnf": { "jkt": proof::thumbprint(&holder) } })))?;
    let uri = "https://bank.example/tenants/acme/accounts/a1";
    let ask = Ask::read().dpop(&bound, &Proof::new(&holder, "GET", uri, &bound, START).sign(&holder)?);
    assert_eq!(served(&mut world, &ask, &nothing, &given("narrow"))?, "allow");
    assert_eq!(entries(&mut world), [2, 1, 2, 1]);

    // Proofs are counted while they live; what else is over is, until somebody looks for it or for room.
    for _ in 0..120 {
        world.advance(1);
        fills(&mut world);
    }
    assert_eq!(entries(&mut world), [2, 1, 2, 0]);
    Ok(())
}

#[test]
fn hostile_keys_fill_no_cache_beyond_its_bounds() -> Result<()> {
    let mut world = world()?;
    let key = world.key.clone();
    let stranger = SigningKey::new("k1")?;
    let claims = world.claims();
    let good = mint::with(&claims, json!({ "active": true, "token_type": "Bearer" }));
    let mut most = [Fill::default(); 4];
    for number in 0..400_usize {
        // Long keys and short ones, so that room is made by bytes and by number.
        let length = if number % 2 == 0 { number % 40 } else { number * 37 % 5_000 };
        let padding = "x".repeat(length);
        let (ask, said) = match number % 4 {
            0 | 1 => (format!("opaque-{number}-{padding}"), good.clone()),
            2 => (format!("opaque-{number}-{padding}"), json!({ "active": false })),
            _ => {
                let by = if number % 8 == 3 { &stranger } else { &key };
                let more = json!({ "jti": format!("{number}"), "padding": padding });
                (by.sign(&mint::with(&claims, more))?, Value::Null)
            }
        };
        served(&mut world, &Ask::read().bearer(&ask), &said, &given(&format!("n{padding}{padding}")))?;
        let now = fills(&mut world);
        for (most, fill) in most.iter_mut().zip(now) {
            *most = Fill { entries: most.entries.max(fill.entries), bytes: most.bytes.max(fill.bytes) };
        }
    }
    let [tokens, failures, upstream, _] = most;
    assert!(tokens.entries <= ENTRIES && tokens.bytes <= BYTES, "{most:?}");
    assert!(failures.entries <= ENTRIES / 2 && failures.bytes <= BYTES / 4, "{most:?}");
    assert!(upstream.entries <= ENTRIES && upstream.bytes <= BYTES, "{most:?}");
    // They were full: it was the bounds that held.
    assert!(tokens.bytes > BYTES / 2 && failures.bytes > BYTES / 8 && upstream.bytes > BYTES / 2, "{most:?}");
    for evicted in [Counter::CacheEvicted, Counter::FailureCacheEvicted, Counter::UpstreamTokenEvicted] {
        assert!(world.counted.contains(&evicted), "{evicted:?}");
    }
    Ok(())
}
