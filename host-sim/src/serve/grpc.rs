//! gRPC calls and streams that the filter opens to clusters, over HTTP/2.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::body::{Body, Broken, Source};
use super::client::CallError;
use super::convert::{is_hop_by_hop, response_head, trailers_in};
use super::driver::Driver;
use super::generation::Setup;
use crate::grpc::{GrpcAction, GrpcCall, GrpcEvent, GrpcReply, code, told};
use crate::header_map::HeaderMap;
use crate::upstream::{OVERFLOW, TIMEOUT};

/// Bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// What is under way: its own side of a call or a stream. The service hears of it when this is dropped early.
pub(super) struct Link {
    task: AbortHandle,
    /// Where messages go; `None` once the guest has ended its side.
    messages: Option<UnboundedSender<Bytes>>,
    /// Bytes that the service has not taken yet.
    waiting: Rc<Cell<usize>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// Sends a message of a stream's. False where the service takes in too little for it to wait within `limit` bytes.
    pub(super) fn send(&self, message: &[u8], limit: usize) -> bool {
        let Some(messages) = &self.messages else { return true };
        let message = framed(message);
        let waiting = self.waiting.get() + message.len();
        if waiting > limit + PREFIX {
            return false;
        }
        self.waiting.set(waiting);
        // A service that has ended its side takes no more.
        let _ = messages.send(message);
        true
    }

    /// Ends the guest's side.
    pub(super) fn end(&mut self) {
        self.messages = None;
    }
}

/// What of the filter's a call or stream belongs to: generation, incarnation, and its number.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) vm: (u64, u32),
    pub(super) token: u32,
}

/// Carries out what a VM did with gRPC.
pub(super) fn carry_out(
    driver: &Rc<Driver>,
    setup: &Arc<Setup>,
    links: &mut HashMap<u32, Link>,
    vm: (u64, u32),
    action: GrpcAction,
) {
    let close = |token: u32, status: u32, message: &str| {
        let (driver, event) = (Rc::clone(driver), GrpcEvent::Close(status, message.to_owned()));
        tokio::task::spawn_local(async move { driver.grpc_event(Key { vm, token }, event) });
    };
    match action {
        GrpcAction::Open(call) => {
            let key = Key { vm, token: call.token };
            links.insert(key.token, open(Rc::clone(driver), Arc::clone(setup), key, call));
        }
        GrpcAction::Unavailable(token) => close(token, code::UNAVAILABLE, "Cluster not available"),
        GrpcAction::Send { token, message, end } => {
            let Some(link) = links.get_mut(&token) else { return };
            if !link.send(&message, setup.plugin.limits.body_bytes) {
                links.remove(&token);
                return close(token, code::RESOURCE_EXHAUSTED, "the service takes in too little");
            }
            if end {
                link.end();
            }
        }
        GrpcAction::End(token) => {
            if let Some(link) = links.get_mut(&token) {
                link.end();
            }
        }
        GrpcAction::Cancel(token) => drop(links.remove(&token)),
    }
}

/// Opens a call or a stream; what comes back is delivered to the VM that opened it.
fn open(driver: Rc<Driver>, setup: Arc<Setup>, key: Key, call: GrpcCall) -> Link {
    let waiting = Rc::new(Cell::new(0));
    let (sender, receiver) = unbounded_channel();
    let body = match call.stream {
        true => Body::pieces(Messages { receiver, waiting: Rc::clone(&waiting) }, None),
        false => Body::Whole(framed(call.messages.first().map_or(&[], Vec::as_slice)), None),
    };
    let messages = call.stream.then_some(sender);
    let task = tokio::task::spawn_local(run(driver, setup, key, call, body));
    Link { task: task.abort_handle(), messages, waiting }
}

async fn run(driver: Rc<Driver>, setup: Arc<Setup>, key: Key, call: GrpcCall, body: Body) {
    let deliver = |event| driver.grpc_event(key, event);
    let (stream, timeout) = (call.stream, call.timeout);
    let answered = answer(&driver, &setup, call, body, &deliver);
    // The service itself is told of a deadline that has passed already.
    let ended = if stream || timeout.is_zero() {
        answered.await
    } else {
        let status = (code::UNAVAILABLE, told(TIMEOUT, "response_timeout"));
        tokio::time::timeout(timeout, answered).await.unwrap_or(Ending::status(status))
    };
    match ended {
        Ending::Answer(message) => deliver(GrpcEvent::Message(message)),
        Ending::Status { initial, trailing, status: (status, message) } => {
            if stream {
                if initial {
                    deliver(GrpcEvent::Initial(HeaderMap::new()));
                }
                if let Some(trailing) = trailing {
                    deliver(GrpcEvent::Trailing(trailing));
                }
            }
            deliver(GrpcEvent::Close(status, message));
        }
    }
}

