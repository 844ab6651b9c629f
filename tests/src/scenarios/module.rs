//! Scenario files about any module, on real Envoy: an Envoy for each case, clusters and a service that answer as the file says.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use countersign_cli::live::{
    self, Answers, Called, Exchanged, ModuleGateway, ModuleRequest, NotStarted, Plugin, Ran, Reply, Scenarios,
};
use countersign_host_sim::{HeaderMap, LogLevel, Message, Response as SimResponse};
use serde_json::{Value, json};

use crate::bootstrap::{Bootstrap, to_cluster};
use crate::envoy::Envoy;
use crate::http::{Fields, Request, Response};
use crate::server::{Answer, Server};

/// How long an exchange may take.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// What Envoy adds to messages by itself, or says in their framing.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "date",
    "server",
    "transfer-encoding",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// Runs a scenario file about a module on real Envoy. Returns how each case went.
pub fn run_module(file: &Path) -> Result<Vec<Ran>> {
    let scenarios = Scenarios::load(file).map_err(|error| anyhow!(error))?;
    Ok(scenarios.run_module(&|plugin, clusters| match EnvoyModule::start(plugin, clusters) {
        Ok(gateway) => Ok(Box::new(gateway) as Box<dyn ModuleGateway>),
        Err(error) => {
            // An Envoy that ends shows the end of its log.
            let message = format!("{error:#}");
            Err(NotStarted { logs: logged(&message), message })
        }
    }))
}

/// A request that has reached the service, and where its answer goes.
type Asked = (Request, Sender<Answer>);

/// Envoy with a module.
struct EnvoyModule {
    envoy: Envoy,
    listener: SocketAddr,
    service: Receiver<Asked>,
    calls: Arc<Mutex<Vec<Called>>>,
    /// How much of the log was read.
    read: usize,
    folder: PathBuf,
    _servers: Vec<Server>,
}

