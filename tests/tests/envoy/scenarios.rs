//! The scenario files of `tests/scenarios` on real Envoy and on the simulator's gateway: each decision is what the scenario expects and
//! what the core decides by itself, with its status, layer, reason, audit line, challenge and headers upstream.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use countersign_cli::live::Ran;
use countersign_tests::flow::{EnvoyGateway, Gateway, SimulatorGateway, World};
use countersign_tests::{moved, scenarios};
use serde_json::Value;

/// Starts a gateway of either kind.
type Start = fn(&World, &Value) -> Result<Box<dyn Gateway>>;

const ENVOY: Start = |world, config| Ok(Box::new(EnvoyGateway::start_workers(world, config, 2)?));

const SIMULATOR: Start = |world, config| Ok(Box::new(SimulatorGateway::start_with(world, config)?));

/// Envoy as it is set up behind proxies.
const BEHIND: Start =
    |world, config| Ok(Box::new(EnvoyGateway::start_behind(world, config, "ALWAYS_FORWARD_ONLY")?));

/// Runs a file on Envoy and on the simulator's gateway: how many requests it must have at least, which cases cannot be run there, and
/// how those begin that Envoy does not hand to the filter as they came.
fn passes(name: &str, envoy: Start, requests: usize, skipped: &[&str], changed: &[&str]) -> Result<()> {
    for (gateway, not_run) in both(name, envoy, requests, changed, &[])? {
        let not_run: Vec<&str> = not_run.iter().map(|case| &*case.name).collect();
        assert_eq!(not_run, skipped, "{gateway}: {name}");
    }
    Ok(())
}

/// The same where it is enough to say how many cases cannot be run, for each reason. `apart` are those that say nothing to either
/// gateway: their times are fixed, or it does not hand them on as they came.
fn passes_but(
    name: &str,
    requests: usize,
    skipped: &[(&str, usize)],
    changed: &[&str],
    apart: &[&str],
) -> Result<()> {
    for (gateway, not_run) in both(name, ENVOY, requests, changed, apart)? {
        assert_eq!(reasons(&not_run), BTreeMap::from_iter(skipped.iter().copied()), "{gateway}: {name}");
    }
    Ok(())
}

/// How many cases were not run, by reason.
fn reasons(not_run: &[Ran]) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    for why in not_run.iter().filter_map(|case| case.skipped) {
        *count.entry(why).or_default() += 1;
    }
    count
}

/// Runs a file on both and gives the cases that each could not run.
fn both(
    name: &str,
    envoy: Start,
    requests: usize,
    changed: &[&str],
    apart: &[&str],
) -> Result<Vec<(&'static str, Vec<Ran>)>> {
    both_of(&countersign_tests::root().join("tests/scenarios").join(name), envoy, requests, changed, apart)
}

/// The same of a file anywhere.
fn both_of(
    file: &Path,
    envoy: Start,
    requests: usize,
    changed: &[&str],
    apart: &[&str],
) -> Result<Vec<(&'static str, Vec<Ran>)>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut not_run = Vec::new();
    for (gateway, start) in [("Envoy", envoy), ("the simulator", SIMULATOR)] {
        let (ran, served) = scenarios::run(file, start)?;
        let begins = |case: &Ran, with: &[&str]| with.iter().any(|one| case.name.starts_with(one));
        let is_changed = |case: &Ran| gateway == "Envoy" && begins(case, changed) || begins(case, apart);
        let differ = ran.iter().filter(|case| is_changed(case) && !case.failures.is_empty());
        let expected = if gateway == "Envoy" { changed.len() } else { 0 } + apart.len();
        assert_eq!(differ.count(), expected, "{gateway}: {name}");
        let wrong: Vec<String> = ran
            .iter()
            .filter(|case| !is_changed(case))
            .flat_map(|case| case.failures.iter().map(|line| format!("{}: {line}", case.name)))
            .collect();
        assert!(wrong.is_empty(), "{gateway}: {name}:\n{}", wrong.join("\n"));
        let (allowed, all) =
            ran.iter().fold((0, 0), |sum, case| (sum.0 + case.allowed.0, sum.1 + case.allowed.1));
        assert_eq!(served, allowed, "{gateway}: {name}: a refused request reached the service");
        assert!(all >= requests && allowed > 0 && allowed < all, "{gateway}: {name}: {allowed} of {all}");
        let (skipped, run): (Vec<Ran>, Vec<Ran>) = ran.into_iter().partition(|case| case.skipped.is_some());
        let left: Vec<&str> = run.iter().filter(|case| is_changed(case)).map(|case| &*case.name).collect();
        println!(
            "{gateway}: {name}: {} cases pass, {} have fixed times or are refused or changed by the gateway itself: {left:?}, not run: {:?}",
            run.len() - left.len(),
            left.len(),
            reasons(&skipped)
        );
        not_run.push((gateway, skipped));
    }
    Ok(not_run)
}

