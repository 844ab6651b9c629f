//! The gateway's own connections: to the upstream, and to the clusters that the filter calls. Each worker has its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::body::Body;
use super::options::{Endpoint, Protocol};
use super::thread::Local;
use super::tls::{H2, HTTP1, Secured};

/// Idle connections kept to one address.
const IDLE: usize = 64;

/// How long a connection may take to come about, a handshake included.
const CONNECT: Duration = Duration::from_secs(5);

/// Headers and bytes of headers that an upstream's answer may have.
const HEADERS: usize = 256;
const HEADER_BYTES: u32 = 256 << 10;

type Sender1 = http1::SendRequest<Body>;
type Sender2 = http2::SendRequest<Body>;

/// Sends requests, keeping connections. Clones share them.
#[derive(Clone)]
pub(super) struct Client {
    secured: Arc<Secured>,
    kept: Rc<RefCell<Kept>>,
}

/// Connections that serve the next request.
#[derive(Default)]
struct Kept {
    /// The edition of certificates that they were made with.
    edition: u64,
    idle: HashMap<Endpoint, Vec<Sender1>>,
    shared: HashMap<Endpoint, Sender2>,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// No connection.
    Connect,
    /// A connection that broke before any answer.
    Reset,
    /// The answer broke off, or is more than the gateway takes.
    Broken,
    /// The request is none that HTTP allows.
    Invalid,
    /// There was no answer in time.
    Late,
}

/// The connection that a response comes on. One whose response has come to its end is kept for the next request.
pub(super) struct Lease {
    kept: Rc<RefCell<Kept>>,
    edition: u64,
    endpoint: Endpoint,
    sender: Option<Sender1>,
}

impl Lease {
    /// The response has come to its end.
    pub(super) fn keep(mut self) {
        if let Some(sender) = self.sender.take() {
            self.kept.borrow_mut().keep(self.edition, &self.endpoint, sender);
        }
    }
}

impl Kept {
    /// Lets go of what was made with other certificates.
    fn renew(&mut self, edition: u64) {
        if self.edition != edition {
            *self = Self { edition, ..Self::default() };
        }
    }

    fn keep(&mut self, edition: u64, endpoint: &Endpoint, sender: Sender1) {
        if sender.is_closed() || edition != self.edition {
            return;
        }
        match self.idle.get_mut(endpoint) {
            Some(kept) if kept.len() < IDLE => kept.push(sender),
            Some(_) => {}
            None => drop(self.idle.insert(endpoint.clone(), vec![sender])),
        }
    }

    fn take(&mut self, endpoint: &Endpoint) -> Option<Sender1> {
        let kept = self.idle.get_mut(endpoint)?;
        std::iter::from_fn(|| kept.pop()).find(|sender| !sender.is_closed())
    }

    fn shared(&self, endpoint: &Endpoint) -> Option<Sender2> {
        self.shared.get(endpoint).filter(|sender| !sender.is_closed()).cloned()
    }
}

/// What came of connecting.
enum Connected {
    Http1(Sender1),
    Http2(Sender2),
}

impl Client {
    pub(super) fn new(secured: Arc<Secured>) -> Self {
        Self { secured, kept: Rc::default() }
    }

    /// Whether an endpoint is spoken to in HTTP/2. One that is to say so itself is connected to.
    pub(super) async fn speaks_http2(
        &self,
        endpoint: &Endpoint,
        protocol: Protocol,
    ) -> Result<bool, CallError> {
        if protocol == Protocol::Http2 || !endpoint.tls {
            return Ok(protocol == Protocol::Http2);
        }
        let edition = self.renew();
        {
            let kept = self.kept.borrow();
            if kept.shared(endpoint).is_some() {
                return Ok(true);
            }
            if kept.idle.get(endpoint).is_some_and(|idle| idle.iter().any(|sender| !sender.is_closed())) {
                return Ok(false);
            }
        }
        match self.connect(endpoint, &[H2, HTTP1]).await? {
            Connected::Http2(sender) => {
                self.kept.borrow_mut().shared.insert(endpoint.clone(), sender);
                Ok(true)
            }
            Connected::Http1(sender) => {
                self.kept.borrow_mut().keep(edition, endpoint, sender);
                Ok(false)
            }
        }
    }