impl EnvoyModule {
    fn start(plugin: &Plugin, clusters: BTreeMap<String, Answers>) -> Result<Self> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::SeqCst);
        let folder =
            crate::root().join("target/envoy").join(format!("module-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let module = folder.join("module.wasm");
        fs::write(&module, &plugin.module)?;
        let calls: Arc<Mutex<Vec<Called>>> = Arc::default();
        let (send, service) = channel::<Asked>();
        let send = Mutex::new(send);
        let forwarded = Server::start(move |request| {
            let (reply, answer) = channel();
            let sent = send.lock().unwrap_or_else(PoisonError::into_inner).send((request.clone(), reply));
            sent.ok().and_then(|()| answer.recv().ok()).unwrap_or(Answer::HangUp)
        })?;
        let mut bootstrap = Bootstrap { trailers: true, ..Bootstrap::default() }
            .cluster("service", forwarded.address())
            .filter(filter(plugin, &module)?)
            .route(to_cluster("/", "service"));
        let mut servers = vec![forwarded];
        for (name, answers) in clusters {
            let (answers, calls, cluster) = (Mutex::new(answers), Arc::clone(&calls), name.clone());
            let server = Server::start(move |request| {
                let message = message(request);
                let next = answers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .next(&message.headers, &message.body);
                let called = Called { cluster: cluster.clone(), message };
                calls.lock().unwrap_or_else(PoisonError::into_inner).push(called);
                next.map_or_else(|| Response::new(404).into(), |answer| given(&answer))
            })?;
            bootstrap = bootstrap.cluster(&name, server.address());
            servers.push(server);
        }
        let mut command = Command::new(Envoy::binary()?);
        command.args(["--log-level", "warning", "--component-log-level"]);
        command.arg(format!("wasm:{}", plugin.log_level));
        let envoy = Envoy::start_with(&bootstrap.to_json().to_string(), &mut command);
        // Envoy has read it by now.
        let _ = fs::remove_dir_all(&folder);
        let envoy = envoy?;
        let listener = envoy.listener("gateway")?;
        Ok(Self { envoy, listener, service, calls, read: 0, folder, _servers: servers })
    }

    fn exchanged(
        &mut self,
        request: &ModuleRequest,
        answer: &mut dyn FnMut(&Message) -> Result<live::Answer, String>,
    ) -> Result<Exchanged> {
        let before = self.metrics()?;
        let (method, bytes) = written(request)?;
        let (to, (done, answered)) = (self.listener, channel());
        thread::spawn(move || {
            let ask = || -> Result<Response> {
                let mut socket = TcpStream::connect(to)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.write_all(&bytes)?;
                Response::read(&mut BufReader::new(socket), &method)
            };
            // Who waited for it may have gone.
            let _ = done.send(ask());
        });
        let (since, mut upstream) = (Instant::now(), None);
        let client = loop {
            if let Ok((request, reply)) = self.service.recv_timeout(PAUSE) {
                ensure!(upstream.is_none(), "a request reached the service twice");
                let asked = message(&request);
                let answer = answer(&asked).map_err(|error| anyhow!(error))?;
                let _ = reply.send(given(&answer));
                upstream = Some(asked);
            }
            if let Ok(client) = answered.try_recv() {
                break client;
            }
            ensure!(since.elapsed() < PATIENCE, "the client has no answer");
        };
        while self.envoy.stat("http.gateway.downstream_rq_active")? > 0 {
            ensure!(since.elapsed() < PATIENCE, "the request does not end");
            thread::sleep(PAUSE);
        }
        let log = self.envoy.log();
        let logs = logged(log.get(self.read..).unwrap_or_default());
        self.read = log.len();
        let metrics = self.metrics()?.into_iter();
        Ok(Exchanged {
            upstream,
            // What breaks off is no answer.
            downstream: client.ok().map(|response| Message {
                headers: headers([(":status", response.status.to_string().into_bytes())], &response.headers),
                body: response.body,
                trailers: headers([], &response.trailers),
            }),
            calls: std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner)),
            logs,
            metrics: metrics.map(|(name, now)| (name.clone(), (before.get(&name).copied(), now))).collect(),
        })
    }

    /// The module's counters and gauges.
    fn metrics(&self) -> Result<BTreeMap<String, u64>> {
        let stats = self.envoy.admin_get("/stats?format=json")?.parse()?;
        let all = stats["stats"].as_array().context("no stats")?;
        let own = |stat: &Value| {
            let name = stat["name"].as_str()?.strip_prefix("wasmcustom.")?;
            Some((name.to_owned(), stat["value"].as_u64()?))
        };
        Ok(all.iter().filter_map(own).collect())
    }
}

impl Drop for EnvoyModule {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl ModuleGateway for EnvoyModule {
    fn exchange(
        &mut self,
        request: &ModuleRequest,
        answer: &mut dyn FnMut(&Message) -> Result<live::Answer, String>,
    ) -> Result<Exchanged, String> {
        self.exchanged(request, answer).map_err(|error| format!("{error:#}"))
    }
}

/// The module as Envoy is told of it.
fn filter(plugin: &Plugin, module: &Path) -> Result<Value> {
    let text = |bytes: &[u8]| -> Result<Value> {
        let value = std::str::from_utf8(bytes).context("a configuration that is no text")?;
        Ok(json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": value }))
    };
    let [name, root, vm] = &plugin.names;
    Ok(json!({
        "name": "module",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": name,
                "root_id": root,
                "allow_on_headers_stop_iteration": plugin.allow_on_headers_stop_iteration,
                "vm_config": {
                    "vm_id": vm,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module.to_string_lossy() } },
                    "configuration": text(&plugin.vm_configuration)?,
                    "environment_variables": { "key_values": plugin.environment },
                },
                "configuration": text(&plugin.configuration)?,
            },
        },
    }))
}

