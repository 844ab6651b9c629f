//! `countersign serve`: the flow's request through the command, over mutual TLS.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use countersign_tests::client::Client;
use countersign_tests::flow::{Issuing, World};
use countersign_tests::http::Request;
use countersign_tests::pki::Authority;
use countersign_tests::services;

const HOST: &str = "gateway.bank.example";

/// Ends the command with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write(name: &str, text: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("serve");
    fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

#[test]
fn a_request_passes_and_one_is_refused() -> Result<()> {
    let command = countersign_tests::root().join("target/release/countersign");
    ensure!(command.exists(), "the command is not built, run `cargo build --release --bin countersign`");
    let world = World::start(Issuing::BuiltIn)?;
    let authority = Authority::new("gateway")?;
    let server = authority.server(HOST)?;
    let mut serve = Command::new(command);
    serve.current_dir(countersign_tests::root()).args(["serve", "--listen", "127.0.0.1:0", "--workers", "2"]);
    serve.arg("--config").arg(write("config.json", &world.configuration()?.to_string())?);
    serve.arg("--upstream").arg(format!("http://{}", world.service.address()));
    serve.arg("--tls-cert").arg(write("gateway.pem", &server.certificate_pem)?);
    serve.arg("--tls-key").arg(write("gateway-key.pem", &server.key_pem)?);
    serve.arg("--client-ca").arg(write("ca.pem", world.authority.certificate_pem())?);
    serve.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(serve.spawn()?);
    let mut said = BufReader::new(running.0.stderr.take().context("no standard error")?).lines();
    let mut audit = BufReader::new(running.0.stdout.take().context("no standard output")?).lines();
    let address = loop {
        let line = said.next().context("the command ended at once")??;
        if let Some((_, address)) = line.split_once("https://") {
            break address.parse::<SocketAddr>()?;
        }
    };
    let client = Client::tls(address, HOST, &authority, world.identity("edge"))?;
    let path = "/v1/tenants/acme/transfers/t-1001/score";

    let refused = client.send(&Request::new("POST", path))?;
    ensure!(refused.status == 401 && refused.parse()?["reason"] == "token.missing", "{}", refused.text());
    let record: serde_json::Value = serde_json::from_str(&audit.next().context("no audit line")??)?;
    assert_eq!(record["decision_id"], refused.parse()?["decision_id"]);

    let allowed = client.send(&Request::new("POST", path).bearer(&world.token("alice")?))?;
    ensure!(allowed.status == 200, "{}", allowed.text());
    assert_eq!(services::header(&allowed.parse()?, "x-countersign-principal"), Some("alice"));
    let record: serde_json::Value = serde_json::from_str(&audit.next().context("no audit line")??)?;
    assert_eq!(record["decision"], "allow");

    // Told to end, it ends well.
    ensure!(Command::new("kill").args(["-INT", &running.0.id().to_string()]).status()?.success());
    ensure!(running.0.wait()?.success());
    Ok(())
}

#[test]
fn changed_certificates_are_taken_up_and_bad_ones_are_told() -> Result<()> {
    let world = World::start(Issuing::BuiltIn)?;
    let [old, new] = [Authority::new("old")?, Authority::new("new")?];
    let first = old.server(HOST)?;
    let mut serve = Command::new(countersign_tests::root().join("target/release/countersign"));
    serve.current_dir(countersign_tests::root()).args(["serve", "--listen", "127.0.0.1:0", "--no-admin"]);
    serve.arg("--config").arg(write("renewed.json", &world.configuration()?.to_string())?);
    serve.arg("--upstream").arg(format!("http://{}", world.service.address()));
    serve.arg("--tls-cert").arg(write("renewed.pem", &first.certificate_pem)?);
    serve.arg("--tls-key").arg(write("renewed-key.pem", &first.key_pem)?);
    serve.arg("--client-ca").arg(write("renewed-ca.pem", world.authority.certificate_pem())?);
    serve.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Running(serve.spawn()?);
    let mut said = BufReader::new(running.0.stderr.take().context("no standard error")?).lines();
    let mut says = |part: &str| -> Result<String> {
        loop {
            let line = said.next().context("the command ended")??;
            if let Some((_, rest)) = line.split_once(part) {
                return Ok(rest.to_owned());
            }
        }
    };
    let address: SocketAddr = says("listening on https://")?.parse()?;
    let status = |authority: &Authority| -> Result<u16> {
        let client = Client::tls(address, HOST, authority, world.identity("edge"))?;
        Ok(client.send(&Request::get("/"))?.status)
    };
    let before = status(&old)?;
    ensure!(status(&new).is_err());

    // A certificate whose key is not there yet.
    let second = new.server(HOST)?;
    write("renewed.pem", &second.certificate_pem)?;
    says("certificates stay")?;
    ensure!(status(&old)? == before && status(&new).is_err());
    write("renewed-key.pem", &second.key_pem)?;
    says("reloaded certificates")?;
    ensure!(status(&new)? == before && status(&old).is_err());
    Ok(())
}

#[test]
fn a_cluster_that_nothing_calls_is_refused() -> Result<()> {
    let command = countersign_tests::root().join("target/release/countersign");
    let run = |more: &[&str]| {
        let mut command = Command::new(&command);
        command.current_dir(countersign_tests::root());
        command
            .args(["serve", "-c", "examples/envoy/countersign.yaml", "--listen", "127.0.0.1:0"])
            .args(more)
            .output()
    };
    for (arguments, message) in [
        (
            ["--upstream", "http://127.0.0.1:1", "--cluster", "typo=http://127.0.0.1:1"],
            "(`issuer`), found `typo`",
        ),
        (["--upstream", "http://127.0.0.1:1/base", "--workers", "1"], "and no more, found `/base` after it"),
        (["--upstream", "http://:80", "--workers", "1"], "expected `http://HOST:PORT`"),
        (["--upstream", "https://127.0.0.1:1", "--workers", "1"], "expected `--upstream-ca FILE`"),
        (
            ["--upstream", "http://127.0.0.1:1", "--module", "no/such.wasm"],
            "no/such.wasm: expected the filter's module",
        ),
    ] {
        let output = run(&arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(2) && said.contains(message), "{arguments:?}: {said}");
    }
    Ok(())
}