/// How a call or a stream ends.
enum Ending {
    /// A call by its message.
    Answer(Vec<u8>),
    /// By a status. `initial` says that a stream was given no metadata yet.
    Status { initial: bool, trailing: Option<HeaderMap>, status: (u32, String) },
}

impl Ending {
    fn status(status: (u32, String)) -> Self {
        Self::Status { initial: false, trailing: None, status }
    }

    /// As the gateway itself answers for a service.
    fn made_up(reply: &GrpcReply) -> Self {
        let (trailing, status, message) = reply.ending_of().unwrap_or_default();
        Self::Status { initial: true, trailing: Some(trailing), status: (status, message) }
    }
}

/// Sends what there is, and delivers what a stream gets before its end.
async fn answer(
    driver: &Driver,
    setup: &Setup,
    call: GrpcCall,
    body: Body,
    deliver: &impl Fn(GrpcEvent),
) -> Ending {
    let limit = setup.plugin.limits.body_bytes;
    let Some(cluster) = setup.clusters.get(&call.cluster) else {
        return Ending::made_up(&GrpcReply::refused());
    };
    let Ok(_place) = driver.world.calls.try_acquire() else {
        return Ending::status((
            code::UNAVAILABLE,
            told(OVERFLOW, "upstream_reset_before_response_started{overflow}"),
        ));
    };
    let Some(request) = request(&call, &cluster.headers, &cluster.endpoint.address) else {
        return Ending::status((code::INTERNAL, String::from("the metadata is none that HTTP allows")));
    };
    let sent = driver.client.send(&cluster.endpoint, true, request.map(|()| body)).await;
    let response = match sent {
        Ok((response, _)) => response,
        Err(CallError::Connect) => return Ending::made_up(&GrpcReply::refused()),
        Err(_) => return Ending::made_up(&GrpcReply::reset()),
    };
    let head = response_head(&response);
    let http = response.status();
    let body = response.into_body();
    if http != StatusCode::OK || body.is_end_stream() {
        let told = status_of(&head);
        let status =
            if http == StatusCode::OK { told } else { told.or(Some((of_http(http), String::new()))) };
        let status = status.unwrap_or((code::UNKNOWN, String::new()));
        return Ending::Status { initial: true, trailing: Some(head), status: via_upstream(status) };
    }
    if call.stream {
        deliver(GrpcEvent::Initial(head));
    }
    receive(body, limit, call.stream.then_some(deliver)).await
}

/// Takes messages until the end; those of a stream are delivered as they come.
async fn receive(mut body: Incoming, limit: usize, deliver: Option<&impl Fn(GrpcEvent)>) -> Ending {
    let mut messages = Deframer::new(limit);
    let mut last = None;
    let trailers = loop {
        let Some(frame) = body.frame().await else { break HeaderMap::new() };
        let Ok(frame) = frame else {
            return Ending::Status {
                initial: false,
                trailing: Some(HeaderMap::new()),
                status: (code::INTERNAL, told("", crate::grpc::RESET_DETAILS)),
            };
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => break frame.into_trailers().map(|it| trailers_in(&it)).unwrap_or_default(),
        };
        messages.push(&data);
        loop {
            match messages.next() {
                Ok(None) => break,
                Ok(Some(message)) => match deliver {
                    Some(deliver) => deliver(GrpcEvent::Message(message)),
                    None => last = Some(message),
                },
                Err(status) => return Ending::status(status),
            }
        }
    };
    let status = via_upstream(status_of(&trailers).unwrap_or((code::UNKNOWN, String::new())));
    match (deliver, status.0, last) {
        (None, code::OK, Some(message)) => Ending::Answer(message),
        // A call that is answered by nothing has no answer.
        (None, code::OK, None) => Ending::status((code::INTERNAL, String::new())),
        _ => Ending::Status { initial: false, trailing: Some(trailers), status },
    }
}