/// A request as it is written, and its method.
fn written(request: &ModuleRequest) -> Result<(String, Vec<u8>)> {
    let pseudo = |name: &str| request.headers.text(name).with_context(|| format!("no `{name}`"));
    let method = pseudo(":method")?;
    let mut out =
        format!("{method} {} HTTP/1.1\r\nhost: {}\r\n", pseudo(":path")?, pseudo(":authority")?).into_bytes();
    fields(&mut out, &request.headers);
    framed(
        &mut out,
        &request.body,
        request.trailers.as_ref(),
        !matches!(&*method, "GET" | "HEAD" | "DELETE"),
    );
    Ok((method, out))
}

/// What a server does that answers so.
fn given(answer: &live::Answer) -> Answer {
    thread::sleep(answer.delay);
    match &answer.reply {
        Reply::Response(response) => Answer::Raw(answer_bytes(response, true)),
        Reply::Half(response) => Answer::Raw(answer_bytes(response, false)),
        Reply::Refused | Reply::Reset | Reply::Silence => Answer::HangUp,
    }
}

/// An answer as it is written, to its end or not.
fn answer_bytes(response: &SimResponse, whole: bool) -> Vec<u8> {
    let status = response.headers.text(":status").unwrap_or_default();
    // The connection ends with the answer.
    let mut out = format!("HTTP/1.1 {status} -\r\nconnection: close\r\n").into_bytes();
    fields(&mut out, &response.headers);
    if whole {
        framed(&mut out, &response.body, response.trailers.as_ref(), status != "204" && status != "304");
    } else {
        out.extend_from_slice(b"content-length: 1000\r\n\r\n");
        out.extend(response.body.concat());
    }
    out
}

fn fields(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(b":")) {
        out.extend([name, b": ", value, b"\r\n"].concat());
    }
}

/// The end of the head, and the body in its chunks; `sized` where no body is told by its length.
fn framed(out: &mut Vec<u8>, body: &[Vec<u8>], trailers: Option<&HeaderMap>, sized: bool) {
    if body.is_empty() && trailers.is_none() {
        out.extend_from_slice(if sized { b"content-length: 0\r\n\r\n" } else { b"\r\n" });
        return;
    }
    out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    for chunk in body.iter().filter(|chunk| !chunk.is_empty()) {
        out.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        out.extend([chunk.as_slice(), b"\r\n"].concat());
    }
    out.extend_from_slice(b"0\r\n");
    trailers.into_iter().for_each(|trailers| fields(out, trailers));
    out.extend_from_slice(b"\r\n");
}

/// A request as the filter had it go out.
fn message(request: &Request) -> Message {
    let host = request.values("host").into_iter().next().unwrap_or_default();
    let pseudo = [
        (":method", request.method.clone().into_bytes()),
        (":path", request.target.clone().into_bytes()),
        (":authority", host.into_bytes()),
    ];
    Message {
        headers: headers(pseudo, &request.headers),
        body: request.body.clone(),
        trailers: headers([], &request.trailers),
    }
}

/// Headers without those that are Envoy's own.
fn headers<const N: usize>(pseudo: [(&str, Vec<u8>); N], fields: &Fields) -> HeaderMap {
    let own = |name: &str| name == "host" || name.starts_with("x-envoy-") || FRAMING.contains(&name);
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value));
    let others = fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    HeaderMap::from_pairs(pseudo.chain(others.filter(|(name, _)| !own(name))))
}

/// What the module logged: `[time][thread][level][wasm] [source] wasm log WHO: MESSAGE`.
fn logged(log: &str) -> Vec<(LogLevel, String)> {
    let line = |line: &str| {
        let (head, rest) = line.split_once("wasm log")?;
        let (_, message) = rest.split_once(": ")?;
        Some((level(head.split(['[', ']']).nth(5)?).ok()?, message.to_owned()))
    };
    log.lines().filter_map(line).collect()
}

fn level(name: &str) -> Result<LogLevel> {
    Ok(match name {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warning" => LogLevel::Warn,
        "error" => LogLevel::Error,
        "critical" => LogLevel::Critical,
        other => bail!("no level `{other}`"),
    })
}
