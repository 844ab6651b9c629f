//! Scenarios of any module on real Envoy: requests, and a service that answers as the file says.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use countersign_cli::live::{self, Clusters, Exchanged, ModuleGateway, ModuleRequest, Plugin};
use countersign_host_sim::{HeaderMap, Message, Response as SimResponse};

use super::around::{Around, Kind, PATIENCE, PAUSE, given};
use super::grpc::locked;
use crate::bootstrap::to_cluster;
use crate::http::{Fields, Request, Response};
use crate::server::{Answer, Server};

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

/// A request that has reached the service, and where its answer goes.
type Asked = (Request, Sender<Answer>);

/// Envoy with a module as an HTTP filter.
pub(super) struct EnvoyModule {
    around: Around,
    listener: SocketAddr,
    service: Receiver<Asked>,
    /// How many calls and lines of the log were told.
    calls: usize,
    logs: usize,
    _forwarded: Server,
}

impl EnvoyModule {
    pub(super) fn start(plugin: &Plugin, clusters: Clusters) -> Result<Self> {
        let (send, service) = channel::<Asked>();
        let send = Mutex::new(send);
        let forwarded = Server::start(move |request| {
            let (reply, answer) = channel();
            let sent = locked(&send).send((request.clone(), reply));
            sent.ok().and_then(|()| answer.recv().ok()).unwrap_or(Answer::HangUp)
        })?;
        let to = forwarded.address();
        let around = Around::start(plugin, clusters, Kind::Http, |bootstrap, filter| {
            bootstrap.cluster("service", to).filter(filter).route(to_cluster("/", "service"))
        })?;
        let listener = around.envoy.listener("gateway")?;
        Ok(Self { around, listener, service, calls: 0, logs: 0, _forwarded: forwarded })
    }

    fn exchanged(
        &mut self,
        request: &ModuleRequest,
        answer: &mut dyn FnMut(&Message) -> Result<live::Answer, String>,
    ) -> Result<Exchanged> {
        self.around.prepare()?;
        let before = self.around.metrics()?;
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
        while self.around.envoy.stat("http.gateway.downstream_rq_active")? > 0 {
            ensure!(since.elapsed() < PATIENCE, "the request does not end");
            thread::sleep(PAUSE);
        }
        let all = self.around.logs();
        let logs = all.get(self.logs..).unwrap_or_default().to_vec();
        self.logs = all.len();
        let all = self.around.called();
        let calls = all.get(self.calls..).unwrap_or_default().to_vec();
        self.calls = all.len();
        let metrics = self.around.metrics()?.into_iter();
        Ok(Exchanged {
            upstream,
            // What breaks off is no answer.
            downstream: client.ok().map(|response| Message {
                headers: headers([(":status", response.status.to_string().into_bytes())], &response.headers),
                body: response.body,
                trailers: headers([], &response.trailers),
            }),
            calls,
            grpc_calls: self.around.grpc_calls(),
            logs,
            metrics: metrics.map(|(name, now)| (name.clone(), (before.get(&name).copied(), now))).collect(),
        })
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

/// An answer as it is written, to its end or not.
pub(super) fn answer_bytes(response: &SimResponse, whole: bool) -> Vec<u8> {
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
pub(super) fn message(request: &Request) -> Message {
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
