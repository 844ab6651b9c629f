//! Real Envoy with the module: a listener for each VM, a service that answers as it is told, and the log read back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{CONFIGURATION, ENVIRONMENT, Exchange, Gateway, NAMES, Sent, Transcript, pairs, quoted};
use crate::bootstrap::socket_address as address;
use crate::envoy::Envoy;
use crate::http::{Request, Response};
use crate::server::{Answer, Server};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked.
const PAUSE: Duration = Duration::from_millis(2);

/// Listeners, each with a VM of its own that has the same VM id.
const LISTENERS: [&str; 2] = ["first", "second"];

/// A running Envoy with the module.
pub struct EnvoyProbe {
    envoy: Envoy,
    listeners: Vec<SocketAddr>,
    service: TcpListener,
    late: Arc<Gate>,
    _answers: Server,
    /// The number of each listener's VM, once a stream has shown it.
    vms: BTreeMap<usize, String>,
    /// How much of the log has been read, what was found in it, and which VM each thread spoke of last.
    read: u64,
    lines: Vec<Logged>,
    threads: BTreeMap<String, String>,
    /// The connections that requests come on, and what of them has come.
    incoming: Vec<(TcpStream, Vec<u8>)>,
    /// Whether this exchange's request has come.
    served: bool,
}

/// Opens once, for whoever waits.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn set(&self, open: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = open;
        self.1.notify_all();
    }

    fn wait(&self) {
        let shut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.1.wait_timeout_while(shut, PATIENCE, |open| !*open));
    }
}

/// A line of the log: which VM wrote it, if the module did, and what.
struct Logged {
    vm: String,
    text: String,
}

impl EnvoyProbe {
    /// Starts Envoy.
    pub fn start() -> Result<Self> {
        let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        service.set_nonblocking(true)?;
        let late = Arc::new(Gate::default());
        let answers = answers(Arc::clone(&late))?;
        let refuses = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let clusters =
            [("service", service.local_addr()?), ("answers", answers.address()), ("refuses", refuses)];
        let module = super::module()?;
        let listeners: Vec<Value> = LISTENERS
            .iter()
            .map(|name| {
                listener(name, &module.to_string_lossy(), (name == &LISTENERS[0]).then_some(CONFIGURATION.0))
            })
            .collect();
        let config = json!({
            "node": { "id": "probe-node", "cluster": "probe-nodes" },
            "admin": { "address": address("127.0.0.1:0") },
            "static_resources": {
                "listeners": listeners,
                "clusters": clusters.map(|(name, at)| cluster(name, at)),
            },
        });
        let envoy = Envoy::start_with(&config.to_string(), &mut Command::new(Envoy::binary()?))?;
        let listeners = LISTENERS.iter().map(|name| envoy.listener(name)).collect::<Result<_>>()?;
        Ok(Self {
            envoy,
            listeners,
            service,
            late,
            _answers: answers,
            vms: BTreeMap::new(),
            read: 0,
            lines: Vec::new(),
            threads: BTreeMap::new(),
            incoming: Vec::new(),
            served: false,
        })
    }

