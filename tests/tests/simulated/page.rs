//! The page of `countersign serve`, in a real browser.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use countersign_tests::client::Client;
use countersign_tests::flow::{Issuing, World};
use countersign_tests::http::Request;
use countersign_tests::pki::Authority;

const HOST: &str = "gateway.bank.example";
const PATH: &str = "/v1/tenants/acme/transfers/t-1001/score";

/// Ends a process with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("page")
}

fn write(name: &str, text: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder())?;
    let path = folder().join(name);
    fs::write(&path, text)?;
    Ok(path)
}

#[test]
fn decisions_show_live_and_are_sent_again_with_a_change() -> Result<()> {
    let root = countersign_tests::root();
    let scripts = root.join("tests/browser");
    ensure!(
        scripts.join("node_modules").is_dir(),
        "the browser's driver is missing, run `cargo xtask setup`"
    );
    let world = World::start(Issuing::BuiltIn)?;
    let authority = Authority::new("gateway")?;
    let server = authority.server(HOST)?;
    let mut serve = Command::new(root.join("target/release/countersign"));
    serve.current_dir(&root).args(["serve", "--listen", "127.0.0.1:0"]);
    serve.arg("--config").arg(write("config.json", &world.configuration()?.to_string())?);
    serve.arg("--upstream").arg(format!("http://{}", world.service.address()));
    serve.arg("--tls-cert").arg(write("gateway.pem", &server.certificate_pem)?);
    serve.arg("--tls-key").arg(write("gateway-key.pem", &server.key_pem)?);
    serve.arg("--client-ca").arg(write("ca.pem", world.authority.certificate_pem())?);
    serve.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Running(serve.spawn()?);
    let mut said = BufReader::new(running.0.stderr.take().context("no standard error")?).lines();
    let mut find = |before: &str| -> Result<String> {
        loop {
            let line = said.next().context("the command ended at once")??;
            if let Some((_, rest)) = line.split_once(before) {
                return Ok(rest.to_owned());
            }
        }
    };
    let address: SocketAddr = find("listening on https://")?.parse()?;
    let page = find("decisions are shown at ")?;
    let client = Client::tls(address, HOST, &authority, world.identity("edge"))?;
    let token = world.token("alice")?;

    let mut node = Command::new("node");
    node.current_dir(&scripts).arg("page.mjs").args([&page, &token]).arg(folder());
    let mut browser = Running(node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut input = browser.0.stdin.take().context("no standard input")?;
    let mut output = BufReader::new(browser.0.stdout.take().context("no standard output")?).lines();
    let mut line = || output.next().context("the browser ended early")?.context("unreadable");

    ensure!(line()? == "open");
    ensure!(client.send(&Request::new("POST", PATH))?.status == 401);
    ensure!(client.send(&Request::new("POST", PATH).bearer(&token))?.status == 200);
    let hostile = Request::get("/x'onerror=alert(1)//\"{}")
        .header("user-agent", "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>");
    ensure!(client.send(&hostile)?.status >= 400);
    writeln!(input, "sent")?;
    ensure!(line()? == "paused");
    client.send(&Request::new("POST", PATH))?;
    writeln!(input, "more")?;
    let seen: serde_json::Value = serde_json::from_str(&line()?)?;
    let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
    let rows = |name: &str| seen[name].as_array().cloned().unwrap_or_default();

    assert_eq!(seen["faults"], serde_json::json!([]), "{seen:#}");
    assert_eq!(seen["empty"], 0);
    // The newest first.
    assert_eq!(rows("rows").len(), 3, "{seen:#}");
    let allowed = rows("rows")[1].as_str().unwrap_or_default().to_owned();
    assert!(allowed.contains("allow 200") && allowed.contains("User::\"alice\""), "{allowed}");
    assert!(rows("rows")[2].as_str().unwrap_or_default().contains("token · token.missing"), "{seen:#}");
    assert_eq!(rows("filtered").len(), 1);
    assert_eq!((&seen["without"], &seen["refused"]), (&2.into(), &2.into()));
    assert!(text("hostile").contains("<img src=x onerror=\"window.hacked=1\">"), "{}", text("hostile"));
    assert_eq!((&seen["elements"], &seen["hacked"]), (&0.into(), &true.into()));
    assert_eq!(seen["leaked"], false);
    assert!(text("detail").contains("Bearer (secret, "), "{}", text("detail"));
    assert!(text("before").contains("allow 200"), "{seen:#}");
    assert!(
        text("replayed").contains("deny 403") && text("replayed").contains("policy.forbidden"),
        "{seen:#}"
    );
    assert_eq!((&seen["paused"], &seen["resumed"]), (&4.into(), &5.into()));
    Ok(())
}