#[test]
fn every_file_is_run() -> Result<()> {
    let this = include_str!("scenarios.rs");
    let folder = std::fs::read_dir(countersign_tests::root().join("tests/scenarios"))?;
    let files: Vec<String> =
        folder.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    let files: Vec<&String> = files.iter().filter(|name| name.ends_with(".yaml")).collect();
    assert!(files.len() >= 11, "{files:?}");
    for name in files {
        assert!(this.contains(&format!("\"{name}\"")), "`{name}` is run nowhere");
    }
    Ok(())
}

/// A gateway that really runs is asked whenever the tests are: what a case expects must be so at any hour of any day.
#[test]
fn no_case_depends_on_the_hour() -> Result<()> {
    const FIXED: [&str; 2] =
        ["a payment is released with the approval of tara", "keys that stand in the configuration"];
    // What the policies here know of: working hours, the hours of retraining, the ends of days, weeks and months.
    const TIMES: [&str; 6] = [
        "2026-03-02T00:00:01Z",
        "2026-03-02T05:59:59Z",
        "2026-03-04T13:00:00Z",
        "2026-03-07T22:00:00Z",
        "2026-05-31T23:59:59Z",
        "2026-04-01T18:00:00Z",
    ];
    let folder = countersign_tests::root().join("target").join(format!("hours-{}", std::process::id()));
    let mut wrong = Vec::new();
    for time in TIMES {
        for file in moved::to(time, &folder)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Two are of any module; the last is moved with its days.
            if ["connections.yaml", "any-module.yaml", "step-up-admin.yaml"].contains(&&*name) {
                continue;
            }
            let failures = scenarios::failures_of_core(&file)?.into_iter();
            let failures = failures.filter(|failure| !FIXED.iter().any(|fixed| failure.starts_with(fixed)));
            wrong.extend(failures.map(|failure| format!("{time}: {name}: {failure}")));
        }
        std::fs::remove_dir_all(&folder)?;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn fraud_scoring() -> Result<()> {
    // Envoy joins two headers of this name to one. A fragment both refuse themselves: the filter does not see it.
    let skipped = [("it changes what is published", 4), ("it moves the time", 6)];
    let fragment = "an ambiguous path: /v1/tenants/acme/transfers/t-1/score#top";
    passes_but("fraud-scoring.yaml", 50, &skipped, &["two credentials"], &[fragment])
}

#[test]
fn agent_tools() -> Result<()> {
    // An approval ends at a moment.
    passes_but("agent-tools.yaml", 5, &[], &[], &["a payment is released with the approval of tara"])
}

#[test]
fn headers() -> Result<()> {
    passes_but("headers.yaml", 5, &[], &[], &[])
}

#[test]
fn keys() -> Result<()> {
    // The token is written out, and its key is nobody's to sign with.
    passes_but("keys.yaml", 10, &[("it moves the time", 5)], &[], &["keys that stand in the configuration"])
}

#[test]
fn credentials() -> Result<()> {
    // A gateway that knows the certificate always tells its digest.
    passes(
        "credentials.yaml",
        ENVOY,
        50,
        &["a token bound to a certificate, over a connection with none that the gateway tells"],
        &[],
    )
}

#[test]
fn api_keys() -> Result<()> {
    passes("api-keys.yaml", ENVOY, 12, &[], &[])
}

#[test]
fn forwarded() -> Result<()> {
    // Envoy joins two headers of this name to one, of which the last element counts as ever.
    let joined = r#"what is ambiguous: [["x-forwarded-client-cert",""#;
    passes("forwarded.yaml", BEHIND, 12, &[], &[joined])
}

#[test]
fn introspection() -> Result<()> {
    // Where the issuer fails, or time passes, `tests/tests/simulated/opaque.rs` and `opaque.rs` beside this have it really happen.
    let unavailable = "no answer says anything of the token: ";
    let failures =
        ["down", "silent", "broken off", "too late", "an error", "the gateway is not let in", "a page"];
    let failures = failures.into_iter().chain(["half an answer", "nothing said"]);
    let mut skipped: Vec<String> = failures.map(|what| format!("{unavailable}{what}")).collect();
    skipped.extend(
        [
            "a failure that passes is not seen",
            "a revoked token is refused once the answer is old",
            "an issuer that is down costs no token that it has spoken for",
        ]
        .map(str::to_owned),
    );
    let said = ["nothing beside", "its own", "another subject", "another token", "another client's"];
    let said = said.into_iter().chain(["for others", "a refresh token", "one that is over"]);
    skipped.extend(said.map(|what| format!("a live answer about a signed token: {what}")));
    skipped.push("a later word revives no earlier one of another worker".to_owned());
    skipped.push("a refusal outweighs a first word that was on its way".to_owned());
    let skipped: Vec<&str> = skipped.iter().map(String::as_str).collect();
    passes("introspection.yaml", ENVOY, 20, &skipped, &[])
}

#[test]
fn revocation() -> Result<()> {
    // Where the issuer fails, or time passes, `tests/tests/simulated/revocation.rs` and `revocation.rs` beside this have it happen.
    let failures =
        ["down", "silent", "broken off", "too late", "an error", "a page", "not signed by the issuer"];
    let failures = failures.into_iter().chain(["another list", "another issuer's", "expired"]);
    let failures = failures.chain(["from the future", "undated", "more than may be"]);
    let mut skipped = vec!["the first requests wait for what the issuer published".to_owned()];
    skipped.push("a token that needs both documents waits for both".to_owned());
    skipped.extend(failures.map(|what| format!("nobody has anything to go by: {what}")));
    skipped.push("where the feed is missing, every token waits in vain".to_owned());
    skipped.push(
        "a token that is known is refused once its list says so, and allowed once it says otherwise"
            .to_owned(),
    );
    let feeds = [
        r#"{"jti":["t-1"]}"#,
        r#"{"sub":["ben"]}"#,
        r#"{"sid":["s-1"]}"#,
        r#"{"issued_before":{"all":"+2m"}}"#,
        r#"{"issued_before":{"sub":{"ben":"+2m"}}}"#,
    ];
    skipped
        .extend(feeds.map(|feed| format!("a token that is known is refused once the feed says so: {feed}")));
    skipped.push(
        "an issuer that is down costs nobody anything within the budget, and everybody access after it"
            .to_owned(),
    );
    skipped.push("a route that does without uses what it has for longer".to_owned());
    skipped.extend(
        [r#"{"iat":"-1s"}"#, r#"{"exp":"-1m"}"#]
            .map(|claims| format!("an old document takes nothing back: {claims}")),
    );
    skipped.extend(
        ["a status list", "a feed"]
            .map(|what| format!("a key that its issuer takes back takes along what it signed: {what}")),
    );
    let skipped: Vec<&str> = skipped.iter().map(String::as_str).collect();
    passes("revocation.yaml", ENVOY, 35, &skipped, &[])
}

#[test]
fn upstream_tokens() -> Result<()> {
    // Where the token service fails, or time passes, `tests/tests/exchange/upstream.rs` and `hops.rs` beside this have it happen.
    let mut skipped: Vec<String> = vec![
        "one exchange serves until its token is to be renewed, and then nobody waits".to_owned(),
        "all who want the same token wait for one".to_owned(),
    ];
    let refusals = ["invalid_grant", "invalid_target", "access_denied"];
    skipped.extend(refusals.map(|error| format!("the token service refuses: {error}")));
    skipped.push("a refusal takes back what was given".to_owned());
    let wrong =
        ["for-others", "for-others-too", "of-another", "by-another", "by-nobody", "broad", "too-long"];
    let wrong = wrong.into_iter().chain(["over"]);
    skipped.extend(wrong.map(|token| format!("what comes is not what was asked for: {token}")));
    let failures = ["down", "silent", "broken off", "too late", "an error", "a page", "half an answer"];
    let failures = failures.into_iter().chain(["the gateway is not let in", "another kind of token"]);
    skipped.extend(failures.map(|what| format!("the token service fails: {what}")));
    skipped.extend(
        [
            "a failure that passes is not seen",
            "a token service that is down costs no token that it has given",
            "the gateway's own token is there before anyone asks, and is renewed while nobody waits",
        ]
        .map(str::to_owned),
    );
    let skipped: Vec<&str> = skipped.iter().map(String::as_str).collect();
    passes("upstream-tokens.yaml", ENVOY, 4, &skipped, &[])
}

#[test]
fn step_up_admin() -> Result<()> {
    // The policies decide by the day and the hour.
    let folder =
        countersign_tests::root().join("target/envoy").join(format!("step-up-{}", std::process::id()));
    let file = moved::step_up_admin(&folder)?;
    assert!(file.ends_with("step-up-admin.yaml"));
    for (gateway, not_run) in both_of(&file, ENVOY, 8, &[], &[])? {
        assert!(not_run.is_empty(), "{gateway}: {:?}", reasons(&not_run));
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

#[test]
fn wires() -> Result<()> {
    // What is decided, and what is refused with what. All else is about the simulator.
    let file = countersign_tests::root().join("tests/scenarios").join("wires.yaml");
    for (gateway, start) in [("Envoy", ENVOY), ("the simulator", SIMULATOR)] {
        let (ran, served) = scenarios::run(&file, start)?;
        let (skipped, run): (Vec<Ran>, Vec<Ran>) = ran.into_iter().partition(|case| case.skipped.is_some());
        assert_eq!(reasons(&skipped), BTreeMap::from([("it is about the simulator", 4)]), "{gateway}");
        let wrong: Vec<&String> = run.iter().flat_map(|case| &case.failures).collect();
        assert!(wrong.is_empty(), "{gateway}: {wrong:?}");
        assert_eq!((run.len(), served), (4, 1), "{gateway}");
    }
    Ok(())
}

/// Runs a file about a module on Envoy: how many cases pass, and how many cannot be run, for each reason.
fn module_passes(name: &str, passed: usize, skipped: &[(&str, usize)]) -> Result<()> {
    let file = countersign_tests::root().join("tests/scenarios").join(name);
    let (not_run, run): (Vec<Ran>, Vec<Ran>) =
        scenarios::run_module(&file)?.into_iter().partition(|case| case.skipped.is_some());
    let wrong: Vec<String> = run
        .iter()
        .flat_map(|case| case.failures.iter().map(|line| format!("{}: {line}", case.name)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("Envoy: {name}: {} cases pass, not run: {:?}", run.len(), reasons(&not_run));
    assert_eq!(reasons(&not_run), BTreeMap::from_iter(skipped.iter().copied()), "{name}");
    assert_eq!(run.len(), passed, "{name}");
    Ok(())
}

#[test]
fn any_module() -> Result<()> {
    let skipped = [
        ("it looks at what goes on without a request", 1),
        ("it counts what only the simulator counts", 1),
        ("it has VMs fail", 2),
        ("it has host calls fail", 1),
        ("it has several workers", 1),
        ("it holds requests", 3),
        ("it has somebody refuse connections or stay silent", 3),
        ("it makes up properties", 4),
        ("it moves the time", 1),
    ];
    module_passes("any-module.yaml", 25, &skipped)
}

#[test]
fn connections() -> Result<()> {
    let skipped = [
        ("it has several workers", 1),
        ("it has VMs fail", 1),
        ("it shows a certificate without its private key", 1),
    ];
    module_passes("connections.yaml", 15, &skipped)
}
