//! The simulator with the module, set up as the other gateway is.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use countersign_host_sim::{
    Engine, GrpcReply, GrpcUpstream, HeaderMap, Host, HostBuilder, Message, MetricValue, Outcome, Properties,
    Request, Response, ResponseOutcome, StreamId, Upstream, UpstreamReply,
};

use super::{CONFIGURATION, ENVIRONMENT, Exchange, Gateway, NAMES, Sent, Transcript, pairs, quoted};

/// When it begins, in seconds since the Unix epoch: a time of day, as the module tells them.
const START: u64 = 1_750_000_000;
/// How far time is moved at once while something is waited for, and how often.
pub(super) const STEP: Duration = Duration::from_millis(1);
pub(super) const STEPS: usize = 10_000;
/// How many VMs there are.
const WORKERS: usize = 2;

/// A host with the module.
pub struct SimulatorProbe {
    host: Host,
    beginning: Transcript,
    lines: Transcript,
}

impl SimulatorProbe {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let mut host = builder()?.vm_config(CONFIGURATION.0).workers(WORKERS).start()?;
        let all = logged(&mut host);
        // The first VM's lines come first.
        let second = all.iter().skip(1).position(|line| line.starts_with("create_root("));
        let beginning = all.into_iter().take(second.map_or(usize::MAX, |at| at + 1)).collect();
        Ok(Self { host, beginning, lines: Vec::new() })
    }

    fn collect(&mut self) {
        self.lines.append(&mut logged(&mut self.host));
    }

    /// Moves time on until so many lines that begin so are there.
    fn await_lines(&mut self, start: &str, count: usize) -> Result<()> {
        for _ in 0..STEPS {
            self.collect();
            if self.lines.iter().filter(|line| line.starts_with(start)).count() >= count {
                return Ok(());
            }
            self.host.advance(STEP);
        }
        anyhow::bail!("no line `{start}` of {count}, in:\n{}", self.lines.join("\n"))
    }

    /// Moves time on until the stream has gone upstream, or is answered, or has ended.
    fn await_outcome(&mut self, stream: StreamId) -> Result<Outcome> {
        for _ in 0..STEPS {
            let outcome = self.host.outcome(stream);
            if !matches!(outcome, Outcome::Paused | Outcome::Incomplete) {
                return Ok(outcome);
            }
            self.host.advance(STEP);
        }
        self.collect();
        Err(anyhow!("the stream is {:?}, after:\n{}", self.host.outcome(stream), self.lines.join("\n")))
    }

    /// The same for its response.
    fn await_response(&mut self, stream: StreamId) -> Result<ResponseOutcome> {
        for _ in 0..STEPS {
            let response = self.host.response(stream);
            if response != ResponseOutcome::Paused {
                return Ok(response);
            }
            self.host.advance(STEP);
        }
        self.collect();
        Err(anyhow!("the response is held, after:\n{}", self.lines.join("\n")))
    }
}

impl Gateway for SimulatorProbe {
    fn beginning(&mut self, at: usize) -> Result<Transcript> {
        ensure!(at == 0, "only the first VM's beginning is kept");
        Ok(self.beginning.clone())
    }

