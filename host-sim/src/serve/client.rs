//! The gateway's own connections: to the upstream, and to the clusters that the filter calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::header_map::HeaderMap;
use crate::outcome::{Message, Response};
use crate::shared::lock;

/// Idle connections kept to one address.
const IDLE: usize = 64;

type Sender = SendRequest<Full<Bytes>>;

/// Sends requests, keeping connections. Clones share them.
#[derive(Clone)]
pub(super) struct Client {
    idle: Arc<Mutex<HashMap<String, Vec<Sender>>>>,
    body_bytes: usize,
}

/// Why there is no response.
pub(super) enum CallError {
    /// No connection, or one that broke before any answer.
    Connect,
    /// The answer broke off, or is more than the gateway takes.
    Broken,
}

/// Headers that concern one connection alone (RFC 9110 §7.6.1).
const HOP_BY_HOP: [&[u8]; 8] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

pub(super) fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP.contains(&name)
}

impl Client {
    pub(super) fn new(body_bytes: usize) -> Self {
        Self { idle: Arc::default(), body_bytes }
    }

    /// Sends a message to `host:port` and takes the whole response.
    pub(super) async fn send(&self, address: &str, message: &Message) -> Result<Response, CallError> {
        // A kept connection may have been closed by the other side meanwhile: then a fresh one gets its turn.
        let mut sender = match self.take(address) {
            Some(sender) => sender,
            None => connect(address).await?,
        };
        let request = || request(address, message).ok_or(CallError::Broken);
        let response = match sender.try_send_request(request()?).await {
            Ok(response) => response,
            Err(mut error) => match error.take_message() {
                Some(unsent) => {
                    sender = connect(address).await?;
                    sender.send_request(unsent).await.map_err(|_| CallError::Connect)?
                }
                None => return Err(CallError::Connect),
            },
        };
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, self.body_bytes).collect().await.map_err(|_| CallError::Broken)?;
        let trailers = body.trailers().map(|t| t.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect());
        self.keep(address, sender);
        let mut headers = HeaderMap::from_pairs([(":status", parts.status.as_str())]);
        for (name, value) in &parts.headers {
            if !is_hop_by_hop(name.as_str().as_bytes()) {
                headers.append(name.as_str().as_bytes(), value.as_bytes());
            }
        }
        let body = body.to_bytes().to_vec();
        let body = if body.is_empty() { Vec::new() } else { vec![body] };
        Ok(Response { headers, body, trailers, ..Response::default() })
    }

    fn take(&self, address: &str) -> Option<Sender> {
        let mut idle = lock(&self.idle);
        let kept = idle.get_mut(address)?;
        while let Some(sender) = kept.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, address: &str, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut idle = lock(&self.idle);
        let kept = idle.entry(address.to_owned()).or_default();
        if kept.len() < IDLE {
            kept.push(sender);
        }
    }
}

async fn connect(address: &str) -> Result<Sender, CallError> {
    let stream = TcpStream::connect(address).await.map_err(|_| CallError::Connect)?;
    // Small requests that wait for one another gain from it; where it cannot be set they still go.
    let _ = stream.set_nodelay(true);
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| CallError::Connect)?;
    tokio::spawn(connection);
    Ok(sender)
}

fn request(address: &str, message: &Message) -> Option<hyper::Request<Full<Bytes>>> {
    let headers = &message.headers;
    let mut request = hyper::Request::builder()
        .method(headers.get(":method").unwrap_or(b"GET"))
        .uri(std::str::from_utf8(headers.get(":path").unwrap_or(b"/")).ok()?)
        .header("host", headers.get(":authority").unwrap_or(address.as_bytes()));
    for (name, value) in headers.iter() {
        let own = name.first() == Some(&b':') || name == b"content-length" || name == b"host";
        if !own && !is_hop_by_hop(name) {
            request = request.header(name, value);
        }
    }
    request.body(Full::new(Bytes::from(message.body.clone()))).ok()
}
