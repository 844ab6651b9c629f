//! A running Envoy takes a new configuration up, and keeps the old one where the new one is refused.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_tests::bootstrap::{Bootstrap, countersign, direct, discovered, discovery};
use countersign_tests::client::Client;
use countersign_tests::envoy::Envoy;
use countersign_tests::http::Request;
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
    let folder =
        countersign_tests::root().join("target/envoy").join(format!("reload-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let file = folder.join("filter.json");
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