    fn exchange(&mut self, exchange: &Exchange) -> Result<Transcript> {
        self.collect();
        self.lines.clear();
        let mut outcome = Vec::new();
        let sent = &exchange.request;
        let stream = self.host.request_on(exchange.at, &request(exchange));
        for (nth, piece) in sent.pieces.iter().enumerate().skip(1) {
            self.await_lines("request_body(", nth)?;
            let last = nth + 1 == sent.pieces.len();
            self.host.send_body(stream, *piece, false);
            if last {
                self.host.send_body(stream, "", true);
            }
        }
        if let Some(line) = exchange.abandoned {
            self.await_lines(line, 1)?;
            outcome.push("client went away".to_owned());
            self.host.close(stream);
        } else {
            let mut reply = match self.await_outcome(stream)? {
                Outcome::Forwarded(message) => {
                    outcome.push(format!("service got {}", shown(&message)));
                    self.host.respond(stream, response(&exchange.response));
                    None
                }
                Outcome::Reply(reply) => Some(reply),
                Outcome::Closed => None,
                other => anyhow::bail!("the stream is {other:?}"),
            };
            if reply.is_none() {
                match self.await_response(stream)? {
                    ResponseOutcome::Sent(message) => outcome.push(format!("client got {}", shown(&message))),
                    ResponseOutcome::Reply(sent) => reply = Some(sent),
                    ResponseOutcome::None => outcome.push("client got nothing".to_owned()),
                    other => anyhow::bail!("the response is {other:?}"),
                }
            }
            if let Some(reply) = reply {
                let mut message =
                    Message { headers: reply.headers, body: reply.body, trailers: HeaderMap::new() };
                // HTTP/1.1 says that there is no body, where the status doesn't.
                if message.body.is_empty() && reply.status != 204 {
                    message.headers.append(b"content-length", b"0");
                }
                outcome.push(format!("client got {}", shown(&message)));
            }
            self.host.close(stream);
        }
        self.await_lines("delete(", 1).with_context(|| exchange.script)?;
        if let Some(line) = exchange.until {
            self.await_lines(line, 1).with_context(|| exchange.script)?;
        }
        self.collect();
        let mut lines = std::mem::take(&mut self.lines);
        lines.extend(outcome);
        Ok(lines)
    }

    fn metrics(&mut self) -> Result<Transcript> {
        let all = self.host.metrics().all();
        let mut lines: Transcript = all
            .iter()
            .map(|metric| match &metric.value {
                MetricValue::Counter(value) => format!("counter wasmcustom.{}: {value}", metric.name),
                MetricValue::Gauge(value) => format!("gauge wasmcustom.{}: {value}", metric.name),
                MetricValue::Histogram(_) => format!("histogram wasmcustom.{}", metric.name),
            })
            .collect();
        lines.sort();
        Ok(lines)
    }
}

/// A host with the module, set up but for what its VM is to do.
pub(super) fn builder() -> Result<HostBuilder> {
    let module = Engine::new()?.load_module(&std::fs::read(super::module()?)?)?;
    let (plugin, root, vm) = NAMES;
    Ok(module
        .host()
        .names(plugin, root, vm)
        .plugin_config(CONFIGURATION.1)
        .env(ENVIRONMENT.0, ENVIRONMENT.1)
        .cluster("service", Upstream::new())
        .cluster("answers", answers())
        .cluster("refuses", Upstream::always(UpstreamReply::refused()))
        .grpc_cluster("refuses", GrpcUpstream::always(GrpcReply::refused()))
        .grpc_cluster("grpc", super::grpc::script())
        .property("xds.node.id", "probe-node")
        .clock_at(START))
}

/// Where a stream or connection is: what the gateway's configuration says.
pub(super) fn place(properties: &mut Properties) {
    for (path, value) in [
        ("xds.cluster_name", "service"),
        ("xds.cluster_metadata", ""),
        ("xds.filter_chain_name", "probe-chain"),
        ("xds.listener_metadata", ""),
    ] {
        properties.set(path, value);
    }
    properties.set("xds.listener_direction", 0_i64);
}

/// What the module wrote, and what was logged of what it said.
pub(super) fn logged(host: &mut Host) -> Transcript {
    host.take_logs()
        .into_iter()
        .filter_map(|line| match line.message.strip_prefix("probe ") {
            Some(text) => text.split_once(' ').map(|(_, text)| text.to_owned()),
            None => {
                let level = line.to_string();
                let level = level.split(['[', ']']).nth(1).unwrap_or_default().to_owned();
                // As the other gateway spells them.
                let level = if level == "warn" { "warning".to_owned() } else { level };
                Some(format!("logged {level} {}", quoted(line.message.as_bytes())))
            }
        })
        .collect()
}

