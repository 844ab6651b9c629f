//! The sample filter in several languages (`tests/modules/README.md`), run by one scenario in the simulator and in real Envoy.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use countersign_host_sim::{
    Engine, Host, LogLevel, Outcome, Request as SimRequest, Response as SimResponse, ResponseOutcome,
    Upstream, UpstreamReply,
};
use serde_json::{Value, json};

use crate::bootstrap::{Bootstrap, to_cluster};
use crate::client::Client;
use crate::envoy::Envoy;
use crate::http::{Request, Response};
use crate::server::Server;

/// The configurations that the filter is given.
const VM_CONFIGURATION: &str = "the VM's";
const CONFIGURATION: &str = "hello";

/// A filter that is built by `cargo xtask foreign-modules`.
pub struct Sample {
    /// Its name and its file's.
    pub name: &'static str,
    /// Whether it does the whole scenario.
    pub whole: bool,
    /// Whether every machine can build it.
    pub everywhere: bool,
}

/// All of them.
pub const SAMPLES: [Sample; 8] = [
    Sample { name: "assemblyscript", whole: true, everywhere: true },
    Sample { name: "assemblyscript-sdk", whole: false, everywhere: true },
    Sample { name: "cpp", whole: true, everywhere: true },
    Sample { name: "cpp-emscripten", whole: true, everywhere: false },
    Sample { name: "go", whole: true, everywhere: true },
    Sample { name: "rust", whole: true, everywhere: true },
    Sample { name: "rust-old-sdk", whole: true, everywhere: true },
    Sample { name: "rust-wasi", whole: true, everywhere: false },
];

impl Sample {
    /// Its module, if it was built; an error where it should have been.
    pub fn file(&self) -> Result<Option<PathBuf>> {
        let file = crate::root().join("target/modules").join(format!("{}.wasm", self.name));
        if file.exists() {
            return Ok(Some(file));
        }
        ensure!(!self.everywhere, "there is no {}, run `cargo xtask foreign-modules`", file.display());
        println!("skipped: `{}`: its compiler is not on this machine", self.name);
        Ok(None)
    }
}

/// What is sent, in this order: method, path, body.
const STEPS: [(&str, &str, &str); 14] = [
    ("GET", "/", ""),
    ("GET", "/local", ""),
    ("GET", "/call", ""),
    ("GET", "/call/404", ""),
    ("GET", "/call-nobody", ""),
    ("GET", "/shared", ""),
    ("GET", "/shared", ""),
    ("GET", "/properties", ""),
    ("GET", "/log", ""),
    ("GET", "/output", ""),
    ("GET", "/library", ""),
    ("POST", "/body", "some body"),
    ("POST", "/other", "some body"),
    ("GET", "/another", ""),
];

/// Headers that are the filter's business.
const HEADERS: [&str; 9] = [
    "content-type",
    "x-absent",
    "x-found",
    "x-greeting",
    "x-helper",
    "x-removed",
    "x-replaced",
    "x-reply",
    "x-seen",
];

/// What came of the scenario.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    /// For each step, what the service saw, if it did, and what the client got.
    pub steps: Vec<Value>,
    /// Metrics by name.
    pub metrics: Vec<(String, u64)>,
    /// What was logged while the module started, and by streams.
    pub logs: Vec<String>,
    /// Whether ticks came, where the filter tells.
    pub ticked: bool,
    /// The status of a request that makes it panic, and of the next.
    pub panic: (u16, u16),
}

fn step(path: &str, upstream: Value, status: u16, headers: Value, body: &[u8]) -> Value {
    json!({
        "path": path, "upstream": upstream, "status": status, "headers": headers,
        "body": String::from_utf8_lossy(body),
    })
}

/// The headers that count, in the order of their names.
fn counted<'a>(fields: impl Iterator<Item = (String, &'a [u8])>) -> Value {
    let fields =
        fields.map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(value).into_owned()));
    let mut fields: Vec<_> = fields.filter(|(name, _)| HEADERS.contains(&name.as_str())).collect();
    fields.sort();
    json!(fields)
}

