//! Connections from clients: TLS where there is any, HTTP/1.1 or HTTP/2, and each request an exchange of its own.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::driver::Driver;
use super::exchange::{Link, exchange};
use super::first::Begun;
use super::options::{ClientLimits, Endpoint, Protocol};
use super::thread::Local;
use super::tls::{self, Secured};

/// Bytes of an HTTP/1.1 head, and of what is read ahead of a body: as much as headers may have, and no less than the library needs.
const LEAST_BUFFER: usize = 16 << 10;

/// What all connections are served with.
pub(super) struct Gate {
    pub(super) upstream: Endpoint,
    pub(super) protocol: Protocol,
    pub(super) timeout: Duration,
    pub(super) limits: ClientLimits,
    pub(super) secured: Arc<Secured>,
    pub(super) local: SocketAddr,
}

/// Serves one connection until it ends, or until the gateway stops and its last request is answered.
pub(super) async fn serve(
    stream: std::net::TcpStream,
    peer: SocketAddr,
    number: u64,
    driver: Rc<Driver>,
    gate: Arc<Gate>,
    stopped: watch::Receiver<bool>,
) {
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    // A response that waits for more data to fill a packet only costs time.
    let _ = stream.set_nodelay(true);
    let mut properties = tls::plain(number, gate.local, peer);
    match gate.secured.acceptor() {
        None => {
            let link = Link { scheme: "http", properties, driver, gate };
            speak(stream, link, None, stopped).await;
        }
        Some(acceptor) => {
            let shaken = tokio::time::timeout(gate.limits.head_timeout, acceptor.accept(stream)).await;
            if let Ok(Ok(secure)) = shaken {
                let session = secure.get_ref().1;
                tls::secured(&mut properties, session);
                let http2 = session.alpn_protocol().map(|protocol| protocol == tls::H2);
                let link = Link { scheme: "https", properties, driver, gate };
                speak(secure, link, http2, stopped).await;
            }
        }
    }
}

/// `http2` is what was agreed on; without an agreement a client's first bytes tell.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    link: Link,
    http2: Option<bool>,
    mut stopped: watch::Receiver<bool>,
) {
    let head_timeout = link.gate.limits.head_timeout;
    // Who says nothing at first takes a place for no longer than who says half of something.
    let (mut stream, told) = tokio::select! {
        begun = tokio::time::timeout(head_timeout, Begun::read(stream)) => match begun {
            Ok(Ok(begun)) => begun,
            _ => return,
        },
        _ = stopped.changed() => return,
    };
    let http2 = http2.unwrap_or(told);
    if !http2 {
        stream.look_at_heads();
    }
    let builder = builder(&link.gate.limits, http2);
    let link = Rc::new(link);
    let service = service_fn(move |request| exchange(request, Rc::clone(&link)));
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a client ends its connection is its own affair.
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(head_timeout.saturating_mul(30), connection).await;
        }
    }
}

fn builder(limits: &ClientLimits, http2: bool) -> auto::Builder<Local> {
    let mut builder = auto::Builder::new(Local);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(limits.headers)
        .max_buf_size((limits.header_bytes as usize).max(LEAST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.header_bytes)
        .max_concurrent_streams(limits.streams)
        .keep_alive_interval(limits.head_timeout)
        .keep_alive_timeout(limits.head_timeout);
    if http2 { builder.http2_only() } else { builder.http1_only() }
}
