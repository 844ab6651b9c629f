//! What goes into a stream and what comes out of it.

use crate::error::Failure;
use crate::header_map::HeaderMap;
use crate::property::{Properties, PropertyValue};

/// A request to send through the filter.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Headers with their pseudo-headers, in order; duplicates stay.
    pub headers: HeaderMap,
    /// The body in the chunks it arrives in.
    pub body: Vec<Vec<u8>>,
    /// Trailers, if there are any.
    pub trailers: Option<HeaderMap>,
    /// Maps of HTTP/2 metadata, which arrive after the headers.
    pub metadata: Vec<HeaderMap>,
    /// Properties of the stream; they win over those the host derives.
    pub properties: Properties,
    /// Whether more body or trailers follow later by [`Host::send_body`](crate::Host::send_body).
    pub unfinished: bool,
}

impl Request {
    /// A request of a method and a path, to the authority `localhost` over `https`.
    pub fn new(method: &str, path: &str) -> Self {
        let headers =
            [(":method", method), (":path", path), (":authority", "localhost"), (":scheme", "https")];
        Self { headers: HeaderMap::from_pairs(headers), ..Self::default() }
    }

    /// A request of these headers, pseudo-headers among them.
    pub fn from_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { headers: HeaderMap::from_pairs(headers), ..Self::default() }
    }

    /// `GET` a path.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// `POST` to a path.
    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// Adds a header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(name.as_ref(), value.as_ref());
        self
    }

    /// Sets the authority.
    pub fn authority(mut self, authority: &str) -> Self {
        self.headers.set(b":authority", authority.as_bytes());
        self
    }

    /// Adds a chunk of the body.
    pub fn body(mut self, chunk: impl Into<Vec<u8>>) -> Self {
        self.body.push(chunk.into());
        self
    }

    /// Sets a property, its path written with dots: `connection.mtls`.
    pub fn property(mut self, path: &str, value: impl Into<PropertyValue>) -> Self {
        self.properties.set(path, value);
        self
    }

    /// Adds chunks of the body, in the order in which they arrive.
    pub fn chunks<C: Into<Vec<u8>>>(mut self, chunks: impl IntoIterator<Item = C>) -> Self {
        self.body.extend(chunks.into_iter().map(Into::into));
        self
    }

    /// Ends the request with trailers.
    pub fn trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        trailers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.trailers = Some(HeaderMap::from_pairs(trailers));
        self
    }

    /// Adds a map of HTTP/2 metadata, which arrives after the headers.
    pub fn metadata<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.metadata.push(HeaderMap::from_pairs(pairs));
        self
    }

    /// Leaves the request open for more body.
    pub fn unfinished(mut self) -> Self {
        self.unfinished = true;
        self
    }
}

/// A response from the upstream, to send back through the filter.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Headers with `:status`.
    pub headers: HeaderMap,
    /// The body in the chunks it arrives in.
    pub body: Vec<Vec<u8>>,
    /// Trailers, if there are any.
    pub trailers: Option<HeaderMap>,
    /// Maps of HTTP/2 metadata, which arrive after the headers.
    pub metadata: Vec<HeaderMap>,
    /// Whether more body follows later by [`Host::send_response_body`](crate::Host::send_response_body).
    pub unfinished: bool,
}

impl Response {
    /// A response of a status.
    pub fn new(status: u16) -> Self {
        Self { headers: HeaderMap::from_pairs([(":status", status.to_string())]), ..Self::default() }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.append(name.as_ref(), value.as_ref());
        self
    }

    /// Adds a chunk of the body.
    pub fn body(mut self, chunk: impl Into<Vec<u8>>) -> Self {
        self.body.push(chunk.into());
        self
    }

    /// Ends the response with trailers.
    pub fn trailers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        trailers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.trailers = Some(HeaderMap::from_pairs(trailers));
        self
    }

    /// Adds a map of HTTP/2 metadata, which arrives after the headers.
    pub fn metadata<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.metadata.push(HeaderMap::from_pairs(pairs));
        self
    }

    /// Leaves the response open: more body follows, or the connection breaks.
    pub fn unfinished(mut self) -> Self {
        self.unfinished = true;
        self
    }
}