/// The request's head (gRPC over HTTP/2, "Requests"). `None` where its parts are none that HTTP allows.
fn request(call: &GrpcCall, added: &[(String, String)], address: &str) -> Option<http::Request<()>> {
    // As in Envoy the authority is the cluster's name, where it can be.
    let name = std::str::from_utf8(&call.cluster).ok().filter(|name| !name.is_empty());
    let authority = name.and_then(|name| name.parse::<http::uri::Authority>().ok());
    let authority = authority.map_or_else(|| address.to_owned(), |authority| authority.to_string());
    let uri = http::Uri::builder().scheme("http").authority(authority);
    let uri = uri.path_and_query(format!("/{}", call.path())).build().ok()?;
    let mut request = http::Request::builder().method("POST").version(http::Version::HTTP_2).uri(uri);
    let headers = request.headers_mut()?;
    headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if !call.stream {
        headers.insert("grpc-timeout", grpc_timeout(call.timeout)?);
    }
    let own = |name: &[u8]| {
        name.first() == Some(&b':') || is_hop_by_hop(name) || matches!(name, b"host" | b"content-length")
    };
    for (name, value) in call.metadata.iter().filter(|(name, _)| !own(name)) {
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    for (name, value) in added {
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?);
    }
    request.body(()).ok()
}

/// A timeout as services are told of it: at most eight digits and a unit.
fn grpc_timeout(timeout: Duration) -> Option<HeaderValue> {
    let millis = timeout.as_millis();
    let text = if millis < 100_000_000 { format!("{millis}m") } else { format!("{}S", timeout.as_secs()) };
    HeaderValue::from_str(&text).ok()
}

/// The status in trailers, or in a head that is all there is, and its message.
fn status_of(headers: &HeaderMap) -> Option<(u32, String)> {
    let status = headers.text("grpc-status")?.parse().unwrap_or(code::UNKNOWN);
    let status = if status <= code::LAST { status } else { code::INVALID };
    Some((status, headers.text("grpc-message").unwrap_or_default()))
}

fn via_upstream((status, message): (u32, String)) -> (u32, String) {
    (status, told(&message, "via_upstream"))
}

/// What an HTTP status means where there is none of gRPC's (gRPC's "HTTP to gRPC Status Code Mapping").
fn of_http(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => code::INTERNAL,
        401 => code::UNAUTHENTICATED,
        403 => code::PERMISSION_DENIED,
        404 => code::UNIMPLEMENTED,
        429 | 502 | 503 | 504 => code::UNAVAILABLE,
        _ => code::UNKNOWN,
    }
}

/// A message with its prefix (gRPC over HTTP/2, "Length-Prefixed-Message").
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0], &length[..], message].concat().into()
}

/// The messages of a stream on their way out.
struct Messages {
    receiver: UnboundedReceiver<Bytes>,
    waiting: Rc<Cell<usize>>,
}

impl Source for Messages {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        let message = self.receiver.recv().await?;
        self.waiting.set(self.waiting.get().saturating_sub(message.len()));
        Some(Ok(Frame::data(message)))
    }
}

/// Takes messages out of the pieces that they come in.
struct Deframer {
    bytes: Vec<u8>,
    limit: usize,
}

impl Deframer {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// The next message, once all of it is there; a status where it is none that is taken.
    fn next(&mut self) -> Result<Option<Vec<u8>>, (u32, String)> {
        let Some((&[compressed, a, b, c, d], rest)) = self.bytes.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if compressed != 0 {
            return Err((code::INTERNAL, String::from("the message is compressed")));
        }
        if length > self.limit {
            return Err((
                code::RESOURCE_EXHAUSTED,
                format!("the message is larger than {} bytes", self.limit),
            ));
        }
        let Some(message) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
        self.bytes.drain(..PREFIX + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_of_any_pieces() {
        let wire = [framed(b"one"), framed(b""), framed(b"three")].concat();
        for size in 1..=wire.len() {
            let mut deframer = Deframer::new(5);
            let mut seen = Vec::new();
            for piece in wire.chunks(size) {
                deframer.push(piece);
                while let Some(message) = deframer.next().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, [&b"one"[..], b"", b"three"], "{size}");
        }
        let refused = |bytes: &[u8]| {
            let mut deframer = Deframer::new(5);
            deframer.push(bytes);
            deframer.next().unwrap_err().0
        };
        assert_eq!(refused(&framed(b"sixsix")), code::RESOURCE_EXHAUSTED);
        assert_eq!(refused(&[0, 255, 255, 255, 255]), code::RESOURCE_EXHAUSTED);
        assert_eq!(refused(&[1, 0, 0, 0, 0]), code::INTERNAL);
    }

    #[test]
    fn timeouts_have_eight_digits_at_most() {
        let text = |timeout| grpc_timeout(timeout).unwrap().to_str().unwrap().to_owned();
        assert_eq!(text(Duration::ZERO), "0m");
        assert_eq!(text(Duration::from_millis(99_999_999)), "99999999m");
        assert_eq!(text(Duration::from_millis(u32::MAX.into())), "4294967S");
    }
}
