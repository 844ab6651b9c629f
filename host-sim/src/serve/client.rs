//! The gateway's own connections: to the upstream, and to the clusters that the filter calls. Each worker has its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::body::Body;
use super::options::Protocol;
use super::thread::Local;

/// Idle connections kept to one address.
const IDLE: usize = 64;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// Headers and bytes of headers that an upstream's answer may have.
const HEADERS: usize = 256;
const HEADER_BYTES: u32 = 256 << 10;

type Sender1 = http1::SendRequest<Body>;
type Sender2 = http2::SendRequest<Body>;

/// Sends requests, keeping connections. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Client {
    idle: Rc<RefCell<HashMap<String, Vec<Sender1>>>>,
    shared: Rc<RefCell<HashMap<String, Sender2>>>,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// No connection, or one that broke before any answer.
    Connect,
    /// The answer broke off, or is more than the gateway takes.
    Broken,
}

/// The connection that a response comes on. One whose response has come to its end is kept for the next request.
pub(super) struct Lease {
    client: Client,
    address: String,
    sender: Option<Sender1>,
}

impl Lease {
    /// The response has come to its end.
    pub(super) fn keep(mut self) {
        let Some(sender) = self.sender.take().filter(|sender| !sender.is_closed()) else { return };
        let mut idle = self.client.idle.borrow_mut();
        match idle.get_mut(&self.address) {
            Some(kept) if kept.len() < IDLE => kept.push(sender),
            Some(_) => {}
            None => drop(idle.insert(std::mem::take(&mut self.address), vec![sender])),
        }
    }
}

impl Client {
    /// Sends a request to `host:port` and takes the head of the response.
    pub(super) async fn send(
        &self,
        address: &str,
        protocol: Protocol,
        request: http::Request<Body>,
    ) -> Result<(http::Response<Incoming>, Lease), CallError> {
        match protocol {
            Protocol::Http1 => self.send1(address, request).await,
            Protocol::Http2 => self.send2(address, request).await,
        }
    }

    async fn send1(
        &self,
        address: &str,
        mut request: http::Request<Body>,
    ) -> Result<(http::Response<Incoming>, Lease), CallError> {
        let lease =
            |sender| Lease { client: self.clone(), address: address.to_owned(), sender: Some(sender) };
        while let Some(mut sender) = self.take(address) {
            if sender.ready().await.is_err() {
                continue;
            }
            // A kept connection may have been closed by the other side meanwhile: then another gets its turn.
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, lease(sender))),
                Err(mut error) => request = error.take_message().ok_or(CallError::Connect)?,
            }
        }
        let mut sender = connect1(address).await?;
        let response = sender.send_request(request).await.map_err(|_| CallError::Connect)?;
        Ok((response, lease(sender)))
    }

    async fn send2(
        &self,
        address: &str,
        mut request: http::Request<Body>,
    ) -> Result<(http::Response<Incoming>, Lease), CallError> {
        let lease = Lease { client: self.clone(), address: String::new(), sender: None };
        let kept = self.shared.borrow().get(address).filter(|sender| !sender.is_closed()).cloned();
        if let Some(mut sender) = kept
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, lease)),
                Err(mut error) => request = error.take_message().ok_or(CallError::Connect)?,
            }
        }
        let mut sender = connect2(address).await?;
        self.shared.borrow_mut().insert(address.to_owned(), sender.clone());
        let response = sender.send_request(request).await.map_err(|_| CallError::Connect)?;
        Ok((response, lease))
    }

    fn take(&self, address: &str) -> Option<Sender1> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(address)?;
        std::iter::from_fn(|| kept.pop()).find(|sender| !sender.is_closed())
    }
}

async fn connect(address: &str) -> Result<TokioIo<TcpStream>, CallError> {
    let connected = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
    let stream = connected.map_err(|_| CallError::Connect)?.map_err(|_| CallError::Connect)?;
    // Small requests that wait for one another gain from it; where it cannot be set they still go.
    let _ = stream.set_nodelay(true);
    Ok(TokioIo::new(stream))
}

async fn connect1(address: &str) -> Result<Sender1, CallError> {
    let stream = connect(address).await?;
    let made = http1::Builder::new().max_headers(HEADERS).handshake(stream).await;
    let (sender, connection) = made.map_err(|_| CallError::Connect)?;
    // How it ends is for whoever sends the next request to find out.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

async fn connect2(address: &str) -> Result<Sender2, CallError> {
    let stream = connect(address).await?;
    let mut builder = http2::Builder::new(Local);
    builder.timer(TokioTimer::new()).max_header_list_size(HEADER_BYTES);
    let (sender, connection) = builder.handshake(stream).await.map_err(|_| CallError::Connect)?;
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}
