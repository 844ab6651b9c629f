//! Workers that get tokens for each other.

use std::rc::Rc;

use anyhow::{Context as _, Result};
use countersign_core::exchange::Event;
use countersign_core::gateway::Call;
use countersign_core::metrics::Counter;
use countersign_core::time::{Span, Timestamp};
use countersign_tests::mint;
use countersign_tests::workers::{Unmarked, Workers};
use countersign_tests::world::{Ask, World};
use serde_json::{Value, json};

use super::{answered, change, given, held, narrow, said};

/// Workers with the key inline.
fn workers(count: usize) -> Result<Workers> {
    Workers::configured(count, change)
}

fn upstream(world: &mut World, token: &str) -> Result<String> {
    let answer = world.ask(&Ask::read().bearer(token));
    anyhow::ensure!(answer.verdict() == "allow", "expected it at once, found {}", answer.verdict());
    Ok(answer.added("authorization").context("no token went upstream")?.to_owned())
}

#[test]
fn who_waits_for_a_token_waits_for_all_workers() -> Result<()> {
    let mut workers = workers(3)?;
    let token = workers.all[0].token()?;
    let narrow = narrow(&workers.all[0], json!({}))?;
    assert_eq!(answered(&mut workers.all[0], &token, given(&narrow))?.verdict(), "allow");
    for world in &mut workers.all[1..] {
        assert_eq!(upstream(world, &token)?, format!("Bearer {narrow}"));
        assert!(world.counted.contains(&Counter::UpstreamTokenShared));
        assert!(!world.counted.contains(&Counter::UpstreamTokenMiss));
        assert!(world.fetch().is_none());
        // From then on it is the worker's own.
        world.counted.clear();
        assert_eq!(upstream(world, &token)?, format!("Bearer {narrow}"));
        assert!(!world.counted.contains(&Counter::UpstreamTokenShared));
    }
    // One that begins now finds it too.
    workers.restart(0)?;
    assert_eq!(upstream(&mut workers.all[0], &token)?, format!("Bearer {narrow}"));
    Ok(())
}

#[test]
fn a_token_is_for_who_it_was_got_for() -> Result<()> {
    let mut workers = workers(2)?;
    let token = workers.all[0].token()?;
    let narrow = narrow(&workers.all[0], json!({}))?;
    answered(&mut workers.all[0], &token, given(&narrow))?;
    let other = workers.all[1].key.sign(&mint::with(&workers.all[1].claims(), json!({ "sub": "bob" })))?;
    held(&mut workers.all[1], &other)?;
    let again = workers.all[1].key.sign(&mint::with(&workers.all[1].claims(), json!({ "jti": "t-2" })))?;
    held(&mut workers.all[1], &again)?;
    let elsewhere = Ask::read().bearer(&token).from_peer(Some(b"spiffe://bank.example/reports"));
    assert_eq!(workers.all[1].verdict(&elsewhere), "held", "another workload is another actor");
    Ok(())
}

#[test]
fn a_shared_token_lives_no_longer_than_its_own_worker_would_use_it() -> Result<()> {
    let mut workers = workers(2)?;
    let token = workers.all[0].token()?;
    let narrow = narrow(&workers.all[0], json!({}))?;
    answered(&mut workers.all[0], &token, given(&narrow))?;
    workers.advance(150);
    assert!(upstream(&mut workers.all[0], &token).is_ok());
    workers.advance(50);
    assert_eq!(workers.all[1].verdict(&Ask::read().bearer(&token)), "held", "it is over");
    Ok(())
}

#[test]
fn what_is_renewed_is_renewed_for_all() -> Result<()> {
    let mut workers = workers(2)?;
    let token = workers.all[0].token()?;
    let first = narrow(&workers.all[0], json!({ "exp": workers.all[0].now().as_secs() + 100 }))?;
    answered(&mut workers.all[0], &token, given(&first))?;
    upstream(&mut workers.all[1], &token)?;
    workers.advance(90);
    upstream(&mut workers.all[0], &token)?;
    let call = workers.all[0].fetch().context("a renewal")?;
    let second = narrow(&workers.all[0], json!({ "jti": "2" }))?;
    workers.all[0].answer(&call, given(&second));
    assert_eq!(upstream(&mut workers.all[1], &token)?, format!("Bearer {second}"));
    assert!(workers.all[1].fetch().is_none(), "no renewal of its own");
    Ok(())
}

