//! Connections from clients: each request goes to a worker, then upstream, and its response back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::client::{CallError, Client, is_hop_by_hop};
use super::tls;
use super::worker::{Event, Progress};
use crate::header_map::HeaderMap;
use crate::outcome::{Message, Request, Response};
use crate::property::Properties;
use crate::upstream::{REFUSED, TIMEOUT};

/// How long a client may take for a handshake or the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);

type Reply = hyper::Response<Full<Bytes>>;

/// What connections share.
pub(super) struct Gate {
    pub(super) upstream: String,
    pub(super) timeout: Duration,
    pub(super) body_bytes: usize,
    pub(super) client: Client,
    pub(super) workers: Vec<Sender<Event>>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) local: SocketAddr,
}

/// Takes connections until told to stop, then waits for those that are busy.
pub(super) async fn accept(listener: TcpListener, gate: Arc<Gate>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut next = 0_u64;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    next += 1;
                    connections.spawn(serve(stream, peer, next, Arc::clone(&gate), stopped.clone()));
                }
                // Out of file handles, most likely: leave it time.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    id: u64,
    gate: Arc<Gate>,
    stopped: watch::Receiver<bool>,
) {
    // A response that waits for more data to fill a packet only costs time.
    let _ = stream.set_nodelay(true);
    let mut properties = tls::plain(id, gate.local, peer);
    match &gate.tls {
        None => speak(stream, "http", properties, id, &gate, stopped).await,
        Some(acceptor) => {
            if let Ok(Ok(secure)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                tls::secured(&mut properties, secure.get_ref().1);
                speak(secure, "https", properties, id, &gate, stopped).await;
            }
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    scheme: &'static str,
    properties: Properties,
    id: u64,
    gate: &Arc<Gate>,
    mut stopped: watch::Receiver<bool>,
) {
    let worker = usize::try_from(id).unwrap_or(0) % gate.workers.len().max(1);
    let Some(worker) = gate.workers.get(worker) else { return };
    let service = service_fn(|request| {
        let (gate, worker, properties) = (Arc::clone(gate), worker.clone(), properties.clone());
        async move { Ok::<_, Infallible>(exchange(request, scheme, properties, &gate, &worker).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a client ends its connection is its own affair.
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Ends the exchange at the worker, however the connection's part in it ends.
struct Closing<'a>(u64, &'a Sender<Event>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        // Without a worker there is no stream to end.
        let _ = self.1.send(Event::Close(self.0));
    }
}

async fn exchange(
    request: hyper::Request<Incoming>,
    scheme: &str,
    properties: Properties,
    gate: &Gate,
    worker: &Sender<Event>,
) -> Reply {
    static KEYS: AtomicU64 = AtomicU64::new(1);
    let key = KEYS.fetch_add(1, Ordering::Relaxed);
    let head = request.method() == Method::HEAD;
    let Some(headers) = request_headers(&request, scheme) else { return plain(StatusCode::BAD_REQUEST) };
    let mut body = request.into_body();
    let unfinished = !body.is_end_stream();
    let opened = Request { headers, properties, unfinished, ..Request::default() };
    let _closing = Closing(key, worker);

    let mut progress = ask(worker, |reply| Event::Open(key, Box::new(opened), reply)).await;
    let mut taken = 0;
    loop {
        progress = match progress {
            Progress::More => {
                let Some((chunk, end)) = next_chunk(&mut body).await else {
                    return plain(StatusCode::BAD_REQUEST);
                };
                taken += chunk.len();
                if taken > gate.body_bytes {
                    return plain(StatusCode::PAYLOAD_TOO_LARGE);
                }
                ask(worker, |reply| Event::Body(key, chunk, end, reply)).await
            }
            Progress::Forward(message) => {
                let response = forward(gate, &message).await;
                ask(worker, |reply| Event::Respond(key, Box::new(response), reply)).await
            }
            Progress::Reply(reply) => return answer(reply.headers, reply.body, head),
            Progress::Respond(message) => return answer(message.headers, message.body, head),
            Progress::Reset | Progress::Failed => return plain(StatusCode::SERVICE_UNAVAILABLE),
        };
    }
}

/// The next data of a body and whether it is the last. Trailers of requests are dropped.
async fn next_chunk(body: &mut Incoming) -> Option<(Vec<u8>, bool)> {
    loop {
        match body.frame().await {
            None => return Some((Vec::new(), true)),
            Some(Err(_)) => return None,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Some((data.to_vec(), body.is_end_stream()));
                }
            }
        }
    }
}

/// Asks the worker, and takes a worker that is gone for one that failed.
async fn ask(worker: &Sender<Event>, event: impl FnOnce(oneshot::Sender<Progress>) -> Event) -> Progress {
    let (reply, answered) = oneshot::channel();
    if worker.send(event(reply)).is_err() {
        return Progress::Failed;
    }
    answered.await.unwrap_or(Progress::Failed)
}

async fn forward(gate: &Gate, message: &Message) -> Response {
    let failed = |status, text: &str| Response::new(status).header("content-type", "text/plain").body(text);
    match tokio::time::timeout(gate.timeout, gate.client.send(&gate.upstream, message)).await {
        Ok(Ok(response)) => response,
        Ok(Err(CallError::Connect)) => failed(503, REFUSED),
        Ok(Err(CallError::Broken)) => failed(502, "upstream response was cut short or is too large"),
        Err(_) => failed(504, TIMEOUT),
    }
}

/// The request's head as the filter sees it. `None` where it has no authority, or more than one.
fn request_headers(request: &hyper::Request<Incoming>, scheme: &str) -> Option<HeaderMap> {
    let mut hosts = request.headers().get_all("host").iter();
    let host = hosts.next().map(|h| h.as_bytes());
    if hosts.next().is_some() {
        return None;
    }
    let authority = request.uri().authority().map(|a| a.as_str().as_bytes()).or(host)?;
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let mut headers = HeaderMap::new();
    headers.append(b":method", request.method().as_str().as_bytes());
    headers.append(b":path", path.as_bytes());
    headers.append(b":authority", authority);
    headers.append(b":scheme", scheme.as_bytes());
    for (name, value) in request.headers() {
        let name = name.as_str().as_bytes();
        if name != b"host" && !is_hop_by_hop(name) {
            headers.append(name, value.as_bytes());
        }
    }
    headers.set(b"x-forwarded-proto", scheme.as_bytes());
    Some(headers)
}

fn answer(headers: HeaderMap, body: Vec<u8>, head: bool) -> Reply {
    let mut response = hyper::Response::builder();
    for (name, value) in headers.iter() {
        if name == b":status" {
            response = response.status(value);
        } else if name.first() != Some(&b':') && !is_hop_by_hop(name) && (head || name != b"content-length") {
            response = response.header(name, value);
        }
    }
    let body = if head { Bytes::new() } else { Bytes::from(body) };
    // A filter that makes up headers which HTTP does not allow fails its own request.
    response.body(Full::new(body)).unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn plain(status: StatusCode) -> Reply {
    let mut response = hyper::Response::new(Full::default());
    *response.status_mut() = status;
    response
}
