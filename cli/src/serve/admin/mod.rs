//! The page: who may see it, what it is made of, what it asks for.

mod guard;
mod page;
mod replay;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use countersign_host_sim::serve::Gateway;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;

use super::ledger::Ledger;
use super::status::Board;
use crate::failure::Failure;
use guard::Guard;

/// How often pages hear that the gateway is still there.
const ALIVE: Duration = Duration::from_secs(15);
/// How long decisions are gathered before pages are told of them.
const GATHER: Duration = Duration::from_millis(50);
/// Connections at once.
const CONNECTIONS: usize = 64;
/// Bytes of what a page sends.
const BODY: usize = 256 << 10;
/// Replays at once.
const REPLAYS: usize = 4;
/// How long a page may take for a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The page's server. It ends when it is dropped.
pub(crate) struct Admin {
    runtime: Option<Runtime>,
    url: String,
}

/// What answers need.
pub(super) struct Desk {
    guard: Guard,
    ledger: Arc<Ledger>,
    board: Arc<Board>,
    gateway: Weak<Gateway>,
    replays: Semaphore,
}

impl Admin {
    /// Serves the page at `address`, to hosts of these names beside loopback's own.
    pub(crate) fn start(
        address: SocketAddr,
        hosts: &[String],
        ledger: Arc<Ledger>,
        board: Arc<Board>,
        gateway: Weak<Gateway>,
    ) -> Result<Self, Failure> {
        if !address.ip().is_loopback() && hosts.is_empty() {
            return Err(Failure::usage(format!(
                "`--admin {address}`: expected a loopback address, found one that others can reach"
            ))
            .help("whoever can open the page sees requests and sends them again; `--admin-host NAME` says by which name it may be reached"));
        }
        let failed =
            |error: std::io::Error| Failure::usage(format!("cannot serve the page at {address}: {error}"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let guard = Guard::new(address, hosts).map_err(failed)?;
        let url = guard.url();
        let desk = Arc::new(Desk { guard, ledger, board, gateway, replays: Semaphore::new(REPLAYS) });
        runtime.spawn(tell(Arc::clone(&desk.ledger)));
        runtime.spawn(accept(listener, desk));
        Ok(Self { runtime: Some(runtime), url })
    }

    /// The page's address, with the token that opens it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Tells pages of decisions, many at a time.
async fn tell(ledger: Arc<Ledger>) {
    loop {
        ledger.news().await;
        loop {
            tokio::time::sleep(GATHER).await;
            if !ledger.tell() {
                break;
            }
        }
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut alive = tokio::time::interval(ALIVE);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Out of file handles, most likely: leave it time.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = alive.tick() => {
                desk.ledger.tick();
                continue;
            }
        };
        // One more than there is room for is closed.
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(answer(request, desk).await) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // How a page ends its connection is its own affair.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

type Answer = Response<Content>;

async fn answer(request: Request<Incoming>, desk: Arc<Desk>) -> Answer {
    let inner = match desk.guard.admit(&request) {
        Ok(inner) => inner.to_owned(),
        Err(status) => {
            return plain(
                status,
                "nothing here; the address that `countersign serve` prints opens the page\n",
            );
        }
    };
    let route = (request.method().clone(), inner.as_str());
    match route {
        (Method::GET, "") => page::page(),
        (Method::GET, "state") => json_answer(StatusCode::OK, &desk.board.data()),
        (Method::GET, "events") => match desk.ledger.look_on(&desk.board.data()) {
            Some(events) => headed(StatusCode::OK, "text/event-stream", Content::Events(events)),
            None => plain(StatusCode::SERVICE_UNAVAILABLE, "too many pages look on already\n"),
        },
        (Method::GET, "metrics") => match desk.gateway.upgrade() {
            Some(gateway) => json_answer(StatusCode::OK, &super::view::metrics(gateway.metrics())),
            None => plain(StatusCode::SERVICE_UNAVAILABLE, "the gateway has ended\n"),
        },
        (Method::POST, "replay") => replay(request, &desk).await,
        (Method::GET, path) => {
            let id = path.strip_prefix("decisions/").and_then(|id| id.parse().ok());
            match id.and_then(|id| desk.ledger.detail(id)) {
                Some(detail) => json_answer(StatusCode::OK, &detail),
                None => plain(StatusCode::NOT_FOUND, "not kept, or never there\n"),
            }
        }
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "expected `GET`, or `POST` to `replay`\n"),
    }
}

async fn replay(request: Request<Incoming>, desk: &Arc<Desk>) -> Answer {
    let wrong = |status, why: &str| json_answer(status, &json!({ "error": why }));
    if !guard::is_own(&request) {
        return wrong(StatusCode::FORBIDDEN, "expected JSON from the page itself");
    }
    let read = tokio::time::timeout(PATIENCE, Limited::new(request.into_body(), BODY).collect()).await;
    let Ok(Ok(body)) = read else { return wrong(StatusCode::PAYLOAD_TOO_LARGE, "expected at most 256 KiB") };
    let change: replay::Change = match serde_json::from_slice(&body.to_bytes()) {
        Ok(change) => change,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, &format!("expected a request to send: {error}")),
    };
    let Ok(_turn) = desk.replays.try_acquire() else {
        return wrong(StatusCode::TOO_MANY_REQUESTS, "other replays are under way, try again");
    };
    let desk = Arc::clone(desk);
    let replayed =
        tokio::task::spawn_blocking(move || replay::run(&change, &desk.ledger, &desk.gateway)).await;
    match replayed {
        Ok(Ok(detail)) => json_answer(StatusCode::OK, &detail),
        Ok(Err((status, why))) => wrong(status, &why),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "the replay failed"),
    }
}

/// What is sent to a page.
pub(super) enum Content {
    /// A whole body.
    Whole(Bytes),
    /// Events as they come.
    Events(Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Events(events) => {
                events.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

fn json_answer(status: StatusCode, value: &Value) -> Answer {
    headed(status, "application/json", Content::Whole(Bytes::from(value.to_string())))
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    headed(status, "text/plain; charset=utf-8", Content::Whole(Bytes::from_static(text.as_bytes())))
}

/// An answer with what every one of them says to browsers.
fn headed(status: StatusCode, kind: &'static str, content: Content) -> Answer {
    let mut answer = Response::new(content);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    for (name, value) in
        [("cross-origin-opener-policy", "same-origin"), ("cross-origin-resource-policy", "same-origin")]
    {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests;
