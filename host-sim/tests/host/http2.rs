//! Clients and an upstream that speak HTTP/2, with bodies that tests give piece by piece.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::net::Authority;

/// A body whose frames come through a channel; it ends when the sender is dropped.
pub(crate) struct Frames(UnboundedReceiver<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_closed() && self.0.is_empty()
    }
}

pub(crate) type FrameSender = UnboundedSender<Frame<Bytes>>;

pub(crate) fn frames() -> (FrameSender, Frames) {
    let (sender, receiver) = unbounded_channel();
    (sender, Frames(receiver))
}

/// A body of these frames.
pub(crate) fn body(parts: &[&str], trailers: &[(&'static str, &str)]) -> Frames {
    let (sender, frames) = frames();
    for part in parts {
        sender.send(Frame::data(Bytes::from((*part).to_owned()))).unwrap();
    }
    if !trailers.is_empty() {
        sender.send(Frame::trailers(headers(trailers))).unwrap();
    }
    frames
}

pub(crate) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A connection without TLS, by prior knowledge.
pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Frames> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// What a TLS client that offers these protocols comes to agree on, and the connection where that is HTTP/2.
pub(crate) async fn connect_tls(
    address: SocketAddr,
    authority: &Authority,
    offered: &[&str],
) -> (Option<Vec<u8>>, Option<SendRequest<Frames>>) {
    let mut config = authority.client();
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    let secure = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let agreed = secure.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    if agreed.as_deref() != Some(b"h2") {
        return (agreed, None);
    }
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(secure)).await.unwrap();
    tokio::spawn(connection);
    (agreed, Some(sender))
}

/// An answer: status, headers, body, trailers.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) trailers: HeaderMap,
}

pub(crate) async fn whole(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body, trailers }
}

/// A request to the gateway.
pub(crate) fn request(method: &str, path: &str, body: Frames) -> Request<Frames> {
    Request::builder().method(method).uri(format!("http://localhost{path}")).body(body).unwrap()
}

/// An upstream that sends each piece of a request's body back as it comes, and its trailers after that. The head says what the
/// upstream saw. For a path of `/patient` it waits for the body's first piece before it answers.
pub(crate) async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| async {
                let (parts, mut incoming) = request.into_parts();
                let (sender, frames) = frames();
                if parts.uri.path() == "/patient"
                    && let Some(Ok(first)) = incoming.frame().await
                {
                    let _ = sender.send(first);
                }
                tokio::spawn(async move {
                    while let Some(Ok(frame)) = incoming.frame().await {
                        if sender.send(frame).is_err() {
                            break;
                        }
                    }
                });
                let text = |name: &str| {
                    parts.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
                };
                let response = Response::builder()
                    .header("x-saw", format!("{:?} {} {}", parts.version, parts.method, parts.uri))
                    .header("x-saw-te", text("te"))
                    .header("x-saw-filter", text("x-from-filter"));
                Ok::<_, std::convert::Infallible>(response.body(frames).unwrap())
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}