#[test]
fn what_is_taken_back_is_taken_back_for_who_comes_later() -> Result<()> {
    let mut workers = workers(2)?;
    let token = workers.all[0].token()?;
    let first = narrow(&workers.all[0], json!({ "exp": workers.all[0].now().as_secs() + 100 }))?;
    answered(&mut workers.all[0], &token, given(&first))?;
    workers.advance(90);
    upstream(&mut workers.all[0], &token)?;
    let call = workers.all[0].fetch().context("a renewal")?;
    workers.all[0].answer(&call, said(400, &json!({ "error": "invalid_grant" })));
    assert_eq!(workers.all[1].verdict(&Ask::read().bearer(&token)), "held", "it asks for itself");
    Ok(())
}

#[test]
fn what_is_taken_back_is_taken_back_in_workers_that_have_it() -> Result<()> {
    let mut workers = workers(3)?;
    let token = workers.all[0].token()?;
    let first = narrow(&workers.all[0], json!({ "exp": workers.all[0].now().as_secs() + 100 }))?;
    answered(&mut workers.all[0], &token, given(&first))?;
    for world in &mut workers.all[1..] {
        upstream(world, &token)?;
    }
    workers.advance(80);
    upstream(&mut workers.all[0], &token)?;
    let call = workers.all[0].fetch().context("a renewal")?;
    workers.all[0].answer(&call, said(400, &json!({ "error": "invalid_grant" })));
    for world in &mut workers.all[1..] {
        let (mut exchange, _) = held(world, &token)?;
        assert!(world.counted.contains(&Counter::RefusedElsewhere));
        world.advance(1);
        world.tick();
        assert_eq!(world.event(&mut exchange, Event::Settled).verdict(), "system.token_service_unavailable");
    }
    // What is given later serves all again.
    workers.advance(10);
    let second = narrow(&workers.all[0], json!({ "jti": "2" }))?;
    answered(&mut workers.all[0], &token, given(&second))?;
    assert_eq!(upstream(&mut workers.all[0], &token)?, format!("Bearer {second}"));
    assert_eq!(upstream(&mut workers.all[1], &token)?, format!("Bearer {second}"));
    Ok(())
}

#[test]
fn what_was_asked_for_before_a_refusal_comes_too_late() -> Result<()> {
    let mut workers = workers(3)?;
    let token = workers.all[0].token()?;
    let first = narrow(&workers.all[0], json!({ "exp": workers.all[0].now().as_secs() + 100 }))?;
    answered(&mut workers.all[0], &token, given(&first))?;
    upstream(&mut workers.all[1], &token)?;
    workers.advance(90);
    let renew = |world: &mut World| -> Result<Call> {
        upstream(world, &token)?;
        world.fetch().context("a renewal")
    };
    let (early, refused) = (renew(&mut workers.all[0])?, renew(&mut workers.all[1])?);
    workers.advance(1);
    workers.all[1].answer(&refused, said(400, &json!({ "error": "invalid_grant" })));
    workers.advance(1);
    let second = narrow(&workers.all[0], json!({ "jti": "2" }))?;
    workers.all[0].answer(&early, given(&second));
    for index in [0, 2] {
        assert_eq!(workers.all[index].verdict(&Ask::read().bearer(&token)), "held", "worker {index}");
    }
    Ok(())
}

#[test]
fn a_first_refusal_outweighs_what_was_asked_for_before() -> Result<()> {
    let mut workers = workers(3)?;
    let token = workers.all[0].token()?;
    let (mut early, call) = held(&mut workers.all[0], &token)?;
    let refused = said(400, &json!({ "error": "invalid_grant" }));
    assert_eq!(answered(&mut workers.all[1], &token, refused)?.verdict(), "delegation.exchange_refused");
    let narrow = narrow(&workers.all[0], json!({}))?;
    workers.all[0].answer(&call, given(&narrow));
    assert_eq!(workers.all[0].event(&mut early, Event::Settled).verdict(), "delegation.exchange_refused");
    let ask = Ask::read().bearer(&token);
    let found: Vec<String> = workers.all.iter_mut().map(|world| world.verdict(&ask)).collect();
    assert_eq!(found, ["held", "delegation.exchange_refused", "held"], "it serves nobody");
    Ok(())
}

