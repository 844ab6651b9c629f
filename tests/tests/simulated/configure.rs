//! A new configuration for a VM that runs, which the ABI allows: nothing of the old one's decides under the new one, and
//! nobody is left waiting.

use std::time::Duration;

use anyhow::Result;
use countersign_host_sim::{Host, Upstream, UpstreamReply};
use countersign_tests::simulated::{Bank, ask, audit, request, verdict};
use serde_json::json;

const LATE: Duration = Duration::from_millis(1_500);
const SECOND: &str = "https://second.bank.example";

/// Two banks' clusters: the first one's keys are late, the second one's never come.
fn start(first: &Bank) -> Result<Host> {
    let never = Upstream::always(UpstreamReply::never());
    Ok(first.builder_with_keys_after(LATE)?.cluster("second", never).start()?)
}

/// The same bank under another issuer with another source of keys.
fn second(first: &Bank) -> Result<Bank> {
    let mut second = Bank::with_remote_keys()?;
    second.config = first.config.clone();
    second.config["issuers"][0]["issuer"] = json!(SECOND);
    second.config["issuers"][0]["keys"]["remote"]["cluster"] = json!("second");
    Ok(second)
}

#[test]
fn keys_fetched_for_the_old_configuration_are_not_the_new_ones() -> Result<()> {
    let first = Bank::with_remote_keys()?;
    let second = second(&first)?;
    let mut host = start(&first)?;
    host.advance(LATE / 2);
    assert_eq!(host.calls().len(), 1, "the first fetch is under way");
    host.reconfigure_in_place(second.config.to_string())?;
    host.advance(LATE);
    assert_eq!(host.calls().len(), 2, "so is the second, and the first has been answered");
    // Signed with the first issuer's key in the name of the second.
    let mut claims = first.claims();
    claims["iss"] = json!(SECOND);
    let stream = host.request(&request("GET", &first.key.sign(&claims)?));
    host.advance(LATE * 2);
    assert_eq!(verdict(&host.outcome(stream)), "system.keys_unavailable");
    Ok(())
}

#[test]
fn requests_that_wait_are_answered() -> Result<()> {
    let first = Bank::with_remote_keys()?;
    let mut host = start(&first)?;
    let streams =
        [first.token()?, first.forged()?].map(|token| host.request(&request("GET", &token).body("x")));
    assert!(streams.iter().all(|stream| verdict(&host.outcome(*stream)) == "held"));
    host.reconfigure_in_place(second(&first)?.config.to_string())?;
    for stream in streams {
        assert_eq!(verdict(&host.outcome(stream)), "system.timeout");
    }
    host.advance(LATE * 2);
    assert_eq!(audit(&host.take_logs()).len(), 2, "one line for each");
    Ok(())
}

#[test]
fn a_configuration_that_is_refused_changes_nothing() -> Result<()> {
    let first = Bank::with_remote_keys()?;
    let mut host = start(&first)?;
    let held = host.request(&request("GET", &first.token()?));
    let mut bad = first.config.clone();
    bad["routes"][0]["methods"] = json!(["get"]);
    let error = host.reconfigure_in_place(bad.to_string()).err().map(|error| error.to_string());
    assert!(error.is_some_and(|error| error.contains("routes[0].methods")));
    assert_eq!(verdict(&host.outcome(held)), "held");
    host.advance(LATE * 2);
    assert_eq!(verdict(&host.outcome(held)), "allow");
    Ok(())
}

#[test]
fn tokens_verified_under_the_old_configuration_are_judged_anew() -> Result<()> {
    let first = Bank::new()?;
    let mut host = first.builder()?.start()?;
    let good = request("GET", &first.token()?);
    assert_eq!(ask(&mut host, &good), "allow");
    let mut other = Bank::new()?;
    other.config["issuers"][0]["audiences"] = json!(["elsewhere"]);
    host.reconfigure_in_place(other.config.to_string())?;
    assert_eq!(ask(&mut host, &good), "token.signature");
    Ok(())
}