/// The scenario in the simulator.
pub fn simulate(engine: &Engine, module: &[u8]) -> Result<Seen> {
    let helper = Upstream::new()
        .on("/helper", [UpstreamReply::ok("helped")])
        .on("/helper/404", [UpstreamReply::status(404)]);
    let mut host = engine
        .load_module(module)?
        .host()
        .names("sample", "", "samples")
        .vm_config(VM_CONFIGURATION)
        .plugin_config(CONFIGURATION)
        .clock_at(1_800_000_000)
        .cluster("helper", helper)
        .start()?;
    let mut seen = Seen { logs: logged(&mut host), ..Seen::default() };
    for (method, path, body) in STEPS {
        let step = simulated(&mut host, method, path, body)?;
        seen.steps.push(step);
        seen.logs.extend(logged(&mut host));
    }
    let metrics = host.metrics();
    seen.metrics.push(("sample.requests".to_owned(), metrics.counter("sample.requests")));
    seen.metrics.push(("sample.open".to_owned(), metrics.gauge("sample.open").unwrap_or(0)));
    host.advance(Duration::from_millis(100));
    seen.ticked = simulated(&mut host, "GET", "/ticks", "")?["body"] == "ticked true";
    let mut status = |path| simulated(&mut host, "GET", path, "").map(|step| step["status"].as_u64());
    let panic = (status("/panic")?, status("/")?);
    seen.panic = (panic.0.unwrap_or(0) as u16, panic.1.unwrap_or(0) as u16);
    Ok(seen)
}

fn simulated(host: &mut Host, method: &str, path: &str, body: &str) -> Result<Value> {
    let mut request = SimRequest::new(method, path)
        .authority("samples.example")
        .header("x-removed", "from the client")
        .header("x-replaced", "from the client");
    if !body.is_empty() {
        request = request.header("content-length", body.len().to_string()).body(body);
    }
    let stream = host.request(&request);
    host.advance(Duration::from_millis(5));
    let mut upstream = Value::Null;
    if let Outcome::Forwarded(message) = host.outcome(stream) {
        upstream = json!({
            "headers": counted(message.headers.iter().map(|(name, value)| (text(name), value))),
            "body": String::from_utf8_lossy(&message.body),
        });
        let answer = SimResponse::new(200)
            .header("content-type", "text/x-service")
            .header("content-length", "16")
            .body("from the service");
        host.respond(stream, answer);
    }
    let (status, headers, body) = match (host.outcome(stream), host.response(stream)) {
        (Outcome::Failed(_), _) | (_, ResponseOutcome::Failed(_)) => (503, json!([]), Vec::new()),
        (_, ResponseOutcome::Sent(message)) => {
            let fields = message.headers.iter().map(|(name, value)| (text(name), value));
            (message.status(), counted(fields), message.body)
        }
        (Outcome::Reply(reply), _) | (_, ResponseOutcome::Reply(reply)) => {
            let fields = reply.headers.iter().map(|(name, value)| (text(name), value));
            (reply.status, counted(fields), reply.body)
        }
        (outcome, response) => bail!("{path}: {outcome:?}, {response:?}"),
    };
    host.close(stream);
    Ok(step(path, upstream, status, headers, &body))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn logged(host: &mut Host) -> Vec<String> {
    let name = |level| match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warning",
        LogLevel::Error => "error",
        LogLevel::Critical => "critical",
    };
    host.take_logs().into_iter().map(|line| format!("{} {}", name(line.level), line.message)).collect()
}

/// The wasm filter with a module, as Envoy is told of it.
pub fn filter(module: &str) -> Value {
    let text =
        |value: &str| json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": value });
    json!({
        "name": "sample",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "sample",
                "vm_config": {
                    "vm_id": "samples",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                    "configuration": text(VM_CONFIGURATION),
                },
                "configuration": text(CONFIGURATION),
            },
        },
    })
}