    /// Sends a request and takes the head of the response.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        http2: bool,
        request: http::Request<Body>,
    ) -> Result<(http::Response<Incoming>, Lease), CallError> {
        let edition = self.renew();
        let lease =
            |sender| Lease { kept: Rc::clone(&self.kept), edition, endpoint: endpoint.clone(), sender };
        if http2 {
            return Ok((self.send2(endpoint, request).await?, lease(None)));
        }
        let (response, sender) = self.send1(endpoint, request).await?;
        Ok((response, lease(Some(sender))))
    }

    async fn send1(
        &self,
        endpoint: &Endpoint,
        mut request: http::Request<Body>,
    ) -> Result<(http::Response<Incoming>, Sender1), CallError> {
        loop {
            let kept = self.kept.borrow_mut().take(endpoint);
            let Some(mut sender) = kept else { break };
            if sender.ready().await.is_err() {
                continue;
            }
            // A kept connection may have been closed by the other side meanwhile: then another gets its turn.
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                Err(mut error) => request = error.take_message().ok_or(CallError::Reset)?,
            }
        }
        let Connected::Http1(mut sender) = self.connect(endpoint, &[HTTP1]).await? else {
            return Err(CallError::Connect);
        };
        let response = sender.send_request(request).await.map_err(|_| CallError::Reset)?;
        Ok((response, sender))
    }

    async fn send2(
        &self,
        endpoint: &Endpoint,
        mut request: http::Request<Body>,
    ) -> Result<http::Response<Incoming>, CallError> {
        let kept = self.kept.borrow().shared(endpoint);
        if let Some(mut sender) = kept
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => request = error.take_message().ok_or(CallError::Reset)?,
            }
        }
        let Connected::Http2(mut sender) = self.connect(endpoint, &[H2]).await? else {
            return Err(CallError::Connect);
        };
        self.kept.borrow_mut().shared.insert(endpoint.clone(), sender.clone());
        sender.send_request(request).await.map_err(|_| CallError::Reset)
    }

    fn renew(&self) -> u64 {
        let edition = self.secured.edition();
        self.kept.borrow_mut().renew(edition);
        edition
    }

    /// Connects, over TLS in one of these protocols; in the clear in the last of them.
    async fn connect(&self, endpoint: &Endpoint, offered: &[&[u8]]) -> Result<Connected, CallError> {
        let connected = tokio::time::timeout(CONNECT, self.connect_at_leisure(endpoint, offered)).await;
        connected.unwrap_or(Err(CallError::Connect))
    }

    async fn connect_at_leisure(
        &self,
        endpoint: &Endpoint,
        offered: &[&[u8]],
    ) -> Result<Connected, CallError> {
        let stream = TcpStream::connect(&*endpoint.address).await.map_err(|_| CallError::Connect)?;
        // Small requests that wait for one another gain from it; where it cannot be set they still go.
        let _ = stream.set_nodelay(true);
        if !endpoint.tls {
            return if offered.last() == Some(&H2) { speak2(stream).await } else { speak1(stream).await };
        }
        let (connector, name) = self.secured.connector(endpoint, offered).ok_or(CallError::Connect)?;
        let secure = connector.connect(name, stream).await.map_err(|_| CallError::Connect)?;
        let http2 = match secure.get_ref().1.alpn_protocol() {
            Some(agreed) => agreed == H2,
            // One that knows nothing of such agreements speaks HTTP/1.1.
            None => false,
        };
        match http2 {
            true => speak2(secure).await,
            false if offered.contains(&HTTP1) => speak1(secure).await,
            false => Err(CallError::Connect),
        }
    }
}

async fn speak1(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Result<Connected, CallError> {
    let made = http1::Builder::new().max_headers(HEADERS).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(|_| CallError::Connect)?;
    // How it ends is for whoever sends the next request to find out.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(Connected::Http1(sender))
}

async fn speak2(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Result<Connected, CallError> {
    let mut builder = http2::Builder::new(Local);
    builder.timer(TokioTimer::new()).max_header_list_size(HEADER_BYTES);
    let made = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(|_| CallError::Connect)?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(Connected::Http2(sender))
}
