//! How root contexts end, and responses of which a filter holds too much: in the simulator and in real Envoy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_host_sim::{Engine, Limits, Request as SimRequest, Response as SimResponse, ResponseOutcome};
use countersign_tests::bootstrap::{Bootstrap, direct, discovered, discovery, offered_all, to_cluster};
use countersign_tests::client::Client;
use countersign_tests::envoy::Envoy;
use countersign_tests::http::{Request, Response};
use countersign_tests::samples::filter;
use countersign_tests::server::Server;
use serde_json::{Value, json};

const START: &str = r#"
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_done" (func $root_done (result i32)))
    (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 200)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 65536))
    (data (i32.const 100) "done") (data (i32.const 110) "tick") (data (i32.const 120) "gone") (data (i32.const 130) "logs")
    (data (i32.const 200) "response\00code_details")
    (func $say (param $text i32) (param $number i32)
      (i32.store (i32.const 300) (i32.load (local.get $text)))
      (i32.store8 (i32.const 304) (i32.const 32))
      (i32.store8 (i32.const 305) (i32.add (i32.const 48) (local.get $number)))
      (drop (call $log (i32.const 2) (i32.const 300) (i32.const 6))))"#;

/// Its root context is done at once, but for a configuration that begins with `o`: then after the next tick.
const ROOT: &str = r#"
    (global $mode (mut i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 10) (i32.const 16) (i32.const 20)))
      (global.set $mode (i32.load8_u (i32.load (i32.const 16)))) (i32.const 1))
    (func (export "proxy_on_done") (param i32) (result i32)
      (if (i32.ne (local.get 0) (i32.const 1)) (then (return (i32.const 1))))
      (call $say (i32.const 100) (call $root_done))
      (if (result i32) (i32.eq (global.get $mode) (i32.const 111))
        (then (drop (call $period (i32.const 50))) (i32.const 0)) (else (i32.const 1))))
    (func $end (param $context i32) (param $text i32)
      (if (i32.eq (local.get $context) (i32.const 1)) (then (call $say (local.get $text) (i32.const 0)))))
    (func (export "proxy_on_log") (param i32) (call $end (local.get 0) (i32.const 130)))
    (func (export "proxy_on_delete") (param i32) (call $end (local.get 0) (i32.const 120)))
    (func (export "proxy_on_tick") (param i32)
      (call $say (i32.const 110) (call $root_done)) (drop (call $period (i32.const 0))))"#;

fn module(rest: &str) -> String {
    format!("(module {START} {rest})")
}

fn written(folder: &Path, name: &str, text: &str) -> Result<String> {
    let file = folder.join(name);
    fs::write(&file, wat::parse_bytes(text.as_bytes())?)?;
    Ok(file.to_string_lossy().into_owned())
}

