//! A host that fails at every call it can fail at, in the simulator: what was not judged never goes upstream, what goes is
//! whole, and the module never traps.

use std::time::Duration;

use anyhow::{Result, ensure};
use countersign_host_sim::{
    HeaderMap, Host, HostBuilder, HostCall, Outcome, Request, Upstream, UpstreamReply,
};
use countersign_tests::simulated::{Bank, CLUSTER, ask, audit, fault, keys_after, request, verdict};

const LATE: Duration = Duration::from_millis(700);

/// Longer than any request may wait.
const LONG: Duration = Duration::from_secs(6);

/// What became of each request of a journey.
type Verdicts = Vec<String>;

/// Requests whose fate is known, good and bad, held and not; everything that the filter asks a host for happens on the way.
/// `Err` tells what no fault of a host's may bring about.
fn journey(bank: &Bank, host: &mut Host) -> Result<Verdicts> {
    let forged = request("GET", &bank.forged()?).header("x-countersign-principal", "root").body("payload");
    let mut good = request("GET", &bank.token()?).header("X-Countersign-Tenant", "globex").body("payload");
    good.trailers = Some(HeaderMap::from_pairs([
        ("x-sum", "1"),
        ("x-countersign-principal", "root"),
        ("authorization", "Bearer a.b.c"),
    ]));
    let bare = Request::get("/tenants/acme/accounts/a1");
    // The first two wait for the keys, the third finds its token in the cache.
    let mut streams = vec![(&forged, host.request(&forged)), (&good, host.request(&good))];
    host.advance(LONG);
    streams.push((&good, host.request(&good)));
    streams.push((&bare, host.request(&bare)));
    host.advance(LONG);
    let outcomes: Vec<Outcome> = streams.iter().map(|(_, stream)| host.outcome(*stream)).collect();
    for (_, stream) in &streams {
        host.close(*stream);
    }
    ensure!(!host.has_failed(0), "the VM failed: {outcomes:?}");
    for ((sent, _), outcome) in streams.iter().zip(&outcomes) {
        let Some(message) = outcome.forwarded() else { continue };
        ensure!(std::ptr::eq(*sent, &raw const good), "a bad request went upstream: {message:?}");
        if let Some(fault) = fault(message, "alice") {
            anyhow::bail!("a request went upstream that was not what it should be: {fault}");
        }
    }
    Ok(outcomes.iter().map(verdict).collect())
}

fn builder(bank: &Bank) -> Result<HostBuilder> {
    Ok(bank.builder_with_keys_after(LATE)?.allow_on_headers_stop_iteration(true))
}

#[test]
fn without_a_fault_all_goes_as_it_should() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    let mut host = builder(&bank)?.start()?;
    let verdicts = journey(&bank, &mut host)?;
    assert_eq!(verdicts, ["token.signature", "allow", "allow", "transport.workload.missing"]);
    assert_eq!(audit(&host.take_logs()).len(), 4);
    Ok(())
}

#[test]
fn any_one_call_may_fail() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    for status in [1, 2, 10] {
        let (mut n, mut refused) = (0, 0);
        loop {
            n += 1;
            // A configuration that the filter cannot read or trust is refused.
            let Ok(mut host) = builder(&bank)?.fail_nth(n, status).start() else {
                refused += 1;
                continue;
            };
            let verdicts = journey(&bank, &mut host);
            let Some(failed) = host.mend(0) else { break };
            let told = || format!("call {n}, {} with status {status}", failed.name());
            let verdicts = verdicts.map_err(|error| error.context(told()))?;
            // Who cannot be spoken for can be given no answer.
            let answered = failed == HostCall::proxy_set_effective_context
                || !verdicts.iter().any(|verdict| verdict == "held");
            assert!(answered, "{}: {verdicts:?}", told());
            if failed != HostCall::proxy_log {
                let audit = audit(&host.take_logs());
                assert_eq!(audit.len(), verdicts.len(), "{}: {audit:?}", told());
            }
        }
        assert!(n > 100 && refused > 2, "{n} calls, {refused} while configuring");
    }
    Ok(())
}

#[test]
fn any_function_may_fail_for_ever() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    let mut failed = 0;
    for call in HostCall::ALL {
        for status in (1..=12).chain([99, u32::MAX]) {
            let Ok(mut host) = builder(&bank)?.start() else { anyhow::bail!("the bank does not start") };
            host.fail_at(0, *call, status);
            let told = || format!("{} with status {status}", call.name());
            journey(&bank, &mut host).map_err(|error| error.context(told()))?;
            failed += usize::from(host.mend(0).is_some());
            // From the start on, where it starts at all.
            if let Ok(mut host) = builder(&bank)?.fail_at(*call, status).start() {
                journey(&bank, &mut host).map_err(|error| error.context(told()))?;
            }
        }
    }
    assert!(failed > 150, "{failed} faults were met");
    Ok(())
}