/// A message as it left the filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Headers with pseudo-headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
    /// Trailers; empty where there are none.
    pub trailers: HeaderMap,
}

impl Message {
    /// The number in `:status`, 0 where there is none.
    pub fn status(&self) -> u16 {
        let status = self.headers.get(":status").and_then(|v| std::str::from_utf8(v).ok());
        status.and_then(|v| v.parse().ok()).unwrap_or(0)
    }

    /// Bytes that it holds.
    fn bytes(&self) -> usize {
        self.headers.byte_size() + self.body.len() + self.trailers.byte_size()
    }

    /// The body as text, with what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A response that the filter made itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u16,
    /// Its headers as the client gets them, `:status` among them.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// Response code details, for the gateway's log.
    pub details: Vec<u8>,
    /// The gRPC status given, -1 for none.
    pub grpc_status: i32,
}

impl LocalReply {
    /// Bytes that it holds.
    fn bytes(&self) -> usize {
        self.headers.byte_size() + self.body.len() + self.details.len()
    }

    /// What the client gets.
    pub fn message(&self) -> Message {
        Message { headers: self.headers.clone(), body: self.body.clone(), trailers: HeaderMap::new() }
    }

    /// The body as text, with what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Where a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request went upstream, whole, as it is here.
    Forwarded(Message),
    /// The filter answered by itself.
    Reply(LocalReply),
    /// The filter holds the request and waits for something.
    Paused,
    /// The filter took what there was and waits for the rest of the request.
    Incomplete,
    /// The filter closed the stream without an answer.
    Closed,
    /// The VM failed; the client gets 503 (`FAIL_CLOSED`).
    Failed(Failure),
}

impl Outcome {
    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Forwarded(message) => message.bytes(),
            Self::Reply(reply) => reply.bytes(),
            Self::Failed(failure) => failure.message.len(),
            Self::Paused | Self::Incomplete | Self::Closed => 0,
        }
    }

    /// The request that went upstream.
    pub fn forwarded(&self) -> Option<&Message> {
        if let Self::Forwarded(message) = self { Some(message) } else { None }
    }

    /// The filter's own answer.
    pub fn reply(&self) -> Option<&LocalReply> {
        if let Self::Reply(reply) = self { Some(reply) } else { None }
    }

    /// Whether the request is held.
    pub fn is_paused(&self) -> bool {
        matches!(self, Self::Paused)
    }

    /// The failure of the VM.
    pub fn failure(&self) -> Option<&Failure> {
        if let Self::Failed(failure) = self { Some(failure) } else { None }
    }
}

/// Where the response of a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseOutcome {
    /// The response went downstream as it is here.
    Sent(Message),
    /// The filter put its own answer in place of it.
    Reply(LocalReply),
    /// The filter holds the response.
    Paused,
    /// There is no response yet, or the stream ended without one.
    None,
    /// The VM failed.
    Failed(Failure),
}

impl ResponseOutcome {
    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Sent(message) => message.bytes(),
            Self::Reply(reply) => reply.bytes(),
            Self::Failed(failure) => failure.message.len(),
            Self::Paused | Self::None => 0,
        }
    }

    /// The response that went downstream: the upstream's, or the filter's own in its place.
    pub fn sent(&self) -> Option<Message> {
        match self {
            Self::Sent(message) => Some(message.clone()),
            Self::Reply(reply) => Some(reply.message()),
            Self::Paused | Self::None | Self::Failed(_) => None,
        }
    }
}

/// A call that the module made through `proxy_http_call`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// The VM that made it.
    pub worker: usize,
    /// Its number within that VM.
    pub token: u32,
    /// The cluster named.
    pub cluster: Vec<u8>,
    /// Headers with pseudo-headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: HeaderMap,
    /// How long to wait for the answer; zero means for ever.
    pub timeout: std::time::Duration,
    /// When it was made, in nanoseconds since the Unix epoch.
    pub at: u64,
}

impl HttpCall {
    /// The cluster as text.
    pub fn cluster(&self) -> String {
        String::from_utf8_lossy(&self.cluster).into_owned()
    }

    /// The path with its query.
    pub fn path(&self) -> String {
        self.headers.text(":path").unwrap_or_default()
    }
}
