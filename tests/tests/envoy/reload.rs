//! A running Envoy takes a new configuration up, and keeps the old one where the new one is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use countersign_tests::bootstrap::{Bootstrap, countersign, direct, discovered, discovery};
use countersign_tests::client::Client;
use countersign_tests::envoy::Envoy;
use countersign_tests::flow::{EnvoyGateway, Gateway, Issuing, World};
use countersign_tests::http::{Request, Response};
use countersign_tests::services::KeyMode;
use serde_json::{Value, json};

/// A configuration that leaves one path open, as a marker of which one is in force.
fn configuration(open: &str) -> Result<Value> {
    let image = countersign_tests::policies::image(
        "entity User, Thing; action read appliesTo { principal: User, resource: Thing };",
        "permit (principal, action, resource);",
    )?;
    Ok(json!({
        "version": 1,
        "routes": [{ "name": "open", "methods": ["GET"], "path": open, "profile": "public" }],
        "policy": { "image": countersign_tests::policies::base64(&image) },
    }))
}

fn deploy(file: &Path, configuration: &str) -> Result<()> {
    let module = Envoy::module()?;
    let document = discovery(&countersign(&module.to_string_lossy(), configuration));
    let new = file.with_extension("new");
    fs::write(&new, document.to_string())?;
    Ok(fs::rename(new, file)?)
}

/// A folder of the test's own, and the file in it that Envoy watches.
fn place(name: &str) -> Result<(PathBuf, PathBuf)> {
    let folder = format!("{name}-{}", std::process::id());
    let folder = countersign_tests::root().join("target/envoy").join(folder);
    fs::create_dir_all(&folder)?;
    Ok((folder.clone(), folder.join("filter.json")))
}

fn until(what: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
    let since = Instant::now();
    while !holds()? {
        ensure!(since.elapsed() < Duration::from_secs(20), "{what} did not come about");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn a_good_configuration_is_taken_up_and_a_bad_one_changes_nothing() -> Result<()> {
    let (folder, file) = place("reload")?;
    deploy(&file, &configuration("/first")?.to_string())?;
    let config = Bootstrap::default().filter(discovered(&file.to_string_lossy())).route(direct("/", 200));
    let envoy = Envoy::start(&config.to_json().to_string())?;
    let client = Client::plain(envoy.listener("gateway")?);
    let status = |path: &str| Ok::<_, anyhow::Error>(client.send(&Request::get(path))?.status);
    until("the first configuration", || Ok(status("/first")? == 200))?;
    assert_eq!(status("/second")?, 403);

    deploy(&file, &configuration("/second")?.to_string())?;
    until("the second configuration", || Ok(status("/second")? == 200))?;
    assert_eq!(status("/first")?, 403);

    let mut bad = configuration("/third")?;
    bad["routes"][0]["methods"] = json!(["get"]);
    deploy(&file, &bad.to_string())?;
    until("the refusal in the log", || Ok(envoy.log().contains("routes[0].methods")))?;
    assert_eq!((status("/second")?, status("/third")?), (200, 403));

    deploy(&file, &configuration("/third")?.to_string())?;
    until("the third configuration", || Ok(status("/third")? == 200))?;
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// Requests that wait for keys of the first configuration while the second one takes over.
#[test]
fn requests_held_across_a_reload_are_judged() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    world.key_server()?.mode(KeyMode::Delay(Duration::from_millis(1_800)));
    let (folder, file) = place("held")?;
    let first = world.configuration()?;
    let mut second = first.clone();
    second["routes"].as_array_mut().context("no routes")?.push(json!({
        "name": "second", "methods": ["GET"], "path": "/second", "profile": "public",
    }));
    deploy(&file, &first.to_string())?;
    let gateway = EnvoyGateway::start_filter(&world, discovered(&file.to_string_lossy()))?;
    let client = gateway.client(world.identity("edge"))?;
    let score = |token: &str| {
        let request =
            Request::new("POST", "/v1/tenants/acme/transfers/t-1/score").bearer(token).body("payload");
        request.header("x-countersign-principal", "root")
    };
    let (good, bad) = (score(&world.token("alice")?), score(&world.stranger.sign(&world.claims("alice")?)?));
    let answers: Vec<Response> = thread::scope(|scope| {
        let waiting = [&good, &bad].map(|request| scope.spawn(|| client.send(request)));
        until("both held", || Ok(gateway.envoy.stat("wasmcustom.countersign.held")? == 2))?;
        deploy(&file, &second.to_string())?;
        waiting.into_iter().map(|one| one.join().expect("a client's thread")).collect::<Result<_>>()
    })?;
    until("the second configuration", || Ok(client.send(&Request::get("/second"))?.status == 200))?;
    // Each was judged by the keys that it waited for, or refused; the one signed by somebody else did not pass.
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert!(matches!(statuses[..], [200 | 503, 401 | 503]), "{statuses:?}");
    let audit = gateway.audit(2)?;
    let lines = audit.iter().filter(|line| line["route"] == "score-transfer");
    assert_eq!(lines.count(), 2, "{audit:?}");
    until("the new worker's keys", || Ok(client.send(&good)?.status == 200))?;
    assert_eq!(client.send(&bad)?.status, 401);
    fs::remove_dir_all(folder)?;
    Ok(())
}

#[test]
fn envoy_does_not_start_with_a_bad_configuration() -> Result<()> {
    let module = Envoy::module()?;
    for (text, place) in [
        ("{", "configuration:"),
        (r#"{"version":1,"routes":[],"policy":{},"extra":1}"#, "extra"),
        (r#"{"version":2,"routes":[],"policy":{}}"#, "version"),
    ] {
        let config =
            Bootstrap::default().filter(countersign(&module.to_string_lossy(), text)).route(direct("/", 200));
        let Err(error) = Envoy::start(&config.to_json().to_string()) else {
            anyhow::bail!("Envoy started with `{text}`");
        };
        let error = error.to_string();
        assert!(error.contains("configuration:") && error.contains(place), "{text}: {error}");
    }
    Ok(())
}