/// The request as Envoy hands it to its filters: its order of pseudo-headers, and what HTTP/1.1 brings along.
fn request(exchange: &Exchange) -> Request {
    let sent = &exchange.request;
    let method = if sent.pieces.is_empty() { "GET" } else { "POST" };
    let mut request = Request::from_headers([
        (":authority", "probe.example"),
        (":path", "/probe?q=1"),
        (":method", method),
        (":scheme", "http"),
        ("x-script", exchange.script),
    ]);
    for (name, value) in sent.headers {
        request.headers.append(name.as_bytes(), value.as_bytes());
    }
    place(&mut request.properties);
    for (path, value) in [("xds.route_name", "probe-route"), ("xds.virtual_host_name", "probe-host")] {
        request.properties.set(path, value);
    }
    request.headers.append(b"x-forwarded-proto", b"http");
    request.body = sent.pieces.first().map(|piece| piece.as_bytes().to_vec()).into_iter().collect();
    request.unfinished = sent.pieces.len() > 1;
    if sent.pieces.len() == 1 {
        ended(&mut request.body, &mut request.trailers, sent);
    }
    request
}

fn response(sent: &Sent) -> Response {
    let mut response = Response::new(200);
    for (name, value) in sent.headers {
        response.headers.append(name.as_bytes(), value.as_bytes());
    }
    // Envoy takes this off requests, and leaves it to responses until they are sent.
    let framing =
        if sent.pieces.is_empty() { ("content-length", "0") } else { ("transfer-encoding", "chunked") };
    response.headers.append(framing.0.as_bytes(), framing.1.as_bytes());
    response.body = sent.pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
    if !sent.pieces.is_empty() {
        ended(&mut response.body, &mut response.trailers, sent);
    }
    response
}

/// The end of a chunked body: trailers, or a last piece of nothing, which is how Envoy tells that there are none.
fn ended(body: &mut Vec<Vec<u8>>, trailers: &mut Option<HeaderMap>, sent: &Sent) {
    if sent.trailers.is_empty() {
        body.push(Vec::new());
    } else {
        *trailers = Some(HeaderMap::from_pairs(sent.trailers.iter().copied()));
    }
}

/// A message as the transcript has it.
fn shown(message: &Message) -> String {
    let headers = &message.headers;
    let first = [":method", ":path", ":authority", ":status"]
        .into_iter()
        .filter_map(|name| Some((name.as_bytes(), headers.get(name)?)));
    let others =
        headers.iter().filter(|(name, _)| name.first() != Some(&b':') && *name != b"transfer-encoding");
    format!("{} {} {}", pairs(first.chain(others)), quoted(&message.body), pairs(message.trailers.iter()))
}

/// What the cluster answers that the module calls.
fn answers() -> Upstream {
    let plain = |body: &str| {
        UpstreamReply::response(
            Response::new(200)
                .header("x-answer", "1")
                .header("content-length", body.len().to_string())
                .body(body),
        )
    };
    let mut trailers = Response::new(200).header("x-twice", "a").header("x-twice", "b");
    trailers.headers.append(b"transfer-encoding", b"chunked");
    trailers.body.push(b"body".to_vec());
    trailers.trailers = Some(HeaderMap::from_pairs([("x-trailer", "t")]));
    let empty = |status: u16| UpstreamReply::response(Response::new(status).header("content-length", "0"));
    Upstream::new()
        .on("/plain", [plain("plain")])
        .on("/echo", [plain("1 sent")])
        .on("/trailers", [UpstreamReply::response(trailers)])
        .on("/empty", [empty(200)])
        .on("/reset", [UpstreamReply::reset()])
        .on("/half", [UpstreamReply::half()])
        .on("/garbage", [UpstreamReply::malformed()])
        .on("/late", [plain("late")])
        .on("/silence", [UpstreamReply::never()])
        .otherwise([empty(404)])
}
