//! What a gateway is to be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::observe::Exchange;
use super::tls::{Tls, UpstreamTls};
use crate::error::StartError;
use crate::log::LogLine;

/// Takes each line that the filter logs, and one of level `critical` for each failure of a VM, with the callback and the reason.
pub type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// Takes each exchange when it is over.
pub type ExchangeSink = Arc<dyn Fn(Exchange) + Send + Sync>;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `host:port`.
    pub address: String,
    /// Whether it is spoken to over TLS. Its certificate has to be for that host.
    pub tls: bool,
}

impl Endpoint {
    /// A server that is spoken to over TLS.
    pub fn tls(address: impl Into<String>) -> Self {
        Self { address: address.into(), tls: true }
    }
}

impl<A: Into<String>> From<A> for Endpoint {
    fn from(address: A) -> Self {
        Self { address: address.into(), tls: false }
    }
}

/// The protocol that a server is spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Over TLS what the two agree on (ALPN), HTTP/2 before HTTP/1.1; in the clear HTTP/1.1.
    #[default]
    Agreed,
    /// HTTP/2; in the clear with prior knowledge (RFC 9113 §3.3).
    Http2,
}

/// What clients and the filter may use up.
#[derive(Clone, Debug)]
pub struct ClientLimits {
    /// Connections open at once, over all workers; later ones wait to be taken.
    pub connections: usize,
    /// Calls and gRPC streams that the filter has under way at once, over all workers. Further ones fail as in Envoy: by 503, or
    /// the status 14. Each may take a file handle, of which clients need some too.
    pub calls: usize,
    /// Streams open at once on one HTTP/2 connection.
    pub streams: u32,
    /// Headers of one message.
    pub headers: usize,
    /// Bytes of the headers of one message.
    pub header_bytes: u32,
    /// Bytes of one body, in either direction. Bodies pass through and are not held; what the filter holds back is bounded by
    /// [`Limits::body_bytes`](crate::Limits::body_bytes).
    pub body_bytes: u64,
    /// How long a client may take for a handshake or the head of a request.
    pub head_timeout: Duration,
    /// How long a body may stand still, in either direction.
    pub idle_timeout: Duration,
}

impl ClientLimits {
    /// The same for a process of so many file handles: a quarter of them for clients, and a quarter for the filter's calls, so that
    /// neither takes what the other needs. What is left is for the upstream, for connections that are kept, and for files.
    pub fn within(mut self, handles: u64) -> Self {
        let share = usize::try_from(handles / 4).unwrap_or(usize::MAX).max(1);
        self.connections = self.connections.min(share);
        self.calls = self.calls.min(share);
        self
    }
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            calls: 256,
            streams: 100,
            headers: 100,
            header_bytes: 60 << 10,
            body_bytes: 1 << 30,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

/// What a gateway is to be.
#[derive(Clone)]
pub struct GatewayOptions {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where requests go that the filter lets pass.
    pub upstream: Endpoint,
    /// How the upstream is spoken to.
    pub upstream_protocol: Protocol,
    /// Clusters that the filter can call.
    pub clusters: BTreeMap<String, Endpoint>,
    /// Headers that calls to a cluster get on their way, by its name.
    pub cluster_headers: BTreeMap<String, Vec<(String, String)>>,
    /// TLS, if connections are to have it.
    pub tls: Option<Tls>,
    /// What is done over TLS with the upstream and with clusters; none of them can have it without.
    pub upstream_tls: Option<UpstreamTls>,
    /// How long to wait for the head of the upstream's response, once it has all of the request.
    pub upstream_timeout: Duration,
    /// What clients may use up.
    pub limits: ClientLimits,
    /// Where log lines go.
    pub log: LogSink,
    /// Who is told of each exchange. Watching costs some speed.
    pub observe: Option<ExchangeSink>,
}

impl GatewayOptions {
    /// A plain gateway on a free port of the loopback interface, in front of `upstream`.
    pub fn new(upstream: impl Into<Endpoint>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            upstream: upstream.into(),
            upstream_protocol: Protocol::default(),
            clusters: BTreeMap::new(),
            cluster_headers: BTreeMap::new(),
            tls: None,
            upstream_tls: None,
            upstream_timeout: Duration::from_secs(15),
            limits: ClientLimits::default(),
            log: Arc::new(|_| {}),
            observe: None,
        }
    }

    /// Adds a cluster that the filter can call at `address`.
    pub fn cluster(mut self, name: &str, address: impl Into<Endpoint>) -> Self {
        self.clusters.insert(name.to_owned(), address.into());
        self
    }

    /// Gives calls to a cluster a header in place of any of its name: a credential, say, that the filter does not hold.
    pub fn cluster_header(mut self, cluster: &str, name: &str, value: &str) -> Self {
        let headers = self.cluster_headers.entry(cluster.to_owned()).or_default();
        headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Serves TLS.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What is done over TLS with the upstream and with clusters.
    pub fn upstream_tls(mut self, tls: UpstreamTls) -> Self {
        self.upstream_tls = Some(tls);
        self
    }

    /// How the upstream is spoken to.
    pub fn upstream_protocol(mut self, protocol: Protocol) -> Self {
        self.upstream_protocol = protocol;
        self
    }

    /// Where log lines go.
    pub fn log(mut self, sink: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        self.log = Arc::new(sink);
        self
    }

    /// Who is told of each exchange when it is over.
    pub fn observe(mut self, sink: impl Fn(Exchange) + Send + Sync + 'static) -> Self {
        self.observe = Some(Arc::new(sink));
        self
    }
}

/// A gateway that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The module did not come up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address cannot be listened on, or threads cannot be made.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// Certificates or keys that cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
}

/// An error of the system's, with what was tried.
pub(super) fn io(what: &str) -> impl FnOnce(std::io::Error) -> ServeError {
    let what = what.to_owned();
    move |error| ServeError::Io { what, error }
}