    /// Reads what was logged since the last time: what the module wrote, and what was logged of what it said.
    fn read(&mut self) -> Result<()> {
        let new = self.envoy.log_from(self.read)?;
        // A line may be half written.
        let Some(end) = new.rfind('\n') else { return Ok(()) };
        self.read += end as u64 + 1;
        for line in new.split_at(end).0.lines() {
            // [time][thread][level][wasm] [source] wasm log NAMES: TEXT
            let mut parts = line.split(['[', ']']).filter(|part| !part.is_empty());
            let (Some(_), Some(thread), Some(level)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let Some((_, text)) = line.split_once("wasm log ").and_then(|(_, rest)| rest.split_once(": "))
            else {
                continue;
            };
            if let Some((vm, text)) = text.strip_prefix("probe ").and_then(|rest| rest.split_once(' ')) {
                self.threads.insert(thread.to_owned(), vm.to_owned());
                self.lines.push(Logged { vm: vm.to_owned(), text: text.to_owned() });
            } else if text.starts_with("said") || text.is_empty() {
                let vm = self.threads.get(thread).cloned().unwrap_or_default();
                self.lines.push(Logged { vm, text: format!("logged {level} {}", quoted(text.as_bytes())) });
            }
        }
        Ok(())
    }

    /// The lines of a VM from a place in the log on.
    fn since(&mut self, from: usize, vm: Option<&str>) -> Result<Transcript> {
        self.read()?;
        let lines = self.lines.iter().skip(from).filter(|line| vm.is_none_or(|vm| vm == line.vm));
        Ok(lines.map(|line| line.text.clone()).collect())
    }

    /// Waits until so many lines that begin so have been written.
    fn await_lines(&mut self, from: usize, start: &str, count: usize) -> Result<()> {
        let since = Instant::now();
        loop {
            let lines = self.since(from, None)?;
            if lines.iter().filter(|line| line.starts_with(start)).count() >= count {
                return Ok(());
            }
            ensure!(!self.envoy.has_ended()?, "Envoy has ended");
            ensure!(since.elapsed() < PATIENCE, "no line `{start}` of {count}, in:\n{}", lines.join("\n"));
            thread::sleep(PAUSE);
        }
    }

    /// How many requests have set out for the service: each has a connection of its own.
    fn asked(&self) -> Result<u64> {
        let text = self.envoy.admin_get("/stats?filter=%5Ecluster.service.upstream_cx_total%24")?.text();
        text.rsplit(' ').next().and_then(|count| count.trim().parse().ok()).context("no count of connections")
    }

    /// Lets the service answer, if the whole request has come to it. What is left of one before, or comes twice, has no answer.
    fn serve(&mut self, exchange: &Exchange, from: usize) -> Result<Option<String>> {
        loop {
            match self.service.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(true)?;
                    self.incoming.push((socket, Vec::new()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        let mut whole = None;
        for (nth, (socket, bytes)) in self.incoming.iter_mut().enumerate() {
            let mut piece = [0; 65_536];
            if let Ok(count) = socket.read(&mut piece) {
                bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
            }
            // What is not whole yet can't be read.
            if let Ok(Some(request)) = Request::read(&mut bytes.as_slice()) {
                whole = Some((nth, request));
            }
        }
        let Some((nth, request)) = whole else { return Ok(None) };
        let (socket, _) = self.incoming.swap_remove(nth);
        let is_ours = request.path() == "/set" || request.values("x-script") == [exchange.script];
        if !is_ours || std::mem::replace(&mut self.served, true) {
            return Ok(None);
        }
        socket.set_nonblocking(false)?;
        let mut got = vec![
            (":method".to_owned(), request.method.clone().into_bytes()),
            (":path".to_owned(), request.target.clone().into_bytes()),
        ];
        got.extend(
            request.values("host").into_iter().map(|host| (":authority".to_owned(), host.into_bytes())),
        );
        // An empty body is told by its length where the method can have one.
        let others = request.headers.iter().filter(|(name, _)| !matches!(&**name, "host" | "content-length"));
        got.extend(others.cloned());
        let got = message(got, &request.body, &request.trailers);
        // Who takes the answer may go away amidst it.
        let _ = self.send(&socket, "HTTP/1.1 200 OK\r\n", &exchange.response, from, "response_body(");
        Ok(Some(format!("service got {got}")))
    }

    fn send(&mut self, mut to: &TcpStream, head: &str, sent: &Sent, from: usize, next: &str) -> Result<()> {
        to.write_all(&head_and_first(head, sent))?;
        for (nth, piece) in sent.pieces.iter().enumerate().skip(1) {
            self.await_lines(from, next, nth)?;
            to.write_all(&part(sent, piece, nth + 1 == sent.pieces.len()))?;
        }
        Ok(())
    }
}

/// Head and first piece; a message with pieces is chunked, so that its length may change.
fn head_and_first(head: &str, sent: &Sent) -> Vec<u8> {
    let mut out = head.as_bytes().to_vec();
    for (name, value) in sent.headers {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    match sent.pieces.split_first() {
        Some((first, rest)) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            out.extend_from_slice(&part(sent, first, rest.is_empty()));
        }
        None if head.starts_with("HTTP") => out.extend_from_slice(b"content-length: 0\r\n\r\n"),
        None => out.extend_from_slice(b"\r\n"),
    }
    out
}

/// A chunk, with the end behind it where it is the last.
fn part(sent: &Sent, piece: &str, last: bool) -> Vec<u8> {
    let mut out = format!("{:x}\r\n{piece}\r\n", piece.len());
    if last {
        out.push_str("0\r\n");
        for (name, value) in sent.trailers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str("\r\n");
    }
    out.into_bytes()
}

/// A message as the transcript has it; what frames it is not written down.
fn message<N: AsRef<str>, V: AsRef<[u8]>>(
    headers: impl IntoIterator<Item = (N, V)>,
    body: &[u8],
    trailers: &crate::http::Fields,
) -> String {
    let headers = headers.into_iter().filter(|(name, _)| name.as_ref() != "transfer-encoding");
    let headers = pairs(headers.map(|(name, value)| (name.as_ref().to_owned(), value)));
    format!("{headers} {} {}", quoted(body), pairs(trailers.iter().map(|(name, value)| (name, value))))
}

impl EnvoyProbe {
    /// Sends a request that is to end the whole process; whether it did.
    pub fn ends(&mut self, exchange: &Exchange) -> Result<bool> {
        let answered = self.exchange(exchange);
        let since = Instant::now();
        while answered.is_err() && since.elapsed() < PATIENCE {
            if self.envoy.has_ended()? {
                return Ok(true);
            }
            thread::sleep(PAUSE);
        }
        Ok(false)
    }
}

impl Gateway for EnvoyProbe {
    fn beginning(&mut self, at: usize) -> Result<Transcript> {
        let vm = self.vms.get(&at).context("no stream has shown the VM")?.clone();
        let lines = self.since(0, Some(&vm))?;
        let end = lines.iter().position(|line| line.starts_with("create(")).unwrap_or(lines.len());
        Ok(lines.into_iter().take(end).collect())
    }

    fn exchange(&mut self, exchange: &Exchange) -> Result<Transcript> {
        self.read()?;
        let from = self.lines.len();
        self.served = false;
        let asked = self.asked()?;
        self.late.set(false);
        let address = self.listeners.get(exchange.at).context("no such listener")?;
        let client = TcpStream::connect(address)?;
        client.set_read_timeout(Some(PATIENCE))?;
        let method = if exchange.request.pieces.is_empty() { "GET" } else { "POST" };
        let head = format!(
            "{method} /probe?q=1 HTTP/1.1\r\nhost: probe.example\r\nx-script: {}\r\n",
            exchange.script
        );
        self.send(&client, &head, &exchange.request, from, "request_body(")?;
        let mut outcome = Vec::new();
        let since = Instant::now();
        loop {
            if let Some(got) = self.serve(exchange, from)? {
                outcome.push(got);
            }
            if let Some(line) = exchange.abandoned {
                if self.since(from, None)?.iter().any(|logged| logged.starts_with(line)) {
                    outcome.push("client went away".to_owned());
                    break;
                }
            } else if is_readable(&client)? {
                outcome.push(format!("client got {}", answer(&client, method)));
                break;
            }
            ensure!(!self.envoy.has_ended()?, "{}: Envoy has ended", exchange.script);
            ensure!(
                since.elapsed() < PATIENCE,
                "{}: neither an answer nor an end, after:\n{}",
                exchange.script,
                self.since(from, None)?.join("\n")
            );
            thread::sleep(PAUSE);
        }
        drop(client);
        self.await_lines(from, "delete(", 1).with_context(|| exchange.script)?;
        self.late.set(true);
        if let Some(line) = exchange.until {
            self.await_lines(from, line, 1).with_context(|| exchange.script)?;
        }
        let vm = self.lines.iter().skip(from).find(|line| line.text.starts_with("create("));
        let vm = vm.context("no stream was made")?.vm.clone();
        self.vms.insert(exchange.at, vm.clone());
        let times = self.asked()? - asked;
        if times > 1 {
            outcome.push(format!("service was asked {times} times"));
        }
        let mut lines = self.since(from, Some(&vm))?;
        lines.extend(outcome);
        Ok(lines)
    }

    fn metrics(&mut self) -> Result<Transcript> {
        let mut all = Vec::new();
        for (kind, shown) in [("Counters", "counter"), ("Gauges", "gauge"), ("Histograms", "histogram")] {
            let text = self.envoy.admin_get(&format!("/stats?type={kind}"))?.text();
            let ours = text.lines().filter(|line| line.starts_with("wasmcustom."));
            all.extend(ours.map(|line| match kind {
                // Gateways keep no single values.
                "Histograms" => format!("{shown} {}", line.rsplit_once(": ").map_or(line, |(name, _)| name)),
                _ => format!("{shown} {line}"),
            }));
        }
        all.sort();
        Ok(all)
    }
}

/// Whether there is something to read, the end included.
fn is_readable(client: &TcpStream) -> Result<bool> {
    client.set_nonblocking(true)?;
    let peeked = client.peek(&mut [0]);
    client.set_nonblocking(false)?;
    match peeked {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        // A connection that was broken off is an end.
        Err(_) => Ok(true),
    }
}

/// What the client reads: a response, a part of one, or the end.
fn answer(client: &TcpStream, method: &str) -> String {
    let mut reader = BufReader::new(client);
    if !reader.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
        return "nothing".to_owned();
    }
    match Response::read(&mut reader, method) {
        Ok(response) => {
            let status = (":status".to_owned(), response.status.to_string().into_bytes());
            message(std::iter::once(status).chain(response.headers), &response.body, &response.trailers)
        }
        Err(error) => format!("a part: {error:#}"),
    }
}

/// The cluster that the module calls: what it answers goes by the path.
fn answers(late: Arc<Gate>) -> Result<Server> {
    Server::start(move |request| {
        let plain = |body: &[u8]| Response::new(200).header("x-answer", "1").body(body);
        match request.path() {
            "/plain" => plain(b"plain").into(),
            "/echo" => {
                let sent = request.values("x-sent").concat();
                plain(&[sent.as_bytes(), b" ", &request.body].concat()).into()
            }
            "/trailers" => Answer::Raw(
                b"HTTP/1.1 200 OK\r\nx-twice: a\r\nx-twice: b\r\ntransfer-encoding: chunked\r\n\r\n\
                  4\r\nbody\r\n0\r\nx-trailer: t\r\n\r\n"
                    .to_vec(),
            ),
            "/empty" => Response::new(200).into(),
            "/reset" => Answer::HangUp,
            "/half" => Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec()),
            "/garbage" => Answer::Raw(b"garbage\r\n\r\n".to_vec()),
            "/late" => {
                late.wait();
                plain(b"late").into()
            }
            "/silence" => {
                // The call's timeout comes first.
                thread::sleep(Duration::from_secs(2));
                Answer::HangUp
            }
            _ => Response::new(404).into(),
        }
    })
}

/// A listener with the module; its VM is started with this script.
fn listener(name: &str, module: &str, script: Option<&str>) -> Value {
    let string =
        |text: &str| json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": text });
    let (plugin, root, vm) = NAMES;
    let filter = json!({
        "name": "envoy.filters.http.wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": plugin,
                "root_id": root,
                "vm_config": {
                    "vm_id": vm,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                    "configuration": string(script.unwrap_or(name)),
                    "environment_variables": { "key_values": { ENVIRONMENT.0: ENVIRONMENT.1 } },
                },
                "configuration": string(CONFIGURATION.1),
            },
        },
    });
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true,
        },
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "probe",
        "use_remote_address": false,
        "skip_xff_append": true,
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "http_protocol_options": { "enable_trailers": true },
        "http_filters": [filter, router],
        "route_config": {
            "name": "probe-routes",
            "virtual_hosts": [{
                "name": "probe-host",
                "domains": ["*"],
                "routes": [{
                    "name": "probe-route", "match": { "prefix": "/" }, "route": { "cluster": "service" },
                }],
            }],
        },
    });
    json!({
        "name": name,
        "address": address("127.0.0.1:0"),
        "filter_chains": [{
            "name": "probe-chain",
            "filters": [{
                "name": "envoy.filters.network.http_connection_manager", "typed_config": manager,
            }],
        }],
    })
}

/// A cluster whose connections carry one request each.
fn cluster(name: &str, at: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(&at.to_string()) } }] }],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": { "max_requests_per_connection": 1 },
                "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
            },
        },
    })
}
