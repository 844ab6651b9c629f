//! Real Envoy with the module: a listener for each VM, a service that answers as it is told, and the log read back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::gate::Gate;
use super::log::{Logged, PATIENCE, PAUSE};
use super::{CONFIGURATION, Exchange, Gateway, Sent, Transcript, grpc, pairs, quoted, setup};
use crate::bootstrap::http2_cluster;
use crate::envoy::Envoy;
use crate::http::{Request, Response};
use crate::server::{Answer, Server};

/// Listeners, each with a VM of its own that has the same VM id.
const LISTENERS: [&str; 2] = ["first", "second"];

/// A running Envoy with the module.
pub struct EnvoyProbe {
    log: Logged,
    listeners: Vec<SocketAddr>,
    service: TcpListener,
    late: Arc<Gate>,
    _answers: Server,
    _grpc: crate::grpc::Server,
    /// The number of each listener's VM, once a stream has shown it.
    vms: BTreeMap<usize, String>,
    /// The connections that requests come on, and what of them has come.
    incoming: Vec<(TcpStream, Vec<u8>)>,
    /// Whether this exchange's request has come.
    served: bool,
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
        let module = super::module()?.to_string_lossy().into_owned();
        let listeners: Vec<Value> = LISTENERS
            .iter()
            .map(|name| {
                setup::http(name, &module, if name == &LISTENERS[0] { CONFIGURATION.0 } else { name })
            })
            .collect();
        let grpc = grpc::start(Arc::clone(&late))?;
        let mut clusters = clusters.map(|(name, at)| setup::cluster(name, at)).to_vec();
        clusters.push(http2_cluster("grpc", grpc.address()));
        let config = setup::bootstrap(listeners, clusters);
        let envoy = Envoy::start_with(&config.to_string(), &mut Command::new(Envoy::binary()?))?;
        let listeners = LISTENERS.iter().map(|name| envoy.listener(name)).collect::<Result<_>>()?;
        Ok(Self {
            log: Logged::new(envoy),
            listeners,
            service,
            late,
            _answers: answers,
            _grpc: grpc,
            vms: BTreeMap::new(),
            incoming: Vec::new(),
            served: false,
        })
    }

    /// How many requests have set out for the service: each has a connection of its own.
    fn asked(&self) -> Result<u64> {
        let text = self.log.envoy.admin_get("/stats?filter=%5Ecluster.service.upstream_cx_total%24")?.text();
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
            self.log.await_lines(from, next, nth)?;
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
            if self.log.envoy.has_ended()? {
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
        let lines = self.log.since(0, Some(&vm))?;
        let end = lines.iter().position(|line| line.starts_with("create(")).unwrap_or(lines.len());
        Ok(lines.into_iter().take(end).collect())
    }

    fn exchange(&mut self, exchange: &Exchange) -> Result<Transcript> {
        let from = self.log.read()?;
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
                if self.log.since(from, None)?.iter().any(|logged| logged.starts_with(line)) {
                    outcome.push("client went away".to_owned());
                    break;
                }
            } else if is_readable(&client)? {
                outcome.push(format!("client got {}", answer(&client, method)));
                break;
            }
            ensure!(!self.log.envoy.has_ended()?, "{}: Envoy has ended", exchange.script);
            ensure!(
                since.elapsed() < PATIENCE,
                "{}: neither an answer nor an end, after:\n{}",
                exchange.script,
                self.log.since(from, None)?.join("\n")
            );
            thread::sleep(PAUSE);
        }
        drop(client);
        self.log.await_lines(from, "delete(", 1).with_context(|| exchange.script)?;
        self.late.set(true);
        if let Some(line) = exchange.until {
            self.log.await_lines(from, line, 1).with_context(|| exchange.script)?;
        }
        let vm = self.log.vm(from, "create(").context("no stream was made")?;
        self.vms.insert(exchange.at, vm.clone());
        let times = self.asked()? - asked;
        if times > 1 {
            outcome.push(format!("service was asked {times} times"));
        }
        let mut lines = self.log.since(from, Some(&vm))?;
        lines.extend(outcome);
        Ok(lines)
    }

    fn metrics(&mut self) -> Result<Transcript> {
        let mut all = Vec::new();
        for (kind, shown) in [("Counters", "counter"), ("Gauges", "gauge"), ("Histograms", "histogram")] {
            let text = self.log.envoy.admin_get(&format!("/stats?type={kind}"))?.text();
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
pub(super) fn answers(late: Arc<Gate>) -> Result<Server> {
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