#[test]
fn a_call_for_keys_that_is_not_taken_is_a_failed_fetch() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    for status in (1..=12).chain([99]) {
        let mut host = builder(&bank)?.start()?;
        host.fail_at(0, HostCall::proxy_http_call, status);
        let stream = host.request(&request("GET", &bank.token()?));
        host.advance(LONG);
        assert_eq!(verdict(&host.outcome(stream)), "system.keys_unavailable", "{status}");
        host.mend(0);
        host.advance(Duration::from_secs(20));
        assert_eq!(ask(&mut host, &request("GET", &bank.token()?)), "allow", "{status}");
    }
    Ok(())
}

#[test]
fn an_edit_that_fails_refuses_the_request() -> Result<()> {
    let bank = Bank::new()?;
    let forged = request("GET", &bank.token()?).header("x-countersign-principal", "root");
    for call in [HostCall::proxy_add_header_map_value, HostCall::proxy_remove_header_map_value] {
        let mut host = bank.builder()?.start()?;
        host.fail_at(0, call, 2);
        assert_eq!(ask(&mut host, &forged), "system.internal", "{}", call.name());
        host.mend(0);
        assert_eq!(ask(&mut host, &forged), "allow", "{}", call.name());
    }
    Ok(())
}

#[test]
fn a_reply_that_fails_breaks_the_request_off() -> Result<()> {
    let bank = Bank::new()?;
    let mut host = bank.builder()?.start()?;
    host.fail_at(0, HostCall::proxy_send_local_response, 10);
    assert_eq!(ask(&mut host, &request("GET", "a.b.c")), "closed");
    let lines: Vec<String> = host.take_logs().into_iter().map(|line| line.message).collect();
    assert!(lines.iter().any(|line| line.contains("could not be sent (status 10)")), "{lines:?}");
    // A host that does not even do that keeps the request.
    host.fail_at(0, HostCall::proxy_close_stream, 12);
    assert_eq!(ask(&mut host, &request("GET", "a.b.c").body("payload")), "held");
    Ok(())
}

#[test]
fn a_released_request_that_cannot_go_on_is_broken_off() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    let mut host = builder(&bank)?.start()?;
    host.fail_at(0, HostCall::proxy_continue_stream, 12);
    let stream = host.request(&request("GET", &bank.token()?));
    host.advance(LONG);
    assert_eq!(verdict(&host.outcome(stream)), "closed");
    Ok(())
}

#[test]
fn trailers_that_cannot_be_read_or_cleaned_break_the_request_off() -> Result<()> {
    let bank = Bank::new()?;
    for call in [HostCall::proxy_get_header_map_pairs, HostCall::proxy_remove_header_map_value] {
        let mut host = bank.builder()?.start()?;
        let stream = host.request(&request("GET", &bank.token()?).body("payload").unfinished());
        host.fail_at(0, call, 2);
        host.send_trailers(stream, HeaderMap::from_pairs([("x-countersign-principal", "root")]));
        assert_eq!(verdict(&host.outcome(stream)), "closed", "{}", call.name());
    }
    // More trailers than a host hands over are handed over as none.
    let mut host = bank.builder()?.start()?;
    let many = (0..1100).map(|n| (format!("x-{n}"), ""));
    let mut request = request("GET", &bank.token()?);
    request.trailers = Some(HeaderMap::from_pairs(many));
    assert_eq!(ask(&mut host, &request), "closed");
    Ok(())
}

/// Without the time, a token that has long ended would look good, in the cache above all.
#[test]
fn without_a_clock_nothing_is_allowed() -> Result<()> {
    let bank = Bank::new()?;
    let mut host = bank.builder()?.start()?;
    let good = request("GET", &bank.token()?);
    assert_eq!((ask(&mut host, &good), ask(&mut host, &good)), ("allow".to_owned(), "allow".to_owned()));
    for status in [1, 2, 10, 12] {
        host.fail_at(0, HostCall::proxy_get_current_time_nanoseconds, status);
        assert_eq!(ask(&mut host, &good), "system.internal", "{status}");
        assert_eq!(ask(&mut host, &Request::get("/healthz")), "system.internal", "{status}");
        host.mend(0);
    }
    assert_eq!(ask(&mut host, &good), "allow");
    Ok(())
}

/// A head that comes after another one was judged is one that nobody judged.
#[test]
fn a_second_head_is_not_let_through() -> Result<()> {
    let (inline, remote) = (Bank::new()?, Bank::with_remote_keys()?);
    for (bank, mut host, first) in
        [(&inline, inline.builder()?.start()?, "incomplete"), (&remote, builder(&remote)?.start()?, "held")]
    {
        let stream = host.request(&request("GET", &bank.token()?).body("pay").unfinished());
        assert_eq!(verdict(&host.outcome(stream)), first);
        assert_eq!(host.call_export(0, "proxy_on_request_headers", &[stream.context(), 0, 1])?, Some(1));
        host.advance(LONG);
        assert_eq!(verdict(&host.outcome(stream)), "system.internal");
    }
    Ok(())
}