/// The scenario in real Envoy.
pub fn in_envoy(module: &str) -> Result<Seen> {
    let seen_upstream: Arc<Mutex<Option<Request>>> = Arc::default();
    let kept = Arc::clone(&seen_upstream);
    let server = Server::start(move |request| {
        let answer = |status, body: &str| {
            let mut response = Response::new(status).header("content-type", "text/x-service");
            response.body = body.as_bytes().to_vec();
            response.into()
        };
        match request.path() {
            "/helper" => answer(200, "helped"),
            "/helper/404" => answer(404, ""),
            _ => {
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.clone());
                answer(200, "from the service")
            }
        }
    })?;
    let bootstrap = Bootstrap::default()
        .cluster("helper", server.address())
        .cluster("service", server.address())
        .filter(filter(module))
        .route(to_cluster("/", "service"));
    let mut command = Command::new(Envoy::binary()?);
    command.args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
    let envoy = Envoy::start_with(&bootstrap.to_json().to_string(), &mut command)?;
    let client = Client::plain(envoy.listener("gateway")?);
    let send = |method: &str, path: &str, body: &str| -> Result<Value> {
        let request = Request::new(method, path)
            .header("x-removed", "from the client")
            .header("x-replaced", "from the client")
            .body(body);
        let answer = client.send(&request).with_context(|| format!("{method} {path}"))?;
        let fields = |fields: &crate::http::Fields| {
            counted(fields.iter().map(|(name, value)| (name.clone(), value.as_slice())))
        };
        let upstream = seen_upstream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let upstream = upstream.map_or(Value::Null, |request| {
            json!({ "headers": fields(&request.headers), "body": String::from_utf8_lossy(&request.body) })
        });
        Ok(step(path, upstream, answer.status, fields(&answer.headers), &answer.body))
    };
    let mut seen = Seen::default();
    for (method, path, body) in STEPS {
        seen.steps.push(send(method, path, body)?);
    }
    let since = Instant::now();
    // A stream's last callbacks may come after its answer.
    while envoy.stat("wasmcustom.sample.requests")? < STEPS.len() as u64 {
        ensure!(since.elapsed() < Duration::from_secs(10), "not every stream has ended");
        thread::sleep(Duration::from_millis(10));
    }
    seen.metrics = ["sample.requests", "sample.open"]
        .into_iter()
        .map(|name| Ok((name.to_owned(), envoy.stat(&format!("wasmcustom.{name}"))?)))
        .collect::<Result<_>>()?;
    seen.logs = module_log(&envoy.log());
    seen.ticked = loop {
        let told = send("GET", "/ticks", "")?["body"].clone();
        if told != "ticked false" {
            break told == "ticked true";
        }
        ensure!(since.elapsed() < Duration::from_secs(20), "no tick came");
        thread::sleep(Duration::from_millis(10));
    };
    let status = |path| send("GET", path, "").map(|step| step["status"].as_u64().unwrap_or(0) as u16);
    seen.panic = (status("/panic")?, status("/")?);
    Ok(seen)
}

/// What the module logged, with levels. Envoy starts it three times: to see whether it can be, for its main thread, and for its
/// worker; the lines of the root context, which name no plugin, are taken once.
fn module_log(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| {
        let (head, line) = line.split_once("wasm log ")?;
        let (who, message) = line.split_once(": ").or_else(|| line.strip_suffix(':').map(|who| (who, "")))?;
        let level = head.split(['[', ']']).nth(5)?;
        Some((who.contains("sample "), format!("{level} {message}")))
    });
    let mut out: Vec<String> = Vec::new();
    for (stream, line) in lines {
        if stream || !out.contains(&line) {
            out.push(line);
        }
    }
    out
}