#[test]
fn what_could_not_be_taken_back_is_not_shared() -> Result<()> {
    let mut workers = workers(2)?;
    let shared = Rc::new(Unmarked(workers.shared()));
    workers.all.iter_mut().for_each(|world| world.gateway.set_shared(Rc::clone(&shared) as _));
    let token = workers.all[0].token()?;
    let first = narrow(&workers.all[0], json!({}))?;
    assert_eq!(answered(&mut workers.all[0], &token, given(&first))?.verdict(), "allow");
    upstream(&mut workers.all[0], &token)?;
    assert_eq!(workers.all[1].verdict(&Ask::read().bearer(&token)), "held", "it asks for itself");
    Ok(())
}

#[test]
fn what_is_taken_back_is_not_found_even_where_nothing_is_marked() -> Result<()> {
    let mut workers = workers(2)?;
    let shared = Rc::new(Unmarked(workers.shared()));
    workers.all.iter_mut().for_each(|world| world.gateway.set_shared(Rc::clone(&shared) as _));
    let token = workers.all[0].token()?;
    let first = narrow(&workers.all[0], json!({ "exp": workers.all[0].now().as_secs() + 100 }))?;
    answered(&mut workers.all[0], &token, given(&first))?;
    workers.advance(90);
    upstream(&mut workers.all[0], &token)?;
    let call = workers.all[0].fetch().context("a renewal")?;
    workers.all[0].answer(&call, said(400, &json!({ "error": "invalid_grant" })));
    assert_eq!(workers.all[0].verdict(&Ask::read().bearer(&token)), "delegation.exchange_refused");
    assert_eq!(workers.all[1].verdict(&Ask::read().bearer(&token)), "held", "it asks for itself");
    Ok(())
}

#[test]
fn nothing_got_by_another_clock_is_taken() -> Result<()> {
    for back in [false, true] {
        let mut workers = workers(2)?;
        let token = workers.all[0].token()?;
        let narrow = narrow(&workers.all[0], json!({}))?;
        let start = workers.all[0].now();
        let set = |workers: &mut Workers, time: Timestamp| {
            for world in &mut workers.all {
                world.set_now(time);
                world.tick();
            }
        };
        set(&mut workers, start.plus(Span::from_secs(5)));
        answered(&mut workers.all[0], &token, given(&narrow))?;
        if back {
            // To before it was got, and to after it as the clock said then.
            set(&mut workers, start.plus(Span::from_secs(1)));
            assert_eq!(workers.all[1].verdict(&Ask::read().bearer(&token)), "held");
            // Nor once the clock has come to where it was.
            set(&mut workers, start.plus(Span::from_secs(6)));
            let again = Ask::read().bearer(&token);
            assert_ne!(workers.all[1].verdict(&again), "allow");
        } else {
            set(&mut workers, start.plus(Span::from_secs(60)));
            set(&mut workers, start.plus(Span::from_secs(30)));
            assert_eq!(workers.all[1].verdict(&Ask::read().bearer(&token)), "held");
        }
    }
    Ok(())
}

#[test]
fn what_another_configuration_got_is_not_taken() -> Result<()> {
    let mut workers = workers(1)?;
    let token = workers.all[0].token()?;
    let narrow = narrow(&workers.all[0], json!({}))?;
    answered(&mut workers.all[0], &token, given(&narrow))?;
    let changes: [fn(&mut Value); 4] = [
        |token| token["audiences"] = json!(["model", "other"]),
        |token| token["scopes"] = json!(["score"]),
        |token| token["parameters"] = json!({ "purpose": "marketing" }),
        |token| token["uri"] = json!("https://issuer.bank.example/other"),
    ];
    for (index, change_token) in changes.into_iter().enumerate() {
        let settings = World::with_key(workers.key.clone(), |config| {
            change(config);
            change_token(&mut config["upstream_tokens"][0]);
        })?;
        let mut world = settings;
        world.gateway.set_shared(workers.shared());
        assert_eq!(world.verdict(&Ask::read().bearer(&token)), "held", "{index}");
    }
    Ok(())
}