#[test]
fn a_host_that_never_ticks_keeps_nobody_waiting() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    let mut host = builder(&bank)?.fail_at(HostCall::proxy_set_tick_period_milliseconds, 12).start()?;
    assert_eq!(ask(&mut host, &request("GET", &bank.token()?)), "system.timeout");
    Ok(())
}

#[test]
fn a_peer_that_cannot_be_asked_for_is_not_nobody() -> Result<()> {
    let mut bank = Bank::new()?;
    bank.config["routes"][0]["workload"] = "optional".into();
    let nobody = Request::get("/tenants/acme/accounts/a1")
        .authority("bank.example")
        .header("authorization", format!("Bearer {}", bank.token()?));
    let mut host = bank.builder()?.start()?;
    assert_eq!(ask(&mut host, &nobody), "allow");
    host.fail_at(0, HostCall::proxy_get_property, 1);
    assert_eq!(ask(&mut host, &nobody), "allow", "a host without this property");
    host.fail_at(0, HostCall::proxy_get_property, 10);
    assert_eq!(ask(&mut host, &nobody), "transport.workload.invalid");
    Ok(())
}

/// Callbacks that no gateway makes: contexts and calls that do not exist, or exist already.
#[test]
fn callbacks_out_of_order_do_nothing() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    let mut host = builder(&bank)?.start()?;
    let held = host.request(&request("GET", &bank.token()?));
    let (held_id, unknown, root, pause) = (held.context(), 4_242, 1, Some(1));
    for (name, params, result) in [
        ("proxy_on_tick", vec![unknown], None),
        ("proxy_on_tick", vec![held_id], None),
        ("proxy_on_configure", vec![unknown, 0], Some(0)),
        ("proxy_on_context_create", vec![root, 0], None),
        ("proxy_on_http_call_response", vec![root, unknown, 0, 0, 0], None),
        ("proxy_on_http_call_response", vec![unknown, 1, 1, 1, 0], None),
        ("proxy_on_http_call_response", vec![held_id, 1, 1, u32::MAX, 0], None),
        ("proxy_on_request_headers", vec![unknown, 0, 1], pause),
        ("proxy_on_request_headers", vec![root, 0, 1], pause),
        ("proxy_on_request_body", vec![unknown, 0, 1], pause),
        ("proxy_on_request_body", vec![held_id, 0, 1], pause),
        ("proxy_on_request_trailers", vec![unknown, 1], pause),
        ("proxy_on_request_trailers", vec![held_id, 0], pause),
        ("proxy_on_delete", vec![unknown], None),
    ] {
        assert_eq!(host.call_export(0, name, &params)?, result, "{name} {params:?}");
    }
    assert_eq!(verdict(&host.outcome(held)), "held");
    host.advance(LONG);
    assert_eq!(verdict(&host.outcome(held)), "allow");
    // A stream under an id that is in use, then one whose root is gone.
    let again = host.request(&request("GET", &bank.token()?));
    host.call_export(0, "proxy_on_context_create", &[again.context(), root])?;
    host.call_export(0, "proxy_on_delete", &[root])?;
    assert_eq!(ask(&mut host, &request("GET", &bank.token()?)), "system.not_configured");
    Ok(())
}

#[test]
fn a_root_that_is_deleted_answers_who_waits() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    let mut host = builder(&bank)?.start()?;
    let held = host.request(&request("GET", &bank.token()?));
    host.call_export(0, "proxy_on_delete", &[1])?;
    assert_eq!(verdict(&host.outcome(held)), "system.timeout");
    Ok(())
}

#[test]
fn a_source_of_keys_that_does_its_worst_traps_nothing() -> Result<()> {
    let bank = Bank::with_remote_keys()?;
    for body in
        ["[".repeat(100_000), format!("{{\"keys\":[{}{{}}]}}", "{},".repeat(20_000)), "x".repeat(300_000)]
    {
        let upstream = Upstream::always(UpstreamReply::ok(body).after(LATE));
        let mut host = bank.builder()?.cluster(CLUSTER, upstream).start()?;
        let stream = host.request(&request("GET", &bank.token()?));
        host.advance(LONG);
        assert_eq!(verdict(&host.outcome(stream)), "system.keys_unavailable");
        host.set_cluster(CLUSTER, keys_after(&[&bank.key], LATE));
        host.advance(Duration::from_secs(30));
        assert_eq!(ask(&mut host, &request("GET", &bank.token()?)), "allow");
    }
    Ok(())
}