fn folder(name: &str) -> Result<PathBuf> {
    let folder =
        countersign_tests::root().join("target/envoy").join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// What the root context of each of Envoy's VMs says from the taking up of another configuration on, in a VM of this id.
fn replaced(folder: &Path, from: &str, vm: &str, lines: usize) -> Result<Vec<String>> {
    let file = folder.join("filter.json");
    let wasm = written(folder, "root.wasm", &module(ROOT))?;
    let deploy = |vm: &str, configuration: &str| -> Result<()> {
        let mut filter = filter(&wasm);
        filter["typed_config"]["config"]["vm_config"]["vm_id"] = json!(vm);
        filter["typed_config"]["config"]["configuration"]["value"] = json!(configuration);
        let new = file.with_extension("new");
        fs::write(&new, discovery(&filter).to_string())?;
        Ok(fs::rename(new, &file)?)
    };
    deploy("one", from)?;
    let config = Bootstrap::default().filter(discovered(&file.to_string_lossy())).route(direct("/", 200));
    let envoy = Envoy::start(&config.to_json().to_string())?;
    Client::plain(envoy.listener("gateway")?).send(&Request::get("/"))?;
    // The simulator's module goes by the first letter, which this one has too.
    deploy(vm, &format!("{from} still"))?;
    let since = Instant::now();
    loop {
        let log = envoy.log();
        let threads = said(&log);
        if threads.len() == 2 && threads.values().all(|said| said.len() >= lines) {
            // One that is not waited for says no more.
            thread::sleep(Duration::from_millis(300));
            return alike(&envoy.log());
        }
        ensure!(since.elapsed() < Duration::from_secs(20), "{threads:?}\n{log}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What VMs said on Envoy's main thread and on its worker, by thread.
fn said(log: &str) -> BTreeMap<String, Vec<String>> {
    let mut threads: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in log.lines() {
        let Some((head, said)) = line.split_once("wasm log") else { continue };
        let thread = head.split(['[', ']']).nth(3).unwrap_or_default().to_owned();
        let said = said.split_once(": ").map_or(said, |(_, said)| said);
        threads.entry(thread).or_default().push(said.to_owned());
    }
    threads
}

/// The same, which both of them said.
fn alike(log: &str) -> Result<Vec<String>> {
    let mut all = said(log).into_values();
    let (one, other) = (all.next().unwrap_or_default(), all.next());
    ensure!(Some(&one) == other.as_ref() && all.next().is_none(), "{log}");
    Ok(one)
}

#[test]
fn root_contexts_end_as_in_envoy() -> Result<()> {
    let folder = folder("endings")?;
    let engine = Engine::builder().cache_dir(None).build()?;
    for (from, restarts, expected) in [
        ("at once", true, &["done 1", "gone 0"][..]),
        ("old", true, &["done 1"]),
        ("old", false, &["done 1", "tick 0", "gone 0"]),
    ] {
        let mut host = engine.load_module(module(ROOT).as_bytes())?.host().plugin_config(from).start()?;
        if restarts {
            host.restart(0)?
        } else {
            host.reconfigure("next")?
        }
        host.advance(Duration::from_secs(1));
        let simulated: Vec<String> = host.take_logs().into_iter().map(|line| line.message).collect();
        assert_eq!(simulated, expected, "{from}");
        // Envoy keeps the VM where nothing but the configuration is another.
        let vm = if restarts { "two" } else { "one" };
        assert_eq!(replaced(&folder, from, vm, expected.len())?, expected, "{from}");
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}

#[test]
fn root_contexts_end_with_the_gateway_as_in_envoy() -> Result<()> {
    let folder = folder("shut-down")?;
    let engine = Engine::builder().cache_dir(None).build()?;
    let wasm = written(&folder, "root.wasm", &module(ROOT))?;
    for (configuration, expected) in [("at once", &["done 1", "gone 0"][..]), ("old", &["done 1"])] {
        let host =
            engine.load_module(module(ROOT).as_bytes())?.host().plugin_config(configuration).start()?;
        let simulated: Vec<String> = host.shut_down().into_iter().map(|line| line.message).collect();
        assert_eq!(simulated, expected, "{configuration}");
        let mut filter = filter(&wasm);
        filter["typed_config"]["config"]["configuration"]["value"] = json!(configuration);
        let config = Bootstrap::default().filter(filter).route(direct("/", 200));
        let mut envoy = Envoy::start(&config.to_json().to_string())?;
        Client::plain(envoy.listener("gateway")?).send(&Request::get("/"))?;
        assert_eq!(alike(&envoy.quit()?)?, expected, "{configuration}");
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}

const HOLD: &str = r#"
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (global.get $stops))
    (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.sub (i32.const 1) (local.get 2)))
    (func (export "proxy_on_log") (param i32)
      (drop (call $property (i32.const 200) (i32.const 21) (i32.const 16) (i32.const 20)))
      (drop (call $log (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20)))))"#;

#[test]
fn responses_that_are_held_beyond_the_buffer_end_as_in_envoy() -> Result<()> {
    let folder = folder("held")?;
    let engine = Engine::builder().cache_dir(None).build()?;
    // Envoy's buffers hold a megabyte.
    let body = vec![b'x'; 3 << 20];
    let sent = body.clone();
    let server = Server::start(move |_| Response::new(200).body(sent.clone()).into())?;
    for (stops, expected) in [(0, None), (1, Some((500, "Internal Server Error".to_owned())))] {
        let text = module(&format!("(global $stops i32 (i32.const {stops})) {HOLD}"));
        let limits = Limits { body_bytes: 1 << 20, ..Limits::default() };
        let host = engine.load_module(text.as_bytes())?.host().allow_on_headers_stop_iteration(true);
        let mut host = host.limits(limits).start()?;
        let chunks = body.chunks(1 << 16).fold(SimResponse::new(200), |all, chunk| all.body(chunk));
        let simulated = match host.exchange(&SimRequest::get("/"), chunks).1 {
            ResponseOutcome::None => None,
            response => response.sent().map(|message| (message.status(), message.text())),
        };
        assert_eq!(simulated, expected);
        let details = "response_payload_too_large";
        assert!(host.take_logs().iter().any(|line| line.message == details));

        let wasm = written(&folder, "hold.wasm", &text)?;
        let filter: Value = offered_all(filter(&wasm));
        let config = Bootstrap::default()
            .cluster("service", server.address())
            .filter(filter)
            .route(to_cluster("/", "service"));
        let envoy = Envoy::start(&config.to_json().to_string())?;
        let answer = Client::plain(envoy.listener("gateway")?).send(&Request::get("/"));
        // One that is broken off is no answer.
        assert_eq!(answer.ok().map(|answer| (answer.status, answer.text())), expected);
        let since = Instant::now();
        while !envoy.log().contains(details) {
            ensure!(since.elapsed() < Duration::from_secs(10), "{}", envoy.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}
